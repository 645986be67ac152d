"""``messages.jsonl`` of a capture folder: the proxy's journal of messages, written as they come.

A WebSocket, TCP or UDP flow is in the proxy's dump only once it ended; what the proxy saw before it was killed is
here. The form of the lines is in ``docs/design.md``. Messages belong to the flow and exchange that the dump beside
it gives to the same id; a flow that stands in no dump gets a row of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.folder.ciphertext import LATE
from analysis.model import InputError, Key, Message, Micros, Origin
from analysis.sources import Batch, Options
from analysis.sources.journal import (
    DIRECTIONS,
    Indexes,
    Journaled,
    Said,
    Sealed,
    conversation_in,
    family_of,
    journaled,
    message_in,
    word,
)
from analysis.sources.lines import Line, layer_line, lines
from analysis.sources.mitm_flows import Dumped, dumped
from analysis.sources.records import JournalLine, UnfitError, journal_line
from analysis.sources.rows import (
    Batches,
    Losses,
    Names,
    address,
    earlier,
    later,
    peer,
    stated_count,
    time_of,
    tls_version,
    valid,
)

KIND = "messages"


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The batches of a journal. Raises InputError when none of its lines can be read."""
    yield from _Reader(source, options).batches(path)


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """The octets that an origin's offset counts in: a line, or the message in it.

    Raises InputError when the file has no such unit or layer."""
    line = layer_line(path, origin.units[0])
    if origin.layer == "line":
        return line.raw
    try:
        found = message_in(journal_line(line.value or {}))
    except UnfitError:
        found = None
    if found is None or found.kind != origin.layer:
        raise InputError(f"{path} has no {origin.layer} in line {origin.units[0]}.")
    return found.data


@dataclass(slots=True)
class _Flow:
    key: Key
    exchange: Key | None
    row: dict[str, Any] | None = None
    about: dict[str, str] = field(default_factory=dict)
    """What its messages say of the request that it began with."""
    seen: dict[str, Indexes] = field(default_factory=lambda: {"sent": Indexes(), "received": Indexes()})
    missing: int = 0
    missing_count: int = 0
    octets: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    streamed: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    sealed: Sealed = field(default_factory=Sealed)

    def seen_at(self, at: Micros | None) -> None:
        """Something of it was seen then."""
        if self.row is not None:
            self.row["first"], self.row["last"] = earlier(self.row["first"], at), later(self.row["last"], at)


@dataclass(slots=True)
class _Reader:
    source: str
    options: Options
    losses: Losses = field(init=False)
    names: Names = field(default_factory=Names)
    dump: Dumped = field(default_factory=lambda: Dumped({}, {}))
    flows: dict[str, _Flow] = field(default_factory=dict)
    rows: dict[tuple[str, ...], _Flow] = field(default_factory=dict)
    before: dict[str, Journaled] = field(default_factory=dict)
    """What a journal holds that counts before this one."""
    told: dict[str, tuple[JournalLine, Line]] = field(default_factory=dict)
    """Of flows that such a journal holds, the line that says what they are: no flow of this file, unless it has more of
    them."""
    families: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.losses = Losses(self.source)

    def batches(self, path: Path) -> Iterator[Batch]:
        self.dump = dumped(self.options)
        self.before = journaled(self.options, before=self.source)
        batches = Batches(self.options)
        number = understood = done = 0
        for line in lines(path, self.options.ends.get(path)):
            done = line.done
            if line.torn and not self.options.sealed:
                break
            rows = len(self.rows)
            value = self._fitted(line)
            message = None if value is None else self._line(value, line, number)
            understood += line.value is not None
            if value is not None and (message is not None or len(self.rows) > rows):
                batches.name(line.number, value.flow)
            if message is not None:
                number += 1
                batches.add(None, [message])
                if batches.full:
                    yield batches.take(done)
        if not understood and self.options.sealed:
            raise InputError(f"{path} is no journal of messages: none of its lines can be read.")
        yield from batches.rows(self._rows(), done)
        last = batches.take(done)
        last.names, last.losses = self.names.batch(), self.losses.all()
        yield last

    def _fitted(self, line: Line) -> JournalLine | None:
        """A line in its type; None, and counted, where it has none."""
        if line.value is None:
            if line.torn:
                self.losses.add("file_torn", "the last line breaks off", line.size)
            elif line.raw.strip():
                self.losses.add("line_unread", "lines that are no JSON object", line.size)
            return None
        try:
            return journal_line(line.value)
        except UnfitError as error:
            self.losses.unfit(line.number, str(error), line.size)
            return None

    def _line(self, value: JournalLine, line: Line, number: int) -> Message | None:
        at = self.losses.time(value.at)
        before = self.before.get(value.flow)
        if value.type == "flow":
            if before is None:
                self._flow(value, line)
            else:
                self.told.setdefault(value.flow, (value, line))
            return None
        if value.type == "progress" and value.direction in DIRECTIONS:
            already = 0 if before is None else before.streamed[value.direction]
            if stated_count(value.bytes) > already:
                self._progress(self._flow(value, line), value, already, at)
        if value.type == "sealed" and (before is None or before.sealed.since is None):
            flow = self._flow(value, line)
            flow.sealed.line(value)
            flow.seen_at(at)
        if value.type != "message":
            return None
        found = message_in(value)
        if found is None:
            self.losses.add("line_unread", "messages whose direction, index or kind is missing", line.size)
            return None
        if not self._is_of(value.flow, found, before):
            self.losses.add("line_unread", "messages of another kind than their flow", line.size)
            return None
        if before is not None and found.index in before.indexes[found.direction]:
            self.losses.add("flow_repeated", "messages that stand in another journal, too: read once", found.size)
            return None
        flow = self._flow(value, line) if value.flow not in self.flows else self.flows[value.flow]
        if not flow.seen[found.direction].add(found.index):
            self.losses.add("flow_repeated", "messages that stand twice in the journal: read once", found.size)
            return None
        known = self.dump.seals.get(value.flow) or (None if before is None else before.sealed.since)
        found = flow.sealed.message(found, known)
        if found is None:
            flow.seen_at(at)
            return None
        return self._made(flow, found, at, line, number)

    def _is_of(self, flow: str, found: Said, before: Journaled | None) -> bool:
        """Whether a message is of the kind of its flow: that of the flow's first, and of the dump's record."""
        kind = family_of(found.kind)
        first = self.families.setdefault(flow, kind if before is None or before.family is None else before.family)
        return kind == first == self.dump.families.get(flow, first)

    def _progress(self, flow: _Flow, value: JournalLine, already: int, at: Micros | None) -> None:
        """How far a streamed body had come. It counts where the flow stands in no dump: the proxy was killed."""
        so_far = stated_count(value.bytes) - already
        direction = str(value.direction)
        flow.streamed[direction] = max(flow.streamed[direction], so_far)
        if flow.row is not None:
            flow.row["last"] = later(flow.row["last"], at)

    def _made(self, flow: _Flow, found: Said, at: Micros | None, line: Line, number: int) -> Message:
        body = found.data[: self.options.max_body]
        if found.damaged:
            self.losses.add("body_damaged", "messages whose base64 is damaged", found.size)
        missing = found.size - len(body)
        if missing:
            over = len(found.data) > len(body)
            where = "messages larger than is held" if over else "messages that the journal does not hold whole"
            self.losses.add("body_limit" if over else "body_missing", where, missing)
        flow.octets[found.direction] += found.size
        if flow.row is not None:
            flow.row["bytes_out" if found.direction == "sent" else "bytes_in"] += found.size
            flow.seen_at(at)
            flow.missing += missing
            flow.missing_count += missing > 0
        about = flow.about
        return Message(
            key=Key(self.source, number),
            flow=flow.key,
            exchange=flow.exchange,
            direction=found.direction,
            index=found.index,
            at=at,
            kind=found.kind,
            body=body,
            size=found.size,
            origin=Origin(self.source, (line.number,), found.kind, 0, len(body)),
            method=about.get("method", ""),
            scheme=about.get("scheme", ""),
            host=about.get("host", "").lower(),
            target=about.get("target", ""),
            cut=missing > 0 or found.damaged,
        )

    def _flow(self, value: JournalLine, line: Line) -> _Flow:
        """The flow that a line speaks of: the dump's, or one of this file's own."""
        value, line = self.told.pop(value.flow, (value, line))
        flow = self.flows.get(value.flow)
        if flow is not None:
            flow.about = flow.about or _about(value)
            return flow
        in_dump = self.dump.flows.get(value.flow)
        name = conversation_in(value)
        if in_dump is not None:
            flow = _Flow(in_dump[0], in_dump[1])
        elif name in self.dump.conversations:
            flow = _Flow(self.dump.conversations[name], None)
        elif name in self.rows:
            flow = _Flow(self.rows[name].key, None, self.rows[name].row)
        else:
            flow = _Flow(Key(self.source, len(self.rows)), None, self._new_row(value, line))
            self.rows[name] = flow
        flow.about = _about(value)
        self.flows[value.flow] = flow
        return flow

    def _new_row(self, value: JournalLine, line: Line) -> dict[str, Any]:
        src, sport = peer(value.client)
        dst, dport = peer(value.server)
        host = word(value.host).lower() or word(value.sni).lower()
        at = time_of(value.at)
        if host and dst and address(host) is None:
            self.names.add(dst, host, "host" if value.host else "sni", at)
        said_by = "http" if value.kind in ("websocket", "http", "sse") else "sni"
        return {
            "source": self.source,
            "unit": len(self.rows),
            "leg": self.options.leg or "phone",
            "transport": "udp" if value.kind == "udp" else "tcp",
            "src": src,
            "sport": sport,
            "dst": dst,
            "dport": dport,
            "first": at,
            "last": at,
            "bytes_out": 0,
            "bytes_in": 0,
            "tls": tls_version(word(value.tls)),
            "host": host or dst,
            "host_from": ("address" if address(host) else said_by) if host else "address" if dst else None,
            "decrypted": True,
            "origin": str(Origin(self.source, (line.number,), "line", 0, len(line.raw))),
        }

    def _rows(self) -> Iterator[dict[str, Any]]:
        """The rows of this file's own flows; several of the proxy's flows may have gone over one connection."""
        shared: dict[int, list[_Flow]] = defaultdict(list)
        for flow in self.flows.values():
            if flow.row is not None:
                shared[flow.row["unit"]].append(flow)
        for first in self.rows.values():
            assert first.row is not None
            yield _whole(first.row, shared[first.row["unit"]])


def _about(value: JournalLine) -> dict[str, str]:
    """Of a line what is kept as long as its flow: no message's octets."""
    texts = {"method": word(value.method), "scheme": word(value.scheme), "host": word(value.host)}
    texts["target"] = valid(value.target or "")
    return {name: text for name, text in texts.items() if text}


def _whole(row: dict[str, Any], flows: list[_Flow]) -> dict[str, Any]:
    """A row with what is missing of the proxy's flows that it is of."""
    missing, count = sum(f.missing for f in flows), sum(f.missing_count for f in flows)
    sealed = 0
    for direction, column in (("sent", "bytes_out"), ("received", "bytes_in")):
        for one in flows:
            unkept = max(one.streamed[direction] - one.octets[direction], 0)
            row[column] += unkept
            missing += unkept
            count += unkept > 0
            row[column] += one.sealed.octets(direction)
            sealed += one.sealed.octets(direction)
    sealed_count = sum(one.sealed.octets("sent") + one.sealed.octets("received") > 0 for one in flows)
    whole = row["bytes_out"] + row["bytes_in"]
    row["bytes_read"] = whole - missing - sealed
    unread = []
    if sealed:
        row["decrypted"] = sealed < whole
        unread.append({"kind": "encrypted", "cause": LATE, "bytes": sealed, "count": sealed_count})
    if count:
        unread.append({"kind": "truncated", "cause": "body_not_kept", "bytes": missing, "count": count})
    if unread:
        row["unread"] = unread
    return row
