"""What a page says and does not say, and that nothing in it can be more than text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

import reports
from analysis import tables
from analysis.model import InputError
from analysis.reference import Reference
from reports.chapters import Book, unseen
from reports.chapters.cells import place_sentence
from reports.chapters.law import sentence
from reports.facts import Facts
from reports.messages import load
from reports.strings import plain, shown, shown_host
from reports.words import Words
from tests.reports import fixtures

NAMES = ("rich", "poor", "several", "timeless", "empty", "revealed", "hostile")


class _Page(HTMLParser):
    """Elements with their attributes, and the text outside of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("style", "script"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def _read(built: dict[str, Path], name: str) -> str:
    return (built[name] / "report.html").read_text(encoding="utf-8")


def _book(folder: Path) -> Book:
    made, audit = tables.read(folder)
    facts = Facts(made, audit, Reference.load())
    return Book(facts, Words(load("en"), facts))


@pytest.mark.parametrize("name", NAMES)
def test_every_chapter_keeps_its_heading(built: dict[str, Path], name: str) -> None:
    page = _Page(_read(built, name))
    ids = [a.get("id") for _, a in page.elements if a.get("id")]
    for chapter in "minute unseen where what when law rules declared compared everything method".split():
        assert chapter in ids
    assert len(ids) == len(set(ids)), "an id stands once"
    known = set(ids)
    for _, attributes in page.elements:
        for key in ("href", "aria-labelledby", "for"):
            value = attributes.get(key)
            if value and not value.startswith("#" if key == "href" else "\0"):
                assert key != "href", value
            if value:
                assert value.removeprefix("#") in known, (key, value)


def test_what_goes_around_the_proxy_is_said(built: dict[str, Path]) -> None:
    """What a way hides is in no capture; so the report says it, for each way that some conversation took."""
    assert "go around such a proxy: that is not in this capture" in _Page(_read(built, "rich")).text
    book = _book(built["rich"])
    for way in tables.WAYS:
        book.facts.ways = Counter({way: 3})
        said = unseen.context(book)["ways"]
        # Questions of names to the proxy itself go around nothing.
        assert [one.startswith("3 connections") for one in said] == ([] if way == "dns" else [True])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_asked_for_and_nothing_foreign_runs(built: dict[str, Path], name: str) -> None:
    text = _read(built, name)
    page = _Page(text)
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "form", "base", "image"), tag
        assert "style" not in attributes
        assert not [a for a in attributes if a.startswith("on")]
        assert "src" not in attributes
    assert sum(t == "script" for t, _ in page.elements) == 1
    policy = next(a["content"] or "" for t, a in page.elements if t == "meta" and a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    for tag in ("style", "script"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert "url(" not in body.replace("url(#", "")


def test_hostile_strings_are_text(built: dict[str, Path]) -> None:
    text = _read(built, "hostile")
    page = _Page(text)
    assert "\u202e" not in text
    assert "\u200b" not in text
    assert "\x00" not in text
    assert "\\u{202e}" in page.text
    assert "xn--mnchen-3ya" in page.text
    assert not [t for t, _ in page.elements if t == "img"]
    assert len(text) < 1_000_000


def test_strings_of_the_capture_are_isolated() -> None:
    assert shown("a.b") == '<bdi class="mono">a.<wbr>b</bdi>'
    assert "\\u{202e}" in shown("x\u202ey")
    assert "xn--" not in shown_host("plain.example")
    assert plain("a\u00a0b") == "a\\u{a0}b"


def test_the_sample_says_what_it_is(built: dict[str, Path]) -> None:
    assert fixtures.AUDIT["made"] in _Page(_read(built, "rich")).text


def test_marks_of_the_auditor_stand_in_the_order_of_time(built: dict[str, Path]) -> None:
    text = _Page(_read(built, "rich")).text
    first, second = (text.index(words) for words in ("asked for the place, said no", "put two books into the basket"))
    assert first < second
    assert "Marks of the auditor" not in _Page(_read(built, "poor")).text


def test_unknown_app_and_unreadable_capture_are_said(built: dict[str, Path]) -> None:
    text = _Page(_read(built, "poor")).text
    assert "Nobody said which app this is" in text
    assert "Nothing that the 4 hosts exchanged with the phone was understood" in text
    assert "nobody stated where the capture point stood" in text
    assert "No planted values were given to this audit" in text
    assert "One database" in text or "one database" in text


def test_an_empty_capture_accuses_nobody(built: dict[str, Path]) -> None:
    text = _Page(_read(built, "empty")).text
    assert "holds no conversation with any host" in text
    assert "No host took part in what is counted here" in text


def test_values_stand_in_the_page_only_when_revealed(built: dict[str, Path]) -> None:
    text = _Page(_read(built, "revealed")).text
    assert "This report shows personal values in clear" in text
    assert fixtures.REVEALED in text.replace("\u200b", "")


def test_two_states_with_the_same_evidence_get_the_same_words(built: dict[str, Path]) -> None:
    book = _book(built["rich"])
    hosts = {h.name: h for h in book.facts.hosts}
    china = str(place_sentence(book.words, hosts["promo.qingweipush.example"]))
    america = str(place_sentence(book.words, hosts["in.quill.example"]))
    assert china.replace("China", "X") == america.replace("the United States", "X")
    assert "does not show where the machine stands" in china


def test_every_state_has_the_same_sentence(built: dict[str, Path]) -> None:
    book = _book(built["rich"])
    made = [str(sentence(book, s)) for s in book.states if s.types]
    assert len(made) > 4
    for said in made:
        assert re.fullmatch(
            r"\d+ types? of personal data reached machines or companies that "
            r"(?:the law of .+ can compel on paper: .+\. (?:Further, .+: no statute of .+ was read that .+\. )?"
            r"|are linked to (.+): .+\. "
            r"No statute of \1 was read that reaches in this way and was in force at the time\. )"
            r"This capture shows no demand and no access, and could not have shown one\.",
            said,
        ), said


def test_a_company_from_memory_carries_no_state_sentence(built: dict[str, Path]) -> None:
    book = _book(built["rich"])
    malta = next(s for s in book.states if s.code == "MT")
    assert not malta.sure
    assert "to be confirmed, and no finding rests on them" in sentence(book, malta)


def test_a_field_from_memory_carries_no_state_sentence(built: dict[str, Path]) -> None:
    book = _book(built["rich"])
    remembered = {t for t, method in book.facts.weak_types.items() if method == "memory"}
    assert remembered == set(fixtures.BY_FIELD)
    assert all(not (s.types | s.unsure_types) & remembered for s in book.states)
    page = _read(built, "rich")
    apart = page[page.index('id="t-weak"') :].partition("</table>")[0]
    assert all(str(book.words.type(t)) in apart for t in remembered), "it is said all the same, apart and hollow"


def test_anycast_hosts_are_on_no_map(built: dict[str, Path]) -> None:
    from reports.pictures import world

    book = _book(built["rich"])
    drawn = {h.name for hosts in world.spots(book.facts).values() for h in hosts}
    assert "cdn.ringline.example" not in drawn
    assert "edge.ringline.example" in drawn  # its node names itself: level 2


def test_one_claim_is_unfolded_with_its_command(built: dict[str, Path]) -> None:
    text = _Page(_read(built, "rich")).text
    assert re.search(r"lintas show AUDIT 'flows\.mitm#\d+!http-request-body", text)


def test_out_writes_the_page_elsewhere(built: dict[str, Path], tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    assert reports.build(built["poor"], place) == place
    assert place.read_bytes() == (built["poor"] / "report.html").read_bytes()


def test_what_is_no_audit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no audit"):
        reports.build(tmp_path)


def test_a_page_that_cannot_be_written_is_said(built: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        reports.build(built["empty"], tmp_path / "none" / "page.html")


def test_pandas_is_not_needed(built: dict[str, Path]) -> None:
    import subprocess
    import sys

    folder = str(built["poor"])
    code = f"import sys, reports, pathlib; reports.build(pathlib.Path({folder!r})); print('pandas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "False"


def test_a_doubtful_vantage_is_said_before_any_country(tmp_path: Path) -> None:
    folder = fixtures.rich(tmp_path / "rich", vantage_doubtful={"hosts": []})
    reports.build(folder)
    text = _Page((folder / "report.html").read_text(encoding="utf-8")).text
    assert "doubtful" in text
    assert text.index("said to have been made is doubtful") < text.index("The evidence places machines in")
    usual = fixtures.rich(tmp_path / "usual")
    reports.build(usual)
    assert "said to have been made is doubtful" not in _Page((usual / "report.html").read_text(encoding="utf-8")).text


def test_a_place_by_its_own_word_has_a_mark_and_words_of_its_own(built: dict[str, Path]) -> None:
    """The row of a host that rests on its own header: never the mark and words of two sources."""
    facts = Facts(*tables.read(built["rich"]), Reference.load())
    words = Words(load("en"), facts)
    own = [h for h in facts.hosts if h.row["reason"] == "anycast_node_names_itself"]
    assert own
    for host in own:
        assert host.grade == "node"
        assert "named its own place" in place_sentence(words, host)
    two = [h for h in facts.hosts if h.level == 2 and h not in own]
    assert {h.grade for h in two} == {"2"}
    assert facts.hosts_at_grade["node"] == len(own)
    assert sum(facts.hosts_at_grade.values()) == len(facts.hosts)
