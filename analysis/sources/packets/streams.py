"""One direction of a TCP connection: segments put in order, each octet once (RFC 9293 section 3.10.7.4).

Retransmissions and overlaps count for nothing; of two copies that differ the first one counts. A gap waits for its
octets while there is room, then it is a gap, and the reader above is told.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

MOST_WAITING = 1 << 20
"""Octets that wait behind a gap before it is given up."""
MOST_SEGMENTS = 512
_BEHIND, _AHEAD = 1 << 26, 1 << 28
"""Octets before and after the next one within which a segment may belong to the stream: beyond, it is another's that
took the same ports, or a lie."""
_MOST_MISSING = 1 << 30
"""No window is larger (RFC 7323 section 2.3), so an acknowledgement that is farther ahead is none."""

Deliver = Callable[[bytes, int, int | None], None]
"""Called with octets in order, the packet that brought them and its time."""
Gap = Callable[[int], None]
"""Called with the number of octets that are missing."""


class Stream:
    """Feed it segments; it hands over octets in order."""

    def __init__(self, deliver: Deliver, gap: Gap) -> None:
        self._deliver, self._gap = deliver, gap
        self._next: int | None = None
        """The next octet's number, counted on beyond 32 bits, so that places of the stream have one order."""
        self._expected: int | None = None
        self._waiting: dict[int, tuple[bytes, int, int, int | None]] = {}
        self._order: list[int] = []
        """A heap of the numbers that wait."""
        self._octets = 0
        self.seen = 0
        """Payload octets of the stream, each once, those that the capture cut off included."""
        self.cut = 0
        """Of these, octets that the capture does not hold."""
        self.again = 0
        """Segments that repeated octets."""
        self.stray = 0
        """Payload octets of segments whose numbers are none of this stream's."""
        self._begun: int | None = None
        """The first octet's number where no SYN told it, and the lowest that was met since."""
        self._lowest = 0
        self._first_wanted: int | None = None
        self._wanted: int | None = None
        """What the other end last waited for."""
        self._final: int | None = None

    def start(self, sequence: int) -> None:
        """The sequence number of a SYN: the stream begins behind it."""
        if self._next is None:
            self._next = (sequence + 1) & 0xFFFFFFFF

    def finish(self, sequence: int) -> None:
        """The sequence number of a FIN, which takes one although it is no octet."""
        self._final = sequence

    def expect(self, sequence: int) -> None:
        """What the other end waits for. Where the stream's beginning was not captured, it has had no octet so far.
        Octets that it has had and the capture has not will not come: their gap is told at once, so that what this
        end said is read before the answer to it."""
        if self._first_wanted is None:
            self._first_wanted = sequence
        if self._wanted is None or _distance(self._wanted, sequence) > 0:
            self._wanted = sequence
        if self._next is None:
            self._expected = sequence
            return
        while self._waiting:
            if _distance(self._order[0], sequence) <= 0:
                return
            self._skip()

    def feed(self, sequence: int, data: bytes, size: int, packet: int, at: int | None) -> None:
        """A segment of ``size`` octets, of which ``data`` was captured."""
        if size <= 0:
            return
        if self._next is None:
            hint = self._expected
            if size == 1 and data == b"\0" and (hint is None or hint == (sequence + 1) & 0xFFFFFFFF):
                # A keep-alive repeats the octet before the next one (RFC 9293 section 3.8.4).
                self._next = self._begun = self._lowest = (sequence + 1) & 0xFFFFFFFF
                return
            near = hint is not None and 0 <= _distance(hint, sequence) < MOST_WAITING
            self._next = self._begun = self._lowest = hint if hint is not None and near else sequence
        ahead = _distance(self._next, sequence)
        if not -_BEHIND < ahead < _AHEAD:
            self.stray += size
            return
        if self._begun is not None and _distance(sequence, self._lowest) > 0:
            self._lowest = sequence
        if ahead <= 0:
            self._take(-ahead, data, size, packet, at)
            self._drain()
            return
        place = self._next + ahead
        held = self._waiting.get(place)
        if held is None:
            heapq.heappush(self._order, place)
        if held is None or held[1] < size:
            self._octets += size - (held[1] if held else 0)
            self._waiting[place] = (data, size, packet, at)
        while self._octets > MOST_WAITING or len(self._waiting) > MOST_SEGMENTS:
            self._skip()

    def end(self) -> None:
        """Nothing more comes: hand over what waits, gaps and all; what the other end acknowledged and the capture
        lacks is a gap too."""
        while self._waiting:
            self._skip()
        begin = self._next if self._next is not None else self._first_wanted
        if begin is None or self._wanted is None:
            return
        missing = _distance(begin, self._wanted)
        if self._final is not None:
            missing = min(missing, _distance(begin, self._final))
        # One number may be a FIN's that was not captured.
        if 1 < missing < _MOST_MISSING:
            self._next = self._wanted
            self._gap(missing)

    @property
    def before(self) -> int:
        """Octets that came before the first one that was told: the capture began in the middle, out of order."""
        found = 0 if self._begun is None else _distance(self._lowest, self._begun)
        return found if found > 1 else 0  # one octet before the first is a keep-alive

    def _take(self, known: int, data: bytes, size: int, packet: int, at: int | None) -> None:
        """A segment that begins at or before the next octet: hand over what is new of it."""
        new = size - known
        if known:
            self.again += 1
        if new <= 0:
            return
        assert self._next is not None
        self._next += new
        self.seen += new
        fresh = data[known:size]
        if fresh:
            self._deliver(fresh, packet, at)
        missing = new - len(fresh)
        if missing:
            self.cut += missing
            self._gap(missing)

    def _drain(self) -> None:
        assert self._next is not None
        while self._order and self._order[0] <= self._next:
            first = heapq.heappop(self._order)
            data, size, packet, at = self._waiting.pop(first)
            self._octets -= size
            self._take(self._next - first, data, size, packet, at)

    def _skip(self) -> None:
        """Give up the octets before the first segment that waits."""
        assert self._next is not None
        first = self._order[0]
        self._gap(first - self._next)
        self._next = first
        self._drain()


def _distance(a: int, b: int) -> int:
    """How far sequence number b lies after a, in the arithmetic of 32 bits."""
    return ((b - a + 0x80000000) & 0xFFFFFFFF) - 0x80000000
