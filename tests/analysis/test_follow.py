"""The follower: fed step by step, its last look gives the tables of ``lintas audit``, octet for octet; and as a program
it waits, tells, and ends."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mitmproxy.io import tnetstring
from mitmproxy.test import tflow

from analysis import audit, folder, tables
from analysis.audit import AuditOptions, Memory
from analysis.folder.writing import Writing
from analysis.follow import Follower, follow
from analysis.follow.memory import Remembering
from analysis.model import InputError
from analysis.persona import load_persona
from analysis.reference import Reference
from tests.road import DEMO, ROOT, check_conservation

LAB = ROOT / "captures" / "lab"
PERSONA = ROOT / "captures" / "personas" / "jakarta-buyer.yaml"
OPTIONS = AuditOptions(persona=PERSONA)
TORN = {"file_torn", "file_not_read", "file_changed", "chain_broken", "line_unread", "dump_damaged", "not_sealed"}


def files(place: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in place.iterdir() if p.name == "audit.json" or p.suffix == ".parquet"}


def audited(capture: Path, out: Path) -> dict[str, bytes]:
    audit.audit(capture, out, OPTIONS)
    made = files(out)
    assert set(made) == {f"{name}.parquet" for name in tables.TABLES} | {"audit.json"}
    return made


class Feeding:
    """A sample's folder that is written anew, by the piece, as *record* writes one: its files grow together, and its
    manifest is whole at the end."""

    def __init__(self, sample: Path, place: Path) -> None:
        self.place = place
        place.mkdir()
        if (sample / "reference").is_dir():
            shutil.copytree(sample / "reference", place / "reference")
        self._whole = yaml.safe_load((sample / "capture.yaml").read_text(encoding="utf-8"))
        self._whole.pop("persona")
        self._content = {f["name"]: (sample / f["name"]).read_bytes() for f in self._whole["files"]}
        self._describe(started="2026-11-24T10:00:00Z", files=[])
        self._lock: int | None = None

    def _describe(self, **changes: Any) -> None:
        made = self.place / ".capture.yaml.new"
        made.write_text(yaml.safe_dump(self._whole | changes), encoding="utf-8")
        made.replace(self.place / "capture.yaml")

    def upto(self, part: float) -> None:
        """The files hold this part of their octets: where it breaks off is left to chance."""
        for name, content in self._content.items():
            place = self.place / name
            have = place.stat().st_size if place.exists() else 0
            with place.open("ab") as file:
                file.write(content[have : int(len(content) * part)])
            if name == "events.jsonl" and self._lock is None:
                self._lock = os.open(place, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX)

    def seal(self) -> None:
        self.upto(1.0)
        self._describe(started="2026-11-24T10:00:00Z", sealed="2026-11-24T11:00:00Z")
        self.leave()

    def leave(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@pytest.fixture
def feeding(tmp_path: Path) -> Iterator[Callable[[Path], Feeding]]:
    made: list[Feeding] = []

    def begin(sample: Path) -> Feeding:
        made.append(Feeding(sample, tmp_path / "capture"))
        return made[-1]

    yield begin
    for one in made:
        one.leave()


# ---------------------------------------------------------------------------------------------------- looking


@pytest.mark.slow
@pytest.mark.parametrize("sample", [DEMO, LAB], ids=lambda p: p.name)
def test_fed_in_steps_it_ends_in_the_tables_of_the_audit(
    sample: Path, feeding: Callable[[Path], Feeding], tmp_path: Path
) -> None:
    fed = feeding(sample)
    follower = Follower(fed.place, OPTIONS)
    read = seen = 0
    for part in (0.0, 0.003, 0.07, 0.31, 0.312, 0.66, 0.95, 0.999):
        fed.upto(part)
        look = follower.look()
        check_conservation(look.made)
        read += follower.memory.read
        assert look.made["exchanges"].num_rows >= seen
        seen = look.made["exchanges"].num_rows
        kinds = set(look.made["losses"]["kind"].to_pylist())
        assert "file_torn" not in kinds
        assert not kinds & {"file_not_read", "chain_broken"}
    assert seen > 5
    fed.seal()
    look = follower.look(last=True)
    read += follower.memory.read
    audit.save(fed.place, tmp_path / "live", look.made, look.about)
    assert files(tmp_path / "live") == audited(fed.place, tmp_path / "offline")
    if sample == DEMO:  # a message in packets may be read half, then whole
        assert read == look.made["messages"].num_rows


def test_files_that_break_off_anywhere_are_not_there_yet(tmp_path: Path) -> None:
    """Each file for itself, as another process has come with it: nothing is torn, broken or unknown."""
    whole = {p.name: p.read_bytes() for p in DEMO.iterdir() if p.suffix in (".mitm", ".jsonl")}
    frame = {"flow": "f", "at": 1_780_000_000_000_000, "kind": "tcp", "direction": "sent", "size": 3, "data": "YWJj"}
    whole["messages.jsonl"] = b"".join(json.dumps({**frame, "index": n}).encode() + b"\n" for n in range(20))
    (tmp_path / "capture.yaml").write_text("format: 1\nstarted: 2026-11-24T10:00:00Z\n")
    ends = (0, 1, 3, 9, 23, 24, 40, 90, 211, 1500, 4001)
    for turn in range(len(ends)):
        cut = {name: ends[(turn + 4 * place) % len(ends)] for place, name in enumerate(sorted(whole))}
        for name, content in whole.items():
            (tmp_path / name).write_bytes(content[: cut[name]])
        made = Follower(tmp_path, AuditOptions()).look().made
        check_conservation(made)
        assert not set(made["losses"]["kind"].to_pylist()) & TORN, cut


def test_without_room_to_remember_it_says_the_same(feeding: Callable[[Path], Feeding]) -> None:
    fed = feeding(DEMO)
    fed.seal()
    small, large = Remembering(most=20_000), Remembering()
    for _ in range(2):
        tight = Follower(fed.place, OPTIONS, small).look(last=True)
        roomy = Follower(fed.place, OPTIONS, large).look(last=True)
    assert all(tight.made[name].equals(roomy.made[name]) for name in tables.TABLES)
    assert 0 < small.octets <= 20_000
    assert large.read == 0 < small.read < roomy.made["messages"].num_rows


def test_what_it_remembers_holds_for_one_persona_only(feeding: Callable[[Path], Feeding], tmp_path: Path) -> None:
    """The persona may be completed while the recording runs."""
    fed = feeding(DEMO)
    fed.seal()
    persona = tmp_path / "persona.yaml"
    persona.write_text("email: nobody@example.org\n")
    follower = Follower(fed.place, AuditOptions(persona=persona))
    assert follower.changed()
    assert not follower.changed()
    follower.look(last=True)
    shutil.copy(PERSONA, persona)
    assert follower.changed()
    look = follower.look(last=True)
    assert "planted" in look.made["transmissions"]["method"].to_pylist()
    audit.save(fed.place, tmp_path / "live", look.made, look.about)
    assert files(tmp_path / "live") == audited(fed.place, tmp_path / "offline")


def _websocket(messages: list[bytes]) -> Any:
    flow = tflow.twebsocketflow()
    assert flow.websocket is not None
    made = flow.websocket.messages[0]
    flow.websocket.messages = []
    for n, content in enumerate(messages):
        one = type(made)(made.type, n % 2 == 0, content, 946681203 + n)
        flow.websocket.messages.append(one)
    return flow


def test_a_websocket_moves_from_the_journal_to_the_dump(tmp_path: Path) -> None:
    """While it is open only the journal knows it; when it ended it belongs to an exchange. Nothing is read twice."""
    sent = [json.dumps({"imei": "490154203237518", "n": n}).encode() for n in range(4)]
    flow = _websocket(sent)
    out = Writing(tmp_path / "capture")
    out.acquire()
    follower = Follower(out.path, AuditOptions())
    out.line(flow=flow.id, type="flow", at=946681202000000, kind="websocket", host="address", target="/ws")
    for n, content in enumerate(sent):
        data = base64.b64encode(content).decode()
        direction = "sent" if n % 2 == 0 else "received"
        out.line(
            flow=flow.id,
            at=946681203000000 + n,
            direction=direction,
            index=n // 2,
            kind="websocket",
            size=len(content),
            data=data,
        )
    look = follower.look()
    assert look.made["messages"]["exchange"].to_pylist() == [None] * 4
    said = follower.comments(look)
    assert said[flow.id].text.startswith("? · imei")
    assert said[flow.id].marked
    assert follower.memory.read == 4
    out.flow(tnetstring.dumps(flow.get_state()))
    look = follower.look()
    frames = [m for m in look.made["messages"].to_pylist() if m["kind"] == "websocket"]
    assert [m["exchange"] for m in frames] == [0] * 4
    assert set(look.made["transmissions"]["exchange"].to_pylist()) == {0}
    assert follower.memory.read == 2  # the request and the response
    check_conservation(look.made)
    out.release()
    look = follower.look(last=True)
    assert follower.memory.read == 0
    audit.save(out.path, tmp_path / "live", look.made, look.about)
    audit.audit(out.path, tmp_path / "offline", AuditOptions())
    assert files(tmp_path / "live") == files(tmp_path / "offline")


def test_the_last_look_trusts_nothing_that_it_saw(feeding: Callable[[Path], Feeding], tmp_path: Path) -> None:
    """A file that somebody changed in its place, its size kept, is a loss as it is in the audit, and read anew."""
    fed = feeding(DEMO)
    fed.upto(1.0)
    follower = Follower(fed.place, OPTIONS)
    follower.look()
    dump = fed.place / "flows.mitm"
    raw = dump.read_bytes()
    email = yaml.load(PERSONA.read_text(encoding="utf-8"), yaml.BaseLoader)["email"].encode()
    changed = raw.replace(b'"' + email, b'"x' + email[1:])
    assert changed != raw
    with dump.open("r+b") as file:
        file.write(changed)
    fed.seal()
    look = follower.look(last=True)
    assert "file_changed" in look.made["losses"]["kind"].to_pylist()
    audit.save(fed.place, tmp_path / "live", look.made, look.about)
    assert files(tmp_path / "live") == audited(fed.place, tmp_path / "offline")


def test_a_file_that_grows_while_it_is_read_is_read_as_far_as_it_was_hashed(tmp_path: Path) -> None:
    whole = (DEMO / "flows.mitm").read_bytes()
    place = tmp_path / "flows.mitm"
    place.write_bytes(whole[:300_000])
    before, about = audit.run(place, AuditOptions(sealed=False))

    class Growing(Memory):
        def digests(self, path: Path, end: int, progress: Callable[[int], None]) -> folder.Digests:
            made = super().digests(path, end, progress)
            path.write_bytes(whole)
            return made

    after, said = audit.run(place, AuditOptions(sealed=False), memory=Growing())
    assert place.stat().st_size > 300_000
    assert said == about
    assert all(after[name].equals(before[name]) for name in tables.TABLES)


def test_digests_go_on_where_they_stood(tmp_path: Path) -> None:
    place = tmp_path / "file"
    hashing = folder.Hashing()
    counted: list[int] = []
    content = b""
    for piece in (b"", b"abc", b"x" * 3_000_000, b"end"):
        content += piece
        place.write_bytes(content) if not content else place.open("ab").write(piece)
        assert hashing.upto(place, counted.append) == folder.digests(place)
    assert folder.digests(place)[0] == hashlib.sha256(content).hexdigest()
    assert hashing.upto(place, end=2) == folder.digests(place, end=2)  # shorter: anew
    assert hashing.upto(place) == folder.digests(place)
    other = tmp_path / "other"
    other.write_bytes(b"y" * (len(content) + 5))
    other.replace(place)  # another file of the same name: anew
    assert hashing.upto(place) == folder.digests(place)


# ----------------------------------------------------------------------------------------------- what it tells


def test_comments_and_summary_hold_no_value_and_change_only_once(feeding: Callable[[Path], Feeding]) -> None:
    fed = feeding(DEMO)
    fed.upto(0.5)
    follower = Follower(fed.place, OPTIONS)
    first = follower.comments(follower.look())
    assert len(first) > 20
    assert follower.comments(follower.look()) == {}
    fed.seal()
    look = follower.look(last=True)
    later = follower.comments(look)
    assert later
    text = json.dumps([str(c) for c in (first | later).values()] + [follower.summary(look)], ensure_ascii=False)
    persona = load_persona(PERSONA, Reference.load().data_type_aliases())
    values = [v.value.expose() for v in persona.values if len(v.value.expose()) > 5]
    assert values
    assert [n for n, value in enumerate(values) if value in text] == []
    marked = [c for c in (first | later).values() if c.marked]
    assert any("imei" in c.text for c in marked)
    harmless = [c for c in (first | later).values() if c.text.split(" · ")[1] == "advertising_id"]
    assert harmless
    assert not any(c.marked for c in harmless)


def test_the_summary_adds_up_to_the_tables(feeding: Callable[[Path], Feeding]) -> None:
    fed = feeding(DEMO)
    fed.seal()
    follower = Follower(fed.place, OPTIONS)
    look = follower.look(last=True)
    told = follower.summary(look)
    rows = told["destinations"]
    for name in ("flows", "bytes_out", "bytes_in"):
        assert sum(r[name] for r in rows) == told[name] == sum(look.made["destinations"][name].to_pylist())
    assert sum(r["destinations"] for r in rows) == look.made["destinations"].num_rows
    counted = {f["flow"] for f in look.made["flows"].to_pylist() if f["same_as"] is None}
    leaves = [t for t in look.made["transmissions"].to_pylist() if t["direction"] == "sent" and t["flow"] in counted]
    personal = {
        (t["message"], t["data_type"])
        for t in leaves
        if t["whose"] == "app" and Reference.load().is_personal(t["data_type"])
    }
    assert sum(r["messages"] for r in told["data_types"]) == len(personal)
    assert {r["whose"] for r in rows} == {"app", "system"}
    assert all(r["whose"] == "system" for r in rows if r["system_noise"])
    app = [r for r in rows if r["whose"] == "app"]
    for name in ("flows", "bytes_out", "bytes_in"):
        assert sum(r[name] for r in app) == sum(look.made["destinations"][f"app_{name}"].to_pylist())
    assert told["apps"] == look.made["apps"].to_pylist()
    assert sum(r["bytes"] for r in told["opaque"]) == sum(look.made["opaque"]["bytes"].to_pylist())
    assert [p["phase"] for p in told["phases"]] == [p["phase"] for p in look.about["manifest"]["phases"]]
    assert json.loads(json.dumps(told)) == told


def test_a_weak_place_is_told_with_a_question_mark(feeding: Callable[[Path], Feeding]) -> None:
    fed = feeding(DEMO)
    fed.seal()
    follower = Follower(fed.place, OPTIONS)
    look = follower.look(last=True)
    by_place: dict[str, set[int]] = {}
    for row, told in ((r, t) for r in look.made["destinations"].to_pylist() for t in _places(r)):
        by_place.setdefault(told, set()).add(row["level"])
    shown = {word for comment in follower.comments(look).values() for word in comment.text.split(" · ")[0].split(", ")}
    assert shown <= set(by_place)
    assert min(min(levels) for told, levels in by_place.items() if len(told) == 2) >= 2
    assert {level for told, levels in by_place.items() if told.endswith("?") for level in levels} <= {0, 1}


def _places(row: dict[str, Any]) -> list[str]:
    from analysis.follow.told import place

    return [place(row)]


# --------------------------------------------------------------------------------------------- the loop, in process


class Told:
    """What a follower said; ``steps`` are taken one at each wait, and then it is stopped."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self.lines: list[dict[str, Any]] = []
        self.rests: list[float] = []
        self._steps = list(steps)

    def say(self, line: dict[str, Any]) -> None:
        self.lines.append(json.loads(json.dumps(line)))

    def wait(self, seconds: float) -> None:
        self.rests.append(seconds)
        if not self._steps:
            raise BrokenPipeError
        self._steps.pop(0)()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["type"] == kind]


def test_it_waits_for_a_folder_and_for_flows_and_says_so(tmp_path: Path) -> None:
    place = tmp_path / "capture"
    made: list[Writing] = []
    flow = tflow.tflow(resp=True)

    def begin() -> None:
        made.append(Writing(place))
        made[0].acquire()

    told = Told(
        lambda: None,
        place.mkdir,
        lambda: None,
        begin,
        lambda: None,
        lambda: made[0].flow(tnetstring.dumps(flow.get_state())) and None,
        lambda: made[0].release(),
    )
    assert follow(Follower(place, AuditOptions()), told.say, told.wait, 0.1, tmp_path / "out")
    assert [line["state"] for line in told.of("waiting")] == ["missing", "empty", "no_flows"]
    assert [line["flows"] for line in told.of("look")] == [0, 1, 1]
    assert [c["flow"] for c in told.of("comment")] == [flow.id]
    assert told.lines[-1] == {"type": "end", "sealed": True, "tables": str(tmp_path / "out")}
    assert told.of("look")[-1]["behind_bytes"] == 0
    assert told.of("behind")[1]["behind_bytes"] >= len(tnetstring.dumps(flow.get_state()))
    audit.audit(place, tmp_path / "offline", AuditOptions())
    assert files(tmp_path / "out") == files(tmp_path / "offline")


def test_a_folder_that_is_removed_is_waited_for(feeding: Callable[[Path], Feeding], tmp_path: Path) -> None:
    fed = feeding(DEMO)
    fed.upto(0.2)
    gone = tmp_path / "gone"

    def back() -> None:
        gone.rename(fed.place)
        fed.seal()

    told = Told(lambda: fed.place.rename(gone) and None, lambda: None, back)
    assert follow(Follower(fed.place, OPTIONS), told.say, told.wait, 0.1)
    assert [line["state"] for line in told.of("waiting")] == ["removed"]
    assert told.lines[-1]["type"] == "end"


def test_what_comes_again_is_told_again(feeding: Callable[[Path], Feeding], tmp_path: Path) -> None:
    fed = feeding(DEMO)
    fed.upto(0.2)
    gone, manifest = tmp_path / "gone", fed.place / "capture.yaml"
    good = manifest.read_text()
    away: Callable[[], Any] = lambda: fed.place.rename(gone)  # noqa: E731
    back: Callable[[], Any] = lambda: gone.rename(fed.place) and fed.upto(0.3)  # noqa: E731
    spoil: Callable[[], Any] = lambda: manifest.write_text("format: 99\n")  # noqa: E731
    mend: Callable[[], Any] = lambda: manifest.write_text(good)  # noqa: E731
    told = Told(away, back, away, back, spoil, mend, spoil, mend, fed.seal)
    assert follow(Follower(fed.place, OPTIONS), told.say, told.wait, 0.1)
    assert [line["state"] for line in told.of("waiting")] == ["removed", "removed"]
    assert len(told.of("trouble")) == 2


def test_a_recording_that_its_writer_left_is_audited_as_it_is(
    feeding: Callable[[Path], Feeding], tmp_path: Path
) -> None:
    """As after a kill -9: a torn tail is a loss now, and the tables are those of ``lintas audit``."""
    fed = feeding(DEMO)
    fed.upto(0.613)
    told = Told(fed.leave)
    assert not follow(Follower(fed.place, OPTIONS), told.say, told.wait, 0.1, tmp_path / "live")
    assert told.lines[-1] == {"type": "end", "sealed": False, "tables": str(tmp_path / "live")}
    made = audited(fed.place, tmp_path / "offline")
    assert files(tmp_path / "live") == made
    kinds = tables.read(tmp_path / "live")[0]["losses"]["kind"].to_pylist()
    assert {"not_sealed", "file_torn"} <= set(kinds)


def test_trouble_is_told_once_and_following_goes_on(feeding: Callable[[Path], Feeding]) -> None:
    fed = feeding(DEMO)
    fed.upto(0.3)
    manifest = fed.place / "capture.yaml"
    good = manifest.read_text()

    def spoil() -> None:
        manifest.write_text("format: 99\n")

    told = Told(spoil, lambda: None, lambda: manifest.write_text(good) and None, fed.seal)
    assert follow(Follower(fed.place, OPTIONS), told.say, told.wait, 0.1)
    (trouble,) = told.of("trouble")
    assert "format 99" in trouble["text"]
    assert told.lines[-1]["type"] == "end"


def test_a_look_that_fails_is_told_and_the_next_is_tried(
    feeding: Callable[[Path], Feeding], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect costs a look, not the recording's live view; in the last look it is not hidden."""
    fed = feeding(DEMO)
    fed.upto(0.3)
    follower = Follower(fed.place, OPTIONS)
    look = follower.look
    broken = [True, True, False]

    def failing(last: bool = False) -> Any:
        fed.upto(0.4)
        if broken.pop(0):
            raise ZeroDivisionError("/secret/value")
        return look(last)

    monkeypatch.setattr(follower, "look", failing)
    told = Told(lambda: fed.upto(0.5), lambda: fed.upto(0.6))
    with pytest.raises(BrokenPipeError):
        follow(follower, told.say, told.wait, 0.1)
    (trouble,) = told.of("trouble")
    assert "ZeroDivisionError" in trouble["text"]
    assert "secret" not in trouble["text"]
    assert len(told.of("look")) == 1
    broken[:] = [True]
    fed.seal()
    with pytest.raises(ZeroDivisionError):
        follow(follower, told.say, told.wait, 0.1)


def test_a_rest_follows_each_look_by_its_cost(feeding: Callable[[Path], Feeding]) -> None:
    fed = feeding(DEMO)
    fed.upto(0.4)
    told = Told(lambda: fed.upto(0.5), lambda: None)
    with pytest.raises(BrokenPipeError):
        follow(Follower(fed.place, OPTIONS), told.say, told.wait, 0.001)
    looks = told.of("look")
    assert len(looks) == 2
    for look, rest in zip(looks, told.rests, strict=False):
        assert rest >= 2.9 * look["cost_seconds"] > 0
    assert told.rests[2] == 0.001  # nothing was written: no look, no cost


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"7:4:type", b"9" * 12 + b":", b"{" * 3000, b'{"type":"x"'])
def test_a_hostile_file_stops_nobody(content: bytes, feeding: Callable[[Path], Feeding]) -> None:
    fed = feeding(DEMO)
    fed.upto(0.3)
    (fed.place / "extra.bin").write_bytes(content)
    look = Follower(fed.place, OPTIONS).look()
    assert look.made["exchanges"].num_rows > 5
    check_conservation(look.made)


# -------------------------------------------------------------------------------------------------- the program


class Program:
    """``python -m analysis.follow`` and the lines that it wrote."""

    def __init__(self, *words: str | Path) -> None:
        command = [sys.executable, "-m", "analysis.follow", *map(str, words)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.process.stdout is not None
        self._out = self.process.stdout

    def line(self, kind: str) -> dict[str, Any]:
        """The next line of that type; it has a minute to come."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if not select.select([self._out], [], [], 1)[0]:
                continue
            raw = self._out.readline()
            assert raw, self.end()
            line: dict[str, Any] = json.loads(raw)
            if line["type"] == kind:
                return line
        raise AssertionError(f"no {kind}")

    def nobody_reads(self) -> None:
        self._out.close()

    def end(self) -> tuple[int, str]:
        """Its exit code and what it wrote to standard error."""
        code = self.process.wait(30)
        assert self.process.stderr is not None
        return code, self.process.stderr.read().decode()


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    started: list[Program] = []

    def start(*words: str | Path) -> Program:
        started.append(Program(*words))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        for stream in (one.process.stdout, one.process.stderr):
            if stream is not None:
                stream.close()


@pytest.mark.slow
def test_the_program_follows_to_the_end(
    program: Callable[..., Program], feeding: Callable[[Path], Feeding], tmp_path: Path
) -> None:
    running = program(tmp_path / "capture", "--persona", PERSONA, "--tables", tmp_path / "live", "--interval", "0.05")
    assert running.line("waiting")["state"] == "missing"
    fed = feeding(DEMO)
    for part in (0.1, 0.4, 0.7):
        fed.upto(part)
        assert running.line("look")["summary"]["bytes_out"] >= 0
    if sys.platform == "linux":
        assert os.sched_getscheduler(running.process.pid) == os.SCHED_IDLE
    assert os.getpriority(os.PRIO_PROCESS, running.process.pid) == 19
    fed.seal()
    assert running.line("end")["sealed"]
    assert running.end() == (0, "")
    assert files(tmp_path / "live") == audited(fed.place, tmp_path / "offline")


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_program_silently(
    program: Callable[..., Program], feeding: Callable[[Path], Feeding]
) -> None:
    fed = feeding(DEMO)
    fed.upto(0.2)
    running = program(fed.place, "--interval", "600")
    running.line("look")
    running.nobody_reads()  # it rests for ten minutes, and nothing more is written
    assert running.end() == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_a_signal_ends_the_program_silently(
    program: Callable[..., Program], tmp_path: Path, number: int, code: int
) -> None:
    running = program(tmp_path / "capture")
    running.line("waiting")
    running.process.send_signal(number)
    assert running.end() == (code, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--user-country", "XX"], "--user-country 'XX' is no country"),
        (["--vantage", "far"], "--vantage 'far' is no place"),
        (["--tables", str(ROOT)], "which is no part of an audit"),
        (["--tables", "capture/../capture/tables"], "lies inside the capture"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    program: Callable[..., Program], tmp_path: Path, words: list[str], said: str
) -> None:
    words = [str(tmp_path / word) if word.startswith("capture") else word for word in words]
    code, error = program(tmp_path / "capture", *words).end()
    assert code == 2
    assert error.startswith("lintas follow: ")
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_sealed_folder_without_a_capture_is_refused(program: Callable[..., Program], tmp_path: Path) -> None:
    (tmp_path / "flows.mitm").write_bytes(b"nothing")
    (tmp_path / "capture.yaml").write_text("format: 1\nsealed: 2026-11-24T10:00:00Z\n")
    code, error = program(tmp_path).end()
    assert (code, error.count("\n")) == (2, 1)
    with pytest.raises(InputError):
        Follower(tmp_path, AuditOptions()).look(last=True)


def test_a_folder_whose_name_is_no_utf8_is_followed(program: Callable[..., Program], tmp_path: Path) -> None:
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/cap\xff"))
    follower = program(place, "--interval", "0.1", "--persona", PERSONA)
    assert "is not there yet" in follower.line("waiting")["text"]
    shutil.copytree(DEMO, tmp_path / "whole")
    (tmp_path / "whole").rename(place)
    assert follower.line("end")["sealed"]
