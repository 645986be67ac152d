"""5 Whose law: a row for every state, all in one form, with the strongest true sentence and what speaks against it."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from reports import marks
from reports.chapters import Book, cells
from reports.facts import LINKS, Extent
from reports.states import Link, State
from reports.strings import plain

_NAMED = 3


def context(book: Book) -> dict[str, Any]:
    f, t = book.facts, book.words.t
    if not f.hosts:
        answer = t("state.empty")
    elif not book.states:
        answer = t("state.none")
    else:
        answer = t("state.answer")
    return {
        "answer": answer,
        "columns": [(book.words.of("link", link), book.words.of("link.note", link)) for link in LINKS],
        "rows": [_row(book, s) for s in book.states],
        "user_country": book.words.country(f.manifest["user_country"]) if f.manifest.get("user_country") else None,
    }


def _row(book: Book, state: State) -> dict[str, Any]:
    f, w = book.facts, book.words
    finding = f.finding("REACH", state.code)
    return {
        "code": state.code,
        "id": finding["finding"] if finding else f"STATE-{state.code}",
        "name": w.country(state.code),
        "cells": [_cell(book, link, state.links[link], state) for link in LINKS],
        "types": len(state.types),
        "sensitive": sum(map(f.is_sensitive, state.types)),
        "sentence": sentence(book, state),
        "memory": _memory(book, state),
        "statutes": [_statute(book, i) for i in state.statutes],
        "sensitive_named": cells.types(w, f, [i for i in state.types if f.is_sensitive(i)]),
        "against": _against(book, state),
        "cannot": [w.of("cannot", c) for c in ("demand", "parent_access", "behind_server")],
    }


def _cell(book: Book, link: str, one: Link, state: State) -> dict[str, Any]:
    """One of the four questions of a row. They are never added up."""
    f, w, t = book.facts, book.words, book.words.t
    if link == "machine":
        mark = cells.level_mark(w, one.grade if one.hosts else "1")
        note = _hosts(book, one)
        weak = t("state.weak_machine", n=len(one.unsure)) if one.unsure else None
    else:
        mark = marks.mark("sdocumented") if one.hosts else marks.mark("smemory")
        named = [
            cells.company_named(w, f, c)
            + (t("state.share", percent=w.number(s, 1)) if s is not None else Markup(""))
            + Markup("").join(w.of("basis", b) for b in sorted(one.basis.get(c, ())))
            + (t("company.auditor_data") if c in one.own else Markup(""))
            for c in one.named(one.companies)
            for s in (one.companies[c],)
        ]
        note = w.few(named, _NAMED) if named else _hosts(book, one)
        unsure = [
            cells.company_named(w, f, c) + (t("state.as_of", date=w.date(d)) if d is not None else Markup(""))
            for c in one.named(c for c in one.unsure_companies if c not in one.companies)
            for d in (one.unsure_companies[c],)
        ]
        weak = None
        if unsure:
            weak = t("state.memory_companies", list=w.few(unsure, _NAMED))
        elif one.unsure:
            weak = t("state.memory_hosts", n=len(one.unsure))
    kind = "n" if one.hosts else "weak" if one.unsure else "none"
    unread = one.hosts and not one.types
    return {"kind": kind, "mark": mark, "n": len(one.types), "note": note, "weak": weak, "unread": unread}


def _hosts(book: Book, one: Link) -> Markup:
    extent = Extent.of(one.hosts)
    return book.words.t("state.hosts", n=len(one.hosts), closed=extent.closed, which=extent.which)


def sentence(book: Book, state: State) -> Markup:
    """The one template for every state: clauses with nothing fall away, and what its law can compel is said of those
    links alone of which a statute was read."""
    w, t = book.words, book.words.t
    name = w.the_country(state.code)
    if not state.types and (state.unsure_types or not state.sure):
        return t("state.sentence_unsure", state=name, n=len(state.unsure_types))
    if not state.types:
        extent = t("extent", **state.extent.words)
        return t("state.sentence_unread", state=name, read="yes" if state.statutes_read else "no", extent=extent)
    made = [
        (one, t(f"state.clause.{link}", n=len(one.types), level=state.level, basis=one.ground))
        for link in LINKS
        if (one := state.links[link]).types
    ]
    reached = {i for one, _ in made if one.statutes_read for i in one.types}
    compelled = w.list(clause for one, clause in made if one.statutes_read)
    further = w.list(clause for one, clause in made if not one.statutes_read)
    if not reached:
        parts = [t("state.sentence_not_researched", n=len(state.types), state=name, clauses=further)]
    else:
        parts = [t("state.sentence", n=len(reached), state=name, clauses=compelled)]
        parts += [t("state.sentence_further", state=name, clauses=further)] if further else []
    return Markup(" ").join([*parts, t("state.no_demand")])


def _memory(book: Book, state: State) -> Markup | None:
    """What only memory, a later date or weak evidence links to the state: said, and said to be so."""
    further = state.unsure_types - state.types
    if not state.types or not further:
        return None
    return book.words.t("state.memory", n=len(further))


def _statute(book: Book, statute_id: str) -> dict[str, Any]:
    w = book.words
    record = book.facts.reference.statutes.get(statute_id)
    if record is None:
        return {
            "mark": marks.mark("sunknown"),
            "name": plain(statute_id),
            "article": "",
            "text": "",
            "limits": "",
            "source": "",
            "memory": True,
        }
    return {
        "mark": marks.mark(marks.square(record.confidence)),
        "memory": record.confidence != "verified",
        "name": record.statute,
        "article": f"{record.article} ({record.year})",
        "text": getattr(record, f"reach_{w.language}", record.reach_en),
        "limits": record.limits_en,
        "source": record.source,
    }


def _against(book: Book, state: State) -> list[Markup]:
    """The same list for every state; a line stands where it applies."""
    f, t = book.facts, book.words.t
    links = state.links
    made = []
    if links["machine"].hosts:
        made.append(t("against.machine"))
    if links["machine"].unsure:
        made.append(t("against.weak", n=len(links["machine"].unsure)))
    if links["operator"].hosts or links["parent"].hosts or links["machine_owner"].hosts:
        made.append(t("against.company"))
    if links["machine_owner"].hosts:
        made.append(t("against.machine_owner"))
    if links["parent"].hosts:
        made.append(t("against.parent"))
    finding = f.finding("REACH", state.code)
    weak = cells.weak_beside(book.words, finding) if finding else None
    made += [weak] if weak else []
    made += cells.whose(book.words, finding) if finding else []
    refuted = sum(state.code in h.row["refuted"] for h in f.refuted)
    if refuted:
        made.append(t("against.refuted", n=refuted))
    if not state.researched:
        made.append(t("against.not_researched"))
    if any(link.unsure_companies for link in links.values()):
        made.append(t("against.memory"))
    if state.extent.closed:
        made.append(t("against.unread", **state.extent.words))
    return made
