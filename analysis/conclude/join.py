"""Join: the same traffic seen twice, in two files or on two legs, counts once.

Only ``flows.same_as`` is written here: the flow that counts stands in it, and the other keeps all its columns. The
flow that could be read counts before one that could not; of two that could, the one of the earlier file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.conclude.clocks import Clocks

_SLACK = 2_000_000
"""Microseconds that two views of one conversation may differ by: one clock, written by two programs."""


@dataclass(slots=True)
class _Flow:
    number: int
    source: int
    leg: str
    transport: str
    near: tuple[str | None, int | None]
    far: tuple[str | None, int | None]
    host: str | None
    first: int | None
    last: int | None
    decrypted: bool
    proxied: bool
    upstream: int | None
    """When the far leg began: a proxy's dump says it apart from the near leg's beginning."""


def same_traffic(flows: pa.Table, exchanges: pa.Table, sources: pa.Table, clocks: Clocks | None = None) -> pa.Table:
    """The flows with ``same_as`` set where another flow is the same traffic and counts.

    Four grounds, from the strongest: two files with the same bytes; the same 5-tuple (or, beside a proxy's dump, the
    same near or far end of it) at the same time in another file; the same requests (method, host, path) to the second
    in another file; and, in one packet capture, both legs of a tunnel through a proxy. ``clocks``: times of the phone's
    clock are compared with the laptop's by what is stated of it."""
    same: dict[int, int] = {}
    rows = _flows(flows, sources, clocks) if sources.num_rows > 1 else []
    if rows:
        _equal_files(rows, sources, same)
        _tuples(rows, same)
    _through_proxy(flows, exchanges, same)
    if rows:
        _requests(rows, exchanges, same, clocks)
    values = [_root(n, same) for n in flows["flow"].to_pylist()]
    index = flows.schema.get_field_index("same_as")
    return flows.set_column(index, "same_as", pa.array(values, pa.int64()))


def counted(flows: pa.Table) -> pa.Table:
    """The flows that count: each conversation once."""
    return flows.filter(pc.is_null(flows["same_as"]))


def _root(flow: int, same: dict[int, int]) -> int | None:
    if flow not in same:
        return None
    seen = {flow}
    while same.get(flow) is not None and same[flow] not in seen:
        flow = same[flow]
        seen.add(flow)
    return flow


def _flows(flows: pa.Table, sources: pa.Table, clocks: Clocks | None) -> list[_Flow]:
    kinds = dict(zip(sources["source"].to_pylist(), sources["kind"].to_pylist(), strict=True))
    wanted = ["flow", "source", "leg", "transport", "src", "sport", "dst", "dport", "host", "decrypted"]
    columns = [flows[c].to_pylist() for c in wanted]
    times = [flows[c].cast(pa.int64()).to_pylist() for c in ("first", "last", "handshake_at")]
    made = []
    for f, s, leg, transport, src, sport, dst, dport, host, dec, first, last, upstream in zip(
        *columns, *times, strict=True
    ):
        proxied = kinds.get(s) in ("mitmproxy", "events", "messages")
        if clocks is not None and (shift := clocks.shift(s)):
            first, last, upstream = (None if t is None else t - shift for t in (first, last, upstream))
        made.append(
            _Flow(
                f,
                s,
                leg or "",
                transport or "",
                (src, sport),
                (dst, dport),
                host,
                first,
                last,
                bool(dec),
                proxied,
                (upstream if proxied else None) or first,
            )
        )
    return made


def _equal_files(rows: list[_Flow], sources: pa.Table, same: dict[int, int]) -> None:
    """A file that is there twice is one file: its n-th flow is the first one's n-th."""
    first_of: dict[str, int] = {}
    twin: dict[int, int] = {}
    for source, sha256 in zip(sources["source"].to_pylist(), sources["sha256"].to_pylist(), strict=True):
        if sha256 in first_of:
            twin[source] = first_of[sha256]
        else:
            first_of[sha256] = source
    if not twin:
        return
    by_source: dict[int, list[_Flow]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    for source, original in twin.items():
        for copy, one in zip(by_source[source], by_source[original], strict=False):
            same[copy.number] = one.number


def _tuples(rows: list[_Flow], same: dict[int, int]) -> None:
    """The same conversation by its ends. A proxy's dump knows the phone's end of one leg and the server's of the
    other, so beside a dump one end that agrees is enough; a server's end needs the name or no phone's end."""
    near: dict[Any, list[_Flow]] = defaultdict(list)
    far: dict[Any, list[_Flow]] = defaultdict(list)
    for row in rows:
        if row.number in same:
            continue
        if row.near[0] is not None and row.near[1] is not None:
            near[(row.transport, *row.near)].append(row)
        if row.far[0] is not None and row.far[1] is not None:
            far[(row.transport, *row.far)].append(row)
    for group in near.values():
        _pair(group, same, lambda a, b: a.far == b.far or a.proxied != b.proxied, 60 * _SLACK, lambda r: r.first)
    for group in far.values():
        _pair(group, same, _other_leg, _SLACK, lambda r: r.upstream)


def _other_leg(a: _Flow, b: _Flow) -> bool:
    """A proxy's own connection to the server, beside what its dump says of it: begun in the same moment by another
    near end, and for the same name where both know one."""
    begun = a.upstream is not None and b.upstream is not None and abs(a.upstream - b.upstream) <= _SLACK
    return begun and a.proxied != b.proxied and _other_end(a.near, b.near) and _names_agree(a, b)


def _other_end(a: tuple[str | None, int | None], b: tuple[str | None, int | None]) -> bool:
    """Phone and proxy have addresses of their own, but for clients on the proxy's own machine: another port of the
    phone is another conversation of the phone."""
    return a[0] != b[0] or (a[1] != b[1] and a[0] is not None and (a[0].startswith("127.") or a[0] == "::1"))


def _through_proxy(flows: pa.Table, exchanges: pa.Table, same: dict[int, int]) -> None:
    """Both legs of a tunnel in one packet capture: what the proxy that was asked by CONNECT then began itself, for
    the same name within the slack, is that tunnel. The phone's leg counts, since it holds a refusal."""
    asked = {
        flow
        for flow, method in zip(exchanges["flow"].to_pylist(), exchanges["method"].to_pylist(), strict=True)
        if method == "CONNECT"
    }
    if not asked:
        return
    wanted = ("flow", "source", "src", "dst", "host")
    rows = list(zip(*(flows[c].to_pylist() for c in wanted), flows["first"].cast(pa.int64()).to_pylist(), strict=True))
    begun: dict[tuple[int, str, str], list[tuple[int, int]]] = defaultdict(list)
    for flow, source, src, _, host, first in rows:
        if flow not in asked and flow not in same and src is not None and host is not None and first is not None:
            begun[(source, src, host)].append((first, flow))
    taken: set[int] = set()
    for flow, source, _, dst, host, first in rows:
        if flow not in asked or first is None:
            continue
        for at, other in sorted(begun.get((source, dst, host), ())):
            if other not in taken and 0 <= at - first <= _SLACK and same.get(flow, -1) != other:
                same[other] = flow
                taken.add(other)
                break


def _names_agree(a: _Flow, b: _Flow) -> bool:
    """Many clients speak to one server at a time: only the name, or that no phone's end is known, tells them apart."""
    if a.host is not None and b.host is not None:
        return a.host == b.host
    return a.near[0] is None or b.near[0] is None


def _pair(
    group: list[_Flow],
    same: dict[int, int],
    agree: Callable[[_Flow, _Flow], bool],
    within: int,
    begun: Callable[[_Flow], int | None],
) -> None:
    """Pair flows of different files that agree, those first that began nearest to one another. The one that could be
    read counts, then that of the earlier file; one conversation stands at most once in another file."""
    if len(group) < 2 or len({r.source for r in group}) < 2:
        return
    rank = {r.number: n for n, r in enumerate(sorted(group, key=lambda r: (not r.decrypted, r.source, r.number)))}
    timed = sorted((r for r in group if begun(r) is not None), key=lambda r: (begun(r) or 0, r.number))
    pairs = []
    for place, a in enumerate(timed):
        for b in timed[place + 1 :]:
            apart = (begun(b) or 0) - (begun(a) or 0)
            if apart > within:
                break
            one, other = (a, b) if rank[a.number] < rank[b.number] else (b, a)
            if one.source != other.source and agree(one, other) and _overlap(one, other):
                pairs.append((apart, rank[other.number], one, other))
    taken: set[tuple[int, int]] = set()
    for _, _, one, other in sorted(pairs, key=lambda p: (p[0], p[1], p[2].number)):
        if one.number in same or other.number in same or (one.number, other.source) in taken:
            continue
        same[other.number] = one.number
        taken.add((one.number, other.source))


def _overlap(a: _Flow, b: _Flow) -> bool:
    if a.first is None or b.first is None:
        return False
    a_last, b_last = a.last or a.first, b.last or b.first
    return a.first <= b_last + _SLACK and b.first <= a_last + _SLACK


def _requests(rows: list[_Flow], exchanges: pa.Table, same: dict[int, int], clocks: Clocks | None) -> None:
    """A flow all of whose requests stand, to the second, in one other file, is those."""
    by_number = {r.number: r for r in rows}
    wanted = ["flow", "method", "host", "path"]
    columns = [exchanges[c].to_pylist() for c in wanted]
    started = exchanges["started"].cast(pa.int64()).to_pylist()
    requests: dict[int, list[tuple[Any, int]]] = defaultdict(list)
    for flow, method, host, path, at in zip(*columns, started, strict=True):
        if flow in by_number and flow not in same and at is not None and host is not None:
            shift = clocks.shift(by_number[flow].source) if clocks is not None else 0
            requests[flow].append(((method, host, path), at - shift))
    seen: dict[Any, list[_Request]] = defaultdict(list)
    for number in sorted(requests):
        row = by_number[number]
        matches: list[_Request] = []
        for what, at in requests[number]:
            match = _match(seen.get(what, ()), at, row, matches)
            if match is None:
                break
            matches.append(match)
        if len(matches) == len(requests[number]):
            same[number] = matches[0].flow.number
            for match in matches:
                match.taken.add(row.source)
        else:
            for what, at in requests[number]:
                seen[what].append(_Request(at, row))


@dataclass(slots=True, eq=False)
class _Request:
    at: int
    flow: _Flow
    taken: set[int] = field(default_factory=set)
    """Files in which this request was found again: it stands at most once in each."""


def _match(candidates: Iterable[_Request], at: int, row: _Flow, taken: list[_Request]) -> _Request | None:
    fit = [
        one
        for one in candidates
        if one.flow.source != row.source
        and row.source not in one.taken
        and one not in taken
        and abs(one.at - at) <= _SLACK
        and (one.flow.far[0] is None or row.far[0] is None or one.flow.far[0] == row.far[0])
    ]
    return min(fit, key=lambda one: abs(one.at - at), default=None)
