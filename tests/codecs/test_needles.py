"""Needles: each value in each encoding is found, each needle is what its ``via`` says, weak ones say so."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.codecs import (
    CHARSETS,
    CODECS,
    COMBINATIONS,
    DIGESTS,
    canonical,
    decode,
    encodings_of,
    forms,
    is_weak,
    needles,
)
from analysis.codecs.needles import MIN_INSIDE, Needle
from analysis.codecs.text import base64_inside
from analysis.model import Secret
from analysis.persona import Planted

SAMPLES = [
    ("full_name", "Amélie O'Brien & Söhne"),
    ("email", "Tari.Uji+x@Example.org"),
    ("phone_number", "+62 812-5550-1234"),
    ("advertising_id", "8f14e45f-ceea-467f-a8d3-2b1c9d0e7a54"),
    ("mac_address", "3c:5a:b4:1e:7f:92"),
    ("national_id_nik", "3174035205940003"),
    ("password", 'Kopi/"Tubruk"#88'),
    ("unforeseen", "名前は 秘密/です"),
]
VALUES = st.text(min_size=1, max_size=40)


def by_data(value: str, data_type: str, region: str | None = None) -> dict[bytes, Needle]:
    return {n.data: n for n in needles(value, data_type, region)}


def texts(value: str, data_type: str, region: str | None = None) -> set[str]:
    return {f.text.decode() for f in forms(value, data_type, region) if not f.binary}


@given(VALUES, st.sampled_from(["email", "full_name", "password", "phone_number", "custom"]))
def test_every_needle_is_what_its_via_says(value: str, data_type: str) -> None:
    plain = {f.text for f in forms(value, data_type, "ID")}
    for needle in needles(value, data_type, "ID"):
        if needle.inside:
            continue
        data = needle.data
        undone = []
        for name in needle.via:
            if CODECS[name].undo is None:
                break
            found = decode(name, data, 10_000)
            assert found.complete, (needle, found.error)
            data = found.data
            undone.append(name)
        rest = needle.via[len(undone) :]
        if not rest:
            assert data in plain, needle
            continue
        assert needle.via[-1] in DIGESTS
        digests = set()
        for text in plain:
            raw = text
            for name in reversed(rest[1:]):
                raw = hashlib.new(name, raw).hexdigest().encode()
            made = hashlib.new(rest[0], raw)
            digits = made.hexdigest()
            digests |= {made.digest(), digits.encode(), digits.upper().encode()}
            digests |= {digits[8:24].encode(), digits[8:24].upper().encode()}
        assert data in digests, needle


@given(VALUES)
def test_a_value_is_found_in_what_other_libraries_write(value: str) -> None:
    raw = value.encode()
    found = by_data(value, "custom")
    assert found[raw].via == ()
    written = {
        "percent": quote(value, safe="").encode(),
        "form-percent": quote_plus(value).encode(),
        "json-string": json.dumps(value)[1:-1].encode(),
        "json-string ": json.dumps(value, ensure_ascii=False)[1:-1].encode(),
        "base64": base64.b64encode(raw),
        "base64url": base64.urlsafe_b64encode(raw).rstrip(b"="),
        "hex": raw.hex().encode(),
        "utf-16le": value.encode("utf-16-le"),
        "md5": hashlib.md5(raw).hexdigest().encode(),
        "sha1": hashlib.sha1(raw).hexdigest().upper().encode(),
        "sha256": hashlib.sha256(raw).digest(),
        "base64 sha256": base64.b64encode(hashlib.sha256(raw).digest()).rstrip(b"="),
        "base64 of hex": base64.b64encode(hashlib.sha256(raw).hexdigest().encode()).rstrip(b"="),
        "double base64": base64.b64encode(base64.b64encode(raw)),
        "double percent": quote(quote(value, safe=""), safe="").encode(),
    }
    for name, data in written.items():
        assert data in found, name


@given(st.text(min_size=12, max_size=40), st.binary(max_size=8), st.binary(max_size=8))
def test_a_long_value_is_found_inside_base64_of_more(value: str, before: bytes, after: bytes) -> None:
    if is_weak(value, "custom"):
        return
    found = needles(value, "custom")
    for encoded in (base64.b64encode, base64.urlsafe_b64encode):
        text = encoded(before + value.encode() + after)
        assert any(n.data in text for n in found if n.via in {("base64",), ("base64url",)})


@given(st.binary(min_size=MIN_INSIDE, max_size=40), st.binary(max_size=9), st.binary(max_size=9))
def test_base64_inside_depends_on_the_value_alone(raw: bytes, before: bytes, after: bytes) -> None:
    offset = len(before) % 3
    part = dict(base64_inside(raw))[offset]
    assert part in base64.b64encode(before + raw + after)
    assert len(part) >= 10


@pytest.mark.parametrize(("data_type", "value"), SAMPLES)
def test_every_codec_and_combination_of_the_table_is_used(data_type: str, value: str) -> None:
    """Where an encoding changes nothing, the plain needle is the needle."""
    found = by_data(value, data_type, "ID")
    for name, codec in CODECS.items():
        if codec.kind == "content" or name == "xor5":
            continue
        try:
            assert next(codec.spell(value.encode()))[1] in found, name
        except UnicodeError:
            assert name in ("latin-1", *CHARSETS)
    for combination in COMBINATIONS:
        assert combination.because
        if combination.types is None or data_type in combination.types:
            raw = value.encode()
            for name in reversed(combination.via):
                raw = next(CODECS[name].spell(raw))[1]
            assert raw in found, combination.via
    assert set(encodings_of(value, data_type, "ID")) == {(n.via, n.data) for n in found.values()}


def test_encodings_of_takes_what_a_persona_holds() -> None:
    planted = Planted("mail", "email", False, Secret("tari@example.org"), 1)
    assert list(encodings_of(planted)) == list(encodings_of("tari@example.org", "email"))


@given(VALUES)
def test_nothing_is_twice_and_nothing_shows_itself(value: str) -> None:
    found = needles(value, "custom")
    assert len({n.data for n in found}) == len(found)
    assert all(n.data for n in found)
    shown = repr(Needle(b"xsecretx", (), "as is", False, "")) + repr(forms("xsecretx", "custom"))
    assert "secret" not in shown


# ------------------------------------------------------------------------------------- forms, by type


@pytest.mark.parametrize("written", ["+62 812-5550-1234", "0812 5550 1234", "6281255501234", "0062 81255501234"])
def test_a_telephone_number_in_all_its_forms(written: str) -> None:
    found = texts(written, "phone_number", "ID")
    assert {"+6281255501234", "6281255501234", "081255501234", "81255501234", "006281255501234"} <= found
    assert {"+62 812-5550-1234", "0812-5550-1234", "0812 5550 1234", "+62-81255501234"} <= found
    assert canonical(written, "phone_number", "ID") == "+6281255501234"
    hashed = hashlib.sha256(b"+6281255501234").hexdigest().encode()
    assert by_data(written, "phone_number", "ID")[hashed].via == ("sha256",)


def test_a_number_without_a_country_gets_no_country_that_is_not_certain() -> None:
    assert texts("0812 5550 1234", "phone_number") == {"0812 5550 1234", "081255501234"}
    guessed = texts("6281255501234", "phone_number")
    assert "+6281255501234" in guessed
    assert "081255501234" not in guessed


def test_a_telephone_number_within_an_address_book_is_one() -> None:
    assert "081377004455" in texts("+62 813-7700-4455", "address_book")


def test_hex_text_that_begins_with_zero_is_no_telephone_number() -> None:
    assert texts("0b2f0c7de41a6538", "vendor_id", "ID") == {"0b2f0c7de41a6538", "0B2F0C7DE41A6538"}


def test_mail_addresses() -> None:
    assert texts(" Tari.Uji@Example.org", "email") >= {"Tari.Uji@Example.org", "tari.uji@example.org"}
    gmail = texts("Tari.Uji+shop@gmail.com", "email")
    assert {"tariuji+shop@gmail.com", "tariuji@gmail.com", "tari.uji@gmail.com"} <= gmail
    assert "tariuji@example.org" not in texts("tari.uji@example.org", "email")


def test_identifiers_with_separators() -> None:
    uuid = "8F14E45FCEEA467FA8D32B1C9D0E7A54"
    assert texts(uuid, "custom") == {
        uuid,
        uuid.lower(),
        "8f14e45f-ceea-467f-a8d3-2b1c9d0e7a54",
        "8F14E45F-CEEA-467F-A8D3-2B1C9D0E7A54",
    }
    assert bytes.fromhex(uuid) in by_data(uuid, "custom")
    mac = texts("3C-5A-B4-0E-7F-92", "wifi_bssid")
    assert {"3c:5a:b4:0e:7f:92", "3C5AB40E7F92", "3c:5a:b4:e:7f:92", "3c-5a-b4-0e-7f-92"} <= mac
    assert "35847209163548" in texts("358472091635481", "imei")
    assert "4811 1111 1111 1114" in texts("4811-1111-1111-1114", "payment_card")
    assert "092542943407000" in texts("09.254.294.3-407.000", "government_id_other")
    assert "2001:db8::1" in texts("2001:0db8:0:0::1", "ip_address")


def test_an_address_or_a_decimal_is_not_a_number_in_groups() -> None:
    assert texts("203.0.113.77", "ip_address") == {"203.0.113.77"}
    assert texts("112.752088", "gps_precise") == {"112.752088"}
    assert canonical("112.752088", "gps_precise") == "112.752088"


@pytest.mark.parametrize("written", ["1994-05-23", "23/05/1994", "19940523", "23.5.1994"])
def test_a_date_of_birth_in_its_usual_notations(written: str) -> None:
    found = texts(written, "date_of_birth")
    assert {"1994-05-23", "23/05/1994", "23-05-1994", "19940523", "05/23/1994", "769651200000"} <= found
    assert canonical(written, "date_of_birth") == "1994-05-23"
    assert all(n.whole_leaf_only for n in needles(written, "date_of_birth"))
    assert not any(
        n.via and n.via[-1] in DIGESTS and "midnight" in n.variant for n in needles(written, "date_of_birth")
    )


def test_a_date_that_may_be_two_days_is_only_itself() -> None:
    assert texts("05/12/1994", "date_of_birth") == {"05/12/1994"}


def test_values_that_are_other_values_in_another_case_keep_theirs() -> None:
    assert texts("Kopi-Tubruk#88", "password") == {"Kopi-Tubruk#88"}


def test_names_in_composed_and_decomposed_unicode() -> None:
    assert {"Amélie Söhne", "Ame\u0301lie So\u0308hne", "amélie söhne"} <= texts("Amélie Söhne", "full_name")


@pytest.mark.parametrize(
    ("data_type", "value"),
    [
        ("custom", "abc12"),
        ("custom", "12345"),
        ("custom", "1273099"),
        ("custom", "12345678"),
        ("custom", "password"),
        ("custom", "Indonesia"),
        ("custom", "United States"),
        ("custom", "Amerika Serikat"),
        ("custom", "China"),
        ("advertising_id", "00000000-0000-0000-0000-000000000000"),
        ("mac_address", "02:00:00:00:00:00"),
        ("gender", "perempuan dewasa"),
        ("full_name", "Suharto"),
    ],
)
def test_weak_values_count_only_as_a_whole(data_type: str, value: str) -> None:
    assert is_weak(value, data_type)
    assert all(n.whole_leaf_only and not n.inside for n in needles(value, data_type))


@pytest.mark.parametrize(("data_type", "value"), SAMPLES)
def test_strong_values_do_not(data_type: str, value: str) -> None:
    assert not is_weak(value, data_type)
    assert not by_data(value, data_type)[value.encode()].whole_leaf_only


def test_boundaries_keep_a_number_from_being_found_in_a_longer_one() -> None:
    phone = by_data("+6281255501234", "phone_number", "ID")
    assert phone[b"81255501234"].boundary == "digit"
    assert phone[b"+62 812-5550-1234"].boundary == "digit"
    assert by_data("tariuji94x", "username")[b"tariuji94x"].boundary == "word"
    assert by_data("tari.uji@example.org", "email")[b"tari.uji@example.org"].boundary == ""
    assert by_data("tari.uji@example.org", "email")[b"tari.uji%40example.org"].via == ("percent",)


@given(VALUES, st.sampled_from(["email", "phone_number", "custom", "date_of_birth", "full_name"]))
def test_every_form_of_a_value_has_one_canonical_form(value: str, data_type: str) -> None:
    once = canonical(value, data_type, "ID")
    assert canonical(once, data_type, "ID") == once
