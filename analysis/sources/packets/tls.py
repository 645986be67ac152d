"""What a TLS handshake says in the clear: name, application protocol, version, certificate (RFC 8446, RFC 5246)."""

from __future__ import annotations

import re
import struct
import warnings
from dataclasses import dataclass

from analysis.sources.rows import tls_version

_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
_MOST = 1 << 17
MOST_RECORD = 5 + (1 << 14) + 256
"""Octets of a record (RFC 8446 section 5.2), its header included."""
_RECORD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")
_CLIENT_HELLO = re.compile(rb"\x16\x03[\x00-\x04][\x00-\x41].\x01\x00", re.DOTALL)
REFUSALS = {42: "bad_certificate", 46: "certificate_unknown", 48: "unknown_ca"}
"""Alerts by which a client says that it does not trust a server's certificate (RFC 8446 section 6.2)."""


def inside(data: bytes, likely: bool) -> bool:
    """True when octets from the middle of a connection hold the beginning of a TLS record. Three octets alone say
    that only where the port makes it likely; elsewhere the next record must follow."""
    for found in _RECORD.finditer(data):
        at = found.start()
        if at + 5 > len(data):
            break
        size = int.from_bytes(data[at + 3 : at + 5])
        if not 0 < size <= MOST_RECORD - 5:
            continue
        after = at + 5 + size
        if likely or after == len(data) or (after + 3 <= len(data) and _RECORD.match(data, after) is not None):
            return True
    return False


def begins_hello(data: bytes) -> bool:
    """True when octets begin with a record that begins with a ClientHello."""
    return _CLIENT_HELLO.match(data) is not None


@dataclass(slots=True)
class Hello:
    """A ClientHello or ServerHello."""

    client: bool
    version: str | None = None
    host: str | None = None
    alpn: str | None = None
    encrypted_name: bool = False
    """It holds an encrypted ClientHello or name: the name in the clear may be another's."""


class Handshake:
    """One direction of a TLS connection, fed in order, until its hellos and certificate are known."""

    def __init__(self) -> None:
        self._records = bytearray()
        self._messages = bytearray()
        self.hello: Hello | None = None
        self.certificate: bytes | None = None
        self.alert: int | None = None
        """What an alert in the clear says."""
        self.over = False
        """Nothing more is to be learned from this direction."""

    def feed(self, data: bytes) -> None:
        if self.over:
            return
        self._records += data
        while len(self._records) >= 5 and not self.over:
            kind, _, size = struct.unpack(">BHH", self._records[:5])
            if kind not in (20, 21, 22, 23) or size > 16_640:
                self.over = True
                break
            if kind == 21 and size == 2 and len(self._records) < 7:
                break
            if kind == 21 and size == 2 and self._records[5] in (1, 2):
                self.alert = self._records[6]
            if kind != 22:
                # After a ServerHello of TLS 1.3 a ChangeCipherSpec may come; anything but a handshake ends the clear.
                self.over = True
                break
            if len(self._records) < 5 + size:
                break
            self._messages += self._records[5 : 5 + size]
            del self._records[: 5 + size]
            self._read()
        if len(self._records) + len(self._messages) > _MOST:
            self.over = True
        if self.over:
            self._records.clear()
            self._messages.clear()

    def _read(self) -> None:
        while len(self._messages) >= 4:
            kind, size = self._messages[0], int.from_bytes(self._messages[1:4])
            if len(self._messages) < 4 + size:
                return
            body = bytes(self._messages[4 : 4 + size])
            del self._messages[: 4 + size]
            if kind in (1, 2) and self.hello is None:
                self.hello = hello(body, kind == 1)
            elif kind == 11:
                self.certificate = _leaf(body)
                self.over = True


def hello(body: bytes, client: bool) -> Hello | None:
    """A hello's body. None where it is damaged before its version."""
    made = Hello(client)
    try:
        made.version = _VERSIONS.get(struct.unpack(">H", body[:2])[0])
        at = 34
        at += 1 + body[at]
        if client:
            at += 2 + struct.unpack_from(">H", body, at)[0]
            at += 1 + body[at]
        else:
            at += 3
        if at + 2 > len(body):
            return made
        end = min(at + 2 + struct.unpack_from(">H", body, at)[0], len(body))
        at += 2
        while at + 4 <= end:
            kind, size = struct.unpack_from(">HH", body, at)
            _extension(made, kind, body[at + 4 : at + 4 + size])
            at += 4 + size
    except (struct.error, IndexError):
        return made if made.version is not None else None
    return made


def _extension(made: Hello, kind: int, data: bytes) -> None:
    if kind == 0 and made.client and len(data) > 5:
        size = struct.unpack(">H", data[3:5])[0]
        name = data[5 : 5 + size]
        if data[2] == 0 and 0 < len(name) <= 255:
            made.host = host_name(name)
    elif kind == 16 and len(data) > 3:
        made.alpn = data[3 : 3 + data[2]].decode("latin-1")
    elif kind == 43:
        offered = data[1:] if made.client else data
        found = [struct.unpack(">H", offered[n : n + 2])[0] for n in range(0, len(offered) - 1, 2)]
        known = [v for v in found if v in _VERSIONS]
        if known:
            made.version = _VERSIONS[max(known)]
    elif kind in (0xFE0D, 0xFFCE):
        made.encrypted_name = True


def host_name(name: bytes) -> str:
    """A server name as text; octets that no name has stand as escapes."""
    return "".join(chr(b) if 33 <= b <= 126 else f"\\x{b:02x}" for b in name).lower().rstrip(".")


def version_name(hello_: Hello | None) -> str | None:
    """The version in the tables' words."""
    return None if hello_ is None or hello_.version is None else tls_version(hello_.version)


def _leaf(body: bytes) -> bytes | None:
    """The first certificate of a Certificate message of TLS 1.2 and before."""
    if len(body) < 6:
        return None
    size = int.from_bytes(body[3:6])
    return body[6 : 6 + size] if len(body) >= 6 + size else None


def names_of(certificate: bytes) -> list[str]:
    """The host names that a certificate is for (RFC 5280 section 4.2.1.6), at most eight."""
    from cryptography import x509

    try:
        with warnings.catch_warnings():
            # What a server sends is not the reader's to mend.
            warnings.simplefilter("ignore")
            found = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
                x509.SubjectAlternativeName
            )
        names = found.value.get_values_for_type(x509.DNSName)
    except Exception:
        # The library has exceptions of its own for each way to be wrong, and no common parent of them.
        return []
    return [n.lower() for n in names[:8] if n.isascii() and n.isprintable() and len(n) < 254]
