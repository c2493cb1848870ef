"""A simulated exchange on a virtual clock of its own, and a trader who does as the dice say."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import anyio

from engine.exchange.dice import throw
from engine.exchange.port import ExchangeListener
from engine.exchange.prices import PriceSource
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import Books
from engine.model.actions import QuietBand
from engine.model.errors import OutcomeUnknown, Rejected, Transient
from engine.model.order import OrderReport, OrderRequest, OrderStatus, Side
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.simulated_builders import BALANCES, BTC, MARKET, Diary, ListSource, make_request

D = Decimal
EVERYTHING = QuietBand(D(0), D("Infinity"))
ROWS = 500


class Bench:
    """A simulated exchange on its own virtual clock, with a diary at its stream."""

    def __init__(
        self,
        path: Sequence[tuple[int, str]] = ((0, "100"), (100_000, "100")),
        options: SimulatedOptions | None = None,
        source: PriceSource | None = None,
        books: Books | None = None,
    ) -> None:
        self.clock = VirtualClock(start_ms=0)
        self.source = source or ListSource(path)
        self.diary = Diary()
        self.diary.now_ms = self.clock.now_ms
        self.listener: ExchangeListener = self.diary
        self.exchange = SimulatedExchange(
            markets={BTC: MARKET},
            sources={BTC: self.source},
            balances=BALANCES,
            now_ms=self.clock.now_ms,
            options=options or SimulatedOptions(),
            books=books,
        )
        self.clock.start_at(self.exchange.start_ms)

    def run(self, script: Callable[[SimulatedExchange], Awaitable[None]] | None = None) -> None:
        """Run the stream to its end beside a script."""

        async def both() -> None:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.exchange.run, self.listener)
                if script is not None:
                    await script(self.exchange)

        run_on(self.clock, both)

    def run_alone(self, scene: Callable[[], Awaitable[None]]) -> None:
        """Run a scene on the exchange's clock; the stream is its own affair."""
        run_on(self.clock, scene)


class RandomTrader:
    """Places and cancels at random, whenever a price leaves its band or an order is filled.

    ``with_questions``: and asks what became of its orders and what it executed, and then looks
    whether the newest price has left a narrower band.
    """

    def __init__(self, bench: Bench, seed: int, *, with_questions: bool = False) -> None:
        self.bench = bench
        self.seed = seed
        self.with_questions = with_questions
        self.log: list[tuple[object, ...]] = []
        self.band = QuietBand(D(0), D(0))
        self.mark = self.acted_on = D(0)
        self.decisions = 0
        self.wishes_in, self.wishes = anyio.create_memory_object_stream[OrderRequest | str](1_000)

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        self.mark = price
        if self.band.low < price < self.band.high:
            return
        self.acted_on = price
        self.log.append(("price", self.bench.clock.now_ms(), price))
        width = D(1 + self._throw("width", 60)) / 100
        self.band = QuietBand(price - width, price + width)
        self.bench.exchange.set_quiet_band(symbol, "trader", self.band)
        self._want(Side.BUY, price)
        self._want(Side.SELL, price)

    def on_report(self, report: OrderReport) -> None:
        self.log.append(("report", self.bench.clock.now_ms(), report))
        if report.status is OrderStatus.FILLED:
            self._want(Side.SELL if report.side is Side.BUY else Side.BUY, report.price)
            self.wishes_in.send_nowait(f"w{self._throw('cancel', self.decisions)}")

    def on_connection(self, connection: Connection) -> None:
        self.log.append(("connection", self.bench.clock.now_ms(), connection))

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:
        self.log.append(("candle", self.bench.clock.now_ms(), interval_ms, candle, is_closed))

    def on_funding(self, payment: FundingPayment) -> None:
        self.log.append(("funding", self.bench.clock.now_ms(), payment))

    def on_liquidation(self, liquidation: Liquidation) -> None:
        self.log.append(("liquidation", self.bench.clock.now_ms(), liquidation))

    def on_notice(self, text: str, level: EventLevel) -> None:
        self.log.append(("notice", self.bench.clock.now_ms(), text))

    def _want(self, side: Side, price: Decimal) -> None:
        self.decisions += 1
        offset = D(self._throw("price", 100) - 50) / 100
        request = make_request(f"w{self.decisions}", side, str(price + offset), "0.250")
        self.wishes_in.send_nowait(replace(request, post_only=self._throw("post-only", 2) == 0))

    def _throw(self, what: str, sides: int) -> int:
        return throw(self.seed, what, self.decisions) % sides

    async def script(self, exchange: SimulatedExchange) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(self._serve, exchange)
            await anyio.sleep(3_600)
            self.wishes_in.close()
        self.wishes.close()

    async def _serve(self, exchange: SimulatedExchange) -> None:
        async for wish in self.wishes:
            await self._do(exchange.cancel(BTC, wish) if isinstance(wish, str) else exchange.place(wish))
            if self.with_questions:
                name = wish if isinstance(wish, str) else wish.client_order_id
                await self._do(exchange.fetch_order(BTC, name))
                await self._do(exchange.fetch_open_orders(BTC))
                await self._do(exchange.fetch_fills(BTC, self.bench.clock.now_ms() - 3_000))

                self._narrow()

    def _narrow(self) -> None:
        """What is told while a band is being set counts only after it is set."""
        width = D("0.03")
        band = QuietBand(self.acted_on - width, self.acted_on + width)
        self.band = EVERYTHING
        self.bench.exchange.set_quiet_band(BTC, "trader", band)
        self.band = band
        if not band.low < self.mark < band.high:
            self.on_price(BTC, self.mark, 0)

    async def _do(self, request: Awaitable[object]) -> None:
        try:
            answer = await request
        except (Rejected, Transient, OutcomeUnknown) as error:
            self.log.append(("error", self.bench.clock.now_ms(), str(error)))
        else:
            self.log.append(("answer", self.bench.clock.now_ms(), answer))


def random_path(seed: int) -> list[tuple[int, str]]:
    """A walk around 100 whose rows often share an instant with requests and with each other."""
    dice = random.Random(seed)
    at_ms, cents = 0, 10_000
    path = []
    for _ in range(ROWS):
        path.append((at_ms, str(D(cents) / 100)))
        at_ms += dice.choice((0, 1, 5, 25, 50, 100))
        cents += dice.randrange(-12, 13)
    return path
