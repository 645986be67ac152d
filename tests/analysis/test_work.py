"""Twice as much in a file is twice the work, and no more: counted in the lines of ours that run, never in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from mitmproxy.test import tflow

from analysis.audit import AuditOptions, run
from analysis.folder.writing import DUMP, EVENTS, JOURNAL
from analysis.sources.lines import lines
from analysis.sources.mitm_dump import Gap, Record, _Framer
from analysis.sources.octets import Octets
from analysis.sources.packets import exchanges
from analysis.sources.packets.streams import MOST_SEGMENTS, Stream
from tests.packets.reading import pcap_octets
from tests.packets.talk import Talk
from tests.road import ROOT
from tests.sources.made import dump, entry, event_lines, har, json_lines
from tests.sources.test_folder_files import AT, message, opened

OURS = str(ROOT / "analysis")
SMALL = 300


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many lines of ours run within the block, and how often a loop goes round in one."""
    monitoring, count = sys.monitoring, [0]

    def seen(code: CodeType, *_: Any) -> Any:
        if not code.co_filename.startswith(OURS):
            return monitoring.DISABLE
        count[0] += 1
        return None

    monitoring.use_tool_id(monitoring.PROFILER_ID, "work")
    try:
        for event in (monitoring.events.LINE, monitoring.events.JUMP):
            monitoring.register_callback(monitoring.PROFILER_ID, event, seen)
        monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.LINE | monitoring.events.JUMP)
        yield count
    finally:
        monitoring.set_events(monitoring.PROFILER_ID, 0)
        monitoring.free_tool_id(monitoring.PROFILER_ID)


def work(folder: Path, files: dict[str, bytes]) -> int:
    """Audit a folder of those files."""
    folder.mkdir()
    for name, octets in files.items():
        (folder / name).write_bytes(octets)
    with counted() as count:
        run(folder, AuditOptions(workers=1))
    return count[0]


def _flow(number: int, connection: str) -> Any:
    made = tflow.tflow(resp=True)
    made.id, made.client_conn.id = f"f{number}", connection
    return made


def _journal(number: int) -> list[dict[str, Any]]:
    flow = f"f{number}"
    return [
        opened(flow, connection=f"c{number}"),
        message(flow, "sent", 0, b"hello"),
        message(flow, "received", 0, b"y"),
    ]


def _refusal(number: int) -> dict[str, Any]:
    ends = {"client": ["10.0.0.2", 40000 + number % 20000], "server": ["203.0.113.7", 443]}
    return {"type": "refusal", "at": AT + number, "connection": f"c{number}", "sni": f"h{number}.example", **ends}


def _packets(count: int) -> bytes:
    talks = (Talk(sport=20_000 + n).open().say(b"GET / HTTP/1.1\r\nHost: h.example\r\n\r\n") for n in range(count))
    return pcap_octets([packet for talk in talks for packet in talk.packets], 101)


def _lies(count: int) -> bytes:
    """What begins like a record over and over, each claiming to end far behind, where a dictionary could."""
    lie = b"%08d:4:aaaa;" % (16 * count)
    return dump(_flow(0, "c")) + b"99999999999:4:type;" + lie * count + b"}" * (32 * count)


MADE: dict[str, Callable[[int], dict[str, bytes]]] = {
    "a HAR": lambda n: {"a.har": har(*(entry(f"https://h{k}.example/v1?x={k}") for k in range(n)))},
    "a dump": lambda n: {DUMP: dump(*(_flow(k, f"c{k}") for k in range(n)))},
    "a dump of one connection": lambda n: {DUMP: dump(*(_flow(k, "c") for k in range(n)))},
    "a journal": lambda n: {JOURNAL: json_lines(*(line for k in range(n) for line in _journal(k)))},
    "a journal of one flow": lambda n: {
        JOURNAL: json_lines(opened("f"), *(message("f", "sent", k, b"hello") for k in range(n)))
    },
    "a journal beside a dump": lambda n: {
        DUMP: dump(*(_flow(k, f"c{k}") for k in range(n))),
        JOURNAL: json_lines(*(line for k in range(n // 2, 2 * n) for line in _journal(k))),
    },
    "packets": lambda n: {"a.pcap": _packets(n)},
    "events beside a dump": lambda n: {
        DUMP: dump(*(_flow(k, f"c{k}") for k in range(n))),
        EVENTS: event_lines(*(_refusal(k) for k in range(n))),
    },
}


@pytest.mark.parametrize("name", MADE)
def test_work_grows_as_the_file_does(tmp_path: Path, name: str) -> None:
    work(tmp_path / "first", MADE[name](2))
    once, twice = (work(tmp_path / str(n), MADE[name](n)) for n in (SMALL, 2 * SMALL))
    assert once > 5 * SMALL
    assert twice < 2.2 * once


class _Taken(bytearray):
    """Octets that count how many are copied out of them."""

    count = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        if isinstance(place, slice):
            _Taken.count += len(found)
        return found


def test_what_is_looked_at_of_a_damaged_dump_grows_as_it_does(tmp_path: Path) -> None:
    """Beginnings of records that claim to be long are told from records without their octets."""

    def taken(count: int) -> int:
        (tmp_path / DUMP).write_bytes(_lies(count))
        _Taken.count = 0
        with Octets(tmp_path / DUMP) as octets:
            framer = _Framer(octets)
            framer._buffer = _Taken()
            found = list(framer.records())
        assert isinstance(found[0], Record)
        assert isinstance(found[1], Gap)
        return _Taken.count

    once, twice = taken(SMALL), taken(2 * SMALL)
    assert 0 < once < twice < 2.2 * once


def test_a_segment_is_put_in_its_place_without_a_look_at_all_that_wait() -> None:
    """Segments behind holes, more than may wait: those before are given up one by one."""
    taken: list[bytes] = []
    gaps: list[int] = []
    stream = Stream(lambda data, _, __: taken.append(data), gaps.append)
    count = 4 * MOST_SEGMENTS
    with counted() as lines_run:
        for number in range(count):
            stream.feed(0xFFFFFF00 + 2 * number & 0xFFFFFFFF, b"%d" % (number % 10), 1, number, None)
        stream.end()
    assert b"".join(taken) == b"".join(b"%d" % (n % 10) for n in range(count))
    assert gaps == [1] * (count - 1)
    assert lines_run[0] < 60 * count


def test_a_request_is_taken_without_a_look_at_all_that_wait_for_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that nobody answers, in one connection: their octets are counted as they come."""
    asked: list[Any] = []
    held = exchanges._held
    monkeypatch.setattr(exchanges, "_held", lambda pending: asked.append(pending) or held(pending))
    talk, count = Talk().open(), 2 * exchanges.MOST_WAITING
    for _ in range(count):
        talk.say(b"GET / HTTP/1.1\r\nHost: h.example\r\n\r\n")
    work(tmp_path / "capture", {"a.pcap": pcap_octets(talk.packets, 101)})
    assert count <= len(asked) <= 8 * count


def test_blank_lines_are_passed_over_together(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    path.write_bytes(b"\n" * 50_000 + b'{"a":1}\n' + b" \r\n" * 50_000 + b'{"b":2}\n  ')
    with counted() as lines_run:
        given = list(lines(path))
    assert [(line.number, line.value, line.torn) for line in given] == [
        (50_000, {"a": 1}, False),
        (100_001, {"b": 2}, False),
        (100_002, None, True),
    ]
    assert lines_run[0] < 1_000
