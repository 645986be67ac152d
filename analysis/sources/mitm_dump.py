"""The records of a mitmproxy dump, each with its place in the file, also where the file is torn or damaged.

A dump is a row of tnetstrings (tnetstrings.org; mitmproxy adds ``;`` for text), one dictionary a flow:
``length:payload}``. mitmproxy's own reader stops at the first octet that it does not expect and gives no places, and
importing it costs 0.3 s; so the framing is read here. The dictionaries of old versions are brought to the present
one by mitmproxy itself (``mitmproxy.io.compat``), which is imported only for those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analysis.sources.mitm_fit import unfit
from analysis.sources.mitm_state import State
from analysis.sources.octets import Octets
from analysis.sources.rows import as_text

MOST = 512 << 20
"""Octets of one flow that are held; a larger one is skipped and counted."""
_DEPTH = 48
_MOST_KEYS = 64
"""Keys of a flow's dictionary; mitmproxy's have some twenty."""
_PREFIX = re.compile(rb"(\d{1,12}):")
_START = re.compile(rb"(\d{1,12}):\d{1,2}:[a-z_]{2,24}[,;]")
_PRESENT = (19, 20, 21)
"""Versions whose dictionaries differ in nothing that is read here."""

Memory = dict[str, dict[Any, Any]]


class TornError(ValueError):
    """Octets that are no tnetstring."""


@dataclass(slots=True)
class Record:
    """One flow's dictionary, or what stands in its place.

    ``state``: None where it could not be understood; then ``why`` says so in words, and ``kind`` is the flow's type
    as far as its octets show. ``key``: the id that the record itself has (mitmproxy gives a WebSocket record of an
    old dump its handshake's)."""

    start: int
    length: int
    state: State | None
    kind: str
    key: str = ""
    why: str = ""


@dataclass(slots=True)
class Gap:
    """Octets between records that are no record. ``torn``: they reach to the end of the file."""

    start: int
    length: int
    torn: bool


def records(octets: Octets) -> Iterator[Record | Gap]:
    """The records of a dump in their order."""
    return _Framer(octets).records()


class _Framer:
    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        self._buffer = bytearray()
        self._base = 0
        self._ended = False
        self._size = None if octets.compressed else octets.size
        self._memory: Memory = {}

    def records(self) -> Iterator[Record | Gap]:
        while True:
            self._need(16)
            if not self._buffer:
                return
            found = _PREFIX.match(self._buffer)
            head = found.end() if found is not None else 0
            end = head + int(found[1]) + 1 if found is not None else 0
            del found
            if not head or not self._holds(end):
                yield self._resync()
                continue
            if end > MOST:
                yield self._skip(end)
                continue
            record = _record(self._base, end, bytes(self._buffer[head : end - 1]), self._memory)
            self._drop(end)
            yield record

    def _need(self, count: int) -> bool:
        while len(self._buffer) < count and not self._ended:
            chunk = self._octets.read()
            if not chunk:
                self._ended = True
                break
            self._buffer += chunk
        return len(self._buffer) >= count

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._base += count

    def _holds(self, end: int, at: int = 0) -> bool:
        """True when ``end`` octets from ``at`` are there and end in a dictionary's sign. A length that lies is found
        out before anything is read for it."""
        if self._size is not None:
            place = self._base + at + end - 1
            if place >= self._size:
                return False
            if at + end > len(self._buffer):
                if self._octets.at(place) != b"}":
                    return False
                return end > MOST or self._need(at + end)
        elif end > MOST or not self._need(at + end):
            return False
        return self._buffer[at + end - 1] == 0x7D

    def _resync(self) -> Gap:
        """Go on at the next octets that begin a whole record; what lies before is lost."""
        start, lost, at = self._base, 0, 1
        while True:
            begin = self._next_start(at)
            if begin is not None:
                first, end = begin
                if self._holds(end, first) and self._is_flow(first, end):
                    self._drop(first)
                    return Gap(start, lost + first, False)
                at = first + 1
                continue
            # A beginning may stand across the edge of what is at hand.
            keep = max(len(self._buffer) - 64, 1)
            if not self._need(len(self._buffer) + 1):
                lost += len(self._buffer)
                self._drop(len(self._buffer))
                return Gap(start, lost, True)
            self._drop(keep - 1)
            lost += keep - 1
            at = 1

    def _next_start(self, at: int) -> tuple[int, int] | None:
        """Where the next octets stand that begin like a record, and how long it would be. The match is let go here:
        while it lives, the buffer cannot grow."""
        found = _START.search(self._buffer, at)
        return None if found is None else (found.start(), len(found[1]) + 1 + int(found[1]) + 1)

    def _is_flow(self, at: int, end: int) -> bool:
        """Within a flow stand smaller dictionaries; only a flow's says a version and a type. Its values are leapt over,
        so that what only begins like one costs no more than a few looks, however long it claims to be."""
        place, behind = self._buffer.find(b":", at) + 1, at + end - 1
        keys: set[bytes] = set()
        for number in range(2 * _MOST_KEYS):
            if place >= behind:
                break
            colon = self._buffer.find(b":", place, place + 13)
            digits = self._buffer[place:colon]
            if colon < 0 or not digits.isdigit() or (stop := colon + 1 + int(digits)) >= behind:
                return False
            if number % 2 == 0:
                keys.add(bytes(self._buffer[colon + 1 : min(stop, colon + 25)]))
            place = stop + 1
        return b"version" in keys and b"type" in keys

    def _skip(self, end: int) -> Record:
        start, left = self._base, end
        self._need(1 << 12)
        kind = _type_in(bytes(self._buffer[: 1 << 12]))
        while left and self._need(1):
            count = min(left, len(self._buffer))
            self._drop(count)
            left -= count
        return Record(start, end - left, None, kind, "", "larger than is held")


def _record(start: int, length: int, payload: bytes, memory: Memory) -> Record:
    try:
        value = _dictionary(payload, 0, len(payload), 0)
    except (TornError, ValueError, IndexError, RecursionError):
        return Record(start, length, None, _type_in(payload), "", "its octets are no flow")
    kind = _said(value, "type")
    key = _said(value, "id")
    if _version_in(value) in _PRESENT:
        return _fitting(Record(start, length, _texts(value), kind, key))
    return _migrated(start, length, value, kind, key, memory)


def _fitting(record: Record) -> Record:
    """The record, without its state where something in that is of a type that it cannot have."""
    if record.state is not None and (place := unfit(record.state, _said(record.state, "type"))):
        record.state, record.why = None, f"{place} is none that it can have"
    return record


_REMEMBERED = ("client_connections", "server_connections", "_websocket_handshakes")
"""What mitmproxy's converters remember from flow to flow, in the module: connections without an id, and handshakes
until their WebSocket comes. Here each reading has a memory of its own, or one dump would tell of another."""


_SAYS_MODE = 18
"""The version of the format from which on a flow says in which of the proxy's modes its client came."""


def _migrated(start: int, length: int, value: dict[Any, Any], kind: str, key: str, memory: Memory) -> Record:
    from mitmproxy import version
    from mitmproxy.io import compat

    written = _version_in(value)
    if isinstance(written, int) and written > version.FLOW_FORMAT_VERSION:
        why = "written by a mitmproxy newer than the one here: update it"
        return Record(start, length, None, kind, key, why)
    for name in _REMEMBERED:
        if name in vars(compat):
            vars(compat)[name] = memory.setdefault(name, {})
    try:
        state = _brought_up(value, compat.converters, version.FLOW_FORMAT_VERSION)
        if not isinstance(written, int) or written < _SAYS_MODE:
            # Its converters write the usual one.
            state["client_conn"].pop("proxy_mode", None)
        made = Record(start, length, _texts(state), kind or _said(state, "type"), key)
    except Exception:
        # Its converters raise whatever a hostile dictionary makes them raise.
        return Record(start, length, None, kind, key, "mitmproxy cannot read a flow like it")
    return _fitting(made)


def _version_in(value: dict[Any, Any]) -> int | tuple[int, int] | None:
    """The version of the format in which a flow is written: a number, or mitmproxy's own in old ones. None for what can
    be neither."""
    stated = value.get(b"version", value.get("version"))
    if type(stated) is int:
        return stated
    if type(stated) is list and len(stated) > 1 and type(stated[0]) is type(stated[1]) is int:
        return stated[0], stated[1]
    if type(stated) is tuple:  # what a converter wrote
        return stated[:2]
    return None


def _brought_up(value: dict[Any, Any], converters: dict[Any, Any], present: int) -> dict[Any, Any]:
    """A flow in the present version, by mitmproxy's converters. Its own loop over them does not end where a flow's
    version stays as it is, as under a key of octets, where they write one of text: here each step must lead on.

    Raises whatever they raise, and ValueError where they do not lead to the present version."""
    steps = list(converters)
    last = -1
    while (version := _version_in(value)) != present:
        step = steps.index(version)
        if step <= last:
            raise ValueError("a converter has left the version as it was")
        value, last = converters[version](value), step
    return value


def _said(value: dict[Any, Any], name: str) -> str:
    said = value.get(name, value.get(name.encode()))
    return as_text(said) if isinstance(said, bytes) else said if isinstance(said, str) else ""


def _texts(value: dict[Any, Any]) -> State:
    """The same with text as its keys; other keys are none of mitmproxy's."""
    return {k if isinstance(k, str) else as_text(bytes(k)): v for k, v in value.items()}


_TYPE = re.compile(rb"4:type[,;]\d{1,2}:([a-z]{2,12})[,;]")


def _type_in(payload: bytes) -> str:
    found = _TYPE.search(payload)
    return found[1].decode() if found is not None else ""


# -------------------------------------------------------------------------------------------- tnetstrings


def _dictionary(data: bytes, at: int, end: int, depth: int) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    while at < end:
        key, at = _value(data, at, end, depth)
        if not isinstance(key, (str, bytes)):
            raise TornError
        made[key], at = _value(data, at, end, depth)
    return made


def _value(data: bytes, at: int, end: int, depth: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and where the next does."""
    colon = data.find(b":", at, at + 13)
    digits = data[at:colon]
    if colon < 0 or not digits.isdigit():
        raise TornError
    start = colon + 1
    stop = start + int(digits)
    if stop >= end:
        raise TornError
    sign = data[stop]
    if sign == 0x2C:  # ,
        return data[start:stop], stop + 1
    if sign == 0x3B:  # ;
        return as_text(data[start:stop]), stop + 1
    if sign == 0x7E:  # ~
        return None, stop + 1
    if sign == 0x5E:  # ^
        return float(data[start:stop]), stop + 1
    if sign == 0x23:  # #
        return int(data[start:stop]), stop + 1
    if sign == 0x21:  # !
        return data[start:stop] == b"true", stop + 1
    if depth >= _DEPTH:
        raise TornError
    if sign == 0x7D:  # }
        return _dictionary(data, start, stop, depth + 1), stop + 1
    if sign == 0x5D:  # ]
        made = []
        while start < stop:
            item, start = _value(data, start, stop, depth + 1)
            made.append(item)
        return made, stop + 1
    raise TornError
