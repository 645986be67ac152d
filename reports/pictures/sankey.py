"""From data to company to machine, or to the states whose law reaches the company.

A stripe is one type of data at one host, all equally wide: a thick band means more kinds of data, not more bytes. What
could not be read has stripes of its own. With many hosts a stripe is a type at a company, with very many its width
grows with the root of the hosts; the caption says which.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from reports import svg
from reports.facts import Company, Facts, Host
from reports.pictures import NARROW
from reports.words import Words

Right = Literal["place", "law"]
SCALE = (100, 5000)
"""Hosts above which a stripe is a type at a company, and above which its width is root-scaled."""
_TYPES, _COMPANIES, _STATES = {True: 8, False: 15}, {True: 9, False: 13}, {True: 9, False: 14}
_CLOSED, _FURTHER, _UNKNOWN, _NOT_SHOWN = "!closed", "!further", "!unknown", "!not_shown"


@dataclass(slots=True)
class _Node:
    key: str
    label: str
    style: str = "full"
    """``full``; ``open`` for what is folded or not known; ``closed`` for what could not be read."""
    strong: bool = False
    size: float = 0.0
    y: float = 0.0


@dataclass(frozen=True, slots=True)
class Folded:
    """What a picture of this width folds, for the list beneath it."""

    types: list[str]
    companies: list[Company]


@dataclass(slots=True)
class _Flow:
    """Stripes between nodes. ``style`` of the right half: ``sure``, ``two``, ``parent``, ``owner``, ``none``."""

    left: str
    middle: str
    right: str
    style: str
    weight: float
    once: float
    """Its share of the left half: a stripe that ends at several states is drawn there once."""


def folded(facts: Facts, narrow: bool) -> Folded:
    types = list(facts.types)
    kept = _kept_types(facts, narrow)
    companies = [c for c in facts.companies if c.id is not None]
    return Folded([t for t in types if t not in kept], companies[_COMPANIES[narrow] :])


def _kept_types(facts: Facts, narrow: bool) -> list[str]:
    """The most sensitive types first, which never fold; then those at most hosts."""
    sensitive = facts.sensitive_types
    others = [t for t in facts.types if t not in set(sensitive)]
    room = max(_TYPES[narrow] - len(sensitive), 0)
    return sensitive + (others if len(others) == room + 1 else others[:room])


def draw(facts: Facts, words: Words, width: int, label: str, right: Right) -> Markup:
    narrow = width == NARROW
    flows = _flows(facts, narrow, right)
    if not flows:
        return svg.picture(width, 40, label, svg.text(0, 24, words.t("sankey.nothing"), "lab it"))
    columns = _columns(facts, words, flows, narrow, right)
    for side, column in zip(("left", "middle", "right"), columns, strict=True):
        left: dict[str, float] = defaultdict(float)
        right_: dict[str, float] = defaultdict(float)
        for flow in flows:
            left[getattr(flow, side)] += flow.once
            right_[getattr(flow, side)] += flow.weight
        for node in column:
            # A company is as tall as the longer of its two sides.
            node.size = left[node.key] if side == "left" else max(left[node.key], right_[node.key])
    columns = [[n for n in column if n.size] for column in columns]
    height, unit = _lay(columns, narrow)
    xs = (100.0, 178.0, 264.0) if narrow else (204.0, 446.0, 678.0)
    heads = ("sankey.what", "sankey.who", f"sankey.{right}")
    drawn = [
        svg.text(xs[0] + 9, 12, words.t(heads[0]), "small m", "end"),
        svg.text(xs[1] - 4 if narrow else xs[1] + 5, 12, words.t(heads[1]), "small m", "middle"),
        svg.text(xs[2], 12, words.t(heads[2]), "small m"),
    ]
    drawn += _ribbons(flows, columns, xs, unit)
    for n, column in enumerate(columns):
        for node in column:
            drawn.append(_node(node, xs[n], n, narrow))
    return svg.picture(width, height, label, *drawn, class_="sankey")


# -------------------------------------------------------------------------------------------------- stripes


def _flows(facts: Facts, narrow: bool, right: Right) -> list[_Flow]:
    kept = set(_kept_types(facts, narrow))
    named = {c.id for c in facts.known_companies[: _COMPANIES[narrow]]}
    states = _states(facts, right)
    shown_states = set(states[: _STATES[narrow]])
    counts: Counter[tuple[str, str, str, str]] = Counter()
    shares: dict[tuple[str, str, str, str], float] = defaultdict(float)
    for host in facts.hosts:
        middle = _UNKNOWN if host.company is None else host.company if host.company in named else _FURTHER
        ends = [(s if s.startswith("!") or s in shown_states else _FURTHER, style) for s, style in _ends(host, right)]
        lefts: Counter[str] = Counter(t if t in kept else _FURTHER for t in host.types)
        if host.is_closed:
            lefts[_CLOSED] += 1
        for left, n in lefts.items():
            for end, style in ends:
                counts[(left, middle, end, style)] += n
                shares[(left, middle, end, style)] += n / len(ends)
    many = len(facts.hosts)
    flows = []
    for key, n in counts.items():
        weight = float(n) if many <= SCALE[0] else 1.0 if many <= SCALE[1] else math.sqrt(n)
        flows.append(_Flow(*key, weight, weight * shares[key] / n))
    return flows


def _ends(host: Host, right: Right) -> list[tuple[str, str]]:
    """Nodes on the right that a host's stripes run to, with their style. Only documented links are drawn."""
    if right == "place":
        if host.placed is not None:
            return [(host.placed, "sure" if host.level >= 3 else "two")]
        return [(_UNKNOWN if host.level == 0 else _NOT_SHOWN, "none")]
    found: dict[str, str] = {}
    for link, style in (("operator", "sure"), ("parent", "parent"), ("machine_owner", "owner")):
        for row in host.links:
            if row["link"] == link and row["confidence"] == "verified" and row["as_of"] is None:
                found.setdefault(row["state"], style)
    return sorted(found.items()) or [(_UNKNOWN, "none")]


def _states(facts: Facts, right: Right) -> list[str]:
    counts: Counter[str] = Counter()
    for host in facts.hosts:
        for state, _ in _ends(host, right):
            counts[state] += len(host.types) + host.is_closed
    return [s for s, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if not s.startswith("!")]


# ---------------------------------------------------------------------------------------------------- nodes


def _columns(facts: Facts, words: Words, flows: Sequence[_Flow], narrow: bool, right: Right) -> list[list[_Node]]:
    fold = folded(facts, narrow)
    most = 16 if narrow else 32
    left = [_Node(t, words.type_short(t, most), strong=facts.is_sensitive(t)) for t in _kept_types(facts, narrow)]
    left += [
        _Node(_FURTHER, str(words.t("sankey.further_types", n=len(fold.types))), "open"),
        _Node(_CLOSED, str(words.t("sankey.closed_short" if narrow else "sankey.closed")), "closed"),
    ]
    middle = [
        _Node(
            c.id or "", words.company_short(c, 15 if narrow else 26), "full" if c.confidence == "verified" else "memory"
        )
        for c in facts.known_companies[: _COMPANIES[narrow]]
    ]
    further = "sankey.further_short" if narrow else "sankey.further_companies"
    middle += [
        _Node(_FURTHER, str(words.t(further, n=len(fold.companies))), "open"),
        _Node(_UNKNOWN, str(words.t("company.unknown_short" if narrow else "company.unknown")), "open"),
    ]
    states = _states(facts, right)
    ends = [_Node(s, words.country_short(s, 13 if narrow else 24)) for s in states[: _STATES[narrow]]]
    ends += [
        _Node(_FURTHER, str(words.t("sankey.further_states", n=max(len(states) - _STATES[narrow], 0))), "open"),
        _Node(_NOT_SHOWN, str(words.t("sankey.not_shown")), "open"),
        _Node(_UNKNOWN, str(words.t("sankey.no_place" if right == "place" else "sankey.no_state")), "open"),
    ]
    return [left, middle, ends]


def _lay(columns: list[list[_Node]], narrow: bool) -> tuple[float, float]:
    """Give every node its height and place; the height of the picture, and the width of a stripe."""
    slot, gap = (14.0, 5.0) if narrow else (16.0, 7.0)
    target = 520.0 if narrow else 560.0
    unit = min((target - gap * len(column)) / max(sum(n.size for n in column), 1.0) for column in columns if column)
    unit = min(max(unit, 0.35), 7.0)
    heights = []
    for column in columns:
        y = 24.0
        for node in column:
            node.size *= unit
            room = max(node.size + gap, slot)
            node.y = y + (room - node.size) / 2
            y += room
        heights.append(y)
    tallest = max(heights)
    for column, height in zip(columns, heights, strict=True):
        # A shorter column is spread out to the height of the tallest.
        spread = (tallest - height) / max(len(column), 1)
        for n, node in enumerate(column):
            node.y += spread * (n + 0.5)
    return tallest + 4, unit


def _node(node: _Node, x: float, column: int, narrow: bool) -> Markup:
    wide = 8 if narrow else 10
    style = {"full": "ink", "memory": "ground inkline", "open": "ground inkline", "closed": "f-refused inkline"}[
        node.style
    ]
    parts = [svg.tag("rect", x=x, y=node.y, width=wide, height=max(node.size, 1.0), class_="ground")]
    parts.append(svg.tag("rect", x=x, y=node.y, width=wide, height=max(node.size, 1.0), class_=style))
    y = node.y + node.size / 2 + 4.2
    look = "lab strong" if node.strong else "lab it" if node.style in ("open", "closed") else "lab"
    if column == 0:
        parts.append(svg.text(x - 6, y, node.label, look, "end"))
    else:
        parts.append(svg.text(x + wide + 5, y, node.label, look + (" halo" if column == 1 else "")))
    return svg.join(parts)


# -------------------------------------------------------------------------------------------------- ribbons


def _ribbons(flows: Sequence[_Flow], columns: list[list[_Node]], xs: Sequence[float], unit: float) -> list[Markup]:
    rank = [{n.key: i for i, n in enumerate(column)} for column in columns]
    nodes = [{n.key: n for n in column} for column in columns]
    wide = 8.0 if xs[0] < 150 else 10.0
    drawn: list[Markup] = []
    halves: Iterable[tuple[int, Mapping[tuple[str, str, str], float]]] = (
        (0, _first(flows)),
        (1, _second(flows)),
    )
    for half, bands in halves:
        start = {k: n.y for k, n in nodes[half].items()}
        end = {k: n.y for k, n in nodes[half + 1].items()}
        order = sorted(bands, key=lambda b: (rank[half][b[0]], rank[half + 1][b[1]], b[2]))
        tops = {}
        for band in order:
            tops[band] = start[band[0]]
            start[band[0]] += bands[band] * unit
        for band in sorted(order, key=lambda b: (rank[half + 1][b[1]], rank[half][b[0]], b[2])):
            drawn.append(
                _ribbon(xs[half] + wide, tops[band], xs[half + 1], end[band[1]], bands[band] * unit, f"rb {band[2]}")
            )
            end[band[1]] += bands[band] * unit
    return drawn


def _first(flows: Sequence[_Flow]) -> dict[tuple[str, str, str], float]:
    """Bands from type to company. A stripe within reach of several laws is one stripe here."""
    bands: dict[tuple[str, str, str], float] = defaultdict(float)
    for flow in flows:
        bands[(flow.left, flow.middle, "closed" if flow.left == _CLOSED else "type")] += flow.once
    return bands


def _second(flows: Sequence[_Flow]) -> dict[tuple[str, str, str], float]:
    """Bands from company to the right."""
    bands: dict[tuple[str, str, str], float] = defaultdict(float)
    for flow in flows:
        bands[(flow.middle, flow.right, "closed" if flow.left == _CLOSED else flow.style)] += flow.weight
    return bands


def _ribbon(x0: float, y0: float, x1: float, y1: float, size: float, style: str) -> Markup:
    middle = (x0 + x1) / 2
    n = svg.number
    data = (
        f"M{n(x0)} {n(y0)}C{n(middle)} {n(y0)} {n(middle)} {n(y1)} {n(x1)} {n(y1)}"
        f"v{n(size)}C{n(middle)} {n(y1 + size)} {n(middle)} {n(y0 + size)} {n(x0)} {n(y0 + size)}z"
    )
    return svg.tag("path", d=data, class_=style)
