"""Value checks: whether a text can be what a key says it is, and how much that proves.

Each check takes a value and the user's country and answers NO, WEAK (nothing speaks against it) or STRONG (a check
digit, a registry or a closed form speaks for it). Constants that stand for "no value" are refused before any check,
by :func:`is_constant`. Heavy tables (phone numbers, operators, public suffixes) load with the first value that needs
them.
"""

from __future__ import annotations

import datetime
import functools
import ipaddress
import re
from collections.abc import Callable

from analysis.reference.suffixes import registered

NO, WEAK, STRONG = 0, 1, 2

Check = Callable[[str, str | None], int]

# ------------------------------------------------------------------------------------------------ constants

_NOTHING = frozenset(
    """null none nil nan undefined unknown unspecified unset n/a na - -- . 0 -1 false true default test testing
    anonymous guest (null) <null> <none> {} [] * ? redacted [redacted] removed hidden masked 0.0 empty dummy sample
    example placeholder unavailable not_available not_set notset denied restricted 9774d56d682e549c
    02:00:00:00:00:00 02-00-00-00-00-00 0123456789abcdef 1234567890 123456789 12345678 012345678901234
    123456789012345 test_token test-token testtoken your_token access_token token {{auto}}""".split()
) | {"", "not available", "unknown ssid", "<unknown ssid>", "permission denied", "no permission", "not set"}
_NO_CHANGE = re.compile(r"[0\-:.{}()\s]+|(.)\1{3,}|(?:([0-9a-f])\2[:-]){5}\2\2", re.IGNORECASE)
_TEMPLATE = re.compile(r"\{\{.*\}\}|\$\{.*\}|%[sd@]|<[A-Za-z_ ]+>|\[[A-Za-z_ ]+\]|__[A-Z_]+__|\{[a-z_]+\}")


def is_constant(value: str) -> bool:
    """True for texts that stand for no value: all zeros, the same character throughout, words for "unknown", the
    fixed values of emulators, and templates that nobody filled in."""
    text = value.strip().lower()
    return text in _NOTHING or _NO_CHANGE.fullmatch(text) is not None or _TEMPLATE.fullmatch(value.strip()) is not None


_SAMPLE = re.compile(
    r"(?:test|name|your[._-]?\w*|example|someone|foo|you)@(?:example|test|domain|email|mail|company)\.[a-z]{2,8}|"
    r"\+?\d{0,3}[ -]?(?:(\d)\1{6,}|0?123456789?0?)|"
    r"(?:(?:enter )?your (?:full |first |last )?name(?: here)?|john doe|jane doe|full name|first name|last name|"
    r"nama anda|"
    r"lorem ipsum)",
    re.IGNORECASE,
)


def is_sample(value: str) -> bool:
    """What documents and empty forms write where a person's mail, number or name would stand."""
    return _SAMPLE.fullmatch(value.strip()) is not None


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B: the check sum of cards, IMEIs and ICCIDs."""
    total = 0
    for n, c in enumerate(reversed(digits)):
        d = ord(c) - 48
        if n % 2:
            d = d * 2 - 9 if d > 4 else d * 2
        total += d
    return total % 10 == 0


# ------------------------------------------------------------------------------------------- identity, contact

_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-]{1,64}@((?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63})"
)
_RESERVED = frozenset({"example", "test", "invalid", "localhost"})
"""Names of RFC 2606: no public suffix, but what trials use."""


@functools.lru_cache(4096)
def has_public_suffix(host: str) -> bool:
    """The name ends in a suffix of the public suffix list, or of those that RFC 2606 keeps for trials."""
    host = host.lower().rstrip(".")
    if host.rpartition(".")[2] in _RESERVED:
        return "." in host
    return registered(host, listed=True) is not None


@functools.lru_cache(4096)
def site_of(host: str) -> str:
    """The registrable domain of a host, or the host itself where there is none (an address, a single label)."""
    host = host.lower().rstrip(".")
    if host.rpartition(".")[2] in _RESERVED:
        return ".".join(host.split(".")[-2:])
    return registered(host, listed=True) or host


def email(value: str, country: str | None = None) -> int:
    """RFC 5321 mailbox with a name that can exist."""
    m = _EMAIL.fullmatch(value.strip())
    if m is None or value.strip().startswith(".") or ".." in value or "**" in value:
        return NO
    return STRONG if has_public_suffix(m[1]) else NO


_ROLES = re.compile(
    r"(?:support|info|help|no-?reply|do-?not-?reply|admin|contact|sales|hello|team|privacy|webmaster|postmaster|abuse|"
    r"security|billing|feedback|service|services|cs|care|office|press|legal|dpo|marketing|notifications?|mailer-daemon|"
    r"halo|bantuan|layanan|pelanggan|penjualan|toko|customer|store|shop|order|orders|enquiry|enquiries|inquiry|inquiries|"
    r"hostmaster|noc|crawler|bot|robot|spider|dev|developers?|devops|ops|api|app|apps|it|hr|jobs|careers|media|news|"
    r"newsroom|newsletter|editor|editorial|desk|ads|advertising|partners?|dealers?|depot|warehouse|returns|shipping|"
    r"delivery|accounts|accounting|finance|invoices?|payments?|reservations?|bookings?|reception|complaints?|claims?|"
    r"contato|contacto|kontakt|contatto|redaccion|redazione|redaktion|redaction|ordini|pedidos|commandes?|bestellung|"
    r"ventas|vendas|vertrieb|verkauf|vendite|ayuda|soporte|suporte|atendimento|atencion|assistenza|assistance|hilfe|"
    r"kundtjanst|kundservice|kundenservice|kundendienst|klantenservice|sav|destek|bilgi|iletisim|pomoc|biuro|reservas|"
    r"podpora|obchod|bodega|ugyfel\w*|ugyfelszolgalat|asiakaspalvelu|loja|sklep|prenotazioni|reservierung|redaksi|humas|pengaduan|pesanan)(?:[._+-][\w.+-]*|\d*)@",
    re.IGNORECASE,
)
"""Mailboxes of a role and no person (RFC 2142 and usage), in several languages."""


def of_a_role(mailbox: str) -> bool:
    """A mail address that is a desk's or a machine's."""
    return _ROLES.match(mailbox.strip()) is not None


_PHONE = re.compile(r"(?:\+|00)?\(?\d[\d\s().\-/]{5,20}\d")


@functools.lru_cache(4096)
def phone_e164(value: str, country: str | None) -> tuple[str, int] | None:
    """The number in E.164 form and how sure that is, by the numbering plans; None where it is no number."""
    text = value.strip()
    if _PHONE.fullmatch(text) is None:
        return None
    import phonenumbers

    digits = re.sub(r"\D", "", text)
    tries: list[tuple[str, str | None, int]] = []
    if text.startswith("+"):
        tries = [(text, None, STRONG)]
    elif text.startswith("00"):
        tries = [("+" + digits[2:], None, STRONG)]
    else:
        if country is not None:
            tries.append((text, country, STRONG))
        if not text.startswith("0"):
            tries.append(("+" + digits, None, WEAK))
    for number, region, strength in tries:
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164), strength
    if text.startswith("+") and 7 <= len(digits) <= 15:
        try:
            possible = phonenumbers.is_possible_number(phonenumbers.parse(text, None))
        except phonenumbers.NumberParseException:
            return None
        return ("+" + digits, WEAK) if possible else None
    if text.startswith("0") and not text.startswith("00") and 9 <= len(digits) <= 13:
        return digits, WEAK
    return None


def phone(value: str, country: str | None = None) -> int:
    """E.164, the user's national form, or a national form that some plan allows."""
    found = phone_e164(value, country)
    return NO if found is None else found[1]


_OF_FIELDS = frozenset("required optional hidden visible mandatory readonly disabled enabled editable".split())
"""What forms say of their fields."""
_SLUG = re.compile(r"[a-z]+(?:[_\-][a-z]+)+(?:[_\-]?v?\d{1,3})?")
"""Words of a program, joined: the name of a flag, a key or a variant."""
_PERSON = re.compile(r"[^\W\d_][^\W\d_.'’`\-]*+(?:[ .'’`\-]{1,2}[^\W\d_][^\W\d_.'’`\-]*+){0,6}\.?")


def person_name(value: str, country: str | None = None) -> int:
    """Words of letters such as names are written in: no digits, no underscores, no CamelCase, no dotted words."""
    text = value.strip()
    if not 2 <= len(text) <= 80 or _PERSON.fullmatch(text) is None or text.lower() in _OF_FIELDS:
        return NO
    words = re.split(r"[ .'’`\-]+", text)
    if any(re.search(r"[a-z][A-Z]", w) and not re.match(r"(?:Mc|Mac|De|Di|La|Le|Van|O)[A-Z]", w) for w in words):
        return NO
    return WEAK if len(text) > 1 else NO


def handle(value: str, country: str | None = None) -> int:
    """2 to 64 characters without spaces, not only digits."""
    return WEAK if 2 <= len(value) <= 64 and not re.search(r"\s|://", value) and not value.isdigit() else NO


_OPAQUE = re.compile(r"[A-Za-z0-9_\-.:=+/@|%~]{4,512}")
_UUID = re.compile(r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)


def opaque_id(value: str, country: str | None = None) -> int:
    """An identifier rather than a word: digits, or a token with digits in it, or a long mixed one. A UUID or 16
    digits and more is strong: nothing else of that length stands under such a key."""
    text = value.strip()
    if _OPAQUE.fullmatch(text) is None or "://" in text:
        return NO
    if _UUID.fullmatch(text) or (len(text) >= 15 and text.isdigit()) or (len(text) >= 24 and _HEX.fullmatch(text)):
        return STRONG
    if text.isdigit():
        return WEAK
    if any(c.isdigit() for c in text) and re.fullmatch(r"\d+(?:\.\d+)+", text) is None:
        return WEAK if len(text) >= 5 else NO
    return WEAK if len(text) >= 16 and text.lower() != text and text.upper() != text else NO


def long_id(value: str, country: str | None = None) -> int:
    """An opaque identifier of some length: for keys that small counters use too."""
    return opaque_id(value) if len(value.strip()) >= 8 else NO


def device_id(value: str, country: str | None = None) -> int:
    """An identifier of a device: an opaque identifier that no short number or version could be."""
    return opaque_id(value) if len(value.strip()) >= 6 else NO


def firebase_id(value: str, country: str | None = None) -> int:
    """A Firebase installation id: 22 characters of base64url whose first four bits are 0111."""
    return STRONG if re.fullmatch(r"[c-f][A-Za-z0-9_\-]{21}", value.strip()) else NO


_ABOUT_PASSWORDS = frozenset(
    """true false enabled disabled required optional allowed forbidden supported plain plaintext bcrypt scrypt argon2
    sha256 sha512 pbkdf2 strong medium weak password new-password current-password text secret expired forgotten reset
    changed never always""".split()
)
"""What is said of passwords, and is none."""


def password(value: str, country: str | None = None) -> int:
    """4 to 512 characters that are no word about passwords, no address and no path of a file."""
    text = value.strip()
    if not 4 <= len(value) <= 512 or text.lower() in _ABOUT_PASSWORDS or "://" in value:
        return NO
    return NO if re.fullmatch(r"(?:[A-Za-z]:)?(?:[/\\][\w.@ \-]+){2,}[/\\]?|/[a-z_\-]+", text) else WEAK


def pin(value: str, country: str | None = None) -> int:
    """4 to 8 digits."""
    return WEAK if re.fullmatch(r"\d{4,8}", value.strip()) else NO


_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec mei agu okt des".split()
_DATE = (
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?:[T ].*)?"),
    re.compile(r"(?P<d>\d{1,2})[-/. ](?P<m>\d{1,2})[-/. ](?P<y>\d{4})"),
    re.compile(r"(?P<m>\d{1,2})[-/](?P<d>\d{1,2})[-/](?P<y>\d{4})"),
    re.compile(r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)"),
    re.compile(r"(?P<d>\d\d)(?P<m>\d\d)(?P<y>(?:19|20)\d\d)"),
)
_DATE_WORDS = re.compile(r"(\d{1,2})[ \-]([A-Za-z]{3,9})[ ,\-]+(\d{4})|([A-Za-z]{3,9}) (\d{1,2}),? (\d{4})")


def birth_date(value: str, country: str | None = None) -> int:
    """A calendar date from 1900 on in ISO, DMY, MDY or epoch form; a year; an age."""
    text = value.strip()
    for form in _DATE:
        m = form.fullmatch(text)
        if m is not None:
            try:
                datetime.date(int(m["y"]), int(m["m"]), int(m["d"]))
            except ValueError:
                continue
            return STRONG if 1900 <= int(m["y"]) <= 2100 else NO
    worded = _DATE_WORDS.fullmatch(text)
    if worded is not None:
        month = (worded[2] or worded[4]).lower()[:3]
        return STRONG if month in _MONTHS else NO
    if re.fullmatch(r"-?\d{8,13}", text):
        seconds = int(text) / (1000 if len(text.lstrip("-")) > 10 else 1)
        return WEAK if -2_208_988_800 <= seconds <= 4_102_444_800 else NO
    return WEAK if re.fullmatch(r"(?:19|20)\d\d", text) else NO


def age(value: str, country: str | None = None) -> int:
    """Years of life, a year of birth, or a date."""
    text = value.strip()
    if re.fullmatch(r"\d{1,3}", text):
        return WEAK if 1 <= int(text) <= 120 else NO
    return birth_date(text)


def _closed(words: str) -> Check:
    known = frozenset(words.replace("_", " ").split("|"))

    def check(value: str, country: str | None = None) -> int:
        return WEAK if value.strip().lower().replace("_", " ") in known else NO

    return check


gender = _closed(
    "male|female|m|f|man|woman|men|women|boy|girl|0|1|2|l|p|laki-laki|laki laki|lakilaki|perempuan|pria|wanita|"
    "non-binary|nonbinary|non binary|diverse|x|transgender|homme|femme|masculino|femenino|feminino"
)
marital_status = _closed(
    "single|married|divorced|widowed|separated|engaged|in a relationship|complicated|it's complicated|civil union|"
    "domestic partnership|kawin|belum kawin|menikah|belum menikah|lajang|cerai|cerai hidup|cerai mati|janda|duda|"
    "bertunangan|s|m|d|w"
)
religion = _closed(
    "islam|muslim|moslem|kristen|kristen protestan|protestan|protestant|christian|christianity|katolik|catholic|hindu|"
    "hinduism|buddha|budha|buddhist|buddhism|konghucu|khonghucu|confucian|confucianism|kepercayaan|penghayat|jewish|"
    "judaism|sikh|sikhism|orthodox|atheist|agnostic|sunni|shia|mormon|taoist|taoism|shinto|baha'i|jain|jainism"
)


def free_word(value: str, country: str | None = None) -> int:
    """Some words, where only the key can say what they are."""
    text = value.strip()
    return WEAK if 2 <= len(text) <= 200 and any(c.isalpha() for c in text) and "://" not in text else NO


def any_value(value: str, country: str | None = None) -> int:
    """Anything that is no constant."""
    return WEAK if 0 < len(value.strip()) <= 4000 else NO


def number(value: str, country: str | None = None) -> int:
    """A number."""
    return WEAK if re.fullmatch(r"-?\d+(?:[.,/]\d+)*", value.strip()) else NO


def number_or_words(value: str, country: str | None = None) -> int:
    """A number (with or without a unit) or some words."""
    return WEAK if number(value) or free_word(value) else NO


def boolean(value: str, country: str | None = None) -> int:
    """A flag, or a band of ages."""
    text = value.strip().lower()
    return (
        WEAK
        if text in ("true", "false", "0", "1", "yes", "no", "y", "n") or re.fullmatch(r"\d{1,2}[+-]\d{0,2}", text)
        else NO
    )


# ------------------------------------------------------------------------------------------- government ids

_PROVINCES = frozenset(
    (
        "11 12 13 14 15 16 17 18 19 21 31 32 33 34 35 36 51 52 53 61 62 63 64 65 71 72 73 74 75 76 81 82 91 92 "
        "93 94 95 96"
    ).split()
)
"""First two digits of Indonesia's region codes (Kemendagri), the provinces of 2022 included."""


def nik(value: str, country: str | None = None) -> int:
    """16 digits: region, date of birth (day + 40 for women), serial. There is no check digit, so all must fit."""
    text = re.sub(r"[ .\-]", "", value.strip())
    if re.fullmatch(r"\d{16}", text) is None or text[:2] not in _PROVINCES or text[12:] == "0000":
        return NO
    if text[2:4] == "00" or text[4:6] == "00":
        return NO
    day, month, year = int(text[6:8]), int(text[8:10]), int(text[10:12])
    day -= 40 if day > 40 else 0
    try:
        # A leap year stands for a year of which the century is not known.
        datetime.date(2000 if year % 4 == 0 else 2001, month, day)
    except ValueError:
        return NO
    return STRONG


_SSN = re.compile(r"(?!000|666|9)\d{3}-?(?!00)\d{2}-?(?!0000)\d{4}")


def government_id(value: str, country: str | None = None) -> int:
    """A number of another official paper: check sums where there are any, else letters and digits of its length."""
    text = value.strip()
    compact = re.sub(r"[ .\-/]", "", text)
    if re.fullmatch(r"\d{17}[\dXx]", compact):
        weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
        total = sum(int(c) * w for c, w in zip(compact, weights, strict=False))
        return STRONG if "10X98765432"[total % 11] == compact[-1].upper() else NO
    if re.fullmatch(r"\d{15}", compact):
        return STRONG if luhn(compact[:9]) else WEAK
    if nik(compact):
        return STRONG
    if _SSN.fullmatch(text):
        return WEAK
    return WEAK if re.fullmatch(r"(?=.*\d)[A-Z0-9]{6,20}", compact, re.IGNORECASE) else NO


def ssn(value: str, country: str | None = None) -> int:
    """A social security number of the United States, by the areas and groups that are given out (SSA, POMS RM
    10201.035)."""
    return WEAK if _SSN.fullmatch(value.strip()) else NO


def digest(value: str, country: str | None = None) -> int:
    """Shaped like an MD5, SHA-1, SHA-256 or SHA-512 in hex, or a SHA-256 in base64."""
    text = value.strip()
    if _HEX.fullmatch(text) and len(text) in (32, 40, 64, 128):
        return WEAK
    return WEAK if re.fullmatch(r"[A-Za-z0-9+/_\-]{43}=?", text) and re.search(r"\d", text) else NO


def hashed(value: str, country: str | None = None) -> int:
    """A SHA-256 in hex, as advertisers' matching takes names, birth dates and genders (Meta Pixel, Advanced Matching;
    Google Ads API, OfflineUserAddressInfo): it does not show of what it was made."""
    text = value.strip()
    return WEAK if len(text) == 64 and _HEX.fullmatch(text) else NO


def family_card(value: str, country: str | None = None) -> int:
    """Sixteen digits of an Indonesian family card, region and date first as in a NIK (recalled); in a NIK's form it is
    strong."""
    digits = re.sub(r"[ .\-]", "", value.strip())
    if not re.fullmatch(r"\d{16}", digits):
        return NO
    if nik(digits):
        return STRONG
    return WEAK if re.fullmatch(r"[1-9]\d{5}(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d{6}", digits) else NO


# ----------------------------------------------------------------------------------------------- device ids


def uuid_not_zero(value: str, country: str | None = None) -> int:
    """A UUID (RFC 9562 text form); 32 hex digits are weak."""
    text = value.strip()
    if _UUID.fullmatch(text):
        return STRONG
    return WEAK if len(text) == 32 and _HEX.fullmatch(text) and not text.isdigit() else NO


def uuid_text(value: str, country: str | None = None) -> int:
    """A UUID (RFC 9562 text form) and nothing else."""
    return STRONG if _UUID.fullmatch(value.strip()) else NO


def oaid(value: str, country: str | None = None) -> int:
    """16, 32 or 64 hex digits or a UUID."""
    text = value.strip()
    if _UUID.fullmatch(text) or (len(text) in (16, 32, 36, 40, 64) and _HEX.fullmatch(text)):
        return STRONG
    return WEAK if re.fullmatch(r"(?=.*\d)[0-9A-Za-z_\-]{16,64}", text) else NO


def uuid_or_hex16(value: str, country: str | None = None) -> int:
    """A UUID (iOS) or 16 hex digits (ANDROID_ID); other identifiers of such keys are weak."""
    text = value.strip()
    if _UUID.fullmatch(text) or (len(text) in (15, 16) and _HEX.fullmatch(text)):
        return STRONG
    return WEAK if len(text) in (32, 40, 64) and _HEX.fullmatch(text) else NO


_REPORTING_BODIES = frozenset("01 10 30 33 35 44 45 49 50 51 52 53 54 86 91 98 99".split())


def imei(value: str, country: str | None = None) -> int:
    """3GPP TS 23.003: 15 digits with a Luhn sum from an allotted reporting body; 14 hex digits of a MEID."""
    text = re.sub(r"[ \-/]", "", value.strip())
    if re.fullmatch(r"\d{15}", text):
        return (STRONG if text[:2] in _REPORTING_BODIES else WEAK) if luhn(text) else NO
    if re.fullmatch(r"\d{16}", text):
        return WEAK if text[:2] in _REPORTING_BODIES else NO
    if re.fullmatch(r"[0-9A-Fa-f]{14}", text):
        return STRONG if text[0] in "AaBbCcDdEeFf" else WEAK
    return NO


@functools.lru_cache(1024)
def network_code(digits: str) -> bool:
    """True when ITU E.212 knows the mobile country code, and the network code where one is given."""
    from stdnum import imsi as table

    parts = table.split(digits + "0" * (15 - len(digits)))
    if len(digits) == 3:
        return bool(parts) and parts[0] == digits
    return len(parts) >= 3 and len(parts[0]) + len(parts[1]) in (len(digits), 5, 6)


def imsi(value: str, country: str | None = None) -> int:
    """14 or 15 digits that begin with a known mobile country and network code."""
    text = value.strip()
    return STRONG if re.fullmatch(r"\d{14,15}", text) and network_code(text[:6]) else NO


def iccid(value: str, country: str | None = None) -> int:
    """ITU-T E.118: 18 to 22 digits from 89, with a Luhn sum where the check digit stands."""
    text = value.strip().rstrip("Ff")
    if re.fullmatch(r"89\d{16,20}", text) is None:
        return NO
    return STRONG if luhn(text) else WEAK


def serial(value: str, country: str | None = None) -> int:
    """8 to 20 letters and digits, with at least one digit."""
    text = value.strip()
    return WEAK if re.fullmatch(r"(?=.*\d)[A-Za-z0-9]{8,20}", text) and not birth_date(text) else NO


_MAC = re.compile(r"[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}", re.IGNORECASE)


def mac48(value: str, country: str | None = None) -> int:
    """Six hex octets of one machine: no group address, none of the constants that systems return instead."""
    text = value.strip()
    m = _MAC.fullmatch(text)
    if m is None or (m[1] == "" and text.isdigit()):
        return NO
    octets = re.sub(r"[:-]", "", text).lower()
    if int(octets[:2], 16) & 1 or octets == "020000000000" or len(set(octets)) == 1:
        return NO
    return STRONG if m[1] else WEAK


def mac_or_digest(value: str, country: str | None = None) -> int:
    """A MAC address, or the digest of one that some keys carry."""
    return mac48(value) or digest(value)


_FCM = re.compile(r"[\w\-]{8,}:[\w\-]{100,}")


def push_token(value: str, country: str | None = None) -> int:
    """FCM (instance id, colon, long tail), 64 hex digits of APNs, or another long token."""
    text = value.strip().strip("<>").replace(" ", "")
    if _FCM.fullmatch(text) or (len(text) >= 64 and _HEX.fullmatch(text)):
        return STRONG
    return WEAK if re.fullmatch(r"(?=.*\d)[\w\-:.=+/]{20,}", text) else NO


def fcm_or_apns(value: str, country: str | None = None) -> int:
    """Only the two forms that nothing else has."""
    return STRONG if push_token(value) == STRONG else NO


def entropy_blob(value: str, country: str | None = None) -> int:
    """Base64 or hex of some length with letters and digits mixed."""
    text = value.strip()
    if len(text) < 16 or re.fullmatch(r"[A-Za-z0-9+/=_\-.|%]+", text) is None:
        return NO
    return WEAK if len(set(text)) >= 8 and re.search(r"\d", text) else NO


_JWT = re.compile(r"[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*")


def is_jwt(text: str) -> bool:
    """RFC 7519 compact form: three parts, the first a JSON object."""
    return text.startswith("eyJ") and _JWT.fullmatch(text) is not None


_OF_AN_APP = re.compile(
    r"(?:[ps]k|rk)[_.](?:live|test|prod|dev)?|AIza|ph[cx]_|xox[abp]-|SG\.|gh[ps]_|key-|AKIA|pub-|ca-app-pub-|"
    r"sdk-|mob-|app[_-]|client[_-]"
    r"|\d{8,20}\||[\w*.\-]{0,40}[:._-](?:production|development|staging|sandbox)[:._-]"
)
"""How keys begin that are given to an app or a project and are the same for all its users; the last is Facebook's
token of an app, its number and a bar."""


def token(value: str, country: str | None = None) -> int:
    """A JWT, or a long token: letters and digits, no words."""
    text = re.sub(r"^(?:Bearer|Token|JWT|Basic|Digest|OAuth|Negotiate)\s+", "", value.strip(), flags=re.IGNORECASE)
    if is_jwt(text):
        return STRONG
    if (
        len(text) < 12
        or re.fullmatch(r"[\w\-.~+/=:|%@!*,]+", text) is None
        or _OF_AN_APP.match(text)
        or _SLUG.fullmatch(text)
    ):
        return NO
    mixed = bool(re.search(r"\d", text)) and len(set(text)) >= 6
    return WEAK if mixed or (len(text) >= 20 and len(set(text)) >= 12) else NO


def otp(value: str, country: str | None = None) -> int:
    """4 to 8 digits."""
    return WEAK if re.fullmatch(r"\d{3}[ \-]?\d{1,5}", value.strip()) and 4 <= len(value.strip()) <= 9 else NO


# ----------------------------------------------------------------------------------------- network, location

_FOR_TEXTS = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
"""RFC 5737 and 3849: addresses of documents stand for public ones."""


def ip(value: str, country: str | None = None) -> int:
    """A public IPv4 or IPv6 address."""
    for part in value.split(",")[:4]:
        try:
            address = ipaddress.ip_address(part.strip().strip("[]"))
        except ValueError:
            return NO
        if address.is_global or any(address in n for n in _FOR_TEXTS if n.version == address.version):
            return STRONG
    return NO


def ssid(value: str, country: str | None = None) -> int:
    """1 to 32 octets (IEEE 802.11) that are no identifier."""
    text = value.strip().strip('"')
    if not text or len(text.encode("utf-8", "replace")) > 32 or _UUID.fullmatch(text) or is_constant(text):
        return NO
    return NO if len(text) >= 16 and (text.isdigit() or _HEX.fullmatch(text)) else WEAK


def mcc_mnc(value: str, country: str | None = None) -> int:
    """5 or 6 digits that ITU E.212 knows."""
    text = re.sub(r"[ \-_/]", "", value.strip())
    return STRONG if re.fullmatch(r"\d{5,6}", text) and network_code(text) else NO


def carrier(value: str, country: str | None = None) -> int:
    """A network code, or the name of an operator."""
    text = value.strip()
    if re.fullmatch(r"[\d \-_/]+", text):
        return mcc_mnc(text)
    return (
        WEAK
        if 2 <= len(text) <= 60 and any(c.isalpha() for c in text) and not re.search(r"[{}\[\]<>=]|://", text)
        else NO
    )


def mcc(value: str, country: str | None = None) -> int:
    """A mobile country code."""
    return WEAK if re.fullmatch(r"\d{3}", value.strip()) and network_code(value.strip()) else NO


def mnc(value: str, country: str | None = None) -> int:
    """A mobile network code; only beside a country code."""
    return WEAK if re.fullmatch(r"\d{1,3}", value.strip()) else NO


def cell_number(value: str, country: str | None = None) -> int:
    """An area code or cell identity (3GPP TS 23.003), or a list of them."""
    text = value.strip()
    return WEAK if re.fullmatch(r"\d{2,11}", text) and 0 < int(text) < 2**36 and int(text) != 2147483647 else NO


_DEGREES = re.compile(r"[+-]?\d{1,3}(?:[.,]\d+)?")


def degrees(value: str, most: int) -> int | None:
    """Decimals of a coordinate within ``most`` degrees; None where it is none. A comma may stand for the point."""
    text = value.strip().replace(",", ".")
    if _DEGREES.fullmatch(text) is None or abs(float(text)) > most:
        return None
    return len(text.partition(".")[2])


_PAIR = re.compile(r"\(?(-?\d{1,3}\.\d+)\s*[,;| ]\s*(-?\d{1,3}\.\d+)(?:\s*[,;| ]\s*-?\d+(?:\.\d+)?)?\)?")


def pair(value: str) -> tuple[str, str] | None:
    """Two coordinates in one text, as they stand in it."""
    m = _PAIR.fullmatch(value.strip())
    if m is None or degrees(m[1], 180) is None or degrees(m[2], 180) is None:
        return None
    if abs(float(m[1])) > 90 and abs(float(m[2])) > 90:
        return None
    return None if near_zero(m[1], m[2]) else (m[1], m[2])


def near_zero(one: str, other: str) -> bool:
    """Both within one degree of zero: open sea, and the parts of a screen or picture that many programs write so."""
    return all(abs(float(text.replace(",", "."))) <= 1 for text in (one, other))


def place_name(value: str, country: str | None = None) -> int:
    """The name of a place: letters, some words, nothing of code."""
    text = value.strip()
    if not 2 < len(text) <= 80 or re.search(r"[{}\[\]<>=_@|]|://|\d{5}", text) or not text[0].isalpha():
        return NO
    return NO if re.fullmatch(r"[a-z]{2,}(?:-[a-z]+)+-?\d*", text) else WEAK


def proper_place(value: str, country: str | None = None) -> int:
    """A place name that is written as one, with a capital: for keys that parts of a program use, too."""
    return place_name(value) if value.strip()[:1].isupper() else NO


def address_text(value: str, country: str | None = None) -> int:
    """Free text of an address: letters, and a digit or several words."""
    text = value.strip()
    if not 5 <= len(text) <= 400 or "@" in text or "://" in text or not re.search(r"[^\W\d_]{2}", text):
        return NO
    return WEAK if " " in text and (re.search(r"\d", text) or len(text.split()) >= 3) else NO


def postal_code(value: str, country: str | None = None) -> int:
    """3 to 10 letters and digits with at least three digits."""
    text = value.strip()
    return WEAK if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 \-]{2,9}", text) and sum(c.isdigit() for c in text) >= 3 else NO


# ------------------------------------------------------------------------------------------------- financial

_ISSUERS = re.compile(r"3[4-7]|30[0-5]|309|4|5[0-8]|6|2[2-7]|8[19]|9792")


def pan(value: str, country: str | None = None) -> int:
    """ISO/IEC 7812: 13 to 19 digits of an assigned issuer with a Luhn sum."""
    text = re.sub(r"[ \-]", "", value.strip())
    if re.fullmatch(r"\d{13,19}", text) is None or len(set(text)) < 3 or _ISSUERS.match(text) is None:
        return NO
    return STRONG if luhn(text) else NO


def pan_shape(value: str, country: str | None = None) -> int:
    """As :func:`pan`, for a text that no key names: the lengths that the great issuers really use, since one number
    in ten passes Luhn by chance."""
    text = re.sub(r"[ \-]", "", value.strip())
    m = re.fullmatch(
        r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|62\d{14}|35(?:2[89]|[3-8]\d)\d{12}",
        text,
    )
    return STRONG if m and len(set(text)) >= 4 and luhn(text) else NO


def bank_account(value: str, country: str | None = None) -> int:
    """An IBAN (ISO 13616, modulo 97), or 6 to 20 digits."""
    text = re.sub(r"[ \-.]", "", value.strip()).upper()
    if re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}", text):
        turned = "".join(str(int(c, 36)) for c in text[4:] + text[:4])
        return STRONG if int(turned) % 97 == 1 else NO
    return WEAK if re.fullmatch(r"\d{6,20}", text) else NO


_CURRENCY = re.compile(r"[A-Z]{3}|[a-z]{3}|Rp|[$€£¥]")


def money_or_order(value: str, country: str | None = None) -> int:
    """An amount, a currency or the identifier of an order."""
    text = value.strip()
    if number(text) or _CURRENCY.fullmatch(text):
        return WEAK
    return WEAK if re.fullmatch(r"(?=.*\d)[A-Za-z0-9_\-/.#]{4,80}", text) else NO


# ------------------------------------------------------------------------------------- content and behaviour


def sentence(value: str, country: str | None = None) -> int:
    """Free text of more than a few words."""
    text = value.strip()
    if len(text) > 8000 or text[:1] in "{[<" or "://" in text.split(" ")[0] or text.count(" ") < 2:
        return NO
    return WEAK if sum(c.isalpha() for c in text) >= len(text) * 0.5 and text.count("_") < 3 else NO


def gene_variant(value: str, country: str | None = None) -> int:
    """The name of a variant (rs and digits, as dbSNP has them), with or without its bases, or a sequence of bases."""
    text = value.strip()
    return (
        WEAK
        if re.fullmatch(r"rs\d{3,12}(?:[ :;,_]+[ACGT-]{1,2})?|[ACGT]/?[ACGT]|[ACGTU]{12,}", text, re.IGNORECASE)
        else NO
    )


def phrase(value: str, country: str | None = None) -> int:
    """What a person types into a search field: some letters, nothing of code or query languages."""
    text = value.strip()
    if not 2 <= len(text) <= 200 or re.match(
        r"(?:query|mutation|subscription|fragment|select|insert|update)\b[^a-z]", text, re.IGNORECASE
    ):
        return NO
    if re.search(r"[{}\[\]<>=|\\]|://|:\w", text) or _UUID.fullmatch(text):
        return NO
    return WEAK if any(c.isalpha() for c in text) else NO


def typed(value: str, country: str | None = None) -> int:
    """A phrase that somebody typed: a list of tags or terms, as pages and advertisements have them, is none."""
    return NO if len(re.findall(r"[,;|]", value)) > 1 or re.search(r"[,;|]\S", value) else phrase(value)


_LINK = re.compile(r"https?://([^/\s?#:@]+)(?::\d+)?([^\s?#]*)(?:[?#]\S*)?", re.IGNORECASE)
_RESOURCE = re.compile(
    r"\.(?:js|css|png|jpe?g|gif|webp|svg|ico|woff2?|ttf|mp4|webm|m3u8|ts|json|xml|zip|apk)$", re.IGNORECASE
)


def link(value: str) -> tuple[str, str] | None:
    """Host and path of an absolute web address as a whole; None where it is none, or a resource and no page."""
    m = _LINK.fullmatch(value.strip())
    if m is None or _RESOURCE.search(m[2]):
        return None
    return m[1].lower(), m[2]


_PACKAGE = re.compile(r"[a-z][a-z0-9_]*(?:\.[A-Za-z0-9_]+){1,8}")


def packages(values: list[str]) -> list[int]:
    """Which of the texts are reverse-domain package names (``com.vendor.app``)."""
    return [
        n
        for n, v in enumerate(values)
        if _PACKAGE.fullmatch(v.strip())
        and re.match(
            r"(?:com|org|net|id|io|co|me|app|jp|cn|in|de|ru|air|tv|my|sg|br|kr|ai|android|us|uk|eu|fr|vn|th|ph)\.",
            v.strip(),
        )
    ]


_FRAME = re.compile(
    r"^\s*(?:at |#\d+\s|[-+]\[\w+ )|\bat [\w$.<>]+\([\w$.]+(?::\d+)?\)|\.(?:java|kt|swift|m|js|py|dart|cpp|cs):\d+|"
    r"(?:Exception|Error)(?::|\b.*\n\s+at )|0x[0-9a-f]{6,16}\b",
    re.MULTILINE,
)


def stack_trace(value: str, country: str | None = None) -> int:
    """Frames of a call stack, or the name and text of an exception."""
    return WEAK if _FRAME.search(value[:4000]) else NO


def technical(value: str, country: str | None = None) -> int:
    """A short technical value."""
    text = value.strip()
    return WEAK if 0 < len(text) <= 120 and "://" not in text else NO


# ------------------------------------------------------------------------------------------- locale and zone

_LANGUAGES = frozenset(
    """aa ab af ak am ar as ay az ba be bg bh bi bm bn bo br bs ca ce co cs cy da de dv dz ee el en eo es et eu
    fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi hr ht hu hy ia id ie ig in is it iu iw ja ji jv jw ka kk
    kl km kn ko ks ku ky la lb lg ln lo lt lu lv mg mi mk ml mn mr ms mt my na nb nd ne nl nn no nr nv ny oc
    om or os pa pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th
    ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu fil ind eng zho jpn kor msa fra
    deu spa rus ara por vie tha jav sun""".split()
)
"""ISO 639-1 with the old codes in use (in, iw, ji, jw), and some of ISO 639-2."""
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[_\-](?:#)?[A-Za-z]{4})?(?:[_\-]([A-Za-z]{2}|\d{3}))?(?:[_\-#.@][\w\-.=]{1,40})*")
_ZONE = re.compile(
    r"(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific|Etc|US|Canada|Brazil|Chile|Mexico)"
    r"/[A-Za-z0-9_+\-/]{2,40}"
)
_OFFSET = re.compile(r"(?:GMT|UTC)?[+\-]\d{1,2}(?::?\d{2})?|(?:GMT|UTC|Z)")
_ABBREVIATIONS = frozenset(
    "WIB WITA WIT SGT PST PDT EST EDT CST CDT MST MDT CET CEST BST JST KST IST HKT MSK AEST AEDT".split()
)


def language(value: str, country: str | None = None) -> int:
    """A BCP 47 tag, or a list of them as Accept-Language has it."""
    text = value.strip()
    if "," in text or ";" in text:
        text = re.split(r"[,;]", text)[0].strip()
    m = _TAG.fullmatch(text)
    if m is None or m[1].lower() not in _LANGUAGES:
        return WEAK if text.lower() in ("english", "indonesia", "indonesian", "bahasa indonesia", "bahasa") else NO
    return STRONG


def timezone(value: str, country: str | None = None) -> int:
    """An IANA zone, an abbreviation, or an offset in hours, minutes, seconds or milliseconds."""
    text = value.strip()
    if _ZONE.fullmatch(text):
        return STRONG
    if _OFFSET.fullmatch(text) or text in _ABBREVIATIONS:
        return WEAK
    m = re.fullmatch(r"[+-]?\d{1,8}(?:\.0|\.5|\.75)?", text)
    if m is None:
        return NO
    offset = abs(float(text))
    in_hours, in_minutes = offset <= 14, offset % 15 == 0 and offset <= 840
    return (
        WEAK
        if in_hours
        or in_minutes
        or (offset % 900 == 0 and offset <= 50_400)
        or (offset % 900_000 == 0 and offset <= 50_400_000)
        else NO
    )


def locale_or_zone(value: str, country: str | None = None) -> int:
    """Either of the two."""
    return language(value) or timezone(value)
