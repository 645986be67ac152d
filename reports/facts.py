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

from analysis.tables import Tables
from reports.marks import GRADES

if TYPE_CHECKING:
    from analysis.reference import Reference

READINGS = ("full", "part", "refused", "encrypted", "non_http", "silent")
"""How far something could be read: in full; opened but with a closed part; and the reasons for not at all. The last
is a conversation in which no octet passed."""
_READING_OF = {
    **dict.fromkeys(("ca_refused", "pinned"), "refused"),
    **dict.fromkeys(("encrypted", "relayed", "probable_pin", "probable_refusal"), "encrypted"),
    **dict.fromkeys(("unused", "unreachable", "fell_back"), "silent"),
}
_INSIDE = frozenset({"sealed", "truncated", "unread", "not_understood"})
"""Kinds of a closed part within what was opened."""
METHODS = ("planted", "endpoint", "key", "value", "memory")
"""From the strongest ground to the weakest; ``memory`` is a known endpoint's field that nobody has looked up."""
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
    reading: str = "silent"
    closed: list[Closed] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)
    """Messages that carried a type of personal data, by type."""
    firm: set[str] = field(default_factory=set)
    """Of these types, those that are known by more than a field from memory: only they may carry a finding."""

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
        own_word = str(self.row["reason"] or "").partition("+")[0] == "anycast_node_names_itself"
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
    def is_read(self) -> bool:
        return self.reading in ("full", "part")

    @property
    def octets_closed(self) -> int:
        return sum(c.octets for c in self.closed)

    @property
    def links(self) -> list[Mapping[str, Any]]:
        return self.row["law_links"] or []


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
    """Messages that carried a type, by type."""

    @property
    def is_closed(self) -> bool:
        """Some of its traffic could not be read."""
        return any(h.reading != "full" for h in self.hosts)


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
        self.flow_destination: dict[int, int] = {}
        self.flow_reading: dict[int, str] = {}
        self.flow_first: dict[int, int | None] = {}
        self._flow_octets: dict[int, tuple[int, int, int]] = {}
        self._closed = closed
        self._times: list[int] = []
        self._reading: dict[int, str] = {}
        """Of every conversation that counts, whosoever it is."""
        self._app_from: dict[int, str | None] = {}
        self._apart: dict[str, dict[int, list[int]]] = {w: defaultdict(list) for w in APART}
        """Conversations of others, by destination."""
        self.duplicate_flows = 0
        self._tried: set[int] = set()
        """Destinations that a flow or an exchange of the app went to and did not reach."""
        spoke = {flow for (flow,) in _columns(self.tables["exchanges"], "flow")}
        wanted = (
            *("flow", "counts", "destination", "app_from", "decrypted", "first", "last"),
            *("bytes_out", "bytes_in", "bytes_read"),
        )
        for flow, counts, place, app_from, decrypted, first, last, out, back, read in _columns(
            self.tables["flows"], *wanted
        ):
            self._times += [t for t in (first, last) if t]
            if counts == "duplicate":
                self.duplicate_flows += 1
                continue
            self._flow_octets[flow] = (out or 0, back or 0, read or 0)
            parts = closed.get(flow, [])
            octets = (out or 0) + (back or 0)
            quiet = not octets and not parts and flow not in spoke
            self._reading[flow] = "silent" if quiet else _reading(decrypted, parts, octets)
            if counts in APART:
                self._apart[counts][place].append(flow)
            elif counts == "undelivered":
                self._tried.add(place)
            else:
                self.flow_destination[flow] = place
                self.flow_first[flow] = first
                self.flow_reading[flow] = self._reading[flow]
                self._app_from[flow] = app_from

    def _hosts(self) -> None:
        of_exchange: dict[int, set[str]] = defaultdict(set)
        elsewhere: dict[str, set[int]] = {w: set() for w in APART}
        self.exchange_times: list[tuple[int | None, str | None, int]] = []
        for flow, place, counts, started, phase in _columns(
            self.tables["exchanges"], "flow", "destination", "counts", "started", "phase"
        ):
            if counts in APART:
                elsewhere[counts].add(place)
            elif counts == "undelivered":
                self._tried.add(place)
            elif counts == "app":
                self.exchange_times.append((started, phase, place))
                # A connection that served several names: what was said of it holds for each.
                of_exchange[place].add("full" if self.flow_reading.get(flow) != "part" else "part")
        rows = {row["destination"]: row for row in self.tables["destinations"].to_pylist()}
        hosts = {number: Host(row) for number, row in rows.items()}
        readings: dict[int, set[str]] = defaultdict(set)
        for flow, place in self.flow_destination.items():
            host = hosts.get(place)
            if host is None:
                continue
            self._count(host, flow)
            readings[place].add(self.flow_reading[flow])
        for place, host in hosts.items():
            if host.row["app_bytes_out"] is not None:
                host.octets_out, host.octets_in = host.row["app_bytes_out"], host.row["app_bytes_in"] or 0
            host.reading = _host_reading(readings[place] or of_exchange[place], host.closed)
        self.all_hosts = hosts
        self.hosts = [h for n, h in hosts.items() if readings[n] or of_exchange[n]]
        self.app_places = {h.number for h in self.hosts}
        self.unanswered = [hosts[n] for n in sorted(self._tried - self.app_places)]
        """Hosts that were tried, and of which nothing came: in no other number."""
        self.other_hosts, self.system_hosts = (
            [self._of_others(rows[n], self._apart[w].get(n, [])) for n in sorted({*self._apart[w], *elsewhere[w]})]
            for w in APART
        )

    def _count(self, host: Host, flow: int) -> None:
        out, back, _ = self._flow_octets[flow]
        host.flows += 1
        host.octets_out += out
        host.octets_in += back
        host.closed += self._closed.get(flow, [])

    def _of_others(self, row: Mapping[str, Any], flows: list[int]) -> Host:
        """A host with what others than the app under test exchanged with it."""
        host = Host(row)
        for flow in flows:
            self._count(host, flow)
        host.reading = _host_reading({self._reading[f] for f in flows}, host.closed)
        return host

    def _sent(self) -> None:
        at = dict(_columns(self.tables["messages"], "message", "at"))
        self.sent: list[Sent] = []
        self.transmissions = Counter(self.tables["transmissions"]["counts"].to_pylist())
        """Fields with a data type by whether they count, and why not (``transmissions.counts``)."""
        wanted = (
            *("transmission", "message", "exchange", "flow", "destination", "data_type"),
            *("method", "also", "certainty", "endpoint", "phase", "counts"),
        )
        for row in _columns(self.tables["transmissions"], *wanted):
            number, message, exchange, flow, place, kind, method, also, sure, endpoint, phase, counts = row
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
                    sure or "low",
                    phase,
                    at.get(message),
                    self._app_from.get(flow),
                )
            )
        seen: set[tuple[int, str]] = set()
        for s in self.sent:
            if s.method != "memory":
                self.all_hosts[s.destination].firm.add(s.data_type)
            if (s.message, s.data_type) not in seen:
                seen.add((s.message, s.data_type))
                self.all_hosts[s.destination].types[s.data_type] += 1

    @cached_property
    def ways(self) -> Counter[str]:
        """Connections of the phone by how they came into the proxy, where the capture says: one that began at one
        moment from one port may have brought several conversations."""
        wanted = _columns(self.tables["flows"], "flow", "way", "src", "sport", "first")
        came = {
            (way, *((src, sport, first) if sport is not None else (flow,)))
            for flow, way, src, sport, first in wanted
            if way is not None and flow in self._reading
        }
        return Counter(way for way, *_ in came)

    @cached_property
    def undecoded(self) -> tuple[int, int]:
        """Bodies that were read and not understood, and their octets."""
        wanted = _columns(self.tables["messages"], "flow", "decoded", "bytes")
        sizes = [size for flow, decoded, size in wanted if decoded is False and size and flow in self.flow_reading]
        return len(sizes), sum(sizes)

    # ------------------------------------------------------------------------------------------------- apps

    @cached_property
    def apps(self) -> list[Mapping[str, Any]]:
        """Who spoke, and how that is known: rows of the table ``apps``, the app under test first."""
        found: list[Mapping[str, Any]] = self.tables["apps"].to_pylist()
        return found

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
        """Types of personal data that were sent, with the strongest ground for each; by hosts, then by name."""
        best: dict[str, int] = {}
        for s in self.sent:
            best[s.data_type] = min(METHODS.index(s.method), best.get(s.data_type, len(METHODS)))
        reach = Counter(t for h in self.hosts for t in h.types)
        return {t: METHODS[best[t]] for t in sorted(best, key=lambda t: (-reach[t], t))}

    @cached_property
    def weak_types(self) -> set[str]:
        """Types for which there are weak signs only."""
        strong = {s.data_type for s in self.sent if s.certainty != "low"}
        return set(self.types) - strong

    @cached_property
    def unstated_types(self) -> tuple[int, int]:
        """Types of which it is only inferred that the app itself sent them, and types of which nothing says which app
        did; none where nobody said which app is tested."""
        grounds: dict[str, set[str | None]] = defaultdict(set)
        for s in self.sent:
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

    def firm_types(self, hosts: Iterable[Host]) -> set[str]:
        """Types that were read on their way to these hosts and that may carry a finding."""
        return {t for h in hosts for t in h.firm}

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
        for s in self.sent:
            found[self.all_hosts[s.destination].company].types[s.data_type].add(s.message)
        return sorted(
            found.values(),
            key=lambda c: (c.id is None, -len(c.types), -sum(map(len, c.types.values())), -len(c.hosts), c.name),
        )

    @cached_property
    def known_companies(self) -> list[Company]:
        return [c for c in self.companies if c.id is not None]

    # ----------------------------------------------------------------------------------------------- places

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
        """Payload octets of both directions: those that a reader understood, and the others by reason."""
        counts: Counter[str] = Counter()
        for flow in self.flow_reading:
            out, back, read = self._flow_octets[flow]
            total = out + back
            rest = max(total - read, 0)
            counts["full"] += total - rest
            for part in self._closed.get(flow, ()):
                taken = min(part.octets, rest)
                counts[_octet_class(part.kind)] += taken
                rest -= taken
            counts["full" if self.flow_reading[flow] == "full" else "part"] += rest
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


def _octet_class(kind: str) -> str:
    return "part" if kind in _INSIDE else _READING_OF.get(kind, "non_http")


def _reading(decrypted: bool | None, parts: list[Closed], octets: int) -> str:
    if decrypted:
        return "part" if parts else "full"
    if not parts:
        return "encrypted" if octets else "silent"
    worst = max(parts, key=lambda p: p.octets)
    if worst.kind in _INSIDE:
        return "encrypted" if worst.kind == "sealed" else "non_http"
    return _READING_OF.get(worst.kind, "non_http")


def _host_reading(readings: set[str], closed: list[Closed]) -> str:
    told = readings - {"silent"}
    if not told:
        return "silent"
    if told == {"full"}:
        return "full"
    if told & {"full", "part"}:
        return "part"
    if len(told) == 1:
        return told.pop()
    octets: Counter[str] = Counter()
    for part in closed:
        octets[_octet_class(part.kind)] += part.octets + 1
    return max(sorted(told), key=lambda r: octets[r])
