"""A real request through the proxy, to prove that it decrypts: a TLS client that trusts the capture's certificate
alone, and a TLS server, both of this process and on loopback."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from analysis.model import InputError

_HOST = "proof.lintas.invalid"
_PATIENCE = 60.0
"""Seconds for which either end waits for the other: only a proxy that is broken lets them pass, or a machine that is
very busy."""


def prove(certificate: Path, proxy: tuple[str, int]) -> int:
    """Send one request through ``proxy``; the milliseconds that it took. The client takes no certificate but those of
    ``certificate`` (PEM), so that its TLS surely ended in the proxy; the server saw the request in a TLS of its own.

    Raises InputError when no answer came back."""
    word = secrets.token_hex(16)
    context = _server_context(certificate.parent)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(_PATIENCE)
        seen: list[str] = []
        thread = threading.Thread(target=_serve, args=(server, context, seen), daemon=True)
        thread.start()
        try:
            answer = _ask(certificate, proxy, server.getsockname()[1], word)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            raise InputError(f"The proxy does not decrypt: a request through it failed ({reason}).") from error
        thread.join(_PATIENCE)
    if word not in answer or seen != [word]:
        raise InputError("The proxy does not decrypt: a request through it did not come back as it was sent.")
    return round((time.monotonic() - began) * 1000)


def _ask(certificate: Path, proxy: tuple[str, int], port: int, word: str) -> str:
    context = ssl.create_default_context(cafile=str(certificate))
    with socket.create_connection(proxy, _PATIENCE) as plain:
        plain.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        if b" 200 " not in _head(plain).partition(b"\r\n")[0]:
            raise ValueError("CONNECT was refused")
        with context.wrap_socket(plain, server_hostname=_HOST) as secure:
            secure.sendall(f"GET /{word} HTTP/1.1\r\nHost: {_HOST}\r\nConnection: close\r\n\r\n".encode())
            pieces = []
            while piece := secure.recv(65536):
                pieces.append(piece)
    return b"".join(pieces).decode("latin-1")


def _server_context(place: Path) -> ssl.SSLContext:
    """The TLS of the server. Its key is in a file of ``place`` for that long, since no library takes it otherwise."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        with tempfile.NamedTemporaryFile(prefix=".proof-", dir=place) as file:
            file.write(_own_certificate())
            file.flush()
            context.load_cert_chain(file.name)
    except OSError as error:
        raise InputError(f"{place} cannot be written ({error.strerror}); name another place with --out.") from error
    return context


def _serve(server: socket.socket, context: ssl.SSLContext, seen: list[str]) -> None:
    """Answer one request with its own path."""
    with contextlib.suppress(OSError, IndexError):
        plain, _ = server.accept()
        plain.settimeout(_PATIENCE)
        with context.wrap_socket(plain, server_side=True) as secure:
            word = _head(secure).split(b" ")[1].decode("latin-1").lstrip("/")
            seen.append(word)
            body = word.encode()
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))


def _head(from_socket: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got and len(got) < 65536:
        piece = from_socket.recv(4096)
        if not piece:
            break
        got += piece
    return got


def _own_certificate() -> bytes:
    """Key and certificate of the server, which nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)
