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

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from mitmproxy import connection, ctx, exceptions
from mitmproxy.addons.next_layer import KNOWN_QUIC_VERSIONS
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layers
from mitmproxy.proxy.layer import CommandGenerator, Layer, NextLayer
from mitmproxy.proxy.layers.modes import ReverseProxy
from mitmproxy.proxy.layers.quic import quic_parse_client_hello_from_datagrams
from mitmproxy.proxy.layers.tls import parse_client_hello

from analysis.folder.writing import OPTION, OPTION_HELP, Writing, writing
from analysis.model import InputError

if TYPE_CHECKING:
    from mitmproxy import addonmanager, http, tcp, tls, udp
    from mitmproxy.proxy.context import Context
    from mitmproxy.proxy.server_hooks import ServerConnectionHookData

logger = logging.getLogger(__name__)

REFUSALS, RETRY, SILENCE = 3, 600, 5
"""What the options say where nobody says otherwise."""

_HOSTS = 20_000
"""Pairs of client and host that are remembered; the one that was not heard of for longest is forgotten first."""
_TELL_AGAIN = 4 << 20
"""Octets passed through on one connection after which their count is written again."""
_DATAGRAMS = 16
"""Datagrams in which a ClientHello must be whole: it takes one or two, and three of what is known to have grown."""


# ------------------------------------------------------------------------------------- hosts that are passed through

Place = tuple[str, str, int, str]
"""Who does not get a host opened: address of the client, name of the host, its port, ``tcp`` or ``udp``."""


# Plain classes, no dataclasses: those look for their module, which a script of mitmproxy's is not while it is loaded.


class _Host:
    __slots__ = ("by_server", "cause", "closed_until", "opened", "refusals", "trying")

    def __init__(self) -> None:
        self.refusals = 0
        """In a row: a connection that was used sets it to nothing."""
        self.by_server = 0
        """In a row, of the server's making: an answer sets it to nothing."""
        self.cause = ""
        self.opened = False
        """This client has sent something to it that could be read."""
        self.closed_until: float | None = None
        """On the clock that nobody sets; None: it is opened."""
        self.trying: str | None = None
        """The connection that is opened again, to see whether the host still refuses."""


class Hosts:
    """Which hosts are not opened at present, for which client, why and how long.

    ``tell(state, place, host)`` is called with ``begun``, ``tried``, ``again`` and ``cleared``."""

    def __init__(self, tell: Callable[[str, Place, _Host], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.refusals, self.retry = REFUSALS, RETRY
        self._tell = tell
        self._clock = clock
        self._known: OrderedDict[Place, _Host] = OrderedDict()
        self._closed: set[Place] = set()
        self._failing: set[Place] = set()
        """Where the server refused last."""

    def any_closed(self) -> bool:
        return bool(self._closed)

    def any_failing(self) -> bool:
        return bool(self._failing)

    def is_closed(self, place: Place) -> bool:
        """The host is not opened at present, also where its time is over and no connection has tried it yet."""
        return place in self._closed

    def was_opened(self, place: Place) -> bool:
        host = self._known.get(place)
        return host is not None and host.opened

    def passes(self, place: Place, connection: str) -> bool:
        """True where this connection is not to be opened. Once the time is over, one connection is: it tries."""
        if place not in self._closed:
            return False
        host = self._known[place]
        assert host.closed_until is not None
        if host.trying is not None or self._clock() < host.closed_until:
            return True
        host.trying = connection
        self._tell("tried", place, host)
        return False

    def refused(self, place: Place, connection: str, cause: str, by_server: bool = False) -> None:
        """A connection came to nothing. The last of ``lintas_refusals`` in a row closes the host, and so does the
        one that tried a closed host again. The client's and the server's refusals are told apart: a client that
        sends its request shows nothing of the server."""
        host = self._get(place)
        host.cause = cause
        if by_server:
            host.by_server += 1
            self._failing.add(place)
        else:
            host.refusals += 1
        if host.closed_until is not None:
            if host.trying == connection:
                self._close("again", place, host)
        elif self.refusals and max(host.refusals, host.by_server) >= self.refusals:
            self._close("begun", place, host)

    def used(self, place: Place) -> None:
        """The client sent something that could be read: it does not refuse."""
        host = self._get(place)
        host.opened, host.refusals = True, 0
        if not host.by_server:
            self._open(place, host)

    def answered(self, place: Place) -> None:
        """The server answered: it does not refuse."""
        if place in self._failing:
            self._failing.discard(place)
            host = self._known[place]
            host.by_server = 0
            self._open(place, host)

    def undecided(self, place: Place, connection: str) -> None:
        """A connection ended without showing anything: where it tried a closed host, the next one does."""
        host = self._known.get(place)
        if host is not None and host.trying == connection:
            host.trying = None

    def _open(self, place: Place, host: _Host) -> None:
        host.trying = None
        if host.closed_until is not None:
            host.closed_until = None
            self._closed.discard(place)
            self._tell("cleared", place, host)

    def _close(self, state: str, place: Place, host: _Host) -> None:
        host.closed_until, host.trying = self._clock() + self.retry, None
        self._closed.add(place)
        self._tell(state, place, host)

    def _get(self, place: Place) -> _Host:
        host = self._known.get(place)
        if host is None:
            host = self._known[place] = _Host()
            if len(self._known) > _HOSTS:
                forgotten, _ = self._known.popitem(last=False)
                self._closed.discard(forgotten)
                self._failing.discard(forgotten)
        else:
            self._known.move_to_end(place)
        return host


# ------------------------------------------------------------------------------------------- what a connection carries


class _Meter:
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


class _Reader:
    """A client's reader that counts."""

    def __init__(self, inner: Any, meter: _Meter) -> None:
        self._inner, self._meter = inner, meter

    async def read(self, n: int) -> bytes:
        meter = self._meter
        try:
            data: bytes = await self._inner.read(n)
        except OSError as error:
            meter.ended_by, meter.reset = "client", isinstance(error, ConnectionError)
            raise
        except BaseException:
            meter.ended_by = meter.ended_by or "proxy"
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

    def __init__(self, inner: Any, meter: _Meter) -> None:
        self._inner, self._meter = inner, meter
        self.is_closing = inner.is_closing

    async def drain(self) -> None:
        try:
            await self._inner.drain()
        except OSError:
            # The client is gone while we still write; mitmproxy cancels our reader for it.
            self._meter.ended_by = self._meter.ended_by or "client"
            raise

    def write(self, data: bytes) -> None:
        meter = self._meter
        meter.sent += len(data)
        meter.last_sent = time.monotonic()
        self._inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


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


# ----------------------------------------------------------------------------------------------------------- QUIC


def refusal_of_quic(datagram: bytes) -> bytes | None:
    """The answer to a client's first QUIC datagram after which it gives up QUIC at once: Version Negotiation (RFC 9000,
    section 17.2.1) that offers one version kept for exercising it (section 15), so that there is none in common
    (section 6.2). None for a datagram without a long header: nothing refuses those."""
    if len(datagram) < 7 or not datagram[0] & 0x80 or datagram[1:5] == bytes(4):
        return None
    to_length = datagram[5]
    to = datagram[6 : 6 + to_length]
    rest = datagram[6 + to_length :]
    if len(to) < to_length or not rest or len(rest) < 1 + rest[0]:
        return None
    own = rest[1 : 1 + rest[0]]
    return b"\xc0" + bytes(4) + bytes([len(own)]) + own + bytes([to_length]) + to + b"\x1a\x2a\x3a\x4a"


def _begins_quic(datagram: bytes) -> bool:
    """A long header of a version that mitmproxy takes for QUIC; what else it takes for QUIC, it does by the port."""
    if len(datagram) < 7 or not datagram[0] & 0x80:
        return False
    version = int.from_bytes(datagram[1:5])
    return version in KNOWN_QUIC_VERSIONS or version & 0x0F0F0F0F == 0x0A0A0A0A


class Refused(Layer):
    """QUIC that is refused: each try of the client is answered so, and nothing goes on to the server."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and (answer := refusal_of_quic(event.data)) is not None:
            yield commands.SendData(self.context.client, answer)


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


# ------------------------------------------------------------------------------------------------ words of a failure

_ALERTS = {
    # RFC 8446, section 6.2, and RFC 5246, section 7.2, as OpenSSL writes them.
    "unknown ca": "unknown_ca",
    "bad certificate": "bad_certificate",
    "certificate unknown": "certificate_unknown",
    "certificate expired": "certificate_expired",
    "certificate revoked": "certificate_revoked",
    "unsupported certificate": "unsupported_certificate",
    "bad certificate status response": "bad_certificate_status_response",
    "bad certificate hash value": "bad_certificate_hash_value",
    "certificate unobtainable": "certificate_unobtainable",
}
"""Alerts that say that a certificate is not accepted: each is its own cause."""
_ABORTS = ("user cancelled", "user canceled", "close notify")
_ALERT = re.compile(r"(?:tls|ssl)[a-z0-9./]* (alert )?([a-z ]+)")
_REASON = re.compile(r"\('SSL routines', '[^']*', '([^']*)'\)")
_LAST = re.compile(r"\(([^()]*)\)$")
_CLOSED = ("connection closed", "The client disconnected during the handshake.")
"""How mitmproxy words a handshake in whose middle the connection ended."""
_RECEIVED_SHUTDOWN = 2
"""OpenSSL's flag of a connection whose other end has closed TLS (SSL_get_shutdown)."""
_SCT = 18
"""The ClientHello's extension that asks for proofs of certificate transparency (RFC 6962, section 3.3.1)."""


def alert_in(error: str) -> str | None:
    """The TLS alert that the other end sent, in OpenSSL's words, or None where the error tells of none."""
    for reason in reversed(_REASON.findall(error) or _LAST.findall(error) or [error]):
        found = _ALERT.fullmatch(reason.strip())
        if found is not None and (found[1] or found[2] in _ALERTS):
            return found[2].strip()
    return None


def reason_in(error: str) -> str | None:
    """OpenSSL's reason for a failure, in its fixed words: never what a connection carried."""
    found = _REASON.findall(error)
    return found[-1][:80] if found else None


class Signal(NamedTuple):
    """What was seen of a connection that came to nothing."""

    kind: str
    cause: str
    alert: str | None = None
    reason: str | None = None
    refuses: bool = True
    """It counts towards passing the host through."""


_PASSED = Signal("relayed", "passed_through")


def of_alert(alert: str, asked_for_proofs: bool) -> Signal:
    """What an alert says. ``certificate_unknown`` of a client that asked for proofs of certificate transparency is the
    alert for want of them as well as for an issuer that it does not know (Chromium sends it for both)."""
    cause = _ALERTS.get(alert)
    if cause is None:
        if alert in _ABORTS:
            return Signal("unread", "client_abort", alert.replace(" ", "_"), refuses=False)
        return Signal("unread", "tls_failed", alert.replace(" ", "_"))
    if cause == "certificate_unknown" and asked_for_proofs:
        return Signal("ca_refused", "certificate_unknown_or_transparency", cause)
    return Signal("ca_refused", cause, cause)


# ----------------------------------------------------------------------------------------------- a client's connection


class _Seen:
    """What is known of one connection of a client."""

    def __init__(self, client: connection.Client, meter: _Meter | None) -> None:
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
        """Octets of the connection that came before TLS: what was said to the proxy itself."""
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
        self.unreachable: dict[str, _Unreached] = {}
        """Servers that could not be reached, by the id of the connection to them."""

    def octets(self) -> tuple[int | None, int | None]:
        """Octets from and to the client since its TLS began."""
        if self.meter is None:
            return None, None
        return max(self.meter.received - self.before_in, 0), max(self.meter.sent - self.before_out, 0)

    def said_goodbye(self) -> bool:
        """The client closed TLS before it closed the connection (RFC 8446, section 6.1)."""
        return self.tls is not None and bool(self.tls.get_shutdown() & _RECEIVED_SHUTDOWN)

    def ended_by(self) -> str | None:
        """``client`` or ``proxy``; None where it stood until the recording ended."""
        if self.said_goodbye():
            return "client"
        return self.meter.ended_by if self.meter is not None else None


class _Unreached(NamedTuple):
    server: connection.Server
    at: int
    sni: str | None


def _now() -> int:
    return time.time_ns() // 1000


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


def _end(address: tuple[Any, ...] | None) -> list[Any] | None:
    return None if address is None else [address[0], address[1]]


def _host_of(server: connection.Server, sni: str) -> str:
    name = sni or (server.address[0] if server.address else "")
    return name.lower().rstrip(".")


class Opaque:
    def __init__(self) -> None:
        self.folder: Writing | None = None
        self.hosts = Hosts(self._told)
        self.seen: dict[str, _Seen] = {}
        self._alerts = _Alerts(self._alert_behind)

    # ------------------------------------------------------------------------------------------- begin and end

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(OPTION, str, "", OPTION_HELP)
        loader.add_option(
            "lintas_refusals",
            int,
            REFUSALS,
            "Connections in a row that a client must refuse before the host is passed through unopened for it, its "
            "octets counted and not kept. 0: a host that refuses is never passed through.",
        )
        loader.add_option(
            "lintas_retry",
            int,
            RETRY,
            "Seconds for which a host that refused is passed through; then one connection is opened again to see.",
        )
        loader.add_option(
            "lintas_silence",
            int,
            SILENCE,
            "Seconds without a byte after which a connection counts as stalled (in its handshake) or as unused "
            "(behind it), and no longer as closed at once.",
        )

    def configure(self, updated: set[str]) -> None:
        for name in ("lintas_refusals", "lintas_retry", "lintas_silence"):
            if name in updated and getattr(ctx.options, name) < 0:
                raise exceptions.OptionsError(f"{name} must not be negative.")  # type: ignore[no-untyped-call]
        self.hosts.refusals, self.hosts.retry = ctx.options.lintas_refusals, ctx.options.lintas_retry

    def running(self) -> None:
        try:
            self.folder = writing(getattr(ctx.options, OPTION))
        except InputError as error:
            logger.error(str(error))
            ctx.master.shutdown()  # type: ignore[no-untyped-call]
            return
        logger.info("What cannot be opened is written to %s.", self.folder.path)
        self._alerts.install()

    def done(self) -> None:
        self._alerts.uninstall()
        for seen in list(self.seen.values()):
            self._ended(seen)
        if self.folder is not None:
            self.folder.release()
            self.folder = None

    # ------------------------------------------------------------------------------------------- what happens

    def client_connected(self, client: connection.Client) -> None:
        self.seen[client.id] = _Seen(client, _measured(client))

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
        if context.client.transport_protocol == "udp":
            self._next_udp(nextlayer, seen, data)
        elif starts_like_tls_record(data):
            self._next_tls(nextlayer, seen, data)

    def _next_tls(self, nextlayer: NextLayer, seen: _Seen, data: bytes) -> None:
        """Pass on what is not to be opened at present."""
        context = nextlayer.context
        if not seen.gated and seen.meter is not None:
            seen.before_in, seen.before_out = seen.meter.received - len(data), seen.meter.sent
        if ctx.options.ignore_hosts or ctx.options.allow_hosts:
            seen.opening = data
        if not self.hosts.any_closed() and not any(self._stalled()):
            return
        whole, name = _name_in_tls(data)
        if not whole:
            if not seen.gated:
                seen.gated = True
                nextlayer.layer = Gate(context, lambda d: NextLayer(context) if _name_in_tls(b"".join(d))[0] else None)
            return
        seen.name = _host_of(context.server, name)
        self._count_standing(seen)
        if self.hosts.passes(self._place(seen), seen.client.id):
            context.client.sni = name or None
            seen.passed = nextlayer.layer = Passed(context, lambda passed: self._passing(seen, passed))

    def _next_udp(self, nextlayer: NextLayer, seen: _Seen, data: bytes) -> None:
        """Refuse QUIC that is not to be opened, or cannot be."""
        context = nextlayer.context
        if not _begins_quic(data) or (ctx.options.http3 and not self.hosts.any_closed()):
            return

        def choose(datagrams: list[bytes]) -> Layer | None:
            whole, name = _name_in_quic(datagrams)
            if not whole and len(datagrams) < _DATAGRAMS:
                return None
            seen.quic, seen.name = True, _host_of(context.server, name)
            if self._refuses_quic(seen):
                seen.quic_refused = True
                context.client.sni = name or None
                return Refused(context)
            server = layers.ServerQuicLayer(context)
            server.child_layer = layers.ClientQuicLayer(context)
            return server

        nextlayer.layer = Gate(context, choose)

    def _refuses_quic(self, seen: _Seen) -> bool:
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
        seen.name = _host_of(data.context.server, hello.sni or "")
        seen.asked_for_proofs = any(kind == _SCT for kind, _ in hello.extensions)

    def tls_established_client(self, data: tls.TlsData) -> None:
        seen = self.seen.get(data.context.client.id)
        if seen is not None:
            seen.stage, seen.established, seen.signal = "established", time.monotonic(), None
            seen.tls = getattr(data, "ssl_conn", None)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        seen = self.seen.get(data.context.client.id)
        if seen is None or seen.stage == "used":
            return
        counted, seen.context = seen.signal is not None, data.context
        seen.signal = self._failed(seen, data.conn.error or "")
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
        self._server_failed(seen, signal, data.conn)

    def _server_failed(self, seen: _Seen, signal: Signal, server: connection.Server | None) -> None:
        if not seen.server_failed:
            seen.server_failed = True
            self._judge(seen, signal, by_server=True)
        # Its octets are those of the client's connection, which is opened or refused in its own right.
        at = _micros(server.timestamp_start) if server is not None else None
        self._write(seen, "refusal", signal, server=server, octets=(None, None), at=at)

    def server_connect_error(self, data: ServerConnectionHookData) -> None:
        seen = self.seen.get(data.client.id)
        if seen is not None:
            at = _micros(data.server.timestamp_start) or _now()
            seen.unreachable[data.server.id] = _Unreached(data.server, at, data.server.sni or data.client.sni)

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
        seen = self.seen.get(flow.client_conn.id)
        if seen is not None and seen.stage == "established":
            self._used(seen)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if not self.hosts.any_failing():
            return
        seen = self.seen.get(flow.client_conn.id)
        if seen is not None and seen.context is not None and not seen.server_failed:
            self.hosts.answered(self._place(seen))

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        seen = self.seen.get(flow.client_conn.id)
        if seen is not None and seen.stage == "established" and flow.messages[-1].from_client:
            self._used(seen)

    def udp_message(self, flow: udp.UDPFlow) -> None:
        seen = self.seen.get(flow.client_conn.id)
        if seen is not None and seen.stage == "established" and flow.messages[-1].from_client:
            self._used(seen)

    def client_disconnected(self, client: connection.Client) -> None:
        seen = self.seen.get(client.id)
        if seen is not None:
            self._ended(seen)

    # ------------------------------------------------------------------------------------------- what it was

    def _place(self, seen: _Seen) -> Place:
        assert seen.context is not None
        address = seen.context.server.address
        port = int(address[1]) if address else 0
        return (str(seen.client.peername[0]), seen.name, port, "udp" if seen.quic else "tcp")

    def _used(self, seen: _Seen) -> None:
        seen.stage = "used"
        self.hosts.used(self._place(seen))

    def _judge(self, seen: _Seen, signal: Signal, by_server: bool = False) -> None:
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

    def _failed(self, seen: _Seen, error: str) -> Signal:
        """A handshake with the client that failed."""
        alert = alert_in(error)
        if seen.quic:
            return Signal("unread", "quic", alert and alert.replace(" ", "_"))
        if alert is not None:
            return of_alert(alert, seen.asked_for_proofs)
        if error.startswith(_CLOSED):
            return self._broken_off(seen)
        return Signal("unread", "tls_failed", None, reason_in(error))

    def _broken_off(self, seen: _Seen) -> Signal:
        """A handshake that ended without an alert."""
        meter = seen.meter
        by_client = meter is None or meter.ended_by == "client"
        _, answered = seen.octets()
        if answered == 0:
            return Signal("unread", "client_abort" if by_client else "tls_failed", refuses=not by_client)
        if meter is not None and meter.silence() >= ctx.options.lintas_silence:
            return Signal("unread", "stall")
        if not by_client:
            return Signal("unread", "recording_ended", refuses=False)
        if meter is not None and meter.reset:
            return Signal("unread", "reset_during_handshake")
        return Signal("unread", "closed_during_handshake")

    def _unused(self, seen: _Seen) -> Signal:
        """A handshake that was done, and no byte behind it."""
        if seen.alert is not None:
            return of_alert(seen.alert, seen.asked_for_proofs)
        at_once = time.monotonic() - seen.established < ctx.options.lintas_silence
        # The end of QUIC is no end of a connection below it: who brought it about is not seen.
        by_client = seen.quic or seen.ended_by() == "client"
        if not at_once or not by_client or self.hosts.was_opened(self._place(seen)):
            return Signal("unread", "unused", refuses=False)
        return Signal("unread", "quic" if seen.quic else "closed_after_handshake")

    def _stalled(self) -> Iterator[_Seen]:
        """Connections that stand in their handshake without a word from the client."""
        for seen in self.seen.values():
            if seen.stage == "hello" and not seen.quic and seen.signal is None and seen.meter is not None:
                _, answered = seen.octets()
                if answered and seen.meter.silence() >= ctx.options.lintas_silence:
                    yield seen

    def _count_standing(self, seen: _Seen) -> None:
        """Stalled connections to the same host count before they end: the client opens others meanwhile."""
        place = self._place(seen)
        for other in list(self._stalled()):
            if other.context is not None and self._place(other) == place:
                other.signal = Signal("unread", "stall")
                self._judge(other, other.signal)

    def _alert_behind(self, peer: tuple[Any, ...], error: str) -> None:
        """An alert behind the handshake: mitmproxy only logs it, and does not say whose it is. One is sent by servers
        alone (RFC 8446, section 4.4.2.4)."""
        alert = alert_in(error.removeprefix("TLS Error: "))
        if alert is None:
            return
        for seen in list(self.seen.values()):
            if seen.client.peername != peer:
                continue
            if alert == "certificate required":
                server = seen.context.server if seen.context is not None else None
                self._server_failed(seen, Signal("unread", "server_tls_failed", alert.replace(" ", "_")), server)
            elif seen.stage == "established":
                seen.alert = alert

    # ------------------------------------------------------------------------------------------- what is written

    def _ended(self, seen: _Seen) -> None:
        """A connection is over, or the recording is: write what it was."""
        self.seen.pop(seen.client.id, None)
        for gone in seen.unreachable.values():
            signal = Signal("unread", "server_unreachable")
            name = gone.sni or ""
            self._write(seen, "connection", signal, server=gone.server, octets=(None, None), at=gone.at, sni=name)
        if seen.passed is not None:
            self._write(seen, "connection", _PASSED, octets=(seen.passed.sent, seen.passed.received))
        elif seen.quic_refused:
            self._write(seen, "refusal", Signal("unread", "quic"), octets=seen.octets())
        elif seen.stage in ("hello", "established"):
            self._ended_unused(seen)
        elif not seen.stage:
            self._ended_ignored(seen)

    def _ended_unused(self, seen: _Seen) -> None:
        if seen.stage == "hello" and seen.hello is not None and seen.hello.ignore_connection:
            self._write(seen, "connection", _PASSED, octets=seen.octets())
            return
        signal = seen.signal
        if signal is None:
            if seen.stage == "established":
                signal = self._unused(seen)
            else:
                signal = Signal("unread", "quic", refuses=False) if seen.quic else self._broken_off(seen)
            self._judge(seen, signal)
        kind = "connection" if signal.cause == "unused" else "refusal"
        self._write(seen, kind, signal, octets=seen.octets())

    def _ended_ignored(self, seen: _Seen) -> None:
        """What mitmproxy passed on unopened by an option of its own (``ignore_hosts``): no flow tells of it."""
        passed = seen.next.layer if seen.next is not None else None
        if not isinstance(passed, (layers.TCPLayer, layers.UDPLayer)) or passed.flow is not None:
            return
        if seen.opening:
            seen.client.sni = _name_in_tls(seen.opening)[1] or None
        self._write(seen, "connection", _PASSED, octets=seen.octets())

    def _passing(self, seen: _Seen, passed: Passed) -> None:
        self._write(seen, "passing", _PASSED, octets=(passed.sent, passed.received))

    def _write(
        self,
        seen: _Seen,
        type_: str,
        signal: Signal,
        *,
        octets: tuple[int | None, int | None],
        server: connection.Server | None = None,
        at: int | None = None,
        sni: str | None = None,
    ) -> None:
        if self.folder is None:
            return
        client = seen.client
        server = server or (seen.context.server if seen.context is not None else None)
        keys: dict[str, Any] = {}
        if server is not None:
            named = server.address[0] if server.address else None
            began, done = server.timestamp_start, server.timestamp_tcp_setup
            # Behind another proxy the peer is that proxy.
            keys["server"] = _end(server.address if server.via else server.peername or server.address)
            keys["host"] = named
            if began is not None and done is not None and server.via is None:
                keys["tcp_ms"], keys["handshake_at"] = (done - began) * 1000, _micros(began)
        name = client.sni if sni is None else sni
        self.folder.event(
            type_,
            at=at or _micros(client.timestamp_start),
            end=_now(),
            connection=client.id,
            client=_end(client.peername),
            sni=name or None,
            transport=client.transport_protocol,
            kind=signal.kind,
            cause=signal.cause,
            alert=signal.alert,
            reason=signal.reason,
            bytes_out=octets[0],
            bytes_in=octets[1],
            tls=client.tls_version,
            alpn=client.alpn.decode("ascii", "replace") if client.alpn else None,
            ended_by=seen.ended_by(),
            **keys,
        )

    def _told(self, state: str, place: Place, host: _Host) -> None:
        """A host begins to be passed through, is tried, or is opened again."""
        client, name, port, transport = place
        seconds = self.hosts.retry
        what = "passed through unopened" if transport == "tcp" else "QUIC to it is refused"
        number = max(host.refusals, host.by_server)
        if state in ("begun", "again"):
            who = f"{name} refused the proxy for {client}" if host.by_server else f"{client} refused {name}"
            times = f"{number} times" if number > 1 else "once"
            logger.warning("%s %s (%s): %s for %d s.", who, times, host.cause, what, seconds)
        elif state == "cleared":
            logger.warning("%s is opened again for %s.", name, client)
        if self.folder is not None:
            self.folder.event(
                "passthrough",
                state=state,
                client=client,
                host=name,
                port=port,
                transport=transport,
                cause=host.cause or None,
                refusals=number or None,
                seconds=seconds if state in ("begun", "again") else None,
            )


def _name_in_tls(data: bytes) -> tuple[bool, str]:
    """Whether the ClientHello is whole, and the name that it asks for; what is none counts as whole."""
    try:
        hello = parse_client_hello(data)
    except ValueError:
        return True, ""
    return hello is not None, (hello.sni if hello is not None else None) or ""


def _name_in_quic(datagrams: list[bytes]) -> tuple[bool, str]:
    """The same for QUIC."""
    try:
        hello = quic_parse_client_hello_from_datagrams(datagrams)
    except Exception:
        # It stands on the inner parts of another library, which raise what they like for what they cannot read.
        return True, ""
    return hello is not None, (hello.sni if hello is not None else None) or ""


def _measured(client: connection.Client) -> _Meter | None:
    """A meter in the client's connection; None where mitmproxy keeps it elsewhere than this version does."""
    proxy = ctx.master.addons.get("proxyserver")  # type: ignore[no-untyped-call]
    handler = proxy.connections.get(client.id) if proxy is not None else None
    transport = handler.transports.get(client) if handler is not None else None
    if transport is None or transport.reader is None or transport.writer is None:
        return None
    meter = _Meter()
    transport.reader, transport.writer = _Reader(transport.reader, meter), _Writer(transport.writer, meter)
    return meter


class _Alerts(logging.Handler):
    """Hears what mitmproxy's connections log of an alert behind the handshake."""

    def __init__(self, heard: Callable[[tuple[Any, ...], str], None]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard
        self._logger = logging.getLogger("mitmproxy.proxy.server")

    def install(self) -> None:
        self._logger.addHandler(self)

    def uninstall(self) -> None:
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        peer = getattr(record, "client", None)
        if isinstance(record.msg, str) and record.msg.startswith("TLS Error:") and isinstance(peer, tuple):
            self._heard(peer, record.msg)


addons = [Opaque()]
