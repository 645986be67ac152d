"""A vantage that cannot be: nothing that time says counts, whichever country it would have said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.conclude.locate.level import Witness
from analysis.conclude.locate.vantage import MANY, Timed, doubts
from analysis.folder import Manifest, Vantage
from analysis.reference import Reference
from tests.conclude.made import concluded, flow, tables

REFERENCE = Reference.load()
JAKARTA = Vantage(country="ID", latitude=-6.2, longitude=106.8)
DUBLIN = Vantage(country="IE", latitude=53.35, longitude=-6.26)
IRELAND, INDONESIA, NETHERLANDS = "108.128.0.1", "16.78.0.1", "20.190.160.1"
"""Addresses for which their operators publish the region."""
CODES = ("CN", "US", "SG", "ID", "IE")


def audited(vantage: Vantage, *times: tuple[str, float]) -> dict[str, dict[str, Any]]:
    flows = [flow(n, dst=a, dport=443, tcp_ms=ms, host=f"h{n}.example") for n, (a, ms) in enumerate(times)]
    rows = concluded(tables(flows=flows), REFERENCE, Manifest(vantage=vantage))["destinations"].to_pylist()
    return {row["address"]: row for row in rows}


def test_a_wrong_vantage_bounds_no_machine_and_refutes_no_source() -> None:
    """Said to be in Jakarta and made in Dublin: the machine is not in Indonesia, and the operator's list is right."""
    rows = audited(JAKARTA, (IRELAND, 2.0), ("180.163.151.34", 2.0))
    row = rows[IRELAND]
    assert (row["country"], row["level"], row["reason"]) == ("IE", 3, "no_time_bound+vantage_doubtful")
    assert (row["against_vantage"], row["refuted"], row["within_km"]) == ("published_range", [], None)
    assert row["round_trip_ms"] == 2.0
    other = rows["180.163.151.34"]
    assert (other["country"], other["level"], other["refuted"]) == ("CN", 2, [])
    assert other["reason"].endswith("+vantage_doubtful")
    assert other["against_vantage"] is None


@pytest.mark.parametrize(
    ("vantage", "address", "country"),
    [(JAKARTA, INDONESIA, "ID"), (DUBLIN, IRELAND, "IE"), (DUBLIN, NETHERLANDS, "NL")],
)
def test_a_vantage_that_can_be_stays(vantage: Vantage, address: str, country: str) -> None:
    row = audited(vantage, (address, 8.0))[address]
    assert (row["country"], row["against_vantage"]) == (country, None)
    assert row["within_km"] == 1_200.0
    assert "vantage" not in row["reason"]


def test_times_that_no_place_on_earth_fits_make_any_vantage_doubtful() -> None:
    for vantage in (JAKARTA, DUBLIN, Vantage(latitude=0.0, longitude=50.0)):
        rows = audited(vantage, (IRELAND, 3.0), (INDONESIA, 3.0))
        assert {row["level"] for row in rows.values()} == {3}
        assert any(row["against_vantage"] for row in rows.values())


def test_coordinates_outside_of_the_country_that_is_stated_with_them() -> None:
    row = audited(Vantage(country="SG", latitude=-6.2, longitude=106.8), (INDONESIA, 2.0))[INDONESIA]
    assert (row["level"], row["against_vantage"]) == (3, None)
    assert row["reason"].endswith("+vantage_doubtful")
    # A border town: shapes are coarse.
    assert audited(Vantage(country="SG", latitude=1.45, longitude=103.8), (INDONESIA, 90.0))[INDONESIA]["level"] >= 3


def test_without_a_vantage_or_on_a_line_that_voids_times_nothing_is_in_doubt() -> None:
    for vantage in (Vantage(), Vantage(country="ID", latitude=-6.2, longitude=106.8, line="vpn")):
        row = audited(vantage, (IRELAND, 2.0))[IRELAND]
        assert (row["against_vantage"], "vantage" in row["reason"]) == (None, False)


def listed(country: str, network: int, ms: float, unicast: bool = True) -> Timed:
    said = [Witness("database", maker, country, maker) for maker in "ab"]
    return Timed(ms, said, unicast, network)


def test_databases_make_a_vantage_doubtful_where_many_networks_contradict_it_and_more_than_agree() -> None:
    near = {"ID": 0.0, "IE": 11_000.0}
    vantage = Vantage(country="ID")
    far = {f"192.0.2.{n}": listed("IE", n, 2.0) for n in range(MANY)}
    assert set(doubts(vantage, near, far).against.values()) == {"databases"}
    assert not doubts(vantage, near, dict(list(far.items())[1:]))
    # As many as agree; all in one network; networks that may be anycast; databases that contradict one another.
    assert not doubts(vantage, near, far | {f"198.51.100.{n}": listed("ID", 9 + n, 2.0) for n in range(MANY)})
    assert not doubts(vantage, near, {a: t._replace(network=7) for a, t in far.items()})
    assert not doubts(vantage, near, {a: t._replace(unicast=False) for a, t in far.items()})
    torn = [Witness("database", "a", "IE", "a"), Witness("database", "b", "ID", "b")]
    assert not doubts(vantage, near, {a: t._replace(witnesses=torn) for a, t in far.items()})


@given(
    st.dictionaries(
        st.sampled_from([f"192.0.2.{n}" for n in range(6)]),
        st.tuples(st.sampled_from(CODES), st.floats(0.1, 300), st.booleans(), st.integers(0, 4)),
    ),
    st.fixed_dictionaries({c: st.floats(0, 20_000) for c in CODES}),
    st.permutations(CODES),
)
def test_the_rule_knows_no_country(
    made: dict[str, tuple[str, float, bool, int]], near: dict[str, float], order: list[str]
) -> None:
    names = dict(zip(CODES, order, strict=True))

    def asked(renamed: dict[str, str]) -> Any:
        timed = {
            a: Timed(ms, [Witness("ranges" if own else "database", m, renamed[c], m) for m in "ab"], True, number)
            for a, (c, ms, own, number) in made.items()
        }
        return doubts(Vantage(country=renamed["ID"]), {renamed[c]: km for c, km in near.items()}, timed)

    assert asked(names) == asked({c: c for c in CODES})
