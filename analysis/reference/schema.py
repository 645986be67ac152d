"""The forms of the reference files. What a field means stands at the head of its YAML file.

``confidence`` is ``verified`` for what was read in a document named under ``source`` and ``recalled`` for what is
from memory: a recalled fact is shown as unconfirmed and never carries a finding.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Confidence = Literal["verified", "recalled"]
Kind = Literal["app vendor", "ad/analytics SDK", "cloud", "CDN", "telecom"]
"""What a company does. Networks of the last three carry other companies' machines."""
Where = Literal["query", "json", "form", "header", "cookie", "protobuf"]
Severity = Literal["info", "notice", "concern", "breach-candidate"]
Listed = Literal[
    "none",
    "listed-a-government-id",
    "listed-b-financial-account",
    "listed-c-device",
    "listed-d-demographic",
    "listed-e-advertising",
    "listed-f-account",
    "listed-g-network",
    "listed-h-call-detail",
    "covered-precise-geolocation",
    "covered-biometric",
    "covered-human-omic",
    "covered-personal-health",
    "covered-personal-financial",
]


class Record(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Base of all records: a field that is not declared is an error that names it."""


class Owned(Record, kw_only=True, frozen=True):
    """One statement about who owned a company, as its source dates it."""

    as_of: str
    owner: str
    share: str
    source: str
    share_percent: float | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    source_locator: str | None = None
    read_on: str | None = None
    confidence: Confidence | None = None
    """None: that of the record's corporate facts."""


class Operator(Record, kw_only=True, frozen=True):
    id: str
    name: str
    short: str | None = None
    """At most 15 characters, for narrow pictures, where the name is longer."""
    country_of_incorporation: str
    established_in: tuple[str, ...]
    parent: str | None
    parent_since: str | None = None
    parent_before: str | None = None
    ultimate_parent_country: str | None
    kind: tuple[Kind, ...]
    domain_suffixes: tuple[str, ...]
    domains_recalled: tuple[str, ...]
    asns: tuple[str, ...]
    asns_recalled: tuple[str, ...]
    ownership: tuple[Owned, ...]
    note: str | None = None
    source: str
    confidence: Confidence
    corporate_confidence: Confidence


class Vendor(Record, kw_only=True, frozen=True):
    name: str
    country: str | None = None
    group: str | None = None
    source: str | None = None
    confidence: Confidence = "recalled"
    note: str | None = None


class App(Record, kw_only=True, frozen=True):
    id: str
    name: str
    category: str
    operator: str | None = None
    operator_confidence: Confidence | None = None
    vendor: dict[str, Any] | None = None
    android: tuple[str, ...] = ()
    ios: tuple[str, ...] = ()
    ids_recalled: tuple[str, ...] = ()
    variants: dict[str, str] = {}
    markets: tuple[str, ...]
    domains: tuple[str, ...]
    domains_recalled: tuple[str, ...] = ()
    note: str | None = None
    source: str
    confidence: Confidence
    as_of: str


class Noise(Record, kw_only=True, frozen=True):
    """What a phone contacts by itself."""

    id: str
    kind: Literal["host", "package", "process", "agent"]
    class_: str = msgspec.field(name="class")
    platform: Literal["android", "ios", "any", "lab"]
    operator: str | None = None
    operator_confidence: Confidence | None = None
    vendor: dict[str, Any] | None = None
    hosts: tuple[str, ...] = ()
    hosts_recalled: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    android: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    """Products as they stand first in ``User-Agent`` (RFC 9110 section 10.1.5), without version."""
    purpose: str
    purpose_confidence: Confidence | None = None
    note: str | None = None
    source: str
    confidence: Confidence
    as_of: str


class Country(Record, kw_only=True, frozen=True):
    code: str
    alpha3: str
    en: str
    id: str
    groups: tuple[str, ...]


class Group(Record, kw_only=True, frozen=True):
    description: str
    members: tuple[str, ...]
    codes: tuple[str, ...] = ()
    """Codes of no single country, that a database may return."""
    note: str | None = None
    source: str
    confidence: Confidence


class ValueDetector(Record, kw_only=True, frozen=True):
    validator: str
    description: str


class DataType(Record, kw_only=True, frozen=True):
    id: str
    label_en: str
    label_id: str
    short_en: str | None = None
    """At most 15 characters, for narrow pictures, where the label is longer."""
    short_id: str | None = None
    group: str
    sensitivity: Literal[0, 1, 2, 3, 4]
    apple_privacy_label: str
    google_play_type: str
    udpdp: Literal["specific", "general", "none"]
    gdpr_art9: bool
    us_28cfr202: Listed
    example_keys: tuple[str, ...]
    value_detector: ValueDetector
    source: str
    confidence: Confidence
    keys_confidence: Confidence


class EndpointField(Record, kw_only=True, frozen=True):
    id: str
    where: Where
    field: str
    data_type: str
    confidence: Confidence
    note: str | None = None


class Endpoint(Record, kw_only=True, frozen=True):
    id: str
    operator: str
    host_pattern: str
    path_pattern: str
    note: str | None = None
    source: str
    confidence: Confidence
    fields: tuple[EndpointField, ...]


class Statute(Record, kw_only=True, frozen=True):
    id: str
    country: str
    reaches: tuple[str, ...]
    statute: str
    article: str
    year: int
    in_force_since: str
    status: str
    reach_en: str
    reach_id: str
    limits_en: str
    cannot_show: str
    source: str
    confidence: Confidence


class CodeList(Record, kw_only=True, frozen=True):
    note: str
    source: str
    confidence: Confidence
    codes: dict[str, str | None] = {}
    names: dict[str, str] = {}
    """Codes of one country's parts; ``country`` is what each of them means."""
    country: str | None = None
    letters: dict[str, str] = {}
    """Letters that stand for letters of the next list's codes."""
    alpha2: bool = False
    """True where every country's alpha-2 code stands for itself, beside ``codes``."""

    def read(self, word: str) -> str | None:
        """The country or the next list's code that a word stands for, in the word's case or another."""
        if self.letters:
            return "".join(self.letters.get(letter, "?") for letter in word.lower())
        for spelling in (word, word.lower(), word.upper()):
            if spelling in self.names:
                return self.country
            if spelling in self.codes:
                return self.codes[spelling]
        return None


class NodeCode(Record, kw_only=True, frozen=True):
    id: str
    writer: str
    operator: str | None = None
    where: Literal["header", "host", "reverse", "body"]
    name: str
    pattern: str
    group: int
    take: Literal["first", "last"]
    list: str | tuple[str, ...] | None
    code_is: Literal["ipv4"] | None = None
    country: str | None = None
    codes: dict[str, str] | None = None
    means: str
    example: str
    shows: Literal["edge", "region", "origin", "home_region"]
    anycast: bool | None
    wrong: str
    source: str
    confidence: Confidence
    reading: Confidence


class AnycastKind(Record, kw_only=True, frozen=True):
    """A kind of network that uses anycast. It fits an address by any of its lists."""

    id: str
    kind: Literal["name server", "content network", "accelerator", "front door"]
    what: str
    networks: tuple[str, ...] = ()
    asns: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    hosts: tuple[str, ...] = ()
    source: str
    confidence: Confidence


class NeverAPlace(Record, kw_only=True, frozen=True):
    what: str
    why: str
    source: str
    confidence: Confidence


class Rule(Record, kw_only=True, frozen=True):
    id: str
    regime: str
    title_en: str
    title_id: str
    as_of: str
    in_force_since: str | None
    in_force_note: str | None = None
    subject_country: str
    when: dict[str, Any]
    severity: Severity
    claim_en: str
    claim_id: str
    needs_evidence: tuple[str, ...]
    cannot_show: tuple[str, ...]
    thresholds: dict[str, Any] = {}
    covered_person_share_percent: int | None = None
    precise_geolocation_metres: int | None = None
    stake_percent: int | None = None
    statutes: tuple[str, ...] = ()
    symmetry: str | None = None
    notes: str | None = None
    source: str
    confidence: Confidence


class NamedSet(Record, kw_only=True, frozen=True):
    description: str
    members: tuple[str, ...]


class Statement(Record, kw_only=True, frozen=True):
    id: str
    subject: str
    speaker: str
    date: str
    users: tuple[str, ...]
    says_en: str
    says_id: str
    declares: dict[str, Any]
    testable_by_traffic: str
    source: str
    confidence: Confidence


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    schema: str
    as_of: str


class Operators(_File, kw_only=True, frozen=True):
    operators: list[Operator]


class Apps(_File, kw_only=True, frozen=True):
    apps: list[App]
    system_noise: list[Noise] = []


class Countries(_File, kw_only=True, frozen=True):
    source: str
    confidence: Confidence
    groups: dict[str, Group]
    countries: list[Country]


class DataTypes(_File, kw_only=True, frozen=True):
    legend: dict[str, Any]
    data_types: list[DataType]


class Endpoints(_File, kw_only=True, frozen=True):
    endpoints: list[Endpoint]


class LawReach(_File, kw_only=True, frozen=True):
    law_reach: list[Statute]


class Anycast(_File, kw_only=True, frozen=True):
    anycast: list[AnycastKind]


class NodeCodes(_File, kw_only=True, frozen=True):
    lists: dict[str, CodeList]
    codes: list[NodeCode]
    never_a_place: list[NeverAPlace]


class Regimes(_File, kw_only=True, frozen=True):
    condition_language: dict[str, Any]
    data_type_sets: dict[str, NamedSet]
    operator_sets: dict[str, NamedSet]
    regimes: list[Rule]


class Statements(_File, kw_only=True, frozen=True):
    statements: list[Statement]


FILES: dict[str, type[_File]] = {
    "operators": Operators,
    "anycast": Anycast,
    "apps": Apps,
    "countries": Countries,
    "data_types": DataTypes,
    "endpoints": Endpoints,
    "law_reach": LawReach,
    "node_codes": NodeCodes,
    "regimes": Regimes,
    "statements": Statements,
}
