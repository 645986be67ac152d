"""Texts in charsets of East Asia, stated by their sender or not, raw, percent-encoded and in base64."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from analysis.read import Detector
from analysis.reference import Reference
from tests.read.messages import message, persona

FORM = "application/x-www-form-urlencoded"
HEADERS = (("Content-Type", f"{FORM}; charset=gb2312"),)
JSON = "application/json"

ADDRESSES = {
    "GBK": "广州市天河区试验大道十八号之三",
    "gb18030": "广州市天河区试验大道十八号之三",
    "Big5": "高雄市鼓山區試驗路一段十八號",
    "Shift_JIS": "大阪市北区ためし町三丁目十八番",
    "EUC-JP": "大阪市北区ためし町三丁目十八番",
    "EUC-KR": "부산광역시 해운대구 시험로 십팔길",
}


@pytest.mark.parametrize("charset", ADDRESSES)
@pytest.mark.parametrize("stated", [True, False])
def test_a_planted_address(reference: Reference, charset: str, stated: bool) -> None:
    raw = ADDRESSES[charset].encode(charset)
    detector = Detector(persona({"postal_address": ADDRESSES[charset]}), reference, "ID")
    told = f"; charset={charset}" if stated else ""
    bodies = [
        (b"kirim=1&ke=" + quote(raw).encode(), FORM),
        (b"kirim=1&ke=" + raw, FORM),
        (b'{"ke": {"baris": "' + raw + b'"}}', JSON),
        (b'{"ke": "' + base64.b64encode(raw) + b'"}', JSON),
        (raw, "text/plain"),
    ]
    for body, kind in bodies:
        reading = detector.read(message(body, (("Content-Type", kind + told),)))
        seen = [(t.data_type, t.method, t.value.expose()) for t in reading.transmissions]
        assert seen == [("postal_address", "planted", ADDRESSES[charset])], (kind, body[:4])
        assert reading.state == "understood"


def test_a_key_tells_a_name_in_a_stated_charset(detector: Detector) -> None:
    reading = detector.read(message(b"full_name=" + quote("王小明".encode("gbk")).encode(), HEADERS))
    assert [(t.data_type, t.value.expose()) for t in reading.transmissions] == [("full_name", "王小明")]


@pytest.mark.parametrize("body", [bytes(range(128, 256)), "Größe: drei Äpfel und fünf Öfen".encode("latin-1")])
def test_other_octets_are_no_charset_of_east_asia(detector: Detector, body: bytes) -> None:
    from analysis.read.decode.text import charset_of

    assert charset_of(body, "text/plain; charset=iso-8859-1") is None
