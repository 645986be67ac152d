"""What a follower tells of a look: a comment for each of the proxy's flows, and a summary by place, operator and data
type. Both are drawn from the tables alone and hold no value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from analysis.model import METHODS, Direction, Origin
from analysis.reading_states import INSIDE, of_opaque
from analysis.tables import Tables

if TYPE_CHECKING:
    from analysis.reference import Reference

MOST_SENSITIVE = 4
"""Sensitivity of the data types for which a flow is marked."""
MOST_ROWS = 200
"""Rows of one list of a summary; ``left_out`` says how many more there are."""
_SHOWN_LEVEL = 2
"""Location evidence from which a country stands without a question mark."""
_STRENGTHS = ("firm", "weak")
_COUNTS = ("flows", "bytes_out", "bytes_in")
_NO_ANSWER = "no answer"
"""In place of the country of a machine that was only tried."""
_WHOSE = {"system": "system", "other": "other app"}
_SHARE_OF = {"sent": "app", **{whose: whose for whose in _WHOSE}}
"""Whose a transmission that left the phone is, by ``counts``."""


@dataclass(frozen=True, slots=True)
class Comment:
    """What a flow's line in the proxy's list says. ``marked``: a data type of the most sensitive class was sent,
    on more than a guess."""

    text: str
    marked: bool


def place(row: Mapping[str, Any]) -> str:
    """Where a destination stands, in a word: a country's code, with ``?`` where one weak source says so; ``local``,
    ``anycast``, or ``?``."""
    if row["country"] is not None:
        return str(row["country"]) if row["level"] >= _SHOWN_LEVEL else f"{row['country']}?"
    if row["reason"] == "reserved":
        return "local"
    return "anycast" if row["anycast"] else "?"


def operator(row: Mapping[str, Any]) -> str:
    """Who operates a destination, with ``?`` where that is from memory; ``?`` alone where it is not known."""
    if row["operator_name"] is None:
        return "?"
    name = str(row["operator_name"])
    return name if row["operator_confidence"] == "verified" else f"{name}?"


# ------------------------------------------------------------------------------------------------- comments


@dataclass(slots=True)
class _Flow:
    """What the tables say of one of the proxy's flows."""

    destinations: dict[int, None] = field(default_factory=dict)
    types: dict[str, dict[str, str]] = field(default_factory=lambda: {way: {} for way in get_args(Direction)})
    opaque: dict[str, None] = field(default_factory=dict)
    whose: dict[str, None] = field(default_factory=dict)


def comments(made: Tables, ids: Mapping[str, Mapping[int, str]], reference: Reference) -> dict[str, Comment]:
    """The comment of each flow, by the proxy's id. ``ids``: of the units of each source.

    ``ID · email, account_id · ← session_token · PT X``: places, data types that were sent (the most sensitive first,
    ``?`` where there are weak signs of it only), those that the proxy could not deliver, those that came back,
    operators; and ``system`` or ``other app`` where it is not known to be the app's. A list has room for twenty
    characters of it, and shows the host, which says most of the operator."""
    flows: dict[str, _Flow] = defaultdict(_Flow)
    sources = {str(Origin(name, (0,), "file", 0, 0)).partition("#")[0]: name for name in ids}

    def of(origin: str) -> str | None:
        source, _, units = origin.partition("!")[0].rpartition("#")
        known = ids.get(sources.get(source, ""))
        return None if known is None else known.get(int(units.partition(",")[0]))

    for origin, destination, whose in _rows(made["exchanges"], "origin", "destination", "whose"):
        flow = of(origin)
        if flow is not None and destination is not None:
            flows[flow].destinations.setdefault(destination)
            flows[flow].whose.setdefault(whose)
    of_number = {}
    for number, origin, destination, whose in _rows(made["flows"], "flow", "origin", "destination", "whose"):
        flow = of(origin)
        if flow is None:
            continue
        of_number[number] = flow
        if destination is not None and not flows[flow].destinations:
            flows[flow].destinations.setdefault(destination)
            flows[flow].whose.setdefault(whose)
    columns = ("origin", "direction", "data_type", "strength")
    for origin, direction, data_type, strength in _rows(made["transmissions"], *columns):
        flow = of(origin)
        if flow is not None:
            found = flows[flow].types[direction]
            found[data_type] = _surer(found.get(data_type), strength)
    for number, kind, cause in _rows(made["opaque"], "flow", "kind", "cause"):
        if number in of_number and of_opaque(kind) not in INSIDE:
            flows[of_number[number]].opaque.setdefault(cause or kind)
    places = {row["destination"]: row for row in made["destinations"].to_pylist()}
    sensitivity = {t.id: t.sensitivity for t in reference.data_types.values()}
    return {flow: _comment(told, places, sensitivity) for flow, told in flows.items()}


def _comment(told: _Flow, places: Mapping[int, Mapping[str, Any]], sensitivity: Mapping[str, int]) -> Comment:
    to = [places[d] for d in told.destinations if d in places]
    sent, received, kept = told.types["sent"], told.types["received"], told.types["undelivered"]
    parts = [
        ", ".join(dict.fromkeys(place(row) if row["answered"] is not False else _NO_ANSWER for row in to)),
        ", ".join(_doubted(sent, sensitivity)),
        "not delivered: " + ", ".join(_doubted(kept, sensitivity)) if kept else "",
        "← " + ", ".join(_doubted(received, sensitivity)) if received else "",
        "not opened: " + ", ".join(told.opaque) if told.opaque else "",
        ", ".join(dict.fromkeys(map(operator, to))),
        ", ".join(_WHOSE[whose] for whose in told.whose if whose in _WHOSE),
    ]
    marked = any(s == "firm" and sensitivity.get(t, 0) >= MOST_SENSITIVE for t, s in sent.items())
    return Comment(" · ".join(p for p in parts if p), marked)


def _doubted(types: Mapping[str, str], sensitivity: Mapping[str, int]) -> list[str]:
    """Data types, those that are only guessed last, then the most sensitive first."""
    order = sorted(types, key=lambda t: (types[t] == "weak", -sensitivity.get(t, 0), t))
    return [t if types[t] == "firm" else f"{t}?" for t in order]


def _surer(known: str | None, said: str) -> str:
    return said if known is None else min(known, said, key=_STRENGTHS.index)


def _rows(table: Any, *names: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(table[n].to_pylist() for n in names), strict=True)


# -------------------------------------------------------------------------------------------------- summary


@dataclass(slots=True)
class _Sum:
    """Destinations put together. Octets and flows count once, on the leg that counts."""

    flows: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    destinations: set[int] = field(default_factory=set)
    data_types: dict[str, str] = field(default_factory=dict)

    def told(self, sensitivity: Mapping[str, int]) -> dict[str, Any]:
        return {
            "flows": self.flows,
            "bytes_out": self.bytes_out,
            "bytes_in": self.bytes_in,
            "destinations": len(self.destinations),
            "data_types": _doubted(self.data_types, sensitivity),
        }


def summary(made: Tables, about: Mapping[str, Any], reference: Reference) -> dict[str, Any]:
    """The capture so far: totals, and lists by place and operator, by data type, of what could not be opened, of who
    spoke, of phases and marks, of losses and findings. Each list is cut at ``MOST_ROWS``, largest first.

    Data types are those that the app under test sent, with the messages that carried each, as the report counts them;
    what is no personal data is none. Places and operators say whose the traffic was."""
    rows = made["destinations"].to_pylist()
    sent: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    types: dict[str, dict[str, Any]] = {}
    by_number = {row["destination"]: row for row in rows}
    columns = ("message", "destination", "counts", "direction", "data_type", "method", "strength")
    for message, destination, counts, direction, data_type, method, strength in _rows(made["transmissions"], *columns):
        if direction != "sent" or counts not in _SHARE_OF:
            continue
        of_share = sent[destination, _SHARE_OF[counts]]
        of_share[data_type] = _surer(of_share.get(data_type), strength)
        if counts != "sent":
            continue
        told = types.setdefault(data_type, {"messages": set(), "to": set(), "method": method, "strength": strength})
        told["messages"].add(message)
        told["to"].add(destination)
        told["method"] = min(told["method"], method, key=METHODS.index)
        told["strength"] = _surer(told["strength"], strength)
    return {
        "flows": sum(r["flows"] for r in rows),
        "exchanges": made["exchanges"].num_rows,
        "messages": made["messages"].num_rows,
        "transmissions": made["transmissions"].num_rows,
        "bytes_out": sum(r["bytes_out"] for r in rows),
        "bytes_in": sum(r["bytes_in"] for r in rows),
        **_listed("destinations", _grouped(made, rows, _shares(made), sent, reference)),
        **_listed("apps", made["apps"].to_pylist()),
        **_listed("readable", made["readable"].to_pylist()),
        **_listed("data_types", _types(types, by_number, reference)),
        **_listed("opaque", _opaque(made)),
        "refused": _refused(made),
        **_listed("findings", _findings(made)),
        **_listed("losses", _losses(made)),
        "phases": about["manifest"]["phases"][-MOST_ROWS:],
        "marks": about["marks"][-MOST_ROWS:],
    }


def _listed(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    left = len(rows) - MOST_ROWS
    return {name: rows[:MOST_ROWS], **({f"{name}_left_out": left} if left > 0 else {})}


def _shares(made: Tables) -> dict[int, dict[str, list[int]]]:
    """Flows, octets out and octets in of each destination, by whose they are: the app's, and of what is left that of
    other apps and of the phone's own system."""
    others: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    names = ("destination", "whose", "same_as", "bytes_out", "bytes_in")
    for destination, whose, same_as, out, back in _rows(made["flows"], *names):
        if whose == "other" and same_as is None:
            for n, count in enumerate((1, out or 0, back or 0)):
                others[destination][n] += count
    found = {}
    for row in made["destinations"].to_pylist():
        number = row["destination"]
        app = [row[f"app_{name}"] for name in _COUNTS]
        rest = [row[name] - mine for name, mine in zip(_COUNTS, app, strict=True)]
        other = [min(pair) for pair in zip(others[number], rest, strict=True)]
        system = [left - theirs for left, theirs in zip(rest, other, strict=True)]
        shares = {whose: share for whose, share in (("app", app), ("other", other), ("system", system)) if any(share)}
        found[number] = shares or {"app" if row["system_noise"] is None else "system": app}
    return found


def _grouped(
    made: Tables,
    rows: list[dict[str, Any]],
    shares: Mapping[int, Mapping[str, list[int]]],
    sent: Mapping[tuple[int, str], Mapping[str, str]],
    reference: Reference,
) -> list[dict[str, Any]]:
    """Destinations by place, operator, whose traffic it was and class of system noise: what is not the app's, and what
    gave it no answer (``unanswered``), is shown apart."""
    sensitivity = {t.id: t.sensitivity for t in reference.data_types.values()}
    reached = {
        number
        for name in ("flows", "exchanges")
        for number, counts in _rows(made[name], "destination", "counts")
        if counts == "app"
    }
    sums: dict[tuple[Any, ...], _Sum] = defaultdict(_Sum)
    first: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        number = row["destination"]
        for whose, (flows, out, back) in shares[number].items():
            noise = row["system_noise"] if whose == "system" else None
            whose = "unanswered" if whose == "app" and number not in reached else whose
            key = (place(row), row["operator"], operator(row), noise, whose)
            first.setdefault(key, row)
            total = sums[key]
            total.flows += flows
            total.bytes_out += out
            total.bytes_in += back
            total.destinations.add(number)
            for data_type, strength in sent.get((number, whose), {}).items():
                total.data_types[data_type] = _surer(total.data_types.get(data_type), strength)
    told = []
    for key, total in sums.items():
        row = first[key]
        told.append(
            {
                "place": key[0],
                "country": row["country"],
                "operator": key[1],
                "operator_name": row["operator_name"],
                "operator_confidence": row["operator_confidence"],
                "parent_name": row["parent_name"],
                "system_noise": key[3],
                "whose": key[4],
                **total.told(sensitivity),
            }
        )
    return sorted(told, key=lambda r: (-r["bytes_out"], r["place"], r["operator_name"] or ""))


def _types(
    types: Mapping[str, Mapping[str, Any]], rows: Mapping[int, Mapping[str, Any]], reference: Reference
) -> list[dict[str, Any]]:
    made = []
    for data_type, told in types.items():
        to = [rows[d] for d in sorted(d for d in told["to"] if d in rows)]
        known = reference.data_types.get(data_type)
        made.append(
            {
                "data_type": data_type,
                "sensitivity": None if known is None else known.sensitivity,
                "messages": len(told["messages"]),
                "method": told["method"],
                "strength": told["strength"],
                "places": sorted({place(r) for r in to}),
                "operators": sorted({operator(r) for r in to}),
            }
        )
    return sorted(made, key=lambda r: (-(r["sensitivity"] or 0), -r["messages"], r["data_type"]))


def _opaque(made: Tables) -> list[dict[str, Any]]:
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for kind, cause, host, count, octets in _rows(made["opaque"], "kind", "cause", "host", "count", "bytes"):
        total = sums[(kind, cause, host)]
        total[0] += count or 0
        total[1] += octets or 0
    told = [
        {"kind": k, "cause": cause, "host": host, "count": n, "bytes": b} for (k, cause, host), (n, b) in sums.items()
    ]
    return sorted(told, key=lambda r: (-r["count"], r["kind"], r["host"] or ""))


def _refused(made: Tables) -> int:
    """Connections on which a certificate was refused; those that were passed through for it are none."""
    rows = _rows(made["opaque"], "kind", "cause", "count")
    return sum(n or 0 for kind, cause, n in rows if kind in ("ca_refused", "pinned") and cause != "passed_through")


def _findings(made: Tables) -> list[dict[str, Any]]:
    names = ("finding", "severity", "state", "wording", "level")
    return [dict(zip(names, row, strict=True)) for row in _rows(made["findings"], *names)]


def _losses(made: Tables) -> list[dict[str, Any]]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for kind, count, octets in _rows(made["losses"], "kind", "count", "bytes"):
        sums[kind][0] += count
        sums[kind][1] += octets
    return [{"kind": k, "count": n, "bytes": b} for k, (n, b) in sorted(sums.items())]
