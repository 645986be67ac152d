"""What a flow's state may hold, as mitmproxy writes it (``Flow.get_state`` and the dictionaries in it): of each key
that is read here, the types that its value has.

A flow of which one such value is of another type does not fit: nothing of it is read, and it is counted with its
place. Keys that are not read are passed over. Times and the proxy's mode are not among them: one that is none is
counted, or unknown, where it is read, and the rest of its flow is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analysis.sources.mitm_state import mapping
from analysis.sources.rows import MOST_STATED

Check = Callable[[object], str]
"""Empty for a value that fits, else where within it one does not; ``.`` for the value itself."""

_HERE = "."


def _is(*kinds: type, absent: bool = True) -> Check:
    """A value of one of those types; ``absent``: or none."""

    def check(value: object) -> str:
        return "" if (value is None and absent) or type(value) in kinds else _HERE

    return check


def _whole(most: int, absent: bool = True) -> Check:
    def check(value: object) -> str:
        return "" if (value is None and absent) or (type(value) is int and 0 <= value <= most) else _HERE

    return check


def _each(part: Check, least: int = 0, absent: bool = True) -> Check:
    """A list of such parts."""

    def check(value: object) -> str:
        if value is None and absent:
            return ""
        if not isinstance(value, (list, tuple)) or len(value) < least:
            return _HERE
        for place, item in enumerate(value):
            if wrong := part(item):
                return f"[{place}]{_below(wrong)}"
        return ""

    return check


def _row(*parts: Check, absent: bool = False) -> Check:
    """A list whose first values are of those kinds, each."""

    def check(value: object) -> str:
        if value is None and absent:
            return ""
        if not isinstance(value, (list, tuple)) or len(value) < len(parts):
            return _HERE
        for place, (part, item) in enumerate(zip(parts, value, strict=False)):
            if wrong := part(item):
                return f"[{place}]{_below(wrong)}"
        return ""

    return check


def _keys(parts: Mapping[str, Check], absent: bool = True) -> Check:
    """A dictionary of such values."""

    def check(value: object) -> str:
        if value is None and absent:
            return ""
        if not isinstance(value, dict):
            return _HERE
        held = mapping(value)
        for name, part in parts.items():
            if wrong := part(held.get(name)):
                return f".{name}{_below(wrong)}"
        return ""

    return check


def _below(wrong: str) -> str:
    return "" if wrong == _HERE else wrong


_TEXT = _is(bytes, str)
_A_TEXT = _is(bytes, str, absent=False)
_BOOL = _is(bool)
_PORT = _whole(65_535)


def _any(value: object) -> str:
    return ""


def _end(value: object) -> str:
    """Address and port, and of IPv6 two numbers more."""
    return "" if isinstance(value, (list, tuple)) and not value else _row(_TEXT, _PORT, absent=True)(value)


_FIELDS = _each(_row(_A_TEXT, _A_TEXT))
_MESSAGE = {
    "headers": _each(_row(_A_TEXT, _A_TEXT), absent=False),
    "trailers": _FIELDS,
    "http_version": _TEXT,
    "content": _TEXT,
}
_REQUEST = {
    **_MESSAGE,
    "method": _A_TEXT,
    "scheme": _TEXT,
    "host": _A_TEXT,
    "port": _PORT,
    "authority": _TEXT,
    "path": _A_TEXT,
}
_CONNECTION = {
    "id": _TEXT,
    "peername": _end,
    "transport_protocol": _TEXT,
    "tls_version": _TEXT,
    "alpn": _TEXT,
    "sni": _TEXT,
    "tls": _BOOL,
    "error": _TEXT,
    "certificate_list": _each(_A_TEXT),
}
_COUNT = _whole(MOST_STATED)
_NOTED = {
    "blocklisted": _BOOL,
    "lintas_answered_here": _BOOL,
    "lintas_forgotten": _each(_COUNT),
    "lintas_request_size": _COUNT,
    "lintas_request_held": _BOOL,
    "lintas_response_size": _COUNT,
    "lintas_response_events": _COUNT,
}
_ALL = {
    "id": _A_TEXT,
    "is_replay": _TEXT,
    "client_conn": _keys(_CONNECTION, absent=False),
    "server_conn": _keys(_CONNECTION | {"address": _end, "via": _each(_any)}, absent=False),
    "error": _keys({"msg": _TEXT}),
    "metadata": _keys(_NOTED),
}
_NAME = {"name": _A_TEXT, "type": _whole(65_535)}
_QUESTIONS = _each(_keys(_NAME, absent=False))
_ANSWERS = _each(_keys(_NAME | {"data": _TEXT}, absent=False))
_DNS = {"questions": _QUESTIONS, "answers": _ANSWERS}
_PIECES = _each(_row(_is(bool, absent=False), _A_TEXT, _any), absent=False)
_FRAMES = _each(_row(_whole(15, absent=False), _is(bool, absent=False), _A_TEXT, _any))
_KINDS: dict[str, Check] = {
    kind: _keys(_ALL | own, absent=False)
    for kind, own in {
        "http": {
            "request": _keys(_REQUEST, absent=False),
            "response": _keys(_MESSAGE | {"status_code": _whole(999, absent=False)}),
            "websocket": _keys({"messages": _FRAMES}),
            "backup": _keys({}),
        },
        "tcp": {"messages": _PIECES},
        "udp": {"messages": _PIECES},
        "dns": {"request": _keys(_DNS, absent=False), "response": _keys(_DNS)},
    }.items()
}


def unfit(state: dict[str, Any], kind: str) -> str:
    """Which value of a flow's state is of a type that it cannot have, by its path; empty where all fit."""
    check = _KINDS.get(kind)
    return "" if check is None else check(state).removeprefix(".")
