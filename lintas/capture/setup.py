"""How the phone gets in, and what that hides: in the terminal, on the live page and on the phone's own."""

from __future__ import annotations

import io
import ipaddress
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

from analysis.folder import PRIVATE
from lintas.capture import network, tunnel, words
from lintas.capture.answers import Answers
from lintas.capture.authority import Authority, write_private
from lintas.capture.checks import Check
from lintas.capture.page import Certificate, Content
from lintas.capture.tunnel import Tunnel
from lintas.terminal import UNREAD, labelled, printable


@dataclass
class Setup:
    """What a capture was prepared with."""

    folder: Path
    modes: list[network.Mode]
    answers: Answers
    authority: Authority
    tunnel: Tunnel
    only_app: str | None
    checks: list[Check]
    warnings: list[str]
    earlier: Path | None = None
    """The capture of which the keys are."""
    phone: str = ""
    """Model and system, where the phone itself was asked."""
    proxied: bool = False
    """The phone's system was given the proxy over adb."""

    def reached(self) -> str:
        """The address under which the phone reaches this machine."""
        host = next((m.host for m in self.modes if m.port is not None), "127.0.0.1")
        if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            return str(network.outward() or "127.0.0.1")
        return host

    def certificate(self, fetched: Callable[[str], None]) -> Certificate:
        """What the phone's browser is shown."""
        return Certificate(
            self.authority.name,
            self.authority.pem(),
            self.authority.fingerprint,
            # The first step brought it here. In the system's store nobody puts it from there.
            [] if self.answers.store.by_system else self._steps("")[1:],
            fetched,
        )

    def _steps(self, address: str) -> list[str]:
        a = self.authority
        return [
            step.format(address=address, name=a.name, android_name=a.android_name, file=a.place)
            for step in self.answers.store.steps
        ]

    def _ways(self) -> list[tuple[network.Mode, str]]:
        made = []
        for (kind, rest), same in groupby(self.modes, lambda m: (m.kind, m.rest)):
            group = list(same)
            anywhere = [m for m in group if m.host and ipaddress.ip_address(m.host).is_unspecified]
            host = self.reached() if anywhere else " or ".join(m.host for m in group)
            way = "regular_adb" if kind == "regular" and self.proxied else kind
            way = "wireguard_app" if kind == "wireguard" and self.only_app else way
            text = words.WAYS[way].format(
                host=host, port=group[0].port, rest=rest or "all of them", package=self.only_app
            )
            made.append((group[0], text))
        return made

    def configuration(self) -> str | None:
        """What the phone's tunnel takes; None where there is no tunnel."""
        for mode in self.modes:
            if mode.kind == "wireguard" and mode.port is not None:
                return self.tunnel.configuration((self.reached(), mode.port), self.only_app)
        return None

    def content(self, at: tuple[str, int], snapshot: Callable[[], dict[str, Any]]) -> Content:
        """What the live page is made of. ``at``: where the certificate is."""
        import segno

        address = _address(at)
        pictures: dict[str, bytes] = {}

        def draw(name: str, text: str) -> str:
            out = io.BytesIO()
            segno.make(text, error="l", micro=False).save(out, kind="svg", scale=4, border=2, xmldecl=False)
            pictures[name] = out.getvalue()
            return name

        setup: list[dict[str, Any]] = []
        for mode, text in self._ways():
            configuration = self.configuration() if mode.kind == "wireguard" else None
            setup.append(
                {
                    "heading": f"The way in: {mode.kind}",
                    "picture": draw("tunnel", configuration) if configuration else "",
                    "alt": "QR code of the tunnel's configuration",
                    "steps": [text],
                    "texts": [],
                }
            )
        if self.answers.store is not words.STORES["none"]:
            setup.append(
                {
                    "heading": f"The certificate: {self.answers.store.short}",
                    "picture": draw("certificate", address),
                    "alt": f"QR code of {address}",
                    "steps": self._steps(address),
                    "texts": [self._kept()],
                }
            )
        setup.append(
            {"heading": "What this hides", "picture": "", "alt": "", "steps": [], "texts": [self.answers.store.hides]}
        )
        return Content(snapshot, setup, pictures, page_texts(self.folder.name))

    def _kept(self) -> str:
        a = self.authority
        whose = words.OF_THIS if self.earlier is None else words.OF_EARLIER.format(earlier=self.earlier)
        return words.KEPT.format(name=a.name, fingerprint=a.fingerprint, until=a.until, whose=whose)

    def _told(self) -> list[tuple[str, str]]:
        """What is known of the test; of the phone rather what it says itself."""
        lines = self.answers.lines()
        return [(name, self.phone if name == "device" and self.phone else value) for name, value in lines]

    def show(self, at: tuple[str, int], page: str, proven_ms: int) -> None:
        """Print how the phone gets in. ``page``: the live page's address."""
        address = _address(at)
        draws = sys.stdout.isatty()
        for check in self.checks:
            sign = {True: "ok   ", None: "NOTE ", False: "NO   "}[check.ok]
            print(f"{sign}{check.name:<13}{printable(check.text)}")
        print(f"ok   {'proof':<13}{words.PROVEN.format(ms=proven_ms)}")
        for text in self.warnings:
            print(f"NOTE {printable(text)}")
        labelled([*self._told(), ("folder", str(self.folder))], label_width=14)
        configuration = self.configuration()
        if configuration is not None:
            write_private(self.folder / PRIVATE / tunnel.CLIENT_FILE, configuration.encode())
        for mode, text in self._ways():
            print()
            labelled([(f"{mode.kind}", text)], label_width=14)
            if mode.kind == "wireguard" and configuration is not None:
                labelled([("", f"The same as a file: {self.folder / PRIVATE / tunnel.CLIENT_FILE}")], label_width=14)
                if draws:
                    _draw_code(configuration)
        if self.reached() == "127.0.0.1" and any(m.port for m in self.modes):
            labelled([("", words.LOOPBACK)], label_width=14)
        print()
        store = self.answers.store
        labelled([("certificate", store.short), *(("", step) for step in self._steps(address))], label_width=14)
        if store is not words.STORES["none"]:
            labelled([("", self._kept())], label_width=14)
            if draws:
                _draw_code(address)
        labelled([("hidden", store.hides)], label_width=14)
        print()
        # Not broken in two, or it cannot be copied.
        print(f"{'live view':<14}{page}")
        if draws:
            labelled([("", words.CODES)], label_width=14)
        print()
        sys.stdout.flush()


def page_texts(name: str) -> dict[str, Any]:
    """The live page's own texts, for a capture of that name."""
    page = {
        "title": f"{name} – Lintas live",
        "tagline": "live capture",
        "skip": "Skip to the view",
        "theme": "Theme",
        "auto": "auto",
        "light": "light",
        "dark": "dark",
        "name": name,
        "waiting": words.WAITING,
        "setup": "How the phone gets in",
        "open": True,
        "headings": words.HEADINGS,
        "note": words.LIVE_NOTE,
    }
    spoken = {
        "headings": words.HEADINGS,
        "kinds": UNREAD,
        "ended": words.PAGE_ENDED,
        "lost_page": words.PAGE_LOST,
        **words.PAGE,
    }
    return {**page, "words": json.dumps(spoken, ensure_ascii=False)}


def _draw_code(text: str) -> None:
    """A QR code of half blocks, black on white in any terminal; none where the terminal is too small for it."""
    import segno

    if "utf" not in (sys.stdout.encoding or "").lower():
        print("(This terminal has no characters for a QR code; the live view's page has it.)")
        return
    rows = [tuple(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=3)]
    size = shutil.get_terminal_size()
    if len(rows[0]) > size.columns:
        print(
            f"(The terminal is narrower than the {len(rows[0])} columns of the QR code; the live view's page has it.)"
        )
        return
    for upper, lower in zip_longest(rows[::2], rows[1::2], fillvalue=(0,) * len(rows[0])):
        blocks = "".join(_BLOCKS[bool(a), bool(b)] for a, b in zip(upper, lower, strict=True))
        print(f"\x1b[38;5;16;48;5;231m{blocks}\x1b[0m")


_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
"""By whether the upper and the lower module are dark."""


def _address(at: tuple[str, int]) -> str:
    host, port = at
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
