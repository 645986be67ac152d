"""The lab's servers, none of our making where there is one: nginx (HTTP/1.1, HTTP/2, plain HTTP), caddy (HTTP/3),
dnsmasq (DNS), tinyproxy (the next proxy on the way), and what stands behind them (tests/lab/backend.py)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.backend import BACKEND, HOSTS, ONLY_IPV6
from tests.lab.server import certificates
from tests.lab.spaces import RESOLVER, RESOLVER6, Net

UPSTREAM_PORT = 8888
OVER_HTTP1 = ("h1.lab.example",)
OVER_HTTP2 = (
    "h2.lab.example",
    "six.lab.example",
    "alert.lab.example",
    "silent.lab.example",
    "pin.lab.example",
    "stall.lab.example",
)
OVER_HTTP3 = ("h3.lab.example", "six3.lab.example")


def address(host: str, six: bool | None = None) -> str:
    """A host's address, IPv6 where it has nothing else or ``six`` says so."""
    return f"fd77:2::{HOSTS[host]}" if (host in ONLY_IPV6 if six is None else six) else f"10.77.2.{HOSTS[host]}"


@dataclass
class Services:
    """The servers, while they run. Their certificates are signed by ``ca``."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def served(self) -> list[dict[str, Any]]:
        """The servers' own account so far: requests, messages, gRPC messages, questions over TLS."""
        return [json.loads(line) for line in (self.folder / "served.jsonl").read_text().splitlines()]

    def asked(self) -> list[tuple[str, str, str]]:
        """Questions that reached the resolver: type, name, and who asked."""
        found = []
        for line in (self.folder / "dnsmasq.log").read_text(errors="replace").splitlines():
            words = line.split()
            for n, word in enumerate(words):
                if word.startswith("query[") and len(words) > n + 3:
                    found.append((word[6:-1], words[n + 1], words[n + 3]))
        return found


def _nginx(folder: Path) -> str:
    forward = f"""location / {{
        proxy_pass http://127.0.0.1:{BACKEND};
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_set_header Host $host;
        proxy_set_header X-Lab-Protocol $server_protocol;
        proxy_set_header X-Lab-Peer $remote_addr;
    }}"""
    servers = []
    for hosts, options in ((OVER_HTTP1, "443 ssl"), (OVER_HTTP2, "443 ssl http2"), (("plain.lab.example",), "80")):
        port, _, more = options.partition(" ")
        servers += [
            f"server {{ listen {f'[{address(host)}]' if host in ONLY_IPV6 else address(host)}:{port} {more};"
            f" server_name {host}; {forward} }}"
            for host in hosts
        ]
    log = '{"host":"$host","method":"$request_method","target":"$request_uri","protocol":"$server_protocol",'
    log += '"request":$request_length,"response":$body_bytes_sent,"status":$status}'
    return f"""
daemon off;
master_process off;
error_log stderr notice;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    log_format lab escape=json '{log}';
    access_log {folder}/nginx.log lab;
    client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-f; uwsgi_temp_path {folder}/nginx-u; scgi_temp_path {folder}/nginx-s;
    client_max_body_size 64m; client_body_buffer_size 2m;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    {chr(10).join(servers)}
}}"""


def _caddy(folder: Path) -> str:
    hosts = "\n".join(
        f"""https://{host} {{
    bind {address(host)}
    tls {folder}/server.pem {folder}/server.key
    reverse_proxy 127.0.0.1:{BACKEND} {{
        header_up X-Lab-Protocol {{http.request.proto}}
        header_up X-Lab-Peer {{http.request.remote.host}}
    }}
}}"""
        for host in OVER_HTTP3
    )
    return f"{{\n    admin off\n    auto_https off\n    storage file_system {folder}/caddy\n}}\n{hosts}\n"


def _dnsmasq(folder: Path) -> str:
    lines = ["no-daemon", "no-resolv", "no-hosts", "bind-interfaces", "log-queries", "user=root", "local=/#/"]
    lines += [f"listen-address={RESOLVER}", f"listen-address={RESOLVER6}", "listen-address=127.0.0.1", "conf-file="]
    lines += [f"pid-file={folder}/dnsmasq.pid", "local-ttl=1"]
    lines += [f"host-record={host},{address(host)}" for host in HOSTS]
    lines += [f"address=/names.lab.example/10.77.2.{HOSTS['plain.lab.example']}"]
    return "\n".join(lines) + "\n"


def _tinyproxy(folder: Path) -> str:
    here = address("hop.lab.example")
    return (
        f"Port {UPSTREAM_PORT}\nListen {here}\nTimeout 60\nMaxClients 50\n"
        f'PidFile "{folder}/tinyproxy.pid"\nDisableViaHeader Yes\n'
    )


@contextmanager
def services(net: Net) -> Iterator[Services]:
    """All of the servers, in their namespace, until the block ends. Raises RuntimeError where one does not start."""
    folder, space = net.folder, net.servers
    certificates(folder)
    for name, text in (("nginx", _nginx), ("caddy", _caddy), ("dnsmasq", _dnsmasq), ("tinyproxy", _tinyproxy)):
        (folder / f"{name}.conf").write_text(text(folder))
    programs: list[tuple[list[str | Path], str]] = [
        ([sys.executable, "-m", "tests.lab.backend", folder], ""),
        (["dnsmasq", f"--conf-file={folder}/dnsmasq.conf"], "started, version"),
        (["nginx", "-c", folder / "nginx.conf"], "OS: Linux"),
        (["caddy", "run", "--config", folder / "caddy.conf", "--adapter", "caddyfile"], "serving initial"),
        (["tinyproxy", "-d", "-c", folder / "tinyproxy.conf"], ""),
    ]
    with ExitStack() as running:
        for command, word in programs:
            name = "backend" if command[0] == sys.executable else str(command[0])

            def ready(said: str, word: str = word, name: str = name) -> bool:
                return (folder / "ready").exists() if name == "backend" else word in said

            homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
            running.enter_context(space.started(*command, log=folder / f"{name}.log", ready=ready, **homes))
        _wait_for(space, ["10.77.2.12:443", "10.77.2.13:443", "10.77.2.80:8888", "10.77.2.16:80"])
        yield Services(folder)


def _wait_for(space: Any, listening: list[str]) -> None:
    for _ in range(100):
        said = space.run("ss", "-Hltn").out
        if all(f"{one} " in said for one in listening):
            return
        time.sleep(0.1)
    raise RuntimeError(f"no server listens at all of {listening}")
