"""Keys that mean several things: what surrounds them decides, and where it does not, nothing is claimed.

Each kind stands with what must not be claimed and, in the same shape, with what must."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import InputError
from analysis.read import Detector
from analysis.read.detect import rules
from analysis.read.detect.context import owner
from tests.read.messages import JSON, message

ONE = "0b6e2f1c-9d3a-4f57-8c21-7e5d4a3b2c10"
OTHER = "7c1d2f34-5b6a-4e0d-9f11-2a3b4c5d6e7f"
LONG = "9f8a7b6c5d4e3f2a1b0c"
PHONE = "+6281255509999"

Claims = dict[str, tuple[str, str]]


def claims(
    detector: Detector, body: Any, target: str = "/v1/data", headers: tuple[tuple[str, str], ...] = ()
) -> Claims:
    reading = detector.read(message(json.dumps(body).encode(), (*JSON, *headers), target=target))
    return {t.path.removeprefix("request."): (t.data_type, t.certainty) for t in reading.transmissions}


def types(detector: Detector, body: Any, target: str = "/v1/data", **more: Any) -> set[str]:
    """Claimed types but for descriptions of device, language and use."""
    technical = {"device_profile", "locale_timezone", "carrier", "app_interaction", "country_region"}
    return {kind for kind, _ in claims(detector, body, target, **more).values()} - technical


# ------------------------------------------------------------------------------------------------ innocents

INNOCENT: list[tuple[str, str, Any]] = [
    # Ids of what happens, beside a description of the device.
    ("event id", "/v1/e", {"events": [{"uuid": ONE, "event": "open", "manufacturer": "A", "os_version": "14"}]}),
    ("event id", "/v1/log", {"uuid": ONE, "platform": "ios", "manufacturer": "A", "timestamp": 1_764_500_000}),
    ("event id", "/v1/log", {"guid": ONE, "device_model": "S4", "level": "info", "message": "started"}),
    ("event id", "/v1/e", {"client": {"id": ONE}, "request": {"id": OTHER}, "trace": {"uuid": ONE}, "imei": "0"}),
    ("event id", "/v1/e", {"user": {"key_id": ONE, "req_id": OTHER}}),
    # Tags and terms of advertisements.
    ("tags", "/v1/page", {"keywords": ["kebaya", "batik tulis"], "title": "Kebaya"}),
    ("tags", "/v1/ad", {"keywords": "news,sport,games", "imp": [{"id": "1"}]}),
    ("tags", "/v1/ad", {"keyword": "cheap shoes", "campaign_id": 1}),
    ("tags", "/v1/ad?utm_keyword=cheap+shoes", {}),
    ("tags", "/v1/article", {"article": {"keyword": "politik daerah"}}),
    ("tags", "/v1/research", {"q": "some words", "query": "other words"}),
    # Short keys.
    ("short", "/v1/x", {"dna": "SM-A546E", "snp": "M2101K6G"}),
    ("short", "/v1/x", {"sn": "A1B2C3D4E5", "did": "1234567890", "iid": "9876543210", "jk": "1"}),
    ("short", "/v1/x", {"em": "d41d8cd98f00b204e9800998ecf8427e", "ph": "081255509999"}),
    # A picture's size makes no device and no body.
    ("size", "/v1/map", {"width": 1080, "height": 1920, "weight": 3, "cycle": 2, "sn": "A1B2C3D4E5", "zoom": 12}),
    ("size", "/v1/map", {"position": "0.512,0.331", "location": [0.25, 0.75]}),
    # Signatures, nonces and keys of an app.
    ("signature", "/v1/pay", {"sign": LONG, "signature": LONG, "nonce": LONG, "x-gorgon-sign": LONG, "etag": LONG}),
    ("signature", "/v1/login", {"csrf_token": LONG, "xsrf-token": LONG, "app_token": LONG, "app_access_token": LONG}),
    ("signature", "/v1/login", {"app_key": LONG, "api_key": LONG, "client_secret": LONG, "token": "pk_live_" + LONG}),
    ("signature", "/v1/me", {"access_token": "4837261905837|" + LONG}),
    # Somebody else's number.
    ("owner", "/v1/order", {"merchant": {"id": "8812345678", "account_id": "7788991122", "uid": "8812345678"}}),
    ("owner", "/v1/ad", {"publisher": {"id": ONE, "account": {"id": OTHER}}, "campaign": {"owner": {"id": ONE}}}),
    ("owner", "/v1/order", {"seller": {"contact": {"phone": PHONE, "email": "ani@melati.co.id"}}}),
    ("owner", "/v1/order", {"shop": {"address": "Jl. Melati 5, Bandung", "name": "Toko Ani", "zip": "40115"}}),
    ("owner", "/v1/order", {"seller_phone": PHONE, "support_email": "ani@melati.co.id", "cs_whatsapp": PHONE}),
    ("owner", "/v1/order", {"store_address": "Jl. Melati 5, Bandung", "vendor[phone]": PHONE, "toko.telepon": PHONE}),
    ("owner", "/v1/view", {"customer_service": {"phone": PHONE}, "contact_us": {"email": "ani@melati.co.id"}}),
    ("owner", "/v1/view", {"shop_name": "Melati", "phone": PHONE, "email": "ani@melati.co.id"}),
    ("owner", "/v1/view", {"outlet": {"lat": -6.20881, "lng": 106.84561}}),
    # Weight, cycle, period, temperature, dose of things.
    ("things", "/v1/ship", {"weight": 2.5, "height": 10, "width": 20, "length": 30, "courier": "jne"}),
    ("things", "/v1/bat", {"battery": {"cycle": 120, "temperature": 31, "health": "good", "period": 5}}),
    ("things", "/billing/cycle", {"cycle": "monthly", "period": "2026-11", "plan": "pro"}),
    (
        "things",
        "/v1/iot",
        {"machine": {"cycle": "eco", "temperature": 40, "pressure": 2, "dose": "30 ml", "weight": 5}},
    ),
    ("things", "/healthz", {"period": 30, "weight": 5, "cycle": 1}),
    ("things", "/api/health", {"period": 30, "weight": 5}),
    ("things", "/health/check", {"period": 30, "weight": 5}),
    ("things", "/lifecycle", {"period": 3, "weight": 1}),
    ("things", "/v1/diag", {"device": {"diagnosis": "disk ok"}, "step_count": 3}),
    # Passwords.
    ("password", "/v1/auth", {"pass": "first class", "pwd": "/var/mobile/Library", "pin": "5601"}),
    ("password", "/v1/ship", {"pin": "560001", "accuracy": 5}),
    ("password", "/v1/conf", {"password": "required", "kata_sandi": "enabled"}),
    ("code", "/hotpot?code=402917", {}),
    ("code", "/v1/chip", {"otp": "4029", "fuse": 3}),
    # What is said of a person only where a person is meant.
    ("attribute", "/v1/list?gender=women&size=38", {}),
    ("attribute", "/v1/film", {"religion": "islam", "nationality": "FR", "genre": "documentary", "race": "alien"}),
    ("attribute", "/v1/dog", {"sex": "m", "gender": "male", "race": "terrier", "birth_year": "2019"}),
    ("attribute", "/v1/vacancy", {"title": "Cashier", "salary": "4500000"}),
    ("attribute", "/v1/conf", {"name": "required", "first_name": "hidden"}),
    # Numbers of the makers.
    ("maker", "/v1/bids", {"account_id": "7788991122", "project_id": "12", "member_id": "4711", "uid": "88123"}),
    ("maker", "/v1/flags", {"session_key": "new_checkout_v4", "access_token": "blue-button-7"}),
    # Places of others.
    ("place", "/v1/halt?stop_lat=-6.20881&stop_lon=106.84561", {}),
    ("place", "/v1/poi", {"poi_name": "Melati", "latitude": -6.20881, "longitude": 106.84561}),
    ("place", "/v1/box", {"sw": {"lat": -6.31, "lng": 106.71}, "ne": {"lat": -6.11, "lng": 106.91}}),
    ("place", "/v1/x", {"airports": [{"lat": 19.161, "lon": -98.371}, {"lat": 20.941, "lon": -89.661}]}),
    ("place", "/v1/x", {"@type": "Bakery", "email": "ani@melati.co.id", "address": {"streetAddress": "Jl. Melati 5"}}),
    # Lists of a program's parts and of a store's goods.
    ("list", "/v1/deps", {"packages": ["com.squareup.okhttp3", "org.apache.http", "io.ktor.client"], "lock": "x"}),
    ("list", "/v1/top?apps=com.a.mail,com.b.maps,com.c.notes", {}),
    # Shapes.
    ("shape", "/v1/led", {"frame": "1a:2b:3c:4d:5e:6f"}),
    ("shape", "/v1/text", {"email_hint": "nama@melati.co.id", "phone_placeholder": PHONE, "storephone": PHONE}),
]


@pytest.mark.parametrize(("kind", "target", "body"), INNOCENT, ids=[f"{k}-{n}" for n, (k, _, _) in enumerate(INNOCENT)])
def test_what_is_no_personal_datum_is_not_claimed(detector: Detector, kind: str, target: str, body: Any) -> None:
    assert types(detector, body, target) == set()


@pytest.mark.parametrize(
    "value",
    [
        f"AWS4-HMAC-SHA256 Credential={LONG}/20261130/s3/aws4_request, Signature={LONG}",
        f"HMAC {LONG}:{LONG}",
        f"Client-ID {LONG}",
        f"ApiKey {LONG}",
        f"Bearer sk_live_{LONG}",
    ],
    ids=lambda v: v.split()[0],
)
def test_a_signed_request_is_no_session(detector: Detector, value: str) -> None:
    assert types(detector, {}, headers=(("Authorization", value),)) == set()


def test_the_secret_of_a_program_is_no_password(detector: Detector) -> None:
    head = (("Authorization", "Basic dG9rb19hcHA6czNjcjN0LTk4N3g="),)
    assert types(detector, {}, "/v1/files", headers=head) == {"password"}
    assert types(detector, {}, "/oauth/token", headers=head) == set()


# --------------------------------------------------------------------------------------------------- guilty

GUILTY: list[tuple[str, Any, str, str, str]] = [
    ("/v1/e", {"device": {"uuid": ONE}}, "body.device.uuid", "vendor_device_id", "medium"),
    ("/v1/start", {"uuid": ONE, "manufacturer": "A", "idfv": OTHER}, "body.uuid", "install_id", "low"),
    ("/v1/e", {"user": {"id": ONE}}, "body.user.id", "account_id", "medium"),
    ("/v1/e", {"adid": ONE}, "body.adid", "advertising_id", "medium"),
    ("/v1/e", {"ad_id": ONE}, "body.ad_id", "advertising_id", "medium"),
    ("/v1/e", {"ad_id": ONE, "campaign_id": 7}, "body.ad_id", "ad_data", "low"),
    ("/v1/search?q=kebaya+merah", {}, "query.q", "search_query", "low"),
    ("/v1/list", {"keyword": "kebaya merah"}, "body.keyword", "search_query", "low"),
    ("/v1/genes", {"dna": "rs4680 GG"}, "body.dna", "genetic", "low"),
    ("/v1/me", {"access_token": LONG}, "body.access_token", "session_token", "low"),
    ("/v1/login", {"token": LONG}, "body.token", "session_token", "low"),
    ("/v1/order", {"customer": {"phone": PHONE}}, "body.customer.phone", "phone_number", "medium"),
    ("/v1/order", {"shop": {"customer": {"phone": PHONE}}}, "body.shop.customer.phone", "phone_number", "medium"),
    ("/v1/order", {"shop_name": "M", "user_id": "1", "phone": PHONE}, "body.phone", "phone_number", "medium"),
    ("/v1/order", {"contact_phone": PHONE}, "body.contact_phone", "phone_number", "medium"),
    ("/v1/x", {"note": PHONE}, "body.note", "phone_number", "low"),
    ("/v1/x", {"note": "write to csaba.info@melati.co.id"}, "body.note", "email", "low"),
    ("/v1/me", {"profile": {"weight": 61.5}}, "body.profile.weight", "health", "low"),
    ("/v1/me", {"weight": 61.5, "height": 170, "gender": "f"}, "body.weight", "health", "low"),
    ("/v1/kehamilan/log", {"period": 5}, "body.period", "health", "low"),
    ("/v1/log", {"menstruation": {"cycle": 28}}, "body.menstruation.cycle", "health", "low"),
    ("/v1/auth", {"username": "rani", "pass": "kopi-tubruk"}, "body.pass", "password", "low"),
    ("/v1/login", {"phone": PHONE, "pin": "5601"}, "body.pin", "password", "low"),
    ("/v1/x", {"gender": "f", "email": "ani@melati.co.id"}, "body.gender", "gender", "low"),
    ("/v1/profile", {"religion": "islam"}, "body.religion", "religion", "low"),
    ("/v1/x", {"user": {"nationality": "ID"}}, "body.user.nationality", "nationality", "medium"),
    ("/v1/loan", {"income": 4500000}, "body.income", "credit_income", "low"),
    ("/v1/me", {"account_id": "7788991122"}, "body.account_id", "account_id", "low"),
    ("/v1/trip", {"pickup": {"lat": -6.20881, "lng": 106.84561}}, "body.pickup.lat", "gps_precise", "medium"),
    (
        "/v1/x",
        {"geometry": {"coordinates": [106.84561, -6.20881]}},
        "body.geometry.coordinates[0]",
        "gps_precise",
        "low",
    ),
    ("/v1/x", {"@type": "Person", "email": "ani@melati.co.id"}, "body.email", "email", "medium"),
    (
        "/v1/x",
        {"device": {"apps": ["com.a.mail", "com.b.maps", "com.c.notes"]}},
        "body.device.apps[0]",
        "installed_apps",
        "medium",
    ),
    ("/v1/x", {"router": "1a:2b:3c:4d:5e:6f"}, "body.router", "mac_address", "low"),
    ("/v1/otp/verify", {"phone": PHONE, "code": "402917"}, "body.code", "otp", "low"),
]


@pytest.mark.parametrize(("target", "body", "path", "data_type", "certainty"), GUILTY)
def test_what_is_one_still_is_claimed(
    detector: Detector, target: str, body: Any, path: str, data_type: str, certainty: str
) -> None:
    assert claims(detector, body, target)[path] == (data_type, certainty)


# --------------------------------------------------------------------------------------------------- owners


@pytest.mark.parametrize(
    ("names", "whose"),
    [
        (["phone", "contact", "seller"], "organisation"),
        (["phone", "customer", "store"], "person"),
        (["store_customer"], "person"),
        (["customerStore"], "organisation"),
        (["customer_service"], "organisation"),
        (["email", "account", "data"], None),
        ([], None),
    ],
)
def test_whose_a_field_is(names: list[str], whose: str | None) -> None:
    assert owner(names) == whose


# ------------------------------------------------------------------------------------------- rules in order


def shadowed(*lines: str) -> bool:
    (found,) = rules.read_lines("\n".join(lines)).values()
    return rules.shadows(found) is not None


def test_a_line_that_earlier_lines_leave_nothing_to_is_told() -> None:
    assert shadowed("ad_id: ad_data any", "adid: advertising_id uuid")
    # Two conditions that are each other's contrary leave nothing either.
    assert shadowed("ad_id: advertising_id uuid @device", "ad_id: ad_data any !device", "adid: advertising_id uuid")
    assert shadowed("uid: account_id opaque", "uid: install_id long_id @device")
    assert shadowed("nick nick: full_name name")
    assert not shadowed("adid: advertising_id uuid", "ad_id: ad_data any")
    assert not shadowed("uid: install_id long_id @device", "uid: account_id opaque")
    assert not shadowed("token: push_token push @push", "token: session_token token !push")
    assert not shadowed("ad_id: ad_data any !~device", "adid: advertising_id uuid")


def test_a_list_with_such_a_line_is_refused_and_both_are_named() -> None:
    types = [("email", "email", ["email"]), ("loyalty", "key_only", ["email"]), ("health", "key_only", [])]
    rules.RuleBook.build(types)  # narrow before wide: both can count
    with pytest.raises(InputError, match=r"email: loyalty any.*email: email email"):
        rules.RuleBook.build([types[1], types[0], types[2]])


def test_a_listed_key_that_the_special_lines_keep_for_others_is_refused() -> None:
    with pytest.raises(InputError, match=r"'sn' of loyalty"):
        rules.RuleBook.build([("loyalty", "key_only", ["sn"])])


@given(st.sampled_from(sorted(rules._ACCEPTS)), st.data())
def test_a_wider_check_lets_through_what_a_narrower_one_does(wide: str, data: st.DataObject) -> None:
    narrow = data.draw(st.sampled_from(sorted(rules._ACCEPTS[wide])))
    if narrow not in rules.CHECKS or wide not in rules.CHECKS:
        return
    value = data.draw(
        st.one_of(
            st.from_regex(r"[A-Za-z0-9_.:+-]{1,40}", fullmatch=True),
            st.uuids().map(str),
            st.sampled_from(
                ["id-ID", "Asia/Jakarta", "12", "-3.5", "Jawa Barat", "02:15:B2:00:00:01", "a" * 64, "x y"]
            ),
        )
    )
    if rules.CHECKS[narrow](value, "ID"):
        assert rules.CHECKS[wide](value, "ID")


@pytest.mark.parametrize(
    ("whose", "body"),
    [
        ("place", {"berth": {"latitude": 37.94321, "longitude": 23.64123}}),
        ("place", {"museum_lat": 37.94321, "museum_lng": 23.64123, "museum_address": "Harbour Road 12"}),
        ("fleet", {"ferry": {"lat": 37.94321, "lon": 23.64123}}),
        ("maker", {"podcast": {"guest": {"email": "ines.lopes@mailbox.org", "name": "Ines Lopes"}}}),
        ("maker", {"composer_birth_date": "1971-03-04"}),
        ("desk", {"soporte": {"telefono": PHONE}}),
        ("desk", {"booking_phone": PHONE}),
        ("machine", {"relay": {"ip": "52.18.44.9"}}),
        ("figure", {"monster": {"weight": 80, "height": 190, "gender": "m"}}),
    ],
)
def test_what_a_place_a_work_a_desk_or_a_machine_has_is_not_the_users(
    detector: Detector, whose: str, body: Any
) -> None:
    assert types(detector, body, "/v1/list") == set(), whose


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("email", {"comment": {"author": {"email": "ines.lopes@mailbox.org"}}}),
        ("email", {"actor": {"email": "ines.lopes@mailbox.org"}}),
        ("date_of_birth", {"customer_birth_date": "1971-03-04"}),
        ("gps_precise", {"pickup_lat": 37.94321, "pickup_lng": 23.64123}),
        ("phone_number", {"user": {"telephone": PHONE}}),
        ("imei", {"imei_number": "356938035643809"}),
        ("install_id", {"installation_uuid": ONE}),
    ],
)
def test_in_the_same_shape_the_users_is_named(detector: Detector, kind: str, body: Any) -> None:
    assert kind in types(detector, body, "/v1/list")


def test_an_unknown_word_before_a_key_leaves_open_whose_it_is(detector: Detector) -> None:
    known = claims(detector, {"user_email": "ines.lopes@mailbox.org"})
    unknown = claims(detector, {"zebra_email": "ines.lopes@mailbox.org"})
    assert known["body.user_email"] == ("email", "medium")
    assert unknown["body.zebra_email"] == ("email", "low")


@pytest.mark.parametrize("mark", ["_", ".", "-"])
def test_a_point_between_the_words_of_a_key_is_a_mark_like_others(detector: Detector, mark: str) -> None:
    body = {f"postal{mark}code": "40127", f"advertising{mark}id": ONE, "email": "ines.lopes@mailbox.org"}
    assert "otp" not in types(detector, body)
    assert "advertising_id" in types(detector, body)
