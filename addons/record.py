"""Record, for ``mitmdump -s`` and ``mitmweb -s``: what passes the proxy stands in a capture folder at once.

A flow is written to ``flows.mitm`` when it ends, before the client has its answer: what the client has whole survives
a kill. WebSocket, TCP and UDP messages, server-sent events and how far a streamed body has come go to
``messages.jsonl`` as they come, since their flows may end hours later. Beside this addon mitmproxy's own ``-w`` is not
needed; the dump is one that mitmproxy reads.

A body larger than ``lintas_body_limit`` is passed to the other end as it comes, and so is an answer of a kind that may
have no end (server-sent events, gRPC, live media), without which an app seems dead. Of such a body that much is kept;
its whole size and SHA-256 stand in the flow's metadata. Nothing here waits, and nothing that goes wrong here stops the
traffic: what could not be written is counted in the folder (``analysis.folder.writing``).

What mitmproxy's ``-w`` costs is the making of a flow's state. Here it is made once, and what stays the same from flow
to flow (connections, certificates) is kept as octets. They are the octets that mitmproxy would write.
"""

from __future__ import annotations

import asyncio
import binascii
import dataclasses
import functools
import hashlib
import logging
import operator
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from mitmproxy import ctx, exceptions, version
from mitmproxy.dns import DNSFlow
from mitmproxy.http import HTTPFlow, Message, Request, Response
from mitmproxy.log import ALERT
from mitmproxy.tcp import TCPFlow
from mitmproxy.udp import UDPFlow
from mitmproxy.utils import human

from analysis.folder import sse
from analysis.folder.ciphertext import ciphertext
from analysis.folder.tnetstring import dictionary, dumps, octets, writable
from analysis.folder.writing import OPTION, OPTION_HELP, Writing, writing
from analysis.model import InputError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from mitmproxy.addonmanager import Loader
    from mitmproxy.connection import Client, Connection
    from mitmproxy.flow import Flow

logger = logging.getLogger(__name__)

LIMIT = "10m"
"""What ``lintas_body_limit`` says where nobody says otherwise."""

Direction = Literal["sent", "received"]


# ------------------------------------------------------------------------------------------------ a flow as octets

_FORMAT = 21
"""The version of the dump's format whose states are made here. Those of another version, mitmproxy makes."""

Parts = Iterable[bytes]


def serialised(flow: Flow, limit: int) -> list[bytes]:
    """What mitmproxy's ``-w`` writes of a flow, in pieces: a tnetstring of ``flow.get_state()``. Bodies are cut at
    ``limit`` octets, and metadata says of what size and SHA-256 they were. Raises ValueError where the flow holds a
    value that cannot be written."""
    metadata, bodies = flow.metadata, {}
    if isinstance(flow, HTTPFlow):
        for half, message in (("request", flow.request), ("response", flow.response)):
            content = None if message is None else message.data.content
            if content is not None and len(content) > limit:
                size, sha256 = len(content), hashlib.sha256(content).hexdigest()
                metadata = {**metadata, f"lintas_{half}_size": size, f"lintas_{half}_sha256": sha256}
                content = content[:limit]
            bodies[half] = content
    metadata = writable(metadata)
    own = _own(flow, bodies) if version.FLOW_FORMAT_VERSION == _FORMAT and not getattr(flow, "_backup", None) else None
    if own is not None:
        return _gathered(dictionary([*_common(flow, metadata), *own]))
    state = flow.get_state()
    state["metadata"] = metadata
    for half, content in bodies.items():
        if state[half] is not None:
            state[half]["content"] = content
    return [dumps(state)]


_LARGE = 1 << 16
"""Octets from which on a part is not copied."""


def _gathered(parts: list[bytes]) -> list[bytes]:
    """The same octets in few pieces, of which the large ones are not copied."""
    made: list[bytes] = []
    start = 0
    for n, part in enumerate(parts):
        if len(part) >= _LARGE:
            made += [b"".join(parts[start:n]), part]
            start = n + 1
    made.append(b"".join(parts[start:]))
    return made


def _common(flow: Flow, metadata: dict[Any, Any]) -> list[tuple[bytes, Parts]]:
    """The items that a flow of any type has, in the order of its state."""
    return [
        (_key("version"), (dumps(_FORMAT),)),
        (_key("type"), (_key(flow.type),)),
        (_key("id"), (dumps(flow.id),)),
        (_key("error"), (dumps(flow.error.get_state() if flow.error else None),)),
        (_key("client_conn"), (_connection(flow.client_conn),)),
        (_key("server_conn"), (_connection(flow.server_conn),)),
        (_key("intercepted"), (dumps(flow.intercepted),)),
        (_key("is_replay"), (dumps(flow.is_replay),)),
        (_key("marked"), (dumps(flow.marked),)),
        (_key("metadata"), (dumps(metadata),)),
        (_key("comment"), (dumps(flow.comment),)),
        (_key("timestamp_created"), (dumps(flow.timestamp_created),)),
        (_key("backup"), (dumps(None),)),
    ]


def _own(flow: Flow, bodies: dict[str, bytes | None]) -> list[tuple[bytes, Parts]] | None:
    """The items of a flow's own type, or None for a type that is not known here."""
    if isinstance(flow, HTTPFlow):
        websocket = flow.websocket.get_state() if flow.websocket else None
        return [
            (_key("request"), _message(flow.request, bodies["request"])),
            (_key("response"), _message(flow.response, bodies["response"])),
            (_key("websocket"), (dumps(websocket),)),
        ]
    if isinstance(flow, (TCPFlow, UDPFlow)):
        return [(_key("messages"), (dumps([m.get_state() for m in flow.messages]),))]  # type: ignore[no-untyped-call]
    if isinstance(flow, DNSFlow):
        answer = flow.response.get_state() if flow.response else None
        return [(_key("request"), (dumps(flow.request.get_state()),)), (_key("response"), (dumps(answer),))]
    return None


def _message(message: Message | None, body: bytes | None) -> Parts:
    if message is None:
        return (dumps(None),)
    items: list[tuple[bytes, Parts]] = []
    for name, value in vars(message.data).items():
        if name == "content":
            items.append((_key(name), (dumps(None),) if body is None else octets(body)))
        elif name in ("headers", "trailers") and value is not None:
            items.append((_key(name), (dumps(value.fields),)))
        else:
            items.append((_key(name), (dumps(value),)))
    return dictionary(items)


def _connection(connection: Connection) -> bytes:
    """A connection's state. Its octets are kept with the connection for as long as nothing in it changes."""
    names, values_of = _fields(type(connection))
    values = values_of(connection)
    kept: tuple[Any, bytes] | None = vars(connection).get("lintas_kept")
    if kept is not None and kept[0] == values:
        return kept[1]
    items = [(_key(name), (_value(name, value),)) for name, value in zip(names, values, strict=True)]
    made = b"".join(dictionary(items))
    vars(connection)["lintas_kept"] = (values, made)
    return made


@functools.cache
def _fields(kind: type[Any]) -> tuple[list[str], Callable[[Any], tuple[Any, ...]]]:
    names = [f.name for f in dataclasses.fields(kind) if f.metadata.get("serialize", True)]
    return names, operator.attrgetter(*names)


def _value(name: str, value: Any) -> bytes:
    if name == "certificate_list":
        return dumps([_pem(c.to_cryptography()) for c in value])
    if name == "mitmcert" and value is not None:
        return dumps(_pem(value.to_cryptography()))
    if name.startswith("timestamp") and value is not None:
        return dumps(float(value))
    return dumps(value.get_state() if hasattr(value, "get_state") else value)


@functools.lru_cache(1024)
def _pem(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


_key = functools.cache(dumps)
"""Names that come again and again."""


# -------------------------------------------------------------------------------------------- bodies that stream

_PROGRESS_OCTETS, _PROGRESS_SECONDS = 1 << 20, 0.05
"""A line tells how far a streamed body has come: after this many octets, and this long after any at the latest."""
_INFLATED = 1 << 20
"""Octets that are made of a coded stream at a time."""
_ANY_HEADER = 47
"""zlib: the header says whether it is gzip or zlib."""

Piece = Iterable[bytes] | bytes


class Body:
    """A body on its way through: counted and hashed, its beginning kept. mitmproxy calls it for each piece, and at
    the end with none.

    ``tell`` is called with the size so far; ``event`` instead, with each whole event, where the body is a stream of
    them and ``inflates`` says whether it is coded (gzip or deflate)."""

    def __init__(
        self,
        limit: int,
        tell: Callable[[int], None],
        event: Callable[[bytes], None] | None = None,
        inflates: bool = False,
    ) -> None:
        self.size = 0
        self.events = 0
        self.others: Callable[[bytes], Piece] | None = None
        """What another addon wants done with each piece."""
        self._limit, self._tell, self._event = limit, tell, event
        self._kept, self._hash = bytearray(), hashlib.sha256()
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None
        self._splitter = sse.Splitter()
        self._inflater = zlib.decompressobj(wbits=_ANY_HEADER) if inflates else None

    def __call__(self, data: bytes) -> Piece:
        try:
            if data:
                self._add(data)
            else:
                self.end()
        except Exception:
            # mitmproxy would end the connection: what is only recorded must not.
            logger.exception("A streamed body is passed on and no longer recorded.")
            self._event = None
        return data if self.others is None else self.others(data)

    def _add(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)
        if len(self._kept) < self._limit:
            self._kept += data[: self._limit - len(self._kept)]
        if self._event is not None:
            self._split(data)
        elif self.size - self._told >= _PROGRESS_OCTETS:
            self._progress()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PROGRESS_SECONDS, self._progress)

    def _split(self, data: bytes) -> None:
        try:
            for plain in self._inflated(data) if self._inflater is not None else (data,):
                for message in self._splitter.feed(plain):
                    self._one(message)
        except zlib.error:
            # It is not what its head calls it: from here on it is a body like any other. Where events came before,
            # what follows them is one that nobody has.
            self._event = None
            self.events += self.events > 0

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        while data:
            assert self._inflater is not None
            yield self._inflater.decompress(data, _INFLATED)
            data = self._inflater.unconsumed_tail
            if self._inflater.eof:
                # Several members in a row (RFC 1952 section 2.2).
                data, self._inflater = self._inflater.unused_data, zlib.decompressobj(wbits=_ANY_HEADER)

    def _one(self, message: bytes) -> None:
        assert self._event is not None
        self.events += 1
        self._event(message)

    def _progress(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._told != self.size:
            self._told = self.size
            self._tell(self.size)

    def end(self) -> None:
        """Nothing more comes. May be called again."""
        if self._event is None:
            self._progress()
        elif rest := self._splitter.rest():
            self._one(rest)

    def settle(self, message: Message, metadata: dict[Any, Any], half: str) -> None:
        """Put what was kept into the flow, and into its metadata of what it is the beginning."""
        self.end()
        if message.data.content is None:
            message.data.content = bytes(self._kept)
        metadata[f"lintas_{half}_size"] = self.size
        metadata[f"lintas_{half}_sha256"] = self._hash.hexdigest()
        if self.events:
            metadata[f"lintas_{half}_events"] = self.events


class _Watched:
    """A request or response whose body is recorded also where it is streamed: at mitmproxy's own wish (larger than
    ``stream_large_bodies``, which shows late where nobody stated a length) or another addon's."""

    @property
    def stream(self) -> Any:
        return self.__dict__.get("stream", False)

    @stream.setter
    def stream(self, value: Any) -> None:
        make = self.__dict__.get("lintas_body")
        if value and make is not None and not isinstance(value, Body):
            body = self.__dict__.get("stream") or make()
            body.others = value if callable(value) else None
            value = body
        self.__dict__["stream"] = value


class WatchedRequest(_Watched, Request):
    """Takes the place of a request's class: mitmproxy asks it for nothing else."""


class WatchedResponse(_Watched, Response):
    """The same of a response."""


_LIVE = (
    b"text/event-stream",
    b"application/grpc",
    b"application/x-ndjson",
    b"application/stream+json",
    b"multipart/x-mixed-replace",
)
"""Content types whose pieces mean something before the end, which may never come."""
_MEDIA = (b"audio/", b"video/")
"""They too, where no length is stated."""
_INFLATES = (b"gzip", b"x-gzip", b"deflate")


class _Head:
    """What a head says of the body behind it."""

    __slots__ = ("coding", "length", "type")

    def __init__(self, message: Message) -> None:
        self.length: int | None = None
        self.type = self.coding = b""
        for name, value in message.data.headers.fields:
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                self.length = int(value) if value.isdigit() and len(value) < 16 else None
            elif size == 12 and name.lower() == b"content-type":
                self.type = value.strip().lower()
            elif size == 16 and name.lower() == b"content-encoding":
                self.coding = value.strip().lower()

    def is_live(self, direction: Direction) -> bool:
        if direction == "sent":
            # A call of gRPC may go on asking while it is answered; one of gRPC-Web asks once.
            return self.type.startswith(b"application/grpc") and not self.type.startswith(b"application/grpc-web")
        return self.type.startswith(_LIVE) or (self.length is None and self.type.startswith(_MEDIA))


# ----------------------------------------------------------------------------------------------------- the addon


class _Talk:
    """How far the messages of a WebSocket, TCP or UDP flow have been written."""

    def __init__(self, closed: bool) -> None:
        self.closed = closed
        """They are another's ciphertext, passed on: no messages, and the dump tells of them at their end."""
        self.seen = 0
        self.counts: dict[Direction, int] = {"sent": 0, "received": 0}
        self.octets: dict[Direction, int] = {"sent": 0, "received": 0}
        self.held = 0
        """Octets that the flow holds in memory."""
        self.forgotten = 0
        """Messages, from the flow's first on, whose octets it no longer holds."""


class Record:
    """Writes the capture folder ``lintas_folder``."""

    def __init__(self) -> None:
        self._out: Writing | None = None
        self._limit = 0
        self._streams_for_us = False
        self._open: dict[str, dict[str, Flow]] = {}
        """Flows that have begun and not ended, by their client's connection and their own id."""
        self._talks: dict[str, _Talk] = {}
        self._told: set[str] = set()
        """Flows of which the journal says what they are."""

    def load(self, loader: Loader) -> None:
        loader.add_option(OPTION, str, "", OPTION_HELP)
        loader.add_option(
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
            raise exceptions.OptionsError(f"lintas_body_limit is {said!r}; write a size like {LIMIT}.")  # type: ignore[no-untyped-call]
        self._limit = limit
        if self._streams_for_us:
            ctx.options.update(stream_large_bodies=said)  # type: ignore[no-untyped-call]

    def running(self) -> None:
        if self._out is not None:
            return
        try:
            self._out = writing(ctx.options.lintas_folder)
        except InputError as error:
            logger.error(str(error))
            ctx.master.shutdown()  # type: ignore[no-untyped-call]
            return
        self._out.on_trouble(logger.warning)
        if ctx.options.stream_large_bodies is None:
            self._streams_for_us = True
            ctx.options.update(stream_large_bodies=ctx.options.lintas_body_limit)  # type: ignore[no-untyped-call]
        logger.log(ALERT, f"What passes is written to {self._out.path}.")

    def done(self) -> None:
        out = self._out
        if out is None:
            return
        for flows in list(self._open.values()):
            for flow in list(flows.values()):
                self._finish(flow)
        self._out, counts = None, out.counts
        out.release()
        if lost := counts.lost_flows + counts.lost_messages + counts.lost_events:
            logger.warning(f"{out.path} lacks {lost} flows, messages and events; they are counted there.")

    # ------------------------------------------------------------------------------------------------- HTTP

    def requestheaders(self, flow: HTTPFlow) -> None:
        # What is not live was read from a file.
        if flow.live:
            self._begin(flow)
            self._watch(flow, flow.request, WatchedRequest, "sent")

    def responseheaders(self, flow: HTTPFlow) -> None:
        if flow.live and flow.response is not None:
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

    def error(self, flow: HTTPFlow) -> None:
        self._finish(flow)

    def websocket_message(self, flow: HTTPFlow) -> None:
        if flow.websocket is not None:
            self._messages(flow, "websocket", flow.websocket.messages)

    def websocket_end(self, flow: HTTPFlow) -> None:
        self._finish(flow)

    def _watch(self, flow: HTTPFlow, message: Message, watched: type[Any], direction: Direction) -> None:
        """Before a body comes: it is streamed where it is live or too large, and recorded however it is streamed."""
        head = _Head(message)
        wished = message.stream
        message.__class__ = watched
        vars(message)["lintas_body"] = functools.partial(self._body, flow, direction, head)
        if wished or head.is_live(direction) or (head.length or 0) > self._limit:
            vars(message).pop("stream", None)
            message.stream = wished or True
            if direction == "received":
                self._tell(flow, "http")

    def _body(self, flow: HTTPFlow, direction: Direction, head: _Head) -> Body:
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

        is_events = head.type.startswith(b"text/event-stream") and head.coding in (b"", b"identity", *_INFLATES)
        return Body(self._limit, tell, event if is_events else None, head.coding in _INFLATES)

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
        for message in messages[talk.seen :]:
            self._one(flow.id, kind, message, talk)
        talk.seen = len(messages)
        # What the journal holds need not stay in memory for hours. The last message is not yet passed on.
        while talk.held > self._limit and talk.forgotten < talk.seen - 1:
            talk.held -= len(messages[talk.forgotten].content)
            messages[talk.forgotten].content = b""
            talk.forgotten += 1

    def _one(self, flow: str, kind: str, message: Any, talk: _Talk) -> None:
        direction: Direction = "sent" if message.from_client else "received"
        index, before, size = talk.counts[direction], talk.octets[direction], len(message.content)
        talk.counts[direction] += 1
        talk.octets[direction] += size
        talk.held += size
        if talk.closed or getattr(message, "injected", False):
            return
        # TCP has no messages but octets: of them a connection's way keeps as much as a body.
        most = max(self._limit - before, 0) if kind == "tcp" else self._limit
        self._line(flow, direction, index, kind, message.content[:most], size, round(message.timestamp * 1e6))

    def _line(self, flow: str, direction: Direction, index: int, kind: str, data: bytes, size: int, at: int) -> None:
        if self._out is not None:
            coded = binascii.b2a_base64(data, newline=False).decode() if data or not size else None
            self._out.line(flow=flow, at=at, direction=direction, index=index, kind=kind, size=size, data=coded)

    # ----------------------------------------------------------------------------------------------- the dump

    def _begin(self, flow: Flow) -> None:
        if flow.live:
            self._open.setdefault(flow.client_conn.id, {})[flow.id] = flow

    def _finish(self, flow: Flow) -> None:
        """Write a flow whole, once."""
        flows = self._open.get(flow.client_conn.id, {})
        if flow.id not in flows or self._out is None:
            return
        try:
            if isinstance(flow, HTTPFlow):
                _settle(flow)
            self._out.flow(*serialised(flow, self._limit))
        except Exception as error:
            # Another addon may have put anything into a flow.
            logger.warning(f"A flow could not be recorded ({type(error).__name__}); it is counted in the folder.")
            self._out.event("lost", cause="not_serialised", flows=1)
        talk = self._talks.pop(flow.id, None)
        if talk is not None and talk.closed and talk.forgotten:
            self._passed(flow, talk)
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
            bytes_out=talk.octets["sent"],
            bytes_in=talk.octets["received"],
        )


def _settle(flow: HTTPFlow) -> None:
    """What was kept of streamed bodies goes into the flow, and the flow is let go of."""
    for half, message in (("request", flow.request), ("response", flow.response)):
        if message is None:
            continue
        vars(message).pop("lintas_body", None)
        body = vars(message).get("stream")
        if isinstance(body, Body) and (body.size or message.data.content is None):
            body.settle(message, flow.metadata, half)


def _end(address: Any) -> list[Any] | None:
    return [address[0], address[1]] if address else None


def _now() -> int:
    return time.time_ns() // 1000


addons = [Record()]
