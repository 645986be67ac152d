"""Conclude: over the tables of a whole capture, what no single message can say.

Who resolved which name when, which flows are the same traffic seen twice, which phase of the session it was, where
each address stands and how sure that is, who runs it, whose law reaches it on paper, and what the rules say.
Idempotent: it adds columns and tables and never rewrites what ``read`` and the sources wrote, so it may be run again
when more has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.folder import Manifest
from analysis.tables import Tables

if TYPE_CHECKING:
    from analysis.reference import Reference


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``conclude`` is told beside tables, manifest and reference data."""

    date: date
    """The day whose ownership and law hold."""
    events: tuple[Mapping[str, Any], ...] = ()
    """Lines of ``events.jsonl`` in their order: phase marks among them."""
    geo_country: tuple[Path, ...] = ()
    """The user's own country databases (MMDB)."""
    geo_asn: tuple[Path, ...] = ()
    """The user's own network databases (MMDB)."""


def conclude(tables: Tables, manifest: Manifest, reference: Reference, settings: Settings) -> Tables:
    """The tables with everything that can be said of the capture as a whole.

    ``tables``: as the assembler made them; columns that only this function fills may be null or stale."""
    from analysis.conclude import (
        attribute,
        clocks,
        counting,
        destinations,
        join,
        judge,
        link,
        names,
        opaque,
        readings,
        strength,
    )

    made = dict(tables)
    made["flows"] = names.name_flows(made["flows"], made["names"])
    told = clocks.Clocks(made["flows"], made["sources"], manifest)
    made["flows"] = join.same_traffic(made["flows"], made["exchanges"], made["sources"], told)
    made = attribute.phases(made, manifest, settings.events)
    made = destinations.gather(made, reference)
    made["destinations"] = destinations.describe(made, manifest, reference, settings)
    made = attribute.apps(made, manifest, reference, settings.events)
    made["destinations"] = destinations.of_the_app(made)
    made = counting.counts(made, reference)
    made["opaque"] = opaque.gather(made, manifest, settings.events)
    made |= readings.gather(made)
    made["readable"] = opaque.readable(made, manifest)
    made["transmissions"] = strength.describe(made, reference)
    made["links"] = link.identifiers(made, reference)
    made["evidence"] = judge.keep_evidence(made)
    made["findings"] = judge.findings(made, manifest, reference, settings)
    return made
