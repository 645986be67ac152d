"""A capture on disk: a folder with its manifest, a folder without one, or a single file.

``capture.yaml`` says what was tested, from where, in which phases, and names the files with their hashes. What it
does not say stays unknown; nothing here guesses.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from analysis.folder.fit import WORD, Check, Fit
from analysis.folder.plain import load_plain, read_regular
from analysis.model import InputError, Loss, Micros

FORMAT = 1
MANIFEST = "capture.yaml"
PRIVATE = ".private"
"""What never leaves the machine, and is never read as capture."""
PERSONAS = "personas"
"""A folder beside captures, with the personas that several of them share."""
LARGEST = 4 << 20
"""Octets of a manifest."""
_MOST_UNREAD = 50
"""Fields that cannot be used of which each is told."""
_LONGEST_CLOCK = 130 * 365.25 * 86_400_000
"""Milliseconds that a phone's clock may be off: from the beginning of its count to the last time of a capture."""
_LABEL = b"lintas value key 1\0"
_CHUNK = 1 << 20

PHASES = (
    "idle install first_launch consent_asked consent_refused consent_accepted login browse search chat buy "
    "background logout deleted uninstalled"
).split()
"""Phases with a fixed meaning. Any other name is a mark of the auditor's own and carries none."""


class _Struct(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class Apk(_Struct, kw_only=True):
    """One file of an installed app, as the phone holds it."""

    name: str
    sha256: str
    bytes: int | None = None


class App(_Struct, kw_only=True):
    """What was tested. ``vendor`` is an operator's id in the reference data, or a name. What follows it is what the
    phone said when it was asked."""

    id: str | None = None
    name: str | None = None
    version: str | None = None
    platform: Literal["android", "ios"] | None = None
    build_sha256: str | None = None
    vendor: str | None = None
    domains: list[str] = []
    version_code: int | None = None
    installer: str | None = None
    """The package that installed it (``com.android.vending`` is Google Play); None also where it was put there by
    hand."""
    target_sdk: int | None = None
    uid: int | None = None
    shared_with: list[str] = []
    """Other packages under the same uid: what their sockets do cannot be told from the app's own."""
    apks: list[Apk] = []
    permissions: list[str] = []
    """Requested in its manifest."""
    granted: list[str] = []
    """Those of them that it had when the phone was asked."""
    user_certificates: Literal["trusted_by_default", "not_trusted_by_default"] | None = None
    """What Android does where the app says nothing of its own: apps for Android 7 (API level 24) and later trust no
    certificate that the user installed. Whether this app says something else was not looked at."""


class Device(_Struct, kw_only=True):
    """The phone. Of its clock: how far it was ahead of the laptop's, and how exactly that is known."""

    model: str | None = None
    system: str | None = None
    sdk: int | None = None
    """Android's API level."""
    security_patch: str | None = None
    build: str | None = None
    """The fingerprint of its system's build."""
    locale: str | None = None
    timezone: str | None = None
    clock_ahead_ms: float | None = None
    clock_within_ms: float | None = None
    address: str | None = None
    """The phone's address in the packets, where more than one device speaks."""
    by_system: bool | None = None
    """True: a certificate of the system's store was tried, so that a refusal of it is a pin."""


class Vantage(_Struct, kw_only=True):
    """Where the capture point stood. ``line`` other than ``direct`` voids every round-trip time."""

    country: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    line: Literal["direct", "vpn", "unknown"] = "direct"
    on_phone: bool = False
    """The capture was made on the phone by a VPN that ends TCP there: its handshakes say nothing about distance."""


class Phase(_Struct, kw_only=True):
    phase: str
    start: datetime
    end: datetime | None = None
    note: str | None = None


class File(_Struct, kw_only=True):
    name: str
    sha256: str | None = None
    leg: Literal["phone", "upstream", "wire"] | None = None


class Manifest(_Struct, kw_only=True):
    """``capture.yaml``. A capture without one has the default of every field."""

    format: int = FORMAT
    name: str | None = None
    sample: bool = False
    made: str | None = None
    """How the capture was made, in words for the head of the report."""
    app: App = msgspec.field(default_factory=App)
    device: Device = msgspec.field(default_factory=Device)
    user_country: str | None = None
    vantage: Vantage = msgspec.field(default_factory=Vantage)
    timezone: str | None = None
    persona: str | None = None
    phases: list[Phase] = []
    opened_by: Literal["user_certificate", "system_certificate", "keys", "hooks", "none"] | None = None
    date: str | None = None
    tools: dict[str, str] = {}
    salt: str | None = None
    app_only: bool = False
    """Nothing but the app under test entered the capture (it alone was in the tunnel)."""
    started: datetime | None = None
    """When Lintas itself began to record this folder; a folder that says so and has no ``sealed`` ended abruptly."""
    sealed: datetime | None = None
    """When the recording was ended and its files were hashed."""
    files: list[File] = []


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """One file of the capture. ``name`` is what origins call it."""

    name: str
    path: Path
    leg: str | None
    stated_sha256: str | None


@dataclass(slots=True)
class Capture:
    """A capture that was found on disk, before any of its files is read."""

    path: Path
    manifest: Manifest
    files: list[CaptureFile]
    persona: Path | None = None
    reference: Path | None = None
    """A ``reference`` folder that came with the capture. Nothing in it is used: whoever made the capture would dictate
    the verdict. Only the auditor's own word (``--reference``) makes it count."""
    losses: list[Loss] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.manifest.name or _shown(self.path.resolve())


_IGNORED_SUFFIXES = (".md", ".txt", ".html", ".py", ".png", ".jpg", ".mp4")


def open_capture(path: Path) -> Capture:
    """The capture at ``path``. Raises InputError when there is none, or when its manifest cannot be used."""
    try:
        if path.is_dir():
            return _open_folder(path)
        if not path.exists():
            raise InputError(f"{path} does not exist; give a capture file or a capture folder.")
        if not path.is_file():
            raise InputError(f"{path} is no regular file; copy it into a file first.")
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise InputError(f"{path} may not be read; change its permissions or copy it.") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = error.strerror if isinstance(error, OSError) else "no file can have that name"
        raise InputError(f"{path} cannot be read ({why}).") from error
    return Capture(path, Manifest(), [CaptureFile(_shown(path), path, None, None)])


def _open_folder(path: Path) -> Capture:
    place = path / MANIFEST
    if not os.path.lexists(place):
        files = [CaptureFile(_shown(p), p, None, None) for p in _candidates(path, set())]
        outside = _links_out(path)
        if not files:
            raise InputError(f"{path} holds no capture: neither {MANIFEST} nor a file that could be one.")
        return Capture(path, Manifest(), files, reference=_reference(path), losses=outside)
    if _inside(path, MANIFEST) is None:
        raise InputError(f"{place} is a link that leads out of the capture folder; copy the file itself into it.")
    manifest, unread = manifest_in_part(place)
    losses = _links_out(path) + _unread(unread)
    files = []
    taken: set[Path] = set()
    for number, entry in enumerate(manifest.files, 1):
        inside = _inside(path, entry.name)
        if inside is None:
            raise InputError(f"{place}: file {number} of its list lies outside of the capture folder.")
        if inside.relative_to(path.resolve()).parts[:1] == (PRIVATE,):
            raise InputError(f"{place}: file {number} of its list lies in {PRIVATE}, which is never read.")
        if inside in taken:
            losses.append(Loss(entry.name, "file_repeated", 1, 0, "named twice in the manifest: read once"))
        elif _is_file(inside):
            taken.add(inside)
            files.append(CaptureFile(entry.name, inside, entry.leg, entry.sha256))
        else:
            losses.append(Loss(entry.name, "file_missing", 1, 0, "named in the manifest, not in the folder"))
    named = {entry.name for entry in manifest.files}
    if manifest.persona is not None:
        named.add(manifest.persona)
    others = _candidates(path, named)
    if not manifest.files:
        files = [CaptureFile(_shown(p), p, None, None) for p in others]
    else:
        losses += [
            Loss(
                _shown(p),
                "file_not_named",
                1,
                p.stat().st_size,
                "in the folder, not named in the manifest; not read",
            )
            for p in others
        ]
    if not files:
        raise InputError(f"{path} holds none of the files that its {MANIFEST} names; look for them beside it.")
    if manifest.started is not None and manifest.sealed is None:
        losses.append(Loss(MANIFEST, "not_sealed", 1, 0, "the recording was not ended: its files carry no hash"))
    persona = None
    if manifest.persona is not None:
        persona = path / manifest.persona
    return Capture(path, manifest, files, persona, _reference(path), losses)


def _reference(path: Path) -> Path | None:
    """The folder's own ``reference``; a link that leads out is a loss of another kind."""
    place = path / "reference"
    return place if place.is_dir() and _inside(path, place.name) is not None else None


def own_persona(capture: Capture) -> Path | None:
    """The persona that the manifest names: a file of the folder, or of ``personas`` beside it, which several captures
    share. Raises InputError for one elsewhere: a folder that somebody sent opens no file of this machine."""
    if capture.persona is None:
        return None
    folder = capture.path.resolve()
    try:
        place = capture.persona.resolve()
        if place.is_relative_to(folder) or place.is_relative_to((folder.parent / PERSONAS).resolve()):
            return capture.persona
    except (OSError, ValueError, RuntimeError):
        pass
    raise InputError(
        f"{capture.path / MANIFEST}: the persona that it names lies outside of the capture folder; copy it into the "
        "folder, or name it with --persona."
    )


def capture_files(path: Path, manifest: Manifest | None = None) -> list[CaptureFile]:
    """The files of a folder that may hold a capture, whatever its manifest names. ``manifest``: its own, where that was
    read before. Raises OSError, and InputError for a manifest that cannot be used."""
    if manifest is None:
        place = path / MANIFEST
        manifest = manifest_in_part(place)[0] if place.exists() else Manifest()
    persona = manifest.persona
    return [CaptureFile(_shown(p), p, None, None) for p in _candidates(path, {persona} if persona else set())]


def unused(place: Path) -> Path:
    """``place``, or with a number behind it (``video-2.mp4``) where there is something already."""
    found, number = place, 1
    while found.exists():
        number += 1
        found = place.with_stem(f"{place.stem}-{number}")
    return found


def _shown(path: Path) -> str:
    """A file's name as text that tables can hold: octets that are no UTF-8 as ``\\xff``."""
    return path.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _quoted(text: str) -> str:
    """A text of a capture's own in a message, where it is one word: what else stands there may be anything, also
    somebody's name, or what a terminal obeys."""
    return repr(text) if WORD.fullmatch(text) else "what stands there"


def _inside(folder: Path, name: str) -> Path | None:
    """Where a file of the folder lies; None where its name, or a link, leads out of it."""
    try:
        found = (folder / name).resolve()
        return found if found.is_relative_to(folder.resolve()) else None
    except (OSError, ValueError, RuntimeError):  # a name that no file can have; links in a circle
        return None


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # a name that is too long for any
        return False


def _links_out(folder: Path) -> list[Loss]:
    """Entries that are links out of the folder: what lies there is no part of it, and is not read."""
    return [
        Loss(_shown(p), "file_outside", 1, 0, "a link that leads out of the folder: not read; copy the file into it")
        for p in sorted(folder.iterdir(), key=lambda p: p.name)
        if p.is_symlink() and not p.name.startswith(".") and os.path.exists(p) and _inside(folder, p.name) is None
    ]


def _candidates(folder: Path, named: set[str]) -> list[Path]:
    """Files that may hold a capture, by name, without what is plainly something else."""
    found = []
    for entry in sorted(folder.iterdir(), key=lambda p: p.name):
        if entry.name.startswith(".") or entry.name in named or not entry.is_file():
            continue
        if entry.suffix.lower() in _IGNORED_SUFFIXES or entry.name in (MANIFEST, "keys.log"):
            continue
        if entry.suffix.lower() in (".yaml", ".yml"):
            continue
        if entry.is_symlink() and _inside(folder, entry.name) is None:
            continue
        found.append(entry)
    return found


def read_manifest(place: Path) -> Manifest:
    """A manifest that is to be used whole, and written again. Raises InputError with file, field and what was
    expected."""
    manifest, unread = manifest_in_part(place)
    for at, why in unread:
        raise InputError(f"{place}: {at}: {why}.")
    return manifest


def manifest_in_part(place: Path) -> tuple[Manifest, list[tuple[str, str]]]:
    """A manifest as far as it can be used, and of what cannot, where it stands and why. Where a part would mislead
    alone, it is left out too: a vantage without one of its words, a phase whose time is of a zone that is not known.

    Raises InputError only for what is no manifest: no YAML, no mapping, or of another format."""
    try:
        raw = read_regular(place, LARGEST)
    except OSError as error:
        raise InputError(f"{place} cannot be read ({error.strerror}).") from error
    if len(raw) > LARGEST:
        raise InputError(f"{place} is larger than {LARGEST >> 20} MB and no manifest.")
    data = load_plain(raw, place)
    if not isinstance(data, dict):
        raise InputError(f"{place} is no manifest: it must be a mapping that begins with format: {FORMAT}.")
    other = data.get("format")
    if type(other) is not int or other != FORMAT:
        named = f"format {other}" if type(other) is int and abs(other) < 10_000 else "no format that is known"
        raise InputError(f"{place} has {named}; this Lintas reads format {FORMAT}.")
    if type(data.get("date")) is date:
        data["date"] = data["date"].isoformat()  # what YAML makes of a day that is written without quotes
    fit = Fit(_CHECKS)
    manifest = fit.struct(data, Manifest)
    if any(at.startswith("vantage") and at != "vantage.city" for at, _ in fit.unread):
        manifest.vantage = Vantage(line="unknown")
    if any(at == "timezone" for at, _ in fit.unread):
        unplaced = [phase for phase in manifest.phases if phase.start.tzinfo is None]
        manifest.phases = [phase for phase in manifest.phases if phase not in unplaced]
        fit.unread += [("phases", "a time has no zone, and the capture's is not known")] * len(unplaced)
    return manifest, fit.unread


def _unread(parts: list[tuple[str, str]]) -> list[Loss]:
    """Parts of a manifest that were not used: the first ones each by its place, the rest together."""
    losses = [Loss(MANIFEST, "manifest_unread", 1, 0, f"{at}: {why}") for at, why in parts[:_MOST_UNREAD]]
    if (further := len(parts) - len(losses)) > 0:
        losses.append(Loss(MANIFEST, "manifest_unread", further, 0, "further fields that cannot be used"))
    return losses


def _degrees(most: int) -> Check:
    def check(value: float) -> float:
        if abs(value) > most:
            raise ValueError(f"it lies between -{most} and {most} degrees")
        return value

    return check


def _milliseconds(value: float) -> float:
    if abs(value) > _LONGEST_CLOCK:
        raise ValueError("a number of milliseconds belongs there")
    return value


def _country(text: str) -> str:
    try:
        return country_code(text, "")
    except InputError:
        raise ValueError("the two letters of ISO 3166 belong there, like ID") from None


def _zone(text: str) -> str:
    try:
        check_timezone(text, "")
    except InputError:
        raise ValueError("a time zone belongs there, like Asia/Jakarta") from None
    return text


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 1970 < day.year < 2100:
        raise ValueError("a day belongs there, like 2026-11-24")
    return text


_CHECKS: dict[tuple[type, str], Check] = {
    (Manifest, "user_country"): _country,
    (Manifest, "timezone"): _zone,
    (Manifest, "date"): _day,
    (Vantage, "country"): _country,
    (Vantage, "latitude"): _degrees(90),
    (Vantage, "longitude"): _degrees(180),
    (Device, "clock_ahead_ms"): _milliseconds,
    (Device, "clock_within_ms"): _milliseconds,
}


@cache
def _country_names() -> dict[str, str]:
    from babel import Locale

    codes: dict[str, set[str]] = {}
    for language in ("en", "id"):
        for code, name in Locale(language).territories.items():
            # Of two letters are also groups of countries, and codes for private use.
            if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRIES:
                codes.setdefault(name.casefold(), set()).add(code)
    return {name: next(iter(of)) for name, of in codes.items() if len(of) == 1}


_NO_COUNTRIES = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})


def country_code(text: str, where: str) -> str:
    """Two letters of ISO 3166 in the one form that tables have: capitals, and GB and GR for UK and EL, which the
    European Union writes. A country's name (CLDR, in English or Indonesian) stands for its letters where it is one
    country's alone. Raises InputError for anything else."""
    code = text.strip().upper()
    if len(code) != 2 or not code.isascii() or not code.isalpha():
        named = _country_names().get(" ".join(text.split()).casefold())
        if named is None:
            raise InputError(
                f"{where}: {_quoted(text)} is no country code; write the two letters of ISO 3166, like ID."
            )
        return named
    return {"UK": "GB", "EL": "GR"}.get(code, code)


def check_timezone(name: str, where: str) -> ZoneInfo:
    """The time zone of that name. Raises InputError when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"{where}: {_quoted(name)} is no time zone; write one like Asia/Jakarta.") from error


def micros(time: datetime, zone: ZoneInfo | None) -> Micros:
    """A manifest's time as microseconds; a time without zone is the capture's zone, else UTC."""
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone or ZoneInfo("UTC"))
    return round(time.timestamp() * 1_000_000)


# --------------------------------------------------------------------------------------------- hashes


Digests = tuple[str, bytes, int]
"""A file's SHA-256 (hex), its private digest and its size in octets.

The private digest is SHA-256 over a label and then the file: it keys the hashes of values for a capture that has no
salt, and cannot be had from the file's published hash."""


def digests(path: Path, progress: Callable[[int], None] | None = None, end: int | None = None) -> Digests:
    """The digests of a file, or of its first ``end`` octets, in one pass. Raises OSError."""
    return Hashing().upto(path, progress, end)


class Hashing:
    """The digests of a file that grows: each time they go on where they stood.

    Octets that were hashed are not looked at again, unless another file lies there or it became shorter."""

    def __init__(self) -> None:
        self._node: tuple[int, int] | None = None
        self._begin()

    def _begin(self) -> None:
        self._public, self._private, self._size = hashlib.sha256(), hashlib.sha256(_LABEL), 0

    def upto(self, path: Path, progress: Callable[[int], None] | None = None, end: int | None = None) -> Digests:
        """The digests of all of ``path``, or of its first ``end`` octets. Raises OSError."""
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            node = (found.st_dev, found.st_ino)
            if node != self._node or self._size > min(found.st_size, found.st_size if end is None else end):
                self._begin()
                self._node = node
            file.seek(self._size)
            if progress is not None and self._size:
                progress(self._size)
            while chunk := file.read(_CHUNK if end is None else min(_CHUNK, end - self._size)):
                self._public.update(chunk)
                self._private.update(chunk)
                self._size += len(chunk)
                if progress is not None:
                    progress(len(chunk))
        return self._public.hexdigest(), self._private.digest(), self._size


def study_key(path: Path) -> bytes:
    """The key that a study over many captures shares: SHA-256 of a label and the file's bytes.

    Raises InputError when the file is missing or too short to be a secret."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"The study key {path} cannot be read ({error.strerror}).") from error
    if len(raw) < 16:
        raise InputError(f"The study key {path} is shorter than 16 bytes; make one with: openssl rand 32 > {path}")
    return hashlib.sha256(_LABEL + raw).digest()


def salt_key(manifest: Manifest, private: list[bytes]) -> bytes:
    """The key of a capture's value hashes: the manifest's salt, else the private digests of its files."""
    if manifest.salt is not None:
        return hashlib.sha256(_LABEL + manifest.salt.encode()).digest()
    return hashlib.sha256(_LABEL + b"".join(private)).digest()


CHAIN_START = "0" * 64
"""What the first line of ``events.jsonl`` carries in place of a hash."""


def chain_hash(line: bytes) -> str:
    """What the line after this one carries as ``prev``: SHA-256 of the line's octets without its end, in hex."""
    return hashlib.sha256(line).hexdigest()


def new_salt() -> str:
    """A salt for a new ``capture.yaml``: 32 random octets as hex."""
    return secrets.token_hex(32)
