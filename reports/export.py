"""The same numbers as JSON, and the whole lists as CSV, for those who reckon on.

What a spreadsheet would take for a formula gets an apostrophe before it. No file's name begins like a table's.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from analysis.folder.owner import begin_closed, close_to_others
from reports.facts import LINKS, Facts
from reports.states import State

FORMAT = 1
_SIGNS = frozenset("=+-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻")
"""What a formula begins with, also where a spreadsheet makes the wide and small forms of these signs into them."""
_ENDS = frozenset("\t\r\n;|")
"""What begins another cell where these are the separators."""
_PASSED = _ENDS | frozenset("\ufeff\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u2060\"'`‘’“”")
"""What a spreadsheet, or whoever cleans a list for it, takes away from before a formula; spaces and control
characters too."""
_HARMLESS = re.compile(r"[0-9A-Za-z/][^\t\r\n;|]*")
"""Most cells: they begin as no formula does, and nothing in them begins another cell."""


def write(folder: Path, facts: Facts, states: Sequence[State]) -> None:
    """Write ``report.json`` and the lists into the audit folder."""
    text = json.dumps(numbers(facts, states), ensure_ascii=False, indent=1, sort_keys=True)
    _write(folder / "report.json", text + "\n", facts.reveal)
    place = folder / "csv"
    place.mkdir(exist_ok=True)
    if facts.reveal:
        close_to_others(place)
    for name, head, rows in _lists(facts):
        _write(place / f"{name}.csv", sheet(head, rows), facts.reveal)


def _write(place: Path, text: str, closed: bool) -> None:
    if closed:
        begin_closed(place)
    place.write_text(text, encoding="utf-8", newline="")


def numbers(facts: Facts, states: Sequence[State]) -> dict[str, Any]:
    """Every number of the report that belongs to a whole, and what the sentences rest on."""
    audit = facts.audit
    return {
        "format": FORMAT,
        "name": audit.get("name"),
        "made": audit.get("made"),
        "sample": bool(audit.get("sample")),
        "app": dict(facts.app),
        "apps": [dict(row) for row in facts.apps],
        "span": [facts.moment(t).isoformat() for t in facts.span] if facts.span is not None else None,
        "values_revealed": facts.reveal,
        "hosts": {
            "total": len(facts.hosts),
            "system": len(facts.system_hosts),
            "other_apps": len(facts.other_hosts),
            "unanswered": len(facts.unanswered),
            "unreached": len(facts.unreached),
            "at_level": {str(k): n for k, n in facts.hosts_at_level.items()},
            "at_grade": facts.hosts_at_grade,
            "by_country": {c: len(h) for c, h in facts.placed.items()},
            "named_weakly": {c: len(h) for c, h in facts.named_weakly.items()},
            "refuted": {str(h.number): h.row["refuted"] for h in facts.refuted},
            "by_reading": facts.hosts_by_reading,
            "operator_unknown": sum(h.company is None for h in facts.hosts),
        },
        "connections": {"by_reading": facts.flows_by_reading, "seen_twice": facts.duplicate_flows},
        "octets": {"by_reading": facts.octets_by_reading},
        "companies": [
            {
                "id": c.id,
                "name": c.name or None,
                "confidence": c.confidence,
                "hosts": len(c.hosts),
                "messages_by_type": {t: len(m) for t, m in sorted(c.types.items())},
                "partly_closed": c.is_closed,
            }
            for c in facts.companies
        ],
        "types": {
            t: {
                "method": m,
                "most_sensitive": facts.is_sensitive(t),
                "hosts": sum(t in h.types for h in facts.hosts),
            }
            for t, m in facts.types.items()
        },
        "weak_types": {
            t: {"method": m, "hosts": sum(t in h.weak for h in facts.hosts)} for t, m in facts.weak_types.items()
        },
        "states": [
            {
                "state": s.code,
                "types": sorted(s.types),
                "types_unconfirmed": sorted(s.unsure_types - s.types),
                "level": s.level or None,
                "statutes": s.statutes,
                "links": {
                    link: {
                        "types": len(s.links[link].types),
                        "hosts": len(s.links[link].hosts),
                        "companies": sorted(s.links[link].companies),
                    }
                    for link in LINKS
                },
            }
            for s in states
        ],
        "phases": [{"phase": p.name, "stated": p.stated} for p in facts.phases],
        "findings": [
            {k: v for k, v in f.items() if k not in ("transmissions", "destinations")} for f in facts.findings
        ],
        "transmissions": {
            **{
                counts: facts.transmissions[counts]
                for counts in ("sent", "received", "undelivered", "other", "system", "not_personal", "duplicate")
            },
            "types_inferred": facts.unstated_types[0],
            "types_assumed": facts.unstated_types[1],
        },
    }


def sheet(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV text (RFC 4180)."""
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow(head)
    for row in rows:
        writer.writerow([cell(v) for v in row])
    return made.getvalue()


def cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        return value if _HARMLESS.fullmatch(value) else _no_formula(value)
    if isinstance(value, list | tuple | set):
        return cell(" ".join(str(v) for v in value))
    return value


def _no_formula(text: str) -> str:
    """``text`` with an apostrophe wherever a cell of it would begin as a formula: at its begin, and behind what
    separates cells."""
    made: list[str] = []
    at: int | None = 0
    for c in text:
        if c in _ENDS:
            made.append(c)
            at = len(made)
            continue
        if at is not None and c in _SIGNS:
            made.insert(at, "'")
            at = None
        elif c not in _PASSED and not c.isspace() and not unicodedata.category(c).startswith("C"):
            at = None
        made.append(c)
    if made[:1] and made[0] in "\t\r\n":
        made.insert(0, "'")
    return "".join(made)


_OF_HOST = (
    *("destination", "host", "address", "system_noise", "country", "level", "reason", "refuted", "doubtful", "anycast"),
    *("round_trip_ms", "within_km", "registered_country", "asn", "network", "operator", "operator_name"),
    *("operator_confidence", "operator_country", "rented_from", "parent", "parent_country", "party", "law_reach"),
)
_OF_SENT = (
    *("transmission", "message", "exchange", "flow", "destination", "data_type", "certainty", "endpoint", "path"),
    *("via", "masked", "value_key", "value", "phase", "origin"),
)


def _lists(facts: Facts) -> Iterable[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]:
    everyone = [
        *(("app", h) for h in (*facts.hosts, *facts.unanswered, *facts.unreached)),
        *(("system", h) for h in facts.system_hosts),
        *(("other", h) for h in facts.other_hosts),
    ]
    yield (
        "all-destinations",
        [*_OF_HOST, "whose", "read", "bytes_out", "bytes_in", "types", "messages", "weak_types"],
        (
            [
                *(h.row[c] for c in _OF_HOST),
                whose,
                h.reading,
                h.octets_out,
                h.octets_in,
                sorted(h.types),
                sum(h.types.values()),
                sorted(h.weak),
            ]
            for whose, h in everyone
        ),
    )
    names = facts.tables["apps"].schema.names
    yield ("who-spoke", names, ([row[c] for c in names] for row in facts.apps))
    names = facts.tables["readable"].schema.names
    yield ("how-much-was-read", names, ([row[c] for c in names] for row in facts.readable))
    wanted = {s.number: s for s in facts.sent}
    table = facts.tables["transmissions"].select([*_OF_SENT, "strength"])
    yield (
        "all-transmissions",
        [*_OF_SENT, "method", "strength", "host"],
        (
            [*(row[c] for c in _OF_SENT), s.method, row["strength"], facts.all_hosts[s.destination].name]
            for batch in table.to_batches(max_chunksize=4096)
            for row in batch.to_pylist()
            if (s := wanted.get(row["transmission"])) is not None
        ),
    )
    yield (
        "types-by-company",
        ["operator", "operator_name", "data_type", "strength", "messages"],
        (
            [c.id, c.name, t, strength, len(m)]
            for c in facts.companies
            for strength, types in (("firm", c.types), ("weak", c.weak))
            for t, m in sorted(types.items())
        ),
    )
    yield (
        "unread",
        ["destination", "host", "address", "kind", "cause", "bytes", "count"],
        (
            [h.number, h.row["host"], h.row["address"], c.kind, c.cause, c.octets, c.count]
            for h in facts.hosts
            for c in h.closed
        ),
    )
    yield (
        "same-identifiers",
        ["value_key", "data_type", "destinations", "operators"],
        (
            [r["value_key"], r["data_type"], r["destinations"], r["operators"]]
            for r in facts.tables["links"].to_pylist()
        ),
    )
