"""A paper exchange on a virtual clock of its own, with a feed driven by hand and a diary at its stream."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path

import anyio

from engine.exchange.matching import MatchingOptions
from engine.exchange.paper import PaperExchange, PaperOptions, open_paper
from engine.model.market import Market
from engine.model.money import text_from_decimal
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.paper_feed import HandFeed
from tests.exchange.simulated_builders import BALANCES, MARKET, Diary

START_MS = 1_700_006_400_000
"""A whole minute, at which funding was due."""


class PaperBench:
    """One market and one account over several lives; what the diary says is of the life that is."""

    def __init__(
        self,
        *markets: Market,
        folder: Path | None = None,
        matching: MatchingOptions | None = None,
        balances: Mapping[str, Decimal] = BALANCES,
        first: str | None = "100",
    ) -> None:
        self.markets = markets or (MARKET,)
        self.symbol = self.markets[0].symbol
        self.clock = VirtualClock(start_ms=START_MS)
        self.feed = HandFeed(*self.markets, now_ms=self.clock.now_ms)
        self.diary = Diary()
        self._options = PaperOptions(
            feed=self.feed,
            symbols=[market.symbol for market in self.markets],
            balances=balances,
            now_ms=self.clock.now_ms,
            folder=folder,
            matching=matching or MatchingOptions(),
        )
        self.exchange = open_paper(self._options)
        if first is not None:
            for market in self.markets:
                self.feed.trade(market.symbol, first)

    def live(self, script: Callable[[PaperExchange], Awaitable[None]]) -> None:
        """One life: run beside a script, then close in order."""
        self._live(script, self.exchange.close)

    def live_until_killed(self, script: Callable[[PaperExchange], Awaitable[None]]) -> None:
        """One life that ends without a word: the books hold what they held."""

        async def die() -> None:
            self.exchange._books.close()

        self._live(script, die)

    def be_born_again(self) -> None:
        """The next life, not yet running."""
        self.exchange = open_paper(self._options)

    def trade(self, *prices: str | int) -> None:
        """The first market trades at these prices."""
        for price in prices:
            self.feed.trade(self.symbol, price)

    def told(self) -> list[str]:
        """The prices that the listener was told."""
        return [text_from_decimal(Decimal(price)) for _, price in self.diary.prices]

    def notices(self) -> list[str]:
        """What the listener was told in words."""
        return [text for text, _ in self.diary.notices]

    def _live(self, script: Callable[[PaperExchange], Awaitable[None]], end: Callable[[], Awaitable[None]]) -> None:
        self.diary = Diary()
        self.diary.now_ms = lambda: self.clock.now_ms() - START_MS

        async def scene() -> None:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.exchange.run, self.diary)
                await script(self.exchange)
                tasks.cancel_scope.cancel()
            await end()

        run_on(self.clock, scene)


async def pause(seconds: float = 1.0) -> None:
    """Virtual time passes."""
    await anyio.sleep(seconds)
