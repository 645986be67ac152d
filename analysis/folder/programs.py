"""Programs of this project that run beside whoever starts them, such as the audit that follows a folder."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

FOLLOW = "analysis.follow"
"""The audit of a folder that grows: its first word is that folder."""
_ROOT = Path(__file__).resolve().parent.parent.parent


def start(module: str, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start ``module`` with those words, in a session of its own (Ctrl-C reaches whoever started it alone) and with
    pipes for what it says. Raises OSError."""
    path = os.pathsep.join(p for p in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if p)
    # -P: whatever lies in the folder where the auditor works is none of our modules.
    return subprocess.Popen(  # noqa: S603 - our own programs
        [sys.executable, "-P", "-m", module, *words],
        env={**os.environ, "PYTHONPATH": path},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def lintas() -> str:
    """How the command ``lintas`` of this installation is typed here: by its name where the shell finds it, else by its
    path (from this folder, where it lies below), quoted for a shell."""
    ours = Path(sys.executable).with_name("lintas")
    named = shutil.which("lintas")
    try:
        if not ours.exists() or (named is not None and Path(named).resolve() == ours.resolve()):
            return "lintas"
        below = ours.is_relative_to(Path.cwd())
        return shlex.quote(str(ours.relative_to(Path.cwd()) if below else ours))
    except OSError:
        return "lintas"
