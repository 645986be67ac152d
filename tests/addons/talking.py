"""Clients of the tests of *record*: they know octet for octet what they sent and what they received."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import wsproto
from mitmproxy.exceptions import FlowReadException
from mitmproxy.flow import Flow
from mitmproxy.io import FlowReader
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Message, Request, TextMessage

from tests.addons.refusing import Proxy, tunnel
from tests.addons.served import HOST
from tests.loopback import NET


def client(proxy: Proxy) -> http.client.HTTPConnection:
    """A connection to the proxy, which is asked for whole URLs."""
    return http.client.HTTPConnection(f"{NET}.1", proxy.port, timeout=20)


def ask(proxy: Proxy, method: str, url: str, body: Any = None, **fields: str) -> bytes:
    """One request over a connection of its own, and the answer's body."""
    connection = client(proxy)
    try:
        connection.request(method, url, body, headers=fields, encode_chunked="Transfer-Encoding" in fields)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        return answer.read()
    finally:
        connection.close()


class Chatter:
    """A WebSocket through the proxy."""

    def __init__(self, proxy: Proxy, port: int) -> None:
        self.received: list[bytes] = []
        self._socket: socket.socket = tunnel(proxy, f"{HOST}:{port}")
        self._socket.settimeout(20)
        self._connection = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._events: list[wsproto.events.Event] = []
        self._send(Request(host=f"{HOST}:{port}", target="/chat?room=1"))
        assert isinstance(self._next(), AcceptConnection)

    def say(self, content: str | bytes) -> None:
        self._send(TextMessage(content) if isinstance(content, str) else BytesMessage(content))

    def hear(self) -> bytes:
        """The next whole message."""
        parts = []
        while True:
            event = self._next()
            assert isinstance(event, Message), event
            parts.append(event.data.encode() if isinstance(event.data, str) else bytes(event.data))
            if event.message_finished:
                self.received.append(b"".join(parts))
                return self.received[-1]

    def close(self) -> None:
        self._send(CloseConnection(1000))
        assert isinstance(self._next(), CloseConnection)
        self._socket.close()

    def vanish(self) -> None:
        self._socket.close()

    def _send(self, event: wsproto.events.Event) -> None:
        self._socket.sendall(self._connection.send(event))

    def _next(self) -> wsproto.events.Event:
        while not self._events:
            data = self._socket.recv(1 << 16)
            self._connection.receive_data(data or None)
            self._events += list(self._connection.events())
        return self._events.pop(0)


def dumped(folder: Path) -> list[Flow]:
    """The flows of the dump, as mitmproxy reads them."""
    with (folder / "flows.mitm").open("rb") as file:
        return list(FlowReader(file).stream())


def dumped_so_far(folder: Path) -> list[Flow]:
    """The flows that stand whole in a dump that is still written: a large flow may be there in part when it is looked
    at, since no reader waits for a writer."""
    flows: list[Flow] = []
    try:
        with (folder / "flows.mitm").open("rb") as file:
            for flow in FlowReader(file).stream():
                flows.append(flow)  # noqa: PERF402 - what came before it breaks off is kept
    except (FileNotFoundError, FlowReadException):
        pass  # not yet
    return flows


def journal(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """The lines of the journal so far; of the messages, those of one kind."""
    place = folder / "messages.jsonl"
    whole = place.read_bytes().split(b"\n")[:-1] if place.exists() else []
    made = [json.loads(line) for line in whole]
    return made if kind is None else [line for line in made if line.get("type", "message") == kind]
