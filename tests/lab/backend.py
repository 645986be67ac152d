"""What stands behind nginx and caddy in the lab, and the servers of WebSocket, gRPC and DNS over TLS: each writes down
what it received and what it sent, octet for octet, before it answers.

Run as a program in the servers' namespace: ``python -m tests.lab.backend FOLDER``, where FOLDER holds ``server.pem``
and ``server.key``. It writes ``served.jsonl`` there, and ``ready`` once it serves."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import brotli
import grpc
import tornado.httpserver
import tornado.web
import websockets
from websockets.asyncio.server import ServerConnection

HOSTS = {
    "h1.lab.example": 11,
    "h2.lab.example": 12,
    "h3.lab.example": 13,
    "ws.lab.example": 14,
    "grpc.lab.example": 15,
    "plain.lab.example": 16,
    "six.lab.example": 17,
    "six3.lab.example": 18,
    "alert.lab.example": 21,
    "silent.lab.example": 22,
    "pin.lab.example": 23,
    "stall.lab.example": 24,
    "dns.lab.example": 53,
    "hop.lab.example": 80,
}
"""The last part of each host's addresses, IPv4 and IPv6."""
ONLY_IPV6 = {"six.lab.example", "six3.lab.example"}
BACKEND = 9000
DIALOGUE = 3
"""Messages that the gRPC server streams back for one."""


def filler(name: str, size: int) -> bytes:
    """Octets that look like nothing and are always the same for a name."""
    return b"".join(hashlib.sha256(f"{name}{n}".encode()).digest() for n in range(size // 32 + 1))[:size]


class Log:
    def __init__(self, place: Path) -> None:
        self._file = place.open("a", encoding="utf-8")

    def write(self, kind: str, **keys: Any) -> None:
        self._file.write(json.dumps({"kind": kind, **keys}) + "\n")
        self._file.flush()


def measured(octets: bytes) -> dict[str, Any]:
    return {"bytes": len(octets), "sha256": hashlib.sha256(octets).hexdigest()}


class Anything(tornado.web.RequestHandler):
    """Answers by the path: ``/bytes/N``, ``/gzip``, ``/br``, ``/events``, ``/page``; else what was sent, sent back."""

    def initialize(self, log: Log) -> None:
        self.log = log

    def compute_etag(self) -> None:
        """None: nobody keeps an answer, so each one is sent whole."""

    async def get(self) -> None:
        path = self.request.path
        kind, _, size = path.strip("/").partition("/")
        fields, body = {"Content-Type": "application/octet-stream"}, self.request.body
        if kind == "bytes":
            body = filler(path, int(size))
        elif kind in ("gzip", "br"):
            text = json.dumps({"said": [filler(path, 600).hex()] * 20}).encode()
            body = gzip.compress(text, mtime=0) if kind == "gzip" else brotli.compress(text)
            fields = {"Content-Type": "application/json", "Content-Encoding": kind}
        elif kind == "page":
            fields, body = {"Content-Type": "text/html"}, b"<!doctype html><title>lab</title><p>loaded"
        elif kind == "events":
            fields = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
            body = b"".join(f"id: {n}\ndata: {filler(path + str(n), 40).hex()}\n\n".encode() for n in range(3))
        request = self.request
        self.log.write(
            "request",
            host=request.host.partition(":")[0],
            method=request.method,
            target=request.uri,
            protocol=request.headers.get("X-Lab-Protocol", request.version),
            peer=request.headers.get("X-Lab-Peer", request.remote_ip),
            sent=measured(request.body),
            received=measured(body),
        )
        for name, value in {**fields, "Cache-Control": "no-store"}.items():
            self.set_header(name, value)
        if kind == "events":
            for piece in body.split(b"\n\n")[:-1]:
                self.write(piece + b"\n\n")
                await self.flush()
                await asyncio.sleep(0.05)
        else:
            self.write(body)

    async def post(self) -> None:
        await self.get()

    put = post


async def chat(log: Log, connection: ServerConnection) -> None:
    """Greets first, then says back what it hears, text as text and octets as octets."""
    assert connection.request is not None
    host = connection.request.headers["Host"].partition(":")[0]
    common = {"host": host, "target": connection.request.path, "peer": connection.remote_address[0]}

    async def say(message: str | bytes) -> None:
        octets = message.encode() if isinstance(message, str) else message
        log.write("message", direction="received", **common, **measured(octets))
        await connection.send(message)

    await say("selamat datang")
    async for message in connection:
        octets = message.encode() if isinstance(message, str) else message
        log.write("message", direction="sent", **common, **measured(octets))
        await say(message)


class Echo(grpc.GenericRpcHandler):
    """``/lab.Echo/Say`` says a message back; ``/lab.Echo/Repeat`` says it back several times, in a stream."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method == "/lab.Echo/Say":
            return grpc.unary_unary_rpc_method_handler(self._say)
        if details.method == "/lab.Echo/Repeat":
            return grpc.unary_stream_rpc_method_handler(self._repeat)
        return None

    def _note(self, direction: str, method: str, octets: bytes, context: Any) -> None:
        peer = context.peer().partition(":")[2].rpartition(":")[0].strip("[]").replace("%5B", "").replace("%5D", "")
        self._log.write(
            "grpc", host="grpc.lab.example", target=method, peer=peer, direction=direction, **measured(octets)
        )

    async def _say(self, message: bytes, context: Any) -> bytes:
        self._note("sent", "/lab.Echo/Say", message, context)
        self._note("received", "/lab.Echo/Say", message[::-1], context)
        return message[::-1]

    async def _repeat(self, message: bytes, context: Any) -> AsyncIterator[bytes]:
        self._note("sent", "/lab.Echo/Repeat", message, context)
        for n in range(DIALOGUE):
            said = message + str(n).encode()
            self._note("received", "/lab.Echo/Repeat", said, context)
            yield said


async def resolve_over_tls(log: Log, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """DNS over TLS (RFC 7858): the octets inside go to the lab's resolver over TCP, and back."""
    try:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", 53)
        try:
            while True:
                question = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                log.write(
                    "dot", host="dns.lab.example", peer=writer.get_extra_info("peername")[0], **measured(question)
                )
                upstream_writer.write(len(question).to_bytes(2) + question)
                answer = await upstream_reader.readexactly(2)
                writer.write(answer + await upstream_reader.readexactly(int.from_bytes(answer)))
                await writer.drain()
        finally:
            upstream_writer.close()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve(folder: Path) -> None:
    log = Log(folder / "served.jsonl")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "server.pem", folder / "server.key")

    application = tornado.web.Application([(r".*", Anything, {"log": log})])
    # A gRPC server of the library wants its own event loop's thread; it has this one.
    rpc = grpc.aio.server()
    rpc.add_generic_rpc_handlers((Echo(log),))
    pair = ((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())
    rpc.add_secure_port(f"10.77.2.{HOSTS['grpc.lab.example']}:443", grpc.ssl_server_credentials([pair]))
    await rpc.start()
    tornado.httpserver.HTTPServer(application).listen(BACKEND, "127.0.0.1")
    async with (
        await asyncio.start_server(
            lambda r, w: resolve_over_tls(log, r, w), ["10.77.2.53", "fd77:2::53"], 853, ssl=tls
        ),
        websockets.serve(lambda c: chat(log, c), f"10.77.2.{HOSTS['ws.lab.example']}", 443, ssl=tls, close_timeout=2),
    ):
        (folder / "ready").touch()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
