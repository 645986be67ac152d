"""The record of a real Chromium on the whole road: what never left is in no number, and what nobody understood is named
by its state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import reports
from analysis import tables
from analysis.audit import AuditOptions, audit
from tests.chromium import chromium_path
from tests.reports import browser_har as page
from tests.reports.recount import Recount
from tests.reports.test_every_number import check, check_beside

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, page.Account]:
    if chromium_path() is None:
        pytest.skip("Chromium is missing")
    place = tmp_path_factory.mktemp("browser")
    har, account = page.record(place)
    audit(har, place / "audit", AuditOptions(workers=1))
    reports.build(place / "audit")
    return place / "audit", account


@pytest.fixture(scope="module")
def rows(audited: tuple[Path, page.Account]) -> dict[str, list[dict[str, Any]]]:
    return {name: table.to_pylist() for name, table in tables.read(audited[0])[0].items()}


def _of(rows: list[dict[str, Any]], host: str) -> list[dict[str, Any]]:
    return [r for r in rows if r["host"] == f"{host}.{page.ZONE}"]


def _at(rows: dict[str, list[dict[str, Any]]], table: str, host: str) -> list[dict[str, Any]]:
    places = {d["destination"] for d in _of(rows["destinations"], host)}
    return [r for r in rows[table] if r["destination"] in places]


def test_the_servers_received_what_the_page_did(audited: tuple[Path, page.Account]) -> None:
    got = {host for host, method, _, _ in audited[1].requests if method in ("GET", "POST", "MESSAGE")}
    assert got == {*page.DELIVERED, page.LATE}


@pytest.mark.parametrize("host", page.UNDELIVERED)
def test_what_never_left_is_in_no_number(rows: dict[str, list[dict[str, Any]]], host: str) -> None:
    (place,) = _of(rows["destinations"], host)
    assert (place["answered"], place["app_bytes_out"], place["app_bytes_in"]) == (False, 0, 0)
    assert {r["counts"] for r in _at(rows, "flows", host)} == {"undelivered"}
    assert {r["counts"] for r in _at(rows, "exchanges", host)} == {"undelivered"}
    assert "sent" not in {r["counts"] for r in _at(rows, "transmissions", host)}


def test_a_body_without_an_answer_is_not_claimed_and_counted_as_not_stated(
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    assert "sent" not in {r["counts"] for r in _at(rows, "transmissions", page.LATE)}
    assert [r["count"] for r in rows["losses"] if r["kind"] == "delivery_not_stated"] == [3]


@pytest.mark.parametrize("host", page.DELIVERED)
def test_what_a_server_answered_counts(rows: dict[str, list[dict[str, Any]]], host: str) -> None:
    assert True in {d["answered"] for d in _of(rows["destinations"], host)}
    assert "app" in {r["counts"] for r in _at(rows, "exchanges", host)}


@pytest.mark.parametrize(
    ("host", "direction", "state"),
    [
        ("binary", "sent", "not_understood"),
        ("sealed", "sent", "cut"),
        ("sealed", "received", "sealed"),
        ("wrapped", "sent", "sealed"),
    ],
)
def test_a_body_has_the_state_of_what_it_is(
    rows: dict[str, list[dict[str, Any]]], host: str, direction: str, state: str
) -> None:
    states = {r["state"] for r in _at(rows, "readings", host) if r["direction"] == direction and r["bodies"]}
    assert states == {state}
    assert not _at(rows, "transmissions", host)


def test_a_weak_sign_stands_apart(audited: tuple[Path, page.Account], rows: dict[str, list[dict[str, Any]]]) -> None:
    assert {(r["counts"], r["strength"]) for r in _at(rows, "transmissions", "weak")} == {("sent", "weak")}
    again = Recount(audited[0])
    assert again.types == {"email", "vendor_device_id"}
    assert again.weak_types == {"postal_address"}


def test_a_service_workers_own_answer_is_no_host_that_was_tried(
    audited: tuple[Path, page.Account], rows: dict[str, list[dict[str, Any]]]
) -> None:
    assert sum(r["count"] for r in rows["losses"] if r["kind"] == "from_cache") == 2
    tried = Recount(audited[0]).tried
    names = {d["host"] for d in rows["destinations"] if d["destination"] in tried}
    assert names == {f"{h}.{page.ZONE}" for h in (*page.UNDELIVERED, page.LATE)}


def test_every_number_of_its_report_is_recounted(audited: tuple[Path, page.Account]) -> None:
    assert check(audited[0])
    check_beside(audited[0])
