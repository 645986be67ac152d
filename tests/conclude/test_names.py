"""Names: a flow without a name of its own gets the one whose answer led to its address, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.conclude.names import name_flows
from tests.conclude.made import flow, tables

SERVER = "198.51.100.7"


def answer(name: str, first: int | None, last: int | None = None, **more: Any) -> dict[str, Any]:
    last = first if last is None else last
    return {"address": SERVER, "name": name, "from": "dns", "first": first, "last": last, **more}


def named(at: int | None, *answers: dict[str, Any], **more: Any) -> tuple[str | None, str | None]:
    made = tables(flows=[flow(0, first=at, dst=SERVER, **more)], names=list(answers))
    found = name_flows(made["flows"], made["names"])
    return found["host"][0].as_py(), found["host_from"][0].as_py()


def test_the_answer_before_names_the_flow() -> None:
    assert named(10, answer("a.example", 9)) == ("a.example", "dns")
    assert named(10, answer("a.example", 10)) == ("a.example", "dns")
    assert named(10, answer("a.example", 11)) == (None, None)


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        ([("a.example", 1, 1), ("b.example", 5, 5)], "b.example"),
        ([("a.example", 1, 8), ("b.example", 5, 5)], "a.example"),
        # The last answer came after the flow began: when the one before it came is not known, the first is.
        ([("a.example", 1, 20), ("b.example", 5, 5)], "b.example"),
        ([("a.example", 12, 20), ("b.example", 15, 15)], None),
    ],
)
def test_of_several_names_the_last_answered_one(answers: list[tuple[str, int, int]], name: str | None) -> None:
    assert named(10, *(answer(*a) for a in answers))[0] == name
    assert named(10, *(answer(*a) for a in reversed(answers)))[0] == name


def test_without_times_only_a_single_name_tells() -> None:
    assert named(None, answer("a.example", None)) == ("a.example", "dns")
    assert named(None, answer("a.example", None), answer("b.example", None)) == (None, None)
    # An answer without a time may have come after a flow that has one.
    assert named(10, answer("a.example", None)) == (None, None)


def test_only_answers_name_a_flow() -> None:
    assert named(10, answer("a.example", 1) | {"from": "sni"}) == (None, None)
    assert named(10, answer("a.example", 1) | {"address": "198.51.100.8"}) == (None, None)
    assert named(10, answer("a.example", 1) | {"address": None}) == (None, None)


def test_a_name_of_its_own_stays() -> None:
    assert named(10, answer("a.example", 1), host="own.example", host_from="sni") == ("own.example", "sni")


def test_an_older_answer_for_another_address_of_the_flow_is_none() -> None:
    made = tables(flows=[flow(0, dst=None)], names=[answer("a.example", 1)])
    assert name_flows(made["flows"], made["names"])["host"].to_pylist() == [None]
