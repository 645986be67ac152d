"""File descriptors: how many this process may have open, and some that are kept for what must not fail.

A system gives a new descriptor the lowest number that is free (POSIX, *File Descriptor Allocation*): a number shows
that at least as many are open, without anybody counting."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

MOST = 4096
"""Descriptors beyond which no process of ours asks for more: a phone has some hundred connections, and each costs
memory."""


def raise_limit() -> int:
    """Raise the soft limit of open files as far as the hard one lets it, to ``MOST`` at most; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft


def lowest_free(limit: int) -> int:
    """The number that the next descriptor would have; ``limit`` where there is none."""
    try:
        number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return limit
    os.close(number)
    return number


class Spare:
    """Descriptors that are held so that others cannot have them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: list[int] = []
        self._hold()

    def _hold(self) -> None:
        with suppress(OSError):
            while len(self._held) < self._count:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def _free(self) -> None:
        while self._held:
            os.close(self._held.pop())

    def close(self) -> None:
        """None are held any more."""
        self._count = 0
        self._free()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Meanwhile they are free."""
        self._free()
        try:
            yield
        finally:
            self._hold()
