"""Addresses to places and networks: our intervals and ranges, and a user's own databases."""

from __future__ import annotations

import csv
import ipaddress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from analysis.model import InputError
from analysis.reference import Reference
from analysis.reference.embedded import public_ipv4
from analysis.reference.geo import NO_COUNTRY, Geo, _ours
from analysis.reference.intervals import Intervals, pack
from analysis.reference.ranges import HERE, Ranges

REFERENCE = Reference.load()
GEO = REFERENCE.geo()

# ---------------------------------------------------------------------------------------------- known addresses


def said(address: str, kind: str = "location") -> dict[str, str | None]:
    return {c.maker: c.country for c in GEO.lookup(address) if c.kind == kind}


@pytest.mark.parametrize(
    ("address", "country", "agree", "network"),
    [
        ("8.215.1.1", "ID", False, 45102),  # Alibaba Jakarta, which NRO geo-whois misses
        ("149.129.192.1", "ID", False, 45102),
        ("161.117.70.1", "SG", True, 45102),
        ("43.133.1.1", "JP", True, 132203),  # Tencent Tokyo
        ("34.101.0.1", "ID", False, 139190),  # Google Jakarta, which NRO geo-whois misses
        ("108.136.0.1", "ID", True, 16509),
        ("36.66.1.1", "ID", True, 7713),
        ("95.216.1.1", "FI", True, 24940),
        ("157.240.13.35", "SG", False, 32934),
    ],
)
def test_addresses_whose_place_is_known(address: str, country: str, agree: bool, network: int) -> None:
    found = said(address)
    assert found["DB-IP"] == country
    assert (found["NRO"] == country) or not agree
    autonomous = GEO.asn(address)
    assert autonomous is not None
    assert autonomous.number == network
    assert autonomous.name
    assert REFERENCE.operator_by_asn(network) is not None


@pytest.mark.parametrize("address", ["161.117.70.1", "8.215.1.1", "43.133.1.1"])
def test_registration_is_another_fact_than_place(address: str) -> None:
    assert said(address, "registration") == {"IPtoASN": "CN"}
    assert said(address)["DB-IP"] not in (None, "CN")


@pytest.mark.parametrize("address", ["71.18.1.1", "147.160.176.1"])
def test_addresses_of_bytedance_have_their_network(address: str) -> None:
    autonomous = GEO.asn(address)
    assert autonomous is not None
    operator = REFERENCE.operator_by_asn(autonomous.number)
    assert operator is not None
    assert operator.operator.id in {"bytedance", "tiktok"}


def test_every_country_of_ours_is_one() -> None:
    assert set(REFERENCE.groups["no_single_country"].codes) == NO_COUNTRY
    for name in ("dbip-country", "nro-country", "iptoasn-country"):
        codes = {c for c in _ours(name).labels if c is not None}
        assert codes - set(REFERENCE.countries) - NO_COUNTRY <= {"XK"}, name
        assert len(codes) > 200


# ----------------------------------------------------------------------------------------- which address is meant


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("::ffff:808:808", "8.8.8.8"),
        ("64:ff9b::8.8.8.8", "8.8.8.8"),
        ("64:ff9b::808:808", "8.8.8.8"),
        ("2002:808:808::1", "8.8.8.8"),
        ("64:ff9b:1::808:808", "64:ff9b:1::808:808"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
        ("2001:4860:4860::8888", "2001:4860:4860::8888"),
        ("::8.8.8.8", "::8.8.8.8"),
        ("8.8.8.8", "8.8.8.8"),
    ],
)
def test_an_address_within_an_address(address: str, meant: str) -> None:
    assert public_ipv4(ipaddress.ip_address(address)) == ipaddress.ip_address(meant)


@pytest.mark.parametrize("address", ["::ffff:161.117.70.1", "64:ff9b::161.117.70.1", "2002:a175:4601::1"])
def test_what_is_meant_is_asked_for(address: str) -> None:
    assert GEO.lookup(address) == GEO.lookup("161.117.70.1") != []
    assert GEO.asn(address) == GEO.asn("161.117.70.1")
    assert REFERENCE.cloud_ranges(address) == REFERENCE.cloud_ranges("161.117.70.1")
    assert not GEO.reserved(address)


RESERVED = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 169.254.1.1 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.168.1.1
198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::8.8.8.8 ::ffff:10.0.0.1 ::ffff:0.0.0.0 64:ff9b::10.0.0.1 64:ff9b:1::808:808 2002:a00:1::1 2002:c0a8:101::1
100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1
fe80::1%wlan0 fec0::1 ff02::fb ff0e::1 4000::1 dead:beef::1
""".split()


@pytest.mark.parametrize(
    "address", [*RESERVED, "", "example.com", "8.8.8", "8.8.8.8.8", "999.1.1.1", "1:2", "08.8.8.8", "%", "8.8.8.8:443"]
)
def test_what_no_public_network_has_is_not_asked_for(address: str) -> None:
    assert GEO.reserved(address)
    assert GEO.lookup(address) == []
    assert GEO.asn(address) is None


@pytest.mark.parametrize(
    "address", ["172.32.0.1", "100.128.0.1", "192.0.1.1", "11.0.0.1", "2001:200::1", "2a00::1", "223.255.255.255"]
)
def test_neighbours_of_what_is_reserved_are_public(address: str) -> None:
    assert not GEO.reserved(address)


def test_a_zone_id_changes_nothing() -> None:
    assert GEO.lookup("2404:6800:4003::1%eth0") == GEO.lookup("2404:6800:4003::1") != []
    assert GEO.asn("2404:6800:4003::1%25wlan0") == GEO.asn("2404:6800:4003::1")
    assert REFERENCE.cloud_ranges("2600:1f16::1%5") == REFERENCE.cloud_ranges("2600:1f16::1")


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_reserved(text: str) -> None:
    try:
        ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        assert GEO.reserved(text)
        assert GEO.lookup(text) == []
        assert REFERENCE.cloud_ranges(text) == []


@given(st.ip_addresses())
def test_any_address_gets_a_country_or_none(address: Any) -> None:
    for claim in GEO.lookup(str(address)):
        assert claim.country is not None
        assert len(claim.country) == 2
        assert claim.date
    found = GEO.asn(str(address))
    assert found is None or 0 < found.number < 1 << 32


# ------------------------------------------------------------------------------------------------- intervals

LABELS = st.one_of(
    st.none(),
    st.sampled_from(["ID", "SG", 'é\n"', "\U0001f1ee"]),
    st.tuples(st.integers(0, 5), st.text(max_size=3)).map(list),
)


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[int, int, int, Any]]:
    """Intervals that do not overlap, with gaps or without, in any order, edges of the space among them."""
    made = []
    for version, bits in ((4, 32), (6, 128)):
        top = (1 << bits) - 1
        near = st.sampled_from([0, 1, 2, top, top - 1, 1 << (bits // 2), (1 << (bits // 2)) - 1, (1 << 64) % (top + 1)])
        cuts = sorted(draw(st.sets(st.one_of(near, st.integers(0, top)), max_size=12)))
        for first, last in pairwise(cuts):
            if draw(st.booleans()):
                made.append((version, first, last - 1, draw(LABELS)))
        if cuts and draw(st.booleans()):
            made.append((version, cuts[-1], draw(st.sampled_from([cuts[-1], top])), draw(LABELS)))
    return draw(st.permutations(made))


@given(tables(), st.data())
@example([], None)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150)
def test_what_is_packed_is_found_again(tmp_path: Path, rows: list[tuple[int, int, int, Any]], data: Any) -> None:
    path = tmp_path / "t.zst"
    counts = pack(path, iter(rows))
    table = Intervals.load(path)
    assert counts[0] <= 2 * len(rows) + 1
    assert counts[1] <= 2 * len(rows) + 1
    for version, bits in ((4, 32), (6, 128)):
        top = (1 << bits) - 1
        asked = {0, 1, top, top >> 1, 1 << (bits // 2)}
        for v, first, last, _ in rows:
            if v == version:
                asked |= {first, last, (first + last) // 2, max(first - 1, 0), min(last + 1, top)}
        if data is not None:
            asked.add(data.draw(st.integers(0, top)))
        for number in asked:
            expected = next((label for v, f, e, label in rows if v == version and f <= number <= e), None)
            address = ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number)
            assert table.lookup(address) == expected


def test_intervals_that_overlap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="overlap"):
        pack(tmp_path / "t.zst", [(4, 0, 10, "a"), (4, 10, 20, "b")])


def test_another_file_is_no_interval_file(tmp_path: Path) -> None:
    (tmp_path / "t.zst").write_bytes(zstandard.compress(b"x" * 100))
    with pytest.raises(ValueError, match="no interval file"):
        Intervals.load(tmp_path / "t.zst")


# ---------------------------------------------------------------------------------------------------- ranges


def ranges(*rows: tuple[str, str, str, str]) -> Ranges:
    lines = [f"{network},{provider},{region},{country},a list" for network, provider, region, country in rows]
    return Ranges(["network,provider,region,country,source", *lines])


def test_the_narrowest_range_of_each_provider_counts() -> None:
    made = ranges(
        ("198.96.0.0/11", "aws", "GLOBAL", ""),
        ("198.96.0.0/16", "aws", "ap-southeast-1", "SG"),
        ("198.96.7.0/24", "aws", "ap-southeast-3", "ID"),
        ("198.96.7.0/25", "other", "x", "JP"),
        ("2600:1f00::/24", "aws", "us-east-1", "US"),
        ("2600:1f16::/32", "aws", "us-east-2", "DE"),
        ("2600:1f16::7/128", "aws", "one", "FR"),
    )
    expected = {
        "198.96.7.9": [("aws", "ID"), ("other", "JP")],
        "198.96.7.200": [("aws", "ID")],
        "198.96.8.0": [("aws", "SG")],
        "198.97.0.0": [("aws", None)],
        "198.128.0.0": [],
        "2600:1f16::1": [("aws", "DE")],
        "2600:1f16::7": [("aws", "FR")],
        "2600:1f17::1": [("aws", "US")],
        "2601::1": [],
        "::ffff:198.96.7.9": [("aws", "ID"), ("other", "JP")],
    }
    for address, hits in expected.items():
        assert [(h.provider, h.country) for h in made.lookup(address)] == hits, address


def test_every_published_range_is_found_at_both_ends() -> None:
    checked = 0
    for name in ("cloud_ranges.csv", "cloud_ranges_more.csv"):
        with (HERE / name).open(encoding="utf-8", newline="") as file:
            for row in list(csv.DictReader(file))[::97]:
                network = ipaddress.ip_network(row["network"])
                for address in (network[0], network[-1]):
                    hits = {h.provider: h for h in REFERENCE.cloud_ranges(str(address))}
                    if public_ipv4(address) == address:
                        checked += 1
                        found = ipaddress.ip_network(hits[row["provider"]].network)
                        assert found.version == network.version
                        assert found.subnet_of(network)  # type: ignore[arg-type]
    assert checked > 400


def test_every_range_is_written_as_it_is_looked_up() -> None:
    assert [h.network for h in Ranges.load() if str(ipaddress.ip_network(h.network)) != h.network] == []


def test_countries_of_ranges_are_countries() -> None:
    loaded = Ranges.load()
    hits = list(loaded)
    assert len(hits) == 22_710 + 563
    assert {h.country for h in hits} - {None} <= set(REFERENCE.countries)
    assert all(h.source for h in hits)


# ------------------------------------------------------------------------------------------ a user's databases


def database(
    path: Path, kind: str, records: dict[str, Any], *, version: int = 6, about: str = "made by a test"
) -> Path:
    writer = MMDBWriter(version, kind, ["en"], {"en": about}, ipv4_compatible=version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


MAXMIND = {"country": {"iso_code": "ID", "names": {"en": "Indonesia"}}, "registered_country": {"iso_code": "CN"}}

COUNTRY_SHAPES = {
    "GeoLite2-Country": (MAXMIND, "MaxMind"),
    "GeoIP2-Country": (MAXMIND, "MaxMind"),
    "GeoLite2-City": (MAXMIND | {"city": {"names": {"en": "Jakarta"}}, "location": {"latitude": -6.2}}, "MaxMind"),
    "GeoIP2-Enterprise": (MAXMIND | {"traits": {"autonomous_system_number": 7713}}, "MaxMind"),
    "DBIP-Country-Lite": ({"country": {"iso_code": "ID"}, "continent": {"code": "AS"}}, "DB-IP"),
    "DBIP-Location (compat=City)": ({"country": {"iso_code": "ID"}}, "DB-IP"),
    "ipinfo generic_country_free.mmdb": ({"country": "ID", "country_name": "Indonesia", "continent": "AS"}, "IPinfo"),
    "ipinfo standard_location.mmdb": ({"country": "ID", "city": "Jakarta", "lat": "-6.2"}, "IPinfo"),
    "ipinfo ipinfo_lite.mmdb": ({"country": "Indonesia", "country_code": "ID", "asn": "AS7713"}, "IPinfo"),
    "country ipvAll": ({"country_code": "ID"}, "country ipvAll"),
    "my own": ({"country": "id"}, "my own"),
}


@pytest.mark.parametrize("kind", COUNTRY_SHAPES)
@pytest.mark.parametrize("version", [4, 6])
def test_a_country_database_of_any_shape(tmp_path: Path, kind: str, version: int) -> None:
    record, maker = COUNTRY_SHAPES[kind]
    path = database(tmp_path / "own.mmdb", kind, {"161.117.0.0/16": record}, version=version)
    claims = REFERENCE.geo([path]).lookup("161.117.70.1")
    (own,) = [c for c in claims if "own.mmdb" in c.source]
    assert (own.country, own.maker, own.kind) == ("ID", maker, "location")
    assert own.source == f"{kind} (own.mmdb)"
    assert own.date >= "2026"
    assert claims[:-1] == GEO.lookup("161.117.70.1"), "ours stand before it, unchanged"
    assert REFERENCE.geo([path]).lookup("8.8.8.8") == GEO.lookup("8.8.8.8")
    assert REFERENCE.geo([path]).lookup("2404:6800:4003::1") == GEO.lookup("2404:6800:4003::1")


ASN_SHAPES = {
    "GeoLite2-ASN": {"autonomous_system_number": 64500, "autonomous_system_organization": "Warung"},
    "DBIP-ASN-Lite (compat=GeoLite2-ASN)": {
        "autonomous_system_number": 64500,
        "autonomous_system_organization": "Warung",
    },
    "ipinfo generic_asn_free.mmdb": {"asn": "AS64500", "domain": "warung.example", "name": "Warung"},
    "ipinfo ipinfo_lite.mmdb": {"asn": "AS64500", "as_name": "Warung", "country_code": "ID"},
    "ipinfo nested": {"asn": {"asn": "AS64500", "name": "Warung"}, "country": "ID"},
    "flat": {"asn": 64500, "name": "Warung"},
}


@pytest.mark.parametrize("kind", ASN_SHAPES)
def test_a_network_database_of_any_shape_comes_before_ours(tmp_path: Path, kind: str) -> None:
    path = database(tmp_path / "own.mmdb", kind, {"161.117.0.0/16": ASN_SHAPES[kind], "2400::/12": ASN_SHAPES[kind]})
    geo = REFERENCE.geo(asn=[path])
    for address in ("161.117.70.1", "2404:6800:4003::1", "::ffff:161.117.70.1"):
        assert geo.asn(address) == (64500, "Warung", f"{kind} (own.mmdb)")
    assert geo.asn("8.8.8.8") == GEO.asn("8.8.8.8")


def test_where_a_network_is_registered_never_stands_in_for_its_place(tmp_path: Path) -> None:
    records = {
        "161.117.0.0/16": {"registered_country": {"iso_code": "CN"}, "represented_country": {"iso_code": "US"}},
        "8.8.8.0/24": {"country": {"iso_code": "US"}},
    }
    geo = REFERENCE.geo([database(tmp_path / "own.mmdb", "GeoLite2-Country", records)])
    assert geo.lookup("161.117.70.1") == GEO.lookup("161.117.70.1")


def test_codes_of_no_country_make_no_claim(tmp_path: Path) -> None:
    records = {
        "161.117.0.0/16": {"country": "EU"},
        "8.8.8.0/24": {"country": "US"},
        "43.133.0.0/16": {"country": "USA"},
    }
    geo = REFERENCE.geo([database(tmp_path / "own.mmdb", "flat", records)])
    for address in ("161.117.70.1", "43.133.1.1"):
        assert geo.lookup(address) == GEO.lookup(address)


@pytest.mark.parametrize(
    "record",
    [{"asn": "none"}, {"asn": -1}, {"asn": 0}, {"asn": 2**40}, {"asn": "AS99999999999"}, {"asn": True}, {"asn": []}],
)
def test_what_is_no_network_number_is_none(tmp_path: Path, record: dict[str, Any]) -> None:
    records = {"161.117.0.0/16": record, "8.8.8.0/24": {"asn": 15169}}
    geo = REFERENCE.geo(asn=[database(tmp_path / "own.mmdb", "flat", records)])
    assert geo.asn("161.117.70.1") == GEO.asn("161.117.70.1")


def refusal(country: tuple[Path, ...] = (), asn: tuple[Path, ...] = ()) -> str:
    with pytest.raises(InputError) as caught:
        Geo(country, asn)
    told = str(caught.value)
    assert "\n" not in told
    assert told.endswith(".")
    return told


def test_a_database_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    asn = database(tmp_path / "asn.mmdb", "GeoLite2-ASN", {"8.8.8.0/24": ASN_SHAPES["GeoLite2-ASN"]})
    country = database(tmp_path / "country.mmdb", "GeoLite2-Country", {"8.8.8.0/24": MAXMIND})
    empty = database(tmp_path / "empty.mmdb", "GeoLite2-Country", {})
    odd = database(tmp_path / "odd.mmdb", "odd", {"8.8.8.0/24": ["ID"], "9.9.9.0/24": "ID"})
    for path, option, told in (
        (asn, "--geo-country", refusal((asn,))),
        (country, "--geo-asn", refusal((), (country,))),
        (empty, "--geo-country", refusal((empty,))),
        (odd, "--geo-country", refusal((odd,))),
    ):
        assert str(path) in told
        assert option in told


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    whole = database(
        tmp_path / "whole.mmdb", "GeoLite2-Country", {f"{n}.0.0.0/8": MAXMIND for n in range(20, 60)}
    ).read_bytes()
    (tmp_path / "text.mmdb").write_text("country,ID\n")
    (tmp_path / "empty.mmdb").write_bytes(b"")
    (tmp_path / "head.mmdb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "tail.mmdb").write_bytes(whole[len(whole) // 2 :])
    (tmp_path / "folder.mmdb").mkdir()
    for name in ("text", "empty", "head", "folder", "missing"):
        path = tmp_path / f"{name}.mmdb"
        for country, asn in (((path,), ()), ((), (path,))):
            assert str(path) in refusal(country, asn)
    refusal((tmp_path / "tail.mmdb",))


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150)
def test_a_damaged_database_is_used_or_refused(tmp_path: Path, data: Any) -> None:
    place = tmp_path / "whole.mmdb"
    if not place.exists():
        database(place, "GeoLite2-Country", {f"{n}.0.0.0/8": MAXMIND for n in range(20, 40)})
    raw = bytearray(place.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.mmdb"
    path.unlink(missing_ok=True)
    path.write_bytes(bytes(raw)[: data.draw(st.sampled_from([len(raw), len(raw) - 1, len(raw) // 2]))])
    try:
        geo = Geo((path,))
    except InputError as error:
        told = str(error)
    else:
        told = ""
        for address in ("20.1.1.1", "39.255.255.255", "161.117.70.1", "2404:6800:4003::1"):
            claims = geo.lookup(address)
            assert claims[: len(GEO.lookup(address))] == GEO.lookup(address)
    assert "\n" not in told
