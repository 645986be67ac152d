"""The write side of a mitmproxy dump: tnetstrings (tnetstrings.org; mitmproxy adds ``;`` for text).

The octets are those of ``mitmproxy.io.tnetstring.dumps``, in which a dictionary's items stand last first; a test holds
that. Here they are made as a list of parts that is joined once, so that a body is copied once, and parts that stay the
same from flow to flow can be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def dumps(value: Any) -> bytes:
    """A value of None, bool, int, float, bytes, str, list, tuple and dict as octets.

    Text that is no Unicode (half a surrogate pair) gets replacement signs. Raises ValueError for any other value."""
    kind = type(value)
    if kind is bytes:
        return b"%d:%b," % (len(value), value)
    if kind is str:
        try:
            raw = value.encode()
        except UnicodeEncodeError:
            raw = value.encode("utf-8", "replace")
        return b"%d:%b;" % (len(raw), raw)
    if value is None:
        return b"0:~"
    if kind is bool:
        return b"4:true!" if value else b"5:false!"
    if kind is float or kind is int:
        raw = repr(value).encode()
        return b"%d:%b%b" % (len(raw), raw, b"^" if kind is float else b"#")
    if kind is list or kind is tuple:
        raw = b"".join(map(dumps, value))
        return b"%d:%b]" % (len(raw), raw)
    if kind is dict:
        return b"".join(dictionary((dumps(k), (dumps(v),)) for k, v in value.items()))
    return _of_a_kind(value)


def _of_a_kind(value: Any) -> bytes:
    """Values of a derived type (a named tuple, an enumeration of numbers) are written as what they derive from."""
    if isinstance(value, (bytearray, memoryview)):
        return dumps(bytes(value))
    kinds: tuple[type[Any], ...] = (int, float, bytes, str, list, tuple, dict)
    for kind in kinds:
        if isinstance(value, kind):
            return dumps(kind(value))
    raise ValueError(f"a value of type {type(value).__name__} cannot be written")


def octets(value: bytes) -> tuple[bytes, ...]:
    """The parts of a string of octets: itself uncopied."""
    return (b"%d:" % len(value), value, b",")


def dictionary(items: Iterable[tuple[bytes, Iterable[bytes]]]) -> list[bytes]:
    """The parts of a dictionary, from its keys and the parts of its values in their order."""
    parts: list[bytes] = []
    for key, value in reversed(list(items)):
        parts.append(key)
        parts.extend(value)
    return [b"%d:" % sum(map(len, parts)), *parts, b"}"]


def writable(value: Mapping[Any, Any]) -> dict[Any, Any]:
    """The items of a mapping that can be written; others may stand in a flow's metadata, for other addons."""
    kept = {}
    for key, item in value.items():
        try:
            dumps(key), dumps(item)
        except (ValueError, RecursionError):
            continue
        kept[key] = item
    return kept
