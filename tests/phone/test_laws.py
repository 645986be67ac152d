"""What holds for whatever a phone prints."""

from __future__ import annotations

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from lintas.phone import front, sockets
from lintas.phone.apps import parse_dump, parse_dumped_uids, parse_uids, parse_versions
from lintas.phone.identity import ssaid
from tests.phone.shapes import PACKAGE_15, PACKAGES_DUMPED, PACKAGES_UIDS, SHOP

PORTS = st.integers(1, 65535)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


def written(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    """As Linux on a little-endian machine prints an end of a socket."""
    words = struct.unpack(f">{len(address.packed) // 4}I", address.packed)
    return "".join(f"{struct.unpack('<I', struct.pack('>I', w))[0]:08X}" for w in words) + f":{port:04X}"


@given(ADDRESSES, PORTS, ADDRESSES, PORTS, st.integers(0, 2**31))
def test_an_entry_is_read_as_it_was_written(
    src: ipaddress.IPv4Address, sport: int, dst: ipaddress.IPv4Address, dport: int, uid: int
) -> None:
    line = f"   7: {written(src, sport)} {written(dst, dport)} 01 00:00 00:00 0000 {uid} 0 4711 1 0"
    found = sockets.parse(line, "tcp6")
    mapped = getattr(dst, "ipv4_mapped", None) or dst
    if mapped.is_loopback:
        assert found is None
        return
    assert found is not None
    assert (found.uid, found.src[1], found.dst and found.dst[1]) == (uid, sport, dport)
    assert found.dst is not None
    assert ipaddress.ip_address(found.dst[0]) == mapped


@given(st.text(), st.sampled_from(sockets.TABLES))
def test_no_line_is_too_strange_for_a_table(line: str, table: str) -> None:
    sockets.parse(line, table)


LONG = "9" * 5000
"""More digits than Python reads as a number."""


def test_a_number_without_end_is_none() -> None:
    parse_dump(PACKAGE_15.replace("10234", LONG).replace("51200", LONG), SHOP)
    assert parse_versions(PACKAGES_DUMPED.replace("51200", LONG))[SHOP] == ("5.12.0 (release)", None)
    assert 10240 in parse_dumped_uids(PACKAGES_DUMPED.replace("10234", LONG))
    assert parse_uids(f"package:a.b uid:{LONG},10001\n") == {10001: ("a.b",)}


@given(st.lists(st.tuples(st.integers(0, 400), st.text(max_size=8)), max_size=5))
def test_no_dump_is_too_strange(changes: list[tuple[int, str]]) -> None:
    def damaged(text: str) -> str:
        for place, new in changes:
            text = text[:place] + new + text[place + len(new) + 1 :]
        return text

    parse_dump(damaged(PACKAGE_15), SHOP)
    parse_versions(damaged(PACKAGES_DUMPED))
    parse_dumped_uids(damaged(PACKAGES_DUMPED))
    parse_uids(damaged(PACKAGES_UIDS))
    ssaid(damaged(PACKAGE_15), SHOP)
    front.parse(damaged(PACKAGE_15).splitlines())
