"""How a stream of server-sent events falls into messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.folder import sse
from analysis.folder.sse import Splitter, messages

PIECES = st.lists(st.sampled_from([b"a", b"data: x", b"\r", b"\n", b"\r\n", b": ping", b"\n\n"]), max_size=30)


@given(PIECES, st.integers(4, 40))
def test_the_same_messages_however_the_octets_come(pieces: list[bytes], most: int) -> None:
    data = b"".join(pieces)
    splitter = Splitter(1 << 20)
    found = [message for piece in pieces for message in splitter.feed(piece)]
    found += [rest] if (rest := splitter.rest()) else []
    assert found == messages(data)
    assert b"".join(messages(data, most)) == data
    assert all(len(message) <= most for message in messages(data, most))


@given(PIECES)
def test_each_message_but_the_last_ends_in_an_empty_line(pieces: list[bytes]) -> None:
    for message in messages(b"".join(pieces))[:-1]:
        assert message.strip(b"\r\n")
        assert message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").endswith(b"\n\n")


def test_an_event_is_told_when_its_empty_line_has_come() -> None:
    splitter = Splitter()
    assert splitter.feed(b"data: 1\n") == []
    assert splitter.feed(b"\ndata: 2\r\n\r\n: ping\n\nda") == [b"data: 1\n\n", b"data: 2\r\n\r\n", b": ping\n\n"]
    assert splitter.rest() == b"da"
    assert splitter.rest() == b""


def test_an_event_without_end_takes_no_more_memory_than_a_message() -> None:
    splitter = Splitter(100)
    sizes = [len(m) for _ in range(50) for m in splitter.feed(b"x" * 30)]
    assert set(sizes) == {100}
    assert sum(sizes) + len(splitter.rest()) == 1500


def test_line_ends_without_end_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every octet is copied a fixed number of times, and not once for each line end that came before it."""
    copied = 0

    class Counted(bytearray):
        def __getitem__(self, at: Any) -> Any:
            nonlocal copied
            part = super().__getitem__(at)
            copied += len(part) if isinstance(at, slice) else 0
            return part

    monkeypatch.setattr(sse, "bytearray", Counted, raising=False)
    data = b"\n" * 20_000 + b"data: x\n\n" * 1_000
    assert b"".join(messages(data)) == data
    assert copied <= 3 * len(data)
