"""What reading a capture may cost, in counted work, so that no capture of a few octets costs minutes.

A unit of work is about what an octet costs that a decoding gives and that is searched (some 0.1 µs); a leaf costs
about ``LEAF`` of them, a layer ``LAYER``. A message has an allowance of its own, ``EACH`` units for every octet of it:
what its sender wrote plainly never costs more, nor does text that is packed as tightly as telemetry is. One that
would
need more (a body that repeats itself, or a bomb) is first read as far as its own allowance goes, and then once more
with what the whole capture has left: ``ONCE``, and what earlier messages had and did not need (:class:`Left`).

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
ONCE = 16 << 20
"""Units that a capture has beside the allowances of its messages: two seconds."""


def own(message: Message) -> int:
    """Units that every message may cost: by its octets, head and body."""
    head = sum(len(name) + len(value) for name, value in message.headers)
    return EACH * (len(message.body) + len(message.target) + head)


class Left:
    """What a capture has left, in the order of its messages."""

    def __init__(self) -> None:
        self.units = ONCE

    def read(self, message: Message, work: int) -> None:
        """A message was read with its own allowance for ``work`` units: what it did not need is left to those behind
        it."""
        self.units += max(own(message) - work, 0)

    def grant(self, message: Message) -> int:
        """Units with which a message that its own allowance did not suffice for is read again; none where that is no
        more than it had."""
        return self.units if self.units > own(message) else 0

    def spend(self, work: int) -> None:
        """A second reading cost ``work`` units."""
        self.units = max(self.units - work, 0)
