"""How often and how long: the median of a few runs, because machines are shared."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

RUNS = 3


def seconds_of(function: Callable[[], object]) -> float:
    """How long one call takes."""
    start = perf_counter()
    function()
    return perf_counter() - start


def rate_of(function: Callable[[], object], count: int, *, runs: int = RUNS) -> float:
    """``count`` things a call does, a second; the median of some calls."""
    return count / median(seconds_of(function) for _ in range(runs))
