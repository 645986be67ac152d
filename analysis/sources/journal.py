"""The form of a proxy's journal (``messages.jsonl``), and what a dump beside it must know: which messages it holds.

The journal is written as messages come, the dump when a flow ends. The journal counts; the dump's copy, matched by
the proxy's flow id, direction and index, fills gaps. So neither file is read the less for the other, and no message
is read twice. The lines are described in ``docs/design.md``.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from analysis.folder.ciphertext import LATE, Seal, StartTls
from analysis.model import InputError
from analysis.sources import Options
from analysis.sources.beside import conversation, of_kind
from analysis.sources.lines import lines
from analysis.sources.records import JournalLine, UnfitError, journal_line
from analysis.sources.rows import LONGEST_TEXT, peer, stated_count, valid

_FAMILIES = {"websocket": "websocket", "tcp": "tcp", "udp": "udp", "sse": "http", "grpc": "http"}
"""Kinds of messages, and the kind of flow that has them."""
DIRECTIONS = ("sent", "received")


@dataclass(frozen=True, slots=True)
class Said:
    """A message as its line says it. ``damaged``: its octets are there and cannot be decoded."""

    direction: Any
    index: int
    kind: Any
    size: int
    data: bytes
    damaged: bool


def message_in(line: JournalLine) -> Said | None:
    """The message of a line; None where direction, index or kind is missing, or none that is known."""
    if line.direction not in DIRECTIONS or line.kind not in _FAMILIES:
        return None
    if line.index is None or not 0 <= line.index < 1 << 40:
        return None
    data, damaged = b"", False
    if line.data is not None:
        try:
            data = base64.b64decode(line.data, validate=True)
        except (binascii.Error, ValueError):
            damaged = True
    size = max(stated_count(line.size), len(data))
    return Said(line.direction, line.index, line.kind, size, data, damaged)


def family_of(kind: str) -> str:
    """The kind of flow that messages of a kind belong to."""
    return _FAMILIES[kind]


def conversation_in(line: JournalLine) -> tuple[str, ...]:
    """The flow that a line of type ``flow`` is of: see :func:`analysis.sources.beside.conversation`."""
    name = word(line.address).lower()
    return conversation(word(line.connection), peer(line.server), name, word(line.flow))


@dataclass(slots=True)
class Sealed:
    """Octets of a TCP flow behind its client's ClientHello. They are told in lines of type ``sealed``, which add up
    themselves; recorders that knew none wrote them as messages."""

    since: Seal | None = None
    """Where they begin, as far as the journal itself tells."""
    told: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    written: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    as_messages: bool = False
    """The ClientHello itself stands in a message."""
    _watched: StartTls = field(default_factory=StartTls)
    _next: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})

    def line(self, line: JournalLine) -> None:
        """Take in a line of type ``sealed``."""
        if line.cause != LATE or line.since is None or len(line.since) != 2:
            return
        for direction, octets in (("sent", line.bytes_out), ("received", line.bytes_in)):
            self.told[direction] = max(self.told[direction], stated_count(octets))
        self.since = self.since or Seal(stated_count(line.since[0]), stated_count(line.since[1]))

    def message(self, said: Said, known: Seal | None = None) -> Said | None:
        """A message as far as it is in the clear; None where nothing of it is. ``known``: where the dump's copy of the
        flow is sealed."""
        if said.kind != "tcp":
            return said
        clear = self._watched.seals(said.direction == "sent", said.data)
        if clear is not None and not self.as_messages:
            self.as_messages = True
            self.since = Seal(said.index, self._next["received"], clear)
        self._next[said.direction] = max(self._next[said.direction], said.index + 1)
        if known is not None and (by_dump := known.clear_of(said.direction, said.index)) is not None:
            clear = by_dump if clear is None else min(clear, by_dump)
        if clear is None or clear >= said.size:
            return said
        self.written[said.direction] += said.size - clear
        return replace(said, size=clear, data=said.data[:clear]) if clear else None

    def octets(self, direction: str) -> int:
        return max(self.told[direction], self.written[direction])


def word(text: str | None) -> str:
    """A text of a line; empty where it has none."""
    return valid(text)[:LONGEST_TEXT] if text else ""


# --------------------------------------------------------------------------------------------- what it holds


class Indexes:
    """A set of ordinals that is usually 0, 1, 2, …: it costs no more than its gaps."""

    def __init__(self) -> None:
        self._upto = 0
        self._more: set[int] = set()

    def add(self, index: int) -> bool:
        """Take an ordinal in; False when it was there."""
        if index in self:
            return False
        self._more.add(index)
        while self._upto in self._more:
            self._more.remove(self._upto)
            self._upto += 1
        return True

    def __contains__(self, index: int) -> bool:
        return index < self._upto or index in self._more

    def __len__(self) -> int:
        return self._upto + len(self._more)


@dataclass(slots=True)
class Journaled:
    """What the journals hold of one flow of the proxy: its messages, and octets of streamed bodies."""

    family: str | None = None
    """The kind of flow that its first message is one of. What is of another is no message of it."""
    conversation: tuple[str, ...] | None = None
    indexes: dict[str, Indexes] = field(default_factory=lambda: {"sent": Indexes(), "received": Indexes()})
    octets: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    missing: int = 0
    """Octets of its messages that the journal does not hold, in ``missing_count`` of them."""
    missing_count: int = 0
    streamed: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    sealed: Sealed = field(default_factory=Sealed)


def journaled(options: Options, before: str | None = None) -> dict[str, Journaled]:
    """What the journals beside this file hold, by the proxy's flow id. ``before``: those alone whose names stand before
    that one, since of what several journals hold the first's counts."""
    found: dict[str, Journaled] = {}
    for source, path in sorted(of_kind(options, "messages")):
        if before is not None and source >= before:
            continue
        try:
            survey(path, found, options.ends.get(path))
        except InputError:
            continue
    return found


def survey(path: Path, found: dict[str, Journaled], end: int | None = None) -> None:
    """Note which messages of which flows a journal holds, by the proxy's flow id."""
    for line in lines(path, end):
        try:
            value = journal_line(line.value) if line.value is not None else None
        except UnfitError:
            continue  # counted where it is read
        if value is None:
            continue
        held = found.setdefault(value.flow, Journaled())
        if value.type == "flow":
            held.conversation = conversation_in(value)
        elif value.type == "message":
            read_one = message_in(value)
            if read_one is None or (held.family or family_of(read_one.kind)) != family_of(read_one.kind):
                continue
            held.family = family_of(read_one.kind)
            if held.indexes[read_one.direction].add(read_one.index):
                read_one = held.sealed.message(read_one)
                if read_one is None:
                    continue
                held.octets[read_one.direction] += read_one.size
                held.missing += read_one.size - len(read_one.data)
                held.missing_count += read_one.size > len(read_one.data)
        elif value.type == "sealed":
            held.sealed.line(value)
        elif value.type == "progress" and value.direction in DIRECTIONS:
            held.streamed[value.direction] = max(held.streamed[value.direction], stated_count(value.bytes))
