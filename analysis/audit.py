"""The one road: sources, read, tables, conclude, an audit folder."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import ipaddress
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from analysis import folder, tables
from analysis.assemble import Assembler
from analysis.conclude import Settings, conclude
from analysis.conclude.attribute import phase_marks
from analysis.model import InputError, Loss, Message, Micros, Reading
from analysis.persona import Persona, load_persona
from analysis.reference import Reference
from analysis.sources import Batch, Options

if TYPE_CHECKING:
    from analysis.read import Detector, Spec

POOL_FROM = 6 << 20
"""Octets of bodies from which on all cores read: below, starting them costs more than they save."""
_WINDOW = 4
"""Batches in flight for each core."""
_LONGEST_NOTE = 300
"""Characters of an auditor's mark."""

Progress = Callable[[str, int, int], None]
"""Called with a stage (``hash``, ``read``, ``conclude``), what is done of it and how much there is, in octets."""


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


class Memory:
    """What an audit knows of the same capture from before. This one knows nothing and keeps nothing."""

    def begin(self, spec: Spec) -> None:
        """An audit begins whose detector is built from ``spec``: what another one read counts no more."""

    def digests(self, path: Path, end: int, progress: Callable[[int], None]) -> folder.Digests:
        """The digests of the first ``end`` octets of a file. Raises OSError."""
        return folder.digests(path, progress, end)

    def recall(self, message: Message) -> tuple[bytes, Reading | None]:
        """A name for the message, and what ``read`` understood of it, where that is known."""
        return b"", None

    def keep(self, name: bytes, reading: Reading) -> None:
        """Take in what ``read`` understood of the message of that name."""

    def met(self, source: str, batch: Batch) -> None:
        """A batch of the source of that name came."""


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def run(
    path: Path, options: AuditOptions, progress: Progress | None = None, memory: Memory | None = None
) -> tuple[tables.Tables, dict[str, Any]]:
    """Audit the capture at ``path``: its tables and the content of ``audit.json``.

    ``memory``: of earlier audits of this capture; with any of them the result is the same.
    Raises InputError when the capture, or anything that the options name, cannot be used at all. What can be read
    in part is read in part, and the rest counted in the table ``losses``."""
    tell, memory = progress or _silent, memory or Memory()
    capture = folder.open_capture(path)
    manifest = _with_options(capture.manifest, options)
    reference = Reference.load(_overlays(capture, options))
    persona = _persona(capture, options, reference)
    from analysis.read import Detector

    detector = Detector(persona, reference, manifest.user_country)
    memory.begin(detector.spec())
    ends = _ends(capture)
    total = sum(ends.values())
    hashed = _hash_files(capture, ends, memory, tell)
    key = folder.study_key(options.study_key) if options.study_key else folder.salt_key(manifest, hashed.private)
    assembler = Assembler([f.name for f in capture.files], key, detector.scrub, options.reveal)
    for loss in (*capture.losses, *hashed.losses):
        if options.sealed or loss.kind != "not_sealed":
            assembler.lose(loss)
    readers = _Readers(detector, options.workers, memory)
    shared = Options(options.batch, device=manifest.device.address, sealed=options.sealed, ends=ends)
    kinds, events = _read_all(capture, shared, assembler, readers, tell, total)
    raw = assembler.tables(_source_table(capture, hashed, kinds))
    tell("conclude", 0, 1)
    day, day_from = _capture_date(raw, manifest, options, reference)
    settings = Settings(
        date=day,
        events=tuple(events),
        geo_country=options.geo_country,
        geo_asn=options.geo_asn,
    )
    concluded = conclude(raw, manifest, reference, settings)
    tell("conclude", 1, 1)
    about = _about(capture, manifest, persona, reference, options, concluded, hashed, (day, day_from), events)
    about["marks"] = [
        {"at": _moment(e["at"]), "note": detector.scrub(str(e["note"])[:_LONGEST_NOTE])}
        for e in events
        if e.get("type") == "mark" and e.get("at") is not None and e.get("note")
    ]
    return concluded, about


_OURS = frozenset({f"{name}.parquet" for name in tables.TABLES} | {"audit.json", "report.html", "report.json", "csv"})


def check_out(out: Path) -> None:
    """See that an audit may be written to ``out``: it is not there, empty, or an earlier audit.

    Raises InputError for a folder that holds anything else. Nothing is touched."""
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file; name a folder with --out.")
        held = sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) if out.exists() else []
    except OSError as error:
        raise InputError(f"{out} cannot be read ({error.strerror}); name another folder with --out.") from error
    foreign = [name for name in held if name not in _OURS]
    if foreign or (held and not {"audit.json", "sources.parquet"} & set(held)):
        name = (foreign or held)[0]
        raise InputError(f"{out} holds {name!r}, which is no part of an audit; name an empty folder with --out.")


def clear_out(out: Path) -> None:
    """Make ``out`` an empty audit folder: what an earlier audit left goes, ``audit.json`` first, so that what is
    half written is never taken for an audit. Raises InputError as :func:`check_out` does."""
    check_out(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("audit.json", *sorted(_OURS)):
            if (out / name).is_file():
                (out / name).unlink()
        for place in sorted((out / "csv").glob("*.csv")):
            place.unlink()
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); name another folder with --out.") from error


def audit(path: Path, out: Path, options: AuditOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Audit the capture at ``path`` into the folder ``out``; returns the content of ``audit.json``.

    Raises InputError as :func:`run` and :func:`check_out` do. Nothing in ``out`` is touched before the capture
    could be read."""
    if out.resolve() == path.resolve() or (path.is_dir() and out.resolve() == path.resolve().parent):
        raise InputError(f"{out} is the capture itself; name another folder with --out.")
    check_out(out)
    made, about = run(path, options, progress)
    save(path, out, made, about)
    return about


def save(path: Path, out: Path, made: tables.Tables, about: dict[str, Any]) -> None:
    """Write what :func:`run` made of the capture at ``path`` into the folder ``out``.

    Raises InputError as :func:`check_out` does, and where it cannot be written."""
    clear_out(out)
    try:
        tables.write(out, made, about)
        (out / _REMEMBERED).write_text(str(path.resolve()), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); free space or name another folder.") from error


_REMEMBERED = ".capture-path"
"""Where the capture lay, for this machine alone: no table, report or export holds it."""


def remembered_capture(out: Path) -> Path | None:
    """Where the capture of an audit lay when it was made, if the audit folder still says so."""
    try:
        return Path((out / _REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


# --------------------------------------------------------------------------------------------- what was asked


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


def _with_options(manifest: folder.Manifest, options: AuditOptions) -> folder.Manifest:
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


def _overlays(capture: folder.Capture, options: AuditOptions) -> list[Path]:
    found = [capture.reference] if capture.reference is not None else []
    return found + ([options.reference] if options.reference is not None else [])


def _persona(capture: folder.Capture, options: AuditOptions, reference: Reference) -> Persona | None:
    place = options.persona or capture.persona
    if place is None:
        return None
    return load_persona(place, reference.data_type_aliases())


# ------------------------------------------------------------------------------------------- the files' bytes


@dataclass(slots=True)
class _Hashed:
    sha256: list[str]
    private: list[bytes]
    sizes: list[int]
    losses: list[Loss]


def _ends(capture: folder.Capture) -> dict[Path, int]:
    """How much of each file is read: what it held when the audit began. The journal's lines are written before the
    flow that they belong to, so it is asked after the dump. Raises InputError where a file is gone."""
    try:
        return {f.path: f.path.stat().st_size for f in sorted(capture.files, key=lambda f: f.name.endswith(".jsonl"))}
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}).") from error


def _hash_files(capture: folder.Capture, ends: dict[Path, int], memory: Memory, tell: Progress) -> _Hashed:
    """Hash every file. One that is not what the manifest says is a loss, and read all the same."""
    hashed = _Hashed([], [], [], [])
    done, total = 0, sum(ends.values())
    for file in capture.files:

        def advance(octets: int) -> None:
            nonlocal done
            done += octets
            tell("hash", done, total)

        try:
            sha256, private, size = memory.digests(file.path, ends[file.path], advance)
        except OSError as error:
            raise InputError(f"{file.path} cannot be read ({error.strerror}).") from error
        hashed.sha256.append(sha256)
        hashed.private.append(private)
        hashed.sizes.append(size)
        if file.stated_sha256 is not None and file.stated_sha256 != sha256:
            where = "its SHA-256 is not the one that the manifest names: it was changed after the manifest was written"
            hashed.losses.append(Loss(file.name, "file_changed", 1, size, where))
    return hashed


def _source_table(capture: folder.Capture, hashed: _Hashed, kinds: list[str]) -> pa.Table:
    rows = []
    for n, (file, kind) in enumerate(zip(capture.files, kinds, strict=True)):
        leg = file.leg or ("wire" if kind in ("pcap", "pcapng") else "phone")
        row = {"source": n, "file": file.name, "kind": kind, "leg": leg}
        rows.append(row | {"sha256": hashed.sha256[n], "bytes": hashed.sizes[n]})
    return tables.TABLES["sources"].from_rows(rows)


# ------------------------------------------------------------------------------------------------ reading

_detector: Detector | None = None


def _start_worker(spec: Any) -> None:
    from analysis.read import Detector

    global _detector
    _detector = Detector.from_spec(spec)


def _nothing() -> None:
    """Work that starts a process."""


def _read_in_worker(messages: list[Message]) -> list[Reading]:
    assert _detector is not None
    return read_messages(_detector, messages)


def read_messages(detector: Detector, messages: Iterable[Message]) -> list[Reading]:
    """``read`` on each message. A message that breaks the reader is a counted loss and not the audit's end."""
    readings = []
    for message in messages:
        try:
            reading = detector.read(message)
        except Exception as error:
            reading = Reading(message.key, decoded=not message.body)
            where = f"{type(error).__name__} while a {message.kind} was read"
            reading.losses.append(Loss(message.key.source, "reader_failed", 1, len(message.body), where))
        readings.append(reading)
    return readings


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Inside, Ctrl-C waits, and processes that are started inherit that it does for good: it is for the parent, which
    ends them. One that came in the middle of a start would leave a process behind that nobody ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    resource_tracker.ensure_running()  # later it would let signals through again
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


@dataclass(slots=True)
class _Asked:
    """Messages that were handed to the readers: what was known of each, and what is awaited of the rest."""

    names: list[bytes]
    known: list[Reading | None]
    new: list[Message]
    future: Future[list[Reading]]


class _Readers:
    """Reads messages here, or, once there is enough to read, on all cores. Answers come in the order asked. What
    ``memory`` knows is not read again."""

    def __init__(self, detector: Detector, workers: int | None, memory: Memory) -> None:
        self._detector = detector
        self.memory = memory
        self._workers = workers or os.cpu_count() or 1
        self._octets = 0
        self._pool: ProcessPoolExecutor | None = None

    @property
    def window(self) -> int:
        return self._workers * _WINDOW if self._pool is not None else 0

    def ask(self, messages: list[Message]) -> _Asked:
        asked = _Asked([], [], [], Future())
        for message in messages:
            name, known = self.memory.recall(message)
            asked.names.append(name)
            asked.known.append(known)
            if known is None:
                asked.new.append(message)
        asked.future = self._submit(asked.new)
        return asked

    def answer(self, asked: _Asked) -> list[Reading]:
        new = iter(self._result(asked.new, asked.future))
        readings = []
        for name, known in zip(asked.names, asked.known, strict=True):
            if known is None:
                known = next(new)
                self.memory.keep(name, known)
            readings.append(known)
        return readings

    def _submit(self, messages: list[Message]) -> Future[list[Reading]]:
        self._octets += sum(len(m.body) for m in messages)
        if self._pool is None and self._workers > 1 and self._octets > POOL_FROM:
            self._start()
        if self._pool is not None and messages:
            try:
                with _ctrl_c_waits():  # an idle core may be started now
                    return self._pool.submit(_read_in_worker, messages)
            except (BrokenProcessPool, RuntimeError):
                self._pool = None
                self._workers = 1
        here: Future[list[Reading]] = Future()
        here.set_result(read_messages(self._detector, messages))
        return here

    def _start(self) -> None:
        """The pool with all its processes."""
        with _ctrl_c_waits():
            self._pool = ProcessPoolExecutor(
                self._workers,
                get_context("spawn"),
                initializer=_start_worker,
                initargs=(self._detector.spec(),),
            )
            for _ in range(self._workers):
                self._pool.submit(_nothing)

    def _result(self, messages: list[Message], future: Future[list[Reading]]) -> list[Reading]:
        try:
            return future.result()
        except BrokenProcessPool:
            # A worker was killed (memory): what it had is read here, one core, nothing lost.
            self._pool = None
            self._workers = 1
            return read_messages(self._detector, messages)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _read_all(
    capture: folder.Capture,
    shared: Options,
    assembler: Assembler,
    readers: _Readers,
    tell: Progress,
    total: int,
) -> tuple[list[str], list[dict[str, Any]]]:
    """Read every file into ``assembler``, one after another, so that what one found out is known to the next; what
    each is, and the events. ``shared``: what all sources are told. A file that cannot be read is a loss; where none
    can, or the only one cannot, that is said."""
    from analysis.sources.identify import open_source

    waiting: deque[tuple[Batch, _Asked]] = deque()
    kinds: list[str] = []
    events: list[dict[str, Any]] = []
    refusals: list[InputError] = []
    done = 0

    def take() -> None:
        batch, asked = waiting.popleft()
        assembler.add(batch, readers.answer(asked))

    try:
        for file in capture.files:
            reached = 0
            kind = "other"
            batches: Iterator[Batch] = iter(())
            if shared.ends[file.path] or shared.sealed:
                beside = tuple((f.name, f.path) for f in capture.files if f is not file)
                told = dataclasses.replace(shared, leg=file.leg, beside=beside)
                try:
                    kind, batches = open_source(file.path, file.name, told)
                except InputError as error:
                    refusals.append(error)
                    why = str(error).replace(str(file.path), file.name)
                    assembler.lose(Loss(file.name, "file_not_read", 1, shared.ends[file.path], why))
            kinds.append(kind)
            for batch in batches:
                events += batch.events
                readers.memory.met(file.name, batch)
                waiting.append((batch, readers.ask(batch.messages)))
                while len(waiting) > readers.window:
                    take()
                reached = max(reached, batch.done)
                tell("read", done + reached, total)
            done += reached
        while waiting:
            take()
    finally:
        readers.close()
    if len(refusals) == len(capture.files):
        if len(refusals) == 1:
            raise refusals[0]
        raise InputError(
            f"{capture.path}: none of its {len(refusals)} files is a capture that Lintas reads: {refusals[0]}"
        )
    tell("read", total, total)
    return kinds, events


# ------------------------------------------------------------------------------------------- what it was about


def _capture_date(
    raw: tables.Tables, manifest: folder.Manifest, options: AuditOptions, reference: Reference
) -> tuple[datetime.date, str]:
    """The day whose ownership and law hold: as asked, as the manifest says, as the first flow says; else the day
    of the reference data, and the report says that the capture has no date."""
    if options.date is not None:
        return options.date, "option"
    if manifest.date is not None:
        try:
            return datetime.date.fromisoformat(manifest.date), "manifest"
        except ValueError as error:
            raise InputError(f"{folder.MANIFEST}: date {manifest.date!r} is no day; write it as 2026-11-24.") from error
    first = pc.min(raw["flows"]["first"]).cast(pa.int64()).as_py()
    if first is not None and first > 0:
        return _day(first), "capture"
    return reference.as_of, "reference"


def _moment(at: Micros) -> str:
    return datetime.datetime.fromtimestamp(at / 1_000_000, datetime.UTC).isoformat()


def _day(at: Micros) -> datetime.date:
    return datetime.datetime.fromtimestamp(at / 1_000_000, datetime.UTC).date()


_LIBRARIES = (
    "mitmproxy",
    "scapy",
    "pyarrow",
    "msgspec",
    "cryptography",
    "hyperscan",
    "phonenumbers",
    "jinja2",
)


def _about(
    capture: folder.Capture,
    manifest: folder.Manifest,
    persona: Persona | None,
    reference: Reference,
    options: AuditOptions,
    made: tables.Tables,
    hashed: _Hashed,
    date: tuple[datetime.date, str],
    events: list[dict[str, Any]],
) -> dict[str, Any]:
    """The content of ``audit.json``. It names no path of this machine and holds no salt and no value."""
    import msgspec

    told = msgspec.to_builtins(manifest)
    told.pop("salt", None)
    told.pop("files", None)
    told["phases"] = [
        {"phase": name, "start": _moment(start), "end": None if end is None else _moment(end)}
        for start, end, name in phase_marks(manifest, events)
    ]
    return {
        "format": tables.FORMAT,
        "lintas": _version("lintas"),
        "name": capture.name,
        "made": manifest.made,
        "sample": manifest.sample,
        "manifest": told,
        "capture_date": date[0].isoformat(),
        "capture_date_from": date[1],
        "options": {
            "persona": None if persona is None else sorted(persona.data_types()),
            "reveal": options.reveal,
            "study_key": options.study_key is not None,
            "reference": list(reference.overlays),
            "geo_country": [p.name for p in options.geo_country],
            "geo_asn": [p.name for p in options.geo_asn],
            "given": sorted(
                f.name
                for f in dataclasses.fields(options)
                if f.name not in ("batch", "sealed", "workers") and getattr(options, f.name) != f.default
            ),
        },
        "counts": _counts(made),
        "reference": reference.versions(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "files": [
            {"file": f.name, "sha256": h, "bytes": s}
            for f, h, s in zip(capture.files, hashed.sha256, hashed.sizes, strict=True)
        ],
    }


def _counts(made: tables.Tables) -> dict[str, int]:
    flows = made["flows"]
    packets = sum(pc.sum(flows[c]).as_py() or 0 for c in ("packets_out", "packets_in"))
    losses = made["losses"]
    skipped = losses.filter(pc.starts_with(losses["kind"], "packet_"))
    counts = {name: table.num_rows for name, table in made.items()}
    counts["packets_in_flows"] = packets
    counts["packets_skipped"] = pc.sum(skipped["count"]).as_py() or 0
    return counts


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
