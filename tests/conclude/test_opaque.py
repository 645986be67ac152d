"""Opaque: what a signal means once the whole capture is seen, and how much of each app could be read."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from analysis.conclude import counting, destinations, opaque, readings
from analysis.folder import Device, Manifest
from analysis.reference import Reference
from analysis.tables import Tables
from tests.conclude.made import SECOND, exchange, flow, message, rows, source, tables

REFERENCE = Reference.load()
APP, OTHER = "com.example.shop", "com.example.bank"


def events() -> list[dict[str, Any]]:
    """A proxy's folder: the dump is source 0, the events are source 1, packets source 2."""
    return [source(0), source(1, "events"), source(2, "pcap")]


def signal(number: int, cause: str, kind: str = "unread", host: str = "pay.example", **more: Any) -> dict[str, Any]:
    """A connection that events tell of."""
    part = {"kind": kind, "cause": cause, "bytes": more.pop("octets", 500), "count": more.pop("count", 1)}
    more = {"bytes_out": 200, "bytes_in": 300, "src": "10.0.0.2", **more}
    return flow(number, source=1, host=host, decrypted=False, bytes_read=0, unread=[part], **more)


def opened(number: int, host: str = "pay.example", **more: Any) -> dict[str, Any]:
    """A TLS connection of the dump whose content was read."""
    return flow(number, host=host, tls="TLSv1.3", src="10.0.0.2", bytes_read=30, **more)


def kinds(*flows: dict[str, Any], manifest: Manifest | None = None, told: Any = ()) -> list[Any]:
    """``told``: lines of events."""
    made = opaque.gather(tables(sources=events(), flows=list(flows)), manifest or Manifest(), told)
    return rows(made, "flow", "kind")


def test_what_is_passed_through_for_the_servers_sake_says_so() -> None:
    """Also where the dump tells of the refused connections too, and counts in their stead."""
    refused = signal(1, "server_certificate", octets=0, same_as=0)
    passed = signal(2, "passed_through", "relayed")
    made = opaque.gather(tables(sources=events(), flows=[opened(0), refused, passed]), Manifest())
    because = (0, "encrypted", "server_certificate")
    assert rows(made, "flow", "kind", "cause") == [(2, "relayed", "server_certificate"), because]
    elsewhere = signal(1, "server_certificate", octets=0, same_as=0, src="10.0.0.9")
    made = opaque.gather(tables(sources=events(), flows=[opened(0), elsewhere, passed]), Manifest())
    assert rows(made, "flow", "kind", "cause") == [(2, "relayed", "passed_through"), because]


# ------------------------------------------------------------------------------------------------------ pinned


@pytest.mark.parametrize("cause", ["certificate_not_trusted", "unknown_ca", "bad_certificate", "certificate_unknown"])
def test_a_refusal_behind_one_that_the_same_app_took_is_a_pin(cause: str) -> None:
    took = opened(0, "www.example", app=APP, app_from="stated")
    assert kinds(took, signal(1, cause, "ca_refused", app=APP, app_from="stated")) == [(1, "pinned")]


@pytest.mark.parametrize(
    "cause",
    "certificate_expired certificate_revoked certificate_transparency certificate_unknown_or_transparency".split(),
)
def test_an_alert_with_another_reason_is_no_pin(cause: str) -> None:
    took = opened(0, "www.example", app=APP, app_from="stated")
    refused = signal(1, cause, "ca_refused", app=APP, app_from="stated")
    proven = Manifest(opened_by="system_certificate")
    assert kinds(took, refused) == kinds(took, refused, manifest=proven) == [(1, "ca_refused")]


@pytest.mark.parametrize(
    ("took", "refused"),
    [
        ({"app_from": "inferred"}, {}),
        ({}, {"app_from": "inferred"}),
        ({}, {"app_from": "joined"}),
        ({"app": OTHER}, {}),
        ({"app": None, "app_from": None}, {"app": None, "app_from": None}),
        ({"tls": None}, {}),
        ({"decrypted": False}, {}),
        ({"source": 2}, {}),
        ({"first": 900_000_000_000_000}, {}),
        ({"first": None}, {}),
        ({}, {"first": None}),
        ({"same_as": 7}, {}),
    ],
    ids=str,
)
def test_what_does_not_prove_a_pin(took: dict[str, Any], refused: dict[str, Any]) -> None:
    known = {"app": APP, "app_from": "stated"}
    flows = [opened(0, "www.example") | known | took, signal(1, "unknown_ca", "ca_refused") | known | refused]
    assert kinds(*flows) == [(1, "ca_refused")]


@pytest.mark.parametrize("means", ["hooks", "keys", "none"])
def test_a_certificate_that_nobody_checked_proves_no_pin(means: Any) -> None:
    known = {"app": APP, "app_from": "stated"}
    flows = [opened(0, "www.example") | known, signal(1, "unknown_ca", "ca_refused") | known]
    assert kinds(*flows, manifest=Manifest(opened_by=means)) == [(1, "ca_refused")]


def test_a_host_that_was_opened_for_the_app_before_is_not_pinned_by_a_later_refusal() -> None:
    known = {"app": APP, "app_from": "stated"}
    flows = [opened(0, "www.example") | known, opened(1) | known, signal(2, "unknown_ca", "ca_refused") | known]
    assert kinds(*flows) == [(2, "ca_refused")]


def test_quic_is_never_a_refusal_of_the_host_whatever_a_line_says() -> None:
    known = {"app": APP, "app_from": "stated"}
    took = opened(0, "www.example") | known
    refused = signal(2, "unknown_ca", "ca_refused", transport="udp") | known
    proven = Manifest(opened_by="system_certificate")
    assert kinds(took, refused, manifest=proven) == [(2, "encrypted")]
    assert kinds(took, refused, opened(3) | known, manifest=proven) == [(2, "fell_back")]
    closed = [signal(n, "closed_after_handshake", transport="udp") | known for n in (1, 2)]
    assert kinds(took, *closed, manifest=proven) == [(1, "encrypted"), (2, "encrypted")]


# ------------------------------------------------------------------------------------------------ probable pins


def test_closed_behind_the_handshake_again_and_again_is_probably_a_refusal() -> None:
    """Which of the two it is needs the same ground as a pin: that the certificate is taken elsewhere."""
    known = {"app": APP, "app_from": "stated"}
    again = [signal(n, "closed_after_handshake", **known) for n in (1, 2)]
    assert kinds(*again) == [(1, "probable_refusal"), (2, "probable_refusal")]
    took = opened(0, "www.example", **known)
    assert kinds(took, *again) == [(1, "probable_pin"), (2, "probable_pin")]
    for proven in (Manifest(opened_by="system_certificate"), Manifest(device=Device(by_system=True))):
        assert kinds(*again, manifest=proven) == [(1, "probable_pin"), (2, "probable_pin")]
    told = [signal(n, "closed_after_handshake", "ca_refused", **known) for n in (1, 2)]
    assert kinds(took, *told) == [(1, "probable_pin"), (2, "probable_pin")], "whatever kind a tool gave it"
    guessed = [f | {"app_from": "inferred"} for f in again]
    assert {kind for _, kind in kinds(took, *guessed)} == {"probable_refusal"}


def test_once_is_only_said_as_what_it_is() -> None:
    assert kinds(signal(0, "closed_after_handshake")) == [(0, "encrypted")]
    assert kinds(signal(0, "closed_after_handshake", count=2)) == [(0, "probable_refusal")]
    elsewhere = signal(1, "closed_after_handshake", host="other.example")
    assert kinds(signal(0, "closed_after_handshake"), elsewhere) == [(0, "encrypted"), (1, "encrypted")]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, "unused"),
        ({"src": "10.0.0.3"}, "probable_refusal"),
        ({"src": None}, "unused"),
        ({"app": OTHER}, "probable_refusal"),
        ({"app": None}, "unused"),
        ({"tls": None}, "probable_refusal"),
        ({"host": "www.example"}, "probable_refusal"),
    ],
    ids=str,
)
def test_a_host_that_was_opened_was_not_refused(other: dict[str, Any], expected: str) -> None:
    """Before or after: a connection in reserve looks the same as a pin. What is not known could be the same."""
    again = [signal(n, "closed_after_handshake", app=APP) for n in range(2)]
    assert {k for _, k in kinds(*again, opened(2, app=APP) | other)} == {expected}
    assert {k for _, k in kinds(opened(2, app=APP) | other, *again)} == {expected}


# ------------------------------------------------------------------------------------------- what refuses nothing


def test_quic_is_never_a_refusal_of_the_host() -> None:
    proven = Manifest(opened_by="system_certificate")
    quic = signal(0, "quic", transport="udp")
    assert kinds(quic, manifest=proven) == [(0, "encrypted")]
    assert kinds(quic, opened(1), manifest=proven) == [(0, "fell_back")]
    assert kinds(quic, opened(1, transport="udp")) == [(0, "encrypted")]
    assert kinds(quic, opened(1, "www.example")) == [(0, "encrypted")]


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("stall", "encrypted"),
        ("closed_during_handshake", "encrypted"),
        ("reset_during_handshake", "encrypted"),
        ("tls_failed", "encrypted"),
        ("server_tls_failed", "encrypted"),
        ("server_certificate", "encrypted"),
        ("client_abort", "unused"),
        ("unused", "unused"),
        ("recording_ended", "unused"),
        ("server_unreachable", "unreachable"),
        ("http_damaged", "unread"),
        ("not_stated", "unread"),
    ],
)
def test_other_signals_are_no_pins_however_often_and_whatever_is_proven(cause: str, kind: str) -> None:
    took = opened(9, "www.example", app=APP, app_from="stated")
    again = [signal(n, cause, app=APP, app_from="stated", first=10**15 + n) for n in range(3)]
    made = kinds(took, *again, manifest=Manifest(opened_by="system_certificate"))
    assert made == [(n, kind) for n in range(3)]


# -------------------------------------------------------------------------------------------------- passed through


@pytest.mark.parametrize("told", ["relayed", "sealed"])
@pytest.mark.parametrize(
    ("cause", "kind", "expected"),
    [
        ("unknown_ca", "ca_refused", "ca_refused"),
        ("closed_after_handshake", "unread", "probable_refusal"),
        ("stall", "unread", "relayed"),
    ],
)
def test_what_was_passed_through_stayed_closed_for_the_hosts_own_reason(
    told: str, cause: str, kind: str, expected: str
) -> None:
    refused = [signal(n, cause, kind) for n in range(2)]
    made = kinds(*refused, signal(2, "passed_through", told, octets=9000))
    assert made[-1] == (2, expected)
    assert kinds(*refused, signal(2, "passed_through", told, host="other.example"))[-1] == (2, "relayed")
    assert kinds(*refused, signal(2, "passed_through", told, src="10.0.0.3"))[-1] == (2, "relayed")
    # Sealed is what stands inside of what was opened: a connection that nobody opened is encrypted.
    assert kinds(*refused, signal(2, "not_stated", told))[-1] == (2, "encrypted" if told == "sealed" else told)


# ------------------------------------------------------------------------------------------------ how much was read


def shares(made: Tables, manifest: Manifest | None = None) -> list[dict[str, Any]]:
    manifest = manifest or Manifest()
    made = destinations.gather(dict(made), REFERENCE)
    made = counting.counts(made, REFERENCE)
    made["opaque"] = opaque.gather(made, manifest)
    made |= readings.gather(made)
    found: list[dict[str, Any]] = opaque.readable(made, manifest).to_pylist()
    return found


def test_how_much_of_each_app_could_be_read_and_by_which_means() -> None:
    known = {"app": APP, "app_from": "stated"}
    flows = [
        opened(0, "a.example", **known),
        flow(1, host="b.example", bytes_read=30, **known),
        signal(2, "passed_through", "relayed", host="c.example", **known),
        opened(3, "c.example", **known) | {"bytes_read": 10, "unread": [_part("truncated", 20)]},
        opened(4, "a.example", app=OTHER, app_from="inferred"),
        signal(5, "unused", host="d.example", **known),
        opened(6, "a.example", same_as=0, **known),
        flow(7, host="e.example", bytes_out=0, bytes_in=0, **known),
    ]
    other, app = shares(tables(sources=events(), flows=flows), Manifest(opened_by="user_certificate"))
    assert (other["app"], other["app_from"], other["hosts"], other["bytes_opened"]) == (OTHER, "inferred", 1, 30)
    assert app == {
        "app": APP,
        "app_from": "stated",
        "whose": "app",
        "opened_by": "user_certificate",
        "hosts": 3,
        "hosts_read": 2,
        "hosts_part": 1,
        "connections": 4,
        "connections_clear": 1,
        "connections_opened": 2,
        "bytes": 30 + 30 + 500 + 30,
        "bytes_clear": 30,
        "bytes_opened": 40,
    }


def _part(kind: str, octets: int) -> dict[str, Any]:
    return {"kind": kind, "cause": "body_not_kept", "bytes": octets, "count": 1}


def test_a_browsers_record_says_by_its_scheme_that_it_was_encrypted() -> None:
    made = tables(
        flows=[flow(0, host="a.example", bytes_read=30), flow(1, host="b.example", bytes_read=30)],
        exchanges=[exchange(0, 0, "a.example", scheme="https"), exchange(1, 1, "b.example", scheme="http")],
        messages=[message(n, n, exchange=n, reading="empty", bytes=0) for n in range(2)],
    )
    (share,) = shares(made)
    assert (share["connections_opened"], share["connections_clear"]) == (1, 1)
    assert share["opened_by"] is None


def test_an_exported_plaintext_on_the_port_of_https_was_not_in_the_clear() -> None:
    (share,) = shares(tables(flows=[flow(0, host="a.example", bytes_read=30, dport=443)]))
    assert (share["bytes_opened"], share["bytes_clear"]) == (30, 0)


def test_hosts_are_pairs_of_name_and_address_as_everywhere() -> None:
    """One name at two addresses is two hosts; one connection that served two names is two; what reached nobody none."""
    made = tables(
        flows=[
            flow(0, host="a.example", dst="192.0.2.1", bytes_read=30),
            flow(1, host="a.example", dst="192.0.2.2", bytes_read=30),
            flow(2, host="c.example", dst="192.0.2.3", bytes_read=30),
        ],
        exchanges=[
            exchange(0, 0, "a.example"),
            exchange(1, 1, "a.example"),
            exchange(2, 1, "b.example"),
            exchange(3, 2, "c.example"),
        ],
        messages=[
            message(n, f, exchange=n, reading="empty", bytes=0, direction="undelivered" if n == 3 else "sent")
            for n, f in enumerate((0, 1, 1, 2))
        ],
    )
    (share,) = shares(made)
    assert (share["hosts"], share["connections"]) == (3, 2)


def test_a_request_without_octets_counts_and_silence_does_not() -> None:
    empty = {"bytes_out": 0, "bytes_in": 0, "bytes_read": 0}
    made = tables(
        flows=[flow(0, host="a.example") | empty, flow(1, host="b.example") | empty],
        exchanges=[exchange(0, 0, "a.example", scheme="http")],
        messages=[message(0, 0, exchange=0, reading="empty", bytes=0)],
    )
    (share,) = shares(made)
    assert (share["hosts"], share["hosts_read"], share["connections"], share["bytes"]) == (1, 1, 1, 0)


# ---------------------------------------------------------------------------------- what the manifest proves, and where

SYSTEM = Manifest(opened_by="system_certificate")
SINCE = {"type": "system_certificate", "at": 350 * SECOND}


found = partial(kinds, manifest=SYSTEM)


def test_what_was_refused_before_the_system_had_the_certificate_is_no_pin() -> None:
    refused = [signal(n, "unknown_ca", "ca_refused") for n in (3, 4)]
    assert found(*refused) == [(3, "pinned"), (4, "pinned")], "the auditor's word is for the whole capture"
    assert found(*refused, told=[SINCE]) == [(3, "ca_refused"), (4, "pinned")]
    assert found(*refused, told=[SINCE | {"client": "10.0.0.2"}]) == [(3, "ca_refused"), (4, "pinned")]
    assert found(*refused, told=[SINCE | {"client": "10.0.0.9"}]) == [(3, "ca_refused"), (4, "ca_refused")]
    assert found(*refused, manifest=Manifest(), told=[SINCE]) == [(3, "ca_refused"), (4, "ca_refused")]


def test_a_host_that_was_opened_is_not_pinned_whatever_the_manifest_says() -> None:
    refused = signal(1, "unknown_ca", "ca_refused")
    assert found(refused, opened(2)) == [(1, "ca_refused")]
    assert found(refused, opened(2, "www.example")) == [(1, "pinned")]
    two = [refused | {"app": APP, "app_from": "stated"}, opened(2, app=OTHER, app_from="stated")]
    assert found(*two) == [(1, "pinned")], "another app took it"


def test_of_several_devices_only_the_one_that_is_known_to_have_the_certificate_pins() -> None:
    one, other = (signal(n, "unknown_ca", "ca_refused", src=f"10.0.0.{n}") for n in (2, 3))
    assert found(one, other) == [(2, "ca_refused"), (3, "ca_refused")]
    assert found(one, other, opened(4, "www.example")) == [(2, "pinned"), (3, "ca_refused")]
    named = Manifest(opened_by="system_certificate", device=Device(address="10.0.0.3"))
    assert found(one, other, manifest=named) == [(2, "ca_refused"), (3, "pinned")]
    beside = signal(5, "unknown_ca", "ca_refused", src="fd00::2")
    assert found(one, beside) == [(2, "pinned"), (5, "pinned")], "a phone has an address of each version"


@pytest.mark.parametrize(("ahead", "kind"), [(None, "pinned"), (3e6, "pinned"), (-3.5e10, "ca_refused")])
def test_a_clock_that_is_far_off_may_be_why_a_certificate_is_bad(ahead: float | None, kind: str) -> None:
    manifest = Manifest(opened_by="system_certificate", device=Device(clock_ahead_ms=ahead))
    assert found(signal(1, "bad_certificate", "ca_refused"), manifest=manifest) == [(1, kind)]
    assert found(signal(1, "unknown_ca", "ca_refused"), manifest=manifest) == [(1, "pinned")]


@pytest.mark.parametrize("cause", ["server_certificate", "server_tls_failed"])
def test_what_is_refused_where_the_server_failed_is_no_pin(cause: str) -> None:
    """The proxy then shows a certificate without the server's names, which anybody refuses."""
    refused = signal(1, "bad_certificate", "ca_refused", sport=4000)
    failed = signal(2, cause, sport=4000, octets=0)
    assert found(refused, failed) == [(1, "ca_refused"), (2, "encrypted")]
    assert found(refused, failed | {"sport": 4001}) == [(1, "pinned"), (2, "encrypted")]
    known = {"app": APP, "app_from": "stated"}
    took = opened(0, "www.example", **known)
    assert found(took, refused | known, failed, manifest=Manifest()) == [(1, "ca_refused"), (2, "encrypted")]


def test_what_one_app_refused_is_no_word_of_another_that_was_passed_through() -> None:
    known = {"app": APP, "app_from": "stated"}
    took, refused = opened(0, "www.example", **known), signal(1, "unknown_ca", "ca_refused", **known)
    passed = signal(2, "passed_through", "relayed")
    for app in ({"app": OTHER, "app_from": "stated"}, {}):
        assert found(took, refused, passed | app, manifest=Manifest()) == [(1, "pinned"), (2, "relayed")]
    assert found(took, refused, passed | known, manifest=Manifest()) == [(1, "pinned"), (2, "pinned")]
    of_nobody = [signal(1, "unknown_ca", "ca_refused"), passed]
    assert found(*of_nobody, manifest=Manifest()) == [(1, "ca_refused"), (2, "ca_refused")]
    assert found(of_nobody[0], passed | known, manifest=Manifest()) == [(1, "ca_refused"), (2, "relayed")]


def test_passed_through_is_no_more_than_the_least_of_its_refusals() -> None:
    refused = [signal(n, "unknown_ca", "ca_refused") for n in (3, 4)]
    passed = signal(5, "passed_through", "relayed")
    assert found(*refused, passed, told=[SINCE]) == [(3, "ca_refused"), (4, "pinned"), (5, "ca_refused")]


def test_a_pin_of_one_app_is_not_hidden_by_another_that_has_the_host_opened() -> None:
    known = {"app": APP, "app_from": "stated"}
    other = opened(0, app=OTHER, app_from="stated")
    again = [signal(n, "closed_after_handshake", **known) for n in (1, 2)]
    assert {kind for _, kind in found(other, *again, manifest=Manifest())} == {"probable_refusal"}


def test_quic_gives_way_to_what_comes_after_it_alone() -> None:
    failed = signal(5, "quic", transport="udp")
    assert kinds(failed, opened(3)) == [(5, "encrypted")], "over before QUIC was tried"
    assert kinds(failed, opened(3, last=600 * SECOND)) == [(5, "fell_back")], "it stood, and went on"
    assert kinds(failed, opened(6)) == [(5, "fell_back")]


def test_what_a_client_does_where_the_server_failed_is_no_probable_pin() -> None:
    known = {"app": APP, "app_from": "stated"}
    closed = [signal(n, "closed_after_handshake", sport=4000 + n, **known) for n in (1, 2)]
    failed = [signal(n + 10, "server_tls_failed", sport=4000 + n, octets=0, **known) for n in (1, 2)]
    took = opened(0, "www.example", **known)
    assert [kind for _, kind in kinds(took, *closed, *failed)] == ["unused", "unused", "encrypted", "encrypted"]
    assert [kind for _, kind in kinds(took, *closed)] == ["probable_pin", "probable_pin"]


@pytest.mark.parametrize("cause", ["reset_during_handshake", "closed_during_handshake", "stall", "tls_failed"])
def test_passed_through_behind_handshakes_that_came_to_nothing_says_so(cause: str) -> None:
    made = opaque.gather(
        tables(sources=events(), flows=[signal(1, cause), signal(2, "passed_through", "relayed")]), Manifest()
    )
    assert rows(made, "flow", "kind", "cause") == [(1, "encrypted", cause), (2, "relayed", cause)]
