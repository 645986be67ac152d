"""A proxy's dump beside its journals: what stands in several of them is read once, and none empties another."""

from __future__ import annotations

import base64
import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest

from analysis.audit import AuditOptions, run
from analysis.model import Message
from analysis.sources import Options
from tests.sources.made import Seen, dump, gather, json_lines
from tests.sources.test_folder_files import message, opened
from tests.sources.test_mitm import flow

AT = 1772359200_000000


def said(of: str, index: int, data: bytes, kind: str = "sse", direction: str = "received") -> dict[str, Any]:
    coded = base64.b64encode(data).decode()
    return {
        "flow": of,
        "at": AT,
        "direction": direction,
        "index": index,
        "kind": kind,
        "size": len(data),
        "data": coded,
    }


def read(place: Path, options: dict[str, Any] | None = None, **files: bytes) -> Seen:
    """All that the files of a folder give together, the dump first."""
    names = {name: f"{name}.mitm" if name == "flows" else f"{name}.jsonl" for name in files}
    for name, data in files.items():
        (place / names[name]).write_bytes(data)
    found, whole = dict[Path, Any](), Seen("")
    for name in sorted(files, key=lambda name: name != "flows"):
        beside = tuple((names[n], place / names[n]) for n in files if n != name)
        seen = gather(place / names[name], Options(beside=beside, found=found, **options or {}))
        for row in seen.flows:
            unread = sum(part["bytes"] for part in row["unread"] or ())
            assert row["bytes_out"] + row["bytes_in"] == row["bytes_read"] + unread
        whole.messages += seen.messages
        whole.flows += seen.flows
        whole.losses += seen.losses
    return whole


def events_of(seen: Seen) -> list[tuple[int, bytes]]:
    return sorted((m.index, m.body) for m in seen.messages if m.kind == "sse")


def answer(seen: Seen) -> Message:
    (found,) = (m for m in seen.messages if m.kind == "response")
    return found


EVENTS = [b"data: %d %s\n\n" % (n, b"x" * n) for n in range(40)]


def streamed(body: bytes, events: int, coding: str = "gzip", **more: Any) -> Any:
    made = flow(content=body)
    made.id = "f1"
    made.response.headers["content-encoding"] = coding
    made.response.headers["content-type"] = "text/event-stream"
    made.metadata = {"lintas_response_size": len(body), "lintas_response_events": events, **more}
    return made


def coded(*pieces: bytes) -> bytes:
    made = zlib.compressobj(wbits=31)
    return b"".join(made.compress(piece) + made.flush(zlib.Z_SYNC_FLUSH) for piece in pieces)


@pytest.mark.parametrize("journaled", [1, 20, 39])
def test_the_rest_of_a_coded_stream_is_in_the_dump(tmp_path: Path, journaled: int) -> None:
    """More came of it than the journal takes."""
    lines = json_lines(*(said("f1", n, event) for n, event in enumerate(EVENTS[:journaled])))
    made = streamed(gzip.compress(b"".join(EVENTS)), journaled + 1)
    seen = read(tmp_path, flows=dump(made), messages=lines)
    assert events_of(seen) == list(enumerate(EVENTS))
    assert (answer(seen).size, answer(seen).cut) == (0, False)
    assert not seen.losses
    assert all(m.content_decoded for m in seen.messages if m.kind == "sse" and m.origin.source == "flows.mitm")


def test_what_is_behind_a_coding_that_broke_down_is_the_answers_content(tmp_path: Path) -> None:
    """As it came: nobody can know what it would have been."""
    tail = b"\xff\xfe no gzip, " * 5000
    whole = coded(*EVENTS)
    lines = json_lines(*(said("f1", n, event) for n, event in enumerate(EVENTS[:10])))
    seen = read(tmp_path, flows=dump(streamed(whole + tail, 11)), messages=lines)
    assert events_of(seen) == list(enumerate(EVENTS))
    rest = answer(seen)
    assert tail.endswith(rest.body)
    # zlib may take a few octets for a block's beginning.
    assert len(tail) - len(rest.body) < 10
    assert (rest.size, rest.cut, rest.origin.offset) == (len(rest.body), False, len(whole + tail) - len(rest.body))
    assert not seen.losses


def test_of_what_is_not_kept_of_it_the_octets_are_told(tmp_path: Path) -> None:
    made = streamed(coded(*EVENTS) + b"\xff" * 1000, 11, lintas_response_size=1_000_000)
    lines = json_lines(*(said("f1", n, event) for n, event in enumerate(EVENTS[:10])))
    seen = read(tmp_path, flows=dump(made), messages=lines)
    assert answer(seen).cut
    assert seen.lost == {"body_missing": 1}
    assert seen.losses[0].bytes == 1_000_000 - len(coded(*EVENTS)) - 1000


def test_a_stream_of_which_more_comes_than_is_held(tmp_path: Path) -> None:
    made = streamed(gzip.compress(EVENTS[0] + b"data: " + b"0" * 1_000_000), 2)
    seen = read(tmp_path, {"max_body": 100_000}, flows=dump(made), messages=json_lines(said("f1", 0, EVENTS[0])))
    assert [index for index, _ in events_of(seen)] == [0, 1]
    assert seen.lost == {"body_limit": 1}
    assert seen.losses[0].bytes > 0


def socket_lines(of: str, *texts: bytes) -> list[dict[str, Any]]:
    about = {"flow": of, "at": AT, "type": "flow", "kind": "tcp", "connection": "c9", "server": ["203.0.113.9", 7000]}
    return [about, *(said(of, n, text, "tcp", "sent") for n, text in enumerate(texts))]


def test_two_journals_are_read_once(tmp_path: Path) -> None:
    """A copy of the journal, or one that goes on further, beside the dump of one of its flows."""
    made = streamed(gzip.compress(b"".join(EVENTS)), 3, coding="gzip")
    events = [said("f1", n, event) for n, event in enumerate(EVENTS[:3])]
    progress = {"flow": "f3", "at": AT, "type": "progress", "direction": "received", "bytes": 700}
    lines = [*events, *socket_lines("f2", b"one", b"two"), progress]
    alone = read(tmp_path, flows=dump(made), messages=json_lines(*lines))
    both = read(tmp_path, flows=dump(made), messages=json_lines(*lines), messages2=json_lines(*lines))
    assert [(m.origin, m.size) for m in both.messages] == [(m.origin, m.size) for m in alone.messages]
    assert both.flows == alone.flows
    assert [(loss.kind, loss.count, loss.bytes) for loss in both.losses] == [
        ("flow_repeated", 5, sum(len(event) for event in EVENTS[:3]) + 6)
    ]


def test_a_journal_that_goes_on_where_another_ends(tmp_path: Path) -> None:
    lines = socket_lines("f2", b"one", b"two", b"three")
    seen = read(tmp_path, messages=json_lines(*lines[:2]), messages2=json_lines(*lines))
    assert [(m.origin.source, m.body) for m in seen.messages] == [
        ("messages.jsonl", b"one"),
        ("messages2.jsonl", b"two"),
        ("messages2.jsonl", b"three"),
    ]
    assert [(f["dst"], f["bytes_out"]) for f in seen.flows] == [("203.0.113.9", 3), ("203.0.113.9", 8)]
    assert seen.lost == {"flow_repeated": 1}


@pytest.mark.parametrize("kind", ["tcp", "udp", "websocket"])
def test_messages_of_another_kind_than_their_flow_are_none(tmp_path: Path, kind: str) -> None:
    """They are told, and take nothing from the flow that is in the dump."""
    made = flow(content=b"the answer")
    made.id = "f1"
    line = said("f1", 0, b"hi", kind) | {"size": 2**60}
    seen = read(tmp_path, flows=dump(made), messages=json_lines(line))
    assert [m.body for m in seen.messages] == [b"content", b"the answer"]
    assert seen.flows[0]["bytes_in"] < 1000
    assert seen.lost == {"line_unread": 1}


def test_a_flow_has_messages_of_one_kind(tmp_path: Path) -> None:
    lines = [*socket_lines("f2", b"one", b"two"), said("f2", 0, b"event"), said("f2", 2, b"datagram", "udp", "sent")]
    seen = read(tmp_path, messages=json_lines(*lines))
    assert [(m.kind, m.body) for m in seen.messages] == [("tcp", b"one"), ("tcp", b"two")]
    assert seen.lost == {"line_unread": 2}
    assert [f["bytes_out"] for f in seen.flows] == [6]


@pytest.mark.parametrize("key", ["direction", "kind", "type", "index", "size", "flow"])
@pytest.mark.parametrize("value", [[], ["sent"], {}, {"a": 1}, None, 1e400, -1, True])
def test_a_word_that_is_none_ends_no_audit(tmp_path: Path, key: str, value: Any) -> None:
    lines = [opened("f1"), message("f1", "sent", 0, b"hello"), message("f1", "sent", 1, b"x") | {key: value}]
    (tmp_path / "messages.jsonl").write_bytes(json_lines(*lines))
    made, _ = run(tmp_path, AuditOptions(workers=1))
    assert made["messages"].num_rows >= 1
