"""WebSocket, HTTP/2, TLS and DNS in packets: made by the libraries that speak them, read by listening."""

from __future__ import annotations

import ssl
import struct
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import pytest
import wsproto
from wsproto import events
from wsproto.extensions import PerMessageDeflate

from analysis.model import Origin
from analysis.sources import Options, packets
from tests.packets.reading import Reading, check, pcap, read
from tests.packets.shakes import client_hello, shake
from tests.packets.talk import Talk


def upgraded(extensions: bytes = b"", mss: int = 1400) -> Talk:
    talk = Talk(mss=mss).open()
    talk.say(b"GET /ws HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    return talk.answer(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n" + extensions + b"\r\n")


def talk_websocket(deflate: bool, takeover: bool, mss: int) -> tuple[Talk, list[tuple[str, bytes]]]:
    both = []
    for kind in (wsproto.ConnectionType.CLIENT, wsproto.ConnectionType.SERVER):
        made = PerMessageDeflate(client_no_context_takeover=not takeover, server_no_context_takeover=not takeover)
        made._enabled = True
        both.append(wsproto.Connection(kind, [made] if deflate else []))
    words = b"Sec-WebSocket-Extensions: permessage-deflate"
    words += b"" if takeover else b"; client_no_context_takeover; server_no_context_takeover"
    talk = upgraded(words + b"\r\n" if deflate else b"", mss)
    said = []
    for n in range(6):
        way = n % 2
        body = f"message {n} ".encode() * (1 + n * 40)
        said.append(("received" if way else "sent", body))
        parts = [body[:5], body[5:]] if n > 3 else [body]
        for i, part in enumerate(parts):
            octets = both[way].send(events.BytesMessage(part, message_finished=i == len(parts) - 1))
            talk.say(octets, way)
            talk.say(both[way].send(events.Ping(b"p")), way)
    return talk, said


@pytest.mark.parametrize("mss", [1, 40, 1400])
@pytest.mark.parametrize(("deflate", "takeover"), [(False, True), (True, True), (True, False)])
def test_websocket_messages(deflate: bool, takeover: bool, mss: int, tmp_path: Path) -> None:
    talk, said = talk_websocket(deflate, takeover, mss)
    found = talk.read(tmp_path)
    messages = [m for m in found.messages if m.kind == "websocket"]
    assert [(m.direction, m.body) for m in messages] == said
    assert {m.exchange for m in messages} == {found.exchanges[0].key}
    assert not found.unread()
    for message in messages:
        origin = Origin.parse(str(message.origin))
        assert packets.layer_bytes(tmp_path / "talk.pcap", origin, Options()) == message.body


def test_websocket_frames_behind_lost_octets(tmp_path: Path) -> None:
    talk = upgraded()
    talk.answer(b"\x82\x7e" + struct.pack(">H", 3000) + b"a" * 3000)
    del talk.packets[-2]  # of three segments the second
    talk.answer(b"\x82\x02ok")
    talk.say(b"")
    found = talk.read(tmp_path)
    bodies = [(m.body, m.size, m.cut) for m in found.messages if m.kind == "websocket"]
    assert bodies == [(b"a" * 1396, 3000, True), (b"ok", 2, False)]


def test_websocket_nonsense_is_counted(tmp_path: Path) -> None:
    found = upgraded().answer(b"\x87\x00" + b"z" * 50).say(b"\x82\xff" + b"\xff" * 20).read(tmp_path)
    assert found.unread() == {("unread", "websocket_damaged"): 74}


def h2_pair() -> tuple[Any, Any]:
    made = [h2.connection.H2Connection(h2.config.H2Configuration(client_side=side)) for side in (True, False)]
    return made[0], made[1]


def h2_talk(talk: Talk, phone: Any, server: Any, first: int) -> None:
    """Three streams at once, with cookies in pieces, and answers out of order."""
    streams = [first, first + 2, first + 4]
    for stream in streams:
        phone.send_headers(
            stream,
            [
                (":method", "POST"), (":path", f"/{stream}?q"), (":scheme", "http"), (":authority", "api.example:81"),
                ("cookie", "a=1"), ("cookie", "b=2"), ("x-same", "v" * 50),
            ],
        )  # fmt: skip
        phone.send_data(stream, b"asked %d" % stream, end_stream=True, pad_length=3)
    octets = phone.data_to_send()
    talk.say(octets)
    server.receive_data(octets)
    for stream in reversed(streams):
        server.send_headers(stream, [(":status", "103")])
        server.send_headers(stream, [(":status", "200"), ("x-node", "sin1")])
        server.send_data(stream, b"answer " * stream)
        server.send_headers(stream, [("grpc-status", "0")], end_stream=True)
    talk.answer(server.data_to_send())


def check_h2(found: Reading, first: int) -> None:
    streams = (first, first + 2, first + 4)
    by_path = {e.path: e for e in found.exchanges if e.protocol == "http/2"}
    for stream in streams:
        exchange = by_path[f"/{stream}"]
        assert (exchange.host, exchange.port, exchange.status) == ("api.example", 81, 200)
        assert found.body(exchange.key.unit, "request") == b"asked %d" % stream
        assert found.body(exchange.key.unit, "response") == b"answer " * stream
        [request] = [m for m in found.messages if m.exchange == exchange.key and m.kind == "request"]
        assert dict(request.headers)["cookie"] == "a=1; b=2"
        assert request.target == f"/{stream}?q"
    assert not found.unread()


@pytest.mark.parametrize("mss", [5, 1400])
def test_http2_by_prior_knowledge(mss: int, tmp_path: Path) -> None:
    phone, server = h2_pair()
    phone.initiate_connection()
    server.initiate_connection()
    talk = Talk(mss=mss).open().answer(server.data_to_send())
    h2_talk(talk, phone, server, 1)
    check_h2(talk.read(tmp_path), 1)


def test_http2_behind_an_upgrade(tmp_path: Path) -> None:
    phone, server = h2_pair()
    settings = phone.initiate_upgrade_connection()
    server.initiate_upgrade_connection(settings)
    talk = Talk().open()
    talk.say(b"GET /first HTTP/1.1\r\nHost: api.example\r\nUpgrade: h2c\r\nHTTP2-Settings: " + settings + b"\r\n\r\n")
    server.send_headers(1, [(":status", "200")])
    server.send_data(1, b"upgraded", end_stream=True)
    talk.answer(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + server.data_to_send())
    h2_talk(talk, phone, server, 3)
    found = talk.read(tmp_path)
    check_h2(found, 3)
    assert (found.exchanges[0].path, found.exchanges[0].status) == ("/first", 200)
    assert found.body(0, "response") == b"upgraded"


def test_http2_behind_lost_octets_is_not_guessed(tmp_path: Path) -> None:
    phone, server = h2_pair()
    phone.initiate_connection()
    server.initiate_connection()
    talk = Talk(mss=60).open().answer(server.data_to_send())
    h2_talk(talk, phone, server, 1)
    del talk.packets[12]
    found = talk.read(tmp_path)
    assert found.unread()[("unread", "http_damaged")] > 0
    for message in found.messages:
        assert message.cut or message.body.startswith((b"asked", b"answer"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_handshake(version: ssl.TLSVersion, tmp_path: Path) -> None:
    talk = Talk(dport=8443, mss=100).open()
    for who, octets in shake(version, True, b"GET / HTTP/1.1\r\n\r\n"):
        talk.say(octets, who)
    found = talk.read(tmp_path)
    [flow] = found.flows
    old = version == ssl.TLSVersion.TLSv1_2
    assert (flow["host"], flow["host_from"]) == ("server.example", "sni")
    assert flow["tls"] == ("TLS 1.2" if old else "TLS 1.3")
    assert flow["tls_ms"] == pytest.approx(20 if old else 10, abs=15)
    assert [c.text for c in found.clues] == (["sg1.node.example"] if old else [])
    assert {kind for kind, _ in found.unread()} == {"encrypted"}
    assert not flow["decrypted"]


def test_a_certificate_that_the_phone_does_not_trust(tmp_path: Path) -> None:
    """OpenSSL's alert stands in the clear, in TLS 1.3 too; one that is sealed tells nothing."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        talk = Talk(dport=443).open()
        said = shake(version, False)
        for who, octets in said:
            talk.say(octets, who)
        found = talk.close().read(tmp_path)
        size = sum(len(octets) for _, octets in said)
        assert found.unread() == {("ca_refused", "unknown_ca"): size}
        assert not found.flows[0]["decrypted"]


def test_other_alerts_and_the_servers_own_are_no_refusal(tmp_path: Path) -> None:
    hello = client_hello("a.example")
    server_hello = next(o for w, o in shake(ssl.TLSVersion.TLSv1_2, True) if w == 1)
    for alert, way, answered in ((48, 1, True), (40, 0, True), (48, 0, False), (0, 0, True)):
        talk = Talk(dport=443).open().say(hello)
        if answered:
            talk.answer(server_hello)
        talk.say(b"\x15\x03\x03\0\2\2" + bytes([alert]), way)
        assert {kind for kind, _ in talk.read(tmp_path).unread()} == {"encrypted"}
    sealed = b"\x14\x03\x03\0\1\1\x17\x03\x03\0\x13" + b"\x2e" * 19
    talk = Talk(dport=443).open().say(hello).answer(server_hello).say(sealed + b"\x15\x03\x03\0\2\2\x2e")
    assert {kind for kind, _ in talk.read(tmp_path).unread()} == {"encrypted"}
    talk = Talk(dport=443).open().say(hello).answer(server_hello).say(b"\x15\x03\x03\0\2\2\x2e")
    assert ("ca_refused", "certificate_unknown") in talk.read(tmp_path).unread()


def zero_hello(host: bytes) -> bytes:
    """A client's first frame of Facebook's Zero."""
    values = [(b"SNI\0", host), (b"NONC", bytes(range(32))), (b"AEAD", b"AESG"), (b"KEXS", b"C255")]
    table, end = b"", 0
    for name, value in values:
        end += len(value)
        table += name + struct.pack("<I", end)
    message = b"CHLO" + struct.pack("<HH", len(values), 0) + table + b"".join(v for _, v in values)
    return b"1QTV0" + struct.pack("<I", len(message)) + message


@pytest.mark.parametrize("mss", [1, 50, 1400])
def test_facebooks_zero_is_sealed_and_names_its_host(mss: int, tmp_path: Path) -> None:
    hello = zero_hello(b"upload.example")
    frame = b"0" + struct.pack("<I", 900) + bytes(range(225)) * 4
    answer = b"1QTV0" + struct.pack("<I", 13) + b"SNOM" + bytes(9)
    found = Talk(dport=443, mss=mss).open().say(hello + frame).answer(answer + frame).say(frame).read(tmp_path)
    [flow] = found.flows
    assert (flow["host"], flow["host_from"], flow["decrypted"]) == ("upload.example", "sni", False)
    assert found.unread() == {("encrypted", "facebook_zero"): len(hello) + 3 * len(frame) + len(answer)}
    assert not found.messages
    assert ("192.0.2.1", "upload.example", "sni") in {(n["address"], n["name"], n["from"]) for n in found.names}


def test_a_hello_of_zero_with_any_octet_wrong_ends_nothing(tmp_path: Path) -> None:
    hello = zero_hello(b"upload.example")
    for at in range(len(hello)):
        for value in (0, 0xFF):
            talk = Talk(dport=443).open().say(hello[:at] + bytes([value]) + hello[at + 1 :])
            assert {kind for kind, _ in talk.read(tmp_path).unread()} <= {"encrypted", "non_http"}
    for end in range(1, len(hello)):
        Talk(dport=443).open().say(hello[:end]).answer(b"x").read(tmp_path)


def test_tls_from_the_middle_of_a_connection(tmp_path: Path) -> None:
    record = b"\x17\x03\x03\x02\x00" + bytes(range(256)) * 2
    for port in (443, 9999):
        found = Talk(dport=port).answer(record[300:] + record * 3).say(record).read(tmp_path)
        assert set(found.unread()) == {("encrypted", "tls")}, port
    found = Talk(dport=9999).open().answer(b"\x17\x07 no record" * 40).read(tmp_path)
    assert set(found.unread()) == {("non_http", "unknown")}


def test_dns_over_udp_and_tcp(tmp_path: Path) -> None:
    from scapy.layers.dns import DNS, DNSQR, DNSRR
    from scapy.layers.inet import IP, UDP

    answers = [
        DNSRR(rrname="cdn.example", type="CNAME", rdata="edge.example"),
        DNSRR(rrname="edge.example", type="A", rdata="198.51.100.7"),
        DNSRR(rrname="edge.example", type="AAAA", rdata="2001:db8::7"),
    ]
    reply = bytes(DNS(id=1, qr=1, qd=[DNSQR(qname="CDN.example")], an=answers))
    expected = {
        ("198.51.100.7", "cdn.example", "dns"),
        ("198.51.100.7", "edge.example", "cname"),
        ("2001:db8::7", "cdn.example", "dns"),
        ("2001:db8::7", "edge.example", "cname"),
    }
    udp = read(pcap(tmp_path / "a.pcap", [IP(src="9.9.9.9", dst="10.0.0.2") / UDP(sport=53, dport=5000) / reply], 101))
    check(udp, 1)
    framed = struct.pack(">H", len(reply)) + reply
    talk = Talk(dport=53, mss=9).open().answer(framed * 2)
    for found, resolver in ((udp, "9.9.9.9"), (talk.read(tmp_path), "192.0.2.1")):
        assert {(n["address"], n["name"], n["from"]) for n in found.names} == expected
        assert {n["resolver"] for n in found.names} == {resolver}
        assert not found.unread()
    mdns = [IP(src="10.0.0.9", dst="224.0.0.251") / UDP(sport=5353, dport=5353) / reply]
    found = read(pcap(tmp_path / "b.pcap", mdns, 101))
    assert not found.names  # what a neighbour says of itself names no server
    assert found.flows[0]["bytes_read"] == len(reply)


def test_octets_on_the_port_of_dns_that_are_no_dns(tmp_path: Path) -> None:
    found = Talk(dport=53).open().say(b"\x00\x05hello, this is another protocol").read(tmp_path)
    assert found.unread() == {("non_http", "unknown"): 33}


def test_origins_tell_streams_apart_that_shared_a_packet(tmp_path: Path) -> None:
    """Asked for in one packet, answered and handed over in another order, with others in between."""
    phone, server = h2_pair()
    phone.initiate_connection()
    server.initiate_connection()
    talk = Talk().open().answer(server.data_to_send())
    for streams in ((1, 3), (5,), (7, 9)):
        for stream in streams:
            phone.send_headers(
                stream, [(":method", "POST"), (":path", f"/{stream}"), (":scheme", "http"), (":authority", "a.example")]
            )
            phone.send_data(stream, b"asked %d" % stream, end_stream=True)
        octets = phone.data_to_send()
        talk.say(octets)
        server.receive_data(octets)
    for stream in (1, 5, 3, 9, 7):
        server.send_headers(stream, [(":status", "200")])
        server.send_data(stream, b"answer %d" % stream, end_stream=True)
        if stream != 5:
            talk.answer(server.data_to_send())
    found = talk.read(tmp_path)
    assert len(found.exchanges) == 5
    assert len({(m.kind, m.origin.units) for m in found.messages}) == 10
    for message in found.messages:
        assert packets.layer_bytes(tmp_path / "talk.pcap", message.origin, Options()) == message.body
