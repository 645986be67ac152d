"""Changes to an input that keep its frame: a fuzzer that only turns octets hardly gets past the first bracket."""

from __future__ import annotations

import csv
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from mitmproxy.io import tnetstring

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 1e308, -1e308, 0.5, float("inf"), float("nan")),
    *(
        "",
        " ",
        "\0",
        "x" * 5_000,
        "\ud800",
        "２０２６",
        "=1+1",
        "-1",
        "1e999",
        "null",
        "%00",
        "..",
        "/",
        "a\r\nb",
        "[::1]",
    ),
    *([], {}, [[]], [None], {"": None}, ["a", 1, {}], [[[[[[]]]]]], {"a": {"a": {"a": {}}}}),
    *(
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "2026-03-01T10:00:00+99:99",
        "data:,x",
        "blob:x",
        "http://[",
        "*",
    ),
)
Nudge = Callable[[bytes], bytes]


def json_lines(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """One line of NDJSON changed in one place, moved, repeated or left out."""
    chance = random.Random(seed)
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    what = chance.random()
    if what < 0.7:
        lines[at] = json_text(lines[at], seed, nudge)
    elif what < 0.8:
        lines.insert(chance.randrange(len(lines) + 1), lines[at])
    elif what < 0.9:
        del lines[at]
    else:
        lines[at] = nudge(lines[at])
    return b"\n".join(lines)


def json_text(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """JSON changed in one place; what is none is changed in its octets."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return nudge(data)
    return json.dumps(_changed(value, random.Random(seed), nudge)).encode()


def dump(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """One flow of a mitmproxy dump changed in one place."""
    chance = random.Random(seed)
    try:
        records = _records(data)
    except (ValueError, TypeError, IndexError, RecursionError):
        return nudge(data)
    at = chance.randrange(len(records))
    records[at] = _changed(records[at], chance, nudge)
    try:
        return b"".join(tnetstring.dumps(record) for record in records)
    except (ValueError, TypeError, UnicodeEncodeError, RecursionError):
        return nudge(data)


def _records(data: bytes) -> list[Any]:
    records = []
    rest = memoryview(data)
    while rest:
        value, rest = tnetstring.pop(rest)
        records.append(value)
    if not records:
        raise ValueError
    return records


def _changed(value: Any, chance: random.Random, nudge: Nudge) -> Any:
    """``value`` with one node, drawn at random, in another form."""
    places = list(_places(value))
    if not places:
        return chance.choice(ODD)
    holder, key = chance.choice(places)
    what = chance.random()
    if what < 0.4:
        holder[key] = chance.choice(ODD)
    elif what < 0.6:
        other, name = chance.choice(places)
        holder[key] = json.loads(json.dumps(other[name], default=str))
    elif what < 0.75:
        del holder[key]
    elif isinstance(holder[key], str):
        holder[key] = nudge(holder[key].encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    elif isinstance(holder[key], bytes):
        holder[key] = nudge(holder[key])
    elif isinstance(holder[key], int | float):
        holder[key] = chance.choice((1, -1, 10**3, 10**-3, 10**6)) * holder[key]
    elif isinstance(holder[key], dict):
        holder[key][chance.choice(("type", "version", "size", "id", "\0", "x" * 300))] = chance.choice(ODD)
    return value


def _places(value: Any) -> Any:
    stack = [value]
    while stack:
        holder = stack.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                stack.append(holder[key])


# ------------------------------------------------------------------------------------------------ packets


def pcap(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """One packet of a pcap changed in a field of its headers or in its octets, moved, repeated, cut or left out."""
    chance = random.Random(seed)
    if len(data) < 40 or data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1"):
        return nudge(data)
    order = ">" if data[:1] == b"\xa1" else "<"
    head, at, packets = data[:24], 24, []
    while at + 16 <= len(data):
        seconds, part, held, size = struct.unpack_from(order + "IIII", data, at)
        packets.append([seconds, part, size, data[at + 16 : at + 16 + held]])
        at += 16 + held
    if not packets:
        return nudge(data)
    if chance.random() < 0.03:
        head = head[:20] + struct.pack(order + "I", chance.choice((0, 1, 101, 113, 127, 149, 228, 239, 252, 276, 999)))
    what, which = chance.random(), chance.randrange(len(packets))
    packet = packets[which]
    if what < 0.1:
        packets.insert(chance.randrange(len(packets) + 1), list(packet))
    elif what < 0.2:
        packets.append(packets.pop(which))
    elif what < 0.3:
        del packets[which]
    elif what < 0.35:
        packet[0] = chance.choice((0, 1, 2**31, 2**32 - 1, packet[0] - 100, packet[0] + 100)) & 0xFFFFFFFF
    elif what < 0.4:
        packet[2] = chance.choice((0, 1, 65_535, 2**31, 2**32 - 1))
    else:
        packet[3] = _frame(packet[3], chance, nudge)
    made = [struct.pack(order + "IIII", p[0], p[1], len(p[3]), max(p[2], 0)) + p[3] for p in packets]
    return head + b"".join(made)


_OCTETS = (0, 1, 4, 6, 17, 41, 47, 0x45, 0x60, 0x7F, 0x80, 0xFF)


def _frame(frame: bytes, chance: random.Random, nudge: Nudge) -> bytes:
    what = chance.random()
    if what < 0.45 and frame:  # a header: the first octets of a frame
        at = chance.randrange(min(len(frame), 70))
        turned = bytearray(frame)
        turned[at] = chance.choice((*_OCTETS, turned[at] ^ 1 << chance.randrange(8)))
        return bytes(turned)
    if what < 0.55:
        return frame[: chance.randrange(len(frame) + 1)]
    at = min(40, len(frame))
    if what < 0.9:
        return frame[:at] + nudge(frame[at:])
    return nudge(frame)


def pcapng(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """One block of a pcapng changed, with its lengths kept, moved, repeated or left out."""
    chance = random.Random(seed)
    order = ">" if data[8:12] == b"\x1a\x2b\x3c\x4d" else "<"
    at, blocks = 0, []
    while at + 12 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if size < 12 or at + size > len(data):
            break
        blocks.append([kind, data[at + 8 : at + size - 4]])
        at += size
    if not blocks:
        return nudge(data)
    rest = data[at:]
    which, what = chance.randrange(len(blocks)), chance.random()
    block = blocks[which]
    if what < 0.1:
        blocks.insert(chance.randrange(len(blocks) + 1), list(block))
    elif what < 0.2:
        blocks.append(blocks.pop(which))
    elif what < 0.28:
        del blocks[which]
    elif what < 0.33:
        block[0] = chance.choice((1, 2, 3, 4, 5, 6, 7, 10, 0x0BAD, 0x40000BAD, 0x80000001, 0x0A0D0D0A))
    elif block[0] == 6 and len(block[1]) > 20:
        held = int.from_bytes(block[1][12:16], "little" if order == "<" else "big")
        head, frame, options = block[1][:20], block[1][20 : 20 + held], block[1][20 + held + -held % 4 :]
        if what < 0.45:
            options = nudge(options)
        elif what < 0.55:
            head = nudge(head)[:20].ljust(20, b"\0")
        else:
            frame = _frame(frame, chance, nudge)
            head = head[:12] + struct.pack(order + "II", len(frame), len(frame))
        block[1] = head + frame + bytes(-len(frame) % 4) + options
    else:
        block[1] = nudge(block[1])
    made = []
    for kind, body in blocks:
        body = body + bytes(-len(body) % 4)
        size = struct.pack(order + "I", len(body) + 12)
        made.append(struct.pack(order + "I", kind) + size + body + size)
    return b"".join(made) + rest


# --------------------------------------------------------------------------------------------- text and ZIP


def table(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """One cell, row or column of a CSV changed."""
    chance = random.Random(seed)
    try:
        rows = list(csv.reader(io.StringIO(data.decode())))
    except (UnicodeDecodeError, csv.Error):
        return nudge(data)
    rows = [row for row in rows if row]
    if not rows:
        return nudge(data)
    row = chance.choice(rows)
    at, what = chance.randrange(len(row)), chance.random()
    if what < 0.35:
        row[at] = str(chance.choice(ODD))
    elif what < 0.6:
        row[at] = nudge(row[at].encode()).decode("utf-8", "replace")
    elif what < 0.7:
        row[at] = chance.choice(chance.choice(rows))
    elif what < 0.8:
        rows.insert(chance.randrange(len(rows) + 1), list(row))
    elif what < 0.9:
        del row[at]
    else:
        for each in rows:
            if len(each) > at:
                each.append(each.pop(at))
    into = io.StringIO()
    csv.writer(into, lineterminator="\n").writerows(rows)
    return into.getvalue().encode("utf-8", "replace")


_Load: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dump: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_text(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """YAML changed in one place."""
    chance = random.Random(seed)
    try:
        value = yaml.load(data, Loader=_Load)
        if not isinstance(value, dict | list) or chance.random() < 0.1:
            return nudge(data)
        text: bytes = yaml.dump(_changed(value, chance, nudge), Dumper=_Dump, encoding="utf-8", allow_unicode=True)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError, OverflowError):
        return nudge(data)
    return text


def reference(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """The name of a file of reference data, and below it the file changed in one place."""
    name, _, text = data.partition(b"\n")
    return name + b"\n" + yaml_text(text, seed, nudge)


def archive(data: bytes, seed: int, nudge: Nudge) -> bytes:
    """One member of a ZIP changed, repeated, renamed or left out; text within by its own form."""
    chance = random.Random(seed)
    members: list[tuple[str, bytes]] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old:
            members = [(m.filename, old.read(m)) for m in old.infolist() if m.file_size < 1 << 20]
    except Exception:  # whatever a ZIP of a fuzzer raises
        return nudge(data)
    if not members or chance.random() < 0.1:
        return nudge(data)
    at, what = chance.randrange(len(members)), chance.random()
    name, inside = members[at]
    if what < 0.08:
        members.append((name, inside))
    elif what < 0.16:
        members[at] = (nudge(name.encode()).decode("latin-1") or "x", inside)
    elif what < 0.24:
        del members[at]
    elif name.endswith(".json"):
        members[at] = (name, json_text(inside, seed, nudge))
    elif name.endswith(".parquet"):
        members[at] = (name, _parquet(inside, chance, nudge))
    else:
        members[at] = (name, nudge(inside))
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as new:
        for name, inside in members:
            new.writestr(zipfile.ZipInfo(name[:200]), inside)
    return into.getvalue()


def _parquet(data: bytes, chance: random.Random, nudge: Nudge) -> bytes:
    """A table with one cell of another value, one column of another type or name, or without one."""
    try:
        read = pq.read_table(io.BytesIO(data))
        what, at = chance.random(), chance.randrange(read.num_columns)
        field = read.schema.field(at)
        if what < 0.1:
            return nudge(data)
        if what < 0.2:
            changed = read.remove_column(at)
        elif what < 0.3:
            names = list(read.column_names)
            names[at] = chance.choice(("x", names[at].upper()))
            changed = read.rename_columns(names)
        elif what < 0.4:
            rows = [chance.randrange(read.num_rows) for _ in range(chance.randrange(4))]
            changed = read.take(pa.array(rows, pa.int64()))
        elif what < 0.55:
            texts = [chance.choice(("x", None)) for _ in range(read.num_rows)]
            changed = read.set_column(at, field.name, pa.array(texts, pa.string()))
        else:
            cells = read.column(at).to_pylist()
            cells[chance.randrange(len(cells))] = chance.choice((*ODD, *(c for c in cells if c is not None)))
            changed = read.set_column(at, field, pa.array(cells, field.type))
        into = io.BytesIO()
        pq.write_table(changed, into)
        return into.getvalue()
    except (pa.ArrowException, ValueError, TypeError, IndexError, OverflowError, AttributeError, OSError):
        return nudge(data)


FORMS: dict[str, Callable[[bytes, int, Nudge], bytes]] = {
    "har": json_text,
    "chlsj": json_text,
    "events": json_lines,
    "journal": json_lines,
    "mitm": dump,
    "pcap": pcap,
    "pcapng": pcapng,
    "connections": table,
    "manifest": yaml_text,
    "persona": yaml_text,
    "reference": reference,
    "saz": archive,
    "audit": archive,
}
"""Kind of input -> how its frame is kept."""
