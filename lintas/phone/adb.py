"""A phone at the end of adb: chosen, asked, and told apart from one that went away.

Every wait ends: a call is bounded by the seconds between two pieces of an answer and by the octets of the answer. A
phone that goes away in the middle of a call, or does not answer, raises PhoneGoneError, whose message is one sentence.
What a phone says about itself is foreign text: it is cut to a limit and decoded without fail.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analysis.model import InputError
from lintas.phone.listing import NONE, listed
from lintas.phone.server import CONNECT, SECONDS, PhoneError, PhoneGoneError, asking, bounded, client, faults, why
from lintas.phone.shell import ERR, EXIT, MOST, OUT, STATUS, lines, marked, packets, text

if TYPE_CHECKING:
    from adbutils import AdbDevice

_HASHING = 120.0
"""How long a phone may be silent while it hashes a file: an app may have gigabytes."""


class Answer(NamedTuple):
    """What a command on the phone gave: its exit status, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0


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


@dataclass
class Phone:
    """A phone that is asked over adb. Each method raises PhoneGoneError when it went away."""

    serial: str
    _features: frozenset[str] | None = field(default=None, repr=False)

    def run(self, command: str | Sequence[str], seconds: float = SECONDS, most: int = MOST) -> Answer:
        """Run a command in the phone's shell: words, or a text that its shell reads.

        ``seconds``: the longest silence; ``most``: octets of the answer, beyond which it is a PhoneError."""
        words = command if isinstance(command, str) else shlex.join(command)
        with _calls(self), self._opened(words, seconds) as stream:
            out, err = bytearray(), bytearray()
            code = None
            for kind, data in stream:
                if kind == EXIT:
                    code = data[0] if data else 255
                    break
                (err if kind == ERR else out).extend(data)
                if len(out) + len(err) > most:
                    raise PhoneError(
                        f"The phone {self.serial} answered with more than {most >> 20} MB; it was not used."
                    )
            if code is None:
                raise EOFError
        return Answer(code, text(out), text(err))

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
            yield self._each(lines(data for kind, data in packets if kind == OUT))

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
            with suppress(*faults()):
                client().wait_for(self.serial, state="disconnect", timeout=CONNECT)
        with asking("wait for the phone"):
            client().wait_for(self.serial, state="device", timeout=SECONDS)
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
        return bounded(self.serial)

    @contextmanager
    def _opened(self, command: str, seconds: float, live: bool = False) -> Iterator[Iterator[tuple[int, bytes]]]:
        """Packets of a command: (kind, octets). Where the phone has no shell_v2 (before Android 7), which alone tells
        standard error and exit status apart, a last line of ours carries the status; not where the output is wanted
        at once (``live``), of which nothing can be held back until it is known to be no such line."""
        if self._features is None:
            with client().make_connection(timeout=SECONDS) as c:
                c.send_command(f"host-serial:{self.serial}:features")
                c.check_okay()
                self._features = frozenset(c.read_string_block().split(","))
        with client().make_connection(timeout=seconds) as c:
            c.send_command(f"host:transport:{self.serial}")
            c.check_okay()
            if "shell_v2" in self._features:
                c.send_command(f"shell,v2,raw:{command}")
                c.check_okay()
                yield packets(c)
            elif live:
                c.send_command(f"shell:{command}")
                c.check_okay()
                yield ((OUT, piece) for piece in iter(lambda: c.recv(1 << 16), b""))
            else:
                c.send_command(f"shell:({command}\n); s=$?; echo; echo {STATUS}$s")
                c.check_okay()
                yield marked(c)


@contextmanager
def _calls(phone: Phone, what: str | None = None) -> Iterator[None]:
    """Round a question to a phone: what fails is either that it went away, or that it would not."""
    try:
        yield
    except InputError:
        raise
    except faults() as error:
        from adbutils import AdbError, AdbTimeout

        refused = isinstance(error, AdbError) and not isinstance(error, AdbTimeout)
        if refused and phone.is_there():
            raise PhoneError(f"The phone {phone.serial} would not {what or 'do it'} ({why(error)}).") from error
        raise PhoneGoneError(
            f"The phone {phone.serial} went away or no longer answers; what was captured until then is kept. "
            "Plug it in again and unlock it."
        ) from error


def attempt[T](call: Callable[..., T], *words: Any) -> T | None:
    """What a call gave, or None where the phone went away or would not."""
    try:
        return call(*words)
    except InputError:
        return None
