"""``lintas persona``, and what an audit says of a persona before it reads: each slip by its line, no value."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from analysis.persona import load_persona
from analysis.reference import Reference
from lintas.persona import draft, notes, problems
from tests.lintas.command import lintas_here, write_har

SLIPS = """\
emial: sari.wahyuni@surel.example
gps: somewhere north
phone_number: "12"
imei: "356938035643808"
account_id:
full_name: Sari Wahyuni Kartika
"""


def persona(tmp_path: Path, text: str) -> Path:
    place = tmp_path / "me.yaml"
    place.write_text(text, encoding="utf-8")
    return place


def test_each_slip_is_named_and_no_value_is_shown(tmp_path: Path) -> None:
    result = lintas_here("persona", "check", persona(tmp_path, SLIPS), cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    lines = result.stdout.splitlines()
    assert "line 1, 'emial'" in lines[0]
    assert "'email' meant?" in lines[0]
    assert any("line 2, 'gps' is no pair of coordinates" in line for line in lines)
    assert any("line 3, 'phone_number' is not a telephone number" in line for line in lines)
    assert any("line 3, 'phone_number' is too short" in line for line in lines)
    assert any("line 4, 'imei' is not an IMEI" in line for line in lines)
    assert any("'account_id' has no value" in line for line in lines)
    assert not any("full_name" in line for line in lines)
    for value in ("sari.wahyuni", "somewhere north", "356938035643808"):
        assert value not in result.stdout + result.stderr


def test_the_same_as_json(tmp_path: Path) -> None:
    result = lintas_here("persona", "check", persona(tmp_path, SLIPS), "--json", cwd=tmp_path)
    about = json.loads(result.stdout)
    assert about["values"] == 5
    assert {p["name"] for p in about["problems"]} == {"emial", "gps", "phone_number", "imei", "account_id"}


@pytest.mark.parametrize(
    "line",
    [
        "email: sari@surel.example",
        'gps: "-6.2146, 106.8277"',
        'latitude: "-6.2146"',
        'phone_number: "+62 812-5550-1734"',
        'date_of_birth: "1988-03-17"',
        'wifi_bssid: "a4:2b:b0:c7:51:9e"',
    ],
)
def test_what_is_meant_is_not_remarked_on(tmp_path: Path, line: str) -> None:
    assert notes(persona(tmp_path, line), Reference.load(), "ID") == []


def test_a_short_value_that_only_counts_as_a_whole_field(tmp_path: Path) -> None:
    (sentence,) = notes(persona(tmp_path, "username: ina"), Reference.load(), "ID")
    assert "counts only as a whole field" in sentence


def test_an_audit_says_it_before_it_reads(tmp_path: Path) -> None:
    har = write_har(tmp_path / "session.har")
    result = lintas_here("audit", har, "--persona", persona(tmp_path, SLIPS), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "lintas: note: persona" in result.stderr
    assert "'emial' is the name of no data type" in result.stderr
    assert "sari.wahyuni" not in result.stderr + result.stdout


def test_a_new_persona_is_the_owners_alone_and_has_nothing_to_mend(tmp_path: Path) -> None:
    place = tmp_path / "new.yaml"
    assert lintas_here("persona", "new", place, cwd=tmp_path).returncode == 0
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert lintas_here("persona", "check", place, cwd=tmp_path).returncode == 0
    again = lintas_here("persona", "new", place, cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_two_drafts_share_no_value(tmp_path: Path) -> None:
    reference = Reference.load()
    drafts = [load_persona(persona(tmp_path, draft()), reference.data_type_aliases()) for _ in range(2)]
    values = [{p.value.expose() for p in one.values if p.data_type != "date_of_birth"} for one in drafts]
    assert not values[0] & values[1]
    assert problems(drafts[0], reference, None) == []
