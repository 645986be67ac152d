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
from analysis.folder.ciphertext import Seal
from analysis.model import Clue, Exchange, Headers, InputError, Key, Message, Micros, Origin, Step
from analysis.sources import Batch, Options
from analysis.sources.beside import passed_through
from analysis.sources.delivery import delivered
from analysis.sources.journal import Journaled, journaled
from analysis.sources.mitm_dump import Gap, Record, records
from analysis.sources.mitm_flows import HTTP, Conversation, Conversations, Dumped, family
from analysis.sources.mitm_state import (
    State,
    address_in,
    bodiless,
    broke_off,
    covers,
    forgotten_in,
    frame,
    headers_of,
    host_of,
    host_text,
    injected,
    mapping,
    names_of,
    octets_of,
    piece,
    sealed_as,
    sealed_late,
    sequence,
    server_of,
    text_of,
    times_in,
)
from analysis.sources.mitm_way import way_of
from analysis.sources.octets import Octets, inflated
from analysis.sources.rows import (
    Batches,
    Losses,
    Names,
    address,
    as_text,
    http_version,
    micros,
    port,
    stated_count,
)

KIND = "mitmproxy"
_NAMES_MOST = 16
"""Names of a certificate that are handed on: a content network's may hold a hundred, of other people's sites."""


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The batches of a dump. Raises InputError when no flow in it can be read."""
    with Octets(path, options.ends.get(path)) as octets:
        yield from _Reader(source, options).batches(path, octets)


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """The octets that an origin's offset counts in: what gzip held, a head, a body, or a message of a flow.

    Raises InputError when the file has no such unit or layer."""
    if origin.layer == "text":
        return inflated(path)
    with Octets(path) as octets:
        whole = (r for r in records(octets) if isinstance(r, Record))
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


@dataclass(slots=True)
class _Done:
    """What of a flow was handed over already: a dump may hold a flow twice, and what stands in both is one."""

    request: bool = False
    response: bool = False
    journal: bool = False
    messages: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    sealed: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})


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
    known: Conversations = field(init=False)
    journal: dict[str, Journaled] = field(default_factory=dict)
    done: dict[str, _Done] = field(default_factory=dict)
    seals: dict[str, Seal] = field(default_factory=dict)
    certificates: dict[bytes, list[str]] = field(default_factory=dict)
    exchanges: int = 0
    layer: Literal["file", "text"] = "file"

    def __post_init__(self) -> None:
        self.losses = Losses(self.source)
        self.known = Conversations(self.source, self.options.leg or "phone")

    def batches(self, path: Path, octets: Octets) -> Iterator[Batch]:
        self.journal, self.known.passed = journaled(self.options), passed_through(self.options)
        self.layer = octets.layer
        batches = Batches(self.options)
        number = messages = understood = 0
        flows: dict[str, tuple[Key, Key | None]] = {}
        families: dict[str, str] = {}
        why = ""
        for record in records(octets):
            if isinstance(record, Gap):
                self._gap(record, octets)
                continue
            made = self.record(record, number, messages)
            batches.name(number, text_of(mapping(record.state).get("id")))
            number += 1
            messages += len(made.messages)
            if made.flow is not None:
                flows.setdefault(record.key, (made.flow, None if made.exchange is None else made.exchange.key))
                families.setdefault(record.key, family(mapping(record.state)))
            understood += record.state is not None
            why = why or record.why
            batches.add(made.exchange, made.messages, made.clues)
            # A dump of which nothing can be read is refused whole: what is none hands over nothing before.
            if understood and batches.full:
                yield batches.take(octets.done)
        if number and not understood:
            raise InputError(f"{path} is a mitmproxy dump of which no flow can be read: {why}.")
        if not number and self.options.sealed:
            raise InputError(f"{path} begins like a mitmproxy dump and holds no whole flow; it breaks off too early.")
        if octets.torn is not None and self.options.sealed:
            self.losses.add("file_torn", octets.torn)
        conversations = {n: Key(self.source, c.unit) for n, c in self.known.flows.items()}
        self.options.found[path] = Dumped(flows, conversations, self.seals, families)
        self._from_journal()
        yield from batches.rows((c.whole() for c in self.known.flows.values()), octets.done)
        last = batches.take(octets.done)
        last.names, last.losses = self.names.batch(), self.losses.all()
        yield last

    def _gap(self, gap: Gap, octets: Octets) -> None:
        if not gap.torn:
            self.losses.add("dump_damaged", "octets between flows that are no flow", gap.length)
        elif self.options.sealed:
            self.losses.add("file_torn", octets.torn or "the last flow breaks off", gap.length)

    def _held(self, state: State) -> Journaled | None:
        """What the journal holds of a flow. Messages that are of another kind than the flow are none of it."""
        held = self.journal.get(text_of(state.get("id")))
        return held if held is not None and held.family in (None, family(state)) else None

    def _from_journal(self) -> None:
        """What only the journal knows of connections that the dump knows."""
        for flow, held in self.journal.items():
            known = None if flow in self.done else self.known.flows.get(held.conversation or ("?",))
            if known is not None:
                known.add(held)

    # ------------------------------------------------------------------------------------------- one record

    def record(self, record: Record, number: int, first_message: int) -> _Made:
        """A record of the dump as exchange, messages and names. What cannot be understood is counted, and keeps its
        number where it is an HTTP flow."""
        state = record.state
        if state is None:
            where = f"flow {number + 1} of the dump cannot be read: {record.why}"
            self.losses.placed("flow_unread", where, "further flows of the dump cannot be read", record.length)
            return _Made(self._empty(record, number)) if record.kind in HTTP else _Made()
        if self.known.elsewhere(state):
            return _Made()
        known = self.known.of(state, number)
        if "origin" not in known.row:
            known.row["origin"] = str(Origin(self.source, (number,), self.layer, record.start, record.length))
        known.times(state)
        for value in times_in(state):
            self.losses.seconds(value)
        kind = text_of(state.get("type"))
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
            made.exchange.origin = Origin(self.source, (number,), self.layer, record.start, record.length)
        return made

    def _empty(self, record: Record, number: int) -> Exchange:
        """An HTTP flow that cannot be read: an exchange of which nothing is known."""
        known = self.known.own(number)
        origin = Origin(self.source, (number,), self.layer, record.start, record.length)
        known.row["origin"] = str(origin)
        key, self.exchanges = Key(self.source, self.exchanges), self.exchanges + 1
        return Exchange(key, Key(self.source, known.unit), None, "", "", "", "", None, "", None, 0, 0, origin)

    # ----------------------------------------------------------------------------------------------- HTTP

    def _http(self, record: Record, state: State, known: Conversation, number: int) -> _Made:
        request, response = mapping(state.get("request")), mapping(state.get("response"))
        handed_on = delivered(way_of(state))
        if response and not handed_on:
            self.losses.add("answered_here", "answers that the proxy made itself: none of the server's")
            response = {}
        made_up = request.get("host") == b"unknown" and not request.get("timestamp_start") and not response
        key, self.exchanges = Key(self.source, self.exchanges), self.exchanges + 1
        flow = Key(self.source, known.unit)
        if made_up:
            # mitmproxy invents a handshake for a WebSocket record of an old dump that has lost its own.
            request = {}
            host = known.row.get("host") or ""
        else:
            host = self._asked_for(host_of(request, state), state, known)
        headers = headers_of(request)
        target = as_text(octets_of(request.get("path")))
        method = text_of(request.get("method"))
        if method.upper() == "CONNECT" and not target:
            target = as_text(octets_of(request.get("authority")))
        common: dict[str, Any] = {
            "flow": flow,
            "exchange": key,
            "method": method,
            "scheme": text_of(request.get("scheme")).lower(),
            "host": host,
            "target": target,
            "protocol": http_version(text_of(response.get("http_version")), text_of(request.get("http_version"))),
        }
        started = micros(request.get("timestamp_start"))
        status = response.get("status_code")
        status = status if isinstance(status, int) and 100 <= status < 1000 else None
        self._named(known, host, started)
        sent = self._half("request", request, headers, started, number, common, state)
        if not handed_on:
            sent.direction = "undelivered"
        ended = micros(response.get("timestamp_end")) or micros(response.get("timestamp_start")) or started
        got_common = common | {"status": status}
        received = self._half("response", response, headers_of(response), ended, number, got_common, state)
        for moment in (started, ended, micros(mapping(state.get("error")).get("timestamp"))):
            known.seen(moment)
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
            request_bytes=sent.size if sent.direction == "sent" else 0,
            response_bytes=received.size if response else 0,
            origin=Origin(self.source, (number,), "http-request-head", 0, len(sent.head()) if request else 0),
        )
        made = _Made(exchange)
        done = self._done(record, state)
        if request and self._counts(state, "request", done.request, record):
            done.request = True
            made.messages.append(self._count(known, sent))
        websocket = mapping(state.get("websocket"))
        if response and self._counts(state, "response", done.response, record):
            done.response = True
            held = self._held(state)
            if held is not None and held.octets["received"] and not websocket:
                # Its events are messages of the journal, and only what is not there is read here.
                rest, events = self._events(known, received, held, state)
                made.messages += [self._count(known, rest), *events]
            else:
                made.messages.append(self._count(known, received))
        frames = sequence(websocket.get("messages"))
        made.messages += self._messages(record, frames, frame, known, number, done, common | {"kind": "websocket"})
        known.seen(micros(websocket.get("timestamp_end")))
        return made

    def _asked_for(self, host: str, state: State, known: Conversation) -> str:
        """The name that a request is for: not the one that it says, where the server's certificate has the name of the
        handshake and not that one. A connection whose name was so proven keeps it."""
        client, server = mapping(state.get("client_conn")), mapping(state.get("server_conn"))
        sni = host_text(client.get("sni"))
        names = [] if host == sni or address(sni) is not None or server.get("via") else self._names_in(server)
        if not covers(names, sni):
            known.name(host, "http")
            return host
        if known.row.get("dst"):
            self.names.add(known.row["dst"], sni, "sni", micros(client.get("timestamp_start")))
        if not host or covers(names, host):
            return host
        where = "requests for a name that the server's certificate does not have: told by the name of the handshake"
        self.losses.add("host_not_proven", where)
        return sni

    def _named(self, known: Conversation, host: str, at: Micros | None) -> None:
        if host and address(host) is None and known.row.get("dst"):
            self.names.add(known.row["dst"], host, "host", at)

    def _done(self, record: Record, state: State) -> _Done:
        """What was read of this flow before. Records of one WebSocket have the id of their own in old dumps."""
        flow = text_of(state.get("id"))
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
        replayed = text_of(state.get("is_replay"))
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
        body = octets_of(content)
        size = len(body)
        said = stated_count(mapping(state.get("metadata")).get(f"lintas_{kind}_size"))
        unkept = content is None and bool(half) and not bodiless(kind, common, headers)
        if said > size:
            size = said
        elif unkept:
            size = self._size_not_kept(kind, half, headers, state)
        # What came of a body that broke off may be there whole; it is the body that is not.
        cut = unkept or size > len(body) or (size > 0 and broke_off(kind, half, state))
        if len(body) > self.options.max_body:
            body, cut = body[: self.options.max_body], True
        return Message(
            key=Key(self.source, 0),
            direction="received" if kind == "response" else "sent",
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

    def _size_not_kept(self, kind: str, half: dict[str, Any], headers: Headers, state: State) -> int:
        """How large a body was that is not there; 0 where nothing tells. What a body that broke off was to have had,
        it had not."""
        held = self.journal.get(text_of(state.get("id")))
        if held is not None and held.streamed["sent" if kind == "request" else "received"]:
            return held.streamed["sent" if kind == "request" else "received"]
        if broke_off(kind, half, state):
            return 0
        stated = next((v for n, v in headers if n.lower() == "content-length"), "").strip()
        return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 16 else 0

    def _count(self, known: Conversation, message: Message) -> Message:
        """Add an HTTP message to its flow's octets, where it passed; what the proxy did not keep of it is missing
        there."""
        passed = message.direction != "undelivered"
        if passed:
            known.row["bytes_in" if message.direction == "received" else "bytes_out"] += (
                len(message.head()) + message.size
            )
        missing = message.size - len(message.body)
        if message.cut and (missing or not message.body):
            known.missing += missing if passed else 0
            known.missing_count += passed
            over = len(message.body) == self.options.max_body
            kind = "body_limit" if over else "body_missing"
            where = "larger than is held" if over else "that the proxy did not keep whole"
            if not missing:
                where = "that the proxy did not keep, and of which nothing says how much came"
            self.losses.add(kind, f"{message.kind} bodies {where}", missing)
        return message

    def _events(
        self, known: Conversation, received: Message, held: Journaled, state: State
    ) -> tuple[Message, list[Message]]:
        """An answer whose server-sent events are in the journal: what of it is no event (the rest of a coded stream
        that broke down), and the events that the journal lacks (the disk was full, or more came of a coded stream than
        it takes), from the dump's copy."""
        stated = stated_count(mapping(state.get("metadata")).get("lintas_response_events"))
        lacking = stated - len(held.indexes["received"])
        body = received.body
        head = replace(received, body=b"", size=0, cut=False, origin=replace(received.origin, length=0))
        if lacking <= 0:
            return head, []
        plain, used = body, len(body)
        steps: tuple[Step, ...] = ()
        if any(name.lower() == "content-encoding" for name, _ in received.headers):
            plain, used = sse.inflated(body, self.options.max_body)
            steps = (Step("gzip" if body[:2] == b"\x1f\x8b" else "deflate"),)
        made: list[Message] = []
        start = 0
        for index, event in enumerate(sse.messages(plain)):
            if index not in held.indexes["received"]:
                origin = replace(received.origin, offset=start, length=len(event), steps=steps)
                made.append(
                    replace(
                        received,
                        kind="sse",
                        index=index,
                        at=None,
                        body=event,
                        size=len(event),
                        cut=False,
                        content_decoded=True,
                        origin=origin,
                    )
                )
                known.row["bytes_in"] += len(event)
            start += len(event)
        rest = len(body) - used
        if rest and len(plain) == self.options.max_body:
            self.losses.add("body_limit", "streams of events of which more comes than is held", rest)
            known.row["bytes_in"] += rest
            known.missing += rest
            known.missing_count += 1
        elif rest:
            origin = replace(received.origin, offset=used, length=rest)
            head = replace(received, body=body[used:], size=received.size - used, origin=origin)
        if lacking > len(made) + (rest > 0):
            where = "server-sent events that neither the journal nor the dump holds"
            self.losses.add("body_missing", where, 0, lacking - len(made) - (rest > 0))
        return head, made

    # -------------------------------------------------------------------------------- messages outside of HTTP

    def _raw(
        self, record: Record, state: State, known: Conversation, number: int, kind: Literal["tcp", "udp"]
    ) -> _Made:
        messages = sequence(state.get("messages"))
        known.seen(micros(mapping(state.get("error")).get("timestamp")))
        held = self._held(state)
        seal = sealed_late(messages) if kind == "tcp" else None
        if seal is not None:
            self.seals.setdefault(record.key, seal)
        elif held is not None:
            # Where much came behind it, the dump has no ClientHello any more.
            seal = held.sealed.since
        cause = sealed_as(messages, kind) if held is None else None
        if cause is not None:
            total = known.encrypted.setdefault(cause, [0, 0])
            total[1] += 1
            for message in messages:
                from_client, content, at = piece(message)
                known.row["bytes_out" if from_client else "bytes_in"] += len(content)
                total[0] += len(content)
                known.seen(at)
            known.row["decrypted"] = False
            return _Made()
        done = self._done(record, state)
        flow = Key(self.source, known.unit)
        common: dict[str, Any] = {"flow": flow, "exchange": None, "kind": kind, "host": known.row.get("host") or ""}
        return _Made(None, self._messages(record, messages, piece, known, number, done, common, seal))

    def _messages(
        self,
        record: Record,
        messages: list[Any],
        take: Any,
        known: Conversation,
        number: int,
        done: _Done,
        common: dict[str, Any],
        seal: Seal | None = None,
    ) -> list[Message]:
        """The messages of a flow that neither stand in the journal nor were read before, as far as they are in the
        clear."""
        held = self._held(mapping(record.state))
        made = []
        count = {"sent": 0, "received": 0}
        sealed = {"sent": 0, "received": 0}
        repeated = 0
        forgotten = forgotten_in(mapping(record.state))
        for place, message in enumerate(messages):
            from_client, content, at = take(message)
            size = max(len(content), forgotten.get(place, 0))
            direction: Any = "sent" if from_client else "received"
            index, count[direction] = count[direction], count[direction] + 1
            known.seen(at)
            in_journal = held is not None and index in held.indexes[direction]
            clear = None if seal is None else seal.clear_of(direction, index)
            if clear is not None and clear < size:
                if held is None or not (in_journal and held.sealed.as_messages):
                    sealed[direction] += size - clear
                if held is not None and in_journal and not clear and not held.sealed.as_messages and not done.journal:
                    # It stands in the journal as a message, and what it follows does not.
                    held.octets[direction] = max(held.octets[direction] - size, 0)
                content, size = content[:clear], clear
            if in_journal or clear == 0:
                continue
            if index < done.messages[direction]:
                repeated += 1
                continue
            if take is frame and injected(message):
                self.losses.add("replayed", "messages that the auditor put in: not the app's", size)
                continue
            known.row["bytes_out" if from_client else "bytes_in"] += size
            body = content[: self.options.max_body]
            cut = len(body) < size
            if cut:
                known.missing += size - len(body)
                known.missing_count += 1
                over = len(body) < len(content)
                where = "larger than is held" if over else "that neither the journal nor the dump holds"
                self.losses.add(
                    "body_limit" if over else "body_missing", f"{common['kind']} messages {where}", size - len(body)
                )
            made.append(
                Message(
                    key=Key(self.source, 0),
                    direction=direction,
                    index=index,
                    at=at,
                    body=body,
                    size=size,
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
            missing = min(held.missing, sum(held.octets.values()))
            known.missing += missing
            known.missing_count += held.missing_count if missing else 0
        self._seal(known, held, done, sealed)
        return made

    def _seal(self, known: Conversation, held: Journaled | None, done: _Done, sealed: dict[str, int]) -> None:
        """Count octets behind a ClientHello, once: the journal's as it tells them, and what only the dump has."""
        before = sum(done.sealed.values())
        more = {}
        for direction, octets in sealed.items():
            if held is not None:
                octets = max(held.sealed.told[direction], held.sealed.written[direction] + octets)
            more[direction] = max(octets - done.sealed[direction], 0)
            done.sealed[direction] += more[direction]
        known.seal(more["sent"], more["received"], not before)

    # ------------------------------------------------------------------------------------------------- DNS

    def _dns(self, state: State, known: Conversation) -> _Made:
        """Names from an answer. The dump keeps no octets of DNS messages, so the flow's stay 0."""
        self._done_id(state)
        response = mapping(state.get("response"))
        server = mapping(state.get("server_conn"))
        resolver = server_of(server)[0]
        at = micros(response.get("timestamp")) or micros(mapping(state.get("request")).get("timestamp"))
        known.seen(at)
        known.seen(micros(mapping(state.get("request")).get("timestamp")))
        questions = sequence(response.get("questions")) or sequence(mapping(state.get("request")).get("questions"))
        asked = [host_text(mapping(q).get("name")) for q in questions]
        for answer in sequence(response.get("answers")):
            answer = mapping(answer)
            data = octets_of(answer.get("data"))
            owner = host_text(answer.get("name"))
            found = address_in(answer.get("type"), data)
            if found is None:
                continue
            name = next((a for a in asked if a), owner)
            if name:
                self.names.add(found, name, "dns", at, resolver)
            if owner and owner != name:
                self.names.add(found, owner, "cname", at, resolver)
        return _Made()

    def _done_id(self, state: State) -> None:
        self.done.setdefault(text_of(state.get("id")), _Done())

    # ------------------------------------------------------------------------------------------ certificates

    def _names_in(self, server: dict[str, Any]) -> list[str]:
        """DNS names of the server's own certificate."""
        leaf = _leaf(server)
        names = self.certificates.get(leaf)
        if names is None:
            names = self.certificates[leaf] = names_of(leaf) if leaf else []
        return names

    def _certificate(self, state: State, known: Conversation, number: int, record: Record) -> list[Clue]:
        """The names in the server's own certificate: a node may name its place there."""
        server = mapping(state.get("server_conn"))
        leaf = _leaf(server)
        if not leaf or leaf in known.certificates or server.get("via"):
            return []
        known.certificates.add(leaf)
        names = self._names_in(server)[:_NAMES_MOST]
        origin = Origin(self.source, (number,), self.layer, record.start, record.length)
        at = micros(server.get("timestamp_tls_setup")) or micros(server.get("timestamp_start"))
        return [Clue(Key(self.source, known.unit), "certificate", name, at, origin) for name in names]


def _leaf(server: dict[str, Any]) -> bytes:
    """The server's own certificate, as the dump has it; empty where it has none."""
    chain = sequence(server.get("certificate_list"))
    return octets_of(chain[0]) if chain else b""
