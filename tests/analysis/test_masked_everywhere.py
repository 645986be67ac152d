"""The contract of the mask: what ``--reveal`` shows stands in no output of the audit without it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from typer.testing import CliRunner

from analysis import tables
from analysis.codecs.forms import forms
from analysis.read.mask import SHARED_TYPES
from lintas.cli import app
from reports import messages
from tests.packets.talk import Talk
from tests.read.test_mask import SPELLINGS
from tests.road import DEMO, ROOT
from tests.sources.made import dump, entry, event_lines, har, json_lines

BODY = {
    "email": "nadia.hapsari@mail.example",
    "user_id": "kq7731xxp0w2",
    "full_name": "Nadia Hapsari",
    "phone_number": "+6281255501234",
    "device_id": "9f3c2a7714be06d5",
    "advertising_id": "38400000-8cf0-41bd-b23e-10b96e40000d",
    "imei": "490154203237518",
    "latitude": -6.208763,
    "longitude": 106.845599,
    "query": "tenun ikat sumba",
    "keyword": "kerudung",
    "username": "nadhap",
    "session_token": "eyx0Zm9vYmFyLXNlc3Npb24tMTIzNDU2Nzg5",
    "password": "Mangga-7-besar!",
    "birthdate": "1991-04-23",
    "event": "open_wishlist",
    "device_model": "Selendra S4",
    "app_version": "10.0.1",
    "ip": "198.51.100.77",
    "wifi_ssid": "Rumah Hapsari 5G",
    "city": "Pekalongan",
}
VALUES = [str(v) for v in BODY.values()]
PATH = "/v1/" + "/".join(quote(v, safe="") for v in VALUES) + "/end;u=kq7731xxp0w2"
QUERY = "&".join(f"{quote_plus(v)}={quote_plus(v)}" for v in VALUES)
HOSTS = ["kq7731xxp0w2", "9f3c2a7714be06d5", "nadhap", "nadia-hapsari", "u490154203237518", "kerudung", "10-0-1"]
HEADERS = {
    "Cookie": "; ".join(f"c{n}={quote(v, safe='')}" for n, v in enumerate(VALUES)),
    "User-Agent": "Shop/10.0.1 (Selendra S4; nadhap; Rumah Hapsari 5G)",
    "X-User-nadhap": "kq7731xxp0w2",
    "Referer": f"https://shop.example{PATH}?{QUERY}",
}
BODY_TEXT = json.dumps(BODY | {"by": {v: {v: 1, "email": BODY["email"]} for v in VALUES}})
AT = 1_780_000_000_000_000


def _har(folder: Path) -> Path:
    post = {"mimeType": "application/json", "text": BODY_TEXT}
    heads = [{"name": k, "value": v} for k, v in HEADERS.items()]
    back = [{"name": "Via", "value": f"1.1 {v}"} for v in VALUES]
    entries = [
        entry(
            f"https://{host}.api.shop.example{PATH}?{QUERY}",
            request={"method": "POST", "headers": heads, "postData": post, "bodySize": len(BODY_TEXT)},
            response={"headers": back, "redirectURL": f"https://{host}.shop.example{PATH}"},
        )
        for host in HOSTS
    ]
    place = folder / "kq7731xxp0w2.har"
    place.write_bytes(har(*entries, entry(response={"status": 0, "_error": VALUES[0]})))
    return place


def _request(host: str) -> bytes:
    body = BODY_TEXT.encode()
    heads = "".join(f"{k}: {v}\r\n" for k, v in HEADERS.items())
    head = f"POST {PATH}?{QUERY} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{heads}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _flow(host: str) -> object:
    from mitmproxy.test import tflow

    flow = tflow.tflow(resp=True)
    flow.request.host, flow.request.path, flow.request.method = host, f"{PATH}?{QUERY}", "POST"
    flow.request.headers.update(HEADERS | {"content-type": "application/json", "host": host})
    flow.request.text, flow.comment = BODY_TEXT, VALUES[0]
    flow.response.headers["Via"] = "1.1 kq7731xxp0w2"
    flow.client_conn.sni = host
    return flow


def _dump(folder: Path) -> Path:
    place = folder / "flows.mitm"
    place.write_bytes(dump(*(_flow(f"{host}.api.shop.example") for host in HOSTS)))
    return place


def _pcap(folder: Path) -> Path:
    whole = Talk()
    for number, host in enumerate(HOSTS):
        talk = Talk(sport=41_000 + number).open().say(_request(f"{host}.api.shop.example"))
        talk.answer(b"HTTP/1.1 200 OK\r\nVia: 1.1 kq7731xxp0w2\r\nContent-Length: 2\r\n\r\nok").close()
        whole.packets += talk.packets
    whole.write(folder / "phone.pcap")
    return folder / "phone.pcap"


def _folder(folder: Path) -> Path:
    """Events and journal beside a dump, with the values in the auditor's notes, phases, marks and manifest."""
    place = folder / "capture"
    place.mkdir()
    _dump(place).rename(place / "kq7731xxp0w2.mitm")
    ends = {"client": ["10.0.0.2", 4000], "server": ["203.0.113.9", 443]}
    events = [{"type": "mark", "at": AT + n, "note": f"typed {v} here"} for n, v in enumerate(VALUES)]
    events += [{"type": "phase", "at": AT + n, "phase": f"after {v}"} for n, v in enumerate(VALUES)]
    events += [
        {"type": "refusal", "at": AT, **ends, "sni": f"{h}.api.shop.example", "reason": h, "cause": h} for h in HOSTS
    ]
    (place / "events.jsonl").write_bytes(event_lines(*events))
    flows = [
        {"flow": h, "at": AT, "type": "flow", "kind": "websocket", "connection": h, "host": f"{h}.x.example", **ends}
        for h in HOSTS
    ]
    (place / "messages.jsonl").write_bytes(json_lines(*flows))
    phases = [{"phase": f"with {v}", "start": "2026-05-28T20:26:40Z", "note": v} for v in VALUES]
    (place / "capture.yaml").write_text(
        json.dumps({"format": 1, "name": f"of {VALUES[0]}", "made": f"by {VALUES[2]}", "phases": phases})
    )
    return place


def _list(folder: Path) -> Path:
    """A list of connections beside a HAR that shows what the values are."""
    place = folder / "lists"
    place.mkdir()
    _har(place)
    head = "IPProto,SrcIP,SrcPort,DstIp,DstPort,UID,App,PackageName,Proto,Status,Info,BytesSent,BytesRcvd,PktsSent,"
    rows = [
        f"6,10.0.0.2,{4000 + n},203.0.113.{n + 1},443,10100,A,com.a,TLS,Closed,{host}.api.shop.example,9,9,1,1,"
        "1780000000000,1780000001000\n"
        for n, host in enumerate(HOSTS)
    ]
    (place / "list.csv").write_text(head + "PktsRcvd,FirstSeen,LastSeen\n" + "".join(rows))
    return place


CAPTURES: dict[str, Callable[[Path], Path]] = {
    "sample": lambda _: DEMO,
    "har": _har,
    "dump": _dump,
    "packets": _pcap,
    "folder": _folder,
    "list": _list,
}


def _run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    return result.output


def _texts(out: Path) -> Iterator[tuple[str, str]]:
    """Every text of an audit folder, by where it stands; without what ``analysis.audit.leaving`` lets stand."""
    let = {(table, "app") for table in ("exchanges", "flows", "apps", "readable")}
    addresses = {("flows", "src"), ("flows", "dst"), ("destinations", "address"), ("names", "address")}
    for name, table in tables.read(out)[0].items():
        for column in table.column_names:
            if "string" in str(table.schema.field(column).type) and (name, column) not in let | addresses:
                texts = {json.dumps(v, ensure_ascii=False) for v in table[column].to_pylist() if v is not None}
                yield f"{name}.{column}", "\n".join(sorted(texts))
    for place in sorted(out.rglob("*")):
        if place.suffix in (".html", ".json", ".csv"):
            yield place.name, place.read_text("utf-8")


def _own_words() -> str:
    """The words of reports and tables themselves."""
    parts = [json.dumps(messages.load("en"), default=vars, ensure_ascii=False)]
    parts += [p.read_text("utf-8") for p in (ROOT / "reports" / "templates").glob("*.*") if p.is_file()]
    parts += [p.read_text("utf-8") for p in (ROOT / "analysis" / "reference").glob("*.yaml")]
    return "\n".join(parts)


def _stated(out: Path) -> set[str]:
    """What the auditor states of the app and phone that he tested, and the packages that spoke."""
    made, said = tables.read(out)
    manifest = said["manifest"]
    fields = [*manifest.get("app", {}).values(), *manifest.get("device", {}).values(), manifest.get("timezone")]
    return {v for v in fields if isinstance(v, str)} | set(made["apps"]["app"].drop_null().to_pylist())


def _stays(value: str, data_type: str, own: str, stated: set[str]) -> bool:
    """Whether a value is argued to be let stand: stated by the auditor, a word that all share, or one of the report's
    own."""
    word = value.strip()
    return value in stated or (word.isalpha() and (data_type in SHARED_TYPES or word in own))


@pytest.mark.parametrize("kind", CAPTURES)
def test_what_reveal_shows_stands_nowhere_without_it(tmp_path: Path, kind: str) -> None:
    capture = CAPTURES[kind](tmp_path)
    printed = _run("audit", capture, "--out", tmp_path / "masked")
    _run("audit", capture, "--out", tmp_path / "revealed", "--reveal")
    revealed = tables.read(tmp_path / "revealed")[0]["transmissions"].to_pylist()
    values = {r["value"]: r["data_type"] for r in revealed if len(r["value"]) >= 6}
    assert len(values) >= 15
    own, stated = _own_words(), _stated(tmp_path / "masked")
    wrong = []
    for where, text in (*_texts(tmp_path / "masked"), ("terminal", printed)):
        for value, data_type in values.items():
            if _stays(value, data_type, own, stated):
                continue
            for spelling in {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]}:
                before, after = ("(?<![A-Za-z])", "(?![A-Za-z])") if value.isalpha() else ("", "")
                match = re.search(before + re.escape(spelling) + after, text)
                if match is not None:
                    wrong.append(f"{where}: {data_type} {text[max(match.start() - 60, 0) : match.end() + 30]!r}")
                    break
    assert not wrong, "\n".join(wrong)


# ------------------------------------------------------------------------------- every form, in every place

PLANTED = {
    "full_name": "Rahma Kusumaningrum",
    "email": "rahma.k88@mail.example",
    "imei": "490154203237518",
    "phone_number": "+62 812-5550-1234",
    "user_id": "zq81kkpw02xy",
    "mac_address": "3c:5a:b4:1e:7f:92",
    "gps_precise": "-6.208763,106.845599",
}


def _written(data_type: str) -> dict[str, str]:
    """How a value is written, and the text: the forms of the generator, and the encodings of addresses."""
    value = PLANTED[data_type]
    made = {name: spell(value) for name, spell in SPELLINGS.items()}
    for form in forms(value, data_type, "ID", hidden=True):
        if not (form.binary or form.weak or len(form.text) < 6):
            made[form.variant] = form.text.decode()
    return {name: text for name, text in made.items() if text.isprintable()}


def carrying(folder: Path, texts: list[str]) -> Path:
    """A capture that has each text in every place that an app or an auditor can write."""
    from mitmproxy.test import tflow

    place = folder / "capture"
    place.mkdir()
    flows, events = [], []
    for number, text in enumerate(texts):
        word = quote(text, safe="")
        paths = [f"/u/{word}/x", f"/a;id={word}/b", f"/x?{word}={word}", f"/{text.replace('/', '')}"]
        for path in paths:
            flow = tflow.tflow(resp=True)
            request = flow.request
            labelled = path == paths[1]
            request.host = flow.client_conn.sni = f"{word[:60]}.shop.example" if labelled else "api.shop.example"
            request.path = path
            request.headers.update(
                {"x-own": text, "cookie": f"a={word}", "user-agent": f"Shop ({text})", "x" + word: "1"}
            )
            request.headers["content-type"] = "application/json"
            request.text = json.dumps({text: {text: text}, "note": f"see {text} here"})
            flow.response.headers["via"] = flow.response.headers["location"] = f"/{word}"
            flows.append(flow)
        safe = text.replace("/", "_")[:80]
        (place / f"{safe}.{number}.har").write_bytes(har(entry(f"https://x.example/{word}")))
        events += [
            {"type": k, "at": AT, "phase": text, "note": text, "app": text} for k in ("mark", "phase", "app_front")
        ]
    (place / "flows.mitm").write_bytes(dump(*flows))
    (place / "events.jsonl").write_bytes(event_lines(*events))
    every = ", ".join(texts)
    whole = {"format": 1, "name": every, "made": every, "app": {"id": every, "name": every}, "persona": "persona.yaml"}
    whole |= {"tools": {t: t for t in texts}, "device": {"model": every}}
    phases = [{"phase": t, "note": t, "start": "2026-05-28T20:26:40Z"} for t in texts]
    (place / "capture.yaml").write_text(json.dumps(whole | {"phases": phases}))
    (place / "persona.yaml").write_text("\n".join(f"{k}: {json.dumps(v)}" for k, v in PLANTED.items()))
    return place


@pytest.mark.slow
@pytest.mark.parametrize("data_type", PLANTED)
def test_no_form_of_a_planted_value_leaves_from_any_place(tmp_path: Path, data_type: str) -> None:
    written = _written(data_type)
    capture, out = carrying(tmp_path, list(written.values())), tmp_path / "out"
    printed = _run("info", capture) + _run("audit", capture, "--out", out)
    places = [*_texts(out), ("terminal", printed)]
    left = set()
    for variant, text in written.items():
        for where, whole in places:
            for spelling in {text, quote(text, safe=""), json.dumps(text)[1:-1], text.lower()}:
                at = whole.find(spelling)
                if at >= 0:
                    left.add(f"{variant} in {where}: {whole[max(at - 60, 0) : at + 60]!r}")
    assert not left, "\n".join(sorted(left))
