"""What ``lintas audit`` says in the terminal when it is done: the four axes in a few lines, and what was not seen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from lintas.terminal import printable


def show(out: Path, about: dict[str, Any]) -> None:
    """Print the audit in ``out`` in a few lines."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=False)
    for label, text in lines(out, about):
        line = Text(f"{label:<9}", style="bold")
        line.append(text, style="not bold")
        console.print(line)


def lines(out: Path, about: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines as (label, text): seen, where, who, what, unread, lost."""
    from analysis import tables

    made, _ = tables.read(out)
    hosts = [d for d in made["destinations"].to_pylist() if d["system_noise"] is None]
    counts = about["counts"]
    found = [
        (
            "Seen",
            (
                f"{printable(counts['exchanges'])} exchanges in {printable(counts['flows'])} flows with "
                f"{printable(len(hosts))} destinations"
            ),
        ),
        ("Where", _where(hosts)),
        ("Who", _who(hosts)),
        ("What", _what(made["transmissions"].to_pylist())),
    ]
    octets = Counter[str]()
    for kind, size in zip(made["opaque"]["kind"].to_pylist(), made["opaque"]["bytes"].to_pylist(), strict=True):
        octets[kind] += size or 0
    total = sum(sum(x or 0 for x in made["flows"][c].to_pylist()) for c in ("bytes_out", "bytes_in"))
    if octets:
        share = sum(octets.values()) / total if total else 0
        kinds = ", ".join(f"{kind} {printable(n)}" for kind, n in octets.most_common())
        found.append(("Unread", f"{share:.0%} of the octets ({kinds})"))
    lost = Counter[str]()
    for kind, count in zip(made["losses"]["kind"].to_pylist(), made["losses"]["count"].to_pylist(), strict=True):
        lost[kind] += count or 0
    if lost:
        found.append(("Lost", ", ".join(f"{kind} {printable(n)}" for kind, n in lost.most_common(6))))
    return found


def _where(hosts: list[dict[str, Any]]) -> str:
    placed = Counter(d["country"] for d in hosts if d["level"] >= 2 and d["country"])
    rest = len(hosts) - sum(placed.values())
    text = ", ".join(f"{c} {n}" for c, n in placed.most_common(8)) or "no country is shown"
    return text + (f"; not shown or one database alone: {rest}" if rest else "")


def _who(hosts: list[dict[str, Any]]) -> str:
    known = {d["operator"] for d in hosts if d["operator"]}
    unknown = sum(1 for d in hosts if not d["operator"])
    return f"{len(known)} companies; operator not known: {unknown} destinations"


def _what(rows: list[dict[str, Any]]) -> str:
    types = {r["data_type"] for r in rows if r["direction"] == "sent"}
    planted = {r["data_type"] for r in rows if r["direction"] == "sent" and r["method"] == "planted"}
    if not types:
        return "no personal data was read"
    return f"{len(types)} data types were sent, {len(planted)} of them known by planted values"
