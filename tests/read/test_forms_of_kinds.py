"""Forms of values that keys or a persona tell: scaled coordinates, hashed matching fields, prefixes twice, family
cards, addresses within texts."""

from __future__ import annotations

import hashlib
import json

import pytest

from analysis.read import Detector
from tests.read.messages import JSON, message


def read(detector: Detector, document: object) -> list[tuple[str, str, str, str]]:
    """(type, method, certainty, last name of the path)."""
    reading = detector.read(message(json.dumps(document).encode(), JSON))
    return [(t.data_type, t.method, t.certainty, t.path.rpartition(".")[2]) for t in reading.transmissions]


def digest(text: str, how: str = "sha256") -> str:
    return hashlib.new(how, text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("keys", "power"),
    [
        (("latitudeE7", "longitudeE7"), 7),
        (("latitude_e7", "longitude_e7"), 7),
        (("latE6", "lngE6"), 6),
        (("user_lat_e6", "user_lon_e6"), 6),
        (("lat_micro", "lon_micro"), 6),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_scaled_coordinates(
    detector: Detector, planted: Detector, keys: tuple[str, str], power: int, as_text: bool
) -> None:
    numbers = [round(d * 10**power) for d in (-7.257472, 112.752088)]
    body = dict(zip(keys, map(str, numbers) if as_text else numbers, strict=True))
    assert {t[0] for t in read(detector, {"location": body})} == {"gps_precise"}
    assert {t[:2] for t in read(planted, {"location": body})} == {("gps_precise", "planted")}


def test_a_scaled_number_out_of_range_is_no_coordinate(detector: Detector) -> None:
    assert read(detector, {"latitudeE7": 9_876_543_210, "longitudeE7": 12}) == []


MATCHING = {"fn": "full_name", "ln": "full_name", "db": "date_of_birth", "ge": "gender"}


@pytest.mark.parametrize("key", MATCHING)
def test_hashed_matching_fields(detector: Detector, key: str) -> None:
    assert read(detector, {"ud": {key: digest("anything")}}) == [(MATCHING[key], "key", "low", key)]
    assert read(detector, {"app": {key: digest("anything")}}) == []
    assert read(detector, {"ud": {key: digest("anything")[:20]}}) == []


@pytest.mark.parametrize("how", ["sha256", "md5", "sha1"])
@pytest.mark.parametrize(("key", "text"), [("fn", "ratna"), ("ln", "kusumawati"), ("fn", "ratna ayu"), ("ge", "f")])
def test_planted_names_and_gender_hashed(planted: Detector, how: str, key: str, text: str) -> None:
    hits = read(planted, {"ud": {key: digest(text, how)}})
    assert (MATCHING[key], "planted", "high", key) in hits
    assert not any(m == "planted" for _, m, _, _ in read(planted, {"etag": digest(text, how)}))
    assert not any(m == "planted" for _, m, _, _ in read(planted, {"ud": {key: text}}))


@pytest.mark.parametrize(
    "number", ["+62081355504321", "62081355504321", "+626281355504321", "0062081355504321", "062813-5550-4321"]
)
def test_a_phone_number_with_a_prefix_twice(planted: Detector, number: str) -> None:
    assert ("phone_number", "planted", "high", "to") in read(planted, {"to": number})


@pytest.mark.parametrize("key", ["no_kk", "nomor_kk", "noKK", "kartu_keluarga", "nomorKartuKeluarga"])
def test_family_card(detector: Detector, key: str) -> None:
    assert [t[0] for t in read(detector, {key: "3578010203090004"})] == ["government_id_other"]
    assert read(detector, {key: "12"}) == []


@pytest.mark.parametrize("key", ["dl", "page_url", "referrer"])
def test_an_address_within_a_text_that_a_key_named(detector: Detector, key: str) -> None:
    page = "https://news.example.com/reset/ratna.ayu@example.com/ok"
    hits = {t[0] for t in read(detector, {key: page})}
    assert hits == {"browsing_history", "email"}
    assert {t[0] for t in read(detector, {key: "https://news.example.com/a/support@example.com"})} == {
        "browsing_history"
    }
