"""One alarm on the engine's clock: rings at an exact moment, without looking at the clock in between.

It promises to ring at the moment or right after it, once for each moment that is set; who is called decides
what it means. A moment that has passed rings at once.
"""

from collections.abc import Callable

import anyio

from engine.runtime.clock import Clock


class Alarm:
    """Calls ``ring`` on the loop of ``run`` when the clock has come to the moment that was set last."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._at_ms: int | None = None
        self._moved = anyio.Event()

    def set(self, at_ms: int | None) -> None:
        """Ring at this moment and at no other; None: not at all."""
        if at_ms != self._at_ms:
            self._at_ms = at_ms
            self._moved.set()

    async def run(self) -> None:
        """Ring when it is time, until cancelled."""
        while True:
            self._moved = anyio.Event()
            if self._at_ms is None:
                await self._moved.wait()
                continue
            left_ms = self._at_ms - self._clock.now_ms()
            if left_ms <= 0:
                self._at_ms = None
                self._ring()
                continue
            with anyio.move_on_after(left_ms / 1000):
                await self._moved.wait()
