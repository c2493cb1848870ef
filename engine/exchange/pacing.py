"""Moves the simulated exchange along in time: one task sleeps until what comes next, and lets it happen.

That task is the stream while there is one, else whichever request is waiting; so everything that
is due at one instant happens in one go and in one order, and wakes those who wait in that order.
"""

import asyncio
from collections.abc import Callable

import anyio


class Waiting:
    """Somebody who waits for something that will happen on the exchange."""

    def __init__(self) -> None:
        self.has_happened = False
        self._stir: anyio.Event | None = None

    def happen(self, _at_ms: int) -> None:
        """What was waited for is here."""
        self.has_happened = True
        self.stir()

    def stir(self) -> None:
        """Let who waits look around."""
        if self._stir is not None:
            self._stir.set()

    async def stirred(self) -> None:
        """Wait until there is reason to look around."""
        self._stir = anyio.Event()
        await self._stir.wait()

    def forget(self) -> None:
        """Nobody waits any more: what was its event loop is not to be touched."""
        self._stir = None


class Pacer:
    """Keeps time for one exchange.

    ``settle(now_ms)`` lets everything happen that is due; ``next_ms()`` says when more will.
    Invariant: at most one task moves; while none does, nobody waits.
    """

    def __init__(
        self,
        *,
        now_ms: Callable[[], int],
        settle: Callable[[int], None],
        next_ms: Callable[[], int | None],
    ) -> None:
        self._now_ms = now_ms
        self._settle = settle
        self._next_ms = next_ms
        self._mover: object | None = None
        self._wake: anyio.Event | None = None
        self._wake_ms = 0
        self._waiting: dict[Waiting, None] = {}

    def look_again(self) -> None:
        """What comes next may have changed."""
        if self._wake is not None:
            self._wake.set()

    def expect(self, due_ms: int) -> None:
        """Something will happen at this time."""
        if due_ms < self._wake_ms:
            self.look_again()

    async def wait(self, waiting: Waiting) -> None:
        """Wait until it has happened; move while nobody else does."""
        self._waiting[waiting] = None
        try:
            while not waiting.has_happened:
                if self._mover is None:
                    await self.move(lambda: waiting.has_happened)
                else:
                    await waiting.stirred()
        finally:
            waiting.forget()
            self._waiting.pop(waiting, None)

    async def move(self, is_over: Callable[[], bool]) -> None:
        """Move, instead of whoever did, until it is over, or nothing more is to come, or another takes over."""
        me = object()
        self._mover = me
        self.look_again()
        try:
            while self._mover is me:
                self._settle(self._now_ms())
                due_ms = self._next_ms()
                if due_ms is None or is_over():
                    return
                self._wake, self._wake_ms = anyio.Event(), due_ms
                await _wait(self._wake, max(due_ms - self._now_ms(), 0) / 1000)
        finally:
            self._hand_over(me)

    def forget_all(self) -> None:
        """Whoever moved or waited is gone without a word, and its event loop with it."""
        for waiting in self._waiting:
            waiting.forget()
        self._waiting.clear()
        self._mover = None
        self._wake, self._wake_ms = None, 0

    def _hand_over(self, mover: object) -> None:
        """Let somebody who waits move on, unless somebody does already."""
        if self._mover is mover:
            self._mover = None
            self._wake, self._wake_ms = None, 0
            for waiting in self._waiting:
                waiting.stir()


async def _wait(event: anyio.Event, seconds_max: float) -> None:
    """Wait for an event, at most so long; a bare timer, for a cancel scope here would be a third of a replay's time."""
    timer = asyncio.get_running_loop().call_later(seconds_max, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
