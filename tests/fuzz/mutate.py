"""Changes to an input that keep its frame: a fuzzer that only turns octets hardly gets past the first bracket."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from mitmproxy.io import tnetstring

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 1e308, -1e308, 0.5, float("inf"), float("nan")),
    *(
        "",
        " ",
        "\0",
        "x" * 5_000,
        "\ud800",
        "２０２６",
        "=1+1",
        "-1",
        "1e999",
        "null",
        "%00",
        "..",
        "/",
        "a\r\nb",
        "[::1]",
    ),
    *([], {}, [[]], [None], {"": None}, ["a", 1, {}], [[[[[[]]]]]], {"a": {"a": {"a": {}}}}),
    *(
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "2026-03-01T10:00:00+99:99",
        "data:,x",
        "blob:x",
        "http://[",
        "*",
    ),
)
Nudge = Callable[[bytes], bytes]


def json_lines(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """One line of NDJSON changed in one place, moved, repeated or left out."""
    chance = random.Random(seed)
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    what = chance.random()
    if what < 0.7:
        lines[at] = json_text(lines[at], seed, nudge)
    elif what < 0.8:
        lines.insert(chance.randrange(len(lines) + 1), lines[at])
    elif what < 0.9:
        del lines[at]
    else:
        lines[at] = nudge(lines[at])
    return b"\n".join(lines)


def json_text(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """JSON changed in one place; what is none is changed in its octets."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return nudge(data)
    return json.dumps(_changed(value, random.Random(seed), nudge)).encode()


def dump(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """One flow of a mitmproxy dump changed in one place."""
    chance = random.Random(seed)
    try:
        records = _records(data)
    except (ValueError, TypeError, IndexError, RecursionError):
        return nudge(data)
    at = chance.randrange(len(records))
    records[at] = _changed(records[at], chance, nudge)
    try:
        return b"".join(tnetstring.dumps(record) for record in records)
    except (ValueError, TypeError, UnicodeEncodeError, RecursionError):
        return nudge(data)


def _records(data: bytes) -> list[Any]:
    records = []
    rest = memoryview(data)
    while rest:
        value, rest = tnetstring.pop(rest)
        records.append(value)
    if not records:
        raise ValueError
    return records


def _changed(value: Any, chance: random.Random, nudge: Nudge) -> Any:
    """``value`` with one node, drawn at random, in another form."""
    places = list(_places(value))
    if not places:
        return chance.choice(ODD)
    holder, key = chance.choice(places)
    what = chance.random()
    if what < 0.4:
        holder[key] = chance.choice(ODD)
    elif what < 0.6:
        other, name = chance.choice(places)
        holder[key] = json.loads(json.dumps(other[name], default=str))
    elif what < 0.75:
        del holder[key]
    elif isinstance(holder[key], str):
        holder[key] = nudge(holder[key].encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    elif isinstance(holder[key], bytes):
        holder[key] = nudge(holder[key])
    elif isinstance(holder[key], int | float):
        holder[key] = chance.choice((1, -1, 10**3, 10**-3, 10**6)) * holder[key]
    elif isinstance(holder[key], dict):
        holder[key][chance.choice(("type", "version", "size", "id", "\0", "x" * 300))] = chance.choice(ODD)
    return value


def _places(value: Any) -> Any:
    stack = [value]
    while stack:
        holder = stack.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                stack.append(holder[key])


FORMS: dict[str, Callable[[bytes, int, Nudge], bytes]] = {
    "har": json_text,
    "chlsj": json_text,
    "events": json_lines,
    "journal": json_lines,
    "mitm": dump,
}
"""Kind of input -> how its frame is kept; the others are changed in their octets alone."""
