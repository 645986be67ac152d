"""Link types that are met seldom, through scapy: the only module that imports it, and only when one is met.

scapy is GPL-2.0-only; see the README on what follows from that for who passes it on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from analysis.sources.packets.segment import Skipped


@lru_cache(maxsize=32)
def _class_of(link: int) -> Any:
    import logging

    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    from scapy.config import conf
    from scapy.layers import all as _layers  # noqa: F401 - registers the link types

    return conf.l2types.num2layer.get(link)


def network(link: int, data: bytes) -> tuple[int, int] | Skipped:
    """EtherType and offset of the IP packet inside of a frame that scapy knows; else what kind of frame it was."""
    kind = _class_of(link)
    if kind is None:
        return Skipped(f"packet_link_{link}")
    try:
        frame = kind(data)
        layer = frame.getlayer("IP") or frame.getlayer("IPv6")
        if layer is None:
            return Skipped(_wlan_kind(frame) or f"packet_link_{link}_without_ip")
        original = bytes(layer.original or b"")
    except Exception:
        return Skipped(f"packet_link_{link}_damaged")
    at = data.find(original[:20]) if original else -1
    if at < 0:
        return Skipped(f"packet_link_{link}_without_ip")
    return (0x86DD if layer.name == "IPv6" else 0x0800), at


def _wlan_kind(frame: Any) -> str | None:
    """What a frame of 802.11 without an IP packet is (IEEE 802.11 section 9.2.4.1): the bit that says encrypted counts
    only on data."""
    wlan = frame.getlayer("Dot11")
    if wlan is None:
        return None
    if wlan.type == 2:
        return "packet_wifi_encrypted" if int(wlan.FCfield) & 0x40 else None
    return "packet_wifi_management"
