"""The phone's proxy is put back in every way of ending, and exactly as it was."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from lintas.phone import proxy
from lintas.phone.adb import Phone
from lintas.phone.memory import Memory, key_of, remembered, state_folder
from lintas.phone.proxy import proxied, recover, set_proxy
from lintas.phone.server import PhoneError
from tests.phone.device import FakePhone, Server, until

BEFORE = [
    {},
    {"http_proxy": "10.1.1.1:3128", "global_http_proxy_host": "10.1.1.1", "global_http_proxy_port": "3128"},
    {"http_proxy": ":0", "global_http_proxy_host": "", "global_http_proxy_port": "0"},
    {
        "global_http_proxy_host": "proxy.office",
        "global_http_proxy_port": "80",
        "global_http_proxy_exclusion_list": "a,b",
    },
]
IN_FORCE = [None, "10.1.1.1:3128", None, "proxy.office:80"]


def furnish(fake: FakePhone, before: dict[str, str], in_force: str | None) -> dict[str, str]:
    for name, value in before.items():
        fake.setting("global", name, value)
    if in_force:
        (fake.folder / "in_force").write_text(in_force + "\n", encoding="utf-8")
    return fake.settings()


@pytest.mark.parametrize(("before", "in_force"), list(zip(BEFORE, IN_FORCE, strict=True)))
def test_exactly_what_was_there_is_put_back(fake: FakePhone, before: dict[str, str], in_force: str | None) -> None:
    was = furnish(fake, before, in_force)
    with proxied(Phone(fake.serial), "192.168.7.2", 8080):
        assert fake.setting("global", "http_proxy") == "192.168.7.2:8080"
        until(lambda: fake.proxy() == "192.168.7.2:8080")
        assert remembered() == 1
    assert fake.settings() == was
    assert fake.proxy() == in_force
    assert remembered() == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_it_is_put_back_whatever_happens(fake: FakePhone, error: type[BaseException]) -> None:
    was = furnish(fake, {}, None)

    def run() -> None:
        with proxied(Phone(fake.serial), "192.168.7.2", 8080):
            raise error

    with pytest.raises(error):
        run()
    assert fake.settings() == was


@pytest.mark.slow
def test_a_phone_that_vanished_gets_it_back_when_it_returns(fake: FakePhone, server: Server) -> None:
    was = furnish(fake, BEFORE[1], IN_FORCE[1])
    held = set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    until(lambda: fake.proxy() == "192.168.7.2:8080")
    fake.vanish()
    said = held.restore()
    assert said is not None
    assert "lintas phone clean" in said
    assert remembered() == 1
    fake.back(server.client)
    assert "put back" in (recover(Phone(fake.serial)) or "")
    assert fake.settings() == was
    assert fake.proxy() == IN_FORCE[1]
    assert remembered() == 0
    assert recover(Phone(fake.serial)) is None


def test_a_phone_that_vanishes_while_it_is_put_back_is_finished_later(fake: FakePhone, server: Server) -> None:
    was = furnish(fake, BEFORE[3], IN_FORCE[3])
    held = set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    fake.vanish_on = re.compile("delete global http_proxy")
    assert held.restore() is not None
    fake.vanish_on = None
    fake.back(server.client)
    recover(Phone(fake.serial))
    assert fake.settings() == was
    assert fake.proxy() == IN_FORCE[3]


@pytest.mark.slow
def test_what_another_run_left_is_put_back_before_ours_is_remembered(fake: FakePhone) -> None:
    was = furnish(fake, {}, None)
    dead = set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    dead._memory.let_go()  # as the system does for a process that is killed
    with proxied(Phone(fake.serial), "192.168.7.2", 9090):
        left = Memory(key_of(Phone(fake.serial))).read()["proxy"]
        assert left["before"]["http_proxy"] is None
    assert fake.settings() == was


def test_a_stop_while_it_is_being_set_puts_it_back(fake: FakePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    was = furnish(fake, BEFORE[1], IN_FORCE[1])
    real, calls = proxy.read, []

    def stopped(phone: Phone) -> dict[str, str | None]:
        calls.append(phone)
        if len(calls) == 2:  # behind the setting, before it is handed to who would put it back
            raise KeyboardInterrupt
        return real(phone)

    monkeypatch.setattr(proxy, "read", stopped)
    with pytest.raises(KeyboardInterrupt):
        set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    assert fake.settings() == was
    assert remembered() == 0


def test_a_run_that_lives_is_left_alone(fake: FakePhone) -> None:
    held = set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    assert recover(Phone(fake.serial)) is None
    with pytest.raises(PhoneError, match="Another run"):
        set_proxy(Phone(fake.serial), "192.168.7.2", 9090)
    assert fake.setting("global", "http_proxy") == "192.168.7.2:8080"
    assert held.restore() is None


def test_what_somebody_else_set_is_left_as_it_is(fake: FakePhone) -> None:
    held = set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    fake.setting("global", "http_proxy", "10.9.9.9:1")
    assert "somebody else" in (held.restore() or "")
    assert fake.setting("global", "http_proxy") == "10.9.9.9:1"
    assert remembered() == 0


def test_a_phone_that_does_not_take_it_is_told_and_left_as_it_was(fake: FakePhone) -> None:
    (fake.folder / "refuses").touch()
    with pytest.raises(PhoneError, match="SecurityException"):
        set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    assert fake.settings() == {}
    assert remembered() == 0


def test_a_script_of_an_administrator_is_not_replaced(fake: FakePhone) -> None:
    was = furnish(fake, {"global_proxy_pac_url": "http://office/proxy.pac"}, None)
    with pytest.raises(PhoneError, match="PAC"):
        set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    assert fake.settings() == was


@pytest.mark.parametrize(("host", "port"), [("fd00::1", 8080), ("a b", 1), ("x", 0), ("x", 70000), ("", 80)])
def test_what_android_cannot_be_given_is_refused(fake: FakePhone, host: str, port: int) -> None:
    with pytest.raises(PhoneError, match="no proxy that Android"):
        set_proxy(Phone(fake.serial), host, port)
    assert fake.settings() == {}


def test_nothing_is_changed_where_it_cannot_be_remembered(fake: FakePhone) -> None:
    state_folder().parent.mkdir(parents=True)
    state_folder().write_text("in the way", encoding="utf-8")
    with pytest.raises(PhoneError, match="nothing was changed"):
        set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    assert fake.settings() == {}


@pytest.mark.parametrize("said", ["", "Error while accessing settings provider", "WARNING: linker: odd"])
def test_a_setting_that_is_not_told_lends_no_other_its_value(fake: FakePhone, said: str) -> None:
    """As before Android 8, where it fails without a status; and a linker that warns beside every answer."""
    warns = said.startswith("WARNING")
    shown = fake.folder / "bin/settings"
    real = shown.read_text(encoding="utf-8").replace("#!/bin/sh\n", "")
    fails = f'[ "$3" = global_http_proxy_host ] && [ ! -e "$PHONE/well" ] && {{ echo "{said}" >&2; exit 0; }}\n'
    fake.program("settings", "#!/bin/sh\n" + (f'echo "{said}" >&2\n' if warns else fails) + real)
    was = furnish(fake, BEFORE[1], IN_FORCE[1])
    if not warns:
        with pytest.raises(PhoneError, match="does not tell its settings"):
            set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
        assert fake.settings() == was
        return
    with proxied(Phone(fake.serial), "192.168.7.2", 8080):
        assert fake.setting("global", "http_proxy") == "192.168.7.2:8080"
    assert fake.settings() == was


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 9}', '{"format": 1, "proxy": 7}', '{"format": 1, "proxy": {"set": "x:1"}}']
)
def test_what_is_remembered_and_cannot_be_read_is_told_and_kept(fake: FakePhone, text: str) -> None:
    place = state_folder() / f"{key_of(Phone(fake.serial))}.json"
    place.parent.mkdir(parents=True)
    place.write_text(text, encoding="utf-8")
    with pytest.raises(PhoneError, match="http_proxy :0; then remove that file") as error:
        set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    assert str(place) in str(error.value)
    assert fake.settings() == {}
    assert place.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("number", ["EMULATOR35X1X15X0", "0123456789ABCDEF", "00000000", "unknown"])
def test_phones_that_say_the_same_number_are_two(fake: FakePhone, server: Server, tmp_path: Path, number: str) -> None:
    other = FakePhone(tmp_path / "other")
    other.connect(server.client)
    for one in (fake, other):
        one.prop("ro.serialno", number)
    assert key_of(Phone(fake.serial)) != key_of(Phone(other.serial))
    for one in (fake, other):
        one.prop("ro.serialno", "R58M1234567")
    assert key_of(Phone(fake.serial)) == key_of(Phone(other.serial))
    other.vanish()


def test_what_is_remembered_at_one_time_is_all_remembered() -> None:
    names = [f"/sdcard/{n}" for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: Memory("phone").change("files", add=name), names))
        Memory("phone").write(proxy={"set": "a:1"})
        list(threads.map(lambda name: Memory("phone").change("files", drop=name), names[1:]))
    assert Memory("phone").read() == {"format": 1, "files": names[:1], "proxy": {"set": "a:1"}}


class Dying(FakePhone):
    """Vanishes at its command of that number, before it is carried out or behind it."""

    dies_at, behind = -1, False

    def started(self, command: str) -> subprocess.Popen[bytes]:
        dies = len(self.commands) == self.dies_at
        if dies and not self.behind:
            self.vanish()
            command = "true"
        process = super().started(command)
        if dies and self.behind:
            process.wait()
            self.vanish()
        return process


@pytest.mark.slow
@pytest.mark.parametrize("behind", [False, True])
def test_a_phone_that_vanishes_at_any_step_has_its_own_proxy_when_it_is_back(
    server: Server, tmp_path: Path, behind: bool
) -> None:
    for number in range(1, 40):
        fake = Dying(tmp_path / f"phone{number}")
        fake.connect(server.client)
        was = furnish(fake, BEFORE[1], IN_FORCE[1])
        fake.dies_at, fake.behind = number, behind
        with suppress(PhoneError), proxied(Phone(fake.serial), "192.168.7.2", 8080):
            pass
        survived = len(fake.commands) <= number
        fake.dies_at = -1
        if not survived:
            fake.back(server.client)
            recover(Phone(fake.serial))
        assert (fake.settings(), remembered()) == (was, 0), number
        fake.vanish()
        server.client.disconnect(fake.serial)
        if survived:
            break
    else:
        raise AssertionError("it never came to an end")


def test_the_proxy_is_not_gone_before_the_system_took_it_away(fake: FakePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The case that the waiting is there for: without it the deleted setting leaves the proxy in force."""
    monkeypatch.setattr(proxy, "_LOOKS", 0)
    with proxied(Phone(fake.serial), "192.168.7.2", 8080):
        until(lambda: fake.proxy() is not None)
        busy = fake.folder / "busy"  # the system, with something else
        busy.touch()
    busy.unlink()
    until(lambda: fake.log().count("applied") == 2)
    assert fake.proxy() == "192.168.7.2:8080"
