"""What takes the place of mitmproxy's layers for a connection that is not to be opened, or not yet known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mitmproxy.proxy import commands, events, layers
from mitmproxy.proxy.layer import CommandGenerator, Layer, NextLayer
from mitmproxy.proxy.layers.tls import parse_client_hello

if TYPE_CHECKING:
    from mitmproxy import connection
    from mitmproxy.proxy.context import Context

_TELL_AGAIN = 4 << 20
"""Octets passed through on one connection after which their count is written again."""


class Passed(layers.TCPLayer):
    """TCP that is passed on as it comes. Its octets are counted and no flow is made of them, so none is kept. At the
    first octet, and each time that many more have passed, it is told: the count survives a kill."""

    def __init__(self, context: Context, tell: Callable[[Passed], None]) -> None:
        super().__init__(context, ignore=True)
        self.sent = self.received = 0
        self._tell, self._tell_at = tell, 1

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            if event.connection == self.context.client:
                self.sent += len(event.data)
            else:
                self.received += len(event.data)
            if self.sent + self.received >= self._tell_at:
                self._tell_at = self.sent + self.received + _TELL_AGAIN
                self._tell(self)
        yield from super().handle_event(event)


class Gate(Layer):
    """Holds what a client says until its ClientHello is whole, and with it the host's name; then another layer has it.

    ``choose(data)`` gets the pieces so far and gives that layer, or None for "not yet"."""

    def __init__(self, context: Context, choose: Callable[[list[bytes]], Layer | None]) -> None:
        super().__init__(context)
        context.layers.remove(self)
        self._choose = choose
        self._held: list[events.Event] = []
        self._data: list[bytes] = []
        self._layer: Layer | None = None

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if self._layer is not None:
            yield from self._layer.handle_event(event)
            return
        self._held.append(event)
        if isinstance(event, events.ConnectionClosed) and event.connection == self.context.client:
            yield commands.CloseConnection(self.context.client)
        elif isinstance(event, events.DataReceived) and event.connection == self.context.client:
            self._data.append(event.data)
            self._layer = self._choose(self._data)
            if self._layer is not None:
                held, self._held, self._data = self._held, [], []
                if isinstance(self._layer, NextLayer):
                    held = _joined(held, self.context.client)
                for one in held:
                    yield from self._layer.handle_event(one)


def _joined(held: list[events.Event], client: connection.Client) -> list[events.Event]:
    """The same with all that the client said in one piece, where its first was: a NextLayer asks at each."""
    said = b"".join(e.data for e in held if isinstance(e, events.DataReceived) and e.connection == client)
    made: list[events.Event] = []
    for event in held:
        if not isinstance(event, events.DataReceived) or event.connection != client:
            made.append(event)
        elif said:
            made.append(events.DataReceived(client, said))
            said = b""
    return made


def name_in_tls(data: bytes) -> tuple[bool, str]:
    """Whether the ClientHello is whole, and the name that it asks for; what is none counts as whole."""
    try:
        hello = parse_client_hello(data)
    except ValueError:
        return True, ""
    return hello is not None, (hello.sni if hello is not None else None) or ""
