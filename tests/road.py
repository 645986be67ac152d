"""What the tests of the whole road share: where the captures lie, and the laws that every audit keeps."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc

from analysis.tables import Tables

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("LINTAS_REAL", ROOT.parent / "shared" / "real"))
"""Captures of real apps, published by others; they lie beside the checkout and are not part of it."""
SAMPLES = sorted(p for p in (ROOT / "captures").iterdir() if (p / "capture.yaml").is_file())
DEMO = ROOT / "captures" / "demo-shop"


def real_files() -> list[Path]:
    """Every capture under REAL; empty where the folder is not there."""
    endings = {".har", ".mitm", ".pcap", ".pcapng"}
    return sorted(p for p in REAL.rglob("*") if p.suffix in endings and p.is_file()) if REAL.is_dir() else []


def total(made: Tables, table: str, column: str) -> int:
    return int(pc.sum(made[table][column]).as_py() or 0)


def check_conservation(made: Tables) -> None:
    """Octets of flows = read + opaque by kind, flow by flow; bodies = decoded + limited by kind; references hold."""
    flows = made["flows"].to_pylist()
    opaque: Counter[int] = Counter()
    for row in made["opaque"].to_pylist():
        opaque[row["flow"]] += row["bytes"]
    for f in flows:
        unread = sum(p["bytes"] for p in f["unread"] or ())
        assert f["bytes_out"] + f["bytes_in"] == f["bytes_read"] + unread, f["origin"]
        if f["same_as"] is None:
            assert opaque[f["flow"]] == unread
    messages = made["messages"].to_pylist()
    undecoded = sum(1 for m in messages if not m["decoded"])
    kinds = Counter[str]()
    for row in made["losses"].to_pylist():
        kinds[row["kind"]] += row["count"]
    explained = sum(n for kind, n in kinds.items() if kind.startswith("body_") or kind == "reader_failed")
    assert undecoded <= explained, kinds
    numbers = {f["flow"] for f in flows}
    places = {d["destination"] for d in made["destinations"].to_pylist()}
    assert numbers == set(range(len(flows)))
    assert [e["exchange"] for e in made["exchanges"].to_pylist()] == list(range(made["exchanges"].num_rows))
    for name in ("exchanges", "messages", "transmissions"):
        assert set(made[name]["flow"].to_pylist()) <= numbers, name
    for name in ("flows", "exchanges", "transmissions"):
        assert set(made[name]["destination"].to_pylist()) <= places, name
    counted = [f for f in flows if f["same_as"] is None]
    assert sum(d["flows"] for d in made["destinations"].to_pylist()) == len(counted)
    for column in ("bytes_out", "bytes_in"):
        assert total(made, "destinations", column) == sum(f[column] for f in counted)
        assert total(made, "apps", column) == sum(f[column] for f in counted)
        mine = sum(f[column] for f in counted if f["whose"] == "app")
        moved = any(e["whose"] == "system" for e in made["exchanges"].to_pylist())
        theirs = total(made, "destinations", f"app_{column}")
        assert theirs <= mine if moved else theirs == mine
    assert total(made, "apps", "flows") == len(counted)
    assert total(made, "destinations", "app_flows") == sum(f["whose"] == "app" for f in counted)
    assert {f["whose"] for f in flows} <= {"app", "other", "system"}
