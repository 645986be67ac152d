"""The rules. A finding is about a state or a phase of the session; it counts transmissions that were sent, each
conversation once, the phone's own system and other apps apart. It rests on firm ones alone (``strength.py``); how many
weak ones went the same way it says beside them, and weak ones alone make no finding.

REACH, for a state: personal data reached machines or companies that its law can compel on paper (the per-state
records ``*-REACH`` of ``regimes.yaml`` are cases of it). DEST, for a state: personal data went to a machine that is
placed there (records ``*-DEST``). CONSENT, for a phase: personal data left before the question of consent was
answered, or after it was refused. A fact from memory about a company or a statute carries none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.conclude.attribute import phase_marks
from analysis.conclude.locate.level import OWN_WORD
from analysis.conclude.strength import FIRM
from analysis.conclude.who import reaches
from analysis.folder import Manifest
from analysis.tables import TABLES, Tables

if TYPE_CHECKING:
    from analysis.conclude import Settings
    from analysis.reference import Reference

LINKS = ("machine", "operator", "machine_owner", "parent")

REACH_CANNOT_SHOW = ("cannot.demand", "cannot.parent_access", "cannot.behind_server")
DEST_CANNOT_SHOW = ("cannot.storage", "cannot.behind_server")
CONSENT_CANNOT_SHOW = ("cannot.legal_basis", "cannot.behind_server")


@dataclass(frozen=True, slots=True)
class _Sent:
    number: int
    data_type: str
    destination: int
    phase: str | None
    firm: bool
    """Its ground is strong enough to carry a finding."""
    app_from: str | None
    """How it is known that the app sent it: stated, joined, inferred; None: nothing says that another did."""


def findings(tables: Tables, manifest: Manifest, reference: Reference, settings: Settings) -> pa.Table:
    """What the rules say, sorted by rule and state."""
    sent = _sent(tables)
    destinations = {row["destination"]: row for row in tables["destinations"].to_pylist()}
    rows = [
        *_reach(sent, destinations, manifest, reference),
        *_placed(sent, destinations, manifest),
        *_consent(sent, manifest, settings),
    ]
    if manifest.app.id is not None:
        for row in rows:
            _whose(row, sent)
    rows.sort(key=lambda r: r["finding"])
    return TABLES["findings"].from_rows(rows)


def _sent(tables: Tables) -> list[_Sent]:
    """Transmissions of the app that count, firm ones and weak ones."""
    app_from = dict(zip(tables["flows"]["flow"].to_pylist(), tables["flows"]["app_from"].to_pylist(), strict=True))
    table = tables["transmissions"]
    wanted = ("transmission", "data_type", "destination", "phase", "flow", "strength")
    counting = table.filter(pc.equal(table["counts"], "sent")).select(list(wanted))
    return [
        _Sent(number, kind, place, phase, strength == FIRM, app_from[flow])
        for number, kind, place, phase, flow, strength in zip(*(counting[c].to_pylist() for c in wanted), strict=True)
    ]


def _finding(
    rule: str,
    regime: str,
    state: str | None,
    wording: str,
    sent: Iterable[_Sent],
    args: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    sent = list(sent)
    weak = [s for s in sent if not s.firm]
    firm = [s for s in sent if s.firm]
    types = sorted({s.data_type for s in firm})
    weak_types = sorted({s.data_type for s in weak} - set(types))
    told = {
        "types": ",".join(types),
        "type_count": len(types),
        "weak": len(weak),
        "weak_types": ",".join(weak_types),
        **args,
    }
    return {
        "finding": f"{rule}-{state}" if state is not None else rule,
        "rule": rule.split("-")[0],
        "regime": regime,
        "state": state,
        "severity": "notice",
        "wording": wording,
        "args": [{"name": k, "value": str(v)} for k, v in told.items()],
        "transmissions": sorted(s.number for s in firm),
        "destinations": sorted({s.destination for s in firm}),
        **more,
    }


def _whose(row: dict[str, Any], sent: list[_Sent]) -> None:
    """How far a finding rests on the app under test having been the one that sent: types for which that is only
    inferred, and types for which it is assumed, since nothing says that another app did."""
    numbers = set(row["transmissions"])
    grounds: dict[str, set[str | None]] = defaultdict(set)
    for s in sent:
        if s.number in numbers:
            grounds[s.data_type].add(s.app_from)
    weaker = {t: g for t, g in grounds.items() if not g & {"stated", "joined"}}
    inferred = sorted(t for t, g in weaker.items() if "inferred" in g)
    assumed = sorted(weaker.keys() - set(inferred))
    row["args"] += [
        {"name": "types_inferred", "value": ",".join(inferred)},
        {"name": "types_assumed", "value": ",".join(assumed)},
    ]
    if weaker:
        row["missing"] = [*(row["missing"] or ()), "missing.app_stated"]


# ------------------------------------------------------------------------------------------- reach of law


def _reach(
    sent: list[_Sent], destinations: Mapping[int, Mapping[str, Any]], manifest: Manifest, reference: Reference
) -> list[dict[str, Any]]:
    by_state: dict[str, dict[str, set[int]]] = defaultdict(lambda: {link: set() for link in LINKS})
    levels: dict[str, int] = {}
    statutes: dict[str, set[str]] = defaultdict(set)
    own: dict[str, set[str]] = defaultdict(set)
    # Only what received something: a statute or a machine that touches another destination says nothing of this data.
    # What received weak signs alone is counted with them, and lends neither level nor statute.
    firm = {s.destination for s in sent if s.firm}
    for number in sorted({s.destination for s in sent}):
        for link in destinations[number]["law_links"] or ():
            if not reaches(link):
                continue
            by_state[link["state"]][link["link"]].add(number)
            if number not in firm:
                continue
            statutes[link["state"]].update(s for s in link["statutes"] if _was_read(s, reference))
            if link["auditor_data"]:
                own[link["state"]].add(link["company"])
            if link["level"] is not None:
                levels[link["state"]] = max(levels.get(link["state"], 0), link["level"])
    rows = []
    for state, links in by_state.items():
        places = set().union(*links.values())
        if state == manifest.user_country or not places & firm:
            continue
        reached = [s for s in sent if s.destination in places]
        args: dict[str, Any] = {
            "state": state,
            "statutes": ",".join(sorted(statutes[state])),
            "auditor_data": ",".join(sorted(own[state])),
        }
        for link in LINKS:
            args[link] = len({s.data_type for s in reached if s.firm and s.destination in links[link]})
        # A statute that is known from memory, came later or reaches in another way makes no sentence of reach.
        researched = bool(statutes[state])
        rows.append(
            _finding(
                "REACH",
                "law-reach",
                state,
                "finding.reach" if researched else "finding.reach_not_researched",
                reached,
                args,
                level=levels.get(state),
                missing=[] if researched else ["missing.statute"],
                cannot_show=list(REACH_CANNOT_SHOW),
            )
        )
    return rows


def _was_read(statute: str, reference: Reference) -> bool:
    found = reference.statutes.get(statute)
    return found is not None and found.confidence == "verified"


# ------------------------------------------------------------------------------------------- destinations


def _placed(
    sent: list[_Sent], destinations: Mapping[int, Mapping[str, Any]], manifest: Manifest
) -> list[dict[str, Any]]:
    by_state: dict[str, set[int]] = defaultdict(set)
    for number, row in destinations.items():
        if row["country"] is not None and row["level"] > 0:
            by_state[row["country"]].add(number)
    rows = []
    for state, places in by_state.items():
        went = [s for s in sent if s.destination in places]
        firm = [s for s in went if s.firm]
        if state == manifest.user_country or not firm:
            continue
        levels = [destinations[s.destination]["level"] for s in firm]
        best = max(levels)
        surest = [destinations[s.destination] for s in firm if destinations[s.destination]["level"] == best]
        own_word = best == 2 and all((d["reason"] or "").partition("+")[0] in OWN_WORD for d in surest)
        args = {"state": state, "level": best}
        for level in (1, 2, 3, 4):
            args[f"hosts_{level}"] = len({s.destination for s in firm if destinations[s.destination]["level"] == level})
        missing = {1: ["missing.second_database", "missing.second_kind"], 2: ["missing.second_kind"]}.get(best, [])
        rows.append(
            _finding(
                "DEST",
                "destination",
                state,
                "finding.destination.own_word" if own_word else f"finding.destination.level{best}",
                went,
                args,
                level=best,
                missing=missing,
                cannot_show=list(DEST_CANNOT_SHOW),
            )
        )
    return rows


# ------------------------------------------------------------------------------------------------ consent


def _consent(sent: list[_Sent], manifest: Manifest, settings: Settings) -> list[dict[str, Any]]:
    """Before the answer: what left in phases that began before the first consent_refused or consent_accepted. After a
    refusal: what left from consent_refused on, until consent was accepted."""
    marks = [name for _, _, name in phase_marks(manifest, settings.events)]
    answers = [n for n, name in enumerate(marks) if name in ("consent_refused", "consent_accepted")]
    rows = []
    if answers or "consent_asked" in marks:
        until = answers[0] if answers else len(marks)
        # A phase that comes again after the answer is told apart by nothing here, so it counts as after.
        before = set(marks[:until]) - set(marks[until:]) - {"idle", "install"}
        rows += _phase_finding("before", [s for s in sent if s.phase in before])
    if "consent_refused" in marks:
        refused = marks.index("consent_refused")
        accepted = next((n for n, m in enumerate(marks) if m == "consent_accepted" and n > refused), len(marks))
        after = set(marks[refused:accepted]) - set(marks[:refused]) - set(marks[accepted:])
        rows += _phase_finding("refused", [s for s in sent if s.phase in after])
    return rows


def _phase_finding(kind: str, sent: list[_Sent]) -> list[dict[str, Any]]:
    firm = [s for s in sent if s.firm]
    if not firm:
        return []
    args = {
        "hosts": len({s.destination for s in firm}),
        "phases": ",".join(sorted({s.phase or "" for s in firm})),
    }
    made = _finding(
        f"CONSENT-{kind}",
        "consent",
        None,
        f"finding.consent.{kind}",
        sent,
        args,
        level=None,
        missing=["missing.consent_text"],
        cannot_show=list(CONSENT_CANNOT_SHOW),
    )
    return [made]
