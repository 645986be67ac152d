"""Clocks: whose clock the times of each file are of, and how far two files may be apart.

The proxy writes the laptop's clock. PCAPdroid's list of connections is of the phone's, and so is a packet capture that
shows that it was made there: by a user id of Android beside its packets, by the address that PCAPdroid's own tunnel
has, or by the manifest's word. Any other file may be of either. How far the phone was ahead the manifest says
(``device.clock_ahead_ms``); where it does not, a clock that somebody set by hand is right to the minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import pyarrow as pa

from analysis.folder import Manifest

Whose = Literal["phone", "laptop", "unknown"]

DOUBT = 60_000_000
"""Microseconds by which a phone's clock of which nothing is stated may be off, either way."""
WITHIN = 1_000_000
"""The same where its difference is stated, and not how exactly."""
_MOST = 1 << 52
"""Microseconds: a difference beyond (142 years) is none that clocks can have."""
_PROXY = frozenset({"mitmproxy", "events", "messages"})
PROXY = "proxy"
"""The recorder of these."""
_PACKETS = frozenset({"pcap", "pcapng"})
FIRST_APP = 10_000
"""The least user id that Android gives an app; below stand the system's own (``android_filesystem_config.h``,
AID_APP_START)."""
_PCAPDROID = frozenset({"10.215.173.1", "fd00:2:fd00:1:fd00:1:fd00:1"})
"""The phone's addresses in PCAPdroid's own tunnel (``CaptureService``)."""


class Clocks:
    """The clocks of a capture's files. ``events``: lines of ``events.jsonl``, of which those count that tell that the
    laptop's clock was set."""

    def __init__(
        self, flows: pa.Table, sources: pa.Table, manifest: Manifest, events: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        marked = {
            source
            for source, uid, src in zip(*(flows[c].to_pylist() for c in ("source", "uid", "src")), strict=True)
            if (uid is not None and uid >= FIRST_APP) or src in _PCAPDROID
        }
        kinds = dict(zip(sources["source"].to_pylist(), sources["kind"].to_pylist(), strict=True))
        self._whose = {source: _whose(kind, source in marked, manifest) for source, kind in kinds.items()}
        self._proxy = {source for source, kind in kinds.items() if kind in _PROXY}
        steps = [e["step"] for e in events if e.get("type") == "clock" and e.get("step") is not None]
        # One that cannot be read was to whatever time.
        moved = sum(_MOST if (step := _microseconds(s, 1)) is None else step for s in steps)
        ahead = _microseconds(manifest.device.clock_ahead_ms, 1000, signed=True)
        within = _microseconds(manifest.device.clock_within_ms, 1000)
        off = moved + (DOUBT if ahead is None else WITHIN if within is None else within)
        self._ahead = ahead or 0
        self._phone = (self._ahead - off, self._ahead + off)

    def on_phone(self, source: int) -> bool:
        """True for a file that was made on the phone itself."""
        return self._whose.get(source) == "phone"

    def recorder(self, source: int) -> object:
        """What wrote a file: the proxy its dump, its events and its messages, else each file by itself."""
        return PROXY if source in self._proxy else source

    def shift(self, source: int) -> int:
        """Microseconds to take from a file's times, so that they are of the laptop's clock as far as is known."""
        return self._ahead if self.on_phone(source) else 0

    def apart(self, one: int, other: int) -> tuple[int, int]:
        """The least and the most microseconds by which the times of ``other`` may be ahead of those of ``one``."""
        if one == other:
            return 0, 0
        spans = [self._between(a, b) for a in self._possible(one) for b in self._possible(other)]
        return min(low for low, _ in spans), max(high for _, high in spans)

    def from_laptop(self, source: int) -> tuple[int, int]:
        """The same of the laptop's clock and a file's times."""
        spans = [self._between(False, clock) for clock in self._possible(source)]
        return min(low for low, _ in spans), max(high for _, high in spans)

    def _possible(self, source: int) -> tuple[bool, ...]:
        """Whether its clock is the phone's: yes, no, or either."""
        whose = self._whose.get(source, "unknown")
        return (False, True) if whose == "unknown" else (whose == "phone",)

    def _between(self, one: bool, other: bool) -> tuple[int, int]:
        if one == other:
            return 0, 0
        low, high = self._phone
        return (low, high) if other else (-high, -low)


def _whose(kind: str | None, marked: bool, manifest: Manifest) -> Whose:
    on_phone = manifest.vantage.on_phone
    if kind in _PROXY:
        # A recording of Lintas' own is made on a laptop, whatever was captured on the phone beside it.
        return "laptop" if manifest.started is not None or not on_phone else "unknown"
    if kind == "connections" or on_phone or (kind in _PACKETS and marked):
        return "phone"
    return "unknown"


def _microseconds(value: object, unit: int, signed: bool = False) -> int | None:
    """A stated difference; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_MOST <= value * unit <= _MOST:
        return None
    found = round(value * unit)
    return found if signed else abs(found)
