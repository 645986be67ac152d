"""IPv4 addresses that stand inside of IPv6 ones, where a standard says that they do."""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Well-known prefix of NAT64 (RFC 6052): the last 32 bits are the address that is spoken to."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def public_ipv4(address: Address) -> Address:
    """The IPv4 address that is really meant: mapped (RFC 4291 section 2.5.5.2), NAT64 (RFC 6052), 6to4 (RFC 3056).
    Any other address as it is. Teredo (RFC 4380) stays: its server says nothing about the host behind it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.sixtofour is not None:
            return address.sixtofour
    return address


def is_local(text: str) -> bool:
    """True for an address that never leaves the local network: private (RFC 1918, RFC 4193), link-local, multicast,
    broadcast, loopback, unspecified. A documentation or other reserved address is not local."""
    try:
        address = public_ipv4(ipaddress.ip_address(text.split("%")[0]))
    except ValueError:
        return False
    if address.is_multicast or address.is_link_local or address.is_loopback or address.is_unspecified:
        return True
    return any(address in network for network in _LOCAL if network.version == address.version)


_LOCAL = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "255.255.255.255/32", "fc00::/7")
)
