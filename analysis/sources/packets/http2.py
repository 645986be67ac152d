"""HTTP/2 that is not encrypted (RFC 9113), as one who listens reads it: by prior knowledge or behind an upgrade.

hpack undoes the header compression. The h2 library's state machines serve an end of a connection, which may refuse
what it reads; one who listens may not, so frames are taken apart here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.model import token
from analysis.sources.packets.exchanges import Exchanges, Pending
from analysis.sources.packets.http1 import Part
from analysis.sources.rows import as_text

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_MOST_FRAME = 1 << 20
"""Octets of a frame: what announces more is damaged, since nobody allows it to the other end."""
_MOST_BLOCK = 1 << 18
"""Octets of one header block."""
_DATA, _HEADERS, _RESET, _SETTINGS, _PROMISE, _GOAWAY, _CONTINUATION = 0, 1, 3, 4, 5, 7, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 32
_TABLE = 1 << 16
"""Octets that a table of headers may take in."""


def may_be_settings(data: bytes) -> bool:
    """True when octets begin like the SETTINGS frame that a server begins with, or may."""
    if len(data) < 9:
        return (b"\0\0" + data[2:3] + b"\4\0\0\0\0\0").startswith(data)
    return data[:2] == b"\0\0" and data[2] % 6 == 0 and data[3:9] == b"\4\0\0\0\0\0"


@dataclass(slots=True)
class _Block:
    """A header block as it grows over CONTINUATION frames."""

    kind: int
    stream: int
    ends: bool
    octets: bytearray


class Connection:
    """Both directions of one connection. ``read`` counts octets that were understood, ``junk`` the others."""

    def __init__(self, exchanges: Exchanges, lose: Callable[[str, str], None], most_body: int) -> None:
        self._exchanges, self._lose, self._most_body = exchanges, lose, most_body
        self._sides = (_Side(True), _Side(False))
        self._streams: dict[int, Pending] = {}
        self.read = 0
        self.junk = 0
        self.behind = 0
        """Octets behind missing ones."""

    def upgraded(self, request: Pending | None) -> None:
        """The connection began as HTTP/1.1: its request is stream 1 (RFC 7540 section 3.2)."""
        if request is not None:
            self._streams[1] = request

    def feed(self, client: bool, data: bytes, packet: int, at: int | None) -> None:
        """Octets in order. ``client``: of the end that asks."""
        side = self._sides[0 if client else 1]
        if side.lost:
            self._pass_over(side, len(data))
            return
        side.held += data
        if client and not side.preface:
            if len(side.held) < len(PREFACE) and PREFACE.startswith(side.held):
                return
            side.preface = True
            if side.held.startswith(PREFACE):
                del side.held[: len(PREFACE)]
                self.read += len(PREFACE)
        while len(side.held) >= 9 and not side.lost:
            size = int.from_bytes(side.held[:3])
            kind, flags = side.held[3], side.held[4]
            stream = int.from_bytes(side.held[5:9]) & 0x7FFFFFFF
            if (side.fresh and kind != _SETTINGS) or size > _MOST_FRAME or kind > 0x20:
                self._give_up(side)
                return
            if len(side.held) < 9 + size:
                return
            body = bytes(side.held[9 : 9 + size])
            del side.held[: 9 + size]
            side.fresh = False
            self.read += 9 + size
            self._frame(side, kind, flags, stream, body, packet, at)

    def gap(self, client: bool) -> None:
        """Octets are missing: frames and the table of headers are lost with them."""
        side = self._sides[0 if client else 1]
        side.holed = side.holed or not side.lost
        self._give_up(side)

    def end(self) -> None:
        for side in self._sides:
            self._pass_over(side, len(side.held))
            side.held.clear()
        for pending in self._streams.values():
            for part, done in ((pending.request, pending.asked), (pending.response, pending.answered)):
                if part is not None and not done:
                    part.cut = True

    def _give_up(self, side: _Side) -> None:
        side.lost = True
        self._pass_over(side, len(side.held))
        side.held.clear()
        side.block = None

    def _pass_over(self, side: _Side, count: int) -> None:
        if side.holed:
            self.behind += count
        else:
            self.junk += count

    def _frame(self, side: _Side, kind: int, flags: int, stream: int, body: bytes, packet: int, at: int | None) -> None:
        if side.block is not None and (kind != _CONTINUATION or stream != side.block.stream):
            self._lose("http_damaged", "an HTTP/2 header block that breaks off")
            self._give_up(side)
            return
        if kind in (_DATA, _HEADERS, _PROMISE) and flags & _PADDED:
            if not body or body[0] >= len(body):
                return
            body = body[1 : len(body) - body[0]]
        if kind == _DATA:
            self._data(side, stream, body, bool(flags & _END_STREAM), packet)
        elif kind in (_HEADERS, _PROMISE):
            skip = 4 if kind == _PROMISE else 5 if flags & _PRIORITY else 0
            side.block = _Block(kind, stream, bool(flags & _END_STREAM), bytearray(body[skip:]))
        elif kind == _CONTINUATION and side.block is not None:
            side.block.octets += body
        elif kind == _SETTINGS and not flags & 1:
            for place in range(0, len(body) - 5, 6):
                if int.from_bytes(body[place : place + 2]) == 1:
                    other = self._sides[1 if side.client else 0]
                    other.allow(int.from_bytes(body[place + 2 : place + 6]))
        elif kind == _RESET:
            pending = self._streams.pop(stream, None)
            if pending is not None:
                for part, done in ((pending.request, pending.asked), (pending.response, pending.answered)):
                    if part is not None and not done:
                        part.cut = True
                pending.asked = pending.answered = True
                self._settle()
        if side.block is not None and kind in (_HEADERS, _PROMISE, _CONTINUATION):
            if len(side.block.octets) > _MOST_BLOCK:
                self._lose("http_damaged", "an HTTP/2 header block without end")
                self._give_up(side)
            elif flags & _END_HEADERS:
                block, side.block = side.block, None
                self._headers(side, block, packet, at)

    def _headers(self, side: _Side, block: _Block, packet: int, at: int | None) -> None:
        fields = side.decode(bytes(block.octets))
        if fields is None:
            self._lose("http_damaged", "an HTTP/2 header block that cannot be decompressed")
            self._give_up(side)
            return
        if block.kind == _PROMISE:
            return
        pending = self._streams.get(block.stream)
        known = pending is not None and (pending.request if side.client else pending.response) is not None
        if known and pending is not None:
            if block.ends:
                self._done(side, block.stream, pending)  # trailers
            return
        part = _part(fields, side.client, at)
        if part.status is not None and 100 <= part.status < 200:
            return
        part.saw(packet)
        if side.client:
            pending = self._exchanges.request_begun(part)
            self._streams[block.stream] = pending
        elif pending is None:
            self._exchanges.begins(part)
            pending = Pending(None, part)
            part.number = self._exchanges.number()
            self._exchanges.waiting.append(pending)
            self._streams[block.stream] = pending
        else:
            self._exchanges.begins(part)
            pending.response = part
        if block.ends:
            self._done(side, block.stream, pending)
        self._forget()

    def _data(self, side: _Side, stream: int, body: bytes, ends: bool, packet: int) -> None:
        pending = self._streams.get(stream)
        part = None if pending is None else pending.request if side.client else pending.response
        if pending is None or part is None:
            if body:
                self.read -= len(body)
                self.junk += len(body)
            return
        room = max(self._most_body - len(part.body), 0)
        part.body += body[:room]
        part.size += len(body)
        part.cut = part.cut or len(body) > room
        part.saw(packet)
        self._exchanges.grew(pending)
        if ends:
            self._done(side, stream, pending)

    def _done(self, side: _Side, stream: int, pending: Pending) -> None:
        if side.client:
            pending.asked = True
        else:
            pending.answered = True
        if pending.asked and pending.answered:
            self._streams.pop(stream, None)
        self._settle()

    def _settle(self) -> None:
        """Streams end in any order, and each is handed over when it is whole."""
        waiting = self._exchanges.waiting
        for pending in [p for p in waiting if p.asked and p.answered]:
            self._exchanges.hand_over(self._exchanges.take(pending))

    def _forget(self) -> None:
        """Streams that were handed over unfinished, since too many waited."""
        if len(self._streams) > 2 * len(self._exchanges.waiting) + 16:
            waiting = {id(p) for p in self._exchanges.waiting}
            self._streams = {n: p for n, p in self._streams.items() if id(p) in waiting}


class _Side:
    """One direction of a connection."""

    def __init__(self, client: bool) -> None:
        from hpack import Decoder

        self.client = client
        self.held = bytearray()
        self.preface = False
        self.fresh = True
        """No frame came yet; the first one is SETTINGS (RFC 9113 section 3.4)."""
        self.lost = False
        self.holed = False
        """It was lost since octets are missing."""
        self.block: _Block | None = None
        self._decoder = Decoder(max_header_list_size=1 << 20)
        self._decoder.max_allowed_table_size = _TABLE

    def allow(self, size: int) -> None:
        """The other end lets this one's table grow to ``size`` octets."""
        self._decoder.max_allowed_table_size = max(min(size, 1 << 20), _TABLE)

    def decode(self, block: bytes) -> list[tuple[bytes, bytes]] | None:
        from hpack.exceptions import HPACKError

        try:
            return [(bytes(field[0]), bytes(field[1])) for field in self._decoder.decode(block, raw=True)]
        except (HPACKError, IndexError, ValueError, UnicodeDecodeError):
            return None


def _part(fields: list[tuple[bytes, bytes]], request: bool, at: int | None) -> Part:
    """A message's head out of its header block (RFC 9113 section 8.3)."""
    part = Part(request, at, protocol="http/2")
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    for raw_name, raw in fields[:1000]:
        name, value = as_text(raw_name), as_text(raw)
        if name == ":method":
            part.method = value
        elif name == ":path":
            part.target = value
        elif name == ":scheme":
            part.scheme = token(value.lower())
        elif name == ":authority":
            part.authority = value
        elif name == ":status":
            part.status = int(value) if value.isascii() and value.isdecimal() and len(value) == 3 else None
        elif name == "cookie":
            if not cookies:
                headers.append(("cookie", ""))
            cookies.append(value)  # a cookie may come in pieces (RFC 9113 section 8.2.3)
        elif not name.startswith(":"):
            headers.append((name, value))
    if request and not part.target:
        part.target = part.authority if part.method == "CONNECT" else ""
    part.headers = tuple((n, "; ".join(cookies) if n == "cookie" else v) for n, v in headers)
    return part
