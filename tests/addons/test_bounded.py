"""*record* bounds the connections of the proxy that it stands in, and what it is made of."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from addons.bounded.listener import Few, Listener
from addons.bounded.seldom import Seldom
from analysis.folder import descriptors
from tests import loopback
from tests.addons.refusing import BIN, ENVIRONMENT, ROOT
from tests.loopback import NET

HERE = f"{NET}.40"
_PATIENCE = 30.0


@contextlib.contextmanager
def few_files(count: int) -> Iterator[None]:
    """This process may open that many files at most."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def clients(address: tuple[str, int], count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in made:
            one.settimeout(5)
            one.connect(address)
        yield made


def _listening() -> socket.socket:
    inner = socket.create_server((HERE, 0), backlog=50)
    inner.setblocking(False)
    return inner


def test_without_descriptors_whoever_waits_is_turned_away() -> None:
    """And nobody is told of an error, over and over."""
    asked: list[object] = []

    def takes(taken: socket.socket | None) -> bool:
        asked.append(taken)
        return True

    inner = _listening()
    place = inner.getsockname()
    with Listener(inner, takes) as listener, clients(place, 3) as waiting:
        with few_files(200):
            held = []
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.dup(0))
            for _ in range(3):
                with pytest.raises(BlockingIOError):
                    listener.accept()
            for number in held:
                os.close(number)
        assert asked == [None, None, None]
        assert [one.recv(1) for one in waiting] == [b"", b"", b""]
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_whom_nobody_has_room_for_is_turned_away_and_the_next_is_taken() -> None:
    inner = _listening()
    place = inner.getsockname()
    answers = [False, True]
    with Listener(inner, lambda taken: answers.pop(0)) as listener, clients(place, 2) as (first, second):
        with pytest.raises(BlockingIOError):
            listener.accept()
        taken, address = listener.accept()
        with taken:
            assert first.recv(1) == b""
            assert address == second.getsockname()


def test_of_a_few_the_oldest_gives_way_but_those_in_use() -> None:
    times: list[int] = []
    few = Few(4, lambda: times.append(1))
    with contextlib.ExitStack() as stack:
        pairs = [[stack.enter_context(one) for one in socket.socketpair()] for _ in range(7)]
        assert all(few.takes(ours) for ours, _ in pairs[:4])
        few.keep(pairs[0][0])
        assert times == []
        assert few.takes(pairs[4][0])
        assert few.takes(pairs[5][0])
        assert times == [1]
        assert [theirs.recv(1) for _, theirs in pairs[1:3]] == [b"", b""]
        # Who was told to go has not gone yet: there is no room for more.
        assert not few.takes(pairs[6][0])
        pairs[1][0].close()
        assert few.takes(pairs[6][0])
        pairs[0][1].setblocking(False)
        with pytest.raises(BlockingIOError):
            pairs[0][1].recv(1)


def test_lines_that_come_again_are_few_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    seldom, taken = Seldom(), []
    for second in (0, 61):
        now[0] += second
        for number in range(1000):
            record = logging.makeLogRecord({"name": "asyncio", "msg": "accept failed for %d", "args": (number,)})
            if seldom.filter(record):
                taken.append(record.getMessage())
    assert len(taken) == 10
    assert taken[5] == "accept failed for 0 (995 lines like it were left out)"


def test_the_limit_is_raised_as_far_as_the_system_lets_it() -> None:
    program = (
        "import resource; from analysis.folder.descriptors import raise_limit\n"
        "print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    for soft, hard, most in ((256, 1000, 1000), (300, 300, 300), (256, 9000, descriptors.MOST), (9000, 9000, 9000)):
        done = subprocess.run(
            ["sh", "-c", f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$@"', "sh", sys.executable, "-c", program],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == f"{min(most, descriptors.MOST)} ({most}, {hard})"


def test_spare_descriptors_are_there_where_all_others_are_taken(tmp_path: Path) -> None:
    with few_files(200):
        spare = descriptors.Spare(3)
        held = []
        with contextlib.suppress(OSError):
            while True:
                held.append(os.dup(0))
        assert descriptors.lowest_free(200) == 200
        with spare.lent(), (tmp_path / "a").open("w") as one, (tmp_path / "b").open("w") as other:
            assert one.fileno() != other.fileno()
        with pytest.raises(OSError, match="Too many open files"):
            (tmp_path / "c").open("w")
        spare.close()
        for number in held:
            os.close(number)


@pytest.mark.slow
def test_mitmdump_at_128_files_goes_on_and_seals(tmp_path: Path) -> None:
    """300 connections that say nothing, and 60 that asked for something and are kept open."""
    folder, port, log = tmp_path / "capture", loopback.port(HERE), tmp_path / "log"
    server = socket.create_server((HERE, 0), backlog=200)
    command: list[str | Path] = ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh", BIN / "mitmdump", "-q"]
    command += ["-s", ROOT / "addons" / "record.py", "-s", ROOT / "addons" / "opaque.py"]
    for option in (f"lintas_folder={folder}", f"listen_host={HERE}", f"listen_port={port}", f"confdir={tmp_path}"):
        command += ["--set", option]
    with log.open("wb") as file, server:
        process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=file, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + _PATIENCE
            while not _answers(port):
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
            _ask(server, port, "/before")
            with clients((HERE, port), 60) as talking, clients((HERE, port), 300):
                for number, one in enumerate(talking):
                    with contextlib.suppress(OSError):
                        one.sendall(f"CONNECT {HERE}:{server.getsockname()[1]} HTTP/1.1\r\n\r\n{number}".encode())
                time.sleep(2.5)
                _ask(server, port, "/during")
            _ask(server, port, "/after")
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(_PATIENCE) == 0
    assert log.stat().st_size < 4_000, log.read_text()[:2000]
    assert "Traceback" not in log.read_text()
    assert yaml.safe_load((folder / "capture.yaml").read_text())["sealed"]
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    crowds = [e for e in lines if e["type"] in ("lost", "crowded")]
    assert sum(e.get("connections", 0) + e["closed"] for e in crowds) >= 300 - 128
    dump = (folder / "flows.mitm").read_bytes()
    assert all(path in dump for path in (b"/before", b"/during", b"/after"))


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0


def _ask(server: socket.socket, port: int, path: str) -> None:
    """A GET through the proxy to ``server``, which answers it among the connections that others made."""
    own = server.getsockname()[1]
    with socket.create_connection((HERE, port), 15) as client:
        client.sendall(f"GET http://{HERE}:{own}{path} HTTP/1.1\r\nHost: {HERE}:{own}\r\n\r\n".encode())
        with contextlib.ExitStack() as stack:
            server.settimeout(15)
            while True:
                taken = stack.enter_context(server.accept()[0])
                taken.settimeout(0.5)
                with contextlib.suppress(OSError):
                    if path.encode() in taken.recv(65536):
                        break
            taken.sendall(b"HTTP/1.1 204 No Content\r\nDate: Mon, 30 Nov 2026 00:00:00 GMT\r\n\r\n")
            client.settimeout(15)
            assert client.recv(4096).startswith(b"HTTP/1.1 204"), path
