"""Texts beside and behind something else: lines, prefixes, scheme words, semicolons, relative URLs, messages in
messages; at the seam, with the persona of this room."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import Message
from analysis.read import Detector
from analysis.read.decode import openers
from analysis.read.decode.leaves import Leaf, Node
from tests.read.conftest import VALUES
from tests.read.messages import FORM, JSON, message, replay

IMEI = VALUES["imei"]
AD = VALUES["advertising_id"]
MAIL = VALUES["email"]
DOCUMENT = json.dumps({"imei": IMEI, "email": MAIL})
PACKED = base64.b64encode(json.dumps({"user": {"email": MAIL, "imei": IMEI}}).encode()).decode()
BARE = PACKED.rstrip("=")
PLAIN = (("Content-Type", "text/plain"),)


def types(detector: Detector, one: Message) -> dict[str, int]:
    """How often each type was read under a name: the value is the leaf, and nothing around it."""
    counts: dict[str, int] = {}
    for sent in detector.read(one).transmissions:
        if sent.value.expose() in (IMEI, AD, MAIL):
            assert replay(one, sent.origin) == sent.value.expose()
            counts[sent.data_type] = counts.get(sent.data_type, 0) + 1
    return counts


def get(target: str, *headers: tuple[str, str]) -> Message:
    return message(b"", headers, method="GET", target=target)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("headers", [PLAIN, FORM, ()])
def test_forms_one_a_line(planted: Detector, ends: str, headers: tuple[tuple[str, str], ...]) -> None:
    body = ends.join(f"v=1&imei={IMEI}&adid={AD}&ea=e{n}" for n in range(3)).encode()
    assert types(planted, message(body, headers)) == {"imei": 3, "advertising_id": 3}


@pytest.mark.parametrize(
    "body",
    [
        f"event {DOCUMENT}\nevent {DOCUMENT}\n",
        f"imei,email,n\n{IMEI},{MAIL},1\n{IMEI},{MAIL},2\n",
        f'imei;email;n\r\n"{IMEI}";{MAIL};1\r\n{IMEI};"{MAIL}";2\r\n',
    ],
)
def test_documents_and_rows_one_a_line(planted: Detector, body: str) -> None:
    assert types(planted, message(body.encode(), PLAIN)) == {"imei": 2, "email": 2}


@pytest.mark.parametrize(
    "body",
    [
        f'42["place",{DOCUMENT}]',
        f'42/maps,17["place",{DOCUMENT}]',
        f'{len(DOCUMENT) + 4}:42["p",{DOCUMENT}]',
        f"payload={DOCUMENT}",
        f"2026-05-01T10:00:00 [INFO] upload: {DOCUMENT} done",
        f"data: x{len(DOCUMENT)}{DOCUMENT}",
    ],
)
def test_a_document_behind_a_prefix(planted: Detector, body: str) -> None:
    assert types(planted, message(body.encode(), PLAIN)) == {"imei": 1, "email": 1}
    assert types(planted, message(json.dumps({"log": body}).encode(), JSON)) == {"imei": 1, "email": 1}


def test_several_documents_with_a_prefix_each(planted: Detector) -> None:
    body = f'42["a",{DOCUMENT}]\x1e42["b",{DOCUMENT}]'
    assert types(planted, message(body.encode(), PLAIN)) == {"imei": 2, "email": 2}


def test_a_document_behind_a_binary_length(planted: Detector) -> None:
    body = len(DOCUMENT).to_bytes(4, "big") + DOCUMENT.encode()
    assert types(planted, message(body)) == {"imei": 1, "email": 1}


@pytest.mark.parametrize(
    "value",
    [f"base64-{BARE}", f"s:{BARE}.c2lnbmF0dXJl", f"Bearer {PACKED}", f"v1.{BARE}", f"j:{DOCUMENT}", f"a {PACKED}"],
)
def test_a_word_before_base64_or_json(planted: Detector, value: str) -> None:
    once = {"imei": 1, "email": 1}
    assert types(planted, get("/c", ("X-State", value))) == once
    assert types(planted, get("/c", ("Cookie", f"sid={quote(value)}; b=1"))) == once
    assert types(planted, get(f"/c?state={quote(value)}")) == once


def test_text_that_base64_holds_in_protobufs_format(planted: Detector) -> None:
    text = f'role: 1 producer:12 device {{ imei: {IMEI} mail: "{MAIL}" }} radius:12000'
    packed = base64.b64encode(text.encode()).decode()
    assert types(planted, get("/search", ("X-Geo", f"a {packed}"))) == {"imei": 1, "email": 1}


@pytest.mark.parametrize("plus", ["+", "%2B"])
def test_base64_whose_plus_is_plain(planted: Detector, plus: str) -> None:
    packed = base64.b64encode(json.dumps({"e": "~~~>>>>", "email": MAIL, "imei": IMEI}).encode()).decode()
    assert "+" in packed
    body = f"data={packed.replace('+', plus)}&ip=1".encode()
    assert types(planted, message(body, FORM)) == {"imei": 1, "email": 1}


def test_words_with_plus_between_keep_their_spaces(planted: Detector) -> None:
    one = message(b"note=Tolong+titip+di+satpam+depan+ya+kak&messages=Tolong+titip+di+satpam+depan+ya+kak", FORM)
    texts = {t.value.expose() for t in planted.read(one).transmissions}
    assert texts == {VALUES["messages"]}


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_requests_inside_a_request(planted: Detector, end: str) -> None:
    inner = ["Content-Type: application/http", "", f"POST /v1/p?imei={IMEI} HTTP/1.1", "Content-Type: application/json"]
    body = end.join(["--b1", *inner, "", json.dumps({"email": MAIL}), "--b1", *inner, "", "--b1--", ""])
    one = message(body.encode(), (("Content-Type", "multipart/mixed; boundary=b1"),))
    assert types(planted, one) == {"imei": 2, "email": 1}


@pytest.mark.parametrize(
    "target",
    [
        f"/ddm/activity/src=1;type=app;imei={IMEI};dc_rdid={AD};ord=1",
        f"/ddm/activity;imei={IMEI};dc_rdid={AD}?x=1",
        f"/ddm/activity?src=1;imei={IMEI};dc_rdid={AD}",
        f"/ddm/activity?to=src%3D1%3Bimei%3D{IMEI}%3Bdc_rdid%3D{AD}",
    ],
)
def test_parameters_behind_semicolons(planted: Detector, target: str) -> None:
    assert types(planted, get(target)) == {"imei": 1, "advertising_id": 1}


@pytest.mark.parametrize(
    "url",
    [
        "1/activities?imei={}&x=1",
        "/near?x=1&imei={}",
        "?imei={}&x=1",
        "//shop.example/near?imei={}",
        "shop.example/near?imei={}#top",
        "https://shop.example/#/near?imei={}",
    ],
)
def test_a_relative_url_with_a_query(planted: Detector, url: str) -> None:
    value = url.format(IMEI)
    assert types(planted, message(json.dumps({"page": value}).encode(), JSON)) == {"imei": 1}
    assert types(planted, get(f"/c?page={quote(value)}")) == {"imei": 1}


PROSE = st.text(st.sampled_from("abc {}[]\"':,;=&?.\n%+1"), max_size=200)


@given(PROSE)
def test_openers_hand_over_spans_of_the_text(text: str) -> None:
    data = text.encode()
    node = Node("request.body", None)
    leaves: list[Leaf] = []
    openers.behind_prefix(data, True, node, (), leaves, [], 50)
    openers.csv_rows(data, node, (), leaves, 50)
    openers.proto_text(data, node, (), leaves, 50)
    spans = [(a, b) for _, _, a, b, _ in leaves] + openers.lines(data, 50)
    assert all(0 <= a <= b <= len(data) for a, b in spans)


@pytest.mark.parametrize(
    "unit",
    [b"a=1&b=2\n", b"x{", b'{"a":1}x', b"a:1 b{", b"a;b=1;", b"a?b=1 ", b"a,b\n1,2\n", b"[[", b'42["', b"a.b-c+"],
)
def test_openers_are_linear(detector: Detector, unit: bytes) -> None:
    """Eight times the octets cost less than thirty times the time, in the body and in a value."""

    def cost(times: int) -> float:
        best = 1e9
        for body, headers in ((unit * times, PLAIN), (json.dumps({"v": (unit * times).decode()}).encode(), JSON)):
            begun = time.process_time()
            detector.read(message(body, headers))
            best = min(best, time.process_time() - begun)
        return best

    small, large = cost(4_000), cost(32_000)
    assert large < 30 * small + 0.5
