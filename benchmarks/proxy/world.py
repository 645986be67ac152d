"""What the benchmarks of the proxy stand on: nginx behind it, h2load before it, and the proxies side by side.

Debian: ``apt-get install nginx nghttp2-client``. Everything is on addresses of its own in 127.0.0.0/8; what is
started here is ended here."""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
SERVER, PROXY = "127.43.1.1", "127.43.1.2"
HOST = "bench.example"
ADDONS = ("record", "opaque", "phases", "annotate")
_TICKS = os.sysconf("SC_CLK_TCK")
_ENVIRONMENT = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
_ENVIRONMENT |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class Scenario:
    """A load: ``flows`` requests over ``connections``, ``streams`` at a time on each."""

    name: str
    path: str
    flows: int
    connections: int
    streams: int
    http1: bool
    sent: str | None = None


def scenarios(scale: float) -> list[Scenario]:
    body = json.dumps({"event": "view", "gaid": "38400000-8cf0-11bd-b23e-10b96e40000d", "n": list(range(40))})

    def of(name: str, path: str, flows: int, connections: int, streams: int, sent: str | None = None) -> list[Scenario]:
        """As many requests at a time with HTTP/1.1, which has one on each connection."""
        at_once = connections * streams
        flows = max(int(flows * scale), at_once)
        return [
            Scenario(f"{name}, HTTP/1.1", path, flows, at_once, 1, True, sent),
            Scenario(f"{name}, HTTP/2", path, flows, connections, streams, False, sent),
        ]

    return [
        *of("small JSON", "/json", 4000, 2, 4, body),
        *of("1 MB bodies", "/large", 400, 2, 2),
        *of("100 connections", "/json", 4000, 100, 1, body),
    ]


@dataclass(frozen=True)
class Measured:
    """One run of a load against one proxy: CPU seconds of the proxy for each flow, flows a second, and the time that
    99 of 100 answers took less than."""

    cpu: float
    rate: float
    p99: float


class Proxy:
    """A proxy in reverse mode before the server."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.name, self.process, self.port, self.log = name, process, port, log

    def cpu(self) -> float:
        """CPU seconds of the proxy's own process so far, its threads included and its children not."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident(self) -> int:
        """Octets of memory that it holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def load(self, scenario: Scenario, place: Path) -> Measured:
        """Raises RuntimeError where an answer is missing."""
        times = place / "times"
        times.unlink(missing_ok=True)
        command = ["h2load", "-n", str(scenario.flows), "-c", str(scenario.connections), "-m", str(scenario.streams)]
        command += ["-t", "1", "--log-file", str(times), "--connect-to", f"{PROXY}:{self.port}"]
        command += ["--h1"] if scenario.http1 else []
        if scenario.sent is not None:
            (place / "body").write_text(scenario.sent)
            command += ["-d", str(place / "body"), "-H", "content-type: application/json"]
        before = self.cpu()
        done = subprocess.run(
            [*command, f"https://{HOST}{scenario.path}"], capture_output=True, text=True, timeout=900, check=True
        )
        cpu = self.cpu() - before
        found = re.search(r"finished in ([\d.]+)(m?s|us), ", done.stdout)
        answered = re.search(r"status codes: (\d+) 2xx", done.stdout)
        if found is None or answered is None or int(answered[1]) != scenario.flows:
            raise RuntimeError(f"{self.name}, {scenario.name}: {done.stdout[-800:]}{self.log.read_text()[-2000:]}")
        seconds = float(found[1]) * {"s": 1.0, "ms": 1e-3, "us": 1e-6}[found[2]]
        took = sorted(int(line.split()[2]) for line in times.read_text().splitlines())
        return Measured(cpu / scenario.flows, scenario.flows / seconds, took[len(took) * 99 // 100] / 1e6)


def _certificates(folder: Path) -> None:
    """A server's certificate under an intermediate one, as most servers send them."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in ("bench root", "bench issuing", HOST)]
    pem = serialization.Encoding.PEM
    made = []
    for n in range(3):
        above = max(n - 1, 0)
        builder = x509.CertificateBuilder().subject_name(names[n]).issuer_name(names[above])
        builder = builder.public_key(keys[n].public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=30))
        if n == 2:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)
        else:
            builder = builder.add_extension(x509.BasicConstraints(True, None), True)
        made.append(builder.sign(keys[above], hashes.SHA256()).public_bytes(pem))
    (folder / "chain.pem").write_bytes(made[2] + made[1])
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(keys[2].private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def _free(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], folder: Path, name: str, quiet: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT if not quiet else signal.SIGQUIT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listening(process: subprocess.Popen[bytes], address: str, port: int, log: Path) -> None:
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"a program did not start: {log.read_text()[-2000:]}")


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """nginx with small JSON and a body of 1 MB over HTTP/1.1 and 2; the port."""
    _certificates(folder)
    port = _free(SERVER)
    (folder / "large").write_bytes(os.urandom(1_000_000))
    answer = json.dumps({"ok": True, "items": [{"id": n, "name": f"item {n}"} for n in range(12)]})
    (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.error; user root;
events {{ worker_connections 2000; }}
http {{
  access_log off; keepalive_requests 10000000; http2_max_requests 10000000; client_body_buffer_size 64k;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; sendfile on;
  server {{
    listen {SERVER}:{port} ssl http2; server_name {HOST};
    ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    location /json {{ default_type application/json; return 200 '{answer}'; }}
    location /large {{ alias {folder}/large; default_type application/octet-stream; }}
  }}
}}
""")
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with _running(command, folder, "nginx", quiet=True) as process:
        _listening(process, SERVER, port, folder / "nginx.log")
        yield port


@contextmanager
def proxies(folder: Path, upstream: int, *names: str) -> Iterator[list[Proxy]]:
    """Proxies of those names, each with a folder of its own under ``folder``; see :func:`command`."""
    with ExitStack() as stack:
        made = []
        for name in names:
            home, port = folder / re.sub(r"\W+", "-", name), _free(PROXY)
            home.mkdir()
            process = stack.enter_context(_running(command(name, home, port, upstream), home, "proxy"))
            _listening(process, PROXY, port, home / "proxy.log")
            made.append(Proxy(name, process, port, home / "proxy.log"))
        # The addons open their folder right behind the port.
        time.sleep(1)
        yield made


def command(name: str, home: Path, port: int, upstream: int) -> list[str]:
    """How the proxy ``name`` is started: ``mitmdump -w`` alone, ``mitmdump`` with addons of this project,
    ``capture``'s own program, or a master with the same few addons of mitmproxy and its own writer."""
    mode = f"reverse:https://{SERVER}:{upstream}@{PROXY}:{port}"
    options = ["--set", "ssl_insecure=true", "--set", "keep_host_header=true"]
    mitmdump = [str(BIN / "mitmdump"), "--mode", mode, "--set", f"confdir={home}", *options]
    if name == BARE:
        return [*mitmdump, "-w", str(home / "flows.mitm")]
    if name in (ALL, NOT_FOLLOWED):
        scripts = ADDONS if name == ALL else ADDONS[:-1]
        words = [word for addon in scripts for word in ("-s", str(ROOT / "addons" / f"{addon}.py"))]
        return [*mitmdump, *words, "--set", f"lintas_folder={home / 'capture'}"]
    if name == CAPTURE:
        program = [sys.executable, "-m", "lintas.capture.proxy", "--folder", str(home / "capture"), "--mode", mode]
        return [*program, "--confdir", str(home), *options]
    if name == BARE_FEW:
        return [sys.executable, "-m", "benchmarks.proxy.few", mode, str(home), str(home / "flows.mitm")]
    raise ValueError(name)


BARE = "mitmdump -w"
ALL = "mitmdump with every addon"
NOT_FOLLOWED = "mitmdump with every addon but annotate"
CAPTURE = "lintas capture"
BARE_FEW = "mitmproxy's core and writer, without its other addons"
