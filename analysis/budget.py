"""What reading a capture may cost, in counted work, so that no capture of a few octets costs minutes.

A unit of work is about what an octet costs that a decoding gives and that is searched (some 0.1 µs); a leaf costs
about ``LEAF`` of them, a layer ``LAYER``, a personal value ``VALUE`` on its whole way into tables and report. A message
has an allowance of its own, ``EACH`` units for every octet that the capture spends on it: what its sender wrote plainly
seldom costs more, nor does text that is packed as tightly as telemetry is. One that would need more (a body that
repeats itself, or a bomb) is first read as far as its own allowance goes, and then once more with what the whole
capture has left: ``ONCE``, and what earlier messages had and did not need (:class:`Left`). Values that go beyond the
allowance are taken from what is left without a second reading, as long as it lasts.

The result hangs on nothing but the messages and their order. What a message is read with is a function of it alone, so
workers and batches change nothing; the second reading is given out by the one process that takes the answers, in the
order of the messages, which every batch size and every look of a follower shares. It stands in the message
(``Message.allowance``), and so among all that ``read`` is given and that a follower keeps a reading under.
"""

from __future__ import annotations

from analysis.model import Message

EACH = 32
LEAF = 20
LAYER = 150
VALUE = 1_500
PACKED = 10
"""How much smaller a capture that is packed itself (an archive) may hold a message than it is: text seldom packs so
tightly. Beyond, a message has an allowance by what the archive spends on it."""
ONCE = 16 << 20
"""Units that a capture has beside the allowances of its messages: two seconds."""


def own(message: Message) -> int:
    """Units that a message may cost: those that it was given, else by its octets, head and body."""
    if message.allowance is not None:
        return message.allowance
    head = sum(len(name) + len(value) for name, value in message.headers)
    return EACH * (len(message.body) + len(message.target) + head)


def packed(message: Message, stored: int) -> int:
    """Units that a message may cost on which the capture spends ``stored`` octets."""
    return min(own(message), EACH * PACKED * stored)


def for_values(message: Message) -> int:
    """Units within which a reading hands over personal values: beside its own, before anything is granted, those of
    the whole capture, which :class:`Left` then takes or has it read again."""
    return own(message) + (ONCE if message.allowance is None else 0)


class Left:
    """What a capture has left, in the order of its messages."""

    def __init__(self) -> None:
        self.units = ONCE

    def read(self, message: Message, work: int) -> None:
        """A message was read with its own allowance for ``work`` units: what it did not need is left to those behind
        it."""
        self.units += max(own(message) - work, 0)

    def covers(self, message: Message, work: int) -> bool:
        """True when what a message needed beyond its own allowance was left, and is taken."""
        over = max(work - own(message), 0)
        if over > self.units:
            return False
        self.units -= over
        return True

    def grant(self, message: Message) -> int:
        """Units with which a message that its own allowance did not suffice for is read again; none where that is no
        more than it had."""
        return self.units if self.units > own(message) else 0

    def spend(self, work: int) -> None:
        """A second reading cost ``work`` units."""
        self.units = max(self.units - work, 0)
