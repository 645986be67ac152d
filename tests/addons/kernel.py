"""What the kernel knows of TCP connections: for tests that wait for what no program says (proc(5), /proc/net/tcp)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_UNDER_WAY = ("01", "02")
"""Established, and asked for and not answered yet (SYN_SENT)."""


def _rows() -> Iterator[tuple[tuple[str, int], tuple[str, int], str, int]]:
    """Each socket's own end, its peer's, its state, and the octets that came and were not taken yet."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, own, peer, state, queues, *_ = line.split()
        yield _place(own), _place(peer), state, int(queues.partition(":")[2], 16)


def _place(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    return socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16)


def connections_to(place: tuple[str, int]) -> int:
    """How many sockets are connected to it, or try to be."""
    return sum(peer == place and state in _UNDER_WAY for _, peer, state, _ in _rows())


def has_taken_all(server: tuple[str, int]) -> bool:
    """Whether whoever is connected to that server has taken all that came from it."""
    return not any(waiting for _, peer, _, waiting in _rows() if peer == server)
