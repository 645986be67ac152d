"""Tables made by hand for the tests of conclude: each row says only what its test is about.

Companies are invented (names under .example, RFC 2606) and laid over our reference data; addresses that must be
placed are public ones, since nothing is looked up of a reserved one.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from analysis.conclude import Settings, conclude
from analysis.folder import Manifest
from analysis.reference import Reference
from analysis.tables import TABLES, Tables

SECOND = 1_000_000
DAY = date(2026, 11, 24)
PHONE = "10.0.0.2"


def tables(**rows: list[dict[str, Any]]) -> Tables:
    """All tables of an audit with those rows; the rest is empty."""
    return {name: table.from_rows(rows.get(name, [])) for name, table in TABLES.items()}


def source(number: int, kind: str = "mitmproxy", **more: Any) -> dict[str, Any]:
    return {"source": number, "file": f"{number}.{kind}", "kind": kind, "sha256": f"{number:064}", **more}


def flow(number: int, **more: Any) -> dict[str, Any]:
    """A flow of ten octets out and twenty in, a second long, unless said otherwise."""
    first = more.pop("first", number * 100 * SECOND)
    return {
        "flow": number,
        "source": 0,
        "leg": "phone",
        "transport": "tcp",
        "first": first,
        "last": more.pop("last", None if first is None else first + SECOND),
        "bytes_out": 10,
        "bytes_in": 20,
        "decrypted": True,
        "whose": "app",
        **more,
    }


def exchange(number: int, of: int, host: str | None, **more: Any) -> dict[str, Any]:
    return {
        "exchange": number,
        "flow": of,
        "host": host,
        "method": "GET",
        "path": "/",
        "request_bytes": 1,
        "response_bytes": 2,
        "whose": "app",
        **more,
    }


def message(number: int, of: int, **more: Any) -> dict[str, Any]:
    return {"message": number, "flow": of, "direction": "sent", "kind": "request", **more}


def sent(number: int, of: int, data_type: str = "email", **more: Any) -> dict[str, Any]:
    """A planted value that left in a message of its flow."""
    return {
        "transmission": number,
        "message": number,
        "flow": of,
        "direction": "sent",
        "data_type": data_type,
        "method": "planted",
        "also": [],
        "certainty": "high",
        "value_key": "k",
        "whose": "app",
        **more,
    }


def link(state: str, kind: str = "operator", **more: Any) -> dict[str, Any]:
    return {
        "state": state,
        "link": kind,
        "company": None if kind == "machine" else "warung",
        "share_percent": None,
        "as_of": None,
        "level": 3 if kind == "machine" else None,
        "statutes": [],
        "confidence": "verified",
        **more,
    }


def destination(number: int, **more: Any) -> dict[str, Any]:
    return {
        "destination": number,
        "host": f"h{number}.example",
        "level": 0,
        "law_links": [],
        "law_reach": [],
        "flows": 1,
        "bytes_out": 10,
        "bytes_in": 20,
        **more,
    }


def operator(number: str, **more: Any) -> dict[str, Any]:
    """A record of operators.yaml: an invented company of Indonesia with the domain ``<id>.example``."""
    return {
        "id": number,
        "name": f"PT {number.title()}",
        "country_of_incorporation": "ID",
        "established_in": [],
        "parent": None,
        "ultimate_parent_country": None,
        "kind": ["app vendor"],
        "domain_suffixes": [f"{number}.example"],
        "domains_recalled": [],
        "asns": [],
        "asns_recalled": [],
        "ownership": [],
        "source": "invented",
        "confidence": "verified",
        "corporate_confidence": "verified",
        **more,
    }


def laid(folder: Path, *operators: dict[str, Any], as_of: str = "2026-01-01") -> Reference:
    """Reference data with these companies over ours."""
    folder.mkdir(exist_ok=True)
    content = {"schema": "lintas.reference/operators/1", "as_of": as_of, "operators": list(operators)}
    (folder / "operators.yaml").write_text(yaml.safe_dump(content))
    return Reference.load(folder)


def concluded(
    made: Tables, reference: Reference, manifest: Manifest | None = None, day: date = DAY, **more: Any
) -> Tables:
    return conclude(made, manifest or Manifest(), reference, Settings(date=day, **more))


def rows(table: pa.Table, *columns: str) -> list[Any]:
    """The rows of a table as tuples of these columns; of one column, its values."""
    found = list(zip(*(table[c].to_pylist() for c in columns), strict=True))
    return [r[0] for r in found] if len(columns) == 1 else found


def args(finding: dict[str, Any]) -> dict[str, str]:
    return {a["name"]: a["value"] for a in finding["args"]}
