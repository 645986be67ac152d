"""How a stream of server-sent events falls into messages of the journal: one rule for who writes it and for who reads
the dump's copy beside it.

A message is the octets of one event with the empty line that ends it (WHATWG HTML section 9.2.5: a line ends in CR LF,
LF or CR), so that the messages of a stream together are its octets. A comment that stands alone ends the same way and
is a message too; empty lines before an event are part of it.
"""

from __future__ import annotations

import re
import zlib

MOST = 1 << 20
"""Octets of a message at most: a longer event is several messages."""

_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")


class Splitter:
    """Octets in, whole events out, the same however the octets come in pieces. Holds no more than ``most`` octets."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._held = bytearray()
        self._looked = 0
        self._filled = False
        """More than line ends stands in what was looked at and is held: each octet is looked at once."""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole with these octets, in order."""
        self._held += data
        whole: list[bytes] = []
        start, at = 0, self._looked
        while (found := _END.search(self._held, at)) is not None:
            self._filled = self._filled or bool(self._held[at : found.start()].strip(b"\r\n"))
            at = found.end()
            if at == len(self._held) and self._held[-1:] == b"\r":
                # The first half of a CR LF, perhaps.
                at = found.start()
                break
            if self._filled:
                whole += self._cut(start, at)
                start, self._filled = at, False
        else:
            looked, at = at, max(len(self._held) - 2, at)
            self._filled = self._filled or bool(self._held[looked:at].strip(b"\r\n"))
        if len(self._held) - start > self._most:
            *full, last = self._cut(start, len(self._held))
            whole += full
            start = len(self._held) - len(last)
            self._filled = bool(last[: max(at - start, 0)].strip(b"\r\n"))
        del self._held[:start]
        self._looked = max(at - start, 0)
        return whole

    def _cut(self, start: int, end: int) -> list[bytes]:
        return [bytes(self._held[n : min(n + self._most, end)]) for n in range(start, end, self._most)]

    def rest(self) -> bytes:
        """What is left at the stream's end: an event that broke off, or nothing."""
        rest = bytes(self._held)
        self._held.clear()
        self._looked, self._filled = 0, False
        return rest


def messages(data: bytes, most: int = MOST) -> list[bytes]:
    """The messages of a stream that is there whole, or up to where it was cut."""
    splitter = Splitter(most)
    found = splitter.feed(data)
    rest = splitter.rest()
    return [*found, rest] if rest else found


ANY_HEADER = 47
"""zlib: the header says whether it is gzip or zlib."""
_LEAST, _MOST_AT_ONCE = 1 << 8, 1 << 16
"""Octets that are given to zlib at a time: few at the start of a member, since what is behind its end was in vain."""


def inflated(data: bytes, room: int) -> tuple[bytes, int]:
    """A coded stream (gzip or zlib, several members in a row) from its start: what comes of it, and how many octets of
    it that took. They are fewer than there are where the coding breaks down, or where more than ``room`` octets come of
    it; then that many are there."""
    stream = zlib.decompressobj(wbits=ANY_HEADER)
    made, got, at, step, breaks = list[bytes](), 0, 0, _LEAST, False
    while at < len(data):
        before = None if breaks else stream.copy()
        piece = data[at : at + step]
        try:
            plain = stream.decompress(piece, room - got + 1)
        except zlib.error:
            if before is None:
                break
            # What came before the octet that it broke down at is wanted, too.
            stream, step, breaks = before, 1, True
            continue
        made.append(plain)
        got += len(plain)
        at += len(piece)
        if got > room:
            return b"".join(made)[:room], at - len(stream.unconsumed_tail)
        if stream.eof:
            at -= len(stream.unused_data)
            stream, step, breaks = zlib.decompressobj(wbits=ANY_HEADER), _LEAST, False
        elif not breaks:
            step = min(2 * step, _MOST_AT_ONCE)
    return b"".join(made), at
