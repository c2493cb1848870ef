"""The price of one live market, as a price source: rows come from outside, the future is not known.

It holds the rows that were heard and not yet looked at, and the newest of the others. What a price
from outside must be before it becomes a row is said here too: above zero, on the tick after rounding
to it, no older than what was heard last, and not a repetition of that.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from enum import StrEnum

from engine.exchange.prices import BOUND_TICKS, Tick
from engine.model.actions import QuietBand
from engine.model.errors import DataInvalid
from engine.model.money import decimal_from_text, nearest_step, text_from_decimal
from engine.model.regime import Candle

AHEAD_MS_MAX = 60_000
"""A trade may lie so far in the future of our clock; one further away is no trade."""
_WIDE = Context(prec=100)
"""What comes from outside may have more digits than money has."""


class PriceFault(StrEnum):
    """Why a price from outside is refused."""

    ABSURD = "not a price above zero"
    FUTURE = "from the future"
    OLD = "older than the last"
    DOUBLED = "told twice"


@dataclass(frozen=True, slots=True)
class _Heard:
    tick: Tick
    traded_ms: int


def sane_price(price: Decimal, tick_size: Decimal) -> Decimal | None:
    """A price from outside as a whole multiple of the tick; None: it is none."""
    with localcontext(_WIDE):
        if not price.is_finite() or not 0 < price < tick_size * BOUND_TICKS:
            return None
        rounded = nearest_step(price, tick_size)
        return rounded if rounded > 0 else None


class LiveSource:
    """A ``PriceSource`` without an end, whose rows are told to it one by one.

    Invariant: ``traded_ms`` is when, by the market's clock, the newest row that was passed was traded; None: none was.
    """

    rows: int | None = None
    end_ms: int | None = None
    history_ms: int | None = 0

    def __init__(self, *, symbol: str, tick_size: Decimal, market: str, start_ms: int) -> None:
        """``market`` names whose prices these are, so that books of another market are not gone on with."""
        self.symbol = symbol
        self.tick_size = tick_size
        self.start_ms = start_ms
        self.position = 0
        self.traded_ms: int | None = None
        self._market = market
        self._coming: deque[_Heard] = deque()
        self._last: Tick | None = None

    def judge(self, price: Decimal, traded_ms: int, *, now_ms: int) -> Decimal | PriceFault:
        """A price that is told now as a multiple of the tick, or why it cannot be the next row."""
        known = sane_price(price, self.tick_size)
        if known is None:
            return PriceFault.ABSURD
        if traded_ms > now_ms + AHEAD_MS_MAX:
            return PriceFault.FUTURE
        newest_ms = self._coming[-1].traded_ms if self._coming else self.traded_ms
        if newest_ms is None or traded_ms > newest_ms:
            return known
        if traded_ms < newest_ms:
            return PriceFault.OLD
        last = self._coming[-1].tick if self._coming else self._last
        return PriceFault.DOUBLED if last is not None and last.price == known else known

    def offer(self, price: Decimal, traded_ms: int, *, at_ms: int) -> None:
        """The market traded at ``price``, a multiple of the tick, at ``traded_ms``; it happens here at ``at_ms``."""
        tick = Tick(self.position + len(self._coming), at_ms, price)
        self._coming.append(_Heard(tick, traded_ms))

    def next(self) -> Tick | None:
        """The oldest row not yet passed; None: nothing new was heard."""
        return self._coming[0].tick if self._coming else None

    def next_outside(self, band: QuietBand | None) -> Tick | None:
        """The first such row at or beyond an edge of the band."""
        for heard in self._coming:
            if band is None or not band.low < heard.tick.price < band.high:
                return heard.tick
        return None

    def last_before(self, index: int) -> Tick | None:
        """The row just before ``index``; of those passed only the newest is remembered."""
        ahead = index - 1 - self.position
        if ahead >= 0:
            return self._coming[ahead].tick if ahead < len(self._coming) else None
        return self._last if self._last is not None and self._last.index == index - 1 else None

    def pass_until(self, at_ms: int) -> None:
        """Move to the first row later than ``at_ms``."""
        while self._coming and self._coming[0].tick.at_ms <= at_ms:
            self._pass_one()

    def pass_row(self, index: int) -> None:
        """Move just behind row ``index``."""
        while self._coming and self.position <= index:
            self._pass_one()

    def candle(self, open_ms: int, end_ms: int) -> Candle | None:
        """None: its candles are the real market's to tell."""
        del open_ms, end_ms
        return None

    def last_ms_before(self, at_ms: int) -> int | None:
        """Time of the newest row passed, where it is before ``at_ms``."""
        return self._last.at_ms if self._last is not None and self._last.at_ms < at_ms else None

    def state(self) -> dict[str, object]:
        """The newest row passed, and whose it is."""
        last = self._last
        kept: dict[str, object] = {"live": self._market, "symbol": self.symbol}
        if last is not None:
            kept |= {"price": text_from_decimal(last.price), "at_ms": last.at_ms, "traded_ms": self.traded_ms}
        return kept

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from a kept state.

        Raises:
            DataInvalid: the state is damaged, or of another market.
        """
        if (state.get("live"), state.get("symbol")) != (self._market, self.symbol):
            raise DataInvalid(f"expected live prices of {self.symbol} on {self._market}, found {_market_of(state)}")
        if "price" not in state:
            return
        price, at_ms, traded_ms = state["price"], state.get("at_ms"), state.get("traded_ms")
        if not isinstance(price, str) or not isinstance(at_ms, int) or not isinstance(traded_ms, int):
            raise DataInvalid(f"expected a price and its times, found {dict(state)}")
        try:
            self._last = Tick(self.position, at_ms, decimal_from_text(price))
        except ValueError as error:
            raise DataInvalid(f"{self.symbol}: {error}") from error
        self.traded_ms = traded_ms
        self.position += 1

    def _pass_one(self) -> None:
        heard = self._coming.popleft()
        self._last, self.traded_ms = heard.tick, heard.traded_ms
        self.position = heard.tick.index + 1


def _market_of(state: Mapping[str, object]) -> str:
    return f"live prices of {state.get('symbol')} on {state['live']}" if "live" in state else "those of a simulation"
