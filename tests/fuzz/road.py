"""One input of a fuzzer, taken down the whole road: sources, read, assemble, conclude, the written tables.

What must hold for any input: an audit or an InputError of one line; no reader that failed; no planted value in any
text of any table; octets of a flow are those that were read and those that were not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc

from analysis import audit as road
from analysis import read
from analysis.audit import AuditOptions
from analysis.model import InputError
from analysis.persona import Persona
from analysis.read import Detector
from analysis.reference import Reference
from reports import build
from tests.fuzz.seeds import KINDS, PERSONA, PLANTED
from tests.sources.made import entry, har

_REPORT_EVERY = 200
"""Audits of which one is written too, with its report: that costs as much as ten of them."""
MOST = 200_000
"""Octets of one input: enough for every form, few enough for many runs a second."""


class Road:
    """Audits one input after another, each in the same folder."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.name, _ = KINDS[kind]
        self.capture = folder / "capture"
        self.persona = folder / "persona.yaml"
        self.persona.write_text(PERSONA, encoding="utf-8")
        self.refused = self.audited = 0
        # What does not depend on the input is built once: the road itself is not shortened.
        load, shared = Reference.load, Reference.load()
        built: dict[Any, Detector] = {}

        def detector(persona: Persona | None, reference: Reference, country: str | None = None) -> Detector:
            key = (persona.values if persona is not None else (), country)
            if key not in built:
                built.clear()
                built[key] = Detector(persona, reference, country)
            return built[key]

        self._patches = (
            mock.patch.object(Reference, "load", lambda overlay=None: load(overlay) if overlay else shared),
            mock.patch.object(read, "Detector", detector),
        )
        for patch in self._patches:
            patch.start()

    def close(self) -> None:
        for patch in self._patches:
            patch.stop()

    def run(self, data: bytes) -> None:
        """Raises AssertionError, or whatever the road raises that it should not."""
        shutil.rmtree(self.capture, ignore_errors=True)
        self.capture.mkdir(parents=True)
        options = AuditOptions(workers=1, persona=self.persona)
        path = self.capture
        if self.kind == "persona":
            (self.capture / "a.har").write_bytes(har(entry()))
            self.persona.write_bytes(data)
        elif self.kind == "manifest":
            (self.capture / "a.har").write_bytes(har(entry()))
            (self.capture / self.name).write_bytes(data)
        elif self.kind in ("events", "journal"):
            (self.capture / self.name).write_bytes(data)
        else:
            path = self.capture / self.name
            path.write_bytes(data)
        try:
            tables, about = road.run(path, options)
        except InputError as error:
            self.refused += 1
            text = str(error)
            assert text.strip(), "a refusal says something"
            assert self.kind == "persona" or PLANTED not in text, "a refusal shows a planted value"
            return
        self.audited += 1
        if self.audited % _REPORT_EVERY == 1:
            out = self.folder / "audit"
            road.save(path, out, tables, about, build)
            if self.kind != "persona":
                texts = [
                    p.read_text(encoding="utf-8") for p in out.rglob("*") if p.suffix in (".html", ".json", ".csv")
                ]
                assert not any(PLANTED in text for text in texts), "a file of the audit shows a planted value"
        if self.kind != "persona":
            assert PLANTED not in repr(about), "audit.json shows a planted value"
            _hidden(tables)
        kinds = set(tables["losses"]["kind"].to_pylist())
        assert "reader_failed" not in kinds, tables["losses"].to_pylist()
        _conserved(tables)


def _hidden(tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        for column in table.schema.names:
            if pa.types.is_string(table.schema.field(column).type):
                values = table[column]
                if len(values) and pc.any(pc.match_substring(values, PLANTED)).as_py():
                    raise AssertionError(f"{name}.{column} shows a planted value")


def _conserved(tables: dict[str, pa.Table]) -> None:
    """bytes_out + bytes_in = bytes_read + what stands in ``opaque`` of the flow."""
    rest: dict[int, int] = {}
    wanted = ["flow", "same_as", "bytes_out", "bytes_in", "bytes_read"]
    for row in tables["flows"].select(wanted).to_pylist():
        sizes = [row[c] or 0 for c in ("bytes_out", "bytes_in", "bytes_read")]
        assert min(sizes) >= 0, row
        if row["same_as"] is None:
            rest[row["flow"]] = sizes[0] + sizes[1] - sizes[2]
    for row in tables["opaque"].select(["flow", "bytes"]).to_pylist():
        if row["flow"] in rest:
            rest[row["flow"]] -= row["bytes"] or 0
    assert not any(rest.values()), {k: v for k, v in rest.items() if v}
