"""A live capture as a user has it: ``lintas capture`` in a process of its own, a TLS server to ask, and curl through
the proxy."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pty
import select
import shlex
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import loopback
from tests.lintas.command import LINTAS, environment

PATIENCE = 60.0
"""Seconds for which a test waits for what must come."""
HERE = f"{loopback.NET}.50"
"""Where captures listen."""


@dataclass
class Capturing:
    """``said``: what it printed so far. ``terminal``: the other end of its terminal, where it has one."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    config: Path
    said: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    terminal: int | None = None

    @property
    def text(self) -> str:
        return self.said.decode(errors="replace")

    def until(self, words: str, again: int = 1) -> None:
        """Wait until it has said so."""
        _until(lambda: self.text.count(words) >= again or self.process.poll() is not None)
        assert self.text.count(words) >= again, (self.text, self.errors.decode())

    def ended(self) -> int:
        code = self.process.wait(PATIENCE)
        _until(lambda: not self._reading())
        return code

    def _reading(self) -> bool:
        return any(t.is_alive() for t in self.readers)

    readers: list[threading.Thread] = field(default_factory=list)

    def press(self, keys: str) -> None:
        assert self.terminal is not None
        os.write(self.terminal, keys.encode())

    @property
    def page(self) -> str:
        return self.text.partition("live view")[2].split()[0]

    @property
    def certificate(self) -> Path:
        return self.folder / ".private" / "mitmproxy-ca-cert.pem"

    def curl(self, url: str, *more: str, trusts: bool = True) -> subprocess.CompletedProcess[str]:
        trust = ["--cacert", str(self.certificate)] if trusts else []
        return subprocess.run(
            ["curl", "-sS", "--max-time", "20", "-x", f"http://{HERE}:{self.port}", *trust, *more, url],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )

    def manifest(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.folder / "capture.yaml").read_text()))

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]

    def flows(self) -> list[Any]:
        from mitmproxy.io import FlowReader

        with (self.folder / "flows.mitm").open("rb") as file:
            return list(FlowReader(file).stream())


_SEALING = "from lintas.capture import ending; from lintas.cli import main; ending._SEAL = {}; main()"


@contextlib.contextmanager
def capturing(
    place: Path,
    *words: str,
    terminal: bool = False,
    shell: bool = False,
    server: Server | None = None,
    waits: bool = True,
    files: int | None = None,
    seal: float | None = None,
) -> Iterator[Capturing]:
    """``lintas capture shop`` in ``place``, listening on loopback; ended with the block, if not before. ``shell``: it
    is started from one with job control, whose process is the one that is given. ``files``: how many files each of its
    processes may have open. ``seal``: the seconds after which it is said that sealing takes its time."""
    port = loopback.port(HERE)
    config = place / "config"
    begin = [str(LINTAS)] if seal is None else [sys.executable, "-c", _SEALING.format(seal)]
    command = [*begin, "capture", "shop", "--mode", f"regular@{port}", "--listen", HERE, *words]
    if server is not None:
        command += ["--set", f"ssl_verify_upstream_trusted_ca={server.certificate}"]
    if files is not None:
        command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
    environ = environment(
        XDG_CONFIG_HOME=str(config),
        PYTHONPATH=str(Path(__file__).parents[1] / "awake"),
        TERM="xterm-256color",
        COLUMNS="120",
        LINES="50",
    )
    if terminal:
        number, slave = pty.openpty()
        process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"] if shell else command,
            cwd=place,
            env=environ,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_controlled,
        )
        os.close(slave)
        found = Capturing(process, place / "captures" / "shop", port, config, terminal=number)
        found.readers.append(_reader(number, found.said))
        if shell:
            found.press(f"{shlex.join(command)}\r")
    else:
        process = subprocess.Popen(
            command,
            cwd=place,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        found = Capturing(process, place / "captures" / "shop", port, config)
        found.readers += [
            _reader(process.stdout.fileno(), found.said),
            _reader(process.stderr.fileno(), found.errors),
        ]
    try:
        if waits:
            found.until("live view")
        yield found
    finally:
        if process.poll() is None:
            # An interactive shell takes no SIGTERM, and hands SIGHUP on.
            process.send_signal(signal.SIGHUP if shell else signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in found.readers:
            reader.join(5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        if found.terminal is not None:
            with contextlib.suppress(OSError):
                os.close(found.terminal)


def _controlled() -> None:
    """In the child: the terminal at its standard input is its own, so that its end is told by SIGHUP."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _reader(number: int, into: bytearray) -> threading.Thread:
    def read() -> None:
        while True:
            try:
                if not select.select([number], [], [], 0.5)[0]:
                    continue
                got = os.read(number, 65536)
            except (OSError, ValueError):
                return
            if not got:
                return
            into.extend(got)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _until(done: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.05)


until = _until


# -------------------------------------------------------------------------------------------------- a server


@dataclass
class Server:
    """A TLS server on loopback. ``asked``: method, path and body of each request."""

    port: int
    certificate: Path
    asked: list[tuple[str, str, bytes]]

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@contextlib.contextmanager
def serving(place: Path) -> Iterator[Server]:
    asked: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            size = int(self.headers.get("content-length", 0))
            asked.append((self.command, self.path, self.rfile.read(size)))
            body = b'{"ok":true}'
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the server's own way to name them

        def log_message(self, *_: Any) -> None:
            return

    certificate, both = place / "server.pem", place / "server-key.pem"
    _certificate(certificate, both)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(int(server.server_address[1]), certificate, asked)
    finally:
        server.shutdown()
        server.server_close()


def _certificate(place: Path, both: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .public_key(key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place.write_bytes(pem)
    both.write_bytes(secret + pem)
