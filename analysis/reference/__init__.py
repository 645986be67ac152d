"""The dated, sourced facts: who runs which host, which law reaches whom, what a field of a known endpoint means.

Each fact carries its source and whether it was read or only remembered; the way to it here never loses that.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analysis.model import InputError
from analysis.reference import load, schema
from analysis.reference.linear import Linear
from analysis.reference.schema import (
    App,
    Country,
    DataType,
    Endpoint,
    EndpointField,
    NodeCode,
    Operator,
    Statute,
)
from analysis.reference.sources import SAMPLE_FILES

if TYPE_CHECKING:
    from analysis.reference.anycast import AnycastKinds
    from analysis.reference.distance import Distance
    from analysis.reference.geo import Geo
    from analysis.reference.ranges import Ranges

OVERLAYS = ("operators", "endpoints", "apps")
"""Files that a user may lay over ours, by id."""


_Search = Callable[[str], object]


class OperatorMatch(NamedTuple):
    """A company found by a host or a network. ``by``: the domain suffix or AS number that said so."""

    operator: Operator
    by: str
    confidence: str


class Owner(NamedTuple):
    """One step up from a company to who held it on a day. ``as_of``: the fact is known for that later day only."""

    id: str | None
    name: str
    operator: Operator | None
    country: str | None
    share_percent: float | None
    as_of: str | None
    confidence: str


class RangeHit(NamedTuple):
    """A published range that an address lies in. ``country`` None: anycast, or a region of no one country."""

    network: str
    provider: str
    region: str
    country: str | None
    source: str


class NodeReading(NamedTuple):
    """A place that a machine's own words name. ``operator``: id of the company from whose networks the form comes."""

    id: str
    country: str
    writer: str
    operator: str | None
    shows: str
    confidence: str


class FieldMatch(NamedTuple):
    """A known endpoint's field."""

    endpoint: Endpoint
    field: EndpointField


@dataclass(frozen=True, slots=True)
class Version:
    """One file of reference data, for ``audit.json`` and the report."""

    name: str
    date: str
    sha256: str
    licence: str
    attribution: str
    source: str


class Reference:
    """All facts, read when first asked for. Build it with :meth:`load`."""

    def __init__(self, overlay: Sequence[Path] = ()) -> None:
        self._overlay = tuple(overlay)
        self._files: dict[str, tuple[Any, str]] = {}
        self.overlays: list[str] = []
        """What the auditor's own folders laid over ours, in words."""
        self.own: dict[str, set[str]] = {name: set() for name in OVERLAYS}
        """Ids of the records that rest on the auditor's word alone, by file. Wherever one counts, that is said."""
        for folder in self._overlay:
            if not any((folder / f"{name}.yaml").is_file() for name in OVERLAYS):
                raise InputError(
                    f"{folder} holds no reference data: put operators.yaml, endpoints.yaml or apps.yaml there."
                )
        self._records: dict[str, dict[str, Any]] = {}
        self._dates: dict[str, str] = {}
        self._check()

    @classmethod
    def load(cls, overlay: Path | Sequence[Path] | None = None) -> Reference:
        """The reference data, with the user's folders laid over it in order, record by record.

        Raises InputError that names file and record for anything that does not fit the schema."""
        folders = [] if overlay is None else [overlay] if isinstance(overlay, Path) else list(overlay)
        return cls(folders)

    # ---------------------------------------------------------------------------------------- files

    def _file(self, name: str) -> Any:
        if name not in self._files:
            self._files[name] = load.read(name)
        return self._files[name][0]

    def _merged(self, name: str, key: str) -> dict[str, Any]:
        """The records of a file by id, with those of the overlays in place of ours."""
        if name not in self._records:
            ours = self._file(name)
            records = {r.id: r for r in getattr(ours, key)}
            self._dates |= dict.fromkeys(records, _first_day(ours.as_of))
            for folder in self._overlay:
                if not (folder / f"{name}.yaml").is_file():
                    continue
                theirs, sha256 = load.read(name, folder)
                changed = {r.id: r for r in getattr(theirs, key)}
                if sha256 not in SAMPLE_FILES:
                    self.overlays.append(_told(name, changed, records))
                    self.own[name] |= changed.keys()
                # Theirs come last, so that a domain or an app id which both name is theirs.
                records = {i: r for i, r in records.items() if i not in changed} | changed
                self._dates |= dict.fromkeys(changed, _first_day(theirs.as_of))
            self._records[name] = records
        return self._records[name]

    @property
    def as_of(self) -> date:
        """The day for which the facts were last gone through."""
        return date.fromisoformat(self._file("operators").as_of)

    def is_own(self, name: str, record: str | None) -> bool:
        """True when a record of that file (``operators``, ``endpoints``, ``apps``) is the auditor's own."""
        if record is None or not self._overlay:
            return False
        self._merged(name, name)
        return record in self.own[name]

    # ------------------------------------------------------------------------------------- companies

    @property
    def operators(self) -> Mapping[str, Operator]:
        return self._merged("operators", "operators")

    @cached_property
    def _suffixes(self) -> dict[str, Operator]:
        return {suffix.lower(): o for o in self.operators.values() for suffix in o.domain_suffixes}

    @cached_property
    def _numbers(self) -> dict[int, Operator]:
        return {int(number.removeprefix("AS")): o for o in self.operators.values() for number in o.asns}

    def operator_by_host(self, host: str) -> OperatorMatch | None:
        """The company whose domain the host's longest known suffix is, label by label."""
        labels = host.lower().rstrip(".").split(".")
        for n in range(len(labels)):
            suffix = ".".join(labels[n:])
            operator = self._suffixes.get(suffix)
            if operator is not None:
                recalled = suffix in map(str.lower, operator.domains_recalled)
                return OperatorMatch(operator, suffix, "recalled" if recalled else "verified")
        return None

    def operator_by_asn(self, number: int | None) -> OperatorMatch | None:
        """The company that an autonomous system belongs to."""
        operator = None if number is None else self._numbers.get(number)
        if operator is None:
            return None
        name = f"AS{number}"
        return OperatorMatch(operator, name, "recalled" if name in operator.asns_recalled else "verified")

    def ownership_chain(self, operator: str, day: date) -> list[Owner]:
        """Who held a company on a day, from its parent to the top.

        A parent that is known only for a later day comes with that day as ``as_of``. One whose holding began after
        the day is not given: who held the company before comes instead, where that is known."""
        chain: list[Owner] = []
        seen = {operator}
        record = self.operators.get(operator)
        while record is not None:
            owner = self._owner(record, day)
            if owner is None or (owner.id is not None and owner.id in seen):
                break
            chain.append(owner)
            if owner.id is None:
                break
            seen.add(owner.id)
            record = owner.operator
        return chain

    def _owner(self, record: Operator, day: date) -> Owner | None:
        parent = record.parent
        if record.parent_since is not None and day < date.fromisoformat(record.parent_since):
            parent = record.parent_before
        if parent is None:
            return None
        held = self.operators.get(parent)
        name = held.name if held is not None else parent
        first = {id(o): _first_day(o.valid_from or o.as_of) for o in record.ownership}
        since = record.parent_since
        before = since is not None and day.isoformat() < since
        # What was said before the holding began was a plan, and what is said after its end is about what was left.
        # What is from memory neither dates a holding nor gives a share.
        read = [o for o in record.ownership if (o.confidence or record.corporate_confidence) == "verified"]
        named = [o for o in read if self._named(o, parent, held)]
        documented = sorted((o for o in named if since is None or _is_of(o, since, before)), key=lambda o: first[id(o)])
        then = [o for o in documented if first[id(o)] <= day.isoformat()]
        then = [o for o in then if o.valid_to is None or o.valid_to >= day.isoformat()[: len(o.valid_to)]]
        known = [first[id(o)] for o in documented]
        if since is not None:
            known.append(since)
        known.append(self._dates.get(record.id, self.as_of.isoformat()))
        as_of = None if any(d <= day.isoformat() for d in known) else min(known)
        of_day = then[-1] if then else documented[0] if documented else None
        country = None
        if held is not None:
            country = held.ultimate_parent_country or held.country_of_incorporation
        share = of_day.share_percent if of_day is not None else None
        # The present parent is a corporate fact of the record; who held before must stand in an entry that was read.
        confidence: schema.Confidence = "recalled" if before and of_day is None else record.corporate_confidence
        return Owner(held.id if held else None, name, held, country, share, as_of, confidence)

    @staticmethod
    def _named(owned: schema.Owned, parent: str, held: Operator | None) -> bool:
        """True when an ownership entry speaks of the parent."""
        words = {parent.split("-")[0].lower()}
        if held is not None:
            words.add(held.name.split()[0].lower().strip(",."))
        text = owned.owner.lower()
        return any(re.search(rf"\b{re.escape(w)}\b", text) for w in words)

    # ------------------------------------------------------------------------------------------ apps

    @property
    def apps(self) -> Mapping[str, App]:
        return self._merged("apps", "apps")

    @cached_property
    def _app_ids(self) -> dict[tuple[str, str], App]:
        found: dict[tuple[str, str], App] = {}
        for app in self.apps.values():
            for platform, ids in (("android", app.android), ("ios", app.ios)):
                for one in ids:
                    found[(platform, one)] = app
                    found.setdefault((platform, one.lower()), app)
        return found

    def app(self, app_id: str, platform: str | None = None) -> App | None:
        """The app of a package or bundle id. Without a platform both are looked through."""
        for one in [platform] if platform else ["android", "ios"]:
            for spelling in (app_id, app_id.lower()):
                if (one, spelling) in self._app_ids:
                    return self._app_ids[(one, spelling)]
        return None

    def vendor_of(self, app_id: str | None, platform: str | None, stated: str | None) -> tuple[str | None, list[str]]:
        """The maker of an app as an operator's id, or None where it is no operator here, and the app's own domains.

        ``stated``: what manifest or user said, which outranks the list."""
        app = self.app(app_id, platform) if app_id is not None else None
        domains = [d for d in app.domains if d not in app.domains_recalled] if app is not None else []
        if stated is not None:
            if stated in self.operators:
                return stated, domains
            same = [o.id for o in self.operators.values() if o.name.lower() == stated.lower()]
            return (same[0] if same else None), domains
        return (app.operator if app is not None else None), domains

    @cached_property
    def _noise(self) -> dict[str, list[schema.Noise]]:
        found: dict[str, list[schema.Noise]] = defaultdict(list)
        for record in self._file("apps").system_noise:
            for host in record.hosts:
                found[host.lower()].append(record)
        return found

    def noise_class(self, host: str, path: str | None) -> str | None:
        """The class of what phones do by themselves that a host (and path, None: not seen) stands for; else None.

        A record whose ``hosts`` begin with ``*.`` means every name below; one with paths means only those.
        ``mncXXX`` and ``mccXXX`` in a record stand for any carrier's numbers (3GPP TS 23.003 section 19)."""
        host = _CARRIER.sub(r"\1XXX", host.lower().rstrip(".")).lower()
        labels = host.split(".")
        names = [host, *("*." + ".".join(labels[n:]) for n in range(1, len(labels)))]
        for name in names:
            for record in self._noise.get(name, ()):
                if not record.paths or (path is not None and path in record.paths):
                    return record.class_
        return None

    @cached_property
    def noise_packages(self) -> dict[str, schema.Noise]:
        """Packages of the phone's own system."""
        return {p: r for r in self._file("apps").system_noise for p in r.android}

    @cached_property
    def noise_processes(self) -> dict[str, schema.Noise]:
        """Processes of the phone's own system, where a capture names processes and no packages."""
        return {p: r for r in self._file("apps").system_noise for p in r.processes}

    @cached_property
    def noise_agents(self) -> dict[str, schema.Noise]:
        """Programs of the phone's own system by what they call themselves in ``User-Agent``, in lower case."""
        return {a.lower(): r for r in self._file("apps").system_noise for a in r.agents}

    # ------------------------------------------------------------------------------------- data types

    @cached_property
    def data_types(self) -> Mapping[str, DataType]:
        return {t.id: t for t in self._file("data_types").data_types}

    @cached_property
    def personal_types(self) -> frozenset[str]:
        """Types that are personal: the set ``personal`` of regimes.yaml."""
        return frozenset(self.data_type_sets["personal"].members)

    def is_personal(self, data_type: str) -> bool:
        """Whether values of that type are personal data. A name that only a persona has is: somebody planted it."""
        return data_type in self.personal_types or data_type not in self.data_types

    def data_type_aliases(self) -> Mapping[str, str]:
        """Names that a persona may use -> data type id: the ids, and the usual keys that name one type only."""
        return self._type_aliases

    @cached_property
    def _type_aliases(self) -> Mapping[str, str]:
        keys: dict[str, set[str]] = defaultdict(set)
        for record in self.data_types.values():
            for key in record.example_keys:
                keys[key.lower()].add(record.id)
        aliases = {key: types.pop() for key, types in keys.items() if len(types) == 1}
        aliases |= _ALIASES
        aliases |= {name: name for name in self.data_types}
        return aliases

    # -------------------------------------------------------------------------------------- endpoints

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        return self._merged("endpoints", "endpoints")

    @cached_property
    def _endpoint_patterns(self) -> list[tuple[_Search, _Search, Endpoint]]:
        known = self.endpoints.values()
        return [(self._pattern(e, e.host_pattern), self._pattern(e, e.path_pattern), e) for e in known]

    def _pattern(self, endpoint: Endpoint, pattern: str) -> _Search:
        return Linear(pattern).search if self.is_own("endpoints", endpoint.id) else re.compile(pattern).search

    @cached_property
    def _endpoints_of_host(self) -> dict[str, list[tuple[_Search, Endpoint]]]:
        return {}

    def endpoints_for(self, host: str, path: str) -> list[Endpoint]:
        """The known endpoints that a request to this host and path (without query) is for."""
        known = self._endpoints_of_host.get(host)
        if known is None:
            known = [(path_, e) for host_, path_, e in self._endpoint_patterns if host_(host)]
            if len(self._endpoints_of_host) < 10_000:
                self._endpoints_of_host[host] = known
        return [e for pattern, e in known if pattern(path)]

    @cached_property
    def _endpoint_fields(self) -> dict[str, FieldMatch]:
        return {f.id: FieldMatch(e, f) for e in self.endpoints.values() for f in e.fields}

    def endpoint_field_verified(self, field_id: str | None) -> bool:
        """True when the field of this id was read in a document, and its endpoint too."""
        found = self._endpoint_fields.get(field_id or "")
        return found is not None and found.field.confidence == found.endpoint.confidence == "verified"

    # -------------------------------------------------------------------------------------------- law

    @cached_property
    def statutes(self) -> Mapping[str, Statute]:
        return {s.id: s for s in self._file("law_reach").law_reach}

    @cached_property
    def _statutes_of(self) -> dict[str, list[Statute]]:
        found: dict[str, list[Statute]] = defaultdict(list)
        for statute in self.statutes.values():
            found[statute.country].append(statute)
        return found

    def statutes_of(self, state: str, day: date | None = None) -> list[Statute]:
        """The researched statutes of a state, those of the European Union for the states that its production orders
        bind among them; with ``day`` those that were in force by then. None at all: the state is not researched,
        which is not the same as no reach."""
        found = list(self._statutes_of.get(state, []))
        if state in self.groups["e_evidence"].members:
            found += self._statutes_of.get("EU", [])
        if day is not None:
            found = [s for s in found if date.fromisoformat(_first_day(s.in_force_since)) <= day]
        return found

    @cached_property
    def rules(self) -> Mapping[str, schema.Rule]:
        return {r.id: r for r in self._file("regimes").regimes}

    @cached_property
    def data_type_sets(self) -> Mapping[str, schema.NamedSet]:
        found: Mapping[str, schema.NamedSet] = self._file("regimes").data_type_sets
        return found

    @cached_property
    def countries(self) -> Mapping[str, Country]:
        return {c.code: c for c in self._file("countries").countries}

    @cached_property
    def groups(self) -> Mapping[str, schema.Group]:
        found: Mapping[str, schema.Group] = self._file("countries").groups
        return found

    @cached_property
    def statements(self) -> list[schema.Statement]:
        found: list[schema.Statement] = self._file("statements").statements
        return found

    # ------------------------------------------------------------------------------------------ place

    @cached_property
    def _codes(self) -> dict[str, list[tuple[re.Pattern[str], NodeCode]]]:
        """Node codes by what they are read from: ``header:<lower-case name>``, ``host``, ``reverse``."""
        found: dict[str, list[tuple[re.Pattern[str], NodeCode]]] = defaultdict(list)
        for code in self._file("node_codes").codes:
            pattern = re.compile(code.pattern, re.IGNORECASE if code.where in ("host", "reverse") else 0)
            if code.where == "header":
                for name in re.split(r",\s*|\s+", code.name):
                    if re.fullmatch(r"[A-Za-z0-9-]+", name):
                        found[f"header:{name.lower()}"].append((pattern, code))
            else:
                found[code.where].append((pattern, code))
                if "PTR" in code.name and code.where != "reverse":
                    found["reverse"].append((pattern, code))
        return found

    @cached_property
    def node_headers(self) -> frozenset[str]:
        """Lower-case names of response headers in which machines name their place."""
        return frozenset(k.removeprefix("header:") for k in self._codes if k.startswith("header:"))

    def node_places(self, kind: str, text: str) -> list[NodeReading]:
        """The places that a clue names. ``kind``: ``header`` (text is ``name: value``), ``host`` or ``reverse``.

        A code that no list knows makes no claim."""
        key = kind
        if kind == "header":
            name, _, text = text.partition(":")
            key, text = f"header:{name.strip().lower()}", text.strip()
        else:
            text = text.rstrip(".")
        made = []
        for pattern, code in self._codes.get(key, ()):
            country = self._read_code(pattern, code, text)
            if country is not None:
                confidence = "verified" if code.confidence == code.reading == "verified" else "recalled"
                made.append(NodeReading(code.id, country, code.writer, code.operator, code.shows, confidence))
        return made

    def _read_code(self, pattern: re.Pattern[str], code: NodeCode, text: str) -> str | None:
        found = list(pattern.finditer(text[:4096]))
        if not found or code.code_is is not None:
            return None
        if code.country is not None:
            return code.country
        match = found[0] if code.take == "first" else found[-1]
        word = match[code.group] if code.group <= (match.re.groups or 0) else None
        if word is None:
            return None
        if code.codes is not None:
            return code.codes.get(word) or code.codes.get(word.lower())
        names = [code.list] if isinstance(code.list, str) else list(code.list or ())
        lists: Mapping[str, schema.CodeList] = self._file("node_codes").lists
        for name in names:
            if name not in lists:
                continue
            read = lists[name].read(word)
            if read is None and lists[name].alpha2 and word.upper() in self.countries:
                read = word.upper()
            if read is None:
                continue
            if lists[name].letters:
                word = read
                continue
            return read
        return None

    @cached_property
    def anycast_kinds(self) -> AnycastKinds:
        """Kinds of networks that use anycast."""
        from analysis.reference.anycast import AnycastKinds

        return AnycastKinds(self._file("anycast").anycast)

    def cloud_ranges(self, address: str) -> list[RangeHit]:
        """The narrowest published range of each provider that an address lies in."""
        return self._ranges.lookup(address)

    @cached_property
    def _ranges(self) -> Ranges:
        from analysis.reference.ranges import Ranges

        return Ranges.load()

    def geo(self, country: Iterable[Path] = (), asn: Iterable[Path] = ()) -> Geo:
        """The databases of place and network, with the user's own beside ours. Raises InputError for an unfit file."""
        from analysis.reference.geo import Geo

        return Geo(tuple(country), tuple(asn))

    @cached_property
    def distance(self) -> Distance:
        """Least distances from a point to every country."""
        from analysis.reference.distance import Distance

        return Distance.load()

    # --------------------------------------------------------------------------------------- versions

    def versions(self) -> list[dict[str, str]]:
        """Every file of reference data: name, date, sha256, licence, attribution, source."""
        from analysis.reference.sources import data_files

        made = []
        for name in schema.FILES:
            self._file(name)
            content, sha256 = self._files[name]
            made.append(
                {
                    "name": f"{name}.yaml",
                    "date": content.as_of,
                    "sha256": sha256,
                    "licence": "MIT",
                    "attribution": "Lintas reference data; each record names its source",
                    "source": "analysis/reference",
                }
            )
        return made + data_files()

    # ------------------------------------------------------------------------------------------ checks

    def _check(self) -> None:
        """Records that name one another must exist. Our own files are checked by a test; a user's are checked here."""
        for folder in self._overlay:
            for name in OVERLAYS:
                if (folder / f"{name}.yaml").is_file():
                    self._merged(name, name)
                    check(name, load.read(name, folder)[0], self, folder / f"{name}.yaml")


def _told(name: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """What a user's file changes, in words: the records that it replaces and the names that it takes from others."""
    told = f"{name}.yaml: {len(theirs)} records of the user's own"
    replaced = sorted(theirs.keys() & ours.keys())
    if replaced:
        told += f", in place of ours: {_few(replaced)}"
    taken = sorted(_names(theirs.values()) & _names(r for i, r in ours.items() if i not in theirs))
    return told + (f", taken from others of ours: {_few(taken)}" if taken else "")


def _names(records: Iterable[Any]) -> set[str]:
    """Domains, AS numbers and app ids, which one record alone can have."""
    keys = ("domain_suffixes", "asns", "android", "ios")
    return {name.lower() for r in records for key in keys for name in getattr(r, key, ())}


def _few(words: Sequence[str]) -> str:
    more = len(words) - 8
    return ", ".join(words[:8]) + (f" and {more} more" if more > 0 else "")


def check(name: str, content: Any, reference: Reference, place: Path) -> None:
    """Raise InputError for a record that names another one that is not there, or whose pattern is none."""

    def fail(record: str, what: str) -> None:
        raise InputError(f"The reference file {place}, record {record!r}: {what}.")

    if not _is_date(content.as_of):
        raise InputError(f"The reference file {place}: as_of {content.as_of!r} is no day like 2026-11-24.")
    operators, countries = reference.operators, reference.countries
    if name == "operators":
        for o in content.operators:
            for code in (o.country_of_incorporation, *o.established_in):
                if code not in countries:
                    fail(o.id, f"{code!r} is no country code")
            if o.ultimate_parent_country is not None and o.ultimate_parent_country not in countries:
                fail(o.id, f"{o.ultimate_parent_country!r} is no country code")
            for suffix in o.domain_suffixes:
                if not _DOMAIN.fullmatch(suffix):
                    fail(o.id, f"{suffix!r} is no domain like example.com")
            for parent in (o.parent, o.parent_before):
                if parent is not None and parent not in operators:
                    fail(o.id, f"its parent {parent!r} is no operator")
            for number in o.asns:
                if not re.fullmatch(r"AS\d+", number):
                    fail(o.id, f"{number!r} is no AS number like AS64500")
            if o.parent_since is not None and (len(o.parent_since) != 10 or not _is_date(o.parent_since)):
                fail(o.id, f"{o.parent_since!r} is no day like 2026-11-24")
            for owned in o.ownership:
                for day in (owned.as_of, owned.valid_from, owned.valid_to):
                    if day is not None and not _is_date(day):
                        fail(o.id, f"the date {day!r} of an owner is none")
                share = owned.share_percent
                if share is not None and not 0 <= share <= 100:
                    fail(o.id, f"the share {share} of an owner is no part of a hundred")
    elif name == "endpoints":
        for e in content.endpoints:
            if e.operator not in operators:
                fail(e.id, f"its operator {e.operator!r} is no operator")
            for pattern in (e.host_pattern, e.path_pattern):
                try:
                    Linear(pattern)
                except ValueError as error:
                    fail(e.id, f"the pattern {pattern!r} is none that can be searched for in linear time ({error})")
            for f in e.fields:
                if f.data_type not in reference.data_types:
                    fail(f.id, f"{f.data_type!r} is no data type")
    elif name == "apps":
        for a in content.apps:
            if a.operator is not None and a.operator not in operators:
                fail(a.id, f"its operator {a.operator!r} is no operator")
        for n in content.system_noise:
            if n.operator is not None and n.operator not in operators:
                fail(n.id, f"its operator {n.operator!r} is no operator")


def _is_date(text: str) -> bool:
    """True for a year, a month or a day of the calendar."""
    try:
        return re.fullmatch(r"\d{4}(-\d\d){0,2}", text) is not None and bool(date.fromisoformat(_first_day(text)))
    except ValueError:
        return False


_DOMAIN = re.compile(r"(?=.{3,253}$)[^\s./:*@]{1,63}(?:\.[^\s./:*@]{1,63})*")
"""A domain or a top-level label; no wildcard, no scheme, no leading point."""


def _is_of(owned: schema.Owned, since: str, before: bool) -> bool:
    """Whether an entry speaks of the time before, or else from, the day since which the present parent holds."""
    return (_first_day(owned.valid_from or owned.as_of) < since) is before


_CARRIER = re.compile(r"\b(mnc|mcc)\d{3}\b")


def _first_day(text: str) -> str:
    """The first day of a year, month or day."""
    return text + "-01-01"[(len(text) - 4) :] if len(text) < 10 else text[:10]


_ALIASES = {
    "name": "full_name",
    "phone": "phone_number",
    "mobile": "phone_number",
    "mail": "email",
    "e-mail": "email",
    "gaid": "advertising_id",
    "idfa": "advertising_id",
    "adid": "advertising_id",
    "aaid": "advertising_id",
    "android_id": "vendor_id",
    "idfv": "vendor_id",
    "birthday": "date_of_birth",
    "birth_date": "date_of_birth",
    "dob": "date_of_birth",
    "nik": "national_id_nik",
    "ktp": "national_id_nik",
    "address": "postal_address",
    "home_address": "postal_address",
    "gps": "gps_precise",
    "location": "gps_precise",
    "coordinates": "gps_precise",
    "latitude": "gps_precise",
    "longitude": "gps_precise",
    "lat": "gps_precise",
    "lon": "gps_precise",
    "lng": "gps_precise",
    "mac": "mac_address",
    "bssid": "wifi_bssid",
    "ssid": "wifi_ssid",
    "serial": "serial_number",
    "card": "payment_card",
    "card_number": "payment_card",
    "credit_card": "payment_card",
    "iban": "bank_account",
    "user_id": "account_id",
    "login": "username",
    "user": "username",
    "handle": "username",
    "message": "messages",
    "message_text": "messages",
    "chat": "messages",
    "chat_text": "messages",
    "search": "search_query",
    "search_term": "search_query",
    "token": "session_token",
    "passport": "government_id_other",
    "sex": "gender",
    "religion": "religion",
    "ip": "ip_address",
}
"""Usual names of a persona's values beside the ids and keys of data_types.yaml."""

__all__ = ["NodeReading", "Operator", "OperatorMatch", "Owner", "RangeHit", "Reference", "Version", "check"]
