"""Which program a client says it is: the part of ``User-Agent`` (RFC 9110 section 10.1.5) that names an app of iOS or
a program of the phone's own system. It is the client's own word, and nothing confirms it."""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import unquote

_NAME = r"(?P<name>[^/()\x00-\x1f]{1,80}?)"
_FORMS = (
    # What the system writes for each app that sets nothing itself (CFNetwork): its bundle's name and version.
    re.compile(
        _NAME + r"(?:/[^\s/]{1,60}| \(unknown version\)) CFNetwork/[\d.]{1,40}(?: Darwin/[\d.]{1,20})?(?: \(.*)?"
    ),
    # Alamofire: the bundle's id too.
    re.compile(
        _NAME + r"/[^\s/]{1,60} \((?P<id>[A-Za-z][\w-]{0,60}(?:\.[\w-]{1,60}){1,8}); build:[^;()]{1,40};"
        r" (?:iOS|iPadOS|watchOS|tvOS)(?:\([^()]*\))? [\d.]{1,12}\)(?: .*)?"
    ),
    # AFNetworking.
    re.compile(_NAME + r"/[^\s/]{1,60} \((?:iPhone|iPad|iPod touch); iOS [\d.]{1,12}; Scale/[\d.]{1,6}\)(?:[ ;].*)?"),
)
_FIRST = re.compile(r"([A-Za-z][A-Za-z.\-]{1,60})/[\w.]")
_SYSTEMS = re.compile(r"(?:iOS|iPadOS|macOS)/\S{1,20} \([^()]{1,20}\) ")
_LONGEST = 500


def program(user_agent: str, agents: Container[str]) -> str | None:
    """The app's bundle id where it is written, else its name; or the product of a program in ``agents`` (lower case).
    None for every other client: a browser's name, or an HTTP library's, tells of no app."""
    text = user_agent.strip()
    if not text or len(text) > _LONGEST:
        return None
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            return found.groupdict().get("id") or unquote(found["name"], errors="replace").strip() or None
    product = _FIRST.match(_SYSTEMS.sub("", text, count=1))
    return product[1] if product is not None and product[1].lower() in agents else None
