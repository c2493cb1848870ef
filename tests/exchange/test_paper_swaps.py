"""Paper trading of swaps: margin, and a funding clock of its own, in a gap too."""

from decimal import Decimal
from pathlib import Path

from engine.exchange.matching import FillModel, MatchingOptions
from engine.exchange.paper import PaperExchange
from engine.model.grid import MarginMode
from engine.model.order import OrderStatus, Side
from engine.model.snapshot import Connection
from engine.model.swap import FundingPayment
from tests.exchange.paper_bench import START_MS, PaperBench, pause
from tests.exchange.swap_builders import BTC_SWAP, SWAP, swap_order

D = Decimal
OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED
CONNECTED, DISCONNECTED = Connection.CONNECTED, Connection.DISCONNECTED
TOUCH = MatchingOptions(fill=FillModel.TOUCH)
HOUR_MS = 3_600_000


def test_a_swap_has_margin_and_a_funding_clock_of_its_own() -> None:
    bench = PaperBench(SWAP, balances={"USDT": D(1_000)})

    async def script(exchange: PaperExchange) -> None:
        await exchange.set_leverage(BTC_SWAP, D(10), MarginMode.CROSS)
        await exchange.place(swap_order("a", Side.BUY, "99"))
        bench.trade("98")
        await pause(8 * 3_600)
        position = (await exchange.fetch_positions())[BTC_SWAP]
        assert (position.amount, position.entry_price, position.leverage) == (D(1), D(99), D(10))
        (payment,) = await exchange.fetch_funding(BTC_SWAP, 0)
        assert (payment.amount, payment.mark_price) == (D("-0.0098"), D(98))

    bench.live(script)
    assert [type(news) for _, news in bench.diary.swap_news] == [FundingPayment]


def test_funding_in_a_gap_is_paid_at_the_price_of_its_time(tmp_path: Path) -> None:
    bench = PaperBench(SWAP, balances={"USDT": D(1_000)}, folder=tmp_path)

    async def first(exchange: PaperExchange) -> None:
        await exchange.place(swap_order("a", Side.BUY, "99"))
        bench.trade("98")
        await pause(8 * 3_600 - 60)

    async def second(exchange: PaperExchange) -> None:
        (payment,) = await exchange.fetch_funding(BTC_SWAP, 0)
        assert (payment.mark_price, payment.at_ms) == (D(97), START_MS + 8 * HOUR_MS)

    bench.live(first)
    bench.clock.advance(30)
    bench.trade("97")
    bench.clock.advance(60)
    bench.trade("120")
    bench.be_born_again()
    bench.live(second)


def test_a_position_that_was_lost_in_a_gap_is_lost(tmp_path: Path) -> None:
    bench = PaperBench(SWAP, balances={"USDT": D(100)}, folder=tmp_path)

    async def first(exchange: PaperExchange) -> None:
        await exchange.set_leverage(BTC_SWAP, D(10), MarginMode.CROSS)
        await exchange.place(swap_order("a", Side.BUY, "99", "8"))
        bench.trade("98")
        await pause(1)
        assert BTC_SWAP in await exchange.fetch_positions()

    async def second(exchange: PaperExchange) -> None:
        assert await exchange.fetch_positions() == {}
        (liquidation,) = await exchange.fetch_liquidations(BTC_SWAP, 0)
        assert (liquidation.price, liquidation.amount) == (D(80), D(-8))

    bench.live(first)
    bench.clock.advance(20)
    bench.trade("80")
    bench.clock.advance(20)
    bench.trade("100")
    bench.be_born_again()
    bench.live(second)
