"""What a venue's markets printed: last prices, the newest trades, candles, and the ids of all trades."""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from tests.loopback.venue_candles import CandleBook
from tests.loopback.venue_words import PublicTrade, Side

PUBLIC_TRADES_MAX = 1000


class Tape:
    """The public side of every market.

    Invariant: trade ids rise by one, over all markets, own executions included.
    """

    def __init__(self, market_ids: Iterable[str]) -> None:
        """Nothing has traded."""
        self.last: dict[str, Decimal] = {}
        self.prints: dict[str, deque[PublicTrade]] = {each: deque(maxlen=PUBLIC_TRADES_MAX) for each in market_ids}
        self.candles = {each: CandleBook() for each in self.prints}
        self._trade_id = 5_000_000

    def next_id(self) -> int:
        """The id of the next trade."""
        self._trade_id += 1
        return self._trade_id

    def add(
        self, market_id: str, price: Decimal, amount: Decimal, taker: Side, at_ms: int, *, trade_id: int
    ) -> PublicTrade:
        """One print."""
        trade = PublicTrade(trade_id=trade_id, market=market_id, price=price, amount=amount, taker=taker, at_ms=at_ms)
        self.last[market_id] = price
        self.prints[market_id].append(trade)
        self.candles[market_id].add(price, amount, at_ms)
        return trade
