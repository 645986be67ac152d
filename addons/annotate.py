"""Annotate, for ``mitmweb -s``, ``mitmproxy -s`` and ``mitmdump -s``: what the audit says of a flow stands beside it.

A program of its own (``python -m analysis.follow``, at idle priority) audits the capture folder while *record* writes
it, by the same road as ``lintas audit``. What it says of each flow becomes the flow's comment, ``ID · email,
advertising_id · PT X``: country, data types and operator, each with ``?`` where that is weak; and a red mark where a
data type of the most sensitive class was sent. The filters ``~comment`` and ``~marked`` of mitmproxy find them. A
comment or mark of the user's own is never touched.

The proxy waits for nothing here: lines are read when there are some, a few at a time. The follower is told to end with
the proxy; if it ends by itself, that is said, and it is started anew a few times.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from mitmproxy import ctx, hooks
from mitmproxy.flow import Flow

from addons.shared import add_folder_option, add_option, close, logger_of, opened, refuse
from analysis.folder.programs import FOLLOW, start
from analysis.folder.writing import Writing

if TYPE_CHECKING:
    from mitmproxy.addonmanager import Loader
    from mitmproxy.dns import DNSFlow
    from mitmproxy.http import HTTPFlow
    from mitmproxy.tcp import TCPFlow
    from mitmproxy.udp import UDPFlow

logger = logger_of(__name__)

MARKER = ":red_circle:"
RESTARTS = 3
"""How often a follower that ended by itself is started again."""
_PAUSE = 5.0
"""Seconds until it is, the first time; each time it is twice as long."""
_AT_ONCE = 50
"""Lines that are taken in before other work of the proxy has its turn."""
_LONGEST = 8 << 20
"""Octets of one line; a longer one is passed over."""
_BEHIND = 30.0
"""Seconds that the comments may be behind the traffic until that is said."""
_SILENT = 60.0
"""Seconds without a word of the follower, beyond the rest that it announced, until that is said: on a machine that is
never idle it does not run. Of all this something is said once a minute at most."""
_END = 2.0
"""Seconds that the follower is given to end before it is killed."""


class Annotate:
    """The addon. It holds flows only as long as the proxy itself does."""

    def __init__(self) -> None:
        self._out: Writing | None = None
        self._flows: WeakValueDictionary[str, Flow] = WeakValueDictionary()
        self._ours: WeakKeyDictionary[Flow, str] = WeakKeyDictionary()
        """The comments that were set here."""
        self._follower: _Follower | None = None
        self._words: list[str] = []
        self._restarts = 0
        self._again: asyncio.TimerHandle | None = None
        self._told_behind = -_SILENT
        self._due = 0.0
        """When the follower is to be heard of, by the monotonic clock."""
        self._seen = 0
        self._told_alone = False

    def load(self, loader: Loader) -> None:
        add_folder_option(loader, logger)
        add_option(
            loader,
            logger,
            "lintas_follow",
            str,
            "",
            "Options for the audit that runs beside, read when the proxy starts, as lintas audit has them: "
            "'--persona me.yaml --user-country ID --app com.example.shop'.",
        )

    def configure(self, updated: set[str]) -> None:
        if "lintas_follow" in updated:
            try:
                self._words = shlex.split(ctx.options.lintas_follow)
            except ValueError as error:
                reason = f"lintas_follow cannot be read ({error}); write it as on a command line."
                refuse(logger, reason, self._out is not None)

    def running(self) -> None:
        if self._out is not None:
            return
        self._out = opened(logger)
        if self._out is None:
            return
        logger.info(f"Flows get comments from the audit of {self._out.path}.")
        self._show_column()
        self._start()

    def done(self) -> None:
        if self._again is not None:
            self._again.cancel()
        if self._follower is not None:
            self._follower.end()
        if self._out is not None:
            out, self._out = self._out, None
            close(out, logger)

    def _show_column(self) -> None:
        """mitmweb's list has a column for comments and hides it. Who chose columns himself keeps his."""
        if "web_columns" not in ctx.options or "comment" in ctx.options.web_columns:
            return
        if ctx.options.has_changed("web_columns"):  # type: ignore[no-untyped-call]
            logger.info("Add comment to web_columns to see country, operator and data types in the list.")
        else:
            ctx.options.update(web_columns=[*ctx.options.web_columns, "comment"])  # type: ignore[no-untyped-call]

    # --------------------------------------------------------------------------------------------------- flows

    def requestheaders(self, flow: HTTPFlow) -> None:
        self._met(flow)

    def tcp_start(self, flow: TCPFlow) -> None:
        self._met(flow)

    def udp_start(self, flow: UDPFlow) -> None:
        self._met(flow)

    def dns_request(self, flow: DNSFlow) -> None:
        self._met(flow)

    def _met(self, flow: Flow) -> None:
        self._flows[flow.id] = flow
        self._seen += 1
        if self._follower is not None and (late := time.monotonic() - self._due) > _SILENT:
            self._tell_behind(f"Comments are {late:.0f} s behind: the machine has no time left for the audit beside.")

    def _say(self, flow: Flow, comment: str, marked: bool) -> bool:
        """Set comment and mark where the user has none of his own; True where something changed."""
        ours = self._ours.get(flow)
        if flow.comment and flow.comment != ours:
            return False
        mark = flow.marked
        if marked and not mark:
            mark = MARKER
        elif not marked and mark == MARKER and ours is not None:
            mark = ""
        if (flow.comment, flow.marked) == (comment, mark):
            return False
        flow.comment, flow.marked = comment, mark
        self._ours[flow] = comment
        return True

    # ------------------------------------------------------------------------------------------------ follower

    def _start(self) -> None:
        assert self._out is not None
        self._again = None
        self._due = time.monotonic()
        try:
            self._follower = _Follower(self._out.path, self._words, self._lines, self._ended)
        except OSError as error:
            logger.error(f"Flows get no comments: the audit beside cannot be started ({error.strerror}).")

    def _lines(self, lines: list[dict[str, Any]]) -> None:
        changed = []
        self._due = time.monotonic()
        for line in lines:
            match line:
                case {"type": "comment", "flow": str(key), "comment": str(text), "marked": bool(marked)}:
                    flow = self._flows.get(key)
                    if flow is not None and self._say(flow, text, marked):
                        changed.append(flow)
                case {"type": "look", "next_in": int() | float() as rest}:
                    self._due += rest
                case {"type": "trouble", "text": str(text)}:
                    logger.warning(f"The audit beside: {text}")
                case {"type": "behind", "behind_seconds": int() | float() as late, "behind_bytes": int(octets)}:
                    self._behind(late, octets)
        if changed:
            ctx.master.addons.trigger(hooks.UpdateHook(changed))

    def _behind(self, seconds: float, octets: int) -> None:
        if seconds > _BEHIND:
            self._tell_behind(f"Comments are behind the traffic by {octets / 1e6:.1f} MB and {seconds:.0f} s.")
        if self._seen and self._out is not None and not (self._out.takes_flows or self._told_alone):
            self._told_alone = True
            logger.warning("Flows pass and none is recorded: comments need -s addons/record.py beside.")

    def _tell_behind(self, text: str) -> None:
        now = time.monotonic()
        if now - self._told_behind >= _SILENT:
            self._told_behind = now
            logger.info(text)

    def _ended(self, code: int, last: str) -> None:
        """The follower ended by itself."""
        self._follower = None
        if code == 0 or self._out is None:
            return
        why = last or f"it ended with {code}"
        if code == 2:
            logger.error(f"Flows get no comments: {why}")
        elif self._restarts < RESTARTS:
            if not self._restarts:
                logger.warning(f"The audit beside stopped ({why}); it is started again. Recording goes on.")
            pause = _PAUSE * 2**self._restarts
            self._restarts += 1
            self._again = asyncio.get_running_loop().call_later(pause, self._start)
        else:
            logger.error(f"Flows get no more comments: the audit beside stopped {RESTARTS + 1} times, last: {why}.")


class _Follower:
    """The program, and what it writes: lines to ``take``, a few at a time, and its end to ``ended``."""

    def __init__(self, folder: Path, words: list[str], take: Any, ended: Any) -> None:
        self._take, self._ended = take, ended
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes] = deque()
        self._part = bytearray()
        self._open = True
        self._error = bytearray()
        self._process = start(FOLLOW, str(folder), "--no-summary", *words)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        os.set_blocking(self._out, False)
        os.set_blocking(self._err, False)
        self._loop.add_reader(self._out, self._readable)
        self._loop.add_reader(self._err, self._complains)

    def end(self) -> None:
        """End the program, by its id, and wait for it."""
        self._close()
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_END)

    def _close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._lines.clear()
        self._loop.remove_reader(self._out)
        self._loop.remove_reader(self._err)

    def _readable(self) -> None:
        try:
            octets = os.read(self._out, 1 << 16)
        except BlockingIOError:
            return
        if not octets:
            self._complains()
            self._close()
            self._loop.call_later(0.05, self._gone, 40)
            return
        self._part += octets
        *whole, rest = bytes(self._part).split(b"\n")
        self._part = bytearray(rest if len(rest) <= _LONGEST else b"")
        self._lines.extend(whole)
        if self._lines:
            # What is still in the pipe waits there, and so does the follower.
            self._loop.remove_reader(self._out)
            self._work()

    def _work(self) -> None:
        if not self._open:
            return
        lines: list[dict[str, Any]] = []
        while self._lines and len(lines) < _AT_ONCE:
            raw = self._lines.popleft()
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            if isinstance(line, dict):
                lines.append(line)
        self._take(lines)
        if self._lines:
            self._loop.call_later(0.02, self._work)
        else:
            self._loop.add_reader(self._out, self._readable)

    def _complains(self) -> None:
        """What it writes to standard error: its last words are kept."""
        try:
            octets = os.read(self._err, 1 << 16)
        except (BlockingIOError, OSError):
            return
        if octets:
            self._error = (self._error + octets)[-4000:]
        elif self._open:
            self._loop.remove_reader(self._err)

    def _gone(self, tries: int) -> None:
        """Its output has ended: so has it, or it will in a moment."""
        code = self._process.poll()
        if code is None and tries:
            self._loop.call_later(0.05, self._gone, tries - 1)
            return
        if code is None:
            self._process.kill()
            code = self._process.wait(_END)
        lines = self._error.decode("utf-8", "replace").strip().splitlines()
        self._ended(code, lines[-1][:300] if lines else "")


addons = [Annotate()]
