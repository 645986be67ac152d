"""Opaque: real clients that will not have the proxy's certificate, what is written of them, and how they go on."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.opaque import Opaque
from addons.unopened import meter
from addons.unopened.hosts import Hosts, Place
from addons.unopened.quic import refusal_of_quic
from addons.unopened.signals import alert_in, of_alert, reason_in
from analysis.audit import AuditOptions, run
from analysis.tables import Tables
from tests import loopback
from tests.addons.kernel import connections_to
from tests.addons.refusing import (
    BIN,
    ENVIRONMENT,
    SECRET,
    Proxy,
    Server,
    certificates,
    client_hello,
    content,
    curl,
    curling,
    proxied,
    served,
    tunnel,
)
from tests.loopback import NET

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="all of 127.0.0.0/8 is loopback on Linux")

WRONG_PIN = "sha256//" + "A" * 43 + "="
NOT_TRUSTED, PINNED, NOT_REACHED = 60, 90, 56
"""curl's exit codes: the peer's certificate cannot be authenticated; its key is not the pinned one; CONNECT failed."""


# --------------------------------------------------------------------------------------- which hosts are not opened

HERE: Place = ("10.0.0.2", "pay.test", 443, "tcp")
THERE: Place = ("10.0.0.3", "pay.test", 443, "tcp")


class Told:
    """The states that were told, and a clock that stands until it is set."""

    def __init__(self, refusals: int = 3, retry: int = 600) -> None:
        self.states: list[str] = []
        self.now = 0.0
        self.hosts = Hosts(lambda state, place, host: self.states.append(state), lambda: self.now)
        self.hosts.refusals, self.hosts.retry = refusals, retry

    def refuse(self, *connections: str, place: Place = HERE) -> None:
        for connection in connections:
            self.hosts.refused(place, connection, "unknown_ca")

    def passes(self, connection: str = "x", place: Place = HERE) -> bool:
        return self.hosts.passes(place, connection)


def test_a_host_is_passed_through_after_the_stated_number_and_for_that_client_alone() -> None:
    told = Told()
    told.refuse("a", "b")
    assert not told.passes()
    told.refuse("c")
    assert told.passes()
    assert not told.passes(place=THERE)
    assert not told.passes(place=(*HERE[:2], 8443, "tcp"))
    assert told.states == ["begun"]


def test_a_connection_that_is_used_forgives_all_refusals_before() -> None:
    told = Told()
    for _ in range(5):
        told.refuse("a", "b")
        told.hosts.used(HERE)
    assert not told.passes()
    assert told.states == []


def test_one_connection_tries_again_and_a_success_opens_the_host() -> None:
    told = Told(refusals=1)
    told.refuse("a")
    told.now = 599
    assert told.passes("b")
    told.now = 600
    assert not told.passes("c")
    assert told.passes("d"), "only one tries"
    told.hosts.used(HERE)
    assert not told.passes("e")
    assert told.states == ["begun", "tried", "cleared"]


def test_a_try_that_is_refused_closes_it_for_as_long_again() -> None:
    told = Told()
    told.refuse("a", "b", "c")
    told.now = 600
    assert not told.passes("d")
    told.refuse("late")
    assert told.passes("e"), "another connection's refusal is not the try's"
    told.refuse("d")
    told.now = 1199
    assert told.passes("f")
    told.now = 1200
    assert not told.passes("g")
    assert told.states == ["begun", "tried", "again", "tried"]


def test_a_try_that_shows_nothing_leaves_the_next_to_try() -> None:
    told = Told(refusals=1)
    told.refuse("a")
    told.now = 600
    assert not told.passes("b")
    told.hosts.undecided(HERE, "c")
    assert told.passes("d")
    told.hosts.undecided(HERE, "b")
    assert not told.passes("e")


def test_without_a_number_nothing_is_passed_through() -> None:
    told = Told(refusals=0)
    told.refuse(*"abcdefghij")
    assert not told.passes()


@given(st.lists(st.sampled_from(["refuse", "use", "wait", "connect"]), max_size=40), st.integers(1, 4))
def test_never_passed_through_but_behind_that_many_refusals_in_a_row(steps: list[str], number: int) -> None:
    told = Told(refusals=number, retry=10)
    row, may_pass = 0, False
    for n, step in enumerate(steps):
        if step == "refuse":
            told.refuse(str(n))
            row += 1
        elif step == "use":
            told.hosts.used(HERE)
            row, may_pass = 0, False
        elif step == "wait":
            told.now += 6
        else:
            passes = told.passes(str(n))
            assert not passes or may_pass
            assert passes or not may_pass or told.now >= 10
        may_pass = may_pass or row >= number


def test_what_is_remembered_is_bounded() -> None:
    told = Told(refusals=1)
    told.refuse("a")
    for n in range(20_000):
        told.hosts.used(("10.0.0.2", f"h{n}.test", 443, "tcp"))
    assert not told.passes()
    assert not told.hosts.any_closed()


# ------------------------------------------------------------------------------------------------ words and octets


def openssl(reason: str) -> str:
    """How mitmproxy passes on an error of OpenSSL's that it has no words for."""
    return f"OpenSSL Error([('SSL routines', '', '{reason}')])"


@pytest.mark.parametrize(
    ("error", "alert", "kind", "cause"),
    [
        ("(tlsv1 alert unknown ca)", "unknown ca", "ca_refused", "unknown_ca"),
        ("(ssl/tls alert bad certificate)", "bad certificate", "ca_refused", "bad_certificate"),
        (
            f"({openssl('ssl/tls alert certificate unknown')})",
            *("certificate unknown", "ca_refused", "certificate_unknown"),
        ),
        (
            openssl("tlsv1 bad certificate status response"),
            *("bad certificate status response", "ca_refused", "bad_certificate_status_response"),
        ),
        (openssl("sslv3 alert handshake failure"), "handshake failure", "unread", "tls_failed"),
        (openssl("tlsv1 alert user cancelled"), "user cancelled", "unread", "client_abort"),
    ],
)
def test_an_alert_is_read_from_what_mitmproxy_says(error: str, alert: str, kind: str, cause: str) -> None:
    assert alert_in(f"The client does not trust the proxy's certificate for a.test {error}") == alert
    assert of_alert(alert, False)[:2] == (kind, cause)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("connection closed", None),
        ("Cannot parse ClientHello: 160301006d6f62", None),
        ("The client disconnected during the handshake. If this happens for a.test (unknown ca), …", None),
        (openssl("no shared cipher"), "no shared cipher"),
    ],
)
def test_what_is_no_alert_is_none(error: str, reason: str | None) -> None:
    assert alert_in(error) is None
    assert reason_in(error) == reason


def test_proofs_of_transparency_may_explain_one_alert_alone() -> None:
    assert of_alert("certificate unknown", True).cause == "certificate_unknown_or_transparency"
    assert of_alert("unknown ca", True).cause == "unknown_ca"
    assert of_alert("bad certificate", True).cause == "bad_certificate"


def test_quic_is_refused_so_that_a_client_understands_it() -> None:
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.events import ConnectionTerminated

    client = QuicConnection(configuration=QuicConfiguration(server_name="a.test"))
    client.connect(("127.0.0.1", 443), now=0.0)
    (datagram, _), *_ = client.datagrams_to_send(now=0.0)
    answer = refusal_of_quic(datagram)
    assert answer is not None
    client.receive_datagram(answer, ("127.0.0.1", 443), now=0.01)
    ended = client.next_event()
    assert isinstance(ended, ConnectionTerminated)
    assert "version" in ended.reason_phrase


@given(st.binary(max_size=60))
def test_no_datagram_breaks_the_refusal(datagram: bytes) -> None:
    answer = refusal_of_quic(datagram)
    if answer is not None:
        assert answer[1:5] == bytes(4)
        assert len(answer) <= len(datagram) + 8


# ------------------------------------------------------------------------------------------------ real clients


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("opaque")
    certificates(made)
    return made


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    with served(f"{NET}.9", place) as running:
        yield running


@pytest.fixture
def room(tmp_path: Path, place: Path) -> Path:
    """A place for a proxy of its own, with the CA of the servers."""
    (tmp_path / "ca.pem").write_bytes((place / "ca.pem").read_bytes())
    return tmp_path


def audited(proxy: Proxy) -> Tables:
    return run(proxy.folder, AuditOptions(workers=1))[0]


def opaque_rows(made: Tables) -> list[tuple[Any, ...]]:
    table = made["opaque"]
    return list(zip(*(table[c].to_pylist() for c in ("host", "kind", "cause")), strict=True))


def ended(proxy: Proxy) -> list[dict[str, Any]]:
    """What it wrote of connections that could not be opened, when it has ended."""
    assert proxy.stop() == 0
    return proxy.events("refusal", "connection")


def test_a_client_that_does_not_know_the_ca(room: Path, server: Server) -> None:
    with proxied(room) as proxy:
        assert curl(proxy, server, "app.test", ca=room / "ca.pem")[0] == NOT_TRUSTED
        (said,) = ended(proxy)
        made = audited(proxy)
    assert (said["type"], said["kind"], said["cause"]) == ("refusal", "ca_refused", "unknown_ca")
    assert said["sni"] == "app.test"
    assert said["server"] == list(server.server_address[:2])
    assert said["client"][0] == "127.0.0.1"
    assert said["transport"] == "tcp"
    assert said["at"] <= said["handshake_at"] <= said["end"]
    assert said["tcp_ms"] > 0
    assert len(client_hello("app.test")) < said["bytes_out"] < 2000
    assert 500 < said["bytes_in"] < 5000
    assert opaque_rows(made) == [("app.test", "ca_refused", "unknown_ca")]


def test_the_octets_are_those_that_the_client_exchanged(room: Path, server: Server) -> None:
    """Counted by a client that speaks TLS over buffers of its own."""
    with proxied(room) as proxy, tunnel(proxy, server.place) as raw:
        context = ssl.create_default_context(cafile=str(room / "ca.pem"))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname="app.test")
        out = back = 0
        refused = False
        while not refused:
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                refused = True
            said = outgoing.read()
            out += len(said)
            raw.sendall(said)
            if not refused:
                heard = raw.recv(65536)
                back += len(heard)
                incoming.write(heard)
        while heard := raw.recv(65536):
            back += len(heard)
        (line,) = ended(proxy)
    assert (line["bytes_out"], line["bytes_in"]) == (out, back)


def test_a_pin_that_is_checked_behind_the_handshake(room: Path, server: Server) -> None:
    with proxied(room, "lintas_refusals=0", addons=("record", "opaque")) as proxy:
        for _ in range(2):
            assert curl(proxy, server, "pinned.test", "--pinnedpubkey", WRONG_PIN, ca=proxy.ca)[0] == PINNED
        assert curl(proxy, server, "app.test", ca=proxy.ca)[0] == 0
        assert curl(proxy, server, "app.test", "--pinnedpubkey", WRONG_PIN, ca=proxy.ca)[0] == PINNED
        said = ended(proxy)
        made = audited(proxy)
    assert [(s["type"], s["sni"], s["cause"]) for s in said] == [
        ("refusal", "pinned.test", "closed_after_handshake"),
        ("refusal", "pinned.test", "closed_after_handshake"),
        ("refusal", "app.test", "closed_after_handshake"),
    ]
    assert {s["tls"] for s in said} == {"TLSv1.3"}
    assert {s["ended_by"] for s in said} == {"client"}
    assert opaque_rows(made) == [
        ("pinned.test", "probable_refusal", "closed_after_handshake"),
        ("pinned.test", "probable_refusal", "closed_after_handshake"),
        ("app.test", "unused", "closed_after_handshake"),
    ]


def test_a_client_that_looks_at_the_issuer_behind_the_handshake(room: Path, server: Server) -> None:
    """BoringSSL, by curl_cffi: so a connection that is closed there is no pin by itself."""
    code = (
        "import sys\nfrom curl_cffi import CurlOpt, Session\n"
        "with Session(impersonate='chrome131_android', timeout=10, verify=sys.argv[1],"
        " proxies={'all': sys.argv[2]}, curl_options={CurlOpt.RESOLVE: [sys.argv[4]]}) as s:\n"
        "    s.get(sys.argv[3])\n"
    )
    address, port = server.server_address[:2]
    with proxied(room, mode="socks5") as proxy:
        way = proxy.address.replace("http:", "socks5:")
        words = [str(room / "ca.pem"), way, f"https://app.test:{port}/9", f"app.test:{port}:{address!s}"]
        done = subprocess.run([sys.executable, "-c", code, *words], check=False, capture_output=True, env=ENVIRONMENT)
        assert done.returncode == 1
        said = ended(proxy)
    assert [(s["kind"], s["cause"], s["sni"]) for s in said] == [("unread", "closed_after_handshake", "app.test")]


@pytest.mark.slow
@pytest.mark.browser
def test_chromiums_alert_for_an_unknown_issuer_is_that_for_want_of_transparency(
    room: Path, server: Server, chromium: Browser
) -> None:
    """So nothing more is said of it."""
    with proxied(room, "ssl_insecure=true", "lintas_refusals=0") as proxy:
        # Chromium goes to loopback by itself unless it is told not to.
        page = chromium.new_page(proxy={"server": proxy.address, "bypass": "<-loopback>"})
        with pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"):
            page.goto(f"https://{server.place}/9", timeout=15_000)
        page.close()
        said = [s for s in ended(proxy) if s["server"][0] == f"{NET}.9"]
    assert {(s["kind"], s["cause"], s["alert"]) for s in said} == {
        ("ca_refused", "certificate_unknown_or_transparency", "certificate_unknown")
    }


def test_openssl_refuses_and_openssl_says_nothing(room: Path, server: Server) -> None:
    with proxied(room) as proxy:
        command = ["openssl", "s_client", "-proxy", proxy.address.removeprefix("http://"), "-connect", server.place]
        command += ["-servername", "other.test", "-verify_return_error"]
        for ca in (room / "ca.pem", proxy.ca):
            subprocess.run(
                [*command, "-CAfile", str(ca)], check=False, capture_output=True, timeout=20, stdin=subprocess.DEVNULL
            )
        said = ended(proxy)
    assert [s["cause"] for s in said] == ["unknown_ca", "closed_after_handshake"]


def handshaking(proxy: Proxy, server: Server) -> socket.socket:
    """A client that said its first and heard the answer."""
    raw = tunnel(proxy, server.place)
    raw.sendall(client_hello("app.test"))
    assert raw.recv(65536)
    return raw


def drained(raw: socket.socket, seconds: float = 1.2) -> None:
    """Hear what comes, and then nothing for that long."""
    raw.settimeout(seconds)
    with suppress(TimeoutError):
        while raw.recv(65536):
            pass


@pytest.mark.slow
def test_a_client_that_falls_silent(room: Path, server: Server) -> None:
    """The connection stood, and no byte came: told when it ends, whoever ends it."""
    with proxied(room, "lintas_silence=1") as proxy:
        first = handshaking(proxy, server)
        second = handshaking(proxy, server)
        third = socket.create_connection((f"{NET}.1", proxy.port), 10)
        drained(first)
        first.close()
        assert proxy.event("refusal")["ended_by"] == "client"
        said = ended(proxy)
        second.close()
        third.close()
        made = audited(proxy)
    assert [(s["cause"], s.get("ended_by")) for s in said] == [("stall", "client"), ("stall", None)]
    assert opaque_rows(made) == [("app.test", "encrypted", "stall")] * 2


def test_a_recording_that_ends_in_a_handshake_calls_it_no_stall(room: Path, server: Server) -> None:
    with proxied(room) as proxy, handshaking(proxy, server):
        (said,) = ended(proxy)
    assert said["cause"] == "recording_ended"


def test_standing_connections_to_a_host_count_before_they_end(room: Path, server: Server) -> None:
    with proxied(room, "lintas_silence=0", "lintas_refusals=2") as proxy:
        with handshaking(proxy, server), handshaking(proxy, server):
            done, said = curl(proxy, server, "app.test", ca=room / "ca.pem")
        assert (done, said) == (0, next(content(9)))
        causes = sorted(s["cause"] for s in ended(proxy))
    assert causes == ["passed_through", "stall", "stall"]


@pytest.mark.parametrize(("reset", "cause"), [(False, "closed_during_handshake"), (True, "reset_during_handshake")])
def test_a_client_that_closes_in_the_handshake(room: Path, server: Server, reset: bool, cause: str) -> None:
    with proxied(room) as proxy:
        raw = handshaking(proxy, server)
        if reset:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        said = proxy.event("refusal")
    assert (said["kind"], said["cause"], said["ended_by"]) == ("unread", cause, "client")


_ENDS = """
import asyncio, logging
from mitmproxy import ctx

async def watch():
    while True:
        for handler in ctx.master.addons.get("proxyserver").connections.values():
            transport = handler.transports.get(handler.client)
            if transport is not None and transport.reader is not None and transport.reader.at_eof():
                logging.warning("the client's end has come")
                return
        await asyncio.sleep(0.02)

def running():
    global task
    task = asyncio.get_running_loop().create_task(watch())
"""
"""An addon that says when the client has ended its connection: that it comes before the server's end is asked here."""


def test_a_client_that_breaks_off_before_an_answer(room: Path) -> None:
    """The server accepts and says nothing, so the proxy has nothing to answer with yet. mitmproxy tells of the client's
    end only when its own waiting for the server ends."""
    watch = room / "watch.py"
    watch.write_text(_ENDS)
    addons = ("opaque", str(watch.with_suffix("")))
    with proxied(room, addons=addons) as proxy, socket.create_server((f"{NET}.10", 0)) as mute:
        address = mute.getsockname()
        with tunnel(proxy, f"{address[0]}:{address[1]}") as raw:
            raw.sendall(client_hello("app.test"))
            held, _ = mute.accept()  # let go of, it would be closed
            proxy.wait(lambda: "server connect" in proxy.log)
        proxy.wait(lambda: "the client's end has come" in proxy.log)
        held.close()
        (said,) = proxy.wait(lambda: [e for e in proxy.events("refusal") if e["cause"] == "client_abort"])
    assert (said["ended_by"], said["bytes_in"]) == ("client", 0)


def test_a_connection_in_reserve_is_no_refusal(room: Path, server: Server) -> None:
    """A handshake, a while, and its end."""
    with proxied(room, "lintas_silence=0") as proxy:
        with tunnel(proxy, server.place) as raw:
            context = ssl.create_default_context(cafile=str(proxy.ca))
            context.wrap_socket(raw, server_hostname="app.test").close()
        said = proxy.event("connection")
    assert (said["kind"], said["cause"]) == ("unread", "unused")


def test_an_alert_behind_the_handshake_is_heard(tmp_path: Path) -> None:
    """As Firefox on Android does it: the handshake is done, then the certificate refused. mitmproxy only logs it."""
    from mitmproxy.proxy.context import Context
    from mitmproxy.test import taddons, tflow
    from mitmproxy.tls import TlsData

    addon = Opaque()
    with taddons.context(addon, options=None) as told:
        told.configure(addon, lintas_folder=str(tmp_path / "capture"))
        addon.running()
        client = tflow.tclient_conn()
        context = Context(client, told.options)
        addon.client_connected(client)
        alerted = SimpleNamespace(get_shutdown=lambda: 2)
        addon.tls_established_client(TlsData(client, context, alerted))  # type: ignore[arg-type]
        log = logging.getLogger("mitmproxy.proxy.server")
        log.warning(
            "TLS Error: [('SSL routines', '', 'ssl/tls alert certificate unknown')]", extra={"client": ("x", 1)}
        )
        log.warning("TLS Error: [('SSL routines', '', 'tlsv1 alert unknown ca')]", extra={"client": client.peername})
        addon.client_disconnected(client)
        addon.done()
        (said,) = Proxy(tmp_path / "capture", tmp_path, 0, tmp_path, None).events("refusal")  # type: ignore[arg-type]
    assert (said["kind"], said["cause"]) == ("ca_refused", "unknown_ca")


# ------------------------------------------------------------------------------------------------ servers' failures


def test_a_server_that_is_not_there(room: Path, server: Server) -> None:
    port = loopback.port(f"{NET}.9")
    with proxied(room) as proxy:
        raw = socket.create_connection((f"{NET}.1", proxy.port), 10)
        with raw:
            raw.sendall(f"CONNECT {NET}.9:{port} HTTP/1.1\r\nHost: {NET}.9:{port}\r\n\r\n".encode())
            assert b" 502 " in raw.recv(4096)
        said = proxy.event("connection")
        assert (said["kind"], said["cause"], said["server"]) == ("unread", "server_unreachable", [f"{NET}.9", port])
        assert proxy.stop() == 0
        made = audited(proxy)
    assert opaque_rows(made) == [(f"{NET}.9", "unreachable", "server_unreachable")]
    assert made["readable"].num_rows == 0


def test_a_request_in_the_clear_to_no_server_is_told_by_its_flow_alone(room: Path) -> None:
    port = loopback.port(f"{NET}.9")
    with proxied(room) as proxy:
        command = ["curl", "-q", "-sS", "--max-time", "10", "-x", proxy.address, f"http://{NET}.9:{port}/"]
        subprocess.run(command, check=True, capture_output=True, timeout=20, env=ENVIRONMENT)
        assert ended(proxy) == []


def test_a_proxy_behind_this_one_that_is_not_there_is_no_destination_of_the_phone(room: Path) -> None:
    """What was asked for is told: a tunnel by its name, a request in the clear by its flow alone."""
    with proxied(
        room, addons=("record", "opaque"), mode=f"upstream:http://{NET}.9:{loopback.port(f'{NET}.9')}"
    ) as proxy:
        command = ["curl", "-q", "-sS", "--max-time", "10", "-x", proxy.address]
        for url in ("http://plain.test/", "https://app.test/"):
            subprocess.run([*command, url], check=False, capture_output=True, timeout=20, env=ENVIRONMENT)
        said = ended(proxy)
        made = audited(proxy)
    unreached = [(s["host"], s["server"]) for s in said if s["cause"] == "server_unreachable"]
    assert unreached == [("app.test", ["app.test", 443])]
    assert {flow["host"] for flow in made["flows"].to_pylist()} == {"app.test", "plain.test"}


@pytest.mark.parametrize(
    ("silence", "leaves", "cause"),
    [("0", False, "server_unreachable"), ("60", False, "recording_ended"), ("60", True, "server_unreachable")],
)
def test_a_server_that_has_not_answered_when_the_recording_ends_or_the_client_goes(
    room: Path, silence: str, leaves: bool, cause: str
) -> None:
    """A tunnel is told; a request in the clear waits for it as well, and stands in the dump alone."""
    with ExitStack() as opened:
        # Whose queue is full answers nobody.
        listener = opened.enter_context(socket.socket())
        listener.bind((f"{NET}.13", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        host, port = listener.getsockname()
        proxy = opened.enter_context(proxied(room, f"lintas_silence={silence}", addons=("record", "opaque")))
        asking = []
        for head in (f"CONNECT {host}:{port}", f"GET http://{host}:{port}/"):
            asking.append(opened.enter_context(socket.create_connection((f"{NET}.1", proxy.port), 10)))
            asking[-1].sendall(f"{head} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        # Beside the four: nothing else tells that the proxy has begun to connect.
        proxy.wait(lambda: connections_to((host, port)) == 4 + len(asking))
        if leaves:
            for raw in asking:
                raw.close()
            proxy.wait(lambda: proxy.log.count("client disconnect\n") == 2)
        (said,) = ended(proxy)
        made = audited(proxy)
    assert (said["type"], said["kind"], said["cause"]) == ("connection", "unread", cause)
    assert said["server"] == [host, port]
    assert sorted(bool(flow["unread"]) for flow in made["flows"].to_pylist()) == [False, True]
    assert {m["direction"] for m in made["messages"].to_pylist()} == {"undelivered"}


def test_a_server_that_falls_silent_in_its_handshake(room: Path) -> None:
    """The phone waits, and goes: it refused nothing."""
    with (
        closing(socket.create_server((f"{NET}.16", 0))) as listening,
        proxied(room, "lintas_silence=1", addons=("record", "opaque")) as proxy,
    ):
        host, port = listening.getsockname()
        with tunnel(proxy, f"{host}:{port}") as raw:
            raw.sendall(client_hello("app.test"))
            line = listening.accept()[0]
            assert line.recv(65536)
            time.sleep(1.1)
        # mitmproxy goes on waiting for the server.
        said = ended(proxy)
        line.close()
        made = audited(proxy)
    assert [(s["type"], s["cause"]) for s in said] == [("refusal", "server_tls_failed"), ("refusal", "client_abort")]
    assert sorted(kind for _, kind, _ in opaque_rows(made)) == ["encrypted", "unused"]


def test_what_was_said_into_a_tunnel_and_is_no_request(room: Path, server: Server) -> None:
    """In the clear, and gone before it was whole: the proxy waits for a head, and hands nothing on."""
    host, port = server.server_address[:2]
    with proxied(room, addons=("record", "opaque")) as proxy:
        with tunnel(proxy, f"{host!s}:{port}") as raw:
            raw.sendall(b"hello raw budi@example.id\n")
            time.sleep(0.3)
        proxy.wait(lambda: "client disconnect" in proxy.log)
        (said,) = ended(proxy)
    assert (said["cause"], said["host"], said["bytes_out"]) == ("no_request", host, 26)


def test_a_server_whose_certificate_does_not_hold_is_passed_through(room: Path, server: Server) -> None:
    """The client trusts the server by itself; the proxy has nobody who vouches for it."""
    stranger = room / "stranger"
    stranger.mkdir()
    certificates(stranger)
    with proxied(room, f"ssl_verify_upstream_trusted_ca={stranger / 'ca.pem'}", "lintas_refusals=2") as proxy:
        both = room / "both.pem"
        both.write_bytes((room / "ca.pem").read_bytes() + proxy.ca.read_bytes())
        answers = [curl(proxy, server, "app.test", "-w", "%{http_code}", ca=both) for _ in range(3)]
        assert [said[-3:] for _, said in answers] == [b"502", b"502", b"200"]
        said = ended(proxy)
    assert [s["cause"] for s in said] == ["server_certificate", "server_certificate", "passed_through"]
    assert not [s for s in said[:2] if "bytes_out" in s]


def fails(proxy: Proxy, server: Server, number: int, *words: str, ca: Path) -> None:
    """A client asks, and stays until the proxy has written the refusal of that number, and three seconds more where it
    is told nothing: there is no answer of the server's."""
    command = curling(proxy, server, "app.test", "-w", "%{http_code}", *words, ca=ca)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as client:
        try:
            proxy.event("refusal", number=number)
            with suppress(subprocess.TimeoutExpired):
                client.wait(3)
        finally:
            client.terminate()
        answer = client.communicate()[0]
    assert answer[-3:] in (b"502", b"000", b"")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "alert"),
    [(ssl.TLSVersion.TLSv1_2, "handshake_failure"), (ssl.TLSVersion.TLSv1_3, "certificate_required")],
)
def test_a_server_that_wants_a_certificate_of_the_client_is_passed_through(
    room: Path, place: Path, version: ssl.TLSVersion, alert: str
) -> None:
    """In TLS 1.3 it says so behind its handshake, when the request is already on its way; now and then mitmproxy then
    leaves the client without an answer."""
    with served(f"{NET}.11", place, version) as strict, proxied(room, "lintas_refusals=2", "lintas_retry=0") as proxy:
        both = room / "both.pem"
        both.write_bytes((room / "ca.pem").read_bytes() + proxy.ca.read_bytes())
        for number in (1, 2, 3):
            fails(proxy, strict, number, ca=both)
        assert proxy.stop() == 0
        said = proxy.events("refusal", "connection")
        states = [e["state"] for e in proxy.events("passthrough")]
    assert {(s["cause"], s["alert"]) for s in said} == {("server_tls_failed", alert)}
    assert states == ["begun", "tried", "again"]


@pytest.mark.slow
def test_an_alert_of_the_server_is_no_word_of_the_phones(room: Path, place: Path) -> None:
    """A server that does not accept the certificate that the proxy shows it: in TLS 1.3 it says so behind the
    handshake, with the words that a phone has for the proxy's. What the client then does is no refusal either."""
    stranger = room / "stranger"
    stranger.mkdir()
    certificates(stranger)
    own = f"client_certs={stranger / 'server.pem'}"
    with served(f"{NET}.13", place, ssl.TLSVersion.TLSv1_3) as strict, proxied(room, own, "lintas_refusals=2") as proxy:
        for number in (1, 2):
            with opened_tls(proxy, strict):
                proxy.event("refusal", number=number)
        assert proxy.stop() == 0
        said = proxy.events("refusal", "connection")
    assert [(s["kind"], s["cause"], s.get("alert")) for s in said if s["type"] == "refusal"] == [
        ("unread", "server_tls_failed", "unknown_ca")
    ] * 2
    assert {s["cause"] for s in said if s["type"] == "connection"} == {"unused"}
    assert "app.test refused the proxy" in proxy.log


def test_whoever_reads_what_a_server_says_first_has_taken_the_certificate(room: Path, place: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(place / "server.pem")

    def greet() -> None:
        with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as secure:
            secure.sendall(b"220 mail.example\r\n")
            secure.settimeout(20)
            secure.recv(100)

    with closing(socket.create_server((f"{NET}.14", 0))) as listening, proxied(room, "lintas_refusals=2") as proxy:
        for _ in range(3):
            threading.Thread(target=greet, daemon=True).start()
            with opened_tls(proxy, listening) as secure:
                assert secure.recv(100) == b"220 mail.example\r\n"
        assert proxy.stop() == 0
        assert not proxy.events("refusal", "passthrough")


@contextmanager
def opened_tls(proxy: Proxy, server: Any) -> Iterator[ssl.SSLSocket]:
    """A client that trusts the proxy has its TLS with app.test open, and says nothing."""
    host, port = (server.server_address if isinstance(server, Server) else server.getsockname())[:2]
    context = ssl.create_default_context(cafile=str(proxy.ca))
    with context.wrap_socket(tunnel(proxy, f"{host}:{port}"), server_hostname="app.test") as secure:
        secure.settimeout(20)
        yield secure


@pytest.mark.slow
def test_a_client_with_a_certificate_of_its_own_goes_on(room: Path, place: Path) -> None:
    with (
        served(f"{NET}.12", place, ssl.TLSVersion.TLSv1_3) as strict,
        proxied(room, "lintas_refusals=1") as proxy,
    ):
        both = room / "both.pem"
        both.write_bytes((room / "ca.pem").read_bytes() + proxy.ca.read_bytes())
        own = ["--cert", str(place / "server.pem"), "--key", str(place / "server.pem")]
        fails(proxy, strict, 1, *own, ca=both)
        assert curl(proxy, strict, "app.test", *own, ca=both) == (0, next(content(9)))
        said = ended(proxy)
    assert [s["cause"] for s in said][-1] == "passed_through"
    assert {s["cause"] for s in said[:-1]} == {"server_tls_failed"}


# ------------------------------------------------------------------------------------- what was said and is no request


def said_over_tls(proxy: Proxy, server: tuple[Any, ...], octets: bytes, *alpn: str) -> None:
    """A client that trusts the proxy says this, waits for what comes of it, and goes."""
    context = ssl.create_default_context(cafile=str(proxy.ca))
    context.set_alpn_protocols(list(alpn))
    with context.wrap_socket(tunnel(proxy, f"{server[0]}:{server[1]}"), server_hostname="app.test") as secure:
        secure.settimeout(1)
        secure.sendall(octets)
        with suppress(OSError):
            while secure.recv(4096):
                pass


@contextmanager
def silent_http2(place: Path) -> Iterator[tuple[Any, ...]]:
    """A server that agrees on HTTP/2 and says nothing; its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(place / "server.pem")
    context.set_alpn_protocols(["h2"])

    def listen(line: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(line, server_side=True) as secure:
            while secure.recv(4096):
                pass

    def serve() -> None:
        # The proxy may hold one connection while it begins the next.
        with suppress(OSError):
            while True:
                threading.Thread(target=listen, args=listening.accept()[:1], daemon=True).start()

    with closing(socket.create_server((f"{NET}.15", 0))) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()


def http2(*fields: tuple[str, str]) -> bytes:
    """What an HTTP/2 client says first, and a request with those fields as they are."""
    talk = h2.connection.H2Connection(
        h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    )
    talk.initiate_connection()
    if fields:
        talk.send_headers(1, fields, end_stream=True)
    return talk.data_to_send()


@pytest.mark.slow
def test_what_is_no_request_leaves_a_trace(room: Path, place: Path, server: Server) -> None:
    head = (":method", "GET"), (":scheme", "https"), (":authority", "app.test")
    with silent_http2(place) as second, proxied(room, addons=("record", "opaque")) as proxy:
        first = server.server_address
        said_over_tls(proxy, first, b"POST /x?email=sari HTTP/1.1\r\nHost: app.te", "http/1.1")
        said_over_tls(proxy, second, http2((":path", "/"), *head, ("Upper", "case")), "h2")
        said_over_tls(proxy, second, http2(), "h2")
        said_over_tls(proxy, first, b"GET /9 HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n", "http/1.1")
        assert proxy.stop() == 0
        said = proxy.events("refusal", "connection")
        made = audited(proxy)
    assert [(s["type"], s["cause"], s["sni"]) for s in said] == [
        ("connection", "no_request", "app.test"),
        ("connection", "no_request", "app.test"),
        ("connection", "unused", "app.test"),
    ]
    assert [kind for _, kind, _ in opaque_rows(made)] == ["unread", "unread", "unused"]
    assert made["exchanges"].num_rows == 1


# ------------------------------------------------------------------------------------------------ passed through


def test_what_is_passed_through_arrives_octet_for_octet_and_none_of_it_is_kept(room: Path, server: Server) -> None:
    size = 3_000_000
    upload = room / "upload"
    upload.write_bytes(os.urandom(1_000_000))
    with proxied(room, "lintas_refusals=2", addons=("record", "opaque")) as proxy:
        for _ in range(2):
            assert curl(proxy, server, "pinned.test", ca=room / "ca.pem")[0] == NOT_TRUSTED
        done, down = curl(proxy, server, "pinned.test", ca=room / "ca.pem", path=f"/{size}")
        assert done == 0
        assert down == b"".join(content(size))
        done, up = curl(proxy, server, "pinned.test", "--data-binary", f"@{upload}", ca=room / "ca.pem")
        assert (done, up.decode()) == (0, hashlib.sha256(upload.read_bytes()).hexdigest())
        # Another host, and the same host for whoever takes the certificate, are opened all the while.
        assert curl(proxy, server, "app.test", ca=proxy.ca, path="/11")[0] == 0
        said = ended(proxy)
        made = audited(proxy)
    passed = [s for s in said if s["cause"] == "passed_through"]
    assert [(s["type"], s["kind"], s["sni"]) for s in passed] == [("connection", "relayed", "pinned.test")] * 2
    assert size < passed[0]["bytes_in"] < size + 20_000
    assert 1_000_000 < passed[1]["bytes_out"] < 1_010_000
    held = sum(p.stat().st_size for p in proxy.folder.iterdir())
    assert held < 100_000
    for file in proxy.folder.iterdir():
        assert file.name == "flows.mitm" or SECRET not in file.read_bytes()
    assert (proxy.folder / "flows.mitm").read_bytes().count(SECRET[:11]) == 1, "the answer of the host that was opened"
    assert {(h, k) for h, k, _ in opaque_rows(made)} == {("pinned.test", "ca_refused")}
    (share,) = made["readable"].to_pylist()
    assert (share["hosts"], share["hosts_read"], share["connections_opened"]) == (2, 1, 1)
    assert share["bytes_opened"] < share["bytes"] - size


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["socks5", "upstream", "lazy"])
def test_what_is_passed_through_goes_the_modes_own_way(room: Path, server: Server, mode: str) -> None:
    """Also where the server is spoken to only when there is something to say."""
    hop = room / "hop"
    hop.mkdir()
    (hop / "ca.pem").write_bytes((room / "ca.pem").read_bytes())
    options = ["lintas_refusals=1", *(["connection_strategy=lazy"] if mode == "lazy" else [])]
    with proxied(hop, "ignore_hosts=.*") as upstream:
        spec = {"socks5": "socks5", "upstream": f"upstream:{upstream.address}", "lazy": "regular"}[mode]
        with proxied(room, *options, mode=spec) as proxy:
            way = ["-x", proxy.address.replace("http:", "socks5:")] if mode == "socks5" else []
            assert curl(proxy, server, "pinned.test", *way, ca=room / "ca.pem")[0] == NOT_TRUSTED
            done, down = curl(proxy, server, "pinned.test", *way, ca=room / "ca.pem", path="/70000")
            said = ended(proxy)
    assert (done, down) == (0, b"".join(content(70_000)))
    assert [s["cause"] for s in said] == ["unknown_ca", "passed_through"]
    assert 70_000 < said[1]["bytes_in"] < 75_000
    assert [s["server"] for s in said] == [list(server.server_address[:2])] * 2
    assert ("tcp_ms" in said[1]) == (mode != "upstream"), (
        "behind another proxy its handshake says nothing of the server"
    )


def test_cause_and_expiry_of_a_passthrough_are_told(room: Path, server: Server) -> None:
    with proxied(room, "lintas_refusals=1", "lintas_retry=77") as proxy:
        curl(proxy, server, "pinned.test", ca=room / "ca.pem")
        told = proxy.event("passthrough")
    assert (told["state"], told["host"], told["client"]) == ("begun", "pinned.test", "127.0.0.1")
    assert (told["cause"], told["refusals"], told["seconds"]) == ("unknown_ca", 1, 77)
    assert "127.0.0.1 refused pinned.test once (unknown_ca): passed through unopened for 77 s." in proxy.log


@pytest.mark.slow
def test_after_its_time_a_host_is_tried_again_and_opened_where_it_takes_it(room: Path, server: Server) -> None:
    with proxied(room, "lintas_refusals=1", "lintas_retry=0") as proxy:
        assert curl(proxy, server, "pinned.test", ca=room / "ca.pem")[0] == NOT_TRUSTED
        assert curl(proxy, server, "pinned.test", ca=room / "ca.pem")[0] == NOT_TRUSTED, "the try"
        proxy.event("passthrough", number=3)
        assert curl(proxy, server, "pinned.test", ca=proxy.ca)[0] == 0
        proxy.event("passthrough", number=5)
        assert curl(proxy, server, "pinned.test", ca=proxy.ca)[0] == 0
        assert proxy.stop() == 0
        states = [e["state"] for e in proxy.events("passthrough")]
    assert states == ["begun", "tried", "again", "tried", "cleared"]


@pytest.mark.slow
def test_a_clienthello_in_pieces_is_passed_through_too(room: Path, server: Server) -> None:
    """Chrome's does not fit into one segment."""
    with proxied(room, "lintas_refusals=1") as proxy:
        assert curl(proxy, server, "app.test", ca=room / "ca.pem")[0] == NOT_TRUSTED
        for host in ("app.test", "www.test"):
            with tunnel(proxy, server.place) as raw:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                hello = client_hello(host)
                for piece in (hello[:40], hello[40:200]):
                    raw.sendall(piece)
                    drained(raw, 0.05)
                raw.settimeout(10)
                raw.sendall(hello[200:])
                assert raw.recv(65536)
        with tunnel(proxy, server.place) as raw:
            raw.sendall(client_hello("www.test")[:40])
        said = ended(proxy)
    assert [(s.get("sni"), s["cause"]) for s in said[:3]] == [
        ("app.test", "unknown_ca"),
        ("app.test", "passed_through"),
        ("www.test", "closed_during_handshake"),
    ]


def test_what_the_auditor_lets_mitmproxy_ignore_is_counted(room: Path, server: Server) -> None:
    with proxied(room, r"ignore_hosts=pinned\.test") as proxy:
        assert curl(proxy, server, "pinned.test", ca=room / "ca.pem", path="/90000")[0] == 0
        (said,) = ended(proxy)
    assert (said["kind"], said["cause"], said["sni"]) == ("relayed", "passed_through", "pinned.test")
    assert 90_000 < said["bytes_in"] < 95_000


def test_an_open_passthrough_is_counted_when_the_recording_ends(room: Path, server: Server) -> None:
    with proxied(room, "lintas_refusals=1") as proxy:
        curl(proxy, server, "pinned.test", ca=room / "ca.pem")
        with tunnel(proxy, server.place) as raw:
            context = ssl.create_default_context(cafile=str(room / "ca.pem"))
            with context.wrap_socket(raw, server_hostname="pinned.test") as client:
                client.sendall(b"GET /50000 HTTP/1.1\r\nHost: pinned.test\r\n\r\n")
                got = 0
                while got < 50_000:
                    got += len(client.recv(65536))
                last = ended(proxy)[-1]
    assert last["cause"] == "passed_through"
    assert last["bytes_in"] > 50_000
    assert "ended_by" not in last


def test_an_open_passthrough_survives_a_kill(room: Path, server: Server) -> None:
    size = 9_000_000
    with proxied(room, "lintas_refusals=1") as proxy:
        curl(proxy, server, "pinned.test", ca=room / "ca.pem")
        with tunnel(proxy, server.place) as raw:
            context = ssl.create_default_context(cafile=str(room / "ca.pem"))
            with context.wrap_socket(raw, server_hostname="pinned.test") as client:
                client.sendall(f"GET /{size} HTTP/1.1\r\nHost: pinned.test\r\n\r\n".encode())
                got = 0
                while got < size:
                    got += len(client.recv(65536))
                proxy.process.kill()
                proxy.process.wait()
        told = [e["bytes_in"] + e["bytes_out"] for e in proxy.events("passing")]
        made = audited(proxy)
    assert told[0] > 0
    assert told[-1] > size - (4 << 20)
    (flow,) = [f for f in made["flows"].to_pylist() if f["unread"][0]["cause"] == "passed_through"]
    assert flow["bytes_out"] + flow["bytes_in"] == told[-1]
    assert ("pinned.test", "ca_refused", "passed_through") in opaque_rows(made)


@pytest.mark.slow
def test_200_mb_passed_through_leave_nothing_in_memory(room: Path, server: Server) -> None:
    size = 200_000_000
    with proxied(room, "lintas_refusals=1", addons=("record", "opaque")) as proxy:
        curl(proxy, server, "pinned.test", ca=room / "ca.pem")
        curl(proxy, server, "pinned.test", ca=room / "ca.pem", path="/1000000")
        before = peak(proxy)
        done, _ = curl(proxy, server, "pinned.test", "-o", os.devnull, ca=room / "ca.pem", path=f"/{size}")
        assert done == 0
        grown = peak(proxy) - before
        last = ended(proxy)[-1]
        held = sum(p.stat().st_size for p in proxy.folder.iterdir())
    assert last["bytes_in"] > size
    assert grown < 20_000_000
    assert held < 100_000


def peak(proxy: Proxy) -> int:
    """The most memory that the proxy held so far, in octets."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


# ------------------------------------------------------------------------------------------------ as an addon


def test_without_any_option_it_says_where_it_writes_and_ends(room: Path) -> None:
    command = [BIN / "mitmdump", "-s", str(Path(__file__).parents[2] / "addons" / "opaque.py"), "-p", "0"]
    log = room / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*command, "--set", f"confdir={room}", "--listen-host", f"{NET}.1"],
            cwd=room,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    proxy = Proxy(room, room, 0, room, process)
    for _ in range(400):
        if "is written to" in log.read_text():
            break
        try:
            process.wait(0.025)
        except subprocess.TimeoutExpired:
            continue
    (folder,) = room.glob("capture-*")
    assert f"What cannot be opened is written to {folder}" in log.read_text()
    assert proxy.stop() == 0


def test_a_folder_that_cannot_be_written_ends_it_with_one_sentence(room: Path) -> None:
    (room / "capture").mkdir()
    (room / "capture" / "events.jsonl").write_text("{}\n")
    with pytest.raises(AssertionError, match="holds a recording already"), proxied(room):
        pass


@pytest.mark.parametrize("option", ["lintas_refusals=-1", "lintas_retry=-1", "lintas_silence=-1"])
def test_an_option_that_makes_no_sense_is_refused(room: Path, option: str) -> None:
    with pytest.raises(AssertionError, match="must not be negative"), proxied(room, option):
        pass


@pytest.mark.parametrize(("ended", "by"), [(True, "client"), (False, "proxy")])
def test_an_end_that_has_come_and_was_not_read_yet_is_the_clients(ended: bool, by: str) -> None:
    """Where the proxy ends a connection in the same moment, for a server that has gone."""

    async def end() -> str | None:
        reader, measured = asyncio.StreamReader(), meter.Meter()
        task = asyncio.create_task(meter._Reader(reader, measured).read(10))
        await asyncio.sleep(0)
        if ended:
            reader.feed_eof()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return measured.ended_by

    assert asyncio.run(end()) == by


_RESET = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
_GONE = BrokenPipeError(errno.EPIPE, "Broken pipe")
"""What is said of a client that closed, and was written to."""


@pytest.mark.parametrize(("error", "reset"), [(_RESET, True), (_GONE, False)])
@pytest.mark.parametrize("where", ["read", "unread", "written"])
def test_a_reset_is_one_wherever_the_proxy_meets_it(error: OSError, reset: bool, where: str) -> None:
    """Where it waits for the client, where it writes, and where it ends the connection before it has looked."""

    async def end() -> tuple[str | None, bool]:
        inner, measured = asyncio.StreamReader(), meter.Meter()
        task = asyncio.create_task(meter._Reader(inner, measured).read(10))
        await asyncio.sleep(0)
        if where == "written":

            async def drain() -> None:
                raise error

            writer = meter._Writer(SimpleNamespace(drain=drain, is_closing=lambda: False), measured)
            with suppress(OSError):
                await writer.drain()
        else:
            inner.set_exception(error)
        if where != "read":
            task.cancel()
        with suppress(OSError, asyncio.CancelledError):
            await task
        return measured.ended_by, measured.reset

    assert asyncio.run(end()) == ("client", reset)
