"""The ways in which the lab's phone is sent through the proxy: each of mitmproxy's modes, set up as docs/modes.md says,
with the real ``mitmdump`` and our addons in the laptop's namespace."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lintas.capture.tunnel import Tunnel
from tests.lab.services import UPSTREAM_PORT, Services, address
from tests.lab.spaces import (
    LAPTOP,
    LAPTOP6,
    RESOLVER,
    ROOT,
    Done,
    Net,
    Space,
)

PORT, DNS_PORT = 8080, 5353
TUNNEL, TUNNEL6 = "10.0.0.1", "fd00:10::1"
_BEGUN = ("listening at", "TUN interface started", "Local redirector started")
CONNECTED = "client connect"
"""What mitmproxy logs of each connection of a client."""
ADDONS = ("record", "opaque", "phases")
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))


@dataclass
class Lab:
    """All that runs while modes come and go."""

    net: Net
    services: Services
    group: Path | None = None
    """The control group of local mode's apps, see :func:`control_group`."""

    @property
    def conf(self) -> Path:
        """mitmproxy's own folder: one certificate authority for all modes, so that Chromium learns it once."""
        return self.net.folder / "conf"

    @property
    def trusted(self) -> Path:
        """What the phone trusts: the lab's authority, as it would a public one, and the proxy's."""
        place = self.net.folder / "trusted.pem"
        if not place.exists():
            proxy_ca = (self.conf / "mitmproxy-ca-cert.pem").read_bytes()
            place.write_bytes(self.services.ca.read_bytes() + proxy_ca)
        return place


@dataclass
class Attached:
    """How the phone's apps reach the proxy: the namespace they run in, the proxy that they are told of."""

    space: Space
    proxy: str | None = None
    group: Path | None = None
    """The control group that they are put into."""
    counter: str | None = None
    """The counter of nftables on the laptop of refused QUIC."""

    def enter(self, *command: str | Path) -> list[str | Path]:
        """The words that run a program where the apps run, behind those that enter the namespace."""
        if self.group is None:
            return list(command)
        # In there the group is the root of all.
        return ["sh", "-c", 'echo $$ >/sys/fs/cgroup/cgroup.procs && exec "$@"', "sh", *command]

    def run(self, *command: str | Path, text: str = "", timeout: float = 30, **env: str) -> Done:
        """A program of the phone, to its end, whatever that is."""
        return self.space.run(*self.enter(*command), text=text, timeout=timeout, check=False, **env)


@dataclass(frozen=True)
class Mode:
    name: str
    specs: tuple[str, ...]
    attach: Callable[[Lab], AbstractContextManager[Attached]]
    impossible: Callable[[], str] = lambda: ""
    options: tuple[tuple[str, str], ...] = ()
    """Options of mitmproxy that this mode needs."""


def mitmdump(lab: Lab, mode: Mode, capture: Path, **options: str) -> list[str | Path]:
    """mitmproxy as it comes, with our addons as scripts."""
    command: list[str | Path] = [Path(sys.executable).parent / "mitmdump", "--listen-host", LAPTOP]
    for name in ADDONS:
        command += ["-s", ROOT / "addons" / f"{name}.py"]
    settings = {"confdir": str(lab.conf), "lintas_folder": str(capture), **dict(mode.options)}
    return command + _words(lab, mode, {**settings, **options})


def own_proxy(lab: Lab, mode: Mode, capture: Path, **options: str) -> list[str | Path]:
    """The proxy of ``lintas capture``, which has fewer of mitmproxy's addons, and some of its own."""
    command = [sys.executable, "-m", "lintas.capture.proxy", "--folder", capture, "--confdir", lab.conf]
    return command + _words(lab, mode, options)


def _words(lab: Lab, mode: Mode, settings: dict[str, str]) -> list[str | Path]:
    words: list[str | Path] = []
    for spec in mode.specs:
        words += ["--mode", spec]
    for name, value in {"ssl_verify_upstream_trusted_ca": str(lab.services.ca), **settings}.items():
        words += ["--set", f"{name}={value}"]
    return words


Program = Callable[..., list[str | Path]]


@contextmanager
def proxy(
    lab: Lab, mode: Mode, capture: Path, program: Program = mitmdump, **options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A proxy that writes the folder ``capture``, until the block ends: then it has sealed it.

    Raises RuntimeError where it does not start, or does not end by itself."""
    command = program(lab, mode, capture, **options)
    log = lab.net.folder / f"{mode.name}.log"

    def ready(said: str) -> bool:
        if program is own_proxy:
            return '"type":"ready"' in said
        return sum(said.count(word) for word in _BEGUN) >= len(mode.specs) and (capture / "capture.yaml").exists()

    try:
        with lab.net.laptop.started(*command, log=log, ready=ready, HOME=str(lab.net.folder)) as process:
            yield process
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"the proxy did not end: {log.read_text(errors='replace')[-600:]}") from None
    finally:
        # In local mode mitmproxy leaves its redirector behind, with the device that it made.
        lab.net.laptop.clear()


# ------------------------------------------------------------------------------------------------ each mode's phone


def _told(scheme: str) -> Callable[[Lab], AbstractContextManager[Attached]]:
    @contextmanager
    def attach(lab: Lab) -> Iterator[Attached]:
        yield Attached(lab.net.phone, f"{scheme}://{LAPTOP}:{PORT}")

    return attach


@contextmanager
def _by_routes(lab: Lab, device: str) -> Iterator[None]:
    """All that the phone sends goes into a device, but the proxy's own packets, which the cable's network carries."""
    phone = lab.net.phone
    phone.sh(f"ip route replace default dev {device}\nip -6 route replace default dev {device}")
    try:
        yield
    finally:
        phone.sh(f"""
            ip route replace default via {LAPTOP} dev eth0
            ip -6 route replace default via {LAPTOP6} dev eth0""")


@contextmanager
def _wireguard(lab: Lab) -> Iterator[Attached]:
    """As the app of WireGuard does it, with the configuration that ``lintas capture`` gives for mitmproxy's keys."""
    phone = lab.net.phone
    keys = json.loads((lab.conf / "wireguard.conf").read_text())
    told = configparser.ConfigParser()
    told.optionxform = str  # type: ignore[assignment,method-assign]
    told.read_string(Tunnel(**keys).configuration((LAPTOP, PORT)))
    # What wg-quick and the apps read beside wg itself.
    addresses, resolver = told["Interface"].pop("Address").split(", "), told["Interface"].pop("DNS")
    conf = lab.net.folder / "wg.conf"
    with conf.open("w") as file:
        told.write(file)
    log = lab.net.folder / "wireguard-go.log"
    with phone.started(
        *("wireguard-go", "-f", "wg0"),
        log=log,
        ready=lambda _: Path(f"/proc/{phone.pid}/root/run/wireguard/wg0.sock").exists(),
        WG_PROCESS_FOREGROUND="1",
    ):
        phone.sh(f"wg setconf wg0 {conf}\nip link set wg0 mtu 1420 up")
        for one in addresses:
            phone.sh(f"ip addr add {one} dev wg0 {'nodad' if ':' in one else ''}")
        with _by_routes(lab, "wg0"):
            phone.resolve_by(resolver)
            try:
                yield Attached(phone)
            finally:
                phone.resolve_by(RESOLVER)


@contextmanager
def _tun(lab: Lab) -> Iterator[Attached]:
    """The device that the proxy made is handed to the phone."""
    lab.net.laptop.sh(f"ip link set tun0 netns {lab.net.phone.pid}")
    lab.net.phone.sh(f"""
        ip addr add {TUNNEL}/32 dev tun0
        ip addr add {TUNNEL6}/128 dev tun0 nodad
        ip link set tun0 mtu 1420 up""")
    with _by_routes(lab, "tun0"):
        yield Attached(lab.net.phone)


TRANSPARENT = f"""table inet lintas {{
    counter quic {{ }}
    chain to_proxy {{
        type nat hook prerouting priority dstnat;
        iifname "phone0" meta l4proto {{ tcp, udp }} th dport 53 dnat ip to {LAPTOP}:{DNS_PORT}
        iifname "phone0" meta l4proto {{ tcp, udp }} th dport 53 dnat ip6 to [{LAPTOP6}]:{DNS_PORT}
        iifname "phone0" meta l4proto tcp dnat ip to {LAPTOP}:{PORT}
        iifname "phone0" meta l4proto tcp dnat ip6 to [{LAPTOP6}]:{PORT}
    }}
    chain refuse {{
        type filter hook forward priority filter;
        iifname "phone0" udp dport 443 counter name "quic" reject
    }}
}}
"""
"""TCP and DNS of both IP versions go to the proxy, QUIC is refused and counted."""


@contextmanager
def _transparent(lab: Lab) -> Iterator[Attached]:
    lab.net.laptop.nft(TRANSPARENT)
    try:
        yield Attached(lab.net.phone, counter="quic")
    finally:
        lab.net.laptop.sh("nft delete table inet lintas")


def has_control_groups() -> bool:
    """Whether this machine has control groups of version 2 that we may make more of."""
    return any((place / "cgroup.procs").exists() and os.access(place, os.W_OK) for place in CGROUPS)


def _no_local() -> str:
    return "" if has_control_groups() else "this machine has no control groups of version 2"


@contextmanager
def _local(lab: Lab) -> Iterator[Attached]:
    """The apps run on the laptop itself, within the control group that the proxy's eBPF program watches."""
    assert lab.group is not None
    attached = Attached(lab.net.laptop, group=lab.group)
    _until_taken(lab, attached)
    yield attached


def _until_taken(lab: Lab, attached: Attached) -> None:
    """Connect until the proxy has one of the connections: mitmproxy says that its redirector has started before the
    eBPF program takes what programs send. Raises RuntimeError where none is taken."""
    log = lab.net.folder / "local.log"
    before = log.read_text(errors="replace").count(CONNECTED)
    port = f"/dev/tcp/{address('hop.lab.example')}/{UPSTREAM_PORT}"
    for _ in range(100):
        attached.run("bash", "-c", f": <>{port}")
        if log.read_text(errors="replace").count(CONNECTED) > before:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the redirector takes nothing: {log.read_text(errors='replace')[-600:]}")


@contextmanager
def control_group(lab: Lab) -> Iterator[Path]:
    """A control group of this lab's own, which programs in the laptop see as the root of all: the eBPF program that
    mitmproxy attaches there sees only what the lab puts in."""
    root = next(place for place in CGROUPS if (place / "cgroup.procs").exists())
    for left in root.glob("lintas-lab-*"):
        # An empty group of a lab that was killed.
        if not Path(f"/proc/{left.name.rpartition('-')[2]}").exists():
            _remove(left)
    group = root / f"lintas-lab-{os.getpid()}"
    group.mkdir(exist_ok=True)
    try:
        lab.net.laptop.sh(f"mount --bind {group} /sys/fs/cgroup")
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """Remove a control group, once the programs that are still in it have ended."""
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    for _ in range(50):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.1)
        else:
            return


def _upstream_address() -> str:
    return f"http://{address('hop.lab.example')}:{UPSTREAM_PORT}"


MODES = (
    Mode("wireguard", (f"wireguard@{LAPTOP}:{PORT}",), _wireguard),
    Mode("tun", ("tun:tun0",), _tun),
    Mode(
        "transparent",
        (
            f"transparent@{LAPTOP}:{PORT}",
            f"transparent@{LAPTOP6}:{PORT}",
            f"dns@{LAPTOP}:{DNS_PORT}",
            f"dns@{LAPTOP6}:{DNS_PORT}",
        ),
        _transparent,
    ),
    Mode("regular", (f"regular@{LAPTOP}:{PORT}",), _told("http")),
    Mode("socks5", (f"socks5@{LAPTOP}:{PORT}",), _told("socks5h")),
    Mode(
        "upstream",
        (f"upstream:{_upstream_address()}@{LAPTOP}:{PORT}",),
        _told("http"),
        # mitmproxy looks only at what it connects to itself; the next proxy would bring a request for it back.
        options=(("block_list", f"|~u ://{re.escape(LAPTOP)}:{PORT}|444"),),
    ),
    Mode("local", ("local",), _local, _no_local),
)
