"""PCAPdroid's list of connections (CSV): who spoke with whom, when and how much, and nothing of what was said.

Each line is a flow whose app is stated, so that it names the app of the same conversation in a proxy's dump or a packet
capture of the same folder. Columns (of ``ConnectionsAdapter`` and ``connections_csv_fields``): IPProto, SrcIP, SrcPort,
DstIp, DstPort, UID, App, PackageName, Proto, Status, Info, BytesSent, BytesRcvd, PktsSent, PktsRcvd, FirstSeen,
LastSeen (milliseconds of the phone's clock), in newer versions more. They may stand in any order, in capitals or not,
and under the other names that are listed here. Nothing is quoted, so an app's name may hold a comma. Octets are those
of IP packets: the least headers (RFC 791, 8200, 9293, 768) are taken off, and what is left is the most that was said.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from analysis.model import InputError, Origin
from analysis.sources import Batch, Options
from analysis.sources.lines import Line, layer_line, lines
from analysis.sources.records import UnfitError, row_in
from analysis.sources.rows import LONGEST_TEXT, Batches, Losses, address, port, stated_count, valid

KIND = "connections"
_MOST = 64 << 10
"""Octets of a line: names of an app and a host, and numbers."""
_TRANSPORTS = {"6": ("tcp", 20), "17": ("udp", 8), "1": ("icmp", 8), "58": ("icmpv6", 8)}
"""By IP's number: the name, and the octets of its least header."""
_NUMBERS = {name: number for number, (name, _) in _TRANSPORTS.items()}
_ENCRYPTED = frozenset({"TLS", "QUIC", "HTTPS", "DTLS", "SSH"})
_NAMED = _ENCRYPTED | {"HTTP"}
"""Protocols whose ``Info`` is the server's name; of DNS it is the name that was asked for."""
_SPELLINGS = {
    "IPProto": "ipproto ipprotocol l4proto transport",
    "SrcIP": "srcip sourceip srcaddr srcaddress sourceaddress",
    "SrcPort": "srcport sourceport",
    "DstIp": "dstip destip destinationip dstaddr dstaddress destaddress destinationaddress",
    "DstPort": "dstport destport destinationport",
    "UID": "uid userid",
    "App": "app appname application",
    "PackageName": "packagename package",
    "Proto": "proto protocol l7proto",
    "Status": "status",
    "Info": "info host hostname sni",
    "BytesSent": "bytessent sentbytes",
    "BytesRcvd": "bytesrcvd bytesreceived rcvdbytes receivedbytes",
    "PktsSent": "pktssent sentpkts packetssent sentpackets",
    "PktsRcvd": "pktsrcvd pktsreceived rcvdpkts packetsreceived receivedpackets",
    "FirstSeen": "firstseen",
    "LastSeen": "lastseen",
}
"""By PCAPdroid's name of a column, the names under which it is read: small letters and digits of them count alone."""
_COLUMNS = {spelling: column for column, spellings in _SPELLINGS.items() for spelling in spellings.split()}
_NEEDED = ("IPProto", "SrcIP", "SrcPort", "DstIp", "DstPort")
"""Without any of them no line says who spoke with whom."""
_MISSED = ("BytesSent", "BytesRcvd", "FirstSeen", "LastSeen")
"""Without them a flow is read, and its octets or its time are not known."""


class _Row(msgspec.Struct, kw_only=True):
    """A line by its columns, as what they hold. A column that is empty is left out."""

    IPProto: str
    SrcIP: str
    SrcPort: int
    DstIp: str
    DstPort: int
    UID: int | None = None
    App: str = ""
    PackageName: str = ""
    Proto: str = ""
    Info: str = ""
    BytesSent: int = 0
    BytesRcvd: int = 0
    PktsSent: int = 0
    PktsRcvd: int = 0
    FirstSeen: str = ""
    LastSeen: str = ""


def begins(head: bytes) -> bool:
    """Whether the first line of a file is the names of such a list's columns, be they all there or not."""
    names = columns(head[:_MOST].split(b"\n", 1)[0].decode("utf-8", "replace"))
    return sum(name in names for name in _NEEDED) >= 3


def columns(line: str) -> list[str]:
    """The columns of a line of names, those that are known under PCAPdroid's own names."""
    found = []
    for name in line.lstrip("\ufeff").strip().split(","):
        plain = "".join(c for c in name.casefold() if c.isalnum())
        found.append(_COLUMNS.get(plain, name.strip()))
    return found


def read(path: Path, source: str, options: Options) -> Iterator[Batch]:
    """The flows of such a list. Raises InputError when it lacks a column that it cannot be read without, or when none
    of its lines can be read."""
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
            names = columns(text)
            _check(names, path, losses)
            continue
        try:
            row = row_in(_by_column(text, names), _Row)
            flow = _flow(row, line, source, read_lines, options, losses)
        except UnfitError as error:
            losses.unfit(line.number, str(error), len(line.raw))
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


def _check(names: list[str], path: Path, losses: Losses) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(f"{path} is a list of connections without the column {missing[0]}; export it with that one.")
    twice = next((name for name in names if name in _SPELLINGS and names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path} is a list of connections that has the column {twice} twice; leave one of them out.")
    for name in (name for name in _MISSED if name not in names):
        losses.add("column_missing", f"lists of connections without the column {name}: not known of any of its lines")
    if not {"UID", "App", "PackageName"} & set(names):
        where = "lists of connections without the columns UID, App and PackageName: they name no app"
        losses.add("column_missing", where)


def layer_bytes(path: Path, origin: Origin) -> bytes:
    """The octets of a line. Raises InputError when the file has no such line or layer."""
    if origin.layer == "line":
        return layer_line(path, origin.units[0]).raw
    raise InputError(f"{path} has no layer {origin.layer}: a list of connections carries no messages.")


def _by_column(text: str, names: list[str]) -> dict[str, str]:
    """A line by its columns, without those that are empty; a comma too many is one of the app's name. Raises
    UnfitError."""
    words = text.split(",")
    more = len(words) - len(names)
    if more < 0:
        raise UnfitError(f"it has {len(words)} columns of {len(names)}")
    if more:
        if "App" not in names:
            raise UnfitError(f"it has {len(words)} columns of {len(names)}")
        at = names.index("App")
        words = [*words[:at], ",".join(words[at : at + 1 + more]), *words[at + 1 + more :]]
    return {name: word.strip() for name, word in zip(names, words, strict=True) if word.strip()}


def _flow(row: _Row, line: Line, source: str, unit: int, options: Options, losses: Losses) -> dict[str, Any]:
    """A line as a flow. Raises UnfitError where it says not who spoke with whom."""
    src, dst = address(row.SrcIP), address(row.DstIp)
    if src is None or dst is None:
        raise UnfitError(f"{'SrcIP' if src is None else 'DstIp'} is no address")
    for name, number in (("SrcPort", row.SrcPort), ("DstPort", row.DstPort)):
        if not 0 <= number < 1 << 16:
            raise UnfitError(f"{name} is no port")
    uid = row.UID
    if uid is not None and not -1 <= uid < 1 << 32:
        raise UnfitError("UID is no number of a user")
    protocol = _NUMBERS.get(row.IPProto.lower(), row.IPProto)
    transport, head = _TRANSPORTS.get(protocol, (f"ip-{protocol[:8]}", 0))
    head += 40 if ":" in dst else 20
    octets = [
        stated_count(max(number - max(packets, 0) * head, 0))
        for number, packets in ((row.BytesSent, row.PktsSent), (row.BytesRcvd, row.PktsRcvd))
    ]
    spoken, info = row.Proto.split(".")[0].upper(), row.Info.lower().rstrip(".")
    host = info[:LONGEST_TEXT] if spoken in _NAMED and info and "/" not in info else None
    literal = host is not None and address(host) is not None
    app = "" if uid == -1 else row.PackageName or row.App
    kind = "encrypted" if spoken in _ENCRYPTED else "truncated"
    unread = [{"kind": kind, "cause": "no_content", "bytes": sum(octets), "count": 1}] if sum(octets) else []
    return {
        "source": source,
        "unit": unit,
        "leg": options.leg or "phone",
        "app": valid(app)[:LONGEST_TEXT] or None,
        "app_from": "stated" if app else None,
        "uid": None if uid == -1 else uid,
        "transport": transport,
        "src": src,
        "sport": port(row.SrcPort),
        "dst": dst,
        "dport": port(row.DstPort),
        "first": _time(row.FirstSeen, losses),
        "last": _time(row.LastSeen, losses),
        "bytes_out": octets[0],
        "bytes_in": octets[1],
        "bytes_read": 0,
        "host": address(host) if literal else valid(host) if host else dst,
        "host_from": "stated" if host and not literal else "address",
        "decrypted": False,
        "unread": unread,
        "origin": str(Origin(source, (line.number,), "line", 0, len(line.raw))),
    }


def _time(milliseconds: str, losses: Losses) -> int | None:
    """A time in microseconds; of 0 PCAPdroid knows none."""
    try:
        stated = int(milliseconds or "0") * 1000
    except ValueError:
        stated = -1  # a time is stated, and none
    return losses.time(stated or None)
