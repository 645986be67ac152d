"""A live capture with more connections than its processes may have open: the phone stays online, the folder is sealed,
and it is told."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.lintas.capturing import HERE, Capturing, Server, capturing, serving, until
from tests.lintas.command import lintas

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def idle(port: int, count: int) -> Iterator[None]:
    """That many connections on which nothing is said."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.socket())
            one.settimeout(5)
            one.connect((HERE, port))
        yield


def _ended(capture: Capturing) -> None:
    capture.process.send_signal(signal.SIGINT)
    assert capture.ended() == 0, capture.errors.decode()
    assert len(capture.said) + len(capture.errors) < 8_000
    assert (capture.folder / ".private" / "proxy.log").stat().st_size < 4_000
    assert "Traceback" not in capture.text + capture.errors.decode()
    assert capture.manifest()["sealed"]


def _asked(capture: Capturing, server: Server, path: str) -> None:
    assert capture.curl(f"{server.url}{path}").stdout == '{"ok":true}', path


def test_idle_connections_to_the_certificates_page_hold_nothing_up(tmp_path: Path) -> None:
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", server=server, files=128) as capture:
        found = re.search(rf"http://{re.escape(HERE)}:(\d+)/ ", capture.text.replace("\n", " "))
        assert found is not None
        port = int(found[1])
        with idle(port, 300):
            _asked(capture, server, "/during")
            page = capture.curl(f"http://{HERE}:{port}/lintas.pem", "--noproxy", "*").stdout
            assert page.startswith("-----BEGIN CERTIFICATE-----")
            capture.until("More connections to the certificate's page are open")
        _asked(capture, server, "/after")
        _ended(capture)
        assert capture.text.count("More connections") == 1
        assert [f.request.path for f in capture.flows()] == ["/during", "/after"]


@pytest.mark.parametrize(("files", "count"), [(128, 300), (1024, 1100)])
def test_idle_connections_to_the_proxy_give_way(tmp_path: Path, files: int, count: int) -> None:
    with serving(tmp_path) as server, capturing(tmp_path, "--yes", server=server, files=files) as capture:
        _asked(capture, server, "/before")
        with idle(capture.port, count):
            _asked(capture, server, "/during")
            capture.until("More connections are open")
            until(lambda: any(e["type"] in ("lost", "crowded") for e in capture.events()))
        _asked(capture, server, "/after")
        _ended(capture)
        assert capture.text.count("More connections") == 1
        assert [f.request.path for f in capture.flows() if f.request.method == "GET"] == [
            "/before",
            "/during",
            "/after",
        ]
        crowds = [e for e in capture.events() if e["type"] in ("lost", "crowded")]
        assert {e["limit"] for e in crowds} == {files}
        # All that were too many are counted, in one way or the other.
        away = sum(e.get("connections", 0) for e in crowds)
        assert away + sum(e["closed"] for e in crowds) >= count - files
        assert ("turned away" in capture.text.rpartition("Sealed: ")[2]) == bool(away)
        lintas("audit", capture.folder, "--out", tmp_path / "audit", cwd=tmp_path)
        told = pq.read_table(tmp_path / "audit" / "losses.parquet").to_pylist()
        assert sum(row["count"] for row in told if row["kind"] == "not_taken") == away
