"""Follow: the audit of a capture folder while it is written, as a program of its own (``python -m analysis.follow``).

It goes the same road as ``lintas audit``: :func:`analysis.audit.run` on the folder as it is, again and again, with a
memory of what was read. Nobody waits for it: it reads files that another process writes. The last look, at the sealed
folder, gives the tables that ``lintas audit`` gives, byte for byte.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from analysis import audit, folder
from analysis.audit import AuditOptions
from analysis.folder.writing import EVENTS
from analysis.follow.memory import Remembering
from analysis.follow.told import Comment, comments, summary
from analysis.model import InputError
from analysis.reference import Reference
from analysis.tables import Tables

INTERVAL = 2.0
"""Seconds between two looks, at least."""
DUTY = 4
"""A look of ``t`` seconds of processor time is followed by at least ``(DUTY - 1) · t`` seconds of rest, so that
following costs at most this part of one core, however large the folder is."""

State = Literal["missing", "empty", "growing", "left", "sealed"]
"""``left``: a recording that was not sealed and that nobody writes any more. It is audited as it is."""
Say = Callable[[dict[str, Any]], None]
Wait = Callable[[float], None]

_DEFECT = "the folder could not be looked at ({kind}), which is a defect of Lintas; it is tried again when more came."
_WHY = {
    "missing": "the folder is not there yet",
    "removed": "the folder was removed; it is looked for",
    "empty": "nothing was recorded yet",
    "no_flows": "no flow was recorded yet",
}


@dataclass(slots=True)
class Look:
    """What one look saw. ``bytes``: of the folder's files, as far as they were read. ``began``: by the monotonic
    clock. ``cost``: seconds of processor time."""

    made: Tables
    about: dict[str, Any]
    bytes: int
    began: float
    cost: float


class Follower:
    """A capture folder that is looked at again and again. ``options.sealed`` is of no account here."""

    def __init__(self, path: Path, options: AuditOptions, memory: Remembering | None = None) -> None:
        self.path = path
        self._options = options
        self.memory = memory or Remembering()
        self._told: dict[str, Comment] = {}
        self._seen: tuple[Any, ...] = ()

    # ------------------------------------------------------------------------------------------ the folder

    def state(self) -> State:
        """What there is to look at. Raises InputError where the manifest cannot be used."""
        if not self.path.is_dir():
            return "missing"
        place = self.path / folder.MANIFEST
        manifest = folder.manifest_in_part(place)[0] if place.exists() else folder.Manifest()
        if manifest.sealed is not None or (manifest.started is None and manifest.files):
            return "sealed"
        if manifest.started is not None and _is_left(self.path / EVENTS):
            return "left"
        return "growing" if self.size() else "empty"

    def size(self) -> int:
        """Octets in the folder's files now; 0 where it cannot be read."""
        try:
            return sum(f.path.stat().st_size for f in folder.capture_files(self.path))
        except (OSError, InputError):
            return 0

    def changed(self) -> bool:
        """Whether anything in the folder is other than when this was asked before."""
        places = [self.path / folder.MANIFEST]
        if self._options.persona is not None:
            places.append(self._options.persona)
        with contextlib.suppress(OSError):
            places += [p for p in self.path.iterdir() if not p.name.startswith(".")]
        now = tuple(sorted((str(p), *_sign(p)) for p in dict.fromkeys(places)))
        changed, self._seen = now != self._seen, now
        return changed

    # -------------------------------------------------------------------------------------------- looking

    def look(self, last: bool = False) -> Look:
        """Audit the folder as it is. The ``last`` look takes it for finished (a torn tail is a loss) and hashes all
        of it anew. Raises InputError as :func:`analysis.audit.run` does."""
        began, cost = time.monotonic(), time.process_time()
        self.memory.afresh = last
        options = dataclasses.replace(self._options, sealed=last, workers=1)
        made, about = audit.run(self.path, options, memory=self.memory)
        octets = sum(f["bytes"] for f in about["files"])
        return Look(made, about, octets, began, time.process_time() - cost)

    def comments(self, look: Look) -> dict[str, Comment]:
        """The comments that are other than at the look before, by the proxy's flow id."""
        now = comments(look.made, self.memory.ids, Reference.load())
        changed = {flow: said for flow, said in now.items() if self._told.get(flow) != said}
        self._told |= changed
        return changed

    def summary(self, look: Look) -> dict[str, Any]:
        """See :func:`analysis.follow.told.summary`."""
        return summary(look.made, look.about, Reference.load())


def _sign(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _is_left(events: Path) -> bool:
    """Whether nobody holds the lock that the writer of a recording holds as long as it lives."""
    try:
        number = os.open(events, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(number)
    return True


# ---------------------------------------------------------------------------------------------- until its end


def follow(follower: Follower, say: Say, wait: Wait, interval: float = INTERVAL, out: Path | None = None) -> bool:
    """Look until the folder is sealed, or left unsealed by its writer; returns whether it was sealed.

    ``say`` is given one line at a time: ``waiting`` (why), ``behind`` (before a look), ``look``, ``comment``,
    ``trouble`` (a look failed; the next is tried), ``end``. ``wait`` is given seconds. ``out``: where the tables of
    the last look are written. Raises InputError where the last look or its writing fails, and whatever else a look
    raises where it is the last. What it waits for, and what the trouble is, is told once until it is over."""
    waiting: str | None = None
    trouble: str | None = None
    state: State = "missing"
    was_there = last = False
    seen, began = 0, time.monotonic()

    def wait_for(what: str) -> None:
        nonlocal waiting
        if waiting != what:
            say({"type": "waiting", "state": what, "text": f"{follower.path}: {_WHY[what]}"})
        waiting = what

    while True:
        rest = interval
        try:
            state = follower.state()
            last = state in ("left", "sealed")
            if state in ("missing", "empty"):
                wait_for("removed" if state == "missing" and was_there else state)
            elif last or follower.changed():
                was_there = True
                say({"type": "behind", **_behind(follower.size() - seen, began)})
                found = follower.look(last)
                seen, began = found.bytes, found.began
                rest = max(interval, (DUTY - 1) * found.cost)
                _tell(follower, found, say, rest)
                if last and out is not None:
                    audit.save(follower.path, out, found.made, found.about)
                trouble = None
                if found.made["flows"].num_rows:
                    waiting = None
                elif not last:
                    wait_for("no_flows")
                del found  # or its tables would stand beside those of the next look
            else:
                began = time.monotonic()
        except BrokenPipeError:
            raise
        except Exception as error:
            if last or os.environ.get("LINTAS_DEBUG"):
                raise
            why = str(error) if isinstance(error, InputError) else _DEFECT.format(kind=type(error).__name__)
            if why != trouble:
                say({"type": "trouble", "text": why})
            trouble = why
        if last:
            say({"type": "end", "sealed": state == "sealed", "tables": None if out is None else str(out)})
            return state == "sealed"
        wait(rest)


def _behind(octets: int, began: float) -> dict[str, Any]:
    """How much was written that no look has seen, and for how long that may have been waiting."""
    octets = max(octets, 0)
    return {"behind_bytes": octets, "behind_seconds": round(time.monotonic() - began, 3) if octets else 0.0}


def _tell(follower: Follower, look: Look, say: Say, rest: float) -> None:
    for flow, said in follower.comments(look).items():
        say({"type": "comment", "flow": flow, "comment": said.text, "marked": said.marked})
    memory = follower.memory
    say(
        {
            "type": "look",
            **_behind(follower.size() - look.bytes, look.began),
            "bytes": look.bytes,
            "flows": look.made["flows"].num_rows,
            "exchanges": look.made["exchanges"].num_rows,
            "cost_seconds": round(look.cost, 3),
            "next_in": round(rest, 3),
            "messages_read": memory.read,
            "memory_bytes": memory.octets,
            "summary": follower.summary(look),
        }
    )
