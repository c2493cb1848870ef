"""Paper trading over several lives: the account is as it was left, and the market went on."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import anyio
import apsw
import pytest

from engine.exchange.matching import FillModel, MatchingOptions
from engine.exchange.paper import PaperExchange
from engine.exchange.simulated_books import BOOKS_NAME, open_books
from engine.model.actions import QuietBand
from engine.model.errors import JournalFailed, OrderNotFound, SettingsInvalid
from engine.model.order import OrderStatus
from engine.model.snapshot import Connection
from tests.exchange.paper_bench import START_MS, PaperBench, pause
from tests.exchange.simulated_builders import BTC, brief, buy

D = Decimal
OPEN, FILLED, CANCELED = OrderStatus.OPEN, OrderStatus.FILLED, OrderStatus.CANCELED
CONNECTED, DISCONNECTED = Connection.CONNECTED, Connection.DISCONNECTED
TOUCH = MatchingOptions(fill=FillModel.TOUCH)
HOUR_MS = 3_600_000


def test_everything_is_as_it_was_after_a_restart(tmp_path: Path) -> None:
    bench = PaperBench(folder=tmp_path)

    async def first(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        bench.trade("98")
        await exchange.place(buy("b", "95"))
        await exchange.place(buy("c", "94"))
        await exchange.cancel(BTC, "c")

    async def second(exchange: PaperExchange) -> None:
        assert [brief(r) for r in await exchange.fetch_open_orders(BTC)] == [("b", OPEN, "0")]
        assert brief(await exchange.fetch_order(BTC, "a")) == ("a", FILLED, "1")
        assert brief(await exchange.fetch_order(BTC, "c")) == ("c", CANCELED, "0")
        assert [own.client_order_id for own in await exchange.fetch_fills(BTC, 0)] == ["a"]
        balances = await exchange.fetch_balances()
        assert (balances["USDT"].free, balances["USDT"].locked) == (D(10_000 - 99 - 95), D(95))

    kept_of_none = bench.exchange.kept_orders
    bench.live(first)
    bench.be_born_again()
    assert (kept_of_none, bench.exchange.kept_orders) == (None, 3)
    bench.live(second)
    assert bench.diary.connections == [(bench.diary.connections[0][0], CONNECTED)]
    assert bench.told() == ["98"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_the_market_did_while_nobody_ran_has_happened(tmp_path: Path, is_killed: bool) -> None:
    bench = PaperBench(folder=tmp_path)

    async def first(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        await exchange.place(buy("b", "90"))

    async def second(exchange: PaperExchange) -> None:
        report = await exchange.fetch_order(BTC, "a")
        assert (report.status, report.fills[0].at_ms) == (FILLED, gone_ms)
        assert (await exchange.fetch_order(BTC, "b")).status is OPEN

    (bench.live_until_killed if is_killed else bench.live)(first)
    bench.clock.advance(30)
    bench.trade("95")
    gone_ms = bench.clock.now_ms()
    bench.clock.advance(30)
    bench.trade("101")
    bench.be_born_again()
    bench.live(second)
    assert bench.told() == ["101"]
    assert bench.diary.reports == []


def test_a_kill_in_the_middle_of_catching_up_fills_nothing_twice(tmp_path: Path) -> None:
    bench = PaperBench(folder=tmp_path)

    async def first(exchange: PaperExchange) -> None:
        for number in range(5):
            await exchange.place(buy(f"a{number}", str(99 - number)))

    async def nothing(exchange: PaperExchange) -> None:
        assert sum(own.fill.amount for own in await exchange.fetch_fills(BTC, 0)) == 4
        assert [own.client_order_id for own in await exchange.fetch_fills(BTC, 0)] == ["a0", "a1", "a2", "a3"]

    bench.live_until_killed(first)
    for price in ("98.50", "97.50", "96.50", "95.50"):
        bench.clock.advance(1)
        bench.trade(price)
    bench.be_born_again()
    books, left = bench.exchange._books, iter(range(2))
    keep = books.save

    def save_twice(**step: object) -> None:
        if next(left, None) is None:
            raise JournalFailed("killed")
        keep(**step)  # type: ignore[arg-type]

    books.save = save_twice  # type: ignore[method-assign]
    with pytest.raises(BaseExceptionGroup) as caught:
        bench.live_until_killed(nothing)
    assert caught.group_contains(JournalFailed, match="killed")
    books.close()
    bench.be_born_again()
    bench.live(nothing)


def test_the_newest_price_is_kept_though_it_was_quiet(tmp_path: Path) -> None:
    bench = PaperBench(folder=tmp_path)

    async def script(exchange: PaperExchange) -> None:
        exchange.set_quiet_band(BTC, "grid", QuietBand(D(90), D(110)))
        bench.trade("98")

    bench.live(script)
    books = open_books(tmp_path)
    kept = books.load()
    books.close()
    assert kept is not None
    assert kept.sources[BTC] == {
        "live": "handmade",
        "symbol": BTC,
        "price": "98",
        "at_ms": START_MS,
        "traded_ms": START_MS,
    }


def test_books_that_cannot_be_written_end_the_run(tmp_path: Path) -> None:
    bench = PaperBench(folder=tmp_path)

    async def script(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        exchange._books._connection.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]
        bench.trade("98")
        await anyio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        bench.live(script)
    assert caught.group_contains(JournalFailed, match="cannot be written")
    bench.exchange._books.close()


def test_an_account_is_begun_with_its_balances_only_once(tmp_path: Path) -> None:
    bench = PaperBench(folder=tmp_path, balances={"USDT": D(100)})

    async def first(exchange: PaperExchange) -> None:
        assert (await exchange.fetch_balances())["USDT"].free == 100

    async def second(exchange: PaperExchange) -> None:
        assert (await exchange.fetch_balances())["USDT"].free == 100

    bench.live(first)
    bench._options = replace(bench._options, balances={"USDT": D(999)})
    bench.be_born_again()
    bench.live(second)


def test_books_of_a_simulation_are_not_gone_on_with(tmp_path: Path) -> None:
    bench = PaperBench(folder=tmp_path)

    async def first(exchange: PaperExchange) -> None:
        await exchange.fetch_balances()

    bench.live(first)
    connection = apsw.Connection(str(tmp_path / BOOKS_NAME))
    connection.execute("UPDATE state SET content = replace(content, '\"live\"', '\"source\"')")
    connection.close()
    bench.be_born_again()
    with pytest.raises(
        SettingsInvalid, match="expected live prices of BTC/USDT on handmade, found those of a simulation"
    ):
        anyio.run(bench.exchange.open)
    bench.exchange._books.close()


def test_books_that_are_none_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / BOOKS_NAME).write_text("not a database, but long enough to be looked at as one")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        PaperBench(folder=tmp_path)


def test_an_exchange_that_was_opened_and_never_ran_leaves_its_books_alone(tmp_path: Path) -> None:
    bench = PaperBench(folder=tmp_path)

    async def open_and_close() -> None:
        await bench.exchange.open()
        await bench.exchange.close()

    anyio.run(open_and_close)
    books = open_books(tmp_path)
    assert books.load() is None
    books.close()


def test_a_clock_that_is_set_back_stops_nothing(tmp_path: Path) -> None:
    bench = PaperBench(folder=tmp_path)

    async def first(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))

    bench.live(first)
    bench.clock.start_at(START_MS - HOUR_MS)
    bench.feed.trades[BTC].clear()
    bench.be_born_again()
    kept = bench.exchange
    assert kept.start_ms > bench.clock.now_ms()

    async def later(exchange: PaperExchange) -> None:
        bench.feed.tell(BTC, "98", START_MS + 10_000)
        await pause(1)
        assert (await exchange.fetch_order(BTC, "a")).status is FILLED
        assert (await exchange.place(buy("b", "97"))).status is OPEN

    bench.live(later)


def test_a_cancelled_run_can_be_begun_again() -> None:
    bench = PaperBench()

    async def first(exchange: PaperExchange) -> None:
        await exchange.place(buy("a", "99"))
        exchange.set_quiet_band(BTC, "grid", QuietBand(D(1), D(1_000)))

    async def die() -> None:
        return None

    bench._live(first, die)
    bench.clock.advance(10)
    bench.trade("98")

    async def second(exchange: PaperExchange) -> None:
        assert (await exchange.fetch_order(BTC, "a")).status is FILLED
        with pytest.raises(OrderNotFound):
            await exchange.cancel(BTC, "a")
        bench.trade("97")

    bench.live(second)
    assert bench.told() == ["98", "97"]
