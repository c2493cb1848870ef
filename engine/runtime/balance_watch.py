"""The account's balances and swap positions, as of when somebody last looked."""

from collections.abc import Callable, Mapping

import anyio

from engine.exchange.port import Balance, Exchange
from engine.model.errors import OutcomeUnknown, Rejected, Transient
from engine.model.swap import Position


class BalanceWatch:
    """Fetches the balances whenever somebody has looked; ``note`` hears why they cannot be seen.

    ``has_swaps``: the positions as well.
    """

    def __init__(self, exchange: Exchange, *, note: Callable[[str], None], has_swaps: bool) -> None:
        self.balances: dict[str, Balance] = {}
        self.positions: dict[str, Position] = {}
        self._has_swaps = has_swaps
        self._exchange = exchange
        self._note = note
        self._wanted = anyio.Event()

    def see_positions(self, positions: Mapping[str, Position]) -> None:
        """Somebody else has just been told what the account has of every swap."""
        self.positions = dict(positions)

    def look(self) -> None:
        """Somebody looks: fetch them soon."""
        self._wanted.set()

    async def run(self, is_open: Callable[[], bool]) -> None:
        """Fetch while the engine is open for it, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            if is_open():
                await self.fetch()

    async def fetch(self) -> bool:
        """Fetch the balances; without an answer the old ones stay until somebody looks again."""
        try:
            self.balances = await self._exchange.fetch_balances()
            if self._has_swaps:
                self.positions = await self._exchange.fetch_positions()
        except (Transient, Rejected, OutcomeUnknown) as error:
            self._note(f"the balances cannot be seen: {error}")
            return False
        return True
