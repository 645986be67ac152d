"""The way that an origin names, walked again: no detector, only the decodings that were undone."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.codecs.base import most_octets
from analysis.codecs.table import decode
from analysis.model import InputError, Step


def replay(data: bytes, steps: Iterable[Step]) -> bytes:
    """The octets that are left when each step is undone in turn, from a layer's octets on: no more than reading them
    may give.

    Raises InputError when a step cannot be undone: the octets are not those that the origin was made from."""
    most = most_octets(len(data))
    for step in steps:
        part = data if step.offset is None else data[step.offset : step.offset + (step.length or 0)]
        result = decode(step.codec, part, most)
        if not result.data and part:
            raise InputError(f"The step {step.codec} of this origin cannot be undone; it belongs to another capture.")
        data = result.data
    return data
