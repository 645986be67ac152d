"""The contract of the mask for what is shown while a capture runs: no spelling of a planted value stands in the view,
on the page, in a log, in a line of the follower or in a comment of mitmproxy's."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mitmproxy.test import taddons, tflow
from rich.console import Console

from addons.annotate import Annotate
from addons.unopened.hosts import Host
from addons.unopened.lines import Lines
from analysis.audit import AuditOptions
from analysis.follow import Follower, _tell
from lintas.capture.masking import Masking
from lintas.capture.state import State
from lintas.capture.view import Terminal, draw, line
from tests.analysis.test_masked_everywhere import PLANTED, carrying
from tests.read.test_mask import SPELLINGS

WRITTEN = {(kind, name): spell(value) for kind, value in PLANTED.items() for name, spell in SPELLINGS.items()}


def _left(outputs: dict[str, str], texts: dict[tuple[str, str], str]) -> list[str]:
    """Which spellings stand in which output."""
    return [
        f"{kind} {name} in {where}"
        for (kind, name), text in texts.items()
        for spelling in {text, quote(text, safe=""), json.dumps(text)[1:-1], text.lower()}
        for where, whole in outputs.items()
        if spelling in whole
    ]


@pytest.fixture
def persona(tmp_path: Path) -> Path:
    place = tmp_path / "persona.yaml"
    place.write_text("\n".join(f"{k}: {json.dumps(v)}" for k, v in PLANTED.items()))
    return place


def _shown(state: State, said: list[str]) -> dict[str, str]:
    now = state.snapshot()
    console = Console(width=400, height=60, record=True, file=io.StringIO())
    console.print(draw(now, "", 400, 60))
    Terminal(False, said.append).stop(now)
    return {
        "page": json.dumps(now, ensure_ascii=False),
        "terminal": console.export_text(),
        "line": line(now),
        "lines": "\n".join(said),
    }


def test_no_spelling_is_shown(persona: Path) -> None:
    masking = Masking(persona, "ID")
    for number, key in enumerate(WRITTEN):
        text = WRITTEN[key]
        state = State(f"of {text}", f"captures/{text}", 1_000_000, masking)
        state.mark(1, phase=f"after {text}")
        state.mark(2, note=f"typed {text} here")
        state.warn(f"{text} cannot be written")
        state.from_proxy({"type": "trouble", "text": text})
        state.from_proxy({"type": "status", "trouble": f"{text}: no space"})
        state.from_follower({"type": "trouble", "text": text})
        state.from_proxy({"type": "first", "client": "10.0.0.9", "host": f"{text}.example", "at": 3})
        if number % 16:  # what the terminal draws is the page's content
            assert not _left({"page": json.dumps(state.snapshot(), ensure_ascii=False)}, {key: text})
        else:
            assert not _left(_shown(state, []), {key: text})


def test_the_phones_own_identifiers_count_from_when_they_are_known(persona: Path) -> None:
    state = State("shop", "captures/shop", 1, Masking(persona, "ID"))
    state.mark(1, note="9f3c2a7714be06d5 before")
    persona.write_text(persona.read_text() + "\nandroid_id: 9f3c2a7714be06d5")
    state.mark(2, note="9f3c2a7714be06d5 behind")
    persona.write_text("no: [persona")
    state.mark(3, note="9f3c2a7714be06d5 kept")
    notes = [m["note"] for m in state.snapshot()["marks"]]
    assert [n.rpartition(" ")[2] for n in notes] == ["before", "behind", "kept"]
    assert [n.startswith("‹") for n in notes] == [False, True, True]


def test_nothing_that_no_audit_has_looked_at_stands_before_what_was_registered() -> None:
    state = State("shop", "captures/shop", 1)
    for host in ("kq7731xxp0w2.api.shop.example", "nadhap.shop.co.id", "a.b.github.io"):
        state.from_proxy({"type": "first", "client": "10.0.0.9", "host": host, "at": 3})
        shown = json.dumps(state.snapshot())
        assert host.split(".")[0] + "." not in shown
        assert host.split(".", 2)[2] in shown or host.endswith("github.io")
    state.from_proxy({"type": "first", "client": "10.0.0.9", "host": "198.51.100.7", "at": 4})
    assert "10.0.0.9: 198.51.100.7, at" in state.snapshot()["standing"]


def test_the_log_of_an_addon_names_what_was_registered(caplog: pytest.LogCaptureFixture) -> None:
    for cause, by_server in (("server_certificate", True), ("unknown_ca", False), ("unknown_ca", True), ("", False)):
        host = Host()
        host.cause, host.by_server = cause, int(by_server)
        for step in ("begun", "again", "cleared"):
            Lines().passthrough(step, ("10.0.0.9", "nadia-hapsari.api.shop.example", 443, "tcp"), host, 60)
    assert caplog.text.count("a host of shop.example") == 12
    assert "nadia" not in caplog.text


@pytest.mark.slow
def test_no_spelling_is_in_a_line_of_the_follower_or_in_a_comment(tmp_path: Path) -> None:
    texts = {k: t for k, t in WRITTEN.items() if k[0] in ("full_name", "phone_number") and t.isprintable()}
    folder = carrying(tmp_path, list(texts.values()))
    follower = Follower(folder, AuditOptions(user_country="ID"))
    said: list[dict[str, Any]] = []
    _tell(follower, follower.look(last=True), said.append, 0.0)
    comments = [s for s in said if s["type"] == "comment"]
    assert len(comments) >= 2 * len(texts)
    addon = Annotate()
    shown = []
    with taddons.context():
        for comment in comments[:: len(comments) // 50]:
            flow = tflow.tflow(resp=True)
            addon.requestheaders(flow)
            addon._lines([{**comment, "flow": flow.id}])
            assert flow.comment == comment["comment"]
            shown.append(json.dumps([flow.comment, flow.marked, flow.metadata], ensure_ascii=False, default=str))
    state = State("shop", "captures/shop", 1)
    for one in said:
        state.from_follower(one)
    outputs = {"lines": json.dumps(said, ensure_ascii=False), "comments": "\n".join(shown), **_shown(state, [])}
    assert not _left(outputs, texts)
