"""Where conversations put what they found, and the ordinals of one file."""

from __future__ import annotations

from collections import Counter
from typing import Any

from analysis.model import Clue, Exchange, Key, Message
from analysis.sources import Options
from analysis.sources.rows import Names


class Counters:
    """The ordinals of one file: exchanges in the order of their requests' heads, messages in the order they end."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.exchanges = 0
        self.messages = 0

    def exchange(self) -> int:
        self.exchanges += 1
        return self.exchanges - 1

    def message(self) -> Key:
        self.messages += 1
        return Key(self.source, self.messages - 1)


class Sink:
    """What is to be handed over next."""

    def __init__(self, counters: Counters, names: Names, options: Options, layer: str) -> None:
        self.counters, self.names, self.options = counters, names, options
        self.layer = layer
        """What the places of packets count in: ``file``, or ``text`` where gzip is undone."""
        self.exchanges: list[tuple[Exchange, list[Message]]] = []
        self.messages: list[Message] = []
        self.clues: list[Clue] = []
        self.rows: list[dict[str, Any]] = []
        self.losses: Counter[tuple[str, str]] = Counter()
        self.lost: Counter[tuple[str, str]] = Counter()
        """Octets of the losses, where they are known."""

    def lose(self, kind: str, where: str, octets: int = 0) -> None:
        self.losses[(kind, where)] += 1
        self.lost[(kind, where)] += octets
