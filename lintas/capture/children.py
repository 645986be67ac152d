"""The two programs that a capture starts, and the lines of JSON that go to and fro.

Each is in a session of its own, so that Ctrl-C and a closed terminal reach the front alone, which then ends them in
order. Their lines come by a queue; nothing here waits for them.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from analysis.folder.programs import FOLLOW, start

Lines = queue.SimpleQueue[tuple[str, dict[str, Any]]]
"""Who says it and what: a line of a program, or ``{"type": "gone", "code": …, "how": …, "text": …}`` at its
end: ``how`` it ended, and its last words."""


class Child:
    """A program that writes lines of JSON.

    ``name`` is what its lines are called in the queue; ``command``: its module and words; ``log`` takes its standard
    error."""

    def __init__(self, name: str, command: list[str], lines: Lines, log: Path) -> None:
        self.name = name
        self._lines = lines
        self._last_words = ""
        self._is_left = self._is_read = False
        self._saying = threading.Lock()
        self._process = start(*command, stdin=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._log = os.fdopen(number, "wb")
        self._errors = self._thread(self._read_errors, self._process.stderr)
        self._reader = self._thread(self._read, self._process.stdout)

    def _thread(self, work: Callable[[IO[bytes]], None], stream: IO[bytes]) -> threading.Thread:
        thread = threading.Thread(target=work, args=(stream,), name=self.name, daemon=True)
        thread.start()
        return thread

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def is_read(self) -> bool:
        """Whether all that it said is in the queue."""
        return self._is_read

    def how(self) -> str:
        """How it ended, in a few words."""
        code = self._process.poll()
        if code is None:
            return "it did not end"
        try:
            return f"ended by {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        except ValueError:
            return f"code {code}"

    def leave(self) -> None:
        """It goes on by itself: ``stop`` ends it no more."""
        self._is_left = True

    def say(self, **line: Any) -> None:
        """A line for the program; without effect where it has ended. May be called from any thread."""
        assert self._process.stdin is not None
        with self._saying, suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """Close its standard input, which ends the proxy and seals the folder."""
        assert self._process.stdin is not None
        with self._saying, suppress(OSError, ValueError):
            self._process.stdin.close()

    def wait(self, seconds: float) -> bool:
        """Whether it ended in that time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, seconds: float = 5.0) -> None:
        """End it: by asking, and where that does not help, at once."""
        if self._is_left:
            return
        self.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.is_alive():
                return
            with suppress(OSError):
                self._process.send_signal(number)
            if self.wait(seconds):
                return

    def _read(self, stream: IO[bytes]) -> None:
        for raw in stream:
            with suppress(ValueError):
                value = json.loads(raw)
                # Comments on flows are for a list of flows, which the front has not.
                if isinstance(value, dict) and value.get("type") != "comment":
                    self._lines.put((self.name, value))
        code = self._process.wait()
        self._errors.join(2)
        said = {"type": "gone", "code": code, "how": self.how(), "text": self._last_words or self.how()}
        self._lines.put((self.name, said))
        self._is_read = True

    def _read_errors(self, stream: IO[bytes]) -> None:
        for raw in stream:
            self._last_words = raw.decode(errors="replace").strip()[:500] or self._last_words
            with suppress(OSError):
                self._log.write(raw)
                self._log.flush()
        self._log.close()


def proxy(
    folder: Path, modes: list[str], allow: list[str], certificate_at: tuple[str, int], options: list[str], lines: Lines
) -> Child:
    """Start ``lintas.capture.proxy``."""
    command = ["lintas.capture.proxy", "--folder", str(folder), "--proof"]
    for mode in modes:
        command += ["--mode", mode]
    for network in allow:
        command += ["--allow", network]
    host, port = certificate_at
    command += ["--certificate-at", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    for option in options:
        command += ["--set", option]
    return Child("proxy", command, lines, folder / ".private" / "proxy.log")


def follower(folder: Path, lines: Lines) -> Child:
    """Start ``analysis.follow``."""
    return Child("follower", [FOLLOW, str(folder)], lines, folder / ".private" / "follower.log")
