"""Fiddler's archive of sessions (``.saz``): a ZIP of raw requests, raw answers and what Fiddler noted of each. Each
session is read as the entry that it would be in a HAR, its octets as they were.

``raw/N_c.txt`` is what the client sent, ``N_s.txt`` what came back, ``N_m.xml`` times and flags (docs.telerik.com,
"Fiddler Archives (SAZ)"; fiddler.wikidot.com, "SAZ Files"); bits of ``BitFlags`` are those of Fiddler's
``SessionFlags``. Members are inflated in memory, never onto the disk, by name of this form alone, and no further than
the limits below; of the XML only attributes are looked at, and no parser runs.
"""

from __future__ import annotations

import html
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis import budget
from analysis.model import InputError, Loss, Message, Origin
from analysis.sources import Batch, Options
from analysis.sources import har_fields as fields
from analysis.sources.har import Reader, layer_of
from analysis.sources.har_entries import Entry, Parsed, Splitter
from analysis.sources.har_way import CONNECTED, OWN_ANSWER, UNSENT
from analysis.sources.rows import Losses

KIND = "saz"

_MEMBER = re.compile(r"(?:\./|/)?raw[/\\](\d{1,9})_([csmw])\.(?:txt|xml)", re.IGNORECASE)
_MOST_MEMBERS = 200_000
_MOST_DIRECTORY = 32 << 20
"""Members of an archive, and octets of its directory, beyond which it is refused."""
_MOST_NOTES = 1 << 20
_MOST_HEAD = 1 << 20
_FREE = 8 << 20
_TIMES = 20
"""Octets that all members may inflate to, and how often the archive's size they may beyond: text inflates to ten times
at most, and what is more is no traffic."""
_MOST_CHUNKS = 500_000
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,200}\r?\n")
_HTTPS, _OF_FIDDLER, _ANSWERED_BY_FIDDLER, _TUNNELS, _CACHE = 1, 128, 256, 4096 | 8192, 16384


def looks_like(path: Path) -> bool:
    """True for a ZIP with a member that a session of Fiddler has."""
    try:
        with _open(path) as archive:
            return any(_MEMBER.fullmatch(info.filename) for info in archive.infolist())
    except (InputError, zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The batches of an archive. Raises InputError when it cannot be opened, holds no session, or is protected."""
    with _Archive(path, options.max_body) as sessions:
        for batch in Reader(source, options).batches(sessions, sessions, path):
            batch.losses += sessions.lost(source)
            for message in batch.messages:
                message.allowance = budget.packed(message, sessions.stored(message))
            yield batch


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """As ``har.layer_bytes``. Raises InputError when the file has no such unit or layer."""
    with _Archive(path, 1 << 40) as sessions:
        return layer_of(sessions, path, origin)


def _open(path: Path) -> zipfile.ZipFile:
    """The archive, its directory not larger than is read. Raises InputError."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(size - (1 << 16) - 100, 0))
            tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at >= 0 and len(tail) >= at + 22:
            count, octets = struct.unpack("<HI", tail[at + 10 : at + 16])
            wide = tail.rfind(b"PK\x06\x06", 0, at)
            if wide >= 0 and len(tail) >= wide + 48:
                count, octets = struct.unpack("<QQ", tail[wide + 32 : wide + 48])
            if count > _MOST_MEMBERS or octets > _MOST_DIRECTORY:
                raise InputError(f"{path} holds {count:,} members, which is more than Lintas reads of an archive.")
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise InputError(f"{path} is a damaged ZIP archive; save it again.") from error


@dataclass(slots=True)
class _Session:
    number: int
    members: dict[str, zipfile.ZipInfo] = field(default_factory=dict)


class _Archive(Splitter):
    """The sessions of an archive, in the order of their numbers, as entries; also the stream that they come from."""

    form = "archive of Fiddler: it has no sessions"
    creator = "fiddler"

    def __init__(self, path: Path, max_body: int) -> None:
        self.found = self.closed = True
        self.stray = self.over = 0
        self.plain, self.skipped = True, 0
        self.done = 0
        self.torn = None
        self._max_body = max_body
        self._losses: Losses | None = Losses("")
        self._zip = _open(path)
        self._budget = _FREE + _TIMES * path.stat().st_size if max_body < 1 << 40 else 1 << 50
        sessions: dict[int, _Session] = {}
        unknown = 0
        for info in self._zip.infolist():
            name = _MEMBER.fullmatch(info.filename)
            if name is None:
                unknown += not info.is_dir() and info.filename.lower() not in ("_index.htm", "[content_types].xml")
                continue
            number = int(name[1])
            session = sessions.setdefault(number, _Session(number))
            if session.members.setdefault(name[2].lower(), info) is not info:
                self._lose("member_repeated", "members of the archive that stand in it twice", info)
        self._sessions = [sessions[n] for n in sorted(sessions)]
        members = [m for s in self._sessions for m in s.members.values()]
        if members and all(m.flag_bits & 1 for m in members):
            raise InputError(f"{path} is protected by a password; save it without one, or export it as HAR.")
        for _ in range(unknown):
            self._lose("member_unread", "members of the archive that belong to no session")

    def __enter__(self) -> _Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def __iter__(self) -> Iterator[Entry]:
        for place, session in enumerate(self._sessions):
            info = next(iter(session.members.values()))
            self.done = info.header_offset
            yield Entry("entries", str(place).encode(), info.header_offset, info.compress_size)

    def stored(self, message: Message) -> int:
        """Octets that the archive spends on a message."""
        member = self._sessions[message.origin.units[0]].members.get("s" if message.kind == "response" else "c")
        return member.compress_size if member is not None else 0

    def lost(self, source: str) -> list[Loss]:
        """What was lost of members since this was last asked."""
        gone = self._losses.all() if self._losses is not None else []
        self._losses = Losses(source)
        return [Loss(source, loss.kind, loss.count, loss.bytes, loss.where) for loss in gone]

    def parse(self, entry: Entry) -> Parsed:
        session = self._sessions[int(entry.raw)]
        asked, came = session.members.get("c"), session.members.get("s")
        notes = session.members.get("m")
        if "w" in session.members:
            self._lose("message_unread", "WebSocket messages in a form of Fiddler's own", session.members["w"])
        question = self._octets(asked, self._max_body + _MOST_HEAD) if asked is not None else None
        if question is None:
            return Parsed(None)
        answer = self._octets(came, self._max_body + _MOST_HEAD) if came is not None else None
        about = self._octets(notes, _MOST_NOTES) if notes is not None else None
        return Parsed(_entry(question, answer or b"", _Notes.of(about or b"")))

    def _octets(self, info: zipfile.ZipInfo, limit: int) -> bytes | None:
        """A member, as far as it may inflate; None where it cannot be read at all."""
        limit = min(limit, self._budget)
        made = bytearray()
        try:
            with self._zip.open(info) as member:
                while len(made) <= limit and (chunk := member.read(min(1 << 16, limit + 1 - len(made)))):
                    made += chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError):
            self._lose("member_damaged", "members of the archive that cannot be read whole", info)
            if not made:
                return None
        self._budget -= min(len(made), limit)
        if len(made) > limit:
            self._lose("member_limit", "members of the archive that inflate to more than is held", info)
            del made[limit:]
        return bytes(made)

    def _lose(self, kind: str, where: str, info: zipfile.ZipInfo | None = None) -> None:
        assert self._losses is not None
        self._losses.add(kind, where, info.compress_size if info is not None else 0)


@dataclass(frozen=True, slots=True)
class _Notes:
    """What Fiddler noted of a session: attributes of its times, flags, and bits."""

    times: dict[str, str]
    flags: dict[str, str]
    bits: int

    @classmethod
    def of(cls, xml: bytes) -> _Notes:
        text = xml.decode("utf-16" if xml[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")
        timers = re.search(r"<SessionTimers\b([^<>]*)", text)
        bits = re.search(r"<Session\b[^<>]*\bBitFlags\s*=\s*[\"']([0-9A-Fa-fx]{1,10})[\"']", text)
        flags = re.finditer(
            r"<SessionFlag\b[^<>]{0,100}?\bN\s*=\s*\"([^\"<]{1,100})\"\s+V\s*=\s*\"([^\"<]{0,1000})\"", text
        )
        written = bits[1] if bits is not None else "0"
        return cls(
            dict(re.findall(r"(\w{1,40})\s*=\s*[\"']([^\"']{0,60})[\"']", timers[1])) if timers is not None else {},
            {m[1].lower(): html.unescape(m[2]) for m in flags},
            int(written, 16) if written.lower().startswith("0x") else int(written) if written.isdigit() else 0,
        )

    def at(self, name: str) -> str | None:
        """A moment; None where Fiddler writes that it never came (the year 1)."""
        value = self.times.get(name)
        return None if value is None or value.startswith("0001-") else value


def _entry(question: bytes, answer: bytes, notes: _Notes) -> dict[str, Any]:
    line, headers, body = _parts(question)
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not version.upper().startswith("HTTP/"):
        target, version = rest, ""
    if not target.partition("://")[1] and method.upper() != "CONNECT":
        host = next((v for n, v in headers if n.lower() == "host"), "")
        target = f"{'https' if notes.bits & _HTTPS else 'http'}://{host}{target}"
    began = notes.at("ClientBeginRequest") or notes.at("ClientConnected")
    made: dict[str, Any] = {
        "startedDateTime": began,
        "time": _span(began, notes.at("ClientDoneResponse") or notes.at("ServerDoneResponse")),
        "serverIPAddress": notes.flags.get("x-hostip", ""),
        "_lintas_client": notes.flags.get("x-clientip", ""),
        "_process": notes.flags.get("x-processinfo", "").rpartition(":")[0],
        "request": {
            "method": method,
            "url": target,
            "httpVersion": version,
            "headers": headers,
            "postData": {fields.RAW: _whole(body, headers)},
        },
        CONNECTED: True if notes.at("ServerGotRequest") else None,
    }
    made["response"] = _response(answer)
    if notes.bits & _ANSWERED_BY_FIDDLER:
        made[OWN_ANSWER] = True
    if method.upper() == "CONNECT" or notes.bits & _TUNNELS:
        made[UNSENT] = "tunnel"
    elif notes.bits & _OF_FIDDLER:
        made[UNSENT] = "replayed"
    elif notes.bits & _CACHE:
        made[UNSENT] = "cache"
    return made


def _response(answer: bytes) -> dict[str, Any]:
    if not answer.strip():
        return {}
    line, headers, body = _parts(answer)
    version, _, rest = line.partition(" ")
    return {
        "status": rest.partition(" ")[0],
        "httpVersion": version,
        "headers": headers,
        "content": {fields.RAW: _whole(body, headers)},
    }


def _parts(octets: bytes) -> tuple[str, list[list[str]], bytes]:
    """Start line, header fields and body of an HTTP/1 message (RFC 9112 section 2.1)."""
    found = re.search(rb"\r?\n\r?\n", octets[: _MOST_HEAD + 4])
    head, body = (octets[: found.start()], octets[found.end() :]) if found is not None else (octets[:_MOST_HEAD], b"")
    lines = [line.decode("utf-8", "surrogateescape") for line in re.split(rb"\r?\n", head)]
    pairs = [line.partition(":") for line in lines[1:] if ":" in line]
    return lines[0].strip(), [[name.strip(), value.strip()] for name, _, value in pairs], body


def _whole(body: bytes, headers: list[list[str]]) -> bytes:
    """A body without its transfer coding: chunked, where it is told and still there (RFC 9112 section 7.1)."""
    coding = next((v for n, v in headers if n.lower() == "transfer-encoding"), "")
    if "chunked" not in coding.lower():
        return body
    made, at = bytearray(), 0
    for _ in range(_MOST_CHUNKS):
        size = _CHUNK.match(body, at)
        if size is None:
            break
        octets = int(size[1], 16)
        if octets == 0:
            return bytes(made)
        made += body[size.end() : size.end() + octets]
        at = size.end() + octets
        at += 2 if body[at : at + 2] == b"\r\n" else body[at : at + 1] == b"\n"
    return bytes(made) if made else body


def _span(began: str | None, ended: str | None) -> float | None:
    first, last = fields.started(began).at, fields.started(ended).at
    return None if first is None or last is None or last < first else (last - first) / 1000
