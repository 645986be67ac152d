"""The proxy's own bound: as many connections as the process has descriptors for, some of them kept for its files.

Of what a device keeps open and says nothing on, what was silent longest is closed first; only where nothing is idle is
a connection turned away, or a server not asked. Both are counted in the folder, and told once."""

from __future__ import annotations

import asyncio
import heapq
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from mitmproxy import connection, ctx

from addons.bounded.listener import bound, served_anew
from addons.bounded.seldom import quieten
from addons.shared import close, logger_of, opened
from analysis.folder.descriptors import lowest_free, raise_limit
from analysis.folder.writing import Writing

if TYPE_CHECKING:
    from mitmproxy.addonmanager import Loader
    from mitmproxy.proxy.layer import NextLayer
    from mitmproxy.proxy.server_hooks import ServerConnectionHookData

logger = logger_of(__name__)

NO_ROOM = "too many connections are open"
"""Why a server was not asked, as its connection says."""
closed: WeakSet[connection.Client] = WeakSet()
"""Connections of clients that were closed to make room."""

_FILES = 24
"""Descriptors that are kept for the folder's files, for looking names up and for programs that are started."""
_SHARE, _MARGIN = 8, 256
"""The part of all descriptors that stays for connections to servers once nobody more is let in, and as many at most;
and the same below that, where idle connections begin to be closed."""
_UNUSED, _ASLEEP = 2.0, 30.0
"""Seconds without an octet from which on a connection is idle where nothing is asked on it, and where something is."""
_WAITS, _TURN = 20, 0.05
"""How often, and after how many seconds each, it is looked whether closing made room for a connection to a server."""
_FIRST, _NEXT = 1.0, 30.0
"""Seconds after which the first line of a crowd is written, and seconds between two."""


class Bounds:
    """``has_open``: whether a client's connection, by its id, has begun something that has not ended."""

    name = "lintasbounds"

    def __init__(self, has_open: Callable[[str], bool]) -> None:
        self._has_open = has_open
        self._out: Writing | None = None
        self._spoke: set[str] = set()
        """Clients' connections on which something was said."""
        self._leaving: set[str] = set()
        self._connecting: dict[str, str] = {}
        """Servers that are being asked, and the client's connection for which."""
        self._tasks: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._written = 0.0
        self._since = 0
        self._turned_away = self._closed = 0
        self._is_late = False
        """What listens was there first: mitmproxy loads scripts when it already does."""
        self._set(raise_limit())

    def _set(self, limit: int) -> None:
        self._limit = limit
        margin = min(limit // _SHARE, _MARGIN)
        self._to_servers = limit - _FILES
        self._let_in = self._to_servers - margin
        self._roomy = self._let_in - margin

    # ------------------------------------------------------------------------------------------- begin and end

    def load(self, loader: Loader) -> None:
        quieten()
        with suppress(RuntimeError):
            bound(asyncio.get_running_loop(), self.takes)
            self._is_late = bool(_servers())

    def running(self) -> None:
        if self._out is None:
            self._out = opened(logger)
            if self._out is not None and self._is_late:
                self._do(_bound_servers())

    def done(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._out is not None:
            self._write()
            out, self._out = self._out, None
            close(out, logger)

    # ------------------------------------------------------------------------------------------- who comes in

    def takes(self, taken: socket.socket | None) -> bool:
        """Whether there is room for a client's connection."""
        number = self._limit if taken is None else taken.fileno()
        if number >= self._roomy:
            self._make_room(number - self._roomy + 1)
        if number < self._let_in:
            return True
        self._count(turned_away=1)
        return False

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Whether there is room for a connection to a server, if need be after some time."""
        if data.server.error is not None:
            return
        for turn in range(_WAITS + 1):
            wanted = lowest_free(self._limit) + len(self._connecting) + 1 - self._to_servers
            if wanted <= 0:
                self._connecting[data.server.id] = data.client.id
                return
            self._make_room(wanted)
            if turn < _WAITS:
                await asyncio.sleep(_TURN)
        data.server.error = NO_ROOM
        self._count(turned_away=1)

    def server_connected(self, data: ServerConnectionHookData) -> None:
        self._connecting.pop(data.server.id, None)

    server_connect_error = server_connected

    def next_layer(self, nextlayer: NextLayer) -> None:
        client = nextlayer.context.client
        if client.id not in self._spoke and nextlayer.data_client():  # type: ignore[no-untyped-call]
            self._spoke.add(client.id)

    def client_disconnected(self, client: connection.Client) -> None:
        self._spoke.discard(client.id)
        self._leaving.discard(client.id)
        # Where it went while the server was not even asked yet, nothing tells of that server.
        for server in [s for s, of in self._connecting.items() if of == client.id]:
            del self._connecting[server]

    # ------------------------------------------------------------------------------------------- who goes

    def _make_room(self, wanted: int) -> None:
        """Close that many idle connections, and some more, so that the next need not look again."""
        if len(self._leaving) >= wanted:
            return
        count = wanted - len(self._leaving) + max((self._let_in - self._roomy) // 4, 1)
        for _, _, _, handler in heapq.nsmallest(count, self._idle()):
            self._close(handler)

    def _idle(self) -> Iterator[tuple[int, float, str, Any]]:
        """Connections that may be closed, by how little is lost with them: those on which nothing was ever said, those
        on which nothing is asked, those that have been silent for long; in each the one that was silent longest."""
        now = time.time()
        for number, handler in list(_connections().items()):
            own = handler.transports.get(handler.client)
            if own is None or own.handler is None or handler.client.id in self._leaving or not _holds(handler):
                continue
            last = handler.timeout_watchdog.last_activity
            rank, least = 0, 0.0
            if handler.client.id in self._spoke:
                rank, least = (2, _ASLEEP) if self._has_open(handler.client.id) else (1, _UNUSED)
            if now - last >= least:
                yield rank, last, str(number), handler

    def _close(self, handler: Any) -> None:
        """As mitmproxy does with a connection that was silent for too long. What still waits to be sent to a client
        that takes nothing would hold the descriptor."""
        client = handler.client
        self._leaving.add(client.id)
        closed.add(client)
        transport = getattr(handler.transports[client].writer, "transport", None)
        self._do(handler.on_timeout())
        if transport is not None:
            transport.abort()
        self._count(closed=1)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------------------------------------- what is told

    def _count(self, turned_away: int = 0, closed: int = 0) -> None:
        self._since = self._since or time.time_ns() // 1000
        self._turned_away += turned_away
        self._closed += closed
        if self._timer is None and self._out is not None:
            pause = max(_FIRST, self._written + _NEXT - time.monotonic()) if self._written else _FIRST
            self._timer = asyncio.get_running_loop().call_later(pause, self._write)

    def _write(self) -> None:
        self._timer = None
        if self._out is None or not self._since:
            return
        self._out.crowded(self._since, self._limit, self._turned_away, self._closed)
        self._written = time.monotonic()
        self._since = self._turned_away = self._closed = 0


def _servers() -> list[Any]:
    proxy = ctx.master.addons.get("proxyserver")  # type: ignore[no-untyped-call]
    return list(proxy.servers) if proxy is not None else []


async def _bound_servers() -> None:
    """Have what listens for TCP already do so with a bound; where mitmproxy keeps it elsewhere than this version does,
    it goes on without."""
    for server in _servers():
        listening = getattr(server, "_servers", [])
        for place, one in enumerate(listening):
            if isinstance(one, asyncio.Server):
                listening[place] = await served_anew(one, server.handle_stream)


def _connections() -> dict[Any, Any]:
    proxy = ctx.master.addons.get("proxyserver")  # type: ignore[no-untyped-call]
    return proxy.connections if proxy is not None else {}


def _holds(handler: Any) -> bool:
    """Does closing it free a descriptor? A client's connection inside of a tunnel has none of its own."""
    if len(handler.transports) > 1:
        return True
    return getattr(handler.transports[handler.client].writer, "transport", None) is not None
