"""How much of a message nobody understood, and how much of that is ciphertext.

What was opened is a tree of layers; here what stayed closed in it is put back into octets of the body as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis.read.decode.ciphertext import ANYWHERE, LEAST, SHORTEST_TEXT, TOKEN, in_text, is_token_name
from analysis.read.decode.leaves import RAW, Layer, Node

if TYPE_CHECKING:
    from analysis.read.decode.walk import Walked

_SEARCHED = ("request.query", "request.path")
"""Places in a head where payload stands; header fields and cookies carry tokens."""


@dataclass(slots=True)
class Weight:
    """Octets of body and target, as sent."""

    ciphertext: int = 0
    other: int = 0
    """Octets of no format that is known."""
    sealed: bool = False
    """Ciphertext is most of the message."""

    @property
    def octets(self) -> int:
        return self.ciphertext + self.other


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that nobody understood."""

    octets: int
    """That it is."""
    written: int
    """That write it, in the body once its content coding is undone, or in the request's target."""
    sealed: bool
    head: bool


@dataclass(slots=True)
class Weighing:
    """What a walk left closed."""

    body: Layer | None = None
    closed: list[tuple[Layer, bool]] = field(default_factory=list)
    """Layers of no known format, and whether they are ciphertext."""
    torn: bool = False
    """The body does not hold to its own format, so that nobody knows how much of it was read."""

    def close(self, layer: Layer, sealed: bool) -> None:
        """Nobody understood this layer."""
        self.closed.append((layer, sealed))

    def of(self, walked: Walked, size: int, target: int) -> Weight:
        """The weight of what was walked. ``size``: octets of the body as sent; ``target``: of the request's target."""
        parts = [*self._layers(), *_texts(walked)]
        if not parts:
            return Weight()
        whole = len(self.body.data) if self.body is not None else 0
        in_body = [p for p in parts if not p.head]
        most = 2 * sum(p.written for p in in_body) >= whole > 0
        parts = [p for p in parts if p.octets >= ANYWHERE or (most and not p.head)]
        made = Weight()
        written = 0
        for part in parts:
            octets = part.written
            if not part.head:
                octets = max(min(part.written * size // whole, size - made.octets), 0) if whole else 0
            if part.sealed:
                made.ciphertext += octets
                written += part.written
            else:
                made.other += octets
        around = whole + (target if any(p.head for p in parts) else 0)
        made.sealed = made.ciphertext > 0 and 2 * written >= around
        return made

    def _layers(self) -> Iterator[_Part]:
        for layer, sealed in self.closed:
            # What a short value was decoded to may be an identifier; a body or a part of one is what it is.
            if layer.owner is None or len(layer.data) >= LEAST:
                yield _Part(max(len(layer.data), ANYWHERE), _in_root(layer, len(layer.data)), sealed, layer.head)


def _texts(walked: Walked) -> Iterator[_Part]:
    """Long values in which nothing else was seen, and that write octets."""
    opened = {(id(layer.owner[0]), layer.owner[1]) for layer in walked.layers if layer.owner is not None}
    for layer in walked.layers:
        own = id(layer)
        long = [n for n, leaf in enumerate(layer.leaves) if leaf[3] - leaf[2] >= SHORTEST_TEXT and leaf[4] == RAW]
        for number in long:
            node, _, start, end, _ = layer.leaves[number]
            if (own, number) in opened or (own, number) in walked.moved:
                continue
            if layer.head and _root(node) not in _SEARCHED:
                continue
            sealed, other = in_text(layer.data[start:end])
            if not (sealed.octets or other):
                continue
            if (sealed.octets or other) <= TOKEN and is_token_name(_name(node)):
                continue
            if sealed.octets:
                yield _Part(sealed.octets, _in_root(layer, sealed.written), True, layer.head)
            if other:
                yield _Part(max(other, ANYWHERE), _in_root(layer, other), False, layer.head)


def _in_root(layer: Layer, octets: int) -> int:
    """Octets of a layer as octets of the body, or head, that it was decoded from."""
    while layer.owner is not None:
        outer, number = layer.owner
        _, _, start, end, _ = outer.leaves[number]
        octets = min(octets if layer.part else octets * (end - start) // max(len(layer.data), 1), end - start)
        layer = outer
    return octets


def _root(node: Node) -> str:
    while node.parent is not None:
        node = node.parent
    return node.name


def _name(node: Node) -> str:
    """The name of a value; of an element, that of its array."""
    while node.is_element and node.parent is not None:
        node = node.parent
    return node.name if node.parent is not None else ""
