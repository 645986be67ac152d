"""The local pages of a capture: who gets them, what they load, and what a browser shows of what comes."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lintas.capture.page import Certificate, Content, Server
from lintas.capture.setup import page_texts
from lintas.capture.state import State
from lintas.capture.view import apart, behind
from tests.lintas.test_capture_parts import _LOOK, _state


class Shown:
    """A live page, and the state that it shows."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.server = Server()
        self.fetched: list[str] = []
        setup = [{"heading": "Way <in>", "picture": "tunnel", "alt": "code", "steps": ["one"], "texts": ["two"]}]
        pictures = {"tunnel": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'}
        self.url = self.server.live(Content(self.snapshot, setup, pictures, page_texts("shop & more")))
        steps = ["Put it <there>."]
        self.certificate = self.server.certificate(
            "127.0.0.1", Certificate("Lintas test <shop>", b"PEM", "AA:BB", steps, self.fetched.append)
        )

    def snapshot(self) -> dict[str, Any]:
        now = self.state.snapshot()
        return {**now, "behind": behind(now), "apart": apart(now)}

    def get(self, path: str, host: str | None = None, port: int | None = None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port or urlsplit(self.url).port or 0, timeout=10)
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    @property
    def token(self) -> str:
        return urlsplit(self.url).path.strip("/")


@pytest.fixture
def shown() -> Iterator[Shown]:
    page = Shown(_state())
    yield page
    page.state.ended = True
    page.server.stop()


@pytest.mark.parametrize(
    "path", ["/", "/wrong/", "/wrong/now", "/wrong/style.css", "/wrong/tunnel.svg", "//", "/favicon.ico"]
)
def test_without_the_token_there_is_nothing(shown: Shown, path: str) -> None:
    status, _, body = shown.get(path)
    assert (status, body) == (403, b"403\n")


def test_another_name_gets_nothing(shown: Shown) -> None:
    """A page elsewhere whose name was pointed at this machine (DNS rebinding)."""
    assert shown.get(f"/{shown.token}/", host="evil.example")[0] == 403
    assert shown.get(f"/{shown.token}/now", host=f"evil.example:{urlsplit(shown.url).port}")[0] == 403
    assert shown.get(f"/{shown.token}/", host=f"localhost:{urlsplit(shown.url).port}")[0] == 200


def test_the_page_loads_nothing_from_elsewhere(shown: Shown) -> None:
    status, headers, body = shown.get(f"/{shown.token}/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    text = body.decode()
    assert not re.search(r"(?:src|href)=\"(?!data:,|#|[a-z]+\.(?:css|js|svg)\")", text)
    assert "shop &amp; more" in text
    assert "Way &lt;in&gt;" in text
    for name in ("style.css", "live.js", "tunnel.svg"):
        assert shown.get(f"/{shown.token}/{name}")[0] == 200
    assert shown.get(f"/{shown.token}/other.svg")[0] == 404


def test_events_come_when_something_changed(shown: Shown) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(shown.url).port or 0, timeout=10)
    connection.request("GET", f"/{shown.token}/now")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    assert json.loads(answer.readline().removeprefix(b"data: "))["requests"] == 5
    answer.readline()
    shown.state.from_proxy({"type": "status", "requests": 6})
    assert json.loads(answer.readline().removeprefix(b"data: "))["requests"] == 6
    answer.readline()
    shown.state.ended = True
    assert json.loads(answer.readline().removeprefix(b"data: "))["ended"] is True
    assert answer.read() == b"\n"


def test_the_phone_gets_the_certificate(shown: Shown) -> None:
    port = shown.certificate[1]
    status, headers, body = shown.get("/", port=port)
    assert status == 200
    assert "<script" not in body.decode()
    assert "Lintas test &lt;shop&gt;" in body.decode()
    for name in ("lintas.crt", "lintas.pem", "lintas.cer"):
        status, headers, body = shown.get(f"/{name}", port=port)
        assert (status, body) == (200, b"PEM")
        assert headers["Content-Type"] == "application/x-x509-ca-cert"
    assert shown.fetched == ["127.0.0.1"] * 3
    assert shown.get("/other", port=port)[0] == 404
    assert shown.get(f"/{shown.token}/", port=port)[0] == 404


def test_a_taken_port_is_another(shown: Shown) -> None:
    second = Shown(_state())
    assert second.certificate[1] != shown.certificate[1]
    second.state.ended = True
    second.server.stop()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1300), ("dark", 1300), ("light", 400)])
def test_in_a_browser(shown: Shown, scheme: Any, width: int, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    from tests.chromium import browser

    with browser() as running:
        page = running.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(shown.url)
        page.wait_for_selector("#where tbody tr")
        assert page.inner_text("#where tbody tr:first-child th").startswith("Indonesia?")
        assert "10.0.0.1 has come in" in page.inner_text("#standing")
        # Text of the traffic is text.
        assert "evil.example" in page.inner_text("#opaque")
        assert page.is_visible("details.set img")
        shown.state.from_proxy({"type": "first", "client": "10.0.0.1", "host": "<b>api</b>.example", "at": 9})
        shown.state.mark(9, phase="first_launch")
        page.locator("#standing", has_text="<b>api</b>.example").wait_for()
        assert not page.is_visible("details.set img")
        assert "phase first launch" in page.inner_text("#phase")
        shown.state.from_follower({**_LOOK, "summary": {**_LOOK["summary"], "destinations": []}})
        page.wait_for_selector("#where p.empty")
        shown.state.from_follower(_LOOK)
        page.wait_for_selector("#where tbody tr")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # Nor does a name without a place to break it.
        shown.state.from_proxy({"type": "first", "client": "10.0.0.1", "host": "a" * 240, "at": 10})
        shown.state.warn("b" * 240)
        page.locator("#standing", has_text="a" * 240).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        shown.state.ended = True
        page.locator("#standing", has_text="ended").wait_for()
        assert said == []
        assert all(url.startswith(shown.url) for url in asked), asked
