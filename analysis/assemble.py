"""Assemble: rows in flight become tables.

Rows come with keys ``(source, unit)`` in whatever batches a capture arrived in. Here they are held as columns, and
at the end every key becomes an integer in manifest order, so that the same capture gives the same tables however it
was cut. Personal values become masks and keyed hashes on the way in; none is held.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.model import Clue, Exchange, Key, Loss, Message, Reading, token
from analysis.read.mask import Known, Mask
from analysis.reading_states import OPAQUE_OF_MESSAGE
from analysis.sources import Batch
from analysis.tables import TABLES, TIME, Tables, mask, value_key

_CHUNK = 16_384
_UNIT_BITS = 40
_LONGEST = 300
"""Characters of a name (host, app) in a table. It is cut behind what is taken out of it: half a value is one that
nobody knows again."""
_WORDS = frozenset("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH http https ws wss".split())
"""Methods and schemes of which it is known what they are: nobody's value (RFC 9110 section 9, RFC 5789, RFC 6455)."""
_ALPN = re.compile(r"[0-9A-Za-z./+_-]{1,64}")
_TLS = re.compile(r"(?:SSL|D?TLS|QUIC)[ v]?[0-9A-Za-z. ]{0,16}")
_CAUSE = re.compile(r"[0-9A-Za-z_.-]{1,64}")
_MOST_EVIDENCE = 24
"""Excerpts of one data type, method and host that wait for ``conclude``, which keeps three for each phase."""

# Columns in flight that no table has: composite keys, made into integers at the end.
_KEYED = {
    "flows": ("flow",),
    "exchanges": ("exchange", "flow"),
    "messages": ("message", "flow", "exchange"),
    "transmissions": ("message", "exchange", "flow"),
    "clues": ("flow",),
}


@dataclass(slots=True)
class _Unread:
    """Octets of bodies of one flow, by direction, and how many bodies."""

    sent: int = 0
    received: int = 0
    count: int = 0


class _Columns:
    """Rows of one table, turned into Arrow by the chunk, so that they cost what the table costs."""

    def __init__(self, names: Sequence[str], types: Sequence[pa.DataType]) -> None:
        self.schema = pa.schema(list(zip(names, types, strict=True)))
        self._rows: list[tuple[Any, ...]] = []
        self._chunks: list[pa.RecordBatch] = []
        self.count = 0

    def append(self, *row: Any) -> None:
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= _CHUNK:
            self._flush()

    def extend(self, batch: pa.RecordBatch) -> None:
        self._flush()
        self._chunks.append(batch)
        self.count += batch.num_rows

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, self.schema, strict=True)]
            self._chunks.append(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
            self._rows = []

    def table(self) -> pa.Table:
        self._flush()
        return pa.Table.from_batches(self._chunks, self.schema)


def _columns(table: str, *names: str) -> _Columns:
    """Columns of a table as they are held in flight: times as they come, keys as one integer each."""
    declared = TABLES[table].schema
    keys = _KEYED.get(table, ())
    types = [pa.int64() if n in keys or declared.field(n).type == TIME else declared.field(n).type for n in names]
    return _Columns(names, types)


class Assembler:
    """Takes batches and readings, in the order of the sources; gives the tables before ``conclude``.

    ``key``: of the keyed hash. ``mask``: what a name or text of the capture becomes.
    ``reveal``: transmissions keep their values."""

    def __init__(self, sources: Sequence[str], key: bytes, mask: Mask, reveal: bool) -> None:
        self._order = {name: n for n, name in enumerate(sources)}
        self._key, self._mask, self._reveal = key, mask, reveal
        self.known = Known()
        """Every value that was read, to be hidden wherever it stands again."""
        self._flows: list[pa.RecordBatch] = []
        self._names: list[pa.RecordBatch] = []
        self._positions = 0
        self._shown: Counter[tuple[str, str, str]] = Counter()
        self._losses: dict[tuple[str, str, str], list[int]] = {}
        self._exchanges = _columns(
            "exchanges",
            *(
                "exchange flow started protocol method scheme host path status request_bytes response_bytes origin"
            ).split(),
        )
        self._messages = _columns(
            "messages",
            *(
                "message flow exchange direction index at kind bytes decoded reading bytes_not_understood origin"
            ).split(),
        )
        self._transmissions = _columns(
            "transmissions",
            *(
                "message exchange flow direction data_type method also certainty endpoint path via position "
                "masked value_key value origin"
            ).split(),
        )
        self._evidence = _columns("evidence", *"transmission excerpt request_line chain origin".split())
        self._agents: set[tuple[Key, str]] = set()
        self._clues = _columns("clues", *"flow kind text at origin".split())
        self._unread: dict[int, dict[tuple[str, str], _Unread]] = {}
        """By flow, then by kind and cause: octets of bodies that nobody understood."""

    # ------------------------------------------------------------------------------------------- coming in

    def add(self, batch: Batch, readings: Iterable[Reading]) -> None:
        """One batch, and what ``read`` understood of its messages, in their order."""
        if batch.flows is not None and batch.flows.num_rows:
            self._flows.append(batch.flows)
        if batch.names is not None and batch.names.num_rows:
            self._names.append(batch.names)
        for loss in batch.losses:
            self.lose(loss)
        for clue in batch.clues:
            self._clue(clue)
        seen: dict[Key, Reading] = {}
        for message, reading in zip(batch.messages, readings, strict=True):
            self._message(message, reading)
            if message.kind == "request" and message.exchange is not None:
                seen[message.exchange] = reading
        for exchange in batch.exchanges:
            self._exchange(exchange, seen.get(exchange.key))

    def lose(self, loss: Loss) -> None:
        """Count a loss. The same kind at the same place adds up to one row."""
        total = self._losses.setdefault((loss.source, loss.kind, self.clean(loss.where)), [0, 0])
        total[0] += loss.count
        total[1] += loss.bytes

    def _clue(self, clue: Clue) -> None:
        """A clue's row. What a client says that it is stands once for each flow, and not with every request."""
        text = self.clean(clue.text)
        if clue.kind == "user_agent":
            stated = (clue.flow, text)
            if stated in self._agents:
                return
            self._agents.add(stated)
        self._clues.append(self._id(clue.flow), clue.kind, text, clue.at, str(clue.origin))

    def clean(self, text: str) -> str:
        """A string of the capture without the values that were planted."""
        return self._mask.text(text)

    def _named(self, text: str) -> str:
        """A name of the capture (an app) as a table holds it."""
        return self.clean(text)[:_LONGEST]

    def _host(self, text: str) -> str:
        """The name of a host as a table holds it."""
        return self._mask.host(text)[:_LONGEST]

    def _word(self, text: str, source: str) -> str | None:
        """A method or scheme: a word without what was planted. What is none is counted."""
        if not text or text in _WORDS:
            return text or None
        if token(text):
            return self.clean(text)
        self.lose(Loss(source, "word_unreadable", 1, 0, "a method or scheme that is no word"))
        return None

    def _formed(self, table: pa.Table, column: str, form: re.Pattern[str]) -> pa.Table:
        """A text column in which only words of that form stand, without what was planted; others are counted."""
        wrong: set[str] = set()

        def change(text: str) -> str:
            cleaned = self.clean(text)
            if form.fullmatch(text):
                return cleaned
            wrong.add(cleaned)
            return ""

        before = table[column]
        made = mapped(table, column, change)
        if wrong:
            bad = pc.equal(made[column], "")
            bad = pc.and_(bad, pc.not_equal(before, ""))
            names = list(self._order)
            for number, count in Counter(table["source"].filter(bad).to_pylist()).items():
                self.lose(Loss(names[number], "word_unreadable", count, 0, f"{column}: what is no such word"))
        cleared = pc.if_else(pc.equal(made[column], ""), pa.scalar(None, pa.string()), made[column])
        return made.set_column(made.schema.get_field_index(column), column, cleared)

    def _id(self, key: Key | None) -> int | None:
        return None if key is None else self._order[key.source] << _UNIT_BITS | key.unit

    def _exchange(self, e: Exchange, reading: Reading | None) -> None:
        host = reading.host[:_LONGEST] if reading is not None and reading.host is not None else self._host(e.host)
        path = reading.path if reading is not None and reading.path is not None else self._mask.path(e.path)
        self._exchanges.append(
            *(
                self._id(e.key),
                self._id(e.flow),
                e.started,
                e.protocol or None,
                self._word(e.method, e.key.source),
                self._word(e.scheme, e.key.source),
            ),
            *(host or None, path, e.status, e.request_bytes, e.response_bytes, str(e.origin)),
        )

    def _message(self, m: Message, reading: Reading) -> None:
        self._messages.append(
            *(self._id(m.key), self._id(m.flow), self._id(m.exchange), m.direction, m.index, m.at, m.kind),
            *(m.size, reading.decoded, reading.state, reading.not_understood, str(m.origin)),
        )
        self._not_understood(m, reading)
        for loss in reading.losses:
            self.lose(loss)
        for clue in reading.clues:
            self._clue(clue)
        first = self._transmissions.count
        position_base = self._positions
        for t in reading.transmissions:
            value = t.value.expose()
            self.known.add(value, t.data_type)
            self._transmissions.append(
                *(
                    self._id(t.message),
                    self._id(t.exchange),
                    self._id(t.flow),
                    t.direction,
                    t.data_type,
                    t.method,
                ),
                *(list(t.also), t.certainty, t.endpoint, t.path, " > ".join(t.via)),
                None if t.position is None else position_base + t.position,
                *(mask(t.value, t.data_type), value_key(self._key, t.data_type, t.same)),
                *(value if self._reveal else "", str(t.origin)),
            )
        self._positions += 1 + max((t.position or 0 for t in reading.transmissions), default=0)
        for e in reading.evidence:
            sent = reading.transmissions[e.transmission]
            of = (sent.data_type, sent.method, m.host)
            self._shown[of] += 1
            if self._shown[of] <= _MOST_EVIDENCE:
                self._evidence.append(first + e.transmission, e.excerpt, e.request_line, e.chain, str(e.origin))

    def _not_understood(self, m: Message, reading: Reading) -> None:
        """Note what of a body that passed was not understood, and is not missing already in its source's own count:
        what the capture lacks of it."""
        if reading.decoded or m.direction == "undelivered":
            return
        lacking = max(m.size - len(m.body), 0) if m.cut else 0
        octets = max(reading.not_understood - lacking, 0)
        if not octets and lacking:
            return
        kind, cause = OPAQUE_OF_MESSAGE[reading.state]
        flow = self._id(m.flow)
        assert flow is not None
        parts = self._unread.setdefault(flow, {})
        part = parts.setdefault((kind, reading.cause or cause), _Unread())
        part.count += 1
        if m.direction == "sent":
            part.sent += octets
        else:
            part.received += octets

    # ------------------------------------------------------------------------------------------- going out

    def tables(self, sources: pa.Table) -> Tables:
        """The tables, keys as integers. ``sources`` is complete but for its times."""
        flows = self._flow_table()
        exchanges, messages = self._exchanges.table(), self._messages.table()
        transmissions, evidence = self._transmissions.table(), self._evidence.table()
        ids = {
            "flow": _ranks(flows["flow"]),
            "exchange": _ranks(exchanges["exchange"]),
            "message": _ranks(messages["message"]),
        }
        order = np.argsort(transmissions["message"].to_numpy(), kind="stable")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        transmissions = transmissions.take(pa.array(order)).append_column(
            "transmission", pa.array(np.arange(len(order)))
        )
        if evidence.num_rows:
            moved = place[evidence["transmission"].to_numpy()]
            evidence = evidence.set_column(0, "transmission", pa.array(moved)).sort_by("transmission")
        positions = _ranks(transmissions["position"])
        transmissions = transmissions.set_column(
            transmissions.schema.get_field_index("position"),
            "position",
            _numbered(transmissions["position"], positions),
        )
        made = {
            "flows": _with_ids(flows, ids).sort_by("flow"),
            "exchanges": _with_ids(exchanges, ids).sort_by("exchange"),
            "messages": _with_ids(messages, ids).sort_by("message"),
            "transmissions": _with_ids(transmissions, ids),
            "clues": _with_ids(self._clues.table(), ids),
            "evidence": evidence,
            "names": self._name_table(),
            "losses": self._loss_table(),
        }
        made["clues"] = made["clues"].sort_by([("flow", "ascending"), ("kind", "ascending"), ("text", "ascending")])
        made["sources"] = _with_times(sources, made["flows"])
        return {name: _complete(name, made.get(name)) for name in TABLES}

    def _flow_table(self) -> pa.Table:
        if not self._flows:
            return TABLES["flows"].nothing
        table = pa.Table.from_batches(self._flows)
        order = np.array([self._order[s] for s in table["source"].to_pylist()], np.int64)
        key = pa.array(order << _UNIT_BITS | table["unit"].to_numpy())
        table = table.drop_columns(["unit"]).set_column(0, "source", pa.array(order)).append_column("flow", key)
        for column, form in (("alpn", _ALPN), ("tls", _TLS)):
            table = self._formed(table, column, form)
        table = self._causes(mapped(mapped(table, "host", self._host), "app", self._named))
        return self._less_what_was_not_understood(table)

    def _less_what_was_not_understood(self, table: pa.Table) -> pa.Table:
        """Octets of bodies that nobody understood, taken from ``bytes_read`` and put into ``unread``: never more than
        the flow has."""
        if not self._unread:
            return table
        names = ("flow", "bytes_out", "bytes_in", "bytes_read", "unread")
        read, unread = [], []
        for flow, out, back, octets, parts in zip(*(table[n].to_pylist() for n in names), strict=True):
            left = {"sent": out or 0, "received": back or 0}
            raw = any(part["kind"] == "non_http" for part in parts or ())
            for (kind, cause), part in sorted(self._unread.get(flow, {}).items()):
                taken = 0
                for direction, most in (("sent", part.sent), ("received", part.received)):
                    here = min(most, left[direction], (octets or 0) - taken)
                    left[direction] -= here
                    taken += here
                octets = (octets or 0) - taken
                if raw and not taken:
                    continue  # the source has these octets in a part of its own
                parts = [*(parts or ()), {"kind": kind, "cause": cause, "bytes": taken, "count": part.count}]
            read.append(octets)
            unread.append(parts)
        for name, column in (("bytes_read", read), ("unread", unread)):
            index = table.schema.get_field_index(name)
            table = table.set_column(index, name, pa.array(column, TABLES["flows"].schema.field(name).type))
        return table

    def _causes(self, table: pa.Table) -> pa.Table:
        """``unread`` with causes that are words, without what was planted."""

        def said(cause: str | None) -> str | None:
            if cause is None:
                return None
            return self.clean(cause) if _CAUSE.fullmatch(cause) else "not_stated"

        unread = table["unread"].combine_chunks()
        causes = unread.values.field("cause")
        known = {cause: said(cause) for cause in pc.unique(causes).to_pylist()}
        if all(cause == now for cause, now in known.items()):
            return table
        rows = [
            None if row is None else [part | {"cause": known[part["cause"]]} for part in row]
            for row in unread.to_pylist()
        ]
        changed = pa.array(rows, TABLES["flows"].schema.field("unread").type)
        return table.set_column(table.schema.get_field_index("unread"), "unread", changed)

    def _name_table(self) -> pa.Table:
        declared = TABLES["names"].schema
        if not self._names:
            return TABLES["names"].nothing
        table = mapped(pa.Table.from_batches(self._names), "name", self._host)
        keys = ["address", "name", "from", "resolver"]
        grouped = table.group_by(keys, use_threads=False).aggregate([("first", "min"), ("last", "max")])
        grouped = grouped.rename_columns(
            [{"first_min": "first", "last_max": "last"}.get(n, n) for n in grouped.column_names]
        )
        return grouped.select(declared.names).sort_by(
            [(n, "ascending") for n in ("first", "address", "name", "from", "resolver")]
        )

    def _loss_table(self) -> pa.Table:
        rows = [
            {
                "source": self._order.get(source),
                "kind": kind,
                "where": where,
                "count": total[0],
                "bytes": total[1],
            }
            for (source, kind, where), total in self._losses.items()
        ]
        rows.sort(key=lambda r: (r["source"] is None, r["source"] or 0, r["kind"], r["where"]))
        return TABLES["losses"].from_rows(rows)


# ----------------------------------------------------------------------------------------- keys to integers


def _ranks(keys: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The distinct keys in order: a key's place in it is its integer."""
    return np.unique(keys.drop_null().to_numpy().astype(np.int64))


def _numbered(keys: pa.ChunkedArray, ranks: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Array:
    """Each key's integer; null stays null, and so does a key that no row has."""
    values = keys.to_numpy(zero_copy_only=False) if keys.null_count == 0 else keys.fill_null(-1).to_numpy()
    values = values.astype(np.int64)
    places = np.searchsorted(ranks, values)
    known = places < len(ranks)
    known[known] = ranks[places[known]] == values[known]
    return pa.array(places.astype(np.int64), mask=~known)


def _with_ids(table: pa.Table, ids: dict[str, np.ndarray[Any, np.dtype[np.int64]]]) -> pa.Table:
    for name, ranks in ids.items():
        if name in table.column_names:
            index = table.schema.get_field_index(name)
            table = table.set_column(index, name, _numbered(table[name], ranks))
    return table


def mapped(table: pa.Table, column: str, change: Callable[[str], str]) -> pa.Table:
    """A text column with ``change`` applied once to each distinct text."""
    now = {text: change(text) for text in pc.unique(table[column]).to_pylist() if text is not None}
    if all(text == changed for text, changed in now.items()):
        return table
    coded = pc.dictionary_encode(table[column].combine_chunks())
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    changed = pa.array([now[t] for t in coded.dictionary.to_pylist()], pa.string())
    return table.set_column(table.schema.get_field_index(column), column, changed.take(coded.indices))


def _with_times(sources: pa.Table, flows: pa.Table) -> pa.Table:
    """The sources with the earliest and latest time of their flows."""
    times = flows.group_by("source", use_threads=False).aggregate([("first", "min"), ("last", "max")]).to_pylist()
    by_source = {row["source"]: row for row in times}
    rows = sources.to_pylist()
    for row in rows:
        found = by_source.get(row["source"])
        if found:
            row["first"], row["last"] = found["first_min"], found["last_max"]
    return TABLES["sources"].from_rows(rows)


def _complete(name: str, table: pa.Table | None) -> pa.Table:
    """All declared columns in their order and type; those that only ``conclude`` fills are null."""
    if table is None or not table.num_rows:
        return TABLES[name].nothing
    declared = TABLES[name].schema
    there = dict(zip(table.column_names, table.columns, strict=True))
    columns = []
    for f in declared:
        column = there.get(f.name)
        if column is None:
            column = pa.nulls(table.num_rows, f.type)
        columns.append(column if column.type == f.type else column.cast(f.type))
    return pa.Table.from_arrays(columns, schema=declared)
