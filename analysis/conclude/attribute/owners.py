"""Whose a user id of the phone was at a moment, as the phone said it.

Android gives the number of an app that was uninstalled to another one after a restart. So what the phone says of a user
id within a connection holds for that connection, and else what it said last before and first behind it: where those
differ, either may have had it. What was said before an app was installed or uninstalled says nothing of later, nor the
other way round, unless both sides say the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.conclude.attribute.speaker import USER
from analysis.conclude.clocks import FIRST_APP

_CHANGES = frozenset({"install", "uninstalled"})
"""Phases in which apps come and go."""

Marks = Iterable[tuple[int, int | None, str]]


class Owners:
    """The apps of each user id, by the events of type ``socket``. ``marks``: the phases of the session."""

    def __init__(self, events: Iterable[Mapping[str, Any]], marks: Marks) -> None:
        self._changes = sorted(start for start, _, name in marks if name in _CHANGES)
        said: dict[int, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._always: dict[int, set[str]] = defaultdict(set)
        """What was said without a time."""
        self._ever: dict[int, set[str]] = defaultdict(set)
        for event in events:
            uid, apps = event.get("uid"), event.get("apps")
            if event.get("type") != "socket" or uid is None or not apps:
                continue
            self._ever[uid].update(apps)
            if (at := event.get("at")) is None:
                self._always[uid].update(apps)
            else:
                said[uid][at].update(apps)
        self._times = {uid: sorted(by_time) for uid, by_time in said.items()}
        self._apps = {uid: [frozenset(by_time[at]) for at in self._times[uid]] for uid, by_time in said.items()}

    def __bool__(self) -> bool:
        return bool(self._ever)

    @property
    def ever(self) -> Mapping[int, set[str]]:
        """The apps that a user id had at any time."""
        return self._ever

    def of(self, uid: int | None, first: int | None, last: int | None) -> frozenset[str]:
        """The apps that may have had a user id in a connection between two moments (None: at any time); an app's SDK
        sandbox has one of its own, 10,000 above (AID_SDK_SANDBOX_PROCESS_START of ``android_filesystem_config.h``)."""
        if uid is None:
            return frozenset()
        if uid not in self._ever and 2 * FIRST_APP <= uid % USER < 3 * FIRST_APP:
            uid -= FIRST_APP
        if first is None or last is None:
            return frozenset(self._ever.get(uid, ()))
        times, apps = self._times.get(uid, []), self._apps.get(uid, [])
        low, high = bisect_left(times, first), bisect_right(times, last)
        found = set(self._always.get(uid, ()))
        if low < high:
            return frozenset(found.union(*apps[low:high]))
        before = apps[low - 1] if low > 0 else None
        after = apps[high] if high < len(times) else None
        if before is not None and before == after:
            return frozenset(found | before)
        if before is not None and not self._changed(times[low - 1], first):
            found |= before
        if after is not None and not self._changed(last, times[high]):
            found |= after
        return frozenset(found)

    def _changed(self, first: int, last: int) -> bool:
        return bisect_left(self._changes, first) < bisect_right(self._changes, last)
