"""Judge: three rules, each the same for every state, none stronger than its evidence."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.conclude import Settings, attribute, counting, strength
from analysis.conclude.judge import findings, keep_evidence
from analysis.conclude.judge.evidence import KEPT
from analysis.folder import App, Manifest
from analysis.reference import Reference
from tests.conclude.made import DAY, SECOND, args, destination, flow, link, rows, sent, tables

REFERENCE = Reference.load()
STATES = sorted(REFERENCE.countries)
RULES = REFERENCE.rules
USER = Manifest(user_country="AQ")
FOREIGN = [s for s in STATES if s != "AQ"]
"""A user of a state that no rule here is about."""

NOT_PERSONAL = min(set(REFERENCE.data_types) - REFERENCE.personal_types)

Rows = dict[str, list[dict[str, Any]]]


def judged(made: Rows, manifest: Manifest = USER, events: tuple[dict[str, Any], ...] = ()) -> dict[str, dict[str, Any]]:
    spoken = attribute.apps(tables(**made), manifest, REFERENCE, events)
    counted = counting.counts(spoken, REFERENCE)
    counted["transmissions"] = strength.describe(counted, REFERENCE)
    table = findings(counted, manifest, REFERENCE, Settings(date=DAY, events=events))
    return {f["finding"]: f for f in table.to_pylist()}


def audit(*links: dict[str, Any], **place: Any) -> Rows:
    """The least audit: one planted value of one type went to one destination."""
    return {
        "flows": [flow(0, destination=0)],
        "transmissions": [sent(0, 0, destination=0)],
        "destinations": [destination(0, law_links=list(links), **place)],
    }


# ------------------------------------------------------------------------------- the records of regimes.yaml

REACH = sorted(r for r in RULES if r.endswith("-REACH"))
DEST = sorted(r for r in RULES if r.endswith("-DEST"))


def states_of(record: str) -> list[str]:
    """The states that a record is about: production orders of the Union reach companies of its members."""
    subject = RULES[record].subject_country
    return sorted(REFERENCE.groups["e_evidence"].members) if subject == "EU" else [subject]


def company(state: str) -> dict[str, Any]:
    """A link to a state as ``who`` makes it, by statutes in force on the day."""
    from analysis.conclude.who import Who

    found = Who(reference=REFERENCE, day=DAY)
    found.seats = [link(state)]
    (made,) = found.law_links(None, 0)
    return made


def test_there_are_records_for_several_states() -> None:
    assert {"CN-REACH", "US-REACH", "RU-REACH", "EU-REACH", "ID-REACH", "SG-REACH"} <= set(REACH)
    assert {"CN-DEST", "US-DEST", "RU-DEST", "SG-DEST"} <= set(DEST)


@pytest.mark.parametrize("record", REACH)
def test_the_one_rule_says_what_the_record_of_reach_says(record: str) -> None:
    when = RULES[record].when
    assert set(when) == {"user_country", "data_types", "law_reach_countries"}
    for state in states_of(record):
        made = judged(audit(company(state)))
        assert set(made) == {f"REACH-{state}"}
        found = made[f"REACH-{state}"]
        assert (found["wording"], found["severity"]) == ("finding.reach", RULES[record].severity)
        assert set(RULES[record].statutes or ()) <= set(args(found)["statutes"].split(","))
        assert found["missing"] == []
        assert (found["transmissions"], found["destinations"]) == ([0], [0])


@pytest.mark.parametrize("record", REACH)
def test_without_one_of_its_conditions_there_is_no_finding_of_reach(record: str) -> None:
    for state in states_of(record):
        fit = audit(company(state))
        assert judged(fit, Manifest(user_country=state)) == {}
        for change in ({"data_type": NOT_PERSONAL}, {"direction": "received"}):
            assert judged({**fit, "transmissions": [sent(0, 0, destination=0) | change]}) == {}, change
        for broken in ({"confidence": "recalled"}, {"as_of": "2027-01-01"}):
            assert judged(audit(company(state) | broken)) == {}, broken
        assert judged({**fit, "transmissions": []}) == {}
        elsewhere = {**fit, "destinations": [destination(0), destination(1, law_links=[company(state)])]}
        assert judged(elsewhere) == {}


@pytest.mark.parametrize("record", DEST)
def test_the_one_rule_says_what_the_record_of_a_destination_says(record: str) -> None:
    rule = RULES[record]
    (state,) = rule.when["destination_country"]
    least = rule.when["evidence_level"]["min"]
    for level in range(1, 5):
        made = judged(audit(country=state, level=level))
        found = made[f"DEST-{state}"]
        assert (found["wording"], found["level"]) == (f"finding.destination.level{level}", level)
        assert found["severity"] == rule.severity
        # Below what the record asks for, the weaker sentence says what a stronger one would need.
        assert bool(found["missing"]) == (level < least)
    assert judged(audit(country=state, level=0)) == {}


@pytest.mark.parametrize("record", DEST)
def test_without_one_of_its_conditions_there_is_no_finding_of_a_destination(record: str) -> None:
    (state,) = RULES[record].when["destination_country"]
    fit = audit(country=state, level=3)
    assert judged(fit, Manifest(user_country=state)) == {}
    assert judged(audit(country=None, level=1, anycast=True)) == {}
    for change in ({"data_type": NOT_PERSONAL}, {"direction": "received"}):
        assert judged({**fit, "transmissions": [sent(0, 0, destination=0) | change]}) == {}, change


# ---------------------------------------------------------------------------------------------- symmetry

level_of = st.integers(0, 4)
LINK = st.builds(
    lambda kind, state, confidence, as_of, level: link(
        state, kind, confidence=confidence, as_of=as_of, level=level if kind == "machine" else None
    ),
    st.sampled_from(["machine", "operator", "machine_owner", "parent"]),
    st.sampled_from(["CN", "US"]),
    st.sampled_from(["verified", "recalled"]),
    st.sampled_from([None, "2027-01-01"]),
    st.integers(1, 4),
)
PLACE = st.builds(
    lambda links, country, level, noise: {
        "law_links": links,
        "country": country if level else None,
        "level": level,
        "system_noise": noise,
    },
    st.lists(LINK, max_size=4),
    st.sampled_from(["CN", "US"]),
    level_of,
    st.sampled_from([None, None, None, "time"]),
)
SENT = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["email", "imei", NOT_PERSONAL, "gps_precise", "own name"]),
    st.sampled_from(["high", "low"]),
)


def renamed(value: Any, names: dict[str, str]) -> Any:
    """The same rows with states exchanged, wherever they stand."""
    if isinstance(value, dict):
        return {k: renamed(v, names) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


@given(
    st.lists(PLACE, min_size=4, max_size=4),
    st.lists(SENT, min_size=1, max_size=6),
    st.sampled_from(STATES),
    st.sampled_from(STATES),
    st.sampled_from([None, "CN", "US", "ID"]),
)
def test_states_that_are_exchanged_exchange_their_findings(
    places: list[dict[str, Any]], leaves: list[tuple[int, str, str]], one: str, other: str, user: str | None
) -> None:
    """Statutes apart, which each state has its own of, a finding is about its state and knows no other."""
    if one == other or {one, other} & {"CN", "US", "ID"}:
        one, other = "US", "CN"
    names = {"CN": one, "US": other}
    made: Rows = {
        "flows": [flow(n, destination=n) for n in range(4)],
        "transmissions": [
            sent(n, place, kind, destination=place, certainty=sure) for n, (place, kind, sure) in enumerate(leaves)
        ],
        "destinations": [destination(n, **p) for n, p in enumerate(places)],
    }
    said = judged(made, Manifest(user_country=user))
    again = judged(renamed(deepcopy(made), names), Manifest(user_country=names.get(user or "", user)))
    assert {renamed(n.replace("-", " ").split(), names)[-1] + n[:4] for n in said} == {n[-2:] + n[:4] for n in again}
    for name, finding in said.items():
        rule, _, state = name.partition("-")
        twin = again[f"{rule}-{names[state]}"]
        for key in ("severity", "wording", "level", "transmissions", "destinations", "cannot_show", "missing"):
            assert finding[key] == twin[key], key
        told, of_twin = args(finding), args(twin)
        assert {k: v for k, v in told.items() if k != "state"} == {k: v for k, v in of_twin.items() if k != "state"}


@given(st.sampled_from(FOREIGN), st.sampled_from(FOREIGN))
def test_a_statute_is_all_that_tells_states_apart(one: str, other: str) -> None:
    """With the same statute in their links two states are told in the same words."""
    statute = ["US-CLOUD"]
    first, second = (judged(audit(link(s, statutes=statute)))[f"REACH-{s}"] for s in (one, other))
    for key in ("wording", "severity", "level", "cannot_show", "missing"):
        assert first[key] == second[key]
    assert args(first) | {"state": ""} == args(second) | {"state": ""}


# ------------------------------------------------------------------------------------- what carries none


def test_a_statute_from_memory_is_no_researched_one() -> None:
    recalled = next(s.id for s in REFERENCE.statutes.values() if s.confidence == "recalled")
    for statutes in ([], [recalled], ["no such statute"]):
        found = judged(audit(link("JP", statutes=statutes)))["REACH-JP"]
        assert (found["wording"], found["missing"]) == ("finding.reach_not_researched", ["missing.statute"])
        assert args(found)["statutes"] == ""
    found = judged(audit(link("JP", statutes=[recalled, "US-CLOUD"])))["REACH-JP"]
    assert (found["wording"], args(found)["statutes"]) == ("finding.reach", "US-CLOUD")


def test_a_machine_that_one_weak_source_places_is_not_within_reach() -> None:
    """The weak sentence is that of its place; for the law two sources must agree."""
    for level in range(1, 5):
        made = judged(audit(link("SG", "machine", level=level), country="SG", level=level))
        assert ("REACH-SG" in made) == (level >= 2)
        assert made["DEST-SG"]["level"] == level
    assert judged(audit(link("SG", "machine", level=2)))["REACH-SG"]["level"] == 2


def test_only_what_received_something_is_told_of_a_state() -> None:
    """Another machine there, better placed, and another statute say nothing of what was sent to this one."""
    made = audit(link("SG", "machine", level=2, statutes=["SG-CPC"]), country="SG", level=2)
    made["destinations"].append(
        destination(1, country="SG", level=4, law_links=[link("SG", "operator", statutes=["US-CLOUD"])])
    )
    said = judged(made)
    assert said["REACH-SG"]["level"] == said["DEST-SG"]["level"] == 2
    told = args(said["REACH-SG"])
    assert (told["statutes"], told["machine"], told["operator"]) == ("SG-CPC", "1", "0")
    assert args(said["DEST-SG"])["hosts_4"] == "0"


FIT = audit(link("SG"), country="SG", level=3)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("transmissions", {"direction": "received"}),
        ("transmissions", {"destination": None}),
        ("transmissions", {"data_type": NOT_PERSONAL}),
        ("transmissions", {"method": "endpoint", "endpoint": "no such field"}),
        ("flows", {"same_as": 7}),
        ("flows", {"app": "com.google.android.gms"}),
        ("flows", {"app": "com.example.bank"}),
        ("destinations", {"system_noise": "time"}),
    ],
    ids=lambda c: c if isinstance(c, str) else next(iter(c)),
)
def test_what_carries_no_finding(table: str, change: dict[str, Any]) -> None:
    manifest = Manifest(user_country="ID", app=App(id="com.example.shop"))
    assert set(judged(FIT, manifest)) == {"REACH-SG", "DEST-SG"}
    assert judged({**FIT, table: [FIT[table][0] | change]}, manifest) == {}


def test_a_field_of_a_known_endpoint_carries_one_when_it_was_read_in_a_document() -> None:
    fields = [(f, e) for e in REFERENCE.endpoints.values() for f in e.fields]
    read = next(f.id for f, e in fields if f.confidence == e.confidence == "verified")
    recalled = [f.id for f, e in fields if "recalled" in (f.confidence, e.confidence)]

    def with_field(field: str, **more: Any) -> set[str]:
        leaf = sent(0, 0, destination=0, method="endpoint", endpoint=field, **more)
        return set(judged({**FIT, "transmissions": [leaf]}))

    assert with_field(read) == {"REACH-SG", "DEST-SG"}
    for field in recalled[:20]:
        assert with_field(field) == set()
        # Another ground says it too: the value itself, or a key that a check bears out.
        assert with_field(field, also=["key"]) == {"REACH-SG", "DEST-SG"}


WEAK = {"method": "key", "certainty": "low"}


def test_a_finding_rests_on_firm_signs_and_counts_the_weak_ones_beside_them() -> None:
    leaves = [
        sent(0, 0, "email", destination=0, **WEAK),
        sent(1, 0, "imei", destination=0, **WEAK),
        sent(2, 0, "imei", destination=0),
        sent(3, 0, "genetic", destination=0, method="value", certainty="low"),
    ]
    made = judged({**FIT, "transmissions": leaves})
    assert set(made) == {"REACH-SG", "DEST-SG"}
    for finding in made.values():
        told = args(finding)
        assert (told["types"], told["type_count"]) == ("imei", "1")
        assert (told["weak"], told["weak_types"]) == ("3", "email,genetic")
        assert finding["transmissions"] == [2]
    assert args(made["REACH-SG"])["operator"] == "1"


def test_weak_signs_alone_make_no_finding() -> None:
    events = tuple({"type": "phase", "phase": p, "at": n} for n, p in enumerate(("browse", "consent_refused", "buy")))
    for change in (WEAK, {"method": "value", "certainty": "low"}, {"method": "endpoint", "endpoint": "no such field"}):
        leaves = [sent(n, 0, destination=0, phase=p) | change for n, p in enumerate(("browse", "buy"))]
        assert judged({**FIT, "transmissions": leaves}, events=events) == {}
    leaves = [sent(n, 0, destination=0, phase=p) for n, p in enumerate(("browse", "buy"))]
    assert set(judged({**FIT, "transmissions": leaves}, events=events)) == {
        *("REACH-SG", "DEST-SG", "CONSENT-before", "CONSENT-refused")
    }


def test_a_destination_that_only_weak_signs_went_to_lends_no_level() -> None:
    made = audit(link("SG", "machine", level=2), country="SG", level=2)
    made["destinations"].append(destination(1, country="SG", level=4, law_links=[link("SG", "machine", level=4)]))
    made["transmissions"].append(sent(1, 0, destination=1) | WEAK)
    for finding in judged(made).values():
        assert (finding["level"], finding["destinations"], args(finding)["weak"]) == (2, [0], "1")


GROUNDS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["planted", "endpoint", "key", "value"]),
        "also": st.lists(st.sampled_from(["endpoint", "key", "value"]), max_size=2, unique=True),
        "certainty": st.sampled_from(["high", "medium", "low"]),
    }
)


@given(GROUNDS)
def test_what_is_firm(ground: dict[str, Any]) -> None:
    """Planted always is; a shape and a field from memory never are by themselves; a key is by its check."""
    made = tables(transmissions=[sent(0, 0) | ground | {"endpoint": "no such field"}])
    (found,) = strength.describe(made, REFERENCE)["strength"].to_pylist()
    by_key = "key" in (ground["method"], *ground["also"]) and ground["certainty"] != "low"
    assert found == ("firm" if ground["method"] == "planted" or by_key else "weak")


def test_no_state_of_the_user_is_known_so_none_is_left_out() -> None:
    assert set(judged(FIT, Manifest())) == {"REACH-SG", "DEST-SG"}


# ------------------------------------------------------------------------------------------------ consent


def consent(*marks: str, phases: tuple[str, ...]) -> dict[str, list[int]]:
    events = tuple({"type": "phase", "phase": m, "at": n * SECOND} for n, m in enumerate(marks))
    made = audit()
    made["transmissions"] = [sent(n, 0, destination=0, phase=p) for n, p in enumerate(phases)]
    return {name: f["transmissions"] for name, f in judged(made, events=events).items()}


ALL = ("idle", "first_launch", "consent_asked", "consent_refused", "browse", "consent_accepted", "buy")


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        (ALL, {"CONSENT-before": [1, 2], "CONSENT-refused": [3, 4]}),
        (("first_launch", "consent_asked", "consent_accepted", "buy"), {"CONSENT-before": [1, 2]}),
        (("first_launch", "consent_refused", "buy"), {"CONSENT-before": [1], "CONSENT-refused": [3, 6]}),
        (("first_launch", "consent_asked"), {"CONSENT-before": [1, 2]}),
        # Nobody marked a question: nothing is known of an answer.
        (("first_launch", "browse", "buy"), {}),
        # A phase that came before and after tells nothing.
        (("browse", "consent_refused", "browse"), {"CONSENT-refused": [3]}),
        (("consent_refused", "browse", "consent_accepted", "browse"), {"CONSENT-refused": [3]}),
        ((), {}),
    ],
)
def test_consent_by_the_marks(marks: tuple[str, ...], expected: dict[str, list[int]]) -> None:
    assert consent(*marks, phases=ALL) == expected


def test_what_left_in_no_phase_is_in_no_finding_of_consent() -> None:
    made = audit()
    events = ({"type": "phase", "phase": "consent_refused", "at": 0},)
    assert judged(made, events=events) == {}


# ----------------------------------------------------------------------------------------------- evidence


def test_a_few_excerpts_of_each_kind_are_kept() -> None:
    leaves = [sent(n, 0, destination=n % 2, phase="buy" if n > 10 else None) for n in range(20)]
    made = tables(transmissions=leaves, evidence=[{"transmission": n} for n in range(20)])
    kept = rows(keep_evidence(made), "transmission")
    assert kept == [0, 1, 2, 3, 4, 5, 11, 12, 13, 14, 15, 16]
    assert len(kept) == 2 * 2 * KEPT
    # What another app sent takes none of the app's places.
    others = [sent(n, 0, destination=0, whose="other" if n < 5 else "app") for n in range(10)]
    made = tables(transmissions=others, evidence=[{"transmission": n} for n in range(10)])
    assert rows(keep_evidence(made), "transmission") == [0, 1, 2, 5, 6, 7]


def test_findings_stand_in_order_and_carry_only_codes_and_counts() -> None:
    made = audit(link("US"), link("CN"), country="CN", level=3)
    counted = counting.counts(tables(**made), REFERENCE)
    counted["transmissions"] = strength.describe(counted, REFERENCE)
    table = findings(counted, USER, REFERENCE, Settings(date=date(2026, 1, 1)))
    names = rows(table, "finding")
    assert names == sorted(names) == ["DEST-CN", "REACH-CN", "REACH-US"]


def test_a_place_by_its_own_word_alone_is_never_two_sources() -> None:
    """The words follow the ground: a node that names itself, and a machine that two databases place."""
    own = audit(country="SG", level=2, reason="anycast_node_names_itself+vpn", anycast=True)
    two = audit(country="SG", level=2, reason="no_second_kind")
    assert judged(own)["DEST-SG"]["wording"] == "finding.destination.own_word"
    assert judged(two)["DEST-SG"]["wording"] == "finding.destination.level2"


def test_a_weak_sign_at_a_better_placed_machine_lends_its_place_no_words() -> None:
    """What is firm went to a node that names itself; a guess went to a machine that two databases place."""
    made = audit(country="SG", level=2, reason="anycast_node_names_itself", anycast=True)
    made["flows"].append(flow(1, destination=1))
    made["transmissions"].append(sent(1, 1, destination=1, method="key", certainty="low"))
    made["destinations"].append(destination(1, country="SG", level=2, reason="no_second_kind"))
    assert judged(made)["DEST-SG"]["wording"] == "finding.destination.own_word"
