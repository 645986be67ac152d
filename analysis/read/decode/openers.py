"""What stands in a text beside or behind something else: lines that are forms or documents of their own, JSON behind a
short prefix (Socket.IO's numbers, lengths, log lines, ``payload={...}``), base64 behind a scheme word, rows of CSV,
protobuf's text format, a whole HTTP message.

Each looks at bytes and gives spans or leaves; what becomes of them is the walk's to say. All are linear in the bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from analysis.read.decode import json
from analysis.read.decode.leaves import ESCAPED, RAW, Container, Index, Leaf, Node

_NAME = rb"[\w.\-$%+~*:@!\[\]]{1,200}"
_LONGEST_PREFIX = 200
"""Octets that may stand before a document of a text."""
_FRAME = 16
"""Octets, not text, that may frame a document: a length, a type, a checksum."""
_TRIES = 3
"""Brackets before a document that open none: ``[INFO] {...}``."""
_MOST_DOCUMENTS = 10_000
_SAMPLE = 64
"""Lines by which it is judged whether each is a text of its own."""

_DOCUMENT = re.compile(rb"\{\s*(?:\"|\})|\[\s*(?:[\[{]|\")")
_CALLED = re.compile(rb"([A-Za-z_$][\w.$\-]{0,63})\s*[=:]\s*\Z")
_LINE = re.compile(rb"[^\r\n\x1e]+")
_LINE_OPENS = re.compile(
    rb"\s*(?:" + _NAME + rb"=[^&\s]*+&" + _NAME + rb"=|[^\[{]{0,200}+(?:\{\s*\"|\[\s*(?:[\[{]|\"))|" + rb"\{\s*\})"
)


def lines(data: bytes, most: int) -> list[tuple[int, int]]:
    """The lines of a text of which most are a form or hold a document; none where they are not. At most ``most``."""
    spans: list[tuple[int, int]] = []
    opens = 0
    for m in _LINE.finditer(data):
        if len(spans) < _SAMPLE and _LINE_OPENS.match(data, m.start(), m.end()) is not None:
            opens += 1
        spans.append(m.span())
        if len(spans) == _SAMPLE and 2 * opens < _SAMPLE:
            return []
        if len(spans) > most:
            break
    return spans if len(spans) > 1 and opens > 1 and 2 * opens >= min(len(spans), _SAMPLE) else []


def behind_prefix(
    data: bytes, text: bool, node: Node, index: Index, leaves: list[Leaf], containers: list[Container], most: int
) -> bool:
    """JSON documents, a short prefix before each. Their leaves and what stands before the first are handed over; True
    where nothing else is in ``data`` but a short end.

    ``text``: the prefix is text, and may be longer; a name before ``=`` or ``:`` names the document."""
    before = len(leaves), len(containers)
    count = _documents(data, text, node, index, leaves, containers, most, several=False)
    if count > 1:
        del leaves[before[0] :], containers[before[1] :]
        count = _documents(data, text, node, index, leaves, containers, most, several=True)
    if count < 1:
        del leaves[before[0] :], containers[before[1] :]
    return count > 0


def _documents(
    data: bytes,
    text: bool,
    node: Node,
    index: Index,
    leaves: list[Leaf],
    containers: list[Container],
    most: int,
    several: bool,
) -> int:
    """How many documents there are, at least (2 ends the first count); 0: something else stands there too."""
    longest = _LONGEST_PREFIX if text else _FRAME
    pos, count = 0, 0
    first, bound = len(leaves), len(leaves) + most
    while count < _MOST_DOCUMENTS and len(leaves) < bound:
        at, begun, done = pos, pos, None
        for _ in range(_TRIES):
            m = _DOCUMENT.search(data, at, min(len(data), pos + longest + 8))
            if m is None:
                break
            if count and not several:
                return 2
            mark = len(leaves), len(containers)
            name = _CALLED.search(data, max(pos, m.start() - 80), m.start()) if text else None
            under = node.each() if several else node
            if name is not None:
                under = under.kid(name[1])
            where = (*index, count) if several else index
            scan = json.document(data, m.start(), under, where, leaves, containers, bound - len(leaves))
            if scan.whole:
                begun, done = m.start(), scan
                break
            del leaves[mark[0] :], containers[mark[1] :]
            at = m.end()
        if done is None:
            break
        if count == 0 and text and begun - pos >= 8:
            leaves.insert(first, (node, index, pos, begun, RAW))
            _shift(containers, first)
        pos, count = done.end, count + 1
    return count if len(data) - pos <= longest else 0


def _shift(containers: list[Container], first: int) -> None:
    """A leaf was put before those of these containers."""
    for n, (node, index, start, end, a, b) in enumerate(containers):
        if a >= first:
            containers[n] = (node, index, start, end, a + 1, b + 1)


_WORD = re.compile(
    rb"(?=[^\s]{0,60}[A-Za-z])[A-Za-z0-9][A-Za-z0-9_]{0,23}?[ :=|.,~+\-]{1,3}"
    rb"([A-Za-z0-9+/_\-]{16,}={0,2})(\.[A-Za-z0-9+/_\-=]*)*\s*\Z"
)


def behind_word(value: bytes) -> tuple[int, int] | None:
    """Where base64 could stand behind a scheme word or version: ``base64-``, ``s:``, ``a ``, ``v1.``; a signature may
    follow a point."""
    m = _WORD.match(value)
    return None if m is None else m.span(1)


_SEMICOLONS = re.compile(
    rb"(?:(?!" + _NAME + rb"=)[^;&=\s]{0,500}+;)?" + _NAME + rb"=[^;&\s]*+(?:;(?:" + _NAME + rb"(?:=[^;&\s]*+)?)?)*+\Z"
)
_SEMICOLON_PAIR = re.compile(rb"([^=;]++)=([^;]*+)")


def semicolon_pairs(value: bytes) -> list[tuple[int, int, int, int]]:
    """Names and values (their spans) of parameters that semicolons part (RFC 3986 section 3.3; DoubleClick's
    ``/activity/src=1;type=app``). None where the whole is not of that form, or has only one without a head."""
    if value.count(b";") < 1 or b"=" not in value or _SEMICOLONS.match(value) is None:
        return []
    return [(*m.span(1), *m.span(2)) for m in _SEMICOLON_PAIR.finditer(value)]


_CELL = re.compile(rb'[ ]*(?:"((?:[^"]|"")*+)"|([^,;\t"\r\n]*+))[ ]*(?:([,;\t])|\Z)')
_COLUMN = re.compile(rb"[A-Za-z_][\w .\-$/()\[\]]{0,60}")


def csv_rows(data: bytes, node: Node, index: Index, leaves: list[Leaf], most: int) -> bool:
    """Rows of CSV (RFC 4180; also with semicolons or tabs) under a first line of names, two columns at least and every
    row of as many. A cell is a leaf under its column's name. False, with nothing handed over, where it is none."""
    names: list[bytes] = []
    first, number = len(leaves), -1
    each = node.each()
    sign = b""
    for line in _LINE.finditer(data):
        cells = _cells(data, *line.span())
        if cells is None or (names and len(cells) != len(names)):
            del leaves[first:]
            return False
        if not names:
            names = [data[a:b].strip() for a, b in cells]
            head = data[line.start() : line.end()]
            sign = next((s for s in (b",", b";", b"\t") if s in head), b"")
            if len(names) < 2 or len(set(names)) < len(names) or not all(map(_COLUMN.fullmatch, names)):
                return False
            continue
        number += 1
        leaves.extend((each.kid(n), (*index, number), a, b, RAW) for n, (a, b) in zip(names, cells, strict=True))
        if len(leaves) - first > most:
            del leaves[first:]
            return False
    figures = any(any(0x30 <= o <= 0x39 for o in data[leaf[2] : leaf[3]]) for leaf in leaves[first : first + 500])
    if number < 0 or not sign or not figures:
        del leaves[first:]
        return False
    return True


def _cells(data: bytes, start: int, end: int) -> list[tuple[int, int]] | None:
    cells: list[tuple[int, int]] = []
    at = start
    while at <= end and len(cells) < 1_000:
        m = _CELL.match(data, at, end)
        if m is None:
            return None
        cells.append(m.span(1) if m[1] is not None else m.span(2))
        if m[3] is None:
            return cells
        at = m.end()
    return None


_PROTO = re.compile(
    rb"[\s,;]*+(?:(?P<close>[}>])|(?P<name>[A-Za-z_][\w.]{0,100}+)\s*+"
    rb"(?::?\s*+(?P<open>[{<])|:\s*+(?:\"(?P<quoted>[^\"\\]*+(?:\\.[^\"\\]*+)*+)\"|(?P<bare>[^\s{}<>,;\"]++))))",
    re.DOTALL,
)


def proto_text(data: bytes, node: Node, index: Index, leaves: list[Leaf], most: int) -> bool:
    """Protobuf's text format (protobuf.dev, Text Format Language): ``role: 1 latlng { latitude_e7: -62087630 }``; two
    fields at least, and nothing else. False, with nothing handed over, where it is none."""
    first, at, open_nodes = len(leaves), 0, [node]
    end = len(data.rstrip(b" \t\r\n,;"))
    while at < end:
        m = _PROTO.match(data, at, end)
        if m is None or len(leaves) - first >= most or len(open_nodes) > json.MOST_DEPTH:
            del leaves[first:]
            return False
        at = m.end()
        if m["close"] is not None:
            if len(open_nodes) == 1:
                del leaves[first:]
                return False
            open_nodes.pop()
        elif m["open"] is not None:
            open_nodes.append(open_nodes[-1].kid(m["name"]))
        else:
            group = "quoted" if m["quoted"] is not None else "bare"
            form = ESCAPED if group == "quoted" and b"\\" in m[group] else RAW
            leaves.append((open_nodes[-1].kid(m["name"]), index, *m.span(group), form))
    if len(open_nodes) > 1 or len(leaves) - first < 2:
        del leaves[first:]
        return False
    return True


_START_LINE = re.compile(rb"\s*(?:[A-Z]{3,20} (\S{1,8000}) HTTP/\d(?:\.\d)?|HTTP/\d(?:\.\d)? \d{3}[^\r\n]{0,200})\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z\-]{1,200}):[ \t]*([^\r\n]*)(?:\r?\n|\Z)")


@dataclass(frozen=True, slots=True)
class HttpText:
    """Where the parts of a written HTTP message stand."""

    target: tuple[int, int] | None
    fields: list[tuple[bytes, int, int]]
    """Name in lower case, and its value's span."""
    body: int
    type: str
    """Its Content-Type."""


def http_text(data: bytes) -> HttpText | None:
    """A request or answer as text (RFC 9112; ``application/http``, section 10.2)."""
    start = _START_LINE.match(data)
    if start is None:
        return None
    fields: list[tuple[bytes, int, int]] = []
    at, kind = start.end(), ""
    while len(fields) < 1_000 and (m := _FIELD.match(data, at)):
        at = m.end()
        fields.append((m[1].lower(), *m.span(2)))
        if m[1].lower() == b"content-type":
            kind = m[2].decode("latin-1")
    blank = re.compile(rb"\r?\n").match(data, at)
    return HttpText(start.span(1) if start[1] is not None else None, fields, blank.end() if blank else at, kind)
