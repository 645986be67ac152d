"""*phases* in the real programs: by option, by command, by key; and what the audit makes of it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy import exceptions, types
from mitmproxy.test import taddons

from addons.phases import Phases
from analysis.audit import AuditOptions, run
from analysis.folder import PHASES
from tests import loopback
from tests.addons.full import room_for
from tests.addons.refusing import BIN, ENVIRONMENT, ROOT
from tests.addons.watching import HERE, answering, watched


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[taddons.context]:
    """The addon in mitmproxy's own harness, writing to ``capture``."""
    addon = Phases()
    with taddons.context(addon) as context:
        context.configure(addon, lintas_folder=str(tmp_path / "capture"))
        addon.running()
        yield context
        addon.done()


def written(folder: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [(e["type"], e.get("phase") or e["note"]) for e in lines if e["type"] in ("phase", "mark")]


def test_commands_complete_their_words_and_refuse_others(loaded: taddons.context, tmp_path: Path) -> None:
    commands = loaded.master.commands
    kind = commands.parse_partial("lintas.phase log")[0][-1].type
    assert list(types.CommandTypes.get(kind).completion(commands, kind, "")) == list(PHASES)
    commands.execute("lintas.phase login")
    commands.execute("lintas.mark put two books into the basket")
    commands.execute("lintas.mark 'and one more'")
    for wrong in ("lintas.phase logging_in", "lintas.phase", "lintas.mark", "lintas.mark ' '"):
        with pytest.raises(exceptions.CommandError):
            commands.execute(wrong)
    assert written(tmp_path / "capture") == [
        ("phase", "login"),
        ("mark", "put two books into the basket"),
        ("mark", "and one more"),
    ]


def test_the_option_begins_a_phase_each_time_it_is_set(loaded: taddons.context, tmp_path: Path) -> None:
    (addon,) = [a for a in loaded.master.addons.chain if isinstance(a, Phases)]
    for name in ("idle", "browse", "idle"):
        loaded.configure(addon, lintas_phase=name)
    with pytest.raises(exceptions.OptionsError, match="first_launch"):
        loaded.configure(addon, lintas_phase="sleeping")
    assert written(tmp_path / "capture") == [("phase", "idle"), ("phase", "browse"), ("phase", "idle")]


def test_without_a_folder_that_can_be_written_it_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "flows.mitm").write_bytes(b"")
    addon = Phases()
    with taddons.context(addon) as context:
        context.configure(addon, lintas_folder=str(tmp_path))
        addon.running()
        with pytest.raises(exceptions.CommandError, match="No capture folder"):
            addon.mark("x")
        addon.done()
    assert "holds a recording already" in caplog.text


def test_a_disk_that_is_full_is_told_by_whoever_writes(
    loaded: taddons.context, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also without *record*; and once for all addons of a proxy."""
    other = Phases()
    other.running()
    with room_for(10):
        for _ in range(2):
            with pytest.raises(exceptions.CommandError, match="could not be written"):
                other.mark("lost")
    other.done()
    assert caplog.text.count("cannot be written (File too large)") == 1


@pytest.mark.slow
def test_alone_and_without_options_it_passes_traffic_and_says_where_it_writes(tmp_path: Path) -> None:
    with answering() as server, watched(tmp_path, "phases", lintas_folder="", ready="are written to") as proxy:
        assert proxy.get(f"{server}/a") == b"/a"
        assert proxy.stop() == 0
        (folder,) = tmp_path.glob("capture-*")
        assert f"Phases and marks are written to {folder}." in proxy.log
        assert re.search(rf"The folder is sealed; next: \S*lintas audit {re.escape(str(folder))}", proxy.log)
    assert "sealed:" in (folder / "capture.yaml").read_text()


@pytest.mark.slow
def test_a_mark_ends_no_phase_in_the_audit(tmp_path: Path) -> None:
    """mitmweb's command bar; what was sent after the mark still belongs to the phase."""
    with (
        answering() as server,
        watched(
            tmp_path, "record", "phases", program="mitmweb", ready="Phase idle began", lintas_phase="idle"
        ) as proxy,
    ):
        proxy.wait(lambda: "Web server listening" in proxy.log)
        proxy.get(f"{server}/idle")
        assert "error" not in proxy.ask("POST", "/commands/lintas.phase", {"arguments": ["login"]})
        proxy.get(f"{server}/login")
        proxy.ask("POST", "/commands/lintas.mark", {"arguments": ["code", "asked"]})
        proxy.get(f"{server}/code")
        assert "error" in proxy.ask("POST", "/commands/lintas.phase", {"arguments": ["dreaming"]})
        assert proxy.stop() == 0
    made, about = run(proxy.folder, AuditOptions())
    told = dict(zip(made["exchanges"]["path"].to_pylist(), made["exchanges"]["phase"].to_pylist(), strict=True))
    assert told == {"/idle": "idle", "/login": "login", "/code": "login"}
    assert [p["phase"] for p in about["manifest"]["phases"]] == ["idle", "login"]
    assert [m["note"] for m in about["marks"]] == ["code asked"]
    assert "chain_broken" not in made["losses"]["kind"].to_pylist()


@pytest.mark.slow
def test_keys_in_the_console(tmp_path: Path) -> None:
    """In mitmproxy itself, on a terminal: T and the first of the list, N and a text."""
    folder = tmp_path / "capture"
    words = ["--set", f"confdir={tmp_path / 'home'}", "--set", f"lintas_folder={folder}", "--listen-host", HERE]
    command = [str(BIN / "mitmproxy"), "-s", str(ROOT / "addons" / "phases.py"), "-p", str(loopback.port(HERE)), *words]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = ENVIRONMENT | {"TERM": "xterm"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True, cwd=tmp_path
    )
    os.close(theirs)
    screen = bytearray()

    def until(condition: object) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                screen.extend(os.read(ours, 1 << 16))
            if condition() if callable(condition) else condition in screen:
                return
        raise AssertionError(bytes(screen[-2000:]))

    try:
        until(b"lows")
        until(lambda: (folder / "events.jsonl").exists())
        os.write(ours, b"T")
        until(b"first_launch")
        os.write(ours, b"\r")
        until(lambda: written(folder) == [("phase", PHASES[0])])
        os.write(ours, b"N")
        until(b"lintas.mark")
        os.write(ours, b"asked twice\r")
        until(lambda: written(folder)[1:] == [("mark", "asked twice")])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(ours)
