"""Identifiers by their look: segments of a path, labels of a host and keys that name one user, device or thing, though
no rule says what they are.

A segment that is masked without need costs a reader little, one that stands costs somebody much. So words, versions,
days of these years and sizes of pictures stay, and what looks like a number, a digest or a random name goes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

NUMBER, IDENTIFIER, EMAIL, ADDRESS, PLACE = "number", "id", "email", "ip_address", "place"
_LEAST_DIGITS = 6
"""Digits of a number that may name somebody: a million things."""
_LEAST_LABEL_DIGITS = 9
"""The same in a host, whose names are given to machines and customers of clouds, not to users."""
_LEAST_RANDOM = 12
"""Characters of a name that nobody chose."""
_MOST_RUN = 3.0
"""Characters of one kind in a row, on average, below which a name of letters and digits is random."""
_MOST_CONSONANTS = 6

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_MAIL = re.compile(r"[^\s/@=;,&]+@[^\s/@=;,&]+\.[A-Za-z]{2,}")
_MAC = re.compile(r"(?<![0-9a-f])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5,7}(?![0-9a-f])", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
_IPV6 = re.compile(
    r"(?<![0-9a-f:])(?:(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){1,6}:[0-9a-f:]{1,34})(?![0-9a-f:])",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?<![\d.])[+-]?\d{1,3}\.\d{3,}(?![\d.])")
_PLAIN = re.compile(r"[A-Za-z]{0,24}[0-9]{0,2}(?:\.[a-z]{2,5})?")
"""Most segments: a word, perhaps with a number of two digits and the ending of a file."""
_DAY = re.compile(r"(?<!\d)20(?:1[5-9]|[2-3]\d)([-_./]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")
"""A day on which nobody who uses the phone was born; interfaces are versioned by days."""
_VERSION = re.compile(r"(?<![\w.])v?\d{1,5}(?:\.\d{1,5}){1,4}(?![\w.]*\d{6})", re.IGNORECASE)
_SIZE = re.compile(r"(?<!\d)\d{2,4}[xX]\d{2,4}(?!\d)")
_ENDING = re.compile(r"(?:\.(?:min|bundle|chunk|module|d|tar))?\.[A-Za-z][A-Za-z0-9]{1,4}\Z")
_PART = re.compile(r"[^;=@,&!|~$+*'()]+")
_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{12,}(?![0-9A-Za-z])")
_NAME = re.compile(r"[0-9A-Za-z_-]{12,}")
_RUNS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[_-]")
_CONSONANTS = re.compile(rf"[b-df-hj-np-tv-xz]{{{_MOST_CONSONANTS},}}", re.IGNORECASE)


@lru_cache(32_768)
def hide_segment(segment: str) -> str:
    """A segment of a path, or a key, with what looks like an identifier written as ‹kind›. The endings of files, and
    what stands before ``=``, stay."""
    if _PLAIN.fullmatch(segment) and not _CONSONANTS.search(segment):
        return segment
    if segment.startswith("‹") and segment.endswith("›") and segment.count("‹") == 1:
        return segment
    plain = unquote(segment) if "%" in segment else segment
    for pattern, kind in ((_UUID, IDENTIFIER), (_MAIL, EMAIL), (_MAC, IDENTIFIER), (_IPV4, ADDRESS), (_IPV6, ADDRESS)):
        if pattern.search(plain):
            plain = pattern.sub(f"‹{kind}›", plain)
    plain = _PLACE.sub(f"‹{PLACE}›", plain)
    made = _PART.sub(_part, plain)
    if made == (unquote(segment) if "%" in segment else segment):
        return segment
    return made.replace("/", "%2F")


def _part(match: re.Match[str]) -> str:
    text = match[0]
    ending = _ENDING.search(text)
    tail = ending[0] if ending is not None and not ending[0][-1:].isdigit() else ""
    stem = text[: len(text) - len(tail)]
    kind = kind_of(stem)
    return text if kind is None else f"‹{kind}›{tail}"


def kind_of(text: str) -> str | None:
    """What ``text`` looks like: a number, or a name that nobody chose; None where it may be a word."""
    rest = _SIZE.sub("", _VERSION.sub("", _DAY.sub("", text)))
    if sum(c.isdecimal() for c in rest) >= _LEAST_DIGITS:
        return NUMBER if not re.search(r"[A-Za-z]{3}", rest) else IDENTIFIER
    if _HEX.search(rest) and re.search(r"\d", rest):
        return IDENTIFIER
    return IDENTIFIER if any(_is_random(n) for n in _NAME.findall(rest)) else None


def _is_random(name: str) -> bool:
    """Whether letters and digits change as they do where nobody chose them."""
    letters = name.replace("_", "").replace("-", "")
    if len(letters) < _LEAST_RANDOM:
        return False
    if _CONSONANTS.search(letters):
        return True
    runs = [r for r in _RUNS.findall(name) if r not in "_-"]
    digits = [r for r in runs if r.isdigit()]
    mixed = name.lower() != name and name.upper() != name
    return (len(digits) >= 2 or (mixed and len(digits) >= 1)) and len(letters) / len(runs) < _MOST_RUN


def hide_path(path: str) -> str:
    """A path of a URL with the segments that look like an identifier masked."""
    return "/".join(map(hide_segment, path.split("/"))) if path else path


def hide_labels(labels: str) -> str:
    """The labels of a host before what somebody registered: UUIDs, long digests and long numbers are masked."""
    return ".".join(map(_label, labels.split(".")))


@lru_cache(8_192)
def _label(label: str) -> str:
    if _UUID.search(label):
        return _UUID.sub(f"‹{IDENTIFIER}›", label)
    digits = max(map(len, re.findall(r"\d+", label)), default=0)
    if digits >= _LEAST_LABEL_DIGITS:
        return f"‹{NUMBER}›" if not re.search(r"[A-Za-z]{3}", label) else f"‹{IDENTIFIER}›"
    if re.fullmatch(r"[0-9A-Fa-f]{16,}", label) and re.search(r"\d", label):
        return f"‹{IDENTIFIER}›"
    return label


def hide_plain(text: str) -> str:
    """Words of the auditor's own, such as a file's name, with mail addresses, UUIDs and hardware addresses masked.
    Numbers stay: they are days and times."""
    for pattern, kind in ((_UUID, IDENTIFIER), (_MAIL, EMAIL), (_MAC, IDENTIFIER)):
        text = pattern.sub(f"‹{kind}›", text)
    return text


_KEY_SEPARATOR = re.compile(r"([.\[\]])")


def hide_keys(path: str) -> str:
    """A path of keys, ``request.json.users.1234567.name``, with the keys that look like an identifier masked; places
    in lists stay."""
    parts = _KEY_SEPARATOR.split(path)
    return "".join(
        part if n % 2 or (n and parts[n - 1] == "[" and len(part) < 9) else hide_segment(part)
        for n, part in enumerate(parts)
    )
