"""The past of a market over REST, exact and page by page: candles, and the trades of everybody.

A page is what one request brings. Rows that are no candle or no trade are left out: who downloads sees a gap there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.desks.market_desk import MarketDesk, trade_from
from engine.exchange.foreign.requests.requester import Requester
from engine.exchange.foreign.words.candles import timeframe_of
from engine.exchange.foreign.words.numbers import decimal_from, millis_from
from engine.model.errors import SettingsInvalid

_CANDLES_PER_PAGE = 300
_TRADES_PER_PAGE = 500
"""Asked for where the library does not know how many an exchange tells at once."""
_PAGE_MAX = 1000
_COLUMNS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCandle:
    """One candle as the exchange told it; ``volume`` as it counts it, which is base on nearly all."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTrade:
    """Somebody's trade; ``amount`` in base. No two trades of a market have one ``name``."""

    name: str
    at_ms: int
    price: Decimal
    amount: Decimal


class HistoryDesk:
    """One per account; public data alone."""

    def __init__(self, client: ForeignClient, requester: Requester, markets: MarketDesk) -> None:
        self._client = client
        self._requester = requester
        self._markets = markets

    def has_interval(self, interval_ms: int) -> bool:
        """Whether the exchange has candles of this length."""
        known = self._client.timeframes or {}
        return not known or timeframe_of(interval_ms) in known

    def page_size(self, symbol: str, *, is_trades: bool) -> int:
        """How many rows one page may have."""
        ask: Any = getattr(self._client, "feature_value", None)
        told = None if ask is None else ask(symbol, "fetchTrades" if is_trades else "fetchOHLCV", "limit")
        if isinstance(told, int) and told > 0:
            return min(told, _PAGE_MAX)
        return _TRADES_PER_PAGE if is_trades else _CANDLES_PER_PAGE

    async def candles(self, symbol: str, interval_ms: int, since_ms: int) -> Sequence[PastCandle]:
        """A page of candles that begin at ``since_ms`` or later, oldest first, the one that is forming among them.

        Raises:
            SettingsInvalid: an interval that the exchange does not have.
            Transient: no answer.
        """
        name = timeframe_of(interval_ms)
        if not self.has_interval(interval_ms):
            known = ", ".join(self._client.timeframes or {})
            raise SettingsInvalid(f"{self._client.id} has candles of {known}, not of {name}")
        limit = self.page_size(symbol, is_trades=False)
        rows = await self._requester.read(
            f"candles {symbol}", partial(self._client.fetch_ohlcv, symbol, name, since_ms, limit)
        )
        found = {candle.open_ms: candle for row in rows if (candle := past_candle_from(row)) is not None}
        return [found[at_ms] for at_ms in sorted(found) if at_ms >= since_ms]

    async def trades(self, symbol: str, since_ms: int) -> Sequence[PastTrade]:
        """A page of trades, oldest first; an exchange that tells only its newest begins later than asked.

        Raises:
            SettingsInvalid: there is no such market, or the exchange tells no trades.
            Transient: no answer.
        """
        if not self._client.has.get("fetchTrades"):
            raise SettingsInvalid(f"{self._client.id} tells no trades of the past; use candles (--interval 1m)")
        swap = (await self._markets.market(symbol)).swap
        size = Decimal(1) if swap is None else swap.contract_size
        limit = self.page_size(symbol, is_trades=True)
        raws = await self._requester.read(
            f"trades {symbol}", partial(self._client.fetch_trades, symbol, since_ms, limit)
        )
        named = (trade_from(raw) for raw in raws)
        found = {
            name: PastTrade(name=name, at_ms=at_ms, price=price, amount=amount * size)
            for name, (at_ms, price, amount) in (each for each in named if each is not None)
        }
        return sorted(found.values(), key=lambda trade: trade.at_ms)


def past_candle_from(row: Sequence[object]) -> PastCandle | None:
    """A row of open time, open, high, low, close and volume, no digit lost; None where it is no candle.

    A row without a volume counts none: some exchanges leave it out of quiet minutes.
    """
    if isinstance(row, str) or len(row) < _COLUMNS - 1:
        return None
    open_ms = millis_from(row[0])
    opened, high, low, close = (decimal_from(each) for each in row[1 : _COLUMNS - 1])
    volume = decimal_from(row[_COLUMNS - 1]) if len(row) >= _COLUMNS else None
    if open_ms is None or opened is None or high is None or low is None or close is None:
        return None
    volume = Decimal(0) if volume is None else volume
    if not 0 < low <= min(opened, close) <= max(opened, close) <= high or volume < 0:
        return None
    return PastCandle(open_ms=open_ms, open=opened, high=high, low=low, close=close, volume=volume)
