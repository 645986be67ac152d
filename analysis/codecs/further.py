"""Further forms of a value: those in which it must not leave an audit either, though nothing is counted as sent for
them, since each could be something else: half a name, the local part of a mail address, a number in hex.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator

_SPLIT = re.compile(r"[^\w]+|_", re.UNICODE)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae", "ñ": "ny"})
_NAMES = frozenset({"full_name", "username", "contacts"})
_LEAST_DIGITS = 9


def further_forms(value: str, data_type: str) -> Iterator[tuple[str | bytes, str]]:
    """(text, variant). Without separators and accents they are compared in any case, so none differs in these."""
    trimmed = value.strip()
    plain = unicodedata.normalize("NFC", trimmed).lower().translate(_UMLAUTS)
    yield plain, "umlauts written out"
    if "@" in trimmed:
        local, _, domain = trimmed.rpartition("@")
        yield f"{local}at{domain}", "its sign written out"
        yield f"{local}at{domain.replace('.', 'dot')}", "its signs written out"
        yield local, "local part"
        yield local.partition("+")[0], "local part without tag"
        for part in _SPLIT.split(local.partition("+")[0]):
            yield part, "a part of the local part"
    elif data_type in _NAMES or _is_name(trimmed):
        words = [w for w in _SPLIT.split(plain) if w]
        yield "".join(reversed(words)), "in the other order"
        if len(words) > 2:
            yield words[0] + words[-1], "first and last"
            yield words[-1] + words[0], "last and first"
        for text in (trimmed, plain):
            for part in _SPLIT.split(text):
                yield part, "a part of the name"
    digits = re.sub(r"[\s().+/-]", "", trimmed)
    if digits.isascii() and digits.isdigit() and _LEAST_DIGITS <= len(digits) <= 24:
        yield from _numbers(digits)
        if len(digits) == 15:  # an IMEI's last is a check digit (3GPP TS 23.003)
            yield from _numbers(digits[:14])
    yield from _address(trimmed)


def _is_name(text: str) -> bool:
    """Two to five words of letters, each begun with a capital: whatever its type is called, it is written as names
    are."""
    words = text.split()
    return 2 <= len(words) <= 5 and all(w.isalpha() and w[0].isupper() for w in words)


def _numbers(digits: str) -> Iterator[tuple[str | bytes, str]]:
    """A number in hex, in octets, and with the digits of each octet exchanged (TBCD, 3GPP TS 29.002)."""
    number = int(digits)
    yield f"{number:x}", "in hex"
    for filler in ("f", "0"):
        padded = digits + filler * (len(digits) % 2)
        swapped = "".join(padded[n + 1] + padded[n] for n in range(0, len(padded), 2))
        yield swapped, "digits exchanged"
        yield bytes.fromhex(swapped), "octets, digits exchanged"
        yield bytes.fromhex(padded), "octets of digits"
    size = (number.bit_length() + 7) // 8
    if size >= 6:
        yield number.to_bytes(size, "big"), "octets"
        yield number.to_bytes(size, "little"), "octets, the least first"


def _address(text: str) -> Iterator[tuple[str | bytes, str]]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return
    number = int(address)
    yield str(number), "as a number"
    yield f"{number:0{8 if address.version == 4 else 32}x}", "in hex"
    yield address.reverse_pointer.rpartition(".")[0].rpartition(".")[0], "reversed"
