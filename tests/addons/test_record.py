"""*record* in a real mitmdump between real clients and servers on loopback: what the servers saw is what the folder
holds, octet for octet, at once, and nothing counts twice."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import resource
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http, tcp
from mitmproxy.flow import Flow
from mitmproxy.io import FlowReader, tnetstring
from mitmproxy.test import tflow

from addons.recorded import bodies, state
from addons.recorded.bodies import Body
from analysis.audit import AuditOptions, audit, run
from analysis.folder import open_capture
from analysis.tables import Tables
from lintas.show import find
from tests.addons.refusing import BIN, ENVIRONMENT, ROOT, Proxy, certificates, proxied, tunnel
from tests.addons.served import HOST, Account, events, octets, serving
from tests.addons.talking import Chatter, ask, client, dumped, dumped_so_far, journal
from tests.loopback import NET
from tests.road import check_conservation

MEGA = 1 << 20
LIMIT = "lintas_body_limit=1m"


# ------------------------------------------------------------------------------------------------ a flow as octets


def _changed(flow: Flow) -> Flow:
    flow.client_conn.sni = "app.test"
    flow.client_conn.timestamp_end = 1.5
    return flow


def serialised(flow: Flow, limit: int) -> bytes:
    return b"".join(state.serialised(flow, limit))


FLOWS = [
    tflow.tflow(resp=True),
    tflow.tflow(err=True),
    tflow.tflow(resp=True, err=True, ws=True),
    tflow.twebsocketflow(),
    tflow.ttcpflow(err=True),
    tflow.tudpflow(),
    tflow.tdnsflow(resp=True),
    tflow.tdnsflow(),
    tflow.tdummyflow(),
]


@pytest.mark.parametrize("flow", FLOWS, ids=[type(f).__name__ + str(n) for n, f in enumerate(FLOWS)])
def test_the_octets_of_a_flow_are_mitmproxys(flow: Flow) -> None:
    assert serialised(flow, MEGA) == tnetstring.dumps(flow.get_state())
    # What is kept of a connection does not outlive a change of it.
    assert serialised(_changed(flow), MEGA) == tnetstring.dumps(flow.get_state())
    flow.backup()
    flow.comment = "seen"
    assert serialised(flow, MEGA) == tnetstring.dumps(flow.get_state())


def test_flows_of_real_connections_are_mitmproxys() -> None:
    with (ROOT / "captures" / "lab" / "flows.mitm").open("rb") as file:
        flows = list(FlowReader(file).stream())
    assert any(f.server_conn.certificate_list for f in flows)
    for flow in flows:
        assert serialised(flow, 1 << 40) == tnetstring.dumps(flow.get_state())


@given(
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=6),
    st.none() | st.binary(max_size=50),
    st.dictionaries(st.text(max_size=9), st.integers() | st.text(max_size=9), max_size=3),
    st.booleans(),
)
def test_whatever_a_flow_holds(
    fields: list[tuple[bytes, bytes]], body: bytes | None, metadata: dict[str, Any], trailers: bool
) -> None:
    flow = tflow.tflow(resp=True)
    assert flow.response is not None
    flow.request.headers = http.Headers(fields)
    flow.response.trailers = http.Headers(fields) if trailers else None
    flow.request.raw_content = flow.response.raw_content = body
    flow.metadata = metadata
    assert serialised(flow, 50) == tnetstring.dumps(flow.get_state())


def test_a_body_over_the_limit_is_cut_in_the_dump_and_not_in_the_flow() -> None:
    flow = tflow.tflow(resp=True)
    assert flow.response is not None
    flow.response.raw_content = octets(5000)
    state: Any = tnetstring.loads(serialised(flow, 1000))
    assert state["response"]["content"] == octets(1000)
    said = {
        "lintas_response_size": 5000,
        "lintas_response_sha256": hashlib.sha256(octets(5000)).hexdigest(),
    }
    assert state["metadata"] == said
    assert flow.response.raw_content == octets(5000)
    assert flow.metadata == {}


def test_a_large_body_is_not_copied() -> None:
    flow = tflow.tflow(resp=True)
    assert flow.response is not None
    flow.request.raw_content, flow.response.raw_content = octets(MEGA), octets(70_000, "answer")
    pieces = state.serialised(flow, 1 << 30)
    assert b"".join(pieces) == tnetstring.dumps(flow.get_state())
    assert [p for p in pieces if p is flow.request.raw_content or p is flow.response.raw_content] == [
        flow.response.raw_content,
        flow.request.raw_content,
    ]


def test_what_other_addons_left_in_the_metadata_is_left_out() -> None:
    flow = tflow.tflow(resp=True)
    flow.metadata = {"theirs": object(), "known": 1}
    state: Any = tnetstring.loads(serialised(flow, MEGA))
    assert state["metadata"] == {"known": 1}


# ------------------------------------------------------------------------------------------------ the real proxy


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Account]:
    certificates(tmp_path)
    with serving(tmp_path, http2=True) as account:
        yield account


def audited(folder: Path) -> Tables:
    """The tables of a folder, which keep every law of an audit and tell no trouble of the recording."""
    made, _ = run(folder, AuditOptions())
    check_conservation(made)
    trouble = {
        "not_sealed",
        "file_torn",
        "dump_damaged",
        "flow_repeated",
        "chain_broken",
        "line_unread",
        "body_damaged",
    }
    assert not trouble & {loss["kind"] for loss in made["losses"].to_pylist()}, made["losses"].to_pylist()
    assert not open_capture(folder).losses
    return made


def rows(made: Tables, table: str) -> list[dict[str, Any]]:
    return made[table].to_pylist()


def sizes(made: Tables, direction: str, *kinds: str) -> list[int]:
    return [m["bytes"] for m in rows(made, "messages") if m["direction"] == direction and m["kind"] in kinds]


def test_what_the_client_has_is_in_the_folder(tmp_path: Path, servers: Account) -> None:
    """Before the proxy ends; and once it has, each body that the servers saw is found by its origin."""
    with proxied(tmp_path, addons=("record",)) as proxy:
        for n in range(3):
            ask(proxy, "POST", servers.url(f"/echo?n={n}"), octets(1000 * n, str(n)))
            paths = [f.request.path for f in dumped(proxy.folder)]  # type: ignore[attr-defined]
            assert paths == [f"/echo?n={m}" for m in range(n + 1)]
        ask(proxy, "GET", servers.url("/echo?gzip=1"))
        assert proxy.stop() == 0
        log = proxy.log
    assert log.count(f"What passes is written to {proxy.folder}.") == 1
    assert "rror" not in log
    made = audited(proxy.folder)
    exchanges = rows(made, "exchanges")
    seen = Counter[tuple[str, str, int]]()
    for m in rows(made, "messages"):
        body = find_in(tmp_path, proxy.folder, m)
        direction = "answers" if m["direction"] == "received" else exchanges[m["exchange"]]["method"]
        seen[(direction, hashlib.sha256(body).hexdigest(), len(body))] += 1
    expected = Counter((method, sha, size) for method, _, sha, size in servers.requests)
    expected += Counter(("answers", *answer) for answer in servers.answers.values())
    assert seen == expected


def find_in(place: Path, folder: Path, message: dict[str, Any]) -> bytes:
    """The octets that a message's origin leads to."""
    if not (place / "audit").exists():
        audit(folder, place / "audit", AuditOptions())
    return find(place / "audit", message["origin"], folder).wanted if message["bytes"] else b""


def test_the_messages_of_an_open_websocket_are_there(tmp_path: Path, servers: Account) -> None:
    said: list[str | bytes] = ["halo", "é" * 300, b"\x00\xff" * 40_000, ""]
    with proxied(tmp_path, addons=("record",)) as proxy:
        chatter = Chatter(proxy, servers.port)
        (line,) = journal(proxy.folder)
        assert (line["type"], line["kind"], line["target"]) == ("flow", "websocket", "/chat?room=1")
        for n, content in enumerate(said):
            chatter.say(content)
            chatter.hear()
            messages = journal(proxy.folder, "message")
            assert [(m["direction"], m["index"]) for m in messages[-2:]] == [("sent", n), ("received", n)]
            assert [base64.b64decode(m["data"]) for m in messages[-2:]] == [servers.heard[-1]] * 2
        assert not (proxy.folder / "flows.mitm").read_bytes()
        chatter.close()
        proxy.wait(lambda: dumped_so_far(proxy.folder))
    made = audited(proxy.folder)
    assert sizes(made, "sent", "websocket") == [len(m) for m in servers.heard] == sizes(made, "received", "websocket")
    assert [e["status"] for e in rows(made, "exchanges")] == [101]
    assert {m["exchange"] for m in rows(made, "messages")} == {0}
    (flow,) = dumped(proxy.folder)
    assert isinstance(flow, http.HTTPFlow)
    assert flow.websocket is not None
    assert [m.content for m in flow.websocket.messages if m.from_client] == servers.heard


@pytest.mark.slow
@pytest.mark.parametrize("coding", ["", "&gzip=1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_server_sent_events_come_as_they_come(tmp_path: Path, servers: Account, coding: str, end: str) -> None:
    """To the app, and to the journal; and in the audit each counts once, with its text."""
    whole = events(6, "sse", end)
    with proxied(tmp_path, addons=("record",)) as proxy:
        connection = client(proxy)
        connection.request("GET", servers.url(f"/events?count=6&wait=1&torn=1{coding}&end={end.encode().hex()}"))
        answer = connection.getresponse()
        # The server waits for the client, which waits for the first half.
        got = answer.read1()
        proxy.wait(lambda: len(journal(proxy.folder, "message")) >= 3)
        assert len(journal(proxy.folder, "message")) < 6
        servers.go.set()
        got += answer.read()
        connection.close()
        assert proxy.stop() == 0
    assert hashlib.sha256(got).hexdigest() == servers.answers[servers.requests[0][1]][0]
    lines = journal(proxy.folder, "message")
    assert [base64.b64decode(m["data"]) for m in lines] == [*whole, b"data: torn"]
    assert [m["index"] for m in lines] == list(range(7))
    made = audited(proxy.folder)
    assert sizes(made, "received", "sse") == [len(e) for e in [*whole, b"data: torn"]]
    assert sizes(made, "received", "response") == [0]
    (exchange,) = rows(made, "exchanges")
    assert exchange["response_bytes"] == len(got)
    (flow,) = dumped(proxy.folder)
    assert isinstance(flow, http.HTTPFlow)
    assert flow.response is not None
    assert flow.response.raw_content == got
    _lacks_an_event(tmp_path, proxy.folder)


def _lacks_an_event(place: Path, folder: Path) -> None:
    """An event that the journal lacks is read from the dump's copy, coded or not."""
    (place / "lacking").mkdir()
    shutil.copy(folder / "flows.mitm", place / "lacking")
    kept = [line for line in (folder / "messages.jsonl").read_text().splitlines(True) if '"index":2,' not in line]
    (place / "lacking" / "messages.jsonl").write_text("".join(kept))
    made, _ = run(place / "lacking", AuditOptions())
    check_conservation(made)
    before, _ = run(folder, AuditOptions())
    found = [
        sorted((m["index"], m["bytes"]) for m in rows(t, "messages") if m["kind"] == "sse") for t in (before, made)
    ]
    missing = [loss["count"] for loss in rows(made, "losses") if loss["kind"] == "body_missing"]
    assert (found[0], missing) == (found[1], [])
    audit(place / "lacking", place / "lacking-audit", AuditOptions())
    (read,) = (m for m in rows(made, "messages") if m["kind"] == "sse" and m["origin"].startswith("flows.mitm"))
    whole = dict(zip([m["index"] for m in journal(folder, "message")], journal(folder, "message"), strict=True))
    octets_of_it = find(place / "lacking-audit", read["origin"], place / "lacking").wanted
    assert octets_of_it == base64.b64decode(whole[2]["data"])


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("size", [MEGA, MEGA + 1, 5 * MEGA + 12_345])
def test_a_large_body_is_kept_to_the_limit(tmp_path: Path, servers: Account, size: int, chunked: bool) -> None:
    """With its whole size and hash, whether its length was stated or not; and client and server have it whole."""
    body = octets(size, "up")
    with proxied(tmp_path, LIMIT, addons=("record",)) as proxy:
        how = "&chunked=1" if chunked else ""
        got = ask(proxy, "GET", servers.url(f"/big?size={size}{how}"))
        assert got == octets(size, "big")
        pieces = iter([body[n : n + 50_000] for n in range(0, size, 50_000)])
        sending = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
        said = json.loads(ask(proxy, "POST", servers.url("/up"), pieces, **sending))
        assert said == {"octets": size, "sha256": hashlib.sha256(body).hexdigest()}
        assert proxy.stop() == 0
    down, up = dumped(proxy.folder)
    for flow, half, sent in ((down, "response", got), (up, "request", body)):
        message = getattr(flow, half)
        assert message.raw_content == sent[:MEGA]
        if size > MEGA:
            assert flow.metadata[f"lintas_{half}_size"] == size
            assert flow.metadata[f"lintas_{half}_sha256"] == hashlib.sha256(sent).hexdigest()
        else:
            assert flow.metadata == {}
    told = journal(proxy.folder, "progress")
    for direction in ("sent", "received"):
        steps = [line["bytes"] for line in told if line["direction"] == direction]
        assert steps == sorted(set(steps))
        assert (steps[-1] == size) if size > MEGA else not steps
    made = audited(proxy.folder)
    assert [(e["request_bytes"], e["response_bytes"]) for e in rows(made, "exchanges")][1][0] == size
    assert size in sizes(made, "received", "response")
    missing = sum(loss["bytes"] for loss in rows(made, "losses") if loss["kind"] == "body_missing")
    assert missing == 2 * max(size - MEGA, 0)


def test_a_streamed_body_shows_how_far_it_came(tmp_path: Path, servers: Account) -> None:
    """While it comes; and where the proxy was killed meanwhile, its octets are counted as not kept."""
    with proxied(tmp_path, LIMIT, addons=("record",)) as proxy:
        connection = client(proxy)
        connection.request("GET", servers.url("/big?size=3000000&wait=1"))
        answer = connection.getresponse()
        assert len(answer.read(70_000)) == 70_000
        (line,) = proxy.wait(lambda: journal(proxy.folder, "progress"))
        assert (line["direction"], line["bytes"]) == ("received", 70_000)
        proxy.process.kill()
        proxy.process.wait()
        connection.close()
    made, _ = run(proxy.folder, AuditOptions())
    check_conservation(made)
    (flow,) = rows(made, "flows")
    assert (flow["bytes_in"], flow["bytes_read"]) == (70_000, 0)
    assert [(o["kind"], o["cause"], o["bytes"]) for o in rows(made, "opaque")] == [
        ("truncated", "body_not_kept", 70_000)
    ]


def test_a_download_that_breaks_off_is_kept_as_far_as_it_came(tmp_path: Path, servers: Account) -> None:
    with proxied(tmp_path, LIMIT, addons=("record",)) as proxy:
        connection = client(proxy)
        connection.request("GET", servers.url("/big?size=3000000&wait=1"))
        connection.getresponse().read(70_000)
        connection.close()
        proxy.wait(lambda: dumped_so_far(proxy.folder))
        assert proxy.stop() == 0
    (flow,) = dumped(proxy.folder)
    assert isinstance(flow, http.HTTPFlow)
    assert flow.error is not None
    assert flow.response is not None
    assert flow.response.raw_content == octets(70_000, "big")
    assert flow.metadata["lintas_response_size"] == 70_000
    audited(proxy.folder)


def test_pieces_that_mean_something_before_the_end_reach_the_app(tmp_path: Path, servers: Account) -> None:
    """Documents of JSON in a row, whose server waits for the client before it goes on."""
    with proxied(tmp_path, addons=("record",)) as proxy:
        connection = client(proxy)
        connection.request("GET", servers.url("/big?size=140000&chunked=1&wait=1&type=application/x-ndjson"))
        answer = connection.getresponse()
        got = answer.read(70_000)
        servers.go.set()
        assert got + answer.read() == octets(140_000, "big")
        connection.close()
        assert proxy.stop() == 0
    (flow,) = dumped(proxy.folder)
    assert isinstance(flow, http.HTTPFlow)
    assert flow.response is not None
    assert flow.response.raw_content == octets(140_000, "big")
    audited(proxy.folder)


def test_tcp_is_written_as_it_comes_and_kept_to_the_limit(tmp_path: Path, servers: Account) -> None:
    def echo(line: socket.socket, data: bytes) -> None:
        line.sendall(data)
        left = len(data)
        while left:
            left -= len(line.recv(left))

    with (
        proxied(tmp_path, "lintas_body_limit=100k", addons=("record",)) as proxy,
        tunnel(proxy, f"{HOST}:{servers.tcp}") as line,
    ):
        line.settimeout(20)
        echo(line, b"\x05hello")
        first, second = journal(proxy.folder, "message")
        assert base64.b64decode(first["data"]) == base64.b64decode(second["data"]) == b"\x05hello"
        for n in range(10):
            echo(line, octets(30_000, str(n)))
        line.close()
        proxy.wait(lambda: dumped_so_far(proxy.folder))
        assert proxy.stop() == 0
    for direction in ("sent", "received"):
        lines = [m for m in journal(proxy.folder, "message") if m["direction"] == direction]
        assert sum(m["size"] for m in lines) == 300_006
        kept = b"".join(base64.b64decode(m.get("data", "")) for m in lines)
        assert kept == (b"\x05hello" + b"".join(octets(30_000, str(n)) for n in range(10)))[:102_400]
    (flow,) = dumped(proxy.folder)
    assert isinstance(flow, tcp.TCPFlow)
    assert sum(len(m.content) for m in flow.messages) <= 100 * 1024 + 65_536
    made = audited(proxy.folder)
    assert sum(sizes(made, "sent", "tcp")) == sum(sizes(made, "received", "tcp")) == 300_006
    (row,) = rows(made, "flows")
    assert (row["bytes_out"], row["bytes_in"], row["bytes_read"]) == (
        300_006,
        300_006,
        0,
    )  # opened, and nobody understood it


def test_udp_is_written_as_it_comes(tmp_path: Path) -> None:
    certificates(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        server.settimeout(20)
        place = f"{HOST}:{server.getsockname()[1]}"
        with proxied(tmp_path, addons=("record",), mode=f"reverse:udp://{place}") as proxy:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
                phone.settimeout(20)
                phone.connect((f"{NET}.1", proxy.port))
                for n in range(3):
                    phone.send(b"\x01ping%d" % n)
                    data, peer = server.recvfrom(2000)
                    server.sendto(data[::-1], peer)
                    assert phone.recv(2000) == data[::-1]
                lines = journal(proxy.folder, "message")
                assert [(m["kind"], m["direction"], m["index"]) for m in lines] == [
                    ("udp", way, n) for n in range(3) for way in ("sent", "received")
                ]
            # mitmproxy's own UDP may fall over its end (a segmentation fault behind the last hook): the seal counts.
            proxy.stop()
    made = audited(proxy.folder)
    assert sizes(made, "sent", "udp") == sizes(made, "received", "udp") == [6, 6, 6]
    assert rows(made, "flows")[0]["transport"] == "udp"


def test_ciphertext_that_nobody_opened_is_no_message(tmp_path: Path, servers: Account) -> None:
    """Hosts that the user has mitmproxy ignore and show: all octets are counted, more than are held in memory too."""
    with proxied(
        tmp_path, "ignore_hosts=.*", "show_ignored_hosts=true", "lintas_body_limit=100k", addons=("record",)
    ) as proxy:
        for size in (10, 400_000):
            place = f"{HOST}:{servers.secure}"
            command = ["curl", "-q", "-sS", "--max-time", "20", "-k", "-x", proxy.address]
            done = subprocess.run(
                [*command, f"https://{place}/big?size={size}"], capture_output=True, check=True, env=ENVIRONMENT
            )
            assert done.stdout == octets(size, "big")
        proxy.wait(lambda: proxy.log.count("client disconnect") == 2)
        assert proxy.stop() == 0
    assert journal(proxy.folder) == []
    made = audited(proxy.folder)
    small, large = sorted(rows(made, "flows"), key=lambda f: f["bytes_in"])
    assert not rows(made, "messages")
    assert small["bytes_in"] > 10
    assert 400_000 < large["bytes_in"] < 440_000
    assert [o["cause"] for o in rows(made, "opaque")] == ["passed_through"] * 2
    assert small["bytes_read"] == large["bytes_read"] == 0


@pytest.mark.slow
def test_http2_over_tls_with_a_client_like_chrome(tmp_path: Path, servers: Account) -> None:
    from curl_cffi import Session

    bodies = [octets(n * 777, str(n)) for n in range(5)]
    options: dict[str, Any] = {"verify": False, "timeout": 20}
    with proxied(tmp_path, "ssl_insecure=true", addons=("record",)) as proxy:
        with Session(impersonate="chrome131_android", proxies={"all": proxy.address}, **options) as session:
            for body in bodies:
                session.post(f"https://{HOST}:{servers.http2}/up", data=body).raise_for_status()
        assert proxy.stop() == 0
    made = audited(proxy.folder)
    (flow,) = {f["flow"]: f for f in rows(made, "flows")}.values()
    assert (flow["alpn"], flow["tls"], flow["tcp_ms"] > 0) == ("h2", "TLS 1.3", True)
    assert [e["protocol"] for e in rows(made, "exchanges")] == ["http/2"] * 5
    flows = dumped(proxy.folder)
    assert all(f.server_conn.certificate_list for f in flows)
    again = b"".join(tnetstring.dumps(f.get_state()) for f in flows)
    assert again == (proxy.folder / "flows.mitm").read_bytes()
    account = [(line["bytes"], line["sha256"]) for line in servers.http2_requests()]
    assert account == [(len(b), hashlib.sha256(b).hexdigest()) for b in bodies]
    sent = [m for m in rows(made, "messages") if m["direction"] == "sent"]
    assert [find_in(tmp_path, proxy.folder, m) for m in sent] == bodies


# --------------------------------------------------------------------------------------------------- its ends


def test_without_any_option_it_says_where_it_writes_and_ends(tmp_path: Path) -> None:
    """As somebody types it: no folder, no other option; a request is under way and a socket open when Ctrl-C comes."""
    certificates(tmp_path)
    (tmp_path / "captures").mkdir()
    with serving(tmp_path) as servers:
        command = [BIN / "mitmdump", "-s", ROOT / "addons" / "record.py", "--listen-host", f"{NET}.1", "-p", "0"]
        home = tmp_path / "home"
        home.mkdir()
        with (home / "proxy.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--set", f"confdir={home}"], cwd=tmp_path, env=ENVIRONMENT, stdout=log, stderr=log
            )
        proxy = Proxy(tmp_path, home, 0, home, process)
        try:
            proxy.wait(lambda: "listening at" in proxy.log and "is written to" in proxy.log)
            proxy.port = int(proxy.log.partition("listening at")[2].partition(":")[2].split(".")[0].split()[0])
            (proxy.folder,) = (tmp_path / "captures").iterdir()
            assert f"What passes is written to {proxy.folder}." in proxy.log
            ask(proxy, "GET", servers.url("/echo"))
            chatter = Chatter(proxy, servers.port)
            chatter.say("open")
            chatter.hear()
            waiting = client(proxy)
            waiting.request("POST", servers.url("/echo?wait=1"), b"asked")
            proxy.wait(lambda: any(target == "/echo?wait=1" for _, target, *_ in servers.requests))
            assert proxy.stop() == 0
        finally:
            process.kill()
            process.wait()
    made = audited(proxy.folder)
    assert sorted((e["path"], e["status"]) for e in rows(made, "exchanges") if e["status"]) == [
        ("/chat", 101),
        ("/echo", 200),
    ]
    assert [e["request_bytes"] for e in rows(made, "exchanges") if e["status"] is None] == [5]
    assert sizes(made, "sent", "websocket") == [4]


@pytest.mark.slow
def test_every_addon_together(tmp_path: Path, servers: Account) -> None:
    """What was sent and what never answered, each once."""
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        dead = f"{HOST}:{nobody.getsockname()[1]}"
        with proxied(tmp_path, addons=("record", "opaque", "phases", "annotate")) as proxy:
            ask(proxy, "POST", servers.url("/echo?n=0"), octets(100))
            command = ["curl", "-q", "-s", "--max-time", "20", "-x", proxy.address]
            for url in (f"https://{dead}/", f"http://{dead}/plain"):
                subprocess.run([*command, url], capture_output=True, check=False, env=ENVIRONMENT)
            ask(proxy, "GET", servers.url("/events?count=3"))
            assert proxy.stop() == 0
    assert "Over-riding" not in proxy.log
    assert proxy.log.count(f"The folder is sealed; next: lintas audit {proxy.folder}") == 1
    assert "Traceback" not in proxy.log
    made = audited(proxy.folder)
    assert sorted(e["path"] for e in rows(made, "exchanges")) == ["/echo", "/events", "/plain"]
    unanswered = [f for f in rows(made, "flows") if f["dport"] == int(dead.partition(":")[2])]
    assert [len(f["unread"] or ()) for f in unanswered].count(1) == 1
    assert len(unanswered) == 2


def test_an_answer_before_the_end_of_the_request(tmp_path: Path) -> None:
    """A server that refuses an upload at its beginning: the flow is written when both are over, and once."""
    certificates(tmp_path)
    with socket.create_server((HOST, 0)) as listener, proxied(tmp_path, LIMIT, addons=("record",)) as proxy:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        size = 3 * MEGA
        with socket.create_connection((f"{NET}.1", proxy.port), 20) as phone:
            head = f"POST http://{HOST}:{port}/up HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {size}\r\n\r\n"
            phone.sendall(head.encode() + octets(100_000))
            server = listener.accept()[0]
            server.settimeout(20)
            got = b""
            while len(got) < 100_000:
                got += server.recv(65_536)
            server.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!")
            assert phone.recv(1000).startswith(b"HTTP/1.1 413")
            assert not (proxy.folder / "flows.mitm").read_bytes()
            sender = octets(size)[100_000:]
            phone.settimeout(20)
            while sender:
                sender = sender[phone.send(sender[:65_536]) :]
                server.recv(1 << 20)
            proxy.wait(lambda: dumped_so_far(proxy.folder))
            server.close()
        assert proxy.stop() == 0
    (flow,) = dumped(proxy.folder)
    assert isinstance(flow, http.HTTPFlow)
    assert flow.metadata["lintas_request_size"] == size
    assert flow.response is not None
    assert flow.response.raw_content == b"no!"
    audited(proxy.folder)


def test_other_addons_may_stream_and_change_what_passes(tmp_path: Path, servers: Account) -> None:
    """What the server sent is recorded, also where another addon streams it or sends something else on."""
    (tmp_path / "other.py").write_text(
        "def responseheaders(flow):\n"
        "    if 'plain' in flow.request.path: flow.response.stream = True\n"
        "    if 'upper' in flow.request.path: flow.response.stream = lambda data: data.upper()\n"
        "def request(flow):\n"
        "    flow.metadata['theirs'] = object()\n"
        "    if 'broken' in flow.request.path: flow.comment = object()\n"
    )
    with proxied(tmp_path, addons=("record", str(tmp_path / "other"))) as proxy:
        sent = json.dumps({"octets": 0, "sha256": hashlib.sha256(b"").hexdigest()}).encode()
        assert ask(proxy, "GET", servers.url("/plain")) == sent
        assert ask(proxy, "GET", servers.url("/upper")) == sent.upper()
        assert ask(proxy, "GET", servers.url("/broken")) == sent
        assert ask(proxy, "GET", servers.url("/echo")) == sent
        assert proxy.stop() == 0
    flows = dumped(proxy.folder)
    assert [f.request.path for f in flows] == ["/plain", "/upper", "/echo"]  # type: ignore[attr-defined]
    assert [f.response.raw_content for f in flows] == [sent] * 3  # type: ignore[attr-defined]
    made, _ = run(proxy.folder, AuditOptions())
    assert ("not_recorded", 1) in {(loss["kind"], loss["count"]) for loss in rows(made, "losses")}
    assert "could not be recorded" in proxy.log


@pytest.mark.parametrize("store", ["false", "true"])
def test_what_the_user_streams_is_recorded_all_the_same(tmp_path: Path, servers: Account, store: str) -> None:
    """mitmproxy alone would keep nothing of it, or all of it."""
    options = ("stream_large_bodies=10k", f"store_streamed_bodies={store}", LIMIT)
    with proxied(tmp_path, *options, addons=("record",)) as proxy:
        for how in ("size=50000", "size=50000&chunked=1", f"size={2 * MEGA}&chunked=1"):
            ask(proxy, "GET", servers.url(f"/big?{how}"))
        ask(proxy, "POST", servers.url("/up"), octets(60_000))
        assert proxy.stop() == 0
    *answers, asked = dumped(proxy.folder)
    contents = [f.response.raw_content for f in answers]  # type: ignore[attr-defined]
    assert contents == [octets(n, "big")[:MEGA] for n in (50_000, 50_000, 2 * MEGA)]
    assert [f.metadata["lintas_response_size"] for f in answers] == [50_000, 50_000, 2 * MEGA]
    assert asked.request.raw_content == octets(60_000)  # type: ignore[attr-defined]
    made = audited(proxy.folder)
    assert [loss["bytes"] for loss in rows(made, "losses") if loss["kind"] == "body_missing"] == [MEGA]


def test_flows_that_are_read_from_a_file_are_not_the_phones(tmp_path: Path) -> None:
    certificates(tmp_path)
    lab = ROOT / "captures" / "lab" / "flows.mitm"
    with proxied(tmp_path, f"rfile={lab}", "keepserving=true", addons=("record",)) as proxy:
        proxy.wait(lambda: "WebSocket connection closed" in proxy.log)
        assert proxy.stop() == 0
    assert not (proxy.folder / "flows.mitm").exists()
    assert journal(proxy.folder) == []


@pytest.mark.slow
def test_a_folder_that_holds_a_recording_is_not_written(tmp_path: Path, servers: Account) -> None:
    with proxied(tmp_path, addons=("record",)) as proxy:
        ask(proxy, "GET", servers.url("/echo"))
        assert proxy.stop() == 0
    before = {p.name: p.read_bytes() for p in proxy.folder.iterdir()}
    command = [BIN / "mitmdump", "-s", ROOT / "addons" / "record.py", "--listen-host", f"{NET}.1", "-p", "0"]
    command += ["--set", f"confdir={proxy.home}", "--set", f"lintas_folder={proxy.folder}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=ENVIRONMENT, check=False)
    assert done.returncode != 0
    assert "holds a recording already" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert before == {p.name: p.read_bytes() for p in proxy.folder.iterdir()}


def test_a_limit_that_is_no_size_is_told(tmp_path: Path) -> None:
    command = [BIN / "mitmdump", "-s", ROOT / "addons" / "record.py", "-p", "0", "--set", "lintas_body_limit=much"]
    done = subprocess.run(
        [*command, "--set", f"confdir={tmp_path}"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        env=ENVIRONMENT,
        check=False,
    )
    assert "lintas_body_limit is 'much'; write a size like 10m." in done.stdout + done.stderr
    assert done.returncode != 0


# --------------------------------------------------------------------------------------------- trouble on the disk


@pytest.mark.slow
def test_a_full_disk_stops_no_traffic(tmp_path: Path, servers: Account) -> None:
    """And once there is room again, recording goes on, and the audit says what is missing."""
    with proxied(tmp_path, addons=("record",)) as proxy:
        # The limit is one of files: it must be above what the proxy's own log comes to.
        ask(proxy, "POST", servers.url("/echo?n=0"), octets(300_000))
        chatter = Chatter(proxy, servers.port)
        unlimited = resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE)
        size = (proxy.folder / "flows.mitm").stat().st_size + 500
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
        for n in (1, 2, 3):
            ask(proxy, "POST", servers.url(f"/echo?n={n}"), octets(1000))
        for n in range(200):
            chatter.say(f"{n} " + "x" * 3000)
            assert chatter.hear().startswith(b"%d " % n)
        assert len(journal(proxy.folder, "message")) < 400
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, unlimited)
        ask(proxy, "POST", servers.url("/echo?n=4"), octets(1000))
        chatter.say("after")
        chatter.hear()
        chatter.close()
        assert proxy.stop() == 0
    assert proxy.process.returncode == 0
    # The limit is one of files: it is the dump's first, and then the journal's.
    assert proxy.log.count("cannot be written") == 2
    assert "flows, messages and events; they are counted in events.jsonl." in proxy.log
    made, _ = run(proxy.folder, AuditOptions())
    check_conservation(made)
    losses = rows(made, "losses")
    lost = [loss for loss in losses if loss["kind"] == "not_recorded"]
    assert sum(loss["count"] for loss in lost) >= 3
    assert not {"not_sealed", "file_torn", "dump_damaged", "line_unread"} & {loss["kind"] for loss in losses}
    asked = list(Counter(f.request.path for f in dumped(proxy.folder)))  # type: ignore[attr-defined]
    assert asked[0] == "/echo?n=0"
    assert "/echo?n=4" in asked
    # Messages that the journal lacks were still in the flow, and the dump's copy fills them in.
    assert Counter(sizes(made, "sent", "websocket")) == Counter(len(m) for m in servers.heard)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["websocket", "tcp"])
def test_what_the_journal_never_got_is_not_forgotten(tmp_path: Path, servers: Account, kind: str) -> None:
    """Though it is more than the flow would hold: it is in the dump, which is written when there is room."""
    with proxied(tmp_path, "lintas_body_limit=20k", addons=("record",)) as proxy:
        ask(proxy, "POST", servers.url("/echo"), octets(300_000))
        chatter = Chatter(proxy, servers.port)
        raw = tunnel(proxy, f"{HOST}:{servers.tcp}")
        raw.settimeout(20)

        def says(text: str) -> None:
            if kind == "websocket":
                chatter.say(text)
                chatter.hear()
            else:
                raw.sendall(text.encode())
                assert raw.recv(70_000) == text.encode()

        for n in range(10):
            says(f"before {n} " + "x" * 3000)
        unlimited = resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE)
        # As much as the proxy's own log needs, which is a file too; the journal is larger already.
        size = max((proxy.folder / "messages.jsonl").stat().st_size, (proxy.home / "proxy.log").stat().st_size + 500)
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
        for n in range(40):
            says(f"while {n} " + "y" * 3000)
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, unlimited)
        says("after")
        chatter.close()
        raw.close()
        assert proxy.stop() == 0
    texts = [f"before {n} " + "x" * 3000 for n in range(10)] + [f"while {n} " + "y" * 3000 for n in range(40)]
    made, _ = run(proxy.folder, AuditOptions())
    check_conservation(made)
    for direction in ("sent", "received"):
        assert sorted(sizes(made, direction, kind)) == sorted(map(len, [*texts, "after"]))
    (flow,) = (f for f in dumped(proxy.folder) if f.type == kind or (getattr(f, "websocket", None) and kind != "tcp"))
    held = flow.messages if isinstance(flow, tcp.TCPFlow) else flow.websocket.messages  # type: ignore[attr-defined]
    contents = [m.content.decode() for m in held]
    assert [c for c in contents if c.startswith("while")] == [t for t in texts[10:] for _ in range(2)]
    assert "" in contents


@pytest.mark.slow
def test_a_folder_that_is_removed_is_made_again(tmp_path: Path, servers: Account) -> None:
    with proxied(tmp_path, addons=("record",)) as proxy:
        ask(proxy, "GET", servers.url("/echo?n=0"))
        shutil.rmtree(proxy.folder)
        n = 0

        def restored() -> bool:
            nonlocal n
            n += 1
            ask(proxy, "GET", servers.url(f"/echo?n={n}"))
            return proxy.folder.exists()

        proxy.wait(restored)
        assert proxy.stop() == 0
    made = audited(proxy.folder)
    assert len(rows(made, "exchanges")) == n + 1


# --------------------------------------------------------------------------------------------------------- bodies


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=8), st.integers(0, 100))
def test_a_body_in_whatever_pieces(pieces: list[bytes], limit: int) -> None:
    whole = b"".join(pieces)
    heard: list[bytes] = []
    body = Body(limit, lambda size: None, heard.append)
    assert [body(piece) for piece in [*pieces, b""]] == [*pieces, b""]
    assert b"".join(heard) == whole
    message = http.Response.make()
    message.data.content = None
    metadata: dict[str, Any] = {}
    body.settle(message, metadata, "response")
    body.end()
    assert message.data.content == whole[:limit]
    assert metadata["lintas_response_size"] == len(whole)
    assert metadata["lintas_response_sha256"] == hashlib.sha256(whole).hexdigest()
    assert metadata.get("lintas_response_events", 0) == len(heard)


def test_a_stream_that_is_not_what_its_head_says_is_a_body() -> None:
    heard: list[bytes] = []
    steps: list[int] = []
    body = Body(1000, steps.append, heard.append, inflates=True)
    assert body(b"data: not gzip\n\n") == b"data: not gzip\n\n"
    body(b"")
    assert heard == []
    assert steps == [16]


def test_a_coded_stream_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """In several members, inflated a little at a time; and one that breaks down behind its first events."""
    monkeypatch.setattr(bodies, "_INFLATED", 7)
    whole = events(5)
    coded = gzip.compress(b"".join(whole[:2])) + gzip.compress(b"".join(whole[2:]))
    for step in (1, 10, 10_000):
        heard: list[bytes] = []
        body = Body(1000, lambda size: None, heard.append, inflates=True)
        for start in range(0, len(coded), step):
            body(coded[start : start + step])
        body(b"")
        assert heard == whole
        assert body.events == 5
    broken, heard = Body(1000, lambda size: None, lambda event: heard.append(event), inflates=True), []
    broken(gzip.compress(whole[0]))
    assert broken(b"no more of it") == b"no more of it"
    broken(b"")
    assert (heard, broken.events) == ([whole[0]], 2)


def test_a_coded_stream_that_is_a_bomb_is_a_body() -> None:
    """200 kB of it would be 200 MB of lines; what came until then is kept."""
    heard: list[int] = []
    steps: list[int] = []
    body = Body(1 << 20, steps.append, lambda event: heard.append(len(event)), inflates=True)
    coded = gzip.compress(b"data: 1\n\n" + b"data: 0\n" * 25_000_000)
    assert len(coded) > 200_000
    assert body(coded) == coded
    body(b"")
    assert heard[0] == len(b"data: 1\n\n")
    assert sum(heard) < (17 << 20) + 200 * len(coded)
    assert sum(heard) < 100_000_000
    assert body.events == len(heard) + 1
    assert steps == [len(coded)]


def test_a_failure_in_recording_does_not_end_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, without a word of the body, which is recorded at its end."""

    def fails(event: object) -> None:
        raise RuntimeError(f"a defect with {event!r}")

    pieces = [b"data: 081234567\n\n", b"data: 2\n\n", b""]
    for body in (Body(1000, lambda size: None, fails), Body(1000, fails)):
        caplog.clear()
        # More than what is told at once, of a body that is no stream of events.
        given = pieces if body.__dict__["_event"] else [octets(2 * MEGA), octets(2 * MEGA), b""]
        assert [body(piece) for piece in given] == given
        message, metadata = http.Response.make(), dict[str, Any]()
        message.data.content = None
        body.settle(message, metadata, "response")
        assert metadata["lintas_response_sha256"] == hashlib.sha256(b"".join(given)).hexdigest()
        assert [record.getMessage().partition("(")[2] for record in caplog.records] == [
            "RuntimeError); it is recorded at its end."
        ]
        assert "0812" not in caplog.text
