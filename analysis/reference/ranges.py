"""Ranges that providers publish for their own networks: a witness of place of another kind than a database."""

from __future__ import annotations

import csv
import ipaddress
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from analysis.reference import RangeHit
from analysis.reference.embedded import public_ipv4

HERE = Path(__file__).resolve().parent
SOURCES = {
    "aws": "AWS ip-ranges, 2025-07",
    "azure": "Azure service tags, 2025-07",
    "google-cloud": "Google Cloud ranges, 2025-07",
    "oracle-cloud": "Oracle Cloud ranges, 2025-07",
    "cloudflare": "Cloudflare ranges, 2025-07",
    "fastly": "Fastly ranges, 2025-07",
    "akamai": "Akamai ranges, 2025-07",
}
"""Where the rows of cloud_ranges.csv come from; the other file names its source row by row."""


class Ranges:
    """Published ranges by their text, in the one spelling that RFC 5952 gives them: so twenty thousand need not be
    parsed to look up one address. The narrowest of each provider counts."""

    def __init__(self) -> None:
        self._by_network: dict[str, list[RangeHit]] = {}
        self._lengths: dict[int, set[int]] = {4: set(), 6: set()}

    @classmethod
    @lru_cache(maxsize=1)
    def load(cls) -> Ranges:
        """Both files."""
        made = cls()
        for name in ("cloud_ranges.csv", "cloud_ranges_more.csv"):
            with (HERE / name).open(encoding="utf-8", newline="") as file:
                rows = csv.reader(file)
                place = {column: n for n, column in enumerate(next(rows))}
                columns = [place[c] for c in ("network", "provider", "region", "country")]
                source = place.get("source")
                for row in rows:
                    network, provider, region, country = (row[n] for n in columns)
                    made.add(network, provider, region, country, SOURCES[provider] if source is None else row[source])
        return made

    def add(self, network: str, provider: str, region: str, country: str, source: str) -> None:
        """One range. ``network``: as ``str(ip_network)`` writes it; another spelling is never met."""
        hit = RangeHit(network, provider, region, country or None, source)
        self._by_network.setdefault(network, []).append(hit)
        self._lengths[6 if ":" in network else 4].add(int(network.rpartition("/")[2]))

    def __iter__(self) -> Iterator[RangeHit]:
        for hits in self._by_network.values():
            yield from hits

    def lookup(self, text: str) -> list[RangeHit]:
        """The narrowest range of each provider that holds the address; none for what is no address."""
        try:
            address = public_ipv4(ipaddress.ip_address(text.split("%")[0]))
        except ValueError:
            return []
        size, written = (32, ipaddress.IPv4Address) if address.version == 4 else (128, ipaddress.IPv6Address)
        number = int(address)
        hits: dict[str, RangeHit] = {}
        for length in sorted(self._lengths[address.version], reverse=True):
            rest = size - length
            for hit in self._by_network.get(f"{written(number >> rest << rest)}/{length}", ()):
                hits.setdefault(hit.provider, hit)
        return [hits[p] for p in sorted(hits)]
