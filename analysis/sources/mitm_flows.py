"""Flows of a mitmproxy dump: what one client connection carried to one server, put together from its records.

A journal beside the dump numbers its own messages by these flows, and is told of them here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.folder.ciphertext import LATE, Seal
from analysis.model import InputError, Key, Micros
from analysis.sources import Options
from analysis.sources.beside import conversation, of_kind, passed_through
from analysis.sources.journal import Journaled
from analysis.sources.mitm_dump import Record, records
from analysis.sources.mitm_state import (
    State,
    host_text,
    mapping,
    sealed_late,
    sequence,
    server_of,
    stated_name,
    text_of,
)
from analysis.sources.octets import Octets
from analysis.sources.rows import address, earlier, later, micros, peer, tls_version, way

HTTP = ("http", "websocket")
"""Types of records that are HTTP flows; mitmproxy wrote WebSocket flows apart until version 7 of the format."""
_RANK = {"address": 1, "stated": 2, "sni": 3, "http": 4}
"""Names of a server by who said them, the better the higher."""


@dataclass(slots=True)
class Conversation:
    """A flow that grows as its records come."""

    unit: int
    row: dict[str, Any]
    missing: int = 0
    """Octets that the proxy did not keep, in ``missing_count`` messages."""
    missing_count: int = 0
    encrypted: dict[str, list[int]] = field(default_factory=dict)
    """Octets and records that it passed on unopened, by what they are."""
    certificates: set[bytes] = field(default_factory=set)

    def name(self, name: str, said_by: str) -> None:
        """Keep the best name that is known for the flow's server: one asked for before one that only stands there."""
        if not name:
            return
        if address(name) is not None:
            name, said_by = address(name) or "", "address"
        have = _RANK.get(self.row.get("host_from") or "", 0)
        if _RANK[said_by] > have:
            self.row["host"], self.row["host_from"] = name, said_by

    def times(self, state: State) -> None:
        """When the client's connection stood, and how long the proxy's own handshake with the server took."""
        client, server = mapping(state.get("client_conn")), mapping(state.get("server_conn"))
        for moment in (client.get("timestamp_start"), client.get("timestamp_end")):
            self.seen(micros(moment))
        if server.get("via"):
            return
        began, ended = server.get("timestamp_start"), server.get("timestamp_tcp_setup")
        if not isinstance(began, float) or not isinstance(ended, float) or None in (micros(began), micros(ended)):
            return
        took = (ended - began) * 1000
        if took > 0 and (self.row.get("tcp_ms") is None or took < self.row["tcp_ms"]):
            self.row["tcp_ms"], self.row["handshake_at"] = took, micros(began)

    def seen(self, at: Micros | None) -> None:
        """Something of the flow was seen then."""
        self.row["first"], self.row["last"] = earlier(self.row["first"], at), later(self.row["last"], at)

    def add(self, held: Journaled) -> None:
        """Octets of one of the proxy's flows of which only the journal knows."""
        self.missing += held.missing
        self.missing_count += held.missing_count
        for direction, column in (("sent", "bytes_out"), ("received", "bytes_in")):
            missing = max(held.streamed[direction] - held.octets[direction], 0)
            self.row[column] += held.octets[direction] + missing
            self.missing += missing
            self.missing_count += missing > 0
        self.seal(held.sealed.octets("sent"), held.sealed.octets("received"), True)

    def seal(self, out: int, back: int, another: bool) -> None:
        """Octets behind a ClientHello that came late. ``another``: of a flow of the proxy that had none so far."""
        if out + back:
            total = self.encrypted.setdefault(LATE, [0, 0])
            total[0] += out + back
            total[1] += another
            self.row["bytes_out"] += out
            self.row["bytes_in"] += back

    def whole(self) -> dict[str, Any]:
        """Its row, once nothing more comes."""
        row = self.row
        unread: list[dict[str, Any]] = [
            {"kind": "encrypted", "cause": cause, "bytes": octets, "count": count}
            for cause, (octets, count) in self.encrypted.items()
        ]
        if self.missing_count:
            part = {"kind": "truncated", "cause": "body_not_kept", "bytes": self.missing, "count": self.missing_count}
            unread.append(part)
        row["bytes_read"] = row["bytes_out"] + row["bytes_in"] - sum(p["bytes"] for p in unread)
        row["unread"] = unread or None
        if LATE in self.encrypted and sum(octets for octets, _ in self.encrypted.values()) == (
            row["bytes_out"] + row["bytes_in"]
        ):
            row["decrypted"] = False
        return row


@dataclass(slots=True)
class Conversations:
    """The flows of one dump in the order in which they are first met.

    ``passed``: client connections that count elsewhere."""

    source: str
    leg: str
    passed: set[str] = field(default_factory=set)
    flows: dict[tuple[str, ...], Conversation] = field(default_factory=dict)

    def of(self, state: State, number: int) -> Conversation:
        """The flow that a record belongs to; a new one when none has its client connection and server."""
        client, server = mapping(state.get("client_conn")), mapping(state.get("server_conn"))
        dst, dport = server_of(server)
        name = asked = stated_name(server)
        if not name and dst is None:
            # No server was reached: the request says which one it was for.
            request = mapping(state.get("request"))
            asked = text_of(request.get("host")).lower()
            dst, dport = peer([asked, request.get("port")])
        key = conversation(text_of(client.get("id")), (dst, dport), asked, number)
        known = self.flows.get(key)
        if known is None:
            src, sport = peer(client.get("peername"))
            transport = text_of(client.get("transport_protocol")) or "tcp"
            if text_of(client.get("tls_version")).startswith("QUIC"):
                # mitmproxy calls a stream of it a TCP connection.
                transport = "udp"
            known = self._new(
                key,
                {
                    "source": self.source,
                    "leg": self.leg,
                    "way": way(client.get("proxy_mode")),
                    "transport": transport if transport in ("tcp", "udp") else None,
                    "src": src,
                    "sport": sport,
                    "dst": dst,
                    "dport": dport,
                    "tls": tls_version(text_of(client.get("tls_version"))),
                    "alpn": text_of(client.get("alpn")) or text_of(server.get("alpn")) or None,
                    "decrypted": True,
                },
            )
        known.name(host_text(client.get("sni")), "sni")
        known.name(name, "stated")
        if dst is not None:
            known.name(dst, "address")
        return known

    def own(self, number: int) -> Conversation:
        """A flow for a record that says nothing of its connection."""
        row = {"source": self.source, "leg": self.leg, "transport": None, "decrypted": False}
        return self._new(("", str(number)), row)

    def elsewhere(self, state: State) -> bool:
        """True for a connection that ``events.jsonl`` tells of: it was passed through unread, and counts there."""
        if text_of(state.get("type")) not in ("tcp", "udp"):
            return False
        return text_of(mapping(state.get("client_conn")).get("id")) in self.passed

    def _new(self, name: tuple[str, ...], row: dict[str, Any]) -> Conversation:
        row |= {"unit": len(self.flows), "bytes_out": 0, "bytes_in": 0, "first": None, "last": None}
        known = Conversation(row["unit"], row)
        self.flows[name] = known
        return known


def family(state: State) -> str:
    """``websocket``, ``http``, ``tcp``, ``udp``, or what else a record says that it is."""
    return "websocket" if state.get("websocket") else text_of(state.get("type"))


@dataclass(frozen=True, slots=True)
class Dumped:
    """What the dumps beside a journal hold: each flow's keys by the proxy's id, and each conversation's; and where
    flows are sealed from a message on."""

    flows: dict[str, tuple[Key, Key | None]]
    conversations: dict[tuple[str, ...], Key]
    seals: dict[str, Seal] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)
    """Of each flow, of what kind it is: what else a journal calls a message of it is none."""


def survey(path: Path, source: str, options: Options) -> Dumped:
    """The keys that the dump's reader gives to its flows, by the proxy's flow id, and to conversations.

    Raises InputError when it cannot be opened."""
    known = Conversations(source, options.leg or "phone", passed_through(options))
    flows: dict[str, tuple[Key, Key | None]] = {}
    seals: dict[str, Seal] = {}
    families: dict[str, str] = {}
    exchanges = 0
    with Octets(path, options.ends.get(path)) as octets:
        for number, record in enumerate(r for r in records(octets) if isinstance(r, Record)):
            exchange = None
            if record.kind in HTTP:
                exchange, exchanges = Key(source, exchanges), exchanges + 1
            if record.state is None:
                if record.kind in HTTP:
                    known.own(number)
            elif not known.elsewhere(record.state):
                flows.setdefault(record.key, (Key(source, known.of(record.state, number).unit), exchange))
                families.setdefault(record.key, family(record.state))
                if record.kind == "tcp" and (seal := sealed_late(sequence(record.state.get("messages")))) is not None:
                    seals.setdefault(record.key, seal)
    return Dumped(flows, {name: Key(source, c.unit) for name, c in known.flows.items()}, seals, families)


def dumped(options: Options) -> Dumped:
    """The keys that the dumps beside this file give to the proxy's flows."""
    found = Dumped({}, {})
    for source, path in of_kind(options, "mitmproxy"):
        known = options.found.get(path)
        if not isinstance(known, Dumped):
            try:
                known = survey(path, source, options)
            except InputError:
                continue
        found.flows.update({flow: keys for flow, keys in known.flows.items() if flow not in found.flows})
        found.conversations.update(known.conversations)
        found.seals.update({flow: seal for flow, seal in known.seals.items() if flow not in found.seals})
        found.families.update({flow: kind for flow, kind in known.families.items() if flow not in found.families})
    return found
