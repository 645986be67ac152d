"""From the phone through a capture's writer to what an audit reads."""

from __future__ import annotations

from pathlib import Path

from analysis.folder import open_capture
from analysis.folder.writing import writing
from analysis.persona import load_persona
from analysis.reference import Reference
from analysis.sources import Options
from analysis.sources.events import read
from lintas.phone import about, identity
from lintas.phone.adb import Phone
from lintas.phone.screen import Screen
from lintas.phone.watch import Watch
from tests.phone import test_apps, test_identity, test_watch
from tests.phone.device import FakePhone, until
from tests.phone.shapes import SHOP


def test_what_the_phone_says_is_in_the_sealed_folder(fake: FakePhone, tmp_path: Path) -> None:
    test_watch.furnish(fake)
    test_apps.furnish(fake)
    test_identity.rooted(fake)
    phone = Phone(fake.serial)
    folder = tmp_path / "capture"
    writer = writing(folder)
    changes = about.describe(phone, SHOP)
    place = identity.plant(folder, identity.read(phone, SHOP, changes["device.sdk"]).found)
    assert place is not None
    writer.describe(persona=place.name, **changes)
    screen = Screen(phone, folder, writer.event)
    assert screen.begin("login")
    watch = Watch(phone, writer.event, interval=0.05)
    watch.start()
    until(lambda: watch.looks >= 2)
    watch.stop()
    assert screen.end() is not None
    writer.release()

    capture = open_capture(folder)
    assert capture.losses == []
    assert capture.manifest.app.installer == "com.android.vending"
    assert [a.name for a in capture.manifest.app.apks] == ["base.apk", "split_config.arm64_v8a.apk"]
    assert capture.manifest.device.security_patch == "2026-11-05"
    assert capture.persona is not None
    persona = load_persona(capture.persona, Reference.load().data_type_aliases())
    assert persona.data_types() == {"advertising_id", "vendor_id"}

    (source,) = capture.files
    batches = list(read(source.path, source.name, Options()))
    assert [loss for batch in batches for loss in batch.losses] == []
    events = [event for batch in batches for event in batch.events]
    kinds = [event["type"] for event in events]
    assert kinds.count("socket") == 7
    assert [e["app"] for e in events if e["type"] == "app_front"] == [SHOP]
    (video,) = [e for e in events if e["type"] == "screen"]
    assert [e["sha256"] for e in events if e["type"] == "file" and e["name"] == video["file"]] == [video["sha256"]]
    assert test_identity.GAID not in (folder / "events.jsonl").read_text(encoding="utf-8")
    assert test_identity.GAID not in (folder / "capture.yaml").read_text(encoding="utf-8")
