"""SHA-256 of files that grow, by a process of its own at idle priority: hashing along costs a proxy half a millisecond
for each megabyte that passes, and hashing at the end lets a user wait.

This module is also that program. It imports nothing of ours, so that it starts at once and takes little memory. It is
started once a file has become large; a file that stays small is hashed at the end, where it is needed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

LARGE = 64 << 20
"""Octets that are hashed at the end without anybody noticing."""
_CHUNK = 1 << 20
_WAIT = 4.0
"""Seconds that the process is given for what is left at the end; then it is done here."""


class Growing:
    """The hash of a file's beginning, which is carried on as the file grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self.done = 0

    def upto(self, size: int) -> str:
        """SHA-256 (hex) of the file's first octets. Raises OSError where they are not there."""
        with self._path.open("rb") as file:
            file.seek(self.done)
            while self.done < size:
                piece = file.read(min(_CHUNK, size - self.done))
                if not piece:
                    raise OSError("the file is shorter than it was said to be")
                self._hash.update(piece)
                self.done += len(piece)
        return self._hash.hexdigest()


class Hashes:
    """Hashes of files to which somebody appends. Not to be called by two threads at once; nothing here waits but
    :meth:`finish`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._cut: set[Path] = set()

    def was_cut(self, path: Path) -> None:
        """A file lost octets that were hashed already, perhaps: it is hashed anew at the end."""
        self._cut.add(path)

    def grown(self, sizes: dict[Path, int]) -> None:
        """Say how large the files are."""
        if self._process is None:
            if max(sizes.values(), default=0) < LARGE:
                return
            self._start()
        self._say(sizes)

    def finish(self, sizes: dict[Path, int]) -> dict[Path, str]:
        """SHA-256 (hex) of each file, which has its last size. Raises OSError where one cannot be read."""
        found: dict[str, str] = {}
        if self._process is not None:
            self._say(sizes)
            try:
                said, _ = self._process.communicate(timeout=_WAIT)
                found = json.loads(said or b"{}")
            except (subprocess.TimeoutExpired, OSError, ValueError):
                self._process.kill()
                self._process.communicate()
            self._process = None
        known = {path: found.get(f"{size} {path}") for path, size in sizes.items() if path not in self._cut}
        return {path: known.get(path) or Growing(path).upto(size) for path, size in sizes.items()}

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this module
                [sys.executable, "-I", "-S", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)
        except OSError:
            self._process = None

    def _say(self, sizes: dict[Path, int]) -> None:
        if self._process is None or self._process.stdin is None:
            return
        line = json.dumps({str(path): size for path, size in sizes.items()}).encode() + b"\n"
        try:
            # Straight into the pipe: a line that does not fit is left out, and the next one says more.
            os.write(self._process.stdin.fileno(), line)
        except OSError:
            return


def main() -> None:
    """Sizes of files as lines of JSON in; at the end of them the hashes out, by last size and path."""
    os.nice(19)
    growing: dict[str, Growing] = {}
    sizes: dict[str, int] = {}
    hashes: dict[str, str] = {}
    for line in sys.stdin.buffer:
        try:
            sizes = json.loads(line)
        except ValueError:
            continue
        for path, size in sizes.items():
            try:
                hashes[path] = growing.setdefault(path, Growing(Path(path))).upto(size)
            except OSError:
                # Removed, perhaps, and soon made again: the next line asks anew.
                hashes.pop(path, None)
    sys.stdout.write(json.dumps({f"{sizes[path]} {path}": hashes[path] for path in sizes if path in hashes}))


if __name__ == "__main__":
    main()
