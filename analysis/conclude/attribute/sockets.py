"""The phone's own table of sockets, as the events ``socket`` give it: which user id had which socket at which moment.

A socket is known by the phone's address and port. Behind a WireGuard tunnel these are the tunnel's inner ones, and
the far end is the server's; in the regular proxy mode the socket goes to the proxy, so the phone's end alone tells.
Where a router translates the phone's address the two never meet, and nothing is said.

A phone gives the port of a connection that ended to another, which may go around the proxy, unseen. So the phone's end
alone tells only of a socket that goes where the captured ones do: to the proxy. It tells nothing where the clock of the
file leaves more than moments open, and both ends then only of a flow beside which no other had the same end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.conclude.attribute.owners import Owners
from analysis.conclude.attribute.speaker import End, Flow, Said, app_number, is_system_uid

SLACK = 2_000_000
"""Microseconds by which the moment of a sample may be off: it is the laptop's, who asked the phone."""
AFTER = 60_000_000
"""Microseconds for which a socket that stands open behind its last octet is taken for the same: the system gives a
port to another only later, and a connection that began between is seen."""
SEEN = 5_000_000
"""The same where the phone's end alone agrees: a socket is told when it is first seen, so one that was open at a look
long behind the last octet, and not at the looks before, is another's that goes where the capture does not see."""
_ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - read, never bound to
"""What a socket that is bound to no address says (RFC 4291 section 2.5.2)."""

_Owner = tuple[int | None, frozenset[str]]
_Near = tuple[str, str | None, int | None]
_Sample = tuple[int, End, _Owner]


class Sockets:
    """All samples of a capture. ``owners``: apps by user id, as the phone said."""

    def __init__(self, events: Iterable[Mapping[str, Any]], flows: Iterable[Flow], owners: Owners) -> None:
        self._owners = owners
        self.own: frozenset[int] = frozenset()
        """Numbers of the app under test, where they are known (``app_number``)."""
        self._samples: dict[_Near, list[_Sample]] = defaultdict(list)
        phones: set[str] = set()
        flows = list(flows)
        for event in events:
            if event.get("type") == "socket":
                self._take(event, phones)
        self._spans: dict[_Near, list[tuple[int, int]]] = defaultdict(list)
        """Begin of each flow from a phone's end, and the latest end of it and those begun before."""
        self._loose: dict[object, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        """Begins and ends, each in order, of flows of a file of which the clock is not known exactly."""
        self._ends: dict[_Near, set[End]] = defaultdict(set)
        if self._samples:
            for flow in flows:
                near = (flow.transport, *flow.near)
                if (span := _span(flow)) is not None:
                    self._spans[near].append(span)
                    if flow.ahead[0] != flow.ahead[1]:
                        for bound, moment in zip(self._loose[flow.source, near], span, strict=True):
                            bound.append(moment)
                self._ends[near].add(flow.far)
        for samples in self._samples.values():
            samples.sort(key=lambda s: (s[0], repr(s[1]), s[2][0] or -1, sorted(s[2][1])))
        for bounds in self._loose.values():
            for bound in bounds:
                bound.sort()
        for spans in self._spans.values():
            spans.sort()
            latest = 0
            for place, (first, last) in enumerate(spans):
                latest = max(latest, last)
                spans[place] = (first, latest)
        self._phones = phones
        self._proxies = self._to_proxies(flows)

    def _take(self, event: Mapping[str, Any], phones: set[str]) -> None:
        uid, apps = event.get("uid"), frozenset(event.get("apps") or ())
        (address, port), at = event.get("src") or (None, None), event.get("at")
        if address is None or port is None or at is None:
            return
        if address in _ANYWHERE:
            address = None
        else:
            phones.add(address)
        far = tuple(event.get("dst") or (None, None))
        if far[0] in _ANYWHERE or not far[1]:
            far = (None, None)
        key = (str(event.get("transport") or "tcp"), address, port)
        self._samples[key].append((at, (far[0], far[1]), (uid, apps)))

    def __bool__(self) -> bool:
        return bool(self._samples)

    def owner(self, flow: Flow) -> Said | None:
        """Who had the socket of this flow; None where the table does not say, or names two."""
        if (span := _span(flow)) is None or flow.near[1] is None or self._is_doubtful(flow, span):
            return None
        samples = self._of(flow, (flow.transport, *flow.near))
        if not samples and flow.near[0] in self._phones:
            samples = self._of(flow, (flow.transport, None, flow.near[1]))
        if not samples:
            return None
        same = [s for s in samples if s[1] == flow.far and flow.far[0] is not None]
        by = "socket" if same else "socket_phone_end"
        if not same and flow.ahead[1] - flow.ahead[0] <= SEEN:
            elsewhere = self._ends[(flow.transport, *flow.near)] - {flow.far}
            same = [s for s in samples if s[1] not in elsewhere and self._is_proxy(s[1]) and s[0] <= span[1] + SEEN]
        owners = {owner for _, _, owner in same}
        # A socket that is being closed is nobody's any more: Linux shows it as root's.
        owners = {o for o in owners if o[1] or o[0]} or owners
        if len(owners) != 1:
            return None
        uid, apps = owners.pop()
        times = [at for at, _, owner in same if owner == (uid, apps)]
        return self._said(uid, apps | self._owners.of(uid, min(times), max(times)), by)

    def _to_proxies(self, flows: Iterable[Flow]) -> frozenset[End] | None:
        """Where the sockets of captured flows go that are at another end than the flow's server; None where that is no
        place in particular, as where a proxy reaches its servers by other addresses than the phone asked for."""
        counts: Counter[End] = Counter()
        for flow in flows if self._samples else ():
            samples = self._samples.get((flow.transport, *flow.near))
            if samples and (span := _span(flow)) is not None and flow.far[0] is not None:
                about = samples[_from(samples, span[0] - SLACK) : _behind(samples, span[1] + SEEN)]
                counts.update({s[1] for s in about if s[1][0] is not None and s[1] != flow.far})
        most = max(counts.values(), default=0)
        if 2 * most <= counts.total():
            return None
        return frozenset(end for end, count in counts.items() if 10 * count >= most)

    def _is_proxy(self, end: End) -> bool:
        return self._proxies is None or end[0] is None or end in self._proxies

    def _of(self, flow: Flow, key: _Near) -> list[_Sample]:
        """The samples of a phone's end that are of this flow: those within it, else just about it, else those of a
        socket that was still open later, with no other connection begun from it in between."""
        samples = self._samples.get(key)
        if not samples or (span := _span(flow)) is None:
            return []
        first, last = span
        within = samples[_from(samples, first) : _behind(samples, last)]
        if within:
            return within
        about = samples[_from(samples, first - SLACK) : _behind(samples, last + SLACK)]
        after = samples[_behind(samples, last) :][:1]
        spans = self._spans[(flow.transport, *flow.near)]
        return [s for s in about or after if _is_of(s[0], first, last, spans)]

    def _is_doubtful(self, flow: Flow, span: tuple[int, int]) -> bool:
        """True where the clock of the file leaves open which of two flows from this end of the phone was there."""
        if flow.ahead[0] == flow.ahead[1]:
            return False
        begins, ends = self._loose[flow.source, (flow.transport, *flow.near)]
        return bisect_right(begins, span[1]) - bisect_left(ends, span[0]) > 1

    def of_uid(self, flow: Flow) -> Said | None:
        """Who had the user id that a file gives for this flow, as the phone says."""
        first, last = _span(flow) or (None, None)
        return self._said(flow.uid, self._owners.of(flow.uid, first, last), "uid_map")

    def _said(self, uid: int | None, known: frozenset[str], by: str) -> Said | None:
        """What the phone says of a user id: one app, several that share it or may have had it, its own system, or only
        that it is not the app under test."""
        system = uid is not None and is_system_uid(uid)
        if len(known) == 1:
            return Said(next(iter(known)), by, system=system)
        if known or system:
            return Said(None, by, known, system)
        number = app_number(uid) if uid is not None else None
        stranger = bool(self.own) and number is not None and number not in self.own
        return Said(None, by, stranger=True) if stranger else None


def _span(flow: Flow) -> tuple[int, int] | None:
    """From the earliest moment at which a flow may have begun to the latest at which it may have ended."""
    begun, ended = flow.begun, flow.ended
    return None if begun is None or ended is None else (begun[0], ended[1])


def _from(samples: list[_Sample], at: int) -> int:
    return bisect_left(samples, at, key=lambda s: s[0])


def _behind(samples: list[_Sample], at: int) -> int:
    return bisect_right(samples, at, key=lambda s: s[0])


def _is_of(at: int, first: int, last: int, spans: list[tuple[int, int]]) -> bool:
    """True when a sample outside of a flow is of no other flow from the same end of the phone."""
    if at > last:
        later = bisect_right(spans, last, key=lambda span: span[0])
        return at <= last + AFTER and (later == len(spans) or spans[later][0] > at + SLACK)
    before = bisect_left(spans, first, key=lambda span: span[0]) - 1
    return before < 0 or spans[before][1] < at - AFTER
