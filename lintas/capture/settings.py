"""What an auditor said once and need not say again: vantage, user country, app, device and its certificate store."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import typer

_FILE = "capture.json"


@dataclass(slots=True)
class Answers:
    """None: not asked yet. The empty text: asked, and not known."""

    app: str | None = None
    device: str | None = None
    store: str | None = None
    user_country: str | None = None
    vantage: str | None = None


def place() -> Path:
    """Where the system has a user's settings."""
    return Path(typer.get_app_dir("lintas")) / _FILE


def load() -> Answers:
    """The answers of last time; none where there is no file or it cannot be read."""
    try:
        value = json.loads(place().read_text("utf-8"))
    except (OSError, ValueError):
        return Answers()
    if not isinstance(value, dict):
        return Answers()
    names = {f.name for f in fields(Answers)}
    return Answers(**{k: v for k, v in value.items() if k in names and isinstance(v, str)})


def save(answers: Answers) -> None:
    """Keep them for the next time, readable by this user alone. Where that fails, they are asked again."""
    file = place()
    kept = {k: v for k, v in asdict(answers).items() if v is not None}
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, made = tempfile.mkstemp(prefix=f".{_FILE}.", dir=file.parent)
        with os.fdopen(number, "w", encoding="utf-8") as out:
            json.dump(kept, out, ensure_ascii=False, indent=2)
        os.replace(made, file)
