"""A report rendered so that every number of it can be traced: which sentence of the catalogue it stands in and with
which arguments, which column of which table, or neither."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from markupsafe import Markup

from analysis import tables
from analysis.reference import Reference
from reports import messages
from reports.chapters import Book
from reports.facts import Facts
from reports.messages import Catalogue
from reports.page import render
from reports.words import Words

_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())


def clean(text: Any) -> str:
    """Text as a reader has it: without tags, marks of this module and places to break."""
    bare = Markup(text).striptags() if isinstance(text, Markup) else str(text)
    return re.sub(r"\s+", " ", _MARKS.sub("", bare).replace("\u200b", "").replace("\u2060", "")).strip()


class Traced(Catalogue):
    """The catalogue, which notes each sentence that is made with a number and marks where it stands."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        super().__init__(language, texts)
        self.told: list[tuple[str, dict[str, str]]] = []

    def __call__(self, key: str, /, **arguments: Any) -> Markup:
        made = super().__call__(key, **arguments)
        given = {name: clean(value) for name, value in arguments.items()}
        if not any(re.search(r"\d", value) for value in given.values()):
            return made
        self.told.append((key, given))
        return Markup(f"{_OPEN}{{}}{_CLOSE}").format(made)


class _Page(HTMLParser):
    """Cells of the tables by the table's name and the column's label, and text with digits that is in no table, no
    traced sentence, no string of the capture and no picture."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.cells: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.loose: list[str] = []
        self._way: list[tuple[str, dict[str, str | None]]] = []
        self._inside = 0
        self._table, self._heads, self._column = "", [], 0
        self._cell: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag not in _VOID:
            self._way.append((tag, known))
        if tag == "table":
            self._table = known.get("aria-labelledby") or known.get("class") or ""
            self._heads = []
        if tag == "caption":
            self._table = known.get("id") or self._table
        if tag == "tr":
            self._column = 0
        if tag in ("th", "td"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        while self._way:
            last, _ = self._way.pop()
            if last == tag:
                break
        if tag in ("th", "td") and self._cell is not None:
            text = clean("".join(self._cell))
            if any(t == "thead" for t, _ in self._way):
                self._heads.append(text)
            elif self._column < len(self._heads):
                self.cells[self._table, self._heads[self._column]].append(text)
            self._column += 1
            self._cell = None

    def handle_data(self, data: str) -> None:
        quiet = any(
            tag in ("style", "script", "svg", "title", "bdi", "code", "s")
            or "mono" in (known.get("class") or "").split()
            for tag, known in self._way
        )
        for part in re.split(f"([{_OPEN}{_CLOSE}])", data):
            if part == _OPEN:
                self._inside += 1
            elif part == _CLOSE:
                self._inside -= 1
            elif self._cell is not None:
                self._cell.append(part)
            elif not quiet and not self._inside and re.search(r"\d", part):
                self.loose.append(clean(part))


class Page:
    """A report of an audit folder: its sentences with numbers, its cells, and what is in neither."""

    def __init__(self, folder: Path) -> None:
        made, audit = tables.read(folder)
        facts = Facts(made, audit, Reference.load())
        texts = json.loads((messages.HERE / "en.json").read_text(encoding="utf-8"))
        catalogue = Traced("en", texts)
        self.html = render(Book(facts, Words(catalogue, facts)))
        self.sentences = catalogue.told
        page = _Page(self.html)
        self.cells, self.loose = page.cells, page.loose
