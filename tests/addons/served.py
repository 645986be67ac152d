"""Servers on loopback for the tests of *record*, and their own account of what they received and sent.

Each stands in a thread of the test's process and ends with the block that started it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.iostream
import tornado.netutil
import tornado.web
import tornado.websocket

from tests.lab.server import Http2, Log
from tests.loopback import NET

HOST = f"{NET}.20"


def octets(size: int, of: str = "") -> bytes:
    """``size`` octets that are the same each time, and others for another name."""
    block = b"".join(hashlib.sha256(f"{of} {n}".encode()).digest() for n in range(64))
    return (block * (size // len(block) + 1))[:size]


def events(count: int, of: str = "", end: str = "\n") -> list[bytes]:
    """Server-sent events, each with the empty line behind it."""
    texts = [json.dumps({"of": of, "n": n, "text": "é" * n}, ensure_ascii=False) for n in range(count)]
    return [f"event: step{end}data: {text}{end}{end}".encode() for text in texts]


@dataclass
class Account:
    """What the servers saw, by their own account. ``go``: what a stream waits for before it ends."""

    requests: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Method, target, SHA-256 of the body and its size."""
    answers: dict[str, tuple[str, int]] = field(default_factory=dict)
    """SHA-256 and size of what was sent to the target, as far as it came."""
    heard: list[bytes] = field(default_factory=list)
    """WebSocket messages."""
    go: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    secure: int = 0
    http2: int = 0
    tcp: int = 0
    log: Path = Path()

    def url(self, target: str) -> str:
        return f"http://{HOST}:{self.port}{target}"

    def http2_requests(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class _Handler(tornado.web.RequestHandler):
    def initialize(self, account: Account) -> None:
        self.account = account

    def note(self, answer: bytes) -> None:
        request, body = self.request, self.request.body
        row = (str(request.method), str(request.uri), hashlib.sha256(body).hexdigest(), len(body))
        self.account.requests.append(row)
        self.account.answers[str(request.uri)] = (hashlib.sha256(answer).hexdigest(), len(answer))

    async def waits(self) -> None:
        while not self.account.go.is_set():
            await asyncio.sleep(0.01)


class Echo(_Handler):
    """What came, counted, as JSON."""

    async def get(self) -> None:
        body = self.request.body
        said = json.dumps({"octets": len(body), "sha256": hashlib.sha256(body).hexdigest()}).encode()
        if self.get_query_argument("gzip", ""):
            said = gzip.compress(said, mtime=0)
            self.set_header("Content-Encoding", "gzip")
        self.note(said)
        if self.get_query_argument("wait", ""):
            await self.waits()
        self.set_header("Content-Type", "application/json")
        self.write(said)

    post = put = get


class Big(_Handler):
    """``size`` octets, without a stated length (``chunked``) or with it; a piece each ``pace`` milliseconds."""

    async def get(self) -> None:
        body = octets(int(self.get_query_argument("size")), "big")
        self.note(body)
        self.set_header("Content-Type", self.get_query_argument("type", "application/octet-stream"))
        if not self.get_query_argument("chunked", ""):
            self.set_header("Content-Length", str(len(body)))
        for start in range(0, len(body), 70_000):
            if start and self.get_query_argument("wait", ""):
                await self.waits()
            try:
                self.write(body[start : start + 70_000])
                await self.flush()
            except tornado.iostream.StreamClosedError:
                return
            await asyncio.sleep(float(self.get_query_argument("pace", "0")) / 1000)


class Events(_Handler):
    """``count`` server-sent events, one each ``pace`` milliseconds. Where it is to wait, it does so behind the first
    half."""

    async def get(self) -> None:
        end = bytes.fromhex(self.get_query_argument("end", "0a")).decode()
        whole = events(int(self.get_query_argument("count")), "sse", end)
        if self.get_query_argument("torn", ""):
            whole.append(b"data: torn")
        coded = bool(self.get_query_argument("gzip", ""))
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        if coded:
            self.set_header("Content-Encoding", "gzip")
        made = _gzipped(whole) if coded else whole
        self.note(b"".join(made))
        for n, event in enumerate(made):
            if n == len(made) // 2 and self.get_query_argument("wait", ""):
                await self.waits()
            try:
                self.write(event)
                await self.flush()
            except tornado.iostream.StreamClosedError:
                return
            await asyncio.sleep(float(self.get_query_argument("pace", "0")) / 1000)


def _gzipped(pieces: list[bytes]) -> list[bytes]:
    import zlib

    made = zlib.compressobj(wbits=31)
    coded = [made.compress(piece) + made.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [*coded, made.flush()]


class Chat(tornado.websocket.WebSocketHandler):
    """Says back what it hears."""

    def initialize(self, account: Account) -> None:
        self.account = account

    async def on_message(self, message: str | bytes) -> None:
        self.account.heard.append(message.encode() if isinstance(message, str) else message)
        await self.write_message(message, binary=isinstance(message, bytes))


async def _say_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def serving(folder: Path, http2: bool = False) -> Iterator[Account]:
    """HTTP in the clear and over TLS with the certificate ``server.pem`` in ``folder``, TCP that says back what it
    hears, and HTTP/2 on request."""
    account = Account(log=folder / "served.jsonl")
    started, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        own = {"account": account}
        application = tornado.web.Application(
            [(r"/big.*", Big, own), (r"/events.*", Events, own), (r"/chat", Chat, own), (r".*", Echo, own)]
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder / "server.pem")
        servers = []
        for options in (None, context):
            server = tornado.httpserver.HTTPServer(application, ssl_options=options, max_body_size=1 << 30)
            sockets = tornado.netutil.bind_sockets(0, HOST, socket.AF_INET)
            server.add_sockets(sockets)
            servers.append((server, sockets[0].getsockname()[1]))
        account.port, account.secure = servers[0][1], servers[1][1]
        raw = await asyncio.start_server(_say_back, HOST, 0)
        account.tcp = raw.sockets[0].getsockname()[1]
        if http2:
            modern = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            modern.load_cert_chain(folder / "server.pem")
            modern.set_alpn_protocols(["h2"])
            log = Log(account.log)
            second = await loop.create_server(lambda: Http2(log), HOST, 0, ssl=modern)
            account.http2 = second.sockets[0].getsockname()[1]
        started.set()
        await ended.wait()
        for server, _ in servers:
            server.stop()
            await server.close_all_connections()
        raw.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    try:
        assert started.wait(20)
        yield account
    finally:
        account.go.set()
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
