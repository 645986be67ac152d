"""The round-trip time of an address: the least that was seen, where the capture point itself spoke to the server."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from analysis.folder import Vantage

_BOX_RATIO = 4.0
_BOX_GAP_MS = 30.0
"""A TCP answer that comes in a quarter of the TLS answer's time and 30 ms before it was given by a box on the way:
a server needs some milliseconds for its ServerHello, not a multiple of the round trip."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """``ms`` None: no time counts, and ``void`` says why (or is None where there simply is none)."""

    ms: float | None
    void: str | None = None


def round_trips(flows: pa.Table, vantage: Vantage) -> dict[str, RoundTrip]:
    """For each address the time that bounds its distance. Void on a line through another VPN and where a VPN on the
    phone ended TCP; an address is void when a box on the way answered one of its handshakes."""
    void = "vpn" if vantage.line != "direct" else "on_phone" if vantage.on_phone else None
    times: dict[str, float] = {}
    boxed: set[str] = set()
    columns = (flows[c].to_pylist() for c in ("dst", "tcp_ms", "tls_ms"))
    for address, tcp, tls in zip(*columns, strict=True):
        if address is None:
            continue
        if tcp is not None and tls is not None and tls > _BOX_RATIO * tcp and tls - tcp > _BOX_GAP_MS:
            boxed.add(address)
        for ms in (tcp, tls):
            if ms is not None and ms > 0:
                times[address] = min(ms, times.get(address, ms))
    made = {}
    for address, ms in times.items():
        why = void or ("box_on_the_way" if address in boxed else None)
        made[address] = RoundTrip(None if why else ms, why)
    return made
