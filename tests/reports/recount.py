"""Every number of a report once more, from the tables of the audit by code of its own: plain rows and sets, nothing of
``reports``. A sentence or a column for which nothing stands here has no recount, which is a failure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis import tables
from analysis.reference import Reference

Row = dict[str, Any]
_REACHED = ("understood", "part")
_QUIET = ("understood", "silent")


def number(value: int) -> str:
    return f"{value:,}"


def octets(value: int) -> str:
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= size:
            text = f"{value / size:,.0f}" if value >= 100 * size else f"{round(value / size, 1):,.1f}"
            return f"{text.removesuffix('.0')} {unit}"
    return f"{value} B"


def percent(part: int, whole: int) -> str:
    share = part / whole if whole else 0.0
    if 0 < share < 1:
        share = min(max(share, 0.01), 0.99)
    return f"{share * 100:.0f} %"


class Recount:
    def __init__(self, folder: Path) -> None:
        made, self.audit = tables.read(folder)
        self.reference = Reference.load()
        self.of: dict[str, list[Row]] = {name: table.to_pylist() for name, table in made.items()}
        self.place = {d["destination"]: d for d in self.of["destinations"]}
        self.hosts = self.went("app")
        rest = self.went("undelivered") - self.hosts
        self.tried = {h for h in rest if self.place[h]["answered"] is False}
        known = {self.place[h]["host"] for h in self.hosts if self.place[h]["host"]}
        self.unreached = {h for h in rest - self.tried if self.place[h]["host"] not in known}
        self.sent = [t for t in self.of["transmissions"] if t["counts"] == "sent"]
        self.firm = [t for t in self.sent if t["strength"] == "firm"]
        self.weak = [t for t in self.sent if t["strength"] == "weak"]
        self.types = {t["data_type"] for t in self.firm}
        self.weak_types = {t["data_type"] for t in self.weak} - self.types
        self.types_at: dict[int, set[str]] = defaultdict(set)
        for t in self.firm:
            self.types_at[t["destination"]].add(t["data_type"])
        self.flows = [f for f in self.of["flows"] if f["counts"] == "app"]
        self.closed = {h for h in self.hosts if self.reading(h) not in _QUIET}
        self.operators = {self.place[h]["operator"] for h in self.hosts} - {None}

    def went(self, counts: str) -> set[int]:
        return {r["destination"] for name in ("flows", "exchanges") for r in self.of[name] if r["counts"] == counts}

    def reading(self, host: int) -> str:
        return str(self.place[host]["app_reading"] or "silent")

    def extent(self, hosts: Iterable[int]) -> dict[str, str]:
        """How much of what some hosts exchanged was understood."""
        states = [self.reading(h) for h in hosts]
        read = sum(s in _REACHED for s in states)
        closed = [s for s in states if s not in _QUIET]
        none = sum(s not in _REACHED for s in closed)
        word = ("none" if read else "silent") if not closed else "all" if none == len(closed) else "some"
        return {"which": word if none or not closed else "part", "n": number(len(closed)), "none": number(none)}

    def bytes_by_state(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for r in self.of["readings"]:
            if r["whose"] == "app" and r["direction"] != "undelivered" and r["destination"] in self.hosts:
                found[r["state"]] += r["bytes"]
        return found

    def bodies(self, *states: str) -> int:
        return sum(
            r["bodies"]
            for r in self.of["readings"]
            if r["whose"] == "app"
            and r["direction"] != "undelivered"
            and r["destination"] in self.hosts
            and r["state"] in states
        )

    def sensitive(self, types: Iterable[str]) -> int:
        known = self.reference.data_types
        return sum(t in known and known[t].sensitivity >= 4 for t in types)

    def grounds(self, types: set[str]) -> tuple[int, int]:
        """Types of which it is only inferred, and of which nothing says, that the app sent them."""
        if not (self.audit.get("manifest") or {}).get("app", {}).get("id"):
            return 0, 0
        app_from = {f["flow"]: f["app_from"] for f in self.of["flows"]}
        known: dict[str, set[Any]] = defaultdict(set)
        for t in self.firm:
            known[t["data_type"]].add(app_from[t["flow"]])
        weaker = [known[t] for t in types if not known[t] & {"stated", "joined"}]
        inferred = sum("inferred" in g for g in weaker)
        return inferred, len(weaker) - inferred

    def placed(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for h in self.hosts:
            if self.place[h]["level"] >= 2 and self.place[h]["country"]:
                found[self.place[h]["country"]].add(h)
        return found

    def weakly(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for h in self.hosts:
            row = self.place[h]
            if row["level"] == 1 and row["country"] and not row["anycast"]:
                found[row["country"]].add(h)
        return found

    def companies(self) -> dict[str | None, set[int]]:
        found: dict[str | None, set[int]] = defaultdict(set)
        for h in self.hosts:
            found[self.place[h]["operator"]].add(h)
        return found

    def messages(self, sent: Iterable[Row], by: Callable[[Row], Any]) -> dict[Any, set[int]]:
        found: dict[Any, set[int]] = defaultdict(set)
        for t in sent:
            found[by(t)].add(t["message"])
        return found

    def states(self) -> dict[str, dict[str, Any]]:
        """By state and link: hosts of sure links, of unsure ones, and what reached them."""
        found: dict[str, dict[str, Any]] = {}
        for h in sorted(self.hosts):
            for link in self.place[h]["law_links"] or ():
                if link["link"] not in ("machine", "operator", "machine_owner", "parent"):
                    continue
                state = found.setdefault(
                    link["state"], {"sure": defaultdict(set), "unsure": defaultdict(set), "read": defaultdict(set)}
                )
                sure = link["confidence"] == "verified" and link["as_of"] is None
                sure = sure and (link["level"] is None or link["level"] >= 2)
                state["sure" if sure else "unsure"][link["link"]].add(h)
                if sure and link["statutes_read"] and self.types_at[h]:
                    state["read"][link["link"]].add(h)
        for state in found.values():
            state["hosts"] = set().union(*state["sure"].values())
            state["types"] = set().union(*(self.types_at[h] for h in state["hosts"]))
            doubted = set().union(*state["unsure"].values())
            state["doubted"] = set().union(*(self.types_at[h] for h in doubted)) - state["types"]
            state["closed"] = state["hosts"] & self.closed
            state["types_of"] = {
                link: set().union(*(self.types_at[h] for h in hosts)) for link, hosts in state["sure"].items()
            }
            state["compelled"] = set().union(*(state["types_of"][link] for link in state["read"]))
        return found

    def links(self) -> list[set[str]]:
        """Receivers of each identifier that is firm and went to more than one."""
        keys = {(t["value_key"], t["data_type"]) for t in self.firm}
        found = []
        for row in self.of["links"]:
            to = {
                str(self.place[p]["receiver"] or self.place[p]["operator"] or self.place[p]["host"])
                for p in row["destinations"]
                if p in self.hosts
            }
            if (row["value_key"], row["data_type"]) in keys and len(to) > 1:
                found.append(to)
        return found

    def findings(self, rule: str | None = None) -> list[dict[str, int]]:
        """What each finding counts, from the transmissions that it rests on."""
        by_number = {t["transmission"]: t for t in self.firm}
        found = []
        for row in self.of["findings"]:
            if rule not in (None, row["rule"]):
                continue
            rests = [by_number[n] for n in row["transmissions"]]
            places = {t["destination"] for t in rests}
            found.append(
                {
                    "n": len({t["data_type"] for t in rests}),
                    "hosts": len(places),
                    "companies": len({self.place[p]["operator"] for p in places} - {None}),
                }
            )
        return found

    def consent(self, kind: str) -> int:
        rows = [f for f in self.of["findings"] if f["wording"] == f"finding.consent.{kind}"]
        kinds = {t["transmission"]: t["data_type"] for t in self.firm}
        return len({kinds[n] for row in rows for n in row["transmissions"]})

    def rows(self) -> set[str]:
        """How many rows the tables have, as ``audit.json`` says."""
        return {number(n) for n in (self.audit.get("counts") or {}).values() if isinstance(n, int)}

    def bars(self) -> set[str]:
        """The seen bar as state and amount, for hosts, connections and content."""
        hosts = Counter(self.reading(h) for h in self.hosts)
        flows = Counter(f["reading"] for f in self.flows)
        made = {f"{state}: {number(n)}" for counts in (hosts, flows) for state, n in counts.items()}
        return made | {f"{state}: {octets(n)}" for state, n in self.bytes_by_state().items() if n}


def _n(*counts: int) -> list[dict[str, str]]:
    return [{"n": number(c)} for c in counts]


def _of(**values: Any) -> list[dict[str, str]]:
    return [{k: number(v) if isinstance(v, int) else str(v) for k, v in values.items()}]


def _per_state(pick: Callable[[dict[str, Any]], int]) -> Callable[[Recount], list[dict[str, str]]]:
    return lambda r: _n(*{pick(s) for s in r.states().values()})


def _weak_beside(r: Recount) -> list[dict[str, str]]:
    """Per finding: types of weak signs at hosts, phases or states of which nothing firm is in it."""
    found = set()
    for row in r.of["findings"]:
        args = {a["name"]: a["value"] for a in row["args"]}
        named = {t for t in (args.get("weak_types") or "").split(",") if t}
        assert named <= {t["data_type"] for t in r.weak}
        found.add(len(named))
    return _n(*found)


def _ways(r: Recount, *ways: str) -> list[dict[str, str]]:
    came = {
        (f["way"], *((f["src"], f["sport"], f["first"]) if f["sport"] is not None else (f["flow"],)))
        for f in r.of["flows"]
        if f["counts"] != "duplicate" and f["way"] in ways
    }
    return _n(len(came))


def _bar_head(r: Recount) -> list[dict[str, str]]:
    states = r.bytes_by_state()
    reached = sum(r.reading(h) in _REACHED for h in r.hosts)
    return _of(hosts=percent(reached, len(r.hosts)), octets=percent(states["understood"], sum(states.values())))


def _unseen(r: Recount) -> list[dict[str, str]]:
    none = sum(r.reading(h) not in _REACHED for h in r.closed)
    return _of(n=len(r.closed), total=len(r.hosts), none=none)


def _readable(r: Recount, what: str) -> list[dict[str, str]]:
    found = []
    for row in r.of["readable"]:
        if what == "hosts":
            found += _of(read=row["hosts_read"], part=row["hosts_part"], n=row["hosts"])
        elif what == "of":
            found += _of(read=row["connections_clear"] + row["connections_opened"], n=row["connections"])
        else:
            parts = (row["bytes_clear"], row["bytes_opened"], row["bytes"] - row["bytes_clear"] - row["bytes_opened"])
            found += [x for n in parts for x in _of(octets=octets(n), share=percent(n, row["bytes"]))]
    return found


def _what_answer(r: Recount) -> list[dict[str, str]]:
    received = [h for h in r.hosts if r.types_at[h]]
    known = {r.place[h]["operator"] for h in received} - {None}
    return _of(types=len(r.types), companies=len(known), unknown=sum(r.place[h]["operator"] is None for h in received))


def _refuted(r: Recount) -> list[int]:
    return [h for h in r.hosts if r.place[h]["refuted"]]


def _law(r: Recount) -> tuple[int, int, int]:
    states = r.states().values()
    reached = [s for s in states if s["types"]]
    read = sum(bool(s["read"]) for s in reached)
    return read, len(reached) - read, sum(bool(s["doubted"]) and not s["types"] for s in states)


def _who(r: Recount) -> list[dict[str, str]]:
    first = {r.place[h]["operator"] for h in r.hosts if r.place[h]["party"] == "first"} - {None}
    return _of(n=len(r.operators - first), all=len(r.operators))


def _columns_of_heat(r: Recount) -> int:
    found = 0
    weak_at = {r.place[t["destination"]]["operator"] for t in r.weak}
    for operator, hosts in r.companies().items():
        something = any(r.types_at[h] for h in hosts) or operator in weak_at or bool(hosts & r.closed)
        found += operator is not None or something
    return found


SENTENCES: Mapping[str, Callable[[Recount], list[dict[str, str]]]] = {
    "all.answer": lambda r: _of(
        n=len(r.hosts),
        system=len(r.went("system")),
        others=len(r.went("other")),
        unanswered=len(r.tried),
        unreached=len(r.unreached),
    ),
    "all.sent_note": lambda r: _of(n=len(r.sent), weak=len(r.weak)),
    "against.unread": lambda r: [r.extent(s["hosts"]) for s in r.states().values()],
    "against.weak": _per_state(lambda s: len(s["unsure"]["machine"])),
    "against.refuted": lambda r: _n(
        *{sum(code in (r.place[h]["refuted"] or ()) for h in r.hosts) for code in r.states()}
    ),
    "bar.head": _bar_head,
    "bar.head_hosts": _bar_head,
    "bar.system": lambda r: _n(len(r.went("system"))),
    "bar.others": lambda r: _n(len(r.went("other"))),
    "bar.unanswered": lambda r: _n(len(r.tried)),
    "bar.unreached": lambda r: _n(len(r.unreached)),
    "claim.same": lambda r: _n(*{len(to) - 1 for to in r.links()}),
    **{
        f"finding.destination.{kind}": lambda r: [
            {k: number(v) for k, v in f.items() if k != "companies"} for f in r.findings("DEST")
        ]
        for kind in ("own_word", "level1", "level2", "level3", "level4")
    },
    **{
        f"finding.consent.{kind}": lambda r: [{k: number(v) for k, v in f.items()} for f in r.findings("CONSENT")]
        for kind in ("before", "refused")
    },
    "finding.weak": _weak_beside,
    "finding.inferred": lambda r: _n(0, r.grounds(r.types)[0], *_per_finding(r, 0)),
    "finding.assumed": lambda r: _n(0, r.grounds(r.types)[1], *_per_finding(r, 1)),
    "heat.others": lambda r: _n(_columns_of_heat(r) - 16),
    "host.weak": lambda r: _n(
        *{len({t["data_type"] for t in r.weak if t["destination"] == h} - r.types_at[h]) for h in r.hosts}
    ),
    "extent": lambda r: [
        r.extent(hosts) for hosts in (*r.placed().values(), *(s["hosts"] for s in r.states().values()), ())
    ],
    "law.reached": lambda r: _of(n=sum(_law(r)[:2]), read=_law(r)[0], rest=_law(r)[1]),
    "law.sure_read": lambda r: _n(_law(r)[0]),
    "law.sure_blank": lambda r: _n(_law(r)[1]),
    "law.sure_memory": lambda r: _n(_law(r)[2]),
    "law.memory_only": lambda r: _n(_law(r)[2]),
    "level.hidden": lambda r: _n(*{d["level"] for d in r.place.values()}, 1),
    "links.caption": lambda r: _of(n=len(r.links()), receivers=len(set().union(*r.links()))),
    "map.hidden": lambda r: _n(
        sum(r.place[h]["level"] <= 1 and (not r.place[h]["country"] or bool(r.place[h]["anycast"])) for h in r.hosts)
    ),
    "map.refuted": lambda r: _n(*_refutations(r)),
    "map.refuted_short": lambda r: _n(*_refutations(r)),
    "minute.empty_apart": lambda r: _of(tried=len(r.tried) + len(r.unreached)),
    "minute.app_suggested": lambda r: _suggested(r),
    "method.duplicates": lambda r: _n(sum(f["counts"] == "duplicate" for f in r.of["flows"])),
    "place.level1": lambda r: _n(
        *{sum(w["kind"] == "database" for w in d["witnesses"] or ()) for d in r.place.values()}
    ),
    "readable.hosts": lambda r: _readable(r, "hosts"),
    "readable.of": lambda r: _readable(r, "of"),
    "readable.octets": lambda r: _readable(r, "octets"),
    "rings.bounded_text": lambda r: _n(sum(r.place[h]["level"] == 4 for h in r.hosts)),
    "rings.refuted_text": lambda r: _n(len(_refuted(r))),
    "rings.anycast_text": lambda r: _n(
        sum(
            bool(r.place[h]["anycast"]) and r.place[h]["level"] < 2 and r.place[h]["within_km"] is not None
            for h in r.hosts
        )
    ),
    "rings.unknown_text": lambda r: _n(sum(r.place[h]["level"] == 0 for h in r.hosts)),
    "rules.answer": lambda r: _of(
        **{k: sum(f["rule"] == k.upper() for f in r.of["findings"]) for k in ("reach", "dest", "consent")}
    ),
    "sankey.caption": lambda r: _of(weak=len(r.weak_types)),
    "state.clause.machine": lambda r: _clauses(r, "machine"),
    "state.clause.operator": lambda r: _clauses(r, "operator"),
    "state.clause.machine_owner": lambda r: _clauses(r, "machine_owner"),
    "state.clause.parent": lambda r: _clauses(r, "parent"),
    "state.hosts": lambda r: (
        [
            x
            for s in r.states().values()
            for hosts in s["sure"].values()
            for x in _of(n=len(hosts), closed=len(hosts & r.closed))
        ]
        + _of(n=0, closed=0)
    ),
    "state.memory": _per_state(lambda s: len(s["doubted"])),
    "state.memory_hosts": lambda r: _n(*{len(h) for s in r.states().values() for h in s["unsure"].values()}),
    "state.weak_machine": _per_state(lambda s: len(s["unsure"]["machine"])),
    "state.sensitive": lambda r: _n(*{r.sensitive(s["types"]) for s in r.states().values()}),
    "state.sentence": _per_state(lambda s: len(s["compelled"])),
    "state.sentence_not_researched": lambda r: _n(*{len(s["types"]) for s in r.states().values() if not s["read"]}),
    "state.sentence_unsure": _per_state(lambda s: len(s["doubted"])),
    "state.types": lambda r: _n(
        *{len(s["types"]) for s in r.states().values()},
        *{
            len(set().union(*(r.types_at[h] for h in hosts)))
            for s in r.states().values()
            for hosts in s["sure"].values()
        },
    ),
    "table.more": lambda r: _n(*(max(n - 500, 0) for n in (len(r.sent), len(r.hosts), len(r.closed)))),
    "unseen.answer": _unseen,
    "unseen.all_read": lambda r: _of(total=len(r.hosts)),
    "unseen.silent": lambda r: _of(total=len(r.hosts)),
    "unseen.app_not_told": lambda r: _n(sum(f["app_from"] is None for f in r.flows)),
    "unseen.not_understood": lambda r: _of(
        n=r.bodies("not_understood", "sealed"),
        octets=octets(r.bytes_by_state()["not_understood"] + r.bytes_by_state()["sealed"]),
    ),
    "way.tunnel": lambda r: _ways(r, "wireguard", "tun"),
    "way.told": lambda r: _ways(r, "regular", "upstream"),
    "way.socks5": lambda r: _ways(r, "socks5"),
    "way.led": lambda r: _ways(r, "transparent"),
    "way.local": lambda r: _ways(r, "local"),
    "way.reverse": lambda r: _ways(r, "reverse"),
    "what.answer": _what_answer,
    **{
        f"what.apart.{counts}": lambda r, c=counts: _n(sum(t["counts"] == c for t in r.of["transmissions"]))
        for counts in ("received", "not_personal", "system", "other")
    },
    "what.undelivered": lambda r: _n(sum(t["counts"] == "undelivered" for t in r.of["transmissions"])),
    "what.none_read": lambda r: _of(closed=len(r.closed), weak=len(r.weak_types)),
    "what.read": lambda r: _n(len(r.types)),
    "what.read_consent": lambda r: _of(n=len(r.types), before=r.consent("before"), refused=r.consent("refused")),
    "what.sensitive": lambda r: _n(r.sensitive(r.types)),
    "what.weak": lambda r: _n(len(r.weak_types)),
    "what.weak_only": lambda r: _n(len(r.weak_types)),
    "when.consent_none": lambda r: [r.extent(r.hosts)],
    "where.answer": lambda r: _of(n=len(_all(r.placed())), total=len(r.hosts), rest=len(r.hosts - _all(r.placed()))),
    "where.answer_refuted": lambda r: _of(
        n=sum(len(r.place[h]["refuted"] or ()) for h in r.hosts),
        hosts=len({r.place[h]["address"] for h in r.hosts if r.place[h]["refuted"]}),
    ),
    "where.best": lambda r: _n(*{d["best_level_here"] for d in r.place.values()} - {None}),
    "where.country": lambda r: _n(*map(len, r.placed().values())),
    "where.country_n": lambda r: _n(*map(len, r.placed().values())),
    "where.placed": lambda r: _n(len(r.placed())),
    "where.weak": lambda r: _n(len(r.weakly().keys() - r.placed().keys())),
    "where.weakly": lambda r: _n(*map(len, r.weakly().values())),
    "where.rest": lambda r: _of(n=len(r.hosts - _all(r.placed())), total=len(r.hosts)),
    "where.several": lambda r: _of(
        names=len({r.place[h]["host"] or r.place[h]["address"] for h in r.hosts}), pairs=len(r.hosts)
    ),
    "who.no_company": lambda r: _n(len(r.hosts)),
    "who.companies": lambda r: _of(
        n=len(r.operators),
        total=len(r.hosts),
        part=sum(r.place[h]["operator"] is not None for h in r.hosts),
    ),
    "who.rented": lambda r: _of(
        n=sum(bool(r.place[h]["rented_from_name"]) for h in r.hosts),
        owners=len({r.place[h]["rented_from_name"] for h in r.hosts} - {None}),
    ),
    "what.all_closed": lambda r: _n(len(r.hosts)),
    "who.sure_unknown": lambda r: _n(sum(r.place[h]["operator"] is None for h in r.hosts)),
    "who.unknown": lambda r: _n(sum(r.place[h]["operator"] is None for h in r.hosts)),
    "who.third": _who,
}
"""The numbers that a sentence may have: one dict for each time that it can stand; other arguments are no numbers."""

FREE = frozenset(
    """state.sentence_further state.sentence_unread where.no_finding
    claim.after claim.as_of claim.company claim.parent claim.phase claim.sentence claim.share claim.when
    company.of company.on fact.from fact.line fact.span fact.span_days fact.user heat.most heat.range host.weak_list
    law.not_researched list.more made.date_text made.persona_types map.listed map.phone_in method.how.endpoint
    method.how.key method.how.planted page.title phase.name place.doubtful place.level0 place.level1_anycast
    place.level4 place.lowered place.refuted place.weak print.foot ruler.doubtful ruler.left_out ruler.refuted
    ruler.weak sankey.folded sankey.further_companies sankey.further_short sankey.further_states sankey.further_types
    state.as_of state.memory_companies state.share table.csv timeline.more timeline.zone unit.bytes unit.gb unit.h
    unit.kb unit.km unit.mb unit.min unit.ms unit.s what.apart when.marks_more where.dated where.more
    capture_says.text method.losses""".split()
)
"""Times, dates, units and scales of pictures, names that hold digits, and how much of a list is left out: what they
are about is counted where it is counted."""


def _all(groups: Mapping[str, set[int]]) -> set[int]:
    return set().union(*groups.values())


def _per_finding(r: Recount, which: int) -> list[int]:
    kinds = {t["transmission"]: t["data_type"] for t in r.firm}
    return [r.grounds({kinds[n] for n in f["transmissions"]})[which] for f in r.of["findings"]]


def _refutations(r: Recount) -> set[int]:
    return set(Counter(c for h in r.hosts for c in r.place[h]["refuted"] or ()).values())


def _suggested(r: Recount) -> list[dict[str, str]]:
    flows = [f for f in r.of["flows"] if f["counts"] in ("app", "other")]
    named = Counter(f["app"] for f in flows if f["app"])
    return _of(n=max(named.values(), default=0), of=len(flows))


def _clauses(r: Recount, link: str) -> list[dict[str, str]]:
    found = []
    for state in r.states().values():
        hosts = state["sure"][link]
        machines = [r.place[h]["level"] for h in state["sure"]["machine"] if r.types_at[h]]
        types = set().union(*(r.types_at[h] for h in hosts))
        found += _of(n=len(types), **({"level": max(machines, default=0)} if link == "machine" else {}))
    return found


# ------------------------------------------------------------------------------------------------------ cells


def _cells_of_hosts(r: Recount, column: str) -> list[str]:
    made = []
    for h in r.hosts:
        messages = {(t["message"], t["data_type"]) for t in r.firm if t["destination"] == h}
        weak = {t["data_type"] for t in r.weak if t["destination"] == h} - r.types_at[h]
        known = bool(messages) or r.reading(h) == "understood"
        beside = {0: "", 1: "and weak signs of one"}.get(len(weak), f"and weak signs of {len(weak)}")
        if column == "types":
            made.append((number(len(r.types_at[h])) if known else "could not look everywhere") + beside)
        elif column == "messages":
            made.append(number(len(messages)) if known else "could not look everywhere")
        else:
            made.append(octets(r.place[h]["app_bytes_out"] or 0))
    return made


def _cells_of_kinds(r: Recount, column: str) -> list[str]:
    hosts, counts, sizes = defaultdict(set), Counter[str](), Counter[str]()
    counted = {f["flow"]: f["destination"] for f in r.flows}
    for row in r.of["opaque"]:
        if row["flow"] is None or row["flow"] in counted:
            counts[row["kind"]] += row["count"] or 1
            sizes[row["kind"]] += row["bytes"] or 0
            hosts[row["kind"]] |= {counted[row["flow"]]} if row["flow"] is not None else set()
    if column == "hosts":
        return [number(len(hosts[k])) for k in counts]
    return [number(n) for n in counts.values()] if column == "times" else [octets(sizes[k]) for k in counts]


def _cells_of_apps(r: Recount, column: str) -> list[str]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for f in r.of["flows"]:
        if f["counts"] in ("app", "other", "system"):
            groups[f["app"], f["app_from"], f["app_by"], f["whose"]].append(f)
    if not any(app_from for _, app_from, _, _ in groups):
        return []
    if column == "flows":
        return [number(len(g)) for g in groups.values()]
    if column == "hosts":
        return [number(len({f["destination"] for f in g})) for g in groups.values()]
    return [octets(sum((f["bytes_out"] or 0) + (f["bytes_in"] or 0) for f in g)) for g in groups.values()]


def _cells_of_countries(r: Recount) -> list[str]:
    made = []
    placed, weakly = r.placed(), r.weakly()
    for code in {*placed, *weakly}:
        hosts = placed.get(code, set()) | weakly.get(code, set())
        types = set().union(*(r.types_at[h] for h in hosts))
        sure = types or not placed.get(code, set()) & r.closed
        made.append(number(len(types)) if sure else "could not look everywhere")
    return made


def _cells_of_weak(r: Recount, column: str) -> list[str]:
    made = []
    for kind in r.weak_types:
        rows = [t for t in r.weak if t["data_type"] == kind]
        made.append(number(len({t[column] for t in rows})))
    return made


def _cells_of_phases(r: Recount, column: str) -> list[str] | None:
    phases = [p["phase"] for p in (r.audit.get("manifest") or {}).get("phases") or ()]
    if not phases:
        return None
    made = []
    outside = [None] if any(t["phase"] is None for t in r.firm) else []
    for name in [*dict.fromkeys(phases), *outside]:
        rows = [t for t in r.firm if t["phase"] == name]
        types = {t["data_type"] for t in rows}
        made.append(
            {
                "messages": number(len({t["message"] for t in rows})),
                "types": number(len(types)),
                "sensitive": number(r.sensitive(types)),
                "companies": number(len({r.place[t["destination"]]["operator"] for t in rows} - {None})),
            }[column]
        )
    return made


def heat(r: Recount) -> Counter[str]:
    """How often each number stands in the heat table, the columns beyond the sixteenth apart."""
    return Counter(
        number(len(messages))
        for messages in r.messages(r.firm, lambda t: (t["data_type"], r.place[t["destination"]]["operator"])).values()
    )


CELLS: Mapping[tuple[str, str], Callable[[Recount], list[str] | None]] = {
    ("t-hosts", "Types"): lambda r: _cells_of_hosts(r, "types"),
    ("t-hosts", "Messages"): lambda r: _cells_of_hosts(r, "messages"),
    ("t-hosts", "Sent"): lambda r: _cells_of_hosts(r, "sent"),
    ("t-hosts", "Answer, ms"): lambda r: [
        "" if (ms := r.place[h]["round_trip_ms"]) is None else f"{ms:,.1f}" for h in r.hosts
    ],
    ("t-kinds", "Hosts"): lambda r: _cells_of_kinds(r, "hosts"),
    ("t-kinds", "Times"): lambda r: _cells_of_kinds(r, "times"),
    ("t-kinds", "Bytes"): lambda r: _cells_of_kinds(r, "bytes"),
    ("t-unseen", "Bytes"): lambda r: [
        octets(
            sum(
                o["bytes"] or 0
                for f in r.flows
                if f["destination"] == h
                for o in r.of["opaque"]
                if o["flow"] == f["flow"]
            )
        )
        for h in r.closed
    ],
    ("t-apps", "Connections"): lambda r: _cells_of_apps(r, "flows"),
    ("t-apps", "Hosts"): lambda r: _cells_of_apps(r, "hosts"),
    ("t-apps", "Bytes"): lambda r: _cells_of_apps(r, "bytes"),
    ("t-countries", "Types"): _cells_of_countries,
    ("t-weak", "Messages"): lambda r: _cells_of_weak(r, "message"),
    ("t-weak", "Hosts"): lambda r: _cells_of_weak(r, "destination"),
    ("t-phases", "Messages with personal data"): lambda r: _cells_of_phases(r, "messages"),
    ("t-phases", "Types"): lambda r: _cells_of_phases(r, "types"),
    ("t-phases", "Most sensitive"): lambda r: _cells_of_phases(r, "sensitive"),
    ("t-phases", "Companies"): lambda r: _cells_of_phases(r, "companies"),
    ("stack", "Receivers"): lambda r: [number(len(to)) for to in r.links()[:50]],
    ("stack", "Times"): lambda r: [number(row["count"] or 0) for row in r.of["losses"]],
    ("stack", "Bytes"): lambda r: [octets(row["bytes"] or 0) for row in r.of["losses"]],
    ("t-files", "Size"): lambda r: [octets(row["bytes"] or 0) for row in r.of["sources"]],
}
"""What stands in a column, in any order; None: this capture does not say enough to recount it."""
