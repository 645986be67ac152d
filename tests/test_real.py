"""Captures of real apps, published by others: what the road makes of each is kept as an expectation.

``real_expected.tsv`` is written by ``python -m tests.test_real`` and read by the test; a change in it is a change in
what reports say, and its commit says why."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

import pytest

from analysis.audit import AuditOptions, run
from analysis.model import InputError
from tests.chromium import opened
from tests.road import DEMO, REAL, real_files

EXPECTED = Path(__file__).resolve().parent / "real_expected.tsv"
COLUMNS = ("file", "flows", "exchanges", "hosts", "countries", "types", "losses", "refused")


def row(file: Path) -> dict[str, str]:
    """One line of the table: counts, countries at level 2 and better, data types that were sent, losses."""
    found = dict.fromkeys(COLUMNS, "")
    found["file"] = file.relative_to(REAL).as_posix()
    try:
        made, _ = run(file, AuditOptions(workers=1))
    except InputError as error:
        found["refused"] = str(error).replace(str(file), file.name)
        return found
    placed = [d for d in made["destinations"].to_pylist() if d["system_noise"] is None]
    countries = Counter(d["country"] for d in placed if d["level"] >= 2)
    sent = {t["data_type"] for t in made["transmissions"].to_pylist() if t["direction"] == "sent"}
    losses = Counter[str]()
    for loss in made["losses"].to_pylist():
        losses[loss["kind"]] += loss["count"]
    return found | {
        "flows": str(made["flows"].num_rows),
        "exchanges": str(made["exchanges"].num_rows),
        "hosts": str(len(placed)),
        "countries": " ".join(f"{c}:{n}" for c, n in sorted(countries.items())),
        "types": " ".join(sorted(sent)),
        "losses": " ".join(f"{k}:{n}" for k, n in sorted(losses.items())),
    }


def expected() -> dict[str, dict[str, str]]:
    with EXPECTED.open(encoding="utf-8", newline="") as file:
        return {line["file"]: line for line in csv.DictReader(file, delimiter="\t")}


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no captures of real apps at {REAL}")
@pytest.mark.parametrize("file", real_files(), ids=lambda p: p.name)
def test_a_real_capture_gives_what_is_expected(file: Path) -> None:
    told = row(file)
    assert told == expected()[told["file"]]


def test_every_real_capture_is_in_the_table() -> None:
    there = {p.relative_to(REAL).as_posix() for p in real_files()}
    assert there <= set(expected())


@pytest.mark.browser
@pytest.mark.parametrize("name", ["demo-shop", "iphone.pcap", "lab"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_reports_of_whole_audits_are_quiet_and_accessible(
    chromium: object, tmp_path: Path, name: str, width: int, dark: bool
) -> None:
    """No console message, no request, no axe violation, no sideways scroll: a readable, a closed, a mixed capture."""
    from axe_playwright_python.sync_playwright import Axe

    from analysis.audit import audit
    from reports import build

    capture = REAL / "ndpi" / name if name.endswith(".pcap") else DEMO.parent / name
    if not capture.exists():
        pytest.skip(f"no captures of real apps at {REAL}")
    out = tmp_path / "audit"
    audit(capture, out, AuditOptions())
    with opened(chromium, build(out), width=width, dark=dark) as seen:  # type: ignore[arg-type]
        violations = Axe().run(seen.page).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in violations] == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        assert seen.console == []
        assert len(seen.requests) <= 1  # the page itself


if __name__ == "__main__":
    with EXPECTED.open("w", encoding="utf-8", newline="") as out_file:
        writer = csv.DictWriter(out_file, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row(p) for p in real_files())
    sys.stdout.write(EXPECTED.read_text(encoding="utf-8"))
