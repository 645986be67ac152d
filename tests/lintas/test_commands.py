"""Each command, in this process: what it prints, and that what it prints is what a reader or a script can use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis import tables
from analysis.model import Origin
from lintas.cli import app
from tests.lintas.command import write_har
from tests.road import DEMO

RUN = CliRunner()


def run(*words: str | Path, code: int = 0, width: int = 80) -> str:
    result = RUN.invoke(app, [str(w) for w in words], env={"COLUMNS": str(width), "TERM": "dumb"})
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit of the sample."""
    out = tmp_path_factory.mktemp("demo") / "audit"
    run("audit", DEMO, "--out", out)
    return out


@pytest.fixture
def har(tmp_path: Path) -> Path:
    return write_har(tmp_path / "session.har")


# ---------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", ["info", "audit", "report", "show", "doctor"])
def test_help_has_an_example_that_runs_as_it_stands(command: str) -> None:
    text = run(command, "--help", width=200)
    assert f"lintas {command}" in text[text.index("Example") :]
    assert run(command, "-h", width=200) == text


def test_help_names_every_command_and_the_exit_codes() -> None:
    text = run("--help", width=200)
    for word in ("info", "audit", "report", "show", "doctor", "130", "HAR", "pcapng"):
        assert word in text
    assert run(width=200) == text
    assert run("--version").startswith("lintas ")
    assert run("phone", width=200) == run("phone", "--help", width=200)


# --------------------------------------------------------------------------------------------------- audit


def test_the_last_line_is_the_path_alone_however_narrow_the_terminal(har: Path, tmp_path: Path) -> None:
    out = tmp_path / "a folder with a long name, longer than any line of this terminal is"
    for width in (20, 80):
        last = run("audit", har, "--out", out, width=width).splitlines()[-1]
        assert last == str(out / "report.html")
        assert Path(last).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_lines_go_on_under_their_text(har: Path, tmp_path: Path) -> None:
    lines = run("audit", har, "--out", tmp_path / "out", width=40).splitlines()[:-1]
    assert len(lines) > 6
    for line in lines:
        assert len(line) <= 40
        assert line[:9].strip() == "" or line[:9].rstrip().isalpha()
    labels = [line[:9].strip() for line in lines if line[:9].strip()]
    assert labels == ["Seen", "Where", "Who", "What", "Findings"]


def test_an_audit_of_an_audits_folder_again(har: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("audit", har, "--out", out)
    first = {p.name: p.read_bytes() for p in out.glob("*.parquet")}
    run("audit", har, "--out", out)
    assert {p.name: p.read_bytes() for p in out.glob("*.parquet")} == first
    # One that was begun and never finished is filled too.
    (out / "audit.json").unlink()
    run("audit", har, "--out", out)
    assert (out / "audit.json").is_file()


def test_without_out_it_goes_to_audits(har: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("audit", har.name).splitlines()[-1] == "audits/session/report.html"


def test_json_is_one_document(har: Path, tmp_path: Path, demo: Path) -> None:
    about = json.loads(run("audit", har, "--out", tmp_path / "out", "--json"))
    assert about["counts"]["exchanges"] == 2
    assert Path(about["report"]).is_file()
    assert json.loads(run("info", har, "--json"))["files"][0]["exchanges"] == 2
    assert {c["name"] for c in json.loads(run("doctor", "--json"))} >= {"Python", "scapy", "reference", "needles"}
    origin = first_origin(demo, "transmissions")
    assert json.loads(run("show", demo, origin, "--json"))["origin"] == origin


def test_what_the_user_says_outranks_the_manifest(har: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = ("--app", "com.example.shop", "--user-country", "uk", "--timezone", "Asia/Jakarta", "--date", "2025-01-02")
    run("audit", har, "--out", out, *said, "--vantage", "-6.2,106.8,id")
    _, about = tables.read(out)
    told = about["manifest"]
    assert (about["capture_date"], about["capture_date_from"]) == ("2025-01-02", "option")
    assert told["app"] == {"id": "com.example.shop"}
    assert (told["user_country"], told["timezone"]) == ("GB", "Asia/Jakarta")
    assert told["vantage"] == {"country": "ID", "latitude": -6.2, "longitude": 106.8}


def test_report_writes_the_same_report_again(demo: Path, tmp_path: Path) -> None:
    assert run("report", demo).splitlines()[-1] == str(demo / "report.html")
    other = tmp_path / "other.html"
    assert run("report", demo, "--out", other).splitlines()[-1] == str(other)
    assert other.read_bytes() == (demo / "report.html").read_bytes()


# --------------------------------------------------------------------------------------------- info, doctor


def test_info_of_a_folder_and_of_a_file(har: Path) -> None:
    text = run("info", DEMO)
    assert max(map(len, text.splitlines())) <= 80
    for word in (
        "flows.mitm",
        "events.jsonl",
        "10.0.0.2 (84 flows)",
        "certificate refused",
        "com.example.kirana",
        "Open it",
    ):
        assert word in text
    text = run("info", har)
    assert "2026-11-18 03:00:00 UTC to 2026-11-18 03:00:01 UTC" in text


def test_info_advises_only_what_lintas_can_use(har: Path, tmp_path: Path) -> None:
    text = run("info", DEMO).lower()
    assert "sslkeylog" not in text
    assert "session keys" not in text
    content = json.loads(har.read_text())
    content["log"]["entries"][0]["response"] = {"status": 200, "content": {"size": 4000}}
    (tmp_path / "b.har").write_text(json.dumps(content))
    assert "an export that holds the bodies" in " ".join(run("info", tmp_path / "b.har").split())


def test_info_looks_at_the_beginning_of_a_large_file(tmp_path: Path) -> None:
    place = write_har(tmp_path / "large.har", 700, '{"x":"%s"}' % ("y" * 20_000))
    about = json.loads(run("info", place, "--json"))["files"][0]
    assert about["whole"] is False
    assert 100 < about["exchanges"] < 700
    assert "lintas audit reads all of it" in run("info", place, width=120)


def test_doctor_finds_everything_here() -> None:
    text = run("doctor")
    assert all(line.startswith("ok  ") for line in text.splitlines())


# ---------------------------------------------------------------------------------------------------- show


def first_origin(audit: Path, table: str, text: str = "") -> str:
    made, _ = tables.read(audit)
    return next(o for o in made[table]["origin"].to_pylist() if text in o)


def kinds(audit: Path) -> dict[str, str]:
    """An origin for each layer and chain of decodings that an audit names."""
    made, _ = tables.read(audit)
    found: dict[str, str] = {}
    for table in made.values():
        for text in table["origin"].to_pylist() if "origin" in table.column_names else ():
            origin = Origin.parse(text)
            found.setdefault(f"{origin.layer} {' '.join(s.codec for s in origin.steps)} {len(origin.units)}", text)
    return found


@pytest.mark.parametrize(
    ("sample", "layers"),
    [
        (DEMO, {"http-request-body", "http-request-head", "http-response-body", "line"}),
        (DEMO.parent / "lab", {"websocket", "http-request-body", "file"}),
    ],
    ids=["demo-shop", "lab"],
)
def test_every_kind_of_origin_is_shown(sample: Path, layers: set[str], tmp_path: Path) -> None:
    out = tmp_path / "audit"
    run("audit", sample, "--out", out)
    found = kinds(out)
    assert layers <= {kind.split()[0] for kind in found}
    for origin in found.values():
        told = json.loads(run("show", out, origin, "--json"))
        assert told["length"] == len(bytes.fromhex(told["hex"]))
        assert f"{told['offset']:,} to {told['offset'] + told['length']:,}" in run("show", out, origin)
        raw = RUN.invoke(app, ["show", str(out), origin, "--raw"])
        assert raw.stdout_bytes == bytes.fromhex(told["hex"])


def test_a_moved_capture_is_shown_from_where_it_is_now(har: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("audit", har, "--out", out)
    origin = first_origin(out, "transmissions")
    before = run("show", out, origin)
    assert "sari@example.org" in before
    moved = tmp_path / "elsewhere" / "session.har"
    moved.parent.mkdir()
    har.rename(moved)
    assert "--capture" in run("show", out, origin, code=2)
    for place in (moved, moved.parent):
        assert run("show", out, origin, "--capture", place) == before
    (out / ".capture-path").unlink()
    assert "does not say where its capture lies" in run("show", out, origin, code=2)


def test_a_changed_capture_is_not_shown(har: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("audit", har, "--out", out)
    with har.open("a") as file:
        file.write(" ")
    assert "SHA-256 differs" in run("show", out, first_origin(out, "transmissions"), code=2)


def test_what_is_no_origin_of_this_audit_is_said(demo: Path, har: Path, tmp_path: Path) -> None:
    origin = first_origin(demo, "transmissions")
    out = tmp_path / "out"
    run("audit", har, "--out", out)
    assert "belongs to another audit" in run("show", out, origin, code=2)
    for wrong in ("", "x", "flows.mitm#1", "flows.mitm#999999!http-request-body:0+1", "flows.mitm#0!nonsense:0+1"):
        said = run("show", demo, wrong, code=2)
        assert said.startswith("lintas: "), wrong
        assert said.count("\n") == 1
    assert "belongs to another audit" in run("show", demo, "flows.mitm#0!http-request-head:0+999999999", code=2)


def test_control_characters_of_a_capture_do_nothing_to_a_terminal(tmp_path: Path) -> None:
    place = write_har(tmp_path / "a\x1b[31mb.har", 1, json.dumps({"email": "sari@example.org", "x": "\x1b[2J\x07"}))
    out = tmp_path / "out"
    assert "\x1b" not in run("info", place)
    run("audit", place, "--out", out)
    made, _ = tables.read(out)
    for table in ("transmissions", "messages"):
        for origin in made[table]["origin"].to_pylist():
            assert "\x1b" not in run("show", out, origin)


def test_a_capture_is_not_written_into(tmp_path: Path) -> None:
    copy = tmp_path / "demo"
    shutil.copytree(DEMO, copy)
    (tmp_path / "personas").mkdir()
    shutil.copy(DEMO.parent / "personas" / "jakarta-buyer.yaml", tmp_path / "personas")
    before = sorted(p.name for p in copy.rglob("*"))
    for out in (copy, copy / "audit", copy / "audits" / "x"):
        said = run("audit", copy, "--out", out, code=2)
        assert said.startswith("lintas: "), out
    assert sorted(p.name for p in copy.rglob("*")) == before
