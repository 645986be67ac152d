"""Whether a destination answered: what was only tried is no machine that answered, wherever its address stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from analysis.tables import Tables

_UNREACHABLE = "server_unreachable"
_OF_THE_SERVER = frozenset({"encrypted", "sealed", "non_http", "relayed", "truncated", "not_understood"})
"""Kinds of unread octets that passed between both ends; those of other kinds may be the proxy's own."""


def of(tables: Tables) -> dict[int, bool]:
    """By destination: True where octets of its own came back, those of a TLS handshake among them; False where it was
    tried, and a proxy, a browser or the packets show that nothing of it stood. Where neither can be told it is left
    out: the phone refused the proxy before a server was asked; something was sent, and no answer is in the capture; all
    that came was a TCP handshake, which any box on the way can give, or what a proxy says of a tunnel to it."""
    said: dict[int, set[bool | None]] = defaultdict(set)
    ways = _Ways(tables)
    asked, tunnels = set(), set()
    for row in _rows(tables, "exchanges", "flow", "exchange", "destination", "status", "method"):
        asked.add(row["flow"])
        if row["method"] == "CONNECT":
            tunnels.add(row["flow"])
        if not ways.from_a_cache(row):
            said[row["destination"]].add(ways.of_exchange(row))
    for row in _rows(
        tables,
        "flows",
        *("flow", "destination", "packets_out", "packets_in", "bytes_out", "bytes_in", "tcp_ms", "tls_ms", "unread"),
    ):
        if _of_flow(row, row["flow"] in tunnels) or row["flow"] in ways.came:
            said[row["destination"]].add(True)
        elif row["flow"] not in asked:
            said[row["destination"]].add(_not_stood(row))
    return {number: True in found for number, found in said.items() if True in found or found == {False}}


class _Ways:
    """Which exchanges, and which flows outside of them, have messages of which direction."""

    def __init__(self, tables: Tables) -> None:
        self.came: set[int] = set()
        """Flows with messages of the server outside of HTTP."""
        self._exchanges: dict[str, set[int]] = defaultdict(set)
        for row in _rows(tables, "messages", "flow", "exchange", "direction"):
            if row["exchange"] is not None:
                self._exchanges[row["direction"]].add(row["exchange"])
            elif row["direction"] == "received":
                self.came.add(row["flow"])
        browsers = {r["source"] for r in _rows(tables, "sources", "source", "kind") if r["kind"] == "har"}
        self._of_browsers = {r["flow"] for r in _rows(tables, "flows", "flow", "source") if r["source"] in browsers}

    def from_a_cache(self, row: Mapping[str, Any]) -> bool:
        """A browser wrote an answer down and neither a request nor an answer passed: nobody was asked."""
        passed = any(row["exchange"] in numbers for numbers in self._exchanges.values())
        return row["status"] is not None and not passed and row["flow"] in self._of_browsers

    def of_exchange(self, row: Mapping[str, Any]) -> bool | None:
        number = row["exchange"]
        if number in self._exchanges["undelivered"]:
            return False  # what answers a request that reached nobody is the proxy's own
        if number in self._exchanges["received"]:
            # That a tunnel is opened is the proxy's word (RFC 9110 section 9.3.6).
            return None if row["method"] == "CONNECT" else True
        if number in self._exchanges["sent"]:
            return None
        # A browser writes down what it gave up before it sent anything.
        gave_up = row["status"] is None and row["flow"] in self._of_browsers
        return False if gave_up else None


def _of_flow(row: Mapping[str, Any], tunnelled: bool) -> bool:
    """Octets of the server itself are in the flow. ``tunnelled``: a proxy was asked to open a tunnel in it, and its own
    words are among the octets that came."""
    if row["tls_ms"] is not None:
        return True
    if row["packets_in"] and row["bytes_in"] and not tunnelled:
        return True
    kinds = {part["kind"] for part in row["unread"] or ()}
    return bool(row["bytes_in"]) and bool(kinds) and kinds <= _OF_THE_SERVER


def _not_stood(row: Mapping[str, Any]) -> bool | None:
    """False where a connection was tried and shown not to stand."""
    if row["tcp_ms"] is not None:
        return None
    if any(part["cause"] == _UNREACHABLE for part in row["unread"] or ()):
        return False
    only_tried = row["packets_out"] and row["packets_in"] == 0 and not row["bytes_out"]
    return False if only_tried else None


def _rows(tables: Tables, name: str, *columns: str) -> Iterator[dict[str, Any]]:
    yield from tables[name].select(list(columns)).to_pylist()
