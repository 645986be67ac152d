"""Who: the company that operates a host, the one that rents the machine out, and the owners on the capture's day.

A domain names its operator. A network names who owns the address: the operator itself where no name is known and the
company hosts nobody else, otherwise only the one that the machine is rented from. Ownership is that of the day; what
is known for a later day only is given "as of" that day and carries no finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from analysis.folder import Manifest
from analysis.reference.suffixes import registered

if TYPE_CHECKING:
    from analysis.reference import Operator, Reference

MACHINE = frozenset({"data-stored", "computer-resource", "computer-in-or-from-SG", "traffic-transit"})
"""Words of ``reaches`` in law_reach.yaml by which a statute reaches what stands in the state."""
COMPANY = frozenset(
    {
        "incorporated",
        "established",
        "provider-subject-to-jurisdiction",
        "network-operator",
        "provides-service",
        "listed-service",
        "private-ESP",
        "public-ESP",
        "data-fiduciary",
        "group-has-establishment",
        "offers-services-in-EU",
        "collects-in-BR",
        "provides-service-in-UK",
        "provides-service-in-AU",
        "provides-service-in-VN",
    }
)
"""Those by which a statute reaches a company that is formed or run there, whoever its users are. What reaches by who
the user is (``collects-from-citizens``) stands in neither: no capture shows whose citizen a user is."""
PARENT = COMPANY | {"parent-controlled"}

HOSTING = frozenset({"cloud", "CDN", "telecom"})
"""Kinds of company whose networks carry other companies' machines."""


def reaches(link: Mapping[str, Any]) -> bool:
    """Whether a link of a destination to a state may carry a finding: its facts were read and are of the capture's
    date, and a machine is placed there by more than one weak source (level 2). Other links are shown, and said to be
    weak."""
    return link["confidence"] == "verified" and link["as_of"] is None and (link["level"] is None or link["level"] >= 2)


@dataclass(frozen=True, slots=True)
class Network:
    """The network of an address: its number, its registered name, and its operator where the reference knows it."""

    asn: int | None = None
    name: str | None = None


@dataclass(slots=True)
class Who:
    """What is known of the companies behind one destination."""

    asn: int | None = None
    network: str | None = None
    operator: str | None = None
    operator_name: str | None = None
    operator_from: str | None = None
    operator_confidence: str | None = None
    operator_country: str | None = None
    as_of: str | None = None
    rented_from: str | None = None
    rented_from_name: str | None = None
    parent: str | None = None
    parent_name: str | None = None
    parent_country: str | None = None
    parent_confidence: str | None = None
    parent_share_percent: float | None = None
    party: str = "unknown"
    content_network: bool = False
    """The address lies in a network that serves others' content from many places."""
    seats: list[dict[str, Any]] = field(default_factory=list)
    """Links of companies to states: state, link, company, share_percent, as_of, confidence, basis, auditor_data."""
    auditor_data: list[str] = field(default_factory=list)
    """Which of operator, rented_from, parent and party rest on the auditor's own records."""
    reference: Reference | None = None
    day: date | None = None

    def law_links(self, country: str | None, level: int) -> list[dict[str, Any]]:
        """Every link from this destination to a state, by one rule for all states: the machine that stands there, the
        operator, the owner of the machine and the parents formed or established there. Each names those statutes of
        the state that reach by this kind of link."""
        links = []
        if country is not None and level > 0:
            machine = _company_link(country, "machine", None, None, None, "verified", None, False)
            links.append(self._link(machine, MACHINE, level))
        links += [self._link(s, PARENT if s["link"] == "parent" else COMPANY) for s in self.seats]
        return links

    def _link(self, link: Mapping[str, Any], touches: frozenset[str], level: int | None = None) -> dict[str, Any]:
        assert self.reference is not None
        statutes = [s for s in self.reference.statutes_of(link["state"], self.day) if touches & set(s.reaches)]
        return {
            **link,
            "level": level,
            "statutes": [s.id for s in statutes],
            "statutes_read": [s.id for s in statutes if s.confidence == "verified"],
        }


def _company_link(
    state: str | None,
    link: str,
    company: str | None,
    share: float | None,
    as_of: str | None,
    confidence: str,
    basis: str | None,
    own: bool,
) -> dict[str, Any]:
    return {
        "state": state,
        "link": link,
        "company": company,
        "share_percent": share,
        "as_of": as_of,
        "confidence": confidence,
        "basis": basis,
        "auditor_data": own,
    }


def receiver(operator: str | None, host: str | None, address: str | None) -> str | None:
    """One key for each company that receives: its id, else the domain that somebody registered (Public Suffix List,
    whose private part tells the customers of one host apart), else the address."""
    if operator is not None or host is None:
        return operator or address
    name = host.lower().rstrip(".")
    return registered(name) or name


def identify(host: str | None, network: Network, manifest: Manifest, reference: Reference, day: date) -> Who:
    """The companies behind a host at an address in ``network`` on ``day``."""
    who = Who(asn=network.asn, network=network.name, reference=reference, day=day)
    by_host = reference.operator_by_host(host) if host is not None else None
    by_network = reference.operator_by_asn(network.asn) if network.asn is not None else None
    owner = by_network.operator if by_network is not None else None
    who.content_network = owner is not None and "CDN" in owner.kind and "cloud" not in owner.kind
    operator = None
    if by_host is not None:
        operator, who.operator_from, who.operator_confidence = by_host.operator, "domain", by_host.confidence
    elif host is None and by_network is not None and owner is not None and not HOSTING & set(owner.kind):
        operator, who.operator_from, who.operator_confidence = owner, "network", by_network.confidence
    if operator is not None:
        who.operator, who.operator_name = operator.id, operator.name
        who.operator_country = operator.country_of_incorporation
        _companies(who, "operator", operator, who.operator_confidence or "recalled", reference, day)
    hosted = owner is not None and bool(HOSTING & set(owner.kind))
    if hosted and owner is not None and by_network is not None:
        same = operator is not None and same_group(owner.id, operator.id, reference, day)
        if not same:
            who.rented_from, who.rented_from_name = owner.id, owner.name
            _seats(who, "machine_owner", owner, by_network.confidence, None, None, _is_own(owner, reference))
            who.auditor_data += ["rented_from"] * _is_own(owner, reference)
    who.party = _party(host, operator.id if operator is not None else None, manifest, reference, day)
    app = reference.app(manifest.app.id, manifest.app.platform) if manifest.app.id is not None else None
    by_own_app = app is not None and reference.is_own("apps", app.id)
    if who.party != "unknown" and (by_own_app or "operator" in who.auditor_data):
        who.auditor_data.append("party")
    return who


def _is_own(company: Operator | None, reference: Reference) -> bool:
    return company is not None and reference.is_own("operators", company.id)


def _companies(who: Who, link: str, operator: Operator, confidence: str, reference: Reference, day: date) -> None:
    """The operator's own seats, then those of each owner above it."""
    own = _is_own(operator, reference)
    who.auditor_data += [link] * own
    _seats(who, link, operator, confidence, None, None, own)
    if operator.parent is None and operator.ultimate_parent_country not in (
        None,
        operator.country_of_incorporation,
    ):
        # A group run from another state than its holding's seat: its own record says so, and no company above it does.
        _seat(
            who,
            "parent",
            operator,
            operator.ultimate_parent_country,
            confidence,
            None,
            None,
            "seat",
            own,
        )
    chain = reference.ownership_chain(operator.id, day)
    sure, as_of = confidence, None
    for owner in chain:
        # A chain is as sure, and of as early a day, as its weakest step: who owns a later owner is no owner of then.
        sure = "verified" if sure == owner.confidence == "verified" else "recalled"
        as_of = max(filter(None, (as_of, owner.as_of)), default=None)
        own = own or _is_own(owner.operator, reference)
        if owner.operator is not None:
            _seats(who, "parent", owner.operator, sure, owner.share_percent, as_of, own)
    if chain:
        top = chain[-1]
        who.parent, who.parent_name = top.id or top.name, top.name
        who.parent_country = _run_from(top.operator) if top.operator is not None else top.country
        who.parent_confidence = sure
        # What the first owner holds is no share of the last.
        who.parent_share_percent = top.share_percent if len(chain) == 1 else None
        who.as_of = as_of
        who.auditor_data += ["parent"] * own


def _run_from(company: Operator) -> str | None:
    """The state that a company is run from. Where it has an owner, that state is the owner's, who may be one of a
    later day: then only the state in which it was formed is its own."""
    own = company.ultimate_parent_country if company.parent is None else None
    return own or company.country_of_incorporation


def _seats(
    who: Who, link: str, company: Operator, confidence: str, share: float | None, as_of: str | None, own: bool
) -> None:
    """The states in which a company was formed, is run from, or has an office. Offices are from memory unless the
    company is run from there, so only seat and main office can carry a finding."""
    formed, run_from = company.country_of_incorporation, _run_from(company)
    states = [formed, run_from] if link == "parent" else [formed]
    for state in dict.fromkeys([*states, *company.established_in]):
        main = state in (formed, run_from)
        _seat(
            who,
            link,
            company,
            state,
            confidence if main else "recalled",
            share,
            as_of,
            _basis(company, state),
            own,
        )


def _basis(company: Operator, state: str) -> str:
    """By what a company belongs to a state: it is ``incorporated`` there, it has its ``seat`` there (it is run from
    there), ``both``, or an ``office`` alone."""
    run_from = company.ultimate_parent_country if company.parent is None else None
    if state == company.country_of_incorporation:
        return "both" if state == run_from else "incorporated"
    return "seat" if state == run_from else "office"


def _seat(
    who: Who,
    link: str,
    company: Operator,
    state: str | None,
    confidence: str,
    share: float | None,
    as_of: str | None,
    basis: str,
    own: bool,
) -> None:
    sure = "verified" if confidence == company.corporate_confidence == "verified" else "recalled"
    who.seats.append(_company_link(state, link, company.id, share, as_of, sure, basis, own))


def same_group(one: str, other: str, reference: Reference, day: date) -> bool:
    """True when two companies have a company in common among themselves and their owners on that day."""

    def names(operator: str) -> set[str]:
        return {operator} | {o.id for o in reference.ownership_chain(operator, day) if o.id is not None}

    return bool(names(one) & names(other))


def _party(host: str | None, operator: str | None, manifest: Manifest, reference: Reference, day: date) -> str:
    """``first`` for the maker of the app under test and its group, ``third`` for anybody else that is known."""
    vendor, domains = reference.vendor_of(manifest.app.id, manifest.app.platform, manifest.app.vendor)
    # A public suffix, like ``com``, is nobody's.
    domains = [d for d in (*domains, *manifest.app.domains) if registered(d.lower()) is not None]
    if host is not None and any(host == d or host.endswith("." + d) for d in domains):
        return "first"
    if vendor is None or operator is None:
        return "unknown"
    return "first" if operator == vendor or same_group(operator, vendor, reference, day) else "third"
