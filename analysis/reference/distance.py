"""Least distance from a point to every country, so that light can refute a database.

Great circles on a sphere of 6,371.0088 km (mean radius, IUGG) differ from the ellipsoid by at most 0.56 %, and the
1:50m coasts of Natural Earth leave out islets and simplify shores. Every distance given here is therefore too small
by ``MARGIN_KM`` and ``MARGIN``: what is refuted with it is refuted.

A code may be used for territories that have a code of their own (``US`` for Guam), so a country's distance is the
least of its own shape and theirs. A code that no shape has takes its sovereign's distance, or cannot be refuted.
"""

from __future__ import annotations

import json
from functools import lru_cache
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

    def __init__(self, rings: dict[str, list[Any]], labels: dict[str, tuple[float, float]], coasts: list[Any]) -> None:
        self._rings = rings
        self.labels = labels
        """A point of each area for its mark: (latitude, longitude)."""
        self.coasts = coasts
        """Rings of land at 1:110m as lists of (longitude, latitude)."""

    @classmethod
    @lru_cache(maxsize=1)
    def load(cls, path: Path = DATA / "shapes.zst") -> Distance:
        """Read the file that ``scripts/build_reference_data.py`` wrote."""
        raw = json.loads(zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=1 << 27))
        rings = {
            code: [np.cumsum(np.array(r, np.int64).reshape(-1, 2), axis=0) / 1000.0 for r in found]
            for code, found in raw["countries"].items()
        }
        coasts = [
            [(x / 100.0, y / 100.0) for x, y in np.cumsum(np.array(r, np.int64).reshape(-1, 2), axis=0).tolist()]
            for r in raw["coasts"]
        ]
        return cls(rings, {c: (p[0], p[1]) for c, p in raw["labels"].items()}, coasts)

    @lru_cache(maxsize=16)  # noqa: B019 - one instance, a few vantages
    def nearest_km(self, latitude: float, longitude: float) -> dict[str, float]:
        """Kilometres from the point to the nearest part of each country, never more than it is; 0 inside of it. Beside
        the codes of countries.yaml there is XK, which databases use."""
        own = {code: _nearest(rings, latitude, longitude) for code, rings in self._rings.items()}
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


def _nearest(rings: list[Any], latitude: float, longitude: float) -> float:
    """Least great-circle distance to the segments of the rings; 0 where the point lies inside of one.

    For a segment a-b with normal n = a x b the foot of the point is on it when it lies between a and b; otherwise
    the nearer end counts (Chamberlain and Duquette, 2007, on polygons on a sphere, for the geometry)."""
    point = _unit(longitude, latitude)
    best = np.inf
    inside = False
    for ring in rings:
        inside ^= _inside(ring, longitude, latitude)
        corners = _unit(ring[:, 0], ring[:, 1])
        a, b = corners, np.roll(corners, -1, axis=0)
        best = min(best, float(np.arccos(np.clip(a @ point, -1.0, 1.0)).min()))
        normal = np.cross(a, b)
        length = np.linalg.norm(normal, axis=1)
        real = length > 1e-12
        normal, a, b = normal[real] / length[real, None], a[real], b[real]
        height = normal @ point
        foot = point - height[:, None] * normal
        between = (np.einsum("ij,ij->i", np.cross(a, foot), normal) >= 0) & (
            np.einsum("ij,ij->i", np.cross(foot, b), normal) >= 0
        )
        if between.any():
            best = min(best, float(np.abs(np.arcsin(np.clip(height[between], -1.0, 1.0))).min()))
    return 0.0 if inside else best * RADIUS_KM


def _inside(ring: Any, longitude: float, latitude: float) -> bool:
    """Whether a point lies in a ring, by crossings of its parallel in plain longitude and latitude. Natural Earth
    cuts its shapes at 180 degrees, so no ring crosses it."""
    x, y = ring[:, 0], ring[:, 1]
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    crosses = (y > latitude) != (y2 > latitude)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x + (latitude - y) / (y2 - y) * (x2 - x)
    return bool(np.count_nonzero(crosses & (longitude < at)) % 2)
