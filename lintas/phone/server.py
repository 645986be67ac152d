"""The adb server of this computer, by adbutils, whose wheel carries the program: started where none runs, and asked so
that every wait ends. What it or a phone behind it does wrong is one of two errors, each with one sentence.
"""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from analysis.model import InputError

if TYPE_CHECKING:
    from adbutils import AdbClient, AdbConnection, AdbDevice

SECONDS = 20.0
"""How long a phone may be silent in the middle of an answer."""
CONNECT = 3.0
"""How long the server may take to answer a call at all."""
_START = 30.0
_OTHERS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    AssertionError,
    ImportError,
    IndexError,
    ValueError,
    struct.error,
    subprocess.SubprocessError,
)


class PhoneError(InputError):
    """The phone, or adb, cannot do what was asked. One sentence: what, and what to do."""


class PhoneGoneError(PhoneError):
    """The phone went away, or no longer answers."""


def client() -> AdbClient:
    """The adb server, started where none runs. It says nothing on our screen."""
    from adbutils import AdbClient, adb_path

    made = AdbClient(socket_timeout=SECONDS)
    try:
        socket.create_connection((made.host, made.port), timeout=CONNECT).close()
    except OSError:
        subprocess.run(  # noqa: S603 - adb's own path
            [adb_path(), "start-server"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_START,
            check=False,
            start_new_session=True,  # a Ctrl-C here is not meant for the server, which others use too
        )
    return made


def bounded(serial: str) -> AdbDevice:
    """adbutils' device, whose waits all end."""
    from adbutils import AdbDevice

    class Bounded(AdbDevice):  # type: ignore[misc]
        def open_transport(self, command: str | None = None, timeout: float | None = None) -> AdbConnection:
            return super().open_transport(command, min(timeout or SECONDS, SECONDS))

    return Bounded(client(), serial)


def faults() -> tuple[type[Exception], ...]:
    """What adbutils lets out where the server or the phone is gone, silent, or says what it should not."""
    try:
        from adbutils import AdbError
    except (ImportError, ValueError):
        # Its import already reads the environment; what cannot be imported lets nothing out.
        return _OTHERS
    return (AdbError, *_OTHERS)


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Round a question to the adb server itself."""
    try:
        yield
    except InputError:
        raise
    except faults() as error:
        raise PhoneError(
            f"adb cannot {what} ({why(error)}); see that adb runs on this computer, or set ADBUTILS_ADB_PATH to it."
        ) from error


def why(error: Exception) -> str:
    """What an error says, in one line that can be printed."""
    text = " ".join(str(error.args[0] if error.args else error).split())
    return "".join(c if c.isprintable() else "?" for c in text)[:200] or type(error).__name__
