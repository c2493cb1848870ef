"""Swaps behind the exchange's port: funding and liquidations on the stream, restarts, and rows passed unseen."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import anyio
import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.faults import FaultPlan
from engine.exchange.funding import FundingRates
from engine.exchange.matching import MatchingOptions
from engine.exchange.outages import Outage
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import BOOKS_NAME, Books, open_books
from engine.model.actions import QuietBand
from engine.model.errors import Rejected, SettingsInvalid
from engine.model.grid import MarginMode
from engine.model.market import Market
from engine.model.order import OrderReport, OrderStatus, Side
from engine.model.regime import Candle
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.simulated_builders import BTC, MARKET, ListSource
from tests.exchange.swap_builders import BTC_SWAP, CROSS, ETH_SWAP, ISOLATED, OTHER_SWAP, RULES, SWAP, swap_order

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
MINUTE = replace(SWAP, swap=replace(RULES, funding_interval_ms=60_000))
EVERYTHING = QuietBand(D(0), D("Infinity"))
Path_ = Sequence[tuple[int, str]]


class Listener:
    """Writes down when it heard what of the account, and wants no price."""

    def __init__(self, life: "Life") -> None:
        self.life = life
        self.heard: list[tuple[object, ...]] = []

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        """Prices are nobody's concern here."""

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:
        """Nor are candles."""

    def on_report(self, report: OrderReport) -> None:
        self._hear(report)

    def on_funding(self, payment: FundingPayment) -> None:
        self._hear(payment)

    def on_liquidation(self, liquidation: Liquidation) -> None:
        self._hear(liquidation)

    def on_notice(self, text: str, level: EventLevel) -> None:
        pass

    def on_connection(self, connection: Connection) -> None:
        if connection is Connection.CONNECTED:
            for symbol in self.life.sources:
                self.life.exchange.set_quiet_band(symbol, "test", EVERYTHING)

    def _hear(self, what: object) -> None:
        self.heard.append((self.life.clock.now_ms(), what))


class Life:
    """One life of an exchange with swaps, on given books, on a virtual clock."""

    def __init__(
        self,
        paths: Mapping[str, Path_],
        *,
        markets: Sequence[Market] = (MINUTE,),
        options: SimulatedOptions | None = None,
        books: Books | None = None,
        wallet: str = "1000",
    ) -> None:
        self.clock = VirtualClock(start_ms=0)
        self.sources = {symbol: ListSource(path, symbol) for symbol, path in paths.items()}
        self.listener = Listener(self)
        self.exchange = SimulatedExchange(
            markets={market.symbol: market for market in markets},
            sources=self.sources,
            balances={"USDT": D(wallet)},
            now_ms=self.clock.now_ms,
            options=options or SimulatedOptions(),
            books=books,
        )
        self.clock.start_at(self.exchange.start_ms)

    def run(self, script: Callable[[SimulatedExchange], Awaitable[None]], *, to_the_end: bool = True) -> None:
        async def both() -> None:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.exchange.run, self.listener)
                await script(self.exchange)
                if not to_the_end:
                    tasks.cancel_scope.cancel()

        run_on(self.clock, both)

    def news(self) -> list[tuple[object, ...]]:
        """When it heard of what kind of thing, in short."""
        return [(at_ms, *_in_short(what)) for at_ms, what in self.listener.heard]


def _in_short(what: object) -> tuple[object, ...]:
    if isinstance(what, OrderReport):
        return what.client_order_id, what.status
    if isinstance(what, FundingPayment):
        return "funding", str(what.amount)
    assert isinstance(what, Liquidation)
    return "liquidation", str(what.price)


CRASH = [(0, "100"), (70_000, "101"), (100_000, "99"), (130_000, "85"), (190_000, "86"), (250_000, "87")]


async def long_and_short(exchange: SimulatedExchange) -> None:
    """Long 1 at 100.1 and short 1 at 99.9 of another, with one wallet."""
    for symbol, side, price in ((BTC_SWAP, BUY, "100.1"), (ETH_SWAP, SELL, "99.9")):
        await exchange.set_leverage(symbol, D(20), CROSS)
        await exchange.place(swap_order(symbol, side, price, symbol=symbol))


async def long_at_100(exchange: SimulatedExchange) -> None:
    """Long 1 at 100 with a margin of 10, and an exit."""
    await exchange.set_leverage(BTC_SWAP, D(10), ISOLATED)
    await exchange.place(swap_order("entry", BUY, "100.1"))
    await exchange.place(swap_order("exit", SELL, "120", reduce_only=True))


def test_funding_and_liquidation_are_told_in_order_with_reports_and_can_be_asked_for() -> None:
    life = Life({BTC_SWAP: CRASH})

    async def script(exchange: SimulatedExchange) -> None:
        await long_at_100(exchange)
        (position,) = (await exchange.fetch_positions()).values()
        assert (position.amount, position.entry_price, position.margin) == (D(1), D("100.1"), D("10.01"))
        await anyio.sleep_until(200)
        assert await exchange.fetch_positions() == {}
        payments = await exchange.fetch_funding(BTC_SWAP, 0)
        assert [(one.at_ms, one.amount) for one in payments] == [(60_000, D("-0.01")), (120_000, D("-0.0099"))]
        assert await exchange.fetch_funding(BTC_SWAP, 60_001) == payments[1:]
        (lost,) = await exchange.fetch_liquidations(BTC_SWAP, 130_000)
        assert (lost.amount, lost.price, lost.at_ms) == (D(-1), D(85), 130_000)
        assert await exchange.fetch_liquidations(BTC_SWAP, 130_001) == ()
        assert await exchange.fetch_liquidations(ETH_SWAP, 0) == ()

    life.run(script)
    assert life.news() == [
        (100, "entry", OrderStatus.OPEN),
        (100, "entry", OrderStatus.FILLED),
        (150, "exit", OrderStatus.OPEN),
        (60_025, "funding", "-0.01000000"),
        (120_025, "funding", "-0.00990000"),
        (130_025, "exit", OrderStatus.CANCELED),
        (130_025, "liquidation", "85"),
    ]


def test_a_silent_stream_loses_news_that_can_still_be_asked_for() -> None:
    silence = FaultPlan(stalls=(Outage(from_ms=50_000, until_ms=140_000),))
    life = Life({BTC_SWAP: CRASH}, options=SimulatedOptions(faults=silence))

    async def script(exchange: SimulatedExchange) -> None:
        await long_at_100(exchange)
        await anyio.sleep_until(200)
        assert len(await exchange.fetch_funding(BTC_SWAP, 0)) == 2
        assert len(await exchange.fetch_liquidations(BTC_SWAP, 0)) == 1

    life.run(script)
    assert [what for _, what, _ in life.news()] == ["entry", "entry", "exit"]


def test_funding_ends_with_the_market_and_comes_before_its_rows_of_that_instant() -> None:
    life = Life({BTC_SWAP: [(0, "100"), (60_000, "110"), (119_999, "105"), (120_000, "118")]})
    life.run(long_at_100)
    assert [what for what in life.news() if what[1] == "funding"] == [
        (60_025, "funding", "-0.01000000"),
        (120_025, "funding", "-0.01050000"),
    ]


def test_the_time_of_funding_is_by_the_clock_of_the_exchange() -> None:
    life = Life({BTC_SWAP: CRASH}, options=SimulatedOptions(faults=FaultPlan(clock_skew_ms=5_000)))
    life.run(long_at_100)
    assert life.news()[3:5] == [(55_025, "funding", "-0.01000000"), (115_025, "funding", "-0.00990000")]
    assert [one.at_ms for _, one in life.listener.heard if isinstance(one, FundingPayment)] == [60_000, 120_000]


def test_a_killed_exchange_is_met_with_its_positions_funding_and_liquidations(tmp_path: Path) -> None:
    async def until_funded(exchange: SimulatedExchange) -> None:
        await long_at_100(exchange)
        await anyio.sleep_until(101)

    async def ask(exchange: SimulatedExchange) -> None:
        (position,) = (await exchange.fetch_positions()).values()
        assert (position.amount, position.mode, position.leverage) == (D(1), ISOLATED, D(10))
        assert position.margin == D("10.00")
        assert [one.at_ms for one in await exchange.fetch_funding(BTC_SWAP, 0)] == [60_000]
        await anyio.sleep_until(200)

    async def ask_again(exchange: SimulatedExchange) -> None:
        assert [one.at_ms for one in await exchange.fetch_funding(BTC_SWAP, 0)] == [60_000, 120_000]
        assert [one.trade_id for one in await exchange.fetch_liquidations(BTC_SWAP, 0)] == ["L1"]
        assert (await exchange.fetch_order(BTC_SWAP, "exit")).reason == "the position was liquidated"

    for script in (until_funded, ask, ask_again):
        life = Life({BTC_SWAP: CRASH}, books=open_books(tmp_path))
        life.run(script, to_the_end=False)
        life.exchange.close() if script is ask else life.exchange._venue.close()
    assert life.exchange.matching.totals() == {"USDT": D(1000)}


def test_books_that_are_older_than_swaps_still_open(tmp_path: Path) -> None:
    async def trade(exchange: SimulatedExchange) -> None:
        await exchange.place(swap_order("old", BUY, "90", symbol=BTC))

    life = Life({BTC: CRASH}, markets=[MARKET], books=open_books(tmp_path))
    life.run(trade, to_the_end=False)
    life.exchange.close()
    connection = apsw.Connection(str(tmp_path / BOOKS_NAME))
    for statement in (
        "ALTER TABLE orders DROP COLUMN reduce_only",
        "ALTER TABLE orders DROP COLUMN reason",
        "DROP TABLE funding",
        "DROP TABLE liquidations",
        "UPDATE state SET content = json_remove(content, '$.matching.swaps')",
    ):
        connection.execute(statement)
    connection.close()
    balances = life.exchange.matching.balances()
    life = Life({BTC: CRASH}, markets=[MARKET], books=open_books(tmp_path))
    assert life.exchange.matching.balances() == balances

    async def go_on(exchange: SimulatedExchange) -> None:
        assert (await exchange.fetch_order(BTC, "old")).status is OrderStatus.OPEN
        await exchange.place(swap_order("new", BUY, "91", symbol=BTC))

    life.run(go_on, to_the_end=False)
    life.exchange.close()


def test_a_position_on_a_market_that_is_gone_is_refused(tmp_path: Path) -> None:
    life = Life({BTC_SWAP: CRASH}, books=open_books(tmp_path))
    life.run(long_at_100, to_the_end=False)
    life.exchange.cancel_by_hand(BTC_SWAP, "exit")
    life.exchange.close()
    books = open_books(tmp_path)
    with pytest.raises(SettingsInvalid, match="a position is open on BTC/USDT:USDT, which is gone or has no price"):
        Life({BTC: CRASH}, markets=[MARKET], books=books)
    books.close()


# Rows that are passed unseen


@pytest.mark.parametrize("every_tick", [False, True])
def test_positions_that_share_a_wallet_are_lost_although_no_price_of_one_alone_would_do_it(every_tick: bool) -> None:
    """Long 1 at 100.1 and short 1 at 99.9 with 19.9: at 90 and 108 there are 0.908 above maintenance, at 110 none."""
    paths = {
        BTC_SWAP: [(0, "100"), (1_000, "96"), (2_000, "92"), (3_000, "90"), (4_000, "88")],
        ETH_SWAP: [(0, "100"), (1_500, "104"), (2_500, "108"), (3_500, "110"), (4_500, "112")],
    }
    life = Life(paths, markets=(SWAP, OTHER_SWAP), options=SimulatedOptions(every_tick=every_tick), wallet="20")
    life.run(long_and_short)
    lost = [what for _, what in life.listener.heard if isinstance(what, Liquidation)]
    assert [(one.symbol, one.at_ms, one.price) for one in lost] == [
        (BTC_SWAP, 3_500, D(90)),
        (ETH_SWAP, 3_500, D(110)),
    ]
    assert life.exchange.matching.totals() == {"USDT": D(20)}


@pytest.mark.parametrize("every_tick", [False, True])
def test_funding_looks_at_every_price_of_a_shared_wallet(every_tick: bool) -> None:
    """Of the same two at 91 and 108.6 there are 1.3016 above maintenance: 1.82 of funding is the end of both."""
    paths = {
        BTC_SWAP: [(0, "100"), (1_000, "91"), (90_000, "91")],
        ETH_SWAP: [(0, "100"), (1_500, "108.6"), (90_000, "108.6")],
    }
    matching = MatchingOptions(funding=FundingRates(rate=D("0.02")))
    options = SimulatedOptions(every_tick=every_tick, matching=matching)
    life = Life(paths, markets=(MINUTE, replace(MINUTE, symbol=ETH_SWAP, base="ETH")), options=options, wallet="20")
    life.run(long_and_short)
    assert life.news()[4:] == [
        (60_025, "funding", "-1.82000000"),
        (60_025, "liquidation", "108.6"),
        (60_025, "liquidation", "91"),
    ]


@pytest.mark.parametrize("every_tick", [False, True])
def test_what_is_free_is_worked_out_at_prices_that_went_by_unseen(every_tick: bool) -> None:
    """Long 1 at 100.1 with 5.005 of margin and 0.05005 of fee; at 97 cross has lost 3.1 more."""
    life = Life(
        {BTC_SWAP: [(0, "100"), (1_000, "97"), (9_000, "100")]}, options=SimulatedOptions(every_tick=every_tick)
    )

    async def look(exchange: SimulatedExchange) -> None:
        await exchange.set_leverage(BTC_SWAP, D(20), CROSS)
        await exchange.place(swap_order("a", BUY, "100.1"))
        await anyio.sleep_until(2)
        assert (await exchange.fetch_balances())["USDT"].free == D(1_000) - D("0.05005") - D("5.005") - D("3.1")

    life.run(look)


@dataclass(frozen=True)
class Deed:
    """What the owner does at a time, and its name."""

    at_ms: int
    do: Callable[[SimulatedExchange], Awaitable[object]]


def random_deeds(dice: random.Random) -> list[Deed]:
    deeds = []
    for number in range(40):
        symbol = dice.choice((BTC, BTC_SWAP, ETH_SWAP))
        request = swap_order(
            f"o{number}",
            dice.choice(list(Side)),
            str(D(dice.randrange(850, 1_150)) / 10),
            str(dice.randrange(1, 4)),
            symbol=symbol,
            reduce_only=symbol != BTC and dice.random() < 0.2,
        )
        mode, leverage = dice.choice(list(MarginMode)), D(dice.choice((5, 20, 50)))
        swap, target = dice.choice((BTC_SWAP, ETH_SWAP)), f"o{dice.randrange(number + 1)}"
        acts: list[Callable[[SimulatedExchange], Awaitable[object]]] = [
            *[lambda exchange, request=request: exchange.place(request)] * 5,
            lambda exchange, symbol=symbol, target=target: exchange.cancel(symbol, target),  # type: ignore[misc]
            lambda exchange: exchange.fetch_positions(),
            lambda exchange: exchange.fetch_balances(),
            lambda exchange, swap=swap, terms=(leverage, mode): exchange.set_leverage(swap, *terms),  # type: ignore[misc]
        ]
        deeds.append(Deed(at_ms=dice.randrange(0, 90) * 50, do=dice.choice(acts)))
    return sorted(deeds, key=lambda deed: deed.at_ms)


def random_paths(dice: random.Random) -> dict[str, Path_]:
    """Walks around 100 whose rows share instants with each other, with requests and with funding."""
    paths: dict[str, Path_] = {}
    for symbol in (BTC, BTC_SWAP, ETH_SWAP):
        at_ms, tenths, path = 0, 1_000, []
        for _ in range(70):
            path.append((at_ms, str(D(tenths) / 10)))
            at_ms += dice.choice((0, 5, 25, 50, 100, 200))
            tenths = max(tenths + dice.randrange(-20, 21), 10)
        paths[symbol] = path
    return paths


def live(seed: int, *, every_tick: bool) -> tuple[Life, list[object]]:
    """All that is heard and answered in a life of random deeds on random walks, and how it ends."""
    dice = random.Random(seed)
    rules = replace(RULES, funding_interval_ms=3_000)
    matching = MatchingOptions(seed=seed, funding=FundingRates(spread=D("0.01"), seed=seed))
    life = Life(
        random_paths(dice),
        markets=(replace(MARKET, tick_size=D("0.1")), replace(SWAP, swap=rules), replace(OTHER_SWAP, swap=rules)),
        options=SimulatedOptions(matching=matching, every_tick=every_tick),
        wallet="60",
    )
    answers: list[object] = []

    async def script(exchange: SimulatedExchange) -> None:
        for swap in (BTC_SWAP, ETH_SWAP):
            await exchange.set_leverage(swap, D(20), CROSS)
        for deed in random_deeds(dice):
            await anyio.sleep_until(max(deed.at_ms, life.clock.now_ms()) / 1_000)
            try:
                answers.append(await deed.do(exchange))
            except Rejected as error:
                answers.append(str(error))

    life.run(script)
    return life, answers


@settings(max_examples=max(settings().max_examples // 10, 4))
@given(seed=st.integers(0, 10**9))
def test_a_run_that_stops_only_where_something_happens_equals_one_that_stops_at_every_row(seed: int) -> None:
    quiet, quiet_answers = live(seed, every_tick=False)
    every, every_answers = live(seed, every_tick=True)
    assert quiet_answers == every_answers
    assert quiet.listener.heard == every.listener.heard
    assert quiet.exchange.matching.state() == every.exchange.matching.state()
    assert quiet.exchange.matching.positions() == every.exchange.matching.positions()


def test_such_runs_pass_rows_unseen_and_lose_positions() -> None:
    stops = rows = lost = funded = 0
    for seed in range(12):
        life, _ = live(seed, every_tick=False)
        stops += sum(source.stops for source in life.sources.values())
        rows += sum(len(source.ticks) for source in life.sources.values())
        heard = [what for _, what in life.listener.heard]
        lost += sum(isinstance(what, Liquidation) for what in heard)
        funded += sum(isinstance(what, FundingPayment) for what in heard)
    assert stops < rows / 3
    assert lost > 2
    assert funded > 10
