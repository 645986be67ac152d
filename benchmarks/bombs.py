"""What small captures of ill will cost, beside the budget: 2 s and 1 s a MB of CPU, 300 MB and twice their size.

``PYTHONPATH=. .venv/bin/python benchmarks/bombs.py [WORD ...]``: every bomb whose name holds one of the words (all
without) is written to a folder of its own and audited by a process of its own; then ``info`` and ``show`` of its first
origin. CPU seconds are user and system time of the process and of all that it started. A line begins with ``!`` where
something is over the budget. Bombs come from a fixed seed."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

MB = 1_000_000
BUDGET = (2.0, 1.0, 300, 2)
"""CPU seconds, CPU seconds a MB, MB of memory, and MB of memory a MB."""
_LINTAS = [str(Path(sys.executable).with_name("lintas"))]

Writer = Callable[[Path], Path]
BOMBS: dict[str, Writer] = {}


def bomb(name: str, file: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Register what gives the octets of one file."""

    def register(give: Callable[[], bytes]) -> Callable[[], bytes]:
        def write(folder: Path) -> Path:
            (folder / file).write_bytes(give())
            return folder / file

        BOMBS[name] = write
        return give

    return register


# ------------------------------------------------------------------------------------------------------------- HAR


def entry(body: str = "", kind: str = "application/json", **more: Any) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": "POST",
        "url": more.get("url", "https://api.shop.example/v1"),
        "httpVersion": "HTTP/1.1",
        "headers": [{"name": "Content-Type", "value": kind}, *more.get("headers", [])],
        "queryString": [],
        "cookies": [],
        "headersSize": -1,
        "bodySize": len(body),
        "postData": {"mimeType": kind, "text": body},
    }
    if more.get("base64"):
        request["postData"]["encoding"] = "base64"
    return {
        "startedDateTime": "2026-03-01T10:00:00.000Z",
        "time": 10,
        "request": request,
        "response": {
            "status": 200,
            "statusText": "OK",
            "httpVersion": "HTTP/1.1",
            "headers": more.get("answers", []),
            "cookies": [],
            "content": more.get("content", {"size": 2, "mimeType": "text/plain", "text": "ok"}),
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": 2,
        },
        "cache": {},
        "timings": {"send": 1, "wait": 8, "receive": 1},
        "serverIPAddress": "93.184.216.34",
    }


def har(*entries: dict[str, Any]) -> bytes:
    log = {"version": "1.2", "creator": {"name": "bombs", "version": "1"}, "entries": list(entries)}
    return json.dumps({"log": log}).encode()


def har_bomb(name: str, kind: str = "application/json") -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register a body that one entry of a HAR carries."""

    def register(give: Callable[[], str]) -> Callable[[], str]:
        bomb(f"har: {name}", "bomb.har")(lambda: har(entry(give(), kind)))
        return give

    return register


def answer(name: str, kind: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register a body that one answer carries."""

    def register(give: Callable[[], str]) -> Callable[[], str]:
        def whole() -> bytes:
            text = give()
            return har(entry("{}", content={"size": len(text), "mimeType": kind, "text": text}))

        bomb(f"har: {name}", "bomb.har")(whole)
        return give

    return register


har_bomb("{}, in a list")(lambda: "[" + "{}," * (300_000) + "{}]")
har_bomb("1, in a list")(lambda: "[" + "1," * 450_000 + "1]")
har_bomb("lists within lists")(lambda: "[" * 450_000 + "]" * 450_000)
har_bomb("objects within objects")(lambda: '{"a":' * 150_000 + "1" + "}" * 150_000)
har_bomb('"\\n" in a list')(lambda: "[" + '"\\n",' * 180_000 + "1]")
har_bomb("JSON in JSON strings")(lambda: "[" + '"[1]",' * 150_000 + "1]")
har_bomb("escaped JSON in strings")(lambda: "[" + '"{\\"a\\":1}",' * 75_000 + "1]")
har_bomb("base64 strings")(lambda: "[" + '"aGVsbG8gd29ybGQh",' * 47_000 + "1]")
har_bomb("percent strings")(lambda: "[" + '"a%20b%20c",' * 75_000 + "1]")
har_bomb("mails")(lambda: "[" + '"ab@cd.de",' * 80_000 + "1]")
har_bomb("mails under keys")(lambda: "[" + '{"email":"ab@cd.de"},' * 40_000 + "1]")
har_bomb("keys, all different")(lambda: "{" + ",".join(f'"k{n}":1' for n in range(80_000)) + "}")
har_bomb("one long key")(lambda: '{"' + "a" * 900_000 + '":1}')
har_bomb("one long string")(lambda: '"' + "a" * 900_000 + '"')
har_bomb("one long string of escapes")(lambda: '"' + "\\u0041" * 150_000 + '"')
har_bomb("one long word of hex")(lambda: '"' + "0a" * 450_000 + '"')
har_bomb("one long number")(lambda: "[" + "9" * 900_000 + "]")
har_bomb("digits and spaces")(lambda: '["' + "1 " * 450_000 + '"]')
har_bomb("numbers of telephones")(lambda: "[" + '"+62 812 3456 789",' * 45_000 + "1]")
har_bomb("at signs")(lambda: '["' + "a@" * 450_000 + '"]')
har_bomb("a=%31&", "application/x-www-form-urlencoded")(lambda: "a=%31&" * 150_000)
har_bomb("a=1&", "application/x-www-form-urlencoded")(lambda: "a=1&" * 225_000)
har_bomb("XML elements", "application/xml")(lambda: "<a>" + "<b>c</b>" * 112_000 + "</a>")
har_bomb("XML nested", "application/xml")(lambda: "<a>" * 120_000 + "</a>" * 120_000)
har_bomb("XML entities", "application/xml")(
    lambda: (
        "<!DOCTYPE a ["
        '<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
        + "]><a>&j;</a>"
    )
)
har_bomb("XML attributes", "application/xml")(lambda: "<a " + " ".join(f'b{n}="c"' for n in range(80_000)) + "/>")
answer("events of one octet", "text/event-stream")(lambda: "data: x\n\n" * 100_000)
answer("one event of many lines", "text/event-stream")(lambda: "data: x\n" * 112_000)
har_bomb("multipart, 9,000 parts", "multipart/form-data; boundary=b")(
    lambda: "".join(f'--b\r\nContent-Disposition: form-data; name="p{n}"\r\n\r\nv\r\n' for n in range(9_000)) + "--b--"
)
har_bomb("multipart, 40,000 parts", "multipart/form-data; boundary=b")(lambda: "--b\r\n\r\nv\r\n" * 40_000 + "--b--")
har_bomb("multipart in multipart", "multipart/mixed; boundary=b0")(
    lambda: "".join(f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n + 1}\r\n\r\n" for n in range(12_000))
)
har_bomb("plain text", "text/plain")(lambda: "word " * 180_000)
har_bomb("text of brackets", "text/plain")(lambda: "[{" * 450_000)
har_bomb("text of quotes", "text/plain")(lambda: '{"a":"' * 150_000)


def packed(data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = gzip.compress(data, 9)
    return data


def _packed_entry(data: bytes, times: int) -> dict[str, Any]:
    text = base64.b64encode(packed(data, times)).decode()
    return entry(
        text,
        "application/json",
        base64=True,
        headers=[{"name": "Content-Encoding", "value": ", ".join(["gzip"] * times)}],
    )


@bomb("har: packed thrice, 500 entries", "bomb.har")
def _thrice() -> bytes:
    one = _packed_entry(json.dumps(["x" * 100] * 300_000).encode(), 3)
    return har(*[one] * 500)


@bomb("har: packed, 8 MB of words each, 400 entries", "bomb.har")
def _eight() -> bytes:
    one = _packed_entry(json.dumps({"a": "word " * 1_580_000}).encode(), 2)
    return har(*[one] * 400)


@bomb("har: packed, 480,000 numbers each, 300 entries", "bomb.har")
def _numbers() -> bytes:
    one = _packed_entry(b"[" + b"1," * 480_000 + b"1]", 2)
    return har(*[one] * 300)


@bomb("har: packed values in values, 200 entries", "bomb.har")
def _values() -> bytes:
    inner = gzip.compress(b'{"k":"' + b"A" * 2_000_000 + b'"}', 9)
    middle = gzip.compress(json.dumps([base64.b64encode(inner).decode()] * 200).encode(), 9)
    return har(*[entry(json.dumps({"d": [base64.b64encode(middle).decode()] * 4}))] * 200)


@bomb("har: zstd and brotli chains", "bomb.har")
def _chains() -> bytes:
    import brotli
    import zstandard

    data = b"[" + b'{"a":"b"},' * 2_000_000 + b"1]"
    made = []
    for coding, pack in (("br", brotli.compress), ("zstd", zstandard.compress), ("deflate", zlib.compress)):
        text = base64.b64encode(pack(pack(data))).decode()
        headers = [{"name": "Content-Encoding", "value": f"{coding}, {coding}"}]
        made += [entry(text, base64=True, headers=headers)] * 60
    return har(*made)


bomb("har: 3,000 entries", "bomb.har")(lambda: har(*[entry("{}")] * 1_200))
bomb("har: entries that are numbers", "bomb.har")(
    lambda: b'{"log":{"version":"1.2","creator":{},"entries":[' + b"1," * 450_000 + b"1]}}"
)
bomb("har: entries that are {}", "bomb.har")(
    lambda: b'{"log":{"version":"1.2","creator":{},"entries":[' + b"{}," * 300_000 + b"{}]}}"
)
bomb("har: hosts, all different", "bomb.har")(
    lambda: har(*[entry("{}", url=f"https://h{n}.example/") for n in range(1_000)])
)
bomb("har: 40,000 headers", "bomb.har")(
    lambda: har(entry("{}", headers=[{"name": "X-A", "value": "b"} for _ in range(28_000)]))
)
bomb("har: a header of 1 MB", "bomb.har")(lambda: har(entry("{}", headers=[{"name": "X-A", "value": "b" * 900_000}])))
bomb("har: a cookie of 100,000 pairs", "bomb.har")(
    lambda: har(entry("{}", headers=[{"name": "Cookie", "value": "; ".join(f"a{n}=1" for n in range(100_000))}]))
)
bomb("har: a query of 100,000 fields", "bomb.har")(
    lambda: har(entry("{}", url="https://api.shop.example/?" + "&".join(f"a{n}=1" for n in range(100_000))))
)
bomb("har: a path of 200,000 parts", "bomb.har")(
    lambda: har(entry("{}", url="https://api.shop.example" + "/a%41" * 150_000))
)
bomb("har: a host of 1 MB", "bomb.har")(lambda: har(entry("{}", url="https://" + "a." * 450_000 + "example/")))
bomb("har: protobuf in protobuf", "bomb.har")(
    lambda: har(entry(base64.b64encode(_protobuf(60_000)).decode(), "application/x-protobuf", base64=True))
)
bomb("har: protobuf of small fields", "bomb.har")(
    lambda: har(entry(base64.b64encode(b"\x08\x01" * 330_000).decode(), "application/x-protobuf", base64=True))
)
bomb("har: grpc of empty messages", "bomb.har")(
    lambda: har(entry(base64.b64encode(bytes(5) * 130_000).decode(), "application/grpc", base64=True))
)


def _protobuf(times: int) -> bytes:
    """Messages within messages, as far as a length of three octets lets them."""
    data = b""
    for _ in range(times):
        size, number = b"", len(data)
        while number > 127:
            size += bytes([number & 127 | 128])
            number >>= 7
        data = b"\x0a" + size + bytes([number]) + data
        if len(data) > 600_000:
            break
    return data


# --------------------------------------------------------------------------------------------- dumps and journals


def _flow(number: int, body: bytes = b"{}", **headers: str) -> Any:
    from mitmproxy.test import tflow, tutils

    fields = [(b"Content-Type", b"application/json"), *((k.encode(), v.encode()) for k, v in headers.items())]
    from mitmproxy.http import Headers

    request = tutils.treq(host="api.shop.example", path=f"/{number}".encode(), content=body, headers=Headers(fields))
    flow = tflow.tflow(req=request, resp=True)
    flow.id = f"{number:032x}"
    return flow


def _dump(flows: list[Any]) -> bytes:
    from mitmproxy.io import FlowWriter

    out = io.BytesIO()
    writer = FlowWriter(out)
    for flow in flows:
        writer.add(flow)
    return out.getvalue()


bomb("dump: 500 tiny flows", "bomb.mitm")(lambda: _dump([_flow(n) for n in range(500)]))
bomb("dump: 300 bodies packed thrice", "bomb.mitm")(
    lambda: _dump([_flow(n, _packed_body(), **{"Content-Encoding": "gzip, gzip, gzip"}) for n in range(300)])
)


def _packed_body() -> bytes:
    if not _MADE:
        _MADE.append(packed(json.dumps(["x" * 100] * 70_000).encode(), 3))
    return _MADE[0]


_MADE: list[bytes] = []


@bomb("dump: lists within lists", "bomb.mitm")
def _nested_dump() -> bytes:
    data = b"0:]"
    while len(data) < 100_000:
        data = b"%d:" % len(data) + data + b"]"
    inner = b"1:a;" + data
    return b"%d:" % len(inner) + inner + b"}"


bomb("dump: a list of a million nulls", "bomb.mitm")(
    lambda: (lambda inner: b"%d:" % len(inner) + inner + b"}")(
        (lambda nulls: b"7:version;" + b"%d:" % len(nulls) + nulls + b"]")(b"0:~" * 330_000)
    )
)
bomb("dump: lengths that lie", "bomb.mitm")(lambda: b"99999999:7:version;2:20#" + b"9:a;" * 200_000)
bomb("dump: many flows that are none", "bomb.mitm")(lambda: b"13:1:a;1:1#1:b;}" * 60_000)


def journal(name: str, lines: Callable[[], bytes], file: str = "events.jsonl") -> None:
    bomb(name, file)(lines)


_EVENT = b'{"type":"mark","at":1767225600000000,"prev":"' + b"0" * 64 + b'","note":"x"}\n'
journal("events: many marks", lambda: _EVENT * 8_000)
journal("events: one long line", lambda: _EVENT + b'{"type":"' + b"a" * 900_000 + b'"}\n')
journal("events: lines of {}", lambda: _EVENT + b"{}\n" * 300_000)
journal("events: empty lines", lambda: _EVENT + b"\n" * 900_000)
journal("events: lists within lists", lambda: _EVENT + b"[" * 450_000 + b"]" * 450_000 + b"\n")
_MESSAGE = (
    b'{"type":"websocket","flow":"f%d","connection":"c","index":%d,"at":1767225600000000,"from_client":true,'
    b'"data":"e30=","text":true}\n'
)
journal(
    "messages: many of two octets",
    lambda: b"".join(_MESSAGE % (n % 7, n // 7) for n in range(7_000)),
    "messages.jsonl",
)

# --------------------------------------------------------------------------------------------------------- packets


def _ip(payload: bytes, protocol: int, number: int = 1, fragment: int = 0, source: int = 0) -> bytes:
    src = bytes([10, 0, source >> 8 & 255, source & 255])
    size = 20 + len(payload)
    return (
        struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, number, fragment, 64, protocol, 0, src, b"\x5d\xb8\xd8\x22")
        + payload
    )


def _tcp(payload: bytes, sport: int, number: int, flags: int = 0x18, dport: int = 80) -> bytes:
    return struct.pack("!HHIIBBHHH", sport, dport, number & 0xFFFFFFFF, 1, 0x50, flags, 8192, 0, 0) + payload


def _udp(payload: bytes, sport: int, dport: int) -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def pcap(packets: list[bytes]) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    return head + b"".join(
        struct.pack("<IIII", 1_767_225_600 + n // 1000, n % 1000 * 1000, len(p), len(p)) + p
        for n, p in enumerate(packets)
    )


def pcapng(packets: list[bytes]) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 101, 0, 65535))
    return out + b"".join(block(6, struct.pack("<IIIII", 0, 0, n, len(p), len(p)) + p) for n, p in enumerate(packets))


def _random(size: int) -> bytes:
    return random.Random(5).randbytes(size)


bomb("pcap: 15,000 flows of a SYN", "bomb.pcap")(
    lambda: pcap([_ip(_tcp(b"", 1024 + n % 60_000, 1, 2), 6, source=n // 60_000) for n in range(15_000)])
)
bomb("pcap: 15,000 flows over UDP", "bomb.pcap")(
    lambda: pcap([_ip(_udp(b"x", 1024 + n % 60_000, 999), 17) for n in range(15_000)])
)
bomb("pcapng: 12,000 flows of a SYN", "bomb.pcapng")(
    lambda: pcapng([_ip(_tcp(b"", 1024 + n, 1, 2), 6) for n in range(12_000)])
)
bomb("pcapng: empty blocks", "bomb.pcapng")(lambda: pcapng([]) + struct.pack("<III", 0xBAD, 12, 12) * 75_000)
bomb("pcapng: interfaces", "bomb.pcapng")(
    lambda: pcapng([]) + struct.pack("<IIHHII", 1, 20, 101, 0, 65535, 20) * 45_000
)
_POST = b"POST /v1 HTTP/1.1\r\nHost: api.shop.example\r\nContent-Length: 900000\r\n\r\n"
bomb("pcap: segments that overlap", "bomb.pcap")(
    lambda: pcap([_ip(_tcp(_POST, 2000, 1), 6)] + [_ip(_tcp(b"a" * 1000, 2000, 2 + n * 3), 6) for n in range(880)])
)
bomb("pcap: segments of one octet, backwards", "bomb.pcap")(
    lambda: pcap([_ip(_tcp(b"a", 2000, 20_000 - n), 6) for n in range(15_000)])
)
bomb("pcap: segments with holes", "bomb.pcap")(lambda: pcap([_ip(_tcp(b"a", 2000, n * 2), 6) for n in range(15_000)]))
bomb("pcap: fragments that never end", "bomb.pcap")(
    lambda: pcap([_ip(b"a" * 8, 17, n % 60_000, 0x2000 | 3) for n in range(18_000)])
)
bomb("pcap: fragments that overlap", "bomb.pcap")(
    lambda: pcap([_ip(b"a" * 16, 17, 7, 0x2000 | n % 8000) for n in range(16_000)])
)
_LOOP = (
    b"\x00\x01\x81\x80\x00\x01\x00\x10\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"
    + b"\xc0\x0c\x00\x01\x00\x01\0\0\0\1\0\4\1\2\3\4" * 16
)
bomb("pcap: names in DNS that loop", "bomb.pcap")(
    lambda: pcap([_ip(_udp(_LOOP, 53, 3000 + n), 17) for n in range(2_800)])
)
bomb("pcap: QUIC that begins", "bomb.pcap")(
    lambda: pcap(
        [
            _ip(_udp(b"\xc3\0\0\0\1\x08" + n.to_bytes(8) + b"\0\0\x44\x8e" + _random(1_166), 3000 + n, 443), 17)
            for n in range(750)
        ]
    )
)
_HELLO = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc"
bomb("pcap: hellos that are not whole", "bomb.pcap")(
    lambda: pcap([_ip(_tcp(_HELLO + b"a" * 40, 1024 + n, 1, dport=443), 6) for n in range(7_000)])
)
bomb("pcap: requests of 40 octets", "bomb.pcap")(
    lambda: pcap(
        [_ip(_tcp(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n" * 25, 2000, 1 + n * 875), 6) for n in range(900)]
    )
)
bomb("pcap: chunks of one octet", "bomb.pcap")(
    lambda: pcap(
        [_ip(_tcp(b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n", 2000, 1), 6)]
        + [_ip(_tcp(b"1\r\na\r\n" * 200, 2000, 66 + n * 1200), 6) for n in range(700)]
    )
)
_WS = (
    b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
bomb("pcap: frames of no octets", "bomb.pcap")(
    lambda: pcap(
        [
            _ip(_tcp(_WS, 2000, 1), 6),
            *[_ip(_tcp(b"\x81\x80abcd" * 200, 2000, 1 + len(_WS) + n * 1200), 6) for n in range(700)],
        ]
    )
)

# ------------------------------------------------------------------------------------------- sessions of other tools


def _saz(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


_QUESTION = (
    b"POST http://api.shop.example/ HTTP/1.1\r\nHost: api.shop.example\r\nContent-Type: application/json\r\n\r\n"
)
_ANSWER = b"HTTP/1.1 200 OK\r\n\r\n"
_NOTES = b'<?xml version="1.0"?><Session SID="1"></Session>'


def _sessions(count: int, body: bytes) -> dict[str, bytes]:
    made: dict[str, bytes] = {}
    for n in range(1, count + 1):
        made |= {f"raw/{n}_c.txt": _QUESTION + body, f"raw/{n}_s.txt": _ANSWER, f"raw/{n}_m.xml": _NOTES}
    return made


bomb("saz: 100 MB of zeros in one", "bomb.saz")(lambda: _saz(_sessions(1, bytes(100 * MB))))
bomb("saz: 300 of 8 MB of zeros", "bomb.saz")(lambda: _saz(_sessions(120, bytes(8 * MB))))
bomb("saz: 200 of 100,000 numbers", "bomb.saz")(lambda: _saz(_sessions(200, b"[" + b"1," * 100_000 + b"1]")))
bomb("saz: 1,500 sessions", "bomb.saz")(lambda: _saz(_sessions(1_500, b"{}")))
bomb("saz: 8,000 other members", "bomb.saz")(
    lambda: _saz(_sessions(1, b"{}") | {f"raw/{n}.x": b"" for n in range(8_000)})
)
_CHARLES = {
    "status": "COMPLETE",
    "method": "GET",
    "protocolVersion": "HTTP/1.1",
    "scheme": "https",
    "host": "api.shop.example",
    "actualPort": 443,
    "path": "/",
    "query": None,
    "times": {"start": "2026-03-01T10:00:00.000+00:00"},
    "durations": {"total": 1},
    "request": {"header": {"headers": []}, "sizes": {"body": 0}},
    "response": {"status": 200, "header": {"headers": []}, "sizes": {"body": 0}},
}
bomb("chlsj: 1,500 elements", "bomb.chlsj")(lambda: json.dumps([_CHARLES] * 1_500).encode())
bomb("chlsj: elements that are {}", "bomb.chlsj")(
    lambda: json.dumps([_CHARLES]).encode()[:-1] + b",{}" * 300_000 + b"]"
)
_CSV = (
    b"IPProto,SrcIP,SrcPort,DstIp,DstPort,UID,App,PackageName,Proto,Status,Info,BytesSent,BytesRcvd,"
    b"PktsSent,PktsRcvd,FirstSeen,LastSeen\n"
)
_ROW = b"6,10.0.0.1,%d,93.184.216.34,443,1,A,a.b,TLS,CLOSED,h%d.example,9,9,1,1,1767225600000,1767225600001\n"
bomb("connections: 9,000 rows", "bomb.csv")(lambda: _CSV + b"".join(_ROW % (n, n) for n in range(9_000)))
bomb("connections: one line of 1 MB", "bomb.csv")(lambda: _CSV + _ROW % (1, 1) + b"a" * 900_000)
bomb("connections: 400,000 columns", "bomb.csv")(lambda: _CSV + b"," * 900_000 + b"\n")
bomb("connections: columns in the heading", "bomb.csv")(
    lambda: _CSV[:-1] + b",x" * 30_000 + b"\n" + (_ROW % (1, 1)) * 5_000
)

# --------------------------------------------------------------------------------------------------------- folders


def folder_bomb(name: str, **files: Callable[[], bytes]) -> None:
    """Register a capture folder with one plain HAR and files of ill will beside it."""

    def write(folder: Path) -> Path:
        place = folder / "capture"
        place.mkdir()
        (place / "a.har").write_bytes(har(entry("{}")))
        for file, give in files.items():
            (place / file.replace("__", ".")).write_bytes(give())
        return place

    BOMBS[name] = write


def _aliases() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines).encode()


folder_bomb("folder: aliases of aliases in capture.yaml", capture__yaml=lambda: b"format: 1\n" + _aliases())
folder_bomb("folder: 900 kB of capture.yaml", capture__yaml=lambda: b"format: 1\nx: [" + b"{a: 1}," * 120_000 + b"]\n")
folder_bomb("folder: lists within lists in capture.yaml", capture__yaml=lambda: b"format: 1\nx: " + b"[" * 400_000)
folder_bomb(
    "folder: aliases in persona.yaml",
    capture__yaml=lambda: b"format: 1\npersona: persona.yaml\n",
    persona__yaml=_aliases,
)
folder_bomb(
    "folder: a persona of 20,000 values",
    capture__yaml=lambda: b"format: 1\npersona: persona.yaml\n",
    persona__yaml=lambda: b"".join(b"name%d: someone%d@mail.example\n" % (n, n) for n in range(20_000)),
)

# ------------------------------------------------------------------------------------------------------- measuring


def measured(command: list[str], most: float = 300) -> tuple[float, float, int, str]:
    """CPU seconds and MB of memory of a command and all that it starts, its code, and what it printed last. A command
    that goes on for ``most`` CPU seconds is ended."""

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(most), int(most)))

    # As it is installed: with its code compiled.
    told = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": tempfile.gettempdir() + "/lintas-pyc"}
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=told, preexec_fn=bounded)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(max(out.seek(0, 2) - 4_000, 0))
        text = out.read().decode("utf-8", "replace")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, text


def _losses(audit: Path) -> tuple[str, str]:
    """The losses of an audit by kind, and an origin of it."""
    import pyarrow.parquet as pq

    if not (audit / "losses.parquet").exists():
        return "no audit", ""
    kinds: dict[str, int] = {}
    for row in pq.read_table(audit / "losses.parquet").to_pylist():
        kinds[row["kind"]] = kinds.get(row["kind"], 0) + row["count"]
    origins = pq.read_table(audit / "messages.parquet", columns=["origin"])["origin"].to_pylist()
    return ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items())), origins[0] if origins else ""


def run(name: str) -> str:
    """The line of one bomb."""
    with tempfile.TemporaryDirectory(prefix="lintas-bomb-") as where:
        folder = Path(where)
        path = BOMBS[name](folder)
        files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        size = sum(p.stat().st_size for p in files) / MB
        out = folder / "audit"
        cells, over = [], False
        origin = losses = ""
        commands = {"audit": ["audit", str(path), "--out", str(out)], "info": ["info", str(path)]}
        for word in ("audit", "info", "report", "show"):
            if word == "audit":
                most = (BUDGET[0] + BUDGET[1] * size, BUDGET[2] + BUDGET[3] * size)
            if word in ("report", "show") and losses == "no audit":
                continue
            if word == "report":
                commands[word] = ["report", str(out)]
            if word == "show":
                if not origin:
                    continue
                commands[word] = ["show", str(out), origin]
            cpu, rss, code, text = measured([*_LINTAS, *commands[word]])
            if word == "audit":
                losses, origin = _losses(out)
            over = over or cpu > most[0] or rss > most[1] or code not in (0, 2) or "defect of Lintas" in text
            cells.append(f"{cpu:.1f} s {rss:.0f} MB" + (f" ({code})" if code else ""))
        shutil.rmtree(out, ignore_errors=True)
        mark = "!" if over else " "
        return f"{mark} | {name} | {size:.2f} | {most[0]:.1f} s {most[1]:.0f} MB | {' | '.join(cells)} | {losses}"


def main() -> None:
    words = sys.argv[1:]
    print("  | bomb | MB | budget | audit | info | report | show | losses")
    for name in BOMBS:
        if not words or any(word in name for word in words):
            print(run(name), flush=True)


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s")
