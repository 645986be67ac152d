"""What leaves an audit: its tables and its words without any value that was read anywhere in the capture.

It comes behind ``conclude``, which reads names and clues as they are. What may carry such a value all the same is
argued here alone:

- an app's package name as ``app``: who spoke is what an audit tells, and lists of installed apps hold the same name;
- what the auditor states of the app and the phone that he tested, in the manifest;
- addresses: whom the phone spoke to, also where a message names one of them;
- phases with a fixed meaning, and every word of the tables' own (data types, states, kinds);
- words that every user's messages share (``mask.SHARED_TYPES``) where they are part of a longer name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from analysis.assemble import mapped
from analysis.folder import PHASES
from analysis.model import Origin
from analysis.read.mask import Known
from analysis.reference.suffixes import registered_at
from analysis.tables import Tables

Change = Callable[[str], str]

_HOSTS = ("exchanges", "flows", "destinations", "opaque")
_PHASES = ("exchanges", "flows", "transmissions")
_STATED = frozenset({"app", "device", "vantage", "format", "user_country", "timezone", "date", "opened_by", "sample"})
"""Of the manifest: what the auditor states of the app, the phone and himself, and fields of a fixed form."""


def leave(made: Tables, said: dict[str, Any], known: Known) -> None:
    """Write every value of ``known`` in ``made`` and ``said`` (the content of ``audit.json``) as ‹value›, in place.
    What somebody registered stays in a host, and of a path of keys its first two words, which are ours."""
    if not known:
        return
    hide = known.hide

    def host(text: str) -> str:
        return hide(text, last=registered_at(text))

    def line(text: str) -> str:
        """``POST host/path`` or ``200 from POST host/path``."""
        before, slash, path = text.partition("/")
        words, _, name = before.rpartition(" ")
        return f"{words} {host(name)}{hide(slash + path)}".strip()

    def phase(text: str) -> str:
        """A word that is one of ours, or of the capture's own."""
        return text if text in PHASES else hide(text)

    changes: dict[tuple[str, str], Change] = {
        **{(table, "host"): host for table in _HOSTS},
        **{(table, "phase"): phase for table in _PHASES},
        ("names", "name"): host,
        ("exchanges", "path"): hide,
        ("exchanges", "method"): hide,
        ("transmissions", "path"): lambda text: hide(text, first=_own_words(text)),
        ("evidence", "excerpt"): hide,
        ("evidence", "request_line"): line,
        ("clues", "text"): hide,
        ("losses", "where"): hide,
        ("flows", "alpn"): hide,
        ("flows", "tls"): hide,
        ("opaque", "cause"): phase,
    }
    for (name, column), change in changes.items():
        made[name] = mapped(made[name], column, change)
    for name, column in (("destinations", "witnesses"), ("findings", "args"), ("flows", "unread")):
        made[name] = _mapped_parts(made[name], column, phase)
    names = _file_names(made, hide)
    _tell(said, names, hide, host, phase)


def _own_words(path: str) -> int:
    """Where in ``request.json.user.name`` the words of the message itself begin."""
    second = path.find(".", path.find(".") + 1)
    return len(path) if second < 0 else second


_CARRYING = {"witnesses": "text", "args": "value", "unread": "cause"}
"""The part of each list of structs that holds text of a capture."""


def _mapped_parts(table: pa.Table, column: str, change: Change) -> pa.Table:
    """A column of lists of structs with ``change`` applied to its text of the capture; arguments of a finding that are
    lists are changed part by part."""
    key = _CARRYING[column]
    rows = table[column].to_pylist()
    changed = False
    for part in (p for row in rows for p in row or ()):
        text = part[key]
        if not text:
            continue
        if column == "args":
            now = ",".join(map(change, text.split(","))) if part["name"] == "phases" else text
        else:
            now = change(text)
        changed |= now != text
        part[key] = now
    if not changed:
        return table
    place = table.schema.get_field_index(column)
    return table.set_column(place, column, pa.array(rows, table.schema.field(column).type))


def _file_names(made: Tables, hide: Change) -> dict[str, str]:
    """Hide in the names of files, and in the origins that name them; which name each has now."""
    names: dict[str, str] = {}
    for name in made["sources"]["file"].to_pylist():
        now, number = hide(name), 1
        while now in names.values():
            number += 1
            now = f"{hide(name)}-{number}"
        names[name] = now
    moved = {_source(name): _source(now) for name, now in names.items() if name != now}
    if not moved:
        return names

    def origin(text: str) -> str:
        source, mark, rest = text.partition("#")
        return moved.get(source, source) + mark + rest

    made["sources"] = mapped(made["sources"], "file", names.__getitem__)
    for name, table in made.items():
        if "origin" in table.column_names:
            made[name] = mapped(table, "origin", origin)
    return names


def _source(name: str) -> str:
    """A file's name as origins begin."""
    return str(Origin(name, (0,), "file", 0, 0)).partition("#")[0]


def _tell(said: dict[str, Any], names: dict[str, str], hide: Change, host: Change, phase: Change) -> None:
    """The words of ``audit.json``."""
    for file in said["files"]:
        file["file"] = names.get(file["file"], file["file"])
    for key in ("name", "made", "marks"):
        said[key] = _deep(said[key], hide)
    manifest = said["manifest"]
    for key in manifest.keys() - _STATED:
        manifest[key] = _deep(manifest[key], phase)
    for row in (said["vantage_doubtful"] or {}).get("hosts", ()):
        row["host"] = row["host"] and host(row["host"])


def _deep(value: Any, change: Change) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_deep(v, change) for v in value]
    if isinstance(value, dict):
        return {change(k): _deep(v, change) for k, v in value.items()}
    return value
