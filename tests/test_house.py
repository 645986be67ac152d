"""The rules that tools hold: imports (docs/design.md), types, lint; and what commands import at start."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINTER = PROJECT["tool"]["importlinter"]
BIN = Path(sys.executable).parent


def tool(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / words[0], *words[1:]],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout[-4000:] + done.stderr[-1000:]


def test_imports_only_point_down() -> None:
    done = tool("lint-imports", "--no-logo")
    assert done.returncode == 0, said(done)


def test_every_module_of_analysis_has_its_place_in_the_rule() -> None:
    (rooms,) = [c for c in LINTER["contracts"] if c["id"] == "rooms"]
    placed = {name.strip(" ()") for layer in rooms["layers"] for name in layer.split("|")}
    there = {f"analysis.{p.stem}" for p in (ROOT / "analysis").glob("*.py") if p.stem != "__init__"}
    there |= {f"analysis.{p.parent.name}" for p in (ROOT / "analysis").glob("*/__init__.py")}
    assert there - placed == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("analysis/model.py", "import analysis.tables", "Imports point down"),
        ("analysis/read/__init__.py", "import analysis.sources", "Imports point down"),
        ("reports/__init__.py", "import analysis.sources", "reports read tables"),
        ("analysis/tables.py", "import scapy.all", "scapy is imported only"),
        ("analysis/audit.py", "def _late() -> None:\n    import socket", "no network"),
    ],
)
def test_the_rule_is_not_blind(tmp_path: Path, module: str, line: str, contract: str) -> None:
    for package in LINTER["root_packages"]:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.xz", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = tool("lint-imports", "--no-logo", "--no-cache", cwd=tmp_path)
    assert done.returncode == 1, said(done)
    assert any(contract in text and "BROKEN" in text for text in done.stdout.splitlines()), said(done)


def test_scapy_stands_behind_one_module() -> None:
    import grimp

    graph = grimp.build_graph(*LINTER["root_packages"], include_external_packages=True)
    assert len(graph.find_modules_that_directly_import("scapy")) == 1


def test_what_is_declared_is_imported_and_the_other_way_round() -> None:
    import grimp

    graph = grimp.build_graph(*LINTER["root_packages"], include_external_packages=True)
    foreign = {name.partition(".")[0] for name in graph.modules} - set(LINTER["root_packages"])
    of = importlib.metadata.packages_distributions()
    imported = {canonicalize_name(d) for name in foreign - sys.stdlib_module_names for d in of[name]}
    declared = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    data_only = {"tzdata"}  # zoneinfo reads it where the system has no time zones
    assert imported == declared - data_only


@pytest.mark.slow
def test_types_are_clean() -> None:
    done = tool("mypy")
    assert done.returncode == 0, said(done)


def test_lint_is_clean() -> None:
    done = tool("ruff", "check", "--output-format", "concise")
    assert done.returncode == 0, said(done)


# --- start-up: what a command does not need it does not import

WATCH = """
import json, sys
from lintas.cli import main
sys.argv = ["lintas", *json.loads(sys.argv[1])]
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
print()
print(json.dumps([code or 0, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def imported(*words: str, cwd: Path) -> set[str]:
    """The top-level modules that one command has imported when it ends."""
    done = tool("python", "-c", WATCH, json.dumps(words), cwd=cwd)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, said(done)
    return set(modules)


def test_help_imports_next_to_nothing(tmp_path: Path) -> None:
    heavy = {"numpy", "pyarrow", "pandas", "mitmproxy", "scapy", "hyperscan", "aioquic", "jinja2"}
    assert imported("--help", cwd=tmp_path) & heavy == set()


def test_an_audit_of_a_har_imports_nothing_for_packets_or_dumps(tmp_path: Path) -> None:
    from tests.test_setup import HAR

    (tmp_path / "session.har").write_text(json.dumps(HAR), encoding="utf-8")
    heavy = {"pandas", "mitmproxy", "scapy", "aioquic"}
    assert imported("audit", "session.har", "--out", "made", cwd=tmp_path) & heavy == set()
