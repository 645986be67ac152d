"""The persona: the invented person whose data the auditor typed into the phone, so that it can be searched
for.

A persona is a YAML mapping of name to text or list of texts. It is read as it is written: an identity number
keeps its zeros, a date its form, since YAML's guesses at types are switched off. No message from here
repeats a value.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import yaml

from analysis.model import InputError, Secret

MAX_BYTES = 1 << 20
MAX_VALUES = 2_000
MAX_LENGTH = 4_096
"""Characters of one value. A needle is made for each of some hundred encodings of each value."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One value that was planted."""

    name: str
    """As the persona has it, which may say more than the type: ``latitude`` of ``gps_precise``."""
    data_type: str
    """Id of data_types.yaml, or where none has this name or alias, the persona's own, in lower case and
    underscores."""
    custom: bool
    """The data type is the persona's own."""
    value: Secret
    line: int
    """In the file, from 1: what a message may show in place of the value."""


@dataclass(frozen=True, slots=True)
class Persona:
    """All that was planted, in the order of the file."""

    file: str
    values: tuple[Planted, ...]
    unset: tuple[str, ...] = ()
    """Data types that the file names without a value: nothing can be searched for them."""

    def data_types(self) -> frozenset[str]:
        """The types that were planted."""
        return frozenset(p.data_type for p in self.values)


def load_persona(path: Path, aliases: Mapping[str, str]) -> Persona:
    """Read a persona. ``aliases``: name -> data type id, the ids themselves among them; case, underscores,
    dashes and spaces in a name do not count.

    Raises InputError where the file cannot be read, is no YAML mapping of names to texts, or holds
    nothing."""
    text = _text(path)
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except (
        yaml.YAMLError,
        RecursionError,
    ) as error:  # a YAML error quotes the line, so only its place is told
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise InputError(
            f"The persona {path} is no valid YAML{where}; write one 'name: value' a line, and quote values "
            "that hold a colon, a hash or a quote."
        ) from None
    if root is None:
        raise InputError(f"The persona {path} is empty; write one 'name: value' a line.")
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"The persona {path} is not a mapping of names to values; write one 'name: value' a line.")
    types = _Types(aliases)
    values: list[Planted] = []
    unset: list[str] = []
    seen: set[tuple[str, str]] = set()
    for order, (key, node) in enumerate(root.value, 1):
        if not isinstance(key, yaml.ScalarNode):
            raise _wrong(path, key, "a name has to be text")
        name, data_type, custom = types.of(key.value.strip(), order)
        given = False
        for scalar in _scalars(path, node):
            value = _value(path, scalar)
            if value is None:
                continue
            given = True
            if (name, value) in seen:
                continue
            seen.add((name, value))
            values.append(Planted(name, data_type, custom, Secret(value), scalar.start_mark.line + 1))
            if len(values) > MAX_VALUES:
                raise InputError(f"The persona {path} has more than {MAX_VALUES} values; keep those that were planted.")
        if not given and data_type not in unset:
            unset.append(data_type)
    if not values:
        raise InputError(f"The persona {path} names no value; write one 'name: value' a line.")
    return Persona(path.name, tuple(values), tuple(unset))


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"The persona {path} is not a file; give the YAML file that holds the planted values.")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise InputError(f"The persona {path} cannot be read ({why}); give a YAML file that can be.") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"The persona {path} is larger than {MAX_BYTES >> 20} MiB; list only what was planted.")
    utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The persona {path} is not text in UTF-8 (octet {error.start}); save it as UTF-8.") from None
    if "\0" in text:
        raise InputError(f"The persona {path} is a binary file; give the YAML file that holds the planted values.")
    return text


def _scalars(path: Path, node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    for part in node.value if isinstance(node, yaml.SequenceNode) else (node,):
        if not isinstance(part, yaml.ScalarNode):
            raise _wrong(path, part, "a value has to be text or a list of texts")
        yield part


def _wrong(path: Path, node: yaml.Node, what: str) -> InputError:
    line = node.start_mark.line + 1
    return InputError(f"In the persona {path}, line {line}, {what}; write 'name: value' or 'name: [value, value]'.")


def _value(path: Path, node: yaml.ScalarNode) -> str | None:
    """The text as written; None where nothing was (also ``~`` and ``null`` without quotes)."""
    text: str = node.value
    if node.style in ("|", ">"):
        text = text.rstrip("\n")  # the last line's end belongs to YAML's block, not to the value
    if not text.strip() or (node.style is None and text in ("~", "null", "Null", "NULL")):
        return None
    if len(text) > MAX_LENGTH:
        raise _wrong(path, node, f"a value is longer than {MAX_LENGTH} characters")
    return text


class _Types:
    """Names to data types."""

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self._exact = dict(aliases)
        self._exact |= {data_type: data_type for data_type in aliases.values()}
        self._aliases = aliases

    @cached_property
    def _by_loose(self) -> dict[str, str]:
        by_loose: dict[str, str] = {}
        for name, data_type in self._aliases.items():
            by_loose.setdefault(_loose(name), data_type)
        return by_loose | {_loose(data_type): data_type for data_type in self._aliases.values()}

    def of(self, name: str, order: int) -> tuple[str, str, bool]:
        """(name, data type, custom)."""
        known = self._exact.get(name) or self._by_loose.get(_loose(name))
        if known is not None:
            return name, known, False
        # Names stand in tables and reports. One that looks like a value (somebody wrote them the wrong way
        # round) must not.
        slug = re.sub(r"\W+", "_", name.lower()).strip("_")
        if not slug or len(slug) > 60 or "@" in name or sum(c.isdigit() for c in name) >= 6:
            slug = f"value_{order}"
            return slug, slug, True
        return name, slug, True


@lru_cache(4_096)
def _loose(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
