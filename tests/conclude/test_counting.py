"""Counting: each flow, exchange and transmission says in one word whether it counts, and all rows have one."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from analysis.conclude import counting
from analysis.reference import Reference
from tests.conclude.made import destination, exchange, flow, message, rows, sent, tables

REFERENCE = Reference.load()
TECHNICAL = min(set(REFERENCE.data_types) - REFERENCE.personal_types)


def counted(**made: list[dict[str, Any]]) -> dict[str, list[str]]:
    found = counting.counts(tables(**made), REFERENCE)
    return {name: rows(found[name], "counts") for name in ("flows", "exchanges", "transmissions")}


def one(leaf: dict[str, Any], **of_flow: Any) -> str:
    """The word of one transmission in one exchange of one flow."""
    leaf = {"destination": 0, "exchange": 0, **leaf}
    answered = of_flow.pop("answered", None)
    return counted(
        flows=[flow(0, destination=0, **of_flow)],
        exchanges=[exchange(0, 0, "a.example", destination=0)],
        messages=[message(0, 0, exchange=0, direction=leaf.get("direction", "sent"))],
        transmissions=[sent(0, 0, **leaf)],
        destinations=[destination(0, answered=answered)],
    )["transmissions"][0]


def test_what_a_transmission_counts_as() -> None:
    assert one({}) == "sent"
    assert one({"direction": "received"}) == "received"
    assert one({"direction": "undelivered"}) == "undelivered"
    assert one({}, answered=False) == "undelivered"
    assert one({"destination": None}) == "undelivered"
    assert one({"data_type": TECHNICAL}) == "not_personal"
    assert one({"whose": "other"}) == "other"
    assert one({"whose": "system"}) == "system"
    assert one({}, same_as=7) == "duplicate"
    # A name that only a persona has was planted, so it is somebody's.
    assert one({"data_type": "shoe_size"}) == "sent"


def test_the_first_word_that_fits_is_the_one() -> None:
    assert one({"data_type": TECHNICAL, "whose": "other", "direction": "undelivered"}, same_as=7) == "duplicate"
    assert one({"data_type": TECHNICAL, "whose": "other"}) == "not_personal"
    assert one({"whose": "system", "direction": "undelivered"}) == "system"


def test_a_flow_counts_when_one_of_its_requests_reached_somebody() -> None:
    """One connection to a proxy served two names, of which one was never handed on; of another nothing was."""
    made = counted(
        flows=[flow(0, destination=0), flow(1, destination=1), flow(2, destination=2), flow(3, destination=3)],
        exchanges=[
            exchange(0, 0, "a.example", destination=0),
            exchange(1, 0, "b.example", destination=1),
            exchange(2, 1, "b.example", destination=1),
            exchange(3, 2, "c.example", destination=2),
        ],
        messages=[
            message(0, 0, exchange=0),
            message(1, 0, exchange=1, direction="undelivered"),
            message(2, 1, exchange=2, direction="undelivered"),
        ],
        destinations=[destination(0), destination(1, answered=False), destination(2), destination(3)],
    )
    assert made["exchanges"] == ["app", "undelivered", "undelivered", "undelivered"]
    # The last one said nothing that HTTP knows, so it is as its destination is.
    assert made["flows"] == ["app", "undelivered", "undelivered", "app"]


def test_a_flow_outside_http_to_what_never_answered_is_undelivered() -> None:
    made = counted(flows=[flow(0, destination=0)], destinations=[destination(0, answered=False)])
    assert made["flows"] == ["undelivered"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["sent", "received", "undelivered"]),
            st.sampled_from(["email", TECHNICAL]),
            st.sampled_from(["app", "other", "system"]),
            st.sampled_from([None, 0]),
        )
    )
)
def test_every_row_has_one_word_and_twice_is_once(leaves: list[tuple[str, str, str, int | None]]) -> None:
    made = tables(
        flows=[flow(n, destination=0, same_as=same) for n, (_, _, _, same) in enumerate(leaves, 1)],
        transmissions=[
            sent(n, n, kind, direction=direction, whose=whose, destination=0)
            for n, (direction, kind, whose, _) in enumerate(leaves, 1)
        ],
        destinations=[destination(0)],
    )
    once = counting.counts(made, REFERENCE)
    assert counting.counts(once, REFERENCE) == once
    words = {"sent", "received", "undelivered", "other", "system", "not_personal", "duplicate"}
    found = rows(once["transmissions"], "counts")
    assert set(found) <= words
    for (direction, kind, whose, same), word in zip(leaves, found, strict=True):
        counts = direction == "sent" and kind == "email" and whose == "app" and same is None
        assert (word == "sent") == counts
