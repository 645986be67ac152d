"""A listening socket whose ``accept`` neither fails nor goes on for want of descriptors.

asyncio and tornado call ``accept`` of the socket that they were given over and over. Where a process may open no more
files, it raises EMFILE: asyncio logs a traceback for each of up to a hundred tries and stops listening for a second,
tornado does so as often as its loop turns, and whoever waits in the queue waits for ever. This socket asks before it
hands a connection over, and turns away whom nobody has room for."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE = 0.01
"""Seconds that are waited where not even the spare descriptor could be had: else the loop would do nothing else."""

Takes = Callable[[socket.socket | None], bool]
"""Whether there is room for a connection; None: it could not even be taken from the queue."""


class Listener(socket.socket):
    """``inner``: bound already; it is this one's from now on."""

    def __init__(self, inner: socket.socket, takes: Takes) -> None:
        super().__init__(inner.family, inner.type, inner.proto, fileno=inner.detach())
        self.setblocking(False)
        self._takes = takes
        self._spare = _spare()

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection that there is room for. Raises BlockingIOError as where nobody waits: who is turned
        away gives way to what else the loop has to do."""
        try:
            taken, address = super().accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            self._takes(None)
            self._turn_away()
            raise BlockingIOError from None
        if self._takes(taken):
            return taken, address
        taken.close()
        raise BlockingIOError

    def _turn_away(self) -> None:
        """By the spare descriptor, so that nobody waits in vain and the queue does not stay full."""
        if self._spare < 0:
            time.sleep(_PAUSE)
        else:
            os.close(self._spare)
            with suppress(OSError):
                super().accept()[0].close()
        self._spare = _spare()

    def close(self) -> None:
        super().close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1


def _spare() -> int:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


class _Servers:
    """Servers of several sockets as one."""

    def __init__(self, servers: list[Any]) -> None:
        self._servers = servers

    @property
    def sockets(self) -> tuple[Any, ...]:
        return tuple(one for server in self._servers for one in server.sockets)

    def close(self) -> None:
        for server in self._servers:
            server.close()

    async def wait_closed(self) -> None:
        for server in self._servers:
            await server.wait_closed()

    def is_serving(self) -> bool:
        return all(server.is_serving() for server in self._servers)


def bound(loop: asyncio.AbstractEventLoop, takes: Takes) -> None:
    """Have what ``loop`` serves from now on (``create_server``, and so ``asyncio.start_server``) take in only whom
    ``takes`` has room for. A loop that lets nobody change that goes on as it was."""
    plain = getattr(loop.create_server, "plain", loop.create_server)

    async def create_server(
        protocol: Any, host: Any = None, port: Any = None, *, sock: socket.socket | None = None, **more: Any
    ) -> Any:
        starts = more.pop("start_serving", True)
        if sock is not None:
            inners = [sock]
        else:
            # It knows which addresses a name stands for, and what is to be set for each.
            first = await plain(protocol, host, port, start_serving=False, **more)
            inners = _again(first)
            first.close()
        kept = {name: value for name, value in more.items() if name not in _OF_BINDING}
        servers = [await plain(protocol, sock=Listener(inner, takes), start_serving=starts, **kept) for inner in inners]
        return _as_one(servers)

    # A script that is loaded anew takes the place of the one before.
    create_server.plain = plain  # type: ignore[attr-defined]
    with suppress(AttributeError):
        loop.create_server = create_server  # type: ignore[method-assign, assignment]


async def served_anew(server: asyncio.Server, handle: Callable[..., Any]) -> Any:
    """What ``server`` listens at, served by ``handle`` with what :func:`bound` has brought to the loop meanwhile. The
    sockets stay the same: there is no moment in which nobody listens."""
    servers = [await asyncio.start_server(handle, sock=inner) for inner in _again(server)]
    server.close()
    return _as_one(servers)


def _again(server: Any) -> list[socket.socket]:
    """Its sockets, to be closed apart from it."""
    return [socket.socket(s.family, s.type, s.proto, fileno=os.dup(s.fileno())) for s in server.sockets]


def _as_one(servers: list[Any]) -> Any:
    return servers[0] if len(servers) == 1 else _Servers(servers)


_OF_BINDING = ("family", "flags", "reuse_address", "reuse_port", "keep_alive")
"""What ``create_server`` needs for an address and not for a socket."""


class Few:
    """Takes in ``most`` at once for a page: the oldest gives way, but those that are kept. ``tell`` is called once."""

    def __init__(self, most: int, tell: Callable[[], None]) -> None:
        self._most, self._tell = most, tell
        self._open: list[socket.socket] = []
        self._leaving: list[socket.socket] = []
        self._kept: list[socket.socket] = []
        self._is_said = False

    def keep(self, one: socket.socket) -> None:
        """It is in use for as long as it is open; of these half as many at most."""
        self._kept = [s for s in self._kept if s.fileno() >= 0]
        if len(self._kept) < self._most // 2:
            self._kept.append(one)

    def takes(self, taken: socket.socket | None) -> bool:
        """Whether it may come in. Whose connection is shut down here closes it when it next looks."""
        self._open = [s for s in self._open if s.fileno() >= 0]
        self._leaving = [s for s in self._leaving if s.fileno() >= 0]
        if taken is not None and len(self._open) < self._most:
            self._open.append(taken)
            return True
        if not self._is_said:
            self._is_said = True
            self._tell()
        oldest = next((s for s in self._open if s not in self._kept), None)
        if taken is None or oldest is None or len(self._leaving) >= self._most // 2:
            return False
        self._open.remove(oldest)
        self._leaving.append(oldest)
        with suppress(OSError):
            oldest.shutdown(socket.SHUT_RDWR)
        self._open.append(taken)
        return True
