"""Two apps of one phone through the real proxy: the phone's own socket table says which of them spoke where, in modes
in which its sockets go to the servers, and in those in which they go to the proxy."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from analysis.audit import AuditOptions, run
from lintas.phone import sockets
from tests.lab import start
from tests.lab.modes import MODES, Attached, Lab, proxy
from tests.sources.made import event_lines

pytestmark = [pytest.mark.slow, pytest.mark.browser]

BY_NAME = {mode.name: mode for mode in MODES}
APPS = {10_123: "com.example.shop", 10_200: "com.example.bank"}
ASKED = {10_123: "https://h1.lab.example/bytes/3000", 10_200: "https://h2.lab.example/bytes/3000"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    start.require()
    with start.lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def ask(phone: Attached, uid: int) -> str:
    """A program of this user: five requests on one connection, one a second, so that the table meets it."""
    told = ["-x", phone.proxy] if phone.proxy else []
    as_user = ["setpriv", f"--reuid={uid}", "--clear-groups"]
    asked = [word for _ in range(5) for word in (ASKED[uid], "-o", "/dev/null")]
    done = phone.space.run(*as_user, "curl", "-q", "-sSk", "--fail", "--rate", "60/m", *told, *asked, check=False)
    return done.err


def watch(phone: Attached, over: threading.Event) -> list[dict[str, Any]]:
    """What lintas.phone would tell of the phone's sockets: each when it is first there."""
    known: set[sockets.Socket] = set()
    told = []
    while not over.is_set():
        for table in sockets.TABLES:
            for line in phone.space.run("cat", f"/proc/net/{table}").out.splitlines():
                one = sockets.parse(line, table)
                if one is not None and one not in known:
                    known.add(one)
                    apps = [APPS[one.uid]] if one.uid in APPS else []
                    ends = {"src": list(one.src), "dst": list(one.dst) if one.dst is not None else None}
                    at = time.time_ns() // 1000
                    told.append({"type": "socket", "at": at, "uid": one.uid, "apps": apps, **ends})
                    told[-1]["transport"] = one.transport
        over.wait(0.2)
    return told


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("wireguard", "socket"),
        ("transparent", "socket"),
        ("regular", "socket_phone_end"),
        ("socks5", "socket_phone_end"),
    ],
)
def test_the_phones_sockets_tell_two_apps_apart(lab: Lab, tmp_path: Path, name: str, by: str) -> None:
    mode, capture, over = BY_NAME[name], tmp_path / "capture", threading.Event()
    with proxy(lab, mode, capture), mode.attach(lab) as phone, ThreadPoolExecutor(3) as threads:
        watched = threads.submit(watch, phone, over)
        try:
            assert [f.result() for f in [threads.submit(ask, phone, uid) for uid in APPS]] == ["", ""]
        finally:
            over.set()
        events = watched.result()
    together = tmp_path / "together"
    together.mkdir()
    for file in capture.glob("*.*"):
        if file.name != "capture.yaml":
            shutil.copy(file, together)
    (together / "phone.jsonl").write_bytes(event_lines(*events))
    made, _ = run(together, AuditOptions(app=APPS[10_123]))
    rows = [f for f in made["flows"].to_pylist() if f["same_as"] is None]
    told = {(f["host"], f["app"], f["app_from"], f["app_by"], f["whose"]) for f in rows if f["host_from"] != "address"}
    assert told >= {
        ("h1.lab.example", "com.example.shop", "stated", by, "app"),
        ("h2.lab.example", "com.example.bank", "stated", by, "other"),
    }
    named = {(r["app"], r["whose"]) for r in made["apps"].to_pylist() if r["app"] is not None}
    assert named == {("com.example.shop", "app"), ("com.example.bank", "other")}
