"""Apps and what is said of them, over the forms of several Android versions."""

from __future__ import annotations

import hashlib

import pytest

from analysis.folder import Manifest
from lintas.phone import about
from lintas.phone.adb import Phone
from lintas.phone.apps import (
    Installed,
    facts,
    installed,
    parse_dump,
    parse_dumped_uids,
    parse_uids,
    uids,
    user_certificates,
)
from lintas.phone.server import PhoneError
from tests.phone.device import FakePhone
from tests.phone.shapes import (
    PACKAGE_9_UPDATED_SYSTEM,
    PACKAGE_15,
    PACKAGES_DUMPED,
    PACKAGES_LISTED,
    PACKAGES_UIDS,
    SHOP,
)

BASE, SPLIT = b"base" * 1000, b"split"


def furnish(fake: FakePhone) -> None:
    """The shop, and another app, on a phone with Android 15."""
    fake.answer("pm list packages -3", PACKAGES_LISTED)
    fake.answer("pm list packages -U", PACKAGES_UIDS)
    fake.answer("dumpsys package packages", PACKAGES_DUMPED)
    fake.answer(f"dumpsys package {SHOP}", PACKAGE_15)
    place = fake.file("/data/app/shop/base.apk", BASE).parent
    fake.file("/data/app/shop/split_config.arm64_v8a.apk", SPLIT)
    # Told as the shell of the phone sees them: its paths are put inside of the folder on the way there only.
    fake.answer(
        f"pm path {SHOP}", "package:/data/app/shop/split_config.arm64_v8a.apk\npackage:/data/app/shop/base.apk\n"
    )
    assert place.is_dir()
    for name, value in {
        "ro.build.version.release": "15",
        "ro.build.version.sdk": "35",
        "ro.build.version.security_patch": "2026-11-05",
        "ro.product.manufacturer": "Google",
        "ro.product.model": "Pixel 8a",
        "ro.build.fingerprint": "google/akita/akita:15/AP4A/1:user/release-keys",
        "persist.sys.timezone": "Asia/Jakarta",
        "ro.build.type": "user",
    }.items():
        fake.prop(name, value)
    fake.setting("system", "system_locales", "id-ID,en-US")


def test_the_apps_of_a_phone(fake: FakePhone) -> None:
    furnish(fake)
    assert installed(Phone(fake.serial)) == [
        Installed("com.example.pay", None, 3, 10240),
        Installed(SHOP, "5.12.0 (release)", 51200, 10234),
    ]


def test_a_phone_that_does_not_list_its_apps_is_told(fake: FakePhone) -> None:
    with pytest.raises(PhoneError, match="does not list its apps"):
        installed(Phone(fake.serial))


def test_what_is_said_of_an_app(fake: FakePhone) -> None:
    furnish(fake)
    said = facts(Phone(fake.serial), SHOP)
    assert (said.version, said.version_code, said.target_sdk, said.uid) == ("5.12.0 (release)", 51200, 34, 10234)
    assert said.installer == "com.android.vending"
    assert said.permissions == (
        "android.permission.INTERNET",
        "android.permission.ACCESS_FINE_LOCATION",
        "android.permission.READ_CONTACTS",
        "android.permission.WRITE_EXTERNAL_STORAGE",
        "com.google.android.gms.permission.AD_ID",
    )
    # What another user of the phone granted is not this one's.
    assert said.granted == (
        "android.permission.INTERNET",
        "android.permission.ACCESS_FINE_LOCATION",
        "com.google.android.gms.permission.AD_ID",
    )
    assert [(a.name, a.sha256, a.bytes) for a in said.apks] == [
        ("base.apk", hashlib.sha256(BASE).hexdigest(), len(BASE)),
        ("split_config.arm64_v8a.apk", hashlib.sha256(SPLIT).hexdigest(), len(SPLIT)),
    ]
    assert (said.debuggable, said.shared_user, said.shared_with) == (False, None, ())


def test_hashes_are_made_here_where_the_phone_has_no_program_for_it(fake: FakePhone) -> None:
    furnish(fake)
    fake.program("sha256sum", "#!/bin/sh\necho 'sha256sum: not found' >&2; exit 127\n")
    assert facts(Phone(fake.serial), SHOP).apks[0].sha256 == hashlib.sha256(BASE).hexdigest()


def test_an_app_that_is_not_there_is_told(fake: FakePhone) -> None:
    with pytest.raises(PhoneError, match=r"has no app com\.example\.none"):
        facts(Phone(fake.serial), "com.example.none")
    with pytest.raises(PhoneError, match="no package name"):
        facts(Phone(fake.serial), "x; reboot")
    assert not any("reboot" in command for command in fake.commands)


def test_an_updated_app_of_the_system_is_the_one_that_runs() -> None:
    said = parse_dump(PACKAGE_9_UPDATED_SYSTEM, "com.example.maps")
    assert (said.version, said.version_code, said.target_sdk) == ("9.0", 900, 23)
    assert (said.uid, said.shared_user, said.debuggable) == (1000, "android.uid.system", True)
    assert said.installer is None
    assert said.granted == ("android.permission.INTERNET",)


def test_a_dump_without_the_app_says_nothing() -> None:
    assert parse_dump("Unable to find package: x\n", "x").version is None
    assert parse_dump(PACKAGE_15, "com.example").permissions == ()


def test_shared_uids_name_all_who_share(fake: FakePhone) -> None:
    furnish(fake)
    assert uids(Phone(fake.serial))[10240] == ("com.example.pay", "com.example.pay.helper")
    assert parse_uids(PACKAGES_UIDS)[1010234] == (SHOP,)
    fake.answer(
        "dumpsys package com.example.pay", PACKAGE_15.replace(SHOP, "com.example.pay").replace("10234", "10240")
    )
    fake.answer("pm path com.example.pay", "package:/data/app/shop/base.apk\n")
    assert facts(Phone(fake.serial), "com.example.pay").shared_with == ("com.example.pay.helper",)


def test_a_phone_before_android_8_tells_uids_another_way(fake: FakePhone) -> None:
    fake.answer("pm list packages -U", "Error: Unknown option: -U\n", 1)
    fake.answer("dumpsys package packages", PACKAGES_DUMPED.replace("appId", "userId"))
    assert uids(Phone(fake.serial)) == {10234: (SHOP,), 10240: ("com.example.pay",)}
    assert parse_dumped_uids("") == {}


@pytest.mark.parametrize(
    ("sdk", "target", "said"),
    [
        (35, 34, "not_trusted_by_default"),
        (35, 23, "trusted_by_default"),
        (23, 34, "trusted_by_default"),
        (None, 34, None),
    ],
)
def test_the_users_store_is_told_as_a_default(fake: FakePhone, sdk: int | None, target: int, said: str | None) -> None:
    furnish(fake)
    fake.answer(f"dumpsys package {SHOP}", PACKAGE_15.replace("targetSdk=34", f"targetSdk={target}"))
    assert user_certificates(facts(Phone(fake.serial), SHOP), sdk) == said


def test_all_of_it_stands_in_a_manifest(fake: FakePhone) -> None:
    furnish(fake)
    changes = about.describe(Phone(fake.serial), SHOP)
    manifest = Manifest()
    for name, value in changes.items():
        outer, _, inner = name.partition(".")
        setattr(getattr(manifest, outer), inner, value)
    assert manifest.device.model == "Google Pixel 8a"
    assert manifest.device.system == "Android 15"
    assert (manifest.device.sdk, manifest.device.security_patch) == (35, "2026-11-05")
    assert (manifest.device.locale, manifest.device.timezone) == ("id-ID", "Asia/Jakarta")
    assert manifest.device.clock_ahead_ms is not None
    assert manifest.device.clock_within_ms is not None
    assert abs(manifest.device.clock_ahead_ms) <= manifest.device.clock_within_ms + 50  # it is this machine's clock
    assert manifest.app.build_sha256 == hashlib.sha256(BASE).hexdigest()
    assert manifest.app.user_certificates == "not_trusted_by_default"
    assert manifest.app.platform == "android"


def test_a_clock_that_is_wrong_is_measured(fake: FakePhone) -> None:
    fake.program("date", "#!/bin/sh\necho $(( $(/bin/date +%s) + 3600 ))\n")
    ahead, within = about.clock(Phone(fake.serial))
    assert ahead is not None
    assert within is not None
    assert abs(ahead - 3_600_000) <= within + 50
    assert within >= 500  # whole seconds only


def test_a_phone_that_says_little_is_described_all_the_same(fake: FakePhone) -> None:
    fake.program("date", "#!/bin/sh\nexit 1\n")
    said = about.about(Phone(fake.serial))
    assert (said.model, said.system, said.sdk, said.clock_ahead_ms) == (None, None, None, None)
    fake.prop("persist.sys.timezone", "Nowhere/At all")
    assert about.about(Phone(fake.serial)).timezone is None
