"""``events.jsonl`` of a capture folder: what has no flow in the proxy's dump.

Refusals, connections that were passed through unread, DNS answers, phase marks, the app in front. The form of the
lines is in ``docs/design.md``. Each line carries the hash of the line before it, so that a line that was changed,
taken out or put in shows. Refused and passed-through connections come out as flows of which nothing was read;
what a signal means, ``conclude`` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.folder import CHAIN_START, chain_hash
from analysis.model import InputError, Micros, Origin, token
from analysis.sources import Batch, Options, records
from analysis.sources.lines import EVENT_MOST, Line, layer_line, lines
from analysis.sources.records import EventLine, UnfitError, event_line
from analysis.sources.rows import (
    LONGEST_TEXT,
    Batches,
    Losses,
    Names,
    address,
    peer,
    port,
    stated_count,
    tls_version,
    valid,
    way,
)

KIND = "events"
_LONGEST_HANDSHAKE = 86_400_000
"""Milliseconds in a day."""
_FAR = 4e15
"""Microseconds by which no clock is set: more than from 1970 to today and back."""
_MOST_BREAKS = 100
"""Places where the chain breaks that are told one by one."""
UNREAD = ("encrypted", "sealed", "non_http", "relayed", "truncated", "unread", "ca_refused")


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The batches of an event file. Raises InputError when none of its lines can be read."""
    yield from _Reader(source, options).batches(path)


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """The octets of a line. Raises InputError when the file has no such line or layer."""
    if origin.layer == "line":
        return layer_line(path, origin.units[0]).raw
    raise InputError(f"{path} has no layer {origin.layer}: events carry no messages.")


@dataclass(slots=True)
class _Reader:
    source: str
    options: Options
    losses: Losses = field(init=False)
    names: Names = field(default_factory=Names)
    flows: int = 0
    breaks: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    passing: dict[str, tuple[Line, records.Connection, Micros | None, Micros | None]] = field(default_factory=dict)
    """By connection: what its last line said of it, as long as none says that it ended."""

    def __post_init__(self) -> None:
        self.losses = Losses(self.source)

    def batches(self, path: Path) -> Iterator[Batch]:
        batches = Batches(self.options)
        expected: str | None = CHAIN_START
        understood = done = 0
        for line in lines(path, self.options.ends.get(path), EVENT_MOST):
            done = line.done
            if line.torn and not self.options.sealed:
                break
            if not line.raw.strip():
                continue
            if line.value is None:
                self._unread(line)
            else:
                understood += 1
                if expected is not None and line.value.get("prev") != expected:
                    self._broken(line)
                try:
                    self._event(line, event_line(line.value), batches)
                except UnfitError as error:
                    self.losses.unfit(line.number, str(error), len(line.raw))
            expected = None if line.skipped else chain_hash(line.raw)
            if batches.full or len(self.events) >= 16 * max(self.options.batch, 1):
                yield self._take(batches, done)
        if not understood and self.options.sealed:
            raise InputError(f"{path} is no list of events: none of its lines can be read.")
        for passing in self.passing.values():
            batches.flow(self._flow(*passing))
        last = self._take(batches, done)
        last.names, last.losses = self.names.batch(), self.losses.all()
        yield last

    def _take(self, batches: Batches, done: int) -> Batch:
        batch = batches.take(done)
        batch.events, self.events = self.events, []
        return batch

    def _broken(self, line: Line) -> None:
        self.breaks += 1
        which = f"line {line.number + 1} does" if self.breaks <= _MOST_BREAKS else "further lines do"
        before = "the line before it" if self.breaks <= _MOST_BREAKS else "the lines before them"
        self.losses.add("chain_broken", f"{which} not follow from {before}", len(line.raw))

    def _unread(self, line: Line) -> None:
        if line.skipped:
            self.losses.add("line_unread", f"lines of more than {EVENT_MOST >> 20} MB", line.size)
        elif line.torn:
            self.losses.add("file_torn", "the last line breaks off", len(line.raw))
        else:
            self.losses.add("line_unread", "lines that are no JSON object", len(line.raw))

    def _event(self, line: Line, event: EventLine, batches: Batches) -> None:
        at, end = self.losses.time(event.at), self.losses.time(event.end)
        value = {**(line.value or {}), "at": at}
        if "end" in value:
            value["end"] = end
        match event:
            case records.Dns():
                self._dns(event, at)
                return
            case records.Lost():
                self._lost(event)
            case records.Clock() if event.step is not None:
                by = f"by {event.step / 1e6:+.1f} s" if abs(event.step) < _FAR else "to another time"
                self.losses.add("clock_set", f"the clock was set {by}: times before and after do not fit")
            case records.Connection():
                if event.type == "passing":
                    self.passing[_which(event)] = (line, event, at, end)
                    return
                if event.type == "connection":
                    self.passing.pop(_which(event), None)
                batches.flow(self._flow(line, event, at, end))
            case records.Socket():
                value = _socket(event, at)
                if not value["apps"] and value["uid"] is None:
                    where = "lines of the phone's sockets that name neither app nor user id"
                    self.losses.add("socket_unreadable", where)
            case records.Phase() if not (event.phase or "").strip():
                self.losses.add("phase_unnamed", "phases without a name: what followed stays in the phase before")
                return
        value.pop("prev", None)
        self.events.append(value)

    def _lost(self, event: records.Lost) -> None:
        """What the recorder could not write, by its own count."""
        cause = self._cause(event.cause)
        if connections := stated_count(event.connections):
            self.losses.add("not_taken", f"connections turned away while recording ({cause})", 0, connections)
        count = sum(stated_count(number) for number in (event.flows, event.messages, event.events))
        octets = stated_count(event.bytes)
        if count or octets or not connections:
            self.losses.add("not_recorded", f"could not be written while recording ({cause})", octets, count)

    def _cause(self, given: str | None) -> str:
        """The word that says why. What is no word is none of ours."""
        if given is None:
            return "not_stated"
        cause = token(given)
        if not cause:
            self.losses.add("word_unreadable", "causes that are no word: told as not stated")
        return cause or "not_stated"

    def _dns(self, event: records.Dns, at: Micros | None) -> None:
        """An answer: each address for the name asked for, and for each alias on the way."""
        name, resolver = _name(event.name), address(event.resolver)
        aliases = [event.cname] if isinstance(event.cname, str) else event.cname or []
        for one in event.addresses or []:
            found = address(one)
            if found is None:
                self.losses.add("address_unreadable", "DNS answers that hold no IP address")
                continue
            if name:
                self.names.add(found, name, "dns", at, resolver)
            for alias in map(_name, aliases):
                if alias and alias != name:
                    self.names.add(found, alias, "cname", at, resolver)

    def _flow(self, line: Line, event: records.Connection, at: Micros | None, end: Micros | None) -> dict[str, Any]:
        """A connection of which nothing was read, as a flow: all its octets are unread, and by which signal."""
        src, sport = peer(event.client)
        dst, dport = peer(event.server)
        dst, dport = dst or address(event.address), dport or port(event.port)
        host, sni = _name(event.host), _name(event.sni)
        name = sni or host
        if name and address(name) is not None:
            name, said_by = address(name) or name, "address"
        else:
            said_by = "sni" if sni else "stated"
        out, into = stated_count(event.bytes_out), stated_count(event.bytes_in)
        unread = event.kind if event.kind in UNREAD else _kind_of(event.type)
        unit, self.flows = self.flows, self.flows + 1
        cause, app = self._cause(event.cause), valid(event.app or "")[:LONGEST_TEXT] or None
        if name and dst and said_by == "sni":
            self.names.add(dst, name, "sni", at)
        took = event.tcp_ms
        return {
            "source": self.source,
            "unit": unit,
            "leg": self.options.leg or "phone",
            "way": way(event.way),
            "app": app,
            "app_from": "stated" if app else None,
            "transport": event.transport if event.transport in ("tcp", "udp") else "tcp",
            "src": src,
            "sport": sport,
            "dst": dst,
            "dport": dport,
            "first": at,
            "last": end or at,
            "bytes_out": out,
            "bytes_in": into,
            "bytes_read": 0,
            "tcp_ms": float(took) if took is not None and 0 < took < _LONGEST_HANDSHAKE else None,
            "handshake_at": self.losses.time(event.handshake_at),
            "host": name or dst,
            "host_from": said_by if name else "address" if dst else None,
            "tls": tls_version(_name(event.tls, lower=False)),
            "alpn": _name(event.alpn) or None,
            "decrypted": False,
            "unread": [
                {"kind": unread, "cause": cause, "bytes": out + into, "count": max(stated_count(event.count), 1)}
            ],
            "origin": str(Origin(self.source, (line.number,), "line", 0, len(line.raw))),
        }


def _which(event: records.Connection) -> str:
    """What tells connections apart: their id, else their ends."""
    return event.connection or repr([event.client, event.server, event.host])


def _socket(event: records.Socket, at: Micros | None) -> dict[str, Any]:
    """A line of the phone's socket table in one form: addresses as they stand in flows, what is unknown as None."""
    return {
        "type": "socket",
        "at": at,
        "uid": event.uid if event.uid is not None and 0 <= event.uid < 1 << 32 else None,
        "apps": sorted({valid(app)[:LONGEST_TEXT] for app in event.apps or [] if app}),
        "transport": "udp" if event.transport == "udp" else "tcp",
        "src": peer(event.src),
        "dst": peer(event.dst),
    }


def _kind_of(kind: str) -> str:
    return "unread" if kind == "refusal" else "sealed"


def _name(text: str | None, lower: bool = True) -> str:
    if not text:
        return ""
    text = valid(text)[:LONGEST_TEXT]
    return text.lower().rstrip(".") if lower else text
