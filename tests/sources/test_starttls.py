"""A TCP flow that begins in the clear and goes on as TLS that nobody opened: however its octets are cut into messages,
and whichever of dump and journal holds them, each counts once, and what was in the clear is read."""

from __future__ import annotations

import base64
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import tcp
from mitmproxy.test import tflow

from addons.record import Record
from analysis.folder.ciphertext import StartTls
from analysis.sources import Options
from tests.addons.refusing import client_hello
from tests.sources.made import Seen, check_laws, dump, gather, json_lines

HELLO = client_hello("app.test")
CLEAR = [
    (False, b"220 mail.test ESMTP\r\n"),
    (True, b"EHLO phone\r\n"),
    (False, b"250-mail.test\r\n250 STARTTLS\r\n"),
    (True, b"STARTTLS\r\n"),
    (False, b"220 go ahead\r\n"),
]
SEALED = [
    (True, HELLO),
    (False, b"\x16\x03\x03\x00\x7a\x02" + bytes(121) + b"\x17\x03\x03\x04\x00" + bytes(range(256)) * 4),
    (True, b"\x17\x03\x03\x02\x00" + bytes(range(256)) * 2),
    (False, b"\x17\x03\x03\x00\x20" + b"\x9c" * 32),
]
TALK = [*CLEAR, *SEALED]
Pieces = list[tuple[bool, bytes]]


def octets(pieces: Pieces, from_client: bool | None = None) -> int:
    return sum(len(data) for who, data in pieces if from_client in (None, who))


def said(pieces: Pieces, from_client: bool) -> bytes:
    return b"".join(data for who, data in pieces if who == from_client)


def flow_of(pieces: Pieces) -> tcp.TCPFlow:
    flow = tflow.ttcpflow(
        messages=[tcp.TCPMessage(who, data, 1772359200.0 + n) for n, (who, data) in enumerate(pieces)]
    )
    flow.id, flow.client_conn.id = "f1", "c1"
    flow.client_conn.peername, flow.server_conn.peername = ("10.0.0.2", 40000), ("203.0.113.7", 587)
    return flow


class Lines(list[dict[str, Any]]):
    """What takes the lines of a journal."""

    def line(self, **keys: Any) -> bool:
        self.append({k: v for k, v in keys.items() if v is not None})
        return True


def recorded(pieces: Pieces, limit: int = 1 << 20) -> tuple[tcp.TCPFlow, Lines]:
    """The flow as *record* leaves it, and the lines that it writes as the messages come."""
    record, lines, flow = Record(), Lines(), flow_of(pieces)
    record._out, record._limit = lines, limit  # type: ignore[assignment]
    whole, flow.messages, flow.live = flow.messages, [], True
    for message in whole:
        flow.messages.append(message)
        record._messages(flow, "tcp", flow.messages)
    return flow, lines


def as_messages(pieces: Pieces) -> Lines:
    """The lines of a recorder that took ciphertext for messages."""
    lines, count = Lines(), [0, 0]
    for n, (who, data) in enumerate(pieces):
        at = 1_772_359_200_000_000 + n * 1_000_000
        keys = {"flow": "f1", "at": at, "direction": "sent" if who else "received", "index": count[who], "kind": "tcp"}
        lines.line(**keys, size=len(data), data=base64.b64encode(data).decode())
        count[who] += 1
    return lines


def read(flow: tcp.TCPFlow | None, lines: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The rows of flows, and what the messages of each direction say, of a dump and a journal beside each other."""
    with tempfile.TemporaryDirectory() as place:
        files = [("flows.mitm", dump(flow))] if flow is not None else []
        files += [("messages.jsonl", json_lines(*lines))] if lines else []
        paths = []
        for name, data in files:
            (Path(place) / name).write_bytes(data)
            paths.append((name, Path(place) / name))
        found: dict[Any, Seen] = {}
        for name, path in paths:
            found[name] = gather(path, Options(beside=tuple(p for p in paths if p[0] != name)))
            check_laws(found[name], path)
        messages = sorted((m for seen in found.values() for m in seen.messages), key=lambda m: m.index)
        assert len({(m.direction, m.index) for m in messages}) == len(messages)
        assert all(m.size == len(m.body) and not m.cut and m.kind == "tcp" for m in messages)
        text = {way: b"".join(m.body for m in messages if m.direction == way) for way in ("sent", "received")}
        return [row for seen in found.values() for row in seen.flows], text


def check(row: dict[str, Any], text: dict[str, bytes], pieces: Pieces, header: int = 0) -> None:
    """Each octet counts once, and what was in the clear was read. ``header``: octets of the ClientHello's beginning
    that may count as read."""
    assert (row["bytes_out"], row["bytes_in"]) == (octets(pieces, True), octets(pieces, False))
    clear = {way: said(CLEAR, way == "sent") for way in ("sent", "received")}
    assert text["received"] == clear["received"]
    assert text["sent"] in [clear["sent"] + HELLO[:n] for n in range(header + 1)]
    sealed = octets(pieces) - len(text["sent"]) - len(text["received"])
    assert row["unread"] == [{"kind": "encrypted", "cause": "tls", "bytes": sealed, "count": 1}]
    assert row["bytes_read"] == octets(pieces) - sealed
    assert row["decrypted"]


@pytest.mark.parametrize("files", ["dump", "journal", "both", "old journal", "old both"])
def test_what_is_said_in_the_clear_is_read_and_the_rest_is_counted(files: str) -> None:
    flow, lines = recorded(TALK)
    if "old" in files:
        lines = as_messages(TALK)
    elif "dump" not in files:
        assert [(m["direction"], base64.b64decode(m["data"])) for m in lines if "data" in m] == [
            ("sent" if who else "received", data) for who, data in CLEAR
        ]
        assert [(m["since"], m["bytes_out"], m["bytes_in"]) for m in lines if m.get("type") == "sealed"] == [
            ([2, 3], octets(SEALED[: n + 1], True), octets(SEALED[: n + 1], False)) for n in range(len(SEALED))
        ]
    [row], text = read(None if "journal" in files else flow, [] if files == "dump" else lines)
    check(row, text, TALK)


@pytest.mark.parametrize("old", [False, True])
def test_a_journal_counts_as_far_as_it_came(old: bool) -> None:
    """The proxy was killed between any two messages."""
    for n in range(1, len(TALK) + 1):
        lines = as_messages(TALK[:n]) if old else recorded(TALK[:n])[1]
        [row], text = read(None, lines)
        if n > len(CLEAR):
            check(row, text, TALK[:n])
        else:
            assert (row["bytes_read"], row["unread"]) == (octets(TALK[:n]), None)


@pytest.mark.parametrize("limit", [100, 700])
def test_octets_that_are_no_longer_in_memory_count_too(limit: int) -> None:
    """In a long connection the dump has no ClientHello any more, and what it has of the rest is no message."""
    flow, lines = recorded(TALK, limit)
    assert not flow.messages[len(CLEAR)].content
    assert flow.messages[-1].content
    [row], text = read(flow, lines)
    check(row, text, TALK)


@st.composite
def cut(draw: st.DrawFn) -> Pieces:
    """The talk, cut into messages in another way; what one end says in a row may come in one."""
    made: Pieces = []
    talk = [*CLEAR[:-1], *SEALED] if draw(st.booleans()) else TALK
    for who, data in talk:
        if made and made[-1][0] == who and draw(st.booleans()):
            data = made.pop()[1] + data
        places = sorted(draw(st.lists(st.integers(1, len(data)), max_size=6)))
        made += [(who, data[a:b]) for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]
    return made


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_however_the_octets_are_cut_each_counts_once(data: st.DataObject) -> None:
    """In the dump, the journal, and both, of which the journal may lack any lines (the disk was full)."""
    pieces = data.draw(cut())
    files = data.draw(st.sampled_from(["dump", "journal", "both", "gaps", "old journal", "old both", "old gaps"]))
    # In a long connection the dump's copy lacks what the journal has.
    limit = data.draw(st.sampled_from([100, 700, 1 << 20])) if files in ("journal", "both") else 1 << 20
    flow, lines = recorded(pieces, limit)
    if "old" in files:
        lines = as_messages(pieces)
    if "gaps" in files:
        lines = Lines(line for line in lines if data.draw(st.booleans()))
    rows, text = read(None if "journal" in files else flow, lines if files != "dump" else [])
    [row] = rows
    assert (row["bytes_out"], row["bytes_in"]) == (octets(pieces, True), octets(pieces, False))
    [part] = row["unread"]
    assert (part["kind"], part["cause"], part["count"]) == ("encrypted", "tls", 1)
    clear = octets(pieces) - octets(SEALED)
    assert octets(SEALED) - 10 <= part["bytes"] <= octets(SEALED)
    assert part["bytes"] == octets(pieces) - sum(map(len, text.values()))
    whole = said(pieces, True)
    assert text["sent"] == whole[: len(text["sent"])], (
        "what was in the clear, and at most the header of the ClientHello"
    )
    assert text["received"] == said(pieces, False)[: len(text["received"])]
    assert clear <= sum(map(len, text.values())) <= clear + 10


def test_a_flow_that_stands_twice_counts_once() -> None:
    """Once as it was in its middle."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "flows.mitm"
        path.write_bytes(dump(flow_of(TALK[:7]), flow_of(TALK)))
        seen = gather(path)
        check_laws(seen, path)
    [row] = seen.flows
    assert (row["bytes_out"], row["bytes_in"], row["bytes_read"]) == (
        octets(TALK, True),
        octets(TALK, False),
        octets(CLEAR),
    )
    assert [part["bytes"] for part in row["unread"]] == [octets(SEALED)]


# ------------------------------------------------------------------------------------------- what a ClientHello is


def sealed_at(*pieces: tuple[bool, bytes]) -> list[int | None]:
    watched = StartTls()
    return [watched.seals(who, data) for who, data in pieces]


@pytest.mark.parametrize("version", [b"\x03\x00", b"\x03\x01", b"\x03\x03", b"\x03\x04"])
def test_a_client_hello_of_any_version_and_size(version: bytes) -> None:
    for size in (41, 250, 508, 1800, 16_380):
        body = b"\x03\x03" + bytes(size - 2)
        hello = b"\x01" + size.to_bytes(3) + body
        record = b"\x16" + version + struct.pack("!H", len(hello)) + hello
        assert sealed_at((True, b"clear"), (True, record), (False, b"x")) == [None, 0, 0]
        assert sealed_at((True, record[:6]), (True, record[6:])) == [0, 0]
        # Early data may follow it; and it may be in several records (RFC 8446 section 5.1).
        assert sealed_at((True, record + b"\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x20" + bytes(32)))[0] == 0
        for at in (1, 4, 30):
            torn = b"".join(
                b"\x16" + version + struct.pack("!H", len(part)) + part for part in (hello[:at], hello[at:])
            )
            assert sealed_at((True, torn)) == [0], at


def test_a_client_hello_begins_anywhere_and_is_told_once_enough_of_it_is_there() -> None:
    assert sealed_at((True, b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + HELLO)) == [32]
    for n in range(1, len(HELLO)):
        assert sealed_at((True, HELLO[:n]), (False, b"x"), (True, HELLO[n:])) == (
            [0, 0, 0] if n > 5 else [None, None, 0]
        )
    one_by_one = sealed_at(*((True, HELLO[n : n + 1]) for n in range(len(HELLO))))
    assert one_by_one == [None] * 10 + [0] * (len(HELLO) - 10)
    assert sealed_at((False, HELLO), (True, b"clear")) == [None, None], "a server says none"


@pytest.mark.parametrize(
    "frame",
    [
        b"\x16\x03",
        b"\x16\x03\x01",
        b"\x16\x03\x01\x00\x00\x01\x00\x00\x30\x03\x03" + bytes(40),  # a record without octets
        b"\x16\x03\x05\x01\x00\x01\x00\x00\xfc\x03\x03" + bytes(250),  # no version
        b"\x16\x03\x01\x41\x01\x01\x00\x40\xfd\x03\x03" + bytes(400),  # a record that is too long
        b"\x16\x03\x01\x01\x00\x02\x00\x00\xfc\x03\x03" + bytes(250),  # a ServerHello
        b"\x16\x03\x01\x01\x00\x01\x00\x00\xfb\x03\x03" + bytes(250),  # a message that ends before its record
        b"\x16\x03\x01\x00\x2c\x01\x00\x00\x28\x03\x03" + bytes(38),  # too short for its own fields
        b"\x16\x03\x01\x01\x00\x01\x10\x00\x00\x03\x03" + bytes(250),  # too long for them
        b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x07\x03" + bytes(250),  # no legacy_version
        b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x05" + bytes(250),
        b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + bytes(58) + b"more",  # other things behind it
        b"\x16\x03\x01\x00\x40\x01\x00\x01\x3c\x03\x03" + bytes(58) + b"\x17\x03",  # cut by another kind of record
        b"\x16\x03\x00\x00\x10\x01",
        b"\x16\x03\x00\x00\x10\x01\x05\x00",
    ],
)
def test_a_protocol_whose_messages_begin_like_tls_and_are_none(frame: bytes) -> None:
    assert sealed_at((True, frame), (False, b"ok"), (True, frame), (True, b"\x00" * 20)) == [None] * 4
    pieces = [(False, b"hello\n"), (True, frame), (False, b"ok"), (True, frame)]
    for flow, lines in ((flow_of(pieces), []), (None, recorded(pieces)[1]), recorded(pieces)):
        [row], text = read(flow, lines)
        assert (row["decrypted"], row["unread"], row["bytes_read"]) == (True, None, octets(pieces))
        assert text == {"sent": frame * 2, "received": b"hello\nok"}


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_whatever_is_said_is_judged(data: bytes, more: bytes) -> None:
    for piece in (data, b"\x16\x03\x01" + data, b"\x16\x03\x01\x01\x00\x01" + data):
        at = sealed_at((True, piece), (True, more))
        assert all(place is None or 0 <= place <= max(len(piece), len(more)) for place in at)


def test_a_journal_that_lies_about_what_is_sealed() -> None:
    odd: list[Any] = [None, -1, 1.5, "x", [], {}, True, 10**30, [[]], ["a", "b"], [1], [-1, 1 << 70]]
    lines = [{"flow": "f1", "type": "sealed", "at": 1, "cause": "tls", "since": [1, 1], "bytes_out": 3, "bytes_in": 4}]
    lines += [{**lines[0], key: value} for key in ("cause", "since", "bytes_out", "bytes_in", "at") for value in odd]
    rows, _ = read(None, lines)
    assert (rows[0]["bytes_out"], rows[0]["bytes_in"], rows[0]["decrypted"]) == (3, 4, False)
    for value in odd:
        rows, _ = read(flow_of(CLEAR), [*recorded(CLEAR)[1], {**lines[0], "since": value}])
        assert rows[0]["bytes_out"] >= octets(CLEAR, True)
