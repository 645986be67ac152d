"""The forms in which software writes one value: as text, before any encoding.

Which forms apply is told by the value's shape (a UUID, a MAC address, a mail address ...) and, where shape
cannot tell, by its data type, so that values of types that nobody foresaw are treated alike.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING

from analysis.codecs.further import further_forms

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

PHONE_TYPES = frozenset({"phone_number", "phone_hash"})
CASED_TYPES = frozenset({"password", "otp", "push_token", "session_token"})
"""Types whose values are other values in another case."""
VOCABULARY_TYPES = frozenset(
    {
        "gender", "nationality", "marital_status", "religion", "ethnicity", "political_opinion",
        "sexual_orientation",
        "country_region", "location_coarse", "carrier", "cell_tower", "locale_timezone", "device_profile",
        "child_flag", "otp", "date_of_birth",
    }
)  # fmt: skip
"""Types of which millions of people share a value: it shows a person only where a key says what it is."""

_UUID = re.compile(r"\{?([0-9a-fA-F]{8})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{12})\}?")
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-]?)[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2}){4}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_DOTLESS_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
_GROUPED = re.compile(r"[\d .\-/]*\d[\d .\-/]*")
_DOTTED = re.compile(r"-?\d+\.\d+|\d{1,3}(?:\.\d{1,3}){3}")
_DIALLED = re.compile(r"\+?[\d ().\-/]+")
_MONTHS = (
    ("January", "Januari"), ("February", "Februari"), ("March", "Maret"), ("April", "April"), ("May", "Mei"),
    ("June", "Juni"), ("July", "Juli"), ("August", "Agustus"), ("September", "September"),
    ("October", "Oktober"),
    ("November", "November"), ("December", "Desember"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a value. It never shows itself."""

    text: bytes
    """In UTF-8, or the octets themselves where ``binary``."""
    variant: str
    digested: bool = True
    """Whether software hashes the value in this form; in others it is only sent."""
    weak: bool = False
    """This form alone says too little to be recognised inside other text."""
    binary: bool = False
    digest_only: bool = False
    """Only its digests are searched: as it is, it says too little."""
    hidden: bool = False
    """Only kept from leaving: nothing counts as sent for it (see ``further``)."""

    def __repr__(self) -> str:
        return f"Form({self.variant!r}, {len(self.text)} octets)"


def forms(value: str, data_type: str, region: str | None = None, *, hidden: bool = False) -> list[Form]:
    """Every form of ``value``, each text once, the value as it is first: what detection searches for and, with
    ``hidden``, what else must not leave.

    ``region``: ISO 3166 code of the user's country, for telephone numbers without a country code."""
    weak = is_weak(value, data_type)
    seen: dict[bytes, Form] = {}
    for text, variant, digested, form_weak in _forms(value, data_type, region):
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        if raw and raw not in seen:
            low = weak or form_weak or (isinstance(text, str) and variant not in _SAME_STRENGTH and is_weak(text, ""))
            seen[raw] = Form(raw, variant, digested, low, isinstance(text, bytes))
    for text in _matched(value.strip(), data_type):
        raw = text.encode("utf-8", "surrogatepass")
        if raw and raw not in seen:
            seen[raw] = Form(raw, "normal form of advertisers' matching", True, True, digest_only=True)
    for text, variant in further_forms(value, data_type) if hidden else ():
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        if raw and (raw not in seen or seen[raw].digest_only):
            low = isinstance(text, str) and is_weak(text, "")
            seen[raw] = Form(raw, variant, False, low, isinstance(text, bytes), hidden=True)
    return list(seen.values())


_SAME_STRENGTH = frozenset({"as is", "lower case", "upper case"})
_Made = Iterator[tuple[str | bytes, str, bool, bool]]
"""(text, variant, digested, weak)"""


def _forms(value: str, data_type: str, region: str | None) -> _Made:
    yield value, "as is", True, False
    trimmed = value.strip()
    yield trimmed, "trimmed", True, False
    yield unicodedata.normalize("NFC", trimmed), "NFC", True, False
    yield unicodedata.normalize("NFD", trimmed), "NFD", True, False
    collapsed = " ".join(trimmed.split())
    if data_type not in CASED_TYPES:
        yield collapsed, "single spaces", True, False
        if len(trimmed) <= 100:  # longer ones are tokens and messages, which nothing writes in another case
            yield collapsed.lower(), "lower case", True, False
            yield collapsed.upper(), "upper case", True, False
    if uuid := _UUID.fullmatch(trimmed):
        yield from _uuid_forms(uuid)
    elif _MAC.fullmatch(trimmed):
        yield from _mac_forms(trimmed)
    elif _EMAIL.fullmatch(trimmed):
        yield from _email_forms(trimmed.lower())
    elif data_type == "date_of_birth" and (day := _date(trimmed)):
        yield from _date_forms(*day)
    elif ":" in trimmed and (address := _ipv6(trimmed)):
        yield address.compressed, "compressed", True, False
        yield address.exploded, "all digits", False, False
    elif data_type in PHONE_TYPES or (trimmed[:1] in ("+", "0") and data_type not in CASED_TYPES):
        yield from _phone_forms(trimmed, data_type, region)
    if data_type not in CASED_TYPES and data_type != "date_of_birth" and _is_number(trimmed):
        yield from _digit_forms(trimmed, data_type)
    if data_type == "full_name" and collapsed.count(" "):
        yield collapsed.replace(" ", "").lower(), "without spaces", False, False


def _matched(text: str, data_type: str) -> Iterator[str]:
    """What advertisers' matching hashes of a name and a gender: first and last name by themselves, in lower case,
    without punctuation, also without accents and spaces (Google Ads API, OfflineUserAddressInfo; Meta Pixel, Advanced
    Matching); the initial of the gender (Branch, Pass Hashed Information for Facebook Advanced Matching)."""
    if data_type == "gender":
        initial = {"f": "f", "m": "m", "w": "f", "p": "f", "l": "m"}.get(text[:1].lower())
        if initial is not None:
            yield initial
    if data_type != "full_name":
        return
    plain = unicodedata.normalize("NFC", text).lower()
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    for lower in (plain, bare):
        names = [n for n in (re.sub(r"[^\w]|_", "", w) for w in lower.split()) if n]
        for at in range(1, len(names)):
            for part in (names[:at], names[at:]):
                yield " ".join(part)
                yield "".join(part)
        yield from names


def _uuid_forms(found: re.Match[str]) -> _Made:
    groups = [g.lower() for g in found.groups()]
    for joint, name in (("-", "dashes"), ("", "no dashes")):
        yield joint.join(groups), f"{name}, lower case", True, False
        yield joint.join(groups).upper(), f"{name}, upper case", True, False
    yield bytes.fromhex("".join(groups)), "octets", False, False


def _mac_forms(text: str) -> _Made:
    octets = bytes.fromhex(re.sub(r"[:-]", "", text))
    for joint, name in ((":", "colons"), ("-", "dashes"), ("", "no separators")):
        digits = joint.join(f"{o:02x}" for o in octets)
        yield digits, f"{name}, lower case", True, False
        yield digits.upper(), f"{name}, upper case", True, False
    short = ":".join(f"{o:x}" for o in octets)  # iOS writes a BSSID without leading zeros
    yield short, "no leading zeros", False, False
    yield octets, "octets", False, True  # six octets occur by chance in a large enough body


def _email_forms(address: str) -> _Made:
    yield address, "lower case", True, False
    local, _, domain = address.rpartition("@")
    if domain in _DOTLESS_DOMAINS:
        # The mailbox is the same without dots; matching services ask for that form, some also without the
        # tag.
        yield f"{local.replace('.', '')}@{domain}", "without dots", True, False
        yield f"{local.partition('+')[0].replace('.', '')}@{domain}", "without dots and tag", True, False
        yield f"{local.partition('+')[0]}@{domain}", "without tag", True, False


def _phone_forms(text: str, data_type: str, region: str | None) -> _Made:
    """The number by E.164 (ITU-T) with and without plus, the national form with its trunk prefix, and the
    spellings that people and software use. Only what phonenumbers takes for a number of that country is
    given other forms."""
    import phonenumbers as pn

    digits = re.sub(r"\D", "", text)
    if not _DIALLED.fullmatch(text) or not 5 <= len(digits) <= 17:
        return
    number, guessed = _parse_phone(text, digits, region)
    sure = number is not None and (data_type in PHONE_TYPES or pn.is_valid_number(number))
    if data_type in PHONE_TYPES or sure:
        yield digits, "digits", True, False
    if number is None or not sure:
        return
    e164 = pn.format_number(number, pn.PhoneNumberFormat.E164)
    international = pn.format_number(number, pn.PhoneNumberFormat.INTERNATIONAL)
    national = pn.format_number(number, pn.PhoneNumberFormat.NATIONAL)
    significant = pn.national_significant_number(number)
    yield e164, "E.164", True, False
    yield e164[1:], "E.164 without plus", True, False
    yield f"00{e164[1:]}", "00 prefix", True, False
    if guessed:  # if its first digits are no country code after all, only the digits themselves are true of it
        return
    yield re.sub(r"\D", "", national), "national", True, False
    yield significant, "national without trunk prefix", True, False
    country = str(number.country_code)
    for joint in ("-", " ", ""):
        yield f"+{country}{joint}{significant}", "country code set apart", False, False
        yield f"{country}{joint}{significant}", "country code set apart, no plus", False, False
    trunk = re.sub(r"\D", "", national).removesuffix(significant) or "0"
    # Programs that put a country code before what the user typed leave the trunk zero, or a code, twice.
    for twice in (
        f"{country}{trunk}{significant}",
        f"{country}{country}{significant}",
        f"{trunk}{country}{significant}",
    ):
        for before in ("+", "", "00"):
            yield f"{before}{twice}", "prefix twice", True, False
    yield f"{trunk}{trunk}{significant}", "trunk prefix twice", True, False
    yield f"({country}){significant}", "country code in brackets", False, False
    yield f"(+{country}){significant}", "country code in brackets, plus", False, False
    for written, name in ((international, "international"), (national, "national")):
        groups = re.findall(r"\+?\d+", written)
        yield written, f"{name}, as written there", False, False
        for joint, how in ((" ", "spaces"), ("-", "dashes"), (".", "dots")):
            yield joint.join(groups), f"{name}, {how}", False, False


def _parse_phone(text: str, digits: str, region: str | None) -> tuple[PhoneNumber | None, bool]:
    """The number, and whether its country was only guessed, from digits that begin like a country code."""
    import phonenumbers as pn

    written = f"+{digits[2:]}" if digits.startswith("00") else text
    for candidate, country, guess in (
        (written, region.upper() if region else None, False),
        (f"+{digits}", None, True),
    ):
        try:
            number = pn.parse(candidate, country)
        except pn.NumberParseException:
            continue
        if pn.is_valid_number(number) if guess else pn.is_possible_number(number):
            return number, guess
    return None, False


def _date(text: str) -> tuple[date, date | None] | None:
    """The day, and the other day that the same figures may mean (05/12: month first or day first)."""
    if found := re.fullmatch(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:[T ].*)?", text):
        year, month, day = map(int, found.groups())
        readings = [(year, month, day)]
    elif found := re.fullmatch(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})", text):
        first, second, year = map(int, found.groups())
        readings = [(year, second, first), (year, first, second)]
    else:
        return None
    days = []
    for reading in readings:
        try:
            days.append(date(*reading))
        except ValueError:
            continue
    if not days:
        return None
    return days[0], days[1] if len(set(days)) > 1 else None


def _date_forms(day: date, other: date | None) -> _Made:
    """All are weak: some 20,000 days are somebody's birthday, and each is also the day of something else."""
    if other is not None:
        return  # which day it is cannot be told from the text, and another day is another person
    y, m, d = f"{day.year:04}", f"{day.month:02}", f"{day.day:02}"
    for joint in ("-", "/", ".", ""):
        yield joint.join((y, m, d)), f"YMD {joint}".rstrip(), True, True
        yield joint.join((d, m, y)), f"DMY {joint}".rstrip(), True, True
        yield joint.join((m, d, y)), f"MDY {joint}".rstrip(), True, True
    yield f"{day.day}/{day.month}/{y}", "DMY, no zeros", False, True
    yield f"{day.month}/{day.day}/{y}", "MDY, no zeros", False, True
    yield f"{y}-{day.month}-{day.day}", "YMD, no zeros", False, True
    for month in dict.fromkeys(_MONTHS[day.month - 1]):
        yield f"{day.day} {month} {y}", "month's name", False, True
        yield f"{month} {day.day}, {y}", "month's name first", False, True
        yield f"{day.day} {month[:3]} {y}", "month's short name", False, True
    for tail in (
        "T00:00:00Z",
        "T00:00:00.000Z",
        "T00:00:00",
        " 00:00:00",
        "T00:00:00+00:00",
        "T00:00:00.000+00:00",
    ):
        yield day.isoformat() + tail, "with midnight", False, True
    # Date pickers (Android's MaterialDatePicker) give midnight UTC of the day chosen, in milliseconds.
    seconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    yield str(seconds), "seconds of midnight UTC", False, True
    yield str(seconds * 1000), "milliseconds of midnight UTC", False, True


def _digit_forms(text: str, data_type: str) -> _Made:
    digits = re.sub(r"\D", "", text)
    yield digits, "digits", True, False
    if data_type == "imei" and len(digits) in (15, 16):
        # 3GPP TS 23.003 section 6.2: 14 digits name the device; a check digit (15) or a software version
        # (16) follows.
        yield digits[:14], "without check digit", False, False
    if 12 <= len(digits) <= 24 and data_type not in PHONE_TYPES:
        groups = [digits[i : i + 4] for i in range(0, len(digits), 4)]
        yield " ".join(groups), "groups of four", False, False
        yield "-".join(groups), "groups of four, dashes", False, False
    if data_type == "government_id_other" and len(digits) == 15:
        d = digits  # the NPWP of Indonesia's tax office
        yield f"{d[:2]}.{d[2:5]}.{d[5:8]}.{d[8]}-{d[9:12]}.{d[12:]}", "NPWP", False, False


def _ipv6(text: str) -> ipaddress.IPv6Address | None:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def canonical(value: str, data_type: str, region: str | None = None) -> str:
    """The value in the one form by which it is compared over captures: E.164, mail and MAC in lower case,
    UUID with dashes, ISO date, digits without separators; where nothing of this applies, without spaces
    around it."""
    trimmed = unicodedata.normalize("NFC", value.strip())
    if uuid := _UUID.fullmatch(trimmed):
        return "-".join(uuid.groups()).lower()
    if data_type not in PHONE_TYPES and _MAC.fullmatch(trimmed):
        return ":".join(f"{o:02x}" for o in bytes.fromhex(re.sub(r"[:-]", "", trimmed)))
    if _EMAIL.fullmatch(trimmed):
        return trimmed.lower()
    if data_type == "date_of_birth" and (day := _date(trimmed)) and day[1] is None:
        return day[0].isoformat()
    if ":" in trimmed and (address := _ipv6(trimmed)):
        return address.compressed
    if data_type in CASED_TYPES:
        return trimmed
    if data_type in PHONE_TYPES or trimmed[:1] == "+":
        for text, variant, _, _ in _phone_forms(trimmed, data_type, region):
            if variant == "E.164" and isinstance(text, str):
                return text
    if _is_number(trimmed) and sum(c.isdigit() for c in trimmed) >= 8:
        return re.sub(r"\D", "", trimmed)
    return trimmed


def _is_number(text: str) -> bool:
    """Whether it is one number in groups. An IPv4 address or a decimal is none: without its dots it is
    another."""
    return _GROUPED.fullmatch(text) is not None and _DOTTED.fullmatch(text) is None


def is_weak(value: str, data_type: str) -> bool:
    """Whether a value is too short or too common to be recognised inside other text: it counts only as a
    whole leaf or token, and with a key that fits.

    Weak are: fewer than 6 characters; fewer than 8 digits and nothing else (a million six-digit numbers pass
    in any capture); one word of fewer than 10 letters (no list of words is long enough to tell a name from
    one); two characters at most, however often (a zero UUID), and rows such as 12345678; names of countries;
    the types of which many people share a value."""
    text = value.strip()
    bare = re.sub(r"[\W_]", "", text).lower()
    if len(text) < 6 or len(bare) < 5 or data_type in VOCABULARY_TYPES:
        return True
    if bare.isdigit() and len(bare) < 8:
        return True
    if text.isalpha() and len(text) < 10:
        return True
    if len(set(bare)) <= 2 or bare in "01234567890123456789" or bare in "98765432109876543210":
        return True
    if bare == "020000000000":  # what Android has given for every MAC address since version 6
        return True
    return text.casefold() in _countries()


@cache
def _countries() -> frozenset[str]:
    from babel import Locale

    names: set[str] = set()
    for language in ("en", "id"):
        names.update(name.casefold() for name in Locale(language).territories.values())
    return frozenset(names)
