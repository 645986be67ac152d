"""The command ``lintas`` as a user has it, in a process of its own; and captures small enough to write by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LINTAS = Path(sys.executable).with_name("lintas")


def environment(**more: str) -> dict[str, str]:
    """Ours without what would change how wide a terminal is or what may be drawn in it."""
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM")}
    return kept | {"TERM": "dumb"} | more


def lintas(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINTAS, *map(str, words)],
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        encoding="utf-8",
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def entry(number: int = 0, body: str = '{"email":"sari@example.org"}') -> dict[str, Any]:
    """One POST to an invented shop."""
    return {
        "startedDateTime": f"2026-11-18T03:{number // 60 % 60:02d}:{number % 60:02d}.000Z",
        "time": 5,
        "request": {
            "method": "POST",
            "url": f"https://api.shop.example/v1/{number}",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "content-type", "value": "application/json"}],
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": len(body),
            "postData": {"mimeType": "application/json", "text": body},
        },
        "response": {
            "status": 204,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "headers": [],
            "cookies": [],
            "content": {"size": 0, "mimeType": ""},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": 0,
        },
        "cache": {},
        "timings": {"send": 0, "wait": 1, "receive": 1},
    }


def write_har(place: Path, entries: int = 2, body: str = '{"email":"sari@example.org"}') -> Path:
    """A HAR of that many entries, written without holding them."""
    with place.open("w", encoding="utf-8") as file:
        file.write('{"log":{"version":"1.2","creator":{"name":"test","version":"1"},"entries":[')
        for n in range(entries):
            file.write(("," if n else "") + json.dumps(entry(n, body)))
        file.write("]}}")
    return place
