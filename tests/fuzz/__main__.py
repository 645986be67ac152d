"""Fuzzes one kind of input down the whole road: ``python -m tests.fuzz har --runs 200000``.

The fuzzer (atheris, of requirements/fuzz.txt; ``make fuzz KIND=har RUNS=1000`` brings it) sees which branches of
``analysis`` an input takes, and keeps those that take new ones. It stops at the first input for which the road does not
hold what ``tests.fuzz.road`` asks of it, and leaves that input in the folder of its corpus. Seeds are made anew each
time (tests/fuzz/seeds.py); a corpus is kept between runs with ``--corpus FOLDER``.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import atheris

# What is imported inside is instrumented: the road, and all of ``analysis`` that it leads to.
with atheris.instrument_imports(include=["analysis"]):
    from tests.fuzz import mutate
    from tests.fuzz.road import MOST, Road
    from tests.fuzz.seeds import KINDS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--runs", type=int, default=10_000, help="inputs (10,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="folder of inputs that is kept and grows")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lintas-fuzz-"))
    corpus = options.corpus or folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(KINDS[options.kind][1]()):
        (corpus / f"seed-{number}").write_bytes(seed)
    road = Road(options.kind, folder)
    form = mutate.FORMS.get(options.kind)
    begun, runs = time.monotonic(), 0

    def one(data: bytes) -> None:
        nonlocal runs
        runs += 1
        try:
            road.run(data)
        except BaseException:
            (corpus / "failed").write_bytes(data)
            print(f"{options.kind}: failed at run {runs:,}; the input is {corpus / 'failed'}", flush=True)
            raise
        if runs >= options.runs:
            spent = time.monotonic() - begun
            print(
                f"{options.kind}: {runs:,} runs in {spent:,.0f} s ({runs / spent:,.0f}/s), {road.audited:,} audited, "
                f"{road.refused:,} refused, {len(list(corpus.iterdir())):,} inputs in the corpus, none failed",
                flush=True,
            )
            os._exit(0)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        def nudge(piece: bytes) -> bytes:
            return bytes(atheris.Mutate(piece, max(len(piece) + 64, 64)))

        if form is not None and random.Random(seed).random() < 0.7:
            return form(data, seed, nudge)[:most]
        return bytes(atheris.Mutate(data, most))

    words = [sys.argv[0], f"-seed={options.seed}", f"-max_len={MOST}", "-rss_limit_mb=3000", "-timeout=60"]
    words += [f"-runs={options.runs * 2}", f"-artifact_prefix={corpus}/", str(corpus)]
    atheris.Setup(words, one, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
