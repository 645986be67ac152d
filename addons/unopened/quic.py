"""QUIC that is not to be opened: how it is told, whose it is, and the answer after which a client gives it up."""

from __future__ import annotations

from mitmproxy.addons.next_layer import KNOWN_QUIC_VERSIONS
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.quic import quic_parse_client_hello_from_datagrams

DATAGRAMS = 16
"""Datagrams in which a ClientHello must be whole: it takes one or two, and three of what is known to have grown."""


def refusal_of_quic(datagram: bytes) -> bytes | None:
    """The answer to a client's first QUIC datagram after which it gives up QUIC at once: Version Negotiation (RFC 9000,
    section 17.2.1) that offers one version kept for exercising it (section 15), so that there is none in common
    (section 6.2). None for a datagram without a long header: nothing refuses those."""
    if len(datagram) < 7 or not datagram[0] & 0x80 or datagram[1:5] == bytes(4):
        return None
    to_length = datagram[5]
    to = datagram[6 : 6 + to_length]
    rest = datagram[6 + to_length :]
    if len(to) < to_length or not rest or len(rest) < 1 + rest[0]:
        return None
    own = rest[1 : 1 + rest[0]]
    return b"\xc0" + bytes(4) + bytes([len(own)]) + own + bytes([to_length]) + to + b"\x1a\x2a\x3a\x4a"


def begins_quic(datagram: bytes) -> bool:
    """A long header of a version that mitmproxy takes for QUIC; what else it takes for QUIC, it does by the port."""
    if len(datagram) < 7 or not datagram[0] & 0x80:
        return False
    version = int.from_bytes(datagram[1:5])
    return version in KNOWN_QUIC_VERSIONS or version & 0x0F0F0F0F == 0x0A0A0A0A


class Refused(Layer):
    """QUIC that is refused: each try of the client is answered so, and nothing goes on to the server."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and (answer := refusal_of_quic(event.data)) is not None:
            yield commands.SendData(self.context.client, answer)


def name_in_quic(datagrams: list[bytes]) -> tuple[bool, str]:
    """The same for QUIC."""
    try:
        hello = quic_parse_client_hello_from_datagrams(datagrams)
    except Exception:
        # It stands on the inner parts of another library, which raise what they like for what they cannot read.
        return True, ""
    return hello is not None, (hello.sni if hello is not None else None) or ""
