"""Record, for ``mitmdump -s`` and ``mitmweb -s``: what passes the proxy stands in a capture folder at once.

A flow is written to ``flows.mitm`` when it ends, before the client has its answer: what the client has whole survives
a kill. WebSocket, TCP and UDP messages, server-sent events and how far a streamed body has come go to
``messages.jsonl`` as they come, since their flows may end hours later. Beside this addon mitmproxy's own ``-w`` is not
needed; the dump is one that mitmproxy reads.

A body larger than ``lintas_body_limit`` is passed to the other end as it comes, and so is an answer of a kind that may
have no end (server-sent events, gRPC, live media), without which an app seems dead. Of such a body that much is kept;
its whole size and SHA-256 stand in the flow's metadata. Nothing here waits, and nothing that goes wrong here stops the
traffic: what could not be written is counted in the folder (``analysis.folder.writing``). With it comes the bound of
how many connections are open at once (``addons.bounded``).
"""

from __future__ import annotations

import asyncio
import binascii
import functools
import time
from typing import TYPE_CHECKING, Any, Literal

from mitmproxy import ctx
from mitmproxy.dns import DNSFlow
from mitmproxy.http import HTTPFlow, Message
from mitmproxy.log import ALERT
from mitmproxy.tcp import TCPFlow
from mitmproxy.udp import UDPFlow
from mitmproxy.utils import human

from addons.bounded.bounds import Bounds
from addons.recorded.bodies import INFLATES, Body, Direction, Head, WatchedRequest, WatchedResponse, settle
from addons.recorded.state import serialised
from addons.shared import add_folder_option, add_option, close, logger_of, opened, refuse
from analysis.folder.ciphertext import LATE, Seal, StartTls, ciphertext
from analysis.folder.writing import Writing

if TYPE_CHECKING:
    from mitmproxy.addonmanager import Loader
    from mitmproxy.connection import Client
    from mitmproxy.flow import Flow

logger = logger_of(__name__)

LIMIT = "10m"
"""What ``lintas_body_limit`` says where nobody says otherwise."""
_UNWRITTEN = 64 << 20
"""Octets of messages that are held for the dump where the journal could not take them (a full disk), in all flows."""
_END, _END_MOST = 0.05, 1.0
"""Seconds between two looks at a request that goes on behind its answer: the first time, and at most."""


class _Talk:
    """How far the messages of a WebSocket, TCP or UDP flow have been written."""

    def __init__(self, closed: bool) -> None:
        self.closed = closed
        """They are another's ciphertext, passed on: no messages, and the dump tells of them at their end."""
        self.watched = StartTls()
        self.seal: Seal | None = None
        """Where the client of a TCP flow that began in the clear began TLS."""
        self.sealed: dict[Direction, int] = {"sent": 0, "received": 0}
        """Octets from there on."""
        self.seen = 0
        self.counts: dict[Direction, int] = {"sent": 0, "received": 0}
        self.octets: dict[Direction, int] = {"sent": 0, "received": 0}
        self.held = 0
        """Octets that the flow holds in memory and the journal has."""
        self.forgotten = 0
        """Messages, from the flow's first on, whose octets it no longer holds where the journal has them."""
        self.unwritten: dict[int, int] = {}
        """Messages that the journal has not, by their place in the flow, and their octets: only the flow holds them."""
        self.gone: list[int] = []
        """Of each message whose octets the flow no longer holds, its place and its size."""


class Record:
    """Writes the capture folder ``lintas_folder``."""

    def __init__(self) -> None:
        self._out: Writing | None = None
        self._limit = 0
        self._streams_for_us = False
        self._open: dict[str, dict[str, Flow]] = {}
        """Flows that have begun and not ended, by their client's connection and their own id."""
        self._talks: dict[str, _Talk] = {}
        self._unwritten = 0
        """Octets of messages that only their flows hold."""
        self._told: set[str] = set()
        """Flows of which the journal says what they are."""

    def load(self, loader: Loader) -> None:
        add_folder_option(loader, logger)
        add_option(
            loader,
            logger,
            "lintas_body_limit",
            str,
            LIMIT,
            "Octets that are kept of a body, of a WebSocket or UDP message, and of each way of a TCP connection; the "
            "whole size is always recorded, and a body's SHA-256. A larger body is passed on as it comes "
            "(stream_large_bodies is set to this where nobody has set it). Understands k/m/g suffixes.",
        )

    def configure(self, updated: set[str]) -> None:
        if "lintas_body_limit" not in updated:
            return
        said = ctx.options.lintas_body_limit
        try:
            limit = human.parse_size(said)
        except ValueError:
            limit = None
        if limit is None or limit < 0:
            refuse(logger, f"lintas_body_limit is {said!r}; write a size like {LIMIT}.", self._out is not None)
            return
        self._limit = limit
        if self._streams_for_us:
            self._stream()

    def _stream(self) -> None:
        # In octets: mitmweb shows what stands there as a number.
        ctx.options.update(stream_large_bodies=str(self._limit))  # type: ignore[no-untyped-call]

    def running(self) -> None:
        if self._out is not None:
            return
        self._out = opened(logger)
        if self._out is None:
            return
        self._out.takes_flows = True
        if ctx.options.stream_large_bodies is None:
            self._streams_for_us = True
            self._stream()
        logger.log(ALERT, f"What passes is written to {self._out.path}.")

    def done(self) -> None:
        out = self._out
        if out is None:
            return
        for flows in list(self._open.values()):
            for flow in list(flows.values()):
                self._finish(flow)
        self._out = None
        close(out, logger)

    # ------------------------------------------------------------------------------------------------- HTTP

    def requestheaders(self, flow: HTTPFlow) -> None:
        # What is not live was read from a file.
        if flow.live:
            self._begin(flow)
            self._watch(flow, flow.request, WatchedRequest, "sent")

    def responseheaders(self, flow: HTTPFlow) -> None:
        if flow.live and flow.response is not None:
            ended = flow.response.timestamp_end
            if ended is not None and flow.response.timestamp_start > ended:
                # An answer that has its end already was made by another addon; where it stands in place of the
                # server's, its beginning is not newer than that.
                flow.metadata["lintas_answered_here"] = True
            self._watch(flow, flow.response, WatchedResponse, "received")

    def request(self, flow: HTTPFlow) -> None:
        if flow.response is not None and flow.response.timestamp_end is not None and flow.request.stream:
            # The answer had come whole before the end of what was sent.
            self._finish(flow)

    def response(self, flow: HTTPFlow) -> None:
        if flow.websocket is not None:
            if flow.live:
                self._tell(flow, "websocket")
        elif flow.request.timestamp_end is not None or not flow.request.stream:
            self._finish(flow)
        else:
            self._watch_end(flow.client_conn.id, flow.id, _END)

    def error(self, flow: HTTPFlow) -> None:
        self._finish(flow)

    def websocket_message(self, flow: HTTPFlow) -> None:
        if flow.websocket is not None:
            self._messages(flow, "websocket", flow.websocket.messages)

    def websocket_end(self, flow: HTTPFlow) -> None:
        self._finish(flow)

    def _watch_end(self, connection: str, name: str, pause: float) -> None:
        """The answer came whole before the request, as a gRPC server's may: of a client that then breaks its request
        off mitmproxy tells nothing, but that the flow is not live any more."""
        flow = self._open.get(connection, {}).get(name)
        if flow is None:
            return
        if flow.live:
            again = min(2 * pause, _END_MOST)
            asyncio.get_running_loop().call_later(pause, self._watch_end, connection, name, again)
        else:
            self._finish(flow)

    def _watch(self, flow: HTTPFlow, message: Message, watched: type[Any], direction: Direction) -> None:
        """Before a body comes: it is streamed where it is live or too large, and recorded however it is streamed."""
        head = Head(message)
        wished = message.stream
        message.__class__ = watched
        vars(message)["lintas_body"] = functools.partial(self._body, flow, direction, head)
        if wished or head.is_live(direction) or (head.length or 0) > self._limit:
            if direction == "sent" and flow.response is not None:
                # Another addon answers by itself: mitmproxy cannot stream what nobody is to have.
                return
            vars(message).pop("stream", None)
            message.stream = wished or True
            if direction == "received":
                self._tell(flow, "http")

    def _body(self, flow: HTTPFlow, direction: Direction, head: Head) -> Body:
        """A body of this flow. It does not hold the flow, which holds it."""
        connection, name = flow.client_conn.id, flow.id
        count = iter(range(1 << 62))

        def out() -> Writing | None:
            known = self._open.get(connection, {}).get(name)
            if known is None:
                return None
            self._tell(known, "http")
            return self._out

        def tell(size: int) -> None:
            if (place := out()) is not None:
                place.line(flow=name, at=_now(), type="progress", direction=direction, bytes=size)

        def event(message: bytes) -> None:
            if out() is not None:
                self._line(name, direction, next(count), "sse", message, len(message), _now())

        is_events = head.type.startswith(b"text/event-stream") and head.coding in (b"", b"identity", *INFLATES)
        return Body(self._limit, tell, event if is_events else None, head.coding in INFLATES)

    # -------------------------------------------------------------------------------------- TCP, UDP and DNS

    def tcp_start(self, flow: TCPFlow) -> None:
        self._begin(flow)

    def tcp_message(self, flow: TCPFlow) -> None:
        self._messages(flow, "tcp", flow.messages)

    def tcp_end(self, flow: TCPFlow) -> None:
        self._finish(flow)

    def tcp_error(self, flow: TCPFlow) -> None:
        self._finish(flow)

    def udp_start(self, flow: UDPFlow) -> None:
        self._begin(flow)

    def udp_message(self, flow: UDPFlow) -> None:
        self._messages(flow, "udp", flow.messages)

    def udp_end(self, flow: UDPFlow) -> None:
        self._finish(flow)

    def udp_error(self, flow: UDPFlow) -> None:
        self._finish(flow)

    def dns_request(self, flow: DNSFlow) -> None:
        self._begin(flow)

    def dns_response(self, flow: DNSFlow) -> None:
        self._finish(flow)

    def dns_error(self, flow: DNSFlow) -> None:
        self._finish(flow)

    def client_disconnected(self, client: Client) -> None:
        """What was asked and never answered ends here. TCP and UDP flows end when the server's side has, too."""
        for flow in list(self._open.get(client.id, {}).values()):
            if isinstance(flow, (HTTPFlow, DNSFlow)):
                self._finish(flow)

    # ------------------------------------------------------------------------------------------- the journal

    def _tell(self, flow: Flow, kind: str) -> None:
        """The line that says what a flow is, before the first other line of it."""
        if self._out is None or flow.id in self._told:
            return
        self._told.add(flow.id)
        client, server = flow.client_conn, flow.server_conn
        keys: dict[str, Any] = {
            "kind": kind,
            "connection": client.id,
            "client": _end(client.peername),
            "server": _end(server.address if server.via else server.peername or server.address),
            "address": server.address[0] if server.address else None,
            "sni": client.sni,
            "tls": client.tls_version,
        }
        if isinstance(flow, HTTPFlow):
            asked = flow.request
            keys |= {"host": asked.pretty_host, "method": asked.method, "scheme": asked.scheme, "target": asked.path}
        self._out.line(flow=flow.id, at=_now(), type="flow", **keys)

    def _messages(self, flow: Flow, kind: Literal["websocket", "tcp", "udp"], messages: list[Any]) -> None:
        """Write the messages that have come since the last look."""
        if self._out is None or not flow.live:
            return
        talk = self._talks.get(flow.id)
        if talk is None:
            first = messages[0]
            closed = kind != "websocket" and ciphertext(kind, first.from_client, first.content) is not None
            talk = self._talks[flow.id] = _Talk(closed)
            self._begin(flow)
            if not closed:
                self._tell(flow, kind)
        for place, message in enumerate(messages[talk.seen :], talk.seen):
            size = len(message.content)
            if self._one(flow.id, kind, message, talk):
                talk.held += size
            else:
                talk.unwritten[place] = size
                self._unwritten += size
            if talk.seal is not None:
                self._sealed(flow.id, talk, round(message.timestamp * 1e6))
        talk.seen = len(messages)
        self._forget(messages, talk)

    def _forget(self, messages: list[Any], talk: _Talk) -> None:
        """What the journal holds need not stay in memory for hours; what it does not is for the dump, as far as memory
        goes. The last message is not yet passed on."""
        last = talk.seen - 1
        while talk.held > self._limit and talk.forgotten < last:
            if talk.forgotten not in talk.unwritten:
                talk.held -= _emptied(messages, talk, talk.forgotten)
            talk.forgotten += 1
        while self._unwritten > _UNWRITTEN and (place := next(iter(talk.unwritten), last)) < last:
            del talk.unwritten[place]
            self._unwritten -= _emptied(messages, talk, place)

    def _one(self, flow: str, kind: str, message: Any, talk: _Talk) -> bool:
        """Write a message; whether nothing of it need be kept for the dump."""
        direction: Direction = "sent" if message.from_client else "received"
        index, before, size = talk.counts[direction], talk.octets[direction], len(message.content)
        talk.counts[direction] += 1
        talk.octets[direction] += size
        if talk.closed or getattr(message, "injected", False):
            return True
        most = self._limit
        if kind == "tcp":
            # TCP has no messages but octets: of them a connection's way keeps as much as a body.
            most = max(self._limit - before, 0)
            clear = talk.watched.seals(message.from_client, message.content)
            if clear is not None:
                talk.seal = talk.seal or Seal(index, talk.counts["received"])
                talk.sealed[direction] += size - clear
                if not clear:
                    return True
                most, size = min(most, clear), clear
        return self._line(flow, direction, index, kind, message.content[:most], size, round(message.timestamp * 1e6))

    def _sealed(self, flow: str, talk: _Talk, at: int) -> None:
        """How many octets have come since the client began TLS: they are no messages, and count from here."""
        if self._out is not None and talk.seal is not None:
            since, octets = [talk.seal.sent, talk.seal.received], talk.sealed
            told = {"cause": LATE, "since": since, "bytes_out": octets["sent"], "bytes_in": octets["received"]}
            self._out.line(flow=flow, at=at, type="sealed", **told)

    def _line(self, flow: str, direction: Direction, index: int, kind: str, data: bytes, size: int, at: int) -> bool:
        if self._out is None:
            return False
        coded = binascii.b2a_base64(data, newline=False).decode() if data or not size else None
        return self._out.line(flow=flow, at=at, direction=direction, index=index, kind=kind, size=size, data=coded)

    # ----------------------------------------------------------------------------------------------- the dump

    def has_open(self, connection: str) -> bool:
        """Whether on that client's connection something has begun and not ended."""
        return bool(self._open.get(connection))

    def _begin(self, flow: Flow) -> None:
        if flow.live:
            self._open.setdefault(flow.client_conn.id, {})[flow.id] = flow

    def _finish(self, flow: Flow) -> None:
        """Write a flow whole, once."""
        flows = self._open.get(flow.client_conn.id, {})
        if flow.id not in flows or self._out is None:
            return
        talk = self._talks.pop(flow.id, None)
        if talk is not None:
            self._unwritten -= sum(talk.unwritten.values())
            if talk.gone:
                flow.metadata["lintas_forgotten"] = talk.gone
        try:
            if isinstance(flow, HTTPFlow):
                settle(flow, self._limit)
            self._out.flow(*serialised(flow, self._limit))
        except Exception as error:
            # Another addon may have put anything into a flow.
            logger.warning(f"A flow could not be recorded ({type(error).__name__}); it is counted in the folder.")
            self._out.event("lost", cause="not_serialised", flows=1)
        if talk is not None and talk.forgotten:
            if talk.closed:
                self._passed(flow, talk)
            # Once more: on a full disk the last lines may not have come to stand, and the dump has not all.
            self._sealed(flow.id, talk, _now())
        self._told.discard(flow.id)
        del flows[flow.id]
        if not flows:
            self._open.pop(flow.client_conn.id, None)

    def _passed(self, flow: Flow, talk: _Talk) -> None:
        """Ciphertext of which not all is in the dump: its octets are told, and count there alone."""
        client, server = flow.client_conn, flow.server_conn
        assert self._out is not None
        self._out.event(
            "connection",
            at=round(client.timestamp_start * 1e6),
            end=_now(),
            kind="sealed",
            cause="passed_through",
            connection=client.id,
            client=_end(client.peername),
            server=_end(server.peername),
            host=server.address[0] if server.address else None,
            sni=client.sni,
            transport=client.transport_protocol,
            way=client.proxy_mode.type_name,
            bytes_out=talk.octets["sent"],
            bytes_in=talk.octets["received"],
        )


def _emptied(messages: list[Any], talk: _Talk, place: int) -> int:
    """Forget a message's octets, and note how many they were."""
    size = len(messages[place].content)
    if size:
        messages[place].content = b""
        talk.gone += [place, size]
    return size


def _end(address: Any) -> list[Any] | None:
    return [address[0], address[1]] if address else None


def _now() -> int:
    return time.time_ns() // 1000


_record = Record()
addons = [_record, Bounds(_record.has_open)]
