"""All that a capture wants of the phone, behind one object: described before, watched while, put back after.

It works in threads of its own and never raises, so that the phone at the end of a cable decides nothing about a
capture: what it cannot do it says, in sentences.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.model import InputError
from lintas.phone import about, identity, proxy
from lintas.phone.adb import Phone
from lintas.phone.apps import facts
from lintas.phone.screen import Screen
from lintas.phone.server import PhoneGoneError
from lintas.phone.watch import Event, Watch

_END = object()
_BACK = object()
_LAST = 90.0
"""Seconds that the last video may take to be copied."""


class Companion:
    """``event`` is called as ``Writing.event`` is, from threads of ours; ``say`` with a sentence for the auditor."""

    def __init__(self, phone: Phone, folder: Path, event: Event, say: Callable[[str], Any] = lambda text: None) -> None:
        self.phone = phone
        self._folder = folder
        self._event = event
        self._say = say
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._watch = Watch(phone, self._take)
        self._screen: Screen | None = None
        self._proxy: proxy.ProxySet | None = None
        self._asked: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None

    @property
    def there(self) -> bool:
        """Whether the phone answered last."""
        return self._watch.there

    def describe(self, package: str | None, persona: Path | None = None) -> dict[str, Any]:
        """What to change in the manifest, by dotted names; empty where the phone does not answer. The phone's
        identifiers go into the folder's persona, behind those of ``persona``; call it again after the app's first
        launch, when it has an ANDROID_ID."""
        changes: dict[str, Any] = {}
        try:
            phone = about.about(self.phone)
            changes |= about.manifest_changes(phone)
            if package is not None:
                try:
                    changes |= about.manifest_changes(phone, facts(self.phone, package))
                except PhoneGoneError:
                    raise
                except InputError as error:
                    self._tell(str(error))
            found = identity.read(self.phone, package, phone.sdk)
            for text in found.missing:
                self._tell(text)
            place = identity.plant(self._folder, found.found, persona)
            if place is not None:
                changes["persona"] = place.name
        except InputError as error:
            self._tell(str(error))
        return changes

    @property
    def is_proxied(self) -> bool:
        """The phone's system has our proxy now."""
        return self._proxy is not None

    def start(self, to: tuple[str, int] | None = None, video: bool = False) -> None:
        """Watch the phone; with ``to`` send its proxy to that host and port, with ``video`` record each phase."""
        try:
            said = proxy.recover(self.phone)
            if said is not None:
                self._tell(said)
            if to is not None:
                self._proxy = proxy.set_proxy(self.phone, *to)
        except InputError as error:
            self._tell(str(error))
        if video:
            self._screen = Screen(self.phone, self._folder, self._event)
            self._worker = threading.Thread(target=self._film, name="film", daemon=True)
            self._worker.start()
        self._watch.start()

    def phase(self, name: str) -> None:
        """A phase began: its video begins. Returns at once."""
        if self._worker is not None:
            self._asked.put(name)

    def stop(self) -> None:
        """End the watching and the video, and put back what was changed. Call it before the folder is sealed."""
        self._watch.stop()
        if self._proxy is not None:
            said = self._proxy.restore()
            self._proxy = None
            if said is not None:
                self._tell(said)
        if self._worker is not None:
            self._asked.put(_END)
            self._worker.join(_LAST)
            if self._worker.is_alive() or (self._screen is not None and self._screen.waiting):
                self._tell("A video of the screen is still on the phone; lintas phone clean removes it.")
            self._worker = None

    def _tell(self, text: str) -> None:
        """Say it once: a second description would say the same again."""
        with self._lock:
            known = text in self._told
            self._told.add(text)
        if not known:
            self._say(text)

    def _take(self, type: str, at: int, **keys: Any) -> None:  # noqa: A002 - the key's own name
        self._event(type, at=at, **{k: v for k, v in keys.items() if v is not None})
        if type == "phone":
            if keys.get("state") == "vanished":
                self._say("The phone went away; the capture goes on. Plug it in again.")
            elif keys.get("state") == "returned":
                self._say("The phone is back.")
                self._asked.put(_BACK)

    def _film(self) -> None:
        """The thread of the videos: one wish after the other."""
        screen = self._screen
        assert screen is not None
        while True:
            wish = self._asked.get()
            if wish is _BACK:
                screen.fetch()
            elif wish is _END:
                screen.end()
            else:
                screen.begin(str(wish))
            if screen.trouble is not None:
                self._tell(screen.trouble)
            if wish is _END:
                return
