"""What an audit may know of the same capture from before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import folder
from analysis.model import Message, Reading
from analysis.sources import Batch

if TYPE_CHECKING:
    from analysis.read import Spec


class Memory:
    """What an audit knows of the same capture from before. This one knows nothing and keeps nothing."""

    def begin(self, spec: Spec) -> None:
        """An audit begins whose detector is built from ``spec``: what another one read counts no more."""

    def digests(self, path: Path, end: int, progress: Callable[[int], None]) -> folder.Digests:
        """The digests of the first ``end`` octets of a file. Raises OSError."""
        return folder.digests(path, progress, end)

    def recall(self, message: Message) -> tuple[bytes, Reading | None]:
        """A name for the message, and what ``read`` understood of it, where that is known."""
        return b"", None

    def keep(self, name: bytes, reading: Reading) -> None:
        """Take in what ``read`` understood of the message of that name."""

    def met(self, source: str, batch: Batch) -> None:
        """A batch of the source of that name came."""
