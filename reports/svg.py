"""Markup that is safe by construction: elements with escaped attributes and children, numbers in few digits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape


def number(value: float) -> str:
    """A coordinate with one decimal, none where it is whole."""
    return f"{value:.1f}".removesuffix(".0")


def tag(name: str, *children: Any, **attributes: Any) -> Markup:
    """An element. Attributes with value None are left out; ``class_`` is ``class``, ``stroke_width`` has a hyphen;
    children that are no markup are escaped."""
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None:
            continue
        text = number(value) if isinstance(value, float) else str(escape(value))
        parts.append(f' {key.rstrip("_").replace("_", "-")}="{text}"')
    parts.append(">")
    parts.extend(str(escape(c)) for c in children if c is not None)
    parts.append(f"</{name}>")
    return Markup("".join(parts))  # noqa: S704 - escaped above


def join(parts: Iterable[Any]) -> Markup:
    return Markup("").join(parts)


def picture(width: float, height: float, label: str, *children: Any, class_: str = "") -> Markup:
    """A whole picture whose text alternative is the caption with the id ``label``."""
    view = f"0 0 {number(width)} {number(height)}"
    return tag("svg", *children, viewBox=view, role="img", aria_labelledby=label, class_=class_ or None)


def path(points: Iterable[tuple[float, float]], close: bool = False) -> str:
    """Path data of a line through points, relative and in tenths, points that fall together left out."""
    made: list[str] = []
    last: tuple[int, int] | None = None
    for x, y in points:
        here = (round(x * 10), round(y * 10))
        if last is None:
            made.append(f"M{_tenths(here[0])} {_tenths(here[1])}l")
        elif here == last:
            continue
        else:
            made.append(f"{_tenths(here[0] - last[0])} {_tenths(here[1] - last[1])} ")
        last = here
    if len(made) < 2:
        return ""
    return "".join(made).rstrip() + ("z" if close else "")


def _tenths(value: int) -> str:
    return number(value / 10)


def text(x: float, y: float, words: Any, class_: str | None = None, anchor: str | None = None, **more: Any) -> Markup:
    return tag("text", words, x=float(x), y=float(y), class_=class_, text_anchor=anchor, **more)


def elide(words: str, most: int) -> str:
    """At most so many characters; what is left out stands in the middle of names and is shown as an ellipsis."""
    if len(words) <= most:
        return words
    head = (most - 1) // 2
    return words[:head] + "…" + words[len(words) - (most - 1 - head) :]
