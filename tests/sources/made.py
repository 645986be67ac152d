"""Files made for these tests, and what a source gives for one, gathered from all its batches."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analysis.model import Clue, Exchange, Loss, Message, Origin
from analysis.sources import Options
from analysis.sources.identify import layer_bytes, open_source
from tests.road import REAL

needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no captures of real apps at {REAL}")


@dataclass
class Seen:
    """All that a source gave."""

    kind: str
    exchanges: list[Exchange] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    flows: list[dict[str, Any]] = field(default_factory=list)
    names: list[dict[str, Any]] = field(default_factory=list)
    clues: list[Clue] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    batches: int = 0

    @property
    def lost(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for loss in self.losses:
            counts[loss.kind] = counts.get(loss.kind, 0) + loss.count
        return counts

    def bodies(self, kind: str) -> list[bytes]:
        return [m.body for m in self.messages if m.kind == kind]


def gather(path: Path, options: Options | None = None, source: str | None = None) -> Seen:
    kind, batches = open_source(path, source or path.name, options or Options())
    seen = Seen(kind)
    for batch in batches:
        seen.batches += 1
        seen.exchanges += batch.exchanges
        seen.messages += batch.messages
        seen.clues += batch.clues
        seen.losses += batch.losses
        seen.events += batch.events
        seen.flows += batch.flows.to_pylist() if batch.flows is not None else []
        seen.names += batch.names.to_pylist() if batch.names is not None else []
    return seen


def check_laws(seen: Seen, path: Path) -> None:
    """What holds for every source and every input: dense numbers, flows for all, sums, origins that lead to bytes."""
    assert [e.key.unit for e in seen.exchanges] == list(range(len(seen.exchanges)))
    assert [m.key.unit for m in seen.messages] == list(range(len(seen.messages)))
    assert sorted(f["unit"] for f in seen.flows) == list(range(len(seen.flows)))
    units = {f["unit"] for f in seen.flows}
    sources = {f["source"] for f in seen.flows}
    for row in (*seen.exchanges, *seen.messages):
        assert row.flow.unit in units or row.flow.source not in sources
    for flow in seen.flows:
        unread = sum(part["bytes"] for part in flow["unread"] or ())
        assert flow["bytes_out"] + flow["bytes_in"] == flow["bytes_read"] + unread
        assert min(flow["bytes_out"], flow["bytes_in"], flow["bytes_read"]) >= 0
    for message in seen.messages[:: len(seen.messages) // 40 + 1]:
        layer = layer_bytes(path, seen.kind, message.origin, Options())
        assert layer[message.origin.offset :][: message.origin.length] == message.body
    stated = [Origin.parse(flow["origin"]) for flow in seen.flows if flow.get("origin")]
    for origins in (stated, [e.origin for e in seen.exchanges], [c.origin for c in seen.clues]):
        for origin in origins[:: len(origins) // 20 + 1]:
            layer = layer_bytes(path, seen.kind, origin, Options())
            assert origin.offset + origin.length <= len(layer), origin


def har(*entries: Any, creator: str = "a tool", **log: Any) -> bytes:
    """A HAR as JSON writes it."""
    inside = {"version": "1.2", "creator": {"name": creator, "version": "1"}, "entries": list(entries), **log}
    return json.dumps({"log": inside}).encode()


def entry(url: str = "https://api.shop.example/v1/track?x=1", **parts: Any) -> dict[str, Any]:
    """An entry of a HAR; ``request`` and ``response`` are laid over usual ones."""
    request = {"method": "GET", "url": url, "httpVersion": "HTTP/1.1", "headers": [], "headersSize": -1, "bodySize": -1}
    response = {
        "status": 200,
        "httpVersion": "HTTP/1.1",
        "headers": [],
        "content": {},
        "headersSize": -1,
        "bodySize": -1,
    }
    made: dict[str, Any] = {
        "startedDateTime": "2026-03-01T10:00:00.250Z",
        "time": 40,
        "request": request | parts.pop("request", {}),
        "response": response | parts.pop("response", {}),
    }
    return made | parts


def dump(*flows: Any) -> bytes:
    """A mitmproxy dump: of flows (as mitmproxy's own test helpers make them) or of their states."""
    from mitmproxy.io import tnetstring

    return b"".join(tnetstring.dumps(f if isinstance(f, dict) else f.get_state()) for f in flows)


def event_lines(*events: dict[str, Any]) -> bytes:
    """``events.jsonl`` with its chain of hashes."""
    lines, before = [], "0" * 64
    for event in events:
        line = json.dumps({**event, "prev": before}).encode()
        before = hashlib.sha256(line).hexdigest()
        lines.append(line)
    return b"".join(line + b"\n" for line in lines)


def json_lines(*values: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(v).encode() + b"\n" for v in values)
