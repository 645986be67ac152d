"""A HAR of a real Chromium: an app's page on loopback that sends what apps send, and what never arrives.

Each host has an invented name. The browser finds it by its own rules, one port of loopback for each way to behave; the
address that it writes down is then exchanged for one of documentation, since loopback is nobody's server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.chromium import browser
from tests.lab.server import certificates

if TYPE_CHECKING:
    from playwright.sync_api import Page

ZONE = "uji.example"
EMAIL = "budi.uji@mail.example"
DEVICE = "3f1c2a9e-7b64-4d0a-9c55-0f6d2b8e41aa"
DELIVERED = ("app", "stat", "binary", "sealed", "wrapped", "weak", "opaque", "chat")
"""Hosts of which the servers have an answer to show."""
UNDELIVERED = ("blocked", "closed", "nowhere", "early", "cross")
"""Hosts that never got what the page had for them."""
LATE = "late"
"""The host that got a whole body and never answered: the browser's record cannot tell it from the others."""


def _noise(name: str, size: int) -> bytes:
    return b"".join(hashlib.sha256(f"{name}{n}".encode()).digest() for n in range(size // 32 + 1))[:size]


def _ciphertext(size: int) -> bytes:
    return AESGCM(_noise("key", 32)).encrypt(
        _noise("nonce", 12), json.dumps({"email": EMAIL}).encode().ljust(size), b""
    )


BODIES = {
    # Tags of a protobuf that lead nowhere, then what no reader knows.
    "binary": b"\xff\xff\xff\xff\x0f\x07\x03\x02" + b"\x00\x01\x03\x07" * 60,
    "sealed": _ciphertext(600),
    "wrapped": json.dumps({"v": 2, "payload": base64.b64encode(_ciphertext(500)).decode()}).encode(),
    "weak": json.dumps({"v": 1, "zip": "40115"}).encode(),
}
_TYPES = {"binary": "application/x-protobuf", "sealed": "application/octet-stream"}
_PAGE = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Uji</title><link rel="icon" href="data:,">
<script>
const at = (host, path = "/v1") => `https://${{host}}.{ZONE}${{path}}`;
const send = (url, body, more = {{}}) =>
  fetch(url, {{method: "POST", mode: "cors", body, ...more}}).then(r => r.text(), e => String(e));
</script>"""
_WORKER = """
self.addEventListener("install", e => e.waitUntil(caches.open("k").then(k => k.add("/kept.json")).then(skipWaiting)));
self.addEventListener("activate", e => e.waitUntil(clients.claim()));
self.addEventListener("fetch", e => e.respondWith(caches.match(e.request).then(kept => kept || fetch(e.request))));
"""


@dataclass
class Account:
    """What the servers have received: host, method, path and octets of the body."""

    requests: list[tuple[str, str, str, int]] = field(default_factory=list)
    late: threading.Event = field(default_factory=threading.Event)


class _Answers(tornado.web.RequestHandler):
    def initialize(self, account: Account) -> None:
        self.account = account

    def _host(self) -> str:
        request = self.request
        host = request.host.partition(":")[0].removesuffix(f".{ZONE}")
        self.account.requests.append((host, str(request.method), request.path, len(request.body)))
        return host

    async def options(self) -> None:
        if self._host() == "cross":
            self.set_status(403)
        else:
            self.set_header("Access-Control-Allow-Origin", "*")
            self.set_header("Access-Control-Allow-Headers", "*")

    async def post(self) -> None:
        host = self._host()
        if host == LATE:
            self.account.late.set()
            await asyncio.sleep(60)
        self.set_header("Access-Control-Allow-Origin", "*")
        if host == "sealed":
            # Playwright writes no such body of a request down, but that of an answer.
            self.set_header("Content-Type", _TYPES[host])
            self.write(BODIES[host])
        else:
            self.write({"ok": True})

    async def get(self) -> None:
        self._host()
        path = self.request.path
        if path == "/":
            self.write(_PAGE)
        elif path == "/worker.js":
            self.set_header("Content-Type", "text/javascript")
            self.write(_WORKER)
        else:
            self.set_header("Cache-Control", "max-age=3600")
            self.write({"path": path})


class _Chat(tornado.websocket.WebSocketHandler):
    def initialize(self, account: Account) -> None:
        self.account = account

    def check_origin(self, origin: str) -> bool:
        return origin.endswith(f".{ZONE}")

    async def on_message(self, message: str | bytes) -> None:
        self.account.requests.append(("chat", "MESSAGE", self.request.path, len(message)))
        await self.write_message("seen")


@dataclass
class Served:
    account: Account
    port: int
    mute: int
    """Takes connections and says nothing, not even of TLS."""
    closed: int


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """The servers, in a thread of their own until the block ends."""
    certificates(folder)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "server.pem", folder / "server.key")
    account = Account()
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    mute = socket.create_server(("127.0.0.1", 0))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = int(probe.getsockname()[1])
    ready = threading.Event()
    loop = asyncio.new_event_loop()

    async def run(over: asyncio.Event) -> None:
        words = {"account": account}
        pages = tornado.web.Application([("/chat", _Chat, words), ("/.*", _Answers, words)])
        server = tornado.httpserver.HTTPServer(pages, ssl_options=tls)
        server.add_sockets(sockets)
        ready.set()
        await over.wait()
        server.stop()

    over = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(over),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield Served(account, int(sockets[0].getsockname()[1]), int(mute.getsockname()[1]), closed)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        mute.close()


def _behave(page: Page, served: Served) -> None:
    """What the app does: each step waits until it has come to its end."""
    page.goto(f"https://app.{ZONE}/")
    profile = json.dumps({"email": EMAIL, "device_id": DEVICE, "lang": "id"})
    own = {"mode": "same-origin", "headers": {"Content-Type": "application/json"}}
    page.evaluate("([body, own]) => send('/api/profile', body, own)", [profile, own])
    page.evaluate("email => navigator.sendBeacon(at('stat', '/b'), JSON.stringify({event: 'open', email}))", EMAIL)
    for host, body in BODIES.items():
        page.evaluate(
            "([host, kind, body]) => send(at(host), Uint8Array.from(atob(body), c => c.charCodeAt(0)), "
            "{headers: {'Content-Type': kind}})",
            [host, _TYPES.get(host, "application/json"), base64.b64encode(body).decode()],
        )
    # An opaque answer: Chromium hands on none of it, and Playwright calls it broken off.
    page.evaluate("email => send(at('opaque'), JSON.stringify({email}), {mode: 'no-cors'})", EMAIL)
    page.route(f"https://blocked.{ZONE}/**", lambda route: route.abort("blockedbyclient"))
    page.evaluate("body => send(at('blocked'), body)", profile)
    # As long as Playwright looks at requests it answers preflights itself, and nothing comes from the cache.
    page.unroute(f"https://blocked.{ZONE}/**")
    for host in ("closed", "nowhere"):
        page.evaluate("([host, body]) => send(at(host), body)", [host, profile])
    page.evaluate("([body, own]) => send(at('cross'), body, {...own, mode: 'cors'})", [profile, own])
    page.evaluate(
        "body => { const c = new AbortController(); setTimeout(() => c.abort(), 300);"
        " return send(at('early'), body, {signal: c.signal}) }",
        profile,
    )
    page.evaluate(
        "body => { window.c = new AbortController(); window.late = send(at('late'), body, {signal: c.signal}); }",
        profile,
    )
    while not served.account.late.wait(0.05):
        page.wait_for_timeout(50)
    page.evaluate("() => { c.abort(); return late }")
    page.evaluate("async () => { await (await fetch('/a.json')).text(); await (await fetch('/a.json')).text() }")
    page.evaluate(
        "email => new Promise(done => { const s = new WebSocket(at('chat', '/chat').replace('https', 'wss'));"
        " s.onopen = () => s.send(JSON.stringify({email})); s.onmessage = s.onerror = () => { s.close(); done() } })",
        EMAIL,
    )
    page.evaluate(
        "async () => { await navigator.serviceWorker.register('/worker.js'); await navigator.serviceWorker.ready }"
    )
    page.reload()
    page.evaluate("async () => { await (await fetch('/kept.json')).text() }")


def record(folder: Path) -> tuple[Path, Account]:
    """Run the page in Chromium, with its record in ``folder``; the record and what the servers received."""
    place = folder / "app.har"
    with serving(folder) as served:
        port = served.port
        rules = [f"MAP nowhere.{ZONE} ~NOTFOUND", f"MAP closed.{ZONE} 127.0.0.1:{served.closed}"]
        rules += [f"MAP early.{ZONE} 127.0.0.1:{served.mute}", f"MAP *.{ZONE} 127.0.0.1:{port}"]
        with browser(f"--host-resolver-rules={','.join(rules)}", "--ignore-certificate-errors") as chromium:
            context = chromium.new_context(
                ignore_https_errors=True, record_har_path=place, record_har_content="embed", service_workers="allow"
            )
            page = context.new_page()
            _behave(page, served)
            context.close()
        _place(place)
        return place, served.account


def _place(har: Path) -> None:
    """Addresses of documentation (RFC 5737) in place of loopback, one for each host."""
    record: dict[str, Any] = json.loads(har.read_text(encoding="utf-8"))
    numbers: dict[str, int] = {}
    for entry in record["log"]["entries"]:
        if entry.get("serverIPAddress"):
            host = urlsplit(entry["request"]["url"]).hostname or ""
            entry["serverIPAddress"] = f"198.51.100.{numbers.setdefault(host, len(numbers) + 10)}"
    har.write_text(json.dumps(record), encoding="utf-8")
