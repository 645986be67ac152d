"""Reports built once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import reports
from tests.reports import fixtures

NAMES = ("rich", "poor", "several", "timeless", "empty", "revealed", "hostile")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Audit folders with their reports, by the fixture's name."""
    root = tmp_path_factory.mktemp("reports")
    made = {name: getattr(fixtures, name)(root / name) for name in NAMES}
    for folder in made.values():
        reports.build(folder)
    return made
