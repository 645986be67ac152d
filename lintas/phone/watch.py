"""The phone while a capture runs: the app in front, whose sockets are whose, and whether it is still there.

One loop runs in the phone's shell and prints its tables once a second; nothing is installed there. What is new is told
as an event of the capture folder (docs/design.md). A connection that begins and ends between two looks is not seen:
the table says who had a socket, never that there was no other.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from analysis.model import InputError
from lintas.phone import front, sockets
from lintas.phone.adb import Phone, attempt
from lintas.phone.apps import uids
from lintas.phone.server import PhoneError

Event = Callable[..., Any]
"""Called as ``event(type, at=microseconds, **keys)``, like ``Writing.event``."""
INTERVAL = 1.0
_FRONT_EVERY = 2
_SILENT = 15.0
_AGAIN = 2.0
_MOST = 4 << 20
"""Characters of one look's tables, or of its dump, that are kept: some 20,000 sockets."""
_APP, _USER = 10_000, 100_000
"""The first uid of an app, and how far the uids of two users are apart: AID_APP_START and AID_USER_OFFSET of
android_filesystem_config.h."""


class Watch:
    """Watches a phone in a thread of its own. ``event`` is called from that thread; neither it nor ``start`` and
    ``stop`` raise."""

    def __init__(self, device: Phone, event: Event, interval: float = INTERVAL) -> None:
        self.device = device
        self._event = event
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._owners: dict[int, tuple[str, ...]] = {}
        self._asked: set[int] = set()
        self._open: set[sockets.Socket] = set()
        self._front: str | None = None
        self._ever = False
        self.there = False
        """Whether the phone answered last."""
        self.looks = 0
        """How often all tables were read."""
        self.cannot: list[str] = []
        """What this phone does not tell: ``sockets``; ``all_sockets``, where it has more than are read; ``front``,
        where in no look an app was in front."""

    def start(self) -> None:
        """Begin. A phone that is not there yet is waited for."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="phone", daemon=True)
            self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """End, and wait for it no longer than ``seconds``: a phone that hangs does not hold up the end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    # ---------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        came = False
        while not self._stop.is_set():
            try:
                self._look(came)
            except InputError:
                pass
            except Exception as error:
                # A defect of ours must not end a capture; what is missing from here on stands in it.
                self._tell("phone", state="ended", cause=type(error).__name__)
                self.there = False
                return
            if self.there:
                self.there, came = False, True
                if not self._stop.is_set():
                    self._tell("phone", state="vanished")
                    self._forget()
            if not self._stop.wait(_AGAIN):
                continue
        if self.looks and not self._ever:
            self.cannot.append("front")
        if came or self.there:
            self._tell("phone", state="ended", cannot=None if self._ever or not self.looks else "front")
        self.there = False

    def _look(self, came: bool) -> None:
        """Read the loop's output until it ends. Raises InputError where the phone is gone."""
        self._owners = uids(self.device)
        with self.device.stream(_loop(self._interval), _SILENT) as lines:
            part, held, at, room = "", [""], 0, _MOST
            for line in lines:
                if self._stop.is_set():
                    return
                if not line.startswith(_MARK):
                    room -= len(line) + 1
                    if room >= 0:
                        held.append(line)
                    elif part == "sockets":
                        self._cannot("all_sockets")
                    continue
                if not self.there:
                    self.there = True
                    self._tell("phone", state="returned" if came else "there")
                self._part(part, held, at)
                part, held, at, room = line.removeprefix(_MARK), [], time.time_ns() // 1000, _MOST

    def _part(self, part: str, lines: list[str], at: int) -> None:
        if part == "sockets":
            self._sockets(lines, at)
        elif part == "front":
            self._in_front(front.parse(lines), at)
            self.looks += 1
        elif part == "cannot sockets":
            self._cannot("sockets")

    def _cannot(self, what: str) -> None:
        if what not in self.cannot:
            self.cannot.append(what)
            self._tell("phone", state="there", cannot=what)

    def _sockets(self, lines: list[str], at: int) -> None:
        now = set()
        for line in lines:
            table, _, entry = line.partition("|")
            found = sockets.parse(entry, table) if table in sockets.TABLES else None
            if found is not None:
                now.add(found)
        for one in sorted(now - self._open, key=lambda s: (s.uid, s.transport, s.src, s.dst or ("", 0))):
            self._tell(
                "socket",
                at=at,
                uid=one.uid,
                apps=list(self._apps(one.uid)),
                transport=one.transport,
                src=list(one.src),
                dst=list(one.dst) if one.dst is not None else None,
            )
        self._open = now

    def _apps(self, uid: int) -> tuple[str, ...]:
        """The packages of a uid; an app that was installed since is asked for, once. Another user of the phone, or a
        work profile, has the same apps under uids of its own."""
        if uid not in self._owners and uid >= _APP and uid not in self._asked:
            self._asked.add(uid)
            self._owners = attempt(uids, self.device) or self._owners
        return self._owners.get(uid) or self._owners.get(uid % _USER, ())

    def _in_front(self, app: str | None, at: int) -> None:
        # A phone that never names one has another form, and says nothing; that it names none then means nothing.
        self._ever = self._ever or app is not None
        if self._ever and app != self._front:
            self._front = app
            self._tell("app_front", at=at, app=app)

    def _forget(self) -> None:
        """The phone is gone: what comes when it is back is new, and nobody knows what is in front."""
        self._open = set()
        self._asked = set()
        if self._front is not None:
            self._front = None
            self._tell("app_front")

    def _tell(self, type: str, at: int | None = None, **keys: Any) -> None:  # noqa: A002 - the key's own name
        # Who takes the events says himself what he cannot write.
        with suppress(Exception):
            self._event(type, at=time.time_ns() // 1000 if at is None else at, **keys)


_MARK = "@lintas "


def _loop(interval: float) -> str:
    """The loop in the phone's shell. Each table's lines bear its name; what cannot be read is said."""
    pause = f"{interval:g}"
    if not re.fullmatch(r"\d+(?:\.\d+)?", pause):
        raise PhoneError(f"{interval} is no number of seconds.")
    tables = "\n".join(f"sed 's/^/{t}|/' /proc/net/{t}" for t in sockets.TABLES)
    return f"""
if ! cat /proc/net/tcp >/dev/null 2>&1; then echo '{_MARK}cannot sockets'; fi
n=0
while :; do
echo '{_MARK}sockets'
{{ {tables}
}} 2>/dev/null
if [ $((n % {_FRONT_EVERY})) = 0 ]; then
echo '{_MARK}front'
dumpsys activity activities 2>/dev/null | grep {front.LINES}
fi
echo '{_MARK}end'
n=$((n + 1))
sleep {pause} 2>/dev/null || sleep 1
done"""
