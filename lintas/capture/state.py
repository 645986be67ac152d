"""What the live view shows: fed with the lines of the proxy and of the follower, it says how things stand. No screen,
no files, no clock but the times in the lines."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lintas.capture import words
from lintas.capture.masking import Masking

_READ = 3
"""Apps of which it is told how much of them was read, and devices that are named."""
_KEPT = 200
"""Warnings and marks that are remembered for the view."""


@dataclass
class State:
    """``begun``, ``at``: microseconds since 1970. ``masking``: what comes in from the traffic or the auditor passes it
    before it is kept."""

    name: str
    folder: str
    begun: int
    masking: Masking = field(default_factory=Masking)
    phase: str | None = None
    phase_at: int = 0
    marks: list[dict[str, Any]] = field(default_factory=list)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    trouble: str | None = None
    warnings: list[str] = field(default_factory=list)
    ended: bool = False
    follower_gone: str | None = None
    warned: int = 0
    """Warnings so far, also those that are no longer remembered."""
    _counts: dict[str, Any] = field(default_factory=dict)
    _look: dict[str, Any] = field(default_factory=dict)
    _behind: dict[str, Any] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------ lines

    def from_proxy(self, line: dict[str, Any]) -> None:
        """One line of ``lintas.capture.proxy``."""
        kind = line.get("type")
        if kind == "status":
            self._counts = line
            trouble = line.get("trouble")
            self.trouble = trouble and self.masking.text(str(trouble))
        elif kind == "device":
            if line["client"] not in self.devices:
                self._device(str(line["client"]), None, line["at"])
        elif kind == "first":
            self._device(str(line["client"]), self.masking.host(str(line["host"])), line["at"])
        elif kind == "stranger":
            self.warn(words.STRANGER.format(client=line["client"]))
        elif kind == "trouble":
            self.warn(str(line["text"]))
        elif kind == "sealed":
            self._counts = {**self._counts, **line}
            self.ended = True

    def from_follower(self, line: dict[str, Any]) -> None:
        """One line of ``analysis.follow``."""
        kind = line.get("type")
        if kind == "look":
            self._look = line.get("summary") or {}
        if kind in ("look", "behind"):
            self._behind = line
        elif kind == "trouble":
            self.warn(str(line.get("text")))

    def _device(self, client: str, first: str | None, at: int) -> None:
        # Made anew, never changed: the page's thread may be reading it.
        self.devices = {**self.devices, client: {"client": client, "first": first, "at": at}}

    def warn(self, text: str) -> None:
        text = self.masking.text(text)
        if text not in self.warnings[-5:]:
            self.warnings = [*self.warnings, text][-_KEPT:]
            self.warned += 1

    def mark(self, at: int, phase: str | None = None, note: str | None = None) -> None:
        """The auditor began a phase, or set a mark of his own."""
        if phase is not None:
            phase = self.masking.phase(phase)
            self.phase, self.phase_at = phase, at
        note = note and self.masking.text(note)
        self.marks = [*self.marks, {"at": at, "phase": phase, "note": note}][-_KEPT:]

    # ------------------------------------------------------------------------------------------------- views

    def snapshot(self) -> dict[str, Any]:
        """How things stand, as plain values for the terminal and the page. Holds no personal value."""
        look, counts = self._look, self._counts
        destinations = look.get("destinations", [])
        apps = [d for d in destinations if d.get("whose", "app") == "app"]
        others = [d for d in destinations if d.get("whose") == "other"]
        noise = [d for d in destinations if d.get("whose") == "system"]
        unanswered = [d for d in destinations if d.get("whose") == "unanswered"]
        return {
            "name": self.masking.text(self.name),
            "folder": self.masking.text(self.folder),
            "begun": self.begun,
            "ended": self.ended,
            "phase": self.phase,
            "phase_at": self.phase_at,
            "marks": self.marks,
            "devices": list(self.devices.values()),
            "standing": self._standing(),
            "trouble": self.trouble,
            "warnings": self.warnings,
            "warned": self.warned,
            "requests": counts.get("requests", 0),
            "flows": counts.get("flows", 0),
            "messages": counts.get("messages", 0),
            "connections": counts.get("connections", 0),
            "recorded": counts.get("bytes", 0),
            "lost": sum(counts.get(f"lost_{kind}", 0) for kind in ("flows", "messages", "events")),
            "refused": max(look.get("refused", 0), counts.get("refused", 0)),
            "kept_out": counts.get("kept_out", 0),
            "turned_away": counts.get("turned_away", 0),
            "bytes_out": look.get("bytes_out", 0),
            "bytes_in": look.get("bytes_in", 0),
            "looked": bool(look),
            "behind_bytes": self._behind.get("behind_bytes", 0),
            "behind_seconds": self._behind.get("behind_seconds", 0),
            "follower_gone": self.follower_gone,
            "countries": _by_place(apps),
            # Of both, those that are shown and known, as the audit counts them.
            "countries_shown": len({p for d in apps if not (p := d["place"]).endswith("?") and p not in words.PLACES}),
            "operators_known": len({d["operator_name"] for d in apps if d["operator_name"]}),
            "operators": _by_operator(apps),
            "noise": _sum(noise) if noise else None,
            "others": _sum(others) if others else None,
            "unanswered": _sum(unanswered) if unanswered else None,
            "apps": look.get("apps", []),
            "read": [words.how_much(row) for row in _of_the_app(look.get("readable", []))],
            "data_types": look.get("data_types", []),
            "opaque": look.get("opaque", []),
            "not_trusted": sorted(
                {row["host"] or "?" for row in look.get("opaque", []) if row["cause"] == "server_certificate"}
            ),
            "left_out": sum(v for k, v in look.items() if k.endswith("_left_out")),
        }

    def _standing(self) -> str:
        """The one thing that an auditor must know first."""
        import time

        read = [d for d in self.devices.values() if d["first"]]
        if read:
            last = max(read, key=lambda d: d["at"])
            at = time.strftime("%H:%M:%S", time.localtime(last["at"] / 1e6))
            return words.FIRST.format(client=last["client"], host=last["first"], at=at)
        if self.devices:
            named = [*self.devices][:_READ]
            more = [words.LEFT_OUT.format(n=left)] if (left := len(self.devices) - len(named)) else []
            return words.CONNECTED.format(client=", ".join([*named, *more]))
        return words.WAITING


def _of_the_app(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How much was read of whom: the app under test and those of whom nobody knows, most octets first."""
    mine = [row for row in rows if row.get("whose") == "app"]
    return sorted(mine, key=lambda row: -row["bytes"])[:_READ]


def _by_place(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the follower's summary put together by place, as the follower wrote it (``?`` behind a weak one)."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["place"]].append(row)
    made = [{"place": place, "name": place_name(place), **_sum(group)} for place, group in groups.items()]
    return sorted(made, key=lambda r: (-r["bytes_out"], r["place"]))


def _by_operator(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        name = row["operator_name"] or ""
        groups[f"{name}?" if name and row["operator_confidence"] != "verified" else name].append(row)
    made = []
    for name, group in groups.items():
        parents = sorted({r["parent_name"] for r in group if r["parent_name"] and r["parent_name"] != name.rstrip("?")})
        places = sorted({r["place"] for r in group})
        made.append({"name": name or "not known", "parent": ", ".join(parents), "places": places, **_sum(group)})
    return sorted(made, key=lambda r: (-r["bytes_out"], r["name"]))


def _sum(rows: list[dict[str, Any]]) -> dict[str, Any]:
    types: dict[str, str] = {}
    for row in rows:
        for name in row["data_types"]:
            plain = name.rstrip("?")
            types[plain] = plain if types.get(plain) == plain else name
    return {
        "flows": sum(r["flows"] for r in rows),
        "bytes_out": sum(r["bytes_out"] for r in rows),
        "bytes_in": sum(r["bytes_in"] for r in rows),
        "data_types": [types[t] for t in sorted(types)],
    }


def place_name(place: str) -> str:
    """``ID?`` as ``Indonesia?``."""
    code = place.rstrip("?")
    if place in words.PLACES:
        return words.PLACES[place]
    return _territories().get(code, code) + place[len(code) :]


@cache
def _territories() -> dict[str, str]:
    from babel import Locale

    return dict(Locale("en").territories)
