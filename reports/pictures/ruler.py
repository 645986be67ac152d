"""The light ruler: how near each machine must have been, and the nearest point of the country that is named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from reports import marks, svg
from reports.facts import Facts, Host
from reports.pictures import NARROW
from reports.words import Words

ALL = 60
"""Up to so many hosts each has a row; above, the ones that teach something."""
_FAR = 20_016.0
"""Half of the globe's girth: no machine stands farther."""
_GRID = (500, 2000, 5000, 10_000)


class Rows(NamedTuple):
    shown: list[Host]
    left_out: int


def gather(facts: Facts) -> Rows:
    """Hosts with a time that counts, fastest first."""
    timed = sorted(
        (h for h in facts.hosts if h.row["round_trip_ms"] is not None and h.row["within_km"] is not None),
        key=lambda h: (h.row["round_trip_ms"], h.number),
    )
    if len(timed) <= ALL:
        return Rows(timed, 0)
    keep = [h for h in timed if h.row["refuted"] or h.row["doubtful"] or (h.level == 0)][:ALL]
    for level in (4, 3, 2, 1):
        keep += [h for h in timed if h.level == level and h not in keep][:3]
    keep = sorted(keep[: ALL + 12], key=lambda h: (h.row["round_trip_ms"], h.number))
    return Rows(keep, len(timed) - len(keep))


def draw(facts: Facts, hosts: Sequence[Host], words: Words, width: int, label: str) -> Markup:
    narrow = width == NARROW
    left = 0.0 if narrow else 238.0
    row_high = 40 if narrow else 23
    top = 22
    room = width - left - 2

    def at(kilometres: float) -> float:
        return left + room * math.sqrt(min(kilometres, _FAR) / _FAR)

    drawn: list[Markup] = []
    bottom = top + len(hosts) * row_high
    for km in _GRID:
        if narrow and km == 500:
            continue
        drawn.append(svg.tag("path", d=f"M{at(km):.1f} {top - 4}V{bottom}", class_="hair"))
        drawn.append(svg.text(at(km), 12, words.number(km), "small m", "middle"))
    drawn.append(svg.tag("path", d=f"M{at(_FAR):.1f} {top - 4}V{bottom}", class_="hair"))
    drawn.append(svg.text(width - 1, 12, words.km(20_000), "small m", "end"))
    if not narrow:
        drawn += [
            svg.text(0, 12, words.t("column.host"), "small m"),
            svg.text(222, 12, words.t("unit.ms_head"), "small m", "end"),
        ]
    for n, host in enumerate(hosts):
        y = top + n * row_high
        ms = words.tenths(host.row["round_trip_ms"])
        if narrow:
            drawn.append(svg.text(0, y + 13, words.host_plain(host, 38), "mono small"))
            drawn.append(svg.text(width - 1, y + 13, words.t("unit.ms", n=ms), "small m", "end"))
            y += 17
        else:
            drawn.append(svg.text(0, y + 15.5, words.host_plain(host, 25), "mono"))
            drawn.append(svg.text(222, y + 15.5, ms, "lab", "end"))
        drawn.append(_row(facts, host, words, y, at, width, narrow))
    return svg.picture(width, bottom + 4, label, *drawn)


def _row(facts: Facts, host: Host, words: Words, y: float, at: Any, width: int, narrow: bool) -> Markup:
    row = host.row
    x0, x1, x2 = at(0), at(row["within_km"] * 2 / 3), at(row["within_km"])
    drawn = [
        svg.tag("rect", x=x0 + 0.5, y=y + 4.5, width=max(x2 - x0 - 0.5, 1.0), height=13, class_="pale"),
        svg.tag("rect", x=x0 + 0.5, y=y + 4.5, width=max(x1 - x0 - 0.5, 1.0), height=13, class_="dark"),
    ]
    texts: list[tuple[float, str, str]] = []
    if host.country is not None and host.country not in row["doubtful"]:
        near = row["nearest_km"] if row["nearest_km"] is not None else facts.nearest_km.get(host.country, 0.0)
        drawn.append(svg.tag("path", d=f"M{at(near) + 1:.1f} {y + 2.5}v17", class_="tick"))
        name = words.country_short(host.country, 24)
        texts.append(
            (at(near) + 6, name if host.level >= 2 else str(words.t("ruler.weak", country=name)), "lab strong halo")
        )
    for code in row["doubtful"] or ():
        near = facts.nearest_km.get(code, 0.0)
        drawn.append(svg.tag("path", d=f"M{at(near) + 1:.1f} {y + 2.5}v17", class_="tick doubt"))
        texts.append(
            (at(near) + 6, str(words.t("ruler.doubtful", country=words.country_short(code, 24))), "lab rusttext halo")
        )
    refuted = sorted(row["refuted"] or (), key=lambda c: facts.nearest_km.get(c, _FAR))
    # Side by side where there is room, else one mark for all of them at the nearest.
    for group in [refuted] if refuted and (narrow or len(refuted) > 2) else [[c] for c in refuted]:
        near = facts.nearest_km.get(group[0], _FAR)
        named = words.few([words.country_short(c, 24) for c in group], 1 if narrow else 3).striptags()
        said = str(words.t("ruler.refuted", country=named))
        x = min(at(near), width - len(said) * 6.6 - 16)
        texts.append((x, said, "refuted"))
    if host.country is None:
        key = "ruler.anycast" if row["anycast"] else "ruler.unknown"
        said = str(words.t(key))
        if not row["refuted"]:
            texts.append((x2 + 6, said, "lab m halo"))
    # Texts of one row stand side by side where they would lie over one another.
    end = 0.0
    for x, said, style in sorted(texts):
        wide = len(said) * (5.8 if narrow else 6.6)
        mark = 16 if style == "refuted" else 0
        x = max(min(x, width - wide - mark - 2), end, at(0) + 2)
        if mark:
            drawn.append(marks.at("prefuted", x + 6, y + 11, 12))
        drawn.append(svg.text(x + mark, y + 15.5, said, "lab rusttext halo" if mark else style))
        x += mark
        end = x + wide + 18
    return svg.join(drawn)
