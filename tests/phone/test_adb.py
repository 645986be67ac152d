"""The connection: what is found, what a command gives, and a phone that goes away in the middle."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from lintas.phone import listing
from lintas.phone.adb import Phone, choose
from lintas.phone.listing import NONE, Listed, listed
from lintas.phone.server import PhoneError, PhoneGoneError
from tests.phone.device import FakePhone, Server, until


def test_the_one_phone_is_chosen(fake: FakePhone) -> None:
    assert [(p.serial, p.state, p.model) for p in listed()] == [(fake.serial, "device", "Fake 4")]
    assert choose().serial == fake.serial
    assert choose(fake.serial).serial == fake.serial


def test_no_phone_is_told_with_what_to_do() -> None:
    with pytest.raises(PhoneError, match="switch on USB debugging"):
        choose()
    assert NONE.count("\n") == 0


def test_several_phones_are_named(fake: FakePhone, server: Server, tmp_path: Path) -> None:
    other = FakePhone(tmp_path / "other")
    other.connect(server.client)
    with pytest.raises(PhoneError, match="--serial") as error:
        choose()
    assert fake.serial in str(error.value)
    assert other.serial in str(error.value)
    assert choose(other.serial).serial == other.serial
    with pytest.raises(PhoneError, match="No phone has the serial number 'absent'"):
        choose("absent")
    other.vanish()


DENIED = (
    "no permissions (user in plugdev group; are your udev rules wrong?); "
    "see [http://developer.android.com/tools/device.html]"
)


@pytest.mark.parametrize(
    ("line", "state", "words"),
    [
        ("0A041FDD4003BZ         unauthorized usb:1-1 transport_id:4", "unauthorized", "accept the question"),
        ("emulator-5554 offline transport_id:1", "offline", "unplug it"),
        (f"????????????           {DENIED} usb:1-2 transport_id:2", DENIED, "udev rules"),
        ("R58 authorizing transport_id:9", "authorizing", "accept the question"),
        ("R58 recovery product:x model:SM_G990B device:x transport_id:9", "recovery", "restart Android"),
        ("R58 host", "host", "'host'"),
    ],
)
def test_a_phone_that_cannot_be_used_is_told_with_what_to_do(line: str, state: str, words: str) -> None:
    found = listing._listed(line)
    assert found is not None
    assert found.state == state
    assert not found.usable
    assert words in found.advice
    assert found.serial in found.advice


def test_a_list_that_is_none_gives_no_phone() -> None:
    assert listing._listed("") is None
    assert listing._listed("List") is None
    assert listing._listed("x device product:a model:Pixel_8a device:b transport_id:1") == Listed(
        "x", "device", "Pixel 8a"
    )


@pytest.mark.parametrize("features", ["shell_v2,cmd", "cmd"])
def test_a_command_gives_status_and_output(server: Server, tmp_path: Path, features: str) -> None:
    fake = FakePhone(tmp_path / "phone", features)
    fake.connect(server.client)
    phone = Phone(fake.serial)
    done = phone.run("printf 'a\\nb'; exit 3")
    assert (done.code, done.out) == (3, "a\nb")
    assert phone.run(["printf", "%s", "it's; $HOME"]).out == "it's; $HOME"
    assert phone.said("echo '  x '") == "x"
    assert phone.said("echo x; false") == ""
    fake.vanish()


def test_standard_error_stands_apart(fake: FakePhone) -> None:
    done = Phone(fake.serial).run("echo out; echo err >&2")
    assert (done.out, done.err) == ("out\n", "err\n")


def test_octets_that_are_no_text_do_not_fail(fake: FakePhone) -> None:
    assert Phone(fake.serial).run(r"printf '\377\200x'").out.endswith("x")


def test_an_answer_without_end_is_cut(fake: FakePhone) -> None:
    with pytest.raises(PhoneError, match="more than 1 MB"):
        Phone(fake.serial).run("yes", most=1 << 20)
    assert Phone(fake.serial).said("echo there") == "there"


@pytest.mark.parametrize("features", ["shell_v2,cmd", "cmd"])
def test_a_phone_that_goes_in_the_middle_of_an_answer_is_told(server: Server, tmp_path: Path, features: str) -> None:
    fake = FakePhone(tmp_path / "phone", features)
    fake.connect(server.client)
    phone = Phone(fake.serial)
    fake.vanish_on = re.compile("seq")
    with pytest.raises(PhoneGoneError, match="went away") as error:
        phone.run("seq 1 1000")
    assert "kept" in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(PhoneGoneError):
        phone.run("echo")
    fake.vanish_on = None
    fake.back(server.client)
    assert phone.said("echo again") == "again"
    fake.vanish()


def test_a_phone_that_says_nothing_is_told(fake: FakePhone) -> None:
    fake.silent_on = re.compile("hang")
    with pytest.raises(PhoneGoneError, match="no longer answers"):
        Phone(fake.serial).run("hang", seconds=0.5)


def test_a_stream_comes_line_by_line_and_is_hung_up(fake: FakePhone) -> None:
    loop = "while :; do echo tick; sleep 0.05; done"
    fake.program("ticks", f"#!/bin/sh\ntrap 'echo hung >>\"$PHONE/log\"; exit' HUP PIPE\n{loop}\n")
    with Phone(fake.serial).stream("ticks") as lines:
        assert [next(lines) for _ in range(3)] == ["tick"] * 3
    until(lambda: "hung" in fake.log())


def test_the_error_of_who_reads_a_stream_is_its_own(fake: FakePhone) -> None:
    def read() -> None:
        with Phone(fake.serial).stream("echo a") as lines:
            next(lines)
            raise OSError("mine")

    with pytest.raises(OSError, match="mine"):
        read()


def test_files_go_there_and_come_back(fake: FakePhone, tmp_path: Path) -> None:
    octets = bytes(range(256)) * 1000
    phone = Phone(fake.serial)
    phone.push(octets, "/data/local/tmp/x", 0o600)
    assert fake.file("/data/local/tmp/x").read_bytes() == octets
    into = tmp_path / "x"
    assert phone.pull("/data/local/tmp/x", into) == (len(octets), hashlib.sha256(octets).hexdigest())
    assert into.read_bytes() == octets
    assert into.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_there_is_told(fake: FakePhone, tmp_path: Path) -> None:
    with pytest.raises(PhoneError, match="would not read /data/none") as error:
        Phone(fake.serial).pull("/data/none", tmp_path / "x")
    assert not isinstance(error.value, PhoneGoneError)
    assert list(tmp_path.glob("*x*")) == []


def test_half_a_file_is_no_file(fake: FakePhone, tmp_path: Path) -> None:
    fake.file("/sdcard/x", b"x" * 200_000)
    fake.vanish_on = re.compile("sync RECV")
    with pytest.raises(PhoneGoneError):
        Phone(fake.serial).pull("/sdcard/x", tmp_path / "x")
    assert list(tmp_path.glob("*x*")) == []


def test_root_is_told_apart(fake: FakePhone) -> None:
    phone = Phone(fake.serial)
    assert phone.root is None
    with pytest.raises(PhoneError, match="gives no root"):
        phone.as_root("true")
    fake.program("su", '#!/bin/sh\n[ "$1" = -c ] || exit 1\ntouch "$PHONE/is_root"; sh -c "$2"; rm "$PHONE/is_root"\n')
    phone = Phone(fake.serial)
    assert phone.root == "su -c"
    assert phone.as_root("echo 'a b'; id -u").out == "a b\n0\n"


def test_adbd_becomes_root_where_the_build_lets_it(fake: FakePhone) -> None:
    phone = Phone(fake.serial)
    assert not phone.restart_as_root()
    fake.can_be_root = True
    assert phone.restart_as_root()
    assert phone.as_root("id -u").out == "0\n"


def test_adb_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
    monkeypatch.setenv("ADBUTILS_ADB_PATH", "/bin/false")
    with pytest.raises(PhoneError, match="adb cannot list the phones"):
        listed()
