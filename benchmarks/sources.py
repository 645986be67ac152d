"""How fast sources read, beside a peer that does the like, in one run, alternating; printed as a ratio.

``PYTHONPATH=. .venv/bin/python benchmarks/sources.py FILE [FILE ...]``: a HAR beside the standard library's ``json``
(which holds it whole and finds no bodies), a packet capture beside scapy's PcapReader (which gives packets and no
flows). Run it alone on the machine; CPU seconds of this process are compared."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from analysis.sources import Options
from analysis.sources.identify import kind_of, open_source

PAIRS = 7


def ours(path: Path) -> int:
    """Batches read to the end; how many exchanges and flows."""
    _, batches = open_source(path, path.name, Options())
    return sum(len(b.exchanges) + (b.flows.num_rows if b.flows is not None else 0) for b in batches)


def by_json(path: Path) -> int:
    with path.open(encoding="utf-8-sig") as file:
        return len(json.load(file)["log"]["entries"])


def by_scapy(path: Path) -> int:
    from scapy.layers import all as _layers  # noqa: F401 - without it nothing is dissected
    from scapy.utils import PcapReader

    with PcapReader(str(path)) as reader:
        return sum(1 for _ in reader)


def timed(run: Callable[[Path], int], path: Path) -> tuple[float, int]:
    before = time.process_time()
    count = run(path)
    return time.process_time() - before, count


def main() -> None:
    for name in sys.argv[1:]:
        path = Path(name)
        kind, _ = kind_of(path)
        peer = by_json if kind == "har" else by_scapy
        pairs = [(timed(ours, path)[0], timed(peer, path)[0]) for _ in range(PAIRS)]
        size = path.stat().st_size / 1e6
        mine = statistics.median(a for a, _ in pairs)
        theirs = statistics.median(b for _, b in pairs)
        ratio = statistics.median(a / b for a, b in pairs)
        spread = f"{min(a / b for a, b in pairs):.2f} to {max(a / b for a, b in pairs):.2f}"
        print(
            f"{path.name}: {size:.1f} MB, {kind}; ours {mine:.2f} s ({size / mine:.0f} MB/s), "
            f"{peer.__name__} {theirs:.2f} s ({size / theirs:.0f} MB/s), ratio {ratio:.2f} ({spread})"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
