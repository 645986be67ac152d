"""*annotate* in the real mitmdump and mitmweb: comments and marks reach the list and its filters, the user's own stay,
and the follower neither outlives the proxy nor takes it along."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import wsproto
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons, tflow
from wsproto.events import AcceptConnection, Request, TextMessage

from addons.annotate import MARKER, Annotate
from addons.record import Record
from analysis import audit
from analysis.audit import AuditOptions
from analysis.folder.writing import writing
from analysis.follow import Follower
from tests.addons.refusing import ROOT, certificates
from tests.addons.served import HOST, Account, serving
from tests.addons.watching import HERE, PASSWORD, Watched, answering, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMEI = "490154203237518"
ALL = ("record", "phases", "annotate")


def gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return (Path("/proc") / str(number) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


@contextmanager
def chatting(proxy: Watched, account: Account) -> Iterator[Callable[[str], None]]:
    """An open WebSocket through the proxy, and what says a text over it."""
    with socket.create_connection((HERE, proxy.port), timeout=20) as raw:
        raw.sendall(f"CONNECT {HOST}:{account.port} HTTP/1.1\r\nHost: {HOST}:{account.port}\r\n\r\n".encode())
        assert b" 200 " in raw.recv(4096)
        connection = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        raw.sendall(connection.send(Request(host=f"{HOST}:{account.port}", target="/chat")))
        connection.receive_data(raw.recv(4096))
        assert isinstance(next(connection.events()), AcceptConnection)
        yield lambda text: raw.sendall(connection.send(TextMessage(text)))


def commented(proxy: Watched, count: int) -> list[dict[str, Any]]:
    """The flows of mitmweb's list, once that many have a comment."""
    found: list[dict[str, Any]] = proxy.wait(
        lambda: len([f for f in proxy.flows() if f["comment"]]) >= count and proxy.flows()
    )
    return found


@pytest.mark.slow
def test_alone_and_without_options_it_passes_traffic_and_ends(tmp_path: Path) -> None:
    with answering() as server, watched(tmp_path, "annotate", lintas_folder="", ready="audit of") as proxy:
        assert proxy.get(f"{server}/a") == b"/a"
        follower = proxy.wait(proxy.follower)
        proxy.wait(lambda: "comments need -s addons/record.py" in proxy.log)
        assert proxy.stop() == 0
        assert gone(follower)
        (folder,) = tmp_path.glob("capture-*")
        assert str(folder) in proxy.log
        assert "Traceback" not in proxy.log


@pytest.mark.slow
def test_mitmweb_shows_and_filters_what_the_audit_says(tmp_path: Path) -> None:
    with (
        answering() as server,
        watched(tmp_path, *ALL, program="mitmweb", ready="audit of", lintas_follow="--user-country ID") as proxy,
    ):
        proxy.get(f"{server}/plain")
        proxy.get(f"{server}/told?imei={IMEI}&lang=id")
        plain, told = commented(proxy, 2)
        assert (plain["comment"], plain["marked"]) == ("local · ?", "")
        assert told["comment"].startswith("local · imei")
        assert IMEI not in told["comment"]
        assert told["marked"]
        assert proxy.ask("GET", "/options")["web_columns"]["value"][-1] == "comment"
        for said, meant in (
            ("~comment imei", [told["id"]]),
            ("~marked", [told["id"]]),
            ("~comment local", [plain["id"], told["id"]]),
        ):
            proxy.ask("POST", "/commands/view.filter.set", {"arguments": [said]})
            counted = proxy.ask("POST", "/commands/view.properties.length", {"arguments": []})
            assert counted["value"] == len(meant), said
        proxy.ask("POST", "/commands/view.filter.set", {"arguments": [""]})

        # A comment of the user's own, and one that was changed, are his.
        proxy.ask("PUT", f"/flows/{told['id']}", {"comment": "look here"})
        follower = proxy.wait(proxy.follower)
        os.kill(follower, signal.SIGKILL)
        proxy.wait(lambda: "it is started again" in proxy.log)
        proxy.get(f"{server}/later?imei={IMEI}")
        again = proxy.wait(lambda: (n := proxy.follower()) != follower and n)
        flows = commented(proxy, 3)
        assert [f["comment"] for f in flows] == ["local · ?", "look here", flows[2]["comment"]]
        assert flows[2]["comment"].startswith("local · imei")
        assert proxy.stop() == 0
        assert gone(again)
        assert "Traceback" not in proxy.log

    # What was told while it ran is what the audit says afterwards.
    made = audit.run(proxy.folder, AuditOptions(user_country="ID"))[0]
    follower_after = Follower(proxy.folder, AuditOptions(user_country="ID"))
    look = follower_after.look(last=True)
    assert all(look.made[name].equals(made[name]) for name in made)
    comments = follower_after.comments(look)
    assert {comments[f["id"]].text for f in (flows[0], flows[2])} == {flows[0]["comment"], flows[2]["comment"]}


@pytest.mark.slow
def test_columns_that_the_user_chose_stay(tmp_path: Path) -> None:
    with watched(
        tmp_path, "annotate", program="mitmweb", ready="Add comment to web_columns", web_columns="path"
    ) as proxy:
        assert proxy.ask("GET", "/options")["web_columns"]["value"] == ["path"]


@pytest.mark.slow
def test_options_that_the_audit_refuses_are_said_once(tmp_path: Path) -> None:
    with (
        answering() as server,
        watched(tmp_path, *ALL, ready="Flows get no comments", lintas_follow="--user-country Mars") as proxy,
    ):
        assert "'Mars' is no country" in proxy.log
        assert proxy.get(f"{server}/a") == b"/a"
        assert proxy.stop() == 0
        assert proxy.log.count("Flows get no comments") == 1


@pytest.mark.slow
def test_a_proxy_that_is_killed_takes_its_follower_along(tmp_path: Path) -> None:
    with watched(tmp_path, *ALL, ready="audit of") as proxy:
        follower = proxy.wait(proxy.follower)
        proxy.process.kill()
        proxy.process.wait()
        proxy.wait(lambda: gone(follower))


@pytest.mark.slow
def test_an_open_websocket_is_commented_while_it_is_open(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    certificates(tmp_path / "server")
    with (
        serving(tmp_path / "server") as account,
        watched(tmp_path, *ALL, program="mitmweb", ready="audit of") as proxy,
        chatting(proxy, account) as say,
    ):
        say(f'{{"imei": "{IMEI}"}}')
        (flow,) = commented(proxy, 1)
        assert flow["type"] == "http"
        assert flow["websocket"]["timestamp_end"] is None
        assert flow["comment"].startswith("local · imei")
        assert flow["marked"]


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_shows_the_comment(tmp_path: Path, chromium: Browser) -> None:
    with answering() as server, watched(tmp_path, *ALL, program="mitmweb", ready="audit of") as proxy:
        page = chromium.new_page(viewport={"width": 1280, "height": 600})
        try:
            page.goto(f"http://{HERE}:{proxy.web}/?token={PASSWORD}")
            proxy.get(f"{server}/told?imei={IMEI}")
            page.wait_for_selector("td.col-comment:has-text('local · imei')", timeout=60_000)
        finally:
            page.close()


@pytest.mark.slow
def test_a_follower_beside_a_real_recording_ends_in_the_tables_of_the_audit(tmp_path: Path) -> None:
    """Requests, an open WebSocket, a phase, and the proxy's end: the follower comes to its own with the seal."""
    (tmp_path / "server").mkdir()
    certificates(tmp_path / "server")
    out, words = tmp_path / "live", ["--user-country", "ID", "--interval", "0.1"]
    with serving(tmp_path / "server") as account, watched(tmp_path, "record", "opaque", "phases") as proxy:
        command = [sys.executable, "-m", "analysis.follow", str(proxy.folder), "--tables", str(out), *words]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as follower:
            assert follower.stdout is not None
            patience = threading.Timer(120, follower.kill)
            patience.daemon = True
            patience.start()
            told = (json.loads(line) for line in follower.stdout)
            with chatting(proxy, account) as say:
                for n in range(3):
                    proxy.get(account.url(f"/echo?imei={IMEI}&n={n}"))
                    say(f'{{"imei": "{IMEI}", "n": {n}}}')
                    wanted = 1 + n
                    assert any(
                        t["type"] == "look" and t["exchanges"] >= wanted and t["summary"]["messages"] >= 2 * wanted
                        for t in told
                    )
                assert proxy.stop() == 0
            *_, last = told
            assert last == {"type": "end", "sealed": True, "tables": str(out)}
            patience.cancel()
            assert follower.wait(60) == 0
    audit.audit(proxy.folder, tmp_path / "offline", AuditOptions(user_country="ID"))
    for place in (tmp_path / "offline").iterdir():
        if place.suffix in (".parquet", ".json"):
            assert place.read_bytes() == (out / place.name).read_bytes(), place.name


# ------------------------------------------------------------------------------------------------ the rule alone


def test_the_users_own_words_and_marks_are_never_touched() -> None:
    addon = Annotate()
    with taddons.context():
        flow = tflow.tflow()
        assert addon._say(flow, "ID · email · PT X", True)
        assert (flow.comment, flow.marked) == ("ID · email · PT X", MARKER)
        assert not addon._say(flow, "ID · email · PT X", True)
        assert addon._say(flow, "ID · PT X", False)
        assert (flow.comment, flow.marked) == ("ID · PT X", "")
        flow.comment, flow.marked = "mine", ":grapes:"
        assert not addon._say(flow, "SG · PT X", True)
        assert (flow.comment, flow.marked) == ("mine", ":grapes:")
        flow.comment = ""
        assert addon._say(flow, "SG · PT X", True)
        assert (flow.comment, flow.marked) == ("SG · PT X", ":grapes:")
        other = tflow.tflow()
        other.marked = MARKER  # set by the user before anything was said
        assert addon._say(other, "SG · PT X", False)
        assert other.marked == MARKER


@pytest.mark.parametrize("records", [True, False])
def test_that_none_is_recorded_is_said_where_nobody_records(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, records: bool
) -> None:
    """A flow that is still open is in no dump yet, and is recorded all the same."""
    addon, recorder = Annotate(), Record()
    with taddons.context(Proxyserver(), addon, recorder) as context:
        context.options.update(lintas_folder=str(tmp_path / "capture"))
        addon._out = writing(tmp_path / "capture")
        if records:
            recorder.running()
        addon.requestheaders(tflow.tflow())
        addon._lines([{"type": "behind", "behind_seconds": 0.5, "behind_bytes": 300}])
        addon._out.release()
        recorder.done()
    assert ("none is recorded" in caplog.text) is not records


def test_it_holds_no_flow_that_the_proxy_let_go() -> None:
    addon = Annotate()
    flow = tflow.tflow(resp=True)
    addon.requestheaders(flow)
    addon._say(flow, "ID", False)
    key = flow.id
    assert key in addon._flows
    del flow

    gc.collect()
    assert key not in addon._flows
    assert len(addon._ours) == 0


def test_a_follower_that_gets_no_time_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At idle priority it may never run: then it cannot say itself how far it is behind."""
    now = 1000.0
    monkeypatch.setattr("addons.annotate.time.monotonic", lambda: now)
    caplog.set_level("INFO")
    addon = Annotate()
    addon._follower = object()  # type: ignore[assignment]
    with taddons.context():
        addon._lines([{"type": "look", "next_in": 100.0}])
        for moment in (1050.0, 1150.0):
            now = moment
            addon.requestheaders(tflow.tflow())
        assert not caplog.text
        for moment in (1170.0, 1171.0, 1200.0):
            now = moment
            addon.requestheaders(tflow.tflow())
        assert caplog.text.count("no time left") == 1
        now = 1300.0
        addon._lines([{"type": "behind", "behind_seconds": 45.5, "behind_bytes": 3_000_000}])
        addon._lines([{"type": "behind", "behind_seconds": 46.5, "behind_bytes": 3_000_000}])
        assert caplog.text.count("by 3.0 MB and 46 s") == 1
