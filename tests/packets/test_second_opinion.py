"""nDPI's own reading of the same captures beside ours: flows, packets and octets each way, names, application
protocols.

nDPI is a second opinion, not the truth: where the two differ, the reason stands here as data."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.packets.reading import CAPTURES, REAL, read

JUDGED = [p for p in CAPTURES if (REAL / "ndpi-expected" / f"{p.name}.out").is_file()]
pytestmark = pytest.mark.skipif(not JUDGED, reason=f"no captures of real apps at {REAL}")

_LINE = re.compile(r"^\t\d+\t(\S+) (\S+) <?-> (\S+) (.*)$")
_PACKETS = re.compile(r"\[(\d+) pkts/(\d+) bytes <?-> (\d+) pkts/(\d+) bytes")
_NAME = re.compile(r"\[Hostname/SNI: ([^\]]*)\]")
_ALPN = re.compile(r"\[\(Negotiated\) ALPN: ([^\]]*)\]")

ASKED_FOR = {53, 5353, 5355, 137, 138, 67, 68, 1900}
"""Ports on which nDPI shows the name that a datagram speaks of (DNS and its like, NetBIOS, DHCP, SSDP): it is not the
host that the flow goes to."""

NO_FLOW = {
    ("quic-fuzz-overflow.pcapng", 8224): "a first fragment alone: nDPI takes it for a whole datagram",
}
NAMES = {
    ("http2.pcapng", 29518): "nDPI reads no header of HTTP/2",
    ("xiaomi.pcap", 5222): "Xiaomi's own protocol of push messages, whose clear header nDPI knows",
}
HEADS = {"KakaoTalk_chat.pcap": 16, "quic-v2.pcapng": 16, "6in4tunnel.pcap": 14 + 20}
"""Octets before the network's header where they are not Ethernet's 14, since nDPI counts whole frames."""
OPTIONS = {"icmpv6": 8, "igmp": 4}
"""Octets of the router alert that may stand in each packet of these."""
End = tuple[str, int]


@dataclass
class Told:
    packets: Counter[End] = field(default_factory=Counter)
    octets: Counter[End] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    alpn: set[str] = field(default_factory=set)


Flows = dict[tuple[str, End, End], Told]


def _end(text: str) -> End:
    address, _, port = text.rpartition(":")
    return str(ip_address(address.strip("[]"))), int(port)


def theirs(path: Path) -> Flows:
    found: Flows = defaultdict(Told)
    for line in (REAL / "ndpi-expected" / f"{path.name}.out").read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        a, b, rest = _end(match[2]), _end(match[3]), match[4]
        told = found[(match[1].lower(), *sorted((a, b)))]
        counts = _PACKETS.search(rest)
        assert counts is not None, line
        told.packets[a] += int(counts[1])
        told.packets[b] += int(counts[3])
        told.octets[a] += int(counts[2])
        told.octets[b] += int(counts[4])
        told.names |= set(_NAME.findall(rest))
        told.alpn |= set(_ALPN.findall(rest))
    return found


def ours(path: Path) -> Flows:
    found: Flows = defaultdict(Told)
    for flow in read(path).flows:
        a, b = (flow["src"], flow["sport"] or 0), (flow["dst"], flow["dport"] or 0)
        told = found[(flow["transport"], *sorted((a, b)))]
        told.packets[a] += flow["packets_out"]
        told.packets[b] += flow["packets_in"]
        told.octets[a] += flow["bytes_out"]
        told.octets[b] += flow["bytes_in"]
        told.names |= {flow["host"]} - {None}
        told.alpn |= {flow["alpn"]} - {None}
    return found


@pytest.mark.parametrize("path", JUDGED, ids=lambda p: p.name)
def test_ndpi_sees_the_same_flows_packets_and_names(path: Path) -> None:
    expected, found = theirs(path), ours(path)
    assert expected
    for key in sorted(expected.keys() | found.keys()):
        ports = {key[1][1], key[2][1]}
        if key not in found and any((path.name, port) in NO_FLOW for port in ports):
            continue
        assert key in expected, f"only ours: {key}"
        assert key in found, f"only nDPI's: {key}"
        assert +found[key].packets == +expected[key].packets, key
        for end, count in expected[key].packets.items():
            transport = {"udp": 8, "tcp": 20}.get(key[0], 0)
            heads = HEADS.get(path.name, 14) + (40 if ":" in end[0] else 20) + transport
            more = expected[key].octets[end] - found[key].octets[end] - heads * count
            if key[0] == "tcp":
                assert more >= 0, (key, more)  # options, and octets that came twice
            else:
                assert 0 <= more <= OPTIONS.get(key[0], 0) * count, (key, more)
        if not ports & ASKED_FOR and not any((path.name, port) in NAMES for port in ports):
            assert found[key].names == expected[key].names, key
        # What a server of TLS 1.3 agreed to is sealed; then ours is what the client offered first.
        assert found[key].alpn >= expected[key].alpn, key


def test_no_name_of_ndpi_is_left_out_that_the_list_of_differences_does_not_explain() -> None:
    """The lists above explain something each: a reason without a case would hide a defect."""
    used: set[tuple[str, int]] = set()
    for path in JUDGED:
        expected, found = theirs(path), ours(path)
        for key, told in expected.items():
            for port in (key[1][1], key[2][1]):
                if key not in found or told.names != found[key].names:
                    used.add((path.name, port))
    assert used >= NO_FLOW.keys() | NAMES.keys()
    assert {port for _, port in used} >= ASKED_FOR
