"""The seen bar: hosts, connections and octets, each split by how far it could be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from analysis.reading_states import UNDERSTOOD
from reports import svg
from reports.facts import READINGS
from reports.pictures import NARROW
from reports.words import Words


class Row(NamedTuple):
    label: str
    counts: dict[str, int]
    """By reading; they add up to the whole."""
    texts: dict[str, str]
    """The counts as words."""


_LEAST = 2.0
"""Least width of a segment that is not nothing; the caption says so."""
_HEIGHT = 22


def widths(counts: Sequence[int], room: float) -> list[float]:
    """Widths that add up to the room: in proportion, but none under the least, which the widest pays for."""
    total = sum(counts)
    if total == 0:
        return [0.0 for _ in counts]
    raw = [max(room * n / total, _LEAST) if n else 0.0 for n in counts]
    raw[max(range(len(raw)), key=lambda i: raw[i])] -= sum(raw) - room
    return raw


def draw(rows: Sequence[Row], words: Words, width: int, label: str) -> Markup:
    narrow = width == NARROW
    left = 0 if narrow else 104
    step = 44 if narrow else 30
    drawn = []
    for n, row in enumerate(rows):
        top = n * step + (16 if narrow else 0)
        drawn.append(svg.text(0, top - 5 if narrow else top + 16, row.label, "lab"))
        drawn.append(_bar(row, left, top, width - left - 1, narrow, words))
    return svg.picture(width, len(rows) * step, label, *drawn)


def _bar(row: Row, left: float, top: float, room: float, narrow: bool, words: Words) -> Markup:
    if not sum(row.counts.values()):
        return svg.join(
            [
                svg.tag("rect", x=left + 0.5, y=top + 0.5, width=room, height=_HEIGHT - 1, class_="bare edge"),
                svg.text(left + 8, top + 15.5, words.t("bar.nothing"), "lab it"),
            ]
        )
    parts = []
    x = left
    for reading, wide in zip(READINGS, widths([row.counts[r] for r in READINGS], room), strict=True):
        if not wide:
            continue
        fill = "seen" if reading == UNDERSTOOD else f"f-{reading}"
        box = {"x": x + 0.5, "y": top + 0.5, "width": max(wide - 1.5, 1.0), "height": _HEIGHT - 1}
        parts.append(svg.tag("rect", class_="ground", **box) if reading != UNDERSTOOD else Markup(""))
        parts.append(svg.tag("rect", class_=f"{fill} edge", **box))
        words_wide = len(row.texts[reading]) * 7.4 + 10
        if wide > words_wide:
            style = "num on" if reading == UNDERSTOOD else "num halo"
            parts.append(svg.text(x + 6, top + 15.5, row.texts[reading], style))
        x += wide
    return svg.join(parts)
