"""The proxy is killed (SIGKILL) at a random moment under load, with an open WebSocket, a running stream of events, a
raw connection and a large download: what the clients had is in the folder, which audits as it is.

Each kill is a proxy, a folder and a moment of its own. ``LINTAS_KILLS`` says how many (6 where it does not), and
``LINTAS_KILLS_SEED`` which."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analysis.audit import AuditOptions, run
from analysis.sources.mitm_dump import Record, records
from analysis.sources.octets import Octets
from tests.addons.refusing import Proxy, certificates, proxied, tunnel
from tests.addons.served import HOST, Account, octets, serving
from tests.addons.talking import Chatter, client, journal
from tests.road import check_conservation

KILLS = int(os.environ.get("LINTAS_KILLS", "6"))
SEED = os.environ.get("LINTAS_KILLS_SEED", "5")
AGE = 0.1
"""Seconds after which nothing may be lost any more."""


@dataclass
class Had:
    """What the clients had whole, and when: times are of the monotonic clock."""

    flows: dict[str, tuple[float, str, str]] = field(default_factory=dict)
    """By target: SHA-256 of what was sent and of what came back."""
    messages: dict[str, list[tuple[float, str, bytes]]] = field(default_factory=dict)
    """By kind: direction and content."""
    streamed: list[tuple[float, int]] = field(default_factory=list)
    """How much of the large download had come."""
    stop: threading.Event = field(default_factory=threading.Event)

    def message(self, kind: str, direction: str, content: bytes) -> None:
        self.messages.setdefault(kind, []).append((time.monotonic(), direction, content))


def _ask(number: int, proxy: Proxy, servers: Account, had: Had) -> None:
    """Small requests, some over one connection and some over new ones."""
    connection: http.client.HTTPConnection | None = None
    count = 0
    while not had.stop.is_set():
        connection = connection or client(proxy)
        body = octets(200 + count % 3000, f"{number} {count}")
        target = f"/echo?of={number}&n={count}"
        connection.request("POST", servers.url(target), body)
        got = connection.getresponse().read()
        had.flows[target] = (time.monotonic(), hashlib.sha256(body).hexdigest(), hashlib.sha256(got).hexdigest())
        count += 1
        if count % 7 == 0:
            connection.close()
            connection = None


def _chat(proxy: Proxy, servers: Account, had: Had) -> None:
    chatter = Chatter(proxy, servers.port)
    count = 0
    while not had.stop.is_set():
        text = f"message {count} " + "é" * (count % 500)
        chatter.say(text)
        heard = chatter.hear()
        had.message("websocket", "sent", text.encode())
        had.message("websocket", "received", heard)
        count += 1
        time.sleep(0.002)


def _answer(proxy: Proxy, url: str) -> http.client.HTTPResponse:
    """The head of the answer to a request of its own; the body is still to come."""
    connection = client(proxy)
    connection.request("GET", url)
    return connection.getresponse()


def _listen(proxy: Proxy, servers: Account, had: Had) -> None:
    answer = _answer(proxy, servers.url("/events?count=4000&pace=3"))
    held = b""
    while not had.stop.is_set():
        held += answer.read1()
        *whole, held = held.split(b"\n\n")
        for event in whole:
            had.message("sse", "received", event + b"\n\n")


def _raw(proxy: Proxy, servers: Account, had: Had) -> None:
    with tunnel(proxy, f"{HOST}:{servers.tcp}") as line:
        line.settimeout(20)
        count = 0
        while not had.stop.is_set():
            sent = b"\x07raw %d" % count
            line.sendall(sent)
            got = b""
            while len(got) < len(sent):
                piece = line.recv(4096)
                if not piece:
                    return
                got += piece
            had.message("tcp", "sent", sent)
            had.message("tcp", "received", got)
            count += 1
            time.sleep(0.003)


def _download(proxy: Proxy, servers: Account, had: Had) -> None:
    answer = _answer(proxy, servers.url("/big?size=40000000&pace=8"))
    total = 0
    while not had.stop.is_set() and (piece := answer.read1(65_536)):
        total += len(piece)
        had.streamed.append((time.monotonic(), total))


def _quietly(work: Callable[..., None], *what: Any) -> threading.Thread:
    """The work in a thread, which ends without a word when the proxy has gone."""

    def until_gone() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            work(*what)

    thread = threading.Thread(target=until_gone, daemon=True)
    thread.start()
    return thread


def _killed(place: Path, servers: Account, after: float) -> tuple[Path, Had, float]:
    """A recording that ends after so many seconds of load; the moment of the kill."""
    had = Had()
    with proxied(place, "lintas_body_limit=1m", addons=("record", "opaque", "phases")) as proxy:
        workers = [_quietly(_ask, n, proxy, servers, had) for n in range(3)]
        workers += [_quietly(work, proxy, servers, had) for work in (_chat, _listen, _raw, _download)]
        proxy.wait(lambda: len(had.flows) > 5 and len(had.messages) == 3 and had.streamed)
        time.sleep(after)
        moment = time.monotonic()
        proxy.process.kill()
        proxy.process.wait()
        had.stop.set()
        for worker in workers:
            worker.join(30)
            assert not worker.is_alive()
    return proxy.folder, had, moment


def _dump(folder: Path) -> dict[str, tuple[str, str]]:
    """By target: SHA-256 of the bodies of the dump's flows."""
    place = folder / "flows.mitm"
    found = {}
    with Octets(place) as file:
        for record in records(file):
            if isinstance(record, Record) and record.state is not None and record.kind == "http":
                request, response = record.state["request"], record.state["response"]
                if response:
                    hashes = [hashlib.sha256(half["content"] or b"").hexdigest() for half in (request, response)]
                    target = request["path"].decode()
                    assert target not in found
                    found[target] = (hashes[0], hashes[1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_what_the_clients_had_survives_a_kill(tmp_path: Path, number: int) -> None:
    after = random.Random(f"{SEED} {number}").uniform(0.0, 2.0)
    certificates(tmp_path)
    with serving(tmp_path) as servers:
        folder, had, moment = _killed(tmp_path, servers, after)
    old = moment - AGE

    flows = _dump(folder)
    for target, (at, sent, got) in had.flows.items():
        assert at > old or flows[target] == (sent, got), f"{target} is lost: {moment - at:.3f} s old"
    lines = journal(folder, "message")
    for kind, had_of_it in had.messages.items():
        held = Counter((m["direction"], base64.b64decode(m["data"])) for m in lines if m["kind"] == kind)
        for at, direction, content in had_of_it:
            assert at > old or held[direction, content], f"a {kind} message is lost: {moment - at:.3f} s old"
    told = max((m["bytes"] for m in journal(folder, "progress")), default=0)
    assert told >= max((size for at, size in had.streamed if at <= old), default=0)

    made, _ = run(folder, AuditOptions())
    check_conservation(made)
    kinds = {loss["kind"] for loss in made["losses"].to_pylist()}
    assert "not_sealed" in kinds
    assert not kinds & set("dump_damaged flow_repeated chain_broken line_unread body_damaged not_recorded".split())
    exchanges = made["exchanges"].to_pylist()
    assert sum(e["path"] == "/echo" and e["status"] == 200 for e in exchanges) == sum("/echo" in t for t in flows)
    messages = Counter(m["kind"] for m in made["messages"].to_pylist())
    for kind in had.messages:
        assert messages[kind] == sum(m["kind"] == kind for m in lines)
    late = [target for target, (at, *_) in had.flows.items() if at > old]
    lost = sum(target not in flows for target in late)
    count = sum(map(len, had.messages.values()))
    said = f"kill {number}: {len(had.flows)} flows and {count} messages were had whole"
    print(f"{said}; of the {len(late)} flows of the last {AGE} s, {lost} are lost")
