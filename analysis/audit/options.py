"""What the user asks of an audit beside the capture, and how it is said on a command line."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        folder.check_timezone(options.timezone, "--timezone")
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
