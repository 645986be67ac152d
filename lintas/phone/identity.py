"""The identifiers that are truly this phone's, read where the system lets them be read, for the persona of a capture.

They are personal values: they go into the persona file, which only this user may read, and nowhere else. What cannot be
read is told with where the phone itself shows it; nothing is guessed.

Sources. Advertising id: Google Play services keep it in their preferences (root); Fire OS in the secure setting
``advertising_id`` (Amazon, Advertising ID). OAID: Huawei's own client library reads the global setting ``pps_oaid``.
ANDROID_ID: one for the whole phone up to Android 7; from Android 8 (API level 26) each app sees one of its own
(Settings.Secure, ANDROID_ID), which stands in ``settings_ssaid.xml`` (root), from Android 12 in binary XML that the
phone's ``abx2xml`` undoes. What ``settings get secure android_id`` says there is no app's.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from analysis.model import InputError, Secret
from lintas.phone.adb import Phone
from lintas.phone.apps import check_package
from lintas.phone.memory import is_anybodys
from lintas.phone.server import PhoneError, PhoneGoneError

PERSONA = "persona.yaml"
SSAID_SINCE = 26
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ANDROID_ID = re.compile(r"[0-9a-f]{12,16}")
_SERIAL = re.compile(r"[A-Za-z0-9._-]{4,64}")
_SHARED = "9774d56d682e549c"
"""The ANDROID_ID that a maker gave to all its phones of Android 2.2, and emulators after it: nobody's."""
_GMS = "/data/data/com.google.android.gms/shared_prefs/adid_settings.xml"
_SSAID = "/data/system/users/0/settings_ssaid.xml"


@dataclass(frozen=True, slots=True)
class Found:
    """One identifier. ``name``: the data type, as a persona names it. ``where``: what it was read from."""

    name: str
    value: Secret
    where: str


@dataclass(slots=True)
class Identity:
    """What was read, and in words what could not be. Its repr shows no value."""

    found: list[Found] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def read(phone: Phone, package: str | None, sdk: int | None) -> Identity:
    """The phone's identifiers, as the app ``package`` sees them. Raises PhoneGoneError where the phone goes away."""
    identity = Identity()
    for find in (_advertising_id, _oaid, _android_id, _serial):
        try:
            find(phone, package, sdk, identity)
        except PhoneGoneError:
            raise
        except PhoneError as error:
            identity.missing.append(str(error))
    return identity


def _advertising_id(phone: Phone, package: str | None, sdk: int | None, identity: Identity) -> None:
    fire = _UUID.fullmatch(phone.said("settings get secure advertising_id"))
    if fire and phone.said("getprop ro.product.manufacturer") == "Amazon":
        _keep(identity, "advertising_id", fire[0], "the setting advertising_id")
        return
    if phone.root is not None:
        stored = re.search(rf'name="adid_key">({_UUID.pattern})<', phone.as_root(f"cat {_GMS}").out)
        if stored:
            _keep(identity, "advertising_id", stored[1], "the preferences of Google Play services")
            return
    identity.missing.append(
        "The advertising id cannot be read over adb without root: the phone shows it under Settings > Google > Ads "
        "(on newer ones All services > Ads). Write it into the persona as advertising_id."
    )


def _oaid(phone: Phone, package: str | None, sdk: int | None, identity: Identity) -> None:
    said = phone.said("settings get global pps_oaid")
    if _UUID.fullmatch(said):
        _keep(identity, "oaid", said, "the setting pps_oaid")


def _android_id(phone: Phone, package: str | None, sdk: int | None, identity: Identity) -> None:
    if sdk is None:
        return
    if sdk < SSAID_SINCE:
        said = phone.said("settings get secure android_id")
        if _ANDROID_ID.fullmatch(said):
            _keep(identity, "vendor_id", said, "the setting android_id")
        return
    if package is None:
        return
    if phone.root is not None:
        text = phone.as_root(f"abx2xml {_SSAID} - 2>/dev/null || cat {_SSAID}").out
        value = ssaid(text, check_package(package))
        if value is not None:
            _keep(identity, "vendor_id", value, "the phone's table of ANDROID_IDs")
            return
        identity.missing.append(
            f"{package} has no ANDROID_ID yet; it is given one when it first asks, so read it again later."
        )
        return
    identity.missing.append(
        "From Android 8 each app has an ANDROID_ID of its own, which cannot be read over adb without root."
    )


def ssaid(text: str, package: str) -> str | None:
    """The ANDROID_ID of a package in ``settings_ssaid.xml``; None where it has none there."""
    for element in re.findall(r"<setting\b[^>]*>", text):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', element))
        value = str(attributes.get("value", ""))
        if attributes.get("package") == package and _ANDROID_ID.fullmatch(value):
            return value
    return None


def _serial(phone: Phone, package: str | None, sdk: int | None, identity: Identity) -> None:
    said = phone.said("getprop ro.serialno")
    if _SERIAL.fullmatch(said) and not is_anybodys(said):
        _keep(identity, "serial_number", said, "the property ro.serialno")


def _keep(identity: Identity, name: str, value: str, where: str) -> None:
    if set(value) <= set("0-") or value == _SHARED:
        identity.missing.append(
            f"The {name.replace('_', ' ')} of this phone is switched off or none: {where} holds no value."
        )
        return
    identity.found.append(Found(name, Secret(value), where))


def plant(folder: Path, found: list[Found], persona: Path | None = None) -> Path | None:
    """Put the identifiers into the persona of a capture folder, behind what the auditor planted; the file, or None
    where there is nothing to plant. Done again it adds only what is new.

    ``persona``: the auditor's own file, which is copied and stays as it is. Raises InputError where it cannot be read
    or added to, or the folder not be written."""
    place = folder / PERSONA
    source = place if place.exists() else persona
    try:
        text = source.read_text(encoding="utf-8-sig") if source is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The persona {source} cannot be read ({type(error).__name__}); see to the file.") from error
    lines = [f'{one.name}: "{one.value.expose()}"' for one in found]
    new = [line for line in lines if line not in text.splitlines()]
    if new:
        head = "" if not text or text.endswith("\n") else "\n"
        text += head + "# Read from the phone.\n" + "".join(f"{line}\n" for line in new)
    if not text:
        return None
    _check(text, source)
    try:
        number, made = tempfile.mkstemp(prefix=f".{PERSONA}.", dir=folder)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(made, place)
        except OSError:
            os.unlink(made)
            raise
    except OSError as error:
        raise InputError(f"{place} cannot be written ({error.strerror}); see to the folder.") from error
    return place


def _check(text: str, source: Path | None) -> None:
    """It is still a mapping with what was added, whatever form the auditor wrote it in."""
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError):
        root = None
    if not isinstance(root, yaml.MappingNode):
        raise InputError(
            f"The phone's identifiers cannot be added to the persona {source}; write it as one 'name: value' a line."
        )
