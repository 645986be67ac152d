"""Loading a reference file: YAML is the truth, and beside it lies the same as JSON, which reads fifty times faster.

The JSON names the SHA-256 of the YAML that it was made from; where that is not the file's, the YAML is read. So an
edited file always counts, and a stale copy never does. ``scripts/build_reference_data.py`` writes the copies.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from analysis.model import InputError
from analysis.reference import schema

HERE = Path(__file__).resolve().parent
COMPILED = HERE / "compiled"


class Copy(msgspec.Struct):
    """The JSON beside a YAML file."""

    sha256: str
    data: msgspec.Raw


def read(name: str, folder: Path = HERE) -> tuple[Any, str]:
    """The file ``name.yaml`` in a folder as its schema's structure, and its SHA-256.

    Raises InputError that names the file, the record and what is wrong with it."""
    place = folder / f"{name}.yaml"
    try:
        if folder != HERE and not place.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"The reference file {place} is a link that leads out of its folder; copy the file itself into it."
            )
        raw = place.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        why = getattr(error, "strerror", None) or "its links lead in a circle"
        raise InputError(f"The reference file {place} cannot be read ({why}).") from error
    sha256 = hashlib.sha256(raw).hexdigest()
    if folder == HERE:
        copied = _copy(name, sha256)
        if copied is not None:
            return copied, sha256
    return parse(name, raw, place), sha256


def _copy(name: str, sha256: str) -> Any:
    try:
        copy = msgspec.json.decode((COMPILED / f"{name}.json").read_bytes(), type=Copy)
        if copy.sha256 == sha256:
            return msgspec.json.decode(copy.data, type=schema.FILES[name])
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        pass
    return None


def plain(raw: bytes, place: Path) -> Any:
    """YAML as plain data; days stay text. Raises InputError with the line."""
    try:
        _bounded(raw, place)
        return yaml.load(raw, Loader=_Loader)  # noqa: S506 - a safe loader
    except _NO_YAML as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"The reference file {place}{line} is no YAML; mend it or restore the original.") from error


_NO_YAML = (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)
"""What PyYAML raises for text that is none, or for a value that its own tag denies (``!!bool maybe``)."""

MOST_OCTETS = 50_000_000
MOST_DEPTH = 60
MOST_NODES = 2_000_000

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """The safe loader without dates: ``2026-11-24`` is the text that the schema asks for, quoted or not."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own form
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in _Safe.yaml_implicit_resolvers.items()
    }


def _bounded(raw: bytes, place: Path) -> None:
    """Refuse what would take the process down: YAML too large, too deep (the C loader recurses without a limit), or
    grown by aliases of aliases. The parser of events is iterative, so it can look at anything."""
    if len(raw) > MOST_OCTETS:
        raise InputError(f"The reference file {place} has over {MOST_OCTETS // 10**6} MB; give a smaller one.")
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []
    nodes = 0
    for event in yaml.parse(raw, Loader=_Safe):
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, nodes))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor is not None:
                sizes[anchor] = nodes - before + 1
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_):
                raise InputError(f"The reference file {place} holds an alias of what it stands in; write it out.")
            nodes += sizes.get(event.anchor or "", 1)
        nodes += 1
        if len(open_) > MOST_DEPTH or nodes > MOST_NODES:
            raise InputError(
                f"The reference file {place} is nested over {MOST_DEPTH} deep or holds over {MOST_NODES} values, "
                "which no reference file does; give a plain one."
            )


def parse(name: str, raw: bytes, place: Path) -> Any:
    """A reference file's bytes as its schema's structure. Raises InputError with file and record."""
    data = plain(raw, place)
    try:
        return msgspec.convert(data, schema.FILES[name])
    except (msgspec.ValidationError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"The reference file {place}{_record(data, error)}: {error}.") from error


def _record(data: Any, error: Exception) -> str:
    """Which record a validation error means: its path has the form ``$.operators[3].kind``."""
    found = re.search(r"\$\.([a-z_]+)\[(\d+)\]", str(error))
    try:
        record = data[found[1]][int(found[2])] if found else None
        label = record.get("id") or record.get("code") if isinstance(record, dict) else None
    except (KeyError, IndexError, TypeError):
        label = None
    return f", record {label!r}" if isinstance(label, str) else ""
