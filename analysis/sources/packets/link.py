"""From a captured frame to the transport's payload: link layers, IPv4, IPv6, wrappings, fragments.

Plain struct reads, because scapy's objects cost 0.4 ms a packet; scapy dissects only the link types that are not known
here (``odd``). A wrapped packet counts in its inner flow, once.
"""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache

from analysis.sources.packets import owner, wrappings
from analysis.sources.packets.closed import Closed
from analysis.sources.packets.segment import TCP, UDP, Partial, Segment, Skipped

_MOST_TAPS = 4
_AH, _NOTHING = 51, 59


def network(link: int, data: bytes, depth: int = 0) -> tuple[int, int] | Skipped:
    """EtherType and offset of the network layer; what is no IP is named as what it is."""
    if link == 1:
        return wrappings.network(wrappings.ETHERNET, data, 0)
    if link in (101, 12, 14, 228, 229):
        if not data:
            return Skipped("packet_empty")
        return (0x86DD if data[0] >> 4 == 6 else 0x0800), 0
    if link == 113:
        return _cooked(data, 14, 16)
    if link == 276:
        return _cooked(data, 0, 20)
    if link in (0, 108):
        if len(data) < 4:
            return Skipped("packet_cut")
        family = min(struct.unpack("<I", data[:4])[0], struct.unpack(">I", data[:4])[0])
        if family == 2:
            return 0x0800, 4
        return (0x86DD, 4) if family in (10, 24, 28, 30) else Skipped("packet_other_family")
    if link == 239:
        at = owner.nflog(data).at
        if at is None:
            return Skipped("packet_nflog_without_payload")
        return (0x86DD if data[at] >> 4 == 6 else 0x0800), at
    if link in (258, 149) and depth < _MOST_TAPS:
        tapped = owner.pktap(data)
        if tapped is not None:
            found = network(tapped.link, data[tapped.size :], depth + 1)
            return found if isinstance(found, Skipped) else (found[0], found[1] + tapped.size)
    from analysis.sources.packets import odd

    return odd.network(link, data)


def _cooked(data: bytes, at: int, end: int) -> tuple[int, int] | Skipped:
    """Linux's own headers, in whose middle the EtherType stands."""
    if len(data) < end:
        return Skipped("packet_cut")
    kind = data[at] << 8 | data[at + 1]
    return wrappings.network(kind, data, end) if kind >= 0x0600 else Skipped("packet_llc")


@lru_cache(maxsize=65_536)
def _shown(address: bytes) -> str:
    return str(ipaddress.ip_address(address))


class Datagrams:
    """Takes network layers apart and puts fragments together, as many as there is room for."""

    MOST = 64
    """Datagrams of which fragments wait; the oldest gives way and its packets are counted."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, int, int], _Fragments] = {}
        self._closed = Closed()
        self.now: int | None = None
        """The time of the packet at hand, in microseconds."""
        self.dropped = 0
        self.octets = 0
        """Octets of datagrams that were dropped."""

    def segment(self, kind: int, data: bytes, at: int, depth: int = 0, packets: int = 1) -> Segment | Skipped | Partial:
        """The transport's part of a datagram that begins at ``at`` and came in so many packets."""
        found = self._ipv4(data, at, packets) if kind == 0x0800 else self._ipv6(data, at, packets)
        if isinstance(found, Skipped | Partial):
            return found
        protocol, src, dst, payload, size, packets = found
        wrapped = wrappings.of(protocol, payload, size)
        if wrapped is None:
            return self.transport(protocol, src, dst, payload, size, packets)
        if isinstance(wrapped, Skipped):
            return Skipped(wrapped.kind, packets)
        return self.inside(wrapped.kind, payload, wrapped.at, depth + 1, packets)

    def inside(self, kind: int, data: bytes, at: int, depth: int, packets: int = 1) -> Segment | Skipped | Partial:
        """The same of what begins at ``at`` with this EtherType, ``depth`` wrappings deep."""
        if depth > wrappings.DEEPEST:
            return Skipped(wrappings.TOO_DEEP, packets)
        place = wrappings.network(kind, data, at)
        if isinstance(place, Skipped):
            return Skipped(place.kind, packets)
        return self.segment(place[0], data, place[1], depth, packets)

    def transport(
        self, protocol: int, src: str, dst: str, data: bytes, size: int, packets: int = 1
    ) -> Segment | Skipped:
        """The segment of a transport's header and payload, unless it is a tunnel's that nobody opens."""
        carried = _transport(protocol, src, dst, data, size, packets)
        if protocol == UDP and isinstance(carried, Segment):
            return self._closed.of(carried) or carried
        return carried

    def rest(self) -> int:
        """Packets whose datagrams never became whole."""
        self.octets += sum(f.octets for f in self._waiting.values())
        return self.dropped + sum(f.packets for f in self._waiting.values())

    def _ipv4(self, data: bytes, at: int, packets: int) -> tuple[int, str, str, bytes, int, int] | Skipped | Partial:
        if len(data) < at + 20:
            return Skipped("packet_cut", packets)
        if data[at] >> 4 != 4:
            return Skipped("packet_no_ip", packets)
        head = (data[at] & 15) * 4
        total = data[at + 2] << 8 | data[at + 3]
        if total == 0:
            total = len(data) - at  # segmentation offload leaves the length to the card
        if head < 20 or total < head:
            return Skipped("packet_ip_damaged", packets)
        src, dst = _shown(data[at + 12 : at + 16]), _shown(data[at + 16 : at + 20])
        payload = data[at + head : at + total]
        part = data[at + 6] << 8 | data[at + 7]
        if part & 0x3FFF:
            number = data[at + 4] << 8 | data[at + 5]
            key = (src, dst, number, data[at + 9])
            return self._fragment(key, (part & 0x1FFF) * 8, bool(part & 0x2000), payload, total - head, packets)
        return (*_behind_ah(data[at + 9], src, dst, payload, total - head), packets)

    def _ipv6(self, data: bytes, at: int, packets: int) -> tuple[int, str, str, bytes, int, int] | Skipped | Partial:
        if len(data) < at + 40:
            return Skipped("packet_cut", packets)
        if data[at] >> 4 != 6:
            return Skipped("packet_no_ip", packets)
        size = data[at + 4] << 8 | data[at + 5]
        if size == 0:
            size = len(data) - at - 40
        src, dst = _shown(data[at + 8 : at + 24]), _shown(data[at + 24 : at + 40])
        kind, place, end = data[at + 6], at + 40, at + 40 + size
        for _ in range(8):
            if kind in (0, 43, 60) and len(data) >= place + 8:
                kind, place = data[place], place + 8 + data[place + 1] * 8
            elif kind == 51 and len(data) >= place + 8:
                kind, place = data[place], place + 8 + data[place + 1] * 4
            elif kind == 44 and len(data) >= place + 8:
                part = data[place + 2] << 8 | data[place + 3]
                number = struct.unpack(">I", data[place + 4 : place + 8])[0]
                inner, place = data[place], place + 8
                if part & 0xFFF9:
                    key = (src, dst, number, inner)
                    size = max(end - place, 0)
                    return self._fragment(key, part & 0xFFF8, bool(part & 1), data[place:end], size, packets)
                kind = inner
            else:
                break
        return kind, src, dst, data[place:end], max(end - place, 0), packets

    def _fragment(
        self, key: tuple[str, str, int, int], offset: int, more: bool, payload: bytes, size: int, packets: int
    ) -> tuple[int, str, str, bytes, int, int] | Partial:
        waiting = self._waiting.get(key)
        if waiting is not None and waiting.is_over(self.now):
            self._drop(key)
            waiting = None
        if waiting is None:
            if len(self._waiting) >= self.MOST:
                self._drop(next(iter(self._waiting)))
            waiting = self._waiting[key] = _Fragments(self.now)
        whole = waiting.add(offset, more, payload, size, packets)
        if whole is not None:
            del self._waiting[key]
            return key[3], key[0], key[1], whole, waiting.size, waiting.packets
        if waiting.octets > _Fragments.MOST or waiting.packets > _Fragments.MOST_PARTS:
            self._drop(key)
        return Partial()

    def _drop(self, key: tuple[str, str, int, int]) -> None:
        gone = self._waiting.pop(key)
        self.dropped += gone.packets
        self.octets += gone.octets


class _Fragments:
    """The parts of one datagram (RFC 791 section 3.2, RFC 8200 section 4.5); the first of two that overlap counts."""

    MOST = 1 << 17
    """Octets that are kept: a datagram has 65,535, so what holds twice as many is no datagram."""
    MOST_PARTS = 1 << 11
    PATIENCE = 60_000_000
    """Microseconds in which the parts of a datagram come (RFC 8200 section 4.5): a later one has the same number and
    is another's."""

    def __init__(self, began: int | None) -> None:
        self.packets = 0
        self.octets = 0
        self.size = 0
        """Octets of the whole datagram's payload, once it is known."""
        self._began = began
        self._parts: dict[int, tuple[bytes, int]] = {}
        self._end: int | None = None

    def is_over(self, now: int | None) -> bool:
        """True when a part that comes now belongs to another datagram."""
        return now is not None and self._began is not None and abs(now - self._began) > self.PATIENCE

    def add(self, offset: int, more: bool, payload: bytes, size: int, packets: int) -> bytes | None:
        """The datagram once every part is there, up to the first octet that the capture cut off."""
        self.packets += packets
        self.octets += len(payload)
        self._parts.setdefault(offset, (payload, size))
        if not more and self._end is None:
            self._end = offset + size
        if self._end is None or self._end > 65_535 or sum(s for _, s in self._parts.values()) < self._end:
            return None
        whole, reached, cut = bytearray(), 0, False
        for start in sorted(self._parts):
            part, stated = self._parts[start]
            if start > reached:
                return None
            if start + stated <= reached:
                continue
            if not cut:
                whole += part[reached - start :]
                cut = len(part) < stated
            reached = start + stated
        if reached < self._end:
            return None
        self.size = self._end
        return bytes(whole[: self._end])


def _behind_ah(protocol: int, src: str, dst: str, data: bytes, size: int) -> tuple[int, str, str, bytes, int]:
    """What stands behind authentication headers (RFC 4302), which seal nothing; IPv6 has them among its extensions."""
    for _ in range(8):
        if protocol != _AH or len(data) < 12:
            break
        head = (data[1] + 2) * 4
        protocol, data, size = data[0], data[head:], max(size - head, 0)
    return protocol, src, dst, data, size


def _transport(protocol: int, src: str, dst: str, data: bytes, size: int, packets: int) -> Segment | Skipped:
    if protocol == TCP:
        if len(data) < 20:
            return Skipped("packet_cut", packets)
        sport, dport, sequence, acknowledged = struct.unpack(">HHII", data[:12])
        head = (data[12] >> 4) * 4
        if head < 20 or head > size:
            return Skipped("packet_tcp_damaged", packets)
        return Segment(TCP, src, dst, sport, dport, data[head:], size - head, sequence, data[13], acknowledged, packets)
    if protocol == UDP:
        if len(data) < 8:
            return Skipped("packet_cut", packets)
        sport, dport, length = struct.unpack(">HHH", data[:6])
        stated = length - 8 if 8 <= length <= size else size - 8
        return Segment(UDP, src, dst, sport, dport, data[8 : 8 + stated], stated, 0, 0, 0, packets)
    if protocol == _NOTHING and not size:
        return Skipped("packet_without_payload", packets)
    return Segment(protocol, src, dst, None, None, data, size, 0, 0, 0, packets)
