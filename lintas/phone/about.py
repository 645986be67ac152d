"""What a phone says of itself, and of the app under test, as fields of a capture's manifest.

Nothing here is a personal value: those are ``lintas.phone.identity``'s.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from analysis.folder import check_timezone
from analysis.model import InputError
from lintas.phone.adb import Phone
from lintas.phone.apps import AppFacts, facts, user_certificates, whole

_PROPERTIES = {
    "release": "ro.build.version.release",
    "sdk": "ro.build.version.sdk",
    "patch": "ro.build.version.security_patch",
    "maker": "ro.product.manufacturer",
    "model": "ro.product.model",
    "build": "ro.build.fingerprint",
    "timezone": "persist.sys.timezone",
    "locale": "persist.sys.locale",
    "first_locale": "ro.product.locale",
    "kind": "ro.build.type",
}
_ASKED = 5
"""How often the clock is asked; the quickest answer is the most exact."""


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """The phone and its system. ``clock_ahead_ms``: its clock less the laptop's, known within ``clock_within_ms``."""

    model: str | None
    system: str | None
    sdk: int | None
    security_patch: str | None
    build: str | None
    development_build: bool
    locale: str | None
    timezone: str | None
    clock_ahead_ms: float | None
    clock_within_ms: float | None


def about(phone: Phone) -> PhoneFacts:
    """What the phone says of itself."""
    script = "\n".join(f'echo "{name}=$(getprop {prop})"' for name, prop in _PROPERTIES.items())
    said = dict(line.split("=", 1) for line in phone.said(script).splitlines() if "=" in line)
    got = {name: value.strip() or None for name, value in said.items()}
    maker, model = got.get("maker"), got.get("model")
    if maker and model and not model.lower().startswith(maker.lower()):
        model = f"{maker} {model}"
    release, sdk = got.get("release"), got.get("sdk")
    ahead, within = clock(phone)
    return PhoneFacts(
        model=model,
        system=f"Android {release}" if release else None,
        sdk=whole(sdk),
        security_patch=got.get("patch"),
        build=got.get("build"),
        development_build=got.get("kind") in ("userdebug", "eng"),
        locale=_locale(phone, got),
        timezone=_timezone(got.get("timezone")),
        clock_ahead_ms=ahead,
        clock_within_ms=within,
    )


def _locale(phone: Phone, got: dict[str, str | None]) -> str | None:
    """The first of the languages that the user chose (a list since Android 7), else the system's."""
    chosen = phone.said("settings get system system_locales")
    if chosen and chosen != "null":
        return chosen.split(",")[0]
    return got.get("locale") or got.get("first_locale")


def _timezone(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        check_timezone(name, "the phone")
    except InputError:
        return None
    return name


def clock(phone: Phone) -> tuple[float | None, float | None]:
    """How many milliseconds the phone's clock is ahead of this one, and within how many that is known: half the time
    that the quickest of some answers took (and half of the second where the phone tells whole seconds only)."""
    best: tuple[float, float] | None = None
    for _ in range(_ASKED):
        asked, began = time.time(), time.monotonic()
        said = phone.said("date +%s.%N")
        took = time.monotonic() - began
        m = re.fullmatch(r"(\d{1,15})(?:\.(\d+))?.*", said)
        if m is None:
            return None, None
        whole = not (m[2] and len(m[2]) == 9)
        phones = int(m[1]) + (0.5 if whole else int(m[2]) / 1e9)
        within = took / 2 + (0.5 if whole else 0.0)
        if best is None or within < best[1]:
            best = (phones - (asked + took / 2), within)
    assert best is not None
    return round(best[0] * 1000, 1), round(best[1] * 1000, 1)


def manifest_changes(phone: PhoneFacts, app: AppFacts | None = None) -> dict[str, Any]:
    """The facts as changes of a manifest, by dotted names as ``Writing.describe`` takes them."""
    changes: dict[str, Any] = {
        "device.model": phone.model,
        "device.system": phone.system,
        "device.sdk": phone.sdk,
        "device.security_patch": phone.security_patch,
        "device.build": phone.build,
        "device.locale": phone.locale,
        "device.timezone": phone.timezone,
        "device.clock_ahead_ms": phone.clock_ahead_ms,
        "device.clock_within_ms": phone.clock_within_ms,
    }
    if app is not None:
        base = next((a for a in app.apks if a.name == "base.apk"), app.apks[0] if app.apks else None)
        changes |= {
            "app.id": app.package,
            "app.platform": "android",
            "app.version": app.version,
            "app.version_code": app.version_code,
            "app.build_sha256": base.sha256 if base is not None else None,
            "app.installer": app.installer,
            "app.target_sdk": app.target_sdk,
            "app.uid": app.uid,
            "app.shared_with": list(app.shared_with),
            "app.apks": list(app.apks),
            "app.permissions": list(app.permissions),
            "app.granted": list(app.granted),
            "app.user_certificates": user_certificates(app, phone.sdk),
        }
    return {name: value for name, value in changes.items() if value is not None}


def describe(phone: Phone, package: str | None = None) -> dict[str, Any]:
    """What the phone says of itself and of an app, as changes of a manifest. Raises PhoneError where it has no such
    app."""
    return manifest_changes(about(phone), facts(phone, package) if package is not None else None)
