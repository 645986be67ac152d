"""What a follower remembers from look to look, so that a look costs parsing and ``conclude``, never reading again.

A reading is kept under a digest of all that ``read`` is given of a message, so that it is right by construction: an
equal message has an equal reading, wherever its flow stands by now. Kept are readings as packed octets (found values,
excerpts, paths), no bodies; what comes when ``MOST`` octets are reached is read again at each look, and counted."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import folder
from analysis.audit import Memory
from analysis.model import Message, Reading
from analysis.sources import Batch

if TYPE_CHECKING:
    from analysis.read import Spec

MOST = 256 << 20
"""Octets of readings that are kept. The first that came stay: every look asks for all of them in the same order, so
that to drop the oldest would drop each before it is asked for."""
_ENTRY = 200
"""Octets that an entry costs beside the reading."""


class Remembering(Memory):
    """Readings, digests, and the proxy's ids of the last look.

    ``afresh``: files are hashed from their beginning, as for the last look, which trusts nothing that it saw while
    the folder was written."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._spec: Spec | None = None
        self._readings: dict[bytes, bytes] = {}
        self._hashings: dict[Path, folder.Hashing] = {}
        self.octets = 0
        self.afresh = False
        self.ids: dict[str, dict[int, str]] = {}
        """The proxy's flow id of each unit of each source, of the last look."""
        self.read = 0
        """Messages that the last look read, since they were new or there was no room to keep them."""
        self.kept = 0
        """Readings that are kept."""

    def begin(self, spec: Spec) -> None:
        if spec != self._spec:
            self._spec = spec
            self._readings.clear()
            self.octets = 0
        self.ids = {}
        self.read = 0

    def digests(self, path: Path, end: int, progress: Callable[[int], None]) -> folder.Digests:
        if self.afresh:
            return folder.digests(path, progress, end)
        return self._hashings.setdefault(path, folder.Hashing()).upto(path, progress, end)

    def recall(self, message: Message) -> tuple[bytes, Reading | None]:
        name = _name(message)
        packed = self._readings.get(name)
        if packed is None:
            return name, None
        reading: Reading = pickle.loads(packed)  # noqa: S301 - packed below, by this process
        reading.message = message.key
        for sent in reading.transmissions:
            sent.message, sent.exchange, sent.flow = message.key, message.exchange, message.flow
        reading.clues = [dataclasses.replace(c, flow=message.flow) for c in reading.clues]
        return name, reading

    def keep(self, name: bytes, reading: Reading) -> None:
        self.read += 1
        packed = pickle.dumps(reading, pickle.HIGHEST_PROTOCOL)
        if name not in self._readings and self.octets + len(packed) + _ENTRY <= self._most:
            self._readings[name] = packed
            self.octets += len(packed) + _ENTRY
        self.kept = len(self._readings)

    def met(self, source: str, batch: Batch) -> None:
        if batch.ids:
            self.ids.setdefault(source, {}).update(batch.ids)


def _name(m: Message) -> bytes:
    """A digest of the message without what numbers its flow and exchange: those change while a folder grows."""
    about = (m.direction, m.index, m.at, m.kind, m.size, str(m.origin), m.headers, m.method, m.scheme, m.host)
    more = (m.target, m.status, m.protocol, m.content_decoded, m.cut, m.allowance)
    made = blake2b(repr((about, more)).encode("utf-8", "surrogatepass"), digest_size=20)
    made.update(b"\0")
    made.update(m.body)
    return made.digest()
