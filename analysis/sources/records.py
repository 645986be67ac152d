"""What a line of a capture folder's NDJSON may hold: the types of its keys, in which each line is checked once, where
it is read. The meaning of the keys is in ``docs/design.md``.

A key whose value is of another JSON type than is declared here makes its line one that does not fit: nothing of it is
read, and it is counted with its place. Keys that are not declared are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

End = list[str | int | None]
"""An end of a connection: address and port; IPv6 may have two numbers more."""
Number = int | float


class UnfitError(ValueError):
    """A record that does not fit its type. Its text says which key, and what its value is instead; never the value."""


class _Record(msgspec.Struct, kw_only=True, gc=False):
    pass


class JournalLine(_Record):
    """A line of ``messages.jsonl``."""

    flow: str
    type: str = "message"
    at: Number | None = None
    # of ``flow``
    kind: str | None = None
    connection: str | None = None
    client: End | None = None
    server: End | None = None
    address: str | None = None
    host: str | None = None
    sni: str | None = None
    tls: str | None = None
    method: str | None = None
    scheme: str | None = None
    target: str | None = None
    # of ``message`` and ``progress``
    direction: str | None = None
    index: int | None = None
    size: int | None = None
    data: str | None = None
    bytes: int | None = None
    # of ``sealed``
    cause: str | None = None
    since: list[int] | None = None
    bytes_out: int | None = None
    bytes_in: int | None = None


class EventLine(_Record):
    """A line of ``events.jsonl`` of any type: what all have."""

    type: str
    prev: str | None = None
    at: Number | None = None
    end: Number | None = None


class Phase(EventLine):
    phase: str | None = None
    note: str | None = None


class Mark(EventLine):
    note: str | None = None


class AppFront(EventLine):
    app: str | None = None


class Socket(EventLine):
    uid: int | None = None
    apps: list[str] | None = None
    transport: str | None = None
    src: End | None = None
    dst: End | None = None


class Phone(EventLine):
    state: str | None = None
    cannot: str | list[str] | None = None


class File(EventLine):
    """A video of the screen, or another file of the folder that is no capture."""

    file: str | None = None
    name: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    note: str | None = None


class Dns(EventLine):
    name: str | None = None
    addresses: list[str] | None = None
    cname: str | list[str] | None = None
    resolver: str | None = None


class Connection(EventLine):
    """A connection that was refused, passed through, or is being passed through."""

    connection: str | None = None
    client: End | None = None
    server: End | None = None
    address: str | None = None
    port: int | None = None
    host: str | None = None
    sni: str | None = None
    transport: str | None = None
    way: str | None = None
    kind: str | None = None
    cause: str | None = None
    alert: str | None = None
    reason: str | None = None
    ended_by: str | None = None
    bytes_out: int | None = None
    bytes_in: int | None = None
    count: int | None = None
    tcp_ms: Number | None = None
    handshake_at: Number | None = None
    tls: str | None = None
    alpn: str | None = None
    app: str | None = None


class Clock(EventLine):
    monotonic: Number | None = None
    step: Number | None = None


class Lost(EventLine):
    cause: str | None = None
    flows: int | None = None
    messages: int | None = None
    events: int | None = None
    bytes: int | None = None
    connections: int | None = None


class Seen(EventLine):
    """What *opaque* and ``lintas capture`` tell of a client."""

    client: str | End | None = None
    server: str | End | None = None
    host: str | None = None
    port: int | None = None
    transport: str | None = None
    state: str | None = None
    cause: str | None = None
    reason: str | None = None
    certificate: str | None = None
    refusals: int | None = None
    seconds: Number | None = None


EVENTS: Mapping[str, type[EventLine]] = {
    "phase": Phase,
    "mark": Mark,
    "app_front": AppFront,
    "socket": Socket,
    "phone": Phone,
    "screen": File,
    "file": File,
    "dns": Dns,
    "refusal": Connection,
    "connection": Connection,
    "passing": Connection,
    "clock": Clock,
    "lost": Lost,
    "passthrough": Seen,
    "system_certificate": Seen,
    "certificate_fetched": Seen,
    "turned_away": Seen,
    "kept_out": Seen,
    "proof": Seen,
}
"""By the ``type`` of a line. Of any other only the keys that all lines have are known."""


_WRONG = re.compile(r"got `(\w+)` - at `\$\.?([\w.\[\]]*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


def _in_words(error: str) -> str:
    """What msgspec says of a value that does not fit, without anything of the value."""
    if (wrong := _WRONG.search(error)) is not None and wrong[2]:
        return f"{wrong[2]} is of the type {wrong[1]}"
    if (missing := _MISSING.search(error)) is not None:
        return f"it has no {missing[1]}"
    return "a key is of another type"


def journal_line(value: Mapping[str, Any]) -> JournalLine:
    """A line of a journal in its type. Raises UnfitError."""
    return _fitted(value, JournalLine)


def event_line(value: Mapping[str, Any]) -> EventLine:
    """A line of events in the type that its ``type`` has. Raises UnfitError."""
    kind = value.get("type")
    return _fitted(value, EVENTS.get(kind, EventLine) if isinstance(kind, str) else EventLine)


def row_in[T: msgspec.Struct](texts: Mapping[str, str], kind: type[T]) -> T:
    """A row of texts in its type; numbers are read from their digits. Raises UnfitError."""
    return _fitted(texts, kind, strict=False)


def _fitted[T: msgspec.Struct](value: Mapping[str, Any], kind: type[T], strict: bool = True) -> T:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise UnfitError(_in_words(str(error))) from None
    except (ValueError, OverflowError, RecursionError):
        raise UnfitError("it holds a value that no key can have") from None
