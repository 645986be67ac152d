"""What a live capture says to its auditor, in one place: questions, steps on the phone, what a set-up hides, and the
words of the live view. (The report's words are in ``reports/messages``.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# ------------------------------------------------------------------------------------------------ certificate


@dataclass(frozen=True, slots=True)
class Store:
    """Where the phone keeps the capture's certificate. ``opened_by``: the manifest's word for it."""

    short: str
    opened_by: str | None
    platform: str | None
    by_system: bool
    """A refusal of it is a pin, once something has taken it."""
    steps: tuple[str, ...]
    hides: str


_FETCH = "On the phone, open {address} (or http://mitm.it once its traffic comes through here) and fetch the file."
STORES = {
    "user": Store(
        "Android, user store",
        "user_certificate",
        "android",
        False,
        (
            _FETCH,
            (
                "Settings > Security & privacy > More security settings > Encryption & credentials > Install a "
                "certificate > CA certificate > Install anyway; then choose the file. (Where a maker put it elsewhere, "
                "search the settings for “CA certificate”.)"
            ),
        ),
        "Browsers take it; most apps do not: since Android 7 an app trusts only the system's store unless its maker "
        "says otherwise. Such apps show as refused, their content stays unread, and no refusal proves a pin.",
    ),
    "system": Store(
        "Android, system store",
        "system_certificate",
        "android",
        True,
        (
            (
                "On a phone with root the certificate is in the system's store as {android_name}. Up to Android 13 "
                "that is /system/etc/security/cacerts; from 14 on, /apex/com.android.conscrypt/cacerts of every "
                "running process, which a Magisk module for certificates does at boot."
            ),
            (
                "Check it under Settings > Security & privacy > Encryption & credentials > Trusted credentials > "
                "System: “{name}”."
            ),
        ),
        "Apps that pin their own certificate, or bring their own list of authorities (Firefox, some games), still "
        "refuse it. Apps may notice root and behave differently.",
    ),
    "emulator": Store(
        "Android emulator, system store",
        "system_certificate",
        "android",
        True,
        (
            (
                "Make a device with a “Google APIs” image (not “Google Play”) and start it with: emulator -avd NAME "
                "-writable-system"
            ),
            (
                "adb root; adb remount; adb push {file} /system/etc/security/cacerts/{android_name}; adb shell chmod "
                "644 /system/etc/security/cacerts/{android_name}; adb reboot. (From Android 14 on the store lies in "
                "/apex/com.android.conscrypt/cacerts.) The emulator reaches this machine's 127.0.0.1 as 10.0.2.2."
            ),
        ),
        "As the system's store; besides, an app may notice the emulator, and what a real phone's sensors, SIM card "
        "and Google services would make it send is not sent.",
    ),
    "ios": Store(
        "iOS, with full trust",
        "user_certificate",
        "ios",
        False,
        (
            "On the phone, open {address} in Safari and allow the download of the profile.",
            "Settings > General > VPN & Device Management > “{name}” > Install.",
            (
                "Settings > General > About > Certificate Trust Settings: switch on full trust for “{name}”. Without "
                "this step every connection fails."
            ),
        ),
        "Apps that pin, and Apple's own services (App Store, push, iCloud), refuse it: these stay unread, and an app "
        "may lack what they bring it.",
    ),
    "none": Store(
        "no certificate on the phone",
        "none",
        None,
        False,
        (),
        "Nothing encrypted can be read: only names, addresses, times and amounts, and apps will fail to connect until "
        "a host has refused often enough to be passed on unopened.",
    ),
}
"""By the words of ``--store``."""
UNKNOWN_STORE = Store(
    "not stated",
    None,
    None,
    False,
    STORES["user"].steps,
    "It was not stated where the phone keeps the certificate: no refusal can be told from a missing certificate.",
)
KEPT = (
    "The certificate “{name}” (SHA-256 {fingerprint}) is {whose} and ends on {until:%Y-%m-%d}. Take it off "
    "the phone after the test; lintas phone clean says how."
)

OF_THIS = "this capture's own"
OF_EARLIER = "that of {earlier}: a phone that has it needs no other"

# ------------------------------------------------------------------------------------------------------ ways in

WAYS = {
    "wireguard": "In the WireGuard app of the phone: + > Scan from QR code; name it, and switch it on. All of the "
    "phone's traffic comes through here, IPv6 included.",
    "wireguard_app": "In the WireGuard app of the phone: + > Scan from QR code; name it, and switch it on. Only "
    "{package} enters the tunnel (Android), IPv6 included: its traffic is told from everything else. What it has "
    "others do for it (Google Play services, the download manager, a browser) stays outside.",
    "regular_adb": "The phone's system was given the proxy {host}, port {port}, over adb, until the end. Apps that do "
    "not follow the system's proxy (Flutter, some games), QUIC and other UDP go around it unseen.",
    "regular": "In the Wi-Fi settings of the phone: proxy manual, host {host}, port {port}. Apps that do not follow "
    "the system's proxy (Flutter, some games), QUIC and other UDP go around it unseen.",
    "socks5": "A program that speaks SOCKS5 takes {host}, port {port}. UDP goes around it unseen.",
    "transparent": "Lead the phone's TCP to {host}, port {port}, with the firewall of this machine (docs/capture.md "
    "shows it), and reject its UDP 443, or QUIC goes around the proxy unseen.",
    "dns": "The phone's name server is {host}, port {port}: names that are asked for there are recorded.",
    "upstream": "In the Wi-Fi settings of the phone: proxy manual, host {host}, port {port}; all goes on through "
    "{rest}. QUIC and other UDP go around it unseen.",
    "local": "Programs of this machine ({rest}) are captured where they run; nothing is set on a phone.",
}
TUNNEL_ANEW = (
    "The tunnel that the phone has from {earlier} does not lead into this capture (another address, port or app): have "
    "it scan the code again."
)
CODES = "It shows the codes too; here they stand further up."
LOOPBACK = "It listens at this machine's loopback alone: only an emulator or a program here reaches it."

# ---------------------------------------------------------------------------------------------------- questions

QUESTIONS = {
    "app": "App under test, by package or bundle id (like com.example.shop)",
    "device": "Phone, model and system (like Pixel 8, Android 15)",
    "store": "Where is the certificate on the phone: " + ", ".join(STORES),
    "user_country": "Country that the phone's user is set up in (like ID)",
    "vantage": "Where this machine stands: latitude, longitude, country (like -6.2,106.8,ID)",
}
ASKING = "Enter alone leaves a thing unknown, which the report then says. Answers are kept for the next capture."
AS_BEFORE = "  (as last time; --{option} changes it)"
HELP = {
    "p": "phase",
    "m": "mark",
    "q": "end",
}
ASKING_PHONE = "Asking the phone about the app and itself ..."
PUTTING_BACK = "Putting the phone back as it was ..."
PHASE_KEYS = {
    "i": "idle",
    "n": "install",
    "f": "first_launch",
    "a": "consent_asked",
    "r": "consent_refused",
    "y": "consent_accepted",
    "l": "login",
    "b": "browse",
    "s": "search",
    "c": "chat",
    "k": "buy",
    "g": "background",
    "o": "logout",
    "d": "deleted",
    "u": "uninstalled",
}
"""The key behind ``p`` that begins a phase."""

# ---------------------------------------------------------------------------------------------------- live view

WAITING = "Waiting for the phone: nothing has come in yet."
CONNECTED = "{client} has come in; nothing encrypted was opened yet."
FIRST = "First decrypted request of {client}: {host}, at {at}."
PROVEN = "Decryption works: a request of this machine went through the proxy, {ms} ms."
BEHIND = "The classification is {bytes} behind ({seconds:.0f} s)."
UP_TO_DATE = "The classification has read all that was recorded."
NOT_LOOKED = "Nothing was classified yet."
NO_FOLLOWER = "The classification ended ({text}). The recording goes on; lintas audit classifies it afterwards."
LEFT_OUT = "and {n} more"
STRANGER = "A device at {client} was turned away: it is not let in from outside (--open-to)."
STARTING_STILL = "The proxy is still starting: a busy machine takes its time, and local mode may ask for a password."
SEALING = "Sealing the folder ..."
SEALING_STILL = "It is still being sealed: large files in it take their time. Ctrl-C leaves that to process {pid}."
SEALED_LATER = "{folder} is still being sealed, by process {pid}; wait for its end before the audit"
TURNED_AWAY = "{n} turned away, since too many were open: what they would have carried is in no file."
NOT_TRUSTED = (
    "The certificate of {hosts} does not hold for the proxy: requests to it were read and not handed on. If a private "
    "authority issued it, record with --set ssl_verify_upstream_trusted_ca=FILE (that authority's certificate, PEM)."
)
KEPT_OUT = "{n} connections to this machine itself were refused."
PROXY_GONE = "The proxy ended unexpectedly ({text}); what was recorded until then is kept."
READ = "Read of {who}: {share} of {bytes} ({clear} in the clear, {opened} opened{means}), {hosts} hosts in full."
READ_OF = "{app} ({how})"
READ_OF_NOBODY = "what no app is known for"
READ_BY = {
    "user_certificate": " by a user's certificate",
    "system_certificate": " by a system certificate",
    "keys": " by keys",
    "hooks": " by hooks",
}
HEADINGS = {
    "where": "Where",
    "who": "Who runs it",
    "what": "What was sent",
    "opaque": "Could not be opened",
    "marks": "Phases and marks",
    "country": "country",
    "company": "company",
    "data_type": "data type",
    "bytes_out": "sent",
    "bytes_in": "received",
    "flows": "flows",
    "messages": "messages",
    "to": "to",
    "data_types": "data types",
    "count": "times",
    "cause": "how",
    "host": "host",
    "noise": "The system's own traffic, shown apart",
    "others": "Other apps' traffic, shown apart",
    "unanswered": "Tried, and no answer",
}
LIVE_NOTE = (
    "A country with ? rests on one weak source. Whose law reaches these companies, and what the rules say, is in the "
    "audit."
)
PLACES = {"?": "place not known", "local": "local network", "anycast": "many places (anycast)"}
PAGE_ENDED = "The capture has ended."
PAGE_LOST = "The capture no longer answers."


def counted(count: int, one: str, more: str) -> str:
    """``1 country``, ``2,000 countries``."""
    return f"{count:,} {one if count == 1 else more}"


def turned_away(count: int) -> str:
    """What there was no room for."""
    return TURNED_AWAY.format(n=counted(count, "connection was", "connections were"))


def not_trusted(hosts: list[str]) -> str:
    """What to do about servers whose certificate does not hold for the proxy."""
    more = f" and {len(hosts) - 3:,} more" if len(hosts) > 3 else ""
    return NOT_TRUSTED.format(hosts=", ".join(hosts[:3]) + more)


def amount(octets: int) -> str:
    """Octets as people read them."""
    size = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def how_much(row: Mapping[str, Any]) -> str:
    """How much of an app could be read and by which means, from a row of the table ``readable``."""
    read = row["bytes_clear"] + row["bytes_opened"]
    share = read / row["bytes"] if row["bytes"] else 1.0
    if 0 < share < 1:
        share = min(max(share, 0.01), 0.99)
    who = READ_OF.format(app=row["app"], how=row["app_from"]) if row["app"] else READ_OF_NOBODY
    return READ.format(
        who=who,
        share=f"{share:.0%}",
        bytes=amount(row["bytes"]),
        clear=amount(row["bytes_clear"]),
        opened=amount(row["bytes_opened"]),
        means=READ_BY.get(row["opened_by"], "") if row["bytes_opened"] else "",
        hosts=f"{row['hosts_read']:,} of {row['hosts']:,}",
    )


def data_type(name: str) -> str:
    return name.replace("_", " ")


PAGE = {
    "phase": "phase",
    "no_phase": "no phase yet",
    "nothing": "Nothing yet.",
    "trouble": "Not recording",
    "at": "at",
    "mark": "phase or mark",
    "counts": {
        "requests": "requests",
        "bytes_out": "sent, as classified",
        "bytes_in": "received, as classified",
        "refused": "refused",
        "connections": "connections open",
        "recorded": "recorded",
        "lost": "could not be recorded",
    },
}
"""What the live page's script says."""
