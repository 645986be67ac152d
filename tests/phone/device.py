"""A phone that speaks adb's wire protocol (AOSP packages/modules/adb/protocol.txt) behind the real adb server.

It takes CNXN without asking for a key, and serves `shell,v2,raw:` (shell_protocol.h), `shell:`, `sync:` (SYNC.TXT) and
`root:`. Commands run in this machine's own shell inside a folder that stands for the phone: what begins with a path of
the phone (`/data/…`, `/proc/net/…`) means that folder, and the phone's programs (`settings`, `dumpsys`, `pm`, …) are
small scripts that answer with the files in `answers/` and keep settings in `settings/`. So pipes, quoting, exit codes
and signals are those of a real shell; the texts are those that AOSP's sources print.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from adbutils import AdbClient, adb_path

CNXN, OPEN, OKAY, WRTE, CLSE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"OPEN", b"OKAY", b"WRTE", b"CLSE")
)
_MOST = 256 << 10
PATHS = ("/data/", "/sdcard/", "/system/", "/apex/", "/proc/net/", "/sys/")

_ANSWERING = """#!/bin/sh
# Prints the file that stands for these words; a file NAME.code holds the exit status.
name=$(printf '%s' "{name} $*" | tr ' /' '_-')
echo "{name} $*" >>"$PHONE/log"
there="$PHONE/answers/$name"
if [ -e "$there" ]; then
    cat "$there"
    if [ -e "$there.code" ]; then exit "$(cat "$there.code")"; fi
    exit 0
fi
echo "{name}: inaccessible or not found" >&2; exit 127
"""
# As ConnectivityService's ProxyTracker: a moment after http_proxy was written it reads it; only if there is something
# does it change what is in force.
_SETTINGS = """#!/bin/sh
echo "settings $*" >>"$PHONE/log"
place="$PHONE/settings/$2/$3"
mkdir -p "$PHONE/settings/$2"
case "$1" in
get) if [ -e "$place" ]; then cat "$place"; else echo null; fi ;;
put)
    [ -e "$PHONE/refuses" ] && { echo "SecurityException: WRITE_SECURE_SETTINGS" >&2; exit 255; }
    printf '%s\\n' "$4" >"$place"
    [ "$3" = http_proxy ] && setsid "$PHONE/bin/.apply" >/dev/null 2>&1 </dev/null &
    ;;
delete) if [ -e "$place" ]; then rm "$place"; echo "Deleted 1 rows"; else echo "Deleted 0 rows"; fi ;;
*) exit 1 ;;
esac
"""
_APPLY = """#!/bin/sh
sleep 0.2
while [ -e "$PHONE/busy" ]; do sleep 0.05; done
trap 'echo applied >>"$PHONE/log"' EXIT
cd "$PHONE/settings/global"
now=$(cat http_proxy) && [ -n "$now" ] || exit 0
host=${now%%:*} port=${now##*:}
[ -n "$host" ] && echo "$host:$port" >"$PHONE/in_force" || rm -f "$PHONE/in_force"
echo "$host" >global_http_proxy_host; echo "$port" >global_http_proxy_port; echo >global_http_proxy_exclusion_list
"""
_GETPROP = """#!/bin/sh
[ -e "$PHONE/props/$1" ] && cat "$PHONE/props/$1"; exit 0
"""
_ID = """#!/bin/sh
if [ -e "$PHONE/is_root" ]; then echo 0; else echo 2000; fi
"""
_SCREENRECORD = """#!/bin/sh
for last; do :; done
trap 'printf moov >>"$last"; exit 0' INT TERM
printf 'ftyp-' >"$last"
while :; do printf mdat >>"$last"; sleep 0.05; done
"""
# Mounts of one phone for all: a file system in memory empties a folder, and going away brings back what was there.
_MOUNT = """#!/bin/sh
echo "mount $*" >>"$PHONE/log"
for last; do :; done
case "$1" in
-t) mv "$last" "$last.under"; mkdir "$last" ;;
--bind) rm -rf "$last"; cp -r "$2" "$last" ;;
*) exit 1 ;;
esac
"""
_UMOUNT = """#!/bin/sh
echo "umount $*" >>"$PHONE/log"
[ -e "$1.under" ] || exit 1
rm -rf "$1"; mv "$1.under" "$1"
"""
_NSENTER = """#!/bin/sh
echo "nsenter $*" >>"$PHONE/log"
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
_PROCESSES = """#!/bin/sh
case "$0" in
*/pidof) cat "$PHONE/zygotes" ;;
*) echo "  PID  PPID"; cat "$PHONE/processes" ;;
esac
"""
_LOGGED = """#!/bin/sh
echo "{name} $*" >>"$PHONE/log"
"""


class FakePhone:
    """A phone in ``folder``. ``connect`` puts it behind the adb server, ``vanish`` takes it away."""

    def __init__(self, folder: Path, features: str = "shell_v2,cmd") -> None:
        self.folder = folder
        self.features = features
        self.vanish_on: re.Pattern[str] | None = None
        """A command that matches is cut off in the middle of its answer, and the phone is gone."""
        self.silent_on: re.Pattern[str] | None = None
        """A command that matches is never answered."""
        self.can_be_root = False
        self.commands: list[str] = []
        self._listener: socket.socket | None = None
        self._links: list[_Link] = []
        self.port = 0
        for part in ("answers", "settings", "props", "bin"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for path in PATHS:
            (folder / "root" / path.strip("/")).mkdir(parents=True, exist_ok=True)
        (folder / "root/data/local/tmp").mkdir(parents=True)
        (folder / "root/sdcard/Download").mkdir()
        for name, text in {
            "settings": _SETTINGS,
            ".apply": _APPLY,
            "getprop": _GETPROP,
            "id": _ID,
            "screenrecord": _SCREENRECORD,
            **{n: _ANSWERING.format(name=n) for n in ("dumpsys", "pm", "cmd")},
            **{n: _LOGGED.format(name=n) for n in ("am", "chcon", "chown")},
            "mount": _MOUNT,
            "umount": _UMOUNT,
            "nsenter": _NSENTER,
            "pidof": _PROCESSES,
            "ps": _PROCESSES,
        }.items():
            self.program(name, text)
        self.listen()

    # ------------------------------------------------------------------------------------ what it holds

    def program(self, name: str, text: str) -> None:
        place = self.folder / "bin" / name
        place.write_text(text, encoding="utf-8")
        place.chmod(0o755)

    def answer(self, command: str, text: str, code: int = 0) -> None:
        """What ``dumpsys``, ``pm`` or ``cmd`` with these words prints."""
        place = self.folder / "answers" / command.replace(" ", "_").replace("/", "-")
        place.write_text(text, encoding="utf-8")
        if code:
            place.with_name(place.name + ".code").write_text(str(code), encoding="utf-8")

    def prop(self, name: str, value: str) -> None:
        (self.folder / "props" / name).write_text(value + "\n", encoding="utf-8")

    def setting(self, table: str, name: str, value: str | None = None) -> str | None:
        """A setting as it stands, or set to ``value``."""
        place = self.folder / "settings" / table / name
        if value is not None:
            place.parent.mkdir(exist_ok=True)
            place.write_text(value + "\n", encoding="utf-8")
        return place.read_text(encoding="utf-8").rstrip("\n") if place.exists() else None

    def proxy(self) -> str | None:
        """The proxy that its apps use."""
        place = self.folder / "in_force"
        return place.read_text(encoding="utf-8").strip() if place.exists() else None

    def settings(self) -> dict[str, str]:
        held = {}
        for place in sorted((self.folder / "settings").rglob("*")):
            if place.is_file():
                held[f"{place.parent.name}/{place.name}"] = place.read_text(encoding="utf-8").rstrip("\n")
        return held

    def file(self, path: str, octets: bytes | None = None) -> Path:
        """A file of the phone, written where ``octets`` are given."""
        place = self.folder / "root" / path.strip("/")
        if octets is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(octets)
        return place

    def log(self) -> list[str]:
        """The programs of the phone that were called, with their words."""
        place = self.folder / "log"
        return place.read_text(encoding="utf-8").splitlines() if place.exists() else []

    def make_root(self, yes: bool = True) -> None:
        mark = self.folder / "is_root"
        mark.touch() if yes else mark.unlink(missing_ok=True)

    # ----------------------------------------------------------------------------------- its connection

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def listen(self) -> None:
        for _ in range(200):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            # The server looks for emulators on these by itself.
            if not 5555 <= listener.getsockname()[1] <= 5585:
                break
            listener.close()
        self.port = listener.getsockname()[1]
        listener.listen()
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def connect(self, client: AdbClient) -> None:
        said = client.connect(self.serial, timeout=20)
        assert "connected to" in said, said
        client.wait_for(self.serial, state="device", timeout=20)

    def vanish(self) -> None:
        """As when the cable is pulled."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for link in self._links:
            link.close()
        self._links.clear()

    def back(self, client: AdbClient) -> None:
        self.listen()
        client.disconnect(self.serial)
        self.connect(client)

    def restart(self) -> None:
        """adbd itself ends and starts again, as behind `adb root`: the server connects again by itself."""
        for link in self._links:
            link.close()
        self._links.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            link = _Link(self, conn)
            self._links.append(link)
            threading.Thread(target=link.serve, daemon=True).start()

    # ----------------------------------------------------------------------------------------- commands

    def started(self, command: str) -> subprocess.Popen[bytes]:
        """A command in the phone's shell, in a process group of its own."""
        self.commands.append(command)
        root = str(self.folder / "root")
        inside = re.sub(rf"(?<![\w.])({'|'.join(map(re.escape, PATHS))})", rf"{root}\1", command)
        return subprocess.Popen(
            ["/bin/sh", "-c", inside],
            env={"PATH": f"{self.folder}/bin:/usr/bin:/bin", "PHONE": str(self.folder), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


class _GoneError(Exception):
    pass


class _Link:
    """One connection of the adb server."""

    def __init__(self, phone: FakePhone, conn: socket.socket) -> None:
        self.phone = phone
        self.conn = conn
        self.lock = threading.Lock()
        self.streams: dict[int, _Stream] = {}
        self.last = 0

    def send(self, command: int, a: int, b: int, data: bytes = b"") -> None:
        head = struct.pack("<6I", command, a, b, len(data), sum(data) & 0xFFFFFFFF, command ^ 0xFFFFFFFF)
        with self.lock:
            try:
                self.conn.sendall(head + data)
            except OSError as error:
                raise _GoneError from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.conn.shutdown(socket.SHUT_RDWR)
        self.conn.close()
        for stream in list(self.streams.values()):
            stream.hang_up()

    def serve(self) -> None:
        try:
            while True:
                command, a, b, size, _, _ = struct.unpack("<6I", self._read(24))
                self._take(command, a, b, self._read(size))
        except (_GoneError, OSError):
            self.close()

    def _read(self, size: int) -> bytes:
        octets = b""
        while len(octets) < size:
            piece = self.conn.recv(size - len(octets))
            if not piece:
                raise _GoneError
            octets += piece
        return octets

    def _take(self, command: int, a: int, b: int, data: bytes) -> None:
        if command == CNXN:
            names = "ro.product.name=fake;ro.product.model=Fake 4;ro.product.device=fake"
            banner = f"device::{names};features={self.phone.features}"
            self.send(CNXN, 0x01000001, _MOST, banner.encode())
        elif command == OPEN:
            self.last += 1
            stream = _Stream(self, self.last, a, data.rstrip(b"\0").decode())
            self.streams[self.last] = stream
            self.send(OKAY, stream.own, a)
            threading.Thread(target=stream.serve, daemon=True).start()
        elif stream := self.streams.get(b):
            if command == WRTE:
                stream.feed(data)
                self.send(OKAY, b, a)
            elif command == OKAY:
                stream.taken.set()
            elif command == CLSE:
                self.streams.pop(b)
                stream.hang_up()


class _Stream:
    """One service that the server opened. Octets go out one piece at a time, each taken before the next is sent."""

    def __init__(self, link: _Link, own: int, other: int, service: str) -> None:
        self.link, self.own, self.other, self.service = link, own, other, service
        self.taken = threading.Event()
        self.taken.set()
        self.closed = threading.Event()
        self.held = b""
        self.fed = threading.Condition()
        self.process: subprocess.Popen[bytes] | None = None

    def feed(self, data: bytes) -> None:
        with self.fed:
            self.held += data
            self.fed.notify_all()

    def hang_up(self) -> None:
        self.closed.set()
        self.taken.set()
        with self.fed:
            self.fed.notify_all()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGHUP)

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _MOST // 4):
            self.taken.wait()
            if self.closed.is_set():
                raise _GoneError
            self.taken.clear()
            self.link.send(WRTE, self.own, self.other, data[start : start + _MOST // 4])

    def read(self, size: int) -> bytes:
        with self.fed:
            self.fed.wait_for(lambda: len(self.held) >= size or self.closed.is_set())
            if len(self.held) < size:
                raise _GoneError
            octets, self.held = self.held[:size], self.held[size:]
            return octets

    def serve(self) -> None:
        try:
            name, _, command = self.service.partition(":")
            if name == "sync":
                self._sync()
            elif name == "root":
                self._root()
            elif name.split(",")[0] in ("shell", "exec"):
                self._shell(command, "v2" in name.split(","))
            self.taken.wait()
            if not self.closed.is_set():
                self.link.streams.pop(self.own, None)
                self.link.send(CLSE, self.own, self.other)
        except _GoneError:
            pass

    def _root(self) -> None:
        if not self.link.phone.can_be_root:
            self.write(b"adbd cannot run as root in production builds\n")
            return
        self.link.phone.make_root()
        self.write(b"restarting adbd as root\n")
        self.taken.wait()
        threading.Timer(0.1, self.link.phone.restart).start()

    def _shell(self, command: str, v2: bool) -> None:
        phone = self.link.phone
        if phone.silent_on is not None and phone.silent_on.search(command):
            self.closed.wait()
            raise _GoneError
        self.process = process = phone.started(command)
        assert process.stdout is not None
        assert process.stderr is not None

        def out(kind: int, data: bytes) -> None:
            if v2:
                self.write(struct.pack("<BI", kind, len(data)) + data)
            elif kind != 3:
                # A terminal: both outputs in one, and CR LF.
                self.write(data.replace(b"\n", b"\r\n"))

        def copy(stream: int, kind: int) -> None:
            with contextlib.suppress(_GoneError):
                while data := os.read(stream, 16384):
                    if cut is not None:
                        data = data[: len(data) // 2]
                    out(kind, data)
                    if cut is not None:
                        self.taken.wait()
                        phone.vanish()
                        raise _GoneError

        cut = phone.vanish_on if phone.vanish_on is not None and phone.vanish_on.search(command) else None
        errors = threading.Thread(target=copy, args=(process.stderr.fileno(), 2), daemon=True)
        errors.start()
        copy(process.stdout.fileno(), 1)
        errors.join()
        code = process.wait()
        process.stdout.close()
        process.stderr.close()
        if self.closed.is_set():
            raise _GoneError
        out(3, bytes([code & 255]))

    def _sync(self) -> None:
        while True:
            name, size = struct.unpack("<4sI", self.read(8))
            if name == b"QUIT":
                return
            text = self.read(size).decode()
            if name == b"STAT":
                self.write(b"STAT" + self._stat(text))
            elif name == b"RECV":
                self._recv(text)
            elif name == b"SEND":
                self._send(text)

    def _stat(self, path: str) -> bytes:
        place = self.link.phone.file(path)
        if not place.exists():
            return struct.pack("<III", 0, 0, 0)
        found = place.stat()
        return struct.pack("<III", found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime))

    def _recv(self, path: str) -> None:
        place = self.link.phone.file(path)
        if not place.is_file():
            text = b"open failed: No such file or directory"
            self.write(b"FAIL" + struct.pack("<I", len(text)) + text)
            return
        phone = self.link.phone
        cut = phone.vanish_on is not None and phone.vanish_on.search(f"sync RECV {path}")
        with place.open("rb") as file:
            while piece := file.read(64 << 10):
                self.write(b"DATA" + struct.pack("<I", len(piece)) + (piece[: len(piece) // 2] if cut else piece))
                if cut:
                    self.taken.wait()
                    phone.vanish()
                    raise _GoneError
        self.write(b"DONE" + struct.pack("<I", 0))

    def _send(self, text: str) -> None:
        path, _, mode = text.rpartition(",")
        place = self.link.phone.file(path)
        if not place.parent.is_dir():
            said = b"couldn't create file: No such file or directory"
            self.write(b"FAIL" + struct.pack("<I", len(said)) + said)
            return
        octets = b""
        while True:
            name, size = struct.unpack("<4sI", self.read(8))
            if name == b"DONE":
                break
            octets += self.read(size)
        place.write_bytes(octets)
        place.chmod(int(mode) & 0o777)
        self.write(b"OKAY" + struct.pack("<I", 0))


class Server:
    """An adb server of one's own: its own port, its own home, nobody else's phones."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        home.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "ANDROID_ADB_SERVER_PORT": str(port),
            "HOME": str(home),
            "ADB_MDNS_OPENSCREEN": "0",
            "ADB_MDNS": "0",
            "ADB_USB": "0",
            "XDG_STATE_HOME": str(home / "state"),
        }
        self.client = AdbClient(port=port)
        self._process = subprocess.Popen(
            [adb_path(), "-P", str(port), "server", "nodaemon"],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.client.host, self.client.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def until(true: Callable[[], bool], tries: int = 600) -> None:
    """Wait for something that has to come; after a minute it is a failure."""
    for _ in range(tries):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come within a minute")


def lines_of(text: str) -> Iterator[str]:
    yield from (line for line in text.splitlines() if line.strip())


if __name__ == "__main__":  # a phone to try commands on: python -m tests.phone.device FOLDER
    shown = FakePhone(Path(sys.argv[1]))
    print(shlex.join(["adb", "connect", shown.serial]), flush=True)
    signal.pause()
