"""Evidence that the report may show: at most three excerpts for each type at each destination, the app's and others'
apart, so that none takes another's place."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

from analysis.tables import Tables

KEPT = 3


def keep_evidence(tables: Tables) -> pa.Table:
    """The first excerpts of each data type, method and destination, in the order of the transmissions."""
    sent, evidence = tables["transmissions"], tables["evidence"]
    group = dict(
        zip(
            sent["transmission"].to_pylist(),
            zip(*(sent[c].to_pylist() for c in ("data_type", "method", "destination", "phase", "whose")), strict=True),
            strict=True,
        )
    )
    seen: Counter[object] = Counter()
    keep = []
    for transmission in evidence["transmission"].to_pylist():
        of = group.get(transmission)
        seen[of] += 1
        keep.append(seen[of] <= KEPT)
    return evidence.filter(pa.array(keep, pa.bool_()))
