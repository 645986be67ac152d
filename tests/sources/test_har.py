"""HAR: the dialects of the tools that write it, what is no traffic, and files that are not as they should be."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from analysis.audit import AuditOptions, run
from analysis.model import InputError
from analysis.sources import Options
from tests.road import REAL
from tests.sources.made import Seen, check_laws, entry, gather, har, needs_real


def read(tmp_path: Path, data: bytes, options: Options | None = None) -> Seen:
    path = tmp_path / "a.har"
    path.write_bytes(data)
    seen = gather(path, options)
    check_laws(seen, path)
    return seen


def one(tmp_path: Path, **parts: Any) -> Seen:
    creator = parts.pop("creator", "a tool")
    return read(tmp_path, har(entry(**parts), creator=creator))


class TestEntries:
    def test_an_entry_is_an_exchange_with_its_two_messages(self, tmp_path: Path) -> None:
        post = {"mimeType": "application/json", "text": '{"a": 1}'}
        request = {"method": "POST", "postData": post, "headersSize": 100, "bodySize": 8, "httpVersion": "h2"}
        response = {"content": {"size": 2, "mimeType": "text/plain", "text": "ok"}, "bodySize": 22, "headersSize": 50}
        seen = one(tmp_path, request=request, response=response, serverIPAddress="203.0.113.7")
        (exchange,) = seen.exchanges
        assert (exchange.method, exchange.scheme, exchange.host, exchange.port) == (
            "POST",
            "https",
            "api.shop.example",
            443,
        )
        assert (exchange.path, exchange.status, exchange.protocol) == ("/v1/track", 200, "http/1.1")
        assert (exchange.request_bytes, exchange.response_bytes) == (8, 22)
        assert exchange.started == 1_772_359_200_250_000
        sent, received = seen.messages
        assert (sent.direction, sent.body, sent.target) == ("sent", b'{"a": 1}', "/v1/track?x=1")
        assert (received.direction, received.body, received.at) == ("received", b"ok", 1_772_359_200_290_000)
        assert received.content_decoded
        assert received.target == "/v1/track?x=1"
        (flow,) = seen.flows
        assert (flow["dst"], flow["dport"], flow["host"], flow["host_from"]) == (
            "203.0.113.7",
            443,
            "api.shop.example",
            "http",
        )
        assert (flow["bytes_out"], flow["bytes_in"], flow["bytes_read"]) == (108, 72, 180)
        assert [(n["address"], n["name"], n["from"]) for n in seen.names] == [
            ("203.0.113.7", "api.shop.example", "host")
        ]
        assert not seen.losses

    def test_the_origin_of_a_flow_is_its_entry_in_the_file(self, tmp_path: Path) -> None:
        data = har(entry(), entry("http://two.example/"))
        for mark in (b"", b"\xef\xbb\xbf"):
            seen = read(tmp_path, mark + data)
            origin = seen.flows[1]["origin"]
            start, length = map(int, origin.rpartition(":")[2].split("+"))
            assert json.loads((mark + data)[start : start + length])["request"]["url"] == "http://two.example/"

    def test_broken_entries_keep_their_number(self, tmp_path: Path) -> None:
        data = har(None, entry("http://a.example/"), 7, "text", [1, {}], {}, entry("http://b.example/"))
        seen = read(tmp_path, data)
        assert [e.host for e in seen.exchanges] == ["", "a.example", "", "", "", "", "b.example"]
        assert seen.lost["entry_broken"] == 5

    @pytest.mark.parametrize("field", ["startedDateTime", "request", "response", "time"])
    def test_a_missing_or_wrong_field_costs_only_itself(self, tmp_path: Path, field: str) -> None:
        for wrong in (None, 5, "x", [], {}, float("nan"), -1, True):
            whole = entry(serverIPAddress="203.0.113.7")
            whole[field] = wrong
            seen = read(tmp_path, har(whole, entry()))
            assert len(seen.exchanges) == 2
            assert seen.exchanges[1].host == "api.shop.example"

    def test_connection_makes_one_flow_of_many_entries(self, tmp_path: Path) -> None:
        shared = {"serverIPAddress": "203.0.113.7", "connection": "52301"}
        other = shared | {"serverIPAddress": "203.0.113.8"}
        seen = read(tmp_path, har(entry(**shared), entry(**shared), entry(**other), entry(), entry()))
        assert [e.flow.unit for e in seen.exchanges] == [0, 0, 1, 2, 3]

    def test_the_servers_port_names_no_connection(self, tmp_path: Path) -> None:
        # Firefox writes it there; in Chrome and PCAPdroid it is a count, which may happen to be 443.
        both = entry(connection="443"), entry(connection="443")
        assert len(read(tmp_path, har(*both, creator="Firefox")).flows) == 2
        assert len(read(tmp_path, har(*both, creator="WebInspector")).flows) == 1

    def test_no_answer_is_no_status(self, tmp_path: Path) -> None:
        for status in (0, -1, None, "", "0"):
            seen = one(tmp_path, response={"status": status, "_error": "net::ERR_ABORTED"})
            assert seen.exchanges[0].status is None
            assert [m.kind for m in seen.messages] == ["request"]


class TestApps:
    @pytest.mark.parametrize(
        ("parts", "app"),
        [
            ({"_app": {"id": "com.example.uji", "name": "Uji", "path": "", "os": "android"}}, "com.example.uji"),
            ({"_app": {"id": "", "name": "Uji", "path": ""}}, "Uji"),
            ({"_app": {"id": "com.network.proxy", "name": "ProxyPin", "path": ""}}, None),
            ({"_app": "com.example.uji"}, "com.example.uji"),
            ({"_app": None, "_process": {"name": "uji", "pid": 7}}, "uji"),
            ({"_app": {"id": 7, "name": ["x"]}}, None),
            ({"_app": [1]}, None),
        ],
    )
    def test_the_capture_names_it(self, tmp_path: Path, parts: dict[str, Any], app: str | None) -> None:
        (flow,) = one(tmp_path, **parts).flows
        assert (flow["app"], flow["app_from"]) == (app, "stated" if app else None)

    def test_one_connection_of_two_apps_is_two_flows(self, tmp_path: Path) -> None:
        both = (entry(connection="9", _app={"id": f"com.example.{name}"}) for name in ("a", "b"))
        assert [f["app"] for f in read(tmp_path, har(*both)).flows] == ["com.example.a", "com.example.b"]


class TestNothingWasSent:
    @pytest.mark.parametrize("how", [{"_fromCache": "disk"}, {"_fromCache": "memory"}, {"_fetchType": "Memory Cache"}])
    def test_what_came_from_the_cache_was_not_sent(self, tmp_path: Path, how: dict[str, str]) -> None:
        seen = one(tmp_path, **how)
        assert len(seen.exchanges) == 1
        assert not seen.messages
        assert seen.lost == {"from_cache": 1}

    def test_a_browsers_own_schemes_are_no_network(self, tmp_path: Path) -> None:
        for url in ("data:text/plain;base64,AAAA", "blob:https://a.example/1", "chrome-extension://abc/x.js"):
            seen = one(tmp_path, url=url)
            assert not seen.messages
            assert seen.exchanges[0].host == ""
            assert seen.lost == {"not_network": 1}

    def test_a_304_has_no_content(self, tmp_path: Path) -> None:
        seen = one(tmp_path, response={"status": 304, "content": {"text": "from the cache", "size": 14}})
        assert seen.bodies("response") == [b""]
        assert seen.lost == {"from_cache": 1}


class TestBodies:
    def test_base64(self, tmp_path: Path) -> None:
        octets = bytes(range(256))
        text = base64.b64encode(octets).decode()
        for content in (
            {"text": text, "encoding": "base64"},
            {"text": text[:70] + "\n" + text[70:], "encoding": "Base64"},
        ):
            seen = one(tmp_path, response={"content": content | {"mimeType": "image/png"}})
            assert seen.bodies("response") == [octets]

    def test_damaged_base64_is_read_as_far_as_it_goes(self, tmp_path: Path) -> None:
        seen = one(tmp_path, response={"content": {"text": "QUJD!!!!", "encoding": "base64"}})
        (body,) = [m for m in seen.messages if m.kind == "response"]
        assert body.body == b"ABC"
        assert body.cut
        assert seen.lost == {"body_damaged": 1}

    @pytest.mark.parametrize(
        "post",
        [
            {"mimeType": "application/octet-stream", "text": "AP8Q", "encoding": "base64"},  # PCAPdroid, Insomnia
            {"mimeType": "application/octet-stream", "text": "AP8Q", "_encoding": "base64"},
        ],
    )
    def test_binary_requests_of_other_tools(self, tmp_path: Path, post: dict[str, str]) -> None:
        seen = one(tmp_path, request={"method": "POST", "postData": post})
        assert seen.bodies("request") == [b"\x00\xff\x10"]

    def test_http_toolkit_keeps_binary_requests_apart(self, tmp_path: Path) -> None:
        content = {"text": "AP8Q", "size": 3, "encoding": "base64"}
        request = {
            "method": "POST",
            "_content": content,
            "_requestBodyStatus": "discarded:not-representable",
            "bodySize": 3,
        }
        assert one(tmp_path, request=request).bodies("request") == [b"\x00\xff\x10"]

    def test_a_form_of_params_alone(self, tmp_path: Path) -> None:
        params = [{"name": "a b", "value": "é&"}, {"name": "c", "value": "1"}]
        post = {"mimeType": "application/x-www-form-urlencoded", "params": params}
        assert one(tmp_path, request={"postData": post}).bodies("request") == [b"a+b=%C3%A9%26&c=1"]
        sent = {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "id", "value": "a%40b"}]}
        assert one(tmp_path, request={"postData": sent}).bodies("request") == [b"id=a%40b"]
        parts = [{"name": "f", "value": "x", "fileName": "n.txt", "contentType": "text/plain"}]
        multi = {"mimeType": "multipart/form-data; boundary=XX", "params": parts}
        (body,) = one(tmp_path, request={"postData": multi}).bodies("request")
        assert body.startswith(b'--XX\r\nContent-Disposition: form-data; name="f"; filename="n.txt"\r\n')
        assert body.endswith(b"\r\n\r\nx\r\n--XX--\r\n")

    @pytest.mark.parametrize(
        ("text", "mime", "size", "octets"),
        [
            ("é", "text/plain", None, "é".encode()),
            ("é", "text/plain; charset=iso-8859-1", None, b"\xe9"),
            ("中", "text/plain; charset=GBK", None, "中".encode("gbk")),
            ("中", "text/plain; charset=GBK", 3, "中".encode()),  # its size says that it was UTF-8
            ("\x1f\x8b\x08é", "application/octet-stream", 4, b"\x1f\x8b\x08\xe9"),  # binary, read as Latin-1
            ("a\udcff", "application/octet-stream", None, b"a\xff"),  # mitmproxy: surrogateescape
            ("a\ud83d", "text/plain", None, b"a\xed\xa0\xbd"),
            ("中", "text/plain; charset=hex", None, "中".encode()),
            ("中", "text/plain; charset=no-such-thing", None, "中".encode()),
        ],
    )
    def test_text_becomes_the_octets_that_it_was(
        self, tmp_path: Path, text: str, mime: str, size: int | None, octets: bytes
    ) -> None:
        content = {"text": text, "mimeType": mime} | ({"size": size} if size is not None else {})
        assert one(tmp_path, response={"content": content}).bodies("response") == [octets]

    def test_a_body_that_the_har_lacks_is_counted(self, tmp_path: Path) -> None:
        seen = one(tmp_path, response={"content": {"size": 5000}, "bodySize": 1200})
        assert seen.exchanges[0].response_bytes == 1200
        assert seen.messages[1].cut
        assert seen.lost == {"body_missing": 1}
        (part,) = seen.flows[0]["unread"]
        assert (part["kind"], part["cause"], part["bytes"]) == ("truncated", "body_not_kept", 1200)

    def test_a_body_over_the_limit_is_cut_and_counted(self, tmp_path: Path) -> None:
        path = tmp_path / "a.har"
        path.write_bytes(har(entry(response={"content": {"text": "x" * 1000, "size": 1000}})))
        seen = gather(path, Options(max_body=100))
        (body,) = [m for m in seen.messages if m.kind == "response"]
        assert (len(body.body), body.size, body.cut) == (100, 1000, True)
        assert [(loss.kind, loss.bytes) for loss in seen.losses] == [("body_limit", 900)]

    def test_whether_a_content_coding_is_still_there(self, tmp_path: Path) -> None:
        coded = gzip.compress(b"hello")
        headers = [{"name": "Content-Encoding", "value": "gzip"}]
        still = {"text": base64.b64encode(coded).decode(), "encoding": "base64"}
        seen = one(tmp_path, response={"headers": headers, "content": still})
        assert not seen.messages[1].content_decoded
        seen = one(tmp_path, response={"headers": headers, "content": {"text": "hello"}})
        assert seen.messages[1].content_decoded


class TestFields:
    @pytest.mark.parametrize(
        ("written", "address"),
        [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:443", "203.0.113.7"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:DB8:0::1]:443", "2001:db8::1"),
            ("fe80::1%wlan0", "fe80::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("_203.0.113.7_", "203.0.113.7"),
            ("", None),
            ("_", None),
            ("cdn.example", None),
            (7, None),
            (None, None),
        ],
    )
    def test_addresses(self, tmp_path: Path, written: Any, address: str | None) -> None:
        assert one(tmp_path, serverIPAddress=written).flows[0]["dst"] == address

    @pytest.mark.parametrize(
        ("written", "version"),
        [
            ("HTTP/1.0", "http/1.0"),
            ("http/1.1", "http/1.1"),
            ("h2", "http/2"),
            ("HTTP/2", "http/2"),
            ("HTTP/2.0", "http/2"),
            ("http/2.0", "http/2"),
            ("h3", "http/3"),
            ("h3-29", "http/3"),
            ("HTTP/3", "http/3"),
            ("http/2+quic/46", "http/3"),
            ("quic", "http/3"),
            ("unknown", ""),
            ("", ""),
            (None, ""),
        ],
    )
    def test_protocols(self, tmp_path: Path, written: Any, version: str) -> None:
        seen = one(tmp_path, request={"httpVersion": written}, response={"httpVersion": written})
        assert seen.exchanges[0].protocol == version
        assert seen.flows[0]["transport"] == ("udp" if version == "http/3" else "tcp" if version else None)

    @pytest.mark.parametrize(
        ("written", "seconds"),
        [
            ("2026-03-01T10:00:00Z", 1772359200.0),
            ("2026-03-01T17:00:00.5+07:00", 1772359200.5),
            ("2026-03-01T17:00:00,123456789+0700", 1772359200.123456),
            ("2026-03-01 10:00:00.250 UTC", 1772359200.25),
            ("2026-03-01t10:00:00z", 1772359200.0),
            ("20260301T100000Z", 1772359200.0),
            ("2026-03-01T05:00:00-05", 1772359200.0),
            ("2026-02-28T24:00:00Z", 1772323200.0),
            ("Sun, 01 Mar 2026 10:00:00 GMT", 1772359200.0),
            ("Sun Mar 01 2026 17:00:00 GMT+0700 (WIB)", 1772359200.0),
            (1772359200000, 1772359200.0),
            (1772359200.25, 1772359200.25),
            ("1772359200250", 1772359200.25),
        ],
    )
    def test_times(self, tmp_path: Path, written: Any, seconds: float) -> None:
        seen = one(tmp_path, startedDateTime=written)
        assert seen.exchanges[0].started == round(seconds * 1_000_000)
        assert not seen.losses

    @pytest.mark.parametrize(
        "written", ["", "yesterday", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", {}, True, 1e300]
    )
    def test_what_is_no_time(self, tmp_path: Path, written: Any) -> None:
        seen = one(tmp_path, startedDateTime=written)
        assert seen.exchanges[0].started is None
        assert seen.lost == {"time_unreadable": 1}

    def test_a_time_without_zone_is_said_to_be(self, tmp_path: Path) -> None:
        seen = one(tmp_path, startedDateTime="2026-03-01T10:00:00")
        assert seen.exchanges[0].started == 1_772_359_200_000_000
        assert seen.lost == {"time_without_zone": 1}

    def test_urls(self, tmp_path: Path) -> None:
        seen = one(tmp_path, url="https://user:secret@API.Example.:8443/a%20b?q=é#part")
        exchange, message = seen.exchanges[0], seen.messages[0]
        assert (exchange.host, exchange.port, exchange.path) == ("api.example", 8443, "/a%20b")
        assert message.target == "/a%20b?q=é"
        assert b"secret" not in message.head()

    def test_the_name_stands_in_host_where_the_url_has_an_address(self, tmp_path: Path) -> None:
        headers = [{"name": "Host", "value": "api.shop.example:443"}]
        seen = one(tmp_path, url="https://203.0.113.7/a", request={"headers": headers})
        assert seen.exchanges[0].host == "api.shop.example"
        assert seen.flows[0]["dst"] == "203.0.113.7"

    def test_a_query_that_stands_only_in_query_string(self, tmp_path: Path) -> None:
        request = {"queryString": [{"name": "a b", "value": "1&2"}]}
        seen = one(tmp_path, url="https://a.example/p", request=request)
        assert seen.messages[0].target == "/p?a%20b=1%262"

    def test_headers_of_every_form(self, tmp_path: Path) -> None:
        pairs = [["X-A", "1"], ["X-B", 2]]
        assert one(tmp_path, request={"headers": pairs}).messages[0].headers == (("X-A", "1"), ("X-B", "2"))
        assert one(tmp_path, request={"headers": {"X-A": "1"}}).messages[0].headers == (("X-A", "1"),)
        joined = [{"name": "Set-Cookie", "value": "a=1\nb=2"}]
        assert one(tmp_path, response={"headers": joined}).messages[1].headers == (
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        )
        cookies = [{"name": "id", "value": "7"}, {"name": "s", "value": "x"}]
        assert one(tmp_path, request={"cookies": cookies}).messages[0].headers == (("Cookie", "id=7; s=x"),)


class TestMessages:
    def test_websocket(self, tmp_path: Path) -> None:
        frames = [
            {"type": "send", "time": 1772359200.5, "opcode": 1, "data": "hé"},
            {"type": "receive", "time": 1772359200.6, "opcode": 2, "data": "AP8="},
            {"type": "send", "time": 1772359200.7, "opcode": 1, "data": "two"},
            {"type": "error"},
        ]
        seen = one(tmp_path, url="wss://ws.example/chat", response={"status": 101}, _webSocketMessages=frames)
        made = [(m.direction, m.index, m.body, m.at) for m in seen.messages if m.kind == "websocket"]
        assert made == [
            ("sent", 0, "hé".encode(), 1_772_359_200_500_000),
            ("received", 0, b"\x00\xff", 1_772_359_200_600_000),
            ("sent", 1, b"two", 1_772_359_200_700_000),
        ]
        assert seen.exchanges[0].scheme == "https"
        assert seen.lost == {"message_broken": 1}

    def test_times_of_messages_in_milliseconds(self, tmp_path: Path) -> None:
        frames = [{"type": "send", "time": 1796083351911.5, "opcode": 1, "data": "x"}]
        seen = one(tmp_path, url="wss://ws.example/c", response={"status": 101}, _webSocketMessages=frames)
        assert [m.at for m in seen.messages if m.kind == "websocket"] == [1_796_083_351_911_500]
        assert not seen.lost

    def test_server_sent_events(self, tmp_path: Path) -> None:
        events = [{"time": 1772359200.5, "eventName": "m", "eventId": "1", "data": "x"}]
        seen = one(tmp_path, _eventSourceMessages=events)
        assert [(m.direction, m.body) for m in seen.messages if m.kind == "sse"] == [("received", b"x")]

    def test_http_toolkits_refused_connections_are_flows(self, tmp_path: Path) -> None:
        errors = [
            {"startedDateTime": "2026-03-01T10:00:00Z", "time": 5, "hostname": "pin.example", "cause": "cert-rejected"},
            {"startedDateTime": "2026-03-01T10:00:00Z", "time": 5, "cause": "closed", "clientPort": 5000},
        ]
        seen = read(tmp_path, har(entry(), creator="HTTP Toolkit", _tlsErrors=errors))
        refused = [(f["host"], f["unread"][0]["kind"], f["decrypted"]) for f in seen.flows[1:]]
        assert refused == [("pin.example", "ca_refused", False), (None, "unread", False)]


class TestFiles:
    def test_encodings_and_gzip(self, tmp_path: Path) -> None:
        data = har(entry(response={"content": {"text": "é中😀"}}))
        data = json.dumps(json.loads(data), ensure_ascii=False).encode()
        text = data.decode()
        usual = read(tmp_path, data)
        for other in (
            b"\xef\xbb\xbf" + data,
            text.encode("utf-16"),
            text.encode("utf-16-be"),
            text.encode("utf-16-le"),
            b"\xfe\xff" + text.encode("utf-16-be"),
            text.encode("utf-32"),
            gzip.compress(data),
            gzip.compress(data[:50]) + gzip.compress(data[50:]) + b"\0" * 100,
            gzip.compress(text.encode("utf-16")),
        ):
            seen = read(tmp_path, other)
            assert seen.exchanges == usual.exchanges
            assert seen.messages == usual.messages
            assert not seen.losses

    def test_what_strict_parsers_refuse(self, tmp_path: Path) -> None:
        raw = har(entry("http://a.example/"), entry("http://b.example/", response={"content": {"text": "MARK"}}))
        for strange in (b"NaN", b"-Infinity", b"1" * 5000, b'"\\ud800"', b'"\xff\xfe"', b'"tab\there"', b'"\\x"'):
            data = raw.replace(b'"time": 40', b'"time": ' + strange)
            seen = read(tmp_path, data)
            assert [e.host for e in seen.exchanges] == ["a.example", "b.example"]
            assert seen.bodies("response")[1] == b"MARK"
            assert "entry_broken" not in seen.lost

    def test_octets_that_are_no_utf8_come_back_as_they_are(self, tmp_path: Path) -> None:
        data = har(entry(request={"postData": {"mimeType": "text/plain", "text": "MARK"}})).replace(b"MARK", b"a\xe9b")
        assert read(tmp_path, data).bodies("request") == [b"a\xe9b"]

    def test_keys_that_stand_twice_are_counted(self, tmp_path: Path) -> None:
        data = har(entry()).replace(b'"request": ', b'"request": {"url": "http://first.example/"}, "request": ')
        seen = read(tmp_path, data)
        assert seen.exchanges[0].host == "api.shop.example"
        assert seen.lost == {"key_repeated": 1}

    def test_depth_is_no_trap(self, tmp_path: Path) -> None:
        deep = (
            b'{"log":{"entries":[' + b"[" * 200_000 + b"]" * 200_000 + b"," + b'{"a":' * 100_000 + b"1" + b"}" * 100_000
        )
        seen = read(tmp_path, deep + b"," + json.dumps(entry()).encode() + b"]}}")
        assert [e.host for e in seen.exchanges] == ["", "", "api.shop.example"]
        assert seen.lost["entry_broken"] == 2

    def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(self, tmp_path: Path) -> None:
        post = {"mimeType": "application/json", "text": '{"k": "väl\\"ue"}'}
        data = har(entry("http://a.example/"), entry("http://b.example/", request={"postData": post}))
        first = data.index(b'"request"')
        for end in range(first, len(data) - 1):
            seen = read(tmp_path, data[:end])
            assert seen.lost["file_torn"] == 1
            assert 1 <= len(seen.exchanges) <= 2
            for body in seen.bodies("request"):
                assert post["text"].encode().startswith(body.rstrip(b"\xef\xbf\xbd"))

    def test_a_file_that_still_grows_has_no_torn_entry(self, tmp_path: Path) -> None:
        data = har(entry("http://a.example/"), entry("http://b.example/"))
        seen = read(tmp_path, data[:-40], Options(sealed=False))
        assert [e.host for e in seen.exchanges] == ["a.example"]
        assert not seen.losses

    def test_damaged_gzip(self, tmp_path: Path) -> None:
        packed = gzip.compress(har(*[entry(f"http://h{n}.example/") for n in range(2000)]))
        seen = read(tmp_path, packed[:-3000])
        assert len(seen.exchanges) > 100
        assert seen.lost["file_torn"] == 1

    def test_octets_between_entries(self, tmp_path: Path) -> None:
        data = har(entry("http://a.example/"), entry("http://b.example/"))
        seen = read(tmp_path, data.replace(b'}, {"started', b'} oops {"started'))
        assert [e.host for e in seen.exchanges] == ["a.example", "b.example"]
        assert seen.lost == {"har_damaged": 1}

    def test_one_entry_too_large_to_hold(self, tmp_path: Path) -> None:
        post = {"mimeType": "text/plain", "text": "x" * 20_000_000}
        path = tmp_path / "a.har"
        path.write_bytes(har(entry("http://a.example/", request={"postData": post}), entry("http://b.example/")))
        seen = gather(path, Options(max_body=1000))
        assert [e.host for e in seen.exchanges] == ["a.example", "b.example"]
        assert seen.lost["entry_limit"] == 1

    def test_no_entries_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "a.har"
        path.write_bytes(b'{"log": {"version": "1.2", "creator": {"name": "x"}}}')
        with pytest.raises(InputError, match=r"log\.entries"):
            gather(path)
        assert read(tmp_path, har()).exchanges == []


@needs_real
class TestReal:
    @pytest.mark.parametrize("name", ["charles.har", "chrome.har", "postdata.har", "corrupted_gzip_body.har"])
    def test_every_batch_size_gives_the_same(self, name: str) -> None:
        path = REAL / "mitmproxy" / name
        whole = gather(path, Options(batch=1_000_000))
        check_laws(whole, path)
        entries = json.loads(path.read_bytes())["log"]["entries"]
        assert len(whole.exchanges) == len(entries)
        for size in (1, 7):
            seen = gather(path, Options(batch=size))
            seen.batches = whole.batches
            assert seen == whole

    def test_what_chrome_says(self) -> None:
        seen = gather(REAL / "mitmproxy" / "chrome.har")
        assert [(e.status, e.protocol) for e in seen.exchanges] == [(304, "http/2"), (None, ""), (200, "http/3")]
        assert seen.lost == {"from_cache": 1}
        assert [m.exchange.unit for m in seen.messages if m.exchange and m.direction == "undelivered"] == [1]
        assert seen.bodies("response")[1].startswith(b"\x89PNG")

    def test_the_post_of_chrome(self) -> None:
        seen = gather(REAL / "mitmproxy" / "postdata.har")
        assert len(json.loads(seen.bodies("request")[0])["metadata"]) > 5
        assert seen.exchanges[0].request_bytes == 1310 == len(seen.bodies("request")[0])


def test_sums_of_sizes_that_nothing_can_have_can_be_held_by_a_table(tmp_path: Path) -> None:
    sizes = {"bodySize": 1 << 52, "headersSize": 1 << 52}
    path = tmp_path / "x.har"
    path.write_bytes(har(*[entry(request=sizes, response=sizes | {"content": {"size": 1 << 52}})] * 1100))
    made, _ = run(path, AuditOptions(workers=1))
    assert made["flows"].num_rows == 1100
    assert max(made["exchanges"]["response_bytes"].to_pylist()) == 0
