"""Ciphertext: octets that nothing tells from chance, and text that writes such octets.

**What is one.** A cipher's output is uniform and independent: any bias would be a break of it. So octets are taken for
ciphertext where no statistic of theirs is improbable for chance, no known signature or structure stands in them, and
no compression that is known unpacks them. The statistics hold at every length, since each is held against what chance
gives at that length: pairs of equal octets (the chi-square of 256 classes in another form, whose mean is n(n-1)/512
and whose deviation is the root of that), both halves of an octet in 16 classes, differences of neighbours likewise,
and octets that come again after a short distance. Each bound is passed by chance less than once in a hundred million
times, so that ciphertext is not missed; text, numbers, tables and unpacked binary forms miss them by far.

**What is none.** A digest, a MAC, a key or a session's name is as random as a ciphertext and holds nothing to read.
None of the digests in use is longer than SHA-512's 64 octets, so what is shorter than :data:`LEAST` is never called
ciphertext. Signatures, tokens and keys go on to 512 octets (RSA of 4096 bits) and, as sealed tickets, beyond: under a
name that says so they are no payload up to :data:`TOKEN`. What remains must be most of what was sent, or as long as
:data:`ANYWHERE`: an identifier needs no 256 octets, and a body that consists of one long random value carries it.

What is packed by an unknown compression cannot be told from chance when it is short: the signatures of known ones are
looked at, and those without one (raw deflate, brotli) are tried.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from dataclasses import dataclass

import brotli  # type: ignore[import-untyped]  # it ships none
import numpy as np

from analysis import codecs
from analysis.read.decode.media import media_type
from analysis.read.decode.text import packing_of

LEAST = 65
"""Octets below which nothing is called ciphertext: one more than the longest digest in use."""
ANYWHERE = 256
"""Octets from which on a value is payload, be it ever so small a part of its message."""
TOKEN = 2_048
"""Octets up to which a value is a token where its name says so."""
SHORTEST_TEXT = 87
"""Characters of base64 that write :data:`LEAST` octets; all other alphabets need more."""

_NIBBLES = 75.0
"""Chi-square of 16 classes (15 degrees of freedom) that chance exceeds once in two billion times."""
_DEVIATIONS = 6.0
_SLACK = 8
"""Added to a bound on counts, whose distribution is skewed where few are expected."""
_DISTANCES = (1, 2, 3, 4, 8, 16)
_TRIED = 1 << 16
"""Octets of a stream that are given to a decompressor to see whether it takes them."""
_GIVEN = 1 << 20
"""Octets that it may give. Chance that is taken for a stream may give as many before it breaks."""
_SHORT = 1_024
"""Octets up to which identifiers in a row could pass for chance: of more of them the tags between show."""
_FIELDS = 4
_MEASURED = 1 << 20
"""Octets that are measured; what follows a megabyte of chance is taken to be alike."""

_SIGNATURES = re.compile(
    rb"PK[\x01-\x08][\x02-\x08]|%PDF-|7z\xbc\xaf\x27\x1c|\xfd7zXZ\x00|BZh[1-9]1AY|Rar!\x1a\x07|\x04\x22\x4d\x18|"
    rb"\xff\x06\x00\x00sNaPpY|SQLite format 3|\x7fELF|dex\n0|bplist0|LZIP|\x5d\x00\x00|MSCF|!<arch>|G.{187}G",
    re.DOTALL,
)
"""Archives, compressed streams, programs and transport streams: octets whose sender says what they are."""
_MEDIA_STATED = re.compile(
    r"\s*(?:image/|video/|audio/|font/|application/(?:(?:x-)?(?:zip|gzip|7z|rar|tar|bzip|zstd|xz)|pdf|ogg|wasm|font|"
    r"java-archive|vnd\.(?:android\.package|ms-font|apple\.mpegurl)))",
    re.IGNORECASE,
)
_ENCODED = re.compile(rb"[A-Za-z0-9+/_\-=\s.:$|,;~]{87,}+\Z")
_CIPHERS = re.compile(r"\b(?:rc4|aes|3?des|chacha20|encrypted)", re.IGNORECASE)
_PIECES = re.compile(rb"[.:$|,;~]+|(?<==)[\r\n]+")
_SEALED_PEM = re.compile(rb"\s*-----BEGIN (?:PGP MESSAGE|CMS|PKCS7|AGE ENCRYPTED FILE)-----")
_FOLD = re.compile(rb"[ \t]*[\r\n]+[ \t]*")
_HEX = re.compile(rb"(?:[0-9a-f]+|[0-9A-F]+)\Z")
_BASE32 = re.compile(rb"(?:[A-Z2-7]+|[a-z2-7]+)={0,6}\Z")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{87,}+={0,2}\Z")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_TOKEN_WORDS = frozenset(
    "sign sig signature hmac mac digest hash checksum token jwt jws session sid ticket cookie auth authorization "
    "nonce csrf xsrf captcha recaptcha attestation integrity cert certificate certificates pem pubkey key keys "
    "registration regid push fcm apns etag cursor continuation page challenge".split()
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Ciphertext in a text: the octets that it is, and the characters that write them."""

    octets: int
    written: int


def is_chance(data: bytes) -> bool:
    """No statistic of these octets is improbable for chance."""
    data = data[:_MEASURED]
    n = len(data)
    if n < 2:
        return False
    octets = np.frombuffer(data, np.uint8)
    counts = np.bincount(octets, minlength=256)
    pairs = float(np.sum(counts * (counts - 1)) // 2)
    mean = n * (n - 1) / 512
    if abs(pairs - mean) > _DEVIATIONS * mean**0.5 + _SLACK:
        return False
    square = counts.reshape(16, 16)
    steps = np.bincount((octets[1:] - octets[:-1]) >> 4, minlength=16)
    if any(_chi_square(c) > _NIBBLES for c in (square.sum(0), square.sum(1), steps)):
        return False
    for distance in _DISTANCES:
        again = int(np.count_nonzero(octets[distance:] == octets[:-distance]))
        expected = (n - distance) / 256
        if again > expected + _DEVIATIONS * expected**0.5 + _SLACK:
            return False
    return True


def _chi_square(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
    expected = counts.sum() / len(counts)
    return float(np.sum((counts - expected) ** 2) / expected)


def is_ciphertext(data: bytes, stated: str = "") -> bool:
    """Octets that are ciphertext as far as anybody can tell. ``stated``: the type by which the sender calls them; of
    what is called a picture, a sound or an archive it cannot be told."""
    if len(data) < LEAST or _MEDIA_STATED.match(stated) or not is_chance(data):
        return False
    return not (has_structure(data) or unpacks(data))


def is_rtp(data: bytes) -> bool:
    """A datagram that opens as RTP does (RFC 3550 section 5.1, payload types of RFC 3551): sound and pictures, of which
    nobody can tell whether they are packed only."""
    return len(data) > 12 and data[0] >> 6 == 2 and (data[1] & 0x7F < 35 or data[1] & 0x7F >= 96)


def has_structure(data: bytes) -> bool:
    """A signature says what the octets are, or they are one element of DER (X.690 section 8.1) to their last octet, as
    keys and certificates are."""
    if media_type(data, sure=True) is not None or _SIGNATURES.match(data) is not None:
        return True
    if len(data) <= _SHORT and _is_protobuf(data):
        return True
    if data[:1] == b"\x30" and 0x81 <= data[1] <= 0x84:
        width = data[1] & 0x0F
        return int.from_bytes(data[2 : 2 + width]) == len(data) - 2 - width
    return False


def unpacks(data: bytes) -> bool:
    """A compression that is known takes these octets to their end, or as far as it is tried."""
    packed = packing_of(data)
    if packed in ("gzip", "zstd"):
        return True
    if packed is not None and codecs.decode(packed, data[:_TRIED], _GIVEN).complete:
        return True
    return _inflates(data) or _is_brotli(data)


def _inflates(data: bytes) -> bool:
    """Raw deflate (RFC 1951): chance breaks it within a few hundred octets, or ends it before its end."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        given = stream.decompress(data[:_TRIED], _GIVEN)
    except zlib.error:
        return False
    if stream.eof:
        return not stream.unused_data and len(data) <= _TRIED and len(given) > 0
    return len(data) > _TRIED


def _is_brotli(data: bytes) -> bool:
    """Brotli (RFC 7932), likewise."""
    stream = brotli.Decompressor()
    try:
        stream.process(data[:_TRIED], output_buffer_limit=_GIVEN)
    except brotli.error:
        return False
    if len(data) > _TRIED:
        return not stream.is_finished()
    return codecs.decode("br", data, _GIVEN).complete


def _is_protobuf(data: bytes) -> bool:
    """Several fields of the wire format of protobuf, one after the other to the last octet, none of which could itself
    be ciphertext: identifiers in a row are as random as that."""
    at = fields = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind, field = tag & 7, tag >> 3
        if not 0 < field <= 4_096:
            return False
        size = 0
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind, len(data))
        if size >= LEAST or at + size > len(data):
            return False
        at, fields = at + size, fields + 1
    return at == len(data) and fields >= _FIELDS


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of the wire format and where it ends; beyond the data where it is none."""
    value = 0
    for place in range(10):
        if at + place >= len(data):
            break
        value |= (data[at + place] & 0x7F) << 7 * place
        if data[at + place] < 0x80:
            return value, at + place + 1
    return 0, len(data) + 1


def names_cipher(coding: str) -> bool:
    """A content coding that is no compression: senders name the cipher there (RFC 8188 does so for ``aes128gcm``)."""
    return _CIPHERS.search(coding) is not None


def is_token_name(name: str) -> bool:
    """The name of a value says that it is a signature, a token or a key, and no payload."""
    words = {w.lower() for w in _WORDS.findall(name)}
    return bool(words & _TOKEN_WORDS) or "token" in name.lower() or name.lower().endswith("key")


def in_text(value: bytes) -> tuple[Sealed, int]:
    """Ciphertext that a text writes in base64, base64url, base32 or hexadecimal digits: padded or not, wrapped in
    lines, with the plus signs that a form made into spaces, in pieces with signs between; and the characters of such
    pieces that write neither ciphertext nor anything that is known."""
    nothing = Sealed(0, 0)
    if b"-----BEGIN " in value[:64]:
        # RFC 7468: a key or certificate, or what says itself that it is enciphered.
        return (Sealed(len(value) * 3 // 4, len(value)) if _SEALED_PEM.match(value) else nothing), 0
    if _ENCODED.match(value) is None:
        return nothing, 0
    stated = value[5:64].decode("latin-1") if value[:5] == b"data:" else ""
    pieces = _PIECES.split(value)
    if value.startswith(b"eyJ") and len(pieces) in (3, 5):
        header = _json_of(pieces[0])
        if header is not None and len(pieces) == 3 and "alg" in header:
            return nothing, 0  # a JWS (RFC 7515): what is long and random in it is its signature
        if header is not None and len(pieces) == 5 and "enc" in header:
            # A JWE (RFC 7516) says itself that it is one.
            inside = sum(len(p) * 3 // 4 for p in pieces[1:])
            return Sealed(inside, len(value)), 0
    octets = written = other = 0
    for piece in pieces:
        raw = octets_of(piece)
        if raw is None or len(raw) < LEAST:
            continue
        if is_ciphertext(raw, stated):
            octets, written = octets + len(raw), written + len(piece)
        elif len(raw) >= ANYWHERE and _is_binary(raw):
            other += len(piece)
    return Sealed(octets, written), other


def octets_of(text: bytes) -> bytes | None:
    """The octets that a text of one of the alphabets writes; None where it is of none of them."""
    plain = _FOLD.sub(b"", text.strip())
    spaces = plain.count(b" ")
    if spaces:
        if spaces * 12 > len(plain):
            return None
        plain = plain.replace(b" ", b"+")
    if _HEX.match(plain) is not None:
        return bytes.fromhex(plain.decode()) if len(plain) % 2 == 0 else None
    if _BASE32.match(plain) is not None:
        digits = plain.rstrip(b"=").upper()
        try:
            return base64.b32decode(digits + b"=" * (-len(digits) % 8))
        except binascii.Error:
            return None
    plain = plain.translate(_URLSAFE)
    if _BASE64.match(plain) is None:
        return None
    digits = plain.rstrip(b"=")
    if len(digits) % 4 == 1:
        return None
    return base64.b64decode(digits + b"=" * (-len(digits) % 4))


_URLSAFE = bytes.maketrans(b"-_", b"+/")


def _is_binary(raw: bytes) -> bool:
    """Octets that are no text, of a form that nobody here knows: neither a signature's nor DER's nor packed. Words that
    happen to be of base64's alphabet decode to anything but zeros and small numbers."""
    small = sum(map(raw[:ANYWHERE].count, range(32)))
    return small * 3 > min(len(raw), ANYWHERE) and not has_structure(raw) and not unpacks(raw)


def _json_of(piece: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(base64.urlsafe_b64decode(piece + b"=" * (-len(piece) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
