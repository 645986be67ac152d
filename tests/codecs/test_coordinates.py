"""Coordinates are compared as numbers, to three decimals or more."""

from __future__ import annotations

import struct
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.codecs import coordinate_matches, coordinate_pair

PLACES = st.integers(-180_000_000, 180_000_000).map(lambda i: f"{Decimal(i).scaleb(-6):f}")


@given(PLACES, st.integers(3, 6), st.sampled_from([ROUND_DOWN, ROUND_HALF_UP]))
def test_rounded_and_cut_numbers_match(place: str, decimals: int, how: str) -> None:
    seen = Decimal(place).quantize(Decimal(1).scaleb(-decimals), how)
    found = coordinate_matches(place, f"{seen:f}")
    assert found is not None
    assert (found.decimals, found.scale) == (decimals, 0)


@given(PLACES)
def test_padded_single_and_scaled_numbers_match(place: str) -> None:
    assert coordinate_matches(place, place + "000")
    single = struct.unpack("<f", struct.pack("<f", float(place)))[0]
    assert coordinate_matches(place, f"{single:.10f}")
    for scale in (6, 7):
        scaled = int(Decimal(place).scaleb(scale))
        assume(abs(scaled) >= 1000)
        found = coordinate_matches(place, str(scaled))
        assert found is not None
        assert found.scale == scale


@given(PLACES, PLACES, st.integers(3, 6))
def test_other_places_do_not_match(place: str, other: str, decimals: int) -> None:
    seen = Decimal(other).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    assume(abs(seen - Decimal(place)) >= Decimal(1).scaleb(-decimals))
    assume(abs(seen - Decimal(place)) > Decimal("0.00002"))
    assert coordinate_matches(place, f"{seen:f}") is None


@pytest.mark.parametrize(
    ("planted", "seen"),
    [
        ("-6.261493", "6.261493"),
        ("-6.261493", "-6.26"),
        ("-6.261493", "-6.262"),
        ("-6.26", "-6.26"),
        ("106.8", "106.800"),
        ("-6.261493", "x"),
        ("", "1.234"),
        ("Jakarta", "1.234"),
        ("-6.261493", "-6,261493"),
        ("999.1234", "999.1234"),
    ],
)
def test_what_says_too_little_or_something_else(planted: str, seen: str) -> None:
    assert coordinate_matches(planted, seen) is None


def test_pairs() -> None:
    assert coordinate_pair("-6.261493,106.810600") == ("-6.261493", "106.810600")
    assert coordinate_pair(" -6.261493; 106.8106 ") == ("-6.261493", "106.8106")
    assert coordinate_pair("geo:-6.261493,106.8106") == ("-6.261493", "106.8106")
    assert coordinate_pair("106.8106,-6.261493") is None
    assert coordinate_pair("-6.261493") is None
    assert coordinate_pair("1,2") is None
