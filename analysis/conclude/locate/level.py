"""The one place that computes an evidence level.

Witnesses of an address go in, a country and a level from 0 to 4 come out. The rule knows no country: it is the same
for each. Databases and published ranges say where a machine is; where a network is *registered* is no witness of
place and never comes here.

Light in vacuum makes 300 km in a millisecond, there and back 150. An answer after t ms came from within 150 t km of
the vantage point; light in fibre makes two thirds of that (about 204 km a ms: refractive index 1.4682 of ITU-T G.652
fibre), so a country beyond 100 t km is doubtful.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

LIGHT_KM = 150.0
"""Kilometres that a machine can at most be away, for each millisecond until its answer."""
FIBRE_KM = 100.0

WitnessKind = Literal["database", "ranges", "geofeed", "node", "reverse", "certificate"]


@dataclass(frozen=True, slots=True)
class Witness:
    """What one source says of an address. ``country`` None: it knows the address and names no country."""

    kind: WitnessKind
    source: str
    country: str | None
    maker: str
    """Two databases of one maker are one witness."""
    text: str = ""
    anycast: bool = False
    """It says that the address is announced from many places."""
    holds: bool = True
    """False: shown, but it carries no level (a reading from memory, a region instead of the machine)."""


@dataclass(frozen=True, slots=True)
class Stance:
    """A witness, and where it stands in the end: ``for``, ``against``, ``silent``, ``refuted``, ``void``."""

    witness: Witness
    stance: str


@dataclass(slots=True)
class Place:
    """Where an address stands. ``reason``: key of the message that says why the level is not higher."""

    country: str | None
    level: int
    reason: str
    stances: list[Stance] = field(default_factory=list)
    refuted: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    best_level_here: int = 3
    anycast: bool | None = None
    within_km: float | None = None
    nearest_km: float | None = None


def place(
    witnesses: Sequence[Witness],
    round_trip_ms: float | None = None,
    nearest: Mapping[str, float] | None = None,
    vantage_country: str | None = None,
    known_anycast: bool = False,
    maybe_anycast: bool = False,
) -> Place:
    """Where the machine stands that answered.

    ``round_trip_ms``: the least time that counts, None where none does. ``nearest``: least possible distance in km
    from the vantage to any part of each country; None: the vantage is not known, so time says nothing.
    ``known_anycast``: the network is known as anycast or as a content network. ``maybe_anycast``: it is of a kind that
    uses anycast, and nobody says that this address stands in one place."""
    within = None if round_trip_ms is None or nearest is None else LIGHT_KM * round_trip_ms
    anycast = known_anycast or any(w.anycast for w in witnesses)
    named = sorted({w.country for w in witnesses if w.country is not None})
    refuted = [c for c in named if within is not None and nearest is not None and nearest.get(c, 0.0) > within]
    maybe = maybe_anycast and not anycast
    heard = [w for w in witnesses if w.country not in refuted]
    found = _weigh(heard, anycast)
    if maybe and found.level > 1:
        found = _capped(heard, found)
    if within is not None and nearest is not None:
        assert round_trip_ms is not None
        reach = [c for c, km in nearest.items() if km <= within]
        if len(reach) == 1:
            found = Place(reach[0], 4, "bounded_by_time")
        found.doubtful = [c for c in named if c not in refuted and nearest.get(c, 0.0) > FIBRE_KM * round_trip_ms]
        if found.level < 4 and found.country in found.doubtful:
            found.level -= 1
            found.reason = "beyond_fibre"
            if found.level == 0:
                found.country = None
        if found.country is not None:
            found.nearest_km = nearest.get(found.country)
    if found.country is None and refuted and found.level == 0 and not anycast:
        found.reason = "all_refuted" if set(named) <= set(refuted) else found.reason
    found.refuted = refuted
    found.within_km = within
    found.anycast = True if anycast else None
    found.best_level_here = _best(anycast or maybe, within is not None, found, vantage_country)
    found.stances = [Stance(w, _stance(w, found)) for w in witnesses]
    return found


OWN_WORD = ("anycast_node_names_itself", "maybe_anycast_node_names_itself")
"""Reasons of a place that rests on nothing but what the machine says of itself."""


def _capped(witnesses: Sequence[Witness], found: Place) -> Place:
    """A place in a network of a kind that uses anycast: databases and ranges name one country for all machines of an
    address, so only the machine itself can say which of them answered."""
    if any(w.kind == "node" and w.holds and w.country == found.country for w in witnesses):
        return Place(found.country, 2, "maybe_anycast_node_names_itself")
    return Place(found.country, 1, "maybe_anycast")


def _weigh(witnesses: Sequence[Witness], anycast: bool) -> Place:
    """Country and level by what the sources say, those that light refutes left out."""
    makers: dict[str, set[str]] = {}
    for w in witnesses:
        if w.kind == "database" and w.country is not None and w.holds:
            makers.setdefault(w.maker, set()).add(w.country)
    others = [w for w in witnesses if w.kind != "database" and w.country is not None and w.holds]
    if anycast:
        nodes = {w.country for w in others if w.kind == "node" and w.country is not None}
        if len(nodes) == 1:
            return Place(nodes.pop(), 2, "anycast_node_names_itself")
        return Place(None, 1, "anycast_nodes_disagree" if nodes else "anycast")
    said = set().union(*makers.values())
    seconds = {w.country for w in others if w.country is not None}
    if not said and not seconds:
        return Place(None, 0, "no_source")
    if len(said) == 1:
        (country,) = said
        if seconds == {country}:
            return Place(country, 3, "no_time_bound")
        if seconds:
            return Place(None, 0, "sources_contradict")
        if len(makers) >= 2:
            return Place(country, 2, "no_second_kind")
        return Place(country, 1, "one_database")
    if not said:
        if len(seconds) == 1:
            (country,) = seconds
            return Place(country, 1, "no_database")
        return Place(None, 0, "sources_contradict")
    # The databases contradict one another: what another kind of witness says decides, and weakly.
    if len(seconds) == 1 and seconds <= said:
        (country,) = seconds
        return Place(country, 1, "databases_contradict")
    return Place(None, 0, "sources_contradict")


def _best(anycast: bool, timed: bool, found: Place, vantage_country: str | None) -> int:
    """The highest level that this vantage allows for this address: time can bound a machine only inside of the
    country that the vantage itself stands in, because every ring round the vantage holds a part of that."""
    if found.level == 4:
        return 4
    if timed and vantage_country is not None and found.country == vantage_country:
        return 4
    return 2 if anycast else 3


def _stance(witness: Witness, found: Place) -> str:
    if witness.country is None:
        return "silent"
    if witness.country in found.refuted:
        return "refuted"
    if not witness.holds:
        return "void"
    if found.country is None:
        return "void" if found.anycast else "against"
    return "for" if witness.country == found.country else "against"
