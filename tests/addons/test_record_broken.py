"""*record* where a body breaks off: what came of it is there and searched, what was only announced counts nowhere."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from mitmproxy import http, tcp
from mitmproxy.test import tflow

from addons import record
from analysis.audit import AuditOptions, run
from analysis.tables import Tables
from tests.addons.kernel import has_taken_all
from tests.addons.refusing import Proxy, certificates, proxied, tunnel
from tests.addons.served import HOST, Account, serving
from tests.addons.talking import dumped_so_far, journal
from tests.loopback import NET
from tests.road import check_conservation
from tests.sources.made import gather

MAIL = b'{"note":"' + b"x" * 300 + b'","email":"mail@planted.example","more":"'
"""The beginning of a body, behind which more was to come."""
PERSONA = "email: mail@planted.example\n"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Account]:
    certificates(tmp_path)
    with serving(tmp_path, http2=True) as account:
        yield account


def audited(proxy: Proxy) -> Tables:
    persona = proxy.folder.parent / "persona.yaml"
    persona.write_text(PERSONA)
    made, _ = run(proxy.folder, AuditOptions(persona=persona, workers=1))
    check_conservation(made)
    return made


def directions(made: Tables, kind: str) -> list[tuple[str, int]]:
    return [(m["direction"], m["bytes"]) for m in made["messages"].to_pylist() if m["kind"] == kind]


def planted(made: Tables) -> set[str]:
    rows = made["transmissions"].to_pylist()
    return {t["direction"] for t in rows if t["data_type"] == "email" and t["method"] == "planted"}


def lost(made: Tables) -> dict[str, int]:
    return {loss["kind"]: loss["bytes"] for loss in made["losses"].to_pylist()}


def plain(proxy: Proxy, port: int, *fields: str) -> socket.socket:
    """The head of an upload in the clear."""
    line = socket.create_connection((f"{NET}.1", proxy.port), 20)
    head = [f"POST http://{HOST}:{port}/up HTTP/1.1", f"Host: {HOST}:{port}", "Content-Type: application/json", *fields]
    line.sendall("\r\n".join([*head, "", ""]).encode())
    return line


def secured(proxy: Proxy, port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(proxy.ca))
    context.set_alpn_protocols(["h2"])
    line = context.wrap_socket(tunnel(proxy, f"{HOST}:{port}"), server_hostname="app.test")
    assert line.selected_alpn_protocol() == "h2"
    return line


def with_length(proxy: Proxy, servers: Account) -> None:
    with plain(proxy, servers.port, "Content-Length: 100000") as line:
        line.sendall(MAIL)


def in_chunks(proxy: Proxy, servers: Account) -> None:
    """In the middle of the second chunk."""
    with plain(proxy, servers.port, "Transfer-Encoding: chunked") as line:
        line.sendall(b"a\r\n" + MAIL[:10] + b"\r\nffff\r\n" + MAIL[10:])


def _http2(proxy: Proxy, servers: Account, *fields: tuple[str, str], reset: bool) -> None:
    with secured(proxy, servers.http2) as line:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.initiate_connection()
        head = {":method": "POST", ":scheme": "https", ":authority": "app.test", ":path": "/up"}
        connection.send_headers(1, [*head.items(), ("content-type", "application/json"), *fields])
        connection.send_data(1, MAIL[:100])
        connection.send_data(1, MAIL[100:])
        if reset:
            connection.reset_stream(1)
        # The proxy has all of it where it answers what came behind.
        connection.ping(b"all here")
        line.sendall(connection.data_to_send())
        while not any(isinstance(e, h2.events.PingAckReceived) for e in connection.receive_data(line.recv(65_536))):
            pass


def over_http2(proxy: Proxy, servers: Account) -> None:
    _http2(proxy, servers, reset=False)


def over_http2_with_length(proxy: Proxy, servers: Account) -> None:
    _http2(proxy, servers, ("content-length", "5000"), reset=False)


def reset_over_http2(proxy: Proxy, servers: Account) -> None:
    _http2(proxy, servers, reset=True)


@pytest.mark.parametrize(
    "sends", [with_length, in_chunks, over_http2, over_http2_with_length, reset_over_http2], ids=lambda f: f.__name__
)
def test_an_upload_that_breaks_off(tmp_path: Path, servers: Account, sends: Callable[[Proxy, Account], None]) -> None:
    """The proxy holds it back until it is whole, so that the server has nothing of it: it was not delivered."""
    with proxied(tmp_path, addons=("record", "opaque")) as proxy:
        sends(proxy, servers)
        (flow,) = proxy.wait(lambda: dumped_so_far(proxy.folder))
        assert proxy.stop() == 0
    assert servers.requests == []
    assert isinstance(flow, http.HTTPFlow)
    assert flow.request.raw_content == MAIL
    assert flow.metadata["lintas_request_sha256"] == hashlib.sha256(MAIL).hexdigest()
    made = audited(proxy)
    assert directions(made, "request") == [("undelivered", len(MAIL))]
    assert [e["request_bytes"] for e in made["exchanges"].to_pylist()] == [0]
    assert sum(f["bytes_out"] for f in made["flows"].to_pylist()) == 0
    assert made["opaque"].num_rows == 0
    assert planted(made) == {"undelivered"}
    assert lost(made) == {"body_cut": len(MAIL)}


def test_of_what_breaks_off_no_more_is_kept_than_of_any_body(tmp_path: Path, servers: Account) -> None:
    options = ("lintas_body_limit=100", "stream_large_bodies=1m")
    with proxied(tmp_path, *options, addons=("record",)) as proxy:
        # A body of a stated length above the limit is handed on as it comes.
        in_chunks(proxy, servers)
        (flow,) = proxy.wait(lambda: dumped_so_far(proxy.folder))
        assert proxy.stop() == 0
    assert isinstance(flow, http.HTTPFlow)
    assert flow.request.raw_content == MAIL[:100]
    assert flow.metadata["lintas_request_size"] == len(MAIL)
    assert flow.metadata["lintas_request_sha256"] == hashlib.sha256(MAIL).hexdigest()
    made = audited(proxy)
    assert directions(made, "request") == [("undelivered", len(MAIL))]
    assert lost(made)["body_missing"] == len(MAIL) - 100


def test_a_recording_that_ends_in_the_middle_of_an_upload(tmp_path: Path, servers: Account) -> None:
    with (
        proxied(tmp_path, addons=("record",)) as proxy,
        plain(proxy, servers.port, "Content-Length: 100000") as line,
        plain(proxy, servers.port) as other,
    ):
        line.sendall(MAIL)
        # Behind it in the same loop.
        assert other.recv(100)
        assert proxy.stop() == 0
    made = audited(proxy)
    assert ("undelivered", len(MAIL)) in directions(made, "request")
    assert planted(made) == {"undelivered"}


def test_a_large_upload_that_no_server_takes(tmp_path: Path) -> None:
    """It became too large to be held, and there is nobody to hand it to: what came until then is kept."""
    certificates(tmp_path)
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        with proxied(tmp_path, "lintas_body_limit=100", addons=("record",)) as proxy:
            with plain(proxy, closed.getsockname()[1], "Transfer-Encoding: chunked") as line:
                line.sendall(b"a\r\n" + MAIL[:10] + b"\r\nffff\r\n" + MAIL[10:])
                (flow,) = proxy.wait(lambda: dumped_so_far(proxy.folder))
            assert proxy.stop() == 0
    assert isinstance(flow, http.HTTPFlow)
    assert flow.request.raw_content == MAIL[:100]
    assert directions(audited(proxy), "request") == [("undelivered", len(MAIL))]


def test_a_streamed_upload_that_breaks_off_was_sent(tmp_path: Path, servers: Account) -> None:
    """As far as it came: it was handed on."""
    with proxied(tmp_path, "lintas_body_limit=50k", addons=("record",)) as proxy:
        with plain(proxy, servers.port, "Content-Length: 100000") as line:
            line.sendall(MAIL)
            proxy.wait(lambda: journal(proxy.folder))
        (flow,) = proxy.wait(lambda: dumped_so_far(proxy.folder))
        assert proxy.stop() == 0
    assert isinstance(flow, http.HTTPFlow)
    assert flow.request.raw_content == MAIL
    made = audited(proxy)
    assert directions(made, "request") == [("sent", len(MAIL))]
    assert planted(made) == {"sent"}
    assert lost(made) == {"body_cut": len(MAIL)}
    assert set(made["opaque"]["kind"].to_pylist()) <= {"truncated"}


@contextmanager
def breaking(answer: bytes, ends: bool) -> Iterator[tuple[int, threading.Event]]:
    """A server that says only that much, and then ends or waits; its port, and whether it has said it."""
    over, spoken = threading.Event(), threading.Event()
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                line, _ = listener.accept()
                with line:
                    line.recv(65_536)
                    line.sendall(answer)
                    spoken.set()
                    if not ends:
                        over.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], spoken
        finally:
            over.set()
            thread.join(20)


@pytest.mark.parametrize("ends", [True, False], ids=["the server ends", "the client leaves"])
@pytest.mark.parametrize("chunked", [True, False])
def test_an_answer_that_breaks_off(tmp_path: Path, ends: bool, chunked: bool) -> None:
    """The server said it, so that it counts, though the proxy still held it back from the app."""
    certificates(tmp_path)
    length = b"Transfer-Encoding: chunked\r\n\r\nfff\r\n" if chunked else b"Content-Length: 100000\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + length + MAIL
    with breaking(answer, ends) as (port, spoken), proxied(tmp_path, addons=("record",)) as proxy:
        line = plain(proxy, port, "Content-Length: 2")
        line.sendall(b"{}")
        if ends:
            assert line.recv(100).startswith(b"HTTP/1.1 502")
        else:
            assert spoken.wait(60)
            proxy.wait(lambda: has_taken_all((HOST, port)))
        line.close()
        (flow,) = proxy.wait(lambda: dumped_so_far(proxy.folder))
        assert proxy.stop() == 0
    assert isinstance(flow, http.HTTPFlow)
    assert flow.response is not None
    assert flow.response.raw_content == MAIL
    made = audited(proxy)
    assert directions(made, "request") == [("sent", 2)]
    assert directions(made, "response") == [("received", len(MAIL))]
    assert [e["response_bytes"] for e in made["exchanges"].to_pylist()] == [len(MAIL)]
    assert planted(made) == {"received"}
    assert lost(made)["body_cut"] == len(MAIL)
    assert "body_missing" not in lost(made)
    assert set(made["opaque"]["kind"].to_pylist()) <= {"truncated"}


class _Full:
    """A folder of which nothing can be written for a while."""

    def __init__(self) -> None:
        self.full = False
        self.flows: list[bytes] = []

    def line(self, **keys: Any) -> bool:
        return not self.full

    def event(self, *words: Any, **keys: Any) -> bool:
        return not self.full

    def flow(self, *pieces: bytes) -> bool:
        self.flows.append(b"".join(pieces))
        return True


def test_what_is_nowhere_any_more_is_told_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound, and a message beyond it is not one of 0 octets."""
    monkeypatch.setattr(record, "_UNWRITTEN", 5000)
    recorder, out = record.Record(), _Full()
    vars(recorder).update(_out=out, _limit=2000)
    talk = tflow.ttcpflow()
    talk.messages, talk.live = [], True
    for n in range(30):
        out.full = 5 <= n < 20
        talk.messages.append(tcp.TCPMessage(n % 2 == 0, b"%03d" % n * 300, 1772359200 + n))
        recorder.tcp_message(talk)
    recorder.tcp_end(talk)
    (tmp_path / "flows.mitm").write_bytes(b"".join(out.flows))
    seen = gather(tmp_path / "flows.mitm")
    by_place = {m.origin.units[1]: (m.size, m.body[:3]) for m in seen.messages if m.origin.units[1] in range(5, 20)}
    # 5 of the 15 are held.
    assert by_place == {n: (900, b"" if n < 15 else b"%03d" % n) for n in range(5, 20)}
    # Beside no journal, what stands there is not here either.
    assert sum(m.size for m in seen.messages) == 30 * 900
    gone = [m for m in seen.messages if not m.body]
    assert len(gone) > 20
    assert all(m.cut for m in gone)
    assert [(loss.kind, loss.count, loss.bytes) for loss in seen.losses] == [
        ("body_missing", len(gone), 900 * len(gone))
    ]
    (flow,) = seen.flows
    assert [(part["cause"], part["count"]) for part in flow["unread"]] == [("body_not_kept", len(gone))]
    assert vars(recorder)["_unwritten"] == 0
