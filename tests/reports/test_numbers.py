"""Numbers of a report that belong to a whole add up, and nothing is counted that must not be."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports
from analysis import tables
from analysis.reference import Reference
from reports.export import cell
from reports.facts import Facts
from reports.pictures.bar import widths
from tests.reports import fixtures


def _facts(folder: Path) -> Facts:
    made, audit = tables.read(folder)
    return Facts(made, audit, Reference.load())


@pytest.fixture(scope="module")
def rich(built: dict[str, Path]) -> Facts:
    return _facts(built["rich"])


@pytest.mark.parametrize("name", ["rich", "poor", "several", "timeless", "empty", "revealed", "hostile"])
def test_parts_add_up_to_wholes(built: dict[str, Path], name: str) -> None:
    f = _facts(built[name])
    total = len(f.hosts)
    assert sum(f.hosts_at_level.values()) == total
    assert sum(f.hosts_by_reading.values()) == total
    assert sum(len(c.hosts) for c in f.companies) == total
    counted = [n for n, p in f.flow_destination.items() if p in f.app_places]
    assert sum(f.flows_by_reading.values()) == len(counted)
    octets = {r["flow"]: (r["bytes_out"] or 0) + (r["bytes_in"] or 0) for r in f.tables["flows"].to_pylist()}
    assert sum(f.octets_by_reading.values()) == sum(octets[n] for n in counted)
    placed = sum(map(len, f.placed.values()))
    assert placed == sum(n for level, n in f.hosts_at_level.items() if level >= 2)


@pytest.mark.parametrize("name", ["rich", "poor", "several", "timeless", "revealed", "hostile"])
def test_what_was_read_of_each_app_adds_up(built: dict[str, Path], name: str) -> None:
    f = _facts(built[name])
    flows = [r for r in f.tables["flows"].to_pylist() if r["same_as"] is None]
    assert sum(r["bytes"] for r in f.readable) == sum((r["bytes_out"] or 0) + (r["bytes_in"] or 0) for r in flows)
    assert sum(r["bytes_clear"] + r["bytes_opened"] for r in f.readable) == sum(r["bytes_read"] or 0 for r in flows)
    for row in f.readable:
        assert row["hosts_read"] + row["hosts_part"] <= row["hosts"]
        assert row["connections_clear"] + row["connections_opened"] <= row["connections"]
    told = (built[name] / "csv" / "how-much-was-read.csv").read_text(encoding="utf-8")
    assert len(list(csv.reader(told.splitlines()))) == len(f.readable) + 1


def test_octets_of_a_kind_are_those_of_the_table(rich: Facts) -> None:
    of_kind: dict[str, int] = {}
    for row in rich.tables["opaque"].to_pylist():
        of_kind[row["kind"]] = of_kind.get(row["kind"], 0) + row["bytes"]
    octets = rich.octets_by_reading
    assert octets["refused"] == of_kind["ca_refused"] + of_kind["pinned"]
    assert octets["encrypted"] == of_kind["encrypted"]


def test_system_noise_and_duplicates_count_nowhere(rich: Facts) -> None:
    assert [h.name for h in rich.system_hosts] == ["mtalk.noise.example"]
    assert "genetic" not in rich.types  # only on the leg that is the same traffic
    assert rich.duplicate_flows == 1
    assert rich.transmissions["system"] == 1
    assert all(s.destination in rich.app_places for s in rich.sent)


def test_what_others_sent_is_in_no_number_of_the_app(built: dict[str, Path]) -> None:
    """Each number of the app is the same as if the others had not spoken; what they sent is counted beside it."""
    f = _facts(built["several"])
    assert set(f.types) == {"email", "imei", "gender", "push_token"}
    assert (f.transmissions["other"], f.transmissions["system"], len(f.sent)) == (2, 1, 4)
    octets = {h.name: h.octets_out for h in f.hosts}
    assert octets == {"shop.example": 100, "new.example": 200, "unknown.example": 400, "push.example": 6400}
    assert {h.name: h.octets_out for h in f.other_hosts} == {"shop.example": 800, "bank.example": 1600}
    assert {h.name: h.octets_out for h in f.system_hosts} == {"push.example": 3200}
    assert sum(f.octets_by_reading.values()) == 7100
    assert sum(f.flows_by_reading.values()) == 4
    assert {h.name: set(h.types) for h in f.hosts}["shop.example"] == {"email"}
    assert f.flows_of_nobody == 1
    assert f.unstated_types == (1, 1)
    told = json.loads((built["several"] / "report.json").read_text(encoding="utf-8"))
    assert told["hosts"]["other_apps"] == 2
    assert told["transmissions"]["other"] == 2
    assert len(told["apps"]) == 5


def test_the_page_tells_stated_joined_and_inferred_apart(built: dict[str, Path]) -> None:
    page = (built["several"] / "report.html").read_text(encoding="utf-8")
    for words in (
        "by the phone’s own table of sockets",
        "another file names it, for the same two ends",
        "the idle phone did not speak to these hosts",
        "nothing says so",
        "another app: apart",
        "2 fields of personal data in traffic of other apps",
        "For one connection nothing says which app spoke",
        "2 hosts with which other apps spoke stand apart",
        "That the app itself sent one of these types is inferred, not stated",
        "For one of these types nothing says which app sent it",
        "Other apps",
    ):
        assert words in page, words
    alone = (built["rich"] / "report.html").read_text(encoding="utf-8")
    assert "inferred, not stated" not in alone
    assert "Other apps" not in alone


def test_json_holds_the_same_numbers(built: dict[str, Path], rich: Facts) -> None:
    told = json.loads((built["rich"] / "report.json").read_text(encoding="utf-8"))
    assert told["hosts"]["total"] == len(rich.hosts) == 43
    assert sum(told["hosts"]["at_level"].values()) == 43
    assert len(told["types"]) == 19
    assert len(told["weak_types"]) == 7
    assert told["transmissions"]["sent"] == len(rich.sent)


def test_lists_hold_every_row(built: dict[str, Path], rich: Facts) -> None:
    place = built["rich"] / "csv"
    rows = {p.stem: list(csv.DictReader(p.open(encoding="utf-8", newline=""))) for p in place.glob("*.csv")}
    assert len(rows["all-destinations"]) == len(rich.hosts) + len(rich.system_hosts)
    assert len(rows["all-transmissions"]) == len(rich.sent)
    assert not [p.name for p in place.iterdir() if p.name.startswith(tuple(tables.TABLES))]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_a_cell_is_no_formula(text: str) -> None:
    assert cell(text) == "'" + text
    assert cell([text]) == "'" + text


@pytest.mark.parametrize("sign", "=+-@＝＋－＠")
@pytest.mark.parametrize("before", ["\n", " ", "\t", "\ufeff", "\u00a0", "\u200b", "\x00", '"', "' ", "\r\n  ", '" "'])
def test_a_formula_behind_what_is_taken_away_is_none(sign: str, before: str) -> None:
    assert cell(before + sign + "1+1").startswith("'")


@pytest.mark.parametrize("end", [";", "\n", "\t", "|", '";"', "; ", ";\ufeff"])
def test_no_cell_begins_as_a_formula_where_other_signs_separate(end: str) -> None:
    """A list whose separator is another one than the comma is cut at that one."""
    text = cell(f"shop{end}=cmd(){end}-2{end}x-1")
    parts = [p.strip('\ufeff "') for p in re.split(r"[;\n\t|]", text)]
    assert not [p for p in parts if p.startswith(("=", "-"))]
    assert "x-1" in text


@given(st.text(alphabet="=+-@＝ \n\t;|\"'\ufeffab1,"))
def test_formulas_law(text: str) -> None:
    """No part of a cell begins as a formula; taken away what was put there, it is what it was."""
    made = cell(text)
    for part in re.split(r"[;\n\t|\r]", made):
        assert part.lstrip(' \ufeff"')[:1] not in set("=+-@＝"), repr(made)
    rest = iter(made)
    assert all(c in rest for c in text)


@pytest.mark.parametrize("text", ["de.example/x?a=1+1", "request.json.user-id", "", "plain; words", "1.5, -2"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert cell(text) == text


def test_segments_fill_the_bar_and_none_vanishes() -> None:
    made = widths([100_000, 1, 0, 3], 700.0)
    assert sum(made) == pytest.approx(700.0)
    assert made[1] >= 2
    assert made[2] == 0
    assert made[3] >= 2


def test_a_country_of_weak_evidence_is_not_placed(rich: Facts) -> None:
    assert "MT" not in rich.placed
    assert "HK" not in rich.placed
    assert {"MT", "HK", "JP"} <= rich.named_weakly.keys()


def test_the_same_audit_gives_the_same_bytes(built: dict[str, Path], tmp_path: Path) -> None:
    folder = fixtures.rich(tmp_path / "again")
    reports.build(folder)
    for name in ("report.html", "report.json", *(f"csv/{p.name}" for p in (folder / "csv").iterdir())):
        assert (folder / name).read_bytes() == (built["rich"] / name).read_bytes(), name


@pytest.mark.slow
def test_twenty_thousand_destinations_fit_into_five_megabytes(tmp_path: Path) -> None:
    page = reports.build(fixtures.huge(tmp_path / "huge"))
    assert page.stat().st_size < 5_000_000
    text = page.read_text(encoding="utf-8")
    assert "csv/all-destinations.csv" in text
    rows = (tmp_path / "huge" / "csv" / "all-destinations.csv").read_text(encoding="utf-8").count("\n")
    assert rows == 20_001
