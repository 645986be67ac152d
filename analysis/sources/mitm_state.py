"""What stands in a flow's state as mitmproxy writes it, one kind of value each: text, header fields, ends.

Each of these gives an empty value for what is none of its kind; a flow of which something that is read is none does not
fit (``mitm_fit``), and is not read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from analysis.folder.ciphertext import Seal, StartTls, ciphertext
from analysis.model import Headers, Micros
from analysis.sources.rows import LONGEST_TEXT, address, as_text, authority, micros, peer, stated_count, valid

State = dict[str, Any]
"""A flow's dictionary, with text as its keys."""
_LONGEST_NAME = 253
"""Octets of a domain name (RFC 1035 section 2.3.4, as text)."""


def mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    if all(isinstance(k, str) for k in value):
        return value
    return {k if isinstance(k, str) else as_text(bytes(k)): v for k, v in value.items() if isinstance(k, (str, bytes))}


def sequence(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def octets_of(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else b""


def text_of(value: object) -> str:
    if isinstance(value, bytes):
        return as_text(value)
    return valid(value) if isinstance(value, str) else ""


def host_text(value: object) -> str:
    return text_of(value).lower().rstrip(".")[:LONGEST_TEXT]


def headers_of(half: dict[str, Any]) -> Headers:
    """Header fields, then trailer fields (RFC 9110 section 6.5), in order."""
    found = []
    for part in ("headers", "trailers"):
        pairs = (p for p in sequence(half.get(part)) if isinstance(p, (list, tuple)) and len(p) == 2)
        found += [(text_of(name), text_of(said)) for name, said in pairs]
    return tuple(found)


def server_of(server: dict[str, Any]) -> tuple[str | None, int | None]:
    """Address and port of the machine that answered; beside an upstream proxy, which the address is of, none."""
    if server.get("via"):
        stated = server.get("address")
        return peer(stated)
    found = peer(server.get("peername"))
    if found[0] is not None:
        return found
    stated = peer(server.get("address"))
    return (stated[0], stated[1])


def stated_name(server: dict[str, Any]) -> str:
    stated = sequence(server.get("address"))
    return host_text(stated[0]) if stated else ""


def host_of(request: dict[str, Any], state: State) -> str:
    """The name asked for: authority or Host, else what the proxy connected to, else the name in the TLS handshake."""
    fields = {n.lower(): v for n, v in reversed(headers_of(request))}
    literal = ""
    for said in (
        text_of(request.get("authority")),
        fields.get("host", ""),
        text_of(request.get("host")),
        text_of(mapping(state.get("client_conn")).get("sni")),
    ):
        name = authority(said)[0] if said else ""
        if name and (address(name) is None or name.count(":") > 1):
            return name if address(name) is None else address(name) or name
        literal = literal or (address(name) or "" if name else "")
    return literal


def covers(names: list[str], host: str) -> bool:
    """Whether a certificate of those names is one of the host's (RFC 9525, section 6.3)."""
    return host in names or f"*.{host.partition('.')[2]}" in names


def broke_off(kind: str, half: dict[str, Any], state: State) -> bool:
    """Whether a request or response did not come to its end. mitmproxy notes the end, and has the content then;
    *record* notes how much came of what it kept before."""
    if not half or micros(half.get("timestamp_end")) is not None:
        return False
    return half.get("content") is None or f"lintas_{kind}_size" in mapping(state.get("metadata"))


def bodiless(kind: str, common: dict[str, Any], headers: Headers) -> bool:
    """Answers that carry no content (RFC 9110 section 6.4.1), and requests whose head says that none comes (RFC 9112
    section 6.3)."""
    if kind == "request":
        said = {name.lower() for name, _ in headers}
        return common["protocol"].startswith("http/1") and not said & {"content-length", "transfer-encoding"}
    return common.get("status") in (204, 304) or common["method"].upper() == "HEAD" or common.get("status") == 101


def frame(message: object) -> tuple[bool, bytes, Micros | None]:
    """A WebSocket message: opcode, from client, content, time, dropped, injected."""
    parts = sequence(message)
    if len(parts) < 4:
        return False, b"", None
    return bool(parts[1]), octets_of(parts[2]), micros(parts[3])


def injected(message: object) -> bool:
    parts = sequence(message)
    return len(parts) > 5 and parts[5] is True


def piece(message: object) -> tuple[bool, bytes, Micros | None]:
    """A TCP or UDP message: from client, content, time."""
    parts = sequence(message)
    if len(parts) < 3:
        return False, b"", None
    return bool(parts[0]), octets_of(parts[1]), micros(parts[2])


_TIMED = ("client_conn", "server_conn", "request", "response", "error", "websocket")


def times_in(state: State) -> Iterator[object]:
    """What stands in a flow where times do: of its connections, its halves, and each of its messages."""
    for part in _TIMED:
        yield from (value for name, value in mapping(state.get(part)).items() if name.startswith("timestamp"))
    for holder, place in ((mapping(state.get("websocket")), 3), (state, 2)):
        for message in sequence(holder.get("messages")):
            yield from sequence(message)[place : place + 1]


def forgotten_in(state: State) -> dict[int, int]:
    """Sizes of messages of which the recorder no longer held the octets, by their place in the flow: most of them stand
    in its journal."""
    told = sequence(mapping(state.get("metadata")).get("lintas_forgotten"))
    return {stated_count(place): stated_count(size) for place, size in zip(told[::2], told[1::2], strict=False)}


def sealed_as(messages: list[Any], kind: Literal["tcp", "udp"]) -> str | None:
    """Why a connection that the proxy passed on unopened cannot be read, by its first octets."""
    for message in messages:
        from_client, content, _ = piece(message)
        if content:
            return ciphertext(kind, from_client, content)
    return None


def sealed_late(messages: list[Any]) -> Seal | None:
    """Where in a TCP flow its client began TLS."""
    watched = StartTls()
    count = [0, 0]
    for message in messages:
        from_client, content, _ = piece(message)
        clear = watched.seals(from_client, content)
        if clear is not None:
            return Seal(count[True], count[False], clear)
        count[from_client] += 1
    return None


def address_in(kind: object, data: bytes) -> str | None:
    """The address in an A or AAAA record (RFC 1035, RFC 3596)."""
    import ipaddress

    if (kind == 1 and len(data) == 4) or (kind == 28 and len(data) == 16):
        return address(str(ipaddress.ip_address(data)))
    return None


def names_of(pem: bytes) -> list[str]:
    """DNS names of a certificate's subject alternative names (RFC 5280 section 4.2.1.6)."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(pem)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = found.value.get_values_for_type(x509.DNSName)
    except (ValueError, TypeError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return []
    return [name.lower() for name in names if len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable()]
