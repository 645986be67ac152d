"""What an auditor says of a test: on the command line, last time, or now when asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.audit import asked_app, asked_country, asked_vantage
from analysis.folder import Vantage
from analysis.model import InputError
from lintas.capture import settings, words
from lintas.capture.outlet import EndedError
from lintas.terminal import labelled, printable


class Answers:
    """What is known of the test: from the command line, else from last time, else asked; the rest stays unknown.

    ``given``: by the names of ``words.QUESTIONS``. ``asks``: there is somebody to ask. ``again``: also what was
    answered before. Raises InputError where something given cannot be used."""

    def __init__(self, given: Mapping[str, str | None], asks: bool, again: bool) -> None:
        self._kept = settings.load()
        self._as_before: set[str] = set()
        told = False
        for name in words.QUESTIONS:
            said = given.get(name)
            self._forget_unusable(name)
            if said is not None:
                self._check(name, said, f"--{name.replace('_', '-')}")
            elif (again or getattr(self._kept, name) is None) and asks:
                if not told:
                    labelled([("", words.ASKING)], label_width=0)
                    told = True
                said = self._ask(name)
            if said is not None:
                setattr(self._kept, name, said)
            elif getattr(self._kept, name):
                self._as_before.add(name)
        settings.save(self._kept)

    def _forget_unusable(self, name: str) -> None:
        """Somebody may have changed the file, or an older Lintas have written it."""
        try:
            self._check(name, getattr(self._kept, name) or "", name)
        except InputError:
            setattr(self._kept, name, None)

    def _ask(self, name: str) -> str:
        before = getattr(self._kept, name)
        while True:
            suffix = f" [{before}]" if before else ""
            try:
                said = input(f"{words.QUESTIONS[name]}{suffix}: ").strip() or before or ""
            except EOFError:
                # Ctrl-D, or a terminal that is gone.
                print()
                raise EndedError("SIGINT") from None
            if not said:
                return ""
            try:
                self._check(name, said, name.replace("_", " "))
            except InputError as error:
                print(printable(error))
                continue
            return said

    def _check(self, name: str, said: str, where: str) -> None:
        if not said:
            return
        if name == "store" and said not in words.STORES:
            raise InputError(f"{where} {said!r} is unknown; it is one of {', '.join(words.STORES)}.")
        if name == "user_country":
            asked_country(said, where)
        elif name == "app":
            asked_app(said, where)
        elif name == "vantage":
            asked_vantage(said, where)

    @property
    def store(self) -> words.Store:
        return words.STORES.get(self._kept.store or "", words.UNKNOWN_STORE)

    @property
    def app(self) -> str | None:
        return self._kept.app or None

    @property
    def device(self) -> tuple[str | None, str | None]:
        """Model and system."""
        model, _, system = (self._kept.device or "").partition(",")
        return model.strip() or None, system.strip() or None

    @property
    def user_country(self) -> str | None:
        return asked_country(self._kept.user_country, "user country") if self._kept.user_country else None

    @property
    def vantage(self) -> Vantage | None:
        return asked_vantage(self._kept.vantage, "vantage") if self._kept.vantage else None

    def lines(self) -> list[tuple[str, str]]:
        """For the screen; what was not said anew is marked, since it may be another app's or phone's."""
        made = []
        for name in words.QUESTIONS:
            value = self.store.short if name == "store" else getattr(self._kept, name) or "unknown"
            before = words.AS_BEFORE.format(option=name.replace("_", "-")) if name in self._as_before else ""
            made.append((name.replace("_", " "), value + before))
        return made

    def manifest(self) -> dict[str, Any]:
        """The same as changes of the manifest."""
        model, system = self.device
        changes: dict[str, Any] = {
            "app.id": self.app,
            "app.platform": self.store.platform,
            "device.model": model,
            "device.system": system,
            # That of the system is stated only once something took it: a refusal of it is a pin.
            "opened_by": None if self.store.by_system else self.store.opened_by,
            "user_country": self.user_country,
        }
        if self.vantage is not None:
            for name in ("country", "latitude", "longitude", "line"):
                changes[f"vantage.{name}"] = getattr(self.vantage, name)
        else:
            # A line that nobody stated is not taken for a direct one: a VPN voids every time.
            changes["vantage.line"] = "unknown"
        return {k: v for k, v in changes.items() if v is not None}
