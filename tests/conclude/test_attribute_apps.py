"""Who spoke: each case is what a capture and the phone said, and what may be said of it. Stated, joined and inferred
are told apart; where two could be meant nobody is named."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.audit.clean import Events
from analysis.conclude import attribute, join
from analysis.conclude.clocks import Clocks
from analysis.folder import App, Device, Manifest, Vantage
from analysis.reference import Reference
from analysis.tables import Tables
from tests.conclude.made import PHONE, SECOND, concluded, destination, exchange, flow, rows, sent, source, tables

REFERENCE = Reference.load()
SHOP, BANK, GMS = "com.example.shop", "com.example.bank", "com.google.android.gms"
SERVER, OTHER, PROXY = "198.51.100.7", "198.51.100.8", "192.168.1.5"
MANIFEST = Manifest(app=App(id=SHOP))
AT = 1_780_000_000 * SECOND
DAY = datetime(2026, 11, 24, tzinfo=UTC)
Event = dict[str, Any]


def socket(port: int = 40_000, apps: tuple[str, ...] = (SHOP,), uid: int | None = 10_123, **more: Any) -> Event:
    made = {"type": "socket", "at": AT + SECOND, "uid": uid, "apps": list(apps), "transport": "tcp"}
    return {**made, "src": (PHONE, port), "dst": (SERVER, 443), **more}


def conversation(number: int = 0, port: int = 40_000, **more: Any) -> dict[str, Any]:
    ends = {"src": PHONE, "sport": port, "dst": SERVER, "dport": 443}
    return flow(number, **{"first": AT, "last": AT + 5 * SECOND, "destination": number, **ends, **more})


def told(
    flows: list[dict[str, Any]],
    events: list[Event] | None = None,
    manifest: Manifest = MANIFEST,
    kinds: tuple[str, ...] = ("mitmproxy", "pcapng"),
    noise: dict[int, str] | None = None,
    **more: list[dict[str, Any]],
) -> Tables:
    """What conclude's steps up to attribution make of these rows."""
    places = [destination(f["flow"], system_noise=(noise or {}).get(f["flow"])) for f in flows]
    made = tables(flows=flows, sources=[source(n, k) for n, k in enumerate(kinds)], destinations=places, **more)
    clocks = Clocks(made["flows"], made["sources"], manifest)
    made["flows"] = join.same_traffic(made["flows"], made["exchanges"], made["sources"], clocks)
    made = attribute.phases(made, manifest, events or [])
    return attribute.apps(made, manifest, REFERENCE, events or [])


def said(*args: Any, **more: Any) -> list[tuple[Any, ...]]:
    return rows(told(*args, **more)["flows"], "app", "app_from", "app_by", "whose")


UNKNOWN = (None, None, None, "app")


# ----------------------------------------------------------------------------------- the phone's own sockets

SOCKETS: dict[str, tuple[list[Event], tuple[Any, ...]]] = {
    "both ends, within the flow": ([socket()], (SHOP, "stated", "socket", "app")),
    "another app": ([socket(apps=(BANK,))], (BANK, "stated", "socket", "other")),
    "the phone's system, by its list": ([socket(apps=(GMS,))], (GMS, "system", "socket", "system")),
    "the phone's system, by its number": ([socket(apps=(), uid=1051)], (None, "system", "socket", "system")),
    "the same in a work profile": ([socket(apps=(), uid=1_001_051)], (None, "system", "socket", "system")),
    "an app whose name is not known": ([socket(apps=(), uid=10_200)], UNKNOWN),
    "an app whose name another line says": (
        [socket(apps=(), uid=10_200), socket(1, (BANK,), 10_200)],
        (BANK, "stated", "socket", "other"),
    ),
    "the SDK sandbox of an app": (
        [socket(apps=(), uid=20_200), socket(1, (BANK,), 10_200)],
        (BANK, "stated", "socket", "other"),
    ),
    "a shared user id with the app under test": ([socket(apps=(SHOP, BANK))], UNKNOWN),
    "a shared user id without it": ([socket(apps=("a.b", BANK))], (None, "stated", "socket", "other")),
    "a shared user id of the system": (
        [socket(apps=(GMS, "com.google.android.gsf"))],
        (None, "system", "socket", "system"),
    ),
    "a regular proxy: the socket goes to it": (
        [socket(dst=(PROXY, 8080))],
        (SHOP, "stated", "socket_phone_end", "app"),
    ),
    "a UDP socket that is bound to nothing": (
        [socket(src=("0.0.0.0", 40_000), dst=(None, None)), socket(50_000)],
        (SHOP, "stated", "socket_phone_end", "app"),
    ),
    "and no other socket of this phone": ([socket(src=("::", 40_000), dst=(None, None))], UNKNOWN),
    "behind a router": ([socket(src=("192.168.7.2", 40_000))], UNKNOWN),
    "another port": ([socket(40_001)], UNKNOWN),
    "another transport": ([socket(transport="udp")], UNKNOWN),
    "just before": ([socket(at=AT - SECOND)], (SHOP, "stated", "socket", "app")),
    "long before": ([socket(at=AT - 30 * SECOND)], UNKNOWN),
    "open behind its last octet": ([socket(at=AT + 40 * SECOND)], (SHOP, "stated", "socket", "app")),
    "open behind its last octet, by the phone's end alone": ([socket(dst=(PROXY, 8080), at=AT + 40 * SECOND)], UNKNOWN),
    "just behind, by the phone's end alone": (
        [socket(dst=(PROXY, 8080), at=AT + 8 * SECOND)],
        (SHOP, "stated", "socket_phone_end", "app"),
    ),
    "long after": ([socket(at=AT + 600 * SECOND)], UNKNOWN),
    "closing: nobody's any more": ([socket(), socket(apps=(), uid=0)], (SHOP, "stated", "socket", "app")),
    "two at one time": ([socket(), socket(apps=(BANK,), uid=10_124)], UNKNOWN),
    "both ends outrank one": (
        [socket(), socket(apps=(BANK,), uid=10_124, dst=(OTHER, 443))],
        (SHOP, "stated", "socket", "app"),
    ),
    "without a time": ([socket(at=None)], UNKNOWN),
}


@pytest.mark.parametrize("case", list(SOCKETS))
def test_the_phones_sockets(case: str) -> None:
    events, expected = SOCKETS[case]
    assert said([conversation()], events) == [expected]
    assert said([conversation()], events[::-1]) == [expected]


def test_a_port_that_was_given_to_another_connection() -> None:
    """Each sample belongs to the connection that had the port then."""
    flows = [conversation(), conversation(1, first=AT + 30 * SECOND, last=AT + 35 * SECOND)]
    events = [socket(), socket(apps=(BANK,), uid=10_124, at=AT + 31 * SECOND)]
    assert [row[0] for row in said(flows, events)] == [SHOP, BANK]
    # Seen only behind the beginning of the second: it is not the first one's.
    assert said(flows, events[1:])[0] == UNKNOWN


def test_a_port_that_was_given_to_another_at_once() -> None:
    """Within the time that a sample may be off: it is of the connection that it lies in, and else of neither."""
    flows = [conversation(), conversation(1, first=AT + 6 * SECOND, last=AT + 11 * SECOND)]
    early, late = socket(), socket(apps=(BANK,), uid=10_124, at=AT + 6 * SECOND)
    assert [row[0] for row in said(flows, [early, late])] == [SHOP, BANK]
    assert [row[0] for row in said(flows, [late])] == [None, BANK]
    assert [row[0] for row in said(flows, [socket(at=AT + 4 * SECOND)])] == [SHOP, None]
    assert [row[0] for row in said(flows, [socket(at=AT + 5_500_000)])] == [None, None]


def test_one_port_to_two_servers() -> None:
    """A socket that is known to go elsewhere is not this conversation's."""
    flows = [conversation(), conversation(1, dst=OTHER)]
    assert said(flows, [socket(dst=(OTHER, 443))]) == [UNKNOWN, (SHOP, "stated", "socket", "app")]


def test_a_port_of_the_proxys_client_that_another_app_has_next_around_the_proxy() -> None:
    """A short connection through the proxy that no look met; then its port is another app's, which asks no proxy."""
    flows = [conversation(n, 40_000 + n, last=AT + SECOND) for n in range(12)]
    through = [socket(40_000 + n, dst=(PROXY, 8080)) for n in range(11)]
    around = socket(40_011, (BANK,), 10_124, dst=(OTHER, 443), at=AT + 2 * SECOND)
    assert {row[0] for row in said(flows, [*through, around])[:11]} == {SHOP}
    assert said(flows, [*through, around])[11] == UNKNOWN
    # Two proxies of one capture are both where its sockets go.
    both = [socket(40_011 + n, (BANK,), 10_124, dst=(PROXY, 1080)) for n in range(2)]
    flows.append(conversation(12, 40_012, last=AT + SECOND))
    assert [row[0] for row in said(flows, [*through, *both])[11:]] == [BANK, BANK]


def test_a_proxy_that_reaches_its_servers_elsewhere_than_the_phone_asked() -> None:
    flows = [conversation(n, 40_000 + n) for n in range(12)]
    events = [socket(40_000 + n, dst=(f"203.0.113.{n}", 443)) for n in range(12)]
    assert {row[0] for row in said(flows, events)} == {SHOP}


# ---------------------------------------------------------------------------------------- what a file itself says


def test_a_user_id_has_its_app_from_the_phone() -> None:
    events = [socket(1, (BANK,), 10_200), socket(2, (SHOP,), 10_123)]
    packets = [conversation(n, uid=uid) for n, uid in enumerate((10_200, 10_123, 10_300, 1000, -1))]
    assert said(packets, events) == [
        (BANK, "stated", "uid_map", "other"),
        (SHOP, "stated", "uid_map", "app"),
        (None, "stated", "uid_map", "other"),
        (None, "system", "uid_map", "system"),
        UNKNOWN,
    ]
    # The map's id stands in place of the name that the file shows.
    assert said([conversation(app="My Bank", uid=10_200)], events) == [(BANK, "stated", "uid_map", "other")]
    assert said([conversation(app="netd", uid=1051), conversation(1, uid=10_300)]) == [
        ("netd", "system", "capture", "system"),
        UNKNOWN,
    ]


GAME = "com.example.game"


def owned(second: int, apps: tuple[str, ...], port: int, uid: int = 10_200) -> Event:
    return socket(port, apps, uid, at=AT + second * SECOND)


def test_a_user_id_that_goes_from_one_app_to_another() -> None:
    """Uninstalled, and its number given to another: each connection is of the one who had it then."""
    late = conversation(1, 40_001, first=AT + 600 * SECOND, last=AT + 605 * SECOND)
    events = [owned(1, (SHOP,), 40_000), owned(601, (BANK,), 40_001)]
    stated = [(SHOP, "stated", "socket", "app"), (BANK, "stated", "socket", "other")]
    assert said([conversation(), late], events) == stated
    assert said([conversation(), late], events[::-1]) == stated
    # A file that gives the user id alone: what the phone said within the connection, else on both sides of it.
    flows = [conversation(n, 50_000 + n, uid=10_200, first=AT + s * SECOND) for n, s in enumerate((0, 300, 600, 900))]
    flows = [f | {"last": f["first"] + 5 * SECOND} for f in flows]
    assert said(flows, events, kinds=("connections",), manifest=clock()) == [
        (SHOP, "stated", "uid_map", "app"),
        UNKNOWN,
        (BANK, "stated", "uid_map", "other"),
        (BANK, "stated", "uid_map", "other"),
    ]
    # Between two others than the app under test it is one of them, and so none of its.
    events[0] = owned(1, (GAME,), 40_000)
    assert said(flows, events, kinds=("connections",), manifest=clock())[1] == (None, "stated", "uid_map", "other")


def test_a_socket_without_a_name_has_that_of_its_user_id_then() -> None:
    flows = [conversation(first=AT + 300 * SECOND, last=AT + 305 * SECOND)]
    seen_then, before, after = owned(301, (), 40_000), owned(1, (SHOP,), 1), owned(600, (BANK,), 2)
    assert said(flows, [seen_then, before])[0][0] == SHOP
    assert said(flows, [seen_then, after])[0][0] == BANK
    assert said(flows, [seen_then, before, after]) == [UNKNOWN]
    # A line without a time may be of any.
    assert said(flows, [seen_then, before, after | {"at": None}]) == [UNKNOWN]


@pytest.mark.parametrize("phase", ["install", "uninstalled"])
def test_what_was_said_before_apps_came_or_went_says_nothing_of_later(phase: str) -> None:
    flows = [conversation(first=AT + 300 * SECOND, last=AT + 305 * SECOND)]
    nameless, before, after = owned(301, (), 40_000), owned(1, (BANK,), 1), owned(600, (SHOP,), 2)

    def named(change: int, *events: Event) -> str | None:
        mark = {"type": "phase", "phase": phase, "at": AT + change * SECOND}
        app: str | None = said(flows, [nameless, mark, *events])[0][0]
        return app

    assert named(200, before) is None
    assert named(400, before) == BANK
    assert named(400, after) is None
    assert named(200, after) == SHOP
    assert named(200, before, after) == SHOP
    assert named(400, before, after) == BANK
    # Both sides say the same: it is the same app.
    again = {"type": "phase", "phase": phase, "at": AT + 500 * SECOND}
    assert named(200, again, before, after) is None
    assert named(200, again, before, after | {"apps": [BANK]}) == BANK


def test_a_files_own_word_of_a_connection_is_nearer_than_the_phones_of_another_time() -> None:
    events = [owned(600, (BANK,), 1)]
    assert said([conversation(app=SHOP, uid=10_200)], events) == [(SHOP, "stated", "capture", "app")]
    # A name is no id, and what a field cut off is the same.
    for name in ("Shop", BANK[:12]):
        assert said([conversation(app=name, uid=10_200)], events) == [(BANK, "stated", "uid_map", "other")]


STRANGERS = {
    "another app, whose name nobody told": (10_200, (None, "stated", "socket", "other")),
    "the same of a work profile": (1_010_200, (None, "stated", "socket", "other")),
    "the SDK sandbox of another app": (20_200, (None, "stated", "socket", "other")),
    "the app itself": (10_123, UNKNOWN),
    "the app itself, in a work profile": (1_010_123, UNKNOWN),
    "the app's own SDK sandbox": (20_123, UNKNOWN),
    "a process of whatever app": (99_001, UNKNOWN),
}


@pytest.mark.parametrize("case", list(STRANGERS))
def test_a_user_id_without_a_name_is_not_the_apps_where_the_apps_is_known(case: str) -> None:
    uid, expected = STRANGERS[case]
    known = Manifest(app=App(id=SHOP, uid=10_123))
    assert said([conversation()], [socket(apps=(), uid=uid)], known) == [expected]
    # Without the app's own number nothing is said.
    assert said([conversation()], [socket(apps=(), uid=uid)]) == [UNKNOWN]
    # Another file, which names no app, is joined to it.
    flows = [conversation(1, src="10.9.9.9"), conversation(source=1)]
    assert [row[3] for row in said(flows, [socket(apps=(), uid=uid)], known)] == ["app", expected[3]]


def test_user_ids_of_another_system_are_not_androids() -> None:
    assert said([conversation(uid=1000)]) == [UNKNOWN]


def test_a_file_that_names_an_app_outranks_everything() -> None:
    flows = [conversation(app=BANK)]
    assert said(flows, [socket()], Manifest(app=App(id=SHOP), app_only=True)) == [(BANK, "stated", "capture", "other")]


# ------------------------------------------------------------------------------------------------------- joined


def test_the_same_conversation_in_a_file_that_names_apps() -> None:
    dump = conversation(host="a.example")
    packets = conversation(1, source=1, app=BANK, decrypted=False)
    assert said([dump, packets]) == [(BANK, "joined", "both_ends", "other"), (BANK, "stated", "capture", "other")]
    through = packets | {"dst": PROXY, "dport": 8080}
    assert said([dump, through])[0] == (BANK, "joined", "phone_end", "other")
    # By the phone's map the same.
    assert said([dump, packets | {"app": None, "uid": 10_200}], [socket(1, (BANK,), 10_200)])[0] == (
        *(BANK, "joined", "both_ends", "other"),
    )


INSIDE = {"src": "10.215.173.1", "sport": 33_000, "host": "a.example", "decrypted": False}
"""A conversation as a capture on the phone has it, behind which the phone itself connects to the proxy."""


def on_phone(number: int, app: str | None, **more: Any) -> dict[str, Any]:
    return conversation(number, source=1, app=app, **{**INSIDE, **more})


def elsewhere(number: int, app: str = "a.third", **more: Any) -> dict[str, Any]:
    """Another app of the same file, so that it was not made of one alone."""
    return on_phone(number, app, **{"sport": 34_000, "dst": OTHER, "host": "elsewhere.example", **more})


def clock(ahead: float | None = 0.0, within: float | None = 20.0) -> Manifest:
    return Manifest(app=App(id=SHOP), device=Device(clock_ahead_ms=ahead, clock_within_ms=within))


def test_a_capture_on_the_phone_sees_other_ports_than_the_proxy() -> None:
    """Only the server's end is the same."""
    dump, packets, more = conversation(host="a.example"), on_phone(1, BANK), elsewhere(2)
    assert said([dump, packets, more], manifest=clock())[0] == (BANK, "joined", "server_end", "other")
    # Two apps began to speak to it in that moment: which of them the proxy's connection is, is not known.
    second = on_phone(3, SHOP, sport=33_001, first=AT + SECOND)
    assert said([dump, packets, more, second], manifest=clock())[0] == UNKNOWN
    # And so where the other one has no name, or the proxy saw more than the file that names apps.
    assert said([dump, packets, more, second | {"app": None}], manifest=clock())[0] == UNKNOWN
    again = conversation(3, 40_001, host="a.example", first=AT + SECOND)
    assert said([dump, again, packets, more], manifest=clock())[0] == UNKNOWN
    assert said([dump, packets, more, second | {"app": BANK}], manifest=clock())[0] == (
        *(BANK, "joined", "server_end", "other"),
    )


def test_by_host_and_time_only_where_no_doubt_is_left() -> None:
    dump, packets, more = conversation(host="a.example", dst=OTHER), on_phone(1, BANK), elsewhere(2, dst=PROXY)

    def first(*flows: dict[str, Any]) -> tuple[Any, ...]:
        found: tuple[Any, ...] = said(list(flows), manifest=clock())[0]
        return found

    assert first(dump, packets, more) == (BANK, "joined", "host_and_time", "other")
    assert first(dump, packets | {"first": AT + 10 * SECOND, "last": AT + 11 * SECOND}, more) == UNKNOWN
    assert first(dump, packets | {"host": "b.example"}, more) == UNKNOWN
    assert first(dump, packets | {"app": None}, more) == UNKNOWN
    # The proxy saw another one, too.
    assert first(dump, conversation(3, 40_001, host="a.example", dst=OTHER), packets, more) == UNKNOWN
    # What two addresses share is no name.
    by_address = {"host": SERVER, "host_from": "address"}
    assert first(dump | by_address, packets | by_address, more) == UNKNOWN


def test_a_file_made_of_one_app_alone_joins_nothing_by_time() -> None:
    """A filter: who spoke to that host in that moment may have been left out, and its own one have gone elsewhere."""
    dump = conversation(host="a.example")
    listed = on_phone(1, SHOP, uid=10_123)
    same = [on_phone(2, SHOP, uid=10_123, sport=33_001, dst=OTHER, host="b.example")]
    for more in ([], same, [elsewhere(2, uid=20_123)], [elsewhere(2, "root", uid=0, dport=53)]):
        assert said([dump, listed, *more], manifest=clock())[0] == UNKNOWN
    joined = (SHOP, "joined", "server_end", "app")
    assert said([dump, listed, elsewhere(2, uid=10_200)], manifest=clock())[0] == joined
    # The phone's end needs no time.
    assert said([dump, listed | {"src": PHONE, "sport": 40_000}], manifest=clock())[0] == (
        *(SHOP, "joined", "both_ends", "app"),
    )


def test_a_file_that_leaves_out_what_the_proxy_saw_joins_nothing_by_time() -> None:
    """A filter of two apps shows in that a third one's connections are not there."""
    flows = [conversation(host="a.example"), on_phone(1, SHOP), elsewhere(2, first=AT - 50 * SECOND)]
    flows.append(elsewhere(3, first=AT + 50 * SECOND))
    left = conversation(4, 40_001, dst=PROXY, host="c.example", first=AT - 20 * SECOND)
    assert said(flows, manifest=clock())[0][1] == "joined"
    assert said([*flows, left], manifest=clock())[0] == UNKNOWN
    # It is there by its host or its address, or may be one that has no name.
    for there in ({"host": "c.example"}, {"dst": PROXY, "host": None}, {"dst": "203.0.113.9", "host": None}):
        listed = on_phone(5, "a.third", sport=35_000, first=AT - 20 * SECOND, **there)
        assert said([*flows, left, listed], manifest=clock())[0][1] == "joined"
    # Another device's, a question for a name, and what came before the list or behind it, are none that it must have.
    times = [{"first": AT + s * SECOND, "last": AT + (s + 1) * SECOND} for s in (-70, 70)]
    for other in ({"src": "10.0.0.9"}, {"dport": 53}, *times):
        assert said([*flows, {**left, **other}], manifest=clock())[0][1] == "joined"


# ------------------------------------------------------------------------------------------------------- clocks


def two_apps(ahead: int, gap: int = 3, **more: Any) -> list[dict[str, Any]]:
    """Two apps ask one host, ``gap`` seconds apart; the phone's clock is ``ahead`` seconds ahead."""
    flows = []
    for place, app in enumerate((SHOP, BANK)):
        at = AT + place * gap * SECOND
        times = {"first": at + ahead * SECOND, "last": at + (1 + ahead) * SECOND}
        flows.append(conversation(place, 40_000 + place, host="a.example", first=at, last=at + SECOND))
        flows.append(on_phone(2 + place, app, **{**more, "sport": 33_000 + place, **times}))
    return flows


@pytest.mark.parametrize("ahead", [-1_767_225_600, -86_400, -3, 0, 3, 400])
@pytest.mark.parametrize("kind", ["connections", "pcap"])
def test_a_stated_difference_of_clocks_moves_no_connection_to_another_app(ahead: int, kind: str) -> None:
    kinds = ("mitmproxy", kind)
    made = told(two_apps(ahead), manifest=clock(ahead * 1000), kinds=kinds)
    assert rows(made["flows"], "app", "app_by") == [
        *((SHOP, "server_end"), (SHOP, "capture"), (BANK, "server_end"), (BANK, "capture")),
    ]
    # One conversation is one, and each of them its own.
    assert made["flows"]["same_as"].to_pylist() == [None, 0, None, 1]


@pytest.mark.parametrize("ahead", [-40, -3, 0, 3, 40])
def test_where_the_difference_is_not_stated_nobody_is_named_whom_another_would_change(ahead: int) -> None:
    for manifest in (clock(None), clock(float("nan")), clock(float("inf")), clock(-1e308), clock(1e18)):
        found = said(two_apps(ahead), manifest=manifest, kinds=("mitmproxy", "connections"))
        assert (found[0], found[2]) == (UNKNOWN, UNKNOWN)
    # All of one app, whatever the difference.
    only = [f | {"app": BANK if f["source"] else None} for f in two_apps(0)] + [elsewhere(4)]
    assert [row[0] for row in said(only, manifest=clock(None), kinds=("mitmproxy", "connections"))[:3:2]] == [BANK] * 2


def test_of_two_connections_and_one_listed_neither_is_named_where_the_clock_is_not_known() -> None:
    flows = [two_apps(0, gap=30)[n] for n in (0, 2, 3)] + [elsewhere(4)]
    kinds = ("mitmproxy", "connections")
    assert said(flows, manifest=clock(), kinds=kinds)[1] == (BANK, "joined", "server_end", "other")
    assert said(flows, manifest=clock(None), kinds=kinds)[:2] == [UNKNOWN, UNKNOWN]


def test_a_difference_that_is_not_known_exactly_is_doubt() -> None:
    flows = two_apps(0, gap=5)
    assert said(flows, manifest=clock(0, 100))[0][0] == SHOP
    for loose in (clock(0, 3_500), clock(0, -3_500)):
        assert said(flows, manifest=loose)[0] == UNKNOWN
    # The laptop's own clock was set meanwhile.
    step = {"type": "clock", "at": AT, "step": -4 * SECOND}
    assert said(flows, [step], manifest=clock(0, 100))[0] == UNKNOWN
    for unreadable in (10**400, "4"):
        assert said(flows, [step | {"step": unreadable}], manifest=clock(0, 100))[0] == UNKNOWN
    assert said(flows, [step | {"step": None}], manifest=clock(0, 100))[0][0] == SHOP


def test_an_audit_hands_on_the_events_that_attribution_rests_on() -> None:
    kept = Events(str)
    rests_on = ["app_front", "clock", "lost", "phase", "phone", "socket"]
    kept.add("events.jsonl", [{"type": name, "at": AT} for name in rests_on])
    assert [event["type"] for event in kept.kept] == rests_on


WHOSE_CLOCK: dict[str, tuple[str, dict[str, Any], Manifest, bool]] = {
    "PCAPdroid's list": ("connections", {"src": "192.0.2.1"}, clock(30_000), True),
    "packets in PCAPdroid's tunnel": ("pcap", {}, clock(30_000), True),
    "packets with user ids of Android": ("pcapng", {"src": "192.0.2.1", "uid": 10_300}, clock(30_000), True),
    "packets of whatever machine": ("pcapng", {"src": "192.0.2.1"}, clock(30_000), False),
    "packets of a Linux desktop": ("pcapng", {"src": "192.0.2.1", "uid": 1000}, clock(30_000), False),
    "what the manifest says": (
        "pcapng",
        {"src": "192.0.2.1"},
        Manifest(vantage=Vantage(on_phone=True), started=DAY, device=Device(clock_ahead_ms=30_000)),
        True,
    ),
}


@pytest.mark.parametrize("case", list(WHOSE_CLOCK))
def test_whose_clock_a_file_has(case: str) -> None:
    kind, more, manifest, expected = WHOSE_CLOCK[case]
    made = tables(flows=[conversation(), on_phone(1, None, **more)], sources=[source(0), source(1, kind)])
    clocks = Clocks(made["flows"], made["sources"], manifest)
    assert clocks.on_phone(1) is expected
    assert not clocks.on_phone(0)
    assert clocks.shift(1) == (30 * SECOND if expected else 0)
    least, most = clocks.apart(0, 1)
    assert most >= 30 * SECOND
    assert (least > 0) is expected
    assert clocks.apart(1, 0) == (-most, -least)
    assert clocks.apart(1, 1) == (0, 0)
    assert clocks.from_laptop(1) == (least, most)


def test_a_dump_of_whoever_beside_a_capture_on_the_phone_may_be_of_either_clock() -> None:
    made = tables(flows=[], sources=[source(0), source(1, "pcap")])
    for started, expected in ((None, 0), (DAY, 29 * SECOND)):
        manifest = Manifest(vantage=Vantage(on_phone=True), started=started, device=Device(clock_ahead_ms=30_000))
        assert Clocks(made["flows"], made["sources"], manifest).apart(0, 1) == (expected, 31 * SECOND)


def test_a_phones_end_that_two_apps_had_within_the_doubt() -> None:
    """The phone's clock is not known, and the port was another app's seconds before: both ends are no proof then."""
    dump = conversation(host="a.example", first=AT + 8 * SECOND, last=AT + 9 * SECOND)
    listed = [
        conversation(1 + n, source=1, app=app, first=AT + n * 8 * SECOND, last=AT + (1 + n * 8) * SECOND)
        for n, app in enumerate((BANK, SHOP))
    ]
    kinds = ("mitmproxy", "connections")
    assert said([dump, *listed], manifest=clock(), kinds=kinds)[0] == (SHOP, "joined", "both_ends", "app")
    assert said([dump, *listed], manifest=clock(None), kinds=kinds)[0] == UNKNOWN
    assert said([dump, listed[1]], manifest=clock(None), kinds=kinds)[0][0] == SHOP


def test_files_that_contradict_one_another_name_nobody() -> None:
    flows = [conversation(), conversation(1, source=1, app=BANK), conversation(2, source=2, app=SHOP)]
    assert said(flows, kinds=("mitmproxy", "pcap", "pcapng"))[0] == UNKNOWN


# ------------------------------------------------------------------------------------------------------ the system


def test_the_system_is_never_the_apps_unless_the_app_itself_called() -> None:
    push, tunnel = {0: "push"}, Manifest(app=App(id=SHOP), app_only=True)
    system = (None, "system", "destination", "system")
    assert said([conversation()], noise=push) == [system]
    # That one app was in the tunnel says nothing of who calls a host that phones call by themselves.
    assert said([conversation()], manifest=tunnel, noise=push) == [system]
    # A host and a time do not either.
    dump = conversation(host="push.example", dst=OTHER)
    packets = conversation(1, source=1, app=SHOP, host="push.example", src="10.215.173.1", sport=33_000)
    assert said([dump, packets], noise={0: "push", 1: "push"}) == [system, (SHOP, "stated", "capture", "app")]
    # The flow's own socket does.
    assert said([conversation()], [socket()], noise=push) == [(SHOP, "stated", "socket", "app")]
    assert said([conversation(), conversation(1, source=1, app=SHOP)], noise=push)[0] == (
        *(SHOP, "joined", "both_ends", "app"),
    )
    # And then another app's is that app's.
    assert said([conversation()], [socket(apps=(BANK,))], noise=push) == [(BANK, "stated", "socket", "other")]


def test_a_connection_for_several_hosts_of_which_one_is_the_systems() -> None:
    def whose(**more: Any) -> list[str]:
        made = told(
            [conversation(**more), conversation(1, first=None)],
            noise={1: "captive portal check"},
            exchanges=[exchange(0, 0, "a.example", destination=0), exchange(1, 0, "check.example", destination=1)],
            transmissions=[sent(0, 0, exchange=0, destination=0), sent(1, 0, exchange=1, destination=1)],
        )
        assert made["exchanges"]["whose"].to_pylist() == made["transmissions"]["whose"].to_pylist()
        found: list[str] = made["exchanges"]["whose"].to_pylist()
        return found

    assert whose() == ["app", "system"]
    assert whose(app=SHOP) == ["app", "app"]
    assert whose(app=BANK) == ["other", "other"]


def test_what_the_app_sent_to_a_push_server_carries_a_finding_only_where_the_flow_is_its_own() -> None:
    place = {"dst": "180.163.151.34", "host": "mtalk.google.com"}

    def findings(**more: Any) -> set[str]:
        made = tables(sources=[source(0)], flows=[conversation(**place, **more)], transmissions=[sent(0, 0)])
        return set(concluded(made, REFERENCE, MANIFEST)["findings"]["finding"].to_pylist())

    assert findings() == set()
    assert findings(app=SHOP) > {"DEST-CN"}
    assert findings(app=BANK) == set()


# ------------------------------------------------------------------------------------------------------- inferred

IDLE = [
    {"type": "phase", "phase": "idle", "at": 0},
    {"type": "phase", "phase": "browse", "at": 300 * SECOND},
]
FRONT = [
    {"type": "app_front", "at": 290 * SECOND, "app": SHOP},
    {"type": "app_front", "at": 500 * SECOND, "app": "com.example.launcher"},
]
INFERRED = (SHOP, "inferred", "idle_baseline", "app")


def seen(number: int, second: int, host: str | None, **more: Any) -> dict[str, Any]:
    return flow(number, first=second * SECOND, host=host, destination=number, **{"dst": SERVER, **more})


def at_home(*flows: dict[str, Any], events: list[Event] | None = None, **more: Any) -> list[tuple[Any, ...]]:
    quiet = seen(len(flows), 100, "idle.example", **more)
    return said([*flows, quiet], IDLE + FRONT if events is None else events)[:-1]


def test_a_host_that_the_idle_phone_did_not_have() -> None:
    assert at_home(seen(0, 400, "shop.example")) == [INFERRED]
    assert at_home(seen(0, 400, None), dst=OTHER) == [INFERRED]
    manifest = Manifest(app=App(id="com.example.SHOP"))
    assert said([seen(0, 400, "a.example"), seen(1, 9, "b.example")], IDLE + FRONT, manifest)[0][1] == "inferred"


@pytest.mark.parametrize(
    ("flows", "events"),
    [
        ([seen(0, 400, "idle.example")], None),
        ([seen(0, 400, None)], None),
        ([seen(0, 510, "shop.example")], None),
        ([seen(0, 499, "shop.example")], None),
        ([seen(0, 200, "shop.example")], None),
        ([seen(0, 400, "shop.example")], IDLE),
        ([seen(0, 400, "shop.example")], FRONT),
        ([seen(0, 400, "shop.example")], [*IDLE, {"type": "app_front", "at": 0, "app": None}]),
        ([seen(0, 400, "shop.example")], [*IDLE[:1], {**IDLE[1], "at": 30 * SECOND}, *FRONT]),
        (
            [seen(0, 400, "shop.example")],
            [*IDLE, {"type": "phase", "phase": "buy", "at": 350 * SECOND, "end": 1}, *FRONT],
        ),
        ([seen(0, 400, "shop.example"), seen(1, 450, "shop.example", app=BANK)], None),
        ([seen(0, 400, "shop.example")], [*IDLE, *FRONT, {"type": "phone", "state": "ended", "at": 350 * SECOND}]),
        ([seen(0, 400, "shop.example")], [*IDLE, *FRONT, {"type": "app_front", "at": 290 * SECOND, "app": BANK}]),
        ([seen(0, 400, "shop.example", app_by="capture")], [*IDLE, *FRONT, {"type": "phone", "at": 350 * SECOND}]),
    ],
    ids=(
        "the idle phone had it,nameless and the address known,another app in front,just before the app left,"
        "while idle,nobody watched the front,no idle phase,nobody in front,idle too short,outside of a phase,"
        "another app has it,the phone no longer watched,two in front at one moment,a control"
    ).split(","),
)
def test_without_one_of_its_conditions_nothing_is_inferred(
    flows: list[dict[str, Any]], events: list[Event] | None, request: pytest.FixtureRequest
) -> None:
    expected = INFERRED if "control" in request.node.name else UNKNOWN
    assert at_home(*flows, events=events)[0] == expected


def test_a_baseline_is_a_minute_long() -> None:
    flows = [seen(0, 400, "shop.example"), seen(1, 1, "idle.example")]
    for seconds, expected in ((60, UNKNOWN), (61, INFERRED)):
        events = [IDLE[0], {**IDLE[1], "at": seconds * SECOND}, *FRONT]
        assert said(flows, events)[0] == expected


def test_a_baseline_of_a_capture_that_did_not_run_is_none() -> None:
    assert said([seen(0, 400, "shop.example")], IDLE + FRONT) == [UNKNOWN]
    # Nor one from before the capture has anything of the phone, however long the marks say that it was idle.
    assert said([seen(0, 400, "shop.example"), seen(1, 250, "idle.example")], IDLE + FRONT)[0] == UNKNOWN
    assert said([seen(0, 400, "shop.example"), seen(1, 239, "idle.example")], IDLE + FRONT)[0] == INFERRED


def moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


RAN: dict[str, tuple[Manifest, list[Event], tuple[Any, ...]]] = {
    "a recording of Lintas' own": (Manifest(started=moment(90), sealed=moment(600)), [], INFERRED),
    "it was started late": (Manifest(started=moment(250)), [], UNKNOWN),
    "it was sealed early": (Manifest(started=moment(0), sealed=moment(150)), [], UNKNOWN),
    "what was met could not be written": (
        Manifest(),
        [{"type": "lost", "at": 130 * SECOND, "end": 280 * SECOND, "cause": "disk_full"}],
        UNKNOWN,
    ),
    "but for a moment": (
        Manifest(),
        [{"type": "lost", "at": 130 * SECOND, "end": 140 * SECOND, "cause": "disk_full"}],
        INFERRED,
    ),
}


@pytest.mark.parametrize("case", list(RAN))
def test_an_idle_phase_counts_as_far_as_the_recording_ran(case: str) -> None:
    manifest, more, expected = RAN[case]
    flows = [seen(0, 400, "shop.example"), seen(1, 100, "idle.example")]
    told_app = Manifest(app=MANIFEST.app, started=manifest.started, sealed=manifest.sealed)
    assert said(flows, IDLE + FRONT + more, told_app)[0] == expected


def test_each_recorder_has_a_baseline_of_its_own() -> None:
    """Packets that ran all the time show nothing of what the proxy, which came later, would have seen."""
    late = [seen(0, 400, "shop.example"), seen(1, 290, "a.example")]
    packets = [seen(2 + n, s, f"{n}.example", source=1) for n, s in enumerate((1, 290))]
    assert said([*late, *packets], IDLE + FRONT)[0] == UNKNOWN
    assert said([*late, *packets], IDLE + FRONT, kinds=("pcap", "mitmproxy"))[0] == UNKNOWN
    # The proxy's own files are one recorder, where Lintas wrote them.
    own = Manifest(app=MANIFEST.app, started=moment(0))
    assert said([*late, *packets], IDLE + FRONT, own, kinds=("mitmproxy", "events"))[0] == INFERRED
    # Two dumps with a gap in between are two.
    assert said([*late, packets[0]], IDLE + FRONT, kinds=("mitmproxy", "mitmproxy"))[0] == UNKNOWN


SECOND_DEVICE = "10.0.0.9"


def device(address: str | None, *flows: dict[str, Any], events: list[Event] | None = None) -> list[tuple[Any, ...]]:
    """The phone was idle, and these came while the app was in front."""
    quiet = seen(len(flows), 100, "idle.example", src=PHONE)
    manifest = Manifest(app=MANIFEST.app, device=Device(address=address))
    return said([*flows, quiet], [*IDLE, *FRONT, *(events or [])], manifest)[:-1]


def test_nothing_is_inferred_of_another_device() -> None:
    other, phones = seen(0, 400, "a.example", src=SECOND_DEVICE), seen(1, 401, "b.example", src=PHONE)
    # Two devices, and nothing says which is the phone.
    assert device(None, other, phones) == [UNKNOWN, UNKNOWN]
    assert device(None, {**other, "src": PHONE}, phones) == [INFERRED, INFERRED]
    # The manifest says it, in whatever form, or the phone's own sockets.
    for address in (PHONE, f"::ffff:{PHONE}"):
        assert device(address, other, phones) == [UNKNOWN, INFERRED]
    assert device(SECOND_DEVICE, other, phones) == [UNKNOWN, UNKNOWN]
    theirs = socket(50_000, at=350 * SECOND)
    assert device(None, other, phones, events=[theirs]) == [UNKNOWN, INFERRED]
    # What a phone says to itself has everybody's address.
    assert device(None, other, phones, events=[theirs | {"dst": (PHONE, 1)}]) == [UNKNOWN, UNKNOWN]
    # And so does what waits on the phone's loopback: these connections are of the laptop itself.
    laptops = {**other, "src": "127.0.0.1"}
    waits = theirs | {"src": ("127.0.0.1", 1), "dst": (None, None)}
    assert device(None, laptops, phones, events=[waits]) == [UNKNOWN, UNKNOWN]
    assert device(None, laptops, phones, events=[waits, theirs]) == [UNKNOWN, INFERRED]


def test_an_idle_phase_in_which_only_another_device_spoke_is_no_baseline() -> None:
    flows = [seen(n, s, f"{n}.example", src=PHONE) for n, s in enumerate((400, 1))]
    events = [*IDLE, {"type": "phase", "phase": "login", "at": 0, "end": 10 * SECOND}, *FRONT]
    events[0] = {**IDLE[0], "at": 20 * SECOND}
    manifest = Manifest(app=MANIFEST.app, device=Device(address=PHONE))
    for address, expected in ((PHONE, INFERRED), (SECOND_DEVICE, UNKNOWN)):
        assert said([*flows, seen(2, 150, "idle.example", src=address)], events, manifest)[0] == expected


def test_an_address_of_the_other_version_of_ip() -> None:
    six = seen(0, 400, "a.example", src="2001:db8::1")
    assert device(PHONE, six) == [INFERRED]
    # There is another device, and whose this address is nobody knows.
    other = seen(1, 401, "b.example", src=SECOND_DEVICE)
    assert device(PHONE, six, other) == [UNKNOWN, UNKNOWN]
    assert device(PHONE, six, {**six, "flow": 1, "src": "2001:db8::2"}) == [UNKNOWN, UNKNOWN]


def test_another_device_is_the_phones_app_by_no_time() -> None:
    flows = [conversation(host="a.example"), on_phone(1, SHOP), elsewhere(2)]
    for address, expected in ((None, SHOP), (PHONE, SHOP), (SECOND_DEVICE, None)):
        manifest = Manifest(app=MANIFEST.app, device=Device(clock_ahead_ms=0, address=address))
        assert said(flows, manifest=manifest)[0][0] == expected


def test_what_the_phones_clock_says_is_moved_to_the_laptops() -> None:
    """Phases, sockets and the app in front are told by the laptop's."""
    listed = [seen(0, 470, "shop.example", source=1), seen(1, 100, "idle.example", source=1, last=250 * SECOND)]

    def first(manifest: Manifest, **more: Any) -> tuple[Any, ...]:
        flows = [{**f, **more} for f in listed]
        found: tuple[Any, ...] = said(flows, IDLE + FRONT, manifest, kinds=("events", "connections"))[0]
        return found

    assert first(clock(0)) == INFERRED
    assert first(clock(-100_000)) == UNKNOWN
    # The app may have left before, by a clock that is known less well.
    assert first(clock(0, 10_000)) == INFERRED
    assert first(clock(0, 30_000)) == UNKNOWN
    made = told(listed, IDLE, clock(180_000), kinds=("events", "connections"))
    assert made["flows"]["phase"].to_pylist() == ["idle", None]
    packets = [conversation(0, source=1, uid=10_999, first=AT + 60 * SECOND, last=AT + 65 * SECOND)]
    events = [socket(), socket(1, (BANK,), 10_124)]
    kinds = ("events", "connections")
    through = [socket(dst=(PROXY, 8080))]
    assert said([{**packets[0], "uid": None}], through, clock(60_000), kinds=kinds)[0][2] == "socket_phone_end"
    assert said([{**packets[0], "uid": None}], through, clock(60_000, 3_000), kinds=kinds)[0] == UNKNOWN
    assert said([{**packets[0], "uid": None}], events, clock(60_000), kinds=kinds)[0][:3:2] == (SHOP, "socket")
    # Which of two that had the port is meant, is not known where the clock is not.
    two = [{**packets[0], "uid": None}, {**packets[0], "flow": 1, "uid": None, "first": AT, "last": AT + 5 * SECOND}]
    assert [row[0] for row in said(two, events, clock(60_000), kinds=kinds)] == [SHOP, None]
    assert said(two, events, clock(None), kinds=kinds) == [UNKNOWN, UNKNOWN]


def test_a_name_that_the_idle_phone_asked_for_is_not_new() -> None:
    asked = {"address": SERVER, "name": "shop.example", "from": "dns", "first": 50 * SECOND, "last": 50 * SECOND}
    flows = [seen(0, 400, "shop.example"), seen(1, 100, "idle.example")]
    assert said(flows, IDLE + FRONT, names=[asked])[0] == UNKNOWN
    assert said(flows, IDLE + FRONT, names=[asked | {"first": 350 * SECOND, "last": 350 * SECOND}])[0] == INFERRED


def test_a_finding_says_for_which_types_the_app_is_only_inferred_or_assumed() -> None:
    china = "180.163.151.34"
    hosts = ["stated.example", "inferred.example", "assumed.example", "idle.example"]
    flows = [
        flow(n, first=s * SECOND, dst=china if n < 3 else SERVER, host=h, **more)
        for n, (h, s, more) in enumerate(zip(hosts, (400, 400, 510, 100), ({"app": SHOP}, {}, {}, {}), strict=True))
    ]
    leaves = [sent(0, 0, "email"), sent(1, 1, "email"), sent(2, 1, "imei"), sent(3, 2, "gender")]
    made = tables(sources=[source(0)], flows=flows, transmissions=leaves)
    manifest = Manifest(app=App(id=SHOP), user_country="ID")
    found = concluded(made, REFERENCE, manifest, events=tuple(IDLE + FRONT))["findings"].to_pylist()
    (finding,) = [f for f in found if f["finding"] == "DEST-CN"]
    args = {a["name"]: a["value"] for a in finding["args"]}
    assert (args["types"], args["types_inferred"], args["types_assumed"]) == ("email,gender,imei", "imei", "gender")
    assert "missing.app_stated" in finding["missing"]
    only = {**made, "transmissions": tables(transmissions=leaves[:1])["transmissions"]}
    found = concluded(only, REFERENCE, manifest, events=tuple(IDLE + FRONT))["findings"].to_pylist()
    assert all("missing.app_stated" not in f["missing"] for f in found)
    assert found


# ------------------------------------------------------------------------------------------------- names and ids


def kept(app: App, *names: str | None) -> list[str]:
    return [row[3] for row in said([conversation(n, app=a) for n, a in enumerate(names)], manifest=Manifest(app=app))]


def test_apps_that_are_called_by_name() -> None:
    named = App(id=SHOP, name="Toko Kirana Belanja Online")
    assert kept(named, "Toko Kirana Belanja", "Chrome") == ["app", "other"]
    # What the capture calls the app under test is not known: no name can be told to be another's.
    assert kept(App(id=SHOP), "Toko Kirana Belanja", "Chrome") == ["app", "app"]
    assert kept(App(id=SHOP), "com.example.SHOP", BANK, None) == ["app", "other", "app"]
    known = next(a for a in REFERENCE.apps.values() if a.android)
    assert kept(App(id=known.android[0]), known.name, "Chrome") == ["app", "other"]
    # Nobody said which app is tested: everything but the phone's own counts.
    assert kept(App(), SHOP, BANK, GMS) == ["app", "app", "system"]


def test_daemons_of_the_phone_are_its_system_and_no_app() -> None:
    assert kept(App(id=SHOP), "apsd", "softwareupdateservicesd"[:16], "apsdx") == ["system", "system", "app"]
    assert said([conversation(app="trustd")]) == [("trustd", "system", "capture", "system")]


def test_an_id_that_begins_like_another_is_another() -> None:
    assert kept(App(id=SHOP + "ping"), SHOP, BANK) == ["other", "other"]
    assert kept(App(id="com.example.toko"), "Toko.com", "Chrome", BANK) == ["app", "app", "other"]


@pytest.mark.parametrize("length", [15, 16, 19])
def test_a_name_that_a_field_cut_off(length: int) -> None:
    name = "Warung Kopi Sederhana Nusantara"
    assert kept(App(id=SHOP, name=name), name[:length], "Chrome") == ["app", "other"]
    assert kept(App(id=SHOP, name=name), name[:length], name[:12]) == ["app", "other"]


# --------------------------------------------------------------------------------------------------- the totals


def test_each_app_with_what_it_is_known_by() -> None:
    flows = [
        conversation(0, app=SHOP),
        conversation(1, 40_001, app=SHOP, destination=0),
        conversation(2, 40_002, app=BANK, bytes_out=1000),
        conversation(3, 40_003),
        conversation(4, source=1, app=SHOP),
    ]
    made = told(flows, noise={3: "time"})
    names = "app app_from app_by whose flows destinations bytes_out bytes_in".split()
    assert rows(made["apps"], *names) == [
        (SHOP, "stated", "capture", "app", 2, 1, 20, 40),
        (BANK, "stated", "capture", "other", 1, 1, 1000, 20),
        (None, "system", "destination", "system", 1, 1, 10, 20),
    ]


def test_octets_of_a_destination_that_are_the_apps() -> None:
    flows = [conversation(0, host="a.example", app=SHOP), conversation(1, 40_001, host="a.example", app=BANK)]
    asked = [exchange(0, 0, "b.example", request_bytes=4, response_bytes=5)]
    made = concluded(tables(sources=[source(0)], flows=flows, exchanges=asked), REFERENCE, MANIFEST)
    names = "host flows bytes_out bytes_in app_flows app_bytes_out app_bytes_in".split()
    assert rows(made["destinations"], *names) == [
        ("a.example", 2, 16, 35, 1, 6, 15),
        ("b.example", 0, 4, 5, 0, 4, 5),
    ]


# -------------------------------------------------------------------------------------------------------- the laws

FLOW = st.fixed_dictionaries(
    {
        "sport": st.sampled_from([40_000, 40_001]),
        "dst": st.sampled_from([SERVER, OTHER, PROXY]),
        "host": st.sampled_from([None, "a.example", "b.example"]),
        "first": st.sampled_from([100, 110, 400, 401, 420, 510]).map(lambda s: s * SECOND),
        "app": st.sampled_from([None, None, SHOP, BANK, GMS]),
        "uid": st.sampled_from([None, None, 10_123, 10_200, 1051]),
        "decrypted": st.booleans(),
    }
)
FILE = st.lists(FLOW, max_size=4, unique_by=lambda f: (f["sport"], f["dst"], f["first"] // (10 * SECOND)))
"""Two ends have one conversation at a time."""
SOCKET = st.builds(
    lambda second, port, dst, owner: socket(port, owner[0], owner[1], at=second * SECOND, dst=(dst, 443)),
    st.sampled_from([99, 400, 402, 425, 511]),
    st.sampled_from([40_000, 40_001]),
    st.sampled_from([SERVER, OTHER, PROXY]),
    st.sampled_from([((SHOP,), 10_123), ((BANK,), 10_200), ((), 1051), ((SHOP, BANK), 10_300)]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FILE, min_size=1, max_size=3), st.lists(SOCKET, max_size=5), st.randoms())
def test_the_order_of_files_and_lines_changes_nothing(
    files: list[list[dict[str, Any]]], events: list[Event], dice: random.Random
) -> None:
    """Each flow is attributed alike, in whatever order its file and its line stand, and by a second run."""

    def attributed(order: list[int], shuffled: list[list[int]], lines: list[Event]) -> dict[Any, Any]:
        flows, keys = [], []
        for place, file in enumerate(order):
            for row in shuffled[file]:
                last = files[file][row]["first"] + SECOND
                number = len(flows)
                flows.append(conversation(number, source=place, **{**files[file][row], "last": last}))
                keys.append((file, row))
        made = told(flows, lines, kinds=tuple("pcapng" for _ in order))
        again = attribute.apps(made, MANIFEST, REFERENCE, lines)
        assert again["flows"] == made["flows"]
        assert sum(made["apps"]["flows"].to_pylist()) == made["flows"]["same_as"].to_pylist().count(None)
        assert None not in made["flows"]["whose"].to_pylist()
        return dict(zip(keys, rows(made["flows"], "app", "app_from", "app_by", "whose"), strict=True))

    order = list(range(len(files)))
    lines = IDLE + FRONT + events
    plain = attributed(order, [list(range(len(f))) for f in files], lines)
    other = order[:]
    dice.shuffle(other)
    marks = lines[:]
    dice.shuffle(marks)
    assert attributed(other, [list(range(len(f))) for f in files], marks) == plain


class TestUserAgent:
    """The client's own word: weaker than all else."""

    TOKO = Manifest(app=App(id="id.example.toko", name="Toko"))

    @staticmethod
    def clues(**by_flow: str) -> list[dict[str, Any]]:
        return [{"flow": int(n[1:]), "kind": "user_agent", "text": text, "origin": "x"} for n, text in by_flow.items()]

    def test_it_names_the_app_as_inferred(self) -> None:
        flows = [conversation(0), conversation(1, 40_001, dst=OTHER)]
        got = said(flows, manifest=self.TOKO, clues=self.clues(_0="Toko"))
        assert got == [("Toko", "inferred", "user_agent", "app"), (None, None, None, "app")]

    @pytest.mark.parametrize("agent", ["com.apple.trustd", "locationd", "Android-GCM", "geod"])
    def test_the_phones_own_programs_are_the_systems(self, agent: str) -> None:
        assert said([conversation()], clues=self.clues(_0=agent)) == [(agent, "system", "user_agent", "system")]

    def test_another_app_is_another_only_by_its_id_or_where_the_tested_one_is_named(self) -> None:
        flows = [conversation(0), conversation(1, 40_001, dst=OTHER)]
        assert said(flows[:1], manifest=self.TOKO, clues=self.clues(_0="Bank"))[0][3] == "app"
        assert said(flows[:1], manifest=self.TOKO, clues=self.clues(_0="id.example.bank"))[0][3] == "other"
        assert said(flows, manifest=self.TOKO, clues=self.clues(_0="Bank", _1="Toko"))[0][3] == "other"

    def test_two_words_in_one_flow_say_nothing(self) -> None:
        both = [*self.clues(_0="Toko"), *self.clues(_0="Bank")]
        assert said([conversation()], manifest=self.TOKO, clues=both) == [(None, None, None, "app")]

    def test_what_is_stated_outranks_it(self) -> None:
        flows = [conversation(app=SHOP, app_from="stated")]
        assert said(flows, clues=self.clues(_0="locationd")) == [(SHOP, "stated", "capture", "app")]
        got = said([conversation()], manifest=Manifest(app=App(id=SHOP), app_only=True), clues=self.clues(_0="geod"))
        assert got == [(SHOP, "stated", "tunnel", "app")]

    def test_the_capture_suggests_an_app_where_most_of_it_names_one(self) -> None:
        flows = [conversation(n, 40_000 + n, dst=OTHER) for n in range(4)]
        nobody = Manifest()
        made = told(flows, manifest=nobody, clues=self.clues(_0="Toko", _1="Toko", _2="Toko", _3="geod"))
        named = self.counted(made, "app", "app", "app", "system")
        assert attribute.suggested(named) == {"app": "Toko", "by": "user_agent", "flows": 3, "of": 3}
        made = told(flows, manifest=nobody, clues=self.clues(_0="Toko", _1="Toko"))
        assert attribute.suggested(self.counted(made, "app", "app", "app", "app")) is None

    def test_connections_that_reached_nobody_suggest_no_app(self) -> None:
        flows = [conversation(n, 40_000 + n, dst=OTHER) for n in range(4)]
        made = told(flows, manifest=Manifest(), clues=self.clues(_0="Toko", _1="Toko", _2="Toko"))
        told_of = [
            self.counted(made, "undelivered", *counts) for counts in (("app",) * 3, ("undelivered", "app", "app"))
        ]
        assert attribute.suggested(told_of[0]) == {"app": "Toko", "by": "user_agent", "flows": 2, "of": 3}
        assert attribute.suggested(told_of[1]) is None

    @staticmethod
    def counted(made: dict[str, pa.Table], *counts: str) -> pa.Table:
        flows = made["flows"]
        return flows.set_column(flows.schema.get_field_index("counts"), "counts", pa.array(counts, pa.string()))
