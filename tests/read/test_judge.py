"""The detectors against the labelled exchanges: what they find, what they wrongly claim. The labels are another
author's and are not changed here; what is missed is listed, so that it can be reasoned about."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from analysis.model import Key, Message, Origin, Transmission
from analysis.persona import load_persona
from analysis.read import Detector
from analysis.reference import Reference
from tests.labels.load import FOLDER, Case, cases
from tests.read.messages import replay

LEAST_RECALL = 0.99
LEAST_PRECISION = 0.99


@dataclass
class Score:
    hits: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    by_method: Counter[str] = field(default_factory=Counter)
    wrong_by_method: Counter[str] = field(default_factory=Counter)
    wrong_value: list[str] = field(default_factory=list)


def messages(case: Case, number: int) -> list[Message]:
    url = urlsplit(case.url)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "") + (f"#{url.fragment}" if url.fragment else "")
    made = []
    for kind, body, headers in (
        ("request", case.body, case.headers),
        ("response", case.response_body, case.response_headers),
    ):
        key = Key("labels", 2 * number + (kind == "response"))
        made.append(
            Message(
                key=key,
                flow=Key("labels", number),
                exchange=Key("labels", number),
                direction="sent" if kind == "request" else "received",
                index=0,
                at=None,
                kind=kind,  # type: ignore[arg-type]
                body=body,
                size=len(body),
                origin=Origin("labels", (number,), f"http-{kind}-body", 0, len(body)),
                headers=headers,
                method=case.method,
                scheme=url.scheme,
                host=url.hostname or "",
                target=target,
                status=case.status if kind == "response" else None,
                protocol="http/1.1",
            )
        )
    return made


@pytest.fixture(scope="module")
def score(reference: Reference) -> Score:
    detectors = {
        path.stem: Detector(load_persona(path, reference.data_type_aliases()), reference, "ID")
        for path in sorted((FOLDER / "personas").glob("*.yaml"))
    }
    bare = Detector(None, reference, "ID")
    sensitivity = {t.id: t.sensitivity for t in reference.data_types.values()}
    found = Score()
    for number, case in enumerate(cases()):
        detector = detectors.get(case.persona, bare)
        claims: list[Transmission] = []
        for one in messages(case, number):
            reading = detector.read(one)
            claims += reading.transmissions
            for t in reading.transmissions:
                if t.value.expose() and replay(one, t.origin) != t.value.expose():
                    found.wrong_value.append(f"{case.id}: {t.data_type} at {t.path}: the origin leads elsewhere")
        judge(case, claims, sensitivity, found)
    return found


def judge(case: Case, claims: list[Transmission], sensitivity: dict[str, int], score: Score) -> None:
    met: set[int] = set()
    for label in case.expected:
        fitting = [
            c
            for c in claims
            if c.data_type == label.data_type and c.direction == label.direction and at(c.path, label.paths)
        ]
        met |= {id(c) for c in fitting}
        if label.arguable:
            continue
        if not fitting:
            score.missed.append(f"{case.id}: {label.data_type} at {label.paths[0]} ({label.because[:60]})")
            continue
        score.hits += 1
        score.by_method[fitting[0].method] += 1
    for claim in claims:
        if id(claim) in met:
            continue
        negatives = [
            n for n in case.not_expected if n.covers(claim.path) and {claim.data_type, "*"} & set(n.data_types)
        ]
        if any(n.arguable for n in negatives):
            continue
        if negatives or (case.complete and sensitivity.get(claim.data_type, 2) >= 2):
            score.wrong.append(f"{case.id}: {claim.data_type} at {claim.path} by {claim.method}")
            score.wrong_by_method[claim.method] += 1


def at(path: str, paths: tuple[str, ...]) -> bool:
    return path in paths or re.sub(r"\[\d+\]", "[*]", path) in paths


def test_recall(score: Score) -> None:
    recall = score.hits / (score.hits + len(score.missed))
    print(f"recall {recall:.4f}: {score.hits} of {score.hits + len(score.missed)}; by method {dict(score.by_method)}")
    print("\n".join(score.missed))
    assert recall >= LEAST_RECALL, score.missed


def test_precision(score: Score) -> None:
    precision = score.hits / (score.hits + len(score.wrong))
    print(f"precision {precision:.4f}: {len(score.wrong)} wrong; by method {dict(score.wrong_by_method)}")
    print("\n".join(score.wrong))
    assert precision >= LEAST_PRECISION, score.wrong


def test_every_origin_leads_to_its_value(score: Score) -> None:
    assert score.wrong_value == []


def test_the_labels_are_there() -> None:
    assert len(list(Path(FOLDER).glob("*.yaml"))) >= 5
