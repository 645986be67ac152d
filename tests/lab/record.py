"""A recording in the lab: real clients through a real mitmproxy to servers on loopback, with the packets beside it.

Bounded: every client has a limit of seconds and every program that is started here is ended here. tcpdump is used
where it is installed and may listen."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PERSONA = ROOT / "captures" / "personas" / "jakarta-buyer.yaml"

_REDIRECT = """
import json
PORTS = json.load(open({ports!r}))

class ToTheLab:
    def server_connect(self, data):
        port = PORTS["tls"] if data.server.address[1] == 443 else PORTS["plain"]
        data.server.address = ("127.0.0.1", port)

addons = [ToTheLab()]
"""
"""Names of the lab stand for loopback; the request keeps its own name."""


def person() -> dict[str, str]:
    """The persona's values in the words that the lab's clients send."""
    values = yaml.load(PERSONA.read_text(encoding="utf-8"), yaml.BaseLoader)
    lat, lon = (p.strip() for p in values["gps"][0].split(","))
    return {
        "name": values["full_name"],
        "email": values["email"],
        "phone": "".join(c for c in values["phone_number"] if c.isdigit() or c == "+"),
        "aid": values["advertising_id"],
        "imei": values["imei"],
        "lat": lat,
        "lon": lon,
        "message": values["message_text"],
    }


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def started(command: list[str], **more: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs as long as the block does."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def until(condition: object, seconds: float = 15.0) -> None:
    """Wait until a condition holds. Raises TimeoutError when it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise TimeoutError("the lab did not come up")


def listens(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(0.2)
        return one.connect_ex(("127.0.0.1", port)) == 0


def record(out: Path, person: dict[str, str]) -> dict[str, bool]:
    """Write ``flows.mitm`` and, where it can be, ``packets.pcap`` into ``out``. ``person``: values to be sent.

    Returns what was there to record with."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with started([sys.executable, "-m", "tests.lab.server", str(folder)], cwd=ROOT):
            until((folder / "ports.json").exists)
            ports = json.loads((folder / "ports.json").read_text())
            (folder / "redirect.py").write_text(_REDIRECT.format(ports=str(folder / "ports.json")))
            proxy = free_port()
            tools = {"tcpdump": shutil.which("tcpdump") is not None}
            watched = " or ".join(f"tcp port {p}" for p in (proxy, *ports.values()))
            tcpdump = [
                "tcpdump",
                "-i",
                "lo",
                "--immediate-mode",
                "-s",
                "0",
                "-U",
                "-w",
                str(folder / "packets.pcap"),
                watched,
            ]
            with started(tcpdump if tools["tcpdump"] else ["sleep", "60"]):
                if tools["tcpdump"]:
                    until(lambda: (folder / "packets.pcap").exists(), 5)
                    time.sleep(0.3)
                _session(folder, proxy, person)
                time.sleep(0.5)
            for name in ("flows.mitm", "packets.pcap"):
                if (folder / name).exists():
                    shutil.copy(folder / name, out / name)
            return tools


def _session(folder: Path, proxy: int, person: dict[str, str]) -> None:
    """The proxy, and the clients one after another."""
    dump = [
        str(Path(sys.executable).parent / "mitmdump"), "--listen-host", "127.0.0.1", "-p", str(proxy),
        "-w", str(folder / "flows.mitm"), "-s", str(folder / "redirect.py"),
        "--set", f"confdir={folder / 'conf'}", "--set", f"ssl_verify_upstream_trusted_ca={folder / 'ca.pem'}",
    ]  # fmt: skip
    with started(dump):
        until((folder / "conf" / "mitmproxy-ca-cert.pem").exists)
        time.sleep(0.5)  # each look would be a connection in the packets, so the first comes late
        until(lambda: listens(proxy))
        trusted = ["--cacert", str(folder / "conf" / "mitmproxy-ca-cert.pem")]
        via = ["-x", f"http://127.0.0.1:{proxy}"]

        def curl(*words: str, trust: bool = True) -> None:
            command = ["curl", "-sS", "--max-time", "10", "-o", str(folder / "answer"), *via]
            subprocess.run(
                command + (trusted if trust else []) + list(words), check=False, capture_output=True, timeout=20
            )

        shop, metrics = "https://shop.lab.example", "https://metrics.lab.example"
        curl(f"{shop}/feed?page=1&lat={person['lat']}&lon={person['lon']}", "--compressed")
        curl(f"{shop}/profile", "--http1.1", "--json", json.dumps({"email": person["email"], "no_hp": person["phone"]}))
        event = json.dumps({"gaid": person["aid"], "events": [{"name": "open"}]}).encode()
        import gzip

        (folder / "event.gz").write_bytes(gzip.compress(event, mtime=0))
        packed = ["-H", "Content-Type: application/json", "-H", "Content-Encoding: gzip"]
        curl(f"{metrics}/batch", *packed, "--data-binary", f"@{folder / 'event.gz'}", "--compressed")
        (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(400) + b"\xff\xd9")
        curl("https://upload.lab.example/photo", "-F", f"user={person['name']}", "-F", f"photo=@{folder / 'photo.jpg'}")
        curl("http://plain.lab.example/ping?imei=" + person["imei"])
        curl(f"{shop}/events")
        curl(f"{shop}/image.png")
        curl(f"{shop}/never", trust=False)
        curl("https://pinned.lab.example/x", "--pinnedpubkey", "sha256//" + "A" * 43 + "=")
        _websocket(folder, proxy, person)


def _websocket(folder: Path, proxy: int, person: dict[str, str]) -> None:
    """A chat over a WebSocket, by curl_cffi (libcurl with BoringSSL)."""
    program = (
        "import sys, json\n"
        "from curl_cffi import Session\n"
        "with Session(verify=sys.argv[2], proxies={'all': sys.argv[1]}, timeout=10) as s:\n"
        "    ws = s.ws_connect('wss://shop.lab.example/chat', verify=sys.argv[2], proxies={'all': sys.argv[1]})\n"
        "    for text in json.loads(sys.argv[3]):\n"
        "        ws.send_str(text)\n"
        "        ws.recv()\n"
        "    ws.close()\n"
    )
    texts = json.dumps([json.dumps({"text": "halo kak"}), json.dumps({"text": person["message"]})])
    certificate = str(folder / "conf" / "mitmproxy-ca-cert.pem")
    command = [sys.executable, "-c", program, f"http://127.0.0.1:{proxy}", certificate, texts]
    subprocess.run(command, check=False, capture_output=True, timeout=30)
