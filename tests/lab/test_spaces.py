"""The lab's namespaces: joined as said, without a way out, and gone with whoever made them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab import start
from tests.lab.spaces import ENVIRONMENT, LAPTOP, ROOT, Net, net

pytestmark = pytest.mark.slow

_KILLED = """
import sys
from pathlib import Path
from tests.lab.spaces import net
started = {"log": Path("/dev/null"), "ready": lambda _: True}
with net(Path(sys.argv[1]), [11]) as made, made.phone.started("sleep", "600", **started):
    with made.laptop.started("sh", "-c", "sleep 600 & wait", **started):
        print(*(space.pid for space in (made.phone, made.laptop, made.servers)), flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def spaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    start.require()
    with net(tmp_path_factory.mktemp("spaces"), [11, 53]) as made:
        yield made


def test_the_phone_reaches_the_servers_and_is_counted_there(spaces: Net) -> None:
    assert spaces.around() == {}
    for host in ("10.77.2.11", "[fd77:2::11]"):
        # Nobody listens: the server's own system says so.
        assert spaces.phone.run("curl", "-sS", "--max-time", "5", f"http://{host}/", check=False).code == 7
    assert set(spaces.around()) == {"ip4_tcp_other", "ip6_tcp_other"}


@pytest.mark.parametrize("where", ["phone", "laptop", "servers"])
def test_nothing_leads_out(spaces: Net, where: str) -> None:
    space = getattr(spaces, where)
    devices = {"phone": {"lo", "eth0"}, "laptop": {"lo", "phone0", "wan0"}, "servers": {"lo", "eth0"}}
    # A kernel may bring tunnels into every namespace, which are down.
    up = {line.split(":")[1].strip().partition("@")[0] for line in space.sh("ip -o link show up").splitlines()}
    assert up == devices[where]
    # An address kept for documentation (RFC 5737), which no machine has: there is no road, or one that ends in the lab.
    done = space.run("curl", "-sS", "--max-time", "2", "http://192.0.2.1/", check=False)
    assert done.code in (7, 28)


def test_each_side_has_a_resolver_of_its_own(spaces: Net) -> None:
    ours = Path("/etc/resolv.conf").read_text()
    spaces.phone.resolve_by(LAPTOP)
    assert LAPTOP in spaces.phone.sh("cat /etc/resolv.conf")
    assert LAPTOP not in spaces.laptop.sh("cat /etc/resolv.conf")
    assert Path("/etc/resolv.conf").read_text() == ours


def test_all_is_gone_after_a_kill(tmp_path: Path) -> None:
    """SIGKILL leaves its victim no word; the namespaces and the programs in them end all the same."""
    start.require()
    made = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert made.stdout is not None
    assert made.stdin is not None
    said = made.stdout.readline().split()
    assert len(said) == 3
    namespaces = {os.readlink(f"/proc/{pid}/ns/net") for pid in said}
    # Three that hold, three that were started: one of them by another.
    assert _until(lambda: len(_inside(namespaces)) == 6), _inside(namespaces)
    made.send_signal(signal.SIGKILL)
    made.wait(10)
    made.stdin.close()
    made.stdout.close()
    assert _until(lambda: not _inside(namespaces)), _inside(namespaces)


def _until(true: Callable[[], bool]) -> bool:
    """Whether it comes true within ten seconds."""
    for _ in range(100):
        if true():
            return True
        time.sleep(0.1)
    return False


def _inside(namespaces: set[str]) -> list[str]:
    """The programs in any of these network namespaces."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(place / "ns" / "net") in namespaces:
                found.append((place / "comm").read_text().strip())
        except OSError:
            continue
    return found
