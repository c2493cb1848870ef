"""The account's executions as they can be asked for: of any order, of any age, since any time."""

from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.exchange.simulated_books import Books, NullBooks, open_books
from engine.model.order import OwnFill, Side
from tests.exchange.bench import Bench
from tests.exchange.simulated_builders import BTC, buy, sell

D = Decimal
PATH = [(0, "100"), (1_000, "98"), (2_000, "103"), (3_000, "96"), (100_000, "100")]
MEMORIES = [MatchingOptions(), MatchingOptions(closed_orders_kept=0, fills_kept=1), MatchingOptions(fills_kept=2)]


def a_bench(books: Books, matching: MatchingOptions) -> Bench:
    return Bench(PATH, SimulatedOptions(matching=matching), books=books)


async def trade(exchange: SimulatedExchange) -> None:
    """Three fills: ours at 1 000, a foreign one at 2 000, ours in part at 3 000."""
    await exchange.place(buy("a", "99"))
    exchange.place_by_hand(sell("mine", "102"))
    await exchange.place(buy("b", "97", "0.500"))
    await exchange.place(buy("c", "50"))
    await anyio.sleep_until(4)


def brief(fills: tuple[OwnFill, ...] | list[OwnFill]) -> list[tuple[str, Side, int, str]]:
    return [(own.client_order_id, own.side, own.fill.at_ms, own.fill.trade_id) for own in fills]


A, MINE, B = (
    ("a", Side.BUY, 1_000, "1"),
    ("mine", Side.SELL, 2_000, "2"),
    ("b", Side.BUY, 3_000, "3"),
)


@pytest.mark.parametrize("matching", MEMORIES)
@pytest.mark.parametrize(
    ("since_ms", "expected"),
    [(0, [A, MINE, B]), (1_000, [A, MINE, B]), (1_001, [MINE, B]), (3_000, [B]), (3_001, [])],
)
def test_fills_since_a_time_are_found_however_little_memory_keeps(
    tmp_path: Path, matching: MatchingOptions, since_ms: int, expected: list[object]
) -> None:
    bench = a_bench(open_books(tmp_path), matching)

    async def script(exchange: SimulatedExchange) -> None:
        await trade(exchange)
        assert brief(list(await exchange.fetch_fills(BTC, since_ms))) == expected

    bench.run(script)
    bench.exchange.close()


@pytest.mark.parametrize("since_ms", [0, 2_000])
def test_fills_of_an_earlier_life_are_found_to_the_last_digit(tmp_path: Path, since_ms: int) -> None:
    first = a_bench(open_books(tmp_path), MatchingOptions())
    told: list[OwnFill] = []

    async def ask(exchange: SimulatedExchange) -> None:
        await trade(exchange)
        told.extend(await exchange.fetch_fills(BTC, since_ms))

    first.run(ask)
    first.exchange.close()
    second = a_bench(open_books(tmp_path), MatchingOptions())

    async def ask_again(exchange: SimulatedExchange) -> None:
        assert list(await exchange.fetch_fills(BTC, since_ms)) == told
        exchange.place_by_hand(buy("new", "200"))
        assert brief(list(await exchange.fetch_fills(BTC, since_ms)))[-2:] == [B, ("new", Side.BUY, 100_050, "4")]

    second.run(ask_again)
    second.exchange.close()


def test_without_books_only_the_newest_fills_are_remembered() -> None:
    bench = a_bench(NullBooks(), MatchingOptions(fills_kept=2))

    async def script(exchange: SimulatedExchange) -> None:
        await trade(exchange)
        assert brief(list(await exchange.fetch_fills(BTC, 0))) == [MINE, B]

    bench.run(script)


def test_a_fill_is_the_one_that_the_stream_told() -> None:
    bench = a_bench(NullBooks(), MatchingOptions(partial_fill_chance=D(1), seed=1))

    async def script(exchange: SimulatedExchange) -> None:
        await trade(exchange)
        told = [fill for _, report in bench.diary.reports for fill in report.fills]
        assert [own.fill for own in await exchange.fetch_fills(BTC, 0)] == told
        assert len(told) > 3

    bench.run(script)
