"""1 Seen and unseen: what this capture could not see, host by host, with the reason for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from reports import marks
from reports.chapters import MOST_ROWS, Book, cells
from reports.facts import READINGS, Extent
from reports.strings import shown

_WAYS = {
    "way.tunnel": ("wireguard", "tun"),
    "way.told": ("regular", "upstream"),
    "way.socks5": ("socks5",),
    "way.led": ("transparent",),
    "way.local": ("local",),
    "way.reverse": ("reverse",),
}
"""Ways into the proxy by what goes around them (docs/modes.md)."""


def context(book: Book) -> dict[str, Any]:
    f, w, t = book.facts, book.words, book.words.t
    closed = sorted(
        (h for h in f.hosts if h.is_closed),
        key=lambda h: (READINGS.index(h.reading) if h.is_read else -1, -h.octets_closed, h.number),
    )
    extent = Extent.of(f.hosts)
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for host in (*f.hosts, *f.unanswered, *f.unreached):
        for kind in {c.kind for c in host.closed}:
            kinds[kind][0] += 1
        for part in host.closed:
            kinds[part.kind][1] += part.count
            kinds[part.kind][2] += part.octets
    for part in f.closed_without_flow:
        kinds[part.kind][1] += part.count
        kinds[part.kind][2] += part.octets
    if not f.hosts:
        answer = t("unseen.empty")
    elif closed:
        rest = len(f.hosts) - len(closed)
        answer = t("unseen.answer", total=len(f.hosts), rest=rest, **extent.words)
    elif extent.read:
        answer = t("unseen.all_read", total=len(f.hosts))
    else:
        answer = t("unseen.silent", total=len(f.hosts))
    return {
        "answer": answer,
        "not_trusted": t("unseen.not_trusted", n=len(f.not_trusted)) if f.not_trusted else None,
        "opened": w.of("opened_by", f.manifest["opened_by"]) if f.manifest.get("opened_by") else None,
        "not_understood": t("unseen.not_understood", n=f.not_understood[0], octets=w.octets(f.not_understood[1]))
        if f.not_understood[0]
        else None,
        "ways": [t(key, n=n) for key, ways in _WAYS.items() if (n := sum(f.ways[way] for way in ways))],
        "kinds": [
            (w.of("opaque", kind), w.number(n[0]), w.number(n[1]), w.octets(n[2]))
            for kind, n in sorted(kinds.items(), key=lambda k: (-k[1][2], k[0]))
        ],
        "rows": [
            {
                "host": w.host(h),
                "company": cells.company(w, h),
                "place": cells.place(w, h),
                "swatch": marks.swatch(h.reading),
                "why": cells.closed_because(w, h),
                "octets": w.octets(h.octets_closed),
            }
            for h in closed[:MOST_ROWS]
        ],
        "left_out": max(len(closed) - MOST_ROWS, 0),
        "readable": [_share(book, row) for row in f.readable[:MOST_ROWS]],
        "readable_left_out": max(len(f.readable) - MOST_ROWS, 0),
        "user_certificate": f.manifest.get("opened_by") == "user_certificate",
        "no_app_marks": 0 if f.manifest.get("app_only") else f.flows_of_nobody,
        "apps": [_app(book, row) for row in f.apps[:MOST_ROWS]] if any(r["app_from"] for r in f.apps) else [],
        "apps_left_out": max(len(f.apps) - MOST_ROWS, 0),
    }


def _share(book: Book, row: Mapping[str, Any]) -> dict[str, Any]:
    """How much of an app could be read, and by which means."""
    w, t = book.words, book.words.t
    read = row["connections_clear"] + row["connections_opened"]
    rest = row["bytes"] - row["bytes_clear"] - row["bytes_opened"]

    def octets(value: int) -> Markup:
        return t("readable.octets", octets=w.octets(value), share=w.percent(value, row["bytes"]))

    return {
        "app": _name(book, row),
        "from": w.of("app_from", row["app_from"] or "unknown"),
        "hosts": t("readable.hosts", read=row["hosts_read"], part=row["hosts_part"], n=row["hosts"]),
        "connections": t("readable.of", read=read, n=row["connections"]),
        "in_clear": octets(row["bytes_clear"]),
        "opened": octets(row["bytes_opened"]),
        "means": w.of("opened_by", row["opened_by"]) if row["opened_by"] and row["connections_opened"] else None,
        "closed": octets(rest),
    }


def _name(book: Book, row: Mapping[str, Any]) -> Markup:
    """An app, or who else spoke."""
    unnamed = "apps.system" if row["whose"] == "system" else "apps.shared" if row["app_from"] else "apps.unnamed"
    return shown(row["app"], breaks="._", most=120) if row["app"] else book.words.t(unnamed)


def _app(book: Book, row: Mapping[str, Any]) -> dict[str, Any]:
    """Who spoke, and on which of the three grounds that rests."""
    w = book.words
    return {
        "app": _name(book, row),
        "from": w.of("app_from", row["app_from"] or "unknown"),
        "by": w.of("app_by", row["app_by"]) if row["app_by"] else None,
        "whose": w.of("whose", row["whose"]),
        "flows": w.number(row["flows"]),
        "hosts": w.number(row["destinations"]),
        "octets": w.octets(row["bytes_out"] + row["bytes_in"]),
    }
