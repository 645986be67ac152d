"""What the user asks for beside the capture is checked before it can mislead: names, addresses, folders, commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from analysis.audit import asked_app, asked_vendor, let_go, own_folder
from analysis.model import InputError
from analysis.reference import Reference
from lintas.terminal import as_typed
from tests.lintas.command import LINTAS, lintas_here, write_har
from tests.packets.talk import Talk


@pytest.mark.parametrize("text", ["!!", "", " ", "com.example shop", "com.example/shop", "-x", "a" * 300, "a\x1b[2J"])
def test_an_app_that_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--app"):
        asked_app(text, "--app")


@pytest.mark.parametrize("text", ["com.example.shop", "id.co.shop-app", "Shop", "com.example_2.app"])
def test_an_app_by_its_id_is_taken(text: str) -> None:
    assert asked_app(text, "--app") == text


def test_a_vendor_that_nobody_knows_is_refused_with_the_nearest() -> None:
    reference = Reference.load()
    known = next(o for o in reference.operators.values() if len(o.id) > 6)
    assert asked_vendor(known.id, "--vendor", reference) == known.id
    assert asked_vendor(known.name.upper(), "--vendor", reference) == known.id
    with pytest.raises(InputError, match=r"--vendor .* is no operator that Lintas knows.*--reference"):
        asked_vendor("nosuch", "--vendor", reference)
    with pytest.raises(InputError, match=known.id):
        asked_vendor(known.id[:-1] + "q", "--vendor", reference)


def test_a_device_that_does_not_speak_is_refused_with_those_that_do(tmp_path: Path) -> None:
    request = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
    capture = Talk().open().say(request).close().write(tmp_path / "one.pcap")
    wrong = lintas_here("audit", capture, "--device", "192.0.2.77", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "--device 192.0.2.77 speaks in no flow" in wrong.stderr
    assert "10.0.0.2 (1 flow)" in wrong.stderr
    assert not (tmp_path / "audits").exists()  # a folder taken for an audit that never came goes again
    assert lintas_here("audit", capture, "--device", "10.0.0.2", cwd=tmp_path).returncode == 0


def test_a_device_where_the_capture_names_none(tmp_path: Path) -> None:
    result = lintas_here("audit", write_har(tmp_path / "a.har"), "--device", "10.0.0.2", cwd=tmp_path)
    assert result.returncode == 2
    assert "leave the option out" in result.stderr


# ------------------------------------------------------------------------------------------------ folders


def test_two_captures_of_one_name_have_an_audit_each(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_har(tmp_path / folder / "session.har", entries=1 if folder == "a" else 3)
    pages = [
        Path(lintas_here("audit", tmp_path / folder / "session.har", cwd=tmp_path).stdout.splitlines()[-1])
        for folder in ("a", "b", "a")
    ]
    assert pages[0] == pages[2] != pages[1]
    counts = [json.loads((tmp_path / page.parent / "audit.json").read_text())["counts"]["exchanges"] for page in pages]
    assert counts == [1, 3, 1]


def test_the_folder_of_an_audit_without_a_name(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        write_har(tmp_path / folder / "s.har")
    parent = tmp_path / "audits"
    (parent / "s-2").mkdir(parents=True)
    (parent / "s-2" / "somebody.txt").write_text("x")
    assert own_folder(parent, tmp_path / "a" / "s.har") == parent / "s"
    assert own_folder(parent, tmp_path / "b" / "s.har") == parent / "s-3"
    assert own_folder(parent, tmp_path / "a" / "s.har") == parent / "s"
    let_go(parent / "s")
    assert own_folder(parent, tmp_path / "c" / "s.har") == parent / "s"


# ----------------------------------------------------------------------------------------------- commands


def test_suggested_commands_can_be_typed_as_they_stand(tmp_path: Path) -> None:
    """Where the shell does not know ``lintas``, a suggestion names its path."""
    result = lintas_here("report", tmp_path, cwd=tmp_path, PATH="/usr/bin:/bin")
    assert result.returncode == 2
    assert f"{LINTAS} audit PATH" in result.stderr


def test_a_command_that_the_shell_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: str(LINTAS))
    assert as_typed("next: lintas audit x; Lintas is lintas") == "next: lintas audit x; Lintas is lintas"
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert as_typed("lintas audit x").endswith("/lintas audit x")
