"""Opaque, for ``mitmdump -s`` and ``mitmweb -s``: the signals of what could not be opened, and hosts that refuse go on.

Each connection that the phone, or the server, would not have becomes one line of ``events.jsonl`` (its forms are in
``docs/design.md``): the alert's own words, closed or reset during the handshake, closed behind it without a byte,
stalled, QUIC, a server that is not there. A line says what was seen; what it means, ``analysis.conclude`` says.

A host that refused ``lintas_refusals`` times in a row is passed through unopened for ``lintas_retry`` seconds, for the
one client that refused it: its octets are counted and none of them is kept, neither in memory nor in the folder. Then
one connection is opened again; where that succeeds, the host is opened from then on. QUIC to a host that is passed
through is refused, so that the client comes back over TCP: mitmproxy passes no QUIC through (its issue 8338), and an
open and an unopened road to one host would tell half of it.

Beside other addons of this project it writes the same folder. It keeps no log of its own and judges nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mitmproxy import connection, ctx
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import layers
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.proxy.layers.modes import ReverseProxy

from addons.bounded.bounds import NO_ROOM, closed
from addons.shared import add_folder_option, add_option, close, logger_of, opened, refuse
from addons.unopened.connection import Seen, Unreached, asked_for, has_ended, host_of, unasked
from addons.unopened.hosts import REFUSALS, RETRY, Host, Hosts, Place
from addons.unopened.lines import Lines, micros, now
from addons.unopened.meter import awaited, measured
from addons.unopened.passing import Gate, Passed, name_in_tls
from addons.unopened.quic import DATAGRAMS, Refused, begins_quic, name_in_quic
from addons.unopened.signals import PASSED, Alerts, Signal, alert_in, reason_in
from analysis.folder.writing import CROWDED

if TYPE_CHECKING:
    from mitmproxy import addonmanager, dns, http, tcp, tls, udp
    from mitmproxy.flow import Flow
    from mitmproxy.proxy.server_hooks import ServerConnectionHookData

logger = logger_of(__name__)

SILENCE = 5
"""What ``lintas_silence`` says where nobody says otherwise."""
_SCT = 18
"""The ClientHello's extension that asks for proofs of certificate transparency (RFC 6962, section 3.3.1)."""


class Opaque:
    """Tells of connections that are not opened, and passes on the hosts that refuse."""

    def __init__(self) -> None:
        self._lines = Lines()
        self.hosts = Hosts(self._told)
        self.seen: dict[str, Seen] = {}
        self._alerts = Alerts(self._alert_behind)

    # ------------------------------------------------------------------------------------------- begin and end

    def load(self, loader: addonmanager.Loader) -> None:
        add_folder_option(loader, logger)
        add_option(
            loader,
            logger,
            "lintas_refusals",
            int,
            REFUSALS,
            "Connections in a row that a client must refuse before the host is passed through unopened for it, its "
            "octets counted and not kept. 0: a host that refuses is never passed through.",
        )
        add_option(
            loader,
            logger,
            "lintas_retry",
            int,
            RETRY,
            "Seconds for which a host that refused is passed through; then one connection is opened again to see.",
        )
        add_option(
            loader,
            logger,
            "lintas_silence",
            int,
            SILENCE,
            "Seconds without a byte after which a connection counts as stalled (in its handshake) or as unused "
            "(behind it), and no longer as closed at once.",
        )

    def configure(self, updated: set[str]) -> None:
        for name in ("lintas_refusals", "lintas_retry", "lintas_silence"):
            if name in updated and getattr(ctx.options, name) < 0:
                refuse(logger, f"{name} must not be negative.", self._lines.out is not None)
        self.hosts.refusals, self.hosts.retry = ctx.options.lintas_refusals, ctx.options.lintas_retry

    def running(self) -> None:
        self._lines.out = opened(logger)
        if self._lines.out is None:
            return
        logger.info("What cannot be opened is written to %s.", self._lines.out.path)
        self._alerts.install()

    def done(self) -> None:
        self._alerts.uninstall()
        for seen in list(self.seen.values()):
            self._still_awaited(seen, "recording_ended")
            self._ended(seen)
        if self._lines.out is not None:
            out, self._lines.out = self._lines.out, None
            close(out, logger)

    # ------------------------------------------------------------------------------------------- what happens

    def client_connected(self, client: connection.Client) -> None:
        self.seen[client.id] = Seen(client, measured(client))

    def next_layer(self, nextlayer: NextLayer) -> None:
        context = nextlayer.context
        seen = self.seen.get(context.client.id)
        if seen is None or nextlayer.layer is not None:
            return
        data = nextlayer.data_client()  # type: ignore[no-untyped-call]
        if seen.stage == "established" and not seen.quic:
            if data:
                self._used(seen)
            return
        seen.next, seen.context = nextlayer, context
        if context.server.address is None or isinstance(context.layers[0], ReverseProxy):
            return
        if not seen.gated and not seen.stage and seen.meter is not None:
            seen.before_in, seen.before_out = seen.meter.received - len(data), seen.meter.sent
        if context.client.transport_protocol == "udp":
            self._next_udp(nextlayer, seen, data)
        elif starts_like_tls_record(data):
            self._next_tls(nextlayer, seen, data)

    def _next_tls(self, nextlayer: NextLayer, seen: Seen, data: bytes) -> None:
        """Pass on what is not to be opened at present."""
        context = nextlayer.context
        if ctx.options.ignore_hosts or ctx.options.allow_hosts:
            seen.opening = data
        if not self.hosts.any_closed() and not any(self._stalled()):
            return
        whole, name = name_in_tls(data)
        if not whole:
            if not seen.gated:
                seen.gated = True
                nextlayer.layer = Gate(context, lambda d: NextLayer(context) if name_in_tls(b"".join(d))[0] else None)
            return
        seen.name = host_of(context.server, name)
        self._count_standing(seen)
        if self.hosts.passes(self._place(seen), seen.client.id):
            context.client.sni = name or None
            seen.passed = nextlayer.layer = Passed(context, lambda passed: self._passing(seen, passed))

    def _next_udp(self, nextlayer: NextLayer, seen: Seen, data: bytes) -> None:
        """Refuse QUIC that is not to be opened, or cannot be."""
        context = nextlayer.context
        if not begins_quic(data) or (ctx.options.http3 and not self.hosts.any_closed()):
            return

        def choose(datagrams: list[bytes]) -> Layer | None:
            whole, name = name_in_quic(datagrams)
            if not whole and len(datagrams) < DATAGRAMS:
                return None
            seen.quic, seen.name = True, host_of(context.server, name)
            if self._refuses_quic(seen):
                seen.quic_refused = True
                context.client.sni = name or None
                return Refused(context)
            server = layers.ServerQuicLayer(context)
            server.child_layer = layers.ClientQuicLayer(context)
            return server

        nextlayer.layer = Gate(context, choose)

    def _refuses_quic(self, seen: Seen) -> bool:
        """QUIC is switched off, fails for this client, or the host is passed through over TCP."""
        place = self._place(seen)
        over_tcp = (place[0], place[1], place[2], "tcp")
        return not ctx.options.http3 or self.hosts.is_closed(over_tcp) or self.hosts.passes(place, seen.client.id)

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        seen = self.seen.get(data.context.client.id)
        if seen is None:
            return
        hello = data.client_hello
        seen.context, seen.hello, seen.stage = data.context, data, "hello"
        seen.quic = any(isinstance(layer, layers.ClientQuicLayer) for layer in data.context.layers)
        seen.name = host_of(data.context.server, hello.sni or "")
        seen.asked_for_proofs = any(kind == _SCT for kind, _ in hello.extensions)

    def tls_established_client(self, data: tls.TlsData) -> None:
        seen = self.seen.get(data.context.client.id)
        if seen is not None:
            seen.stage, seen.established, seen.signal = "established", time.monotonic(), None
            seen.tls = getattr(data, "ssl_conn", None)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        seen = self.seen.get(data.context.client.id)
        if seen is None or seen.stage == "used" or data.context.client in closed:
            return
        counted, seen.context = seen.signal is not None, data.context
        seen.signal = seen.failed(data.conn.error or "", ctx.options.lintas_silence)
        if not counted:
            self._judge(seen, seen.signal)

    def tls_failed_server(self, data: tls.TlsData) -> None:
        seen = self.seen.get(data.context.client.id)
        if seen is None or not isinstance(data.conn, connection.Server):
            return
        error = data.conn.error or ""
        alert = alert_in(error)
        cause = "server_certificate" if error.startswith("Certificate verify failed") else "server_tls_failed"
        if data.conn.transport_protocol == "udp":
            cause = "quic"
        signal = Signal("unread", cause, alert and alert.replace(" ", "_"), reason_in(error))
        self._server_failed(seen, signal, asked_for(seen, data.conn))

    def _server_failed(self, seen: Seen, signal: Signal, server: connection.Server | None) -> None:
        if not seen.server_failed:
            seen.server_failed = True
            self._judge(seen, signal, by_server=True)
        # Its octets are those of the client's connection, which is opened or refused in its own right.
        at = micros(server.timestamp_start) if server is not None else None
        self._lines.write(seen, "refusal", signal, server=server, octets=(None, None), at=at)

    def server_connect_error(self, data: ServerConnectionHookData) -> None:
        seen = self.seen.get(data.client.id)
        server = asked_for(seen, data.server) if seen is not None else None
        if seen is not None and server is not None:
            at = micros(data.server.timestamp_start) or now()
            cause = CROWDED if data.server.error == NO_ROOM else "server_unreachable"
            seen.unreachable[server.id] = Unreached(server, at, server.sni or data.client.sni, cause)

    def error(self, flow: http.HTTPFlow) -> None:
        """A request for which no server was reached stands in the dump: it is told there."""
        seen = self.seen.get(flow.client_conn.id)
        if seen is None or not seen.unreachable:
            return
        names = {flow.request.host, flow.request.pretty_host}
        for number, gone in list(seen.unreachable.items()):
            address = gone.server.address
            if address is not None and address[0] in names and address[1] == flow.request.port:
                del seen.unreachable[number]

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self._told_by(flow)

    def dns_request(self, flow: dns.DNSFlow) -> None:
        self._told_by(flow)

    def _told_by(self, flow: Flow) -> Seen | None:
        """A flow tells of its connection from now on, and something was said on it."""
        seen = self.seen.get(flow.client_conn.id) or self._with_stream(flow.client_conn)
        if seen is not None:
            seen.has_flow = True
            if seen.stage == "established":
                self._used(seen)
        return seen

    def _with_stream(self, stream: connection.Client) -> Seen | None:
        """The QUIC connection that a stream is of: mitmproxy gives each stream an id of its own."""
        ends = (seen for seen in self.seen.values() if seen.quic and seen.client.peername == stream.peername)
        return next(ends, None)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        seen = self.seen.get(flow.client_conn.id)
        if seen is None:
            return
        seen.answered = True
        if self.hosts.any_failing() and seen.context is not None and not seen.server_failed:
            self.hosts.answered(self._place(seen))

    def tcp_message(self, flow: tcp.TCPFlow | udp.UDPFlow) -> None:
        """Whoever takes what a server says first, as in mail, has taken the certificate too."""
        seen = self._told_by(flow)
        if seen is not None and not flow.messages[-1].from_client:
            seen.answered = True

    udp_message = tcp_message

    def client_disconnected(self, client: connection.Client) -> None:
        seen = self.seen.get(client.id)
        if seen is not None:
            self._still_awaited(seen, "server_unreachable")
            self._ended(seen)

    # ------------------------------------------------------------------------------------------- what it was

    def _place(self, seen: Seen) -> Place:
        assert seen.context is not None
        address = seen.context.server.address
        port = int(address[1]) if address else 0
        return (str(seen.client.peername[0]), seen.name, port, "udp" if seen.quic else "tcp")

    def _used(self, seen: Seen) -> None:
        seen.stage = "used"
        self.hosts.used(self._place(seen))

    def _judge(self, seen: Seen, signal: Signal, by_server: bool = False) -> None:
        """Count a signal for its host. A host that nobody named is never passed through."""
        if seen.context is None or not seen.name or isinstance(seen.context.layers[0], ReverseProxy):
            return
        if seen.client.transport_protocol == "udp" and not seen.quic:
            return
        place = self._place(seen)
        if signal.refuses:
            self.hosts.refused(place, seen.client.id, signal.cause, by_server)
        else:
            self.hosts.undecided(place, seen.client.id)

    def _stalled(self) -> Iterator[Seen]:
        """Connections that stand in their handshake without a word from the client."""
        silence = ctx.options.lintas_silence
        return (seen for seen in self.seen.values() if seen.is_stalled(silence))

    def _count_standing(self, seen: Seen) -> None:
        """Stalled connections to the same host count before they end: the client opens others meanwhile."""
        place = self._place(seen)
        for other in list(self._stalled()):
            if other.context is not None and self._place(other) == place:
                other.signal = Signal("unread", "stall")
                self._judge(other, other.signal)

    def _alert_behind(self, peer: tuple[Any, ...], error: str) -> None:
        """An alert behind the handshake: mitmproxy only logs it, and does not say whose it is. Where the client has not
        ended its TLS it is the server's: in TLS 1.3 that is how a server refuses a client's certificate, or its want
        (RFC 8446, section 4.4.2.4), by whatever alert it likes."""
        alert = alert_in(error.removeprefix("TLS Error: "))
        if alert is None:
            return
        for seen in list(self.seen.values()):
            if seen.client.peername != peer:
                continue
            if not seen.has_closed_tls() or _closed_by_server(seen):
                if not seen.answered:
                    server = seen.context.server if seen.context is not None else None
                    self._server_failed(seen, Signal("unread", "server_tls_failed", alert.replace(" ", "_")), server)
            elif seen.stage == "established":
                seen.alert = alert

    # ------------------------------------------------------------------------------------------- what is written

    def _ended(self, seen: Seen) -> None:
        """A connection is over, or the recording is: write what it was."""
        self.seen.pop(seen.client.id, None)
        for gone in seen.unreachable.values():
            signal = Signal("unread", gone.cause)
            name = gone.sni or ""
            self._lines.write(seen, "connection", signal, server=gone.server, octets=(None, None), at=gone.at, sni=name)
        if seen.passed is not None:
            self._lines.write(seen, "connection", PASSED, octets=(seen.passed.sent, seen.passed.received))
        elif seen.quic_refused:
            self._lines.write(seen, "refusal", Signal("unread", "quic"), octets=seen.octets())
        elif seen.client in closed and seen.stage == "hello":
            self._lines.write(seen, "connection", Signal("unread", CROWDED, refuses=False), octets=seen.octets())
        elif seen.stage in ("hello", "established"):
            self._ended_unused(seen)
        elif not seen.has_flow:
            self._ended_without_flow(seen)

    def _still_awaited(self, seen: Seen, cause: str) -> None:
        """A server that has not answered when the client goes, or the recording ends. A request that waits for it is in
        the dump instead."""
        server = awaited(seen.client)
        if server is None or seen.has_flow:
            return
        began = server.timestamp_start or 0.0
        if time.time() - began >= ctx.options.lintas_silence:
            cause = "server_unreachable"
        signal = Signal("unread", cause, refuses=False)
        name = server.sni or seen.client.sni or ""
        self._lines.write(seen, "connection", signal, server=server, octets=(None, None), at=micros(began), sni=name)

    def _ended_unused(self, seen: Seen) -> None:
        if seen.stage == "hello" and seen.hello is not None and seen.hello.ignore_connection:
            self._lines.write(seen, "connection", PASSED, octets=seen.octets())
            return
        signal = seen.signal
        if signal is None:
            silence = ctx.options.lintas_silence
            if seen.server_is_silent(silence) and not seen.server_failed:
                server = seen.context.server if seen.context is not None else None
                self._server_failed(seen, Signal("unread", "server_tls_failed"), server)
            if seen.stage == "established":
                was_opened = seen.context is not None and self.hosts.was_opened(self._place(seen))
                signal = seen.unused(silence, was_opened)
            elif seen.quic:
                signal = Signal("unread", "quic", refuses=False)
            else:
                signal = seen.broken_off(silence)
            self._judge(seen, signal)
        kind = "connection" if signal.cause == "unused" else "refusal"
        self._lines.write(seen, kind, signal, octets=seen.octets())

    def _ended_without_flow(self, seen: Seen) -> None:
        """What mitmproxy passed on unopened by an option of its own (``ignore_hosts``), or what was no request."""
        passed = seen.next.layer if seen.next is not None else None
        if isinstance(passed, (layers.TCPLayer, layers.UDPLayer)):
            if passed.flow is None:
                if seen.opening:
                    seen.client.sni = name_in_tls(seen.opening)[1] or None
                self._lines.write(seen, "connection", PASSED, octets=seen.octets())
        elif seen.client.transport_protocol == "tcp" and (signal := unasked(seen)) is not None:
            self._lines.write(seen, "connection", signal, octets=seen.octets())

    def _passing(self, seen: Seen, passed: Passed) -> None:
        self._lines.write(seen, "passing", PASSED, octets=(passed.sent, passed.received))

    def _told(self, state: str, place: Place, host: Host) -> None:
        self._lines.passthrough(state, place, host, self.hosts.retry)


def _closed_by_server(seen: Seen) -> bool:
    """A server of this connection has ended its TLS, by an alert or by saying so."""
    passed = seen.context.layers if seen.context is not None else []
    servers = (layer.tls for layer in passed if isinstance(layer, layers.ServerTLSLayer))
    return any(has_ended(tls) for tls in servers)


addons = [Opaque()]
