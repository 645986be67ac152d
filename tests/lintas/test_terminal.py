"""What a capture brings along reaches the terminal as letters: it neither steers it nor hides anything on it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from addons.shared import logger_of
from analysis.model import printable
from lintas import terminal
from tests.lintas.command import lintas
from tests.sources.made import entry, event_lines, har

STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202emoc\u200b\u2066\u061c\u3164\ufeff"
"""Escape sequences of C0 and C1, a turn of direction, and letters that show nothing."""


def steers(text: str) -> list[str]:
    """What of a text would steer a terminal, or show nothing on it."""
    return [f"{ord(c):#x}" for c in text if c != "\n" and (not c.isprintable() or c == "\u3164")]


@given(st.text())
def test_printable_law(text: str) -> None:
    """All that is printed shows, on one line; what shows already stays; and it is done once for good."""
    made = printable(text)
    assert steers(made) == []
    assert "\n" not in made
    assert printable(made) == made
    made.encode()


def _capture(folder: Path, extra: dict[str, object]) -> Path:
    capture = folder / "capture"
    capture.mkdir()
    app = {"id": f"com.{STEERING}", "name": STEERING}
    (capture / "capture.yaml").write_text(yaml.safe_dump({"format": 1, "app": app, **extra}), encoding="utf-8")
    hosts = [f"h.example/{STEERING}?email=sari%40mail.example", f"{STEERING}.example/"]
    (capture / f"a{STEERING}.har").write_bytes(har(*(entry(f"https://{h}") for h in hosts), creator=STEERING))
    (capture / f"b{STEERING}.har").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    (capture / "events.jsonl").write_bytes(
        event_lines({"type": "phase", "at": 1_780_000_000_000_000, "phase": STEERING})
    )
    return capture


@pytest.mark.slow
@pytest.mark.parametrize("words", [("audit",), ("audit", "--json"), ("info",), ("info", "--json")])
def test_no_name_of_a_capture_steers_the_terminal(tmp_path: Path, words: tuple[str, ...]) -> None:
    capture = _capture(tmp_path, {})
    out = ("--out", tmp_path / f"out{STEERING}") if words[0] == "audit" else ()
    done = lintas(*words, capture, *out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert steers(done.stdout + done.stderr) == []
    if "--json" in words:
        json.loads(done.stdout)


@pytest.mark.slow
def test_what_is_refused_is_told_in_letters(tmp_path: Path) -> None:
    capture = _capture(tmp_path, {f"key{STEERING}": 1})
    for words in (
        ("audit", capture),
        ("info", capture),
        ("audit", tmp_path / STEERING),
        ("show", tmp_path / STEERING, "x"),
    ):
        done = lintas(*words, cwd=tmp_path)
        # A key that a manifest does not have is a counted loss; the others are refused.
        assert done.returncode == (0 if words[1] == capture else 2)
        assert done.returncode == 0 or done.stderr.startswith("lintas: ")
        assert steers(done.stdout + done.stderr) == []


def test_json_says_the_same_without_steering(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": [STEERING, "münchen", "\U000e0041"], STEERING: "\ud800"}
    terminal.emit(value)
    text = capsys.readouterr().out
    assert [c for c in text if c != "\n" and not c.isprintable()] == []
    assert "münchen" in text
    assert json.loads(text) == value


def test_lines_of_the_addons_log_are_letters(caplog: pytest.LogCaptureFixture) -> None:
    logger = logger_of("addons.some")
    with caplog.at_level(logging.WARNING):
        logger.warning("the folder %s", f"/tmp/{STEERING}")
        logger.warning(f"{STEERING} 100%")
    assert len(caplog.messages) == 2
    assert steers("".join(caplog.messages)) == []
