"""The phone's tables of sockets: which uid has which connection just now.

The form is that of Linux' ``/proc/net/{tcp,tcp6,udp,udp6}`` (``tcp4_seq_show`` and its like): an address is written as
words of 32 bits in the byte order of the machine, which is little-endian for every Android phone. From Android 10 no
app may read them; adb's shell still may (AOSP sepolicy, ``neverallow { appdomain -shell } proc_net_tcp_udp``). A socket
that is being closed has no inode and is shown as root's, whoever had it: it is left out. So are sockets that only wait
for others, and those that stay on the phone.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

TABLES = ("tcp", "tcp6", "udp", "udp6")
_LISTEN, _TIME_WAIT = "0A", "06"
_MOST_PORT_OF_SYSTEM = 1024
_MOST_UID = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Socket:
    """One entry. ``dst`` is None for a UDP socket that is not connected, whose far end the table does not tell."""

    transport: str
    src: tuple[str, int]
    dst: tuple[str, int] | None
    uid: int


def parse(line: str, table: str) -> Socket | None:
    """One line of a table; None for heads, for what is no connection to elsewhere, and for what is no entry."""
    words = line.split()
    if len(words) < 10 or not words[0].endswith(":") or words[3] in (_LISTEN, _TIME_WAIT):
        return None
    try:
        src, dst, uid, inode = _end(words[1]), _end(words[2]), int(words[7]), int(words[9])
    except ValueError:
        return None
    if not inode or src is None or dst is None or not src[1] or not 0 <= uid <= _MOST_UID:
        return None
    transport = table[:3]
    if not dst[1]:
        # Ports of services (mDNS, DHCP) are no app's; a client's port is one of the high ones.
        if transport == "tcp" or src[1] < _MOST_PORT_OF_SYSTEM or _loopback(src[0]):
            return None
        return Socket(transport, src, None, uid)
    return None if _loopback(dst[0]) else Socket(transport, src, dst, uid)


@lru_cache(maxsize=4096)
def _end(text: str) -> tuple[str, int] | None:
    address, _, port = text.partition(":")
    octets = bytes.fromhex(address)
    if len(octets) not in (4, 16):
        return None
    octets = b"".join(octets[i : i + 4][::-1] for i in range(0, len(octets), 4))
    found = ipaddress.ip_address(octets)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    number = int(port, 16)
    return (str(mapped or found), number) if 0 <= number < 1 << 16 else None


@lru_cache(maxsize=4096)
def _loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
