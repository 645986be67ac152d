"""Cells and sentences that several chapters share: a host's place, its company, how far it could be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, floor
from typing import Any

from markupsafe import Markup

from reports import marks
from reports.facts import Company, Facts, Host
from reports.strings import plain, shown
from reports.svg import tag
from reports.words import Words


def hidden(words: Markup) -> Markup:
    """Words for those who do not see the mark before them."""
    return tag("span", words, class_="vh")


def level_mark(words: Words, grade: str) -> Markup:
    said = words.t("level.hidden_node") if grade == "node" else words.t("level.hidden", n=int(grade))
    return marks.mark(marks.place(grade)) + hidden(said)


def place(words: Words, host: Host) -> Markup:
    """Mark and country of a host, as weakly as its evidence is."""
    made = level_mark(words, host.grade) + "\u00a0"
    if host.placed is not None:
        made += words.country(host.placed)
    elif host.row["anycast"]:
        made += words.t("place.anycast")
    elif host.country is not None:
        made += words.t("place.weak", country=words.country(host.country))
    else:
        made += words.t("place.unknown")
    if host.row["refuted"]:
        listed = words.list(words.country(c) for c in host.row["refuted"])
        made += " " + marks.mark("prefuted") + hidden(words.t("place.refuted_hidden")) + tag("s", listed)
    return made


def company(words: Words, host: Host) -> Markup:
    row = host.row
    if host.company is None:
        made = marks.mark("sunknown") + "\u00a0" + words.t("company.not_known")
    else:
        made = (
            marks.mark(marks.square(row["operator_confidence"]))
            + "\u00a0"
            + plain(row["operator_name"] or host.company)
        )
        if row["operator_confidence"] != "verified":
            made += hidden(words.t("square.memory"))
        if "operator" in (row["auditor_data"] or ()):
            made += words.t("company.auditor_data")
    if row["rented_from_name"]:
        made += " " + tag("span", words.t("company.on", name=plain(row["rented_from_name"])), class_="m")
        if "rented_from" in (row["auditor_data"] or ()):
            made += words.t("company.auditor_data")
    return made


def reading(words: Words, host: Host) -> Markup:
    return words.of("reading.short", host.reading)


def closed_because(words: Words, host: Host) -> Markup:
    """Why a host was not read in full: the kinds of its closed parts with their signals."""
    kinds: dict[str, list[str]] = {}
    for part in sorted(host.closed, key=lambda c: -c.octets):
        causes = kinds.setdefault(part.kind, [])
        if part.cause and part.cause not in causes:
            causes.append(part.cause)
    if not kinds:
        return words.of("reading", host.reading)
    made = []
    for kind, causes in kinds.items():
        said = words.of("opaque", kind)
        if causes:
            said += " (" + Markup(", ").join(cause(words, c) for c in causes[:3]) + ")"
        made.append(said)
    return Markup("; ").join(made)


def cause(words: Words, name: str) -> Markup:
    key = f"cause.{name}"
    return words.t(key) if key in words.t else shown(name, breaks="_")


# ------------------------------------------------------------------------------------------------ sentences


def _said_by(words: Words, host: Host, country: str) -> Markup:
    """The kinds of source that name a country for a host."""
    kinds = dict.fromkeys(w["kind"] for w in host.row["witnesses"] or () if w["country"] == country)
    return words.list(witness_name(words, k) for k in kinds) if kinds else words.t("witness.other")


def witness_name(words: Words, kind: str) -> Markup:
    return words.of("witness", kind)


def place_sentence(words: Words, host: Host) -> Markup:
    """What may be said of a host's place, and no more: the level picks the words."""
    row, t = host.row, words.t
    reason, _, void = (row["reason"] or "").partition("+")
    country = words.the_country(host.country) if host.country else Markup("")
    databases = [w for w in row["witnesses"] or () if w["kind"] == "database"]
    others = [w["kind"] for w in row["witnesses"] or () if w["kind"] != "database" and w["stance"] == "for"]
    witness = words.list(dict.fromkeys(witness_name(words, k) for k in others)) if others else t("witness.other")
    timed = "yes" if row["within_km"] is not None else "no"
    ms = words.ms(row["round_trip_ms"]) if row["round_trip_ms"] is not None else ""
    if host.level == 4:
        made = t("place.level4", country=country, ms=ms)
    elif reason == "beyond_fibre" and host.country is not None:
        made = t("place.lowered", country=country, level=host.level, ms=ms)
    elif host.level == 3:
        made = t("place.level3", country=country, witness=witness, timed=timed)
    elif reason == "maybe_anycast" and host.country is not None:
        made = t("place.level1_maybe", country=country)
    elif reason == "maybe_anycast_node_names_itself" and host.country is not None:
        made = t("place.level2_maybe", country=country)
    elif host.grade == "node":
        made = t("place.level2_node", country=country)
    elif host.level == 2:
        made = t("place.level2", country=country)
    elif host.level == 1 and row["anycast"]:
        km = words.km(row["within_km"], ceil) if row["within_km"] is not None else ""
        made = t("place.level1_anycast", timed=timed, km=km)
        if reason == "anycast_nodes_disagree":
            made += " " + t("place.nodes_disagree")
    elif host.level == 1 and reason == "no_database":
        made = t("place.level1_other", country=country, witness=witness)
    elif host.level == 1 and reason == "databases_contradict":
        made = t("place.level1_contradict", country=country, witness=witness)
    elif host.level == 1:
        made = t("place.level1", country=country, n=len(databases))
    else:
        made = t("place.level0", reason=words.of("reason", reason or "no_source"))
    if void:
        made += " " + t("place.void", reason=words.of("reason", void))
    return made


def vantage_doubtful(words: Words, facts: Facts) -> Markup:
    """That, and why, what is said of where the capture was made cannot be so."""
    hosts = facts.vantage_doubtful or []
    named = [words.host(h) for h in hosts[:3]]
    published = sum(h.row["against_vantage"] == "published_range" for h in hosts)
    return words.t("vantage.doubtful", n=len(hosts), published=published, list=words.list(named) if named else "")


def speaks_against(words: Words, facts: Facts, host: Host) -> list[Markup]:
    """What light refutes or makes doubtful of what sources say."""
    row, t = host.row, words.t
    made = []
    for code in row["refuted"] or ():
        near = facts.nearest_km.get(code)
        made.append(
            t(
                "place.refuted",
                country=words.the_country(code),
                witness=_said_by(words, host, code),
                ms=words.ms(row["round_trip_ms"] or 0),
                km=words.km(row["within_km"] or 0, ceil),
                near=words.km(near, floor) if near is not None else t("not_known"),
            )
        )
    late = words.ms(row["round_trip_ms"] or 0)
    return [*made, *(t("place.doubtful", country=words.the_country(c), ms=late) for c in row["doubtful"] or ())]


def types(words: Words, facts: Facts, ids: Iterable[str]) -> Markup:
    """Labels of types, the most sensitive first and strong."""
    order = {t: n for n, t in enumerate(facts.types)}
    sorted_ids = sorted(ids, key=lambda i: (not facts.is_sensitive(i), order.get(i, len(order)), i))
    return Markup(", ").join(tag("b", words.type(i)) if facts.is_sensitive(i) else words.type(i) for i in sorted_ids)


def company_named(words: Words, facts: Facts, company_id: str) -> Markup:
    """A company by its id, as the tables or the reference data name it."""
    for host in facts.hosts:
        row = host.row
        for key, name in (
            ("operator", "operator_name"),
            ("rented_from", "rented_from_name"),
            ("parent", "parent_name"),
        ):
            if row[key] == company_id and row[name]:
                return Markup.escape(plain(row[name]))
    record = facts.reference.operators.get(company_id)
    return Markup.escape(record.name if record is not None else plain(company_id))


def company_mark(company: Company) -> Markup:
    return marks.mark("sunknown" if company.id is None else marks.square(company.confidence))


def weak_beside(w: Words, finding: Mapping[str, Any]) -> Markup | None:
    """Types of which a finding has weak signs only: it does not rest on them."""
    n = len([i for i in (finding["args"].get("weak_types") or "").split(",") if i])
    return w.t("finding.weak", n=n) if n else None


def whose(w: Words, finding: Mapping[str, Any], assumed: bool = True) -> list[Markup]:
    """How far a finding rests on the app itself having sent what it is about. ``assumed``: say also where nothing
    tells which app it was."""
    made = []
    for argument, key in (("types_inferred", "finding.inferred"), ("types_assumed", "finding.assumed")):
        n = len([i for i in (finding["args"].get(argument) or "").split(",") if i])
        if n and (assumed or argument == "types_inferred"):
            made.append(w.t(key, n=n))
    return made
