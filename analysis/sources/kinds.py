"""Which kind a capture file is of, told by its content and never by its name."""

from __future__ import annotations

import json
import re
from pathlib import Path

from analysis.sources import connections
from analysis.sources.octets import Octets, Text

HEAD = 1 << 16
"""Octets of a file that tell its kind."""

_FEW = 24
"""Octets that every kind but text shows itself in."""
_LINES = 50
"""Lines among which one is looked for that tells the kind of a file of NDJSON."""
_PCAP = {
    b"\xa1\xb2\xc3\xd4",
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x4d\x3c\xb2\xa1",
    b"\xa1\xb2\xcd\x34",
    b"\x34\xcd\xb2\xa1",
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_FLOW = re.compile(rb"\d{1,12}:\d{1,12}:[a-z_]{2,20}[,;]")
"""A mitmproxy dump begins with a dictionary (a tnetstring), and that with the length of its first key."""
_LOG = re.compile(rb'"log"\s*:\s*\{')
_HAR_PART = re.compile(rb'"(?:entries|creator|browser|pages|version)"\s*:')
_ENTRY = re.compile(rb'"(?:startedDateTime|request)"\s*:')

_LIST = re.compile(rb"\s*\[\s*\{")
_CHARLES = (b'"protocolVersion"', b'"scheme"', b'"host"', b'"path"')
_ZIP = b"PK\x03\x04"
_SESSIONS = {
    ".chls": "a session of Charles in a form of its own: open it in Charles and export it as HAR (HTTP Archive), "
    "or save it as JSON session (.chlsj)",
    ".proxymansession": "a session of Proxyman in a form of its own: open it in Proxyman and export it as HAR",
    ".proxymanlog": "a log of Proxyman in a form of its own: open it in Proxyman and export it as HAR",
    ".proxymanlogv2": "a log of Proxyman in a form of its own: open it in Proxyman and export it as HAR",
}
"""Sessions that only their own tool reads, by the ending that it gives them: what to do with a file that is refused."""

_SIGNS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive: unpack it and give what is inside"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it and give what is inside"),
    (b"Rar!", "a RAR archive: unpack it and give what is inside"),
    (b"\xfd7zXZ\x00", "xz-compressed: unpack it with xz -d"),
    (b"BZh", "bzip2-compressed: unpack it with bzip2 -d"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed: unpack it with zstd -d"),
    (b"\x04\x22\x4d\x18", "LZ4-compressed: unpack it with lz4 -d"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (b"dex\n", "Android code (DEX)"),
    (b"PAR1", "a Parquet table"),
    (b"OggS", "an Ogg recording"),
    (b"ID3", "an MP3 recording"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM recording"),
    (b"snoop\x00\x00\x00", "a snoop packet capture: convert it with editcap -F pcapng"),
    (b"RTSS", "a Network Monitor capture: convert it with editcap -F pcapng"),
    (b"GMBU", "a Network Monitor capture: convert it with editcap -F pcapng"),
    (b"-----BEGIN ", "a PEM file (keys or certificates)"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)


def kind_of(path: Path) -> tuple[str, str]:
    """The kind of a file (har, charles, saz, mitmproxy, pcap, pcapng, events, messages, connections, other) and, for
    ``other``, what it looks like, as the end of a sentence. Raises InputError when it cannot be read."""
    head, compressed, torn = _head(path)
    if not head:
        return "other", "gzip-compressed, and damaged from its beginning" if torn else "empty"
    if head[:4] in _PCAP:
        return "pcap", ""
    if head[:4] == _PCAPNG:
        return "pcapng", ""
    if _FLOW.match(head):
        return "mitmproxy", ""
    if head.startswith(_ZIP):
        from analysis.sources import saz

        if saz.looks_like(path):
            return "saz", ""
    text = _as_text(path, head)
    if connections.begins(text.lstrip()):
        return connections.KIND, ""
    kind = _json_kind(text)
    if kind is not None:
        return kind, ""
    looks = _SESSIONS.get(path.suffix.lower()) if not compressed else None
    return "other", looks or ("gzip-compressed, and inside " if compressed else "") + _looks_like(head, text)


def may_become(path: Path) -> bool:
    """Whether what is there of a file that is still written is too little to tell its kind: a few octets, or one line
    of JSON that has no end yet. Raises InputError when it cannot be read."""
    head = _head(path)[0]
    return len(head) < _FEW or (head[:1] == b"{" and b"\n" not in head)


def _head(path: Path) -> tuple[bytes, bool, str | None]:
    """The first octets of a file, whether they were compressed, and why they end where they do before their end."""
    with Octets(path) as octets:
        raw = bytearray()
        while len(raw) < HEAD:
            chunk = octets.read()
            if not chunk:
                break
            raw += chunk
        return bytes(raw[:HEAD]), octets.compressed, octets.torn


def looks_like_har(head: bytes) -> bool:
    """True for the beginning of JSON whose ``log`` holds what a HAR's does."""
    if head.lstrip()[:1] != b"{":
        return False
    log = _LOG.search(head)
    return log is not None and (
        _HAR_PART.search(head, log.end()) is not None or _ENTRY.search(head, log.end()) is not None
    )


# ------------------------------------------------------------------------------------------- what it looks like


def _as_text(path: Path, head: bytes) -> bytes:
    """The head as UTF-8, whatever the encoding of the text; the head itself where it is no text."""
    if b"\0" in head[:4] or head[:3] == b"\xef\xbb\xbf" or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        with Octets(path) as octets:
            return Text(octets).read()[:HEAD]
    return head


def looks_like_charles(head: bytes) -> bool:
    """True for the beginning of a list of JSON objects with the keys that each of Charles' sessions has."""
    return _LIST.match(head) is not None and all(key in head for key in _CHARLES)


def _json_kind(head: bytes) -> str | None:
    if looks_like_har(head):
        return "har"
    if looks_like_charles(head):
        return "charles"
    lines = head.lstrip().split(b"\n")
    for line in lines[:_LINES]:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a line that is damaged tells of no other
        if not isinstance(said, dict):
            return None
        if (kind := _line_kind(said)) is not None:
            return kind
    return _torn_line_kind(lines[0]) if len(lines) == 1 else None


def _line_kind(said: dict[str, object]) -> str | None:
    if isinstance(said.get("type"), str) and "prev" in said:
        return "events"
    if isinstance(said.get("flow"), str) and ("type" in said or "direction" in said):
        return "messages"
    return None


def _torn_line_kind(line: bytes) -> str | None:
    """A first line that is longer than the head, or that breaks off."""
    if re.match(rb'\{\s*"type"\s*:\s*"\w+"', line) is None:
        return None
    if re.search(rb'"prev"\s*:\s*"[0-9a-f]*', line):
        return "events"
    return "messages" if re.search(rb'"flow"\s*:\s*"', line) else None


def _looks_like(head: bytes, text: bytes) -> str:
    for sign, name in _SIGNS:
        if head.startswith(sign):
            return name
    if head[4:8] == b"ftyp":
        return "an MP4 recording or HEIC picture"
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it and give what is inside"
    if not head.strip(b"\0"):
        return "nothing but zeros"
    start = text.lstrip()
    if start[:1] in (b"{", b"["):
        return _looks_like_json(start)
    if re.search(rb"(?m)^(?:CLIENT_RANDOM|CLIENT_TRAFFIC_SECRET_0|CLIENT_HANDSHAKE_TRAFFIC_SECRET) [0-9a-fA-F]", start):
        return "a TLS key log, which opens packets and holds none"
    if b"\0" in text[:4096] or _control_share(text[:4096]) > 0.1:
        return "binary data of no known form"
    return "text"


def _looks_like_json(start: bytes) -> str:
    line = start.partition(b"\n")[0]
    if re.search(rb'"type"\s*:\s*"(?:networkActivity|access)"', line) and line.rstrip().endswith(b"}"):
        return "an App Privacy Report of iOS, which this Lintas does not read"
    if len(start) < HEAD - 16:
        try:
            value = json.loads(start)
        except (ValueError, RecursionError):
            return "JSON that is damaged and shows no HAR"
        if isinstance(value, dict) and "log" in value:
            return "JSON whose log holds no entries as a HAR's does"
    return "JSON that is no HAR"


def _control_share(head: bytes) -> float:
    odd = sum(b < 9 or 13 < b < 32 for b in head)
    return odd / max(len(head), 1)
