"""Whatever stands at whatever key of ``capture.yaml``: the audit goes on, and what was not used is a loss with its
place. Only what is no manifest is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.audit import AuditOptions, run
from analysis.folder import Manifest, Vantage, open_capture, read_manifest
from analysis.model import InputError
from tests.sources.made import entry, har

WHOLE: dict[str, Any] = {
    "format": 1,
    "name": "A test",
    "sample": False,
    "made": "by hand",
    "app": {
        "id": "com.example.shop",
        "name": "Shop",
        "version": "5.1",
        "platform": "android",
        "build_sha256": "00",
        "vendor": "tokopedia",
        "domains": ["shop.example"],
        "version_code": 51,
        "installer": "com.android.vending",
        "target_sdk": 34,
        "uid": 10123,
        "shared_with": ["a.b"],
        "permissions": ["x"],
        "granted": ["x"],
        "apks": [{"name": "base.apk", "sha256": "00", "bytes": 9}],
        "user_certificates": "trusted_by_default",
    },
    "device": {
        "model": "X",
        "system": "Android 14",
        "sdk": 34,
        "security_patch": "2026-01",
        "build": "b",
        "locale": "id",
        "timezone": "Asia/Jakarta",
        "clock_ahead_ms": 5,
        "clock_within_ms": 9,
        "address": "10.0.0.2",
        "by_system": False,
    },
    "user_country": "ID",
    "vantage": {
        "country": "ID",
        "city": "J",
        "latitude": -6.2,
        "longitude": 106.8,
        "line": "direct",
        "on_phone": False,
    },
    "timezone": "Asia/Jakarta",
    "phases": [
        {"phase": "login", "start": "2026-03-01T10:00:00", "end": "2026-03-01T10:01:00+07:00", "note": "typed"},
        {"phase": "buy", "start": "2026-03-01T10:02:00Z"},
    ],
    "opened_by": "user_certificate",
    "date": "2026-03-01",
    "tools": {"mitmproxy": "12"},
    "salt": "00112233445566778899aabbccddeeff",
    "app_only": False,
    "started": "2026-03-01T10:00:00+00:00",
    "sealed": "2026-03-01T10:10:00+00:00",
    "files": [{"name": "a.har", "leg": "phone", "sha256": None}],
}
OTHERS: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 10**40, 0.5, 1e308, float("inf"), float("nan"), "", "x", "\0", "\x1b[2J", "=1+1"),
    *([], [1], [[[]]], {}, {"a": {"a": 1}}, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-02-30"),
    "1e999",
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((*at, key), *_places(value[key], (*at, key)))]


PLACES = [place for place in _places(WHOLE) if place != ("format",)]


def changed(place: tuple[Any, ...], other: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(WHOLE))
    holder: Any = made
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = other
    return made


def folder(at: Path, manifest: object) -> Path:
    """``manifest``: its text, or what it says."""
    at.mkdir(exist_ok=True)
    (at / "a.har").write_bytes(har(entry()))
    text = manifest if isinstance(manifest, str) else yaml.safe_dump(manifest, sort_keys=False)
    (at / "capture.yaml").write_text(text, encoding="utf-8")
    return at


def unread(at: Path) -> list[str]:
    return [loss.where for loss in open_capture(at).losses if loss.kind == "manifest_unread"]


def test_a_whole_manifest_is_used_whole(tmp_path: Path) -> None:
    place = folder(tmp_path, WHOLE)
    assert unread(place) == []
    made = read_manifest(place / "capture.yaml")
    assert (made.app.version_code, made.vantage.latitude, len(made.phases)) == (51, -6.2, 2)
    assert (made.tools, made.date, made.opened_by) == ({"mitmproxy": "12"}, "2026-03-01", "user_certificate")


@settings(max_examples=60)
@given(st.sampled_from(PLACES), st.sampled_from(OTHERS))
def test_any_value_at_any_key_ends_no_audit(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], other: Any
) -> None:
    at = folder(tmp_path_factory.getbasetemp() / "types", changed(place, other))
    try:
        tables, about = run(at, AuditOptions(workers=1))
    except InputError:
        # What the manifest names is not there, which its words cannot mend.
        if place[0] != "files":
            raise
        return
    assert tables["exchanges"].num_rows == 1
    json.dumps(about, allow_nan=False).encode()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_a_mapping_where_none_belongs_is_told_with_its_place(tmp_path: Path, place: tuple[Any, ...]) -> None:
    """And the rest is used: at a key that has fields, one that is not known is told."""
    shown = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")
    told = unread(folder(tmp_path, changed(place, {"nonsense": {"a": 1}})))
    assert told
    assert told[0].startswith(shown)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense: 2", "nonsense: no such field is known"),
        ("device: {model: [1]}", "device.model: a text belongs there"),
        ("tools: {curl: 8.1}", "tools.curl: a text belongs there"),
        ("user_country: Insulinde", "user_country: the two letters of ISO 3166 belong there, like ID"),
        ("timezone: Mars/Olympus", "timezone: a time zone belongs there, like Asia/Jakarta"),
        ("date: soon", "date: a day belongs there, like 2026-11-24"),
        ("date: 9999-12-31", "date: a day belongs there, like 2026-11-24"),
        ("phases: 7", "phases: a list belongs there"),
        ("phases: [{phase: x, start: 0001-01-01T00:00:00Z}]", "phases[0].start: a time like"),
        ("opened_by: magic", "opened_by: one of user_certificate, "),
        ("vantage: {latitude: .nan, longitude: 1}", "vantage.latitude: a number belongs there"),
        ("vantage: {latitude: 91, longitude: 1}", "vantage.latitude: it lies between -90 and 90 degrees"),
        ("device: {clock_ahead_ms: 1.0e+308}", "device.clock_ahead_ms: a number belongs there"),
        ("1: x", "a key that is no word: no such field is known"),
        ('"\\e[2J": x', "a key that is no word: no such field is known"),
    ],
)
def test_what_is_not_used_is_told_and_no_value_of_it(tmp_path: Path, text: str, told: str) -> None:
    where = unread(folder(tmp_path, f"format: 1\nname: kept\n{text}\n"))
    assert where[0].startswith(told)
    assert open_capture(tmp_path).manifest.name == "kept"
    with pytest.raises(InputError, match=r"capture\.yaml: "):
        read_manifest(tmp_path / "capture.yaml")


def test_many_fields_that_are_none_are_counted_together(tmp_path: Path) -> None:
    where = open_capture(folder(tmp_path, {"format": 1} | {f"k{n}": n for n in range(500)})).losses
    assert sum(loss.count for loss in where) == 500
    assert len(where) == 51


@pytest.mark.parametrize("text", ["line: dirct", "on_phone: perhaps", "latitude: x", "contry: ID"])
def test_a_vantage_of_which_a_word_is_not_understood_bounds_nothing(tmp_path: Path, text: str) -> None:
    """Without its line it would be a direct one, which says more than anybody wrote."""
    said = "{country: ID, latitude: -6.2, longitude: 106.8, %s}"
    place = folder(
        tmp_path,
        f"format: 1\nvantage: {said % text}\n".replace(
            "latitude: -6.2, longitude: 106.8, latitude", "longitude: 106.8, latitude"
        ),
    )
    assert open_capture(place).manifest.vantage == Vantage(line="unknown")


def test_times_without_a_zone_are_not_placed_where_the_zone_is_none(tmp_path: Path) -> None:
    times = "phases: [{phase: login, start: 2026-03-01T10:00:00}, {phase: buy, start: 2026-03-01T10:00:00Z}]"
    place = folder(tmp_path, f"format: 1\ntimezone: Mars\n{times}\n")
    assert [phase.phase for phase in open_capture(place).manifest.phases] == ["buy"]
    assert unread(place)[1] == "phases: a time has no zone, and the capture's is not known"


@pytest.mark.parametrize(
    "text", ["- 1\n", "7\n", "", "format: 2\n", "format: '1'\n", "format: true\n", "name: x\n", "a: [\n"]
)
def test_what_is_no_manifest_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as refused:
        run(folder(tmp_path, text), AuditOptions(workers=1))
    assert "\n" not in str(refused.value)


def test_every_field_is_tried() -> None:
    named = {field.name for field in msgspec.structs.fields(Manifest)} - {"persona"}
    assert named == set(WHOLE)
