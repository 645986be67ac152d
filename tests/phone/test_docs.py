"""docs/phone.md: each command in it is one that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from lintas.phone.commands import app

GUIDE = (Path(__file__).parents[2] / "docs/phone.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split()[2:]
    for block in re.findall(r"```\n(.*?)```", GUIDE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("lintas phone ")
]
GROUP = typer.main.get_command(app)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_the_guide_is_understood(words: list[str]) -> None:
    command = GROUP.commands[words[0]]  # type: ignore[attr-defined]
    with command.make_context(words[0], words[1:]) as context:
        assert context.command is command


def test_every_command_is_in_the_guide() -> None:
    assert {words[0] for words in COMMANDS} == set(GROUP.commands)  # type: ignore[attr-defined]
