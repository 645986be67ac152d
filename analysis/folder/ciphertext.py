"""Octets that are somebody's ciphertext: one rule for who records a connection that nobody opened and for who reads
it."""

from __future__ import annotations

import re
from typing import Literal

_TLS_RECORD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]", re.DOTALL)
_QUIC_VERSIONS = {b"\0\0\0\1", b"\x6b\x33\x43\xcf", *(b"\xff\0\0" + bytes([n]) for n in range(20, 35))}


def ciphertext(transport: Literal["tcp", "udp"], from_client: bool, first: bytes) -> str | None:
    """Why a connection cannot be read, by its first octets: ``passed_through`` where its client begins with a record
    of TLS (RFC 8446 section 5.1), ``quic`` where it begins with a long header of QUIC (RFC 9000 section 17.2). None
    for what may be read."""
    if transport == "tcp":
        return "passed_through" if from_client and _TLS_RECORD.match(first) else None
    if len(first) > 5 and first[0] & 0xC0 == 0xC0 and first[1:5] in _QUIC_VERSIONS:
        return "quic"
    return None
