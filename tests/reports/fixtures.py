"""Audit folders made by hand through ``tables.py``: a rich one, poor ones, a hostile one and a huge one.

Companies and hosts are invented (names under .example, RFC 2606; addresses of RFC 5737), statutes are those of the
reference data.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from analysis import tables
from analysis.conclude import counting, opaque, readings, strength
from analysis.folder import Manifest
from analysis.reference import Reference

START = datetime(2026, 11, 18, 3, 2, tzinfo=UTC)
PHASES = (
    ("first_launch", 0),
    ("consent_asked", 2),
    ("consent_refused", 4),
    ("login", 8),
    ("browse", 12),
    ("buy", 25),
    ("background", 31),
    ("logout", 38),
)
PLANTED = (
    "advertising_id gps_precise email phone_number full_name account_id push_token postal_address national_id_nik "
    "imei wifi_bssid date_of_birth messages otp"
).split()
BY_KEY = "install_id session_token search_query installed_apps location_coarse".split()
BY_FIELD = "vendor_id device_fingerprint app_interaction purchase_history ad_data".split()
BY_SHAPE = ["ip_address", "email_hash"]

# name, operator, country, level, reason, ms, extra
_HOSTS: tuple[tuple[str, str | None, str | None, int, str, float | None, dict[str, Any]], ...] = (
    ("api.demoshop.example", "niaga", "ID", 4, "bounded_by_time", 1.9, {}),
    ("search.demoshop.example", "niaga", "ID", 4, "bounded_by_time", 2.1, {}),
    ("login.demoshop.example", "niaga", "ID", 4, "bounded_by_time", 2.2, {"closed": "pinned"}),
    ("pay.demoshop.example", "niaga", "ID", 3, "no_time_bound", 5.0, {}),
    ("img.demoshop.example", "niaga", None, 1, "anycast", 4.1, {"anycast": True, "refuted": ["US"]}),
    ("static.demoshop.example", "niaga", None, 1, "anycast", 4.4, {"anycast": True}),
    ("feed.demoshop.example", "niaga", "SG", 3, "no_time_bound", 15.1, {"rented": "meridian"}),
    ("log.pagoda.example", "pagoda", "SG", 3, "no_time_bound", 15.0, {}),
    ("rt.pagoda.example", "pagoda", "SG", 3, "no_time_bound", 15.3, {}),
    ("cfg.pagoda.example", "pagoda", "SG", 2, "no_second_kind", 16.0, {}),
    ("ads.northlight.example", "northlight", "SG", 2, "no_second_kind", 14.4, {"refuted": ["US"]}),
    ("bid.northlight.example", "northlight", "US", 3, "no_time_bound", 238.0, {}),
    ("id.northlight.example", "northlight", "US", 2, "no_second_kind", 241.0, {}),
    ("events.harbor.example", "harbor", "US", 3, "no_time_bound", 229.0, {"rented": "meridian"}),
    ("replay.harbor.example", "harbor", "US", 2, "no_second_kind", 226.0, {"closed": "sealed"}),
    ("crash.meridian.example", "meridian", None, 0, "sources_contradict", 14.2, {"refuted": ["US"]}),
    ("push.meridian.example", "meridian", None, 1, "anycast", 3.9, {"anycast": True}),
    ("dl.sakura.example", "sakura", "JP", 1, "beyond_fibre", 38.0, {"doubtful": ["JP"]}),
    ("s2s.sakura.example", "sakura", "JP", 3, "no_time_bound", 84.0, {}),
    ("reg.qingweipush.example", "qingwei", "CN", 3, "no_time_bound", 58.0, {}),
    ("long.qingweipush.example", "qingwei", "CN", 2, "no_second_kind", 57.0, {"closed": "non_http"}),
    ("stat.qingweipush.example", "qingwei", "CN", 2, "no_second_kind", 59.0, {"closed": "encrypted"}),
    ("promo.qingweipush.example", "qingwei", "CN", 1, "one_database", None, {}),
    ("in.quill.example", "quill", "US", 1, "one_database", None, {}),
    ("live.lanting.example", "lanting", None, 0, "sources_contradict", 43.0, {}),
    ("sdk.merlion.example", "merlion", "SG", 3, "no_time_bound", 15.9, {}),
    ("ws.merlion.example", "merlion", "SG", 3, "no_time_bound", 16.2, {}),
    ("media.merlion.example", "merlion", "SG", 2, "no_second_kind", 16.4, {"closed": "ca_refused"}),
    ("ad.straits.example", "straits", "SG", 2, "no_second_kind", 13.9, {}),
    ("match.straits.example", "straits", "SG", 2, "no_second_kind", 14.1, {}),
    ("rtb.pixelgrove.example", "pixelgrove", "US", 2, "no_second_kind", 230.0, {}),
    ("sync.pixelgrove.example", "pixelgrove", "SG", 2, "no_second_kind", 15.6, {}),
    ("sdk.cakra.example", "cakra", "ID", 3, "no_time_bound", 4.9, {"closed": "ca_refused"}),
    ("otp.nusaawan.example", "nusaawan", "ID", 3, "no_time_bound", 3.4, {}),
    ("risk.albion.example", "albion", "DE", 2, "no_second_kind", 172.0, {}),
    ("crash.rheinwerk.example", "rheinwerk", "DE", 3, "no_time_bound", 176.0, {}),
    ("sym.rheinwerk.example", "rheinwerk", "DE", 2, "no_second_kind", 178.0, {"closed": "ca_refused"}),
    ("promo.valletta.example", "valletta", "MT", 1, "one_database", None, {}),
    ("cdn.ringline.example", "ringline", None, 1, "anycast", 5.2, {"anycast": True}),
    ("edge.ringline.example", "ringline", "SG", 2, "anycast_node_names_itself", 15.0, {"anycast": True}),
    ("unknown-a.example", None, None, 0, "no_source", 21.0, {}),
    ("unknown-b.example", None, "HK", 1, "databases_contradict", 33.0, {}),
    ("", None, None, 0, "reserved", None, {"closed": "unread"}),
)
_COMPANIES: Mapping[str, tuple[str, str, str, str | None, str | None, float | None]] = {
    # name, country, confidence, parent, parent's country, share
    "niaga": ("PT Demo Niaga Digital", "ID", "verified", "Demo Commerce Pte. Ltd.", "SG", 100.0),
    "pagoda": ("Pagoda Metrics Pte. Ltd.", "SG", "verified", "Qingwei Technology Co.", "CN", 100.0),
    "northlight": ("Northlight Ads LLC", "US", "recalled", None, None, None),
    "harbor": ("Harbor Analytics Inc.", "US", "verified", None, None, None),
    "meridian": ("Meridian Cloud Inc.", "US", "verified", None, None, None),
    "sakura": ("Sakura Attribution K.K.", "JP", "verified", None, None, None),
    "qingwei": ("Qingwei Push Co., Ltd.", "CN", "verified", "Qingwei Technology Co.", "CN", 100.0),
    "quill": ("Quill Inc.", "US", "verified", None, None, None),
    "lanting": ("Lanting Live Ltd.", "CN", "recalled", None, None, None),
    "merlion": ("Merlion Chat Pte. Ltd.", "SG", "verified", "Kaveri Messaging Ltd.", "IN", 74.0),
    "straits": ("Straits Ads Pte. Ltd.", "SG", "verified", None, None, None),
    "pixelgrove": ("Pixelgrove Exchange Inc.", "US", "verified", None, None, None),
    "cakra": ("PT Cakra Pembayaran", "ID", "verified", None, None, None),
    "nusaawan": ("PT Nusa Awan", "ID", "recalled", None, None, None),
    "albion": ("Albion Risk Ltd.", "GB", "verified", None, None, None),
    "rheinwerk": ("Rheinwerk Crash GmbH", "DE", "verified", None, None, None),
    "valletta": ("Valletta Promo Ltd.", "MT", "recalled", None, None, None),
    "ringline": ("Ringline CDN Inc.", "US", "verified", None, None, None),
}
_STATUTES = {
    "CN": ["CN-NIL-7", "CN-CSL-28"],
    "US": ["US-CLOUD"],
    "SG": [],
    "ID": [],
}


def _links(operator: str | None, country: str | None, level: int, rented: str | None) -> list[dict[str, Any]]:
    def link(state: str, kind: str, company: str | None, sure: str, share: float | None = None) -> dict[str, Any]:
        return {
            "state": state,
            "link": kind,
            "company": company,
            "share_percent": share,
            "as_of": None,
            "level": level if kind == "machine" else None,
            "statutes": _STATUTES.get(state, []),
            "statutes_read": _STATUTES.get(state, []),
            "basis": None if company is None else "incorporated",
            "confidence": sure,
        }

    made = [link(country, "machine", None, "verified")] if country is not None and level > 0 else []
    if operator is not None:
        _, seat, sure, parent, parent_country, share = _COMPANIES[operator]
        made.append(link(seat, "operator", operator, sure))
        if parent is not None and parent_country is not None:
            made.append(link(parent_country, "parent", f"{operator}-parent", sure, share))
    if rented is not None:
        made.append(link(_COMPANIES[rented][1], "machine_owner", rented, "verified"))
    return made


def destination(number: int, host: tuple[Any, ...]) -> dict[str, Any]:
    """A row of ``destinations``."""
    name, operator, country, level, reason, ms, extra = host
    known = _COMPANIES.get(operator) if operator is not None else None
    rented = extra.get("rented")
    witnesses = []
    if country is not None:
        witnesses.append(
            {"kind": "database", "source": "db-a", "country": country, "text": "db-a, 2026-11", "stance": "for"}
        )
        if level >= 2:
            witnesses.append(
                {"kind": "database", "source": "db-b", "country": country, "text": "db-b", "stance": "for"}
            )
        if level >= 3:
            witnesses.append(
                {"kind": "ranges", "source": "list", "country": country, "text": "region", "stance": "for"}
            )
    return {
        "destination": number,
        "host": name or None,
        "address": f"203.0.113.{number + 1}",
        "country": country,
        "level": level,
        "reason": reason,
        "witnesses": witnesses,
        "refuted": extra.get("refuted", []),
        "doubtful": extra.get("doubtful", []),
        "best_level_here": 3,
        "round_trip_ms": ms,
        "within_km": 150 * ms if ms is not None else None,
        "nearest_km": {"ID": 0.0, "SG": 860.0, "JP": 4300.0}.get(country or "") if country else None,
        "anycast": extra.get("anycast"),
        "registered_country": "US",
        "operator": operator,
        "operator_name": known[0] if known else None,
        "operator_from": "domain" if known else None,
        "operator_confidence": known[2] if known else None,
        "operator_country": known[1] if known else None,
        "rented_from": rented,
        "rented_from_name": _COMPANIES[rented][0] if rented else None,
        "parent": f"{operator}-parent" if known and known[3] else None,
        "parent_name": known[3] if known else None,
        "parent_country": known[4] if known else None,
        "parent_confidence": known[2] if known and known[3] else None,
        "parent_share_percent": known[5] if known else None,
        "party": "first" if operator == "niaga" else "third" if operator else "unknown",
        "law_reach": [],
        "law_links": _links(operator, country, level, rented),
    }


class Maker:
    """Rows of all tables, added one conversation at a time."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in tables.TABLES}
        self.rows["sources"].append(
            {
                "source": 0,
                "file": "flows.mitm",
                "kind": "mitmproxy",
                "sha256": "5c1e" * 16,
                "bytes": 900_000,
                "leg": "phone",
            }
        )

    def flow(self, place: int, at: datetime | None, out: int = 0, back: int = 0, **more: Any) -> int:
        number = len(self.rows["flows"])
        closed = more.pop("closed", None)
        read = more.pop("read", 0 if closed and closed != "sealed" else out + back)
        self.rows["flows"].append(
            {
                "flow": number,
                "source": 0,
                "leg": "phone",
                "way": "regular",
                "transport": "tcp",
                "dport": 443,
                "first": at,
                "last": at,
                "bytes_out": out,
                "bytes_in": back,
                "bytes_read": read,
                "destination": place,
                "decrypted": closed is None or closed == "sealed",
                "origin": f"flows.mitm#{number}!file:0+1",
                **more,
            }
        )
        if closed is not None:
            cause = {
                "pinned": "certificate_not_trusted",
                "ca_refused": "closed_after_handshake",
                "encrypted": "quic",
            }.get(closed)
            self.rows["opaque"].append(
                {
                    "flow": number,
                    "kind": closed,
                    "cause": cause,
                    "destination": place,
                    "bytes": out + back - read,
                    "count": 1,
                }
            )
        return number

    def exchange(self, place: int, flow: int, at: datetime | None, phase: str | None, host: str, path: str) -> int:
        number = len(self.rows["exchanges"])
        self.rows["exchanges"].append(
            {
                "exchange": number,
                "flow": flow,
                "started": at,
                "protocol": "http/2",
                "method": "POST",
                "scheme": "https",
                "host": host,
                "path": path,
                "status": 200,
                "request_bytes": 900,
                "response_bytes": 300,
                "destination": place,
                "phase": phase,
                "origin": f"flows.mitm#{flow}!http-request-head:0+120",
            }
        )
        self.rows["messages"].append(
            {
                "message": number,
                "flow": flow,
                "exchange": number,
                "direction": "sent",
                "index": 0,
                "at": at,
                "kind": "request",
                "bytes": 900,
                "decoded": True,
                "reading": "understood",
                "bytes_not_understood": 0,
                "origin": f"flows.mitm#{flow}!http-request-body:0+900",
            }
        )
        return number

    def sent(self, exchange: int, data_type: str, method: str, **more: Any) -> int:
        of = self.rows["exchanges"][exchange]
        number = len(self.rows["transmissions"])
        key = hashlib.sha256(data_type.encode()).hexdigest()[:32]
        self.rows["transmissions"].append(
            {
                "transmission": number,
                "message": exchange,
                "exchange": exchange,
                "flow": of["flow"],
                "destination": of["destination"],
                "direction": "sent",
                "data_type": data_type,
                "method": method,
                "also": [],
                "certainty": "low" if method == "value" else "high",
                "path": f"request.body.events[{number % 7}].{data_type}",
                "via": "gzip > json",
                "masked": "9c··········e2",
                "value_key": key,
                "value": "",
                "phase": of["phase"],
                "origin": f"flows.mitm#{of['flow']}!http-request-body>gzip>json-string@88+52:18+36",
                **more,
            }
        )
        return number

    def write(self, folder: Path, audit: Mapping[str, Any]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        made = {name: table.from_rows(self.rows[name]) for name, table in tables.TABLES.items()}
        opened_by = (audit.get("manifest") or {}).get("opened_by")
        made = counting.counts(made, Reference.load())
        made["transmissions"] = strength.describe(made, Reference.load())
        made |= readings.gather(made)
        made["readable"] = opaque.readable(made, Manifest(opened_by=opened_by))
        tables.write(folder, made, {"format": tables.FORMAT, **audit})
        return folder


AUDIT: Mapping[str, Any] = {
    "lintas": "0.1.0",
    "name": "demo",
    "made": "This capture is invented: made by hand for a test.",
    "sample": True,
    "capture_date": "2026-11-18",
    "manifest": {
        "app": {
            "id": "com.example.demo",
            "name": "Demo Shop",
            "version": "5.12.0",
            "platform": "android",
            "vendor": "niaga",
        },
        "device": {"model": "Selendra S4"},
        "user_country": "ID",
        "timezone": "Asia/Jakarta",
        "vantage": {"country": "ID", "city": "Jakarta", "latitude": -6.2, "longitude": 106.82, "line": "direct"},
        "opened_by": "system_certificate",
        "phases": [
            {"phase": name, "start": (START + timedelta(minutes=minute)).isoformat()} for name, minute in PHASES
        ],
    },
    "marks": [
        {"at": (START + timedelta(minutes=9)).isoformat(), "note": "put two books into the basket"},
        {"at": (START + timedelta(minutes=3)).isoformat(), "note": "asked for the place, said no"},
    ],
    "options": {"persona": sorted(PLANTED), "reveal": False, "study_key": False, "reference": []},
    "counts": {"flows": 345, "exchanges": 300},
    "reference": [
        {
            "name": "operators.yaml",
            "date": "2026-11-24",
            "sha256": "ab" * 32,
            "licence": "MIT",
            "attribution": "us",
            "source": "here",
        }
    ],
    "libraries": {"pyarrow": "20.0"},
}


def phase_at(at: datetime) -> str:
    minute = (at - START).total_seconds() / 60
    return [name for name, start in PHASES if start <= minute][-1]


def rich(folder: Path, **changes: Any) -> Path:
    """About 45 destinations, 26 types, 300 exchanges; some refused, sealed, encrypted, refuted, doubtful, anycast."""
    dice = random.Random(7)
    made = Maker()
    for number, host in enumerate(_HOSTS):
        made.rows["destinations"].append(destination(number, host))
    noise = destination(len(_HOSTS), ("mtalk.noise.example", None, "US", 2, "no_second_kind", 20.0, {}))
    made.rows["destinations"].append(noise | {"system_noise": "push"})
    types = [(t, "planted") for t in PLANTED] + [(t, "key") for t in BY_KEY]
    types += [(t, "endpoint") for t in BY_FIELD] + [(t, "value") for t in BY_SHAPE]
    assert len(types) == 26
    favourite = {n: dice.sample(types, dice.randint(1, 7)) for n in range(len(_HOSTS))}
    for n, one in enumerate(types):
        favourite[(n * 5) % 40].append(one)
    for n in range(300):
        place = (
            n % len(_HOSTS) if n < 2 * len(_HOSTS) else dice.choice((0, 1, 7, 8, 11, 13, 19, 25, 28, 30, 33, 34, 35))
        )
        at = START + timedelta(seconds=dice.randint(1, 42 * 60 - 1))
        name, _, _, _, _, ms, extra = _HOSTS[place]
        phase = phase_at(at)
        closed = extra.get("closed")
        sealed = {"read": 900} if closed == "sealed" else {}
        flow = made.flow(place, at, 1200, 600, phase=phase, tcp_ms=ms, host=name or None, closed=closed, **sealed)
        if closed and closed != "sealed":
            continue
        exchange = made.exchange(place, flow, at, phase, name, "/v2/batch")
        for data_type, method in dice.sample(favourite[place], dice.randint(0, len(favourite[place]))):
            number = made.sent(exchange, data_type, method)
            if number % 3 == 0:
                made.rows["evidence"].append(
                    {
                        "transmission": number,
                        "excerpt": f'… "ev":"page_view","{data_type}":"9c··········e2","tz":"Asia/Jakarta" …',
                        "request_line": f"POST {name}/v2/batch",
                        "chain": "request.body > gzip > json",
                        "origin": f"flows.mitm#{flow}!http-request-body>gzip:18+36",
                    }
                )
    # The phone's system, and the same traffic seen once more on the other side of the proxy.
    flow = made.flow(len(_HOSTS), START, 500, 500, host="mtalk.noise.example")
    made.sent(
        made.exchange(len(_HOSTS), flow, START, "first_launch", "mtalk.noise.example", "/"), "advertising_id", "planted"
    )
    flow = made.flow(0, START, 5_000_000, 5_000_000, same_as=0)
    made.sent(made.exchange(0, flow, START, "first_launch", "api.demoshop.example", "/"), "genetic", "planted")
    _conclude(made)
    made.rows["losses"].append({"source": 0, "kind": "body_undecoded", "count": 3, "bytes": 4096, "where": "multipart"})
    return made.write(folder, {**AUDIT, **changes})


def _conclude(made: Maker) -> None:
    """Links, totals and findings as ``conclude`` would leave them, as far as a report shows them."""
    noise = {d["destination"] for d in made.rows["destinations"] if d.get("system_noise")}
    for table in ("flows", "exchanges", "transmissions"):
        for row in made.rows[table]:
            row.setdefault("whose", "system" if row["destination"] in noise else "app")
    for row in made.rows["flows"]:
        row.setdefault("app_from", "stated")
    counted = {f["flow"] for f in made.rows["flows"] if f.get("same_as") is None}
    totals: dict[int, list[int]] = {}
    for f in made.rows["flows"]:
        if f["flow"] in counted and f["whose"] == "app":
            total = totals.setdefault(f["destination"], [0, 0, 0])
            total[0] += 1
            total[1] += f["bytes_out"]
            total[2] += f["bytes_in"]
    for d in made.rows["destinations"]:
        d["app_flows"], d["app_bytes_out"], d["app_bytes_in"] = totals.get(d["destination"], [0, 0, 0])
        d["flows"], d["bytes_out"], d["bytes_in"] = d["app_flows"], d["app_bytes_out"], d["app_bytes_in"]
    of_app = [t for t in made.rows["transmissions"] if t["flow"] in counted and t["whose"] == "app"]
    sent = [t for t in of_app if t["direction"] == "sent"]
    keys: dict[tuple[str, str], set[int]] = {}
    for t in sent:
        if t["data_type"] in ("advertising_id", "account_id", "install_id", "email", "vendor_id"):
            keys.setdefault((t["value_key"], t["data_type"]), set()).add(t["destination"])
    for (key, kind), places in sorted(keys.items()):
        if len(places) > 1:
            made.rows["links"].append(
                {"value_key": key, "data_type": kind, "destinations": sorted(places), "operators": []}
            )

    def finding(name: str, rule: str, state: str | None, wording: str, of: list[dict[str, Any]], **more: Any) -> None:
        types = sorted({t["data_type"] for t in of})
        args = {"types": ",".join(types), "type_count": len(types), "state": state or ""}
        made.rows["findings"].append(
            {
                "finding": name,
                "rule": rule,
                "regime": rule.lower(),
                "state": state,
                "severity": "notice",
                "wording": wording,
                "args": [{"name": k, "value": str(v)} for k, v in args.items()],
                "transmissions": [t["transmission"] for t in of],
                "destinations": sorted({t["destination"] for t in of}),
                **more,
            }
        )

    sent = [t for t in sent if t["method"] in ("planted", "key")]
    before = [t for t in sent if t["phase"] in ("first_launch", "consent_asked")]
    after = [t for t in sent if t["phase"] not in ("first_launch", "consent_asked", None)]
    consent = {"missing": ["missing.consent_text"], "cannot_show": ["cannot.legal_basis", "cannot.behind_server"]}
    if before:
        finding("CONSENT-before", "CONSENT", None, "finding.consent.before", before, **consent)
    if after:
        finding("CONSENT-refused", "CONSENT", None, "finding.consent.refused", after, **consent)
    states: dict[str, list[dict[str, Any]]] = {}
    place = {d["destination"]: d for d in made.rows["destinations"]}
    for t in sent:
        country = place[t["destination"]]["country"]
        if country is not None and country != "ID":
            states.setdefault(country, []).append(t)
    for state, of in sorted(states.items()):
        level = max(place[t["destination"]]["level"] for t in of)
        missing = {1: ["missing.second_database", "missing.second_kind"], 2: ["missing.second_kind"]}.get(level, [])
        finding(
            f"DEST-{state}",
            "DEST",
            state,
            f"finding.destination.level{level}",
            of,
            level=level,
            missing=missing,
            cannot_show=["cannot.storage", "cannot.behind_server"],
        )


def poor(folder: Path) -> Path:
    """All encrypted, nobody knows the app, no persona, no vantage, no phases."""
    made = Maker()
    made.rows["sources"][0] |= {"file": "iphone.pcap", "kind": "pcap"}
    for n in range(4):
        row = destination(
            n, (f"host-{n}.example", None, "US" if n else None, n and 1, "one_database" if n else "no_source", None, {})
        )
        made.rows["destinations"].append(row)
        made.flow(
            n,
            START + timedelta(seconds=n),
            2000,
            9000,
            closed="encrypted",
            host=f"host-{n}.example",
            packets_out=5,
            app_from=None,
        )
    _conclude(made)
    return made.write(folder, {"name": "iphone", "manifest": {}, "options": {"persona": None, "reveal": False}})


def timeless(folder: Path) -> Path:
    """A capture without times and addresses."""
    made = Maker()
    made.rows["destinations"].append(
        destination(0, ("api.example", None, None, 0, "no_address", None, {})) | {"address": None}
    )
    flow = made.flow(0, None, 10, 10, host="api.example")
    made.sent(made.exchange(0, flow, None, None, "api.example", "/"), "email", "key")
    _conclude(made)
    return made.write(folder, {"name": "timeless", "manifest": {"app": {"id": "com.example.x"}}, "options": {}})


def several(folder: Path) -> Path:
    """Four that spoke: the app under test (stated, and inferred), nobody knows who, another app, the phone's system.
    The other app spoke to a host of the app's too, and the app itself to a push server."""
    made = Maker()
    names = ("shop.example", "new.example", "unknown.example", "bank.example", "push.example")
    for n, name in enumerate(names):
        row = destination(n, (name, "niaga", "SG", 2, "no_second_kind", 15.0, {}))
        made.rows["destinations"].append(row | {"system_noise": "push" if n == 4 else None})
    app, bank, listed = "com.example.demo", "com.example.bank", "destination"
    spoke: tuple[tuple[int, str | None, str | None, str | None, str, str, int], ...] = (
        (0, app, "stated", "socket", "app", "email", 100),
        (1, app, "inferred", "idle_baseline", "app", "imei", 200),
        (2, None, None, None, "app", "gender", 400),
        (0, bank, "joined", "both_ends", "other", "phone_number", 800),
        (3, bank, "joined", "both_ends", "other", "national_id_nik", 1600),
        (4, None, "system", listed, "system", "advertising_id", 3200),
        (4, app, "stated", "socket", "app", "push_token", 6400),
    )
    for n, (place, name, app_from, app_by, whose, kind, octets) in enumerate(spoke):
        at = START + timedelta(seconds=n)
        said = {"app": name, "app_from": app_from, "app_by": app_by, "whose": whose}
        flow = made.flow(place, at, octets, 0, host=names[place], **said)
        exchange = made.exchange(place, flow, at, "browse", names[place], "/")
        made.rows["exchanges"][exchange] |= {"whose": whose, "app": name}
        made.sent(exchange, kind, "planted", whose=whose)
        made.rows["apps"].append({**said, "flows": 1, "destinations": 1, "bytes_out": octets, "bytes_in": 0})
    _conclude(made)
    for row in made.rows["findings"]:
        row["args"] += [{"name": "types_inferred", "value": "imei"}, {"name": "types_assumed", "value": "gender"}]
        row["missing"] = [*(row.get("missing") or ()), "missing.app_stated"]
    return made.write(folder, {**AUDIT, "name": "several"})


def empty(folder: Path) -> Path:
    """Nothing at all, and an ``audit.json`` that says nothing."""
    return Maker().write(folder, {})


REVEALED = "ada.hartono@example.org"


def revealed(folder: Path) -> Path:
    """An audit made with ``--reveal``."""
    made = Maker()
    made.rows["destinations"].append(destination(0, ("api.example", None, "SG", 2, "no_second_kind", None, {})))
    flow = made.flow(0, START, 10, 10, host="api.example")
    made.sent(made.exchange(0, flow, START, None, "api.example", "/"), "email", "planted", value=REVEALED)
    _conclude(made)
    return made.write(folder, {"name": "r", "manifest": {}, "options": {"reveal": True, "persona": ["email"]}})


HOSTILE = (
    '"><script>document.title="owned"</script>.example',
    "good.example\u202emoc.live\u202c",
    "pay\u200bpal.example",
    "x" * 5000 + ".example",
    "münchen.example",
    "‹email›.track.example",
    "=cmd|' /C calc'!A0.example",
    "</style><img src=x onerror=alert(1)>",
    "a\x00b\nc.example",
)


def hostile(folder: Path) -> Path:
    """Names, paths and texts that try to leave their place, everywhere where a capture or a manifest can put them."""
    made = Maker()
    for n, name in enumerate(HOSTILE):
        row = destination(n, (name, None, "US", 2, "no_second_kind", 20.0 + n, {}))
        row |= {
            "operator": f"op{n}",
            "operator_name": name[:60],
            "operator_confidence": "recalled",
            "operator_country": "US",
        }
        row["witnesses"][0]["text"] = name
        row["law_links"].append(
            {"state": "US", "link": "operator", "company": f"op{n}", "statutes": [name[:40]], "confidence": "verified"}
        )
        made.rows["destinations"].append(row)
        # The last one claims the farthest time that the tables can hold.
        at = START + timedelta(seconds=n) if n + 1 < len(HOSTILE) else datetime(9999, 12, 31, tzinfo=UTC)
        flow = made.flow(n, at, 100, 100, host=name)
        exchange = made.exchange(n, flow, at, name[:50], name, f"/{name}")
        number = made.sent(exchange, name[:40], "planted", path=f"request.{name}", masked=name[:30], phase=name[:50])
        made.sent(exchange, "advertising_id", "planted")
        made.rows["evidence"].append(
            {
                "transmission": number,
                "excerpt": f"a {name} b",
                "request_line": f"GET {name}",
                "chain": f"query > {name}",
                "origin": name,
            }
        )
        made.rows["losses"].append({"source": 0, "kind": name[:30], "count": 1, "bytes": 1, "where": name})
    made.rows["sources"][0] |= {"file": HOSTILE[0], "kind": HOSTILE[7]}
    _conclude(made)
    evil = HOSTILE[0]
    manifest = {"app": {"name": evil, "version": evil, "vendor": evil}, "vantage": {"city": evil}, "opened_by": evil}
    audit = {
        "name": evil,
        "made": evil,
        "marks": [{"at": START.isoformat(), "note": text} for text in HOSTILE],
        "manifest": manifest | {"timezone": "Asia/Jakarta"},
        "options": {"persona": [evil]},
        "reference": [{"name": evil, "date": evil, "attribution": evil}],
        "libraries": {evil: evil},
        "capture_date": evil,
    }
    return made.write(folder, audit)


def huge(folder: Path, hosts: int = 20_000) -> Path:
    """Very many destinations."""
    dice = random.Random(3)
    made = Maker()
    countries = "US SG JP DE CN ID FR GB NL IN BR AU KR CA ZA".split()
    operators = list(_COMPANIES)
    types = [*PLANTED, *BY_KEY]
    for n in range(hosts):
        country, level = dice.choice(countries), dice.choice((0, 1, 2, 3))
        host = (
            f"h{n}.cdn.example",
            dice.choice(operators),
            country if level else None,
            level,
            "no_second_kind",
            None,
            {},
        )
        made.rows["destinations"].append(destination(n, host) | {"address": f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"})
        at = START + timedelta(seconds=n % 2500)
        flow = made.flow(n, at, 700, 300, host=f"h{n}.cdn.example")
        exchange = made.exchange(n, flow, at, phase_at(at), f"h{n}.cdn.example", "/")
        made.sent(exchange, dice.choice(types), "planted")
    _conclude(made)
    return made.write(folder, AUDIT)
