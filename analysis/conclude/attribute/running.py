"""When each recorder of a capture ran, as far as the capture itself shows: from the first that it has of the phone to
the last, and, in a recording of Lintas' own, no sooner than it was started and no later than it was sealed. What could
not be written meanwhile did not run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from analysis.conclude.attribute.speaker import Flow
from analysis.conclude.clocks import PROXY, Clocks
from analysis.folder import Manifest, micros

Span = tuple[int, int]


def running(
    flows: Iterable[Flow], events: Iterable[Mapping[str, Any]], manifest: Manifest, clocks: Clocks
) -> dict[object, list[Span]]:
    """The spans in which each recorder (``Clocks.recorder``) ran, in microseconds of the laptop's clock, in order and
    apart from one another. ``flows``: the phone's."""
    seen: dict[object, dict[object, Span]] = defaultdict(dict)
    for flow in flows:
        begun, ended = flow.begun, flow.ended
        if begun is None or ended is None:
            continue
        recorder = clocks.recorder(flow.source)
        # A recording of Lintas' own is one, whatever stands in which of its files.
        of: object = recorder if manifest.started is not None else flow.source
        low, high = seen[recorder].get(of, (begun[1], ended[0]))
        seen[recorder][of] = (min(low, begun[1]), max(high, ended[0]))
    lost = [
        (min(e["at"], e["end"]), max(e["at"], e["end"]))
        for e in events
        if e.get("type") == "lost" and e.get("at") is not None and e.get("end") is not None
    ]
    zone = ZoneInfo(manifest.timezone) if manifest.timezone else None
    found = {}
    for recorder, spans in seen.items():
        kept = _union(spans.values())
        if recorder == PROXY:
            if manifest.started is not None:
                kept = [(max(low, micros(manifest.started, zone)), high) for low, high in kept]
            if manifest.sealed is not None:
                kept = [(low, min(high, micros(manifest.sealed, zone) + 1_000_000)) for low, high in kept]
            kept = _without(kept, lost)
        found[recorder] = [span for span in kept if span[0] < span[1]]
    return found


def both(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    """What lies in both, each of which has no two spans that meet."""
    other = list(other)
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return sorted(span for span in pairs if span[0] < span[1])


def _union(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _without(spans: list[Span], taken: Iterable[Span]) -> list[Span]:
    for low, high in taken:
        spans = [part for a, b in spans for part in ((a, min(b, low)), (max(a, high), b)) if part[0] < part[1]]
    return spans
