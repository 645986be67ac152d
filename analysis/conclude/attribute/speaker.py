"""A flow as attribution sees it, and what is said of who spoke in it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from analysis.conclude.clocks import FIRST_APP, Clocks

End = tuple[str | None, int | None]

USER = 100_000
"""User ids of one user or work profile of a phone (AID_USER_OFFSET of ``android_filesystem_config.h``)."""

PER_FLOW = frozenset("capture uid_map socket socket_phone_end both_ends phone_end server_end".split())
"""Grounds that speak of one conversation. The others speak of all of a capture, of a host or of a time."""


@dataclass(slots=True)
class Flow:
    """A row of ``flows``, times in microseconds. ``near`` is the phone's end of the leg that was seen."""

    number: int
    source: int
    same_as: int | None
    transport: str
    near: End
    far: End
    host: str | None
    first: int | None
    last: int | None
    upstream: int | None
    """When a proxy began its own leg to the server."""
    phase: str | None
    destination: int | None
    uid: int | None
    app: str | None
    """As the source says; None where an earlier run of ``conclude`` said it."""
    ahead: tuple[int, int] = (0, 0)
    """The least and the most microseconds by which its times may be ahead of the laptop's clock."""

    @property
    def begun(self) -> tuple[int, int] | None:
        """The earliest and the latest moment of the laptop's clock at which it may have begun."""
        return None if self.first is None else (self.first - self.ahead[1], self.first - self.ahead[0])

    @property
    def ended(self) -> tuple[int, int] | None:
        """The same of its end."""
        return None if self.last is None else (self.last - self.ahead[1], self.last - self.ahead[0])


@dataclass(frozen=True, slots=True)
class Said:
    """Who spoke. ``by``: what that rests on, a word of ``flows.app_by``."""

    app: str | None
    by: str
    packages: frozenset[str] = frozenset()
    """Several apps that share one user id: which of them spoke is not known."""
    system: bool = False
    """No app, but the phone's system."""
    stranger: bool = False
    """An app without a name, whose user id is not that of the app under test."""

    @property
    def who(self) -> tuple[object, ...]:
        """Equal where the same is said, whatever it rests on."""
        return (self.app, self.packages, self.system, self.stranger)


def is_system_uid(uid: int) -> bool:
    """True for a user id that Android gives to no app."""
    return uid >= 0 and uid % USER < FIRST_APP


def app_number(uid: int) -> int | None:
    """The number that an app has for every user of the phone, its SDK sandbox having one 10,000 above
    (AID_SDK_SANDBOX_PROCESS_START); None for a user id that is no single app's."""
    number = uid % USER
    if 2 * FIRST_APP <= number < 3 * FIRST_APP:
        number -= FIRST_APP
    return number if uid >= 0 and FIRST_APP <= number < 2 * FIRST_APP else None


def gather(flows: pa.Table, clocks: Clocks) -> list[Flow]:
    """The rows, with what an earlier run concluded taken back."""
    ahead = {source: clocks.from_laptop(source) for source in set(flows["source"].to_pylist())}
    names = "flow source same_as transport src sport dst dport host host_from phase destination uid app app_by".split()
    columns = [flows[c].to_pylist() for c in names]
    times = [flows[c].cast(pa.int64()).to_pylist() for c in ("first", "last", "handshake_at")]
    made = []
    for row in zip(*columns, *times, strict=True):
        number, source, same_as, transport, src, sport, dst, dport, host, host_from = row[:10]
        phase, destination, uid, app, app_by, first, last, upstream = row[10:]
        made.append(
            Flow(
                number,
                source,
                same_as,
                transport or "",
                (src, sport),
                (dst, dport),
                host if host_from != "address" else None,
                first,
                last if last is not None else first,
                upstream,
                phase,
                destination,
                uid if uid is not None and uid >= 0 else None,
                app if app_by in (None, "capture") else None,
                ahead[source],
            )
        )
    return made
