"""How many requests an account may send: a sliding window, with headroom kept for cancellations."""

from collections import deque

import anyio

from engine.runtime.clock import Clock

ORDERS_MAX, WINDOW_SECONDS = 45, 10.0
ORDERS_PER_MINUTE = round(ORDERS_MAX * 60 / WINDOW_SECONDS)


class RateBudget:
    """At most ``orders_max`` placements, and ``requests_max`` requests in all, in any ``window_seconds``."""

    def __init__(
        self,
        clock: Clock,
        *,
        orders_max: int = ORDERS_MAX,
        requests_max: int = 90,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        if not 0 < orders_max < requests_max:
            raise ValueError(f"orders_max must be below requests_max, was {orders_max} and {requests_max}")
        self._clock = clock
        self._window_ms = int(window_seconds * 1000)
        self._orders = _Window(orders_max)
        self._requests = _Window(requests_max)

    async def spend_order(self) -> None:
        """Wait until one more placement fits, and count it."""
        await self._spend(self._orders, self._requests)

    async def spend_cancel(self) -> None:
        """Wait until one more cancellation fits, and count it."""
        await self._spend(self._requests)

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
    """The times of the newest requests, at most ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self.times: deque[int] = deque(maxlen=limit)
        self._limit = limit

    def free_at(self, now_ms: int, window_ms: int) -> int:
        """When the next request fits."""
        if len(self.times) < self._limit:
            return now_ms
        return max(now_ms, self.times[0] + window_ms)
