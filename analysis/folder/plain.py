"""A small file of a folder that somebody else may have made: read without waiting, and its YAML without work that
outgrows it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import yaml

from analysis.model import InputError

_DEEPEST = 64
"""Containers within one another. libyaml's composer calls itself for each, and the process ends with the stack."""
_LONGEST = 100_000
"""Characters of one text: numbers are made of some, in work that grows with the square of their length."""


def read_regular(place: Path, most: int) -> bytes:
    """The first ``most`` octets of a regular file, and one more where it has more. Raises OSError, also for what is no
    regular file: who opens a pipe or a device waits for it."""
    number = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(None, "it is no regular file")
        return file.read(most + 1)


def load_plain(raw: bytes, place: Path) -> Any:
    """What a YAML document says, in types of Python. ``place`` is for messages.

    Raises InputError where it is no YAML, is nested deeper than anybody would, or repeats more than a single text by
    an alias: of those a few octets make a structure of any size."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check(raw, loader, place)
        return yaml.load(raw, Loader=loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"{place} is no YAML{line}; mend it, or move it away to audit the files alone.") from error


def _check(raw: bytes, loader: Any, place: Path) -> None:
    depth = 0
    texts: set[str] = set()
    for event in yaml.parse(raw, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            texts.discard(event.anchor)
            if depth > _DEEPEST:
                raise InputError(f"{place} is nested deeper than {_DEEPEST} levels and no manifest.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None:
                texts.add(event.anchor)
            if len(event.value) > _LONGEST:
                raise InputError(f"{place} holds a text of more than {_LONGEST:,} characters and is no manifest.")
        elif isinstance(event, yaml.AliasEvent) and event.anchor not in texts:
            raise InputError(f"{place} repeats a list or mapping by an alias; write it out.")
