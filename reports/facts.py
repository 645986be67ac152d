"""What a report counts: the tables of an audit as plain objects, each number computed once for all chapters.

A *host* is a row of ``destinations`` that something went to: a name at one address. Conversations that are the same
traffic seen twice (``flows.same_as``) count once. In every number stands only what may be held against the app under
test (``whose``): other apps, where the capture tells them apart, and the phone's own system are lists of their own. A
host that several of them spoke to is in each list, with what they themselves exchanged with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa

from analysis.reading_states import (
    CUT,
    ENCRYPTED,
    NON_HTTP,
    NOT_UNDERSTOOD,
    PART,
    REFUSED,
    SEALED,
    SILENT,
    UNDERSTOOD,
    together,
)
from analysis.tables import Tables
from reports.marks import GRADES

if TYPE_CHECKING:
    from analysis.reference import Reference

READINGS = (UNDERSTOOD, PART, NOT_UNDERSTOOD, SEALED, CUT, REFUSED, ENCRYPTED, NON_HTTP, SILENT)
"""The one scale of reading states in the order in which it is drawn, with ``part`` for what consists of parts."""
METHODS = ("planted", "endpoint", "key", "value", "memory")
"""From the strongest ground to the weakest; ``memory`` is a known endpoint's field that nobody has looked up."""
FIRM = "firm"
"""``transmissions.strength`` of what may be said; anything else is a weak sign, counted apart and drawn hollow."""
APART = ("other", "system")
"""Whose traffic is in no number of the app's: that of other apps, and that of the phone's own system."""
LINKS = ("machine", "operator", "machine_owner", "parent")
_MOST_SENSITIVE = 4
_LATEST = 253_370_764_800_000_000
"""Begin of the year 9999 in microseconds: a capture may claim any time, a calendar ends."""


@dataclass(slots=True)
class Closed:
    """A part that could not be read."""

    kind: str
    cause: str | None
    octets: int
    count: int


@dataclass(slots=True)
class Host:
    """A row of ``destinations`` (``row``), with what the other tables say of it."""

    row: Mapping[str, Any]
    flows: int = 0
    octets_out: int = 0
    octets_in: int = 0
    reading: str = SILENT
    closed: list[Closed] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)
    """Messages that carried a type of personal data on firm ground, by type."""
    weak: Counter[str] = field(default_factory=Counter)
    """Messages with weak signs of a type for which there is nothing firm at this host, by type."""

    @property
    def number(self) -> int:
        return int(self.row["destination"])

    @property
    def name(self) -> str:
        """Its name, or its address where no name is known, or nothing."""
        return str(self.row["host"] or self.row["address"] or "")

    @property
    def level(self) -> int:
        return int(self.row["level"])

    @property
    def grade(self) -> str:
        """As in ``marks.GRADES``."""
        own_word = str(self.row["reason"] or "").partition("+")[0].endswith("anycast_node_names_itself")
        return "node" if own_word and self.level == 2 else str(self.level)

    @property
    def country(self) -> str | None:
        found: str | None = self.row["country"]
        return found

    @property
    def placed(self) -> str | None:
        """The country, where the evidence shows one: level 2 or better."""
        return self.country if self.level >= 2 else None

    @property
    def company(self) -> str | None:
        found: str | None = self.row["operator"]
        return found

    @property
    def receiver(self) -> str:
        """One key for each company that receives: two hosts of one registrable domain are one."""
        return str(self.row["receiver"] or self.company or self.name)

    @property
    def firm(self) -> set[str]:
        """Types that were read on firm ground on their way there."""
        return set(self.types)

    @property
    def is_read(self) -> bool:
        """Something of it was understood."""
        return self.reading in (UNDERSTOOD, PART)

    @property
    def is_closed(self) -> bool:
        """Something of it was not understood: that nothing was found there does not mean that nothing was there."""
        return self.reading not in (UNDERSTOOD, SILENT)

    @property
    def is_understood(self) -> bool:
        """All of it was understood: only there can a type be absent."""
        return self.reading == UNDERSTOOD

    @property
    def octets_closed(self) -> int:
        return sum(c.octets for c in self.closed)

    @property
    def links(self) -> list[Mapping[str, Any]]:
        return self.row["law_links"] or []


@dataclass(frozen=True, slots=True)
class Extent:
    """How much was understood of what some hosts exchanged."""

    closed: int
    """Hosts of which not all was understood."""
    none: int
    """Of these, hosts of which nothing was."""
    read: bool
    """Something of one of the hosts was understood."""

    @classmethod
    def of(cls, hosts: Iterable[Host]) -> Extent:
        hosts = list(hosts)
        closed = [h for h in hosts if h.is_closed]
        return cls(len(closed), sum(not h.is_read for h in closed), any(h.is_read for h in hosts))

    @property
    def which(self) -> str:
        """``silent`` (nothing passed), ``none`` (all was understood), ``all`` (of the closed hosts nothing was),
        ``some`` (of some of them), ``part`` (something of each)."""
        if not self.closed:
            return "none" if self.read else "silent"
        return "part" if not self.none else "all" if self.none == self.closed else "some"

    @property
    def words(self) -> dict[str, Any]:
        """Arguments of a sentence that says it."""
        return {"which": self.which, "n": self.closed, "none": self.none}


def apart(
    destinations: Mapping[int, Mapping[str, Any]], tried: Iterable[int], mine: Iterable[int]
) -> tuple[list[int], list[int]]:
    """Of the destinations to which requests did not go through (``tried``) and nothing else went (``mine``): those that
    nothing reached or that gave no answer, and those of which only no request is shown to have reached them, but for
    names that are among ``mine`` at another address: a browser's own store answered in their stead."""
    rest = sorted(set(tried) - set(mine))
    names = {destinations[n]["host"] for n in mine} - {None}
    silent = [n for n in rest if destinations[n]["answered"] is False]
    unreached = [n for n in rest if n not in set(silent) and destinations[n]["host"] not in names]
    return silent, unreached


def surest(hosts: Iterable[Host]) -> str:
    """The best grade of some hosts."""
    return min((h.grade for h in hosts), key=GRADES.index, default="0")


@dataclass(slots=True)
class Company:
    """An operator, or (``id`` None) all hosts whose operator is not known."""

    id: str | None
    name: str
    confidence: str | None
    hosts: list[Host] = field(default_factory=list)
    types: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Messages that carried a type on firm ground, by type."""
    weak: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Messages with weak signs of a type for which there is nothing firm at this company, by type."""

    @property
    def is_closed(self) -> bool:
        """Something of its traffic was not understood."""
        return any(h.is_closed for h in self.hosts)

    @property
    def is_understood(self) -> bool:
        """All that it received was understood, and it received something: only there can a type be absent."""
        return not self.is_closed and any(h.is_read for h in self.hosts)


@dataclass(frozen=True, slots=True)
class Sent:
    """A transmission of personal data from the phone, counted once."""

    number: int
    message: int
    exchange: int | None
    destination: int
    data_type: str
    method: str
    """As in ``METHODS``."""
    firm: bool
    """It may be said; else it is a weak sign."""
    certainty: str
    phase: str | None
    at: int | None
    app_from: str | None = None
    """How it is known that the app sent it; None where nothing says which app did."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the session; times in microseconds."""

    name: str
    start: int
    end: int
    stated: bool
    """False: drawn from the first and last message in it."""


def _columns(table: pa.Table, *names: str) -> Iterable[tuple[Any, ...]]:
    lists = []
    for name in names:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        lists.append(column.to_pylist())
    return zip(*lists, strict=True)


class Facts:
    """All that the chapters say. ``audit``: the content of ``audit.json``, in which anything may be missing."""

    def __init__(self, tables: Tables, audit: Mapping[str, Any], reference: Reference) -> None:
        self.tables = tables
        self.audit = audit
        self.reference = reference
        self.manifest: Mapping[str, Any] = audit.get("manifest") or {}
        self.options: Mapping[str, Any] = audit.get("options") or {}
        self.app: Mapping[str, Any] = self.manifest.get("app") or {}
        self.vantage: Mapping[str, Any] = self.manifest.get("vantage") or {}
        self.zone = _zone(self.manifest.get("timezone"))
        self.reveal = bool(self.options.get("reveal"))
        self._flows()
        self._hosts()
        self._sent()

    # ------------------------------------------------------------------------------------------- reading

    def _flows(self) -> None:
        """Conversations that count, by destination, with how far each could be read."""
        closed: dict[int | None, list[Closed]] = defaultdict(list)
        self.closed_without_flow: list[Closed] = []
        for flow, kind, cause, octets, count in _columns(
            self.tables["opaque"], "flow", "kind", "cause", "bytes", "count"
        ):
            part = Closed(kind, cause, octets or 0, count or 1)
            if flow is None:
                self.closed_without_flow.append(part)
            else:
                closed[flow].append(part)
        self.not_trusted = {
            host for host, cause in _columns(self.tables["opaque"], "host", "cause") if cause == "server_certificate"
        }
        """Servers whose own certificate did not hold for the proxy."""
        self.flow_destination: dict[int, int] = {}
        self.flow_reading: dict[int, str] = {}
        self.flow_first: dict[int, int | None] = {}
        self._flow_octets: dict[int, tuple[int, int]] = {}
        self._closed = closed
        self._times: list[int] = []
        self._app_from: dict[int, str | None] = {}
        self._apart: dict[str, dict[int, list[int]]] = {w: defaultdict(list) for w in APART}
        """Conversations of others, by destination."""
        self.duplicate_flows = 0
        self._tried: set[int] = set()
        """Destinations that a flow or an exchange of the app went to and did not reach."""
        wanted = ("flow", "counts", "destination", "app_from", "reading", "first", "last", "bytes_out", "bytes_in")
        for flow, counts, place, app_from, reading, first, last, out, back in _columns(self.tables["flows"], *wanted):
            self._times += [t for t in (first, last) if t]
            if counts == "duplicate":
                self.duplicate_flows += 1
                continue
            self._flow_octets[flow] = (out or 0, back or 0)
            if counts in APART:
                self._apart[counts][place].append(flow)
            elif counts == "undelivered":
                self._tried.add(place)
            else:
                self.flow_destination[flow] = place
                self.flow_first[flow] = first
                self.flow_reading[flow] = reading
                self._app_from[flow] = app_from

    def _hosts(self) -> None:
        elsewhere: dict[str, set[int]] = {w: set() for w in APART}
        mine = set(self.flow_destination.values())
        self.exchange_times: list[tuple[int | None, str | None, int]] = []
        for place, counts, started, phase in _columns(
            self.tables["exchanges"], "destination", "counts", "started", "phase"
        ):
            if counts in APART:
                elsewhere[counts].add(place)
            elif counts == "undelivered":
                self._tried.add(place)
            elif counts == "app":
                self.exchange_times.append((started, phase, place))
                mine.add(place)
        self._octets: dict[tuple[int, str | None], Counter[str]] = defaultdict(Counter)
        """Octets by state of reading, by destination and whose they are."""
        wanted = ("destination", "whose", "direction", "state", "bytes", "bodies")
        self.bodies: Counter[str] = Counter()
        """Bodies to and from the app's hosts, by state of reading."""
        for place, whose, direction, state, octets, bodies in _columns(self.tables["readings"], *wanted):
            if direction != "undelivered":
                self._octets[place, whose][state] += octets
                self.bodies[state] += bodies if whose == "app" and place in mine else 0
        rows = {row["destination"]: row for row in self.tables["destinations"].to_pylist()}
        self.all_hosts = {number: Host(row) for number, row in rows.items()}
        for flow, place in self.flow_destination.items():
            self._count(self.all_hosts[place], flow)
        for host in self.all_hosts.values():
            if host.row["app_bytes_out"] is not None:
                host.octets_out, host.octets_in = host.row["app_bytes_out"], host.row["app_bytes_in"] or 0
            host.reading = host.row["app_reading"] or SILENT
        self.hosts = [h for n, h in self.all_hosts.items() if n in mine]
        self.app_places = {h.number for h in self.hosts}
        silent, unreached = apart(rows, self._tried, self.app_places)
        self.unanswered = [self.all_hosts[n] for n in silent]
        """Hosts that were tried, and of which nothing came: in no number of what went anywhere."""
        self.unreached = [self.all_hosts[n] for n in unreached]
        """Hosts of which no request is shown to have reached them, though they may have answered something else."""
        self.other_hosts, self.system_hosts = (
            [self._of_others(rows[n], w, self._apart[w].get(n, [])) for n in sorted({*self._apart[w], *elsewhere[w]})]
            for w in APART
        )

    def _count(self, host: Host, flow: int) -> None:
        out, back = self._flow_octets[flow]
        host.flows += 1
        host.octets_out += out
        host.octets_in += back
        host.closed += self._closed.get(flow, [])

    def _of_others(self, row: Mapping[str, Any], whose: str, flows: list[int]) -> Host:
        """A host with what others than the app under test exchanged with it."""
        host = Host(row)
        for flow in flows:
            self._count(host, flow)
        host.reading = together(self._octets[row["destination"], whose])
        return host

    def _sent(self) -> None:
        at = dict(_columns(self.tables["messages"], "message", "at"))
        self.sent: list[Sent] = []
        self.transmissions = Counter(self.tables["transmissions"]["counts"].to_pylist())
        """Fields with a data type by whether they count, and why not (``transmissions.counts``)."""
        wanted = (
            *("transmission", "message", "exchange", "flow", "destination", "data_type"),
            *("method", "also", "certainty", "endpoint", "phase", "counts", "strength"),
        )
        for row in _columns(self.tables["transmissions"], *wanted):
            number, message, exchange, flow, place, kind, method, also, sure, endpoint, phase, counts, strength = row
            if counts != "sent":
                continue
            if method == "endpoint" and not also and not self.reference.endpoint_field_verified(endpoint):
                method = "memory"
            self.sent.append(
                Sent(
                    number,
                    message,
                    exchange,
                    place,
                    kind,
                    method,
                    strength == FIRM,
                    sure or "low",
                    phase,
                    at.get(message),
                    self._app_from.get(flow),
                )
            )
        self.firm = [s for s in self.sent if s.firm]
        """Of these, those that may be said; the others are weak signs."""
        for place, _message, kind in {(s.destination, s.message, s.data_type) for s in self.firm}:
            self.all_hosts[place].types[kind] += 1
        for place, _message, kind in {(s.destination, s.message, s.data_type) for s in self.sent if not s.firm}:
            if kind not in self.all_hosts[place].types:
                self.all_hosts[place].weak[kind] += 1

    @cached_property
    def ways(self) -> Counter[str]:
        """Connections of the phone by how they came into the proxy, where the capture says: one that began at one
        moment from one port may have brought several conversations."""
        wanted = _columns(self.tables["flows"], "flow", "way", "src", "sport", "first")
        came = {
            (way, *((src, sport, first) if sport is not None else (flow,)))
            for flow, way, src, sport, first in wanted
            if way is not None and flow in self._flow_octets
        }
        return Counter(way for way, *_ in came)

    @cached_property
    def not_understood(self) -> tuple[int, int]:
        """Bodies that were opened and that nobody understood, or that the app sealed, and all octets of that kind."""
        octets = self.octets_by_reading
        return sum(self.bodies[r] for r in (NOT_UNDERSTOOD, SEALED)), octets[NOT_UNDERSTOOD] + octets[SEALED]

    # ------------------------------------------------------------------------------------------------- apps

    @cached_property
    def apps(self) -> list[Mapping[str, Any]]:
        """Who spoke, and how that is known: the rows of the table ``apps`` with the flows that count alone."""
        keys = ("app", "app_from", "app_by", "whose")
        sums: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        places: dict[tuple[Any, ...], set[int]] = defaultdict(set)
        wanted = (*keys, "counts", "destination", "bytes_out", "bytes_in")
        for *key, counts, place, out, back in _columns(self.tables["flows"], *wanted):
            if counts in ("app", *APART):
                sums[tuple(key)] += Counter(flows=1, bytes_out=out or 0, bytes_in=back or 0)
                places[tuple(key)].add(place)
        order = ("app", *APART)
        octets = {key: n["bytes_out"] + n["bytes_in"] for key, n in sums.items()}
        return [
            {
                **dict(zip(keys, key, strict=True)),
                **{name: sums[key][name] for name in ("flows", "bytes_out", "bytes_in")},
                "destinations": len(places[key]),
            }
            for key in sorted(
                sums, key=lambda k: (order.index(k[3]), k[0] is None, -octets[k], *(part or "" for part in k))
            )
        ]

    @cached_property
    def readable(self) -> list[Mapping[str, Any]]:
        """How much of each app could be read: rows of the table ``readable``, what is counted here first, then by
        octets."""
        found: list[Mapping[str, Any]] = self.tables["readable"].to_pylist()
        return sorted(found, key=lambda r: (r["whose"] in APART, -r["bytes"], r["app"] or ""))

    @cached_property
    def flows_of_nobody(self) -> int:
        """Connections that are counted although nothing says which app spoke."""
        return sum(row["flows"] for row in self.apps if row["whose"] == "app" and row["app_from"] is None)

    # ------------------------------------------------------------------------------------------- data types

    @cached_property
    def types(self) -> dict[str, str]:
        """Types of personal data that were sent, as far as that may be said, with the strongest ground for each; by
        hosts, then by name."""
        return self._grounds(self.firm, Counter(t for h in self.hosts for t in h.types))

    @cached_property
    def weak_types(self) -> dict[str, str]:
        """Types of which there are weak signs only, likewise."""
        weak = [s for s in self.sent if s.data_type not in self.types]
        return self._grounds(weak, Counter(t for h in self.hosts for t in h.weak))

    @staticmethod
    def _grounds(sent: Iterable[Sent], reach: Counter[str]) -> dict[str, str]:
        best: dict[str, int] = {}
        for s in sent:
            best[s.data_type] = min(METHODS.index(s.method), best.get(s.data_type, len(METHODS)))
        return {t: METHODS[best[t]] for t in sorted(best, key=lambda t: (-reach[t], t))}

    @cached_property
    def unstated_types(self) -> tuple[int, int]:
        """Types of which it is only inferred that the app itself sent them, and types of which nothing says which app
        did; none where nobody said which app is tested."""
        grounds: dict[str, set[str | None]] = defaultdict(set)
        for s in self.firm:
            grounds[s.data_type].add(s.app_from)
        weaker = [g for g in grounds.values() if not g & {"stated", "joined"}] if self.app.get("id") else []
        inferred = sum("inferred" in g for g in weaker)
        return inferred, len(weaker) - inferred

    def is_sensitive(self, data_type: str) -> bool:
        record = self.reference.data_types.get(data_type)
        return record is not None and record.sensitivity >= _MOST_SENSITIVE

    @cached_property
    def sensitive_types(self) -> list[str]:
        return [t for t in self.types if self.is_sensitive(t)]

    @staticmethod
    def types_at(hosts: Iterable[Host]) -> set[str]:
        """Types that were read on firm ground on their way to these hosts."""
        return {t for h in hosts for t in h.types}

    # -------------------------------------------------------------------------------------------- companies

    @cached_property
    def companies(self) -> list[Company]:
        """Companies that operate the app's hosts, those that received most types first; the unknown one last."""
        found: dict[str | None, Company] = {}
        for host in self.hosts:
            row = host.row
            company = found.get(host.company)
            if company is None:
                name = row["operator_name"] or host.company or ""
                company = found[host.company] = Company(host.company, name, row["operator_confidence"])
            if row["operator_confidence"] == "verified":
                company.confidence = "verified"
            company.hosts.append(host)
        for s in self.firm:
            found[self.all_hosts[s.destination].company].types[s.data_type].add(s.message)
        for s in self.sent:
            company = found[self.all_hosts[s.destination].company]
            if s.data_type not in company.types:
                company.weak[s.data_type].add(s.message)
        return sorted(
            found.values(),
            key=lambda c: (c.id is None, -len(c.types), -sum(map(len, c.types.values())), -len(c.hosts), c.name),
        )

    @cached_property
    def rented(self) -> list[Host]:
        """The app's hosts that stand on machines of another company than their operator."""
        return [h for h in self.hosts if h.row["rented_from_name"]]

    @cached_property
    def known_companies(self) -> list[Company]:
        return [c for c in self.companies if c.id is not None]

    # ----------------------------------------------------------------------------------------------- places

    def is_stated_by_capture(self, claim: str) -> bool:
        """True where a claim of the manifest counts that only the capture itself makes."""
        return claim in (self.audit.get("stated_by_capture") or ())

    @cached_property
    def vantage_doubtful(self) -> list[Host] | None:
        """The hosts that contradict what is said of where the capture was made; None where it is not in doubt."""
        if not self.audit.get("vantage_doubtful"):
            return None
        return [h for h in self.all_hosts.values() if h.row["against_vantage"]]

    @cached_property
    def hosts_at_grade(self) -> dict[str, int]:
        """Hosts by how sure their place is, the surest first."""
        counts = Counter(h.grade for h in self.hosts)
        return {grade: counts[grade] for grade in GRADES if counts[grade] or grade != "node"}

    @cached_property
    def hosts_at_level(self) -> dict[int, int]:
        counts = Counter(h.level for h in self.hosts)
        return {level: counts[level] for level in (4, 3, 2, 1, 0)}

    @cached_property
    def placed(self) -> dict[str, list[Host]]:
        """Hosts by the country that the evidence shows, most hosts first."""
        found: dict[str, list[Host]] = defaultdict(list)
        for host in self.hosts:
            if host.placed is not None:
                found[host.placed].append(host)
        return dict(sorted(found.items(), key=lambda f: (-len(f[1]), f[0])))

    @cached_property
    def named_weakly(self) -> dict[str, list[Host]]:
        """Hosts by the country that weak evidence alone names (level 1, unicast)."""
        found: dict[str, list[Host]] = defaultdict(list)
        for host in self.hosts:
            if host.level == 1 and host.country is not None and not host.row["anycast"]:
                found[host.country].append(host)
        return dict(sorted(found.items(), key=lambda f: (-len(f[1]), f[0])))

    @cached_property
    def refuted(self) -> list[Host]:
        return [h for h in self.hosts if h.row["refuted"]]

    @cached_property
    def nearest_km(self) -> Mapping[str, float]:
        """Least distance from the vantage to each country; empty where the vantage is not known."""
        latitude, longitude = self.vantage.get("latitude"), self.vantage.get("longitude")
        if latitude is None or longitude is None:
            return {}
        found: Mapping[str, float] = self.reference.distance.nearest_km(latitude, longitude)
        return found

    # ------------------------------------------------------------------------------------- seen and unseen

    @cached_property
    def databases_year(self) -> tuple[int, int] | None:
        """Years of the capture and of the newest database of places, where a year or more lies between them: an
        address may have been another machine's then."""
        days = [
            str(r.get("date") or "")[:10]
            for r in self.audit.get("reference") or ()
            if isinstance(r, dict) and r.get("kind") == "location"
        ]
        captured = str(self.audit.get("capture_date") or "")
        if self.audit.get("capture_date_from") == "reference" or not days or not captured:
            return None
        try:
            apart = abs((date.fromisoformat(max(days)) - date.fromisoformat(captured)).days)
        except ValueError:
            return None
        return (int(captured[:4]), int(max(days)[:4])) if apart >= 365 else None

    @cached_property
    def hosts_by_reading(self) -> dict[str, int]:
        counts = Counter(h.reading for h in self.hosts)
        return {r: counts[r] for r in READINGS}

    @cached_property
    def flows_by_reading(self) -> dict[str, int]:
        counts = Counter(self.flow_reading.values())
        return {r: counts[r] for r in READINGS}

    @cached_property
    def octets_by_reading(self) -> dict[str, int]:
        """Payload octets of both directions between the phone and the app's hosts, by how far they could be read."""
        counts: Counter[str] = Counter()
        for host in self.hosts:
            counts += self._octets[host.number, "app"]
        return {r: counts[r] for r in READINGS}

    # ------------------------------------------------------------------------------------------------- time

    @cached_property
    def span(self) -> tuple[int, int] | None:
        """First and last moment of the capture; None where it has no times."""
        times = self._times + [t for t, _, _ in self.exchange_times if t]
        # A recording of ours lasts from its begin to its seal: that nothing was said at its end is seen too.
        times += [self._micros(t) for name in ("started", "sealed") if (t := self.manifest.get(name))]
        return (min(times), max(times)) if times else None

    @cached_property
    def phases(self) -> list[Phase]:
        """The phases in order: as the manifest states them, else from the messages that lie in each."""
        stated = [p for p in self.manifest.get("phases") or () if isinstance(p, Mapping) and p.get("start")]
        if stated and self.span is not None:
            marks = sorted(
                (self._micros(p["start"]), self._micros(p["end"]) if p.get("end") else None, str(p.get("phase")))
                for p in stated
            )
            following = [m[0] for m in marks[1:]] + [max(self.span[1], marks[-1][0])]
            return [
                Phase(name, start, end or after, True)
                for (start, end, name), after in zip(marks, following, strict=True)
            ]
        seen = [(t, p) for t, p, _ in self.exchange_times if t and p]
        seen += [(t, p) for t, p in _columns(self.tables["flows"], "first", "phase") if t and p]
        runs: list[list[Any]] = []
        for at, name in sorted(seen):
            if runs and runs[-1][0] == name:
                runs[-1][2] = at
            else:
                runs.append([name, at, at])
        ends = [r[1] for r in runs[1:]] + [runs[-1][2]] if runs else []
        return [Phase(str(r[0]), r[1], max(end, r[2]), False) for r, end in zip(runs, ends, strict=True)]

    @cached_property
    def marks(self) -> list[tuple[int, str]]:
        """The auditor's marks beside the phases: when, and in which words."""
        given = [m for m in self.audit.get("marks") or () if isinstance(m, Mapping) and m.get("at") and m.get("note")]
        return sorted((self._micros(m["at"]), str(m["note"])) for m in given)

    def _micros(self, text: Any) -> int:
        at = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
        if at.tzinfo is None:
            at = at.replace(tzinfo=self.zone)
        return int(at.timestamp() * 1_000_000)

    def moment(self, micros: int) -> datetime:
        """A time of the capture in its own time zone, UTC where none is stated."""
        return datetime.fromtimestamp(min(max(micros, 0), _LATEST) / 1_000_000, UTC).astimezone(self.zone)

    # -------------------------------------------------------------------------------------------- findings

    @cached_property
    def findings(self) -> list[Mapping[str, Any]]:
        found = []
        for row in self.tables["findings"].to_pylist():
            row["args"] = {a["name"]: a["value"] for a in row["args"] or ()}
            found.append(row)
        return found

    def consent(self, kind: str) -> int:
        """Types that a consent finding (``before`` or ``refused``) counts; 0 where there is none."""
        found = next((f for f in self.findings if f["wording"] == f"finding.consent.{kind}"), None)
        return int(found["args"].get("type_count", 0)) if found is not None else 0

    def finding(self, rule: str, state: str | None) -> Mapping[str, Any] | None:
        return next((f for f in self.findings if f["rule"] == rule and f["state"] == state), None)


def _zone(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
