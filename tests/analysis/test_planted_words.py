"""A planted value is in no table, no report and no message, whichever field of a capture it was put into."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from mitmproxy.test import tflow
from typer.testing import CliRunner

from analysis import tables
from analysis.folder import Apk, App, Device, Manifest, Phase, Vantage
from lintas.cli import app
from tests.packets.talk import Talk
from tests.sources.made import dump, entry, event_lines, har, json_lines

VALUES = {
    "email": "budi.santoso77@mail.example",
    "imei": "490154203237518",
    "full_name": "Wahyuningsih Pramudya",
    "user_id": "zq81kkpw02xy",
}
PIECES = (*VALUES.values(), "santoso77", "wahyuningsih", "pramudya", "zq81kk", "49015420")
AT = 1_780_000_000_000_000


def _planted(template: Any, value: str) -> Any:
    """A structure with every text in it replaced by the value."""
    if isinstance(template, str):
        return value
    if isinstance(template, list):
        return [_planted(t, value) for t in template]
    return {k: _planted(v, value) for k, v in template.items()} if isinstance(template, dict) else template


def _flows(value: str) -> Iterator[dict[str, Any]]:
    """A flow for each text of one, since one hostile field may hide another."""
    for number, (path, held) in enumerate(_texts(_state(), ())):
        for text in (value, "application/" + "x" * 55 + value):
            state = _state()
            state["id"] = state["client_conn"]["id"] = f"{number}{text}"
            inner: Any = state
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = text.encode() if isinstance(held, bytes) else text
            if path != ("type",):
                yield state


def _state() -> dict[str, Any]:
    flow = tflow.tflow(resp=True, err=True)
    for side in (flow.request, flow.response):
        side.raw_content = b"\x00\x01\x02\xff" * 30
        for name in ("content-type", "content-encoding", "host", "cf-ray", "via", "x-served-by", "cookie"):
            side.headers[name] = "gzip"
    flow.comment, flow.marked, flow.metadata["k"] = "c", "m", "v"
    flow.client_conn.alpn = flow.server_conn.alpn = b"h2"
    flow.client_conn.sni = flow.server_conn.sni = "h.example"
    flow.client_conn.tls_version = "TLSv1.3"
    state: dict[str, Any] = _lists(flow.get_state())
    return state


def _lists(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _lists(inner) for key, inner in state.items()}
    return [_lists(inner) for inner in state] if isinstance(state, (list, tuple)) else state


def _texts(state: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str | bytes]]:
    """Each text in a structure, with the keys that lead to it."""
    if isinstance(state, (str, bytes)):
        yield path, state
    elif isinstance(state, (dict, list)):
        for key, inner in state.items() if isinstance(state, dict) else enumerate(state):
            yield from _texts(inner, (*path, key))


EVENT_KEYS = (
    "phase note cause app alpn tls sni host way kind transport name resolver state cannot file sha256 reason issuer "
    "certificate connection alert ended_by"
).split()
EVENT_TYPES = "phase mark app_front socket phone screen dns refusal connection passing lost file clock proof".split()


def _events(value: str) -> Iterator[dict[str, Any]]:
    ends = {"client": ["10.0.0.2", 4000], "server": ["203.0.113.9", 443]}
    lists = {"apps": [value], "cname": [value], "addresses": [value, "203.0.113.8"], value: {value: [value]}}
    for number, kind in enumerate([*EVENT_TYPES, value]):
        for key in EVENT_KEYS:
            for text in (value, "y" * 290 + " " + value, "login " + value):
                yield {"type": kind, "at": AT + number, **ends, "connection": f"{kind}{key}", **lists, key: text}
        yield {"type": kind, "at": AT, **dict.fromkeys(EVENT_KEYS, value), "uid": 10_100}


def _journal(value: str) -> Iterator[dict[str, Any]]:
    keys = "kind connection address host sni tls method scheme target direction type data".split()
    for number, key in enumerate(keys):
        flow = f"j{number}"
        line = {"type": "flow", "kind": "websocket", "connection": flow, "server": ["203.0.113.9", 443], "host": "h"}
        yield {"flow": flow, "at": AT, **line, key: value}
        said = {"direction": "sent", "index": 0, "kind": "websocket", "size": 5, "data": "aGVsbG8="}
        yield {"flow": flow, "at": AT, "type": "message", **said, key: value}
    yield {"flow": value, "at": AT, "type": "progress", "direction": "sent", "bytes": 5}
    yield {"flow": "s", "at": AT, "type": "sealed", "cause": value, "since": [0, 0], "bytes_out": 5, "bytes_in": 5}


def _har(value: str) -> bytes:
    whole = entry()
    made = []
    for part in ("request", "response"):
        made += [entry(**{part: {key: _planted(whole[part][key], value)}}) for key in whole[part]]
    extra = ("_error", "_resourceType", "_initiator", "connection", "serverIPAddress", "comment", "startedDateTime")
    made += [entry(**{key: value}) for key in extra]
    made += [entry(f"{value}://x/y"), entry(f"https://h.example/{value}/?{value}={value}")]
    made.append(entry(response={"status": 0, "_error": value}))
    return har(*made, creator=value, comment=value, browser={"name": value, "version": value})


def _packets(folder: Path, value: str, name: str) -> None:
    raw = value.encode()
    heads = [
        raw + b" / HTTP/1.1\r\nHost: h.example\r\n\r\n",
        b"GET /" + raw + b" HTTP/1.1\r\nHost: " + raw + b"\r\nContent-Type: " + raw + b"\r\n\r\n",
        b"CONNECT " + raw + b":443 HTTP/1.1\r\n\r\n",
        raw,
    ]
    talk = Talk()
    for number, head in enumerate(heads):
        one = Talk(sport=40_001 + number).open().say(head)
        one.answer(b"HTTP/1.1 200 " + raw + b"\r\nContent-Type: " + raw + b"\r\nContent-Length: 2\r\n\r\nok").close()
        talk.packets += one.packets
    talk.write(folder / name)


CSV = (
    "IPProto,SrcIP,SrcPort,DstIp,DstPort,UID,App,PackageName,Proto,Status,Info,BytesSent,BytesRcvd,PktsSent,PktsRcvd,"
    "FirstSeen,LastSeen\n"
)


def _csv(value: str) -> str:
    tail = "9,9,1,1,1780000000000,1780000001000"
    return CSV + "".join(
        f"6,10.0.0.2,{4000 + n},203.0.113.{n + 1},443,10100,{words},{tail}\n"
        for n, words in enumerate(
            (f"{value},{value},TLS,Closed,h.example", f"A,com.a,{value},{value},{value}", f"A,,TLS,Closed,{value}")
        )
    )


def _manifest(value: str) -> str:
    """Every field of a manifest that takes free text."""
    texts: dict[type, set[str]] = {
        Manifest: {"name", "made"},
        App: {"id", "name", "version", "build_sha256", "vendor", "installer"},
        Device: {"model", "system", "security_patch", "build", "locale", "timezone", "address"},
        Vantage: {"city"},
    }
    app_ = dict.fromkeys(texts[App], value) | {k: [value] for k in ("domains", "shared_with", "permissions")}
    made = {
        "format": 1,
        **dict.fromkeys(texts[Manifest], value),
        "app": app_ | {"granted": [value], "apks": [msgspec.to_builtins(Apk(name=value, sha256=value))]},
        "device": dict.fromkeys(texts[Device], value),
        "vantage": {"city": value},
        "tools": {value: value},
        "phases": [msgspec.to_builtins(Phase(phase=value, start=datetime.datetime.now(datetime.UTC), note=value))],
        "persona": "persona.yaml",
    }
    return yaml.safe_dump(made, allow_unicode=True)


@pytest.mark.parametrize("kind", VALUES)
def test_no_field_of_a_capture_carries_a_planted_value_out(tmp_path: Path, kind: str) -> None:
    value = VALUES[kind]
    capture = tmp_path / "capture"
    capture.mkdir()
    (capture / "persona.yaml").write_text(yaml.safe_dump(VALUES, allow_unicode=True), encoding="utf-8")
    (capture / "capture.yaml").write_text(_manifest(value), encoding="utf-8")
    (capture / "flows.mitm").write_bytes(dump(*_flows(value)))
    (capture / "events.jsonl").write_bytes(event_lines(*_events(value)))
    (capture / "messages.jsonl").write_bytes(json_lines(*_journal(value)))
    (capture / "a.har").write_bytes(_har(value))
    (capture / "list.csv").write_text(_csv(value), encoding="utf-8")
    (capture / "nothing.bin").write_bytes(value.encode() * 9)
    shutil.copy(capture / "flows.mitm", capture / f"{value}.mitm")
    shutil.copy(capture / "events.jsonl", capture / f"{value}.jsonl")
    _packets(capture, value, f"{value}.pcap")
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["audit", str(capture), "--out", str(out)])
    assert result.exit_code == 0, result.output
    made, _ = tables.read(out)
    assert all(made[n].num_rows for n in ("flows", "exchanges", "messages", "transmissions", "opaque", "losses"))
    texts = {"output": result.output, "names": "\n".join(map(str, out.rglob("*")))}
    texts |= {n: json.dumps(t.to_pylist(), default=str, ensure_ascii=False) for n, t in made.items()}
    texts |= {p.name: p.read_text("utf-8") for p in out.rglob("*") if p.suffix in (".html", ".json", ".csv")}
    assert {"audit.json", "report.html"} <= texts.keys()
    for place, text in texts.items():
        low = text.lower()
        for piece in PIECES:
            at = low.find(piece.lower())
            assert at < 0, f"{place}: {text[max(at - 150, 0) : at + 20]!r}"


def test_a_word_is_one_or_is_counted(tmp_path: Path) -> None:
    """A method that no client may send is null and counted, one that is only unknown stays."""
    flows = [tflow.tflow(resp=True) for _ in range(3)]
    flows[0].request.method, flows[1].request.method = "two words", "PROPFIND"
    flows[2].client_conn.alpn = b"\x8a\x8a"
    (tmp_path / "flows.mitm").write_bytes(dump(*flows))
    from analysis.audit import AuditOptions, run

    made, _ = run(tmp_path, AuditOptions())
    assert made["exchanges"]["method"].to_pylist() == [None, "PROPFIND", "GET"]
    lost = [(r["kind"], r["count"]) for r in made["losses"].to_pylist() if r["kind"] == "word_unreadable"]
    assert (("word_unreadable", 1)) in lost


def test_a_file_with_a_planted_name_is_found_again_by_its_octets(tmp_path: Path) -> None:
    """Tables hold another name for it; its origins lead back all the same."""
    capture = tmp_path / "capture"
    capture.mkdir()
    (capture / "persona.yaml").write_text(yaml.safe_dump(VALUES, allow_unicode=True), encoding="utf-8")
    (capture / "capture.yaml").write_text("format: 1\npersona: persona.yaml\n", encoding="utf-8")
    octets = dump(tflow.tflow(resp=True))
    for name in (f"{VALUES['email']}.mitm", f"{VALUES['email']}x.mitm"):
        (capture / name).write_bytes(octets)
    out = tmp_path / "out"
    assert CliRunner().invoke(app, ["audit", str(capture), "--out", str(out)]).exit_code == 0
    made, _ = tables.read(out)
    assert len(set(made["sources"]["file"].to_pylist())) == 2
    for origin in made["exchanges"]["origin"].to_pylist():
        shown = CliRunner().invoke(app, ["show", str(out), origin, "--json"])
        assert shown.exit_code == 0, shown.output
