"""Small captures of every kind that a user may hand over, from which a fuzzer begins. All of them are made here."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from mitmproxy.test import tflow

from analysis import tables
from analysis.audit import AuditOptions, run
from analysis.reference import OVERLAYS
from analysis.reference.load import HERE, plain
from tests.packets.reading import pcap_octets
from tests.packets.shakes import client_hello
from tests.packets.talk import Talk
from tests.packets.test_frames import block, enhanced, interface, layers, section
from tests.packets.test_protocols import h2_pair, h2_talk, talk_websocket
from tests.packets.test_quic import frame, speak
from tests.packets.test_wrappings import opened
from tests.sources.made import dump, entry, event_lines, har, json_lines

AT = 1_772_359_200_000_000
PLANTED = "sari.wahyuni@surel.example"
"""The value that is planted, which no output may hold."""
PERSONA = f"email: {PLANTED}\ngps: '-6.2146, 106.8277'\n"
_BODY = json.dumps({"user": {"email": PLANTED, "lat": -6.2146, "lng": 106.8277}, "device": {"imei": "356938035643809"}})


HAR = har(
    entry(
        "https://api.shop.example/v1/track?lat=-6.2146&lng=106.8277",
        request={
            "method": "POST",
            "headers": [{"name": "User-Agent", "value": "Shop/1.0 (com.example.shop; iOS 17.2)"}],
            "postData": {"mimeType": "application/json", "text": _BODY},
        },
    ),
    entry("https://graph.facebook.com/v1/activities?advertiser_id=38400000-8cf0-11bd-b23e-10b96e40000d"),
)
"""A capture that personal data stands in, for what a capture has one of."""


def _har() -> list[bytes]:
    posted = entry(
        request={
            "method": "POST",
            "headers": [{"name": "Content-Type", "value": "application/json"}],
            "postData": {"mimeType": "application/json", "text": _BODY},
            "bodySize": len(_BODY),
        }
    )
    failed = entry("https://ads.example/x", response={"status": 0, "_error": "net::ERR_BLOCKED_BY_CLIENT"})
    answer = entry(response={"content": {"size": 12, "text": "eyJhIjoxfQ==", "encoding": "base64"}})
    socket = entry("wss://ws.example/", _webSocketMessages=[{"type": "send", "time": 1.5, "opcode": 1, "data": _BODY}])
    return [har(posted), har(failed, answer), har(socket), har(entry(), creator="ProxyPin")]


def _mitm() -> list[bytes]:
    plain = tflow.tflow(resp=True)
    plain.request.content = _BODY.encode()
    plain.request.headers["content-type"] = "application/json"
    return [
        dump(plain),
        dump(tflow.twebsocketflow()),
        dump(tflow.ttcpflow(), tflow.tudpflow()),
        dump(tflow.tdnsflow(resp=True), tflow.tflow(err=True)),
    ]


def _pcap() -> list[bytes]:
    request = (
        f"POST /v1?imei=356938035643809 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {len(_BODY)}\r\n\r\n{_BODY}"
    )
    http = Talk().open().say(request.encode()).answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").close()
    tls = Talk(dport=443).open().say(client_hello("api.example")).close()
    gap = Talk(mss=200).open().say(request.encode())
    del gap.packets[4]
    socket, _ = talk_websocket(True, True, 1400)
    phone, server = h2_pair()
    streams = Talk().open()
    phone.initiate_connection()
    server.initiate_connection()
    h2_talk(streams, phone, server, 1)
    made = [pcap_octets(talk.packets, 101) for talk in (http, tls, gap, socket, streams)]
    made.append(pcap_octets([frame(*said) for said in speak("quic.example")[:4]], 101))
    return [*made, *(pcap_octets([one] * 2, link) for link, one in {**layers(), **opened()}.values())]


def _pcapng() -> list[bytes]:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw
    from scapy.utils import PcapNgWriter, rdpcap

    made = []
    with TemporaryDirectory() as folder:
        for number, raw in enumerate(_pcap()[:3]):
            place, out = Path(folder) / f"{number}.pcap", Path(folder) / f"{number}.pcapng"
            place.write_bytes(raw)
            with PcapNgWriter(str(out)) as writer:
                for packet in rdpcap(str(place)):
                    writer.write(Ether() / packet)
                writer.write(Ether() / IP() / UDP(dport=53) / Raw(b"\x00\x01\x01\x00\x00\x01" + b"\0" * 6))
            made.append(out.read_bytes())
    plain = section() + interface(101)
    for n, (_, one) in enumerate(Talk().open().say(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").packets):
        plain += enhanced(one, AT + n, 0, "<", (1, b"u-10123"))
    keys = b"CLIENT_RANDOM " + b"0a" * 32 + b" " + b"0b" * 48 + b"\n"
    return [*made, plain + block(10, struct.pack("<II", 0x544C534B, len(keys)) + keys)]


def _events() -> list[bytes]:
    return [
        event_lines(
            {"type": "phase", "at": AT, "phase": "login"},
            {"type": "dns", "at": AT, "name": "api.example", "addresses": ["203.0.113.7"], "resolver": "10.0.0.53"},
            {
                "type": "refusal",
                "at": AT + 5,
                "connection": "c1",
                "client": ["10.0.0.2", 40000],
                "server": ["203.0.113.7", 443],
                "host": "api.example",
                "sni": "api.example",
                "kind": "ca_refused",
                "cause": "unknown_ca",
                "bytes_out": 10,
                "bytes_in": 20,
                "tcp_ms": 12.5,
            },
            {"type": "socket", "at": AT, "uid": 10123, "apps": ["a.b"], "transport": "tcp", "src": ["10.0.0.2", 40000]},
            {"type": "clock", "at": AT, "monotonic": 5, "step": 100},
            {"type": "mark", "at": AT, "note": f"typed {PLANTED}"},
        )
    ]


def _journal() -> list[bytes]:
    opened = {"type": "flow", "flow": "f1", "at": AT, "kind": "websocket", "connection": "c1", "host": "ws.example"}
    opened |= {"client": ["10.0.0.2", 40000], "server": ["203.0.113.7", 443], "scheme": "https", "target": "/chat"}
    sent = {"type": "message", "flow": "f1", "direction": "sent", "index": 0, "kind": "websocket", "at": AT, "size": 5}
    return [
        json_lines(
            opened,
            sent | {"data": "aGVsbG8="},
            {"type": "progress", "flow": "f1", "at": AT, "direction": "sent", "bytes": 7},
            {"type": "sealed", "flow": "f1", "at": AT, "cause": "tls", "since": [1, 0], "bytes_out": 9, "bytes_in": 9},
            {"type": "end", "flow": "f1", "at": AT + 9},
        )
    ]


def _connections() -> list[bytes]:
    names = (
        "IPProto,SrcIP,SrcPort,DstIp,DstPort,UID,App,PackageName,Proto,Status,Info,BytesSent,BytesRcvd,PktsSent,"
        "PktsRcvd,FirstSeen,LastSeen"
    )
    times = "1772359200000,1772359201500"
    shop = "6,10.215.173.1,40000,203.0.113.7,443,10123,Shop,com.example.shop,TLS,Closed,api.example,1000,5000,10,20"
    netd = "17,10.215.173.1,40001,203.0.113.9,53,1051,netd,,DNS,Closed,x.example,60,90,1,1"
    return [f"{names}\n{shop},{times}\n{netd},{times}\n".encode()]


def _manifest() -> list[bytes]:
    return [
        (
            "format: 1\nname: A test\napp: {id: com.example.shop, vendor: tokopedia, platform: android}\n"
            "device: {model: X, address: 10.0.0.2, clock_ahead_ms: 5}\nuser_country: ID\ntimezone: Asia/Jakarta\n"
            "vantage: {country: ID, latitude: -6.2, longitude: 106.8, line: direct}\nopened_by: user_certificate\n"
            "started: '2026-03-01T10:00:00+00:00'\nsealed: '2026-03-01T10:10:00+00:00'\n"
            f"phases:\n- {{phase: login, start: '2026-03-01T10:00:00', note: {PLANTED}}}\n"
            "salt: 00112233445566778899aabbccddeeff\nfiles:\n- {name: a.har, leg: phone}\n"
        ).encode()
    ]


def _persona() -> list[bytes]:
    return [PERSONA.encode(), b"email: [a@b.example, 'c d@e.example']\nphone_number: '+62 812-5550-1734'\nimei:\n"]


def _saz() -> list[bytes]:
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w", zipfile.ZIP_DEFLATED) as archive:
        head = f"POST https://api.shop.example/v1 HTTP/1.1\r\nHost: api.shop.example\r\nContent-Length: {len(_BODY)}"
        archive.writestr("raw/1_c.txt", f"{head}\r\n\r\n{_BODY}")
        archive.writestr("raw/1_s.txt", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        archive.writestr(
            "raw/1_m.xml",
            '<?xml version="1.0"?><Session SID="1"><SessionTimers ClientBeginRequest="2026-03-01T10:00:00+07:00"/>'
            "</Session>",
        )
    return [inside.getvalue()]


def _reference() -> list[bytes]:
    """Reference data of an auditor's own: the name of the file, and below it what it holds."""
    files = {name: plain((HERE / f"{name}.yaml").read_bytes(), HERE) for name in OVERLAYS}
    few = {name: {k: v[:3] if isinstance(v, list) else v for k, v in data.items()} for name, data in files.items()}
    return [name.encode() + b"\n" + yaml.safe_dump(data).encode() for name, data in few.items()]


def _audit() -> list[bytes]:
    """Files of an audit of ours, as a ZIP each: ``audit.json`` and tables."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "a.har").write_bytes(HAR)
        (Path(folder) / "persona.yaml").write_text(PERSONA, encoding="utf-8")
        options = AuditOptions(workers=1, persona=Path(folder) / "persona.yaml")
        made, about = run(Path(folder) / "a.har", options)
        tables.write(Path(folder), made, about)
        packed = []
        for name in ("audit.json", *(f"{t}.parquet" for t, table in made.items() if table.num_rows)):
            into = io.BytesIO()
            with zipfile.ZipFile(into, "w") as archive:
                archive.write(Path(folder) / name, name)
            packed.append(into.getvalue())
    return packed


def _chlsj() -> list[bytes]:
    session = {
        "status": "COMPLETE",
        "method": "POST",
        "protocolVersion": "HTTP/1.1",
        "scheme": "https",
        "host": "api.shop.example",
        "path": "/v1",
        "query": "a=1",
        "times": {"start": "2026-03-01T10:00:00.000+07:00"},
        "request": {"header": {"headers": []}, "body": {"text": _BODY}, "mimeType": "application/json"},
        "response": {"status": 200, "header": {"headers": []}, "body": {"text": "{}"}},
    }
    return [json.dumps([session]).encode()]


KINDS: dict[str, tuple[str, Callable[[], list[bytes]]]] = {
    "har": ("a.har", _har),
    "mitm": ("flows.mitm", _mitm),
    "pcap": ("a.pcap", _pcap),
    "pcapng": ("a.pcapng", _pcapng),
    "events": ("events.jsonl", _events),
    "journal": ("messages.jsonl", _journal),
    "connections": ("connections.csv", _connections),
    "manifest": ("capture.yaml", _manifest),
    "persona": ("persona.yaml", _persona),
    "saz": ("a.saz", _saz),
    "chlsj": ("a.chlsj", _chlsj),
    "reference": ("operators.yaml", _reference),
    "audit": ("audit.json", _audit),
}
"""Kind of input -> the name of its file, and its seeds."""
