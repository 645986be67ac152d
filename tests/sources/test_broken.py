"""Whatever the octets: a capture is read, in part or whole, or refused in one sentence, and the sums hold."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.test import tflow

from analysis.model import InputError
from analysis.sources import Options
from analysis.sources.har_entries import Splitter
from analysis.sources.octets import Octets, Text
from tests.road import REAL
from tests.sources.made import check_laws, dump, entry, event_lines, gather, har, json_lines, needs_real

_LITERALS = (
    b"0:~",
    b"4:true!",
    b"1:7#",
    b"3:nan^",
    b"3:inf^",
    b"5:1e300^",
    b"2:-1#",
    b"0:]",
    b"0:}",
    b"0:,",
    b"3:abc;",
)


def damage(data: bytes, chance: random.Random) -> bytes:
    """The data with some octets changed, taken out, put in or copied, and values of a tnetstring exchanged."""
    octets = bytearray(data)
    for _ in range(chance.choice((1, 1, 3, 30))):
        at = chance.randrange(len(octets))
        match chance.randrange(5):
            case 0:
                octets[at] = chance.randrange(256)
            case 1:
                del octets[at : at + chance.randrange(200)]
            case 2:
                octets[at:at] = bytes(chance.choice(b'"{}[],:;~#^!\\0123nu\xff') for _ in range(chance.randrange(1, 8)))
            case 3:
                octets[at : at + 10] = octets[(other := chance.randrange(len(octets))) : other + 10]
            case _:
                found = list(re.finditer(rb"\d+:[^:]{0,12}[#^!~;]", bytes(octets)))
                if found:
                    one = chance.choice(found)
                    octets[one.start() : one.end()] = chance.choice(_LITERALS)
        if not octets:
            octets += b"{"
    if data[:1].isdigit() and chance.random() < 0.5:
        # The first record's length mended, so that what is wrong within it is met.
        body = bytes(octets).partition(b":")[2]
        octets = bytearray(str(len(body) - 1).encode() + b":" + body)
    return bytes(octets)


def survives(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        seen = gather(path, Options(batch=7))
    except InputError:
        return
    check_laws(seen, path)


def made_here() -> list[bytes]:
    frames = [{"type": "send", "time": 1, "opcode": 2, "data": "AAAA"}]
    entries = [
        entry(f"https://h{n}.example/p?q={n}", connection=str(n % 2), _webSocketMessages=frames) for n in range(4)
    ]
    events = [
        {"type": "connection", "at": 1_772_359_200_000_000, "client": ["10.0.0.2", 1], "bytes_out": n} for n in range(4)
    ]
    lines = [{"flow": "f", "direction": "sent", "index": n, "kind": "tcp", "data": "AAAA"} for n in range(4)]
    flows = (
        tflow.tflow(resp=True),
        tflow.twebsocketflow(),
        tflow.ttcpflow(),
        tflow.tudpflow(),
        tflow.tdnsflow(resp=True),
    )
    return [har(*entries), dump(*flows), event_lines(*events), json_lines(*lines)]


@pytest.mark.slow
@pytest.mark.parametrize("which", range(4))
def test_damaged_files_made_here(tmp_path: Path, which: int) -> None:
    data, chance = made_here()[which], random.Random(which)
    for _ in range(400):
        survives(tmp_path / "a", damage(data, chance))


@pytest.mark.slow
@needs_real
@pytest.mark.parametrize(
    "name", ["charles.har", "postdata.har", "dumpfile-018.mitm", "dumpfile-7-websocket.mitm", "websocket.mitm"]
)
def test_damaged_files_of_others(tmp_path: Path, name: str) -> None:
    data, chance = (REAL / "mitmproxy" / name).read_bytes(), random.Random(name)
    for _ in range(150):
        survives(tmp_path / "a", damage(data, chance))


@pytest.mark.slow
@needs_real
@pytest.mark.parametrize(
    "name", ["charles.har", "chrome.har", "dumpfile-7.mitm", "websocket.mitm", "dumpfile-018.mitm"]
)
def test_files_cut_anywhere(tmp_path: Path, name: str) -> None:
    data = (REAL / "mitmproxy" / name).read_bytes()
    for end in range(0, len(data), max(len(data) // 150, 1)):
        survives(tmp_path / "a", data[:end])


@pytest.mark.parametrize(
    "start", [b'{"log":{"entries":[', b"100:7:version;2:21#", b'{"type":"phase","prev":"', b'{"flow":"f","type":"']
)
@given(rest=st.binary(max_size=200))
def test_any_octets_after_a_good_beginning(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes) -> None:
    survives(tmp_path_factory.getbasetemp() / "a", start + rest)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
_KEYS = (
    "startedDateTime",
    "time",
    "request",
    "response",
    "serverIPAddress",
    "connection",
    "_webSocketMessages",
    "timings",
)
_REQUEST = (
    "method",
    "url",
    "httpVersion",
    "headers",
    "queryString",
    "cookies",
    "postData",
    "bodySize",
    "headersSize",
    "_content",
)
_RESPONSE = ("status", "httpVersion", "headers", "cookies", "content", "bodySize", "headersSize", "_error")


@given(
    st.dictionaries(st.sampled_from(_KEYS), _JSON),
    st.dictionaries(st.sampled_from(_REQUEST), _JSON),
    st.dictionaries(st.sampled_from(_RESPONSE), _JSON),
    st.dictionaries(st.sampled_from(("text", "params", "mimeType", "encoding", "size")), _JSON),
)
def test_any_json_in_any_field(tmp_path_factory: pytest.TempPathFactory, e: dict, q: dict, r: dict, body: dict) -> None:
    made = e | {"request": {"url": "https://a.example/", "postData": body} | q, "response": {"content": body} | r}
    survives(tmp_path_factory.getbasetemp() / "b", har(made))


@given(st.lists(_JSON, max_size=6), st.integers(1, 40))
def test_the_splitter_cuts_as_a_parser_would(
    tmp_path_factory: pytest.TempPathFactory, entries: list, step: int
) -> None:
    """Each element comes out with its own octets, wherever the chunks of the file end."""
    import json

    data = har(*entries)
    path = tmp_path_factory.getbasetemp() / "c"
    path.write_bytes(data)
    with Octets(path) as octets:
        text = Text(octets)
        rest = iter([data[n : n + step] for n in range(0, len(data), step)])
        text.read = lambda: next(rest, b"")  # type: ignore[method-assign]
        splitter = Splitter(text, 1 << 30)
        cut = [e for e in splitter if e.of == "entries"]
    assert splitter.closed
    assert len(cut) == len(entries)
    for one, value in zip(cut, entries, strict=True):
        if isinstance(value, (dict, list)):
            assert data[one.start : one.start + one.length] == one.raw == json.dumps(value).encode()
