"""Destinations: octets move between them and none is lost; noise by host and path; what stays at home stands apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.conclude.destinations import LOCAL_NETWORK, gather
from analysis.folder import Manifest, Vantage
from analysis.reference import Reference
from analysis.tables import Tables
from tests.conclude.made import concluded, exchange, flow, rows, sent, tables

REFERENCE = Reference.load()
SERVER = "198.51.100.7"


def gathered(*flows: dict[str, Any], exchanges: list[dict[str, Any]] | None = None, **more: Any) -> Tables:
    return gather(tables(flows=list(flows), exchanges=exchanges or [], **more), REFERENCE)


def by_host(made: Tables) -> dict[str | None, tuple[int, int, int]]:
    found = rows(made["destinations"], "host", "flows", "bytes_out", "bytes_in")
    return {host: tuple(counts) for host, *counts in found}  # type: ignore[misc]


def test_a_destination_is_a_host_at_an_address() -> None:
    made = gathered(
        flow(0, host="a.example", dst=SERVER),
        flow(1, host="a.example", dst="198.51.100.8"),
        flow(2, host="b.example", dst=SERVER),
        flow(3, host="a.example", dst=SERVER),
        flow(4),
    )
    assert rows(made["destinations"], "host", "address", "flows") == [
        ("a.example", SERVER, 2),
        ("a.example", "198.51.100.8", 1),
        ("b.example", SERVER, 1),
        (None, None, 1),
    ]
    assert rows(made["flows"], "destination") == [0, 1, 2, 0, 3]


def test_a_flow_without_a_name_is_for_the_host_that_its_request_names() -> None:
    made = gathered(flow(0, dst=SERVER), exchanges=[exchange(0, 0, "a.example")])
    assert rows(made["destinations"], "host", "address") == [("a.example", SERVER)]


def test_octets_of_a_shared_connection_go_with_the_request() -> None:
    """HTTP/2 lets one connection carry requests for several names (RFC 9113 section 9.1.1)."""
    asked = [
        exchange(0, 0, "a.example", request_bytes=1, response_bytes=2),
        exchange(1, 0, "b.example", request_bytes=4, response_bytes=1_000),
    ]
    made = gathered(
        flow(0, host="a.example", dst=SERVER), exchanges=asked, transmissions=[sent(0, 0, exchange=1), sent(1, 0)]
    )
    # No more than the connection had can move.
    assert by_host(made) == {"a.example": (1, 6, 0), "b.example": (0, 4, 20)}
    assert rows(made["transmissions"], "destination") == [1, 0]


def test_what_is_seen_twice_counts_once() -> None:
    made = gathered(
        flow(0, host="a.example"),
        flow(1, host="a.example", same_as=0),
        exchanges=[exchange(0, 1, "b.example")],
    )
    assert by_host(made) == {"a.example": (1, 10, 20), "b.example": (0, 0, 0)}


HOSTS = st.sampled_from(["a.example", "b.example", "c.example", None])
SIZES = st.one_of(st.none(), st.integers(0, 50))


@given(
    st.lists(st.tuples(HOSTS, st.sampled_from([SERVER, None]), st.booleans()), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), HOSTS, SIZES, SIZES), max_size=12),
)
def test_every_octet_and_flow_has_one_destination(
    made: list[tuple[str | None, str | None, bool]], asked: list[tuple[int, str | None, int | None, int | None]]
) -> None:
    flows = [flow(n, host=h, dst=a, same_as=0 if twin and n else None) for n, (h, a, twin) in enumerate(made)]
    exchanges = [
        exchange(n, f % len(flows), h, request_bytes=out, response_bytes=back)
        for n, (f, h, out, back) in enumerate(asked)
    ]
    found = gathered(*flows, exchanges=exchanges)
    counted = sum(f["same_as"] is None for f in flows)
    totals = [sum(rows(found["destinations"], c)) for c in ("flows", "bytes_out", "bytes_in")]
    assert totals == [counted, 10 * counted, 20 * counted]
    assert min(map(min, (rows(found["destinations"], c) for c in ("bytes_out", "bytes_in")))) >= 0
    pairs = rows(found["destinations"], "host", "address")
    assert len(set(pairs)) == len(pairs)
    assert None not in rows(found["flows"], "destination") + rows(found["exchanges"], "destination")


# ----------------------------------------------------------------------------------------------------- noise


def noise(host: str | None, address: str | None, *paths: str) -> list[str | None]:
    asked = [exchange(n, 0, host, path=p) for n, p in enumerate(paths)]
    return rows(gathered(flow(0, host=host, dst=address), exchanges=asked)["destinations"], "system_noise")


def test_a_host_is_the_phones_own_only_with_its_paths() -> None:
    assert noise("www.google.com", SERVER, "/generate_204") == ["captive portal check"]
    assert noise("www.google.com", SERVER, "/generate_204", "/search") == [None]
    assert noise("www.google.com", SERVER) == [None]
    assert noise("epdg.epc.mnc010.mcc510.pub.3gppnetwork.org", SERVER) == ["operator service"]
    assert noise("shop.example", SERVER, "/generate_204") == [None]


def test_what_never_leaves_the_house_is_apart() -> None:
    for address in (
        "192.168.1.1",
        "10.0.0.1",
        "239.255.255.250",
        "fe80::1",
        "ff02::fb",
        "255.255.255.255",
        "127.0.0.1",
    ):
        assert noise(None, address) == [LOCAL_NETWORK], address
    # With a name it may be a proxy's or a resolver's answer, and is said as what it is.
    assert noise("shop.example", "192.168.1.1") == [None]
    assert noise(None, "203.0.113.7") == [None]
    assert noise(None, "8.8.8.8") == [None]
    assert noise(None, None) == [None]


def test_a_destination_without_a_public_address_stands_nowhere() -> None:
    """A HAR without addresses, a proxy on the laptop, a fake address of a VPN on the phone, a documentation one."""
    for address, reason in (
        (None, "no_address"),
        ("127.0.0.1", "reserved"),
        ("192.168.1.7", "reserved"),
        ("100.64.1.1", "reserved"),
        ("198.18.0.5", "reserved"),
        ("fd00::7", "reserved"),
        ("::ffff:10.0.0.1", "reserved"),
        ("203.0.113.5", "reserved"),
        ("no address", "reserved"),
    ):
        flows = [flow(0, host="graph.facebook.com", dst=address, tcp_ms=0.1)]
        # However near it answered: a proxy's own machine is in no country that the report could speak of.
        jakarta = Manifest(vantage=Vantage(country="ID", latitude=-6.2, longitude=106.8))
        (row,) = concluded(tables(flows=flows), REFERENCE, jakarta)["destinations"].to_pylist()
        assert (row["country"], row["level"], row["best_level_here"], row["reason"]) == (None, 0, 0, reason), address
        assert (row["asn"], row["registered_country"], row["rented_from"]) == (None, None, None)
        assert not [x for x in row["law_links"] if x["link"] in ("machine", "machine_owner")]
        assert row["operator"] == "meta"


def test_where_a_network_is_registered_is_said_only_where_two_sources_agree() -> None:
    """An American company's network in Singapore, whose registration only one source gives; Yandex's, of which one
    source says Serbia and the registries Russia; and one of which both say the same."""
    addresses = ("52.74.0.1", "77.88.21.127", "157.240.1.35")
    rows = concluded(tables(flows=[flow(n, dst=a) for n, a in enumerate(addresses)]), REFERENCE)["destinations"]
    of = {row["address"]: (row["country"], row["registered_country"]) for row in rows.to_pylist()}
    assert of["52.74.0.1"] == ("SG", None)
    assert of["77.88.21.127"][1] is None
    assert of["157.240.1.35"][1] == "US"


def test_addresses_of_a_content_network_stand_nowhere() -> None:
    (row,) = concluded(tables(flows=[flow(0, dst="1.1.1.1")]), REFERENCE)["destinations"].to_pylist()
    assert (row["country"], row["level"], row["anycast"]) == (None, 1, True)
    assert not [x for x in row["law_links"] if x["link"] == "machine"]


def test_an_ipv4_address_in_an_ipv6_one_is_that_address() -> None:
    found = concluded(
        tables(flows=[flow(n, dst=a) for n, a in enumerate(("52.74.0.1", "::ffff:52.74.0.1", "64:ff9b::344a:1"))]),
        REFERENCE,
    )["destinations"]
    assert set(rows(found, "country", "level", "asn")) == {("SG", 3, 16509)}


def test_whether_an_address_is_anycast_is_known_denied_or_open_and_says_by_what() -> None:
    cases = {
        "1.1.1.1": (None, 1, "anycast", True, "AS13335"),
        "104.18.1.1": (None, 1, "anycast", True, "Cloudflare ranges, 2025-07"),
        "8.8.8.8": ("US", 1, "maybe_anycast", None, "resolvers-by-address"),
        "142.250.4.100": ("US", 1, "maybe_anycast", None, "google-front-ends"),
        "13.107.42.14": ("US", 1, "maybe_anycast", None, "azure-front-door"),
        "47.241.7.88": (None, 0, "sources_contradict", None, "alibaba-anycast-eip"),
        # Their operators publish a region, so they stand in one place.
        "52.74.0.1": ("SG", 3, "no_time_bound", False, "ranges"),
        "20.190.160.1": ("NL", 3, "no_time_bound", False, "ranges"),
        "180.163.151.34": ("CN", 2, "no_second_kind", None, None),
    }
    flows = [flow(n, dst=a, dport=443) for n, a in enumerate(cases)]
    rows = concluded(tables(flows=flows), REFERENCE)["destinations"].to_pylist()
    keys = ("country", "level", "reason", "anycast", "anycast_from")
    assert {row["address"]: tuple(row[k] for k in keys) for row in rows} == cases


@pytest.mark.parametrize("port", [53, 853])
def test_a_name_server_in_any_network_may_be_anycast(port: int) -> None:
    flows = [flow(0, dst="180.163.151.34", dport=port), flow(1, dst="180.163.151.34", dport=443)]
    (row,) = concluded(tables(flows=flows), REFERENCE)["destinations"].to_pylist()
    assert (row["level"], row["reason"], row["anycast_from"]) == (1, "maybe_anycast", "name-servers")
