"""The phone's identifiers: what is truly readable, and that no value leaves the persona."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.model import InputError, Secret
from analysis.persona import load_persona
from analysis.reference import Reference
from lintas.phone.adb import Phone
from lintas.phone.identity import Found, plant, read, ssaid
from tests.phone.device import FakePhone
from tests.phone.shapes import SHOP

GAID, OAID, SSAID, OLD = (
    "6d1c1f6e-55e3-4d0f-9a5e-0c2b7a7f2f10",
    "11111111-2222-4333-8444-555555555555",
    "0a1b2c3d4e5f6071",
    "fedcba9876543210",
)
TABLE = f"""<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>
<settings version="3">
  <setting id="0" name="userkey" value="{"AB" * 32}" package="android" defaultSysSet="true" />
  <setting id="5" name="10235" value="1111111111111111" package="{SHOP}.other" defaultSysSet="false" tag="null" />
  <setting id="6" name="10234" value="{SSAID}" package="{SHOP}" defaultSysSet="false" tag="null" />
</settings>
"""
ADID = f"""<?xml version='1.0' encoding='utf-8' standalone='yes' ?>
<map>
    <boolean name="enable_limit_ad_tracking" value="false" />
    <string name="adid_key">{GAID}</string>
</map>
"""


def rooted(fake: FakePhone) -> None:
    fake.make_root()
    fake.file("/data/data/com.google.android.gms/shared_prefs/adid_settings.xml", ADID.encode())
    fake.file("/data/system/users/0/settings_ssaid.xml", b"ABX\0binary")
    fake.file("/data/system/ssaid.text", TABLE.encode())
    fake.program("abx2xml", '#!/bin/sh\n[ "$2" = - ] && cat "$PHONE/root/data/system/ssaid.text"\n')


def test_with_root_the_true_ones_are_read(fake: FakePhone) -> None:
    rooted(fake)
    fake.prop("ro.serialno", "41121FDJH000AB")
    identity = read(Phone(fake.serial), SHOP, 35)
    assert {f.name: f.value for f in identity.found} == {
        "advertising_id": Secret(GAID),
        "vendor_id": Secret(SSAID),
        "serial_number": Secret("41121FDJH000AB"),
    }
    assert identity.missing == []
    assert GAID not in repr(identity)


def test_text_form_of_the_table_before_android_12(fake: FakePhone) -> None:
    rooted(fake)
    fake.program("abx2xml", "#!/bin/sh\nexit 127\n")
    fake.file("/data/system/users/0/settings_ssaid.xml", TABLE.encode())
    assert Secret(SSAID) in [f.value for f in read(Phone(fake.serial), SHOP, 30).found]


def test_without_root_nothing_is_guessed(fake: FakePhone) -> None:
    # What the shell is told on Android 8 and later is no app's.
    fake.setting("secure", "android_id", OLD)
    identity = read(Phone(fake.serial), SHOP, 34)
    assert identity.found == []
    assert len(identity.missing) == 2
    assert "Settings > Google > Ads" in identity.missing[0]
    assert "without root" in identity.missing[1]


def test_one_android_id_for_all_up_to_android_7(fake: FakePhone) -> None:
    fake.setting("secure", "android_id", OLD)
    assert [(f.name, f.value) for f in read(Phone(fake.serial), SHOP, 25).found] == [("vendor_id", Secret(OLD))]
    fake.setting("secure", "android_id", "9774d56d682e549c")
    assert read(Phone(fake.serial), SHOP, 25).found == []


def test_what_makers_keep_in_settings(fake: FakePhone) -> None:
    fake.setting("global", "pps_oaid", OAID)
    fake.setting("secure", "advertising_id", GAID)
    assert [f.name for f in read(Phone(fake.serial), None, 34).found] == ["oaid"]
    fake.prop("ro.product.manufacturer", "Amazon")
    assert [f.name for f in read(Phone(fake.serial), None, 34).found] == ["advertising_id", "oaid"]


def test_an_id_that_is_switched_off_is_no_value(fake: FakePhone) -> None:
    fake.setting("global", "pps_oaid", "00000000-0000-0000-0000-000000000000")
    identity = read(Phone(fake.serial), None, 34)
    assert identity.found == []
    assert any("switched off" in text for text in identity.missing)


def test_another_apps_id_is_not_taken() -> None:
    assert ssaid(TABLE, SHOP) == SSAID
    assert ssaid(TABLE, "com.example") is None
    assert ssaid("", SHOP) is None


FOUND = [Found("advertising_id", Secret(GAID), "x"), Found("vendor_id", Secret(SSAID), "y")]


def test_a_persona_that_cannot_be_written_leaves_no_value_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lintas.phone.identity.os.replace", full)
    with pytest.raises(InputError, match="No space left") as error:
        plant(tmp_path, [Found("advertising_id", Secret(GAID), "a test")])
    assert GAID not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_persona_holds_both_the_planted_and_the_read(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("email: sari@example.org\nadvertising_id: 7777", encoding="utf-8")
    folder = tmp_path / "capture"
    folder.mkdir()
    place = plant(folder, FOUND, own)
    assert place == folder / "persona.yaml"
    assert place is not None
    assert place.stat().st_mode & 0o777 == 0o600
    assert own.read_text(encoding="utf-8") == "email: sari@example.org\nadvertising_id: 7777"
    again = plant(folder, FOUND, own)
    assert again is not None
    loaded = load_persona(again, Reference.load().data_type_aliases())
    assert [(v.data_type, v.value.expose()) for v in loaded.values] == [
        ("email", "sari@example.org"),
        ("advertising_id", "7777"),
        ("advertising_id", GAID),
        ("vendor_id", SSAID),
    ]


def test_a_persona_that_cannot_be_added_to_is_told_without_its_values(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("{email: sari@example.org}", encoding="utf-8")
    with pytest.raises(InputError, match="one 'name: value' a line") as error:
        plant(tmp_path, FOUND, own)
    assert "sari" not in str(error.value)
    assert GAID not in str(error.value)
    assert not (tmp_path / "persona.yaml").exists()
    with pytest.raises(InputError, match="cannot be read"):
        plant(tmp_path, FOUND, tmp_path / "none.yaml")


def test_nothing_to_plant_makes_no_file(tmp_path: Path) -> None:
    assert plant(tmp_path, []) is None
    assert list(tmp_path.iterdir()) == []
