"""The one mask: no spelling of a planted value stays in a text, what looks like an identifier goes, words stay."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from analysis.model import Secret
from analysis.persona import Planted
from analysis.read.identifiers import hide_labels, hide_path
from analysis.read.mask import Known, Mask

VALUES = {
    "full_name": "Rahma Kusumaningrum",
    "email": "rahma.k88@mail.example",
    "imei": "490154203237518",
    "phone_number": "+62 812-5550-1234",
    "user_id": "zq81kkpw02xy",
    "mac_address": "3c:5a:b4:1e:7f:92",
}
PLACE = "-6.208763,106.845599"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "base32": lambda v: base64.b32encode(v.encode()).decode().rstrip("=").lower(),
    "base32 inside": lambda v: "u-" + base64.b32encode(f"id={v}".encode()).decode().rstrip("="),
    "base64 inside": lambda v: base64.b64encode(f'{{"x":"{v}"}}'.encode()).decode(),
    "base85": lambda v: base64.b85encode(v.encode()).decode(),
    "hex": lambda v: v.encode().hex(),
    "html": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "quoted-printable": lambda v: "".join(f"={ord(c):02X}" for c in v),
    "octal": lambda v: "".join(f"\\{ord(c):03o}" for c in v),
    "UTF-32": lambda v: quote(v.encode("utf-32-be")),
    "zero width": "\u200b".join,
    "full width": lambda v: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in v),
    "plus": quote_plus,
    "thrice": lambda v: quote(quote(quote(v, safe=""), safe=""), safe=""),
    "upper case": str.upper,
    "over labels": lambda v: f"{v[:6]}.{v[6:]}",
    "spaced": " ".join,
}


@pytest.fixture(scope="module")
def mask() -> Mask:
    planted = [Planted(k, k, False, Secret(v), 1) for k, v in VALUES.items()]
    return Mask.of([*planted, Planted("gps", "gps_precise", False, Secret(PLACE), 1)], "ID")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", VALUES)
def test_no_spelling_stays(mask: Mask, kind: str, spelling: str) -> None:
    text = SPELLINGS[spelling](VALUES[kind])
    made = mask.text(f"/a/{text}/z")
    assert text not in made
    assert made.startswith("/a/")


@pytest.mark.parametrize(
    "text",
    [
        *("kusumaningrum-rahma", "kusumaningrum", "1bdcaeb2b4c8e", "0062-8125550-1234"),
        *("6.2088", "6_2088", "-6208763", "-62087630", "106.84560", "qqguxmd", "3C5AB41E7F92"),
    ],
)
def test_further_forms_go(mask: Mask, text: str) -> None:
    assert text not in mask.text(f"/x/{text}/y")


@pytest.mark.parametrize(
    "path",
    ["/v2/users/me/profile.json", "/api/v1.2.3/items", "/2026-11-30/log", "/img/300x250.png", "/x86_64/arm64-v8a"],
)
def test_words_versions_days_and_sizes_stay(mask: Mask, path: str) -> None:
    assert mask.path(path) == path


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("/users/123456/x", "/users/‹number›/x"),
        ("/a;id=8812345/b", "/a;id=‹number›/b"),
        ("/e/550e8400-e29b-41d4-a716-446655440000.png", "/e/‹id›.png"),
        ("/e/x%40y.example", "/e/‹email›"),
        ("/@-6.2088,106.8456", "/@‹place›,‹place›"),
        ("/ip/203.0.113.9", "/ip/‹ip_address›"),
    ],
)
def test_what_looks_like_an_identifier_goes(path: str, masked: str) -> None:
    assert hide_path(path) == masked


def test_labels_of_machines_stay() -> None:
    for label in ("d3ag4hukkh62yn", "r3---sn-4g5e6nzl", "ec2-52-12-13-14"):
        assert hide_labels(label) == label
    assert hide_labels("490154203237518") == "‹number›"


def test_what_somebody_registered_is_not_called_after_a_word() -> None:
    mask = Mask.of([Planted("username", "username", False, Secret("tokoku"), 1)], "ID")
    assert mask.host("tokoku.tokoku.example") == "‹username›.tokoku.example"


def test_a_value_read_once_is_known_in_any_spelling() -> None:
    known = Known()
    known.add("rahma.k88@mail.example", "email")
    for text in ("rahma.k88%40mail.example", "RAHMA.K88@MAIL.EXAMPLE", "rahma-k88-mail-example"):
        assert known.hide(f"/u/{text}/x") == "/u/‹value›/x"


def test_words_that_all_share_stay_in_longer_names() -> None:
    """``search`` is what an app tells of itself, and the name of its interface; a user's name is none."""
    known = Known()
    for word in ("search", "wishlist"):
        known.add(word, "app_interaction")
    known.add("kerudung", "search_query")
    assert known.hide("/search/wishlist/my-wishlist/a") == "/search/‹value›/my-wishlist/a"
    assert known.hide("/q/kerudung-hijau/semuakerudung") == "/q/‹value›-hijau/semuakerudung"


def test_short_numbers_go_as_they_were_written() -> None:
    known = Known()
    known.add("-6.208", "gps_precise")
    assert known.hide("/at/-6.208/1.6.2.0.8/6208") == "/at/-‹value›/1.6.2.0.8/6208"
