"""The simulated exchange's own books: what an engine that starts again meets."""

import random
from collections.abc import Awaitable, Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import anyio
import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exchange.matching import MatchingEngine, MatchingOptions
from engine.exchange.port import Balance
from engine.exchange.prices import PriceSource
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import BOOKS_NAME, Books, DurableBooks, NullBooks, open_books
from engine.exchange.synthetic import SyntheticSource
from engine.model.errors import DuplicateOrder, JournalFailed, OrderNotFound, Rejected, SettingsInvalid
from engine.model.order import OrderReport, OrderStatus, Side
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.simulated_builders import (
    BALANCES,
    BTC,
    MARKET,
    Diary,
    ListSource,
    brief,
    buy,
    make_engine,
    make_request,
    sell,
)

D = Decimal
PATH = [(0, "100"), (1_000, "98"), (2_000, "101"), (60_000, "97"), (90_000, "103")]
WHOLE = MatchingOptions()
PARTIAL = MatchingOptions(partial_fill_chance=D(1), seed=1)


class Life:
    """One life of an exchange on given books, from its start to a sudden end."""

    def __init__(self, books: Books, source: PriceSource | None = None, matching: MatchingOptions = WHOLE) -> None:
        self.clock = VirtualClock(start_ms=0)
        self.diary = Diary()
        self.diary.now_ms = self.clock.now_ms
        self.books = books
        self.exchange = SimulatedExchange(
            markets={BTC: MARKET},
            sources={BTC: source or ListSource(PATH)},
            balances=BALANCES,
            now_ms=self.clock.now_ms,
            options=SimulatedOptions(matching=matching),
            books=books,
        )
        self.clock.start_at(self.exchange.start_ms)

    def run(self, script: Callable[[SimulatedExchange], Awaitable[None]]) -> None:
        """Stream beside a script, and die when it ends."""

        async def both() -> None:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self.exchange.run, self.diary)
                await script(self.exchange)
                tasks.cancel_scope.cancel()

        run_on(self.clock, both)


async def trade_a_little(exchange: SimulatedExchange) -> None:
    """One order filled, one cancelled, two open; ends at 1 500 ms."""
    await exchange.place(buy("filled", "99", "2"))
    await exchange.place(buy("canceled", "90"))
    await exchange.place(buy("open", "97.5", "3"))
    await exchange.place(sell("foreign-7", "102"))
    await exchange.cancel(BTC, "canceled")
    await anyio.sleep_until(1.5)


def truth(engine: MatchingEngine) -> tuple[object, ...]:
    return (
        engine.balances(),
        engine.totals(),
        engine.fees(),
        engine.open_orders(BTC),
        engine.last_price(BTC),
        engine.quiet_band(BTC),
        engine.state(),
    )


def test_a_killed_exchange_is_met_as_it_was(tmp_path: Path) -> None:
    first = Life(open_books(tmp_path))
    first.run(trade_a_little)
    first.books.close()

    second = Life(open_books(tmp_path))

    assert truth(second.exchange.matching) == truth(first.exchange.matching)
    assert second.exchange.start_ms == 1_000
    assert second.exchange.matching.balances() == {
        "BTC": Balance(free=D("10.998"), locked=D(1)),
        "USDT": Balance(free=D("9509.5"), locked=D("292.5")),
    }
    second.books.close()


def test_the_market_goes_on_from_where_it_was(tmp_path: Path) -> None:
    first = Life(open_books(tmp_path))
    first.run(trade_a_little)
    first.books.close()
    second = Life(open_books(tmp_path))

    async def until_the_end(exchange: SimulatedExchange) -> None:
        await anyio.sleep(120)

    second.run(until_the_end)
    assert second.diary.prices == [
        (1_000, "98"),
        (2_000, "101"),
        (60_000, "97"),
        (90_000, "103"),
    ]
    assert second.diary.heard() == [
        (60_025, "open", OrderStatus.FILLED, "3"),
        (90_025, "foreign-7", OrderStatus.FILLED, "1"),
    ]
    (buying, selling) = (report.fills[0] for _, report in second.diary.reports)
    assert (buying.trade_id, selling.trade_id) == ("2", "3")
    second.books.close()


def test_closed_orders_can_be_asked_for_and_their_ids_are_used_after_a_restart(tmp_path: Path) -> None:
    first = Life(open_books(tmp_path))
    first.run(trade_a_little)
    first.books.close()
    second = Life(open_books(tmp_path))

    async def ask(exchange: SimulatedExchange) -> None:
        filled = await exchange.fetch_order(BTC, "filled")
        assert filled == first.diary.reports[-1][1]
        assert brief(await exchange.fetch_order(BTC, "canceled")) == ("canceled", OrderStatus.CANCELED, "0")
        for client_order_id in ("filled", "canceled", "open"):
            with pytest.raises(DuplicateOrder, match=f"duplicate client order id {client_order_id}"):
                await exchange.place(buy(client_order_id, "50"))
        with pytest.raises(OrderNotFound):
            await exchange.fetch_order(BTC, "never")
        with pytest.raises(OrderNotFound):
            await exchange.fetch_order("ETH/USDT", "filled")

    second.run(ask)
    second.books.close()


def test_a_closed_order_that_memory_forgot_is_found_in_the_books(tmp_path: Path) -> None:
    life = Life(open_books(tmp_path), matching=MatchingOptions(closed_orders_kept=0))

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "90"))
        canceled = await exchange.cancel(BTC, "a")
        assert await exchange.fetch_order(BTC, "a") == canceled

    life.run(script)
    life.books.close()


def test_the_fills_of_a_part_filled_order_are_kept(tmp_path: Path) -> None:
    first = Life(open_books(tmp_path), matching=PARTIAL)

    async def fill_twice(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "99.5", "0.500"))
        await anyio.sleep_until(70)

    first.run(fill_twice)
    first.books.close()
    (kept,) = first.exchange.matching.open_orders(BTC)
    assert len(kept.fills) == 2
    second = Life(open_books(tmp_path), matching=PARTIAL)
    assert second.exchange.matching.open_orders(BTC) == (kept,)
    second.books.close()


def test_closing_in_order_keeps_the_time_and_the_quiet_rows_passed(tmp_path: Path) -> None:
    first = Life(open_books(tmp_path))

    async def sleep(_: SimulatedExchange) -> None:
        await anyio.sleep(30)

    first.run(sleep)
    first.exchange.close()
    second = Life(open_books(tmp_path))
    assert second.exchange.start_ms == 30_000
    assert second.exchange.matching.last_price(BTC) == D(101)
    second.exchange.close()


def test_a_synthetic_market_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    def source() -> SyntheticSource:
        return SyntheticSource(symbol=BTC, seed=7, start_price=D(100), tick_size=MARKET.tick_size)

    async def listen(_: SimulatedExchange) -> None:
        await anyio.sleep(20.2)

    whole = Life(NullBooks(), source())
    for _ in range(2):
        whole.run(listen)
    prices: list[str] = []
    for _ in range(2):
        life = Life(open_books(tmp_path), source())
        life.run(listen)
        life.exchange.close()
        prices.extend(price for _, price in life.diary.prices)
    assert prices == [price for _, price in whole.diary.prices]
    assert len(prices) == 42


@settings(max_examples=max(settings().max_examples // 10, 10))
@given(seed=st.integers(0, 10**6))
def test_an_exchange_killed_after_any_step_goes_on_as_if_nothing_had_happened(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dice = random.Random(seed)
    folder = tmp_path_factory.mktemp("books")
    options = MatchingOptions(partial_fill_chance=D("0.4"), seed=seed)
    steadfast = make_engine(options=options, last=None)
    reborn = make_engine(options=options, last=None)
    source = ListSource(PATH)
    for number in range(25):
        step = random_step(dice, number)
        assert step(steadfast) == step(reborn)
        books = open_books(folder)
        books.save(at_ms=number, matching=reborn, source=source)
        books.close()
        steadfast.take_changes()
        reborn = make_engine(options=options, last=None)
        books = open_books(folder)
        kept = books.load()
        assert kept is not None
        assert kept.at_ms == number
        reborn.restore(kept.matching, kept.open_orders, kept.used_ids)
        books.close()
        assert truth(reborn) == truth(steadfast)


def random_step(dice: random.Random, number: int) -> Callable[[MatchingEngine], object]:
    """Something done to an engine, and what came of it."""
    kind = dice.choice(("place", "place", "trade", "cancel"))
    price = D(dice.randrange(9_900, 10_100)) / 100
    request = make_request(f"o{number}", dice.choice(list(Side)), str(price), str(dice.randrange(51, 900) * D("0.001")))
    target = f"o{dice.randrange(number + 1)}"

    def step(engine: MatchingEngine) -> tuple[OrderReport, ...] | OrderReport | str:
        try:
            if kind == "place":
                return engine.place(request, number)
            if kind == "cancel":
                return engine.cancel(BTC, target, number)
            return engine.trade(BTC, price, number)
        except Rejected as error:
            return str(error)

    return step


# Damage


def kept_books(folder: Path) -> Path:
    life = Life(open_books(folder))
    life.run(trade_a_little)
    life.books.close()
    return folder / BOOKS_NAME


def expect_refusal(folder: Path, *words: str) -> None:
    with pytest.raises(SettingsInvalid) as caught, closing(open_books(folder)) as books:
        Life(books)
    for word in (str(folder / BOOKS_NAME), "--fresh", *words):
        assert word in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / BOOKS_NAME).write_text("ts_ms,price,amount\n" * 100)
    expect_refusal(tmp_path, "file is not a database")


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    with apsw.Connection(str(tmp_path / BOOKS_NAME)) as connection:
        connection.execute("CREATE TABLE state (id INTEGER)")
    connection.close()
    expect_refusal(tmp_path, "expected books of a simulated exchange, version 1, found application 0")


def test_books_of_another_version_are_refused(tmp_path: Path) -> None:
    alter(kept_books(tmp_path), "PRAGMA user_version = 2")
    expect_refusal(tmp_path, "version 2")


def test_torn_books_are_refused(tmp_path: Path) -> None:
    path = kept_books(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    expect_refusal(tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE state SET content = '{}'", "matching"),
        ("UPDATE state SET content = substr(content, 1, 90)", "truncated"),
        ("UPDATE orders SET price = 'many' WHERE client_order_id = 'open'", "Invalid decimal"),
        ("UPDATE orders SET status = 'lost' WHERE client_order_id = 'open'", "orders bind"),
        ("UPDATE orders SET locked = '1' WHERE client_order_id = 'open'", "orders bind 1 USDT, but 292.5"),
        ("UPDATE orders SET symbol = 'ETH/USDT' WHERE client_order_id = 'open'", "ETH/USDT, which is gone"),
    ],
)
def test_damaged_books_are_refused_with_what_is_wrong(tmp_path: Path, damage: str, words: str) -> None:
    alter(kept_books(tmp_path), damage)
    expect_refusal(tmp_path, words)


def test_books_of_other_prices_are_refused(tmp_path: Path) -> None:
    kept_books(tmp_path)
    books = open_books(tmp_path)
    with pytest.raises(SettingsInvalid, match=r"exchange\.db: expected a position in 1 rows, found .* --fresh"):
        Life(books, ListSource([(0, "1")]))
    books.close()


def test_books_in_use_by_another_engine_are_refused(tmp_path: Path) -> None:
    first = Life(open_books(tmp_path))
    first.run(trade_a_little)
    expect_refusal(tmp_path, "locked")
    first.books.close()


def test_books_that_cannot_be_written_stop_the_exchange(tmp_path: Path) -> None:
    books = open_books(tmp_path)
    life = Life(books)
    life.run(trade_a_little)
    limit_pages(books)

    async def go_on(exchange: SimulatedExchange) -> None:
        for index in range(1_000):
            await exchange.place(buy(f"more-{index}", "50", "0.100"))
            await exchange.cancel(BTC, f"more-{index}")
            await anyio.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        life.run(go_on)
    assert caught.group_contains(JournalFailed, match=r"exchange\.db cannot be written: .*full")
    books.close()


def limit_pages(books: DurableBooks) -> None:
    """As if the disk were nearly full."""
    connection = books._connection
    connection.execute(f"PRAGMA max_page_count = {connection.pragma('page_count') + 2}")


def alter(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()


def test_without_books_an_exchange_begins_anew() -> None:
    books = NullBooks()
    assert books.load() is None
    assert books.find_order("a") is None
    life = Life(books)
    life.run(trade_a_little)
    assert life.exchange.matching.take_changes() == ()
    life.exchange.close()
