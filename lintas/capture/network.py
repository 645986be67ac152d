"""This machine's addresses, and where a capture may listen."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
import sys
from dataclasses import dataclass

from analysis.model import InputError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SIOCGIFADDR = 0xC0206921 if sys.platform == "darwin" else 0x8915
"""Asks for an interface's IPv4 address: ioctl of the BSDs and of Linux."""
DEFAULT_PORTS = {"dns": 53, "regular": 8080, "socks5": 1080, "transparent": 8080, "upstream": 8080, "wireguard": 51820}
"""Where each mode listens unless another port is named. A mode that is not here does not listen."""
KEYED = ("wireguard",)
"""Modes into which only the holder of a key comes."""


def interfaces() -> dict[str, Address]:
    """Name and first IPv4 address of each interface that has one."""
    found: dict[str, Address] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            found[name] = ipaddress.IPv4Address(answer[20:24])
    return found


def outward() -> Address | None:
    """The address from which this machine speaks to others; nothing is sent to learn it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            # RFC 5737: an address for documentation, which leads wherever the default route does.
            asking.connect(("192.0.2.1", 9))
            found = ipaddress.IPv4Address(asking.getsockname()[0])
        except OSError:
            return None
    return None if found.is_unspecified else found


def listener(text: str | None) -> Address:
    """The address to listen at: as it was named, of the interface that was named, or that from which this machine
    speaks to others, else its loopback. Raises InputError when it is not this machine's."""
    if text is None:
        return outward() or ipaddress.IPv4Address("127.0.0.1")
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        known = interfaces()
        if text in known:
            return known[text]
        named = text in {name for _, name in socket.if_nameindex()}
        raise InputError(
            f"--listen {text!r} is {'an interface without IPv4 address' if named else 'no address and no interface'} "
            f"of this machine; it has {_listed(known)}."
        ) from None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        # Bound, it is the IPv4 address, and is judged as that.
        found = found.ipv4_mapped
    if not found.is_unspecified and not can_bind(found):
        raise InputError(f"--listen {found} is no address of this machine; it has {_listed(interfaces())}.")
    return found


def _listed(known: dict[str, Address]) -> str:
    return ", ".join(f"{address} ({name})" for name, address in known.items()) or "none"


def can_bind(address: Address) -> bool:
    """The system itself is asked: only an address of this machine can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def network(text: str) -> Network:
    """Who may come in from outside. Raises InputError."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise InputError(f"--open-to {text!r} is no address and no network; write one like 203.0.113.7.") from None


def check_open(addresses: list[Address], modes: list[Mode], open_to: list[Network]) -> list[str]:
    """Whether a proxy may listen there, and the warnings that go with it.

    Raises InputError where strangers could use it and nobody said who may come in. A WireGuard tunnel lets in only the
    holder of its key, but its phone must be told an address."""
    warnings = []
    unkeyed = [m for m in modes if m.kind in DEFAULT_PORTS and m.kind not in KEYED]
    for address in addresses:
        if address.is_unspecified and any(m.kind in KEYED for m in modes):
            raise InputError(
                f"--listen {address} names no address that the phone could be told; it may be {_listed(interfaces())}."
            )
        if unkeyed and (address.is_unspecified or address.is_global) and not open_to:
            what = "every address of this machine" if address.is_unspecified else "a public address"
            raise InputError(
                f"--listen {address} is {what}: strangers may use what listens there ({unkeyed[0].kind}); name a "
                "private address, or who may come in with --open-to ADDRESS."
            )
    for one in open_to:
        if one.prefixlen < (8 if one.version == 4 else 32):
            warnings.append(f"--open-to {one} lets in nearly everybody: strangers may use this machine as their proxy.")
        elif one.is_global:
            warnings.append(f"Devices at {one} are let in from outside; what they send is recorded.")
    return warnings


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode of the proxy and where it listens. ``rest``: what stands behind its name (``upstream:http://…``)."""

    kind: str
    rest: str
    host: str
    port: int | None

    @property
    def spec(self) -> str:
        """As mitmproxy writes it."""
        head = f"{self.kind}:{self.rest}" if self.rest else self.kind
        return head if self.port is None else f"{head}@{self.host}:{self.port}"

    @property
    def transports(self) -> tuple[str, ...]:
        return {"wireguard": ("udp",), "dns": ("tcp", "udp")}.get(self.kind, ("tcp",))


KINDS = ("wireguard", "regular", "socks5", "transparent", "dns", "upstream", "local")


def modes(texts: list[str], addresses: list[Address], port: int | None) -> list[Mode]:
    """Modes as the command line names them (``KIND[:REST][@PORT]``), each at every address; the tunnel at the first,
    which is the one that the phone is told. Raises InputError."""
    found: list[Mode] = []
    for text in texts:
        head, at, own = text.rpartition("@") if text.rpartition("@")[2].isdigit() else (text, "", "")
        kind, _, rest = head.partition(":")
        if kind.partition("@")[0] in KINDS and "@" in text and not at:
            raise InputError(f"--mode {text!r}: behind @ stands a port alone; an address is for --listen.")
        if kind not in KINDS:
            raise InputError(f"--mode {text!r} is unknown; it is one of {', '.join(KINDS)}.")
        if kind == "upstream" and not rest:
            raise InputError("--mode upstream needs the proxy behind it, like upstream:http://192.0.2.7:3128.")
        if rest and kind not in ("upstream", "local"):
            raise InputError(f"--mode {text!r}: nothing may stand behind {kind} but @PORT.")
        number = int(own) if at else port if port is not None and len(texts) == 1 else DEFAULT_PORTS.get(kind)
        if number is not None and not 1 <= number <= 65535:
            raise InputError(f"--mode {text!r}: {number} is no port.")
        if kind not in DEFAULT_PORTS:
            found.append(Mode(kind, rest, "", None))
            continue
        at_each = addresses[:1] if kind in KEYED else addresses
        found += [Mode(kind, rest, str(address), number) for address in at_each]
    if port is not None and len(texts) > 1:
        raise InputError("--port is for one mode; write several as MODE@PORT.")
    taken: dict[tuple[str, str, int], Mode] = {}
    for mode in found:
        for transport in mode.transports if mode.port is not None else ():
            other = taken.setdefault((transport, mode.host, mode.port or 0), mode)
            if other is not mode:
                raise InputError(
                    f"--mode {mode.kind} and {other.kind} would both listen at port {mode.port}; write one of them as "
                    f"{mode.kind}@{(mode.port or 0) + 1}."
                )
    return found


def check_port(mode: Mode) -> None:
    """Raises InputError when the port is taken or may not be used."""
    if mode.port is None:
        return
    for transport in mode.transports:
        _bind(mode, mode.port, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)


def _bind(mode: Mode, port: int, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET6 if ":" in mode.host else socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # As the proxy itself does: a port that only waits for old connections to die is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((mode.host, port))
        except PermissionError as error:
            raise InputError(
                f"Port {port} may only be used by the system; write --mode {mode.kind}@PORT with a higher one."
            ) from error
        except OSError as error:
            raise InputError(
                f"Port {port} of {mode.host} is taken ({error.strerror}); end what listens there, or write "
                f"--mode {mode.kind}@{port + 1}."
            ) from error
