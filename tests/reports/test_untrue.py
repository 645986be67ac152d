"""Sentences that a report once said and that its tables did not bear out: each kind, in the place where it stood."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from math import ceil, floor
from pathlib import Path
from typing import Any

import pytest
import yaml

import reports
from analysis import tables
from analysis.reference import Reference
from benchmarks.truth.sentences import LIST
from lintas import summary
from reports.chapters import Book, law
from reports.facts import Extent, Facts
from reports.messages import load
from reports.words import Words
from tests.reports import fixtures
from tests.reports.fixtures import START, Maker, destination
from tests.reports.pages import clean
from tests.reports.test_every_number import check, check_beside

Host = tuple[str, str | None, str | None, int, str, float | None, dict[str, Any]]
PLACED: Host = ("api.example", "niaga", "SG", 2, "no_second_kind", 15.0, {})


def _built(folder: Path, made: Maker, **audit: Any) -> tuple[str, Book]:
    """Text of the report, and what it is made of. All its numbers are recounted on the way."""
    fixtures._conclude(made)
    made.write(folder, {"name": "a", "manifest": {}, "options": {}, **audit})
    page = reports.build(folder)
    facts = Facts(*tables.read(folder), Reference.load())
    check(folder)
    check_beside(folder)
    return _words(page), Book(facts, Words(load("en"), facts))


def _words(page: Path) -> str:
    from tests.reports.test_page import _Page

    return clean(_Page(page.read_text(encoding="utf-8")).text)


def _made(*hosts: Host, closed: str | None = None, **flow: Any) -> Maker:
    made = Maker()
    for n, host in enumerate(hosts):
        made.rows["destinations"].append(destination(n, host))
        number = made.flow(n, START, 100, 200, host=host[0], closed=closed, **flow)
        if closed is None:
            made.exchange(n, number, START, None, host[0], "/")
    return made


@pytest.fixture
def held_back(tmp_path: Path) -> tuple[str, Book, Path]:
    """A server whose handshake was seen, and whose only request the proxy answered itself."""
    made = Maker()
    made.rows["destinations"].append(destination(0, PLACED) | {"answered": True})
    exchange = made.exchange(0, made.flow(0, START, host="api.example"), START, None, "api.example", "/")
    made.rows["messages"][0]["direction"] = "undelivered"
    made.sent(exchange, "email", "planted", direction="undelivered")
    return *_built(tmp_path / "a", made), tmp_path / "a"


def test_a_request_that_was_held_back_is_told_and_counted_nowhere(held_back: tuple[str, Book, Path]) -> None:
    text, book, folder = held_back
    assert not book.facts.hosts
    assert [h.name for h in book.facts.unreached] == ["api.example"]
    assert "Nothing that is counted here passed between the phone and any host, though one host was tried" in text
    assert "One host that no request is shown to have reached stands apart" in text
    assert "Not shown to have been reached" in text
    assert "1 that no request is shown to have reached" in dict(summary.lines(folder))["Seen"]
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["hosts"]["unreached"] == 1


@pytest.mark.parametrize(
    "words",
    ["holds no conversation", "No host answered", "there is no conversation", "reached nobody", "no server took"],
)
def test_of_what_was_held_back_nothing_is_said_that_is_not_shown(held_back: tuple[str, Book, Path], words: str) -> None:
    assert words not in held_back[0]


def test_one_field_of_a_request_that_was_held_back_is_in_one_number(held_back: tuple[str, Book, Path]) -> None:
    assert "One field of personal data stands in requests that are not shown to have reached a server" in held_back[0]
    what = dict(summary.lines(held_back[2]))["What"]
    assert what.endswith("; 1 field stands in requests that are not shown to have arrived")


def test_of_a_host_to_which_nothing_passed_nobody_says_that_it_was_read(held_back: tuple[str, Book, Path]) -> None:
    (host,) = held_back[1].facts.unreached
    assert host.reading == "silent"


def test_a_name_whose_store_on_the_phone_answered_is_not_told_as_another_host(tmp_path: Path) -> None:
    """The same name at no address: the browser answered for a server that was reached elsewhere."""
    made = _made(PLACED)
    made.rows["destinations"].append(destination(1, PLACED) | {"address": None, "answered": None})
    made.exchange(1, made.flow(1, START, host="api.example"), START, None, "api.example", "/kept")
    made.rows["messages"][-1]["direction"] = "undelivered"
    _, book = _built(tmp_path / "a", made)
    assert len(book.facts.hosts) == 1
    assert not book.facts.unreached
    assert not book.facts.unanswered


def test_where_nothing_was_understood_nobody_says_not_all(tmp_path: Path) -> None:
    text, _ = _built(tmp_path / "a", _made(PLACED, closed="encrypted"))
    assert "not all that" not in text.lower()
    assert "No personal data was read on its way there; nothing that one of the hosts in this row exchanged" in text
    assert "Nothing that one of the hosts in this row exchanged was understood" in text
    assert "What could be understood: nothing" in text
    assert "no key was to be had" not in text


@pytest.mark.parametrize(
    ("readings", "which"),
    [
        ([], "silent"),
        (["silent"], "silent"),
        (["understood", "silent"], "none"),
        (["encrypted", "understood"], "all"),
        (["encrypted", "part"], "some"),
        (["part", "understood"], "part"),
    ],
)
def test_how_much_was_understood_of_some_hosts(readings: list[str], which: str) -> None:
    from reports.facts import Host as Counted

    assert Extent.of([Counted({}, reading=r) for r in readings]).which == which


def test_what_the_phones_system_exchanged_makes_no_sentence_on_the_capture_untrue(tmp_path: Path) -> None:
    made = _made(PLACED, closed="encrypted")
    made.rows["destinations"].append(
        destination(1, ("router.example", None, None, 0, "no_source", None, {})) | {"system_noise": "local_network"}
    )
    system = {"whose": "system", "app_from": "system", "app_by": "destination"}
    exchange = made.exchange(
        1, made.flow(1, START, 50, 50, host="router.example", **system), START, None, "router", "/"
    )
    made.rows["exchanges"][exchange]["whose"] = "system"
    made.sent(exchange, "email", "key", whose="system")
    text, _ = _built(tmp_path / "a", made)
    for words in ("Nothing in this capture was understood", "read in this capture", "in no other number"):
        assert words not in text
    assert "Nothing that the one host exchanged with the phone was understood" in text
    assert "One host of the phone’s own system or the local network stands apart" in text
    assert "One field of personal data in traffic of the phone’s own system or the local network" not in text
    assert "1 field of personal data in traffic of the phone’s own system or the local network" in text


def test_who_operates_a_host_is_not_said_to_run_its_machine(tmp_path: Path) -> None:
    text, _ = _built(tmp_path / "a", _made((*PLACED[:6], {"rented": "ringline"})))
    assert "these machines" not in text
    assert "One known company operates this host." in text
    assert "One host is on machines of Ringline CDN Inc. " in text
    assert dict(summary.lines(tmp_path / "a"))["Who"] == (
        "1 company operates 1 destination; 1 destination is on machines of Ringline CDN Inc."
    )


def test_only_by_links_of_which_a_statute_was_read_can_a_law_compel(tmp_path: Path) -> None:
    """Both a machine and a company link to China; of the machine no statute was read that reaches in that way."""
    made = Maker()
    row = destination(0, ("push.example", "qingwei", "CN", 2, "no_second_kind", 60.0, {}))
    for link in row["law_links"]:
        if link["link"] == "machine":
            link["statutes_read"] = []
    made.rows["destinations"].append(row)
    made.sent(made.exchange(0, made.flow(0, START, 9, 9), START, None, "push.example", "/"), "imei", "planted")
    _, book = _built(tmp_path / "a", made)
    china = next(s for s in book.states if s.code == "CN")
    told = law.sentence(book, china)
    compelled, _, further = told.partition(" Further, ")
    assert "can compel on paper: 1 to companies" in compelled
    assert "machines placed there" not in compelled
    assert further.startswith("1 to machines placed there (level 2 at best): no statute of China was read")


def test_a_state_of_which_no_statute_was_read_is_only_linked(built: dict[str, Path]) -> None:
    facts = Facts(*tables.read(built["rich"]), Reference.load())
    book = Book(facts, Words(load("en"), facts))
    blank = [s for s in book.states if s.types and not s.statutes_read]
    assert blank
    assert all("can compel" not in law.sentence(book, s) for s in blank)


def test_refuted_listings_are_no_countries(built: dict[str, Path]) -> None:
    facts = Facts(*tables.read(built["rich"]), Reference.load())
    listings = [(h.row["address"], c) for h in facts.hosts for c in h.row["refuted"]]
    assert len({c for _, c in listings}) < len(listings)
    text = _words(built["rich"] / "report.html")
    assert f"{len(listings)} listings of {len({a for a, _ in listings})} addresses in a country were refuted" in text


NEVER = (
    "that is not where a machine stands",
    "one weak source",
    "every message",
    "no values were planted",
    "the name of the file",
    "in every chapter",
    "that any source names",
    "in no other number",
    "no key was to be had",
)
"""What no table can bear out, whatever the capture."""


@pytest.mark.parametrize("words", NEVER)
def test_what_no_table_can_bear_is_in_no_sentence(words: str) -> None:
    assert not [key for key, text in load("en").texts.items() if words in text.lower()]


def test_without_a_vantage_nothing_is_said_of_one(tmp_path: Path) -> None:
    text, _ = _built(tmp_path / "a", _made(PLACED))
    assert "From this vantage" not in text
    assert "Without a stated vantage, level 3 is the most that could be shown" in text


def test_json_tells_by_its_own_word_apart(built: dict[str, Path]) -> None:
    hosts = json.loads((built["rich"] / "report.json").read_text(encoding="utf-8"))["hosts"]
    assert hosts["at_grade"]["node"] == 1
    assert sum(hosts["at_grade"].values()) == hosts["total"]


def test_a_single_type_is_spoken_of_as_one(tmp_path: Path) -> None:
    folder = fixtures.timeless(tmp_path / "a")
    assert dict(summary.lines(folder))["What"] == "1 type of personal data left the phone, not known by a planted value"


def test_a_bound_is_never_rounded_past_what_was_measured(built: dict[str, Path]) -> None:
    words = Words(load("en"), Facts(*tables.read(built["poor"]), Reference.load()))
    assert str(words.ms(3.012, ceil)) == "3.1\u00a0ms"
    assert str(words.ms(2.3, ceil)) == "2.3\u00a0ms"
    assert str(words.km(451.2, ceil)) == "452\u00a0km"
    assert str(words.km(2151.0, ceil)) == "2,160\u00a0km"
    assert str(words.km(864.9, floor)) == "864\u00a0km"
    assert str(words.km(11_390.0, floor)) == "11,300\u00a0km"


def test_every_message_is_a_label_or_says_what_bears_it_out() -> None:
    """The list beside which the reports are read knows each message of the catalogue, and none that is gone."""
    known = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    patterns = [*known["labels"], *known["borne"]]
    texts = load("en").texts
    assert not [key for key in texts if key != "locale" and not any(fnmatchcase(key, p) for p in patterns)]
    assert not [p for p in patterns if not any(fnmatchcase(key, p) for key in texts)]
