"""Multipart bodies (RFC 2046 section 5.1, RFC 7578): where their parts stand and what they are called."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;,"]{1,200}))""", re.IGNORECASE)
_FIRST_LINE = re.compile(rb"\s*--([0-9A-Za-z'()+_,\-./:=? ]{1,200}?)[ \t]*\r?\n(?=[A-Za-z-]+:)")
_HEADER = re.compile(rb"([A-Za-z0-9-]+)[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)\r?\n")
_NAME = re.compile(rb"(?:;|^)\s*name\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]+))", re.IGNORECASE)
_FILE = re.compile(rb"filename\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;]+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its name and declared type, and where its content and its file's name stand."""

    name: bytes | None
    type: str
    encoding: str
    """Content-Transfer-Encoding."""
    coding: str
    """Content-Encoding."""
    start: int
    end: int
    filename: tuple[int, int] | None
    closed: bool
    """A delimiter follows; False: the body breaks off within the part."""


def boundary_of(content_type: str, data: bytes) -> bytes | None:
    """The boundary: as the header says where the body bears it out, else as the body's first line shows."""
    stated = _BOUNDARY.search(content_type)
    if stated is not None:
        boundary = (stated[1] or stated[2]).encode("latin-1", "replace")
        if b"--" + boundary in data:
            return boundary
    shown = _FIRST_LINE.match(data)
    return shown[1] if shown is not None else None


def parts(data: bytes, boundary: bytes, most: int) -> list[Part]:
    """The parts in order, at most ``most``."""
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    found: list[Part] = []
    marks = iter(delimiter.finditer(data))
    mark = next(marks, None)
    while mark is not None and mark[1] is None and len(found) < most:
        after = next(marks, None)
        end = after.start() if after is not None else len(data)
        found.append(_part(data, mark.end(), end, after is not None))
        mark = after
    return found


def _part(data: bytes, start: int, end: int, closed: bool) -> Part:
    name: bytes | None = None
    kind = encoding = coding = ""
    filename: tuple[int, int] | None = None
    at = start
    while m := _HEADER.match(data, at, end):
        at = m.end()
        field, value = m[1].lower(), m[2]
        if field == b"content-disposition":
            called = _NAME.search(value)
            if called is not None:
                name = called[1] if called[1] is not None else called[2]
            file = _FILE.search(value)
            if file is not None:
                group = 1 if file[1] is not None else 2
                filename = (m.start(2) + file.start(group), m.start(2) + file.end(group))
        elif field == b"content-type":
            kind = value.decode("latin-1")
        elif field == b"content-transfer-encoding":
            encoding = value.strip().lower().decode("latin-1")
        elif field == b"content-encoding":
            coding = value.strip().lower().decode("latin-1")
    blank = re.compile(rb"\r?\n").match(data, at, end)
    return Part(name, kind, encoding, coding, min(blank.end() if blank else at, end), end, filename, closed)
