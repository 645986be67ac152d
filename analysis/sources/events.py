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
from analysis.model import InputError, Origin, token
from analysis.sources import Batch, Options
from analysis.sources.lines import EVENT_MOST, Line, layer_line, lines
from analysis.sources.rows import (
    LONGEST_TEXT,
    Batches,
    Losses,
    Names,
    address,
    peer,
    plausible,
    stated_count,
    time_of,
    tls_version,
    valid,
    way,
)

KIND = "events"
_LONGEST_HANDSHAKE = 86_400_000
"""Milliseconds in a day."""
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
    passing: dict[str, tuple[Line, dict[str, Any]]] = field(default_factory=dict)
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
                self._event(line, line.value, batches)
            expected = None if line.skipped else chain_hash(line.raw)
            if batches.full or len(self.events) >= 16 * max(self.options.batch, 1):
                yield self._take(batches, done)
        if not understood and self.options.sealed:
            raise InputError(f"{path} is no list of events: none of its lines can be read.")
        for line, value in self.passing.values():
            batches.flow(self._flow(line, value, "connection"))
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

    def _event(self, line: Line, value: dict[str, Any], batches: Batches) -> None:
        value = dict(value)
        value["at"] = time_of(value.get("at"))
        if "end" in value:
            value["end"] = time_of(value["end"])
        kind = value.get("type")
        if kind == "dns":
            self._dns(value)
            return
        if kind == "lost":
            self._lost(value)
        elif kind == "clock" and (step := value.get("step")) is not None:
            far = isinstance(step, int) and not isinstance(step, bool) and plausible(abs(step))
            told = f"by {step / 1e6:+.1f} s" if far else "to another time"
            self.losses.add("clock_set", f"the clock was set {told}: times before and after do not fit")
        if kind == "passing":
            self.passing[_which(value)] = (line, value)
            return
        if kind in ("refusal", "connection"):
            if kind == "connection":
                self.passing.pop(_which(value), None)
            batches.flow(self._flow(line, value, str(kind)))
        if kind == "socket":
            value = _socket(value)
            if not value["apps"] and value["uid"] is None:
                self.losses.add("socket_unreadable", "lines of the phone's sockets that name neither app nor user id")
        if kind == "phase" and not (isinstance(value.get("phase"), str) and value["phase"].strip()):
            self.losses.add("phase_unnamed", "phases without a name: what followed stays in the phase before")
            return
        value.pop("prev", None)
        self.events.append(value)

    def _lost(self, value: dict[str, Any]) -> None:
        """What the recorder could not write, by its own count."""
        cause = self._cause(value)
        count = sum(stated_count(value.get(kind)) for kind in ("flows", "messages", "events"))
        self.losses.add(
            "not_recorded", f"could not be written while recording ({cause})", stated_count(value.get("bytes")), count
        )

    def _cause(self, value: dict[str, Any]) -> str:
        """The word that says why. What is no word is none of ours."""
        given = value.get("cause")
        if given is None:
            return "not_stated"
        said = token(given) if isinstance(given, str) else ""
        if not said:
            self.losses.add("word_unreadable", "causes that are no word: told as not stated")
        return said or "not_stated"

    def _dns(self, value: dict[str, Any]) -> None:
        """An answer: each address for the name asked for, and for each alias on the way."""
        name, at = _name(value.get("name")), value["at"]
        resolver = address(value.get("resolver"))
        aliases = value.get("cname")
        aliases = [aliases] if isinstance(aliases, str) else aliases if isinstance(aliases, list) else []
        given = value.get("addresses")
        for one in given if isinstance(given, list) else []:
            found = address(one)
            if found is None:
                self.losses.add("address_unreadable", "DNS answers that hold no IP address")
                continue
            if name:
                self.names.add(found, name, "dns", at, resolver)
            for alias in map(_name, aliases):
                if alias and alias != name:
                    self.names.add(found, alias, "cname", at, resolver)

    def _flow(self, line: Line, value: dict[str, Any], kind: str) -> dict[str, Any]:
        """A connection of which nothing was read, as a flow: all its octets are unread, and by which signal."""
        src, sport = peer(value.get("client"))
        dst, dport = peer(value.get("server"))
        dst = dst or address(value.get("address"))
        dport = dport or peer(["", value.get("port")])[1]
        host, sni = _name(value.get("host")), _name(value.get("sni"))
        name = sni or host
        if name and address(name) is not None:
            name, said_by = address(name) or name, "address"
        else:
            said_by = "sni" if sni else "stated"
        out, into = stated_count(value.get("bytes_out")), stated_count(value.get("bytes_in"))
        unread = value.get("kind") if value.get("kind") in UNREAD else _kind_of(kind)
        unit, self.flows = self.flows, self.flows + 1
        cause = self._cause(value)
        if name and dst and said_by == "sni":
            self.names.add(dst, name, "sni", value["at"])
        return {
            "source": self.source,
            "unit": unit,
            "leg": self.options.leg or "phone",
            "way": way(value.get("way")),
            "app": valid(value["app"])[:LONGEST_TEXT] if isinstance(value.get("app"), str) and value["app"] else None,
            "app_from": "stated" if isinstance(value.get("app"), str) and value["app"] else None,
            "transport": value.get("transport") if value.get("transport") in ("tcp", "udp") else "tcp",
            "src": src,
            "sport": sport,
            "dst": dst,
            "dport": dport,
            "first": value["at"],
            "last": value.get("end") or value["at"],
            "bytes_out": out,
            "bytes_in": into,
            "bytes_read": 0,
            "tcp_ms": _milliseconds(value.get("tcp_ms")),
            "handshake_at": time_of(value.get("handshake_at")),
            "host": name or dst,
            "host_from": said_by if name else "address" if dst else None,
            "tls": tls_version(_name(value.get("tls"), lower=False)),
            "alpn": _name(value.get("alpn")) or None,
            "decrypted": False,
            "unread": [
                {"kind": unread, "cause": cause, "bytes": out + into, "count": max(stated_count(value.get("count")), 1)}
            ],
            "origin": str(Origin(self.source, (line.number,), "line", 0, len(line.raw))),
        }


def _which(value: dict[str, Any]) -> str:
    """What tells connections apart: their id, else their ends."""
    known = value.get("connection")
    return known if isinstance(known, str) and known else repr([value.get(k) for k in ("client", "server", "host")])


def _socket(value: dict[str, Any]) -> dict[str, Any]:
    """A line of the phone's socket table in one form: addresses as they stand in flows, what is unknown as None."""
    uid, apps = value.get("uid"), value.get("apps")
    given = apps if isinstance(apps, list) else []
    number = isinstance(uid, int) and not isinstance(uid, bool) and 0 <= uid < 1 << 32
    return {
        "type": "socket",
        "at": value["at"],
        "uid": uid if number else None,
        "apps": sorted({valid(a)[:LONGEST_TEXT] for a in given if isinstance(a, str) and a}),
        "transport": "udp" if value.get("transport") == "udp" else "tcp",
        "src": peer(value.get("src")),
        "dst": peer(value.get("dst")),
    }


def _milliseconds(value: object) -> float | None:
    """How long a handshake took; None for what none can have taken."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and 0 < value < _LONGEST_HANDSHAKE else None  # type: ignore[operator, arg-type]


def _kind_of(kind: str) -> str:
    return "unread" if kind == "refusal" else "sealed"


def _name(value: object, lower: bool = True) -> str:
    if not isinstance(value, str):
        return ""
    value = valid(value)[:LONGEST_TEXT]
    return value.lower().rstrip(".") if lower else value
