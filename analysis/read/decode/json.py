"""JSON (RFC 8259), read for evidence: spans, order, duplicate keys and numbers exactly as sent.

Parsers turn 24-digit ids into floats, keep one of two equal keys and rewrite ``-6.2000000``; none says where a value
stood. So this is a scanner of its own: one regular expression a member, no recursion, and a tree of paths instead of
objects. It is generous where senders are: trailing commas, NaN, several documents in a row (NDJSON, RFC 7464,
or simply concatenated), a byte order mark, guards such as ``)]}'``, a JSONP call around the document. What breaks
off is read up to the break.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from analysis.read.decode.leaves import ESCAPED, LITERAL, RAW, Container, Index, Leaf, Node

MOST_DEPTH = 200
"""Objects and arrays within one another; deeper ones are not opened."""

_WS = rb"[\s,\x1e]*+"
_PLAIN = rb'"([^"\\]*+)"'
_WITH_ESCAPES = rb'"([^"\\]*+(?:\\.[^"\\]*+)++)"'
_WORD = rb"([-+\d][\w.+-]*+|true|false|null|NaN|-?Infinity|undefined)"
_VALUE = rb"(?:" + _PLAIN + rb"|" + _WITH_ESCAPES + rb"|" + _WORD + rb"|([{\[]))"
_MEMBER = re.compile(_WS + rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"\s*+:\s*+' + _VALUE, re.DOTALL)
_ELEMENT = re.compile(_WS + _VALUE, re.DOTALL)
_CLOSE = re.compile(_WS + rb"([}\]])")
_CUT_MEMBER = re.compile(
    _WS + rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"\s*+:\s*+"((?:[^"\\]*+(?:\\.[^"\\]*+)*+)\\?)\Z', re.DOTALL
)
_CUT_ELEMENT = re.compile(_WS + rb'"((?:[^"\\]*+(?:\\.[^"\\]*+)*+)\\?)\Z', re.DOTALL)
_CUT_REST = re.compile(
    _WS + rb'(?:"(?:[^"\\]*+(?:\\.[^"\\]*+)*+)\\?(?:"\s*+(?::\s*+[-+\w.]*+)?)?|[-+\w.]*+)\Z', re.DOTALL
)
_GUARD = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:\)\]\}'?,?\s*|for\s*\(;;\);\s*|while\s*\(1\);\s*|"
    rb"(?:/\*\*/\s*)?[A-Za-z_$][\w$.\[\]'\"]{0,80}\s*\(\s*(?=[{\[]))?"
)
_AFTER_CALL = re.compile(rb"[\s);]*\Z")
_OPEN = re.compile(rb"[\s,\x1e]*[{\[]")
_STARTS = re.compile(rb'[\s\x1e]*(?:\{\s*(?:["}]|\Z)|\[\s*(?:[\[{"\]\d-]|true|false|null|NaN|\Z))')


@dataclass(slots=True)
class Scan:
    """What became of a text: leaves and containers went to the caller's lists."""

    end: int
    """Where reading stopped."""
    whole: bool
    """The text was JSON to its end."""
    cut: bool = False
    """It is JSON as far as it goes, and breaks off."""
    limit: str | None = None
    """The limit that stopped it: ``leaves`` or ``depth``."""
    several: bool = False
    """Several documents in a row."""


def looks_like_json(data: bytes, start: int = 0) -> bool:
    """True when the text opens as an object or array does, guards and calls apart. Costs a look at its start."""
    guard = _GUARD.match(data, start)
    at = guard.end() if guard else start
    return _STARTS.match(data, at) is not None


def scan(
    data: bytes,
    node: Node,
    index: Index,
    leaves: list[Leaf],
    containers: list[Container],
    most: int,
) -> Scan:
    """Read all of ``data`` as JSON. The paths continue from ``node``; several documents are elements of it.

    ``most``: leaves that the caller still has room for."""
    guard = _GUARD.match(data)
    at = guard.end() if guard else 0
    first_leaf, first_container = len(leaves), len(containers)
    one = document(data, at, node, index, leaves, containers, most)
    if one.limit or not one.whole:
        return one
    rest = _AFTER_CALL.match(data, one.end)
    if rest is not None:
        return Scan(len(data), True)
    if _OPEN.match(data, one.end) is None:
        return Scan(one.end, False)
    del leaves[first_leaf:], containers[first_container:]
    each, number = node.each(), 0
    while True:
        one = document(data, at, each, (*index, number), leaves, containers, most - (len(leaves) - first_leaf))
        one.several = True
        if one.limit or not one.whole:
            return one
        at, number = one.end, number + 1
        if _AFTER_CALL.match(data, at) is not None:
            return Scan(len(data), True, several=True)
        if _OPEN.match(data, at) is None:
            return Scan(at, False, several=True)


def document(
    data: bytes, pos: int, node: Node, index: Index, leaves: list[Leaf], containers: list[Container], most: int
) -> Scan:
    """Read one document that begins at ``pos``, as :func:`scan` does; what follows it is not looked at."""
    append = leaves.append
    member, element, close = _MEMBER.match, _ELEMENT.match, _CLOSE.match
    most += len(leaves)
    # One entry an open container: (is an array, its node, its index, next element, where it began, first leaf).
    stack: list[tuple[bool, Node, Index, int, int, int]] = []
    opened = element(data, pos)
    if opened is None or opened.lastindex != 4:
        return _scalar(data, pos, node, index, leaves, opened)
    pos = opened.end()
    in_array = data[pos - 1] == 0x5B
    begun, first, number = pos - 1, len(leaves), 0
    kid, kind = node, 0
    at: Index = index
    kids = node.kids
    while True:
        if in_array:
            m = element(data, pos)
            if m is not None:
                kid = node.element or node.each()
                at = (*index, number)
                number += 1
                kind = m.lastindex or 0
                pos = m.end()
                if kind == 1:
                    append((kid, at, m.start(1), pos - 1, RAW))
                elif kind == 3:
                    append((kid, at, m.start(3), pos, LITERAL))
                elif kind == 2:
                    append((kid, at, m.start(2), pos - 1, ESCAPED))
        else:
            m = member(data, pos)
            if m is not None:
                key = m[1]
                kid = kids.get(key) or node.kid(key)
                at = index
                kind = m.lastindex - 1  # type: ignore[operator]
                pos = m.end()
                if kind == 1:
                    append((kid, at, m.start(2), pos - 1, RAW))
                elif kind == 3:
                    append((kid, at, m.start(4), pos, LITERAL))
                elif kind == 2:
                    append((kid, at, m.start(3), pos - 1, ESCAPED))
        if m is not None:
            if kind == 4:
                if len(stack) >= MOST_DEPTH:
                    return Scan(pos - 1, False, limit="depth")
                stack.append((in_array, node, index, number, begun, first))
                node, index, number = kid, at, 0
                begun, first = pos - 1, len(leaves)
                kids = node.kids
                in_array = data[begun] == 0x5B
            elif len(leaves) >= most:
                return Scan(pos, False, limit="leaves")
            continue
        m = close(data, pos)
        if m is None:
            return _broken(data, pos, node, index, leaves, in_array, number)
        pos = m.end()
        containers.append((node, index, begun, pos, first, len(leaves)))
        if (data[pos - 1] == 0x5D) != in_array:
            return Scan(pos, False)
        if not stack:
            return Scan(pos, True)
        in_array, node, index, number, begun, first = stack.pop()
        kids = node.kids


def _scalar(data: bytes, pos: int, node: Node, index: Index, leaves: list[Leaf], m: re.Match[bytes] | None) -> Scan:
    """A document that is one string, number or word."""
    if m is None or _AFTER_CALL.match(data, m.end()) is None:
        return Scan(pos, False)
    kind = m.lastindex or 1
    form = (RAW, ESCAPED, LITERAL)[kind - 1]
    leaves.append((node, index, m.start(kind), m.end(kind), form))
    return Scan(m.end(), True)


def _broken(data: bytes, pos: int, node: Node, index: Index, leaves: list[Leaf], in_array: bool, number: int) -> Scan:
    """Neither a value nor an end: the text was cut off here, or is no JSON from here on."""
    m = (_CUT_ELEMENT if in_array else _CUT_MEMBER).match(data, pos)
    if m is not None:
        kid = node.each() if in_array else node.kid(m[1])
        at = (*index, number) if in_array else index
        start, end = m.span(m.lastindex or 1)
        if end > start and data[end - 1] == 0x5C and (end - len(data[start:end].rstrip(b"\\"))) % 2:
            end -= 1
        form = ESCAPED if data.find(b"\\", start, end) >= 0 else RAW
        leaves.append((kid, at, start, end, form))
        return Scan(len(data), False, cut=True)
    return Scan(pos, False, cut=_CUT_REST.match(data, pos) is not None)
