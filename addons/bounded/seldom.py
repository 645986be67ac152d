"""Log lines that may come again and again, such as one for each connection that fails: the first few, and then how
many there were."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

_FEW, _SECONDS = 5, 60.0
"""As many lines of one kind in so many seconds."""
_KINDS = 200
"""Kinds that are remembered at once."""
REPEATED = ("asyncio", "mitmproxy.master", "tornado.application", "tornado.general")
"""Loggers that write a traceback for each fault of a connection."""


class Seldom(logging.Filter):
    """Lets few lines of a kind through: of the same logger, the same wording before its values, the same exception."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        fault = record.exc_info[0] if record.exc_info else None
        kind = (record.name, record.levelno, str(record.msg)[:80], fault.__name__ if fault is not None else "")
        now = time.monotonic()
        began, count = self._kinds.get(kind, (now, 0))
        if now - began >= _SECONDS:
            if count > _FEW:
                record.msg = f"{record.getMessage()} ({count - _FEW} lines like it were left out)"
                record.args = None
            began, count = now, 0
        if len(self._kinds) >= _KINDS and kind not in self._kinds:
            self._kinds.clear()
        self._kinds[kind] = (began, count + 1)
        return count < _FEW


def quieten(names: Iterable[str] = REPEATED) -> None:
    """Have these loggers write few lines of a kind. The same again is none too many."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(one, Seldom) for one in logger.filters):
            logger.addFilter(Seldom())
