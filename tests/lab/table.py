"""The table of modes and protocols in docs/modes.md, as the lab's sessions found it.

Run as a program, it takes every session anew and writes the table: ``python -m tests.lab.table`` (as root)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.lab.session import PROTOCOLS
from tests.lab.spaces import ROOT

DOCS = ROOT / "docs" / "modes.md"
BEGIN, END = "<!-- table: tests/lab/table.py -->", "<!-- end of table -->"

Row = Mapping[str, str]
"""An outcome for each protocol."""


def line(mode: str, row: Row) -> str:
    return f"| {mode} | " + " | ".join(row[protocol] for protocol in PROTOCOLS) + " |"


def drawn(rows: Mapping[str, Row]) -> str:
    """The whole table, a mode a line."""
    head = ["| mode | " + " | ".join(PROTOCOLS) + " |", "|---" * (len(PROTOCOLS) + 1) + "|"]
    return "\n".join([*head, *(line(mode, row) for mode, row in rows.items())])


def in_docs() -> list[str]:
    """The lines of the table that the page holds."""
    _, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    return rest.partition(END)[0].strip().splitlines()


def main() -> None:
    from tests.lab.modes import MODES
    from tests.lab.session import outcome, take
    from tests.lab.start import lab

    rows: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as place, lab(Path(place)) as running:
        for mode in MODES:
            if reason := mode.impossible():
                rows[mode.name] = dict.fromkeys(PROTOCOLS, f"not tested here: {reason}")
                continue
            session = take(running, mode, Path(place) / f"capture-{mode.name}")
            rows[mode.name] = {protocol: outcome(session, protocol) for protocol in PROTOCOLS}
            print(line(mode.name, rows[mode.name]), file=sys.stderr)
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCS.write_text(f"{before}{BEGIN}\n{drawn(rows)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
