"""HAR: which requests left, which never did, and bodies that the exporter dropped."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from analysis.audit import AuditOptions, run
from analysis.sources import Options
from tests.sources.made import Seen, check_laws, entry, gather, har

EAGER = {"connect": 30.0, "ssl": 40.0, "send": 0.3, "wait": 1.1, "receive": 0.4}
"""Its times where it had connected before anything was asked, and a script answered."""
MAIL = json.dumps({"email": "ayu.tester@example.org"})
POST = {"method": "POST", "bodySize": len(MAIL), "postData": {"mimeType": "application/json", "text": MAIL}}
SAVEHAR = {"connect": -1.0, "ssl": -1.0, "send": 0.3, "wait": 0.1, "receive": 0.0}
"""Times of mitmproxy's savehar for a flow without a connection of its own."""


def read(tmp_path: Path, *entries: Any, creator: str = "a tool", options: Options | None = None) -> Seen:
    path = tmp_path / "a.har"
    path.write_bytes(har(*entries, creator=creator))
    seen = gather(path, options)
    check_laws(seen, path)
    return seen


def failed(status: int = 0, **parts: Any) -> dict[str, Any]:
    response = {"status": status, "content": {"size": -1, "mimeType": "x-unknown"}} | parts.pop("response", {})
    return entry(request=dict(POST), response=response, **parts)


NEVER_LEFT = [
    ("WebInspector", failed(response={"_error": "net::ERR_BLOCKED_BY_CLIENT"})),
    ("WebInspector", failed(response={"_error": "net::ERR_NAME_NOT_RESOLVED"})),
    (
        "WebInspector",
        failed(response={"_error": "net::ERR_CONNECTION_REFUSED"}, time=3, timings={"send": 1, "wait": 9}),
    ),
    ("WebInspector", failed(response={"_error": "net::ERR_CERT_AUTHORITY_INVALID"}, serverIPAddress="198.51.100.7")),
    ("Playwright", failed(-1, response={"_failureText": "net::ERR_UNSAFE_PORT"}, serverIPAddress="")),
    ("Playwright", failed(-1, response={"_failureText": "net::ERR_BLOCKED_BY_CLIENT.Inspector"})),
    ("Playwright", failed(-1, response={"_failureText": "NS_ERROR_CONNECTION_REFUSED"})),
    ("Playwright", failed(-1, _wasAborted=True)),
    ("Playwright", failed(200, _wasFulfilled=True, response={"content": {"text": "{}"}})),
    ("Firefox", failed(0)),
    ("WebKit Web Inspector", failed(response={"_error": "Could not connect to the server."})),
    ("mitmproxy", failed(0, timings=SAVEHAR, response={"_error": "[Errno 111] Connect call failed"})),
    (
        "mitmproxy",
        failed(0, timings=SAVEHAR, response={"_error": "Connection killed."}, serverIPAddress="198.51.100.7"),
    ),
    (
        "mitmproxy",
        failed(
            0, timings=SAVEHAR | {"connect": 9.5}, serverIPAddress="198.51.100.7", response={"_error": "nothing came"}
        ),
    ),
    ("mitmproxy", failed(403, timings=SAVEHAR, response={"content": {"text": "blocked"}})),
    (
        "mitmproxy",
        failed(
            403,
            timings=SAVEHAR | {"connect": 9.5, "ssl": 9.5},
            serverIPAddress="198.51.100.7",
            response={"headers": [{"name": "Server", "value": "mitmproxy 12.2.3"}]},
        ),
    ),
    (
        "mitmproxy",
        failed(
            200,
            timings=EAGER,
            serverIPAddress="198.51.100.7",
            response={"headers": [{"name": "content-length", "value": "2"}], "content": {"text": "{}", "size": 2}},
        ),
    ),
    ("HTTP Toolkit", failed(0)),
    ("ProxyPin", failed(0, serverIPAddress="", response={"content": {"size": -1, "text": ""}})),
]


class TestWhatNeverLeft:
    @pytest.mark.parametrize(("creator", "one"), NEVER_LEFT)
    def test_is_undelivered_and_counts_nowhere(self, tmp_path: Path, creator: str, one: dict[str, Any]) -> None:
        seen = read(tmp_path, one, creator=creator)
        assert [(m.kind, m.direction) for m in seen.messages] == [("request", "undelivered")]
        assert seen.messages[0].body == MAIL.encode()
        (flow,) = seen.flows
        assert (flow["bytes_out"], flow["bytes_in"], flow["bytes_read"], flow["dst"]) == (0, 0, 0, None)
        assert seen.exchanges[0].request_bytes == seen.exchanges[0].response_bytes == 0
        assert not seen.names

    def test_its_host_did_not_answer(self, tmp_path: Path) -> None:
        sent = entry("https://live.example/v1", request=dict(POST), serverIPAddress="192.0.2.10")
        (tmp_path / "a.har").write_bytes(har(sent, *(one for creator, one in NEVER_LEFT if creator != "mitmproxy")))
        tables, _ = run(tmp_path / "a.har", AuditOptions(workers=1))
        rows = tables["destinations"].to_pylist()
        assert {r["host"]: r["answered"] for r in rows} == {"live.example": True, "api.shop.example": False}
        moved = tables["transmissions"].to_pylist()
        directions = [r["direction"] for r in moved if r["data_type"] == "email"]
        assert directions.count("sent") == 1
        assert set(directions) == {"sent", "undelivered"}

    def test_where_nothing_says_so_it_is_told(self, tmp_path: Path) -> None:
        assert read(tmp_path, failed(0)).lost == {"delivery_not_stated": 1}
        assert read(tmp_path, failed(response={"_error": "net::ERR_NAME_NOT_RESOLVED"})).lost == {}


class TestWhatLeft:
    @pytest.mark.parametrize(
        ("creator", "one"),
        [
            ("WebInspector", failed(response={"_error": "net::ERR_EMPTY_RESPONSE"})),
            ("WebInspector", failed(response={"_error": "net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin"})),
            ("WebInspector", failed(response={"_error": "net::ERR_CONNECTION_RESET"}, serverIPAddress="198.51.100.7")),
            ("mitmproxy", failed(timings=SAVEHAR, serverIPAddress="198.51.100.7", response={"_error": "Client gone"})),
        ],
    )
    def test_a_request_whose_answer_broke_off_was_sent(self, tmp_path: Path, creator: str, one: dict[str, Any]) -> None:
        seen = read(tmp_path, one, creator=creator)
        assert [m.direction for m in seen.messages] == ["sent"]
        assert seen.flows[0]["bytes_out"] == len(MAIL)

    def test_an_answer_is_proof_whatever_broke_off_later(self, tmp_path: Path) -> None:
        seen = read(tmp_path, failed(200, response={"_error": "net::ERR_ABORTED", "content": {"text": "{"}}))
        assert [m.direction for m in seen.messages] == ["sent", "received"]

    def test_an_answer_without_address_is_no_own_answer_of_other_tools(self, tmp_path: Path) -> None:
        for creator in ("Proxyman", "mitmproxy har_dump", "HTTP Toolkit"):
            seen = read(tmp_path, failed(200, timings=SAVEHAR, response={"content": {"text": "{}"}}), creator=creator)
            assert [m.direction for m in seen.messages] == ["sent", "received"]

    @pytest.mark.parametrize(
        ("timings", "names"),
        [
            (EAGER | {"wait": 35.0}, ["content-length"]),
            (EAGER | {"receive": 0.001}, ["content-length"]),
            (EAGER, ["content-length", "Date"]),
            (EAGER, ["Content-Length"]),
            (EAGER | {"connect": -1.0, "ssl": -1.0}, ["content-length"]),
        ],
    )
    def test_an_answer_that_the_server_can_have_given(
        self, tmp_path: Path, timings: dict[str, float], names: list[str]
    ) -> None:
        headers = [{"name": name, "value": "2"} for name in names]
        response = {"headers": headers, "content": {"text": "{}", "size": 2}}
        one = failed(200, timings=timings, serverIPAddress="198.51.100.7", response=response)
        assert [m.direction for m in read(tmp_path, one, creator="mitmproxy").messages] == ["sent", "received"]

    def test_what_mitmproxy_read_from_another_har_has_no_connection_to_tell_of(self, tmp_path: Path) -> None:
        read_before = SAVEHAR | {"wait": -40.0}
        seen = read(
            tmp_path, failed(200, timings=read_before, response={"content": {"text": "{}"}}), creator="mitmproxy"
        )
        assert [m.direction for m in seen.messages] == ["sent", "received"]


class TestNothingWasAsked:
    @pytest.mark.parametrize(
        ("creator", "parts"),
        [
            ("Firefox", {"cache": {"afterRequest": {"eTag": "x"}}}),
            ("WebKit Web Inspector", {"_fetchType": "Service Worker"}),
            ("WebInspector", {"_fetchedViaServiceWorker": True}),
            ("Playwright", {"response": {"_transferSize": 0}}),
        ],
    )
    def test_caches_and_workers(self, tmp_path: Path, creator: str, parts: dict[str, Any]) -> None:
        seen = read(tmp_path, entry(**parts), creator=creator)
        assert not seen.messages
        assert seen.lost == {"from_cache": 1}

    @pytest.mark.parametrize(
        "parts",
        [
            {"response": {"_transferSize": 120}},
            {"response": {"_transferSize": -1, "_failureText": "net::ERR_ABORTED"}},
            {"response": {"_transferSize": 0}, "serverIPAddress": "203.0.113.7"},
            {"response": {"_transferSize": 0, "status": -1}},
            {"response": {"_transferSize": 0}, "_wasFulfilled": True},
        ],
    )
    def test_what_playwright_says_came_over_the_network_is_a_request(
        self, tmp_path: Path, parts: dict[str, Any]
    ) -> None:
        seen = read(tmp_path, entry(**parts), creator="Playwright")
        assert seen.messages
        assert "from_cache" not in seen.lost

    def test_a_cache_that_was_filled_is_none_that_answered(self, tmp_path: Path) -> None:
        seen = read(tmp_path, entry(cache={"afterRequest": {"eTag": "x"}}), creator="BrowserMob")
        assert len(seen.messages) == 2


def _lost(seen: Seen) -> list[tuple[str, int, int]]:
    return [(loss.kind, loss.count, loss.bytes) for loss in seen.losses]


def _headers(**fields: str) -> list[dict[str, str]]:
    return [{"name": name.replace("_", "-"), "value": value} for name, value in fields.items()]


class TestDroppedBodies:
    @pytest.mark.parametrize(
        ("request_", "size"),
        [
            ({"method": "POST", "headers": _headers(Content_Length="1532")}, 1532),
            ({"method": "POST", "headers": _headers(Content_Length="1532"), "bodySize": 1532}, 1532),
            ({"method": "POST", "headers": _headers(Content_Length="1532"), "bodySize": 0}, 1532),
            ({"method": "POST", "headers": _headers(Content_Length="9"), "postData": {"text": ""}}, 9),
            ({"method": "DELETE", "headers": _headers(Content_Length="9"), "postData": {}}, 9),
            ({"method": "PUT", "bodySize": 77}, 77),
            ({"method": "POST", "headers": _headers(Transfer_Encoding="chunked")}, 0),
            ({"method": "POST", "headers": _headers(Content_Type="application/x-protobuf")}, 0),
            ({"method": "PATCH", "postData": {"mimeType": "application/json", "text": ""}}, 0),
            ({"method": "POST", "postData": {"mimeType": "application/json", "text": None}, "bodySize": 0}, 0),
        ],
    )
    def test_of_requests(self, tmp_path: Path, request_: dict[str, Any], size: int) -> None:
        seen = read(tmp_path, entry(request=request_))
        sent = seen.messages[0]
        assert (sent.body, sent.size, sent.cut) == (b"", size, True)
        assert seen.exchanges[0].request_bytes == seen.flows[0]["bytes_out"] == size
        assert _lost(seen) == [("body_missing", 1, size)]
        assert [(p["kind"], p["bytes"], p["count"]) for p in seen.flows[0]["unread"]] == [("truncated", size, 1)]

    @pytest.mark.parametrize(
        "request_",
        [
            {"method": "GET", "headers": _headers(Content_Type="application/json")},
            {"method": "GET", "postData": {"mimeType": None}},
            {"method": "POST", "headers": _headers(Content_Length="0", Content_Type="application/json")},
            {"method": "POST", "headers": _headers(Content_Type="application/json"), "bodySize": 0},
            {"method": "POST"},
            {"method": "POST", "headers": _headers(Content_Length="many")},
            POST | {"headers": _headers(Content_Length=str(len(MAIL)))},
        ],
    )
    def test_a_request_that_lacks_nothing(self, tmp_path: Path, request_: dict[str, Any]) -> None:
        seen = read(tmp_path, entry(request=request_))
        assert not seen.messages[0].cut
        assert not seen.losses

    @pytest.mark.parametrize(
        ("response", "size"),
        [
            ({"content": {"size": 5000}}, 5000),
            ({"content": {"size": 5000}, "bodySize": 1200}, 1200),
            ({"headers": _headers(Content_Length="640"), "content": {"text": ""}}, 640),
            ({"headers": _headers(Transfer_Encoding="chunked")}, 0),
            ({"headers": _headers(Content_Type="application/json"), "content": {"size": -1}}, 0),
        ],
    )
    def test_of_answers(self, tmp_path: Path, response: dict[str, Any], size: int) -> None:
        seen = read(tmp_path, entry(response=response))
        got = seen.messages[1]
        assert (got.body, got.size, got.cut) == (b"", size, True)
        assert _lost(seen) == [("body_missing", 1, size)]

    @pytest.mark.parametrize("status", [204, 304])
    def test_answers_that_have_no_body(self, tmp_path: Path, status: int) -> None:
        response = {"status": status, "headers": _headers(Content_Length="640")}
        assert not read(tmp_path, entry(response=response)).losses
        assert not read(tmp_path, entry(request={"method": "HEAD"}, response=response | {"status": 200})).losses

    def test_a_part_of_a_body(self, tmp_path: Path) -> None:
        fields = _headers(Content_Length="1000", Content_Type="application/json")
        seen = read(tmp_path, entry(request=POST | {"headers": fields}))
        assert (len(seen.messages[0].body), seen.messages[0].size, seen.messages[0].cut) == (len(MAIL), 1000, True)
        assert _lost(seen) == [("body_missing", 1, 1000 - len(MAIL))]
        binary = {"text": base64.b64encode(b"\0\1" * 50).decode(), "encoding": "base64", "size": 4000}
        seen = read(tmp_path, entry(response={"content": binary}))
        assert (seen.messages[1].size, seen.messages[1].cut) == (4000, True)

    @pytest.mark.parametrize(
        "content",
        [
            {"text": "abcdefgh", "size": 16},
            {"text": "abcdefgh", "size": 18},
            {"text": "abcdefgh", "size": 11},
            {"text": "a\nb\nc\nd\ne\n", "size": 15},
            {"text": "größe", "size": 40},
        ],
    )
    def test_text_in_another_form_than_on_the_wire_is_whole(self, tmp_path: Path, content: dict[str, Any]) -> None:
        seen = read(tmp_path, entry(response={"content": content}))
        assert not seen.messages[1].cut
        assert not seen.losses
