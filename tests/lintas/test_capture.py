"""``lintas capture`` as a process: a phone's requests (curl's) through it, each way to end it, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import stat
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import loopback
from tests.lintas.capturing import HERE, Capturing, capturing, serving, until
from tests.lintas.command import lintas, lintas_here

pytestmark = pytest.mark.slow


def _is_sealed(capture: Capturing) -> None:
    """The folder is whole: it says that it was sealed, and every file has the hash that it states."""
    manifest = capture.manifest()
    assert manifest["sealed"]
    assert manifest["files"]
    for file in manifest["files"]:
        assert hashlib.sha256((capture.folder / file["name"]).read_bytes()).hexdigest() == file["sha256"]


def test_a_request_is_decrypted_recorded_and_classified(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as server,
        capturing(tmp_path, "--yes", "--app", "com.example.shop", "--store", "user", server=server) as capture,
    ):
        answer = capture.curl(f"{server.url}/v1/login", "-d", '{"email":"sari@example.org"}')
        assert answer.stdout == '{"ok":true}', answer
        assert server.asked == [("POST", "/v1/login", b'{"email":"sari@example.org"}')]
        refused = capture.curl(f"https://127.0.0.1:{server.port}/", trusts=False)
        assert refused.returncode == 60
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0
        _is_sealed(capture)
        flows = capture.flows()
        # Neither the proof nor anything else that Lintas asked for itself.
        assert [f.request.path for f in flows if f.type == "http" and f.request.method == "POST"] == ["/v1/login"]
        assert all(f.request.pretty_host in ("localhost", "127.0.0.1") for f in flows if f.type == "http")
        assert flows[0].request.content == b'{"email":"sari@example.org"}'
        kinds = [e["type"] for e in capture.events()]
        assert kinds[0] == "clock"
        assert "proof" in kinds
        assert "refusal" in kinds
        manifest = capture.manifest()
        assert manifest["app"] == {"id": "com.example.shop", "platform": "android"}
        assert manifest["opened_by"] == "user_certificate"
        assert "by_system" not in manifest["device"]
        assert capture.text.splitlines()[-1] == "lintas audit captures/shop"
        # Nothing of a value is on the screen.
        assert "sari" not in capture.text
        done = lintas("audit", "captures/shop", "--out", "audit", "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_ends_in_a_sealed_folder(tmp_path: Path, number: signal.Signals) -> None:
    with capturing(tmp_path, "--yes") as capture:
        capture.process.send_signal(number)
        assert capture.ended() == 0
        _is_sealed(capture)
        assert capture.text.splitlines()[-1] == "lintas audit captures/shop"
        assert capture.errors == b""


def test_a_closed_terminal_ends_in_a_sealed_folder(tmp_path: Path) -> None:
    with capturing(tmp_path, "--yes", terminal=True) as capture:
        capture.until("Ctrl-C ends and seals")
        assert capture.terminal is not None
        terminal, capture.terminal = capture.terminal, None
        # The thread that reads must not hold the terminal open.
        os.close(terminal)
        assert capture.process.wait(60) == 0
        _is_sealed(capture)


def test_a_front_that_is_killed_leaves_a_sealed_folder(tmp_path: Path) -> None:
    with capturing(tmp_path, "--yes") as capture:
        capture.process.kill()
        capture.process.wait()
        until(lambda: "sealed" in capture.manifest())
        _is_sealed(capture)


def test_a_proxy_that_is_killed_is_told(tmp_path: Path) -> None:
    with capturing(tmp_path, "--yes") as capture:
        os.kill(_proxy_of(capture), signal.SIGKILL)
        assert capture.ended() == 2
        assert "was not sealed: The proxy ended unexpectedly (ended by SIGKILL)" in capture.errors.decode()
        assert "defect" not in capture.errors.decode()
        assert capture.text.splitlines()[-1] == "lintas audit captures/shop"


def test_a_folder_that_takes_long_to_seal_is_waited_for_or_left_to_it(tmp_path: Path) -> None:
    """Two at once, since it is said after a while: one that the auditor waits for, and one that he does not."""
    with ExitStack() as stack:
        captures = []
        for name in ("patient", "impatient"):
            (tmp_path / name).mkdir()
            captures.append(stack.enter_context(capturing(tmp_path / name, "--yes", seal=15.0)))
        proxies = [_proxy_of(capture) for capture in captures]
        try:
            for capture, proxy in zip(captures, proxies, strict=True):
                os.kill(proxy, signal.SIGSTOP)
                capture.process.send_signal(signal.SIGINT)
            for capture, proxy in zip(captures, proxies, strict=True):
                capture.until("Sealing the folder")
                # Impatience before that time ends nothing.
                capture.process.send_signal(signal.SIGINT)
                capture.until(f"Ctrl-C leaves that to process {proxy}.")
            patient, impatient = captures
            impatient.process.send_signal(signal.SIGINT)
            assert impatient.ended() == 2
            assert f"is still being sealed, by process {proxies[1]}" in impatient.errors.decode()
            assert "sealed" not in impatient.manifest()
        finally:
            for proxy in proxies:
                os.kill(proxy, signal.SIGCONT)
        assert patient.ended() == 0
        until(lambda: "sealed" in impatient.manifest())
        for capture in captures:
            _is_sealed(capture)
            assert capture.text.splitlines()[-1] == "lintas audit captures/shop"


def _proxy_of(capture: Capturing) -> int:
    """The process of its proxy."""
    place = capture.folder.parent.parent.resolve()
    found = [
        int(p.name)
        for p in Path("/proc").iterdir()
        if p.name.isdigit() and b"capture.proxy" in _command(p) and (p / "cwd").resolve() == place
    ]
    assert len(found) == 1
    return found[0]


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def test_keys_set_phases_and_marks(tmp_path: Path) -> None:
    with capturing(tmp_path, "--yes", terminal=True) as capture:
        capture.until("Ctrl-C ends and seals")
        capture.press("pf")
        capture.until("phase first launch")
        capture.press("mtwo socks in the basket\r")
        until(lambda: any(e["type"] == "mark" for e in capture.events()))
        capture.press("pz")
        capture.press("pl")
        capture.until("phase login")
        capture.press("\x03")
        capture.until("lintas audit captures/shop")
        assert capture.ended() == 0
        _is_sealed(capture)
        told = [(e["type"], e.get("phase") or e.get("note")) for e in capture.events()]
        assert [t for t in told if t[0] in ("phase", "mark")] == [
            ("phase", "first_launch"),
            ("mark", "two socks in the basket"),
            ("phase", "login"),
        ]


def test_keys_go_on_behind_a_stop(tmp_path: Path) -> None:
    """Shells give a program the terminal back as they had it themselves, which waits for Enter."""
    with capturing(tmp_path, "--yes", terminal=True, shell=True) as capture:
        capture.until("Ctrl-C ends and seals")
        for number, behind in enumerate((["fg\r"], ["bg\r", "fg\r"]), 1):
            capture.press("\x1a")
            capture.until("Stopped", number)
            for line in behind:
                capture.press(line)
                time.sleep(1)
            capture.press("pi" if number == 1 else "pl")
            until(lambda number=number: len([e for e in capture.events() if e["type"] == "phase"]) == number)
        capture.press("\x03")
        capture.until("lintas audit captures/shop")
        capture.press("exit\r")
        assert capture.ended() == 0
        assert [e["phase"] for e in capture.events() if e["type"] == "phase"] == ["idle", "login"]


def test_questions_are_asked_once(tmp_path: Path) -> None:
    with capturing(tmp_path, terminal=True, waits=False) as capture:
        for question, answer in (
            ("App under test", "com.example.shop"),
            ("Phone, model", "Pixel 8, Android 15"),
            ("Where is the certificate", "system"),
            ("set up in", "XX"),
            ("is no country", "id"),
            ("Where this machine", ""),
        ):
            capture.until(question)
            capture.press(f"{answer}\r")
        capture.until("Ctrl-C ends and seals")
        capture.press("q")
        assert capture.ended() == 0
        manifest = capture.manifest()
        assert manifest["app"] == {"id": "com.example.shop", "platform": "android"}
        assert manifest["device"] == {"model": "Pixel 8", "system": "Android 15"}
        # Nothing has taken it yet: what refused it may not have had it.
        assert "opened_by" not in manifest
        assert manifest["user_country"] == "ID"
        assert manifest["vantage"] == {"line": "unknown"}
    kept = tmp_path / "config" / "lintas" / "capture.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["vantage"] == ""
    with capturing(tmp_path, "--out", "again", terminal=True) as capture:
        assert "App under test" not in capture.text


@pytest.mark.parametrize(("store", "proven"), [("system", False), ("emulator", True)])
def test_a_system_certificate_is_stated_once_the_phone_took_it(tmp_path: Path, store: str, proven: bool) -> None:
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", "--store", store, server=server) as capture:
        assert "opened_by" not in capture.manifest()
        # From this machine: an emulator's, or nobody's.
        assert capture.curl(f"{server.url}/").stdout == '{"ok":true}'
        capture.process.send_signal(signal.SIGINT)
        assert capture.ended() == 0
        assert (capture.manifest().get("opened_by") == "system_certificate") == proven
        assert (capture.manifest()["device"].get("by_system") is True) == proven
        since = [e.get("client") for e in capture.events() if e["type"] == "system_certificate"]
        assert since == ["127.0.0.1"] * proven


def test_the_proxy_is_not_led_to_itself(tmp_path: Path) -> None:
    with capturing(tmp_path, "--yes") as capture:
        for host in ("127.0.0.1", "localhost", socket.gethostname()):
            answer = capture.curl(f"http://{host}:{capture.port}/", "-o", "/dev/null", "-w", "%{http_code}")
            assert answer.stdout == "502", host
        capture.process.send_signal(signal.SIGTERM)
        assert capture.ended() == 0
        assert len(capture.flows()) == 3


def test_the_phone_fetches_the_certificate(tmp_path: Path) -> None:
    with capturing(tmp_path, "--yes", "--store", "ios") as capture:
        page = capture.curl("http://mitm.it/")
        assert "Lintas test shop" in page.stdout
        assert "Certificate Trust Settings" in page.stdout
        fetched = capture.curl("http://mitm.it/lintas.crt")
        assert fetched.stdout == capture.certificate.read_text()
        until(lambda: any(e["type"] == "certificate_fetched" for e in capture.events()))
        capture.process.send_signal(signal.SIGTERM)
        assert capture.ended() == 0
        # That was for the set-up, and is none of the phone's traffic.
        assert not (capture.folder / "flows.mitm").exists()


def test_the_certificate_is_had_also_where_another_proxy_comes_next(tmp_path: Path) -> None:
    """Which nobody asks for it: here there is none."""
    port = loopback.port(HERE)
    with capturing(tmp_path, "--yes", "--mode", f"upstream:http://{HERE}:{loopback.port(HERE)}@{port}") as capture:
        for url in ("http://mitm.it/lintas.crt", capture.text.partition("phone, open ")[2].split()[0] + "lintas.crt"):
            assert capture.curl(url, "-x", f"http://{HERE}:{port}").stdout == capture.certificate.read_text()
        capture.process.send_signal(signal.SIGTERM)
        assert capture.ended() == 0
        assert not (capture.folder / "flows.mitm").exists()


def test_what_is_private_is_readable_by_the_auditor_alone(tmp_path: Path) -> None:
    wireguard = f"wireguard@{loopback.port(HERE)}"
    with capturing(tmp_path, "--yes", "--mode", wireguard) as capture:
        capture.process.send_signal(signal.SIGTERM)
        assert capture.ended() == 0
        private = capture.folder / ".private"
        assert stat.S_IMODE(capture.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        held = {p.name: stat.S_IMODE(p.stat().st_mode) for p in private.iterdir()}
        assert {"mitmproxy-ca.pem", "wireguard.conf", "phone-wireguard.conf"} <= set(held)
        assert set(held.values()) == {0o600}
        assert "AllowedIPs = 0.0.0.0/0, ::/0" in (private / "phone-wireguard.conf").read_text()
        first = capture.certificate.read_bytes()
    with capturing(tmp_path, "--yes", "--out", "second") as capture:
        assert (tmp_path / "second" / ".private" / "mitmproxy-ca-cert.pem").read_bytes() != first
    with capturing(tmp_path, "--yes", "--out", "third", "--same-keys", "captures/shop") as capture:
        assert (tmp_path / "third" / ".private" / "mitmproxy-ca-cert.pem").read_bytes() == first


# ------------------------------------------------------------------------------------------------ refused


def _refused(place: Path, *words: str, **environ: str) -> str:
    """The one line of a capture that does not begin, and leaves nothing behind that was not there."""
    before = sorted(str(p) for p in place.rglob("*") if "config" not in p.parts)
    done = lintas_here("capture", *words, "--yes", cwd=place, XDG_CONFIG_HOME=str(place / "config"), **environ)
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("lintas: ")
    assert done.stderr.count("\n") == 1, done.stderr
    after = sorted(str(p) for p in place.rglob("*") if "config" not in p.parts and p.name != "captures")
    assert after == [p for p in before if not p.endswith("/captures")]
    return done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("a/b",), "no name for a folder"),
        (("shop", "--listen", "nothing0"), "no address and no interface"),
        (("shop", "--listen", "198.51.100.7"), "no address of this machine"),
        (("shop", "--listen", "0.0.0.0", "--mode", "regular"), "--open-to"),
        (("shop", "--listen", "::ffff:0.0.0.0", "--mode", "regular"), "--open-to"),
        (("shop", "--listen", "::", "--mode", "socks5"), "--open-to"),
        (("shop", "--listen", "0.0.0.0"), "names no address that the phone could be told"),
        (("shop", "--listen", HERE, "--mode", "teapot"), "'teapot' is unknown"),
        (("shop", "--listen", HERE, "--mode", "regular", "--mode", "upstream:http://a.example"), "both listen"),
        (("shop", "--listen", HERE, "--only-app", "com.example.shop", "--mode", "regular"), "--only-app"),
        (("shop", "--listen", HERE, "--only-app", "x\nDNS = 9.9.9.9"), "no Android package"),
        (("shop", "--listen", HERE, "--user-country", "XX"), "no country"),
        (("shop", "--listen", HERE, "--app", "!!"), "--app '!!' is no package or bundle id"),
        (("shop", "--listen", HERE, "--vantage", "north"), "no place"),
        (("shop", "--listen", HERE, "--store", "shoe"), "'shoe' is unknown"),
        (("shop", "--listen", HERE, "--timezone", "Mars"), "no time zone"),
        (("shop", "--listen", HERE, "--same-keys", "nowhere"), "cannot be read"),
        (("shop", "--listen", HERE, "--set", "no_such_option=1"), "The proxy does not start"),
        (("shop", "--listen", HERE, "--phase", "teatime"), "The proxy does not start"),
        (("shop", "--listen", HERE, "--set", "mode=regular@0.0.0.0:8081"), "write --mode"),
        (("shop", "--listen", HERE, "--set", "lintas_folder=elsewhere"), "write --out"),
        (("shop", "--listen", HERE, "--set", "ignore_hosts=.*"), "does not decrypt"),
        (("a\x1b[31mb",), "no name for a folder"),
    ],
)
def test_it_does_not_begin(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    assert told in _refused(tmp_path, *words)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server((HERE, 0)) as taken:
        port = taken.getsockname()[1]
        told = _refused(tmp_path, "shop", "--listen", HERE, "--mode", f"regular@{port}")
    assert f"Port {port} of {HERE} is taken" in told


def test_a_folder_that_holds_a_recording(tmp_path: Path) -> None:
    held = tmp_path / "captures" / "shop"
    held.mkdir(parents=True)
    (held / "events.jsonl").write_text("")
    assert "holds a recording already" in _refused(tmp_path, "shop", "--listen", HERE)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n"])
def test_a_certificate_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    private = tmp_path / "old" / ".private"
    private.mkdir(parents=True)
    if content is None:
        (private / "mitmproxy-ca.pem").mkdir()
    else:
        (private / "mitmproxy-ca.pem").write_bytes(content)
    told = _refused(tmp_path, "shop", "--listen", HERE, "--same-keys", "old")
    assert "--same-keys" in told


def test_a_persona_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "me.yaml").write_text("- no mapping\n")
    assert "me.yaml" in _refused(tmp_path, "shop", "--listen", HERE, "--persona", "me.yaml")


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_ctrl_c_before_the_recording(tmp_path: Path, key: str) -> None:
    with capturing(tmp_path, terminal=True, waits=False) as capture:
        capture.until("App under test")
        capture.press(key)
        assert capture.ended() == 130
        assert "stopped before the recording began" in capture.text
        assert not capture.folder.exists()


@pytest.mark.parametrize("wait", [0.5, 1.0, 1.5, 2.0])
def test_ended_while_it_starts(tmp_path: Path, wait: float) -> None:
    """Nothing is left, or a sealed folder: never one that says neither."""
    with capturing(tmp_path, "--yes", waits=False) as capture:
        time.sleep(wait)
        capture.process.send_signal(signal.SIGTERM)
        capture.ended()
        assert "defect" not in capture.errors.decode()
        if capture.folder.exists():
            _is_sealed(capture)
        else:
            assert capture.process.returncode in (2, 128 + signal.SIGTERM, -signal.SIGTERM)


def test_behind_nohup_a_closed_terminal_ends_nothing(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with capturing(tmp_path, "--yes") as capture:
            capture.process.send_signal(signal.SIGHUP)
            capture.until("0 requests", again=2)
            assert capture.process.poll() is None
            capture.process.send_signal(signal.SIGTERM)
            assert capture.ended() == 0
            _is_sealed(capture)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_host_header_hides_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", server=server) as capture:
        assert capture.curl(f"{server.url}/secret", "-H", "Host: mitm.it").stdout == '{"ok":true}'
        capture.process.send_signal(signal.SIGTERM)
        assert capture.ended() == 0
        assert [f.request.path for f in capture.flows() if f.type == "http" and f.request.method == "GET"] == [
            "/secret"
        ]
