"""Ranges that providers publish for their own networks: a witness of place of another kind than a database."""

from __future__ import annotations

import csv
import ipaddress
from collections import defaultdict
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
    """Published ranges by prefix; the narrowest of each provider counts."""

    def __init__(self) -> None:
        self._by_prefix: dict[tuple[int, int], dict[int, list[RangeHit]]] = defaultdict(lambda: defaultdict(list))

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
                    made._add(network, provider, region, country, SOURCES[provider] if source is None else row[source])
        return made

    def _add(self, network: str, provider: str, region: str, country: str, source: str) -> None:
        first, _, length = network.partition("/")
        version, size = (6, 128) if ":" in first else (4, 32)
        number = int(ipaddress.IPv6Address(first) if version == 6 else ipaddress.IPv4Address(first))
        hit = RangeHit(network, provider, region, country or None, source)
        self._by_prefix[(version, int(length))][number >> (size - int(length))].append(hit)

    def lookup(self, text: str) -> list[RangeHit]:
        """The narrowest range of each provider that holds the address; none for what is no address."""
        try:
            address = public_ipv4(ipaddress.ip_address(text.split("%")[0]))
        except ValueError:
            return []
        size = 32 if address.version == 4 else 128
        found: dict[str, RangeHit] = {}
        for version, bits in sorted(self._by_prefix, reverse=True):
            if version == address.version:
                for hit in self._by_prefix[(version, bits)].get(int(address) >> (size - bits), ()):
                    found.setdefault(hit.provider, hit)
        return [found[p] for p in sorted(found)]
