"""Whether a flow, an exchange or a transmission counts, decided once: whoever states a number groups by ``counts``.

The words, in the order in which they are tried, so that each row has one and the rows of all words are the table:

``duplicate``     the same traffic seen on another leg or in another file (``flows.same_as``)
``not_personal``  of transmissions alone: technical data
``other``         another app's
``system``        the phone's own system's, or what stays on the local network
``undelivered``   nothing of it reached a server: never handed on, answered on the way, or tried in vain
``received``      of transmissions alone: in an answer to the phone
``sent``          of transmissions: it left the phone for the app under test, which nothing gives to another
``app``           of flows and exchanges: the app under test's
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analysis.tables import Tables

if TYPE_CHECKING:
    from analysis.reference import Reference

_OTHERS = frozenset({"other", "system"})


def counts(tables: Tables, reference: Reference) -> Tables:
    """Tables whose flows, exchanges and transmissions say in ``counts`` whether they count, and why not.

    They have their destinations, ``whose`` and ``same_as`` already."""
    made = dict(tables)
    again = {flow for flow, same_as in _columns(made, "flows", "flow", "same_as") if same_as is not None}
    silent = {n for n, answered in _columns(made, "destinations", "destination", "answered") if answered is False}
    silent.add(None)
    reached = _reached(made)
    of_exchange: dict[int, str] = {}
    outcomes: dict[int, set[bool]] = defaultdict(set)
    """Of each flow's exchanges, and of its messages outside of them: whether something passed."""
    for exchange, flow, place, whose in _columns(made, "exchanges", "exchange", "flow", "destination", "whose"):
        passed = exchange in reached and place not in silent
        outcomes[flow].add(passed)
        of_exchange[exchange] = _word(flow in again, whose, passed, "app")
    flows = [
        _word(flow in again, whose, True in outcomes[flow] if flow in outcomes else place not in silent, "app")
        for flow, place, whose in _columns(made, "flows", "flow", "destination", "whose")
    ]
    made["flows"] = _with(made["flows"], flows)
    made["exchanges"] = _with(made["exchanges"], list(of_exchange.values()))
    wanted = ("flow", "destination", "whose", "direction", "data_type")
    made["transmissions"] = _with(
        made["transmissions"],
        [
            _of_transmission(flow in again, whose, direction, place in silent, reference.is_personal(kind))
            for flow, place, whose, direction, kind in _columns(made, "transmissions", *wanted)
        ],
    )
    return made


def _of_transmission(again: bool, whose: str, direction: str, in_vain: bool, personal: bool) -> str:
    if not again and not personal:
        return "not_personal"
    return _word(again, whose, direction != "undelivered" and not in_vain, direction)


def _word(again: bool, whose: str, passed: bool, counts: str) -> str:
    if again:
        return "duplicate"
    if whose in _OTHERS:
        return whose
    return counts if passed else "undelivered"


def _reached(tables: Tables) -> set[int]:
    """Exchanges of which the request was handed on or something came back."""
    return {
        exchange
        for exchange, direction in _columns(tables, "messages", "exchange", "direction")
        if exchange is not None and direction != "undelivered"
    }


def _columns(tables: Tables, name: str, *columns: str) -> list[tuple[Any, ...]]:
    return list(zip(*(tables[name][c].to_pylist() for c in columns), strict=True))


def _with(table: pa.Table, values: list[str]) -> pa.Table:
    return table.set_column(table.schema.get_field_index("counts"), "counts", pa.array(values, pa.string()))
