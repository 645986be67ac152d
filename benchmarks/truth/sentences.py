"""Every sentence of some reports, beside the tables that bear it out.

``.venv/bin/python -m benchmarks.truth.sentences AUDIT...`` prints for each audit folder a table in Markdown: each
message of the catalogue that stands in its report, once with its values, how often, which columns bear it out
(``sentences.yaml``), and whether its numbers were recounted from the tables by ``tests/reports/recount.py``. A sentence
that the list does not know, or whose numbers the tables do not bear out, is named, and the exit code is 1."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from analysis import tables
from analysis.reference import Reference
from reports import messages
from reports.chapters import Book
from reports.facts import Facts
from reports.messages import Catalogue
from reports.page import render
from reports.words import Words
from tests.reports.pages import clean
from tests.reports.recount import FREE, SENTENCES, Recount

LIST = Path(__file__).with_name("sentences.yaml")
_LONGEST = 260


class _Heard(Catalogue):
    """The catalogue, which keeps each message that is made with its values."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        super().__init__(language, texts)
        self.heard: dict[str, dict[str, tuple[int, dict[str, str]]]] = {}

    def __call__(self, key: str, /, **arguments: Any) -> Markup:
        made = super().__call__(key, **arguments)
        text = clean(made)
        of = self.heard.setdefault(key, {})
        times, _ = of.get(text, (0, {}))
        of[text] = (times + 1, {name: clean(value) for name, value in arguments.items()})
        return made


def _borne(key: str, known: Mapping[str, str]) -> str | None:
    """The longest pattern of the list that fits."""
    fitting = [pattern for pattern in known if fnmatchcase(key, pattern)]
    return known[max(fitting, key=len)] if fitting else None


def rows(folder: Path, borne: Mapping[str, str], labels: list[str]) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, and what is not known or not borne out."""
    made, audit = tables.read(folder)
    facts = Facts(made, audit, Reference.load())
    texts = json.loads((messages.HERE / "en.json").read_text(encoding="utf-8"))
    catalogue = _Heard("en", texts)
    render(Book(facts, Words(catalogue, facts)))
    again = Recount(folder)
    listed, wrong = [], []
    for key, said in sorted(catalogue.heard.items()):
        if any(fnmatchcase(key, pattern) for pattern in labels):
            continue
        where = _borne(key, borne)
        if where is None:
            wrong.append(f"{key}: not in {LIST.name}")
        how = "read"
        if key in SENTENCES and key not in FREE:
            how = "recounted"
            allowed = SENTENCES[key](again)
            for text, (_, given) in said.items():
                numbers = any(re.search(r"\d", value) for value in given.values())
                if numbers and not any(all(given.get(k) == v for k, v in one.items()) for one in allowed):
                    wrong.append(f"{key}: {text}")
                    how = "NOT BORNE OUT"
        first = next(iter(said))
        short = first if len(first) <= _LONGEST else first[: _LONGEST - 1] + "…"
        times = sum(n for n, _ in said.values())
        listed.append([key, short.replace("|", "\\|"), f"{len(said)} / {times}", where or "?", how])
    return listed, wrong


def main(folders: list[str]) -> int:
    known = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    failed = False
    for folder in map(Path, folders):
        listed, wrong = rows(folder, known["borne"], known["labels"])
        wordings = sum(int(row[2].split(" / ")[0]) for row in listed)
        print(f"\n## {folder.name}: {len(listed)} sentences, {wordings} wordings\n")
        print("| key | as it stands (first wording) | wordings / places | borne by | how checked |")
        print("|---|---|---|---|---|")
        for row in listed:
            print("| " + " | ".join(row) + " |")
        for line in wrong:
            print(f"{folder.name}: {line}", file=sys.stderr)
        failed |= bool(wrong)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
