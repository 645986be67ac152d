"""Laws: a planted value is found in whatever it is wrapped, its origin leads back to it, and no bytes break the reader
or cost more than the limits."""

from __future__ import annotations

import base64
import gzip
import json
from urllib.parse import quote, quote_plus

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import codecs
from analysis.read import Detector, Limits
from analysis.reference import Reference
from tests.read.conftest import VALUES
from tests.read.messages import JSON, message, persona, replay

PLANTED = ["email", "advertising_id", "imei", "messages", "password", "phone_number"]

plain = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False), st.text(max_size=30)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
name = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1, max_size=8
)


@st.composite
def wrapped(draw: st.DrawFn, value: str) -> str:
    """The value in one to four wrappings, as text."""
    text = value
    for _ in range(draw(st.integers(1, 4))):
        match draw(st.sampled_from(["object", "array", "base64", "base64url", "hex", "form", "percent", "gzip"])):
            case "object":
                pairs = draw(st.lists(st.tuples(name, plain), max_size=4))
                pairs.insert(draw(st.integers(0, len(pairs))), (draw(name), text))
                # Written by hand, since a name may come twice: both count.
                members = (json.dumps(k) + ": " + json.dumps(v, ensure_ascii=draw(st.booleans())) for k, v in pairs)
                text = "{" + ", ".join(members) + "}"
            case "array":
                text = json.dumps([draw(plain), {"v": text}, draw(plain)])
            case "base64":
                text = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
            case "base64url":
                text = base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")
            case "hex":
                text = text.encode("utf-8", "surrogatepass").hex()
            case "form":
                text = f"v=1&t={quote_plus(text.encode('utf-8', 'surrogatepass'))}&z=0"
            case "percent":
                text = quote(text.encode("utf-8", "surrogatepass"), safe="")
            case "gzip":
                packed = gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0)
                text = base64.b64encode(packed).decode()
    return text


CODINGS = {
    "identity": lambda raw: raw,
    "gzip": lambda raw: gzip.compress(raw, mtime=0),
    "br": brotli.compress,
    "zstd": lambda raw: zstandard.ZstdCompressor().compress(raw),
    "deflate": lambda raw: codecs.encode("deflate", raw),
}


@given(st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_planted_value_is_found_in_any_wrapping(planted: Detector, data: st.DataObject) -> None:
    data_type = data.draw(st.sampled_from(PLANTED))
    value = VALUES[data_type]
    inner = data.draw(wrapped(value))
    text = json.dumps({"a": data.draw(plain), "payload": inner, "z": 1})
    coding = data.draw(st.sampled_from(sorted(CODINGS)))
    sent = data.draw(st.booleans())
    one = message(
        CODINGS[coding](text.encode("utf-8", "surrogatepass")),
        (*JSON, ("Content-Encoding", coding)),
        kind="request" if sent else "response",
    )
    reading = planted.read(one)
    assert reading.decoded
    found = [t for t in reading.transmissions if t.data_type == data_type and t.method == "planted"]
    assert found
    for t in found:
        assert t.certainty == "high"
        assert t.path.startswith("request.body.payload" if sent else "response.body.payload")
        assert replay(one, t.origin) == t.value.expose()
        if value in t.value.expose():
            break
    else:
        # Deeper than the walk goes, or too short to be looked into: the needle of an encoding found it.
        assert all(t.via[-1] in codecs.CODECS for t in found)


@given(st.sampled_from(PLANTED), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_encoding_that_codecs_knows_is_found(planted: Detector, data_type: str, data: st.DataObject) -> None:
    needles = [
        n for n in codecs.needles(VALUES[data_type], data_type, "ID") if not n.whole_leaf_only and len(n.data) >= 8
    ]
    needle = data.draw(st.sampled_from(needles))
    body = b"\x00\x01\xff" + needle.data + b"\xfe\x00\x08"
    reading = planted.read(message(body, (("Content-Type", "application/octet-stream"),)))
    assert any(t.method == "planted" for t in reading.transmissions), needle.variant


@given(st.sampled_from(PLANTED), st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_encoding_of_a_planted_value_shows(planted: Detector, data_type: str, data: st.DataObject) -> None:
    """In path, host, keys, values and raw bytes, nothing that goes into a table shows it."""
    needles = [
        n
        for n in codecs.needles(VALUES[data_type], data_type, "ID")
        if not n.whole_leaf_only and n.data.isascii() and n.data.decode().isprintable()
    ]
    text = data.draw(st.sampled_from(needles)).data.decode()
    body = json.dumps({text: {"a": text}, "b": [text, {"c": f"x {text} y"}]}).encode()
    request = message(body, (*JSON, ("X-V", text)), target=f"/a/{text}/b?{text}=1&q={text}", host=f"{text}.t.example")
    answer = message(body, (*JSON, ("CF-Ray", text)), kind="response", target=f"/a/{text}")
    for one in (request, answer):
        reading = planted.read(one)
        shown = [t.path for t in reading.transmissions]
        shown += [e.excerpt + e.request_line + e.chain for e in reading.evidence]
        shown += [reading.path or "", reading.host or "", *(loss.where for loss in reading.losses)]
        assert all(text not in s for s in shown), [s for s in shown if text in s]
        assert text not in planted.mask.text(request.target)


@given(
    st.binary(max_size=400), st.sampled_from(["", "application/json", "multipart/form-data; boundary=x", "text/xml"])
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_reader(planted: Detector, body: bytes, stated: str) -> None:
    for kind in ("request", "response", "websocket", "grpc", "sse", "tcp"):
        one = message(body, (("Content-Type", stated),), kind=kind, sent=kind != "response")  # type: ignore[arg-type]
        reading = planted.read(one)
        told = [loss for loss in reading.losses if loss.kind.startswith("body_")]
        assert reading.decoded == (not told)
        assert len(told) <= 1
        for t in reading.transmissions:
            if t.value.expose():
                assert replay(one, t.origin) == t.value.expose()


PIECES = """{ } [ ] , : " "a" "email":"x@gmail.com" 1 -0.5 null \\ \\u00 %7B &a= = data: --x <a> </a> eyJ""".split()
JSONISH = st.lists(
    st.sampled_from([*(p.encode() for p in PIECES), b"\n", b"\r\n", b"\xff\xfe", b"\x1f\x8b\x08"]), max_size=60
).map(b"".join)


@given(JSONISH)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_is_nearly_a_format_breaks_the_reader(planted: Detector, body: bytes) -> None:
    one = message(body, JSON)
    reading = planted.read(one)
    for t in reading.transmissions:
        assert replay(one, t.origin) == t.value.expose()
    again = planted.read(one)
    assert [str(t) for t in again.transmissions] == [str(t) for t in reading.transmissions]


@given(st.binary(max_size=60), st.text(max_size=60))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_head_breaks_the_reader(planted: Detector, raw: bytes, text: str) -> None:
    value = raw.decode("latin-1").replace("\r", "").replace("\n", "")
    one = message(headers=(("Cookie", value), ("X-Any", text)), target="/" + value + "?" + text, host=text)
    for t in planted.read(one).transmissions:
        assert replay(one, t.origin) == t.value.expose()


@pytest.fixture(scope="module")
def narrow(reference: Reference) -> Detector:
    return Detector(persona(VALUES), reference, "ID", Limits(leaves=100, depth=3, octets=10_000))


def test_leaves_over_the_limit_are_counted_and_still_searched(narrow: Detector) -> None:
    rows = [{"n": n} for n in range(1000)]
    body = json.dumps({"rows": rows, "last": VALUES["email"]}).encode()
    reading = narrow.read(message(body, JSON))
    assert not reading.decoded
    assert {loss.kind for loss in reading.losses} == {"leaves_limited", "body_limited"}
    assert [t.data_type for t in reading.transmissions if t.method == "planted"] == ["email"]


def test_depth_over_the_limit_is_counted_and_still_searched(narrow: Detector) -> None:
    text = VALUES["email"]
    for _ in range(8):
        text = json.dumps({"in": text})
    reading = narrow.read(message(text.encode(), JSON))
    assert any(loss.kind == "depth_limited" for loss in reading.losses)


def test_a_bomb_costs_the_limit_and_is_counted(narrow: Detector) -> None:
    body = gzip.compress(VALUES["email"].encode() + bytes(50_000_000), mtime=0)
    reading = narrow.read(message(body, (*JSON, ("Content-Encoding", "gzip"))))
    assert not reading.decoded
    assert [loss.kind for loss in reading.losses] == ["body_limited"]
    assert [t.data_type for t in reading.transmissions] == ["email"]


def test_nesting_without_end_is_not_followed(planted: Detector) -> None:
    body = b"[" * 100_000 + b'"' + VALUES["email"].encode() + b'"' + b"]" * 100_000
    reading = planted.read(message(body, JSON))
    assert not reading.decoded
    assert any(loss.kind == "depth_limited" for loss in reading.losses)
    assert [t.data_type for t in reading.transmissions] == ["email"]
