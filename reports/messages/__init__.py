"""The message catalogue: all words of a report, one JSON file a language, and nothing of them elsewhere.

A file maps keys to texts in a subset of ICU MessageFormat: ``{name}``, ``{n, plural, =0 {none} one {# host} other
{# hosts}}`` and ``{name, select, a {...} other {...}}``, nested at will; ``#`` is the number of the plural around it;
a quote before a brace or ``#`` makes it literal. Plural categories and number forms are those of the Unicode CLDR for
the file's language. A new language is a new file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.numbers import format_decimal
from markupsafe import Markup, escape

from analysis.model import InputError
from analysis.reading_states import PART, STATES
from analysis.tables import APP_BY
from reports.strings import shown

HERE = Path(__file__).parent

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "level": ("4", "3", "2", "1", "0"),
    "level.short": ("4", "3", "2", "node", "1", "0", "refuted", "doubtful"),
    "reason": (
        *"maybe_anycast maybe_anycast_node_names_itself vantage_doubtful".split(),
        *"bounded_by_time beyond_fibre all_refuted anycast_node_names_itself anycast_nodes_disagree anycast".split(),
        *"no_source no_time_bound sources_contradict no_second_kind one_database no_database".split(),
        *"databases_contradict no_address reserved vpn on_phone box_on_the_way".split(),
    ),
    "reading": (*STATES, PART),
    "reading.short": (*STATES, PART),
    "opaque": (
        *"ca_refused pinned probable_pin probable_refusal encrypted sealed non_http relayed truncated unread".split(),
        "not_understood",
        *"unused unreachable fell_back".split(),
    ),
    "method": ("planted", "endpoint", "key", "weak"),
    "method.how": ("planted", "endpoint", "key", "value", "memory"),
    "method.short": ("planted", "endpoint", "key", "value", "memory", "weak"),
    "certainty": ("high", "medium", "low"),
    "stance": ("for", "against", "silent", "refuted", "void"),
    "witness": ("database", "ranges", "geofeed", "node", "reverse", "certificate"),
    "basis": ("incorporated", "seat", "both", "office"),
    "link": ("machine", "operator", "machine_owner", "parent"),
    "link.note": ("machine", "operator", "machine_owner", "parent"),
    "phase": (
        *"idle install first_launch consent_asked consent_refused consent_accepted login browse search".split(),
        *"chat buy background logout deleted uninstalled".split(),
    ),
    "finding.destination": ("own_word", "level1", "level2", "level3", "level4"),
    "finding": ("reach", "reach_not_researched"),
    "finding.consent": ("before", "refused"),
    "missing": ("statute", "second_database", "second_kind", "consent_text", "app_stated"),
    "cannot": ("demand", "parent_access", "behind_server", "storage", "legal_basis"),
    "capture_says": (
        *"app vendor domains user_country vantage persona opened_by by_system app_only date phases text".split(),
    ),
    "opened_by": ("user_certificate", "system_certificate", "keys", "hooks", "none"),
    "party": ("first", "third", "unknown"),
    "platform": ("android", "ios"),
    "chapter": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
    "question": ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
    "axis": ("where", "who", "law", "what"),
    "axis.note": ("where", "who", "law", "what"),
    "square": ("documented", "memory", "unknown"),
    "sankey": ("place", "law"),
    "date_from": ("option", "manifest", "capture", "reference"),
    "line": ("direct", "vpn", "unknown"),
    "whose": ("app", "other", "system"),
    "what.apart": ("received", "not_personal", "system", "other"),
    "app_from": ("stated", "joined", "inferred", "system", "unknown"),
    "app_by": APP_BY,
}
"""Keys that the code puts together from a family and a word of the tables. The words are those of ``tables.py``."""


# ------------------------------------------------------------------------------------------------- the form


@dataclass(frozen=True, slots=True)
class _Argument:
    name: str


@dataclass(frozen=True, slots=True)
class _Choice:
    """A plural or a select: the text for each category."""

    name: str
    plural: bool
    texts: Mapping[str, tuple[_Part, ...]]


class _Number:
    """The sign ``#``."""


_Part = str | _Argument | _Choice | _Number
_HEAD = re.compile(r"\s*(\w+)\s*(?:,\s*(plural|select)\s*,)?")
_CASE = re.compile(r"\s*(=\d+|\w+)\s*\{")


def parse(text: str) -> tuple[_Part, ...]:
    """A message as parts. Raises ValueError for a form that is none."""
    parts, end = _parse(text, 0, False)
    if end != len(text):
        raise ValueError(f"a brace too many at {end}")
    return parts


def _parse(text: str, at: int, counted: bool) -> tuple[tuple[_Part, ...], int]:
    parts: list[_Part] = []
    plain: list[str] = []

    def flush() -> None:
        if plain:
            parts.append("".join(plain))
            plain.clear()

    while at < len(text) and text[at] != "}":
        char = text[at]
        if char == "'" and text[at + 1 : at + 2] in ("{", "}", "#"):
            close = text.find("'", at + 1)
            close = len(text) if close < 0 else close
            plain.append(text[at + 1 : close])
            at = close + 1
        elif char == "{":
            flush()
            part, at = _argument(text, at + 1)
            parts.append(part)
        elif char == "#" and counted:
            flush()
            parts.append(_Number())
            at += 1
        else:
            plain.append(char)
            at += 1
    flush()
    return tuple(parts), at


def _argument(text: str, at: int) -> tuple[_Part, int]:
    head = _HEAD.match(text, at)
    if head is None:
        raise ValueError(f"no name at {at}")
    at = head.end()
    if head[2] is None:
        if text[at : at + 1] != "}":
            raise ValueError(f"no closing brace at {at}")
        return _Argument(head[1]), at + 1
    texts: dict[str, tuple[_Part, ...]] = {}
    while (case := _CASE.match(text, at)) is not None:
        texts[case[1]], at = _parse(text, case.end(), head[2] == "plural")
        if text[at : at + 1] != "}":
            raise ValueError(f"no closing brace at {at}")
        at += 1
    close = text.find("}", at)
    if close < 0 or text[at:close].strip() or "other" not in texts:
        raise ValueError(f"no case 'other', or no closing brace, at {at}")
    return _Choice(head[1], head[2] == "plural", texts), close + 1


def arguments(parts: tuple[_Part, ...]) -> set[str]:
    """Names of the arguments that a message needs: a translation needs no others."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part, _Argument | _Choice):
            found.add(part.name)
        if isinstance(part, _Choice):
            found |= {name for text in part.texts.values() for name in arguments(text)}
    return found


# -------------------------------------------------------------------------------------------- the catalogue


class Catalogue:
    """The messages of one language, as markup: text is escaped, an argument too unless it is markup already."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.locale = Locale.parse(texts.get("locale", language))
        self.texts = dict(texts)
        self._parsed: dict[str, tuple[_Part, ...]] = {}
        self.number = lru_cache(maxsize=4096)(self._number)

    def __contains__(self, key: str) -> bool:
        return key in self.texts

    def __call__(self, key: str, /, **arguments: Any) -> Markup:
        """The message of a key. Raises KeyError for one that the catalogue, or an argument that the caller lacks."""
        parts = self._parsed.get(key)
        if parts is None:
            parts = self._parsed[key] = parse(self.texts[key])
        return Markup("").join(self._parts(parts, arguments, None))

    def of(self, family: str, word: Any, /, **arguments: Any) -> Markup:
        """The message of a word of the tables; a word that this version does not know is shown as it is."""
        key = f"{family}.{word}"
        return self(key, **arguments) if key in self.texts else shown(str(word), breaks="_")

    def _parts(self, parts: tuple[_Part, ...], arguments: Mapping[str, Any], n: Any) -> list[Markup]:
        made: list[Markup] = []
        for part in parts:
            if isinstance(part, str):
                # A name that ends in a full stop ends the sentence with it.
                stopped = part.startswith(".") and bool(made) and made[-1].striptags().endswith(".")
                made.append(escape(part[1:] if stopped else part))
            elif isinstance(part, _Argument):
                value = arguments[part.name]
                made.append(self.number(value) if isinstance(value, int | float) else escape(value))
            elif isinstance(part, _Number):
                made.append(self.number(n))
            else:
                value = arguments[part.name]
                made.extend(self._parts(self._chosen(part, value), arguments, value if part.plural else n))
        return made

    def _chosen(self, choice: _Choice, value: Any) -> tuple[_Part, ...]:
        texts = choice.texts
        if not choice.plural:
            return texts.get(str(value), texts["other"])
        if f"={value}" in texts:
            return texts[f"={value}"]
        return texts.get(self.locale.plural_form(value), texts["other"])

    def _number(self, value: float) -> Markup:
        return escape(format_decimal(value, format="#,##0.##", locale=self.locale))


def load(language: str) -> Catalogue:
    """The catalogue of a language. Raises InputError where there is none."""
    known = sorted(p.stem for p in HERE.glob("*.json"))
    if language not in known:
        raise InputError(f"No report can be written in {language!r}; there is {', '.join(known)}.")
    return Catalogue(language, json.loads((HERE / f"{language}.json").read_text(encoding="utf-8")))
