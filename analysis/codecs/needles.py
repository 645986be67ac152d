"""What to search for: every run of octets in which a planted value may stand in a capture, with what has to
be undone to read it. All of it comes from the value's forms and the one table of codecs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, Protocol

from analysis.codecs.forms import Form, forms
from analysis.codecs.table import CHARSETS, CODECS, COMBINATIONS, DIGESTS, spell
from analysis.codecs.text import base64_inside
from analysis.model import Secret

MIN_INSIDE = 9
"""Octets of a value from which on it is looked for inside base64 of a longer text: 9 give 10 characters or
more that the value decides alone."""

Boundary = Literal["", "digit", "word"]


class Needle(NamedTuple):
    """One thing to search for. It holds a personal value, so it never shows it."""

    data: bytes
    via: tuple[str, ...]
    """The codecs to undo, outermost first; empty: it stands as it is. A digest's name stands last and covers
    its hex digits as well as its octets, so a digest in base64 is ``("base64", "sha256")`` whichever of the
    two it holds."""
    variant: str
    """The form of the value, and the spelling of the encoding where it has several."""
    whole_leaf_only: bool
    """Too short or too common: counts only as an entire leaf or token, and with a key that fits."""
    boundary: Boundary
    """What must not stand right before or after it in text: a digit (it would be part of a longer number),
    or a letter or digit (a longer word)."""
    inside: bool = False
    """A part of an encoded longer text: the value lies within what it decodes to."""

    def __repr__(self) -> str:
        return f"Needle({len(self.data)} octets, via={self.via}, variant={self.variant!r})"


def needles(value: str, data_type: str, region: str | None = None) -> list[Needle]:
    """All octets in which ``value`` may stand in a decoded leaf or a raw body, each once, under the fewest
    encodings.

    ``region``: ISO 3166 code of the user's country, for telephone numbers without a country code.
    Coordinates that were rounded or scaled are not among them: see ``coordinate_matches``."""
    found: dict[bytes, Needle] = {}
    every = forms(value, data_type, region)
    for form in every:  # all plain ones before the first encoded one: the plainest reading of some octets is theirs
        if not form.digest_only:
            _add(found, form, (), [("", form.text)], _boundary(form))
    for form in every:
        if form.binary:
            _add(found, form, ("base64",), spell(("base64",), form.text))
            _add(found, form, ("base64url",), spell(("base64url",), form.text))
            continue
        for via in _chains(form, data_type):
            _add(found, form, via, spell(via, form.text), _boundary(form) if via[0] in _KEEPS else "")
        if len(form.text) >= MIN_INSIDE and not form.weak and form.digested:
            for offset, part in base64_inside(form.text):
                _inside(found, form, offset, part)
    return list(found.values())


_KEEPS = CHARSETS.keys() | {
    "percent", "form-percent", "json-string", "unicode-escape", "html", "quoted-printable", "latin-1"
}  # fmt: skip
"""Encodings that leave letters and digits as they are, so that what stands beside a value stands beside it
there."""
_TEXT = tuple((name,) for name, codec in CODECS.items() if codec.kind == "text" and name != "xor5")
_HASHED = tuple(v for name in DIGESTS for v in ((name,), ("base64", name), ("base64url", name)))


def _chains(form: Form, data_type: str) -> Iterator[tuple[str, ...]]:
    if form.digest_only:
        yield from _HASHED
        return
    yield from _TEXT
    for combination in COMBINATIONS:
        digest = CODECS[combination.via[-1]].kind == "digest"
        if (combination.types is None or data_type in combination.types) and (form.digested or not digest):
            yield combination.via
    if form.digested:
        yield from _HASHED


def _add(
    found: dict[bytes, Needle],
    form: Form,
    via: tuple[str, ...],
    spellings: Iterable[tuple[str, bytes]],
    boundary: Boundary = "",
) -> None:
    try:
        for name, data in spellings:
            if data not in found:
                variant = f"{form.variant}; {name}" if name else form.variant
                found[data] = Needle(data, via, variant, form.weak, boundary)
    except UnicodeError:
        return  # this text cannot be written so (Latin-1 has no such letter): nobody can have sent it


def _inside(found: dict[bytes, Needle], form: Form, offset: int, part: bytes) -> None:
    for name, data in (("base64", part), ("base64url", part.translate(_URLSAFE))):
        if data not in found:
            found[data] = Needle(data, (name,), f"{form.variant}; inside, {offset} over", False, "", True)


_URLSAFE = bytes.maketrans(b"+/", b"-_")


def _boundary(form: Form) -> Boundary:
    if form.binary:
        return ""
    if re.fullmatch(rb"[+(]*\d[\d .,/()+-]*", form.text):
        return "digit"
    return "word" if len(form.text) < 16 else ""


class Valued(Protocol):
    """Anything that carries a value and its type, as a persona's planted ones do."""

    @property
    def data_type(self) -> str: ...
    @property
    def value(self) -> Secret: ...


def encodings_of(
    value: str | Valued, data_type: str = "", region: str | None = None
) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """(via, octets) of every needle of ``value``: what must stand nowhere in what an audit hands out.

    ``value``: a text of the type ``data_type``, or something that knows both."""
    found = (
        needles(value, data_type, region)
        if isinstance(value, str)
        else needles(value.value.expose(), value.data_type, region)
    )
    return ((needle.via, needle.data) for needle in found)
