"""How many innocents an audit accuses, and how many guilty it names.

``.venv/bin/python -m benchmarks.truth [--set SET] [--seed N] [--by rule|kind|type|country|place] [--list]
[--keep FOLDER]``: writes the labelled messages of a set as two HAR files, audits them as ``lintas audit`` does and
compares its table ``transmissions`` with the labels. Printed are the accused innocents by rule and by kind, the rate in
whole and of what is firm, and how many of the guilty were named, by type. README.md says what the labels mean."""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from analysis.audit import AuditOptions, run
from benchmarks.truth.messages import SEED, Message, har, messages

DATA_TYPES = Path(__file__).parents[2] / "analysis" / "reference" / "data_types.yaml"
PERSONAL = 2
"""Least sensitivity of a type that counts as personal; below it are facts of the device and the language."""
SENT = "sent"
SETS = {
    "first": "",
    "held-out": "held_out/",
    "second-held-out": "second_held_out/",
    "third-held-out": "third_held_out/",
    "fourth-held-out": "fourth_held_out/",
}
"""Folder of each set, below this one."""


def sensitivities() -> dict[str, int]:
    """Sensitivity of each data type, by its id."""
    listed = yaml.safe_load(DATA_TYPES.read_text(encoding="utf-8"))["data_types"]
    return {t["id"]: t["sensitivity"] for t in listed}


@dataclass(frozen=True, slots=True)
class Accusation:
    message: Message
    row: Mapping[str, Any]

    @property
    def rule(self) -> str:
        return f"{self.row['data_type']} × {self.row['method']} × {self.row['certainty']}"


def forbidden(message: Message, sensitivity: Mapping[str, int]) -> frozenset[str]:
    """The types that the message must not be accused of."""
    if "any" not in message.never:
        return message.never - message.truly
    return frozenset(t for t, s in sensitivity.items() if s >= PERSONAL) - message.truly


def is_about(message: Message, path: str) -> bool:
    """Whether the label speaks of the value at this path; keys are compared without case, underscores and hyphens."""

    def plain(text: str) -> str:
        return re.sub("[-_]", "", text.lower())

    return not message.value_at or any(plain(f".{path}").endswith(plain(f".{end}")) for end in message.value_at)


def is_firm(row: Mapping[str, Any]) -> bool:
    """Whether it may stand on the first screen: column ``strength`` where there is one, else the nearest to it."""
    if "strength" in row:
        return bool(row["strength"] == "firm")
    return row["method"] in ("planted", "endpoint") or (row["method"] == "key" and row["certainty"] != "low")


def audited(batch: list[Message], place: Path, name: str) -> list[list[Mapping[str, Any]]]:
    """The transmissions of each message, in the order of the messages."""
    path = place / f"{name}.har"
    path.write_text(har(batch), encoding="utf-8")
    concluded, _ = run(path, AuditOptions(workers=1))
    if concluded["exchanges"].num_rows != len(batch):
        raise SystemExit(f"{name}: {len(batch)} requests went in, {concluded['exchanges'].num_rows} are in the audit")
    rows: list[list[Mapping[str, Any]]] = [[] for _ in batch]
    for row in concluded["transmissions"].to_pylist():
        rows[row["exchange"]].append(row)
    return rows


def accusations(batch: list[Message], rows: list[list[Mapping[str, Any]]]) -> Iterable[Accusation]:
    """Sent transmissions of types that their message must not be accused of."""
    sensitivity = sensitivities()
    for message, own in zip(batch, rows, strict=True):
        never = forbidden(message, sensitivity)
        for row in own:
            if row["direction"] == SENT and row["data_type"] in never and is_about(message, row["path"]):
                if message.whose == "system" and row["whose"] == "system":
                    continue
                yield Accusation(message, row)


GROUPS: dict[str, Callable[[Accusation], Iterable[str]]] = {
    "rule": lambda a: [a.rule],
    "kind": lambda a: [a.message.kind],
    "type": lambda a: [a.row["data_type"]],
    "country": lambda a: [a.message.country],
    "place": lambda a: a.message.places,
}


def table(against: list[Accusation], by: str) -> str:
    """How many innocents are accused, by one grouping; the second figure is of what is firm."""
    accused: dict[str, set[str]] = defaultdict(set)
    firm: dict[str, set[str]] = defaultdict(set)
    for accusation in against:
        for group in GROUPS[by](accusation):
            accused[group].add(accusation.message.id)
            if is_firm(accusation.row):
                firm[group].add(accusation.message.id)
    lines = [f"accused innocents by {by} (of these firm):"]
    for group, ids in sorted(accused.items(), key=lambda item: (-len(item[1]), item[0])):
        lines.append(f"  {len(ids):4d} ({len(firm[group]):3d})  {group}")
    return "\n".join(lines)


def listing(against: Iterable[Accusation]) -> str:
    """Each accusation: the message's id, the rule, whether firm, and where in the message; never a value."""
    lines = {
        f"  {a.message.id}  {a.rule}  {'firm' if is_firm(a.row) else 'weak'}  {a.row['path']}": None for a in against
    }
    return "\n".join(["accusations one by one:", *lines])


def rate(ids: set[str], count: int) -> str:
    return f"{len(ids)} of {count}, {100 * len(ids) / count:.1f} %"


def innocents(
    batch: list[Message], rows: list[list[Mapping[str, Any]]], by: Iterable[str], one_by_one: bool = False
) -> str:
    against = list(accusations(batch, rows))
    lines = []
    for name, part in (
        ("all", {m.id for m in batch}),
        ("requests", {m.id for m in batch if not m.is_answer}),
        ("answers", {m.id for m in batch if m.is_answer}),
    ):
        accused = {a.message.id for a in against} & part
        firm = {a.message.id for a in against if is_firm(a.row)} & part
        lines.append(f"innocents, {name}: accused {rate(accused, len(part))}; firm {rate(firm, len(part))}")
    lines += [table(against, group) for group in by]
    return "\n".join([*lines, listing(against)] if one_by_one else lines)


def guilty(batch: list[Message], rows: list[list[Mapping[str, Any]]]) -> str:
    """How many messages are named with the right type, a near one, or not at all, by type."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for message, own in zip(batch, rows, strict=True):
        assert message.right is not None
        types = {r["data_type"]: False for r in own if r["direction"] == SENT}
        for row in own:
            if row["direction"] == SENT and is_firm(row):
                types[row["data_type"]] = True
        count = counts[message.right]
        count["messages"] += 1
        if message.right in types:
            count["right"] += 1
            count["firm"] += types[message.right]
        elif message.near & types.keys():
            count["near"] += 1
    whole: Counter[str] = sum(counts.values(), Counter())
    lines = [f"{'guilty: type':22} messages  right  (firm)  near only  missed"]
    for name, count in [*sorted(counts.items()), ("in whole", whole)]:
        missed = count["messages"] - count["right"] - count["near"]
        lines.append(
            f"{name:22} {count['messages']:8d}  {count['right']:5d}  ({count['firm']:4d})"
            f"  {count['near']:9d}  {missed:6d}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.truth", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--set", choices=list(SETS), default="first", help="which labelled set; default: first")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed gives siblings under the same labels")
    parser.add_argument("--by", action="append", choices=list(GROUPS), help="how to group; default: rule and kind")
    parser.add_argument("--list", action="store_true", help="also each accusation, by message and path")
    parser.add_argument("--keep", type=Path, help="write the HAR files there and leave them")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    with nullcontext(options.keep) if options.keep else tempfile.TemporaryDirectory() as place:
        batches = {name: list(messages(SETS[options.set] + name, options.seed)) for name in ("innocents", "guilty")}
        rows = {name: audited(batch, Path(place), name) for name, batch in batches.items()}
    print(f"set {options.set}, seed {options.seed}")
    print(innocents(batches["innocents"], rows["innocents"], options.by or ("rule", "kind"), options.list))
    print(guilty(batches["guilty"], rows["guilty"]))


if __name__ == "__main__":
    main()
