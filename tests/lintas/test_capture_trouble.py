"""A live capture in trouble: the phone stays online, what was captured is kept, and it is told."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from lintas.capture import checks
from tests.lintas.capturing import Capturing, capturing, serving, until
from tests.lintas.command import lintas

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """``captures`` on a disk with little more room than a capture asks for."""
    place = tmp_path / "captures"
    place.mkdir()
    size = checks.LEAST + (20 << 20)
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def _fill(place: Path, piece: bytes) -> None:
    with place.open("wb", buffering=0) as file:
        while True:
            file.write(piece)


def _paths(capture: Capturing) -> list[str]:
    return [f.request.path for f in capture.flows() if f.type == "http" and f.request.method == "GET"]


def test_a_full_disk_keeps_the_phone_online(small_disk: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", terminal=True, server=server) as capture:
        assert capture.curl(f"{server.url}/before").stdout == '{"ok":true}'
        filler = small_disk / "filler"
        for place, piece in ((filler, 1 << 20), (small_disk / "rest", 1)):
            with pytest.raises(OSError, match="No space"):
                _fill(place, bytes(piece))
        for number in range(20):
            assert capture.curl(f"{server.url}/full{number}").stdout == '{"ok":true}'
        capture.until("NOT RECORDING")
        filler.unlink()
        assert capture.curl(f"{server.url}/after").stdout == '{"ok":true}'
        until(lambda: any(e["type"] == "lost" for e in capture.events()))
        capture.press("q")
        assert capture.ended() == 0
        assert _paths(capture)[0] == "/before"
        assert _paths(capture)[-1] == "/after"
        assert "could not be written; events.jsonl says when and why" in capture.text
        (lost,) = [e for e in capture.events() if e["type"] == "lost"]
        assert lost["cause"] == "disk_full"
        assert len(_paths(capture)) + lost["flows"] == 22


def test_a_folder_that_is_removed_is_made_again(tmp_path: Path) -> None:
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", server=server) as capture:
        trust = tmp_path / "ca.pem"
        shutil.copy(capture.certificate, trust)
        assert capture.curl(f"{server.url}/before").stdout == '{"ok":true}'
        shutil.rmtree(capture.folder)
        gone: list[str] = []

        def is_there_again() -> bool:
            """The writer looks when it writes."""
            gone.append(f"/gone{len(gone)}")
            answer = capture.curl(f"{server.url}{gone[-1]}", "--cacert", str(trust), trusts=False)
            assert answer.stdout == '{"ok":true}', answer
            return (capture.folder / "events.jsonl").exists()

        until(is_there_again)
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0
        assert _paths(capture) == ["/before", *gone]
        assert any(e["type"] == "restored" for e in capture.events())
        manifest = capture.manifest()
        assert manifest["sealed"]
        for file in manifest["files"]:
            assert hashlib.sha256((capture.folder / file["name"]).read_bytes()).hexdigest() == file["sha256"]


def test_a_folder_that_cannot_be_sealed_is_not_said_to_be(tmp_path: Path) -> None:
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", server=server) as capture:
        assert capture.curl(f"{server.url}/before").stdout == '{"ok":true}'
        manifest = capture.folder / "capture.yaml"
        manifest.unlink()
        (manifest / "in its place").mkdir(parents=True)
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 2
        assert "was not sealed: " in capture.errors.decode()
        assert "directory" in capture.errors.decode().lower()
        assert _paths(capture) == ["/before"]


def test_a_request_that_no_server_has_is_decrypted_all_the_same(tmp_path: Path) -> None:
    """The server's own certificate is not trusted here: what the phone sent was read, and went nowhere."""
    with serving(tmp_path) as server, capturing(tmp_path, "--yes") as capture:
        assert capture.curl(f"{server.url}/x", "-o", "/dev/null", "-w", "%{http_code}").stdout == "502"
        capture.until("First decrypted request")
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0


def test_of_a_private_authority_every_place_says_the_same_and_what_helps(tmp_path: Path) -> None:
    option = "ssl_verify_upstream_trusted_ca"
    with serving(tmp_path) as server, capturing(tmp_path, "--yes") as capture:
        for _ in range(2):
            answer = capture.curl(
                f"{server.url}/x", "-d", "email=sari@example.org", "-o", "/dev/null", "-w", "%{http_code}"
            )
            assert answer.stdout == "502"
        capture.until("NOTE The certificate of localhost does not hold")
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0
        assert server.asked == []
    assert capture.text.count(option) == 2  # while it ran, and at its end
    assert "in full" not in capture.text
    assert "0 B sent" in capture.text.rpartition("Sealing")[2]
    done = lintas("audit", capture.folder, "--out", tmp_path / "audit", cwd=tmp_path)
    text = " ".join(done.stdout.split())
    assert "the certificate of 1 server did not hold" in text
    assert option in text
    assert "apart 1 that no request is shown to have reached" in text
    assert "in full" not in text
    assert option in (tmp_path / "audit" / "report.html").read_text()


def test_an_authority_is_trusted_beside_the_public_ones(tmp_path: Path) -> None:
    """mitmproxy would trust it in their stead, so that no public server could be reached any more."""
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", server=server) as capture:
        assert capture.curl(f"{server.url}/x").stdout == '{"ok":true}'
        trusted = capture.folder / ".private" / "authorities.pem"
        both = x509.load_pem_x509_certificates(trusted.read_bytes())
        assert trusted.stat().st_mode & 0o077 == 0
    public = x509.load_pem_x509_certificates(
        Path(importlib.import_module("mitmproxy.net.tls").certifi.where()).read_bytes()
    )
    assert len(public) > 50
    assert set(both) == {*public, x509.load_pem_x509_certificate(server.certificate.read_bytes())}


@pytest.mark.parametrize("holds", [None, b"no certificate"])
def test_an_authority_that_is_none_is_told_before_the_recording(tmp_path: Path, holds: bytes | None) -> None:
    if holds is not None:
        (tmp_path / "ca.pem").write_bytes(holds)
    option = "ssl_verify_upstream_trusted_ca=ca.pem"
    with capturing(tmp_path, "--yes", "--set", option, waits=False) as capture:
        assert capture.ended() == 2
        assert "ssl_verify_upstream_trusted_ca: ca.pem" in capture.errors.decode()
        assert len(capture.errors.decode().splitlines()) == 1
        assert not capture.folder.exists()


def test_a_follower_that_ends_does_not_end_the_capture(tmp_path: Path) -> None:
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", terminal=True, server=server) as capture:
        capture.until("Ctrl-C ends and seals")
        (follower,) = [
            int(p.name)
            for p in Path("/proc").iterdir()
            if p.name.isdigit() and b"analysis.follow" in _command(p) and (p / "cwd").resolve() == tmp_path.resolve()
        ]
        os.kill(follower, signal.SIGKILL)
        capture.until("lintas audit classifies it afterwards")
        assert capture.curl(f"{server.url}/still").stdout == '{"ok":true}'
        capture.press("q")
        assert capture.ended() == 0
        assert _paths(capture) == ["/still"]


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
