"""The one mask for what a capture shows while it runs: terminal, live page, and what is said at its end.

The values that were planted are those of the folder's persona, to which the phone may add identifiers of its own. What
else is a personal value only an audit can tell, so of a host that it has not looked at no more is shown than what
somebody registered.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analysis.folder import PHASES
from analysis.model import InputError
from analysis.reference.suffixes import without_labels

if TYPE_CHECKING:
    from analysis.read.mask import Mask


class Masking:
    """``persona``: the file in the folder, which need not be there, and may change. ``region``: ISO 3166 code of the
    user's country."""

    def __init__(self, persona: Path | None = None, region: str | None = None) -> None:
        self._persona, self._region = persona, region
        self._seen: tuple[int, ...] | None = None
        self._mask: Mask | None = None

    def text(self, text: str) -> str:
        """A text without what was planted."""
        mask = self._current()
        return text if mask is None else mask.text(text)

    def phase(self, name: str) -> str:
        """A phase: a word of ours, or one that the auditor typed."""
        return name if name in PHASES else self.text(name)

    def host(self, host: str) -> str:
        """A host that no audit has looked at."""
        return self.text(without_labels(host))

    def _current(self) -> Mask | None:
        """The mask by the persona as it is now; None where nothing was planted."""
        if self._persona is None:
            return None
        try:
            found = self._persona.stat()
        except OSError:
            return self._mask
        sign = (found.st_ino, found.st_size, found.st_mtime_ns)
        if sign != self._seen:
            from analysis.persona import load_persona
            from analysis.read.mask import Mask
            from analysis.reference import Reference

            try:
                values = load_persona(self._persona, Reference.load().data_type_aliases()).values
            except InputError:  # half written: the mask before holds on
                return self._mask
            self._mask, self._seen = Mask.of(values, self._region), sign
        return self._mask
