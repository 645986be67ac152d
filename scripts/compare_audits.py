"""Audit captures with two checkouts and compare what each writes, byte for byte.

    python scripts/compare_audits.py OLD NEW [CAPTURE...]

OLD and NEW are checkouts whose set-up has run (``.venv/bin/lintas``). Without CAPTURE: the samples of ``captures/`` and
the real captures beside the checkout (``LINTAS_REAL``, else ``../shared/real``). Compared are the exit code, both
outputs, and each file of the audit folder; of a table that differs, the columns and rows in which it does. It prints a
line for each capture and ends with code 1 where something differs. Use it before a change that must not change what an
audit says, and to list what another change does.
"""

from __future__ import annotations

import filecmp
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
PERSONA = ROOT / "captures" / "personas" / "jakarta-buyer.yaml"


def captures() -> list[Path]:
    """The samples and the real captures, in one order."""
    real = Path(os.environ.get("LINTAS_REAL", ROOT.parent / "shared" / "real"))
    samples = [p for p in (ROOT / "captures").iterdir() if p.name not in ("personas", "README.md")]
    inside = [p for sample in samples if not (sample / "capture.yaml").exists() for p in sample.rglob("*")]
    files = [p for p in real.rglob("*") if p.suffix != ".md"] if real.is_dir() else []
    return sorted(
        [*(s for s in samples if (s / "capture.yaml").exists()), *(p for p in [*inside, *files] if p.is_file())]
    )


def audit(checkout: Path, capture: Path, out: Path) -> tuple[int, str]:
    """Exit code and both outputs, in which the audit's own folder is called OUT."""
    command = [checkout / ".venv" / "bin" / "lintas", "audit", capture, "--out", out, "--user-country", "ID"]
    done = subprocess.run([*command, "--persona", PERSONA], capture_output=True, text=True, check=False)
    words = (done.stdout + done.stderr).replace(str(out), "OUT").replace(str(checkout), "CHECKOUT")
    return done.returncode, words


def differences(old: Path, new: Path) -> Iterator[str]:
    """What differs between two audit folders."""
    names = sorted({p.relative_to(folder) for folder in (old, new) for p in folder.rglob("*") if p.is_file()})
    for name in names:
        one, other = old / name, new / name
        if not one.exists() or not other.exists():
            yield f"{name} only in {'the new' if other.exists() else 'the old'}"
        elif not filecmp.cmp(one, other, shallow=False):
            yield _table(name, one, other) if name.suffix == ".parquet" else str(name)


def _table(name: Path, one: Path, other: Path) -> str:
    old, new = pq.read_table(one), pq.read_table(other)
    if old.schema != new.schema:
        columns = sorted(set(old.column_names) ^ set(new.column_names))
        return f"{name}: another schema ({', '.join(columns) or 'types'})"
    if old.num_rows != new.num_rows:
        return f"{name}: {old.num_rows} rows, then {new.num_rows}"
    columns = [c for c in old.column_names if not old[c].equals(new[c])]
    return f"{name}: {', '.join(columns) or 'equal rows in other bytes'}"


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    old, new = (Path(a).resolve() for a in arguments[:2])
    paths = [Path(a).resolve() for a in arguments[2:]] or captures()
    different = 0
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            one, other = Path(folder) / "old" / "audit", Path(folder) / "new" / "audit"
            results = [audit(old, path, one), audit(new, path, other)]
            lines = list(differences(one, other))
            if results[0][0] != results[1][0]:
                lines.insert(0, f"exit code {results[0][0]}, then {results[1][0]}")
            elif results[0][1] != results[1][1]:
                lines.insert(0, "the terminal's words")
        different += bool(lines)
        print(f"{'differs' if lines else 'equal'}  {path.name}", *lines, sep="\n    ", flush=True)
    print(f"{len(paths)} captures, {different} differ")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
