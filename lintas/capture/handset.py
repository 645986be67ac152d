"""The phone at the end of a cable, for a capture that was told of one (``--adb``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from analysis.model import InputError
from lintas.capture import words
from lintas.capture.checks import Check, phone_clock
from lintas.phone import about, certificate
from lintas.phone.adb import Phone, choose
from lintas.phone.companion import Companion

_EMULATOR_HOST = "10.0.2.2"
"""This machine's loopback, as an Android emulator reaches it."""


class Handset:
    """``say`` is given sentences for the auditor, from threads too; ``event`` is as ``Writing.event``."""

    def __init__(self, serial: str | None) -> None:
        """Raises InputError where there is no phone, or which of several is meant is not said."""
        self._phone: Phone = choose(serial)
        self._companion: Companion | None = None
        self._package: str | None = None

    def clock(self) -> Check | None:
        ahead = about.clock(self._phone)[0]
        return None if ahead is None else phone_clock(ahead / 1000)

    def attend(self, folder: Path, package: str | None, event: Callable[..., Any], say: Callable[[str], Any]) -> None:
        self._companion = Companion(self._phone, folder, event, say)
        self._package = package

    def describe(self) -> dict[str, Any]:
        """Changes of the manifest, as plain values; the phone's identifiers go into the folder's persona."""
        assert self._companion is not None
        return dict(msgspec.to_builtins(self._companion.describe(self._package)))

    def trust(self, place: Path, store: words.Store) -> tuple[bool, str | None]:
        """Put the certificate into the system's store, where that is where it shall be: whether the phone has it
        there now, and what is to be told."""
        if not store.by_system:
            return False, None
        try:
            outcome = certificate.install(self._phone, place)
        except InputError as error:
            return False, str(error)
        return outcome.store == "system", outcome.text

    def start(self, to: tuple[str, int] | None, video: bool) -> bool:
        """Watch it; ``to``: the proxy that its system is given until the end. Whether it was."""
        assert self._companion is not None
        if to is not None and to[0] == "127.0.0.1":
            # Another phone does not reach it.
            to = (_EMULATOR_HOST, to[1]) if self._phone.serial.startswith("emulator-") else None
        self._companion.start(to, video)
        return self._companion.is_proxied

    def phase(self, name: str) -> None:
        if self._companion is not None:
            self._companion.phase(name)

    def identify(self) -> dict[str, Any]:
        """Once more, at the end: an app that was opened has an ANDROID_ID by now."""
        return self.describe() if self._companion is not None and self._companion.there else {}

    def stop(self) -> None:
        """Put back what was changed on the phone. Never raises."""
        if self._companion is not None:
            self._companion.stop()
