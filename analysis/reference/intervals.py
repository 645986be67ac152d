"""Sorted intervals of addresses, packed: what is looked up by address, in little room and opened fast.

A file holds, for IPv4 and IPv6, the first address of each interval and the number of the label that holds from there
to the next one; label 0 means that nothing is known. Starts are stored as differences and the whole is compressed,
so nothing of the published ranges is lost. Built by ``scripts/build_reference_data.py``.
"""

from __future__ import annotations

import ipaddress
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard

_MAGIC = b"LINTASI1"
_HEAD = struct.Struct("<8sIII")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Intervals:
    """A table from address to label."""

    def __init__(self, labels: list[Any], v4: Any, v4_labels: Any, v6: tuple[Any, Any], v6_labels: Any) -> None:
        self.labels = labels
        self._v4, self._v4_labels = v4, v4_labels
        self._upper, self._lower = v6
        self._v6_labels = v6_labels

    def lookup(self, address: Address) -> Any:
        """The label of an address, or None."""
        if address.version == 4:
            # A number of the array's own type: any other makes numpy convert the whole array at each look-up.
            place = int(np.searchsorted(self._v4, np.uint32(int(address)), side="right")) - 1
            labels = self._v4_labels
        else:
            place = self._place6(int(address)) - 1
            labels = self._v6_labels
        return self.labels[int(labels[place])] if place >= 0 else None

    def _place6(self, number: int) -> int:
        """How many intervals begin at or before an IPv6 address, whose halves are searched one after the other."""
        upper, lower = np.uint64(number >> 64), np.uint64(number & (1 << 64) - 1)
        first = int(np.searchsorted(self._upper, upper, side="left"))
        last = int(np.searchsorted(self._upper, upper, side="right"))
        return first + int(np.searchsorted(self._lower[first:last], lower, side="right"))

    @classmethod
    def load(cls, path: Path) -> Intervals:
        """Read a file that ``pack`` wrote."""
        raw = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=1 << 28)
        magic, head, n4, n6 = _HEAD.unpack_from(raw)
        if magic != _MAGIC:
            raise ValueError(f"{path} is no interval file")
        at = _HEAD.size
        labels = msgspec.json.decode(memoryview(raw)[at : at + head])
        at += head

        def column(dtype: str, count: int) -> Any:
            nonlocal at
            found = np.frombuffer(raw, dtype, count, at)
            at += found.nbytes
            return found

        v4 = np.cumsum(column("<u4", n4), dtype=np.uint32)
        v4_labels = column("<u4", n4)
        # IPv6 as two halves: differences of the upper, the lower as it is (mostly zero).
        upper, lower = np.cumsum(column("<u8", n6), dtype=np.uint64), column("<u8", n6)
        v6_labels = column("<u4", n6)
        return cls(labels, v4, v4_labels, (upper, lower), v6_labels)


def pack(path: Path, ranges: Iterable[tuple[int, int, int, Any]]) -> tuple[int, int]:
    """Write intervals ``(version, first, last, label)``, which must not overlap; neighbours of one label are merged.

    Returns the number of stored starts of IPv4 and IPv6."""
    ranges = list(ranges)
    numbers: dict[str, int] = {"null": 0}
    starts: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for version in (4, 6):
        rows = sorted((first, last, label) for v, first, last, label in ranges if v == version)
        end = -1
        made = starts[version]
        for first, last, label in rows:
            if first <= end:
                raise ValueError(f"intervals overlap at {first}")
            number = numbers.setdefault(json.dumps(label), len(numbers))
            if first > end + 1 and (not made or made[-1][1] != 0):
                made.append((end + 1, 0))
            if not made or made[-1][1] != number:
                made.append((first, number))
            end = last
        if end + 1 < 1 << (32 if version == 4 else 128):
            made.append((end + 1, 0))
    labels = json.dumps([json.loads(text) for text in numbers], ensure_ascii=False, separators=(",", ":")).encode()
    v4 = np.array([s for s, _ in starts[4]], np.uint64)
    upper = np.array([s >> 64 for s, _ in starts[6]], np.uint64)
    lower = np.array([s & (1 << 64) - 1 for s, _ in starts[6]], np.uint64)
    parts = [
        _HEAD.pack(_MAGIC, len(labels), len(v4), len(upper)),
        labels,
        np.diff(v4, prepend=np.uint64(0)).astype("<u4").tobytes(),
        np.array([n for _, n in starts[4]], "<u4").tobytes(),
        np.diff(upper, prepend=np.uint64(0)).astype("<u8").tobytes(),
        lower.astype("<u8").tobytes(),
        np.array([n for _, n in starts[6]], "<u4").tobytes(),
    ]
    path.write_bytes(zstandard.ZstdCompressor(level=22).compress(b"".join(parts)))
    return len(v4), len(upper)
