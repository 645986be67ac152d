"""The proxy of the phone's system: set for a while, and put back as it was.

Android takes a proxy from the global setting ``http_proxy`` as ``HOST:PORT`` (ConnectivityService's ProxyTracker,
``loadDeprecatedGlobalHttpProxy``) and writes it into ``global_http_proxy_*``. An empty or deleted ``http_proxy``
changes nothing there: only ``:0`` takes the proxy away. The service reads the setting a moment after it was written, so
it is waited for before the settings are put back, and looked at again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from analysis.model import InputError
from lintas.phone.adb import Phone
from lintas.phone.memory import Memory, key_of
from lintas.phone.server import PhoneError, PhoneGoneError

SETTINGS = (
    "http_proxy",
    "global_http_proxy_host",
    "global_http_proxy_port",
    "global_http_proxy_exclusion_list",
    "global_proxy_pac_url",
)
_NONE = ":0"
_LOOKS, _PAUSE, _CALM = 40, 0.15, 3
"""How often, and how many seconds apart, the settings are looked at; and in how many looks in a row they must stand as
they were: the system writes its own one by one, a moment after ours."""
_CHANGED = "The phone's proxy was changed by somebody else in the meantime; it was left as it is."


def read(phone: Phone) -> dict[str, str | None]:
    """The proxy's settings; None where one is not there. Raises PhoneError where they cannot be read."""
    # Each under its name: one that fails must not lend another its value, which would be put back then.
    asked = " && ".join(f"echo @{name} && settings get global {name} 2>/dev/null" for name in SETTINGS)
    answer = phone.run(f"{asked} && echo @")
    form = "".join(rf"@{name}\n(?:(.*)\n)" for name in SETTINGS) + r"@\s*"
    told = re.fullmatch(form, answer.out) if answer.ok else None
    if told is None:
        raise PhoneError(f"The phone {phone.serial} does not tell its settings; unlock it and try again.")
    values = (value.strip() for value in told.groups())
    return {name: None if value == "null" else value for name, value in zip(SETTINGS, values, strict=True)}


class ProxySet:
    """A proxy that was set on a phone. ``restore`` has to be called, whatever happens."""

    def __init__(self, phone: Phone, memory: Memory) -> None:
        self.phone = phone
        self._memory = memory

    def restore(self) -> str | None:
        """Put back what was there before. What the auditor must know, in one sentence, or None. Never raises: a phone
        that is gone is told, and its proxy is put back when it is connected again."""
        try:
            return _restore(self.phone, self._memory)
        except PhoneGoneError:
            return (
                "The phone is gone with the proxy still set on it, so it is offline where it is now; connect it again "
                "and run lintas phone clean."
            )
        except InputError as error:
            return f"The phone's proxy could not be put back ({error}) Connect it again and run lintas phone clean."
        except KeyboardInterrupt:
            return "You stopped it before the phone's proxy was put back; run lintas phone clean."
        finally:
            self._memory.let_go()


def set_proxy(phone: Phone, host: str, port: int) -> ProxySet:
    """Send the phone's HTTP and HTTPS through ``host:port``; what was there before is remembered on disk first.

    Raises PhoneError where another process has it set, where the phone has a proxy script of its own, or where the
    system does not let it be set; then nothing is changed."""
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", host) or not 0 < port < 65536:
        raise PhoneError(
            f"{host}:{port} is no proxy that Android can be given; write an IPv4 address or a name, and a port."
        )
    memory = Memory(key_of(phone))
    if not memory.hold():
        raise PhoneError("Another run of Lintas has set this phone's proxy; end it first.")
    wanted = f"{host}:{port}"
    try:
        _restore(phone, memory)
        before = read(phone)
        if before["global_proxy_pac_url"]:
            raise PhoneError(
                "This phone has a proxy script (PAC), set by its owner or by an administrator, which could not be put "
                "back as it was; use WireGuard instead."
            )
        memory.write(proxy={"set": wanted, "before": before})
        answer = phone.run(["settings", "put", "global", "http_proxy", wanted])
        if read(phone)["http_proxy"] != wanted:
            memory.write(proxy=None)
            why = " ".join(answer.err.split())[:160] or "it kept its own"
            raise PhoneError(
                f"The phone would not take the proxy ({why}); on Xiaomi switch on 'USB debugging (Security settings)', "
                "or set it by hand in the settings of its Wi-Fi network."
            )
    except BaseException:
        # Also a Ctrl-C between the setting and its return to who would put it back.
        ProxySet(phone, memory).restore()
        raise
    return ProxySet(phone, memory)


@contextmanager
def proxied(phone: Phone, host: str, port: int) -> Iterator[None]:
    """Inside, the phone's proxy is ``host:port``. Raises PhoneError where it cannot be set, or not be put back."""
    held = set_proxy(phone, host, port)
    problem = None
    try:
        yield
    finally:
        problem = held.restore()
    if problem is not None:
        raise PhoneError(problem)


def recover(phone: Phone) -> str | None:
    """Put back a proxy that a run of Lintas left behind which is no more; what was done in one sentence, or None.

    Raises PhoneError where that fails."""
    memory = Memory(key_of(phone))
    if "proxy" not in memory.read() or not memory.hold():
        return None
    try:
        return _restore(phone, memory) or "The phone's proxy, left behind by a run that did not end, was put back."
    finally:
        memory.let_go()


def _restore(phone: Phone, memory: Memory) -> str | None:
    left = memory.read().get("proxy")
    if not left:
        return None
    before, ours = (left.get("before"), left.get("set")) if isinstance(left, dict) else (None, None)
    if not isinstance(before, dict) or set(before) != set(SETTINGS) or not isinstance(ours, str):
        raise memory.damaged()
    if not all(value is None or isinstance(value, str) for value in before.values()):
        raise memory.damaged()
    now = read(phone)
    if now["http_proxy"] not in (ours, _NONE, before["http_proxy"]):
        memory.write(proxy=None)
        return _CHANGED
    host, port = before["global_http_proxy_host"], before["global_http_proxy_port"]
    own = before["http_proxy"] or (f"{host}:{port}" if host else _NONE)
    wanted = own.partition(":")[0]
    _put(phone, "http_proxy", own)
    calm = 0
    for _ in range(_LOOKS):
        now = read(phone)
        if (now["global_http_proxy_host"] or "") != wanted:
            # Not taken yet; or what was set before was taken only now.
            calm = 0
            if now["http_proxy"] != own:
                _put(phone, "http_proxy", own)
        elif now == before:
            calm += 1
            if calm == _CALM:
                break
        else:
            calm = 0
            _put_all(phone, now, before)
        time.sleep(_PAUSE)
    else:
        _put_all(phone, read(phone), before)
    now = read(phone)
    if now != before:
        different = ", ".join(name for name in SETTINGS if now[name] != before[name])
        raise PhoneError(f"The phone did not take back its settings {different}; look at them on the phone.")
    memory.write(proxy=None)
    return None


def _put_all(phone: Phone, now: dict[str, str | None], before: dict[str, str | None]) -> None:
    for name in SETTINGS:
        if now[name] != before[name]:
            _put(phone, name, before[name])


def _put(phone: Phone, name: str, value: str | None) -> None:
    words = ["settings", "delete", "global", name] if value is None else ["settings", "put", "global", name, value]
    phone.run(words)
