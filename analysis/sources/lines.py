"""Lines of NDJSON: what the proxy's addons write as it comes, so the last line may be torn."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from analysis.model import InputError
from analysis.sources.octets import Octets

MOST = (64 << 20) * 4 // 3 + (1 << 20)
"""Octets of one line that are held; a larger one is skipped and counted. It is room for one message of the octets that
are held of any body (``Options.max_body``) in base64: what is over could not be read either."""
EVENT_MOST = 1 << 20
"""The same of an event. None has a body: the longest are of some kilobytes."""


@dataclass(slots=True)
class Line:
    """A line without its end. ``value``: its object, None where it is none. ``torn``: it has no end and is no JSON,
    so it was not written whole."""

    number: int
    raw: bytes
    value: dict[str, Any] | None
    done: int
    torn: bool = False
    skipped: int = 0
    """Octets of it before ``raw`` that are not held, since it is too long; then it has no object."""

    @property
    def size(self) -> int:
        return self.skipped + len(self.raw)


def lines(path: Path, end: int | None = None, most: int = MOST) -> Iterator[Line]:
    """The lines of a file, or of its first ``end`` octets, in order; blank ones count, and are passed over. Of one that
    is longer than ``most`` octets only the last are ``raw``, and it has no object."""
    with Octets(path, end) as octets:
        buffer = bytearray()
        number = skipped = 0
        while True:
            if not skipped and (blank := _BLANK.match(buffer)) is not None:
                number += buffer.count(b"\n", 0, blank.end())
                del buffer[: blank.end()]
            end = buffer.find(b"\n")
            if end < 0:
                if len(buffer) > most:
                    skipped += len(buffer)
                    buffer.clear()
                chunk = octets.read()
                if chunk:
                    # Only what is new can hold the line's end.
                    first = chunk.find(b"\n")
                    while first < 0 and chunk and len(buffer) <= most:
                        buffer += chunk
                        chunk = octets.read()
                        first = chunk.find(b"\n")
                    buffer += chunk
                    continue
                if buffer or skipped:
                    over = max(len(buffer) - most, 0)
                    skipped += over
                    raw = bytes(buffer[over:])
                    value = None if skipped else _object(raw)
                    yield Line(number, raw, value, octets.done, torn=value is None, skipped=skipped)
                return
            over = max(end - most, 0)
            skipped += over
            raw = bytes(buffer[over:end])
            del buffer[: end + 1]
            yield Line(number, raw, None if skipped else _object(raw), octets.done, skipped=skipped)
            skipped = 0
            number += 1


_BLANK = re.compile(rb"(?:[ \t\r]*+\n)++")


def _object(raw: bytes) -> dict[str, Any] | None:
    if raw.lstrip()[:1] != b"{":  # two refusals a line are dear where there are a million of them
        return None
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        try:
            value = json.loads(raw.decode("utf-8", "surrogateescape"), strict=False)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def layer_line(path: Path, unit: int) -> Line:
    """One line by its ordinal. Raises InputError when the file has fewer."""
    for line in lines(path):
        if line.number == unit:
            return line
    raise InputError(f"{path} has no line {unit}.")
