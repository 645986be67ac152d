"""What a HAR's entry says of the way of its request: whether it was tried at all, and whether it left.

Each tool has words of its own for a request that came to nothing. Read in their sources: Chrome (``_error``,
``_fromCache``, ``_fetchedViaServiceWorker``: devtools-frontend ``front_end/models/har/Log.ts``), Playwright
(``_failureText``, ``_wasAborted``, ``_wasFulfilled``: ``packages/playwright-core/src/server/har/harTracer.ts``),
Firefox (status 0, ``cache.afterRequest``: ``devtools/client/netmonitor/src/har/har-builder.js``), Safari
(``_fetchType``, ``_error``: WebKit ``HARBuilder.js``), mitmproxy (status 0, ``_error``, no ``serverIPAddress``:
``addons/savehar.py``), HTTP Toolkit (status 0: httptoolkit-ui ``src/model/http/har.ts``), ProxyPin (status 0:
``lib/utils/har.dart``).

Times are no proof that something was sent: tools write ``send`` and ``wait`` of requests that never left.
"""

from __future__ import annotations

import re
from typing import Any, TypeGuard

from analysis.model import Headers
from analysis.sources import har_fields as fields
from analysis.sources.delivery import Way, is_of_a_script, is_own_server
from analysis.sources.rows import address, http_version

_CACHES = {"memory", "disk", "memory cache", "disk cache"}
_ON_THE_DEVICE = {"service worker", "inspector override"}
CONNECTED = "_lintas_connected"
"""Whether the connection to the server stood, as the reader of another form than HAR found it; null: not stated."""
OWN_ANSWER = "_lintas_own_answer"
UNSENT = "_lintas_unsent"
"""Why an entry of such a form is no request of a client: a word of ``_REASONS``."""
_REASONS = {
    "tunnel": ("tunnel", "requests for a tunnel (CONNECT): what was opened of it stands by itself"),
    "replayed": ("replayed", "requests that the recording tool made itself: not the client's"),
    "cache": ("from_cache", "entries answered from a cache of the recording tool: nothing was sent"),
}
_REPLACED = ("_wasFulfilled", OWN_ANSWER)
"""Playwright's mark of an answer that a test gave itself, and ours of one that the tool made."""
_ABORTED = ("_wasAborted",)
"""Playwright's mark of a request that a test ended before it went out."""

_TIMES = ("connect", "ssl", "wait", "receive")
_NEVER_LEFT = re.compile(
    r"ERR_(?:"
    r"BLOCKED_BY_(?!RESPONSE|ORB)\w+|CLEARTEXT_NOT_PERMITTED|ACCESS_DENIED|NETWORK_ACCESS_DENIED|TEMPORARILY_THROTTLED"
    r"|UNSAFE_PORT|UNSAFE_REDIRECT|DISALLOWED_URL_SCHEME|UNKNOWN_URL_SCHEME|INVALID_URL|INVALID_ARGUMENT"
    r"|INSUFFICIENT_RESOURCES|OUT_OF_MEMORY|UPLOAD_FILE_CHANGED|FILE_\w+"
    r"|NAME_\w+|DNS_\w+|ICANN_NAME_COLLISION|HOST_RESOLVER_QUEUE_TOO_LARGE"
    r"|INTERNET_DISCONNECTED|ADDRESS_\w+|CONNECTION_(?:REFUSED|FAILED|TIMED_OUT)"
    r"|SOCKS_\w+|PROXY_\w+|TUNNEL_\w+|MANDATORY_PROXY_CONFIGURATION_FAILED|NO_SUPPORTED_PROXIES|PAC_\w+"
    r"|SSL_\w+|BAD_SSL_\w+|CERT_\w+|CERTIFICATE_\w+|ECH_\w+|TLS13_DOWNGRADE_DETECTED|EARLY_DATA_REJECTED"
    r"|CACHE_\w+"
    r")"
    r"|NS_ERROR_(?:UNKNOWN_HOST|UNKNOWN_PROXY_HOST|CONNECTION_REFUSED|PROXY_\w+|OFFLINE|PORT_ACCESS_NOT_ALLOWED|BLOCKED_\w+)"
    r"|SEC_ERROR_\w+|SSL_ERROR_\w+|MOZILLA_PKIX_ERROR_\w+"
)
"""Errors that end a request before it is sent: of Chromium (``net/base/net_error_list.h``), and of Firefox as
Playwright hands them on (names of ``xpcom/base/ErrorList.py``)."""
_LEFT = re.compile(
    r"ERR_(?:EMPTY_RESPONSE|BLOCKED_BY_(?:RESPONSE|ORB)|RESPONSE_\w+|INVALID_RESPONSE|INVALID_HTTP_RESPONSE"
    r"|INVALID_CHUNKED_ENCODING|INCOMPLETE_CHUNKED_ENCODING|CONTENT_LENGTH_MISMATCH|CONTENT_DECODING_FAILED"
    r"|TOO_MANY_REDIRECTS|INVALID_REDIRECT)"
    r"|NS_ERROR_(?:NET_EMPTY_RESPONSE|NET_PARTIAL_TRANSFER|CORRUPTED_CONTENT|REDIRECT_LOOP)"
)
"""Errors that the same lists give of an answer, or of its absence on a connection that stood."""
_UPSTREAM = re.compile(
    r"(?i)certificate verify failed|TLS handshake|could not establish|connection refused|connect call failed"
    r"|name or service not known|nodename nor servname|getaddrinfo|no route to host|network is unreachable"
    r"|could not connect|hostname could not be found|could not be found|not trusted|secure connection"
    r"|Connection killed"
)
"""What mitmproxy, its operating system, and Safari say where no connection to the server stood, and mitmproxy's word
for a flow that was ended in it."""


def unsent(entry: dict[str, Any], creator: str, scheme: str) -> tuple[str, str] | None:
    """Why no request of this entry was meant for the network, as kind and place of a loss: what a browser keeps
    within itself, what it took from its cache, what a service worker answered; None for a request."""
    reason = _REASONS.get(fields.text(entry.get(UNSENT)))
    if reason is not None:
        return reason
    if scheme:
        return "not_network", f"entries of the browser's own scheme {_word(scheme)}: nothing was sent"
    source = fields.text(entry.get("_fromCache")) or fields.text(entry.get("_fetchType"))
    here = not entry.get("serverIPAddress")
    cached = "firefox" in creator and here and "afterRequest" in fields.mapping(entry.get("cache"))
    if source.lower() in _CACHES or cached:
        return "from_cache", "entries answered from the browser's cache: nothing was sent"
    worker = source.lower() in _ON_THE_DEVICE or entry.get("_fetchedViaServiceWorker") is True
    if worker and here:
        return "from_cache", "entries answered by a service worker on the device"
    if "playwright" in creator and here and _nothing_came(entry):
        return "from_cache", "entries answered by the browser's cache or a service worker on the device"
    return None


def _nothing_came(entry: dict[str, Any]) -> bool:
    """Whether Playwright states an answer of which not one octet came over the network. What went wrong or what a test
    gave has no such number, or a mark of its own; a service worker's own requests are entries of their own."""
    response = fields.mapping(entry.get("response"))
    size, status = response.get("_transferSize"), response.get("status")
    marked = any(entry.get(key) is True for key in (*_REPLACED, *_ABORTED))
    answered = _is_number(status) and status > 0
    return answered and _is_number(size) and size == 0 and not marked and not _error(entry, response)


def way(entry: dict[str, Any], creator: str, status: int | None, peer: str | None, scheme: str) -> Way:
    """What an entry says of its request's way. ``peer``: the server's address as the entry states it. ``scheme``:
    http, https or empty."""
    response, timings = fields.mapping(entry.get("response")), fields.mapping(entry.get("timings"))
    error = _error(entry, response)
    stood: bool | None = True if peer is not None or _LEFT.search(error) else None
    of_mitmproxy = creator == "mitmproxy" and _is_number(timings.get("connect"))
    if of_mitmproxy:
        stood = _stood_at_mitmproxy(timings, peer, scheme)
    if CONNECTED in entry:
        stood = entry[CONNECTED] if isinstance(entry[CONNECTED], bool) else None
    answer = fields.headers(response.get("headers"), None, "")
    own = any(entry.get(key) is True for key in _REPLACED) or is_own_server(fields.header(answer, "server"))
    if of_mitmproxy and not own:
        own = stood is False or _of_a_script(entry, timings, answer)
    aborted = any(entry.get(key) is True for key in _ABORTED)
    never = _NEVER_LEFT.search(error) is not None or _UPSTREAM.search(error) is not None
    return Way(
        answered=status is not None,
        own_answer=status is not None and own,
        stopped=aborted or never,
        connected=stood,
    )


def _stood_at_mitmproxy(timings: dict[str, Any], peer: str | None, scheme: str) -> bool | None:
    """Whether mitmproxy's connection to the server stood. It states an address only of one that did, ``connect`` and
    ``ssl`` with the first flow of a connection, and a negative ``wait`` only of flows that it had read from another
    tool's HAR, of which it knows no connection."""
    connect, ssl, wait = (timings.get(name) for name in ("connect", "ssl", "wait"))
    if peer is None:
        return None if _is_number(wait) and wait < 0 else False
    no_tls = scheme == "https" and _is_number(connect) and connect >= 0 and _is_number(ssl) and ssl < 0
    return not no_tls


def _of_a_script(entry: dict[str, Any], timings: dict[str, Any], answer: Headers) -> bool:
    """Whether a script in mitmproxy answered although a connection stood: the entry has that connection's times."""
    spans = [value / 1000 for name in _TIMES if _is_number(value := timings.get(name))]
    if len(spans) < len(_TIMES):
        return False
    connect, ssl, wait, receive = spans
    response, request = fields.mapping(entry.get("response")), fields.mapping(entry.get("request"))
    if connect < 0 or not http_version(fields.text(response.get("httpVersion"))).startswith("http/1"):
        return False
    # The time of a connection to a name is also that of asking for its address.
    literal = address(fields.url(request.get("url")).host) is not None
    handshake = min(connect, ssl) if ssl >= 0 else connect if literal else None
    return is_of_a_script(answer, wait, receive, handshake)


def _is_number(value: object) -> TypeGuard[int | float]:
    """A number of milliseconds that a span can have, or the negative one of what does not apply."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e10 < value < 1e10


def _error(entry: dict[str, Any], response: dict[str, Any]) -> str:
    said_at = ((response, "_error"), (response, "_failureText"), (entry, "_error"), (entry, "_failureText"))
    return " ".join(text for where, key in said_at if (text := fields.text(where.get(key))))


def _word(scheme: str) -> str:
    known = ("data", "blob", "about", "file", "chrome-extension", "chrome", "moz-extension")
    return scheme if scheme in known else "(other)"
