"""In one minute: what was tested, one sentence for each axis with its limit inside, how sure, and how much was seen."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from analysis.reading_states import PART, SILENT, UNDERSTOOD
from reports import marks
from reports.chapters import Book, cells
from reports.facts import READINGS, Facts
from reports.pictures import NARROW, WIDE, bar
from reports.strings import plain, shown
from reports.words import Words

COUNTRIES = 8
"""Countries that the sentence names; the rest is a number."""


def context(book: Book) -> dict[str, Any]:
    f, w = book.facts, book.words
    return {
        "title": title(f) or str(w.t("minute.untitled")),
        "title_more": _title_more(f, w),
        "app_unknown": not (f.app.get("name") or f.app.get("id")),
        "app_suggested": _suggested(f, w),
        "facts": _facts_line(f, w),
        "made": plain(str(f.audit["made"]), 4000) if f.audit.get("made") else None,
        "sample": bool(f.audit.get("sample")),
        "reveal": f.reveal,
        "empty": _empty(f, w),
        "axes": [_where(f, w), _who(f, w), _law(book), _what(f, w)],
        **_seen(f, w),
    }


def _empty(f: Facts, w: Words) -> Markup | None:
    """That nothing is counted, and whether something stands apart."""
    if f.hosts:
        return None
    tried = len(f.unanswered) + len(f.unreached)
    if tried or f.system_hosts or f.other_hosts:
        return w.t("minute.empty_apart", tried=tried)
    return w.t("minute.empty")


def title(f: Facts) -> str:
    return plain(str(f.app.get("name") or f.app.get("id") or f.audit.get("name") or ""), 120)


def _suggested(f: Facts, w: Words) -> Markup | None:
    """The app that most of the traffic names, where nobody stated one."""
    one = f.audit.get("app_suggested")
    if not one:
        return None
    return w.t(
        "minute.app_suggested",
        app=plain(str(one["app"]), 120),
        by=w.of("app_by", one["by"]),
        n=one["flows"],
        of=one["of"],
    )


def _title_more(f: Facts, w: Words) -> Markup | None:
    parts = [Markup.escape(plain(str(f.app["version"]), 40))] if f.app.get("version") else []
    if f.app.get("platform"):
        parts.append(w.of("platform", f.app["platform"]))
    return Markup(", ").join(parts) if parts else None


def _facts_line(f: Facts, w: Words) -> list[tuple[Markup, Markup]]:
    t = w.t
    made = []
    if f.span is not None:
        first, last = f.span
        minutes = round((last - first) / 60_000_000)
        same_day = w.day(first) == w.day(last)
        key = "fact.span" if same_day else "fact.span_days"
        when = t(
            key,
            day=w.day(first),
            last_day=w.day(last),
            start=w.clock(first),
            end=w.clock(last),
            zone=w.zone(first),
            minutes=minutes,
            same="yes" if w.clock(first) == w.clock(last) else "no",
        )
    else:
        when = t("fact.no_times")
    made.append((t("fact.tested"), when))
    place = f.vantage.get("city"), f.vantage.get("country")
    where = Markup(", ").join(
        [Markup.escape(plain(str(place[0])))] * bool(place[0]) + [w.country(str(place[1]))] * bool(place[1])
    )
    if not where and f.vantage.get("latitude") is not None and f.vantage.get("longitude") is not None:
        where = Markup.escape(f"{w.number(f.vantage['latitude'], 2)}, {w.number(f.vantage['longitude'], 2)}")
    if where and f.vantage.get("line", "direct") != "direct":
        where += t("fact.line", line=w.of("line", f.vantage["line"]))
    made.append((t("fact.from"), where or t("fact.no_vantage")))
    answers = [p.name.removeprefix("consent_") for p in f.phases if p.name in ("consent_refused", "consent_accepted")]
    consent = "_".join(dict.fromkeys(answers)) or "none"
    if f.manifest.get("user_country"):
        user = t("fact.user", country=w.country(f.manifest["user_country"]), consent=consent)
    else:
        user = t("fact.user_unknown", consent=consent)
    made.append((t("fact.as"), user))
    made.append((t("fact.values"), t("fact.revealed") if f.reveal else t("fact.masked")))
    return made


def _axis(w: Words, key: str, sentence: Markup, sure: list[tuple[str, int, Markup]]) -> dict[str, Any]:
    return {
        "name": w.of("axis", key),
        "note": w.of("axis.note", key),
        "sentence": sentence,
        "sure": [(marks.mark(m), w.number(n), label) for m, n, label in sure if n],
    }


def _where(f: Facts, w: Words) -> dict[str, Any]:
    t = w.t
    total = len(f.hosts)
    rest = total - sum(map(len, f.placed.values()))
    if not total:
        said = t("where.none")
    else:
        parts = []
        if f.vantage_doubtful is not None:
            parts.append(cells.vantage_doubtful(w, f))
        if f.placed:
            named = [
                t("where.country", country=w.the_country(c), n=len(h))
                if n == 0
                else t("where.country_n", country=w.the_country(c), n=len(h))
                for n, (c, h) in enumerate(list(f.placed.items())[:COUNTRIES])
            ]
            more = len(f.placed) - len(named)
            listed = w.list([*named, t("where.more", n=more)] if more else named)
            parts.append(t("where.placed", n=len(f.placed), list=listed))
        else:
            parts.append(t("where.none_placed"))
        if f.named_weakly:
            weak = [c for c in f.named_weakly if c not in f.placed]
            if weak:
                named = [w.the_country(c) for c in weak[:COUNTRIES]]
                if len(weak) > len(named):
                    named.append(t("where.more", n=len(weak) - len(named)))
                parts.append(t("where.weak", n=len(weak), list=w.list(named)))
        if rest and f.placed:
            parts.append(t("where.rest", n=rest, total=total))
        years = f.databases_year
        if years is not None and f.placed:
            parts.append(t("where.dated", then=str(years[0]), now=str(years[1])))
        said = Markup(" ").join(parts)
    sure = [(marks.place(grade), n, w.of("level.short", grade)) for grade, n in f.hosts_at_grade.items()]
    return _axis(w, "where", said, sure)


def maker(f: Facts) -> str | None:
    """The app's maker as a name, where somebody said who it is."""
    vendor = f.app.get("vendor")
    for host in f.hosts:
        if host.row["party"] == "first" and host.row["operator_name"] and (not vendor or host.company == vendor):
            return plain(host.row["operator_name"])
    if not vendor:
        return next(
            (plain(h.row["operator_name"]) for h in f.hosts if h.row["party"] == "first" and h.row["operator_name"]),
            None,
        )
    record = f.reference.operators.get(str(vendor))
    return plain(record.name if record is not None else str(vendor))


def _who(f: Facts, w: Words) -> dict[str, Any]:
    t = w.t
    companies = f.known_companies
    unknown = sum(h.company is None for h in f.hosts)
    made_by = maker(f)
    if not f.hosts:
        said = t("who.none")
    else:
        first = {h.company for h in f.hosts if h.row["party"] == "first" and h.company is not None}
        if companies:
            known, every = len(f.hosts) - unknown, "no" if unknown else "yes"
            parts = [t("who.companies", n=len(companies), part=known, total=len(f.hosts), all=every)]
            others = len([c for c in companies if c.id not in first])
            parts.append(t("who.third", n=others, all=len(companies), maker=made_by) if made_by else t("who.no_maker"))
        else:
            parts = [t("who.no_company", n=len(f.hosts))]
        if unknown and companies:
            parts.append(t("who.unknown", n=unknown))
        if f.rented:
            owners = list(dict.fromkeys(h.row["rented_from_name"] for h in f.rented))
            parts.append(t("who.rented", n=len(f.rented), owners=len(owners), list=plain(owners[0])))
        said = Markup(" ").join(parts)
    counts = {"documented": 0, "memory": 0}
    for c in companies:
        counts["documented" if c.confidence == "verified" else "memory"] += 1
    sure = [(f"s{k}", n, w.of("square", k)) for k, n in counts.items()]
    return _axis(w, "who", said, [*sure, ("sunknown", unknown, t("who.sure_unknown", n=unknown))])


def _law(book: Book) -> dict[str, Any]:
    f, w, t = book.facts, book.words, book.words.t
    reached = [s for s in book.states if s.types]
    researched = [s for s in reached if s.statutes_read]
    memory = [s for s in book.states if not s.types and s.unsure_types]
    parts = []
    if reached:
        read = len(researched)
        parts.append(t("law.reached", n=len(reached), read=read, rest=len(reached) - read))
        blank = [s for s in reached if not s.statutes_read]
        if blank:
            names = [w.the_country(s.code) for s in blank[:4]] + (
                [t("where.more", n=len(blank) - 4)] if len(blank) > 4 else []
            )
            parts.append(t("law.not_researched", list=w.list(names)))
    elif memory:
        parts.append(t("law.memory_only", n=len(memory)))
    elif f.types:
        parts.append(t("law.none_known"))
    else:
        parts.append(t("law.nothing_read"))
    parts.append(t("law.no_demand"))
    sure = [
        ("sdocumented", len(researched), t("law.sure_read", n=len(researched))),
        ("sunknown", len(reached) - len(researched), t("law.sure_blank", n=len(reached) - len(researched))),
        ("smemory", len(memory), t("law.sure_memory", n=len(memory))),
    ]
    return _axis(w, "law", Markup(" ").join(parts), sure)


def _what(f: Facts, w: Words) -> dict[str, Any]:
    t = w.t
    parts = []
    if f.types:
        parts.append(t("what.read", n=len(f.types)))
        before, refused = f.consent("before"), f.consent("refused")
        if before or refused:
            parts = [t("what.read_consent", n=len(f.types), before=before, refused=refused)]
        if f.sensitive_types:
            named = [w.type_short(i, 20) for i in f.sensitive_types[:6]]
            if len(f.sensitive_types) > len(named):
                named.append(t("where.more", n=len(f.sensitive_types) - len(named)))
            parts.append(t("what.sensitive", n=len(f.sensitive_types), list=w.list(named)))
        if f.weak_types:
            parts.append(t("what.weak", n=len(f.weak_types)))
        inferred, assumed = f.unstated_types
        parts += [t("finding.inferred", n=inferred)] * bool(inferred)
        parts += [t("finding.assumed", n=assumed)] * bool(assumed)
    elif not f.hosts:
        parts.append(t("what.empty"))
    elif f.weak_types:
        parts.append(t("what.weak_only", n=len(f.weak_types)))
    elif not any(h.is_read for h in f.hosts):
        silent = not any(h.is_closed for h in f.hosts)
        parts.append(t("what.silent") if silent else t("what.all_closed", n=len(f.hosts)))
    else:
        parts.append(t("what.nothing"))
    if f.hosts and not f.options.get("persona"):
        parts.append(t("what.no_persona"))
    counts = {m: sum(v == m for v in f.types.values()) for m in marks.DIAMONDS}
    counts["weak"] = len(f.weak_types)
    return _axis(w, "what", Markup(" ").join(parts), [(f"d{m}", n, w.of("method", m)) for m, n in counts.items()])


def _seen(f: Facts, w: Words) -> dict[str, Any]:
    """The seen bar. Each of its rows adds up to a whole: all hosts, all connections, all octets of the app's."""
    t = w.t
    hosts, flows, octets = f.hosts_by_reading, f.flows_by_reading, f.octets_by_reading
    rows = [
        bar.Row(str(t("bar.hosts")), hosts, {k: w.number(n) for k, n in hosts.items()}),
        bar.Row(str(t("bar.flows")), flows, {k: w.number(n) for k, n in flows.items()}),
        bar.Row(str(t("bar.octets")), octets, {k: str(w.octets(n)) for k, n in octets.items()}),
    ]
    present = [r for r in READINGS if hosts[r] or flows[r] or octets[r]]
    total_octets = sum(octets.values())
    if not f.hosts:
        head = t("bar.head_empty")
    elif total_octets:
        head = t(
            "bar.head",
            hosts=w.percent(hosts[UNDERSTOOD] + hosts[PART], len(f.hosts)),
            octets=w.percent(octets[UNDERSTOOD], total_octets),
            some="yes" if hosts[UNDERSTOOD] + hosts[PART] else "no",
        )
    else:
        head = t("bar.head_hosts", hosts=w.percent(hosts[UNDERSTOOD] + hosts[PART], len(f.hosts)))
    return {
        "bar_head": head,
        "bar_rest": any(r not in (UNDERSTOOD, SILENT) for r in present),
        "bar_wide": bar.draw(rows, w, WIDE, "fig-seen"),
        "bar_narrow": bar.draw(rows, w, NARROW, "fig-seen"),
        "bar_legend": [(marks.swatch(r), w.of("reading", r)) for r in present],
        "bar_rows": [
            (row.label, [(w.of("reading", r), row.texts[r]) for r in READINGS if row.counts[r]]) for row in rows
        ],
        "system_hosts": len(f.system_hosts),
        "other_hosts": len(f.other_hosts),
        "unanswered": len(f.unanswered),
        "unreached": len(f.unreached),
    }


__all__ = ["context", "maker", "shown", "title"]
