"""What a connection that stays sealed shows of itself: the handshakes of TLS, QUIC and Facebook's Zero.

Names, versions and times are in the clear there; ``tls_ms`` is the round trip from ClientHello to ServerHello.
"""

from __future__ import annotations

from typing import Protocol

from analysis.sources.packets import fbzero, quic, tls


class Ends(Protocol):
    """The conversation that is sealed."""

    def named(self, host: str | None, said_by: str) -> None:
        """The end that answers was called so."""

    def name_encrypted(self) -> None:
        """The name may be another one, in an encrypted part of the ClientHello."""

    def certified(self, name: str, at: int | None) -> None:
        """A name in the server's certificate."""

    def took(self, began: int | None, at: int | None) -> float | None:
        """Milliseconds of a round trip, where the packets' clock says so."""


class Sealed:
    """Direction 0 is from the phone."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self.tls: str | None = None
        self.alpn: str | None = None
        self.tls_ms: float | None = None
        self.refused: str | None = None
        """By which alert, in the clear, the phone refused the certificate."""
        self._hello_at: int | None = None
        self._shakes = (tls.Handshake(), tls.Handshake())
        self._initials: quic.Initials | None = None
        self._zero: tuple[fbzero.Hello, fbzero.Hello] | None = None

    def stream(self, way: int, data: bytes, at: int | None, repeated: bool) -> None:
        """Octets of TLS over TCP, in order. ``repeated``: the phone sent some twice, so an answer may be to either."""
        shake = self._shakes[way]
        if shake.over:
            return
        before = shake.hello
        shake.feed(data)
        hello = shake.hello
        if hello is not None and before is None:
            if hello.client:
                self._hello_at = at if way == 0 else None
                self._ends.named(hello.host, "sni")
                if hello.encrypted_name:
                    self._ends.name_encrypted()
                self.alpn = self.alpn or hello.alpn
                self.tls = self.tls or tls.version_name(hello)
            else:
                self.tls = tls.version_name(hello) or self.tls
                self.alpn = hello.alpn or self.alpn
                if way == 1 and not repeated:
                    self.tls_ms = self._ends.took(self._hello_at, at)
        answer = self._shakes[1].hello
        if way == 0 and shake.alert is not None and answer is not None and not answer.client:
            # An alert in the clear, sent by the phone behind the server's first flight and before any data.
            self.refused = tls.REFUSALS.get(shake.alert)
        if shake.certificate is not None:
            for name in tls.names_of(shake.certificate):
                self._ends.certified(name, at)
            shake.certificate = None

    def gap(self, way: int) -> None:
        """Octets are missing: what follows is no handshake that can be read."""
        self._shakes[way].over = True
        if self._zero is not None:
            self._zero[way].over = True

    def zero(self, way: int, data: bytes) -> None:
        """Octets of Zero, in order."""
        self._zero = self._zero or (fbzero.Hello(), fbzero.Hello())
        if not self._zero[way].over:
            self._ends.named(self._zero[way].feed(data), "sni")

    def datagram(self, way: int, data: bytes, at: int | None) -> None:
        """A datagram of QUIC."""
        initials = self._initials = self._initials or quic.Initials()
        hello = initials.feed(data, way == 0, at)
        if hello is not None and hello.client:
            self._ends.named(hello.host, "sni")
            self.alpn = hello.alpn
            if hello.encrypted_name:
                self._ends.name_encrypted()
        elif hello is not None:
            self.tls_ms = self._ends.took(initials.began, at)
        if initials.version:
            self.tls = quic.name_of(initials.version)
        elif self.tls is None:
            version = quic.version_of(data)
            self.tls = quic.name_of(version) if version else "QUIC"
