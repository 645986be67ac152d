"""A file that only grows, each time by a whole piece, and that is made again where somebody removed it."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

_COPY = 1 << 20


class TakenError(Exception):
    """Another process has begun to write the folder."""


class Appended:
    """A file that only grows, each time by a whole piece. Raises OSError; :class:`TakenError` where there is one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._missing = 0
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise TakenError from error
        self._node = _node(os.fstat(self.fd))

    def append(self, *pieces: bytes) -> int:
        """How many octets that were. Raises OSError where they cannot be written; then none of them is in the file."""
        size = sum(map(len, pieces))
        self._settle()
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
            return _node(os.lstat(self.path)) == self._node
        except OSError:
            return False

    def cut(self) -> int:
        """How many of its last octets another program has cut off since this was asked; what comes is appended where
        the file ends now."""
        with suppress(OSError):
            self._settle()
        missing, self._missing = self._missing, 0
        return missing

    def _settle(self) -> None:
        found = os.fstat(self.fd).st_size
        if found < self.size:
            self._missing += self.size - found
            self.size = found

    def restore(self) -> None:
        """Put the file at its place again from what is still open, instead of whatever lies there by now: a link is
        replaced and never followed. Raises OSError where that is not possible."""
        fresh, made = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            at = 0
            while at < self.size and (piece := os.pread(self.fd, min(_COPY, self.size - at), at)):
                at += os.pwrite(fresh, piece, at)
            os.replace(made, self.path)
        except OSError:
            os.close(fresh)
            with suppress(OSError):
                os.unlink(made)
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
