"""Patterns of data that others wrote: a part of the syntax of regular expressions, matched in linear time.

All states that a text can be in are followed side by side (Thompson, "Regular Expression Search Algorithm", CACM 11:6,
1968), so that the work is at most characters times states, whatever the pattern. What only a search that goes back
could match (references to groups, looks ahead and behind) is no such pattern and refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

MOST_STATES = 1_000
LONGEST = 4_096
"""Characters of a text; a longer one matches nothing."""
_DEEPEST = 30
_MOST_BUILT = 10_000
"""Parts that are built, those without a character among them, of which repetitions make as many as they like."""
_COUNT = re.compile(r"\{(\d{1,3})(,(\d{0,3}))?\}")
_PLAIN = frozenset(r".^$*+?{}[]()|\/-_:,;=@#%&~! '\"<>")
"""What a backslash makes literal."""


_Take = Callable[[str], object]


class _State(NamedTuple):
    """``take``: what character leads on; None: it leads on by itself, at ``edge`` alone where there is one."""

    take: _Take | None
    edge: str
    then: tuple[int, ...]


class _Node(NamedTuple):
    """A part of a pattern: one character, an edge, a row or alternatives of parts, or a part that is repeated."""

    kind: Literal["take", "edge", "row", "either", "repeat"]
    take: _Take | None = None
    edge: str = ""
    parts: tuple[_Node, ...] = ()
    least: int = 1
    most: int | None = 1


class Linear:
    """A pattern, as :func:`re.compile` reads it. Raises ValueError, in words, for one that is no such pattern."""

    def __init__(self, pattern: str) -> None:
        read = _Reader(pattern)
        tree = read.either()
        if read.at < len(pattern):
            raise ValueError("a bracket too many")
        self._built = 0
        self._states: list[_State] = [_State(None, "", ())]
        self._first = self._build(tree, 0)

    def search(self, text: str) -> bool:
        """Whether the pattern is anywhere in the text, as :func:`re.search` means it."""
        if len(text) > LONGEST:
            return False
        now: set[int] = set()
        for at in range(len(text) + 1):
            self._enter(now, self._first, at, text)
            if 0 in now:
                return True
            if at < len(text):
                then: set[int] = set()
                for number in now:
                    state = self._states[number]
                    if state.take is not None and state.take(text[at]):
                        self._enter(then, state.then[0], at + 1, text)
                now = then
        return False

    def _enter(self, states: set[int], number: int, at: int, text: str) -> None:
        """Add a state, and all that it leads to without a character."""
        waiting = [number]
        while waiting:
            number = waiting.pop()
            if number in states:
                continue
            state = self._states[number]
            if state.edge == "^" and at:
                continue
            if state.edge == "$" and at < len(text) and text[at:] != "\n":
                continue
            states.add(number)
            if state.take is None:
                waiting += state.then

    def _add(self, take: _Take | None, edge: str, *then: int) -> int:
        if len(self._states) > MOST_STATES:
            raise ValueError("it is too large")
        self._states.append(_State(take, edge, then))
        return len(self._states) - 1

    def _build(self, node: _Node, then: int) -> int:
        """The state in which a part begins; ``then`` is the one behind it."""
        self._built += 1
        if self._built > _MOST_BUILT:
            raise ValueError("it is too large")
        if node.kind == "either":
            return self._add(None, "", *(self._build(part, then) for part in node.parts))
        if node.kind == "row":
            for part in reversed(node.parts):
                then = self._build(part, then)
            return then
        if node.kind != "repeat":
            return self._add(node.take, node.edge, then)
        (part,) = node.parts
        if node.most is None:
            loop = self._add(None, "")
            self._states[loop] = _State(None, "", (self._build(part, loop), then))
            then = loop
        else:
            behind = then
            for _ in range(node.most - node.least):
                then = self._add(None, "", self._build(part, then), behind)
        for _ in range(node.least):
            then = self._build(part, then)
        return then


class _Reader:
    """A pattern's text, part by part."""

    def __init__(self, text: str) -> None:
        self._text, self.at, self._depth = text, 0, 0

    def _peek(self) -> str:
        return self._text[self.at : self.at + 1]

    def either(self) -> _Node:
        """Alternatives, up to a closing bracket or the end."""
        rows = [self._row()]
        while self._peek() == "|":
            self.at += 1
            rows.append(self._row())
        return rows[0] if len(rows) == 1 else _Node("either", parts=tuple(rows))

    def _row(self) -> _Node:
        parts = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._one()))
        return _Node("row", parts=tuple(parts))

    def _repeated(self, part: _Node) -> _Node:
        sign = self._peek()
        counted = _COUNT.match(self._text, self.at) if sign == "{" else None
        least, most = 1, None
        if counted is not None:
            self.at = counted.end()
            least = int(counted[1])
            most = least if counted[2] is None else int(counted[3]) if counted[3] else None
            if most is not None and most < least:
                raise ValueError("a repetition that ends before it begins")
        elif sign and sign in "*+?":
            self.at += 1
            least, most = int(sign == "+"), 1 if sign == "?" else None
        elif sign == "{":
            raise ValueError("a brace that is no repetition")
        else:
            return part
        if part.kind == "edge":
            raise ValueError("a repetition of an edge")
        if self._peek() == "?":
            self.at += 1  # the shortest or the longest: whether there is one is the same
        if self._peek() and self._peek() in "*+?{":
            raise ValueError("a repetition of a repetition")
        return _Node("repeat", parts=(part,), least=least, most=most)

    def _one(self) -> _Node:
        sign = self._peek()
        self.at += 1
        if sign == "(":
            return self._group()
        if sign == "[":
            return _Node("take", self._set())
        if sign in "^$":
            return _Node("edge", edge=sign)
        if sign == ".":
            return _Node("take", re.compile(".").match)
        if sign in "*+?{":
            raise ValueError("a repetition of nothing")
        if sign == "\\":
            sign = self._peek()
            self.at += 1
            if sign and sign in "dDwWsS":
                return _Node("take", re.compile(f"\\{sign}").match)
            if not sign or sign not in _PLAIN:
                raise ValueError(f"\\{sign} is not taken here")
        return _Node("take", sign.__eq__)

    def _group(self) -> _Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("it is nested too deep")
        if self._text.startswith("?:", self.at):
            self.at += 2
        elif self._peek() == "?":
            raise ValueError("a group of a kind that is not taken here")
        node = self.either()
        if self._peek() != ")":
            raise ValueError("a bracket that is not closed")
        self.at += 1
        self._depth -= 1
        return node

    def _set(self) -> _Take:
        begin = self.at - 1
        self.at += self._peek() == "^"
        self.at += self._peek() == "]"
        while self._peek() not in ("", "]"):
            if self._peek() == "[":
                raise ValueError("a bracket within a set; write it with a backslash")
            self.at += 2 if self._peek() == "\\" else 1
        self.at += 1
        try:
            return re.compile(self._text[begin : self.at]).match
        except re.error as error:
            raise ValueError(f"a set that is none ({error.msg})") from error
