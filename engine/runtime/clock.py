"""The engine's clock: real time, or virtual time in which the simulated market runs.

On a ``VirtualClock`` the whole engine runs in market time: every ``anyio.sleep`` and
timeout is virtual, and time moves only when nothing is left to do, straight to the
next timer. Within one instant everything happens completely; so one seed gives one
journal, whatever the machine does. ``speed`` paces the jumps against wall time.

Work that takes real time (a disk commit) is wrapped in ``hold()``, during which
virtual time stands still.
"""

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from heapq import heappush
from typing import Any, Protocol, TypeVar, TypeVarTuple

import anyio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_DIGITS = 6
"""Timers within one microsecond ring at one instant: sums of floats are not exact."""
_CATCH_UP_SECONDS_MAX = 1.0
"""How far a paced market may lag behind the wall before it gives up catching up."""


class Clock(Protocol):
    """Time as the engine sees it."""

    def now_ms(self) -> int:
        """UTC milliseconds."""

    @property
    def speed(self) -> float | None:
        """Market seconds per wall second, 0 as fast as possible, None where time is real."""


class RealClock:
    """Wall time."""

    @property
    def speed(self) -> float | None:
        return None

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.new_event_loop()


class VirtualClock:
    """Market time of one simulated engine; drives the event loop made by ``new_loop``.

    Invariant: ``_seconds`` only rises, and never while a hold is open.
    """

    def __init__(self, *, start_ms: int, speed: float = 0.0) -> None:
        self._start_ms = start_ms
        self._seconds = 0.0
        self._holds = 0
        self._speed = speed
        self._anchor_wall = time.perf_counter()
        self._anchor_seconds = 0.0

    def now_ms(self) -> int:
        return self._start_ms + round(self._seconds * 1000)

    def start_at(self, start_ms: int) -> None:
        """Set the market time at which the loop begins; before it runs."""
        self._start_ms = start_ms

    @property
    def seconds(self) -> float:
        """Virtual seconds since the start; the loop's own time."""
        return self._seconds

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        if speed < 0:
            raise ValueError(f"speed must be at least 0, was {speed}")
        self._speed = speed
        self._anchor()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep virtual time still while real work is under way."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    @property
    def is_held(self) -> bool:
        return self._holds > 0

    def wall_seconds_until(self, seconds: float) -> float:
        """How long the wall has to wait before virtual ``seconds`` may come."""
        if self._speed == 0:
            return 0.0
        wait = self._anchor_wall + (seconds - self._anchor_seconds) / self._speed - time.perf_counter()
        if wait < -_CATCH_UP_SECONDS_MAX:
            self._anchor()
        return max(wait, 0.0)

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds`` of virtual time, and not less; what a sum of floats leaves over is rounded off."""
        target = self._seconds + seconds
        self._seconds = max(round(target, _DIGITS), target)

    def follow_wall(self, seconds_max: float) -> None:
        """Move on to where the wall is, by at most ``seconds_max``: something came from outside meanwhile."""
        if self._speed > 0:
            paced = self._anchor_seconds + (time.perf_counter() - self._anchor_wall) * self._speed
            self._seconds += min(max(paced - self._seconds, 0.0), seconds_max)

    def new_loop(self) -> asyncio.AbstractEventLoop:
        return _VirtualLoop(self)

    def _anchor(self) -> None:
        self._anchor_wall = time.perf_counter()
        self._anchor_seconds = self._seconds


class _VirtualSelector(selectors.DefaultSelector):
    """Jumps over the time that a real selector would sleep, unless real work is under way."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if timeout is None or self._clock.is_held:
            return super().select(None)
        ready = super().select(self._clock.wall_seconds_until(self._clock.seconds + timeout))
        if ready:
            self._clock.follow_wall(timeout)
        else:
            self._clock.advance(timeout)
        return ready


class _Timer(asyncio.TimerHandle):
    """A timer that rings after those of the same instant that were set before it.

    The heap of the base class leaves their order to whatever other timers there are.
    """

    place = (0.0, 0)
    _scheduled: bool

    def __lt__(self, other: asyncio.TimerHandle) -> bool:
        return self.place < other.place if isinstance(other, _Timer) else super().__lt__(other)


class _VirtualLoop(asyncio.SelectorEventLoop):
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual_clock = clock
        self._timers_set = 0
        super().__init__(_VirtualSelector(clock))
        # The base class takes the real clock's nanosecond; after half a year of virtual seconds a float
        # is coarser than that, and a timer that is due would never be seen to be.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._virtual_clock.seconds

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As the base class does it, but timers of one instant ring in the order in which they were set."""
        timer = _Timer(when, callback, args, self, context)
        self._timers_set += 1
        timer.place = (round(when, _DIGITS), self._timers_set)
        heappush(self._scheduled, timer)
        timer._scheduled = True  # noqa: SLF001 - as the base class does
        return timer


def run_on(clock: RealClock | VirtualClock, function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """``anyio.run`` on the event loop of a clock; returns what ``function(*args)`` returns."""
    return anyio.run(function, *args, backend="asyncio", backend_options={"loop_factory": clock.new_loop})
