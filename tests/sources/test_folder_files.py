"""The proxy's own files in a capture folder: events, journal and dump, each read for itself and beside the others."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.test import tflow

from analysis.model import InputError, Key
from analysis.sources import Options, mitm_flows
from analysis.sources.identify import open_source
from tests.road import ROOT
from tests.sources.made import Seen, check_laws, dump, event_lines, gather, json_lines

AT = 1_772_359_200_000_000


def read(path: Path, data: bytes, options: Options | None = None) -> Seen:
    path.write_bytes(data)
    seen = gather(path, options)
    check_laws(seen, path)
    return seen


def message(flow: str, direction: str, index: int, data: bytes, kind: str = "websocket", **more: Any) -> dict[str, Any]:
    written = base64.b64encode(data).decode()
    made = {"type": "message", "flow": flow, "direction": direction, "index": index, "kind": kind, "at": AT + index}
    return made | {"size": len(data), "data": written} | more


def opened(flow: str, **more: Any) -> dict[str, Any]:
    made = {"type": "flow", "flow": flow, "at": AT, "kind": "websocket", "connection": "c1"}
    made |= {"client": ["10.0.0.2", 40000], "server": ["203.0.113.7", 443], "host": "ws.example"}
    return made | {"scheme": "https", "method": "GET", "target": "/chat"} | more


class TestEvents:
    def test_marks_and_the_app_in_front_are_events(self, tmp_path: Path) -> None:
        events = [{"type": "phase", "at": AT, "phase": "login"}, {"type": "app_front", "at": AT + 1, "app": "a.b"}]
        seen = read(tmp_path / "events.jsonl", event_lines(*events))
        assert seen.events == events
        assert not seen.flows
        assert not seen.losses

    def test_the_phones_sockets_come_in_one_form(self, tmp_path: Path) -> None:
        socket = {"type": "socket", "at": AT, "uid": 10123, "apps": ["b.c", "a.b", "a.b"], "transport": "tcp"}
        mapped = socket | {"src": ["::ffff:10.0.0.2", 40000, 0, 0], "dst": ["203.0.113.7", 443]}
        unbound = socket | {"uid": 0, "apps": None, "transport": "udp", "src": ["::", 5353], "dst": ["::", 0]}
        junk = socket | {"uid": -1, "apps": [""], "transport": "?", "src": ["x"], "dst": None}
        seen = read(tmp_path / "events.jsonl", event_lines(mapped, unbound, junk))
        assert [(e["uid"], e["apps"], e["transport"], e["src"], e["dst"]) for e in seen.events] == [
            (10123, ["a.b", "b.c"], "tcp", ("10.0.0.2", 40000), ("203.0.113.7", 443)),
            (0, [], "udp", ("::", 5353), ("::", None)),
            (None, [], "tcp", (None, None), (None, None)),
        ]
        assert seen.lost == {"socket_unreadable": 1}

    def test_dns_answers_are_names(self, tmp_path: Path) -> None:
        event = {
            "type": "dns",
            "at": AT,
            "name": "API.Example.",
            "addresses": ["203.0.113.7", "2001:db8::1", "junk"],
            "cname": ["edge.cdn.example"],
            "resolver": "10.0.0.53",
        }
        seen = read(tmp_path / "events.jsonl", event_lines(event))
        assert [(n["address"], n["name"], n["from"], n["resolver"]) for n in seen.names] == [
            ("203.0.113.7", "api.example", "dns", "10.0.0.53"),
            ("203.0.113.7", "edge.cdn.example", "cname", "10.0.0.53"),
            ("2001:db8::1", "api.example", "dns", "10.0.0.53"),
            ("2001:db8::1", "edge.cdn.example", "cname", "10.0.0.53"),
        ]
        assert seen.lost == {"address_unreadable": 1}

    def test_refused_and_sealed_connections_are_flows(self, tmp_path: Path) -> None:
        ends = {"client": ["10.0.0.2", 40000], "server": ["203.0.113.7", 443], "sni": "pin.example"}
        refusal = {
            "type": "refusal",
            "at": AT,
            **ends,
            "kind": "ca_refused",
            "cause": "certificate_not_trusted",
            "count": 2,
        }
        sealed = {
            "type": "connection",
            "at": AT,
            "end": AT + 5,
            **ends,
            "bytes_out": 100,
            "bytes_in": 900,
            "tcp_ms": 12.5,
        }
        seen = read(tmp_path / "events.jsonl", event_lines(refusal, sealed | {"cause": "passed_through"}))
        first, second = seen.flows
        assert (first["src"], first["sport"], first["dst"], first["dport"]) == ("10.0.0.2", 40000, "203.0.113.7", 443)
        assert (first["host"], first["host_from"], first["decrypted"]) == ("pin.example", "sni", False)
        assert first["unread"] == [{"kind": "ca_refused", "cause": "certificate_not_trusted", "bytes": 0, "count": 2}]
        assert second["unread"] == [{"kind": "sealed", "cause": "passed_through", "bytes": 1000, "count": 1}]
        assert (second["bytes_read"], second["tcp_ms"]) == (0, 12.5)
        assert seen.events[0]["kind"] == "ca_refused"

    def test_a_connection_that_is_passed_through_counts_once_ended_or_not(self, tmp_path: Path) -> None:
        def line(kind: str, connection: str, octets: int) -> dict[str, Any]:
            told = {"connection": connection, "cause": "passed_through", "kind": "relayed", "sni": "pin.example"}
            return {"type": kind, "at": AT, **told, "bytes_out": 0, "bytes_in": octets}

        lines = [line("passing", "a", 1), line("passing", "b", 2), line("passing", "a", 300), line("passing", "b", 4)]
        data = event_lines(*lines, line("connection", "b", 50))
        seen = read(tmp_path / "events.jsonl", data)
        length = [len(raw) for raw in data.splitlines()]
        assert [(f["bytes_in"], f["unread"][0]["kind"], f["origin"]) for f in seen.flows] == [
            (50, "relayed", f"events.jsonl#4!line:0+{length[4]}"),
            (300, "relayed", f"events.jsonl#2!line:0+{length[2]}"),
        ]

    def test_the_chain_shows_what_was_done_to_it(self, tmp_path: Path) -> None:
        events = [{"type": "phase", "at": AT + n, "phase": f"p{n}"} for n in range(5)]
        lines = event_lines(*events).splitlines(keepends=True)
        path = tmp_path / "events.jsonl"
        assert not read(path, b"".join(lines)).losses
        changed = [*lines[:2], lines[2].replace(b"p2", b"px"), *lines[3:]]
        out = [*lines[:2], *lines[3:]]
        swapped = [lines[0], lines[2], lines[1], *lines[3:]]
        for data, broken in ((changed, 1), (out, 1), (swapped, 3), (lines[1:], 1)):
            seen = read(path, b"".join(data))
            assert len(seen.events) == len(data)
            assert seen.lost == {"chain_broken": broken}
        assert "line 4" in read(path, b"".join(changed)).losses[0].where

    def test_torn_and_damaged_lines(self, tmp_path: Path) -> None:
        whole = event_lines(*({"type": "phase", "at": AT, "phase": f"p{n}"} for n in range(3)))
        path = tmp_path / "events.jsonl"
        seen = read(path, whole[:-20])
        assert len(seen.events) == 2
        assert seen.lost == {"file_torn": 1}
        assert not read(path, whole[:-20], Options(sealed=False)).losses
        seen = read(path, whole + b"junk\n")
        assert seen.lost == {"line_unread": 1}

    def test_nothing_readable_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"
        path.write_bytes(b'{"type": "phase", "prev": "00')
        with pytest.raises(InputError):
            gather(path)

    def test_hostile_values(self, tmp_path: Path) -> None:
        odd: list[Any] = [None, -1, 1.5, "x", [], {}, True, 10**30, "\ud800", [[]], ["a", "b"]]
        keys = ("at", "client", "server", "host", "sni", "kind", "cause", "bytes_out", "count", "tcp_ms", "app", "tls")
        lines = [{"type": kind, key: value} for kind in ("connection", "dns", "phase") for key in keys for value in odd]
        lines += [{"type": "dns", "name": v, "addresses": v, "cname": v, "resolver": v} for v in odd]
        seen = read(tmp_path / "events.jsonl", event_lines({"type": "phase", "at": AT}, *lines))
        assert seen.lost["line_unread"] > len(seen.flows)


class TestJournal:
    def test_messages_of_a_flow_that_no_dump_holds(self, tmp_path: Path) -> None:
        lines = json_lines(
            opened("f1"),
            message("f1", "sent", 0, b"one"),
            message("f1", "received", 0, b"two"),
            message("f1", "sent", 1, b"three"),
            {"type": "end", "flow": "f1", "at": AT},
        )
        seen = read(tmp_path / "messages.jsonl", lines)
        assert seen.kind == "messages"
        made = [(m.direction, m.index, m.body, m.exchange, m.host, m.target) for m in seen.messages]
        assert made == [
            ("sent", 0, b"one", None, "ws.example", "/chat"),
            ("received", 0, b"two", None, "ws.example", "/chat"),
            ("sent", 1, b"three", None, "ws.example", "/chat"),
        ]
        (row,) = seen.flows
        assert (row["bytes_out"], row["bytes_in"], row["dst"], row["host"]) == (8, 3, "203.0.113.7", "ws.example")

    def test_the_type_may_be_left_out(self, tmp_path: Path) -> None:
        line = message("f1", "sent", 0, b"x", kind="tcp")
        del line["type"]
        assert read(tmp_path / "messages.jsonl", json_lines(line)).bodies("tcp") == [b"x"]

    def test_what_is_cut_repeated_or_broken_is_counted(self, tmp_path: Path) -> None:
        lines = json_lines(
            message("f1", "sent", 0, b"abc", size=1000),
            message("f1", "sent", 0, b"abc"),
            message("f1", "sent", 1, b"") | {"data": "!!"},
            message("f1", "up", 2, b""),
            {"flow": 7, "type": "message"},
        )
        seen = read(tmp_path / "messages.jsonl", lines + b"junk\n" + lines[:30])
        assert [(m.index, m.size, m.cut) for m in seen.messages] == [(0, 1000, True), (1, 0, True)]
        assert seen.lost == {"body_missing": 1, "flow_repeated": 1, "body_damaged": 1, "line_unread": 3, "file_torn": 1}


class Folder:
    """A folder with a dump, a journal and events, each read beside the others."""

    def __init__(self, folder: Path, flows: bytes, journal: bytes = b"", events: bytes = b"") -> None:
        self._files = []
        for name, data in (("events.jsonl", events), ("flows.mitm", flows), ("messages.jsonl", journal)):
            if data:
                (folder / name).write_bytes(data)
                self._files.append((name, folder / name))

    def read(self, batch: int = 256) -> dict[str, Seen]:
        seen = {}
        for name, path in self._files:
            beside = tuple(f for f in self._files if f[0] != name)
            seen[name] = gather(path, Options(batch=batch, beside=beside))
        return seen


class TestBesideOneAnother:
    def websocket(self) -> Any:
        made = tflow.twebsocketflow()
        made.id, made.client_conn.id = "f1", "c1"
        made.server_conn.peername = ("203.0.113.7", 443)
        return made

    def test_a_message_in_both_is_read_once(self, tmp_path: Path) -> None:
        journal = json_lines(
            opened("f1"), message("f1", "sent", 0, b"hello binary"), message("f1", "received", 0, b"it's me")
        )
        folder = Folder(tmp_path, dump(tflow.tflow(), self.websocket()), journal)
        seen = folder.read()
        in_dump, in_journal = seen["flows.mitm"], seen["messages.jsonl"]
        # The dump's copy fills the gap: its second message from the client is in no line of the journal.
        assert [(m.direction, m.index, m.body) for m in in_dump.messages if m.kind == "websocket"] == [
            ("sent", 1, b"hello text")
        ]
        assert in_journal.bodies("websocket") == [b"hello binary", b"it's me"]
        assert {m.exchange for m in in_journal.messages} == {Key("flows.mitm", 1)}
        assert {m.flow for m in in_journal.messages} == {in_dump.exchanges[1].flow}
        assert not in_journal.flows

    def test_octets_are_the_same_with_and_without_a_journal(self, tmp_path: Path) -> None:
        alone = Folder(tmp_path, dump(self.websocket())).read()["flows.mitm"]
        journal = json_lines(opened("f1"), message("f1", "sent", 0, b"hello binary"))
        both = Folder(tmp_path, dump(self.websocket()), journal).read()
        octets = [(f["bytes_out"], f["bytes_in"]) for f in both["flows.mitm"].flows]
        assert octets == [(f["bytes_out"], f["bytes_in"]) for f in alone.flows]
        total = len(both["flows.mitm"].messages) + len(both["messages.jsonl"].messages)
        assert total == len(alone.messages)

    def test_a_flow_that_the_proxy_did_not_end_on_a_connection_that_the_dump_knows(self, tmp_path: Path) -> None:
        other = tflow.tflow(resp=True)
        other.client_conn.id = "c1"
        other.server_conn.peername = ("203.0.113.7", 443)
        before = Folder(tmp_path, dump(other)).read()["flows.mitm"].flows[0]
        journal = json_lines(opened("f9"), message("f9", "sent", 0, b"12345"))
        seen = Folder(tmp_path, dump(other), journal).read()
        assert not seen["messages.jsonl"].flows
        assert seen["messages.jsonl"].messages[0].flow == Key("flows.mitm", 0)
        assert seen["flows.mitm"].flows[0]["bytes_out"] == before["bytes_out"] + 5

    def test_a_streamed_bodys_size_is_in_the_journal(self, tmp_path: Path) -> None:
        made = tflow.tflow(resp=True)
        made.id = "f1"
        made.response.raw_content = None
        lines = json_lines(
            {"type": "progress", "flow": "f1", "at": AT, "direction": "received", "bytes": 500},
            {"type": "progress", "flow": "f1", "at": AT, "direction": "received", "bytes": 900},
        )
        seen = Folder(tmp_path, dump(made), lines).read()
        assert seen["flows.mitm"].exchanges[0].response_bytes == 900
        assert not seen["messages.jsonl"].flows

    def test_a_connection_that_events_tell_of_counts_there(self, tmp_path: Path) -> None:
        made = tflow.ttcpflow()
        made.client_conn.id = "c7"
        events = event_lines({"type": "connection", "at": AT, "connection": "c7", "bytes_out": 5, "bytes_in": 7})
        seen = Folder(tmp_path, dump(made, tflow.tflow()), b"", events).read()
        assert len(seen["flows.mitm"].flows) == 1
        assert not [m for m in seen["flows.mitm"].messages if m.kind == "tcp"]
        assert seen["events.jsonl"].flows[0]["unread"][0]["bytes"] == 12

    def test_every_batch_size_gives_the_same(self, tmp_path: Path) -> None:
        flows = [self.websocket(), *(tflow.tflow(resp=True) for _ in range(20)), tflow.tdnsflow(resp=True)]
        lines = [opened("f1"), opened("f2", connection="c2")]
        lines += [message(f, d, n, b"%d" % n) for n in range(9) for d in ("sent", "received") for f in ("f1", "f2")]
        events = [{"type": "connection", "at": AT + n, "bytes_out": n, "host": f"h{n}"} for n in range(20)]
        folder = Folder(tmp_path, dump(*flows), json_lines(*lines), event_lines(*events))
        whole = folder.read(1_000_000)
        for size in (1, 7):
            for name, seen in folder.read(size).items():
                seen.batches = whole[name].batches
                assert seen == whole[name], name


def test_a_line_may_be_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    big = message("f1", "sent", 0, b"x" * 3_000_000)
    data = json_lines(big, message("f1", "sent", 1, b"y"))
    seen = read(tmp_path / "messages.jsonl", data)
    assert [m.size for m in seen.messages] == [3_000_000, 1]
    assert json.loads(data.splitlines()[0])["size"] == 3_000_000


@pytest.mark.parametrize("sample", ["demo-shop", "lab"])
def test_a_survey_finds_what_reading_found(sample: str) -> None:
    """A journal is given the dump's keys by either, whichever of the two files comes first."""
    path = ROOT / "captures" / sample / "flows.mitm"
    options = Options()
    gather(path, options)
    found = mitm_flows.survey(path, path.name, Options())
    assert found.flows
    assert options.found[path] == found


@pytest.mark.parametrize("lie", ["1" + "0" * 400, "Infinity", "-5", "true", '"12"', "[]", "1e300"])
def test_what_a_line_of_events_states_of_numbers_is_taken_for_no_more_than_it_can_be(tmp_path: Path, lie: str) -> None:
    keys = ("tcp_ms", "step", "bytes_out", "bytes_in", "count", "bytes", "flows", "at", "end", "handshake_at", "uid")
    lines = b""
    for kind in ("refusal", "connection", "clock", "lost", "socket", "phase"):
        stated = ",".join(f'"{key}":{lie}' for key in keys)
        lines += f'{{"type":"{kind}","prev":"x",{stated}}}\n'.encode()
    seen = read(tmp_path / "events.jsonl", lines)
    whole = lie.lstrip("-").isdigit()
    assert [f["tcp_ms"] for f in seen.flows] == [None, None] * whole
    assert [f["bytes_out"] for f in seen.flows] == [0, 0] * whole
    assert seen.lost.get("line_unread", 0) == (0 if whole else 4 if lie in ("Infinity", "1e300") else 6)
    assert seen.lost.get("time_unreadable", 0) == (14 if whole else 4 if lie in ("Infinity", "1e300") else 0)


def test_sums_of_what_lines_state_can_be_held_by_a_table(tmp_path: Path) -> None:
    lines = [message("f1", "sent", n, b"x") | {"size": 1 << 49} for n in range(1 << 14)]
    seen = read(tmp_path / "messages.jsonl", json_lines(opened("f1"), *lines))
    assert seen.flows[0]["bytes_out"] == 1 << 14, "a size that nothing can have is none"


@pytest.mark.parametrize("index", [True, False, -1, 1 << 40, 1.0, "0", None])
def test_a_message_whose_index_is_none_is_counted(tmp_path: Path, index: Any) -> None:
    seen = read(
        tmp_path / "messages.jsonl", json_lines(opened("f1"), message("f1", "sent", 0, b"x") | {"index": index})
    )
    assert not seen.messages
    assert seen.lost == {"line_unread": 1}


def test_a_chain_that_breaks_everywhere_is_told_in_few_lines(tmp_path: Path) -> None:
    lines = [{"type": "mark", "at": AT + n, "note": "x", "prev": "0"} for n in range(1000)]
    seen = read(tmp_path / "events.jsonl", json_lines(*lines))
    assert seen.lost == {"chain_broken": 1000}
    assert len(seen.losses) == 101
    assert seen.losses[0].where == "line 1 does not follow from the line before it"


def test_a_journal_of_a_flow_behind_one_that_cannot_be_read(tmp_path: Path) -> None:
    """The dump numbers a flow for what it cannot read, whether it is read or only asked."""
    good = tflow.twebsocketflow()
    good.id = "f1"
    newer = dump(tflow.tflow()).replace(b"7:version;2:21#", b"7:version;2:99#")
    path = tmp_path / "flows.mitm"
    path.write_bytes(newer + dump(good))
    options = Options()
    gather(path, options)
    assert options.found[path] == mitm_flows.survey(path, path.name, Options())
    assert options.found[path].flows["f1"] == (Key("flows.mitm", 1), Key("flows.mitm", 1))


def test_what_is_held_does_not_grow_with_the_progress_of_a_stream(tmp_path: Path) -> None:
    """Nor with a message that stands before the line that says what its flow is."""
    path = tmp_path / "messages.jsonl"
    line = {"type": "progress", "flow": "f1", "at": AT, "direction": "received"}
    lines = [message("f1", "sent", 0, b"x" * 900), opened("f1", host="api.example")]
    lines += [{**line, "bytes": n} for n in range(5000)]
    path.write_bytes(json_lines(*lines, message("f1", "sent", 1, b"y")))
    _, batches = open_source(path, path.name, Options())
    held = list(batches)
    assert [i for b in held for i in b.ids] == [(0, "f1"), (5002, "f1")]
    assert [m.host for b in held for m in b.messages] == ["", "api.example"]
    assert [f["bytes_in"] for b in held if b.flows is not None for f in b.flows.to_pylist()] == [4999]


@pytest.mark.parametrize("damage", [b"\0\0\0\0", b"{", b"", b"\xfe{]"])
def test_a_first_line_that_is_damaged_costs_no_other(tmp_path: Path, damage: bytes) -> None:
    lines = event_lines(*({"type": "mark", "at": AT + n, "note": f"n{n}"} for n in range(5))).split(b"\n")
    seen = read(tmp_path / "events.jsonl", b"\n".join([damage, *lines[1:]]))
    assert len(seen.events) == 4
    assert seen.lost["chain_broken"] == 1
    journal = json_lines(opened("f1"), message("f1", "sent", 0, b"x")).split(b"\n")
    seen = read(tmp_path / "messages.jsonl", b"\n".join([damage, *journal]))
    assert seen.bodies("websocket") == [b"x"]


def test_connections_that_are_passed_through_without_an_id_are_told_apart_by_their_ends(tmp_path: Path) -> None:
    said = {"type": "passing", "at": AT, "host": "a.example", "bytes_out": 5, "bytes_in": 7}
    more = [{**said, "client": ["10.0.0.2", n], "bytes_out": octets} for n, octets in ((5, 5), (6, 6), (5, 9))]
    ended = {**said, "type": "connection", "client": ["10.0.0.2", 6], "bytes_out": 11}
    seen = read(tmp_path / "events.jsonl", event_lines(*more, ended))
    assert sorted((f["sport"], f["bytes_out"]) for f in seen.flows) == [(5, 9), (6, 11)]
