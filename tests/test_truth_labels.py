"""The labelled sets of benchmarks/truth: their form is sound, and one seed gives one set. What an audit says of them is
no matter of this test."""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from stdnum import iban, luhn
from stdnum.br import cpf

from benchmarks.truth.__main__ import (
    SETS,
    Accusation,
    accusations,
    audited,
    forbidden,
    is_about,
    is_firm,
    sensitivities,
)
from benchmarks.truth.messages import HERE, METHODS, PARTS, SEED, Message, har, load, messages, spell
from benchmarks.truth.values import DRAWS, Draw, fill, words

SENSITIVITY = sensitivities()
LISTS = [folder + name for folder in SETS.values() for name in ("innocents", "guilty")]
LABELS = {"at", "never", "truly", "whose", "value_at", "right", "near", "agent", "fixed", "type", *METHODS, *PARTS}


@pytest.fixture(scope="module", params=SETS.values(), ids=SETS)
def folder(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def innocents(folder: str) -> list[Message]:
    return list(messages(f"{folder}innocents"))


@pytest.fixture(scope="module")
def guilty(folder: str) -> list[Message]:
    return list(messages(f"{folder}guilty"))


def host(message: Message) -> str | None:
    return urlsplit(message.entry["request"]["url"]).hostname


def test_there_are_enough_of_each_and_no_kind_outweighs(innocents: list[Message], guilty: list[Message]) -> None:
    requests = [m for m in innocents if not m.is_answer]
    assert len(requests) >= 200
    assert len(guilty) >= 120
    for batch in (innocents, guilty):
        assert max(Counter(m.kind for m in batch).values()) <= len(batch) / 10


def test_ids_are_unique(innocents: list[Message], guilty: list[Message]) -> None:
    ids = [m.id for m in (*innocents, *guilty)]
    assert len(ids) == len(set(ids))


def test_they_are_spread_over_countries_and_places(innocents: list[Message]) -> None:
    assert len({m.country for m in innocents}) >= 10
    assert {"path", "query", "headers", "json", "form", "answer"} <= {p for m in innocents for p in m.places}


def test_each_set_has_cookies_and_shares_no_country_or_host() -> None:
    sets = [[m for n in ("innocents", "guilty") for m in messages(f + n)] for f in SETS.values()]
    for batch, other in itertools.combinations(sets, 2):
        assert {m.country for m in batch}.isdisjoint(m.country for m in other)
        assert not {host(m) for m in batch} & {host(m) for m in other}
    assert all(any("cookies" in m.places for m in batch) for batch in sets)


@pytest.mark.parametrize("name", LISTS)
def test_every_kind_says_why_and_from_which_document(name: str) -> None:
    known = yaml.safe_load((HERE / name).with_name("sources.yaml").read_text(encoding="utf-8"))["sources"]
    for kind in load(name):
        assert kind["why"], kind["kind"]
        assert kind["source"], kind["kind"]
        assert set(kind["source"]) <= known.keys(), kind["kind"]
    assert {s["confidence"] for s in known.values()} <= {"read", "recalled", "own"}
    assert all(s.get("where") for s in known.values() if s["confidence"] != "own")


def test_every_source_is_used(folder: str) -> None:
    known = yaml.safe_load((HERE / folder / "sources.yaml").read_text(encoding="utf-8"))["sources"]
    used = {s for name in ("innocents", "guilty") for kind in load(folder + name) for s in kind["source"]}
    assert known.keys() == used


def test_every_label_is_a_type_of_the_reference_data(innocents: list[Message], guilty: list[Message]) -> None:
    for message in (*innocents, *guilty):
        types = (message.never - {"any"}) | message.truly | message.near | ({message.right} - {None})
        assert types <= SENSITIVITY.keys(), message.id


@pytest.mark.parametrize("name", LISTS)
def test_templates_have_no_word_that_nothing_reads(name: str) -> None:
    for kind in load(name):
        assert kind.keys() <= {"kind", "why", "source", "messages", *LABELS}, kind["kind"]
        for template in kind["messages"]:
            assert template.keys() <= LABELS, kind["kind"]
            assert template["at"] in words()
            assert sum(m in template for m in METHODS) == 1, kind["kind"]


def test_innocents_have_something_to_be_accused_of_and_guilty_are_labelled(
    innocents: list[Message], guilty: list[Message]
) -> None:
    assert all(len(forbidden(m, SENSITIVITY)) > 5 for m in innocents)
    assert all(m.right is None for m in innocents)
    assert all(m.right and not m.never and m.right not in m.near for m in guilty)


@pytest.mark.parametrize("name", LISTS)
def test_one_seed_is_one_set_and_another_gives_siblings(name: str) -> None:
    first, again, other = (list(messages(name, seed)) for seed in (SEED, SEED, SEED + 1))
    assert har(first) == har(again)
    assert [(m.id, m.never, m.truly, m.right) for m in first] == [(m.id, m.never, m.truly, m.right) for m in other]
    alike = sum(a.entry["request"] == b.entry["request"] for a, b in zip(first, other, strict=True))
    assert alike <= len(first) / 20


@pytest.mark.parametrize("seed", [SEED, 1, 2])
def test_every_entry_is_a_delivered_exchange_without_leftovers(seed: int) -> None:
    for message in (m for name in LISTS for m in messages(name, seed)):
        request, response = message.entry["request"], message.entry["response"]
        parts = urlsplit(request["url"])
        assert parts.hostname, message.id
        assert request["url"].isascii(), message.id
        assert " " not in request["url"], message.id
        assert response["status"] == 200, message.id
        text = json.dumps(message.entry, ensure_ascii=False)
        assert "<" not in text, message.id
        assert "%3C" not in text, message.id
        if "postData" in request:
            assert request["bodySize"] == len(request["postData"]["text"].encode()), message.id


def test_drawn_numbers_pass_the_checks_that_make_them_tempting() -> None:
    for seed in range(40):
        draw = Draw(random.Random(seed), "DE")
        assert luhn.is_valid(DRAWS["luhn"](draw, ["16", "45"]))
        assert luhn.is_valid(DRAWS["card"](draw, []))
        assert len(DRAWS["imei"](draw, [])) == 15
        assert luhn.is_valid(DRAWS["imei"](draw, []))
        assert iban.is_valid(DRAWS["bank"](draw, []))
        assert cpf.is_valid(DRAWS["cpf"](draw, []))


def test_a_text_that_is_one_placeholder_keeps_the_type_of_its_value() -> None:
    draw = Draw(random.Random(1), "ID")
    assert isinstance(fill("<int 1 9>", draw), int)
    assert isinstance(fill("n<int 1 9>", draw), str)
    assert fill("(a|b)", draw) in ("a", "b")
    with pytest.raises(KeyError):
        fill("<nosuch>", draw)


@pytest.mark.parametrize(
    ("how", "spelled"),
    [
        ("snake", "user_id_2"),
        ("camel", "userId2"),
        ("joined", "userid2"),
        ("kebab", "user-id-2"),
        ("pascal", "UserId2"),
        ("upper", "USER_ID_2"),
        ("dotted", "user.id.2"),
    ],
)
def test_keys_of_several_words_are_spelled_anew(how: str, spelled: str) -> None:
    assert spell("user_id_2", how) == spelled
    assert spell("Content-Type", how) == "Content-Type"


def test_types_that_are_truly_there_are_no_accusation() -> None:
    message = Message("k/1.1", "k", "ID", ("json",), {}, frozenset({"any"}), frozenset({"ad_data"}))
    never = forbidden(message, SENSITIVITY)
    assert "install_id" in never
    assert "ad_data" not in never
    assert "device_profile" not in never


@pytest.mark.parametrize(
    ("row", "firm"),
    [
        ({"method": "key", "certainty": "medium"}, True),
        ({"method": "key", "certainty": "low"}, False),
        ({"method": "value", "certainty": "high"}, False),
        ({"method": "endpoint", "certainty": "low"}, True),
        ({"method": "key", "certainty": "high", "strength": "weak"}, False),
        ({"method": "value", "certainty": "low", "strength": "firm"}, True),
    ],
)
def test_what_is_firm_is_read_from_the_column_where_there_is_one(row: dict[str, str], firm: bool) -> None:
    assert is_firm(row) is firm
    message = Message("k/1.1", "k", "ID", ("json",), {})
    assert Accusation(message, {"data_type": "email", **row}).rule.startswith("email × ")


@pytest.mark.parametrize(
    ("path", "is_meant"),
    [
        ("request.body.eventId", True),
        ("request.query.event-id", True),
        ("request.body.device.id", False),
        ("request.body.view.id", True),
        ("request.body.review.id", False),
    ],
)
def test_a_label_speaks_of_the_paths_that_it_names(path: str, is_meant: bool) -> None:
    message = Message("k/1.1", "k", "ID", ("json",), {}, value_at=("event_id", "view.id"))
    assert is_about(message, path) is is_meant
    assert is_about(Message("k/1.1", "k", "ID", ("json",), {}), path)


def test_transmissions_are_laid_to_the_message_that_they_stand_in(
    tmp_path: Path,
) -> None:
    mails = [m for m in messages("guilty") if m.kind == "emails"]
    plain = [m for m in messages("innocents") if m.kind == "things-in-paths"]
    batch = [m for pair in zip(plain, mails, strict=False) for m in pair]
    rows = audited(batch, tmp_path, "mixed")
    assert [any(r["data_type"] == "email" for r in own) for own in rows] == [m.kind == "emails" for m in batch]
    blamed = [dataclasses.replace(m, never=frozenset({"email"})) for m in batch]
    assert {a.message.id for a in accusations(blamed, rows)} == {m.id for m in mails[: len(plain)]}
