"""What is known of one connection of a client, and what it shows when it comes to nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.mode_specs import UpstreamMode

from addons.unopened.meter import Meter
from addons.unopened.passing import Passed
from addons.unopened.signals import Signal, alert_in, of_alert, reason_in

if TYPE_CHECKING:
    from mitmproxy import connection, tls
    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.layer import NextLayer

_CLOSED = ("connection closed", "The client disconnected during the handshake.")
"""How mitmproxy words a handshake in whose middle the connection ended."""
_RECEIVED_SHUTDOWN = 2
"""OpenSSL's flag of a connection whose other end has closed TLS or sent a fatal alert (SSL_get_shutdown)."""


class Seen:
    """What is known of one connection of a client."""

    def __init__(self, client: connection.Client, meter: Meter | None) -> None:
        self.client = client
        self.meter = meter
        self.context: Context | None = None
        self.stage = ""
        """``hello``, ``established`` or ``used`` of its TLS or QUIC; empty where it has neither."""
        self.quic = False
        self.name = ""
        self.asked_for_proofs = False
        self.hello: tls.ClientHelloData | None = None
        self.next: NextLayer | None = None
        self.opening = b""
        """Its first octets, kept only where an option of mitmproxy's may pass it on unopened."""
        self.before_in = self.before_out = 0
        """Octets of the connection that came before the server's own: what was said to the proxy itself."""
        self.established = 0.0
        """When its handshake was done, on the clock that nobody sets."""
        self.tls: Any = None
        self.alert: str | None = None
        """An alert that came behind the handshake."""
        self.signal: Signal | None = None
        self.passed: Passed | None = None
        self.gated = False
        """Its ClientHello came in pieces and was held until it was whole."""
        self.quic_refused = False
        self.server_failed = False
        self.answered = False
        """A server has answered a request on it."""
        self.has_flow = False
        """A flow of the dump, or of the journal, tells of it."""
        self.unreachable: dict[str, Unreached] = {}
        """Servers that could not be reached, by the id of the connection to them."""

    def octets(self) -> tuple[int | None, int | None]:
        """Octets from and to the client since what is the server's began."""
        if self.meter is None:
            return None, None
        return max(self.meter.received - self.before_in, 0), max(self.meter.sent - self.before_out, 0)

    def ended_by(self) -> str | None:
        """``client`` or ``proxy``; None where it stood until the recording ended."""
        if self.has_closed_tls():
            return "client"
        return self.meter.ended_by if self.meter is not None else None

    def failed(self, error: str, silence: float) -> Signal:
        """A handshake with the client that failed. ``silence``: seconds without a byte that make a stall."""
        alert = alert_in(error)
        if self.quic:
            return Signal("unread", "quic", alert and alert.replace(" ", "_"))
        if alert is not None:
            return of_alert(alert, self.asked_for_proofs)
        if error.startswith(_CLOSED):
            return self.broken_off(silence)
        return Signal("unread", "tls_failed", None, reason_in(error))

    def broken_off(self, silence: float) -> Signal:
        """A handshake that ended without an alert."""
        meter = self.meter
        by_client = meter is None or meter.ended_by == "client"
        _, answered = self.octets()
        if answered == 0:
            return Signal("unread", "client_abort" if by_client else "tls_failed", refuses=not by_client)
        if meter is not None and meter.silence() >= silence:
            return Signal("unread", "stall")
        if not by_client:
            return Signal("unread", "recording_ended", refuses=False)
        if meter is not None and meter.reset:
            return Signal("unread", "reset_during_handshake")
        return Signal("unread", "closed_during_handshake")

    def has_closed_tls(self) -> bool:
        """The client has ended its TLS, by an alert or by saying so."""
        return has_ended(self.tls)

    def unused(self, silence: float, was_opened: bool) -> Signal:
        """A handshake that was done, and no byte behind it. ``was_opened``: somebody at that address has sent something
        to that host before, so that it does not count towards passing the host through: what it shows of the app that
        closed it, the audit says."""
        if self.alert is not None:
            return of_alert(self.alert, self.asked_for_proofs)
        at_once = time.monotonic() - self.established < silence
        # The end of QUIC is no end of a connection below it: who brought it about is not seen.
        by_client = self.quic or self.ended_by() == "client"
        # Behind a server that failed there is nothing to say.
        if not at_once or not by_client or self.server_failed or (self.quic and was_opened):
            return Signal("unread", "unused", refuses=False)
        return Signal("unread", "quic" if self.quic else "closed_after_handshake", refuses=not was_opened)

    def server_is_silent(self, silence: float) -> bool:
        """The server took the connection and says nothing to the proxy's ClientHello: the phone waits for it."""
        server = self.context.server if self.context is not None else None
        if self.stage != "hello" or server is None or not server.tls or server.timestamp_tls_setup is not None:
            return False
        since = server.timestamp_tcp_setup
        return since is not None and time.time() - since >= silence

    def is_stalled(self, silence: float) -> bool:
        """It stands in its handshake without a word from the client."""
        if self.stage != "hello" or self.quic or self.signal is not None or self.meter is None:
            return False
        _, answered = self.octets()
        return bool(answered) and self.meter.silence() >= silence


def unasked(seen: Seen) -> Signal | None:
    """What a connection was on which something was said, and of which no flow tells; None where nothing is to be told.

    A request that was never whole, or that mitmproxy did not take for one, makes no flow. HTTP/2 without a stream is a
    connection in reserve (RFC 9113, section 3.4)."""
    http = [
        layer for layer in (seen.context.layers if seen.context is not None else ()) if isinstance(layer, HttpLayer)
    ]
    talk = http[-1].connections.get(seen.client) if http else None
    if isinstance(talk, Http1Server):
        return Signal("unread", "no_request", refuses=False) if talk.request is None and talk.stream_id == 1 else None
    if isinstance(talk, Http2Server):
        begun = talk.h2_conn.highest_inbound_stream_id
        return Signal("unread", "no_request" if begun else "unused", refuses=False)
    if http or seen.meter is None or not seen.meter.received:
        return None
    by_client = seen.meter.ended_by == "client"
    return Signal("unread", "client_abort" if by_client else "no_request", refuses=False)


def has_ended(tls: Any) -> bool:
    """The other end of this TLS (OpenSSL's, or None) has closed it, or sent a fatal alert."""
    return tls is not None and bool(tls.get_shutdown() & _RECEIVED_SHUTDOWN)


class Unreached(NamedTuple):
    server: connection.Server
    at: int
    sni: str | None
    cause: str


def host_of(server: connection.Server, sni: str) -> str:
    name = sni or (server.address[0] if server.address else "")
    return name.lower().rstrip(".")


def asked_for(seen: Seen, server: connection.Server) -> connection.Server | None:
    """The server that the client asked for, where the proxy spoke to ``server`` for it: another one where that is the
    proxy behind this one (mode upstream), and None where the client has not said yet."""
    mode = seen.client.proxy_mode
    if not isinstance(mode, UpstreamMode) or server.address != mode.address:
        return server
    asked = seen.context.server if seen.context is not None else None
    return asked if asked is not None and asked.address else None
