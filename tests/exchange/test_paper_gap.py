"""What a market did while nobody listened: from trades, from candles, and what is said when neither tells."""

from decimal import Decimal

import pytest

from engine.exchange.paper_gap import Told, tell_gap
from engine.model.errors import Rejected, SettingsInvalid, Transient
from engine.model.market import Market
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.paper_bench import START_MS
from tests.exchange.paper_feed import HandFeed, a_candle
from tests.exchange.simulated_builders import BTC, MARKET
from tests.exchange.swap_builders import BTC_SWAP, SWAP

D = Decimal
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Gap:
    """A market that traded while nobody listened, from ``START_MS`` on."""

    def __init__(self, market: Market = MARKET) -> None:
        self.market = market
        self.clock = VirtualClock(start_ms=START_MS)
        self.feed = HandFeed(market, now_ms=self.clock.now_ms)

    def trades(self, *trades: tuple[int, str]) -> None:
        """When after the start, at which price."""
        for at_ms, price in trades:
            self.feed.trade(self.market.symbol, price, at_ms=START_MS + at_ms)

    def candles(self, *candles: tuple[int, float, float, float, float]) -> None:
        """Which minute after the start's, open, high, low, close."""
        self.feed.candles[self.market.symbol] = [
            a_candle(START_MS + minute * MINUTE_MS, *prices) for minute, *prices in candles
        ]

    def told(self, *, after_ms: int, from_ms: int = 0) -> Told:
        """What is found ``after_ms`` of a gap that began at ``from_ms``."""
        self.clock.advance(after_ms / 1_000)
        found: list[Told] = []

        async def ask() -> None:
            found.append(await tell_gap(self.feed, self.market, from_ms=START_MS + from_ms, now_ms=self.clock.now_ms()))

        run_on(self.clock, ask)
        return found[0]

    def rows(self, told: Told) -> list[tuple[int, str]]:
        """Times after the start, and prices."""
        return [(at_ms - START_MS, str(price.normalize())) for at_ms, price in told.rows]


def unknown(from_text: str, until_text: str) -> str:
    return (
        f"{BTC}: what it traded at from 2023-11-15T{from_text}Z to 2023-11-15T{until_text}Z is not known; "
        "what would have filled then has not"
    )


def test_a_short_gap_is_told_by_its_trades_alone() -> None:
    gap = Gap()
    gap.trades((0, "100"), (500, "98.5"), (900, "101"))
    told = gap.told(after_ms=2_000)
    assert gap.rows(told) == [(0, "1E+2"), (500, "98.5"), (900, "101")]
    assert told.notices == ()
    assert gap.feed.asked == ["trades"]


def test_a_market_that_did_not_trade_has_nothing_to_tell() -> None:
    gap = Gap()
    assert gap.told(after_ms=60_000) == Told(rows=(), notices=())


@pytest.mark.parametrize("page_max", [50, 64, 1_000])
def test_pages_of_trades_are_read_to_the_end_and_none_is_told_twice_or_left_out(page_max: int) -> None:
    gap = Gap()
    gap.feed.page_max = page_max
    prices = [(index // 3, str(100 + index)) for index in range(400)]
    gap.trades(*prices)
    told = gap.told(after_ms=2_000)
    assert [price for _, price in told.rows] == [D(100 + index) for index in range(400)]
    assert told.notices == ()


def test_trades_that_do_not_reach_back_are_completed_by_candles() -> None:
    gap = Gap()
    gap.feed.tells_newest_page, gap.feed.page_max = True, 50
    gap.trades((1_000, "90"), *((130_000 + index, "99") for index in range(50)))
    gap.candles((0, 100, 100, 90, 95), (1, 95, 97, 94, 96), (2, 96, 99, 96, 99))
    told = gap.told(after_ms=200_000)
    rows = gap.rows(told)
    assert rows[:6] == [(0, "1E+2"), (0, "9E+1"), (59_999, "95"), (60_000, "94"), (60_000, "97"), (119_999, "96")]
    assert [price for _, price in rows[6:]] == ["96", "99", *["99"] * 50, "99"]
    assert told.notices == ()


def test_what_neither_trades_nor_candles_tell_is_said() -> None:
    gap = Gap()
    gap.feed.tells_newest_page, gap.feed.page_max = True, 50
    gap.trades((1_000, "90"), *((20_000 + index, "99") for index in range(50)))
    told = gap.told(after_ms=30_000)
    assert {price for _, price in gap.rows(told)} == {"99"}
    assert told.notices == (unknown("00:00:00.000", "00:00:20.000"),)


def test_a_long_gap_is_told_by_candles_and_its_end_by_trades() -> None:
    gap = Gap()
    gap.candles(*((minute, 100.0, 101.0, 99.0, 100.5) for minute in range(180)))
    gap.trades((3 * HOUR_MS - 10_000, "98"), (3 * HOUR_MS + 5_000, "97"))
    told = gap.told(after_ms=3 * HOUR_MS + 10_000)
    assert len(told.rows) == 179 * 3 + 2
    assert gap.rows(told)[-1] == (3 * HOUR_MS + 5_000, "97")
    assert told.notices == ()


def test_a_gap_longer_than_the_history_says_from_when_it_knows() -> None:
    gap = Gap()
    gap.candles(*((minute, 100.0, 101.0, 99.0, 100.5) for minute in range(60, 180)))
    told = gap.told(after_ms=3 * HOUR_MS)
    assert gap.rows(told)[0] == (HOUR_MS, "99")
    assert told.notices == (unknown("00:00:00.000", "01:00:00.000"),)


def test_a_minute_without_a_candle_between_two_others_had_no_trade() -> None:
    gap = Gap()
    gap.candles((0, 100, 100, 100, 100), (7, 101, 101, 101, 101), (8, 101, 101, 101, 101), (9, 101, 101, 101, 101))
    told = gap.told(after_ms=10 * MINUTE_MS)
    assert told.notices == ()


@pytest.mark.parametrize(
    ("opened", "close", "expected"),
    [(100.0, 101.0, ["9E+1", "1.1E+2", "101"]), (101.0, 100.0, ["1.1E+2", "9E+1", "1E+2"])],
)
def test_a_candle_goes_first_to_the_extreme_that_it_came_from(opened: float, close: float, expected: list[str]) -> None:
    gap = Gap()
    gap.candles((8, opened, 110, 90, close), (9, 100, 100, 100, 100))
    told = gap.told(after_ms=10 * MINUTE_MS, from_ms=7 * MINUTE_MS - 300_000)
    assert [price for _, price in gap.rows(told)][:3] == expected


def test_of_a_swap_the_extremes_of_the_first_minute_are_left_out() -> None:
    gap = Gap(SWAP)
    gap.candles(
        (0, 100, 200, 50, 101), (1, 101, 102, 99, 100), *((minute, 100, 100, 100, 100) for minute in range(2, 10))
    )
    told = gap.told(after_ms=10 * MINUTE_MS, from_ms=20_000)
    assert gap.rows(told)[:4] == [(59_999, "101"), (60_000, "102"), (60_000, "99"), (119_999, "1E+2")]
    assert gap.market.symbol == BTC_SWAP


def test_what_is_no_price_is_no_row() -> None:
    gap = Gap()
    gap.trades((100, "0"), (200, "-1"), (300, "NaN"), (400, "0.0001"), (500, "1E+300"), (600, "99.999"))
    assert gap.rows(gap.told(after_ms=1_000)) == [(600, "1E+2")]


def test_trades_from_before_and_from_the_future_are_none() -> None:
    gap = Gap()
    gap.feed.trades[BTC] = [(START_MS - 1, D(1), D(1)), (START_MS + 10, D(99), D(1)), (START_MS + HOUR_MS, D(2), D(1))]

    async def everything(symbol: str, since_ms: int) -> list[tuple[int, Decimal, Decimal]]:
        return gap.feed.trades[symbol]

    gap.feed.fetch_public_trades = everything  # type: ignore[method-assign]
    assert gap.rows(gap.told(after_ms=1_000)) == [(10, "99")]


def test_what_is_transient_is_asked_again_after_its_time() -> None:
    gap = Gap()
    gap.trades((500, "99"))
    gap.feed.failures["trades"] = [Transient("busy", retry_after_seconds=7), Transient("busy", retry_after_seconds=9)]
    told = gap.told(after_ms=1_000)
    assert gap.rows(told) == [(500, "99")]
    assert gap.clock.seconds == 17
    assert told.notices == ()


def test_trades_that_cannot_be_had_are_told_by_candles_as_far_as_they_go() -> None:
    gap = Gap()
    gap.trades((500, "90"))
    gap.feed.failures["trades"] = [Rejected("not supported\x1b[2J")]
    gap.candles((0, 100, 100, 90, 95), (1, 95, 97, 94, 96))
    told = gap.told(after_ms=150_000)
    assert gap.rows(told)[-1] == (119_999, "96")
    assert told.notices == (
        "BTC/USDT: its trades cannot be asked for: not supported<U+001B>[2J",
        unknown("00:02:00.000", "00:02:30.000"),
    )


def test_an_exchange_that_tells_nothing_leaves_the_whole_gap_unknown() -> None:
    gap = Gap()
    gap.feed.failures = {"trades": [Transient("down")] * 5, "candles": [SettingsInvalid("no candles of 1m")]}
    told = gap.told(after_ms=90_000)
    assert told.rows == ()
    assert told.notices == (
        "BTC/USDT: its trades cannot be asked for: down",
        "BTC/USDT: its candles cannot be asked for: no candles of 1m",
        unknown("00:00:00.000", "00:01:30.000"),
    )


def test_a_clock_behind_the_exchanges_asks_for_no_gap_of_negative_length() -> None:
    gap = Gap()
    gap.feed.failures["trades"] = [Rejected("no")]
    told = gap.told(after_ms=1_000, from_ms=30_000)
    assert told.rows == ()
    assert told.notices == ("BTC/USDT: its trades cannot be asked for: no", unknown("00:00:30.000", "00:00:30.000"))
