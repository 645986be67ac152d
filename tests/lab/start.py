"""The whole lab of namespaces, started and ended; and why it cannot be here.

Run as a program, it names the Debian packages that the lab needs and this machine lacks: ``python -m tests.lab.start``;
and says on standard error why no package would help, where none would."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.chromium import chromium_path
from tests.lab.backend import HOSTS
from tests.lab.modes import Lab, control_group, has_control_groups
from tests.lab.services import services
from tests.lab.spaces import absent, impossible, net


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Namespaces and servers, until the block ends; ``folder`` is for their files."""
    with net(folder, sorted(HOSTS.values())) as spaces, services(spaces) as running, ExitStack() as more:
        made = Lab(spaces, running)
        if has_control_groups():
            made.group = more.enter_context(control_group(made))
        yield made


def require() -> None:
    """Skip the test where the lab cannot be. With CI set, fail where the set-up should have brought what it lacks."""
    if reason := impossible():
        pytest.skip(reason)
    if lacking := [*absent(), *([] if chromium_path() else ["chromium"])]:
        words = f"the lab lacks {', '.join(lacking)}; scripts/lab.sh brings them"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)


if __name__ == "__main__":
    if reason := impossible():
        sys.exit(reason)
    print("\n".join(absent()))
