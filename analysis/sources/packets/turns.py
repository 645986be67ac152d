"""Octets of a protocol that no reader knows, as messages.

What one end says before the other answers is one, so that what it holds is found although segments cut it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from analysis.sources.packets import protocols
from analysis.sources.packets.protocols import Told

MOST_RAW = 1 << 18
"""Octets of a conversation in an unknown protocol that are looked through, each way."""
MOST_TURN = 1 << 16
"""Octets of one message of it."""

Say = Callable[[int, bytes, int, int, int | None], None]
"""Called with direction, octets that are held, size, packet and time of a message."""


@dataclass(slots=True)
class _Turn:
    """What one end says in a row."""

    way: int
    packet: int
    at: int | None
    size: int = 0
    body: bytearray = field(default_factory=bytearray)


class Turns:
    """One conversation's octets. ``ports``: of its two ends."""

    def __init__(self, say: Say, ports: set[int | None]) -> None:
        self._say, self._ports = say, ports
        self.over = 0
        """Octets behind the first that are looked through."""
        self._held = [0, 0]
        self._spoken = protocols.UNKNOWN
        self._first_said = [True, True]
        self._turn: _Turn | None = None

    def stream(self, way: int, data: bytes, packet: int, at: int | None) -> Told:
        """Octets of TCP, in order: messages unless they are sealed. What is spoken, by the first octets of either
        end."""
        if self._first_said[way]:
            self._first_said[way] = False
            if self._spoken is protocols.UNKNOWN:
                self._spoken = protocols.of_stream(data, self._ports)
        if self._spoken.kind == "encrypted":
            self.end()
            return self._spoken
        turn = self._turn
        if turn is None or turn.way != way or turn.size >= MOST_TURN:
            self.end()
            turn = self._turn = _Turn(way, packet, at)
        turn.size += len(data)
        turn.body += data[: max(MOST_RAW - self._held[way], 0)]
        self._held[way] += len(data)
        return self._spoken

    def end(self) -> None:
        """The turn is over."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        self.over += turn.size - len(turn.body)
        if turn.body:
            self._say(turn.way, bytes(turn.body), turn.size, turn.packet, turn.at)

    def datagram(self, way: int, data: bytes, packet: int, at: int | None) -> Told:
        """A datagram: a message unless it is sealed. What is spoken, by its octets."""
        told = protocols.of_datagram(data, self._ports)
        if told is protocols.UNKNOWN and 443 in self._ports:
            # QUIC from the middle: short headers name nothing.
            told = Told("encrypted", "udp_443")
        if told.kind == "encrypted":
            return told
        room = MOST_RAW - self._held[way]
        if room <= 0:
            self.over += len(data)
            return told
        self._held[way] += len(data)
        self._say(way, data[:room], len(data), packet, at)
        return told
