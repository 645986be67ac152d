"""A capture folder while it is written: nothing half, nothing lost uncounted, and what comes out is read again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.audit import AuditOptions, run
from analysis.folder import CHAIN_START, chain_hash, read_manifest
from analysis.folder import writing as module
from analysis.folder.writing import DUMP, EVENTS, JOURNAL, Writing, writing
from analysis.model import InputError
from tests.addons.full import room_for
from tests.road import DEMO, check_conservation


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def losses(folder: Path, sealed: bool = True) -> dict[str, tuple[int, int]]:
    made, _ = run(folder, AuditOptions(sealed=sealed))
    return {r["kind"]: (r["count"], r["bytes"]) for r in made["losses"].to_pylist()}


def test_what_was_written_is_there_at_once_and_the_seal_names_its_hashes(tmp_path: Path) -> None:
    place = tmp_path / "shop"
    out = writing(place)
    dump = (DEMO / DUMP).read_bytes()
    assert out.flow(dump)
    assert (place / DUMP).read_bytes() == dump
    out.event("phase", phase="login")
    out.line(flow="a", type="flow", kind="tcp", client=["10.0.0.2", 1], server=["192.0.2.1", 2], at=1)
    out.line(flow="a", direction="sent", index=0, kind="tcp", size=2, data="aGk=", at=1_700_000_000_000_000)
    (place / "notes.txt").write_text("of the auditor")
    (place / "wire.pcap").write_bytes(b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(12) + b"\1\0\0\0")
    assert "not_sealed" not in losses(place, sealed=False)
    out.release()
    sealed = read_manifest(place / "capture.yaml")
    assert sealed.sealed is not None
    named = {f.name: f.sha256 for f in sealed.files}
    assert set(named) == {DUMP, EVENTS, JOURNAL, "wire.pcap"}
    for name, sha256 in named.items():
        assert sha256 == hashlib.sha256((place / name).read_bytes()).hexdigest()
    note = next(e for e in lines(place / EVENTS) if e["type"] == "file")
    assert (note["name"], note["sha256"]) == ("notes.txt", hashlib.sha256(b"of the auditor").hexdigest())
    made, _ = run(place, AuditOptions())
    check_conservation(made)
    assert made["exchanges"].num_rows == run(DEMO, AuditOptions())[0]["exchanges"].num_rows
    assert {"not_sealed", "file_changed", "chain_broken"} & set(made["losses"]["kind"].to_pylist()) == set()
    assert os.stat(place).st_mode & 0o077 == 0
    assert os.stat(place / DUMP).st_mode & 0o077 == 0


_words = st.dictionaries(
    st.text(max_size=8).filter(lambda k: k not in ("type", "at", "prev", "self")),
    st.one_of(st.integers(-(2**40), 2**40), st.text(), st.lists(st.text(max_size=4)), st.booleans()),
    max_size=4,
)


@given(events=st.lists(_words, max_size=6))
def test_every_line_carries_the_hash_of_the_line_before(
    events: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("chain") / "c"
    out = writing(place)
    for keys in events:
        assert out.event("mark", **keys)
    out.release()
    prev = CHAIN_START
    found = (place / EVENTS).read_bytes().split(b"\n")
    assert found.pop() == b""
    for line in found:
        assert json.loads(line)["prev"] == prev
        prev = chain_hash(line)
    assert len(found) == len(events) + 1


def test_many_threads_write_whole_lines_in_one_chain(tmp_path: Path) -> None:
    out = writing(tmp_path / "c")
    threads = [threading.Thread(target=lambda n=n: [out.event("mark", n=n, k=k) for k in range(50)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.release()
    assert "chain_broken" not in losses_of_events(tmp_path / "c")
    assert len(lines(tmp_path / "c" / EVENTS)) == 401


def losses_of_events(folder: Path) -> set[str]:
    from analysis.sources import Options, events

    return {loss.kind for batch in events.read(folder / EVENTS, EVENTS, Options()) for loss in batch.losses}


def test_a_full_disk_loses_whole_pieces_counts_them_and_goes_on(tmp_path: Path) -> None:
    place = tmp_path / "full"
    out = writing(place)
    told: list[str] = []
    out.on_trouble(told.append)
    dump = (DEMO / DUMP).read_bytes()
    with room_for(len(dump) + 100):
        assert out.flow(dump)
        assert not out.flow(dump)
        assert not out.flow(dump)
        assert len(told) == 1
        assert "cannot be written" in told[0]
        assert (place / DUMP).read_bytes() == dump
        assert (out.counts.lost_flows, out.counts.lost_bytes) == (2, 2 * len(dump))
        assert out.counts.trouble is not None
    assert out.flow(dump)
    assert out.counts.trouble is None
    assert len(told) == 2
    out.release()
    assert (place / DUMP).read_bytes() == dump + dump
    assert losses(place)["not_recorded"] == (2, 2 * len(dump))


def test_events_that_were_lost_leave_the_chain_whole(tmp_path: Path) -> None:
    out = writing(tmp_path / "c")
    with room_for((tmp_path / "c" / EVENTS).stat().st_size + 20):
        assert not out.event("phase", phase="login")
        assert not out.event("phase", phase="browse")
    assert out.event("phase", phase="buy")
    out.release()
    found = lines(tmp_path / "c" / EVENTS)
    assert [e["type"] for e in found] == ["clock", "phase", "lost"]
    assert (found[2]["events"], found[2]["cause"]) == (2, "disk_full")
    assert losses_of_events(tmp_path / "c") == {"not_recorded"}


def test_a_folder_that_is_removed_is_made_again_with_all_that_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.0)
    place = tmp_path / "gone"
    out = writing(place)
    told: list[str] = []
    out.on_trouble(told.append)
    out.flow(b"first")
    shutil.rmtree(place)
    out.flow(b"second")
    assert (place / DUMP).read_bytes() == b"firstsecond"
    assert [t for t in told if "was removed" in t]
    out.release()
    assert {f.name for f in read_manifest(place / "capture.yaml").files} == {DUMP, EVENTS}
    assert "chain_broken" not in losses_of_events(place)


def test_a_clock_that_is_set_is_told_and_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.0)
    out = writing(tmp_path / "c")
    told: list[str] = []
    out.on_trouble(told.append)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600_000_000_000)
    out.event("phase", phase="login")
    monkeypatch.undo()
    out.release()
    assert "set back by 3600" in told[0]
    assert "clock_set" in losses_of_events(tmp_path / "c")


def test_one_process_one_writer(tmp_path: Path) -> None:
    out = writing(tmp_path / "c")
    assert writing(tmp_path / "c") is out
    out.release()
    assert read_manifest(tmp_path / "c" / "capture.yaml").sealed is None
    told = subprocess.run(
        [sys.executable, "-c", "import sys; from analysis.folder.writing import writing; writing(sys.argv[1])",
         str(tmp_path / "c")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "holds a recording already" in told.stderr
    out.release()
    assert read_manifest(tmp_path / "c" / "capture.yaml").sealed is not None
    with pytest.raises(InputError, match="holds a recording already"):
        writing(tmp_path / "c")


def test_what_cannot_be_a_capture_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        writing(tmp_path / "file")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "capture.yaml").write_text("format: 99\n")
    with pytest.raises(InputError, match="format 99"):
        writing(tmp_path / "odd")


def test_a_manifest_that_was_prepared_is_kept_and_changed_by_name(tmp_path: Path) -> None:
    (tmp_path / "capture.yaml").write_text("format: 1\nuser_country: id\napp: {id: com.example.shop}\n")
    out = writing(tmp_path)
    out.describe(**{"app.version": "5.1", "opened_by": "user_certificate"})
    found = read_manifest(tmp_path / "capture.yaml")
    assert (found.user_country, found.app.id, found.app.version) == ("ID", "com.example.shop", "5.1")
    assert found.salt
    out.release()


def test_without_a_name_all_share_one_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "captures").mkdir()
    one, two = writing(None), writing("")
    assert one is two
    assert one.path.parent == tmp_path / "captures"
    one.release()
    two.release()
    three = writing(None)
    assert three.path != one.path
    three.release()


def test_a_writer_that_was_killed_leaves_a_folder_that_is_audited_as_it_is(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from analysis.folder.writing import writing; w = writing(sys.argv[1]);"
        "w.flow(pathlib.Path(sys.argv[2]).read_bytes()); w.event('phase', phase='login'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "c"), str(DEMO / DUMP)], check=False, timeout=60)
    found = losses(tmp_path / "c")
    assert found["not_sealed"] == (1, 0)
    assert "file_torn" not in found


def test_the_private_folder_is_for_this_user_and_no_capture(tmp_path: Path) -> None:
    out: Writing = writing(tmp_path / "c")
    (out.private() / "key.pem").write_text("secret")
    assert os.stat(out.private()).st_mode & 0o077 == 0
    out.release()
    assert all("key" not in str(e.get("name")) for e in lines(tmp_path / "c" / EVENTS))


@contextmanager
def disk(place: Path, octets: int) -> Iterator[Path]:
    """A disk of that size of its own."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={octets}", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_until_the_end_is_told_once_and_the_folder_sealed(tmp_path: Path) -> None:
    """Small pieces go through where large ones do not, over and over."""
    told: list[str] = []
    with disk(tmp_path / "disk", 1 << 20) as place:
        out = writing(place / "shop")
        out.on_trouble(told.append)
        kept = 0
        for number in range(2000):
            kept += out.flow((DEMO / DUMP).read_bytes()[:40_000])
            out.line(flow="a", direction="sent", index=number, kind="tcp", size=900, data="A" * 1200, at=1)
        out.release()
        events = lines(out.path / EVENTS)
        manifest = read_manifest(out.path / "capture.yaml")
        assert not (out.path / ".reserve").exists()
    assert ["cannot be written" in text for text in told] == [True, False]
    lacking = 2000 - kept + out.counts.lost_messages
    assert told[1].endswith(f"lacks {lacking} flows, messages and events; they are counted in events.jsonl.")
    assert 0 < kept < 2000
    lost = [event for event in events if event["type"] == "lost"]
    assert [(e["flows"], e.get("messages", 0)) for e in lost] == [(2000 - kept, out.counts.lost_messages)]
    assert manifest.sealed is not None
    assert [f.name for f in manifest.files] == sorted([DUMP, EVENTS, JOURNAL])


def test_a_seal_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    out = writing(tmp_path / "shop")
    out.on_trouble(told.append)
    with room_for(10):
        out.release()
    assert "could not be sealed" in told[-1]
    assert "not_sealed" in losses(out.path)


def test_what_the_auditor_writes_into_the_manifest_meanwhile_stays(tmp_path: Path) -> None:
    out = writing(tmp_path / "shop")
    place = out.path / "capture.yaml"
    salt = read_manifest(place).salt
    place.write_text("format: 1\nname: Shop\nuser_country: ID\n")
    out.describe(**{"app.id": "com.example.shop"})
    place.write_text(place.read_text().replace("Shop", "Shop 5.1"))
    out.release()
    manifest = read_manifest(place)
    assert (manifest.name, manifest.user_country, manifest.app.id) == ("Shop 5.1", "ID", "com.example.shop")
    assert manifest.salt == salt
    assert manifest.started is not None
    assert manifest.sealed is not None
    assert [f.name for f in manifest.files] == [EVENTS]


def test_a_manifest_that_was_broken_meanwhile_is_laid_aside_and_the_folder_sealed(tmp_path: Path) -> None:
    told: list[str] = []
    out = writing(tmp_path / "shop")
    out.on_trouble(told.append)
    place = out.path / "capture.yaml"
    place.write_text("name: [half a")
    out.release()
    assert read_manifest(place).sealed is not None
    assert (out.path / "capture-by-hand.yaml").read_text() == "name: [half a"
    assert ["laid aside as capture-by-hand.yaml" in text for text in told] == [True]
    assert "not_sealed" not in losses(out.path)


def test_a_folder_that_could_not_be_begun_is_left_as_it_was(tmp_path: Path) -> None:
    """Who asks next hears the same, and not of a recording that there never was."""
    with room_for(10):
        for _ in range(2):
            with pytest.raises(InputError, match="cannot be written"):
                writing(tmp_path / "shop")
    assert list((tmp_path / "shop").iterdir()) == []
    writing(tmp_path / "shop").release()


def test_who_writes_behind_the_seal_writes_into_no_other_file(tmp_path: Path) -> None:
    out = writing(tmp_path / "shop")
    out.release()
    with (tmp_path / "other").open("w+b") as other:
        numbers = [os.dup(other.fileno()) for _ in range(4)]
        assert not out.event("mark", note="late")
        assert not out.flow(b"late")
        assert other.seek(0, os.SEEK_END) == 0
        for number in numbers:
            os.close(number)
    assert out.counts.lost_events == 1


@pytest.mark.parametrize(
    "meddle",
    [
        lambda place: (place.unlink(), os.mkfifo(place)),
        lambda place: (place.unlink(), place.mkdir()),
        lambda place: place.write_text("format: 1\nname: " + "[" * 200_000),
        lambda place: place.write_text("format: 0x" + "f" * 90_000),
        lambda place: place.write_text("format: 1\nname: &a [*a]\n"),
    ],
    ids=["pipe", "folder", "deep", "number", "itself"],
)
def test_whatever_stands_in_the_manifests_place_the_end_is_an_end(tmp_path: Path, meddle: Any) -> None:
    told: list[str] = []
    out = writing(tmp_path / "shop")
    out.on_trouble(told.append)
    meddle(out.path / "capture.yaml")
    sealed = out.release()
    assert sealed or "could not be sealed" in told[-1]


def test_a_folder_that_became_a_file_is_told_at_the_end(tmp_path: Path) -> None:
    told: list[str] = []
    out = writing(tmp_path / "shop")
    out.on_trouble(told.append)
    shutil.rmtree(out.path)
    out.path.write_text("x")
    assert out.release() is False
    assert "could not be sealed" in told[-1]


def test_a_link_in_a_files_place_is_replaced_and_never_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.0)
    out = writing(tmp_path / "shop")
    out.flow(b"first")
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (out.path / DUMP).unlink()
    (out.path / DUMP).symlink_to(victim)
    out.flow(b"second")
    moved = tmp_path / "moved"
    os.rename(out.path / JOURNAL, moved)
    (out.path / JOURNAL).symlink_to(moved)
    out.line(flow="f")
    out.release()
    assert victim.read_bytes() == b"precious"
    assert not (out.path / DUMP).is_symlink()
    assert not (out.path / JOURNAL).is_symlink()
    assert (out.path / DUMP).read_bytes() == b"firstsecond"
    assert (out.path / JOURNAL).read_bytes() == b'{"flow":"f"}\n'


def test_what_another_program_cuts_off_is_told_and_what_comes_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.0)
    told: list[str] = []
    out = writing(tmp_path / "shop")
    out.on_trouble(told.append)
    out.flow(b"first")
    os.truncate(out.path / DUMP, 2)
    monkeypatch.setattr(module, "_LOOK", 1e9)
    out.flow(b"second")  # before anybody looked
    monkeypatch.setattr(module, "_LOOK", 0.0)
    out.release()
    assert (out.path / DUMP).read_bytes() == b"fisecond"
    assert [t for t in told if "its last 3 octets are lost" in t]
    named = {f.name: f.sha256 for f in read_manifest(out.path / "capture.yaml").files}
    assert named[DUMP] == hashlib.sha256(b"fisecond").hexdigest()
    assert "not_recorded" in losses_of_events(out.path)
