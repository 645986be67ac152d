"""What a terminal is told: progress, one-line errors, tables that fit, and an end with a documented exit code."""

from __future__ import annotations

import errno
import json
import mmap
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import typer

from analysis import model

if TYPE_CHECKING:
    from rich.console import Console

REFUSED = 2
INTERRUPTED = 130
UNREAD = {
    "ca_refused": "certificate refused",
    "pinned": "pinned",
    "probable_pin": "probably pinned",
    "probable_refusal": "certificate probably refused",
    "encrypted": "encrypted",
    "sealed": "sealed by the app",
    "non_http": "not web traffic",
    "relayed": "passed on unopened",
    "truncated": "cut by the capture",
    "not_understood": "in a form not known",
    "unread": "not understood",
    "unused": "connections never used",
    "unreachable": "servers not reached",
    "fell_back": "QUIC that gave way to TCP",
}
"""What could not be opened, in a few words."""
READING = {
    "understood": "understood",
    "not_understood": "in a form not known",
    "sealed": "sealed by the app",
    "encrypted": "encrypted",
    "refused": "certificate refused",
    "non_http": "not web traffic",
    "cut": "not in the capture",
    "silent": "nothing passed",
}
"""How far something could be read, in a few words; the scale is that of ``analysis.reading_states``."""
_NO_MEMORY = (
    b"lintas: there is not enough memory for this; close other programs or audit a smaller part of the capture.\n"
)
_WANT_OF_MEMORY = re.compile(
    r"cannot allocate memory|failed to map segment|can't start new thread|launch worker thread|out of memory|bad_alloc",
    re.IGNORECASE,
)
"""What loaders of libraries, threads and libraries in C++ say."""
_SHOW_AFTER = 2.0
"""Seconds after which work shows its progress: what takes less needs none."""


def fail(sentence: str) -> NoReturn:
    """End with one line that says what, where and what to do, and exit code 2."""
    print(f"lintas: {printable(as_typed(' '.join(sentence.split())))}", file=sys.stderr)
    raise SystemExit(REFUSED)


def note(sentence: str) -> None:
    """One line on standard error that the user should read, and that ends nothing."""
    print(f"lintas: note: {as_typed(printable(sentence))}.", file=sys.stderr)


_COMMAND = re.compile(r"\blintas(?= (?:audit|capture|doctor|info|persona|phone|report|show)\b)")


def as_typed(text: str) -> str:
    """``text`` in which each command of ours begins with what this user types for ``lintas``."""
    from analysis.folder.programs import lintas

    return _COMMAND.sub(lambda _: lintas(), text)


def room(octets: int) -> None:
    """See that this process may have so much more memory. Some libraries end the process where they get none, without
    a word that a user could understand; so it is asked for before they are loaded. Raises MemoryError."""
    try:
        mmap.mmap(-1, octets, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise MemoryError from error


def _is_want_of_memory(error: BaseException | None) -> bool:
    """Whether it came of too little memory, also where a library says so in words of its own."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if _WANT_OF_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _no_memory() -> NoReturn:
    """End for want of memory: without a step that would need some."""
    with suppress(OSError):
        os.write(2, _NO_MEMORY)
    raise SystemExit(REFUSED) from None


@contextmanager
def guarded() -> Iterator[None]:
    """Inside, an InputError or a Ctrl-C ends the program with its line and code; nothing shows a traceback."""
    from analysis.model import InputError

    try:
        yield
    except InputError as error:
        if _is_want_of_memory(error.__cause__):
            _no_memory()
        fail(str(error))
    except KeyboardInterrupt as stop:
        stopped(stop)
    except BrokenPipeError:
        _nobody_reads()
    except MemoryError:
        _no_memory()
    except OSError as error:
        if _is_want_of_memory(error):
            _no_memory()
        where = f" ({error.filename})" if error.filename else ""
        fail(f"the system refused: {error.strerror or type(error).__name__}{where}; see to it and try again.")
    except Exception as error:
        if os.environ.get("LINTAS_DEBUG"):
            raise
        if _is_want_of_memory(error):
            _no_memory()
        fail(
            f"this is a defect of Lintas ({type(error).__name__}); run it again with LINTAS_DEBUG=1 to see where, "
            "and report that. Nothing was written that could be taken for an audit."
        )


@contextmanager
def ended() -> Iterator[None]:
    """Round the whole program: words that make no command, Ctrl-C outside of a command, a reader of our output that
    went away before it was written."""
    _open_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Who was started with nohup goes on behind its terminal.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)
    try:
        yield
        if _stops:
            raise Stopped(_stops[0])
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort) as stop:
        stopped(stop)
    except BrokenPipeError:
        _nobody_reads()
    except Exception as error:
        # Errors of the command line; their class has another home from one version of Typer to the next.
        told = getattr(error, "format_message", None)
        if told is None:
            raise
        command = getattr(getattr(error, "ctx", None), "command_path", "lintas")
        fail(f"{_sentence(told())}; see {command} --help.")


def _open_streams() -> None:
    """Give a program that was started with closed streams ones that lead nowhere: else the next file that is opened
    gets their numbers, and what is printed goes into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


class Stopped(KeyboardInterrupt):
    """A signal that asks this program to end, as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_stops: list[int] = []
"""Signals that came: whoever catches what is raised for one (a library that is being imported) does not undo it."""


def _stop(number: int, _: object) -> None:
    _stops.append(number)
    raise Stopped(number)


def stopped(stop: BaseException) -> NoReturn:
    """End as a program ends that was stopped: one line, and 128 and the signal's number as exit code."""
    with suppress(OSError):
        print("lintas: stopped; what was not finished is not kept.", file=sys.stderr)
    raise SystemExit(128 + stop.number if isinstance(stop, Stopped) else INTERRUPTED) from None


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _nobody_reads() -> NoReturn:
    """The reader of our output went away (| head): nothing more to say, and nothing to flush at exit."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0) from None


def screen() -> Console:
    """Standard output as Rich writes to it, but for pipes: that nobody reads on is no failure."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Screen(highlight=False)


def labelled(lines: Iterable[tuple[str, str]], indent: int = 0, label_width: int = 9) -> None:
    """Lines of a label and a text that goes on under itself, however narrow the terminal."""
    from rich.text import Text

    console = screen()
    room = max(console.width - indent - label_width, 8)
    for label, text in lines:
        for n, part in enumerate(Text(printable(text)).wrap(console, room)):
            head = Text(" " * indent).append(f"{label if n == 0 else '':<{label_width}}", "bold")
            part.rstrip()
            console.print(head + part, soft_wrap=True)


def emit(value: Any) -> None:
    """A value as JSON on standard output."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    print("\n".join(line if model.printable(line) == line else _escaped(line) for line in text.split("\n")))


def _escaped(line: str) -> str:
    """A line of JSON whose characters that do not print are written as JSON escapes them; they stand in strings
    alone."""
    return "".join(c if model.printable(c) == c else json.dumps(c)[1:-1] for c in line)


def table(rows: list[Mapping[str, Any]], columns: Mapping[str, str], numbers: frozenset[str] = frozenset()) -> None:
    """Rows as a plain table. ``columns``: key to heading; ``numbers``: keys that stand to the right."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for key, heading in columns.items():
        right = key in numbers
        drawn.add_column(heading, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(printable(row.get(key))) for key in columns))
    screen().print(drawn)


def printable(value: Any) -> str:
    """A value for the terminal: numbers with separators, strings of the capture without control characters."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return model.printable(str(value))


class Progress:
    """One line on standard error with what is done, the rate and the time that remains; none when it is no
    terminal, none for work under two seconds."""

    _WORDS: ClassVar = {"hash": "Hashing", "read": "Reading", "conclude": "Concluding"}

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._stage, self._stage_begun, self._last = "", self._begun, 0.0
        self._live = sys.stderr.isatty()
        self._shown = False

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not self._live:
            return
        now = self._clock()
        if stage != self._stage:
            self._stage, self._stage_begun = stage, now
        if now - self._begun < _SHOW_AFTER or now - self._last < 0.2:
            return
        self._last = now
        self._shown = True
        spent = now - self._stage_begun
        text = self._WORDS.get(stage, stage)
        if total > 1 and spent > 0 and done:
            rate = done / spent
            left = max(total - done, 0) / rate
            text += f" {min(done / total, 1):4.0%}  {rate / 1e6:,.1f} MB/s  {_duration(left)} left"
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
