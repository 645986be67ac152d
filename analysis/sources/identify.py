"""The one way to open a capture file: its kind is told by its content, and the reader of that kind reads it.

Nothing in this room imports this module: it knows every reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from analysis.folder.writing import DUMP, EVENTS, JOURNAL
from analysis.model import InputError, Origin
from analysis.sources import Batch, Options, connections
from analysis.sources.kinds import kind_of as kind_of
from analysis.sources.kinds import may_become
from analysis.sources.octets import Stored


def open_source(path: Path, source: str, options: Options) -> tuple[str, Iterator[Batch]]:
    """The kind of a file and its batches, which are read when they are asked for. A file that is not sealed and holds
    too little to tell is of kind ``other`` and has none yet.

    Raises InputError in one sentence when the file is no capture that Lintas reads."""
    kind, looks = kind_of(path)
    if kind == "har":
        from analysis.sources import har

        return kind, _opened(har.read(path, source, options))
    if kind == "charles":
        from analysis.sources import charles

        return kind, _opened(charles.read(path, source, options))
    if kind == "saz":
        from analysis.sources import saz

        return kind, _opened(saz.read(path, source, options))
    if kind == "mitmproxy":
        from analysis.sources import mitm

        return kind, _opened(mitm.read(path, source, options))
    if kind == "events":
        from analysis.sources import events

        return kind, _opened(events.read(path, source, options))
    if kind == "messages":
        from analysis.sources import messages

        return kind, _opened(messages.read(path, source, options))
    if kind == connections.KIND:
        return kind, _opened(connections.read(path, source, options))
    if kind in ("pcap", "pcapng"):
        from analysis.sources import packets

        return kind, _opened(packets.read(path, source, options))
    if not options.sealed and may_become(path):
        return kind, iter(())
    if path.name in _BEGUN and _is_empty(path) and not all(_is_empty(other) for _, other in options.beside):
        return _BEGUN[path.name], iter(())
    raise InputError(
        f"{path} is no capture that Lintas reads (HAR, mitmproxy dump, pcap, pcapng, sessions of Fiddler as "
        f".saz and of Charles as .chlsj): it is {looks}."
    )


_BEGUN = {DUMP: "mitmproxy", JOURNAL: "messages", EVENTS: "events"}
"""What a recording begins with, each empty until something of its kind came."""


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return True


def _opened(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, the first read already, so that a file of which nothing can be read is refused at
    once."""
    first = next(batches, None)
    if first is None:
        return iter(())

    def all_of_them() -> Iterator[Batch]:
        yield first
        yield from batches

    return all_of_them()


def layer_bytes(path: Path, kind: str, origin: Origin, options: Options) -> bytes | Stored:
    """The octets that an origin's offset counts in, before its steps. ``kind``: as ``open_source`` told it.

    Raises InputError when the file has no such unit or layer."""
    if origin.layer == "file":
        return Stored(path)
    if kind == "har":
        from analysis.sources import har

        return har.layer_bytes(path, origin)
    if kind == "charles":
        from analysis.sources import charles

        return charles.layer_bytes(path, origin)
    if kind == "saz":
        from analysis.sources import saz

        return saz.layer_bytes(path, origin)
    if kind == "mitmproxy":
        from analysis.sources import mitm

        return mitm.layer_bytes(path, origin)
    if kind == "events":
        from analysis.sources import events

        return events.layer_bytes(path, origin)
    if kind == "messages":
        from analysis.sources import messages

        return messages.layer_bytes(path, origin)
    if kind == connections.KIND:
        return connections.layer_bytes(path, origin)
    if kind in ("pcap", "pcapng"):
        from analysis.sources import packets

        return packets.layer_bytes(path, origin, options)
    raise InputError(f"{path} is of no kind that has a layer {origin.layer}.")
