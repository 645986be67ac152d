"""The entries of a HAR, cut out of the stream one by one without parsing what lies between.

A HAR may be larger than memory, break off, or hold entries that no JSON parser takes. Here only strings and
brackets are followed (RFC 8259), so each entry comes out whole with its place in the file, and a broken one
spoils no other. On one core this cuts and parses 150 MB/s, and ijson (yajl2_c) 350; but ijson gives no places,
ends at the first NaN or octet that is no UTF-8, and writes ``?`` for a lone surrogate, and what is made of an entry
costs more than either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from analysis.sources.octets import Text

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_ANY = re.compile(rb'(?:[^"{}\[\]]++|' + _STRING + rb")*+", re.DOTALL)
"""All up to the next bracket or a string that does not end here."""
_INSIDE = re.compile(rb'(?:[^"{}]++|' + _STRING + rb'|\{(?:[^"{}]++|' + _STRING + rb")*+\})*+", re.DOTALL)
"""The same within an object, where only braces count, and those of an object without objects are taken with
it."""
_REST = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""The rest of a string, up to its quote or a backslash that ends the octets at hand."""
_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:\s*$', re.DOTALL)
_RUNS = {bracket: re.compile(re.escape(bytes([bracket])) + rb"++") for bracket in b"{}[]"}
_DEEPEST = 3
"""Containers within one another down to an entry: of those further down only their number counts."""
_EMPTY = re.compile(rb"(?:(?:\{\s*+\}|\[\s*+\])[\s,]*+)++")
"""Elements without anything in them, in a row."""
_ANYWAY = 1_000
_LEAST = 256
"""Entries that are read however short they are, and octets that each costs beyond: no tool writes shorter ones, and
what takes no room in the file would otherwise take any amount of time and memory."""
_KEY_MOST = 4096
_GAP_MOST = 1 << 20


@dataclass(slots=True)
class Entry:
    """One element of ``log.entries`` or ``log._tlsErrors``: its octets as UTF-8, where they stand in the
    text.

    ``torn``: the text ended within it. ``left_out``: octets of it that were over the limit and are not in
    ``raw``."""

    of: Literal["entries", "_tlsErrors", "creator"]
    raw: bytes
    start: int
    length: int
    torn: bool = False
    left_out: int = 0


class Splitter:
    """Cuts a HAR's text. Once it is through, ``found`` says whether there was a ``log.entries``, ``closed``
    whether the text ended where JSON ends, ``stray`` counts octets between entries that are no JSON, and ``over``
    elements that were not handed on, since there were more than so many octets can be."""

    form = "HAR: it has no list log.entries"
    """What the file is not where nothing of it was found, for a sentence."""
    creator = ""
    """The tool that writes this form, where it alone does; a HAR says who made it."""

    def __init__(self, text: Text, most: int) -> None:
        """``most``: octets of one entry that are held."""
        self._text = text
        self._most = most
        self._buffer = bytearray()
        self._base = 0
        """Place in the text of the buffer's first octet."""
        self._at = 0
        self._in_string = False
        self._ended = False
        self.found = False
        self.closed = False
        self.stray = 0
        self.over = 0
        self._given = 0

    def __iter__(self) -> Iterator[Entry]:
        stack: list[tuple[int, bytes]] = []
        deeper = mark = 0
        """Where in the buffer the octets since the last bracket begin."""
        while True:
            bracket = self._to_bracket(_ANY)
            if bracket is None:
                if len(self._buffer) - mark >= _GAP_MOST and not self._in_string and _listed(stack):
                    # Elements that are neither object nor array, up to the last comma, are done with.
                    end = self._buffer.rfind(b",", mark, self._at) + 1
                    if not self._buffer[max(end, mark) : self._at].strip():
                        end = self._at
                    end = max(end, mark)
                    yield from self._between(mark, end, stack)
                    mark = end
                mark = self._trim(mark, stack)
                if self._more():
                    continue
                yield from self._between(mark, len(self._buffer), stack)
                self.closed = not stack and not deeper and self.found and not self._in_string
                return
            if deeper or (len(stack) == _DEEPEST and bracket in b"{[" and not _listed(stack)):
                run = self._run(bracket)
                run = run if bracket in b"{[" else min(run, deeper)
                deeper += run if bracket in b"{[" else -run
                self._at += run
                mark = self._drop(self._at)
                continue
            path = _path(stack)
            if bracket in b"{[":
                key = self._key(mark)
                if path in (b"entries", b"_tlsErrors"):
                    yield from self._between(mark, self._at, stack)
                    if self._is_over(self._base + self._at):
                        self._pass_over(path.decode(), bracket)
                    else:
                        self._given += 1
                        yield self._element(path.decode(), bracket)
                    mark = self._at
                    continue
                if path == b"log" and key == b"creator" and bracket == b"{":
                    yield self._element("creator", bracket)
                    mark = self._at
                    continue
                stack.append((bracket[0], key))
                if _path(stack) == b"entries":
                    self.found = True
            else:
                if path in (b"entries", b"_tlsErrors"):
                    yield from self._between(mark, self._at, stack)
                if stack:
                    stack.pop()
            self._at += 1
            mark = self._drop(self._at)

    def parse(self, entry: Entry) -> Parsed:
        """An entry's objects, as a HAR's."""
        return parse(entry)

    # ------------------------------------------------------------------------------------------ the buffer

    def _more(self) -> bool:
        if self._ended:
            return False
        chunk = self._text.read()
        if not chunk:
            self._ended = True
            return False
        self._buffer += chunk
        return True

    def _drop(self, to: int) -> int:
        """Forget the buffer before ``to`` once that is much; returns where ``to`` is now."""
        if to < 1 << 18:
            return to
        del self._buffer[:to]
        self._base += to
        self._at -= to
        return 0

    def _to_bracket(self, pattern: re.Pattern[bytes]) -> bytes | None:
        """Go on to the next bracket that counts; None at the end of the octets at hand."""
        while True:
            if self._in_string:
                found = _REST.match(self._buffer, self._at)
                assert found is not None
                self._at = found.end()
                if self._at >= len(self._buffer) or self._buffer[self._at] != 0x22:
                    return None
                self._in_string = False
                self._at += 1
            found = pattern.match(self._buffer, self._at)
            assert found is not None
            self._at = found.end()
            if self._at >= len(self._buffer):
                return None
            if self._buffer[self._at] != 0x22:
                return bytes(self._buffer[self._at : self._at + 1])
            self._in_string = True
            self._at += 1

    def _run(self, bracket: bytes) -> int:
        """How often the bracket that stands here does in a row."""
        found = _RUNS[bracket[0]].match(self._buffer, self._at)
        return found.end() - self._at if found is not None else 1

    def _key(self, mark: int) -> bytes:
        found = _KEY.search(self._buffer, max(mark, self._at - _KEY_MOST), self._at)
        return found[1] if found else b""

    # --------------------------------------------------------------------------------------- what is found

    def _trim(self, mark: int, stack: list[tuple[int, bytes]]) -> int:
        """Octets outside of entries that grow without a bracket are let go, but for what may be a key."""
        if len(self._buffer) - mark < _GAP_MOST:
            return self._drop(mark)
        keep = max(len(self._buffer) - _KEY_MOST, mark)
        keep = min(keep, self._at)
        if _listed(stack):
            self.stray += keep - mark
        return self._drop(keep)

    def _between(self, start: int, end: int, stack: list[tuple[int, bytes]]) -> Iterator[Entry]:
        """Elements of the array that are no object and no array: numbers, strings, null."""
        of = _path(stack)
        if of not in (b"entries", b"_tlsErrors"):
            return
        raw = bytes(self._buffer[start:end])
        text = raw.strip(b" \t\r\n,")
        if not text:
            return
        place = self._base + start + raw.find(text)
        try:
            elements = json.loads(b"[" + text + b"]")
        except (ValueError, RecursionError):
            self.stray += len(text)
            return
        for number in range(len(elements)):
            if self._is_over(place):
                self.over += len(elements) - number
                return
            self._given += 1
            # Their places are not told apart: each is told by an equal share.
            yield Entry(of.decode(), b"null", place, len(text) // len(elements))  # type: ignore[arg-type]

    def _is_over(self, place: int) -> bool:
        return self._given >= _ANYWAY + place // _LEAST

    def _pass_over(self, of: Any, bracket: bytes) -> None:
        """Count the element that begins here, and those behind it that are empty."""
        empty = _EMPTY.match(self._buffer, self._at)
        if empty is None:
            self._element(of, bracket)
            self.over += 1
        else:
            self.over += empty[0].count(b"{") + empty[0].count(b"[")
            self._at = empty.end()

    def _element(self, of: Any, bracket: bytes) -> Entry:
        """The object or array that begins here, to its end or the text's."""
        pattern, (up, down) = (_INSIDE, b"{}") if bracket == b"{" else (_ANY, b"[]")
        first = self._drop(self._at)
        place = self._base + first
        self._at = first + 1
        depth, dropped = 1, 0
        while True:
            found = self._to_bracket(pattern)
            if found is None:
                over = len(self._buffer) - first - self._most
                if over > 0 or dropped:
                    # Too large to hold: its beginning is kept, its end is only looked for.
                    cut = max(first + self._most, 0)
                    gone = min(self._at, len(self._buffer)) - cut
                    if gone > 0:
                        del self._buffer[cut : cut + gone]
                        self._at -= gone
                        dropped += gone
                if not self._more():
                    raw = bytes(self._buffer[first:])
                    self._at = len(self._buffer)
                    self._base += dropped
                    return Entry(of, raw, place, len(raw) + dropped, True, dropped)
                continue
            run = self._run(found)
            if found[0] == up:
                depth += run
            elif found[0] == down:
                run = min(run, depth)
                depth -= run
            self._at += run
            if depth == 0:
                break
        raw = bytes(self._buffer[first : self._at])
        self._base += dropped
        return Entry(of, raw, place, len(raw) + dropped, False, dropped)


def _listed(stack: list[tuple[int, bytes]]) -> bool:
    return _path(stack) in (b"entries", b"_tlsErrors")


def _path(stack: list[tuple[int, bytes]]) -> bytes:
    """Where the cutter stands: ``log``, ``entries`` or ``_tlsErrors``; empty elsewhere."""
    if len(stack) == 2 and stack[1] == (0x7B, b"log"):
        return b"log"
    if len(stack) == 3 and stack[1] == (0x7B, b"log") and stack[2][0] == 0x5B and stack[0][0] == 0x7B:
        return stack[2][1] if stack[2][1] in (b"entries", b"_tlsErrors") else b""
    return b""


# ------------------------------------------------------------------------------------------ octets to objects

_WATCHED = (
    (b'"request"', 1),
    (b'"response"', 1),
    (b'"postData"', 1),
    (b'"content"', 1),
    (b'"startedDateTime"', 1),
)
"""Keys that stand once in an entry. A quote within a string is escaped, so these octets are a key or a whole
string."""


@dataclass(slots=True)
class Parsed:
    """An entry as Python objects, or None; ``repeated`` counts keys that stood twice in one object, of which
    the last holds, as everywhere."""

    value: Any
    repeated: int = 0


def parse(entry: Entry) -> Parsed:
    """An entry's objects: at once where it is JSON, else with patience (NaN, lone surrogates, octets that are
    no UTF-8, wrong escapes), else, when the text broke off within it, as far as it goes."""
    if entry.torn or entry.left_out:
        return Parsed(_mended(entry.raw if not entry.left_out else entry.raw[:_HEAD_MOST]))
    if any(entry.raw.count(key) > times for key, times in _WATCHED):
        return _patient(entry.raw)
    try:
        return Parsed(msgspec.json.decode(entry.raw))
    except (ValueError, RecursionError):
        return _patient(entry.raw)


def _patient(raw: bytes) -> Parsed:
    repeated = 0

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(pairs)
        repeated += len(pairs) - len(made)
        return made

    text = raw.decode("utf-8", "surrogateescape")
    for attempt in (text, _WRONG_ESCAPE.sub(r"\1\\\\", text)):
        try:
            repeated = 0
            return Parsed(json.loads(attempt, strict=False, object_pairs_hook=once, parse_int=_whole), repeated)
        except (ValueError, RecursionError):
            continue
    return Parsed(None)


_WRONG_ESCAPE = re.compile(r'(?<!\\)((?:\\\\)*+)\\(?!["\\/bfnrt]|u[0-9A-Fa-f]{4})')


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 400 else float("inf")


_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\],]', re.DOTALL)
_DEPTH_MOST = 1000
_HEAD_MOST = 16 << 20
"""Octets that are read of an entry that is too large to hold: its beginning says what was asked of whom."""
_HALF_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{0,3})?$")


def _mended(raw: bytes) -> Any:
    """The objects of an entry that breaks off: an open string ends at the break, open brackets are closed,
    and what cannot be closed so is left out back to the last comma."""
    text = raw.decode("utf-8", "surrogateescape")
    closing: list[str] = []
    comma: tuple[int, list[str]] | None = None
    open_string = False
    for token in _TOKEN.finditer(text):
        what = token[0]
        if len(closing) > _DEPTH_MOST:
            return None
        if what == "{":
            closing.append("}")
        elif what == "[":
            closing.append("]")
        elif what in ("}", "]"):
            if closing:
                closing.pop()
        elif what == ",":
            comma = (token.start(), closing.copy()) if len(closing) < 100 else comma
        elif what == '"':
            open_string = True
            break
    end = "".join(reversed(closing))
    for attempt in _closed(text, open_string, end, comma):
        try:
            return json.loads(attempt, strict=False, parse_int=_whole)
        except (ValueError, RecursionError):
            continue
    return None


def _closed(text: str, open_string: bool, end: str, comma: tuple[int, list[str]] | None) -> Iterator[str]:
    """The text made whole, the most of it first."""
    if open_string:
        whole = _HALF_ESCAPE.sub("", text[-8:]) if not text.endswith("\\\\") else text[-8:]
        yield text[:-8] + whole + '"' + end
    else:
        yield text + end
    if comma is not None:
        yield text[: comma[0]] + "".join(reversed(comma[1]))
