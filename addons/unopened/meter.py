"""Octets of a client's connection as they pass its socket, when the last came, and who ended it: mitmproxy tells of
none of these."""

from __future__ import annotations

import errno
import time
from typing import Any

from mitmproxy import connection, ctx


class Meter:
    """Octets of a client's connection as they pass its socket, and how it ended."""

    def __init__(self) -> None:
        self.received = self.sent = 0
        self.last_received = self.last_sent = time.monotonic()
        self.ended_by: str | None = None
        """``client``, or ``proxy`` where it was not the client; None while it stands."""
        self.reset = False

    def silence(self) -> float:
        """Seconds since the client said something, or since we did: what came later."""
        return time.monotonic() - max(self.last_received, self.last_sent)

    def broke(self, error: BaseException) -> None:
        """The client is gone, as the system says when it is read from or written to. Of a client that has closed, and
        is written to once more, it says EPIPE; ECONNRESET only of one that reset what stood (Linux, tcp_reset)."""
        self.ended_by = self.ended_by or "client"
        self.reset = self.reset or getattr(error, "errno", None) == errno.ECONNRESET


class _Reader:
    """A client's reader that counts."""

    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    async def read(self, n: int) -> bytes:
        meter = self._meter
        try:
            data: bytes = await self._inner.read(n)
        except OSError as error:
            meter.broke(error)
            raise
        except BaseException:
            # mitmproxy cancels this before it closes: the client's end may have come by then, and not been read yet.
            at_eof, broken = getattr(self._inner, "at_eof", None), getattr(self._inner, "exception", None)
            if broken is not None and (reason := broken()) is not None:
                meter.broke(reason)
            meter.ended_by = meter.ended_by or ("client" if at_eof is not None and at_eof() else "proxy")
            raise
        if data:
            meter.received += len(data)
            meter.last_received = time.monotonic()
        else:
            meter.ended_by = "client"
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Writer:
    """A client's writer that counts."""

    def __init__(self, inner: Any, meter: Meter) -> None:
        self._inner, self._meter = inner, meter
        self.is_closing = inner.is_closing

    async def drain(self) -> None:
        try:
            await self._inner.drain()
        except OSError as error:
            # While we still write; mitmproxy cancels our reader for it.
            self._meter.broke(error)
            raise

    def write(self, data: bytes) -> None:
        meter = self._meter
        meter.sent += len(data)
        meter.last_sent = time.monotonic()
        self._inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _handler(client: connection.Client) -> Any:
    proxy = ctx.master.addons.get("proxyserver")  # type: ignore[no-untyped-call]
    return proxy.connections.get(client.id) if proxy is not None else None


def awaited(client: connection.Client) -> connection.Server | None:
    """The server that the proxy tries to reach for this connection before it says more; None where there is none."""
    handler = _handler(client)
    for one in handler.transports if handler is not None else ():
        if not isinstance(one, connection.Server) or one.transport_protocol != "tcp" or one.via is not None:
            continue
        if one.timestamp_start is not None and one.timestamp_tcp_setup is None and one.error is None:
            return one
    return None


def measured(client: connection.Client) -> Meter | None:
    """A meter in the client's connection; None where mitmproxy keeps it elsewhere than this version does."""
    handler = _handler(client)
    transport = handler.transports.get(client) if handler is not None else None
    if transport is None or transport.reader is None or transport.writer is None:
        return None
    meter = Meter()
    transport.reader, transport.writer = _Reader(transport.reader, meter), _Writer(transport.writer, meter)
    return meter
