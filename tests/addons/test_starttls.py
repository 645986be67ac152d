"""*record* where a phone's client speaks in the clear, begins TLS in the same connection (STARTTLS), and takes no
certificate but its server's: what the server saw of both is what the audit says was read, and what was not opened."""

from __future__ import annotations

import contextlib
import shutil
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analysis.audit import AuditOptions, run
from analysis.reference import Reference
from analysis.tables import Tables
from reports.facts import Facts
from tests.addons.refusing import SECRET, Proxy, certificates, proxied
from tests.addons.served import HOST
from tests.addons.talking import dumped_so_far, journal
from tests.loopback import NET
from tests.road import check_conservation


@dataclass
class Mail:
    """A mail server's own account: octets in the clear and behind the client's ClientHello, and what it was told."""

    port: int = 0
    clear: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    sealed: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    heard: bytes = b""


def _clear(line: socket.socket, mail: Mail) -> None:
    def say(text: bytes) -> None:
        line.sendall(text)
        mail.clear["received"] += len(text)

    def hear() -> bytes:
        text = b""
        while not text.endswith(b"\r\n"):
            text += line.recv(1)
        mail.clear["sent"] += len(text)
        return text

    say(b"220 mail.test ESMTP\r\n")
    hear()
    say(b"250-mail.test\r\n250 STARTTLS\r\n")
    assert hear().upper() == b"STARTTLS\r\n"
    say(b"220 go ahead\r\n")


def _secured(line: socket.socket, mail: Mail, context: ssl.SSLContext) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    stands, data, within = False, b"", False
    while True:
        try:
            if not stands:
                tls.do_handshake()
                stands = True
            data += tls.read(1 << 16)
        except ssl.SSLWantReadError:
            if (said := outgoing.read()) != b"":
                mail.sealed["received"] += len(said)
                line.sendall(said)
            came = line.recv(1 << 16)
            if not came:
                return
            mail.sealed["sent"] += len(came)
            incoming.write(came)
            continue
        while b"\r\n" in data:
            asked, _, data = data.partition(b"\r\n")
            mail.heard += asked + b"\r\n"
            if within and asked != b".":
                continue
            answer = b"250 mail.test\r\n"
            if asked.upper() == b"DATA":
                within, answer = True, b"354 go on\r\n"
            elif within:
                within = False
            tls.write(answer)


@contextmanager
def mail_server(folder: Path) -> Iterator[Mail]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    with socket.create_server((HOST, 0)) as server:
        mail = Mail(server.getsockname()[1])

        def serve() -> None:
            with contextlib.suppress(OSError):
                line, _ = server.accept()
                with line:
                    line.settimeout(20)
                    _clear(line, mail)
                    _secured(line, mail, context)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield mail
        thread.join(20)
        assert not thread.is_alive()


class _Sender(smtplib.SMTP):
    def __init__(self, proxy: Proxy, mail: Mail) -> None:
        self._proxy, self._mail = proxy, mail
        super().__init__(HOST, mail.port, timeout=20, local_hostname="phone")

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        line = socket.create_connection((f"{NET}.1", self._proxy.port), timeout)
        place = f"{HOST}:{self._mail.port}"
        line.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            # Octet by octet: the server's first word may stand right behind the proxy's answer.
            piece = line.recv(1)
            assert piece, said
            said += piece
        return line


def _sends(proxy: Proxy, mail: Mail, folder: Path, size: int) -> _Sender:
    """A client that has sent so much, and whose connection stands."""
    sender = _Sender(proxy, mail)
    sender.ehlo()
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.check_hostname = False
    assert sender.starttls(context=context)[0] == 220
    sender.ehlo()
    text = SECRET.decode() * 3 + "\r\n"
    sender.sendmail("a@example.com", ["b@example.com"], text * (size // len(text)))
    return sender


def _audited(folder: Path, mail: Mail) -> Tables:
    """What an audit and its report say of the connection is what the server says."""
    made, about = run(folder, AuditOptions())
    check_conservation(made)
    facts = Facts(made, about, Reference.load())
    for counts in (facts.hosts_by_reading, facts.flows_by_reading):
        assert {reading: n for reading, n in counts.items() if n} == {"part": 1}
    assert {reading: n for reading, n in facts.octets_by_reading.items() if n} == {
        "understood": sum(mail.clear.values()),
        "encrypted": sum(mail.sealed.values()),
    }
    assert mail.heard.count(b"mail from:<a@example.com>") == 1
    [row] = made["flows"].to_pylist()
    for direction, column in (("sent", "bytes_out"), ("received", "bytes_in")):
        assert row[column] == mail.clear[direction] + mail.sealed[direction]
        sizes = [m["bytes"] for m in made["messages"].to_pylist() if m["direction"] == direction]
        assert sum(sizes) == mail.clear[direction]
    sealed = sum(mail.sealed.values())
    assert row["bytes_read"] == sum(mail.clear.values())
    assert row["decrypted"]
    [part] = made["opaque"].to_pylist()
    assert (part["kind"], part["cause"], part["bytes"]) == ("encrypted", "tls", sealed)
    [readable] = made["readable"].to_pylist()
    assert (readable["bytes_clear"], readable["bytes_opened"]) == (sum(mail.clear.values()), 0)
    return made


@pytest.mark.parametrize("limit", ["10m", "30k"])
def test_what_follows_starttls_is_counted_and_not_read(tmp_path: Path, limit: str) -> None:
    """Also where it is more than is held in memory; and by the journal alone, and by the dump alone where it is not."""
    certificates(tmp_path)
    with mail_server(tmp_path) as mail, proxied(tmp_path, f"lintas_body_limit={limit}", addons=("record",)) as proxy:
        sender = _sends(proxy, mail, tmp_path, 200_000)
        sender.close()
        proxy.wait(lambda: dumped_so_far(proxy.folder))
        assert proxy.stop() == 0
    said: list[dict[str, Any]] = journal(proxy.folder, "message")
    assert sum(m["size"] for m in said) == sum(mail.clear.values())
    _audited(proxy.folder, mail)
    for name in ("flows.mitm", *(["messages.jsonl"] if limit == "10m" else [])):
        alone = tmp_path / f"without {name}"
        shutil.copytree(proxy.folder, alone)
        (alone / name).unlink()
        _audited(alone, mail)


def test_a_kill_in_the_middle_loses_no_octet(tmp_path: Path) -> None:
    certificates(tmp_path)
    with mail_server(tmp_path) as mail, proxied(tmp_path, addons=("record",)) as proxy:
        sender = _sends(proxy, mail, tmp_path, 100_000)
        told = journal(proxy.folder, "sealed")[-1]
        assert (told["bytes_out"], told["bytes_in"]) == (mail.sealed["sent"], mail.sealed["received"])
        counts = dict(mail.sealed)
        proxy.process.kill()
        proxy.process.wait()
        sender.close()
    assert mail.sealed == counts
    made = _audited(proxy.folder, mail)
    assert "not_sealed" in {loss["kind"] for loss in made["losses"].to_pylist()}
