"""What ``lintas capture`` does, from the first check to the command for the audit."""

from __future__ import annotations

import platform
import queue
import sys
from contextlib import ExitStack
from typing import Any

from analysis.folder.descriptors import raise_limit
from analysis.model import InputError
from lintas.capture import children, proof, words
from lintas.capture.beginning import Begun, Wanted, begin
from lintas.capture.conversation import Conversation, now
from lintas.capture.ending import end
from lintas.capture.looking import look_on
from lintas.capture.outlet import EndedError, say, signals
from lintas.capture.page import Server
from lintas.terminal import INTERRUPTED, fail, printable

__all__ = ["Wanted", "capture"]

_START = 30.0
"""Seconds after which it is said that the proxy still starts: this machine may be busy, and local mode may ask for a
password."""
_CLEAN = 60.0
"""Seconds that the proxy may take to end where the front ends by a fault: it seals the folder."""


def capture(wanted: Wanted) -> int:
    """Record until somebody ends it; the exit code. Raises InputError where it cannot begin."""
    lines: children.Lines = queue.SimpleQueue()
    raise_limit()
    with signals(lines) as told:
        try:
            with ExitStack() as stack:
                begun = begin(wanted, stack)
                talk = Conversation(begun.setup, begun.handset, lines)
                pages = Server(lambda text: lines.put(("page", {"type": "trouble", "text": text})))
                stack.callback(pages.stop)
                page = _start(begun, talk, pages, stack)
                begun.place.stays = True
                told.queue()
                cause = _show(begun, talk, pages, page, stack)
                return end(talk, cause)
        except EndedError as ended:
            if ended.cause == "SIGINT":
                say("lintas: stopped before the recording began.", error=True)
                return INTERRUPTED
            fail(f"ended by {ended.cause} before the recording began.")


def _start(begun: Begun, talk: Conversation, pages: Server, stack: ExitStack) -> tuple[str, int, int]:
    """The proxy, proven, and the phone at the cable: where the certificate is, and how many ms the proof took."""
    setup = begun.setup
    at = pages.certificate(setup.reached(), setup.certificate(talk.fetched))
    proxy = _proxy(begun, talk, at)
    stack.callback(lambda: proxy.stop(_CLEAN if begun.place.stays else 5.0))
    proxy.say(do="describe", changes=_manifest(begun))
    took = _prove(begun, proxy, _ready(talk))
    _attend(begun, talk, stack)
    return (*at, took)


def _proxy(begun: Begun, talk: Conversation, at: tuple[str, int]) -> children.Child:
    wanted, setup = begun.wanted, begun.setup
    options = list(wanted.options)
    if wanted.phase:
        options.append(f"lintas_phase={wanted.phase}")
    specs = [mode.spec for mode in setup.modes]
    talk.proxy = children.proxy(setup.folder, specs, wanted.open_to, at, options, talk.lines)
    return talk.proxy


def _manifest(begun: Begun) -> dict[str, Any]:
    import importlib.metadata

    wanted, setup = begun.wanted, begun.setup
    versions = {name: importlib.metadata.version(name) for name in ("lintas", "mitmproxy")}
    kinds = ", ".join(dict.fromkeys(mode.kind for mode in setup.modes))
    return {
        **setup.answers.manifest(),
        "made": f"Recorded live by Lintas {versions['lintas']} through mitmproxy {versions['mitmproxy']} ({kinds})",
        "tools": {**versions, "python": platform.python_version(), "system": platform.platform(terse=True)},
        **({"timezone": begun.zone} if begun.zone else {}),
        **({"app_only": True} if wanted.only_app else {}),
        # What is timed then is the way to the other proxy.
        **({"vantage.line": "unknown"} if any(m.kind == "upstream" for m in setup.modes) else {}),
        **({"persona": "persona.yaml"} if wanted.persona else {}),
    }


def _ready(talk: Conversation) -> dict[str, Any]:
    """What the proxy says when it is ready, however long it takes. Raises InputError when it does not start."""
    seconds: float | None = _START
    while True:
        try:
            _, said = talk.lines.get(timeout=seconds)
        except queue.Empty:
            say(words.STARTING_STILL)
            seconds = None
            continue
        if said["type"] == "ready":
            return said
        if said["type"] in ("failed", "gone"):
            raise InputError(f"The proxy does not start: {_sentence(said['text'])}")
        talk.state.from_proxy(said)


def _prove(begun: Begun, proxy: children.Child, ready: dict[str, Any]) -> int:
    """Send a request of this machine through the proxy; the milliseconds that it took. Raises InputError."""
    authority = begun.setup.authority
    place = next(m["addresses"][0] for m in ready["modes"] if m["proof"])
    took = proof.prove(authority.place, (place[0], int(place[1])))
    proxy.say(do="event", type="proof", certificate=authority.fingerprint.replace(":", "").lower())
    proxy.say(do="proved")
    return took


def _attend(begun: Begun, talk: Conversation, stack: ExitStack) -> None:
    """The phone at the end of the cable: described, given the certificate and the proxy, watched."""
    phone, setup, wanted = begun.handset, begun.setup, begun.wanted
    if phone is None:
        return
    phone.attend(
        setup.folder,
        setup.answers.app,
        lambda type, at=None, **keys: talk.event(type=type, at=at, **keys),  # noqa: A006
        lambda text: talk.lines.put(("phone", {"type": "said", "text": text})),
    )
    print(words.ASKING_PHONE, flush=True)
    found = phone.describe()
    talk.describe(found)
    setup.phone = ", ".join(str(found[name]) for name in ("device.model", "device.system") if found.get(name))
    seen, told = phone.trust(setup.authority.place, setup.answers.store)
    if told:
        print(printable(told))
    if seen:
        talk.by_system()
    stack.callback(phone.stop)
    ways = [m for m in setup.modes if m.kind in ("regular", "upstream") and m.port is not None]
    setup.proxied = phone.start((setup.reached(), ways[0].port or 0) if ways else None, wanted.video)
    if wanted.phase:
        phone.phase(wanted.phase)


def _show(begun: Begun, talk: Conversation, pages: Server, began: tuple[str, int, int], stack: ExitStack) -> str:
    """Say how the phone gets in, and look on; who ended it."""
    place, took = began[:2], began[2]
    talk.state.begun = now()
    if begun.wanted.phase:
        talk.state.mark(talk.state.begun, phase=begun.wanted.phase)
    follower = talk.follower = children.follower(begun.setup.folder, talk.lines)
    stack.callback(follower.stop)
    begun.setup.show(place, pages.live(begun.setup.content(place, talk.snapshot)), took)
    sys.stdout.flush()
    return look_on(talk)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith(".") else text + "."
