"""The chapters of a report, one a module: what its template shows, as plain values and markup made of messages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from reports import states
from reports.facts import Facts
from reports.words import Words

MOST_ROWS = 500
"""Rows of a table in the file; the CSV beside the report holds all of them."""


@dataclass
class Book:
    """What every chapter is given."""

    facts: Facts
    words: Words

    @cached_property
    def states(self) -> list[states.State]:
        return states.gather(self.facts)
