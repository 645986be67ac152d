"""Attribute: phases by events, else by the manifest; apps as stated, and the phone's own system apart."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from analysis.conclude import attribute
from analysis.folder import App, Manifest, Phase
from analysis.reference import Reference
from tests.conclude.made import SECOND, destination, exchange, flow, message, rows, sent, tables

REFERENCE = Reference.load()


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def mark(name: str, second: int, end: int | None = None) -> dict[str, Any]:
    more = {} if end is None else {"end": end * SECOND}
    return {"type": "phase", "phase": name, "at": second * SECOND, **more}


def phases_at(manifest: Manifest, events: list[dict[str, Any]], *seconds: int | None) -> list[str | None]:
    flows = [flow(n, first=None if s is None else s * SECOND) for n, s in enumerate(seconds)]
    made = attribute.phases(tables(flows=flows), manifest, events)
    found: list[str | None] = made["flows"]["phase"].to_pylist()
    return found


def test_a_phase_lasts_until_the_next_begins_or_it_ends() -> None:
    events = [mark("browse", 10), mark("login", 5), mark("buy", 20, 25)]
    found = phases_at(Manifest(), events, 4, 5, 9, 10, 19, 20, 24, 25, None)
    assert found == [None, "login", "login", "browse", "browse", "buy", "buy", None, None]


def test_a_phase_within_another_gives_back_to_it() -> None:
    events = [mark("browse", 0, 100), mark("chat", 10, 20), mark("search", 30)]
    found = phases_at(Manifest(), events, 5, 15, 25, 35, 99, 101)
    assert found == ["browse", "chat", "browse", "search", "search", "search"]


def test_marks_of_events_outrank_the_manifest() -> None:
    manifest = Manifest(phases=[Phase(phase="login", start=at(0))])
    assert phases_at(manifest, [], 5) == ["login"]
    assert phases_at(manifest, [{"type": "dns", "at": 0}], 5) == ["login"]
    assert phases_at(manifest, [mark("buy", 3)], 2, 5) == [None, "buy"]


def test_times_of_a_manifest_are_of_its_zone() -> None:
    wall = datetime(2026, 11, 18, 10, 0)
    utc = int(datetime(2026, 11, 18, 3, 0, tzinfo=UTC).timestamp())
    manifest = Manifest(timezone="Asia/Jakarta", phases=[Phase(phase="login", start=wall)])
    assert phases_at(manifest, [], utc - 1, utc) == [None, "login"]
    assert phases_at(Manifest(phases=manifest.phases), [], utc, utc + 7 * 3600) == [None, "login"]
    zoned = Phase(phase="login", start=datetime(2026, 11, 18, 3, 0, tzinfo=UTC))
    assert phases_at(Manifest(timezone="Asia/Jakarta", phases=[zoned]), [], utc) == ["login"]


def test_each_table_by_its_own_time() -> None:
    """A connection opened before the question may carry what is sent after the answer."""
    made = tables(
        flows=[flow(0, first=0)],
        exchanges=[exchange(0, 0, "a.example", started=50 * SECOND)],
        messages=[message(0, 0, exchange=0, at=150 * SECOND)],
        transmissions=[sent(0, 0)],
    )
    found = attribute.phases(made, Manifest(), [mark("login", 0), mark("browse", 40), mark("buy", 100)])
    assert found["flows"]["phase"].to_pylist() == ["login"]
    assert found["exchanges"]["phase"].to_pylist() == ["browse"]
    assert found["transmissions"]["phase"].to_pylist() == ["buy"]


# ----------------------------------------------------------------------------------------------------- apps


def apps(manifest: Manifest, *flows: dict[str, Any], noise: str | None = None) -> list[tuple[Any, Any]]:
    made = tables(
        flows=[{"destination": 0, **f} for f in flows],
        destinations=[destination(0, system_noise=noise)],
        exchanges=[exchange(n, n, "a.example") for n in range(len(flows))],
    )
    found = attribute.apps(made, manifest, REFERENCE)
    assert found["exchanges"]["app"].to_pylist() == found["flows"]["app"].to_pylist()
    return rows(found["flows"], "app", "app_from")


SHOP = App(id="com.example.shop")


def test_what_the_capture_states_stays() -> None:
    stated = flow(0, app="com.example.bank", app_from="stated")
    assert apps(Manifest(app=SHOP, app_only=True), stated) == [("com.example.bank", "stated")]


def test_an_app_that_was_alone_spoke() -> None:
    assert apps(Manifest(app=SHOP, app_only=True), flow(0)) == [("com.example.shop", "stated")]
    assert apps(Manifest(app=SHOP), flow(0)) == [(None, None)]
    assert apps(Manifest(app_only=True), flow(0)) == [(None, None)]


def test_the_phones_system_is_not_the_app() -> None:
    assert apps(Manifest(app=SHOP, app_only=True), flow(0), noise="time") == [(None, "system")]
    package = "com.google.android.gms"
    assert apps(Manifest(app=SHOP), flow(0, app=package, app_from="stated")) == [(package, "system")]
    # Unless it is what is tested.
    assert apps(Manifest(app=App(id=package)), flow(0, app=package, app_from="stated")) == [(package, "stated")]


@pytest.mark.parametrize("noise", [None, "time"])
def test_attribution_is_idempotent(noise: str | None) -> None:
    made = tables(flows=[flow(0, destination=0)], destinations=[destination(0, system_noise=noise)])
    manifest = Manifest(app=SHOP, app_only=True)
    once = attribute.apps(made, manifest, REFERENCE)
    assert attribute.apps(once, manifest, REFERENCE)["flows"] == once["flows"]
