"""Joined: another file of the same capture names the app of the same conversation.

What is the same conversation ``join`` has said (``same_as``), by its ends or by its requests. Where only the server's
end, a host and a time agree, another app may have spoken to that host at that moment too. Then nothing is said unless

- whatever the difference of the two files' clocks may be (``clocks``), everything in the other file that began there
  and then is of one app, and there is as much of it as here;
- the other file shows that it leaves no app out: it names more than one, as a list that was made of one app alone (a
  filter) does not, and has all that came from the same device here while it ran; and
- the flow is not known to be another device's than the phone.

A phone's end that agrees tells alone where the clocks are the same, and else where nobody but one app had it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate

from analysis.conclude.attribute.device import Device
from analysis.conclude.attribute.speaker import Flow, Said, app_number, is_system_uid
from analysis.conclude.clocks import Clocks

SLACK = 2_000_000
"""Microseconds that two views of one beginning may differ by, as in ``join``."""
_GROUNDS = ("both_ends", "phone_end", "server_end", "requests", "host_and_time")
_DNS = frozenset({53, 853})
"""Ports of questions for names: the system asks them for apps, and no list need show them."""

_Apart = tuple[int, int]
"""By how much the other file's times may be ahead: the least and the most microseconds."""


def joined(flows: Iterable[Flow], said: Mapping[int, Said], clocks: Clocks, device: Device) -> dict[int, Said]:
    """What other files say of flows of which their own says nothing."""
    flows = list(flows)
    naming = sorted({f.source for f in flows if f.number in said})
    if not naming:
        return {}
    groups: dict[int, list[Flow]] = defaultdict(list)
    for flow in flows:
        groups[_root(flow)].append(flow)
    begun = _Begun(flows, said, clocks, device)
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


def _root(flow: Flow) -> int:
    return flow.number if flow.same_as is None else flow.same_as


def _of_group(flow: Flow, named: list[Flow], said: Mapping[int, Said], begun: _Begun) -> Said | None:
    if len({said[f.number].who for f in named}) != 1:
        return None
    grounds = [ground for ground, other in ((_ground(flow, f), f) for f in named) if begun.is_one(flow, other, ground)]
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

    __slots__ = ("_latest", "_times", "until", "who")

    def __init__(self, rows: list[tuple[int, int, Flow]], said: Mapping[int, Said]) -> None:
        rows.sort(key=lambda row: row[:2])
        self._times = [row[0] for row in rows]
        self._latest = list(accumulate((row[0] if (last := row[2].last) is None else last for row in rows), max))
        self.who = [said.get(row[1]) for row in rows]
        self.until = [len(rows)] * len(rows)
        for place in range(len(rows) - 2, -1, -1):
            same = _who(self.who[place]) == _who(self.who[place + 1])
            self.until[place] = self.until[place + 1] if same else place + 1

    def around(self, flow: Flow, apart: _Apart) -> tuple[int, int]:
        """Places of the flows that began when this one did, or when the proxy began its own leg."""
        if flow.first is None:
            return 0, 0
        reached = flow.first if flow.upstream is None else max(flow.first, flow.upstream)
        least, most = apart
        return bisect_left(self._times, flow.first + least - SLACK), bisect_right(self._times, reached + most + SLACK)

    def lasts_in(self, flow: Flow, apart: _Apart) -> bool:
        """True when a flow of these was there while this one was."""
        if flow.first is None:
            return False
        last = flow.first if flow.last is None else max(flow.first, flow.last)
        place = bisect_right(self._times, last + apart[1] + SLACK) - 1
        return place >= 0 and self._latest[place] >= flow.first + apart[0] - SLACK

    def is_of_one(self, low: int, high: int) -> bool:
        return low < high <= self.until[low]


class _Begun:
    """When flows began in each file, by the ends and by host."""

    def __init__(self, flows: list[Flow], said: Mapping[int, Said], clocks: Clocks, device: Device) -> None:
        rows: dict[object, list[tuple[int, int, Flow]]] = defaultdict(list)
        for flow in flows:
            if flow.first is not None:
                row = (flow.first, flow.number, flow)
                rows["near", flow.source, flow.transport, flow.near].append(row)
                rows["far", flow.source, flow.transport, flow.far].append(row)
                if flow.host is not None:
                    rows["host", flow.source, flow.host].append(row)
                else:
                    rows["nameless", flow.source, flow.transport, flow.far[1]].append(row)
        self._lines = {key: _Line(of_key, said) for key, of_key in rows.items()}
        self._said = said
        self._clocks = clocks
        self._device = device
        self._whole = _Whole(flows, said, clocks, self._lines)

    def is_one(self, flow: Flow, other: Flow, ground: str) -> bool:
        """True when nothing else could be meant: see the head of this file."""
        if ground in ("both_ends", "phone_end"):
            return self._had_the_end(flow, other)
        if ground == "server_end":
            here: object = ("far", flow.source, flow.transport, flow.far)
            there: object = ("far", other.source, other.transport, other.far)
        elif other.host is not None:
            here, there = ("host", flow.source, other.host), ("host", other.source, other.host)
        else:
            return False
        one = self._one(flow, other.source, here, there)
        return one is not None and one.who == self._said[other.number].who

    def at_host(self, flow: Flow, naming: Iterable[int]) -> Said | None:
        """Who spoke to this host at this time, where the files that name apps leave no doubt."""
        if flow.host is None:
            return None
        found: dict[object, Said] = {}
        for source in naming:
            there = self._lines.get(("host", source, flow.host))
            if there is None or not _count(there.around(flow, self._clocks.apart(flow.source, source))):
                continue
            one = self._one(flow, source, ("host", flow.source, flow.host), ("host", source, flow.host))
            if one is None:
                return None
            found[one.who] = one
        if len(found) != 1:
            return None
        one = next(iter(found.values()))
        return replace(one, by="host_and_time")

    def _had_the_end(self, flow: Flow, other: Flow) -> bool:
        """True unless the phone's end had another owner within the time by which the clocks may differ."""
        least, most = self._clocks.apart(flow.source, other.source)
        if least == most:
            return True
        line = self._lines.get(("near", other.source, other.transport, other.near))
        return line is not None and line.is_of_one(*line.around(flow, (least, most)))

    def _one(self, flow: Flow, source: int, here: object, there: object) -> Said | None:
        """What is said of everything that began there when this flow did; None where it differs, where something has
        no name, where less began there than here, where the other file may leave something out, and of a device that
        is not the phone."""
        lines = self._lines.get(here), self._lines.get(there)
        if lines[0] is None or lines[1] is None or self._device.is_another(flow):
            return None
        least, most = self._clocks.apart(flow.source, source)
        low, high = lines[1].around(flow, (least, most))
        wide = (most - least + 1) // 2
        if not lines[1].is_of_one(low, high) or high - low < _count(lines[0].around(flow, (-wide, wide))):
            return None
        return lines[1].who[low] if self._whole.sees(flow, source) else None


class _Whole:
    """Which files that name apps show that they leave nothing out of what another file saw."""

    def __init__(
        self, flows: list[Flow], said: Mapping[int, Said], clocks: Clocks, lines: Mapping[object, _Line]
    ) -> None:
        self._lines = lines
        self._clocks = clocks
        self._of: dict[object, list[Flow]] = defaultdict(list)
        self._spans: dict[int, tuple[int, int]] = {}
        self._paired: dict[int, set[int]] = defaultdict(set)
        self._known: dict[object, bool] = {}
        owners: dict[int, set[object]] = defaultdict(set)
        for flow in flows:
            self._of[self._end(flow)].append(flow)
            self._paired[_root(flow)].add(flow.source)
            if (owner := _owner(flow, said.get(flow.number))) is not None:
                owners[flow.source].add(owner)
            if flow.first is not None:
                low, high = self._spans.get(flow.source, (flow.first, flow.first))
                self._spans[flow.source] = (min(low, flow.first), max(high, flow.first))
        self._several = {source for source, names in owners.items() if len(names) > 1}

    def sees(self, flow: Flow, source: int) -> bool:
        """True when the file ``source`` names more than one app, and has, for all that came from the same end as this
        flow while it ran, something that this could be."""
        if source not in self._several:
            return False
        key = (self._end(flow), source)
        if key not in self._known:
            self._known[key] = all(self._has(one, source) for one in self._of[key[0]] if one.source != source)
        return self._known[key]

    def _has(self, flow: Flow, source: int) -> bool:
        apart = self._clocks.apart(flow.source, source)
        begin, end = self._spans[source]
        asked = flow.far[1] in _DNS or (flow.host is None and flow.far[0] is None)
        if flow.first is None or asked or source in self._paired[_root(flow)]:
            return True
        if flow.first + apart[0] < begin or flow.first + apart[1] > end:
            return True
        named = (("far", source, flow.transport, flow.far), ("host", source, flow.host))
        if any((line := self._lines.get(key)) is not None and line.lasts_in(flow, apart) for key in named):
            return True
        nameless = self._lines.get(("nameless", source, flow.transport, flow.far[1]))
        return nameless is not None and _count(nameless.around(flow, apart)) > 0

    @staticmethod
    def _end(flow: Flow) -> object:
        """The device that a flow came from; a file that names none is a device of its own."""
        return flow.near[0] if flow.near[0] is not None else flow.source


def _owner(flow: Flow, one: Said | None) -> object:
    """An app by its number or its name; None for the system's own, which a filter of apps need not hide."""
    if flow.uid is not None:
        return None if is_system_uid(flow.uid) else app_number(flow.uid)
    return None if one is None or one.system else one.who


def _count(places: tuple[int, int]) -> int:
    return max(places[1] - places[0], 0)


def _who(one: Said | None) -> object:
    return None if one is None else one.who
