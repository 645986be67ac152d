"""What Lintas itself adds inside of the proxy: who may come in, where nobody is led, and what is not the phone's.

Runs in mitmproxy, before the addons that record. ``Doors`` lets devices in and keeps the proxy from being led to this
machine's own services or to itself; it brings ``http://mitm.it`` to the page that hands out the certificate. ``Hidden``
stands before the recording addons and keeps from them what Lintas itself asked for: its proof and that page.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from mitmproxy import connection, ctx, dns, exceptions, http, tls
from mitmproxy.net import tls as net_tls
from mitmproxy.net.dns import types
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from lintas.capture.network import Address, Network, can_bind

CERTIFICATE_HOST = "mitm.it"
"""The name under which phones ask for the certificate, as they do with mitmproxy itself."""
_TUNNEL_DNS = "10.0.0.53"
"""The name server inside of the tunnel: an address that surely leads into the proxy."""

_LOOPBACK = "this machine's loopback is not the phone's"


def ip(text: str) -> Address:
    """An address without its zone; IPv4 in IPv6 as IPv4. Raises ValueError when it is none."""
    found = ipaddress.ip_address(text.rsplit("%", 1)[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _asks_for_certificate(request: http.Request) -> bool:
    """Is it to the name of the certificate's page, or to where the tunnel has it? The place that it goes to decides,
    and never the Host header: an app that writes one may send to anybody, and is recorded."""
    return request.port in (80, 443) and (
        request.host == _TUNNEL_DNS or request.host.rstrip(".").lower() == CERTIFICATE_HOST
    )


def is_here(address: Address) -> bool:
    """Is it an address of this machine?"""
    return address.is_loopback or address.is_unspecified or can_bind(address)


@dataclass
class Seen:
    """What came through, counted for the live view."""

    connections: int = 0
    """TCP connections of devices that stand just now."""
    requests: int = 0
    refused: int = 0
    """TLS handshakes that a device broke off."""
    strangers: int = 0
    """Connections from addresses that are not let in."""
    kept_out: int = 0
    """Connections that would have led to this machine itself."""


@dataclass
class Doors:
    """Who may come in, and where nobody is led.

    ``allowed``: networks whose devices are let in beside the private ones. ``tell``: takes a line for the front."""

    tell: Callable[..., None]
    allowed: tuple[Network, ...] = ()
    certificate_at: tuple[str, int] | None = None
    proof: str | None = None
    """The mode through which the front proves that decryption works; its traffic is nobody's."""
    seen: Seen = field(default_factory=Seen)
    listening: set[tuple[str, int]] = field(default_factory=set)
    """Transport and port of each listener."""
    _inside: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _turned_away: set[str] = field(default_factory=set)
    _told_out: set[tuple[str, int]] = field(default_factory=set)

    name = "lintasdoors"

    def own(self, client: connection.Client) -> bool:
        return self.proof is not None and client.proxy_mode.full_spec == self.proof

    def ours(self, flow: http.HTTPFlow) -> bool:
        """The proof, or the page that hands out the certificate."""
        return (
            self.own(flow.client_conn)
            or _asks_for_certificate(flow.request)
            or (self.certificate_at is not None and self.certificate_at in (_place(flow), flow.server_conn.address))
        )

    def client_connected(self, client: connection.Client) -> None:
        if self.own(client):
            return
        mode = client.proxy_mode
        device = client.peername[0]
        # Into the tunnel comes only who has its key; a local capture is of this machine's own programs.
        keyed = isinstance(mode, (mode_specs.WireGuardMode, mode_specs.LocalMode, mode_specs.TunMode))
        if not keyed and not self._let_in(ip(device)):
            client.error = "not let in"
            self.seen.strangers += 1
            if device not in self._turned_away and len(self._turned_away) < 1000:
                self._turned_away.add(device)
                self.tell("stranger", client=device)
            return
        if client.transport_protocol == "tcp":
            self._inside.add(client.id)
        self.seen.connections = len(self._inside)
        if device not in self._known and len(self._known) < 1000:
            self._known.add(device)
            self.tell("device", client=device, mode=mode.type_name)

    def _let_in(self, device: Address) -> bool:
        return not device.is_global or any(device in network for network in self.allowed)

    def client_disconnected(self, client: connection.Client) -> None:
        self._inside.discard(client.id)
        self.seen.connections = len(self._inside)

    def dns_request(self, flow: dns.DNSFlow) -> None:
        """The certificate's page has a name wherever the phone asks through the tunnel."""
        question = flow.request.question
        if self.certificate_at is None or question is None or question.name.rstrip(".").lower() != CERTIFICATE_HOST:
            return
        answers = []
        if question.type == types.A:
            answers = [dns.ResourceRecord.A(question.name, ipaddress.IPv4Address(_TUNNEL_DNS), ttl=10)]
        flow.response = flow.request.succeed(answers)

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        server, client = data.server, data.client
        if server.address is None or self.own(client):
            return
        host, port = server.address[0], server.address[1]
        if port == 80 and host in (CERTIFICATE_HOST, _TUNNEL_DNS) and self.certificate_at is not None:
            server.address = self.certificate_at
            return
        if (host, port) == self.certificate_at or _is_next_proxy(client, server):
            return
        reason = await self._kept_out(client, host, port, server.transport_protocol)
        if reason is not None:
            server.error = reason

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """A name may stand for loopback too, which shows only now; nothing was sent yet."""
        server, client = data.server, data.client
        if self.own(client) or server.peername is None or server.address == self.certificate_at:
            return
        led_here, from_here = ip(server.peername[0]).is_loopback, is_here(ip(client.peername[0]))
        if not led_here or from_here or _is_next_proxy(client, server):
            return
        addons: Any = ctx.master.addons
        handler = addons.get("proxyserver").connections.get(client.id)
        transport = None if handler is None else handler.transports.get(server)
        if transport is not None and transport.writer is not None:
            transport.writer.close()
        self._count_out(client, server.peername[0], server.peername[1], _LOOPBACK)

    async def _led_on(self, flow: http.HTTPFlow) -> None:
        """Where another proxy comes next, it is that one's address which is connected to: what it is asked for must be
        looked at before."""
        if not isinstance(flow.client_conn.proxy_mode, mode_specs.UpstreamMode) or self.own(flow.client_conn):
            return
        request = flow.request
        to_page = _place(flow) == self.certificate_at or _asks_for_certificate(request)
        if self.certificate_at is not None and to_page and request.method == "GET" and request.scheme == "http":
            # The next proxy knows of no such page, and may not reach this machine.
            flow.response = await asyncio.to_thread(_page, self.certificate_at, request.path)
            return
        reason = await self._kept_out(flow.client_conn, flow.request.host, flow.request.port, "tcp")
        if reason is not None:
            flow.response = http.Response.make(502, reason, {"content-type": "text/plain"})

    http_connect = requestheaders = _led_on

    async def _kept_out(self, client: connection.Client, host: str, port: int, transport: str) -> str | None:
        """Why nobody is led there, or None."""
        listens = (transport, port) in self.listening
        here = [a for a in await _addresses(host, port, listens) if is_here(a)]
        if listens and here:
            reason = "this is the proxy itself"
        elif any(a.is_loopback or a.is_unspecified for a in here) and not is_here(ip(client.peername[0])):
            # Its loopback is the phone's own; this machine's services there are none of its business.
            reason = _LOOPBACK
        else:
            return None
        self._count_out(client, host, port, reason)
        return reason

    def _count_out(self, client: connection.Client, host: str, port: int, reason: str) -> None:
        self.seen.kept_out += 1
        place = (host, port)
        if place not in self._told_out and len(self._told_out) < 1000:
            self._told_out.add(place)
            self.tell("kept_out", client=client.peername[0], server=list(place), reason=reason)

    def tls_start_server(self, data: tls.TlsData) -> None:
        """The proof's server has a certificate that nobody signed, and is asked for nothing but an echo."""
        if not self.own(data.context.client):
            return
        context = net_tls.create_proxy_server_context(
            method=net_tls.Method.TLS_CLIENT_METHOD,
            min_version=net_tls.Version.TLS1_2,
            max_version=net_tls.Version.UNBOUNDED,
            cipher_list=None,
            ecdh_curve=None,
            verify=net_tls.Verify.VERIFY_NONE,
            ca_path=None,
            ca_pemfile=None,
            client_cert=None,
            legacy_server_connect=False,
        )
        data.ssl_conn = net_tls.SSL.Connection(context)  # type: ignore[attr-defined]
        data.ssl_conn.set_connect_state()

    def tls_failed_client(self, data: tls.TlsData) -> None:
        if not self.own(data.context.client):
            self.seen.refused += 1


def _place(flow: http.HTTPFlow) -> tuple[str, int]:
    """Where a request goes."""
    return flow.request.host, flow.request.port


def _page(place: tuple[str, int], path: str) -> http.Response:
    """What the certificate's page answers."""
    asking = HTTPConnection(*place, timeout=5)
    try:
        asking.request("GET", path)
        answer = asking.getresponse()
        return http.Response.make(answer.status, answer.read(), dict(answer.getheaders()))
    except (OSError, HTTPException, ValueError):
        return http.Response.make(502, "the certificate's page does not answer", {"content-type": "text/plain"})
    finally:
        asking.close()


def _is_next_proxy(client: connection.Client, server: connection.Server) -> bool:
    """The proxy that all goes on through, which may well be this machine's."""
    mode = client.proxy_mode
    return isinstance(mode, mode_specs.UpstreamMode) and server.address == mode.address


async def _addresses(host: str, port: int, resolve: bool) -> list[Address]:
    """The addresses that a host stands for; names are looked up only where it matters."""
    try:
        return [ip(host)]
    except ValueError:
        pass
    if host.rstrip(".").lower() == "localhost" or host.rstrip(".").lower().endswith(".localhost"):
        return [ipaddress.IPv4Address("127.0.0.1")]
    if not resolve:
        return []
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [ip(str(entry[4][0])) for entry in found]


class Hidden:
    """Stands before the addons that record, and ends a hook there for what is Lintas' own. Counts the rest."""

    name = "lintashidden"

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._first: set[str] = set()

    def client_connected(self, client: connection.Client) -> None:
        if self._doors.own(client):
            raise exceptions.AddonHalt

    def _hide(self, flow: http.HTTPFlow) -> None:
        if self._doors.ours(flow):
            raise exceptions.AddonHalt

    http_connect = http_connected = requestheaders = responseheaders = response = _hide

    def request(self, flow: http.HTTPFlow) -> None:
        """It was decrypted, whether a server answers it or not."""
        self._hide(flow)
        self._doors.seen.requests += 1
        device = flow.client_conn.peername[0]
        if flow.client_conn.tls_established and device not in self._first and len(self._first) < 1000:
            self._first.add(device)
            self._doors.tell("first", client=device, host=flow.request.pretty_host)

    def error(self, flow: Any) -> None:
        if isinstance(flow, http.HTTPFlow):
            self._hide(flow)

    def server_connect_error(self, data: ServerConnectionHookData) -> None:
        # A browser that tries https first.
        address = data.server.address
        if address is not None and address[0] in (CERTIFICATE_HOST, _TUNNEL_DNS) and address[1] in (80, 443):
            raise exceptions.AddonHalt

    def dns_request(self, flow: dns.DNSFlow) -> None:
        if _names(flow, (CERTIFICATE_HOST,)):
            raise exceptions.AddonHalt

    dns_response = dns_request


def _names(flow: dns.DNSFlow, hosts: Iterable[str]) -> bool:
    question = flow.request.question
    return question is not None and question.name.rstrip(".").lower() in hosts
