"""The front's conversation with what it started: what the proxy, the follower, the phone and the page say goes into
the state of the view, and what is to be recorded is said to the proxy."""

from __future__ import annotations

import ipaddress
import queue
import time
from typing import Any

from lintas.capture import children, network, words
from lintas.capture.answers import Answers
from lintas.capture.children import Child
from lintas.capture.handset import Handset
from lintas.capture.keyboard import Keys
from lintas.capture.masking import Masking
from lintas.capture.outlet import EndedError, say
from lintas.capture.setup import Setup
from lintas.capture.state import State
from lintas.capture.view import apart, behind
from lintas.phone.identity import PERSONA

_TAKE = 0.5
"""Seconds that are waited for a line."""
_FETCHED = 1000
"""Devices of which it is recorded that they fetched the certificate: anybody near may ask for it."""


class Conversation:
    """``state``: what the view shows. ``sealed``: the proxy's last words, with its counts; ``unsealed``: in their
    stead, why it could not seal. ``is_ending``: no view shows any more what is said."""

    def __init__(self, setup: Setup, handset: Handset | None, lines: children.Lines) -> None:
        self.lines = lines
        masking = Masking(setup.folder / PERSONA, setup.answers.user_country)
        self.state = State(setup.folder.name, str(setup.folder), now(), masking)
        self.proxy: Child | None = None
        self.follower: Child | None = None
        self.handset = handset
        self.sealed: dict[str, Any] | None = None
        self.unsealed: str | None = None
        self.is_ending = False
        self._answers: Answers = setup.answers
        self._trusted = False
        self._fetched: set[str] = set()

    def snapshot(self) -> dict[str, Any]:
        """How things stand, for terminal and page."""
        shown = self.state.snapshot()
        return {**shown, "behind": behind(shown), "apart": apart(shown)}

    # ------------------------------------------------------------------------------------------------ hearing

    def fetched(self, client: str) -> None:
        """A device fetched the certificate. May be called from any thread."""
        if client not in self._fetched and len(self._fetched) < _FETCHED:
            self._fetched.add(client)
            self.lines.put(("page", {"type": "fetched", "client": client}))

    def take(self, keys: Keys | None = None) -> None:
        """Take what has come, half a second at most; to a key at most. Raises EndedError."""
        until = time.monotonic() + _TAKE
        while (left := until - time.monotonic()) > 0:
            try:
                who, said = self.lines.get(timeout=left)
            except queue.Empty:
                return
            if who == "signal":
                raise EndedError(said["name"])
            if who == "key" and keys is not None:
                keys.press(said["key"])
                return
            if who == "page" and said["type"] == "fetched":
                self.event(type="certificate_fetched", client=said["client"])
            elif who in ("page", "phone"):
                self.state.warn(said["text"])
                if self.is_ending:
                    say(self.state.masking.text(said["text"]))
            elif who == "follower":
                self._from_follower(said)
            elif who == "proxy":
                self._from_proxy(said)

    def _from_proxy(self, said: dict[str, Any]) -> None:
        if said["type"] == "gone":
            if self.sealed is None:
                if self.unsealed is None:
                    self.state.warn(words.PROXY_GONE.format(text=said["how"]))
                raise EndedError("proxy")
            return
        self.state.from_proxy(said)
        if said["type"] == "sealed":
            self.sealed = said
        elif said["type"] == "unsealed":
            self.unsealed = str(said["text"])
        elif said["type"] == "kept_out":
            self.event(**{k: said[k] for k in ("type", "at", "client", "server", "reason")})
        elif said["type"] == "stranger":
            self.event(type="turned_away", at=said["at"], client=said["client"])
        elif said["type"] == "first" and self._answers.store.by_system:
            # A program of this machine says nothing of the phone; an emulator is one.
            here = network.can_bind(ipaddress.ip_address(said["client"].partition("%")[0]))
            if not here or self._answers.store is words.STORES["emulator"]:
                self.by_system(said["client"])

    def _from_follower(self, said: dict[str, Any]) -> None:
        if said["type"] == "gone":
            if said["code"] != 0 or self.sealed is None:
                self.state.follower_gone = said["how"]
            return
        self.state.from_follower(said)

    # ------------------------------------------------------------------------------------------------- saying

    def event(self, **keys: Any) -> None:
        """A line of the folder's events. May be called from any thread."""
        if self.proxy is not None:
            self.proxy.say(do="event", **keys)

    def describe(self, changes: dict[str, Any]) -> None:
        """Changes of the folder's manifest, by dotted names."""
        if self.proxy is not None:
            self.proxy.say(do="describe", changes=changes)

    def by_system(self, client: str | None = None) -> None:
        """The system's store was seen to have the certificate, or something at that address took it: from here on what
        refuses it refuses a system certificate. Before, it may as well not have been there."""
        self.event(type="system_certificate", client=client)
        if not self._trusted:
            self._trusted = True
            self.describe({"device.by_system": True, "opened_by": self._answers.store.opened_by})

    def pressed(self, what: str, text: str) -> None:
        """What the keys meant. Raises EndedError where it was the end."""
        if what == "end":
            raise EndedError("key")
        at = now()
        if what == "phase":
            self.state.mark(at, phase=text)
            if self.handset is not None:
                self.handset.phase(text)
            self.event(type="phase", at=at, phase=text)
        else:
            self.state.mark(at, note=text)
            self.event(type="mark", at=at, note=text)


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000
