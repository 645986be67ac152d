"""How strong the ground of a transmission is: one rule, for everything that names states, laws or companies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from analysis.tables import Tables

if TYPE_CHECKING:
    from analysis.reference import Reference

FIRM, WEAK = "firm", "weak"


def describe(tables: Tables, reference: Reference) -> pa.Table:
    """The transmissions with ``strength``.

    ``firm``: a planted value; a field of a known endpoint that was read in a document; or a key whose value passed a
    strong check, also where a weaker sign names the field first. ``weak``: everything else, a key that its value
    only does not contradict, a shape, a field from memory. Only what is firm may carry a finding."""
    sent = tables["transmissions"]
    wanted = ("method", "also", "certainty", "endpoint")
    values = [
        FIRM if _is_firm(method, also or (), certainty, endpoint, reference) else WEAK
        for method, also, certainty, endpoint in zip(*(sent[c].to_pylist() for c in wanted), strict=True)
    ]
    return sent.set_column(sent.schema.get_field_index("strength"), "strength", pa.array(values, pa.string()))


def _is_firm(
    method: str, also: list[str] | tuple[str, ...], certainty: str, endpoint: str | None, reference: Reference
) -> bool:
    if method == "planted" or (method == "endpoint" and reference.endpoint_field_verified(endpoint)):
        return True
    # A field from memory is low by itself: what is more than that, the key's strong check has given.
    return "key" in (method, *also) and certainty != "low"
