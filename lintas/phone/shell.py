"""What comes of a command in the phone's shell: packets of shell_v2, or of an old phone's one stream of octets."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adbutils import AdbConnection

MOST = 16 << 20
"""Octets of one answer."""
OUT, ERR, EXIT = 1, 2, 3
"""Ids of the packets of AOSP's shell_protocol.h."""
STATUS = "lintas-status:"


def packets(c: AdbConnection) -> Iterator[tuple[int, bytes]]:
    """Packets of shell_v2 (kind, octets) up to the command's exit status."""
    while head := c.read(5):
        if len(head) < 5:
            raise EOFError
        kind, size = struct.unpack("<BI", head)
        if size > MOST:
            raise EOFError
        yield kind, c.read_exact(size) if size else b""
        if kind == EXIT:
            return


def marked(c: AdbConnection) -> Iterator[tuple[int, bytes]]:
    """Standard output up to our last line. A terminal of old phones ends lines with CR LF."""
    held = b""
    while piece := c.recv(1 << 16):
        held += piece.replace(b"\r", b"")
        if len(held) > 256:
            yield OUT, held[:-256]
            held = held[-256:]
    before, mark, status = held.rpartition(f"\n{STATUS}".encode())
    if not mark or not status.strip().isdigit():
        raise EOFError
    yield OUT, before
    yield EXIT, bytes([int(status) & 255])


def lines(pieces: Iterator[bytes]) -> Iterator[str]:
    """Lines of octets that come in pieces, as text."""
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        if len(held) > MOST:
            raise EOFError
        for line in whole:
            yield text(line)
    if held:
        yield text(held)


def text(octets: bytes | bytearray) -> str:
    """Foreign octets as text, without the CR of an old phone's terminal."""
    return octets.decode("utf-8", "replace").replace("\r", "")
