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
        raw = place.read_bytes()
    except OSError as error:
        raise InputError(f"The reference file {place} cannot be read ({error.strerror}).") from error
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
    """YAML as plain data. Raises InputError with the line."""
    try:
        return yaml.load(raw, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"The reference file {place}{line} is no YAML; mend it or restore the original.") from error


def parse(name: str, raw: bytes, place: Path) -> Any:
    """A reference file's bytes as its schema's structure. Raises InputError with file and record."""
    data = plain(raw, place)
    try:
        return msgspec.convert(data, schema.FILES[name])
    except (msgspec.ValidationError, TypeError) as error:
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
