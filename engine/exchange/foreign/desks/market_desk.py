"""Public data over REST: the rules of markets, candles, the last price, and the trades of everybody."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from difflib import get_close_matches
from functools import partial

from engine.exchange.foreign.client import ForeignClient, Raw
from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.requests.requester import Requester
from engine.exchange.foreign.words.candles import candle_from_foreign, timeframe_of
from engine.exchange.foreign.words.market_notes import market_notes
from engine.exchange.foreign.words.markets import SIGNIFICANT_DIGITS, Untradable, market_from_foreign
from engine.exchange.foreign.words.numbers import decimal_from, millis_from
from engine.model.errors import Rejected, SettingsInvalid, Transient
from engine.model.market import Market
from engine.model.regime import Candle
from engine.model.text import clean_text

MARKETS_OLD_MS = 3_600_000
"""Rules of markets that are older are fetched again before they are told."""
_CANDLES_PER_PAGE = 300
_TRADES_PER_PAGE = 500
_PAGES_MAX = 500
_NEWEST_TRADES = 10


class MarketDesk:
    """One per account. ``markets`` fills with every market that is asked for; ``has_keys``: fees are the account's."""

    def __init__(
        self,
        client: ForeignClient,
        dialect: Dialect,
        *,
        requester: Requester,
        has_keys: bool,
        now_ms: Callable[[], int],
    ) -> None:
        self.markets: dict[str, Market] = {}
        self.notes: dict[str, tuple[str, ...]] = {}
        """What was assumed of each market, because the exchange does not say it."""
        self._client = client
        self._dialect = dialect
        self._requester = requester
        self._has_keys = has_keys
        self._now_ms = now_ms
        self._loaded_ms: int | None = None

    async def load(self) -> None:
        """Fetch the rules of all markets. Raises ``Transient``, ``SettingsInvalid``."""
        await self._requester.read("markets", lambda: self._client.load_markets(self._loaded_ms is not None))
        self._loaded_ms = self._now_ms()

    async def market(self, symbol: str) -> Market:
        """Filters of a market, and the account's fees where it is known whose account it is.

        Raises:
            SettingsInvalid: there is no such market, or it cannot be traded here; with what to do.
            Transient: no answer.
        """
        if self._loaded_ms is None or self._now_ms() - self._loaded_ms > MARKETS_OLD_MS:
            await self.load()
        raw = self._client.markets.get(symbol)
        if raw is None:
            raise SettingsInvalid(f"{self._client.id} has no market {clean_text(symbol, 60)}{self._hint(symbol)}")
        maker, taker = await self._fees(symbol)
        # Where prices have so many digits instead of a tick, the tick depends on where the price is.
        has_ticks = self._client.precisionMode != SIGNIFICANT_DIGITS
        around = None if has_ticks else (await self.last_price(symbol))[0]
        try:
            market = market_from_foreign(
                raw,
                precision_mode=self._client.precisionMode,
                fee_currency=self._dialect.fee_currency,
                maker=maker,
                taker=taker,
                around=around,
            )
        except Untradable as error:
            raise SettingsInvalid(f"{self._client.id} {clean_text(symbol, 60)}: {error}") from error
        self.markets[symbol] = market
        self.notes[symbol] = market_notes(raw, maker=maker, taker=taker, around=around)
        return market

    async def candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """The newest closed candles, oldest first; fewer where there is no more history.

        Raises:
            SettingsInvalid: an interval that the exchange does not have.
            Transient: no answer.
        """
        timeframe = self._timeframe(interval_ms)
        found: dict[int, Candle] = {}
        now_ms = self._now_ms()
        since_ms = (now_ms // interval_ms - limit) * interval_ms
        for _ in range(_PAGES_MAX):
            rows = await self._requester.read(
                f"candles {symbol}",
                partial(self._client.fetch_ohlcv, symbol, timeframe, since_ms, _CANDLES_PER_PAGE),
            )
            page = [candle for row in rows if (candle := candle_from_foreign(row)) is not None]
            fresh = [candle for candle in page if candle.open_ms not in found and candle.open_ms >= since_ms]
            found.update((candle.open_ms, candle) for candle in fresh)
            newest_ms = max((candle.open_ms for candle in fresh), default=None)
            if newest_ms is None or newest_ms + 2 * interval_ms > now_ms:
                break
            since_ms = newest_ms + interval_ms
        closed = [candle for candle in found.values() if candle.open_ms + interval_ms <= now_ms]
        return sorted(closed, key=lambda candle: candle.open_ms)[-limit:]

    async def last_price(self, symbol: str) -> tuple[Decimal, int]:
        """The newest trade's price and time. Raises ``Transient`` where none is told."""
        raw = await self._requester.read(f"price {symbol}", lambda: self._client.fetch_ticker(symbol))
        price = decimal_from(raw.get("last"))
        if price is None or price <= 0:
            raise Transient(f"{self._client.id} tells no price of {clean_text(symbol, 60)}")
        return price, millis_from(raw.get("timestamp")) or self._now_ms()

    async def newest_trade(self, symbol: str) -> tuple[Decimal, int] | None:
        """Price and time of the newest trade of everybody; None where the exchange lists none."""
        if not self._client.has.get("fetchTrades"):
            return None
        raws = await self._requester.read(
            f"newest trade {symbol}", lambda: self._client.fetch_trades(symbol, None, _NEWEST_TRADES)
        )
        found = [named[1] for raw in raws if (named := trade_from(raw)) is not None]
        if not found:
            return None
        at_ms, price, _ = found[-1]
        return price, at_ms

    async def public_trades(self, symbol: str, since_ms: int) -> Sequence[tuple[int, Decimal, Decimal]]:
        """Everybody's trades from a time on, as (time, price, amount), oldest first; as many as are still told.

        Raises:
            Transient: no answer.
        """
        seen: dict[str, tuple[int, Decimal, Decimal]] = {}
        for _ in range(_PAGES_MAX):
            page = await self._requester.read(
                f"trades {symbol}",
                partial(self._client.fetch_trades, symbol, since_ms, _TRADES_PER_PAGE),
            )
            fresh = {name: trade for raw in page if (named := trade_from(raw)) is not None for name, trade in (named,)}
            fresh = {name: trade for name, trade in fresh.items() if name not in seen}
            seen.update(fresh)
            newest_ms = max((trade[0] for trade in fresh.values()), default=None)
            if newest_ms is None or newest_ms <= since_ms:
                break
            since_ms = newest_ms
        return sorted(seen.values())

    async def _fees(self, symbol: str) -> tuple[Decimal | None, Decimal | None]:
        """The account's own maker and taker rates; None where only the market's are to be had."""
        if not self._has_keys or not self._client.has.get("fetchTradingFee"):
            return None, None
        try:
            raw = await self._requester.read(f"fees {symbol}", lambda: self._client.fetch_trading_fee(symbol))
        except Rejected:
            return None, None
        return decimal_from(raw.get("maker")), decimal_from(raw.get("taker"))

    def _timeframe(self, interval_ms: int) -> str:
        try:
            name = timeframe_of(interval_ms)
        except ValueError as error:
            raise SettingsInvalid(str(error)) from error
        known = self._client.timeframes or {}
        if known and name not in known:
            raise SettingsInvalid(f"{self._client.id} has candles of {', '.join(known)}, not of {name}")
        return name

    def _hint(self, symbol: str) -> str:
        """The markets that may have been meant."""
        base = symbol.split("/", 1)[0].upper()
        alike = sorted(name for name, raw in self._client.markets.items() if _is_alike(raw, base))
        if alike:
            return f"; with {clean_text(base, 20)} it has {clean_text(', '.join(alike[:6]))}"
        near = get_close_matches(symbol.upper(), list(self._client.markets), n=3, cutoff=0.8)
        return f"; did you mean {clean_text(' or '.join(near))}?" if near else ""


def trade_from(raw: Raw) -> tuple[str, tuple[int, Decimal, Decimal]] | None:
    """The name, time, price and amount of somebody's trade; None where it is none."""
    at_ms, price, amount = millis_from(raw.get("timestamp")), decimal_from(raw.get("price")), raw.get("amount")
    traded = decimal_from(amount)
    if at_ms is None or price is None or price <= 0 or traded is None:
        return None
    return str(raw.get("id") or (at_ms, price, traded)), (at_ms, price, traded)


def _is_alike(raw: Raw, base: str) -> bool:
    return raw.get("base") == base and raw.get("active") is not False
