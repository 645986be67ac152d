"""Which app spoke in each flow, how that is known, and whether it may be held against the app under test."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analysis.conclude.attribute.agents import agents
from analysis.conclude.attribute.baseline import Baseline, Marks
from analysis.conclude.attribute.device import Device
from analysis.conclude.attribute.joined import joined
from analysis.conclude.attribute.owners import Owners
from analysis.conclude.attribute.phases import phase_marks
from analysis.conclude.attribute.running import running
from analysis.conclude.attribute.sockets import Sockets
from analysis.conclude.attribute.speaker import PER_FLOW, Flow, Said, app_number, gather
from analysis.conclude.clocks import FIRST_APP, Clocks
from analysis.folder import Manifest
from analysis.tables import TABLES, Tables

if TYPE_CHECKING:
    from analysis.reference import Reference

JOINED = frozenset({"both_ends", "phone_end", "server_end", "requests", "host_and_time"})

_CUT = frozenset({15, 16, 19})
"""Octets at which a field for a process or an app ends, so that a name of just this length may be a longer one's
beginning: 15 on Linux (TASK_COMM_LEN), 16 on Darwin (MAXCOMLEN), 19 in PCAPdroid's trailer."""

_ID = re.compile(r"[a-z][a-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+\Z")
"""A package or bundle id, and no name that happens to hold a point."""
_Told = tuple[str | None, str | None, str | None, str]
"""app, app_from, app_by, whose."""


def apps(tables: Tables, manifest: Manifest, reference: Reference, events: Iterable[Mapping[str, Any]] = ()) -> Tables:
    """Tables that say who spoke (``app``, ``app_from``, ``app_by``) and whose it is (``whose``).

    In this order: what the capture or the phone's sockets state of a flow; what another file states of the same
    conversation; the list of what phones do by themselves; that the app was alone in the tunnel; the idle baseline;
    what the client calls itself. A program that calls itself one of the system is the system's, baseline or not.
    A host on that list is the system's unless the flow itself is stated or joined to be an app's: then it is that
    app's, since an app may call a push server itself. Where nobody said which app is tested, every app's traffic
    counts, and only the system's stands apart."""
    made = dict(tables)
    events = list(events)
    clocks = Clocks(made["flows"], made["sources"], manifest, events)
    flows = gather(made["flows"], clocks)
    device = Device(manifest, events, flows, clocks)
    own = Own(manifest, reference)
    noise = _noise(made["destinations"])
    marks = phase_marks(manifest, events)
    said = _said(flows, events, own, marks)
    said = {**joined(flows, said, clocks, device), **said}
    own.met(one.app for one in said.values() if one.app is not None)
    told: dict[int, _Told] = {}
    others: set[str] = set()
    for flow in flows:
        one = said.get(flow.number)
        listed = noise.get(flow.destination) is not None
        if one is not None and (one.by in PER_FLOW or not listed):
            told[flow.number] = own.tell(one)
            if told[flow.number][3] != "app":
                others |= {n for n in (flow.host, flow.far[0] if flow.host is None else None) if n is not None}
        elif listed:
            told[flow.number] = (None, "system", "destination", "system")
    alone = manifest.app.id if manifest.app_only else None
    baseline = None
    if alone is None and manifest.app.id is not None:
        ran = running((f for f in flows if device.is_phone(f)), events, manifest, clocks)
        baseline = Baseline(marks, events, flows, made["names"], own.is_own, device, ran, clocks)
    programs = agents(made["clues"])
    own.met(programs.values(), weakly=True)
    for flow in flows:
        known = told.get(flow.number)
        if known is not None and (known[1] is not None or known[3] != "app"):
            continue
        program = programs.get(flow.number)
        if alone is not None:
            told[flow.number] = (alone, "stated", "tunnel", "app")
        elif known is None and program is not None and own.is_system_agent(program):
            told[flow.number] = (program, "system", "user_agent", "system")
        elif known is None and baseline is not None and baseline.infers(flow, others):
            told[flow.number] = (manifest.app.id, "inferred", "idle_baseline", "app")
        elif known is None and program is not None:
            told[flow.number] = own.tell_agent(program)
        else:
            told[flow.number] = (None, None, None, "app")
    return _written(made, flows, told, noise)


def _noise(destinations: pa.Table) -> dict[int | None, str | None]:
    return dict(zip(destinations["destination"].to_pylist(), destinations["system_noise"].to_pylist(), strict=True))


def _said(flows: list[Flow], events: list[Mapping[str, Any]], own: Own, marks: Marks) -> dict[int, Said]:
    """What is said of single flows: by the file that they stand in, or by the phone's own sockets."""
    owners = Owners(events, marks)
    sockets = Sockets(events, flows, owners)
    sockets.own = own.numbers(owners.ever)
    # Other systems number their users otherwise.
    android = bool(owners) or any(f.uid is not None and f.uid >= FIRST_APP for f in flows)
    found = {}
    for flow in flows:
        one = None
        if flow.uid is not None and android:
            one = sockets.of_uid(flow)
            if one is not None and flow.app is not None:
                if one.system or one.stranger:
                    one = Said(flow.app, "capture", one.packages, one.system, one.stranger)
                elif _contradicts(flow.app, one):
                    one = Said(flow.app, "capture")
        if one is None and flow.app is not None:
            one = Said(flow.app, "capture")
        if one is None and sockets:
            one = sockets.owner(flow)
        if one is not None:
            found[flow.number] = one
    return found


def _contradicts(app: str, one: Said) -> bool:
    """True where a file gives an app's id that the phone does not give for the same user id: the number went from one
    app to another, and the file's word is of this very connection."""
    names = one.packages | ({one.app} if one.app is not None else set())
    return _ID.match(app) is not None and not any(name.startswith(app) for name in names)


class Own:
    """Tells the app under test from others. A capture may call apps by names instead of ids: a name is another app's
    only where the capture calls the one under test by a name that we know as its own."""

    def __init__(self, manifest: Manifest, reference: Reference) -> None:
        self._id = manifest.app.id
        self._uid = manifest.app.uid if manifest.app.id is not None else None
        self._system = {*reference.noise_packages, *reference.noise_processes}
        self._agents = reference.noise_agents
        names: list[str] = []
        if self._id is not None:
            known = reference.app(self._id, manifest.app.platform)
            names = [self._id, manifest.app.name or ""]
            names += [known.name, *known.android, *known.ios] if known is not None else []
        self._names = {name.lower() for name in names if name}
        self._called = False
        self._called_weakly = False

    def numbers(self, packages: Mapping[int, Iterable[str]]) -> frozenset[int]:
        """Its numbers (``app_number``), as the manifest and the phone say; none where a number is not only its."""
        uids = [uid for uid, names in packages.items() if any(self.is_own(name) for name in names)]
        uids += [self._uid] if self._uid is not None else []
        return frozenset(number for uid in uids if (number := app_number(uid)) is not None)

    def met(self, names: Iterable[str], weakly: bool = False) -> None:
        """The names that the capture uses. ``weakly``: those that clients give themselves."""
        called = any(self.is_own(name) for name in names)
        if weakly:
            self._called_weakly = called
        else:
            self._called = called

    def is_system_agent(self, program: str) -> bool:
        return program.lower() in self._agents

    def tell_agent(self, program: str) -> _Told:
        """What the tables say of a flow of which only the client's own word is there."""
        other = (
            bool(self._names) and not self.is_own(program) and (self._called_weakly or _ID.match(program) is not None)
        )
        return (program, "inferred", "user_agent", "other" if other else "app")

    def is_own(self, app: str) -> bool:
        return _among(app.lower(), self._names)

    def _is_system(self, app: str) -> bool:
        return _among(app, self._system)

    def tell(self, one: Said) -> _Told:
        """What the tables say of a flow of which this is said."""
        app_from = "joined" if one.by in JOINED else "stated"
        if any(self.is_own(p) for p in one.packages):
            return (None, None, None, "app")
        app = one.app or ""
        if self.is_own(app):
            return (one.app, app_from, one.by, "app")
        if one.stranger:
            return (one.app, app_from, one.by, "other")
        if one.system or self._is_system(app) or (one.packages and one.packages <= self._system):
            return (one.app, "system", one.by, "system")
        if one.packages:
            return (None, app_from, one.by, "other" if self._names else "app")
        is_other = bool(self._names) and (self._called or _ID.match(app) is not None)
        return (one.app, app_from, one.by, "other" if is_other else "app")


def _among(app: str, names: set[str]) -> bool:
    """True for one of these names, or for the beginning of one that a field cut off. No field cuts ids."""
    if app in names:
        return True
    return len(app.encode()) in _CUT and _ID.match(app) is None and any(name.startswith(app) for name in names)


# ------------------------------------------------------------------------------------------------ the tables


def _written(
    made: Tables, flows: list[Flow], told: Mapping[int, _Told], noise: Mapping[int | None, str | None]
) -> Tables:
    rows = [told[f.number] for f in flows]
    for place, name in enumerate(("app", "app_from", "app_by", "whose")):
        made["flows"] = _set(made["flows"], name, [row[place] for row in rows])
    of_flow = {f.number: row for f, row in zip(flows, rows, strict=True)}
    nobody: _Told = (None, None, None, "app")
    exchanges = made["exchanges"]
    spoke = [of_flow.get(f, nobody) for f in exchanges["flow"].to_pylist()]
    exchanges = _set(exchanges, "app", [row[0] for row in spoke])
    made["exchanges"] = _set(exchanges, "whose", _whose(spoke, exchanges["destination"].to_pylist(), noise))
    sent = made["transmissions"]
    spoke = [of_flow.get(f, nobody) for f in sent["flow"].to_pylist()]
    made["transmissions"] = _set(sent, "whose", _whose(spoke, sent["destination"].to_pylist(), noise))
    made["apps"] = _totals(made["flows"])
    return made


def _whose(
    spoke: Iterable[_Told], destinations: Iterable[int | None], noise: Mapping[int | None, str | None]
) -> list[str]:
    """A connection may serve several hosts, of which one is the system's."""
    return [
        "system" if whose == "app" and by not in PER_FLOW and noise.get(place) is not None else whose
        for (_, _, by, whose), place in zip(spoke, destinations, strict=True)
    ]


def _totals(flows: pa.Table) -> pa.Table:
    """The flows that count, by app and ground: the app under test first, then by octets."""
    sums: dict[_Told, Counter[str]] = defaultdict(Counter)
    places: dict[_Told, set[int]] = defaultdict(set)
    names = ("app", "app_from", "app_by", "whose", "same_as", "destination", "bytes_out", "bytes_in")
    for *key, same_as, place, out, back in zip(*(flows[c].to_pylist() for c in names), strict=True):
        if same_as is None:
            one: _Told = (key[0], key[1], key[2], key[3])
            sums[one] += Counter(flows=1, bytes_out=out or 0, bytes_in=back or 0)
            if place is not None:
                places[one].add(place)
    order = {"app": 0, "other": 1, "system": 2}
    return TABLES["apps"].from_rows(
        {
            **dict(zip(("app", "app_from", "app_by", "whose"), key, strict=True)),
            **{c: sums[key][c] for c in ("flows", "bytes_out", "bytes_in")},
            "destinations": len(places[key]),
        }
        for key in sorted(
            sums,
            key=lambda k: (
                order[k[3]],
                k[0] is None,
                -sums[k]["bytes_out"] - sums[k]["bytes_in"],
                k[0] or "",
                k[1] or "",
                k[2] or "",
            ),
        )
    )


def _set(table: pa.Table, name: str, values: list[str | None] | list[str]) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
