"""How fast requests leave: the exchange's own rate as the client library knows it, without waiting where there is room.

The library's queue refills its allowance only while somebody waits in it, so nearly every request waits. Here the
allowance refills with time: up to one second's worth may leave at once, and what is beyond waits its turn.
"""

from collections.abc import Callable

import anyio

BURST_MS = 1_000.0


class Pace:
    """Awaited before every request with what it costs, in units of ``unit_ms``; in the order of asking.

    Invariant: what has left by any time cost at most that time and ``BURST_MS`` together.
    """

    def __init__(self, unit_ms: float, *, now_ms: Callable[[], float]) -> None:
        self._unit_ms = unit_ms
        self._now_ms = now_ms
        self._paid_until_ms = 0.0

    async def __call__(self, cost: float | None = None) -> None:
        """Wait until a request of this cost may leave."""
        now_ms = self._now_ms()
        wait_ms = max(self._paid_until_ms - now_ms - BURST_MS, 0.0)
        self._paid_until_ms = max(self._paid_until_ms, now_ms) + (1.0 if cost is None else cost) * self._unit_ms
        if wait_ms:
            await anyio.sleep(wait_ms / 1000)
