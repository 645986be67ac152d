"""Make captures/demo-shop: a session of an invented social-commerce app, written without sending a packet.

Every company, app and host in it is invented (names under .example, RFC 6761). Its addresses come from ranges that
real clouds publish for their regions, so that places can be shown as they are in a real audit; nothing in it says
anything about those clouds. The bodies have the shapes that common SDKs document. Run it from the root:
``.venv/bin/python scripts/make_demo_shop.py``; the same script gives the same bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import brotli
import yaml
import zstandard
from mitmproxy import connection, http
from mitmproxy.io import FlowWriter

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "captures" / "demo-shop"
PERSONA = ROOT / "captures" / "personas" / "jakarta-buyer.yaml"
BEGIN = datetime(2026, 11, 18, 3, 2, 0, tzinfo=UTC).timestamp()
"""10:02 in Jakarta."""
PHONE = "10.0.0.2"
APP = "com.example.kirana"
AGENT = "Kirana/5.12.0 (Linux; Android 15; Selendra S4) okhttp/4.12.0"

PHASES = (
    ("first_launch", 0),
    ("consent_asked", 70),
    ("consent_refused", 130),
    ("login", 390),
    ("browse", 480),
    ("search", 900),
    ("chat", 1140),
    ("buy", 1500),
    ("background", 1860),
    ("logout", 2280),
)


@dataclass(frozen=True)
class Host:
    """A server: name, address, least round trip in ms from Jakarta, and what it answers with."""

    name: str
    address: str
    ms: float
    http2: bool = True
    answer: tuple[tuple[str, str], ...] = ()


# Addresses: AWS ap-southeast-3 (Jakarta) 108.136.0.0/15, ap-southeast-1 (Singapore) 13.250.0.0/15, ap-northeast-1
# (Tokyo) 13.112.0.0/14, us-east-1 (Virginia) 3.208.0.0/12, eu-central-1 (Frankfurt) 3.120.0.0/14; Google Cloud
# asia-southeast2 (Jakarta) 34.101.0.0/16; Azure southeastasia 4.145.0.0/16; Alibaba Cloud ap-southeast-5 (Jakarta)
# 149.129.192.0/18; Huawei Cloud's Chinese regions 1.95.0.0/16; Cloudflare's and Fastly's anycast ranges.
_EDGE = (("Server", "cloudflare"), ("CF-RAY", "8e0b54d2bc3a9f01-CGK"))
HOSTS = {
    h.name: h
    for h in (
        Host("api.kirana.example", "108.136.24.18", 2.6),
        Host("search.kirana.example", "108.136.24.77", 3.1),
        Host("login.kirana.example", "108.136.41.9", 2.4),
        Host("pay.kirana.example", "34.101.84.12", 3.4),
        Host("chat.kirana.example", "13.250.118.40", 15.2),
        Host("upload.kirana.example", "149.129.214.36", 4.2),
        Host("live.kirana.example", "149.129.214.90", 4.0),
        Host("img.kirana.example", "104.16.133.229", 3.7, answer=_EDGE),
        Host("static.kirana.example", "104.16.132.229", 3.9, answer=_EDGE),
        Host("config.kirana.example", "151.101.130.49", 13.8, answer=(("X-Served-By", "cache-sin18034-SIN"),)),
        Host("events.harimau-metrics.example", "13.250.7.201", 15.6),
        Host("decide.harimau-metrics.example", "13.250.7.202", 15.9),
        Host("replay.harimau-metrics.example", "13.251.40.3", 16.4),
        Host("app.bluefjord.example", "3.120.88.14", 171.0),
        Host("conversions.bluefjord.example", "3.120.88.15", 173.5),
        Host("bid.cedarline.example", "3.213.18.66", 231.0),
        Host("sync.cedarline.example", "3.213.18.91", 233.2),
        Host("cdn.cedarline.example", "151.101.194.49", 14.1, answer=(("X-Served-By", "cache-sin18021-SIN"),)),
        Host("ads.pelangi-reklame.example", "13.250.200.8", 15.3),
        Host("log.pelangi-reklame.example", "13.250.200.9", 15.1),
        Host("reg.baiyun-push.example", "1.95.44.120", 66.0, http2=False),
        Host("log.baiyun-push.example", "1.95.44.121", 66.4, http2=False),
        Host("gw.guizhou.baiyun-push.example", "1.95.44.122", 65.8, http2=False),
        Host("maps.minato-works.example", "13.112.63.7", 72.0),
        Host("tiles.minato-works.example", "13.112.63.8", 72.4),
        Host("in.quillstone.example", "3.124.9.30", 169.0),
        Host("device.verdane-risk.example", "4.145.61.20", 16.1),
        Host("score.verdane-risk.example", "4.145.61.21", 16.3),
        Host("snap.tanjung-bayar.example", "34.101.140.200", 2.9),
        Host("api.tanjung-bayar.example", "34.101.140.201", 3.0),
        Host("graph.havenbook.example", "3.216.77.4", 229.0),
        Host("sdk.marigold-chat.example", "13.251.92.15", 15.8),
        Host("push.marigold-chat.example", "13.251.92.16", 15.7),
        Host("flags.northwind-toggle.example", "3.220.10.5", 228.4),
        Host("geo.kompas-lokasi.example", "149.129.230.7", 3.8),
        Host("otp.sandi-cepat.example", "108.137.3.30", 2.7),
        Host("ship.kurir-lintasan.example", "34.101.9.77", 3.3),
        Host("unknown-edge.example", "203.0.113.77", 21.0),
    )
}

# Opened by nobody: refused the certificate, or sealed above TLS, or neither web nor TLS.
SEALED = (
    ("secure.pelican-video.example", "13.250.31.77", 443, "tcp", "refusal", "certificate_not_trusted", 15.4),
    ("keys.pelican-video.example", "13.250.31.78", 443, "tcp", "refusal", "certificate_not_trusted", 15.5),
    ("pin.tanjung-bayar.example", "34.101.140.202", 443, "tcp", "refusal", "closed_after_handshake", 3.0),
    ("stream.pelican-video.example", "13.250.31.90", 443, "udp", "quic", "quic", None),
    ("mqtt.baiyun-push.example", "1.95.44.130", 7000, "tcp", "non_http", "not_http", 66.1),
    ("stun.kirana.example", "108.136.24.200", 3478, "udp", "non_http", "not_http", None),
)


@dataclass
class Session:
    """The clock, the person and the flows so far."""

    person: dict[str, object]
    random: random.Random = field(default_factory=lambda: random.Random(20261118))
    now: float = 0.0
    flows: list[http.HTTPFlow] = field(default_factory=list)
    clients: dict[str, connection.Client] = field(default_factory=dict)
    servers: dict[str, connection.Server] = field(default_factory=dict)
    names: list[tuple[float, str, str]] = field(default_factory=list)

    def id(self, what: str) -> str:
        """A stable identifier of this session."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://kirana.example/{what}"))

    def wait(self, seconds: float) -> None:
        self.now += seconds * self.random.uniform(0.7, 1.3)

    # ------------------------------------------------------------------------------------------ one exchange

    def system(self) -> None:
        """What the phone's own system does: a test whether the network reaches the internet, in plain HTTP."""
        host, path = "connectivitycheck.gstatic.com", "/generate_204"
        at = BEGIN + self.now
        number = len(self.flows)
        client = connection.Client(peername=(PHONE, 39000 + number), sockname=("10.0.0.1", 51820), timestamp_start=at)
        client.id = self.id(f"client/{number}/{host}")
        upstream = connection.Server(address=(host, 80))
        upstream.id = self.id(f"server/{number}/{host}")
        upstream.peername, upstream.sockname = ("142.250.4.94", 80), ("192.168.18.20", 50999)
        upstream.timestamp_start, upstream.timestamp_tcp_setup = at + 0.002, at + 0.019
        flow = http.HTTPFlow(client, upstream)
        flow.id = self.id(f"flow/{number}")
        flow.timestamp_created = at
        agent = (
            b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.32 Safari/537.36"
        )
        flow.request = http.Request(
            host=host, port=80, method=b"GET", scheme=b"http", authority=b"", path=path.encode(),
            http_version=b"HTTP/1.1", headers=http.Headers([(b"host", host.encode()), (b"user-agent", agent)]),
            content=b"", trailers=None, timestamp_start=at, timestamp_end=at + 0.001,
        )  # fmt: skip
        flow.response = http.Response(
            http_version=b"HTTP/1.1", status_code=204, reason=b"No Content",
            headers=http.Headers([(b"Content-Length", b"0")]), content=b"", trailers=None,
            timestamp_start=at + 0.03, timestamp_end=at + 0.031,
        )  # fmt: skip
        self.flows.append(flow)
        self.wait(0.4)

    def send(
        self,
        method: str,
        host: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        status: int = 200,
        answer: bytes | dict[str, object] | None = None,
        answer_headers: dict[str, str] | None = None,
    ) -> None:
        server = HOSTS[host]
        if self.now - getattr(self.clients.get(host), "timestamp_start", -1e9) + BEGIN > 180:
            self._connect(server)
        client, upstream = self.clients[host], self.servers[host]
        at = BEGIN + self.now
        sent = [(b"user-agent", AGENT.encode()), (b"accept-encoding", b"gzip, br")]
        sent += [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()]
        if body:
            sent.append((b"content-length", str(len(body)).encode()))
        version = b"HTTP/2.0" if server.http2 else b"HTTP/1.1"
        if not server.http2:
            sent.insert(0, (b"host", host.encode()))
        flow = http.HTTPFlow(client, upstream)
        flow.id = self.id(f"flow/{len(self.flows)}")
        flow.timestamp_created = at
        flow.request = http.Request(
            host=host,
            port=443,
            method=method.encode(),
            scheme=b"https",
            authority=host.encode() if server.http2 else b"",
            path=path.encode(),
            http_version=version,
            headers=http.Headers(sent),
            content=body,
            trailers=None,
            timestamp_start=at,
            timestamp_end=at + 0.002,
        )
        if isinstance(answer, dict):
            answer = json.dumps(answer, separators=(",", ":")).encode()
            answer_headers = {"Content-Type": "application/json", **(answer_headers or {})}
        answer = b"" if answer is None else answer
        told = [(b"content-length", str(len(answer)).encode())]
        told += [(k.encode(), v.encode()) for k, v in (*server.answer, *(answer_headers or {}).items())]
        back = at + server.ms / 1000 * 1.2 + self.random.uniform(0.01, 0.06)
        flow.response = http.Response(
            http_version=version,
            status_code=status,
            reason=b"" if server.http2 else b"OK",
            headers=http.Headers(told),
            content=answer,
            trailers=None,
            timestamp_start=back,
            timestamp_end=back + 0.001 + len(answer) / 5e6,
        )
        self.flows.append(flow)
        self.wait(self.random.uniform(0.3, 2.2))

    def _connect(self, server: Host) -> None:
        at = BEGIN + self.now - 0.3
        self.names.append((at - 0.05, server.name, server.address))
        number = len(self.clients) + len(self.flows)
        client = connection.Client(
            peername=(PHONE, 40000 + number % 20000), sockname=("10.0.0.1", 51820), timestamp_start=at
        )
        client.id = self.id(f"client/{number}/{server.name}")
        alpn = b"h2" if server.http2 else b"http/1.1"
        client.tls, client.tls_version, client.sni, client.alpn = True, "TLSv1.3", server.name, alpn
        client.timestamp_tls_setup = at + 0.06
        upstream = connection.Server(address=(server.name, 443))
        upstream.id = self.id(f"server/{number}/{server.name}")
        upstream.peername = (server.address, 443)
        upstream.sockname = ("192.168.18.20", 52000 + number % 10000)
        jitter = self.random.uniform(0.0, server.ms * 0.06)
        upstream.timestamp_start = at + 0.004
        upstream.timestamp_tcp_setup = at + 0.004 + round((server.ms + jitter) / 1000, 6)
        upstream.timestamp_tls_setup = upstream.timestamp_tcp_setup + 2.3 * server.ms / 1000
        upstream.tls, upstream.tls_version, upstream.sni, upstream.alpn = True, "TLSv1.3", server.name, alpn
        self.clients[server.name], self.servers[server.name] = client, upstream

    # ------------------------------------------------------------------------------------------------ shapes

    def json(self, host: str, path: str, value: object, coding: str | None = None, **more: object) -> None:
        """POST a JSON body, in a content coding where one is named."""
        body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", **more.pop("headers", {})}  # type: ignore[dict-item]
        if coding is not None:
            headers["Content-Encoding"] = coding
            body = CODINGS[coding](body)
        self.send("POST", host, path, headers=headers, body=body, **more)  # type: ignore[arg-type]

    def form(self, host: str, path: str, fields: dict[str, str], **more: object) -> None:
        """POST an HTML form's body."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", **more.pop("headers", {})}  # type: ignore[dict-item]
        self.send("POST", host, path, headers=headers, body=urlencode(fields).encode(), **more)  # type: ignore[arg-type]

    def get(self, host: str, path: str, query: dict[str, str] | None = None, **more: object) -> None:
        self.send("GET", host, path + ("?" + urlencode(query, quote_via=quote) if query else ""), **more)  # type: ignore[arg-type]


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda b: gzip.compress(b, mtime=0),
    "br": lambda b: brotli.compress(b, quality=5),
    "zstd": lambda b: zstandard.ZstdCompressor(level=3).compress(b),
}


class Person:
    """The persona's values in the forms that code sends."""

    def __init__(self, values: dict[str, object]) -> None:
        self.name = str(values["full_name"])
        self.user = str(values["username"])
        self.email = str(values["email"])
        self.phone = str(values["phone_number"])
        self.e164 = "+" + "".join(c for c in self.phone if c.isdigit())
        self.national = "0" + self.e164[3:]
        self.birth = str(values["date_of_birth"])
        self.nik = str(values["national_id_nik"])
        self.address = str(values["postal_address"])
        self.aid = str(values["advertising_id"])
        self.android = str(values["android_id"])
        self.imei = str(values["imei"])
        self.bssid = str(values["wifi_bssid"])
        self.lat, self.lon = (p.strip() for p in str(values["gps"][0]).split(","))  # type: ignore[index]
        self.account = str(values["account_id"])
        self.card = str(values["payment_card"])
        self.message = str(values["message_text"])
        self.search = str(values["search_query"])


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def picture(n: int) -> bytes:
    """The head of a JPEG, with bytes that look compressed."""
    return (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + hashlib.shake_128(f"picture {n}".encode()).digest(900) + b"\xff\xd9"
    )


# ------------------------------------------------------------------------------------------------ the session


def analytics(s: Session, p: Person, events: list[str], consented: bool = False) -> None:
    """A batch in the shape of a product-analytics SDK: gzip, JSON, one context a batch."""
    s.json(
        "events.harimau-metrics.example",
        "/v3/batch",
        {
            "sentAt": stamp(s),
            "context": {
                "device": {
                    "id": s.id("install"),
                    "advertisingId": p.aid,
                    "model": "Selendra S4",
                    "manufacturer": "Selendra",
                },
                "os": {"name": "Android", "version": "15"},
                "locale": "id-ID",
                "timezone": "Asia/Jakarta",
                "network": {"carrier": "Samudra Seluler", "wifi": True},
                "consent": "granted" if consented else "denied",
            },
            "batch": [
                {
                    "type": "track",
                    "event": e,
                    "messageId": s.id(f"message/{s.now}/{n}"),
                    "anonymousId": s.id("install"),
                    **({"userId": p.account} if s.now > 420 else {}),
                }
                for n, e in enumerate(events)
            ],
        },
        coding="gzip",
        answer={"success": True},
    )


def crash(s: Session, p: Person) -> None:
    s.json(
        "in.quillstone.example",
        "/api/41/envelope/",
        {
            "event_id": s.id(f"crash/{s.now}").replace("-", ""),
            "level": "warning",
            "installation": s.id("install"),
            "user": {"id": p.account if s.now > 420 else None},
            "contexts": {"device": {"model": "Selendra S4", "free_memory": 1822347264}},
            "exception": [
                {
                    "type": "java.io.IOException",
                    "stacktrace": "at com.example.kirana.net.Feed.load(Feed.kt:118)",
                }
            ],
        },
        coding="gzip",
        answer={"id": "ok"},
    )


def advert(s: Session, p: Person, slot: str) -> None:
    """A bid request in the shape of OpenRTB 2.6, and its picture."""
    s.json(
        "bid.cedarline.example",
        "/openrtb2/auction",
        {
            "id": s.id(f"bid/{s.now}"),
            "imp": [{"id": "1", "tagid": slot, "banner": {"w": 320, "h": 50}}],
            "app": {"id": "4471", "bundle": APP, "ver": "5.12.0"},
            "device": {
                "ua": AGENT,
                "ifa": p.aid,
                "lmt": 0,
                "os": "Android",
                "osv": "15",
                "language": "id",
                "carrier": "510-99",
                "geo": {
                    "lat": round(float(p.lat), 2),
                    "lon": round(float(p.lon), 2),
                    "country": "IDN",
                    "type": 2,
                },
            },
            "user": {
                "id": sha256(p.email)[:32],
                "ext": {"eids": [{"source": "hashed-mail.example", "uids": [{"id": sha256(p.email)}]}]},
            }
            if s.now > 420
            else {},
            "regs": {"gdpr": 0},
        },
        coding="gzip",
        answer={"seatbid": [], "cur": "USD"},
    )
    s.get(
        "cdn.cedarline.example",
        f"/c/{slot}/creative.webp",
        answer=picture(int(s.now)),
        answer_headers={"Content-Type": "image/webp"},
    )


def local_advert(s: Session, p: Person) -> None:
    data = base64.b64encode(
        json.dumps({"gaid": p.aid, "lat": p.lat, "lng": p.lon, "bssid": p.bssid, "mnc": "51099"}).encode()
    ).decode()
    s.get("ads.pelangi-reklame.example", "/serve", {"slot": "home_top", "d": data, "v": "7"}, answer={"ads": []})


def risk(s: Session, p: Person, step: str) -> None:
    s.json(
        "device.verdane-risk.example",
        "/fp/collect",
        {
            "step": step,
            "android_id": p.android,
            "gaid": p.aid,
            "fingerprint": sha256("selendra-s4-canvas"),
            "rooted": False,
            "apps": ["com.example.kirana", "com.example.bank", "com.example.messenger", "com.example.maps"],
            "wifi": {"bssid": p.bssid, "ssid": "KosMelati"},
            "sensors": [[0.01, 9.78, 0.2], [0.02, 9.8, 0.19]],
        },
        coding="br",
        answer={"session": s.id("risk")},
    )


def picture_of(s: Session, n: int) -> None:
    s.get(
        "img.kirana.example",
        f"/p/{n:06d}/640.jpg",
        answer=picture(n),
        answer_headers={"Content-Type": "image/jpeg", "CF-Cache-Status": "HIT"},
    )


def stamp(s: Session) -> str:
    return datetime.fromtimestamp(BEGIN + s.now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def play(s: Session, p: Person) -> None:
    """The session, phase by phase."""
    token = {"Authorization": "Bearer " + s.id("session").replace("-", "") + "kirana"}
    first_launch(s, p)
    s.now = 72
    s.get(
        "static.kirana.example",
        "/consent/id.html",
        answer=b"<html><body>Izinkan?</body></html>",
        answer_headers={"Content-Type": "text/html"},
    )
    s.json(
        "api.kirana.example",
        "/v1/consent/shown",
        {"install": s.id("install"), "version": 3},
        answer={"ok": True},
    )
    analytics(s, p, ["consent_shown"])
    s.now = 132
    s.json(
        "api.kirana.example",
        "/v1/consent",
        {"install": s.id("install"), "analytics": False, "ads": False},
        answer={"ok": True},
    )
    for n in range(6):
        analytics(s, p, ["home_view", f"card_{n}_seen", "scroll"])
        advert(s, p, "home_top")
        s.wait(6)
        if n % 2 == 0:
            local_advert(s, p)
            picture_of(s, 100 + n)
        if n == 3:
            baiyun(s, p, "active")
    risk(s, p, "idle")
    sign_in(s, p, token)
    browse(s, p, token)
    search(s, p, token)
    chat(s, p, token)
    buy(s, p, token)
    background(s, p)
    s.now = 2284
    s.json("login.kirana.example", "/v1/logout", {"device": p.android}, headers=token, answer={"ok": True})
    analytics(s, p, ["logout"])


def first_launch(s: Session, p: Person) -> None:
    s.now = 2
    s.get(
        "config.kirana.example",
        "/v2/boot",
        {"app": APP, "v": "5.12.0", "lang": "id"},
        answer={"flags": {"live": True}, "region": "ID"},
    )
    s.json(
        "flags.northwind-toggle.example",
        "/sdk/evaluate",
        {"key": s.id("install"), "custom": {"country": "ID", "app": APP}},
        answer={},
    )
    s.json(
        "app.bluefjord.example",
        "/session",
        {
            "gps_adid": p.aid,
            "android_uuid": s.id("install"),
            "app_token": "k7ranademo",
            "device_name": "Selendra S4",
            "os_name": "android",
            "country": "ID",
            "language": "id",
            "mcc": "510",
            "mnc": "99",
            "created_at": stamp(s),
        },
        answer={"adid": s.id("bluefjord").replace("-", "")},
    )
    s.form(
        "graph.havenbook.example",
        "/v19.0/900111/activities",
        {
            "event": "MOBILE_APP_INSTALL",
            "advertiser_id": p.aid,
            "advertiser_tracking_enabled": "1",
            "anon_id": s.id("install"),
            "extinfo": json.dumps(
                ["a2", APP, "5120", "5.12.0", "15", "Selendra S4", "id_ID", "WIB", "Samudra Seluler"]
            ),
        },
        answer={"success": True},
    )
    baiyun(s, p, "register")
    s.json(
        "decide.harimau-metrics.example",
        "/decide",
        {"distinct_id": s.id("install"), "$device_id": s.id("install")},
        answer={"featureFlags": {}},
    )
    analytics(s, p, ["app_installed", "app_opened"])
    s.json(
        "log.pelangi-reklame.example",
        "/init",
        {
            "gaid": p.aid,
            "androidId": p.android,
            "sdk": "7.2.1",
            "installed": ["com.example.bank", "com.example.messenger"],
        },
        coding="gzip",
        answer={"uid": s.id("pelangi")},
    )
    s.json(
        "geo.kompas-lokasi.example",
        "/v1/where",
        {"lat": float(p.lat), "lon": float(p.lon), "accuracy": 12},
        answer={"city": "Jakarta Selatan"},
    )
    crash(s, p)
    s.get(
        "unknown-edge.example",
        "/beacon.gif",
        {"t": str(int(BEGIN + s.now))},
        answer=b"GIF89a\x01\x00\x01\x00",
        answer_headers={"Content-Type": "image/gif"},
    )
    for n in range(8):
        picture_of(s, n)


def baiyun(s: Session, p: Person, what: str) -> None:
    """A push SDK: form fields, one of them base64 of JSON; the beat is sealed by the SDK's own cipher."""
    inner = base64.b64encode(
        json.dumps(
            {"imei": p.imei, "android_id": p.android, "mac": p.bssid, "model": "Selendra S4", "net": "wifi"}
        ).encode()
    ).decode()
    s.form(
        "reg.baiyun-push.example",
        "/v4/device",
        {"act": what, "appkey": "kirana-demo", "info": inner, "ts": str(int(BEGIN + s.now))},
        answer={"rid": hashlib.md5(p.android.encode()).hexdigest()},
    )
    s.send(
        "POST",
        "gw.guizhou.baiyun-push.example",
        "/beat",
        headers={"Content-Type": "application/octet-stream"},
        body=hashlib.shake_128(f"sealed {what} {s.now:.0f}".encode()).digest(460),
        answer=b"\x00\x01",
    )


def sign_in(s: Session, p: Person, token: dict[str, str]) -> None:
    s.now = 392
    s.json(
        "otp.sandi-cepat.example",
        "/send",
        {"phone": p.e164, "channel": "sms", "app": APP},
        answer={"status": "sent"},
    )
    s.json("login.kirana.example", "/v1/otp/request", {"no_hp": p.national}, answer={"ok": True})
    s.json(
        "login.kirana.example",
        "/v1/otp/verify",
        {"no_hp": p.national, "otp": "402917", "device": p.android},
        answer={"user_id": p.account, "nama": p.name},
    )
    s.json(
        "api.kirana.example",
        "/v1/me",
        {"user_id": p.account, "email": p.email, "tgl_lahir": p.birth},
        headers=token,
        answer={"ok": True},
    )
    s.json(
        "events.harimau-metrics.example",
        "/v3/identify",
        {"userId": p.account, "traits": {"email": p.email, "name": p.name, "phone": p.e164}},
        coding="gzip",
        answer={"success": True},
    )
    s.json(
        "push.marigold-chat.example",
        "/v1/devices",
        {"user_id": p.account, "provider": "fcm", "push_token": "fD3kQ:APA91b" + sha256("push")[:120]},
        headers=token,
        answer={"ok": True},
    )
    risk(s, p, "login")
    crash(s, p)


def browse(s: Session, p: Person, token: dict[str, str]) -> None:
    s.now = 482
    for n in range(20):
        s.get(
            "api.kirana.example",
            "/v1/feed",
            {"page": str(n), "lat": p.lat, "lng": p.lon},
            headers=token,
            answer={"items": [{"id": 7000 + n, "name": "Kebaya"}]},
        )
        picture_of(s, 200 + 2 * n)
        picture_of(s, 201 + 2 * n)
        if n % 2:
            picture_of(s, 260 + n)
        if n % 2 == 0:
            analytics(s, p, ["product_view", "product_view", "scroll"])
        if n % 3 == 0:
            advert(s, p, "feed_3")
            local_advert(s, p)
        if n % 5 == 0:
            s.get(
                "maps.minato-works.example",
                "/v1/nearby",
                {"center": f"{p.lat},{p.lon}", "radius": "2000", "key": "demo"},
                answer={"shops": 4},
            )
            s.get(
                "tiles.minato-works.example",
                f"/14/13051/{8474 + n}.png",
                answer=b"\x89PNG\r\n\x1a\n" + picture(n),
                answer_headers={"Content-Type": "image/png"},
            )
        if n % 4 == 1:
            s.get("live.kirana.example", "/v1/rooms", {"page": str(n)}, headers=token, answer={"rooms": []})
            s.get(
                "static.kirana.example",
                f"/bundle/{n}.js",
                answer=b"export default 1;",
                answer_headers={"Content-Type": "text/javascript"},
            )
        s.wait(8)
    s.json(
        "replay.harimau-metrics.example",
        "/s",
        {
            "distinct_id": p.account,
            "snapshot": [{"t": "touch", "x": 180, "y": 640}, {"t": "touch", "x": 90, "y": 1200}],
        },
        coding="zstd",
        answer={},
    )
    s.get(
        "sync.cedarline.example",
        "/match",
        {"pid": "81", "ifa": p.aid, "r": "https://ads.pelangi-reklame.example/m?u=" + sha256(p.email)},
        status=302,
    )


def search(s: Session, p: Person, token: dict[str, str]) -> None:
    s.now = 903
    words = ["kebaya", "kebaya kutubaru", p.search, p.search + " xl"]
    for n, text in enumerate(words):
        s.get(
            "search.kirana.example",
            "/v2/search",
            {"q": text, "sort": "relevance"},
            headers=token,
            answer={"total": 412 - n},
        )
        analytics(s, p, ["search"])
        s.json(
            "conversions.bluefjord.example",
            "/event",
            {"gps_adid": p.aid, "event_token": "srch01", "partner_params": {"query": text}},
            answer={},
        )
        for k in range(8):
            picture_of(s, 300 + 8 * n + k)
        s.wait(22)
    s.form(
        "graph.havenbook.example",
        "/v19.0/900111/activities",
        {
            "event": "CUSTOM_APP_EVENTS",
            "advertiser_id": p.aid,
            "custom_events": json.dumps(
                [
                    {
                        "_eventName": "fb_mobile_search",
                        "fb_search_string": p.search,
                        "_logTime": int(BEGIN + s.now),
                    }
                ]
            ),
        },
        answer={"success": True},
    )


def chat(s: Session, p: Person, token: dict[str, str]) -> None:
    s.now = 1144
    texts = ["halo kak", p.message, "boleh kirim foto?", f"kirim ke {p.address}", f"nomor saya {p.national}"]
    for n, text in enumerate(texts):
        s.json(
            "sdk.marigold-chat.example",
            "/v2/channels/kirana-seller-88/messages",
            {"sender": p.account, "text": text, "client_id": s.id(f"chat/{n}")},
            headers=token,
            answer={"id": n},
        )
        s.get("chat.kirana.example", "/v1/inbox", {"since": str(n)}, headers=token, answer={"unread": 0})
        s.wait(30)
    mark = "kirana-7f3a"
    parts = (
        (
            f'--{mark}\r\nContent-Disposition: form-data; name="user_id"\r\n\r\n{p.account}\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="photo"; filename="IMG_2041.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        ).encode()
        + picture(2041)
        + f"\r\n--{mark}--\r\n".encode()
    )
    s.send(
        "POST",
        "upload.kirana.example",
        "/v1/chat/photo",
        headers={**token, "Content-Type": f"multipart/form-data; boundary={mark}"},
        body=parts,
        answer={"url": "https://img.kirana.example/c/1.jpg"},
    )
    analytics(s, p, ["chat_message", "chat_photo"])


def buy(s: Session, p: Person, token: dict[str, str]) -> None:
    s.now = 1503
    s.json(
        "api.kirana.example",
        "/v1/cart",
        {"user_id": p.account, "items": [{"sku": "KBY-KTB-HJ-XL", "price": 245000, "qty": 1}]},
        headers=token,
        answer={"cart": 1},
    )
    risk(s, p, "checkout")
    s.json(
        "score.verdane-risk.example",
        "/score",
        {
            "email_sha256": sha256(p.email),
            "phone": p.e164,
            "amount": 263000,
            "device": p.android,
            "bin": p.card[:6],
        },
        coding="br",
        answer={"score": 12},
    )
    s.json(
        "api.kirana.example",
        "/v1/checkout",
        {"nama_penerima": p.name, "alamat": p.address, "no_hp": p.national, "kode_pos": "12910"},
        headers=token,
        answer={"order": "INV-2026-118"},
    )
    s.json(
        "ship.kurir-lintasan.example",
        "/v1/rates",
        {"to": p.address, "weight": 600, "receiver": p.name, "phone": p.national},
        answer={"rates": [18000]},
    )
    s.json(
        "api.kirana.example",
        "/v1/kyc",
        {"nik": p.nik, "nama_lengkap": p.name, "tgl_lahir": p.birth},
        headers=token,
        answer={"ok": True},
    )
    s.json(
        "snap.tanjung-bayar.example",
        "/v2/charge",
        {
            "payment_type": "credit_card",
            "credit_card": {"card_number": p.card, "exp": "11/29"},
            "transaction_details": {"order_id": "INV-2026-118", "gross_amount": 263000},
            "customer_details": {"first_name": p.name.split()[0], "email": p.email, "phone": p.e164},
        },
        answer={"status_code": "201"},
    )
    s.get("api.tanjung-bayar.example", "/v2/INV-2026-118/status", answer={"transaction_status": "capture"})
    s.get("pay.kirana.example", "/v1/order/INV-2026-118", headers=token, answer={"paid": True})
    s.json(
        "conversions.bluefjord.example",
        "/event",
        {
            "gps_adid": p.aid,
            "event_token": "buy001",
            "revenue": "263000",
            "currency": "IDR",
            "partner_params": {"order": "INV-2026-118"},
        },
        answer={},
    )
    s.form(
        "graph.havenbook.example",
        "/v19.0/900111/activities",
        {
            "event": "CUSTOM_APP_EVENTS",
            "advertiser_id": p.aid,
            "ud": json.dumps({"em": sha256(p.email), "ph": sha256(p.e164[1:])}),
            "custom_events": json.dumps(
                [{"_eventName": "fb_mobile_purchase", "_valueToSum": 263000, "fb_currency": "IDR"}]
            ),
        },
        answer={"success": True},
    )
    for n in range(4):
        analytics(s, p, ["checkout_step", "purchase"])
        advert(s, p, "thanks")
        picture_of(s, 400 + n)
        s.wait(14)


def background(s: Session, p: Person) -> None:
    s.now = 1862
    s.system()
    for n in range(7):
        s.now = 1866 + 55 * n
        baiyun(s, p, "beat")
        if n % 2 == 0:
            s.json(
                "log.baiyun-push.example",
                "/v4/log",
                {"imei": p.imei, "lat": p.lat, "lng": p.lon, "apps": ["com.example.bank"]},
                coding="gzip",
                answer={"ok": 1},
            )
            analytics(s, p, ["app_background"])
        s.get("config.kirana.example", "/v2/ping", {"i": s.id("install")}, answer={})


# -------------------------------------------------------------------------------------------------- writing


def events(s: Session) -> Iterator[dict[str, object]]:
    """What has no flow in the dump: phase marks, answers of the resolver, connections that nobody opened."""
    for phase, second in PHASES:
        yield {"type": "phase", "at": micros(BEGIN + second), "phase": phase}
    for at, name, address in s.names:
        yield {"type": "dns", "at": micros(at), "name": name, "addresses": [address], "resolver": "10.0.0.53"}
    generator = random.Random(7)
    port = 33000
    for name, address, dport, transport, kind, cause, ms in SEALED:
        yield {
            "type": "dns",
            "at": micros(BEGIN + 3),
            "name": name,
            "addresses": [address],
            "resolver": "10.0.0.53",
        }
        for second in sorted(generator.sample(range(5, 2300), 5)):
            port += 1
            at = BEGIN + second
            line: dict[str, object] = {
                "type": "refusal" if kind == "refusal" else "connection",
                "at": micros(at),
                "end": micros(at + generator.uniform(0.1, 4)),
                "transport": transport,
                "client": [PHONE, port],
                "server": [address, dport],
                "host": name,
                "kind": {"refusal": "ca_refused", "quic": "encrypted"}.get(kind, kind),
                "cause": cause,
            }
            if kind == "refusal":
                line |= {
                    "bytes_out": 517 + generator.randrange(40),
                    "bytes_in": 2900 + generator.randrange(300),
                    "tls": "TLSv1.3",
                }
            else:
                line |= {"bytes_out": generator.randrange(800, 9000), "bytes_in": generator.randrange(4000, 60000)}
            if kind == "quic":
                line["tls"] = "QUICv1"
            if ms is not None:
                line["tcp_ms"] = round(ms * generator.uniform(1.0, 1.05), 3)
            yield line


def micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


def chain(lines: Iterator[dict[str, object]]) -> Iterator[bytes]:
    """Lines in the order of time; each carries the hash of the line before."""
    before = "0" * 64
    for line in sorted(lines, key=lambda e: int(str(e["at"]))):
        text = json.dumps({**line, "prev": before}, separators=(",", ":"), ensure_ascii=False).encode()
        before = hashlib.sha256(text).hexdigest()
        yield text + b"\n"


def manifest() -> str:
    begun = datetime.fromtimestamp(BEGIN, UTC).isoformat()
    files = "".join(
        f"  - name: {name}\n    sha256: {hashlib.sha256((OUT / name).read_bytes()).hexdigest()}\n    leg: phone\n"
        for name in ("flows.mitm", "events.jsonl")
    )
    return f"""format: 1
name: Demo Shop
sample: true
made: >-
  The app, its maker, the person and the companies that receive data are invented; no packet was sent and no
  server answered. A script (scripts/make_demo_shop.py) wrote it, in the shapes that common SDKs document. The
  addresses are taken from ranges that real clouds publish for their regions, so that places can be shown as in a real
  audit: those clouds are real and did nothing that is shown here.
app:
  id: {APP}
  name: Kirana
  version: 5.12.0
  platform: android
  vendor: kirana
device: {{model: Selendra S4, system: Android 15, address: {PHONE}}}
user_country: ID
timezone: Asia/Jakarta
vantage: {{country: ID, city: Jakarta, latitude: -6.2, longitude: 106.82, line: direct}}
opened_by: user_certificate
app_only: true
persona: ../personas/jakarta-buyer.yaml
salt: {hashlib.sha256(b"salt of the sample").hexdigest()}
tools: {{script: scripts/make_demo_shop.py, begun: '{begun}'}}
files:
{files}"""


def main() -> None:
    person = yaml.load(PERSONA.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - a safe loader
    s = Session(person)
    play(s, Person(person))
    OUT.mkdir(parents=True, exist_ok=True)
    with (OUT / "flows.mitm").open("wb") as file:
        writer = FlowWriter(file)
        for flow in sorted(s.flows, key=lambda f: f.response.timestamp_end if f.response else 0):
            writer.add(flow)
    (OUT / "events.jsonl").write_bytes(b"".join(chain(events(s))))
    (OUT / "capture.yaml").write_text(manifest(), encoding="utf-8")
    hosts = {f.request.host for f in s.flows}
    print(f"{len(s.flows)} exchanges with {len(hosts)} hosts, {len(SEALED)} hosts that nobody opened")


if __name__ == "__main__":
    main()
