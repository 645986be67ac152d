"""What the phone tells while a capture runs, and that a phone which comes and goes ends nothing."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from lintas.phone import front, sockets
from lintas.phone.adb import Phone
from lintas.phone.sockets import Socket
from lintas.phone.watch import Watch
from tests.phone.device import FakePhone, Server, until
from tests.phone.shapes import FRONT, PACKAGES_UIDS, SHOP, TCP, TCP6, UDP


class Events:
    """Takes events as a writer does."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def __call__(self, type: str, at: int, **keys: Any) -> None:  # noqa: A002
        with self._lock:
            self.all.append({"type": type, "at": at, **{k: v for k, v in keys.items() if v is not None}})

    def of(self, type: str) -> list[dict[str, Any]]:  # noqa: A002
        return [e for e in self.all if e["type"] == type]


def furnish(fake: FakePhone, tcp: str = TCP) -> None:
    fake.answer("pm list packages -U", PACKAGES_UIDS)
    fake.answer("dumpsys activity activities", FRONT["14"])
    for name, text in {"tcp": tcp, "tcp6": TCP6, "udp": UDP, "udp6": ""}.items():
        fake.file(f"/proc/net/{name}", text.encode())


def watched(fake: FakePhone, looks: int) -> tuple[Watch, Events]:
    """What is told of a phone in so many looks."""
    events = Events()
    watch = Watch(Phone(fake.serial), events, interval=0.05)
    watch.start()
    until(lambda: watch.looks >= looks)
    watch.stop()
    return watch, events


def replace(fake: FakePhone, path: str, text: str) -> None:
    """Written as a whole, as a table of the kernel is read."""
    new = fake.file(path + ".new", text.encode())
    new.rename(fake.file(path))


@pytest.mark.parametrize("version", FRONT)
def test_the_app_in_front_in_the_form_of_each_android(version: str) -> None:
    assert front.parse(FRONT[version].splitlines()) == SHOP


@pytest.mark.parametrize(
    "text", ["", "  mResumedActivity: null\n", "  topResumedActivity=null\n  ResumedActivity: null\n"]
)
def test_a_locked_screen_has_nothing_in_front(text: str) -> None:
    assert front.parse(text.splitlines()) is None


def test_of_two_screens_the_whole_phones_counts() -> None:
    text = (
        "    topResumedActivity=ActivityRecord{1 u0 com.example.pay/.Main t1}\n"
        "    topResumedActivity=ActivityRecord{2 u0 com.example.shop/.Main t2}\n"
        "  ResumedActivity: ActivityRecord{2 u0 com.example.shop/.Main t2}\n"
    )
    assert front.parse(text.splitlines()) == SHOP


def test_tables_of_sockets_are_read() -> None:
    found = [s for table, text in (("tcp", TCP), ("tcp6", TCP6), ("udp", UDP)) for line in text.splitlines()
             if (s := sockets.parse(line, table))]  # fmt: skip
    assert found == [
        Socket("tcp", ("10.0.0.1", 45764), ("45.45.45.45", 443), 10234),
        Socket("tcp", ("10.0.0.1", 45766), ("45.45.45.47", 80), 10240),
        Socket("tcp", ("10.0.0.1", 53456), ("9.9.9.9", 443), 10234),
        Socket("tcp", ("fe80::5054:ff:fe12:3456", 32769), ("2001:db8::1", 443), 10234),
        Socket("udp", ("10.0.0.1", 50000), ("8.8.8.8", 443), 10234),
        Socket("udp", ("0.0.0.0", 50001), None, 10240),
        Socket("udp", ("0.0.0.0", 5353), None, 1020),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "0: ZZ:01 00:01 01 0 0 0 1 0 1",
        "0: 0100007F:XX 0100007F:01 01 0 0 0 1 0 1",
        "0: 0100:1 0100:1 01 0:0 0:0 0 1 0 1",
        "0: 0100000A:B2C4 2D2D2D2D:01BB 01 0:0 0:0 0 uid 0 1",
        "0: 0100000A:0000 2D2D2D2D:01BB 01 0:0 0:0 0 1 0 1",
        "0: 0100000A:FFFFF 2D2D2D2D:01BB 01 0:0 0:0 0 1 0 1",
        "0: 0100000A:-1 2D2D2D2D:01BB 01 0:0 0:0 0 1 0 1",
        "0: 0100000A:B2C4 2D2D2D2D:01BB 01 0:0 0:0 0 -1 0 1",
        "0: 0100000A:B2C4 2D2D2D2D:01BB 01 0:0 0:0 0 99999999999 0 1",
    ],
)
def test_what_is_no_entry_is_passed_over(line: str) -> None:
    assert sockets.parse(line, "tcp") is None


def test_sockets_and_front_are_told_once(fake: FakePhone) -> None:
    furnish(fake)
    events = Events()
    watch = Watch(Phone(fake.serial), events, interval=0.05)
    watch.start()
    until(lambda: watch.looks >= 3)
    assert watch.there
    watch.stop()
    told = events.of("socket")
    assert len(told) == 7
    (quic,) = [t for t in told if t["src"] == ["10.0.0.1", 50000]]
    assert quic.pop("at") > 0
    assert quic == {
        "type": "socket",
        "uid": 10234,
        "apps": [SHOP],
        "transport": "udp",
        "src": ["10.0.0.1", 50000],
        "dst": ["8.8.8.8", 443],
    }
    assert {tuple(t["apps"]) for t in told if t["uid"] == 10240} == {("com.example.pay", "com.example.pay.helper")}
    assert [e["app"] for e in events.of("app_front")] == [SHOP]
    assert [e["state"] for e in events.of("phone")] == ["there", "ended"]


def test_what_is_new_is_told_and_what_came_again(fake: FakePhone) -> None:
    furnish(fake, tcp="")
    events = Events()
    watch = Watch(Phone(fake.serial), events, interval=0.05)
    watch.start()
    until(lambda: watch.looks >= 2)
    for expected in (1, 2):
        replace(fake, "/proc/net/tcp", TCP.splitlines()[2] + "\n")
        until(lambda wanted=expected: [e["src"][1] for e in events.of("socket")].count(45764) == wanted)  # type: ignore[misc]
        replace(fake, "/proc/net/tcp", "")
        seen = watch.looks
        until(lambda looks=seen: watch.looks >= looks + 2)  # type: ignore[misc]
    fake.answer("dumpsys activity activities", FRONT["14"].replace(SHOP, "com.example.pay"))
    until(lambda: len(events.of("app_front")) == 2)
    fake.answer("dumpsys activity activities", "  topResumedActivity=null\n")
    until(lambda: len(events.of("app_front")) == 3)
    watch.stop()
    assert [e.get("app") for e in events.of("app_front")] == [SHOP, "com.example.pay", None]


def test_an_app_that_is_installed_meanwhile_has_its_name(fake: FakePhone) -> None:
    furnish(fake, tcp="")
    events = Events()
    watch = Watch(Phone(fake.serial), events, interval=0.05)
    watch.start()
    until(lambda: watch.looks >= 2)
    fake.answer("pm list packages -U", PACKAGES_UIDS + "package:com.example.late uid:10300\n")
    line = TCP.splitlines()[2]
    replace(fake, "/proc/net/tcp", f"{line.replace('10234', '10300')}\n{line.replace('10234', '1010240')}\n")
    until(lambda: len({e["uid"] for e in events.of("socket")} & {10300, 1010240}) == 2)
    watch.stop()
    assert [e["apps"] for e in events.of("socket") if e["uid"] == 10300] == [["com.example.late"]]
    # A work profile's, which the list does not name.
    assert [e["apps"][0] for e in events.of("socket") if e["uid"] == 1010240] == ["com.example.pay"]


def test_a_phone_that_never_names_an_app_says_nothing(fake: FakePhone) -> None:
    furnish(fake)
    fake.answer("dumpsys activity activities", "another form altogether\n")
    watch, events = watched(fake, looks=3)
    assert events.of("app_front") == []
    assert watch.cannot == ["front"]
    assert events.of("phone")[-1]["cannot"] == "front"


def test_tables_without_end_are_read_to_a_limit_and_told(fake: FakePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lintas.phone.watch._MOST", 4000)
    furnish(fake, TCP + "x" * 5000 + "\n" + TCP.replace("10234", "10777"))
    watch, events = watched(fake, looks=2)
    assert watch.cannot == ["all_sockets"]
    assert {e["uid"] for e in events.of("socket")} == {10234, 10240}
    assert [e.get("cannot") for e in events.of("phone")].count("all_sockets") == 1
    assert [e["app"] for e in events.of("app_front")] == [SHOP]


def test_a_phone_that_comes_and_goes(fake: FakePhone, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lintas.phone.watch._AGAIN", 0.1)
    furnish(fake)
    events = Events()
    watch = Watch(Phone(fake.serial), events, interval=0.05)
    watch.start()
    until(lambda: watch.looks >= 1)
    fake.vanish()
    until(lambda: len(events.of("phone")) == 2)
    assert not watch.there
    fake.back(server.client)
    until(lambda: len(events.of("phone")) == 3 and len(events.of("app_front")) == 3)
    watch.stop()
    assert [e["state"] for e in events.of("phone")] == ["there", "vanished", "returned", "ended"]
    assert [e.get("app") for e in events.of("app_front")] == [SHOP, None, SHOP]
    assert len(events.of("socket")) == 14


def test_tables_that_may_not_be_read_are_told(fake: FakePhone) -> None:
    fake.answer("pm list packages -U", PACKAGES_UIDS)
    fake.answer("dumpsys activity activities", FRONT["14"])
    watch, events = watched(fake, looks=2)
    assert watch.cannot == ["sockets"]
    assert [e.get("cannot") for e in events.of("phone")].count("sockets") == 1


def test_who_takes_events_badly_ends_nothing(fake: FakePhone) -> None:
    furnish(fake)

    def broken(*words: object, **keys: object) -> None:
        raise OSError("disk full")

    watch = Watch(Phone(fake.serial), broken, interval=0.05)
    watch.start()
    until(lambda: watch.looks >= 3)
    watch.stop()


def test_a_phone_that_is_not_there_is_waited_for(
    fake: FakePhone, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lintas.phone.watch._AGAIN", 0.1)
    furnish(fake)
    fake.vanish()
    events = Events()
    watch = Watch(Phone(fake.serial), events, interval=0.05)
    watch.start()
    fake.back(server.client)
    until(lambda: watch.looks >= 1)
    watch.stop()
    assert [e["state"] for e in events.of("phone")] == ["there", "ended"]


def test_a_phone_that_hangs_does_not_hold_up_the_end(fake: FakePhone) -> None:
    fake.silent_on = re.compile("pm list")
    watch = Watch(Phone(fake.serial), Events())
    watch.start()
    watch.stop(seconds=0.1)
    watch.stop(seconds=0.1)
