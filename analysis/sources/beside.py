"""What one file of a capture folder must know of another: which messages of the proxy's flows stand in its journal
(``messages.jsonl``), which connections were passed through unread (``events.jsonl``), and which of the journal's
flows stand in the dump.

The journal is written as messages come, the dump when a flow ends. The journal counts; the dump's copy, matched by
the proxy's flow id, direction and index, fills gaps. So neither file is read the less for the other, and no message
is read twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.model import InputError, Key
from analysis.sources import Options
from analysis.sources.rows import address, port


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
    """What the journal holds of one flow of the proxy: its messages, and octets of streamed bodies."""

    conversation: tuple[str, ...] | None = None
    indexes: dict[str, Indexes] = field(default_factory=lambda: {"sent": Indexes(), "received": Indexes()})
    octets: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    missing: int = 0
    """Octets of its messages that the journal does not hold, in ``missing_count`` of them."""
    missing_count: int = 0
    streamed: dict[str, int] = field(default_factory=lambda: {"sent": 0, "received": 0})


def conversation(
    connection: str, server: tuple[str | None, int | None], name: str, number: int | str
) -> tuple[str, ...]:
    """What makes requests one flow beside a proxy: the client's connection and the server that it was carried to. A
    plain proxy connection may carry requests to many servers, and each is a flow. Without a connection's id, every
    entry (``number``) is a flow of its own."""
    if not connection:
        return ("", str(number))
    if server[0] is not None:
        return (connection, server[0], str(server[1]))
    return (connection, name, str(server[1]))


def peer(value: Any) -> tuple[str | None, int | None]:
    """Address and port as mitmproxy writes them: a list, of which IPv6 has four elements."""
    if not isinstance(value, (list, tuple)) or not value:
        return None, None
    return address(value[0]), port(value[1]) if len(value) > 1 else None


def _of_kind(options: Options, kind: str) -> Iterator[tuple[str, Path]]:
    from analysis.sources.identify import kind_of

    for source, path in options.beside:
        try:
            if kind_of(path)[0] == kind:
                yield source, path
        except InputError:
            continue


def journaled(options: Options) -> dict[str, Journaled]:
    """What the journals beside this file hold, by the proxy's flow id."""
    from analysis.sources import messages

    found: dict[str, Journaled] = {}
    for _, path in _of_kind(options, "messages"):
        messages.survey(path, found, options.ends.get(path))
    return found


def passed_through(options: Options) -> set[str]:
    """Ids of the client connections that the events beside this file tell of: their octets count there."""
    from analysis.sources import events

    found: set[str] = set()
    for _, path in _of_kind(options, "events"):
        found |= events.connections(path, options.ends.get(path))
    return found


@dataclass(frozen=True, slots=True)
class Dumped:
    """What the dumps beside this file hold: each flow's keys by the proxy's id, and each conversation's."""

    flows: dict[str, tuple[Key, Key | None]]
    conversations: dict[tuple[str, ...], Key]


def dumped(options: Options) -> Dumped:
    """The keys that the dumps beside this file give to the proxy's flows."""
    from analysis.sources import mitm

    found = Dumped({}, {})
    for source, path in _of_kind(options, "mitmproxy"):
        known = options.found.get(path)
        if not isinstance(known, Dumped):
            known = mitm.survey(path, source, options)
        found.flows.update({flow: keys for flow, keys in known.flows.items() if flow not in found.flows})
        found.conversations.update(known.conversations)
    return found
