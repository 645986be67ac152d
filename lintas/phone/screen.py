"""Videos of the phone's screen: what the auditor saw and tapped in a phase, with its hash in the events.

``screenrecord`` of Android records at most three minutes at a time, no sound, and shows what apps protect as black. The
file is whole only after the program was asked to end. It lies on the phone until it was copied; one whose phone went
away is copied when that is back.
"""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.folder import unused
from analysis.model import InputError
from lintas.phone.adb import Phone
from lintas.phone.memory import Memory, key_of
from lintas.phone.server import PhoneError, PhoneGoneError

LONGEST = 180
"""Seconds of one video: the most that ``screenrecord`` takes without being asked again."""
_BITS = 4_000_000
_ENDING = 20.0
_PLACE = "/data/local/tmp"


@dataclass
class _Video:
    """One video. ``at``, ``end``: microseconds since 1970 by this computer's clock."""

    remote: str
    name: str
    note: str | None
    at: int = 0
    end: int = 0
    pid: int | None = None
    said: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class Screen:
    """Records the screen into ``folder``; each video is told as an event ``screen`` when it is there.

    Its methods wait for the phone, so they are not for a thread that must not wait. None of them raises: ``trouble``
    says in one sentence what the auditor must know, and is None where all went well."""

    def __init__(self, phone: Phone, folder: Path, event: Callable[..., Any]) -> None:
        self.trouble: str | None = None
        self._phone = phone
        self._folder = folder
        self._event = event
        self._running: _Video | None = None
        self._waiting: list[_Video] = []
        self._memory: Memory | None = None

    @property
    def waiting(self) -> int:
        """Videos that are still on the phone."""
        return len(self._waiting)

    def begin(self, note: str | None = None, seconds: int = LONGEST) -> bool:
        """Begin a video, behind the end of one that runs. ``note``: the phase, or what is seen. Whether it runs."""
        self.end()
        self.trouble = None
        stamp = time.strftime("%Y%m%d-%H%M%S")
        slug = re.sub(r"[^a-z0-9_]+", "-", (note or "").lower()).strip("-")[:40]
        name = f"screen-{stamp}{'-' if slug else ''}{slug}.mp4"
        video = _Video(f"{_PLACE}/lintas-{stamp}-{time.time_ns() % 1_000_000:06d}.mp4", name, note)
        try:
            if not 1 <= seconds <= LONGEST:
                raise PhoneError(f"A video of the screen has 1 to {LONGEST} seconds, not {seconds}.")
            self._remember(add=video.remote)
            video.thread = threading.Thread(target=self._record, args=(video, seconds), name="screen", daemon=True)
            video.thread.start()
            video.begun.wait(_ENDING)
            if video.pid is None:
                raise PhoneError(f"The phone does not record its screen ({' '.join(video.said)[:160] or 'no answer'}).")
        except InputError as error:
            self.trouble = str(error)
            self._let_go()
            return False
        self._running = video
        return True

    def end(self) -> Path | None:
        """End the video that runs, and copy it and those that wait; its place, or None where there is none yet."""
        self.trouble = None
        video, self._running = self._running, None
        if video is not None:
            try:
                if video.thread is not None and video.thread.is_alive():
                    self._phone.run(f"kill -2 {video.pid}")
                    video.thread.join(_ENDING)
            except InputError as error:
                self.trouble = str(error)
            self._waiting.append(video)
        done = self.fetch()
        return done[-1] if done and video is not None and video not in self._waiting else None

    def fetch(self) -> list[Path]:
        """Copy the videos that are still on the phone; where they are now. Call it when a phone is back."""
        done = []
        for video in list(self._waiting):
            try:
                into = unused(self._folder / video.name)
                size, sha256 = self._phone.pull(video.remote, into)
            except PhoneGoneError as error:
                self.trouble = str(error)
                break
            except InputError as error:
                # Those behind it are not to wait for one that the phone does not have.
                why = " ".join(" ".join(video.said).split())[:160] or str(error)
                self.trouble = f"The phone gave no video of its screen ({why})"
                self._waiting.remove(video)
                continue
            except OSError as error:
                self.trouble = (
                    f"The video of the screen cannot be written ({error.strerror}); it is still on the phone."
                )
                break
            self._waiting.remove(video)
            done.append(into)
            keys = {"end": video.end or None, "file": into.name, "sha256": sha256, "bytes": size, "note": video.note}
            self._event("screen", at=video.at, **{k: v for k, v in keys.items() if v is not None})
            self._forget(video)
        self._let_go()
        return done

    def _record(self, video: _Video, seconds: int) -> None:
        """The thread of one video: it runs as long as the program on the phone."""
        try:
            program = f"screenrecord --bit-rate {_BITS} --time-limit {seconds} {video.remote}"
            # A shell of its own: only there is $$ the number that the program has then.
            command = f"exec sh -c {shlex.quote(f'echo $$; exec {program} 2>&1')}"
            # Nothing is printed while it records, so the silence allowed is longer than the longest video.
            with self._phone.stream(command, seconds + _ENDING) as lines:
                for line in lines:
                    if video.pid is None and re.fullmatch(r"\d{1,10}", line.strip()):
                        video.pid, video.at = int(line), time.time_ns() // 1000
                        video.begun.set()
                    elif len(video.said) < 20:
                        video.said.append(line)
        except InputError as error:
            video.said.append(str(error))
        finally:
            video.end = time.time_ns() // 1000
            video.begun.set()

    def _remember(self, add: str | None = None, drop: str | None = None) -> None:
        if self._memory is None:
            self._memory = Memory(key_of(self._phone), "screen")
        if add is not None and not self._memory.hold():
            raise PhoneError("Another run of Lintas records this phone's screen; end it first.")
        self._memory.change("files", add, drop)

    def _let_go(self) -> None:
        """While something of it is running or waits, no other run removes the phone's files."""
        if self._memory is not None and self._running is None and not self._waiting:
            self._memory.let_go()

    def _forget(self, video: _Video) -> None:
        try:
            if self._phone.run(["rm", "-f", video.remote]).ok:
                self._remember(drop=video.remote)
        except InputError as error:
            self.trouble = f"The video was copied, and is still on the phone as well ({error})"
