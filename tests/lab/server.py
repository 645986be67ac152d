"""The servers of the lab: HTTP/1.1 over TLS and in the clear, WebSocket and server-sent events, on loopback.

Run as a program: ``python -m tests.lab.server FOLDER``. It writes ``ca.pem`` and ``ports.json`` there and serves until
it is ended."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import json
import ssl
import sys
from pathlib import Path

import tornado.httpserver
import tornado.web
import tornado.websocket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ("shop.lab.example", "metrics.lab.example", "upload.lab.example", "pinned.lab.example", "plain.lab.example")


def certificates(folder: Path) -> None:
    """A CA, and a certificate for the hosts signed by it."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lintas lab")])

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )

    ca = build(name, ca_key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTS[0])])
    names = x509.SubjectAlternativeName([x509.DNSName(h) for h in HOSTS])
    leaf = build(leaf_name, key.public_key()).add_extension(names, False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "server.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


class Echo(tornado.web.RequestHandler):
    """Answers every request with what it received, counted."""

    def prepare(self) -> None:
        self.set_header("Server", "lab")

    def get(self, path: str) -> None:
        self.post(path)

    def post(self, path: str) -> None:
        if path.startswith("image"):
            self.set_header("Content-Type", "image/png")
            self.write(b"\x89PNG\r\n\x1a\n" + bytes(64))
            return
        body = json.dumps({"path": path, "octets": len(self.request.body)}).encode()
        self.set_header("Content-Type", "application/json")
        if "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            body = gzip.compress(body, mtime=0)
        self.write(body)


class Events(tornado.web.RequestHandler):
    """Three server-sent events."""

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        for n in range(3):
            self.write(f"data: {json.dumps({'n': n})}\n\n")
            await self.flush()
            await asyncio.sleep(0.02)


class Chat(tornado.websocket.WebSocketHandler):
    """A WebSocket that says back what it hears."""

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(message, binary=isinstance(message, bytes))


async def serve(folder: Path) -> None:
    certificates(folder)
    application = tornado.web.Application([(r"/events", Events), (r"/chat", Chat), (r"/(.*)", Echo)])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    ports = {}
    for name, options in (("tls", context), ("plain", None)):
        server = tornado.httpserver.HTTPServer(application, ssl_options=options)
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        ports[name] = sockets[0].getsockname()[1]
    part = folder / "ports.json.part"
    part.write_text(json.dumps(ports))
    part.rename(folder / "ports.json")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
