"""How many requests an exchange allows in a window of time."""

from collections import deque
from dataclasses import dataclass

from engine.model.errors import RetryScope, Transient


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """At most ``requests_max`` within any ``window_ms``."""

    requests_max: int
    window_ms: int

    def __post_init__(self) -> None:
        if self.requests_max < 1 or self.window_ms < 1:
            raise ValueError(f"a limit needs at least 1 request and 1 ms, was {self.requests_max} and {self.window_ms}")


class SlidingWindow:
    """Counts requests against a limit; ``scope`` is what has to wait where it is used up.

    Invariant: it remembers at most ``requests_max`` times.
    """

    def __init__(self, name: str, limit: RateLimit, *, scope: RetryScope = RetryScope.REQUEST) -> None:
        self._name = name
        self._scope = scope
        self._limit = limit
        self._times: deque[int] = deque()

    def admit(self, at_ms: int) -> None:
        """Count a request.

        Raises:
            Transient: one too many, with the wait after which there is room; it is not counted.
        """
        times, limit = self._times, self._limit
        while times and times[0] <= at_ms - limit.window_ms:
            times.popleft()
        if len(times) >= limit.requests_max:
            raise Transient(
                f"too many {self._name}: at most {limit.requests_max} in {limit.window_ms / 1000:g} s",
                retry_after_seconds=(times[0] + limit.window_ms - at_ms) / 1000,
                scope=self._scope,
            )
        times.append(at_ms)
