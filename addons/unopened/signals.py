"""What a failed handshake says: the other end's alert, OpenSSL's reason, and the cause that is written for them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, NamedTuple

_ALERTS = {
    # RFC 8446, section 6.2, and RFC 5246, section 7.2, as OpenSSL writes them.
    "unknown ca": "unknown_ca",
    "bad certificate": "bad_certificate",
    "certificate unknown": "certificate_unknown",
    "certificate expired": "certificate_expired",
    "certificate revoked": "certificate_revoked",
    "unsupported certificate": "unsupported_certificate",
    "bad certificate status response": "bad_certificate_status_response",
    "bad certificate hash value": "bad_certificate_hash_value",
    "certificate unobtainable": "certificate_unobtainable",
}
"""Alerts that say that a certificate is not accepted: each is its own cause."""
ALERTED = frozenset({*_ALERTS.values(), "certificate_unknown_or_transparency", "closed_after_handshake"})
"""Causes with which a client has refused: of the others a network that failed may be the reason."""
_ABORTS = ("user cancelled", "user canceled", "close notify")
_ALERT = re.compile(r"(?:tls|ssl)[a-z0-9./]* (alert )?([a-z ]+)")
_REASON = re.compile(r"\('SSL routines', '[^']*', '([^']*)'\)")
_LAST = re.compile(r"\(([^()]*)\)$")


def alert_in(error: str) -> str | None:
    """The TLS alert that the other end sent, in OpenSSL's words, or None where the error tells of none."""
    for reason in reversed(_REASON.findall(error) or _LAST.findall(error) or [error]):
        found = _ALERT.fullmatch(reason.strip())
        if found is not None and (found[1] or found[2] in _ALERTS):
            return found[2].strip()
    return None


def reason_in(error: str) -> str | None:
    """OpenSSL's reason for a failure, in its fixed words: never what a connection carried."""
    found = _REASON.findall(error)
    return found[-1][:80] if found else None


class Signal(NamedTuple):
    """What was seen of a connection that came to nothing."""

    kind: str
    cause: str
    alert: str | None = None
    reason: str | None = None
    refuses: bool = True
    """It counts towards passing the host through."""


PASSED = Signal("relayed", "passed_through")


def of_alert(alert: str, asked_for_proofs: bool) -> Signal:
    """What an alert says. ``certificate_unknown`` of a client that asked for proofs of certificate transparency is the
    alert for want of them as well as for an issuer that it does not know (Chromium sends it for both)."""
    cause = _ALERTS.get(alert)
    if cause is None:
        if alert in _ABORTS:
            return Signal("unread", "client_abort", alert.replace(" ", "_"), refuses=False)
        return Signal("unread", "tls_failed", alert.replace(" ", "_"))
    if cause == "certificate_unknown" and asked_for_proofs:
        return Signal("ca_refused", "certificate_unknown_or_transparency", cause)
    return Signal("ca_refused", cause, cause)


class Alerts(logging.Handler):
    """Hears what mitmproxy's connections log of an alert behind the handshake."""

    def __init__(self, heard: Callable[[tuple[Any, ...], str], None]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard
        self._logger = logging.getLogger("mitmproxy.proxy.server")

    def install(self) -> None:
        self._logger.addHandler(self)

    def uninstall(self) -> None:
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        peer = getattr(record, "client", None)
        if isinstance(record.msg, str) and record.msg.startswith("TLS Error:") and isinstance(peer, tuple):
            self._heard(peer, record.msg)
