"""Looks at bytes: whether they are text, in which encoding, and whether something stands in them encoded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analysis import codecs

CONTROL = bytes(set(range(32)) - {9, 10, 13, 27, 30})
_BASE64 = re.compile(rb"[A-Za-z0-9+/\r\n]{8,}={0,2}[\r\n]*\Z")
_BASE64URL = re.compile(rb"[A-Za-z0-9_\-]{8,}={0,2}\Z")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_JWT = re.compile(rb"(?:Bearer\s+|bearer\s+|JWT\s+)?(eyJ[A-Za-z0-9_\-]{5,})\.([A-Za-z0-9_\-]{4,})\.([A-Za-z0-9_\-]*)\Z")
_BASIC = re.compile(rb"[Bb]asic\s+([A-Za-z0-9+/=_\-]{4,})\s*\Z")
_EVENT_START = re.compile(rb"(?:\xef\xbb\xbf)?(?::[^\r\n]*\r?\n)*(?:data|event|id|retry): ?")
_EVENT_LINE = re.compile(rb"([A-Za-z]+):[ ]?([^\r\n]*)|(\r\n|\n|\r)")
_LINE_END = re.compile(rb"[\r\n]")
_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"\Z', re.DOTALL)


def is_text(data: bytes) -> bool:
    """Readable text: UTF-8 (a character cut at the end allowed) without control characters, or, where most octets
    are ASCII, Latin-1."""
    sample = data if len(data) <= 65_536 else data[:65_536]
    if len(sample.translate(None, CONTROL)) != len(sample):
        return False
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.start >= len(sample) - 3:
            return True
        high = sum(b >= 0x80 for b in sample)
        return len(sample) >= 24 and high * 20 <= len(sample) and not any(0x80 <= b < 0xA0 for b in sample)
    return True


def utf16_of(data: bytes) -> tuple[str, int] | None:
    """The codec of UTF-16 text and where the text begins: told by the byte order mark, or by the zero octets that
    ASCII has there."""
    if len(data) >= 4 and len(data) % 2 == 0 and data[2:4] != b"\0\0":
        if data[:2] == b"\xff\xfe":
            return "utf-16le", 2
        if data[:2] == b"\xfe\xff":
            return "utf-16be", 2
    head = data[:64]
    if len(head) >= 8 and len(data) % 2 == 0:
        if not any(head[1::2]) and all(head[0::2]):
            return "utf-16le", 0
        if not any(head[0::2]) and all(head[1::2]):
            return "utf-16be", 0
    return None


_LABELS = {
    "gb18030": "gb18030 gbk gb2312 gb_2312-80 x-gbk cp936 ms936 windows-936 euc-cn chinese",
    "big5": "big5 big5-hkscs big5hkscs cn-big5 x-x-big5 cp950 windows-950",
    "shift_jis": "shift_jis shift-jis sjis x-sjis ms_kanji windows-31j cp932 ms932",
    "euc-jp": "euc-jp eucjp x-euc-jp",
    "euc-kr": "euc-kr euckr cp949 ks_c_5601-1987 ksc5601 ks_c_5601 ksc_5601 windows-949 uhc korean",
}
_CHARSET_OF = {label: charset for charset, labels in _LABELS.items() for label in labels.split()}
"""Labels of charsets as senders write them (WHATWG Encoding section 4.2, and code pages by their number)."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:\-]+)", re.IGNORECASE)
_PAIR = re.compile(rb"[\x81-\xfe][\x30-\xfe]|[\x80-\xff]")
_COMMON = {
    # Rows of the characters in daily use: hangul; GB 2312's first plane; kana and JIS level 1; Big5's frequent ones.
    "euc-kr": re.compile(rb"[\xb0-\xc8][\xa1-\xfe]|[\xa1-\xa3][\xa1-\xfe]"),
    "gb18030": re.compile(rb"[\xb0-\xd7][\xa1-\xfe]|[\xa1-\xa3][\xa1-\xfe]"),
    "euc-jp": re.compile(rb"[\xa4\xa5][\xa1-\xf6]|[\xb0-\xcf][\xa1-\xfe]|\xa1[\xa1-\xfe]"),
    "shift_jis": re.compile(rb"[\x82\x83][\x40-\xf1]|[\x88-\x97][\x40-\xfc]|\x81[\x40-\xfc]"),
    "big5": re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]|[\xa1-\xa3][\x40-\x7e\xa1-\xfe]"),
}
_KANA = re.compile(rb"[\xa4\xa5][\xa1-\xf6]")
_LEAST_LETTERS = 6
"""Characters that several charsets would not all read as usual ones by chance."""
_SAMPLED = 4_096


def is_utf8(data: bytes) -> bool:
    """UTF-8 throughout; a character cut at the end is allowed."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.start >= len(data) - 3
    return True


def charset_of(data: bytes, stated: str) -> str | None:
    """The codec of a text in a charset of East Asia: the one that its sender states (``stated``: the Content-Type)
    where the octets hold to it, else the one in which nearly all of its characters are of daily use. None for UTF-8,
    and where neither is so."""
    if data.isascii() or is_utf8(data):
        return None
    told = _CHARSET.search(stated)
    charset = _CHARSET_OF.get(told[1].lower()) if told is not None else None
    if charset is not None and _holds(data, charset):
        return charset
    if len(data[:_SAMPLED].translate(None, CONTROL)) != len(data[:_SAMPLED]):
        return None
    pairs = _PAIR.findall(data[:_SAMPLED])
    if len(pairs) < _LEAST_LETTERS:
        return None
    kana = sum(_KANA.match(p) is not None for p in pairs)
    # Hangul's rows are within GB 2312's, kanji's too: the narrower first, Japanese told by its kana.
    for name, usual in _COMMON.items():
        if name == "euc-jp" and kana * 10 < len(pairs):
            continue
        if sum(usual.fullmatch(p) is not None for p in pairs) * 10 >= len(pairs) * 9 and _holds(data, name):
            return name
    return None


def _holds(data: bytes, charset: str) -> bool:
    result = codecs.decode(charset, data[:_SAMPLED], 4 * _SAMPLED)
    # A sample may end within a character.
    return result.complete or (len(data) > _SAMPLED and len(result.data) >= _SAMPLED)


def is_base64(data: bytes) -> bool:
    """The whole is base64 with padding, which a form with an empty value looks like."""
    stripped = data.rstrip()
    return stripped.endswith(b"=") and (_BASE64.match(data) or _BASE64URL.match(stripped)) is not None


def base64_of(data: bytes) -> str | None:
    """``base64`` or ``base64url`` where the whole could be that."""
    if len(data) < 12:
        return None
    if _BASE64.match(data) is not None:
        return "base64"
    return "base64url" if _BASE64URL.match(data) is not None else None


def has_percent(data: bytes) -> bool:
    """A percent-encoded octet stands in it."""
    return _PERCENT.search(data) is not None


def is_json_string(data: bytes) -> bool:
    """The whole is one JSON string with its quotes."""
    return _JSON_STRING.match(data) is not None


def jwt_parts(data: bytes) -> list[tuple[bytes, int, int]]:
    """The parts of a JWT (RFC 7519) that are JSON, with their names and spans; a scheme may stand before it."""
    m = _JWT.match(data)
    return [] if m is None else [(b"header", *m.span(1)), (b"payload", *m.span(2))]


def basic_part(data: bytes) -> tuple[int, int] | None:
    """The credentials of the Basic scheme (RFC 7617)."""
    m = _BASIC.match(data)
    return None if m is None else m.span(1)


def packing_of(data: bytes) -> str | None:
    """The content coding whose signature the bytes bear."""
    if data[:3] == b"\x1f\x8b\x08":
        return "gzip"
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return "zstd"
    if len(data) > 8 and data[0] & 0x0F == 8 and data[0] >> 4 <= 7 and int.from_bytes(data[:2]) % 31 == 0:
        return "deflate"
    return None


def looks_like_events(data: bytes) -> bool:
    """The text opens as a stream of server-sent events does, with more than one line."""
    m = _EVENT_START.match(data)
    return m is not None and b"\n" in data and not data.startswith(b"data:image")


def events(data: bytes) -> Iterator[tuple[int, bytes, int, int]]:
    """(number of the event, field, start, end) of each field's value."""
    number, filled = 0, False
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while at < len(data):
        ends = _LINE_END.search(data, at)
        end = len(data) if ends is None else ends.start()
        m = _EVENT_LINE.match(data, at, end)
        if m is not None and m[1] is not None and m.end(2) > m.start(2):
            filled = True
            yield number, m[1].lower(), *m.span(2)
        elif end == at and filled:
            number, filled = number + 1, False
        at = end + (2 if data[end : end + 2] == b"\r\n" else 1)
