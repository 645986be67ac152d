"""Put back on a phone what captures changed there, and say what only its user can undo."""

from __future__ import annotations

from lintas.phone import proxy
from lintas.phone.adb import Phone
from lintas.phone.memory import USES, Memory, key_of
from lintas.phone.server import PhoneError

BUSY = "A run of Lintas still uses this phone; what it changed is put back at its end."
_CERTIFICATE = (
    "If you installed one on the phone: Settings > Security > Encryption and credentials (on newer phones under More "
    "security settings) > User credentials, or Trusted credentials > User; choose the one of mitmproxy or Lintas, and "
    "Remove. In the system store of an emulator or a phone with root it is gone when the phone starts again. On iOS: "
    "Settings > General > VPN & Device Management, and remove the profile."
)
_TUNNEL = (
    "In the phone's WireGuard app: switch the tunnel off, open it, and delete it. If you made it an always-on VPN in "
    "Settings > Network > VPN, switch that off first, or the phone stays offline."
)
BY_HAND = (
    ("Certificate", _CERTIFICATE),
    ("Tunnel", _TUNNEL),
    ("Wi-Fi proxy", "If you set one by hand: Settings > Network > Wi-Fi > the network > Edit > Proxy > None."),
    ("Debugging", "When you no longer need it: Settings > System > Developer options, switch off USB debugging."),
)
"""What no computer can undo, by what it is about."""


def clean(phone: Phone) -> list[str]:
    """Put back the proxy and remove the files that captures left on the phone; what was done, a sentence each.

    Raises PhoneError where the phone does not let it; what was not done stays remembered."""
    key = key_of(phone)
    memory = Memory(key)
    for use in USES:
        held = Memory(key, use)
        if not held.hold():
            raise PhoneError(BUSY)
        held.let_go()
    done = []
    said = proxy.recover(phone)
    if said is not None:
        done.append(said)
    left = memory.read()
    files = [str(f) for f in left.get("files", [])]
    if files:
        answer = phone.run(["rm", "-f", *files])
        if not answer.ok:
            raise PhoneError(f"The phone would not remove {len(files)} files of ours ({answer.err.strip()[:160]}).")
        memory.write(files=None)
        done.append(f"Removed from the phone: {', '.join(f.rpartition('/')[2] for f in files)}.")
    installed = left.get("certificate")
    if installed:
        memory.write(certificate=None)
        done.append(
            "The certificate in the phone's system store goes when the phone starts again."
            if installed.get("store") == "system"
            else "The certificate was handed to the phone; if somebody installed it, it is trusted until it is removed."
        )
    return done
