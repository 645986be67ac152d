"""Several grounds for one field become one find: the strongest names it, those that agree stand beside it."""

from __future__ import annotations

from analysis.model import METHODS
from analysis.read.decode.leaves import Layer
from analysis.read.detect.found import Found

_ORDER = {method: n for n, method in enumerate(METHODS)}
_CERTAINTY = {"high": 0, "medium": 1, "low": 2}


def merge(found: list[Found], layers: list[Layer], known: frozenset[str]) -> list[Found]:
    """One find for each leaf and data type, in the order of ``layers`` and their leaves.

    A planted value that is the whole leaf outranks what weaker grounds say the leaf is. One within a longer text
    stands beside what the text as a whole is. A planted value under a name of the persona's own (none of ``known``) has
    the type that a key or an endpoint gives its leaf. Of the weaker grounds the strongest alone names a leaf, but
    a shape that stands within a text is a find of its own."""
    order = {id(layer): n for n, layer in enumerate(layers)}
    by_leaf: dict[tuple[int, int, int], list[Found]] = {}
    for one in found:
        layer = order[id(one.layer)]
        # Raw finds have no leaf: each place is its own.
        key = (layer, one.start if one.number is None else one.number, -1 if one.number is None else 0)
        by_leaf.setdefault(key, []).append(one)
    out: list[Found] = []
    for key in sorted(by_leaf):
        out += _leaf(_typed(by_leaf[key], known))
    return out


def _typed(found: list[Found], known: frozenset[str]) -> list[Found]:
    """The finds of a leaf, those of the persona's own names given the type that the leaf's key has."""
    own = [f for f in found if f.method == "planted" and f.whole and f.data_type not in known]
    named = [f for f in found if f.method in ("endpoint", "key") and f.whole]
    if not own or not named or any(f.method == "planted" and f.data_type in known for f in found):
        return found
    best = min(named, key=lambda f: _ORDER[f.method])
    for one in own:
        one.data_type = best.data_type
        one.position = best.position
        if best.same is not None:
            one.same = best.same
    return found


def _leaf(found: list[Found]) -> list[Found]:
    if len(found) == 1:
        return found
    found = sorted(found, key=lambda f: (_ORDER[f.method], not f.whole, _CERTAINTY[f.certainty], f.start))
    kept: list[Found] = []
    for one in found:
        same = next((k for k in kept if k.data_type == one.data_type), None)
        if same is not None:
            if one.method != same.method and one.method not in same.also:
                same.also = (*same.also, one.method)
            # A key with a strong check says more of a field than a record from memory does.
            same.certainty = min(same.certainty, one.certainty, key=_CERTAINTY.__getitem__)
            if same.position is None:
                same.position = one.position
            if same.endpoint is None:
                same.endpoint = one.endpoint
            if same.same is None:
                same.same = one.same
            continue
        if any(_decides(k, one) for k in kept):
            continue
        kept.append(one)
    return kept


def _decides(kept: Found, other: Found) -> bool:
    """The stronger ground leaves no room for the other's type."""
    if kept.method == "planted" and other.method == "planted":
        # Two planted values of different types in one text are two; as one and the same whole leaf they are one.
        return kept.whole and other.whole
    if kept.method == "planted" and other.method == "endpoint" and kept.via:
        # What a digest was made of is one thing, what the field is for another.
        return False
    if not other.whole:
        return other.start >= kept.start and other.end <= kept.end and not kept.whole
    return kept.whole
