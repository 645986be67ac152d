"""Masked excerpts: a find in its context, fit for a report.

The context is structure only: the keys beside a find are shown, their values never, since personal values may stand
there that nobody planted.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from analysis.model import Secret
from analysis.read.decode.leaves import LITERAL, Layer
from analysis.read.detect.found import Found, value_of

LONGEST = 160
"""Characters of an excerpt."""
_TELLING = re.compile(r"\d{6}|@|[0-9a-fA-F]{12}|[0-9a-f]{8}-[0-9a-f]{4}|.{41}")
_NOTHING = frozenset({b"true", b"false", b"null"})


def excerpt(found: Found, others: dict[tuple[int, int], Found], mask_key: Callable[[str], str]) -> str:
    """The find with what stands beside it. ``others``: all finds by layer and leaf, each shown masked."""
    if found.number is None:
        return f"… {_masked(found)} …"
    layer, number = found.layer, found.number
    own = layer.leaves[number]
    parent, index = own[0].parent, own[1][:-1] if own[0].is_element else own[1]
    texts = {number: _member(layer, number, found, mask_key)}
    total = len(texts[number]) + 4
    left, right = number - 1, number + 1
    edges = [True, True]
    while any(edges):
        for side in (0, 1):
            if not edges[side]:
                continue
            at = left if side == 0 else right
            if not 0 <= at < len(layer.leaves) or abs(at - number) > 6:
                edges[side] = False
                continue
            node, here = layer.leaves[at][0], layer.leaves[at][1]
            if node.parent is not parent or (here[:-1] if node.is_element else here) != index:
                edges[side] = False
                continue
            text = _member(layer, at, others.get((id(layer), at)), mask_key)
            if total + len(text) + 2 > LONGEST:
                edges[side] = False
                continue
            texts[at] = text
            total += len(text) + 2
            if side == 0:
                left -= 1
            else:
                right += 1
    shown = [texts[n] for n in sorted(texts)]
    before = "… " if left >= 0 and edges_left(layer, left, parent) else ""
    after = " …" if right < len(layer.leaves) and edges_left(layer, right, parent) else ""
    text = before + ", ".join(shown) + after
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def edges_left(layer: Layer, number: int, parent: object) -> bool:
    """More members of the same object stand beyond."""
    return layer.leaves[number][0].parent is parent


def key_name(name: str, mask_key: Callable[[str], str]) -> str:
    """A key as it may be shown: one that looks like a value itself is not."""
    if _TELLING.search(name):
        return "‹key›"
    return mask_key(name)


def _member(layer: Layer, number: int, found: Found | None, mask_key: Callable[[str], str]) -> str:
    node, _, start, end, form = layer.leaves[number]
    if found is not None:
        value = f'"{_masked(found)}"' if form != LITERAL else _masked(found)
    elif form == LITERAL:
        value = layer.data[start:end].decode() if layer.data[start:end] in _NOTHING else "#"
    else:
        value = '""' if start == end else '"…"'
    if node.is_element or node.parent is None:
        return value
    return f"{key_name(node.name, mask_key)}: {value}"


def _masked(found: Found) -> str:
    from analysis.tables import mask  # late: Arrow costs a start-up what reading 100 messages does

    leaf = found.leaf
    if leaf is not None and found.whole:
        return mask(Secret(value_of(found.layer, leaf)), found.data_type)
    inside = found.layer.data[found.start : found.end].decode("utf-8", "replace")
    masked = mask(Secret(inside), found.data_type)
    return masked if found.number is None else f"… {masked} …"
