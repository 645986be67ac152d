"""What the user asks of an audit beside the capture, and how it is said on a command line."""

from __future__ import annotations

import datetime
import difflib
import ipaddress
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from analysis import folder
from analysis.model import InputError
from analysis.reference import Reference


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What the user said beside the capture; each of it outranks the manifest."""

    persona: Path | None = None
    app: str | None = None
    vendor: str | None = None
    device: str | None = None
    user_country: str | None = None
    vantage: folder.Vantage | None = None
    timezone: str | None = None
    date: datetime.date | None = None
    study_key: Path | None = None
    reveal: bool = False
    reference: Path | None = None
    geo_country: tuple[Path, ...] = ()
    geo_asn: tuple[Path, ...] = ()
    sealed: bool = True
    """The capture is finished. False while it is still written: a torn tail is not yet there, and no loss."""
    batch: int = 256
    workers: int | None = None
    """Processes that read; None: one for each core, once there is enough to read."""


def with_options(manifest: folder.Manifest, options: AuditOptions) -> folder.Manifest:
    """The manifest as the user's word has it. Raises InputError for a time zone that is none."""
    app = manifest.app
    if options.app is not None:
        app = folder.App(id=options.app) if options.app != app.id else app
    if options.vendor is not None:
        app = replace(app, vendor=options.vendor)
    device = manifest.device
    if options.device is not None:
        device = replace(device, address=options.device)
    changes: dict[str, Any] = {"app": app, "device": device}
    if options.user_country is not None:
        changes["user_country"] = options.user_country
    if options.vantage is not None:
        changes["vantage"] = options.vantage
    if options.timezone is not None:
        folder.check_timezone(options.timezone, f"--timezone {options.timezone!r}")
        changes["timezone"] = options.timezone
    return replace(manifest, **changes)


def asked_country(text: str, option: str) -> str:
    """A country of ISO 3166 in the form that tables have. Raises InputError that names the option."""
    known = folder.country_code(text, option)
    if known not in Reference.load().countries:
        raise InputError(f"{option} {text!r} is no country of ISO 3166; write its two letters, like ID.")
    return known


def asked_address(text: str, option: str) -> str:
    """An IP address in its canonical form. Raises InputError that names the option."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError as error:
        raise InputError(
            f"{option} {text!r} is no address of a phone; write one like 10.0.0.2, as lintas info shows it."
        ) from error


_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
"""Package names of Android and bundle ids of Apple are letters, digits, points, dashes and underscores."""


def asked_app(text: str, option: str) -> str:
    """A package or bundle id. Raises InputError that names the option."""
    if not _APP_ID.fullmatch(text.strip()):
        raise InputError(f"{option} {text!r} is no package or bundle id; write one like com.example.shop.")
    return text.strip()


def asked_vendor(text: str, option: str, reference: Reference) -> str:
    """An operator that ``reference`` has, by id or name. Raises InputError that names the option and the nearest."""
    vendor, _ = reference.vendor_of(None, None, text.strip())
    if vendor is not None:
        return vendor
    names = {o.id.lower(): o.id for o in reference.operators.values()}
    names |= {o.name.lower(): o.id for o in reference.operators.values()}
    near = dict.fromkeys(names[n] for n in difflib.get_close_matches(text.strip().lower(), names, 3, 0.6))
    hint = f" (near it: {', '.join(near)})" if near else ""
    raise InputError(
        f"{option} {text!r} is no operator that Lintas knows{hint}; give its id, or describe it in a folder of "
        "your own and name that with --reference."
    )


def check_device(address: str | None, flows: pa.Table) -> None:
    """See that the device which the user named speaks in the capture. Raises InputError that names those that do.

    ``address``: in canonical form; None where the user named none. ``flows``: the table."""
    if address is None:
        return
    seen = Counter(end for column in ("src", "dst") for end in flows[column].to_pylist() if end)
    if address in seen:
        return
    phones = Counter(end for end in flows["src"].to_pylist() if end)
    if not phones:
        raise InputError("--device names an address, and this capture names none of a device; leave the option out.")
    listed = ", ".join(f"{end} ({count} {'flow' if count == 1 else 'flows'})" for end, count in phones.most_common(5))
    raise InputError(f"--device {address} speaks in no flow of this capture; those that do: {listed}.")


def asked_day(text: str, option: str) -> datetime.date:
    """A day. Raises InputError that names the option."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text!r} is no day; write it as 2026-11-24.") from error


def asked_vantage(text: str, option: str) -> folder.Vantage:
    """``LAT,LON[,COUNTRY[,vpn]]`` as a manifest's vantage. Raises InputError that names the option."""
    parts = [p.strip() for p in text.split(",")]
    try:
        latitude, longitude = float(parts[0]), float(parts[1])
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or len(parts) > 4:
            raise ValueError
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{option} {text!r} is no place; write latitude and longitude in degrees, like -6.2,106.8,ID."
        ) from error
    line = parts[3] if len(parts) == 4 else "direct"
    if line not in ("vpn", "direct"):
        raise InputError(f"{option} {text!r}: the line is direct or vpn.")
    country = asked_country(parts[2], option) if len(parts) > 2 and parts[2] else None
    return folder.Vantage(
        latitude=latitude, longitude=longitude, country=country, line="vpn" if line == "vpn" else "direct"
    )
