"""Each mode of the proxy with each protocol, by real clients and servers in namespaces: what the servers wrote down is
what the folder holds, octet for octet; what is not opened is refused and counted; nothing slips around unsaid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import start
from tests.lab.modes import MODES, Lab, own_proxy
from tests.lab.session import DIRECT, FAILED, PROTOCOLS, Session, outcome, take, told
from tests.lab.table import drawn, in_docs, line
from tests.road import check_conservation

pytestmark = [pytest.mark.slow, pytest.mark.browser]

BY_NAME = {mode.name: mode for mode in MODES}
Taken = Callable[[str], Session]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    start.require()
    with start.lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def taken(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Taken:
    """The session of a mode, by its name: taken once."""
    sessions: dict[str, Session] = {}
    place = tmp_path_factory.mktemp("captures")

    def one(name: str) -> Session:
        if reason := BY_NAME[name].impossible():
            pytest.skip(f"{name} is not tested here: {reason}")
        if name not in sessions:
            try:
                sessions[name] = take(lab, BY_NAME[name], place / name)
            except RuntimeError as error:
                # eBPF is the machine's to give.
                if name == "local" and "BPF" in str(error) and "did not start" in str(error):
                    pytest.skip(f"local is not tested here: {str(error)[-200:]}")
                raise
        return sessions[name]

    return one


@pytest.mark.parametrize("name", BY_NAME)
def test_what_the_servers_had_is_what_the_folder_holds(taken: Taken, name: str) -> None:
    session = taken(name)
    row = {protocol: outcome(session, protocol) for protocol in PROTOCOLS}
    assert FAILED not in row.values(), "\n".join(told(session, p) for p, cell in row.items() if cell == FAILED)
    lines = in_docs()
    assert line(name, row) in lines, f"docs/modes.md says otherwise; it should say\n{line(name, row)}"


@pytest.mark.parametrize("name", BY_NAME)
def test_all_octets_of_a_folder_are_accounted_for(taken: Taken, name: str) -> None:
    session = taken(name)
    check_conservation(session.tables)
    # And each says how it came in, also where it was not opened.
    kinds = {spec.partition(":")[0].partition("@")[0] for spec in session.mode.specs}
    assert {flow["way"] for flow in session.rows("flows") if flow["same_as"] is None} <= kinds
    # Nothing was lost on the way; what is no text is not understood, which is counted.
    assert {loss["kind"] for loss in session.rows("losses")} <= {"body_undecoded"}


@pytest.mark.parametrize("name", DIRECT)
def test_nothing_goes_around_a_proxy_that_the_phone_knows_nothing_of(taken: Taken, name: str) -> None:
    assert not taken(name).around


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - set(DIRECT)))
def test_what_goes_around_a_proxy_that_apps_are_told_of(taken: Taken, name: str) -> None:
    """The system's own questions of names, and QUIC of clients that know no proxy; all else comes to the proxy."""
    assert set(taken(name).around) == {"ip4_dns", "ip4_udp443", "ip4_tcp853", "ip4_dns_tcp"}


def test_the_table_of_the_docs_has_a_line_for_each_mode_and_no_other() -> None:
    lines = in_docs()
    assert lines[:2] == drawn({}).splitlines()
    assert [one.split("|")[1].strip() for one in lines[2:]] == list(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_request_for_the_proxy_itself_does_not_go_round(taken: Taken, name: str) -> None:
    status, connections = taken(name).itself
    assert status != "200"
    # Chromium's last ones may come late.
    assert connections <= 3


@pytest.mark.parametrize("name", ["wireguard", "transparent", "upstream"])
def test_the_proxy_of_lintas_capture_opens_the_same(lab: Lab, tmp_path: Path, name: str) -> None:
    session = take(lab, BY_NAME[name], tmp_path / "capture", own_proxy)
    row = {protocol: outcome(session, protocol) for protocol in PROTOCOLS}
    assert FAILED not in row.values(), "\n".join(told(session, p) for p, cell in row.items() if cell == FAILED)
    assert line(name, row) in in_docs()
    check_conservation(session.tables)
    # It is led to itself by no next proxy either.
    assert session.itself[0] != "200"
    standing = [json.loads(one).get("connections", 0) for one in session.log.splitlines() if one.startswith("{")]
    assert max(standing) < 20
