"""What an audit says of itself (``audit.json``): of which capture, with which options, data and libraries."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
from functools import cache
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from analysis import folder, tables
from analysis.audit.files import Files
from analysis.audit.options import AuditOptions
from analysis.conclude.attribute import phase_marks, suggested
from analysis.model import InputError, Micros
from analysis.persona import Persona
from analysis.reference import Reference


def capture_date(
    raw: tables.Tables, manifest: folder.Manifest, options: AuditOptions, reference: Reference
) -> tuple[datetime.date, str]:
    """The day whose ownership and law hold: as asked, as the manifest says, as the first flow says; else the day
    of the reference data, and the report says that the capture has no date."""
    if options.date is not None:
        return options.date, "option"
    if manifest.date is not None:
        try:
            return datetime.date.fromisoformat(manifest.date), "manifest"
        except ValueError as error:
            raise InputError(f"{folder.MANIFEST}: date {manifest.date!r} is no day; write it as 2026-11-24.") from error
    first = pc.min(raw["flows"]["first"]).cast(pa.int64()).as_py()
    if first is not None and first > 0:
        return _day(first), "capture"
    return reference.as_of, "reference"


def _moment(at: Micros) -> str:
    return datetime.datetime.fromtimestamp(at / 1_000_000, datetime.UTC).isoformat()


def _day(at: Micros) -> datetime.date:
    return datetime.datetime.fromtimestamp(at / 1_000_000, datetime.UTC).date()


_LIBRARIES = (
    "mitmproxy",
    "scapy",
    "pyarrow",
    "msgspec",
    "cryptography",
    "hyperscan",
    "phonenumbers",
    "jinja2",
)


def marks(events: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The auditor's own marks. ``events``: cleaned."""
    return [
        {"at": _moment(e["at"]), "note": str(e["note"])}
        for e in events
        if e.get("type") == "mark" and e.get("at") is not None and e.get("note")
    ]


def about(
    capture: folder.Capture,
    manifest: folder.Manifest,
    persona: Persona | None,
    reference: Reference,
    options: AuditOptions,
    made: tables.Tables,
    files: Files,
    date: tuple[datetime.date, str],
    events: list[dict[str, Any]],
) -> dict[str, Any]:
    """The content of ``audit.json``. It names no path of this machine and holds no salt and no value."""
    told = msgspec.to_builtins(manifest)
    told.pop("salt", None)
    told.pop("files", None)
    told["phases"] = [
        {"phase": name, "start": _moment(start), "end": None if end is None else _moment(end)}
        for start, end, name in phase_marks(manifest, events)
    ]
    return {
        "format": tables.FORMAT,
        "lintas": _version("lintas"),
        "name": capture.name,
        "made": manifest.made,
        "sample": manifest.sample,
        "manifest": told,
        "stated_by_capture": _stated_by_capture(capture, options),
        "app_suggested": None if manifest.app.id or manifest.app.name else suggested(made["flows"]),
        "vantage_doubtful": _vantage_doubtful(made),
        "capture_date": date[0].isoformat(),
        "capture_date_from": date[1],
        "options": {
            "persona": None if persona is None else sorted(persona.data_types()),
            "reveal": options.reveal,
            "study_key": options.study_key is not None,
            "reference": list(reference.overlays),
            "own_records": {name: sorted(ids) for name, ids in reference.own.items() if ids},
            "geo_country": [p.name for p in options.geo_country],
            "geo_asn": [p.name for p in options.geo_asn],
            "given": sorted(
                f.name
                for f in dataclasses.fields(options)
                if f.name not in ("batch", "sealed", "workers") and getattr(options, f.name) != f.default
            ),
        },
        "counts": _counts(made),
        "reference": reference.versions(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "files": [
            {"file": f.name, "sha256": h, "bytes": s}
            for f, h, s in zip(capture.files, files.sha256, files.sizes, strict=True)
        ],
    }


def _stated_by_capture(capture: folder.Capture, options: AuditOptions) -> list[str]:
    """What the verdict rests on that only the capture's own manifest says, and nobody else confirms: keys of the
    manifest, where the auditor's options do not say the same. Whoever sends a capture can write anything there."""
    manifest = capture.manifest
    app = manifest.app if options.app in (None, manifest.app.id) else folder.App()
    vantage = manifest.vantage if options.vantage is None else folder.Vantage()
    claims = {
        "app": app.id is not None and options.app is None,
        "vendor": app.vendor is not None and options.vendor is None,
        "domains": bool(app.domains),
        "user_country": manifest.user_country is not None and options.user_country is None,
        "vantage": vantage.country is not None or vantage.latitude is not None,
        "persona": capture.persona is not None and options.persona is None,
        "opened_by": manifest.opened_by is not None,
        "by_system": manifest.device.by_system is not None,
        "app_only": manifest.app_only,
        "date": manifest.date is not None and options.date is None,
        "phases": bool(manifest.phases),
    }
    return [name for name, stated in claims.items() if stated]


def _vantage_doubtful(made: tables.Tables) -> dict[str, Any] | None:
    """The hosts whose times contradict what is said of where the capture was made; None where it is not in doubt.
    No hosts: the coordinates do not lie in the country that is stated with them."""
    rows = made["destinations"].select(["host", "address", "reason", "against_vantage"]).to_pylist()
    if not any((row["reason"] or "").endswith("+vantage_doubtful") for row in rows):
        return None
    return {
        "hosts": [
            {"host": row["host"], "address": row["address"], "contradicts": row["against_vantage"]}
            for row in rows
            if row["against_vantage"] is not None
        ]
    }


def _counts(made: tables.Tables) -> dict[str, int]:
    flows = made["flows"]
    packets = sum(pc.sum(flows[c]).as_py() or 0 for c in ("packets_out", "packets_in"))
    losses = made["losses"]
    skipped = losses.filter(pc.starts_with(losses["kind"], "packet_"))
    counts = {name: table.num_rows for name, table in made.items()}
    counts["packets_in_flows"] = packets
    counts["packets_skipped"] = pc.sum(skipped["count"]).as_py() or 0
    return counts


@cache
def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
