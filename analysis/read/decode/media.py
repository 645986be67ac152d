"""What bytes are by their signature: pictures, sound, fonts and other resources that hold no leaves."""

from __future__ import annotations

import re

_SIGNATURES: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), name)
    for pattern, name in (
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF....WEBP", "image/webp"),
        (rb"....ftyp(?:hei[cxms]|hev[cmx]|mif1|msf1)", "image/heic"),
        (rb"....ftypavi[fs]", "image/avif"),
        (rb"....ftypM4[AB] ", "audio/mp4"),
        (rb"....ftyp(?:qt|mp4|iso|avc|M4V|3gp|3g2|dash|f4v|MSNV|mmp4)", "video/mp4"),
        (rb"....(?:moof|styp|sidx)", "video/mp4"),
        (rb"\x1a\x45\xdf\xa3", "video/webm"),
        (rb"FLV\x01", "video/x-flv"),
        (rb"RIFF....WAVE", "audio/wav"),
        (rb"OggS\x00", "audio/ogg"),
        (rb"#!AMR", "audio/amr"),
        (rb"fLaC", "audio/flac"),
        (rb"ID3[\x02-\x04]", "audio/mpeg"),
        (rb"\xff[\xf1\xf9][\x40-\xbf]", "audio/aac"),
        (rb"\xff[\xfb\xf3\xf2][\x10-\xef]", "audio/mpeg"),
        (rb"wOF[F2]", "font/woff"),
        (rb"OTTO\x00", "font/otf"),
        (rb"\x00\x01\x00\x00\x00[\x04-\x40]", "font/ttf"),
        (rb"ttcf", "font/ttf"),
        (rb"\x00\x00\x01\x00[\x01-\x20]\x00", "image/x-icon"),
        (rb"BM....\x00\x00\x00\x00", "image/bmp"),
        (rb"\x00asm\x01\x00\x00\x00", "application/wasm"),
    )
)

_SHORT = frozenset({"audio/aac", "audio/mpeg", "image/bmp"})
"""Types whose signature is so short that bytes of another kind may bear it by chance."""


def media_type(data: bytes, sure: bool = False) -> str | None:
    """The media type that the first bytes prove, or None. Uploads of any declared type are told by content.

    ``sure``: only by signatures of three octets and more, for bytes that may be an identifier's."""
    if len(data) < 8:
        return None
    for pattern, name in _SIGNATURES:
        if pattern.match(data) is not None:
            return None if sure and name in _SHORT else name
    return None


def is_recording(kind: str | None) -> str | None:
    """``image``, ``video`` or ``audio`` where the media could be a person's own: no icon, no font."""
    if kind is None or kind in ("image/x-icon", "image/gif", "image/bmp"):
        return None
    family = kind.partition("/")[0]
    return family if family in ("image", "video", "audio") else None
