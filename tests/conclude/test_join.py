"""Join: what is the same traffic counts once, and what only looks alike counts twice."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.conclude.join import counted, same_traffic
from tests.conclude.made import PHONE, SECOND, exchange, flow, source, tables

SERVER = "198.51.100.7"
PROXY = "10.0.0.1"
HTTPS: dict[str, Any] = {"dst": SERVER, "dport": 443}


def same(flows: list[dict[str, Any]], exchanges: list[dict[str, Any]] | None = None, *kinds: str) -> list[int | None]:
    sources = [source(n, kind) for n, kind in enumerate(kinds or ("mitmproxy", "pcap"))]
    made = tables(flows=flows, exchanges=exchanges or [], sources=sources)
    found: list[int | None] = same_traffic(made["flows"], made["exchanges"], made["sources"])["same_as"].to_pylist()
    return found


def test_a_file_that_is_there_twice_is_one() -> None:
    flows = [flow(n, source=n // 2, first=None) for n in range(4)]
    made = tables(flows=flows, sources=[source(0, "har", sha256="a"), source(1, "har", sha256="a")])
    table = same_traffic(made["flows"], made["exchanges"], made["sources"])
    assert table["same_as"].to_pylist() == [None, None, 0, 1]
    assert counted(table)["flow"].to_pylist() == [0, 1]
    other = tables(flows=flows, sources=[source(0, "har", sha256="a"), source(1, "har", sha256="b")])
    assert same_traffic(other["flows"], other["exchanges"], other["sources"])["same_as"].to_pylist() == [None] * 4


def test_the_same_ends_in_dump_and_packets_are_one_conversation() -> None:
    ends = {"src": PHONE, "sport": 40_000, **HTTPS}
    dump, packets = flow(0, first=0, **ends), flow(1, source=1, first=SECOND, decrypted=False, **ends)
    assert same([dump, packets]) == [None, 0]
    # The one that could be read counts, in whatever order the files stand.
    closed = flow(0, first=0, decrypted=False, **ends)
    opened = flow(1, source=1, first=SECOND, **ends)
    assert same([closed, opened], None, "pcap", "mitmproxy") == [1, None]


@pytest.mark.parametrize(
    "other",
    [
        {"sport": 40_001},
        {"src": "10.0.0.3"},
        {"transport": "udp"},
        {"first": 600 * SECOND, "last": 601 * SECOND},
        {"first": None, "last": None},
        {"source": 0},
    ],
    ids=lambda o: next(iter(o)),
)
def test_one_end_or_hour_that_differs_makes_two_conversations(other: dict[str, Any]) -> None:
    ends = {"src": PHONE, "sport": 40_000, **HTTPS}
    again = {"source": 1, "first": 0, "decrypted": False, **ends, **other}
    assert same([flow(0, first=0, host="a.example", **ends), flow(1, **again)]) == [None, None]


def test_between_two_packet_files_both_ends_must_agree() -> None:
    near = {"src": PHONE, "sport": 40_000, "first": 0}
    one, other = flow(0, dst=SERVER, dport=443, **near), flow(1, source=1, dst="198.51.100.8", dport=443, **near)
    assert same([one, other], None, "pcap", "pcapng") == [None, None]
    assert same([one, other | {"dst": SERVER}], None, "pcap", "pcapng") == [None, 0]


def test_the_phones_leg_to_a_proxy_is_known_by_its_near_end() -> None:
    """In packets the phone speaks to the proxy; the dump says which server that was for."""
    near = {"src": PHONE, "sport": 40_000, "first": 0}
    assert same([flow(0, **near, **HTTPS), flow(1, source=1, dst=PROXY, dport=8080, **near)]) == [None, 0]


def test_the_proxys_own_leg_is_known_by_its_far_end_and_name() -> None:
    dump = flow(0, first=0, src=PHONE, sport=40_000, host="a.example", **HTTPS)
    leg = flow(1, source=1, first=SECOND, src=PROXY, sport=50_000, host="a.example", decrypted=False, **HTTPS)
    assert same([dump, leg]) == [None, 0]
    assert same([dump, leg | {"host": "b.example"}]) == [None, None]
    # Without a name anybody's connection to that server looks the same.
    assert same([dump, leg | {"host": None}]) == [None, None]
    assert same([dump, leg | {"first": 30 * SECOND, "last": 31 * SECOND}]) == [None, None]


def test_one_conversation_takes_one_other_of_a_file() -> None:
    """Several connections to one server at a time: each of the dump's takes its own, and what is over stays."""
    dump = [flow(n, first=n * SECOND // 4, src=PHONE, sport=40_000 + n, host="a.example", **HTTPS) for n in range(2)]
    legs = [
        flow(2 + n, source=1, first=n * SECOND // 4, src=PROXY, sport=50_000 + n, host="a.example", **HTTPS)
        for n in range(5)
    ]
    found = same([*dump, *legs])
    assert found[:2] == [None, None]
    assert sorted(f for f in found[2:] if f is not None) == [0, 1]
    assert found[2:].count(None) == 3


def test_the_same_requests_in_a_browsers_file_and_a_dump_are_one() -> None:
    """A HAR knows no ports: to the second the same method, host and path."""
    flows = [flow(0, src=PHONE, sport=40_000, **HTTPS), flow(1, source=1), flow(2, source=1)]
    asked = [
        exchange(0, 0, "a.example", path="/x", started=0),
        exchange(1, 0, "a.example", path="/y", started=9 * SECOND),
        exchange(2, 1, "a.example", path="/x", started=SECOND),
        exchange(3, 1, "a.example", path="/y", started=8 * SECOND),
        exchange(4, 2, "a.example", path="/z", started=SECOND),
    ]
    assert same(flows, asked, "mitmproxy", "har") == [None, 0, None]


@pytest.mark.parametrize(
    "other",
    [{"path": "/other"}, {"method": "POST"}, {"host": "b.example"}, {"started": 5 * SECOND}, {"started": None}],
    ids=lambda o: next(iter(o)),
)
def test_a_request_that_differs_is_another(other: dict[str, Any]) -> None:
    asked = [exchange(0, 0, "a.example", started=0), {**exchange(1, 1, "a.example", started=0), **other}]
    assert same([flow(0), flow(1, source=1)], asked, "mitmproxy", "har") == [None, None]


def test_the_same_request_at_another_address_is_another() -> None:
    asked = [exchange(0, 0, "a.example", started=0), exchange(1, 1, "a.example", started=0)]
    flows = [flow(0, first=None, dst=SERVER), flow(1, first=None, source=1, dst="198.51.100.8")]
    assert same(flows, asked, "mitmproxy", "har") == [None, None]
    assert same([flows[0], flows[1] | {"dst": None}], asked, "mitmproxy", "har") == [None, 0]


def test_a_flow_with_one_request_of_its_own_is_not_swallowed() -> None:
    asked = [
        exchange(0, 0, "a.example", path="/x", started=0),
        exchange(1, 1, "a.example", path="/x", started=0),
        exchange(2, 1, "a.example", path="/only-here", started=0),
    ]
    assert same([flow(0), flow(1, source=1)], asked, "mitmproxy", "har") == [None, None]


def test_a_poll_that_came_five_times_is_not_the_one_that_was_seen() -> None:
    """Five requests alike in one file, two in the other: two are the same, three are nobody's copy."""
    flows = [flow(0), flow(1), *(flow(2 + n, source=1) for n in range(5))]
    asked = [exchange(n, n, "a.example", path="/poll", started=n * SECOND // 5) for n in range(7)]
    found = same(flows, asked, "mitmproxy", "har")
    assert sorted(f for f in found if f is not None) == [0, 1]
    one_connection = [flow(0), flow(1, source=1)]
    asked = [exchange(0, 0, "a.example", path="/poll", started=0)]
    asked += [exchange(1 + n, 1, "a.example", path="/poll", started=n) for n in range(3)]
    assert same(one_connection, asked, "mitmproxy", "har") == [None, None]


def test_what_only_shares_a_host_is_two() -> None:
    flows = [
        flow(0, src=PHONE, sport=40_000, host="a.example", **HTTPS),
        flow(1, first=0, source=1, src=PHONE, sport=41_000, host="a.example", **HTTPS),
    ]
    assert same(flows) == [None, None]
