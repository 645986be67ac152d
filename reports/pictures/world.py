"""The map: in which countries the machines stood that answered.

Equal Earth (Savric, Patterson and Jenny, 2018), cut in an ocean. Coasts only, so that no border takes a side. A mark
stands at a fixed point of its country, never at a machine; a line says how much went there, never which way.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from reports import marks, svg
from reports.facts import Facts, Host, surest
from reports.pictures import NARROW, WIDE
from reports.pictures.labels import Board
from reports.words import Words

_A = (1.340264, -0.081106, 0.000893, 0.003796)
_SOUTH, _NORTH = -56.0, 83.7
CENTRES = (150.0, 11.0)
"""Meridians in the middle of the map: the cut opposite runs through the Atlantic or the Pacific."""
LABELLED = 30
_STRIP = 12
"""Hosts of a country that have a mark each; above, the marks are counted."""


def equal_earth(longitude: float, latitude: float) -> tuple[float, float]:
    """Plane coordinates of a point in degrees, for a sphere of radius 1."""
    theta = math.asin(math.sqrt(3) / 2 * math.sin(math.radians(latitude)))
    t2 = theta * theta
    t6 = t2 * t2 * t2
    slope = _A[0] + 3 * _A[1] * t2 + t6 * (7 * _A[2] + 9 * _A[3] * t2)
    x = 2 * math.sqrt(3) * math.radians(longitude) * math.cos(theta) / (3 * slope)
    return x, theta * (_A[0] + _A[1] * t2 + t6 * (_A[2] + _A[3] * t2))


_HALF = equal_earth(180, 0)[0]
_SCALE = (WIDE - 8) / (2 * _HALF)
_TOP = equal_earth(0, _NORTH)[1]
HEIGHT = round((_TOP - equal_earth(0, _SOUTH)[1]) * _SCALE)


class Projection:
    """Degrees to units of the wide picture, for a middle meridian."""

    def __init__(self, centre: float) -> None:
        self.centre = centre

    def shift(self, longitude: float) -> float:
        return (longitude - self.centre + 180) % 360 - 180

    def flat(self, shifted: float, latitude: float) -> tuple[float, float]:
        x, y = equal_earth(shifted, latitude)
        return WIDE / 2 + x * _SCALE, (_TOP - y) * _SCALE

    def __call__(self, longitude: float, latitude: float) -> tuple[float, float]:
        return self.flat(self.shift(longitude), latitude)


def land(coasts: Iterable[Sequence[tuple[float, float]]], projection: Projection) -> Markup:
    """The coasts as one path with the id ``land``, for both widths."""
    data = []
    for ring in map(_unwrapped, coasts):
        if max(lat for _, lat in ring) < _SOUTH:
            continue
        for turn in (0.0, 360.0, -360.0):
            piece = [(lon - projection.centre + turn, max(min(lat, _NORTH), _SOUTH)) for lon, lat in ring]
            if max(x for x, _ in piece) < -180 or min(x for x, _ in piece) > 180:
                continue
            piece = _clip(_clip(piece, -180.0, 1), 180.0, -1)
            if len(piece) > 2:
                data.append(svg.path((projection.flat(x, y) for x, y in piece), close=True))
    return svg.tag("path", id="land", d="".join(data))


def _unwrapped(ring: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A ring whose longitudes go on beyond 180 degrees instead of jumping to the other side."""
    made = [ring[0]]
    for longitude, latitude in ring[1:]:
        turns = round((made[-1][0] - longitude) / 360)
        made.append((longitude + 360 * turns, latitude))
    return made


def _clip(ring: list[tuple[float, float]], edge: float, side: int) -> list[tuple[float, float]]:
    """The part of a ring on one side of a meridian (Sutherland and Hodgman, 1974)."""
    made: list[tuple[float, float]] = []
    for n, here in enumerate(ring):
        before = ring[n - 1]
        inside, was = (here[0] - edge) * side >= 0, (before[0] - edge) * side >= 0
        if inside != was:
            share = (edge - before[0]) / (here[0] - before[0])
            made.append((edge, before[1] + share * (here[1] - before[1])))
        if inside:
            made.append(here)
    return made


# ------------------------------------------------------------------------------------------------ the marks


@dataclass(slots=True)
class _Spot:
    """What stands at a country."""

    code: str
    x: float
    y: float
    hosts: list[Host] = field(default_factory=list)
    refuted: int = 0

    @property
    def best(self) -> str:
        return surest(self.hosts)


def spots(facts: Facts) -> dict[str, list[Host]]:
    """Hosts by the country that is drawn: those of level 2 and better, and those that one source names."""
    return {
        code: facts.placed.get(code, []) + facts.named_weakly.get(code, [])
        for code in [*facts.placed, *(c for c in facts.named_weakly if c not in facts.placed)]
    }


def choose_centre(facts: Facts) -> float:
    """The middle meridian for which the lines from the vantage are shortest; without one, that from which the
    countries are nearest."""
    start = facts.vantage.get("longitude")
    labels = facts.reference.distance.labels
    places = [labels[c][1] for c in spots(facts) if c in labels]

    def length(centre: float) -> float:
        at = Projection(centre).shift
        return sum(abs(at(p) - (at(start) if start is not None else 0.0)) for p in places)

    return min(CENTRES, key=lambda c: (round(length(c)), CENTRES.index(c)))


def draw(facts: Facts, words: Words, width: int, label: str, projection: Projection) -> Markup:
    scale = width / WIDE
    narrow = width == NARROW
    found = _spots(facts, projection, scale)
    height = HEIGHT * scale + (6 if narrow else 0)
    drawn = [svg.tag("use", href="#land", class_="land", transform=f"scale({scale:.4f})")]
    start = _start(facts, projection, scale)
    board = Board(width, height)
    for spot in found:
        board.block(spot.x - 8, spot.y - 8, 16, 16)
    if start is not None:
        drawn += [_arcs(s, start, _most(facts), n) for n, s in enumerate(found)]
        board.block(start[0] - 8, start[1] - 8, 16, 16)
        drawn.append(_cross(*start))
    for n, spot in enumerate(found):
        drawn.append(_mark(spot, 9 if narrow else 13))
        if n < LABELLED:
            drawn.append(_label(spot, board, words, narrow))
    if start is not None:
        city = facts.vantage.get("city")
        text = words.t("map.phone_in", city=city) if city and not narrow else words.t("map.phone")
        wide = len(str(text)) * (5.6 if narrow else 6.4)
        x, y = board.place(start[0], start[1], wide, 15)
        drawn.append(svg.text(x, y + 11, text, "lab halo"))
    return svg.picture(width, height, label, *drawn)


def _most(facts: Facts) -> int:
    return max((h.octets_out for h in facts.hosts), default=0)


def _spots(facts: Facts, projection: Projection, scale: float) -> list[_Spot]:
    labels = facts.reference.distance.labels
    found: dict[str, _Spot] = {}

    def spot(code: str) -> _Spot | None:
        if code not in found and code in labels:
            latitude, longitude = labels[code]
            x, y = projection(longitude, max(min(latitude, _NORTH), _SOUTH))
            found[code] = _Spot(code, x * scale, y * scale)
        return found.get(code)

    for code, hosts in spots(facts).items():
        at = spot(code)
        if at is not None:
            at.hosts = sorted(hosts, key=lambda h: -h.level)
    refuted: dict[str, int] = defaultdict(int)
    for host in facts.refuted:
        for code in host.row["refuted"]:
            refuted[code] += 1
    for code, count in sorted(refuted.items()):
        at = spot(code)
        if at is not None:
            at.refuted = count
    return sorted(found.values(), key=lambda s: (-len(s.hosts), -s.refuted, s.code))


def _start(facts: Facts, projection: Projection, scale: float) -> tuple[float, float] | None:
    latitude, longitude = facts.vantage.get("latitude"), facts.vantage.get("longitude")
    if latitude is None or longitude is None:
        return None
    x, y = projection(longitude, latitude)
    return x * scale, y * scale


def _cross(x: float, y: float) -> Markup:
    return svg.tag("path", d=f"M{x - 6:.1f} {y:.1f}h12M{x:.1f} {y - 6:.1f}v12", class_="cross")


def _mark(spot: _Spot, size: float) -> Markup:
    if not spot.hosts:
        return marks.at("prefuted", spot.x, spot.y, size)
    return svg.tag("circle", cx=spot.x, cy=spot.y, r=size / 2 - 1, class_="ground") + marks.at(
        marks.place(spot.best), spot.x, spot.y, size
    )


def _arcs(spot: _Spot, start: tuple[float, float], most: int, turn: int) -> Markup:
    """One line for each style of evidence, bent to the side, wide by the root of the octets that were sent."""
    drawn = []
    for n, (levels, style) in enumerate((((3, 4), "arc"), ((2,), "arc dashed"), ((1,), "arc dotted"))):
        hosts = [h for h in spot.hosts if h.level in levels]
        if not hosts:
            continue
        octets = sum(h.octets_out for h in hosts)
        wide = 0.8 + 3.6 * math.sqrt(octets / most) if most else 0.8
        dx, dy = spot.x - start[0], spot.y - start[1]
        if math.hypot(dx, dy) < 6:
            continue
        bend = (0.12 + 0.09 * n) * (1 if dx < 0 or (dx == 0 and turn % 2) else -1)
        cx, cy = start[0] + dx / 2 - dy * bend, start[1] + dy / 2 + dx * bend
        line = f"M{start[0]:.1f} {start[1]:.1f}Q{cx:.1f} {cy:.1f} {spot.x:.1f} {spot.y:.1f}"
        drawn.append(svg.tag("path", d=line, class_=style, stroke_width=min(wide, 5.0)))
    return svg.join(drawn)


def _label(spot: _Spot, board: Board, words: Words, narrow: bool) -> Markup:
    size = 6.0 if narrow else 7.6
    if not spot.hosts:
        text = str(words.t("map.refuted_short" if narrow else "map.refuted", n=spot.refuted))
        x, y = board.place(spot.x, spot.y, len(text) * size * 0.92, 15)
        return _leader(spot, x, y, len(text) * size * 0.92, 15) + svg.text(x, y + 11, text, "lab rusttext halo")
    name = words.country_short(spot.code) if narrow else str(words.country(spot.code).striptags())
    if narrow:
        name += f" {len(spot.hosts)}"
    if all(h.level < 2 for h in spot.hosts):
        name += str(words.t("map.weak"))
    strip, strip_wide = (Markup(""), 0.0) if narrow else _strip(spot.hosts, words)
    if spot.refuted and not narrow:
        strip += marks.at("prefuted", strip_wide + 9, 5, 10) + svg.text(
            strip_wide + 16, 9.5, str(spot.refuted), "small rusttext halo"
        )
        strip_wide += 24
    wide, high = max(len(name) * size, strip_wide), 14.0 if narrow else 29.0
    x, y = board.place(spot.x, spot.y, wide, high)
    drawn = [_leader(spot, x, y, wide, high), svg.text(x, y + 11, name, "lab strong halo")]
    if strip:
        drawn.append(svg.tag("g", strip, transform=f"translate({x:.1f} {y + 17:.1f})"))
    return svg.join(drawn)


def _strip(hosts: list[Host], words: Words) -> tuple[Markup, float]:
    if len(hosts) <= _STRIP:
        return svg.join(marks.at(marks.place(h.grade), 5 + n * 11, 5, 10) for n, h in enumerate(hosts)), len(
            hosts
        ) * 11.0
    drawn, x = [], 0.0
    for grade in marks.GRADES:
        count = sum(h.grade == grade for h in hosts)
        if count:
            text = words.number(count)
            drawn += [marks.at(marks.place(grade), x + 5, 5, 10), svg.text(x + 13, 9.5, text, "small halo")]
            x += 20 + len(text) * 7
    return svg.join(drawn), x


def _leader(spot: _Spot, x: float, y: float, wide: float, high: float) -> Markup:
    nearest_x, nearest_y = min(max(spot.x, x), x + wide), min(max(spot.y, y), y + high)
    if math.hypot(nearest_x - spot.x, nearest_y - spot.y) < 15:
        return Markup("")
    return svg.tag("path", d=f"M{spot.x:.1f} {spot.y:.1f}L{nearest_x:.1f} {nearest_y:.1f}", class_="leader")
