"""Hashes of files that grow, by the process that does it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from analysis.folder import hashing
from analysis.folder.hashing import Growing, Hashes


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is started at the first octet."""
    monkeypatch.setattr(hashing, "LARGE", 1)


def test_small_files_are_hashed_at_the_end_without_a_process(tmp_path: Path) -> None:
    hashes = Hashes()
    (tmp_path / "a").write_bytes(b"abc")
    hashes.grown({tmp_path / "a": 3})
    assert hashes._process is None
    assert hashes.finish({tmp_path / "a": 2}) == {tmp_path / "a": sha256(b"ab")}


@pytest.mark.usefixtures("early")
def test_what_grows_is_hashed_on_the_way(tmp_path: Path) -> None:
    hashes, a, b = Hashes(), tmp_path / "a", tmp_path / "é \n b"
    whole = b""
    b.write_bytes(b"b")
    for n in range(50):
        whole += bytes([n]) * 50_000
        a.write_bytes(whole)
        hashes.grown({a: len(whole), b: 1})
    process = hashes._process
    assert process is not None
    assert hashes.finish({a: len(whole), b: 1}) == {a: sha256(whole), b: sha256(b"b")}
    assert process.returncode == 0


@pytest.mark.usefixtures("early")
def test_a_process_that_is_gone_costs_no_hash(tmp_path: Path) -> None:
    hashes, a = Hashes(), tmp_path / "a"
    a.write_bytes(b"abc")
    hashes.grown({a: 1})
    assert hashes._process is not None
    hashes._process.kill()
    hashes._process.wait()
    hashes.grown({a: 2})
    assert hashes.finish({a: 3}) == {a: sha256(b"abc")}


@pytest.mark.usefixtures("early")
def test_a_file_that_was_away_for_a_while(tmp_path: Path) -> None:
    hashes, a = Hashes(), tmp_path / "a"
    a.write_bytes(b"abc")
    hashes.grown({a: 3})
    a.unlink()
    for _ in range(20):
        hashes.grown({a: 5})
    a.write_bytes(b"abcdef")
    assert hashes.finish({a: 6}) == {a: sha256(b"abcdef")}


def test_a_file_shorter_than_was_said_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(OSError, match="shorter"):
        Growing(tmp_path / "a").upto(4)
    with pytest.raises(OSError, match="a"):
        Hashes().finish({tmp_path / "none": 1})
