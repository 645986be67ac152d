"""The words of this house: what a capture is made of once its bytes were understood.

Everything here is plain data that any room may hold; this module imports nothing of ours but the scale of reading
states. Rows that are still
on their way carry keys of the form ``(source, unit)``: the file's name in the manifest and an ordinal within it.
``analysis.audit`` turns keys into the integers of the tables, in manifest order, so that it does not matter in
which batches a capture arrived.

Times are integers: microseconds since 1970-01-01 UTC, or None where the capture does not say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from analysis.reading_states import EMPTY, UNDERSTOOD

Micros = int
"""Microseconds since 1970-01-01T00:00:00Z."""

Direction = Literal["sent", "received", "undelivered"]
"""``sent``: by the phone; ``received``: by it; ``undelivered``: by the phone to a proxy that handed it on to nobody,
so that no host has it."""
MessageKind = Literal["request", "response", "websocket", "grpc", "sse", "tcp", "udp"]
Method = Literal["planted", "endpoint", "key", "value"]
Certainty = Literal["high", "medium", "low"]

METHODS: tuple[Method, ...] = ("planted", "endpoint", "key", "value")
"""From the strongest ground for naming a data type to the weakest."""


class InputError(Exception):
    """A user's input cannot be used. The message is one sentence: what, where, and what to do about it."""


class Key(NamedTuple):
    """Where a row came from, before the tables number it: a source of the manifest and an ordinal within it."""

    source: str
    unit: int


# --------------------------------------------------------------------------------------------- origins


_ESCAPE = re.compile(r"[%#!,:+>@]|[\x00-\x20\x7f]")


def _quote(text: str) -> str:
    return _ESCAPE.sub(lambda m: "".join(f"%{b:02X}" for b in m.group().encode()), text)


def _unquote(text: str) -> str:
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]), text.encode("utf-8", "surrogatepass"))
    return raw.decode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Step:
    """One decoding on the way from a source's bytes to a field's: a codec, and the part of the layer before it
    that the codec was given. ``offset`` is None where it was given all of it."""

    codec: str
    offset: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The bytes that something was read from: ``source#unit[,unit...]!layer:offset+length``.

    ``source``: a file of the manifest. ``units``: ordinals from 0 within it: packets of a packet capture (those that
    carry the message), a flow of a dump, an entry of a HAR, a line of NDJSON. ``layer``: what the offset counts in:
    ``file``, ``tls``, ``tcp``, ``udp``, ``websocket``, ``http-request-head``, ``http-request-body``,
    ``http-response-head``, ``http-response-body``; then the ``steps`` that were undone, each as ``>codec`` or
    ``>codec@offset+length``, so that the bytes can be had again without any detector.
    A head is the start line and the header section as :meth:`Message.head` writes them.
    """

    source: str
    units: tuple[int, ...]
    layer: str
    offset: int
    length: int
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        steps = "".join(
            f">{_quote(s.codec)}" + ("" if s.offset is None else f"@{s.offset}+{s.length}") for s in self.steps
        )
        units = ",".join(map(str, self.units))
        return f"{_quote(self.source)}#{units}!{_quote(self.layer)}{steps}:{self.offset}+{self.length}"

    @classmethod
    def parse(cls, text: str) -> Origin:
        """The origin that ``str`` wrote. Raises InputError when the text is no origin."""
        found = re.fullmatch(
            r"([^#!]+)#(\d+(?:,\d+)*)!([^:>@]+)((?:>[^:>@]+(?:@\d+\+\d+)?)*):(\d+)\+(\d+)",
            text,
            flags=re.DOTALL,
        )
        if found is None:
            raise InputError(
                f"{text[:120]!r} is no origin: it has the form source#unit[,unit]!layer:offset+length, "
                "as the tables and the report give it."
            )
        steps = [
            Step(_unquote(codec), int(offset), int(length)) if offset else Step(_unquote(codec))
            for codec, offset, length in re.findall(r">([^:>@]+)(?:@(\d+)\+(\d+))?", found[4])
        ]
        try:
            return cls(
                _unquote(found[1]),
                tuple(map(int, found[2].split(","))),
                _unquote(found[3]),
                int(found[5]),
                int(found[6]),
                tuple(steps),
            )
        except UnicodeDecodeError as error:
            raise InputError(f"{text[:120]!r} is no origin: its source is not UTF-8.") from error


# -------------------------------------------------------------------------------------- personal values


class Secret:
    """A personal value on its way. It never shows itself: only ``analysis.tables`` asks for what is inside."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def expose(self) -> str:
        """The value itself. To be called where values are compared, masked or hashed, and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({len(self._value)} characters)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __getstate__(self) -> str:
        return self._value

    def __setstate__(self, state: str) -> None:
        self._value = state


# -------------------------------------------------------------------------------- what sources hand over


@dataclass(slots=True)
class Exchange:
    """One HTTP request and its response (RFC 9110), numbered densely in the file's own order (``key.unit``)."""

    key: Key
    flow: Key
    started: Micros | None
    protocol: str
    """``http/1.0``, ``http/1.1``, ``http/2``, ``http/3``; empty where the capture does not say."""
    method: str
    scheme: str
    host: str
    """The name asked for (authority or Host, without port), lower case; an address literal where no name stands."""
    port: int | None
    path: str
    """The request target's path, without query, as sent."""
    status: int | None
    request_bytes: int
    """Body octets as sent: after transfer coding, before content decoding, without headers."""
    response_bytes: int
    origin: Origin


Headers = tuple[tuple[str, str], ...]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")


def token(text: str) -> str:
    """``text`` where it has the form of a word of the protocol (a token of RFC 9110 section 5.6.2, no longer than any
    that is registered), else empty: methods and schemes are words, whatever a client or a damaged file puts there."""
    return text if _TOKEN.fullmatch(text) else ""


_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {chr(c) for c in range(0xFE00, 0xFE10)}
"""Letters and marks that show nothing: by Unicode they are printable."""


def printable(text: str) -> str:
    """``text`` as a terminal or a log may be given it, on one line: control characters (C0, C1), those that turn the
    direction of writing, those that show nothing and halves of surrogate pairs are written as ``\\x1b``."""
    if text.isprintable() and _BLANK.isdisjoint(text):
        return text
    return "".join(c if c.isprintable() and c not in _BLANK else f"\\x{ord(c):02x}" for c in text)


@dataclass(slots=True)
class Message:
    """One body or frame in one direction. ``read`` gets nothing else, so it carries what it needs of its exchange."""

    key: Key
    """(source, ordinal among the messages of this source, in the order of their exchanges or packets)."""
    flow: Key
    exchange: Key | None
    direction: Direction
    index: int
    """Counts the messages of the same exchange (or flow) and direction, from 0."""
    at: Micros | None
    kind: MessageKind
    body: bytes
    """As sent, after transfer coding (RFC 9112 section 7), before content decoding."""
    size: int
    """Body octets as sent; more than ``len(body)`` where the capture kept only a part."""
    origin: Origin
    """The whole body: ``layer`` says what its offsets count in; its source and units are those of the head too."""
    headers: Headers = ()
    """In order, names as sent; values as text (UTF-8 where they are, else Latin-1)."""
    method: str = ""
    scheme: str = ""
    host: str = ""
    target: str = ""
    """Request target as sent: path and query. A response carries its request's, so that endpoints are known."""
    status: int | None = None
    protocol: str = ""
    content_decoded: bool = False
    """The capture holds the body with its content coding undone already (a HAR does)."""
    cut: bool = False
    """The capture lacks a part of this body."""
    allowance: int | None = None
    """Units of work that reading it may cost (``analysis.budget``), where they do not follow from its octets: the
    capture grants more, or holds it packed."""

    def head(self) -> bytes:
        """Start line and header section as the ``http-*-head`` layers count them: one form for every source."""
        if self.kind == "response":
            start = f"{self.protocol.upper() or 'HTTP'} {self.status if self.status is not None else ''}"
        else:
            start = f"{self.method} {self.target} {self.protocol.upper() or 'HTTP'}"
        lines = [start, *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Clue:
    """A witness of a flow's place other than a database: a node code in a header, a certificate name, a reverse name.
    It holds no personal value."""

    flow: Key
    kind: str
    text: str
    at: Micros | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that was in the input and is not in the tables: skipped, cut, undecoded or over a limit.
    Kinds that begin with ``packet_`` count packets that stand in no flow, and no other kind contains that word."""

    source: str
    kind: str
    count: int
    bytes: int
    where: str
    """Where or why, in words fit for the report; never a value."""


# ------------------------------------------------------------------------------------ what read hands over


@dataclass(frozen=True, slots=True)
class Field:
    """A decoded leaf: ``path`` (``request.body.events[3].imei``), ``value`` (the text as sent) and
    ``via`` (``("gzip", "json", "base64", "json")``), with the bytes that it stands in."""

    path: str
    value: Secret
    via: tuple[str, ...]
    origin: Origin


@dataclass(slots=True)
class Transmission:
    """One field of one data type, seen in one message."""

    message: Key
    exchange: Key | None
    flow: Key
    direction: Direction
    data_type: str
    method: Method
    certainty: Certainty
    path: str
    via: tuple[str, ...]
    value: Secret
    """The decoded leaf exactly as sent."""
    same: Secret
    """What ``value_key`` is made from: the value in one form, so that one identifier in two encodings is one."""
    origin: Origin
    position: int | None = None
    """Latitude and longitude of one place share this number, which counts within the message."""
    endpoint: str | None = None
    """Id of the known endpoint's field, where one said so."""
    also: tuple[Method, ...] = ()
    """The weaker methods that agreed."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a report may show of a transmission without opening the capture. All text is masked."""

    transmission: int
    """Index in the result's transmissions."""
    excerpt: str
    request_line: str
    chain: str
    origin: Origin


@dataclass(slots=True)
class Reading:
    """What ``read`` understood of one message."""

    message: Key
    state: str
    """How far its body could be read: ``analysis.reading_states``."""
    not_understood: int = 0
    """Octets of its body, as sent, that nobody understood, whatever the state."""
    cause: str | None = None
    """Why they were not, where the state alone does not say it: a word fit for ``opaque.cause``."""
    transmissions: list[Transmission] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    clues: list[Clue] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    path: str | None = None
    """A request's path without query, in which each segment that carries a found value is written ``‹type›``."""
    host: str | None = None
    """The same for the labels of its host."""
    work: int = 0
    """Units of work that were counted (``analysis.budget``)."""
    short: bool = False
    """They did not suffice: what lay beyond was not opened."""

    @property
    def decoded(self) -> bool:
        """The body was understood down to leaves, or there was none."""
        return self.state in (UNDERSTOOD, EMPTY)
