"""Planted values: what a persona gives to search for, and how a find is confirmed.

One automaton holds every needle of every value; bytes are scanned once, whatever stands in them. A find counts where
its neighbours do not make it a part of something else; a value that many people share, or that is too short, counts
only as a whole leaf under a key that means its type. Coordinates are compared as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from analysis import codecs
from analysis.read.automaton import implementation

if TYPE_CHECKING:
    from analysis.persona import Planted

_DIGESTED = {"email": "email_hash", "phone_number": "phone_hash"}
"""Types whose digests are a type of their own."""
_PLACES = frozenset({"gps_precise", "location_coarse"})
_NUMBER = re.compile(r"[+-]?\d{1,3}\.\d{1,20}")


@dataclass(frozen=True, slots=True)
class Value:
    """One planted value as detection sees it."""

    data_type: str
    same: str
    """In the one form by which it is compared."""

    def __repr__(self) -> str:
        return f"Value({self.data_type})"


class Hit(NamedTuple):
    """A needle at ``start:end`` of some bytes."""

    start: int
    end: int
    value: Value
    via: tuple[str, ...]
    """Encodings and digests that the needle itself has undone."""
    weak: bool
    """Counts only as a whole leaf under a key that fits."""
    inside: bool
    """The value is a part of what the bytes around decode to."""
    stands: bool
    """Nothing beside it makes it a part of a longer number or word. Bytes that are no text (a length, a tag) say
    nothing of that."""


class Needles:
    """All needles of a persona."""

    def __init__(self, planted: Sequence[Planted], known: frozenset[str], region: str | None) -> None:
        """``known``: ids of data types, for those of digests. ``region``: for telephone numbers."""
        self.latitudes: list[str] = []
        self.longitudes: list[str] = []
        self._meant: list[list[tuple[Value, codecs.Needle]]] = []
        numbers: dict[bytes, int] = {}
        for one in planted:
            text = one.value.expose()
            self._place(one.name, one.data_type, text)
            same = codecs.canonical(text, one.data_type, region)
            plain = Value(one.data_type, same)
            hashed = Value(_DIGESTED[one.data_type], same) if _DIGESTED.get(one.data_type) in known else plain
            for needle in codecs.needles(text, one.data_type, region):
                if len(needle.data) < 3:
                    continue
                digest = bool(needle.via) and codecs.CODECS[needle.via[-1]].kind == "digest"
                number = numbers.setdefault(needle.data, len(self._meant))
                if number == len(self._meant):
                    self._meant.append([])
                self._meant[number].append((hashed if digest else plain, needle))
        self._digits: dict[str, Value] = {}
        for meant in self._meant:
            for value, needle in meant:
                if not needle.via and not needle.whole_leaf_only and needle.data.isdigit() and len(needle.data) >= 8:
                    self._digits.setdefault(needle.data.decode(), value)
        self._automaton = None
        if numbers:
            from ahocorasick_rs import BytesAhoCorasick

            self._automaton = BytesAhoCorasick(list(numbers), implementation=implementation(numbers))

    def _place(self, name: str, data_type: str, text: str) -> None:
        if data_type not in _PLACES:
            return
        pair = codecs.coordinate_pair(text)
        if pair is not None:
            self.latitudes.append(pair[0])
            self.longitudes.append(pair[1])
        elif _NUMBER.fullmatch(text.strip()):
            if re.search(r"lon|lng|bujur", name.lower()) or abs(float(text)) > 90:
                self.longitudes.append(text.strip())
            else:
                self.latitudes.append(text.strip())

    def __bool__(self) -> bool:
        return self._automaton is not None

    def find(self, data: bytes) -> list[Hit]:
        """All needles in ``data``, without those that are a part of a longer one; in the order of their starts. Of
        several meanings of the same bytes each is given."""
        if self._automaton is None:
            return []
        hits: list[Hit] = []
        for number, start, end in self._automaton.find_matches_as_indexes(data, overlapping=True):
            for value, needle in self._meant[number]:
                boundary = needle.boundary or ("word" if not needle.via else "")
                stands = not boundary or _stands(data, start, end, boundary)
                hits.append(Hit(start, end, value, needle.via, needle.whole_leaf_only, needle.inside, stands))
        if len(hits) < 2:
            return hits
        hits.sort(key=lambda h: (h.start, -h.end))
        kept: list[Hit] = []
        reach, since = -1, -1
        for hit in hits:
            # A hit that may be refused later hides no other.
            if hit.end <= reach and not (hit.start == since and hit.end == reach):
                continue
            kept.append(hit)
            if hit.stands and not hit.weak and hit.end > reach:
                reach, since = hit.end, hit.start
        return kept

    def digits(self, text: str) -> Value | None:
        """The planted number that ``text`` is when separators are left out: no needle knows every grouping."""
        return self._digits.get(re.sub(r"[^0-9]", "", text)) if self._digits else None

    def near(self, text: str) -> tuple[str, int, str] | None:
        """Where ``text`` is a planted latitude or longitude: which of the two, decimals that agree (1 or more), and
        the planted number."""
        seen = text.strip()
        for axis, planted in (("lat", self.latitudes), ("lon", self.longitudes)):
            for one in planted:
                match = codecs.coordinate_matches(one, seen)
                if match is not None:
                    return axis, match.decimals, one
                if _NUMBER.fullmatch(seen) and len(seen.partition(".")[2]) < codecs.coordinates.MIN_DECIMALS:
                    decimals = len(seen.partition(".")[2])
                    if abs(float(one) - float(seen)) <= 0.51 * 10**-decimals:
                        return axis, decimals, one
        return None


def _stands(data: bytes, start: int, end: int, boundary: str) -> bool:
    """Nothing beside the needle makes it a part of a longer number or word."""
    before = data[start - 1] if start else 0x20
    after = data[end] if end < len(data) else 0x20
    if not _is_word(data[start]) or not _is_word(data[end - 1]):
        # A needle that begins or ends with a sign (+62...) has its boundary there.
        before = 0x20 if not _is_word(data[start]) else before
        after = 0x20 if not _is_word(data[end - 1]) else after
    if boundary == "digit":
        return not (0x30 <= before <= 0x39 or 0x30 <= after <= 0x39)
    # Percent- and JSON-escapes end in letters and digits that belong to no word: %20Budi, \nBudi.
    if _is_word(before) and not _escape_before(data, start):
        return False
    return not _is_word(after)


def _is_word(octet: int) -> bool:
    return 0x30 <= octet <= 0x39 or 0x41 <= octet <= 0x5A or 0x61 <= octet <= 0x7A or octet >= 0x80


_ESCAPE = re.compile(rb"(?:%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\[nrtbf])\Z")


def _escape_before(data: bytes, start: int) -> bool:
    return _ESCAPE.search(data[max(0, start - 6) : start]) is not None
