"""Whether this computer can ask a phone, for ``lintas doctor``: nothing is started, and no phone is named."""

from __future__ import annotations

import socket
import subprocess
from collections import Counter

from analysis.model import InputError
from lintas.phone.listing import listed
from lintas.phone.server import CONNECT, faults, why

_SECONDS = 10.0
_NEEDED = "needed for lintas phone and --adb"


def adb() -> tuple[bool, str]:
    """Whether there is an adb that runs, and what it found, or what to do. Never raises."""
    try:
        from adbutils import AdbClient, adb_path

        said = subprocess.run(  # noqa: S603 - adb's own path
            [adb_path(), "version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=True
        ).stdout.decode("utf-8", "replace")
        numbers = [line.partition(" ")[2] for line in said.splitlines() if line.startswith("Version ")]
        client = AdbClient(socket_timeout=_SECONDS)
        place = (client.host, client.port)
    except ImportError as error:
        return False, f"{_NEEDED} ({error}); install Lintas again"
    except faults() as error:
        return False, f"{_NEEDED}: it does not run ({why(error)}); install adb, or set ADBUTILS_ADB_PATH to it"
    version = f"adb {''.join(c for c in numbers[0] if c.isprintable())[:40]}" if numbers else "adb"
    try:
        socket.create_connection(place, timeout=CONNECT).close()
    except OSError:
        return True, f"{version}; its server does not run yet, lintas phone list starts it"
    try:
        states = Counter("usable" if phone.usable else phone.state.split(" (")[0] for phone in listed())
    except InputError as error:
        return True, f"{version}; {error}"
    phones = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return True, f"{version}; phones: {phones or 'none'}"
