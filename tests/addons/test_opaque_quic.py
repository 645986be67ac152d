"""QUIC that is not to be opened is refused at once, by the real proxy in the lab's namespaces: clients come back over
TCP, the refusal is counted, and it is none of the host's."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.audit import AuditOptions, run
from tests.lab import start
from tests.lab.backend import filler
from tests.lab.modes import MODES, Attached, Lab, proxy
from tests.lab.session import browser

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HOST = "h3.lab.example"
TUN = next(mode for mode in MODES if mode.name == "tun")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    start.require()
    with start.lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def curl(phone: Attached, ca: Path, host: str = HOST) -> int:
    words = ("curl", "-q", "-sS", "--max-time", "10", "-o", "/dev/null", "--cacert", ca, f"https://{host}/bytes/70000")
    return phone.run(*words).code


def android(phone: Attached, ca: Path, version: str) -> dict[str, Any]:
    """A request as Chrome on Android makes it: ``v3only``, or ``v3``, which falls back."""
    step = {"client": "android", "url": f"https://{HOST}/echo", "version": version, "send": "x" * 5000}
    task = {"ca": str(ca), "proxy": None, "steps": [step]}
    done = phone.run(sys.executable, "-m", "tests.lab.handset", text=json.dumps(task), timeout=60)
    assert done.code == 0, done.err[-600:]
    (told,) = json.loads(done.out)
    return dict(told)


def events(capture: Path, *types: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (capture / "events.jsonl").read_text().splitlines()]
    return [line for line in lines if line["type"] in types]


def told(capture: Path, number: int) -> None:
    """Wait until so many refusals are written: that a client closed QUIC is seen a while later."""
    for _ in range(400):
        if len(events(capture, "refusal")) >= number:
            return
        time.sleep(0.025)
    raise AssertionError((capture / "events.jsonl").read_text()[-2000:])


def test_a_host_that_is_passed_through_gets_no_quic_and_its_clients_go_on(lab: Lab, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    before = len(lab.services.served())
    with proxy(lab, TUN, capture, lintas_refusals="1"), TUN.attach(lab) as phone:
        own = lab.services.ca
        assert curl(phone, own) == 60
        assert curl(phone, own) == 0
        alone = android(phone, own, "v3only")
        assert not alone["ok"]
        falls_back = android(phone, own, "v3")
        assert falls_back["ok"], falls_back
        with browser(lab, phone) as page:
            spoken = []
            for _ in range(3):
                page.goto(f"https://{HOST}/page", timeout=15_000)
                spoken.append(page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol"))
    served = [line for line in lab.services.served()[before:] if line["host"] == HOST]
    assert served
    assert set(spoken) == {"h2"}
    said = events(capture, "refusal", "connection")
    assert {(s["cause"], s["transport"]) for s in said} == {
        ("unknown_ca", "tcp"),
        ("passed_through", "tcp"),
        ("quic", "udp"),
    }
    quic = [s for s in said if s["cause"] == "quic"]
    assert {s["sni"] for s in quic} == {HOST}
    assert all(s["bytes_out"] >= 1200 for s in quic)
    for file in capture.iterdir():
        if file.is_file():
            assert filler("/bytes/70000", 2000)[:64] not in file.read_bytes()
    made, _ = run(capture, AuditOptions(workers=1))
    kinds = {(o["host"], o["kind"], o["cause"]) for o in made["opaque"].to_pylist() if o["host"] == HOST}
    assert kinds == {
        (HOST, "ca_refused", "unknown_ca"),
        (HOST, "ca_refused", "passed_through"),
        (HOST, "encrypted", "quic"),
    }


def test_other_hosts_keep_their_quic_while_one_is_passed_through(lab: Lab, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    with proxy(lab, TUN, capture, lintas_refusals="1"), TUN.attach(lab) as phone:
        assert curl(phone, lab.services.ca, "h2.lab.example") == 60
        assert curl(phone, lab.services.ca, "h2.lab.example") == 0
        told = android(phone, lab.trusted, "v3only")
        assert told["ok"], told
    made, _ = run(capture, AuditOptions(workers=1))
    assert {e["protocol"] for e in made["exchanges"].to_pylist() if e["host"] == HOST} == {"http/3"}
    assert {o["host"] for o in made["opaque"].to_pylist()} == {"h2.lab.example"}


def test_where_quic_is_not_opened_it_is_refused_and_the_host_is_opened_over_tcp(lab: Lab, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    with proxy(lab, TUN, capture, http3="false"), TUN.attach(lab) as phone:
        assert not android(phone, lab.trusted, "v3only")["ok"]
        assert android(phone, lab.trusted, "v3")["ok"]
    made, _ = run(capture, AuditOptions(workers=1))
    opaque = [o for o in made["opaque"].to_pylist() if o["host"] == HOST]
    assert {(o["kind"], o["cause"]) for o in opaque} == {("fell_back", "quic")}
    assert {e["protocol"] for e in made["exchanges"].to_pylist() if e["host"] == HOST} == {"http/2"}


def test_quic_whose_certificate_a_client_does_not_take_is_no_refusal_of_the_host(lab: Lab, tmp_path: Path) -> None:
    """It fails, is refused after the stated number, and TCP is opened all the while."""
    capture = tmp_path / "capture"
    with proxy(lab, TUN, capture, lintas_refusals="2"), TUN.attach(lab) as phone:
        for number in (1, 2):
            assert not android(phone, lab.services.ca, "v3only")["ok"]
            told(capture, number)
        assert not android(phone, lab.services.ca, "v3only")["ok"]
        assert curl(phone, lab.trusted) == 0
    said = events(capture, "refusal", "connection")
    assert {(s["kind"], s["cause"], s["transport"]) for s in said} == {("unread", "quic", "udp")}
    assert [(e["state"], e["transport"]) for e in events(capture, "passthrough")] == [("begun", "udp")]
    made, _ = run(capture, AuditOptions(workers=1))
    # What curl fetched over TCP are octets drawn at random: nobody understands them.
    assert {o["kind"] for o in made["opaque"].to_pylist() if o["host"] == HOST} == {"fell_back", "sealed"}
