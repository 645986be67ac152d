"""From the frame to the flow: link layers, tunnels, fragments, segments in any order, and the files themselves."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from analysis.model import Origin
from analysis.sources import Options, packets
from tests.packets.reading import BEGAN, check, pcap, read
from tests.packets.talk import Talk

GET = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"


def inner(six: bool = False) -> Any:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import IPv6

    network = IPv6(src="2001:db8::2", dst="2001:db8::1") if six else IP(src="10.0.0.2", dst="192.0.2.1")
    return network / TCP(sport=40_000, dport=80, flags="PA", seq=1) / GET


def layers() -> dict[str, tuple[int, bytes]]:
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
    from scapy.layers.l2 import GRE, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
    from scapy.layers.ppp import PPP, PPPoE

    def ethernet() -> Any:
        return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")

    v4, v6 = inner(), inner(True)
    ends = IPv6(src="2001:db8::2", dst="2001:db8::1") / IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting()
    raw = {
        "ethernet": (1, ethernet() / v4),
        "ethernet 6": (1, ethernet() / v6),
        "vlan": (1, ethernet() / Dot1Q(vlan=5) / v4),
        "qinq": (1, ethernet() / Dot1AD(vlan=1) / Dot1Q(vlan=2) / v6),
        "pppoe": (1, ethernet() / PPPoE(sessionid=1) / PPP(proto=0x21) / v4),
        "padded": (1, bytes(ethernet() / v4) + b"\0" * 20),
        "raw": (101, v4),
        "raw 6": (101, v6),
        "raw bsd": (12, v6),
        "ipv4": (228, v4),
        "ipv6": (229, v6),
        "cooked": (113, CookedLinux(proto=0x0800) / v4),
        "cooked 2": (276, CookedLinuxV2(proto=0x86DD) / v6),
        "null": (0, Loopback(type=2) / v4),
        "null big": (0, b"\0\0\0\x1e" + bytes(v6)),
        "loop": (108, b"\0\0\0\2" + bytes(v4)),
        "extensions": (101, ends / IPv6ExtHdrDestOpt() / v6.payload),
        "6in4": (101, IP(src="203.0.113.1", dst="203.0.113.2") / v6),
        "4in6": (101, IPv6(src="2001:db8::a", dst="2001:db8::b") / v4),
        "4in4": (101, IP(src="203.0.113.1", dst="203.0.113.2") / v4),
        "gre": (101, IP(src="203.0.113.1", dst="203.0.113.2") / GRE(chksum_present=1, key_present=1) / v4),
        "nflog": (239, struct.pack("<BBH", 2, 0, 0) + struct.pack("<HHI", 8, 11, 10_001)
                  + struct.pack("<HH", 4 + len(v4), 9) + bytes(v4)),
        "pktap": (258, struct.pack("<III", 108, 1, 101) + bytes(96) + bytes(v4)),
        "ppp (scapy knows it)": (9, bytes(PPP(proto=0x21) / v4)),
    }  # fmt: skip
    return {name: (link, bytes(frame)) for name, (link, frame) in raw.items()}


@pytest.mark.parametrize("name", list(layers()))
def test_a_request_in_every_wrapping(name: str, tmp_path: Path) -> None:
    link, frame = layers()[name]
    found = read(pcap(tmp_path / "a.pcap", [frame], link))
    check(found, 1)
    assert not found.losses, found.losses
    [flow] = found.flows
    assert flow["src"] in ("10.0.0.2", "2001:db8::2")
    assert (flow["bytes_out"], flow["dport"]) == (len(GET), 80)
    assert [e.path for e in found.exchanges] == ["/a"]


def test_what_is_no_ip_is_named(tmp_path: Path) -> None:
    from scapy.layers.l2 import ARP

    frames = [
        bytes(12) + b"\x08\x06" + bytes(ARP(psrc="10.0.0.1", hwsrc="02:00:00:00:00:01")),
        b"\xff" * 12 + b"\x88\xb5" + b"zz",
        b"\xff" * 12 + b"\0\x26" + b"\x42\x42\3",
        b"",
        b"x",
    ]
    found = read(pcap(tmp_path / "a.pcap", frames))
    check(found, 5)
    assert {loss.kind for loss in found.losses} == {"packet_arp", "packet_ethertype_88b5", "packet_llc", "packet_cut"}
    check(read(pcap(tmp_path / "b.pcap", frames, 195)), 5)


@pytest.mark.parametrize("six", [False, True])
def test_fragments_in_any_order(six: bool, tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP, fragment
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6

    body = bytes(range(250)) * 20
    if six:
        whole = IPv6(src="2001:db8::2", dst="2001:db8::1") / IPv6ExtHdrFragment(id=7) / UDP(sport=5, dport=9) / body
        parts = fragment6(whole, 1280)
    else:
        parts = fragment(IP(src="10.0.0.2", dst="192.0.2.1", id=7) / UDP(sport=5, dport=9) / body, 1000)
    assert len(parts) > 3
    for order in (parts, parts[::-1], [*parts[2:], *parts[:2]]):
        found = read(pcap(tmp_path / "a.pcap", order, 101))
        check(found, len(parts))
        assert [m.body for m in found.messages] == [body]
        assert found.flows[0]["packets_out"] == len(parts)
    found = read(pcap(tmp_path / "b.pcap", parts[:-1], 101))
    check(found, len(parts) - 1)
    assert found.lost("packet_fragment_without_rest") == len(parts) - 1


def test_segments_in_any_order_count_once(tmp_path: Path) -> None:
    """Doubled, overlapping, out of order, beyond the end of sequence numbers: each octet once."""
    body = b"".join(b"%04d" % n for n in range(1000))
    octets = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    for first in (1000, 0xFFFFFFFF - 1500):
        talk = Talk(first=first).open()
        base = talk.sequence[0]
        pieces = [
            (0, 500),
            (1500, 2500),
            (500, 900),
            (800, 1700),
            (0, 2500),
            (3000, len(octets)),
            (2400, 3100),
            (9, 99),
        ]
        for start, end in pieces:
            talk.packet(0, "A", octets[start:end], sequence=base + start)
        talk.packet(0, "A", b"Z" * 50, sequence=base + 20)  # another text in a place that was told already
        found = talk.read(tmp_path)
        assert found.body(0, "request") == body
        assert found.flows[0]["bytes_out"] == len(octets)
        assert found.flows[0]["packets_out"] == len(pieces) + 3


def test_a_new_conversation_of_the_same_ends(tmp_path: Path) -> None:
    talk = Talk().open().say(GET).close()
    talk.sequence = [90_000, 50]
    talk.open().say(GET)
    talk.sequence = [990_000, 50]
    talk.open().say(GET)  # the end of the one before was not captured
    found = talk.read(tmp_path)
    assert [f["bytes_out"] for f in found.flows] == [len(GET)] * 3
    assert [e.flow.unit for e in found.exchanges] == [0, 1, 2]
    talk = Talk().open()
    talk.packets.insert(1, talk.packets[0])  # a SYN sent twice
    found = talk.say(GET).read(tmp_path)
    assert len(found.flows) == 1
    assert found.flows[0]["tcp_ms"] is None


def test_silence_ends_a_conversation_of_udp(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP

    frame = bytes(IP(src="10.0.0.2", dst="192.0.2.1") / UDP(sport=5, dport=9) / b"x")
    found = read(pcap(tmp_path / "a.pcap", [(0.0, frame), (170.0, frame), (400.0, frame)], 101))
    check(found, 3)
    assert [f["packets_out"] for f in found.flows] == [2, 1]


def test_a_short_snaplen_is_a_counted_loss(tmp_path: Path) -> None:
    talk = Talk().open().say(GET + b"x" * 0).answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"y" * 1000)
    talk.packets = [(at, frame[:200]) for at, frame in talk.packets]
    found = talk.read(tmp_path)
    [flow] = found.flows
    assert flow["bytes_in"] == 1000 + 41
    assert found.unread() == {("truncated", "snaplen"): 1041 - 160}
    assert [m.cut for m in found.messages] == [False, True]


# -------------------------------------------------------------------------------------------- PCAPdroid


def droid(frame: bytes, uid: int, name: bytes) -> bytes:
    """A frame with PCAPdroid's trailer."""
    whole = b"\0" * 12 + b"\x08\x00" + frame
    whole += b"\0" * (-len(whole) % 4)
    whole += b"\x01\x07\x20\x21" + struct.pack(">i", uid) + name.ljust(20, b"\0")
    return whole + struct.pack("<I", zlib.crc32(whole))


def test_the_trailer_of_pcapdroid_names_the_app_and_voids_times(tmp_path: Path) -> None:
    talk = Talk().open().say(GET)
    path = pcap(tmp_path / "a.pcap", [(at, droid(frame, 10_123, b"Shop")) for at, frame in talk.packets])
    found = read(path)
    check(found, len(talk.packets))
    [flow] = found.flows
    assert (flow["app"], flow["app_from"], flow["tcp_ms"]) == ("Shop", "stated", None)
    assert flow["bytes_out"] == len(GET)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int, order: str = "<", *options: tuple[int, bytes]) -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, 0) + told(options, order), order)


def told(options: tuple[tuple[int, bytes], ...], order: str) -> bytes:
    body = b"".join(struct.pack(order + "HH", code, len(v)) + v + b"\0" * (-len(v) % 4) for code, v in options)
    return body + b"\0\0\0\0" if body else b""


def enhanced(frame: bytes, at: int, which: int = 0, order: str = "<", *options: tuple[int, bytes]) -> bytes:
    head = struct.pack(order + "IIIII", which, at >> 32, at & 0xFFFFFFFF, len(frame), len(frame))
    return block(6, head + frame + b"\0" * (-len(frame) % 4) + told(options, order), order)


def test_pcapdroids_pcapng_with_its_map_behind_the_packets(tmp_path: Path) -> None:
    talk = Talk().open().say(GET)
    package, name = b"com.example.shop", b"Shop"
    apps = struct.pack("<IBBBBiBB", 62652, 1, 1, 0, 0, 10_123, len(package), len(name))[:4]
    apps += struct.pack("<HBBiBB", 1, 1, 0, 10_123, len(package), len(name)) + package + name
    octets = section() + interface(101)
    for n, (_, frame) in enumerate(talk.packets):
        octets += enhanced(frame, BEGAN * 1_000_000 + n, 0, "<", (1, b"u-10123"))
    octets += enhanced(bytes(inner(True)), BEGAN * 1_000_000, 0, "<", (1, b"u---5")) + block(0x0BAD, apps)
    octets += block(10, struct.pack("<II", 0x544C534B, 4) + b"KEYS")
    path = tmp_path / "a.pcapng"
    path.write_bytes(octets)
    found = read(path)
    check(found, len(talk.packets) + 1)
    assert [(f["app"], f["tcp_ms"]) for f in found.flows] == [("com.example.shop", None), (None, None)]
    assert found.keys == 1


def test_sections_and_interfaces_of_any_byte_order_and_clock(tmp_path: Path) -> None:
    """Ethernet in microseconds, raw IP in nanoseconds with an offset, simple packets without a time, names."""
    ether = b"\0" * 12 + b"\x08\x00" + bytes(inner())
    six = bytes(inner(True))
    octets = section() + interface(1) + interface(101, "<", (9, b"\x09"), (14, struct.pack("<q", 1000)))
    octets += enhanced(ether, BEGAN * 1_000_000 + 5) + enhanced(six, (BEGAN - 1000) * 10**9 + 7_000, 1)
    octets += section(">") + interface(101, ">") + block(3, struct.pack(">I", len(six)) + six, ">")
    octets += block(4, struct.pack(">HH", 1, 16) + bytes([192, 0, 2, 1]) + b"named.one\0\0\0" + b"\0" * 4, ">")
    octets += block(0x7777, b"unknown!", ">") + enhanced(six, BEGAN * 1_000_000 + 9, 0, ">")
    path = tmp_path / "a.pcapng"
    path.write_bytes(octets)
    found = read(path)
    check(found, 4)
    moments = [(f["first"].timestamp(), f["first"].microsecond) for f in found.flows]
    assert [moment[1] for moment in moments] == [5, 7]
    assert int(moments[1][0]) == BEGAN
    assert [f["packets_out"] for f in found.flows] == [1, 3]
    assert ("192.0.2.1", "named.one", "stated") in {(n["address"], n["name"], n["from"]) for n in found.names}


def test_origins_of_packets_in_a_file_are_their_place(tmp_path: Path) -> None:
    talk = Talk().open().say(GET)
    path = talk.write(tmp_path / "a.pcap")
    [flow] = read(path).flows
    offset, _, length = flow["origin"].rpartition(":")[2].partition("+")
    assert path.read_bytes()[int(offset) : int(offset) + int(length)] == talk.packets[0][1]


@pytest.mark.parametrize("how", ["plain", "nano", "gzip", "big", "modified"])
def test_kinds_of_pcap(how: str, tmp_path: Path) -> None:
    talk = Talk().open().say(GET)
    path = pcap(tmp_path / "a.pcap", talk.packets, 101, nano=how == "nano")
    if how == "gzip":
        path.write_bytes(gzip.compress(path.read_bytes()))
    if how in ("big", "modified"):
        octets = struct.pack(">IHHIIII", 0xA1B2CD34 if how == "modified" else 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        for at, frame in talk.packets:
            octets += struct.pack(">IIII", BEGAN, round(at * 1_000_000), len(frame), len(frame))
            octets += b"\0" * 8 * (how == "modified") + frame
        path.write_bytes(octets)
    found = read(path)
    check(found, len(talk.packets))
    [flow] = found.flows
    assert flow["first"].timestamp() == BEGAN
    assert flow["tcp_ms"] == pytest.approx(10)
    assert [e.path for e in found.exchanges] == ["/a"]


def test_the_device_that_the_user_names_is_the_phone(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP

    frames = [IP(src="10.0.0.5", dst="10.0.0.9") / UDP(sport=5000, dport=6000) / b"x"]
    path = pcap(tmp_path / "a.pcap", frames, 101)
    for device in ("10.0.0.5", "10.0.0.9"):
        [batch] = list(packets.read(path, "a.pcap", Options(device=device)))
        assert batch.flows is not None
        assert batch.flows.to_pylist()[0]["src"] == device


# ------------------------------------------------------------------------------- what must not be believed


def test_octets_of_a_server_name_no_app(tmp_path: Path) -> None:
    """PCAPdroid's trailer stands behind the IP packet; the same octets within it are anybody's."""
    forged = b"x" * 100 + b"\x01\x07\x20\x21" + struct.pack(">i", 10_001) + b"Bank".ljust(20, b"\0") + b"\0\0\0\0"
    talk = Talk(dport=7000).open().say(forged)
    for head in (b"\0" * 12, b"\2" * 12):
        found = read(pcap(tmp_path / "a.pcap", [(at, head + b"\x08\x00" + f) for at, f in talk.packets]))
        [flow] = found.flows
        assert (flow["app"], flow["bytes_out"], flow["tcp_ms"]) == (None, len(forged), pytest.approx(10))
    six = b"\0" * 12 + b"\x86\xdd" + bytes(inner(True))
    six += b"\0" * (-len(six) % 4) + forged[-32:]
    assert [f["app"] for f in read(pcap(tmp_path / "b.pcap", [six])).flows] == ["Bank"]


def test_fragments_of_another_datagram_with_the_same_number(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP, fragment

    one, two = (
        fragment(IP(src="10.0.0.2", dst="192.0.2.1", id=7) / UDP(sport=5, dport=9) / (letter * 2000), 1000)
        for letter in (b"a", b"b")
    )
    late = [(0.0, one[0]), *((100.0, part) for part in two)]
    found = read(pcap(tmp_path / "a.pcap", late, 101))
    check(found, len(late))
    assert [m.body for m in found.messages] == [b"b" * 2000]
    assert found.lost("packet_fragment_without_rest") == 1


def test_fragments_that_the_capture_cut(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP, fragment

    parts = fragment(IP(src="10.0.0.2", dst="192.0.2.1", id=7) / UDP(sport=5, dport=9) / (b"a" * 2000), 1000)
    found = read(pcap(tmp_path / "a.pcap", [bytes(p)[:600] for p in parts], 101))
    check(found, len(parts))
    assert found.flows[0]["bytes_out"] == 2000
    assert found.unread() == {("non_http", "unknown"): 572, ("truncated", "snaplen"): 1428}


@pytest.mark.parametrize(
    ("src", "sport", "dst", "dport", "phone"),
    [
        ("203.0.113.1", 1947, "255.255.255.255", 1947, "203.0.113.1"),  # nobody sends from a broadcast address
        ("2606:4700::1", 5000, "ff02::fb", 6000, "2606:4700::1"),
        ("142.250.1.1", 5000, "100.64.1.2", 6000, "100.64.1.2"),  # a carrier's own translation
        ("142.250.1.1", 443, "1.2.3.4", 50_000, "1.2.3.4"),
        ("142.250.1.1", 5000, "1.2.3.4", 6000, "142.250.1.1"),
        ("2606:4700::1", 443, "2400:cb00::9", 50_000, "2400:cb00::9"),
    ],
)
def test_who_the_phone_is(src: str, sport: int, dst: str, dport: int, phone: str, tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6

    frame = (IPv6 if ":" in src else IP)(src=src, dst=dst) / UDP(sport=sport, dport=dport) / b"x"
    [flow] = read(pcap(tmp_path / "a.pcap", [frame], 101)).flows
    assert flow["src"] == phone


def test_a_damaged_packet_block_is_counted_and_passed_over(tmp_path: Path) -> None:
    frame = bytes(inner())
    octets = section() + interface(101) + enhanced(frame, BEGAN * 1_000_000, 9) + enhanced(frame, BEGAN * 1_000_000)
    path = tmp_path / "a.pcapng"
    path.write_bytes(octets)
    found = read(path)
    check(found, 2)
    assert found.lost("packet_block_damaged") == 1
    assert found.exchanges[0].origin.units == (1,)


def test_a_simple_packet_that_the_capture_cut_has_no_padding(tmp_path: Path) -> None:
    frame = bytes(inner())
    size = len(frame) - 30
    short = block(1, struct.pack("<HHI", 101, 0, size)) + block(3, struct.pack("<I", len(frame)) + frame[:size])
    path = tmp_path / "a.pcapng"
    path.write_bytes(section() + short)
    found = read(path)
    check(found, 1)
    assert size % 4
    assert found.unread()[("truncated", "snaplen")] == 30


def test_packets_that_the_capturing_machine_lost(tmp_path: Path) -> None:
    frame, at = bytes(inner()), BEGAN * 1_000_000
    counts = tuple(
        block(5, struct.pack("<III", 0, 0, 0) + told(((4, struct.pack("<Q", 900)), (5, struct.pack("<Q", n))), "<"))
        for n in (3, 8)
    )
    between = enhanced(frame, at, 0, "<", (4, struct.pack("<Q", 5)))
    path = tmp_path / "a.pcapng"
    for blocks, lost in ((counts, 8), ((), 5)):
        path.write_bytes(section() + interface(101) + between + b"".join(blocks))
        found = read(path)
        check(found, 1)
        assert found.lost("dropped_at_capture") == lost


def test_the_link_type_stands_in_sixteen_bits(tmp_path: Path) -> None:
    found = read(pcap(tmp_path / "a.pcap", [bytes(inner())], 101 | 0x24000000))
    check(found, 1)
    assert found.exchanges


# ------------------------------------------------------------------------------------- places and growth


def test_origins_in_a_compressed_file_count_in_its_text(tmp_path: Path) -> None:
    talk = Talk().open().say(GET)
    path = talk.write(tmp_path / "a.pcap")
    path.write_bytes(gzip.compress(path.read_bytes()))
    [flow] = read(path).flows
    origin = Origin.parse(flow["origin"])
    assert origin.layer == "text"
    octets = packets.layer_bytes(path, origin, Options())
    assert octets[origin.offset : origin.offset + origin.length] == talk.packets[0][1]


@pytest.mark.parametrize("form", ["pcap", "pcapng", "gzip"])
def test_a_file_that_grows_breaks_off_nowhere(form: str, tmp_path: Path) -> None:
    """While it is written its torn tail is not there yet; sealed, the same tail is a loss."""
    talk = Talk().open().say(GET)
    path = tmp_path / "a.cap"
    if form == "pcapng":
        octets = section() + interface(101)
        octets += b"".join(enhanced(f, BEGAN * 1_000_000 + n) for n, (_, f) in enumerate(talk.packets))
    else:
        octets = talk.write(path).read_bytes()
        octets = gzip.compress(octets) if form == "gzip" else octets
    before = 0
    for end in range(64, len(octets) + 1):
        path.write_bytes(octets[:end])
        growing = read(path, sealed=False)
        check(growing)
        assert not growing.losses
        seen = sum(f["packets_out"] + f["packets_in"] for f in growing.flows)
        assert seen >= before
        before = seen
    assert growing == read(path)
    path.write_bytes(octets[:-1])
    assert read(path).lost("file_truncated") == 1


def test_more_conversations_than_are_followed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scapy.layers.inet import IP, UDP

    monkeypatch.setattr(packets, "MOST_OPEN", 8)
    frames = [bytes(IP(src="10.0.0.2", dst="192.0.2.1") / UDP(sport=1000 + n, dport=9999) / b"x") for n in range(10)]
    path = pcap(tmp_path / "a.pcap", [*frames, frames[9], frames[0]], 101)
    found = read(path)
    check(found, 12)
    assert len(found.flows) == 11
    assert found.lost("reassembly_limit") == 3
    assert found == read(path, batch=1)
