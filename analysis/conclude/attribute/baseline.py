"""Inferred: a host that the idle phone did not speak to, and that was spoken to while the app was in front.

The weakest ground, and only with a baseline: an idle phase of at least a minute in which what recorded the flow is
known to have run. It is never drawn outside of a phase, for a host that another app or the system is known to have
spoken to, for another device than the phone, or where nobody watched which app was in front.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from analysis.conclude.attribute.device import Device
from analysis.conclude.attribute.running import Span, both
from analysis.conclude.attribute.speaker import Flow
from analysis.conclude.clocks import Clocks

LEAST = 60_000_000
"""Microseconds that the idle phases have together: what a phone does by itself comes seldom."""
SLACK = 4_000_000
"""Microseconds by which a change of the app in front may be seen late: who watches asks every few seconds."""
_NOT_THE_APP = frozenset({"idle", "install", "uninstalled"})
"""Phases in which the app does not run, or not by itself."""

Marks = list[tuple[int, int | None, str]]


class Baseline:
    """What the phone did by itself, and when the app under test was in front. ``ran``: the spans in which each recorder
    ran, which is the phone's traffic that it shows to have had."""

    def __init__(
        self,
        marks: Marks,
        events: Iterable[Mapping[str, Any]],
        flows: Iterable[Flow],
        names: pa.Table,
        is_own: Callable[[str], bool],
        device: Device,
        ran: Mapping[object, list[Span]],
        clocks: Clocks,
    ) -> None:
        self._front = sorted(
            (e["at"], e.get("type") == "app_front" and isinstance(e.get("app"), str) and is_own(e["app"]))
            for e in events
            if e.get("at") is not None and (e.get("type") == "app_front" or _is_gone(e))
        )
        self._times = [at for at, _ in self._front]
        self._device = device
        self._clocks = clocks
        self._known: set[str] = set()
        self._watched: set[object] = set()
        """Recorders that have a baseline."""
        spans = _idle(marks)
        idle = {recorder: both(spans, own) for recorder, own in ran.items()}
        idle = {recorder: own for recorder, own in idle.items() if sum(high - low for low, high in own) >= LEAST}
        if not idle or not self._front:
            return
        for flow in flows:
            begun, ended = flow.begun, flow.ended
            if begun is None or ended is None or not _meets(spans, begun[0], ended[1]):
                continue
            self._known |= {n for n in (flow.host, flow.far[0]) if n is not None}
            recorder = clocks.recorder(flow.source)
            if device.is_phone(flow) and _meets(idle.get(recorder, ()), begun[1], ended[0]):
                self._watched.add(recorder)
        if self._watched:
            self._known |= _asked_for(names, spans)

    def infers(self, flow: Flow, others: set[str]) -> bool:
        """True when the app under test is inferred to have spoken. ``others``: hosts (nameless ones by address) that
        another app or the system is known to have spoken to."""
        name, begun = flow.host or flow.far[0], flow.begun
        if self._clocks.recorder(flow.source) not in self._watched or not self._device.is_phone(flow):
            return False
        if begun is None or name is None or flow.phase is None or flow.phase in _NOT_THE_APP:
            return False
        return name not in self._known and name not in others and self._in_front(*begun)

    def _in_front(self, earliest: int, latest: int) -> bool:
        place = bisect_right(self._times, earliest) - 1
        if place < 0:
            return False
        # Of two that were told for one moment neither is known to be in front.
        told = bisect_left(self._times, self._times[place])
        return all(own for _, own in self._front[told : bisect_right(self._times, latest + SLACK)])


def _is_gone(event: Mapping[str, Any]) -> bool:
    """True where the phone is no longer watched: nobody knows what is in front from then on."""
    return event.get("type") == "phone" and event.get("state") in ("vanished", "ended")


def _idle(marks: Marks) -> list[Span]:
    """The idle phases that have an end: stated, or the next phase's beginning."""
    found = []
    for place, (start, end, name) in enumerate(marks):
        if name == "idle":
            after = marks[place + 1][0] if place + 1 < len(marks) else None
            until = end if after is None else after if end is None else min(end, after)
            if until is not None and until > start:
                found.append((start, until))
    return found


def _meets(spans: Iterable[Span], first: int, last: int) -> bool:
    return any(first < end and last >= start for start, end in spans)


def _asked_for(names: pa.Table, spans: list[Span]) -> set[str]:
    """Names that were looked up while the phone was idle."""
    times = [names[c].cast(pa.int64()).to_pylist() for c in ("first", "last")]
    return {
        name
        for name, first, last in zip(names["name"].to_pylist(), *times, strict=True)
        if first is not None and _meets(spans, first, last if last is not None else first)
    }
