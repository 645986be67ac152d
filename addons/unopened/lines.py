"""The lines of ``events.jsonl`` that tell of connections that were not opened, and of hosts that are passed through."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from addons.shared import logger_of
from addons.unopened.connection import Seen
from addons.unopened.hosts import Host, Place
from addons.unopened.signals import ALERTED, Signal
from analysis.folder.writing import Writing
from analysis.reference.suffixes import without_labels

if TYPE_CHECKING:
    from mitmproxy import connection

logger = logger_of(__name__)


class Lines:
    """Writes them to ``out``; without effect where that is None."""

    def __init__(self) -> None:
        self.out: Writing | None = None

    def write(
        self,
        seen: Seen,
        type_: str,
        signal: Signal,
        *,
        octets: tuple[int | None, int | None],
        server: connection.Server | None = None,
        at: int | None = None,
        sni: str | None = None,
    ) -> None:
        if self.out is None:
            return
        client = seen.client
        server = server or (seen.context.server if seen.context is not None else None)
        keys: dict[str, Any] = {}
        if server is not None:
            named = server.address[0] if server.address else None
            began, done = server.timestamp_start, server.timestamp_tcp_setup
            # Behind another proxy the peer is that proxy.
            keys["server"] = end_of(server.address if server.via else server.peername or server.address)
            keys["host"] = named
            if began is not None and done is not None and server.via is None:
                keys["tcp_ms"], keys["handshake_at"] = (done - began) * 1000, micros(began)
        name = client.sni if sni is None else sni
        self.out.event(
            type_,
            at=at or micros(client.timestamp_start),
            end=now(),
            connection=client.id,
            client=end_of(client.peername),
            sni=name or None,
            transport=client.transport_protocol,
            way=client.proxy_mode.type_name,
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

    def passthrough(self, state: str, place: Place, host: Host, seconds: int) -> None:
        """A host begins to be passed through, is tried, or is opened again. The log, which is shown and sent around,
        has less of its name than the folder."""
        client, name, port, transport = place
        logged = without_labels(name)
        what = "passed through unopened" if transport == "tcp" else "QUIC to it is refused"
        number = max(host.refusals, host.by_server)
        if state in ("begun", "again"):
            if host.cause == "server_certificate":
                who = f"the certificate of {logged} did not hold for {client}"
            else:
                verb = "refused" if host.cause in ALERTED else "came to nothing with"
                who = f"{logged} refused the proxy for {client}" if host.by_server else f"{client} {verb} {logged}"
            times = f"{number} times" if number > 1 else "once"
            logger.warning("%s %s (%s): %s for %d s.", who, times, host.cause, what, seconds)
        elif state == "cleared":
            logger.warning("%s is opened again for %s.", logged, client)
        if self.out is not None:
            self.out.event(
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


def now() -> int:
    return time.time_ns() // 1000


def micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)


def end_of(address: tuple[Any, ...] | None) -> list[Any] | None:
    return None if address is None else [address[0], address[1]]
