"""What a real mitmproxy answered itself is no delivery, and what a server answered is one: whatever the proxy's
strategy, and whoever wrote the dump."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.test import tflow, tutils

from analysis.audit import AuditOptions, run
from tests import loopback, warm
from tests.addons.refusing import ENVIRONMENT, ROOT, certificates
from tests.addons.served import HOST, Account, serving
from tests.sources.made import Seen, dump, entry, gather, har

SCRIPT = """
from mitmproxy import http

def request(flow):
    if flow.request.path.startswith("/scripted"):
        flow.response = http.Response.make(200, b"mine", {"Content-Type": "text/plain"})
    if flow.request.path.startswith("/early"):
        flow.response = http.Response.make(204)

def response(flow):
    if flow.request.path.startswith("/replaced"):
        flow.response = http.Response.make(200, b"mine")
    if flow.request.path.startswith("/edited"):
        flow.response.text = "edited"
        flow.response.headers["x-edited"] = "1"
"""
OURS = ("/blocked", "/local", "/replay", "/scripted", "/early")
"""What the proxy answers."""
THEIRS = ("/a", "/replaced", "/edited", "/rewritten", "/b")
"""What the server answers, whatever is done to the answer."""


@contextmanager
def mitmdump(place: Path, *words: str) -> Iterator[int]:
    """mitmdump with the rules of these tests, and its port. It writes ``flows.mitm``."""
    port = loopback.port(HOST)
    (place / "script.py").write_text(SCRIPT)
    (place / "local.txt").write_text("a file in place of the server")
    with (place / "replay.mitm").open("wb") as file:
        for scheme in (b"http", b"https"):
            request = tutils.treq(path=b"/replay", method=b"POST", scheme=scheme)
            FlowWriter(file).add(tflow.tflow(req=request, resp=tutils.tresp()))
    options = {
        "confdir": str(place),
        "listen_host": HOST,
        "listen_port": str(port),
        "ssl_insecure": "true",
        "block_list": "|~u /blocked|403",
        "map_local": f"|/local|{place / 'local.txt'}",
        "modify_body": "|~s ~u /rewritten|.+|other",
        "server_replay": str(place / "replay.mitm"),
        "server_replay_reuse": "true",
        "server_replay_ignore_host": "true",
        "server_replay_ignore_port": "true",
        "server_replay_ignore_content": "true",
    }
    command = [*(w for k, v in options.items() for w in ("--set", f"{k}={v}")), *words]
    command += ["-s", str(place / "script.py"), "-w", str(place / "flows.mitm")]
    with (place / "proxy.log").open("wb") as log:
        process = warm.start("mitmdump", command, place, ENVIRONMENT, log)
    try:
        for _ in range(600):
            with socket.socket() as tried:
                if tried.connect_ex((HOST, port)) == 0:
                    break
            assert process.poll() is None, (place / "proxy.log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(port: int, base: str, paths: tuple[str, ...], version: str) -> None:
    """POST to each path over one connection of curl; each path comes as often as it stands."""
    command = ["curl", "-q", "-sS", "-k", "--max-time", "20", f"--{version}", "-x", f"http://{HOST}:{port}"]
    for number, path in enumerate(paths):
        command += ["--next", "-sS", "-k", f"--{version}", "-x", f"http://{HOST}:{port}"] if number else []
        command += ["-o", "/dev/null", "-d", "mail=putri@example.org", f"{base}{path}"]
    subprocess.run(command, check=True, timeout=60, env=ENVIRONMENT, capture_output=True)


def mixed() -> tuple[str, ...]:
    """Of each kind before and behind one of the other, so that connections are new, opened and used."""
    return (*OURS, *THEIRS, *OURS, *THEIRS)


def directions(seen: Seen) -> dict[str, set[str]]:
    paths = {e.key: e.path for e in seen.exchanges}
    told: dict[str, set[str]] = {}
    for message in seen.messages:
        assert message.exchange is not None
        told.setdefault(paths[message.exchange], set()).add(message.direction)
    return told


EXPECTED = {path: {"undelivered"} for path in OURS} | {path: {"sent", "received"} for path in THEIRS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("served")
    certificates(folder)
    with serving(folder, http2=True) as account:
        yield account


def base(server: Account, scheme: str) -> str:
    port = {"http": server.port, "https": server.secure, "h2": server.http2}[scheme]
    return f"{'http' if scheme == 'http' else 'https'}://{HOST}:{port}"


@pytest.mark.parametrize("strategy", ["lazy", "eager"])
@pytest.mark.parametrize(("scheme", "version"), [("http", "http1.1"), ("https", "http1.1"), ("h2", "http2")])
def test_recorded_by_lintas(tmp_path: Path, server: Account, strategy: str, scheme: str, version: str) -> None:
    folder = tmp_path / "capture"
    words = ("-s", str(ROOT / "addons" / "record.py"), "--set", f"lintas_folder={folder}")
    with mitmdump(tmp_path, *words, "--set", f"connection_strategy={strategy}") as port:
        ask(port, base(server, scheme), mixed(), version)
    seen = gather(folder / "flows.mitm")
    assert len(seen.exchanges) == 2 * len(EXPECTED)
    assert directions(seen) == EXPECTED
    assert seen.lost.get("answered_here") == 2 * len(OURS)


@pytest.mark.parametrize("strategy", ["lazy", "eager"])
@pytest.mark.parametrize(("scheme", "version"), [("http", "http1.1"), ("https", "http1.1"), ("h2", "http2")])
def test_recorded_by_mitmdump(tmp_path: Path, server: Account, strategy: str, scheme: str, version: str) -> None:
    with mitmdump(tmp_path, "--set", f"connection_strategy={strategy}") as port:
        ask(port, base(server, scheme), mixed(), version)
    seen = directions(gather(tmp_path / "flows.mitm"))
    if (scheme, strategy) == ("https", "eager"):
        # On a connection that was open already a script's answer in HTTP/1 is told by its time alone.
        for path in ("/scripted", "/early"):
            seen[path] = EXPECTED[path]
    assert seen == EXPECTED


@pytest.mark.parametrize("strategy", ["lazy", "eager"])
@pytest.mark.parametrize(("scheme", "version"), [("http", "http1.1"), ("https", "http1.1"), ("h2", "http2")])
def test_behind_another_proxy(tmp_path: Path, server: Account, strategy: str, scheme: str, version: str) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    with mitmdump(far) as upstream:
        words = ("--mode", f"upstream:http://{HOST}:{upstream}", "--set", f"connection_strategy={strategy}")
        with mitmdump(near, *words) as port:
            ask(port, base(server, scheme), ("/blocked", "/a", "/local", "/b"), version)
    assert directions(gather(near / "flows.mitm")) == {
        "/blocked": {"undelivered"},
        "/a": {"sent", "received"},
        "/local": {"undelivered"},
        "/b": {"sent", "received"},
    }


def far_away(path: str, wait: float, **parts: Any) -> HTTPFlow:
    """A flow over a connection that was opened before it, to a server 40 ms away; the answer began ``wait`` seconds
    behind the request."""
    made = tflow.tflow(req=tutils.treq(path=path.encode()), resp=http.Response.make(200, b"{}"))
    made.client_conn.peername = ("10.0.0.2", 40000)
    server, began = made.server_conn, 1772359200.0
    server.address, server.peername = ("api.shop.example", 443), ("203.0.113.7", 443)
    server.tls, server.alpn = True, parts.get("alpn")
    server.timestamp_start, server.timestamp_tcp_setup = began, began + 0.04
    server.timestamp_tls_setup = began + 0.09
    made.request.timestamp_start, made.request.timestamp_end = began + 1, began + 1.001
    assert made.response is not None
    made.response.timestamp_start = began + 1.001 + wait
    made.response.timestamp_end = made.response.timestamp_start + parts.get("took", 0.0004)
    made.response.http_version = parts.get("version", "HTTP/1.1")
    for name, value in parts.get("fields", {}).items():
        made.response.headers[name] = value
    made.metadata |= parts.get("metadata", {})
    return made


@pytest.mark.parametrize(
    ("parts", "direction"),
    [
        ({"wait": 0.0007}, "undelivered"),  # sooner than any server 40 ms away
        ({"wait": 0.045}, "sent"),
        ({"wait": 0.015}, "sent"),  # too near to tell
        ({"wait": 0.0007, "fields": {"Date": "Sun, 01 Mar 2026 10:00:00 GMT"}}, "sent"),
        ({"wait": 0.0007, "took": 0.0}, "sent"),  # put in place of the server's
        ({"wait": 0.045, "alpn": b"h2"}, "undelivered"),  # HTTP/1 from a connection that speaks HTTP/2
        ({"wait": 0.045, "alpn": b"h2", "took": 0.0}, "sent"),
        ({"wait": 0.045, "alpn": b"h2", "version": "HTTP/2.0"}, "sent"),
        ({"wait": 0.045, "fields": {"Server": "mitmproxy 10.1.0"}}, "undelivered"),
        ({"wait": 0.045, "fields": {"Server": "nginx behind mitmproxy 10"}}, "sent"),
        ({"wait": 0.045, "metadata": {"blocklisted": True}}, "undelivered"),
        ({"wait": 0.045, "metadata": {"lintas_answered_here": True}}, "undelivered"),
    ],
)
def test_behind_an_open_connection(tmp_path: Path, parts: dict[str, Any], direction: str) -> None:
    place = tmp_path / "flows.mitm"
    place.write_bytes(dump(far_away("/v1", **parts)))
    seen = gather(place)
    assert [m.direction for m in seen.messages if m.kind == "request"] == [direction]
    assert [m.direction for m in seen.messages if m.kind == "response"] == ["received"] * (direction == "sent")
    assert seen.flows[0]["bytes_in"] == (0 if direction == "undelivered" else seen.flows[0]["bytes_in"])


def test_flows_that_mitmproxy_read_from_a_har(tmp_path: Path) -> None:
    """Nothing is known of their connections, so an answer is taken for the server's."""
    (tmp_path / "a.har").write_bytes(har(entry()))
    with (tmp_path / "a.har").open("rb") as file:
        flows = list(FlowReader(file).stream())
    (tmp_path / "flows.mitm").write_bytes(dump(*flows))
    assert {m.direction for m in gather(tmp_path / "flows.mitm").messages} == {"sent", "received"}


def test_nothing_of_it_stands_in_any_table_of_what_went(tmp_path: Path) -> None:
    """Behind an open connection as behind none: the host is only tried, and nothing went there."""
    flows = [
        far_away("/v1?imei=490154203237518", 0.0007, metadata={"blocklisted": True}),
        far_away("/v1?imei=490154203237518", 0.05),
    ]
    flows[1].server_conn.address, flows[1].server_conn.peername = ("live.example", 443), ("203.0.113.8", 443)
    flows[1].client_conn.id = "another"
    for made in flows:
        made.request.host = str(made.server_conn.address[0])
        made.request.headers["host"] = made.request.host
    (tmp_path / "flows.mitm").write_bytes(dump(*flows))
    tables, _ = run(tmp_path / "flows.mitm", AuditOptions())
    destinations = {r["host"]: r for r in tables["destinations"].to_pylist()}
    assert destinations["live.example"]["answered"] is True
    assert destinations["api.shop.example"]["answered"] is False
    assert [(r["bytes_out"], r["bytes_in"]) for r in tables["flows"].to_pylist() if r["dst"] == "203.0.113.7"] == [
        (0, 0)
    ]
    told = {(r["destination"], r["direction"]) for r in tables["transmissions"].to_pylist()}
    assert told == {
        (destinations["api.shop.example"]["destination"], "undelivered"),
        (destinations["live.example"]["destination"], "sent"),
    }
