"""One budget for a capture: many small bombs share it; what it gives hangs on the messages and their order alone."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import itertools
import json
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis import budget
from analysis.audit import AuditOptions, audit
from analysis.audit.memory import Memory
from analysis.audit.readers import Readers
from analysis.follow.memory import Remembering
from analysis.model import Key, Message, Reading
from analysis.read import Detector
from analysis.reference import Reference
from analysis.sources import Options, saz
from tests.read.messages import JSON, message

GZIP = ("Content-Encoding", "gzip")


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(None, Reference.load([]))


def capture(*bodies: bytes) -> list[Message]:
    made = (message(body, (*JSON, GZIP)) for body in bodies)
    return [dataclasses.replace(m, key=Key("capture.har", n)) for n, m in enumerate(made)]


def read(detector: Detector, messages: list[Message], each: int, memory: Memory | None = None) -> list[Reading]:
    readers = Readers(detector, 1, memory or Memory())
    batches = (list(b) for b in itertools.batched(messages, each))
    return [reading for batch in batches for reading in readers.answer(readers.ask(batch))]


def repeats(size: int) -> bytes:
    return gzip.compress(json.dumps({"a": "word " * (size // 5)}).encode(), 9)


def numbers(count: int) -> bytes:
    return gzip.compress(json.dumps([1] * count).encode(), 9)


@pytest.mark.parametrize("body", [repeats(4_000_000), numbers(300_000)], ids=["octets", "leaves"])
def test_many_small_bombs_share_one_budget(detector: Detector, body: bytes) -> None:
    messages = capture(*[body] * 40)
    readings = read(detector, messages, 40)
    # The first reading, with each message's own allowance, stands beside the second.
    most = budget.ONCE + 4 * sum(budget.own(m) for m in messages)
    assert sum(r.work for r in readings) <= most
    states = [r.state for r in readings]
    assert states[0] == "understood"
    assert states[-1] == "not_understood"
    limited = [r for r in readings if r.state == "not_understood"]
    assert all("body_limited" in {loss.kind for loss in r.losses} for r in limited)
    assert all(r.not_understood == len(body) for r in limited)


@pytest.mark.parametrize("each", [1, 7])
def test_batches_change_nothing(detector: Detector, each: int) -> None:
    bodies = [repeats(1_000_000 * n) for n in range(1, 8)] + [numbers(50_000 * n) for n in range(1, 6)]
    messages = capture(*bodies * 2)
    assert read(detector, messages, each) == read(detector, messages, len(messages))


def test_a_follower_reads_what_an_audit_reads(detector: Detector) -> None:
    messages = capture(*[repeats(3_000_000), numbers(200_000), gzip.compress(b'{"a":1}')] * 5)
    memory = Remembering()
    memory.begin(detector.spec())
    for reached in (3, 8, len(messages)):
        looked = read(detector, messages[:reached], 4, memory)
        assert looked == read(detector, messages[:reached], 15)


def test_what_plain_messages_do_not_need_is_left_to_those_behind(detector: Detector) -> None:
    plain = dataclasses.replace(message(b'{"a":"' + b"x" * 1_000_000 + b'"}', JSON), key=Key("capture.har", 0))
    bombs = capture(*[repeats(7_000_000)] * 5)
    alone = [r.state for r in read(detector, bombs, 5)]
    behind = [r.state for r in read(detector, [plain, *bombs], 6)][1:]
    assert alone.count("understood") < behind.count("understood") == 5


def test_honest_telemetry_stays_within_its_own(detector: Detector) -> None:
    rows = [{"event": f"view{n % 40}", "at": 1_700_000_000_000 + n * 977, "ms": n * 7919 % 10_007} for n in range(400)]
    messages = capture(*[gzip.compress(json.dumps(rows).encode())] * 50)
    readings = [detector.read(m) for m in messages]
    assert not any(r.short for r in readings)
    assert {r.state for r in readings} == {"understood"}


def test_values_beyond_the_budget_are_counted_and_no_type_is_passed_over(detector: Detector) -> None:
    mails = [f"someone{n}@mail.example" for n in range(60_000)]
    body = json.dumps({"list": mails, "advertising_id": "38400000-8cf0-11bd-b23e-10b96e40000d"}).encode()
    one = dataclasses.replace(message(body, JSON), key=Key("capture.har", 0))
    (reading,) = read(detector, [one], 1)
    kinds = {t.data_type for t in reading.transmissions}
    assert {"email", "advertising_id"} <= kinds
    (lost,) = [loss for loss in reading.losses if loss.kind == "transmissions_limited"]
    assert lost.count + len(reading.transmissions) == 60_001
    assert budget.VALUE * len(reading.transmissions) <= budget.ONCE + budget.own(one)


def test_what_is_packed_in_an_archive_has_an_allowance_by_what_it_takes_there(tmp_path: Path) -> None:
    body = b"[" + b"1," * 50_000 + b"1]"
    head = b"POST http://h.example/ HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"
    path = tmp_path / "a.saz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("raw/1_c.txt", head + body)
        archive.writestr("raw/2_c.txt", head + b'{"a":1}')
    (batch,) = saz.read(path, "a.saz", Options())
    bomb, plain = batch.messages
    assert budget.own(bomb) < budget.EACH * len(bomb.body) / 10
    assert budget.own(plain) == budget.own(dataclasses.replace(plain, allowance=None))


def test_the_tables_of_an_audit_are_the_same_in_any_batches(tmp_path: Path) -> None:
    entries = []
    for n in range(16):
        text = base64.b64encode(repeats(2_000_000)).decode()
        entries.append(
            {
                "startedDateTime": f"2026-03-01T10:00:{n:02}Z",
                "time": 1,
                "request": {
                    "method": "POST",
                    "url": "http://192.0.2.7/",
                    "httpVersion": "HTTP/1.1",
                    "headers": [{"name": n, "value": v} for n, v in (*JSON, GZIP)],
                    "bodySize": -1,
                    "postData": {"mimeType": "application/json", "text": text, "encoding": "base64"},
                },
                "response": {"status": 200, "httpVersion": "HTTP/1.1", "headers": [], "content": {}},
                "serverIPAddress": "192.0.2.7",
            }
        )
    path = tmp_path / "a.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": entries}}))
    outs = []
    for name, options in (("all", {}), ("one", {"batch": 1}), ("seven", {"batch": 7}), ("two", {"workers": 2})):
        out = tmp_path / name
        audit(path, out, AuditOptions(**options))
        outs.append({p.name: p.read_bytes() for p in sorted(out.glob("*.parquet"))})
    assert all(out == outs[0] for out in outs)
    losses = pq.read_table(tmp_path / "all" / "losses.parquet").to_pylist()
    assert "body_limited" in {loss["kind"] for loss in losses}
