"""In which phase of the session something was sent."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from analysis.conclude.clocks import Clocks
from analysis.folder import Manifest, micros
from analysis.tables import TABLES, Tables


def phase_marks(manifest: Manifest, events: Iterable[Mapping[str, Any]]) -> list[tuple[int, int | None, str]]:
    """The phases as (start, end or None, name), in order of time.

    Marks in ``events.jsonl`` are the record; the manifest's phases count only where there is none. A phase without an
    end lasts until the next begins."""
    marked = [
        (e["at"], e.get("end"), str(e["phase"])) for e in events if e.get("type") == "phase" and e.get("at") is not None
    ]
    if not marked:
        zone = ZoneInfo(manifest.timezone) if manifest.timezone else None
        marked = [
            (micros(p.start, zone), micros(p.end, zone) if p.end is not None else None, p.phase)
            for p in manifest.phases
        ]
    marked.sort(key=lambda m: m[0])
    return marked


def phases(tables: Tables, manifest: Manifest, events: Iterable[Mapping[str, Any]]) -> Tables:
    """Tables whose ``phase`` says in which phase a flow began, a request started, a message was sent: marks are of the
    laptop's clock, and times of the phone's are compared with it by what the manifest states."""
    events = list(events)
    marks = phase_marks(manifest, events)
    made = dict(tables)
    clocks = Clocks(made["flows"], made["sources"], manifest, events)
    sources = made["flows"]["source"].to_pylist()
    shifts = {source: clocks.shift(source) for source in set(sources)}
    ahead = {f: shifts[s] for f, s in zip(made["flows"]["flow"].to_pylist(), sources, strict=True) if shifts[s]}
    at = dict(zip(made["messages"]["message"].to_pylist(), _micros(made["messages"]["at"]), strict=True))
    times = {
        "flows": (made["flows"]["flow"], _micros(made["flows"]["first"])),
        "exchanges": (made["exchanges"]["flow"], _micros(made["exchanges"]["started"])),
        "transmissions": (
            made["transmissions"]["flow"],
            [at.get(m) for m in made["transmissions"]["message"].to_pylist()],
        ),
    }
    for name, (of, told) in times.items():
        if ahead:
            told = [None if t is None else t - ahead.get(f, 0) for f, t in zip(of.to_pylist(), told, strict=True)]
        made[name] = _phased(name, made[name], told, marks)
    return made


def _micros(column: Any) -> list[int | None]:
    found: list[int | None] = column.cast(pa.int64()).to_pylist()
    return found


def _phased(name: str, table: pa.Table, times: list[int | None], marks: list[tuple[int, int | None, str]]) -> pa.Table:
    starts = [m[0] for m in marks]
    values = [_phase_at(at, marks, starts) if at is not None else None for at in times]
    index = table.schema.get_field_index("phase")
    return table.set_column(index, "phase", pa.array(values, TABLES[name].schema.field("phase").type))


def _phase_at(at: int, marks: list[tuple[int, int | None, str]], starts: list[int]) -> str | None:
    """The phase that began last before ``at`` and was not over: within a phase of stated length another may pass."""
    latest = bisect_right(starts, at) - 1
    for place in range(latest, -1, -1):
        end = marks[place][1]
        if at < end if end is not None else place == latest:
            return marks[place][2]
    return None
