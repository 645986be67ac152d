"""HAR (HTTP Archive 1.1 and 1.2): what browsers, proxies and phone tools export. Entries become exchanges.

An entry is an exchange, numbered in the file's own order, also where it is broken. Entries of one connection
(the same ``connection`` and ``serverIPAddress``) are one flow; an entry that names none is a flow of its own.
A flow's octets are what its entries say: ``headersSize`` where it is known, and the body (``bodySize`` where
it is not negative, else what the body's text comes to). A HAR says nothing of packets, of the client's
address, or of who measured its ``connect`` and ``ssl`` times: those columns stay empty, so that no place
rests on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from analysis.model import Exchange, InputError, Key, Message, Micros, Origin
from analysis.sources import Batch, Options, har_way
from analysis.sources import har_fields as fields
from analysis.sources.delivery import delivered
from analysis.sources.har_entries import Entry, Parsed, Splitter, parse
from analysis.sources.octets import Octets, Text, text_of
from analysis.sources.rows import Batches, Losses, Names, address, authority, earlier, http_version, later, micros, port

KIND = "har"

_MILLISECONDS_FROM = 1e12
"""Least number that is taken for milliseconds since 1970: of September 2001. As seconds it lies beyond the calendar."""


class Stream(Protocol):
    """What is known of the octets that entries are cut from."""

    plain: bool
    skipped: int

    @property
    def done(self) -> int: ...

    @property
    def torn(self) -> str | None: ...


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The batches of a HAR. Raises InputError when it holds no ``log.entries``."""
    with Octets(path, options.ends.get(path)) as octets:
        text = Text(octets)
        yield from Reader(source, options).batches(Splitter(text, most(options)), text, path)


def most(options: Options) -> int:
    """Octets of one entry that are held: base64 takes 4 octets for 3, escaped text seldom more than 2 for 1."""
    return 3 * options.max_body + (16 << 20)


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """The octets that an origin's offset counts in: the file's text, a head, a body, or a WebSocket message.

    Raises InputError when the file has no such unit or layer."""
    if origin.layer == "text":
        return text_of(path)
    with Octets(path) as octets:
        return layer_of(Splitter(Text(octets), 1 << 40), path, origin)


def layer_of(cutter: Splitter, path: Path, origin: Origin) -> bytes:
    """The same, of what was cut from any form of file that is read as entries."""
    for number, entry in enumerate(e for e in cutter if e.of == "entries"):
        if number == origin.units[0]:
            reader = Reader(origin.source, Options(max_body=1 << 40), cutter.parse, cutter.creator)
            for message in reader.entry(entry, number, 0).messages:
                octets = _layer_of(message, origin)
                if octets is not None:
                    return octets
            break
    raise InputError(f"{path} has no {origin.layer} of unit {','.join(map(str, origin.units))}.")


def _layer_of(message: Message, origin: Origin) -> bytes | None:
    if message.kind in ("request", "response"):
        if origin.layer == f"http-{message.kind}-head":
            return message.head()
        return message.body if origin.layer == f"http-{message.kind}-body" else None
    return message.body if (origin.layer, origin.units) == (message.origin.layer, message.origin.units) else None


@dataclass(slots=True)
class _Made:
    """What one entry became."""

    exchange: Exchange
    messages: list[Message]
    flow: dict[str, Any]
    connection: tuple[str, ...] | None
    name: tuple[str, str] | None
    sent: int = 0
    received: int = 0
    missing: int = 0
    """Octets that the entry says there were and does not hold."""
    lacking: int = 0
    """Messages of which it lacks octets, also where nothing says how many."""
    started: Micros | None = None
    ended: Micros | None = None


@dataclass(slots=True)
class _Connection:
    row: dict[str, Any]
    missing_count: int = 0
    missing: int = 0


@dataclass(slots=True)
class Reader:
    source: str
    options: Options
    parse: Callable[[Entry], Parsed] = parse
    creator: str = ""
    losses: Losses = field(init=False)
    names: Names = field(default_factory=Names)
    connections: dict[tuple[str, ...], _Connection] = field(default_factory=dict)
    flows: int = 0
    messages: int = 0
    plain: bool = True
    skipped: int = 0

    def __post_init__(self) -> None:
        self.losses = Losses(self.source)

    def batches(self, splitter: Splitter, text: Stream, path: Path) -> Iterator[Batch]:
        """The batches of what is cut from ``text``. Raises InputError when that holds no list of entries."""
        self.plain, self.skipped = text.plain, text.skipped
        self.parse, self.creator = splitter.parse, splitter.creator
        batches = Batches(self.options)
        refused: list[Entry] = []
        number = 0
        for entry in splitter:
            if entry.of == "creator":
                self.creator = fields.text(fields.mapping(parse(entry).value).get("name")).lower()
                continue
            if entry.torn and not self.options.sealed:
                break
            if entry.of == "_tlsErrors":
                refused.append(entry)
                continue
            made = self.entry(entry, number, self.messages)
            number += 1
            self.messages += len(made.messages)
            batches.add(made.exchange, made.messages)
            self._flow(made, batches)
            if batches.full:
                yield batches.take(text.done)
        if not splitter.found:
            raise InputError(f"{path} is no {splitter.form}; export it again, or check what the file is.")
        if self.options.sealed:
            self._ending(splitter, text)
        yield from batches.rows((self._row(c) for c in self.connections.values()), text.done)
        yield from batches.rows((self._refusal(e) for e in refused), text.done)
        last = batches.take(text.done)
        last.names, last.losses = self.names.batch(), self.losses.all()
        yield last

    def _ending(self, splitter: Splitter, text: Stream) -> None:
        if splitter.over:
            self.losses.add("entries_limited", "entries so short and many that they hold nothing", 0, splitter.over)
        if splitter.stray:
            self.losses.add("har_damaged", "octets between the entries that are no JSON", splitter.stray)
        if text.torn is not None:
            self.losses.add("file_torn", text.torn)
        elif not splitter.closed:
            self.losses.add("file_torn", "the file breaks off before its end")

    # -------------------------------------------------------------------------------------------- one entry

    def entry(self, entry: Entry, number: int, first_message: int) -> _Made:
        """An entry as exchange and messages. What cannot be understood is empty, and counted."""
        parsed = self.parse(entry)
        value = fields.mapping(parsed.value)
        if parsed.repeated:
            self.losses.add("key_repeated", "keys that stand twice in an entry: the last holds", 0, parsed.repeated)
        if not value:
            self.losses.add("entry_broken", "entries of which nothing could be read", entry.length)
        elif entry.left_out:
            self.losses.add("entry_limit", "entries larger than is held: their beginning was read", entry.left_out)
        elif entry.torn:
            self.losses.add("entry_torn", "the last entry breaks off: it was read as far as it goes", entry.length)
        if wrong := fields.wrong_types(value):
            self.losses.add("value_unread", "values of another type than a HAR has there", 0, wrong)
        key = Key(self.source, number)
        request, response = fields.mapping(value.get("request")), fields.mapping(value.get("response"))
        if value and not request and not entry.torn:
            self.losses.add("entry_broken", "entries without a request", entry.length)
        method = fields.text(request.get("method"))
        url = fields.url(request.get("url"), method)
        sent_headers = fields.headers(request.get("headers"), request.get("cookies"), "cookie")
        got_headers = fields.headers(response.get("headers"), response.get("cookies"), "set-cookie")
        host, literal = _host(url, sent_headers)
        target = fields.target_with_query(url.target, request.get("queryString")) if url.network else ""
        at = self._started(value)
        end = at + fields.duration(value) if at is not None else None
        status = _status(response)
        protocol = http_version(fields.text(response.get("httpVersion")), fields.text(request.get("httpVersion")))
        common: dict[str, Any] = {
            "flow": key,
            "exchange": key,
            "method": method,
            "scheme": url.scheme,
            "host": host,
            "target": target,
            "protocol": protocol,
        }
        peer = address(value.get("serverIPAddress")) or literal
        app = fields.app(value)
        tried, passed = self._way(url, value, status)
        messages: list[Message] = []
        sent = received = missing = lacking = 0
        if tried and request:
            message, lost = self._request(request, sent_headers, at, number, common)
            messages.append(message)
            if passed:
                sent += message.size + (fields.size(request.get("headersSize")) or 0)
                missing += lost or 0
                lacking += lost is not None
            else:
                message.direction = "undelivered"
        if passed and (status is not None or _has_body(response)):
            message, lost = self._response(method, response, status, got_headers, end, number, common)
            messages.append(message)
            received += message.size + (fields.size(response.get("headersSize")) or 0)
            missing += lost or 0
            lacking += lost is not None
        if passed:
            frames = [*self._frames(value, number, common), *self._events(value, number, common)]
            messages += frames
            sent += sum(m.size for m in frames if m.direction == "sent")
            received += sum(m.size for m in frames if m.direction == "received")
            for frame in frames:
                end = later(end, frame.at)
        if entry.torn and messages:
            messages[-1].cut = True
        if value.get("serverIPAddress") and address(value.get("serverIPAddress")) is None:
            self.losses.add("address_unreadable", "serverIPAddress that is no IP address")
        by_kind = {m.kind: m for m in reversed(messages)}
        head = by_kind["request"].head() if "request" in by_kind else b""
        exchange = Exchange(
            key=key,
            flow=key,
            started=at,
            protocol=protocol,
            method=method,
            scheme=url.scheme,
            host=host,
            port=url.port,
            path=target.split("?")[0],
            status=status,
            request_bytes=by_kind["request"].size if "request" in by_kind and passed else 0,
            response_bytes=by_kind["response"].size if "response" in by_kind else 0,
            origin=Origin(self.source, (number,), "http-request-head", 0, len(head))
            if head
            else self._place(entry, number),
        )
        for n, message in enumerate(messages):
            message.key = Key(self.source, first_message + n)
        row = {
            "leg": self.options.leg or "phone",
            "app": app,
            "app_from": "stated" if app is not None else None,
            "src": address(value.get("_lintas_client")),
            "transport": {"": None, "http/3": "udp"}.get(protocol, "tcp"),
            "dst": peer if passed else None,
            "dport": url.port,
            "host": host or None,
            "host_from": None if not host else "address" if address(host) else "http",
            "decrypted": True,
            "origin": str(self._place(entry, number)),
        }
        name = (peer, host) if peer and host and passed and not address(host) else None
        connection = self._connection(value, peer, url, app)
        return _Made(exchange, messages, row, connection, name, sent, received, missing, lacking, at, end)

    def _started(self, value: dict[str, Any]) -> Micros | None:
        started = fields.started(value.get("startedDateTime"))
        if value and started.at is None:
            self.losses.add("time_unreadable", "entries without a time that can be read")
        elif not started.zoned:
            self.losses.add("time_without_zone", "entries whose time names no zone: taken as UTC")
        if wrong := fields.wrong_spans(value):
            self.losses.add("time_unreadable", "spans of time that can be none", 0, wrong)
        return started.at

    def _way(self, url: fields.Url, value: dict[str, Any], status: int | None) -> tuple[bool, bool]:
        """Whether a request was meant for the network, and whether its server has it."""
        if not value:
            return False, False
        reason = har_way.unsent(value, self.creator, "" if url.network else url.scheme)
        if reason is not None:
            self.losses.add(*reason)
            return False, False
        way = har_way.way(value, self.creator, status, address(value.get("serverIPAddress")), url.scheme)
        if way.own_answer:
            self.losses.add("own_answer", "answers that the tool made itself: no server gave them")
        elif not way.is_stated:
            self.losses.add(
                "delivery_not_stated",
                "requests without an answer, of which nothing says that they left: counted as not delivered",
            )
        return True, delivered(way)

    def _connection(
        self, value: dict[str, Any], peer: str | None, url: fields.Url, app: str | None
    ) -> tuple[str, ...] | None:
        """What names the transport connection. Firefox writes the server's port there, which names none."""
        name = fields.text(value.get("connection"))
        if not name or (name == str(url.port) and not any(c in self.creator for c in ("webinspector", "pcapdroid"))):
            return None
        return name, peer or "", app or ""

    # ------------------------------------------------------------------------------------------- its messages

    def _request(
        self, request: dict[str, Any], headers: Any, at: Micros | None, number: int, common: dict[str, Any]
    ) -> tuple[Message, int | None]:
        body = fields.request_body(request, headers)
        said = fields.size(request.get("bodySize"))
        coded = fields.is_coded(body.octets, fields.header(headers, "content-encoding"))
        # mitmproxy and HTTP Toolkit write a request's text with its content coding undone, browsers as it was
        # sent.
        decoded = coded is False or (coded is None and any(c in self.creator for c in ("mitmproxy", "http toolkit")))
        carries = fields.carries_request(request, common["method"], headers)
        whole = fields.dropped(body, said, headers, carries)
        return self._message("request", body, said, whole, headers, at, number, common, decoded)

    def _response(
        self,
        method: str,
        response: dict[str, Any],
        status: int | None,
        headers: Any,
        at: Micros | None,
        number: int,
        common: dict[str, Any],
    ) -> tuple[Message, int | None]:
        body = fields.response_body(response, headers)
        said = fields.size(response.get("bodySize"))
        if status in (204, 304) or method.upper() == "HEAD":
            # RFC 9110 section 6.4.1: these carry no content; what a browser shows there is from its cache.
            if body.octets:
                self.losses.add("from_cache", "contents shown from the browser's cache: not received", len(body.octets))
            body, said, whole = fields.Body(b"", True), said or 0, None
        else:
            content_size = fields.size(fields.mapping(response.get("content")).get("size"))
            if not body.present and said is None:
                said = content_size
            carries = fields.carries_response(response, status, headers)
            # The size of what is shown tells what is missing of it; what stands on the wire may be coded.
            whole = fields.dropped(body, content_size if body.octets else said, headers, carries)
        coded = fields.is_coded(body.octets, fields.header(headers, "content-encoding"))
        common = common | {"status": status}
        decoded = coded is False if body.raw else coded is not True
        return self._message("response", body, said, whole, headers, at, number, common, decoded)

    def _message(
        self,
        kind: Any,
        body: fields.Body,
        said: int | None,
        whole: int | None,
        headers: Any,
        at: Micros | None,
        number: int,
        common: dict[str, Any],
        decoded: bool,
    ) -> tuple[Message, int | None]:
        """``said``: octets that the entry states. ``whole``: octets that there were of a body that the HAR lacks, or
        lacks a part of; None of one that it has. Gives the message, and the octets that are missing of it."""
        octets, cut = body.octets, body.damaged
        if body.damaged:
            self.losses.add("body_damaged", f"{kind} bodies whose base64 is damaged", len(octets))
        if len(octets) > self.options.max_body:
            over = len(octets) - self.options.max_body
            self.losses.add("body_limit", f"{kind} bodies larger than is held", over)
            octets, cut = octets[: self.options.max_body], True
        size = said if said is not None else len(body.octets)
        missing = None
        if whole is not None:
            size, cut = whole, True
            missing = max(size - len(body.octets), 0)
            part = "of which the HAR holds a part" if body.octets else "that the HAR does not hold"
            unknown = "" if missing else ", and of which nothing says how large they were"
            self.losses.add("body_missing", f"{kind} bodies {part}{unknown}", missing)
        elif cut:
            missing = max(size - len(octets), 0)
        origin = Origin(self.source, (number,), f"http-{kind}-body", 0, len(octets))
        message = Message(
            key=Key(self.source, 0),
            direction="sent" if kind == "request" else "received",
            index=0,
            at=at,
            kind=kind,
            body=octets,
            size=size,
            origin=origin,
            headers=headers,
            content_decoded=decoded,
            cut=cut,
            **common,
        )
        return message, missing

    def _frames(self, value: dict[str, Any], number: int, common: dict[str, Any]) -> Iterator[Message]:
        """WebSocket messages as Chrome, HTTP Toolkit, PCAPdroid and mitmproxy write them."""
        count = {"sent": 0, "received": 0}
        for place, frame in enumerate(fields.sequence(value.get("_webSocketMessages"))):
            frame = fields.mapping(frame)
            direction = {"send": "sent", "receive": "received"}.get(fields.text(frame.get("type")))
            body = fields.message_body(frame.get("data"), fields.text(frame.get("opcode")) == "2")
            if direction is None or not body.present:
                self.losses.add("message_broken", "WebSocket messages that could not be read")
                continue
            at = self._moment(frame.get("time"))
            yield self._frame("websocket", direction, count, body, at, (number, place), common)

    def _moment(self, value: object) -> Micros | None:
        """When a message came, in seconds (Chrome) or milliseconds (Playwright), of which the later ones would be
        seconds beyond the calendar; what is stated and no time is counted."""
        at = micros(value)
        if at is None and isinstance(value, (int, float)) and value >= _MILLISECONDS_FROM:
            at = micros(value / 1000)
        if at is None and value is not None:
            self.losses.add("time_unreadable", "messages without a time that can be read")
        return at

    def _events(self, value: dict[str, Any], number: int, common: dict[str, Any]) -> Iterator[Message]:
        """Server-sent events, which Chrome keeps apart from the content."""
        count = {"sent": 0, "received": 0}
        for place, event in enumerate(fields.sequence(value.get("_eventSourceMessages"))):
            event = fields.mapping(event)
            body = fields.message_body(event.get("data"), False)
            if not body.present:
                self.losses.add("message_broken", "server-sent events that could not be read")
                continue
            at = self._moment(event.get("time"))
            yield self._frame("sse", "received", count, body, at, (number, place), common)

    def _frame(
        self,
        kind: Any,
        direction: Any,
        count: dict[str, int],
        body: fields.Body,
        at: Micros | None,
        units: tuple[int, int],
        common: dict[str, Any],
    ) -> Message:
        octets, cut = body.octets, body.damaged
        if body.damaged:
            self.losses.add("body_damaged", f"{kind} messages whose base64 is damaged", len(octets))
        if len(octets) > self.options.max_body:
            self.losses.add("body_limit", f"{kind} messages larger than is held", len(octets) - self.options.max_body)
            octets, cut = octets[: self.options.max_body], True
        index, count[direction] = count[direction], count[direction] + 1
        origin = Origin(self.source, units, kind, 0, len(octets))
        return Message(
            key=Key(self.source, 0),
            direction=direction,
            index=index,
            at=at,
            kind=kind,
            body=octets,
            size=len(body.octets),
            origin=origin,
            content_decoded=True,
            cut=cut,
            **common,
        )

    # ------------------------------------------------------------------------------------------------- flows

    def _place(self, entry: Entry, number: int) -> Origin:
        if self.plain:
            return Origin(self.source, (number,), "file", entry.start + self.skipped, entry.length)
        return Origin(self.source, (number,), "text", entry.start, entry.length)

    def _flow(self, made: _Made, batches: Batches) -> None:
        """Give the entry its flow: one of its own, or that of its connection."""
        if made.name is not None:
            self.names.add(*made.name, "host", made.started)
        known = self.connections.get(made.connection) if made.connection is not None else None
        if known is None:
            row = made.flow | {"source": self.source, "unit": self.flows, "first": None, "last": None}
            row |= {"bytes_out": 0, "bytes_in": 0, "bytes_read": 0}
            known = _Connection(row)
            self.flows += 1
            if made.connection is not None:
                self.connections[made.connection] = known
        row = known.row
        row["first"] = earlier(row["first"], made.started)
        row["last"] = later(row["last"], later(made.started, made.ended))
        row["bytes_out"] += made.sent
        row["bytes_in"] += made.received
        known.missing += made.missing
        known.missing_count += made.lacking
        row["bytes_read"] = row["bytes_out"] + row["bytes_in"] - known.missing
        key = Key(self.source, row["unit"])
        made.exchange.flow = key
        for message in made.messages:
            message.flow = key
        if made.connection is None:
            batches.flow(self._row(known))

    def _row(self, known: _Connection) -> dict[str, Any]:
        if known.missing_count:
            unread = {
                "kind": "truncated",
                "cause": "body_not_kept",
                "bytes": known.missing,
                "count": known.missing_count,
            }
            known.row["unread"] = [unread]
        return known.row

    def _refusal(self, entry: Entry) -> dict[str, Any]:
        """A TLS connection that HTTP Toolkit saw fail, as a flow without content."""
        value = fields.mapping(parse(entry).value)
        started = fields.started(value.get("startedDateTime")).at
        cause = fields.text(value.get("cause"))
        kind, cause = _TLS_ERRORS.get(cause, ("unread", "tls_failed"))
        host = fields.text(value.get("hostname")).lower().rstrip(".")
        unit, self.flows = self.flows, self.flows + 1
        return {
            "source": self.source,
            "unit": unit,
            "leg": self.options.leg or "phone",
            "transport": "tcp",
            "src": address(value.get("clientIPAddress")),
            "sport": port(value.get("clientPort")),
            "first": started,
            "last": started + fields.duration(value) if started is not None else None,
            "bytes_out": 0,
            "bytes_in": 0,
            "bytes_read": 0,
            "host": host or None,
            "host_from": "sni" if host else None,
            "decrypted": False,
            "unread": [{"kind": kind, "cause": cause, "bytes": 0, "count": 1}],
            "origin": str(self._place(entry, 0)),
        }


_TLS_ERRORS = {
    "cert-rejected": ("ca_refused", "certificate_not_trusted"),
    "closed": ("unread", "closed_during_handshake"),
    "reset": ("unread", "reset_during_handshake"),
    "handshake-timeout": ("unread", "stall"),
    "no-shared-cipher": ("unread", "tls_failed"),
}
"""What HTTP Toolkit's causes prove: only a rejected certificate is a refusal of it."""


def _host(url: fields.Url, headers: Any) -> tuple[str, str | None]:
    """The name asked for, and the address literal where the URL holds one. A proxy that sees only addresses
    writes them in the URL; the name then stands in the Host field or ``:authority``."""
    literal = address(url.host) if url.host else None
    if (url.host and literal is None) or not url.network:
        return url.host, None
    said = fields.header(headers, ":authority") or fields.header(headers, "host")
    name = authority(said)[0] if said else ""
    if name and address(name) is None:
        return name, literal
    return literal or name, literal


def _status(response: dict[str, Any]) -> int | None:
    value = response.get("status")
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value.strip()[:4])
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 100 <= value < 1000:
        return int(value)
    return None


def _has_body(response: dict[str, Any]) -> bool:
    return bool(fields.text(fields.mapping(response.get("content")).get("text")))
