"""An audit folder on disk: what may be overwritten, what is written, and where its capture lay."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from analysis import tables
from analysis.model import InputError

_OURS = frozenset({f"{name}.parquet" for name in tables.TABLES} | {"audit.json", "report.html", "report.json", "csv"})


def check_out(out: Path) -> None:
    """See that an audit may be written to ``out``: it is not there, empty, or an earlier audit.

    Raises InputError for a folder that holds anything else, and for one that no table can be written to. Nothing is
    touched."""
    try:
        str(out).encode()
    except UnicodeEncodeError as error:
        why = "has octets in its name that are no UTF-8"
        raise InputError(f"{str(out)!r} {why}; name another folder with --out.") from error
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file; name a folder with --out.")
        held = sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) if out.exists() else []
    except OSError as error:
        raise InputError(f"{out} cannot be read ({error.strerror}); name another folder with --out.") from error
    foreign = [name for name in held if name not in _OURS]
    if foreign or (held and not {"audit.json", "sources.parquet"} & set(held)):
        name = (foreign or held)[0]
        raise InputError(f"{out} holds {name!r}, which is no part of an audit; name an empty folder with --out.")


def clear_out(out: Path) -> None:
    """Make ``out`` an empty audit folder: what an earlier audit left goes, ``audit.json`` first, so that what is
    half written is never taken for an audit. Raises InputError as :func:`check_out` does."""
    check_out(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("audit.json", *sorted(_OURS)):
            if (out / name).is_file():
                (out / name).unlink()
        for place in sorted((out / "csv").glob("*.csv")):
            place.unlink()
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); name another folder with --out.") from error


def save(path: Path, out: Path, made: tables.Tables, about: dict[str, Any]) -> None:
    """Write what :func:`run` made of the capture at ``path`` into the folder ``out``.

    Raises InputError as :func:`check_out` does, and where it cannot be written."""
    clear_out(out)
    try:
        if about["options"]["reveal"]:
            # It holds the data itself: for its owner alone, as the capture is.
            out.chmod(0o700)
        tables.write(out, made, about)
        (out / _REMEMBERED).write_bytes(os.fsencode(path.resolve()))
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); free space or name another folder.") from error


_REMEMBERED = ".capture-path"
"""Where the capture lay, for this machine alone: no table, report or export holds it."""


def remembered_capture(out: Path) -> Path | None:
    """Where the capture of an audit lay when it was made, if the audit folder still says so."""
    try:
        return Path(os.fsdecode((out / _REMEMBERED).read_bytes()))
    except OSError:
        return None


def own_folder(parent: Path, path: Path) -> Path:
    """The folder under ``parent`` for an audit of the capture at ``path`` that was given no name: the capture's name,
    with a number behind it where an audit of another capture has that name already. An audit of the same file or
    folder takes the place of its earlier one."""
    real = path.resolve()
    name, number = real.name if real.is_dir() else real.stem, 1
    while True:
        place = parent / (name if number == 1 else f"{name}-{number}")
        earlier = remembered_capture(place)
        if earlier == real or not place.exists() or (earlier is None and _is_empty(place)):
            return place
        number += 1


def _is_empty(place: Path) -> bool:
    try:
        return place.is_dir() and not any(place.iterdir())
    except OSError:
        return False
