"""Inputs of a fuzzer, taken down the whole road: recognised, read, assembled, concluded, written, shown.

What must hold for any input: an audit or an InputError of one line; no reader that failed; no planted value in any
text of any table, file or line; octets of a flow are those that were read and those that were not; tables of the
declared form; no control character in a terminal.

A road costs tens of milliseconds however small its input is. So that a fuzzer goes down it hundreds of thousands of
times, inputs that are files of a capture are each recognised and read, and then stand ``TOGETHER`` in one capture,
which goes down all of it. Of a manifest, a persona, reference data or an audit there is one in a capture: each is
checked, and one of ``_EACH`` goes on, as does every one that looks like none before (:func:`_looks`). The report is
written once in ``_REPORT_EVERY`` captures, with all that a terminal says.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from analysis import audit as road
from analysis import folder as capture_folder
from analysis import read, tables
from analysis.audit import AuditOptions
from analysis.audit.clean import clean_manifest
from analysis.audit.readers import read_messages
from analysis.model import InputError
from analysis.persona import Persona, load_persona
from analysis.read import Detector
from analysis.reference import Reference
from analysis.sources import Options
from analysis.sources.identify import open_source
from lintas import info, summary
from lintas import show as shown_origin
from reports import build
from tests.fuzz.seeds import HAR, KINDS, PERSONA, PLANTED

TOGETHER = 16
"""Inputs in one capture."""
_EACH = 12
_REPORT_EVERY = 150
_INFO_EVERY = 8
MOST = 60_000
"""Octets of one input: enough for every form, few enough for many runs a second."""
_SLOW = 2.0
"""Seconds of CPU from which on a capture is told of; a machine that is busy makes no failure."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class FailedError(Exception):
    """What was asked of an input does not hold. ``inputs``: those that it happened with."""

    def __init__(self, inputs: list[bytes]) -> None:
        super().__init__(f"{len(inputs)} inputs")
        self.inputs = inputs


class Road:
    """Takes one input after another, each in the same folder."""

    def __init__(self, kind: str, folder: Path, together: int = TOGETHER) -> None:
        self.kind, self.folder, self.together = kind, folder, together
        self.name = KINDS[kind][0]
        self.capture = folder / "capture"
        self.persona = folder / "persona.yaml"
        self.persona.write_text(PERSONA, encoding="utf-8")
        self.runs = self.refused = self.taken = self.audits = self.reports = 0
        self.slow: list[tuple[float, bytes]] = []
        self._waiting: list[bytes] = []
        self._reporting = 0.0
        self._looks: set[str] = set()
        # What does not depend on the input is built once: the road itself is not shortened.
        load, shared = Reference.load, Reference.load()
        built: dict[Any, Detector] = {}

        def detector(persona: Persona | None, reference: Reference, country: str | None = None) -> Detector:
            key = (persona.values if persona is not None else (), country, tuple(reference.overlays))
            if key not in built or reference.overlays:
                built.clear()
                built[key] = Detector(persona, reference, country)
            return built[key]

        self._patches = (
            mock.patch.object(Reference, "load", lambda overlay=None: load(overlay) if overlay else shared),
            mock.patch.object(read, "Detector", detector),
        )
        for patch in self._patches:
            patch.start()
        self._detector = detector(load_persona(self.persona, shared.data_type_aliases()), shared)
        self._single: dict[str, Callable[[bytes], None]] = {
            "persona": self._persona,
            "manifest": self._manifest,
            "reference": self._reference,
            "audit": self._audit,
        }
        self._clear()

    def close(self) -> None:
        for patch in self._patches:
            patch.stop()

    def _clear(self) -> None:
        for place in (self.capture, self.folder / "reference", self.folder / "audit"):
            shutil.rmtree(place, ignore_errors=True)
        self.capture.mkdir(parents=True)
        if self.kind in self._single:
            (self.capture / "a.har").write_bytes(HAR)

    def run(self, data: bytes) -> None:
        """Raises FailedError, or whatever the road raises that it should not."""
        self.runs += 1
        single = self._single.get(self.kind)
        if single is not None:
            begun = time.process_time()
            single(data)
            self._timed(begun, data)
            return
        place = self.capture / f"{len(self._waiting):02d}-{self.name}"
        place.write_bytes(data)
        self._waiting.append(data)
        try:
            begun = time.process_time()
            self._read(place)
            self._timed(begun, data)
            self.taken += 1
        except InputError as error:
            self.refused += 1
            _sentence(error)
        except BaseException as error:
            self._waiting.clear()
            self._clear()
            raise FailedError([data]) from error
        if len(self._waiting) >= self.together:
            self.finish()

    def finish(self) -> None:
        """Audit the capture of the inputs that wait for it."""
        inputs, self._waiting = self._waiting, []
        if not inputs:
            return
        try:
            self._whole(AuditOptions(workers=1, persona=self.persona))
        except BaseException as error:
            raise FailedError(inputs) from error
        finally:
            self._clear()

    def _timed(self, begun: float, data: bytes) -> None:
        spent = time.process_time() - begun - self._reporting
        self._reporting = 0.0
        if spent > _SLOW:
            self.slow.append((spent, data))

    def _read(self, place: Path) -> None:
        """One file recognised and read, as an audit does it."""
        _, batches = open_source(place, place.name, Options())
        for batch in batches:
            for reading in read_messages(self._detector, batch.messages):
                assert all(loss.kind != "reader_failed" for loss in reading.losses), reading.losses

    def _whole(self, options: AuditOptions, hidden: bool = True) -> None:
        """The capture down the whole road. A refusal says one sentence."""
        try:
            made, about = road.run(self.capture, options)
        except InputError as error:
            _sentence(error, hidden)
            return
        self.audits += 1
        _formed(made)
        if hidden:
            assert PLANTED not in repr(about), "audit.json shows a planted value"
            _hidden(made)
        kinds = set(made["losses"]["kind"].to_pylist())
        assert "reader_failed" not in kinds, made["losses"].to_pylist()
        _conserved(made)
        if self.audits % _INFO_EVERY == 1:
            _printed(lambda: info.show(info.describe(self.capture)))
        if self.audits % _REPORT_EVERY == 1:
            begun = time.process_time()
            out = self.folder / "audit"
            road.save(self.capture, out, made, about, build)
            self._told(out, made, hidden)
            self._reporting = time.process_time() - begun

    def _told(self, out: Path, made: tables.Tables, hidden: bool) -> None:
        """What the report, the lists and a terminal say of an audit."""
        self.reports += 1
        texts = [p.read_text(encoding="utf-8") for p in out.rglob("*") if p.suffix in (".html", ".json", ".csv")]
        texts.append(_printed(lambda: summary.show(out)))
        if hidden:
            assert not any(PLANTED in text for text in texts), "a file or line of the audit shows a planted value"
        origins = [*made["transmissions"]["origin"].to_pylist()[:4], *made["messages"]["origin"].to_pylist()[:4]]
        for origin in origins:
            shown_origin.find(out, origin, self.capture)

    # ------------------------------------------------------------------------------- what a capture has one of

    def _looked(self, looks: str) -> bool:
        """Whether this one goes down the rest of the road."""
        self.taken += 1
        new = looks not in self._looks
        self._looks.add(looks)
        return new or self.taken % _EACH == 0

    def _refuse(self, error: InputError, hidden: bool = True) -> None:
        self.refused += 1
        _sentence(error, hidden)

    def _manifest(self, data: bytes) -> None:
        (self.capture / self.name).write_bytes(data)
        try:
            capture = capture_folder.open_capture(self.capture)
        except InputError as error:
            self._refuse(error)
            return
        manifest = clean_manifest(capture.manifest, self._detector.mask.text)
        kinds = sorted((loss.kind, loss.where) for loss in capture.losses)
        if self._looked(_looks(msgspec.to_builtins(manifest)) + repr(kinds)):
            self._whole(AuditOptions(workers=1, persona=self.persona))

    def _persona(self, data: bytes) -> None:
        self.persona.write_bytes(data)
        try:
            persona = load_persona(self.persona, Reference.load().data_type_aliases())
        except InputError as error:
            self._refuse(error, hidden=False)
            return
        if self._looked(_looks([[p.data_type, p.custom] for p in persona.values])):
            self._whole(AuditOptions(workers=1, persona=self.persona), hidden=False)

    def _reference(self, data: bytes) -> None:
        place = self.folder / "reference"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        name, _, text = data.partition(b"\n")
        file = re.sub(r"[^a-z_]", "", name.decode("ascii", "replace"))[:40] or "operators"
        (place / f"{file}.yaml").write_bytes(text)
        try:
            reference = Reference.load([place])
            own = {name: sorted(ids) for name, ids in reference.own.items() if ids}
        except InputError as error:
            self._refuse(error)
            return
        if self._looked(_looks(own) + file):
            self._whole(AuditOptions(workers=1, persona=self.persona, reference=place))

    def _audit(self, data: bytes) -> None:
        """An audit folder that a stranger made: ``data`` is a ZIP of its files, laid over those of an audit of ours."""
        out = self.folder / "audit"
        if not out.exists():
            self._make_audit(out)
        changed = _unpacked(data, out)
        try:
            made, _ = tables.read(out)
            parquets = [name.removesuffix(".parquet") for name in changed if name.endswith(".parquet")]
            if not self._looked("".join(str(made[name].schema) for name in parquets)):
                return
            for show in (lambda: build(out), lambda: summary.show(out)):
                with contextlib.suppress(InputError):
                    _printed(show)
            for origin in [*made["transmissions"]["origin"].to_pylist()[:2], "a.har#0!file:0+1"]:
                with contextlib.suppress(InputError):
                    shown_origin.find(out, str(origin), None)
        except InputError as error:
            self._refuse(error)
        finally:
            for name, before in changed.items():
                (out / name).write_bytes(before)

    def _make_audit(self, out: Path) -> None:
        made, about = road.run(self.capture, AuditOptions(workers=1, persona=self.persona))
        road.save(self.capture, out, made, about)


def _unpacked(data: bytes, out: Path) -> dict[str, bytes]:
    """Write the files of a ZIP over those of the same name; what these held."""
    before: dict[str, bytes] = {}
    wrong = (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError, EOFError, zlib.error)
    with contextlib.suppress(*wrong), zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            name = member.filename
            if name not in before and (out / name).is_file() and member.file_size <= MOST:
                inside = archive.read(member)
                before[name] = (out / name).read_bytes()
                (out / name).write_bytes(inside)
    return before


def _looks(value: Any) -> str:
    """The form of a value: its keys and types, not its texts."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{_looks(v)}" for k, v in sorted(value.items(), key=str)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(sorted({_looks(v) for v in value})) + "]"
    return type(value).__name__


def _sentence(error: InputError, hidden: bool = True) -> None:
    text = str(error)
    assert text.strip(), "a refusal says something"
    assert not hidden or PLANTED not in text, "a refusal shows a planted value"


def _printed(show: Callable[[], object]) -> str:
    """What a terminal is told, which holds no character that would move its cursor or change its direction."""
    into = io.StringIO()
    with contextlib.redirect_stdout(into), contextlib.redirect_stderr(into):
        show()
    text = into.getvalue()
    wrong = _CONTROL.search(text)
    assert wrong is None, f"a terminal is told {wrong[0]!r}"
    return text


def _formed(made: tables.Tables) -> None:
    for name, declared in tables.TABLES.items():
        assert made[name].schema.equals(declared.schema), f"{name} has another form than declared"
        if made[name].num_rows:
            made[name].validate(full=True)


def _hidden(made: tables.Tables) -> None:
    for name, column, values in _texts(made):
        if pc.any(pc.match_substring(values, PLANTED)).as_py():
            raise AssertionError(f"{name}.{column} shows a planted value")


def _texts(made: tables.Tables) -> Iterator[tuple[str, str, pa.ChunkedArray]]:
    for name, table in made.items():
        for column in table.schema.names if table.num_rows else ():
            if pa.types.is_string(table.schema.field(column).type):
                yield name, column, table[column]


def _conserved(made: tables.Tables) -> None:
    """bytes_out + bytes_in = bytes_read + what stands in ``opaque`` of the flow."""
    rest: dict[int, int] = {}
    wanted = ["flow", "same_as", "bytes_out", "bytes_in", "bytes_read"]
    for row in made["flows"].select(wanted).to_pylist():
        sizes = [row[c] or 0 for c in ("bytes_out", "bytes_in", "bytes_read")]
        assert min(sizes) >= 0, row
        if row["same_as"] is None:
            rest[row["flow"]] = sizes[0] + sizes[1] - sizes[2]
    for row in made["opaque"].select(["flow", "bytes"]).to_pylist():
        if row["flow"] in rest:
            rest[row["flow"]] -= row["bytes"] or 0
    assert not any(rest.values()), {k: v for k, v in rest.items() if v}
