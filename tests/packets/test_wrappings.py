"""Packets inside of packets: each wrapping is opened, or is a loss of its own name; its ends are no conversation's."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.packets.reading import Reading, check, pcap, read
from tests.packets.test_frames import GET, inner

CHANCE = random.Random(7).randbytes


def outer() -> Any:
    from scapy.layers.inet import IP

    return IP(src="203.0.113.1", dst="203.0.113.2")


def in_udp(dport: int, payload: bytes, sport: int = 50_000, back: bool = False) -> bytes:
    from scapy.layers.inet import UDP

    network = outer()
    if back:
        network.src, network.dst = network.dst, network.src
    return bytes(network / UDP(sport=sport, dport=dport) / payload)


def in_ip(protocol: int, payload: bytes) -> bytes:
    from scapy.layers.inet import IP

    return bytes(IP(src="203.0.113.1", dst="203.0.113.2", proto=protocol) / payload)


def ethernet(six: bool = False) -> bytes:
    from scapy.layers.l2 import Ether

    return bytes(Ether(src="00:00:5e:00:53:01", dst="00:00:5e:00:53:02") / inner(six))


def gtp(payload: bytes, flags: int = 0x30, middle: bytes = b"", kind: int = 255, length: int | None = None) -> bytes:
    size = len(middle) + len(payload) if length is None else length
    return struct.pack(">BBHI", flags, kind, size, 7) + middle + payload


def tag(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value


def label(last: bool) -> bytes:
    return struct.pack(">I", 1000 << 12 | last << 8 | 64)


def opened() -> dict[str, tuple[int, bytes]]:
    from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
    from scapy.contrib.geneve import GENEVE
    from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
    from scapy.contrib.mpls import MPLS
    from scapy.contrib.nsh import NSH
    from scapy.layers.inet import UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import AH
    from scapy.layers.l2 import GRE, Dot1Q, Ether
    from scapy.layers.ppp import PPP, PPPoE
    from scapy.layers.vxlan import VXLAN

    v4, v6 = bytes(inner()), bytes(inner(True))
    frame = ethernet()
    udp = outer() / UDP(sport=50_000, dport=2152)
    gre = bytes.fromhex
    ah = AH(nh=6, spi=9, seq=1, payloadlen=5, icv=bytes(16))
    session = GTP_U_Header(teid=7, E=1, next_ex=0x85) / GTPPDUSessionContainer(type=1, QFI=5)
    raw: dict[str, Any] = {
        "vxlan": outer() / UDP(sport=50_000, dport=4789) / VXLAN(vni=42, flags=8) / frame,
        "vxlan of linux": in_udp(8472, b"\x08\0\0\0\0\0\x2a\0" + frame),
        "vxlan with a policy": in_udp(4789, b"\x88\0\0\5\0\0\x2a\0" + ethernet(True)),
        "vxlan with a vlan": in_udp(4789, b"\x08\0\0\0\0\0\x2a\0" + bytes(Ether() / Dot1Q(vlan=3) / inner())),
        "vxlan gpe, ip": in_udp(4790, b"\x0c\0\0\1\0\0\x2a\0" + v4),
        "vxlan gpe, ethernet": in_udp(4790, b"\x0c\0\0\3\0\0\x2a\0" + frame),
        "vxlan gpe, nsh": in_udp(4790, b"\x0c\0\0\4\0\0\x2a\0" + bytes(NSH(nextproto=1)) + v4),
        "geneve": outer() / UDP(sport=50_000, dport=6081) / GENEVE(vni=9, proto=0x6558) / frame,
        "geneve with options": in_udp(6081, b"\2\0\x86\xdd\0\0\x09\0" + b"\1\2\3\1\0\0\0\0" + v6),
        "gtp-u": in_udp(2152, gtp(v4), 2152),
        "gtp-u 6": in_udp(2152, gtp(v6)),
        "gtp-u, numbered": in_udp(2152, gtp(v4, 0x32, b"\0\x09\0\0")),
        "gtp-u, extensions": in_udp(2152, gtp(v4, 0x34, b"\0\0\0\x85" + b"\1\x10\5\xc0" + b"\1\0\0\0")),
        "gtp-u of 5G": udp / session / inner(),
        "gtp-u, ethernet": in_udp(2152, gtp(frame)),
        "gre, numbered": outer() / GRE(key_present=1, seqnum_present=1, chksum_present=1, proto=0x86DD) / v6,
        "nvgre": in_ip(47, gre("2000655800002a00") + frame),
        "gre, mpls": in_ip(47, gre("00008847") + label(True) + v4),
        "pptp": in_ip(47, gre("3081880b00500001" + "00000001" + "00000002") + b"\xff\x03\0\x21" + v4),
        "pptp, short": in_ip(47, gre("3001880b00500001" + "00000001") + b"\x21" + v4),
        "wccp": in_ip(47, gre("0000883e" + "00000000") + v4),
        "erspan 1": in_ip(47, gre("000088be") + frame),
        "erspan 2": outer() / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II(session_id=3) / frame,
        "erspan 3": outer() / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III(session_id=3) / frame,
        "tzsp": in_udp(37008, b"\1\0\0\1" + b"\x0a\1\x30" + b"\0\1" + frame),
        "mpls": bytes(12) + b"\x88\x47" + bytes(MPLS(label=5, s=0) / MPLS(label=6, s=1)) + v4,
        "mpls 6": bytes(12) + b"\x88\x48" + label(False) * 3 + label(True) + v6,
        "pseudo-wire": bytes(12) + b"\x88\x47" + label(True) + frame,
        "pseudo-wire with a control word": bytes(12) + b"\x88\x47" + label(True) + b"\0\0\0\x05" + frame,
        "mpls in ip": in_ip(137, label(True) + v4),
        "mpls in udp": in_udp(6635, label(True) + v4),
        "gre in udp": in_udp(4754, gre("00006558") + frame),
        "etherip": in_ip(97, b"\x30\0" + frame),
        "teredo": in_udp(3544, b"\0\0" + bytes(6) + v6),
        "pppoe": Ether() / PPPoE(sessionid=1) / PPP(proto=0x57) / v6,
        "provider bridge": bytes(12) + b"\x88\xe7" + bytes(4) + frame,
        "ah": outer() / AH(nh=6, spi=9, seq=1, payloadlen=4, icv=bytes(12)) / inner().payload,
        "ah, tunnel": outer() / AH(nh=4, spi=9, seq=1, payloadlen=4, icv=bytes(12)) / inner(),
        "ah 6": IPv6(src="2001:db8::2", dst="2001:db8::1") / ah / inner(True).payload,
        "mirrored tunnel": in_udp(4789, b"\x08\0\0\0\0\0\x2a\0" + bytes(12) + b"\x08\0" + in_udp(2152, gtp(v4))),
    }  # fmt: skip
    with_frame = {"mpls", "mpls 6", "pseudo-wire", "pseudo-wire with a control word", "pppoe", "provider bridge"}
    made = {name: (1 if name in with_frame else 101, bytes(octets)) for name, octets in raw.items()}
    ports = tag(24, b"\0\0\0\2") + tag(25, struct.pack(">I", 40_000)) + tag(26, struct.pack(">I", 80))
    ends = tag(20, bytes([10, 0, 0, 2])) + tag(21, bytes([192, 0, 2, 1]))
    made["exported ip"] = (252, tag(12, b"ip\0\0") + tag(0, b"") + v4)
    made["exported ethernet"] = (252, tag(12, b"eth_withoutfcs") + tag(30, bytes(4)) + tag(0, b"") + frame)
    made["exported tcp"] = (252, tag(12, b"tcp") + ends + tag(0, b"") + v4[20:])
    made["exported http"] = (252, tag(12, b"http") + ends + ports + tag(0, b"") + GET)
    return made


@pytest.mark.parametrize("name", list(opened()))
def test_a_request_in_a_wrapping_counts_once_in_its_inner_flow(name: str, tmp_path: Path) -> None:
    link, frame = opened()[name]
    found = read(pcap(tmp_path / "a.pcap", [frame], link))
    check(found, 1)
    assert not found.losses, found.losses
    [flow] = found.flows
    ends = ("203.0.113.1",) if name == "ah" else ("10.0.0.2", "2001:db8::2")
    assert flow["src"] in ends
    assert (flow["bytes_out"], flow["dport"], flow["packets_out"]) == (len(GET), 80, 1)
    assert [e.path for e in found.exchanges] == ["/a"]


def lost() -> dict[str, tuple[int, bytes]]:
    """What is no conversation, by the name of its loss."""
    from scapy.layers.dot11 import Dot11, Dot11Beacon
    from scapy.layers.l2 import ARP, Ether

    wlan = bytes(Dot11(type=2, subtype=8, FCfield=0x41, addr1="02:00:00:00:00:01")) + CHANCE(60)
    return {
        "packet_wireguard": (101, in_udp(51_820, b"\4\0\0\0" + CHANCE(92))),
        "packet_esp": (101, in_ip(50, CHANCE(80))),
        "packet_l2tp": (101, in_udp(1701, b"\x40\x02\0\x40\0\1\0\2" + CHANCE(56))),
        "packet_openvpn": (101, in_udp(1194, b"\x38" + CHANCE(8) + bytes(5))),
        "packet_ipcomp": (101, in_ip(108, CHANCE(60))),
        "packet_gtp_control": (101, in_udp(2123, b"\x48\x20\0\x3c" + CHANCE(60))),
        "packet_arp": (101, in_udp(4789, b"\x08\0\0\0\0\0\x2a\0" + bytes(Ether() / ARP()))),
        "packet_llc": (101, in_udp(4789, b"\x08\0\0\0\0\0\x2a\0\x01\x80\xc2\0\0\0" + bytes(6) + b"\0\x26\x42\x42\3")),
        "packet_gre_2000": (101, in_ip(47, bytes.fromhex("00002000") + CHANCE(40))),
        "packet_gre_acknowledgement": (101, in_ip(47, bytes.fromhex("2081880b0000000100000002"))),
        "packet_ppp_sealed": (101, in_ip(47, bytes.fromhex("3001880b0050000100000001") + b"\0\xfd" + CHANCE(70))),
        "packet_ppp_control": (1, bytes(12) + b"\x88\x64\x11\0\0\1\0\x08\xc0\x21" + bytes(6)),
        "packet_mpls_upkeep": (1, bytes(12) + b"\x88\x47" + label(True) + b"\x10\0\0\x07" + bytes(20)),
        "packet_macsec": (1, bytes(12) + b"\x88\xe5" + CHANCE(60)),
        "packet_wifi_encrypted": (105, wlan),
        "packet_wifi_management": (105, bytes(Dot11(type=0, subtype=8) / Dot11Beacon())),
        "packet_tzsp_control": (101, in_udp(37_008, b"\1\4\0\0\1")),
        "packet_exported_without_ends": (252, tag(12, b"http") + tag(0, b"") + GET),
        "packet_cut": (252, tag(12, b"http")),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(lost()))
def test_what_is_not_opened_is_a_loss_of_its_name_and_no_flow(name: str, tmp_path: Path) -> None:
    link, frame = lost()[name]
    found = read(pcap(tmp_path / "a.pcap", [frame], link))
    check(found, 1)
    assert {loss.kind: loss.count for loss in found.losses} == {name: 1}
    assert not found.flows


def test_a_tunnel_on_any_port_is_known_by_its_beginning(tmp_path: Path) -> None:
    frames = [
        in_udp(9_999, b"\1\0\0\0" + CHANCE(128) + bytes(16)),
        in_udp(50_000, b"\2\0\0\0" + CHANCE(88), 9_999, True),
        in_udp(9_999, b"\4\0\0\0" + CHANCE(92)),
        in_udp(9_999, b"no message of it"),
    ]
    found = read(pcap(tmp_path / "a.pcap", frames, 101))
    check(found, 4)
    assert found.lost("packet_wireguard") == 3
    assert [f["bytes_out"] + f["bytes_in"] for f in found.flows] == [16]


@pytest.mark.parametrize("port", [4789, 8472, 4790, 6081, 2152, 2123, 37008, 3544, 6635, 4754, 4500, 1701, 1194, 51820])
def test_an_apps_own_datagrams_on_a_port_of_wrappings_stay_its_own(port: int, tmp_path: Path) -> None:
    bodies = [
        b'{"imei":"490154203237518"}',
        b"hello, this is text; and more of it: " * 3,
        b"EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE",
        b"PING",
        b"@x",
        bytes(60),
        b"\x08\0\0\0\0\0\x2a\0" + b"no frame at all, only a header that looks so",
        gtp(b"text of an app", length=99),
        *(CHANCE(n) for n in (9, 31, 57, 201, 1_201)),
    ]
    frames = [in_udp(port, body) for body in bodies]
    found = read(pcap(tmp_path / "a.pcap", frames, 101))
    check(found, len(frames))
    assert not found.skipped(), found.losses
    [flow] = found.flows
    assert flow["bytes_out"] == sum(map(len, bodies))


def test_a_port_of_wrappings_may_be_that_of_a_client(tmp_path: Path) -> None:
    found = read(pcap(tmp_path / "a.pcap", [in_udp(443, b"\x08\0\0\0\0\0\x2a\0" + ethernet(), 4789)], 101))
    check(found, 1)
    assert [f["sport"] for f in found.flows] == [4789]


@pytest.mark.parametrize("deep", [2, 7, 8, 50])
def test_nests_are_opened_to_a_depth_and_counted_beyond(deep: int, tmp_path: Path) -> None:
    ways = (
        lambda packet: in_ip(4, packet),
        lambda packet: in_ip(47, bytes.fromhex("00000800") + packet),
        lambda packet: in_udp(2152, gtp(packet)),
        lambda packet: in_udp(4789, b"\x08\0\0\0\0\0\x2a\0" + bytes(12) + b"\x08\0" + packet),
    )
    frames = []
    for mixed in (False, True):
        packet = bytes(inner())
        for n in range(deep):
            packet = ways[n % 4 if mixed else 0](packet)
        frames.append(packet)
    frames.append(bytes(12) + (b"\x88\x47" + label(True))[:2] + label(False) * 50 + label(True) + bytes(inner()))
    found = read(pcap(tmp_path / "a.pcap", frames[:2], 101))
    check(found, 2)
    if deep <= 8:
        assert [f["src"] for f in found.flows] == ["10.0.0.2"]
        assert not found.losses
    else:
        assert not found.flows
        assert {loss.kind: loss.count for loss in found.losses} == {"packet_nested_too_deep": 2}
    labels = read(pcap(tmp_path / "b.pcap", frames[2:], 1))
    check(labels, 1)
    assert labels.lost("packet_nested_too_deep") == 1


def test_fragments_of_what_wraps_and_of_what_is_wrapped(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet import fragment as parts_of

    fragment: Any = parts_of
    body = b"POST /b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000
    packet = IP(src="10.0.0.2", dst="192.0.2.1", id=3) / TCP(sport=40_000, dport=80, flags="PA", seq=1) / body
    outside = fragment(outer() / UDP(sport=2152, dport=2152) / gtp(bytes(packet)), 800)
    inside = [in_udp(2152, gtp(bytes(part))) for part in fragment(packet, 800)]
    for frames in (outside, inside):
        found = read(pcap(tmp_path / "a.pcap", frames, 101))
        check(found, len(frames))
        [flow] = found.flows
        assert (flow["src"], flow["packets_out"], flow["bytes_out"]) == ("10.0.0.2", len(frames), len(body))
    found = read(pcap(tmp_path / "b.pcap", [*outside[:-1]], 101))
    check(found, len(outside) - 1)
    assert found.lost("packet_fragment_without_rest") == len(outside) - 1


def test_exported_octets_of_a_connection_follow_one_another(tmp_path: Path) -> None:
    """Whole messages in the order in which they were exported; both ways, two connections of the same ends."""

    def pdu(payload: bytes, back: bool, stream: int) -> bytes:
        ends = (bytes([10, 0, 0, 2]), bytes([192, 0, 2, 1]))
        ports = (struct.pack(">I", 40_000 + stream), struct.pack(">I", 443))
        made = tag(12, b"http") + tag(20, ends[back]) + tag(21, ends[1 - back]) + tag(24, b"\0\0\0\2")
        return made + tag(25, ports[back]) + tag(26, ports[1 - back]) + tag(0, b"") + payload

    ask = b"POST /%d HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    frames = [pdu(ask % 1, False, 0), pdu(answer, True, 0), pdu(ask % 2, False, 1), pdu(ask % 3, False, 0)]
    frames += [pdu(answer, True, 1), pdu(answer, True, 0)]
    found = read(pcap(tmp_path / "a.pcap", frames, 252))
    check(found, 6)
    assert not found.losses
    assert sorted((e.path, e.status) for e in found.exchanges) == [("/1", 200), ("/2", 200), ("/3", 200)]
    assert [f["src"] for f in found.flows] == ["10.0.0.2", "10.0.0.2"]


def reading(tmp_path: Path, frame: bytes, link: int) -> Reading:
    found = read(pcap(tmp_path / "a.pcap", [frame], link))
    check(found, 1)
    return found


@pytest.mark.parametrize("name", [*opened(), *lost()])
def test_wrappings_cut_anywhere_are_counted_once(name: str, tmp_path: Path) -> None:
    link, frame = (opened() | lost())[name]
    for end in range(0, len(frame), 3):
        reading(tmp_path, frame[:end], link)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_wrappings_with_any_octets_wrong_are_counted_once(tmp_path: Path, data: st.DataObject) -> None:
    link, frame = data.draw(st.sampled_from([*opened().values(), *lost().values()]))
    wrong = bytearray(frame)
    for _ in range(data.draw(st.integers(1, 4))):
        wrong[data.draw(st.integers(0, len(wrong) - 1))] = data.draw(st.sampled_from([0, 1, 0x45, 0x60, 0x7F, 0xFF]))
    reading(tmp_path, bytes(wrong), link)
