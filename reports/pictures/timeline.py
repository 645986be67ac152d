"""Every message over the session, a row for each company: short ticks carried personal data, tall ones a type of the
most sensitive class, faint ones a weak sign only, broken ones could not be read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from analysis.reading_states import SILENT, UNDERSTOOD
from reports import svg
from reports.facts import Company, Facts
from reports.pictures import NARROW
from reports.words import Words

ROWS = 20
_MINUTE = 60_000_000
_STEPS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880, 10_080)


@dataclass(slots=True)
class Row:
    """Moments in microseconds by kind of tick."""

    company: Company
    personal: list[int] = field(default_factory=list)
    faint: list[int] = field(default_factory=list)
    sensitive: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)


def gather(facts: Facts) -> list[Row]:
    """Rows in the order of the companies."""
    rows = {c.id: Row(c) for c in facts.companies}
    messages: dict[tuple[str | None, int], bool] = defaultdict(bool)
    for s in facts.firm:
        if s.at:
            messages[(facts.all_hosts[s.destination].company, s.at)] |= facts.is_sensitive(s.data_type)
    for company, at in {(facts.all_hosts[s.destination].company, s.at) for s in facts.sent if s.at} - messages.keys():
        rows[company].faint.append(at)
    for (company, at), sensitive in messages.items():
        (rows[company].sensitive if sensitive else rows[company].personal).append(at)
    for flow, reading in facts.flow_reading.items():
        place, first = facts.flow_destination[flow], facts.flow_first[flow]
        if first and reading not in (UNDERSTOOD, SILENT) and place in facts.app_places:
            rows[facts.all_hosts[place].company].closed.append(first)
    return list(rows.values())


def draw(facts: Facts, rows: Sequence[Row], words: Words, width: int, label: str) -> Markup:
    assert facts.span is not None
    narrow = width == NARROW
    shown = rows[:ROWS]
    start = min(facts.span[0], facts.phases[0].start) if facts.phases else facts.span[0]
    end = max(facts.span[1], start + 1)
    left = 0.0 if narrow else 182.0
    room = width - left - 4
    step = 32 if narrow else 23
    top = _heads_height(facts, narrow)
    bottom = top + len(shown) * step

    def at(micros: int) -> float:
        return left + room * min(max(micros - start, 0), end - start) / (end - start)

    drawn = _bands(facts, words, at, top, bottom, narrow, width)
    for n, row in enumerate(shown):
        y = top + n * step
        base = y + step - 4
        name = words.company_short(row.company, 34 if narrow else 26)
        drawn.append(
            svg.text(0, y + 11, name, "lab halo") if narrow else svg.text(left - 10, base - 2, name, "lab", "end")
        )
        drawn.append(svg.tag("path", d=f"M{left:.0f} {base + 0.5}H{width - 4}", class_="hair"))
        drawn += _ticks(row, at, base)
        if not row.personal and not row.sensitive and not row.faint:
            drawn.append(
                svg.text(_free(row, at, left, width) + 5, base - 3, words.t("timeline.nothing"), "small it m halo")
            )
    drawn += _axis(words, at, start, end, left, bottom, width)
    return svg.picture(width, bottom + 22, label, *drawn)


def _free(row: Row, at: Any, left: float, width: int) -> float:
    """Where the widest gap between a row's ticks begins."""
    places: list[float] = [left, *sorted(at(m) for m in row.closed), float(width)]
    return max(pairwise(places), key=lambda p: (p[1] - p[0], -p[0]))[0]


def _ticks(row: Row, at: Any, base: float) -> list[Markup]:
    """Ticks at half a unit's distance at least: those that fall together grow by the root of their number, the most
    sensitive ones never fall under others."""
    drawn = []
    for moments, style, high in (
        (row.closed, "tk broken", 11.0),
        (row.faint, "tk faint", 6.0),
        (row.personal, "tk", 6.0),
        (row.sensitive, "tk tall", 13.0),
    ):
        places: dict[int, int] = defaultdict(int)
        for moment in moments:
            places[round(at(moment) * 2)] += 1
        if places:
            data = "".join(
                f"M{svg.number(x / 2)} {svg.number(base)}v-{svg.number(min(high + 1.2 * (math.sqrt(n) - 1), high + 4))}"
                for x, n in sorted(places.items())
            )
            drawn.append(svg.tag("path", d=data, class_=style))
    return drawn


_LANE = 14


def _heads_height(facts: Facts, narrow: bool) -> float:
    return (4 if not facts.phases else _LANE * (5 if narrow else 3)) + 6.0


def _bands(facts: Facts, words: Words, at: Any, top: float, bottom: float, narrow: bool, width: int) -> list[Markup]:
    """The phases, every second one on a ground of its own; their names in as many lanes as they need."""
    drawn: list[Markup] = []
    lanes = [0.0] * (5 if narrow else 3)
    for n, phase in enumerate(facts.phases):
        x0, x1 = at(phase.start), at(phase.end)
        if n % 2 == 0:
            drawn.append(svg.tag("rect", x=x0, y=top, width=max(x1 - x0, 0.5), height=bottom - top, class_="wash"))
        name = words.phase(phase.name).striptags()
        rust = " rusttext strong" if phase.name == "consent_refused" else ""
        wide = len(name) * (6.0 if narrow else 6.6) + 6
        x = min(x0, width - wide)
        lane = next((i for i in reversed(range(len(lanes))) if lanes[i] <= x), None)
        y = top - 8
        if lane is None:
            # No room for the name: its line stays, and the table beneath names it.
            drawn.append(svg.tag("path", d=f"M{x0:.1f} {top - 5:.1f}V{bottom:.1f}", class_="phase"))
            continue
        lanes[lane] = x + wide
        y = top - 8 - (len(lanes) - 1 - lane) * _LANE
        drawn.append(svg.tag("path", d=f"M{x0:.1f} {y - 9:.1f}V{bottom:.1f}", class_="phase"))
        drawn.append(svg.text(x + 3, y, name, f"small{rust} halo"))
    return drawn


def _axis(words: Words, at: Any, start: int, end: int, left: float, bottom: float, width: int) -> list[Markup]:
    minutes = (end - start) / _MINUTE
    step = next(
        (s for s in _STEPS if minutes / s <= (5 if width == NARROW else 10)),
        _STEPS[-1] * math.ceil(minutes / _STEPS[-1] / 8),
    )
    unit, size = ("unit.min", 1.0) if step >= 1 else ("unit.s", 60.0)
    if step >= 240:
        unit, size = "unit.h", 1 / 60
    drawn = []
    n = 0
    while n * step <= minutes and n < 20:
        x = at(start + int(n * step * _MINUTE))
        value = words.number(n * step * size, 1)
        text = words.t(unit, n=value) if n == 0 else value
        drawn.append(svg.text(x, bottom + 15, text, "small m", "start" if n == 0 else "middle"))
        n += 1
    return drawn
