"""Octets that are somebody's ciphertext: one rule for who records a connection that nobody opened and for who reads
it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

LATE = "tls"
"""Why the rest of a flow cannot be read that began in the clear: its client began TLS in it (STARTTLS and the like)."""

_TLS_RECORD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]", re.DOTALL)
_QUIC_VERSIONS = {b"\0\0\0\1", b"\x6b\x33\x43\xcf", *(b"\xff\0\0" + bytes([n]) for n in range(20, 35))}

_HANDSHAKE = re.compile(rb"\x16\x03[\x00-\x04]")
_MOST_RECORD = (1 << 14) + 256
_LEAST_HELLO, _MOST_HELLO = 41, 131_396
"""Octets of a ClientHello (RFC 8446 section 4.1.2; before TLS 1.3 it may lack its extensions): version and random, and
least and most of its four vectors."""
_BEGINS = 6
"""Octets of a ClientHello that tell it at the beginning of a message: record header and handshake type."""
_ANYWHERE = 11
"""Octets of it that tell it elsewhere: the handshake's length and ``legacy_version`` too."""


def ciphertext(transport: Literal["tcp", "udp"], from_client: bool, first: bytes) -> str | None:
    """Why a connection cannot be read, by its first octets: ``passed_through`` where its client begins with a record
    of TLS (RFC 8446 section 5.1), ``quic`` where it begins with a long header of QUIC (RFC 9000 section 17.2). None
    for what may be read, be it only as far as :class:`StartTls` says."""
    if transport == "tcp":
        return "passed_through" if from_client and _TLS_RECORD.match(first) else None
    if len(first) > 5 and first[0] & 0xC0 == 0xC0 and first[1:5] in _QUIC_VERSIONS:
        return "quic"
    return None


@dataclass(frozen=True, slots=True)
class Seal:
    """Where ciphertext begins in a flow: the first message of each direction that is not wholly in the clear, and how
    many octets of the client's one are."""

    sent: int
    received: int
    clear: int = 0

    def clear_of(self, direction: str, index: int) -> int | None:
        """How many octets of a message are in the clear, from its first on; None: all."""
        first = self.sent if direction == "sent" else self.received
        if index < first:
            return None
        return self.clear if direction == "sent" and index == first else 0


class StartTls:
    """How far a TCP flow is in the clear that did not begin as ciphertext, told message by message in their order.

    From its client's ClientHello on (RFC 8446 sections 5.1 and 4.1.2), all octets of both directions are ciphertext.
    A ClientHello may begin within a message and be cut anywhere. Six octets of it tell it at the beginning of a message
    and eleven elsewhere; those in messages before the one in which there are enough, at most ten, stay what they were
    taken for. They are header fields and the same in every ClientHello. UDP has no such turn."""

    def __init__(self) -> None:
        self.sealed = False
        self._tail = b""

    def seals(self, from_client: bool, content: bytes) -> int | None:
        """The octet of the flow's next message from which on it is ciphertext; None where all of it is in the clear."""
        if self.sealed:
            return 0
        if not from_client:
            return None
        before, data = len(self._tail), self._tail + content
        for found in _HANDSHAKE.finditer(data):
            at = found.start()
            least = _BEGINS if at == before else _ANYWHERE
            if len(data) - at >= least and _begins_hello(data, at):
                self.sealed, self._tail = True, b""
                return max(at - before, 0)
        self._tail = data[1 - _ANYWHERE :]
        return None


def _begins_hello(data: bytes, at: int) -> bool:
    """True where a handshake record begins with a ClientHello, and nothing but a record of TLS follows it, as far as
    can be seen: a client waits for the answer."""
    record = int.from_bytes(data[at + 3 : at + 5])
    end = at + 5 + record
    inside = data[at + 5 : min(at + _ANYWHERE, end)]
    if not 0 < record <= _MOST_RECORD or inside[0] != 1:
        return False
    if inside[1:2] > b"\x02" or inside[4:5] not in (b"", b"\x03") or inside[5:6] > b"\x04":
        return False
    whole = False
    if len(inside) >= 4:
        hello = int.from_bytes(inside[1:4])
        if not _LEAST_HELLO <= hello <= _MOST_HELLO or record > 4 + hello:
            return False
        whole = record == 4 + hello
    elif len(data) - at < _ANYWHERE and record < 4 + _LEAST_HELLO:
        # So few octets of so small a record could be anything.
        return False
    # The rest of a ClientHello that is in several records; behind a whole one, early data too.
    kinds = b"\x14\x15\x16\x17" if whole else b"\x16"
    return data[end : end + 1] in kinds and b"\x03".startswith(data[end + 1 : end + 2])
