"""Wrappings: how a packet stands inside of another, as tables of numbers with a small opener each.

What an EtherType or an IP protocol number says of what follows is taken at its word. A UDP port says nothing, since
any app may speak on it: there the header must have the wrapping's form, and what stands in it must be a packet.
A wrapping that is not opened is a loss of its own name, and its ends are no conversation's.

Sources: RFC 2784, 2890 and 2637 (GRE), 7637 (NVGRE), 7348 (VXLAN) and draft-ietf-nvo3-vxlan-gpe, 8926 (GENEVE),
8300 (NSH), 3032 and 4385 (MPLS, pseudo-wires), 4023 and 7510 (MPLS in IP and in UDP), 8086 (GRE in UDP), 3378
(EtherIP), 2516 (PPPoE), 1661 (PPP), 4302 (AH), 4303 and 3948 (ESP), 4380 (Teredo), 2661 and 3931 (L2TP), IEEE 802.1Q,
802.1ad, 802.1ah and 802.1BR (tags), 3GPP TS 29.281 (GTP-U) and 29.060 and 29.274 (GTP-C), draft-foschiano-erspan,
and, for TZSP, what Wireshark's dissector says of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from analysis.sources.packets.segment import UDP, Skipped

IPV4, IPV6 = 0x0800, 0x86DD
ETHERNET = 0x6558
"""EtherType of a whole Ethernet frame."""
_PPP, _MPLS, _NSH, _ERSPAN_12, _ERSPAN_3, _WCCP = 0x880B, 0x8847, 0x894F, 0x88BE, 0x22EB, 0x883E
WLAN = -105
"""A frame of 802.11, which has no EtherType."""
DEEPEST = 8
"""Packets inside of one another that are opened: what nests deeper is made to keep readers busy."""
_MOST_HEADERS = 16
"""Tags, labels and frames between two IP headers."""
TOO_DEEP = "packet_nested_too_deep"
CUT = "packet_cut"


class Inner(NamedTuple):
    """What stands inside: its EtherType, and where in the octets it begins."""

    kind: int
    at: int


Opened = Inner | Skipped

# --------------------------------------------------------------------------------- by EtherType


def _tag(octets: int) -> Callable[[bytes, int], Opened]:
    """A tag of so many octets, of which the last two are the next EtherType."""

    def opener(data: bytes, at: int) -> Opened:
        if len(data) < at + octets:
            return Skipped(CUT)
        return _typed(data, at + octets)

    return opener


def _typed(data: bytes, end: int) -> Opened:
    """The EtherType in the two octets before ``end``. Below 0x600 it is a length (IEEE 802.3)."""
    kind = data[end - 2] << 8 | data[end - 1]
    return Inner(kind, end) if kind >= 0x0600 else Skipped("packet_llc")


def _ethernet(data: bytes, at: int) -> Opened:
    if len(data) < at + 14:
        return Skipped(CUT)
    return _typed(data, at + 14)


def _mpls(data: bytes, at: int) -> Opened:
    """Labels down to the last one. What follows names itself only by its first four bits: 4 and 6 are IP, 0 a
    pseudo-wire's control word, 1 its channel for upkeep, anything else Ethernet without a control word."""
    for _ in range(_MOST_HEADERS):
        if len(data) < at + 5:
            return Skipped(CUT)
        last = data[at + 2] & 1
        at += 4
        if last:
            break
    else:
        return Skipped(TOO_DEEP)
    first = data[at] >> 4
    if first == 1:
        return Skipped("packet_mpls_upkeep")
    for kind, bits in ((IPV4, 4), (IPV6, 6)):
        if first == bits and _is_ip(kind, data, at, len(data) - at):
            return Inner(kind, at)
    # An address of Ethernet may begin with zeros too: with a control word the frame's type stands four octets on.
    here, behind = (int.from_bytes(data[n + 12 : n + 14]) for n in (at, at + 4))
    word = first == 0 and (_is_known(behind) or not _is_known(here))
    return Inner(ETHERNET, at + 4 if word else at)


def _is_known(kind: int) -> bool:
    return kind in (IPV4, IPV6) or kind in _ETHERTYPES or kind in NO_IP


def _pppoe(data: bytes, at: int) -> Opened:
    if len(data) < at + 8:
        return Skipped(CUT)
    if data[at] != 0x11 or data[at + 1]:
        return Skipped("packet_pppoe_damaged")
    return Inner(_PPP, at + 6)


_IN_PPP = {0x21: IPV4, 0x57: IPV6, 0x281: _MPLS, 0x283: 0x8848}
_PPP_SEALED = frozenset({0xFD, 0xFB, 0x53, 0x55})
"""Compressed or encrypted: CCP (RFC 1962), which carries MPPE (RFC 3078), and ECP (RFC 1968)."""


def _ppp(data: bytes, at: int) -> Opened:
    """RFC 1661 section 2 and RFC 1662: address and control may be left out, and the protocol's first octet too."""
    if data[at : at + 2] == b"\xff\x03":
        at += 2
    if len(data) < at + 2:
        return Skipped(CUT)
    if data[at] & 1:
        kind, at = data[at], at + 1
    else:
        kind, at = data[at] << 8 | data[at + 1], at + 2
    if kind in _IN_PPP:
        return Inner(_IN_PPP[kind], at)
    return Skipped("packet_ppp_sealed" if kind in _PPP_SEALED else "packet_ppp_control")


_IN_NSH = {1: IPV4, 2: IPV6, 3: ETHERNET, 4: _NSH, 5: _MPLS}


def _nsh(data: bytes, at: int) -> Opened:
    if len(data) < at + 8:
        return Skipped(CUT)
    size, following = (data[at + 1] & 0x3F) * 4, data[at + 3]
    if size < 8 or following not in _IN_NSH:
        return Skipped("packet_nsh_other")
    return Inner(_IN_NSH[following], at + size)


def _erspan_3(data: bytes, at: int) -> Opened:
    """Version 2 in the first four bits; what follows is Ethernet or IP, behind an optional part of eight octets."""
    if len(data) < at + 12:
        return Skipped(CUT)
    if data[at] >> 4 != 2:
        return Skipped("packet_erspan_other")
    inside = data[at + 10] >> 2 & 0x1F
    at += 20 if data[at + 11] & 1 else 12
    if inside == 2:
        return _by_nibble(data, at)
    return Inner(ETHERNET, at) if inside == 0 else Skipped("packet_erspan_other")


def _by_nibble(data: bytes, at: int) -> Opened:
    if len(data) <= at:
        return Skipped(CUT)
    return Inner(IPV6 if data[at] >> 4 == 6 else IPV4, at)


def _wlan(data: bytes, at: int) -> Opened:
    from analysis.sources.packets import odd

    found = odd.network(105, data[at:])
    return found if isinstance(found, Skipped) else Inner(found[0], at + found[1])


_ETHERTYPES: dict[int, Callable[[bytes, int], Opened]] = {
    0x8100: _tag(4),
    0x88A8: _tag(4),
    0x9100: _tag(4),
    0x8926: _tag(6),
    0x893F: _tag(8),
    0x88E7: lambda data, at: Inner(ETHERNET, at + 4),
    ETHERNET: _ethernet,
    _MPLS: _mpls,
    0x8848: _mpls,
    0x8864: _pppoe,
    _PPP: _ppp,
    _NSH: _nsh,
    _ERSPAN_3: _erspan_3,
    WLAN: _wlan,
}
NO_IP = {
    0x0806: "packet_arp",
    0x8035: "packet_rarp",
    0x88CC: "packet_lldp",
    0x888E: "packet_eapol",
    0x8863: "packet_pppoe_discovery",
    0x88E5: "packet_macsec",
}
"""What is no IP and needs no opener."""


def network(kind: int, data: bytes, at: int) -> tuple[int, int] | Skipped:
    """EtherType and offset of the IP packet in what begins at ``at``; what is none is named as what it is."""
    for _ in range(_MOST_HEADERS):
        if kind in (IPV4, IPV6):
            return kind, at
        opener = _ETHERTYPES.get(kind)
        if opener is None:
            return Skipped(NO_IP.get(kind, f"packet_ethertype_{kind:04x}"))
        found = opener(data, at)
        if isinstance(found, Skipped):
            return found
        kind, at = found
    return Skipped(TOO_DEEP)


# ------------------------------------------------------------------------------- by IP protocol


def _gre(data: bytes) -> Opened:
    if len(data) < 4:
        return Skipped(CUT)
    flags, kind = data[0] << 8 | data[1], data[2] << 8 | data[3]
    version, at = flags & 7, 4
    if version > 1:
        return Skipped("packet_gre_other")
    if flags & 0x4000:
        return Skipped("packet_gre_routed")
    numbered = bool(flags & 0x1000)
    if version == 1:  # PPTP: the key is there, the octets that it carries are counted
        if kind != _PPP:
            return Skipped(f"packet_gre_{kind:04x}")
        if not numbered:
            return Skipped("packet_gre_acknowledgement")
        return Inner(kind, 12 + 4 * bool(flags & 0x0080))
    at += 4 * bool(flags & 0x8000) + 4 * bool(flags & 0x2000) + 4 * numbered
    if kind == _ERSPAN_12:
        # Without a sequence number there is no header of ERSPAN either (type I).
        at += 8 * numbered
        kind = ETHERNET
    elif kind == _WCCP:
        return _by_nibble(data, at if data[at : at + 1] and data[at] >> 4 == 4 else at + 4)
    elif not _is_known(kind):
        return Skipped(f"packet_gre_{kind:04x}")
    return Inner(kind, at)


def _ether_ip(data: bytes) -> Opened:
    return Inner(ETHERNET, 2) if data[:1] and data[0] >> 4 == 3 else Skipped("packet_etherip_other")


_PROTOCOLS: dict[int, Callable[[bytes], Opened]] = {
    4: lambda _: Inner(IPV4, 0),
    41: lambda _: Inner(IPV6, 0),
    47: _gre,
    50: lambda _: Skipped("packet_esp"),
    94: lambda _: Inner(IPV4, 0),
    97: _ether_ip,
    108: lambda _: Skipped("packet_ipcomp"),
    115: lambda _: Skipped("packet_l2tp"),
    137: lambda _: Inner(_MPLS, 0),
}


# ------------------------------------------------------------------------------ by UDP's header


def _vxlan(data: bytes, size: int) -> Opened | None:
    """The bit of a valid network number, and zeros; a group policy (draft-smith-vxlan-group-policy) where its bit is
    set."""
    if len(data) < 8 or data[7] or data[0] not in (0x08, 0x88) or (data[0] == 0x08 and any(data[1:4])):
        return None
    return Inner(ETHERNET, 8)


def _vxlan_gpe(data: bytes, size: int) -> Opened | None:
    if len(data) < 8 or data[0] & 0xF3 or not data[0] & 0x08 or data[1] or data[2] or data[7]:
        return None
    kind = _IN_NSH.get(data[3]) if data[0] & 0x04 else ETHERNET if not data[3] else None
    return None if kind is None else Inner(kind, 8)


def _geneve(data: bytes, size: int) -> Opened | None:
    """Version 0, reserved bits zero, options that are whole."""
    if len(data) < 8 or data[0] & 0xC0 or data[1] & 0x3F or data[7]:
        return None
    end = 8 + (data[0] & 0x3F) * 4
    at = 8
    while at + 4 <= min(end, len(data)):
        at += 4 + (data[at + 3] & 0x1F) * 4
    if at != end and len(data) >= end:
        return None
    return Inner(data[2] << 8 | data[3], end)


_GTP_SIGNALS = frozenset({1, 2, 26, 31, 253, 254})
"""Messages of GTP-U that carry no packet (TS 29.281 table 6.1-1)."""


def _gtp_u(data: bytes, size: int) -> Opened | None:
    """TS 29.281 section 5: version 1, its own length, and extension headers that name one another."""
    if len(data) < 8 or data[0] & 0xF8 != 0x30 or int.from_bytes(data[2:4]) != size - 8:
        return None
    if data[1] in _GTP_SIGNALS:
        return Skipped("packet_gtp_control")
    if data[1] != 255:
        return None
    at = 8
    if data[0] & 7:
        at = 12
        following = data[11] if data[0] & 4 and len(data) >= 12 else 0
        for _ in range(_MOST_HEADERS):
            if not following:
                break
            octets = data[at] * 4 if len(data) > at else 0
            if not octets or len(data) < at + octets:
                return Skipped(CUT) if len(data) < size else None
            following = data[at + octets - 1]
            at += octets
        else:
            return None
    first = data[at] >> 4 if len(data) > at else -1
    return Inner({4: IPV4, 6: IPV6}.get(first, ETHERNET), at)


def _gtp_c(data: bytes, size: int) -> Opened | None:
    if len(data) < 8:
        return None
    length = int.from_bytes(data[2:4])
    first = data[0] & 0xF8 == 0x30 and length == size - 8
    second = data[0] & 0xE7 == 0x40 and length == size - 4
    return Skipped("packet_gtp_control") if first or second else None


_IN_TZSP = {1: ETHERNET, 18: WLAN}


def _tzsp(data: bytes, size: int) -> Opened | None:
    """Version 1; a received frame or one to be sent; tags up to the one that ends them. Others keep it going."""
    if len(data) < 5 and not (len(data) == 4 and data[1] in (4, 5)):
        return None
    if data[0] != 1 or data[1] > 5:
        return None
    if data[1] > 1:
        return Skipped("packet_tzsp_control") if not data[2] else None
    kind, at = data[2] << 8 | data[3], 4
    while at < len(data) and data[at] != 1:
        if data[at] == 0:
            at += 1
        elif at + 1 < len(data):
            at += 2 + data[at + 1]
        else:
            return None
    if at >= len(data):
        return None
    return Inner(_IN_TZSP[kind], at + 1) if kind in _IN_TZSP else Skipped("packet_tzsp_other")


def _teredo(data: bytes, size: int) -> Opened | None:
    """RFC 4380 section 5.1.1: an authentication and an origin may stand before the packet."""
    at = 0
    if data[:2] == b"\0\1" and len(data) >= 4:
        at = 4 + data[2] + data[3] + 9
    if data[at : at + 2] == b"\0\0":
        at += 8
    return Inner(IPV6, at)


def _gre_in_udp(data: bytes, size: int) -> Opened | None:
    if len(data) < 4 or data[0] & 0x4F or data[1]:
        return None
    found = _gre(data)
    return found if isinstance(found, Inner) else None


class _OnPort(NamedTuple):
    """A wrapping in UDP. ``either``: its port may be the sender's too; ``marked``: its header has so much of a form
    that no other octets have it by chance, so that a packet inside may even lie about its length."""

    ports: tuple[int, ...]
    either: bool
    marked: bool
    opener: Callable[[bytes, int], Opened | None]


_UDP = (
    _OnPort((4789, 8472), False, True, _vxlan),
    _OnPort((4790,), False, True, _vxlan_gpe),
    _OnPort((6081,), False, True, _geneve),
    _OnPort((2152,), True, True, _gtp_u),
    _OnPort((2123,), True, True, _gtp_c),
    _OnPort((37008,), False, False, _tzsp),
    _OnPort((3544,), True, False, _teredo),
    _OnPort((6635,), False, False, lambda data, size: Inner(_MPLS, 0)),
    _OnPort((4754,), False, False, _gre_in_udp),
)
_BY_PORT = {port: one for one in _UDP for port in one.ports}


def of(protocol: int, data: bytes, size: int) -> Opened | None:
    """What an IP packet wraps. ``data``: the IP packet's payload, ``size``: its octets on the line. None: it is no
    wrapping but a conversation's own."""
    opener = _PROTOCOLS.get(protocol)
    if opener is not None:
        return opener(data) if data else Skipped(CUT)
    if protocol != UDP or len(data) < 9:
        return None
    sport, dport = data[0] << 8 | data[1], data[2] << 8 | data[3]
    one = _BY_PORT.get(dport)
    if one is None:
        one = _BY_PORT.get(sport)
        if one is None or not one.either:
            return None
    stated = data[4] << 8 | data[5]
    left = min(stated, size) - 8 if stated >= 8 else size - 8
    payload = data[8 : 8 + left]
    found = one.opener(payload, left)
    if found is None or isinstance(found, Skipped):
        return found
    if not _is_packet(found, payload, left, one.marked):
        return None
    return Inner(found.kind, found.at + 8)


def _is_packet(inner: Inner, data: bytes, size: int, marked: bool) -> bool:
    """What a UDP datagram seems to wrap is a packet: IP whose lengths agree, or a frame of a known kind."""
    found = network(inner.kind, data, inner.at)
    if not isinstance(found, Skipped):
        kind, at = found
        return _is_ip(kind, data, at, size - at) or (marked and _begins_ip(kind, data[at : at + 1]))
    if found.kind == "packet_llc":
        return data[inner.at : inner.at + 3] == b"\x01\x80\xc2"  # bridges among themselves
    if found.kind == CUT:
        return marked and len(data) < size
    if not marked:
        return inner.kind in (ETHERNET, WLAN) and found.kind in _KNOWN_FRAMES
    return found.kind in _KNOWN_FRAMES or found.kind in ("packet_ppp_control", "packet_mpls_upkeep", TOO_DEEP)


_KNOWN_FRAMES = frozenset({*NO_IP.values(), "packet_wifi_encrypted", "packet_wifi_management"})


def _begins_ip(kind: int, head: bytes) -> bool:
    if not head:
        return False
    return head[0] >> 4 == 6 if kind == IPV6 else head[0] >> 4 == 4 and head[0] & 15 >= 5


_USED = frozenset({0, *range(0x20, 0x40), 0xFC, 0xFD, 0xFE, 0xFF})
"""First octets of the addresses of IPv6 that are in use (RFC 4291 section 2.4)."""


def _is_ip(kind: int, data: bytes, at: int, left: int) -> bool:
    """An IP header stands there. ``left``: octets on the line from there on. A mirror may have cut the packet, so that
    it claims more than there is; then its checksum (RFC 791) or its next header must be right."""
    head = data[at : at + 40]
    if not _begins_ip(kind, head[:1]):
        return False
    if kind == IPV6:
        if len(head) < 40 or not {head[8], head[24]} <= _USED:
            return False
        return 40 + int.from_bytes(head[4:6]) <= left or head[6] in (0, 6, 17, 43, 44, 58, 60)
    size = (head[0] & 15) * 4
    if len(head) < 20:
        return False
    return size <= int.from_bytes(head[2:4]) <= left or _sums_up(data[at : at + size])


def _sums_up(head: bytes) -> bool:
    total = sum(head[n] << 8 | head[n + 1] for n in range(0, len(head) - 1, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF
