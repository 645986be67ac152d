"""The bytes that something was read from: an origin of the tables or the report, followed back into the capture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lintas.terminal import labelled, printable, screen

if TYPE_CHECKING:
    from analysis.sources.octets import Stored

_AROUND = 48
"""Octets shown on both sides of what an origin names."""
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """What an origin names: ``layer`` holds the octets that its offset counts in."""

    origin: str
    file: str
    kind: str
    chain: str
    layer: bytes | Stored
    offset: int
    length: int

    @property
    def wanted(self) -> bytes:
        return self.layer[self.offset : self.offset + self.length]

    def told(self) -> dict[str, Any]:
        return {
            "origin": self.origin,
            "file": self.file,
            "kind": self.kind,
            "layer": self.chain,
            "offset": self.offset,
            "length": self.length,
            "hex": self.wanted.hex(),
            "text": self.wanted.decode("utf-8", "backslashreplace"),
        }


def find(folder: Path, text: str, capture: Path | None) -> Found:
    """The octets of an origin. Raises InputError when the audit, the capture or the origin is not what it was."""
    from analysis import tables
    from analysis.codecs import replay
    from analysis.model import InputError, Origin
    from analysis.sources import Options
    from analysis.sources.identify import layer_bytes

    origin = Origin.parse(text)
    made, _ = tables.read(folder)
    sources = {row["file"]: row for row in made["sources"].to_pylist()}
    row = sources.get(origin.source)
    if row is None:
        raise InputError(f"{folder} was not made from a file {origin.source!r}; the origin belongs to another audit.")
    place = _place(folder, origin.source, row["sha256"], capture)
    if _sha256(place) != row["sha256"]:
        raise InputError(f"{place} is not the file that was audited (its SHA-256 differs); find the original.")
    layer = layer_bytes(place, row["kind"], origin, Options())
    if origin.steps:
        layer = replay(layer[:], origin.steps)
    if origin.offset + origin.length > len(layer):
        raise InputError(f"{text}: its layer has {len(layer)} octets only; the origin belongs to another audit.")
    chain = " > ".join((origin.layer, *(s.codec for s in origin.steps)))
    return Found(text, origin.source, row["kind"], chain, layer, origin.offset, origin.length)


def _place(folder: Path, source: str, sha256: str, capture: Path | None) -> Path:
    """The capture's file: where the user says, else where it lay when it was audited. One whose name tables do not hold
    as it is (it is no text, or holds a planted value) is told by its hash."""
    from analysis.audit import remembered_capture
    from analysis.folder import capture_files
    from analysis.model import InputError

    base = capture or remembered_capture(folder)
    if base is None:
        raise InputError(f"{folder} does not say where its capture lies; name it with --capture PATH.")
    for place in [base / source] if base.is_dir() else [base]:
        if place.is_file():
            return place
    if base.is_dir():
        for file in capture_files(base):
            if _sha256(file.path) == sha256:
                return file.path
    raise InputError(f"{base} no longer holds {source!r}; say where the capture is with --capture PATH.")


def _sha256(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def print_found(found: Found) -> None:
    """Print the octets as hexadecimal and text, those that the origin names in bold between their neighbours."""
    from rich.text import Text

    console = screen()
    console.print(f"{printable(found.file)} ({found.kind}), {printable(found.chain)}, ", end="", markup=False)
    console.print(f"bytes {found.offset:,} to {found.offset + found.length:,} of {len(found.layer):,}", markup=False)
    first = max(found.offset - _AROUND, 0) // 16 * 16
    last = min(found.offset + min(found.length, _MOST) + _AROUND, len(found.layer))
    shown = found.layer[first : (last + 15) // 16 * 16]
    for start in range(first, last, 16):
        line = Text(f"{start:08x}  ")
        chars = Text(" ")
        for place in range(start, start + 16):
            if place - first >= len(shown):
                line.append("   ")
                continue
            octet = shown[place - first]
            style = "bold reverse" if found.offset <= place < found.offset + found.length else ""
            line.append(f"{octet:02x}", style)
            line.append(" ")
            chars.append(chr(octet) if 32 <= octet < 127 else "·", style)
        console.print(line + chars, soft_wrap=True)
    if found.length <= _MOST:
        labelled([("Text", found.wanted.decode("utf-8", "backslashreplace"))])
    else:
        console.print(f"… {found.length - _MOST:,} bytes more; see all of them with --raw.", markup=False)
