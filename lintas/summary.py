"""What ``lintas audit`` says in the terminal when it is done: the four axes in a few lines, and what was not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.reading_states import UNDERSTOOD
from lintas.terminal import READING, labelled, printable

_OF_THE_SERVER = "server_certificate"
_SERVERS = (
    "the certificate of {hosts} did not hold for the proxy: requests that it read there were not handed on; if a "
    "private authority issued it, record with --set ssl_verify_upstream_trusted_ca=FILE (that authority's certificate, "
    "PEM)"
)
_APART = {"other": "other apps", "system": "the phone's own system or the local network"}


def show(out: Path) -> None:
    """Print the audit in ``out`` in a few lines."""
    labelled(lines(out))


def lines(out: Path) -> list[tuple[str, str]]:
    """The lines as (label, text): seen, where, who, what, unread, lost."""
    from analysis import tables
    from reports.facts import apart

    made, about = tables.read(out)
    flows, exchanges = (made[name].select(["destination", "counts"]).to_pylist() for name in ("flows", "exchanges"))
    went = {
        counts: {r["destination"] for r in (*flows, *exchanges) if r["counts"] == counts}
        for counts in ("app", "undelivered", *_APART)
    }
    places = {d["destination"]: d for d in made["destinations"].to_pylist()}
    hosts = [d for n, d in places.items() if n in went["app"]]
    beside = [f"{len(went[w])} of {words}" for w, words in _APART.items() if went[w]]
    silent, unreached = apart(places, went["undelivered"], went["app"])
    if silent:
        beside.append(f"{len(silent)} that nothing reached or that gave no answer")
    if unreached:
        beside.append(f"{len(unreached)} that no request is shown to have reached")
    found = [
        (
            "Seen",
            f"{_n(_counted(exchanges), 'exchange')} in {_n(_counted(flows), 'flow')} with "
            f"{_n(len(hosts), 'destination')}" + (f", and apart {' and '.join(beside)}" if beside else ""),
        ),
        ("Where", (_DOUBTFUL if about.get("vantage_doubtful") else "") + _where(hosts)),
        ("Who", _who(hosts)),
        ("What", _what(made["transmissions"].select(["counts", "data_type", "method", "strength"]).to_pylist())),
    ]
    told = _told(made["flows"].select(["counts", "app_from"]).to_pylist())
    if told:
        found.insert(1, ("Apps", told))
    octets = Counter[str]()
    for row in made["readings"].to_pylist():
        if row["whose"] == "app" and row["direction"] != "undelivered" and row["destination"] in went["app"]:
            octets[row["state"]] += row["bytes"]
    if octets.total() > octets[UNDERSTOOD]:
        found.append(("Unread", _unread(octets)))
    not_trusted = {row["host"] or "?" for row in made["opaque"].to_pylist() if row["cause"] == _OF_THE_SERVER}
    if not_trusted:
        found.append(("Servers", _SERVERS.format(hosts=_n(len(not_trusted), "server"))))
    lost = Counter[str]()
    for kind, count in zip(made["losses"]["kind"].to_pylist(), made["losses"]["count"].to_pylist(), strict=True):
        lost[kind] += count or 0
    if lost:
        named = [f"{kind.replace('_', ' ')} {printable(n)}" for kind, n in lost.most_common(6)]
        more = len(lost) - len(named)
        listed = ", ".join(named) + (f" and {_n(more, 'other kind')}" if more else "")
        found.append(("Lost", f"of all that the files hold: {listed}"))
    findings = made["findings"].num_rows
    rests = f"{printable(findings)}; the report says what each rests on, and what was not seen"
    found.append(("Findings", rests if findings else "none; the report says what was not seen"))
    return found


def _counted(rows: list[dict[str, Any]]) -> int:
    return sum(row["counts"] == "app" for row in rows)


def _told(rows: list[dict[str, Any]]) -> str:
    """How it is known that the app spoke, where anything says so: flows by ground, and those of nobody known."""
    flows = Counter(row["app_from"] or "assumed" for row in rows if row["counts"] == "app")
    if not flows.keys() - {"assumed"}:
        return ""
    named = [
        f"{ground} for {_n(flows[ground], 'flow')}" for ground in ("stated", "joined", "inferred") if flows[ground]
    ]
    rest = f"; for {_n(flows['assumed'], 'flow')} nothing says which app spoke" if flows["assumed"] else ""
    return "that the app itself spoke is " + ", ".join(named) + rest


def _n(count: int, thing: str) -> str:
    return f"{printable(count)} {thing}{'' if count == 1 else 's'}"


_DOUBTFUL = "the stated vantage is doubtful, so no time of an answer counts; "


def _where(hosts: list[dict[str, Any]]) -> str:
    from analysis.reference import Reference

    countries = Reference.load().countries
    placed = Counter(d["country"] for d in hosts if d["level"] >= 2 and d["country"])
    rest = len(hosts) - sum(placed.values())
    named = [f"{countries[c].en if c in countries else c} {n}" for c, n in placed.most_common(8)]
    more = len(placed) - len(named)
    if not hosts:
        return "no destination is counted"
    text = ", ".join(named) + (f" and {more} more" if more else "") or "no country is shown"
    return text + (f"; for {_n(rest, 'destination')} no country is shown" if rest and placed else "")


def _who(hosts: list[dict[str, Any]]) -> str:
    if not hosts:
        return "no destination is counted"
    known = {d["operator"] for d in hosts if d["operator"]}
    unknown = sum(1 for d in hosts if not d["operator"])
    owners = {d["rented_from_name"] for d in hosts if d["rented_from_name"]}
    rented = sum(1 for d in hosts if d["rented_from_name"])
    parts = []
    if known:
        operate = "company operates" if len(known) == 1 else "companies operate"
        parts.append(f"{printable(len(known))} {operate} {_n(len(hosts) - unknown, 'destination')}")
    if unknown:
        parts.append(f"the operator of {_n(unknown, 'destination')} is not known")
    if rented:
        of = printable(*owners) if len(owners) == 1 else f"{printable(len(owners))} companies that rent machines out"
        parts.append(f"{_n(rented, 'destination')} {'is' if rented == 1 else 'are'} on machines of {of}")
    return "; ".join(parts)


def _what(rows: list[dict[str, Any]]) -> str:
    sent = [r for r in rows if r["counts"] == "sent"]
    types = {r["data_type"] for r in sent if r["strength"] == "firm"}
    planted = {r["data_type"] for r in sent if r["method"] == "planted"}
    weak = {r["data_type"] for r in sent} - types
    kept = sum(r["counts"] == "undelivered" for r in rows)
    told = "no personal data was read" + (" on firm ground" if weak else " on its way to a destination")
    if types:
        told = f"{_n(len(types), 'type')} of personal data left the phone, {_by_planted(len(planted), len(types))}"
    if weak:
        told += f"; weak signs of {_n(len(weak), 'further type' if types else 'type')} are not counted"
    stand = "stands" if kept == 1 else "stand"
    return told + (f"; {_n(kept, 'field')} {stand} in requests that are not shown to have arrived" if kept else "")


def _by_planted(planted: int, types: int) -> str:
    if types == 1:
        return "known by a planted value" if planted else "not known by a planted value"
    return f"{printable(planted) if planted else 'none'} of them known by planted values"


def _unread(octets: Mapping[str, int]) -> str:
    total = sum(octets.values())
    closed = total - octets.get(UNDERSTOOD, 0)
    share = closed / total
    if 0 < share < 1:
        share = min(max(share, 0.01), 0.99)
    named = [(s, n) for s, n in sorted(octets.items(), key=lambda o: -o[1]) if s != UNDERSTOOD and n]
    return f"{share:.0%} of the bytes" + (": " + ", ".join(f"{READING[s]} {printable(n)}" for s, n in named)) * bool(
        named
    )
