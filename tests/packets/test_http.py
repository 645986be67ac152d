"""HTTP in packets: requests and responses paired, bodies as sent, whatever the connection does on the way."""

from __future__ import annotations

import gzip
from pathlib import Path

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.model import Origin
from analysis.sources import Options, packets
from tests.packets.reading import pcap
from tests.packets.talk import Talk

GET = b"GET /a?b=c HTTP/1.1\r\nHost: Shop.Example\r\n\r\n"


def ok(body: bytes, *fields: bytes) -> bytes:
    lines = (b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *fields, b"", b"")
    return b"\r\n".join(lines) + body


def test_one_exchange(tmp_path: Path) -> None:
    found = Talk().open().say(GET).answer(ok(b"hello")).close().read(tmp_path)
    [exchange] = found.exchanges
    assert (exchange.method, exchange.host, exchange.port, exchange.path) == ("GET", "shop.example", 80, "/a")
    assert (exchange.status, exchange.protocol, exchange.scheme) == (200, "http/1.1", "http")
    assert [(m.direction, m.kind, m.body, m.target) for m in found.messages] == [
        ("sent", "request", b"", "/a?b=c"),
        ("received", "response", b"hello", "/a?b=c"),
    ]
    [flow] = found.flows
    assert (flow["host"], flow["host_from"], flow["unread"]) == ("shop.example", "http", [])
    assert flow["tcp_ms"] == pytest.approx(10)
    assert {(n["address"], n["name"], n["from"]) for n in found.names} == {("192.0.2.1", "shop.example", "host")}


def test_pipelined_requests_have_origins_of_their_own(tmp_path: Path) -> None:
    talk = Talk().open()
    talk.say(b"".join(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nn=%d" % (n, n) for n in range(4)))
    talk.answer(b"".join(ok(b"r%d" % n) for n in range(4)))
    found = talk.read(tmp_path)
    assert [(e.path, e.status) for e in found.exchanges] == [(f"/{n}", 200) for n in range(4)]
    assert [m.body for m in found.messages] == [b"n=0", b"r0", b"n=1", b"r1", b"n=2", b"r2", b"n=3", b"r3"]
    for message in found.messages:
        origin = Origin.parse(str(message.origin))
        assert packets.layer_bytes(tmp_path / "talk.pcap", origin, Options()) == message.body


def test_answers_without_a_body(tmp_path: Path) -> None:
    talk = Talk().open()
    talk.say(b"HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n").answer(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
    talk.say(b"GET /n HTTP/1.1\r\nHost: a\r\n\r\n").answer(b"HTTP/1.1 204 No Content\r\n\r\n")
    talk.say(b"GET /m HTTP/1.1\r\nHost: a\r\n\r\n").answer(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n")
    talk.say(b"PUT /p HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    talk.answer(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").say(b"ok").answer(
        ok(b"end")
    )
    found = talk.close().read(tmp_path)
    assert [(e.path, e.status, e.response_bytes) for e in found.exchanges] == [
        ("/h", 200, 0),
        ("/n", 204, 0),
        ("/m", 304, 0),
        ("/p", 200, 3),
    ]
    assert found.body(3, "request") == b"ok"
    assert not found.unread()


def test_chunks_with_extensions_and_trailers(tmp_path: Path) -> None:
    body = b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"
    talk = Talk(mss=3).open().say(GET).answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    found = talk.say(GET).answer(ok(b"next")).read(tmp_path)
    assert [found.body(n, "response") for n in (0, 1)] == [b"hello world", b"next"]


def test_a_body_that_ends_with_the_connection(tmp_path: Path) -> None:
    found = Talk().open().say(GET).answer(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 4000).close().read(tmp_path)
    assert found.body(0, "response") == b"x" * 4000
    assert not any(m.cut for m in found.messages)


def test_a_length_beside_a_transfer_coding_does_not_count(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    found = Talk().open().say(GET).answer(head + b"4\r\nabcd\r\n0\r\n\r\n").say(GET).answer(ok(b"z")).read(tmp_path)
    assert [found.body(n, "response") for n in (0, 1)] == [b"abcd", b"z"]


def test_a_body_that_the_capture_does_not_hold_to_its_end_is_cut(tmp_path: Path) -> None:
    found = Talk().open().say(GET).answer(ok(b"x" * 100)[:-40]).read(tmp_path)
    [_, response] = found.messages
    assert response.cut
    assert response.body == b"x" * 60


def test_only_requests_and_only_responses(tmp_path: Path) -> None:
    talk = Talk().open()
    for n in range(400):
        talk.say(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n)
    found = talk.read(tmp_path)
    assert [e.path for e in found.exchanges] == [f"/{n}" for n in range(400)]
    assert not any(e.status for e in found.exchanges)
    talk = Talk().open()
    for n in range(5):
        talk.answer(ok(b"%d" % n))
    found = talk.read(tmp_path)
    assert [(e.method, e.status) for e in found.exchanges] == [("", 200)] * 5
    assert [m.direction for m in found.messages] == ["received"] * 5


def test_lost_packets_do_not_give_a_request_the_answer_to_another(tmp_path: Path) -> None:
    """Of each answer or request in turn the packets are lost: those that have both keep to one another."""
    for lost_way in (0, 1):
        for lost in range(5):
            talk = Talk().open()
            for n in range(5):
                for way, octets in (
                    (0, b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nq%d" % (n, n)),
                    (1, ok(b"r%d" % n)),
                ):
                    talk.say(octets, way)
                    if (way, n) == (lost_way, lost):
                        talk.packets.pop()
            found = talk.read(tmp_path)
            for exchange in found.exchanges:
                bodies = {m.body[1:] for m in found.messages if m.exchange == exchange.key and m.body}
                assert len(bodies) <= 1, (lost_way, lost)
            whole = [e for e in found.exchanges if e.method and e.status]
            assert len(whole) == 4
            assert found.lost("tcp_gap") >= (lost < 4)


def test_who_the_phone_is_where_nobody_opened(tmp_path: Path) -> None:
    """Ports and addresses mislead: both ends are private, and the server's port is the higher one."""
    talk = Talk(sport=80, dport=50_000)
    talk.ends = (("10.0.0.2", 80), ("10.0.0.9", 50_000))
    found = talk.say(ok(b"later")[-5:]).answer(GET).say(ok(b"now")).read(tmp_path)
    [flow] = found.flows
    talk = Talk()
    talk.ends = (("10.0.0.2", 8000), ("10.0.0.9", 9000))
    found = talk.say(ok(b"now")).answer(GET).say(ok(b"now")).read(tmp_path)
    [flow] = found.flows
    assert (flow["src"], flow["dst"], flow["host"]) == ("10.0.0.9", "10.0.0.2", "shop.example")
    assert flow["bytes_out"] == len(GET)
    assert {m.direction for m in found.messages if m.kind == "request"} == {"sent"}


def test_http_on_any_port_and_in_the_form_for_proxies(tmp_path: Path) -> None:
    talk = Talk(dport=31_337).open()
    found = talk.say(b"GET http://news.example:8080/x?y HTTP/1.1\r\nHost: wrong\r\n\r\n").answer(ok(b"")).read(tmp_path)
    [exchange] = found.exchanges
    assert (exchange.host, exchange.port, exchange.path, exchange.scheme) == ("news.example", 8080, "/x", "http")
    assert not found.names  # the address is the proxy's


def test_tls_in_a_tunnel(tmp_path: Path) -> None:
    from tests.packets.shakes import client_hello

    hello = client_hello("inner.example")
    connect = b"CONNECT outer.example:443 HTTP/1.1\r\nHost: outer.example:443\r\n\r\n"
    for early in (False, True):
        talk = Talk(dport=8080).open().say(connect + hello if early else connect)
        talk.answer(b"HTTP/1.1 200 OK\r\n\r\n")
        if not early:
            talk.say(hello)
        found = talk.answer(b"\x17\x03\x03\0\5abcde").read(tmp_path)
        [flow] = found.flows
        assert (flow["host"], flow["host_from"]) == ("inner.example", "sni")
        assert found.unread() == {("encrypted", "tls"): len(hello) + 10}
        assert not found.names
        assert [(e.method, e.host, e.port) for e in found.exchanges] == [("CONNECT", "outer.example", 443)]


def test_http_in_a_tunnel_and_a_tunnel_refused(tmp_path: Path) -> None:
    connect = b"CONNECT in.example:80 HTTP/1.1\r\nHost: in.example:80\r\n\r\n"
    talk = Talk(dport=8080).open().say(connect).answer(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
    talk.say(connect).answer(b"HTTP/1.1 200 OK\r\n\r\n").say(GET).answer(ok(b"inside"))
    found = talk.read(tmp_path)
    assert [(e.method, e.status) for e in found.exchanges] == [("CONNECT", 407), ("CONNECT", 200), ("GET", 200)]
    assert found.body(2, "response") == b"inside"
    assert not found.unread()


def test_a_tunnel_whose_answer_was_not_captured(tmp_path: Path) -> None:
    from tests.packets.shakes import client_hello

    talk = (
        Talk(dport=8080).open().say(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n").say(client_hello("b.example"))
    )
    [flow] = talk.read(tmp_path).flows
    assert flow["host"] == "b.example"


FIELD_NAMES = st.sampled_from(["X-A", "Accept", "Cookie", "X-Long-Name", "User-Agent"])
FIELD_VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[str, bytes, bytes, bool, bool]]:
    one = st.tuples(
        st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE"]),
        st.binary(max_size=300),
        st.binary(max_size=300),
        st.booleans(),
        st.booleans(),
    )
    return draw(st.lists(one, min_size=1, max_size=5))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversations(), st.sampled_from([2, 7, 50, 1400]), st.lists(st.tuples(FIELD_NAMES, FIELD_VALUES), max_size=4))
def test_h11_sees_the_same_bodies(
    tmp_path: Path,
    talks: list[tuple[str, bytes, bytes, bool, bool]],
    mss: int,
    fields: list[tuple[str, str]],
) -> None:
    """h11 writes the octets, in both framings; what is read is what it was told to write."""
    phone, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    talk = Talk(mss=mss).open()
    for number, (method, asked, answered, chunked_out, chunked_in) in enumerate(talks):
        head = [("Host", "a.example"), *fields]
        head.append(("Transfer-Encoding", "chunked") if chunked_out else ("Content-Length", str(len(asked))))
        events = [
            h11.Request(method=method, target=f"/{number}", headers=head),
            h11.Data(data=asked),
            h11.EndOfMessage(),
        ]
        octets = b"".join(phone.send(e) or b"" for e in events)
        server.receive_data(octets)
        while server.next_event() not in (h11.NEED_DATA, h11.PAUSED):
            pass
        talk.say(octets)
        body = b"" if method == "HEAD" else answered
        head = [*fields, ("Transfer-Encoding", "chunked") if chunked_in else ("Content-Length", str(len(answered)))]
        events = [h11.Response(status_code=200, headers=head), h11.Data(data=body), h11.EndOfMessage()]
        octets = b"".join(server.send(e) or b"" for e in events)
        phone.receive_data(octets)
        while phone.next_event() not in (h11.NEED_DATA, h11.PAUSED):
            pass
        talk.answer(octets)
        if h11.MUST_CLOSE in (phone.our_state, server.our_state):
            break
        phone.start_next_cycle()
        server.start_next_cycle()
    found = talk.close().read(tmp_path)
    for number, (method, asked, answered, _, _) in enumerate(talks[: len(found.exchanges)]):
        assert found.exchanges[number].method == method
        assert found.body(number, "request") == asked
        assert found.body(number, "response") == (b"" if method == "HEAD" else answered)
    assert len(found.exchanges) == len(talks)
    assert not found.unread()
    for message in found.messages:
        for name, value in fields:
            assert (name.lower(), value.strip()) in [(n.lower(), v) for n, v in message.headers]


def test_a_compressed_file_and_compressed_bodies(tmp_path: Path) -> None:
    body = gzip.compress(b"squeezed")
    talk = Talk().open().say(GET).answer(ok(body, b"Content-Encoding: gzip"))
    plain = talk.write(tmp_path / "a.pcap")
    packed = tmp_path / "b.pcap.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    from tests.packets.reading import check, read

    found = read(packed)
    check(found, len(talk.packets))
    assert found.body(0, "response") == body  # as sent: content codings are undone further on
    assert pcap


def test_a_tunnel_whose_answer_is_not_whole(tmp_path: Path) -> None:
    ask = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
    found = Talk(dport=8080).open().say(ask).answer(b"HTTP/1.1 200 Connection estab").read(tmp_path)
    assert [(e.method, e.status) for e in found.exchanges] == [("CONNECT", None)]
    assert found.unread() == {("unread", "http_damaged"): 29}
