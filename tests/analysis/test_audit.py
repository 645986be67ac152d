"""The road where files are not what they were, or not what they seem."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.test import tflow

from analysis.audit import AuditOptions, Memory, audit, remembered_capture, run
from analysis.audit.clean import Events
from analysis.folder import Digests
from analysis.folder.writing import writing
from analysis.model import InputError
from analysis.tables import read
from lintas.show import find
from reports import build
from tests.road import ROOT
from tests.sources.made import dump, event_lines

FLOW = dump(tflow.tflow(resp=True))


class Meddler(Memory):
    """Does something to the folder once a file was hashed."""

    def __init__(self, meddle: Any) -> None:
        self._meddle = meddle

    def digests(self, path: Path, end: int, progress: Any) -> Digests:
        found = super().digests(path, end, progress)
        self._meddle(path)
        return found


def lost(made: Any) -> list[tuple[str, str]]:
    return [(row["kind"], row["where"]) for row in made["losses"].to_pylist() if row["kind"] == "file_changed"]


def replaced(path: Path) -> None:
    other = path.with_name(".other")
    other.write_bytes(FLOW)
    os.replace(other, path)


def rewritten(path: Path) -> None:
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"/path", b"/pith"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))


def shortened(path: Path) -> None:
    os.truncate(path, len(FLOW))


@pytest.mark.parametrize(
    ("meddle", "kinds"),
    [
        (lambda p: None, []),
        (lambda p: p.write_text("email: other@example.org\n"), ["file_changed"]),
        (Path.unlink, ["file_missing"]),
    ],
)
def test_the_seal_holds_what_is_no_capture_too(tmp_path: Path, meddle: Any, kinds: list[str]) -> None:
    """Whoever changes the persona behind the recording changes what the audit finds."""
    out = writing(tmp_path / "capture")
    out.flow(FLOW)
    persona = out.path / "persona.yaml"
    persona.write_text("email: sari@example.org\n")
    out.describe(persona="persona.yaml")
    out.release()
    meddle(persona)
    if kinds == ["file_missing"]:
        (out.path / "capture.yaml").write_text(
            (out.path / "capture.yaml").read_text().replace("persona: persona.yaml\n", "")
        )
    made, _ = run(out.path, AuditOptions())
    found = [r for r in made["losses"].to_pylist() if r["kind"].startswith("file_")]
    assert [r["kind"] for r in found] == kinds
    assert all("persona.yaml" in r["where"] for r in found)


def _modes(place: Path) -> set[int]:
    return {p.stat().st_mode & 0o777 for p in place.rglob("*") if p.is_file()}


def test_an_audit_that_reveals_is_its_owners_alone(tmp_path: Path) -> None:
    """Folder, tables, page and lists, also where the report is written again, elsewhere, or over a file of others."""
    (tmp_path / "flows.mitm").write_bytes(FLOW)
    out, page = tmp_path / "out", tmp_path / "page.html"
    page.write_text("old")
    page.chmod(0o644)
    before = os.umask(0o022)
    try:
        for reveal in (False, True, False):
            audit(tmp_path / "flows.mitm", out, AuditOptions(reveal=reveal), also=build)
            (out / "report.json").unlink()
            (out / "csv" / "unread.csv").unlink()
            build(out, page)
            assert _modes(out) == ({0o600} if reveal else {0o644})
            assert {p.stat().st_mode & 0o777 for p in (out, out / "csv")} == ({0o700} if reveal else {0o755})
            if reveal:
                assert page.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("reveal", [False, True])
def test_values_are_called_masked_where_they_are(tmp_path: Path, reveal: bool) -> None:
    (tmp_path / "flows.mitm").write_bytes(FLOW)
    audit(tmp_path / "flows.mitm", tmp_path / "out", AuditOptions(reveal=reveal), also=build)
    texts = [(tmp_path / "out" / name).read_text().lower() for name in ("report.html", "audit.json")]
    assert any("masked" in text for text in texts) is not reveal


@pytest.mark.parametrize("meddle", [replaced, rewritten, shortened])
def test_a_file_that_is_changed_between_hash_and_reading_is_told(tmp_path: Path, meddle: Any) -> None:
    (tmp_path / "flows.mitm").write_bytes(FLOW + dump(tflow.tflow(resp=True)))
    made, _ = run(tmp_path, AuditOptions(), memory=Meddler(meddle))
    assert len(lost(made)) == 1
    assert "replaced or changed while it was audited" in lost(made)[0][1]


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(dump(tflow.tflow(resp=True)))


@pytest.mark.parametrize("meddle", [grown, lambda _: None])
def test_a_file_that_grows_is_as_it_was_as_far_as_it_is_read(tmp_path: Path, meddle: Any) -> None:
    (tmp_path / "flows.mitm").write_bytes(FLOW)
    made, about = run(tmp_path, AuditOptions(sealed=False), memory=Meddler(meddle))
    assert not lost(made)
    assert made["exchanges"].num_rows == 1
    assert about["files"][0]["bytes"] == len(FLOW)


def test_a_dump_of_a_newer_mitmproxy_does_not_end_the_audit_of_what_is_beside_it(tmp_path: Path) -> None:
    """However long it is."""
    newer = FLOW.replace(b"7:version;2:21#", b"7:version;2:99#")
    (tmp_path / "flows.mitm").write_bytes(newer * 600)
    with pytest.raises(InputError, match="newer than the one here"):
        run(tmp_path, AuditOptions())
    shutil.copy(ROOT / "captures" / "packets" / "wire.pcap", tmp_path)
    made, _ = run(tmp_path, AuditOptions())
    assert made["flows"].num_rows
    assert [r["kind"] for r in made["losses"].to_pylist()].count("file_not_read") == 1


def test_a_mark_is_cut_behind_what_is_taken_out_of_it(tmp_path: Path) -> None:
    """A planted value that stands across the place where a note is cut leaves no part of itself."""
    planted = "budi.santoso.1987@mail.example"
    (tmp_path / "persona.yaml").write_text(f"email: {planted}\n", encoding="utf-8")
    note = "x" * 285 + " " + planted
    (tmp_path / "events.jsonl").write_bytes(event_lines({"type": "mark", "at": 1_780_000_000_000_000, "note": note}))
    _, about = run(tmp_path, AuditOptions(persona=tmp_path / "persona.yaml"))
    assert len(about["marks"]) == 1
    assert "budi" not in json.dumps(about)


def test_names_that_are_no_utf8_are_shown_and_lead_back(tmp_path: Path) -> None:
    """Linux takes any octets as a name."""
    capture = Path(os.fsdecode(os.fsencode(tmp_path) + b"/cap\xff"))
    capture.mkdir()
    (capture / os.fsdecode(b"flows\xff.mitm")).write_bytes(FLOW)
    about = audit(capture, tmp_path / "out", AuditOptions())
    assert about["name"] == "cap\\xff"
    assert [f["file"] for f in about["files"]] == ["flows\\xff.mitm"]
    assert remembered_capture(tmp_path / "out") == capture.resolve()
    made, _ = read(tmp_path / "out")
    assert made["exchanges"]["origin"][0].as_py().startswith("flows\\xff.mitm#0!")
    assert find(tmp_path / "out", made["exchanges"]["origin"][0].as_py(), None).wanted.startswith(b"GET /path")
    bad = Path(os.fsdecode(os.fsencode(tmp_path) + b"/out\xff"))
    with pytest.raises(InputError, match="no UTF-8"):
        audit(capture, bad, AuditOptions())
    assert not bad.exists()


@pytest.mark.parametrize(
    ("event", "lost"),
    [
        ({"type": "phase", "at": 1_780_000_000_000_000}, "phase_unnamed"),
        ({"type": "phase", "at": 1_780_000_000_000_000, "phase": ["login"]}, "line_unread"),
        ({"type": "phase", "at": 1_780_000_000_000_000, "phase": "\ud800"}, None),
        ({"type": "mark", "at": 1_780_000_000_000_000, "note": "\ud800"}, None),
        ({"type": "file", "at": 1_780_000_000_000_000, "name": "\ud800"}, "file_missing"),
        ({"type": "file", "at": 1_780_000_000_000_000, "name": "a\0b"}, "file_missing"),
        ({"type": ["phase"], "at": 1_780_000_000_000_000}, "line_unread"),
        ({"type": "app_front", "at": 1_780_000_000_000_000, "app": {"a": [[[[[[["deep"]]]]]]]}}, "line_unread"),
        ({"type": "mark", "at": 1_780_000_000_000_000, "note": "x" * 2_000_000}, "line_unread"),
    ],
    ids=lambda part: str(part)[:40],
)
def test_an_event_that_is_not_what_it_should_be_ends_no_audit(tmp_path: Path, event: Any, lost: str | None) -> None:
    capture = tmp_path / "c"
    capture.mkdir()
    told = {"type": "mark", "at": 1_780_000_000_000_001, "note": "told"}
    (capture / "events.jsonl").write_bytes(event_lines(told, event, told | {"at": 1_780_000_000_000_002}))
    about = audit(capture, tmp_path / "out", AuditOptions())
    assert about["marks"][-1]["note"] == "told"
    kinds = [row["kind"] for row in read(tmp_path / "out")[0]["losses"].to_pylist()]
    assert kinds == ([lost] if lost else [])


def test_events_beyond_those_that_are_held_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Events, "MOST", 10)
    marks = [{"type": "mark", "at": 1_780_000_000_000_000 + n, "note": str(n)} for n in range(25)]
    (tmp_path / "events.jsonl").write_bytes(event_lines(*marks))
    made, about = run(tmp_path, AuditOptions())
    assert len(about["marks"]) == 10
    assert [(r["kind"], r["count"]) for r in made["losses"].to_pylist()] == [("events_limited", 15)]
