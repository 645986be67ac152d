"""Broken, lying and hostile captures: never an exception but InputError, nothing lost uncounted, memory bounded."""

from __future__ import annotations

import random
import ssl
import struct
import tracemalloc
from pathlib import Path

import pytest

from analysis.model import InputError
from analysis.sources import Options, packets
from analysis.sources.packets import tls
from tests.packets.reading import CAPTURES, REAL, Reading, check, pcap, read
from tests.packets.shakes import shake
from tests.packets.talk import Talk

SMALL = [p for p in CAPTURES if p.stat().st_size < 250_000]
SMALL_PCAP = [p for p in SMALL if p.suffix == ".pcap"]
needs_real = pytest.mark.skipif(not SMALL, reason=f"no captures of real apps at {REAL}")


def survives(path: Path, octets: bytes) -> Reading | None:
    """The file's reading, whole in its sums; None where it was refused."""
    path.write_bytes(octets)
    try:
        found = read(path)
    except InputError:
        return None
    check(found)
    return found


def _records(octets: bytes) -> list[bytes]:
    """The packet records of a pcap, each with its header."""
    order = "<" if octets[:1] == b"\xd4" else ">"
    records, at = [], 24
    while at + 16 <= len(octets):
        size = struct.unpack_from(order + "I", octets, at + 8)[0]
        records.append(octets[at : at + 16 + size])
        at += 16 + size
    return records


@needs_real
@pytest.mark.parametrize("path", SMALL, ids=lambda p: p.name)
def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(path: Path, tmp_path: Path) -> None:
    octets = path.read_bytes()
    whole = read(path)
    chance = random.Random(path.name)
    for end in [*range(0, 64, 5), *(chance.randrange(64, len(octets)) for _ in range(6))]:
        found = survives(tmp_path / "torn.pcap", octets[:end])
        if found is not None:
            assert len(found.flows) <= len(whole.flows)


@needs_real
@pytest.mark.parametrize("path", SMALL, ids=lambda p: p.name)
def test_octets_that_changed_at_random(path: Path, tmp_path: Path) -> None:
    chance = random.Random(path.name)
    for rate in (2000, 200, 20):
        octets = bytearray(path.read_bytes())
        for _ in range(len(octets) // rate + 1):
            octets[chance.randrange(24, len(octets))] = chance.choice((0, 255, 127, chance.randrange(256)))
        survives(tmp_path / "changed.pcap", bytes(octets))


@needs_real
@pytest.mark.parametrize("path", SMALL_PCAP, ids=lambda p: p.name)
def test_packets_that_are_lost_doubled_or_out_of_order(path: Path, tmp_path: Path) -> None:
    octets = path.read_bytes()
    records = _records(octets)
    chance = random.Random(path.name)
    for _ in range(3):
        some = [r for r in records for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2)))]
        for _ in range(len(some) // 10):
            a = chance.randrange(len(some) - 1) if len(some) > 1 else 0
            some[a : a + 2] = some[a : a + 2][::-1]
        found = survives(tmp_path / "shuffled.pcap", octets[:24] + b"".join(some))
        assert found is not None
        check(found, len(some))


@needs_real
@pytest.mark.parametrize("path", SMALL_PCAP[::3], ids=lambda p: p.name)
def test_lost_packets_of_a_pcap_never_join_octets_that_did_not_stand_together(path: Path, tmp_path: Path) -> None:
    """What a message holds, the whole capture holds in one message too."""
    octets = path.read_bytes()
    records = _records(octets)
    bodies = [m.body for m in read(path).messages if m.kind in ("request", "response")]
    chance = random.Random(1)
    made = tmp_path / "holes.pcap"
    made.write_bytes(octets[:24] + b"".join(r for r in records if chance.random() > 0.1))
    for message in read(made).messages:
        if message.kind in ("request", "response") and message.body:
            assert any(message.body in body for body in bodies)


def test_lengths_that_lie(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether

    tcp = TCP(sport=4000, dport=80, flags="PA")
    good = bytearray(
        bytes(
            Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.2", dst="192.0.2.1") / tcp / b"x"
        )
    )
    frames = []
    for at in range(12, 54):
        for value in (0, 1, 0x0F, 0x7F, 0xF0, 0xFF):
            bad = bytearray(good)
            bad[at] = value
            frames.append(bytes(bad))
    frames += [bytes(good[:n]) for n in range(len(good))]
    check(read(pcap(tmp_path / "lying.pcap", frames)), len(frames))


@pytest.mark.parametrize("link", [0, 1, 12, 101, 105, 108, 113, 127, 149, 192, 195, 228, 229, 239, 258, 276, 999])
def test_noise_in_every_link_type(link: int, tmp_path: Path) -> None:
    chance = random.Random(link)
    frames = [chance.randbytes(chance.randrange(120)) for _ in range(300)]
    frames += [struct.pack("<III", 12, 1, link) * 2000, b"\x08\x00" * 700, b"\x45" * 300, b"\x60" * 300]
    check(read(pcap(tmp_path / "noise.pcap", frames, link)), len(frames))


def test_tunnels_without_end(tmp_path: Path) -> None:
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import GRE

    deep = b"inside"
    for n in range(60):
        deep = bytes((IP(src="10.0.0.1", dst="10.0.0.2", proto=(4, 41)[n % 2]) if n % 3 else IP() / GRE()) / deep)
    chain = bytes(IPv6(src="2001:db8::1", dst="2001:db8::2", nh=0, plen=1600)) + bytes(8) * 200
    check(read(pcap(tmp_path / "deep.pcap", [deep, chain], 101)), 2)


def test_bombs_of_fragments_are_bounded_and_counted(tmp_path: Path) -> None:
    from scapy.layers.inet import IP

    frames = [
        bytes(IP(src="10.0.0.1", dst="10.0.0.2", proto=17, id=number, flags="MF", frag=part) / (b"z" * 1200))
        for number in range(120)
        for part in range(60)
    ]
    path = pcap(tmp_path / "fragments.pcap", frames, 101)
    tracemalloc.start()
    found = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    check(found, len(frames))
    assert found.lost("packet_fragment_without_rest") == len(frames)
    assert peak < 24 << 20


def test_names_that_loop_in_dns(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP

    head = struct.pack(">HHHHHH", 1, 0x8180, 1, 2, 0, 0)
    loops = [
        head + b"\xc0\x0c\x00\x01\x00\x01" + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 9, 4) + b"\1\2\3\4",
        head + b"\x01a\xc0\x0e\x00\x01\x00\x01" * 40,
        head + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 8 + b"\0\0\1\0\1",
        head + b"\xff\xff" * 40,
        struct.pack(">HHHHHH", 1, 0x8180, 65535, 65535, 65535, 65535) + b"\0" * 100,
    ]
    frames = [bytes(IP(src="8.8.8.8", dst="10.0.0.2") / UDP(sport=53, dport=4000 + n) / d) for n, d in enumerate(loops)]
    found = read(pcap(tmp_path / "loops.pcap", frames, 101))
    check(found, len(frames))
    assert not found.names


def test_certificates_that_are_wrong_in_any_way(recwarn: pytest.WarningsRecorder) -> None:
    """They name nothing, and neither an exception nor a warning of the library gets out."""
    said = next(octets for who, octets in shake(ssl.TLSVersion.TLSv1_2, True) if who == 1)
    handshake = tls.Handshake()
    handshake.feed(said)
    whole = handshake.certificate
    assert whole is not None
    assert tls.names_of(whole) == ["sg1.node.example"]
    wrong = [whole[:n] for n in range(len(whole))]
    wrong += [whole[:n] + bytes([value]) + whole[n + 1 :] for n in range(len(whole)) for value in (0, 6, 0x30, 0xFF)]
    for one in wrong:
        tls.names_of(one)
    assert not recwarn.list


@pytest.mark.slow
def test_a_stream_of_octets_that_never_end_what_they_begin(tmp_path: Path) -> None:
    """Heads, chunk sizes, frames, hellos, records without end: each conversation holds a bounded part of it."""
    begins = {
        "head": b"GET / HTTP/1.1\r\nX: ",
        "chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "huge chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
        "connect": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "hello": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff",
        "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\x0f\xff\xff\x01\x04\0\0\0\1",
        "dns": b"\xff\xff\0\1\1\0\0\1\0\0\0\0\0\0\1a\0",
    }
    for name, first in begins.items():
        talk = Talk(dport=53 if name == "dns" else 80)
        talk.open()
        talk.say(first)
        for _ in range(1500):
            talk.say(b"0" * 1400)
        path = talk.write(tmp_path / "endless.pcap")
        tracemalloc.start()
        found = read(path, max_body=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        check(found)
        assert peak < 12 << 20, (name, peak)


@pytest.mark.slow
def test_conversations_that_are_over_are_let_go(tmp_path: Path) -> None:
    from scapy.layers.inet import IP, UDP

    frames = [
        (n * 0.1, bytes(IP(src="10.0.0.2", dst="192.0.2.1") / UDP(sport=1024 + n % 60_000, dport=9) / bytes(200)))
        for n in range(10_000)
    ]
    path = pcap(tmp_path / "many.pcap", frames, 101)
    held = []
    tracemalloc.start()
    for n, _ in enumerate(packets.read(path, path.name, Options(batch=500))):
        if n:
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert len(held) > 4
    assert max(held) < 16 << 20
