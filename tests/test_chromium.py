"""The browser that the tests of the report look through: it must see what it is there to see."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import chromium as module
from tests.chromium import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = """<!doctype html>
<html lang="en"><title>t</title><p id="p">before</p>
<script>
document.getElementById("p").textContent = "after"; console.warn("said"); throw new Error("thrown")</script>
<img src="missing.png" alt="">"""


@pytest.mark.browser
def test_a_page_remembers_what_it_said_and_asked_for(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE, encoding="utf-8")
    with opened(chromium, tmp_path / "page.html") as seen:
        assert seen.page.inner_text("p") == "after"
    assert "warning: said" in seen.console
    assert any("thrown" in text for text in seen.console)
    assert [url.rpartition("/")[2] for url in seen.requests] == ["missing.png"]


@pytest.mark.browser
def test_beside_a_browser_an_event_loop_may_run() -> None:
    """The browser of the test before is still there; its own loop stands meanwhile."""

    async def three() -> int:
        await asyncio.sleep(0)
        return 3

    assert asyncio.run(three()) == 3


@pytest.mark.browser
def test_width_colours_and_script_are_as_asked(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE, encoding="utf-8")
    with opened(chromium, tmp_path / "page.html", width=390, dark=True, script=False) as seen:
        assert seen.page.inner_text("p") == "before"
    with opened(chromium, tmp_path / "page.html", width=390, dark=True) as seen:
        assert seen.page.evaluate("innerWidth") == 390
        assert seen.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")


def test_a_browser_that_was_named_but_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LINTAS_CHROMIUM", str(tmp_path / "nothing"))
    assert module.chromium_path() is None
    with pytest.raises(FileNotFoundError, match="make test"), module.browser():
        pass


@pytest.mark.parametrize(("ci", "outcome"), [("true", {"errors": 1}), ("", {"skipped": 1})])
def test_without_a_browser_ci_fails_and_a_person_is_told(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv("LINTAS_CHROMIUM", "/nowhere/chromium")
    monkeypatch.setenv("CI", ci)
    pytester.makeconftest(Path(module.__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile("def test_it(chromium): pass")
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(**outcome)
