"""Whether a request was delivered: the one decision for every source. Each source says what it knows of a request's
way; nothing here knows a format."""

from __future__ import annotations

import re
from dataclasses import dataclass

from analysis.model import Direction, Headers

_OWN_SERVER = re.compile(r"mitmproxy \d")
AT_ONCE = 20e-6
"""Seconds: less lies between two times that mitmproxy takes of one answer without calling its addons in between."""
_SOONER = 3
"""How many times sooner than the server's own handshakes an answer that looks like a script's must have come."""


@dataclass(frozen=True, slots=True)
class Way:
    """What a source knows of a request's way to its server.

    ``answered``: an answer of the server, or the beginning of one, is in the capture. ``own_answer``: what stands there
    as the answer was made by the recording tool or the client itself (a block list, a local file, a script, a replay).
    ``stopped``: the request is stated to have ended before it went out (killed, blocked, refused, its name not found,
    broken off while a proxy held it back). ``connected``: the connection to the server, and the TLS within where there
    is any, stood; None where that is not stated."""

    answered: bool = False
    own_answer: bool = False
    stopped: bool = False
    connected: bool | None = None

    @property
    def is_stated(self) -> bool:
        """False where nothing says whether the request left: then it counts as not delivered."""
        return self.answered or self.own_answer or self.stopped or self.connected is not None


def delivered(way: Way) -> bool:
    """True where the server, or what stands before it, has the request. An answer of the server proves it, whatever
    broke off later; without one, only a connection that stood does. Who cannot be shown to have got anything is not
    said to have."""
    if way.own_answer:
        return False
    if way.answered:
        return True
    return way.connected is True and not way.stopped


def is_own_server(server: str) -> bool:
    """Whether a ``Server`` field is the name that mitmproxy gives itself in an answer of its own (its block list, a
    file in place of a server). One that comes from another mitmproxy behind it did not come from the server either."""
    return _OWN_SERVER.match(server) is not None


def is_of_a_script(fields: Headers, waited: float, lasted: float, handshake: float | None) -> bool:
    """Whether an HTTP/1 answer in mitmproxy is a script's own: it has the fields that mitmproxy writes for one, and
    came sooner than the server can have answered. In seconds: ``waited`` for it behind the request, ``lasted`` from its
    beginning to its end, ``handshake`` the shortest of the server's own (None: not known)."""
    names = {name for name, _ in fields}
    if handshake is None or lasted < AT_ONCE:
        # Where a script put it in place of the server's answer, it has both its times at once.
        return False
    if any(name.lower() == "date" for name in names) or "content-length" not in names:
        return False
    return waited >= 0 and waited * _SOONER < handshake


def direction(way: Way) -> Direction:
    """Of a message of the client: ``sent`` or ``undelivered``."""
    return "sent" if delivered(way) else "undelivered"
