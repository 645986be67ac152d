"""Every sentence of the catalogue with 0, 1, 2 and 5 for each of its numbers, each of its choices, and names that end
in a full stop: what a machine can tell of grammar holds."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports import messages
from reports.messages import Catalogue, arguments, parse

TEXTS: dict[str, str] = json.loads((Path(messages.HERE) / "en.json").read_text(encoding="utf-8"))
ENGLISH = Catalogue("en", TEXTS)
NUMBERS = (0, 1, 2, 5)
_PLAIN_NUMBERS = frozenset({"n", "total", "read", "part", "level", "receivers", "names", "pairs"})
_NOT_PLURAL = "is was has does this as its plus less means times stands"

LAWS = {
    "one of many": re.compile(rf"\b1 (?!(?:{_NOT_PLURAL.replace(' ', '|')})\b)[a-z]+s\b"),
    "many of one": re.compile(r"\b[25] (host|type|company|field|connection|state|finding|machine|message|country)\b"),
    "one are": re.compile(
        r"\b(?:[Oo]ne|1)(?: (?:host|type|company|field|connection|state|body|listing|more))? (are|were|have)\b"
    ),
    "many is": re.compile(r"\b[25] (?:hosts|types|companies|fields|connections|states|bodies)(?: is| was| has)\b"),
    "nothing of": re.compile(r"\b0 of\b|\bof 0\b"),
    "two stops": re.compile(r"\.\.|\. \.|;\.|,\.|:\.|;;|,,"),
    "two spaces": re.compile(r"  "),
    "space before a stop": re.compile(r" [.,;:]"),
    "a hole": re.compile(r"[{}]"),
    "an empty bracket": re.compile(r"\(\s*\)"),
}


def _choices(parts: Any) -> dict[str, set[str]]:
    """The cases of each select."""
    found: dict[str, set[str]] = {}
    for part in parts:
        texts = getattr(part, "texts", None)
        if texts is None:
            continue
        if not part.plural:
            found.setdefault(part.name, set()).update(texts)
        for text in texts.values():
            for name, cases in _choices(text).items():
                found.setdefault(name, set()).update(cases)
    return found


def _plurals(parts: Any) -> set[str]:
    found = set()
    for part in parts:
        texts = getattr(part, "texts", None)
        if texts is None:
            continue
        found |= {part.name} if part.plural else set()
        found |= {name for text in texts.values() for name in _plurals(text)}
    return found


def _given(key: str) -> Iterator[dict[str, Any]]:
    parts = parse(TEXTS[key])
    selects = _choices(parts)
    numbers = sorted((_plurals(parts) | (arguments(parts) & _PLAIN_NUMBERS)) - selects.keys())
    others = arguments(parts) - selects.keys() - set(numbers)
    names = dict.fromkeys(others, "Harbor Inc.")
    for chosen in itertools.product(*(sorted(cases) for cases in selects.values())):
        words = names | dict(zip(selects, chosen, strict=True))
        for counts in itertools.product(NUMBERS, repeat=min(len(numbers), 3)):
            padded = [*counts, *[2] * (len(numbers) - len(counts))]
            made = words | dict(zip(numbers, padded, strict=True))
            # Of a whole there is never less than of its part, and what is left of it is the rest.
            whole = made.get("total", made.get("of", 9))
            if whole == 0 or any(made.get(part, 0) > whole for part in ("n", "none", "closed")):
                continue
            if made.get("which") == "some" and not 1 <= made["none"] < made["n"]:
                continue
            if "rest" in made and made["rest"] != whole - made["n"]:
                continue
            if key in _ONLY_OF_SOME and not all(made.get(part, 1) for part in ("n", "hosts", "part", "owners")):
                continue
            if {"all", "part"} <= made.keys() and (
                made["part"] > whole or (made["part"] == whole) != (made["all"] == "yes")
            ):
                continue
            yield made


_ONLY_OF_SOME = frozenset(
    "against.unread finding.assumed finding.inferred links.caption rings.anycast_text unseen.answer where.rest "
    "minute.app_suggested unseen.not_trusted host.weak law.reached extent who.companies who.rented "
    "where.answer_refuted readable.hosts readable.of what.weak_only".split()
)
"""Sentences that are made only where there is at least one of what they count first."""


@pytest.mark.parametrize("key", sorted(k for k in TEXTS if k != "locale"))
def test_a_sentence_holds_the_laws_of_grammar_with_any_number(key: str) -> None:
    for given in _given(key):
        said = str(ENGLISH(key, **given))
        for law, pattern in LAWS.items():
            found = pattern.search(said)
            assert found is None or said.startswith(" "), f"{law}: {said!r} with {given}"


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("1 hosts", "one of many"),
        ("5 host answered", "many of one"),
        ("One host have no country", "one are"),
        ("2 hosts was tried", "many is"),
        ("0 of 44 hosts", "nothing of"),
        ("none of 0 hosts", "nothing of"),
        ("Apple Inc..", "two stops"),
        ("a  b", "two spaces"),
        ("held by {name}", "a hole"),
    ],
)
def test_each_law_is_broken_by_its_fault(text: str, law: str) -> None:
    assert LAWS[law].search(text)


def test_a_name_that_ends_in_a_full_stop_ends_the_sentence() -> None:
    made = Catalogue("en", {"x": "It is run by {name}.", "y": "{n, plural, other {by {name}}}. More."})
    assert str(made("x", name="Harbor Inc.")) == "It is run by Harbor Inc."
    assert str(made("x", name="Harbor")) == "It is run by Harbor."
    assert str(made("y", n=2, name="Harbor Inc.")) == "by Harbor Inc. More."
