"""10 Method and limits: what the audit was made from and with, what was lost on the way, and how it can be repeated."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from reports.chapters import Book
from reports.strings import plain, shown


def context(book: Book) -> dict[str, Any]:
    f, w, t = book.facts, book.words, book.words.t
    audit, options, counts = f.audit, f.options, f.audit.get("counts") or {}
    said: list[tuple[Markup, Markup]] = []

    def say(key: str, value: Any) -> None:
        said.append((t(key), Markup.escape(value)))

    say("made.version", plain(str(audit.get("lintas") or "")) or t("not_known"))
    persona = options.get("persona")
    types = persona.get("types") if isinstance(persona, dict) else persona
    say(
        "made.persona",
        t("made.persona_types", n=len(types), list=Markup(", ").join(w.type(str(i)) for i in types))
        if types
        else t("made.persona_none"),
    )
    say("made.values", t("fact.revealed") if f.reveal else t("fact.masked"))
    say("made.key", t("made.key_study") if options.get("study_key") else t("made.key_own"))
    if audit.get("capture_date"):
        say(
            "made.date",
            t(
                "made.date_text",
                date=w.date(str(audit["capture_date"])),
                source=w.of("date_from", audit.get("capture_date_from") or "capture"),
            ),
        )
    opened = f.manifest.get("opened_by")
    say("made.opened", w.of("opened_by", opened) if opened else t("not_stated"))
    for key, name in (("reference", "made.overlay"), ("geo_country", "made.geo_country"), ("geo_asn", "made.geo_asn")):
        value = options.get(key)
        if value:
            items = value if isinstance(value, list) else [value]
            say(name, Markup(", ").join(shown(str(i)) for i in items))
    own = options.get("own_records")
    if isinstance(own, dict) and own:
        say("made.own_records", plain(", ".join(str(i) for name in sorted(own) for i in own[name]), 2_000))
    claims = [c for c in audit.get("stated_by_capture") or () if f"capture_says.{c}" in w.t]
    if claims:
        say("capture_says", t("capture_says.text", list=w.list(w.of("capture_says", c) for c in claims)))
    device = f.manifest.get("device")
    if device:
        told = (
            [str(v) for k, v in sorted(device.items()) if k in ("model", "system") and v]
            if isinstance(device, dict)
            else [str(device)]
        )
        if told:
            say("made.device", plain(", ".join(told)))
    return {
        "answer": t("method.answer"),
        "said": said,
        "counts": [(t(f"count.{k}"), w.number(counts[k])) for k in _COUNTS if isinstance(counts.get(k), int)],
        "duplicates": f.duplicate_flows,
        "files": _files(book),
        "reference": [
            {k: plain(str(r.get(k) or ""), 400) for k in ("name", "licence", "source")}
            | {"attribution": _linked(plain(str(r.get("attribution") or ""), 400))}
            | {"date": w.date(str(r.get("date") or "")), "sha256": str(r.get("sha256") or "")[:16]}
            for r in audit.get("reference") or ()
            if isinstance(r, dict)
        ],
        "libraries": _libraries(audit.get("libraries")),
        "losses": _losses(book),
    }


_COUNTS = (
    "packets_in_flows",
    "packets_skipped",
    "flows",
    "exchanges",
    "messages",
    "transmissions",
    "destinations",
    "losses",
)


def _files(book: Book) -> list[dict[str, Any]]:
    w = book.words
    return [
        {
            "file": shown(r["file"] or ""),
            "kind": shown(r["kind"] or ""),
            "octets": w.octets(r["bytes"] or 0),
            "sha256": r["sha256"] or "",
        }
        for r in book.facts.tables["sources"].to_pylist()
    ]


def _libraries(libraries: Any) -> Markup:
    pairs = sorted(libraries.items()) if isinstance(libraries, dict) else []
    return Markup(", ").join(Markup.escape(plain(f"{name} {version}")) for name, version in pairs if version)


def _losses(book: Book) -> list[dict[str, Any]]:
    """What was in the input and is not in the tables, by kind, the most octets first."""
    f, w = book.facts, book.words
    files = {r["source"]: r["file"] for r in f.tables["sources"].select(["source", "file"]).to_pylist()}
    rows = sorted(
        f.tables["losses"].to_pylist(), key=lambda r: (-(r["bytes"] or 0), -(r["count"] or 0), r["kind"] or "")
    )
    return [
        {
            "kind": w.t(f"loss.{r['kind']}") if f"loss.{r['kind']}" in w.t else shown(r["kind"] or "", breaks="_"),
            "count": w.number(r["count"] or 0),
            "octets": w.octets(r["bytes"] or 0),
            "file": shown(files.get(r["source"]) or ""),
            "where": shown(r["where"] or "", breaks=" ./", most=300),
        }
        for r in rows[:200]
    ]


_MAKERS = re.compile(r"https://(?:www\.)?(?:db-ip\.com|nro\.net|iptoasn\.com|routeviews\.org|naturalearthdata\.com)\b")
"""Makers of data that ask for a link where their data is shown."""


def _linked(text: str) -> Markup:
    """An attribution with its maker's address as a link; any other address stays text."""
    escaped = str(escape(text))
    return Markup(_MAKERS.sub(lambda m: f'<a href="{m[0]}" rel="noreferrer">{m[0]}</a>', escaped))  # noqa: S704 - escaped
