"""Link: identifiers that reached several receivers. Opaque: what could not be opened, and only then why."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.conclude import attribute, counting, link, opaque
from analysis.folder import App, Device, Manifest
from analysis.reference import Reference
from analysis.tables import Tables
from tests.conclude.made import SECOND, destination, flow, message, rows, sent, tables

REFERENCE = Reference.load()


def linked(*leaves: dict[str, Any], flows: list[dict[str, Any]] | None = None, **manifest: Any) -> list[dict[str, Any]]:
    made = tables(
        flows=flows or [flow(n, destination=n) for n in range(3)],
        messages=[message(n, n, at=n * SECOND) for n in range(3)],
        transmissions=list(leaves),
        destinations=[destination(n, operator=["warung", "iklan", None][n]) for n in range(3)],
    )
    made = counting.counts(attribute.apps(made, Manifest(**manifest), REFERENCE), REFERENCE)
    found: list[dict[str, Any]] = link.identifiers(made, REFERENCE).to_pylist()
    return found


def leaf(number: int, to: int, kind: str = "imei", **more: Any) -> dict[str, Any]:
    return sent(number, to, kind, message=to, destination=to, **more)


def test_an_identifier_that_two_received() -> None:
    (found,) = linked(leaf(0, 0), leaf(1, 1), leaf(2, 2), leaf(3, 0))
    assert found["destinations"] == [0, 1, 2]
    assert found["operators"] == ["iklan", "warung"]
    assert (found["last"] - found["first"]).total_seconds() == 2


@pytest.mark.parametrize(
    "change",
    [
        {"value_key": "other"},
        {"data_type": "advertising_id"},
        {"destination": 0},
        {"destination": None},
        {"direction": "received"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_what_is_no_link(change: dict[str, Any]) -> None:
    assert linked(leaf(0, 0), leaf(1, 1) | change) == []


@pytest.mark.parametrize("kind", ["country_region", "gender", "date_of_birth", "locale_timezone"])
def test_what_many_people_share_links_nobody(kind: str) -> None:
    assert linked(leaf(0, 0, kind), leaf(1, 1, kind)) == []


def test_a_value_that_was_planted_under_a_name_of_its_own_links() -> None:
    assert len(linked(leaf(0, 0, "loyalty card"), leaf(1, 1, "loyalty card"))) == 1


def test_only_what_the_app_sent_and_what_counts() -> None:
    for change in ({"same_as": 0}, {"app": "com.google.android.gms"}, {"app": "com.example.bank"}):
        flows = [flow(0, destination=0), flow(1, destination=1) | change]
        assert linked(leaf(0, 0), leaf(1, 1), flows=flows, app=App(id="com.example.shop")) == [], change


# ------------------------------------------------------------------------------------------------- opaque


def unread(kind: str, octets: int | None = 5, count: int | None = 1, cause: str = "not_stated") -> dict[str, Any]:
    return {"kind": kind, "cause": cause, "bytes": octets, "count": count}


def gathered(manifest: Manifest, *flows: dict[str, Any]) -> Tables:
    return {"opaque": opaque.gather(tables(flows=list(flows)), manifest)}


REFUSED = flow(0, host="a.example", unread=[unread("ca_refused", cause="certificate_not_trusted")], destination=0)


@pytest.mark.parametrize(
    ("manifest", "kind"),
    [
        (Manifest(), "ca_refused"),
        (Manifest(opened_by="user_certificate"), "ca_refused"),
        (Manifest(opened_by="hooks"), "ca_refused"),
        (Manifest(device=Device(by_system=False)), "ca_refused"),
        (Manifest(opened_by="system_certificate"), "pinned"),
        (Manifest(device=Device(by_system=True)), "pinned"),
    ],
)
def test_a_refusal_is_a_pin_only_when_proven(manifest: Manifest, kind: str) -> None:
    (row,) = gathered(manifest, REFUSED)["opaque"].to_pylist()
    assert (row["kind"], row["cause"], row["host"], row["bytes"]) == (kind, "certificate_not_trusted", "a.example", 5)


@pytest.mark.parametrize("kind", ["encrypted", "non_http", "relayed", "truncated", "unread", "not_understood"])
def test_nothing_else_becomes_a_pin(kind: str) -> None:
    made = gathered(Manifest(opened_by="system_certificate"), flow(0, unread=[unread(kind)]))
    assert rows(made["opaque"], "kind") == [kind]


def test_each_kind_of_a_flow_that_counts() -> None:
    flows = [
        flow(0, unread=[unread("encrypted", 5), unread("truncated", None, None)]),
        flow(1, unread=[unread("encrypted", 7, 3)], same_as=0),
        flow(2, unread=None),
        flow(3, unread=[unread("encrypted", 2)]),
    ]
    made = gathered(Manifest(), *flows)["opaque"]
    assert rows(made, "flow", "kind", "bytes", "count") == [
        (0, "encrypted", 5, 1),
        (0, "truncated", 0, 1),
        (3, "encrypted", 2, 1),
    ]
    assert opaque.octets_by_kind(made) == {"encrypted": 7, "truncated": 0}
