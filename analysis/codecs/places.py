"""Planted coordinates in text: rounded or cut, in whole micro-degrees, in degrees and minutes, as a geohash, with any
separator or none; as patterns to search for, since what is masked needs no key that confirms it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation

from analysis.codecs.coordinates import MIN_DECIMALS

_MOST_DECIMALS = 7
_LEAST_JOINED = 5
"""Decimals from which on degrees and decimals are known again without a separator between."""
_GEOHASH = "0123456789bcdefghjkmnpqrstuvwxyz"
_LEAST_GEOHASH = 5
"""Characters of a geohash: five are a square of 5 km."""


def place_pattern(latitudes: Sequence[str], longitudes: Sequence[str]) -> re.Pattern[str] | None:
    """What finds any of these places in a text. ``latitudes`` and ``longitudes``: degrees, those at the same number
    are one place. None where nothing is precise enough to be known again: it takes three decimals."""
    made = [p for one in (*latitudes, *longitudes) for p in _of_number(one)]
    for latitude, longitude in zip(latitudes, longitudes, strict=False):
        made += _of_pair(latitude, longitude)
    return re.compile("|".join(dict.fromkeys(made)), re.IGNORECASE) if made else None


def _of_number(text: str) -> Iterator[str]:
    try:
        number = abs(Decimal(text.strip()))
    except InvalidOperation:
        return
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent < MIN_DECIMALS or number > 180:
        return
    of_degrees: dict[str, set[str]] = {}
    for decimals in range(MIN_DECIMALS, min(-exponent, _MOST_DECIMALS) + 1):
        for rounding in (ROUND_DOWN, ROUND_HALF_UP):
            rounded = str(number.quantize(Decimal(1).scaleb(-decimals), rounding))
            degrees, _, rest = rounded.partition(".")
            of_degrees.setdefault(degrees, set()).add(rest)
    for degrees, rests in of_degrees.items():
        longest_first = sorted(rests, key=lambda r: (-len(r), r))
        # Behind three decimals others follow only where they are those of the place; behind more, any may: a number
        # that went through another width is longer.
        separated = "|".join(r + (r"\d*" if len(r) > MIN_DECIMALS else "0*") for r in longest_first)
        yield rf"(?<![0-9]){degrees}[^0-9A-Za-z]{{1,3}}(?:{separated})(?![0-9])"
        joined = "|".join(r + r"\d{0,9}" for r in longest_first if len(r) >= _LEAST_JOINED)
        if joined:
            yield rf"(?<![0-9]){degrees}[a-z]{{0,3}}(?:{joined})(?![0-9])"
        short = "|".join(r + f"0{{{_MOST_DECIMALS - 1 - len(r)},}}" for r in longest_first if len(r) < _LEAST_JOINED)
        if short:  # micro-degrees of a place that was given with few decimals
            yield rf"(?<![0-9]){degrees}(?:{short})(?![0-9])"
    degrees_alone = int(number)
    minutes = (number - degrees_alone) * 60
    seconds = int((minutes - int(minutes)) * 60)
    parts = rf"0*{degrees_alone}[^0-9]{{1,6}}0?{int(minutes)}"
    yield rf"(?<![0-9]){parts}[^0-9]{{1,6}}0?(?:{seconds}|{seconds + 1})(?![0-9])"
    share = str((minutes - int(minutes)).quantize(Decimal("0.01"), ROUND_DOWN)).partition(".")[2]
    yield rf"(?<![0-9]){parts}[.,]{share}"


def _of_pair(latitude: str, longitude: str) -> Iterator[str]:
    try:
        place = geohash(float(latitude), float(longitude), _LEAST_GEOHASH)
    except ValueError:
        return
    yield rf"(?<![0-9a-z]){place}[{_GEOHASH}]{{0,7}}(?![0-9a-z])"


def geohash(latitude: float, longitude: float, size: int) -> str:
    """Bits of longitude and latitude by turns, five a character, as geohash.org gives it."""
    ranges = [[-180.0, 180.0], [-90.0, 90.0]]
    made, number = [], 0
    for bit in range(size * 5):
        limits, value = ranges[bit % 2], (longitude, latitude)[bit % 2]
        middle = (limits[0] + limits[1]) / 2
        upper = value >= middle
        limits[not upper] = middle
        number = number << 1 | upper
        if bit % 5 == 4:
            made.append(_GEOHASH[number])
            number = 0
    return "".join(made)
