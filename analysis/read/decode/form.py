"""Forms and queries (``application/x-www-form-urlencoded``, WHATWG URL section 5), cookies (RFC 6265), URLs."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from analysis.read.decode.leaves import FORM, PERCENT, RAW, Index, Leaf, Node

_PAIR = re.compile(rb"([^=&]*+)(?:=([^&]*+))?(?:&|\Z)")
_SEMICOLON_PAIR = re.compile(rb"([^=;]*+)(?:=([^;]*+))?(?:;|\Z)")
_SEMICOLON = re.compile(rb"[^&;]*=[^&;]*;(?:[^&;=]{1,200}=[^&;]*(?:;|\Z))+\Z")
_FORM = re.compile(
    rb"(?:[\w.\-$%+~*:@!\[\]]{1,200}=[^&\s<>{}\"]*+)(?:&[\w.\-$%+~*:@!\[\]]{0,200}(?:=[^&\s<>\"]*+)?)*+\s*\Z"
)
_LOOSE = re.compile(rb"[\w.\-$%+~*:@!\[\]]{1,200}=[^&]*+(?:&[\w.\-$%+~*:@!\[\]]{0,200}(?:=[^&]*+)?)*+\Z")
_URL = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]{1,30}:(?://)?[^\s\"<>?#]*+(?:\?([^#\s\"<>]*+))?(?:#([^\s\"<>]*+))?\Z")
_RELATIVE = re.compile(
    rb"(?:/[^\s\"<>?#]*+|[^\s\"<>?#&=]*+)\?([\w.\-$%+~*:@!\[\]]{1,200}=[^#\s\"<>]*+)(?:#([^\s\"<>]*+))?\Z"
)
_COOKIE = re.compile(rb"\s*([^=;\s]++)\s*=\s*(\"[^\"]*\"|[^;]*+)")


def looks_like_form(data: bytes, stated: bool) -> bool:
    """True when the whole text has the form of ``name=value`` pairs; ``stated``: the sender calls it a form."""
    return (_LOOSE if stated else _FORM).match(data) is not None


def scan(
    data: bytes, start: int, end: int, node: Node, index: Index, leaves: list[Leaf], most: int, form: int = FORM
) -> bool:
    """Pairs of ``data[start:end]``. Names are percent-decoded into the path; a name that comes again is a leaf again.
    Where no ampersand parts them, semicolons do (HTML 4.01, appendix B.2.2). Returns False when there were more than
    ``most``."""
    parted = data.find(b"&", start, end) < 0 <= data.find(b";", start, end)
    pairs = _SEMICOLON_PAIR if parted and _SEMICOLON.match(data, start, end) is not None else _PAIR
    for m in pairs.finditer(data, start, end):
        if m.end(1) == m.start() and m[2] is None:
            continue
        if most <= 0:
            return False
        most -= 1
        name = m[1]
        if b"%" in name or b"+" in name:
            name = unquote_to_bytes(name.replace(b"+", b" "))
        s, e = m.span(2) if m[2] is not None else (m.end(1), m.end(1))
        escaped = data.find(b"%", s, e) >= 0 or (form == FORM and data.find(b"+", s, e) >= 0)
        leaves.append((node.kid(name), index, s, e, form if escaped else RAW))
    return True


def query_of(data: bytes) -> list[tuple[int, int]]:
    """Spans of the query, and of a fragment that looks like one or has one, where ``data`` as a whole is a URL,
    absolute or relative (RFC 3986 section 4.1)."""
    m = _URL.match(data) or _RELATIVE.match(data)
    if m is None:
        return []
    spans = [m.span(n) for n in (1, 2) if m[n] and b"=" in m[n]]
    # Programs of one page route by the fragment: #/near?lat=1
    return [(data.find(b"?", a, b) + 1 or a, b) if a == m.start(2) else (a, b) for a, b in spans]


def scan_cookies(data: bytes, start: int, end: int, node: Node, leaves: list[Leaf], first_only: bool) -> None:
    """Pairs of a Cookie field's value, or only the first of a Set-Cookie's, whose rest are attributes."""
    at = start
    while at < end:
        m = _COOKIE.match(data, at, end)
        if m is not None:
            s, e = m.span(2)
            while e > s and data[e - 1] in b" \t":
                e -= 1
            if e - s >= 2 and data[s] == 0x22 == data[e - 1]:
                s, e = s + 1, e - 1
            leaves.append((node.kid(m[1]), (), s, e, PERCENT if data.find(b"%", s, e) >= 0 else RAW))
        if first_only:
            return
        semicolon = data.find(b";", m.end() if m is not None else at, end)
        if semicolon < 0:
            return
        at = semicolon + 1
