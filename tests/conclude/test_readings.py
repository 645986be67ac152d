"""Readings: one state for each flow and destination, and every octet of a flow in one row."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.conclude import readings
from analysis.reading_states import CUT, EMPTY, MESSAGE_STATES, PART, STATES, UNDERSTOOD, of_opaque, together
from analysis.tables import Tables
from tests.conclude.made import destination, exchange, flow, message, rows, tables


def gathered(
    flows: list[dict[str, Any]],
    messages: list[dict[str, Any]] = (),  # type: ignore[assignment]
    opaque: list[dict[str, Any]] = (),  # type: ignore[assignment]
    exchanges: list[dict[str, Any]] = (),  # type: ignore[assignment]
) -> Tables:
    made = tables(
        flows=[f | {"destination": f.get("destination", 0)} for f in flows],
        messages=list(messages),
        opaque=list(opaque),
        exchanges=list(exchanges),
        destinations=[destination(0), destination(1)],
    )
    return readings.gather(made)


def body(number: int, of: int, state: str, size: int, lacking: int, **more: Any) -> dict[str, Any]:
    return message(number, of, reading=state, bytes=size, bytes_not_understood=lacking, **more)


def test_a_body_that_nobody_understood_is_not_read_in_full() -> None:
    made = gathered(
        [flow(0, bytes_out=10, bytes_in=0)],
        [body(0, 0, "not_understood", 10, 10)],
        [{"flow": 0, "kind": "not_understood", "bytes": 10}],
    )
    assert rows(made["flows"], "reading") == ["not_understood"]
    assert rows(made["destinations"], "reading") == ["not_understood", "silent"]
    assert rows(made["destinations"], "app_reading") == ["not_understood", None]
    assert rows(made["readings"], "direction", "state", "bodies", "bytes") == [("sent", "not_understood", 1, 10)]


def test_a_wrapper_that_was_read_does_not_hide_what_is_sealed_in_it() -> None:
    made = gathered(
        [flow(0, bytes_out=100, bytes_in=5)],
        [body(0, 0, "sealed", 80, 70), body(1, 0, "understood", 5, 0, direction="received")],
        [{"flow": 0, "kind": "sealed", "cause": "ciphertext", "bytes": 70}],
    )
    assert rows(made["flows"], "reading") == [PART]
    assert rows(made["readings"], "direction", "state", "bodies", "bytes") == [
        ("received", "understood", 1, 5),
        ("sent", "understood", 0, 30),
        ("sent", "sealed", 1, 70),
    ]


def test_what_the_capture_lacks_is_cut_and_counted_once() -> None:
    """The source counts it, and the message tells it: it is the same octets."""
    made = gathered(
        [flow(0, bytes_out=1532, bytes_in=0)],
        [body(0, 0, "cut", 1532, 1532)],
        [{"flow": 0, "kind": "truncated", "cause": "body_not_kept", "bytes": 1532}],
    )
    assert rows(made["flows"], "reading") == [CUT]
    assert rows(made["readings"], "state", "bodies", "bytes") == [(CUT, 1, 1532)]


@pytest.mark.parametrize(
    ("kind", "state"),
    [("ca_refused", "refused"), ("relayed", "encrypted"), ("non_http", "non_http"), ("unused", "silent")],
)
def test_what_was_not_opened_has_the_state_of_its_signal(kind: str, state: str) -> None:
    octets = 0 if state == "silent" else 30
    row = flow(0, decrypted=False, bytes_out=octets // 3, bytes_in=octets - octets // 3)
    made = gathered([row], opaque=[{"flow": 0, "kind": kind, "bytes": octets}])
    assert rows(made["flows"], "reading") == [state]
    assert sum(rows(made["readings"], "bytes")) == octets
    assert set(rows(made["readings"], "state")) == {state}


def test_a_request_without_a_body_was_read_and_the_other_host_of_a_connection_too() -> None:
    made = gathered(
        [flow(0, bytes_out=0, bytes_in=0)],
        [body(0, 0, EMPTY, 0, 0, exchange=0), body(1, 0, EMPTY, 0, 0, exchange=1)],
        exchanges=[exchange(0, 0, "a", destination=0), exchange(1, 0, "b", destination=1)],
    )
    assert rows(made["flows"], "reading") == [UNDERSTOOD]
    assert rows(made["destinations"], "reading") == [UNDERSTOOD, UNDERSTOOD]


def test_what_reached_nobody_is_in_no_state_of_a_host() -> None:
    made = gathered(
        [flow(0, bytes_out=0, bytes_in=0)],
        [body(0, 0, "sealed", 80, 70, direction="undelivered", exchange=0)],
        exchanges=[exchange(0, 0, "a", destination=0)],
    )
    assert rows(made["destinations"], "reading")[0] == "silent"
    told = rows(made["readings"], "direction", "state", "bodies", "bytes")
    assert ("undelivered", "sealed", 1, 70) in told


def test_the_same_traffic_seen_twice_counts_once() -> None:
    made = gathered([flow(0), flow(1, same_as=0)])
    assert rows(made["flows"], "reading") == [UNDERSTOOD, None]
    assert sum(rows(made["readings"], "bytes")) == 30


def test_of_a_whole_with_an_unread_part_nobody_says_that_it_was_understood() -> None:
    assert together({}) == "silent"
    assert together({"silent": 0}) == "silent"
    assert together({"understood": 5, "silent": 0}) == "understood"
    assert together({"understood": 5, "cut": 0}) == PART
    assert together({"understood": 0, "sealed": 3}) == "sealed"
    assert together({"sealed": 3, "encrypted": 4}) == "encrypted"


KINDS = "ca_refused pinned encrypted relayed non_http truncated not_understood sealed unread".split()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 500),
            st.integers(0, 500),
            st.booleans(),
            st.lists(
                st.tuples(
                    st.sampled_from(MESSAGE_STATES),
                    st.integers(0, 300),
                    st.integers(0, 300),
                    st.sampled_from(("sent", "received")),
                ),
                max_size=4,
            ),
            st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 400)), max_size=3),
        ),
        max_size=4,
    )
)
def test_every_octet_stands_in_one_row(given_flows: list[Any]) -> None:
    flows, messages, opaque = [], [], []
    for number, (out, back, decrypted, sent, closed) in enumerate(given_flows):
        flows.append(flow(number, bytes_out=out, bytes_in=back, decrypted=decrypted))
        for state, size, lacking, way in sent:
            messages.append(body(len(messages), number, state, size, min(size, lacking), direction=way))
        opaque += [{"flow": number, "kind": kind, "bytes": octets} for kind, octets in closed]
    made = gathered(flows, messages, opaque)
    for way, column in (("sent", "bytes_out"), ("received", "bytes_in")):
        of_way = made["readings"].filter(pc.equal(made["readings"]["direction"], way))
        assert sum(rows(of_way, "bytes")) == sum(f[column] for f in flows)
    assert sum(rows(made["readings"], "bodies")) == sum(m["reading"] != EMPTY for m in messages)
    assert set(rows(made["flows"], "reading")) <= {*STATES, PART}
    unread = {n for n, f in enumerate(given_flows) if any(s not in (UNDERSTOOD, EMPTY) for s, *_ in f[3]) or f[4]}
    for number, state in enumerate(rows(made["flows"], "reading")):
        assert state != UNDERSTOOD or number not in unread


def test_every_kind_of_opaque_has_a_state() -> None:
    assert {of_opaque(k) for k in KINDS} <= set(STATES)


def test_what_a_protocol_that_is_not_web_traffic_carried_is_of_its_state() -> None:
    """``opaque`` and ``readings`` name the same octets alike, also where they were taken for messages."""
    made = gathered(
        [flow(0, bytes_out=100, bytes_in=50)],
        [
            body(0, 0, "sealed", 60, 60, exchange=None),
            body(1, 0, "not_understood", 40, 40, exchange=None),
            body(2, 0, "not_understood", 50, 50, exchange=None, direction="received"),
        ],
        [{"flow": 0, "kind": "non_http", "cause": "unknown", "bytes": 150}],
    )
    assert rows(made["destinations"], "reading")[0] == "non_http"
    assert sum(rows(made["readings"], "bytes")) == 150
    assert set(rows(made["readings"], "state")) == {"non_http"}
