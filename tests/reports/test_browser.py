"""The page in Chromium: silent, asking for nothing, accessible, readable without script and on a phone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import reports
from analysis.audit import AuditOptions, audit
from tests.chromium import opened
from tests.sources.made import entry, har

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAMES = ("rich", "poor", "several", "timeless", "empty", "revealed", "hostile")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_no_message_no_request_no_sideways_scroll(
    chromium: Browser, built: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    with opened(chromium, built[name] / "report.html", width=width, dark=dark) as seen:
        assert seen.console == []
        assert seen.requests == []
        over = seen.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0
        assert seen.page.title() != "owned"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_long_word_of_a_capture_widens_nothing(chromium: Browser, tmp_path: Path, width: int) -> None:
    """Names of 2,500 letters without a break, in every field of a capture that a report shows."""
    word = "w" * 2_500
    capture = tmp_path / "capture"
    capture.mkdir()
    app = dict.fromkeys(("id", "name", "version", "vendor", "installer"), word)
    lists = {key: [word] for key in ("domains", "shared_with", "permissions", "granted")}
    about = {
        "format": 1,
        "name": word,
        "made": word,
        "app": app | lists,
        "vantage": {"city": word},
        "device": dict.fromkeys(("model", "system", "locale", "build"), word),
        "tools": {word: word},
        "phases": [{"phase": word, "start": datetime(2026, 11, 1, tzinfo=UTC), "note": word}],
    }
    (capture / "capture.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    paths = (f"h.example/{word}?email=budi@mail.example&k{word}=1", f"{'y' * 60}.{'z' * 60}.example/?q={word}")
    (capture / "a.har").write_bytes(har(*(entry(f"https://{p}") for p in paths), creator=word))
    audit(capture, tmp_path / "out", AuditOptions())
    with opened(chromium, reports.build(tmp_path / "out"), width=width) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert seen.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


@pytest.mark.parametrize("name", NAMES)
def test_what_a_table_says_is_read_on_a_phone_without_moving_it(
    chromium: Browser, built: dict[str, Path], name: str
) -> None:
    """A sentence cut at the screen's edge reads as a shorter, other sentence."""
    outside = """[...document.querySelectorAll("table:not(.long):not(.heat) td")]
        .filter(cell => cell.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
        .map(cell => cell.outerHTML.slice(0, 120))"""
    with opened(chromium, built[name] / "report.html", width=390) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert seen.page.evaluate(outside) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_no_violation_of_accessibility(
    chromium: Browser, built: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # axe is put into the page by the test, which the page's own policy would rightly refuse.
    with opened(chromium, built[name] / "report.html", width=width, dark=dark, bypass_csp=True) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = Axe().run(seen.page).response["violations"]
        assert not found, [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"][:300]) for v in found]


def test_all_text_is_readable_without_script(chromium: Browser, built: dict[str, Path]) -> None:
    with opened(chromium, built["rich"] / "report.html", script=False) as seen:
        page = seen.page
        for section in page.locator("section").all():
            assert section.is_visible()
        assert page.locator("#everything tbody tr").first.is_visible()
        page.locator("label[for=th-d]").click()
        assert page.locator("#th-d").is_checked()
        page.locator("label[for=sk-law]").click()
        assert page.locator(".sk-law").is_visible()
        assert not page.locator(".sk-place").is_visible()


def test_the_script_sorts_opens_and_follows_an_address(chromium: Browser, built: dict[str, Path]) -> None:
    with opened(chromium, built["rich"] / "report.html") as seen:
        page = seen.page
        page.locator("#everything .sortable thead button").first.click()
        first = page.locator("#everything .sortable tbody th").first.inner_text()
        page.locator("#everything .sortable thead button").first.click()
        assert page.locator("#everything .sortable tbody th").first.inner_text() != first
        page.locator(".find[data-table=t-hosts]").fill("log.pagoda")
        rows = page.locator("table:has(#t-hosts) tbody tr")
        assert [r.is_visible() for r in rows.all()].count(True) == 1
        page.locator("[data-open=states]").click()
        assert page.locator("#states details:not([open])").count() == 0
        assert seen.console == []


def test_it_prints_to_a4(chromium: Browser, built: dict[str, Path]) -> None:
    with opened(chromium, built["rich"] / "report.html") as seen:
        printed = seen.page.pdf(prefer_css_page_size=True)
        assert printed.startswith(b"%PDF")
        seen.page.emulate_media(media="print")
        assert seen.page.locator("#law .inner").first.is_visible()
