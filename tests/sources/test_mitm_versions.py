"""A flow in a version that nobody knows is refused or counted at once, and the flows behind it are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy.io import compat, tnetstring

from analysis.model import InputError
from tests.road import REAL
from tests.sources.made import dump, gather, needs_real
from tests.sources.test_mitm import flow

OLD = [v if isinstance(v, int) else [*v, 1] for v in compat.converters]
"""Every version that mitmproxy's converters know."""
ODD: list[Any] = [
    None,
    True,
    False,
    1,
    -1,
    -21,
    0,
    22,
    1 << 60,
    10**300,
    21.0,
    float("nan"),
    1e308,
    "21",
    b"21",
    "",
    {},
]
ODD += [[], [0], [0, 18.0], ["0", "18"], [[0], [18]], [9, 9], [True, False], {"version": 21}, {b"version": b"x"}]
LEVELS = ["", "metadata", "client_conn", "server_conn", "request", "response", "backup", "error", "websocket"]


def behind(tmp_path: Path, *states: dict[Any, Any]) -> dict[str, int]:
    """What is lost of those states; a flow behind them is read."""
    place = tmp_path / "flows.mitm"
    place.write_bytes(b"".join(tnetstring.dumps(state) for state in states) + dump(flow("behind")))
    seen = gather(place)
    assert seen.messages[-1].body == b"message"
    assert len({m.exchange for m in seen.messages}) >= 1
    return seen.lost


@pytest.mark.parametrize("key", ["version", b"version"])
@pytest.mark.parametrize("version", [*OLD, *ODD], ids=repr)
def test_a_state_of_almost_nothing(tmp_path: Path, key: str | bytes, version: object) -> None:
    state = {key: version, "metadata": {}}
    assert behind(tmp_path, state) == {"flow_unread": 1}
    if version in (19, 20):
        return  # read as it stands: a flow of no type that is known
    (tmp_path / "alone.mitm").write_bytes(tnetstring.dumps(state))
    with pytest.raises(InputError, match="no flow can be read"):
        gather(tmp_path / "alone.mitm")


@pytest.mark.parametrize("version", OLD, ids=repr)
def test_a_whole_flow_that_says_another_version_than_its_own(tmp_path: Path, version: object) -> None:
    state = flow().get_state()
    behind(tmp_path, state | {"version": version}, {**state, b"version": version}, state)


@pytest.mark.parametrize("level", LEVELS)
def test_a_version_at_each_level(tmp_path: Path, level: str) -> None:
    for version in (*OLD, *ODD):
        for key in ("version", b"version"):
            state = flow().get_state()
            place = state if not level else state.setdefault(level, None)
            if place is None:
                place = state[level] = {}
            if isinstance(place, dict):
                place[key] = version
            assert set(behind(tmp_path, state)) <= {"flow_unread", "flow_edited", "flow_repeated", "body_missing"}


def old_states() -> list[dict[Any, Any]]:
    from analysis.sources.mitm_dump import _dictionary

    states = []
    for name in ("dumpfile-018.mitm", "dumpfile-7.mitm", "dumpfile-7-websocket.mitm", "dumpfile-19.mitm"):
        raw = (REAL / "mitmproxy" / name).read_bytes()
        while raw:
            size, _, rest = raw.partition(b":")
            states.append(_dictionary(rest[: int(size)], 0, int(size), 0))
            raw = rest[int(size) + 1 :]
    return states


@needs_real
def test_old_flows_with_another_version_or_none(tmp_path: Path) -> None:
    for state in old_states():
        for version in (*OLD, *ODD):
            for key in ("version", b"version"):
                behind(tmp_path, {**state, key: version})
        behind(tmp_path, {k: v for k, v in state.items() if k not in ("version", b"version")})


@needs_real
@pytest.mark.parametrize(
    ("name", "flows"), [("dumpfile-018", 1), ("dumpfile-7", 2), ("dumpfile-7-websocket", 6), ("dumpfile-19", 1)]
)
def test_old_dumps_stay_readable(name: str, flows: int) -> None:
    seen = gather(REAL / "mitmproxy" / f"{name}.mitm")
    assert "flow_unread" not in seen.lost
    assert seen.messages
    assert "answered_here" not in seen.lost
    assert len(seen.exchanges) == flows


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=8))
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=8), v, max_size=4), max_leaves=8
)


@settings(max_examples=300)
@given(
    level=st.sampled_from(["", "client_conn", "server_conn", "request", "response", "metadata"]),
    number=st.integers(0, 40),
    value=VALUES,
    version=st.sampled_from([*OLD, 21, 21, 21, 21]),
)
def test_any_value_at_any_key(
    tmp_path_factory: pytest.TempPathFactory, level: str, number: int, value: Any, version: Any
) -> None:
    state = flow().get_state()
    state["version"] = version
    place = state[level] if level else state
    name = sorted(place)[number % len(place)] if place else "any"
    place[name] = value
    behind(tmp_path_factory.getbasetemp(), state)


@pytest.mark.parametrize("time", [1e308, float("nan"), float("inf"), -1.0, 253402300800.0, 10**300])
def test_a_time_that_is_none_is_counted(tmp_path: Path, time: float) -> None:
    state = flow().get_state()
    state["request"]["timestamp_start"] = time
    assert behind(tmp_path, state)["time_unreadable"] == 1
