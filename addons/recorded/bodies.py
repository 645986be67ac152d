"""Bodies on their way through: which are passed on as they come, and what is kept of those."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from mitmproxy.http import HTTPFlow, Message, Request, Response

from addons.recorded.held import Half, held
from addons.shared import logger_of
from analysis.folder import sse

logger = logger_of(__name__)

Direction = Literal["sent", "received"]

_PROGRESS_OCTETS, _PROGRESS_SECONDS = 1 << 20, 0.05
"""A line tells how far a streamed body has come: after this many octets, and this long after any at the latest."""
_INFLATED = 1 << 20
"""Octets that are made of a coded stream at a time."""
_FREE, _RATIO = 16 << 20, 200
"""Octets that may come of a coded stream, and beyond them for each coded octet. Who codes events one by one stays far
below; a stream that does not would hold the proxy up, and fill the disk, for a thousandth of what it sends."""

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
        self._failed = False
        self._timer: asyncio.TimerHandle | None = None
        self._splitter = sse.Splitter()
        self._inflater = zlib.decompressobj(wbits=sse.ANY_HEADER) if inflates else None
        self._inflated_size = 0

    def __call__(self, data: bytes) -> Piece:
        try:
            if data:
                self._add(data)
            else:
                self.end()
        except Exception as error:
            # mitmproxy would end the connection: what is only recorded must not.
            self._fail(error)
        return data if self.others is None else self.others(data)

    def _fail(self, error: Exception) -> None:
        """Said once; size, hash and beginning go on. What an error says may be of the body."""
        self._event = None
        if not self._failed:
            self._failed = True
            kind = type(error).__name__
            logger.error(f"A body that is passed on cannot be told of as it comes ({kind}); it is recorded at its end.")

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
            # It is not what its head calls it, or a bomb: from here on it is a body like any other. Where events came
            # before, what follows them is one that nobody has.
            self._event = None
            self.events += self.events > 0

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        while data:
            assert self._inflater is not None
            plain = self._inflater.decompress(data, _INFLATED)
            self._inflated_size += len(plain)
            if self._inflated_size > _FREE + _RATIO * self.size:
                raise zlib.error("more than any stream of events comes to")
            yield plain
            data = self._inflater.unconsumed_tail
            if self._inflater.eof:
                # Several members in a row (RFC 1952 section 2.2).
                data, self._inflater = self._inflater.unused_data, zlib.decompressobj(wbits=sse.ANY_HEADER)

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

    def settle(self, message: Message, metadata: dict[Any, Any], half: Half) -> None:
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
INFLATES = (b"gzip", b"x-gzip", b"deflate")


class Head:
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


def settle(flow: HTTPFlow, limit: int) -> None:
    """What was kept of bodies that were streamed, or broke off, goes into the flow, and the flow is let go of."""
    halves: tuple[tuple[Half, Message | None], ...] = (("request", flow.request), ("response", flow.response))
    for half, message in halves:
        if message is None:
            continue
        vars(message).pop("lintas_body", None)
        body = vars(message).get("stream")
        if isinstance(body, Body):
            if body.size or (message.data.content is None and not _broke_off(flow, half, message, limit)):
                body.settle(message, flow.metadata, half)
            # A replay of the flow begins anew.
            vars(message)["stream"] = False
        else:
            _broke_off(flow, half, message, limit)


def _broke_off(flow: HTTPFlow, half: Half, message: Message, limit: int) -> bool:
    """Of a body that did not end and was held back until then: what came of it, and that nobody was handed it."""
    if message.data.content is not None or message.timestamp_end is not None:
        return False
    came = held(flow, half)
    if came is None:
        return False
    message.data.content = came[:limit]
    flow.metadata[f"lintas_{half}_size"] = len(came)
    flow.metadata[f"lintas_{half}_sha256"] = hashlib.sha256(came).hexdigest()
    flow.metadata[f"lintas_{half}_held"] = True
    return True
