"""The command ``lintas`` as a user has it, in a process of its own or in this one; and captures small enough to write
by hand."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
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


def lintas_here(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """As :func:`lintas`, in this process: for what needs no process of its own, which takes seconds to start."""
    from lintas.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    with _alone(), contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        os.environ.clear()
        os.environ.update(environment(**env))
        sys.argv = [str(LINTAS), *map(str, words)]
        try:
            main()
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    return subprocess.CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """What a program changes of its process is as it was."""
    words, environ, limit = sys.argv, dict(os.environ), resource.getrlimit(resource.RLIMIT_NOFILE)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        sys.argv = words
        os.environ.clear()
        os.environ.update(environ)


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
