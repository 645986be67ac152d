"""What is claimed, on which ground, how surely; and what is not."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from analysis.model import Reading, Transmission
from analysis.read import Detector
from tests.read.conftest import VALUES
from tests.read.messages import FORM, JSON, message, persona


def sent(detector: Detector, body: Any, target: str = "/v1/data", host: str = "api.shop.example") -> Reading:
    return detector.read(message(json.dumps(body).encode(), JSON, target=target, host=host))


def types(reading: Reading) -> dict[str, str]:
    return {t.path.removeprefix("request.body."): t.data_type for t in reading.transmissions}


def only(reading: Reading) -> Transmission:
    (one,) = reading.transmissions
    return one


# ------------------------------------------------------------------------------------------------ planted


def test_planted_whole_leaf_outranks_key_and_keeps_what_agrees(planted: Detector) -> None:
    one = only(sent(planted, {"user_email": VALUES["email"].upper()}))
    assert (one.data_type, one.method, one.certainty, one.also) == ("email", "planted", "high", ("key",))
    assert one.value.expose() == VALUES["email"].upper()
    assert one.same.expose() == VALUES["email"]
    one = only(sent(planted, {"username": VALUES["email"]}))
    assert (one.data_type, one.method, one.also) == ("email", "planted", ("value",))


def test_one_value_in_two_notations_is_one(planted: Detector) -> None:
    reading = sent(planted, {"a": "0813-5550-4321", "b": "6281355504321", "c": "+62 (813) 5550-4321"})
    assert {t.same.expose() for t in reading.transmissions} == {"+6281355504321"}
    assert len(reading.transmissions) == 3


def test_digests_have_their_type_and_name_the_digest_last(planted: Detector) -> None:
    digest = hashlib.sha256(VALUES["email"].encode()).hexdigest()
    one = only(sent(planted, {"x": digest}))
    assert (one.data_type, one.method, one.via) == ("email_hash", "planted", ("json", "sha256"))
    assert one.value.expose() == digest
    md5 = hashlib.md5(VALUES["email"].encode()).hexdigest()
    assert only(sent(planted, {"x": md5})).same == one.same


def test_inside_a_text_it_counts_beside_what_the_text_is(planted: Detector) -> None:
    text = f"Kirim saja ke {VALUES['email']} ya kak"
    reading = sent(planted, {"message": text}, target="/chat/send")
    assert {t.data_type for t in reading.transmissions} == {"email", "messages"}
    assert {t.value.expose() for t in reading.transmissions} == {text}


def test_a_part_of_a_longer_identifier_is_not_the_value(planted: Detector) -> None:
    assert not sent(planted, {"x": "9" + VALUES["imei"], "y": VALUES["advertising_id"] + "0"}).transmissions


def test_a_common_value_counts_only_under_its_key(planted: Detector) -> None:
    reading = sent(planted, {"gender": "female", "filter": "female", "note": "for female adults"})
    assert [(t.path, t.method) for t in reading.transmissions] == [("request.body.gender", "planted")]


def test_a_planted_key_is_hidden_in_the_path(planted: Detector) -> None:
    reading = sent(planted, {"seen": {VALUES["email"]: True}})
    one = only(reading)
    assert one.path == 'request.body.seen["‹email›"]'
    assert VALUES["email"] not in str(reading.evidence)


def test_coordinates_by_number(planted: Detector) -> None:
    reading = sent(planted, {"lat": -7.2575, "lng": 112.7520880000})
    assert [(t.data_type, t.method, t.position) for t in reading.transmissions] == [
        ("gps_precise", "planted", 0),
        ("gps_precise", "planted", 0),
    ]
    assert [t.same.expose() for t in reading.transmissions] == ["-7.257472", "112.752088"]
    coarse = sent(planted, {"lat": -7.3, "lng": 112.8})
    assert {(t.data_type, t.method) for t in coarse.transmissions} == {("location_coarse", "planted")}
    assert not sent(planted, {"price": 112.7521, "discount": -7.2575}).transmissions
    assert only(sent(planted, {"where": "112.752,-7.257"})).data_type == "gps_precise"


def test_bytes_of_no_format_are_searched(planted: Detector) -> None:
    body = b"\x0a\x24" + VALUES["advertising_id"].encode() + b"\x32\x07unknown\xff\x00"
    reading = planted.read(message(body, (("Content-Type", "application/x-protobuf"),)))
    one = only(reading)
    assert (one.data_type, one.path, one.value.expose()) == ("advertising_id", "request.body", VALUES["advertising_id"])
    assert not reading.decoded


def test_planted_in_an_answer_counts(planted: Detector) -> None:
    body = json.dumps({"items": [{"owner": VALUES["email"]}]}).encode()
    one = only(planted.read(message(body, JSON, kind="response")))
    assert (one.direction, one.method) == ("received", "planted")


# --------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"user": {"name": "Budi Hartono"}}, {"user.name": "full_name"}),
        ({"item": {"name": "Kemeja Batik"}, "event": {"name": "Buka App"}}, {}),
        ({"device": {"id": "a81f7c2290bd4e11"}}, {"device.id": "vendor_device_id"}),
        ({"product": {"id": "a81f7c2290bd4e11"}}, {}),
        ({"name": "Budi Hartono", "password": "rahasia99"}, {"name": "full_name", "password": "password"}),
        ({"deviceImei": "490154203237518"}, {"deviceImei": "imei"}),
        ({"deviceImei": "490154203237519"}, {}),
        ({"x-advertising-id": "3f2a9c1e-77b4-4d0e-9a51-c0ffee123456"}, {"x-advertising-id": "advertising_id"}),
        ({"GAID": "00000000-0000-0000-0000-000000000000"}, {}),
        ({"mac": "02:00:00:00:00:00"}, {}),
        ({"mac": "3c:5a:b4:1e:7f:92"}, {"mac": "mac_address"}),
        ({"nik": "3174035205940003"}, {"nik": "national_id_nik"}),
        ({"nik": "3174033205940003"}, {}),
        ({"card_number": "4539578763621486"}, {"card_number": "payment_card"}),
        ({"card_number": "4539578763621487"}, {}),
        ({"email": "not set", "phone": "unknown"}, {}),
        ({"is_email": "a@gmail.com"}, {"is_email": "email"}),
        ({"support_email": "help@gmail.com"}, {}),
        ({"code": "483920"}, {}),
        ({"limit": 20, "offset": 0}, {}),
        ({"latency": 12.345, "longest": 106.81}, {}),
        ({"app_list": ["com.a.b", "com.c.d", "id.e.f"]}, {"app_list[0]": "installed_apps"}),
        ({"apps": "com.a.b,com.c.d,id.e.f", "rooted": 1}, {"apps": "installed_apps"}),
        (
            {"contacts": [{"name": "Ani", "phone": "+6281398765432"}, {"name": "Edi", "phone": "+6281398765433"}]},
            {"contacts[0].phone": "address_book"},
        ),
    ],
)
def test_keys(detector: Detector, body: Any, expected: dict[str, str]) -> None:
    assert types(sent(detector, body)) == expected


def test_a_strong_check_is_medium_and_a_weak_one_low(detector: Detector) -> None:
    reading = sent(detector, {"imei": "490154203237518", "password": "rahasia99"})
    assert [(t.data_type, t.certainty) for t in reading.transmissions] == [("imei", "medium"), ("password", "low")]


def test_latitude_and_longitude_share_a_position(detector: Detector) -> None:
    places = {
        "from": {"lat": -6.2, "lng": 106.816666},
        "to": {"lat": "-6.9175", "lng": "107.6191"},
        "zero": {"lat": 0, "lng": 0},
    }
    found = sent(detector, places).transmissions
    assert [(t.path[13:], t.data_type, t.position) for t in found] == [
        ("from.lat", "gps_precise", 0),
        ("from.lng", "gps_precise", 0),
        ("to.lat", "gps_precise", 1),
        ("to.lng", "gps_precise", 1),
    ]
    assert found[0].value.expose() == "-6.2"


def test_the_address_of_the_request_decides_ambiguous_keys(detector: Detector) -> None:
    assert types(detector.read(message(target="/search?q=obat+batuk", method="GET"))) == {
        "request.query.q": "search_query"
    }
    assert not detector.read(message(target="/t?q=obat+batuk", method="GET")).transmissions
    assert types(sent(detector, {"code": "483920"}, target="/otp/verify")) == {"code": "otp"}


def test_a_page_of_another_site_is_browsing(detector: Detector) -> None:
    page = {"page_url": "https://news.example.org/article/7"}
    assert types(sent(detector, page, host="t.tracker.example")) == {"page_url": "browsing_history"}
    assert not sent(detector, page, host="api.example.org").transmissions


def test_credentials_of_the_basic_scheme(detector: Detector) -> None:
    one = only(detector.read(message(headers=(("Authorization", "Basic YnVkaTpyYWhhc2lhOTk="),))))
    assert (one.data_type, one.via, one.value.expose()) == ("password", ("header", "basic"), "budi:rahasia99")


def test_shapes_alone_are_low(detector: Detector) -> None:
    reading = sent(detector, {"a": "rani@gmail.com", "b": "https://key@o1.ingest.sentry.io/2", "c": "support@shop.com"})
    one = only(reading)
    assert (one.path, one.method, one.certainty) == ("request.body.a", "value", "low")


def test_an_answer_is_read_strictly(detector: Detector) -> None:
    answer = {
        "access_token": "8xLOxBtZp8mQ2vRt77Kd0123",
        "user": {"email": "rani@gmail.com", "name": "Rani Putri"},
        "devices": [{"device_id": "a81f7c2290bd4e11"}],
        "city": "Jakarta",
    }
    found = detector.read(message(json.dumps(answer).encode(), JSON, kind="response")).transmissions
    assert [(t.path, t.data_type) for t in found] == [("response.body.access_token", "session_token")]
    place = {"ip": "8.8.8.8", "city": "Jakarta", "country": "ID"}
    found = detector.read(message(json.dumps(place).encode(), JSON, kind="response")).transmissions
    assert {t.data_type for t in found} == {"ip_address", "location_coarse", "country_region"}


def test_media_that_is_sent(detector: Detector) -> None:
    jpeg = b"\xff\xd8\xff\xe0" + bytes(100)
    one = only(detector.read(message(jpeg, (("Content-Type", "application/octet-stream"),))))
    assert (one.data_type, one.method, one.certainty, one.via) == ("photo_video", "value", "low", ("media",))
    assert one.value.expose() == ""
    assert one.same.expose() == hashlib.sha256(jpeg).hexdigest()
    assert not detector.read(message(jpeg, kind="response")).transmissions


# --------------------------------------------------------------------------------------------- endpoints


def test_a_known_endpoint_outranks_the_key(detector: Detector) -> None:
    body = {"uid": "1700000000000-1234567890123456789", "advertiserId": "3f2a9c1e-77b4-4d0e-9a51-c0ffee123456"}
    reading = sent(detector, body, target="/api/v6.3/androidevent?app_id=x", host="launches.appsflyer.com")
    found = {t.path: t for t in reading.transmissions}
    assert found["request.body.uid"].data_type == "install_id"
    assert found["request.body.uid"].method == "endpoint"
    assert found["request.body.uid"].endpoint == "appsflyer-events.02"
    assert found["request.body.advertiserId"].certainty == "high"
    assert found["request.body.advertiserId"].also == ("key",)


def test_a_recalled_field_is_low(detector: Detector, reference: Any) -> None:
    field = next(f for f in reference.endpoints["appsflyer-events"].fields if f.field == "oaid")
    assert field.confidence == "recalled"
    # A key that its value only does not contradict adds nothing; one that a strong check bears out does.
    for value, certainty in (("zq7-x_93kwm2-vvtr81p", "low"), ("3f2a9c1e77b44d0e9a51c0ffee123456", "medium")):
        one = only(sent(detector, {"oaid": value}, target="/api/v6.3/androidevent", host="launches.appsflyer.com"))
        assert (one.method, one.certainty, one.also) == ("endpoint", certainty, ("key",))


# --------------------------------------------------------------------------------- what tables may hold


def test_path_and_host_hide_what_was_found(planted: Detector) -> None:
    reading = planted.read(
        message(
            target=f"/u/{VALUES['email'].replace('@', '%40')}/x?y=1", host=f"{VALUES['imei']}.t.example", method="GET"
        )
    )
    assert reading.path == "/u/‹email›/x"
    assert reading.host == "‹imei›.t.example"
    assert all(VALUES["imei"] not in e.request_line for e in reading.evidence)


def test_excerpts_show_keys_and_no_value(planted: Detector) -> None:
    body = {"email": VALUES["email"], "secret_note": "something private", "n": 12345678, "ok": True, "a@b.id 99": "x"}
    reading = sent(planted, body)
    (shown,) = reading.evidence
    assert len(shown.excerpt) <= 160
    assert 'email: "' in shown.excerpt
    assert "secret_note" in shown.excerpt
    for hidden in (VALUES["email"], "something private", "12345678", "a@b.id"):
        assert hidden not in shown.excerpt
    assert shown.request_line == "POST api.shop.example/v1/data"
    assert shown.chain == "json"


def test_evidence_is_bounded(detector: Detector) -> None:
    reading = sent(detector, {"rows": [{"email": f"u{n}@gmail.com"} for n in range(50)]})
    assert len(reading.transmissions) == 50
    assert len(reading.evidence) == 3


def test_no_reading_shows_a_planted_value(planted: Detector) -> None:
    body = "&".join(f"{k}={v}" for k, v in VALUES.items()).replace("+", "%2B").replace(" ", "+")
    reading = planted.read(message(body.encode(), FORM, target=f"/{VALUES['imei']}?e={VALUES['email']}"))
    shown = repr(reading)
    for value in VALUES.values():
        if len(value) > 6:
            assert value not in shown


def test_scrub(planted: Detector) -> None:
    assert planted.mask.text("cdn.shop.example") == "cdn.shop.example"
    assert planted.mask.text(f"{VALUES['imei']}.shop.example") == "‹imei›.shop.example"
    digest = hashlib.sha1(VALUES["email"].encode()).hexdigest()
    assert planted.mask.text(f"/avatar/{digest}.png") == "/avatar/‹email_hash›.png"
    assert planted.mask.text("/cat/female/shoes") == "/cat/‹gender›/shoes"
    assert planted.mask.text("/cat/females/shoes") == "/cat/females/shoes"


def test_clues_of_place(detector: Detector) -> None:
    one = message(b"", (("CF-Ray", "8f0a1b2c3d4e5f60-CGK"), ("X-Other", "1")), kind="response")
    (clue,) = detector.read(one).clues
    assert (clue.kind, clue.text) == ("header", "CF-Ray: 8f0a1b2c3d4e5f60-CGK")
    head = one.head()
    assert head[clue.origin.offset : clue.origin.offset + clue.origin.length] == b"CF-Ray: 8f0a1b2c3d4e5f60-CGK"


def test_a_reading_knows_no_other_message(reference: Any) -> None:
    bodies = [{"name": "Rani Putri", "address": {"x": "y"}}, {"name": "Rani Putri"}, {"name": "Rani Putri", "n": 1}]
    alone = [str(sent(Detector(None, reference, "ID"), body)) for body in bodies]
    one = Detector(None, reference, "ID")
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        for n in order:
            assert str(sent(one, bodies[n])) == alone[n]


def test_a_worker_builds_the_same_detector(planted: Detector) -> None:
    import pickle

    other = Detector.from_spec(pickle.loads(pickle.dumps(planted.spec())))
    one = message(json.dumps(VALUES).encode(), JSON)
    assert str(other.read(one)) == str(planted.read(one))


def test_a_planted_value_under_a_name_of_its_own_keeps_the_type_of_its_key(reference: Any) -> None:
    known = Detector(persona({"email": "rani.kusuma@melati.co.id"}), reference, "ID")
    own = Detector(persona({"my_thing": "490154203237518", "my_card": "KT-88213-XA"}), reference, "ID")
    reading = sent(own, {"imei": "490154203237518", "x": "490154203237518", "user_id": "KT-88213-XA"})
    found = {t.path: t for t in reading.transmissions}
    assert {p: (t.data_type, t.method, t.certainty) for p, t in found.items()} == {
        "request.body.imei": ("imei", "planted", "high"),
        "request.body.x": ("my_thing", "planted", "high"),
        "request.body.user_id": ("account_id", "planted", "high"),
    }
    assert "key" in found["request.body.imei"].also
    # A name that is a type's keeps its type, whatever the key says.
    one = only(sent(known, {"username": "rani.kusuma@melati.co.id"}))
    assert (one.data_type, one.method) == ("email", "planted")


@pytest.mark.parametrize("form", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_counted_once_at_each_place(reference: Any, form: str) -> None:
    detector = Detector(persona({"email": "rani.kusuma@melati.co.id"}), reference, "ID")
    text = '{"email": "rani.kusuma@melati.co.id", "again": "rani.kusuma@melati.co.id"}'
    reading = detector.read(message(text.encode(form), JSON))
    assert [t.path for t in reading.transmissions] == ["request.body.email", "request.body.again"]
    # In bytes of no format it stands once, in whichever order of octets.
    raw = (
        b"\x01\x02\xff\xfe\x07"
        + "rani.kusuma@melati.co.id".encode("utf-16-le" if form == "utf-16" else form)
        + b"\x00\x9c"
    )
    assert len(detector.read(message(raw, (("Content-Type", "application/octet-stream"),))).transmissions) == 1
