"""Keys during a capture, read without waiting: ``p`` and a letter begin a phase, ``m`` and a line set a mark."""

from __future__ import annotations

import errno
import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from lintas.capture import words

_MARK = 200
"""Characters of a mark at most."""


@dataclass
class Keys:
    """What keys mean, one after the other.

    ``act`` is called with ``("phase", name)``, ``("mark", text)`` or ``("end", "")``; ``prompt`` says what the next
    key is taken for."""

    act: Callable[[str, str], None]
    mode: Literal["", "phase", "mark"] = ""
    typed: str = ""
    unknown: str = ""
    """The key behind ``p`` that is no phase's, until the next."""

    def press(self, key: str) -> None:
        self.unknown = ""
        if self.mode == "phase":
            self.mode = ""
            if key in words.PHASE_KEYS:
                self.act("phase", words.PHASE_KEYS[key])
            elif key.isprintable():
                self.unknown = key
        elif self.mode == "mark":
            self._type(key)
        elif key == "p":
            self.mode = "phase"
        elif key == "m":
            self.mode, self.typed = "mark", ""
        elif key == "q":
            self.act("end", "")

    def _type(self, key: str) -> None:
        if key in "\r\n":
            self.mode = ""
            if self.typed.strip():
                self.act("mark", self.typed.strip())
        elif key == "\x1b":
            self.mode = ""
        elif key in "\x7f\b":
            self.typed = self.typed[:-1]
        elif key.isprintable() and len(self.typed) < _MARK:
            self.typed += key

    def prompt(self) -> str:
        """One line for below the live view."""
        if self.mode == "phase":
            return "phase: " + "  ".join(f"{key} {words.data_type(name)}" for key, name in words.PHASE_KEYS.items())
        if self.mode == "mark":
            return f"mark: {self.typed}_   (Enter sets it, Esc drops it)"
        told = f"{self.unknown} is no phase   " if self.unknown else ""
        return told + "  ".join(f"{key} {name}" for key, name in words.HELP.items()) + "   Ctrl-C ends and seals"


_REST = 0.2
"""Seconds between two looks at whether the terminal is ours."""


class Keyboard:
    """The terminal's keys as they are pressed; the terminal is as it was afterwards.

    After Ctrl-Z a shell gives the terminal back (``fg``) as it had it itself, which waits for Enter: so it is looked at
    again and again. In the background (``bg``) it is the shell's, and whoever reads there is stopped."""

    def __init__(self, pressed: Callable[[str], None]) -> None:
        self._pressed = pressed
        self._fd = sys.stdin.fileno()
        self._before: list[Any] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="keys", daemon=True)

    def start(self) -> None:
        with suppress(termios.error, OSError):
            self._before = termios.tcgetattr(self._fd)
            self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._before is not None:
            self._thread.join(5 * _REST)
            with suppress(termios.error, OSError):
                if self._is_ours():
                    termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def _is_ours(self) -> bool:
        """Are we in its foreground? Raises OSError where it is gone."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError as error:
            if error.errno != errno.ENOTTY:
                raise
            # It controls another session: none of its shells stops us.
            return True

    def _key_by_key(self) -> None:
        """Have the terminal hand over each key at once. Raises termios.error."""
        if termios.tcgetattr(self._fd)[3] & termios.ICANON:
            # Ctrl-C stays a signal.
            tty.setcbreak(self._fd, termios.TCSADRAIN)

    def _read(self) -> None:
        rest = b""
        while not self._ended.is_set():
            try:
                if not self._is_ours():
                    self._ended.wait(_REST)
                    continue
                self._key_by_key()
                if not select.select([self._fd], [], [], _REST)[0] or not self._is_ours():
                    continue
                got = os.read(self._fd, 256)
            except (termios.error, OSError):
                return
            if not got:
                return
            rest += got
            try:
                text, rest = rest.decode(), b""
            except UnicodeDecodeError as error:
                if len(rest) - error.start < 4:
                    continue
                text, rest = rest.decode(errors="ignore"), b""
            # An arrow or another key that sends several characters is none of ours.
            if text.startswith("\x1b") and len(text) > 1:
                continue
            for key in text:
                self._pressed(key)
