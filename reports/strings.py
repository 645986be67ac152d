"""Strings that an app, a server or a manifest controls, made harmless to the eye as well as to the browser.

They are always in mono and in an isolate of their own, so that none can look like a sentence of the report or turn the
words around it; characters without a shape (controls, zero-width, direction marks) are shown as escapes; a host with
characters beyond ASCII stands beside its punycode (RFC 3492).
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from markupsafe import Markup, escape

_SHAPELESS = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5")
"""Letters and marks by category that draw nothing."""
_MOST = 2048


def _visible(char: str) -> bool:
    kind = unicodedata.category(char)
    return kind not in _SHAPELESS and char not in _BLANK and (kind != "Zs" or char == " ")


def plain(text: str, most: int = _MOST) -> str:
    """The string with escapes for what has no shape, cut where it is endless."""
    cut = text[:most]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(c if _visible(c) else f"\\u{{{ord(c):x}}}" for c in cut)
    return cut + (f"… +{len(text) - most}" if len(text) > most else "")


@lru_cache(maxsize=8192)
def shown(text: str, breaks: str = ".", most: int = _MOST) -> Markup:
    """The string for running text and tables; a line may break at the signs of ``breaks``."""
    parts: list[str] = []
    for char in text[:most]:
        if not _visible(char):
            parts.append(f'<span class="esc">\\u{{{ord(char):x}}}</span>')
        elif char in breaks:
            parts.append(f"{escape(char)}<wbr>")
        else:
            parts.append(str(escape(char)))
    more = f"… +{len(text) - most}" if len(text) > most else ""
    return Markup(f'<bdi class="mono">{"".join(parts)}{more}</bdi>')  # noqa: S704 - escaped above


def ascii_host(host: str) -> str:
    """A host in its ASCII form: labels beyond ASCII as punycode."""
    labels = []
    for label in host.split("."):
        if label.isascii():
            labels.append(plain(label))
            continue
        try:
            labels.append("xn--" + label.lower().encode("punycode").decode("ascii"))
        except UnicodeError:
            labels.append(plain(label))
    return ".".join(labels)


_LONGEST_HOST = 253
"""Octets of the longest name in the DNS (RFC 1035, 2.3.4): what is longer is no host, and is cut."""


def shown_host(host: str) -> Markup:
    """A host name, beside its punycode where it is not ASCII. A placeholder ‹type› is no reason for one."""
    if host.replace("‹", "").replace("›", "").isascii():
        return shown(host, most=_LONGEST_HOST)
    return shown(host, most=_LONGEST_HOST) + " " + shown(ascii_host(host), most=_LONGEST_HOST)
