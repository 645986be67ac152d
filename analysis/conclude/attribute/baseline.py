"""Inferred: a host that the idle phone did not speak to, and that was spoken to while the app was in front.

The weakest ground, and only with a baseline: an idle phase of at least a minute in which the capture did run. It is
never drawn outside of a phase, for a host that another app or the system is known to have spoken to, or where nobody
watched which app was in front.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from analysis.conclude.attribute.speaker import Flow

LEAST = 60_000_000
"""Microseconds that the idle phases have together: what a phone does by itself comes seldom."""
SLACK = 4_000_000
"""Microseconds by which a change of the app in front may be seen late: who watches asks every few seconds."""
_NOT_THE_APP = frozenset({"idle", "install", "uninstalled"})
"""Phases in which the app does not run, or not by itself."""

Marks = list[tuple[int, int | None, str]]


class Baseline:
    """What the phone did by itself, and when the app under test was in front."""

    def __init__(
        self,
        marks: Marks,
        events: Iterable[Mapping[str, Any]],
        flows: Iterable[Flow],
        names: pa.Table,
        is_own: Callable[[str], bool],
    ) -> None:
        spans = _idle(marks)
        self.idle = sum(end - start for start, end in spans)
        """Microseconds of idle phases."""
        self._front = sorted(
            (e["at"], e.get("type") == "app_front" and isinstance(e.get("app"), str) and is_own(e["app"]))
            for e in events
            if e.get("at") is not None and (e.get("type") == "app_front" or _is_gone(e))
        )
        self._times = [at for at, _ in self._front]
        self._known: set[str] = set()
        ran = False
        if self.idle >= LEAST and self._front:
            for flow in flows:
                if flow.first is not None and flow.last is not None and _meets(spans, flow.first, flow.last):
                    ran = True
                    self._known |= {n for n in (flow.host, flow.far[0]) if n is not None}
            if ran:
                self._known |= _asked_for(names, spans)
        self._ran = ran

    def infers(self, flow: Flow, others: set[str]) -> bool:
        """True when the app under test is inferred to have spoken. ``others``: hosts (nameless ones by address) that
        another app or the system is known to have spoken to."""
        name = flow.host or flow.far[0]
        if not self._ran or flow.first is None or name is None or flow.phase is None or flow.phase in _NOT_THE_APP:
            return False
        return name not in self._known and name not in others and self._in_front(flow.first)

    def _in_front(self, at: int) -> bool:
        latest = bisect_right(self._times, at) - 1
        if latest < 0:
            return False
        # Of two that were told for one moment neither is known to be in front.
        told = bisect_left(self._times, self._times[latest])
        return all(own for _, own in self._front[told : bisect_right(self._times, at + SLACK)])


def _is_gone(event: Mapping[str, Any]) -> bool:
    """True where the phone is no longer watched: nobody knows what is in front from then on."""
    return event.get("type") == "phone" and event.get("state") in ("vanished", "ended")


def _idle(marks: Marks) -> list[tuple[int, int]]:
    """The idle phases that have an end: stated, or the next phase's beginning."""
    found = []
    for place, (start, end, name) in enumerate(marks):
        if name == "idle":
            after = marks[place + 1][0] if place + 1 < len(marks) else None
            until = end if after is None else after if end is None else min(end, after)
            if until is not None and until > start:
                found.append((start, until))
    return found


def _meets(spans: list[tuple[int, int]], first: int, last: int) -> bool:
    return any(first < end and last >= start for start, end in spans)


def _asked_for(names: pa.Table, spans: list[tuple[int, int]]) -> set[str]:
    """Names that were looked up while the phone was idle."""
    times = [names[c].cast(pa.int64()).to_pylist() for c in ("first", "last")]
    return {
        name
        for name, first, last in zip(names["name"].to_pylist(), *times, strict=True)
        if first is not None and _meets(spans, first, last if last is not None else first)
    }
