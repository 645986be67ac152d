"""Packet captures: pcap and pcapng, from the frame to flows, names, plain HTTP/1 and what is sealed.

Flows are conversations by 5-tuple (RFC 7011): a new one begins with a SYN behind an end, or after a silence. The
phone is the end that opened it: who sent the SYN, else the device that the user named, else the end with a private
address, else the one without the well-known port.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from analysis.model import InputError, Origin
from analysis.sources import Batch, Options
from analysis.sources.octets import Octets, inflated
from analysis.sources.packets import exported, link, owner
from analysis.sources.packets.conversation import ACK, SYN, Conversation
from analysis.sources.packets.exported import Exported
from analysis.sources.packets.files import Packet, Told, apps, packets
from analysis.sources.packets.link import Datagrams
from analysis.sources.packets.owner import App
from analysis.sources.packets.segment import TCP, Partial, Segment, Skipped
from analysis.sources.packets.sink import Counters, Sink
from analysis.sources.rows import Batches, Losses, Names

KIND = "pcap"

_NAMING = frozenset({149, 239, 258})
"""Link types whose frames say whose packet it is."""
IDLE = {TCP: 7_200_000_000, 17: 180_000_000}
"""Microseconds of silence after which a 5-tuple is another conversation: NAT's two hours for TCP (RFC 5382), and
three minutes for UDP (RFC 4787 asks for two at least)."""
_IDLE_ELSE = 180_000_000
_CLOSED = 60_000_000
_SWEEP = 4_000
"""Packets between two looks for conversations that are over, at least."""
MOST_OPEN = 1 << 16
"""Conversations that are followed at once; the one that was silent longest gives way, and is counted."""


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The batches of a packet capture. Raises InputError when it holds no packet that can be read at all."""
    with Octets(path, options.ends.get(path)) as octets:
        yield from _Reader(source, options, octets.layer).run(octets, path)


class _Reader:
    def __init__(self, source: str, options: Options, layer: str) -> None:
        self._options = options
        self._names = Names()
        self._counters = Counters(source)
        self._sink = Sink(self._counters, self._names, options, layer)
        self._losses = Losses(source)
        self._batches = Batches(options)
        self._open: dict[object, Conversation] = {}
        """By their ends, the one that was silent longest first."""
        self._sweep_at = _SWEEP
        self._flows = 0
        self._datagrams = Datagrams()
        self._exported = Exported()
        self._skipped: Counter[str] = Counter()
        self._octets: Counter[str] = Counter()

    def run(self, octets: Octets, path: Path) -> Iterator[Batch]:
        told = Told()
        told.apps = apps(path, self._options.ends.get(path))
        last = 0
        for packet in packets(octets, told):
            self._packet(packet, told)
            if packet.number >= self._sweep_at and packet.at is not None:
                self._sweep(packet.at)
                self._sweep_at = packet.number + max(_SWEEP, len(self._open))
            yield from self._full(octets.done)
            last = packet.number + 1
        if told.growing and not self._options.sealed:
            told.torn = None  # not there yet
        if not last and told.torn is not None:
            raise InputError(f"{path} is a packet capture of which no packet can be read: {told.torn}.")
        for conversation in sorted(self._open.values(), key=lambda c: c.key.unit):
            self._end(conversation)
            yield from self._full(octets.done)
        self._open.clear()
        rest = self._datagrams.rest()
        if rest:
            self._skipped["packet_fragment_without_rest"] += rest
            self._octets["packet_fragment_without_rest"] += self._datagrams.octets
        if told.damaged:
            self._skipped["packet_block_damaged"] += told.damaged
            self._octets["packet_block_damaged"] += told.damaged_octets
        dropped = max(sum(told.dropped.values()), told.dropped_between)
        if dropped:
            self._losses.add("dropped_at_capture", "packets that the capturing machine says it lost", 0, dropped)
        for kind, count in sorted(self._skipped.items()):
            self._losses.add(kind, "packets in no flow", self._octets[kind], count)
        for (kind, where), count in sorted(self._sink.losses.items()):
            self._losses.add(kind, where, self._sink.lost[(kind, where)], count)
        if told.torn is not None:
            self._losses.add("file_truncated", told.torn, told.left)
        for address, name in told.names or ():
            self._names.add(address, name, "stated", None)
        self._drain()
        batch = self._batches.take(octets.done)
        batch.names, batch.losses, batch.keys = self._names.batch(), self._losses.all(), told.keys
        yield batch

    def _full(self, done: int) -> Iterator[Batch]:
        self._drain()
        if self._batches.full:
            yield self._batches.take(done)

    def _drain(self) -> None:
        sink = self._sink
        for exchange, messages in sink.exchanges:
            self._batches.add(exchange, messages)
        if sink.messages or sink.clues:
            self._batches.add(None, sink.messages, sink.clues)
        for row in sink.rows:
            self._batches.flow(row)
        sink.exchanges, sink.messages, sink.clues, sink.rows = [], [], [], []

    # --------------------------------------------------------------------------------------------- packets

    def _packet(self, packet: Packet, told: Told) -> None:
        data, marked = packet.data, False
        app = packet.process
        if packet.link == 1:
            trailer = owner.pcapdroid(data) if data[-32:-31] == b"\x01" else None
            if trailer is not None:
                app, marked, data = trailer, True, data[:-32]
        elif packet.link in _NAMING:
            app = owner.of_frame(packet.link, data) or app
        if packet.comment:
            app = owner.of_comment(packet.comment, told.apps) or app
            marked = marked or owner.pcapdroid_uid(packet.comment) is not None
        self._datagrams.now = packet.at
        carried = self._carried(packet, data)
        if isinstance(carried, Skipped):
            self._skipped[carried.kind] += carried.packets
            self._octets[carried.kind] += packet.wire
        elif isinstance(carried, Segment):
            self._flow(carried, packet, app, marked)

    def _carried(self, packet: Packet, data: bytes) -> Segment | Skipped | Partial:
        """What a packet carries, once all that it is wrapped in is undone."""
        datagrams = self._datagrams
        if packet.link != exported.LINK:
            found = link.network(packet.link, data)
            return found if isinstance(found, Skipped) else datagrams.segment(found[0], data, found[1])
        pdu = self._exported.opened(data, packet.wire)
        if isinstance(pdu, exported.Whole):
            return datagrams.inside(pdu.kind, data, pdu.at, 1)
        return datagrams.transport(*pdu) if isinstance(pdu, exported.Bare) else pdu

    def _flow(self, segment: Segment, packet: Packet, app: App | None, marked: bool) -> None:
        here, there = (segment.src, segment.sport), (segment.dst, segment.dport)
        key = (segment.protocol, *sorted((here, there), key=repr))
        conversation = self._open.pop(key, None)
        opens = segment.protocol == TCP and segment.flags & (SYN | ACK) == SYN
        if conversation is not None and self._is_new(conversation, packet.at, segment.sequence if opens else None):
            self._end(conversation)
            conversation = None
        if conversation is None:
            if self._faces(segment, opens):
                ordered = segment
            else:
                ordered = segment._replace(src=segment.dst, sport=segment.dport, dst=segment.src, dport=segment.sport)
            conversation = Conversation(
                self._flows, ordered, packet.number, packet.offset, len(packet.data), self._sink
            )
            conversation.opened = opens or self._options.device in (segment.src, segment.dst)
            self._flows += 1
        self._open[key] = conversation
        if len(self._open) > MOST_OPEN:
            self._end(self._open.pop(next(iter(self._open))))
            self._sink.lose("reassembly_limit", "conversations no longer followed, since too many were open at once")
        if marked:
            conversation.timed = False
        if app is not None:
            conversation.owned_by(app)
        way = 0 if here == conversation.ends[0] else 1
        conversation.feed(segment, way, packet.number, packet.at)

    @staticmethod
    def _is_new(conversation: Conversation, at: int | None, opening: int | None) -> bool:
        """``opening``: the sequence number of a SYN."""
        if opening is not None and conversation.reopens(opening):
            return True
        if at is None or conversation.last is None:
            return False
        return at - conversation.last > IDLE.get(conversation.protocol, _IDLE_ELSE)

    def _faces(self, segment: Segment, opens: bool) -> bool:
        """True when the sender of a conversation's first packet is the phone."""
        device = self._options.device
        if device in (segment.src, segment.dst):
            return segment.src == device
        if segment.protocol == TCP and segment.flags & SYN:
            return opens
        many = (_many(segment.src), _many(segment.dst))
        if many[0] != many[1]:
            return many[1]
        ports = (segment.sport or 0, segment.dport or 0)
        inner = (_private(segment.src), _private(segment.dst))
        if inner[0] != inner[1]:
            return inner[0]
        well_known = tuple(0 < p < 1024 for p in ports)
        if well_known[0] != well_known[1]:
            return well_known[1]
        return True

    def _sweep(self, now: int) -> None:
        """Let go of conversations that are over."""
        for key, conversation in list(self._open.items()):
            if conversation.last is None:
                continue
            quiet = now - conversation.last
            if quiet > (_CLOSED if conversation.closed else IDLE.get(conversation.protocol, _IDLE_ELSE)):
                self._end(conversation)
                del self._open[key]

    def _end(self, conversation: Conversation) -> None:
        self._sink.rows.append(conversation.finish())


@lru_cache(maxsize=65_536)
def _private(address: str) -> bool:
    """Addresses behind a router, those of a carrier's own translation among them (RFC 6598)."""
    return not ipaddress.ip_address(address).is_global


@lru_cache(maxsize=65_536)
def _many(address: str) -> bool:
    """An address of many machines: nobody sends from it."""
    return address == "255.255.255.255" or ipaddress.ip_address(address).is_multicast


def layer_bytes(path: Path, origin: Origin, options: Options) -> bytes:
    """The octets of a message's layer: the file is read again up to the message that these packets carry.

    Raises InputError when the file has no such message."""
    if origin.layer == "text":
        return inflated(path)
    for batch in read(path, origin.source, options):
        for message in batch.messages:
            if message.origin.units != origin.units:
                continue
            if message.kind in ("request", "response"):
                if origin.layer == f"http-{message.kind}-head":
                    return message.head()
                if origin.layer == f"http-{message.kind}-body":
                    return message.body
            elif message.origin.layer == origin.layer:
                return message.body
    raise InputError(f"{path} has no {origin.layer} in packets {','.join(map(str, origin.units))}.")
