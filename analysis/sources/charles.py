"""Charles' session as JSON (``.chlsj``): a list of what its proxy saw. Each element is read as the entry that it would
be in a HAR.

The form is not documented by its maker. It was read in public importers of it (``CharlesSession`` of an importer for
Fiddler; the tests of one for Rockxy) and in scripts with examples: ``method``, ``protocolVersion``, ``scheme``,
``host``, ``actualPort``, ``path``, ``query``, ``tunnel``, ``remoteAddress`` (name/address), ``clientAddress``,
``times.start``, ``durations.total``, and in ``request`` and ``response`` ``sizes.body``, ``header.headers``, and a
``body`` of ``text`` or of base64 (``encoded``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.model import Origin
from analysis.sources import Batch, Options
from analysis.sources import har_fields as fields
from analysis.sources.har import Reader, layer_of, most
from analysis.sources.har_entries import Entry, Parsed, Splitter, parse
from analysis.sources.har_way import CONNECTED, UNSENT
from analysis.sources.octets import Octets, Text, text_of

KIND = "charles"

_BEFORE, _BEHIND = b'{"log":{"entries":', b"}}"
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The batches of a session. Raises InputError when it holds no list."""
    with Octets(path, options.ends.get(path)) as octets:
        text = _Text(Text(octets))
        yield from Reader(source, options).batches(_Cutter(text, most(options)), text, path)


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """As ``har.layer_bytes``. Raises InputError when the file has no such unit or layer."""
    if origin.layer == "text":
        return text_of(path)
    with Octets(path) as octets:
        return layer_of(_Cutter(_Text(Text(octets)), 1 << 40), path, origin)


class _Text(Text):
    """The list as a HAR has one."""

    def __init__(self, inner: Text) -> None:
        self._inner = inner
        self._parts = [_BEFORE]
        self._ended = False
        self.plain, self.skipped = inner.plain, inner.skipped

    def read(self) -> bytes:
        if self._parts:
            return self._parts.pop()
        chunk = self._inner.read() if not self._ended else b""
        if not chunk and not self._ended:
            self._ended = True
            return _BEHIND
        return chunk

    @property
    def done(self) -> int:
        return self._inner.done

    @property
    def torn(self) -> str | None:
        return self._inner.torn


class _Cutter(Splitter):
    form = "session of Charles: it has no list of requests"
    creator = "charles"

    def __iter__(self) -> Iterator[Entry]:
        for entry in super().__iter__():
            if entry.of == "entries":
                entry.start -= len(_BEFORE)
                if entry.torn:
                    # What closes the list is ours, and stands within an element that has no end.
                    entry.raw = entry.raw.removesuffix(_BEHIND)
                    entry.length -= len(_BEHIND)
                yield entry

    def parse(self, entry: Entry) -> Parsed:
        parsed = parse(entry)
        return Parsed(_entry(fields.mapping(parsed.value)), parsed.repeated)


def _entry(session: dict[str, Any]) -> dict[str, Any]:
    """The entry that a session would be in a HAR; empty for what is none."""
    if not session:
        return {}
    request, response = fields.mapping(session.get("request")), fields.mapping(session.get("response"))
    times = fields.mapping(session.get("times"))
    method = fields.text(session.get("method"))
    answer = _half(response) | {"status": response.get("status"), "httpVersion": _version(response)}
    answer["content"] = _body(response)
    question = _half(request) | {
        "method": method,
        "url": _url(session),
        "httpVersion": session.get("protocolVersion"),
        "postData": _body(request),
    }
    made = {
        "startedDateTime": times.get("start"),
        "time": fields.mapping(session.get("durations")).get("total"),
        "serverIPAddress": fields.text(session.get("remoteAddress")).rpartition("/")[2],
        "_lintas_client": fields.text(session.get("clientAddress")).rpartition("/")[2],
        "request": question,
        "response": answer,
        # A server's address is known of one that was only tried, too.
        CONNECTED: True if times.get("requestComplete") else None,
    }
    if session.get("tunnel") is True or method.upper() == "CONNECT":
        made[UNSENT] = "tunnel"
    return made


def _url(session: dict[str, Any]) -> str:
    scheme = fields.text(session.get("scheme"))
    host, path = fields.text(session.get("host")), fields.text(session.get("path"))
    number = session.get("actualPort") if session.get("port") is None else session.get("port")
    port = "" if not isinstance(number, int) or _PORTS.get(scheme) == number else f":{number}"
    query = fields.text(session.get("query"))
    host = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    return f"{scheme}://{host}{port}{path if path.startswith('/') else '/' + path}" + (f"?{query}" if query else "")


def _half(half: dict[str, Any]) -> dict[str, Any]:
    sizes = fields.mapping(half.get("sizes"))
    header = fields.mapping(half.get("header"))
    return {
        "headers": header.get("headers"),
        "headersSize": sizes.get("headers"),
        "bodySize": sizes.get("body"),
    }


def _body(half: dict[str, Any]) -> dict[str, Any]:
    body = fields.mapping(half.get("body"))
    kind, charset = fields.text(half.get("mimeType")), fields.text(half.get("charset"))
    made: dict[str, Any] = {"mimeType": f"{kind}; charset={charset}" if kind and charset else kind}
    if isinstance(body.get("encoded"), str):
        return made | {"text": body["encoded"], "encoding": "base64"}
    return made | ({"text": body["text"]} if isinstance(body.get("text"), str) else {})


def _version(response: dict[str, Any]) -> str:
    return fields.text(fields.mapping(response.get("header")).get("firstLine")).partition(" ")[0]
