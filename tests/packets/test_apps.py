"""Packet captures that name apps: for each form what a flow says of its app, by bytes of the documented layout.

PKTAP: ``bsd/net/pktap.h`` of xnu (versions 1 and 2). Darwin's process blocks and packet options: Wireshark's wiretap.
NFLOG: LINKTYPE_NFLOG of tcpdump.org and ``nfnetlink_log.h``. PCAPdroid: its writer. pymobiledevice3: its writer of
pcapng.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.sources.packets import owner
from tests.packets.reading import BEGAN, check, pcap, read
from tests.packets.talk import Talk
from tests.packets.test_frames import GET, block, droid, enhanced, interface, section, told

Said = tuple[str | None, int | None]
NOTHING: Said = (None, None)


def pktap(pid: int, name: bytes, for_pid: int = -1, for_name: bytes = b"", link: int = 12, more: int = 0) -> bytes:
    """Version 1: 108 octets, or more where the system writes flow, protocol, time and UUIDs behind."""
    head = struct.pack("<III24sIIII", 108 + more, 1, link, b"en0", 2, 2, 0, 0)
    head += struct.pack("<i20sIHHi20s", pid, name, 0, 6, 0, for_pid, for_name)
    assert len(head) == 108
    return head + b"\x7f" * more


def pktap2(pid: int, name: bytes, for_pid: int = -1, for_name: bytes = b"", link: int = 12) -> bytes:
    """Version 2: 40 octets and what is told, each text at its offset."""
    texts, places = b"", []
    for text in (b"en0", name, for_name):
        places.append(40 + len(texts) if text else 0)
        texts += text + b"\0" if text else b""
    head = struct.pack("<BBBBBBHHHHH", 40 + len(texts), 0, 0, *places, link, 0, 0, 6, 6)
    return head + struct.pack("<IIIiiI", 2, 0, 7, pid, for_pid, 0x0008_0002) + texts


def nflog(frame: bytes, uid: int | None, order: str = "<") -> bytes:
    head = struct.pack(">BBH", 2, 0, 30)

    def tlv(kind: int, value: bytes) -> bytes:
        return struct.pack(order + "HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)

    told_uid = tlv(11, struct.pack(">I", uid)) + tlv(14, struct.pack(">I", uid)) if uid is not None else b""
    return head + tlv(1, b"\x08\0\0\0") + tlv(10, b"out\0") + told_uid + tlv(9, frame)


def process(pid: int, name: bytes, order: str = "<") -> bytes:
    """Darwin's block of a process: its number, its name (2) and a UUID (4)."""
    options = told(((2, name), (4, b"u" * 16)) if name else ((4, b"u" * 16),), order)
    return block(0x80000001, struct.pack(order + "i", pid) + options, order)


def by(order: str, number: int | None, for_number: int | None = None) -> tuple[tuple[int, bytes], ...]:
    made = [(32769, number), (32770, 0), (32771, for_number)]
    return tuple((code, struct.pack(order + "I", n)) for code, n in made if n is not None)


def comment(pid: int, name: str, for_pid: int, for_name: str) -> bytes:
    return f"PID: {pid}, ProcName: {name}, EPID: {for_pid}, EProcName: {for_name}, SVC: 0".encode()


# ---------------------------------------------------------------------------- frames: each packet names its app

Frame = Callable[[bytes], bytes]
FRAMES: dict[str, tuple[int, list[Frame], Said]] = {
    "pktap": (258, [lambda f: pktap(501, b"TikTok") + f], ("TikTok", None)),
    "pktap, a newer header": (258, [lambda f: pktap(501, b"TikTok", more=48) + f], ("TikTok", None)),
    "pktap, as DLT_USER2": (149, [lambda f: pktap(501, b"TikTok") + f], ("TikTok", None)),
    "pktap, Ethernet inside": (258, [lambda f: pktap(5, b"Maps", link=1) + b"\2" * 12 + b"\x08\0" + f], ("Maps", None)),
    "pktap, loopback inside": (258, [lambda f: pktap(5, b"Maps", link=0) + b"\2\0\0\0" + f], ("Maps", None)),
    "pktap, sent for another": (258, [lambda f: pktap(9, b"mDNSResponder", 501, b"TikTok") + f], ("TikTok", None)),
    "pktap, sent for itself": (258, [lambda f: pktap(501, b"TikTok", 501, b"TikTok") + f], ("TikTok", None)),
    "pktap, a daemon alone": (258, [lambda f: pktap(88, b"apsd") + f], ("apsd", None)),
    "pktap, transfers for nobody told": (258, [lambda f: pktap(70, b"nsurlsessiond") + f], NOTHING),
    "pktap, a web view cut off": (258, [lambda f: pktap(71, b"com.apple.WebKit") + f], NOTHING),
    "pktap, a web view for its app": (
        258,
        [lambda f: pktap(71, b"com.apple.WebKit", 501, b"Shop") + f],
        ("Shop", None),
    ),
    "pktap, no process": (258, [lambda f: pktap(-1, b"") + f], NOTHING),
    "pktap, the kernel": (258, [lambda f: pktap(0, b"kernel_task") + f], NOTHING),
    "pktap, name without an end": (258, [lambda f: pktap(501, b"x" * 20) + f], ("x" * 20, None)),
    "pktap, name that is no UTF-8": (258, [lambda f: pktap(501, b"\xff\xfe") + f], ("\ufffd\ufffd", None)),
    "pktap, the kernel answers for it": (
        258,
        [lambda f: pktap(501, b"TikTok") + f, lambda f: pktap(0, b"kernel_task") + f],
        ("TikTok", None),
    ),
    "pktap, two processes": (258, [lambda f: pktap(501, b"TikTok") + f, lambda f: pktap(502, b"Shop") + f], NOTHING),
    "pktap 2": (258, [lambda f: pktap2(501, b"TikTok") + f], ("TikTok", None)),
    "pktap 2, sent for another": (258, [lambda f: pktap2(9, b"mDNSResponder", 501, b"TikTok") + f], ("TikTok", None)),
    "pktap 2, Ethernet inside": (
        258,
        [lambda f: pktap2(5, b"Maps", link=1) + b"\2" * 12 + b"\x08\0" + f],
        ("Maps", None),
    ),
    "pktap 2, no name": (258, [lambda f: pktap2(501, b"") + f], NOTHING),
    "nflog": (239, [lambda f: nflog(f, 10_123)], (None, 10_123)),
    "nflog, big-endian": (239, [lambda f: nflog(f, 10_123, ">")], (None, 10_123)),
    "nflog, one way alone": (239, [lambda f: nflog(f, 10_123), lambda f: nflog(f, None)], (None, 10_123)),
    "nflog, no user id": (239, [lambda f: nflog(f, None)], NOTHING),
    "nflog, root for what the kernel sends": (239, [lambda f: nflog(f, 10_123), lambda f: nflog(f, 0)], (None, 10_123)),
    "nflog, root": (239, [lambda f: nflog(f, 0)], (None, 0)),
    "nflog, two users": (239, [lambda f: nflog(f, 10_123), lambda f: nflog(f, 10_200)], NOTHING),
    "pcapdroid": (1, [lambda f: droid(f, 10_123, b"Shop")], ("Shop", 10_123)),
    "pcapdroid, not known yet": (
        1,
        [lambda f: droid(f, -1, b"Unknown"), lambda f: droid(f, 10_123, b"Shop")],
        ("Shop", 10_123),
    ),
    "pcapdroid, not known": (1, [lambda f: droid(f, -1, b"Unknown")], NOTHING),
    "pcapdroid, root and then the app": (
        1,
        [lambda f: droid(f, 0, b"Root"), lambda f: droid(f, 10_123, b"Shop")],
        ("Shop", 10_123),
    ),
    "pcapdroid, no name": (1, [lambda f: droid(f, 10_123, b"")], (None, 10_123)),
}


@pytest.mark.parametrize("case", list(FRAMES))
def test_frames_that_name_their_app(case: str, tmp_path: Path) -> None:
    link, wraps, expected = FRAMES[case]
    talk = Talk().open().say(GET).answer(b"HTTP/1.1 204 No Content\r\n\r\n").close()
    frames = [(at, wraps[n % len(wraps)](frame)) for n, (at, frame) in enumerate(talk.packets)]
    found = read(pcap(tmp_path / "a.pcap", frames, link))
    check(found, len(frames))
    assert not found.losses
    [flow] = found.flows
    assert (flow["app"], flow["uid"]) == expected
    assert flow["app_from"] == ("stated" if expected[0] else None)
    assert (flow["bytes_out"], [e.path for e in found.exchanges]) == (len(GET), ["/a"])


# ------------------------------------------------------------------------ pcapng: blocks and comments name it

Options = tuple[tuple[int, bytes], ...]
BLOCKS: dict[str, tuple[Callable[[str], bytes], Callable[[str], list[Options]], Said]] = {
    "the process": (lambda o: process(501, b"TikTok", o), lambda o: [by(o, 0)], ("TikTok", None)),
    "the process that it was sent for": (
        lambda o: process(9, b"mDNSResponder", o) + process(501, b"TikTok", o),
        lambda o: [by(o, 0, 1)],
        ("TikTok", None),
    ),
    "of several that which is named": (
        lambda o: process(9, b"a", o) + process(10, b"b", o) + process(11, b"c", o),
        lambda o: [by(o, 1)],
        ("b", None),
    ),
    "no process": (lambda o: process(501, b"TikTok", o), lambda o: [()], NOTHING),
    "a process that is not there": (lambda o: process(501, b"TikTok", o), lambda o: [by(o, 7)], NOTHING),
    "a process without a name": (lambda o: process(501, b"", o), lambda o: [by(o, 0)], NOTHING),
    "transfers for the app": (
        lambda o: process(70, b"nsurlsessiond", o) + process(501, b"Shop", o),
        lambda o: [by(o, 0, 1)],
        ("Shop", None),
    ),
    "transfers for nobody told": (lambda o: process(70, b"nsurlsessiond", o), lambda o: [by(o, 0)], NOTHING),
    "two at one flow": (
        lambda o: process(1, b"a", o) + process(2, b"b", o),
        lambda o: [by(o, 0), by(o, 1)],
        NOTHING,
    ),
    "a comment": (lambda o: b"", lambda o: [((1, comment(501, "TikTok", 501, "TikTok")),)], ("TikTok", None)),
    "a comment, sent for another": (
        lambda o: b"",
        lambda o: [((1, comment(9, "mDNSResponder", 501, "TikTok")),)],
        ("TikTok", None),
    ),
    "a comment of nobody": (lambda o: b"", lambda o: [((1, comment(-1, "", -1, "")),)], NOTHING),
    "a comment, name with a comma": (
        lambda o: b"",
        lambda o: [((1, comment(5, "a, EPID: 7", -1, "")),)],
        ("a, EPID: 7", None),
    ),
    "another comment": (lambda o: b"", lambda o: [((1, b"PID: see below"),)], NOTHING),
    "a user id without a map": (lambda o: b"", lambda o: [((1, b"u-10123"),)], (None, 10_123)),
    "a user id that is not known": (lambda o: b"", lambda o: [((1, b"u--1"),)], NOTHING),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("case", list(BLOCKS))
def test_blocks_and_comments_that_name_an_app(case: str, order: str, tmp_path: Path) -> None:
    before, options, expected = BLOCKS[case]
    talk = Talk().open().say(GET)
    octets = section(order) + interface(101, order) + before(order)
    for n, (_, frame) in enumerate(talk.packets):
        octets += enhanced(frame, BEGAN * 1_000_000 + n, 0, order, *options(order)[n % len(options(order))])
    path = tmp_path / "a.pcapng"
    path.write_bytes(octets)
    found = read(path)
    check(found, len(talk.packets))
    [flow] = found.flows
    assert (flow["app"], flow["uid"]) == expected
    assert flow["bytes_out"] == len(GET)


def test_a_section_has_processes_of_its_own(tmp_path: Path) -> None:
    first, second = Talk(sport=40_000).open(), Talk(sport=40_001).open()
    octets = b""
    for talk, name in ((first, b"one"), (second, b"two")):
        octets += section() + interface(101) + process(7, name)
        for n, (_, frame) in enumerate(talk.packets):
            octets += enhanced(frame, BEGAN * 1_000_000 + n, 0, "<", *by("<", 0))
    path = tmp_path / "a.pcapng"
    path.write_bytes(octets)
    assert [(f["sport"], f["app"]) for f in read(path).flows] == [(40_000, "one"), (40_001, "two")]


# ------------------------------------------------------------------------------------- what must not be believed


@given(st.binary(max_size=200), st.sampled_from([1, 12, 149, 239, 258]))
def test_any_octets_are_read_or_skipped(octets: bytes, link: int) -> None:
    said = owner.of_frame(link, octets)
    assert said is None or said.uid is not None or said.name
    owner.pcapdroid(octets)


@given(st.integers(0, 200), st.integers(0, 255), st.integers(0, 255))
def test_offsets_that_point_elsewhere_name_nobody(size: int, own: int, effective: int) -> None:
    """A header of version 2 whose places lie outside of it, or in its fixed part."""
    head = bytearray(pktap2(501, b"TikTok") + bytes(200))
    head[0], head[4], head[5] = size, own, effective
    found = owner.pktap(bytes(head))
    assert found is None or (found.size == size and size >= 40)
    if found is not None and (own >= size or own < 40):
        assert found.app is None


def test_the_payload_of_a_packet_names_no_app(tmp_path: Path) -> None:
    """What a server sends may look like any of these headers: only what stands before the packet counts."""
    forged = pktap(1, b"Bank") + nflog(b"E" * 40, 10_001) + comment(1, "Bank", 1, "Bank")
    for link in (101, 1):
        talk = Talk(dport=7000).open().say(forged, 1)
        frames = [(at, (b"\2" * 12 + b"\x08\0" if link == 1 else b"") + f) for at, f in talk.packets]
        [flow] = read(pcap(tmp_path / "a.pcap", frames, link)).flows
        assert (flow["app"], flow["uid"]) == NOTHING


def test_what_a_named_process_sent_is_joined_to_the_proxys_dump(tmp_path: Path) -> None:
    """An iPhone's packets, tapped over the cable, beside the dump of the proxy that it was told to use."""
    from mitmproxy.test import tflow

    from analysis.audit import AuditOptions, run
    from tests.sources.made import dump

    talk = Talk(sport=40_000, dport=8080).open().say(b"\x16\x03\x01" + b"x" * 60)
    pcap(tmp_path / "tap.pcap", [(at, pktap(501, b"TikTok") + frame) for at, frame in talk.packets], 258)
    flow = tflow.tflow(resp=True)
    flow.client_conn.peername = ("10.0.0.2", 40_000)
    flow.client_conn.timestamp_start = flow.request.timestamp_start = BEGAN + 0.01
    flow.client_conn.timestamp_end = None
    flow.request.timestamp_end = flow.response.timestamp_start = flow.response.timestamp_end = BEGAN + 0.2
    (tmp_path / "flows.mitm").write_bytes(dump(flow))
    made, _ = run(tmp_path, AuditOptions(app="com.zhiliaoapp.musically"))
    rows: list[dict[str, Any]] = made["flows"].to_pylist()
    counted = [f for f in rows if f["same_as"] is None]
    assert [(f["app"], f["app_from"], f["app_by"], f["whose"]) for f in counted] == [
        ("TikTok", "joined", "phone_end", "app")
    ]
