"""A real mitmdump with the addon *opaque* between real clients and a TLS server on loopback, for the tests beside it.

The proxy is asked by CONNECT for an address; the client's SNI names the host, as on a phone behind a tunnel. Every
program that is started here is ended here, and every client has a limit of seconds."""

from __future__ import annotations

import datetime
import hashlib
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import warm
from tests.loopback import NET

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
ENVIRONMENT = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
ENVIRONMENT |= {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT / "tests" / "awake")}
_PATIENCE = 60
"""Seconds that a test waits for what is to happen: on a machine that is busy, only its start takes mitmdump more than
ten. Nothing waits for so long but what fails."""
SECRET = b"lintas-test-content-"
"""What stands in every answer: where it is found on disk, content was kept."""


def certificates(folder: Path) -> None:
    """A CA (``ca.pem``) and a certificate for any host under ``.test`` (``server.pem``)."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lintas test")])

    def build(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        return made.not_valid_after(now + datetime.timedelta(days=30))

    ca = build(issuer, ca_key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
    signs = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca = ca.add_extension(signs, True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.test")])
    hosts = [x509.DNSName(f"{n}.test") for n in ("app", "pinned", "other", "www")]
    leaf = build(subject, key.public_key()).add_extension(x509.SubjectAlternativeName(hosts), False)
    leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem) + plain)


def content(size: int) -> Iterator[bytes]:
    """``size`` octets that are the same each time and hold :data:`SECRET` everywhere."""
    piece = (SECRET + hashlib.sha256(SECRET).hexdigest().encode()) * 800
    while size > 0:
        yield piece[:size]
        size -= len(piece)


class _Handler(http.server.BaseHTTPRequestHandler):
    """``GET /<n>``: n octets; ``POST``: SHA-256 of what came, in hex. Each request is counted."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        size = int(self.path.strip("/") or 0)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for piece in content(size):
            self.wfile.write(piece)

    def do_POST(self) -> None:
        self.server.requests.append(self.path)
        left, seen = int(self.headers["Content-Length"]), hashlib.sha256()
        while left:
            piece = self.rfile.read(min(left, 1 << 16))
            seen.update(piece)
            left -= len(piece)
        said = seen.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing: a test says what it needs."""


class Server(http.server.ThreadingHTTPServer):
    """An HTTPS server on an address of its own. ``wants``: the highest version of TLS, and that it wants a certificate
    of the client, signed by the CA."""

    daemon_threads = True

    def __init__(self, address: str, folder: Path, wants: ssl.TLSVersion | None = None) -> None:
        super().__init__((address, 0), _Handler)
        self.requests: list[str] = []
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(folder / "server.pem")
        if wants is not None:
            self._context.load_verify_locations(folder / "ca.pem")
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.maximum_version = wants

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(20)
        try:
            with self._context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)  # type: ignore[arg-type]
        except OSError:
            pass

    def shutdown_request(self, request: Any) -> None:
        with suppress(OSError):
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no failure of the server."""

    @property
    def place(self) -> str:
        return f"{self.server_address[0]}:{self.server_address[1]}"


@contextmanager
def served(address: str, folder: Path, wants: ssl.TLSVersion | None = None) -> Iterator[Server]:
    with Server(address, folder, wants) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Proxy:
    """A running mitmdump with the addon, and the folder that it writes."""

    folder: Path
    """The capture folder."""
    home: Path
    """Where its CA is; ``proxy.log`` stands there too."""
    port: int
    ca: Path
    process: warm.Process

    @property
    def address(self) -> str:
        return f"http://{NET}.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.home / "proxy.log").read_text(errors="replace")

    def events(self, *types: str) -> list[dict[str, Any]]:
        """The lines of ``events.jsonl`` of those types."""
        place = self.folder / "events.jsonl"
        if not place.exists():
            return []
        lines = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["type"] in types]

    def wait(self, condition: Callable[[], Any]) -> Any:
        """What ``condition`` gives once it gives something. Raises AssertionError with the log where it never does."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            found = condition()
            if found:
                return found
            time.sleep(0.025)
        raise AssertionError(self.log[-2000:])

    def event(self, *types: str, number: int = 1) -> dict[str, Any]:
        """The last of those events, once there are that many."""
        last: dict[str, Any] = self.wait(lambda: len(e := self.events(*types)) >= number and e)[-1]
        return last

    def stop(self) -> int:
        """End it as a user does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(_PATIENCE)


def listening(log: str) -> int | None:
    """The port at which a proxy says that it listens, once it does."""
    line = re.search(r" listening at \S+:(\d+)(?:\.$| and )", log, re.MULTILINE)
    return int(line[1]) if line else None


@contextmanager
def proxied(
    place: Path, *options: str, addons: tuple[str, ...] = ("opaque",), mode: str | None = None
) -> Iterator[Proxy]:
    """mitmdump with those addons; ``place`` gets its CA and the capture folder ``capture``.

    Servers' certificates are checked against ``ca.pem`` there."""
    home = place / "home"
    home.mkdir(exist_ok=True)
    scripts = [word for name in addons for word in ("-s", str(ROOT / "addons" / f"{name}.py"))]
    told = {
        "confdir": str(home),
        "lintas_folder": str(place / "capture"),
        "ssl_verify_upstream_trusted_ca": str(place / "ca.pem"),
        "listen_host": f"{NET}.1",
        "listen_port": "0",
    }
    told |= dict(option.split("=", 1) for option in options)
    words = [*scripts, *[w for k, v in told.items() for w in ("--set", f"{k}={v}")]]
    words += ["--mode", mode] if mode else []
    with (home / "proxy.log").open("wb") as log:
        process = warm.start("mitmdump", words, place, ENVIRONMENT, log)
    proxy = Proxy(place / "capture", home, 0, home / "mitmproxy-ca-cert.pem", process)
    try:
        # Either may come first.
        proxy.wait(lambda: ("is written to" in proxy.log and listening(proxy.log)) or process.poll() is not None)
        assert process.poll() is None, proxy.log
        proxy.port = listening(proxy.log) or 0
        yield proxy
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def curl(
    proxy: Proxy, server: Server, host: str, *words: str, path: str = "/9", ca: Path | None = None
) -> tuple[int, bytes]:
    """curl through the proxy: its exit code and what it received. ``ca``: whom it trusts; None: nobody."""
    done = subprocess.run(
        curling(proxy, server, host, *words, path=path, ca=ca),
        check=False,
        capture_output=True,
        timeout=60,
        env=ENVIRONMENT,
    )
    return done.returncode, done.stdout


def curling(
    proxy: Proxy, server: Server, host: str, *words: str, path: str = "/9", ca: Path | None = None
) -> list[str]:
    """The command line of :func:`curl`."""
    port = server.server_address[1]
    command = [
        "curl",
        "-q",
        "-sS",
        "--max-time",
        "20",
        "-x",
        proxy.address,
        "--connect-to",
        f"{host}:{port}:{server.place}",
    ]
    command += ["--cacert", str(ca)] if ca is not None else []
    return [*command, *words, f"https://{host}:{port}{path}"]


def tunnel(proxy: Proxy, target: str) -> socket.socket:
    """A raw connection to ``target`` through the proxy, behind its answer to CONNECT."""
    made = socket.create_connection((f"{NET}.1", proxy.port), _PATIENCE)
    made.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    said = b""
    while b"\r\n\r\n" not in said:
        piece = made.recv(4096)
        assert piece, said
        said += piece
    assert said.startswith(b"HTTP/1.1 200"), said
    return made


def client_hello(host: str) -> bytes:
    """The first flight of a TLS client of Python."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=host)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a server")
