"""QUIC as a real implementation of it speaks: names, versions, round trips, whatever is lost or comes in pieces."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicProtocolVersion
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from analysis.sources.packets import quic
from tests.packets.reading import Reading, check, pcap, read
from tests.packets.shakes import certificate

PHONE, SERVER = ("10.0.0.2", 40_000), ("192.0.2.1", 443)


def speak(name: str, version: int = QuicProtocolVersion.VERSION_1) -> list[tuple[int, bytes]]:
    """The datagrams of a handshake, each with who sends it (0 the phone)."""
    phone = QuicConnection(
        configuration=QuicConfiguration(
            is_client=True, server_name=name, alpn_protocols=["h3"], supported_versions=[version], verify_mode=0
        )
    )
    pem, key = certificate()
    there = QuicConfiguration(is_client=False, alpn_protocols=["h3"], supported_versions=[version])
    there.certificate, there.private_key = load_pem_x509_certificate(pem), load_pem_private_key(key, None)
    phone.connect(SERVER, now=0.0)
    said: list[tuple[int, bytes]] = []
    server = None
    for turn in range(6):
        for data, _ in phone.datagrams_to_send(now=turn * 0.1):
            said.append((0, data))
            if server is None:
                first = quic_connection_id(data)
                server = QuicConnection(configuration=there, original_destination_connection_id=first)
            server.receive_datagram(data, PHONE, now=turn * 0.1 + 0.01)
        assert server is not None
        for data, _ in server.datagrams_to_send(now=turn * 0.1 + 0.02):
            said.append((1, data))
            phone.receive_datagram(data, SERVER, now=turn * 0.1 + 0.03)
    return said


def quic_connection_id(data: bytes) -> bytes:
    return data[6 : 6 + data[5]]


def frame(way: int, data: bytes) -> bytes:
    ends = (bytes([10, 0, 0, 2]), bytes([192, 0, 2, 1]))
    ports = (PHONE[1], SERVER[1])
    udp = struct.pack(">HHHH", ports[way], ports[1 - way], 8 + len(data), 0) + data
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends[way] + ends[1 - way] + udp


def reading(folder: Path, said: list[tuple[int, bytes]]) -> Reading:
    found = read(pcap(folder / "quic.pcap", [(n * 0.01, frame(*one)) for n, one in enumerate(said)], 101))
    check(found, len(said))
    assert {part for part, _ in found.unread().items()} == {("encrypted", "quic")}
    return found


@pytest.mark.parametrize(
    ("version", "told"),
    [(QuicProtocolVersion.VERSION_1, "QUIC 1"), (QuicProtocolVersion.VERSION_2, "QUIC 2")],
)
def test_a_handshake(version: int, told: str, tmp_path: Path) -> None:
    said = speak("cdn.example", version)
    [flow] = reading(tmp_path, said).flows
    assert (flow["host"], flow["host_from"], flow["alpn"], flow["tls"]) == ("cdn.example", "sni", "h3", told)
    answer = next(n for n, (way, _) in enumerate(said) if way == 1)
    assert flow["tls_ms"] == pytest.approx(10 * answer)
    assert flow["handshake_at"] == flow["first"]


def test_a_round_trip_is_never_less_than_it_was(tmp_path: Path) -> None:
    """A hello that was sent twice began when it was first sent; without the phone's own there is no time."""
    said = speak("cdn.example")
    [flow] = reading(tmp_path, [said[0], said[0], *said[1:]]).flows
    answer = next(n for n, (way, _) in enumerate(said) if way == 1)
    assert flow["tls_ms"] == pytest.approx(10 * (answer + 1))
    [flow] = reading(tmp_path, [one for one in said if one[0] == 1]).flows
    assert (flow["tls_ms"], flow["host"], flow["dst"]) == (None, None, SERVER[0])


def test_datagrams_that_only_resemble_quic(tmp_path: Path) -> None:
    for data in (
        b"\xc0\xff\x00\x00\xa0\x08" + bytes(40),  # no draft had that number
        b"\xc3\0\0\0\1\x99" + bytes(60),  # no connection id is so long
        b"\x80" + bytes(7),
        b"\x80\0\0\0\0\0\0abc",
    ):
        assert not quic.looks(data)
    assert quic.looks(b"\x80\0\0\0\0\0\0\0\0\0\1")
