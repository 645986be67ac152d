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
        (IDLE | {"unread": UNREACHABLE, "decrypted": False, "tcp_ms": 12.5}, None),
        # What came to the phone may be the proxy's own certificate.
        ({"unread": REFUSED, "decrypted": False}, None),
        ({"unread": REFUSED, "decrypted": False, "tcp_ms": 12.5}, None),
        ({"unread": REFUSED, "decrypted": False, "tcp_ms": 12.5, "tls_ms": 25.0}, True),
        ({"unread": SEALED, "decrypted": False}, True),
        (IDLE, None),
        (IDLE | {"packets_out": 3, "packets_in": 0}, False),
        # A TCP handshake alone, as any box on the way gives it: with and without something sent behind it.
        (IDLE | {"packets_out": 3, "packets_in": 1}, None),
        (IDLE | {"packets_out": 2, "packets_in": 1, "tcp_ms": 9.0}, None),
        ({"bytes_out": 517, "bytes_in": 0, "packets_out": 3, "packets_in": 1, "tcp_ms": 9.0}, None),
        ({"bytes_out": 9, "bytes_in": 0, "packets_out": 2, "packets_in": 0, "transport": "udp"}, None),
        ({"bytes_out": 9, "bytes_in": 1, "packets_out": 2, "packets_in": 1}, True),
        ({"bytes_out": 10, "bytes_in": 0, "packets_out": 3, "packets_in": 0}, None),
    ],
)
def test_a_connection(row: dict[str, Any], expected: bool | None) -> None:
    assert answered(flows=[flow(0, host="a.example", **row)]) == {"a.example": expected}


@pytest.mark.parametrize(
    ("directions", "kind", "status", "expected"),
    [
        (["undelivered"], "mitmproxy", None, False),
        (["undelivered", "received"], "mitmproxy", 502, False),
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
    assert answered(flows=[*flows, flow(2, host="a.example", tls_ms=3.0)]) == {"a.example": True}


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


@pytest.mark.parametrize(
    ("inside", "expected"), [({"bytes_in": 30}, None), ({"bytes_in": 30, "unread": SEALED, "decrypted": False}, True)]
)
def test_that_a_proxy_opens_a_tunnel_is_no_answer_of_the_host(inside: dict[str, Any], expected: bool | None) -> None:
    ways = [message(0, 0, exchange=0), message(1, 0, exchange=0, direction="received", kind="response")]
    rows = {
        "flows": [flow(0, host="a.example", packets_out=4, packets_in=3, **inside)],
        "exchanges": [exchange(0, 0, "a.example", method="CONNECT", status=200)],
    }
    assert answered(messages=ways, **rows) == {"a.example": expected}
