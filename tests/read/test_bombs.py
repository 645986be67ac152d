"""What a few octets may cost: work is counted, in octets, layers and searches, never in seconds."""

from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from analysis import codecs
from analysis.model import InputError, Secret, Step
from analysis.persona import MAX_LENGTH, Planted
from analysis.read.decode import text
from analysis.read.decode.walk import Forest, Limits, Walk, Walked
from analysis.read.detect.planted import Needles
from analysis.read.mask import Mask
from tests.read.messages import JSON, message


def walk(body: bytes, *headers: tuple[str, str]) -> Walked:
    return Walk(message(body, (*JSON, *headers)), Forest(), Limits()).run()


def given(walked: Walked) -> int:
    """Octets that all decodings gave."""
    return sum(len(layer.data) for layer in walked.layers if layer.steps)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_packed_many_times_gives_no_more_than_its_size_allows(times: int) -> None:
    body = json.dumps(["x" * 100] * 300_000).encode()
    for _ in range(times):
        body = gzip.compress(body, 9)
    walked = walk(body, ("Content-Encoding", ", ".join(["gzip"] * times)))
    most = codecs.most_octets(len(body))
    assert given(walked) <= most
    assert (walked.state, walked.not_understood) == ("not_understood", len(body))
    assert [kind for kind, _, _ in walked.losses] == ["body_limited"]


def test_values_packed_within_values_share_one_budget() -> None:
    """Every one of 4,000 values would give two megabytes."""
    inner = gzip.compress(b'{"k":"' + b"A" * 2_000_000 + b'"}', 9)
    middle = gzip.compress(json.dumps([base64.b64encode(inner).decode()] * 200).encode(), 9)
    body = json.dumps({"d": [base64.b64encode(middle).decode()] * 20}).encode()
    walked = walk(body)
    assert given(walked) <= codecs.most_octets(len(body))
    assert "octets_limited" in {kind for kind, _, _ in walked.losses}


def test_honest_packing_is_not_limited() -> None:
    rows = [{"event": "view", "at": 1_700_000_000 + n, "screen": n % 9, "ms": n * 7 % 1_001} for n in range(60_000)]
    body = gzip.compress(json.dumps(rows).encode(), 9)
    assert walk(body, ("Content-Encoding", "gzip")).state == "understood"


def test_the_way_back_gives_no_more_than_reading_may() -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(codecs.replay(bomb, [Step("gzip")])) <= codecs.most_octets(len(bomb)) < 40_000_000
    with pytest.raises(InputError):
        codecs.replay(b"no gzip", [Step("gzip")])


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_stream_of_events_is_searched_once(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One search a line, from where the last one ended: never the rest of the stream for an end that does not come."""
    searched = 0
    pattern = re.compile(rb"[\r\n]")

    class Counted:
        def search(self, data: bytes, at: int) -> re.Match[bytes] | None:
            nonlocal searched
            found = pattern.search(data, at)
            searched += (len(data) if found is None else found.end()) - at
            return found

    monkeypatch.setattr(text, "_LINE_END", Counted())
    data = (b"data: some words" + end + end) * 2_000
    assert len(list(text.events(data))) == 2_000
    assert searched <= len(data)


def test_a_planted_value_that_repeats_one_letter_is_searched_like_others() -> None:
    """The automaton that the library chooses takes minutes to build for it."""
    value = "x" * MAX_LENGTH
    planted = [Planted("user_id", "user_id", False, Secret(value), 1)]
    needles = Needles(planted, frozenset(), None)
    for data in (value.encode(), value.encode().hex().encode()):
        assert [(h.start, h.end) for h in needles.find(b"id=" + data + b"&")] == [(3, 3 + len(data))]
    assert value not in Mask(planted, needles, None).text(f"/user/{value}")
