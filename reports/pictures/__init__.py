"""The pictures of a report, one a module: functions of the facts and a width alone.

Each is drawn twice, ``WIDE`` and ``NARROW`` units across, and the page shows the one that fits, so that text keeps its
size. Whatever a picture shows stands in a table too.
"""

from __future__ import annotations

WIDE, NARROW = 860, 350
