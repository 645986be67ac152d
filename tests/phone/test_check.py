"""What ``lintas doctor`` says of adb: it starts nothing, names no phone, and never raises."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lintas.phone.check import adb
from tests.lintas.command import lintas
from tests.phone.device import FakePhone


def test_phones_are_counted_and_not_named(fake: FakePhone) -> None:
    well, text = adb()
    assert well
    assert "phones: 1 usable" in text
    assert fake.serial not in text


def test_a_server_that_does_not_run_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    well, text = adb()
    assert well
    assert "does not run yet" in text
    with socket.socket() as asked:
        assert asked.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("program", ["none", "fails", "no program"])
def test_an_adb_that_does_not_run_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    if program == "fails":
        (tmp_path / program).write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / program).chmod(0o755)
    elif program == "no program":
        (tmp_path / program).write_text("text")
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(tmp_path / program))
    well, text = adb()
    assert not well
    assert "ADBUTILS_ADB_PATH" in text
    assert "\n" not in text


@pytest.mark.slow
@pytest.mark.parametrize("words", [("doctor",), ("phone", "list"), ("phone", "apps")])
def test_a_port_that_is_no_number_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """In a process of its own: the library reads it when it is imported."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "many")
    done = lintas(*words, cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "ADBUTILS_ADB_PATH" in done.stdout + done.stderr
