"""How the tests of packets read a capture, and what they hold every reading to."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.model import Clue, Exchange, Loss, Message
from analysis.sources import Options, packets
from tests.road import REAL

CAPTURES = sorted(p for p in REAL.rglob("*") if p.suffix in (".pcap", ".pcapng")) if REAL.is_dir() else []


@dataclass
class Reading:
    """All that a file gave."""

    flows: list[dict[str, Any]] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    names: list[dict[str, Any]] = field(default_factory=list)
    clues: list[Clue] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    keys: int = 0

    def lost(self, kind: str) -> int:
        return sum(loss.count for loss in self.losses if loss.kind == kind)

    def skipped(self) -> int:
        return sum(loss.count for loss in self.losses if loss.kind.startswith("packet_"))

    def unread(self) -> Counter[tuple[str, str]]:
        """Octets by kind and cause, over all flows."""
        found = Counter[tuple[str, str]]()
        for flow in self.flows:
            for part in flow["unread"]:
                found[part["kind"], part["cause"]] += part["bytes"]
        return found

    def body(self, number: int, kind: str) -> bytes:
        """The body of an exchange's request or response."""
        [found] = [m.body for m in self.messages if m.exchange and m.exchange.unit == number and m.kind == kind]
        return found


def read(path: Path, **options: Any) -> Reading:
    """The whole of a file."""
    found = Reading()
    for batch in packets.read(path, path.name, Options(**options)):
        found.flows += batch.flows.to_pylist() if batch.flows is not None else []
        found.exchanges += batch.exchanges
        found.messages += batch.messages
        found.names += batch.names.to_pylist() if batch.names is not None else []
        found.clues += batch.clues
        found.losses += batch.losses
        found.keys += batch.keys
    return found


def check(reading: Reading, count: int | None = None) -> None:
    """The laws of conservation, and dense ordinals. ``count``: packets that the file holds."""
    for flow in reading.flows:
        unread = sum(part["bytes"] for part in flow["unread"])
        assert flow["bytes_out"] + flow["bytes_in"] == flow["bytes_read"] + unread, flow
        assert all(part["bytes"] > 0 for part in flow["unread"])
        assert flow["first"] is None or flow["first"] <= flow["last"]
    assert sorted(f["unit"] for f in reading.flows) == list(range(len(reading.flows)))
    assert sorted(e.key.unit for e in reading.exchanges) == list(range(len(reading.exchanges)))
    assert sorted(m.key.unit for m in reading.messages) == list(range(len(reading.messages)))
    units = {f["unit"] for f in reading.flows}
    assert {e.flow.unit for e in reading.exchanges} <= units
    assert {m.flow.unit for m in reading.messages} <= units
    exchanges = {e.key for e in reading.exchanges}
    for m in reading.messages:
        assert m.exchange is None or m.exchange in exchanges
        assert m.size >= len(m.body)
        assert m.cut or m.size == len(m.body), (m.kind, m.size, len(m.body))
        assert m.origin.length == len(m.body)
    if count is not None:
        inside = sum(f["packets_out"] + f["packets_in"] for f in reading.flows)
        assert inside + reading.skipped() == count, (inside, reading.skipped(), count)


BEGAN = 1_700_000_000
"""Seconds since 1970 at which made captures begin."""


def pcap(path: Path, frames: Iterable[Any], link: int = 1, apart: float = 0.001, nano: bool = False) -> Path:
    """A file of scapy's packets (or octets). A pair gives its own time in seconds behind BEGAN."""
    path.write_bytes(pcap_octets(frames, link, apart, nano))
    return path


def pcap_octets(frames: Iterable[Any], link: int = 1, apart: float = 0.001, nano: bool = False) -> bytes:
    made = bytearray(struct.pack("<IHHIIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, link))
    for number, frame in enumerate(frames):
        at, frame = frame if isinstance(frame, tuple) else (number * apart, frame)
        octets = bytes(frame)
        seconds, part = divmod(round(at * 1_000_000), 1_000_000)
        made += struct.pack("<IIII", BEGAN + seconds, part * 1000 if nano else part, len(octets), len(octets)) + octets
    return bytes(made)


def count(path: Path) -> int:
    """Packets in a file, as scapy counts them."""
    from scapy.utils import RawPcapReader

    found = 0
    with RawPcapReader(str(path)) as reader:
        for _ in reader:
            found += 1
    return found
