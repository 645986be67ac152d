"""The phone's proxy is put back in every way of ending, and exactly as it was."""

from __future__ import annotations

import re

import pytest

from lintas.phone import proxy
from lintas.phone.adb import Phone, PhoneError
from lintas.phone.memory import Memory, key_of, remembered, state_folder
from lintas.phone.proxy import proxied, recover, set_proxy
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


def test_nothing_is_changed_where_it_cannot_be_remembered(fake: FakePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "hold", lambda self: True)
    state_folder().parent.mkdir(parents=True)
    state_folder().write_text("in the way", encoding="utf-8")
    with pytest.raises(PhoneError, match="nothing was changed"):
        set_proxy(Phone(fake.serial), "192.168.7.2", 8080)
    assert fake.settings() == {}


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
