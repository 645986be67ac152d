"""Messages for the tests of this room, and the way back from an origin to its bytes."""

from __future__ import annotations

from collections.abc import Mapping

from analysis import codecs
from analysis.model import Key, Message, MessageKind, Origin, Secret
from analysis.persona import Persona, Planted
from analysis.read.decode.leaves import text_of

JSON = (("Content-Type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


def persona(values: Mapping[str, str]) -> Persona:
    """A persona of data types and their values."""
    return Persona("p.yaml", tuple(Planted(t, t, False, Secret(v), n) for n, (t, v) in enumerate(values.items(), 1)))


def message(
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
    *,
    kind: MessageKind = "request",
    target: str = "/v1/data",
    host: str = "api.shop.example",
    method: str = "POST",
    sent: bool | None = None,
    cut: bool = False,
    content_decoded: bool = False,
) -> Message:
    """A message as a source hands it over."""
    outgoing = kind != "response" if sent is None else sent
    layer = {"request": "http-request-body", "response": "http-response-body"}.get(kind, kind)
    key = Key("capture.har", 7)
    return Message(
        key=key,
        flow=Key("capture.har", 1),
        exchange=key,
        direction="sent" if outgoing else "received",
        index=0,
        at=1_700_000_000_000_000,
        kind=kind,
        body=body,
        size=len(body),
        origin=Origin("capture.har", (7,), layer, 0, len(body)),
        headers=headers,
        method=method,
        scheme="https",
        host=host,
        target=target,
        status=200 if kind == "response" else None,
        protocol="http/1.1",
        content_decoded=content_decoded,
        cut=cut,
    )


def replay(of: Message, origin: Origin) -> str:
    """The text that an origin leads to, by its own words alone: layer, steps, slice."""
    origin = Origin.parse(str(origin))
    data = of.head() if origin.layer.endswith("-head") else of.body
    data = codecs.replay(data, origin.steps)
    assert origin.offset >= 0
    assert origin.offset + origin.length <= len(data)
    return text_of(data[origin.offset : origin.offset + origin.length])
