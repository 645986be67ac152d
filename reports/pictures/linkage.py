"""The same value at several companies: rows are companies, columns identifiers, diamonds on one line the same value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from reports import svg
from reports.facts import Facts
from reports.pictures import NARROW
from reports.strings import ascii_host
from reports.words import Words

ROWS = 20
COLUMNS = {True: 4, False: 8}


class Shared(NamedTuple):
    """One identifier that at least two receivers got."""

    value_key: str
    data_type: str
    receivers: frozenset[str]
    """Companies by id; where the operator is not known, the registrable domain or the address."""


def gather(facts: Facts) -> list[Shared]:
    """Identifiers by the number of their receivers, most first; those that only weak signs name apart."""
    found = []
    wanted = zip(*(facts.tables["transmissions"][c].to_pylist() for c in ("transmission", "value_key")), strict=True)
    keys = dict(wanted)
    firm = {(keys[s.number], s.data_type) for s in facts.firm}
    for row in facts.tables["links"].to_pylist():
        places = [p for p in row["destinations"] or () if p in facts.app_places]
        receivers = frozenset(facts.all_hosts[p].receiver for p in places)
        if len(receivers) > 1 and (row["value_key"], row["data_type"]) in firm:
            found.append(Shared(row["value_key"], row["data_type"], receivers))
    return sorted(found, key=lambda s: (-len(s.receivers), s.data_type, s.value_key))


def name(facts: Facts, words: Words, receiver: str, most: int) -> str:
    company = next((c for c in facts.companies if c.id == receiver), None)
    return words.company_short(company, most) if company is not None else svg.elide(ascii_host(receiver), most)


def draw(facts: Facts, shared: Sequence[Shared], words: Words, width: int, label: str) -> Markup:
    narrow = width == NARROW
    shared = shared[: COLUMNS[narrow]]
    counts = Counter(r for s in shared for r in s.receivers)
    rows = sorted(counts, key=lambda r: (-counts[r], name(facts, words, r, 99)))[:ROWS]
    left = 122.0 if narrow else 190.0
    step = 19
    top = 54
    wide = min((width - left - 30) / max(len(shared), 1), 120.0)
    drawn = []
    for n, receiver in enumerate(rows):
        y = top + n * step
        drawn.append(svg.text(left - 12, y + 4, name(facts, words, receiver, 17 if narrow else 26), "lab", "end"))
        drawn.append(svg.tag("path", d=f"M{left:.0f} {y}H{left + wide * len(shared):.0f}", class_="hair"))
    for m, one in enumerate(shared):
        x = left + wide * (m + 0.5)
        at = [top + n * step for n, r in enumerate(rows) if r in one.receivers]
        most = max(int(wide / (6.2 if narrow else 7)), 4)
        name_lines = _lines(words.type_short(one.data_type, 2 * most), most)
        drawn += [svg.text(x, 12 + 13 * k, line, "small strong", "middle") for k, line in enumerate(name_lines)]
        drawn.append(svg.text(x, 38, f"{one.value_key[:4]}…", "mono small m", "middle"))
        for n in range(len(rows)):
            if top + n * step not in at:
                drawn.append(svg.tag("circle", cx=x, cy=top + n * step, r=1.3, class_="none"))
        if at:
            drawn.append(svg.tag("path", d=f"M{x:.1f} {at[0]}V{at[-1]}", class_="link"))
            diamonds = "".join(f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5-5.5 5.5-5.5-5.5z" for y in at)
            drawn.append(svg.tag("path", d=diamonds, class_="seen"))
            drawn.append(svg.text(x + 9, at[-1] + 4, words.number(len(one.receivers)), "small m halo"))
    return svg.picture(width, top + len(rows) * step, label, *drawn)


def _lines(name: str, most: int) -> list[str]:
    """A name on two lines at most, broken at a space."""
    if len(name) <= most or " " not in name:
        return [svg.elide(name, most)]
    cut = name.rfind(" ", 0, most + 1)
    cut = name.find(" ") if cut < 0 else cut
    return [name[:cut], svg.elide(name[cut + 1 :], most + 2)]
