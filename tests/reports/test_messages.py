"""The catalogue: its form, its plurals, and that every word of a report is in it and nothing else is."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

import reports
from analysis.model import InputError
from reports import messages
from reports.messages import FAMILIES, Catalogue, arguments, parse

ROOM = Path(reports.__file__).parent
CODE = sorted(ROOM.rglob("*.py"))
TEMPLATES = sorted((ROOM / "templates").glob("*.j2"))
OPEN = ("country.within.", "country.short.", "cause.", "loss.", "state.clause.", "count.")
"""Families that grow with the data: a word without a message is shown as it is."""


def _english() -> dict[str, str]:
    return json.loads((ROOM / "messages" / "en.json").read_text(encoding="utf-8"))


def test_plurals_follow_the_language() -> None:
    text = {"n": "{n, plural, =0 {none} one {# host} other {# hosts}}"}
    english, indonesian = Catalogue("en", text), Catalogue("id", text)
    assert [str(english("n", n=n)) for n in (0, 1, 2, 1200)] == ["none", "1 host", "2 hosts", "1,200 hosts"]
    # Indonesian has no plural: CLDR puts every number into "other".
    assert [str(indonesian("n", n=n)) for n in (1, 2, 1200)] == ["1 hosts", "2 hosts", "1.200 hosts"]


def test_plurals_of_a_language_with_many() -> None:
    text = {"n": "{n, plural, one {a} few {b} many {c} other {d}}"}
    assert [str(Catalogue("pl", text)("n", n=n)) for n in (1, 3, 5)] == ["a", "b", "c"]


def test_nesting_select_and_quotes() -> None:
    t = Catalogue("en", {"x": "'{'{who}'}' {n, plural, one {{yes, select, y {sure} other {no}}} other {# it’s}}"})
    assert str(t("x", who="me", n=1, yes="y")) == "{me} sure"
    assert str(t("x", who="me", n=3, yes="n")) == "{me} 3 it’s"


def test_arguments_are_escaped_unless_they_are_markup() -> None:
    t = Catalogue("en", {"x": "a < {v}"})
    assert t("x", v="<i>") == Markup("a &lt; &lt;i&gt;")
    assert t("x", v=Markup("<i>")) == Markup("a &lt; <i>")


@pytest.mark.parametrize("text", ["{", "{n", "{n, plural, one {x}}", "a}", "{n, select, other {x}", "{,}"])
def test_a_message_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


@given(st.text(alphabet=st.characters(exclude_characters="{}#'", codec="utf-8")))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert Catalogue("en", {"x": text})("x").unescape() == Markup(Markup.escape(text)).unescape()


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InputError, match="there is en"):
        messages.load("xx")


def _strings(path: Path) -> list[tuple[int, str]]:
    """String constants of a module, docstrings and what InputError says apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    apart = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            apart.add(id(node.value))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("InputError", "ValueError"):
            apart.update(id(n) for n in ast.walk(node))
        if isinstance(node, ast.Attribute) and node.attr == "split":
            apart.add(id(node.value))  # "a b c".split(): words of the tables, not prose
    return [
        (n.lineno, n.value)
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in apart
    ]


def test_no_english_sentence_outside_of_the_catalogue() -> None:
    sentence = re.compile(r"[A-Za-z]{3,},? [a-z]{2,}[ ,.:;]+[a-z]{2,}")
    classes = set(re.findall(r"\.([a-z][\w-]*)", (ROOM / "templates" / "style.css").read_text(encoding="utf-8")))
    for path in CODE:
        for line, text in _strings(path):
            if set(text.split()) <= classes:
                continue
            assert not sentence.search(text), f"{path.name}:{line}: {text!r}"
    for path in TEMPLATES:
        text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        words = set(re.findall(r"[A-Za-z]{2,}", text)) - {"Lintas", "lintas", "show", "AUDIT"}
        assert not words, f"{path.name}: {sorted(words)}"
        spoken = re.findall(r'(?:title|aria-label|alt|placeholder)="([^"]*)"', path.read_text(encoding="utf-8"))
        assert all(s.startswith("{{") for s in spoken), path.name


def test_every_key_exists_and_is_used() -> None:
    english = _english()
    constants = {text for path in CODE for _, text in _strings(path)}
    calls = set()
    for path in TEMPLATES:
        constants |= set(re.findall(r"'([\w.]+)'", path.read_text(encoding="utf-8")))
        calls |= set(re.findall(r"\bt\('([\w.]+)'", path.read_text(encoding="utf-8")))
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name == "t":
                    calls.add(node.args[0].value)
    of_families = {f"{family}.{word}" for family, words in FAMILIES.items() for word in words}
    missing = {c for c in calls if c not in english and not c.endswith(".")} | (of_families - english.keys())
    assert not missing, sorted(missing)
    known = constants | of_families
    unused = [k for k in english if k not in known and not k.startswith(OPEN) and k != "locale"]
    assert not unused, unused


def test_every_message_is_well_formed() -> None:
    for key, text in _english().items():
        try:
            parse(text)
        except ValueError as error:
            pytest.fail(f"{key}: {error}")


def _faults(other: dict[str, str], english: dict[str, str]) -> list[str]:
    """Keys that a translation lacks, and those for which it asks for an argument that nobody gives."""
    lacking = [k for k in english if k not in other and not k.startswith("country.")]
    return lacking + [
        k for k, v in other.items() if k in english and arguments(parse(v)) - arguments(parse(english[k]))
    ]


def test_every_language_has_all_keys_and_asks_for_no_other_argument() -> None:
    english = _english()
    assert _faults({**english, "unit.ms": "{m} ms"}, english) == ["unit.ms"]
    assert _faults({k: v for k, v in english.items() if k != "unit.ms"}, english) == ["unit.ms"]
    for path in (ROOM / "messages").glob("*.json"):
        assert not _faults(json.loads(path.read_text(encoding="utf-8")), english), path.name


def test_a_file_alone_adds_a_language(built: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**_english(), "locale": "id", "axis.where": "Di mana"}
    (tmp_path / "id.json").write_text(json.dumps(other), encoding="utf-8")
    monkeypatch.setattr(messages, "HERE", tmp_path)
    page = reports.build(built["rich"], tmp_path / "page.html", "id").read_text(encoding="utf-8")
    assert '<html lang="id"' in page
    assert "Di mana" in page
    assert "Singapura" in page, "names of countries come from the reference data in the language"
    assert "Nama lengkap" in page, "and so do the labels of data types"
    assert "20.000\u00a0km" in page, "and numbers have the separators of the locale"


def test_no_word_that_says_more_than_evidence() -> None:
    banned = re.compile(r"\b(illegal\w*|spy\w*|spied|leak\w*|is safe|China has|US gets|stored in)\b", re.IGNORECASE)
    for key, text in _english().items():
        assert not banned.search(text), key
