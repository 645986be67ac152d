"""The two local pages of a capture: the live view, for this machine alone and behind a token, and the certificate's,
which a phone opens.

The live view gets what it shows by server-sent events. It shows no personal value; the tunnel's QR code is a key, so
the page is at 127.0.0.1, behind a token that no other program of this machine has to know, and answers no other name
(a page elsewhere could let its own name point here). The certificate's page holds nothing secret.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.netutil
import tornado.web

from addons.bounded.listener import Few, Listener
from addons.bounded.seldom import Seldom
from analysis.model import InputError

HERE = Path(__file__).parent
_EVERY = 0.5
"""Seconds between two looks of the page at most."""
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DEVICES, _WINDOWS = 32, 16
"""Connections at once to the certificate's page and to the live view's: each takes a descriptor of the front, which
also hears the proxy and the phone by some."""
_LOGS = ("asyncio", "tornado")
_CERTIFICATE_PORT = 8079
"""Where a phone finds the certificate, if it is free: a number that an auditor can remember and open in a firewall."""


@dataclass
class Content:
    """What the live page is made of. ``snapshot`` is called in the server's thread and must only read.

    ``setup``: headings, texts and names of pictures, for the part on how the phone gets in; ``pictures``: SVG by
    name."""

    snapshot: Callable[[], dict[str, Any]]
    setup: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Certificate:
    """What the certificate's page is made of. ``fetched`` is called with the address of who fetched it."""

    name: str
    pem: bytes
    fingerprint: str
    steps: list[str]
    fetched: Callable[[str], None]


class Server:
    """Both pages, in a thread of their own. ``tell`` takes a sentence for the auditor, from any thread."""

    def __init__(self, tell: Callable[[str], None] = lambda text: None) -> None:
        self._tell = tell
        self._log = _Sentences(tell)
        for name in _LOGS:
            logging.getLogger(name).addHandler(self._log)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="pages", daemon=True)
        self._thread.start()
        self._servers: list[tornado.httpserver.HTTPServer] = []

    def live(self, content: Content) -> str:
        """Serve the live view; its address, with the token. Raises InputError when there is no port for it."""
        token = secrets.token_urlsafe(24)
        bound = _bind("127.0.0.1", 0)
        port = bound[0].getsockname()[1]
        few = Few(_WINDOWS, lambda: self._tell(_CROWDED.format(page="live view", most=_WINDOWS)))
        given = {"content": content, "token": token, "hosts": {f"127.0.0.1:{port}", f"localhost:{port}"}}
        handlers = [
            (r"/([^/]*)/", _Page, given),
            (r"/([^/]*)/now", _Now, {**given, "keep": few.keep}),
            (r"/([^/]*)/(style\.css|live\.js)", _File, given),
            (r"/([^/]*)/([a-z]+)\.svg", _Picture, given),
            (r".*", _Nothing, given),
        ]
        self._serve(handlers, bound, few)
        return f"http://127.0.0.1:{port}/{token}/"

    def certificate(self, address: str, content: Certificate) -> tuple[str, int]:
        """Serve the certificate at ``address``; where it is. Raises InputError when there is no port for it."""
        bound = _bind(address, _CERTIFICATE_PORT)
        port = bound[0].getsockname()[1]
        given = {"content": content}
        handlers = [(r"/", _Guide, given), (r"/(lintas)\.(?:pem|crt|cer)", _Pem, given), (r".*", _Missing)]
        few = Few(_DEVICES, lambda: self._tell(_CROWDED.format(page="certificate", most=_DEVICES)))
        self._serve(handlers, bound, few)
        return address, port

    def stop(self) -> None:
        """Let the page know the end, and end."""

        async def end() -> None:
            for server in self._servers:
                server.stop()
            # The page looks once more and sees that it was the last time.
            await asyncio.sleep(2 * _EVERY)
            for server in self._servers:
                await server.close_all_connections()
            self._loop.stop()

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(end(), self._loop)
            self._thread.join(4 * _EVERY)
        for name in _LOGS:
            logging.getLogger(name).removeHandler(self._log)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _serve(self, handlers: list[Any], sockets: list[socket.socket], few: Few) -> None:
        started: threading.Event = threading.Event()

        def start() -> None:
            application = tornado.web.Application(handlers, log_function=lambda handler: None)
            server = tornado.httpserver.HTTPServer(application, max_header_size=16_384, idle_connection_timeout=60)
            server.add_sockets([Listener(one, few.takes) for one in sockets])
            self._servers.append(server)
            started.set()

        self._loop.call_soon_threadsafe(start)
        started.wait(10)


_CROWDED = (
    "More connections to the {page}'s page are open at once than it takes in ({most}): the oldest are closed. The "
    "recording goes on."
)


class _Sentences(logging.Handler):
    """Faults of the pages as sentences, few of a kind; without a handler a traceback goes to the terminal."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell
        self.addFilter(Seldom())

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        what = f"{type(fault).__name__}: {fault}" if fault is not None else record.getMessage()
        self._tell(f"A page of this capture failed ({' '.join(what.split())[:200]}); the recording goes on.")


def _bind(address: str, port: int) -> list[socket.socket]:
    """Sockets at that port, else at any that is free."""
    try:
        return tornado.netutil.bind_sockets(port, address)
    except OSError as error:
        if port:
            return _bind(address, 0)
        raise InputError(f"No page can be served at {address} ({error.strerror}).") from error


# ------------------------------------------------------------------------------------------------ the live view


class _Guarded(tornado.web.RequestHandler):
    """Answers who knows the token, and nobody else."""

    def initialize(self, content: Content, token: str, hosts: set[str]) -> None:
        self.content, self._token, self._hosts = content, token, hosts

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in (
            ("Content-Security-Policy", _POLICY),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ):
            self.set_header(name, value)

    def prepare(self) -> None:
        given = str(self.path_args[0]) if self.path_args else ""
        if self.request.host not in self._hosts or not hmac.compare_digest(given.encode(), self._token.encode()):
            self.send_error(403)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}\n")


class _Nothing(_Guarded):
    def prepare(self) -> None:
        self.send_error(403)


class _Page(_Guarded):
    def get(self, _: str) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.write(_template("live.html.j2").render(setup=self.content.setup, t=self.content.texts))


class _File(_Guarded):
    def get(self, _: str, name: str) -> None:
        kind = {"style.css": "text/css", "live.js": "text/javascript"}[name]
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.write(_style() if name == "style.css" else (HERE / name).read_text("utf-8"))


class _Picture(_Guarded):
    def get(self, _: str, name: str) -> None:
        found = self.content.pictures.get(name)
        if found is None:
            self.send_error(404)
            return
        self.set_header("Content-Type", "image/svg+xml")
        self.write(found)


class _Now(_Guarded):
    """How things stand, again and again, as server-sent events."""

    # tornado hands over what stands beside the handler's path.
    def initialize(  # type: ignore[override]
        self, content: Content, token: str, hosts: set[str], keep: Callable[[socket.socket], None]
    ) -> None:
        super().initialize(content, token, hosts)
        self._keep = keep

    def on_connection_close(self) -> None:
        self._gone = True

    async def get(self, _: str) -> None:
        self._gone = False
        connection: Any = self.request.connection
        self._keep(connection.stream.socket)
        self.set_header("Content-Type", "text/event-stream")
        told, silent = "", 0.0
        while not self._gone:
            now = self.content.snapshot()
            text = json.dumps(now, ensure_ascii=False)
            if text != told:
                told, silent = text, 0.0
                self.write(f"data: {text}\n\n")
            elif silent >= 15:
                silent = 0.0
                self.write(": still there\n\n")
            try:
                await self.flush()
            except Exception:
                return  # the page was closed
            if now["ended"]:
                return
            silent += _EVERY
            await asyncio.sleep(_EVERY)


# -------------------------------------------------------------------------------------------- the certificate


class _Guide(tornado.web.RequestHandler):
    def initialize(self, content: Certificate) -> None:
        self._content = content

    def get(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.set_header("Cache-Control", "no-store")
        self.write(_template("certificate.html.j2").render(c=self._content))


class _Pem(tornado.web.RequestHandler):
    def initialize(self, content: Certificate) -> None:
        self._content = content

    def get(self, _: str) -> None:
        self.clear_header("Server")
        # By this type iOS offers a profile, and Android's browsers keep the file.
        self.set_header("Content-Type", "application/x-x509-ca-cert")
        self.set_header("Content-Disposition", 'attachment; filename="lintas.crt"')
        self.set_header("Cache-Control", "no-store")
        self.write(self._content.pem)
        self._content.fetched(self.request.remote_ip or "")


class _Missing(tornado.web.RequestHandler):
    def prepare(self) -> None:
        self.set_status(404)
        self.finish("404\n")


# ------------------------------------------------------------------------------------------------------- files


@cache
def _template(name: str) -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(HERE)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template(name)


@cache
def _style() -> str:
    """The report's own style, and what a live page has beside."""
    import reports

    report = (Path(reports.__file__).parent / "templates" / "style.css").read_text("utf-8")
    return report + (HERE / "live.css").read_text("utf-8")
