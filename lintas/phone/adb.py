"""A phone at the end of adb: found, chosen, asked, and told apart from one that went away.

The adb server is asked by adbutils, whose wheel carries the program. Every wait ends: a call is bounded by the seconds
between two pieces of an answer and by the octets of the answer. A phone that goes away in the middle of a call, or
does not answer, raises PhoneGoneError, whose message is one sentence. What a phone says about itself is foreign text:
it is cut to a limit and decoded without fail.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analysis.model import InputError

if TYPE_CHECKING:
    from adbutils import AdbClient, AdbConnection, AdbDevice

SECONDS = 20.0
"""How long a phone may be silent in the middle of an answer."""
MOST = 16 << 20
"""Octets of one answer."""
_HASHING = 120.0
"""The same while it hashes a file: an app may have gigabytes."""
_CONNECT = 3.0
_START = 30.0


class PhoneError(InputError):
    """The phone, or adb, cannot do what was asked. One sentence: what, and what to do."""


class PhoneGoneError(PhoneError):
    """The phone went away, or no longer answers."""


class Answer(NamedTuple):
    """What a command on the phone gave: its exit status, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A phone as the adb server lists it. ``state``: ``device`` where it can be used."""

    serial: str
    state: str
    model: str | None = None

    @property
    def usable(self) -> bool:
        return self.state == "device"

    @property
    def advice(self) -> str:
        """What keeps it from being used, and what to do, in one sentence."""
        for state, text in _STATES.items():
            if self.state.startswith(state):
                return f"The phone {self.serial} {text}"
        return f"The phone {self.serial} is in the state {self.state!r}; start Android on it and try again."


_STATES = {
    "device": "can be used.",
    "unauthorized": (
        "does not trust this computer yet; unlock it and accept the question about USB debugging on its screen. If it "
        "does not ask, choose 'Revoke USB debugging authorisations' in its developer options and plug it in again."
    ),
    "authorizing": "is still being asked whether it trusts this computer; unlock it and accept the question.",
    "offline": (
        "is connected and does not answer; unplug it and plug it in again, or switch USB debugging off and on."
    ),
    "connecting": "is still being connected; wait a few seconds and try again.",
    "no permissions": (
        "may not be opened by this user; on Linux install your distribution's adb udev rules (often the package "
        "android-sdk-platform-tools-common), then plug it in again."
    ),
    "recovery": "is in recovery; restart Android on it.",
    "sideload": "is in recovery; restart Android on it.",
    "rescue": "is in rescue mode; restart Android on it.",
    "bootloader": "is in its bootloader; start Android on it.",
}
NONE = (
    "No phone is connected over adb; switch on USB debugging in its developer options, plug it in, and accept the "
    "question on its screen. Over Wi-Fi: adb pair, then adb connect ADDRESS:PORT."
)


# ------------------------------------------------------------------------------------------------ finding


def listed() -> list[Listed]:
    """The phones that the adb server knows, in its order. Raises PhoneError where adb cannot be used."""
    with _server("list the phones"), _client().make_connection(timeout=SECONDS) as c:
        c.send_command("host:devices-l")
        c.check_okay()
        return [found for line in c.read_string_block().splitlines() if (found := _listed(line)) is not None]


def _listed(line: str) -> Listed | None:
    serial, _, rest = line.strip().partition(" ")
    if not serial or not rest.strip():
        return None
    state: list[str] = []
    model = None
    for word in rest.split():
        key, colon, value = word.partition(":")
        if colon and key in ("usb", "product", "model", "device", "transport_id"):
            model = value.replace("_", " ") if key == "model" else model
        else:
            state.append(word)
    return Listed(serial, " ".join(state), model)


def choose(serial: str | None = None) -> Phone:
    """The one phone that can be used, or the one of that serial number.

    Raises PhoneError where there is none, several, or it cannot be used just now: with what to do."""
    found = listed()
    if serial is not None:
        for one in found:
            if one.serial == serial:
                if not one.usable:
                    raise PhoneError(one.advice)
                return Phone(serial)
        there = f"there are: {', '.join(p.serial for p in found)}" if found else "none is connected"
        raise PhoneError(f"No phone has the serial number {serial!r}; {there}.")
    usable = [one for one in found if one.usable]
    if len(usable) == 1:
        return Phone(usable[0].serial)
    if usable:
        names = ", ".join(f"{p.serial} ({p.model})" if p.model else p.serial for p in usable)
        raise PhoneError(f"Several phones are connected: {names}; choose one with --serial.")
    raise PhoneError(found[0].advice if found else NONE)


# ------------------------------------------------------------------------------------------------- asking


@dataclass
class Phone:
    """A phone that is asked over adb. Each method raises PhoneGoneError when it went away."""

    serial: str
    _features: frozenset[str] | None = field(default=None, repr=False)

    def run(self, command: str | Sequence[str], seconds: float = SECONDS, most: int = MOST) -> Answer:
        """Run a command in the phone's shell: words, or a text that its shell reads.

        ``seconds``: the longest silence; ``most``: octets of the answer, beyond which it is a PhoneError."""
        text = command if isinstance(command, str) else shlex.join(command)
        with _calls(self), self._opened(text, seconds) as stream:
            out, err = bytearray(), bytearray()
            code = None
            for kind, data in stream:
                if kind == _EXIT:
                    code = data[0] if data else 255
                    break
                (err if kind == _ERR else out).extend(data)
                if len(out) + len(err) > most:
                    raise PhoneError(
                        f"The phone {self.serial} answered with more than {most >> 20} MB; it was not used."
                    )
            if code is None:
                raise EOFError
        return Answer(code, _text(out), _text(err))

    def said(self, command: str | Sequence[str]) -> str:
        """What a command printed, without the spaces around; the empty text where it failed."""
        answer = self.run(command)
        return answer.out.strip() if answer.ok else ""

    @contextmanager
    def stream(self, command: str, seconds: float = SECONDS) -> Iterator[Iterator[str]]:
        """Lines that a command prints, as they come, until it ends or the block is left; then it is hung up on."""
        with ExitStack() as held:
            with _calls(self):
                packets = held.enter_context(self._opened(command, seconds, live=True))
            yield self._each(_lines(data for kind, data in packets if kind == _OUT))

    def push(self, octets: bytes, path: str, mode: int = 0o644) -> None:
        """Write a file on the phone. Raises PhoneError where the phone would not have it."""
        with _calls(self, f"write {path}"):
            self._device.sync.push(octets, path, mode)

    def pull(self, path: str, into: Path) -> tuple[int, str]:
        """Copy a file of the phone to ``into``, which stands there whole or not at all: its octets and SHA-256 (hex).

        Raises PhoneError where the phone has no such file, OSError where it cannot be written here."""
        part = into.with_name(f".{into.name}.part")
        digest, size = hashlib.sha256(), 0
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(number, "wb") as file:
                for piece in self._each(self._device.sync.iter_content(path), f"read {path}"):
                    file.write(piece)
                    digest.update(piece)
                    size += len(piece)
            part.replace(into)
        finally:
            part.unlink(missing_ok=True)
        return size, digest.hexdigest()

    def digest(self, path: str) -> tuple[int | None, str]:
        """Octets and SHA-256 (hex) of a file of the phone, counted there; where it has no ``sha256sum`` the file is
        read through, and kept nowhere. Raises PhoneError where it cannot be read."""
        name = shlex.quote(path)
        answer = self.run(f"sha256sum {name} && stat -c %s {name}", _HASHING)
        words = answer.out.split()
        if words and len(words[0]) == 64 and set(words[0]) <= set("0123456789abcdef"):
            size = answer.out.splitlines()[-1].strip()
            return int(size) if answer.ok and size.isdecimal() and len(size) < 19 else None, words[0]
        digest, octets = hashlib.sha256(), 0
        for piece in self._each(self._device.sync.iter_content(path), f"read {path}"):
            digest.update(piece)
            octets += len(piece)
        return octets, digest.hexdigest()

    def _each[T](self, pieces: Iterator[T], what: str | None = None) -> Iterator[T]:
        """What comes from the phone, with its errors made ours; those of whoever takes it stay as they are."""
        while True:
            with _calls(self, what):
                try:
                    piece = next(pieces)
                except StopIteration:
                    return
            yield piece

    def is_there(self) -> bool:
        """Whether it can be used just now. Never raises."""
        try:
            return any(p.serial == self.serial and p.usable for p in listed())
        except InputError:
            return False

    def restart_as_root(self) -> bool:
        """Ask adbd to run as root (``adb root``), which builds for development do; whether it does now."""
        with _calls(self, "restart adbd as root"):
            said = self._device.root()
        if "cannot run as root" in said or "disabled" in said:
            return False
        if "restarting" in said:
            # As adb's own program does it: the old connection still answers for a moment.
            with suppress(*_faults()):
                _client().wait_for(self.serial, state="disconnect", timeout=_CONNECT)
        with _server("wait for the phone"):
            _client().wait_for(self.serial, state="device", timeout=SECONDS)
        self.__dict__.pop("root", None)
        return self.root == "adbd"

    @cached_property
    def root(self) -> str | None:
        """How commands can be run as root: ``adbd``, a form of ``su``, or None."""
        if self.said("id -u") == "0":
            return "adbd"
        if not self.said("command -v su"):
            return None
        for form in ("su -c", "su 0 sh -c"):
            if self.said(f"{form} 'id -u'") == "0":
                return form
        return None

    def as_root(self, script: str, seconds: float = SECONDS) -> Answer:
        """Run a text of the shell as root. Raises PhoneError where that cannot be had."""
        if self.root is None:
            raise PhoneError(f"The phone {self.serial} gives no root; a phone or emulator of a development build does.")
        return self.run(script if self.root == "adbd" else f"{self.root} {shlex.quote(script)}", seconds)

    # ----------------------------------------------------------------------------------------- transport

    @property
    def _device(self) -> AdbDevice:
        return _bounded(self.serial)

    @contextmanager
    def _opened(self, command: str, seconds: float, live: bool = False) -> Iterator[Iterator[tuple[int, bytes]]]:
        """Packets of a command: (kind, octets). Where the phone has no shell_v2 (before Android 7), which alone tells
        standard error and exit status apart, a last line of ours carries the status; not where the output is wanted
        at once (``live``), of which nothing can be held back until it is known to be no such line."""
        if self._features is None:
            with _client().make_connection(timeout=SECONDS) as c:
                c.send_command(f"host-serial:{self.serial}:features")
                c.check_okay()
                self._features = frozenset(c.read_string_block().split(","))
        with _client().make_connection(timeout=seconds) as c:
            c.send_command(f"host:transport:{self.serial}")
            c.check_okay()
            if "shell_v2" in self._features:
                c.send_command(f"shell,v2,raw:{command}")
                c.check_okay()
                yield _packets(c)
            elif live:
                c.send_command(f"shell:{command}")
                c.check_okay()
                yield ((_OUT, piece) for piece in iter(lambda: c.recv(1 << 16), b""))
            else:
                c.send_command(f"shell:({command}\n); s=$?; echo; echo {_STATUS}$s")
                c.check_okay()
                yield _marked(c)


_OUT, _ERR, _EXIT = 1, 2, 3
"""Ids of the packets of AOSP's shell_protocol.h."""
_STATUS = "lintas-status:"


def _packets(c: AdbConnection) -> Iterator[tuple[int, bytes]]:
    while head := c.read(5):
        if len(head) < 5:
            raise EOFError
        kind, size = struct.unpack("<BI", head)
        if size > MOST:
            raise EOFError
        yield kind, c.read_exact(size) if size else b""
        if kind == _EXIT:
            return


def _marked(c: AdbConnection) -> Iterator[tuple[int, bytes]]:
    """Standard output up to our last line. A terminal of old phones ends lines with CR LF."""
    held = b""
    while piece := c.recv(1 << 16):
        held += piece.replace(b"\r", b"")
        if len(held) > 256:
            yield _OUT, held[:-256]
            held = held[-256:]
    before, mark, status = held.rpartition(f"\n{_STATUS}".encode())
    if not mark or not status.strip().isdigit():
        raise EOFError
    yield _OUT, before
    yield _EXIT, bytes([int(status) & 255])


def _lines(pieces: Iterator[bytes]) -> Iterator[str]:
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        if len(held) > MOST:
            raise EOFError
        for line in whole:
            yield _text(line)
    if held:
        yield _text(held)


def _text(octets: bytes | bytearray) -> str:
    return octets.decode("utf-8", "replace").replace("\r", "")


# ------------------------------------------------------------------------------------------------- server


def _client() -> AdbClient:
    """The adb server, started where none runs. It says nothing on our screen."""
    from adbutils import AdbClient, adb_path

    client = AdbClient(socket_timeout=SECONDS)
    try:
        socket.create_connection((client.host, client.port), timeout=_CONNECT).close()
    except OSError:
        subprocess.run(  # noqa: S603 - adb's own path
            [adb_path(), "start-server"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_START,
            check=False,
            start_new_session=True,  # a Ctrl-C here is not meant for the server, which others use too
        )
    return client


def _bounded(serial: str) -> AdbDevice:
    """adbutils' device, whose waits all end."""
    from adbutils import AdbDevice

    class Bounded(AdbDevice):  # type: ignore[misc]
        def open_transport(self, command: str | None = None, timeout: float | None = None) -> AdbConnection:
            return super().open_transport(command, min(timeout or SECONDS, SECONDS))

    return Bounded(_client(), serial)


def _faults() -> tuple[type[Exception], ...]:
    """What adbutils lets out where the server or the phone is gone, silent, or says what it should not."""
    from adbutils import AdbError

    return (
        AdbError,
        OSError,
        EOFError,
        AssertionError,
        IndexError,
        ValueError,
        struct.error,
        subprocess.SubprocessError,
    )


@contextmanager
def _server(what: str) -> Iterator[None]:
    """Round a question to the adb server itself."""
    try:
        yield
    except InputError:
        raise
    except _faults() as error:
        raise PhoneError(
            f"adb cannot {what} ({_why(error)}); see that adb runs on this computer, or set ADBUTILS_ADB_PATH to it."
        ) from error


@contextmanager
def _calls(phone: Phone, what: str | None = None) -> Iterator[None]:
    """Round a question to a phone: what fails is either that it went away, or that it would not."""
    try:
        yield
    except InputError:
        raise
    except _faults() as error:
        from adbutils import AdbError, AdbTimeout

        refused = isinstance(error, AdbError) and not isinstance(error, AdbTimeout)
        if refused and phone.is_there():
            raise PhoneError(f"The phone {phone.serial} would not {what or 'do it'} ({_why(error)}).") from error
        raise PhoneGoneError(
            f"The phone {phone.serial} went away or no longer answers; what was captured until then is kept. "
            "Plug it in again and unlock it."
        ) from error


def _why(error: Exception) -> str:
    text = " ".join(str(error.args[0] if error.args else error).split())
    return "".join(c if c.isprintable() else "?" for c in text)[:200] or type(error).__name__


def attempt[T](call: Callable[..., T], *words: Any) -> T | None:
    """What a call gave, or None where the phone went away or would not."""
    try:
        return call(*words)
    except InputError:
        return None
