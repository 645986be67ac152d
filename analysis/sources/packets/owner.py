"""What a frame says of the app whose packet it is: names and user ids that the capturing machine wrote beside it.

Names of processes are names and no app ids. A process that fetches for others names the one that it works for, where
the capture says so, and else nobody.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import NamedTuple

FOR_OTHERS = ("nsurlsessiond", "com.apple.WebKit.Networking")
"""Processes of Darwin that fetch for apps: background transfers (NSURLSession) and web views (WebKit)."""
_CUT = 16
"""Octets of a process's name that Darwin keeps (MAXCOMLEN)."""
_MOST = 100
_V2 = 0x0008_0000
_PROCESS = re.compile(r"PID: (-?\d{1,10}), ProcName: (.{0,100}?), EPID: (-?\d{1,10}), EProcName: (.{0,100}?), SVC: ")
"""The comment of each packet that pymobiledevice3 writes."""
_UID = re.compile(r"u-(-?[0-9]{1,10})\Z")
"""How PCAPdroid's pcapng says whose packet it is."""


class App(NamedTuple):
    """What a frame says: a user id, a name, or both."""

    uid: int | None
    name: str | None


class Tapped(NamedTuple):
    """Apple's packet tap: octets of its header, the link type of what follows, and whose packet it is."""

    size: int
    link: int
    app: App | None


class Logged(NamedTuple):
    """Linux NFLOG: where the packet begins (None: there is none), and whose it is."""

    at: int | None
    app: App | None


def pcapdroid(data: bytes) -> App | None:
    """The trailer that PCAPdroid puts behind an Ethernet frame: magic, UID, name of the app.

    It stands behind the IP packet and at most three octets of padding, under addresses that are zero: octets that a
    server chose never stand there, so that nobody names an app but the one who captured."""
    if len(data) < 66 or data[-32:-28] != b"\x01\x07\x20\x21" or any(data[:12]):
        return None
    kind, size = data[12:14], int.from_bytes(data[16:18])
    if kind == b"\x86\xdd":
        size = 40 + int.from_bytes(data[18:20])
    if kind not in (b"\x08\x00", b"\x86\xdd") or not 0 <= len(data) - 32 - 14 - size <= 3:
        return None
    uid = struct.unpack(">i", data[-28:-24])[0]
    return App(uid, _text(data[-24:-4]))


def pktap(data: bytes) -> Tapped | None:
    """Header of Apple's packet tap, little-endian (``bsd/net/pktap.h`` of xnu). Version 1 has fixed places, version 2
    has a flag at the same place and names by their offsets."""
    if len(data) < 40:
        return None
    if struct.unpack_from("<I", data, 36)[0] & _V2:
        size, own, effective = data[0], data[4], data[5]
        link = struct.unpack_from("<H", data, 6)[0]
        pid, for_pid = struct.unpack_from("<ii", data, 28)
        if not 40 <= size <= len(data):
            return None
        names = [_text(data[at : min(at + 17, size)]) if 40 <= at < size else None for at in (own, effective)]
        return Tapped(size, link, process(pid, names[0], for_pid, names[1]))
    size, _, link = struct.unpack_from("<III", data)
    if not 12 <= size <= len(data):
        return None
    if size < 108:
        return Tapped(size, link, None)
    pid, for_pid = struct.unpack_from("<i", data, 52)[0], struct.unpack_from("<i", data, 84)[0]
    return Tapped(size, link, process(pid, _text(data[56:76]), for_pid, _text(data[88:108])))


def nflog(data: bytes) -> Logged:
    """Family, version and resource, then type-length-values padded to four octets in the byte order of the machine
    that captured (LINKTYPE_NFLOG): 9 is the packet, 11 the user id of its socket, big-endian."""
    found = _tlvs(data, "<")
    return found if found.at is not None else _tlvs(data, ">")


def _tlvs(data: bytes, order: str) -> Logged:
    at, app = 4, None
    head = struct.Struct(order + "HH")
    packet = None
    while at + 4 <= len(data):
        size, kind = head.unpack_from(data, at)
        if size < 4:
            break
        kind &= 0x7FFF
        if kind == 9 and at + 4 < len(data):
            packet = at + 4
        elif kind == 11 and size == 8 and at + 8 <= len(data):
            app = App(struct.unpack_from(">I", data, at + 4)[0], None)
        at += size + (-size % 4)
    return Logged(packet, app)


def of_frame(link: int, data: bytes) -> App | None:
    """What a frame of this link type says of its app, apart from PCAPdroid's trailer."""
    if link == 239:
        return nflog(data).app
    tapped = pktap(data) if link in (258, 149) else None
    return tapped.app if tapped is not None else None


def of_comment(comment: str, apps: Mapping[int, str] | None) -> App | None:
    """What a packet's comment says. ``apps``: the file's map of user ids."""
    found = _PROCESS.match(comment)
    if found is not None:
        return process(int(found[1]), found[2], int(found[3]), found[4])
    uid = pcapdroid_uid(comment)
    return App(uid, (apps or {}).get(uid)) if uid is not None else None


def pcapdroid_uid(comment: str) -> int | None:
    """The user id in a comment of PCAPdroid's."""
    found = _UID.match(comment)
    return int(found[1]) if found is not None else None


def process(pid: int, name: str | None, for_pid: int | None, for_name: str | None) -> App | None:
    """The process that a packet is of: the one that it is sent for, where that is told. The kernel (process 0) sends
    parts of anybody's conversation."""
    for number, one in ((for_pid, for_name), (pid, name)):
        one = (one or "").strip()[:_MOST]
        if number is not None and number > 0 and one and not _works_for_others(one):
            return App(None, one)
    return None


def _works_for_others(name: str) -> bool:
    return any(name == full or (len(name.encode()) == _CUT and full.startswith(name)) for full in FOR_OTHERS)


def _text(octets: bytes) -> str | None:
    return octets.split(b"\0")[0].decode("utf-8", "replace") or None


class Owner:
    """What all packets of a conversation say together. Where they contradict one another it is nobody's."""

    __slots__ = ("_said",)
    _MOST = 4

    def __init__(self) -> None:
        self._said: set[App] = set()

    def add(self, app: App) -> None:
        """A packet's word. A negative user id is PCAPdroid's for one that is not known."""
        if (app.uid is None or app.uid >= 0) and len(self._said) < self._MOST:
            self._said.add(app)

    @property
    def said(self) -> App | None:
        """The one app or user id that was named. Root's number may stand on what the kernel sends for anybody, and
        yields to another."""
        found = {a for a in self._said if a.uid != 0} or self._said
        uids, names = {a.uid for a in found} - {None}, {a.name for a in found} - {None}
        return App(next(iter(uids), None), next(iter(names), None)) if len(uids) < 2 and len(names) < 2 else None
