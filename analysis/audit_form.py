"""The form of ``audit.json``, by which one that came from elsewhere is checked before anything reads it."""

from __future__ import annotations

from typing import Any

import msgspec

_Text = str | None
_Scalar = str | int | float | bool | None


class _App(msgspec.Struct):
    id: _Text = None
    name: _Text = None
    version: _Text = None
    platform: _Text = None
    vendor: _Text = None
    domains: list[str] | None = None


class _Phase(msgspec.Struct):
    phase: str
    start: str
    end: _Text = None


class _Manifest(msgspec.Struct):
    name: _Text = None
    made: _Text = None
    sample: bool = False
    app: _App | None = None
    device: dict[str, _Scalar] | None = None
    user_country: _Text = None
    vantage: dict[str, _Scalar] | None = None
    timezone: _Text = None
    opened_by: _Text = None
    date: _Text = None
    tools: dict[str, str] | None = None
    app_only: bool = False
    phases: list[_Phase] | None = None


class _Host(msgspec.Struct):
    host: _Text = None
    address: _Text = None
    contradicts: _Text = None


class _Doubtful(msgspec.Struct):
    hosts: list[_Host]


class _Suggested(msgspec.Struct):
    app: str
    by: str
    flows: int
    of: int


class _Options(msgspec.Struct):
    persona: list[str] | None = None
    reveal: bool = False
    study_key: bool = False
    reference: list[str] | None = None
    own_records: dict[str, list[str]] | None = None
    geo_country: list[str] | None = None
    geo_asn: list[str] | None = None
    given: list[str] | None = None


class _File(msgspec.Struct):
    file: str
    sha256: str
    bytes: int


class _Form(msgspec.Struct):
    lintas: _Text = None
    name: _Text = None
    made: _Text = None
    sample: bool = False
    manifest: _Manifest | None = None
    stated_by_capture: list[str] | None = None
    app_suggested: _Suggested | None = None
    vantage_doubtful: _Doubtful | None = None
    capture_date: _Text = None
    capture_date_from: _Text = None
    options: _Options | None = None
    counts: dict[str, int] | None = None
    reference: list[dict[str, _Text]] | None = None
    libraries: dict[str, _Text] | None = None
    files: list[_File] | None = None
    marks: list[dict[str, str]] | None = None


def check(told: dict[str, Any]) -> None:
    """See that every part that is there has its type. Raises msgspec.ValidationError that names the first that has
    not."""
    msgspec.convert(told, _Form)
