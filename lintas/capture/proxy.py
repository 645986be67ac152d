"""The proxy of a live capture, as a program: ``python -m lintas.capture.proxy --folder FOLDER --mode MODE ...``.

mitmproxy's core with the few of its addons that an audit needs, and ours: calling forty more for each event costs a
third of the throughput. It writes the capture folder and seals it when its standard input closes, on SIGINT, SIGTERM
and SIGHUP, so that whoever started it may end in any way.

Standard input and output carry lines of JSON. In: ``{"do": "event", "type": ..., ...}``, ``{"do": "phase", "phase":
..., "note": ...}``, ``{"do": "describe", "changes": {...}}`` (fields of the manifest, dotted), ``{"do": "proved"}``
(the loopback listener of the proof is closed), ``{"do": "end"}``. Out: ``ready`` (modes and where they listen),
``failed`` (text: why it does not start), ``status`` (counts, twice a second where they changed), ``device``,
``first`` (decrypted request of a device), ``stranger`` (turned away), ``kept_out`` (a connection that led to this
machine itself), ``trouble`` (text), ``sealed`` or ``unsealed`` (text: why). Standard error: warnings, one a line.
Exit codes: 0 ended, 2 not started.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import importlib
import ipaddress
import json
import logging
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from mitmproxy import exceptions, hooks, master, options
from mitmproxy.addons import (
    core,
    disable_h2c,
    dns_resolver,
    next_layer,
    proxyserver,
    strip_dns_https_records,
    tlsconfig,
    upstream_auth,
)

from addons.bounded.seldom import Seldom
from analysis.folder import PRIVATE
from analysis.folder.writing import Writing, writing
from analysis.model import InputError, printable
from lintas.capture.inner import Doors, Hidden

RECORDING = ("record", "opaque", "phases")
"""Our addons, modules of ``addons``, in the order in which they are called."""
_AUTHORITIES = "authorities.pem"
"""Beside the capture's own keys: all whose word on a server's certificate is taken."""
_TICK = 0.5
"""Seconds between two status lines."""
_UNSENT = 1 << 20
"""Octets that may wait for a reader before status lines are left out."""


class StartError(Exception):
    """The proxy cannot start; the message is for the auditor."""


class ErrorCheck:
    """Ends the start when a server could not be set up or an addon said that it cannot work.

    mitmproxy asks the addon of this name; its own ends the process without a word on why."""

    name = "errorcheck"

    def __init__(self, started: Callable[[], None]) -> None:
        self._started = started
        self._errors = _Errors()
        logging.getLogger().addHandler(self._errors)

    async def shutdown_if_errored(self) -> None:
        await asyncio.sleep(0)
        if self._errors.texts:
            raise StartError(self._errors.texts[0])

    def finish(self) -> None:
        logging.getLogger().removeHandler(self._errors)
        self._started()


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = str(record.exc_info[1]) or text
        self.texts.append(text)


class _Lines(logging.Handler):
    """Warnings as lines on standard error, which wait for no reader either: one that was stopped (Ctrl-Z) would stop
    the phone's traffic. What nobody took is counted, and told with the next."""

    def __init__(self, level: int, fd: int = 2) -> None:
        super().__init__(level)
        self._fd, self._dropped = fd, 0
        self.addFilter(Seldom())
        _unblock(fd)

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        text = printable(text)
        if self._dropped:
            text += f" ({self._dropped} lines before it were not taken)"
        # As long as a pipe takes whole or not at all (PIPE_BUF of POSIX is at least 512, Linux has 4096).
        line = f"{record.levelname.lower()}: {text}".encode(errors="replace")[: select.PIPE_BUF - 1] + b"\n"
        try:
            os.write(self._fd, line)
            self._dropped = 0
        except OSError:
            self._dropped += 1


def _unblock(fd: int) -> None:
    with contextlib.suppress(OSError):
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            os.set_blocking(fd, False)


class Speaker:
    """Lines of JSON on standard output, which never wait for a reader."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._unsent = b""
        _unblock(fd)

    def __call__(self, type: str, **keys: Any) -> None:  # noqa: A002 - the key's own name
        if type == "status" and len(self._unsent) > _UNSENT:
            return
        self._unsent += msgspec.json.encode({"type": type, "at": time.time_ns() // 1000, **keys}) + b"\n"
        self.flush()

    def flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._fd, self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            # Nobody reads: standard input tells when that is the end.
            self._unsent = b""

    def last(self) -> None:
        """Send what still waits, and wait for it."""
        with contextlib.suppress(OSError):
            os.set_blocking(self._fd, True)
            self.flush()


class Control:
    """The front's hand on the proxy: reads its lines, says how things stand."""

    name = "lintascontrol"

    def __init__(self, folder: Path, doors: Doors, say: Speaker) -> None:
        self._folder, self._doors, self._say = folder, doors, say
        self._tasks: list[asyncio.Task[None]] = []
        self._told: dict[str, Any] = {}
        self.writing: Writing | None = None
        self.sealed = False

    def start(self) -> None:
        """Open the folder. Raises StartError when it cannot be written."""
        try:
            self.writing = writing(self._folder)
        except InputError as error:
            raise StartError(str(error)) from error
        self.writing.on_trouble(lambda text: self._say("trouble", text=text))
        self._doors.listening = {
            (transport, int(address[1]))
            for server in _servers()
            for address in server.listen_addrs
            for transport in _transports(server.mode.transport_protocol)
        }

    def ready(self) -> None:
        """All has started: say where devices may come in, and listen to the front."""
        modes = [
            {
                "mode": server.mode.full_spec,
                "kind": server.mode.type_name,
                "addresses": [list(address[:2]) for address in server.listen_addrs],
                "proof": server.mode.full_spec == self._doors.proof,
            }
            for server in _servers()
        ]
        self._say("ready", modes=modes, folder=str(self._folder), pid=os.getpid())
        for work in (self._status, self._commands):
            self._tasks.append(asyncio.create_task(work()))

    def done(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self.writing is not None:
            self._tell_status()
            self.sealed = self.writing.release()

    async def _status(self) -> None:
        while True:
            self._tell_status()
            await asyncio.sleep(_TICK)

    def _tell_status(self) -> None:
        assert self.writing is not None
        now = dataclasses.asdict(self.writing.counts) | dataclasses.asdict(self._doors.seen)
        if now == self._told:
            self._say.flush()
            return
        self._told = now
        self._say("status", **now)

    async def _commands(self) -> None:
        """Read lines until standard input closes, which is the end. Without a pipe there, signals end it."""
        kind = os.fstat(0).st_mode
        if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
            return
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                logging.warning("a line on standard input is longer than 1 MB and was passed over")
                continue
            if not line:
                break
            try:
                value = json.loads(line)
                if not isinstance(value, dict):
                    raise TypeError("no object")
                if not self._do(value):
                    break
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                logging.warning("a line on standard input cannot be used (%s)", error)
        _master().shutdown()

    def _do(self, value: dict[str, Any]) -> bool:
        """Follow one line; False where it is the last."""
        assert self.writing is not None
        match value.pop("do", None):
            case "event":
                self.writing.event(value.pop("type"), value.pop("at", None), **value)
            case "phase":
                self.writing.event("phase", phase=str(value["phase"]), note=value.get("note"))
            case "describe":
                self.writing.describe(**value["changes"])
            case "proved":
                spec, self._doors.proof = self._doors.proof, None
                _master().options.update(mode=[m for m in _master().options.mode if m != spec])
            case "end":
                return False
            case other:
                raise ValueError(f"nothing is known to do for {other!r}")
        return True


def _master() -> Any:
    """Untyped in mitmproxy itself."""
    from mitmproxy import ctx

    return ctx.master


def _servers() -> list[Any]:
    found = _master().addons.get("proxyserver")
    return list(found.servers)


def _transports(protocol: str) -> tuple[str, ...]:
    return ("tcp", "udp") if protocol == "both" else (protocol,)


class Master(master.Master):
    """mitmproxy's master with the addons of a capture; says when all has started."""

    def __init__(self, opts: options.Options, folder: Path, doors: Doors, say: Speaker) -> None:
        super().__init__(opts, with_termlog=False)
        self.control = Control(folder, doors, say)
        self.recording = [addon for name in RECORDING for addon in importlib.import_module(f"addons.{name}").addons]
        add: Any = self.addons.add
        add(
            doors,
            core.Core(),
            strip_dns_https_records.StripDnsHttpsRecords(),
            disable_h2c.DisableH2C(),
            proxyserver.Proxyserver(),  # type: ignore[no-untyped-call]
            # Where mitmproxy puts a user's scripts: before what decides on the next layer.
            Hidden(doors),
            *self.recording,
            dns_resolver.DnsResolver(),
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
            upstream_auth.UpstreamAuth(),
            self.control,
            ErrorCheck(self.control.ready),
        )

    async def running(self) -> None:
        # Not as a hook: what an addon raises in one is logged, and the start would go on.
        self.control.start()
        await super().running()


async def _run(words: argparse.Namespace, say: Speaker) -> None:
    doors = Doors(say, tuple(words.allow), words.certificate_at)
    modes = list(words.mode)
    if words.proof:
        doors.proof = "regular@127.0.0.1:0"
        modes.append(doors.proof)
    opts: Any = options.Options()
    proxy = Master(opts, words.folder, doors, say)
    confdir = words.confdir or words.folder / PRIVATE
    try:
        opts.update(mode=modes, confdir=str(confdir), lintas_folder=str(words.folder))
        opts.set(*words.set)
        _trust_more(opts, confdir)
        # As for a user's scripts: all options are new to them, also those that keep their default.
        for addon in proxy.recording:
            proxy.addons.invoke_addon_sync(addon, hooks.ConfigureHook(set(opts.keys())))
    except (exceptions.OptionsError, OSError, ValueError) as error:
        raise StartError(str(error)) from error
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, proxy.shutdown)
    await proxy.run()
    assert proxy.control.writing is not None
    counts = proxy.control.writing.counts
    if proxy.control.sealed:
        say("sealed", folder=str(words.folder), **dataclasses.asdict(counts))
    else:
        say("unsealed", text=counts.trouble or "its manifest could not be written")


def _trust_more(opts: Any, confdir: Path) -> None:
    """An authority that the auditor names is trusted beside the public ones; mitmproxy would trust it in their stead,
    and no other server's certificate would hold. Raises StartError."""
    named = opts.ssl_verify_upstream_trusted_ca
    if not named:
        return
    try:
        more = Path(named).expanduser().read_bytes()
        x509.load_pem_x509_certificates(more)
        place = confdir / _AUTHORITIES
        place.write_bytes(
            Path(importlib.import_module("mitmproxy.net.tls").certifi.where()).read_bytes() + b"\n" + more
        )
    except OSError as error:
        raise StartError(f"ssl_verify_upstream_trusted_ca: {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"ssl_verify_upstream_trusted_ca: {named} holds no certificate (PEM)") from error
    opts.update(ssl_verify_upstream_trusted_ca=str(place))


def _words(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lintas.capture.proxy", description="The proxy of a live capture.")
    parser.add_argument("--folder", type=_absolute, required=True, help="capture folder to write: new or empty")
    parser.add_argument("--mode", action="append", required=True, help="a mode of mitmproxy, as MODE@ADDRESS:PORT")
    parser.add_argument("--confdir", type=_absolute, help=f"certificate authority and tunnel keys (<folder>/{PRIVATE})")
    parser.add_argument(
        "--allow", action="append", default=[], type=ipaddress.ip_network, help="network let in beside private ones"
    )
    parser.add_argument("--certificate-at", type=_place, help="ADDRESS:PORT that http://mitm.it leads to")
    parser.add_argument("--proof", action="store_true", help="listen on loopback too until the front says proved")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an option of an addon")
    return parser.parse_args(arguments)


def _absolute(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until the end that the head of this module names; the exit code."""
    words = _words(sys.argv[1:] if arguments is None else arguments)
    # What is written here is nobody else's: mitmproxy lets everybody read the keys of its tunnel.
    os.umask(0o077)
    logging.getLogger().addHandler(_Lines(logging.WARNING))
    say = Speaker(sys.stdout.fileno())
    # Not asyncio.run: at its end it would wait for names that the resolver still looks for.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_run(words, say))
    except StartError as error:
        say("failed", text=" ".join(str(error).split()))
        say.last()
        return 2
    say.last()
    return 0


if __name__ == "__main__":
    # All is sealed. Threads that look for a name would hold the end up for half a minute.
    os._exit(main())
