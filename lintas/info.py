"""What is in a capture, told in about a second: kinds, times, devices, what can be read, what would open the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lintas.terminal import UNREAD, labelled, printable, screen, table

if TYPE_CHECKING:
    from analysis.folder import Capture
    from analysis.persona import Planted

LOOKED_AT = 8 << 20
"""Octets of each file that are looked at: what is larger is told from its beginning, and that is said."""


def describe(path: Path) -> dict[str, Any]:
    """Kinds, times, devices and readability of a capture, as plain data. Raises InputError as an audit would."""
    from analysis.folder import open_capture
    from analysis.model import InputError

    capture = open_capture(path)
    clean = _cleaner(capture)
    files = []
    refused: list[InputError] = []
    for file in capture.files:
        name = clean(file.name)
        try:
            files.append(_file(file.path, name, clean))
        except InputError as error:
            refused.append(error)
            note = clean(str(error))
            files.append({"file": name, "kind": "other", "bytes": file.path.stat().st_size, "note": note})
    if len(refused) == len(capture.files):
        raise refused[0]
    m = capture.manifest
    app = m.app.id or m.app.name
    return {
        "capture": clean(capture.name),
        "made": m.made and clean(m.made),
        "app": app and clean(app),
        "user_country": m.user_country,
        "persona": None if capture.persona is None else clean(capture.persona.name),
        "files": files,
    }


def _cleaner(capture: Capture) -> Callable[[str], str]:
    """What a text of the capture becomes: the same without what was planted, and without mail addresses and
    identifiers that are plain to see. Nothing is read here, so nothing else is known of what is somebody's."""
    from analysis.folder import own_persona
    from analysis.model import InputError
    from analysis.persona import load_persona
    from analysis.read.identifiers import hide_plain
    from analysis.read.mask import Mask
    from analysis.reference import Reference

    planted: tuple[Planted, ...] = ()
    try:
        if (place := own_persona(capture)) is not None:
            planted = tuple(load_persona(place, Reference.load().data_type_aliases()).values)
    except InputError:  # the audit tells of it
        planted = ()
    mask = Mask.of(planted, capture.manifest.user_country)
    return lambda text: hide_plain(mask.text(text))


def _file(path: Path, name: str, clean: Callable[[str], str]) -> dict[str, Any]:
    from analysis.sources import Options
    from analysis.sources.identify import open_source

    size = path.stat().st_size
    kind, batches = open_source(path, name, Options())
    seen: Counter[str] = Counter()
    hosts: set[str] = set()
    devices: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    unread: Counter[tuple[str, str]] = Counter()
    times: list[int] = []
    keys = 0
    whole = True
    for batch in batches:
        seen["exchanges"] += len(batch.exchanges)
        seen["messages"] += len(batch.messages)
        keys += batch.keys
        for e in batch.exchanges:
            hosts.add(e.host)
            if e.started is not None:
                times.append(e.started)
        for row in batch.flows.to_pylist() if batch.flows is not None else ():
            seen["flows"] += 1
            devices[row["src"] or "not stated"] += 1
            hosts.update([row["host"]] if row["host"] else [])
            times += [int(t.timestamp() * 1_000_000) for t in (row["first"], row["last"]) if t is not None]
            for part in row["unread"] or ():
                unread[(part["kind"], part["cause"])] += part["bytes"] or 0
        for loss in batch.losses:
            losses[loss.kind] += loss.count
        if batch.done > LOOKED_AT:
            whole = False
            break
    return {
        "file": name,
        "kind": kind,
        "bytes": size,
        "whole": whole,
        "first": _time(min(times, default=None)),
        "last": _time(max(times, default=None)),
        **{k: seen[k] for k in ("flows", "exchanges", "messages")},
        "hosts": len(hosts - {""}),
        "devices": {clean(d): n for d, n in devices.most_common(5)},
        "keys": keys,
        "unread": [{"kind": k, "cause": _cause(c), "bytes": n} for (k, c), n in unread.most_common()],
        "losses": dict(losses),
        "opens": _what_opens(set(unread)),
    }


def _cause(cause: str | None) -> str:
    """A cause that reports have words for: others are words of the capture's own, and may be anything."""
    from reports import messages

    return cause if cause and f"cause.{cause}" in messages.load("en") else "not_stated"


def _what_opens(parts: set[tuple[str, str]]) -> list[str]:
    """What would open the rest today, by kind and cause: no advice names what Lintas cannot use yet, such as keys of
    sessions or an app's own keys."""
    kinds = {kind for kind, _ in parts}
    advice = []
    if "encrypted" in kinds:
        advice.append("a capture through a proxy whose certificate the app takes (lintas capture)")
    if kinds & {"ca_refused", "pinned"}:
        advice.append("that certificate in the system's store of a rooted phone or an emulator; not where the app pins")
    if any(kind == "truncated" and cause == "body_not_kept" for kind, cause in parts):
        advice.append("an export that holds the bodies: these were dropped when the file was written")
    return advice


def _time(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show(about: dict[str, Any]) -> None:
    """Print what ``describe`` found."""
    from rich.text import Text

    console = screen()
    console.print(Text(printable(about["capture"]), "bold"))
    told = (("Made", "made"), ("App", "app"), ("User", "user_country"), ("Persona", "persona"))
    labelled((label, about[key]) for label, key in told if about[key])
    columns = {
        "file": "File",
        "kind": "Kind",
        "bytes": "Bytes",
        "flows": "Flows",
        "exchanges": "Exchanges",
        "hosts": "Hosts",
    }
    table(about["files"], columns, frozenset({"bytes", "flows", "exchanges", "hosts"}))
    for f in about["files"]:
        part = "" if f.get("whole", True) else f" (its first {LOOKED_AT >> 20} MB; lintas audit reads all of it)"
        console.print(Text(printable(f["file"]), "bold").append(part, "not bold"))
        labelled(_lines(f), indent=2)


def _lines(f: dict[str, Any]) -> list[tuple[str, str]]:
    if f.get("note"):
        return [("", f["note"])]
    made = [("When", (f["first"] or "it has no times") + (f" to {f['last']}" if f["last"] else ""))]
    devices = [f"{d} ({n:,} {'flow' if n == 1 else 'flows'})" for d, n in f["devices"].items()]
    made.append(("Devices", ", ".join(devices) or "none"))
    if f["keys"]:
        made.append(("Keys", f"{f['keys']:,} secrets of TLS sessions, which this Lintas does not use"))
    for part in f["unread"]:
        cause = part["cause"].replace("_", " ")
        made.append(("Unread", f"{UNREAD.get(part['kind'], part['kind'])} ({cause}): {part['bytes']:,} bytes"))
    made += [("Lost", f"{kind.replace('_', ' ')}: {count:,}") for kind, count in f["losses"].items()]
    made += [("Open it", f"by {advice}") for advice in f["opens"]]
    return made
