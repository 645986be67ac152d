"""What all tests share. Markers are in pyproject.toml: `slow` (over 2 s) and `browser` (needs Chromium)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import chromium as chromium_module

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Nothing is timed, neither an example nor the making of its data. In CI the same examples come each time.
settings.register_profile(
    "lintas",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("lintas")


# As in an activated environment: a command that Lintas suggests is typed by its name.
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))

# A shell gives what it starts in the background an ignored SIGINT, and children inherit that: then no test could stop
# what it started the way a user does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# So does nohup with SIGHUP, which a closed terminal sends.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _without_the_browsers_loop(item: pytest.Item) -> Iterator[None]:
    """Playwright leaves its event loop running in the main thread while a browser is there, and asyncio lets no other
    run beside: hidden from whoever does not use the browser, it is in nobody's way."""
    loop = asyncio._get_running_loop()
    if loop is None or "chromium" in getattr(item, "fixturenames", ()):
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    yield from _without_the_browsers_loop(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield from _without_the_browsers_loop(item)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium for tests marked `browser`: `with opened(chromium, report) as seen: ...`.

    Where there is none the test is skipped, and fails with CI set: what CI never ran must not look passed.
    """
    try:
        with chromium_module.browser() as browser:
            yield browser
    except FileNotFoundError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
