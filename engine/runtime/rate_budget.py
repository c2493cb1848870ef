"""How many requests an account may send: a sliding window, with headroom kept for cancellations.

One budget is shared by all grids of an account. What the exchange says of its limits is heeded by all of them.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil

import anyio

from engine.model.errors import RetryScope, Transient
from engine.runtime.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRate:
    """At most ``orders_max`` placements, and ``requests_max`` requests in all, in any ``window_seconds``.

    What is between the two is kept for cancellations.
    """

    orders_max: int = 45
    requests_max: int = 90
    window_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.orders_max < self.requests_max:
            raise ValueError(f"orders_max must be below requests_max, was {self.orders_max} and {self.requests_max}")
        if self.window_seconds <= 0:
            raise ValueError(f"window_seconds must be above 0, was {self.window_seconds}")

    @property
    def orders_per_minute(self) -> int:
        """Placements that fit into a minute."""
        return round(self.orders_max * 60 / self.window_seconds)


USUAL_RATE = AccountRate()
ORDERS_PER_MINUTE = USUAL_RATE.orders_per_minute


class RateBudget:
    """The requests of one account."""

    def __init__(self, clock: Clock, rate: AccountRate = USUAL_RATE) -> None:
        self._clock = clock
        self._window_ms = int(rate.window_seconds * 1000)
        self._orders = _Window(rate.orders_max)
        self._requests = _Window(rate.requests_max)

    async def spend_order(self) -> None:
        """Wait until one more placement fits, and count it."""
        await self._spend(self._orders, self._requests)

    async def spend_cancel(self) -> None:
        """Wait until one more cancellation fits, and count it."""
        await self._spend(self._requests)

    def heed(self, error: Transient) -> None:
        """Hold back what the exchange has said it will not take for a while."""
        until_ms = self._clock.now_ms() + ceil(error.retry_after_seconds * 1000)
        match error.scope:
            case RetryScope.REQUEST:
                pass
            case RetryScope.ORDERS:
                self._orders.hold_until(until_ms)
            case RetryScope.ACCOUNT:
                self._requests.hold_until(until_ms)

    async def _spend(self, *windows: "_Window") -> None:
        while True:
            now = self._clock.now_ms()
            free_at = max(window.free_at(now, self._window_ms) for window in windows)
            if free_at <= now:
                break
            await anyio.sleep((free_at - now) / 1000)
        for window in windows:
            window.times.append(now)


class _Window:
    """The times of the newest requests, at most ``limit`` of them, and until when none is taken at all."""

    def __init__(self, limit: int) -> None:
        self.times: deque[int] = deque(maxlen=limit)
        self._limit = limit
        self._held_until_ms = 0

    def hold_until(self, at_ms: int) -> None:
        """Take nothing before this time."""
        self._held_until_ms = max(self._held_until_ms, at_ms)

    def free_at(self, now_ms: int, window_ms: int) -> int:
        """When the next request fits."""
        free_ms = max(now_ms, self._held_until_ms)
        if len(self.times) < self._limit:
            return free_ms
        return max(free_ms, self.times[0] + window_ms)
