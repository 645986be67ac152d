"""What recording costs the proxy, beside bare ``mitmdump -w``.

``.venv/bin/python -m benchmarks.proxy [--pairs N] [--scale X] [--only WORDS] [--memory FLOWS]`` runs the same load
through two proxies in turn, first one first and then the other, and prints for each pair of them the median of the
ratios with the interval that holds it in 95 of 100 cases (percentile bootstrap): CPU seconds a flow of the proxy's own
process, flows a second, and the time within which 99 of 100 answers came. Ratios are ours over bare. Requests a second
swing on a machine that has other work: run it alone, and compare CPU first.

With ``--memory``: how much more memory each proxy holds for each flow, by a line through its resident memory over that
many flows, the first fifth left out. Needs nginx and h2load."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.proxy.world import (
    ALL,
    BARE,
    BARE_FEW,
    CAPTURE,
    NOT_FOLLOWED,
    Measured,
    Proxy,
    Scenario,
    proxies,
    scenarios,
    server,
)

PAIRS = 11
COMPARED = (
    (ALL, BARE),
    (NOT_FOLLOWED, BARE),
    (CAPTURE, BARE),
    (CAPTURE, BARE_FEW),
)
_WARM = 0.1


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Median of ratios, and the 95 % interval of it by bootstrap (Efron and Tibshirani 1993, chapter 13)."""
    drawn = random.Random(7)
    medians = sorted(statistics.median(drawn.choices(ratios, k=len(ratios))) for _ in range(4000))
    return statistics.median(ratios), medians[100], medians[-101]


def compare(ours: Proxy, bare: Proxy, scenario: Scenario, pairs: int, place: Path) -> None:
    warm = Scenario(**{**vars(scenario), "flows": max(int(scenario.flows * _WARM), scenario.connections)})
    for proxy in (ours, bare):
        proxy.load(warm, place)
    made: list[tuple[Measured, Measured]] = []
    for n in range(pairs):
        if n % 2:
            second = bare.load(scenario, place)
            made.append((ours.load(scenario, place), second))
        else:
            first = ours.load(scenario, place)
            made.append((first, bare.load(scenario, place)))
    print(f"  {scenario.name}: {scenario.flows} flows x {pairs} pairs")
    columns: list[tuple[str, Callable[[Measured], float], str]] = [
        ("CPU a flow", lambda m: m.cpu * 1000, "ms"),
        ("throughput", lambda m: m.rate, "flows/s"),
        ("p99", lambda m: m.p99 * 1000, "ms"),
    ]
    for name, of, unit in columns:
        middle, low, high = interval([of(a) / of(b) for a, b in made])
        mine, theirs = (statistics.median(of(pair[n]) for pair in made) for n in (0, 1))
        print(f"    {name:<10} {mine:9.3f} beside {theirs:9.3f} {unit:<8} ratio {middle:.3f} ({low:.3f} to {high:.3f})")
    sys.stdout.flush()


def memory(proxy: Proxy, scenario: Scenario, flows: int, place: Path) -> None:
    steps = 20
    part = Scenario(**{**vars(scenario), "flows": flows // steps})
    points = [(0, proxy.resident())]
    for n in range(1, steps + 1):
        proxy.load(part, place)
        points.append((n * part.flows, proxy.resident()))
    late = points[len(points) // 5 :]
    slope = statistics.linear_regression([n for n, _ in late], [size for _, size in late]).slope
    first, last = points[0][1] / 1e6, points[-1][1] / 1e6
    print(f"  {proxy.name}: {first:.0f} MB, after {points[-1][0]} flows {last:.0f} MB; {slope:+.1f} octets a flow")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of flows")
    parser.add_argument("--only", default="", help="scenarios and comparisons that hold these words, joined by +")
    parser.add_argument("--memory", type=int, metavar="FLOWS", help="memory over so many flows, and nothing else")
    words = parser.parse_args()
    only = [word for word in words.only.split("+") if word]

    def wanted(*texts: str) -> bool:
        return all(any(word in text for text in texts) for word in only)

    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        with server(place) as upstream:
            if words.memory:
                load = scenarios(1)[0]
                print(f"Memory, {load.name}")
                for name in (BARE, ALL, CAPTURE):
                    (place / "run").mkdir(exist_ok=True)
                    with proxies(place / "run", upstream, name) as (proxy,):
                        memory(proxy, load, words.memory, place)
                return
            for ours, bare in COMPARED:
                chosen = [s for s in scenarios(words.scale) if wanted(s.name, f"{ours} / {bare}")]
                if not chosen:
                    continue
                print(f"{ours}, beside {bare}")
                with tempfile.TemporaryDirectory() as folder, proxies(Path(folder), upstream, ours, bare) as pair:
                    for scenario in chosen:
                        compare(pair[0], pair[1], scenario, words.pairs, place)


if __name__ == "__main__":
    main()
