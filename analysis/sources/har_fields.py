"""What the parts of a HAR's entry mean, in the dialects of the tools that write HAR.

HAR 1.1 and 1.2 (softwareishard.com, "HAR 1.2 Spec") leave much open: how binary bodies are written, what a
size counts, what stands where nothing is known. Each function here takes whatever an entry holds and gives a
value of one form, or what stands for "not said".
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from analysis.model import Headers, Micros
from analysis.sources.rows import LONGEST_TEXT, MOST_STATED, authority, plausible, valid


def mapping(value: object) -> dict[str, Any]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


_NUMBER: tuple[type, ...] = (int, float, str)
_LIST: tuple[type, ...] = (list,)
_TYPES: dict[str, dict[str, tuple[type, ...]]] = {
    "": {
        "request": (dict,),
        "response": (dict,),
        "timings": (dict,),
        "cache": (dict,),
        "serverIPAddress": (str,),
        "connection": (str, int),
        "_webSocketMessages": _LIST,
        "_eventSourceMessages": _LIST,
    },
    "request": {
        "method": (str,),
        "url": (str,),
        "httpVersion": (str, int, float),
        "headers": (list, dict),
        "cookies": _LIST,
        "queryString": _LIST,
        "postData": (dict, str),
        "headersSize": _NUMBER,
        "bodySize": _NUMBER,
    },
    "response": {
        "status": _NUMBER,
        "httpVersion": (str, int, float),
        "headers": (list, dict),
        "cookies": _LIST,
        "content": (dict,),
        "headersSize": _NUMBER,
        "bodySize": _NUMBER,
    },
}
"""What is read of an entry, and of which JSON types HAR (and the tools that write it otherwise) has it."""


def wrong_types(entry: dict[str, Any]) -> int:
    """How many of the values that are read of an entry are of a type that stands there in no HAR: they are taken as
    not stated."""
    wrong = 0
    for part, types in _TYPES.items():
        inner = mapping(entry.get(part)) if part else entry
        for key, allowed in types.items():
            value = inner.get(key)
            if value is not None and (not isinstance(value, allowed) or isinstance(value, bool)):
                wrong += 1
    return wrong


def text(value: object) -> str:
    """The value as text: numbers as they are written, nothing for null and objects."""
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return ""


def size(value: object) -> int | None:
    """A count of octets; None where it is not said (HAR writes -1)."""
    if isinstance(value, str) and value.strip().isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST_STATED:
        return None
    return int(value)


# ------------------------------------------------------------------------------------------------- time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]\s*(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?\s*"
    r"(Z|UTC|GMT|[+\-\u2212]\d\d(?::?\d\d)?(?::?\d\d)?)?",
    re.IGNORECASE,
)
_JAVASCRIPT = re.compile(r"\w{3},? (\w{3}) (\d{1,2}),? (\d{4}),? (\d\d:\d\d:\d\d)(?: GMT([+-]\d{4}))?.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Started:
    """When an entry began; ``zoned``: the text said its zone."""

    at: Micros | None
    zoned: bool = True


def started(value: object) -> Started:
    """``startedDateTime`` in any of its spellings: ISO 8601 with every kind of zone and fraction, seconds or
    milliseconds since 1970, RFC 1123, JavaScript's Date. A time without zone is taken as UTC."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Started(_since_1970(float(value)))
    if not isinstance(value, str) or not value or len(value) > 100:
        return Started(None)
    value = value.strip()
    found = _ISO.fullmatch(value)
    if found is not None:
        return _iso(found)
    if re.fullmatch(r"\d{9,16}(\.\d+)?", value):
        return Started(_since_1970(float(value)))
    found = _JAVASCRIPT.fullmatch(value)
    if found is not None:
        value = f"{found[2]} {found[1]} {found[3]} {found[4]} {found[5] or ''}"
    try:
        when = parsedate_to_datetime(value.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return Started(None)
    return _micros(when)


def _since_1970(value: float) -> Micros | None:
    """Seconds, milliseconds or microseconds, told by size: all of this century's times differ by it."""
    if not 1e8 <= value < 1e17:
        return None
    return plausible(round(value * (1e6 if value < 1e11 else 1e3 if value < 1e14 else 1)))


def _iso(found: re.Match[str]) -> Started:
    fraction = ((found[7] or "") + "000000")[:6]
    zone = found[8]
    try:
        numbers = [int(found[n] or 0) for n in range(1, 7)]
        # A leap second, and midnight as hour 24, are the next second and the next day.
        over = timedelta(seconds=numbers[5] == 60, hours=24 * (numbers[3] == 24))
        if numbers[5] == 60:
            numbers[5] = 59
        if numbers[3] == 24:
            numbers[3] = 0
        year, month, day, hour, minute, second = numbers
        when = datetime(year, month, day, hour, minute, second, int(fraction), UTC) + over
        offset = timedelta()
        if zone and zone[0] in "+-\u2212":
            digits = zone[1:].replace(":", "").ljust(6, "0")
            offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6]))
            offset = offset if zone[0] == "+" else -offset
        return Started(plausible((when - offset - _EPOCH) // _MICROSECOND), bool(zone))
    except (ValueError, OverflowError):
        return Started(None)


def _micros(when: datetime) -> Started:
    zoned = when.tzinfo is not None
    if not zoned:
        when = when.replace(tzinfo=UTC)
    try:
        return Started(plausible((when - _EPOCH) // _MICROSECOND), zoned)
    except OverflowError:
        return Started(None)


def duration(entry: dict[str, Any]) -> int:
    """Microseconds from an entry's start to its end: its ``time``, else the sum of its timings; 0 where not
    said."""
    total = _milliseconds(entry.get("time"))
    if total is None:
        parts = mapping(entry.get("timings"))
        total = sum(_milliseconds(parts.get(n)) or 0 for n in ("blocked", "dns", "connect", "send", "wait", "receive"))
    return round(total * 1000)


_SPANS = ("blocked", "dns", "connect", "ssl", "send", "wait", "receive")


def wrong_spans(entry: dict[str, Any]) -> int:
    """How many of an entry's spans of time are none: of another type, infinite, or longer than four months. A negative
    one is how HAR writes that it does not apply."""
    timings = entry.get("timings")
    spans = [entry.get("time"), *(mapping(timings).get(name) for name in _SPANS)]
    wrong = sum(value is not None and _milliseconds(value) is None and not _is_negative(value) for value in spans)
    return wrong + (timings is not None and not isinstance(timings, dict))


def _is_negative(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e10 < value < 0


def _milliseconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e10:
        return None
    return float(value)


# -------------------------------------------------------------------------------------------- what was asked

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.\-]*):)?(?://([^/?#]*))?([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_NETWORK = {"http": "http", "https": "https", "ws": "http", "wss": "https", "": ""}
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of a request's address. ``scheme`` is http, https, another scheme of the browser's own, or
    empty; ``network``: it is one that leaves the machine. ``target``: path and query as sent, without
    fragment."""

    scheme: str
    host: str
    port: int | None
    path: str
    target: str
    network: bool = True


def url(value: object, method: str = "") -> Url:
    """An entry's URL, as RFC 3986 appendix B takes it apart: userinfo and fragment, which are not sent, are
    dropped. Nothing in it is normalised but the host's case."""
    whole = text(value)
    if method.upper() == "CONNECT" and "/" not in whole:
        host, port = authority(whole)
        return Url("", host, port, "", whole)
    found = _URL.fullmatch(whole)
    if found is None:
        return Url("", "", None, "", whole)
    scheme = (found[1] or "").lower()
    if scheme not in _NETWORK:
        # What a browser keeps for itself (data:, blob:, chrome-extension:, about:) may be long: only its kind
        # is told.
        return Url(scheme[:40], "", None, "", "", network=False)
    host, port = authority(found[2] or "")
    scheme = _NETWORK[scheme]
    path = found[3] or "/"
    return Url(scheme, host, port if port is not None else _PORTS.get(scheme), path, path + (found[4] or ""))


def target_with_query(target: str, query: object) -> str:
    """A target whose URL was written without its query gets it back from ``queryString`` (Postman,
    Insomnia)."""
    if "?" in target:
        return target
    pairs = [(text(mapping(q).get("name")), text(mapping(q).get("value"))) for q in sequence(query)]
    pairs = [p for p in pairs if p[0] or p[1]]
    return f"{target}?{urlencode(pairs, quote_via=quote, errors='surrogatepass')}" if pairs else target


def headers(value: object, cookies: object, cookie_name: str) -> Headers:
    """Header fields in order. They are objects (most tools), pairs (Slack) or one mapping; several Set-Cookie
    are joined by line ends (Chrome, Firefox). Where no cookie header stands but ``cookies`` do, it is made
    from them."""
    found: list[tuple[str, str]] = []
    elements = list(value.items()) if isinstance(value, dict) else sequence(value)
    for element in elements:
        if isinstance(element, dict):
            name, said = element.get("name"), element.get("value")
            if not (type(name) is str and type(said) is str and name.isascii() and said.isascii()):
                name, said = text(name), text(said)
        elif isinstance(element, (list, tuple)) and len(element) >= 2:
            name = text(element[0])
            said = ", ".join(map(text, element[1])) if isinstance(element[1], list) else text(element[1])
        else:
            continue
        if not name:
            continue
        if "\n" in said and name.lower() == "set-cookie":
            found += [(name, line) for line in said.split("\n") if line]
        else:
            found.append((name, said))
    if not any(name.lower() == cookie_name for name, _ in found):
        made = [(text(mapping(c).get("name")), text(mapping(c).get("value"))) for c in sequence(cookies)]
        made = [c for c in made if c[0]]
        if made and cookie_name == "cookie":
            found.append(("Cookie", "; ".join(f"{name}={said}" for name, said in made)))
        elif made:
            found += [("Set-Cookie", f"{name}={said}") for name, said in made]
    return tuple(found)


def header(found: Headers, name: str) -> str:
    """The first header field of that name (lower case); empty when there is none."""
    return next((said for n, said in found if n.lower() == name), "")


# ------------------------------------------------------------------------------------------------ who asked

_APP_KEYS = ("_app", "_process", "_appId", "_packageName", "_bundleId", "_bundleIdentifier", "_appName", "_processName")
_APP_NAMES = ("id", "packageName", "package", "bundleId", "bundleIdentifier", "name", "processName")
_UNKNOWN_OF_PROXYPIN = "com.network.proxy"


def app(entry: dict[str, Any]) -> str | None:
    """The app that the capture names for an entry: its id where there is one, else its name; None where it names none.

    ``_app`` with id, name, path and os is ProxyPin's (``lib/utils/har.dart`` and ``lib/network/util/process_info.dart``
    of wanghongenpin/proxypin), which writes its own id, with an empty path, for a socket whose owner it does not know.
    The other keys are taken by what they say: no writer of them was read."""
    for key in _APP_KEYS:
        value = entry.get(key)
        stated = [value] if isinstance(value, str) else [mapping(value).get(name) for name in _APP_NAMES]
        names = [valid(name).strip()[:LONGEST_TEXT] for name in stated if isinstance(name, str) and name.strip()]
        if names and not (names[0] == _UNKNOWN_OF_PROXYPIN and not mapping(value).get("path")):
            return names[0]
    return None


# ---------------------------------------------------------------------------------------------------- bodies

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:\-]+)", re.IGNORECASE)
_STREAM_HEAD = re.compile(r"(?:Content-(?:Type|Length|Disposition)[^\r\n]*\r\n)+\r\n", re.IGNORECASE)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass(frozen=True, slots=True)
class Body:
    """Octets of a body. ``present``: the capture holds it; ``damaged``: its transfer text could not be undone
    whole."""

    octets: bytes
    present: bool
    damaged: bool = False
    exact: bool = False
    """The text gives each octet, so that its length can be held against what the entry states."""
    raw: bool = False
    """As on the wire, its content coding not undone."""


_NONE = Body(b"", False)
RAW = "_lintas_octets"
"""Where the reader of another form than HAR, which has octets and no text, lays them: no JSON holds octets."""


def request_body(request: dict[str, Any], found: Headers) -> Body:
    """A request's body: ``postData`` as text, as base64 (PCAPdroid and others write ``encoding``), HTTP
    Toolkit's ``_content``, or its params alone, which are then written as the form that they were."""
    post = request.get("postData")
    if isinstance(post, str):
        post = {"text": post}
    post = mapping(post)
    if isinstance(post.get(RAW), bytes):
        return Body(post[RAW], True, exact=True, raw=True)
    said = size(request.get("bodySize"))
    written = post.get("text")
    if not isinstance(written, str) or not written:
        content = mapping(request.get("_content"))
        if isinstance(content.get("text"), str) and content["text"]:
            return _octets(content["text"], _coding(content), _kind(content, found), size(content.get("size")) or said)
        if post.get("params"):
            return Body(_form(sequence(post.get("params")), _kind(post, found)), True)
        return Body(b"", isinstance(written, str) and not said)
    kind = _kind(post, found)
    if _coding(post) != "base64" and "form" in kind:
        # Firefox writes the header fields of an upload's stream before a form's own text.
        head = _STREAM_HEAD.match(written)
        if head is not None:
            return replace(_octets(written[head.end() :], "", kind, said), exact=False)
    return _octets(written, _coding(post), kind, said)


def response_body(response: dict[str, Any], found: Headers) -> Body:
    """A response's body: its content codings are undone already, for nearly all tools."""
    content = mapping(response.get("content"))
    if isinstance(content.get(RAW), bytes):
        return Body(content[RAW], True, exact=True, raw=True)
    written = content.get("text")
    if not isinstance(written, str):
        return _NONE
    if not written:
        return Body(b"", not (size(content.get("size")) or 0) and not (size(response.get("bodySize")) or 0))
    return _octets(written, _coding(content), _kind(content, found), size(content.get("size")))


_CARRIES = {"POST", "PUT", "PATCH"}
"""Methods whose requests have a body for nearly all clients (RFC 9110 section 9.3)."""


def content_length(found: Headers) -> int | None:
    """What ``Content-Length`` states (RFC 9110 section 8.6); None where it is not there or no number."""
    written = header(found, "content-length").strip()
    return int(written) if written.isascii() and written.isdigit() and len(written) < 13 else None


def dropped(body: Body, size_stated: int | None, found: Headers, carries: bool) -> int | None:
    """How many octets a body had on the wire of which the HAR lacks some: 0 where it lacks them and nothing says how
    many there were; None where it lacks none. ``size_stated``: the entry's own word. ``carries``: that there was a
    body is known from elsewhere."""
    announced = content_length(found)
    if body.raw:
        return announced if announced is not None and len(body.octets) < announced else None
    if not body.octets:
        if size_stated or announced:
            return size_stated or announced
        if announced == 0 or (size_stated == 0 and not carries):
            return None
        return 0 if carries or "chunked" in header(found, "transfer-encoding").lower() else None
    coding = header(found, "content-encoding").strip().lower()
    whole = announced or size_stated or 0
    if not body.exact or body.damaged or coding not in ("", "identity") or len(body.octets) >= whole:
        return None
    # Text may stand here in another encoding, without its byte order mark, or with other line ends than it had.
    other_lines = body.octets.count(b"\n") if b"\r\n" not in body.octets else 0
    doubled = range(2 * len(body.octets), 2 * len(body.octets) + 3)
    return None if whole <= len(body.octets) + max(3, other_lines) or whole in doubled else whole


def carries_request(request: dict[str, Any], method: str, found: Headers) -> bool:
    """Whether a request without text had a body all the same: its method usually has one, its type is named, and its
    size is not stated to be 0."""
    post = mapping(request.get("postData"))
    named = header(found, "content-type") or text(post.get("mimeType"))
    null = "text" in post and post["text"] is None
    return method.upper() in _CARRIES and bool(named) and (size(request.get("bodySize")) is None or null)


def carries_response(response: dict[str, Any], status: int | None, found: Headers) -> bool:
    """The same of a response: it is a 200 of a named type, and neither its size nor its text is there."""
    content = mapping(response.get("content"))
    sizes = (size(content.get("size")), size(response.get("bodySize")))
    return status == 200 and bool(header(found, "content-type")) and sizes == (None, None) and "text" not in content


def _kind(content: dict[str, Any], found: Headers) -> str:
    """The media type of a body, with its parameters."""
    return text(content.get("mimeType")) or header(found, "content-type")


def message_body(data: object, binary: bool) -> Body:
    """A WebSocket message's octets: text as UTF-8, binary ones written in base64."""
    return _octets(data, "base64" if binary else "", "", None) if isinstance(data, str) else _NONE


def _coding(content: dict[str, Any]) -> str:
    return (text(content.get("encoding")) or text(content.get("_encoding"))).strip().lower()


def _octets(written: str, coding: str, kind: str, said: int | None) -> Body:
    if coding == "base64":
        return _from_base64(written)
    return Body(_encoded(written, kind, said), True, exact=written.isascii())


def _encoded(written: str, kind: str, said: int | None) -> bytes:
    """Text back to octets: by the charset that its type names, else UTF-8. Where the HAR says how many octets
    there were, that decides between the charset, UTF-8 and the Latin-1 that browsers read binary bodies as;
    lone surrogates of Python's ``surrogateescape`` (mitmproxy) are the octets that they stand for."""
    if written.isascii():
        return written.encode()
    if re.search("[\udc80-\udcff]", written):
        try:
            return written.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return written.encode("utf-8", "surrogatepass")
    plain = written.encode("utf-8", "surrogatepass")
    named = _CHARSET.search(kind)
    choices = []
    if named is not None:
        choices.append(_try_encode(written, named[1]))
    choices += [plain, _try_encode(written, "latin-1")]
    known = [c for c in choices if c is not None]
    if said is not None:
        for choice in known:
            if len(choice) == said:
                return choice
    return known[0]


def _try_encode(written: str, charset: str) -> bytes | None:
    try:
        # str.encode takes text codecs only; a name like hex or zip is a LookupError.
        return written.encode(charset)
    except (LookupError, UnicodeError, ValueError):
        return None


def _from_base64(written: str) -> Body:
    raw = written.encode("utf-8", "surrogatepass")
    try:
        return Body(base64.b64decode(raw, validate=True), True, exact=True)
    except (binascii.Error, ValueError):
        pass
    # Line ends and missing padding are usual (RFC 2045); the URL alphabet is (RFC 4648 section 5). All else
    # is damage.
    tidy = re.sub(rb"\s+", b"", raw).rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    clean = _NOT_BASE64.sub(b"", tidy)
    damaged = clean != tidy or len(clean) % 4 == 1
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return Body(base64.b64decode(clean + b"=" * (-len(clean) % 4)), True, damaged)


def _form(params: list[Any], kind: str) -> bytes:
    """A form from its fields: ``multipart/form-data`` (RFC 7578) where the type says so, else urlencoded."""
    rows = [mapping(p) for p in params]
    boundary = re.search(r"boundary\s*=\s*\"?([^\";]+)", kind, re.IGNORECASE)
    if "multipart" in kind.lower():
        mark = boundary[1].strip() if boundary else "lintas"
        parts = []
        for row in rows:
            said = f'Content-Disposition: form-data; name="{text(row.get("name"))}"'
            if row.get("fileName"):
                said += f'; filename="{text(row.get("fileName"))}"'
            if row.get("contentType"):
                said += f"\r\nContent-Type: {text(row.get('contentType'))}"
            parts.append(f"--{mark}\r\n{said}\r\n\r\n{text(row.get('value'))}\r\n")
        return ("".join(parts) + f"--{mark}--\r\n").encode("utf-8", "surrogatepass")
    pairs = [(text(r.get("name")), text(r.get("value"))) for r in rows]
    if any("%" in a + b for a, b in pairs) and not any(set(a + b) & set(" &=+\n") for a, b in pairs):
        # Chrome and Charles list a form's fields as they were sent, still encoded.
        return "&".join(f"{a}={b}" for a, b in pairs).encode("utf-8", "surrogatepass")
    return urlencode(pairs, errors="surrogatepass").encode()


def is_coded(octets: bytes, encoding: str) -> bool | None:
    """Whether octets are still in the content coding that a header names, by the coding's own first octets
    (gzip RFC 1952, zstd RFC 8878, zlib RFC 1950). None for a coding that has none (br) or where no header
    names one."""
    name = encoding.strip().lower().rpartition(",")[2].strip()
    if name in ("gzip", "x-gzip"):
        return octets.startswith(b"\x1f\x8b")
    if name == "zstd":
        return octets.startswith(b"\x28\xb5\x2f\xfd")
    if name == "deflate":
        return len(octets) > 1 and octets[0] & 15 == 8 and (octets[0] << 8 | octets[1]) % 31 == 0
    return None
