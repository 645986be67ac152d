"""The write side of mitmproxy's dumps, beside mitmproxy's own."""

from __future__ import annotations

import http
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.io import tnetstring as official

from analysis.folder.tnetstring import dictionary, dumps, octets, writable

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text()
VALUES = st.recursive(PLAIN, lambda v: st.lists(v) | st.tuples(v, v) | st.dictionaries(st.text(), v), max_leaves=20)


@given(VALUES)
def test_the_octets_are_those_of_mitmproxy(value: Any) -> None:
    assert dumps(value) == official.dumps(value)


@given(st.dictionaries(st.text(), st.binary(), max_size=5))
def test_a_dictionary_of_parts_is_the_same(value: dict[str, bytes]) -> None:
    parts = dictionary((dumps(k), octets(v)) for k, v in value.items())
    assert b"".join(parts) == official.dumps(value)


def test_text_that_is_no_unicode_does_not_lose_a_flow() -> None:
    assert official.loads(dumps({"a": "x\ud800"})) == {"a": "x?"}


def test_a_number_with_a_name_is_a_number() -> None:
    assert dumps(http.HTTPStatus.OK) == b"3:200#"


def test_what_cannot_be_written_is_refused_or_left_out() -> None:
    with pytest.raises(ValueError, match="object"):
        dumps({"a": object()})
    assert writable({"a": object(), "b": [1, {"c": object()}], "d": 1}) == {"d": 1}
