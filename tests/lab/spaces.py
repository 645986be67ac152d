"""Network namespaces for the lab: a phone, a laptop and servers, joined by cables that lead nowhere else.

    phone 10.77.1.2 ──── 10.77.1.1 laptop 10.77.2.1 ──── 10.77.2.x servers
          fd77:1::2      fd77:1::1        fd77:2::1      fd77:2::x

A namespace has no name: it lives as long as a program in it. The first program of each sees this process end, by
whatever end, and ends what else is in there. So nothing is left after a crash, two labs never meet, and none has a way
out. Each sees a resolver of
its own at /etc/resolv.conf, as ``ip netns exec`` would have it. The laptop is also the router of the phone's network:
what goes around the proxy reaches the servers, and is counted there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PHONE, LAPTOP, LAPTOP_OUT = "10.77.1.2", "10.77.1.1", "10.77.2.1"
PHONE6, LAPTOP6, LAPTOP6_OUT = "fd77:1::2", "fd77:1::1", "fd77:2::1"
PHONES_NET, PHONES_NET6 = "10.77.1.0/24", "fd77:1::/64"
RESOLVER, RESOLVER6 = "10.77.2.53", "fd77:2::53"
PROGRAMS = {
    "nginx": "nginx-light",
    "caddy": "caddy",
    "dnsmasq": "dnsmasq-base",
    "tinyproxy": "tinyproxy-bin",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
    "nft": "nftables",
    "certutil": "libnss3-tools",
    "curl": "curl",
    "openssl": "openssl",
    "tcpdump": "tcpdump",
    "ip": "iproute2",
    "sudo": "sudo",
}
"""What the lab runs beside Python and Chromium, and the package of Debian that it comes from."""
_SYSTEM = {"setpriv", "unshare", "nsenter", "mount", "sysctl"}
ENVIRONMENT = {
    k: v for k, v in os.environ.items() if "proxy" not in k.lower() and not k.startswith(("MITMPROXY", "SSL", "GRPC"))
} | {"PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}


def absent() -> list[str]:
    """The Debian packages that the lab needs and this machine lacks."""
    return sorted({package for name, package in PROGRAMS.items() if shutil.which(name) is None})


def impossible() -> str:
    """Why no set-up could bring the lab to this machine, in words; empty where one could."""
    if not sys.platform.startswith("linux"):
        return "the lab needs Linux, which has network namespaces"
    if os.geteuid() != 0:
        return "the lab needs root, for network namespaces"
    if lacking := sorted(name for name in _SYSTEM if shutil.which(name) is None):
        return f"the lab needs {' and '.join(lacking)}"
    made = subprocess.run(
        ["unshare", "--net", "--mount", "ip", "link", "add", "lab0", "type", "veth", "peer", "name", "lab1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    if made.returncode and shutil.which("ip") is not None:
        return f"this machine makes no network namespaces ({made.stderr.strip()[-120:]})"
    return "" if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "the lab needs /dev/net/tun"


@dataclass(frozen=True)
class Done:
    """What a program that ended said."""

    code: int
    out: str
    err: str


class Space:
    """One network namespace with a view of the file system of its own (it sees ``resolver`` as /etc/resolv.conf)."""

    def __init__(self, name: str, folder: Path, resolver: str) -> None:
        self.name = name
        conf = folder / f"resolv.{name}.conf"
        conf.write_text(f"nameserver {resolver}\noptions timeout:2 attempts:2\n")
        self._conf = conf
        # WireGuard's sockets lie by the device's name: each phone has a place of its own for them.
        hold = f"mount --bind {conf} /etc/resolv.conf && mkdir -p /run/wireguard && mount -t tmpfs lab /run/wireguard"
        hold += f" && ip link set lo up && echo held && while read -r _; do :; done; {_CLEAR}"
        alone = ["unshare", "--net", "--mount", "--propagation", "private"]
        self._holder = subprocess.Popen(
            [*alone, "sh", "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"held\n":
            self.close()
            raise RuntimeError(f"the namespace of the {name} could not be made")
        self.pid = self._holder.pid

    def resolve_by(self, resolver: str) -> None:
        """From now on names are asked of this resolver."""
        self._conf.write_text(f"nameserver {resolver}\noptions timeout:2 attempts:2\n")

    def enter(self, *command: str | Path) -> list[str]:
        """The command line that runs a command in here, and ends it when this process ends."""
        inside = f"/proc/{self.pid}/ns"
        entered = ["nsenter", f"--net={inside}/net", f"--mount={inside}/mnt", f"--wd={ROOT}"]
        return ["setpriv", "--pdeathsig", "KILL", *entered, *map(str, command)]

    def run(self, *command: str | Path, check: bool = True, timeout: float = 30, text: str = "", **env: str) -> Done:
        """Run a command to its end. Raises RuntimeError where it fails (and ``check``) or takes ``timeout`` seconds."""
        try:
            done = subprocess.run(
                self.enter(*command),
                input=text.encode(),
                check=False,
                capture_output=True,
                timeout=timeout,
                env=ENVIRONMENT | env,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{command[0]} in the {self.name} did not end in {timeout:.0f} s") from error
        ended = Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if check and done.returncode:
            words = " ".join(map(str, command))[:200]
            raise RuntimeError(f"{words} in the {self.name} ended with {ended.code}: {(ended.err or ended.out)[-600:]}")
        return ended

    def sh(self, script: str) -> str:
        """Run lines of shell, the first failure ends them; what they said."""
        return self.run("sh", "-ec", script).out

    def nft(self, rules: str) -> None:
        self.run("nft", "-f", "-", text=rules)

    def counted(self) -> dict[str, int]:
        """Packets of each named counter of nftables in here."""
        listed = json.loads(self.run("nft", "-j", "list", "counters").out)["nftables"]
        return {c["counter"]["name"]: c["counter"]["packets"] for c in listed if "counter" in c}

    @contextmanager
    def started(
        self, *command: str | Path, log: Path, ready: Callable[[str], bool], within: float = 20, **env: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A program that runs as long as the block does, which begins when what it wrote to ``log`` is ``ready``.

        Raises RuntimeError with the end of that log where it does not come so far."""
        with log.open("wb") as said:
            process = subprocess.Popen(
                self.enter(*command),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT | env,
            )
        try:
            waited = 0.0
            while not ready(log.read_text(errors="replace")):
                if process.poll() is not None or waited > within:
                    raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-1500:]}")
                time.sleep(0.05)
                waited += 0.05
            yield process
        finally:
            end(process)

    def clear(self) -> None:
        """End every program in here but the first: some leave others behind (mitmproxy its redirector)."""
        inside = os.readlink(f"/proc/{self.pid}/ns/net")
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(place.name) != self.pid and os.readlink(place / "ns" / "net") == inside:
                    os.kill(int(place.name), signal.SIGKILL)

    def close(self) -> None:
        """End the namespace: its first program ends the others, and with the last it is gone."""
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        try:
            self._holder.wait(15)
        except subprocess.TimeoutExpired:
            end(self._holder)
        if self._holder.stdout is not None:
            self._holder.stdout.close()


_CLEAR = """here=$(readlink /proc/$$/ns/net)
for place in /proc/[0-9]*; do
    if [ ${place#/proc/} != $$ ] && [ "$(readlink $place/ns/net)" = "$here" ]; then kill -9 ${place#/proc/}; fi
done 2>/dev/null"""
"""What the first program of a namespace does in the end."""


def end(process: subprocess.Popen[bytes], within: float = 15) -> None:
    """End a program that was started here, kindly at first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(within)


@dataclass
class Net:
    """The three namespaces, joined."""

    folder: Path
    phone: Space
    laptop: Space
    servers: Space

    def around(self) -> dict[str, int]:
        """Packets that reached the servers from the phone's own addresses since the counters were made: what went
        around the proxy, by IP version, protocol and port."""
        return {name: count for name, count in self.servers.counted().items() if count}


_COUNTERS = [
    (f"{name}_{kind}", f"{family} saddr {net} {rule}")
    for family, net, name in (("ip", PHONES_NET, "ip4"), ("ip6", PHONES_NET6, "ip6"))
    for kind, rule in (
        ("dns", "udp dport 53"),
        ("udp443", "udp dport 443"),
        ("udp_other", "udp dport != { 53, 443 }"),
        ("tcp853", "tcp dport 853"),
        ("dns_tcp", "tcp dport 53"),
        ("tcp_other", "tcp dport != { 53, 853 }"),
    )
]


@contextmanager
def net(folder: Path, last_octets: list[int]) -> Iterator[Net]:
    """Phone, laptop and servers, each server's address ending in one of ``last_octets``. All is gone after the block.

    ``folder`` is for the files that the namespaces need."""
    made: list[Space] = []
    try:
        for name in ("phone", "laptop", "servers"):
            made += [Space(name, folder, RESOLVER)]
        phone, laptop, servers = made
        phone.sh(f"""
            ip link add eth0 type veth peer name phone0 netns {laptop.pid}
            ip addr add {PHONE}/24 dev eth0
            ip addr add {PHONE6}/64 dev eth0 nodad
            ip link set eth0 up""")
        servers.sh(f"ip link add eth0 type veth peer name wan0 netns {laptop.pid}")
        laptop.sh(f"""
            ip addr add {LAPTOP}/24 dev phone0
            ip addr add {LAPTOP6}/64 dev phone0 nodad
            ip addr add {LAPTOP_OUT}/24 dev wan0
            ip addr add {LAPTOP6_OUT}/64 dev wan0 nodad
            ip link set phone0 up
            ip link set wan0 up
            echo 1 >/proc/sys/net/ipv4/ip_forward
            echo 1 >/proc/sys/net/ipv6/conf/all/forwarding""")
        addresses = "".join(
            f"ip addr add 10.77.2.{n}/24 dev eth0\nip addr add fd77:2::{n}/64 dev eth0 nodad\n" for n in last_octets
        )
        servers.sh(f"""{addresses}
            ip link set eth0 up
            ip route add default via {LAPTOP_OUT}
            ip -6 route add default via {LAPTOP6_OUT}""")
        servers.nft(
            "table inet lab {\n"
            + "".join(f"counter {name} {{ }}\n" for name, _ in _COUNTERS)
            + "chain in { type filter hook input priority 0;\n"
            + "".join(f'{rule} counter name "{name}"\n' for name, rule in _COUNTERS)
            + "}\n}\n"
        )
        phone.sh(f"""
            ip route add default via {LAPTOP}
            ip -6 route add default via {LAPTOP6}""")
        yield Net(folder, phone, laptop, servers)
    finally:
        for space in made:
            space.close()
