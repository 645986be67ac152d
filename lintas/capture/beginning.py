"""The beginning of a capture: what was wanted is checked, what is not known is asked, folder and keys are made.

What can be told at once is told before the first question, and what does not begin leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from analysis.folder import MANIFEST, PRIVATE, check_timezone
from analysis.folder.writing import DUMP, EVENTS, JOURNAL
from analysis.model import InputError
from lintas.capture import authority, checks, network, tunnel, words
from lintas.capture.answers import Answers
from lintas.capture.authority import Authority
from lintas.capture.handset import Handset
from lintas.capture.outlet import say
from lintas.capture.setup import Setup
from lintas.capture.tunnel import Tunnel
from lintas.phone.identity import PERSONA

_OURS = {
    "confdir": "--same-keys",
    "lintas_folder": "--out",
    "lintas_phase": "--phase",
    "listen_host": "--listen",
    "listen_port": "--port",
    "mode": "--mode",
    "server": "--mode",
}
"""Options of the proxy that another word of the command line stands for."""
_NO_TRAFFIC = frozenset(("clock", "phase", "proof", "file", "phone"))
"""Events of a recording into which nothing has come."""


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


@dataclass
class Place:
    """The folder of a capture. ``stays``: it holds a recording now, and is nobody's to take away."""

    folder: Path
    existed: bool
    stays: bool = False


@dataclass
class Begun:
    """A capture that is prepared."""

    wanted: Wanted
    place: Place
    setup: Setup
    zone: str | None
    handset: Handset | None


def begin(wanted: Wanted, stack: ExitStack) -> Begun:
    """Prepare the capture; with ``stack``, a folder into which nothing came is taken away again. Raises InputError
    where it cannot begin."""
    clock = checks.Clock()
    addresses = [network.listener(text) for text in wanted.listen] or [network.listener(None)]
    modes = network.modes(wanted.modes, addresses, wanted.port)
    warnings = network.check_open(addresses, modes, [network.network(text) for text in wanted.open_to])
    _check_only_app(wanted, modes)
    _check_options(wanted.options)
    for mode in modes:
        network.check_port(mode)
    folder = wanted.out or Path("captures") / _plain(wanted.name)
    checks.free_folder(folder)
    room = checks.disk(folder)
    zone = wanted.timezone or checks.timezone()
    if wanted.timezone is not None:
        check_timezone(wanted.timezone, "--timezone")
    persona = _persona(wanted.persona)
    if wanted.same_keys is not None:
        authority.read(wanted.same_keys / PRIVATE)
    handset = Handset(wanted.serial) if wanted.adb or wanted.serial or wanted.video else None
    answers = _answers(wanted)
    place = _make(folder, stack)
    try:
        ours, way = _keys(folder, wanted)
        if persona is not None:
            authority.write_private(folder / PERSONA, persona)
    except OSError as error:
        raise _unwritable(folder, error) from error
    phones = handset.clock() if handset is not None else None
    shown = [
        clock.check(),
        *([phones] if phones else []),
        room,
        *(checks.Check("listen", True, mode.spec) for mode in modes),
    ]
    setup = Setup(folder, modes, answers, ours, way, wanted.only_app, shown, warnings, wanted.same_keys)
    if wanted.same_keys is not None:
        warnings += _is_anew(setup, wanted.same_keys)
    return Begun(wanted, place, setup, zone, handset)


# ------------------------------------------------------------------------------------------- what was wanted


def _check_only_app(wanted: Wanted, modes: list[network.Mode]) -> None:
    if wanted.only_app is None:
        return
    tunnel.package(wanted.only_app)
    if [m.kind for m in modes] != ["wireguard"]:
        raise InputError("--only-app is for the tunnel alone: leave out --mode, or write --mode wireguard.")


def _check_options(options: list[str]) -> None:
    for option in options:
        name = option.partition("=")[0].strip()
        if name in _OURS:
            raise InputError(f"--set {name} is what a capture sets itself; write {_OURS[name]}.")


def _plain(name: str) -> str:
    if not name or name in (".", "..") or "/" in name or not name.isprintable() or name.startswith("-"):
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


def _answers(wanted: Wanted) -> Answers:
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not wanted.yes
    given = {name: getattr(wanted, name) for name in words.QUESTIONS}
    return Answers({**given, "app": wanted.app or wanted.only_app}, asks, wanted.ask)


# ------------------------------------------------------------------------------------------ folder and keys


def _make(folder: Path, stack: ExitStack) -> Place:
    """The folder, and in it one for keys, which one capture alone can make."""
    place = Place(folder, folder.exists())
    checks.new_folder(folder)
    try:
        (folder / PRIVATE).mkdir(mode=0o700)
    except FileExistsError as error:
        raise InputError(f"{folder} was begun by another capture just now; name a new one.") from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    stack.callback(_leave, place)
    return place


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{folder} cannot be written ({error.strerror}); name another with --out.")


def _keys(folder: Path, wanted: Wanted) -> tuple[Authority, Tunnel]:
    private = folder / PRIVATE
    if wanted.same_keys is None:
        return authority.make(private, folder.name), tunnel.make(private)
    earlier = wanted.same_keys / PRIVATE
    return authority.take(private, earlier), tunnel.take(private, earlier, wanted.only_app)


def _is_anew(setup: Setup, earlier: Path) -> list[str]:
    """Whether the tunnel that the phone has from the earlier capture leads into this one, in sentences."""
    ours = setup.configuration()
    if ours is None or ours == tunnel.given(earlier / PRIVATE):
        return []
    return [words.TUNNEL_ANEW.format(earlier=earlier)]


def _leave(place: Place) -> None:
    """A folder that holds nothing but what was prepared is taken away again."""
    if place.stays:
        return
    folder = place.folder
    if _came_in(folder):
        say(f"lintas: what came in until then is kept in {folder}.", error=True)
        return
    shutil.rmtree(folder / PRIVATE, ignore_errors=True)
    for name in (PERSONA, MANIFEST, EVENTS, JOURNAL, DUMP):
        (folder / name).unlink(missing_ok=True)
    if not place.existed:
        with suppress(OSError):
            folder.rmdir()


def _came_in(folder: Path) -> bool:
    """Whether anything of a device was recorded, or may have been."""
    try:
        if any((folder / name).exists() and (folder / name).stat().st_size for name in (DUMP, JOURNAL)):
            return True
        with (folder / EVENTS).open("rb") as lines:
            return any(json.loads(line)["type"] not in _NO_TRAFFIC for line in lines)
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True
