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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lintas.phone.adb import Phone
from lintas.phone.server import PhoneError

FORMAT = 1
USES = ("proxy", "screen")
"""What a run may be doing to a phone, each with a lock of its own."""
_ANYBODYS = ("unknown", "0123456789abcdef", "123456789abcdef", "1234567890abcdef", "android")


def state_folder() -> Path:
    """Where states are kept (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local/state") / "lintas/phones"


def key_of(phone: Phone) -> str:
    """The same for one phone by cable and by Wi-Fi, and no serial number to be read. Where many phones say the same
    number of themselves, adb's name of the connection tells them apart."""
    said = phone.said("getprop ro.serialno")
    own = said if said and not is_anybodys(said) else f"{said} {phone.serial}"
    return hashlib.sha256(own.encode()).hexdigest()[:24]


def is_anybodys(serial: str) -> bool:
    """True for a serial number that is no single phone's: emulators of one version share theirs, and makers leave the
    reference design's in."""
    return serial.upper().startswith("EMULATOR") or serial.lower() in _ANYBODYS or len(set(serial)) == 1


def remembered() -> int:
    """How many phones still have something to be put back."""
    return len(list(state_folder().glob("*.json")))


class Memory:
    """What is changed on one phone: ``proxy``, ``files``, ``certificate``; see who writes each.

    ``use``: what the lock of ``hold`` is for; several runs may each do another thing to a phone."""

    def __init__(self, key: str, use: str = "proxy") -> None:
        self._place = state_folder() / f"{key}.json"
        self._lock = state_folder() / f"{key}.{use}.lock"
        self._held: int | None = None

    def read(self) -> dict[str, Any]:
        """What is remembered. Raises PhoneError where something is and cannot be read: it must not be taken for
        nothing."""
        try:
            value = json.loads(self._place.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise self.damaged() from error
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise self.damaged()
        return value

    def damaged(self) -> PhoneError:
        """What is said where what is remembered is not in our form."""
        return PhoneError(
            f"What captures changed on this phone is remembered in {self._place}, which cannot be read. To be sure "
            "that the phone has no proxy of ours, which its Wi-Fi settings do not show, run adb shell settings put "
            "global http_proxy :0; then remove that file."
        )

    def write(self, **changes: Any) -> None:
        """Remember; a key that is None or empty is forgotten. On disk when it returns.

        Raises PhoneError where it cannot be written: what is not remembered must not be changed."""
        with self._alone():
            self._replace({k: v for k, v in {**self.read(), **changes}.items() if v not in (None, [], {})})

    def change(self, name: str, add: str | None = None, drop: str | None = None) -> None:
        """Add to a list that is remembered, or take from it, as ``write`` does."""
        with self._alone():
            held = self.read()
            listed = [one for one in held.pop(name, []) if one not in (add, drop)]
            listed += [add] if add is not None else []
            self._replace({**held, name: listed} if listed else held)

    def hold(self) -> bool:
        """Say that this process has changed the phone; False where another one has. Raises PhoneError where that
        cannot be said."""
        if self._held is not None:
            return True
        with self._kept():
            number = self._opened(self._lock)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(number)
                if isinstance(error, BlockingIOError):
                    return False
                raise
        self._held = number
        return True

    def _replace(self, value: dict[str, Any]) -> None:
        if value.keys() <= {"format"}:
            self._place.unlink(missing_ok=True)
            return
        number, made = tempfile.mkstemp(prefix=".state.", dir=self._place.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump({**value, "format": FORMAT}, file)
                file.flush()
                os.fsync(number)
            os.replace(made, self._place)
        except OSError:
            os.unlink(made)
            raise

    def _opened(self, lock: Path) -> int:
        lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One after the other: a video's thread, or another run, must not write back what is forgotten here."""
        with self._kept():
            number = self._opened(self._place.with_suffix(".lock"))
            try:
                fcntl.flock(number, fcntl.LOCK_EX)
                yield
            finally:
                os.close(number)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PhoneError(
                f"{self._place.parent} cannot be written ({error.strerror}), so what is changed on the phone could not "
                "be put back after a crash; nothing was changed. Make room, or set XDG_STATE_HOME to another folder."
            ) from error

    def let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
