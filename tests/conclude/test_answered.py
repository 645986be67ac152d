"""A machine that was only tried is not one that answered: it stands apart, and is never left out for want of a sign."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.conclude.destinations import gather
from analysis.reference import Reference
from tests.conclude.made import exchange, flow, message, source, tables

IDLE = {"bytes_out": 0, "bytes_in": 0}
UNREACHABLE = [{"kind": "unread", "cause": "server_unreachable", "bytes": 0, "count": 1}]
REFUSED = [{"kind": "ca_refused", "cause": "unknown_ca", "bytes": 30, "count": 1}]
SEALED = [{"kind": "sealed", "cause": "passed_through", "bytes": 30, "count": 1}]


def answered(kind: str = "mitmproxy", **rows: list[dict[str, Any]]) -> dict[str | None, bool | None]:
    made = gather(tables(sources=[source(0, kind)], **rows), Reference.load())["destinations"]
    return dict(zip(made["host"].to_pylist(), made["answered"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (IDLE | {"unread": UNREACHABLE, "decrypted": False}, False),
        (IDLE | {"unread": UNREACHABLE, "decrypted": False, "tcp_ms": 12.5}, True),
        # What came to the phone may be the proxy's own certificate.
        ({"unread": REFUSED, "decrypted": False}, None),
        ({"unread": REFUSED, "decrypted": False, "tcp_ms": 12.5}, True),
        ({"unread": SEALED, "decrypted": False}, True),
        (IDLE, None),
        (IDLE | {"packets_out": 3, "packets_in": 0}, False),
        (IDLE | {"packets_out": 3, "packets_in": 1}, True),
        ({"bytes_out": 10, "bytes_in": 0, "packets_out": 3, "packets_in": 0}, None),
    ],
)
def test_a_connection(row: dict[str, Any], expected: bool | None) -> None:
    assert answered(flows=[flow(0, host="a.example", **row)]) == {"a.example": expected}


@pytest.mark.parametrize(
    ("directions", "kind", "status", "expected"),
    [
        (["undelivered"], "mitmproxy", None, False),
        (["undelivered", "received"], "mitmproxy", 502, True),
        (["sent"], "mitmproxy", None, None),
        (["sent", "received"], "har", 200, True),
        (["received"], "har", 200, True),
        ([], "har", None, False),
        ([], "har", 200, None),
        ([], "mitmproxy", None, None),
    ],
)
def test_a_request(directions: list[str], kind: str, status: int | None, expected: bool | None) -> None:
    messages = [
        message(n, 0, exchange=0, direction=way, kind="response" if way == "received" else "request")
        for n, way in enumerate(directions)
    ]
    rows = {"flows": [flow(0, host="a.example", **IDLE)], "exchanges": [exchange(0, 0, "a.example", status=status)]}
    assert answered(kind, messages=messages, **rows) == {"a.example": expected}


def test_one_sign_is_enough_and_one_doubt_too() -> None:
    tried = IDLE | {"unread": UNREACHABLE, "decrypted": False}
    flows = [flow(0, host="a.example", **tried), flow(1, host="a.example", **tried)]
    assert answered(flows=flows) == {"a.example": False}
    assert answered(flows=[*flows, flow(2, host="a.example", **IDLE)]) == {"a.example": None}
    assert answered(flows=[*flows, flow(2, host="a.example", tcp_ms=3.0)]) == {"a.example": True}


def test_of_two_names_on_one_connection_each_speaks_for_itself() -> None:
    exchanges = [exchange(0, 0, "a.example", status=200), exchange(1, 0, "b.example")]
    messages = [
        message(0, 0, exchange=0, direction="received", kind="response"),
        message(1, 0, exchange=1, direction="undelivered"),
    ]
    assert answered(flows=[flow(0, host="a.example")], exchanges=exchanges, messages=messages) == {
        "a.example": True,
        "b.example": False,
    }
