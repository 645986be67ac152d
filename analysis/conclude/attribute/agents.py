"""What clients say that they are (``User-Agent``): an app's name or id, or a program of the phone's own system.

The weakest word of all: any client can write it. So it never outranks what a file, the phone or a baseline of other
kinds states, names an app only as *inferred*, and where one flow says two things, says nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import pyarrow as pa


def agents(clues: pa.Table) -> dict[int, str]:
    """By flow: the one program that its client says it is."""
    stated: dict[int, set[str]] = defaultdict(set)
    for flow, kind, text in zip(*(clues[c].to_pylist() for c in ("flow", "kind", "text")), strict=True):
        if kind == "user_agent" and flow is not None and text:
            stated[flow].add(text)
    return {flow: texts.pop() for flow, texts in stated.items() if len(texts) == 1}


def suggested(flows: pa.Table) -> dict[str, object] | None:
    """The app that most of the traffic names, where the auditor states none: ``app``, ``by`` (a word of ``APP_BY``),
    and its ``flows`` of all that reached somebody and are not the system's (``of``). None where no app is named in more
    than half of them. It is what the capture shows, and no statement of which app was tested."""
    columns = (flows[c].to_pylist() for c in ("counts", "app", "app_by"))
    rows = [(app, by) for counts, app, by in zip(*columns, strict=True) if counts in ("app", "other")]
    named = Counter(app for app, _ in rows if app)
    if not named:
        return None
    app = _most(named)
    if 2 * named[app] <= len(rows):
        return None
    by = _most(Counter(by or "" for one, by in rows if one == app))
    return {"app": app, "by": by, "flows": named[app], "of": len(rows)}


def _most(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))
