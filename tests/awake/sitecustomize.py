"""Programs that are started with this folder in PYTHONPATH do not give way to others.

The audit that follows a capture takes idle time alone; a machine that runs tests has none, and what a test waits for
would never come. That it gives way is shown in ``tests/analysis/test_follow.py``."""

from __future__ import annotations

import os


def _stay(*_: object) -> int:
    return 0


os.nice = _stay
os.sched_setscheduler = _stay
