"""How far something could be read: one scale for messages, flows, destinations, and all that is said of them.

A body is ``understood`` (opened, down to leaves), ``not_understood`` (opened, and nobody parsed it), ``sealed``
(ciphertext of the app inside what was opened) or ``cut`` (not all of it is in the capture). What was not opened is
``encrypted``, ``refused`` (the phone refused the certificate) or ``non_http`` (no web traffic); ``silent`` is a
connection on which no octet passed. Nothing is ``understood`` because nobody knows better.
"""

from __future__ import annotations

from collections.abc import Mapping

UNDERSTOOD, NOT_UNDERSTOOD, SEALED, CUT = "understood", "not_understood", "sealed", "cut"
ENCRYPTED, REFUSED, NON_HTTP, SILENT = "encrypted", "refused", "non_http", "silent"
STATES = (UNDERSTOOD, NOT_UNDERSTOOD, SEALED, ENCRYPTED, REFUSED, NON_HTTP, CUT, SILENT)
"""The scale, in the order in which it is told."""
EMPTY = "empty"
"""State of a message without a body: there was nothing to read."""
MESSAGE_STATES = (UNDERSTOOD, NOT_UNDERSTOOD, SEALED, CUT, EMPTY)
INSIDE = frozenset({NOT_UNDERSTOOD, SEALED, CUT})
"""States of octets that are not understood although they stand in what was opened."""
PART = "part"
"""Of something that consists of parts: something of it was understood, and something was not."""

OPAQUE_OF_MESSAGE = {
    NOT_UNDERSTOOD: ("not_understood", "body_undecoded"),
    SEALED: ("sealed", "ciphertext"),
    CUT: ("truncated", "body_missing"),
}
"""State of a message to kind and cause in ``opaque`` under which the octets stand that nobody understood."""

_OF_OPAQUE = {
    "not_understood": NOT_UNDERSTOOD,
    "unread": NOT_UNDERSTOOD,
    "sealed": SEALED,
    **dict.fromkeys(("encrypted", "relayed", "probable_pin", "probable_refusal"), ENCRYPTED),
    **dict.fromkeys(("ca_refused", "pinned"), REFUSED),
    "non_http": NON_HTTP,
    "truncated": CUT,
    **dict.fromkeys(("unused", "unreachable", "fell_back"), SILENT),
}


def of_opaque(kind: str) -> str:
    """The state of octets that stand in ``opaque`` under ``kind``. A kind that is not known is not understood."""
    return _OF_OPAQUE.get(kind, NOT_UNDERSTOOD)


def together(octets: Mapping[str, int]) -> str:
    """The state of a whole, of whose parts ``octets`` has the states with their octets (0 where there is a part of
    which no size is known): the one state there is, else ``part`` where something was understood, else the state with
    most octets. Without any part, or with silent ones only, it is ``silent``."""
    states = [s for s in STATES if s in octets and s != SILENT]
    if len(states) > 1 and not octets.get(UNDERSTOOD, 1):
        states.remove(UNDERSTOOD)  # of which nothing is known to have passed
    if not states:
        return SILENT
    if len(states) == 1:
        return states[0]
    return PART if UNDERSTOOD in states else max(states, key=lambda s: octets[s])
