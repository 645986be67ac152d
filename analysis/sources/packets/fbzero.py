"""Facebook's Zero protocol: QUIC's handshake of before 2016 over TCP, whose first messages stand in the clear.

Nothing of it is published but an article of Facebook's engineers; the form is what Wireshark's and Arkime's readers and
the captures show. A frame has an octet of flags, a version where the lowest flag says so, a length in four octets,
little-endian, and a payload; the first of each end is a table of tags like Google's (``quic.google_name``), all others
are ciphertext.
"""

from __future__ import annotations

from analysis.sources.packets import quic

_VERSION = b"1QTV"
_MESSAGES = (b"CHLO", b"SNOM", b"SHLO", b"REJ\0", b"PRST")
_HEAD = 13
MOST = 4_096
"""Octets of a hello."""


def begins(data: bytes) -> bool | None:
    """True when a connection begins so; None while too few octets are there to tell."""
    if not data.startswith(_VERSION[: len(data)]):
        return False
    if len(data) < _HEAD:
        return None
    return data[9:_HEAD] in _MESSAGES


class Hello:
    """The first octets of the client, until the name in them is known or there is none."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.over = False

    def feed(self, data: bytes) -> str | None:
        """The host that the client asks for, once."""
        self._held += data[: MOST - len(self._held)]
        held = bytes(self._held)
        if not begins(held):
            self.over = len(held) >= _HEAD
            return None
        whole = 9 + int.from_bytes(held[5:9], "little")
        if len(held) < min(whole, MOST):
            return None
        self.over = True
        self._held.clear()
        return quic.google_name(held[:whole])
