"""The servers of the lab, each host at an address of its own on loopback: HTTP/2 and HTTP/1.1 over TLS, HTTP in the
clear, WebSocket, server-sent events, and DNS.

Run as a program: ``python -m tests.lab.server FOLDER NET``, where NET is the first three octets of the addresses. It
writes ``ca.pem`` and, once it serves, ``ready`` there, and a line of ``served.jsonl`` for each request. It needs to be
allowed to take the ports 53, 80 and 443."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import hashlib
import json
import ssl
import sys
from pathlib import Path

import brotli
import h2.config
import h2.connection
import h2.events
import h2.exceptions
import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from mitmproxy import dns

PROXY, PHONE, RESOLVER = 1, 2, 53
"""Last octets of who is no server."""
HTTP2 = {"shop.lab.example": 11, "metrics.lab.example": 12, "refused.lab.example": 16, "pinned.lab.example": 17}
HTTP1 = {"api.lab.example": 13, "chat.lab.example": 14}
OLD = {"upload.lab.example": 15}
"""TLS 1.2 at most: its certificate can be read on the wire."""
CLEAR = {"plain.lab.example": 18}
ALIASES = {"metrics.lab.example": "edge.lab-cdn.example"}


def certificates(folder: Path) -> None:
    """A CA, and a certificate for the hosts signed by it. The CA's key is kept nowhere."""
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
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False)
    signs = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    ca = ca.add_extension(signs, True)
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "*.lab.example")])
    names = x509.SubjectAlternativeName([x509.DNSName("*.lab.example")])
    leaf = build(leaf_name, key.public_key()).add_extension(names, False)
    leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "server.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


class Log:
    """``served.jsonl``: what the servers received, by their own account."""

    def __init__(self, place: Path) -> None:
        self._file = place.open("w", encoding="utf-8")

    def request(self, method: str, host: str, target: str, body: bytes) -> None:
        self._line(method=method, host=host, target=target, bytes=len(body), sha256=hashlib.sha256(body).hexdigest())

    def frame(self, host: str, text: bytes) -> None:
        self._line(method="WEBSOCKET", host=host, bytes=len(text), sha256=hashlib.sha256(text).hexdigest())

    def _line(self, **what: object) -> None:
        self._file.write(json.dumps(what) + "\n")
        self._file.flush()


def answer(target: str, received: int, accepted: str) -> tuple[dict[str, str], bytes]:
    """Header fields and body: a picture where one was asked for, else JSON that says how much was received."""
    path = target.partition("?")[0]
    if path.endswith(".png"):
        return {"content-type": "image/png"}, b"\x89PNG\r\n\x1a\n" + bytes(64)
    body = json.dumps({"path": path, "octets": received}).encode()
    headers = {"content-type": "application/json"}
    if "br" in accepted:
        return {**headers, "content-encoding": "br"}, brotli.compress(body)
    if "gzip" in accepted:
        return {**headers, "content-encoding": "gzip"}, gzip.compress(body, mtime=0)
    return headers, body


class Http2(asyncio.Protocol):
    """HTTP/2 (RFC 9113) by the library h2; answers are smaller than any flow-control window."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connection.initiate_connection()
        transport.write(self._connection.data_to_send())

    def data_received(self, data: bytes) -> None:
        try:
            events = self._connection.receive_data(data)
        except h2.exceptions.ProtocolError:
            events = [h2.events.ConnectionTerminated()]
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                self._requests[event.stream_id] = (dict(event.headers), bytearray())
            elif isinstance(event, h2.events.DataReceived):
                self._requests[event.stream_id][1].extend(event.data)
                self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self._answer(event.stream_id)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self._transport.close()
        self._transport.write(self._connection.data_to_send())

    def _answer(self, stream: int) -> None:
        headers, body = self._requests.pop(stream)
        target = headers[":path"]
        self._log.request(headers[":method"], headers[":authority"], target, bytes(body))
        fields, said = answer(target, len(body), headers.get("accept-encoding", ""))
        fields = {":status": "200", "server": "lab", **fields, "content-length": str(len(said))}
        self._connection.send_headers(stream, list(fields.items()))
        self._connection.send_data(stream, said, end_stream=True)


class _Handler(tornado.web.RequestHandler):
    def initialize(self, log: Log) -> None:
        self.log = log

    def note(self) -> None:
        request = self.request
        self.log.request(str(request.method), request.host, str(request.uri), request.body)


class Plain(_Handler):
    """Answers every request with what it received, counted."""

    def get(self) -> None:
        self.post()

    def post(self) -> None:
        self.note()
        fields, said = answer(
            str(self.request.uri), len(self.request.body), self.request.headers.get("Accept-Encoding", "")
        )
        self.set_header("Server", "lab")
        for name, value in fields.items():
            self.set_header(name, value)
        self.write(said)


class Events(_Handler):
    """Three server-sent events for the account that is named in the query."""

    async def get(self) -> None:
        self.note()
        self.set_header("Content-Type", "text/event-stream")
        account = self.get_query_argument("account", "")
        for n in range(3):
            self.write(f"event: stock\ndata: {json.dumps({'n': n, 'account': account})}\n\n")
            await self.flush()
            await asyncio.sleep(0.02)


class Chat(tornado.websocket.WebSocketHandler):
    """A WebSocket that says back what it hears."""

    def initialize(self, log: Log) -> None:
        self.log = log

    def open(self) -> None:
        self.log.request("GET", self.request.host, str(self.request.uri), b"")

    async def on_message(self, message: str | bytes) -> None:
        self.log.frame(self.request.host, message.encode() if isinstance(message, str) else message)
        await self.write_message(message, binary=isinstance(message, bytes))


class Resolver(asyncio.DatagramProtocol):
    """Answers for the lab's hosts (RFC 1035), through an alias where one has it; any other name is unknown."""

    def __init__(self, net: str) -> None:
        self._addresses = {h: f"{net}.{n}" for h, n in {**HTTP2, **HTTP1, **OLD, **CLEAR}.items()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = dns.DNSMessage.unpack(data)
        question = asked.question
        name = question.name.rstrip(".").lower() if question is not None else ""
        if question is None or name not in self._addresses:
            self._transport.sendto(asked.fail(dns.response_codes.NXDOMAIN).packed, addr)
            return
        records = []
        if name in ALIASES:
            records.append(dns.ResourceRecord.CNAME(name, ALIASES[name]))
        if question.type == dns.types.A:
            octets = bytes(int(part) for part in self._addresses[name].split("."))
            owner = ALIASES.get(name, name)
            records.append(dns.ResourceRecord(owner, dns.types.A, dns.classes.IN, 60, octets))
        self._transport.sendto(asked.succeed(records).packed, addr)


async def serve(folder: Path, net: str) -> None:
    certificates(folder)
    log = Log(folder / "served.jsonl")
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Resolver(net), local_addr=(f"{net}.{RESOLVER}", 53))

    def context(protocol: str) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(folder / "server.pem", folder / "server.key")
        made.set_alpn_protocols([protocol])
        return made

    servers = [
        await loop.create_server(lambda: Http2(log), f"{net}.{last}", 443, ssl=context("h2")) for last in HTTP2.values()
    ]
    own = {"log": log}
    application = tornado.web.Application([(r"/events", Events, own), (r"/chat", Chat, own), (r".*", Plain, own)])
    modern, old = context("http/1.1"), context("http/1.1")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    for hosts, options in ((HTTP1, modern), (OLD, old), (CLEAR, None)):
        for last in hosts.values():
            server = tornado.httpserver.HTTPServer(application, ssl_options=options)
            server.add_sockets(tornado.netutil.bind_sockets(443 if options else 80, f"{net}.{last}"))
    (folder / "ready").touch()
    await asyncio.gather(*(s.serve_forever() for s in servers))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
