"""Every bad input: exit 2, one line on standard error that says what, where and what to do, and nothing written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from lintas import terminal
from tests.lintas.command import lintas_here, write_har

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def refused(*words: str | Path, cwd: Path) -> str:
    """The one line of a command that was refused; the folder holds what it held before."""
    before = {p: p.stat().st_mtime_ns for p in cwd.rglob("*")}
    done = lintas_here(*words, cwd=cwd)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert re.fullmatch(r"lintas: [^\n]{10,400}\n", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    assert {p: p.stat().st_mtime_ns for p in cwd.rglob("*")} == before
    return done.stderr


def put(name: str, content: bytes | str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    return make


def manifest(text: str) -> Callable[[Path], Path]:
    """A capture folder with that manifest."""

    def make(folder: Path) -> Path:
        (folder / "capture").mkdir()
        write_har(folder / "capture" / "session.har")
        (folder / "capture" / "capture.yaml").write_text(text)
        return folder / "capture"

    return make


def empty_folder(folder: Path) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"


CAPTURES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda f: f / "missing.har", "does not exist"),
    "empty": (put("empty.har", b""), "empty"),
    "folder without captures": (empty_folder, "holds no capture"),
    "folder of notes": (lambda f: put("notes/readme.md", "# notes")(f).parent, "holds no capture"),
    "picture": (put("picture.har", PNG), "PNG"),
    "text": (put("words.txt", "only words\n" * 50), "is no capture"),
    "other JSON": (put("other.json", '{"a": [1, 2, 3]}'), "is no capture"),
    "broken JSON": (put("broken.har", '{"log": '), "is no capture"),
    "noise": (put("noise.bin", bytes(range(256)) * 40), "is no capture"),
    "device": (lambda _: Path("/dev/null"), "regular file"),
    "no YAML": (manifest("format: 1\n  app: [\n"), "line"),
    "another format": (manifest("format: 99\n"), "99"),
    "no mapping": (manifest("- 1\n"), "manifest"),
    "file outside": (manifest("format: 1\nfiles: [{name: ../other.har}]\n"), "outside"),
    "files gone": (manifest("format: 1\nfiles: [{name: gone.har}]\n"), "none of the files"),
    "persona gone": (manifest("format: 1\npersona: gone.yaml\n"), "gone.yaml"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_that_is_none(name: str, tmp_path: Path) -> None:
    make, said = CAPTURES[name]
    place = make(tmp_path)
    assert said in refused("audit", place, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["missing", "empty", "folder without captures", "picture", "text", "another format"])
def test_info_refuses_alike(name: str, tmp_path: Path) -> None:
    make, said = CAPTURES[name]
    assert said in refused("info", make(tmp_path), cwd=tmp_path)


def mmdb(record: dict[str, object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        writer = MMDBWriter(4, "Test", languages=["en"], description="test")
        writer.insert_network(IPSet(["1.1.1.0/24"]), record)
        writer.to_db_file(str(folder / "a.mmdb"))
        return folder / "a.mmdb"

    return make


OPTIONS: dict[str, tuple[str, Callable[[Path], Path] | str, str]] = {
    "persona gone": ("--persona", "gone.yaml", "gone.yaml"),
    "persona no YAML": ("--persona", put("p.yaml", "a: [\n"), "p.yaml"),
    "persona a list": ("--persona", put("p.yaml", "- a\n"), "p.yaml"),
    "persona a picture": ("--persona", put("p.yaml", PNG), "p.yaml"),
    "persona a folder": ("--persona", empty_folder, "nothing"),
    "day": ("--date", "24.11.2026", "24.11.2026"),
    "vantage": ("--vantage", "Jakarta", "Jakarta"),
    "vantage beyond": ("--vantage", "91,0", "91,0"),
    "vantage no number": ("--vantage", "nan,nan", "nan"),
    "vantage line": ("--vantage", "-6,106,ID,wifi", "direct or vpn"),
    "vantage country": ("--vantage", "-6,106,Insulinde", "Insulinde"),
    "zone": ("--timezone", "Mars/Olympus", "Mars/Olympus"),
    "zone path": ("--timezone", "../../etc/passwd", "time zone"),
    "country": ("--user-country", "Insulinde", "Insulinde"),
    "country that is none": ("--user-country", "XX", "XX"),
    "device": ("--device", "my phone", "my phone"),
    "database gone": ("--geo-country", "gone.mmdb", "gone.mmdb"),
    "database text": ("--geo-country", put("a.mmdb", "words"), "a.mmdb"),
    "database of networks": ("--geo-country", mmdb({"asn": 1}), "names no country"),
    "database of countries": ("--geo-asn", mmdb({"country_code": "ID"}), "names no network"),
    "reference gone": ("--reference", "gone", "gone"),
    "reference empty": ("--reference", empty_folder, "no reference data"),
    "reference unfit": ("--reference", lambda f: put("r/operators.yaml", "a: 1\n")(f).parent, "operators.yaml"),
    "study key gone": ("--study-key", "gone.key", "gone.key"),
    "study key short": ("--study-key", put("short.key", "abc"), "16 bytes"),
    "unknown option": ("--nonsense", "x", "--nonsense"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_cannot_be_used(name: str, tmp_path: Path) -> None:
    option, value, said = OPTIONS[name]
    har = write_har(tmp_path / "session.har")
    word = value if isinstance(value, str) else value(tmp_path)
    assert said in refused("audit", har, option, word, cwd=tmp_path)


@pytest.mark.slow
def test_a_folder_that_is_not_for_an_audit(tmp_path: Path) -> None:
    har = write_har(tmp_path / "session.har")
    photos = put("photos/me.jpg", b"x")(tmp_path).parent
    assert "me.jpg" in refused("audit", har, "--out", photos, cwd=tmp_path)
    assert "is a file" in refused("audit", har, "--out", har, cwd=tmp_path)
    assert "'photos'" in refused("audit", har, "--out", tmp_path, cwd=tmp_path)
    assert "is a file" in refused("audit", har, "--out", put("note", "x")(tmp_path), cwd=tmp_path)
    assert "cannot be" in refused("audit", har, "--out", har / "in" / "a" / "file", cwd=tmp_path)
    capture = manifest("format: 1\n")(tmp_path)
    assert "inside the capture" in refused("audit", capture, "--out", capture / "audit", cwd=tmp_path)
    assert "inside the capture" in refused("audit", ".", cwd=capture)


@pytest.mark.slow
def test_what_is_no_audit_has_no_report(tmp_path: Path) -> None:
    nothing = empty_folder(tmp_path)
    for command in (("report", nothing), ("show", nothing, "a.har#0!file:0+1"), ("report", tmp_path / "gone")):
        assert "is no audit" in refused(*command, cwd=tmp_path)
    put("later/audit.json", json.dumps({"format": 99}))(tmp_path)
    assert "format 99" in refused("report", tmp_path / "later", cwd=tmp_path)
    put("broken/audit.json", "{")(tmp_path)
    assert "audit.json" in refused("report", tmp_path / "broken", cwd=tmp_path)
    put("torn/audit.json", json.dumps({"format": 1}))(tmp_path)
    put("torn/sources.parquet", b"PAR1")(tmp_path)
    assert "sources.parquet" in refused("report", tmp_path / "torn", cwd=tmp_path)


@pytest.mark.slow
def test_words_that_make_no_command(tmp_path: Path) -> None:
    for words in (("nonsense",), ("audit",), ("show", "x"), ("audit", "a", "b"), ("--nonsense",)):
        assert "--help" in refused(*words, cwd=tmp_path)


def test_a_defect_is_called_one_without_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    for error, said in (
        (ZeroDivisionError("x"), "a defect of Lintas (ZeroDivisionError)"),
        (MemoryError(), "memory"),
        (OSError(28, "No space left on device", "out"), "No space left on device (out)"),
    ):
        with pytest.raises(SystemExit) as ended, terminal.guarded():
            raise error
        assert ended.value.code == 2
        told = capfd.readouterr().err
        assert said in told
        assert told.count("\n") == 1


def test_a_sentence_of_several_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        terminal.fail("one\n  two\tthree")
    assert capsys.readouterr().err == "lintas: one two three\n"
