"""Least distance from a point to every country, so that light can refute a database.

Great circles on a sphere of 6,371.0088 km (mean radius, IUGG) differ from the ellipsoid by at most 0.56 %, and the
1:50m coasts of Natural Earth leave out islets and simplify shores. Every distance given here is therefore too small
by ``MARGIN_KM`` and ``MARGIN``: what is refuted with it is refuted.

A code may be used for territories that have a code of their own (``US`` for Guam), so a country's distance is the
least of its own shape and theirs. A code without a shape of its own lies within its sovereign's and takes that
distance. Islands that the coarser scale leaves out are there from the finer one; boxes stand around those that both
leave out, and around areas that two states claim, for each of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from analysis.reference.sources import DATA

RADIUS_KM = 6371.0088
MARGIN_KM = 25.0
MARGIN = 0.994

TERRITORIES = {
    "AU": ("CC", "CX", "HM", "NF"),
    "CN": ("HK", "MO"),
    "DK": ("FO", "GL"),
    "FI": ("AX",),
    "FR": ("BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "TF", "WF", "YT"),
    "GB": ("AI", "BM", "FK", "GG", "GI", "GS", "IM", "IO", "JE", "KY", "MS", "PN", "SH", "TC", "VG"),
    "NL": ("AW", "BQ", "CW", "SX"),
    "NO": ("BV", "SJ"),
    "NZ": ("CK", "NU", "TK"),
    "US": ("AS", "GU", "MP", "PR", "UM", "VI"),
}
"""Codes of ISO 3166-1 for areas that another entry's state is sovereign over or associated with; a database may use
either code. No statement on any status is meant."""


class Distance:
    """Shapes of countries, opened once."""

    def __init__(
        self,
        rings: dict[str, list[Any]],
        boxes: dict[str, list[Any]],
        labels: dict[str, tuple[float, float]],
        coasts: list[Any],
    ) -> None:
        self._rings = rings
        self._parts = {(code, 0): found for code, found in rings.items()}
        """Shapes that stand alone: a country's rings, of which one within another is a hole, and each of its boxes,
        which may lie over them."""
        self._parts |= {(code, n): [one] for code, found in boxes.items() for n, one in enumerate(found, 1)}
        self.labels = labels
        """A point of each area for its mark: (latitude, longitude)."""
        self.coasts = coasts
        """Rings of land at 1:110m as lists of (longitude, latitude)."""

    @classmethod
    @lru_cache(maxsize=1)
    def load(cls, path: Path = DATA / "shapes.zst") -> Distance:
        """Read the file that ``scripts/build_reference_data.py`` wrote."""
        raw = json.loads(zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=1 << 27))
        rings, boxes = (
            {
                code: [unrolled(np.cumsum(np.array(r, np.int64).reshape(-1, 2), axis=0) / 1000.0) for r in found]
                for code, found in raw[key].items()
            }
            for key in ("countries", "boxes")
        )
        coasts = [
            [(x / 100.0, y / 100.0) for x, y in np.cumsum(np.array(r, np.int64).reshape(-1, 2), axis=0).tolist()]
            for r in raw["coasts"]
        ]
        return cls(rings, boxes, {c: (p[0], p[1]) for c, p in raw["labels"].items()}, coasts)

    @cached_property
    def _segments(self) -> tuple[Any, Any, Any, Any, Any, Any]:
        """All rings in a row: corners, the corner after each, unit vectors of both, and where each ring and each
        part begins, the latter counted in rings."""
        rings = [ring for found in self._parts.values() for ring in found]
        corners = np.concatenate(rings)
        following = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
        ring_starts = np.cumsum([0, *(len(ring) for ring in rings)])[:-1]
        part_starts = np.cumsum([0, *(len(found) for found in self._parts.values())])[:-1]
        units = _unit(corners[:, 0], corners[:, 1]), _unit(following[:, 0], following[:, 1])
        return corners, following, *units, ring_starts, part_starts

    def _own(self, latitude: float, longitude: float) -> dict[str, float]:
        """Least great-circle distance to the shapes of each code; 0 where the point lies inside of one.

        For a segment a-b with normal n = a x b the foot of the point is on it when it lies between a and b; otherwise
        the nearer end counts (Chamberlain and Duquette, 2007, on polygons on a sphere, for the geometry)."""
        corners, following, a, b, ring_starts, part_starts = self._segments
        point = _unit(longitude, latitude)
        # Not "@": that is OpenBLAS, which ends the process where there is little memory.
        best = np.arccos(np.clip(np.einsum("ij,j->i", a, point), -1.0, 1.0))
        normal = np.cross(a, b)
        length = np.linalg.norm(normal, axis=1)
        normal /= np.where(length > 1e-12, length, 1.0)[:, None]
        height = np.einsum("ij,j->i", normal, point)
        foot = point - height[:, None] * normal
        between = (length > 1e-12) & (np.einsum("ij,ij->i", np.cross(a, foot), normal) >= 0)
        between &= np.einsum("ij,ij->i", np.cross(foot, b), normal) >= 0
        best = np.where(between, np.minimum(best, np.abs(np.arcsin(np.clip(height, -1.0, 1.0)))), best)
        nearest = np.minimum.reduceat(np.minimum.reduceat(best, ring_starts), part_starts) * RADIUS_KM
        within = np.zeros(len(ring_starts), bool)
        for left in _crossings(corners, following, longitude, latitude):
            within |= np.add.reduceat(left.astype(np.int64), ring_starts) % 2 == 1
        odd = np.add.reduceat(within.astype(np.int64), part_starts) % 2 == 1
        own: dict[str, float] = {}
        for (code, _), km in zip(self._parts, np.where(odd, 0.0, nearest).tolist(), strict=True):
            own[code] = min(km, own.get(code, km))
        return own

    @lru_cache(maxsize=16)  # noqa: B019 - one instance, a few vantages
    def nearest_km(self, latitude: float, longitude: float) -> dict[str, float]:
        """Kilometres from the point to the nearest part of each country, never more than it is; 0 inside of it. Beside
        the codes of countries.yaml there is XK, which databases use."""
        own = self._own(latitude, longitude)
        made = {}
        for code in set(own) | {t for ts in TERRITORIES.values() for t in ts}:
            parts = [own[c] for c in (code, *TERRITORIES.get(code, ())) if c in own]
            if code not in own:
                sovereign = next((s for s, ts in TERRITORIES.items() if code in ts), None)
                parts += [own[sovereign]] if sovereign in own else [0.0]
            made[code] = max(min(parts) * MARGIN - MARGIN_KM, 0.0)
        return dict(sorted(made.items()))


def _unit(longitude: Any, latitude: Any) -> Any:
    lon, lat = np.radians(longitude), np.radians(latitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def unrolled(ring: Any) -> Any:
    """A ring whose longitudes go on beyond 180 degrees where it crosses them, except one that holds a pole, whose
    shape runs along the meridian of 180 degrees and the pole itself."""
    seam = np.abs(np.diff(ring[:, 0])).max() > 180.0
    if not seam or np.abs(ring[:, 1]).max() > 89.9:
        return ring
    return np.stack([np.unwrap(ring[:, 0], period=360.0), ring[:, 1]], axis=-1)


def inside(ring: Any, longitude: float, latitude: float) -> bool:
    """Whether a point lies in a ring, by crossings of its parallel in plain longitude and latitude."""
    return any(np.count_nonzero(left) % 2 for left in _crossings(ring, np.roll(ring, -1, axis=0), longitude, latitude))


def _crossings(corners: Any, following: Any, longitude: float, latitude: float) -> Iterator[Any]:
    """Which segments cross the point's parallel to the east of it; thrice, for a ring that goes on beyond 180."""
    x, y, x2, y2 = corners[:, 0], corners[:, 1], following[:, 0], following[:, 1]
    crosses = (y > latitude) != (y2 > latitude)
    at = np.where(crosses, x + (latitude - y) / np.where(crosses, y2 - y, 1.0) * (x2 - x), -np.inf)
    for turn in (-360.0, 0.0, 360.0):
        yield longitude + turn < at
