"""The front of a capture: what ``lintas capture`` does, from the first check to the command for the audit."""

from __future__ import annotations

import ipaddress
import os
import platform
import queue
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.folder import check_timezone
from analysis.folder.writing import PRIVATE
from analysis.model import InputError
from lintas.capture import authority, checks, children, network, proof, tunnel, words
from lintas.capture.answers import Answers
from lintas.capture.authority import Authority
from lintas.capture.handset import Handset
from lintas.capture.keyboard import Keyboard, Keys
from lintas.capture.page import Server
from lintas.capture.setup import Setup
from lintas.capture.state import State
from lintas.capture.tunnel import Tunnel
from lintas.capture.view import Terminal, apart, behind, line
from lintas.terminal import INTERRUPTED, fail, printable

_START = 30.0
"""Seconds that the proxy may take to start: local mode may ask for a password."""
_SEAL = 60.0
"""Seconds that sealing may take: other files of the folder are hashed then."""
_LAST_LOOK = 20.0
"""Seconds that the follower may take for its last look once the folder is sealed; ``lintas audit`` looks anyway."""


@dataclass
class Wanted:
    """What the command line said. None: not said."""

    name: str
    out: Path | None = None
    modes: list[str] = field(default_factory=lambda: ["wireguard"])
    listen: list[str] = field(default_factory=list)
    port: int | None = None
    open_to: list[str] = field(default_factory=list)
    only_app: str | None = None
    app: str | None = None
    device: str | None = None
    store: str | None = None
    user_country: str | None = None
    vantage: str | None = None
    timezone: str | None = None
    persona: Path | None = None
    same_keys: Path | None = None
    adb: bool = False
    serial: str | None = None
    video: bool = False
    phase: str | None = None
    options: list[str] = field(default_factory=list)
    ask: bool = False
    yes: bool = False


def capture(wanted: Wanted) -> int:
    """Record until somebody ends it; the exit code. Raises InputError where it cannot begin."""
    clock = checks.Clock()
    addresses = [network.listener(text) for text in wanted.listen] or [network.listener(None)]
    modes = network.modes(wanted.modes, addresses, wanted.port)
    open_to = [network.network(text) for text in wanted.open_to]
    warnings = network.check_open(addresses, modes, open_to)
    if wanted.only_app is not None:
        tunnel.package(wanted.only_app)
        if [m.kind for m in modes] != ["wireguard"]:
            raise InputError("--only-app is for the tunnel alone: leave out --mode, or write --mode wireguard.")
    for mode in modes:
        network.check_port(mode)
    folder = wanted.out or Path("captures") / _plain(wanted.name)
    room = checks.disk(folder)
    zone = wanted.timezone or checks.timezone()
    if wanted.timezone is not None:
        check_timezone(wanted.timezone, "--timezone")
    persona = _persona(wanted.persona)
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not wanted.yes
    given = {name: getattr(wanted, name) for name in words.QUESTIONS}
    handset = Handset(wanted.serial) if wanted.adb or wanted.serial or wanted.video else None
    answers = Answers({**given, "app": wanted.app or wanted.only_app}, asks, wanted.ask)
    existed = folder.exists()
    checks.new_folder(folder)
    with ExitStack() as stack:
        stack.callback(_leave, folder, existed)
        try:
            private = folder / PRIVATE
            private.mkdir(mode=0o700)
            keys = _keys(private, wanted, folder)
        except OSError as error:
            raise InputError(f"{folder} cannot be written ({error.strerror}); name another with --out.") from error
        if persona is not None:
            authority.write_private(folder / "persona.yaml", persona)
        phones = handset.clock() if handset is not None else None
        shown = [
            clock.check(),
            *([phones] if phones else []),
            room,
            *(checks.Check("listen", True, mode.spec) for mode in modes),
        ]
        setup = Setup(folder, modes, answers, *keys, wanted.only_app, shown, warnings)
        return _Front(wanted, setup, zone, handset).run(stack)


def _plain(name: str) -> str:
    if not name or name in (".", "..") or "/" in name or "\0" in name or name.startswith("-"):
        raise InputError(f"{name!r} is no name for a folder in captures/; name another place with --out.")
    return name


def _persona(place: Path | None) -> bytes | None:
    """The persona's file, which is copied into the capture. Raises InputError where it cannot be used."""
    if place is None:
        return None
    from analysis.persona import load_persona
    from analysis.reference import Reference

    load_persona(place, Reference.load().data_type_aliases())
    return place.read_bytes()


def _keys(private: Path, wanted: Wanted, folder: Path) -> tuple[Authority, Tunnel]:
    if wanted.same_keys is None:
        return authority.make(private, folder.name), tunnel.make(private)
    earlier = wanted.same_keys / PRIVATE
    return authority.take(private, earlier), tunnel.take(private, earlier)


def _leave(folder: Path, existed: bool) -> None:
    """A folder that holds nothing but what was prepared is taken away again."""
    from analysis.folder.writing import DUMP, EVENTS, JOURNAL

    if any((folder / name).exists() for name in (DUMP, EVENTS, JOURNAL)):
        return
    shutil.rmtree(folder / PRIVATE, ignore_errors=True)
    for name in ("persona.yaml", "capture.yaml"):
        (folder / name).unlink(missing_ok=True)
    if not existed:
        with suppress(OSError):
            folder.rmdir()


# ------------------------------------------------------------------------------------------------------ the front


class _EndedError(Exception):
    """Somebody ended the capture: ``cause`` is a signal's name, or ``key``."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class _Front:
    def __init__(
        self,
        wanted: Wanted,
        setup: Setup,
        zone: str | None,
        handset: Handset | None,
    ) -> None:
        self._wanted, self._setup, self._zone, self._handset = wanted, setup, zone, handset
        self._folder, self._modes, self._answers = setup.folder, setup.modes, setup.answers
        self._lines: children.Lines = queue.SimpleQueue()
        self._state = State(setup.folder.name, str(setup.folder), _now())
        self._proxy: children.Child | None = None
        self._follower: children.Child | None = None
        self._sealed: dict[str, Any] | None = None
        self._prove_ms = 0
        self._trusted = False
        self._is_ending = False

    def run(self, stack: ExitStack) -> int:
        stack.enter_context(_signals(self._lines))
        pages = Server()
        stack.callback(pages.stop)

        def fetched(client: str) -> None:
            self._lines.put(("page", {"type": "fetched", "client": client}))

        at = pages.certificate(self._setup.reached(), self._setup.certificate(fetched))
        try:
            ready = self._start(at)
            assert self._proxy is not None
            stack.callback(self._proxy.stop)
            self._prove(ready)
            self._attend(stack)
            self._state.begun = _now()
            if self._wanted.phase:
                self._state.mark(self._state.begun, phase=self._wanted.phase)
            self._follower = children.follower(self._folder, self._lines)
            stack.callback(self._follower.stop)
            page = pages.live(self._setup.content(at, self._snapshot))
            self._setup.show(at, page, self._prove_ms)
            cause = self._look_on()
        except _EndedError as ended:
            # Before anything was recorded: there is nothing to seal.
            if self._proxy is not None:
                self._proxy.stop()
            if ended.cause == "SIGINT":
                print("lintas: stopped before the recording began.", file=sys.stderr)
                return INTERRUPTED
            return fail(f"ended by {ended.cause} before the recording began.")
        return self._end(cause)

    # ---------------------------------------------------------------------------------------------- starting

    def _start(self, at: tuple[str, int]) -> dict[str, Any]:
        """Start the proxy; what it says when it is ready. Raises InputError when it does not start."""
        specs = [mode.spec for mode in self._modes]
        options = list(self._wanted.options)
        if self._wanted.phase:
            options.append(f"lintas_phase={self._wanted.phase}")
        self._proxy = children.proxy(self._folder, specs, self._wanted.open_to, at, options, self._lines)
        self._proxy.say(do="describe", changes=self._manifest())
        until = time.monotonic() + _START
        while (left := until - time.monotonic()) > 0:
            try:
                who, said = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if who == "signal":
                raise _EndedError(said["name"])
            if said["type"] == "ready":
                return said
            if said["type"] == "failed":
                self._proxy.stop()
                raise InputError(f"The proxy does not start: {_sentence(said['text'])}")
            if said["type"] == "gone":
                raise InputError(f"The proxy does not start: {_sentence(said['text'])}")
            self._state.from_proxy(said)
        self._proxy.stop()
        raise InputError(f"The proxy did not start within {_START:.0f} s; see {self._folder / PRIVATE / 'proxy.log'}.")

    def _manifest(self) -> dict[str, Any]:
        import importlib.metadata

        versions = {name: importlib.metadata.version(name) for name in ("lintas", "mitmproxy")}
        kinds = ", ".join(mode.kind for mode in self._modes)
        return {
            **self._answers.manifest(),
            "made": f"Recorded live by Lintas {versions['lintas']} through mitmproxy {versions['mitmproxy']} ({kinds})",
            "tools": {**versions, "python": platform.python_version(), "system": platform.platform(terse=True)},
            **({"timezone": self._zone} if self._zone else {}),
            **({"app_only": True} if self._wanted.only_app else {}),
            # What is timed then is the way to the other proxy.
            **({"vantage.line": "unknown"} if any(m.kind == "upstream" for m in self._modes) else {}),
            **({"persona": "persona.yaml"} if self._wanted.persona else {}),
        }

    def _prove(self, ready: dict[str, Any]) -> None:
        assert self._proxy is not None
        place = next(m["addresses"][0] for m in ready["modes"] if m["proof"])
        try:
            took = proof.prove(self._setup.authority.place, (place[0], int(place[1])))
        except InputError:
            self._proxy.stop()
            raise
        self._prove_ms = took
        self._proxy.say(
            do="event", type="proof", certificate=self._setup.authority.fingerprint.replace(":", "").lower()
        )
        self._proxy.say(do="proved")

    def _attend(self, stack: ExitStack) -> None:
        """The phone at the end of the cable: described, given the certificate and the proxy, watched."""
        phone = self._handset
        if phone is None:
            return
        phone.attend(
            self._folder,
            self._answers.app,
            lambda type, at=None, **keys: self._say_event(type=type, at=at, **keys),  # noqa: A006
            lambda text: self._lines.put(("phone", {"type": "said", "text": text})),
        )
        print(words.ASKING_PHONE, flush=True)
        self._say_describe(phone.describe())
        seen, told = phone.trust(self._setup.authority.place, self._answers.store)
        if told:
            print(printable(told))
        if seen:
            self._by_system()
        stack.callback(phone.stop)
        ways = [m for m in self._modes if m.kind in ("regular", "upstream") and m.port is not None]
        phone.start((self._setup.reached(), ways[0].port or 0) if ways else None, self._wanted.video)
        if self._wanted.phase:
            phone.phase(self._wanted.phase)

    # ------------------------------------------------------------------------------------------- looking on

    def _snapshot(self) -> dict[str, Any]:
        now = self._state.snapshot()
        return {**now, "behind": behind(now), "apart": apart(now)}

    def _look_on(self) -> str:
        """Show how things stand until somebody ends it; who did."""
        keys = Keys(self._pressed)
        live = sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
        view = Terminal(live, _say)
        keyboard = Keyboard(lambda key: self._lines.put(("key", {"key": key}))) if live and sys.stdin.isatty() else None
        if keyboard is not None:
            keyboard.start()
        view.start()
        try:
            while True:
                self._take(keys)
                view.show(self._snapshot(), keys.prompt() if keyboard is not None else "Ctrl-C ends and seals")
        except _EndedError as ended:
            return ended.cause
        except OSError:
            # The terminal is gone, which its signal will tell too.
            _mute()
            return "SIGHUP"
        finally:
            try:
                view.stop(self._snapshot())
            except OSError:
                _mute()
            if keyboard is not None:
                keyboard.stop()

    def _take(self, keys: Keys | None = None) -> None:
        """Take what has come, half a second at most. Raises _EndedError."""
        until = time.monotonic() + 0.5
        while (left := until - time.monotonic()) > 0:
            try:
                who, said = self._lines.get(timeout=left)
            except queue.Empty:
                return
            if who == "signal":
                raise _EndedError(said["name"])
            if who == "key" and keys is not None:
                keys.press(said["key"])
                return
            if who == "page":
                self._say_event(type="certificate_fetched", client=said["client"])
            elif who == "phone":
                self._state.warn(said["text"])
                if self._is_ending:
                    # No view shows it any more.
                    _say(said["text"])
            elif who == "follower":
                self._from_follower(said)
            elif who == "proxy":
                self._from_proxy(said)

    def _from_proxy(self, said: dict[str, Any]) -> None:
        if said["type"] == "gone":
            if self._sealed is None:
                self._state.warn(words.PROXY_GONE.format(text=said["text"]))
                raise _EndedError("proxy")
            return
        self._state.from_proxy(said)
        if said["type"] == "sealed":
            self._sealed = said
        elif said["type"] == "kept_out":
            self._say_event(**{k: said[k] for k in ("type", "at", "client", "server", "reason")})
        elif said["type"] == "stranger":
            self._say_event(type="turned_away", at=said["at"], client=said["client"])
        elif said["type"] == "first" and self._answers.store.by_system:
            # A program of this machine says nothing of the phone; an emulator is one.
            here = network.can_bind(ipaddress.ip_address(said["client"].partition("%")[0]))
            if not here or self._answers.store is words.STORES["emulator"]:
                self._by_system()

    def _by_system(self) -> None:
        """The system's store was seen to have the certificate, or something took it: from here on what refuses it
        refuses a system certificate. Before, it may as well not have been there."""
        if not self._trusted:
            self._trusted = True
            self._say_describe({"device.by_system": True, "opened_by": self._answers.store.opened_by})

    def _from_follower(self, said: dict[str, Any]) -> None:
        if said["type"] == "gone":
            if said["code"] != 0 or self._sealed is None:
                self._state.follower_gone = said["text"]
            return
        self._state.from_follower(said)

    def _pressed(self, what: str, text: str) -> None:
        if what == "end":
            raise _EndedError("key")
        at = _now()
        if what == "phase":
            self._state.mark(at, phase=text)
            if self._handset is not None:
                self._handset.phase(text)
            self._say_event(type="phase", at=at, phase=text)
        else:
            self._state.mark(at, note=text)
            self._say_event(type="mark", at=at, note=text)

    def _say_event(self, **keys: Any) -> None:
        if self._proxy is not None:
            self._proxy.say(do="event", **keys)

    def _say_describe(self, changes: dict[str, Any]) -> None:
        if self._proxy is not None:
            self._proxy.say(do="describe", changes=changes)

    # ------------------------------------------------------------------------------------------------ ending

    def _end(self, cause: str) -> int:
        """Seal the folder, let the follower look once more, and say what comes next."""
        assert self._proxy is not None
        self._is_ending = True
        if self._handset is not None:
            _say(words.PUTTING_BACK)
            if cause in ("SIGINT", "key"):
                self._say_describe(self._handset.identify())
            self._handset.stop()
        _say("Sealing the folder ...")
        self._proxy.close()
        self._wait(lambda: self._sealed is not None or not self._proxy_lives(), _SEAL)
        if self._sealed is None:
            self._proxy.stop()
            text = self._state.warnings[-1] if self._state.warnings else "the proxy did not end"
            _say(f"lintas: {self._folder} was not sealed: {text}", error=True)
            _say(f"lintas audit {_quoted(self._folder)}")
            return 2
        if cause not in ("SIGHUP", "SIGTERM") and self._follower is not None and self._follower.is_alive():
            with suppress(_EndedError):
                self._wait(_not(self._follower.is_alive), _LAST_LOOK)
        counts = self._sealed
        lost = sum(counts.get(f"lost_{kind}", 0) for kind in ("flows", "messages", "events"))
        _say(line(self._state.snapshot()))
        _say(
            f"Sealed: {counts['flows']:,} flows, {counts['messages']:,} messages, {counts['events']:,} events, "
            f"{words.amount(counts['bytes'])} in {self._folder}."
        )
        if lost:
            _say(f"{lost:,} could not be written; events.jsonl says when and why.")
        _say(f"lintas audit {_quoted(self._folder)}")
        return 0

    def _proxy_lives(self) -> bool:
        return self._proxy is not None and self._proxy.is_alive()

    def _wait(self, done: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not done() and time.monotonic() < until:
            try:
                self._take()
            except _EndedError as ended:
                # A second Ctrl-C is impatience: the folder is sealed all the same.
                if ended.cause == "proxy" or self._sealed is not None:
                    return


@contextmanager
def _signals(lines: children.Lines) -> Iterator[None]:
    """Signals that end a capture, as lines."""

    def tell(number: int, _: Any) -> None:
        lines.put(("signal", {"name": signal.Signals(number).name}))

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str, error: bool = False) -> None:
    """A line, also where the terminal is gone."""
    try:
        print(printable(text), file=sys.stderr if error else sys.stdout, flush=True)
    except (OSError, ValueError):
        _mute()


def _mute() -> None:
    """Nobody sees what is written any more; the capture is sealed all the same."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())


def _not(so: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: not so()


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith(".") else text + "."


def _quoted(folder: Path) -> str:
    import shlex

    return shlex.quote(str(folder))


def _now() -> int:
    return time.time_ns() // 1000
