"""Doctor: does this installation have what it needs, and what would be missing to whom?"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import shutil
import sys
from typing import Any

from lintas.terminal import printable

_NEEDED = {
    "mitmproxy": "mitmproxy dumps",
    "scapy": "packet captures",
    "pyarrow": "tables",
    "msgspec": "reference data",
    "maxminddb": "your own place databases",
    "cryptography": "names in QUIC and TLS",
    "phonenumbers": "phone numbers",
    "jinja2": "the report",
    "segno": "QR codes of a live capture",
    "tornado": "the page of a live capture",
}


def examine() -> list[dict[str, Any]]:
    """The checks, each with name, ok and what it found or what to do."""
    version = ".".join(map(str, sys.version_info[:3]))
    checks = [_check("Python", sys.version_info >= (3, 12), version, "Lintas needs Python 3.12 or 3.13")]
    for name, use in _NEEDED.items():
        try:
            importlib.import_module(name)
            checks.append(_check(name, True, f"{_version(name)}, for {use}", ""))
        except ImportError as error:
            checks.append(_check(name, False, "", f"needed for {use} ({error}); install Lintas again"))
    checks.append(_scan())
    checks.append(_reference())
    checks.append(_capture())
    checks.append(_adb())
    free = shutil.disk_usage(".").free
    checks.append(_check("disk", free > 1 << 30, f"{free / 1e9:.1f} GB free here", "less than 1 GB is free here"))
    checks.append(_check("cores", True, f"{os.cpu_count()} to read with", ""))
    return checks


def _check(name: str, ok: bool, found: str, advice: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "text": found if ok else advice}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "version not stated"


def _scan() -> dict[str, Any]:
    for name in ("hyperscan", "ahocorasick_rs"):
        try:
            importlib.import_module(name)
            return _check("needles", True, f"found by {name}", "")
        except ImportError:
            continue
    return _check(
        "needles",
        False,
        "",
        "planted values cannot be searched: neither hyperscan nor ahocorasick-rs is there",
    )


def _reference() -> dict[str, Any]:
    from analysis.model import InputError
    from analysis.reference import Reference

    try:
        reference = Reference.load()
        text = f"as of {reference.as_of}, {len(reference.operators)} operators, {len(reference.data_types)} data types"
        return _check("reference", True, text, "")
    except InputError as error:
        return _check("reference", False, "", str(error))


def _capture() -> dict[str, Any]:
    """Where a live capture would listen. A port that is taken just now is no fault of the installation, and is said."""
    from analysis.model import InputError
    from lintas.capture import network

    address = network.listener(None)
    taken = []
    for mode in network.modes(["wireguard", "regular", "socks5"], [address], None):
        try:
            network.check_port(mode)
        except InputError:
            taken.append(f"{mode.kind} {mode.port}")
    ports = f"taken now: {', '.join(taken)}" if taken else "its usual ports are free"
    where = "this machine's loopback alone" if address.is_loopback else str(address)
    return _check("capture", True, f"would listen at {where}; {ports}", "")


def _adb() -> dict[str, Any]:
    from lintas.phone.check import adb

    ok, text = adb()
    return _check("adb", ok, text, text)


def print_checks(checks: list[dict[str, Any]]) -> None:
    """One line a check."""
    for check in checks:
        print(f"{'ok  ' if check['ok'] else 'NO  '}{check['name']:<14}{printable(check['text'])}")
