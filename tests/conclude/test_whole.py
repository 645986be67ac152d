"""Conclude as a whole: idempotent, and what it says of one invented capture stays within what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.folder import App, Manifest, Vantage
from analysis.reference import Reference
from analysis.tables import Tables
from tests.conclude.made import SECOND, concluded, exchange, flow, laid, message, operator, sent, source, tables

CHINA, SINGAPORE = "180.163.151.34", "52.74.0.1"


def one(address: str | None, host: str | None = "api.warung.example", **more: Any) -> Tables:
    """One request with one planted value."""
    return tables(
        sources=[source(0, "har")],
        flows=[flow(0, dst=address, host=host, **more)],
        exchanges=[exchange(0, 0, host, started=0)],
        messages=[message(0, 0, exchange=0, at=0)],
        transmissions=[sent(0, 0, exchange=0)],
    )


def said(made: Tables) -> set[str]:
    return set(made["findings"]["finding"].to_pylist())


def test_it_is_idempotent_and_takes_nothing_of_the_sources_back(tmp_path: Path) -> None:
    reference = laid(tmp_path, operator("warung"))
    manifest = Manifest(app=App(id="com.example.shop"), app_only=True, user_country="SG")
    events = ({"type": "phase", "phase": "login", "at": -SECOND},)
    before = one(CHINA)
    once = concluded(before, reference, manifest, events=events)
    assert concluded(once, reference, manifest, events=events) == once
    for name in ("messages", "names", "clues", "losses", "sources"):
        assert once[name] == before[name]


def test_when_more_has_come_earlier_conclusions_are_not_in_the_way(tmp_path: Path) -> None:
    reference = laid(tmp_path, operator("warung"))
    first = concluded(one(CHINA), reference)
    # The same flow, now that the capture says where it really went.
    moved = {
        **first,
        "flows": first["flows"].set_column(first["flows"].schema.get_field_index("dst"), "dst", [[SINGAPORE]]),
    }
    assert concluded(moved, reference)["destinations"] == concluded(one(SINGAPORE), reference)["destinations"]


def test_a_company_is_not_of_the_state_in_which_it_rents(tmp_path: Path) -> None:
    """An Indonesian company's host on a network of China Telecom: the machine and its owner are there, the company is
    not, and the wording names each apart."""
    reference = laid(tmp_path, operator("warung"))
    made = concluded(one(CHINA), reference, Manifest(user_country="SG"))
    assert said(made) == {"DEST-CN", "REACH-CN", "REACH-ID"}
    (row,) = made["destinations"].to_pylist()
    assert (row["operator"], row["operator_country"], row["parent"]) == ("warung", "ID", None)
    reach = {
        f["state"]: {a["name"]: a["value"] for a in f["args"]}
        for f in made["findings"].to_pylist()
        if f["rule"] == "REACH"
    }
    assert (reach["CN"]["operator"], reach["CN"]["parent"], reach["CN"]["machine"]) == ("0", "0", "1")


def test_an_unknown_host_on_a_rented_machine_accuses_no_company(tmp_path: Path) -> None:
    made = concluded(one(SINGAPORE, "shop.unknown.example"), Reference.load(), Manifest(user_country="ID"))
    (row,) = made["destinations"].to_pylist()
    assert (row["operator"], row["party"], row["rented_from"]) == (None, "unknown", "aws")


def test_a_har_without_addresses_places_nothing(tmp_path: Path) -> None:
    reference = laid(tmp_path, operator("warung"))
    made = concluded(one(None), reference, Manifest(user_country="SG"))
    assert said(made) == {"REACH-ID"}


def test_light_refutes_a_database_and_with_it_the_finding(tmp_path: Path) -> None:
    """An answer to Jakarta after 2 ms came from no farther than 300 km: not from China."""
    reference = laid(tmp_path, operator("warung"))
    jakarta = {"country": "ID", "latitude": -6.2, "longitude": 106.8}
    manifest = Manifest(user_country="SG", vantage=Vantage(**jakarta))
    timed = {"tcp_ms": 2.0, "tls_ms": 2.5}
    assert "DEST-CN" not in said(concluded(one(CHINA, **timed), reference, manifest))
    assert "DEST-ID" in said(concluded(one(CHINA, **timed), reference, manifest))
    # Through another VPN, or with a VPN on the phone that ends TCP, time says nothing about the machine.
    for void in ({"line": "vpn"}, {"line": "unknown"}, {"on_phone": True}):
        unsure = Manifest(user_country="SG", vantage=Vantage(**jakarta, **void))
        found = concluded(one(CHINA, **timed), reference, unsure)
        assert "DEST-ID" not in said(found), void
        assert found["destinations"]["round_trip_ms"].to_pylist() == [None]
    # A box on the way that answers TCP for everybody.
    boxed = concluded(one(CHINA, tcp_ms=2.0, tls_ms=200.0), reference, manifest)
    assert "DEST-ID" not in said(boxed)
    assert boxed["destinations"]["reason"].to_pylist()[0].endswith("+box_on_the_way")


def test_anyone_can_write_a_header(tmp_path: Path) -> None:
    """A header that names a node counts only from a network of the company that writes such headers."""
    reference = laid(tmp_path, operator("warung"))
    clue = {"flow": 0, "kind": "header", "text": "cf-ray: 7d2f00000000abcd-CGK", "at": 0, "origin": "o"}
    lying = concluded({**one(CHINA), "clues": tables(clues=[clue])["clues"]}, reference)
    (row,) = lying["destinations"].to_pylist()
    assert row["country"] == "CN"
    assert [w["stance"] for w in row["witnesses"] if w["kind"] == "node"] == ["void"]
    honest = concluded({**one("1.1.1.1"), "clues": tables(clues=[clue])["clues"]}, reference)
    (row,) = honest["destinations"].to_pylist()
    assert (row["country"], row["level"]) == ("ID", 2)
