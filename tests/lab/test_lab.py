"""Real clients through a real proxy, and the packets beside it: everything counts once, and what was sent is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis.audit import AuditOptions, run
from analysis.tables import Tables
from tests.lab.record import PERSONA, person, record
from tests.road import DEMO, check_conservation

LAB = DEMO.parent / "lab"


def check(made: Tables) -> None:
    """What holds of every recording of the lab's session."""
    check_conservation(made)
    flows = made["flows"].to_pylist()
    dump = [f for f in flows if f["source"] == 0]
    assert all(f["same_as"] is None for f in dump)
    for f in dump:
        legs = [g for g in flows if g["same_as"] == f["flow"]]
        # The client's connection to the proxy, and the proxy's own to the server.
        assert len(legs) == 2, (f["host"], [g["origin"] for g in legs])
        assert {g["dport"] == f["dport"] for g in legs} == {True, False}
    found = {
        (t["data_type"], t["method"], t["path"], t["via"])
        for t in made["transmissions"].to_pylist()
        if t["direction"] == "sent" and flows[t["flow"]]["same_as"] is None
    }
    assert {
        ("gps_precise", "planted", "request.query.lat", "query"),
        ("email", "planted", "request.body.email", "json"),
        ("phone_number", "planted", "request.body.no_hp", "json"),
        ("advertising_id", "planted", "request.body.gaid", "gzip > json"),
        ("full_name", "planted", "request.body.user", "multipart"),
        ("imei", "planted", "request.query.imei", "query"),
        ("messages", "planted", "message.body.text", "json"),
    } <= found
    # Two clients would not have the proxy's certificate: nothing of theirs was read, and that is counted.
    closed = {o["host"] for o in made["opaque"].to_pylist()}
    assert "pinned.lab.example" in closed
    assert not [e for e in made["exchanges"].to_pylist() if e["path"] in ("/never", "/x")]


def test_the_recorded_lab() -> None:
    made, _ = run(LAB, AuditOptions())
    check(made)


@pytest.mark.slow
def test_the_lab_recorded_anew(tmp_path: Path) -> None:
    """The same session with new ports, keys and times."""
    if shutil.which("tcpdump") is None or shutil.which("curl") is None:
        pytest.skip("the lab needs curl and tcpdump")
    folder = tmp_path / "lab"
    record(folder, person())
    made, _ = run(folder, AuditOptions(persona=PERSONA))
    check(made)
