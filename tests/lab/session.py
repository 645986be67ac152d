"""One session of the lab's phone in one mode: every protocol by real clients, then the servers' account beside what
the capture folder holds, octet for octet."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.audit import AuditOptions, run
from analysis.model import Origin
from analysis.sources import Options
from analysis.sources.identify import layer_bytes
from analysis.tables import Tables
from tests.chromium import chromium_path
from tests.lab.backend import filler
from tests.lab.modes import CONNECTED, PORT, Attached, Lab, Mode, Program, mitmdump, proxy
from tests.lab.services import address
from tests.lab.spaces import ENVIRONMENT, LAPTOP, PHONE, PHONE6, Done

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROTOCOLS = {
    "HTTP/1.1": {"h1.lab.example"},
    "HTTP/2": {"h2.lab.example"},
    "HTTP/3": {"h3.lab.example"},
    "WebSocket": {"ws.lab.example"},
    "gRPC": {"grpc.lab.example"},
    "plain HTTP": {"plain.lab.example"},
    "DNS": {"names.lab.example"},
    "DNS over TLS": {"dns.lab.example"},
    "IPv6": {"six.lab.example", "six3.lab.example"},
}
"""The columns of the table, and whose traffic shows each."""
DIRECT = ("wireguard", "tun", "transparent", "local")
"""Modes whose phone knows of no proxy."""
QUESTION = bytes.fromhex("123401000001000000000000") + b"\2h2\3lab\7example\0\0\1\0\1"
"""A question of DNS (RFC 1035): the address of h2.lab.example."""

Piece = tuple[str, str, str, str, int, str]
"""Host, method (or ``WEBSOCKET``, ``GRPC``), target without query, direction, octets, SHA-256."""


@dataclass
class Session:
    """What was done in one mode, and what each side knows of it."""

    mode: Mode
    capture: Path
    clients: dict[str, list[str]] = field(default_factory=dict)
    """For each protocol what its clients said: empty where they had what they asked for, else why not."""
    spoken: list[tuple[str, str]] = field(default_factory=list)
    """Host and protocol of each page, as Chromium says it."""
    served: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    around: dict[str, int] = field(default_factory=dict)
    """Packets that reached the servers from the phone itself, by counter."""
    rejected: int = 0
    """QUIC that the laptop refused, by its own counter."""
    itself: tuple[str, int] = ("", 0)
    """A request for the proxy's own listener: its status, and how many connections the proxy had of it."""
    log: str = ""
    tables: Tables = field(default_factory=dict)

    def of(self, protocol: str) -> list[dict[str, Any]]:
        return [line for line in self.served if line["host"] in PROTOCOLS[protocol]]

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.tables[table].to_pylist()


# ------------------------------------------------------------------------------------------------ the phone's side


def take(lab: Lab, mode: Mode, capture: Path, program: Program = mitmdump) -> Session:
    """Run every client in one mode. The proxy has sealed ``capture`` behind it. Raises RuntimeError where a program
    that is no client does not start or end."""
    made = Session(mode, capture)
    served, asked, around = len(lab.services.served()), len(lab.services.asked()), lab.net.around()
    log = lab.net.folder / f"{mode.name}.log"
    with proxy(lab, mode, capture, program), mode.attach(lab) as phone:
        _Clients(lab, phone, made).all()
        before = log.read_text(errors="replace").count(CONNECTED)
        status = _ask_itself(phone)
        made.itself = (status, log.read_text(errors="replace").count(CONNECTED) - before)
        if phone.counter is not None:
            made.rejected = lab.net.laptop.counted()[phone.counter]
    made.served, made.asked = lab.services.served()[served:], lab.services.asked()[asked:]
    made.around = {k: n - around.get(k, 0) for k, n in lab.net.around().items() if n > around.get(k, 0)}
    made.log = log.read_text(errors="replace")
    made.tables, _ = run(capture, AuditOptions())
    return made


def _ask_itself(phone: Attached) -> str:
    """Ask for the proxy's own address and port; the status, ``000`` where there was no answer."""
    told_of = ["-x", phone.proxy] if phone.proxy else []
    words = ["-q", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "3", *told_of]
    return phone.run("curl", *words, f"http://{LAPTOP}:{PORT}/").out


class _Clients:
    def __init__(self, lab: Lab, phone: Attached, made: Session) -> None:
        self.lab, self.phone, self.made = lab, phone, made
        self.sent = lab.net.folder / "sent"
        self.sent.write_bytes(filler("sent", 100_000))

    def say(self, protocol: str, trouble: str) -> None:
        self.made.clients.setdefault(protocol, []).append(trouble)

    def curl(self, protocol: str, url: str, *words: str) -> None:
        told = ["-x", self.phone.proxy] if self.phone.proxy else []
        trusted = ["--cacert", self.lab.trusted] if url.startswith("https") else []
        done = self.phone.run(
            *("curl", "-q", "-sS", "--fail", "--max-time", "10", "-o", "/dev/null", *told, *trusted, *words, url)
        )
        self.say(protocol, "" if done.code == 0 else f"curl {done.code}: {done.err.strip()[-200:]}")

    def all(self) -> None:
        """Each client, one after another."""
        send = f"@{self.sent}"
        self.curl("HTTP/1.1", "https://h1.lab.example/bytes/70000", "--http1.1")
        self.curl("HTTP/1.1", "https://h1.lab.example/echo", "--http1.1", "--data-binary", send)
        self.curl("HTTP/1.1", "https://h1.lab.example/gzip", "--http1.1", "--compressed")
        self.curl("HTTP/1.1", "https://h1.lab.example/events", "--http1.1", "-N")
        self.curl("HTTP/2", "https://h2.lab.example/echo", "--http2", "--data-binary", send)
        self.curl("plain HTTP", "http://plain.lab.example/br")
        self.curl("plain HTTP", "http://plain.lab.example/echo", "--data-binary", send)
        self.curl("IPv6", "https://six.lab.example/bytes/3000", *([] if self.phone.proxy else ["-6"]))
        self.libraries()
        self.browser()
        self.dns()
        self.dns_over_tls()

    def libraries(self) -> None:
        """The clients of tests/lab/handset.py, in one process."""
        text = filler("text", 300).hex()
        steps: list[tuple[str, dict[str, Any]]] = [
            ("HTTP/2", {"client": "android", "url": "https://h2.lab.example/br"}),
            ("HTTP/2", {"client": "android", "url": "https://h2.lab.example/json", "send": json.dumps({"a": text})}),
            ("WebSocket", {"client": "websocket", "url": "wss://ws.lab.example/chat", "texts": ["halo", text]}),
            ("gRPC", {"client": "rpc", "host": "grpc.lab.example", "method": "/lab.Echo/Say", "message": text}),
            ("gRPC", {"client": "rpc", "host": "grpc.lab.example", "method": "/lab.Echo/Repeat", "message": text}),
            ("IPv6", {"client": "android", "url": "https://six.lab.example/gzip", "send": text}),
        ]
        only3 = {"client": "android", "version": "v3only"}
        if self.made.mode.name in DIRECT:
            steps += [
                ("HTTP/3", {"client": "android", "version": "v3", "url": "https://h3.lab.example/br"}),
                ("HTTP/3 alone", {**only3, "url": "https://h3.lab.example/gzip"}),
                ("HTTP/3 alone", {**only3, "url": "https://h3.lab.example/echo", "send": text}),
                ("HTTP/3 alone", {"client": "quic", "url": "https://h3.lab.example/quic", "send": text}),
                ("IPv6 HTTP/3", {"client": "quic", "url": "https://six3.lab.example/quic", "send": text}),
            ]
        else:
            # A client of QUIC knows no proxy, so it goes around the one that others were told of.
            steps.append(("HTTP/3 alone", {"client": "quic", "url": "https://h3.lab.example/quic", "send": text}))
        steps[2][1]["octets"] = 20_480
        task = {"ca": str(self.lab.trusted), "proxy": self.phone.proxy, "steps": [step for _, step in steps]}
        done = self.phone.run(sys.executable, "-m", "tests.lab.handset", text=json.dumps(task), timeout=90)
        if done.code:
            raise RuntimeError(f"the phone's libraries failed: {done.err[-600:]}")
        for (protocol, _), told in zip(steps, json.loads(done.out), strict=True):
            self.say(protocol, "" if told["ok"] else told["error"])

    def browser(self) -> None:
        """Chromium loads pages; it trusts the proxy's authority, which was put into its store, and learns from the
        server's answers that it speaks HTTP/3 (Alt-Svc, RFC 7838)."""
        with browser(self.lab, self.phone) as page:
            for protocol, host in (("HTTP/2", "h2.lab.example"), *[("HTTP/3", "h3.lab.example")] * 3):
                try:
                    page.goto(f"https://{host}/page", timeout=15_000)
                    spoken = page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol")
                    self.made.spoken.append((host, spoken))
                    self.say(protocol, "" if page.inner_text("p") == "loaded" else "Chromium: another page")
                except Exception as error:
                    self.say(protocol, f"Chromium: {str(error)[:300]}")

    def dns(self) -> None:
        """The system's own resolver, with names that nobody asked for before; over TCP too, as after an answer that
        was cut (RFC 7766)."""
        for protocol, more in (("DNS", {}), ("DNS over TCP", {"RES_OPTIONS": "use-vc"})):
            name = f"{'tcp.' if more else ''}{self.made.mode.name}.names.lab.example"
            # glibc waits for ever for an answer over TCP, where the tunnel loses the end of the connection.
            done = self.phone.run("timeout", "8", "getent", "ahostsv4", name, **more)
            self.say(protocol, "" if address("plain.lab.example") in done.out else f"getent {done.code}: {done.err}")

    def dns_over_tls(self) -> None:
        """Strict, as RFC 8310 has it: the client takes no certificate but that of its resolver."""
        done = strict_dns_over_tls(self.lab, self.phone)
        heard = QUESTION[:2] in done.out.encode("utf-8", "surrogateescape")
        self.say("DNS over TLS", "" if heard else f"openssl {done.code}: {done.err.strip()[-300:]}")


def strict_dns_over_tls(lab: Lab, phone: Attached) -> Done:
    """Ask one question of the lab's resolver by ``openssl s_client``, which trusts only the lab's own authority."""
    strict = f"-verify_return_error -verify_hostname dns.lab.example -CAfile {lab.services.ca}"
    return dns_over_tls(lab, phone, QUESTION, "dns.lab.example", strict)


def dns_over_tls(lab: Lab, phone: Attached, question: bytes, name: str, words: str = "") -> Done:
    """Ask a question of the lab's resolver, which is called ``name``; without more ``words`` any certificate will do,
    as in the opportunistic profile of RFC 8310."""
    place = lab.net.folder / "question"
    place.write_bytes(len(question).to_bytes(2) + question)
    script = f"""(cat {place}; sleep 0.7) | openssl s_client -connect dns.lab.example:853 -quiet -no_ign_eof \\
        -servername {name} {words}"""
    return phone.run("timeout", "8", "sh", "-c", script)


@contextmanager
def browser(lab: Lab, phone: Attached) -> Iterator[Page]:
    """A page of a headless Chromium on the phone. Raises RuntimeError where there is none."""
    from playwright.sync_api import sync_playwright

    program = chromium_path()
    if program is None:
        raise RuntimeError("Chromium is missing")
    home = browser_home(lab)
    start = lab.net.folder / "chromium.sh"
    start.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, phone.space.enter(*phone.enter(program))))} "$@"\n')
    start.chmod(0o700)
    words = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    if phone.proxy is not None:
        words.append(f"--proxy-server={phone.proxy.replace('socks5h', 'socks5')}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=start, args=words, env={**ENVIRONMENT, "HOME": str(home)})
        try:
            yield running.new_page()
        finally:
            running.close()


def browser_home(lab: Lab) -> Path:
    """A home folder whose store of certificates (NSS) trusts the proxy's authority and the lab's."""
    home = lab.net.folder / "home"
    if not home.exists():
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        space = lab.net.phone
        space.run("certutil", "-d", f"sql:{store}", "-N", "--empty-password")
        for name, place in (("lab", lab.services.ca), ("proxy", lab.conf / "mitmproxy-ca-cert.pem")):
            space.run("certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", name, "-i", place)
    return home


# ------------------------------------------------------------------------------------------------ the two accounts


def by_servers(lines: Iterable[dict[str, Any]]) -> Counter[Piece]:
    """What the servers say they received and sent."""
    counted: Counter[Piece] = Counter()
    for line in lines:
        if line["kind"] == "request":
            target = line["target"].partition("?")[0]
            for direction in ("sent", "received"):
                part = line[direction]
                piece = (line["host"], line["method"], target, direction, part["bytes"], part["sha256"])
                counted[piece] += 1
        elif line["kind"] in ("message", "grpc"):
            word = "WEBSOCKET" if line["kind"] == "message" else "GRPC"
            counted[line["host"], word, line["target"], line["direction"], line["bytes"], line["sha256"]] += 1
    return counted


def by_folder(session: Session, hosts: set[str]) -> Counter[Piece]:
    """What the audited folder holds of these hosts: every body and message, read again from its origin's octets."""
    counted: Counter[Piece] = Counter()
    events: dict[int, list[tuple[int, bytes]]] = {}
    kinds = {row["file"]: row["kind"] for row in session.rows("sources")}
    exchanges = {row["exchange"]: row for row in session.rows("exchanges")}
    for message in session.rows("messages"):
        exchange = exchanges.get(message["exchange"])
        if exchange is None or exchange["host"] not in hosts or exchange["method"] == "CONNECT":
            continue
        octets = b""
        if message["bytes"]:
            origin = Origin.parse(message["origin"])
            layer = layer_bytes(session.capture / origin.source, kinds[origin.source], origin, Options())
            octets = layer[origin.offset : origin.offset + origin.length]
        head = (exchange["host"], exchange["method"], exchange["path"], message["direction"])
        if message["kind"] == "websocket":
            counted[_piece((head[0], "WEBSOCKET", *head[2:]), octets)] += 1
        elif exchange["host"] == "grpc.lab.example":
            for one in grpc_messages(octets):
                counted[_piece((head[0], "GRPC", *head[2:]), one)] += 1
        elif message["kind"] == "sse":
            events.setdefault(message["exchange"], []).append((message["index"], octets))
        elif message["kind"] in ("request", "response") and not _upgraded(exchange):
            counted[_piece(head, octets)] += 1
    for number, found in events.items():
        # An answer of events is held event by event, and its body no second time.
        head = tuple(exchanges[number][key] for key in ("host", "method", "path"))
        counted[_piece((*head, "received"), b"")] -= 1
        counted[_piece((*head, "received"), b"".join(octets for _, octets in sorted(found)))] += 1
    return +counted


def _upgraded(exchange: dict[str, Any]) -> bool:
    return exchange["status"] == 101 or exchange["host"] == "ws.lab.example"


def _piece(head: tuple[str, str, str, str], octets: bytes) -> Piece:
    return (*head, len(octets), hashlib.sha256(octets).hexdigest())


def grpc_messages(body: bytes) -> list[bytes]:
    """The messages in a body of gRPC: each behind a flag and a length of four octets."""
    found = []
    while body:
        length = int.from_bytes(body[1:5])
        found.append(body[5 : 5 + length])
        body = body[5 + length :]
    return found


# ------------------------------------------------------------------------------------------------ what came of it

OPENED = "opened"
OPENED_QUIC = "opened; browsers take no private certificate here, are counted and fall back"
OPENED_UDP = "opened; over TCP not answered"
REFUSED = "refused and counted; clients fall back"
STRICT = "strict clients refuse the certificate; counted"
NOT_CARRIED = "not carried: clients that use the proxy fall back, others go around it unseen"
AROUND = "goes around the proxy, unseen"
FAILED = "fails"


def outcome(session: Session, protocol: str) -> str:
    """The cell of the table, from what both sides saw; ``fails`` where they do not agree."""
    cells = {"HTTP/3": _http3, "DNS": _dns, "DNS over TLS": _dns_over_tls, "IPv6": _ipv6}
    return cells[protocol](session) if protocol in cells else _opened(session, protocol)


def _opened(session: Session, protocol: str) -> str:
    """Every client had what it asked for, from nobody but the proxy, and both accounts are one."""
    served = session.of(protocol)
    seen, held = by_servers(served), by_folder(session, PROTOCOLS[protocol])
    straight = [line for line in served if line["peer"] in (PHONE, PHONE6)]
    good = not any(session.clients[protocol]) and seen and seen == held and not straight
    return OPENED if good else FAILED


def _http3(session: Session) -> str:
    alone = session.clients["HTTP/3 alone"]
    if any(session.clients["HTTP/3"]) or {p for host, p in session.spoken if host == "h3.lab.example"} != {"h2"}:
        return FAILED
    if not any(alone) and _opened(session, "HTTP/3") == OPENED:
        counted = [o for o in session.rows("opaque") if (o["host"], o["cause"]) == ("h3.lab.example", "quic")]
        spoken = Counter(e["protocol"] for e in session.rows("exchanges") if e["host"] == "h3.lab.example")
        good = counted and spoken["http/3"] >= len(alone)
        return OPENED_QUIC if good else FAILED
    if all(alone) and _opened(session, "HTTP/3") == OPENED and session.rejected:
        return REFUSED
    served = session.of("HTTP/3")
    rest = by_servers(line for line in served if line["peer"] not in (PHONE, PHONE6))
    around = any(line["peer"] in (PHONE, PHONE6) for line in served) and session.around.get("ip4_udp443")
    good = around and not any(alone) and rest and rest == by_folder(session, PROTOCOLS["HTTP/3"])
    return NOT_CARRIED if good else FAILED


def _ipv6(session: Session) -> str:
    """Opened as IPv4 is, QUIC refused where it is refused there, and not one packet of it went around."""
    alone = session.clients.get("IPv6 HTTP/3", [])
    if any(name.startswith("ip6") for name in session.around) or any(alone) != bool(session.rejected):
        return FAILED
    return _opened(session, "IPv6")


def _dns(session: Session) -> str:
    over_udp, over_tcp = (_named(session, f"{how}{session.mode.name}.names.lab.example") for how in ("", "tcp."))
    if any(session.clients["DNS"]):
        return FAILED
    if any(session.clients["DNS over TCP"]):
        return OPENED_UDP if (over_udp, over_tcp) == (OPENED, FAILED) else FAILED
    return over_udp if over_udp == over_tcp else FAILED


def _named(session: Session, name: str) -> str:
    """How a question came to the resolver, and whether the folder holds its answer."""
    askers = {who for kind, asked, who in session.asked if asked == name and kind == "A"}
    held = {(n["name"], n["address"]) for n in session.rows("names") if n["from"] == "dns"}
    if askers and (name, address("plain.lab.example")) in held and PHONE not in askers:
        return OPENED
    return AROUND if askers == {PHONE} and session.around.get("ip4_dns") else FAILED


def _dns_over_tls(session: Session) -> str:
    asked = [line for line in session.of("DNS over TLS") if line["kind"] == "dot"]
    opaque = [o for o in session.rows("opaque") if o["host"] == "dns.lab.example"]
    answered = not any(session.clients["DNS over TLS"])
    if answered and {line["peer"] for line in asked} == {PHONE} and session.around.get("ip4_tcp853"):
        return AROUND
    refused = [o for o in opaque if (o["kind"], o["cause"]) == ("ca_refused", "unknown_ca") and o["bytes"]]
    return STRICT if refused and not asked and not answered else FAILED


def told(session: Session, protocol: str) -> str:
    """Why a cell is what it is, for who reads a failed test."""
    seen, held = by_servers(session.of(protocol)), by_folder(session, PROTOCOLS[protocol])
    lines = [f"{session.mode.name}, {protocol}: clients said {[t for t in session.clients.get(protocol, []) if t]}"]
    lines += [f"  alone: {session.clients.get(f'{protocol} alone')}, IPv6: {session.clients.get('IPv6 HTTP/3')}"]
    lines += [f"  only the servers know {piece} x{n}" for piece, n in (seen - held).items()]
    lines += [f"  only the folder knows {piece} x{n}" for piece, n in (held - seen).items()]
    lines += [f"  peers {sorted({line['peer'] for line in session.of(protocol)})}, around {session.around}"]
    lines += [f"  Chromium spoke {session.spoken}; refused by the laptop: {session.rejected}"]
    opaque = [(o["host"], o["kind"], o["cause"], o["bytes"]) for o in session.rows("opaque")]
    return "\n".join([*lines, f"  opaque {opaque}", session.log[-1500:]])
