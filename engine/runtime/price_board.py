"""The newest price of every market, and the wait for the first one."""

from decimal import Decimal

import anyio


class PriceBoard:
    """Prices in quote per base with the time of their trade, by symbol."""

    def __init__(self) -> None:
        self._prices: dict[str, tuple[Decimal, int]] = {}
        self._came = anyio.Event()

    def note(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """A market traded."""
        is_first = symbol not in self._prices
        self._prices[symbol] = (price, at_ms)
        if is_first:
            self._came.set()
            self._came = anyio.Event()

    def newest(self, symbol: str) -> tuple[Decimal, int] | None:
        """The newest price and its time; None before the first."""
        return self._prices.get(symbol)

    async def wait_first(self, symbol: str) -> None:
        """Wait until a price has come."""
        while symbol not in self._prices:
            await self._came.wait()
