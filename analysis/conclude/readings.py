"""Readings: how far what each flow and each destination exchanged could be read, on the one scale of states.

Each octet of a flow that counts stands once: in the state of the message that it belongs to, else under what
``opaque`` says of the flow, else it was understood where the flow was opened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from analysis.reading_states import (
    EMPTY,
    ENCRYPTED,
    NON_HTTP,
    NOT_UNDERSTOOD,
    SEALED,
    SILENT,
    STATES,
    UNDERSTOOD,
    of_opaque,
    together,
)
from analysis.tables import TABLES, Tables

_OUT, _BACK = "sent", "received"
_Place = tuple[int, str | None]
"""Destination, and whose."""


@dataclass(slots=True)
class _Flow:
    place: _Place
    left: dict[str, int]
    """Octets that are in no message, by direction."""
    decrypted: bool
    of_messages: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Octets of messages, by state; also of those that nobody counted, as 0."""
    closed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Octets of ``opaque``, by state."""


@dataclass(slots=True)
class _Sums:
    bodies: int = 0
    octets: int = 0


def gather(tables: Tables) -> Tables:
    """Tables ``flows`` and ``destinations`` with their reading, and ``readings``. ``tables["opaque"]`` is that of
    ``opaque.gather``."""
    flows, sums = _flows(tables), _Messages()
    places = {e: (to, whose) for e, to, whose in _rows(tables, "exchanges", "exchange", "destination", "whose")}
    for flow, kind, octets in _rows(tables, "opaque", "flow", "kind", "bytes"):
        if flow in flows:
            flows[flow].closed[of_opaque(kind)] += octets or 0
    wanted = ("flow", "exchange", "direction", "reading", "bytes", "bytes_not_understood")
    for flow, exchange, direction, state, size, lacking in _rows(tables, "messages", *wanted):
        if flow in flows:
            to, whose = places.get(exchange) or flows[flow].place
            state = state or NOT_UNDERSTOOD
            if exchange is None and NON_HTTP in flows[flow].closed and state in (NOT_UNDERSTOOD, SEALED):
                state = NON_HTTP  # as ``opaque`` has these octets
            sums.add(flows[flow], (to, whose), direction, state, size or 0, lacking or 0)
    for one in flows.values():
        sums.rest(one)
    made = dict(tables)
    made["flows"] = _with(
        tables["flows"], "reading", {n: together(sums.of_flow[id(f)]) for n, f in flows.items()}, "flow"
    )
    made["readings"] = sums.table()
    for name, whose, default in (("reading", None, SILENT), ("app_reading", "app", None)):
        states = sums.of_destinations(whose)
        made["destinations"] = _with(made["destinations"], name, states, "destination", default)
    return made


class _Messages:
    """Octets and bodies by place, direction and state."""

    def __init__(self) -> None:
        self._rows: dict[tuple[_Place, str, str], _Sums] = defaultdict(_Sums)
        self.of_flow: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, flow: _Flow, place: _Place, direction: str, state: str, size: int, lacking: int) -> None:
        """One message. What of its body was understood counts as such, whatever the state of the rest."""
        passed = direction in flow.left
        parts = {UNDERSTOOD: size} if state in (UNDERSTOOD, EMPTY) else {state: lacking, UNDERSTOOD: size - lacking}
        for part, octets in parts.items():
            if part != state and octets <= 0 and state != EMPTY:
                continue
            octets = min(octets, flow.left[direction]) if passed else octets
            self._count(flow, place, direction, part, octets, int(part == state), passed)
            if passed:
                flow.left[direction] -= octets
                flow.of_messages[part] += octets

    def rest(self, flow: _Flow) -> None:
        """What of a flow is in no message: what ``opaque`` has beyond its messages, and what else was read."""
        left = sum(flow.left.values())
        shares = {}
        for state in STATES:
            if state not in flow.closed:
                continue
            octets = min(max(flow.closed[state] - flow.of_messages.get(state, 0), 0), left)
            left -= octets
            if octets or state not in flow.of_messages:
                shares[state] = octets
        if left or not (shares or flow.of_messages):
            read = UNDERSTOOD if flow.decrypted else ENCRYPTED
            state = read if left else SILENT
            shares[state] = shares.get(state, 0) + left
        for state, octets in shares.items():
            total = sum(flow.left.values())
            out = octets * flow.left[_OUT] // total if total else 0
            back = min(octets - out, flow.left[_BACK])
            out = octets - back
            flow.left[_OUT] -= out
            flow.left[_BACK] -= back
            if out or not back:
                self._count(flow, flow.place, _OUT, state, out, 0, True)
            if back:
                self._count(flow, flow.place, _BACK, state, back, 0, True)

    def _count(
        self, flow: _Flow, place: _Place, direction: str, state: str, octets: int, bodies: int, passed: bool
    ) -> None:
        sums = self._rows[place, direction, state]
        sums.octets += octets
        sums.bodies += bodies
        if passed:
            self.of_flow[id(flow)][state] += octets

    def of_destinations(self, whose: str | None) -> dict[int, str]:
        """The state of each destination that anything passed to, or all that was whose."""
        octets: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for ((to, of), direction, state), sums in self._rows.items():
            if direction in (_OUT, _BACK) and (whose is None or of == whose):
                octets[to][state] += sums.octets
        return {to: together(states) for to, states in octets.items()}

    def table(self) -> pa.Table:
        """Rows of ``readings``."""
        order = {state: n for n, state in enumerate(STATES)}
        rows = sorted(self._rows.items(), key=lambda r: (r[0][0][0], r[0][0][1] or "", r[0][1], order[r[0][2]]))
        return TABLES["readings"].from_rows(
            {
                "destination": to,
                "whose": whose,
                "direction": direction,
                "state": state,
                "bodies": sums.bodies,
                "bytes": sums.octets,
            }
            for ((to, whose), direction, state), sums in rows
        )


def _flows(tables: Tables) -> dict[int, _Flow]:
    """The flows that count."""
    made = {}
    wanted = ("flow", "same_as", "destination", "whose", "decrypted", "bytes_out", "bytes_in")
    for flow, same_as, to, whose, decrypted, out, back in _rows(tables, "flows", *wanted):
        if same_as is None:
            made[flow] = _Flow((to, whose), {_OUT: out or 0, _BACK: back or 0}, bool(decrypted))
    return made


def _rows(tables: Tables, name: str, *columns: str) -> Iterator[tuple[Any, ...]]:
    yield from zip(*(tables[name][c].to_pylist() for c in columns), strict=True)


def _with(table: pa.Table, name: str, values: Mapping[int, str], key: str, default: str | None = None) -> pa.Table:
    column = pa.array([values.get(n, default) for n in table[key].to_pylist()], pa.string())
    return table.set_column(table.schema.get_field_index(name), name, column)
