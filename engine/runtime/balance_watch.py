"""The account's balances, as of when somebody last looked."""

from collections.abc import Callable

import anyio

from engine.exchange.port import Balance, Exchange
from engine.model.errors import OutcomeUnknown, Rejected, Transient


class BalanceWatch:
    """Fetches the balances whenever somebody has looked; ``note`` hears why they cannot be seen."""

    def __init__(self, exchange: Exchange, *, note: Callable[[str], None]) -> None:
        self.balances: dict[str, Balance] = {}
        self._exchange = exchange
        self._note = note
        self._wanted = anyio.Event()

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
        except (Transient, Rejected, OutcomeUnknown) as error:
            self._note(f"the balances cannot be seen: {error}")
            return False
        return True
