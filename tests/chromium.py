"""Chromium for the tests: where it is, how it starts, and a page that remembers what it said and asked for.

`python -m tests.chromium` prints its path, or ends with 1 where there is none.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_MAC = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# A browser under test speaks to nobody but the page.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def chromium_path() -> str | None:
    """The Chromium to test with: `LINTAS_CHROMIUM`, the system's or Playwright's own, else None."""
    if named := os.environ.get("LINTAS_CHROMIUM"):
        return named if os.access(named, os.X_OK) else None
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    for path in _MAC:
        if os.access(path, os.X_OK):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if os.access(own, os.X_OK) else None


@contextmanager
def browser(*switches: str) -> Iterator[Browser]:
    """A headless Chromium, with more switches where a test needs them, ended with the block. Raises FileNotFoundError
    where there is none."""
    path = chromium_path()
    if path is None:
        raise FileNotFoundError("Chromium is missing: `make test` says how to get it")
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox refuses to run as root.
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*_QUIET, *root, *switches])
        try:
            yield chromium
        finally:
            chromium.close()


@dataclass
class Seen:
    """A page that was opened, with what a reader would never see of it."""

    page: Page
    console: list[str] = field(default_factory=list)
    """Every console message and uncaught error, Content-Security-Policy violations among them."""
    requests: list[str] = field(default_factory=list)
    """The URL of every request but that of the page itself."""


@contextmanager
def opened(
    chromium: Browser,
    path: Path,
    *,
    width: int = 1280,
    height: int = 900,
    dark: bool = False,
    script: bool = True,
    **context: Any,
) -> Iterator[Seen]:
    """Open a file as a page of `width` CSS pixels; more words go to Playwright's `new_context`."""
    surroundings = chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        **context,
    )
    try:
        page = surroundings.new_page()
        seen = Seen(page)
        own = path.resolve().as_uri()
        page.on("console", lambda message: seen.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.console.append(f"error: {error}"))
        page.on("request", lambda request: None if request.url == own else seen.requests.append(request.url))
        page.goto(own)
        yield seen
    finally:
        surroundings.close()


if __name__ == "__main__":
    path = chromium_path()
    if path is None:
        sys.exit("Chromium was not found")
    print(path)
