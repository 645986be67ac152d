"""The live view in a terminal (Rich), and as one line every ten seconds where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lintas.capture import words
from lintas.terminal import UNREAD, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_WIDE = 120
"""Columns from which two tables stand side by side."""
_LEAST = 5
"""Lines below which no table is drawn."""

Shown = dict[str, Any]


def line(now: Shown) -> str:
    """How things stand, in one line."""
    parts = [
        time.strftime("%H:%M:%S"),
        words.counted(now["requests"], "request", "requests"),
        words.counted(now["countries_shown"], "country", "countries"),
        words.counted(now["operators_known"], "company", "companies"),
        words.counted(len(now["data_types"]), "data type", "data types"),
        f"{words.amount(now['bytes_out'])} sent",
        f"{words.amount(now['bytes_in'])} received",
        f"{now['refused']:,} refused",
    ]
    if now["phase"]:
        parts.append(f"phase {words.data_type(now['phase'])}")
    if now["behind_bytes"]:
        parts.append(f"{words.amount(now['behind_bytes'])} not classified yet")
    if now["trouble"]:
        parts.append(f"NOT RECORDING: {now['trouble']}")
    return "  ".join(parts)


def draw(now: Shown, prompt: str, width: int, height: int) -> RenderableType:
    """The live view, no larger than the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head, foot = _head(now), _foot(now, prompt)
    # What is longer than the terminal is wide goes on below; the last line, what the keys mean, always has its place.
    has_rows = bool(now["countries"] or now["opaque"])
    wanted = _LEAST + 1 if has_rows else 0
    while len(foot) > 1 and _lines(head + foot, width) + wanted > height:
        del foot[0]
    if _lines(head + foot, width) > height:
        for text in head:
            text.truncate(width, overflow="ellipsis")
    room = height - _lines(head + foot, width) - 1
    if room < _LEAST or not has_rows:
        return Group(*head, *foot)
    tables = [_where, _what, _who, _opaque]
    body: list[RenderableType]
    if width >= _WIDE:
        grid = Table.grid(padding=(0, 3), expand=True)
        grid.add_column(ratio=1)
        grid.add_column(ratio=1)
        each = max(room // 2 - 4, 2)
        wide = (width - 3) // 2
        grid.add_row(tables[0](now, each, wide), tables[1](now, each, wide))
        grid.add_row(Text(""), Text(""))
        grid.add_row(tables[2](now, each, wide), tables[3](now, each, wide))
        body = [grid]
    else:
        each = max(room // 4 - 5, 1)
        # Of a heading, a rule, a row and what was left out: as many tables as there is room for.
        body = [part for table in tables[: max(room // _LEAST, 1)] for part in (table(now, each, width), Text(""))]
    return Group(*head, Text(""), *body, *foot)


def _lines(texts: list[Text], width: int) -> int:
    """How many lines they take on a terminal of that width."""
    from rich.console import Console

    console = Console(width=width)
    return sum(len(text.wrap(console, width)) for text in texts)


def _head(now: Shown) -> list[Text]:
    from rich.text import Text

    title = Text.assemble(
        (printable(now["name"]), "bold"),
        "  ",
        _clock(int(time.time() - now["begun"] / 1e6)),
        "  ",
        (f"phase {words.data_type(now['phase'])}" if now["phase"] else "no phase yet", "cyan"),
    )
    counts = (
        f"{now['requests']:,} requests  {words.amount(now['bytes_out'])} sent  "
        f"{words.amount(now['bytes_in'])} received  {now['refused']:,} refused  "
        f"{now['connections']:,} open  {words.amount(now['recorded'])} recorded"
    )
    lines = [title, Text(printable(now["standing"])), Text(counts)]
    if now["trouble"]:
        lines.append(Text(f"NOT RECORDING: {printable(now['trouble'])} ({now['lost']:,} lost)", "bold red"))
    return lines


def _foot(now: Shown, prompt: str) -> list[Text]:
    from rich.text import Text

    lines = [Text(printable(behind(now)), "dim")]
    if now["left_out"]:
        lines.append(Text(words.LEFT_OUT.format(n=f"{now['left_out']:,}"), "dim"))
    lines += [Text(printable(text), "dim") for text in (*now["read"], *apart(now))]
    if now["kept_out"]:
        lines.append(Text(words.KEPT_OUT.format(n=f"{now['kept_out']:,}"), "yellow"))
    if now["turned_away"]:
        lines.append(Text(words.turned_away(now["turned_away"]), "yellow"))
    lines += [Text(printable(text), "yellow") for text in now["warnings"][-2:]]
    lines.append(Text(prompt, "reverse"))
    return lines


def apart(now: Shown) -> list[str]:
    """What stands in none of the lists, since it is not the app's, or nothing came of it; and what helps."""
    told = [
        f"{words.HEADINGS[whose]}: {now[whose]['flows']:,} flows, {words.amount(now[whose]['bytes_out'])} sent"
        for whose in ("noise", "others", "unanswered")
        if now[whose]
    ]
    return told + ([words.not_trusted(now["not_trusted"])] if now["not_trusted"] else [])


def behind(now: Shown) -> str:
    """Whether what stands above is all that was recorded."""
    if now["follower_gone"]:
        return words.NO_FOLLOWER.format(text=now["follower_gone"])
    if now["behind_bytes"]:
        return words.BEHIND.format(bytes=words.amount(now["behind_bytes"]), seconds=now["behind_seconds"])
    return words.UP_TO_DATE if now["looked"] else words.NOT_LOOKED


def _where(now: Shown, rows: int, width: int) -> Table:
    made = _table("where", [("bytes_out", True), ("flows", True), ("data_types", False)])
    for row in now["countries"][:rows]:
        types = ", ".join(map(words.data_type, row["data_types"]))
        made.add_row(_cut(row["name"], width // 3), words.amount(row["bytes_out"]), f"{row['flows']:,}", _plain(types))
    return _rest(made, now["countries"], rows)


def _who(now: Shown, rows: int, width: int) -> Table:
    made = _table("who", [("bytes_out", True), ("country", False), ("data_types", False)])
    for row in now["operators"][:rows]:
        name = f"{row['name']} ({row['parent']})" if row["parent"] else row["name"]
        types = ", ".join(map(words.data_type, row["data_types"]))
        made.add_row(_cut(name, width // 2), words.amount(row["bytes_out"]), " ".join(row["places"]), _plain(types))
    return _rest(made, now["operators"], rows)


def _what(now: Shown, rows: int, width: int) -> Table:
    made = _table("what", [("messages", True), ("country", False), ("to", False)])
    for row in now["data_types"][:rows]:
        name = words.data_type(row["data_type"]) + ("?" if row["strength"] == "weak" else "")
        to = ", ".join(row["operators"])
        made.add_row(_cut(name, width // 2), f"{row['messages']:,}", " ".join(row["places"]), _plain(to))
    return _rest(made, now["data_types"], rows)


def _opaque(now: Shown, rows: int, width: int) -> Table:
    made = _table("opaque", [("count", True), ("cause", False)])
    for row in now["opaque"][:rows]:
        cause = words.data_type(row["cause"] or "")
        how = UNREAD.get(row["kind"], row["kind"])
        made.add_row(
            _cut(row["host"] or "–", width // 2), f"{row['count']:,}", _plain(f"{how}: {cause}" if cause else how)
        )
    return _rest(made, now["opaque"], rows)


def _table(heading: str, columns: list[tuple[str, bool]]) -> Table:
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=True)
    made.add_column(words.HEADINGS[heading], ratio=3, no_wrap=True, overflow="ellipsis", header_style="bold")
    for name, number in columns:
        made.add_column(
            words.HEADINGS[name],
            justify="right" if number else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=None if number else 3,
            header_style="dim",
        )
    return made


def _rest(made: Table, rows: list[Any], shown: int) -> Table:
    if len(rows) > shown:
        made.add_row(words.LEFT_OUT.format(n=len(rows) - shown))
    return made


def _plain(text: str) -> Text:
    """As it is: names come from the traffic and from personas, and are no markup."""
    from rich.text import Text

    return Text(printable(text))


def _cut(text: str, width: int) -> Text:
    found = _plain(text)
    found.truncate(max(width, 12), overflow="ellipsis")
    return found


def _clock(seconds: int) -> str:
    hours, rest = divmod(max(seconds, 0), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


class Terminal:
    """The live view on a terminal, drawn at most twice a second; elsewhere one line every ten seconds, and what an
    auditor must know as it comes."""

    _EVERY = 10.0

    def __init__(self, live: bool, print_line: Callable[[str], None]) -> None:
        self._is_live = live
        self._print = print_line
        self._live: Any = None
        self._last = 0.0
        self._standing = ""
        self._is_advised = False
        self._warned = 0

    def start(self) -> None:
        if self._is_live:
            from rich.live import Live

            self._live = Live(auto_refresh=False, transient=False, vertical_overflow="crop")
            self._live.start()

    def show(self, now: Shown, prompt: str) -> None:
        if self._live is None:
            self._tell(now)
        at = time.monotonic()
        if at - self._last < (0.5 if self._live is not None else self._EVERY):
            return
        self._last = at
        if self._live is not None:
            size = self._live.console.size
            self._live.update(draw(now, prompt, size.width, size.height), refresh=True)
        else:
            self._print(line(now))

    def _tell(self, now: Shown) -> None:
        """What stands in the view's head and foot, as lines, each once."""
        if now["standing"] != self._standing:
            self._standing = now["standing"]
            self._print(self._standing)
        if now["not_trusted"] and not self._is_advised:
            self._is_advised = True
            self._print(f"NOTE {words.not_trusted(now['not_trusted'])}")
        fresh = now["warned"] - self._warned
        self._warned = now["warned"]
        for text in now["warnings"][-fresh:] if fresh else []:
            self._print(f"NOTE {text}")

    def stop(self, now: Shown) -> None:
        if self._live is None:
            self._tell(now)
        if self._live is not None:
            size = self._live.console.size
            self._live.update(draw(now, "", size.width, size.height), refresh=True)
            self._live.stop()
            self._live = None
