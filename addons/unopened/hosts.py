"""Which hosts are not opened at present, for which client, why and how long: the memory of refusals."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

REFUSALS, RETRY = 3, 600
"""What the options say where nobody says otherwise."""

_HOSTS = 20_000
"""Pairs of client and host that are remembered; the one that was not heard of for longest is forgotten first."""

Place = tuple[str, str, int, str]
"""Who does not get a host opened: address of the client, name of the host, its port, ``tcp`` or ``udp``."""


class Host:
    __slots__ = ("by_server", "cause", "closed_until", "opened", "refusals", "trying")

    def __init__(self) -> None:
        self.refusals = 0
        """In a row: a connection that was used sets it to nothing."""
        self.by_server = 0
        """In a row, of the server's making: an answer sets it to nothing."""
        self.cause = ""
        self.opened = False
        """This client has sent something to it that could be read."""
        self.closed_until: float | None = None
        """On the clock that nobody sets; None: it is opened."""
        self.trying: str | None = None
        """The connection that is opened again, to see whether the host still refuses."""


class Hosts:
    """Which hosts are not opened at present, for which client, why and how long.

    ``tell(state, place, host)`` is called with ``begun``, ``tried``, ``again`` and ``cleared``."""

    def __init__(self, tell: Callable[[str, Place, Host], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.refusals, self.retry = REFUSALS, RETRY
        self._tell = tell
        self._clock = clock
        self._known: OrderedDict[Place, Host] = OrderedDict()
        self._closed: set[Place] = set()
        self._failing: set[Place] = set()
        """Where the server refused last."""

    def any_closed(self) -> bool:
        return bool(self._closed)

    def any_failing(self) -> bool:
        return bool(self._failing)

    def is_closed(self, place: Place) -> bool:
        """The host is not opened at present, also where its time is over and no connection has tried it yet."""
        return place in self._closed

    def was_opened(self, place: Place) -> bool:
        host = self._known.get(place)
        return host is not None and host.opened

    def passes(self, place: Place, connection: str) -> bool:
        """True where this connection is not to be opened. Once the time is over, one connection is: it tries."""
        if place not in self._closed:
            return False
        host = self._known[place]
        assert host.closed_until is not None
        if host.trying is not None or self._clock() < host.closed_until:
            return True
        host.trying = connection
        self._tell("tried", place, host)
        return False

    def refused(self, place: Place, connection: str, cause: str, by_server: bool = False) -> None:
        """A connection came to nothing. The last of ``lintas_refusals`` in a row closes the host, and so does the
        one that tried a closed host again. The client's and the server's refusals are told apart: a client that
        sends its request shows nothing of the server."""
        host = self._get(place)
        host.cause = cause
        if by_server:
            host.by_server += 1
            self._failing.add(place)
        else:
            host.refusals += 1
        if host.closed_until is not None:
            if host.trying == connection:
                self._close("again", place, host)
        elif self.refusals and max(host.refusals, host.by_server) >= self.refusals:
            self._close("begun", place, host)

    def used(self, place: Place) -> None:
        """The client sent something that could be read: it does not refuse."""
        host = self._get(place)
        host.opened, host.refusals = True, 0
        if not host.by_server:
            self._open(place, host)

    def answered(self, place: Place) -> None:
        """The server answered: it does not refuse."""
        if place in self._failing:
            self._failing.discard(place)
            host = self._known[place]
            host.by_server = 0
            self._open(place, host)

    def undecided(self, place: Place, connection: str) -> None:
        """A connection ended without showing anything: where it tried a closed host, the next one does."""
        host = self._known.get(place)
        if host is not None and host.trying == connection:
            host.trying = None

    def _open(self, place: Place, host: Host) -> None:
        host.trying = None
        if host.closed_until is not None:
            host.closed_until = None
            self._closed.discard(place)
            self._tell("cleared", place, host)

    def _close(self, state: str, place: Place, host: Host) -> None:
        host.closed_until, host.trying = self._clock() + self.retry, None
        self._closed.add(place)
        self._tell(state, place, host)

    def _get(self, place: Place) -> Host:
        host = self._known.get(place)
        if host is None:
            host = self._known[place] = Host()
            if len(self._known) > _HOSTS:
                forgotten, _ = self._known.popitem(last=False)
                self._closed.discard(forgotten)
                self._failing.discard(forgotten)
        else:
            self._known.move_to_end(place)
        return host
