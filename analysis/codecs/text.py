"""Text encodings: ways to write octets, or text, as other text. Each has a decoder with a limit on what
comes out, and the spellings in which software writes it, the canonical one first.

Decoders work on octets, so that what is not UTF-8 passes through them unharmed; what stands in Unicode
escapes comes out as UTF-8. A decoder that meets something that cannot belong to its encoding stops there,
keeps the part before and says so; those whose escapes are sparse (percent, HTML) leave a sign that escapes
nothing as it is, as servers do.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote_from_bytes, unquote_to_bytes

from analysis.codecs.base import Decoded, over, within

Spellings = Iterator[tuple[str, bytes]]
"""(which spelling, in a word or two; the octets). The canonical spelling comes first and its name is
empty."""

_SPACE = re.compile(rb"[ \t\r\n]+")
_STANDARD = re.compile(rb"[A-Za-z0-9+/]*")
_URLSAFE = re.compile(rb"[A-Za-z0-9_-]*")
_HEX = re.compile(rb"[0-9A-Fa-f]*")


def _base64(data: bytes, limit: int, alphabet: re.Pattern[bytes], altchars: bytes | None) -> Decoded:
    """RFC 4648: padding may be absent (section 3.2), line breaks and spaces may stand between (MIME)."""
    text = _SPACE.sub(b"", data)
    match = alphabet.match(text)
    assert match is not None  # the pattern matches the empty text
    digits = match[0]
    rest = text[len(digits) :].lstrip(b"=")
    if len(digits) * 3 // 4 > limit:
        digits = digits[: (limit // 3 + 1) * 4]
        return over(base64.b64decode(digits + b"=" * (-len(digits) % 4), altchars), limit)
    error = None
    if rest:
        error = f"{len(rest)} characters from position {len(digits)} on are not base64"
    if len(digits) % 4 == 1:
        digits = digits[:-1]
        error = error or "the input breaks off"
    return Decoded(base64.b64decode(digits + b"=" * (-len(digits) % 4), altchars), error is None, error)


def decode_base64(data: bytes, limit: int) -> Decoded:
    """RFC 4648 section 4."""
    return _base64(data, limit, _STANDARD, None)


def decode_base64url(data: bytes, limit: int) -> Decoded:
    """RFC 4648 section 5."""
    return _base64(data, limit, _URLSAFE, b"-_")


def spell_base64(raw: bytes) -> Spellings:
    padded = base64.b64encode(raw)
    yield "", padded
    yield "no padding", padded.rstrip(b"=")


def spell_base64url(raw: bytes) -> Spellings:
    padded = base64.urlsafe_b64encode(raw)
    yield "", padded.rstrip(b"=")
    yield "padded", padded


def base64_inside(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The characters that ``raw`` decides alone when it stands within a longer text that is base64 (RFC 4648
    section 4: three octets in four characters), for each of the three places it can begin at."""
    for offset, cut in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(offset) + raw)
        yield offset, encoded[cut : (offset + len(raw)) * 8 // 6]


def decode_hex(data: bytes, limit: int) -> Decoded:
    """RFC 4648 section 8, in either case."""
    match = _HEX.match(data)
    assert match is not None
    digits = match[0]
    error = None if len(digits) == len(data) else f"{len(data) - len(digits)} characters are no hex digits"
    if len(digits) % 2:
        digits = digits[:-1]
        error = error or "the input breaks off"
    if len(digits) // 2 > limit:
        return over(bytes.fromhex(digits[: 2 * limit].decode()), limit)
    return Decoded(bytes.fromhex(digits.decode()), error is None, error)


def spell_hex(raw: bytes) -> Spellings:
    yield "", raw.hex().encode()
    yield "upper case", raw.hex().upper().encode()


_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")


def decode_percent(data: bytes, limit: int) -> Decoded:
    """RFC 3986 section 2.1; a ``%`` without two hex digits stays as it is (WHATWG URL, percent-decode)."""
    return within(unquote_to_bytes(data[: 3 * limit + 3]), limit)  # three octets give at least one


def decode_form(data: bytes, limit: int) -> Decoded:
    """One name or value of ``application/x-www-form-urlencoded`` (WHATWG URL section 5.1): plus is a
    space."""
    return decode_percent(data.replace(b"+", b" "), limit)


def spell_percent(raw: bytes) -> Spellings:
    yield "", quote_from_bytes(raw, safe="").encode()
    yield from _percent_of(raw, "component", "!'()*")  # ECMA-262, encodeURIComponent
    yield from _percent_of(raw, "URI", "!'()*;/?:@&=+$,#")  # ECMA-262, encodeURI
    yield "lower case", _lower_escapes(quote_from_bytes(raw, safe=""))


def _percent_of(raw: bytes, name: str, safe: str) -> Spellings:
    yield name, quote_from_bytes(raw, safe=safe).encode()


def _lower_escapes(text: str) -> bytes:
    return _PERCENT.sub(lambda m: m[0].lower(), text.encode())


def spell_form(raw: bytes) -> Spellings:
    strict = quote_from_bytes(raw, safe=" *").replace("~", "%7E").replace(" ", "+")
    yield "", strict.encode()
    escaped = quote_from_bytes(raw, safe=" ").replace(" ", "+")
    yield "star", escaped.encode()  # Python
    yield "star and tilde", escaped.replace("~", "%7E").encode()  # PHP
    yield "tilde", strict.replace("%7E", "~").encode()
    yield "at", quote_from_bytes(raw, safe=" *@").replace("~", "%7E").replace(" ", "+").encode()
    yield "lower case", _lower_escapes(strict)


_JSON_ESCAPE = re.compile(rb"(?:\\u[0-9A-Fa-f]{4})+|\\(.)|\\$", re.DOTALL)
_JSON_SHORT = {
    b'"': b'"',
    b"\\": b"\\",
    b"/": b"/",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
}


def decode_json_string(data: bytes, limit: int) -> Decoded:
    """What stands between the quotes of a JSON string (RFC 8259 section 7). A lone surrogate comes out as
    the three octets that UTF-8 would give it: nothing is replaced."""
    out = bytearray()
    at = 0
    for match in _JSON_ESCAPE.finditer(data):
        out += data[at : match.start()]
        at = match.end()
        if match[1] is None and match[0] != b"\\":
            out += _utf16_escapes(match[0], 6)
        elif match[1] in _JSON_SHORT:
            out += _JSON_SHORT[match[1]]
        else:
            return within(bytes(out), limit, f"the escape at octet {match.start()} is not one of JSON's")
        if len(out) > limit:
            return over(bytes(out), limit)
    return within(bytes(out) + data[at:], limit)


def _utf16_escapes(escapes: bytes, width: int) -> bytes:
    units = b"".join(bytes.fromhex(escapes[i + 2 : i + 6].decode()) for i in range(0, len(escapes), width))
    return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")


def _json_text(text: str) -> str:
    def short(match: re.Match[str]) -> str:
        known = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", '"': '"', "\\": "\\"}
        return "\\" + known[match[0]] if match[0] in known else f"\\u{ord(match[0]):04x}"

    return re.sub(r'[\x00-\x1f"\\]', short, text)


def _escaped(text: str, pattern: str, *, upper: bool = False) -> str:
    form = "\\u{:04X}" if upper else "\\u{:04x}"

    def units(match: re.Match[str]) -> str:
        raw = match[0].encode("utf-16-be", "surrogatepass")
        return "".join(form.format(int.from_bytes(raw[i : i + 2], "big")) for i in range(0, len(raw), 2))

    return re.sub(pattern, units, text)


def spell_json_string(raw: bytes) -> Spellings:
    """Quotes, backslashes and controls escaped; then what libraries escape beyond that."""
    text = raw.decode("utf-8", "surrogatepass")
    plain = _json_text(text)
    yield "", plain.encode("utf-8", "surrogatepass")
    yield "ASCII", _escaped(plain, r"[^\x00-\x7e]").encode()
    yield "ASCII, upper case", _escaped(plain, r"[^\x00-\x7e]", upper=True).encode()
    yield "slash", plain.replace("/", "\\/").encode("utf-8", "surrogatepass")  # PHP, Android's org.json
    yield "slash, ASCII", _escaped(plain.replace("/", "\\/"), r"[^\x00-\x7f]").encode()  # PHP's json_encode
    yield "HTML", _escaped(plain, r"[<>&='\u2028\u2029]").encode("utf-8", "surrogatepass")  # Gson
    yield (
        "HTML, upper case",
        _escaped(plain, r"[<>&+'`\x7f-\uffff\U00010000-\U0010ffff]", upper=True).encode(),
    )  # .NET


_UNICODE_ESCAPE = re.compile(rb"(?:\\u[0-9A-Fa-f]{4})+|\\U([0-9A-Fa-f]{8})|\\x([0-9A-Fa-f]{2})")


def decode_unicode_escape(data: bytes, limit: int) -> Decoded:
    r"""``\uXXXX``, ``\UXXXXXXXX`` and ``\xXX`` (ECMA-262, Python) outside of JSON; any other backslash
    stays."""

    def one(match: re.Match[bytes]) -> bytes:
        if match[1] is not None and int(match[1], 16) > 0x10FFFF:
            return match[0]
        if match[1] is not None or match[2] is not None:
            return chr(int(match[1] or match[2], 16)).encode("utf-8", "surrogatepass")
        return _utf16_escapes(match[0], 6)

    return within(_UNICODE_ESCAPE.sub(one, data), limit)


def spell_unicode_escape(raw: bytes) -> Spellings:
    text = raw.decode("utf-8", "surrogatepass")
    yield "", _escaped(text, r"[\\]|[^\x20-\x7e]").encode()
    yield "upper case", _escaped(text, r"[\\]|[^\x20-\x7e]", upper=True).encode()


def decode_html(data: bytes, limit: int) -> Decoded:
    """Character references (HTML, section 13.5), named and numeric."""
    text = html.unescape(data.decode("utf-8", "surrogateescape"))
    return within(text.encode("utf-8", "surrogateescape"), limit)


def spell_html(raw: bytes) -> Spellings:
    text = raw.decode("utf-8", "surrogatepass")
    quoted = html.escape(text)
    yield "", quoted.encode("utf-8", "surrogatepass")
    yield "no quotes", html.escape(text, quote=False).encode("utf-8", "surrogatepass")
    yield "decimal quote", quoted.replace("&#x27;", "&#39;").encode("utf-8", "surrogatepass")
    if not re.search("[\x80-\x9f]", text):  # numeric references to these mean Windows-1252 (HTML, section 13.2.5.80)
        yield "ASCII", quoted.encode("ascii", "xmlcharrefreplace")


def decode_quoted_printable(data: bytes, limit: int) -> Decoded:
    """RFC 2045 section 6.7."""
    return within(binascii.a2b_qp(data), limit)


_QP_UNSAFE = re.compile(rb"[^\t\n\x20-\x3c\x3e-\x7e]|[ \t](?=\n|\Z)")


def spell_quoted_printable(raw: bytes) -> Spellings:
    # Unfolded: a value within a longer line is folded elsewhere or not at all.
    yield "", _QP_UNSAFE.sub(lambda m: b"=%02X" % m[0][0], raw)


def _decode_charset(charset: str, width: int) -> Callable[[bytes, int], Decoded]:
    def decode(data: bytes, limit: int) -> Decoded:
        whole = len(data) // width * width
        # One unit of any of these charsets gives at least one octet of UTF-8 (a UTF-16 pair, four).
        text = data[: min(whole, (limit + 4) * width)].decode(charset, "surrogatepass")
        return within(
            text.encode("utf-8", "surrogatepass"),
            limit,
            "the input breaks off" if whole != len(data) else None,
        )

    return decode


def _spell_charset(charset: str) -> Callable[[bytes], Spellings]:
    def spell(raw: bytes) -> Spellings:
        text = raw.decode("utf-8", "surrogatepass")
        yield "", text.encode(charset, "strict" if charset == "latin-1" else "surrogatepass")

    return spell


decode_utf16le, spell_utf16le = _decode_charset("utf-16-le", 2), _spell_charset("utf-16-le")
decode_utf16be, spell_utf16be = _decode_charset("utf-16-be", 2), _spell_charset("utf-16-be")
decode_latin1, spell_latin1 = _decode_charset("latin-1", 1), _spell_charset("latin-1")


def decode_multibyte(charset: str) -> Callable[[bytes, int], Decoded]:
    """Undoes a charset of East Asia; what does not hold to it gives what came before the fault."""

    def decode(data: bytes, limit: int) -> Decoded:
        # Two octets or more give three of UTF-8.
        data = data[: 2 * limit + 4]
        try:
            return within(data.decode(charset).encode(), limit)
        except UnicodeDecodeError as error:
            return within(data[: error.start].decode(charset, "replace").encode(), limit, "octets of another charset")

    return decode


def spell_multibyte(charset: str) -> Callable[[bytes], Spellings]:
    """Writes a text in a charset of East Asia."""

    def spell(raw: bytes) -> Spellings:
        text = raw.decode()
        written = text.encode(charset)
        if written.decode(charset) != text:
            raise UnicodeError("a sign that this charset writes as another")
        yield "", written

    return spell


def decode_xor5(data: bytes, limit: int) -> Decoded:
    """Every octet XOR 5: what ByteDance's passport calls ``mix_mode=1`` and writes in hex, for mail
    addresses, telephone numbers, user names and passwords (as independent descriptions of that interface
    give it)."""
    return within(bytes(b ^ 5 for b in data[: limit + 1]), limit)


def spell_xor5(raw: bytes) -> Spellings:
    yield "", bytes(b ^ 5 for b in raw)
