"""The parts of a live capture, each by itself: where it listens, its keys, what it remembers, what keys on the keyboard
mean, what the live view makes of the lines that reach it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import ipaddress
import json
import logging
import os
import queue
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons, tflow

from analysis.folder import PHASES
from analysis.model import InputError
from lintas.capture import authority, checks, network, proof, run, settings, tunnel, words
from lintas.capture.inner import Doors, Hidden
from lintas.capture.keyboard import Keys
from lintas.capture.proxy import _Lines
from lintas.capture.settings import Answers
from lintas.capture.state import State, place_name
from lintas.capture.view import Terminal, draw, line

LOOPBACK = ipaddress.ip_address("127.0.0.1")

# ---------------------------------------------------------------------------------------------- where it listens


def test_modes_are_told_to_mitmproxy_with_their_address() -> None:
    found = network.modes(
        ["wireguard", "regular@8081", "upstream:http://192.0.2.7:3128@9000", "local:curl"], [LOOPBACK], None
    )
    assert [m.spec for m in found] == [
        "wireguard@127.0.0.1:51820",
        "regular@127.0.0.1:8081",
        "upstream:http://192.0.2.7:3128@127.0.0.1:9000",
        "local:curl",
    ]
    for mode in found:
        assert mode_specs.ProxyMode.parse(mode.spec).type_name == mode.kind
    # An upstream's own port is no port to listen at.
    assert network.modes(["upstream:http://a.example:3128"], [LOOPBACK], None)[0].port == 8080
    assert network.modes(["regular"], [LOOPBACK], 9999)[0].port == 9999
    assert network.modes(["regular"], [ipaddress.ip_address("fe80::1")], None)[0].spec == "regular@fe80::1:8080"


@pytest.mark.parametrize(
    "texts",
    [
        ["regular", "transparent"],
        ["regular@9", "socks5@9"],
        ["regular@70000"],
        ["regular@192.0.2.7:8080"],
        ["regular@abc"],
        ["regular:x"],
        ["upstream"],
        ["reverse:a"],
    ],
)
def test_modes_that_cannot_be(texts: list[str]) -> None:
    with pytest.raises(InputError, match="--mode"):
        network.modes(texts, [LOOPBACK], None)


def test_a_mode_listens_at_each_address_and_the_tunnel_at_one() -> None:
    places = [ipaddress.ip_address("192.168.1.5"), ipaddress.ip_address("fd00::5")]
    found = network.modes(["wireguard", "transparent", "dns@5353"], places, None)
    assert [m.spec for m in found] == [
        "wireguard@192.168.1.5:51820",
        "transparent@192.168.1.5:8080",
        "transparent@fd00::5:8080",
        "dns@192.168.1.5:5353",
        "dns@fd00::5:5353",
    ]


def test_two_modes_may_share_a_number_where_one_is_udp() -> None:
    assert len(network.modes(["wireguard@8080", "regular@8080"], [LOOPBACK], None)) == 2


@pytest.mark.parametrize(
    ("address", "texts", "open_to", "refused"),
    [
        ("192.168.1.5", ["regular"], [], False),
        ("127.0.0.1", ["socks5"], [], False),
        ("100.64.0.1", ["regular"], [], False),
        ("8.8.8.8", ["regular"], [], True),
        ("2001:4860::1", ["transparent"], [], True),
        ("0.0.0.0", ["regular"], [], True),
        ("::", ["socks5"], [], True),
        ("8.8.8.8", ["regular"], ["9.9.9.9"], False),
        ("0.0.0.0", ["regular"], ["203.0.113.0/24"], False),
        # Into the tunnel comes only who has the key.
        ("8.8.8.8", ["wireguard"], [], False),
        ("8.8.8.8", ["wireguard", "regular"], [], True),
        ("0.0.0.0", ["wireguard"], [], True),
    ],
)
def test_no_open_proxy_without_a_word(address: str, texts: list[str], open_to: list[str], refused: bool) -> None:
    place = ipaddress.ip_address(address)
    modes = network.modes(texts, [place], None)
    networks = [network.network(text) for text in open_to]
    if refused:
        with pytest.raises(InputError, match="--listen"):
            network.check_open([place], modes, networks)
    else:
        network.check_open([place], modes, networks)


def test_whoever_lets_everybody_in_is_warned() -> None:
    place = ipaddress.ip_address("0.0.0.0")
    modes = network.modes(["regular"], [place], None)
    assert "strangers" in network.check_open([place], modes, [network.network("0.0.0.0/0")])[0]
    assert "let in from outside" in network.check_open([place], modes, [network.network("9.9.9.9")])[0]
    assert network.check_open([place], modes, [network.network("192.168.0.0/16")]) == []


def test_a_listener_is_named_by_address_or_interface() -> None:
    name, address = next(iter(network.interfaces().items()))
    assert network.listener(name) == address
    assert network.listener(str(address)) == address
    assert network.can_bind(LOOPBACK)
    assert not network.can_bind(ipaddress.ip_address("198.51.100.7"))


def test_a_port_that_is_taken_is_told_with_another() -> None:
    with contextlib.ExitStack() as stack:
        taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        free = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} of 127.0.0.1 is taken"):
            network.check_port(network.modes([f"wireguard@{port}"], [LOOPBACK], None)[0])
        # TCP is another matter: bound and not listening, nobody else can take it, and it is free for us.
        try:
            free.bind(("127.0.0.1", port))
        except OSError:
            pytest.skip("somebody has the same port of TCP")
        network.check_port(network.modes([f"regular@{port}"], [LOOPBACK], None)[0])


# -------------------------------------------------------------------------------------------- doors of the proxy


def _doors(told: list[dict[str, Any]], **more: Any) -> Doors:
    return Doors(lambda type, **keys: told.append({"type": type, **keys}), **more)  # noqa: A006


def _client(address: str, mode: str = "regular") -> Any:
    client = tflow.tclient_conn()
    client.peername = (address, 4711)
    client.proxy_mode = mode_specs.ProxyMode.parse(mode)
    client.error = None
    return client


@pytest.mark.parametrize(
    ("address", "mode", "let_in"),
    [
        ("192.168.1.7", "regular", True),
        ("127.0.0.1", "regular", True),
        ("fe80::1%eth0", "socks5", True),
        ("::ffff:192.168.1.7", "regular", True),
        ("8.8.8.8", "regular", False),
        ("::ffff:8.8.8.8", "transparent", False),
        ("2606:4700::1", "socks5", False),
        ("9.9.9.9", "regular", True),
        ("8.8.8.8", "wireguard", True),
    ],
)
def test_who_is_let_in(address: str, mode: str, let_in: bool) -> None:
    told: list[dict[str, Any]] = []
    doors = _doors(told, allowed=(ipaddress.ip_network("9.9.9.9/32"),))
    client = _client(address, mode)
    doors.client_connected(client)
    doors.client_connected(client)
    assert (client.error is None) == let_in
    # Told once, counted each time.
    assert [t["type"] for t in told] == ["device" if let_in else "stranger"]
    assert doors.seen.strangers == (0 if let_in else 2)
    assert doors.seen.connections == (1 if let_in else 0)
    doors.client_disconnected(client)
    assert doors.seen.connections == 0


@pytest.mark.parametrize(
    ("client", "server", "kept_out"),
    [
        ("192.0.2.9", ("127.0.0.1", 5037), True),
        ("192.0.2.9", ("localhost", 5037), True),
        ("192.0.2.9", ("a.localhost.", 5037), True),
        ("192.0.2.9", ("::1", 5037), True),
        ("192.0.2.9", ("::ffff:127.0.0.1", 5037), True),
        ("192.0.2.9", ("0.0.0.0", 5037), True),
        ("192.0.2.9", ("198.51.100.7", 8080), False),
        ("192.0.2.9", ("shop.example", 443), False),
        # A program of this machine means this machine by it; but not the proxy itself.
        ("127.0.0.1", ("127.0.0.1", 5037), False),
        ("127.0.0.1", ("127.0.0.1", 8080), True),
        ("127.0.0.1", ("localhost", 8080), True),
    ],
)
def test_nobody_is_led_to_this_machine(client: str, server: tuple[str, int], kept_out: bool) -> None:
    told: list[dict[str, Any]] = []
    doors = _doors(told)
    doors.listening = {("tcp", 8080)}
    to = _to(server)
    asyncio.run(doors.server_connect(ServerConnectionHookData(to, _client(client))))
    assert bool(to.error) == kept_out
    assert doors.seen.kept_out == kept_out
    assert [t["type"] for t in told] == ["kept_out"] * kept_out


def _to(address: tuple[str, int]) -> Any:
    to = tflow.tserver_conn()
    to.timestamp_start = to.timestamp_end = None
    to.state = type(to.state)(0)
    to.error = None
    to.address = address
    return to


def test_a_name_that_stands_for_loopback_is_closed_before_anything_is_sent() -> None:
    class Writer:
        closed = False

        def close(self) -> None:
            self.closed = True

    told: list[dict[str, Any]] = []
    doors = _doors(told)
    for client, peer, closed in (
        ("192.0.2.9", "127.0.0.1", True),
        ("192.0.2.9", "::1", True),
        ("192.0.2.9", "198.51.100.7", False),
        ("127.0.0.1", "127.0.0.1", False),
    ):
        to, by, writer = _to(("rebound.example", 5037)), _client(client), Writer()
        to.peername = (peer, 5037)
        handler = SimpleNamespace(transports={to: SimpleNamespace(writer=writer)})
        with taddons.context() as context:
            context.master.addons.lookup["proxyserver"] = SimpleNamespace(connections={by.id: handler})
            doors.server_connected(ServerConnectionHookData(to, by))
        assert writer.closed == closed, (client, peer)
    assert doors.seen.kept_out == 2


def test_the_next_proxy_may_be_this_machines_but_leads_nobody_back() -> None:
    told: list[dict[str, Any]] = []
    doors = _doors(told)
    doors.listening = {("tcp", 8080)}
    client = _client("192.0.2.9", "upstream:http://127.0.0.1:3128")
    to = _to(("127.0.0.1", 3128))
    asyncio.run(doors.server_connect(ServerConnectionHookData(to, client)))
    assert to.error is None
    for host, port, status in (("127.0.0.1", 8080, 502), ("127.0.0.1", 5037, 502), ("198.51.100.7", 8080, None)):
        flow = tflow.tflow()
        flow.client_conn, flow.request.host, flow.request.port = client, host, port
        asyncio.run(doors.requestheaders(flow))
        assert (flow.response.status_code if flow.response else None) == status


def test_what_lintas_asks_for_itself_is_hidden_from_the_recording() -> None:
    told: list[dict[str, Any]] = []
    doors = _doors(told, proof="regular@127.0.0.1:0", certificate_at=("192.168.1.5", 8079))
    hidden = Hidden(doors)
    flow = tflow.tflow(resp=True)
    flow.client_conn = _client("192.168.1.7")
    hidden.request(flow)
    assert doors.seen.requests == 1
    assert [t["host"] for t in told if t["type"] == "first"] == ["address"]
    own: list[Callable[[Any], object]] = [
        lambda f: setattr(f, "client_conn", _client("127.0.0.1", "regular@127.0.0.1:0")),
        lambda f: (setattr(f.request, "host", "mitm.it"), setattr(f.request, "port", 80)),
        lambda f: (setattr(f.request, "host", "10.0.0.53"), setattr(f.request, "port", 443)),
        lambda f: setattr(f.server_conn, "address", ("192.168.1.5", 8079)),
    ]
    for change in own:
        flow = tflow.tflow(resp=True)
        flow.server_conn.state = type(flow.server_conn.state)(0)
        flow.request.headers.pop("host", None)
        change(flow)
        for hook in (hidden.requestheaders, hidden.request, hidden.response, hidden.error):
            with pytest.raises(exceptions.AddonHalt):
                hook(flow)
    assert doors.seen.requests == 1
    # The Host header alone hides nothing: whoever writes it may send to anybody.
    flow = tflow.tflow(resp=True)
    flow.client_conn = _client("192.168.1.7")
    flow.request.port = 443
    flow.request.headers["host"] = "mitm.it"
    hidden.request(flow)
    assert doors.seen.requests == 2
    # A browser that tries https first, which the page has not.
    gone = tflow.tserver_conn()
    gone.state = type(gone.state)(0)
    gone.address = ("10.0.0.53", 443)
    with pytest.raises(exceptions.AddonHalt):
        hidden.server_connect_error(ServerConnectionHookData(gone, _client("10.0.0.1", "wireguard")))
    gone.address = ("10.0.0.53", 853)
    hidden.server_connect_error(ServerConnectionHookData(gone, _client("10.0.0.1", "wireguard")))


def test_warnings_wait_for_no_reader() -> None:
    """Of a front that was stopped (Ctrl-Z): the proxy would stop with it."""
    reading, writing = os.pipe()
    handler = _Lines(logging.WARNING, writing)

    def warn(number: int) -> None:
        handler.emit(logging.LogRecord("proxy", logging.WARNING, "", 0, f"{number} {'x' * 200}", None, None))

    thread = threading.Thread(target=lambda: [warn(n) for n in range(2000)], daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    os.set_blocking(reading, False)
    taken = 0
    while True:
        try:
            taken += os.read(reading, 1 << 20).count(b"\n")
        except BlockingIOError:
            break
    warn(2000)
    assert f"({2000 - taken} lines before it were not taken)" in os.read(reading, 65536).decode()
    os.close(reading)
    os.close(writing)


# -------------------------------------------------------------------------------------------------------- keys


def test_an_authority_is_one_captures_own(tmp_path: Path) -> None:
    made = authority.make(tmp_path, "shop" * 30)
    assert made.certificate.subject == made.certificate.issuer
    assert len(made.name) == 64
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}
    said = subprocess.run(
        ["openssl", "x509", "-in", made.place, "-noout", "-subject_hash_old", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    assert made.android_name == f"{said[0]}.0"
    assert said[1].endswith(made.fingerprint)
    other = tmp_path / "other"
    other.mkdir()
    assert authority.take(other, tmp_path).fingerprint == made.fingerprint
    assert authority.make(other, "shop").fingerprint != made.fingerprint


@pytest.mark.parametrize("name", ["ö" * 60, "a\nb\x1b[31m", "\udcff", "日本" * 20])
def test_an_authority_is_named_after_any_folder(tmp_path: Path, name: str) -> None:
    made = authority.make(tmp_path, name)
    assert made.name.startswith("Lintas test ")
    assert made.name.isprintable()
    assert len(made.name.encode()) <= 64


def test_a_key_that_is_not_the_certificates_is_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for place in (one, two):
        place.mkdir()
        authority.make(place, "shop")
    key = (one / "mitmproxy-ca.pem").read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    (one / "mitmproxy-ca.pem").write_bytes(key + (two / "mitmproxy-ca-cert.pem").read_bytes())
    with pytest.raises(InputError, match="do not belong together"):
        authority.take(two, one)


def test_the_tunnel_takes_ipv6_and_one_app(tmp_path: Path) -> None:
    made = tunnel.make(tmp_path)
    text = made.configuration(("192.168.1.5", 51820), "com.example.shop")
    assert "Address = 10.0.0.1/32, fd00:10:53::1/128\n" in text
    assert "AllowedIPs = 0.0.0.0/0, ::/0\n" in text
    assert "IncludedApplications = com.example.shop\n" in text.partition("[Peer]")[0]
    assert "Endpoint = 192.168.1.5:51820\n" in text
    assert "Endpoint = [fe80::1]:51820\n" in made.configuration(("fe80::1", 51820))
    assert "IncludedApplications" not in made.configuration(("192.168.1.5", 51820))
    # mitmproxy takes the same keys, and finds the same public one.
    import mitmproxy_rs

    keys = json.loads((tmp_path / tunnel.FILE).read_text())
    assert f"PublicKey = {mitmproxy_rs.wireguard.pubkey(keys['server_key'])}\n" in text
    again = tmp_path / "again"
    again.mkdir()
    # A phone that was given no tunnel has none to go on with.
    assert tunnel.take(again, tmp_path) != made
    (tmp_path / tunnel.CLIENT_FILE).write_text(made.configuration(("192.168.1.5", 51820)))
    assert tunnel.take(again, tmp_path) == made
    # What all apps may enter is nobody's alone, and the other way round.
    assert tunnel.take(again, tmp_path, "com.example.shop") != made
    (tmp_path / tunnel.CLIENT_FILE).write_text(text)
    assert tunnel.take(again, tmp_path, "com.example.shop") == made
    assert tunnel.take(again, tmp_path, "com.example.other") != made
    assert tunnel.take(again, tmp_path) != made


@pytest.mark.parametrize("text", ["", "shop", "com.example.shop, com.other", "com.example\nDNS = 9.9.9.9", "com..shop"])
def test_no_other_line_gets_into_the_tunnels_configuration(text: str) -> None:
    with pytest.raises(InputError, match="--only-app"):
        tunnel.package(text)


# ------------------------------------------------------------------------------------------- checks and answers


def test_a_disk_with_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = checks.shutil.disk_usage(tmp_path)
    for free, ok in ((100 << 20, None), (1 << 30, False), (10 << 30, True)):
        monkeypatch.setattr(checks.shutil, "disk_usage", lambda _, free=free: real._replace(free=free))
        if ok is None:
            with pytest.raises(InputError, match="MB are free"):
                checks.disk(tmp_path / "not" / "there")
        else:
            assert bool(checks.disk(tmp_path / "not" / "there").ok) == ok


def test_a_clock_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = checks.Clock()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 60)
    assert clock.check().ok is None
    assert "-60" in clock.check().text
    monkeypatch.setattr(time, "time", lambda: real() - 10 * 365 * 86_400)
    assert "behind" in checks.Clock().check().text
    assert checks.phone_clock(0.4).ok is True
    assert checks.phone_clock(-3600.0).ok is None


def test_answers_are_kept_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.load() == Answers()
    settings.save(Answers(app="com.example.shop", vantage=""))
    assert settings.load() == Answers(app="com.example.shop", vantage="")
    assert stat.S_IMODE(settings.place().stat().st_mode) == 0o600
    for broken in ("", "[]", '{"app": 5}', "\xff"):
        settings.place().write_text(broken)
        assert settings.load() == Answers()


# ------------------------------------------------------------------------------------------------------ keyboard


def _pressed(text: str) -> tuple[list[tuple[str, str]], Keys]:
    done: list[tuple[str, str]] = []
    keys = Keys(lambda what, text: done.append((what, text)))
    for key in text:
        keys.press(key)
    return done, keys


def test_keys() -> None:
    assert _pressed("pfpl")[0] == [("phase", "first_launch"), ("phase", "login")]
    assert _pressed("f\np!q")[0] == [("end", "")]
    assert _pressed("mpq é\x7f!\r")[0] == [("mark", "pq !")]
    assert _pressed("mabc\x1bq")[0] == [("end", "")]
    assert _pressed("m   \r")[0] == []
    assert "first launch" in _pressed("p")[1].prompt()
    assert "mark: ab_" in _pressed("mab")[1].prompt()
    assert _pressed("px")[1].prompt().startswith("x is no phase")
    assert "is no phase" not in _pressed("pxz")[1].prompt()


def test_every_phase_has_a_key() -> None:
    assert sorted(words.PHASE_KEYS.values()) == sorted(PHASES)


# --------------------------------------------------------------------------------------------------- what is shown

_ROW = {
    "operator": "x",
    "operator_confidence": "verified",
    "parent_name": None,
    "system_noise": None,
    "whose": "app",
    "flows": 1,
    "bytes_out": 100,
    "bytes_in": 50,
    "data_types": [],
}
_LOOK = {
    "type": "look",
    "behind_bytes": 2048,
    "behind_seconds": 3.5,
    "summary": {
        "destinations": [
            {**_ROW, "place": "ID?", "operator_name": "PT Satu", "data_types": ["email?", "imei"]},
            {**_ROW, "place": "ID?", "operator_name": "PT Dua", "data_types": ["email"], "bytes_out": 900},
            {**_ROW, "place": "CN", "operator_name": "San", "operator_confidence": "recalled", "parent_name": "Si"},
            {**_ROW, "place": "?", "operator_name": None},
            {**_ROW, "place": "US", "operator_name": "Time", "system_noise": "time", "whose": "system", "bytes_out": 7},
            {**_ROW, "place": "SG", "operator_name": "Else", "whose": "other", "bytes_out": 8},
        ],
        "data_types": [
            {
                "data_type": "email",
                "strength": "weak",
                "messages": 3,
                "places": ["ID?"],
                "operators": ["PT Dua", "PT Satu"],
            }
        ],
        "opaque": [{"kind": "pinned", "cause": "closed_after_handshake", "host": "\x1b[31mevil.example", "count": 2}],
        "refused": 2,
        "bytes_out": 1200,
        "bytes_in": 200,
    },
}


def _state() -> State:
    state = State("shop", "captures/shop", 1_000_000)
    state.from_proxy({"type": "device", "client": "10.0.0.1", "at": 2_000_000})
    state.from_proxy({"type": "status", "requests": 5, "refused": 1, "trouble": None, "bytes": 4096})
    state.from_follower(_LOOK)
    return state


def test_lines_become_a_view() -> None:
    now = _state().snapshot()
    assert [(r["name"], r["bytes_out"], r["flows"]) for r in now["countries"]] == [
        ("Indonesia?", 1000, 2),
        ("place not known", 100, 1),
        ("China", 100, 1),
    ]
    # What one destination shows surely, the place shows surely.
    assert now["countries"][0]["data_types"] == ["email", "imei"]
    assert [r["name"] for r in now["operators"]] == ["PT Dua", "PT Satu", "San?", "not known"]
    assert now["operators"][2]["parent"] == "Si"
    assert now["noise"]["bytes_out"] == 7
    assert now["others"]["bytes_out"] == 8
    assert now["refused"] == 2
    assert now["behind_bytes"] == 2048
    assert json.loads(json.dumps(now)) == now
    assert "10.0.0.1 has come in" in now["standing"]


def test_how_much_of_the_app_was_read_is_told_with_its_means() -> None:
    share = {"app": "com.example.shop", "app_from": "stated", "whose": "app", "opened_by": "user_certificate"}
    share |= {"hosts": 44, "hosts_read": 38, "hosts_part": 1, "connections": 9, "connections_clear": 1}
    share |= {"connections_opened": 5, "bytes": 1_000_000, "bytes_clear": 1000, "bytes_opened": 998_999}
    nobody = share | {"app": None, "app_from": None, "opened_by": None, "bytes": 10, "bytes_clear": 0}
    nobody |= {"bytes_opened": 0}
    state = _state()
    state.from_follower(
        {**_LOOK, "summary": {**_LOOK["summary"], "readable": [nobody, share | {"whose": "other"}, share]}}
    )
    first, second = state.snapshot()["read"]
    assert first == (
        "Read of com.example.shop (stated): 99% of 1.0 MB (1.0 kB in the clear, 999 kB opened by a user's "
        "certificate), 38 of 44 hosts in full."
    )
    assert second.startswith("Read of what no app is known for: 0% of 10 B (0 B in the clear, 0 B opened), ")


def test_the_first_decrypted_request_is_told() -> None:
    state = _state()
    state.from_proxy({"type": "first", "client": "10.0.0.1", "host": "api.shop.example", "at": 3_000_000})
    assert "a host of shop.example, at " in state.snapshot()["standing"]


@pytest.mark.parametrize(("width", "height"), [(140, 45), (80, 30), (60, 12), (40, 6)])
def test_the_view_fits_and_is_no_picture_of_its_own(width: int, height: int) -> None:
    from rich.console import Console

    state = _state()
    state.from_proxy({"type": "status", "requests": 5, "trouble": "No space left on device", "lost_flows": 3})
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(draw(state.snapshot(), "p phase", width, height))
    text = console.export_text()
    assert "NOT RECORDING" in text
    assert "p phase" in text
    assert width < 60 or "Indonesia?" in text
    # What came from the traffic moves no cursor.
    assert "\x1b" not in text
    assert max(len(t) for t in text.splitlines()) <= width


@pytest.mark.parametrize(("width", "height"), [(140, 45), (60, 24), (60, 12), (40, 8)])
def test_what_the_keys_mean_is_never_cut_off(width: int, height: int) -> None:
    """Long names take more lines than one; the terminal shows no more than it has."""
    from rich.console import Console

    state = _state()
    state.from_proxy({"type": "first", "client": "10.0.0.1", "host": "a" * 200 + ".example", "at": 3_000_000})
    for number in range(3):
        state.warn(f"{number} " + "something that went wrong, told at length " * 3)
    rows = [{**_ROW, "place": f"{c}A", "operator_name": f"[red]{c}"} for c in "ABCDEFGH"]
    state.from_follower({**_LOOK, "summary": {**_LOOK["summary"], "destinations": rows}})
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(draw(state.snapshot(), "p phase", width, height))
    lines = console.export_text().splitlines()
    assert "p phase" in lines[-1]
    assert len(lines) <= height
    assert height < 45 or any("[red]A" in text for text in lines)


def test_without_a_terminal_it_is_told_as_it_comes() -> None:
    said: list[str] = []
    state = _state()
    view = Terminal(False, said.append)
    for _ in range(3):
        view.show(state.snapshot(), "")
    assert [s for s in said if "has come in" in s] == said[:1]
    for number in range(300):
        state.warn(f"warning {number}")
        view.show(state.snapshot(), "")
    state.warn("the last")
    view.stop(state.snapshot())
    assert [s for s in said if s.startswith("NOTE")] == [*(f"NOTE warning {n}" for n in range(300)), "NOTE the last"]


def test_one_line_where_there_is_no_terminal() -> None:
    text = line(_state().snapshot())
    assert "5 requests" in text
    # As the audit counts: a country that one weak source says, and a place or company that is not known, are none.
    assert "  1 country  3 companies  1 data type  " in text
    assert "2 refused" in text
    assert "not classified yet" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("place", "name"), [("ID", "Indonesia"), ("ID?", "Indonesia?"), ("anycast", "many places (anycast)"), ("XZ", "XZ")]
)
def test_places_have_names(place: str, name: str) -> None:
    assert place_name(place) == name


def test_the_proof_needs_no_room_but_the_captures_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    proof._server_context(tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="none cannot be written"):
        proof._server_context(tmp_path / "none")


def test_a_proxy_that_takes_long_to_start_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """As on a machine that is busy: it is said once, and only its end is a failure."""
    waits: list[float | None] = []
    steps: list[dict[str, Any] | None] = [None, {"type": "status"}, {"type": "ready", "modes": []}]

    def get(timeout: float | None) -> tuple[str, dict[str, Any]]:
        waits.append(timeout)
        if (step := steps.pop(0)) is None:
            raise queue.Empty
        return "proxy", step

    talk: Any = SimpleNamespace(lines=SimpleNamespace(get=get), state=SimpleNamespace(from_proxy=lambda line: None))
    assert run._ready(talk) == {"type": "ready", "modes": []}
    assert waits == [run._START, None, None]
    assert capsys.readouterr().out.count(words.STARTING_STILL) == 1
    steps[:] = [None, {"type": "gone", "text": "it fell over"}]
    with pytest.raises(InputError, match="it fell over"):
        run._ready(talk)
