"""Whatever stands at whatever key of a flow's state: the flow is read, or it is counted with its place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.test import tflow

from analysis.audit import AuditOptions, run
from analysis.sources.mitm_fit import unfit
from tests.sources.made import Seen, check_laws, dump, gather

FLOWS = {
    "http": lambda: tflow.tflow(resp=True, err=True),
    "websocket": tflow.twebsocketflow,
    "tcp": lambda: tflow.ttcpflow(err=True),
    "udp": tflow.tudpflow,
    "dns": lambda: tflow.tdnsflow(resp=True),
}
OTHERS = (b"x", "x", 7, -1, 10**30, 0.5, float("inf"), True, None, [], [1], {}, {"a": 1})


def state(kind: str) -> dict[str, Any]:
    """A real flow's state, as a dump gives it back: lists for tuples."""
    return _plain(FLOWS[kind]().get_state())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from places(value[key])


CHANGES = [(kind, n) for kind in FLOWS for n in range(len(list(places(state(kind)))))]


def changed(kind: str, number: int, other: Any) -> dict[str, Any]:
    made = state(kind)
    holder, key = list(places(made))[number]
    holder[key] = copy.deepcopy(other)
    return made


def both(place: Path, made: dict[str, Any]) -> Seen:
    """What is read of a flow behind one that is whole."""
    path = place / "flows.mitm"
    path.write_bytes(dump(tflow.tflow(resp=True), made))
    seen = gather(path)
    check_laws(seen, path)
    return seen


@given(st.sampled_from(CHANGES), st.sampled_from(OTHERS))
def test_any_value_at_any_key_is_read_or_counted(
    tmp_path_factory: pytest.TempPathFactory, change: tuple[str, int], other: Any
) -> None:
    made = changed(*change, other)
    seen = both(tmp_path_factory.getbasetemp(), made)
    unread = {loss.where for loss in seen.losses if loss.kind == "flow_unread"}
    place = unfit(made, made["type"]) if isinstance(made["type"], str) else ""
    if place:
        assert unread == {f"flow 2 of the dump cannot be read: {place} is none that it can have"}
    elif not unread and change[0] in ("http", "websocket"):
        assert seen.bodies("request")[1:] == [_octets(made["request"]["content"])]


def _octets(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


@pytest.mark.parametrize("kind", FLOWS)
def test_flows_as_mitmproxy_writes_them_fit(tmp_path: Path, kind: str) -> None:
    assert unfit(state(kind), state(kind)["type"]) == ""
    assert "flow_unread" not in both(tmp_path, state(kind)).lost


@pytest.mark.parametrize(
    ("kind", "part", "key"),
    [
        ("http", "request", "headers"),
        ("http", "request", "content"),
        ("http", "response", "status_code"),
        ("http", "client_conn", "peername"),
        ("http", "server_conn", "certificate_list"),
        ("websocket", "websocket", "messages"),
        ("dns", "response", "answers"),
    ],
)
@pytest.mark.parametrize("other", [-1, 0.5, {"a": 1}, 10**30])
def test_what_is_no_such_value_is_never_read_as_nothing(
    tmp_path: Path, kind: str, part: str, key: str, other: Any
) -> None:
    made = state(kind)
    made[part][key] = other
    seen = both(tmp_path, made)
    where = [loss.where for loss in seen.losses if loss.kind == "flow_unread"]
    assert where == [f"flow 2 of the dump cannot be read: {part}.{key} is none that it can have"]


@pytest.mark.parametrize("key", ["client_conn", "server_conn", "request"])
def test_a_part_that_every_flow_has_is_missed(tmp_path: Path, key: str) -> None:
    made = state("http")
    del made[key]
    assert both(tmp_path, made).lost["flow_unread"] == 1


def test_times_within_messages_and_parts_are_checked(tmp_path: Path) -> None:
    """One time that is none is counted; what has it is read."""
    for kind, holder, at in (
        ("websocket", ("websocket", "messages", 1), 3),
        ("tcp", ("messages", 1), 2),
        ("udp", ("messages", 0), 2),
        ("dns", ("response",), "timestamp"),
        ("dns", ("request",), "timestamp"),
        ("websocket", ("websocket",), "timestamp_end"),
        ("http", ("server_conn",), "timestamp_tls_setup"),
    ):
        for odd in (float("inf"), float("nan"), 1e300, -5, "noon", [1]):
            made = state(kind)
            part: Any = made
            for step in holder:
                part = part[step]
            part[at] = odd
            seen = both(tmp_path, made)
            assert seen.lost.get("time_unreadable") == 1, (kind, holder, odd)
            assert "flow_unread" not in seen.lost


def test_flows_that_do_not_fit_end_no_audit(tmp_path: Path) -> None:
    """Each key of each kind once, in one dump, with the whole road behind it."""
    odd = [changed(kind, n, OTHERS[n % len(OTHERS)]) for kind, n in CHANGES]
    for number, made in enumerate(odd):
        made.setdefault("id", str(number))
    (tmp_path / "flows.mitm").write_bytes(dump(tflow.tflow(resp=True), *odd))
    tables, _ = run(tmp_path / "flows.mitm", AuditOptions(workers=1))
    lost = [row for row in tables["losses"].to_pylist() if row["kind"] == "flow_unread"]
    assert any(row["where"].startswith("further flows") for row in lost)
    assert 50 < sum(row["count"] for row in lost) < len(odd)
    assert "reader_failed" not in tables["losses"]["kind"].to_pylist()
