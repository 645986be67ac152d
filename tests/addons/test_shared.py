"""What all addons do alike: one folder, and options that make no sense are told in one sentence, before anything
passes unrecorded."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.addons.refusing import BIN, ENVIRONMENT, ROOT
from tests.loopback import NET

ALL = ("record", "opaque", "phases", "annotate")


def start(place: Path, program: str, addons: tuple[str, ...], *options: str) -> tuple[int, str]:
    """A proxy that ends by itself: its exit code and what it said."""
    words = [w for name in addons for w in ("-s", str(ROOT / "addons" / f"{name}.py"))]
    told = (f"confdir={place / 'home'}", *options)
    words += [w for option in told for w in ("--set", option)]
    words += ["--no-web-open-browser", "--web-host", f"{NET}.1", "--web-port", "0"] if program == "mitmweb" else []
    done = subprocess.run(
        [BIN / program, *words, "--listen-host", f"{NET}.1", "-p", "0"],
        cwd=place,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("program", ["mitmdump", "mitmweb"])
@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("lintas_body_limit=-5", "lintas_body_limit is '-5'; write a size like 10m."),
        ("lintas_phase=sleeping", "lintas_phase is 'sleeping'; write one of idle, install, "),
        ("lintas_silence=-1", "lintas_silence must not be negative."),
        ("lintas_refusals=three", "lintas_refusals is 'three'; write a whole number."),
        ("lintas_follow='x", "lintas_follow cannot be read (No closing quotation); write it as on a command line."),
        ("lintas_folder=file/inside", "file/inside cannot be written (Not a directory); name another folder."),
    ],
)
def test_an_option_that_makes_no_sense_is_told_once(tmp_path: Path, program: str, option: str, sentence: str) -> None:
    (tmp_path / "file").write_text("")
    code, said = start(tmp_path, program, ALL, option)
    assert code == 1
    assert said.count(sentence) == 1
    assert "Traceback" not in said
    assert not list(tmp_path.glob("capture-*"))


def test_two_values_for_one_option_are_none(tmp_path: Path) -> None:
    code, said = start(tmp_path, "mitmdump", ("record",), "lintas_folder=a", "lintas_folder=b")
    assert code == 1
    assert "lintas_folder is 'a b'; write one text." in said


def test_an_option_that_no_addon_has_is_told(tmp_path: Path) -> None:
    """Of mitmproxy's own accord it would be without effect and without a word."""
    (tmp_path / "capture").mkdir()
    (tmp_path / "capture" / "events.jsonl").write_text("{}\n")
    options = ("lintas_folder=capture", "lintas_body_limt=50m")
    _, said = start(tmp_path, "mitmdump", ALL, *options)
    assert said.count("No addon here has an option lintas_body_limt; it is without effect.") == 1
