"""Videos of the screen: whole files with their hash, also where the phone goes away."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from lintas.phone.adb import Phone
from lintas.phone.clean import clean
from lintas.phone.memory import remembered
from lintas.phone.screen import Screen
from lintas.phone.server import PhoneError
from tests.phone.device import FakePhone, Server, until
from tests.phone.test_watch import Events


@pytest.fixture
def screen(fake: FakePhone, tmp_path: Path) -> tuple[Screen, Events, Path]:
    folder = tmp_path / "capture"
    folder.mkdir()
    events = Events()
    return Screen(Phone(fake.serial), folder, events), events, folder


def on_phone(fake: FakePhone) -> list[Path]:
    return list(fake.file("/data/local/tmp").glob("*.mp4"))


def recorded(fake: FakePhone) -> None:
    until(lambda: any(b"mdat" in p.read_bytes() for p in on_phone(fake)))


def test_a_video_of_each_phase(fake: FakePhone, screen: tuple[Screen, Events, Path]) -> None:
    video, events, folder = screen
    assert video.begin("first_launch")
    recorded(fake)
    assert video.begin("Login: step/2")
    recorded(fake)
    place = video.end()
    assert place is not None
    assert re.fullmatch(r"screen-\d{8}-\d{6}-login-step-2\.mp4", place.name)
    assert sorted(p.name for p in folder.iterdir()) == sorted(e["file"] for e in events.all)
    for event in events.all:
        octets = (folder / event["file"]).read_bytes()
        assert octets.startswith(b"ftyp")
        assert octets.endswith(b"moov")  # it was asked to end, not cut off
        assert (event["type"], event["sha256"], event["bytes"]) == (
            "screen",
            hashlib.sha256(octets).hexdigest(),
            len(octets),
        )
        assert event["at"] < event["end"]
    assert [e["note"] for e in events.all] == ["first_launch", "Login: step/2"]
    assert on_phone(fake) == []
    assert remembered() == 0


def test_a_video_that_ended_by_itself_is_kept(fake: FakePhone, screen: tuple[Screen, Events, Path]) -> None:
    video, events, _ = screen
    fake.program("screenrecord", '#!/bin/sh\nfor last; do :; done\nprintf ftyp-moov >"$last"\n')
    assert video.begin()
    until(lambda: bool(on_phone(fake)))
    assert video.end() is not None
    assert events.all[0]["bytes"] == 9


def test_a_phone_that_vanishes_keeps_the_video_until_it_is_back(
    fake: FakePhone, server: Server, screen: tuple[Screen, Events, Path]
) -> None:
    video, events, folder = screen
    assert video.begin("buy")
    recorded(fake)
    fake.vanish()
    assert video.end() is None
    assert video.trouble is not None
    assert "went away" in video.trouble
    assert (video.waiting, events.all, list(folder.iterdir())) == (1, [], [])
    assert remembered() == 1
    fake.back(server.client)
    (place,) = video.fetch()
    assert place.read_bytes().startswith(b"ftyp")
    assert events.all[0]["note"] == "buy"
    assert remembered() == 0


def test_a_phone_that_vanishes_while_it_is_copied_leaves_no_half(
    fake: FakePhone, server: Server, screen: tuple[Screen, Events, Path]
) -> None:
    video, _, folder = screen
    assert video.begin()
    recorded(fake)
    fake.vanish_on = re.compile("sync RECV")
    assert video.end() is None
    assert list(folder.iterdir()) == []
    fake.vanish_on = None
    fake.back(server.client)
    assert len(video.fetch()) == 1


def test_a_phone_that_cannot_record_is_told(fake: FakePhone, screen: tuple[Screen, Events, Path]) -> None:
    video, events, _ = screen
    fake.program("screenrecord", "#!/bin/sh\necho 'Unable to configure codec' >&2; exit 1\n")
    video.begin()
    assert video.end() is None
    assert video.trouble is not None
    assert events.all == []
    assert not video.begin(seconds=181)
    assert "1 to 180 seconds" in (video.trouble or "")


def test_a_video_that_the_phone_does_not_have_holds_up_no_other(
    fake: FakePhone, screen: tuple[Screen, Events, Path]
) -> None:
    video, events, _ = screen
    good = (fake.folder / "bin/screenrecord").read_text(encoding="utf-8")
    fake.program("screenrecord", "#!/bin/sh\necho 'Unable to configure codec' >&2; exit 1\n")
    video.begin("login")
    assert video.end() is None
    assert "Unable to configure codec" in (video.trouble or "")
    assert video.waiting == 0
    fake.program("screenrecord", good)
    assert video.begin("buy")
    recorded(fake)
    assert video.end() is not None
    assert [e["note"] for e in events.all] == ["buy"]


def test_a_phone_without_shell_v2_ends_its_video(server: Server, tmp_path: Path) -> None:
    fake = FakePhone(tmp_path / "old", "cmd")
    fake.connect(server.client)
    folder = tmp_path / "capture"
    folder.mkdir()
    events = Events()
    video = Screen(Phone(fake.serial), folder, events)
    assert video.begin()
    recorded(fake)
    place = video.end()
    assert place is not None
    assert place.read_bytes().endswith(b"moov")
    fake.vanish()


def test_no_other_run_removes_a_video_that_is_being_made(fake: FakePhone, screen: tuple[Screen, Events, Path]) -> None:
    video, _, folder = screen
    assert video.begin()
    recorded(fake)
    with pytest.raises(PhoneError, match="still uses this phone"):
        clean(Phone(fake.serial))
    second = Screen(Phone(fake.serial), folder, Events())
    assert not second.begin()
    assert "Another run" in (second.trouble or "")
    assert video.end() is not None
    assert clean(Phone(fake.serial)) == []


def test_a_folder_that_is_gone_is_told_and_the_video_waits(
    fake: FakePhone, screen: tuple[Screen, Events, Path]
) -> None:
    video, _, folder = screen
    assert video.begin()
    recorded(fake)
    folder.rmdir()
    assert video.end() is None
    assert "still on the phone" in (video.trouble or "")
    folder.mkdir()
    assert len(video.fetch()) == 1
