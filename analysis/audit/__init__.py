"""The one road: sources, read, tables, conclude, an audit folder."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from analysis import folder, tables
from analysis.assemble import Assembler
from analysis.audit.about import about, capture_date, marks
from analysis.audit.clean import Events, clean_files, clean_manifest
from analysis.audit.files import Progress, changed_since, files_of, hash_files, others_changed, source_table
from analysis.audit.leaving import leave
from analysis.audit.memory import Memory
from analysis.audit.options import (
    AuditOptions,
    asked_address,
    asked_app,
    asked_country,
    asked_day,
    asked_vantage,
    asked_vendor,
    check_device,
    with_options,
)
from analysis.audit.out import check_out, let_go, own_folder, remembered_capture, save
from analysis.audit.readers import Asked, Readers
from analysis.conclude import Settings, conclude
from analysis.model import InputError, Loss
from analysis.persona import Persona, load_persona
from analysis.reference import Reference
from analysis.reference.sources import is_of_a_sample
from analysis.sources import Batch, Options

__all__ = [
    "AuditOptions",
    "Memory",
    "Progress",
    "asked_address",
    "asked_app",
    "asked_country",
    "asked_day",
    "asked_vantage",
    "asked_vendor",
    "audit",
    "check_out",
    "let_go",
    "own_folder",
    "remembered_capture",
    "run",
    "save",
]


_REMEMBERED = 4_096


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
    manifest = with_options(capture.manifest, options)
    reference = Reference.load(_overlays(capture, options))
    persona = _persona(capture, options, reference)
    from analysis.read import Detector

    detector = Detector(persona, reference, manifest.user_country)
    memory.begin(detector.spec())
    files = files_of(capture)
    hash_files(capture, files, memory, tell)
    clean = lru_cache(_REMEMBERED)(detector.mask.text)
    names = clean_files(capture, clean)
    manifest = clean_manifest(manifest, clean)
    key = folder.study_key(options.study_key) if options.study_key else folder.salt_key(manifest, files.private)
    assembler = Assembler([f.name for f in capture.files], key, detector.mask, options.reveal)
    for loss in (*capture.losses, *files.losses, *_reference_ignored(capture, options)):
        loss = dataclasses.replace(loss, source=names.get(loss.source, loss.source))
        if options.sealed or loss.kind != "not_sealed":
            assembler.lose(loss)
    readers = Readers(detector, options.workers, memory)
    shared = Options(options.batch, device=manifest.device.address, sealed=options.sealed, ends=files.ends)
    said_so = Events(clean)
    kinds = _read_all(capture, shared, assembler, readers, said_so, tell)
    others = others_changed(capture, said_so.files) if options.sealed else []
    for loss in (*changed_since(capture, files), *others, *said_so.losses()):
        assembler.lose(loss)
    raw = assembler.tables(source_table(capture, files, kinds))
    check_device(options.device, raw["flows"])
    tell("conclude", 0, 1)
    day, day_from = capture_date(raw, manifest, options, reference)
    settings = Settings(
        date=day,
        events=tuple(said_so.kept),
        geo_country=options.geo_country,
        geo_asn=options.geo_asn,
    )
    concluded = dict(conclude(raw, manifest, reference, settings))
    tell("conclude", 1, 1)
    said = about(capture, manifest, persona, reference, options, concluded, files, (day, day_from), said_so.kept)
    said["name"] = clean(said["name"])
    said["marks"] = marks(said_so.kept)
    leave(concluded, said, assembler.known)
    return concluded, said


def audit(
    path: Path,
    out: Path,
    options: AuditOptions,
    progress: Progress | None = None,
    also: Callable[[Path], object] | None = None,
) -> dict[str, Any]:
    """Audit the capture at ``path`` into the folder ``out``; returns the content of ``audit.json``. ``also``: writes
    more (the report) into the folder that it is given, before the new audit takes the place of an earlier one.

    Raises InputError as :func:`run` and :func:`check_out` do. Nothing in ``out`` is touched before the capture
    could be read."""
    if out.resolve() == path.resolve() or (path.is_dir() and out.resolve() == path.resolve().parent):
        raise InputError(f"{out} is the capture itself; name another folder with --out.")
    check_out(out)
    made, said = run(path, options, progress)
    save(path, out, made, said, also)
    return said


def _read_all(
    capture: folder.Capture,
    shared: Options,
    assembler: Assembler,
    readers: Readers,
    events: Events,
    tell: Progress,
) -> list[str]:
    """Read every file into ``assembler`` and ``events``, one after another, so that what one found out is known to the
    next; what each is. ``shared``: what all sources are told. A file that cannot be read is a loss; where none
    can, or the only one cannot, that is said."""
    from analysis.sources.identify import open_source

    waiting: deque[tuple[Batch, Asked]] = deque()
    kinds: list[str] = []
    refusals: list[InputError] = []
    done, total = 0, sum(shared.ends.values())

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
                events.add(file.name, batch.events)
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
        why = events.clean(str(refusals[0]))
        if len(refusals) == 1:
            raise InputError(why) from refusals[0]
        raise InputError(f"{capture.path}: none of its {len(refusals)} files is a capture that Lintas reads: {why}")
    tell("read", total, total)
    return kinds


def _overlays(capture: folder.Capture, options: AuditOptions) -> list[Path]:
    """Reference data beside ours: what the auditor names, over that of a sample of ours."""
    sample = capture.reference if capture.reference is not None and is_of_a_sample(capture.reference) else None
    return [place for place in (sample, options.reference) if place is not None]


def _reference_ignored(capture: folder.Capture, options: AuditOptions) -> list[Loss]:
    """The reference data that came with the capture, which counts only where the auditor names it."""
    place = capture.reference
    if place is None or place.resolve() in {p.resolve() for p in _overlays(capture, options)}:
        return []
    try:
        sizes = [p.lstat().st_size for p in place.iterdir()]
    except OSError:  # one that may not be looked into
        sizes = []
    why = "came with the capture, so nothing in it was used; where you vouch for it, name the folder with --reference"
    return [Loss(place.name, "reference_ignored", max(len(sizes), 1), sum(sizes), why)]


def _persona(capture: folder.Capture, options: AuditOptions, reference: Reference) -> Persona | None:
    place = options.persona or folder.own_persona(capture)
    if place is None:
        return None
    return load_persona(place, reference.data_type_aliases())
