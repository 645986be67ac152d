"""mitmproxy dumps: flows that a proxy decrypted, in every version of the format that mitmproxy reads.

HTTP flows are exchanges, numbered in the dump's order; WebSocket, TCP and UDP messages are messages; DNS answers are
names. One transport flow is what one client connection carried to one server. Its octets are HTTP heads in the form
of :meth:`Message.head` and bodies as the proxy kept them.

``tcp_ms`` is the proxy's own handshake with the server (``timestamp_tcp_setup - timestamp_start``; where the proxy
looked the name up in between, it is longer, which only weakens what follows from it). ``tls_ms`` stays empty: the
proxy notes the end of the whole TLS handshake, never the ServerHello.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from analysis.folder import sse
from analysis.folder.ciphertext import ciphertext
from analysis.model import Clue, Exchange, Headers, InputError, Key, Message, Micros, Origin
from analysis.sources import Batch, Options
from analysis.sources.beside import Dumped, Journaled, conversation, journaled, passed_through, peer
from analysis.sources.mitm_dump import Gap, Record, State, records
from analysis.sources.octets import Octets
from analysis.sources.rows import (
    Batches,
    Losses,
    Names,
    address,
    as_text,
    authority,
    earlier,
    http_version,
    later,
    micros,
    port,
    tls_version,
    valid,
    way,
)

KIND = "mitmproxy"

_NAMES_MOST = 16
"""Names of a certificate that are handed on: a content network's may hold a hundred, of other people's sites."""


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The batches of a dump. Raises InputError when no flow in it can be read."""
    with Octets(path, options.ends.get(path)) as octets:
        yield from _Reader(source, options).batches(path, octets)


def survey(path: Path, source: str, options: Options) -> Dumped:
    """The keys that :func:`read` gives to the flows of a dump, by the proxy's flow id, and to conversations."""
    reader = _Reader(source, options)
    reader.sealed_away = passed_through(options)
    flows: dict[str, tuple[Key, Key | None]] = {}
    exchanges = 0
    with Octets(path, options.ends.get(path)) as octets:
        for number, record in enumerate(r for r in records(path, octets) if isinstance(r, Record)):
            exchange = None
            if record.kind in _HTTP:
                exchange, exchanges = Key(source, exchanges), exchanges + 1
            if record.state is not None and not reader.elsewhere(record.state):
                known = reader.conversation(record.state, number)
                flows.setdefault(record.key, (Key(source, known.unit), exchange))
    return reader.dumped(flows)


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """The octets that an origin's offset counts in: the file, a head, a body, or a message of a flow.

    Raises InputError when the file has no such unit or layer."""
    if origin.layer == "file":
        return path.read_bytes()
    with Octets(path) as octets:
        whole = (r for r in records(path, octets) if isinstance(r, Record))
        for number, record in enumerate(whole):
            if number != origin.units[0] or record.state is None:
                continue
            made = _Reader(origin.source, Options(max_body=1 << 40)).record(record, number, 0)
            for message in made.messages:
                if message.kind in ("request", "response"):
                    if origin.layer == f"http-{message.kind}-head":
                        return message.head()
                    if origin.layer == f"http-{message.kind}-body":
                        return message.body
                elif (origin.layer, origin.units) == (message.origin.layer, message.origin.units):
                    return message.body
            break
    raise InputError(f"{path} has no {origin.layer} of unit {','.join(map(str, origin.units))}.")


_HTTP = ("http", "websocket")
"""Types of records that are HTTP flows; mitmproxy wrote WebSocket flows apart until version 7 of the format."""


@dataclass(slots=True)
class _Conversation:
    """A flow that grows as its records come."""

    unit: int
    row: dict[str, Any]
    missing: int = 0
    missing_count: int = 0
    encrypted: dict[str, list[int]] = field(default_factory=dict)
    certificates: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class _Done:
    """What of a flow was handed over already: a dump may hold a flow twice, and what stands in both is one."""

    request: bool = False
    response: bool = False
    journal: bool = False
    messages: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})


@dataclass(slots=True)
class _Made:
    exchange: Exchange | None = None
    messages: list[Message] = field(default_factory=list)
    clues: list[Clue] = field(default_factory=list)
    flow: Key | None = None
    """None: the record could not be understood, or counts elsewhere."""


@dataclass(slots=True)
class _Reader:
    source: str
    options: Options
    losses: Losses = field(init=False)
    names: Names = field(default_factory=Names)
    conversations: dict[tuple[str, ...], _Conversation] = field(default_factory=dict)
    journal: dict[str, Journaled] = field(default_factory=dict)
    sealed_away: set[str] = field(default_factory=set)
    done: dict[str, _Done] = field(default_factory=dict)
    certificates: dict[bytes, list[str]] = field(default_factory=dict)
    exchanges: int = 0

    def __post_init__(self) -> None:
        self.losses = Losses(self.source)

    def batches(self, path: Path, octets: Octets) -> Iterator[Batch]:
        self.journal, self.sealed_away = journaled(self.options), passed_through(self.options)
        batches = Batches(self.options)
        number = messages = understood = 0
        flows: dict[str, tuple[Key, Key | None]] = {}
        why = ""
        for record in records(path, octets):
            if isinstance(record, Gap):
                self._gap(record, octets)
                continue
            made = self.record(record, number, messages)
            batches.name(number, _text(_mapping(record.state).get("id")))
            number += 1
            messages += len(made.messages)
            if made.flow is not None:
                flows.setdefault(record.key, (made.flow, None if made.exchange is None else made.exchange.key))
            understood += record.state is not None
            why = why or record.why
            batches.add(made.exchange, made.messages, made.clues)
            if batches.full:
                yield batches.take(octets.done)
        if number and not understood:
            raise InputError(f"{path} is a mitmproxy dump of which no flow can be read: {why}.")
        if not number and self.options.sealed:
            raise InputError(f"{path} begins like a mitmproxy dump and holds no whole flow; it breaks off too early.")
        if octets.torn is not None and self.options.sealed:
            self.losses.add("file_torn", octets.torn)
        self.options.found[path] = self.dumped(flows)
        self._from_journal()
        yield from batches.rows(map(self._row, self.conversations.values()), octets.done)
        last = batches.take(octets.done)
        last.names, last.losses = self.names.batch(), self.losses.all()
        yield last

    def dumped(self, flows: dict[str, tuple[Key, Key | None]]) -> Dumped:
        return Dumped(flows, {name: Key(self.source, c.unit) for name, c in self.conversations.items()})

    def _gap(self, gap: Gap, octets: Octets) -> None:
        if not gap.torn:
            self.losses.add("dump_damaged", "octets between flows that are no flow", gap.length)
        elif self.options.sealed:
            self.losses.add("file_torn", octets.torn or "the last flow breaks off", gap.length)

    # ------------------------------------------------------------------------------------------- one record

    def record(self, record: Record, number: int, first_message: int) -> _Made:
        """A record of the dump as exchange, messages and names. What cannot be understood is counted, and keeps its
        number where it is an HTTP flow."""
        state = record.state
        if state is None:
            self.losses.add("flow_unread", f"flows of the dump that cannot be read: {record.why}", record.length)
            return _Made(self._empty(record, number)) if record.kind in _HTTP else _Made()
        if self.elsewhere(state):
            return _Made()
        known = self.conversation(state, number)
        if "origin" not in known.row:
            known.row["origin"] = str(Origin(self.source, (number,), "file", record.start, record.length))
        self._times(known, state)
        kind = _text(state.get("type"))
        if kind == "http":
            made = self._http(record, state, known, number)
        elif kind in ("tcp", "udp"):
            made = self._raw(record, state, known, number, "tcp" if kind == "tcp" else "udp")
        elif kind == "dns":
            made = self._dns(state, known)
        else:
            self.losses.add("flow_unread", "flows of the dump of an unknown type", record.length)
            made = _Made()
        made.flow = Key(self.source, known.unit)
        made.clues += self._certificate(state, known, number, record)
        for n, message in enumerate(made.messages):
            message.key = Key(self.source, first_message + n)
        if made.exchange is not None and not any(m.kind == "request" for m in made.messages):
            made.exchange.origin = Origin(self.source, (number,), "file", record.start, record.length)
        return made

    def _empty(self, record: Record, number: int) -> Exchange:
        known = self._own_flow(number)
        known.row["origin"] = str(Origin(self.source, (number,), "file", record.start, record.length))
        key, self.exchanges = Key(self.source, self.exchanges), self.exchanges + 1
        origin = Origin(self.source, (number,), "file", record.start, record.length)
        return Exchange(key, Key(self.source, known.unit), None, "", "", "", "", None, "", None, 0, 0, origin)

    def _own_flow(self, number: int) -> _Conversation:
        row = {"source": self.source, "leg": self.options.leg or "phone", "transport": None, "decrypted": False}
        return self._new(("", str(number)), row)

    def _new(self, name: tuple[str, ...], row: dict[str, Any]) -> _Conversation:
        row |= {"unit": len(self.conversations), "bytes_out": 0, "bytes_in": 0, "first": None, "last": None}
        known = _Conversation(row["unit"], row)
        self.conversations[name] = known
        return known

    def elsewhere(self, state: State) -> bool:
        """True for a connection that ``events.jsonl`` tells of: it was passed through unread, and counts there."""
        if _text(state.get("type")) not in ("tcp", "udp"):
            return False
        return _text(_mapping(state.get("client_conn")).get("id")) in self.sealed_away

    # ---------------------------------------------------------------------------------------------- flows

    def conversation(self, state: State, number: int) -> _Conversation:
        """The flow that a record belongs to; a new one when none has its client connection and server."""
        client, server = _mapping(state.get("client_conn")), _mapping(state.get("server_conn"))
        dst, dport = _server(server)
        name = asked = _stated_name(server)
        if not name and dst is None:
            # No server was reached: the request says which one it was for.
            request = _mapping(state.get("request"))
            asked = _text(request.get("host")).lower()
            dst, dport = peer([asked, request.get("port")])
        key = conversation(_text(client.get("id")), (dst, dport), asked, number)
        known = self.conversations.get(key)
        if known is None:
            src, sport = peer(client.get("peername"))
            transport = _text(client.get("transport_protocol")) or "tcp"
            known = self._new(
                key,
                {
                    "source": self.source,
                    "leg": self.options.leg or "phone",
                    "way": way(client.get("proxy_mode")),
                    "transport": transport if transport in ("tcp", "udp") else None,
                    "src": src,
                    "sport": sport,
                    "dst": dst,
                    "dport": dport,
                    "tls": tls_version(_text(client.get("tls_version"))),
                    "alpn": _text(client.get("alpn")) or _text(server.get("alpn")) or None,
                    "decrypted": True,
                },
            )
        self._name(known, _host_text(client.get("sni")), "sni")
        self._name(known, name, "stated")
        if dst is not None:
            self._name(known, dst, "address")
        return known

    def _name(self, known: _Conversation, name: str, said_by: str) -> None:
        """Keep the best name that is known for the flow's server: one asked for before one that only stands there."""
        if not name:
            return
        if address(name) is not None:
            name, said_by = address(name) or "", "address"
        have = _RANK.get(known.row.get("host_from") or "", 0)
        if _RANK[said_by] > have:
            known.row["host"], known.row["host_from"] = name, said_by

    def _times(self, known: _Conversation, state: State) -> None:
        client, server = _mapping(state.get("client_conn")), _mapping(state.get("server_conn"))
        row = known.row
        for moment in (client.get("timestamp_start"), client.get("timestamp_end")):
            self._seen(known, micros(moment))
        if server.get("via"):
            return
        began, ended = server.get("timestamp_start"), server.get("timestamp_tcp_setup")
        if not isinstance(began, float) or not isinstance(ended, float) or micros(began) is None:
            return
        took = (ended - began) * 1000
        if took > 0 and (row.get("tcp_ms") is None or took < row["tcp_ms"]):
            row["tcp_ms"], row["handshake_at"] = took, micros(began)

    def _seen(self, known: _Conversation, at: Micros | None) -> None:
        known.row["first"], known.row["last"] = earlier(known.row["first"], at), later(known.row["last"], at)

    def _from_journal(self) -> None:
        """Octets of flows that only the journal knows and that went over connections that the dump knows."""
        for flow, held in self.journal.items():
            known = None if flow in self.done else self.conversations.get(held.conversation or ("?",))
            if known is None:
                continue
            known.missing += held.missing
            known.missing_count += held.missing_count
            for direction, column in (("sent", "bytes_out"), ("received", "bytes_in")):
                missing = max(held.streamed[direction] - held.octets[direction], 0)
                known.row[column] += held.octets[direction] + missing
                known.missing += missing
                known.missing_count += missing > 0

    def _row(self, known: _Conversation) -> dict[str, Any]:
        row = known.row
        unread: list[dict[str, Any]] = [
            {"kind": "encrypted", "cause": cause, "bytes": octets, "count": count}
            for cause, (octets, count) in known.encrypted.items()
        ]
        if known.missing_count:
            part = {"kind": "truncated", "cause": "body_not_kept", "bytes": known.missing, "count": known.missing_count}
            unread.append(part)
        row["bytes_read"] = row["bytes_out"] + row["bytes_in"] - sum(p["bytes"] for p in unread)
        row["unread"] = unread or None
        return row

    # ----------------------------------------------------------------------------------------------- HTTP

    def _http(self, record: Record, state: State, known: _Conversation, number: int) -> _Made:
        request, response = _mapping(state.get("request")), _mapping(state.get("response"))
        made_up = request.get("host") == b"unknown" and not request.get("timestamp_start") and not response
        key, self.exchanges = Key(self.source, self.exchanges), self.exchanges + 1
        flow = Key(self.source, known.unit)
        if made_up:
            # mitmproxy invents a handshake for a WebSocket record of an old dump that has lost its own.
            request = {}
            host = known.row.get("host") or ""
        else:
            host = _host(request, state)
            self._name(known, host, "http")
        headers = _headers(request)
        target = as_text(_octets(request.get("path")))
        method = _text(request.get("method"))
        if method.upper() == "CONNECT" and not target:
            target = as_text(_octets(request.get("authority")))
        common: dict[str, Any] = {
            "flow": flow,
            "exchange": key,
            "method": method,
            "scheme": _text(request.get("scheme")).lower(),
            "host": host,
            "target": target,
            "protocol": http_version(_text(response.get("http_version")), _text(request.get("http_version"))),
        }
        started = micros(request.get("timestamp_start"))
        status = response.get("status_code")
        status = status if isinstance(status, int) and 100 <= status < 1000 else None
        self._named(known, host, started)
        sent = self._half("request", request, headers, started, number, common, state)
        ended = micros(response.get("timestamp_end")) or micros(response.get("timestamp_start")) or started
        got_common = common | {"status": status}
        received = self._half("response", response, _headers(response), ended, number, got_common, state)
        for moment in (started, ended, micros(_mapping(state.get("error")).get("timestamp"))):
            self._seen(known, moment)
        exchange = Exchange(
            key=key,
            flow=flow,
            started=started,
            protocol=common["protocol"],
            method=method,
            scheme=common["scheme"],
            host=host,
            port=port(request.get("port")),
            path=common["target"].split("?")[0] if method.upper() != "CONNECT" else "",
            status=status,
            request_bytes=sent.size,
            response_bytes=received.size if response else 0,
            origin=Origin(self.source, (number,), "http-request-head", 0, len(sent.head()) if request else 0),
        )
        made = _Made(exchange)
        done = self._done(record, state)
        if request and self._counts(state, "request", done.request, record):
            done.request = True
            made.messages.append(self._count(known, sent))
        websocket = _mapping(state.get("websocket"))
        if response and self._counts(state, "response", done.response, record):
            done.response = True
            held = self.journal.get(_text(state.get("id")))
            if held is not None and held.octets["received"] and not websocket:
                # Its events are messages of the journal, and only those that are not there are read here.
                head = replace(received, body=b"", size=0, cut=False, origin=replace(received.origin, length=0))
                made.messages.append(self._count(known, head))
                made.messages += self._events(known, received, held, state)
            else:
                made.messages.append(self._count(known, received))
        frames = _sequence(websocket.get("messages"))
        made.messages += self._messages(record, frames, _frame, known, number, done, common | {"kind": "websocket"})
        self._seen(known, micros(websocket.get("timestamp_end")))
        return made

    def _named(self, known: _Conversation, host: str, at: Micros | None) -> None:
        if host and address(host) is None and known.row.get("dst"):
            self.names.add(known.row["dst"], host, "host", at)

    def _done(self, record: Record, state: State) -> _Done:
        """What was read of this flow before. Records of one WebSocket have the id of their own in old dumps."""
        flow = _text(state.get("id"))
        key = record.key if record.kind == "websocket" else flow
        done = self.done.setdefault(key, _Done())
        handshake = self.done.setdefault(flow, done)
        if handshake is not done:
            done.request, done.response = handshake.request, handshake.response
        return done

    def _counts(self, state: State, part: str, before: bool, record: Record) -> bool:
        """Whether a request or response is the app's or the server's own, and was not read before."""
        if before:
            self.losses.add("flow_repeated", f"{part}s that stand twice in the dump: read once", record.length)
            return False
        replayed = _text(state.get("is_replay"))
        if replayed == "request" or replayed == part:
            self.losses.add("replayed", f"{part}s that the auditor replayed through the proxy: not the app's")
            return False
        if part == "request" and state.get("backup"):
            self.losses.add("flow_edited", "flows that were edited in mitmproxy: read as they stand")
        return True

    def _half(
        self,
        kind: Any,
        half: dict[str, Any],
        headers: Headers,
        at: Micros | None,
        number: int,
        common: dict[str, Any],
        state: State,
    ) -> Message:
        """A request or response as a message, with what the proxy says of the size of a body that it did not keep."""
        content = half.get("content")
        body = _octets(content)
        size = len(body)
        said = _mapping(state.get("metadata")).get(f"lintas_{kind}_size")
        if isinstance(said, int) and said > size:
            size = said
        elif content is None and half and not _bodiless(kind, common):
            size = self._size_not_kept(kind, headers, state)
        cut = size > len(body) or (content is None and bool(half) and not _bodiless(kind, common))
        if len(body) > self.options.max_body:
            body, cut = body[: self.options.max_body], True
        return Message(
            key=Key(self.source, 0),
            direction="sent" if kind == "request" else "received",
            index=0,
            at=at,
            kind=kind,
            body=body,
            size=size,
            origin=Origin(self.source, (number,), f"http-{kind}-body", 0, len(body)),
            headers=headers,
            cut=cut,
            **common,
        )

    def _size_not_kept(self, kind: str, headers: Headers, state: State) -> int:
        held = self.journal.get(_text(state.get("id")))
        if held is not None and held.streamed["sent" if kind == "request" else "received"]:
            return held.streamed["sent" if kind == "request" else "received"]
        stated = next((v for n, v in headers if n.lower() == "content-length"), "").strip()
        return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 16 else 0

    def _count(self, known: _Conversation, message: Message) -> Message:
        """Add an HTTP message to its flow's octets; what the proxy did not keep of it is missing there."""
        column = "bytes_out" if message.direction == "sent" else "bytes_in"
        known.row[column] += len(message.head()) + message.size
        if message.cut:
            missing = message.size - len(message.body)
            known.missing += missing
            known.missing_count += 1
            over = len(message.body) == self.options.max_body
            kind = "body_limit" if over else "body_missing"
            where = "larger than is held" if over else "that the proxy did not keep whole"
            self.losses.add(kind, f"{message.kind} bodies {where}", missing)
        return message

    def _events(self, known: _Conversation, received: Message, held: Journaled, state: State) -> list[Message]:
        """Server-sent events that the journal lacks (the disk was full), from the dump's copy of the stream."""
        stated = _mapping(state.get("metadata")).get("lintas_response_events")
        lacking = stated - len(held.indexes["received"]) if isinstance(stated, int) else 0
        coded = any(name.lower() == "content-encoding" for name, _ in received.headers)
        made: list[Message] = []
        start = 0
        for index, piece in enumerate(() if coded or lacking <= 0 else sse.messages(received.body)):
            if index not in held.indexes["received"]:
                origin = replace(received.origin, offset=start, length=len(piece))
                made.append(
                    replace(
                        received,
                        kind="sse",
                        index=index,
                        at=None,
                        body=piece,
                        size=len(piece),
                        cut=False,
                        origin=origin,
                    )
                )
                known.row["bytes_in"] += len(piece)
            start += len(piece)
        if lacking > len(made):
            where = "server-sent events that neither the journal nor the dump holds"
            self.losses.add("body_missing", where, 0, lacking - len(made))
        return made

    # -------------------------------------------------------------------------------- messages outside of HTTP

    def _raw(
        self, record: Record, state: State, known: _Conversation, number: int, kind: Literal["tcp", "udp"]
    ) -> _Made:
        messages = _sequence(state.get("messages"))
        self._seen(known, micros(_mapping(state.get("error")).get("timestamp")))
        flow_id = _text(state.get("id"))
        cause = _encrypted(messages, kind) if flow_id not in self.journal else None
        if cause is not None:
            total = known.encrypted.setdefault(cause, [0, 0])
            total[1] += 1
            for message in messages:
                from_client, content, at = _piece(message)
                known.row["bytes_out" if from_client else "bytes_in"] += len(content)
                total[0] += len(content)
                self._seen(known, at)
            known.row["decrypted"] = False
            return _Made()
        done = self._done(record, state)
        flow = Key(self.source, known.unit)
        common: dict[str, Any] = {"flow": flow, "exchange": None, "kind": kind, "host": known.row.get("host") or ""}
        return _Made(None, self._messages(record, messages, _piece, known, number, done, common))

    def _messages(
        self,
        record: Record,
        messages: list[Any],
        take: Any,
        known: _Conversation,
        number: int,
        done: _Done,
        common: dict[str, Any],
    ) -> list[Message]:
        """The messages of a flow that neither stand in the journal nor were read before."""
        flow = _text(_mapping(record.state).get("id"))
        held = self.journal.get(flow)
        made = []
        count = {"sent": 0, "received": 0}
        repeated = 0
        for place, message in enumerate(messages):
            from_client, content, at = take(message)
            direction: Any = "sent" if from_client else "received"
            index, count[direction] = count[direction], count[direction] + 1
            self._seen(known, at)
            if held is not None and index in held.indexes[direction]:
                continue
            if index < done.messages[direction]:
                repeated += 1
                continue
            if take is _frame and _injected(message):
                self.losses.add("replayed", "messages that the auditor put in: not the app's", len(content))
                continue
            known.row["bytes_out" if from_client else "bytes_in"] += len(content)
            body = content[: self.options.max_body]
            cut = len(body) < len(content)
            if cut:
                known.missing += len(content) - len(body)
                known.missing_count += 1
                self.losses.add(
                    "body_limit", f"{common['kind']} messages larger than is held", len(content) - len(body)
                )
            made.append(
                Message(
                    key=Key(self.source, 0),
                    direction=direction,
                    index=index,
                    at=at,
                    body=body,
                    size=len(content),
                    origin=Origin(self.source, (number, place), common["kind"], 0, len(body)),
                    cut=cut,
                    **common,
                )
            )
        if repeated:
            self.losses.add("flow_repeated", "messages that stand twice in the dump: read once", 0, repeated)
        for direction in count:
            done.messages[direction] = max(done.messages[direction], count[direction])
        if held is not None and not done.journal:
            # The journal's messages are handed over by the journal; their octets belong to this flow.
            done.journal = True
            known.row["bytes_out"] += held.octets["sent"]
            known.row["bytes_in"] += held.octets["received"]
            known.missing += held.missing
            known.missing_count += held.missing_count
        return made

    # ------------------------------------------------------------------------------------------------- DNS

    def _dns(self, state: State, known: _Conversation) -> _Made:
        """Names from an answer. The dump keeps no octets of DNS messages, so the flow's stay 0."""
        self._done_id(state)
        response = _mapping(state.get("response"))
        server = _mapping(state.get("server_conn"))
        resolver = _server(server)[0]
        at = micros(response.get("timestamp")) or micros(_mapping(state.get("request")).get("timestamp"))
        self._seen(known, at)
        self._seen(known, micros(_mapping(state.get("request")).get("timestamp")))
        questions = _sequence(response.get("questions")) or _sequence(_mapping(state.get("request")).get("questions"))
        asked = [_host_text(_mapping(q).get("name")) for q in questions]
        for answer in _sequence(response.get("answers")):
            answer = _mapping(answer)
            data = _octets(answer.get("data"))
            owner = _host_text(answer.get("name"))
            found = _answered(answer.get("type"), data)
            if found is None:
                continue
            name = next((a for a in asked if a), owner)
            if name:
                self.names.add(found, name, "dns", at, resolver)
            if owner and owner != name:
                self.names.add(found, owner, "cname", at, resolver)
        return _Made()

    def _done_id(self, state: State) -> None:
        self.done.setdefault(_text(state.get("id")), _Done())

    # ------------------------------------------------------------------------------------------ certificates

    def _certificate(self, state: State, known: _Conversation, number: int, record: Record) -> list[Clue]:
        """The names in the server's own certificate: a node may name its place there."""
        server = _mapping(state.get("server_conn"))
        chain = _sequence(server.get("certificate_list"))
        leaf = _octets(chain[0]) if chain else b""
        if not leaf or leaf in known.certificates or server.get("via"):
            return []
        known.certificates.add(leaf)
        names = self.certificates.get(leaf)
        if names is None:
            names = self.certificates[leaf] = _certificate_names(leaf)
        origin = Origin(self.source, (number,), "file", record.start, record.length)
        at = micros(server.get("timestamp_tls_setup")) or micros(server.get("timestamp_start"))
        return [Clue(Key(self.source, known.unit), "certificate", name, at, origin) for name in names]


_RANK = {"address": 1, "stated": 2, "sni": 3, "http": 4}


# ----------------------------------------------------------------------------------------- values of a state


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    if all(isinstance(k, str) for k in value):
        return value
    return {k if isinstance(k, str) else as_text(bytes(k)): v for k, v in value.items() if isinstance(k, (str, bytes))}


def _sequence(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _octets(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else b""


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return as_text(value)
    return valid(value) if isinstance(value, str) else ""


def _host_text(value: object) -> str:
    return _text(value).lower().rstrip(".")[:300]


def _headers(half: dict[str, Any]) -> Headers:
    """Header fields, then trailer fields (RFC 9110 section 6.5), in order."""
    found = []
    for part in ("headers", "trailers"):
        pairs = (p for p in _sequence(half.get(part)) if isinstance(p, (list, tuple)) and len(p) == 2)
        found += [(_text(name), _text(said)) for name, said in pairs]
    return tuple(found)


def _server(server: dict[str, Any]) -> tuple[str | None, int | None]:
    """Address and port of the machine that answered; beside an upstream proxy, which the address is of, none."""
    if server.get("via"):
        stated = server.get("address")
        return peer(stated)
    found = peer(server.get("peername"))
    if found[0] is not None:
        return found
    stated = peer(server.get("address"))
    return (stated[0], stated[1])


def _stated_name(server: dict[str, Any]) -> str:
    stated = _sequence(server.get("address"))
    return _host_text(stated[0]) if stated else ""


def _host(request: dict[str, Any], state: State) -> str:
    """The name asked for: authority or Host, else what the proxy connected to, else the name in the TLS handshake."""
    fields = {n.lower(): v for n, v in reversed(_headers(request))}
    literal = ""
    for said in (
        _text(request.get("authority")),
        fields.get("host", ""),
        _text(request.get("host")),
        _text(_mapping(state.get("client_conn")).get("sni")),
    ):
        name = authority(said)[0] if said else ""
        if name and (address(name) is None or name.count(":") > 1):
            return name if address(name) is None else address(name) or name
        literal = literal or (address(name) or "" if name else "")
    return literal


def _bodiless(kind: str, common: dict[str, Any]) -> bool:
    """RFC 9110 section 6.4.1: answers that carry no content."""
    if kind == "request":
        return False
    return common.get("status") in (204, 304) or common["method"].upper() == "HEAD" or common.get("status") == 101


def _frame(message: object) -> tuple[bool, bytes, Micros | None]:
    """A WebSocket message: opcode, from client, content, time, dropped, injected."""
    parts = _sequence(message)
    if len(parts) < 4:
        return False, b"", None
    return bool(parts[1]), _octets(parts[2]), micros(parts[3])


def _injected(message: object) -> bool:
    parts = _sequence(message)
    return len(parts) > 5 and parts[5] is True


def _piece(message: object) -> tuple[bool, bytes, Micros | None]:
    """A TCP or UDP message: from client, content, time."""
    parts = _sequence(message)
    if len(parts) < 3:
        return False, b"", None
    return bool(parts[0]), _octets(parts[1]), micros(parts[2])


def _encrypted(messages: list[Any], kind: Literal["tcp", "udp"]) -> str | None:
    """Why a connection that the proxy passed on unopened cannot be read, by its first octets."""
    for message in messages:
        from_client, content, _ = _piece(message)
        if content:
            return ciphertext(kind, from_client, content)
    return None


def _answered(kind: object, data: bytes) -> str | None:
    """The address in an A or AAAA record (RFC 1035, RFC 3596)."""
    import ipaddress

    if (kind == 1 and len(data) == 4) or (kind == 28 and len(data) == 16):
        return address(str(ipaddress.ip_address(data)))
    return None


def _certificate_names(pem: bytes) -> list[str]:
    """DNS names of a certificate's subject alternative names (RFC 5280 section 4.2.1.6), at most a few."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = found.value.get_values_for_type(x509.DNSName)
    except (ValueError, TypeError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return []
    return [name.lower()[:255] for name in names[:_NAMES_MOST] if name.isascii() and name.isprintable()]
