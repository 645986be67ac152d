"""Leaves and the tree of their paths: the words that the decoders share.

A path is a node of a tree that grows with the names it meets and outlives the message, so that whatever depends on
names alone (which data types a key could mean) is worked out once a name and not once a leaf. Array indices stand
beside the node, in a tuple.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from analysis.model import Step

Index = tuple[int, ...]

RAW, ESCAPED, LITERAL, FORM, PERCENT, XML = range(6)
"""How a leaf's bytes stand in their layer: as they are; as a JSON string with escapes; as a JSON number or word; as
a form's value (``+`` and ``%``); percent-encoded; as XML text with references; as an HTTP quoted string; as
quoted-printable text."""


class Node:
    """One name on a path. ``element`` is the node that all elements of an array share."""

    __slots__ = ("cache", "element", "is_element", "kids", "name", "parent")

    def __init__(self, name: str, parent: Node | None, is_element: bool = False) -> None:
        self.name = name
        self.parent = parent
        self.is_element = is_element
        self.kids: dict[bytes, Node] = {}
        self.element: Node | None = None
        self.cache: Any = None
        """What the detectors worked out from the names; None: not yet."""

    def kid(self, key: bytes) -> Node:
        """The node under ``key``, the name as it stands in the bytes."""
        found = self.kids.get(key)
        if found is None:
            found = self.kids[key] = Node(name_of(key), self)
        return found

    def each(self) -> Node:
        """The node of this array's elements."""
        if self.element is None:
            self.element = Node("", self, is_element=True)
        return self.element

    def path(self, index: Index) -> str:
        """The path as tables give it: ``request.body.events[3].imei``. A name that is empty or holds a point, a
        bracket or a quotation mark is written ``["user.email"]``."""
        parts: list[str] = []
        node: Node | None = self
        at = len(index)
        while node is not None:
            if node.is_element:
                at -= 1
                parts.append(f"[{index[at]}]" if at >= 0 else "[]")
            elif node.parent is None:
                parts.append(node.name)
            elif _PLAIN_NAME.fullmatch(node.name):
                parts.append("." + node.name)
            else:
                quoted = node.name.replace("\\", "\\\\").replace('"', '\\"')
                parts.append(f'["{quoted}"]')
            node = node.parent
        return "".join(reversed(parts))

    def names(self) -> tuple[str, ...]:
        """The names from the root down, elements of arrays left out."""
        parts: list[str] = []
        node: Node | None = self
        while node is not None:
            if not node.is_element:
                parts.append(node.name)
            node = node.parent
        return tuple(reversed(parts))


_PLAIN_NAME = re.compile(r'[^.\[\]"]+')
_JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


def name_of(key: bytes) -> str:
    """A key's bytes as the text that paths show: JSON escapes undone, what cannot be shown written as an escape."""
    text = key.decode("utf-8", "replace")
    if "\\" in text:
        text = _JSON_ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _SIMPLE[m[2]], text)
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _UNSAFE.sub(lambda m: f"\\u{ord(m.group()):04x}", text)


Leaf = tuple[Node, Index, int, int, int]
"""A value: its node, its indices, where it starts and ends in its layer's bytes, and its form (RAW, ESCAPED,
LITERAL). A plain tuple, since a message can have a hundred thousand of them."""

Container = tuple[Node, Index, int, int, int, int]
"""An object or array: its own node and indices, where it starts and ends, and the bounds of its leaves in the
layer's list."""


@dataclass(slots=True)
class Layer:
    """Bytes in which leaves stand, and how they were come by."""

    data: bytes
    head: bool
    """The offsets count in the message's head and not in its body."""
    via: tuple[str, ...]
    steps: tuple[Step, ...]
    node: Node
    """Where in the message the layer stands."""
    index: Index = ()
    depth: int = 0
    """Decodings of values on the way here, content codings apart."""
    leaves: list[Leaf] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    media: str | None = None
    """The layer is media of this type, and no text."""
    shift: int = 0
    """Where the layer's first octet stands in what its last step gave."""
    part: bool = False
    """It is a part of what its last step gave."""
    sliced: bool = False
    """Its bytes stand again in layers of their own (the parts of a multipart body)."""
    owner: tuple[Layer, int] | None = None
    """The leaf that the layer was decoded from: its layer and its number there."""

    def via_of(self, number: int) -> tuple[str, ...]:
        """The decodings on the way to a leaf. In a head, its place: query, header, cookie or path."""
        if not self.head or self.via:
            return self.via
        node: Node | None = self.leaves[number][0]
        while node is not None and node.parent is not None:
            node = node.parent
        place = node.name if node is not None else ""
        return ("set-cookie",) if place == "response.cookie" else (place.rpartition(".")[2],)

    def way_to(self, number: int) -> tuple[str, ...]:
        """As :meth:`via_of`, for what is decoded out of a leaf: a body that is one text is only its wrapping."""
        via = self.via_of(number)
        return via[:-1] if via and via[-1] == "text" else via


def text_of(raw: bytes) -> str:
    """Bytes as text: UTF-8 where they are, else Latin-1, so that nothing is lost. Half a surrogate pair, which
    tables cannot hold, is written as JSON writes it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
    return _SURROGATE.sub(lambda m: f"\\u{ord(m.group()):04x}", text)


_SURROGATE = re.compile(r"[\ud800-\udfff]")
