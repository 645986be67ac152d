"""Databases of place and network: ours, and the user's own beside them.

Ours say where an address *is* (DB-IP, and the registries with their geofeeds) or where its network is *registered*
(IPtoASN); the two kinds are never mixed, because a cloud's Singapore region may be registered in another country.
"""

from __future__ import annotations

import ipaddress
import struct
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import maxminddb

from analysis.model import InputError
from analysis.reference.embedded import public_ipv4
from analysis.reference.intervals import Intervals
from analysis.reference.sources import DATA, GEO_FILES

Kind = Literal["location", "registration"]

NO_COUNTRY = frozenset({"EU", "AP", "A1", "A2", "O1", "XX", "ZZ", "T1", "AN"})
"""Codes of databases that name no country (group ``no_single_country`` of countries.yaml)."""


class Claim(NamedTuple):
    """What one database says of an address. ``maker``: two databases of one maker are one witness."""

    source: str
    maker: str
    country: str | None
    date: str
    kind: Kind


class Autonomous(NamedTuple):
    """The network that announces an address."""

    number: int
    name: str | None
    source: str


@lru_cache(maxsize=8)
def _ours(name: str) -> Intervals:
    return Intervals.load(DATA / f"{name}.zst")


class Geo:
    """Look-ups by address. ``country`` and ``asn``: MMDB files of the user's own.

    Raises InputError for a file that is no MMDB, or of the wrong kind."""

    def __init__(self, country: tuple[Path, ...] = (), asn: tuple[Path, ...] = ()) -> None:
        self._country = [_Database(p, "country") for p in country]
        self._asn = [_Database(p, "network") for p in asn]

    def lookup(self, text: str) -> list[Claim]:
        """What each database says of an address; the user's own after ours. Reserved addresses are not asked for."""
        address = _address(text)
        if address is None:
            return []
        claims = []
        for name, about in GEO_FILES.items():
            if about.kind in ("location", "registration"):
                country = _ours(name).lookup(address)
                if country is not None and country not in NO_COUNTRY:
                    claims.append(Claim(about.title, about.maker, country, about.date, about.kind))  # type: ignore[arg-type]
        for database in self._country:
            country = database.country(address)
            if country is not None and country not in NO_COUNTRY:
                claims.append(Claim(database.title, database.maker, country, database.date, "location"))
        return claims

    def asn(self, text: str) -> Autonomous | None:
        """The network of an address: the user's database first, then ours."""
        address = _address(text)
        if address is None:
            return None
        for database in self._asn:
            found = database.network(address)
            if found is not None:
                return Autonomous(*found, database.title)
        label = _ours("asn").lookup(address)
        return None if label is None else Autonomous(label[0], label[1], GEO_FILES["asn"].title)

    def reserved(self, text: str) -> bool:
        """True for an address that no public network has (RFC 6890 registries), and for what is no address."""
        return _address(text) is None


@lru_cache(4_096)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = public_ipv4(ipaddress.ip_address(text.split("%")[0]))
    except ValueError:
        return None
    public = address.is_global and not address.is_multicast
    if address.version == 6:
        public = public and address in _UNICAST6 and address not in _DOCUMENTATION6
    return address if public else None


_UNICAST6 = ipaddress.ip_network("2000::/3")
"""All that IANA has given out of IPv6 for machines that anyone may reach (RFC 4291 section 2.4, registry)."""
_DOCUMENTATION6 = ipaddress.ip_network("3fff::/20")
"""RFC 9637, which not every Python 3.12 or 3.13 knows."""


_ASKED = 20_000
"""How many networks are looked through for one that says what is wanted, before a file counts as of another kind."""

_NO_DATABASE = (
    OSError,
    ValueError,
    OverflowError,
    LookupError,
    AttributeError,
    TypeError,
    RecursionError,
    MemoryError,
    struct.error,
    maxminddb.InvalidDatabaseError,
)
"""What the reader raises for a file that is none, is cut off or lies about itself."""

_MAKERS = {"geolite": "MaxMind", "geoip": "MaxMind", "ipinfo": "IPinfo", "dbip": "DB-IP", "db-ip": "DB-IP"}


class _Database:
    """A user's MMDB, whatever the shape of its records: MaxMind's, IPinfo's, DB-IP's or a flat one."""

    def __init__(self, path: Path, wanted: str) -> None:
        option = "--geo-country" if wanted == "country" else "--geo-asn"
        try:
            # The reader in Python: the one in C ends the whole process at a damaged file.
            self._reader = maxminddb.open_database(str(path), maxminddb.MODE_MMAP)
            about = self._reader.metadata()
            self.date = datetime.fromtimestamp(about.build_epoch, UTC).date().isoformat()
            answers = self._answers(wanted)
            words = f"{about.database_type} {' '.join(map(str, about.description.values()))}".lower()
        except _NO_DATABASE as error:
            raise InputError(f"{option} {path} is no MMDB database that can be read; download it again.") from error
        self.maker = next(
            (m for word, m in _MAKERS.items() if word in words.replace(" ", "-") or word in words),
            about.database_type,
        )
        self.title = f"{about.database_type} ({path.name})"
        if not answers:
            raise InputError(
                f"{option} {path} ({about.database_type}) names no {wanted} in its records; give one that does."
            )

    def _answers(self, wanted: str) -> bool:
        """True when one of the first networks says what is wanted. Goes from network to network by look-ups, whose
        work is bounded; a walk of the tree has no end where a damaged node leads back to itself."""
        of: Any = ipaddress.IPv4Address if self._reader.metadata().ip_version == 4 else ipaddress.IPv6Address
        bits = 32 if of is ipaddress.IPv4Address else 128
        number = 0
        for _ in range(_ASKED):
            record, length = self._reader.get_with_prefix_len(of(number))
            if (_country(record) if wanted == "country" else _network(record)) is not None:
                return True
            number = ((number >> (bits - length)) + 1) << (bits - length)
            if number >> bits:
                return False
        return False

    def _record(self, address: Any) -> Any:
        if address.version == 6 and self._reader.metadata().ip_version == 4:
            return None
        try:
            return self._reader.get(address)
        except _NO_DATABASE:
            return None

    def country(self, address: Any) -> str | None:
        return _country(self._record(address))

    def network(self, address: Any) -> tuple[int, str | None] | None:
        return _network(self._record(address))


def _country(record: Any) -> str | None:
    """The country of a record: ``country.iso_code`` (MaxMind), ``country_code`` (DB-IP, IPinfo lite) or ``country``.
    ``registered_country`` is another fact and never stands in for it."""
    if not isinstance(record, dict):
        return None
    inner = record.get("country")
    for code in (
        inner.get("iso_code") if isinstance(inner, dict) else None,
        record.get("country_code"),
        inner,
    ):
        if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():
            return code.upper()
    return None


def _network(record: Any) -> tuple[int, str | None] | None:
    """AS number and name: MaxMind's, IPinfo's (``asn: AS15169``, or one ``asn`` that holds both) or a flat record's."""
    if not isinstance(record, dict):
        return None
    inner = record.get("asn")
    if isinstance(inner, dict):
        record = inner
    number = record.get("autonomous_system_number", record.get("asn"))
    name = record.get("autonomous_system_organization", record.get("as_name", record.get("name")))
    if isinstance(number, str):
        digits = number.upper().removeprefix("AS")
        number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 10 else None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 32:
        return None
    return number, name if isinstance(name, str) else None
