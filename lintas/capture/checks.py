"""What must be right before a capture begins: the clock, the disk, the folder, the ports."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from analysis.folder import MANIFEST
from analysis.folder.writing import DUMP, EVENTS, JOURNAL
from analysis.model import InputError

LEAST = 200 << 20
"""Octets of free disk below which no capture begins: an hour of an app's use."""
LITTLE = 2 << 30
"""Octets below which it is said."""
_STEP = 0.5
"""Seconds that the clock may move against the monotonic one."""
_PHONE = 2.0
"""Seconds that a phone's clock may be off before it is said."""
_UNSYNCHRONISED = 5
"""adjtimex(2): the clock is not synchronised."""


@dataclass(frozen=True, slots=True)
class Check:
    """``ok`` is None where the auditor should know of it and may go on."""

    name: str
    ok: bool | None
    text: str


class Clock:
    """Whether the wall clock was set since this was made."""

    def __init__(self) -> None:
        self._began = time.time() - time.monotonic()

    def check(self) -> Check:
        moved = time.time() - time.monotonic() - self._began
        if abs(moved) > _STEP:
            return Check("clock", None, f"was set by {moved:+.1f} s just now: wait until it stands")
        if time.time() < _newest_file():
            return Check("clock", None, "is behind the day of Lintas' installation: set it, or all times are wrong")
        if _synchronised() is False:
            return Check("clock", None, "is not synchronised: times may not fit those of servers and phone")
        return Check("clock", True, time.strftime("%Y-%m-%d %H:%M:%S %z"))


def _newest_file() -> float:
    return os.stat(__file__).st_mtime - 86_400


def _synchronised() -> bool | None:
    """What the kernel knows (Linux), else None. A container may not be told."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        state = library.adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED


def phone_clock(offset: float) -> Check:
    """``offset``: seconds by which the phone's clock is ahead of this machine's."""
    if abs(offset) <= _PHONE:
        return Check("phone clock", True, f"{abs(offset):.1f} s beside this machine's")
    return Check("phone clock", None, f"is {offset:+.1f} s off this machine's: its own times in messages do not fit")


def disk(folder: Path) -> Check:
    """Raises InputError when there is too little room to begin."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST:
        raise InputError(
            f"Only {free / 1e6:.0f} MB are free at {there}; make it {LEAST / 1e6:.0f} MB, or name another place: --out."
        )
    return Check("disk", True if free >= LITTLE else None, f"{free / 1e9:.1f} GB free")


def free_folder(folder: Path) -> None:
    """Raises InputError when the folder holds something already."""
    try:
        held = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; name another folder.")
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}); name another with --out.") from error
    recorded = [name for name in held if name in (DUMP, JOURNAL, EVENTS, MANIFEST)]
    if recorded:
        raise InputError(f"{folder} holds a recording already ({recorded[0]}); name a new one.")
    if held:
        raise InputError(f"{folder} is not empty ({held[0]}); name a new folder.")


def new_folder(folder: Path) -> None:
    """Make it, for this user alone. Raises InputError when it holds something already, or cannot be made."""
    free_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror}); name another with --out.") from error


def timezone() -> str | None:
    """The time zone that this machine is set to, by name; None where it has none that is known."""
    named = os.environ.get("TZ", "").lstrip(":")
    if not named:
        place = os.path.realpath("/etc/localtime")
        named = place.partition("/zoneinfo/")[2] or place.partition("/zoneinfo.default/")[2]
    try:
        return ZoneInfo(named).key if named else None
    except (KeyError, ValueError, OSError):
        return None
