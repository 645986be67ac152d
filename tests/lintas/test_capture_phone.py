"""``lintas capture --adb``: a phone at the cable (one that speaks adb's protocol behind the real adb server)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.lintas.capturing import HERE, capturing, until
from tests.lintas.command import lintas_here
from tests.phone import test_apps, test_certificate, test_identity, test_watch
from tests.phone.conftest import _own_server, fake, server  # noqa: F401 - fixtures
from tests.phone.device import FakePhone
from tests.phone.shapes import SHOP

pytestmark = pytest.mark.slow


def test_the_phone_is_described_watched_and_put_back(fake: FakePhone, tmp_path: Path) -> None:  # noqa: F811
    test_watch.furnish(fake)
    test_apps.furnish(fake)
    test_identity.rooted(fake)
    with capturing(tmp_path, "--yes", "--adb", "--app", SHOP, "--store", "user") as capture:
        until(lambda: any(e["type"] == "socket" for e in capture.events()))
        until(lambda: any(e["type"] == "app_front" for e in capture.events()))
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0, capture.errors.decode()
        manifest = capture.manifest()
        assert manifest["sealed"]
        assert manifest["app"]["id"] == SHOP
        assert manifest["app"]["installer"] == "com.android.vending"
        assert [a["name"] for a in manifest["app"]["apks"]] == ["base.apk", "split_config.arm64_v8a.apk"]
        assert manifest["device"]["security_patch"] == "2026-11-05"
        assert manifest["persona"] == "persona.yaml"
        assert test_identity.GAID in (capture.folder / "persona.yaml").read_text()
        assert test_identity.GAID not in capture.text
        assert test_identity.GAID not in (capture.folder / "events.jsonl").read_text()
        # A user's certificate proves no pin.
        assert "by_system" not in manifest["device"]
        told = [e for e in capture.events() if e["type"] == "phone"]
        assert [e["state"] for e in told if "cannot" not in e] == ["there", "ended"]


def test_the_phone_vanishes_in_the_middle(fake: FakePhone, tmp_path: Path) -> None:  # noqa: F811
    test_watch.furnish(fake)
    test_apps.furnish(fake)
    with capturing(tmp_path, "--yes", "--adb", "--app", SHOP) as capture:
        until(lambda: any(e.get("state") == "there" for e in capture.events()))
        fake.vanish()
        until(lambda: any(e.get("state") == "vanished" for e in capture.events()))
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0, capture.errors.decode()
        assert capture.manifest()["sealed"]
        assert capture.text.splitlines()[-1] == "lintas audit captures/shop"


def test_no_phone_is_told(tmp_path: Path) -> None:
    done = lintas_here("capture", "shop", "--listen", HERE, "--adb", "--yes", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "captures").exists()


def test_a_certificate_that_was_seen_in_the_systems_store(fake: FakePhone, tmp_path: Path) -> None:  # noqa: F811
    test_watch.furnish(fake)
    test_apps.furnish(fake)
    test_certificate.stores(fake, conscrypt=True)
    with capturing(tmp_path, "--yes", "--adb", "--app", SHOP, "--store", "system") as capture:
        until(lambda: capture.manifest()["device"].get("by_system") is True)
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0, capture.errors.decode()
        assert [e.get("client") for e in capture.events() if e["type"] == "system_certificate"] == [None]
        assert capture.manifest()["opened_by"] == "system_certificate"


def test_a_systems_store_that_nobody_saw_proves_nothing(fake: FakePhone, tmp_path: Path) -> None:  # noqa: F811
    test_watch.furnish(fake)
    test_apps.furnish(fake)
    with capturing(tmp_path, "--yes", "--adb", "--app", SHOP, "--store", "system") as capture:
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0, capture.errors.decode()
        assert "by_system" not in capture.manifest()["device"]
        assert "opened_by" not in capture.manifest()
