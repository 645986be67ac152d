"""What a request is about: records of things, and desks of companies, are not the user's."""

from __future__ import annotations

import json

import pytest

from analysis.read import Detector
from tests.read.messages import JSON, message


def types(detector: Detector, target: str, document: object) -> set[str]:
    reading = detector.read(message(json.dumps(document).encode(), JSON, target=target))
    return {t.data_type for t in reading.transmissions}


PERSON = {"full_name": "Agnes Wirawan", "birth_year": 1984, "user_age": 41}


def test_a_record_of_a_thing_is_not_the_users(detector: Detector) -> None:
    for target in ("/v1/singers", "/api/politicians/17", "/trails/4/edit"):
        assert types(detector, target, {"full_name": "Agnes Wirawan"}) == set()
    assert types(detector, "/users/17", PERSON) == {"full_name", "date_of_birth"}
    assert types(detector, "/v1/save", {"full_name": "Agnes Wirawan"}) == {"full_name"}


def test_a_person_in_a_request_about_a_thing_stays_one(detector: Detector) -> None:
    with_contact = {"full_name": "Agnes Wirawan", "phone": "+6281290001234"}
    assert "full_name" in types(detector, "/v1/courses", with_contact)
    assert types(detector, "/v1/courses", {"customer": {"full_name": "Agnes Wirawan"}}) == {"full_name"}


@pytest.mark.parametrize("mailbox", ["reservas", "kundenservice", "dev", "crawler", "humas", "info.padova"])
def test_a_mailbox_of_a_role_is_nobodys(detector: Detector, mailbox: str) -> None:
    for key in ("contact_email", "email", "x"):
        assert types(detector, "/v1/save", {key: f"{mailbox}@padi.example"}) == set()
    assert types(detector, "/v1/save", {"user": {"email": f"{mailbox}@padi.example"}}) == {"email"}
    assert types(detector, "/v1/save", {"email": "devi.lestari@padi.example"}) == {"email"}


def test_the_label_of_a_field_is_no_value(detector: Detector) -> None:
    assert types(detector, "/v1/save", {"full_name": "Full Name", "religion": "religion"}) == set()


def test_a_bill_has_a_period_and_is_no_body(detector: Detector) -> None:
    assert types(detector, "/v1/invoices", {"period": "P1M", "cycle_length": 30}) == set()
    assert types(detector, "/v1/tracker", {"period": "heavy", "cycle_length": 30}) == {"health"}


def test_a_file_is_no_password(detector: Detector) -> None:
    assert types(detector, "/v1/login", {"username": "agnes_w", "pwd": "/home"}) == {"username"}
    assert types(detector, "/v1/login", {"username": "agnes_w", "pwd": "Rahasia/88"}) == {"username", "password"}
    assert types(detector, "/v1/trace", {"pwd": "srv-build-7"}) == set()


def test_the_user_of_a_measurement_hit(detector: Detector) -> None:
    body = "v=1&tid=UA-7-1&cid=3a5b&t=event&ec=a&ea=b&uid=70112233"
    kind = (("Content-Type", "text/plain"),)
    for text in (body, f"{body}\n{body}", f"{body}\r\n{body}\r\n"):
        reading = detector.read(message(text.encode(), kind))
        assert {t.data_type for t in reading.transmissions if t.path.endswith(".uid")} == {"account_id"}, text


def test_an_escaped_value_has_its_neighbours_too(detector: Detector) -> None:
    for business, seen in (("", {"phone_number"}), ("business=Kios+Bahari&", set())):
        for number in ("%2B6281290001234", "+6281290001234".replace("+", "%2b")):
            found = detector.read(message(target=f"/v1/save?{business}tel={number}", method="GET")).transmissions
            assert {t.data_type for t in found} == seen


def test_an_animal_or_a_record_of_old_is_no_user(detector: Detector) -> None:
    birth = {"sex": "female", "birth_date": "2021-03-04", "weight": 412}
    assert types(detector, "/v1/save", {**birth, "breed": "madura"}) == set()
    assert types(detector, "/v1/save", {"goat": birth}) == set()
    assert "date_of_birth" in types(detector, "/v1/save", birth)
    assert types(detector, "/v1/save", {"r": {"surname": "Wirawan", "given_name": "Agnes", "died": 1901}}) == set()


def test_samples_of_documents_are_no_values(detector: Detector) -> None:
    sample = {"email": "your.name@example.com", "phone": "+10000000000", "full_name": "YOUR NAME HERE"}
    assert types(detector, "/v1/save", sample) == set()
