"""What every codec hands back."""

from __future__ import annotations

from typing import NamedTuple

MOST_OCTETS = 192 << 20
_LEAST_OCTETS, _EACH = 8 << 20, 64


def most_octets(size: int) -> int:
    """Octets that may come of ``size`` octets that are unpacked: 64 for each, which text that is honestly packed seldom
    exceeds, and eight megabytes for bodies that repeat themselves; never more than 192 megabytes. What a message may
    cost hangs on its size, so that a few octets cannot cost minutes."""
    return min(_LEAST_OCTETS + _EACH * size, MOST_OCTETS)


class Decoded(NamedTuple):
    """What came out of a decoder. It may hold personal values, so it never shows them."""

    data: bytes
    """All that could be decoded, from the start on: a prefix where ``complete`` is false."""
    complete: bool
    """The whole input was understood and the whole output is here."""
    error: str | None = None
    """Why it is not complete, in words fit for a report; never a value."""
    limited: bool = False
    """Not complete because a limit on work was reached, not because of the input's form."""

    def __repr__(self) -> str:
        told = f"complete={self.complete}, error={self.error!r}, limited={self.limited}"
        return f"Decoded({len(self.data)} octets, {told})"


def over(data: bytes, limit: int) -> Decoded:
    """``data`` cut at ``limit`` octets, and said so."""
    return Decoded(data[:limit], False, f"stopped at the limit of {limit} octets of output", True)


def within(data: bytes, limit: int, error: str | None = None) -> Decoded:
    """``data`` as a result, cut and said so where it is longer than ``limit`` octets."""
    return over(data, limit) if len(data) > limit else Decoded(data, error is None, error)
