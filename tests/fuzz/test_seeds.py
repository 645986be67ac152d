"""Every seed, and some changed forms of each, down the whole road: what a fuzzer asks of millions is asked of a few."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import mutate
from tests.fuzz.road import Road
from tests.fuzz.seeds import KINDS

_CHANGED = 8
"""Changed forms of each of as many seeds."""


@pytest.fixture
def road(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Road]:
    made = Road(request.param, tmp_path)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("road", KINDS, indirect=True)
def test_seeds_are_audited_and_changed_ones_break_nothing(road: Road) -> None:
    seeds = KINDS[road.kind][1]()
    for seed in seeds:
        road.run(seed)
    road.finish()
    assert road.taken == len(seeds), "a seed that is refused begins nothing"
    assert road.audits or road.kind == "audit"
    form = mutate.FORMS[road.kind]
    for number, seed in enumerate(seeds[:_CHANGED]):
        for turn in range(_CHANGED):
            chance = random.Random(f"{number}.{turn}")
            nudge = _nudge(chance)
            data = seed
            for _ in range(1 + turn % 3):
                data = form(data, chance.getrandbits(32), nudge) if turn % 4 else nudge(data)
            road.run(data)
    road.finish()


def _nudge(chance: random.Random) -> mutate.Nudge:
    """Octets changed in one place: turned, cut, repeated or put in."""

    def nudge(piece: bytes) -> bytes:
        at = chance.randrange(len(piece) + 1)
        some = bytes(chance.getrandbits(8) for _ in range(chance.randrange(1, 9)))
        end = min(at + chance.randrange(1, 40), len(piece))
        return chance.choice(
            (piece[:at] + some + piece[at:], piece[:at], piece[:at] + piece[end:], piece[:end] + piece[at:])
        )

    return nudge
