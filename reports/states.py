"""Whose law: for every state alike, what reached a machine, a company, the owner of a machine or a parent there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reports.facts import LINKS, Extent, Facts, Host, surest


@dataclass(slots=True)
class Link:
    """One of the four ways by which a state's law reaches something."""

    hosts: list[Host] = field(default_factory=list)
    """By facts that were read and are of the capture's date; machines placed there at level 2 or better."""
    unsure: list[Host] = field(default_factory=list)
    """By facts from memory or of a later date; machines that weak evidence places there. Nothing of it is a finding."""
    companies: dict[str, float | None] = field(default_factory=dict)
    """Companies of the link with the share that is held, by id."""
    unsure_companies: dict[str, str | None] = field(default_factory=dict)
    """Likewise for the others, with the date for which the fact is known where it is not the capture's."""
    types: set[str] = field(default_factory=set)
    unsure_types: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    """Of the companies, those that the auditor's own data links to the state."""
    basis: dict[str, set[str]] = field(default_factory=dict)
    """By what each company belongs to the state: incorporated, seat, both, office."""
    received: dict[str, set[str]] = field(default_factory=dict)
    """Types that went to the hosts by which each company is linked."""
    statutes_read: set[str] = field(default_factory=set)
    """Statutes that reach by this link, that were read, and that touch a host of ``hosts`` that received something; any
    of ``hosts``, where none did."""

    def named(self, companies: Iterable[str]) -> list[str]:
        """Those that received something, most types first: who got nothing is not named beside what others got."""
        return sorted((c for c in companies if self.received.get(c)), key=lambda c: (-len(self.received[c]), c))

    @property
    def ground(self) -> str:
        """By what the companies that received something belong to the state: incorporated, seat, office; or mixed."""
        found = {b for c in self.named(self.companies) for b in self.basis.get(c, ())}
        for one in ("incorporated", "seat", "office"):
            if found and found <= {one, "both"} - ({"both"} if one == "office" else set()):
                return one
        return "mixed"

    @property
    def grade(self) -> str:
        """How sure the best place is, among the machines that received what is counted; of all, where none did."""
        return surest([h for h in self.hosts if h.firm] or self.hosts)


@dataclass(slots=True)
class State:
    code: str
    links: dict[str, Link]
    statutes: list[str] = field(default_factory=list)
    """Ids of its statutes that reach by one of these links, also of those that are known from memory."""
    statutes_unsure: set[str] = field(default_factory=set)
    """Those that were read and reach by any link, sure or not."""
    types: set[str] = field(default_factory=set)
    """Types that reached it by a sure link, each once."""
    unsure_types: set[str] = field(default_factory=set)
    level: int = 0
    """Best evidence level of a machine that is placed there."""

    @property
    def sure(self) -> bool:
        return any(link.hosts for link in self.links.values())

    @property
    def statutes_read(self) -> set[str]:
        """Statutes that were read and reach by the sure links."""
        return {s for link in self.links.values() for s in link.statutes_read}

    @property
    def researched(self) -> bool:
        """A statute of it was read that reaches by a sure link; by any, where none is sure."""
        return bool(self.statutes_read if self.sure else self.statutes_unsure)

    @property
    def extent(self) -> Extent:
        """How much of what the hosts of its sure links exchanged was understood."""
        return Extent.of({h.number: h for link in self.links.values() for h in link.hosts}.values())


def _is_sure(row: Mapping[str, object]) -> bool:
    level = row["level"]
    return row["confidence"] == "verified" and row["as_of"] is None and (level is None or int(str(level)) >= 2)


def gather(facts: Facts) -> list[State]:
    """Every state that any link of any host names, most types first; those without a sure link last."""
    found: dict[str, State] = {}
    statutes: dict[str, set[str]] = {}
    read: dict[tuple[str, str, bool], set[str]] = {}
    seen: set[tuple[str, str, int, bool]] = set()
    for host in facts.hosts:
        for row in host.links:
            if row["link"] not in LINKS:
                continue
            code = row["state"]
            state = found.setdefault(code, State(code, {link: Link() for link in LINKS}))
            statutes.setdefault(code, set()).update(row["statutes"] or ())
            state.statutes_unsure.update(row["statutes_read"] or ())
            link = state.links[row["link"]]
            company = row["company"]
            if company is not None and row.get("auditor_data"):
                link.own.add(company)
            if company is not None and row.get("basis"):
                link.basis.setdefault(company, set()).add(row["basis"])
            sure = _is_sure(row)
            # One host may have several links of a kind to a state: two parents, say.
            again = (code, row["link"], host.number, sure) in seen
            seen.add((code, row["link"], host.number, sure))
            if sure:
                read.setdefault((code, row["link"], bool(host.firm)), set()).update(row["statutes_read"] or ())
                if not again:
                    link.hosts.append(host)
                link.types |= host.firm
                state.types |= host.firm
                if company is not None:
                    link.companies.setdefault(company, row["share_percent"])
                    link.received.setdefault(company, set()).update(host.firm)
                if row["level"] is not None and host.firm:
                    state.level = max(state.level, row["level"])
            else:
                if not again:
                    link.unsure.append(host)
                link.unsure_types.update(host.types)
                state.unsure_types.update(host.types)
                if company is not None:
                    link.unsure_companies.setdefault(company, row["as_of"])
                    link.received.setdefault(company, set()).update(host.firm)
    for code, state in found.items():
        state.statutes = sorted(statutes[code])
        for name, link in state.links.items():
            link.statutes_read = read.get((code, name, bool(link.types)), set())
    return sorted(found.values(), key=lambda s: (not s.sure, -len(s.types), -len(s.unsure_types), s.code))
