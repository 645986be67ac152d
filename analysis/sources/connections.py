"""PCAPdroid's list of connections (CSV): who spoke with whom, when and how much, and nothing of what was said.

Each line is a flow whose app is stated, so that it names the app of the same conversation in a proxy's dump or a packet
capture of the same folder. Columns (of ``ConnectionsAdapter`` and ``connections_csv_fields``): IPProto, SrcIP, SrcPort,
DstIp, DstPort, UID, App, PackageName, Proto, Status, Info, BytesSent, BytesRcvd, PktsSent, PktsRcvd, FirstSeen,
LastSeen (milliseconds of the phone's clock), in newer versions more. Nothing is quoted, so an app's name may hold a
comma. Octets are those of IP packets: the least headers (RFC 791, 8200, 9293, 768) are taken off, and what is left is
the most that was said.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.model import InputError, Origin
from analysis.sources import Batch, Options
from analysis.sources.lines import Line, layer_line, lines
from analysis.sources.rows import LONGEST_TEXT, Batches, Losses, address, plausible, port, stated_count, valid

KIND = "connections"
BEGINS = b"IPProto,SrcIP,SrcPort,Ds"
"""The first octets of such a file."""
_MOST = 64 << 10
"""Octets of a line: names of an app and a host, and numbers."""
_APP = 6
"""Columns before the app's name."""
_TRANSPORTS = {"6": ("tcp", 20), "17": ("udp", 8), "1": ("icmp", 8), "58": ("icmpv6", 8)}
"""By IP's number: the name, and the octets of its least header."""
_ENCRYPTED = frozenset({"TLS", "QUIC", "HTTPS", "DTLS", "SSH"})
_NAMED = _ENCRYPTED | {"HTTP"}
"""Protocols whose ``Info`` is the server's name; of DNS it is the name that was asked for."""


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The flows of such a list. Raises InputError when none of its lines can be read."""
    batches, losses = Batches(options), Losses(source)
    names: list[str] = []
    done = read_lines = 0
    for line in lines(path, options.ends.get(path), _MOST):
        done = line.done
        if line.skipped:
            losses.add("line_unread", f"lines of more than {_MOST >> 10} kB", line.size)
            continue
        text = line.raw.decode("utf-8", "replace").strip().lstrip("\ufeff")
        if not text or (line.torn and not options.sealed):
            continue
        if not names:
            names = text.split(",")
            continue
        row = _row(text, names)
        flow = None if row is None else _flow(row, line, source, read_lines, options)
        if flow is None:
            losses.add("line_unread", "lines that are no connection of PCAPdroid's list", len(line.raw))
            continue
        read_lines += 1
        batches.flow(flow)
        if batches.full:
            yield batches.take(done)
    if not read_lines and options.sealed:
        raise InputError(f"{path} is a list of connections in which none can be read.")
    batch = batches.take(done)
    batch.losses = losses.all()
    yield batch


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """The octets of a line. Raises InputError when the file has no such line or layer."""
    if origin.layer == "line":
        return layer_line(path, origin.units[0]).raw
    raise InputError(f"{path} has no layer {origin.layer}: a list of connections carries no messages.")


def _row(text: str, names: list[str]) -> dict[str, str] | None:
    """A line by its columns; a comma too many is one of the app's name."""
    words = text.split(",")
    more = len(words) - len(names)
    if more < 0 or len(names) <= _APP:
        return None
    app = ",".join(words[_APP : _APP + 1 + more])
    return dict(zip(names, [*words[:_APP], app, *words[_APP + 1 + more :]], strict=True))


def _flow(row: dict[str, str], line: Line, source: str, unit: int, options: Options) -> dict[str, Any] | None:
    src, dst = address(row["SrcIP"]), address(row.get("DstIp") or row.get("DstIP"))
    sport, dport, uid = _number(row["SrcPort"]), _number(row["DstPort"]), _number(row["UID"], -1)
    first, last = _number(row.get("FirstSeen", "")), _number(row.get("LastSeen", ""))
    if src is None or dst is None or sport is None or dport is None or uid is None:
        return None
    transport, head = _TRANSPORTS.get(row["IPProto"], (f"ip-{row['IPProto'][:8]}", 0))
    head += 40 if ":" in dst else 20
    packets = [_number(row.get(name, "")) or 0 for name in ("PktsSent", "PktsRcvd")]
    octets = [
        stated_count(max((_number(row.get(name, "")) or 0) - n * head, 0))
        for name, n in zip(("BytesSent", "BytesRcvd"), packets, strict=True)
    ]
    spoken, info = row.get("Proto", ""), row.get("Info", "").strip().lower().rstrip(".")
    host = info[:LONGEST_TEXT] if spoken.split(".")[0] in _NAMED and info and "/" not in info else None
    literal = host is not None and address(host) is not None
    app = (row.get("PackageName") or row.get("App") or "").strip() if uid >= 0 else ""
    kind = "encrypted" if spoken.split(".")[0] in _ENCRYPTED else "truncated"
    unread = [{"kind": kind, "cause": "no_content", "bytes": sum(octets), "count": 1}] if sum(octets) else []
    return {
        "source": source,
        "unit": unit,
        "leg": options.leg or "phone",
        "app": valid(app)[:LONGEST_TEXT] or None,
        "app_from": "stated" if app else None,
        "uid": uid if uid >= 0 else None,
        "transport": transport,
        "src": src,
        "sport": port(sport),
        "dst": dst,
        "dport": port(dport),
        "first": plausible(first * 1000) if first else None,
        "last": plausible(last * 1000) if last else None,
        "bytes_out": octets[0],
        "bytes_in": octets[1],
        "bytes_read": 0,
        "host": address(host) if literal else valid(host) if host else dst,
        "host_from": "stated" if host and not literal else "address",
        "decrypted": False,
        "unread": unread,
        "origin": str(Origin(source, (line.number,), "line", 0, len(line.raw))),
    }


def _number(text: str, least: int = 0) -> int | None:
    try:
        found = int(text)
    except ValueError:
        return None
    return found if least <= found < 1 << 50 else None
