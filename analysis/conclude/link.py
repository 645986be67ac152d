"""Link: identifiers that reached more than one destination, by which their receivers can match their records.

That any of them did is not shown by a capture. Values are compared by their keyed hash alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.tables import TABLES, Tables

if TYPE_CHECKING:
    from analysis.reference import Reference

GROUPS = frozenset({"identity", "device id", "contact", "government id", "financial"})
"""Groups of data types whose values single somebody out. A country, a language or a price does not."""
_NOT_ALONE = frozenset({"gender", "nationality", "marital_status", "religion", "ethnicity", "date_of_birth"})
"""Types of these groups that many people share."""


def identifiers(tables: Tables, reference: Reference) -> pa.Table:
    """A row for each identifier that at least two destinations received from the app under test: what the phone's
    system or another app sent is not its doing."""
    at = dict(
        zip(
            tables["messages"]["message"].to_pylist(),
            tables["messages"]["at"].cast(pa.int64()).to_pylist(),
            strict=True,
        )
    )
    columns = ("destination", "operator", "receiver")
    of = {
        number: (operator, key) for number, operator, key in zip(*_lists(tables["destinations"], columns), strict=True)
    }
    sent = tables["transmissions"]
    sent = sent.filter(pc.equal(sent["counts"], "sent"))
    wanted = ("value_key", "data_type", "destination", "message")
    found: dict[tuple[str, str], tuple[set[int], list[int]]] = defaultdict(lambda: (set(), []))
    for key, kind, destination, message in zip(*(sent[c].to_pylist() for c in wanted), strict=True):
        if not _single(kind, reference):
            continue
        places, times = found[(key, kind)]
        places.add(destination)
        if at.get(message) is not None:
            times.append(at[message])
    rows = [
        {
            "value_key": key,
            "data_type": kind,
            "destinations": sorted(places),
            "receivers": sorted({of[p][1] for p in places if of[p][1] is not None}),
            "operators": sorted({of[p][0] for p in places if of[p][0] is not None}),
            "first": min(times, default=None),
            "last": max(times, default=None),
        }
        for (key, kind), (places, times) in sorted(found.items())
        if len(places) > 1
    ]
    return TABLES["links"].from_rows(rows)


def _lists(table: pa.Table, names: Sequence[str]) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def _single(data_type: str, reference: Reference) -> bool:
    kind = reference.data_types.get(data_type)
    if kind is None:
        return True  # the persona's own name: planted, so it is somebody's
    return kind.group in GROUPS and data_type not in _NOT_ALONE
