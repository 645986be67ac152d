"""What a capture's front says and hears: lines for a terminal that may be gone, and the signals that end it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lintas.capture.children import Lines
from lintas.terminal import as_typed, printable


class EndedError(BaseException):
    """Somebody ended the capture: ``cause`` is a signal's name, ``key``, or ``proxy``. Like KeyboardInterrupt no
    Exception, so that nobody who handles faults takes it for one."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Signals:
    """Signals that end a capture. The first raises EndedError wherever the front is, until ``queue`` says that they
    shall come as lines; those behind the first always do, so that none breaks into putting things away."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._queued = False

    def queue(self) -> None:
        self._queued = True

    def tell(self, number: int, _: Any) -> None:
        name = signal.Signals(number).name
        if self._queued:
            self._lines.put(("signal", {"name": name}))
            return
        self._queued = True
        raise EndedError(name)


@contextmanager
def signals(lines: Lines) -> Iterator[Signals]:
    """While it lasts, SIGINT, SIGTERM and SIGHUP are told. Who was started with nohup goes on behind its terminal."""
    told = Signals(lines)
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, told.tell)
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(text: str, error: bool = False) -> None:
    """A line, also where the terminal is gone."""
    try:
        print(as_typed(printable(text)), file=sys.stderr if error else sys.stdout, flush=True)
    except (OSError, ValueError):
        mute()


def mute() -> None:
    """Nobody sees what is written any more; the capture is sealed all the same."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
