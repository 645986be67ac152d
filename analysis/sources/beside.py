"""What one file of a capture folder must know of another: which files of a kind are beside it, what makes requests in
two files one flow, and which connections ``events.jsonl`` tells of.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analysis.model import InputError
from analysis.sources import Options
from analysis.sources.kinds import kind_of
from analysis.sources.lines import EVENT_MOST, lines
from analysis.sources.records import Connection, UnfitError, event_line


def conversation(
    connection: str, server: tuple[str | None, int | None], name: str, number: int | str
) -> tuple[str, ...]:
    """What makes requests one flow beside a proxy: the client's connection and the server that it was carried to. A
    plain proxy connection may carry requests to many servers, and each is a flow. Without a connection's id, every
    entry (``number``: an ordinal of a dump, an id of a journal) is a flow of its own."""
    if not connection:
        return ("", repr(number))
    if server[0] is not None:
        return (connection, server[0], str(server[1]))
    return (connection, name, str(server[1]))


def of_kind(options: Options, kind: str) -> Iterator[tuple[str, Path]]:
    """The files beside this one that are of a kind; one that cannot be read is none, and said where it is read."""
    for source, path in options.beside:
        try:
            if kind_of(path)[0] == kind:
                yield source, path
        except InputError:
            continue


def passed_through(options: Options) -> set[str]:
    """Ids of the client connections that the events beside this file tell of: their octets count there."""
    found: set[str] = set()
    for _, path in of_kind(options, "events"):
        try:
            for line in lines(path, options.ends.get(path), EVENT_MOST):
                try:
                    event = event_line(line.value or {})
                except UnfitError:
                    continue  # counted where it is read
                if isinstance(event, Connection) and event.connection is not None:
                    found.add(event.connection)
        except InputError:
            continue
    return found - {""}
