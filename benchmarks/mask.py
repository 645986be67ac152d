"""What the mask costs: the part of an audit's CPU time that is spent in it.

``PYTHONPATH=. .venv/bin/python benchmarks/mask.py CAPTURE [PERSONA]``: an audit in one process, with clocks around the
mask's own functions; each call's time counts once, the outermost. The clocks' own time counts as the mask's."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis import audit
from analysis.audit import AuditOptions
from analysis.read import mask

RUNS = 3


class Clocked:
    """CPU seconds inside of any of the functions that were wrapped."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0
        self._inside = False

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **keys: Any) -> Any:
            if self._inside:
                return function(*words, **keys)
            self._inside = True
            began = time.thread_time()
            try:
                return function(*words, **keys)
            finally:
                self.seconds += time.thread_time() - began
                self.calls += 1
                self._inside = False

        return call


def main() -> None:
    capture = Path(sys.argv[1])
    persona = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    clock = Clocked()
    for owner, names in (
        (mask.Mask, ("__init__", "text", "path", "keys", "key", "_host")),
        (mask.Known, ("add", "hide")),
        (audit, ("leave",)),
    ):
        for name in names:
            setattr(owner, name, clock.around(getattr(owner, name)))
    shares = []
    for _ in range(RUNS):
        clock.seconds, clock.calls = 0.0, 0
        began = time.process_time()
        audit.run(capture, AuditOptions(persona=persona, workers=1, user_country="ID"))
        whole = time.process_time() - began
        shares.append(clock.seconds / whole)
        print(f"{whole:.2f} s, of which {clock.seconds:.2f} s in {clock.calls:,} calls of the mask: {shares[-1]:.1%}")
    print(f"median {statistics.median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})")


if __name__ == "__main__":
    main()
