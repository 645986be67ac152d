"""QUIC's first packets: an Initial is encrypted with keys that anyone can derive (RFC 9001 section 5.2), so the name
that a client asks for can be read. Everything after them stays sealed without the session's keys."""

from __future__ import annotations

import hashlib
import hmac
import re
import struct

from analysis.sources.packets import tls

_QUIC_2 = 0x6B3343CF
_SALTS = {
    1: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    _QUIC_2: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
}
_DRAFT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
_DRAFT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
_MOST_CRYPTO = 1 << 16
_MOST_PARTS = 256
_MOST_TRIES = 256
"""Packets of a flow that are opened in search of hellos."""
_MOST_CONNECTIONS = 4


def version_of(data: bytes) -> int | None:
    """The version of a long header, or None where there is none."""
    if len(data) < 7 or not data[0] & 0x80:
        return None
    return int(struct.unpack(">I", data[1:5])[0])


def google_version(data: bytes) -> int | None:
    """The version in a public header of Google's QUIC before 2019 (Q0xx, not yet RFC 8999); None for others."""
    if len(data) < 14 or data[0] & 0x81 != 0x01:
        return None
    at = 9 if data[0] & 0x08 else 1
    found = re.match(rb"Q0[0-4]\d", data[at : at + 4])
    return None if found is None else int.from_bytes(found[0])


def google_name(data: bytes) -> str | None:
    """The server name of a clear CHLO, Google's handshake up to Q046: a table of tags and the ends of their values."""
    start = data.find(b"CHLO", 0, 128)
    if start < 0 or len(data) < start + 8:
        return None
    count = int.from_bytes(data[start + 4 : start + 6], "little")
    values, begin = start + 8 + 8 * count, 0
    for at in range(start + 8, min(values, len(data) - 7), 8):
        end = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"SNI\0" and 0 < end - begin <= 255 and values + end <= len(data):
            return tls.host_name(data[values + begin : values + end])
        begin = end
    return None


def looks(data: bytes) -> bool:
    """True when the octets begin like a QUIC long header of a version that is used (RFC 8999 section 5.1)."""
    if google_version(data) is not None:
        return True
    version = version_of(data)
    if version is None or (not data[0] & 0x40 and version != 0):
        return False
    if version >> 8 in (0x513034, 0x513035, 0x543035):
        return True  # Q04x, Q05x and T05x, whose lengths stand elsewhere
    to = data[5]
    of = data[6 + to] if len(data) > 6 + to else 255
    if to > 20 or of > 20:
        return False
    if version == 0:
        rest = len(data) - 7 - to - of
        return rest > 0 and rest % 4 == 0  # a list of versions
    return _salt(version) is not None or version >> 8 == 0xFACEB0 or 0xFF000000 < version <= 0xFF000022


def name_of(version: int) -> str:
    """The version in the tables' words."""
    if version in (1, _QUIC_2):
        return "QUIC 1" if version == 1 else "QUIC 2"
    if version >> 8 == 0xFF0000:
        return f"QUIC draft {version & 0xFF}"
    return "QUIC " + version.to_bytes(4).decode("ascii", "replace") if version >> 24 == 0x51 else f"QUIC {version:08x}"


def _salt(version: int) -> bytes | None:
    if version >> 8 == 0xFF0000:
        draft = version & 0xFF
        return _DRAFT_29 if 29 <= draft <= 34 else _DRAFT_23 if 23 <= draft <= 28 else None
    if version >> 8 == 0xFACEB0:
        return _DRAFT_23 if version & 0xFF == 2 else None
    return _SALTS.get(version)


class Initials:
    """The Initials of one flow, of both ends, opened until both hellos are known.

    ``began``: when the client's first one came, so that what lies between it and ``server`` is at least a round trip,
    however often either was sent."""

    def __init__(self) -> None:
        self.client: tls.Hello | None = None
        self.server: tls.Hello | None = None
        self.version: int | None = None
        self.began: int | None = None
        self._connections: list[bytes] = []
        """Destinations of the client's Initials, from which the keys are made: the first one, and one more behind each
        Retry (RFC 9001 section 5.2)."""
        self._crypto = (_Crypto(), _Crypto())
        self._tries = 0

    def feed(self, datagram: bytes, client: bool, at: int | None) -> tls.Hello | None:
        """A datagram of the client or the server; the hello of its sender once it is whole, and not again."""
        if client:
            google = google_version(datagram) or version_of(datagram) or 0
            if google >> 16 == 0x5130:
                return self._googles(datagram, google)
        place, found = 0, None
        while place < len(datagram) and self._tries < _MOST_TRIES and (self.client is None or self.server is None):
            version = version_of(datagram[place:])
            if version is None:
                break
            self.version = self.version or version or None
            self._tries += 1
            if client and self.began is None:
                self.began = at
            used = self._packet(datagram[place:], version, client)
            if client and self.client is None:
                found = self.client = self._crypto[0].hello(True)
            elif not client and self.server is None:
                found = self.server = self._crypto[1].hello(False)
            if used <= 0:
                break
            place += used
        return found

    def _googles(self, datagram: bytes, version: int) -> tls.Hello | None:
        self.version = self.version or version
        name = google_name(datagram) if self.client is None else None
        if name is not None:
            self.client = tls.Hello(True, host=name)
        return self.client if name is not None else None

    def _packet(self, data: bytes, version: int, client: bool) -> int:
        """One long header packet; the octets that it takes, 0 where that is not known."""
        salt = _salt(version)
        try:
            at = 5
            dcid = data[at + 1 : at + 1 + data[at]]
            at += 1 + data[at]
            at += 1 + data[at]
            kind = data[0] >> 4 & 3
            if version == _QUIC_2:
                kind = (kind - 1) % 4
            if kind == 0:
                token, at = _varint(data, at)
                at += token
            if kind == 3:
                return 0
            length, at = _varint(data, at)
            end = at + length
            if kind == 0 and salt is not None and end <= len(data):
                if client and dcid not in self._connections and len(self._connections) < _MOST_CONNECTIONS:
                    self._connections.append(dcid)
                known = self.client if client else self.server
                for connection in self._connections if known is None else ():
                    clear = _open(data[:end], at, connection, salt, version, client)
                    if clear is not None:
                        self._crypto[0 if client else 1].frames(clear)
                        break
            return end
        except (IndexError, struct.error, ValueError):
            return 0


class _Crypto:
    """CRYPTO frames of one end, put in order."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}

    def frames(self, clear: bytes) -> None:
        at = 0
        while at < len(clear):
            kind, at = _varint(clear, at)
            if kind in (0, 1):
                continue
            if kind in (2, 3):
                for _ in range(2):
                    _, at = _varint(clear, at)
                count, at = _varint(clear, at)
                for _ in range(1 + 2 * min(count, 256) + (3 if kind == 3 else 0)):
                    _, at = _varint(clear, at)
            elif kind == 6:
                offset, at = _varint(clear, at)
                size, at = _varint(clear, at)
                if offset + size <= _MOST_CRYPTO and len(self._parts) < _MOST_PARTS:
                    held = self._parts.get(offset, b"")
                    self._parts[offset] = max(held, clear[at : at + size], key=len)
                at += size
            else:
                break

    def hello(self, client: bool) -> tls.Hello | None:
        """The hello, once it is whole."""
        whole = bytearray()
        for offset in sorted(self._parts):
            if offset > len(whole):
                return None
            whole += self._parts[offset][len(whole) - offset :]
        size = int.from_bytes(whole[1:4])
        if len(whole) < max(4 + size, 5) or whole[0] != (1 if client else 2):
            return None
        return tls.hello(bytes(whole[4 : 4 + size]), client)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer (RFC 9000 section 16) and the place behind it."""
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size]) & (1 << 8 * size - 2) - 1, at + size


def _expand(secret: bytes, label: str, size: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 section 7.1) with SHA-256, for at most one block of output."""
    full = b"tls13 " + label.encode()
    info = struct.pack(">HB", size, len(full)) + full + b"\0"
    return hmac.new(secret, info + b"\1", hashlib.sha256).digest()[:size]


def _open(packet: bytes, at: int, connection: bytes, salt: bytes, version: int, client: bool) -> bytes | None:
    """The frames of an Initial whose packet number begins at ``at`` (RFC 9001 sections 5.3 and 5.4)."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(packet) < at + 20:
        return None
    secret = _expand(hmac.new(salt, connection, hashlib.sha256).digest(), "client in" if client else "server in", 32)
    prefix = "quicv2" if version == _QUIC_2 else "quic"
    key, iv, mask_key = (
        _expand(secret, f"{prefix} key", 16),
        _expand(secret, f"{prefix} iv", 12),
        _expand(secret, f"{prefix} hp", 16),
    )
    cipher = Cipher(algorithms.AES(mask_key), modes.ECB()).encryptor()  # noqa: S305 - header protection is ECB
    mask = cipher.update(packet[at + 4 : at + 20])
    head = bytearray(packet[: at + 4])
    head[0] ^= mask[0] & 0x0F
    size = (head[0] & 3) + 1
    for n in range(size):
        head[at + n] ^= mask[1 + n]
    number = int.from_bytes(head[at : at + size])
    nonce = bytes(a ^ b for a, b in zip(iv, number.to_bytes(12), strict=True))
    try:
        return AESGCM(key).decrypt(nonce, packet[at + size :], bytes(head[: at + size]))
    except InvalidTag:
        return None
