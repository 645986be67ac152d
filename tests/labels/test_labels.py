"""Each expected value stands in its case's bytes, at its path, once ``via`` is undone.

The undoing here is the test's own and knows nothing of the reader that the labels judge.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import json
import plistlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit
from xml.etree import ElementTree

import brotli
import pytest
import yaml
import zstandard

from tests.labels.load import METHODS, Case, Label, cases, expand, personas, raw_cases

CASES = cases()
LABELS = [(case, label) for case in CASES for label in case.expected]
DIGESTS = {"md5", "sha1", "sha256", "sha512"}
REFERENCE = Path(__file__).parents[2] / "analysis" / "reference"
PATH = re.compile(
    r"(request|response)"
    r"(\.(query|header|cookie)\.[^.\s]+|\.path\[\d+\]|\.body)"
    r'(\.[^.\[\]\s]*|\[(\d+|\*)\]|\["[^"]*"\]|\[[a-z]+\])*'
)
Leaf = tuple[str, bytes]


def _key(path: str, name: str) -> str:
    plain = name and not set(name) & set('.[]"')
    return f"{path}.{name}" if plain else f'{path}["{name}"]'


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its order and its duplicates."""


def _walk(path: str, node: Any) -> Iterator[Leaf]:
    if isinstance(node, _Pairs | dict):
        for name, child in node.items() if isinstance(node, dict) else node:
            yield from _walk(_key(path, name), child)
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _walk(f"{path}[{index}]", child)
    elif node is not None:
        yield path, (str(node).lower() if isinstance(node, bool) else str(node)).encode()


def _json(path: str, raw: bytes) -> Iterator[Leaf]:
    text = raw.decode("utf-8-sig")
    try:
        node = json.loads(text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, strict=False)
    except json.JSONDecodeError:
        return
    yield from _walk(path, node)


def _ndjson(path: str, raw: bytes) -> Iterator[Leaf]:
    for index, line in enumerate(raw.splitlines()):
        yield from _json(f"{path}[{index}]", line)


def _pairs(path: str, raw: bytes) -> Iterator[Leaf]:
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        yield _key(path, name), value.encode()


def _xml(path: str, raw: bytes) -> Iterator[Leaf]:
    def walk(here: str, node: ElementTree.Element) -> Iterator[Leaf]:
        here = _key(here, node.tag)
        yield here, (node.text or "").encode()
        for name, value in node.items():
            yield f"{here}.@{name}", value.encode()
        for child in node:
            yield from walk(here, child)

    yield from walk(path, ElementTree.fromstring(raw))


def _multipart(path: str, raw: bytes) -> Iterator[Leaf]:
    boundary = raw.split(b"\r\n", 1)[0]
    for index, part in enumerate(raw.split(boundary)[1:-1]):
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'\bname="?([^";\r\n]+)', head)
        yield (_key(path, name[1].decode()) if name else f"{path}[{index}]"), content.removesuffix(b"\r\n")


def _inflate(raw: bytes) -> bytes:
    try:
        return zlib.decompress(raw)
    except zlib.error:
        return zlib.decompress(raw, wbits=-15)


def _base64(raw: bytes, alphabet: bytes) -> bytes:
    padded = raw + b"=" * (-len(raw) % 4)
    return base64.b64decode(padded, altchars=alphabet, validate=True)


def _media(raw: bytes) -> bytes:
    signatures = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"OggS")
    if raw.startswith(signatures) or raw[4:8] == b"ftyp":
        return b""
    raise ValueError("no media signature")


WHOLE = {
    "gzip": gzip.decompress,
    "deflate": _inflate,
    "br": brotli.decompress,
    "zstd": lambda raw: zstandard.ZstdDecompressor().decompressobj().decompress(raw),
    "base64": lambda raw: _base64(raw, b"+/"),
    "base64url": lambda raw: _base64(raw, b"-_"),
    "hex": lambda raw: bytes.fromhex(raw.decode()),
    "xor5": lambda raw: bytes(b ^ 5 for b in raw),
    "percent": lambda raw: unquote(raw.decode()).encode(),
    "basic": lambda raw: base64.b64decode(raw.removeprefix(b"Basic ")),
    "media": _media,
    "text": lambda raw: raw,
}
INTO = {
    "json": _json,
    "ndjson": _ndjson,
    "form": _pairs,
    "xml": _xml,
    "plist": lambda path, raw: _walk(path, plistlib.loads(raw)),
    "multipart": _multipart,
    "url": lambda path, raw: _pairs(path, urlsplit(raw.decode()).query.encode()),
    "jwt": lambda path, raw: _json(path, _base64(raw.removeprefix(b"Bearer ").split(b".")[1], b"-_")),
}


def _start(case: Case, label: Label) -> tuple[list[Leaf], tuple[str, ...]]:
    """Where the undoing begins, and the steps still to take."""
    side = label.paths[0].split(".")[0]
    headers = case.headers if side == "request" else case.response_headers
    url = urlsplit(case.url)
    first, rest = label.via[0], label.via[1:]
    if first == "query":
        return list(_pairs("request.query", url.query.encode())), rest
    if first == "path":
        return [(f"request.path[{i}]", unquote(s).encode()) for i, s in enumerate(url.path[1:].split("/"))], rest
    if first == "header":
        return [(f"{side}.header.{name.lower()}", value.encode()) for name, value in headers], rest
    if first in ("cookie", "set-cookie"):
        jar = [value for name, value in headers if name.lower() == first]
        texts = [p for v in jar for p in (v.split("; ") if first == "cookie" else [v.split(";")[0]])]
        return [(f"{side}.cookie.{p.partition('=')[0]}", p.partition("=")[2].encode()) for p in texts], rest
    return [(f"{side}.body", case.body if side == "request" else case.response_body)], label.via


def _undo(case: Case, label: Label) -> list[Leaf]:
    """Every leaf of the case that ``via`` leads to."""
    leaves, steps = _start(case, label)
    digest_last = steps and steps[-1] in DIGESTS
    for step in steps[:-1] if digest_last else steps:
        if digest_last and step == "base64" and steps[-2] == "base64":
            break  # a digest in base64 is a leaf as sent; its raw octets are no text
        made: list[Leaf] = []
        for path, raw in leaves:
            try:
                made += INTO[step](path, raw) if step in INTO else [(path, WHOLE[step](raw))]
            except (ValueError, binascii.Error, OSError, zlib.error, IndexError):
                continue
        leaves = made
    return leaves


def _texts(case: Case) -> list[str]:
    return [text for value in case.values.values() for text in (value if isinstance(value, list) else [value])]


def _squeezed(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.lower())


@pytest.mark.parametrize(("case", "label"), LABELS, ids=[f"{c.id}-{n}" for n, (c, _) in enumerate(LABELS)])
def test_the_value_stands_where_the_label_says(case: Case, label: Label) -> None:
    found = _undo(case, label)
    assert label.value.encode() in [raw for path, raw in found if path in label.paths]


DIGESTED = [(c, x) for c, x in LABELS if x.via[-1] in DIGESTS]


@pytest.mark.parametrize(("case", "label"), DIGESTED, ids=[f"{c.id}-{n}" for n, (c, _) in enumerate(DIGESTED)])
def test_a_digest_is_of_a_value_of_the_persona(case: Case, label: Label) -> None:
    digest = label.value
    if len(digest) not in (32, 40, 64, 128):
        digest = base64.b64decode(digest).hex()
    forms: set[str] = set()
    for text in _texts(case):
        bare = re.sub(r"[\s().-]", "", text)
        forms |= {
            text,
            text.lower(),
            bare,
            bare.lstrip("+"),
            bare.replace("+62", "0"),
            text.replace("-", ""),
            text.replace(":", ""),
        }
        forms |= {text.split()[0].lower(), re.sub(r"\+[^@]*", "", text).lower()}
    made = {hashlib.new(label.via[-1], form.encode()).hexdigest() for form in forms}
    assert digest.lower() in made


def test_a_ground_that_speaks_of_a_planted_value_is_true() -> None:
    wrong = []
    for file, record in raw_cases():
        case = next(c for c in CASES if c.id == record["id"])
        for raw, label in zip(record.get("expected", ()), case.expected, strict=True):
            ground = raw.get("because", record.get("because", ""))
            if not ground.startswith("@planted"):
                continue
            value = _squeezed(label.value)
            planted = [_squeezed(t) for t in _texts(case)]
            planted += [p.replace("62", "0", 1) for p in planted if p.startswith("62")]
            planted += [p.removeprefix("62") for p in planted if p.startswith("62")]
            planted += ["62" + p[1:] for p in planted if p.startswith("0")]
            planted += [_squeezed(part) for t in _texts(case) for part in t.split(",") if len(part) > 6]
            near = any(p.startswith(value) and p.rstrip("0") == value.rstrip("0") for p in planted if value)
            if not near and not any(p in value for p in planted):
                wrong.append(f"{file}: {label.paths[0]}")
    assert wrong == []


def test_every_record_keeps_the_schema() -> None:
    fields = {
        "id",
        "method",
        "url",
        "headers",
        "body",
        "body_base64",
        "coding",
        "crlf",
        "response",
        "persona",
        "expected",
        "not_expected",
        "complete",
        "via",
        "because",
        "method_default",
    }
    label_fields = {
        "data_type",
        "path",
        "or_path",
        "via",
        "method",
        "value",
        "direction",
        "because",
        "arguable",
        "position",
    }
    negative_fields = {"data_type", "path", "because", "arguable"}
    for _, record in raw_cases():
        assert set(record) <= fields, record["id"]
        assert set(record.get("response", {})) <= {
            "status",
            "headers",
            "body",
            "body_base64",
            "coding",
            "crlf",
        }, record["id"]
        assert all(set(r) <= label_fields for r in record.get("expected", ())), record["id"]
        assert all(set(r) <= negative_fields for r in record.get("not_expected", ())), record["id"]
        assert record.get("expected") or record.get("not_expected"), record["id"]


def test_names_are_unique_and_known() -> None:
    assert [name for name, n in Counter(c.id for c in CASES).items() if n > 1] == []
    known = set(WHOLE) | set(INTO) | DIGESTS | {"query", "path", "header", "cookie", "set-cookie"}
    for case in CASES:
        assert case.persona in personas()
        for label in case.expected:
            assert label.methods
            assert label.methods <= METHODS
            assert set(label.via) <= known, (case.id, label.via)
            assert label.because, (case.id, label.paths)
            assert (label.direction == "received") == label.paths[0].startswith("response."), case.id
        for negative in case.not_expected:
            assert negative.data_types
            assert negative.because


def _reference(name: str) -> Any:
    """A reference file of the project, where there is one yet."""
    found = sorted(REFERENCE.rglob(name))
    if not found:
        pytest.skip(f"the project holds no {name} yet")
    return yaml.safe_load(found[0].read_text("utf-8"))


def test_data_types_are_those_of_the_reference() -> None:
    types = {record["id"] for record in _reference("data_types.yaml")["data_types"]}
    assert {label.data_type for _, label in LABELS} <= types
    assert {t for c in CASES for n in c.not_expected for t in n.data_types} <= types | {"*"}


def test_a_ground_that_names_an_endpoint_is_true() -> None:
    endpoints = _reference("endpoints.yaml")["endpoints"]
    fields = {field["id"]: (endpoint, field) for endpoint in endpoints for field in endpoint["fields"]}
    for _, record in raw_cases():
        for label in record.get("expected", ()):
            named = re.match(r"@ep ([a-z0-9.-]+[0-9])", label.get("because", ""))
            if named is None:
                continue
            endpoint, field = fields[named[1]]
            url = urlsplit(record["url"])
            assert re.search(endpoint["host_pattern"], url.hostname or ""), record["id"]
            assert re.search(endpoint["path_pattern"], url.path), record["id"]
            assert field["data_type"] == label["data_type"], (record["id"], named[1])
            place = re.sub(r"\[\d+\]|\d+", "", label["path"]).lower()
            last = [part for part in re.split(r"[.*\[\]0-9]+", field["field"].lower()) if part][-1]
            assert last in place, (record["id"], named[1])


def test_paths_have_one_syntax() -> None:
    for case in CASES:
        for path in [p for label in case.expected for p in label.paths] + [n.path for n in case.not_expected]:
            assert PATH.fullmatch(path), (case.id, path)


def test_a_negative_stands_in_its_case() -> None:
    """Each negative's field is there: the reader could fall for it."""
    missing = []
    for case in CASES:
        whole = " ".join([unquote_plus(case.url), str(case.headers).lower(), str(case.response_headers).lower()])
        for raw in (case.body, case.response_body):
            for undo in (WHOLE["gzip"], WHOLE["br"], WHOLE["zstd"], _inflate, WHOLE["text"]):
                try:
                    whole += undo(raw).decode("latin-1")
                    break
                except (ValueError, OSError, zlib.error, brotli.error, zstandard.ZstdError):
                    continue
        for match in re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", whole):
            try:
                inner = base64.b64decode(match + "=" * (-len(match) % 4))
                whole += (gzip.decompress(inner) if inner[:2] == b"\x1f\x8b" else inner).decode("latin-1")
            except (ValueError, OSError):
                continue
        for negative in case.not_expected:
            last = re.sub(r"\[\d+\]", "", negative.path).rsplit(".", 1)[-1].lstrip("@")
            if last not in ("body", "path") and last.lower() not in whole.lower():
                missing.append(f"{case.id}: {negative.path}")
    assert missing == []


def test_no_label_is_also_a_negative() -> None:
    for case in CASES:
        for label in case.expected:
            for negative in case.not_expected:
                if label.arguable or negative.arguable or not negative.covers(label.paths[0]):
                    continue
                assert not negative.data_types & {label.data_type, "*"}, (case.id, label.paths)


def test_positions_are_pairs() -> None:
    for case in CASES:
        counts = Counter(label.position for label in case.expected if label.position)
        assert set(counts.values()) <= {2}, case.id


def test_there_is_enough_to_judge_by() -> None:
    scored = [x for _, x in LABELS if not x.arguable]
    negatives = [n for c in CASES for n in c.not_expected if not n.arguable]
    assert len(CASES) >= 120
    assert len(scored) >= 350
    assert len(negatives) >= 150
    steps = {step for label in scored for step in label.via}
    assert {
        "gzip",
        "deflate",
        "br",
        "zstd",
        "base64",
        "base64url",
        "hex",
        "percent",
        "form",
        "multipart",
        "cookie",
    } <= steps


def test_macros_nest_and_refuse_what_they_do_not_know() -> None:
    assert expand('{"a":"⟦json:{"b":"⟦base64:x"y⟧"}⟧"}') == b'{"a":"{\\"b\\":\\"eCJ5\\"}"}'
    assert gzip.decompress(expand("⟦gzip:ab⟧")) == b"ab"
    with pytest.raises(ValueError, match="no macro"):
        expand("⟦rot13:ab⟧")
    with pytest.raises(ValueError, match="not closed"):
        expand("⟦hex:ab")
