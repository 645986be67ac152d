"""Wrappings that nobody opens without a key: told by their form, so that their ends are no conversation's.

What carries packets names neither the phone's destination nor the phone. On a port that is not its own, a tunnel is
known only by the message that begins it; what was captured from its middle there stays a conversation, sealed.

Sources: WireGuard's paper, section 5.4; RFC 3948 sections 2.1 to 2.3 and RFC 4303 section 2 (ESP in UDP); RFC 2661
section 3.1 and RFC 3931 section 4.1.2 (L2TP); OpenVPN's protocol description (openvpn-rfc, control channel).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from analysis.sources.packets.segment import Segment, Skipped


def _may_be_sealed(data: bytes) -> bool:
    """Of a cipher's octets half have their highest bit set: five deviations off that is text, or numbers."""
    high = sum(octet >> 7 for octet in data)
    return abs(2 * high - len(data)) <= 5 * len(data) ** 0.5 and data.count(0) <= 4 + len(data) // 32


def _wireguard_begins(data: bytes, size: int) -> bool:
    """A handshake's first message, whose second MAC is zero unless the server is under load."""
    return size == 148 and data[:4] == b"\1\0\0\0" and not any(data[132:])


def wireguard(data: bytes, size: int) -> bool:
    """Any of WireGuard's four kinds of message. ``size``: octets on the line."""
    if data[1:4] != b"\0\0\0":
        return False
    if (size, data[0]) in ((148, 1), (92, 2), (64, 3)):
        return True
    return data[0] == 4 and size >= 32 and size % 16 == 0 and _may_be_sealed(data[16:])


def _esp(data: bytes, size: int) -> bool:
    """A keep-alive, or an index that is no reserved one, a sequence number and octets in fours."""
    if data == b"\xff":
        return True
    if len(data) < 8 or size < 24 or size % 4:
        return False
    plausible = int.from_bytes(data[:4]) > 255 and 0 < int.from_bytes(data[4:8]) < 1 << 24
    return plausible and _may_be_sealed(data[8:])


def _l2tp(data: bytes, size: int) -> bool:
    if len(data) < 6 or data[0] & 0x34 or data[1] & 0xF0:
        return False
    version, control, long = data[1] & 15, data[0] & 0x80, data[0] & 0x40
    if version == 3:
        if control:
            return data[0] == 0xC8 and int.from_bytes(data[2:4]) == size
        return not data[0] and not data[2] and not data[3] and any(data[4:8])
    if version != 2 or (control and data[0] & 0xC8 != 0xC8):
        return False
    return int.from_bytes(data[2:4]) == size if long else any(data[2:4]) and any(data[4:6])


_RESETS = (14, 38, 42, 54, 86)
"""Octets of a client's first message: bare, or with a MAC of MD5, SHA-1, SHA-256 or SHA-512 and a packet's number."""


def openvpn_begins(data: bytes, size: int) -> bool:
    """A client's first message. ``size``: octets on the line."""
    if data[:1] != b"\x38" or size not in _RESETS or len(data) < size:
        return False
    return data.endswith(bytes(5)) or (len(data) == 54 and data[9:13] == b"\0\0\0\1")


def _openvpn(data: bytes, size: int) -> bool:
    return 1 <= data[0] >> 3 <= 11


class _Tunnel(NamedTuple):
    """``ports``: where any message of its form is its own; elsewhere only behind one that begins it. ``begins``: None
    where it has no message that can be told from others."""

    name: str
    ports: frozenset[int]
    begins: Callable[[bytes, int], bool] | None
    goes_on: Callable[[bytes, int], bool]


_TUNNELS = (
    _Tunnel("packet_wireguard", frozenset({51820}), _wireguard_begins, wireguard),
    _Tunnel("packet_esp", frozenset({4500}), None, _esp),
    _Tunnel("packet_l2tp", frozenset({1701}), None, _l2tp),
    _Tunnel("packet_openvpn", frozenset(), openvpn_begins, _openvpn),
)


class Closed:
    """Tunnels whose beginning was seen, as many as there is room for."""

    MOST = 1_024

    def __init__(self) -> None:
        self._known: dict[frozenset[tuple[str, int | None]], _Tunnel] = {}

    def of(self, segment: Segment) -> Skipped | None:
        """The loss that a datagram is, if it belongs to a tunnel."""
        data, size = segment.payload, segment.size
        if not data:
            return None
        ends = frozenset(((segment.src, segment.sport), (segment.dst, segment.dport)))
        known = self._known.get(ends)
        if known is not None and known.goes_on(data, size):
            return Skipped(known.name, segment.packets)
        for one in _TUNNELS:
            if one.begins is not None and one.begins(data, size):
                if len(self._known) >= self.MOST:
                    del self._known[next(iter(self._known))]
                self._known[ends] = one
                return Skipped(one.name, segment.packets)
            if (segment.sport in one.ports or segment.dport in one.ports) and one.goes_on(data, size):
                return Skipped(one.name, segment.packets)
        return None
