"""Wireshark's exported PDUs (LINKTYPE_WIRESHARK_UPPER_PDU): tags that say of which protocol and between which ends,
then what one protocol carried, often after decryption. Format: Wireshark's ``exported_pdu_tlvs.h``, read 2026.

The packets below are not in the file. So octets of a TCP connection are put one behind another as they come.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from analysis.sources.packets import wrappings
from analysis.sources.packets.segment import TCP, UDP, Segment, Skipped

LINK = 252
_PUSHED = 0x08
_MOST = 1 << 16
"""Directions of connections that are counted at once."""
_DISSECTORS = (12, 13)
_FRAMES = {
    "ip": wrappings.IPV4,
    "ipv4": wrappings.IPV4,
    "ipv6": wrappings.IPV6,
    "mpls": 0x8847,
    "ppp": 0x880B,
    **dict.fromkeys(("eth", "eth_withoutfcs", "eth_withfcs", "eth_maybefcs"), wrappings.ETHERNET),
    **dict.fromkeys(("wlan", "wlan_withoutfcs"), wrappings.WLAN),
}
"""Names of Wireshark's dissectors whose PDU is a packet or a frame itself."""
_PORT_TYPES = {2: TCP, 3: UDP}
_TRANSPORTS = {"tcp": TCP, "udp": UDP}


class Whole(NamedTuple):
    """A packet as the layer below would hand it over: EtherType, and where it begins."""

    kind: int
    at: int


class Bare(NamedTuple):
    """A transport's header and payload without the IP header before it."""

    protocol: int
    src: str
    dst: str
    data: bytes
    size: int


class Exported:
    """The PDUs of one file."""

    def __init__(self) -> None:
        self._next: dict[tuple[str, int, str, int, int], int] = {}

    def opened(self, data: bytes, wire: int) -> Whole | Bare | Segment | Skipped:
        """What a PDU is. ``wire``: octets of all of it before the capture cut it."""
        tags, at = _tags(data)
        if at is None:
            return Skipped("packet_cut")
        name = next((tags[n] for n in _DISSECTORS if n in tags), b"").rstrip(b"\0").decode("latin-1")
        if name in _FRAMES:
            return Whole(_FRAMES[name], at)
        src, dst = _address(tags, 20, 22), _address(tags, 21, 23)
        if src is None or dst is None:
            return Skipped("packet_exported_without_ends")
        if name in _TRANSPORTS:
            return Bare(_TRANSPORTS[name], src, dst, data[at:], wire - at)
        protocol = _PORT_TYPES.get(_number(tags, 24))
        sport, dport = _number(tags, 25), _number(tags, 26)
        if protocol is None or not (0 < sport < 65_536 and 0 < dport < 65_536):
            return Skipped("packet_exported_without_ends")
        size = max(wire - at, len(data) - at)
        sequence = flags = 0
        if protocol == TCP:
            key = (src, sport, dst, dport, _number(tags, 39))
            sequence = self._next.pop(key, 1)
            if len(self._next) >= _MOST:
                del self._next[next(iter(self._next))]
            self._next[key] = (sequence + size) & 0xFFFFFFFF
            flags = _PUSHED
        return Segment(protocol, src, dst, sport, dport, data[at:], size, sequence, flags)


def _tags(data: bytes) -> tuple[dict[int, bytes], int | None]:
    """Values by tag, the first of each, and where the PDU begins; None where the tags have no end."""
    tags: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        kind, size = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
        at += 4
        if kind == 0:
            return tags, at
        tags.setdefault(kind, data[at : at + size])
        at += size
    return tags, None


def _address(tags: dict[int, bytes], four: int, six: int) -> str | None:
    raw = tags.get(four) or tags.get(six) or b""
    return str(ipaddress.ip_address(raw)) if len(raw) in (4, 16) else None


def _number(tags: dict[int, bytes], tag: int) -> int:
    """The value of a tag; -1 where there is none."""
    raw = tags.get(tag, b"")
    return int.from_bytes(raw) if len(raw) == 4 else -1
