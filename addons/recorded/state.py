"""A flow as the octets that mitmproxy's ``-w`` would write.

What ``-w`` costs is the making of a flow's state. Here it is made once, and what stays the same from flow to flow
(connections, certificates) is kept as octets.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mitmproxy import version
from mitmproxy.dns import DNSFlow
from mitmproxy.http import HTTPFlow, Message
from mitmproxy.tcp import TCPFlow
from mitmproxy.udp import UDPFlow

from analysis.folder.tnetstring import dictionary, dumps, octets, writable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from mitmproxy.connection import Connection
    from mitmproxy.flow import Flow

_FORMAT = 21
"""The version of the dump's format whose states are made here. Those of another version, mitmproxy makes."""

Parts = Iterable[bytes]


def serialised(flow: Flow, limit: int) -> list[bytes]:
    """What mitmproxy's ``-w`` writes of a flow, in pieces: a tnetstring of ``flow.get_state()``. Bodies are cut at
    ``limit`` octets, and metadata says of what size and SHA-256 they were. Raises ValueError where the flow holds a
    value that cannot be written."""
    metadata, bodies = flow.metadata, {}
    if isinstance(flow, HTTPFlow):
        for half, message in (("request", flow.request), ("response", flow.response)):
            content = None if message is None else message.data.content
            if content is not None and len(content) > limit:
                size, sha256 = len(content), hashlib.sha256(content).hexdigest()
                metadata = {**metadata, f"lintas_{half}_size": size, f"lintas_{half}_sha256": sha256}
                content = content[:limit]
            bodies[half] = content
    metadata = writable(metadata)
    own = _own(flow, bodies) if version.FLOW_FORMAT_VERSION == _FORMAT and not getattr(flow, "_backup", None) else None
    if own is not None:
        return _gathered(dictionary([*_common(flow, metadata), *own]))
    state = flow.get_state()
    state["metadata"] = metadata
    for half, content in bodies.items():
        if state[half] is not None:
            state[half]["content"] = content
    return [dumps(state)]


_LARGE = 1 << 16
"""Octets from which on a part is not copied."""


def _gathered(parts: list[bytes]) -> list[bytes]:
    """The same octets in few pieces, of which the large ones are not copied."""
    made: list[bytes] = []
    start = 0
    for n, part in enumerate(parts):
        if len(part) >= _LARGE:
            made += [b"".join(parts[start:n]), part]
            start = n + 1
    made.append(b"".join(parts[start:]))
    return made


def _common(flow: Flow, metadata: dict[Any, Any]) -> list[tuple[bytes, Parts]]:
    """The items that a flow of any type has, in the order of its state."""
    return [
        (_key("version"), (dumps(_FORMAT),)),
        (_key("type"), (_key(flow.type),)),
        (_key("id"), (dumps(flow.id),)),
        (_key("error"), (dumps(flow.error.get_state() if flow.error else None),)),
        (_key("client_conn"), (_connection(flow.client_conn),)),
        (_key("server_conn"), (_connection(flow.server_conn),)),
        (_key("intercepted"), (dumps(flow.intercepted),)),
        (_key("is_replay"), (dumps(flow.is_replay),)),
        (_key("marked"), (dumps(flow.marked),)),
        (_key("metadata"), (dumps(metadata),)),
        (_key("comment"), (dumps(flow.comment),)),
        (_key("timestamp_created"), (dumps(flow.timestamp_created),)),
        (_key("backup"), (dumps(None),)),
    ]


def _own(flow: Flow, bodies: dict[str, bytes | None]) -> list[tuple[bytes, Parts]] | None:
    """The items of a flow's own type, or None for a type that is not known here."""
    if isinstance(flow, HTTPFlow):
        websocket = flow.websocket.get_state() if flow.websocket else None
        return [
            (_key("request"), _message(flow.request, bodies["request"])),
            (_key("response"), _message(flow.response, bodies["response"])),
            (_key("websocket"), (dumps(websocket),)),
        ]
    if isinstance(flow, (TCPFlow, UDPFlow)):
        return [(_key("messages"), (dumps([m.get_state() for m in flow.messages]),))]  # type: ignore[no-untyped-call]
    if isinstance(flow, DNSFlow):
        answer = flow.response.get_state() if flow.response else None
        return [(_key("request"), (dumps(flow.request.get_state()),)), (_key("response"), (dumps(answer),))]
    return None


def _message(message: Message | None, body: bytes | None) -> Parts:
    if message is None:
        return (dumps(None),)
    items: list[tuple[bytes, Parts]] = []
    for name, value in vars(message.data).items():
        if name == "content":
            items.append((_key(name), (dumps(None),) if body is None else octets(body)))
        elif name in ("headers", "trailers") and value is not None:
            items.append((_key(name), (dumps(value.fields),)))
        else:
            items.append((_key(name), (dumps(value),)))
    return dictionary(items)


def _connection(connection: Connection) -> bytes:
    """A connection's state. Its octets are kept with the connection for as long as nothing in it changes."""
    names, values_of = _fields(type(connection))
    values = values_of(connection)
    kept: tuple[Any, bytes] | None = vars(connection).get("lintas_kept")
    if kept is not None and kept[0] == values:
        return kept[1]
    items = [(_key(name), (_value(name, value),)) for name, value in zip(names, values, strict=True)]
    made = b"".join(dictionary(items))
    vars(connection)["lintas_kept"] = (values, made)
    return made


@functools.cache
def _fields(kind: type[Any]) -> tuple[list[str], Callable[[Any], tuple[Any, ...]]]:
    names = [f.name for f in dataclasses.fields(kind) if f.metadata.get("serialize", True)]
    return names, operator.attrgetter(*names)


def _value(name: str, value: Any) -> bytes:
    if name == "certificate_list":
        return dumps([_pem(c.to_cryptography()) for c in value])
    if name == "mitmcert" and value is not None:
        return dumps(_pem(value.to_cryptography()))
    if name.startswith("timestamp") and value is not None:
        return dumps(float(value))
    return dumps(value.get_state() if hasattr(value, "get_state") else value)


@functools.lru_cache(1024)
def _pem(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


_key = functools.cache(dumps)
"""Names that come again and again."""
