"""Scrub: what was planted, taken out of a text in whatever spelling it stands there.

It searches for the very needles of detection, and beyond them for the letters and digits of every form, whatever
stands between: in the text, in what its escapes stand for, and in what its tokens decode to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from analysis import codecs
from analysis.codecs.forms import VOCABULARY_TYPES
from analysis.codecs.places import place_pattern
from analysis.codecs.views import View, core, decoded, folded, texts, unescaped
from analysis.read.automaton import implementation
from analysis.read.detect.planted import Needles

if TYPE_CHECKING:
    from analysis.persona import Planted

ANYWHERE_BITS = 20.0
"""A form that says so much is masked wherever its letters and digits stand. In the names, paths and keys of one
capture (some 10⁷ places at most, nearly all of them words) less than that comes by chance."""
BOUNDED_BITS = 8.0
"""A form that says so much is masked where it is a word of its own: four letters, three digits. Shorter ones (a given
name of three letters) are words and names of countries: they are masked only where they are all that was planted, and
the whole of a label or segment."""
_DIGIT, _LATIN, _LETTER, _SIGN = 3.3, 2.0, 3.0, 8.0
"""Bits of a digit, of a letter of a Latin word (half of what any letter has: words are guessed), of a letter of
another alphabet, of a character that is a word or syllable (Han, kana, hangul)."""
_LEAST_JOINED_DIGITS = 9
"""Digits alone that may stand across separators: the digits of neighbouring short numbers give any eight."""
_DEEPEST = 3
"""Encodings within one another."""
_REMEMBERED = 16_384
_LONGEST_REMEMBERED = 400
_TOKEN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_-%")
_SEPARATORS = frozenset(b"/.?&=;,:[]()<>\"' \t")
_PLACES = "gps_precise"


def bits(letters: str) -> float:
    """About how much a text of letters and digits says."""
    total = 0.0
    for c in letters:
        if c.isdigit():
            total += _DIGIT
        elif c < "\u0250":
            total += _LATIN
        else:
            total += _SIGN if c >= "\u1100" else _LETTER
    return total


class Span(NamedTuple):
    """A planted value at ``start:end`` of a text."""

    start: int
    end: int
    data_type: str
    weak: bool
    """Only a word that others use too: what somebody registered is not called after it."""


class _Letters(NamedTuple):
    data_type: str
    bounded: bool
    weak: bool


class Scrubber:
    """Takes the planted values out of texts. ``needles``: those of detection; ``region``: as for them."""

    def __init__(self, planted: Sequence[Planted], needles: Needles, region: str | None) -> None:
        self._needles = needles
        self._meant: list[_Letters] = []
        self._automaton = None
        numbers: dict[str, int] = {}
        octets: dict[bytes, str] = {}
        for one in planted:
            for form in codecs.forms(one.value.expose(), one.data_type, region, hidden=True):
                if form.binary:
                    if len(form.text) >= 6:
                        octets.setdefault(form.text, one.data_type)
                    continue
                letters = core(form.text.decode("utf-8", "surrogatepass"))
                meant = _strength(letters, one.data_type, form.weak)
                if meant is None:
                    continue
                number = numbers.setdefault(letters, len(self._meant))
                if number == len(self._meant):
                    self._meant.append(meant)
                elif self._meant[number].bounded and not meant.bounded:
                    self._meant[number] = meant
        if numbers:
            from ahocorasick_rs import AhoCorasick

            self._automaton = AhoCorasick(list(numbers), implementation=implementation(numbers))
        self._wide = not all(map(str.isascii, numbers))
        self._octets = octets
        self._any_octets = re.compile(b"|".join(map(re.escape, octets))) if octets else None
        self._places = place_pattern(needles.latitudes, needles.longitudes)
        self._scrub = lru_cache(_REMEMBERED)(self._scrubbed)

    def __bool__(self) -> bool:
        return bool(self._needles)

    def scrub(self, text: str, first: int | None = None) -> str:
        """``text`` with every planted value in it written as ‹type›. From ``first`` on, nothing is taken for a value
        that is a word which others use too: there begins, in a host, what somebody registered."""
        if not self or not text:
            return text
        if len(text) > _LONGEST_REMEMBERED:
            return self._scrubbed(text, first)
        return self._scrub(text, first)

    def _scrubbed(self, text: str, first: int | None) -> str:
        # Of two that begin together the longer one says what both are.
        spans = sorted(set(self._spans(text, 0)), key=lambda s: (s.start, -s.end, s.data_type))
        made: list[str] = []
        at = 0
        for span in spans:
            if span.weak and first is not None and span.end > first:
                continue
            if span.start >= at:
                made += [text[at : span.start], f"‹{span.data_type}›"]
            at = max(at, span.end)
        made.append(text[at:])
        return "".join(made) if spans else text

    # ------------------------------------------------------------------------------------- the needles themselves

    def _as_written(self, text: str) -> list[Span]:
        raw = text.encode("utf-8", "surrogatepass")
        hits = self._needles.find(raw)
        if not hits:
            return []
        spans = []
        for hit in hits:
            start, end = hit.start, hit.end
            if hit.weak and not _is_part(raw, start, end):
                continue
            if hit.via:
                # What stands around a find in base64 or hex is the same token, and tells the rest.
                while start and raw[start - 1] in _TOKEN:
                    start -= 1
                while end < len(raw) and raw[end] in _TOKEN:
                    end += 1
            if len(raw) != len(text):
                start, end = _characters(raw[: start + 1]) - 1, _characters(raw[:end])
            spans.append(Span(start, end, hit.value.data_type, hit.weak))
        return spans

    # ------------------------------------------------------------------------------------------ letters and digits

    def _spans(self, text: str, depth: int) -> list[Span]:
        spans: list[Span] = []
        for view in unescaped(text):
            spans += [s._replace(start=a, end=b) for s in self._as_written(view.text) for a, b in [view.source(*s[:2])]]
            if self._automaton is not None:
                spans += self._by_letters(view)
            if self._places is not None:
                for place in self._places.finditer(view.text):
                    spans.append(Span(*view.source(*place.span()), _PLACES, False))
            if depth < _DEEPEST:
                tokens = {}
                for start, end, inner in decoded(view.text):
                    if (start, end) not in tokens and (data_type := self._inside(inner, depth + 1)) is not None:
                        tokens[start, end] = data_type
                spans += [Span(*view.source(*t), tokens[t], False) for t in _narrowest(tokens)]
        return spans

    def _inside(self, octets: bytes, depth: int) -> str | None:
        """The type of the first value in what a token decodes to."""
        if self._any_octets is not None and (match := self._any_octets.search(octets)) is not None:
            return self._octets[match[0]]
        for text in texts(octets, self._wide):
            spans = self._spans(text, depth)
            if spans:
                return spans[0].data_type
        return None

    def _by_letters(self, view: View) -> list[Span]:
        assert self._automaton is not None
        letters = folded(view)
        spans = []
        for number, start, end in self._automaton.find_matches_as_indexes(letters.text, overlapping=True):
            meant = self._meant[number]
            inner = letters.inner(start, end)
            if meant.bounded and not _is_word(view.text, *inner):
                continue
            spans.append(Span(*view.source(*inner), meant.data_type, meant.weak))
        return spans


def _narrowest(tokens: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of tokens that lie within one another the inner ones: what stands around is no part of the value."""
    kept: list[tuple[int, int]] = []
    least = None
    for start, end in sorted(tokens, key=lambda t: (-t[0], t[1])):
        if least is None or end < least:
            kept.append((start, end))
            least = end
    return kept


def _strength(letters: str, data_type: str, weak: bool) -> _Letters | None:
    """Where these letters and digits are masked; None where the needles alone say it."""
    size = bits(letters)
    digits = sum(c.isdigit() for c in letters)
    if size < BOUNDED_BITS or len(set(letters)) <= 2:
        return None
    if data_type in VOCABULARY_TYPES and digits < 6:
        return None  # a gender, a country, a carrier: it shows nobody
    only_digits = digits == len(letters)
    bounded = weak or size < ANYWHERE_BITS or (only_digits and digits < _LEAST_JOINED_DIGITS)
    return _Letters(data_type, bounded, weak and not digits)


def _characters(raw: bytes) -> int:
    """Characters that begin in octets of UTF-8."""
    return sum(octet & 0xC0 != 0x80 for octet in raw)


def _is_word(text: str, start: int, end: int) -> bool:
    """Nothing of the same kind, a digit beside a digit or a letter beside a letter, stands right beside; a capital
    letter begins a word."""
    first, last = text[start], text[end - 1]
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if first.isdigit() and before.isdigit():
        return False
    if first.isalpha() and before.isalpha() and not (before.islower() and first.isupper()):
        return False
    if last.isdigit() and after.isdigit():
        return False
    return not (last.isalpha() and after.isalpha() and not (last.islower() and after.isupper()))


def _is_part(raw: bytes, start: int, end: int) -> bool:
    """A whole label, segment or word between separators."""
    return (start == 0 or raw[start - 1] in _SEPARATORS) and (end == len(raw) or raw[end] in _SEPARATORS)
