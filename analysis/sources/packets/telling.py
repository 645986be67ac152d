"""What a TCP connection speaks, told by its first octets and not by its port, and what begins later in it."""

from __future__ import annotations

from collections.abc import Collection

from analysis.sources.packets import dns, fbzero, http1, http2, tls

MOST = tls.MOST_RECORD
"""Octets of one direction that tell."""
_RECORDS = (b"\x14", b"\x15", b"\x16", b"\x17")
_TLS_PORTS = frozenset({443, 465, 563, 636, 853, 989, 990, 993, 995, 5223, 5228, 8443})


def begins(data: bytes, ports: Collection[int | None], middle: bool) -> str:
    """What begins with ``data``, the first octets of one end: ``tls``, ``fbzero``, ``http``, ``http2``, ``dns``,
    ``raw`` for what no reader knows, or nothing while too few are there to tell. ``middle``: the connection's own
    beginning was not captured."""
    if data[:1] in _RECORDS and data[1:2] in (b"\x03", b""):
        return "tls" if len(data) >= 6 else ""
    zero = fbzero.begins(data)
    if zero is None:
        return ""
    if zero:
        return "fbzero"
    if len(data) < 24 and http2.PREFACE.startswith(data):
        return ""
    if data.startswith(http2.PREFACE):
        return "http2"
    if http1.begins_request(data):
        return "http" if b"\n" in data or len(data) > 32 else ""
    if http1.begins_response(data):
        return "http"
    if len(data) < MOST and http2.may_be_settings(data):
        return ""  # a server may speak first; the client's preface tells
    if http1.may_begin_response(data) or (len(data) < 16 and http1.may_begin_request(data)):
        return ""
    if 53 in ports:
        if len(data) < 14:
            return ""
        if dns.begins_stream(data):
            return "dns"
    if middle:
        # A record may begin further on.
        by_port = not _TLS_PORTS.isdisjoint(ports)
        if tls.inside(data, by_port):
            return "tls"
        if by_port and len(data) < MOST:
            return ""
    return "raw"


def begins_late(data: bytes) -> str:
    """What begins with ``data`` in a connection that spoke something else before; nothing where nothing does."""
    if tls.begins_hello(data):
        return "tls"
    line = b"\n" in data[:8192]
    return "http" if line and (http1.begins_request(data) or http1.begins_response(data)) else ""
