"""Formats down to their leaves, at the seam: a message in, paths and values out."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from analysis.model import Message
from analysis.read.decode.leaves import RAW, Layer, text_of
from analysis.read.decode.walk import Forest, Limits, Walk, Walked
from tests.read.messages import FORM, JSON, message


def walk(one: Message) -> Walked:
    return Walk(one, Forest(), Limits()).run()


def leaves(one: Message) -> list[tuple[str, str]]:
    """(path, value) of every leaf that no later layer takes over, head apart."""
    walked = walk(one)
    found = []
    for layer in walked.layers:
        if layer.head:
            continue
        for number, (node, index, start, end, _) in enumerate(layer.leaves):
            if (id(layer), number) not in walked.moved:
                found.append((node.path(index), text_of(layer.data[start:end])))
    return found


def head_leaves(one: Message) -> list[tuple[str, str]]:
    walked = walk(one)
    found = []
    for layer in walked.layers:
        for number, (node, index, start, end, _) in enumerate(layer.leaves):
            if layer.data == one.head() and (id(layer), number) not in walked.moved:
                found.append((node.path(index), text_of(layer.data[start:end])))
    return found


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":-6.2000000,"b":123456789012345678901234}', [("a", "-6.2000000"), ("b", "123456789012345678901234")]),
        (b'{"a":1,"a":"two"}', [("a", "1"), ("a", "two")]),
        (b'{"a":NaN,"b":-Infinity,"c":true,}', [("a", "NaN"), ("b", "-Infinity"), ("c", "true")]),
        (b'\xef\xbb\xbf{"a":"x"}', [("a", "x")]),
        (b')]}\'\n{"a":"x"}', [("a", "x")]),
        (b'/**/cb_1({"a":"x"});', [("a", "x")]),
        (b'{"a":"\\u0041\\/\\ud83d\\ude00"}', [("a", "A/\U0001f600")]),
        (b'{"a":"x\\ud800y"}', [("a", "x\\ud800y")]),
        (b'{"\\u0061b":{"c.d":"x"}}', [('ab["c.d"]', "x")]),
        (b'{"a":[[1,2],[{"b":"x"}]]}', [("a[0][0]", "1"), ("a[0][1]", "2"), ("a[1][0].b", "x")]),
        (b'{"a":"{\\"b\\":\\"{\\\\\\"c\\\\\\":1}\\"}"}', [("a.b.c", "1")]),
        (b'{"":"x","a":""}', [('[""]', "x"), ("a", "")]),
    ],
)
def test_json(body: bytes, expected: list[tuple[str, str]]) -> None:
    dotted = [("request.body" + ("" if path.startswith("[") else ".") + path, value) for path, value in expected]
    assert leaves(message(body, JSON)) == dotted
    assert walk(message(body, JSON)).decoded


@pytest.mark.parametrize("between", [b"\n", b"", b"\r\n\r\n", b"\n\x1e", b" , "])
def test_documents_in_a_row_are_numbered(between: bytes) -> None:
    body = between.join([b'{"a":1}', b'{"a":2}', b'{"b":[3]}'])
    found = leaves(message(body, JSON))
    assert found == [("request.body[0].a", "1"), ("request.body[1].a", "2"), ("request.body[2].b[0]", "3")]


def test_json_that_breaks_off_is_read_to_the_break_and_counted() -> None:
    one = message(b'{"a":{"b":"x"},"c":["y","half a va', JSON)
    assert leaves(one) == [("request.body.a.b", "x"), ("request.body.c[0]", "y"), ("request.body.c[1]", "half a va")]
    walked = walk(one)
    assert not walked.decoded
    assert [kind for kind, _, _ in walked.losses] == ["body_cut"]


def test_content_outranks_the_stated_type() -> None:
    assert leaves(message(b'{"a":"x"}', FORM)) == [("request.body.a", "x")]
    assert leaves(message(b"a=1&b=%C3%A9", JSON)) == [("request.body.a", "1"), ("request.body.b", "é")]
    assert leaves(message(b'{"a":"x"}', (("Content-Type", "text/plain"),))) == [("request.body.a", "x")]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-16"])
def test_utf16(codec: str) -> None:
    assert leaves(message('{"nama":"Ayu","kota":"Solo"}'.encode(codec), JSON)) == [
        ("request.body.nama", "Ayu"),
        ("request.body.kota", "Solo"),
    ]


def test_form_with_json_and_brackets() -> None:
    body = b"user%5Bmail%5D=a%2Bb%40c.id&p=%7B%22k%22%3A%22v+w%22%7D&p=2&flag&x="
    assert sorted(leaves(message(body, FORM))) == sorted(
        [
            ("request.body.p", "2"),
            ("request.body.flag", ""),
            ("request.body.x", ""),
            ('request.body["user[mail]"]', "a+b@c.id"),
            ("request.body.p.k", "v w"),
        ]
    )


def test_multipart_nested_and_files() -> None:
    inner = b'--in\r\nContent-Disposition: form-data; name="n"\r\n\r\nx\r\n--in--'
    body = (
        b'--out\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{"a":1}\r\n'
        b'--out\r\nContent-Disposition: form-data; name="mixed"\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n'
        + inner
        + b'\r\n--out\r\nContent-Disposition: form-data; name="photo"; filename="me.jpg"\r\n\r\n'
        + b"\xff\xd8\xff\xe0\x00\x10JFIF\r\n--out--\r\n"
    )
    one = message(body, (("Content-Type", "multipart/form-data; boundary=out"),))
    found = leaves(one)
    assert ("request.body.meta.a", "1") in found
    assert ("request.body.mixed.n", "x") in found
    assert ("request.body.photo.filename", "me.jpg") in found
    assert walk(one).decoded


def test_multipart_without_its_boundary_in_the_header() -> None:
    body = b'--zz9\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--zz9--\r\n'
    assert leaves(message(body)) == [("request.body.a", "1")]


def test_parts_within_parts_without_end_are_counted() -> None:
    body = b"last@gmail.com"
    for n in range(1500):
        before = f"--b{n}\r\nContent-Type: multipart/mixed; boundary=b{n - 1}\r\n\r\n".encode()
        body = before + body + f"\r\n--b{n}--".encode()
    walked = walk(message(body, (("Content-Type", "multipart/mixed; boundary=b1499"),)))
    assert not walked.decoded
    assert [kind for kind, _, _ in walked.losses] == ["depth_limited", "body_limited"]


def test_too_many_parts_are_counted() -> None:
    part = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n"
    walked = walk(message(part * 10_050 + b"--x--", (("Content-Type", "multipart/form-data; boundary=x"),)))
    assert not walked.decoded
    assert [kind for kind, _, _ in walked.losses] == ["leaves_limited", "body_limited"]


def test_xml_and_property_lists() -> None:
    assert leaves(message(b'<r><u id="7">A &amp; B</u><e/></r>')) == [
        ("request.body.r.u.@id", "7"),
        ("request.body.r.u", "A & B"),
    ]
    plist = b'<?xml version="1.0"?><plist version="1.0"><dict><key>idfa</key><string>x</string></dict></plist>'
    assert ("request.body.idfa", "x") in leaves(message(plist))


def test_entities_are_never_expanded() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>'
    assert leaves(message(bomb)) == [("request.body.a", "&y;")]


def test_server_sent_events() -> None:
    body = b'event: m\ndata: {"a":1}\n\n: note\ndata: plain\n\n'
    one = message(body, (("Content-Type", "text/event-stream"),), kind="response")
    assert leaves(one) == [
        ("response.body[0].event", "m"),
        ("response.body[1].data", "plain"),
        ("response.body[0].data.a", "1"),
    ]


def test_grpc_messages_are_unpacked() -> None:
    packed = gzip.compress(b'{"a":"x"}', mtime=0)
    body = b"\x00\x00\x00\x00\x07" + b'{"b":1}' + b"\x01" + len(packed).to_bytes(4) + packed
    one = message(body, kind="grpc", sent=True)
    assert leaves(one) == [("message.body[0].b", "1"), ("message.body[1].a", "x")]


def test_values_within_values() -> None:
    deep = base64.b64encode(gzip.compress(b'{"k":"v"}', mtime=0)).decode()
    url = "https://x.example/p?mail=a%40b.id&z=1#t=9"
    body = json.dumps(
        {"p": deep, "u": url, "q": "a=1&b=2", "h": b"hello world".hex(), "r": "dGhlIHF1aWNrIGJyb3duIGZveA=="}
    )
    found = dict(leaves(message(body.encode(), JSON)))
    assert found["request.body.p.k"] == "v"
    assert found["request.body.u.mail"] == "a@b.id"
    assert found["request.body.u.t"] == "9"
    assert found["request.body.q.b"] == "2"
    walked = walk(message(body.encode(), JSON))
    assert {"hello world", "the quick brown fox"} <= {text_of(layer.data) for layer in walked.layers}


def test_identifiers_are_no_encodings() -> None:
    ids = [
        "3f2a9c1e77b44d0e9a51c0ffee123456",
        "3f2a9c1e-77b4-4d0e-9a51-c0ffee123456",
        "7301122334455667789",
        "aGVsbG8Zx9QkLmNo81Yp",
    ]
    walked = walk(message(json.dumps(ids).encode(), JSON))
    assert len([layer for layer in walked.layers if not layer.head]) == 1


def test_path_query_headers_and_cookies() -> None:
    one = message(
        headers=(("X-Device", "d1"), ("Cookie", 'sid="abc"; pref=a%3Db; bare'), ("cookie", "more=1")),
        target="https://h.example/v1/u%40x//end?a=1&b=x%20y+z&flag",
        method="GET",
    )
    assert sorted(head_leaves(one)) == sorted(
        [
            ("request.path[0]", "v1"),
            ("request.path[2]", "end"),
            ("request.query.a", "1"),
            ("request.query.flag", ""),
            ("request.header.x-device", "d1"),
            ("request.cookie.sid", "abc"),
            ("request.cookie.more", "1"),
        ]
    )
    below = {text_of(layer.data) for layer in walk(one).layers if layer.leaves and layer.data != one.head()}
    assert {"u@x", "x y z", "a=b"} <= below


def test_set_cookie_is_its_first_pair() -> None:
    one = message(headers=(("Set-Cookie", "sid=abc; Path=/; Secure"),), kind="response")
    assert head_leaves(one) == [("response.cookie.sid", "abc")]


def test_a_lying_content_encoding_is_read_by_signature_and_by_content() -> None:
    plain = b'{"a":"x"}'
    packed = gzip.compress(plain, mtime=0)
    for body, coding in ((plain, "gzip"), (packed, "br"), (packed, ""), (gzip.compress(packed, mtime=0), "gzip, gzip")):
        one = message(body, (*JSON, ("Content-Encoding", coding)))
        assert leaves(one) == [("request.body.a", "x")], coding
        assert walk(one).decoded


def test_a_coding_that_fails_is_counted() -> None:
    walked = walk(message(b"\x99\x88\x77 not brotli at all", (("Content-Encoding", "br"),)))
    assert "coding_failed" in [kind for kind, _, _ in walked.losses]
    assert not walked.decoded


def test_a_cut_gzip_body_is_read_to_the_cut() -> None:
    packed = gzip.compress(json.dumps({"a": "x" * 50, "b": [str(n) for n in range(999)]}).encode(), mtime=0)
    one = message(packed[:-40], (*JSON, ("Content-Encoding", "gzip")), cut=True)
    assert ("request.body.a", "x" * 50) in leaves(one)
    assert [kind for kind, _, _ in walk(one).losses] == ["body_cut"]


@pytest.mark.parametrize(
    ("body", "stated", "decoded"),
    [
        (b"", "", True),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "image/png", True),
        (b"wOF2" + bytes(40), "font/woff2", True),
        (b"plain words, no format", "text/plain", True),
        (b"\x08\x96\x01\x12\x07testing\x00\xff", "application/x-protobuf", False),
        (bytes(range(256)), "application/octet-stream", False),
    ],
)
def test_understood_or_counted(body: bytes, stated: str, decoded: bool) -> None:
    walked = walk(message(body, (("Content-Type", stated),)))
    assert walked.decoded is decoded
    assert [kind for kind, _, _ in walked.losses] == ([] if decoded else ["body_undecoded"])


def test_the_tree_of_paths_is_pruned() -> None:
    forest = Forest()
    keys = {f"k{n}": 1 for n in range(Forest.MOST + 10)}
    Walk(message(json.dumps(keys).encode(), JSON), forest, Limits()).run()
    forest.prune()
    assert forest.roots == {}


def test_a_layer_knows_its_way() -> None:
    forest = Forest()
    layer = Layer(b"x", False, ("json", "text"), (), forest.root("request.body"))
    layer.leaves.append((layer.node, (), 0, 1, RAW))
    assert layer.via_of(0) == ("json", "text")
    assert layer.way_to(0) == ("json",)
