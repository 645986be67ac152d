"""Opaque: what could not be opened, what a signal of it means, and how much of each app could be read.

A source or an addon says what was seen (``flows.unread``: kind and cause). What follows from it needs the whole
capture: whether the same host was opened elsewhere, whether the same app took the certificate of another host, whether
it happened again. No signal is made more of than it shows: ``docs/design.md`` has the rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from analysis.conclude.trusted import Trusted
from analysis.folder import Manifest
from analysis.reading_states import PART, SILENT, UNDERSTOOD
from analysis.tables import TABLES, Tables

_NOT_TRUSTED = frozenset({"certificate_not_trusted", "unknown_ca", "bad_certificate", "certificate_unknown"})
"""Causes of ``ca_refused`` that say that a certificate's issuer, or the certificate as such, is not accepted. The
others say why (expired, revoked, no proof of transparency), and that is no pin."""
_HANDSHAKE = frozenset(
    "closed_during_handshake reset_during_handshake stall tls_failed server_tls_failed server_certificate".split()
)
"""Causes of an encrypted connection that came to nothing."""
_UNUSED = frozenset({"unused", "client_abort", "recording_ended"})
"""Causes of a connection on which nothing was said, so that nothing of it was withheld."""
_PROXY = frozenset({"mitmproxy", "messages", "events"})
"""Kinds of sources that a proxy writes: its certificate is what was taken or refused."""
_AGAIN = 2
"""Connections closed behind the handshake from which on that is probably a refusal: one may be in reserve."""
_OF_THE_SERVER = ("server_certificate", "server_tls_failed")
"""Causes that lie between proxy and server: the phone refused nothing."""
_CAME_TO_NOTHING = ("stall", "tls_failed", "reset_during_handshake", "closed_during_handshake")
"""Causes of a handshake that ended, and nobody said why."""
_STRENGTH = ("pinned", "ca_refused", "probable_pin", "probable_refusal")


@dataclass(slots=True)
class _Opened:
    """Where a host was opened: by which app, from which address of the phone, until when, over which transport."""

    app: str | None
    src: str | None
    last: int | None
    transport: str | None


@dataclass(slots=True)
class _Capture:
    """What the flows that count show of the whole capture."""

    proxied: set[int] = field(default_factory=set)
    """Sources that a proxy writes."""
    opened: dict[str, list[_Opened]] = field(default_factory=lambda: defaultdict(list))
    """By host: encrypted connections that were opened."""
    took: dict[tuple[str, str | None], int] = field(default_factory=dict)
    """By app, where it is stated, and address of the phone: when it first took the proxy's certificate."""
    closed: dict[tuple[str | None, str | None, str | None], int] = field(default_factory=lambda: defaultdict(int))
    """By app, address of the phone and host: connections closed behind the handshake."""
    failed: set[tuple[str | None, int | None]] = field(default_factory=set)
    """The phone's ends of connections that came to nothing between proxy and server: what the proxy showed there may
    have been in none of the server's names, and nothing that the phone then does is a word on the certificate."""
    trusted: Trusted | None = None

    def was_opened(self, row: Mapping[str, Any]) -> bool:
        """The same app, from the same phone, had this host opened; what is not known could be the same."""
        return any(self._openings(row))

    def came_back(self, row: Mapping[str, Any]) -> bool:
        """The same, over TCP and not only before: what failed over QUIC then went that way."""
        first = row["first"]
        return any(
            o.transport == "tcp" and (first is None or o.last is None or o.last >= first) for o in self._openings(row)
        )

    def failed_at(self, row: Mapping[str, Any]) -> bool:
        """On the very connection the server had failed."""
        return row["sport"] is not None and _end(row) in self.failed

    def _openings(self, row: Mapping[str, Any]) -> Iterator[_Opened]:
        for opened in self.opened.get(row["host"] or "", ()):
            if _could_be(opened.app, row["app"]) and _could_be(opened.src, row["src"]):
                yield opened


def gather(tables: Tables, manifest: Manifest, events: Iterable[Mapping[str, Any]] = ()) -> pa.Table:
    """A row for each flow that counts and each kind of octets in it that no reader understood.

    A refused certificate is ``pinned`` only where the manifest proves that a certificate of the system's store was
    offered (``events`` may say since when, and to whom), or where the same app (stated, not inferred) had taken the
    proxy's certificate for another host before; and in neither case where the app may have had this host opened, or
    where the server itself had failed. An app that refuses a user's certificate did what every app does by default
    since Android 7. Connections closed behind the handshake, again and to a host that was never opened, are a
    ``probable_pin`` on the same grounds, and without them a ``probable_refusal``: there are clients that look behind
    the handshake whether they know the issuer at all. QUIC is never a refusal of the host."""
    every = _flows(tables)
    rows = [row for row in every if row["same_as"] is None]
    capture = _look(rows, tables, manifest)
    capture.failed = {_end(r) for r in every for part in r["unread"] or () if part["cause"] in _OF_THE_SERVER}
    took = {o.src for known in capture.opened.values() for o in known}
    ends = (r["src"] for r in every if r["source"] in capture.proxied)
    capture.trusted = Trusted(manifest, events, ends, took)
    made = []
    kinds: dict[str, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    for row in rows:
        for part in row["unread"] or ():
            kind = _kind(row, part, capture)
            if kind in _STRENGTH:
                kinds[row["host"] or ""].append((kind, row))
            elif part["cause"] in _CAME_TO_NOTHING:
                kinds[row["host"] or ""].append((part["cause"], row))
            made.append((row, part, kind))
    counted = {row["flow"]: row for row in rows}
    for row in every:
        for part in row["unread"] or ():
            if part["cause"] not in _OF_THE_SERVER:
                continue
            kinds[row["host"] or ""].append((part["cause"], row))
            # What the dump tells of such a connection counts in its stead, and does not know why.
            if row["same_as"] in counted:
                made.append((counted[row["same_as"]] | {"origin": row["origin"]}, part, _kind(row, part, capture)))
    return TABLES["opaque"].from_rows(
        {
            "flow": row["flow"],
            "kind": kind,
            "cause": cause,
            "host": row["host"],
            "destination": row["destination"],
            "bytes": part["bytes"] or 0,
            "count": part["count"] or 1,
            "origin": row["origin"],
        }
        for row, part, signal in made
        for kind, cause in (_behind(row, part, signal, kinds),)
    )


def _flows(tables: Tables) -> list[dict[str, Any]]:
    """The flows with what is needed here, also those that do not count. Times are microseconds."""
    wanted = (
        *("flow", "source", "same_as", "app", "app_from", "whose", "transport", "src", "sport", "dst", "host"),
        *(
            "first",
            "last",
            "tls",
            "decrypted",
            "unread",
            "destination",
            "origin",
            "bytes_out",
            "bytes_in",
            "bytes_read",
        ),
    )
    flows = tables["flows"].select(wanted)
    for name in ("first", "last"):
        flows = flows.set_column(flows.schema.get_field_index(name), name, flows[name].cast(pa.int64()))
    rows: list[dict[str, Any]] = flows.to_pylist()
    return rows


def _look(rows: Iterable[dict[str, Any]], tables: Tables, manifest: Manifest) -> _Capture:
    made = _Capture()
    made.proxied = {
        n
        for n, kind in zip(*(tables["sources"][c].to_pylist() for c in ("source", "kind")), strict=True)
        if kind in _PROXY
    }
    offered = manifest.opened_by not in ("hooks", "keys", "none")
    for row in rows:
        if row["decrypted"] and row["tls"] is not None and row["host"]:
            made.opened[row["host"]].append(_Opened(row["app"], row["src"], row["last"], row["transport"]))
            stated = row["app"] is not None and row["app_from"] == "stated"
            if stated and offered and row["source"] in made.proxied and row["first"] is not None:
                who = (row["app"], row["src"])
                made.took[who] = min(made.took.get(who, row["first"]), row["first"])
        for part in row["unread"] or ():
            if part["cause"] == "closed_after_handshake":
                made.closed[_who(row)] += part["count"] or 1
    return made


def _end(row: Mapping[str, Any]) -> tuple[str | None, int | None]:
    return row["src"], row["sport"]


def _who(row: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    return row["app"], row["src"], row["host"]


def _could_be(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _kind(row: Mapping[str, Any], part: Mapping[str, Any], capture: _Capture) -> str:
    """What a part's signal means, before what was passed through for it."""
    kind, cause = str(part["kind"]), part["cause"]
    if kind == "sealed" and cause not in ("ciphertext", "passed_through"):
        return "encrypted"  # a connection that nobody opened: ``sealed`` is what stands inside an opened one
    if kind not in ("ca_refused", "unread"):
        return kind
    if row["transport"] == "udp" and (kind == "ca_refused" or cause in ("quic", "closed_after_handshake")):
        # Clients take no private certificate on QUIC that they do take over TCP, whatever they say of it.
        return "fell_back" if capture.came_back(row) else "encrypted"
    taken = _is_taken(row, cause, capture)
    if cause == "closed_after_handshake":
        if capture.was_opened(row) or capture.failed_at(row):
            return "unused"
        if capture.closed[_who(row)] < _AGAIN:
            return "encrypted"
        return "probable_pin" if taken else "probable_refusal"
    if kind == "ca_refused":
        return "pinned" if cause in _NOT_TRUSTED and taken else kind
    if cause == "quic":
        return "fell_back" if capture.came_back(row) else "encrypted"
    if cause in _UNUSED:
        return "unused"
    if cause == "server_unreachable":
        return "unreachable"
    return "encrypted" if cause in _HANDSHAKE else kind


def _is_taken(row: Mapping[str, Any], cause: str | None, capture: _Capture) -> bool:
    """The proxy's certificate, refused here, is one that the phone's system trusts, or that the same app takes."""
    if capture.was_opened(row) or capture.failed_at(row):
        return False
    assert capture.trusted is not None
    return capture.trusted.by_system(row, cause) or _took_another(row, capture)


def _took_another(row: Mapping[str, Any], capture: _Capture) -> bool:
    """The app, which is stated, had taken the proxy's certificate elsewhere before it refused it here."""
    if row["app"] is None or row["app_from"] != "stated" or row["first"] is None:
        return False
    since = capture.took.get((row["app"], row["src"]))
    return since is not None and since <= row["first"]


def _behind(
    row: Mapping[str, Any],
    part: Mapping[str, Any],
    kind: str,
    kinds: Mapping[str, list[tuple[str, Mapping[str, Any]]]],
) -> tuple[str, str | None]:
    """Kind and cause: what was passed through because the phone, or the server, had refused the proxy stayed closed
    for that reason."""
    if kind not in ("relayed", "sealed") or part["cause"] != "passed_through":
        return kind, part["cause"]
    refused = [(k, r) for k, r in kinds.get(row["host"] or "", ()) if _could_be(r["src"], row["src"])]
    # What one app refuses is no word of another: the least that was seen of this one, or of nobody known.
    by_phone = {k for k, r in refused if k in _STRENGTH and r["app"] == row["app"]}
    if by_phone:
        return max(by_phone, key=_STRENGTH.index), part["cause"]
    others = {k for k, r in refused if _could_be(r["app"], row["app"])}
    return "relayed", next((cause for cause in (*_OF_THE_SERVER, *_CAME_TO_NOTHING) if cause in others), part["cause"])


def octets_by_kind(opaque: pa.Table) -> dict[str, int]:
    """Octets of all flows that were not understood, by kind."""
    totals: dict[str, int] = defaultdict(int)
    for kind, octets in zip(opaque["kind"].to_pylist(), opaque["bytes"].to_pylist(), strict=True):
        totals[kind] += octets
    return dict(totals)


# --------------------------------------------------------------------------------------------- how much was read


@dataclass(slots=True)
class _Share:
    readings: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Readings of the flows by which each destination was spoken to."""
    connections: int = 0
    connections_clear: int = 0
    connections_opened: int = 0
    octets: int = 0
    octets_clear: int = 0
    octets_opened: int = 0


_ENCRYPTED = frozenset({"https", "wss"})
_HTTPS_PORT = 443
"""What a tool exports of a connection that it opened has the port and no trace of TLS: it was not in the clear."""


def readable(tables: Tables, manifest: Manifest) -> pa.Table:
    """How much of each app could be read, and by which means: of the hosts, connections and octets of the flows that
    count, those that were in the clear on the wire and those that were opened. ``tables["flows"]`` has its readings.

    A connection on which nothing passed, and what reached nobody, count nowhere. The share that was not understood is
    the rest."""
    places: dict[int, set[int]] = defaultdict(set)
    secure = set()
    exchanges = tables["exchanges"]
    wanted = ("flow", "scheme", "destination", "counts")
    for flow, scheme, to, counts in zip(*(exchanges[c].to_pylist() for c in wanted), strict=True):
        if counts not in ("undelivered", "duplicate"):
            places[flow].add(to)
        if scheme in _ENCRYPTED:
            secure.add(flow)
    shares: dict[tuple[str | None, str | None, str | None], _Share] = defaultdict(_Share)
    columns = (
        *("flow", "counts", "app", "app_from", "whose", "destination", "dport", "tls", "decrypted", "reading"),
        *("bytes_out", "bytes_in", "bytes_read"),
    )
    for row in tables["flows"].select(list(columns)).to_pylist():
        if row["counts"] in ("undelivered", "duplicate") or row["reading"] in (None, SILENT):
            continue
        octets = (row["bytes_out"] or 0) + (row["bytes_in"] or 0)
        share = shares[row["app"], row["app_from"], row["whose"]]
        for to in {row["destination"], *places[row["flow"]]}:
            share.readings[to].add(row["reading"])
        share.connections += 1
        share.octets += octets
        if not row["decrypted"]:
            continue
        read = row["bytes_read"] or 0
        if row["tls"] is not None or row["flow"] in secure or row["dport"] == _HTTPS_PORT:
            share.connections_opened += 1
            share.octets_opened += read
        else:
            share.connections_clear += 1
            share.octets_clear += read
    return TABLES["readable"].from_rows(
        {
            "app": app,
            "app_from": app_from,
            "whose": whose,
            "opened_by": manifest.opened_by,
            "hosts": len(share.readings),
            "hosts_read": sum(r == {UNDERSTOOD} for r in share.readings.values()),
            "hosts_part": sum(r != {UNDERSTOOD} and bool(r & {UNDERSTOOD, PART}) for r in share.readings.values()),
            "connections": share.connections,
            "connections_clear": share.connections_clear,
            "connections_opened": share.connections_opened,
            "bytes": share.octets,
            "bytes_clear": share.octets_clear,
            "bytes_opened": share.octets_opened,
        }
        for (app, app_from, whose), share in sorted(shares.items(), key=lambda s: tuple(part or "" for part in s[0]))
    )
