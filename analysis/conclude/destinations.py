"""Destinations: every pair of host and address that something went to, and what is known of it on four axes.

The axes stay apart. WHERE comes from ``locate``, WHO from the names and networks of the reference data, WHOSE LAW
from the companies' seats and owners on the day of the capture; WHAT stands in the transmissions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analysis.conclude import answered
from analysis.conclude.locate.level import Place, Stance, place
from analysis.conclude.locate.time import RoundTrip, round_trips
from analysis.conclude.locate.vantage import Doubts, Timed, doubts
from analysis.conclude.locate.witnesses import Witnesses
from analysis.conclude.who import Who, identify, reaches, receiver
from analysis.folder import Manifest
from analysis.reference.embedded import is_local
from analysis.tables import TABLES, Tables

if TYPE_CHECKING:
    from analysis.conclude import Settings
    from analysis.reference import Reference

LOCAL_NETWORK = "local network"
"""Class of what stays between the devices of one network."""

_Pair = tuple[str | None, str | None]


def gather(tables: Tables, reference: Reference) -> Tables:
    """Tables in which flows, exchanges and transmissions name their destination, and the destinations themselves,
    numbered by host and address, with flows and octets that count and the class of system noise."""
    made = dict(tables)
    flows, exchanges = made["flows"], made["exchanges"]
    pair_of_flow = dict(
        zip(
            flows["flow"].to_pylist(),
            zip(flows["host"].to_pylist(), flows["dst"].to_pylist(), strict=True),
            strict=True,
        )
    )
    # Who asks a proxy speaks to the proxy's address: where the host itself stands was not seen there.
    proxies = _proxies(flows, exchanges)
    pair_of_flow = {
        flow: (host, None if end in proxies else address)
        for (flow, (host, address)), end in zip(pair_of_flow.items(), _ends(flows), strict=True)
    }
    pairs_of_exchanges = [
        (
            host if host is not None else pair_of_flow.get(flow, (None, None))[0],
            pair_of_flow.get(flow, (None, None))[1],
        )
        for flow, host in zip(exchanges["flow"].to_pylist(), exchanges["host"].to_pylist(), strict=True)
    ]
    # A flow whose own name is not known is for the host that its requests name.
    for flow, pair in zip(exchanges["flow"].to_pylist(), pairs_of_exchanges, strict=True):
        if flow in pair_of_flow and pair_of_flow[flow][0] is None and pair[0] is not None:
            pair_of_flow[flow] = pair
    numbers = {
        pair: n
        for n, pair in enumerate(
            sorted(
                {*pair_of_flow.values(), *pairs_of_exchanges},
                key=lambda p: (p[0] is None, p[0] or "", p[1] or ""),
            )
        )
    }
    of_flow = {f: numbers[p] for f, p in pair_of_flow.items()}
    of_exchange = dict(zip(exchanges["exchange"].to_pylist(), (numbers[p] for p in pairs_of_exchanges), strict=True))
    made["flows"] = _set(flows, "destination", [of_flow[f] for f in flows["flow"].to_pylist()])
    made["exchanges"] = _set(exchanges, "destination", [numbers[p] for p in pairs_of_exchanges])
    sent = made["transmissions"]
    made["transmissions"] = _set(
        sent,
        "destination",
        [
            of_exchange[e] if e is not None else of_flow.get(f)
            for e, f in zip(sent["exchange"].to_pylist(), sent["flow"].to_pylist(), strict=True)
        ],
    )
    made["destinations"] = _rows(made, numbers, reference)
    return made


def _ends(flows: pa.Table) -> list[tuple[str | None, int | None]]:
    return list(zip(flows["dst"].to_pylist(), flows["dport"].to_pylist(), strict=True))


def _proxies(flows: pa.Table, exchanges: pa.Table) -> set[tuple[str | None, int | None]]:
    """Address and port of every end that was asked to open a tunnel (RFC 9110 section 9.3.6)."""
    asked = {
        flow
        for flow, method in zip(exchanges["flow"].to_pylist(), exchanges["method"].to_pylist(), strict=True)
        if method == "CONNECT"
    }
    return {end for flow, end in zip(flows["flow"].to_pylist(), _ends(flows), strict=True) if flow in asked}


def _set(table: pa.Table, name: str, values: list[int | None]) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.int64()))


def of_the_app(tables: Tables) -> pa.Table:
    """The destinations with what of their flows and octets is the app's, as ``flows.whose`` and ``exchanges.whose``
    say."""
    destinations = tables["destinations"]
    totals = _totals(tables, True)
    for n, name in enumerate(("app_flows", "app_bytes_out", "app_bytes_in")):
        values: list[int | None] = [totals[number][n] for number in destinations["destination"].to_pylist()]
        destinations = _set(destinations, name, values)
    return destinations


def _totals(tables: Tables, app_only: bool = False) -> dict[int, list[int]]:
    """Flows, octets sent and octets received of each destination, each conversation once."""
    totals: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    flows, exchanges = tables["flows"], tables["exchanges"]
    counts = {}
    names = ("flow", "destination", "same_as", "whose", "bytes_out", "bytes_in")
    for flow, destination, same_as, whose, out, back in zip(*(flows[c].to_pylist() for c in names), strict=True):
        if same_as is None and (not app_only or whose == "app"):
            counts[flow] = destination
            total = totals[destination]
            total[0] += 1
            total[1] += out or 0
            total[2] += back or 0
    wanted = ("flow", "destination", "whose", "request_bytes", "response_bytes")
    for flow, destination, whose, out, back in zip(*(exchanges[c].to_pylist() for c in wanted), strict=True):
        of_flow = counts.get(flow)
        if of_flow is not None and of_flow != destination:
            # One connection served several names: the octets go with the request, not with the first name.
            for n, octets in ((1, out or 0), (2, back or 0)):
                moved = min(octets, totals[of_flow][n])
                totals[of_flow][n] -= moved
                if not app_only or whose == "app":
                    totals[destination][n] += moved
    return totals


def _rows(tables: Tables, numbers: dict[_Pair, int], reference: Reference) -> pa.Table:
    totals, did_answer = _totals(tables), answered.of(tables)
    exchanges = tables["exchanges"]
    paths: dict[int, set[str]] = defaultdict(set)
    for destination, path in zip(exchanges["destination"].to_pylist(), exchanges["path"].to_pylist(), strict=True):
        paths[destination].add(path or "")
    rows = []
    for (host, address), number in numbers.items():
        total = totals[number]
        rows.append(
            {
                "destination": number,
                "host": host,
                "address": address,
                "system_noise": _noise(reference, host, address, paths.get(number)),
                "answered": did_answer.get(number),
                "level": 0,
                "flows": total[0],
                "bytes_out": total[1],
                "bytes_in": total[2],
            }
        )
    return TABLES["destinations"].from_rows(rows)


def _noise(reference: Reference, host: str | None, address: str | None, paths: set[str] | None) -> str | None:
    """The class of system noise, where everything that went there is of it: a host that serves other things too is
    noise only with its paths, and with paths that were not seen it is not known as such. A nameless address of the
    local network (resolver, multicast, broadcast) is no machine in a country."""
    if host is None:
        return LOCAL_NETWORK if address is not None and is_local(address) else None
    classes = {reference.noise_class(host, path) for path in (*(paths or ()), *((None,) if not paths else ()))}
    return classes.pop() if len(classes) == 1 else None


# ------------------------------------------------------------------------------------------- what is known

VANTAGE_DOUBTFUL = "vantage_doubtful"
"""Behind a reason: a time was seen, and where it was measured cannot be where the vantage says."""


def _doubts(
    rows: Sequence[Mapping[str, Any]],
    times: Mapping[str, RoundTrip],
    nearest: Mapping[str, float] | None,
    manifest: Manifest,
    witnesses: Witnesses,
) -> Doubts:
    timed: dict[str, Timed] = {}
    for row in rows:
        address, host = row["address"], row["host"]
        time = times.get(address)
        if time is None or time.ms is None or witnesses.reserved(address):
            continue
        said = witnesses.of(address, None)
        unicast = witnesses.anycast(address, host) is None and not any(w.anycast for w in said)
        before = timed.get(address)
        unicast = unicast and (before is None or before.unicast)
        timed[address] = Timed(time.ms, said, unicast, witnesses.network(address).asn)
    return doubts(manifest.vantage, nearest, timed)


def describe(tables: Tables, manifest: Manifest, reference: Reference, settings: Settings) -> pa.Table:
    """The destinations with place, network, operator and law of each."""
    flows = tables["flows"]
    times = round_trips(flows, manifest.vantage)
    witnesses = Witnesses(reference, settings, tables)
    vantage = manifest.vantage
    nearest = None
    if vantage.latitude is not None and vantage.longitude is not None:
        nearest = reference.distance.nearest_km(vantage.latitude, vantage.longitude)
    rows = tables["destinations"].to_pylist()
    against = _doubts(rows, times, nearest, manifest, witnesses)
    if against:
        nearest = None
        times = {a: RoundTrip(t.ms, t.void or VANTAGE_DOUBTFUL) for a, t in times.items()}
    for row in rows:
        address, host = row["address"], row["host"]
        row["against_vantage"] = against.against.get(address)
        who = identify(host, witnesses.network(address), manifest, reference, settings.date)
        time = times.get(address) or RoundTrip(None)
        maybe = witnesses.anycast(address, host)
        found = place(
            witnesses.of(address, host),
            time.ms,
            nearest,
            vantage.country,
            known_anycast=who.content_network and not witnesses.has_region(address),
            maybe_anycast=maybe is not None,
        )
        if address is None or witnesses.reserved(address):
            # An address that no public network has is no machine in a country, however near it answered.
            found.country, found.level, found.best_level_here = None, 0, 0
            found.reason = "no_address" if address is None else "reserved"
        _place(row, found, time)
        _anycast(row, found, who, maybe, witnesses.has_region(address))
        _who(row, who)
        row["registered_country"] = witnesses.registered(address)
        row["law_links"] = who.law_links(found.country, found.level)
        row["law_reach"] = sorted({link["state"] for link in row["law_links"] if reaches(link)})
    return TABLES["destinations"].from_rows(rows)


def _place(row: dict[str, Any], found: Place, time: RoundTrip) -> None:
    row |= {
        "country": found.country,
        "level": found.level,
        "reason": found.reason if time.void is None or found.level == 4 else f"{found.reason}+{time.void}",
        "witnesses": [_witness(s) for s in found.stances],
        "refuted": found.refuted,
        "doubtful": found.doubtful,
        "best_level_here": found.best_level_here,
        "round_trip_ms": time.ms,
        "within_km": found.within_km,
        "nearest_km": found.nearest_km,
    }


def _anycast(row: dict[str, Any], found: Place, who: Who, maybe: str | None, has_region: bool) -> None:
    """Whether an address is announced from many places, and what says so; null: not known, and where it is of a kind
    that uses anycast, of which."""
    ranges = [s.witness.source for s in found.stances if s.witness.kind == "ranges" and s.witness.anycast]
    if found.anycast:
        row["anycast"], row["anycast_from"] = True, ranges[0] if ranges else f"AS{who.asn}"
    elif has_region:
        row["anycast"], row["anycast_from"] = False, "ranges"
    else:
        row["anycast"], row["anycast_from"] = None, maybe


def _witness(stance: Stance) -> dict[str, Any]:
    w = stance.witness
    return {"kind": w.kind, "source": w.source, "country": w.country, "text": w.text, "stance": stance.stance}


def _who(row: dict[str, Any], who: Who) -> None:
    row |= {
        "asn": who.asn,
        "network": who.network,
        "operator": who.operator,
        "operator_name": who.operator_name,
        "operator_from": who.operator_from,
        "operator_confidence": who.operator_confidence,
        "operator_country": who.operator_country,
        "operator_as_of": who.as_of,
        "rented_from": who.rented_from,
        "rented_from_name": who.rented_from_name,
        "parent": who.parent,
        "parent_name": who.parent_name,
        "parent_country": who.parent_country,
        "parent_confidence": who.parent_confidence,
        "parent_share_percent": who.parent_share_percent,
        "party": who.party,
        "auditor_data": who.auditor_data,
        "receiver": receiver(who.operator, row["host"], row["address"]),
    }
