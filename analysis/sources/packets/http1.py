"""HTTP/1.x messages out of a byte stream (RFC 9112).

A machine of our own, since httptools (llhttp) and h11 cannot go on behind lost octets, and the first cannot be told
that a response answers HEAD. Framing follows RFC 9112 section 6.3 in its order; h11 is the oracle in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from analysis.sources.rows import as_text

MOST_HEAD = 1 << 18
_METHOD = re.compile(rb"^(?:[A-Z][A-Z0-9_-]{1,30}) [^\s\x00-\x1f]+ HTTP/1\.[01]\r?\n")
_METHOD_START = re.compile(rb"^[A-Z][A-Z0-9_-]{1,30} (?:[^\s\x00-\x1f]+(?: (?:H|HT|HTT|HTTP|HTTP/1?\.?[01]?\r?)?)?)?$")
_REQUEST_START = re.compile(
    rb"[A-Z][A-Z0-9_-]{0,30}(?: (?:[^\s\x00-\x1f]+(?: (?:H|HT|HTT|HTTP|HTTP/1?\.?[01]?\r?)?)?)?)?\Z"
)
_STATUS_START = re.compile(rb"HTTP/1\.[01](?: +\d{0,3})?\Z")
_STATUS = re.compile(rb"^HTTP/1\.[01] +(\d{3})")
_KNOWN = re.compile(
    rb"^(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PROPFIND|REPORT|MKCOL|NOTIFY|M-SEARCH|SUBSCRIBE) "
)
_NEXT_REQUEST = re.compile(rb"\n(?=[A-Z]{3,10} \S+ HTTP/1\.[01]\r?\n)")
_NEXT_RESPONSE = re.compile(rb"\n(?=HTTP/1\.[01] \d{3})")
MOST_PAUSED = 1 << 18
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}\Z")
MORE_PACKETS = 64
"""Packets that an origin names at most."""


def begins_request(data: bytes) -> bool:
    """True when octets begin a request, or may."""
    line = data[:8192]
    if b"\n" in line:
        return _METHOD.match(line) is not None
    return _KNOWN.match(line) is not None and _METHOD_START.match(line) is not None


def begins_response(data: bytes) -> bool:
    """True when octets begin a response."""
    return _STATUS.match(data[:64]) is not None


def may_begin_request(data: bytes) -> bool:
    """True when octets are the beginning of a request line that is not whole yet."""
    return _REQUEST_START.match(data[:8192]) is not None


def may_begin_response(data: bytes) -> bool:
    """True when octets are the beginning of a status line up to its code."""
    return b"HTTP/1.".startswith(data[:7]) and (len(data) < 8 or _STATUS_START.match(data) is not None)


@dataclass(slots=True)
class Part:
    """A request or response as it grows."""

    request: bool
    at: int | None
    method: str = ""
    target: str = ""
    status: int | None = None
    protocol: str = "http/1.1"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    cut: bool = False
    packets: list[int] = field(default_factory=list)
    before: int = 0
    """Messages of its direction that began in the same packet before it."""
    upgrade: bool = False
    number: int = -1
    """Of the exchange, given when the head is whole."""
    scheme: str = "http"
    authority: str = ""
    """What HTTP/2 has in the place of Host."""

    def header(self, name: str) -> str | None:
        """The first value of a field."""
        return next((v for n, v in self.headers if n.lower() == name), None)

    def saw(self, packet: int) -> None:
        if len(self.packets) < MORE_PACKETS and (not self.packets or self.packets[-1] != packet):
            self.packets.append(packet)


class Parser:
    """One direction. ``begun`` is called with a part when its head is whole, ``done`` when the part is.
    ``method_of`` tells the method that a response answers, once it was begun.

    ``read`` counts octets that were understood, ``junk`` those that were not."""

    def __init__(
        self,
        request: bool,
        begun: Callable[[Part], object],
        done: Callable[[Part], None],
        method_of: Callable[[Part], str],
        most_body: int,
    ) -> None:
        self._request = request
        self._begun, self._done, self._method_of = begun, done, method_of
        self._most_body = most_body
        self._held = bytearray()
        self._packets: list[int] = []
        self._part: Part | None = None
        self._mode = "head"
        self._left = 0
        self.read = 0
        self.junk = 0
        self.behind = 0
        """Octets of messages behind missing octets: known as such, and not joined to what came before."""
        self._holed = False
        self._astray = False
        """Octets are missing, and where the next message begins is not known."""
        self._since: int | None = None
        """When the first of the octets that are held came."""
        self._paused: list[tuple[bytes, int, int | None]] | None = None
        self._paused_octets = 0
        self.raw: Callable[[bytes, int, int | None], None] | None = None
        """Where octets go once the connection is something else (CONNECT, Upgrade)."""
        self.raw_gap: Callable[[int], None] | None = None
        """Who is told then that octets are missing."""

    def feed(self, data: bytes, packet: int, at: int | None) -> None:
        """Octets in order."""
        if self.raw is not None:
            self.raw(data, packet, at)
            return
        if self._paused is not None:
            self._paused.append((data, packet, at))
            self._paused_octets += len(data)
            return
        if self._astray and self._begins(data):
            # A message seldom begins within a segment, and binary bodies end without a line's end.
            self._pass_over(len(self._held))
        if not self._held:
            self._since, self._packets = at, []
        self._held += data
        if not self._packets or self._packets[-1] != packet:
            self._packets.append(packet)
        while self._held:
            before = len(self._held)
            mode = self._mode
            if mode == "head":
                self._head()
            elif mode == "chunk-size":
                self._chunk_size()
            elif mode == "trailer":
                self._trailer()
            else:
                self._body(packet)
            if self._diverted():
                rest = bytes(self._held)
                self._held.clear()
                if rest:
                    self.feed(rest, packet, at)
                return
            if len(self._held) == before and self._mode == mode:
                return
            self._since, self._packets = at, [packet]

    def _diverted(self) -> bool:
        """What comes next is no message of this parser, or may be none."""
        return self._paused is not None or self.raw is not None

    @property
    def stalled(self) -> bool:
        """So many octets wait for the answer to a CONNECT that it will not come."""
        return self._paused_octets > MOST_PAUSED

    @property
    def paused(self) -> bool:
        """A CONNECT was asked for: what comes next depends on the answer."""
        return self._paused is not None

    def resume(self) -> None:
        """Go on with what waited, as HTTP or as ``raw`` takes it."""
        paused, self._paused = self._paused or [], None
        self._paused_octets = 0
        for data, packet, at in paused:
            if data:
                self.feed(data, packet, at)
            elif self.raw_gap is not None:
                self.raw_gap(packet)
            else:
                self.gap(packet)

    def gap(self, size: int) -> bool:
        """Octets are missing: a body of known length goes on behind them (True), anything else begins anew."""
        if self._paused is not None:
            self._paused.append((b"", size, None))
            return False
        if self.raw_gap is not None:
            self.raw_gap(size)
            return False
        part = self._part
        self._holed = part is not None
        if part is not None and self._mode in ("body", "chunk") and size <= self._left:
            part.size += size
            part.cut = True
            self._left -= size
            if self._left == 0:
                self._mode = "chunk-end" if self._mode == "chunk" else "head"
                if self._mode == "head":
                    self._finish()
            return True
        if part is not None:
            part.cut = True
            if self._mode == "close":
                part.size += size
                return True
            self._finish()
        self.joins_late()
        return False

    def joins_late(self) -> None:
        """What comes first may be the middle of a message."""
        self._astray = True
        self._pass_over(len(self._held))
        self._mode = "head"

    def end(self) -> None:
        """The stream is over: what was begun is handed over, cut unless its end was to be the stream's."""
        if self._part is not None and self.raw is None:
            if self._mode != "close":
                self._part.cut = True
            self._finish()
        self._pass_over(len(self._held))

    # -------------------------------------------------------------------------------------------- states

    def _begins(self, data: bytes) -> bool:
        return begins_request(data) if self._request else begins_response(data)

    def _pass_over(self, count: int) -> None:
        """So many octets of what is held are no message that is known."""
        del self._held[:count]
        if self._astray:
            self.behind += count
        else:
            self.junk += count

    def _head(self) -> None:
        while self._held[:2] == b"\r\n" or self._held[:1] == b"\n":
            skip = 2 if self._held[:2] == b"\r\n" else 1
            del self._held[:skip]
            self.read += skip
        start = bytes(self._held[:8192])
        if start and not self._begins(start) and not self._may_begin(start):
            self._resync()
            return
        end = self._held.find(b"\r\n\r\n")
        size = end + 4
        plain = self._held.find(b"\n\n")
        if plain >= 0 and (end < 0 or plain < end):
            end, size = plain, plain + 2
        if end < 0:
            if len(self._held) > MOST_HEAD:
                self._resync()
            return
        raw = bytes(self._held[:end])
        del self._held[:size]
        part = _parsed(raw, self._request, self._since)
        if part is None:
            self.junk += size
            return
        self._astray = False
        self.read += size
        for packet in self._packets:
            part.saw(packet)
        self._part = part
        self._begun(part)
        self._frame(part)

    def _may_begin(self, held: bytes) -> bool:
        """The octets so far are fewer than a start line needs."""
        return may_begin_request(held) if self._request else may_begin_response(held)

    def _resync(self) -> None:
        """Octets that begin no message: look for the next start line; a body without a known end may hold one."""
        found = (_NEXT_REQUEST if self._request else _NEXT_RESPONSE).search(self._held)
        skip = len(self._held)
        if found:
            skip = found.end()
        else:
            line = self._held.rfind(b"\n") + 1
            if 0 < line < skip and self._may_begin(bytes(self._held[line : line + 8192])):
                skip = line
        self._pass_over(skip)
        self._mode = "head"

    def _frame(self, part: Part) -> None:
        """Where the body ends (RFC 9112 section 6.3)."""
        coding = (part.header("transfer-encoding") or "").lower()
        length = part.header("content-length")
        if not part.request:
            method = self._method_of(part)
            status = part.status or 0
            if status == 101 or (method == "CONNECT" and 200 <= status < 300):
                part.upgrade = True
                self._finish()
                return
            if method == "HEAD" or 100 <= status < 200 or status in (204, 304):
                self._finish()
                return
        if "chunked" in coding:
            self._mode = "chunk-size"
            return
        if part.request and part.method == "CONNECT":
            self._paused = []
            self._finish()
            return
        first = "" if length is None or coding not in ("", "identity") else length.split(",")[0].strip()
        if first.isascii() and first.isdecimal() and len(first) < 19:
            self._left = int(first)
            self._mode = "body"
            if self._left == 0:
                self._finish()
            return
        if part.request:
            self._finish()
        else:
            self._mode = "close"

    def _body(self, packet: int) -> None:
        part = self._part
        assert part is not None
        if self._mode == "chunk-end":
            skip = 2 if self._held[:2] == b"\r\n" else 1 if self._held[:1] == b"\n" else 0
            if not skip and len(self._held) < 2:
                return
            del self._held[:skip]
            self.read += skip
            self._mode = "chunk-size"
            return
        count = len(self._held) if self._mode == "close" else min(self._left, len(self._held))
        room = 0 if self._holed else max(self._most_body - len(part.body), 0)
        part.body += self._held[: min(count, room)]
        if count > room:
            part.cut = True
        del self._held[:count]
        part.size += count
        part.saw(packet)
        if self._holed:
            self.behind += count
        else:
            self.read += count
        if self._mode != "close":
            self._left -= count
            if self._left == 0:
                if self._mode == "chunk":
                    self._mode = "chunk-end"
                else:
                    self._finish()

    def _chunk_size(self) -> None:
        end = self._held.find(b"\n")
        if end < 0:
            if len(self._held) > 4096:
                self._broken()
            return
        word = bytes(self._held[:end]).split(b";")[0].strip()
        del self._held[: end + 1]
        self.read += end + 1
        self._left = int(word, 16) if _SIZE.match(word) else -1
        if self._left < 0:
            self._broken()
        elif self._left == 0:
            self._mode = "trailer"
        else:
            self._mode = "chunk"

    def _trailer(self) -> None:
        end = self._held.find(b"\n")
        if end < 0:
            if len(self._held) > 65_536:
                self._broken()
            return
        line = bytes(self._held[:end]).strip()
        del self._held[: end + 1]
        self.read += end + 1
        if not line:
            self._finish()

    def _broken(self) -> None:
        if self._part is not None:
            self._part.cut = True
            self._finish()
        self._mode = "head"

    def _finish(self) -> None:
        part, self._part = self._part, None
        self._mode = "head"
        self._left = 0
        self._holed = False
        if part is not None:
            self._done(part)


def _parsed(raw: bytes, request: bool, at: int | None) -> Part | None:
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    words = lines[0].split(None, 2)
    part = Part(request, at)
    if request:
        if len(words) < 3 or not words[2].startswith(b"HTTP/1."):
            return None
        part.method, part.target = as_text(words[0]), as_text(words[1])
        part.protocol = "http/1.0" if words[2].strip() == b"HTTP/1.0" else "http/1.1"
    else:
        if len(words) < 2 or not words[1].isdigit():
            return None
        part.status = int(words[1])
        part.protocol = "http/1.0" if words[0] == b"HTTP/1.0" else "http/1.1"
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t") and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {as_text(line.strip())}")
            continue
        left, colon, right = line.partition(b":")
        if colon and left.strip():
            headers.append((as_text(left.strip()), as_text(right.strip())))
    part.headers = tuple(headers[:1000])
    return part
