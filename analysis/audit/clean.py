"""What a capture's own words become before anything is concluded from them: the same, without what was planted.

The auditor's words (phases, marks, the manifest), names of files and what an event says stand in tables and reports
beside what was read from the traffic, and are compared with it: so each is cleaned once, at the beginning, and in the
same way as the columns are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from analysis import folder
from analysis.model import Loss
from analysis.sources.rows import address

Clean = Callable[[str], str]

LONGEST = 300
"""Characters of a text that an event carries. It is cut behind what is taken out of it."""
KEPT = frozenset({"phase", "mark", "app_front", "phone", "socket", "system_certificate", "file", "clock", "lost"})
"""Types of events that something is concluded from. The others have said all that they say as flows, names, losses."""
_MOST_ITEMS = 256
_DEEPEST = 4
_FORMED: dict[Any, tuple[str, ...]] = {
    folder.Manifest: ("salt", "user_country", "timezone", "date"),
    folder.Vantage: ("country",),
}
"""Fields of the manifest that hold no free text: each is checked for its form where it is read."""


def clean_files(capture: folder.Capture, clean: Clean) -> dict[str, str]:
    """Give the files of a capture names that tables may hold; which name each had, and has now."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for place, file in enumerate(capture.files):
        name, number = clean(file.name), 1
        while name in taken:
            number += 1
            name = f"{clean(file.name)}-{number}"
        taken.add(name)
        names[file.name] = name
        if name != file.name:
            capture.files[place] = dataclasses.replace(file, name=name)
    return names


def clean_manifest(manifest: folder.Manifest, clean: Clean) -> folder.Manifest:
    """The manifest without planted values; its files are left out."""
    made: folder.Manifest = _struct(msgspec.structs.replace(manifest, files=[]), clean)
    return made


@cache
def _free(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of a type of the manifest that may hold free text."""
    hints = get_type_hints(kind)
    closed = {n for n, h in hints.items() if any(get_origin(part) is Literal for part in (h, *get_args(h)))}
    return tuple(n for n in hints if not n.startswith("_") and n not in closed and n not in _FORMED.get(kind, ()))


def _struct(value: msgspec.Struct, clean: Clean) -> Any:
    return msgspec.structs.replace(value, **{n: _value(getattr(value, n), clean) for n in _free(type(value))})


def _value(value: Any, clean: Clean) -> Any:
    if isinstance(value, str):
        return value if address(value) == value else clean(value)
    if isinstance(value, msgspec.Struct):
        return _struct(value, clean)
    if isinstance(value, list):
        return [_value(v, clean) for v in value]
    if isinstance(value, dict):
        return {clean(k): _value(v, clean) for k, v in value.items()}
    return value


def clean_event(event: Mapping[str, Any], clean: Clean) -> dict[str, Any]:
    """An event without planted values, and of each text and list no more than anybody looks at."""
    return {_text(key, clean): _part(value, clean, 0) for key, value in list(event.items())[:_MOST_ITEMS]}


def _text(text: str, clean: Clean) -> str:
    return text if address(text) == text else clean(text.encode("utf-8", "replace").decode())[:LONGEST]


def _part(value: Any, clean: Clean, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value, clean)
    if isinstance(value, (list, tuple)) and depth < _DEEPEST:
        return type(value)(_part(v, clean, depth + 1) for v in value[:_MOST_ITEMS])
    if isinstance(value, dict) and depth < _DEEPEST:
        return {_text(k, clean): _part(v, clean, depth + 1) for k, v in list(value.items())[:_MOST_ITEMS]}
    return value if value is None or isinstance(value, (bool, int, float)) else None


class Events:
    """The events of a capture that anything is concluded from, cleaned: as many as are held, the rest counted."""

    MOST = 200_000
    """A socket a second for two days and more."""
    MOST_WEIGHT = 64 << 20
    """About the octets that they say."""

    def __init__(self, clean: Clean) -> None:
        self.clean = clean
        self._weight = 0
        self.kept: list[dict[str, Any]] = []
        self.files: list[Mapping[str, Any]] = []
        """Those of type ``file`` as they were: they name files of the folder."""
        self.left: dict[str, int] = {}
        """How many were not held, by source."""

    def add(self, source: str, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            if str(event.get("type")) not in KEPT:
                continue
            if len(self.kept) + len(self.files) >= self.MOST or self._weight >= self.MOST_WEIGHT:
                self.left[source] = self.left.get(source, 0) + 1
            elif event["type"] == "file":
                self._weight += _weight(event)
                self.files.append(event)
            else:
                made = clean_event(event, self.clean)
                self._weight += _weight(made)
                self.kept.append(made)

    def losses(self) -> list[Loss]:
        return [Loss(s, "events_limited", n, 0, "events beyond those that are held") for s, n in self.left.items()]


def _weight(value: Any) -> int:
    if isinstance(value, str):
        return 8 + len(value)
    if isinstance(value, Mapping):
        return 8 + sum(_weight(k) + _weight(v) for k, v in value.items())
    return 8 + sum(map(_weight, value)) if isinstance(value, (list, tuple)) else 8
