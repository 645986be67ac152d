"""A TCP conversation to be captured: the phone at 10.0.0.2, a server at 192.0.2.1."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.packets.reading import Reading, check, pcap, read

_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}


class Talk:
    """Packets in order; ``say`` and ``answer`` send octets in segments of ``mss``, acknowledged as they go."""

    def __init__(self, sport: int = 40_000, dport: int = 80, mss: int = 1400, first: int = 1000) -> None:
        self.ends = (("10.0.0.2", sport), ("192.0.2.1", dport))
        self.mss = mss
        self.at = 0.0
        self.sequence = [first, 7_000_000]
        self.packets: list[tuple[float, bytes]] = []

    def packet(self, way: int, flags: str, data: bytes = b"", sequence: int | None = None) -> bytes:
        """One packet of an end, which moves its sequence number on unless one is given."""
        (src, sport), (dst, dport) = self.ends if way == 0 else self.ends[::-1]
        made = sequence if sequence is not None else self.sequence[way]
        acknowledged = self.sequence[1 - way] if "A" in flags else 0
        bits = sum(_FLAGS[flag] for flag in flags)
        tcp = struct.pack(
            ">HHIIBBHHH", sport, dport, made & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, 0x50, bits, 64_000, 0, 0
        )
        size = 20 + len(tcp) + len(data)
        addresses = ip_address(src).packed + ip_address(dst).packed
        frame = struct.pack(">BBHHHBBH", 0x45, 0, size, 0, 0, 64, 6, 0) + addresses + tcp + data
        if sequence is None:
            self.sequence[way] += len(data) + ("S" in flags) + ("F" in flags)
        self.packets.append((self.at, frame))
        self.at += 0.01
        return frame

    def open(self) -> Talk:
        self.packet(0, "S")
        self.packet(1, "SA")
        self.packet(0, "A")
        return self

    def say(self, data: bytes, way: int = 0) -> Talk:
        for at in range(0, len(data), self.mss):
            self.packet(way, "PA", data[at : at + self.mss])
        return self

    def answer(self, data: bytes) -> Talk:
        return self.say(data, 1)

    def close(self) -> Talk:
        self.packet(0, "FA")
        self.packet(1, "FA")
        self.packet(0, "A")
        return self

    def write(self, path: Path) -> Path:
        return pcap(path, self.packets, 101)

    def read(self, folder: Path, **options: Any) -> Reading:
        """What is read of it, in sums that hold."""
        found = read(self.write(folder / "talk.pcap"), **options)
        check(found, len(self.packets))
        return found
