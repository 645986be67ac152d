"""9 All destinations, then all transmissions; apart: what other apps and the phone's own system spoke to, and what gave
no answer."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from reports import marks
from reports.chapters import MOST_ROWS, Book, cells
from reports.facts import Facts, Host
from reports.strings import plain, shown
from reports.words import Words


def context(book: Book) -> dict[str, Any]:
    f, w, t = book.facts, book.words, book.words.t
    hosts = sorted(f.hosts, key=lambda h: (-len(h.types), -sum(h.types.values()), -h.octets_out, h.number))
    sent = sorted(f.sent, key=lambda s: (not s.firm, not f.is_sensitive(s.data_type), s.number))
    apart = {"system": len(f.system_hosts), "others": len(f.other_hosts), "unanswered": len(f.unanswered)}
    apart["unreached"] = len(f.unreached)
    shown_sent = sorted(sent[:MOST_ROWS], key=lambda s: s.number)
    return {
        "answer": t("all.answer", n=len(f.hosts), **apart) if f.hosts or any(apart.values()) else t("where.none"),
        "rows": [_host(f, w, h) for h in hosts[:MOST_ROWS]],
        "left_out": max(len(hosts) - MOST_ROWS, 0),
        "system": [
            {**_host(f, w, h), "class": shown(h.row["system_noise"] or "", breaks="_")}
            for h in f.system_hosts[:MOST_ROWS]
        ],
        "system_left_out": max(len(f.system_hosts) - MOST_ROWS, 0),
        "others": [_host(f, w, h) for h in f.other_hosts[:MOST_ROWS]],
        "others_left_out": max(len(f.other_hosts) - MOST_ROWS, 0),
        "unanswered": [_host(f, w, h) for h in f.unanswered[:MOST_ROWS]],
        "unanswered_left_out": max(len(f.unanswered) - MOST_ROWS, 0),
        "unreached": [_host(f, w, h) for h in f.unreached[:MOST_ROWS]],
        "unreached_left_out": max(len(f.unreached) - MOST_ROWS, 0),
        "sent": _transmissions(f, w, {s.number for s in shown_sent}),
        "sent_total": len(f.sent),
        "sent_weak": len(f.sent) - len(f.firm),
        "sent_left_out": max(len(sent) - MOST_ROWS, 0),
        "reveal": f.reveal,
    }


def _host(f: Facts, w: Words, host: Host) -> dict[str, Any]:
    row, t = host.row, w.t
    named = row["host"] not in (None, row["address"])
    return {
        "number": host.number,
        "host": w.host(host),
        "address": shown(row["address"], breaks=".:") if named and row["address"] else None,
        "company": cells.company(w, host),
        "parent": shown_parent(w, host),
        "place": cells.place(w, host),
        "ms": w.tenths(row["round_trip_ms"]) if row["round_trip_ms"] is not None else None,
        "types": w.number(len(host.types)) if host.types or host.is_understood else None,
        "weak": t("host.weak", n=len(host.weak)) if host.weak else None,
        "messages": w.number(sum(host.types.values())) if host.types or host.is_understood else None,
        "out": w.octets(host.octets_out),
        "out_n": host.octets_out,
        "reading": cells.reading(w, host),
        "swatch": marks.swatch(host.reading),
    }


def shown_parent(w: Words, host: Host) -> Markup | None:
    row = host.row
    if not row["parent_name"]:
        return None
    made: Markup = w.t(
        "company.of", name=plain(row["parent_name"]), sure="yes" if row["parent_confidence"] == "verified" else "no"
    )
    if row["operator_as_of"]:
        made += w.t("state.as_of", date=w.date(row["operator_as_of"]))
    return made


def _transmissions(f: Facts, w: Words, wanted: set[int]) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not wanted:
        return []
    table = f.tables["transmissions"]
    rows = {
        r["transmission"]: r
        for r in table.filter(pc.is_in(table["transmission"], pa.array(sorted(wanted)))).to_pylist()
    }
    made = []
    for s in f.sent:
        if s.number not in wanted:
            continue
        row = rows[s.number]
        made.append(
            {
                "number": s.number,
                "time": w.clock(s.at, True) if s.at else None,
                "type": w.type(s.data_type),
                "sensitive": s.firm and f.is_sensitive(s.data_type),
                "mark": marks.diamond(s.method, s.firm),
                "method": w.of("method.short", s.method),
                "weak": not s.firm,
                "host": w.host(f.all_hosts[s.destination]),
                "path": shown(row["path"] or "", breaks="._[", most=120),
                "phase": w.phase(s.phase) if s.phase else None,
                "value": shown(row["value"] if f.reveal and row["value"] else row["masked"] or "", most=80),
                "origin": shown(row["origin"] or "", breaks="#!>:,", most=300),
            }
        )
    return made
