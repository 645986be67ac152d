"""The one mask: what a text of a capture becomes before a table, a report, a page, a terminal or a log has it.

Planted values go by their spellings (``scrub``), identifiers by their look (``identifiers``), and values that
were read anywhere in the capture wherever they stand again (``Known``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from analysis.codecs.forms import VOCABULARY_TYPES
from analysis.codecs.views import View, core, folded, unescaped
from analysis.read.detect.planted import Needles
from analysis.read.identifiers import hide_keys, hide_labels, hide_path, hide_segment
from analysis.read.scrub import Scrubber
from analysis.reference.suffixes import registered_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analysis.persona import Planted

SHARED_TYPES = VOCABULARY_TYPES | {"app_interaction", "ad_data", "crash_data"}
"""Types whose values are words of interfaces and systems (``search``, ``android``), the same in every user's messages:
one word of them shows nobody, and stands in names of hosts and paths with a meaning of its own."""
_LEAST = 6
"""Characters of a value that is known again where it stands in other text."""
_LEAST_LETTERS = 4
"""Letters and digits of it: ``-6.208`` has four. Fewer than ``_LEAST`` are known again only as they were written."""
_LEAST_SHARED = 8
"""Letters of one word of a shared type, and then only as a whole segment."""
_BEGIN = 4
_LONGEST = 1 << 16
"""Characters of a value that is remembered: no text of a table is longer."""
_WORDS = re.compile(r"[0-9]+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\x00-\x7f]+")
"""Where a value may begin and end: between letters and digits, and where a capital letter begins a word, too."""
_SEPARATORS = "/.?&=;,:[]()<>\"' \t‹›"


class Mask:
    """Masks by what was planted and by look. ``needles``: those of detection; ``region``: as for them."""

    def __init__(self, planted: Sequence[Planted], needles: Needles, region: str | None) -> None:
        self._scrubber = Scrubber(planted, needles, region)
        self.host = lru_cache(16_384)(self._host)

    @classmethod
    def of(cls, planted: Sequence[Planted], region: str | None) -> Mask:
        """A mask where no detector is at hand."""
        return cls(planted, Needles(planted, frozenset(), region), region)

    def text(self, text: str) -> str:
        """A text without what was planted."""
        return self._scrubber.scrub(text)

    def path(self, path: str) -> str:
        """A path of a URL."""
        return hide_path(self.text(path))

    def keys(self, path: str) -> str:
        """A path of keys."""
        return hide_keys(self.text(path))

    def key(self, name: str) -> str:
        """One key."""
        return hide_segment(self.text(name))

    def _host(self, host: str) -> str:
        """The name of a host: what somebody registered stays, unless it holds a whole planted value."""
        if self.text(host) == host and hide_labels(host) == host:
            return host
        first = registered_at(host)
        cleaned = self._scrubber.scrub(host, first)
        kept = len(host) - first
        before, after = cleaned[: len(cleaned) - kept], cleaned[len(cleaned) - kept :]
        # Where the registered part was masked itself, no label of it is left to be kept apart.
        return hide_labels(before) + after if host.endswith(after) else hide_labels(cleaned)


class Known:
    """Values that were read in this capture, to be known again in any spelling. It holds hashes of their letters and
    digits, no value; they are this process's own and leave it nowhere."""

    def __init__(self) -> None:
        self._whole: set[int] = set()
        self._apart: set[int] = set()
        """Of them those that are a value only between separators."""
        self._exact: set[int] = set()
        """Short ones as they are written: digits alone that are the same stand everywhere."""
        self._sizes: dict[int, set[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._whole)

    def add(self, value: str, data_type: str) -> None:
        """Remember a value, unless it is too short, or a word that all share."""
        if not _LEAST <= len(value) <= _LONGEST:
            return
        letters = core(value)
        if len(letters) < _LEAST_LETTERS or len(set(letters)) <= 2:
            return
        has_digit = any(c.isdigit() for c in letters)
        shared = data_type in SHARED_TYPES and not has_digit and value.strip().isalpha()
        if (shared and len(letters) < _LEAST_SHARED) or (len(letters) < _LEAST and not has_digit):
            return
        number = hash(letters)
        if not shared and len(letters) >= _LEAST:
            self._apart.discard(number)
        elif number not in self._whole:
            self._apart.add(number)
        if len(letters) < _LEAST:
            self._exact.add(hash(_bare(value)))
        self._whole.add(number)
        self._sizes.setdefault(hash(letters[:_BEGIN]), set()).add(len(letters))

    def hide(self, text: str, first: int = 0, last: int | None = None) -> str:
        """``text`` with every value that is known in it, between ``first`` and ``last``, written as ‹value›."""
        if not self._whole or len(text) < _LEAST:
            return text
        every = {span for view in unescaped(text) for span in self._spans(view)}
        spans = sorted(s for s in every if first <= s[0] and (last is None or s[1] <= last))
        made: list[str] = []
        at = 0
        for start, end in spans:
            if start >= at:
                made += [text[at:start], "‹value›"]
            at = max(at, end)
        made.append(text[at:])
        return "".join(made) if spans else text

    def _spans(self, view: View) -> Iterator[tuple[int, int]]:
        edges = [0]
        for word in _WORDS.findall(view.text):
            edges.append(edges[-1] + (len(word) if word.isascii() else len(core(word))))
        if edges[-1] < _LEAST_LETTERS:
            return
        letters = folded(view)
        ends = set(edges)
        for start in dict.fromkeys(edges):
            for length in self._sizes.get(hash(letters.text[start : start + _BEGIN]), ()):
                end = start + length
                if end not in ends or (number := hash(letters.text[start:end])) not in self._whole:
                    continue
                inner = letters.inner(start, end)
                before, after = view.text[: inner[0]][-1:], view.text[inner[1] :][:1]
                if before == "‹":
                    continue
                if length < _LEAST:
                    if hash(_bare(view.text[inner[0] : inner[1]])) not in self._exact:
                        continue
                elif number in self._apart and not (before in _SEPARATORS and after in _SEPARATORS):
                    continue
                yield view.source(*inner)


def _bare(text: str) -> str:
    """``text`` without what stands around its letters and digits."""
    return re.sub(r"^\W+|\W+$", "", text).lower()
