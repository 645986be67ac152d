"""A mapping that somebody wrote by hand, in a declared type: what fits is taken, and of the rest is said where it
stands and what belongs there. Nothing of a value that does not fit is repeated."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

_LARGEST = 1 << 53
"""The largest whole number that every reader of JSON keeps as it is (RFC 8259 section 6)."""
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
"""What of a stranger's own may be repeated in a message: one word."""
_YEARS = range(1971, 2100)
"""Of times that a capture can have."""
_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    datetime: "a time like 2026-11-24T10:00:00+07:00",
}

Check = Callable[[Any], Any]
"""Gives a value in its one form. Raises ValueError, with what belongs there, for what is none."""


class UnfitError(ValueError):
    """A value that is not used, as a whole; ``UnfitError.unread`` says of it, or of a part, where and why."""


class Fit:
    """``unread``: where something was not used, and what belongs there, in words.

    ``checks``: of fields, by their struct and name, what is asked beyond the type."""

    def __init__(self, checks: Mapping[tuple[type, str], Check]) -> None:
        self._checks = checks
        self.unread: list[tuple[str, str]] = []

    def struct[T: msgspec.Struct](self, value: object, kind: type[T], at: str = "") -> T:
        """The fields of a struct that fit. Raises UnfitError for what is no mapping, or lacks what it must have."""
        if not isinstance(value, dict):
            raise self._unfit(at, "a mapping belongs there")
        hints = _hints(kind)
        fitting: dict[str, Any] = {}
        for key, item in value.items():
            name = key if isinstance(key, str) else ""
            place = f"{at}.{name}" if at else name
            if name not in hints:
                shown = f"{at}.{_shown(name)}" if at else _shown(name)
                self.unread.append((shown, "no such field is known"))
                continue
            try:
                fitting[name] = self._value(item, hints[name], place, self._checks.get((kind, name)))
            except UnfitError:
                continue
        for field in msgspec.structs.fields(kind):
            if field.required and field.name not in fitting:
                raise self._unfit(at, f"it has no {field.name} that can be used")
        return kind(**fitting)

    def _value(self, value: object, hint: Any, at: str, check: Check | None = None) -> Any:
        origin, parts = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            if value is None:
                return None
            return self._value(value, next(p for p in parts if p is not type(None)), at, check)
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return self.struct(value, hint, at)
        if origin is list:
            if not isinstance(value, list):
                raise self._unfit(at, "a list belongs there")
            return self._several(((f"{at}[{n}]", n, item) for n, item in enumerate(value)), parts[0])[1]
        if origin is dict:
            if not isinstance(value, dict):
                raise self._unfit(at, "a mapping belongs there")
            named = ((f"{at}.{_shown(k)}", k, item) for k, item in value.items() if isinstance(k, str))
            if len(value) > sum(isinstance(k, str) for k in value):
                self.unread.append((at, "a key is no text"))
            return dict(zip(*self._several(named, parts[1]), strict=True))
        return self._scalar(value, hint, at, check)

    def _several(self, items: Any, hint: Any) -> tuple[list[Any], list[Any]]:
        keys, values = [], []
        for place, key, item in items:
            try:
                values.append(self._value(item, hint, place))
            except UnfitError:
                continue
            keys.append(key)
        return keys, values

    def _scalar(self, value: object, hint: Any, at: str, check: Check | None) -> Any:
        literal = get_args(hint) if get_origin(hint) is Literal else ()
        belongs = f"one of {', '.join(literal)} belongs there" if literal else f"{_WORDS[hint]} belongs there"
        try:
            fitting = msgspec.convert(value, hint, strict=False)
            if not _plausible(fitting):
                raise self._unfit(at, belongs)
            if check is not None:
                fitting = check(fitting)
        except msgspec.ValidationError:
            raise self._unfit(at, belongs) from None
        except UnfitError:
            raise
        except (ValueError, OverflowError) as error:
            raise self._unfit(at, str(error) if check is not None else belongs) from None
        return fitting

    def _unfit(self, at: str, why: str) -> UnfitError:
        self.unread.append((at, why))
        return UnfitError(why)


@cache
def _hints(kind: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(kind)}


def _plausible(value: object) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, bool):
        return True
    if isinstance(value, (int, float)):
        return math.isfinite(value) and abs(value) <= _LARGEST
    return not isinstance(value, datetime) or value.year in _YEARS


def _shown(key: str) -> str:
    """A key of a stranger's in a message, where it is one word: any other may be somebody's name, or what a terminal
    obeys."""
    return key if WORD.fullmatch(key) else "a key that is no word"
