"""Companies by host and network, owners by day, statutes by day, and what phones do by themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.reference import Reference
from tests.reference.test_overlay import OPERATOR


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.load()


Laid = Callable[..., Reference]


@pytest.fixture
def laid(tmp_path: Path) -> Laid:
    """Reference data with operators of the test's own over ours, of 2026-01-01."""

    def lay(*operators: dict[str, Any], as_of: str = "2026-01-01") -> Reference:
        content = {"schema": "s", "as_of": as_of, "operators": [OPERATOR | o for o in operators]}
        (tmp_path / "operators.yaml").write_text(yaml.safe_dump(content))
        return Reference.load(tmp_path)

    return lay


# ------------------------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    ("host", "operator"),
    [
        ("google.com", "google"),
        ("WWW.Google.COM", "google"),
        ("www.google.com.", "google"),
        ("evilgoogle.com", None),
        ("google.com.evil.example", None),
        ("google.com.evil.com", None),
        ("com", None),
        ("", None),
        (".", None),
        ("..google.com", "google"),
        ("8.8.8.8", None),
        ("2001:4860:4860::8888", None),
    ],
)
def test_a_host_is_read_label_by_label(reference: Reference, host: str, operator: str | None) -> None:
    found = reference.operator_by_host(host)
    assert (found.operator.id if found else None) == operator


def test_the_longest_suffix_counts(laid: Laid) -> None:
    reference = laid(
        {"id": "wide", "domain_suffixes": ["warung.example"], "asns": []},
        {"id": "narrow", "domain_suffixes": ["sdk.warung.example"], "asns": []},
    )
    for host, operator, by in (
        ("sdk.warung.example", "narrow", "sdk.warung.example"),
        ("a.b.sdk.warung.example", "narrow", "sdk.warung.example"),
        ("mysdk.warung.example", "wide", "warung.example"),
    ):
        found = reference.operator_by_host(host)
        assert found is not None
        assert (found.operator.id, found.by) == (operator, by)


def test_every_domain_and_network_of_a_record_leads_to_it(reference: Reference) -> None:
    for operator in reference.operators.values():
        for suffix in operator.domain_suffixes:
            found = reference.operator_by_host(f"x.{suffix}")
            assert found is not None
            assert found.operator.id == operator.id
            assert found.confidence == ("recalled" if suffix in operator.domains_recalled else "verified")
        for number in operator.asns:
            by_number = reference.operator_by_asn(int(number[2:]))
            assert by_number is not None
            assert by_number.operator.id == operator.id
            assert by_number.confidence == ("recalled" if number in operator.asns_recalled else "verified")
    assert reference.operator_by_asn(None) is None
    assert reference.operator_by_asn(64512) is None


# ------------------------------------------------------------------------------------------------------- owners


def owners(reference: Reference, operator: str, day: str) -> list[tuple[str | None, float | None, str | None]]:
    return [(o.id, o.share_percent, o.as_of) for o in reference.ownership_chain(operator, date.fromisoformat(day))]


def entry(owner: str, as_of: str, share: float | None = None, **more: str) -> dict[str, Any]:
    return {"as_of": as_of, "owner": owner, "share": "s", "source": "own", "share_percent": share} | more


def test_a_holding_begins_on_its_day(laid: Laid) -> None:
    reference = laid(
        {
            "id": "sold",
            "parent": "alibaba",
            "parent_since": "2024-01-31",
            "parent_before": "grab",
            "ownership": [
                entry("Alibaba", "2023-12-11", 75.0),
                entry("Alibaba", "2024-01-31", 75.5, valid_from="2024-01-31"),
                entry("Alibaba", "2025-06", 80.0),
                entry("Grab", "2022-05", 100.0),
                entry("Grab", "2024-01-31", 24.5),
            ],
        }
    )
    assert owners(reference, "sold", "2024-01-31")[0] == ("alibaba", 75.5, None)
    assert owners(reference, "sold", "2025-05-31")[0] == ("alibaba", 75.5, None)
    assert owners(reference, "sold", "2025-06-01")[0] == ("alibaba", 80.0, None)
    # The plan of December is no holding, and what the seller kept is no share of the time before.
    assert owners(reference, "sold", "2024-01-30")[0] == ("grab", 100.0, None)
    assert owners(reference, "sold", "2022-04-30")[0] == ("grab", 100.0, "2022-05-01")


def test_an_owner_before_who_is_not_known_is_not_named(laid: Laid) -> None:
    reference = laid({"id": "sold", "parent": "alibaba", "parent_since": "2024-01-31", "ownership": []})
    assert owners(reference, "sold", "2024-01-30") == []
    assert owners(reference, "sold", "2024-02-01")[0] == ("alibaba", None, None)


def test_what_is_known_for_later_only_says_since_when(laid: Laid) -> None:
    reference = laid(
        {
            "id": "documented",
            "parent": "grab",
            "ownership": [entry("Grab", "2024-05", 60.0), entry("Grab", "2025", 70.0)],
        },
        {"id": "undocumented", "parent": "grab", "ownership": [], "asns": [], "domain_suffixes": ["b.example"]},
        as_of="2026-01-01",
    )
    assert owners(reference, "documented", "2024-05-01") == [("grab", 60.0, None)]
    assert owners(reference, "documented", "2024-04-30") == [("grab", 60.0, "2024-05-01")]
    assert owners(reference, "undocumented", "2025-12-31") == [("grab", None, "2026-01-01")]
    assert owners(reference, "undocumented", "2026-01-01") == [("grab", None, None)]


def test_a_share_that_has_ended_is_not_given(laid: Laid) -> None:
    reference = laid(
        {
            "id": "held",
            "parent": "grab",
            "ownership": [entry("Grab", "2020", 90.0), entry("Grab", "2022", 40.0, valid_to="2023-06-30")],
        }
    )
    assert owners(reference, "held", "2023-06-30") == [("grab", 40.0, None)]
    assert owners(reference, "held", "2023-07-01") == [("grab", 90.0, None)]


def test_a_chain_that_bites_its_tail_ends(laid: Laid) -> None:
    nothing = {"ownership": [], "asns": [], "domain_suffixes": []}
    reference = laid(
        {"id": "a", "parent": "b"} | nothing,
        {"id": "b", "parent": "c"} | nothing,
        {"id": "c", "parent": "a"} | nothing,
        {"id": "self", "parent": "self"} | nothing,
    )
    day = date(2026, 6, 1)
    assert [o.id for o in reference.ownership_chain("a", day)] == ["b", "c"]
    assert reference.ownership_chain("self", day) == []
    assert reference.ownership_chain("nobody", day) == []


def test_tokopedia_before_and_after(reference: Reference) -> None:
    assert [o.id for o in reference.ownership_chain("tokopedia", date(2024, 1, 30))] == ["goto"]
    after = reference.ownership_chain("tokopedia", date(2024, 1, 31))
    assert (after[0].id, after[0].country, after[0].share_percent) == ("tiktok", "CN", 75.01)


def test_what_is_from_memory_dates_nothing_and_gives_no_share(laid: Laid) -> None:
    remembered = entry("Grab", "2020", 100.0, confidence="recalled")
    reference = laid({"id": "held", "parent": "grab", "ownership": [remembered, entry("Grab", "2024", 60.0)]})
    assert owners(reference, "held", "2022-01-01") == [("grab", 60.0, "2024-01-01")]
    reference = laid({"id": "held", "parent": "grab", "ownership": [remembered]})
    assert owners(reference, "held", "2022-01-01") == [("grab", None, "2026-01-01")]


def test_a_former_owner_from_memory_is_unconfirmed(laid: Laid) -> None:
    remembered = entry("Grab", "2020", 100.0, confidence="recalled")
    sold = {"id": "sold", "parent": None, "parent_since": "2024-01-31", "parent_before": "grab"}
    reference = laid(sold | {"ownership": [remembered]})
    (before,) = reference.ownership_chain("sold", date(2023, 1, 1))
    assert (before.id, before.share_percent, before.confidence) == ("grab", None, "recalled")
    assert owners(reference, "sold", "2024-01-31") == []
    reference = laid(sold | {"ownership": [entry("Grab", "2020", 100.0)]})
    (before,) = reference.ownership_chain("sold", date(2023, 1, 1))
    assert (before.share_percent, before.as_of, before.confidence) == (100.0, None, "verified")


def test_the_joint_venture_before_and_after(reference: Reference) -> None:
    (before,) = reference.ownership_chain("tiktok-us-jv", date(2026, 1, 21))
    assert (before.id, before.confidence, before.share_percent) == ("bytedance", "recalled", None)
    assert reference.ownership_chain("tiktok-us-jv", date(2026, 1, 22)) == []


def test_x_before_and_after(reference: Reference) -> None:
    before = reference.ownership_chain("x", date(2026, 2, 1))
    assert [(o.id, o.as_of) for o in before] == [("xai", "2026-02-02")]
    after = reference.ownership_chain("x", date(2026, 2, 2))
    assert [(o.id, o.as_of) for o in after] == [("xai", None), ("spacex", None)]


def test_the_top_of_every_chain_is_run_from_where_the_record_says(reference: Reference) -> None:
    for operator in reference.operators.values():
        chain = reference.ownership_chain(operator.id, reference.as_of)
        if chain and operator.ultimate_parent_country is not None:
            assert chain[-1].country == operator.ultimate_parent_country, operator.id


# ------------------------------------------------------------------------------------------------------- statutes


def test_statutes_by_the_day_they_came_into_force(reference: Reference) -> None:
    for statute in reference.statutes.values():
        since = date.fromisoformat((statute.in_force_since + "-01-01")[:10])
        assert statute in reference.statutes_of(statute.country, since)
        assert statute not in reference.statutes_of(statute.country, date.fromordinal(since.toordinal() - 1))
    assert reference.statutes_of("AQ") == []


def test_production_orders_of_the_union_reach_its_members(reference: Reference) -> None:
    union = {s.id for s in reference.statutes.values() if s.country == "EU"}
    assert union
    for member in reference.groups["e_evidence"].members:
        assert union <= {s.id for s in reference.statutes_of(member)}
    assert not union & {s.id for s in reference.statutes_of("US")}


# ------------------------------------------------------------------------------------------------- phones' own


def test_a_host_with_paths_is_the_phones_own_on_those_only(reference: Reference) -> None:
    checked = 0
    for record in load_noise():
        for host in record["hosts"]:
            if not record.get("paths"):
                continue
            checked += 1
            for path in record["paths"]:
                assert reference.noise_class(host, path) is not None
            others = {reference.noise_class(host, None), reference.noise_class(host, "/shop/basket")}
            # Another record without paths may know the host too.
            without = {r["class"] for r in load_noise() if host in r["hosts"] and not r.get("paths")}
            assert others <= {None} | without
    assert checked > 10


def load_noise() -> list[dict[str, Any]]:
    from analysis.reference import load

    if not _NOISE:
        raw = load.plain((load.HERE / "apps.yaml").read_bytes(), load.HERE / "apps.yaml")
        _NOISE.extend(r for r in raw["system_noise"] if r["kind"] == "host")
    return _NOISE


_NOISE: list[dict[str, Any]] = []


def test_a_host_without_paths_is_the_phones_own_on_all(reference: Reference) -> None:
    for record in load_noise():
        if record.get("paths"):
            continue
        for host in record["hosts"]:
            name = host.replace("*.", "deep.er.").replace("mncXXX", "mnc010").replace("mccXXX", "mcc510")
            for written in (name, name.upper(), name + "."):
                for path in (None, "/", "/anything"):
                    assert reference.noise_class(written, path) is not None, host
            if host.startswith("*."):
                assert reference.noise_class("evil" + host[2:], None) is None


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("www.google.com", "/generate_204", "captive portal check"),
        ("www.google.com", "/search", None),
        ("www.google.com", None, None),
        ("captive.apple.com", "/hotspot-detect.html", "captive portal check"),
        ("epdg.epc.mnc010.mcc510.pub.3gppnetwork.org", None, "operator service"),
        ("epdg.epc.mnc01.mcc510.pub.3gppnetwork.org", None, None),
        ("shop.example", "/generate_204", None),
    ],
)
def test_known_noise(reference: Reference, host: str, path: str | None, expected: str | None) -> None:
    assert reference.noise_class(host, path) == expected


def test_packages_of_the_system(reference: Reference) -> None:
    assert "com.google.android.gms" in reference.noise_packages
    assert "com.zhiliaoapp.musically" not in reference.noise_packages


# ------------------------------------------------------------------------------------------------------- apps


def test_every_app_id_leads_to_its_app_in_either_case(reference: Reference) -> None:
    for app in reference.apps.values():
        for platform, ids in (("android", app.android), ("ios", app.ios)):
            for one in ids:
                assert reference.app(one, platform) is app
                assert reference.app(one.lower(), platform) is app


def test_what_is_stated_outranks_the_list(reference: Reference) -> None:
    assert reference.vendor_of("com.grabtaxi.passenger", "android", "goto")[0] == "goto"
    assert reference.vendor_of("com.grabtaxi.passenger", "android", "somebody else")[0] is None
    assert reference.vendor_of(None, None, reference.operators["grab"].name.upper())[0] == "grab"
    assert reference.vendor_of("no.such.app", None, None) == (None, [])


def test_a_recalled_domain_makes_nobody_a_first_party(reference: Reference) -> None:
    recalled = [a for a in reference.apps.values() if a.domains_recalled]
    assert recalled
    for app in recalled:
        one = (*app.android, *app.ios)
        if one:
            _, domains = reference.vendor_of(one[0], None, None)
            assert not set(domains) & set(app.domains_recalled)


def test_processes_of_the_system(reference: Reference) -> None:
    assert reference.noise_processes["apsd"].class_ == "push"
    assert not reference.noise_processes.keys() & reference.noise_packages.keys()
