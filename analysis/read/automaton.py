"""How the automaton is built that finds many needles at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ahocorasick_rs import Implementation

_LONG = 400
"""Length of a needle from which on building must not be quadratic: for a needle that repeats itself (a value of 3,400
times one letter) the fast automaton takes minutes to build."""


def implementation(needles: Iterable[bytes | str]) -> Implementation | None:
    """The form of automaton for these needles, None where the library chooses; all forms find the same."""
    from ahocorasick_rs import Implementation

    return Implementation.ContiguousNFA if max(map(len, needles), default=0) >= _LONG else None
