"""The lines of the terminal count what the report counts: the app's, and apart what others sent."""

from __future__ import annotations

from pathlib import Path

from lintas import summary
from tests.reports import fixtures


def test_what_others_sent_is_no_line_of_the_apps(tmp_path: Path) -> None:
    told = dict(summary.lines(fixtures.several(tmp_path / "audit")))
    assert told["Seen"] == (
        "4 exchanges in 4 flows with 4 destinations, and apart 2 of other apps and 1 of the phone's own system or the "
        "local network"
    )
    assert told["Apps"] == (
        "that the app itself spoke is stated for 2 flows, inferred for 1 flow; for 1 flow nothing says which app spoke"
    )
    assert told["What"] == "4 types of personal data left the phone, 4 of them known by planted values"


def test_where_nothing_says_who_spoke_nothing_is_said_of_it(tmp_path: Path) -> None:
    assert "Apps" not in dict(summary.lines(fixtures.poor(tmp_path / "audit")))


def test_a_doubtful_vantage_stands_before_any_country(tmp_path: Path) -> None:
    told = dict(summary.lines(fixtures.rich(tmp_path / "doubtful", vantage_doubtful={"hosts": []})))
    assert told["Where"].startswith("the stated vantage is doubtful")
    assert "doubtful" not in dict(summary.lines(fixtures.rich(tmp_path / "usual")))["Where"]
