"""Joined: another file of the same capture names the app of the same conversation.

What is the same conversation ``join`` has said (``same_as``), by its ends or by its requests. Where only the server's
end, a host and a time agree, another app may have spoken to that host at that moment too: then nothing is said unless
everything in the other file that began there and then is of one app, and there is as much of it as here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

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
    return replace(one, by=min(grounds, key=_GROUNDS.index))


def _ground(one: Flow, other: Flow) -> str:
    if one.near == other.near and None not in one.near:
        return "both_ends" if one.far == other.far else "phone_end"
    if one.far == other.far and None not in one.far:
        return "server_end"
    direct = one.same_as == other.number or other.same_as == one.number
    return "requests" if direct else "host_and_time"


class _Line:
    """Flows of one file that share an end or a host, by when they began. ``until``: for each the place of the next of
    which something else is said, so that a question costs the same however many there are."""

    __slots__ = ("_times", "until", "who")

    def __init__(self, rows: list[tuple[int, int, Flow]], said: Mapping[int, Said]) -> None:
        rows.sort(key=lambda row: row[:2])
        self._times = [row[0] for row in rows]
        self.who = [said.get(row[1]) for row in rows]
        self.until = [len(rows)] * len(rows)
        for place in range(len(rows) - 2, -1, -1):
            same = _who(self.who[place]) == _who(self.who[place + 1])
            self.until[place] = self.until[place + 1] if same else place + 1

    def around(self, flow: Flow) -> tuple[int, int]:
        """Places of the flows that began when this one did, or when the proxy began its own leg."""
        if flow.first is None:
            return 0, 0
        reached = flow.first if flow.upstream is None else max(flow.first, flow.upstream)
        return bisect_left(self._times, flow.first - SLACK), bisect_right(self._times, reached + SLACK)


class _Begun:
    """When flows began in each file, by the server's end and by host."""

    def __init__(self, flows: Iterable[Flow], said: Mapping[int, Said]) -> None:
        rows: dict[object, list[tuple[int, int, Flow]]] = defaultdict(list)
        for flow in flows:
            if flow.first is not None:
                rows[flow.source, flow.transport, flow.far].append((flow.first, flow.number, flow))
                if flow.host is not None:
                    rows[flow.source, flow.host].append((flow.first, flow.number, flow))
        self._lines = {key: _Line(of_key, said) for key, of_key in rows.items()}
        self._said = said

    def is_one(self, flow: Flow, other: Flow, ground: str) -> bool:
        """True when nothing else could be meant: see the head of this file."""
        if ground == "server_end":
            here: object = (flow.source, flow.transport, flow.far)
            there: object = (other.source, other.transport, other.far)
        elif other.host is not None:
            here, there = (flow.source, other.host), (other.source, other.host)
        else:
            return False
        one = self._one(flow, here, there)
        return one is not None and one.who == self._said[other.number].who

    def at_host(self, flow: Flow, naming: Iterable[int]) -> Said | None:
        """Who spoke to this host at this time, where the files that name apps leave no doubt."""
        if flow.host is None:
            return None
        found: dict[object, Said] = {}
        for source in naming:
            there = self._lines.get((source, flow.host))
            if there is None or not _count(there.around(flow)):
                continue
            one = self._one(flow, (flow.source, flow.host), (source, flow.host))
            if one is None:
                return None
            found[one.who] = one
        if len(found) != 1:
            return None
        one = next(iter(found.values()))
        return replace(one, by="host_and_time")

    def _one(self, flow: Flow, here: object, there: object) -> Said | None:
        """What is said of everything that began there when this flow did; None where it differs, where something has
        no name, or where less began there than here."""
        lines = self._lines.get(here), self._lines.get(there)
        if lines[0] is None or lines[1] is None:
            return None
        low, high = lines[1].around(flow)
        if low >= high or lines[1].until[low] < high or high - low < _count(lines[0].around(flow)):
            return None
        return lines[1].who[low]


def _count(places: tuple[int, int]) -> int:
    return max(places[1] - places[0], 0)


def _who(one: Said | None) -> object:
    return None if one is None else one.who
