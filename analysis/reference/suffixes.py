"""The Public Suffix List: which part of a host's name somebody registered. Read once for each process."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@cache
def _list() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    # The library would put each of ten thousand rules through IDNA, which alters only those beyond ASCII.
    return PublicSuffixList(_rules(), accept_encoded_idn=False)


def _rules() -> Iterator[str]:
    """The list's rules; those beyond ASCII also as names are sent (RFC 3490)."""
    from publicsuffixlist import PSLFILE

    with open(PSLFILE, encoding="utf-8") as lines:
        for line in lines:
            rule = line.partition(" ")[0].strip()
            if not rule or rule.startswith("//"):
                continue
            yield rule
            if not rule.isascii():
                sign = "!" if rule.startswith("!") else ""
                yield sign + rule.removeprefix("!").lower().encode("idna").decode("ascii")


def registered(host: str, *, listed: bool = False) -> str | None:
    """The domain that somebody registered: one label more than the public suffix, in lower case. None for a name that
    is no more than a suffix. ``listed``: None also where the list does not know the name's end; without it, the last
    label of such a name counts as a suffix."""
    return _list().privatesuffix(host, accept_unknown=not listed)


def registered_at(host: str) -> int:
    """Where in the name of a host the part begins that somebody registered (Public Suffix List); 0 for an address."""
    bare = host.rstrip(".")
    try:
        ipaddress.ip_address(bare.strip("[]"))
    except ValueError:
        theirs = registered(bare.lower()) or bare.rpartition(".")[2]
        return max(len(bare) - len(theirs), 0)
    return 0


def without_labels(host: str) -> str:
    """The name of a host for a line that is written while traffic passes, when no audit has yet said what is a personal
    value: the labels before what somebody registered may be one, and are left out."""
    first = registered_at(host)
    return f"a host of {host[first:]}" if first else host
