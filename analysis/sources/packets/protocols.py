"""Names of protocols that no reader here understands, each told by octets of its own.

A port says what a service was meant to be, not what was spoken: WhatsApp speaks no XMPP on XMPP's port. So a port
only narrows what the octets must show; the two push services, whose octets are sealed, are the exception, and their
causes say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from analysis.sources.packets.closed import openvpn_begins, wireguard

Ports = frozenset[int]


class Told(NamedTuple):
    """What is spoken: the kind of ``unread`` that its octets are, and their cause."""

    kind: str
    cause: str


UNKNOWN = Told("non_http", "unknown")

_SIP = re.compile(rb"(?:[A-Z]{3,10} sips?:[^\r\n]+ SIP/2\.0\r\n|SIP/2\.0 \d{3} )")
_RTSP = re.compile(rb"(?:[A-Z_]{3,13} (?:rtsp://[^\r\n]+|\*) RTSP/1\.0\r\n|RTSP/1\.0 \d{3} )")
_XMPP = re.compile(rb"(?:<\?xml[^>]{0,200}>\s*)?<(?:stream:stream|open)[\s>]")
_SMTP = re.compile(rb"(?:220[ -][^\r\n]*\r?\n|(?:EHLO|HELO) [^\r\n]+\r?\n)", re.IGNORECASE)
_MQTT = re.compile(rb"\x10[\x80-\xff]{0,3}[\x00-\x7f]\x00(?:\x04MQTT|\x06MQIsdp)", re.DOTALL)
_SOCKS = re.compile(rb"\x05(?:\x01[\x00-\x02]|\x02[\x00-\x02]{2}|\x03[\x00-\x02]{3})\Z")
_SSDP = re.compile(rb"(?:M-SEARCH \* HTTP/1\.1|NOTIFY \* HTTP/1\.1|HTTP/1\.1 200 OK)\r?\n", re.IGNORECASE)
_STUN_COOKIE = b"\x21\x12\xa4\x42"


def _stun(data: bytes) -> bool:
    """RFC 8489 section 5: two zero bits, a length in units of four, the cookie."""
    return len(data) >= 20 and data[0] < 0x40 and not data[3] & 3 and data[4:8] == _STUN_COOKIE


def _ntp(data: bytes) -> bool:
    return len(data) >= 48 and 1 <= data[0] >> 3 & 7 <= 4 and bool(data[0] & 7)


def _dhcp(data: bytes) -> bool:
    return len(data) >= 240 and data[0] in (1, 2) and data[236:240] == b"\x63\x82\x53\x63"


def _ike(data: bytes) -> bool:
    """RFC 7296 section 3.1: version 1.0 or 2.0, and a length that is the datagram's."""
    return len(data) >= 28 and data[17] in (0x10, 0x20) and int.from_bytes(data[24:28]) == len(data)


def _dtls(data: bytes) -> bool:
    return data[:1] in (b"\x14", b"\x15", b"\x16", b"\x17") and data[1:2] == b"\xfe" and len(data) > 13


_MMTLS = re.compile(rb"[\x15-\x19]\xf1[\x03\x04][\x00-\x40]", re.DOTALL)


def _whatsapp(data: bytes) -> bool:
    """The opening of its Noise handshake: its letters with two small versions, or a routing with its length before."""
    if data[:4] == b"ED\0\1":
        rest = data[7 + int.from_bytes(data[4:7]) :]
        return b"\0\0".startswith(data[4:6]) and (not rest or b"WA".startswith(rest[:2]))
    return data[:2] == b"WA" and len(data) >= 4 and 0 < data[2] < 32 and data[3] < 32


def _mtproto(data: bytes) -> bool:
    """Telegram's transports where they are not disguised: the mark of one, then a message's length that is right."""
    if data[:1] == b"\xef" and len(data) > 2:
        if data[1] == 0x7F:
            return len(data) == 5 + 4 * int.from_bytes(data[2:5], "little")
        return 0 < data[1] < 0x7F and len(data) == 2 + 4 * data[1]
    if data[:4] in (b"\xee" * 4, b"\xdd" * 4):
        return len(data) >= 8 and len(data) == 8 + int.from_bytes(data[4:8], "little")
    return False


def _openvpn(data: bytes) -> bool:
    """Its messages in TCP have their length before them."""
    return int.from_bytes(data[:2]) == len(data) - 2 and openvpn_begins(data[2:], len(data) - 2)


_DATAGRAMS: tuple[tuple[Ports, Callable[[bytes], bool], Told], ...] = (
    (frozenset(), _stun, Told("non_http", "stun")),
    (frozenset(), _dtls, Told("encrypted", "dtls")),
    (frozenset(), lambda d: wireguard(d, len(d)), Told("encrypted", "wireguard")),
    (frozenset({500}), _ike, Told("non_http", "ike")),
    (frozenset({4500}), lambda d: d[:4] == bytes(4) and _ike(d[4:]), Told("non_http", "ike")),
    (frozenset({123}), _ntp, Told("non_http", "ntp")),
    (frozenset({1900}), lambda d: _SSDP.match(d) is not None, Told("non_http", "ssdp")),
    (frozenset({67, 68}), _dhcp, Told("non_http", "dhcp")),
    (frozenset({546, 547}), lambda d: d[0] in range(1, 37), Told("non_http", "dhcp")),
    (frozenset({137}), lambda d: len(d) >= 12 and d[4:6] in (b"\0\0", b"\0\1"), Told("non_http", "netbios")),
    (frozenset({138}), lambda d: len(d) >= 14 and 0x10 <= d[0] <= 0x16, Told("non_http", "netbios")),
    (frozenset({5353}), lambda d: len(d) >= 12, Told("non_http", "mdns")),
    (frozenset({5355}), lambda d: len(d) >= 12, Told("non_http", "llmnr")),
    (frozenset({161, 162}), lambda d: d[0] == 0x30, Told("non_http", "snmp")),
    (frozenset(), lambda d: d.startswith((b"d1:ad2:id20:", b"d1:rd2:id20:")), Told("non_http", "bittorrent")),
    (frozenset(), lambda d: _SIP.match(d) is not None, Told("non_http", "sip")),
)
_STREAMS: tuple[tuple[Ports, Callable[[bytes], bool], Told], ...] = (
    (frozenset(), lambda d: d.startswith(b"SSH-"), Told("encrypted", "ssh")),
    (frozenset(), lambda d: _MMTLS.match(d) is not None, Told("encrypted", "mmtls")),
    (frozenset(), _whatsapp, Told("encrypted", "whatsapp")),
    (frozenset(), _mtproto, Told("encrypted", "mtproto")),
    (frozenset(), _openvpn, Told("encrypted", "openvpn")),
    (frozenset(), lambda d: _MQTT.match(d) is not None, Told("non_http", "mqtt")),
    (frozenset(), lambda d: _XMPP.match(d) is not None, Told("non_http", "xmpp")),
    (frozenset(), lambda d: d.startswith(b"\x13BitTorrent protocol"), Told("non_http", "bittorrent")),
    (frozenset(), lambda d: _SIP.match(d) is not None, Told("non_http", "sip")),
    (frozenset(), lambda d: _RTSP.match(d) is not None, Told("non_http", "rtsp")),
    (frozenset(), _stun, Told("non_http", "stun")),
    (frozenset({25, 465, 587, 2525}), lambda d: _SMTP.match(d) is not None, Told("non_http", "smtp")),
    (frozenset({110, 995}), lambda d: d.startswith(b"+OK"), Told("non_http", "pop3")),
    (frozenset({143, 993}), lambda d: d.startswith((b"* OK", b"* PREAUTH")), Told("non_http", "imap")),
    (frozenset({21}), lambda d: d.startswith((b"220 ", b"220-")), Told("non_http", "ftp")),
    (frozenset({139, 445}), lambda d: d[4:8] in (b"\xffSMB", b"\xfeSMB"), Told("non_http", "smb")),
    (frozenset({23}), lambda d: d[:1] == b"\xff", Told("non_http", "telnet")),
    (frozenset(), lambda d: _SOCKS.match(d) is not None, Told("non_http", "socks")),
    (frozenset({5223}), lambda _: True, Told("non_http", "apple_push")),
    (frozenset({5228, 5229, 5230}), lambda _: True, Told("non_http", "google_push")),
)


def of_datagram(data: bytes, ports: set[int | None]) -> Told:
    """What a datagram is. ``ports``: those of its two ends."""
    return _told(_DATAGRAMS, data, ports)


def of_stream(data: bytes, ports: set[int | None]) -> Told:
    """What a TCP stream is, by the first octets that one of its ends said."""
    return _told(_STREAMS, data, ports)


def _told(known: tuple[tuple[Ports, Callable[[bytes], bool], Told], ...], data: bytes, ports: set[int | None]) -> Told:
    if data:
        for where, shown, told in known:
            if (not where or where & ports) and shown(data):
                return told
    return UNKNOWN
