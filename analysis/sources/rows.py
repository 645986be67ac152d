"""What every source needs to hand over rows: flows and names as Arrow batches, losses added up, times and
addresses told in one form."""

from __future__ import annotations

import functools
import ipaddress
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from analysis.model import Clue, Exchange, Loss, Message, Micros
from analysis.sources import FLOW_SCHEMA, NAME_SCHEMA, Batch, Options
from analysis.tables import WAYS

_LATEST = 4_102_444_800_000_000
"""2100-01-01: a later time is no time of a capture."""
LONGEST_TEXT = 8_192
"""Characters of a name or word that a row carries. Tables hold less of it: they cut it once planted values are taken
out, since half a value at a cut is one that nobody knows again."""
MOST_STATED = 1 << 40
"""The most that a file may state of its own octets or things: far above what one of them can be, and so low that tables
can add up all that a file states."""
_NO_TIME = "times that are none a capture can have: left empty"
_MOST_UNFIT = 20
"""Records that cannot be read of which each is told."""
_MOST_OCTETS = 16 << 20
"""Octets of bodies after which a batch is handed over, however few exchanges it holds."""


def micros(seconds: object) -> Micros | None:
    """Seconds since 1970 as microseconds; None for what is no time that a capture can have."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return None
    # What is no number fails every comparison, so that only what can be a time is ever multiplied.
    return plausible(round(seconds * 1_000_000)) if 0 < seconds < _LATEST // 1_000_000 else None


def plausible(value: int) -> Micros | None:
    """Microseconds since 1970 where they are a time that a capture can have, else None."""
    return value if 0 < value < _LATEST else None


@functools.lru_cache(maxsize=4096)
def _address(text: str) -> str | None:
    text = text.strip().strip("_").strip()
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\d{1,5})?", text)
    if bracketed:
        text = bracketed[1]
    elif text.count(":") == 1:
        text = text.split(":")[0]
    try:
        found = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found)


def address(text: object) -> str | None:
    """An IP address in its canonical form: without brackets, port and zone, an IPv4-mapped one as IPv4 (RFC
    4291 section 2.5.5.2). None for anything else."""
    if isinstance(text, (bytes, bytearray)):
        text = bytes(text).decode("latin-1")
    if not isinstance(text, str) or len(text) > 100:
        return None
    return _address(text)


def way(value: object) -> str | None:
    """How a connection came into the proxy, of a mode as mitmproxy writes it (``wireguard:keys@[address:]port``: kind,
    data and place); None for what is none of ``WAYS``."""
    kind = as_text(bytes(value)) if isinstance(value, (bytes, bytearray)) else value
    if not isinstance(kind, str):
        return None
    kind = kind.partition(":")[0].partition("@")[0]
    return kind if kind in WAYS else None


def port(value: object) -> int | None:
    """A port number, or None."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:
        return value
    return None


def peer(value: object) -> tuple[str | None, int | None]:
    """Address and port as mitmproxy writes them: a list, of which IPv6 has four elements."""
    if not isinstance(value, (list, tuple)) or not value:
        return None, None
    return address(value[0]), port(value[1]) if len(value) > 1 else None


def stated_count(value: object) -> int:
    """A number of octets or things that a file states of itself; 0 for what can be none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_STATED else 0


def time_of(value: float | None) -> Micros | None:
    """Microseconds since 1970 as NDJSON states them; None where it does not, or where they are no time that a capture
    can have."""
    return int(value) if value is not None and 0 < value < _LATEST and value == int(value) else None


def valid(text: str) -> str:
    """Text that UTF-8 can hold. Lone surrogates are octets that were no UTF-8 (Python's ``surrogateescape``):
    with them the text is read as Latin-1, as the fields of HTTP are."""
    if text.isascii():
        return text
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return as_text(raw)


def as_text(raw: bytes) -> str:
    """Octets of a head as text: UTF-8 where they are, else Latin-1 (RFC 9110 section 5.5)."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def authority(value: str) -> tuple[str, int | None]:
    """Host in lower case and port of an authority (RFC 3986 section 3.2); userinfo is dropped."""
    value = value.rpartition("@")[2].strip()
    found = re.fullmatch(r"\[([^\]]*)\](?::(\d*))?|([^:]*)(?::(\d*))?", value)
    if found is None:
        return value.lower()[:LONGEST_TEXT], None
    host = (found[1] if found[1] is not None else found[3]).lower().rstrip(".")
    number = found[2] or found[4] or ""
    return host[:LONGEST_TEXT], int(number) if number and len(number) < 6 and 0 < int(number) < 65536 else None


_PROTOCOLS = (
    (re.compile(r"h3|http/3|quic|.*\+quic"), "http/3"),
    (re.compile(r"h2|http/2"), "http/2"),
    (re.compile(r"http/1\.0"), "http/1.0"),
    (re.compile(r"http/1\.1|http/1$"), "http/1.1"),
)


def http_version(*values: str) -> str:
    """The first of some spellings that says an HTTP version, in its registered name; empty when none
    does."""
    for value in values:
        name = value.strip().lower()
        for pattern, told in _PROTOCOLS:
            if pattern.match(name):
                return told
    return ""


_TLS_NAMES = {
    "SSLv3": "SSL 3.0",
    "TLSv1": "TLS 1.0",
    "TLSv1.0": "TLS 1.0",
    "TLSv1.1": "TLS 1.1",
    "TLSv1.2": "TLS 1.2",
    "TLSv1.3": "TLS 1.3",
    "QUIC": "QUIC 1",
    "QUICv1": "QUIC 1",
    "DTLSv1": "DTLS 1.0",
    "DTLSv1.2": "DTLS 1.2",
}


def tls_version(name: str) -> str | None:
    """A TLS version as OpenSSL and mitmproxy spell it, in words for the tables; None for none, and for what is longer
    than any."""
    return _TLS_NAMES.get(name, name if len(name) <= 20 else None) or None


def later(a: Micros | None, b: Micros | None) -> Micros | None:
    """The later of two times, of which either may be unknown."""
    return b if a is None else a if b is None else max(a, b)


def earlier(a: Micros | None, b: Micros | None) -> Micros | None:
    """The earlier of two times, of which either may be unknown."""
    return b if a is None else a if b is None else min(a, b)


class Names:
    """Names and the addresses that they stood for, each pair once with its first and last time."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str, str | None], list[Micros | None]] = {}

    def add(self, address: str, name: str, said_by: str, at: Micros | None, resolver: str | None = None) -> None:
        times = self._seen.setdefault((address, name, said_by, resolver), [at, at])
        times[0], times[1] = earlier(times[0], at), later(times[1], at)

    def batch(self) -> pa.RecordBatch | None:
        if not self._seen:
            return None
        rows = [
            {"address": a, "name": n, "from": f, "resolver": r, "first": times[0], "last": times[1]}
            for (a, n, f, r), times in self._seen.items()
        ]
        return pa.RecordBatch.from_pylist(rows, schema=NAME_SCHEMA)


class Losses:
    """Losses added up by kind and place."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._unfit = 0
        self._totals: dict[tuple[str, str], list[int]] = {}

    def add(self, kind: str, where: str, octets: int = 0, count: int = 1) -> None:
        total = self._totals.setdefault((kind, where), [0, 0])
        total[0] += count
        total[1] += octets

    def time(self, value: float | None) -> Micros | None:
        """A time as NDJSON states it; what is no time that a capture can have is counted, and None."""
        at = time_of(value)
        if at is None and value is not None:
            self.add("time_unreadable", _NO_TIME)
        return at

    def seconds(self, value: object) -> Micros | None:
        """The same of seconds since 1970, of which 0 stands for none."""
        at = micros(value)
        if at is None and value is not None and (isinstance(value, bool) or value != 0):
            self.add("time_unreadable", _NO_TIME)
        return at

    def unfit(self, number: int, why: str, octets: int) -> None:
        """A line that does not fit its type: the first ones each by its number from 1, the rest together."""
        self.placed("line_unread", f"line {number + 1} does not fit: {why}", "further lines do not fit", octets)

    def placed(self, kind: str, where: str, further: str, octets: int) -> None:
        """A record that cannot be read: the first ones each with its place, the rest together."""
        self._unfit += 1
        self.add(kind, where if self._unfit <= _MOST_UNFIT else further, octets)

    def __bool__(self) -> bool:
        return bool(self._totals)

    def all(self) -> list[Loss]:
        return [Loss(self._source, kind, n, octets, where) for (kind, where), (n, octets) in self._totals.items()]


class Batches:
    """Gathers rows and says when they are enough for a batch: so many exchanges, flows, or octets of bodies.

    The rows, their numbers and their order do not depend on where the batches are cut."""

    def __init__(self, options: Options) -> None:
        self._most = max(options.batch, 1)
        self._flows: list[Mapping[str, Any]] = []
        self._exchanges: list[Exchange] = []
        self._messages: list[Message] = []
        self._clues: list[Clue] = []
        self._ids: list[tuple[int, str]] = []
        self._octets = 0

    def add(self, exchange: Exchange | None, messages: Iterable[Message], clues: Iterable[Clue] = ()) -> None:
        """One exchange with its messages, or messages outside of HTTP."""
        if exchange is not None:
            self._exchanges.append(exchange)
        for message in messages:
            self._messages.append(message)
            self._octets += len(message.body)
        self._clues.extend(clues)

    def flow(self, row: Mapping[str, Any]) -> None:
        self._flows.append(row)

    def name(self, unit: int, flow: str) -> None:
        """The proxy's own id of the flow that a unit is of."""
        if flow:
            self._ids.append((unit, sys.intern(flow)))

    @property
    def full(self) -> bool:
        return (
            max(len(self._exchanges), len(self._flows)) >= self._most
            or len(self._messages) >= 16 * self._most
            or self._octets >= _MOST_OCTETS
        )

    def take(self, done: int) -> Batch:
        """What was gathered, as a batch; gathering begins anew."""
        flows = pa.RecordBatch.from_pylist(self._flows, schema=FLOW_SCHEMA) if self._flows else None
        batch = Batch(flows, self._exchanges, self._messages, clues=self._clues, done=done, ids=self._ids)
        self._flows, self._exchanges, self._messages, self._clues, self._octets = [], [], [], [], 0
        self._ids = []
        return batch

    def rows(self, rows: Iterable[Mapping[str, Any]], done: int) -> Iterator[Batch]:
        """Flow rows that come at the end, in batches."""
        for row in rows:
            self.flow(row)
            if self.full:
                yield self.take(done)
