"""Ranges that providers publish for their own networks: a witness of place of another kind than a database."""

from __future__ import annotations

import csv
import ipaddress
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

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


class _Published(NamedTuple):
    """One list: its columns, and its rows as they stand in the file, by network."""

    columns: list[str]
    rows: dict[str, str]

    def at(self, network: str) -> Iterator[RangeHit]:
        lines = self.rows.get(network)
        if lines is not None:
            for row in csv.DictReader(lines.split("\n"), self.columns):
                provider = row["provider"]
                source = row["source"] if "source" in row else SOURCES[provider]
                yield RangeHit(network, provider, row["region"], row["country"] or None, source)


class Ranges:
    """Published ranges by their text, in the one spelling that ``str(ip_network)`` gives them: so twenty thousand need
    not be parsed to look up one address. The narrowest of each provider counts."""

    def __init__(self, *lists: Sequence[str]) -> None:
        """``lists``: the lines of CSV files, the columns' names first."""
        self._lists: list[_Published] = []
        self._lengths: dict[int, set[int]] = {4: set(), 6: set()}
        for head, *lines in lists:
            rows: dict[str, str] = {}
            for line in lines:
                network = line.partition(",")[0]
                rows[network] = f"{rows[network]}\n{line}" if network in rows else line
            self._lists.append(_Published(head.split(","), rows))
            for version, length in {(6 if ":" in n else 4, n.partition("/")[2]) for n in rows}:
                self._lengths[version].add(int(length))

    @classmethod
    @lru_cache(maxsize=1)
    def load(cls) -> Ranges:
        """Both files."""
        names = ("cloud_ranges.csv", "cloud_ranges_more.csv")
        return cls(*((HERE / name).read_text(encoding="utf-8").strip().split("\n") for name in names))

    def __iter__(self) -> Iterator[RangeHit]:
        for published in self._lists:
            for network in published.rows:
                yield from published.at(network)

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
            network = f"{written(number >> rest << rest)}/{length}"
            for published in self._lists:
                for hit in published.at(network):
                    hits.setdefault(hit.provider, hit)
        return [hits[p] for p in sorted(hits)]
