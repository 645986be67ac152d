"""Opaque: what could not be opened, and what a signal of it means."""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa

from analysis.folder import Manifest
from analysis.tables import TABLES, Tables


def gather(tables: Tables, manifest: Manifest) -> pa.Table:
    """A row for each flow that counts and each kind of octets in it that no reader understood.

    A refused certificate is ``pinned`` only where the manifest proves that a certificate of the system's store was
    offered; an app that refuses a user's certificate did what every app does by default since Android 7."""
    flows = tables["flows"]
    proven = manifest.opened_by == "system_certificate" or manifest.device.by_system is True
    rows = []
    wanted = ("flow", "same_as", "host", "destination", "origin", "unread")
    for flow, same_as, host, destination, origin, unread in zip(*(flows[c].to_pylist() for c in wanted), strict=True):
        if same_as is not None:
            continue
        for part in unread or ():
            kind = "pinned" if part["kind"] == "ca_refused" and proven else part["kind"]
            rows.append(
                {
                    "flow": flow,
                    "kind": kind,
                    "cause": part["cause"],
                    "host": host,
                    "destination": destination,
                    "bytes": part["bytes"] or 0,
                    "count": part["count"] or 1,
                    "origin": origin,
                }
            )
    return TABLES["opaque"].from_rows(rows)


def octets_by_kind(opaque: pa.Table) -> dict[str, int]:
    """Octets of all flows that were not understood, by kind."""
    totals: dict[str, int] = defaultdict(int)
    for kind, octets in zip(opaque["kind"].to_pylist(), opaque["bytes"].to_pylist(), strict=True):
        totals[kind] += octets
    return dict(totals)
