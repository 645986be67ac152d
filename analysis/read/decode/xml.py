"""XML and property lists: their texts and attributes as leaves.

A tokenizer and no parser: no entity is ever expanded and nothing outside is ever read, so there is nothing to
exhaust. In a property list the path follows the keys (``dict.key``) and not the elements.
"""

from __future__ import annotations

import re

from analysis.read.decode.leaves import RAW, XML, Index, Leaf, Node

MOST_DEPTH = 200

_TOKEN = re.compile(
    rb"<!--.*?-->|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<\?.*?\?>|<!DOCTYPE[^>\[]*+(?:\[[^\]]*+\])?[^>]*+>|"
    rb"<(?P<close>/)?(?P<name>[A-Za-z_][\w:.\-]*+)(?P<attributes>(?:\s+[\w:.\-]+\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'))*+)\s*+"
    rb"(?P<empty>/)?>|(?P<text>[^<]++)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"\s+([\w:.\-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml\b|!DOCTYPE\s+(?!html)|[A-Za-z_][\w:.\-]*[\s>/])")
_PLIST_VALUES = frozenset({b"string", b"integer", b"real", b"date", b"data", b"true", b"false"})


def looks_like_xml(data: bytes) -> bool:
    """True when the text opens as a document or an element does; HTML is text, not XML."""
    if _START.match(data) is None:
        return False
    head = data[:512].lower()
    return b"<html" not in head and b"<!doctype html" not in head and data.rstrip().endswith(b">")


def scan(data: bytes, node: Node, index: Index, leaves: list[Leaf], most: int) -> bool:
    """Texts and attributes below ``node``. Returns False when the text is no XML to its end, or a limit was hit."""
    stack: list[tuple[bytes, Node]] = []
    here = node
    plist = False
    key: bytes | None = None
    pos, room = 0, most
    for m in _TOKEN.finditer(data):
        if m.start() != pos or room <= 0:
            return False
        pos = m.end()
        name = m["name"]
        if name is not None and m["close"] is None:
            plist = plist or name == b"plist"
            inner = here
            if not plist:
                inner = here.kid(name)
            elif key is not None and name not in _PLIST_VALUES and name != b"key":
                inner, key = here.kid(key), None
            for a in _ATTRIBUTE.finditer(m["attributes"]):
                which = 2 if a[2] is not None else 3
                start = m.start("attributes") + a.start(which)
                room -= _leaf(data, start, start + len(a[which]), inner.kid(b"@" + a[1]), index, leaves)
            if m["empty"] is None:
                if len(stack) >= MOST_DEPTH:
                    return False
                stack.append((name, here))
                here = inner
        elif name is not None:
            if not stack or stack[-1][0] != name:
                return False
            here = stack.pop()[1]
        else:
            which_text = "cdata" if m["cdata"] is not None else "text"
            text = m[which_text]
            if text is None or not text.strip():
                continue
            if plist and stack and stack[-1][0] == b"key":
                key = text.strip()
                continue
            start, end = m.span(which_text)
            if which_text == "text":
                start += len(text) - len(text.lstrip())
                end -= len(text) - len(text.rstrip())
            target = here
            if plist and key is not None:
                target, key = here.kid(key), None
            room -= _leaf(data, start, end, target, index, leaves, which_text == "cdata")
    return pos == len(data) and not stack


def _leaf(data: bytes, start: int, end: int, node: Node, index: Index, leaves: list[Leaf], plain: bool = False) -> int:
    leaves.append((node, index, start, end, XML if not plain and data.find(b"&", start, end) >= 0 else RAW))
    return 1
