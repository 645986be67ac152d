"""Which apps a phone has, and what it says of one of them.

Read from the package manager: ``pm list packages`` for the list, ``dumpsys package`` for the rest, in the forms that
AOSP's ``PackageManagerShellCommand`` and ``Settings.dumpPackageLPr`` print from Android 7 to 16.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from analysis.folder import Apk
from lintas.phone.adb import Phone
from lintas.phone.server import PhoneError

USER_STORE_SINCE = 24
"""API level of Android 7, from which an app trusts no certificate of the user's unless it says so: Android developers,
Network security configuration, 'Default configuration'."""
_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*")
_LINE = re.compile(r"package:(?P<package>\S+)")
_HEAD = re.compile(r"^  Package \[(?P<package>[^\]]+)\]")
_SECTION = re.compile(r"^\S")
_DUMP_LINES = r"^[A-Z]|^  Package \[|^    (versionCode|versionName)="


@dataclass(frozen=True, slots=True)
class Installed:
    """An app of the list."""

    package: str
    version: str | None = None
    version_code: int | None = None
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class AppFacts:
    """What the phone says of one app. ``granted`` are those of ``permissions`` that it has now, for the first user."""

    package: str
    version: str | None
    version_code: int | None
    target_sdk: int | None
    uid: int | None
    shared_user: str | None
    shared_with: tuple[str, ...]
    installer: str | None
    debuggable: bool
    permissions: tuple[str, ...]
    granted: tuple[str, ...]
    apks: tuple[Apk, ...]


def installed(phone: Phone, system: bool = False) -> list[Installed]:
    """The apps that were installed on top of the system (all with ``system``), by package name."""
    which = "" if system else " -3"
    listed = phone.run(f"pm list packages{which}")
    if not listed.ok:
        raise PhoneError(f"The phone {phone.serial} does not list its apps; unlock it and try again.")
    wanted = {m["package"] for line in listed.out.splitlines() if (m := _LINE.match(line.strip()))}
    # Of several users' uids the first user's is the lowest.
    owners = {package: uid for uid, packages in reversed(uids(phone).items()) for package in packages}
    versions = parse_versions(phone.run(f"dumpsys package packages | grep -E '{_DUMP_LINES}'").out)
    return [Installed(p, *versions.get(p, (None, None)), owners.get(p)) for p in sorted(wanted)]


def parse_versions(text: str) -> dict[str, tuple[str | None, int | None]]:
    """Version name and code by package, of ``dumpsys package packages``; not those of the system's own older copies,
    which stand in a section behind."""
    found: dict[str, tuple[str | None, int | None]] = {}
    package: str | None = None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            package = head["package"]
        elif _SECTION.match(line):
            package = None
            if line.startswith("Hidden system packages"):
                break
        elif package is not None:
            name, code = found.get(package, (None, None))
            if (m := re.match(r"    versionName=(.+)", line)) and m[1] != "null":
                name = m[1].strip()
            elif m := re.match(r"    versionCode=(\d{1,18})\b", line):
                code = int(m[1])
            found[package] = (name, code)
    return found


def uids(phone: Phone) -> dict[int, tuple[str, ...]]:
    """The packages of each uid, of every user of the phone; several where they share it.

    Android 8 and later list it; for older ones it is read from ``packages.list`` of ``dumpsys package``."""
    listed = phone.run("pm list packages -U")
    if listed.ok and "uid:" in listed.out:
        return parse_uids(listed.out)
    return parse_dumped_uids(phone.run(r"dumpsys package packages | grep -E '^[A-Z]|^  Package \[|^    userId='").out)


def parse_uids(listed: str) -> dict[int, tuple[str, ...]]:
    """Of ``pm list packages -U``: ``package:NAME uid:10123``, the uids of several users with commas."""
    found: dict[int, set[str]] = {}
    for line in listed.splitlines():
        m = re.match(r"package:(\S+).*\buid:([\d,]+)", line.strip())
        for text in m[2].split(",") if m else ():
            if (uid := whole(text)) is not None:
                found.setdefault(uid, set()).add(m[1])  # type: ignore[index]
    return {uid: tuple(sorted(packages)) for uid, packages in sorted(found.items())}


def parse_dumped_uids(text: str) -> dict[int, tuple[str, ...]]:
    """Of ``dumpsys package packages``, where the uid is that of the first user."""
    found: dict[int, set[str]] = {}
    package: str | None = None
    for line in text.splitlines():
        if head := _HEAD.match(line):
            package = head["package"]
        elif line.startswith("Hidden system packages"):
            break
        elif package is not None and (m := re.match(r"    (?:userId|appId)=(\d{1,18})\b", line)):
            found.setdefault(int(m[1]), set()).add(package)
    return {uid: tuple(sorted(packages)) for uid, packages in sorted(found.items())}


def check_package(name: str) -> str:
    """A package name that may stand in a command. Raises PhoneError for anything else."""
    if not _PACKAGE.fullmatch(name):
        raise PhoneError(f"{name[:80]!r} is no package name; write one like com.example.shop.")
    return name


def facts(phone: Phone, package: str) -> AppFacts:
    """What the phone says of an app, with the SHA-256 of its files as the phone holds them.

    Raises PhoneError where it has no such app."""
    check_package(package)
    paths = [
        m[1] for line in phone.said(["pm", "path", package]).splitlines() if (m := re.match(r"package:(/\S.*)", line))
    ]
    if not paths:
        raise PhoneError(f"The phone {phone.serial} has no app {package}; see lintas phone apps.")
    dump = parse_dump(phone.run(["dumpsys", "package", package]).out, package)
    shared: tuple[str, ...] = ()
    if dump.uid is not None:
        shared = tuple(p for p in uids(phone).get(dump.uid, ()) if p != package)
    return AppFacts(
        package=package,
        version=dump.version,
        version_code=dump.version_code,
        target_sdk=dump.target_sdk,
        uid=dump.uid,
        shared_user=dump.shared_user,
        shared_with=shared,
        installer=dump.installer,
        debuggable=dump.debuggable,
        permissions=dump.permissions,
        granted=dump.granted,
        apks=tuple(_apk(phone, path) for path in sorted(paths, key=lambda p: (not p.endswith("/base.apk"), p))),
    )


def _apk(phone: Phone, path: str) -> Apk:
    size, sha256 = phone.digest(path)
    return Apk(name=path.rpartition("/")[2], sha256=sha256, bytes=size)


@dataclass(frozen=True, slots=True)
class Dump:
    """What ``dumpsys package NAME`` says of the package that is installed."""

    version: str | None = None
    version_code: int | None = None
    target_sdk: int | None = None
    uid: int | None = None
    shared_user: str | None = None
    installer: str | None = None
    debuggable: bool = False
    permissions: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()


def parse_dump(text: str, package: str) -> Dump:
    """The section of one package. A system app that was updated stands there twice; the first is the one that runs."""
    lines = _own_lines(text, package)
    single: dict[str, str] = {}
    requested: list[str] = []
    granted: set[str] = set()
    part, user = "", "0"
    for line in lines:
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if m := re.match(r"User (\d+):", stripped):
            part, user = "", m[1]
        elif stripped.endswith("permissions:"):
            part = stripped.removesuffix(" permissions:")
        elif indent <= 4:
            part = ""
            for m in re.finditer(r"(?:^| )(\w+)=(\[[^\]]*\]|\S+)", stripped):
                single.setdefault(m[1], m[2])
            if stripped.startswith("versionName="):
                single["versionName"] = stripped.partition("=")[2].strip()
        elif part == "requested":
            requested.append(stripped.partition(":")[0])
        elif part in ("install", "runtime", "grantedPermissions") and user == "0":
            # Before Android 6 the granted ones stand in a list without a word behind.
            name, _, state = stripped.partition(":")
            if "granted=true" in state or (part == "grantedPermissions" and not state):
                granted.add(name)
        if stripped == "grantedPermissions:":
            part = "grantedPermissions"
    flags = single.get("flags", "") + single.get("pkgFlags", "")
    shared = re.search(r"SharedUserSetting\{\S+ ([^\s/}]+)", _shared(lines))
    installer = single.get("installerPackageName")
    version = single.get("versionName")
    return Dump(
        version=None if version in (None, "null", "") else version,
        version_code=whole(single.get("versionCode")),
        target_sdk=whole(single.get("targetSdk")),
        uid=whole(single.get("appId") or single.get("userId")),
        shared_user=shared[1] if shared else None,
        installer=None if installer in (None, "null", "") else installer,
        debuggable="DEBUGGABLE" in flags.split(),
        permissions=tuple(dict.fromkeys(requested)),
        granted=tuple(p for p in dict.fromkeys(requested) if p in granted),
    )


def _own_lines(text: str, package: str) -> list[str]:
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if head := _HEAD.match(line):
            if lines:
                break
            inside = head["package"] == package
        elif inside and line.strip() and len(line) - len(line.lstrip()) < 4:
            break
        elif inside and line.strip():
            lines.append(line)
    return lines


def _shared(lines: list[str]) -> str:
    return next((line for line in lines if line.strip().startswith("sharedUser=")), "")


def whole(text: str | None) -> int | None:
    """A number as a phone writes it; None where it is none, or too long to be one."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None


def user_certificates(app: AppFacts, sdk: int | None) -> str | None:
    """Whether a certificate that the user installed is trusted where the app says nothing of its own."""
    if sdk is None or app.target_sdk is None:
        return None
    if sdk < USER_STORE_SINCE or app.target_sdk < USER_STORE_SINCE:
        return "trusted_by_default"
    return "not_trusted_by_default"
