"""The exchange's dead man's switch: it cancels all orders of the account unless it is told again in time.

It cancels the orders that the user placed by hand as well; so it is off unless the user asks for it.
"""

from collections.abc import Callable

import anyio

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.proof.errors import RequestKind
from engine.exchange.foreign.requests.requester import Requester
from engine.model.errors import GridwrightError

_PER_PERIOD = 4
"""So often it is told again within one period."""


class DeadManSwitch:
    """One per account. ``warn`` hears when it could not be told."""

    def __init__(
        self, client: ForeignClient, requester: Requester, *, seconds: float, warn: Callable[[str], None]
    ) -> None:
        self._client = client
        self._requester = requester
        self._seconds = seconds
        self._warn = warn
        self._may_be_armed = False

    async def run(self) -> None:
        """Keep the exchange from cancelling, until cancelled."""
        is_told = True
        while True:
            try:
                self._may_be_armed = True
                await self._tell(self._seconds)
                if not is_told:
                    self._warn("the dead man's switch is told again; look which orders are still there")
                is_told = True
            except GridwrightError as error:
                if is_told:
                    self._warn(f"the dead man's switch cannot be told: {error}; orders go in {self._seconds:g} s")
                is_told = False
            await anyio.sleep(self._seconds / _PER_PERIOD)

    async def disarm(self) -> None:
        """Leave the orders where they are, whatever happens. Raises what asking raises."""
        if self._may_be_armed:
            await self._tell(0)
            self._may_be_armed = False

    async def _tell(self, seconds: float) -> None:
        await self._requester.send(
            "dead man's switch", lambda: self._client.cancel_all_orders_after(int(seconds * 1000)), RequestKind.READ
        )
