"""DNS messages (RFC 1035): the names that were asked for and the addresses that answers gave."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field

_MOST_RECORDS = 256
_MOST_JUMPS = 64


@dataclass(slots=True)
class Message:
    """A response or a question. ``aliases``: owner -> canonical name."""

    response: bool
    question: str | None
    addresses: list[tuple[str, str]] = field(default_factory=list)
    """Owner and address of A and AAAA records."""
    aliases: dict[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> set[str]:
        """The name that was asked for and those that it is an alias of, in as many steps as there are."""
        found: set[str] = set()
        name = self.question
        while name is not None and name not in found:
            found.add(name)
            name = self.aliases.get(name)
        return found


def parse(data: bytes) -> Message | None:
    """The message, or None where the octets are none."""
    if len(data) < 12:
        return None
    _, flags, questions, answers, authority, extra = struct.unpack(">HHHHHH", data[:12])
    opcode = flags >> 11 & 15
    if (
        opcode not in (0, 2, 4, 5)
        or questions > _MOST_RECORDS
        or answers > _MOST_RECORDS
        or authority > _MOST_RECORDS
        or extra > _MOST_RECORDS
    ):
        return None
    if not questions and not answers:
        return None
    at = 12
    made = Message(bool(flags & 0x8000), None)
    try:
        for n in range(questions):
            name, at = _name(data, at)
            at += 4
            if at > len(data):
                return None
            if n == 0:
                made.question = name
        for _ in range(answers):
            owner, at = _name(data, at)
            kind, _, _, size = struct.unpack_from(">HHIH", data, at)
            at += 10
            value = data[at : at + size]
            if len(value) < size:
                break
            if (kind == 1 and size == 4) or (kind == 28 and size == 16):
                made.addresses.append((owner, str(ipaddress.ip_address(value))))
            elif kind == 5:
                made.aliases[owner] = _name(data, at)[0]
            at += size
    except (struct.error, IndexError, ValueError):
        return made if made.question is not None or made.addresses else None
    return made


def begins_stream(data: bytes) -> bool:
    """True when octets of a TCP stream begin with a message behind its length."""
    size = struct.unpack(">H", data[:2])[0]
    if size < 12:
        return False
    whole = data[2 : 2 + size]
    return parse(whole) is not None or (len(whole) < size and whole[4:6] == b"\0\x01" and not whole[2] & 0x70)


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name and the place behind it. Octets that are no letters stand as escapes, as in zone files (RFC 1035 5.1)."""
    labels: list[str] = []
    end = -1
    total = 0
    for _ in range(_MOST_JUMPS):
        size = data[at]
        if size >= 0xC0:
            if end < 0:
                end = at + 2
            at = (size & 0x3F) << 8 | data[at + 1]
            continue
        if size > 63:
            raise ValueError("reserved label")
        at += 1
        if size == 0:
            return ".".join(labels).lower(), end if end >= 0 else at
        total += size + 1
        if total > 255 or at + size > len(data):
            raise ValueError("name too long")
        labels.append("".join(_shown(b) for b in data[at : at + size]))
        at += size
    raise ValueError("name loops")


def _shown(octet: int) -> str:
    plain = 33 <= octet <= 126 and octet not in (46, 92)
    return chr(octet) if plain else f"\\{octet:03d}"


class Stream:
    """One direction of DNS over TCP (RFC 1035 section 4.2.2): each message stands behind its length."""

    def __init__(self) -> None:
        self._held: bytearray | None = bytearray()
        self.read = 0
        """Octets of whole messages, with their lengths."""
        self.damaged = 0
        """Octets that are no message, or behind what is none."""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole with ``data``, the next octets."""
        if self._held is None:
            self.damaged += len(data)
            return []
        self._held += data
        found: list[Message] = []
        while len(self._held) >= 2:
            size = struct.unpack(">H", self._held[:2])[0]
            if len(self._held) < 2 + size:
                break
            message = parse(bytes(self._held[2 : 2 + size]))
            if message is None:
                self.lost()
                break
            found.append(message)
            self.read += 2 + size
            del self._held[: 2 + size]
        return found

    def lost(self) -> None:
        """Where the next message begins is not known any more."""
        self.damaged += len(self._held or b"")
        self._held = None
