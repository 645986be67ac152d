"""One page from an audit: facts, words, chapters, template, and a policy that lets nothing but its own style and
script run and nothing at all be asked for."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from analysis import tables
from analysis.folder.owner import begin_closed
from analysis.model import InputError
from analysis.reference import Reference
from reports import PAGE, export, marks, messages
from reports.chapters import Book, empty, everything, law, method, minute, unseen, what, when, where
from reports.facts import Facts
from reports.words import Words

TEMPLATES = Path(__file__).parent / "templates"
CHAPTERS = (
    ("1", "unseen", unseen.context),
    ("2", "where", where.context),
    ("3", "what", what.context),
    ("4", "when", when.context),
    ("5", "law", law.context),
    ("6", "rules", empty.rules),
    ("7", "declared", empty.declared),
    ("8", "compared", empty.compared),
    ("9", "everything", everything.context),
    ("10", "method", method.context),
)
"""Number, name (of template and anchor) and what fills it."""


def write(folder: Path, out: Path | None, language: str) -> Path:
    """See :func:`reports.build`."""
    catalogue = messages.load(language)
    made, audit = tables.read(folder)
    facts = Facts(made, audit, Reference.load())
    book = Book(facts, Words(catalogue, facts))
    place = out if out is not None else folder / PAGE
    try:
        export.write(folder, facts, book.states)
        if facts.reveal:
            begin_closed(place)
        place.write_text(render(book), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{error.filename or place} cannot be written ({error.strerror}); free it or name another."
        ) from error
    return place


def render(book: Book) -> str:
    """The page as text."""
    facts, words = book.facts, book.words
    first = minute.context(book)
    foot = _css_string(
        str(words.t("print.foot", app=first["title"], date=_date(facts, words), hash=_hash(facts)).unescape())
    )
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8").replace('"@foot"', foot)
    script = (TEMPLATES / "script.js").read_text(encoding="utf-8")
    style, script = _squeeze(style), script.strip()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_Compiled(),
    )
    environment.globals.update(t=words.t, mark=marks.mark)
    chapters = [
        {"number": number, "id": name, "name": words.of("chapter", number), "question": words.of("question", number)}
        for number, name, _ in CHAPTERS
    ]
    contexts = {name: fill(book) for _, name, fill in CHAPTERS}
    page = environment.get_template("page.html.j2").render(
        language=words.language,
        direction=words.locale.text_direction,
        policy=policy(style, script),
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704 - our own files
        definitions=marks.definitions(),
        words_json=json.dumps(
            {
                "copied": words.t("page.copied").unescape(),
                "open": words.t("state.open_all").unescape(),
                "close": words.t("state.close_all").unescape(),
            }
        ),
        minute=first,
        chapters=chapters,
        key=_key(words),
        **{f"c_{name}": context for name, context in contexts.items()},
    )
    return re.sub(r"\n\s*\n+", "\n", page)


class _Compiled(BytecodeCache):
    """Compiled templates beside Python's own compiled modules; where that folder cannot be written, none."""

    _FOLDER = TEMPLATES / "__pycache__"

    def load_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError), (self._FOLDER / bucket.key).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        with contextlib.suppress(OSError):
            self._FOLDER.mkdir(exist_ok=True)
            part = self._FOLDER / f"{bucket.key}.{os.getpid()}"
            part.write_bytes(bucket.bytecode_to_string())
            part.replace(self._FOLDER / bucket.key)


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy: nothing by default, this style and this script by their hashes."""
    return (
        f"default-src 'none'; style-src '{_sha256(style)}'; script-src '{_sha256(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _squeeze(css: str) -> str:
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)).strip()


def _css_string(text: str) -> str:
    """A string for a style sheet in which only letters, digits and a few signs stand as they are."""
    return '"' + "".join(c if c.isalnum() or c in " .,:()-" else f"\\{ord(c):06x}" for c in text) + '"'


def _date(facts: Facts, words: Words) -> str:
    return words.day(facts.span[0]) if facts.span is not None else str(words.t("fact.no_times").striptags())


def _hash(facts: Facts) -> str:
    hashes = facts.tables["sources"]["sha256"].to_pylist()
    return (hashes[0] or "")[:12] if hashes else "-"


def _key(words: Words) -> list[dict[str, Any]]:
    """The key beside the contents: every mark with its words."""
    return [
        {
            "title": words.t("key.circles"),
            "rows": [(marks.mark(f"p{p}"), words.of("level.short", p)) for p in marks.PLACES],
        },
        {
            "title": words.t("key.squares"),
            "rows": [(marks.mark(f"s{s}"), words.of("square", s)) for s in marks.SQUARES],
        },
        {
            "title": words.t("key.diamonds"),
            "rows": [(marks.mark(f"d{d}"), words.of("method.short", d)) for d in marks.DIAMONDS],
        },
    ]
