"""mitmproxy dumps: what mitmproxy's own reader sees is what stands here, in every version, also torn or damaged."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import certs, http
from mitmproxy.flow import Error
from mitmproxy.io import FlowReader, tnetstring
from mitmproxy.test import tflow, tutils

from analysis.model import InputError
from analysis.sources import Options
from analysis.sources.identify import open_source
from tests.addons.refusing import certificates
from tests.road import REAL
from tests.sources.made import Seen, check_laws, dump, gather, needs_real

DUMPS = ["dumpfile-018.mitm", "dumpfile-19.mitm", "dumpfile-7.mitm", "dumpfile-7-websocket.mitm", "websocket.mitm"]


def read(tmp_path: Path, data: bytes, options: Options | None = None) -> Seen:
    path = tmp_path / "flows.mitm"
    path.write_bytes(data)
    seen = gather(path, options)
    check_laws(seen, path)
    return seen


def flow(connection: str = "c1", host: bytes = b"api.shop.example", **response: Any) -> http.HTTPFlow:
    """An HTTP flow of today's format, through one client connection to 203.0.113.7."""
    made = tflow.tflow(resp=tutils.tresp(**response))
    made.client_conn.id = connection
    made.client_conn.peername = ("10.0.0.2", 40000)
    made.client_conn.timestamp_start = 1772359200.0
    made.server_conn.peername = ("203.0.113.7", 443)
    made.server_conn.timestamp_start, made.server_conn.timestamp_tcp_setup = 1772359200.1, 1772359200.125
    made.request.host = host.decode()
    made.request.headers["host"] = host.decode()
    made.request.timestamp_start, made.request.timestamp_end = 1772359201.0, 1772359201.1
    made.response.timestamp_start, made.response.timestamp_end = 1772359201.2, 1772359201.3
    return made


class TestHttp:
    def test_an_http_flow(self, tmp_path: Path) -> None:
        made = flow(content=b"answer")
        made.request.scheme, made.request.port = "https", 443
        made.request.path = "/v1/track?x=1"
        made.client_conn.tls_version, made.client_conn.alpn = "TLSv1.3", b"h2"
        seen = read(tmp_path, dump(made))
        (exchange,) = seen.exchanges
        assert (exchange.method, exchange.scheme, exchange.host, exchange.path) == (
            "GET",
            "https",
            "api.shop.example",
            "/v1/track",
        )
        assert (exchange.status, exchange.protocol, exchange.port) == (200, "http/1.1", 443)
        assert (exchange.request_bytes, exchange.response_bytes) == (7, 6)
        assert exchange.started == 1_772_359_201_000_000
        request, response = seen.messages
        assert (request.body, request.target, request.at) == (b"content", "/v1/track?x=1", 1_772_359_201_000_000)
        assert (response.body, response.status, response.at) == (b"answer", 200, 1_772_359_201_300_000)
        assert not response.content_decoded
        (row,) = seen.flows
        assert (row["src"], row["sport"], row["dst"], row["dport"]) == ("10.0.0.2", 40000, "203.0.113.7", 443)
        assert (row["host"], row["host_from"], row["tls"], row["alpn"]) == ("api.shop.example", "http", "TLS 1.3", "h2")
        assert row["tcp_ms"] == pytest.approx(25, abs=0.01)
        assert row["tls_ms"] is None
        assert row["bytes_out"] == len(request.head()) + 7

    def test_one_client_connection_is_one_flow_a_server(self, tmp_path: Path) -> None:
        other = flow()
        other.server_conn.peername = ("203.0.113.8", 443)
        seen = read(tmp_path, dump(flow(), flow(), other, flow("c2")))
        assert [e.flow.unit for e in seen.exchanges] == [0, 0, 1, 2]
        assert seen.flows[0]["bytes_out"] == 2 * seen.flows[2]["bytes_out"]

    def test_the_name_asked_for(self, tmp_path: Path) -> None:
        transparent = flow()
        transparent.request.host = "203.0.113.7"
        transparent.request.headers["host"] = "Shop.Example:443"
        by_sni = flow()
        by_sni.request.host = "203.0.113.7"
        del by_sni.request.headers["host"]
        by_sni.client_conn.sni = "sni.example"
        literal = flow()
        literal.request.host = "203.0.113.7"
        del literal.request.headers["host"]
        literal.client_conn.sni = None
        seen = read(tmp_path, dump(transparent, by_sni, literal))
        assert [e.host for e in seen.exchanges] == ["shop.example", "sni.example", "203.0.113.7"]

    def test_behind_an_upstream_proxy_no_address_is_known(self, tmp_path: Path) -> None:
        made = flow()
        made.server_conn.via = ("http", ("192.0.2.1", 8080))
        made.server_conn.peername = ("192.0.2.1", 8080)
        made.server_conn.address = ("api.shop.example", 443)
        (row,) = read(tmp_path, dump(made)).flows
        assert row["dst"] is None
        assert row["tcp_ms"] is None

    @pytest.mark.parametrize(
        ("mode", "way"),
        [
            (b"wireguard:/home/me/keys.conf@10.0.0.1:51820", "wireguard"),
            (b"regular@8080", "regular"),
            (b"upstream:http://next:1@8080", "upstream"),
            (b"/home/me/secret", None),
            (7, None),
        ],
    )
    def test_how_it_came_into_the_proxy(self, tmp_path: Path, mode: object, way: str | None) -> None:
        state = flow().get_state()
        state["client_conn"]["proxy_mode"] = mode
        assert read(tmp_path, tnetstring.dumps(state)).flows[0]["way"] == way

    @needs_real
    @pytest.mark.parametrize(("name", "ways"), [("dumpfile-7.mitm", {None}), ("dumpfile-19.mitm", {"reverse"})])
    def test_an_old_dump_says_nothing_of_its_mode(self, name: str, ways: set[str | None]) -> None:
        """mitmproxy's converters write ``regular`` into each flow."""
        assert {f["way"] for f in gather(REAL / "mitmproxy" / name).flows} == ways

    @pytest.mark.parametrize(
        ("tls", "tcp_at", "tls_at", "direction"),
        [
            (False, None, None, "undelivered"),  # no connection
            (True, 1772359200.1, None, "undelivered"),  # its certificate was not trusted
            (True, 1772359200.1, 1772359200.2, "sent"),  # it did not answer
            (False, 1772359200.1, None, "sent"),
        ],
    )
    def test_what_the_proxy_could_hand_to_nobody(
        self, tmp_path: Path, tls: bool, tcp_at: float | None, tls_at: float | None, direction: str
    ) -> None:
        made = flow()
        made.response, made.error = None, Error("no")
        made.server_conn.tls, made.server_conn.timestamp_tcp_setup = tls, tcp_at
        made.server_conn.timestamp_tls_setup = tls_at
        (message,) = read(tmp_path, dump(made)).messages
        assert message.direction == direction

    def test_no_answer(self, tmp_path: Path) -> None:
        made = tflow.tflow(err=True)
        seen = read(tmp_path, dump(made))
        assert seen.exchanges[0].status is None
        assert [m.kind for m in seen.messages] == ["request"]

    def test_a_streamed_body_is_missing_and_counted(self, tmp_path: Path) -> None:
        made = flow()
        made.response.headers["content-length"] = "5000"
        made.response.raw_content = None
        seen = read(tmp_path, dump(made))
        body = seen.messages[1]
        assert (body.size, body.cut, seen.exchanges[0].response_bytes) == (5000, True, 5000)
        (part,) = seen.flows[0]["unread"]
        assert (part["kind"], part["cause"], part["bytes"]) == ("truncated", "body_not_kept", 5000)
        assert [(loss.kind, loss.bytes) for loss in seen.losses] == [("body_missing", 5000)]

    def test_a_request_that_broke_off(self, tmp_path: Path) -> None:
        """mitmproxy hands a body on when it is whole, and writes nothing of one that never was."""
        made = flow()
        made.request.headers["content-length"] = "5000"
        made.request.data.content = made.request.timestamp_end = made.response = None
        made.error = Error("gone")
        made.server_conn.timestamp_tls_setup = 1772359200.2
        seen = read(tmp_path, dump(made))
        (message,) = seen.messages
        assert (message.direction, message.size, message.cut) == ("undelivered", 0, True)
        assert (seen.exchanges[0].request_bytes, seen.flows[0]["bytes_out"], seen.flows[0]["unread"]) == (0, 0, None)
        assert [(loss.kind, loss.count, loss.bytes) for loss in seen.losses] == [("body_missing", 1, 0)]

    def test_a_request_that_was_ended_in_the_proxy(self, tmp_path: Path) -> None:
        made = flow()
        made.response, made.error = None, Error(Error.KILLED_MESSAGE)
        assert [m.direction for m in read(tmp_path, dump(made)).messages] == ["undelivered"]

    def test_a_head_that_announces_no_body_lacks_none(self, tmp_path: Path) -> None:
        made = flow()
        del made.request.headers["content-length"]
        made.request.data.content = made.request.timestamp_end = made.response = None
        made.error = Error("gone")
        seen = read(tmp_path, dump(made))
        assert [(m.direction, m.size, m.cut) for m in seen.messages] == [("undelivered", 0, False)]
        assert not seen.losses

    def test_an_answer_that_broke_off(self, tmp_path: Path) -> None:
        made = flow()
        made.response.headers["content-length"] = "5000"
        made.response.data.content = made.response.timestamp_end = None
        made.error = Error("gone")
        seen = read(tmp_path, dump(made))
        body = seen.messages[1]
        assert (body.direction, body.size, body.cut, seen.exchanges[0].response_bytes) == ("received", 0, True, 0)
        assert [(part["cause"], part["bytes"], part["count"]) for part in seen.flows[0]["unread"]] == [
            ("body_not_kept", 0, 1)
        ]
        assert [(loss.kind, loss.count, loss.bytes) for loss in seen.losses] == [("body_missing", 1, 0)]
        assert "nothing says how much" in seen.losses[0].where

    @pytest.mark.parametrize(("held", "direction"), [(True, "undelivered"), (False, "sent")])
    def test_a_request_that_broke_off_beside_the_recorder(self, tmp_path: Path, held: bool, direction: str) -> None:
        """What came is whole, though the body is not: nothing is missing."""
        made = flow()
        made.request.data.content, made.request.timestamp_end, made.response = b"came", None, None
        made.metadata = {"lintas_request_size": 4} | ({"lintas_request_held": True} if held else {})
        made.server_conn.timestamp_tls_setup = 1772359200.2
        seen = read(tmp_path, dump(made))
        (message,) = seen.messages
        assert (message.direction, message.body, message.size, message.cut) == (direction, b"came", 4, True)
        assert (seen.losses, seen.flows[0]["unread"]) == ([], None)

    def test_a_body_without_times_is_whole(self, tmp_path: Path) -> None:
        """As other programs write it."""
        made = flow(content=b"answer")
        made.request.timestamp_end = made.response.timestamp_end = None
        assert [(m.direction, m.cut) for m in read(tmp_path, dump(made)).messages] == [
            ("sent", False),
            ("received", False),
        ]

    def test_a_body_that_the_recorder_cut(self, tmp_path: Path) -> None:
        made = flow(content=b"x" * 10)
        made.metadata["lintas_response_size"] = 1000
        seen = read(tmp_path, dump(made))
        assert (seen.messages[1].size, seen.messages[1].cut) == (1000, True)

    def test_bodies_over_the_limit(self, tmp_path: Path) -> None:
        path = tmp_path / "flows.mitm"
        path.write_bytes(dump(flow(content=b"x" * 1000)))
        seen = gather(path, Options(max_body=100))
        assert (len(seen.messages[1].body), seen.messages[1].size, seen.messages[1].cut) == (100, 1000, True)
        assert [(loss.kind, loss.bytes) for loss in seen.losses] == [("body_limit", 900)]

    def test_answers_without_content_lack_none(self, tmp_path: Path) -> None:
        made = flow(status_code=304)
        made.response.raw_content = None
        assert not read(tmp_path, dump(made)).losses

    def test_trailers_are_fields(self, tmp_path: Path) -> None:
        made = flow()
        made.response.trailers = http.Headers([(b"grpc-status", b"0")])
        assert read(tmp_path, dump(made)).messages[1].headers[-1] == ("grpc-status", "0")

    def test_header_octets_that_are_no_utf8(self, tmp_path: Path) -> None:
        made = flow()
        made.request.headers = http.Headers([(b"host", b"a.example"), (b"x", b"caf\xe9"), (b"y", "é中".encode())])
        assert read(tmp_path, dump(made)).messages[0].headers[1:] == (("x", "café"), ("y", "é中"))

    def test_what_the_auditor_did_is_not_the_apps(self, tmp_path: Path) -> None:
        again, answered, edited = flow(), flow(), flow()
        again.is_replay, answered.is_replay = "request", "response"
        edited.backup()
        edited.request.path = "/other"
        seen = read(tmp_path, dump(again, answered, edited))
        assert len(seen.exchanges) == 3
        assert [(m.exchange.unit, m.kind) for m in seen.messages if m.exchange] == [
            (1, "request"),
            (2, "request"),
            (2, "response"),
        ]
        assert [m.direction for m in seen.messages] == ["undelivered", "sent", "received"]
        assert seen.lost == {"replayed": 2, "answered_here": 1, "flow_edited": 1}

    def test_a_flow_that_stands_twice_is_read_once(self, tmp_path: Path) -> None:
        made = flow()
        first = made.get_state() | {"response": None}
        seen = read(tmp_path, dump(first, made, made))
        assert len(seen.exchanges) == 3
        assert [(m.exchange.unit, m.kind) for m in seen.messages if m.exchange] == [(0, "request"), (1, "response")]
        assert seen.lost == {"flow_repeated": 3}

    def test_names_in_certificates_are_clues(self) -> None:
        if not REAL.is_dir():
            pytest.skip("no captures of real apps")
        seen = gather(REAL / "mitmproxy" / "dumpfile-19.mitm")
        assert {(c.kind, c.text) for c in seen.clues} == {
            ("certificate", "cloudflare-quic.com"),
            ("certificate", "*.cloudflare-quic.com"),
        }


class TestOthers:
    def test_websocket_messages(self, tmp_path: Path) -> None:
        made = tflow.twebsocketflow()
        made.websocket.messages[1].injected = True
        seen = read(tmp_path, dump(made))
        frames = [(m.direction, m.index, m.body, str(m.origin)) for m in seen.messages if m.kind == "websocket"]
        assert frames == [
            ("sent", 0, b"hello binary", "flows.mitm#0,0!websocket:0+12"),
            ("received", 0, b"it's me", "flows.mitm#0,2!websocket:0+7"),
        ]
        assert all(m.exchange == seen.exchanges[0].key for m in seen.messages)
        assert seen.lost == {"replayed": 1}

    def test_tcp_and_udp_are_messages_without_exchange(self, tmp_path: Path) -> None:
        seen = read(tmp_path, dump(tflow.ttcpflow(), tflow.tudpflow()))
        assert not seen.exchanges
        assert [(m.kind, m.direction, m.body, m.exchange) for m in seen.messages] == [
            ("tcp", "sent", b"hello", None),
            ("tcp", "received", b"it's me", None),
            ("udp", "sent", b"hello", None),
            ("udp", "received", b"it's me", None),
        ]
        assert [f["bytes_out"] for f in seen.flows] == [5, 5]

    @pytest.mark.parametrize(
        ("make", "first", "cause"),
        [
            (tflow.ttcpflow, b"\x16\x03\x01\x00\x05hello", "passed_through"),
            (tflow.tudpflow, b"\xc3\0\0\0\1xyz", "quic"),
        ],
    )
    def test_what_was_passed_through_sealed_is_counted_not_read(
        self, tmp_path: Path, make: Any, first: bytes, cause: str
    ) -> None:
        made = make()
        made.messages[0].content = first
        seen = read(tmp_path, dump(made))
        assert not seen.messages
        (row,) = seen.flows
        assert (row["decrypted"], row["bytes_read"]) == (False, 0)
        assert row["unread"] == [{"kind": "encrypted", "cause": cause, "bytes": len(first) + 7, "count": 1}]

    def test_dns_answers_are_names(self, tmp_path: Path) -> None:
        made = tflow.tdnsflow(resp=True)
        state = made.get_state()
        answers = state["response"]["answers"]
        alias = {"class_": 1, "data": b"\x03cdn\x07example\x00", "name": "dns.google", "ttl": 1, "type": 5}
        state["response"]["answers"] = [alias, answers[0] | {"name": "cdn.example"}]
        seen = read(tmp_path, dump(state))
        assert not seen.exchanges
        assert [(n["address"], n["name"], n["from"], n["resolver"]) for n in seen.names] == [
            ("8.8.8.8", "dns.google", "dns", "192.168.0.1"),
            ("8.8.8.8", "cdn.example", "cname", "192.168.0.1"),
        ]
        assert len(seen.flows) == 1


class TestNames:
    """What a client writes into Host is its word; what a server's certificate says is proven."""

    @pytest.mark.parametrize(
        ("sni", "asked", "proves", "exchange", "flow_host"),
        [
            ("app.test", "www.bank.example", True, "app.test", "app.test"),
            ("app.test", "www.test", True, "www.test", "app.test"),
            ("app.test", "app.test", True, "app.test", "app.test"),
            ("app.test", "www.bank.example", False, "www.bank.example", "www.bank.example"),
            ("front.example", "www.bank.example", True, "www.bank.example", "www.bank.example"),
        ],
    )
    def test_a_host_that_the_certificate_does_not_name(
        self, tmp_path: Path, sni: str, asked: str, proves: bool, exchange: str, flow_host: str
    ) -> None:
        certificates(tmp_path)
        made = flow(host=asked.encode())
        made.client_conn.sni = sni
        if proves:
            made.server_conn.certificate_list = [certs.Cert.from_pem((tmp_path / "server.pem").read_bytes())]
        seen = read(tmp_path, dump(made))
        assert [e.host for e in seen.exchanges] == [exchange]
        assert [f["host"] for f in seen.flows] == [flow_host]
        assert seen.lost == ({"host_not_proven": 1} if exchange != asked else {})

    def test_a_stream_of_quic_is_no_tcp(self, tmp_path: Path) -> None:
        made = tflow.ttcpflow()
        made.client_conn.tls_version = made.server_conn.tls_version = "QUICv1"
        assert [f["transport"] for f in read(tmp_path, dump(made)).flows] == ["udp"]

    def test_who_does_not_wait_for_the_server_hands_it_nothing(self, tmp_path: Path) -> None:
        made = flow()
        made.response = made.error = None
        made.server_conn.timestamp_tcp_setup = made.server_conn.timestamp_tls_setup = None
        seen = read(tmp_path, dump(made))
        assert [m.direction for m in seen.messages] == ["undelivered"]
        assert [f["bytes_out"] for f in seen.flows] == [0]


class TestBrokenFiles:
    def test_a_torn_tail_is_a_loss_in_octets(self, tmp_path: Path) -> None:
        one, two = dump(flow(content=b"answer")), dump(flow("c2"))
        for left in range(1, len(two), 7):
            seen = read(tmp_path, one + two[:left])
            assert len(seen.exchanges) == 1
            assert [(loss.kind, loss.bytes) for loss in seen.losses] == [("file_torn", left)]

    def test_a_file_that_still_grows_has_no_torn_tail(self, tmp_path: Path) -> None:
        seen = read(tmp_path, dump(flow(), flow())[:-5], Options(sealed=False))
        assert len(seen.exchanges) == 1
        assert not seen.losses

    @pytest.mark.parametrize("junk", [b"x", b"999999999999:", b"12:abc", b"\0" * 5000, b"7:7:version,"])
    def test_junk_between_flows_is_passed_over(self, tmp_path: Path, junk: bytes) -> None:
        seen = read(tmp_path, dump(flow()) + junk + dump(flow("c2"), flow("c3")))
        assert len(seen.exchanges) == 3
        assert [(loss.kind, loss.bytes) for loss in seen.losses] == [("dump_damaged", len(junk))]

    def test_a_length_that_lies(self, tmp_path: Path) -> None:
        whole = dump(flow())
        length, _, rest = whole.partition(b":")
        for wrong in (b"1", b"%d" % (int(length) - 1), b"%d" % (int(length) + 1), b"99999999"):
            seen = read(tmp_path, dump(flow("c2")) + wrong + b":" + rest + dump(flow("c3")))
            assert len(seen.exchanges) == 2
            assert seen.lost["dump_damaged"] == 1

    def test_a_flow_that_cannot_be_understood_keeps_its_number(self, tmp_path: Path) -> None:
        state = flow().get_state()
        strange = tnetstring.dumps({"type": "http", "version": 20000, "id": "x"})
        broken = dump(flow("c2")).replace(b"11:client_conn;", b"11:client_conn?")
        seen = read(tmp_path, dump(state) + strange + broken + dump(flow("c3")))
        assert [e.host for e in seen.exchanges] == ["api.shop.example", "", "", "api.shop.example"]
        assert seen.lost == {"flow_unread": 2}

    def test_depth_is_no_trap(self, tmp_path: Path) -> None:
        deep: Any = b""
        for _ in range(200):
            deep = [deep]
        state = flow().get_state() | {"metadata": {"x": deep}}
        seen = read(tmp_path, dump(state, flow("c2")))
        assert len(seen.exchanges) == 2
        assert seen.lost == {"flow_unread": 1}

    def test_gzip(self, tmp_path: Path) -> None:
        data = dump(*(flow(f"c{n}", content=bytes(range(256)) * (n + 1)) for n in range(20)))
        assert len(read(tmp_path, gzip.compress(data)).exchanges) == 20
        torn = read(tmp_path, gzip.compress(data)[:-300])
        assert 1 <= len(torn.exchanges) < 20
        assert torn.lost == {"file_torn": 2}

    @pytest.mark.parametrize("there", [b"", b"x" * (8 << 20), None])
    def test_what_was_begun_is_read_to_its_end_whatever_lies_there_by_then(
        self, tmp_path: Path, there: bytes | None
    ) -> None:
        path = tmp_path / "flows.mitm"
        path.write_bytes(dump(*(flow(f"c{n}", content=bytes(600_000)) for n in range(9))))
        batches = open_source(path, "flows.mitm", Options(batch=1))[1]
        seen = next(batches).exchanges
        path.unlink()
        if there is not None:
            path.write_bytes(there)
        losses = []
        for batch in batches:
            seen += batch.exchanges
            losses += batch.losses
        assert len(seen) == 9
        assert not losses

    def test_nothing_that_can_be_read_is_refused_in_one_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "flows.mitm"
        for data in (dump(flow())[:-1], tnetstring.dumps({"version": 20000, "type": "http"})):
            path.write_bytes(data)
            with pytest.raises(InputError) as refused:
                gather(path)
            assert str(refused.value).count(". ") == 0


@needs_real
class TestReal:
    @pytest.mark.parametrize("name", DUMPS)
    def test_mitmproxys_own_reader_agrees(self, name: str) -> None:
        path = REAL / "mitmproxy" / name
        seen = gather(path)
        check_laws(seen, path)
        with path.open("rb") as file:
            flows = [f for f in FlowReader(file).stream() if isinstance(f, http.HTTPFlow)]
        assert len(seen.exchanges) == len(flows)
        read_before = set()
        for exchange, theirs in zip(seen.exchanges, flows, strict=True):
            mine = [m for m in seen.messages if m.exchange == exchange.key]
            by_kind = {m.kind: m for m in mine}
            if theirs.request.host == "unknown":
                assert "request" not in by_kind
                continue
            assert exchange.host == theirs.request.pretty_host
            assert exchange.status == (theirs.response.status_code if theirs.response else None)
            assert exchange.path == theirs.request.path.split("?")[0]
            if theirs.id in read_before:
                assert "request" not in by_kind
            else:
                read_before.add(theirs.id)
                assert by_kind["request"].body == theirs.request.raw_content
                assert by_kind["response"].body == theirs.response.raw_content
                assert by_kind["request"].headers == tuple(
                    (k.decode(), v.decode()) for k, v in theirs.request.headers.fields
                )
            # mitmproxy leaves the messages of old dumps as text.
            theirs_frames = [m.content for m in theirs.websocket.messages] if theirs.websocket else []
            theirs_frames = [c.encode() if isinstance(c, str) else c for c in theirs_frames]
            assert [m.body for m in mine if m.kind == "websocket"] == theirs_frames

    @pytest.mark.parametrize("name", DUMPS)
    def test_every_batch_size_gives_the_same(self, name: str) -> None:
        whole = gather(REAL / "mitmproxy" / name, Options(batch=1_000_000))
        for size in (1, 7):
            seen = gather(REAL / "mitmproxy" / name, Options(batch=size))
            seen.batches = whole.batches
            assert seen == whole

    def test_the_oldest(self) -> None:
        seen = gather(REAL / "mitmproxy" / "dumpfile-018.mitm")
        assert seen.flows[0]["dst"] == "93.184.216.34"
        assert seen.flows[0]["tcp_ms"] == pytest.approx(99.46, abs=0.01)

    def test_a_handshake_that_old_dumps_write_twice_is_read_once(self) -> None:
        seen = gather(REAL / "mitmproxy" / "dumpfile-7-websocket.mitm")
        assert len(seen.exchanges) == 6
        assert seen.lost == {"flow_repeated": 4}
        assert len(seen.bodies("websocket")) == 6


def test_a_dump_of_today_is_read_without_mitmproxy(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "flows.mitm"
    path.write_bytes(dump(flow()))
    program = (
        "import sys; from pathlib import Path; from analysis.sources import Options;"
        "from analysis.sources.identify import open_source;"
        "list(open_source(Path(sys.argv[1]), 'a', Options())[1]);"
        "sys.exit(any(m.split('.')[0] in ('mitmproxy', 'scapy', 'ijson') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == 0
