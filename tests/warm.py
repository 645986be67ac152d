"""Programs of mitmproxy that begin at once: forked from a process that has imported it already.

What runs is what ``mitmdump`` and ``mitmweb`` run, in a process, a folder and an environment of its own; only the two
or three seconds are spared in which Python reads mitmproxy. One process beside that of the tests, started when it is
first needed, which ends with it, as does everything that it started."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

ROOT = Path(__file__).resolve().parent.parent
_READ = (
    *("mitmproxy.tools.main", "mitmproxy.tools.dump", "mitmproxy.tools.web.master"),
    *("addons.record", "addons.opaque", "addons.phases", "addons.annotate"),
)
"""What is imported before anything is started: the programs, and what the addons that they load import in turn."""
_LARGEST = 1 << 16
"""Octets of an order at most."""


class Process(Protocol):
    """What tests do with a process; :class:`subprocess.Popen` is one."""

    pid: int

    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """A process that was forked, as if it were a child of this one."""

    def __init__(self, line: socket.socket, words: Sequence[str]) -> None:
        self._line, self._words = line, words
        self.returncode: int | None = None
        self.pid = int(line.recv(100))

    def poll(self) -> int | None:
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self._words, timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._line], [], [], timeout)[0]:
            self.returncode = int(self._line.recv(100))
            self._line.close()
        return self.returncode


def start(program: str, words: Sequence[str], cwd: Path, environment: Mapping[str, str], output: BinaryIO) -> Process:
    """``mitmdump`` or ``mitmweb`` with those words; standard output and error go to ``output``."""
    order = json.dumps([program, list(words), str(cwd), dict(environment)]).encode()
    assert len(order) < _LARGEST
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        socket.send_fds(_server(), [order], [theirs.fileno(), output.fileno()])
    return Forked(ours, [program, *words])


@functools.cache
def _server() -> socket.socket:
    """A line to the process that forks; it ends when the line does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return ours


# ------------------------------------------------------------------------------------------------ the other process


def _serve(line: socket.socket) -> str | None:
    """Fork for each that is asked for; in the fork, the program's name. None where nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which end this
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, fds, *_ = socket.recv_fds(line, _LARGEST, 2)
        if not order:
            return None
        if os.fork() == 0:
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            back = socket.socket(fileno=fds[0])
            child = os.fork()
            if child == 0:
                back.close()
                return _become(fds[1], *json.loads(order))
            os.close(fds[1])
            _keep(child, back)
        for number in fds:
            os.close(number)


def _keep(child: int, back: socket.socket) -> None:
    """Stay until it ends and tell how; end it where nobody is told any more."""
    back.send(str(child).encode())
    ending = os.pidfd_open(child)
    if ending not in select.select([back, ending], [], [])[0]:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):
        back.send(str(code).encode())
    os._exit(0)


def _become(output: int, program: str, words: list[str], cwd: str, environment: dict[str, str]) -> str:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    path = Path(sys.executable).with_name(program)
    sys.argv = [str(path), *words]
    sys.path[0] = str(path.parent)
    return program


if __name__ == "__main__":
    for module in _READ:
        importlib.import_module(module)
    gc.freeze()  # what was read is no fork's to tidy up
    if (begun := _serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        sys.exit(getattr(importlib.import_module("mitmproxy.tools.main"), begun)())
