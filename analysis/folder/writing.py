"""A capture folder that is being written: the dump, the journal, the events and the manifest, by one process.

Each write goes to the file at once and whole or not at all, so that what was handed over survives the process. A disk
that is full, or a folder that somebody removes, stops nobody who calls: what could not be written is counted, told,
and stands as an event once there is room again. Private things of a capture (its certificate authority, the tunnel's
keys) lie in ``.private``, which is never read as a capture.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec.structs import replace

from analysis.folder import (
    CHAIN_START,
    FORMAT,
    LARGEST,
    MANIFEST,
    PRIVATE,
    File,
    Manifest,
    capture_files,
    chain_hash,
    digests,
    new_salt,
    read_manifest,
    unused,
)
from analysis.folder.appended import Appended, TakenError
from analysis.folder.descriptors import Spare
from analysis.folder.hashing import Hashes
from analysis.folder.plain import read_regular
from analysis.model import InputError, Micros

OPTION = "lintas_folder"
"""The option that all addons share: each registers it where none has yet."""
OPTION_HELP = (
    "Folder to record into: one that is not there yet, or an empty one. Without it a folder capture-DATE-TIME is made, "
    "in captures/ where there is such a folder, else where the proxy was started."
)
DUMP, JOURNAL, EVENTS = "flows.mitm", "messages.jsonl", "events.jsonl"

_LOOK = 1.0
"""Seconds between two looks at whether the folder is still there and the clock was not set."""
_STEP = 500_000
"""Microseconds that the clock may move against the monotonic one between two looks."""
_CALM, _LATEST = 5.0, 10.0
"""Seconds without a failure after which there is room again, and seconds after which what was lost is written into the
events in any case."""
_LARGEST = 1 << 60
_SPARE = 8
"""Descriptors that are held for making the folder or its manifest anew and for the seal, where connections take all
others."""
CROWDED = "too_many_connections"
"""Cause of what was lost for want of descriptors."""
_RESERVE, _RESERVED = ".reserve", 64 << 10
"""A file of so many octets that makes room for the seal where the disk is full at the end."""


@dataclass(slots=True)
class Counts:
    """What was written, and what could not be. ``trouble``: why nothing can be written just now."""

    flows: int = 0
    messages: int = 0
    events: int = 0
    bytes: int = 0
    lost_flows: int = 0
    lost_messages: int = 0
    lost_events: int = 0
    lost_bytes: int = 0
    turned_away: int = 0
    """Connections, of devices or to servers, that there was no room for."""
    trouble: str | None = None


class Writing:
    """The writer of a capture folder, shared by all who write to it in this process; see :func:`writing`.

    Its methods may be called from any thread, and none but the constructor raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts = Counts()
        self.takes_flows = False
        """Somebody hands flows over, or will at their end."""
        self._lock = threading.RLock()
        self._told: list[Callable[[str], None]] = []
        self._users = 0
        self._lost: dict[str, int] = {}
        self._lost_from = self._lost_to = 0
        self._lost_cause = ""
        self._lost_since = self._failed_at = 0.0
        self._failed_size = 0
        """Octets of the largest piece that could not be written since there was room."""
        self._is_crowded = False
        self._clock = _Clock()
        self._spare = Spare(_SPARE)
        self._files: dict[str, Appended] = {}
        self._manifest_as_written: bytes | None = None
        try:
            self._open()
        except InputError:
            for file in self._files.values():
                file.remove()
                file.close()
            self._spare.close()
            if self._files:
                (path / _RESERVE).unlink(missing_ok=True)
            raise

    def _open(self) -> None:
        path = self.path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            held = sorted(p.name for p in path.iterdir() if p.name in (DUMP, JOURNAL, EVENTS))
            if held:
                raise InputError(f"{path} holds a recording already ({held[0]}); name a new folder.")
            place = path / MANIFEST
            self.manifest = read_manifest(place) if place.exists() else Manifest()
            for name in (DUMP, JOURNAL, EVENTS):
                self._files[name] = Appended(path / name)
            self._hashes = Hashes()
            self._reserve()
            fcntl.flock(self._files[EVENTS].fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}); name another folder.") from error
        except TakenError as error:
            raise InputError(f"{path} is being written by another process; name another folder.") from error
        self._prev = CHAIN_START
        salt = self.manifest.salt or new_salt()
        self.describe(salt=salt, started=datetime.now(UTC).replace(microsecond=0))
        if self.counts.trouble is not None:
            raise InputError(f"{path} cannot be written ({self.counts.trouble}); name another folder.")
        self.event("clock", monotonic=self._clock.monotonic())

    # ------------------------------------------------------------------------------------------- what comes

    def flow(self, *pieces: bytes) -> bool:
        """Append one flow, serialised whole, to the dump; False where it could not be written. It may come in pieces,
        so that nobody need copy a large body into one."""
        with self._lock:
            if not self._write(DUMP, *pieces):
                self.counts.lost_flows += 1
                return False
            self.counts.flows += 1
            self._recover(*pieces)
            return True

    def line(self, **keys: Any) -> bool:
        """Append one line to the journal; False where it could not be written. Keys without value are left out."""
        raw = _encoded({k: v for k, v in keys.items() if v is not None})
        with self._lock:
            if not self._write(JOURNAL, raw + b"\n"):
                self.counts.lost_messages += keys.get("type", "message") == "message"
                return False
            self.counts.messages += keys.get("type", "message") == "message"
            self._recover(raw)
            return True

    def event(self, type: str, at: Micros | None = None, **keys: Any) -> bool:  # noqa: A002 - the key's own name
        """Append one line to the events, chained to the line before; False where it could not be written. ``at``:
        microseconds since 1970, now where it is left out. Keys without value are left out."""
        given = {k: v for k, v in keys.items() if v is not None}
        with self._lock:
            head = {"type": type, "at": _now() if at is None else at}
            raw = _encoded({**head, **given, "prev": self._prev})
            if not self._write(EVENTS, raw + b"\n"):
                self.counts.lost_events += 1
                return False
            self._prev = chain_hash(raw)
            self.counts.events += 1
            self._recover(raw)
            return True

    def describe(self, **changes: Any) -> bool:
        """Change fields of the manifest, inner ones by dotted names (``**{"app.version": "5.1"}``), and write it;
        False where it could not be written. What the auditor wrote into it meanwhile stays."""
        with self._lock, self._spare.lent():
            self._adopt()
            for name, value in changes.items():
                outer, _, inner = name.partition(".")
                if inner:
                    value = replace(getattr(self.manifest, outer), **{inner: value})
                self.manifest = replace(self.manifest, **{outer: value})
            return self._write_manifest()

    def on_trouble(self, call: Callable[[str], None]) -> None:
        """Have ``call`` told, once each time, that nothing can be written, that it can be again, and what else an
        auditor must know of the recording: in one sentence."""
        with self._lock:
            self._told.append(call)

    def crowded(self, since: Micros, limit: int, turned_away: int, closed: int) -> None:
        """More connections than there is room for, since ``since``: how many were ``turned_away`` (their traffic is in
        no file), how many idle ones were ``closed``. ``limit``: files that this process may have open. Told once."""
        with self._lock:
            now = _now()
            if turned_away:
                self.event("lost", since, end=now, cause=CROWDED, connections=turned_away, closed=closed, limit=limit)
            else:
                self.event("crowded", since, end=now, closed=closed, limit=limit)
            self.counts.turned_away += turned_away
            if not self._is_crowded:
                self._is_crowded = True
                self._tell(
                    f"More connections are open than this system lets one program have ({limit} open files): idle ones "
                    f"are closed, others turned away where none is idle, and {EVENTS} counts them. ulimit -n raises it."
                )

    def private(self) -> Path:
        """The folder for keys, which only this user may enter. Raises InputError when it cannot be made."""
        place = self.path / PRIVATE
        try:
            place.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise InputError(f"{place} cannot be made ({error.strerror}).") from error
        return place

    # ------------------------------------------------------------------------------------------- its end

    def acquire(self) -> None:
        with self._lock:
            self._users += 1

    def release(self) -> bool:
        """One of those who write has ended. With the last, the folder is sealed: every file's SHA-256 is in the
        manifest, those of files that are no capture in events. Whether it is sealed now."""
        with self._lock:
            self._users -= 1
            if self._users > 0:
                return False
            _open.pop(self.path, None)
            return self._seal()

    def _seal(self) -> bool:
        # Nobody needs them any more.
        self._spare.close()
        self._look(True)
        self._adopt()
        with suppress(OSError):
            (self.path / _RESERVE).unlink(missing_ok=True)
        if self._lost:
            self._write_lost()
        ours = {DUMP, JOURNAL, EVENTS, MANIFEST}
        named: list[File] = []
        try:
            captures = {f.name for f in capture_files(self.path, self.manifest)} - ours
            for entry in sorted(self.path.iterdir(), key=lambda p: p.name):
                if entry.name in ours or entry.name.startswith(".") or not entry.is_file():
                    continue
                sha256, _, size = digests(entry)
                if entry.name in captures:
                    named.append(File(name=entry.name, sha256=sha256))
                else:
                    self.event("file", name=entry.name, sha256=sha256, bytes=size)
        except OSError as error:
            self._trouble(error)
        for file in self._files.values():
            if not file.size:
                with suppress(OSError):
                    file.remove()
        named += self._hashed()
        now = datetime.now(UTC).replace(microsecond=0)
        sealed = self.describe(files=sorted(named, key=lambda f: f.name), sealed=now)
        if sealed:
            self.counts.trouble = None
            counts = self.counts
            if lost := counts.lost_flows + counts.lost_messages + counts.lost_events:
                where = f"not all of them are counted in {EVENTS}" if self._lost else f"they are counted in {EVENTS}"
                self._tell(f"{self.path} lacks {lost} flows, messages and events; {where}.")
        else:
            self._tell(f"{self.path} could not be sealed ({self.counts.trouble}): it is audited without hashes.")
        for file in self._files.values():
            file.close()
        return sealed

    def _hashed(self) -> list[File]:
        """The files that were written here, each with its hash where it can be read."""
        sizes = {file.path: file.size for file in self._files.values() if file.size}
        hashes: dict[Path, str] = {}
        try:
            hashes = self._hashes.finish(sizes)
        except OSError as error:
            self._trouble(error)
        return [File(name=path.name, sha256=hashes.get(path)) for path in sizes]

    # ------------------------------------------------------------------------------------------- writing

    def _write(self, name: str, *pieces: bytes) -> bool:
        """Append to a file; where that fails, count it and say so once."""
        self._look()
        try:
            size = self._files[name].append(*pieces)
        except OSError as error:
            self._lose(name, sum(map(len, pieces)), error)
            return False
        self.counts.bytes += size
        return True

    def _recover(self, *pieces: bytes) -> None:
        """After a write that went through: what could not be written before stands in the events, and that there is
        room again is told. On a full disk small pieces go through where large ones do not, over and over: there is room
        where a piece did that is about as large as what failed, or where nothing fails any more."""
        if not self._lost and self.counts.trouble is None:
            return
        size, now = sum(map(len, pieces)), time.monotonic()
        is_room = 2 * size >= self._failed_size or now - self._failed_at >= _CALM
        if self._lost and (is_room or now - self._lost_since >= _LATEST):
            self._write_lost()
        if is_room and not self._lost and self.counts.trouble is not None and self.describe():
            self.counts.trouble = None
            self._failed_size = 0
            self._tell(f"{self.path} can be written again; what was lost is counted in {EVENTS}.")

    def _lose(self, name: str, octets: int, error: OSError) -> None:
        kind = {DUMP: "flows", JOURNAL: "messages", EVENTS: "events"}[name]
        if not self._lost:
            self._lost_since = time.monotonic()
        self._lost[kind] = self._lost.get(kind, 0) + 1
        self._lost["bytes"] = self._lost.get("bytes", 0) + octets
        self._lost_to = _now()
        self._lost_from = self._lost_from or self._lost_to
        self._lost_cause = _CAUSES.get(error.errno or 0, "write_failed")
        self.counts.lost_bytes += octets
        self._trouble(error, octets)

    def _write_lost(self) -> None:
        """What was lost stands in the events, where it is a loss of the audit; or goes on being counted."""
        lost, self._lost = self._lost, {}
        began, self._lost_from = self._lost_from, 0
        if not self.event("lost", at=began, end=self._lost_to, cause=self._lost_cause, **lost):
            for kind, count in lost.items():
                self._lost[kind] = self._lost.get(kind, 0) + count
            self._lost_from = began

    def _trouble(self, error: OSError, size: int = _LARGEST) -> None:
        reason = error.strerror or str(error)
        self._failed_size = max(self._failed_size, size)
        self._failed_at = time.monotonic()
        if self.counts.trouble is None:
            self._tell(
                f"{self.path} cannot be written ({reason}): traffic goes on, and what is not recorded is counted."
            )
        self.counts.trouble = reason

    def _tell(self, text: str) -> None:
        for call in self._told:
            call(text)

    def _look(self, now: bool = False) -> None:
        """Once a second: is the folder still there, and was the clock set?"""
        moved = self._clock.look(now)
        if moved is None:
            return
        self._hashes.grown({file.path: file.size for file in self._files.values()})
        if abs(moved) > _STEP:
            direction = "forward" if moved > 0 else "back"
            self._tell(f"The clock was set {direction} by {abs(moved) / 1e6:.1f} s: times before and after do not fit.")
            self.event("clock", monotonic=self._clock.monotonic(), step=moved)
        self._count_cut()
        gone = [file for file in self._files.values() if not file.is_there()]
        if not gone:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._spare.lent():
                for file in gone:
                    file.restore()
            fcntl.flock(self._files[EVENTS].fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._reserve()
            self.describe()
        except OSError as error:
            self._trouble(error)
            return
        self._tell(f"{self.path} was removed while it was written; it was made again with all that was recorded.")
        self.event("restored", files=len(gone))

    def _count_cut(self) -> None:
        """What another program cut off is lost, told and counted."""
        for name, file in self._files.items():
            if missing := file.cut():
                self._hashes.was_cut(file.path)
                self.counts.lost_bytes += missing
                self._tell(f"{self.path / name} was cut by another program: its last {missing} octets are lost.")
                self.event("lost", at=_now(), end=_now(), cause="cut_by_another_program", bytes=missing)

    def _adopt(self) -> None:
        """Take over what the auditor wrote into the manifest by hand since it was written here; what is no manifest is
        laid aside, and told."""
        place = self.path / MANIFEST
        try:
            if self._manifest_as_written in (None, read_regular(place, LARGEST)):
                return
            theirs, ours = read_manifest(place), self.manifest
            self.manifest = replace(theirs, salt=ours.salt, started=ours.started, sealed=ours.sealed, files=ours.files)
        except InputError:
            aside = unused(place.with_stem("capture-by-hand"))
            with suppress(OSError):
                os.replace(place, aside)
                self._tell(f"{place} was changed into what is no manifest; that was laid aside as {aside.name}.")
        except OSError:
            # It is not there, or is no file: it is written anew.
            return

    def _reserve(self) -> None:
        """Raises OSError."""
        number = os.open(self.path / _RESERVE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(bytes(_RESERVED))

    def _write_manifest(self) -> bool:
        """``capture.yaml``, replaced as a whole. False, and ``trouble``, where that fails."""
        text = yaml.safe_dump(
            {"format": FORMAT, **msgspec.to_builtins(self.manifest)}, allow_unicode=True, sort_keys=False, width=110
        )
        made = None
        try:
            number, made = tempfile.mkstemp(prefix=f".{MANIFEST}.", dir=self.path)
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(number)
            os.replace(made, self.path / MANIFEST)
            self._manifest_as_written = text.encode()
            return True
        except OSError as error:
            if made is not None and os.path.exists(made):
                os.unlink(made)
            self._trouble(error)
            return False


_CAUSES = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full",
    errno.EIO: "disk_failed",
    errno.EROFS: "read_only",
}


class _Clock:
    """The wall clock beside one that nobody sets, in microseconds. Asleep, the second goes on where the system can
    (Linux)."""

    def __init__(self) -> None:
        self._number = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        self._looked = time.monotonic()
        self._offset = _now() - self.monotonic()

    def monotonic(self) -> Micros:
        return time.clock_gettime_ns(self._number) // 1000

    def look(self, now: bool) -> int | None:
        """How far the wall clock moved against the other since the last look; None where that was just now."""
        at = time.monotonic()
        if not now and at - self._looked < _LOOK:
            return None
        self._looked = at
        offset = _now() - self.monotonic()
        moved, self._offset = offset - self._offset, offset
        return moved


def _now() -> Micros:
    return time.time_ns() // 1000


def _encoded(value: dict[str, Any]) -> bytes:
    """One line of JSON. Text that is no Unicode (half a surrogate pair) is written with replacement signs."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, TypeError):
        return msgspec.json.encode(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)


# ------------------------------------------------------------------------------------- one for each process

_open: dict[Path, Writing] = {}
_opening = threading.Lock()
_unnamed: Path | None = None


def writing(path: str | Path | None) -> Writing:
    """This process's writer for the capture folder ``path``; whoever asks must :meth:`Writing.release` it at its end.

    Without a path it is a new folder ``capture-<time>``, in ``captures/`` where there is such a folder here: the same
    for all who ask. Raises InputError when the folder holds a recording, is written by another process, or cannot be
    made."""
    global _unnamed
    with _opening:
        if path in (None, ""):
            if _unnamed is None or _unnamed not in _open:
                stamp = time.strftime("capture-%Y%m%d-%H%M%S")
                home = Path("captures") if Path("captures").is_dir() else Path()
                _unnamed = unused((home / stamp).absolute())
            place = _unnamed
        else:
            place = Path(path).expanduser().absolute()
        found = _open.get(place)
        if found is None:
            found = _open[place] = Writing(place)
        found.acquire()
        return found
