"""Whether the capture can have been made where its vantage says: times that contradict what is known better.

Everything that time says of a place rests on the vantage, which somebody stated. Where it cannot be so, or the times
are not those of the servers, no time counts: none bounds a machine, and none refutes a source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from analysis.conclude.locate.level import LIGHT_KM, Witness
from analysis.folder import Vantage

PUBLISHED_RANGE = "published_range"
DATABASES = "databases"
MANY = 3
"""Networks whose machines all databases place where their times cannot come from: one may be listed wrongly."""
BORDER_KM = 100.0
"""How far coordinates may lie from the country that is stated with them: shapes are coarse."""


class Timed(NamedTuple):
    """An address whose time counts, in milliseconds. ``unicast``: nothing says that it is, or may be, announced from
    many places. ``network``: number of the network that announces it."""

    ms: float
    witnesses: Sequence[Witness]
    unicast: bool
    network: int | None


class Doubts(NamedTuple):
    """Why a vantage is doubtful; nothing of it where it is not."""

    against: Mapping[str, str]
    """Addresses whose time contradicts it, each with what the time contradicts: ``published_range`` (of the operator)
    or ``databases``."""
    elsewhere: bool
    """Its coordinates do not lie in the country that is stated with them."""

    def __bool__(self) -> bool:
        return bool(self.against) or self.elsewhere


def doubts(vantage: Vantage, nearest: Mapping[str, float] | None, timed: Mapping[str, Timed]) -> Doubts:
    """What speaks against a vantage. ``nearest``: least possible distance in km from it to any part of each country.

    One range that an operator publishes for itself is enough. Of databases it takes several networks, and more that
    contradict than agree. That no place on earth fits all times is no case of its own: then the stated one does not
    fit some of them."""
    if nearest is None:
        return Doubts({}, False)
    elsewhere = vantage.country is not None and nearest.get(vantage.country, 0.0) > BORDER_KM
    against = {}
    far: dict[str, int | None] = {}
    near = set()
    for address, one in timed.items():
        within = LIGHT_KM * one.ms
        published = {w.country for w in one.witnesses if w.kind == "ranges" and w.country is not None}
        if published and not any(w.anycast for w in one.witnesses):
            if all(nearest.get(c, 0.0) > within for c in published):
                against[address] = PUBLISHED_RANGE
            continue
        makers = {w.maker for w in one.witnesses if w.kind == "database" and w.country is not None}
        listed = {w.country for w in one.witnesses if w.kind == "database" and w.country is not None}
        if not one.unicast or len(makers) < 2 or len(listed) != 1:
            continue
        if nearest.get(listed.pop(), 0.0) > within:
            far[address] = one.network
        else:
            near.add(one.network)
    networks = set(far.values())
    if len(networks) >= MANY and len(networks) > len(near):
        against |= dict.fromkeys(far, DATABASES)
    return Doubts(against, elsewhere)
