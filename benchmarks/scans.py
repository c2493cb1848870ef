"""Yardsticks for a replay: the least work that finds the same fills, with arrays and with plain objects."""

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.paths import Path4

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]


class _Slot:
    """A slot that knows its levels and whether it holds a lot."""

    __slots__ = ("cycles", "is_holding", "lower", "upper")

    def __init__(self, lower: int, upper: int) -> None:
        self.lower = lower
        self.upper = upper
        self.is_holding = False
        self.cycles = 0


def crossings_by_numpy(path: Path4, levels: "Integers") -> int:
    """How many levels the path crosses, up or down: one sorted search and one difference."""
    import numpy as np

    places = np.searchsorted(levels, path.points, side="right")
    return int(np.abs(np.diff(places)).sum())


def fills_by_loop(points: "Integers", levels: "Integers") -> int:
    """How many fills a ladder of objects has, price by price; neither money nor orders nor a journal."""
    edges: list[int] = levels.tolist()
    slots = [_Slot(lower, upper) for lower, upper in pairwise(edges)]
    prices: list[int] = points.tolist()
    count = len(slots)
    below = min(bisect_right(edges, prices[0]), count) - 1
    for slot in slots[max(below, 0) :]:
        slot.is_holding = True
    fills = 0
    for price in prices:
        while 0 <= below < count and price < slots[below].lower:
            fills += not slots[below].is_holding
            slots[below].is_holding = True
            below -= 1
        while below < count - 1 and price > slots[below + 1].upper:
            below += 1
            fills += slots[below].is_holding
            slots[below].is_holding = False
            slots[below].cycles += 1
    return fills
