"""The words: origins lead back and forth, secrets do not show themselves."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import InputError, Origin, Secret, Step

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
counts = st.integers(0, 1 << 40)
steps = st.one_of(st.builds(Step, names), st.builds(Step, names, counts, counts))
origins = st.builds(
    Origin,
    source=names,
    units=st.lists(counts, min_size=1, max_size=5).map(tuple),
    layer=names,
    offset=counts,
    length=counts,
    steps=st.lists(steps, max_size=4).map(tuple),
)


@given(origins)
def test_parse_undoes_format(origin: Origin) -> None:
    assert Origin.parse(str(origin)) == origin


@pytest.mark.parametrize("text", ["", "a", "a#!file:0+1", "a#x!file:0+1", "a#1!file:0", "a#1!file:-1+2", "#1!file:0+1"])
def test_what_is_no_origin_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match="is no origin"):
        Origin.parse(text)


def test_form_is_the_documented_one() -> None:
    origin = Origin("a b.pcap", (3, 4), "http-request-body", 12, 7, (Step("gzip"), Step("base64", 5, 40)))
    assert str(origin) == "a%20b.pcap#3,4!http-request-body>gzip>base64@5+40:12+7"


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("ratna@surel.example")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret}", repr([secret]), f"{secret:>40}"):
        assert "ratna" not in shown
    assert pickle.loads(pickle.dumps(secret)) == secret
