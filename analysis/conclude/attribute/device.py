"""Which device a flow came from: the phone, another, or one of which that is not known.

By the phone's address, since a proxy serves whoever comes. The manifest may state it; else the phone's own sockets show
it; else it is the one address that there is. A file that was made on the phone is the phone's.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.conclude.attribute.speaker import Flow
from analysis.conclude.clocks import Clocks
from analysis.folder import Manifest

_Version = bool
"""True for IPv6."""


class Device:
    """The phone of a capture, by its address in each version of IP."""

    def __init__(
        self, manifest: Manifest, events: Iterable[Mapping[str, Any]], flows: Iterable[Flow], clocks: Clocks
    ) -> None:
        self._clocks = clocks
        self._seen: dict[tuple[object, _Version], set[str]] = defaultdict(set)
        """Addresses that flows came from: of the proxy's files together, and of each other file."""
        all_seen: set[str] = set()
        for flow in flows:
            address = flow.near[0]
            if address is not None and not clocks.on_phone(flow.source):
                self._seen[clocks.recorder(flow.source), _version(address)].add(address)
                all_seen.add(address)
        self._known: dict[_Version, set[str]] = {}
        for address in _of_sockets(events) & all_seen:
            self._known.setdefault(_version(address), set()).add(address)
        if (stated := _canonical(manifest.device.address)) is not None:
            self._known[_version(stated)] = {stated}
        self._others = any(self._is_known(address) is False for address in all_seen)

    def is_phone(self, flow: Flow) -> bool:
        """True where the flow is the phone's: known to be, or with nothing to say that there was another device."""
        address = flow.near[0]
        if address is None or self._clocks.on_phone(flow.source):
            return True
        if (known := self._is_known(address)) is not None:
            return known
        return not self._others and len(self._seen[self._clocks.recorder(flow.source), _version(address)]) == 1

    def is_another(self, flow: Flow) -> bool:
        """True where the flow is known to be another device's."""
        address = flow.near[0]
        return address is not None and not self._clocks.on_phone(flow.source) and self._is_known(address) is False

    def _is_known(self, address: str) -> bool | None:
        known = self._known.get(_version(address))
        return None if known is None else address in known


def _of_sockets(events: Iterable[Mapping[str, Any]]) -> set[str]:
    """The phone's addresses by its own table, but for what it says to itself."""
    found = set()
    for event in events:
        if event.get("type") == "socket":
            near, far = (event.get("src") or (None,))[0], (event.get("dst") or (None,))[0]
            if near is not None and near != far and not (far is None and _is_loopback(near)):
                found.add(near)
    return found


def _version(address: str) -> _Version:
    return ":" in address


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")


def _canonical(address: str | None) -> str | None:
    """An address as flows have it; what is none stays as it is, and is no flow's."""
    if address is None:
        return None
    try:
        found = ipaddress.ip_address(address.strip().split("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
