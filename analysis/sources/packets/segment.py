"""What a packet carries, once its frame and its datagram are undone."""

from __future__ import annotations

from typing import NamedTuple

TCP, UDP = 6, 17
PROTOCOLS = {1: "icmp", 2: "igmp", 51: "ah", 58: "icmpv6", 89: "ospf", 103: "pim", 132: "sctp"}


class Segment(NamedTuple):
    """What a packet carries. ``size``: octets of payload on the line; ``payload`` may hold fewer."""

    protocol: int
    src: str
    dst: str
    sport: int | None
    dport: int | None
    payload: bytes
    size: int
    sequence: int
    flags: int
    acknowledged: int = 0
    """The sequence number that the sender waits for from the other end."""
    packets: int = 1
    """Packets that it came in: more than one where it was fragmented."""


class Skipped(NamedTuple):
    """A packet that stands in no flow, and why."""

    kind: str
    packets: int = 1


class Partial(NamedTuple):
    """A fragment of a datagram that is not whole yet."""
