"""Every number of a report is recounted from the tables by other code; one that has no recount fails."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import reports
from analysis.audit import AuditOptions, audit
from analysis.reading_states import PART, STATES, of_opaque
from analysis.reference import Reference
from lintas import summary
from reports import messages
from tests.reports import recount
from tests.reports.pages import Page, clean
from tests.reports.recount import CELLS, FREE, SENTENCES, Recount
from tests.road import DEMO, REAL

MADE_BY_HAND = ("rich", "poor", "several", "timeless", "empty", "revealed")
_NO_COUNT = frozenset(
    """Host Company Machine Why Read? Class App Country Question Answer Time File Kind SHA-256 Date Licence Phase From
    Mark Receivers""".split()
) | {
    *("How known", "Data type", "Field and origin", "Masked value", "Value", "Keyed hash", "Where or why", "Companies"),
    *(
        "Attribution and source",
        "What may be said",
        "Hosts, by evidence",
        "How sure",
        "Connections not understood in full",
    ),
}
"""Columns of names, times and sentences: their numbers stand in sentences, or are none."""


_TEXTS: dict[str, str] = json.loads((messages.HERE / "en.json").read_text(encoding="utf-8"))
_FIXED = sorted((clean(t) for t in _TEXTS.values() if "{" not in t and re.search(r"\d", t)), key=len, reverse=True)


_STATUTES = sorted(
    {
        clean(words)
        for r in Reference.load().statutes.values()
        for words in (r.reach_en, r.limits_en, f"{r.article} ({r.year})", r.statute)
    },
    key=len,
    reverse=True,
)


def _without_texts(text: str, folder: Path) -> str:
    """The text without sentences of the catalogue that have no number of the capture, words of the statutes, and what
    ``audit.json`` says as text (versions, names)."""
    for fixed in _FIXED:
        text = text.replace(fixed, "")
    for words in _STATUTES:
        text = text.replace(words, "")
    said = re.findall(r'"((?:[^"\\]|\\.)*)"', (folder / "audit.json").read_text(encoding="utf-8"))
    for words in sorted({w for w in said if re.search(r"\d", w)}, key=len, reverse=True):
        text = text.replace(words, "")
    return text.strip()


def _is_bar(text: str, again: Recount) -> bool:
    """The seen bar in words."""
    words = {str(_TEXTS[f"reading.{state}"]): state for state in (*STATES, PART)}
    parts = [part.rpartition(": ") for part in text.split("; ")]
    return all(f"{words.get(word)}: {amount}" in again.bars() for word, _, amount in parts)


def check(folder: Path) -> int:
    """Compare the page with the recount; how many sentences and cells with numbers it had."""
    page, again = Page(folder), Recount(folder)
    for key, given in page.sentences:
        if key in FREE or key.startswith(("country.", "cause.", "loss.")):
            continue
        assert key in SENTENCES, f"no recount of {key} {given}"
        allowed = SENTENCES[key](again)
        assert any(all(given.get(k) == v for k, v in one.items()) for one in allowed), (key, given, allowed)
    for (table, column), cells in page.cells.items():
        if table in ("t-heat", "t-readable", "axes", "chain") or (column in _NO_COUNT and column != "Receivers"):
            continue
        if table in ("t-system", "t-others", "t-unanswered", "t-unreached"):
            continue
        if not any(re.search(r"\d", c) for c in cells):
            continue
        assert (table, column) in CELLS, f"no recount of column {column!r} of {table!r}: {cells[:3]}"
        expected = CELLS[table, column](again)
        if expected is not None:
            assert Counter(cells) == Counter(expected), (table, column)
    heat = Counter(
        text
        for (table, _), cells in page.cells.items()
        if table == "t-heat"
        for text in cells
        if re.fullmatch(r"[\d,]+", text)
    )
    if not any("other" in column for table, column in page.cells if table == "t-heat"):
        assert heat == recount.heat(again)
    for text in page.loose:
        left = _without_texts(text, folder)
        known = left in again.rows() or left in map(str, range(1, 11)) or _is_bar(left, again)
        assert known or not re.search(r"\d", left), f"no recount of {left!r} in {text!r}"
    return len(page.sentences) + sum(map(len, page.cells.values()))


@pytest.mark.parametrize("name", MADE_BY_HAND)
def test_every_number_of_a_report_is_recounted(built: dict[str, Path], name: str) -> None:
    assert check(built[name]) or name == "empty"


OF_OTHERS = {"pcap": REAL / "ndpi" / "iphone.pcap", "har": REAL / "mitmproxy" / "chrome.har"}
"""Real captures: packets that nobody could open, and a browser's record with what came from its cache."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo", *OF_OTHERS])
def test_every_number_of_a_whole_audit_is_recounted(name: str, tmp_path: Path) -> None:
    """The sample, and captures of others; also what ``report.json`` and the terminal say of them."""
    capture = OF_OTHERS.get(name, DEMO)
    if not capture.exists():
        pytest.skip("the captures of others are not beside this checkout")
    own = DEMO / "reference" if name == "demo" else None
    audit(capture, tmp_path / "audit", AuditOptions(reference=own, workers=1))
    reports.build(tmp_path / "audit")
    assert check(tmp_path / "audit")
    again = Recount(tmp_path / "audit")
    for name in ("flows", "exchanges", "messages", "transmissions", "destinations", "losses"):
        assert again.audit["counts"][name] == len(again.of[name]), name
    check_beside(tmp_path / "audit")


@pytest.mark.parametrize("name", MADE_BY_HAND)
def test_json_and_terminal_say_the_same_numbers(built: dict[str, Path], name: str) -> None:
    check_beside(built[name])


def check_beside(folder: Path) -> None:
    again = Recount(folder)
    told = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    readings = Counter(again.reading(h) for h in again.hosts)
    assert told["hosts"]["total"] == len(again.hosts)
    assert {k: n for k, n in told["hosts"]["by_reading"].items() if n} == readings
    assert told["hosts"]["unanswered"] == len(again.tried)
    assert {k: n for k, n in told["octets"]["by_reading"].items() if n} == +again.bytes_by_state()
    closed = Counter[str]()
    for row in again.of["opaque"]:
        closed[of_opaque(row["kind"])] += row["bytes"] if row["flow"] in {f["flow"] for f in again.flows} else 0
    of_states = again.bytes_by_state()
    assert +closed == +(of_states - Counter(understood=of_states["understood"])), "the reasons and the bar agree"
    assert sum(told["connections"]["by_reading"].values()) == len(again.flows)
    assert set(told["types"]) == again.types
    assert set(told["weak_types"]) == again.weak_types
    assert len([c for c in told["companies"] if c["id"]]) == len(again.operators)
    assert told["transmissions"]["sent"] == len(again.sent)
    assert {s["state"]: len(s["types"]) for s in told["states"]} == {
        code: len(state["types"]) for code, state in again.states().items()
    }
    lines = dict(summary.lines(folder))
    exchanges = sum(e["counts"] == "app" for e in again.of["exchanges"])
    seen = [int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", lines["Seen"])]
    assert seen[:3] == [exchanges, len(again.flows), len(again.hosts)]
    typed = re.match(r"(\d+) types? of personal data", lines["What"])
    assert (int(typed[1]) if typed else 0) == len(again.types)


def test_a_number_that_is_wrong_or_has_no_recount_fails(
    built: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SENTENCES, "who.companies", lambda r: [{"n": "99"}])
    with pytest.raises(AssertionError, match=r"who\.companies"):
        check(built["rich"])
    monkeypatch.delitem(SENTENCES, "who.companies")
    with pytest.raises(AssertionError, match=r"no recount of who\.companies"):
        check(built["rich"])
