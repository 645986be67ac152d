"""Levels: what each set of witnesses allows to be said, the same for every country."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.conclude.locate.level import Place, Witness, place

CODES = ("CN", "US", "SG", "ID", "JP")
kinds = st.sampled_from(["database", "ranges", "node"])
witnesses = st.lists(
    st.builds(
        Witness,
        kind=kinds,
        source=st.just("s"),
        country=st.one_of(st.none(), st.sampled_from(CODES)),
        maker=st.sampled_from(["a", "b", "c"]),
    ),
    max_size=6,
)
nearest_km = st.fixed_dictionaries({c: st.floats(0, 20_000) for c in CODES})


def said(kind: str, country: str | None, maker: str = "a", **more: bool) -> Witness:
    return Witness(kind, f"{kind} {maker}", country, maker, "", **more)  # type: ignore[arg-type]


def test_nothing_is_unknown() -> None:
    assert (place([]).level, place([]).country) == (0, None)


@pytest.mark.parametrize("country", CODES)
def test_one_database_two_databases_and_a_witness_of_another_kind(country: str) -> None:
    one = [said("database", country)]
    assert (place(one).country, place(one).level) == (country, 1)
    same_maker = [*one, said("database", country)]
    assert place(same_maker).level == 1
    two = [*one, said("database", country, "b")]
    assert place(two).level == 2
    assert place([*two, said("ranges", country, "c")]).level == 3
    assert place([*one, said("ranges", country, "c")]).level == 3


def test_contradiction_is_not_decided_by_majority() -> None:
    found = place([said("database", "ID"), said("database", "US", "b")])
    assert (found.country, found.level, found.reason) == (None, 0, "sources_contradict")
    decided = place([said("database", "ID"), said("database", "US", "b"), said("ranges", "ID", "c")])
    assert (decided.country, decided.level) == ("ID", 1)
    against = place([said("database", "ID"), said("database", "ID", "b"), said("ranges", "US", "c")])
    assert (against.country, against.level) == (None, 0)


def test_light_refutes_and_then_the_rest_is_weighed() -> None:
    near = {"ID": 0.0, "SG": 880.0, "US": 13_000.0}
    sources = [said("database", "US"), said("database", "ID", "b"), said("ranges", "ID", "c")]
    found = place(sources, 9.0, near, "ID")
    assert (found.country, found.level, found.refuted) == ("ID", 3, ["US"])
    assert {s.witness.source: s.stance for s in found.stances}["database a"] == "refuted"
    assert found.best_level_here == 4


def test_beyond_fibre_is_doubtful_and_lowers_by_one() -> None:
    near = {"ID": 0.0, "SG": 880.0}
    sources = [said("database", "SG"), said("database", "SG", "b")]
    assert place(sources, 9.0, near).level == 2
    found = place(sources, 7.0, near)
    assert (found.country, found.level, found.doubtful, found.reason) == ("SG", 1, ["SG"], "beyond_fibre")
    alone = place(sources[:1], 7.0, near)
    assert (alone.country, alone.level) == (None, 0)


def test_only_time_bounds_a_machine_inside_of_a_country() -> None:
    near = {"ID": 0.0, "SG": 880.0, "MY": 900.0}
    found = place([], 2.0, near, "ID")
    assert (found.country, found.level) == ("ID", 4)
    assert place([], 7.0, near, "ID").level == 0


def test_anycast_shows_no_country_unless_its_node_names_itself() -> None:
    sources = [said("database", "US"), said("database", "US", "b"), said("ranges", None, "c", anycast=True)]
    assert (place(sources).country, place(sources).level) == (None, 1)
    named = [*sources, said("node", "SG", "d")]
    assert (place(named).country, place(named).level) == ("SG", 2)
    refuted = place(named, 3.0, {"ID": 0.0, "SG": 880.0, "MY": 400.0, "US": 13_000.0}, "ID")
    assert (refuted.country, refuted.level) == (None, 1)


def test_a_witness_that_carries_no_level_is_shown_as_void() -> None:
    found = place([said("database", "SG"), said("node", "CN", "b", holds=False)])
    assert (found.country, found.level) == ("SG", 1)
    assert found.stances[1].stance == "void"


def _renamed(found: Place, names: dict[str, str]) -> tuple[object, ...]:
    def new(code: str | None) -> str | None:
        return None if code is None else names[code]

    return (new(found.country), found.level, found.reason, sorted(map(str, map(new, found.refuted))))


@given(witnesses, st.one_of(st.none(), st.floats(0.1, 300)), nearest_km, st.permutations(CODES), st.booleans())
def test_the_rule_knows_no_country(
    sources: list[Witness], ms: float | None, near: dict[str, float], order: list[str], anycast: bool
) -> None:
    """Rename the countries in the evidence, and the answer is renamed and nothing else."""
    names = dict(zip(CODES, order, strict=True))
    moved = [Witness(w.kind, w.source, None if w.country is None else names[w.country], w.maker) for w in sources]
    one = place(sources, ms, near, known_anycast=anycast)
    other = place(moved, ms, {names[c]: km for c, km in near.items()}, known_anycast=anycast)
    assert _renamed(one, names) == _renamed(other, {c: c for c in CODES})


@given(witnesses, st.one_of(st.none(), st.floats(0.1, 300)), nearest_km, st.booleans())
def test_laws_of_the_levels(sources: list[Witness], ms: float | None, near: dict[str, float], anycast: bool) -> None:
    found = place(sources, ms, near, known_anycast=anycast)
    assert 0 <= found.level <= 4
    assert found.country not in found.refuted
    if found.level >= 2:
        assert found.country is not None
    if found.level == 0:
        assert found.country is None
    if ms is not None and found.country is not None:
        assert near[found.country] <= 150 * ms
    for order in itertools.islice(itertools.permutations(sources), 6):
        again = place(order, ms, near, known_anycast=anycast)
        assert (again.country, again.level) == (found.country, found.level)


@pytest.mark.parametrize("country", CODES)
def test_in_a_network_of_a_kind_that_uses_anycast_sources_are_level_1_at_most(country: str) -> None:
    two = [said("database", country), said("database", country, "b")]
    ranged = [*two, said("ranges", country, "c")]
    for sources in (two, ranged, two[:1]):
        found = place(sources, maybe_anycast=True)
        assert (found.country, found.level, found.best_level_here) == (country, 1, 2)
        assert found.anycast is None
    assert place(two, maybe_anycast=True).reason == "maybe_anycast"
    own = place([*two, said("node", country, "d")], maybe_anycast=True)
    assert (own.country, own.level, own.reason) == (country, 2, "maybe_anycast_node_names_itself")
    # What is known outranks what may be, and time alone bounds wherever it answers from.
    assert place(two, known_anycast=True, maybe_anycast=True).reason == "anycast"
    near = {c: 0.0 if c == country else 9_000.0 for c in CODES}
    assert place(two, 2.0, near, maybe_anycast=True).level == 4


@given(witnesses, st.one_of(st.none(), st.floats(0.1, 300)), nearest_km)
def test_what_may_be_anycast_never_raises_a_level(
    sources: list[Witness], ms: float | None, near: dict[str, float]
) -> None:
    assert place(sources, ms, near, maybe_anycast=True).level <= place(sources, ms, near).level
