"""The WireGuard tunnel of one capture: its keys, and the configuration that the phone takes.

mitmproxy's own configuration has no IPv6, so that what a phone sends over it goes around the tunnel unseen. Ours has
an address and a route for both.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from analysis.model import InputError
from lintas.capture.authority import write_private

FILE = "wireguard.conf"
"""The name under which mitmproxy looks for the keys: a JSON object of two."""
CLIENT_FILE = "phone-wireguard.conf"
"""What the phone takes, to be sent there by other means than a QR code."""
_ADDRESSES = "10.0.0.1/32, fd00:10:53::1/128"
"""The phone's in the tunnel: the first as mitmproxy states it, the second a unique local one (RFC 4193)."""
_DNS = "10.0.0.53"
"""mitmproxy answers there."""
_PACKAGE = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+", re.ASCII)
"""Android's form of an application id."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The private keys of both ends, in base64 as WireGuard writes them."""

    server_key: str
    client_key: str

    def configuration(self, endpoint: tuple[str, int], application: str | None = None) -> str:
        """What the phone takes. ``application``: the one package that enters the tunnel (Android alone knows that)."""
        host, port = endpoint
        only = f"IncludedApplications = {application}\n" if application else ""
        return (
            f"[Interface]\nPrivateKey = {self.client_key}\nAddress = {_ADDRESSES}\nDNS = {_DNS}\n{only}\n"
            f"[Peer]\nPublicKey = {_public(self.server_key)}\nAllowedIPs = 0.0.0.0/0, ::/0\n"
            f"Endpoint = {f'[{host}]' if ':' in host else host}:{port}\n"
        )


def package(text: str) -> str:
    """An Android application id. Raises InputError for anything else, which the tunnel would not name."""
    if not _PACKAGE.fullmatch(text):
        raise InputError(f"--only-app {text!r} is no Android package; write one like com.example.shop.")
    return text


def make(private: Path) -> Tunnel:
    """New keys in the folder ``private``. Raises OSError."""
    return _write(private, Tunnel(_new(), _new()))


def given(private: Path) -> str | None:
    """The configuration that a capture gave its phone, from its folder ``private``; None where it gave none."""
    try:
        return (private / CLIENT_FILE).read_text("utf-8")
    except (OSError, ValueError):
        return None


def take(private: Path, earlier: Path, application: str | None = None) -> Tunnel:
    """The keys of an earlier capture: the phone's tunnel goes on working. New ones where its phone was given no tunnel,
    or one that other apps may enter than ``application``: what comes by that must not be taken for this capture's.
    Raises InputError when they cannot be read."""
    place = earlier / FILE
    configuration = given(earlier)
    if configuration is None or _application(configuration) != application:
        return make(private)
    try:
        value = json.loads(place.read_bytes())
        tunnel = Tunnel(value["server_key"], value["client_key"])
        _public(tunnel.server_key), _public(tunnel.client_key)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"The tunnel's keys in {place} cannot be read; leave --same-keys out.") from error
    return _write(private, tunnel)


def _application(configuration: str) -> str | None:
    for line in configuration.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip().lower() == "includedapplications":
            return value.strip()
    return None


def _write(private: Path, tunnel: Tunnel) -> Tunnel:
    text = json.dumps({"server_key": tunnel.server_key, "client_key": tunnel.client_key}, indent=4)
    write_private(private / FILE, text.encode())
    return tunnel


def _new() -> str:
    raw = X25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return base64.b64encode(raw).decode()


def _public(private: str) -> str:
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
