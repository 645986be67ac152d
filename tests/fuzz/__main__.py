"""Fuzzes one kind of input down the whole road: ``python -m tests.fuzz har --runs 200000``.

The fuzzer (atheris, of requirements/fuzz.txt; ``make fuzz KIND=har RUNS=1000`` brings it) sees which branches of
``analysis`` an input takes, and keeps those that take new ones. An input for which the road does not hold what
``tests.fuzz.road`` asks of it is left in the folder ``--failed`` with what was raised, once for each place that raised,
and the fuzzer goes on; it ends with 1 where there was any. Seeds are made anew each time (tests/fuzz/seeds.py); a
corpus is kept between runs with ``--corpus FOLDER``.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

import atheris

# What is imported inside is instrumented: the road, and all of ``analysis`` that it leads to.
with atheris.instrument_imports(include=["analysis"]):
    from tests.fuzz import mutate
    from tests.fuzz.road import MOST, TOGETHER, FailedError, Road
    from tests.fuzz.seeds import KINDS

_MEMORY = Path("/dev/shm")


class Fuzzer:
    """Takes inputs down one road, counts them, and keeps those that failed."""

    def __init__(self, options: argparse.Namespace, folder: Path, corpus: Path) -> None:
        self._options, self._corpus = options, corpus
        self._road = Road(options.kind, folder)
        self._failed: set[str] = set()
        self._begun = time.monotonic()

    def one(self, data: bytes) -> None:
        try:
            self._road.run(data)
        except FailedError as failed:
            self._narrow(failed)
        except Exception as error:
            self._keep(data, error)
        spent = time.monotonic() - self._begun
        if self._road.runs >= self._options.runs or spent >= self._options.seconds:
            self._end(spent)

    def _narrow(self, failed: FailedError) -> None:
        """Find the input of a capture that failed, by giving each alone."""
        runs, alone = self._road.runs, False
        self._road.together = 1
        for data in failed.inputs:
            try:
                self._road.run(data)
            except FailedError as again:
                alone = True
                self._keep(data, again.__cause__ or again)
        self._road.runs, self._road.together = runs, TOGETHER
        if not alone:
            for number, data in enumerate(failed.inputs):
                self._keep(data, failed.__cause__ or failed, f"-{number:02d}")

    def _keep(self, data: bytes, error: BaseException, more: str = "") -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__}-{Path(last.filename).stem}-{last.lineno}"
        if place + more in self._failed:
            return
        self._failed.add(place + more)
        self._options.failed.mkdir(parents=True, exist_ok=True)
        kept = self._options.failed / f"{self._options.kind}-{place}{more}"
        kept.write_bytes(data)
        kept.with_name(kept.name + ".txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        print(f"{self._options.kind}: failed at run {self._road.runs:,}: {place}; the input is {kept}", flush=True)

    def _end(self, spent: float) -> None:
        road, kind = self._road, self._options.kind
        try:
            road.finish()
        except FailedError as failed:
            self._narrow(failed)
        for seconds, data in road.slow:
            name = f"{kind}-slow-{seconds:.0f}-{len(data)}"
            self._options.failed.mkdir(parents=True, exist_ok=True)
            (self._options.failed / name).write_bytes(data)
        print(
            f"{kind}: {road.runs:,} runs in {spent:,.0f} s ({spent / road.runs * 1000:.1f} ms), {road.taken:,} taken, "
            f"{road.refused:,} refused, {road.audits:,} audits, {road.reports:,} reports, "
            f"{len(list(self._corpus.iterdir())):,} inputs in the corpus, {len(road.slow)} slow, "
            f"{len(self._failed) or 'none'} failed",
            flush=True,
        )
        os._exit(1 if self._failed else 0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--runs", type=int, default=10_000, help="inputs (10,000)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so many (no end)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="folder of inputs that is kept and grows")
    parser.add_argument("--failed", type=Path, default=Path("build/fuzz"), help="folder for inputs that failed")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lintas-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    corpus = options.corpus or folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(KINDS[options.kind][1]()):
        (corpus / f"seed-{number}").write_bytes(seed)
    form = mutate.FORMS[options.kind]
    fuzzer = Fuzzer(options, folder, corpus)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)

        def nudge(piece: bytes) -> bytes:
            return bytes(atheris.Mutate(piece, max(len(piece) + 64, 64)))

        if chance.random() < 0.1:
            return bytes(atheris.Mutate(data, most))
        for _ in range(chance.choice((1, 1, 2, 4))):
            data = form(data, chance.getrandbits(32), nudge)
        return data[:most]

    words = [sys.argv[0], f"-seed={options.seed}", f"-max_len={MOST}", "-rss_limit_mb=3000", "-timeout=120"]
    words += ["-mutate_depth=2"]
    words += [f"-runs={options.runs * 2}", f"-artifact_prefix={corpus}/", "-print_final_stats=1", str(corpus)]
    atheris.Setup(words, fuzzer.one, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
