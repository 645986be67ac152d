"""*record* where something seldom happens: a call that its server ends first, a replay, another protocol behind an
upgrade, an answer that another addon gives, a hand in the folder."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
from mitmproxy import http

from analysis.audit import AuditOptions, run
from tests.addons.refusing import Proxy, certificates, proxied, tunnel
from tests.addons.served import HOST, Account, octets, serving
from tests.addons.talking import ask, dumped, dumped_so_far, journal
from tests.loopback import NET

MEGA = 1 << 20


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Account]:
    certificates(tmp_path)
    with serving(tmp_path) as account:
        yield account


class _EndsFirst(asyncio.Protocol):
    """A gRPC server that ends each call at the first octets of it (as a refusal, or a call that is answered early)."""

    def __init__(self) -> None:
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connection.initiate_connection()
        transport.write(self._connection.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._connection.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                head = [(":status", "200"), ("content-type", "application/grpc")]
                self._connection.send_headers(event.stream_id, head)
                self._connection.send_data(event.stream_id, b"\0\0\0\0\2ok")
                self._connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
        self._transport.write(self._connection.data_to_send())


@contextmanager
def ending_first(place: Path) -> Iterator[int]:
    """Its port."""
    loop, started, ended, port = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), [0]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(place / "server.pem")
    context.set_alpn_protocols(["h2"])

    async def serve() -> None:
        server = await loop.create_server(_EndsFirst, HOST, 0, ssl=context)
        port[0] = server.sockets[0].getsockname()[1]
        started.set()
        await ended.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield port[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)


class _Caller:
    """An HTTP/2 client over TLS through the proxy, which leaves its connection open."""

    def __init__(self, proxy: Proxy, port: int) -> None:
        context = ssl.create_default_context(cafile=str(proxy.ca))
        context.set_alpn_protocols(["h2"])
        self._socket = context.wrap_socket(tunnel(proxy, f"{HOST}:{port}"), server_hostname="app.test")
        self._socket.settimeout(20)
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._connection.initiate_connection()
        self._send()

    def _send(self) -> None:
        self._socket.sendall(self._connection.data_to_send())

    def call(self, target: str) -> None:
        """A call that is answered before its end, and is broken off then."""
        stream = self._connection.get_next_available_stream_id()
        head = {":method": "POST", ":scheme": "https", ":authority": "app.test", ":path": target}
        self._connection.send_headers(stream, [*head.items(), ("content-type", "application/grpc"), ("te", "trailers")])
        self._connection.send_data(stream, b"\0\0\0\0\3ask")
        self._send()
        over = False
        while not over:
            data = self._socket.recv(65_536)
            assert data, "the proxy ended the connection"
            events = self._connection.receive_data(data)
            over = any(isinstance(e, h2.events.StreamEnded) and e.stream_id == stream for e in events)
        self._connection.reset_stream(stream, error_code=8)
        self._send()

    def close(self) -> None:
        self._socket.close()


def test_a_call_that_its_server_ends_first_is_recorded_then(tmp_path: Path) -> None:
    """While the connection stays open, for hours perhaps."""
    certificates(tmp_path)
    with ending_first(tmp_path) as port, proxied(tmp_path, addons=("record", "opaque")) as proxy:
        caller = _Caller(proxy, port)
        for n in range(3):
            caller.call(f"/shop.Cart/Add{n}")
        flows = proxy.wait(lambda: len(found := dumped_so_far(proxy.folder)) == 3 and found)
        caller.close()
        assert proxy.stop() == 0
    assert len(dumped(proxy.folder)) == 3
    for flow in flows:
        assert isinstance(flow, http.HTTPFlow)
        assert flow.response is not None
        assert flow.response.trailers is not None
        assert (flow.request.raw_content, flow.response.raw_content) == (b"\0\0\0\0\3ask", b"\0\0\0\0\2ok")


def _script(place: Path, text: str) -> str:
    """Another addon, by the name that ``proxied`` takes."""
    (place / "other.py").write_text(text)
    return str(place / "other")


def _chunked(proxy: Proxy, url: str, body: bytes, **fields: str) -> bytes:
    pieces = iter([body[n : n + 50_000] for n in range(0, len(body), 50_000)])
    return ask(proxy, "POST", url, pieces, **{"Transfer-Encoding": "chunked", **fields})


def test_a_replay_of_a_streamed_upload_begins_anew(tmp_path: Path, servers: Account) -> None:
    """What is told of its body is the replay's, and none of it is the app's."""
    other = _script(
        tmp_path,
        "import asyncio\nfrom mitmproxy import ctx\n"
        "def response(flow):\n"
        "    if 'again' in flow.request.path and flow.is_replay is None:\n"
        "        asyncio.get_running_loop().call_later(0.2, ctx.master.commands.call, 'replay.client', [flow])\n",
    )
    body = octets(3 * MEGA)
    with proxied(tmp_path, "lintas_body_limit=4m", addons=("record", other)) as proxy:
        _chunked(proxy, servers.url("/echo?again=1"), body, **{"Content-Type": "application/grpc"})
        first, second = proxy.wait(lambda: len(found := dumped_so_far(proxy.folder)) == 2 and found)
        assert proxy.stop() == 0
    assert (first.is_replay, second.is_replay) == (None, "request")
    assert servers.requests[0][2:] == servers.requests[1][2:] == (hashlib.sha256(body).hexdigest(), len(body))
    for flow in (first, second):
        assert flow.request.raw_content == body  # type: ignore[attr-defined]
        assert flow.metadata["lintas_request_size"] == len(body)
        assert flow.metadata["lintas_request_sha256"] == hashlib.sha256(body).hexdigest()
    made, _ = run(proxy.folder, AuditOptions())
    assert [m["bytes"] for m in made["messages"].to_pylist() if m["direction"] == "sent"] == [len(body)]


def test_another_addon_may_answer_a_call_by_itself(tmp_path: Path, servers: Account) -> None:
    """A call that would be streamed; mitmproxy breaks down where it is to stream what nobody is to have."""
    other = _script(
        tmp_path,
        "from mitmproxy import http\ndef requestheaders(flow): flow.response = http.Response.make(200, b'no server')\n",
    )
    with proxied(tmp_path, addons=(other, "record")) as proxy:
        answer = _chunked(proxy, servers.url("/echo"), octets(3000), **{"Content-Type": "application/grpc"})
        assert answer == b"no server"
        assert proxy.stop() == 0
    assert "Traceback" not in proxy.log
    assert servers.requests == []
    (flow,) = dumped(proxy.folder)
    assert flow.request.raw_content == octets(3000)  # type: ignore[attr-defined]


@contextmanager
def switching() -> Iterator[int]:
    """A server that goes over to a protocol that nobody knows; its port."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: own/1\r\nConnection: Upgrade\r\n\r\n")
                while heard := line.recv(4096):
                    line.sendall(b"heard " + heard)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


def test_what_follows_an_upgrade_to_another_protocol_is_recorded(tmp_path: Path) -> None:
    """As it comes, and in the dump: mitmproxy hands it over as octets that may change, which no dump takes."""
    certificates(tmp_path)
    with switching() as port, proxied(tmp_path, addons=("record",)) as proxy:
        with socket.create_connection((f"{NET}.1", proxy.port), 20) as phone:
            head = f"GET http://{HOST}:{port}/own HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: own/1\r\n"
            phone.sendall(head.encode() + b"\r\n")
            assert b" 101 " in phone.recv(4096)
            phone.sendall(b"ask")
            assert phone.recv(4096) == b"heard ask"
            lines = journal(proxy.folder, "message")
            assert [(m["direction"], base64.b64decode(m["data"])) for m in lines] == [
                ("sent", b"ask"),
                ("received", b"heard ask"),
            ]
        proxy.wait(lambda: len(dumped_so_far(proxy.folder)) == 2)
        assert proxy.stop() == 0
    made, _ = run(proxy.folder, AuditOptions())
    assert "not_recorded" not in made["losses"]["kind"].to_pylist()
    sent = [(m["kind"], m["bytes"]) for m in made["messages"].to_pylist()]
    assert sorted(sent) == [("request", 0), ("response", 0), ("tcp", 3), ("tcp", 9)]
