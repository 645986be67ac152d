"""The rings: how far from the phone's line each answer can at most have come, distances true from the middle.

Azimuthal equidistant around the vantage point. What has no place has a ring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from reports import marks, svg
from reports.facts import Facts, Host, surest
from reports.pictures.labels import Board
from reports.words import Words

_RADIUS_KM = 6371.0088
FARTHEST = 9000.0
"""Rings beyond are not drawn: the picture would show half the globe."""
_STEPS_MS = (1, 2, 5, 10, 15, 20, 30, 40, 50)


class Rings(NamedTuple):
    """Hosts that have a ring, by what the ring says."""

    bounded: list[Host]
    anycast: list[Host]
    refuted: list[Host]
    unknown: list[Host]
    """Without a country, whatever the ring."""
    reach: float
    """Kilometres from the middle to the rim."""


def gather(facts: Facts) -> Rings | None:
    """None where no picture can be drawn: no vantage, or no time that counts."""
    if facts.vantage.get("latitude") is None or facts.vantage.get("longitude") is None:
        return None
    timed = [h for h in facts.hosts if h.row["within_km"] is not None]
    if not timed:
        return None
    bounded = [h for h in timed if h.level == 4]
    anycast = [h for h in timed if h.row["anycast"] and h.level < 2]
    refuted = [h for h in timed if h.row["refuted"]]
    unknown = [h for h in facts.hosts if h.level == 0]
    shown = [h.row["within_km"] for h in [*bounded, *anycast, *refuted] if h.row["within_km"] <= FARTHEST]
    reach = min(max(max(shown, default=0.0) * 1.35, 900.0), FARTHEST)
    return Rings(bounded, anycast, refuted, unknown, reach)


def draw(facts: Facts, rings: Rings, words: Words, size: int, label: str) -> Markup:
    """``size``: width and height in units."""
    middle, radius = size / 2, size / 2 - 4
    km = radius / rings.reach
    latitude, longitude = facts.vantage["latitude"], facts.vantage["longitude"]
    clip = f"{label}-{size}-disc"
    drawn = [
        svg.tag("clipPath", svg.tag("circle", cx=middle, cy=middle, r=radius), id=clip),
        svg.tag("circle", cx=middle, cy=middle, r=radius, class_="sea"),
        svg.tag(
            "path",
            d=_land(facts.reference.distance.coasts, latitude, longitude, middle, km, rings.reach),
            class_="land",
            fill_rule="evenodd",
            clip_path=f"url(#{clip})",
        ),
    ]
    for ms in _scale(rings.reach):
        r = ms * 150 * km
        drawn.append(svg.tag("circle", cx=middle, cy=middle, r=r, class_="grid"))
        drawn.append(svg.text(middle - r * 0.707 - 2, middle + r * 0.707 + 10, words.ms(ms), "small m halo", "middle"))
    drawn += [
        _band(rings.anycast, middle, km, rings.reach),
        _ring(max((h.row["within_km"] for h in rings.bounded), default=None), middle, km, rings.reach, "ring"),
        _ring(max((h.row["within_km"] for h in rings.refuted), default=None), middle, km, rings.reach, "ring double"),
        svg.tag("path", d=f"M{middle - 7:.1f} {middle:.1f}h14M{middle:.1f} {middle - 7:.1f}v14", class_="cross"),
        _countries(facts, rings, words, middle, km, latitude, longitude),
        svg.tag("circle", cx=middle, cy=middle, r=radius, class_="rim"),
    ]
    return svg.picture(size, size, label, *drawn)


def _scale(reach: float) -> list[int]:
    fitting = [ms for ms in _STEPS_MS if 0.25 * reach < ms * 150 < 0.96 * reach]
    return fitting[-3:]


def _ring(within: float | None, middle: float, km: float, reach: float, style: str) -> Markup:
    if within is None or within > reach:
        return Markup("")
    r = within * km
    drawn = [svg.tag("circle", cx=middle, cy=middle, r=r, class_=style)]
    if "double" in style:
        drawn.append(svg.tag("circle", cx=middle, cy=middle, r=max(r - 3.5, 1.0), class_=style))
    return svg.join(drawn)


def _band(hosts: Sequence[Host], middle: float, km: float, reach: float) -> Markup:
    within = [h.row["within_km"] for h in hosts if h.row["within_km"] <= reach]
    if not within:
        return Markup("")
    least, most = min(within) * km, max(within) * km
    drawn = []
    if most - least > 2:
        data = _circle(middle, most) + _circle(middle, least)
        drawn.append(svg.tag("path", d=data, class_="band", fill_rule="evenodd"))
    drawn += [svg.tag("circle", cx=middle, cy=middle, r=r, class_="ring dots") for r in sorted({least, most})]
    return svg.join(drawn)


def _countries(
    facts: Facts, rings: Rings, words: Words, middle: float, km: float, latitude: float, longitude: float
) -> Markup:
    """Marks of the countries whose fixed point lies in the picture."""
    drawn = []
    board = Board(2 * middle, 2 * middle)
    board.block(middle - 9, middle - 9, 18, 18)
    found = []
    for code, hosts in facts.placed.items():
        at = facts.reference.distance.labels.get(code)
        if at is None:
            continue
        far, turn = _polar(at[1], at[0], longitude, latitude)
        if far > rings.reach * 0.93:
            continue
        x, y = middle + far * km * math.sin(turn), middle - far * km * math.cos(turn)
        board.block(x - 8, y - 8, 16, 16)
        found.append((x, y, surest(hosts), words.country_short(code)))
    for x, y, grade, name in found:
        drawn.append(svg.tag("circle", cx=x, cy=y, r=6, class_="ground") + marks.at(marks.place(grade), x, y, 13))
        left, top = board.place(x, y, len(name) * 7.0, 14)
        drawn.append(svg.text(left, top + 11, name, "lab strong halo"))
    return svg.join(drawn)


# ------------------------------------------------------------------------------------------------- geometry


def _polar(lon: float, lat: float, lon0: float, lat0: float) -> tuple[float, float]:
    """Distance in km and bearing in radians from the middle."""
    a, b, d = math.radians(lat0), math.radians(lat), math.radians(lon - lon0)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(d)
    far = math.acos(max(-1.0, min(1.0, cosine))) * _RADIUS_KM
    turn = math.atan2(math.sin(d) * math.cos(b), math.cos(a) * math.sin(b) - math.sin(a) * math.cos(b) * math.cos(d))
    return far, turn


def _land(
    coasts: Sequence[Sequence[tuple[float, float]]], lat: float, lon: float, middle: float, km: float, reach: float
) -> str:
    """Path of the land within the rim. Points far outside are drawn in to a circle beyond it, where nothing shows; a
    shape that holds the opposite point of the globe lies outside of its line, so that circle is added to it."""
    rim = reach * 1.4
    opposite = ((lon + 360) % 360 - 180, -lat)
    data = []
    for ring in coasts:
        polar = [_polar(x, y, lon, lat) for x, y in ring]
        if min(far for far, _ in polar) > rim and not _holds(ring, lon, lat):
            continue
        points = []
        for far, turn in polar:
            r = min(far, rim) * km
            points.append((middle + r * math.sin(turn), middle - r * math.cos(turn)))
        data.append(svg.path(points, close=True))
        if _holds(ring, *opposite):
            r = rim * 1.2 * km
            data.append(_circle(middle, r))
    return "".join(data)


def _circle(middle: float, r: float) -> str:
    """Path data of a circle."""
    n = svg.number
    return f"M{n(middle - r)} {n(middle)}a{n(r)} {n(r)} 0 1 0 {n(2 * r)} 0a{n(r)} {n(r)} 0 1 0 {n(-2 * r)} 0z"


def _holds(ring: Sequence[tuple[float, float]], lon: float, lat: float) -> bool:
    inside = False
    for n, (x2, y2) in enumerate(ring):
        x1, y1 = ring[n - 1]
        if (y1 > lat) != (y2 > lat) and lon < x1 + (lat - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside
