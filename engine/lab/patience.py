"""How long a download waits for an exchange that does not answer or wants silence; then it gives up."""

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from engine.model.errors import GridwrightError, Transient

T = TypeVar("T")

WAIT_SECONDS_MAX = 900.0
"""A longer silence, such as a ban of hours, is not waited out."""
TRIES_MAX = 8
_BACK_OFF_SECONDS_MAX = 60.0
_TOLD_SECONDS = 2.0


class GivenUp(GridwrightError):
    """The exchange does not answer, or wants silence for too long; the message says which."""


class Patience:
    """Asks again. ``tell`` hears of waits that a person would notice, ``back_off_seconds`` is the first of them."""

    def __init__(
        self,
        tell: Callable[[str], None],
        *,
        wait_seconds_max: float = WAIT_SECONDS_MAX,
        back_off_seconds: float = 1.0,
    ) -> None:
        self._tell = tell
        self._wait_seconds_max = wait_seconds_max
        self._back_off_seconds = back_off_seconds

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question that changes nothing.

        Raises:
            GivenUp: none came after some tries, or it would take too long.
            GridwrightError: what asking raises, but for ``Transient``.
        """
        for tried in range(TRIES_MAX):
            try:
                return await question()
            except Transient as error:
                if tried + 1 == TRIES_MAX:
                    raise GivenUp(f"{error} (asked {TRIES_MAX} times)") from error
                await self._wait(error, tried)
        raise AssertionError("the last try answers or gives up")

    async def _wait(self, error: Transient, tried: int) -> None:
        back_off = min(self._back_off_seconds * 2**tried, _BACK_OFF_SECONDS_MAX)
        seconds = max(error.retry_after_seconds, back_off)
        if seconds > self._wait_seconds_max:
            raise GivenUp(f"{error}; a silence of {math.ceil(seconds / 60)} minutes is not waited out") from error
        if seconds >= _TOLD_SECONDS:
            self._tell(f"{error}; asking again in {seconds:.0f} s")
        await anyio.sleep(seconds)
