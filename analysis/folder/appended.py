"""A file that only grows, each time by a whole piece, and that is made again where somebody removed it."""

from __future__ import annotations

import os
from pathlib import Path

_COPY = 1 << 20


class TakenError(Exception):
    """Another process has begun to write the folder."""


class Appended:
    """A file that only grows, each time by a whole piece. Raises OSError; :class:`TakenError` where there is one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise TakenError from error
        self._node = _node(os.fstat(self.fd))

    def append(self, *pieces: bytes) -> int:
        """How many octets that were. Raises OSError where they cannot be written; then none of them is in the file."""
        size = sum(map(len, pieces))
        try:
            done = os.pwritev(self.fd, pieces, self.size)
            if done < size:
                left = memoryview(b"".join(pieces))
                while done < size:
                    done += os.pwrite(self.fd, left[done:], self.size + done)
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.size += size
        return size

    def is_there(self) -> bool:
        try:
            return _node(os.stat(self.path)) == self._node
        except OSError:
            return False

    def restore(self) -> None:
        """Write the file again at its place from what is still open. Raises OSError where that is not possible."""
        fresh = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            at = 0
            while at < self.size:
                piece = os.pread(self.fd, min(_COPY, self.size - at), at)
                at += os.pwrite(fresh, piece, at)
        except OSError:
            os.close(fresh)
            raise
        os.close(self.fd)
        self.fd, self._node = fresh, _node(os.fstat(fresh))

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        os.close(self.fd)
        # The number is another file's soon: who still writes must not write there.
        self.fd = -1


def _node(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
