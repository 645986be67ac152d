"""2 Where: map, rings, light ruler, countries, and every host's place in one sentence."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

from markupsafe import Markup

from reports import marks
from reports.chapters import MOST_ROWS, Book, cells
from reports.facts import Extent, Facts, Host
from reports.pictures import NARROW, WIDE, rings, ruler, world
from reports.strings import shown
from reports.words import Words


def context(book: Book) -> dict[str, Any]:
    f, w, t = book.facts, book.words, book.words.t
    strong = sum(h.placed is not None for h in f.hosts)
    if not f.hosts:
        answer = t("where.none")
    else:
        answer = t("where.answer", n=strong, total=len(f.hosts), rest=len(f.hosts) - strong)
        if f.refuted:
            listings = sum(len(h.row["refuted"]) for h in f.refuted)
            addresses = len({h.row["address"] for h in f.refuted})
            answer += " " + t("where.answer_refuted", n=listings, hosts=addresses)
        years = f.databases_year
        if years is not None:
            answer += " " + t("where.dated", then=str(years[0]), now=str(years[1]))
    if f.vantage_doubtful is not None:
        answer = cells.vantage_doubtful(w, f) + " " + answer
    names = len({h.row["host"] or h.row["address"] for h in f.hosts})
    return {
        "answer": answer,
        "several_addresses": (names, len(f.hosts)) if names != len(f.hosts) else None,
        **_map(f, w),
        **_rings(f, w),
        **_ruler(f, w),
        "countries": _countries(f, w),
        "sentences": [_sentence(f, w, h) for h in _order(f.hosts)[:MOST_ROWS]],
        "sentences_left_out": max(len(f.hosts) - MOST_ROWS, 0),
    }


def _order(hosts: list[Host]) -> list[Host]:
    return sorted(hosts, key=lambda h: (-h.level, h.country or "~", h.number))


def _map(f: Facts, w: Words) -> dict[str, Any]:
    drawn = world.spots(f)
    if not drawn and not f.refuted:
        return {"map_wide": None, "map_why": w.t("map.empty")}
    projection = world.Projection(world.choose_centre(f))
    hidden = sum(h.level <= 1 and (h.country is None or bool(h.row["anycast"])) for h in f.hosts)
    grades = {h.grade for hosts in drawn.values() for h in hosts}
    return {
        "land": world.land(f.reference.distance.coasts, projection),
        "map_wide": world.draw(f, w, WIDE, "fig-map", projection),
        "map_narrow": world.draw(f, w, NARROW, "fig-map", projection),
        "map_hidden": hidden,
        "map_lines": f.vantage.get("latitude") is not None,
        "map_levels": [(marks.mark(marks.place(g)), w.of("level.short", g)) for g in marks.GRADES if g in grades],
        "map_refuted": bool(f.refuted),
        "map_listed": max(len(drawn) - world.LABELLED, 0),
    }


def _rings(f: Facts, w: Words) -> dict[str, Any]:
    t = w.t
    found = rings.gather(f)
    if found is None:
        return {"rings": None, "rings_why": no_rings(f, w)}
    rows = []
    if found.bounded:
        within = max(h.row["within_km"] for h in found.bounded)
        ms = max(h.row["round_trip_ms"] for h in found.bounded)
        named = w.list(w.the_country(c) for c in dict.fromkeys(h.country for h in found.bounded) if c)
        rows.append(
            (
                "p4",
                t("rings.bounded"),
                len(found.bounded),
                t("rings.bounded_text", n=len(found.bounded), ms=w.ms(ms, ceil), km=w.km(within, ceil), country=named),
            )
        )
    if found.anycast:
        within = [h.row["within_km"] for h in found.anycast]
        text = t(
            "rings.anycast_text",
            n=len(found.anycast),
            least=w.km(min(within), ceil),
            most=w.km(max(within), ceil),
            same="yes" if min(within) == max(within) else "no",
        )
        rows.append(("p1", t("rings.anycast"), len(found.anycast), text))
    if found.unknown:
        rows.append(("p0", t("rings.unknown"), len(found.unknown), t("rings.unknown_text", n=len(found.unknown))))
    if found.refuted:
        listed = list(dict.fromkeys(c for h in found.refuted for c in h.row["refuted"]))
        text = t(
            "rings.refuted_text",
            n=len(found.refuted),
            country=w.list((w.the_country(c) for c in listed), "or"),
            ms=w.ms(max(h.row["round_trip_ms"] for h in found.refuted), ceil),
            km=w.km(max(h.row["within_km"] for h in found.refuted), ceil),
            near=w.km(min((f.nearest_km.get(c, 0.0) for c in listed), default=0.0), floor),
        )
        rows.append(("prefuted", t("rings.refuted"), len(found.refuted), text))
    return {
        "rings": rings.draw(f, found, w, 300, "fig-rings"),
        "rings_rows": [(Markup("").join([marks.mark(m)] * min(n, 12)), name, text) for m, name, n, text in rows],
    }


def no_rings(f: Facts, w: Words) -> Markup:
    """Why time says nothing about distance here."""
    if f.vantage.get("latitude") is None or f.vantage.get("longitude") is None:
        return w.t("rings.no_vantage")
    if f.vantage_doubtful is not None:
        return cells.vantage_doubtful(w, f)
    if f.vantage.get("line", "direct") != "direct":
        return w.t("rings.line")
    if f.vantage.get("on_phone"):
        return w.t("rings.on_phone")
    return w.t("rings.no_times")


def _ruler(f: Facts, w: Words) -> dict[str, Any]:
    rows = ruler.gather(f)
    if not rows.shown:
        return {"ruler_wide": None}
    return {
        "ruler_wide": ruler.draw(f, rows.shown, w, WIDE, "fig-ruler"),
        "ruler_narrow": ruler.draw(f, rows.shown, w, NARROW, "fig-ruler"),
        "ruler_left_out": rows.left_out,
    }


def _countries(f: Facts, w: Words) -> list[dict[str, Any]]:
    """A row for each country that any evidence names, and what the one rule for destinations says of it."""
    codes = [*f.placed, *(c for c in f.named_weakly if c not in f.placed)]
    rows = []
    for code in codes:
        hosts = f.placed.get(code, []) + f.named_weakly.get(code, [])
        finding = f.finding("DEST", code)
        types = f.types_at(hosts)
        extent = Extent.of(f.placed.get(code, []))
        rows.append(
            {
                "country": w.country(code),
                "levels": [
                    (cells.level_mark(w, grade), w.number(n))
                    for grade in marks.GRADES
                    if (n := sum(h.grade == grade for h in hosts))
                ],
                "id": finding["finding"] if finding else None,
                "sentence": destination(f, w, finding) if finding else None,
                "whose": cells.whose(w, finding, assumed=False) if finding else [],
                "missing": [w.of("missing", m.partition(".")[2]) for m in finding["missing"] or ()] if finding else [],
                "weak": cells.weak_beside(w, finding) if finding else None,
                "own": code == f.manifest.get("user_country"),
                "types": w.number(len(types)) if types or not extent.closed else None,
                "extent": w.t("extent", **extent.words),
                "weakly": len(f.named_weakly.get(code, [])) if code not in f.placed else 0,
            }
        )
    return rows


def destination(f: Facts, w: Words, finding: dict[str, Any] | Any) -> Markup:
    """The sentence of a destination finding in its level's words."""
    args = finding["args"]
    ids = [i for i in (args.get("types") or "").split(",") if i]
    key = str(finding["wording"]).removeprefix("finding.")
    named = f"finding.{key}"
    if named not in w.t:
        return Markup.escape(named)
    return w.t(
        named,
        country=w.the_country(finding["state"]),
        n=int(args.get("type_count") or len(ids)),
        types=cells.types(w, f, ids[:8])
        + (Markup(" ") + w.t("list.more", n=len(ids) - 8) if len(ids) > 8 else Markup("")),
        hosts=len(finding["destinations"] or ()),
    )


def _best(f: Facts, w: Words, host: Host) -> Markup | None:
    """What could be shown at most, where that is less than everything and more than nothing."""
    best = host.row["best_level_here"] or 0
    if not 0 < best < 4 or host.level == 4:
        return None
    known = f.vantage.get("latitude") is not None and f.vantage.get("longitude") is not None
    vantage = "doubtful" if f.vantage_doubtful is not None else "stated" if known else "none"
    return w.t("where.best", n=best, vantage=vantage)


def _sentence(f: Facts, w: Words, host: Host) -> dict[str, Any]:
    return {
        "mark": cells.level_mark(w, host.grade),
        "host": w.host(host),
        "address": host.row["address"] if host.row["host"] not in (None, host.row["address"]) else None,
        "said": cells.place_sentence(w, host)
        + (" " + w.t("place.vantage_stated") if host.level == 4 and f.is_stated_by_capture("vantage") else ""),
        "against": cells.speaks_against(w, f, host),
        "best": _best(f, w, host),
        "witnesses": [
            (
                cells.witness_name(w, x["kind"]),
                w.country(x["country"]) if x["country"] else w.t("witness.no_country"),
                w.of("stance", x["stance"]),
                shown(x["text"] or x["source"] or "", breaks=" ./", most=200),
            )
            for x in (host.row["witnesses"] or ())[:6]
        ],
        "registered": w.the_country(host.row["registered_country"]) if host.row["registered_country"] else None,
    }
