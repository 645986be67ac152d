"""TCP as it was captured: what is missing, doubled, foreign or late is known for what it is."""

from __future__ import annotations

import ssl
import struct
from pathlib import Path

import pytest

from tests.packets.shakes import client_hello, shake
from tests.packets.talk import Talk

GET = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_what_was_acknowledged_and_not_captured_is_missing(tmp_path: Path) -> None:
    """The server's direction was not captured at all; the phone acknowledges it."""
    talk = Talk().open().say(GET).answer(ok(b"z" * 3000))
    talk.packet(0, "A")
    talk.packets = [p for n, p in enumerate(talk.packets) if n not in (1, *range(4, len(talk.packets) - 1))]
    found = talk.read(tmp_path)
    assert [(loss.kind, loss.bytes) for loss in found.losses] == [("tcp_gap", len(ok(b"z" * 3000)))]
    assert [(e.path, e.status) for e in found.exchanges] == [("/a", None)]


def test_a_body_up_to_the_end_of_the_connection_is_cut_where_its_tail_is_missing(tmp_path: Path) -> None:
    for lost in (False, True):
        talk = Talk(mss=500).open().say(GET).answer(b"HTTP/1.0 200 OK\r\n\r\n" + b"z" * 2000)
        talk.packet(0, "A")
        if lost:
            del talk.packets[-2]
        found = talk.close().read(tmp_path)
        [body] = [m for m in found.messages if m.kind == "response"]
        assert (body.size, body.cut) == (2000, lost)
        assert found.lost("tcp_gap") == lost


def test_a_fin_is_no_octet(tmp_path: Path) -> None:
    found = Talk().open().say(GET).answer(ok(b"x")).close().read(tmp_path)
    assert not found.losses
    talk = Talk().open().say(GET).answer(ok(b"x")).close()
    del talk.packets[-2]  # the server's FIN, acknowledged
    assert not talk.read(tmp_path).losses


def test_keep_alives_are_no_octets(tmp_path: Path) -> None:
    talk = Talk()
    for _ in range(3):
        talk.packet(0, "A", b"\0", sequence=talk.sequence[0] - 1)
        talk.packet(1, "A")
    found = talk.read(tmp_path)
    assert (found.flows[0]["bytes_out"], found.losses) == (0, [])
    talk = Talk().open().say(GET)
    talk.packet(0, "A", b"\0", sequence=talk.sequence[0] - 1)
    found = talk.answer(ok(b"y")).read(tmp_path)
    assert found.flows[0]["bytes_out"] == len(GET)


def test_segments_of_another_connection_are_counted_and_move_nothing(tmp_path: Path) -> None:
    talk = Talk().open().say(GET)
    talk.packet(1, "PA", b"from elsewhere", sequence=talk.sequence[1] + 0x60000000)
    talk.packet(1, "PA", b"and from there", sequence=talk.sequence[1] - 0x60000000)
    found = talk.answer(ok(b"hello")).read(tmp_path)
    assert found.body(0, "response") == b"hello"
    assert [(loss.kind, loss.bytes) for loss in found.losses] == [("tcp_stray", 28)]


def test_octets_from_before_the_first_packet_are_counted(tmp_path: Path) -> None:
    talk = Talk()
    first = talk.sequence[0]
    talk.packet(0, "PA", b"b" * 100, sequence=first + 100)
    talk.packet(0, "PA", b"a" * 100, sequence=first)
    found = talk.read(tmp_path)
    assert found.flows[0]["bytes_out"] == 100
    assert [(loss.kind, loss.bytes) for loss in found.losses] == [("tcp_gap", 100)]


def test_times_are_void_where_they_say_nothing(tmp_path: Path) -> None:
    def times(talk: Talk) -> tuple[float | None, float | None]:
        [flow] = talk.read(tmp_path).flows
        return flow["tcp_ms"], flow["tls_ms"]

    server_hello = next(octets for who, octets in shake(ssl.TLSVersion.TLSv1_2, True) if who == 1)
    hello = client_hello("a.example")
    plain = Talk(dport=443).open().say(hello).answer(server_hello)
    assert times(plain) == (pytest.approx(10), pytest.approx(10))
    again = Talk(dport=443).open().say(hello)
    again.packet(0, "PA", hello, sequence=again.sequence[0] - len(hello))
    assert times(again.answer(server_hello)) == (pytest.approx(10), None)
    clock = Talk(dport=443).open().say(hello).answer(server_hello)
    clock.packets[1] = (-5.0, clock.packets[1][1])
    assert times(clock) == (None, pytest.approx(10))
    other = Talk(dport=443)
    other.packet(0, "S")
    other.sequence[0] += 7
    other.packet(1, "SA")  # acknowledges another SYN
    assert times(other) == (None, None)
    # The phone as the end that is asked: its own time says nothing of the other end's distance.
    asked = Talk(dport=443)
    asked.ends = asked.ends[::-1]
    found = asked.open().say(hello).answer(server_hello).read(tmp_path, device="10.0.0.2")
    assert [(f["src"], f["tcp_ms"], f["tls_ms"]) for f in found.flows] == [("10.0.0.2", None, None)]


# --------------------------------------------------------------------------------- protocols that begin late


def test_a_capture_that_begins_within_a_response_reads_what_follows(tmp_path: Path) -> None:
    """Kept-alive connections outlive the moment at which somebody starts to capture."""
    talk = Talk().answer(bytes(range(256)) * 8).say(GET).answer(ok(b"hello")).say(GET).answer(ok(b"again"))
    found = talk.read(tmp_path)
    assert [(e.path, e.status) for e in found.exchanges] == [("/a", 200)] * 2
    assert [found.body(n, "response") for n in (0, 1)] == [b"hello", b"again"]
    assert found.unread() == {("non_http", "unknown"): 2048}
    assert found.flows[0]["host"] == "a.example"


def test_a_response_that_goes_on_beside_the_request_that_is_first_known(tmp_path: Path) -> None:
    talk = Talk().answer(b"\x01" * 1400).say(GET).answer(b"\x02" * 1400).answer(ok(b"hello"))
    found = talk.read(tmp_path)
    assert found.body(0, "response") == b"hello"
    assert found.unread() == {("non_http", "unknown"): 1400, ("truncated", "gap"): 1400}


def test_tls_behind_a_negotiation(tmp_path: Path) -> None:
    talk = Talk(dport=587).open().answer(b"220 mail.example ESMTP\r\n").say(b"EHLO phone\r\n")
    talk.answer(b"250 STARTTLS\r\n").say(b"STARTTLS\r\n").answer(b"220 go ahead\r\n")
    for who, octets in shake(ssl.TLSVersion.TLSv1_2, True, b"MAIL FROM"):
        talk.say(octets, who)
    found = talk.read(tmp_path)
    [flow] = found.flows
    assert (flow["host"], flow["host_from"], flow["tls"]) == ("server.example", "sni", "TLS 1.2")
    assert set(found.unread()) == {("non_http", "smtp"), ("encrypted", "tls")}
    assert not found.names  # who is asked for behind a negotiation need not be who answers it
    assert [m.body for m in found.messages if m.direction == "sent"] == [b"EHLO phone\r\n", b"STARTTLS\r\n"]


def test_http_behind_socks_names_no_address(tmp_path: Path) -> None:
    talk = Talk(dport=1080).open().say(b"\x05\x01\x00").answer(b"\x05\x00")
    talk.say(b"\x05\x01\x00\x03\x09a.example\x00\x50").answer(b"\x05\x00\x00\x01" + bytes(6))
    found = talk.say(GET).answer(ok(b"hello")).read(tmp_path)
    assert found.body(0, "response") == b"hello"
    assert (found.exchanges[0].host, found.names) == ("a.example", [])
    assert set(found.unread()) == {("non_http", "socks")}


def test_what_one_end_says_in_a_row_is_one_message(tmp_path: Path) -> None:
    """A value that segments cut is whole in the message."""
    talk = Talk(dport=7000, mss=7).open().say(b"\x01imei=490154203237518;").answer(b"\x02ok").say(b"\x03bye")
    found = talk.read(tmp_path)
    assert [(m.direction, m.index, m.body) for m in found.messages] == [
        ("sent", 0, b"\x01imei=490154203237518;"),
        ("received", 0, b"\x02ok"),
        ("sent", 1, b"\x03bye"),
    ]
    assert found.unread() == {("non_http", "unknown"): 29}
    # Octets that are missing join nothing.
    talk = Talk(dport=7000, mss=7).open().say(b"\x01imei=490154203237518;")
    del talk.packets[4]
    talk.packet(1, "A")
    assert [m.body for m in talk.read(tmp_path).messages] == [b"\x01imei=4", b"3237518;"]


def test_a_long_conversation_is_looked_through_as_far_as_it_is_said(tmp_path: Path) -> None:
    octets = b"\xfe\x01" + bytes(300_000)
    found = Talk(dport=7000).open().say(octets).read(tmp_path)
    assert sum(len(m.body) for m in found.messages) == 1 << 18
    assert all(len(m.body) <= (1 << 16) + 1400 for m in found.messages)
    assert [(loss.kind, loss.bytes) for loss in found.losses] == [("octets_limited", len(octets) - (1 << 18))]


@pytest.mark.parametrize(
    ("port", "first", "told"),
    [
        (2222, b"SSH-2.0-OpenSSH_9\r\n", ("encrypted", "ssh")),
        (1883, b"\x10\x1e\x00\x04MQTT\x04\x02\x00\x3c", ("non_http", "mqtt")),
        (80, b"\x10\xff\x01\x00\x06MQIsdp\x03", ("non_http", "mqtt")),
        (1883, b"\x99\x98 no MQTT", ("non_http", "unknown")),
        (5222, b"<?xml version='1.0'?><stream:stream to='a'>", ("non_http", "xmpp")),
        (5222, b"WA\x05\x02\x00\x01", ("encrypted", "whatsapp")),
        (443, b"ED\0\1\0\0\4\x08\1\2\3WA\6\3", ("encrypted", "whatsapp")),
        (5222, b"ED\0\1", ("encrypted", "whatsapp")),
        (443, b"WANTED: words", ("non_http", "unknown")),
        (8080, b"\x16\xf1\x03\0\x20" + bytes(32), ("encrypted", "mmtls")),
        (443, b"\xef\x02" + bytes(8), ("encrypted", "mtproto")),
        (443, b"\xee\xee\xee\xee\x08\0\0\0" + bytes(8), ("encrypted", "mtproto")),
        (443, b"\xef\x03" + bytes(8), ("non_http", "unknown")),
        (1194, b"\0\x0e\x38" + bytes(range(8)) + bytes(5), ("encrypted", "openvpn")),
        (443, b"1QTV0 no hello at all", ("non_http", "unknown")),
        (5222, b"<?xml version='1.0'?><feed/>", ("non_http", "unknown")),
        (6881, b"\x13BitTorrent protocol" + bytes(8), ("non_http", "bittorrent")),
        (5060, b"REGISTER sip:a.example SIP/2.0\r\n", ("non_http", "sip")),
        (5223, b"\x01\x02\x03", ("non_http", "apple_push")),
    ],
)
def test_protocols_are_named_by_what_they_say(port: int, first: bytes, told: tuple[str, str], tmp_path: Path) -> None:
    found = Talk(dport=port).open().say(first).answer(b"\x81\x82\x83 whatever").read(tmp_path)
    assert set(found.unread()) == {told}


def datagram(sport: int, dport: int, data: bytes) -> bytes:
    udp = struct.pack(">HHHH", sport, dport, 8 + len(data), 0)
    ends = bytes([10, 0, 0, 2, 192, 0, 2, 1])
    return struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(data), 0, 0, 64, 17, 0) + ends + udp + data


@pytest.mark.parametrize(
    ("port", "data", "told"),
    [
        (443, b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12), ("non_http", "stun")),
        (443, b"\x16\xfe\xfd" + bytes(20), ("encrypted", "dtls")),
        (443, b"\x4fsealed", ("encrypted", "udp_443")),
        (9999, b"\4\0\0\0" + bytes(range(1, 185, 2)), ("encrypted", "wireguard")),
        (51820, b"\1\0\0\0" + bytes(145), ("non_http", "unknown")),
        (4500, b"\x12\x34\x56\x78" + bytes(60), ("non_http", "unknown")),
        (123, b"\x23" + bytes(47), ("non_http", "ntp")),
        (123, b"no time", ("non_http", "unknown")),
        (1900, b"M-SEARCH * HTTP/1.1\r\nMAN: x\r\n\r\n", ("non_http", "ssdp")),
    ],
)
def test_datagrams_are_named_by_what_they_say(port: int, data: bytes, told: tuple[str, str], tmp_path: Path) -> None:
    talk = Talk()
    talk.packets = [(0.0, datagram(40_000, port, data))]
    found = talk.read(tmp_path)
    assert found.unread() == {told: len(data)}
    assert [m.body for m in found.messages] == ([] if told[0] == "encrypted" else [data])
