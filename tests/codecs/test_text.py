"""Text encodings: round trips, and how each meets what it cannot read."""

from __future__ import annotations

import base64
import html
import json
import quopri
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.codecs import CHARSETS, CODECS, decode, encode

TEXT = [name for name, codec in CODECS.items() if codec.kind == "text"]
OCTETS = ["percent", "form-percent", "quoted-printable", "base64", "base64url", "hex", "xor5"]
"""Those that write any octets; the others write text."""
LATIN = st.text(st.characters(max_codepoint=255), max_size=50)
HAN = st.text(st.sampled_from("Jalan, 27東京中山大"), max_size=50)
"""Characters that every charset of East Asia has."""


@pytest.mark.parametrize("name", TEXT)
@given(data=st.data())
def test_every_spelling_is_undone(name: str, data: st.DataObject) -> None:
    if name in OCTETS:
        raw = data.draw(st.binary(max_size=100))
    else:
        texts = HAN if name in CHARSETS else LATIN if name == "latin-1" else st.text(max_size=50)
        raw = data.draw(texts).encode()
    for spelling, written in CODECS[name].spell(raw):
        found = decode(name, written, 1000)
        assert (found.data, found.complete) == (raw, True), spelling


@pytest.mark.parametrize("name", TEXT)
@given(data=st.binary(min_size=1, max_size=200), limit=st.integers(0, 50))
def test_no_input_raises_and_the_limit_holds(name: str, data: bytes, limit: int) -> None:
    try:
        found = decode(name, data, limit)
    except UnicodeDecodeError:
        pytest.fail("a decoder raised")
    assert len(found.data) <= limit
    assert found.complete is (found.error is None)
    whole = decode(name, data, 10_000)
    assert found.data == whole.data[:limit] or name.startswith("utf-16")
    assert not found.complete or found.data == whole.data


@given(st.text(max_size=60))
def test_the_canonical_spellings_are_those_of_other_libraries(text: str) -> None:
    raw = text.encode()
    assert encode("percent", raw).decode() == quote(text, safe="")
    assert decode("form-percent", quote_plus(text).encode(), 1000).data == raw
    assert decode("json-string", json.dumps(text)[1:-1].encode(), 1000).data == raw
    assert json.loads(b'"' + encode("json-string", raw) + b'"') == text
    assert html.unescape(encode("html", raw).decode()) == text
    assert quopri.decodestring(encode("quoted-printable", raw)) == raw
    assert decode("quoted-printable", quopri.encodestring(raw), 1000).data == raw


def test_base64_with_breaks_without_padding_and_broken() -> None:
    assert decode("base64", b"aGVs\r\nbG8=", 100) == (b"hello", True, None, False)
    assert decode("base64", b"aGVsbG8", 100).data == b"hello"
    stray = decode("base64", b"aGVs!bG8=", 100)
    assert (stray.data, stray.complete) == (b"hel", False)
    assert decode("base64", b"aGVsb", 100) == (b"hel", False, "the input breaks off", False)
    assert decode("base64", b"-_-_", 100).data == b""
    assert decode("base64url", b"-_-_", 100).data == base64.b64decode(b"+/+/")


def test_sparse_escapes_leave_what_escapes_nothing() -> None:
    assert decode("percent", b"100% of %4", 100).data == b"100% of %4"
    assert decode("percent", b"a+b", 100).data == b"a+b"
    assert decode("form-percent", b"a+b%2Bc", 100).data == b"a b+c"
    assert decode("html", b"a & b &notathing; &#64;", 100).data == "a & b ¬athing; @".encode()
    assert decode("unicode-escape", rb"C:\new \u0041\x42\U00000043", 100).data == rb"C:\new ABC"


def test_json_escapes() -> None:
    assert decode("json-string", rb"\ud83d\ude00\/\n", 100).data == "😀/\n".encode()
    assert decode("json-string", rb"\ud83d!", 100).data == b"\xed\xa0\xbd!"
    wrong = decode("json-string", rb"ab\qcd", 100)
    assert (wrong.data, wrong.complete) == (b"ab", False)
    assert not decode("json-string", b"ab\\", 100).complete


def test_octets_that_are_no_utf8_pass_unharmed() -> None:
    for name in ("percent", "json-string", "unicode-escape", "html"):
        assert decode(name, b"\xff\xfe\x80", 100).data == b"\xff\xfe\x80"
