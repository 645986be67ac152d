"""Ways to look at a text: without its escapes, as letters and digits alone, and as what its tokens decode to.

Whoever searches a value in text need not know how it was written, only its letters and digits: separators, case,
accents, widths and signs that show nothing are all taken away. A view knows for each of its characters where that
stands in the text that it was made of. All of it is linear in the text.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from urllib.parse import unquote_to_bytes

ROUNDS = 4
"""Escapes within escapes that are undone: a link in a link in a query has three."""
LONGEST_TOKEN = 1 << 14
"""Characters of a token that are decoded."""
_EAST_ASIA = ("gb18030", "cp950", "cp932", "euc_jp", "cp949")
_LEAST_TOKEN, _LEAST_BASE32, _LEAST_HEX = 8, 10, 12
"""Characters in which base64 or base85, base32 and hex write the six octets of the shortest value that is looked for
inside of other text."""
Piece = tuple[str, int, int, bool]
"""(text, where it begins, where it ends, whether it stands there as it is, or at least as many characters)."""


class View:
    """A text, and where each part of it comes from."""

    __slots__ = ("_at", "_ends", "_inner", "_plain", "_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._inner: View | None = None
        self._at: list[int] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._plain: list[bool] = []

    @classmethod
    def of(cls, inner: View, pieces: Iterable[Piece]) -> View:
        """A view of ``inner`` that is made of pieces of it, in their order."""
        view = cls("")
        view._inner = inner
        texts, size = [], 0
        for text, start, end, plain in pieces:
            if not text:
                continue
            view._at.append(size)
            view._starts.append(start)
            view._ends.append(end)
            view._plain.append(plain)
            texts.append(text)
            size += len(text)
        view.text = "".join(texts)
        return view

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Where ``start:end``, not empty, stands in the first text."""
        if self._inner is None:
            return start, end
        return self._inner.source(*self.inner(start, end))

    def inner(self, start: int, end: int) -> tuple[int, int]:
        """Where ``start:end``, not empty, stands in the text that this view was made of."""
        if self._inner is None:
            return start, end
        first = bisect_right(self._at, start) - 1
        last = bisect_right(self._at, end - 1) - 1
        begin = self._starts[first] + (start - self._at[first] if self._plain[first] else 0)
        stop = self._starts[last] + end - self._at[last] if self._plain[last] else self._ends[last]
        return begin, stop


# --------------------------------------------------------------------------------------------------- escapes

_ESCAPE = re.compile(
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)"
    r"|(?P<html>&\#[0-9]{1,7};?|&\#[xX][0-9A-Fa-f]{1,6};?|&[A-Za-z][A-Za-z0-9]{1,31};)"
    r"|(?P<unit>(?:(?:\\u|%u)[0-9A-Fa-f]{4})+)"
    r"|\\u\{(?P<code>[0-9A-Fa-f]{1,6})\}|\\U(?P<long>[0-9A-Fa-f]{8})"
    r"|(?P<octets>(?:\\x[0-9A-Fa-f]{2}|\\[0-3][0-7]{2})+)"
    r"|\\(?P<short>[nrtbf])"
    r"|(?<![0-9A-Za-z])[xX][nN]--(?P<idn>[0-9A-Za-z-]{1,59})"
)
_QUOTED_PRINTABLE = re.compile(r"(?P<quoted>(?:=[0-9A-Fa-f]{2})+)|=\r?\n")
_OCTET = re.compile(r"[=%][0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|\\[0-7]{3}")


def _octets(written: str) -> bytes:
    def one(part: str) -> int:
        if part[0] in "=%" or part[1] == "x":
            return int(part[-2:], 16)
        return int(part[1:], 8) & 255

    return bytes(map(one, _OCTET.findall(written)))


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _unescaped(match: re.Match[str]) -> Iterator[Piece]:
    kind = match.lastgroup
    start, end = match.span()
    whole = match[0]
    if kind in ("percent", "octets", "quoted"):
        octets = unquote_to_bytes(whole) if kind == "percent" else _octets(whole)
        if octets.isascii():  # each by itself, so that what stands beside a value stays
            at = start
            for octet, part in zip(octets, _OCTET.finditer(whole), strict=True):
                yield chr(octet), at, start + part.end(), False
                at = start + part.end()
        else:
            yield _text(octets), start, end, False
    elif kind == "html":
        yield html.unescape(whole), start, end, False
    elif kind == "unit":
        units = bytes.fromhex(re.sub(r"\\u|%u", "", whole))
        yield units.decode("utf-16-be", "replace"), start, end, False
    elif kind in ("code", "long"):
        number = int(match[kind], 16)
        yield chr(number) if number <= 0x10FFFF else whole, start, end, False
    elif kind == "idn":
        try:
            yield match["idn"].encode().decode("punycode"), start, end, False
        except (UnicodeError, ValueError, OverflowError):
            yield whole, start, end, True
    else:
        yield " ", start, end, False


def _replaced(view: View, pattern: re.Pattern[str]) -> View | None:
    """The view with every escape undone; None where there is none."""
    text = view.text

    def pieces() -> Iterator[Piece]:
        at = 0
        for match in pattern.finditer(text):
            yield text[at : match.start()], at, match.start(), True
            yield from _unescaped(match)
            at = match.end()
        yield text[at:], at, len(text), True

    return View.of(view, pieces()) if pattern.search(text) else None


def unescaped(text: str) -> list[View]:
    """``text`` as it is, and as it is once the escapes of URLs, HTML, JSON, programs, of names of hosts in other
    scripts and of mail are undone, as often as they were made; the plainest last."""
    views = [View(text)]
    for _ in range(ROUNDS):
        further = _replaced(views[-1], _ESCAPE)
        if further is None or further.text == views[-1].text:
            break
        views.append(further)
    # "=" stands in front of most values without being an escape: so that one is another view, never the only one.
    quoted = _replaced(views[-1], _QUOTED_PRINTABLE)
    return views if quoted is None else [*views, quoted]


# ------------------------------------------------------------------------------------------ letters and digits

_RUN = re.compile(r"[0-9A-Za-z]+|[^\x00-\x7f]")
_UNDECOMPOSED = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
"""Letters with a stroke, and joined ones, that Unicode does not take apart and people write with plain ones."""


@lru_cache(8_192)
def _letters(char: str) -> str:
    """What is left of one character: its letters and digits in lower case, without accents."""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    parts = unicodedata.normalize("NFKD", char).casefold()
    return "".join(_UNDECOMPOSED.get(c, c) for c in parts if c.isalnum())


def folded(view: View) -> View:
    """The letters and digits of a view alone, in lower case, without accents, in the plain width."""

    def pieces() -> Iterator[Piece]:
        for match in _RUN.finditer(view.text):
            text = match[0]
            if text.isascii():
                yield text.lower(), match.start(), match.end(), True
            else:
                yield _letters(text), match.start(), match.end(), False

    return View.of(view, pieces())


def core(text: str) -> str:
    """The letters and digits of ``text``, as :func:`folded` gives them."""
    return folded(View(text)).text


# ------------------------------------------------------------------------------------------------------ tokens

_TOKENS = (
    re.compile(r"[0-9A-Za-z]{8,}"),
    re.compile(r"[0-9A-Za-z_-]{8,}"),
    re.compile(r"[0-9A-Za-z+/]{8,}"),
)
_JOINED = re.compile(r"[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)+")
"""Labels of a host: what is longer than 63 octets has to be cut over several."""
_SPACED_HEX = re.compile(r"(?:0x)?[0-9A-Fa-f]{2}(?:[:, .-]{1,2}(?:0x)?[0-9A-Fa-f]{2}){4,}")
_WIDE = re.compile(r"[!-~]{8,}")
_PLAIN_WORDS = re.compile(r"[a-z0-9._~/-]*|[A-Z0-9._~/-]*")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_DIGITS = re.compile(r"[0-9]+")
_BASE32 = re.compile(r"[A-Z2-7]+|[a-z2-7]+")
_BASE32_HEX = re.compile(r"[0-9A-V]+|[0-9a-v]+")
_TO_BASE32 = str.maketrans("0123456789ABCDEFGHIJKLMNOPQRSTUV", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_FROM_Z85 = str.maketrans(_Z85, _B85)
_READABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n\0"
"""Octets of text; zeros are those of UTF-16 and UTF-32."""


def decoded(text: str) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, what it decodes to) of every token of ``text`` that may be base64, base32, base85 or hex, wherever
    in the token that begins."""
    for start, end, token in _tokens(text):
        for octets in _undone(token):
            yield start, end, octets
    for match in _SPACED_HEX.finditer(text):
        yield *match.span(), bytes.fromhex(re.sub(r"0x|[^0-9A-Fa-f]", "", match[0]))
    for start, end, token in _wide(text):
        for octets in _base85(token):
            yield start, end, octets


def _tokens(text: str) -> Iterator[tuple[int, int, str]]:
    seen: set[tuple[int, int]] = set()
    for pattern in _TOKENS:
        for match in pattern.finditer(text):
            if match.span() not in seen:
                seen.add(match.span())
                yield *match.span(), match[0][:LONGEST_TOKEN]
    for match in _JOINED.finditer(text):
        labels = list(re.finditer(r"[^.]+", match[0]))
        for number, first in enumerate(labels):
            joined = first[0]
            for other in labels[number + 1 : number + 5]:
                joined += other[0]
                if len(joined) >= _LEAST_TOKEN:
                    yield match.start() + first.start(), match.start() + other.end(), joined[:LONGEST_TOKEN]


def _wide(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _WIDE.finditer(text):
        if not _PLAIN_WORDS.fullmatch(match[0]):
            yield *match.span(), match[0][:LONGEST_TOKEN]
            # All these separate, and some are digits of one of the alphabets.
            parts = [p.span() for p in re.finditer(r"[^/=.,:\"']+", match[0])]
            for number, (begin, _) in enumerate(parts if parts != [(0, len(match[0]))] else ()):
                for _, stop in parts[number : number + 4]:
                    part = match[0][begin:stop]
                    if len(part) >= _LEAST_TOKEN and not _PLAIN_WORDS.fullmatch(part):
                        yield match.start() + begin, match.start() + stop, part[:LONGEST_TOKEN]


def _undone(token: str) -> Iterator[bytes]:
    if len(token) >= _LEAST_HEX and _HEX.fullmatch(token):
        for offset in (0, 1):
            part = token[offset:]
            yield bytes.fromhex(part[: len(part) // 2 * 2])
    if len(token) >= _LEAST_BASE32 and len(_DIGITS.sub("", token)) * 5 >= len(token) * 2:
        for pattern, table in ((_BASE32, None), (_BASE32_HEX, _TO_BASE32)):
            if pattern.fullmatch(token):
                upper = token.upper() if table is None else token.upper().translate(table)
                for offset in range(8):
                    yield from _try(_base32, upper[offset:])
    plain = token.replace("-", "+").replace("_", "/")
    if plain.lower() != plain and plain.upper() != plain:
        for offset in range(4):
            part = plain[offset:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            yield from _try(base64.b64decode, part + "=" * (-len(part) % 4))


def _base32(text: str) -> bytes:
    text = text[: len(text) - (len(text) % 8 in (1, 3, 6))]
    return base64.b32decode(text + "=" * (-len(text) % 8))


def _base85(token: str) -> Iterator[bytes]:
    for offset in range(5):
        part = token[offset:]
        yield from _try(base64.b85decode, part)
        yield from _try(base64.b85decode, part.translate(_FROM_Z85))
        yield from _try(base64.a85decode, part.removeprefix("<~").removesuffix("~>"))


def _try(decode: Callable[[str], bytes], token: str) -> Iterator[bytes]:
    try:
        yield decode(token)
    except (ValueError, binascii.Error):
        return


def texts(octets: bytes, wide: bool) -> Iterator[str]:
    """The texts that some octets may be. ``wide``: also in other scripts than the Latin one, in UTF-16 and UTF-32."""
    if octets[:2] in (b"\x1f\x8b", b"x\x9c", b"x\x01", b"x\xda"):
        try:
            octets = zlib.decompressobj(47).decompress(octets, 1 << 16)
        except zlib.error:
            return
    if len(octets) < 3:
        return
    if len(octets.translate(None, _READABLE)) * 4 <= len(octets):
        yield octets.decode("utf-8", "replace")
    elif wide:
        for charset in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", *_EAST_ASIA):
            try:
                text = octets.decode(charset)
            except UnicodeDecodeError:
                continue
            if sum(c.isprintable() for c in text) * 4 >= len(text) * 3:
                yield text
