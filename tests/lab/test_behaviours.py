"""Clients that will not have the proxy's certificate, each in its own way, and what the folder says of each: no more
than was seen. Through the tunnel that the proxy makes, with real clients."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization

from analysis.audit import AuditOptions, run
from analysis.model import Origin
from analysis.sources import Options
from analysis.sources.identify import layer_bytes
from analysis.tables import Tables
from tests.lab import start
from tests.lab.modes import MODES, Attached, Lab, proxy
from tests.lab.session import QUESTION, dns_over_tls, strict_dns_over_tls
from tests.lab.spaces import LAPTOP_OUT
from tests.road import check_conservation

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TUN = next(mode for mode in MODES if mode.name == "tun")
REFUSALS = 2
"""How often a host must refuse before it is passed through, here."""


LENIENT = b"\x56\x78" + QUESTION[2:]
"""Another question: that of a client which takes any certificate."""


@dataclass
class Seen:
    """What clients, servers and the audited folder say."""

    codes: dict[str, list[int]] = field(default_factory=dict)
    """How each client ended, one after another."""
    quic: list[bool] = field(default_factory=list)
    """Whether the strict client of QUIC had its answer: before its host was passed through, and after."""
    served: list[dict[str, Any]] = field(default_factory=list)
    tables: Tables = field(default_factory=dict)
    capture: Path = Path()

    def opaque(self, host: str) -> list[tuple[str, str]]:
        """Kind and cause of what was not opened, in order, without connections that nobody used."""
        rows = self.tables["opaque"].to_pylist()
        return [(o["kind"], o["cause"]) for o in rows if o["host"] == host and o["kind"] != "unused"]

    def asked(self, question: bytes) -> list[dict[str, Any]]:
        """How often the resolver was asked this over TLS."""
        digest = hashlib.sha256(question).hexdigest()
        return [line for line in self.served if line["kind"] == "dot" and line["sha256"] == digest]

    def answers(self, host: str) -> list[dict[str, Any]]:
        return [line for line in self.served if line["host"] == host]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    start.require()
    folder = tmp_path_factory.mktemp("lab")
    with start.lab(folder) as lab:
        made = Seen(capture=folder / "capture")
        options = {"lintas_silence": "1", "lintas_refusals": str(REFUSALS)}
        with proxy(lab, TUN, made.capture, **options), TUN.attach(lab) as phone:
            _clients(lab, phone, made)
        made.served = lab.services.served()
        assert not lab.net.around()
        made.tables, _ = run(made.capture, AuditOptions())
        yield made


def _clients(lab: Lab, phone: Attached, made: Seen) -> None:
    def curl(*words: str | Path) -> int:
        return phone.run("curl", "-q", "-sS", "--max-time", "8", "-o", "/dev/null", *words).code

    # The system's own store knows neither authority.
    made.codes["alert"] = [curl("https://alert.lab.example/never")]
    for how in ("silent", "reset", "stall"):
        host = "silent" if how == "reset" else how
        done = phone.run(sys.executable, "-m", "tests.lab.rude", how, f"{host}.lab.example")
        made.codes[how] = [done.code]
    # A pin of the server's true key: it holds once the host is passed through.
    key = serialization.load_pem_private_key((lab.net.folder / "server.key").read_bytes(), None)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public)
    pin = "sha256//" + base64.b64encode(digest.finalize()).decode()
    trusted = ["--cacert", lab.trusted, "--pinnedpubkey", pin]
    made.codes["pin"] = [curl(*trusted, "https://pin.lab.example/bytes/50000") for _ in range(REFUSALS + 1)]
    made.codes["lenient"] = [dns_over_tls(lab, phone, LENIENT, "lenient.lab.example").code]
    made.codes["dns"] = [strict_dns_over_tls(lab, phone).code for _ in range(REFUSALS + 1)]
    # An app that takes the server's own certificate alone, over QUIC and over TCP.
    quic = {"client": "quic", "url": "https://h3.lab.example/quic", "send": "x"}
    strict = ["--cacert", lab.services.ca]
    made.quic.append(_ask(lab, phone, quic))
    made.codes["both"] = [curl(*strict, "https://h3.lab.example/bytes/3000") for _ in range(REFUSALS + 1)]
    made.quic.append(_ask(lab, phone, quic))
    # Others go on as before, names among them.
    made.codes["others"] = [curl("--cacert", lab.trusted, f"https://h2.lab.example/bytes/{n}") for n in range(1, 9)]


def _ask(lab: Lab, phone: Attached, step: dict[str, str]) -> bool:
    task = {"ca": str(lab.services.ca), "proxy": None, "steps": [step]}
    done = phone.run(sys.executable, "-m", "tests.lab.handset", text=json.dumps(task), timeout=40)
    return bool(json.loads(done.out)[0]["ok"])


def test_an_alert_names_itself(seen: Seen) -> None:
    assert seen.codes["alert"] == [60]
    assert seen.opaque("alert.lab.example") == [("ca_refused", "unknown_ca")]
    assert not seen.answers("alert.lab.example")


def test_closing_without_a_word_is_no_alert(seen: Seen) -> None:
    assert seen.codes["silent"] == seen.codes["reset"] == [0]
    closed, reset = seen.opaque("silent.lab.example")
    assert closed == ("encrypted", "closed_during_handshake")
    # A device that the proxy reads itself does not say how a connection was closed.
    assert reset in (closed, ("encrypted", "reset_during_handshake"))


def test_a_stall_is_told_apart(seen: Seen) -> None:
    assert seen.codes["stall"] == [0]
    assert seen.opaque("stall.lab.example") == [("encrypted", "stall")]


def test_a_pin_behind_the_handshake_is_probable_and_the_host_goes_on(seen: Seen) -> None:
    """Nothing proves a pin here: no system certificate, and no app that is known to have taken ours elsewhere."""
    assert seen.codes["pin"] == [90] * REFUSALS + [0]
    assert seen.opaque("pin.lab.example")[:REFUSALS] == [("probable_refusal", "closed_after_handshake")] * REFUSALS
    (kind, cause) = seen.opaque("pin.lab.example")[REFUSALS]
    assert kind not in ("pinned", "probable_pin")
    assert cause == "passed_through"
    (answer,) = seen.answers("pin.lab.example")
    assert answer["peer"] == LAPTOP_OUT
    # Counted, and none of it kept.
    passed = [o for o in seen.tables["opaque"].to_pylist() if o["cause"] == "passed_through"]
    assert next(o["bytes"] for o in passed if o["host"] == "pin.lab.example") > 50_000
    assert sum(p.stat().st_size for p in seen.capture.glob("*.jsonl")) < 50_000


def test_strict_dns_over_tls_refuses_and_then_goes_on_unread(seen: Seen) -> None:
    assert seen.codes["dns"] == [1] * REFUSALS + [0]
    causes = [cause for _, cause in seen.opaque("dns.lab.example")]
    assert causes == ["unknown_ca"] * REFUSALS + ["passed_through"]
    assert [line["peer"] for line in seen.asked(QUESTION)] == [LAPTOP_OUT]


def test_lenient_dns_over_tls_is_opened_as_octets(seen: Seen) -> None:
    assert seen.codes["lenient"] == [0]
    assert [line["peer"] for line in seen.asked(LENIENT)] == [LAPTOP_OUT]
    flows = {f["flow"] for f in seen.tables["flows"].to_pylist() if f["host"] == "lenient.lab.example"}
    sent, received = (m for m in seen.tables["messages"].to_pylist() if m["flow"] in flows)
    origin = Origin.parse(sent["origin"])
    assert layer_bytes(seen.capture / origin.source, "messages", origin, Options())[2:] == LENIENT
    assert received["bytes"] > sent["bytes"]
    # Opened as octets: Lintas reads no names in them, and says that they were not understood.
    assert {kind for kind, _ in seen.opaque("lenient.lab.example")} == {"not_understood"}


def test_quic_is_refused_where_the_host_is_passed_through_over_tcp(seen: Seen) -> None:
    """An open and an unopened road to one host would tell half of it; QUIC's own refusal is none of the host."""
    assert seen.quic == [False, False]
    assert seen.codes["both"] == [60] * REFUSALS + [0]
    assert {line["protocol"] for line in seen.answers("h3.lab.example")} == {"HTTP/2.0"}
    causes = [cause for _, cause in seen.opaque("h3.lab.example")]
    assert causes.count("quic") == 2
    assert causes.count("passed_through") == 1


def test_refusals_of_some_hosts_leave_the_others_and_names_alone(seen: Seen) -> None:
    assert seen.codes["others"] == [0] * 8
    exchanges = [e for e in seen.tables["exchanges"].to_pylist() if e["host"] == "h2.lab.example"]
    assert [e["response_bytes"] for e in exchanges] == list(range(1, 9))
    # The resolver is asked over UDP and is no server of QUIC.
    udp = [o for o in seen.tables["opaque"].to_pylist() if o["cause"] == "quic" and o["host"] != "h3.lab.example"]
    assert not udp


def test_every_octet_is_accounted_for(seen: Seen) -> None:
    check_conservation(seen.tables)
