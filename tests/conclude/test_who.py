"""Who and whose law: a domain names its operator, a hosting network never does; ownership is that of the day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.conclude.who import Network, Who, identify, reaches, receiver
from analysis.folder import App, Manifest
from analysis.reference import Reference
from tests.conclude.made import DAY, laid, link, operator

KNOWN_NETWORK = Network(64500, "KINDS")
NO_NETWORK = Network()


def who(reference: Reference, host: str | None, network: Network = NO_NETWORK, day: date = DAY, **app: Any) -> Who:
    return identify(host, network, Manifest(app=App(**app)), reference, day)


def links(found: Who, country: str | None = None, level: int = 0) -> set[tuple[str, str, str]]:
    """State, link and sureness of every link of the companies (and of the machine)."""
    made = found.law_links(country, level)
    return {(x["state"], x["link"], "sure" if reaches(x) else "unsure") for x in made}


def test_a_domain_names_the_operator(tmp_path: Path) -> None:
    reference = laid(tmp_path, operator("warung"), operator("awan", kind=["cloud"], asns=["AS64500"]))
    found = who(reference, "api.warung.example", KNOWN_NETWORK)
    assert (found.operator, found.operator_from, found.operator_confidence) == ("warung", "domain", "verified")
    assert (found.rented_from, found.rented_from_name) == ("awan", "PT Awan")
    assert links(found) == {("ID", "operator", "sure"), ("ID", "machine_owner", "sure")}


@pytest.mark.parametrize("kind", ["cloud", "CDN", "telecom"])
def test_who_hosts_is_never_the_operator(tmp_path: Path, kind: str) -> None:
    reference = laid(tmp_path, operator("awan", kind=["app vendor", kind], asns=["AS64500"]))
    for host in (None, "shop.unknown.example"):
        found = who(reference, host, KNOWN_NETWORK)
        assert (found.operator, found.rented_from, found.party) == (None, "awan", "unknown")
        assert links(found) == {("ID", "machine_owner", "sure")}
    own = who(reference, "api.awan.example", KNOWN_NETWORK)
    assert (own.operator, own.rented_from) == ("awan", None)


def test_a_network_of_a_company_that_hosts_nobody_names_it_only_without_a_name(tmp_path: Path) -> None:
    reference = laid(tmp_path, operator("warung", asns=["AS64500"]))
    found = who(reference, None, KNOWN_NETWORK)
    assert (found.operator, found.operator_from) == ("warung", "network")
    # A name of somebody whom we do not know: a machine in that network may be anybody's.
    other = who(reference, "shop.unknown.example", KNOWN_NETWORK)
    assert (other.operator, other.rented_from, links(other)) == (None, None, set())


def test_what_is_from_memory_carries_no_finding(tmp_path: Path) -> None:
    reference = laid(
        tmp_path,
        operator("domain", domains_recalled=["domain.example"]),
        operator("seat", corporate_confidence="recalled"),
        operator("network", asns=["AS64500"], asns_recalled=["AS64500"]),
    )
    for found in (
        who(reference, "a.domain.example"),
        who(reference, "a.seat.example"),
        who(reference, None, KNOWN_NETWORK),
    ):
        assert found.operator is not None
        assert links(found) == {("ID", "operator", "unsure")}


def test_an_office_is_from_memory_and_carries_none(tmp_path: Path) -> None:
    reference = laid(tmp_path, operator("warung", established_in=["ID", "US", "SG"]))
    assert links(who(reference, "warung.example")) == {
        ("ID", "operator", "sure"),
        ("US", "operator", "unsure"),
        ("SG", "operator", "unsure"),
    }


def test_a_group_that_is_run_from_another_state_than_its_holdings_seat(tmp_path: Path) -> None:
    reference = laid(tmp_path, operator("warung", country_of_incorporation="KY", ultimate_parent_country="SG"))
    assert links(who(reference, "warung.example")) == {("KY", "operator", "sure"), ("SG", "parent", "sure")}


def test_the_parents_of_the_day(tmp_path: Path) -> None:
    reference = laid(
        tmp_path,
        operator("warung", parent="besar", parent_since="2024-02-01", ultimate_parent_country="CN"),
        operator("besar", country_of_incorporation="SG", parent="puncak", parent_since="2020-01-01"),
        operator("puncak", country_of_incorporation="KY", ultimate_parent_country="CN"),
    )
    then = who(reference, "warung.example", day=date(2024, 1, 31))
    assert (then.parent, links(then)) == (None, {("ID", "operator", "sure")})
    now = who(reference, "warung.example", day=date(2024, 2, 1))
    assert (now.parent, now.parent_country, now.as_of) == ("puncak", "CN", None)
    assert links(now) == {
        ("ID", "operator", "sure"),
        ("SG", "parent", "sure"),
        ("KY", "parent", "sure"),
        ("CN", "parent", "sure"),
    }


def test_where_a_later_owner_runs_the_group_is_not_where_it_was_run_from(tmp_path: Path) -> None:
    """The parent was there on the day, its own owner came later: the state of that owner does not reach back."""
    reference = laid(
        tmp_path,
        operator("warung", parent="besar", parent_since="2020-01-01", ultimate_parent_country="CN"),
        operator(
            "besar",
            country_of_incorporation="SG",
            parent="puncak",
            parent_since="2025-01-01",
            ultimate_parent_country="CN",
            established_in=["CN"],
        ),
        operator("puncak", country_of_incorporation="CN"),
    )
    then = who(reference, "warung.example", day=date(2024, 1, 1))
    assert (then.parent, then.parent_country) == ("besar", "SG")
    assert ("CN", "parent", "sure") not in links(then)
    direct = who(reference, "besar.example", day=date(2024, 1, 1))
    assert links(direct) == {("SG", "operator", "sure"), ("CN", "operator", "unsure")}
    assert ("CN", "parent", "sure") in links(who(reference, "warung.example", day=date(2025, 1, 1)))


def test_all_above_an_owner_of_a_later_day_is_of_that_day(tmp_path: Path) -> None:
    """Known for 2026 only: the parent is said "as of" then, and so is whoever held the parent long before."""
    reference = laid(
        tmp_path,
        operator("warung", parent="besar"),
        operator("besar", country_of_incorporation="SG", parent="puncak", parent_since="2020-01-01"),
        operator("puncak", country_of_incorporation="CN"),
        as_of="2026-01-01",
    )
    found = who(reference, "warung.example", day=date(2024, 1, 1))
    assert (found.parent, found.as_of) == ("puncak", "2026-01-01")
    assert {x for x in links(found) if x[1] == "parent"} == {("SG", "parent", "unsure"), ("CN", "parent", "unsure")}
    assert all(x["as_of"] == "2026-01-01" for x in found.law_links(None, 0) if x["link"] == "parent")


def test_a_chain_is_as_sure_as_its_weakest_step(tmp_path: Path) -> None:
    reference = laid(
        tmp_path,
        operator("warung", parent="besar", corporate_confidence="recalled"),
        operator("besar", country_of_incorporation="SG", parent="puncak"),
        operator("puncak", country_of_incorporation="CN"),
    )
    found = who(reference, "warung.example")
    assert found.parent_confidence == "recalled"
    assert {sure for _, kind, sure in links(found) if kind == "parent"} == {"unsure"}


def test_a_share_is_that_of_the_owner_who_holds_it(tmp_path: Path) -> None:
    held = [{"as_of": "2020", "owner": "PT Besar", "share": "s", "source": "s", "share_percent": 60.0}]
    reference = laid(
        tmp_path,
        operator("warung", parent="besar", ownership=held),
        operator("besar", parent="puncak"),
        operator("puncak"),
        operator("toko", parent="alone", ownership=[held[0] | {"owner": "PT Alone"}]),
        operator("alone"),
    )
    assert who(reference, "toko.example").parent_share_percent == 60.0
    found = who(reference, "warung.example")
    assert (found.parent, found.parent_share_percent) == ("puncak", None)
    assert [x["share_percent"] for x in found.law_links(None, 0) if x["company"] == "besar"] == [60.0]


def test_a_machine_of_the_same_group_is_not_rented(tmp_path: Path) -> None:
    cloud = operator("awan", kind=["cloud"], asns=["AS64500"], parent="besar", parent_since="2024-01-01")
    reference = laid(tmp_path, operator("warung", parent="besar", parent_since="2020-01-01"), cloud, operator("besar"))
    assert who(reference, "warung.example", KNOWN_NETWORK).rented_from is None
    # Before the cloud belonged to the group it was somebody else's.
    assert who(reference, "warung.example", KNOWN_NETWORK, date(2023, 12, 31)).rented_from == "awan"


def test_first_and_third_party(tmp_path: Path) -> None:
    reference = laid(
        tmp_path,
        operator("warung", parent="besar", parent_since="2024-01-01"),
        operator("besar"),
        operator("iklan"),
    )
    for host, stated, day, party in (
        ("api.warung.example", {"vendor": "warung"}, DAY, "first"),
        ("api.besar.example", {"vendor": "warung"}, DAY, "first"),
        ("api.besar.example", {"vendor": "warung"}, date(2023, 1, 1), "third"),
        ("api.iklan.example", {"vendor": "warung"}, DAY, "third"),
        ("api.iklan.example", {}, DAY, "unknown"),
        ("api.unknown.example", {"vendor": "warung"}, DAY, "unknown"),
        ("cdn.own.example", {"vendor": "warung", "domains": ["own.example"]}, DAY, "first"),
        ("evilown.example", {"vendor": "warung", "domains": ["own.example"]}, DAY, "unknown"),
    ):
        assert who(reference, host, day=day, **stated).party == party, (host, stated)


# ------------------------------------------------------------------------------------------------- statutes

REFERENCE = Reference.load()


def statutes(country: str, kind: str, day: date = DAY) -> set[str]:
    found = Who(reference=REFERENCE, day=day)
    found.seats = [] if kind == "machine" else [link(country, kind)]
    made = [x for x in found.law_links(country if kind == "machine" else None, 3) if x["link"] == kind]
    return {s for x in made for s in x["statutes"]}


def test_statutes_by_the_day_they_came_into_force() -> None:
    assert "CN-CEL" in statutes("CN", "operator", date(2023, 7, 1))
    assert "CN-CEL" not in statutes("CN", "operator", date(2023, 6, 30))
    assert "US-CLOUD" not in statutes("US", "parent", date(2018, 3, 22))


def test_a_statute_reaches_only_in_its_own_way() -> None:
    assert "US-EO12333" in statutes("US", "machine")
    assert "US-EO12333" not in statutes("US", "operator")
    assert "US-NSL" not in statutes("US", "machine")
    assert statutes("RU", "machine") == set()
    # Whose citizen the user is, no capture shows.
    for kind in ("machine", "operator", "machine_owner", "parent"):
        assert "RU-LOC" not in statutes("RU", kind)


@given(st.sampled_from(sorted(REFERENCE.countries)), st.sampled_from(["operator", "machine_owner"]))
def test_operator_and_owner_of_a_machine_are_reached_alike(state: str, kind: str) -> None:
    assert statutes(state, kind) == statutes(state, "operator")
    assert statutes(state, kind) <= statutes(state, "parent")


def test_a_link_says_by_what_the_company_belongs_to_the_state(tmp_path: Path) -> None:
    reference = laid(
        tmp_path,
        operator("induk", country_of_incorporation="KY", ultimate_parent_country="CN", established_in=["SG"]),
        operator("anak", country_of_incorporation="SG", parent="induk"),
        operator("tunggal", country_of_incorporation="JP", ultimate_parent_country="JP"),
    )

    def bases(host: str) -> set[tuple[str, str, str | None]]:
        return {(x["link"], x["state"], x["basis"]) for x in who(reference, host).law_links("DE", 2)}

    assert bases("a.anak.example") == {
        ("machine", "DE", None),
        ("operator", "SG", "incorporated"),
        ("parent", "KY", "incorporated"),
        ("parent", "CN", "seat"),
        ("parent", "SG", "office"),
    }
    assert bases("a.tunggal.example") == {("machine", "DE", None), ("operator", "JP", "both")}


def test_a_link_tells_statutes_that_were_read_from_those_in_memory(tmp_path: Path) -> None:
    reference = laid(tmp_path, operator("warung", country_of_incorporation="US"))
    statutes = reference.statutes
    remembered = {s for s in statutes if statutes[s].confidence == "recalled"}
    assert remembered
    for state in {s.country for s in statutes.values()}:
        for x in who(reference, "a.warung.example").law_links(state, 2):
            assert set(x["statutes_read"]) == set(x["statutes"]) - remembered


def test_one_receiver_for_one_company_and_for_one_registrable_domain() -> None:
    assert receiver("warung", "a.warung.example", "192.0.2.1") == "warung"
    assert receiver(None, "a.tracker.co.id", None) == receiver(None, "B.Tracker.co.id.", "192.0.2.1") == "tracker.co.id"
    # Customers of one host are told apart.
    assert receiver(None, "one.github.io", None) != receiver(None, "two.github.io", None)
    assert receiver(None, None, "192.0.2.1") == "192.0.2.1"
    assert receiver(None, "localhost", None) == "localhost"
    assert receiver(None, None, None) is None


def test_a_public_suffix_makes_nobody_a_first_party() -> None:
    reference = Reference.load()
    for stated in ("example", "co.id", "com", ""):
        assert who(reference, "a.tracker.co.id", domains=[stated]).party == "unknown"
    assert who(reference, "a.tracker.co.id", domains=["tracker.co.id"]).party == "first"
