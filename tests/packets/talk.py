"""A TCP conversation to be captured: the phone at 10.0.0.2, a server at 192.0.2.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.packets.reading import Reading, check, pcap, read


class Talk:
    """Packets in order; ``say`` and ``answer`` send octets in segments of ``mss``, acknowledged as they go."""

    def __init__(self, sport: int = 40_000, dport: int = 80, mss: int = 1400, first: int = 1000) -> None:
        self.ends = (("10.0.0.2", sport), ("192.0.2.1", dport))
        self.mss = mss
        self.at = 0.0
        self.sequence = [first, 7_000_000]
        self.packets: list[tuple[float, bytes]] = []

    def packet(self, way: int, flags: str, data: bytes = b"", sequence: int | None = None, **fields: Any) -> bytes:
        """One packet of an end, which moves its sequence number on unless one is given."""
        from scapy.layers.inet import IP, TCP

        (src, sport), (dst, dport) = self.ends if way == 0 else self.ends[::-1]
        made = sequence if sequence is not None else self.sequence[way]
        tcp = TCP(sport=sport, dport=dport, flags=flags, seq=made & 0xFFFFFFFF, **fields)
        if "A" in flags:
            tcp.ack = self.sequence[1 - way] & 0xFFFFFFFF
        if sequence is None:
            self.sequence[way] += len(data) + ("S" in flags) + ("F" in flags)
        frame = bytes(IP(src=src, dst=dst) / tcp / data)
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
