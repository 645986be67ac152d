"""The way that an origin names, walked again: no detector, only the decodings that were undone."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.codecs.table import decode
from analysis.model import InputError, Step

_LIMIT = 1 << 30


def replay(data: bytes, steps: Iterable[Step]) -> bytes:
    """The octets that are left when each step is undone in turn, from a layer's octets on.

    Raises InputError when a step cannot be undone: the octets are not those that the origin was made from."""
    for step in steps:
        part = data if step.offset is None else data[step.offset : step.offset + (step.length or 0)]
        result = decode(step.codec, part, _LIMIT)
        if not result.data and part:
            raise InputError(f"The step {step.codec} of this origin cannot be undone; it belongs to another capture.")
        data = result.data
    return data
