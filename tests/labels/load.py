"""Reads the labelled exchanges of this folder: YAML in, cases with the bytes that a capture would hold out.

A text in a case may hold macros, ``⟦codec+codec:text⟧``, done innermost first and left to right, as in
``⟦gzip+base64:{"a":1}⟧``. So a case shows what was encoded, and the encoding is done by the real libraries.
The schema stands in README.md. Nothing here knows how a detector works.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brotli  # type: ignore[import-untyped]
import yaml
import zstandard

FOLDER = Path(__file__).parent
METHODS = frozenset({"planted", "endpoint", "key", "value"})


@dataclass(frozen=True, slots=True)
class Label:
    """One transmission that stands in an exchange."""

    data_type: str
    """An id of data_types.yaml."""
    paths: tuple[str, ...]
    """Where it stands; more than one where the syntax leaves room: each is right."""
    via: tuple[str, ...]
    """What has to be undone, outermost first; a digest stands last."""
    methods: frozenset[str]
    """Every method that may rightly name it."""
    value: str
    """The decoded leaf exactly as sent."""
    direction: str
    """``sent`` or ``received``."""
    because: str
    arguable: str
    """Why the truth can be argued about; empty where it cannot. An arguable label is not scored."""
    position: str
    """Labels of one exchange with the same name here are one place on earth."""


@dataclass(frozen=True, slots=True)
class Negative:
    """Something in an exchange that is no transmission of these types."""

    data_types: frozenset[str]
    """Types that must not be claimed; ``{"*"}`` means none at all."""
    path: str
    """The field; everything below it is meant too."""
    because: str
    arguable: str

    def covers(self, path: str) -> bool:
        """Whether a claim at ``path`` falls under this negative."""
        return path == self.path or path.startswith((self.path + ".", self.path + "["))


@dataclass(frozen=True, slots=True)
class Case:
    """One HTTP exchange as a capture holds it, and what is true of it."""

    id: str
    file: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    """As sent: content coding applied."""
    status: int
    response_headers: tuple[tuple[str, str], ...]
    response_body: bytes
    persona: str
    values: Mapping[str, str | list[str]]
    """The persona: data type or alias to a text or a list of texts."""
    expected: tuple[Label, ...]
    not_expected: tuple[Negative, ...]
    complete: bool
    """Every transmission of a sensitivity of 2 or more is labelled: any other claim of one is wrong."""


def _gzip(raw: bytes) -> bytes:
    target = io.BytesIO()
    with gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as stream:
        stream.write(raw)
    return target.getvalue()


def _raw_deflate(raw: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(raw) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip,
    "deflate": zlib.compress,
    "raw-deflate": _raw_deflate,  # sent as "deflate" by servers that mistook RFC 9110 section 8.4.1.2
    "br": brotli.compress,
    "zstd": lambda raw: zstandard.ZstdCompressor().compress(raw),
}
"""Content codings by the name used in a case."""

MACROS: dict[str, Callable[[bytes], bytes]] = {
    **CODINGS,
    "base64": base64.b64encode,
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"="),
    "hex": lambda raw: raw.hex().encode(),
    "HEX": lambda raw: raw.hex().upper().encode(),
    "percent": lambda raw: quote(raw, safe="").encode(),
    "json": lambda raw: json.dumps(raw.decode(), ensure_ascii=False)[1:-1].encode(),
    "bytes": lambda raw: bytes.fromhex(raw.decode()),
    "xor5": lambda raw: bytes(b ^ 5 for b in raw),
    "md5": lambda raw: hashlib.md5(raw).hexdigest().encode(),
    "sha1": lambda raw: hashlib.sha1(raw).hexdigest().encode(),
    "sha256": lambda raw: hashlib.sha256(raw).hexdigest().encode(),
    "sha512": lambda raw: hashlib.sha512(raw).hexdigest().encode(),
    "upper": lambda raw: raw.upper(),
    "md5-raw": lambda raw: hashlib.md5(raw).digest(),
    "sha1-raw": lambda raw: hashlib.sha1(raw).digest(),
    "sha256-raw": lambda raw: hashlib.sha256(raw).digest(),
}

_MACRO = re.compile(rb"\xe2\x9f\xa6([A-Za-z0-9+-]+):((?:(?!\xe2\x9f[\xa6\xa7]).)*)\xe2\x9f\xa7", re.DOTALL)


def expand(text: str) -> bytes:
    """``text`` in UTF-8 with its macros done. Raises ValueError for a macro that is unknown or not closed."""

    def done(match: re.Match[bytes]) -> bytes:
        raw = match[2]
        for name in match[1].decode().split("+"):
            if name not in MACROS:
                raise ValueError(f"no macro is called {name!r}")
            raw = MACROS[name](raw)
        return raw

    raw = text.encode()
    while True:
        made = _MACRO.sub(done, raw)
        if made == raw:
            break
        raw = made
    if b"\xe2\x9f\xa6" in raw or b"\xe2\x9f\xa7" in raw:
        raise ValueError(f"a macro is not closed in {text[:60]!r}")
    return raw


def _headers(record: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    pairs = []
    for name, value in (record or {}).items():
        pairs += [(name, expand(str(v)).decode()) for v in (value if isinstance(value, list) else [value])]
    return tuple(pairs)


def _body(record: Mapping[str, Any]) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """A message's body as sent and its headers, with the content coding that the case asks for."""
    headers = _headers(record.get("headers"))
    if "body_base64" in record:
        raw = base64.b64decode(record["body_base64"], validate=True)
    else:
        text = record.get("body", "")
        raw = expand(text.replace("\n", "\r\n") if record.get("crlf") else text)
    codings = [c.strip() for c in record.get("coding", "").split(",") if c.strip()]
    for coding in codings:
        raw = CODINGS[coding](raw)
    if codings:
        headers += (("Content-Encoding", ", ".join(c.replace("raw-", "") for c in codings)),)
    return raw, headers


def _because(text: str, reasons: Mapping[str, str]) -> str:
    """A ground in full: ``@name argument; more`` is a sentence of reasons/reasons.yaml and what is added."""
    found = re.fullmatch(r"@([a-z0-9-]+)(?: ([^;]*))?(?:; (.*))?", text)
    if found is None:
        return text
    sentence = reasons[found[1]].replace("{}", found[2] or "")
    return f"{sentence} {found[3][0].upper()}{found[3][1:].rstrip('.')}." if found[3] else sentence


def _label(record: Mapping[str, Any], case: Mapping[str, Any], reasons: Mapping[str, str]) -> Label:
    paths = (record["path"], *record.get("or_path", ()))
    methods = record.get("method", case.get("method_default", "any"))
    methods = [methods] if isinstance(methods, str) else methods
    return Label(
        data_type=record["data_type"],
        paths=paths,
        via=tuple(part.strip() for part in record.get("via", case.get("via", "")).split(">")),
        methods=METHODS if "any" in methods else frozenset(methods),
        value=expand(record["value"]).decode(),
        direction=record.get("direction", "received" if paths[0].startswith("response.") else "sent"),
        because=_because(record.get("because", case.get("because", "")), reasons),
        arguable=record.get("arguable", ""),
        position=record.get("position", ""),
    )


def _negative(record: Mapping[str, Any], reasons: Mapping[str, str]) -> Negative:
    types = record["data_type"]
    return Negative(
        data_types=frozenset([types] if isinstance(types, str) else types),
        path=record["path"],
        because=_because(record["because"], reasons),
        arguable=record.get("arguable", ""),
    )


def personas() -> dict[str, dict[str, str | list[str]]]:
    """Every persona of this folder by its file's name."""
    return {p.stem: yaml.safe_load(p.read_text("utf-8")) for p in sorted((FOLDER / "personas").glob("*.yaml"))}


def raw_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each case as it stands in YAML, with the name of its file."""
    for file in sorted(FOLDER.glob("*.yaml")):
        for record in yaml.safe_load(file.read_text("utf-8")):
            yield file.name, record


def cases() -> list[Case]:
    """Every labelled exchange, in the order of files and of cases in them."""
    known = personas()
    reasons: dict[str, str] = yaml.safe_load((FOLDER / "reasons" / "reasons.yaml").read_text("utf-8"))
    found = []
    for file, record in raw_cases():
        body, headers = _body(record)
        response = record.get("response", {})
        response_body, response_headers = _body(response)
        found.append(
            Case(
                id=record["id"],
                file=file,
                method=record.get("method", "POST"),
                url=expand(record["url"]).decode(),
                headers=headers,
                body=body,
                status=response.get("status", 200),
                response_headers=response_headers,
                response_body=response_body,
                persona=record.get("persona", "sari"),
                values=known[record.get("persona", "sari")],
                expected=tuple(_label(r, record, reasons) for r in record.get("expected", ())),
                not_expected=tuple(_negative(r, reasons) for r in record.get("not_expected", ())),
                complete=record.get("complete", False),
            )
        )
    return found
