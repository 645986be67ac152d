"""The packets of a pcap or pcapng file, one after another, with what the file says beside them.

Written by hand, although scapy reads both: a torn tail, a lying length and the place of each packet in the file must
be told here, and scapy ends silently at the first and does not know the last. Formats: libpcap's savefile and the
pcapng draft (draft-ietf-opsawg-pcapng).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from analysis.model import Micros
from analysis.sources.octets import Octets
from analysis.sources.packets.owner import App, process
from analysis.sources.rows import plausible

SECTION = b"\x0a\x0d\x0d\x0a"
"""The first octets of a pcapng file."""
_DARWIN_PROCESS, _DARWIN_OWN, _DARWIN_FOR = 0x8000_0001, 32769, 32771
MOST_BLOCK = 1 << 26
"""Octets of a block that holds no packet: keys or names."""
MOST_PACKET = 1 << 22
"""Octets of one packet: a length beyond is a lie, since no link carries it."""


class Packet(NamedTuple):
    """A packet as captured. ``wire``: its octets on the line; ``offset``: of ``data`` in the file."""

    number: int
    at: Micros | None
    link: int
    data: bytes
    wire: int
    offset: int
    comment: str
    process: App | None = None
    """Whose it is, as the blocks of Darwin say."""


@dataclass(slots=True)
class Told:
    """What a file says beside its packets."""

    keys: int = 0
    apps: dict[int, str] | None = None
    """UID -> package name (PCAPdroid)."""
    names: list[tuple[str, str]] | None = None
    """Address and name of name resolution blocks."""
    torn: str | None = None
    """Why the file was not read to its end, in words."""
    left: int = 0
    """Octets after the place where it broke."""
    growing: bool = False
    """It breaks off, as a file does that is still being written: nothing in it is wrong."""
    damaged: int = 0
    """Packet blocks that cannot be read, and their octets."""
    damaged_octets: int = 0
    dropped: dict[tuple[int, int], int] = field(default_factory=dict)
    """Packets that the capturing machine says it lost, by section and interface."""
    dropped_between: int = 0
    """The same, as the packets themselves tell."""

    def breaks_off(self, what: str, octets: int) -> None:
        self.torn, self.left, self.growing = f"{what} breaks off", octets, True


class _Reader:
    """Octets by count; what is missing at the end is noticed."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        self._held = bytearray()
        self._at = 0
        self.offset = 0

    def take(self, count: int) -> bytes:
        """``count`` octets, or fewer at the end."""
        while len(self._held) - self._at < count:
            chunk = self._octets.read()
            if not chunk:
                break
            if self._at:
                del self._held[: self._at]
                self._at = 0
            self._held += chunk
        found = bytes(self._held[self._at : self._at + count])
        self._at += len(found)
        self.offset += len(found)
        return found

    def rest(self) -> int:
        """Octets that are left, read to the end and forgotten."""
        count = len(self._held) - self._at
        self._held.clear()
        self._at = 0
        while chunk := self._octets.read():
            count += len(chunk)
        return count


def packets(octets: Octets, told: Told) -> Iterator[Packet]:
    """The packets of a file. ``told`` is filled while they are read."""
    reader = _Reader(octets)
    magic = reader.take(4)
    if magic == SECTION:
        yield from _pcapng(reader, told)
    else:
        yield from _pcap(reader, magic, told)
    if octets.torn is not None and (told.torn is None or told.growing):
        told.torn, told.growing = octets.torn, True


def apps(path: Path, end: int | None = None) -> dict[int, str] | None:
    """UID -> package name of a whole pcapng, or of its first ``end`` octets, since they may stand behind the packets;
    None where it tells of none."""
    told = Told()
    with Octets(path, end) as octets:
        reader = _Reader(octets)
        if reader.take(4) == SECTION:
            for _ in _pcapng(reader, told, False):
                pass
    return told.apps


# --------------------------------------------------------------------------------------------------- pcap


def _pcap(reader: _Reader, magic: bytes, told: Told) -> Iterator[Packet]:
    order = "<" if magic[:1] in (b"\xd4", b"\x4d", b"\x34") else ">"
    nano = magic in (b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1")
    modified = magic in (b"\xa1\xb2\xcd\x34", b"\x34\xcd\xb2\xa1")
    head = reader.take(20)
    if len(head) < 20:
        told.breaks_off("its header", 4 + len(head))
        return
    link = struct.unpack(order + "HHIIII", head)[5] & 0xFFFF  # above stands how long a frame's checksum is
    record = struct.Struct(order + "IIII")
    number = 0
    while True:
        head = reader.take(16)
        if not head:
            return
        if len(head) < 16:
            told.breaks_off("the last packet's header", len(head))
            return
        seconds, fraction, size, wire = record.unpack(head)
        if modified:
            reader.take(8)
        if size > MOST_PACKET:
            told.torn, told.left = f"packet {number} claims {size} octets", reader.rest() + 16
            return
        offset = reader.offset
        data = reader.take(size)
        if len(data) < size:
            told.breaks_off("the last packet", len(data) + 16)
            return
        at = plausible(seconds * 1_000_000 + (fraction // 1000 if nano else fraction))
        yield Packet(number, at, link, data, max(wire, size) if wire < 1 << 24 else size, offset, "")
        number += 1


# ------------------------------------------------------------------------------------------------- pcapng


def _pcapng(reader: _Reader, told: Told, wanted: bool = True) -> Iterator[Packet]:
    """Blocks of all sections. A block whose two lengths differ is read by its first; what is no block ends it."""
    kind, number = 0x0A0D0D0A, 0
    order = "<"
    interfaces: list[_Interface] = []
    processes: list[tuple[int, str]] = []
    first, section = True, 0
    while True:
        if not first:
            head = reader.take(4)
            if not head:
                return
            if len(head) < 4:
                told.breaks_off("the last block", len(head))
                return
            kind = struct.unpack(order + "I", head)[0] if head != b"\x0a\x0d\x0d\x0a" else 0x0A0D0D0A
        first = False
        raw_size = reader.take(4)
        body = b""
        if kind == 0x0A0D0D0A:
            body = reader.take(4)
            order = ">" if body == b"\x1a\x2b\x3c\x4d" else "<"
            if len(body) < 4:
                told.breaks_off("the last block", 4 + len(raw_size) + len(body))
                return
            if body not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
                told.torn, told.left = "a section has no byte order", reader.rest() + 12
                return
            interfaces, processes, section = [], [], section + 1
        if len(raw_size) < 4:
            told.breaks_off("the last block", 4 + len(raw_size) + len(body))
            return
        size = struct.unpack(order + "I", raw_size)[0]
        if size < 12 or size % 4 or size > (MOST_PACKET + 65_536 if kind in (2, 3, 6) else MOST_BLOCK):
            told.torn, told.left = f"a block claims {size} octets", reader.rest() + 8 + len(body)
            return
        offset = reader.offset
        more = reader.take(size - 12 - len(body))
        tail = reader.take(4)
        if len(more) < size - 12 - len(body) or len(tail) < 4:
            told.breaks_off("the last block", 8 + len(body) + len(more) + len(tail))
            return
        if kind == 1 and len(more) >= 8:
            interfaces.append(_interface(more, order))
        elif kind in (2, 3, 6) and wanted:
            packet = _block(kind, more, order, interfaces, processes, number, offset, told)
            if packet is None:
                told.damaged, told.damaged_octets = told.damaged + 1, told.damaged_octets + size
            else:
                yield packet
            number += 1
        elif kind == 5 and wanted and len(more) >= 12:
            _statistics(more, order, section, told)
        elif kind == 10:
            told.keys += 1
        elif kind == 4:
            told.names = (told.names or []) + _names(more, order)
        elif kind == _DARWIN_PROCESS and len(more) >= 4:
            processes.append(_process(more, order))
        elif kind in (0x0BAD, 0x40000BAD):
            _custom(more, order, told)


def _options(raw: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(raw):
        code, size = struct.unpack_from(order + "HH", raw, at)
        if code == 0:
            return
        yield code, raw[at + 4 : at + 4 + size]
        at += 4 + size + (-size % 4)


class _Interface(NamedTuple):
    """``ticks``: of its clock, a second; ``shift``: seconds to be added; ``most``: octets of a packet that it keeps."""

    link: int
    ticks: int
    shift: int
    most: int


def _interface(raw: bytes, order: str) -> _Interface:
    link, _, most = struct.unpack_from(order + "HHI", raw)
    ticks, shift = 1_000_000, 0
    for code, value in _options(raw[8:], order):
        if code == 9 and value:
            ticks = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** min(value[0], 18)
        elif code == 14 and len(value) == 8:
            shift = struct.unpack(order + "q", value)[0]
    return _Interface(link, ticks, shift, most or MOST_PACKET)


def _block(
    kind: int,
    raw: bytes,
    order: str,
    interfaces: list[_Interface],
    processes: list[tuple[int, str]],
    number: int,
    offset: int,
    told: Told,
) -> Packet | None:
    """An enhanced, simple or old packet block; None where it contradicts itself."""
    if kind == 3:
        if len(raw) < 4 or not interfaces:
            return None
        wire = struct.unpack_from(order + "I", raw)[0]
        data = raw[4 : 4 + min(wire, interfaces[0].most)]
        return Packet(number, None, interfaces[0].link, data, max(wire, len(data)), offset + 4, "")
    if len(raw) < 20:
        return None
    if kind == 6:
        which, high, low, size, wire = struct.unpack_from(order + "IIIII", raw)
    else:
        which, drops, high, low, size, wire = struct.unpack_from(order + "HHIIII", raw)
        told.dropped_between += drops if drops != 0xFFFF else 0
    if which >= len(interfaces) or size > len(raw) - 20:
        return None
    on = interfaces[which]
    at = plausible((high << 32 | low) * 1_000_000 // on.ticks + on.shift * 1_000_000)
    comment, spoke = "", {}
    for code, value in _options(raw[20 + size + (-size % 4) :], order):
        if code == 1:
            comment = value.decode("utf-8", "replace")[:400]
        elif code in (_DARWIN_OWN, _DARWIN_FOR) and len(value) == 4:
            spoke[code] = processes[n] if (n := struct.unpack(order + "I", value)[0]) < len(processes) else (0, "")
        elif code == 4 and len(value) == 8:
            told.dropped_between += struct.unpack(order + "Q", value)[0]
    app = process(*spoke.get(_DARWIN_OWN, (0, "")), *spoke.get(_DARWIN_FOR, (0, ""))) if spoke else None
    return Packet(number, at, on.link, raw[20 : 20 + size], max(wire, size), offset + 20, comment, app)


def _process(raw: bytes, order: str) -> tuple[int, str]:
    """Apple's block of a process: its number and (option 2) its name. Packets of its section name it by its ordinal:
    their option 32769 the process that sent, 32771 the one that it was sent for (Wireshark's wiretap of 2025)."""
    name = next((value for code, value in _options(raw[4:], order) if code == 2), b"")
    return struct.unpack_from(order + "i", raw)[0], name.split(b"\0")[0].decode("utf-8", "replace")


def _statistics(raw: bytes, order: str, section: int, told: Told) -> None:
    """An interface's counts so far: what it dropped for want of room, and what its system dropped behind it."""
    which = struct.unpack_from(order + "I", raw)[0]
    dropped = sum(
        struct.unpack(order + "Q", value)[0]
        for code, value in _options(raw[12:], order)
        if code in (5, 7) and len(value) == 8
    )
    told.dropped[section, which] = dropped


def _names(raw: bytes, order: str) -> list[tuple[str, str]]:
    """Records of a name resolution block."""
    import ipaddress

    found = []
    at = 0
    while at + 4 <= len(raw):
        kind, size = struct.unpack_from(order + "HH", raw, at)
        value = raw[at + 4 : at + 4 + size]
        if kind == 0:
            break
        width = {1: 4, 2: 16}.get(kind)
        if width is not None and len(value) > width:
            address = str(ipaddress.ip_address(value[:width]))
            names = value[width:].rstrip(b"\0").split(b"\0")
            found += [(address, n.decode("utf-8", "replace")) for n in names if 0 < len(n) < 254]
        at += 4 + size + (-size % 4)
    return found


def _custom(raw: bytes, order: str, told: Told) -> None:
    """PCAPdroid's custom block (PEN 62652): version 1, type 1 maps a UID to a package and an app name."""
    if len(raw) < 14 or struct.unpack_from(order + "I", raw)[0] != 62652:
        return
    version, kind, _, uid, package, app = struct.unpack_from(order + "HBBiBB", raw, 4)
    if version == 1 and kind == 1:
        name = raw[14 : 14 + package].decode("utf-8", "replace") or raw[14 + package : 14 + package + app].decode(
            "utf-8", "replace"
        )
        told.apps = (told.apps or {}) | {uid: name}
