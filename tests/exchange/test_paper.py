"""Paper trading while the market is heard: live prices drive our own matching."""

import ast
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from engine.exchange.matching import FillModel, MatchingOptions
from engine.exchange.paper import PaperExchange, PaperOptions, open_paper
from engine.exchange.paper_source import PriceFault
from engine.model.actions import QuietBand
from engine.model.errors import SettingsInvalid, Transient
from engine.model.order import OrderStatus
from engine.model.snapshot import Connection
from tests.exchange.paper_bench import START_MS, PaperBench, pause
from tests.exchange.paper_feed import a_candle
from tests.exchange.simulated_builders import BTC, MARKET, brief, buy

D = Decimal
OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED
CONNECTED, DISCONNECTED = Connection.CONNECTED, Connection.DISCONNECTED
TOUCH = MatchingOptions(fill=FillModel.TOUCH)
HOUR_MS = 3_600_000


def test_live_prices_fill_orders_by_the_real_markets_rules_and_fees() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.trade("99")
        bench.trade("98.99")
        await pause()
        (own,) = await exchange.fetch_fills(BTC, 0)
        assert (own.fill.price, own.fill.amount, own.fill.fee, own.fill.fee_currency) == (
            D(99),
            D(1),
            D("0.001"),
            "BTC",
        )
        assert (await exchange.fetch_balances())["USDT"].free == D(10_000 - 99)

    bench.live(script)
    assert bench.told() == ["100", "99", "98.99"]
    assert bench.diary.heard() == [(50, "a", OPEN, "0"), (75, "a", FILLED, "1")]
    assert bench.diary.connections == [(0, CONNECTED)]


def test_a_fee_that_is_configured_stands_above_the_markets() -> None:
    bench = PaperBench()
    options = replace(bench._options, maker_fee_rate=D("0.0005"), taker_fee_rate=D(0))
    bench.exchange = open_paper(options)

    async def script(exchange: PaperExchange) -> None:
        market = await exchange.fetch_market(BTC)
        assert (market.maker_fee_rate, market.taker_fee_rate) == (D("0.0005"), D(0))
        assert replace(market, maker_fee_rate=MARKET.maker_fee_rate, taker_fee_rate=MARKET.taker_fee_rate) == MARKET
        await exchange.place(buy("a", "99"))
        bench.trade("98")
        (own,) = await exchange.fetch_fills(BTC, 0)
        assert own.fill.fee == D("0.0005")

    bench.live(script)


def test_a_touch_fills_where_that_is_the_model() -> None:
    bench = PaperBench(matching=TOUCH)

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.trade("99")
        assert brief(await exchange.fetch_order(BTC, "a")) == ("a", FILLED, "1")

    bench.live(script)


def test_before_the_first_price_orders_rest() -> None:
    bench = PaperBench(first=None)

    async def script(exchange: PaperExchange) -> None:
        assert (await exchange.place(buy("a", "99"))).status is OPEN
        bench.trade("98")
        await pause()
        assert (await exchange.fetch_order(BTC, "a")).status is FILLED

    bench.live(script)
    assert bench.diary.connections == [(0, CONNECTED)]
    assert bench.told() == ["98"]


def test_quiet_prices_are_not_told_and_do_not_pile_up() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        exchange.set_quiet_band(BTC, "grid", QuietBand(D(90), D(110)))
        for step in range(1_000):
            bench.trade(95 + step % 10)
            await pause(0.01)
        source = exchange._sources[BTC]
        assert len(source._coming) == 0
        exchange.tell_prices()
        bench.trade("110")

    bench.live(script)
    assert bench.told() == ["100", "104", "110"]


def test_every_market_has_its_own_prices() -> None:
    other = replace(MARKET, symbol="ETH/USDT", base="ETH")
    bench = PaperBench(MARKET, other, balances={"USDT": D(10_000)})

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        await exchange.place(replace(buy("b", "99"), symbol="ETH/USDT"))
        bench.feed.trade("ETH/USDT", "90")
        assert (await exchange.fetch_order(BTC, "a")).status is OPEN
        assert (await exchange.fetch_order("ETH/USDT", "b")).status is FILLED

    bench.live(script)


def test_candles_are_the_real_markets() -> None:
    bench = PaperBench()
    candle = a_candle(START_MS - 60_000, 100, 101, 99, 100)
    bench.feed.candles[BTC] = [candle]

    async def script(exchange: PaperExchange) -> None:
        assert list(await exchange.fetch_candles(BTC, 60_000, 5)) == [candle]
        exchange.watch_candles(BTC, 60_000)
        bench.feed.tell_candle(BTC, candle, is_closed=True)
        bench.feed.breaks()
        bench.feed.tell_candle(BTC, candle, is_closed=True)

    bench.live(script)
    assert [heard[1:] for heard in bench.diary.candles] == [(60_000, candle, True)]


def test_a_symbol_that_is_not_traded_is_a_wrong_setting() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        with pytest.raises(SettingsInvalid, match=r"expected one of BTC/USDT, found ETH/USDT"):
            await exchange.fetch_market("ETH/USDT")

    bench.live(script)


def test_a_market_that_the_real_exchange_lacks_ends_the_opening() -> None:
    bench = PaperBench()
    exchange = open_paper(replace(bench._options, symbols=["NONE/SUCH"]))

    async def opening() -> None:
        with pytest.raises(SettingsInvalid, match="found NONE/SUCH"):
            await exchange.open()

    anyio.run(opening)


def test_opening_asks_once_however_many_want_it() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(exchange.open)

    bench.feed.answers_after["market"] = held = anyio.Event()
    held.set()
    bench.live(script)
    assert bench.feed.asked.count("market") == 1


def test_nothing_is_answered_before_the_stream_is_there() -> None:
    bench = PaperBench()

    async def ask() -> None:
        with pytest.raises(Transient, match="nothing was sent"):
            await bench.exchange.place(buy("a", "99"))
        with pytest.raises(Transient, match="the market cannot be heard"):
            await bench.exchange.fetch_balances()
        assert await bench.exchange.fetch_market(BTC) == MARKET

    anyio.run(ask)


# Prices that are none


@pytest.mark.parametrize(
    ("price", "fault"),
    [
        ("0", PriceFault.ABSURD),
        ("-5", PriceFault.ABSURD),
        ("NaN", PriceFault.ABSURD),
        ("sNaN", PriceFault.ABSURD),
        ("Infinity", PriceFault.ABSURD),
        ("0.001", PriceFault.ABSURD),
        ("1E-400", PriceFault.ABSURD),
        ("1E+400", PriceFault.ABSURD),
    ],
)
def test_a_hostile_price_is_refused_counted_and_said_once(price: str, fault: PriceFault) -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        for later_ms in (100, 200):
            bench.feed.tell(BTC, price, START_MS + later_ms)
        await pause()
        assert (await exchange.fetch_order(BTC, "a")).status is OPEN
        assert exchange.refused == {fault: 2}

    bench.live(script)
    assert bench.told() == ["100"]
    assert bench.notices() == [f"BTC/USDT: the price {D(price)} was refused: {fault}"]


def test_a_price_between_two_ticks_becomes_the_nearer() -> None:
    bench = PaperBench()

    async def script(_: PaperExchange) -> None:
        bench.feed.tell(BTC, "100.0149", START_MS + 1)
        bench.feed.tell(BTC, "100.0151" + "0" * 150 + "1", START_MS + 2)

    bench.live(script)
    assert bench.told() == ["100", "100.01", "100.02"]


def test_late_doubled_and_future_prices_move_nothing() -> None:
    bench = PaperBench()

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.feed.tell(BTC, "101", START_MS + 1_000)
        bench.feed.tell(BTC, "90", START_MS + 999)
        bench.feed.tell(BTC, "101", START_MS + 1_000)
        bench.feed.tell(BTC, "90", START_MS + 10 * HOUR_MS)
        bench.feed.tell(BTC, "102", START_MS + 1_000)
        assert exchange.refused == {PriceFault.OLD: 1, PriceFault.DOUBLED: 1, PriceFault.FUTURE: 1}
        assert (await exchange.fetch_order(BTC, "a")).status is OPEN

    bench.live(script)
    assert bench.told() == ["100", "101", "102"]
    assert bench.notices() == ["BTC/USDT: the price 90 was refused: from the future"]


def test_a_price_of_a_market_that_is_not_traded_is_ignored() -> None:
    bench = PaperBench()

    async def script(_: PaperExchange) -> None:
        bench.feed.tell("\x1b]52;;evil", "1", START_MS + 5)

    bench.live(script)
    assert bench.told() == ["100"]
    assert bench.notices() == []


def test_paper_trading_needs_no_client_library() -> None:
    for path in Path("engine/exchange").glob("paper*.py"):
        imported = {
            node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert not any(name.split(".")[0] in {"ccxt", "aiohttp"} for name in imported), path


def test_options_say_what_a_new_account_begins_with() -> None:
    options = PaperOptions(feed=PaperBench().feed, symbols=[BTC], balances={"USDT": D(5)}, now_ms=lambda: START_MS)
    exchange = open_paper(options)
    assert (exchange.name, exchange.start_ms, exchange.kept_orders) == ("paper on handmade", START_MS, None)
