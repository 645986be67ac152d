"""4 When: every message over the session, the phases, and what left before and after the answer on consent."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from analysis.reading_states import SILENT, UNDERSTOOD
from reports.chapters import Book, cells
from reports.facts import Extent, Facts
from reports.pictures import NARROW, WIDE, timeline
from reports.strings import shown
from reports.words import Words

_MOST_MARKS = 100


def context(book: Book) -> dict[str, Any]:
    f, w, t = book.facts, book.words, book.words.t
    names = [p.name for p in f.phases]
    consent = [r for r in f.findings if r["rule"] == "CONSENT"]
    asked = any(n.startswith("consent_") for n in names)
    if not f.hosts:
        answer = t("when.empty")
    elif f.span is None:
        answer = t("when.no_times")
    elif consent:
        answer = Markup(" ").join(_consent(f, w, r) for r in consent)
    elif asked:
        answer = t("when.consent_none", **Extent.of(f.hosts).words)
    elif f.phases:
        answer = t("when.no_consent")
    else:
        answer = t("when.no_phases")
    rows = timeline.gather(f) if f.span is not None and f.hosts else []
    return {
        "answer": answer,
        "findings": [
            {
                "id": r["finding"],
                "sentence": _consent(f, w, r),
                "types": cells.types(w, f, _ids(r)),
                "weak": cells.weak_beside(w, r),
                "whose": cells.whose(w, r),
                "missing": [w.of("missing", m.partition(".")[2]) for m in r["missing"] or ()],
                "cannot": [w.of("cannot", m.partition(".")[2]) for m in r["cannot_show"] or ()],
            }
            for r in consent
        ],
        "timeline_wide": timeline.draw(f, rows, w, WIDE, "fig-time") if rows else None,
        "timeline_narrow": timeline.draw(f, rows, w, NARROW, "fig-time") if rows else None,
        "timeline_more": max(len(rows) - timeline.ROWS, 0),
        "stated": all(p.stated for p in f.phases),
        "phases": _phases(f, w),
        "marks": [{"at": w.clock(at, True), "note": shown(note, " ")} for at, note in f.marks[:_MOST_MARKS]],
        "marks_more": max(len(f.marks) - _MOST_MARKS, 0),
        "start": w.clock(f.span[0], True) if f.span is not None else None,
        "zone": w.zone(f.span[0]) if f.span is not None else None,
    }


def _ids(finding: Any) -> list[str]:
    return [i for i in (finding["args"].get("types") or "").split(",") if i]


def _consent(f: Facts, w: Words, finding: Any) -> Markup:
    key = str(finding["wording"])
    if key not in w.t:
        return Markup.escape(key)
    companies = {f.all_hosts[d].company for d in finding["destinations"] or () if d in f.all_hosts} - {None}
    return w.t(
        key,
        n=int(finding["args"].get("type_count") or 0),
        hosts=len(finding["destinations"] or ()),
        companies=len(companies),
    )


def _phases(f: Facts, w: Words) -> list[dict[str, Any]]:
    """What was read in each phase. A name that comes twice is one row: the tables tell phases by name."""
    rows = []
    for name in dict.fromkeys(p.name for p in f.phases):
        first = next(p for p in f.phases if p.name == name)
        sent = [s for s in f.firm if s.phase == name]
        types = {s.data_type for s in sent}
        closed = sum(
            1
            for flow, reading in f.flow_reading.items()
            if reading not in (UNDERSTOOD, SILENT)
            and (at := f.flow_first[flow]) is not None
            and any(p.name == name and p.start <= at < max(p.end, p.start + 1) for p in f.phases)
        )
        rows.append(
            {
                "name": w.phase(name),
                "start": w.clock(first.start, True),
                "messages": w.number(len({s.message for s in sent})),
                "types": w.number(len(types)),
                "sensitive": w.number(sum(map(f.is_sensitive, types))),
                "companies": w.number(len({f.all_hosts[s.destination].company for s in sent} - {None})),
                "closed": w.number(closed),
            }
        )
    outside = [s for s in f.firm if s.phase is None]
    if rows and outside:
        types = {s.data_type for s in outside}
        rows.append(
            {
                "name": w.t("when.outside"),
                "start": "",
                "messages": w.number(len({s.message for s in outside})),
                "types": w.number(len(types)),
                "sensitive": w.number(sum(map(f.is_sensitive, types))),
                "companies": w.number(len({f.all_hosts[s.destination].company for s in outside} - {None})),
                "closed": "",
            }
        )
    return rows
