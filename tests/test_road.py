"""The road end to end: a capture in, tables and a report out, the same however the capture is cut."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pyarrow.compute as pc
import pytest
from mitmproxy.test import tflow

from analysis import tables
from analysis.audit import AuditOptions, audit, run
from analysis.codecs import encodings_of
from analysis.model import InputError, Origin
from analysis.persona import load_persona
from analysis.reference import Reference
from lintas.show import find
from tests.road import DEMO, REAL, SAMPLES, check_conservation, real_files
from tests.sources.made import dump, event_lines

PERSONA = DEMO.parent / "personas" / "jakarta-buyer.yaml"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no captures of real apps at {REAL}")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.name)
def test_every_sample_keeps_the_sums(sample: Path) -> None:
    made, about = run(sample, AuditOptions())
    check_conservation(made)
    assert made["exchanges"].num_rows > 0 or made["flows"].num_rows > 0
    assert about["made"], "a sample says how it was made"
    assert not [r for r in made["losses"].to_pylist() if r["kind"] in ("file_changed", "file_missing", "reader_failed")]


@needs_real
@pytest.mark.parametrize("file", real_files(), ids=lambda p: p.name)
def test_every_real_capture_is_audited_or_refused_in_one_sentence(file: Path) -> None:
    refusal = ""
    try:
        made, _ = run(file, AuditOptions())
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert "\n" not in refusal
        assert len(refusal) < 400
        return
    check_conservation(made)
    assert "reader_failed" not in made["losses"]["kind"].to_pylist()


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.name)
def test_batches_do_not_matter(sample: Path, batch: int, tmp_path: Path) -> None:
    for name, size in (("all", 1 << 30), ("some", batch)):
        (tmp_path / name).mkdir()
        audit(sample, tmp_path / name, AuditOptions(batch=size))
    for file in sorted((tmp_path / "all").glob("*.parquet")):
        assert file.read_bytes() == (tmp_path / "some" / file.name).read_bytes(), file.name


def test_many_processes_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = run(DEMO, AuditOptions(workers=1))
    monkeypatch.setattr("analysis.audit.readers.POOL_FROM", 1)
    many, _ = run(DEMO, AuditOptions(workers=2, batch=16))
    assert one == many


def test_conclude_is_idempotent() -> None:
    from analysis.audit.options import with_options
    from analysis.conclude import Settings, conclude
    from analysis.folder import open_capture

    made, about = run(DEMO, AuditOptions())
    from datetime import date

    capture = open_capture(DEMO)
    manifest = with_options(capture.manifest, AuditOptions())
    reference = Reference.load([DEMO / "reference"])
    events = [e for e in map(json.loads, (DEMO / "events.jsonl").read_text().splitlines()) if e["type"] == "phase"]
    settings = Settings(date=date.fromisoformat(about["capture_date"]), events=tuple(events))
    again = conclude(made, manifest, reference, settings)
    assert {n: t for n, t in again.items() if n != "evidence"} == {n: t for n, t in made.items() if n != "evidence"}


def test_no_value_of_the_persona_leaves_the_capture(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Every value, in every encoding that codecs knows, is absent from tables, report, JSON, output and file names."""
    from typer.testing import CliRunner

    from lintas.cli import app

    out = tmp_path / "audit"
    result = CliRunner().invoke(app, ["audit", str(DEMO), "--out", str(out)])
    assert result.exit_code == 0, result.output
    persona = load_persona(PERSONA, Reference.load().data_type_aliases())
    made, _ = tables.read(out)
    text = [result.output, *(str(p) for p in out.rglob("*"))]
    text += [json.dumps(t.to_pylist(), default=str, ensure_ascii=False) for t in made.values()]
    text += [p.read_text(encoding="utf-8") for p in out.rglob("*") if p.suffix in (".html", ".json", ".csv")]
    haystack = "\n".join(text).encode("utf-8", "surrogatepass")
    looked_for = 0
    for value in persona.values:
        for via, needle in encodings_of(value):
            if len(needle) < 6:
                continue
            looked_for += 1
            assert needle not in haystack, (value.data_type, via)
    assert looked_for > 500
    assert set(made["transmissions"]["value"].to_pylist()) == {""}


def test_revealed_values_are_the_leaves_as_sent(tmp_path: Path) -> None:
    made, about = run(DEMO, AuditOptions(reveal=True))
    assert about["options"]["reveal"] is True
    values = {(r["data_type"], r["value"]) for r in made["transmissions"].to_pylist()}
    assert ("imei", "356938035643809") in values
    assert any(kind == "phone_number" and value == "081255501734" for kind, value in values)


@pytest.mark.parametrize("table", ["transmissions", "exchanges", "messages", "flows", "evidence"])
def test_origins_lead_back_to_bytes(table: str, tmp_path: Path) -> None:
    out = tmp_path / "audit"
    audit(DEMO, out, AuditOptions(reveal=True))
    made, _ = tables.read(out)
    rows = made[table].to_pylist()
    assert rows
    for row in rows[:: max(len(rows) // 25, 1)]:
        assert str(Origin.parse(row["origin"])) == row["origin"]
        found = find(out, row["origin"], None)
        assert len(found.wanted) == found.length
        if table == "transmissions":
            assert row["value"] in found.wanted.decode("utf-8", "replace") or "sha" in row["via"] or row["value"] == ""


def test_the_demo_shop_says_what_it_should(tmp_path: Path) -> None:
    made, _ = run(DEMO, AuditOptions())
    hosts = {d["host"]: d for d in made["destinations"].to_pylist()}
    assert hosts["api.kirana.example"]["country"] == "ID"
    assert hosts["api.kirana.example"]["party"] == "first"
    assert hosts["bid.cedarline.example"]["country"] == "US"
    assert hosts["reg.baiyun-push.example"]["country"] == "CN"
    assert hosts["img.kirana.example"]["country"] in (None, "ID")
    assert hosts["unknown-edge.example"]["level"] == 0
    assert hosts["connectivitycheck.gstatic.com"]["system_noise"]
    assert set(made["opaque"]["kind"].to_pylist()) == {
        *("pinned", "probable_pin", "encrypted", "non_http", "not_understood", "sealed")
    }
    took = [f for f in made["flows"].to_pylist() if f["tls"] and f["decrypted"]]
    for row in made["opaque"].to_pylist():
        if row["kind"] in ("pinned", "probable_pin"):
            flow = made["flows"].to_pylist()[row["flow"]]
            assert flow["app_from"] == "stated"
            before = {f["host"] for f in took if f["app"] == flow["app"] and f["first"] <= flow["first"]}
            assert before
            assert row["host"] not in before
    planted = made["transmissions"].filter(pc.equal(made["transmissions"]["method"], "planted"))
    types = set(planted["data_type"].to_pylist())
    assert {
        "advertising_id",
        "imei",
        "email",
        "phone_number",
        "gps_precise",
        "national_id_nik",
        "payment_card",
    } <= types
    rules = {f["finding"] for f in made["findings"].to_pylist()}
    assert {"REACH-CN", "REACH-US", "REACH-SG", "DEST-US", "CONSENT-refused", "CONSENT-before"} <= rules


def test_china_and_the_united_states_are_told_in_the_same_words() -> None:
    """The same kinds of witness at level 1, the same wording and arguments but for the country."""
    made, _ = run(DEMO, AuditOptions())
    findings = {f["finding"]: f for f in made["findings"].to_pylist()}
    one, other = findings["REACH-CN"], findings["REACH-US"]
    assert one["wording"] == other["wording"]
    assert [a["name"] for a in one["args"]] == [a["name"] for a in other["args"]]
    assert one["cannot_show"] == other["cannot_show"]


def test_a_file_that_changed_after_the_manifest_is_said(tmp_path: Path) -> None:
    copy = tmp_path / "captures" / "demo"
    shutil.copytree(DEMO, copy)
    shutil.copytree(DEMO.parent / "personas", tmp_path / "captures" / "personas")
    with (copy / "flows.mitm").open("ab") as file:
        file.write(b"torn")
    made, _ = run(copy, AuditOptions())
    kinds = made["losses"]["kind"].to_pylist()
    assert "file_changed" in kinds
    assert made["exchanges"].num_rows == 296


def _grow(whole: Path, folder: Path, share: float) -> None:
    """The capture as it was when that share of each of its files was written."""
    folder.mkdir(exist_ok=True)
    for name in ("flows.mitm", "events.jsonl", "capture.yaml"):
        if not (whole / name).exists():
            continue
        data = (whole / name).read_bytes()
        if name == "capture.yaml":
            lines = [line for line in data.decode().splitlines() if "sha256:" not in line or "name:" in line]
            data = "\n".join(lines).encode()
        else:
            data = data[: int(len(data) * share)]
        (folder / name).write_bytes(data)


def _look(folder: Path, persona: Path, seen: int) -> int:
    """The folder while it is written: no torn tail is a loss, and nothing that was told is taken back."""
    made, _ = run(folder, AuditOptions(sealed=False, persona=persona))
    assert not {"file_torn", "file_truncated"} & set(made["losses"]["kind"].to_pylist())
    assert made["exchanges"].num_rows >= seen
    check_conservation(made)
    return made["exchanges"].num_rows


def test_a_folder_that_grows_ends_in_the_same_tables(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    seen = 0
    for share in (0.0005, 0.003, 0.05, 0.21, 0.37, 0.5, 0.77, 0.93, 0.99):
        _grow(DEMO, folder, share)
        seen = _look(folder, PERSONA, seen)
    _grow(DEMO, folder, 1.0)
    last, _ = run(folder, AuditOptions(sealed=False, persona=PERSONA))
    sealed, _ = run(folder, AuditOptions(persona=PERSONA))
    assert last == sealed


@pytest.mark.slow
def test_a_dump_and_its_packets_fed_in_small_steps_end_in_the_same_tables(tmp_path: Path) -> None:
    """Both files of one capture grow side by side, so that each is often in the middle of what the other has."""
    lab = DEMO.parent / "lab"
    whole = {name: (lab / name).read_bytes() for name in ("flows.mitm", "packets.pcap")}
    shutil.copy(lab / "capture.yaml", tmp_path)
    steps, seen = 149, 0
    for step in range(1, steps + 1):
        for name, data in whole.items():
            (tmp_path / name).write_bytes(data[: len(data) * step // steps])
        seen = _look(tmp_path, PERSONA, seen)
    assert seen > 0
    assert run(tmp_path, AuditOptions(sealed=False, persona=PERSONA))[0] == run(lab, AuditOptions(persona=PERSONA))[0]


def test_a_dump_fed_byte_by_byte_only_gains(tmp_path: Path) -> None:
    """Every prefix of a dump gives the first exchanges of the whole, and none that the whole has not."""
    from analysis.sources import Options
    from analysis.sources.identify import open_source

    whole = (DEMO.parent / "lab" / "flows.mitm").read_bytes()[:9_000]
    place = tmp_path / "flows.mitm"
    told: list[str] = []
    for size in range(1, len(whole) + 1, 1 if len(whole) < 4_000 else 13):
        place.write_bytes(whole[:size])
        try:
            _, batches = open_source(place, "flows.mitm", Options(sealed=False))
            now = [f"{e.method} {e.host} {e.path} {e.status} {e.origin}" for b in batches for e in b.exchanges]
        except InputError:
            now = []  # too short to tell what it is
        assert now[: len(told)] == told
        told = now
    assert told


def test_a_machine_that_was_only_tried_is_counted_to_no_country(tmp_path: Path) -> None:
    """Neither by the report nor in the terminal nor live: one that refused its handshake, one of a request."""
    from analysis.follow import told
    from lintas.capture.state import State
    from lintas.summary import lines
    from reports import build

    capture, out = tmp_path / "capture", tmp_path / "audit"
    capture.mkdir()
    at = 1_795_545_826_000_000
    ends = {"client": ["10.0.0.2", 4000], "server": ["36.110.170.1", 443], "sni": "tried.example"}
    tried = {"type": "connection", "at": at, "connection": "c9", "kind": "unread", "cause": "server_unreachable"}
    (capture / "events.jsonl").write_bytes(event_lines(tried | ends))
    flow = tflow.tflow(err=True)
    flow.request.host = flow.request.headers["host"] = "asked.example"
    flow.request.path = "/x?email=sari.dewi@mail.example"
    server = flow.server_conn
    server.address, server.peername, server.timestamp_start = ("36.110.170.2", 443), None, at / 1e6
    server.timestamp_tcp_setup = server.timestamp_tls_setup = None
    (capture / "flows.mitm").write_bytes(dump(flow))
    about = audit(capture, out, AuditOptions())
    made, _ = tables.read(out)
    assert {(r["address"], r["country"], r["answered"]) for r in made["destinations"].to_pylist()} == {
        ("36.110.170.1", "CN", False),
        ("36.110.170.2", "CN", False),
    }
    assert set(made["flows"]["bytes_out"].to_pylist()) == {0}
    assert made["readable"].num_rows == 0
    assert dict(lines(out))["Where"] == "no destination is counted"
    assert "2 that nothing reached or that gave no answer" in dict(lines(out))["Seen"]
    report = build(out).read_text("utf-8")
    before, _, behind = report.partition('id="everything"')
    assert "China" not in before
    assert "Tried, and no answer" in behind
    assert "China" in behind
    look = told.summary(made, about, Reference.load())
    state = State("c", "c", at)
    state.from_follower({"type": "look", "summary": look})
    shown = state.snapshot()
    assert (shown["countries"], shown["operators"], shown["countries_shown"]) == ([], [], 0)
    assert shown["unanswered"]["flows"] == 2
    ids = {"flows.mitm": {0: "f"}}
    assert told.comments(made, ids, Reference.load())["f"].text == "no answer · not delivered: email · ?"


def test_what_was_opened_and_not_understood_is_said(tmp_path: Path) -> None:
    from reports import build

    capture, out = tmp_path / "flows.mitm", tmp_path / "audit"
    flow = tflow.tflow(resp=True)
    flow.request.headers["content-type"] = "application/octet-stream"
    flow.request.content = bytes(random.Random(7).randbytes(30_000))
    capture.write_bytes(dump(flow))
    audit(capture, out, AuditOptions())
    report = build(out).read_text("utf-8")
    assert "One body (30 kB), opened or in the clear, was not understood" in report.replace("\xa0", " ").replace(
        "\u202f", " "
    )
    assert "Sealed by the app itself" in report
