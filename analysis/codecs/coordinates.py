"""Geographic coordinates as text: no needle finds them, since software rounds, scales and lengthens numbers,
so they are compared as numbers, in degrees."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from decimal import Decimal

MIN_DECIMALS = 3
"""Three decimals of a degree are 111 m of latitude. With fewer, a number says a district, and many numbers
agree."""
_NUMBER = re.compile(r"[+-]?\d{1,3}(?:\.\d{1,20})?")
_INTEGER = re.compile(r"[+-]?\d{4,11}")
_PAIR = re.compile(r"\s*(?:geo:)?\s*([+-]?\d{1,3}\.\d{1,20})\s*[,; ]\s*([+-]?\d{1,3}\.\d{1,20})\s*")


@dataclass(frozen=True, slots=True)
class CoordinateMatch:
    """How far a number agrees with a planted coordinate."""

    decimals: int
    """Decimals of a degree to which both were compared, 3 or more."""
    scale: int
    """Power of ten that the number was multiplied by: 0, or 6 or 7 where it stands as an integer of
    micro-degrees or of 10⁻⁷ degrees. A scaled integer looks like any other, so a key has to confirm it."""


def coordinate_pair(text: str) -> tuple[str, str] | None:
    """Latitude and longitude where ``text`` is the two of them, in that order (RFC 5870 has it too), each as
    it stands; None where it is not."""
    found = _PAIR.fullmatch(text)
    if found is None or abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
        return None
    return found[1], found[2]


def coordinate_matches(planted: str, seen: str) -> CoordinateMatch | None:
    """Whether the number ``seen`` is the coordinate ``planted``: rounded or cut to 3 decimals or more,
    padded, passed through a 32-bit float, or scaled to an integer. Both are one number in degrees; None
    where it is not, or where ``planted`` itself has fewer than 3 decimals. A sign has to agree: without it a
    place lies elsewhere."""
    planted, seen = planted.strip(), seen.strip()
    if not _NUMBER.fullmatch(planted) or _decimals(planted) < MIN_DECIMALS or abs(float(planted)) > 180:
        return None
    truth = Decimal(planted)
    if _NUMBER.fullmatch(seen) and _decimals(seen) >= MIN_DECIMALS:
        decimals = min(_decimals(planted), _decimals(seen))
        found = _agree(truth, Decimal(seen), decimals, cut=_decimals(seen) < _decimals(planted))
        return CoordinateMatch(decimals, 0) if found else None
    if _INTEGER.fullmatch(seen):
        for scale in (7, 6):
            decimals = min(_decimals(planted), scale)
            if _agree(truth, Decimal(seen).scaleb(-scale), decimals, cut=scale < _decimals(planted)):
                return CoordinateMatch(decimals, scale)
    return None


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _agree(truth: Decimal, seen: Decimal, decimals: int, *, cut: bool) -> bool:
    """Equal when rounded to so many decimals; where ``seen`` has fewer, also when ``truth`` was cut to them;
    or equal as 32-bit floats."""
    if truth * seen < 0:
        return False
    unit = Decimal(1).scaleb(-decimals)
    if abs(truth - seen) * 2 <= unit or (cut and 0 <= abs(truth) - abs(seen) < unit):
        return True
    single: float = struct.unpack("<f", struct.pack("<f", float(truth)))[0]
    # Half a unit of the last binary digit that a 32-bit float has at this size bounds what printing it takes
    # away.
    return abs(single - float(seen)) < abs(single) * 2.0**-25
