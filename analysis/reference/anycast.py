"""Kinds of networks that use anycast: of their addresses it is not known which machine answered, unless the operator
publishes a region. What stands here only lowers a level, the same for every country."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable

from analysis.reference.embedded import public_ipv4
from analysis.reference.schema import AnycastKind


class AnycastKinds:
    """Looks up by network, AS number, port and host name."""

    def __init__(self, records: Iterable[AnycastKind]) -> None:
        self._prefixes: dict[tuple[int, int], dict[int, AnycastKind]] = defaultdict(dict)
        self._asns: dict[int, AnycastKind] = {}
        self._ports: dict[int, AnycastKind] = {}
        self._hosts: dict[str, AnycastKind] = {}
        for record in records:
            for text in record.networks:
                network = ipaddress.ip_network(text)
                shift = network.max_prefixlen - network.prefixlen
                of = self._prefixes[(network.version, network.prefixlen)]
                of.setdefault(int(network.network_address) >> shift, record)
            for number in record.asns:
                self._asns.setdefault(int(number.removeprefix("AS")), record)
            for port in record.ports:
                self._ports.setdefault(port, record)
            for host in record.hosts:
                self._hosts.setdefault(host, record)

    def of(self, address: str, asn: int | None, ports: Iterable[int], host: str | None) -> AnycastKind | None:
        """The first record that fits an address, or None. ``asn``: the network that announces it; ``ports``: at which
        something was said to it; ``host``: its name."""
        found = self._by_network(address)
        if found is None and asn is not None:
            found = self._asns.get(asn)
        for port in sorted(ports):
            found = found or self._ports.get(port)
        labels = [] if host is None else host.lower().rstrip(".").split(".")
        for n in range(len(labels)):
            found = found or self._hosts.get(".".join(labels[n:]))
        return found

    def _by_network(self, text: str) -> AnycastKind | None:
        try:
            address = public_ipv4(ipaddress.ip_address(text.split("%")[0]))
        except ValueError:
            return None
        for (version, length), of in self._prefixes.items():
            if version == address.version:
                found = of.get(int(address) >> (address.max_prefixlen - length))
                if found is not None:
                    return found
        return None
