"""HAR: values of every JSON type in every key, times that are no time, and files of nothing but brackets."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.audit import AuditOptions, run
from analysis.sources import Options
from tests.sources.made import check_laws, entry, gather, har

NO_TIME = "1e308 -1e308 1e19 -1 253402300800 99999999999999999999 Infinity -Infinity NaN".split()

FULL = entry(
    request={
        "method": "POST",
        "headers": [{"name": "Content-Type", "value": "application/json"}],
        "cookies": [{"name": "a", "value": "b"}],
        "queryString": [{"name": "x", "value": "1"}],
        "headersSize": 10,
        "bodySize": 2,
        "postData": {
            "mimeType": "application/json",
            "text": "{}",
            "params": [{"name": "n", "value": "v"}],
            "encoding": "",
        },
        "_content": {"text": "", "size": 0, "encoding": ""},
    },
    response={
        "headers": [{"name": "Set-Cookie", "value": "c=d"}],
        "cookies": [{"name": "c", "value": "d"}],
        "content": {"size": 2, "mimeType": "text/plain", "text": "ok", "encoding": ""},
        "bodySize": 2,
        "_error": None,
        "_failureText": "",
        "_transferSize": 2,
    },
    serverIPAddress="192.0.2.1",
    connection="7",
    timings={
        "blocked": 1,
        "dns": 1,
        "connect": 1,
        "ssl": 1,
        "send": 1,
        "wait": 1,
        "receive": 1,
        "_blocked_queueing": 1,
    },
    cache={"afterRequest": {}},
    pageref="p",
    comment="",
    _app={"id": "com.example.a", "name": "A", "path": "", "os": "android"},
    _process={"name": "a"},
    _fromCache=None,
    _fetchType="Network Load",
    _fetchedViaServiceWorker=False,
    _wasAborted=False,
    _wasFulfilled=False,
    _webSocketMessages=[{"type": "send", "time": 1772359200.5, "opcode": 1, "data": "x"}],
    _eventSourceMessages=[{"time": 1772359200.5, "eventName": "a", "eventId": "1", "data": "x"}],
)
OTHER: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    7,
    1 << 70,
    0.5,
    1e308,
    "",
    "text",
    "é\ud800",
    [],
    [[]],
    [None],
    [7],
    {},
    {"a": 1},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(FULL)
    inner: Any = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return made


PATHS = list(places(FULL))


@pytest.mark.parametrize("path", PATHS, ids=lambda p: ".".join(map(str, p)))
def test_a_value_of_any_type_costs_its_own_entry_at_most(tmp_path: Path, path: tuple[Any, ...]) -> None:
    good = entry("https://after.example/")
    file = tmp_path / "a.har"
    file.write_bytes(har(*(e for value in OTHER for e in (changed(path, value), good))))
    seen = gather(file)
    check_laws(seen, file)
    assert len(seen.exchanges) == 2 * len(OTHER)
    whole = [e for e in seen.exchanges if e.host == "after.example"]
    assert len(whole) == len(OTHER)
    assert all(e.status == 200 and e.started is not None for e in whole)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(range(len(OTHER)))), min_size=1, max_size=5))
def test_several_of_them_at_once(tmp_path: Path, wrong: list[tuple[tuple[Any, ...], int]]) -> None:
    made: Any = copy.deepcopy(FULL)
    for path, number in wrong:
        inner = made
        try:
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = OTHER[number]
        except (KeyError, IndexError, TypeError):
            continue  # what it stood in is of another type by now
    file = tmp_path / "a.har"
    file.write_bytes(har(made, entry("https://after.example/")))
    seen = gather(file)
    check_laws(seen, file)
    assert seen.exchanges[-1].host == "after.example"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("request",), "text"),
        (("request", "headers"), 7),
        (("request", "method"), {}),
        (("request", "postData"), [7]),
        (("response", "status"), []),
        (("response", "content"), "text"),
        (("serverIPAddress",), {"a": 1}),
        (("_webSocketMessages",), {}),
    ],
)
def test_a_value_of_another_type_is_counted(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    (tmp_path / "a.har").write_bytes(har(changed(path, value)))
    assert gather(tmp_path / "a.har").lost["value_unread"] == 1


def test_what_is_of_no_type_reaches_the_tables_as_null(tmp_path: Path) -> None:
    file = tmp_path / "a.har"
    file.write_bytes(har(*(changed(path, value) for path in PATHS[::3] for value in OTHER[::3])))
    made, _ = run(file, AuditOptions(workers=1))
    assert made["exchanges"].num_rows == len(PATHS[::3]) * len(OTHER[::3])


class TestTimes:
    @pytest.mark.parametrize("number", NO_TIME)
    def test_of_messages(self, tmp_path: Path, number: str) -> None:
        text = json.dumps({"log": {"entries": [FULL]}}).replace("1772359200.5", number)
        (tmp_path / "a.har").write_text(text)
        made, _ = run(tmp_path / "a.har", AuditOptions(workers=1))
        messages = made["messages"].to_pylist()
        assert [m["at"] for m in messages if m["kind"] in ("websocket", "sse")] == [None, None]
        lost = [(r["kind"], r["count"]) for r in made["losses"].to_pylist() if "time" in r["kind"]]
        assert lost == [("time_unreadable", 2)]

    @pytest.mark.parametrize("number", [n for n in NO_TIME if n not in ("-1", "253402300800")])
    def test_of_spans_and_beginnings(self, tmp_path: Path, number: str) -> None:
        one = json.dumps(entry(time="#", timings={"wait": "#", "ssl": "#"})).replace('"#"', number)
        two = json.dumps(entry(startedDateTime="#")).replace('"#"', number)
        (tmp_path / "a.har").write_text('{"log": {"entries": [' + one + "," + two + "]}}")
        seen = gather(tmp_path / "a.har")
        check_laws(seen, tmp_path / "a.har")
        assert seen.lost == {"time_unreadable": 4}
        first, second = seen.flows
        assert first["first"] == first["last"] != None  # noqa: E711
        assert second["first"] is None

    @pytest.mark.parametrize("number", [*NO_TIME, "9" * 350, "9" * 5000])
    def test_of_spans_where_they_tell_of_delivery(self, tmp_path: Path, number: str) -> None:
        spans = dict.fromkeys(("connect", "ssl", "wait", "receive"), "#")
        text = har(entry(timings=spans, serverIPAddress="192.0.2.1"), creator="mitmproxy").decode()
        (tmp_path / "a.har").write_text(text.replace('"#"', number))
        assert len(gather(tmp_path / "a.har").exchanges) == 1

    def test_a_span_that_does_not_apply_is_none_that_is_wrong(self, tmp_path: Path) -> None:
        (tmp_path / "a.har").write_bytes(har(entry(time=-1, timings={"ssl": -1, "dns": -1.0, "wait": None})))
        assert gather(tmp_path / "a.har").lost == {}

    @pytest.mark.parametrize("year", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1969-12-31T00:00:00Z"])
    def test_years_in_which_nothing_was_captured(self, tmp_path: Path, year: str) -> None:
        (tmp_path / "a.har").write_bytes(har(entry(startedDateTime=year)))
        assert gather(tmp_path / "a.har").lost == {"time_unreadable": 1}


class TestNothingButBrackets:
    @pytest.mark.parametrize("what", ["{}", "[]", "0", "null", '{"a":1}', "{ }"])
    def test_entries_that_take_no_room_are_counted_and_not_held(self, tmp_path: Path, what: str) -> None:
        file = tmp_path / "a.har"
        file.write_text('{"log": {"entries": [' + f"{what}," * 100_000 + json.dumps(entry()) + "]}}")
        seen = gather(file)
        check_laws(seen, file)
        assert len(seen.exchanges) <= 1_001 + file.stat().st_size // 256
        assert len(seen.exchanges) + seen.lost["entries_limited"] == 100_001

    def test_short_entries_are_read_all_the_same_where_they_are_few(self, tmp_path: Path) -> None:
        file = tmp_path / "a.har"
        file.write_text('{"log": {"entries": [' + "{}," * 900 + json.dumps(entry()) + "]}}")
        seen = gather(file, Options())
        assert len(seen.exchanges) == 901
        assert seen.lost == {"entry_broken": 900}

    def test_a_list_of_refusals_is_bounded_too(self, tmp_path: Path) -> None:
        file = tmp_path / "a.har"
        file.write_text('{"log": {"entries": [], "_tlsErrors": [' + "{}," * 100_000 + "{}]}}")
        seen = gather(file)
        assert len(seen.flows) < 3_000
        assert seen.lost["entries_limited"] > 90_000
