"""Sources: bytes in, batches out. Each format has a module of its own; this one holds the seam that they share.

A source is told by content, never by its name. It yields batches in capture order and holds nothing that grows
with the capture. Flow ordinals count first packets (or first entries); a flow's row comes once, when it is final.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from analysis.model import Clue, Exchange, Loss, Message, Origin
from analysis.tables import TABLES

_FLOW_COLUMNS = (
    "leg app app_from uid way transport src sport dst dport first last bytes_out bytes_in bytes_read packets_out "
    "packets_in tcp_ms tls_ms handshake_at host host_from tls alpn decrypted unread origin"
).split()

FLOW_SCHEMA = pa.schema(
    [pa.field("source", pa.string()), pa.field("unit", pa.int64())]
    + [TABLES["flows"].schema.field(name) for name in _FLOW_COLUMNS]
)
"""A flow in flight: its key (source, unit), then those columns of ``flows`` that a source can know.
``unread`` counts octets that no reader understood, so that bytes_out + bytes_in = bytes_read + what it adds up to.
Its kinds: encrypted, sealed, non_http, relayed, truncated, unread, and, where the capture holds the signal itself,
ca_refused; its causes are words of ``docs/design.md``."""

NAME_SCHEMA = TABLES["names"].schema
"""A name in flight: as in the table ``names``."""


@dataclass(slots=True)
class Batch:
    """What one step of a source hands over. Flows and names as Arrow record batches, the rest as objects.

    An exchange comes in one batch with its request and its response."""

    flows: pa.RecordBatch | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    names: pa.RecordBatch | None = None
    clues: list[Clue] = field(default_factory=list)
    keys: int = 0
    """Secrets of sealed traffic that the source met."""
    losses: list[Loss] = field(default_factory=list)
    done: int = 0
    """Bytes of the file read so far, for progress."""
    events: list[dict[str, Any]] = field(default_factory=list)
    """Lines of ``events.jsonl`` other than DNS answers: phase marks, refusals, the app in front."""
    ids: list[tuple[int, str]] = field(default_factory=list)
    """The proxy's own id of the flow that a unit of this source (as in origins) is of, where it has such ids."""


@dataclass(frozen=True, slots=True)
class Options:
    """What every source is told."""

    batch: int = 256
    """Most exchanges (or finished flows) in one batch."""
    leg: str | None = None
    """Leg that the manifest states; None: the format's usual one."""
    max_body: int = 64 << 20
    """Octets of one body that are held; what is over is counted (``Message.cut``, ``Message.size``)."""
    device: str | None = None
    """Address of the phone, where more than one device speaks in the capture."""
    beside: tuple[tuple[str, Path], ...] = ()
    """The other files of the same capture, by their names in the manifest: where a proxy's dump and its journal of
    messages tell of the same connection, each must know what the other holds."""
    sealed: bool = True
    """The file is finished: a torn tail is a loss. False while it still grows: a torn tail is not yet there."""
    ends: Mapping[Path, int] = field(default_factory=dict)
    """Octets of each file that are read, this one and those beside it: what a file grows by while an audit reads it
    is neither in its hash nor in its tables."""
    found: dict[Path, Any] = field(default_factory=dict)
    """What was found out while a file was read that those beside it ask for. All sources of one audit share it, so
    that a file that was read is not surveyed once more."""


class Source(Protocol):
    """One format. A module under ``analysis.sources`` is one: it has these names. ``identify`` tells which."""

    KIND: str

    def read(self, path: Path, source: str, options: Options) -> Iterator[Batch]:
        """The batches of a file whose name in the manifest is ``source``.

        Raises InputError when nothing in it can be read; what breaks off later is a loss in the last batch."""

    def layer_bytes(self, path: Path, origin: Origin) -> bytes:
        """The octets that an origin's offset counts in, before its steps. The layer ``file`` is the same for all: it
        is not asked for here.

        Raises InputError when the file has no such unit or layer."""
