"""The end of a capture: the phone is put back, the folder is sealed, and what comes next is said."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lintas.capture import words
from lintas.capture.children import Child
from lintas.capture.conversation import Conversation
from lintas.capture.outlet import EndedError, say
from lintas.capture.view import line

_SEAL = 60.0
"""Seconds after which it is said that sealing takes its time: other files of the folder are hashed then."""
_LAST_LOOK = 20.0
"""Seconds that the follower may take for its last look once the folder is sealed; ``lintas audit`` looks anyway."""


def end(talk: Conversation, cause: str) -> int:
    """Seal the folder, let the follower look once more, and say what comes next; the exit code. ``cause``: who ended
    it, as EndedError says."""
    proxy = talk.proxy
    assert proxy is not None
    talk.is_ending = True
    _put_back(talk, cause)
    say(words.SEALING)
    proxy.close()
    trouble = _seal(talk, proxy)
    folder = talk.state.folder
    if talk.sealed is None:
        say(f"lintas: {trouble}", error=True)
        say(f"lintas audit {shlex.quote(folder)}")
        return 2
    follower = talk.follower
    if cause not in ("SIGHUP", "SIGTERM") and follower is not None and follower.is_alive():
        _wait(talk, lambda: not follower.is_alive(), _LAST_LOOK)
    _tell(talk, talk.sealed)
    say(f"lintas audit {shlex.quote(folder)}")
    return 0


def _put_back(talk: Conversation, cause: str) -> None:
    phone = talk.handset
    if phone is None:
        return
    say(words.PUTTING_BACK)
    if cause in ("SIGINT", "key"):
        talk.describe(phone.identify())
    phone.stop()


def _seal(talk: Conversation, proxy: Child) -> str:
    """Wait until the proxy has sealed the folder, as long as it takes; why it is not sealed."""

    def is_over() -> bool:
        return talk.sealed is not None or not proxy.is_alive()

    # Somebody impatient ends nothing: the folder is sealed all the same.
    _wait(talk, is_over, _SEAL, through_signals=True)
    if not is_over():
        say(words.SEALING_STILL.format(pid=proxy.pid))
        _wait(talk, is_over, None)
    if not is_over():
        proxy.leave()
        return words.SEALED_LATER.format(folder=talk.state.folder, pid=proxy.pid) + "."
    # What it said last may still be on its way.
    _wait(talk, lambda: talk.sealed is not None or proxy.is_read(), 5.0, through_signals=True)
    gone = talk.state.warnings[-1] if talk.state.warnings else words.PROXY_GONE.format(text=proxy.how())
    why = talk.unsealed or gone
    return f"{talk.state.folder} was not sealed: {why}"


def _wait(talk: Conversation, done: Callable[[], bool], seconds: float | None, through_signals: bool = False) -> None:
    """Wait for it, for ever where no ``seconds`` are given, and no longer than to the next signal or the proxy's
    end."""
    until = None if seconds is None else time.monotonic() + seconds
    while not done() and (until is None or time.monotonic() < until):
        try:
            talk.take()
        except EndedError as ended:
            if ended.cause == "proxy" or not through_signals:
                return


def _tell(talk: Conversation, counts: dict[str, Any]) -> None:
    lost = sum(counts.get(f"lost_{kind}", 0) for kind in ("flows", "messages", "events"))
    with suppress(EndedError):
        now = talk.snapshot()
        say(line(now))
        if now["not_trusted"]:
            say(words.not_trusted(now["not_trusted"]))
    say(
        f"Sealed: {counts['flows']:,} flows, {counts['messages']:,} messages, {counts['events']:,} events, "
        f"{words.amount(counts['bytes'])} in {talk.state.folder}."
    )
    if lost:
        say(f"{lost:,} could not be written; events.jsonl says when and why.")
    if away := counts.get("turned_away", 0):
        say(words.turned_away(away))
