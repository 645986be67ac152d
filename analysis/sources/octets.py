"""Octets of a capture file as they are to be read: gzip undone, UTF-16 and UTF-32 text turned into UTF-8.

Everything streams. A file that breaks off gives what came before the break, and says why it ended.
"""

from __future__ import annotations

import codecs
import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal

from analysis.model import InputError

CHUNK = 1 << 20
_COMPRESSED = 1 << 16
_GZIP = b"\x1f\x8b"
_UTF8_MARK = codecs.BOM_UTF8
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Octets:
    """A file read from its beginning by the chunk.

    ``size``: octets of the file itself. ``done``: those of them that were read, for progress. ``torn``: None, or in
    words why the stream ended before its end."""

    def __init__(self, path: Path, end: int | None = None) -> None:
        """Open ``path``, of which ``end`` octets are read, all where it is None. Raises InputError when it cannot
        be opened."""
        try:
            self._file: BinaryIO = path.open("rb")
            size = os.fstat(self._file.fileno()).st_size
            self.size = size if end is None else min(size, end)
            self._ahead = self._file.read(_COMPRESSED if end is None else min(_COMPRESSED, end))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).") from error
        self._end = end
        self.done = 0
        self.torn: str | None = None
        self.compressed = self._ahead.startswith(_GZIP)
        self._gzip = zlib.decompressobj(31) if self.compressed else None
        self._left = b""

    @property
    def layer(self) -> Literal["file", "text"]:
        """What places in these octets count in, as origins call it: the file, or what its gzip held."""
        return "text" if self.compressed else "file"

    def __enter__(self) -> Octets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self) -> bytes:
        """The next chunk, at most about 1 MB; empty at the end."""
        if self.torn is not None:
            return b""
        try:
            return self._next() if self._gzip is None else self._inflated()
        except OSError as error:
            self.torn = f"the file could not be read on ({error.strerror})"
            return b""

    def at(self, place: int) -> bytes:
        """The octet at a place of the file that is open here, whatever its name means by now; empty where none is."""
        try:
            return os.pread(self._file.fileno(), 1, place)
        except OSError:
            return b""

    def _next(self, most: int = CHUNK) -> bytes:
        if self._ahead:
            chunk, self._ahead = self._ahead, b""
        else:
            chunk = self._file.read(most if self._end is None else min(most, self._end - self.done))
        self.done += len(chunk)
        return chunk

    def _inflated(self) -> bytes:
        """RFC 1952: members one after another; zeros after the last are padding."""
        while self._gzip is not None:
            if self._gzip.eof:
                rest = self._gzip.unused_data or self._next(_COMPRESSED)
                while rest and not rest.strip(b"\0"):
                    rest = self._next(_COMPRESSED)
                if not rest:
                    self._gzip = None
                    break
                if not rest.startswith(_GZIP[: len(rest)]):
                    self.torn = "octets after the compressed part are no gzip"
                    return b""
                self._gzip, self._left = zlib.decompressobj(31), rest
            data = self._left or self._next(_COMPRESSED)
            if not data:
                # What zlib still holds belongs to the stream, and the stream has no end.
                tail = self._gzip.flush()
                self._gzip = None
                self.torn = "the compressed file breaks off"
                return tail
            try:
                out = self._gzip.decompress(data, CHUNK)
            except zlib.error:
                self.torn = "the compressed file is damaged"
                return b""
            self._left = self._gzip.unconsumed_tail
            if out:
                return out
        return b""


class Text:
    """The UTF-8 octets of a text file: gzip and UTF-16 or UTF-32 undone, without byte order mark.

    ``plain``: its octets are the file's own, ``skipped`` further on; otherwise they are a layer of their
    own."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        head = octets.read()
        while 0 < len(head) < 4:
            more = octets.read()
            if not more:
                break
            head += more
        self.skipped = 0
        encoding = _encoding(head)
        self._decoder = None
        if encoding is not None:
            self._decoder = codecs.getincrementaldecoder(encoding[1])("surrogatepass")
            head = head[len(encoding[0]) :]
        elif head.startswith(_UTF8_MARK):
            self.skipped = len(_UTF8_MARK)
            head = head[self.skipped :]
        self._head: bytes | None = head
        self.plain = self._decoder is None and not octets.compressed

    @property
    def done(self) -> int:
        return self._octets.done

    @property
    def torn(self) -> str | None:
        return self._octets.torn

    def read(self) -> bytes:
        """The next chunk; empty at the end."""
        while True:
            if self._head is not None:
                chunk, self._head = self._head, None
                if not chunk:
                    continue
            else:
                chunk = self._octets.read()
            if self._decoder is None:
                return chunk
            try:
                out = self._decoder.decode(chunk, final=not chunk).encode("utf-8", "surrogatepass")
            except UnicodeDecodeError:
                self._octets.torn = self._octets.torn or "its text is not in the encoding that it begins with"
                return b""
            if out or not chunk:
                return out


def _encoding(head: bytes) -> tuple[bytes, str] | None:
    """The byte order mark and encoding of text that is not UTF-8; without a mark, zeros tell UTF-16."""
    for mark, name in _WIDE:
        if head.startswith(mark):
            return mark, name
    if len(head) >= 4 and head[0] and not head[1] and head[2] and not head[3]:
        return b"", "utf-16-le"
    if len(head) >= 4 and not head[0] and head[1] and not head[2] and head[3]:
        return b"", "utf-16-be"
    return None


class Stored:
    """A file's own octets, read where they are asked for: of a large one, no more than that."""

    def __init__(self, path: Path) -> None:
        """Raises InputError when it cannot be opened."""
        self._path = path
        try:
            self._size = path.stat().st_size
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).") from error

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        """Raises InputError when it cannot be read."""
        first, behind, _ = part.indices(self._size)
        try:
            with self._path.open("rb") as file:
                file.seek(first)
                return file.read(max(behind - first, 0))
        except OSError as error:
            raise InputError(f"{self._path} cannot be read ({error.strerror}).") from error


def inflated(path: Path) -> bytes:
    """All that a file holds whose gzip is undone: the layer ``text`` of origins in files that are no text."""
    with Octets(path) as octets:
        parts = []
        while chunk := octets.read():
            parts.append(chunk)
        return b"".join(parts)


def text_of(path: Path) -> bytes:
    """All of a file's text, as :class:`Text` gives it: the layer ``text`` of origins."""
    with Octets(path) as octets:
        text = Text(octets)
        parts = []
        while chunk := text.read():
            parts.append(chunk)
        return b"".join(parts)
