"""Known endpoints: which field of a known company's interface a leaf is.

A field that is found proves a key and a value at a place where a document says what is sent; not the meaning that
the vendor gives it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from analysis.read.decode.leaves import Index, Node
from analysis.reference.linear import Linear


class EndpointField(NamedTuple):
    """One field of a known endpoint."""

    id: str
    where: str
    """query, json, form, header, cookie, protobuf."""
    path: str
    data_type: str
    verified: bool
    answer: bool
    """It stands in the answer."""


class Endpoint(NamedTuple):
    """A known endpoint: its fields wherever host and path fit."""

    host: str
    path: str
    fields: tuple[EndpointField, ...]
    own: bool = False
    """Its patterns are the auditor's, and are matched in linear time whatever they are."""


_PLACES = {"query": "query", "json": "body", "form": "body", "header": "header", "cookie": "cookie", "protobuf": "body"}


@dataclass(frozen=True, slots=True)
class _Pattern:
    field: EndpointField
    root: str
    form: re.Pattern[str]


class Known:
    """The fields that one host and path can have; matches are kept by node."""

    def __init__(self, fields: Iterable[EndpointField]) -> None:
        self._patterns = [
            _Pattern(f, f"{'response' if f.answer else 'request'}.{_PLACES[f.where]}", _compiled(f))
            for f in fields
            if f.where in _PLACES
        ]
        self._of: dict[Node, list[tuple[EndpointField, int | None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def field(self, node: Node, index: Index) -> EndpointField | None:
        """The field that stands at this node, or None."""
        found = self._of.get(node)
        if found is None:
            if len(self._of) > 20_000:
                self._of.clear()
            found = self._of[node] = self._match(node)
        for field, element in found:
            if element is None or (index and index[-1] == element):
                return field
        return None

    def _match(self, node: Node) -> list[tuple[EndpointField, int | None]]:
        root, path, index_free = _normal(node)
        found: list[tuple[EndpointField, int | None]] = []
        for pattern in self._patterns:
            if pattern.root != root:
                continue
            text = path.lower() if pattern.field.where == "header" else path
            if pattern.form.fullmatch(text) is not None:
                last = pattern.field.path.rpartition(".")[2]
                element = int(last) if not index_free and last.isdigit() else None
                found.append((pattern.field, element))
        return found


def _normal(node: Node) -> tuple[str, str, bool]:
    """Root, the path below it with ``*`` for elements and brackets of form keys as dots, and whether the node is
    no element of an array."""
    parts: list[str] = []
    here: Node = node
    while here.parent is not None:
        parts.append("*" if here.is_element else re.sub(r"\[([^\]]*)\]", r".\1", here.name))
        here = here.parent
    path = ".".join(reversed(parts))
    # Documents in a row are elements of the body: their fields are those of one.
    return here.name, path.removeprefix("*."), not node.is_element


def _compiled(field: EndpointField) -> re.Pattern[str]:
    path = field.path.lower() if field.where == "header" else field.path
    parts: list[str] = []
    for part in re.split(r"\.", path.replace("[*]", ".*")):
        if part == "*":
            parts.append(r"[^.]+")
        elif part.isdigit():
            parts.append(rf"(?:\*|{part})")
        else:
            # Arrays of records are often not marked: any number of elements may stand after a name.
            parts.append(re.escape(part) + r"(?:\.\*)?")
    return re.compile(r"\.".join(parts))


def _search(pattern: str, own: bool) -> Callable[[str], object]:
    return Linear(pattern).search if own else re.compile(pattern).search


class Endpoints:
    """All known endpoints."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._known = [(_search(e.host, e.own), _search(e.path, e.own), e.fields) for e in endpoints]
        self._by_target: dict[tuple[str, str], Known] = {}
        self._sets: dict[tuple[int, ...], Known] = {}

    def of(self, host: str, target: str) -> Known:
        """The fields that a request to this host and target can have."""
        path = re.sub(r"^[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*", "", target).partition("?")[0].partition("#")[0] or "/"
        key = (host, path)
        known = self._by_target.get(key)
        if known is None:
            if len(self._by_target) > 20_000:
                self._by_target.clear()
            fitting = tuple(n for n, (h, p, _) in enumerate(self._known) if h(host) and p(path))
            known = self._sets.get(fitting)
            if known is None:
                known = self._sets[fitting] = Known(f for n in fitting for f in self._known[n][2])
            self._by_target[key] = known
        return known
