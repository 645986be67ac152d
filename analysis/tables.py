"""Every table and column of an audit, declared once: type, unit, meaning. The writer and reader of an audit folder,
and the one place where a personal value becomes what a table may hold: a mask and a keyed hash.

One Parquet file a table. Row groups are of a fixed size and nothing in a file depends on the clock, so the same
capture, reference data and libraries give the same bytes.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis import audit_form
from analysis.model import InputError, Secret
from analysis.reading_states import MESSAGE_STATES, STATES

FORMAT = 1
"""Version of the audit folder: a reader refuses one that it does not know."""
ROW_GROUP = 65_536

TIME = pa.timestamp("us", tz="UTC")
TEXT, INT, REAL, YES = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TEXTS, INTS = pa.list_(TEXT), pa.list_(INT)
UNREAD = pa.list_(pa.struct([("kind", TEXT), ("cause", TEXT), ("bytes", INT), ("count", INT)]))
WITNESS = pa.list_(pa.struct([("kind", TEXT), ("source", TEXT), ("country", TEXT), ("text", TEXT), ("stance", TEXT)]))
LAW_LINK = pa.list_(
    pa.struct(
        [
            ("state", TEXT),
            ("link", TEXT),
            ("company", TEXT),
            ("share_percent", REAL),
            ("as_of", TEXT),
            ("level", INT),
            ("statutes", TEXTS),
            ("confidence", TEXT),
            ("basis", TEXT),
            ("statutes_read", TEXTS),
            ("auditor_data", YES),
        ]
    )
)
APP_BY = tuple(
    "capture uid_map socket socket_phone_end tunnel both_ends phone_end server_end requests host_and_time "
    "idle_baseline destination user_agent".split()
)
"""What it may rest on that an app spoke: the file itself names it; the file names a user id and the phone its app; the
phone's socket table, by both ends or by the phone's; one app in the tunnel; another file of the capture, by both ends,
the phone's end, the server's, the same requests, or only the host and the time; the idle phase as a baseline. And, for
the system, the list of hosts that phones contact by themselves. Last, the client's own word in its requests
(User-Agent), which anybody can write."""
WAYS = tuple("wireguard tun local transparent regular upstream socks5 reverse dns".split())
"""How a connection came into the proxy: mitmproxy's modes. What goes around the proxy hangs on it."""
ARGS = pa.list_(pa.struct([("name", TEXT), ("value", TEXT)]))


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: pa.DataType
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    meaning: str
    columns: tuple[Column, ...]
    schema: pa.Schema = field(init=False, repr=False, compare=False)
    nothing: pa.Table = field(init=False, repr=False, compare=False)
    """The table without rows."""

    def __post_init__(self) -> None:
        schema = pa.schema([pa.field(c.name, c.type) for c in self.columns])
        object.__setattr__(self, "schema", schema)
        object.__setattr__(self, "nothing", schema.empty_table())

    def from_rows(self, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
        """Rows as mappings, made into a table of this form. A column that a row lacks is null.

        Raises KeyError for a column that is not declared: a name that only one room knows is a defect."""
        names = [c.name for c in self.columns]
        columns: dict[str, list[Any]] = {n: [] for n in names}
        for row in rows:
            unknown = row.keys() - columns.keys()
            if unknown:
                raise KeyError(f"{self.name} has no column {sorted(unknown)}")
            for name in names:
                columns[name].append(row.get(name))
        if not columns[names[0]]:
            return self.nothing
        return pa.Table.from_arrays([pa.array(columns[c.name], c.type) for c in self.columns], schema=self.schema)


def _table(name: str, meaning: str, *columns: tuple[str, pa.DataType, str]) -> Table:
    return Table(name, meaning, tuple(Column(*c) for c in columns))


TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        _table(
            "sources",
            "The files of the capture, in manifest order.",
            ("source", INT, "key: position in the manifest, from 0"),
            ("file", TEXT, "name within the capture"),
            (
                "kind",
                TEXT,
                "har, charles, saz, mitmproxy, pcap, pcapng, events, messages, connections, other; told by content",
            ),
            ("sha256", TEXT, "of the whole file"),
            ("bytes", INT, "size"),
            ("leg", TEXT, "phone, upstream or wire: where it was seen"),
            ("first", TIME, "earliest time within"),
            ("last", TIME, "latest time within"),
        ),
        _table(
            "flows",
            "Transport conversations (the 5-tuple of RFC 7011), decrypted or not; out is from the phone.",
            ("flow", INT, "key, by source and the order of first packets"),
            ("source", INT, "source"),
            ("leg", TEXT, "phone, upstream or wire"),
            (
                "same_as",
                INT,
                "the flow that is the same traffic, seen on a leg that counts; null: this one counts",
            ),
            ("app", TEXT, "app that spoke: its id, or what the capture calls it; null: not known, or one of several"),
            (
                "app_from",
                TEXT,
                "stated (the capture, the phone's sockets, one app in the tunnel), joined, inferred, system; or null",
            ),
            ("app_by", TEXT, f"what that rests on: {', '.join(APP_BY)}"),
            ("uid", INT, "user id of the phone's socket, where the capture says"),
            ("whose", TEXT, "app: may be held against the app under test; other: another app's; system: the phone's"),
            ("counts", TEXT, "app: counts; or why not: undelivered, other, system, duplicate"),
            ("way", TEXT, f"how it came into the proxy: {', '.join(WAYS)}; null: the capture does not say"),
            ("transport", TEXT, "tcp, udp, or another protocol's name"),
            ("src", TEXT, "address that opened the flow; null where the capture does not say"),
            ("sport", INT, "its port"),
            ("dst", TEXT, "address that was spoken to; null where the capture does not say"),
            ("dport", INT, "its port"),
            ("first", TIME, "first packet or request"),
            ("last", TIME, "last packet or answer"),
            ("bytes_out", INT, "transport payload octets from the phone, retransmissions apart"),
            ("bytes_in", INT, "transport payload octets to the phone, retransmissions apart"),
            ("bytes_read", INT, "of both, those that a reader understood: without bodies that nobody understood"),
            ("packets_out", INT, "packets from the phone; null where the capture holds no packets"),
            ("packets_in", INT, "packets to the phone"),
            ("tcp_ms", REAL, "ms, TCP SYN to SYN-ACK where the capture point itself spoke to the server"),
            ("tls_ms", REAL, "ms, ClientHello to ServerHello, likewise"),
            ("handshake_at", TIME, "when that handshake began"),
            ("host", TEXT, "name of the server"),
            ("host_from", TEXT, "http, sni, dns, stated, address; null where no name is known"),
            ("tls", TEXT, "TLS or QUIC version; null: none seen"),
            ("alpn", TEXT, "application protocol agreed on or offered"),
            ("decrypted", YES, "its content could be read: clear, or opened by a proxy or a key"),
            ("unread", UNREAD, "what a reader could not understand, by kind, cause, octets, count"),
            (
                "reading",
                TEXT,
                (
                    f"{', '.join(STATES)} where all of it is, part where some was understood, else that of most "
                    "octets; null: the same traffic seen again"
                ),
            ),
            ("destination", INT, "destination"),
            ("phase", TEXT, "phase of the session in which it began"),
            ("origin", TEXT, "bytes of its first packet or entry"),
        ),
        _table(
            "exchanges",
            "HTTP requests with their responses (RFC 9110); exchange numbers are dense within each file.",
            ("exchange", INT, "key, in manifest order, then in the file's own order"),
            ("flow", INT, "flow"),
            ("started", TIME, "when the request began"),
            ("protocol", TEXT, "http/1.0, http/1.1, http/2, http/3; null where the capture does not say"),
            ("method", TEXT, "request method"),
            ("scheme", TEXT, "http or https"),
            ("host", TEXT, "name asked for; a label that carries a found value is written ‹type›"),
            (
                "path",
                TEXT,
                "request path without query; a segment that carries a found value is written ‹type›",
            ),
            ("status", INT, "response status; null: no response"),
            ("request_bytes", INT, "body octets as sent; 0 where they were not handed on"),
            ("response_bytes", INT, "body octets as sent"),
            ("destination", INT, "destination"),
            ("phase", TEXT, "phase of the session"),
            ("app", TEXT, "app that spoke, as in flows"),
            ("whose", TEXT, "app, other, system; as in flows, for this destination"),
            ("counts", TEXT, "app: counts; or why not: undelivered, other, system, duplicate"),
            ("origin", TEXT, "bytes of the request"),
        ),
        _table(
            "messages",
            "Bodies and frames, one direction each; outside HTTP the exchange is null.",
            ("message", INT, "key"),
            ("flow", INT, "flow"),
            ("exchange", INT, "exchange, or null"),
            ("direction", TEXT, "sent, received (by the phone); undelivered: sent, and never handed on by the proxy"),
            ("index", INT, "position among its flow's or exchange's messages of that direction"),
            ("at", TIME, "when"),
            ("kind", TEXT, "request, response, websocket, grpc, sse, tcp, udp"),
            ("bytes", INT, "body octets as sent"),
            ("decoded", YES, "its body was understood down to leaves, or there was none"),
            ("reading", TEXT, f"how far it could be read: {', '.join(MESSAGE_STATES)}"),
            (
                "bytes_not_understood",
                INT,
                "octets of the body, as sent, that nobody understood, whatever the state; with ciphertext in the query",
            ),
            ("origin", TEXT, "bytes of its body"),
        ),
        _table(
            "transmissions",
            "One field of one data type, observed in one message.",
            ("transmission", INT, "key"),
            ("message", INT, "message"),
            ("exchange", INT, "exchange, or null"),
            ("flow", INT, "flow"),
            ("destination", INT, "destination"),
            ("direction", TEXT, "sent, received, undelivered; as in messages"),
            ("data_type", TEXT, "id of data_types.yaml, or the persona's own name for it"),
            ("method", TEXT, "planted, endpoint, key, value: the strongest ground"),
            ("also", TEXTS, "weaker methods that agreed"),
            ("certainty", TEXT, "high, medium, low"),
            (
                "strength",
                TEXT,
                "firm: planted, a documented endpoint field, or a key with a strong check; weak: all else",
            ),
            ("endpoint", TEXT, "id of the known endpoint's field, or null"),
            ("path", TEXT, "where in the message; keys that carry a found value are written ‹type›"),
            ("via", TEXT, "decodings on the way, joined by ' > '"),
            ("position", INT, "shared by the latitude and longitude of one place; unique in the audit"),
            ("masked", TEXT, "the value, masked"),
            ("value_key", TEXT, "keyed hash of the value in one form, 32 hex digits"),
            ("value", TEXT, "empty unless revealed: the decoded leaf as sent"),
            ("phase", TEXT, "phase of the session"),
            ("whose", TEXT, "app, other, system; as in flows, for this destination"),
            (
                "counts",
                TEXT,
                "sent: counts; or why not: received, undelivered, other, system, not_personal, duplicate",
            ),
            ("origin", TEXT, "the bytes"),
        ),
        _table(
            "names",
            "Which names stood for which address, and who said so.",
            ("address", TEXT, "IP address"),
            ("name", TEXT, "host name"),
            ("from", TEXT, "dns, cname, sni, host, stated"),
            ("first", TIME, "first time"),
            ("last", TIME, "last time"),
            ("resolver", TEXT, "address of the resolver that said so, or null"),
        ),
        _table(
            "clues",
            "Witnesses other than databases: of a place, and of who spoke.",
            ("flow", INT, "flow"),
            ("kind", TEXT, "header, certificate, reverse, host; user_agent: the program that a client says it is"),
            ("text", TEXT, "what it says"),
            ("at", TIME, "when"),
            ("origin", TEXT, "the bytes"),
        ),
        _table(
            "destinations",
            "Pairs of host and address: place, operator, law. The four axes stand apart.",
            ("destination", INT, "key, by host and address"),
            ("host", TEXT, "name; null where none is known"),
            ("address", TEXT, "IP address; null where the capture does not say"),
            (
                "system_noise",
                TEXT,
                "class of what the phone's system does by itself; null: not known as such",
            ),
            ("answered", YES, "octets of its own came back; false: it was tried, and nothing did; null: not seen"),
            ("country", TEXT, "ISO 3166 alpha-2 of the machine, or null"),
            ("level", INT, "location evidence 0 to 4, never null"),
            ("reason", TEXT, "message key that says why the level is no higher"),
            ("witnesses", WITNESS, "what each source said; stance: for, against, silent, void"),
            ("refuted", TEXTS, "countries that a source named and light refutes"),
            ("doubtful", TEXTS, "countries beyond light in fibre"),
            ("best_level_here", INT, "highest level that the capture's vantage allows for this address"),
            (
                "against_vantage",
                TEXT,
                "what its time contradicts, so that the vantage is doubtful: published_range, databases; null: nothing",
            ),
            ("round_trip_ms", REAL, "least time seen for this address that counts"),
            ("within_km", REAL, "150 km a ms of it: the farthest that the machine can stand"),
            ("nearest_km", REAL, "least distance from the vantage to any part of the country"),
            ("anycast", YES, "known as anycast or CDN; false: its operator publishes a region; null: not known"),
            (
                "anycast_from",
                TEXT,
                "what says so; where it is not known, the record of anycast.yaml by whose kind it may be; or null",
            ),
            (
                "registered_country",
                TEXT,
                "where the network is registered, by two sources that agree; never a machine's place",
            ),
            ("asn", INT, "autonomous system number"),
            ("network", TEXT, "its name"),
            ("operator", TEXT, "operator id"),
            ("operator_name", TEXT, "its name"),
            ("operator_from", TEXT, "domain, network; null: not known"),
            ("operator_confidence", TEXT, "verified, recalled; null: not known"),
            ("operator_country", TEXT, "country of incorporation"),
            ("operator_as_of", TEXT, "date for which the ownership is known, where it is not the capture's"),
            ("rented_from", TEXT, "operator id of the network, where it is another company"),
            ("rented_from_name", TEXT, "its name"),
            ("parent", TEXT, "operator id or name of the ultimate parent, or null"),
            ("parent_name", TEXT, "its name"),
            ("parent_country", TEXT, "its country"),
            ("parent_confidence", TEXT, "verified, recalled; null: not known"),
            ("parent_share_percent", REAL, "share, where known"),
            ("party", TEXT, "first, third, unknown: against the app's vendor"),
            ("law_reach", TEXTS, "states whose law reaches it on paper, by verified facts, sorted"),
            (
                "law_links",
                LAW_LINK,
                (
                    "each link: machine, operator, machine_owner, parent; basis: the company is incorporated there, "
                    "has its seat there (is run from there), both, or an office; statutes_read: those that were read, "
                    "not remembered; auditor_data: it rests on records that the auditor laid over ours"
                ),
            ),
            ("auditor_data", TEXTS, "of operator, rented_from, parent, party: which rest on the auditor's own records"),
            (
                "receiver",
                TEXT,
                "one key for each company: operator; where that is not known, the registrable domain, else the address",
            ),
            ("flows", INT, "flows that count"),
            ("bytes_out", INT, "octets sent to it"),
            ("bytes_in", INT, "octets received"),
            ("app_flows", INT, "of the flows, those of the app under test"),
            ("app_bytes_out", INT, "octets that they sent to it"),
            ("app_bytes_in", INT, "octets that they received"),
            ("reading", TEXT, "how far it could be read, over the flows that count; as in flows"),
            ("app_reading", TEXT, "likewise, over those of the app under test; null: it spoke to nobody there"),
        ),
        _table(
            "readings",
            "How far what went to and came from each destination could be read: flows that count, each octet once.",
            ("destination", INT, "destination"),
            ("whose", TEXT, "app, other, system; as in flows"),
            ("direction", TEXT, "sent, received, undelivered; as in messages"),
            ("state", TEXT, ", ".join(STATES)),
            ("bodies", INT, "messages with a body in that state"),
            (
                "bytes",
                INT,
                (
                    "octets in that state, heads among them; of octets outside of messages that no source tells by "
                    "direction, the share that the flow's own octets have"
                ),
            ),
        ),
        _table(
            "apps",
            "Who spoke: the flows that count, by app and by how that is known.",
            ("app", TEXT, "as in flows; null: not known, or several that share a user id"),
            ("app_from", TEXT, "as in flows"),
            ("app_by", TEXT, "as in flows"),
            ("whose", TEXT, "as in flows"),
            ("flows", INT, "flows"),
            ("destinations", INT, "destinations that they went to"),
            ("bytes_out", INT, "octets sent"),
            ("bytes_in", INT, "octets received"),
        ),
        _table(
            "links",
            "Identifiers that reached more than one destination, or came back.",
            ("value_key", TEXT, "keyed hash"),
            ("data_type", TEXT, "data type"),
            ("destinations", INTS, "destinations that received it"),
            ("operators", TEXTS, "their operators"),
            ("receivers", TEXTS, "their receivers, each company once: two hosts of one are one"),
            ("first", TIME, "first time"),
            ("last", TIME, "last time"),
        ),
        _table(
            "findings",
            "What one rule says about transmissions, in wording no stronger than its evidence.",
            ("finding", TEXT, "stable id"),
            ("rule", TEXT, "id of the rule"),
            ("regime", TEXT, "regime of the rule"),
            ("state", TEXT, "ISO 3166 alpha-2, or null"),
            ("severity", TEXT, "info, notice, concern"),
            ("wording", TEXT, "key of the message catalogue"),
            ("args", ARGS, "its arguments: ids, counts, countries; never a value"),
            ("level", INT, "location evidence that picked the wording, or null"),
            ("transmissions", INTS, "transmissions that it rests on"),
            ("destinations", INTS, "destinations that it concerns"),
            ("missing", TEXTS, "message keys: what a stronger sentence would need"),
            ("cannot_show", TEXTS, "message keys: what no capture can show here"),
        ),
        _table(
            "opaque",
            "What could not be opened, and why.",
            ("flow", INT, "flow, or null"),
            (
                "kind",
                TEXT,
                (
                    "ca_refused, pinned, probable_pin, probable_refusal, encrypted, non_http, relayed, unread; "
                    "inside what was opened: not_understood, sealed (ciphertext), truncated (the capture lacks it); "
                    "unused, unreachable, fell_back (nothing was said)"
                ),
            ),
            ("cause", TEXT, "the signal that says so"),
            ("host", TEXT, "name, where known"),
            ("destination", INT, "destination"),
            ("bytes", INT, "octets, both directions"),
            ("count", INT, "occurrences"),
            ("origin", TEXT, "the bytes"),
        ),
        _table(
            "readable",
            "How much of each app could be read, and by which means: of the flows that count and said something.",
            ("app", TEXT, "as in flows; null: not known"),
            ("app_from", TEXT, "as in flows"),
            ("whose", TEXT, "as in flows"),
            ("opened_by", TEXT, "what opened what was encrypted, as the manifest states it; null: not stated"),
            ("hosts", INT, "hosts that it spoke with"),
            ("hosts_read", INT, "of them, those read in full"),
            ("hosts_part", INT, "of them, those read in part"),
            ("connections", INT, "flows"),
            ("connections_clear", INT, "of them, those that were in the clear"),
            ("connections_opened", INT, "of them, those that were encrypted and opened"),
            ("bytes", INT, "octets, both directions"),
            ("bytes_clear", INT, "of them, those that were in the clear and understood"),
            ("bytes_opened", INT, "of them, those that were encrypted, opened and understood"),
        ),
        _table(
            "evidence",
            "What a report may show without opening the capture. All text is masked.",
            ("transmission", INT, "transmission"),
            ("excerpt", TEXT, "masked value in its context"),
            ("request_line", TEXT, "method, host and path, masked"),
            ("chain", TEXT, "way to the field, joined by ' > '"),
            ("origin", TEXT, "the bytes"),
        ),
        _table(
            "losses",
            "What was in the input and is not in the tables above.",
            ("source", INT, "source"),
            ("kind", TEXT, "what happened; packet_*: packets in no flow"),
            ("count", INT, "how many"),
            ("bytes", INT, "octets"),
            ("where", TEXT, "where or why"),
        ),
    )
}

Tables = dict[str, pa.Table]


def empty() -> Tables:
    """All tables of an audit, without rows."""
    return {name: table.nothing for name, table in TABLES.items()}


# ------------------------------------------------------------------------------------ writing and reading


def write(folder: Path, tables: Tables, audit: Mapping[str, Any]) -> None:
    """Write every table as ``<table>.parquet`` and ``audit.json`` last, so that a folder with one is whole."""
    for name, declared in TABLES.items():
        table = tables[name].select(declared.schema.names).cast(declared.schema).combine_chunks()
        pq.write_table(
            table,
            folder / f"{name}.parquet",
            row_group_size=ROW_GROUP,
            compression="zstd",
            write_statistics=False,
            store_schema=True,
        )
    text = json.dumps(audit, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / "audit.json").write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> tuple[Tables, dict[str, Any]]:
    """The tables and ``audit.json`` of an audit folder. Raises InputError when it is none, or of another format."""
    place = folder / "audit.json"
    if not place.is_file():
        raise InputError(f"{folder} is no audit: it has no audit.json; make one with lintas audit PATH --out {folder}.")
    try:
        audit = json.loads(place.read_text(encoding="utf-8"))
        version = audit["format"]
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise InputError(f"{place} cannot be read ({type(error).__name__}); make the audit again.") from error
    if version != FORMAT:
        raise InputError(f"{place} has format {version!r}, this Lintas reads format {FORMAT}; make the audit again.")
    try:
        audit_form.check(audit)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"{place} is not as an audit writes it ({error}); make the audit again.") from error
    tables: Tables = {}
    for name, declared in TABLES.items():
        try:
            # In this thread: where memory is short Arrow would wait for threads that cannot be had.
            file = pq.ParquetFile(folder / f"{name}.parquet")
            table = file.read(use_threads=False).select(declared.schema.names)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise InputError(
                f"{folder / name}.parquet cannot be read ({type(error).__name__}); make the audit again."
            ) from error
        if not table.schema.equals(declared.schema):
            raise InputError(f"{folder / name}.parquet has columns of another type; make the audit again.")
        tables[name] = table
    for name, column in _lost_keys(tables):
        raise InputError(f"{folder / name}.parquet names a {column} that is in no table; make the audit again.")
    return tables, audit


_KEYS = {
    "source": "sources",
    "flow": "flows",
    "exchange": "exchanges",
    "message": "messages",
    "destination": "destinations",
    "transmission": "transmissions",
}
"""Columns that are the key of one table, and in every other table name a row of it, or none."""


def _lost_keys(tables: Tables) -> Iterator[tuple[str, str]]:
    """Table and column of keys that name no row, and of rows that have no key, or one of another row too."""
    for column, owner in _KEYS.items():
        keys = tables[owner][column]
        if keys.null_count or pc.count_distinct(keys).as_py() != len(keys):
            yield owner, column
        for name, table in tables.items():
            here = {column: table[column]} if name != owner and column in table.column_names else {}
            if f"{column}s" in table.column_names and TABLES[name].schema.field(f"{column}s").type == INTS:
                here[column] = pc.list_flatten(table[f"{column}s"])
            for values in here.values():
                if not pc.all(pc.is_in(values.drop_null(), value_set=keys.combine_chunks()), min_count=0).as_py():
                    yield name, column


# ---------------------------------------------------------------------------------------- personal values

_DOT = "·"
_MAX_DOTS = 12
_CLOSED = frozenset({"password", "otp", "messages", "session_token", "full_name", "search_query", "clipboard"})
"""Types of which no character is shown: a few letters of a short secret or a sentence give it away."""


def mask(secret: Secret, data_type: str) -> str:
    """The value as reports may show it: a few characters of a long identifier, dots for the rest.

    At least three quarters of a value stay hidden; of a value under 10 characters, of text with spaces and of the
    closed types nothing is shown.
    """
    value = secret.expose()
    dots = _DOT * min(len(value), _MAX_DOTS)
    if data_type in _CLOSED or len(value) < 10 or any(c.isspace() for c in value) or not value.isprintable():
        return dots
    shown = 4 if len(value) >= 32 else 2 if len(value) >= 16 else 1
    return value[:shown] + _DOT * min(len(value) - 2 * shown, _MAX_DOTS) + value[-shown:]


def value_key(key: bytes, data_type: str, same: Secret) -> str:
    """HMAC-SHA-256 (RFC 2104) of data type and value, 32 hex digits: equal values can be matched, none recovered
    without the key."""
    text = data_type.encode() + b"\0" + same.expose().encode("utf-8", "surrogatepass")
    return hmac.new(key, text, "sha256").hexdigest()[:32]
