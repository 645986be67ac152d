"""``lintas phone`` as a user has it, in a process of its own; above all, every way of ending puts the proxy back."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lintas.command import LINTAS, environment, lintas
from tests.phone.device import FakePhone, Server, until
from tests.phone.shapes import SHOP
from tests.phone.test_apps import furnish
from tests.phone.test_certificate import write
from tests.phone.test_identity import GAID, SSAID, rooted

pytestmark = pytest.mark.slow


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``lintas`` and lets the test end it as it likes."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [LINTAS, *map(str, words)],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_phones_are_listed(fake: FakePhone, tmp_path: Path) -> None:
    done = lintas("phone", "list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{fake.serial} (Fake 4)\n")


def test_no_phone_is_one_sentence(tmp_path: Path) -> None:
    assert "switch on USB debugging" in lintas("phone", "list", cwd=tmp_path).stdout
    for words in (["apps"], ["about", SHOP], ["proxy", "10.0.0.1:1"], ["screen", "."], ["certificate", "x"]):
        done = lintas("phone", *words, cwd=tmp_path)
        assert done.returncode == 2, words
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_apps_are_listed(fake: FakePhone, tmp_path: Path) -> None:
    furnish(fake)
    done = lintas("phone", "apps", cwd=tmp_path)
    assert done.returncode == 0
    assert re.search(rf"{re.escape(SHOP)}\s+5\.12\.0 \(release\)\s+51200\s+10234", done.stdout)
    assert json.loads(lintas("phone", "apps", "--json", cwd=tmp_path).stdout)[1]["package"] == SHOP


def test_an_app_is_described_and_its_identifiers_never_shown(fake: FakePhone, tmp_path: Path) -> None:
    furnish(fake)
    rooted(fake)
    (tmp_path / "capture").mkdir()
    words = ("phone", "about", SHOP, "--persona-into", "capture")
    for more in ((), ("--json",)):
        done = lintas(*words, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "com.android.vending" in done.stdout
        assert not any(value in done.stdout + done.stderr for value in (GAID, SSAID))
    persona = (tmp_path / "capture/persona.yaml").read_text(encoding="utf-8")
    assert GAID in persona
    assert SSAID in persona
    shown = lintas("phone", "about", SHOP, cwd=tmp_path).stdout
    assert "not trusted by default" in shown
    assert "Google Pixel 8a, Android 15" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_polite_end_puts_the_proxy_back(
    fake: FakePhone, running: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    fake.setting("global", "http_proxy", "10.1.1.1:3128")
    fake.setting("global", "global_http_proxy_host", "10.1.1.1")
    was = fake.settings()
    process = running("phone", "proxy", "192.168.7.2:8080")
    assert process.stdout is not None
    assert "until you press Ctrl-C" in process.stdout.readline()
    until(lambda: fake.proxy() == "192.168.7.2:8080")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert "was put back" in out, err
    assert fake.settings() == was
    assert fake.proxy() == "10.1.1.1:3128"


def test_after_a_kill_clean_puts_the_proxy_back(
    fake: FakePhone, running: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = running("phone", "proxy", "192.168.7.2:8080")
    assert process.stdout is not None
    process.stdout.readline()
    busy = lintas("phone", "clean", cwd=tmp_path)
    assert (busy.returncode, "still uses this phone" in busy.stderr) == (2, True)
    until(lambda: fake.proxy() == "192.168.7.2:8080")
    process.kill()
    process.wait()
    done = lintas("phone", "clean", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left behind" in done.stdout
    assert "WireGuard app" in done.stdout
    assert "Trusted credentials" in done.stdout
    assert fake.settings() == {}
    assert fake.proxy() is None
    assert "Nothing is left" in lintas("phone", "clean", cwd=tmp_path).stdout


def test_after_a_kill_any_command_puts_the_proxy_back(
    fake: FakePhone, running: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    furnish(fake)
    was = fake.settings()
    process = running("phone", "proxy", "192.168.7.2:8080")
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    done = lintas("phone", "apps", "--json", cwd=tmp_path)
    assert "left behind" in done.stderr
    assert len(json.loads(done.stdout)) == 2
    assert fake.settings() == was


def test_a_phone_that_is_gone_at_the_end_is_told_and_made_good(
    fake: FakePhone, server: Server, running: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = running("phone", "proxy", "192.168.7.2:8080")
    assert process.stdout is not None
    process.stdout.readline()
    fake.vanish()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "lintas phone clean" in err
    gone = lintas("phone", "clean", cwd=tmp_path)
    assert gone.returncode == 2
    assert "1 phone has something to be put back" in gone.stderr
    assert "WireGuard app" in gone.stdout
    fake.back(server.client)
    assert lintas("phone", "clean", cwd=tmp_path).returncode == 0
    assert fake.settings() == {}


def test_a_video_until_ctrl_c(fake: FakePhone, running: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = running("phone", "screen", ".")
    assert process.stdout is not None
    assert "Ctrl-C ends it" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert (tmp_path / out.splitlines()[-1]).read_bytes().startswith(b"ftyp")
    assert out.splitlines()[-2].startswith("SHA-256 ")


def test_a_certificate_is_handed_over_and_cleaned(fake: FakePhone, tmp_path: Path) -> None:
    write(tmp_path / "ca.pem")
    assert "not installed yet" in lintas("phone", "certificate", "ca.pem", cwd=tmp_path).stdout
    assert list(fake.file("/sdcard/Download").iterdir())
    done = lintas("phone", "clean", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert any("handed to the phone" in text for text in told["done"])
    assert [b["about"] for b in told["by_hand"]] == ["Certificate", "Tunnel", "Wi-Fi proxy", "Debugging"]
    assert list(fake.file("/sdcard/Download").iterdir()) == []


@pytest.mark.parametrize(
    "words", [["proxy", "nowhere"], ["proxy", ":80"], ["screen", "none"], ["screen", ".", "--seconds", "0"]]
)
def test_wrong_words_are_one_sentence(fake: FakePhone, tmp_path: Path, words: list[str]) -> None:
    done = lintas("phone", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert fake.settings() == {}
