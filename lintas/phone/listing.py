"""The phones that the adb server knows, and what to do about one that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

from lintas.phone.server import SECONDS, asking, client


@dataclass(frozen=True, slots=True)
class Listed:
    """A phone as the adb server lists it. ``state``: ``device`` where it can be used."""

    serial: str
    state: str
    model: str | None = None

    @property
    def usable(self) -> bool:
        return self.state == "device"

    @property
    def advice(self) -> str:
        """What keeps it from being used, and what to do, in one sentence."""
        for state, text in _STATES.items():
            if self.state.startswith(state):
                return f"The phone {self.serial} {text}"
        return f"The phone {self.serial} is in the state {self.state!r}; start Android on it and try again."


_STATES = {
    "device": "can be used.",
    "unauthorized": (
        "does not trust this computer yet; unlock it and accept the question about USB debugging on its screen. If it "
        "does not ask, choose 'Revoke USB debugging authorisations' in its developer options and plug it in again."
    ),
    "authorizing": "is still being asked whether it trusts this computer; unlock it and accept the question.",
    "offline": (
        "is connected and does not answer; unplug it and plug it in again, or switch USB debugging off and on."
    ),
    "connecting": "is still being connected; wait a few seconds and try again.",
    "no permissions": (
        "may not be opened by this user; on Linux install your distribution's adb udev rules (often the package "
        "android-sdk-platform-tools-common), then plug it in again."
    ),
    "recovery": "is in recovery; restart Android on it.",
    "sideload": "is in recovery; restart Android on it.",
    "rescue": "is in rescue mode; restart Android on it.",
    "bootloader": "is in its bootloader; start Android on it.",
}
NONE = (
    "No phone is connected over adb; switch on USB debugging in its developer options, plug it in, and accept the "
    "question on its screen. Over Wi-Fi: adb pair, then adb connect ADDRESS:PORT."
)


def listed() -> list[Listed]:
    """The phones that the adb server knows, in its order. Raises PhoneError where adb cannot be used."""
    with asking("list the phones"), client().make_connection(timeout=SECONDS) as c:
        c.send_command("host:devices-l")
        c.check_okay()
        return [found for line in c.read_string_block().splitlines() if (found := _listed(line)) is not None]


def _listed(line: str) -> Listed | None:
    serial, _, rest = line.strip().partition(" ")
    if not serial or not rest.strip():
        return None
    state: list[str] = []
    model = None
    for word in rest.split():
        key, colon, value = word.partition(":")
        if colon and key in ("usb", "product", "model", "device", "transport_id"):
            model = value.replace("_", " ") if key == "model" else model
        else:
            state.append(word)
    return Listed(serial, " ".join(state), model)
