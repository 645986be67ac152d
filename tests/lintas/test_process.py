"""The command as a process: Ctrl-C, a terminal, a reader that goes away, and what it loads."""

from __future__ import annotations

import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from lintas import cli
from lintas.terminal import Progress
from tests.lintas.command import LINTAS, environment, lintas, write_har
from tests.road import DEMO


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HAR that takes some seconds to read."""
    body = json.dumps({"events": [{"email": "sari@example.org", "n": n, "text": "x" * 200} for n in range(20)]})
    return write_har(tmp_path_factory.mktemp("large") / "large.har", 8_000, body)


# ---------------------------------------------------------------------------------------------- stopped


@pytest.mark.slow
@pytest.mark.parametrize("after", ["hashing", "reading"])
def test_ctrl_c_ends_with_130_and_leaves_no_audit(large: Path, tmp_path: Path, after: str) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [LINTAS, "audit", large, "--out", out],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        _wait_until(process, large, 1 if after == "hashing" else 2)
        # As a terminal does it: to the whole group, the workers too.
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 130, said
    assert said == ("", "lintas: stopped; what was not finished is not kept.\n")
    assert not (out / "audit.json").exists()
    # The next audit there is not refused.
    small = write_har(tmp_path / "small.har")
    assert lintas("audit", small, "--out", out, cwd=tmp_path).returncode == 0


def _wait_until(process: subprocess.Popen[str], file: Path, opened: int) -> None:
    """Until the process has the capture open (1), or has gone through all of it once and is at it again (2)."""
    deadline = time.monotonic() + 60
    reached = False
    while time.monotonic() < deadline and process.poll() is None:
        offset = _offset(process.pid, file)
        reached = reached or offset is not None
        if offset is not None and opened == 1:
            return
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if opened == 2 and children.exists() and len(children.read_text().split()) > 1:
            return
        time.sleep(0.01)
    raise AssertionError(f"the capture was never open, or it ended before: {process.poll()}")


def _offset(pid: int, file: Path) -> int | None:
    try:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            if fd.resolve() == file.resolve():
                return int((Path(f"/proc/{pid}/fdinfo") / fd.name).read_text().split()[1])
    except (OSError, ValueError):
        return None
    return None


@pytest.mark.slow
def test_a_second_audit_that_is_stopped_leaves_the_first(large: Path, tmp_path: Path) -> None:
    """What is in the folder is touched only once the capture could be read."""
    out = tmp_path / "out"
    assert lintas("audit", write_har(tmp_path / "small.har"), "--out", out, cwd=tmp_path).returncode == 0
    before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    process = subprocess.Popen([LINTAS, "audit", large, "--out", out], env=environment(), stderr=subprocess.DEVNULL)
    try:
        _wait_until(process, large, 1)  # type: ignore[arg-type]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        if process.poll() is None:
            process.kill()
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_audit_alone_ends_its_workers_too(large: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [LINTAS, "audit", large, "--out", out], env=environment(), stderr=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stderr is not None
    try:
        _wait_until(process, large, 2)
        workers = _children(process.pid)
        assert len(workers) > 1
        process.send_signal(number)
        error = process.stderr.read()  # to its end: no worker holds it open
        code = process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
    if number == signal.SIGKILL:
        assert code == -number
    else:
        assert code == 128 + number
        assert error == "lintas: stopped; what was not finished is not kept.\n"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(_is_running, workers)):
        time.sleep(0.05)
    assert not any(map(_is_running, workers))
    assert not (out / "audit.json").exists()


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# ---------------------------------------------------------------------------------- full disk, closed output


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))


@pytest.mark.slow
@pytest.mark.parametrize("existing", [True, False])
def test_an_audit_that_cannot_be_written_leaves_what_was_there(tmp_path: Path, existing: bool) -> None:
    """A limit on the size of files fails as a full disk does: in the middle of a table or of the report."""
    out, har = tmp_path / "out", write_har(tmp_path / "small.har")
    before = {}
    if existing:
        assert lintas("audit", har, "--out", out, cwd=tmp_path).returncode == 0
        before = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    words = [LINTAS, "audit", har, "--out", out]
    done = subprocess.run(
        words, env=environment(), capture_output=True, encoding="utf-8", check=False, preexec_fn=_small_files
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr
    assert ".new-" not in done.stderr
    after = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} if out.exists() else {}
    assert after == before
    assert not list(out.glob(".new-*"))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["audit", "info", "doctor", "persona new"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-", ">/dev/full", "2>/dev/full"])
def test_closed_or_full_output_ends_with_a_documented_code(tmp_path: Path, command: str, closed: str) -> None:
    har = write_har(tmp_path / "small.har")
    words = {"audit": f"audit {har} --out out", "info": f"info {har}", "persona new": "persona new me.yaml"}
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {LINTAS} {words.get(command, command)} {closed}"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode in (0, 2), done
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr
    if command == "audit":
        assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("megabytes", [250, 400, 548])
def test_too_little_memory_is_one_sentence_and_a_documented_code(tmp_path: Path, megabytes: int) -> None:
    """Whoever needs it first: the loader of a library, a thread, Python, or a library that would end the process."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    words = [LINTAS, "audit", DEMO, "--out", tmp_path / "out"]
    done = subprocess.run(
        words, env=environment(), capture_output=True, encoding="utf-8", check=False, preexec_fn=limit, timeout=120
    )
    if done.returncode == 0:
        assert done.stderr == ""
        return
    assert done.returncode == 2, done
    assert done.stderr.startswith("lintas: there is not enough memory for this;")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.slow
def test_an_audit_needs_less_than_a_gigabyte(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))

    words = [LINTAS, "audit", DEMO, "--out", tmp_path / "out"]
    done = subprocess.run(
        words, env=environment(), capture_output=True, encoding="utf-8", check=False, preexec_fn=limit, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


# ------------------------------------------------------------------------------------------------ progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    return Clock()  # type: ignore[return-value]


def told(clock: Clock, monkeypatch: pytest.MonkeyPatch, *steps: tuple[float, str, int, int], terminal: bool) -> str:
    class Screen:
        text = ""

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            pass

        def isatty(self) -> bool:
            return terminal

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress(clock)
    for at, *step in steps:
        clock.now = at
        progress(*step)  # type: ignore[arg-type]
    progress.__exit__(None, None, None)
    return screen.text


def test_progress_has_share_rate_and_what_remains(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = ((0.5, "hash", 50, 100), (1.0, "read", 0, 10_000_000), (3.0, "read", 2_000_000, 10_000_000))
    assert told(clock, monkeypatch, *steps, terminal=True) == ("\r\x1b[2KReading  20%  1.0 MB/s  8 s left\r\x1b[2K")


def test_no_progress_within_two_seconds_or_without_a_terminal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = ((0.5, "hash", 50, 100), (1.9, "read", 50, 100))
    assert told(clock, monkeypatch, *quick, terminal=True) == ""
    slow = ((1.0, "hash", 50, 100), (50.0, "read", 50, 100))
    assert told(Clock(), monkeypatch, *slow, terminal=False) == ""


def test_progress_is_drawn_a_few_times_a_second(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = tuple((2.0 + n / 1000, "read", n, 1000) for n in range(1000))
    assert 3 <= told(clock, monkeypatch, *steps, terminal=True).count("\r") <= 7


def on_a_terminal(*words: str | Path, cwd: Path) -> tuple[int, str, str]:
    """Exit code, what standard error drew on a terminal, and standard output."""
    main, side = pty.openpty()
    process = subprocess.Popen([LINTAS, *words], cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=side)
    os.close(side)
    drawn = b""
    while True:
        ready, _, _ = select.select([main], [], [], 0.1)
        if ready:
            try:
                piece = os.read(main, 4096)
            except OSError:
                break
            if not piece:
                break
            drawn += piece
    os.close(main)
    out, _ = process.communicate(timeout=60)
    return process.returncode, drawn.decode(), out.decode()


@pytest.mark.slow
def test_a_terminal_sees_progress_of_long_work_only_and_none_of_it_stays(large: Path, tmp_path: Path) -> None:
    code, drawn, out = on_a_terminal("audit", large, "--out", tmp_path / "out", cwd=tmp_path)
    assert code == 0
    assert "MB/s" in drawn
    assert "left" in drawn
    assert drawn.endswith("\r\x1b[2K")
    assert "MB/s" not in out
    code, drawn, _ = on_a_terminal("info", large, cwd=tmp_path)
    assert (code, drawn) == (0, "")


# ------------------------------------------------------------------------------------------------- readers


@pytest.mark.slow
@pytest.mark.parametrize("command", ["info", "info --json", "doctor", "doctor --json"])
def test_a_reader_that_goes_away_is_no_error(command: str, tmp_path: Path) -> None:
    words = command.split() + ([str(DEMO)] if command.startswith("info") else [])
    process = subprocess.Popen(
        [LINTAS, *words], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), said) == (0, b"")


# ------------------------------------------------------------------------------------------------- modules

HEAVY = ("scapy", "mitmproxy", "pandas", "hyperscan", "dask", "pyproj", "playwright")


def loaded(code: str, cwd: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"],
        cwd=cwd,
        env=environment(PYTHONPATH=str(DEMO.parent.parent)),
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.slow
def test_an_audit_of_a_har_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    write_har(tmp_path / "session.har")
    code = "from lintas.cli import app\napp(['audit', 'session.har', '--out', 'out'], standalone_mode=False)"
    found = loaded(code, tmp_path)
    assert "pyarrow" in found
    assert found & set(HEAVY) == set()


def test_help_loads_next_to_nothing(tmp_path: Path) -> None:
    found = loaded("import lintas.cli", tmp_path)
    assert found & {*HEAVY, "pyarrow", "numpy", "yaml", "msgspec", "jinja2", "babel"} == set()


def test_a_command_is_prepared_alone_and_as_among_all() -> None:
    commands = get_command(cli.app).commands
    assert {"audit", "phone", "persona"} <= commands.keys()
    for name, command in commands.items():
        alone = get_command(cli._begun([name])).commands
        assert alone.keys() == {name}
        assert [p.opts for p in alone[name].params] == [p.opts for p in command.params]
    assert cli._begun(["--help"]) is cli._begun(["audi"]) is cli._begun([]) is cli.app


def test_module_can_be_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lintas.cli", "--version"],
        cwd=DEMO.parent.parent,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("lintas ")
