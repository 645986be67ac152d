"""A conversation of two ends as its packets come: told what it speaks by content, read by the reader for that.

``bytes_out`` and ``bytes_in`` are payload octets, each once; ``read`` those that a reader understood; what is left
has a kind and a cause, so that nothing disappears.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

from analysis.model import Clue, Key, Message, MessageKind, Origin
from analysis.sources.packets import dns, http1, http2, quic, telling, websocket
from analysis.sources.packets.exchanges import Exchanges, Place
from analysis.sources.packets.owner import App, Owner
from analysis.sources.packets.sealed import Sealed
from analysis.sources.packets.segment import PROTOCOLS, TCP, UDP, Segment
from analysis.sources.packets.sink import Sink
from analysis.sources.packets.streams import Stream
from analysis.sources.packets.turns import Turns
from analysis.sources.rows import address, authority

FIN, SYN, RST, ACK = 1, 2, 4, 16


class Conversation:
    """One 5-tuple from its first packet to its end. Direction 0 is from the phone."""

    # Thousands stand at once, and beyond thirty names a dictionary is shared no more.
    __slots__ = (
        "_asks",
        "_dns",
        "_exchanges",
        "_frames",
        "_guessed",
        "_held",
        "_http2",
        "_index",
        "_kind",
        "_old",
        "_opening",
        "_owner",
        "_packet",
        "_parsers",
        "_relay",
        "_sealed",
        "_streams",
        "_syn_at",
        "_syns",
        "_turns",
        "closed",
        "ends",
        "first",
        "handshake_at",
        "host",
        "host_from",
        "key",
        "last",
        "octets",
        "opened",
        "origin",
        "packets",
        "protocol",
        "read",
        "sink",
        "tcp_ms",
        "timed",
        "unread",
    )

    def __init__(self, number: int, first: Segment, first_packet: int, offset: int, size: int, sink: Sink) -> None:
        self.key = Key(sink.counters.source, number)
        self.protocol = first.protocol
        self.ends = ((first.src, first.sport), (first.dst, first.dport))
        self.sink = sink
        self.origin = Origin(sink.counters.source, (first_packet,), sink.layer, offset, size)
        self.first: int | None = None
        self.last: int | None = None
        self.packets = [0, 0]
        self.octets = [0, 0]
        self.read = 0
        self.unread: Counter[tuple[str, str]] = Counter()
        self._owner: Owner | None = None
        self.timed = True
        self.host: str | None = None
        self.host_from: str | None = None
        self.tcp_ms: float | None = None
        self.handshake_at: int | None = None
        self.closed = False
        self._syn_at: int | None = None
        self._syns = 0
        self._kind = ""
        # A packet alone is a conversation too, and there may be thousands at once: what only some need comes late.
        self._streams: tuple[Stream, ...] = ()
        if first.protocol == TCP:
            self._streams = tuple(Stream(partial(self._arrived, way), partial(self._missing, way)) for way in (0, 1))
        self._held: list[list[tuple[bytes, int, int | None]]] = [[], []]
        self._parsers: list[http1.Parser] = []
        self._old: list[http1.Parser] = []
        """Of a connection that became another one."""
        self._frames: list[websocket.Frames] = []
        self._exchanges: Exchanges | None = None
        self._http2: http2.Connection | None = None
        self._asks = 0
        """The direction of requests."""
        self._guessed = False
        self._relay = False
        """What goes through is meant for another host than the one that it is sent to."""
        self._sealed: Sealed | None = None
        self._dns: tuple[dns.Stream, ...] = ()
        self._turns: Turns | None = None
        self._index = [0, 0]
        self.opened = False
        """Who opened it was seen, or stated: the phone is no guess."""
        self._opening: int | None = None
        self._packet = first_packet

    # ------------------------------------------------------------------------------------------- packets

    def owned_by(self, app: App) -> None:
        """A packet says whose it is."""
        if self._owner is None:
            self._owner = Owner()
        self._owner.add(app)

    def feed(self, segment: Segment, way: int, packet: int, at: int | None) -> None:
        """A packet of this conversation. ``way``: 0 from the phone, 1 to it."""
        self.packets[way] += segment.packets
        self._packet = packet
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)
        if self.protocol == TCP:
            self._tcp(segment, way, packet, at)
        elif self.protocol == UDP:
            self._udp(segment, way, packet, at)
        elif segment.size > 0:
            self.octets[way] += segment.size
            self.unread[("non_http", PROTOCOLS.get(self.protocol, f"ip_{self.protocol}"))] += segment.size

    def _tcp(self, segment: Segment, way: int, packet: int, at: int | None) -> None:
        flags = segment.flags
        stream = self._streams[way]
        if flags & SYN:
            stream.start(segment.sequence)
            if not flags & ACK:
                self._opening = segment.sequence
                self._syns += 1
                self._syn_at = at
            elif way == 1 and self.tcp_ms is None and self._answers_syn(segment):
                self.tcp_ms = self.took(self._syn_at, at)
        payload_at = (segment.sequence + (1 if flags & SYN else 0)) & 0xFFFFFFFF
        if flags & ACK and not flags & RST:
            self._streams[1 - way].expect(segment.acknowledged)
        stream.feed(payload_at, segment.payload, segment.size, packet, at)
        if flags & FIN:
            stream.finish((payload_at + segment.size) & 0xFFFFFFFF)
        if flags & (FIN | RST):
            self.closed = True

    def _answers_syn(self, segment: Segment) -> bool:
        """Karn's rule: a handshake whose SYN was sent twice says nothing about time."""
        return self._syns == 1 and self._opening is not None and segment.acknowledged == self._opening + 1 & 0xFFFFFFFF

    def took(self, began: int | None, at: int | None) -> float | None:
        """Milliseconds of a round trip; None where the packets' clock is unknown or ran backwards."""
        if began is None or at is None or at < began:
            return None
        if self.handshake_at is None:
            self.handshake_at = began
        return (at - began) / 1000

    def reopens(self, sequence: int) -> bool:
        """True when a SYN with this sequence number begins another conversation of the same ends."""
        if self._opening is not None:
            return self.closed or sequence != self._opening
        return self.closed or any(stream.seen for stream in self._streams)

    # -------------------------------------------------------------------------------------------- octets

    def _arrived(self, way: int, data: bytes, packet: int, at: int | None) -> None:
        """Octets of a TCP stream, in order."""
        if not self._kind:
            self._held[way].append((data, packet, at))
            self._kind = self._tell(way)
            if not self._kind:
                return
            self._begin(way)
            self._release()
            return
        self._pass_on(way, data, packet, at)

    @staticmethod
    def _in_order(held: list[list[tuple[bytes, int, int | None]]]) -> list[tuple[int, tuple[bytes, int, int | None]]]:
        both = [(side, part) for side in (0, 1) for part in held[side]]
        return sorted(both, key=lambda item: item[1][1])

    def _tell(self, way: int) -> str:
        """What is spoken, by the first octets of one direction; empty while that is not known yet."""
        data = b"".join(part[0] for part in self._held[way])[: telling.MOST]
        ports = (self.ends[0][1], self.ends[1][1])
        return telling.begins(data, ports, self._opening is None and not self._relay)

    def _begin(self, way: int) -> None:
        if self._kind in ("http", "http2"):
            if self._exchanges is None:
                self._who_asks(way)
            self._http_begins()

    def _pass_on(self, way: int, data: bytes, packet: int, at: int | None) -> None:
        if self._kind == "http":
            parser = self._parsers[way]
            parser.feed(data, packet, at)
            if parser.stalled:
                self._untold_tunnel()
        elif self._kind == "tls":
            self._tls(way, data, at)
        elif self._kind == "fbzero":
            self.unread[("encrypted", "facebook_zero")] += len(data)
            self._sealed = self._sealed or Sealed(self)
            self._sealed.zero(way, data)
        elif self._kind == "dns":
            self._dns_stream(way, data, at)
        elif self._kind == "http2" and self._http2 is not None:
            self._http2.feed(way == self._asks, data, packet, at)
        else:
            self._raw_stream(way, data, packet, at)

    def _untold_tunnel(self) -> None:
        """What follows a CONNECT whose answer was not captured: that it was opened is shown by its being used."""
        self._relay = True
        self._leave_http("")

    def _missing(self, way: int, count: int) -> None:
        """Octets that the capture lacks; what waited for more is told what it was."""
        self.sink.lose("tcp_gap", "octets missing between packets", count)
        if not self._kind and self._held[way]:
            self._kind = "raw"
            self._release()
        self._end_turn()
        if self._kind == "http":
            goes_on = self._parsers[way].gap(count)
            if not goes_on and way != self._asks and self._exchanges is not None:
                self._exchanges.lost_responses()
        elif self._kind == "http2" and self._http2 is not None:
            self._http2.gap(way == self._asks)
        elif self._kind in ("tls", "fbzero") and self._sealed is not None:
            self._sealed.gap(way)
        elif self._kind == "dns" and self._dns:
            self._dns[way].lost()

    def _release(self) -> None:
        """What was held back goes on, in the order of the packets."""
        held, self._held = self._held, [[], []]
        for side, parts in self._in_order(held):
            self._arrived(side, *parts)

    # ----------------------------------------------------------------------------------------------- TLS

    def _tls(self, way: int, data: bytes, at: int | None) -> None:
        self.unread[("encrypted", "tls")] += len(data)
        self._sealed = self._sealed or Sealed(self)
        self._sealed.stream(way, data, at, bool(self._streams[0].again))

    def certified(self, name: str, at: int | None) -> None:
        """A name in the server's certificate."""
        self.sink.clues.append(Clue(self.key, "certificate", name, at, self.origin))

    def name_encrypted(self) -> None:
        """The name that was asked for may be another one."""
        self.sink.lose(
            "name_encrypted", "a ClientHello with an encrypted part: the name in the clear may not be the true one"
        )

    def named(self, host: str | None, said_by: str, direct: bool = True) -> None:
        """A name that the end which answers was called by. ``direct``: it is that host itself, no proxy before it."""
        if not host or (self.host is not None and not (self._relay and said_by == "sni")):
            return
        literal = address(host) is not None
        if self.host is None or not literal:
            self.host, self.host_from = host, "address" if literal else said_by
        if direct and not self._relay and not literal:
            told = "host" if said_by == "http" else said_by
            self.sink.names.add(self.ends[1 - self._asks][0], host, told, self.first)

    # ---------------------------------------------------------------------------------------------- HTTP

    def place(self) -> Place:
        """Where requests go."""
        address, port = self.ends[1 - self._asks]
        return Place(address, port, self.host)

    def sent(self, request: bool) -> bool:
        """True when the phone is the end that sent the request, or the response."""
        return self._phone() == (self._asks if request else 1 - self._asks)

    def asked(self, host: str, direct: bool) -> None:
        """A request named a host."""
        self.named(host, "http", direct)

    def _http_begins(self) -> None:
        self._exchanges = self._exchanges or Exchanges(self)
        most = self.sink.options.max_body
        if self._kind == "http2":
            self._http2 = http2.Connection(self._exchanges, self.sink.lose, most)
            return
        pair = self._exchanges
        client = http1.Parser(True, pair.request_begun, pair.request_done, lambda _: "", most)
        server = http1.Parser(False, pair.response_begun, self._response_done, pair.method_of, most)
        self._parsers = [server, client] if self._asks else [client, server]

    def _who_asks(self, way: int) -> None:
        """The direction of requests, by what is said; who the phone is was a guess where nobody opened."""
        first = [b"".join(p[0] for p in self._held[w])[:8192] for w in (0, 1)]
        if self._kind == "http2":
            self._asks = 0 if first[0].startswith(http2.PREFACE[:8]) or way == 0 else 1
        elif http1.begins_response(first[0]) or (first[1] and http1.begins_request(first[1])):
            self._asks = 1
        self._guessed = self._asks == 1 and not self.opened

    def _response_done(self, part: http1.Part) -> None:
        assert self._exchanges is not None
        pair, pending = self._exchanges, self._exchanges.of_response(part)
        request = pending.request if pending is not None else None
        upgrade = (part.header("upgrade") or "").lower()
        if part.upgrade and part.status == 101 and "h2c" in upgrade and pending is not None:
            # The response to the request comes as stream 1 of what begins now (RFC 7540 section 3.2).
            pending.response = None
            self._leave_http("http2")
            assert self._http2 is not None
            self._http2.upgraded(pending)
            return
        pair.response_done(part)
        if part.upgrade and part.status == 101 and "websocket" in upgrade:
            self._websocket(request, part)
        elif part.upgrade:
            if request is not None and request.method == "CONNECT":
                host, _ = authority(request.target)
                if host:
                    self.host, self.host_from = host, "http"
                self._relay = True
            self._leave_http("")
        elif self._parsers and self._parsers[self._asks].paused:
            self._parsers[self._asks].resume()

    def _leave_http(self, kind: str) -> None:
        """The connection is another one from here on: what is known of it, or told by its octets like any other."""
        old = self._parsers
        self._parsers, self._kind = [], kind
        if kind == "http2":
            self._http_begins()
        for way, parser in enumerate(old):
            parser.raw = partial(self._arrived, way)
            parser.raw_gap = partial(self._missing, way)
            self._old.append(parser)
        if old and old[self._asks].paused:
            old[self._asks].resume()

    def _websocket(self, request: http1.Part | None, response: http1.Part) -> None:
        exchange = Key(self.key.source, (request or response).number)
        extensions = (response.header("sec-websocket-extensions") or "").lower()
        for way in (0, 1):
            most = self.sink.options.max_body
            handed = partial(self._frame_message, exchange, way)
            frames = websocket.Frames(handed, self.sink.lose, most, extensions, way == self._asks)
            self._frames.append(frames)
            self._parsers[way].raw = frames.feed
            self._parsers[way].raw_gap = partial(self._frame_gap, frames)

    def _frame_message(
        self, exchange: Key, way: int, body: bytes, size: int, cut: bool, packet: int, at: int | None
    ) -> None:
        self.message("websocket", way, body, size, packet, at, exchange, cut)

    def _frame_gap(self, frames: websocket.Frames, size: int) -> None:
        frames.gap(size, self._packet, self.last)

    # ----------------------------------------------------------------------------------------------- UDP

    def _udp(self, segment: Segment, way: int, packet: int, at: int | None) -> None:
        data = segment.payload
        self.octets[way] += segment.size
        if len(data) < segment.size:
            self.unread[("truncated", "snaplen")] += segment.size - len(data)
        if not data:
            return
        ports = {self.ends[0][1], self.ends[1][1]}
        if ports & {53, 5353, 5355} and self._kind in ("", "dns"):
            message = dns.parse(data)
            if message is not None:
                self._kind = "dns"
                self.read += len(data)
                self._answers(message, at, 53 in ports)
                return
        if self._kind in ("", "quic") and (self._kind == "quic" or quic.looks(data)):
            self._kind = "quic"
            self._quic(data, way, at)
            return
        self.unread[self._turns_of("udp").datagram(way, data, packet, at)] += len(data)

    def _quic(self, data: bytes, way: int, at: int | None) -> None:
        self.unread[("encrypted", "quic")] += len(data)
        self._sealed = self._sealed or Sealed(self)
        self._sealed.datagram(way, data, at)

    def _answers(self, message: dns.Message, at: int | None, counts: bool) -> None:
        if not message.response or not counts:
            return
        resolver = self.ends[1][0]
        chain = message.asked
        for owner, held in message.addresses:
            # An address of a name that the question does not lead to answers nobody's question.
            asked = message.question if message.question is not None and owner in chain else owner
            self.sink.names.add(held, asked, "dns", at, resolver)
            if owner != asked:
                self.sink.names.add(held, owner, "cname", at, resolver)

    def _dns_stream(self, way: int, data: bytes, at: int | None) -> None:
        self._dns = self._dns or (dns.Stream(), dns.Stream())
        for message in self._dns[way].feed(data):
            self._answers(message, at, True)

    # ----------------------------------------------------------------------------------------------- raw

    def _raw_stream(self, way: int, data: bytes, packet: int, at: int | None) -> None:
        """TCP in a protocol that no reader knows, until what it carries is one that is known: behind STARTTLS or SOCKS,
        or once the message is over in whose middle the capture began."""
        kind = telling.begins_late(data)
        if kind:
            self._end_turn()
            # Who is spoken to behind a negotiation may be another host than the end of the connection.
            self._relay = self._relay or self._opening is not None
            self._kind = kind
            if kind == "http":
                self._held[way].append((data, packet, at))
                self._begin(way)
                self._held = [[], []]
                self._parsers[1 - way].joins_late()
            self._pass_on(way, data, packet, at)
            return
        turns = self._turns_of("tcp")
        self.unread[turns.stream(way, data, packet, at)] += len(data)

    def _turns_of(self, kind: MessageKind) -> Turns:
        if self._turns is None:
            say = partial(self.message, kind)
            self._turns = Turns(say, {self.ends[0][1], self.ends[1][1]})
        return self._turns

    def _end_turn(self) -> None:
        if self._turns is not None:
            self._turns.end()

    def message(
        self,
        kind: MessageKind,
        way: int,
        body: bytes,
        size: int,
        packet: int,
        at: int | None,
        exchange: Key | None = None,
        cut: bool = False,
    ) -> None:
        """A message outside of HTTP, or one of a WebSocket."""
        layer = {"tcp": "tcp", "udp": "udp"}.get(kind, "websocket")
        self.sink.messages.append(
            Message(
                key=self.sink.counters.message(),
                flow=self.key,
                exchange=exchange,
                direction="sent" if way == self._phone() else "received",
                index=self._index[way],
                at=at,
                kind=kind,
                body=body,
                size=size,
                origin=Origin(self.key.source, (packet, self._index[way]), layer, 0, len(body)),
                host=self.host or self.ends[1][0],
                cut=cut or size > len(body),
            )
        )
        self._index[way] += 1

    def _phone(self) -> int:
        """The direction that the phone sends in: 0 as it was told, unless that was a guess and requests refute it."""
        return self._asks if self._guessed else 0

    # ----------------------------------------------------------------------------------------------- end

    def finish(self) -> dict[str, Any]:
        """The conversation is over: its row."""
        for stream in self._streams:
            stream.end()
        if self.protocol == TCP:
            self.octets = [stream.seen for stream in self._streams]
            self.unread[("truncated", "snaplen")] += sum(stream.cut for stream in self._streams)
            self._outside()
        if not self._kind and any(self._held):
            self._kind = "raw"
            self._release()
        if self._parsers and self._parsers[self._asks].paused:
            self._untold_tunnel()
            if not self._kind and any(self._held):
                self._kind = "raw"
                self._release()
        self._end_turn()
        for frames in self._frames:
            frames.end(self._packet, self.last)
            self.read += frames.read
            self.unread[("unread", "websocket_damaged")] += frames.junk
            self.unread[("truncated", "gap")] += frames.behind
        for parser in (*self._old, *self._parsers):
            parser.end()
            self.read += parser.read
            self.unread[("unread", "http_damaged")] += parser.junk
            self.unread[("truncated", "gap")] += parser.behind
        if self._http2 is not None:
            self._http2.end()
            self.read += self._http2.read
            self.unread[("unread", "http_damaged")] += self._http2.junk
            self.unread[("truncated", "gap")] += self._http2.behind
        if self._exchanges is not None:
            self._exchanges.settle(True)
        for asked in self._dns:
            asked.lost()
            self.read += asked.read
            self.unread[("unread", "dns_damaged")] += asked.damaged
        if self._turns is not None and self._turns.over:
            where = "octets of an unknown protocol behind the first 256 KiB"
            self.sink.lose("octets_limited", where, self._turns.over)
        sealed = self._sealed
        if sealed is not None and sealed.refused is not None:
            self.unread[("ca_refused", sealed.refused)] = self.unread.pop(("encrypted", "tls"), 0)
        unread = [
            {"kind": kind, "cause": cause, "bytes": octets, "count": 1}
            for (kind, cause), octets in sorted(self.unread.items())
            if octets
        ]
        phone = self._phone()
        app = self._owner.said if self._owner is not None else None
        (src, sport), (dst, dport) = self.ends[phone], self.ends[1 - phone]
        # What calls back into this conversation would keep it alive until the collector comes by.
        self._streams, self._parsers, self._old, self._frames = (), [], [], []
        self._exchanges = self._http2 = self._sealed = self._turns = None
        return {
            "source": self.key.source,
            "unit": self.key.unit,
            "leg": self.sink.options.leg or "wire",
            "app": app.name if app is not None else None,
            "app_from": "stated" if app is not None and app.name is not None else None,
            "uid": app.uid if app is not None else None,
            "transport": {TCP: "tcp", UDP: "udp"}.get(self.protocol)
            or PROTOCOLS.get(self.protocol, f"ip-{self.protocol}"),
            "src": src,
            "sport": sport,
            "dst": dst,
            "dport": dport,
            "first": self.first,
            "last": self.last,
            "bytes_out": self.octets[phone],
            "bytes_in": self.octets[1 - phone],
            "bytes_read": self.read,
            "packets_out": self.packets[phone],
            "packets_in": self.packets[1 - phone],
            "tcp_ms": self.tcp_ms if self.timed else None,
            "tls_ms": sealed.tls_ms if sealed is not None and self.timed else None,
            "handshake_at": self.handshake_at,
            "host": self.host,
            "host_from": self.host_from,
            "tls": sealed.tls if sealed is not None else None,
            "alpn": sealed.alpn if sealed is not None else None,
            "decrypted": not any(part["kind"] in ("encrypted", "ca_refused") for part in unread),
            "unread": unread,
            "origin": str(self.origin),
        }

    def _outside(self) -> None:
        """Octets of segments that are in no stream."""
        for stream in self._streams:
            if stream.stray:
                self.sink.lose("tcp_stray", "segments whose numbers are none of their connection's", stream.stray)
            if stream.before:
                self.sink.lose("tcp_gap", "octets from before the first packet of a connection", stream.before)
