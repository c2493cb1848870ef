"""Small markets, orders and price paths for the tests of the simulated exchange."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.prices import Tick
from engine.model.actions import QuietBand
from engine.model.errors import DataInvalid
from engine.model.market import Market
from engine.model.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation

BTC = "BTC/USDT"
MARKET = Market(
    symbol=BTC,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.001"),
    amount_min=Decimal("0.001"),
    amount_max=Decimal(100),
    notional_min=Decimal(5),
    maker_fee_rate=Decimal("0.001"),
    taker_fee_rate=Decimal("0.002"),
)
BALANCES = {"BTC": Decimal(10), "USDT": Decimal(10_000)}


def make_engine(
    market: Market = MARKET,
    *,
    balances: Mapping[str, Decimal] = BALANCES,
    options: MatchingOptions | None = None,
    last: str | None = "100",
) -> MatchingEngine:
    """A matching engine on one market that has last traded at ``last``."""
    engine = MatchingEngine(markets=[market], balances=balances, options=options or MatchingOptions())
    if last is not None:
        engine.trade(market.symbol, Decimal(last), 0)
    return engine


def make_request(
    client_order_id: str, side: Side, price: str, amount: str = "1", *, post_only: bool = False
) -> OrderRequest:
    return OrderRequest(
        client_order_id=client_order_id,
        symbol=BTC,
        side=side,
        price=Decimal(price),
        amount=Decimal(amount),
        post_only=post_only,
    )


def buy(client_order_id: str, price: str, amount: str = "1", *, post_only: bool = False) -> OrderRequest:
    return make_request(client_order_id, Side.BUY, price, amount, post_only=post_only)


def sell(client_order_id: str, price: str, amount: str = "1", *, post_only: bool = False) -> OrderRequest:
    return make_request(client_order_id, Side.SELL, price, amount, post_only=post_only)


def brief(report: OrderReport) -> tuple[str, OrderStatus, str]:
    """Id, status and executed amount of a report."""
    return report.client_order_id, report.status, str(report.filled)


class ListSource:
    """A ``PriceSource`` over a short list of (at_ms, price)."""

    tick_size = MARKET.tick_size
    history_ms = None

    def __init__(self, path: Sequence[tuple[int, str]], symbol: str = BTC) -> None:
        self.symbol = symbol
        self.position = 0
        self.stops = 0
        self.ticks = [Tick(index, at_ms, Decimal(price)) for index, (at_ms, price) in enumerate(path)]

    @property
    def rows(self) -> int | None:
        return len(self.ticks)

    @property
    def start_ms(self) -> int:
        return self.ticks[0].at_ms

    @property
    def end_ms(self) -> int | None:
        return self.ticks[-1].at_ms

    def next(self) -> Tick | None:
        return self.ticks[self.position] if self.position < len(self.ticks) else None

    def next_outside(self, band: QuietBand | None) -> Tick | None:
        for tick in self.ticks[self.position :]:
            if band is None or not band.low < tick.price < band.high:
                return tick
        return None

    def last_before(self, index: int) -> Tick | None:
        return self.ticks[index - 1] if index > 0 else None

    def pass_until(self, at_ms: int) -> None:
        while self.position < len(self.ticks) and self.ticks[self.position].at_ms <= at_ms:
            self.position += 1

    def pass_row(self, index: int) -> None:
        self.position = max(self.position, index + 1)
        self.stops += 1

    def candle(self, open_ms: int, end_ms: int) -> Candle | None:
        """One base for every row."""
        prices = [float(tick.price) for tick in self.ticks if open_ms <= tick.at_ms < end_ms]
        if not prices:
            return None
        return Candle(
            open_ms=open_ms,
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=float(len(prices)),
        )

    def last_ms_before(self, at_ms: int) -> int | None:
        return max((tick.at_ms for tick in self.ticks if tick.at_ms < at_ms), default=None)

    def state(self) -> dict[str, object]:
        return {"symbol": self.symbol, "rows": len(self.ticks), "position": self.position}

    def restore(self, state: Mapping[str, object]) -> None:
        position = state.get("position")
        if state.get("rows") != len(self.ticks) or not isinstance(position, int):
            raise DataInvalid(f"expected a position in {len(self.ticks)} rows, found {state}")
        self.position = position


class Diary:
    """An ``ExchangeListener`` that writes down what it hears, and when."""

    def __init__(self) -> None:
        self.now_ms: Callable[[], int] = lambda: 0
        self.prices: list[tuple[int, str]] = []
        self.reports: list[tuple[int, OrderReport]] = []
        self.connections: list[tuple[int, Connection]] = []
        self.swap_news: list[tuple[int, FundingPayment | Liquidation]] = []
        self.notices: list[tuple[str, EventLevel]] = []
        self.candles: list[tuple[int, int, Candle, bool]] = []
        """When, of which interval, which candle, and whether it has closed."""

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        self.prices.append((self.now_ms(), str(price)))

    def on_report(self, report: OrderReport) -> None:
        self.reports.append((self.now_ms(), report))

    def on_connection(self, connection: Connection) -> None:
        self.connections.append((self.now_ms(), connection))

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:
        self.candles.append((self.now_ms(), interval_ms, candle, is_closed))

    def on_funding(self, payment: FundingPayment) -> None:
        self.swap_news.append((self.now_ms(), payment))

    def on_liquidation(self, liquidation: Liquidation) -> None:
        self.swap_news.append((self.now_ms(), liquidation))

    def on_notice(self, text: str, level: EventLevel) -> None:
        self.notices.append((text, level))

    def heard(self) -> list[tuple[int, str, OrderStatus, str]]:
        """When, of which order, which status, how much executed."""
        return [(at_ms, *brief(report)) for at_ms, report in self.reports]


def without_fills(report: OrderReport) -> OrderReport:
    return replace(report, fills=())
