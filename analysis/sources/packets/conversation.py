"""A conversation of two ends as its packets come: told what it speaks by content, read by the reader for that.

``bytes_out`` and ``bytes_in`` are payload octets, each once; ``read`` those that a reader understood; what is left
has a kind and a cause, so that nothing disappears.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

from analysis.model import Clue, Exchange, Key, Message, Origin
from analysis.sources import Options
from analysis.sources.packets import dns, http1, quic, tls
from analysis.sources.packets.link import PROTOCOLS, TCP, UDP, Segment
from analysis.sources.packets.streams import Stream
from analysis.sources.rows import Names, authority

MOST_RAW = 1 << 18
"""Octets of a conversation in an unknown protocol that are looked through, each way."""
_RECORDS = (b"\x14", b"\x15", b"\x16", b"\x17")
_RECORD = re.compile(rb"[\x14-\x17]\x03[\x01-\x04]")
_TLS_PORTS = frozenset({443, 465, 563, 636, 853, 989, 990, 993, 995, 5223, 5228, 8443})
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

FIN, SYN, RST, ACK = 1, 2, 4, 16


class Counters:
    """The ordinals of one file: exchanges in the order of their requests' heads, messages in the order they end."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.exchanges = 0
        self.messages = 0

    def exchange(self) -> int:
        self.exchanges += 1
        return self.exchanges - 1

    def message(self) -> Key:
        self.messages += 1
        return Key(self.source, self.messages - 1)


class Sink:
    """Where conversations put what they found."""

    def __init__(self, counters: Counters, names: Names, options: Options) -> None:
        self.counters, self.names, self.options = counters, names, options
        self.exchanges: list[tuple[Exchange, list[Message]]] = []
        self.messages: list[Message] = []
        self.clues: list[Clue] = []
        self.rows: list[dict[str, Any]] = []
        self.losses: Counter[tuple[str, str]] = Counter()


class Conversation:
    """One 5-tuple from its first packet to its end. Direction 0 is from the phone."""

    def __init__(self, number: int, first: Segment, packet: int, offset: int, size: int, sink: Sink) -> None:
        self.key = Key(sink.counters.source, number)
        self.protocol = first.protocol
        self.ends = ((first.src, first.sport), (first.dst, first.dport))
        self._sink = sink
        self.origin = Origin(sink.counters.source, (packet,), "file", offset, size)
        self.first: int | None = None
        self.last: int | None = None
        self.packets = [0, 0]
        self.octets = [0, 0]
        self.read = 0
        self.unread: Counter[tuple[str, str]] = Counter()
        self.app: str | None = None
        self.timed = True
        self.host: str | None = None
        self.host_from: str | None = None
        self.tls: str | None = None
        self.alpn: str | None = None
        self.tcp_ms: float | None = None
        self.tls_ms: float | None = None
        self.handshake_at: int | None = None
        self.closed = False
        self._syn_at: int | None = None
        self._syns = 0
        self._kind = ""
        self._streams = [
            Stream(lambda d, p, t: self._arrived(0, d, p, t), lambda n: self._missing(0, n)),
            Stream(lambda d, p, t: self._arrived(1, d, p, t), lambda n: self._missing(1, n)),
        ]
        self._held: list[list[tuple[bytes, int, int | None]]] = [[], []]
        self._parsers: list[http1.Parser] = []
        self._waiting: list[_Pending] = []
        self._shakes = [tls.Handshake(), tls.Handshake()]
        self._hello_at: int | None = None
        self._hellos = 0
        self._initials = quic.Initials()
        self._raw = [0, 0]
        self._index = [0, 0]
        self._counted = [0, 0]

    # ------------------------------------------------------------------------------------------- packets

    def feed(self, segment: Segment, way: int, packet: int, at: int | None) -> None:
        """A packet of this conversation. ``way``: 0 from the phone, 1 to it."""
        self.packets[way] += segment.packets
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
                self._syns += 1
                self._syn_at = at
            elif self._syns == 1 and self._syn_at is not None and at is not None and self.tcp_ms is None and way == 1:
                # Karn: a handshake whose SYN was sent twice says nothing about time.
                self.tcp_ms = (at - self._syn_at) / 1000
                self.handshake_at = self._syn_at
        payload_at = (segment.sequence + (1 if flags & SYN else 0)) & 0xFFFFFFFF
        if flags & ACK:
            self._streams[1 - way].expect(segment.acknowledged)
        stream.feed(payload_at, segment.payload, segment.size, packet, at)
        if flags & (FIN | RST):
            self.closed = True

    # -------------------------------------------------------------------------------------------- octets

    def _arrived(self, way: int, data: bytes, packet: int, at: int | None) -> None:
        """Octets of a TCP stream, in order."""
        if not self._kind:
            self._held[way].append((data, packet, at))
            self._kind = self._tell(way)
            if not self._kind:
                return
            held, self._held = self._held, [[], []]
            self._begin()
            for side, parts in self._in_order(held):
                self._pass_on(side, *parts)
            return
        self._pass_on(way, data, packet, at)

    @staticmethod
    def _in_order(held: list[list[tuple[bytes, int, int | None]]]) -> list[tuple[int, tuple[bytes, int, int | None]]]:
        both = [(side, part) for side in (0, 1) for part in held[side]]
        return sorted(both, key=lambda item: item[1][1])

    def _tell(self, way: int) -> str:
        """What is spoken, by the first octets of one direction; empty while that is not known yet."""
        data = b"".join(part[0] for part in self._held[way])[:16384]
        if data[:1] in _RECORDS and data[1:2] in (b"\x03", b""):
            return "tls" if len(data) >= 6 else ""
        if len(data) < 24 and _HTTP2.startswith(data):
            return ""
        if data.startswith(_HTTP2):
            return "http2"
        if http1.begins_request(data):
            return "http" if b"\n" in data or len(data) > 32 else ""
        if http1.begins_response(data):
            return "http"
        if len(data) < 9 and ((data.isalpha() and data.isupper()) or b"HTTP/1.".startswith(data[:7])) and len(data) < 8:
            return ""
        if {self.ends[0][1], self.ends[1][1]} & {53} and len(data) >= 14:
            return "dns"
        if self.ends[1][1] in _TLS_PORTS and _RECORD.search(data):
            return "tls"  # from the middle of a record on: its beginning was not captured
        return "raw"

    def _begin(self) -> None:
        if self._kind == "http":
            most = self._sink.options.max_body
            client = http1.Parser(True, self._request_begun, self._request_done, lambda: "", most)
            server = http1.Parser(False, self._response_begun, self._response_done, self._method, most)
            self._parsers = [client, server]
            first = [b"".join(p[0] for p in self._held[w])[:64] for w in (0, 1)]
            if http1.begins_response(first[0]) or (first[1] and http1.begins_request(first[1])):
                # What was taken for the phone answers requests: the ends stand the other way round.
                self._parsers.reverse()

    def _pass_on(self, way: int, data: bytes, packet: int, at: int | None) -> None:
        if self._kind == "http":
            self._parsers[way].feed(data, packet, at)
        elif self._kind == "tls":
            self._tls(way, data, at)
        elif self._kind == "dns":
            self._dns_stream(way, data, at)
        elif self._kind == "http2":
            self.unread[("unread", "http2_clear")] += len(data)
        else:
            self._raw_octets(way, data, packet, at)

    def _missing(self, way: int, count: int) -> None:
        """Octets that the capture lacks; what waited for more is told what it was."""
        self._sink.losses[("tcp_gap", "octets missing between packets")] += 1
        if not self._kind and self._held[way]:
            self._kind = "raw"
            held, self._held = self._held, [[], []]
            for side, parts in self._in_order(held):
                self._pass_on(side, *parts)
        if self._kind == "http":
            self._parsers[way].gap(count)
        elif self._kind == "tls":
            self._shakes[way].over = True

    # ----------------------------------------------------------------------------------------------- TLS

    def _tls(self, way: int, data: bytes, at: int | None) -> None:
        self.unread[("encrypted", "tls")] += len(data)
        shake = self._shakes[way]
        if shake.over:
            return
        before = shake.hello
        shake.feed(data)
        hello = shake.hello
        if hello is not None and before is None:
            if hello.client:
                self._hellos += 1
                self._hello_at = at
                self._named(hello.host, "sni")
                if hello.encrypted_name:
                    self._sink.losses[("name_encrypted", "a ClientHello whose true name is encrypted")] += 1
                self.alpn = self.alpn or hello.alpn
                self.tls = self.tls or tls.version_name(hello)
            else:
                self.tls = tls.version_name(hello) or self.tls
                self.alpn = hello.alpn or self.alpn
                if self._hello_at is not None and at is not None and self._hellos == 1 and at >= self._hello_at:
                    self.tls_ms = (at - self._hello_at) / 1000
                    self.handshake_at = self.handshake_at or self._hello_at
        if shake.certificate is not None:
            for name in tls.names_of(shake.certificate):
                self._sink.clues.append(Clue(self.key, "certificate", name, at, self.origin))
            shake.certificate = None

    def _named(self, host: str | None, said_by: str) -> None:
        if host and self.host is None:
            self.host, self.host_from = host, said_by
            self._sink.names.add(self.ends[1][0], host, said_by, self.first)

    # ---------------------------------------------------------------------------------------------- HTTP

    def _method(self) -> str:
        """The method that the next response answers."""
        return next((p.request.method for p in self._waiting if p.response is None and p.request is not None), "")

    def _request_begun(self, part: http1.Part) -> None:
        part.number = self._sink.counters.exchange()
        self._waiting.append(_Pending(part))
        host = self._authority(part)[0]
        self._named(host, "http")

    def _request_done(self, part: http1.Part) -> None:
        for pending in self._waiting:
            if pending.request is part:
                pending.asked = True
        self._settle(False)

    def _response_begun(self, part: http1.Part) -> None:
        if part.status is not None and 100 <= part.status < 200 and part.status != 101:
            return
        pending = next((p for p in self._waiting if p.response is None), None)
        if pending is None:
            part.number = self._sink.counters.exchange()
            pending = _Pending(None, asked=True)
            self._waiting.append(pending)
        pending.response = part

    def _response_done(self, part: http1.Part) -> None:
        for pending in self._waiting:
            if pending.response is part:
                pending.answered = True
        if part.upgrade:
            self._upgraded(part)
        self._settle(False)

    def _upgraded(self, part: http1.Part) -> None:
        """Behind a 101 or an opened CONNECT the connection is another one."""
        request = next((p.request for p in self._waiting if p.response is part), None)
        if part.status == 101 and "websocket" in (part.header("upgrade") or "").lower():
            for way in (0, 1):
                frames = _Frames(self, way, request, part)
                self._parsers[way].raw = frames.feed
            return
        if request is not None and request.method == "CONNECT":
            host, _ = authority(request.target)
            if host:
                self.host, self.host_from = host, "http"
        for way in (0, 1):
            self._parsers[way].raw = self._inner(way)

    def _inner(self, way: int) -> Callable[[bytes, int, int | None], None]:
        """What comes through an opened tunnel: told by content like any connection."""

        def feed(data: bytes, packet: int, at: int | None) -> None:
            if data[:1] == b"\x16" or self.tls is not None or self._shakes[0].hello is not None:
                name, said = self.host, self.host_from
                self.host = None
                self._tls(way, data, at)
                if self.host is None:
                    self.host, self.host_from = name, said
            else:
                self._raw_octets(way, data, packet, at)

        return feed

    def _authority(self, part: http1.Part) -> tuple[str, int | None]:
        target = part.target
        if "://" in target[:12]:
            return authority(target.split("://", 1)[1].split("/", 1)[0].split("?", 1)[0])
        if part.method == "CONNECT":
            return authority(target)
        return authority(part.header("host") or "")

    def _settle(self, over: bool) -> None:
        """Hand over the exchanges whose both halves are there, in their order."""
        while self._waiting:
            pending = self._waiting[0]
            ready = pending.asked and pending.answered
            if not ready and not over:
                return
            self._waiting.pop(0)
            self._hand_over(pending)

    def _hand_over(self, pending: _Pending) -> None:
        source = self.key.source
        request, response = pending.request, pending.response
        part = request or response
        assert part is not None
        host, port = self._authority(request) if request is not None else (self.host or "", None)
        target = request.target if request is not None else ""
        if "://" in target[:12]:
            rest = target.split("://", 1)[1]
            target = rest[rest.find("/") :] if "/" in rest else "/"
        packets = tuple(part.packets) or (self.origin.units[0],)
        head = self._head_message(part, host, target, request).head()
        layer = "http-request-head" if part.request else "http-response-head"
        key = Key(source, part.number)
        exchange = Exchange(
            key=key,
            flow=self.key,
            started=part.at,
            protocol=part.protocol,
            method=request.method if request is not None else "",
            scheme="http",
            host=host or self.ends[1][0],
            port=port or self.ends[1][1],
            path=target.split("?", 1)[0].split("#", 1)[0],
            status=response.status if response is not None else None,
            request_bytes=request.size if request is not None else 0,
            response_bytes=response.size if response is not None else 0,
            origin=Origin(source, packets, layer, 0, len(head)),
        )
        messages = []
        for one in (request, response):
            if one is None:
                continue
            if one.cut:
                self._sink.losses[("body_cut", "a body that the capture does not hold to its end")] += 1
            message = self._head_message(one, host, target, request)
            message.key, message.exchange = self._sink.counters.message(), key
            messages.append(message)
        self._sink.exchanges.append((exchange, messages))

    def _head_message(self, part: http1.Part, host: str, target: str, request: http1.Part | None) -> Message:
        kind = "request" if part.request else "response"
        packets = tuple(part.packets) or (self.origin.units[0],)
        return Message(
            key=self.key,
            flow=self.key,
            exchange=None,
            direction="sent" if part.request else "received",
            index=0,
            at=part.at,
            kind="request" if part.request else "response",
            body=bytes(part.body),
            size=part.size,
            origin=Origin(self.key.source, packets, f"http-{kind}-body", 0, len(part.body)),
            headers=part.headers,
            method=request.method if request is not None else "",
            scheme="http",
            host=host or self.ends[1][0],
            target=target,
            status=part.status,
            protocol=part.protocol,
            cut=part.cut,
        )

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
            self._quic(data, way)
            return
        if not self._kind and 443 in ports:
            # QUIC from the middle: short headers name nothing.
            self.unread[("encrypted", "udp_443")] += len(data)
            return
        if data[:1] in (b"\x14", b"\x15", b"\x16", b"\x17") and data[1:2] == b"\xfe" and len(data) > 13:
            self.unread[("encrypted", "dtls")] += len(data)
            return
        self._raw_octets(way, data, packet, at)

    def _quic(self, data: bytes, way: int) -> None:
        self.unread[("encrypted", "quic")] += len(data)
        if way == 0 and self._initials.hello is None:
            self._initials.feed(data)
            hello = self._initials.hello
            if hello is not None:
                self._named(hello.host, "sni")
                self.alpn = hello.alpn
        if self._initials.version:
            self.tls = quic.name_of(self._initials.version)
        elif self.tls is None:
            version = quic.version_of(data)
            self.tls = quic.name_of(version) if version else "QUIC"

    def _answers(self, message: dns.Message, at: int | None, counts: bool) -> None:
        if not message.response or not counts:
            return
        resolver = self.ends[1][0]
        for owner, address in message.addresses:
            asked = message.question or owner
            self._sink.names.add(address, asked, "dns", at, resolver)
            if owner != asked:
                self._sink.names.add(address, owner, "cname", at, resolver)

    def _dns_stream(self, way: int, data: bytes, at: int | None) -> None:
        """DNS over TCP (RFC 1035 section 4.2.2): each message behind its length."""
        self.read += len(data)
        held = b"".join(part[0] for part in self._held[way]) + data
        while len(held) >= 2:
            size = struct.unpack(">H", held[:2])[0]
            if len(held) < 2 + size:
                break
            message = dns.parse(held[2 : 2 + size])
            if message is not None:
                self._answers(message, at, True)
            held = held[2 + size :]
        self._held[way] = [(held, 0, at)] if held else []

    # ----------------------------------------------------------------------------------------------- raw

    def _raw_octets(self, way: int, data: bytes, packet: int, at: int | None) -> None:
        """Octets of a protocol that no reader knows: counted as such, and looked through for planted values."""
        self.unread[("non_http", _protocol(data, self.ends))] += len(data)
        room = MOST_RAW - self._raw[way]
        if room <= 0:
            return
        self._raw[way] += len(data)
        self.message("tcp" if self.protocol == TCP else "udp", way, data[:room], len(data), packet, at)

    def message(
        self, kind: Any, way: int, body: bytes, size: int, packet: int, at: int | None, exchange: Key | None = None
    ) -> None:
        """A message outside of HTTP, or a frame within a WebSocket."""
        layer = {"tcp": "tcp", "udp": "udp"}.get(kind, "websocket")
        self._sink.messages.append(
            Message(
                key=self._sink.counters.message(),
                flow=self.key,
                exchange=exchange,
                direction="received" if way else "sent",
                index=self._index[way],
                at=at,
                kind=kind,
                body=body,
                size=size,
                origin=Origin(self.key.source, (packet, self._index[way]), layer, 0, len(body)),
                host=self.host or self.ends[1][0],
                cut=size > len(body),
            )
        )
        self._index[way] += 1

    # ----------------------------------------------------------------------------------------------- end

    def finish(self) -> dict[str, Any]:
        """The conversation is over: its row."""
        for stream in self._streams:
            stream.end()
        if self.protocol == TCP:
            self.octets = [stream.seen for stream in self._streams]
            self.unread[("truncated", "snaplen")] += sum(stream.cut for stream in self._streams)
        if not self._kind:
            held, self._held = self._held, [[], []]
            if any(held):
                self._kind = "raw"
                for side, parts in self._in_order(held):
                    self._pass_on(side, *parts)
        for parser in self._parsers:
            if parser.raw is None:
                parser.end()
            self.read += parser.read
            if parser.junk:
                self.unread[("unread", "http_damaged")] += parser.junk
        self._settle(True)
        unread = [
            {"kind": kind, "cause": cause, "bytes": octets, "count": 1}
            for (kind, cause), octets in sorted(self.unread.items())
            if octets
        ]
        (src, sport), (dst, dport) = self.ends
        timed = self.timed and self.app is None
        return {
            "source": self.key.source,
            "unit": self.key.unit,
            "leg": self._sink.options.leg or "wire",
            "app": self.app,
            "app_from": "stated" if self.app is not None else None,
            "transport": {TCP: "tcp", UDP: "udp"}.get(self.protocol)
            or PROTOCOLS.get(self.protocol, f"ip-{self.protocol}"),
            "src": src,
            "sport": sport,
            "dst": dst,
            "dport": dport,
            "first": self.first,
            "last": self.last,
            "bytes_out": self.octets[0],
            "bytes_in": self.octets[1],
            "bytes_read": self.read,
            "packets_out": self.packets[0],
            "packets_in": self.packets[1],
            "tcp_ms": self.tcp_ms if timed else None,
            "tls_ms": self.tls_ms if timed else None,
            "handshake_at": self.handshake_at,
            "host": self.host,
            "host_from": self.host_from,
            "tls": self.tls,
            "alpn": self.alpn,
            "decrypted": not any(kind == "encrypted" for kind, _ in self.unread),
            "unread": unread,
            "origin": str(self.origin),
        }


class _Pending:
    """An exchange that is not whole yet."""

    def __init__(self, request: http1.Part | None, asked: bool = False) -> None:
        self.request = request
        self.response: http1.Part | None = None
        self.asked = asked
        self.answered = False


class _Frames:
    """WebSocket frames of one direction (RFC 6455 section 5.2), unmasked; a compressed one is handed over as sent."""

    def __init__(self, flow: Conversation, way: int, request: http1.Part | None, response: http1.Part) -> None:
        self._flow, self._way = flow, way
        self._held = bytearray()
        number = request.number if request is not None else response.number
        self._exchange = Key(flow.key.source, number)
        self._parts = bytearray()

    def feed(self, data: bytes, packet: int, at: int | None) -> None:
        self._flow.read += len(data)
        self._held += data
        while len(self._held) >= 2:
            size, head = self._held[1] & 127, 2
            if size == 126:
                head = 4
            elif size == 127:
                head = 10
            masked = bool(self._held[1] & 128)
            if len(self._held) < head + 4 * masked:
                return
            if size >= 126:
                size = int.from_bytes(self._held[2:head])
            start = head + 4 * masked
            if len(self._held) < start + size:
                if size > 1 << 26:
                    self._held.clear()
                return
            body = bytes(self._held[start : start + size])
            if masked:
                mask = bytes(self._held[head:start])
                body = bytes(b ^ mask[n & 3] for n, b in enumerate(body))
            kind, final = self._held[0] & 15, bool(self._held[0] & 128)
            del self._held[: start + size]
            if kind in (0, 1, 2):
                self._parts += body
                if final:
                    whole = bytes(self._parts)
                    self._parts.clear()
                    self._flow.message("websocket", self._way, whole, len(whole), packet, at, self._exchange)


_PORTS = {
    22: "ssh", 23: "telnet", 25: "smtp", 110: "pop3", 123: "ntp", 137: "netbios", 138: "netbios", 139: "smb",
    143: "imap", 161: "snmp", 445: "smb", 554: "rtsp", 587: "smtp", 1883: "mqtt", 1900: "ssdp", 3478: "stun",
    3479: "stun", 5060: "sip", 5222: "xmpp", 5223: "apple_push", 5228: "google_push", 5353: "mdns", 5355: "llmnr",
    67: "dhcp", 68: "dhcp", 546: "dhcp", 547: "dhcp", 6881: "bittorrent", 19302: "stun",
}  # fmt: skip


def _protocol(data: bytes, ends: tuple[tuple[str, int | None], tuple[str, int | None]]) -> str:
    """The name of a protocol by its own first octets, else by its port; ``unknown`` where neither says."""
    if len(data) >= 20 and data[4:8] == b"\x21\x12\xa4\x42":
        return "stun"
    if data.startswith(b"SSH-"):
        return "ssh"
    if data.startswith((b"\x13BitTorrent", b"d1:")):
        return "bittorrent"
    if data.startswith((b"<?xml", b"<stream")):
        return "xmpp"
    for port in (ends[1][1], ends[0][1]):
        if port in _PORTS:
            return _PORTS[port]
    return "unknown"
