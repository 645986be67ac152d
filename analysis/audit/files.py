"""The octets of a capture's files: how far each is read, and what it was when it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis import folder, tables
from analysis.audit.memory import Memory
from analysis.model import InputError, Loss
from analysis.sources.rows import valid

Progress = Callable[[str, int, int], None]
"""Called with a stage (``hash``, ``read``, ``conclude``), what is done of it and how much there is, in octets."""


@dataclass(slots=True)
class Files:
    """The files of a capture as an audit finds them: hashes and sizes in the manifest's order."""

    ends: dict[Path, int]
    """Octets of each that are read."""
    found: dict[Path, os.stat_result]
    """What each was when the audit began."""
    sha256: list[str] = field(default_factory=list)
    private: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def files_of(capture: folder.Capture) -> Files:
    """How much of each file is read: what it held when the audit began. The journal's lines are written before the
    flow that they belong to, so it is asked after the dump. Raises InputError where a file is gone."""
    try:
        found = {f.path: f.path.stat() for f in sorted(capture.files, key=lambda f: f.name.endswith(".jsonl"))}
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}).") from error
    return Files({path: stat.st_size for path, stat in found.items()}, found)


def hash_files(capture: folder.Capture, files: Files, memory: Memory, tell: Progress) -> None:
    """Hash every file. One that is not what the manifest says is a loss, and read all the same.

    Raises InputError where a file cannot be read."""
    done, total = 0, sum(files.ends.values())
    for file in capture.files:

        def advance(octets: int) -> None:
            nonlocal done
            done += octets
            tell("hash", done, total)

        try:
            sha256, private, size = memory.digests(file.path, files.ends[file.path], advance)
        except OSError as error:
            raise InputError(f"{file.path} cannot be read ({error.strerror}).") from error
        files.sha256.append(sha256)
        files.private.append(private)
        files.sizes.append(size)
        if file.stated_sha256 is not None and file.stated_sha256 != sha256:
            where = "its SHA-256 is not the one that the manifest names: it was changed after the manifest was written"
            files.losses.append(Loss(file.name, "file_changed", 1, size, where))


def changed_since(capture: folder.Capture, files: Files) -> list[Loss]:
    """Files that somebody changed while they were hashed and read. One that only grew is as it was, as far as it was
    read."""
    where = "it was replaced or changed while it was audited: its hash and its tables may be of different octets"
    losses = []
    for file in capture.files:
        before = files.found[file.path]
        try:
            now = file.path.stat()
        except OSError:
            continue  # what is open is read on; what is gone before that is said where it is opened
        other = (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino) or now.st_size < before.st_size
        if other or (now.st_size == before.st_size and now.st_mtime_ns != before.st_mtime_ns):
            losses.append(Loss(file.name, "file_changed", 1, before.st_size, where))
    return losses


def others_changed(capture: folder.Capture, events: Iterable[Mapping[str, Any]]) -> list[Loss]:
    """Files of the folder that are no capture (a persona, a video of the screen) and that the recorder wrote down with
    their hash: those that are gone, or are not what they were."""
    if not capture.path.is_dir():
        return []
    said = {}
    for event in events:
        name, sha256 = event.get("name"), event.get("sha256")
        # A name is a hostile folder's to choose: what lies elsewhere is none of it.
        if event.get("type") == "file" and isinstance(name, str) and 0 < len(name) < 200 and Path(name).name == name:
            said[valid(name)] = sha256
    losses = []
    for name, sha256 in said.items():
        place = capture.path / name
        try:
            if not place.is_file() or place.is_symlink():
                raise FileNotFoundError
            size, now = place.stat().st_size, folder.digests(place)[0]
        except (OSError, ValueError):  # ValueError: a name that no file can have
            where = f"{name}: it stood in the folder when the recording was sealed"
            losses.append(Loss(name, "file_missing", 1, 0, where))
            continue
        if now != sha256:
            where = f"{name}: its SHA-256 is not the one that was written down when the recording was sealed"
            losses.append(Loss(name, "file_changed", 1, size, where))
    return losses


def source_table(capture: folder.Capture, files: Files, kinds: list[str]) -> pa.Table:
    """The table of sources. ``kinds``: of the files, in their order."""
    rows = []
    for n, (file, kind) in enumerate(zip(capture.files, kinds, strict=True)):
        leg = file.leg or ("wire" if kind in ("pcap", "pcapng") else "phone")
        row = {"source": n, "file": file.name, "kind": kind, "leg": leg}
        rows.append(row | {"sha256": files.sha256[n], "bytes": files.sizes[n]})
    return tables.TABLES["sources"].from_rows(rows)
