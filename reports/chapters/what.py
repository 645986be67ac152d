"""3 What, to whom: types of data to companies to countries, how often, the same value at several, one claim."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from reports import marks
from reports.chapters import Book, cells
from reports.facts import Company, Extent, Facts, Sent
from reports.pictures import NARROW, WIDE, linkage, sankey
from reports.strings import plain, shown
from reports.words import Words

HEAT_COMPANIES = 16
_APART = ("received", "not_personal", "system", "other")
"""Why a field with a data type does not count (``transmissions.counts``), but for what reached nobody."""
_STEPS = (1, 5, 20, 100)


def context(book: Book) -> dict[str, Any]:
    f, w, t = book.facts, book.words, book.words.t
    receivers = [c for c in f.known_companies if c.types]
    unknown = sum(bool(h.types) for h in f.hosts if h.company is None)
    if not f.hosts:
        answer = t("what.empty")
    elif not f.types:
        extent = Extent.of(f.hosts)
        answer = t("what.none_read", closed=extent.closed, which=extent.which, weak=len(f.weak_types))
    else:
        answer = t("what.answer", types=len(f.types), companies=len(receivers), unknown=unknown)
    return {
        "answer": answer,
        **_sankey(f, w),
        **_heat(f, w),
        **_links(f, w),
        "weak": _weak(f, w),
        "reveal": "yes" if f.reveal else "no",
        "claim": claim(f, w),
        "apart": w.list(w.of("what.apart", counts, n=n) for counts in _APART if (n := f.transmissions[counts])),
        "undelivered": f.transmissions["undelivered"],
        "no_persona": not f.options.get("persona"),
    }


def _sankey(f: Facts, w: Words) -> dict[str, Any]:
    if not f.types:
        return {"sankey": None}
    fold = sankey.folded(f, False)
    narrow = sankey.folded(f, True)
    return {
        "sankey": [
            (
                right,
                sankey.draw(f, w, WIDE, f"fig-sankey-{right}", right),
                sankey.draw(f, w, NARROW, f"fig-sankey-{right}", right),
            )
            for right in ("place", "law")
        ],
        "folded": [
            (
                kind,
                len(x.types),
                len(x.companies),
                cells.types(w, f, x.types),
                Markup(", ").join(w.company(c) for c in x.companies),
            )
            for kind, x in (("wide", fold), ("narrow", narrow))
            if x.types or x.companies
        ],
        "not_drawn": len(f.weak_types),
        "stripe": "one"
        if len(f.hosts) <= sankey.SCALE[0]
        else "company"
        if len(f.hosts) <= sankey.SCALE[1]
        else "root",
    }


# ------------------------------------------------------------------------------------------------ heat table


def _heat(f: Facts, w: Words) -> dict[str, Any]:
    companies = [c for c in f.companies if c.id is not None or c.types or c.weak or c.is_closed]
    shown_companies = companies[:HEAT_COMPANIES]
    rest = companies[HEAT_COMPANIES:]
    columns = [([c], w.company(c), w.company_short(c, 24)) for c in shown_companies]
    if rest:
        name = w.t("heat.others", n=len(rest))
        columns.append((rest, name, str(name.striptags())))
    order = sorted(f.types, key=lambda i: (_group(f, i), i))
    return {
        "heat_heads": [(full, short) for _, full, short in columns],
        "heat_rows": [(w.type(i), f.is_sensitive(i), [_cell(w, group, i) for group, _, _ in columns]) for i in order],
        "heat_legend": [
            (
                n + 1,
                w.t("heat.range", least=_STEPS[n], most=_STEPS[n + 1] - 1)
                if n < 3
                else w.t("heat.most", least=_STEPS[3]),
            )
            for n in range(4)
        ],
    }


def _weak(f: Facts, w: Words) -> list[dict[str, Any]]:
    """Types of which there are weak signs only: hollow, apart, and in no picture."""
    return [
        {
            "type": w.type(kind),
            "mark": marks.diamond(method, False),
            "how": w.of("method.short", method),
            "messages": w.number(len({s.message for s in f.sent if s.data_type == kind})),
            "hosts": w.number(sum(kind in h.weak for h in f.hosts)),
            "companies": w.few(
                [w.company(c) for c in f.companies if kind in c.weak],
                HEAT_COMPANIES,
            ),
        }
        for kind, method in f.weak_types.items()
    ]


def _group(f: Facts, data_type: str) -> tuple[int, str]:
    records = f.reference.data_types
    return (list(records).index(data_type), "") if data_type in records else (len(records), data_type)


def _cell(w: Words, companies: list[Company], data_type: str) -> dict[str, Any]:
    n = sum(len(c.types.get(data_type, ())) for c in companies)
    if n:
        return {"kind": "n", "text": w.number(n), "step": sum(n >= s for s in _STEPS)}
    weak = sum(len(c.weak.get(data_type, ())) for c in companies)
    if weak:
        return {"kind": "weak", "text": w.number(weak)}
    if not all(c.is_understood for c in companies):
        return {"kind": "closed", "text": w.t("heat.closed")}
    return {"kind": "dot", "text": w.t("heat.dot")}


# -------------------------------------------------------------------------------------------------- linkage


def _links(f: Facts, w: Words) -> dict[str, Any]:
    shared = linkage.gather(f)
    if not shared:
        return {"links": None, "links_why": w.t("links.none") if f.firm else w.t("links.nothing")}
    receivers = {r for s in shared for r in s.receivers}
    return {
        "links": True,
        "links_wide": linkage.draw(f, shared, w, WIDE, "fig-links"),
        "links_narrow": linkage.draw(f, shared, w, NARROW, "fig-links"),
        "links_rows": [
            (
                w.type(s.data_type),
                s.value_key[:12],
                w.number(len(s.receivers)),
                Markup(", ").join(sorted(Markup.escape(linkage.name(f, w, r, 60)) for r in s.receivers)),
            )
            for s in shared[:50]
        ],
        "links_total": len(shared),
        "links_more": max(len(shared) - 50, 0),
        "links_receivers": len(receivers),
    }


# --------------------------------------------------------------------------------------------------- claim


def claim(f: Facts, w: Words) -> dict[str, Any] | None:
    """One transmission down to its bytes: the one about which most is known."""
    evidence: dict[int, dict[str, Any]] = {}
    for row in f.tables["evidence"].to_pylist():
        evidence.setdefault(row["transmission"], row)
    candidates = [s for s in f.firm if s.number in evidence]
    if not candidates:
        return None
    best = max(candidates, key=lambda s: (*_weight(f, s), -s.number))
    return _claim(f, w, best, evidence[best.number])


def _weight(f: Facts, s: Sent) -> tuple[int, ...]:
    host = f.all_hosts[s.destination]
    record = f.reference.data_types.get(s.data_type)
    return (
        s.method == "planted",
        s.certainty == "high",
        s.phase == "consent_refused",
        host.level >= 2,
        host.row["party"] == "third",
        host.row["operator_confidence"] == "verified",
        record.sensitivity if record is not None else 0,
        host.level,
    )


def _claim(f: Facts, w: Words, s: Sent, evidence: dict[str, Any]) -> dict[str, Any]:
    t = w.t
    host = f.all_hosts[s.destination]
    row = {
        c: f.tables["transmissions"][c][s.number].as_py()
        for c in ("path", "masked", "value_key", "data_type", "transmission")
    }
    if row["transmission"] != s.number:
        index = f.tables["transmissions"]["transmission"].to_pylist().index(s.number)
        row = {c: f.tables["transmissions"][c][index].as_py() for c in ("path", "masked", "value_key", "data_type")}
    before = _since_refusal(f, s)
    sentence = t(
        "claim.after" if before is not None else "claim.sentence",
        type=w.type(s.data_type),
        host=w.host(host),
        seconds=before or 0,
        place=cells.place_sentence(w, host),
    )
    also = next((x for x in linkage.gather(f) if x.value_key == row["value_key"] and x.data_type == s.data_type), None)
    operator = cells.company(w, host)
    return {
        "id": s.number,
        "sentence": sentence,
        "place_said": cells.place_sentence(w, host),
        "against": cells.speaks_against(w, f, host),
        "message": shown(evidence["request_line"] or "", breaks="/?&."),
        "when": t("claim.when", time=w.clock(s.at, True), zone=w.zone(s.at)) if s.at else t("fact.no_time"),
        "phase": w.phase(s.phase) if s.phase else None,
        "chain": [shown(part, breaks="._") for part in (evidence["chain"] or "").split(" > ") if part],
        "path": shown(row["path"] or "", breaks="."),
        "excerpt": _excerpt(evidence["excerpt"] or "", row["masked"] or "", row["path"] or ""),
        "type_mark": marks.diamond(s.method, s.firm),
        "type_how": w.of("method.how", s.method, type=w.type(s.data_type)),
        "certainty": w.of("certainty", s.certainty),
        "key": " ".join(row["value_key"][i : i + 4] for i in range(0, 12, 4)) if row["value_key"] else None,
        "same": t("claim.same", n=len(also.receivers) - 1) if also else None,
        "place_mark": cells.level_mark(w, host.grade),
        "company": operator,
        "company_stops": str(operator.striptags()).endswith("."),
        "company_how": _company_how(w, host),
        "origin": plain(evidence["origin"] or "", 4000),
    }


def _since_refusal(f: Facts, s: Sent) -> int | None:
    if s.phase != "consent_refused" or not s.at:
        return None
    start = next((p.start for p in f.phases if p.name == "consent_refused" and p.stated), None)
    return None if start is None or s.at < start else max((s.at - start) // 1_000_000, 1)


def _company_how(w: Words, host: Any) -> Markup:
    row, t = host.row, w.t
    if row["operator"] is None:
        return t("claim.company_unknown")
    sure = "yes" if row["operator_confidence"] == "verified" else "no"
    # A domain may be documented and the seat of its company from memory: the link to the state says which.
    seat = any(
        link["link"] == "operator" and link["state"] == row["operator_country"] and link["confidence"] == "verified"
        for link in host.links
    )
    parts = [
        t(
            "claim.company",
            by=row["operator_from"] or "other",
            country=row["operator_country"] or "none",
            name=w.country(row["operator_country"]),
            sure=sure,
            seat="yes" if seat else "no",
        )
    ]
    if row["parent_name"]:
        share = (
            t("claim.share", percent=w.number(row["parent_share_percent"], 1))
            if row["parent_share_percent"]
            else Markup("")
        )
        parts.append(
            t(
                "claim.parent",
                parent=plain(row["parent_name"]),
                share=share,
                country=row["parent_country"] or "none",
                name=w.country(row["parent_country"]),
                sure="yes" if row["parent_confidence"] == "verified" else "no",
            )
        )
        if row["operator_as_of"]:
            parts.append(t("claim.as_of", date=w.date(row["operator_as_of"])))
    return Markup(" ").join(parts)


def _excerpt(excerpt: str, masked: str, path: str) -> Markup:
    """The masked excerpt with the value marked, where it is plain which of the masked values it is."""
    found = list(re.finditer(re.escape(masked), excerpt)) if masked else []
    found = [m for m in found if "·" not in (excerpt[m.start() - 1 : m.start()], excerpt[m.end() : m.end() + 1])]
    key = re.split(r"[.\[\]]+", path.rstrip("]"))[-1]
    near = [m for m in found if key and key in excerpt[max(m.start() - len(key) - 5, 0) : m.start()]]
    chosen = near[0] if len(near) == 1 else found[0] if len(found) == 1 else None
    if chosen is None:
        return Markup.escape(plain(excerpt))
    before, after = excerpt[: chosen.start()], excerpt[chosen.end() :]
    return Markup("{}<mark>{}</mark>{}").format(plain(before), plain(masked), plain(after))
