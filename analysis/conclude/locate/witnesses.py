"""The witnesses of an address: databases, published ranges, and what machines say of themselves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from analysis.conclude.locate.level import Witness
from analysis.conclude.who import Network
from analysis.reference.sources import REGISTRIES
from analysis.tables import Tables

if TYPE_CHECKING:
    from analysis.conclude import Settings
    from analysis.reference import NodeReading, Reference


class Witnesses:
    """Looks up what is said of the addresses of one capture; each address once."""

    def __init__(self, reference: Reference, settings: Settings, tables: Tables) -> None:
        self._reference = reference
        self._geo = reference.geo(settings.geo_country, settings.geo_asn)
        self._addresses: dict[str, list[Witness]] = {}
        self._networks: dict[str, Network] = {}
        self._registered: dict[str, str | None] = {}
        self._clues: dict[str, dict[tuple[str, str], tuple[NodeReading, str]]] = defaultdict(dict)
        flows = tables["flows"]
        address_of = dict(zip(flows["flow"].to_pylist(), flows["dst"].to_pylist(), strict=True))
        self._ports: dict[str, set[int]] = defaultdict(set)
        for address, port in zip(flows["dst"].to_pylist(), flows["dport"].to_pylist(), strict=True):
            if address is not None and port is not None:
                self._ports[address].add(port)
        clues = tables["clues"]
        for flow, kind, text in zip(*(clues[c].to_pylist() for c in ("flow", "kind", "text")), strict=True):
            address = address_of.get(flow)
            if address is not None and kind in ("header", "reverse"):
                for reading in reference.node_places(kind, text):
                    # What one machine says of itself holds for every name that it answers to.
                    self._clues[address].setdefault((reading.id, reading.country), (reading, text))

    def of(self, address: str | None, host: str | None) -> list[Witness]:
        """Everything that is said of the place of a destination, strongest kinds last."""
        if address is None or self.reserved(address):
            return []
        return [*self._of_address(address), *self._said_by_itself(address, host)]

    def _of_address(self, address: str) -> list[Witness]:
        found = self._addresses.get(address)
        if found is None:
            found = [
                Witness("database", c.source, c.country, c.maker, f"{c.source}, {c.date}")
                for c in self._geo.lookup(address)
                if c.kind == "location"
            ]
            for hit in self._reference.cloud_ranges(address):
                text = f"{hit.provider} {hit.region}".strip()
                anycast = hit.country is None
                found.append(Witness("ranges", hit.source, hit.country, hit.provider, text, anycast))
            self._addresses[address] = found
        return found

    def _said_by_itself(self, address: str, host: str | None) -> list[Witness]:
        """Node codes in response headers, host and reverse names. Anyone can write a header: it counts only from an
        address of its writer, and only where its reading was confirmed and it names the machine itself."""
        made = []
        owner = self._reference.operator_by_asn(self.network(address).asn)
        said = list(self._clues.get(address, {}).values())
        if host is not None:
            said += [(reading, host) for reading in self._reference.node_places("host", host)]
        for reading, text in said:
            by_writer = owner is not None and reading.operator is not None and owner.operator.id == reading.operator
            holds = reading.shows == "edge" and reading.confidence == "verified" and by_writer
            words = f"{text} ({reading.shows})"
            made.append(Witness("node", reading.id, reading.country, reading.writer, words, False, holds))
        return made

    def has_region(self, address: str | None) -> bool:
        """True when the operator's own list gives this address a country."""
        return address is not None and any(
            w.kind == "ranges" and w.country is not None for w in self._of_address(address)
        )

    def anycast(self, address: str | None, host: str | None) -> str | None:
        """Why it is not known whether an address is announced from many places: id of a record of anycast.yaml. None
        where nothing says so, and where the operator's own list gives the address a region."""
        if address is None or self.reserved(address) or self.has_region(address):
            return None
        number = self.network(address).asn
        found = self._reference.anycast_kinds.of(address, number, self._ports.get(address, ()), host)
        return found.id if found is not None else None

    def network(self, address: str | None) -> Network:
        """The network that announces an address."""
        if address is None or self.reserved(address):
            return Network()
        known = self._networks.get(address)
        if known is None:
            found = self._geo.asn(address)
            known = self._networks[address] = Network() if found is None else Network(found.number, found.name)
        return known

    def registered(self, address: str | None) -> str | None:
        """Country in which the network of an address is registered; no witness of place. Said only where two makers
        agree: one that says where networks are registered, and the registries' own statistics."""
        if address is None or self.reserved(address):
            return None
        if address not in self._registered:
            self._registered[address] = self._registration(address)
        return self._registered[address]

    def _registration(self, address: str) -> str | None:
        claims = self._geo.lookup(address)
        stated = {c.country for c in claims if c.kind == "registration"}
        kept = {c.country for c in claims if c.maker == REGISTRIES}
        return stated.pop() if len(stated) == 1 and stated == kept else None

    def reserved(self, address: str) -> bool:
        """True for addresses that no public network has: private, documentation, loopback, multicast."""
        return self._geo.reserved(address)
