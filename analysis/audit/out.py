"""An audit folder on disk: what may be overwritten, what is written, and where its capture lay."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from analysis import tables
from analysis.folder.owner import close_to_others
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


@contextmanager
def exchanged(out: Path) -> Iterator[Path]:
    """A folder to write a new audit into. When the block ends, what stands there takes the place of the audit in
    ``out``; when it fails, ``out`` is as it was.

    The folder lies inside of ``out``, so that the exchange is renames within one file system, which need no space:
    ``audit.json`` goes first and comes last, and what lacks it is never taken for an audit.
    Raises InputError as :func:`check_out` does, and where ``out`` cannot be written."""
    check_out(out)
    made_here = not out.exists()
    new: Path | None = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        new = Path(tempfile.mkdtemp(prefix=_BESIDE, dir=out))
        new.chmod(0o755 & ~_umask())
        yield new
        _exchange(new, out)
    except InputError as error:
        raise InputError(str(error).replace(str(new), str(out))) from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise InputError(f"{out} cannot be written ({why}); free space or name another folder with --out.") from error
    finally:
        if new is not None:
            shutil.rmtree(new, ignore_errors=True)
        if made_here:
            with suppress(OSError):
                out.rmdir()  # only where nothing came to stand in it


def _exchange(new: Path, out: Path) -> None:
    for name in ("audit.json", *sorted(_OURS - {"audit.json"})):
        place = out / name
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    names = [p.name for p in new.iterdir() if p.name != "audit.json"]
    for name in (*sorted(names), "audit.json"):
        if (new / name).exists():
            os.replace(new / name, out / name)
    out.chmod(new.stat().st_mode & 0o777)


def _sweep(out: Path) -> None:
    """What an audit that was killed left beside the one that it meant to replace."""
    for left in out.glob(f"{_BESIDE}*"):
        shutil.rmtree(left, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def save(
    path: Path,
    out: Path,
    made: tables.Tables,
    about: dict[str, Any],
    also: Callable[[Path], object] | None = None,
) -> None:
    """Write what :func:`run` made of the capture at ``path`` into the folder ``out``, in place of the audit that may be
    there. ``also``: writes more beside the tables (the report) before the exchange.

    Raises InputError as :func:`check_out` does, and where it cannot be written: what was there is there still."""
    with exchanged(out) as place:
        if about["options"]["reveal"]:
            # It holds the data itself: for its owner alone, as the capture is, also while it is written.
            close_to_others(place)
        tables.write(place, made, about)
        (place / _REMEMBERED).write_bytes(os.fsencode(path.resolve()))
        if also is not None:
            also(place)
        if about["options"]["reveal"]:
            close_to_others(place)


_BESIDE = ".new-"
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
    folder takes the place of its earlier one. The folder is taken at once, so that no other audit takes it meanwhile.

    Raises InputError where it cannot be made."""
    real = path.resolve()
    name, number = real.name if real.is_dir() else real.stem, 1
    while True:
        place = parent / (name if number == 1 else f"{name}-{number}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            place.mkdir()
        except FileExistsError:
            earlier = remembered_capture(place)
            if earlier != real and (earlier is not None or not _is_empty(place)):
                number += 1
                continue
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise InputError(f"{place} cannot be made ({why}); name a folder with --out.") from error
        with suppress(OSError):
            (place / _REMEMBERED).write_bytes(os.fsencode(real))
        return place


def let_go(place: Path) -> None:
    """Remove a folder that :func:`own_folder` took, and ``audits`` around it, where no audit came into them."""
    with suppress(OSError):
        if {p.name for p in place.iterdir()} <= {_REMEMBERED}:
            (place / _REMEMBERED).unlink(missing_ok=True)
            place.rmdir()
            place.parent.rmdir()


def _is_empty(place: Path) -> bool:
    try:
        return place.is_dir() and not any(place.iterdir())
    except OSError:
        return False
