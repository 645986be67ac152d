"""Patterns of data that others wrote: as the regular expressions that they look like, and in linear time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.reference import Reference
from analysis.reference.linear import LONGEST, Linear

ATOMS = st.sampled_from(["a", "b", r"\.", ".", "[ab]", "[^a]", r"\d", r"\w", "1", "^", "$", "[a-b1]"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda ways: f"({'|'.join(ways)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"])).map(
            lambda part: f"(?:{part[0]}){part[1]}"
        ),
    ),
    max_leaves=6,
)


@given(PATTERNS, st.text("ab1.\n", max_size=8))
def test_a_pattern_finds_what_a_regular_expression_finds(pattern: str, text: str) -> None:
    assert Linear(pattern).search(text) == (re.search(pattern, text) is not None)


def test_every_pattern_of_our_own_endpoints_is_such_a_pattern() -> None:
    texts = ["/", "/log", "/v1/projects/x/installations", "api.adjust.com", "graph.facebook.com", "/api/12/store/"]
    for endpoint in Reference.load().endpoints.values():
        for pattern in (endpoint.host_pattern, endpoint.path_pattern):
            linear = Linear(pattern)
            assert [linear.search(t) for t in texts] == [re.search(pattern, t) is not None for t in texts], pattern


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*b", "(.*)*x", "(?:a?){30}a{30}$", "a*a*a*a*a*a*b"])
def test_what_makes_a_search_go_back_takes_no_time(pattern: str) -> None:
    before = time.process_time()
    Linear(pattern).search("a" * (LONGEST - 1) + "!")
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"(a)\1", "(?=a)", "(?<=a)b", "(?P<n>a)", "(?i)a", r"\bword", "(open", "close)", "*", "a**", "a++", "a{3,2}"),
        *(
            "a{x}",
            "[b-a]",
            "[a",
            "\\",
            "(" * 100 + ")" * 100,
            "(?:(?:a{99}){99}){99}",
            "(((((){999}){999}){999}){999}){999}",
            "^*",
            "[[a]",
        ),
    ],
)
def test_any_other_is_refused_in_words(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{5,80}$"):
        Linear(pattern)


def test_a_text_that_is_too_long_matches_nothing() -> None:
    assert Linear("a").search("a" * LONGEST)
    assert not Linear("a").search("a" * (LONGEST + 1))
