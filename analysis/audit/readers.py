"""``read`` on all that a capture holds: here, or on all cores once there is enough of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from typing import TYPE_CHECKING, Any

from analysis import reading_states
from analysis.audit.memory import Memory
from analysis.model import Loss, Message, Reading

if TYPE_CHECKING:
    from analysis.read import Detector

POOL_FROM = 6 << 20
"""Octets of bodies from which on all cores read: below, starting them costs more than they save."""
_WINDOW = 4
"""Batches in flight for each core."""

_detector: Detector | None = None


def _start_worker(spec: Any) -> None:
    from analysis.read import Detector

    global _detector
    _detector = Detector.from_spec(spec)


def _nothing() -> None:
    """Work that starts a process."""


def _read_in_worker(messages: list[Message]) -> list[Reading]:
    assert _detector is not None
    return read_messages(_detector, messages)


def read_messages(detector: Detector, messages: Iterable[Message]) -> list[Reading]:
    """``read`` on each message. A message that breaks the reader is a counted loss and not the audit's end."""
    readings = []
    for message in messages:
        try:
            reading = detector.read(message)
        except Exception as error:
            state = reading_states.NOT_UNDERSTOOD if message.size or message.body else reading_states.EMPTY
            reading = Reading(message.key, state, message.size, "reader_failed")
            where = f"{type(error).__name__} while a {message.kind} was read"
            reading.losses.append(Loss(message.key.source, "reader_failed", 1, len(message.body), where))
        readings.append(reading)
    return readings


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Inside, Ctrl-C waits, and processes that are started inherit that it does for good: it is for the parent, which
    ends them. One that came in the middle of a start would leave a process behind that nobody ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    resource_tracker.ensure_running()  # later it would let signals through again
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


@dataclass(slots=True)
class Asked:
    """Messages that were handed to the readers: what was known of each, and what is awaited of the rest."""

    names: list[bytes]
    known: list[Reading | None]
    new: list[Message]
    future: Future[list[Reading]]


class Readers:
    """Reads messages here, or, once there is enough to read, on all cores. Answers come in the order asked. What
    ``memory`` knows is not read again."""

    def __init__(self, detector: Detector, workers: int | None, memory: Memory) -> None:
        self._detector = detector
        self.memory = memory
        self._workers = workers or os.cpu_count() or 1
        self._octets = 0
        self._pool: ProcessPoolExecutor | None = None

    @property
    def window(self) -> int:
        return self._workers * _WINDOW if self._pool is not None else 0

    def ask(self, messages: list[Message]) -> Asked:
        asked = Asked([], [], [], Future())
        for message in messages:
            name, known = self.memory.recall(message)
            asked.names.append(name)
            asked.known.append(known)
            if known is None:
                asked.new.append(message)
        asked.future = self._submit(asked.new)
        return asked

    def answer(self, asked: Asked) -> list[Reading]:
        new = iter(self._result(asked.new, asked.future))
        readings = []
        for name, known in zip(asked.names, asked.known, strict=True):
            if known is None:
                known = next(new)
                self.memory.keep(name, known)
            readings.append(known)
        return readings

    def _submit(self, messages: list[Message]) -> Future[list[Reading]]:
        self._octets += sum(len(m.body) for m in messages)
        if self._pool is None and self._workers > 1 and self._octets > POOL_FROM:
            self._start()
        if self._pool is not None and messages:
            try:
                with _ctrl_c_waits():  # an idle core may be started now
                    return self._pool.submit(_read_in_worker, messages)
            except (BrokenProcessPool, RuntimeError):
                self._pool = None
                self._workers = 1
        here: Future[list[Reading]] = Future()
        here.set_result(read_messages(self._detector, messages))
        return here

    def _start(self) -> None:
        """The pool with all its processes."""
        with _ctrl_c_waits():
            self._pool = ProcessPoolExecutor(
                self._workers,
                get_context("spawn"),
                initializer=_start_worker,
                initargs=(self._detector.spec(),),
            )
            for _ in range(self._workers):
                self._pool.submit(_nothing)

    def _result(self, messages: list[Message], future: Future[list[Reading]]) -> list[Reading]:
        try:
            return future.result()
        except BrokenProcessPool:
            # A worker was killed (memory): what it had is read here, one core, nothing lost.
            self._pool = None
            self._workers = 1
            return read_messages(self._detector, messages)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
