"""Joined: another file of the same capture names the app of the same conversation.

What is the same conversation ``join`` has said (``same_as``), by its ends or by its requests. Where only the server's
end, a host and a time agree, another app may have spoken to that host at that moment too: then nothing is said unless
everything in the other file that began there and then is of one app, and there is as much of it as here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping

from analysis.conclude.attribute.speaker import Flow, Said

SLACK = 2_000_000
"""Microseconds that two views of one beginning may differ by, as in ``join``."""
_GROUNDS = ("both_ends", "phone_end", "server_end", "requests", "host_and_time")


def joined(flows: Iterable[Flow], said: Mapping[int, Said]) -> dict[int, Said]:
    """What other files say of flows of which their own says nothing."""
    flows = list(flows)
    naming = sorted({f.source for f in flows if f.number in said})
    if not naming:
        return {}
    groups: dict[int, list[Flow]] = defaultdict(list)
    for flow in flows:
        groups[flow.number if flow.same_as is None else flow.same_as].append(flow)
    begun = _Begun(flows, said)
    found = {}
    for group in groups.values():
        named = [f for f in group if f.number in said]
        for flow in group:
            if flow.number in said:
                continue
            one = _of_group(flow, [f for f in named if f.source != flow.source], said, begun)
            if one is None and not named:
                one = begun.at_host(flow, [s for s in naming if s != flow.source])
            if one is not None:
                found[flow.number] = one
    return found


def _of_group(flow: Flow, named: list[Flow], said: Mapping[int, Said], begun: _Begun) -> Said | None:
    if len({said[f.number].who for f in named}) != 1:
        return None
    grounds = [
        ground
        for ground, other in ((_ground(flow, f), f) for f in named)
        if ground in ("both_ends", "phone_end") or begun.is_one(flow, other, ground)
    ]
    if not grounds:
        return None
    one = said[named[0].number]
    return Said(one.app, min(grounds, key=_GROUNDS.index), one.packages, one.system)


def _ground(one: Flow, other: Flow) -> str:
    if one.near == other.near and None not in one.near:
        return "both_ends" if one.far == other.far else "phone_end"
    if one.far == other.far and None not in one.far:
        return "server_end"
    direct = one.same_as == other.number or other.same_as == one.number
    return "requests" if direct else "host_and_time"


class _Begun:
    """When flows began in each file, by the server's end and by host."""

    def __init__(self, flows: Iterable[Flow], said: Mapping[int, Said]) -> None:
        self._said = said
        self._flows: dict[object, list[tuple[int, int, Flow]]] = defaultdict(list)
        for flow in flows:
            if flow.first is not None:
                self._flows[flow.source, flow.transport, flow.far].append((flow.first, flow.number, flow))
                if flow.host is not None:
                    self._flows[flow.source, flow.host].append((flow.first, flow.number, flow))
        for times in self._flows.values():
            times.sort(key=lambda t: t[:2])

    def _around(self, key: object, flow: Flow) -> list[Flow]:
        """Flows that began when this one did, or when the proxy began its own leg."""
        if flow.first is None:
            return []
        times = self._flows.get(key, ())
        reached = flow.first if flow.upstream is None else max(flow.first, flow.upstream)
        low = bisect_left(times, flow.first - SLACK, key=lambda t: t[0])
        high = bisect_right(times, reached + SLACK, key=lambda t: t[0])
        return [t[2] for t in times[low:high]]

    def is_one(self, flow: Flow, other: Flow, ground: str) -> bool:
        """True when nothing else could be meant: see the head of this file."""
        if ground == "server_end":
            keys: tuple[object, object] = (
                (flow.source, flow.transport, flow.far),
                (other.source, other.transport, other.far),
            )
        elif other.host is not None:
            keys = ((flow.source, other.host), (other.source, other.host))
        else:
            return False
        there = self._around(keys[1], flow)
        return len({self._who(f) for f in (*there, other)}) == 1 and len(there) >= len(self._around(keys[0], flow))

    def at_host(self, flow: Flow, naming: Iterable[int]) -> Said | None:
        """Who spoke to this host at this time, where the files that name apps leave no doubt."""
        if flow.host is None:
            return None
        here = len(self._around((flow.source, flow.host), flow))
        found: dict[object, Flow] = {}
        for source in naming:
            there = self._around((source, flow.host), flow)
            if there and len(there) < here:
                return None
            found.update((self._who(f), f) for f in there)
        if len(found) != 1 or None in found:
            return None
        one = self._said[next(iter(found.values())).number]
        return Said(one.app, "host_and_time", one.packages, one.system)

    def _who(self, flow: Flow) -> object:
        one = self._said.get(flow.number)
        return None if one is None else one.who
