"""One object for a capture: it says what it cannot do, and never raises."""

from __future__ import annotations

from pathlib import Path

import pytest

from lintas.phone.adb import Phone
from lintas.phone.companion import Companion
from lintas.phone.memory import remembered, state_folder
from tests.phone import test_apps, test_identity, test_watch
from tests.phone.device import FakePhone, Server, until
from tests.phone.shapes import SHOP
from tests.phone.test_screen import on_phone
from tests.phone.test_watch import Events


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "capture"
    made.mkdir()
    return made


@pytest.mark.slow
def test_a_capture_with_everything(fake: FakePhone, folder: Path) -> None:
    test_watch.furnish(fake)
    test_apps.furnish(fake)
    test_identity.rooted(fake)
    was = fake.settings()
    events, said = Events(), list[str]()
    companion = Companion(Phone(fake.serial), folder, events, said.append)
    changes = companion.describe(SHOP)
    assert (changes["app.version_code"], changes["persona"]) == (51200, "persona.yaml")
    companion.start(("192.168.7.2", 8080), video=True)
    companion.phase("login")
    until(lambda: bool(on_phone(fake)) and bool(events.of("app_front")))
    assert companion.there
    companion.phase("buy")
    until(lambda: len(events.of("screen")) == 1)
    companion.stop()
    assert [e["note"] for e in events.of("screen")] == ["login", "buy"]
    assert sorted(p.suffix for p in folder.iterdir()) == [".mp4", ".mp4", ".yaml"]
    assert (said, fake.settings(), remembered()) == ([], was, 0)
    assert test_identity.GAID not in repr(events.all) + repr(changes)


def test_a_phone_that_is_gone_is_told_and_nothing_raised(fake: FakePhone, server: Server, folder: Path) -> None:
    test_watch.furnish(fake)
    fake.vanish()
    said: list[str] = []
    companion = Companion(Phone(fake.serial), folder, Events(), said.append)
    assert companion.describe(SHOP) == {}
    companion.start(("192.168.7.2", 8080), video=True)
    companion.phase("login")
    companion.stop()
    assert said
    assert all("went away" in text for text in said)
    assert not companion.there


def test_a_computer_that_keeps_nothing_is_told_and_nothing_raised(fake: FakePhone, folder: Path) -> None:
    test_watch.furnish(fake)
    state_folder().parent.mkdir(parents=True)
    state_folder().write_text("in the way", encoding="utf-8")
    said: list[str] = []
    companion = Companion(Phone(fake.serial), folder, Events(), said.append)
    companion.start(("192.168.7.2", 8080), video=True)
    companion.phase("login")
    companion.stop()
    assert any("nothing was changed" in text for text in said)
    assert "http_proxy" not in str(fake.settings())


def test_numbers_without_end_raise_nothing(fake: FakePhone, folder: Path) -> None:
    test_apps.furnish(fake)
    fake.prop("ro.build.version.sdk", "9" * 5000)
    fake.program("date", f"#!/bin/sh\necho {'9' * 5000}\n")
    companion = Companion(Phone(fake.serial), folder, Events())
    changes = companion.describe(SHOP)
    assert changes["device.system"] == "Android 15"
    assert "device.sdk" not in changes


def test_a_phone_that_comes_back_brings_its_video(
    fake: FakePhone, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lintas.phone.watch._AGAIN", 0.1)
    test_watch.furnish(fake)
    events, said = Events(), list[str]()
    companion = Companion(Phone(fake.serial), folder, events, said.append)
    companion.start(video=True)
    companion.phase("login")
    until(lambda: bool(on_phone(fake)) and bool(events.of("app_front")))
    fake.vanish()
    companion.phase("buy")
    until(lambda: any("capture goes on" in text for text in said))
    fake.back(server.client)
    until(lambda: len(events.of("screen")) == 1)
    companion.stop()
    assert events.of("screen")[0]["note"] == "login"
    assert "The phone is back." in said


def test_an_app_that_is_not_there_is_told_once_and_the_phone_described(fake: FakePhone, folder: Path) -> None:
    test_apps.furnish(fake)
    said: list[str] = []
    companion = Companion(Phone(fake.serial), folder, Events(), said.append)
    for _ in range(2):
        changes = companion.describe("com.example.none")
        assert changes["device.model"] == "Google Pixel 8a"
        assert not any(name.startswith("app.") for name in changes)
    assert len(said) == len(set(said)) == 3  # the app, and two identifiers that cannot be read
    assert "has no app com.example.none" in said[0]
