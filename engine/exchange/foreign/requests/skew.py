"""By how much the exchange's clock differs from ours: measured and watched; the client library is given the sum.

A signed request carries our time; an exchange refuses one that is too far off. Widening its window instead
would only let late requests in.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from engine.exchange.foreign.requests.requester import Notice
from engine.model.errors import GridwrightError
from engine.model.snapshot import EventLevel

SAMPLES = 5
PERIOD_SECONDS = 600.0
RETRY_SECONDS = 15.0
REST_SECONDS = 5.0
"""Between two measurements: an exchange that goes on refusing our time must not be asked without a pause."""
TOLD_MS = 500
"""A clock that is off by more is told to the user, corrected or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """``offset_ms`` is the exchange's clock less ours; the truth lies within ``error_ms`` of it."""

    offset_ms: int
    error_ms: int


async def measure_skew(ask: Callable[[], Awaitable[int]], now_ms: Callable[[], int]) -> Skew:
    """The best of ``SAMPLES`` looks at the exchange's clock: the one that took the shortest time.

    Raises what ``ask`` raises.
    """
    best: Skew | None = None
    for _ in range(SAMPLES):
        asked_ms = now_ms()
        told_ms = await ask()
        took_ms = max(now_ms() - asked_ms, 0)
        if best is None or took_ms / 2 < best.error_ms:
            best = Skew(offset_ms=told_ms - asked_ms - took_ms // 2, error_ms=took_ms // 2 + 1)
    assert best is not None
    return best


class Rising:
    """A clock that never tells the same time twice nor goes back: some exchanges take it for the request's number."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._told_ms = 0

    def __call__(self) -> int:
        """The time, or one millisecond after the last one told."""
        self._told_ms = max(self._now_ms(), self._told_ms + 1)
        return self._told_ms


class SkewWatch:
    """Knows the exchange's clock. ``ask`` fetches its time, or is None where it tells none; ``name`` is for notices."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[int]] | None,
        *,
        now_ms: Callable[[], int],
        notice: Notice,
    ) -> None:
        self.skew: Skew | None = None
        self._name = name
        self._ask = ask
        self._now_ms = now_ms
        self._notice = notice
        self._wanted = anyio.Event()

    def look(self) -> None:
        """The exchange refused our time: measure now."""
        self._wanted.set()

    def exchange_ms(self) -> int:
        """The exchange's clock, as far as it is known."""
        return self._now_ms() + (0 if self.skew is None else self.skew.offset_ms)

    async def measure(self) -> None:
        """Measure once. Raises what asking raises."""
        if self._ask is None:
            return
        before = self.skew
        skew = self.skew = await measure_skew(self._ask, self._now_ms)
        was_right = before is None or abs(before.offset_ms) <= TOLD_MS
        if abs(skew.offset_ms) > TOLD_MS and was_right:
            self._notice(
                f"this machine's clock is {abs(skew.offset_ms)} ms {'behind' if skew.offset_ms > 0 else 'ahead of'} "
                f"{self._name}; requests are corrected, but set the clock right (for example with NTP)",
                EventLevel.WARNING,
            )

    async def run(self) -> None:
        """Measure every ten minutes and whenever the exchange refuses our time, until cancelled."""
        while True:
            with anyio.move_on_after(PERIOD_SECONDS):
                await self._wanted.wait()
            self._wanted = anyio.Event()
            try:
                await self.measure()
            except GridwrightError:
                await anyio.sleep(RETRY_SECONDS)
                self._wanted.set()
            else:
                await anyio.sleep(REST_SECONDS)
