"""Processes that read: one that dies as it answers ends nothing, and what it had is read here."""

from __future__ import annotations

import os
import struct
import sys

import pytest

from analysis.audit import readers
from analysis.audit.memory import Memory
from analysis.audit.readers import Readers
from analysis.read import Detector
from analysis.reference import Reference
from tests.read.messages import JSON, message


def _half_an_answer() -> None:
    """In a worker: write the beginning of an answer, and die."""
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    os.write(frame.f_locals["result_queue"]._writer.fileno(), struct.pack("!i", 1_000_000) + b"x" * 10)
    os._exit(1)


@pytest.mark.slow
@pytest.mark.parametrize("death", [_half_an_answer, os.abort])
def test_a_worker_that_dies_as_it_answers(monkeypatch: pytest.MonkeyPatch, death: object) -> None:
    monkeypatch.setattr(readers, "POOL_FROM", 0)
    monkeypatch.setattr(readers, "_LOOK", 0.2)
    detector = Detector(None, Reference.load())
    pool = Readers(detector, 2, Memory())
    sent = [message(b'{"email": "sari@example.org"}', JSON) for _ in range(3)]
    first = pool.ask(sent)
    assert len(pool.answer(first)) == 3
    assert pool._pool is not None
    pool._pool.submit(death)  # type: ignore[arg-type]
    asked = [pool.ask(sent) for _ in range(4)]
    answers = [pool.answer(one) for one in asked]
    assert [[t.data_type for r in answer for t in r.transmissions] for answer in answers] == [["email"] * 3] * 4
    pool.close()
    assert not any(process.is_alive() for process in pool._processes)
