"""Where labels may stand beside their points, so that none covers another."""

from __future__ import annotations

import math


class Board:
    """Where labels may stand: the nearest place around a point that covers nothing that stands there already."""

    _TURNS = tuple(math.radians(a) for a in (0, 180, 270, 90, 315, 225, 45, 135, 337, 203, 23, 157, 290, 250, 70, 110))
    _REACH = (11, 18, 28, 42, 60, 82, 110, 145)

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        self._taken: list[tuple[float, float, float, float]] = []

    def block(self, x: float, y: float, wide: float, high: float) -> None:
        self._taken.append((x, y, x + wide, y + high))

    def place(self, x: float, y: float, wide: float, high: float) -> tuple[float, float]:
        best: tuple[float, float, float] | None = None
        for reach in self._REACH:
            for turn in self._TURNS:
                dx, dy = math.cos(turn), math.sin(turn)
                left = x + dx * reach - (wide if dx < -0.35 else 0 if dx > 0.35 else wide / 2)
                top = y + dy * reach - (high if dy < -0.35 else 0 if dy > 0.35 else high / 2)
                left = min(max(left, 1), self._width - wide - 1)
                top = min(max(top, 1), self._height - high - 1)
                cost = self._cover(left, top, wide, high) * 6 + reach
                if best is None or cost < best[0]:
                    best = (cost, left, top)
            if best is not None and best[0] <= reach:
                break
        assert best is not None
        self.block(best[1] - 2, best[2] - 1, wide + 4, high + 2)
        return best[1], best[2]

    def _cover(self, left: float, top: float, wide: float, high: float) -> float:
        total = 0.0
        for x1, y1, x2, y2 in self._taken:
            across = min(left + wide, x2) - max(left, x1)
            down = min(top + high, y2) - max(top, y1)
            if across > 0 and down > 0:
                total += across * down / 10 + 5
        return total
