"""The content coding of a body (RFC 9110 section 8.4) undone: as the header says, or, where the header is silent or
lies, as the body's signature shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis import codecs
from analysis.model import Message, Step
from analysis.read.decode.text import packing_of


@dataclass(slots=True)
class Coded:
    """A body with its codings undone."""

    data: bytes
    via: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    cut: bool = False
    """It breaks off: what came before the break is here."""
    limited: bool = False
    """It goes on beyond the limit: what came before is here."""
    losses: list[tuple[str, int, str]] = field(default_factory=list)
    """Kind, octets, where."""


def undo_codings(message: Message, limit: int) -> Coded:
    """The body that content codings gave, with at most ``limit`` octets. A body whose coding fails is handed back
    as it is, and that is counted."""
    out = Coded(message.body)
    if not message.content_decoded:
        stated = ",".join(v for n, v in message.headers if n.lower() == "content-encoding")
        for coding in codecs.content_codings(stated):
            if not _undo(out, coding, limit, stated=True):
                break
            if out.cut or out.limited:
                return out
    # SDKs send gzip under a type of their own and no coding; proxies undo a coding and keep its header.
    for _ in range(2):
        shown = packing_of(out.data)
        if shown is None or not _undo(out, shown, limit, stated=False):
            break
    return out


def _undo(out: Coded, coding: str, limit: int, stated: bool) -> bool:
    result = codecs.decode(coding, out.data, limit)
    worth = result.complete or result.limited or (len(result.data) > 0 and (stated or coding in ("gzip", "zstd")))
    if not worth or (not result.complete and _is_plain(out.data)):
        # Already undone by whoever wrote the capture, or never applied: no loss, where the body is plainly text.
        if stated and not _is_plain(out.data) and packing_of(out.data) is None:
            why = (result.error or "cannot be undone").split(":")[0]
            out.losses.append(("coding_failed", len(out.data), f"{coding}: {why}"))
        return False
    out.data = result.data
    out.via = (*out.via, coding)
    out.steps = (*out.steps, Step(coding))
    out.cut = out.cut or not (result.complete or result.limited)
    out.limited = out.limited or result.limited
    return True


def _is_plain(data: bytes) -> bool:
    """JSON, XML or a form that no compressed stream begins like."""
    head = data[:64].lstrip()
    return head[:1] in (b"{", b"[", b"<", b'"') and head.isascii() and head.replace(b"\n", b"").decode().isprintable()
