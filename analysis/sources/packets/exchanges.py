"""Requests and responses of one connection, paired and handed over, whatever version of HTTP carried them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from analysis.model import Exchange, Key, Message, Origin
from analysis.sources.packets.http1 import Part
from analysis.sources.packets.sink import Sink
from analysis.sources.rows import authority

MOST_WAITING = 256
"""Requests that wait for a response; of a connection of which one side was captured none ever comes."""
MOST_OCTETS = 32 << 20
"""Octets of bodies that wait for it."""


class Place(NamedTuple):
    """Where requests go: address and port of the end that answers, and its name where one is known."""

    address: str
    port: int | None
    host: str | None


class Carrier(Protocol):
    """The conversation that exchanges belong to."""

    key: Key
    origin: Origin
    sink: Sink

    def place(self) -> Place: ...

    def sent(self, request: bool) -> bool:
        """True when the phone is the end that sent the request, or the response."""

    def asked(self, host: str, direct: bool) -> None:
        """A request named a host. ``direct``: the end that it was sent to is that host."""


class Pending:
    """An exchange that is not whole yet."""

    def __init__(self, request: Part | None, response: Part | None = None) -> None:
        self.request, self.response = request, response
        self.asked = request is None
        self.answered = False
        self.counted = 0
        """Octets of its bodies, as they were last counted."""


class Exchanges:
    """Responses answer requests in their order (RFC 9112 section 9.3.2), or as the caller pairs them."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.waiting: list[Pending] = []
        self._given_up = 0
        self._blind = False
        self._begun: dict[bool, tuple[int, int]] = {}
        self._octets = 0
        self._growing: dict[bool, Pending] = {}
        """The exchanges whose request (true) and whose response (false) may still grow."""

    def begins(self, part: Part) -> None:
        """A message's head is whole: messages that began in the same packet are told apart by their order."""
        packet = part.packets[0] if part.packets else -1
        before, count = self._begun.get(part.request, (-2, 0))
        part.before = count + 1 if before == packet else 0
        self._begun[part.request] = packet, part.before

    # ---------------------------------------------------------------------------------- HTTP/1: in order

    def request_begun(self, part: Part) -> Pending:
        self.begins(part)
        part.number = self._carrier.sink.counters.exchange()
        pending = Pending(part)
        self._await(pending, True)
        host = target_of(part)[0]
        if host:
            self._carrier.asked(host, part.method != "CONNECT" and "://" not in part.target[:12])
        self._bound()
        return pending

    def number(self) -> int:
        """The ordinal of an exchange whose request was not captured."""
        return self._carrier.sink.counters.exchange()

    def request_done(self, part: Part) -> None:
        for pending in reversed(self.waiting):
            if pending.request is part:
                pending.asked = True
                break
        self.settle(False)

    def method_of(self, part: Part) -> str:
        """The method that a response answers; empty where that is not known."""
        pending = self.of_response(part)
        return pending.request.method if pending is not None and pending.request is not None else ""

    def lost_responses(self) -> None:
        """Octets of responses are missing, so that nobody knows how many responses there were."""
        self._blind = True
        self._given_up = 0

    def response_begun(self, part: Part) -> None:
        if part.status is not None and 100 <= part.status < 200 and part.status != 101:
            return
        self.begins(part)
        pending = None
        if self._given_up:
            self._given_up -= 1
        else:
            pending = self._next()
        if pending is None:
            part.number = self._carrier.sink.counters.exchange()
            self._await(Pending(None, part), False)
        else:
            pending.response = part
            self._grows(pending, False)

    def _next(self) -> Pending | None:
        """The exchange that the next response belongs to: the first without one. Behind lost responses the last,
        since clients seldom send a request before the one before it was answered."""
        open_ = [p for p in self.waiting if p.response is None]
        if self._blind and open_:
            self._blind = False
            for pending in open_[:-1]:
                pending.asked = pending.answered = True
            open_ = open_[-1:]
        return open_[0] if open_ else None

    def response_done(self, part: Part) -> None:
        for pending in self.waiting:
            if pending.response is part:
                pending.answered = True
                break
        self.settle(False)

    def of_response(self, part: Part) -> Pending | None:
        return next((p for p in self.waiting if p.response is part), None)

    def settle(self, over: bool) -> None:
        """Hand over the exchanges whose both halves are there, in their order; all of them when it is over."""
        while self.waiting and (over or (self.waiting[0].asked and self.waiting[0].answered)):
            self.hand_over(self.take(self.waiting[0]))

    def _await(self, pending: Pending, request: bool) -> None:
        self.waiting.append(pending)
        self._grows(pending, request)

    def grew(self, pending: Pending) -> None:
        """Octets came to an exchange that waits: where several grow at once, whoever adds to them says so."""
        held = _held(pending)
        self._octets += held - pending.counted
        pending.counted = held

    def _grows(self, pending: Pending, request: bool) -> None:
        """The exchange whose request, or response, is read from now on: the one before it grows no more."""
        self._count()
        self._growing[request] = pending

    def _count(self) -> None:
        """Bring the octets that wait up to date: only what is being read can have grown."""
        for pending in self._growing.values():
            self.grew(pending)

    def take(self, pending: Pending) -> Pending:
        """Take an exchange out of those that wait."""
        self._count()
        self.waiting.remove(pending)
        self._octets -= pending.counted
        self._growing = {side: one for side, one in self._growing.items() if one is not pending}
        return pending

    def _bound(self) -> None:
        self._count()
        while len(self.waiting) > MOST_WAITING or (len(self.waiting) > 1 and self._octets > MOST_OCTETS):
            pending = self.take(self.waiting[0])
            if pending.response is None:
                self._given_up += 1
            self.hand_over(pending)

    # ------------------------------------------------------------------------------------------- handing

    def hand_over(self, pending: Pending) -> None:
        """An exchange with its messages goes to the sink."""
        carrier, request, response = self._carrier, pending.request, pending.response
        part = request or response
        assert part is not None
        place = carrier.place()
        host, port = target_of(request) if request is not None else (place.host or "", None)
        host, port = host or place.host or place.address, port or place.port
        target = request.target if request is not None else ""
        scheme = request.scheme if request is not None else part.scheme
        if "://" in target[:12] and request is not None:
            scheme = target.split("://", 1)[0].lower()
            rest = target.split("://", 1)[1]
            target = rest[rest.find("/") :] if "/" in rest else "/"
        key = Key(carrier.key.source, part.number)
        messages = []
        for one in (request, response):
            if one is not None:
                message = self._message(one, host, target, scheme, request)
                message.key, message.exchange = carrier.sink.counters.message(), key
                messages.append(message)
        layer = "http-request-head" if part.request else "http-response-head"
        exchange = Exchange(
            key=key,
            flow=carrier.key,
            started=part.at,
            protocol=part.protocol,
            method=request.method if request is not None else "",
            scheme=scheme,
            host=host,
            port=port,
            path=target.split("?", 1)[0].split("#", 1)[0],
            status=response.status if response is not None else None,
            request_bytes=request.size if request is not None else 0,
            response_bytes=response.size if response is not None else 0,
            origin=Origin(key.source, messages[0].origin.units, layer, 0, len(messages[0].head())),
        )
        carrier.sink.exchanges.append((exchange, messages))

    def _message(self, part: Part, host: str, target: str, scheme: str, request: Part | None) -> Message:
        carrier = self._carrier
        kind = "request" if part.request else "response"
        return Message(
            key=carrier.key,
            flow=carrier.key,
            exchange=None,
            direction="sent" if carrier.sent(part.request) else "received",
            index=0,
            at=part.at,
            kind="request" if part.request else "response",
            body=bytes(part.body),
            size=part.size,
            origin=Origin(carrier.key.source, self._units_of(part), f"http-{kind}-body", 0, len(part.body)),
            headers=part.headers,
            method=request.method if request is not None else "",
            scheme=scheme,
            host=host,
            target=target,
            status=part.status,
            protocol=part.protocol,
            cut=part.cut or part.size > len(part.body),
        )

    def _units_of(self, part: Part) -> tuple[int, ...]:
        """The packets that carry a message. Where others began in its first packet, its last ordinal is written once
        more for each of them that came before, so that an origin names one message."""
        packets = tuple(part.packets) or (self._carrier.origin.units[0],)
        return packets + packets[-1:] * part.before


def target_of(part: Part) -> tuple[str, int | None]:
    """Host and port that a request is for (RFC 9112 section 3.3)."""
    if "://" in part.target[:12]:
        return authority(part.target.split("://", 1)[1].split("/", 1)[0].split("?", 1)[0])
    if part.method == "CONNECT":
        return authority(part.target)
    return authority(part.authority or part.header("host") or "")


def _held(pending: Pending) -> int:
    return sum(len(part.body) for part in (pending.request, pending.response) if part is not None)
