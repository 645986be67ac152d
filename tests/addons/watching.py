"""A real mitmdump or mitmweb with addons of ours, a server behind it, and what can be asked of both: for the tests of
*phases* and *annotate*."""

from __future__ import annotations

import http.server
import json
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import loopback, warm
from tests.addons.refusing import ENVIRONMENT, ROOT, listening
from tests.loopback import NET

HERE = f"{NET}.30"
PASSWORD = "lintas"
_PATIENCE = 60.0


class Watched:
    """A running proxy."""

    def __init__(self, program: str, place: Path, addons: tuple[str, ...], options: dict[str, str]) -> None:
        self.place = place
        self.folder = place / "capture"
        # mitmweb says no other port than it was told.
        self.port, self.web = 0, loopback.port(HERE)
        told = {
            "confdir": str(place / "home"),
            "lintas_folder": str(self.folder),
            "listen_host": HERE,
            "listen_port": "0",
        }
        if program == "mitmweb":
            told |= {"web_host": HERE, "web_port": str(self.web), "web_password": PASSWORD, "web_open_browser": "false"}
        told |= options
        words = [word for name in addons for word in ("-s", str(ROOT / "addons" / f"{name}.py"))]
        words += [word for key, value in told.items() if value for word in ("--set", f"{key}={value}")]
        self._log = place / "proxy.log"
        with self._log.open("wb") as log:
            self.process = warm.start(program, words, place, ENVIRONMENT, log)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self, condition: Callable[[], Any]) -> Any:
        """What ``condition`` gives once it gives something. Raises AssertionError with the log where it never does."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(self.log[-3000:])

    def get(self, path: str, answer: int = 200) -> bytes:
        """One GET through the proxy to the server beside it."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": f"http://{HERE}:{self.port}"}))
        with opener.open(path, timeout=20) as got:
            assert got.status == answer
            body: bytes = got.read()
        return body

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """mitmweb's own interface."""
        request = urllib.request.Request(
            f"http://{HERE}:{self.web}{path}",
            None if content is None else json.dumps(content).encode(),
            {"Authorization": f"Bearer {PASSWORD}", "Content-Type": "application/json", "Cookie": "_mitmproxy_xsrf=aa"},
            method=method,
        )
        request.add_header("X-XSRFToken", "aa")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as got:
            said = got.read()
        return json.loads(said) if said else None

    def flows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/flows")
        return found

    def events(self, *types: str) -> list[dict[str, Any]]:
        place = self.folder / "events.jsonl"
        lines = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()] if place.exists() else []
        return [line for line in lines if line["type"] in types]

    def follower(self) -> int | None:
        """The process that this proxy started to follow its folder."""
        for place in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = place.read_text().rpartition(")")[2].split()[1]
                words = (place.parent / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == str(self.process.pid) and b"analysis.follow" in words:
                return int(place.parent.name)
        return None

    def stop(self) -> int:
        """End it as a user does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(_PATIENCE)


@contextmanager
def watched(
    place: Path, *addons: str, program: str = "mitmdump", ready: str = "listening at", **options: str
) -> Iterator[Watched]:
    """The proxy from when its log says ``ready`` until the block ends."""
    proxy = Watched(program, place, addons, options)
    try:
        proxy.wait(lambda: (ready in proxy.log and listening(proxy.log)) or proxy.process.poll() is not None)
        assert proxy.process.poll() is None, proxy.log
        proxy.port = listening(proxy.log) or 0
        yield proxy
    finally:
        if proxy.process.poll() is None:
            proxy.process.send_signal(signal.SIGINT)
            try:
                proxy.process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                proxy.process.kill()
                proxy.process.wait()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: a test says what it needs."""


@contextmanager
def answering() -> Iterator[str]:
    """A server that answers with the target that it was asked for; its address as a URL."""
    with http.server.ThreadingHTTPServer((HERE, 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://{HERE}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
