"""``read`` on all that a capture holds: here, or on all cores once there is enough of it."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe, active_children, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from analysis import reading_states
from analysis.audit.memory import Memory
from analysis.budget import Left, own
from analysis.model import Loss, Message, Reading

if TYPE_CHECKING:
    from analysis.read import Detector

POOL_FROM = 6 << 20
"""Octets of bodies from which on all cores read: below, starting them costs more than they save."""
_LOOK = 2.0
"""Seconds after which it is looked whether the processes live, while an answer is awaited."""
_WINDOW = 4
"""Batches in flight for each core."""

_detector: Detector | None = None


def _start_worker(spec: Any, line: Connection) -> None:
    from analysis.read import Detector

    global _detector
    # Ctrl-C in a terminal reaches the workers too, and stays blocked: the parent says what it means.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGHUP})
    threading.Thread(target=_end_with_parent, args=(line,), daemon=True).start()
    _detector = Detector.from_spec(spec)


def _end_with_parent(line: Connection) -> None:
    """End this process when the other end of ``line``, which the parent alone holds, is closed: by the parent, or by
    the system where the parent was killed. Nothing here has anything to put away."""
    with suppress(EOFError, OSError):
        line.recv_bytes()
    os._exit(1)


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


_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Inside, what asks this process to end waits, and processes that are started inherit that it does: ending them is
    for the parent alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    resource_tracker.ensure_running()  # later it would let signals through again
    handlers = {n: signal.signal(n, lambda number, _: came.append(number)) for n in _STOPPING}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            if handler is not None:  # set outside of Python, which cannot set it again
                signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


@dataclass(slots=True)
class Asked:
    """Messages that were handed to the readers: what was known of each, and what is awaited of the rest."""

    messages: list[Message]
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
        self._left = Left()
        self._octets = 0
        self._pool: ProcessPoolExecutor | None = None
        self._line: Connection | None = None
        self._processes: list[BaseProcess] = []

    @property
    def window(self) -> int:
        return self._workers * _WINDOW if self._pool is not None else 0

    def ask(self, messages: list[Message]) -> Asked:
        asked = Asked(messages, [], [], [], Future())
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
        for message, name, known in zip(asked.messages, asked.names, asked.known, strict=True):
            if known is None:
                known = next(new)
                self.memory.keep(name, known)
            self._left.read(message, known.work)
            if not self._left.covers(message, known.work):
                known = self._with(message, max(self._left.units, own(message)))
            elif known.short:
                known = self._again(message, known)
            readings.append(known)
        return readings

    def _again(self, message: Message, first: Reading) -> Reading:
        """A message that its own allowance did not suffice for, read with what the capture has left: here, in the
        order of the messages, so that the number of workers changes nothing."""
        units = self._left.grant(message)
        return self._with(message, units) if units else first

    def _with(self, message: Message, units: int) -> Reading:
        granted = dataclasses.replace(message, allowance=units)
        name, known = self.memory.recall(granted)
        if known is None:
            known = read_messages(self._detector, [granted])[0]
            self.memory.keep(name, known)
        self._left.spend(known.work)
        return known

    def _submit(self, messages: list[Message]) -> Future[list[Reading]]:
        self._octets += sum(len(m.body) for m in messages)
        if self._pool is None and self._workers > 1 and self._octets > POOL_FROM:
            self._start()
        if self._pool is not None and messages:
            try:
                with _signals_wait():  # an idle core may be started now
                    return self._pool.submit(_read_in_worker, messages)
            except (BrokenProcessPool, RuntimeError):
                self._pool = None
                self._workers = 1
        here: Future[list[Reading]] = Future()
        here.set_result(read_messages(self._detector, messages))
        return here

    def _start(self) -> None:
        """The pool with all its processes."""
        with _signals_wait():
            others = {child.pid for child in active_children()}
            theirs, self._line = Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(
                self._workers,
                get_context("spawn"),
                initializer=_start_worker,
                initargs=(self._detector.spec(), theirs),
            )
            for _ in range(self._workers):
                self._pool.submit(_nothing)
            self._processes = [child for child in active_children() if child.pid not in others]

    def _result(self, messages: list[Message], future: Future[list[Reading]]) -> list[Reading]:
        try:
            while not future.done() and self._are_alive():
                wait([future], _LOOK)
            if not future.done():
                # One that died as it answered leaves half an answer, for whose rest the pool would wait for ever.
                wait([future], _LOOK)
                if not future.done():
                    self.close()
            return future.result()
        except (BrokenProcessPool, CancelledError):
            # A worker was killed (memory): what it had is read here, one core, nothing lost.
            self._pool = None
            self._workers = 1
            return read_messages(self._detector, messages)

    def _are_alive(self) -> bool:
        return all(process.is_alive() for process in self._processes)

    def close(self) -> None:
        """End the processes, whatever they do: they have nothing to put away. What was asked and not yet answered is
        cancelled."""
        for process in self._processes:
            process.kill()
        if self._pool is not None:
            with suppress(AttributeError, OSError):
                # The pool's thread waits for answers until the last writer is gone, and its own writer is one.
                self._pool._result_queue._writer.close()  # type: ignore[attr-defined]  # noqa: SLF001
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        if self._line is not None:
            self._line.close()
