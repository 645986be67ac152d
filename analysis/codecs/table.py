"""The table of codecs: every encoding and digest that is known here, once. What can be undone, what needles
are made of, and what a test of privacy looks for are all read from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from analysis.codecs import content, text
from analysis.codecs.base import Decoded, within
from analysis.codecs.text import Spellings

MAX_CODINGS = 8
"""Content codings of one message; each may multiply the work of the one before."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One row. ``name`` stands so in ``via`` and in the steps of an origin."""

    name: str
    kind: Literal["content", "text", "digest"]
    """A content coding of HTTP, a way to write octets or text as other text, or a one-way digest."""
    spell: Callable[[bytes], Spellings]
    """Every way in which software writes it; the canonical one first."""
    undo: Callable[[bytes, int], Decoded] | None
    """The input and the limit on octets of output. None: it cannot be undone."""


def _once(encode: Callable[[bytes], bytes]) -> Callable[[bytes], Spellings]:
    def spell(raw: bytes) -> Spellings:
        yield "", encode(raw)

    return spell


def _digest(algorithm: str) -> Callable[[bytes], Spellings]:
    def spell(raw: bytes) -> Spellings:
        octets = hashlib.new(algorithm, raw, usedforsecurity=False).digest()
        digits = octets.hex()
        yield "", digits.encode()
        yield "upper case", digits.upper().encode()
        yield "octets", octets
        if algorithm == "md5":  # "16-bit MD5": the middle half, a habit of Chinese web software
            yield "middle half", digits[8:24].encode()
            yield "middle half, upper case", digits[8:24].upper().encode()

    return spell


def _digest_in(name: str, digest: Codec, raw: bytes) -> Spellings:
    """A digest's octets in base64 or base64url, and its hex digits."""
    digits = encode(digest.name, raw)
    for spelling, data in (("octets", bytes.fromhex(digits.decode())), ("hex digits", digits)):
        # Without padding: so it is found where padding follows, too.
        yield spelling, encode(name, data).rstrip(b"=")


DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
"""Shorter sums (CRC-32, Adler-32) are left out: among as many numbers as a capture holds they agree by
chance."""

CHARSETS = {"gb18030": "gb18030", "big5": "cp950", "shift_jis": "cp932", "euc-jp": "euc_jp", "euc-kr": "cp949"}
"""Charsets of East Asia as WHATWG's Encoding names them (GBK and GB 2312 are parts of GB 18030), and Python's codec."""

CODECS: dict[str, Codec] = {
    c.name: c
    for c in (
        Codec("gzip", "content", _once(content.encode_gzip), content.decode_gzip),
        Codec("deflate", "content", _once(content.encode_deflate), content.decode_deflate),
        Codec("br", "content", _once(content.encode_brotli), content.decode_brotli),
        Codec("zstd", "content", _once(content.encode_zstd), content.decode_zstd),
        Codec("percent", "text", text.spell_percent, text.decode_percent),
        Codec("form-percent", "text", text.spell_form, text.decode_form),
        Codec("json-string", "text", text.spell_json_string, text.decode_json_string),
        Codec("unicode-escape", "text", text.spell_unicode_escape, text.decode_unicode_escape),
        Codec("html", "text", text.spell_html, text.decode_html),
        Codec("quoted-printable", "text", text.spell_quoted_printable, text.decode_quoted_printable),
        Codec("base64", "text", text.spell_base64, text.decode_base64),
        Codec("base64url", "text", text.spell_base64url, text.decode_base64url),
        Codec("hex", "text", text.spell_hex, text.decode_hex),
        Codec("latin-1", "text", text.spell_latin1, text.decode_latin1),
        Codec("utf-16le", "text", text.spell_utf16le, text.decode_utf16le),
        Codec("utf-16be", "text", text.spell_utf16be, text.decode_utf16be),
        Codec("xor5", "text", text.spell_xor5, text.decode_xor5),
        *(Codec(name, "text", text.spell_multibyte(py), text.decode_multibyte(py)) for name, py in CHARSETS.items()),
        *(Codec(name, "digest", _digest(name), None) for name in DIGESTS),
    )
}


@dataclass(frozen=True, slots=True)
class Combination:
    """Several encodings of one value that software really nests, outermost first, and why it is looked
    for."""

    via: tuple[str, ...]
    because: str
    types: frozenset[str] | None = None
    """Only for values of these data types; None: all."""


_CREDENTIALS = frozenset({"email", "phone_number", "username", "password", "otp"})

COMBINATIONS: tuple[Combination, ...] = (
    Combination(("percent", "base64"), "base64 in a query: plus, slash and padding have to be escaped"),
    Combination(("percent", "percent"), "a URL within a URL's query, as redirects and link trackers carry it"),
    Combination(("percent", "json-string"), "a JSON text in a query"),
    Combination(("json-string", "json-string"), "a JSON text as a string of another, as event trackers batch them"),
    Combination(("base64", "percent"), "btoa takes only Latin-1, so scripts call encodeURIComponent first"),
    Combination(("base64", "base64"), "an SDK encodes a value and its transport encodes the body's parts again"),
    Combination(("hex", "xor5"), "ByteDance's passport, mix_mode=1", _CREDENTIALS),
    Combination(("md5", "md5"), "MD5 of the hex digits of an MD5, an old habit for passwords", frozenset({"password"})),
)
"""Beside these, each digest is looked for in base64 (of its octets and of its hex digits)."""


def spell(via: tuple[str, ...], raw: bytes) -> Spellings:
    """Every spelling of ``raw`` in the encodings ``via``, outermost first: canonical ones within, all
    without.

    A digest's own name stands for its hex digits or its octets: ``("base64", "sha256")`` is either in base64.
    Raises KeyError for an unknown name and UnicodeError where ``raw`` is not text that the encoding can
    write."""
    if len(via) == 2 and via[0] in ("base64", "base64url") and CODECS[via[1]].kind == "digest":
        yield from _digest_in(via[0], CODECS[via[1]], raw)
        return
    for name in reversed(via[1:]):
        raw = next(CODECS[name].spell(raw))[1]
    yield from CODECS[via[0]].spell(raw)


def encode(name: str, data: bytes) -> bytes:
    """``data`` in the canonical spelling of one codec; the inverse of :func:`decode` but for digests.

    Raises KeyError for an unknown name and UnicodeError where ``data`` is not text that the encoding can
    write."""
    return next(CODECS[name].spell(data))[1]


def content_codings(header: str) -> tuple[str, ...]:
    """The codings of a ``Content-Encoding`` in the order in which they have to be undone, that is from the
    last to the first (RFC 9110 section 8.4), in lower case, ``x-gzip`` as ``gzip`` (section 8.4.1.3),
    ``identity`` left out."""
    names = [part.strip().lower() for part in header.split(",")]
    return tuple("gzip" if n == "x-gzip" else n for n in reversed(names) if n not in ("", "identity"))


def decode(name: str, data: bytes, limit: int) -> Decoded:
    """Undo one codec, or the content codings of a header (``gzip, br``), with at most ``limit`` octets of
    output.

    Never raises: an unknown name, damage, an early end and a limit are told in the result, with what was
    decoded until then. An empty body is empty under any coding (a response to HEAD, 204 and 304 announce
    codings, too)."""
    steps = content_codings(name)
    if len(steps) > MAX_CODINGS:
        return Decoded(b"", False, f"{len(steps)} content codings are named, and {MAX_CODINGS} are followed", True)
    worst: Decoded | None = None
    for step in steps:
        codec = CODECS.get(step)
        if codec is None or codec.undo is None:
            what = "a digest cannot be undone" if codec else f"unknown coding {step[:40]!r}"
            return Decoded(b"", False, what)
        if not data:
            continue
        result = codec.undo(data, max(limit, 0))
        data = result.data
        if worst is None and not result.complete:
            worst = result
        if not data and not result.complete:
            break
    if worst is not None:
        return worst._replace(data=data)
    return within(data, limit)
