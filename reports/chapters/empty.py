"""Chapters that have no data yet: heading and question stand, and the reason why nothing follows."""

from __future__ import annotations

from typing import Any

from reports.chapters import Book

OWN_PLACE = ("REACH", "DEST", "CONSENT")
"""Rules whose findings stand in the chapters that they are about."""


def rules(book: Book) -> dict[str, Any]:
    """6: findings of rules other than those of chapters 2, 4 and 5."""
    f, w = book.facts, book.words
    counts = {rule: sum(r["rule"] == rule for r in f.findings) for rule in OWN_PLACE}
    further = [r for r in f.findings if r["rule"] not in OWN_PLACE]
    return {
        "answer": w.t("rules.answer", reach=counts["REACH"], dest=counts["DEST"], consent=counts["CONSENT"]),
        "why": w.t("rules.why"),
        "further": [
            (r["finding"], w.of("finding", r["wording"]), w.country(r["state"]) if r["state"] else None)
            for r in further
        ],
    }


def declared(book: Book) -> dict[str, Any]:
    return {"answer": book.words.t("declared.answer")}


def compared(book: Book) -> dict[str, Any]:
    return {"answer": book.words.t("compared.answer")}
