"""A recording in the lab: real clients through a real mitmproxy to servers on loopback, with the packets beside it.

Phone, proxy, resolver and each server have an address of their own in one /24 of 127.0.0.0/8, so two recordings do not
meet. Bounded: every client has a limit of seconds, and every program that is started here is ended here. It needs
Linux, curl, tcpdump, and to be root (ports 53, 80 and 443, and to see packets); ``missing`` says what is not there."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.lab.server import PHONE, PROXY, RESOLVER

ROOT = Path(__file__).resolve().parent.parent.parent
PERSONA = ROOT / "captures" / "personas" / "jakarta-buyer.yaml"
PORT = 8080
_ENVIRONMENT = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()} | {"PYTHONUNBUFFERED": "1"}
_REFUSED = 60
"""curl: the peer's certificate cannot be authenticated."""
_PINNED = 90
"""curl: the public key is not the pinned one."""


@dataclass(frozen=True)
class Recording:
    """What is known of a recording beside its files."""

    folder: Path
    phone: str
    phases: list[tuple[str, datetime]]
    served: list[dict[str, Any]]
    """The servers' own account: method, host, target, octets and SHA-256 of each body and WebSocket message."""
    tools: dict[str, str]


def missing() -> str:
    """What this machine lacks for a recording, in words; empty where it lacks nothing."""
    if not sys.platform.startswith("linux"):
        return "the lab needs Linux, where all of 127.0.0.0/8 is loopback"
    absent = [name for name in ("curl", "tcpdump") if shutil.which(name) is None]
    if absent:
        return f"the lab needs {' and '.join(absent)}"
    return "" if os.geteuid() == 0 else "the lab needs root, for ports below 1024 and for packets"


def person() -> dict[str, str]:
    """The persona's values in the words that the lab's clients send."""
    values = yaml.load(PERSONA.read_text(encoding="utf-8"), yaml.BaseLoader)
    lat, lon = (p.strip() for p in values["gps"][0].split(","))
    return {
        "name": values["full_name"],
        "email": values["email"],
        "phone": "".join(c for c in values["phone_number"] if c.isdigit() or c == "+"),
        "aid": values["advertising_id"],
        "account": values["account_id"],
        "imei": values["imei"],
        "lat": lat,
        "lon": lon,
        "message": values["message_text"],
    }


@contextmanager
def started(command: list[str], log: Path, ready: Callable[[str], bool]) -> Iterator[None]:
    """A program that runs as long as the block does; the block begins when what it wrote to ``log`` is ``ready``.

    Raises RuntimeError with the end of that log where it does not come so far."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            for _ in range(600):
                if ready(log.read_text(errors="replace")):
                    break
                if process.poll() is not None:
                    break
                time.sleep(0.05)
            if process.poll() is not None or not ready(log.read_text(errors="replace")):
                raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-500:]}")
            yield
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


def record(out: Path, net: str, values: dict[str, str]) -> Recording:
    """Write ``flows.mitm``, ``packets.pcap`` (both legs) and ``wire.pcap`` (the same packets without those between
    phone and proxy) into ``out``.

    ``net`` is the first three octets of the addresses, like ``127.40.1``; ``values`` are to be sent, see ``person``.
    Raises RuntimeError where a program does not start or a client does not end as it must."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        packets = folder / "packets.pcap"
        server = [sys.executable, "-m", "tests.lab.server", str(folder), net]
        tcpdump = ["tcpdump", "-i", "lo", "-n", "-s", "0", "-U", "--immediate-mode", "-w", str(packets)]
        options = {
            "lab_resolver": f"{net}.{RESOLVER}",
            "connect_addr": f"{net}.{PROXY}",
            "confdir": folder / "conf",
            "ssl_verify_upstream_trusted_ca": folder / "ca.pem",
        }
        proxy = [str(Path(sys.executable).parent / "mitmdump"), "--listen-host", f"{net}.{PROXY}", "-p", str(PORT)]
        proxy += ["-w", str(folder / "flows.mitm"), "-s", str(Path(__file__).parent / "upstream.py")]
        proxy += [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
        with (
            started(server, folder / "server.log", lambda _: (folder / "ready").exists()),
            started([*tcpdump, f"net {net}.0/24"], folder / "tcpdump.log", lambda said: "listening on" in said),
        ):
            with started(proxy, folder / "proxy.log", lambda said: "listening at" in said):
                phases = _session(folder, net, values)
            _settle(packets)
        wire = ["tcpdump", "-r", str(packets), "-w", str(folder / "wire.pcap"), f"not tcp port {PORT}"]
        subprocess.run(wire, check=True, capture_output=True, timeout=20)
        for name in ("flows.mitm", "packets.pcap", "wire.pcap"):
            shutil.copyfile(folder / name, out / name)
        served = [json.loads(line) for line in (folder / "served.jsonl").read_text().splitlines()]
    return Recording(out, f"{net}.{PHONE}", phases, served, _tools())


def _settle(file: Path) -> None:
    """Until a file has not grown for a fifth of a second, ten seconds at most."""
    before = -1
    for _ in range(50):
        size = file.stat().st_size
        if size == before:
            return
        before = size
        time.sleep(0.2)


def _tools() -> dict[str, str]:
    def first_number(command: str) -> str:
        said = subprocess.run([command, "--version"], check=False, capture_output=True, text=True, timeout=20)
        found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
        return found[0] if found else "unknown"

    versions = {name: importlib.metadata.version(name) for name in ("mitmproxy", "curl-cffi", "h2", "tornado")}
    return {**versions, "curl": first_number("curl"), "tcpdump": first_number("tcpdump")}


def _session(folder: Path, net: str, values: dict[str, str]) -> list[tuple[str, datetime]]:
    """The clients, one after another, and when each phase began."""
    proxy, phone, ca = f"http://{net}.{PROXY}:{PORT}", f"{net}.{PHONE}", str(folder / "conf" / "mitmproxy-ca-cert.pem")

    def curl(*words: str, trust: bool = True, ends: int = 0) -> None:
        command = ["curl", "-q", "-sS", "--max-time", "10", "-o", str(folder / "answer"), "--interface", phone]
        command += ["-x", proxy, *(["--cacert", ca] if trust else []), *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20, env=_ENVIRONMENT)
        if done.returncode != ends:
            raise RuntimeError(f"curl ended with {done.returncode} instead of {ends}: {done.stderr[-300:]}")

    def android(**task: object) -> None:
        text = json.dumps({"proxy": proxy, "phone": phone, "ca": ca, **task})
        command = [sys.executable, "-m", "tests.lab.client"]
        done = subprocess.run(
            command, cwd=ROOT, env=_ENVIRONMENT, input=text, check=False, capture_output=True, text=True, timeout=40
        )
        if done.returncode:
            raise RuntimeError(f"the Android client failed: {done.stderr[-300:]}")

    phases = []

    def phase(name: str) -> None:
        phases.append((name, datetime.now(UTC)))

    phase("first_launch")
    here = f"lat={values['lat']}&lon={values['lon']}"
    opened = {"gaid": values["aid"], "device": {"imei": values["imei"]}, "events": [{"name": "open"}]}
    android(
        requests=[
            {"method": "GET", "url": f"https://shop.lab.example/feed?page=1&{here}"},
            {"method": "GET", "url": "https://shop.lab.example/image.png"},
            {"method": "POST", "url": "https://metrics.lab.example/open", "json": opened},
        ]
    )
    curl("https://refused.lab.example/never", trust=False, ends=_REFUSED)
    curl("https://pinned.lab.example/never", "--pinnedpubkey", "sha256//" + "A" * 43 + "=", ends=_PINNED)

    phase("login")
    profile = json.dumps({"email": values["email"], "no_hp": values["phone"]})
    curl("https://api.lab.example/profile", "--json", profile, "--compressed")

    phase("browse")
    event = json.dumps({"gaid": values["aid"], "events": [{"name": "view"}]}).encode()
    (folder / "event.gz").write_bytes(gzip.compress(event, mtime=0))
    packed = ["-H", "Content-Type: application/json", "-H", "Content-Encoding: gzip"]
    curl("https://metrics.lab.example/batch", *packed, "--data-binary", f"@{folder / 'event.gz'}", "--compressed")
    curl("http://plain.lab.example/ping?imei=" + values["imei"])
    curl("https://api.lab.example/events?account=" + values["account"])

    phase("chat")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(400) + b"\xff\xd9")
    curl("https://upload.lab.example/photo", "-F", f"user={values['name']}", "-F", f"photo=@{folder / 'photo.jpg'}")
    texts = [json.dumps({"text": "halo kak"}), json.dumps({"text": values["message"]})]
    android(websocket="wss://chat.lab.example/chat", texts=texts)
    return phases
