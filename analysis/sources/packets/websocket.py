"""WebSocket frames of one direction (RFC 6455 section 5), unmasked and put together into messages.

A message that was compressed (RFC 7692) is inflated, since its neighbours are needed for that."""

from __future__ import annotations

import zlib
from collections.abc import Callable

Handed = Callable[[bytes, int, bool, int, "int | None"], None]
"""Called with a message's octets, its size, True where it is not whole, its last packet and its time."""


class Frames:
    """Fed octets in order. ``read`` counts those that were understood, ``junk`` the others."""

    def __init__(
        self, handed: Handed, lose: Callable[[str, str], None], most: int, extensions: str, client: bool
    ) -> None:
        self._handed, self._lose, self._most = handed, lose, most
        self._held = bytearray()
        self._left = 0
        """Octets of the frame that are still to come."""
        self._mask = b""
        self._place = 0
        self._keep = False
        self._final = False
        self._message = bytearray()
        self._size = 0
        self._squeezed = False
        deflate = "permessage-deflate" in extensions
        self._deflate = deflate
        self._anew = ("client" if client else "server") + "_no_context_takeover" in extensions
        """Each message is compressed by itself."""
        self._inflate = zlib.decompressobj(-15) if deflate else None
        self._holed = False
        self._lost = False
        self.read = 0
        self.junk = 0
        self.behind = 0
        """Octets behind missing ones, where no frame is found any more."""
        self._adrift = False

    def feed(self, data: bytes, packet: int, at: int | None) -> None:
        if self._lost:
            if self._adrift:
                self.behind += len(data)
            else:
                self.junk += len(data)
            return
        self._held += data
        while self._held and not self._lost:
            if self._left:
                self._payload(packet, at)
            elif not self._head(packet, at):
                return

    def gap(self, size: int, packet: int, at: int | None) -> None:
        """Octets are missing: inside of a frame the next one is still found, else nothing is."""
        self._inflate = None
        if size <= self._left:
            self._left -= size
            self._place += size
            if self._keep:
                self._size += size
                self._holed = True  # what comes behind is not joined to what came before
                if not self._left and self._final:
                    self._whole(packet, at)
            return
        if not self._lost:
            self._lost = self._adrift = True
        self.behind += len(self._held)
        self._held.clear()

    def end(self, packet: int, at: int | None) -> None:
        """The stream is over: a message that was begun is handed over as far as it came."""
        self.junk += len(self._held)
        self._held.clear()
        if self._size:
            self._handed(bytes(self._message), self._size + self._left * self._keep, True, packet, at)
            self._message.clear()
            self._size = 0

    def _head(self, packet: int, at: int | None) -> bool:
        held = self._held
        if len(held) < 2:
            return False
        size, head = held[1] & 127, 2
        if size == 126:
            head = 4
        elif size == 127:
            head = 10
        masked = bool(held[1] & 128)
        if len(held) < head + 4 * masked:
            return False
        if size >= 126:
            size = int.from_bytes(held[2:head])
        kind, control = held[0] & 15, bool(held[0] & 8)
        if kind not in (0, 1, 2, 8, 9, 10) or (control and size > 125) or size >> 63:
            self._lost = True
            self.junk += len(held)
            held.clear()
            return False
        self._mask = bytes(held[head : head + 4]) if masked else b""
        self._place = 0
        self._keep = not control
        if not control:
            self._final = bool(held[0] & 128)
            if kind:
                self._squeezed = bool(held[0] & 64)
        del held[: head + 4 * masked]
        self.read += head + 4 * masked
        self._left = size
        if not size and self._keep and self._final:
            self._whole(packet, at)
        return True

    def _payload(self, packet: int, at: int | None) -> None:
        take = min(self._left, len(self._held))
        part = bytes(self._held[:take])
        del self._held[:take]
        self._left -= take
        self.read += take
        if self._keep:
            room = 0 if self._holed else max(self._most - len(self._message), 0)
            self._message += _unmasked(part[:room], self._mask, self._place)
            self._size += take
            if not self._left and self._final:
                self._whole(packet, at)
        self._place += take

    def _whole(self, packet: int, at: int | None) -> None:
        body, size, cut = bytes(self._message), self._size, self._holed
        self._message.clear()
        self._size, self._holed = 0, False
        if self._squeezed and self._deflate:
            made = None if cut or len(body) < size else self._inflated(body)
            if made is None:
                self._inflate = None
                self._lose("coding_failed", "a compressed WebSocket message, read as it came")
            else:
                body, size = made, len(made)
        self._handed(body, size, cut or len(body) < size, packet, at)

    def _inflated(self, body: bytes) -> bytes | None:
        inflate = zlib.decompressobj(-15) if self._anew else self._inflate
        if inflate is None:
            return None
        try:
            made = inflate.decompress(body + b"\0\0\xff\xff", self._most)
        except zlib.error:
            return None
        return None if inflate.unconsumed_tail else made


def _unmasked(data: bytes, mask: bytes, place: int) -> bytes:
    """The octets with the mask undone (RFC 6455 section 5.3); ``place``: of the first of them in the frame."""
    if not mask or not data:
        return data
    turn = place % 4
    key = (mask[turn:] + mask[:turn]) * (len(data) // 4 + 1)
    size = len(data)
    return (int.from_bytes(data) ^ int.from_bytes(key[:size])).to_bytes(size)
