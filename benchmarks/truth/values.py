"""Values that stand in a message, drawn from a seeded generator: ``<uuid>``, ``<int 1 9>``, ``<city>`` and the like.

Every draw is a function of a :class:`Draw` (generator and country) and of the words behind its name. The names are in
:data:`DRAWS`; README.md lists them."""

from __future__ import annotations

import base64
import datetime
import json
import random
import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PLACEHOLDER = re.compile(r"<([a-z_0-9]+)((?: [^<>]+)?)>")
CHOICE = re.compile(r"\(([^()|]*(?:\|[^()|]*)+)\)")
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
"""The day of the set; times in messages lie within the hour before, so that one seed gives the same bytes always."""
_IBAN = {"DE": 18, "FR": 23, "ES": 20, "PL": 24, "TR": 22, "PT": 21, "CZ": 20, "FI": 14, "SA": 20, "HU": 24, "IL": 19}
_IBAN |= {"DK": 14, "NO": 11, "AT": 16, "CH": 17, "BE": 12}
"""Digits of an account by country, without country and check digits (ISO 13616 registry)."""
_MODELS = "SM-S911B|Pixel 8|moto g54|CPH2591|M2101K6G|iPhone15,3|V2318|SM-A546E|RMX3771|iPhone14,5|22101316G".split("|")
_BRANDS = "samsung google motorola oppo xiaomi apple vivo realme nokia".split()
_HOSTS = (
    "pasarkita marktplatz lumiere estrela lotus sakura maple cinar hidalgo lipowa hanul sen turia orbit kompas".split()
)
_PARTS = "api gw cdn svc collect m app edge".split()


@cache
def words() -> dict[str, dict[str, Any]]:
    """Words and patterns by country, of the ``words.yaml`` of each set; no country stands in two of them."""
    loaded: dict[str, dict[str, Any]] = {}
    for path in sorted(HERE.rglob("words.yaml")):
        loaded |= yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


@dataclass
class Draw:
    """Generator and country of one message; all coordinates of a message lie about one city."""

    random: random.Random
    country: str
    place: tuple[str, float, float] = field(init=False)

    def __post_init__(self) -> None:
        self.place = tuple(self.word("city"))

    def word(self, kind: str) -> Any:
        return self.random.choice(words()[self.country][kind])

    def pattern(self, text: str) -> str:
        return re.sub("#", lambda _: self.random.choice(string.digits), text)

    def of(self, letters: str, count: int) -> str:
        return "".join(self.random.choice(letters) for _ in range(count))

    def digits(self, count: int) -> str:
        return self.random.choice("123456789") + self.of(string.digits, count - 1)

    def uuid(self) -> str:
        number = self.random.getrandbits(128) & ~(0xF << 76) | 0x4 << 76
        number = number & ~(0x3 << 62) | 0x2 << 62
        text = f"{number:032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def moment(self, back: int = 3600) -> datetime.datetime:
        return NOON - datetime.timedelta(seconds=self.random.randrange(1, back))

    def octets(self, count: int) -> bytes:
        return self.random.randbytes(count)


def luhn(digits: str) -> str:
    """The digits with their check digit behind (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 == 0 else 1)
        total += number - 9 if number > 9 else number
    return digits + str(-total % 10)


def iban(country: str, account: str) -> str:
    """The account as an IBAN (ISO 13616: MOD 97-10 over the account, the country and 00)."""
    number = int("".join(str(int(c, 36)) for c in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02d}{account}"


def cpf(digits: str) -> str:
    """Nine digits and the two check digits of a Brazilian personal tax number (weights 10..2 and 11..2, modulo 11)."""
    for _ in range(2):
        rest = sum(int(d) * w for d, w in zip(digits, range(len(digits) + 1, 1, -1), strict=True)) % 11
        digits += "0" if rest < 2 else str(11 - rest)
    return digits


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _jwt(d: Draw, claims: dict[str, Any]) -> str:
    parts = [json.dumps(p, separators=(",", ":")).encode() for p in ({"alg": "ES256", "typ": "JWT"}, claims)]
    return ".".join([*map(_b64url, parts), _b64url(d.octets(64))])


def _app_jwt(d: Draw) -> str:
    begun = int(d.moment().timestamp())
    return _jwt(
        d, {"iss": f"app-{d.of(string.ascii_lowercase, 6)}", "aud": "catalogue", "iat": begun, "exp": begun + 900}
    )


def _user_jwt(d: Draw) -> str:
    begun = int(d.moment().timestamp())
    return _jwt(d, {"iss": "accounts", "sub": d.digits(9), "iat": begun, "exp": begun + 3600})


def _bank(d: Draw) -> str:
    form = words()[d.country]["bank"]
    return iban(d.country, d.digits(_IBAN[d.country])) if form == "IBAN" else d.pattern(form)


def _email(d: Draw, box: str) -> str:
    name = box or f"{d.of(string.ascii_lowercase, 5)}.{d.of(string.ascii_lowercase, 7)}{d.random.randrange(10, 99)}"
    return f"{name}@{d.random.choice(_HOSTS)}-{d.random.choice(_PARTS)}.com"


def _nik(d: Draw) -> str:
    born = f"{d.random.randrange(1, 29):02d}{d.random.randrange(1, 13):02d}{d.random.randrange(70, 99)}"
    return f"3273{d.random.randrange(1, 30):02d}{born}{d.random.randrange(1, 400):04d}"


def _degrees(d: Draw, middle: float, texts: list[str]) -> float:
    """A coordinate within about 4 km of the middle of the message's city, to five decimals or as many as are wanted."""
    return round(middle + d.random.uniform(-0.04, 0.04), int(texts[0]) if texts else 5)


def _address(d: Draw, firsts: tuple[int, ...]) -> str:
    """An IPv4 address that begins with one of these numbers."""
    rest = (d.random.randrange(1, 250), d.random.randrange(256), d.random.randrange(1, 255))
    return ".".join(map(str, (d.random.choice(firsts), *rest)))


def _numbers(texts: list[str]) -> list[int]:
    return [int(t) for t in texts]


def _date(d: Draw, first: int, last: int) -> str:
    return f"{d.random.randrange(first, last + 1)}-{d.random.randrange(1, 13):02d}-{d.random.randrange(1, 29):02d}"


DRAWS: dict[str, Callable[[Draw, list[str]], Any]] = {
    "uuid": lambda d, w: d.uuid(),
    "uuid_up": lambda d, w: d.uuid().upper(),
    "hex": lambda d, w: d.of("0123456789abcdef", int(w[0])),
    "hexup": lambda d, w: d.of("0123456789ABCDEF", int(w[0])),
    "b64": lambda d, w: base64.b64encode(d.octets(int(w[0]))).decode(),
    "b64url": lambda d, w: _b64url(d.octets(int(w[0]))),
    "alnum": lambda d, w: d.of(string.ascii_letters + string.digits, int(w[0])),
    "low": lambda d, w: d.of(string.ascii_lowercase + string.digits, int(w[0])),
    "digits": lambda d, w: d.digits(int(w[0])),
    "int": lambda d, w: d.random.randint(*_numbers(w[:2])),
    "long": lambda d, w: int(d.digits(int(w[0]))),
    "dec": lambda d, w: round(d.random.uniform(float(w[0]), float(w[1])), int(w[2])),
    "epoch": lambda d, w: int(d.moment().timestamp()),
    "epoch_ms": lambda d, w: int(d.moment().timestamp() * 1000) + d.random.randrange(1000),
    "time": lambda d, w: d.moment().isoformat().replace("+00:00", "Z"),
    "date": lambda d, w: _date(d, *_numbers(w[:2])),
    "model": lambda d, w: d.random.choice(_MODELS),
    "brand": lambda d, w: d.random.choice(_BRANDS),
    "colour": lambda d, w: "#" + d.of("0123456789ABCDEF", 6),
    "mac": lambda d, w: ":".join(
        [f"{d.random.randrange(64) * 4:02x}", *(d.of("0123456789abcdef", 2) for _ in range(5))]
    ),
    "pairs": lambda d, w: ":".join(d.of("0123456789ABCDEF", 2) for _ in range(int(w[0]))),
    "server_ip": lambda d, w: _address(d, (13, 18, 34, 52, 104, 151)),
    "home_ip": lambda d, w: _address(d, (78, 84, 110, 114, 179, 189)),
    "version4": lambda d, w: (
        f"{d.random.randrange(1, 40)}.{d.random.randrange(30)}.{d.random.randrange(20)}.{d.random.randrange(1, 250)}"
    ),
    "version": lambda d, w: f"{d.random.randrange(1, 12)}.{d.random.randrange(20)}.{d.random.randrange(9)}",
    "luhn": lambda d, w: luhn(
        (w[1] if len(w) > 1 else "") + d.digits(int(w[0]) - 1 - (len(w[1]) if len(w) > 1 else 0))
    ),
    "imei": lambda d, w: luhn("35" + d.digits(12)),
    "card": lambda d, w: luhn(d.random.choice(("4539", "5241", "4916")) + d.digits(11)),
    "iccid": lambda d, w: luhn("8962" + d.digits(14)),
    "cpf": lambda d, w: cpf(d.digits(9)),
    "nik": lambda d, w: _nik(d),
    "bank": lambda d, w: _bank(d),
    "iban": lambda d, w: iban("DE", d.digits(18)),
    "mobile": lambda d, w: d.pattern(words()[d.country]["mobile"]),
    "landline": lambda d, w: d.pattern(words()[d.country]["landline"]),
    "postcode": lambda d, w: d.pattern(words()[d.country]["postcode"]),
    "email": lambda d, w: _email(d, ""),
    "mailbox": lambda d, w: _email(d, w[0]),
    "person": lambda d, w: d.word("person"),
    "street": lambda d, w: d.word("street"),
    "city": lambda d, w: d.place[0],
    "shop": lambda d, w: d.word("shop"),
    "product": lambda d, w: d.word("product"),
    "language": lambda d, w: words()[d.country]["language"],
    "country": lambda d, w: d.country,
    "lat": lambda d, w: _degrees(d, d.place[1], w),
    "lon": lambda d, w: _degrees(d, d.place[2], w),
    "host": lambda d, w: (
        f"{w[0] if w else d.random.choice(_PARTS)}.{d.random.choice(_HOSTS)}{d.random.randrange(10, 99)}.example"
    ),
    "app_jwt": lambda d, w: _app_jwt(d),
    "user_jwt": lambda d, w: _user_jwt(d),
    "basic": lambda d, w: base64.b64encode(
        f"{d.of(string.ascii_lowercase, 8)}:{d.of(string.ascii_letters, 24)}".encode()
    ).decode(),
}


def fill(text: str, draw: Draw) -> Any:
    """The text with its choices ``(a|b)`` made and its placeholders drawn; a text that is one placeholder keeps the
    type of its value. Raises KeyError for a placeholder that is none."""
    text = CHOICE.sub(lambda m: draw.random.choice(m[1].split("|")), text)
    whole = PLACEHOLDER.fullmatch(text)
    if whole:
        return DRAWS[whole[1]](draw, whole[2].split())
    return PLACEHOLDER.sub(lambda m: str(DRAWS[m[1]](draw, m[2].split())), text)
