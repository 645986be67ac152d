"""What mitmproxy holds of a body that never came whole.

It gathers a body in the layer of its stream and puts it into the flow at its end. Where the end never comes, the flow
has none, and the stream is forgotten right behind the hook that tells of it. Then it is looked for here, so that a body
that ends well costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from mitmproxy import ctx
from mitmproxy.http import HTTPFlow
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestProtocolError,
    ResponseData,
    ResponseProtocolError,
)

Half = Literal["request", "response"]

_ENDS = (RequestProtocolError, ResponseProtocolError)


def held(flow: HTTPFlow, half: Half) -> bytes | None:
    """The octets that came of a body and were not handed on, as the stream of this flow holds them in a hook of it.

    None where that is not known: the stream is gone, did not take the body in, or hands it on as it comes."""
    try:
        stream = _stream(flow)
        return None if stream is None else _came(stream, half)
    except (AttributeError, TypeError):
        # Another mitmproxy.
        return None


def _came(stream: HttpStream, half: Half) -> bytes | None:
    state, message, piece, buffer = (
        (stream.client_state, stream.flow.request, RequestData, stream.request_body_buf)
        if half == "request"
        else (stream.server_state, stream.flow.response, ResponseData, stream.response_body_buf)
    )
    # What came while an addon or a connection was waited for.
    waits = stream._paused_event_queue  # noqa: SLF001 - there is no other way to it
    queued = [event for event in waits if isinstance(event, (piece, *_ENDS))]
    taken: bytes | None = None
    if state.__name__ == f"state_consume_{half}_body":
        taken = _taken_out(stream) if message is not None and message.stream else bytes(buffer)
    elif state.__name__ == f"state_wait_for_{half}_headers" and queued:
        taken = b""
    if taken is None:
        return None
    return b"".join([taken, *(event.data for event in queued if isinstance(event, piece))])


def _taken_out(stream: HttpStream) -> bytes | None:
    """Of a body that became too large to be held, what was held until then: mitmproxy has it in hand while it connects
    to the server, in a variable of its own."""
    paused = stream._paused  # noqa: SLF001 - there is no other way to it
    step: Any = None if paused is None else paused.generator
    while step is not None:
        taken = step.gi_frame.f_locals.get("body_buf")
        if isinstance(taken, bytes):
            return taken
        step = step.gi_yieldfrom
    return None


def _stream(flow: HTTPFlow) -> HttpStream | None:
    addons: Any = ctx.master.addons
    server = addons.get("proxyserver")
    handler = None if server is None else server.connections.get(flow.client_conn.id)
    if handler is None:
        return None
    return next((stream for stream in _streams(handler.layer) if getattr(stream, "flow", None) is flow), None)


def _streams(root: Any) -> Iterator[HttpStream]:
    """The streams of a client's connection, those within its tunnels too."""
    looked: set[int] = set()
    waiting = list(root.context.layers)
    while waiting:
        layer = waiting.pop()
        if id(layer) in looked:
            continue
        looked.add(id(layer))
        if isinstance(layer, HttpLayer):
            for stream in layer.streams.values():
                yield stream
                waiting += stream.context.layers
