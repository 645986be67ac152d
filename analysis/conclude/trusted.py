"""Where and since when the phone's system had the proxy's certificate in its store, so that a refusal of it is a pin.

The auditor's word for the whole capture stands in the manifest; a recorder also says when it saw that, and at which
address of the phone (events of type ``system_certificate``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.folder import Manifest

EVENT = "system_certificate"
_DAY = 86_400_000.0
"""Milliseconds by which a phone's clock may be off: a capture's certificates begin two days before it."""
_WHATEVER_THE_TIME = "unknown_ca"
"""The one cause that no wrong clock brings about: the issuer is looked for before the dates."""


class Trusted:
    """``addresses``: the phone's ends of connections through a proxy, and of them those (``took``) at which the proxy's
    certificate was taken at any time."""

    def __init__(
        self,
        manifest: Manifest,
        events: Iterable[Mapping[str, Any]],
        addresses: Iterable[str | None],
        took: Iterable[str | None],
    ) -> None:
        self._stated = manifest.opened_by == "system_certificate" or manifest.device.by_system is True
        self._phone = manifest.device.address
        ahead = manifest.device.clock_ahead_ms
        self._wrong_clock = ahead is not None and abs(ahead) > _DAY
        self._seen = [(e["at"], e.get("client")) for e in events if e.get("type") == EVENT and e.get("at") is not None]
        self._addresses: dict[bool, set[str]] = defaultdict(set)
        for address in addresses:
            if address is not None:
                self._addresses[":" in address].add(address)
        self._took = set(took)

    def by_system(self, row: Mapping[str, Any], cause: str | None) -> bool:
        """Whether a flow of that address (``src``) and time (``first``, microseconds) refused, with that cause, a
        certificate that the phone's system trusts."""
        if (
            not self._stated
            or (self._wrong_clock and cause != _WHATEVER_THE_TIME)
            or not self._is_the_phone(row["src"])
        ):
            return False
        if not self._seen:
            return True
        first = row["first"]
        return first is not None and any(at <= first and client in (None, row["src"]) for at, client in self._seen)

    def _is_the_phone(self, address: str | None) -> bool:
        """Of several devices only the one that was named, or those that took the certificate, are known to have it."""
        if address is None:
            return True
        if self._phone is not None and (":" in self._phone) == (":" in address):
            return address == self._phone
        return len(self._addresses[":" in address]) == 1 or address in self._took
