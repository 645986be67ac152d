"""A value of another JSON type than is expected, at any key of what comes with a capture: the line is counted, with its
place, and all others are read."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.audit import AuditOptions, run
from analysis.sources import lines, records
from tests.sources.made import Seen, check_laws, event_lines, gather, json_lines
from tests.sources.test_folder_files import AT, message, opened

VALUES: list[Any] = [True, 7, -1, 1.5, 10**40, "a text", "", [], ["a"], [["a"]], [{}], {}, {"a": 1}, None]
JOURNAL: dict[str, dict[str, Any]] = {
    "flow": opened("f2", address="a.example", sni="a.example", tls="TLSv1.3"),
    "message": message("f1", "sent", 1, b"more"),
    "progress": {"type": "progress", "flow": "f3", "at": AT, "direction": "sent", "bytes": 3},
    "sealed": {
        "type": "sealed",
        "flow": "f4",
        "at": AT,
        "cause": "tls",
        "since": [1, 1],
        "bytes_out": 1,
        "bytes_in": 1,
    },
}


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of a declared type, worked out apart from msgspec."""
    if kind is None or kind is type(None):
        return value is None
    origin = typing.get_origin(kind)
    if origin is list:
        return isinstance(value, list) and all(fits(one, typing.get_args(kind)[0]) for one in value)
    if origin is not None:
        return any(fits(value, one) for one in typing.get_args(kind))
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def cases(kind: type[msgspec.Struct]) -> list[tuple[str, Any, bool]]:
    types = typing.get_type_hints(kind)
    names = [f.name for f in msgspec.structs.fields(kind)]
    return [(name, value, fits(value, types[name])) for name in names for value in VALUES]


def read(path: Path, data: bytes) -> Seen:
    path.write_bytes(data)
    seen = gather(path)
    check_laws(seen, path)
    return seen


@pytest.mark.parametrize("kind", JOURNAL)
def test_any_key_of_a_journal(tmp_path: Path, kind: str) -> None:
    for key, value, right in cases(records.JournalLine):
        lines = [opened("f1"), message("f1", "sent", 0, b"hello"), JOURNAL[kind] | {key: value}]
        seen = read(tmp_path / "messages.jsonl", json_lines(*lines, message("f1", "received", 0, b"bye")))
        assert [m.body for m in seen.messages if m.body in (b"hello", b"bye")] == [b"hello", b"bye"], (key, value)
        if not right:
            assert seen.lost == {"line_unread": 1}, (key, value)
            assert seen.losses[0].where.startswith("line 3 does not fit: "), (key, value)


@pytest.mark.parametrize("kind", sorted(records.EVENTS))
def test_any_key_of_an_event(tmp_path: Path, kind: str) -> None:
    for key, value, right in cases(records.EVENTS[kind]):
        if key in ("type", "prev"):
            continue
        line = {"type": kind, "at": AT, key: value}
        marks = [{"type": "mark", "at": AT + n, "note": "x"} for n in range(2)]
        seen = read(tmp_path / "events.jsonl", event_lines(marks[0], line, marks[1]))
        assert [e for e in seen.events if e["type"] == "mark" and e.get("note") == "x"] == marks or kind == "mark"
        if not right:
            assert seen.lost == {"line_unread": 1}, (key, value)
            assert seen.losses[0].where.startswith("line 2 does not fit: "), (key, value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_type_that_is_none(tmp_path: Path, value: Any) -> None:
    line = {"type": value, "at": AT}
    seen = read(tmp_path / "events.jsonl", event_lines(line, {"type": "mark", "at": AT, "note": "x"}))
    assert seen.events[-1]["note"] == "x"
    assert seen.lost == ({} if isinstance(value, str) else {"line_unread": 1})


TIMES = ["1e308", "1e400", "-5", "NaN", "Infinity", "-Infinity", "253402300800000001", "1" + "0" * 400, "0.5", "-1e300"]


@pytest.mark.parametrize("time", TIMES)
def test_a_time_that_is_none_is_counted_and_left_empty(tmp_path: Path, time: str) -> None:
    event = f'{{"type": "connection", "prev": "{"0" * 64}", "at": {time}, "end": {time}, "handshake_at": {time}}}\n'
    seen = read(tmp_path / "events.jsonl", event.encode())
    (row,) = seen.flows
    assert (row["first"], row["last"], row["handshake_at"]) == (None, None, None)
    assert seen.lost["time_unreadable"] == 3
    assert seen.losses[0].where == "times that are none a capture can have: left empty"
    line = json.dumps(message("f1", "sent", 0, b"hello")).replace(str(AT), time)
    seen = read(tmp_path / "messages.jsonl", line.encode() + b"\n")
    assert [(m.body, m.at) for m in seen.messages] == [(b"hello", None)]
    assert seen.lost == {"time_unreadable": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted(
    {f.name for kind in (records.JournalLine, *records.EVENTS.values()) for f in msgspec.structs.fields(kind)}
)
LINES = st.fixed_dictionaries(
    {"type": st.sampled_from([*records.EVENTS, *JOURNAL, "other"])},
    optional={key: JSON for key in KEYS if key not in ("type", "prev")},
)


@settings(max_examples=60)
@given(events=st.lists(LINES, max_size=4), journal=st.lists(LINES, max_size=4))
def test_no_line_ends_an_audit(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]], journal: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("capture")
    (folder / "events.jsonl").write_bytes(event_lines({"type": "mark", "at": AT, "note": "x"}, *events))
    lines = [opened("f1"), message("f1", "sent", 0, b"hello"), *({"flow": "f1", "at": AT} | line for line in journal)]
    (folder / "messages.jsonl").write_bytes(json_lines(*lines))
    made, _ = run(folder, AuditOptions(workers=1))
    assert made["messages"].num_rows >= 1


def test_lines_that_hold_no_object_are_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    decode = lines.msgspec.json.decode
    monkeypatch.setattr(lines.msgspec.json, "decode", lambda raw: parsed.append(raw) or decode(raw))
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n" * 5_000 + b' {"a":1}\n' + b"[]\n" * 5_000)
    read = list(lines.lines(path))
    assert [line.value for line in read] == [{"a": 1}] + [None] * 5_000
    assert read[0].number == 5_000
    assert parsed == [b' {"a":1}']
