"""HTTP content codings (RFC 9110 section 8.4): gzip, deflate, br, zstd, undone with a limit on what comes
out.

Each decoder streams: it asks for no more than the limit and one block beyond it, so that a bomb costs no
memory. What could be decoded before an input breaks off, or breaks, is kept to the last octet: where a
library throws away the output of the step that failed, the step is done again in steps of one octet.
"""

from __future__ import annotations

import gzip
import zlib

import brotli  # type: ignore[import-untyped]  # it ships none
import zstandard

from analysis.codecs.base import Decoded, over

CHUNK = 65_536
"""Octets given to a decompressor at a time."""
MAX_PARTS = 65_536
"""Members of one gzip body, frames of one zstd body."""
MAX_BLOCKS = 1 << 20
"""Blocks of one zstd frame. (Two limits on work that yields no output: an empty part costs its sender few
octets.)"""
_MANY_BLOCKS = f"stopped at the limit of {MAX_BLOCKS} blocks in a frame"
HTTP_WINDOW = 8 << 20
"""RFC 9659 section 3: the window that a zstd decoder for HTTP has to support, and an encoder may ask for."""


def _inflate(data: memoryview, wbits: int, room: int) -> tuple[bytes, int, str | None]:
    """One zlib, gzip or raw stream from the start of ``data``: its output, of which ``room + 1`` octets at
    the most (so more than ``room`` means that there is more), the octets read, and what was wrong (None: it
    ended well)."""
    stream = zlib.decompressobj(wbits)
    out: list[bytes] = []
    got = at = 0
    step = CHUNK
    while not stream.eof and at < len(data):
        before = stream.copy() if step > 1 else None
        chunk = data[at : at + step]
        try:
            piece = stream.decompress(chunk, room - got + 1)
        except zlib.error as error:
            if before is None:
                return b"".join(out), at, str(error).rpartition(": ")[2]
            stream, step = before, 1
            continue
        out.append(piece)
        got += len(piece)
        at += len(chunk)
        if got > room:
            return b"".join(out), at, None
    return b"".join(out), at - len(stream.unused_data), None if stream.eof else "the input breaks off"


def decode_gzip(data: bytes, limit: int) -> Decoded:
    """RFC 1952: one member or several; zeros after the last are padding, as gzip itself takes them."""
    view = memoryview(data)
    out: list[bytes] = []
    got = at = 0
    for part in range(MAX_PARTS):
        if part and data[at : at + 2] != b"\x1f\x8b":
            if any(view[at:]):
                return Decoded(b"".join(out), False, f"{len(data) - at} octets after the end are not gzip")
            return Decoded(b"".join(out), True)
        piece, used, error = _inflate(view[at:], 31, limit - got)
        out.append(piece)
        got += len(piece)
        at += used
        if got > limit:
            return over(b"".join(out), limit)
        if error is not None:
            return Decoded(b"".join(out), False, f"gzip: {error}")
        if at >= len(data):
            return Decoded(b"".join(out), True)
    return Decoded(b"".join(out), False, f"stopped at the limit of {MAX_PARTS} gzip members", True)


def decode_deflate(data: bytes, limit: int) -> Decoded:
    """RFC 9110 section 8.4.1.2: the zlib format (RFC 1950); the bare deflate stream (RFC 1951) that some
    servers send under this name is read too."""
    tries = []
    for wbits in (15, -15):
        out, used, error = _inflate(memoryview(data), wbits, limit)
        if error is None and len(out) <= limit and used < len(data):
            error = f"{len(data) - used} octets follow the end"
        if error is None:
            return over(out, limit) if len(out) > limit else Decoded(out, True)
        tries.append(Decoded(out, False, f"deflate: {error}"))
        # RFC 1950 section 2.2: a zlib header says so in four bits and a check of five more. Only where it
        # does not, or nothing came of it, is the bare form likelier than a damaged body.
        if len(data) > 1 and data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0 and out:
            break
    return max(tries, key=lambda t: len(t.data))


def decode_brotli(data: bytes, limit: int) -> Decoded:
    """RFC 7932."""
    result, failed_at = _unbrotli(data, limit, len(data))
    return result if failed_at is None else _unbrotli(data, limit, failed_at)[0]


def _unbrotli(data: bytes, limit: int, careful_from: int) -> tuple[Decoded, int | None]:
    """Decode, in steps of one octet from ``careful_from`` on. The second value is where the step that failed
    began, if it was a longer one: its output is lost, and the work has to be done again from there with
    care."""
    stream = brotli.Decompressor()
    out: list[bytes] = []
    got = at = 0
    while at < len(data) and not stream.is_finished():
        end = at + 1 if at >= careful_from else min(at + CHUNK, careful_from)
        chunk = data[at:end]
        try:
            while True:  # the library hands out one buffer at a time, also when it already asks for input
                piece = stream.process(chunk, output_buffer_limit=limit - got + 1)
                out.append(piece)
                got += len(piece)
                if got > limit:
                    return over(b"".join(out), limit), None
                if stream.is_finished() or (not piece and stream.can_accept_more_data()):
                    break
                chunk = b""
        except brotli.error:
            if at < careful_from:
                return Decoded(b"", False), at
            return Decoded(b"".join(out), False, "br: the input is damaged or no brotli stream"), None
        at = end
    if not stream.is_finished():
        return Decoded(b"".join(out), False, "br: the input breaks off"), None
    if at < len(data):
        return Decoded(b"".join(out), False, f"{len(data) - at} octets after the end are not br"), None
    return Decoded(b"".join(out), True), None


def decode_zstd(data: bytes, limit: int) -> Decoded:
    """RFC 8878: frames, skippable ones among them. A window larger than RFC 9659 lets HTTP use is granted
    only where so much output is allowed anyway."""
    out = bytearray()
    at = 0
    for _ in range(MAX_PARTS):
        if at >= len(data):
            return Decoded(bytes(out), True)
        if at and data[at + 1 : at + 4] not in (b"\xb5\x2f\xfd", b"\x2a\x4d\x18"):
            return Decoded(bytes(out), False, f"{len(data) - at} octets after the end are not zstd")
        at, error = _zstd_frame(data, at, out, limit)
        if len(out) > limit:
            return over(bytes(out), limit)
        if error is not None:
            return Decoded(bytes(out), False, f"zstd: {error}", error is _MANY_BLOCKS)
    return Decoded(bytes(out), False, f"stopped at the limit of {MAX_PARTS} zstd frames", True)


def _zstd_frame(data: bytes, at: int, out: bytearray, limit: int) -> tuple[int, str | None]:
    """Append the output of the frame at ``at``; return where it ends, and what was wrong.

    The walk from block to block (RFC 8878 section 3.1.1.2) is ours, so that one block, 128 KiB at the most,
    is given to the library at a time: that bounds what a step can yield, and keeps all that stood before a
    damaged block."""
    if data[at + 1 : at + 4] == b"\x2a\x4d\x18" and data[at] & 0xF0 == 0x50:  # section 3.1.2, skippable
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        return (end, None) if at + 8 <= len(data) and end <= len(data) else (len(data), "the input breaks off")
    head = data[at : at + 18]
    try:
        parameters = zstandard.get_frame_parameters(head)
        size = zstandard.frame_header_size(head)
    except zstandard.ZstdError:
        whole = data[at : at + 4] == b"\x28\xb5\x2f\xfd"[: len(data) - at]
        return len(data), "the input breaks off" if whole else "the input is no zstd frame"
    if parameters.dict_id:
        return len(data), "a dictionary is needed that the capture does not hold"
    window = max(HTTP_WINDOW, limit)
    if parameters.window_size > window:
        return len(data), f"a window of {parameters.window_size} octets is asked for, and {window} are allowed"
    stream = zstandard.ZstdDecompressor(max_window_size=window).decompressobj()
    start, at = at, at + size
    for _ in range(MAX_BLOCKS):
        if at + 3 > len(data):
            return len(data), "the input breaks off"
        header = int.from_bytes(data[at : at + 3], "little")
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        at += 3 + (1 if kind == 1 else length)
        if last and parameters.has_checksum:
            at += 4
        if at > len(data) and not (last and parameters.has_checksum and at - 4 <= len(data)):
            return len(data), "the input breaks off"
        try:
            check = 4 if last and parameters.has_checksum else 0
            out += stream.decompress(data[start : at - check])
            if check:
                stream.decompress(data[at - check : at])
        except zstandard.ZstdError:
            return len(data), "the input is damaged"
        if at > len(data):
            return len(data), "the input breaks off"
        if last or len(out) > limit:
            return at, None
        start = at
    return len(data), _MANY_BLOCKS


def encode_gzip(data: bytes) -> bytes:
    """One member, without a time: the same octets whenever it is made."""
    return gzip.compress(data, mtime=0)


def encode_brotli(data: bytes) -> bytes:
    packed: bytes = brotli.compress(data)
    return packed


def encode_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def encode_deflate(data: bytes) -> bytes:
    """The zlib format, as RFC 9110 section 8.4.1.2 means this name."""
    return zlib.compress(data)
