"""The one decision whether a request was delivered."""

from __future__ import annotations

import pytest

from analysis.sources.delivery import Way, delivered, direction


@pytest.mark.parametrize(
    ("way", "arrived"),
    [
        (Way(answered=True), True),
        (Way(answered=True, stopped=True), True),
        (Way(answered=True, own_answer=True, connected=True), False),
        (Way(own_answer=True, connected=True), False),
        (Way(connected=True), True),
        (Way(connected=True, stopped=True), False),
        (Way(connected=False), False),
        (Way(stopped=True), False),
        (Way(), False),
    ],
)
def test_what_proves_delivery(way: Way, arrived: bool) -> None:
    assert delivered(way) is arrived
    assert direction(way) == ("sent" if arrived else "undelivered")


def test_only_a_way_of_which_nothing_is_known_is_not_stated() -> None:
    assert not Way().is_stated
    for way in (Way(answered=True), Way(own_answer=True), Way(stopped=True), Way(connected=False)):
        assert way.is_stated
