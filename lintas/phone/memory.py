"""What was changed on a phone, remembered on this computer until it is put back.

It is written before the phone is changed and forgotten after it was put back, so that neither the end of this process
nor a phone that goes away leaves a change that nobody knows of. Whoever has made a change holds a lock: a change whose
maker is gone is anybody's to undo.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from lintas.phone.adb import Phone, PhoneError

FORMAT = 1


def state_folder() -> Path:
    """Where states are kept (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local/state") / "lintas/phones"


def key_of(phone: Phone) -> str:
    """The same for one phone by cable and by Wi-Fi, and no serial number to be read."""
    return hashlib.sha256((phone.said("getprop ro.serialno") or phone.serial).encode()).hexdigest()[:24]


def remembered() -> int:
    """How many phones still have something to be put back."""
    return len(list(state_folder().glob("*.json")))


class Memory:
    """What is changed on one phone: ``proxy``, ``files``, ``videos``, ``certificate``; see who writes each."""

    def __init__(self, key: str) -> None:
        self._place = state_folder() / f"{key}.json"
        self._held: int | None = None

    def read(self) -> dict[str, Any]:
        """What is remembered; nothing where the file is none of ours any more."""
        try:
            value = json.loads(self._place.read_bytes())
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) and value.get("format") == FORMAT else {}

    def write(self, **changes: Any) -> None:
        """Remember; a key that is None or empty is forgotten. On disk when it returns.

        Raises PhoneError where it cannot be written: what is not remembered must not be changed."""
        value = {**self.read(), **changes, "format": FORMAT}
        value = {k: v for k, v in value.items() if v not in (None, [], {})}
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if value.keys() <= {"format"}:
                self._place.unlink(missing_ok=True)
                return
            number, made = tempfile.mkstemp(prefix=".state.", dir=self._place.parent)
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(value, file)
                file.flush()
                os.fsync(number)
            os.replace(made, self._place)
        except OSError as error:
            raise PhoneError(
                f"{self._place.parent} cannot be written ({error.strerror}), so what is changed on the phone could not "
                "be put back after a crash; nothing was changed. Make room, or set XDG_STATE_HOME to another folder."
            ) from error

    def hold(self) -> bool:
        """Say that this process has changed the phone; False where another one has."""
        if self._held is not None:
            return True
        self._place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = os.open(self._place.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(number)
            return False
        self._held = number
        return True

    def let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
