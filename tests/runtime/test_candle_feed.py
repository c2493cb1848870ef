"""The feed of candles: history and stream in one, in order, exactly once, whatever the exchange does meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.errors import OutcomeUnknown, Rejected, Transient
from engine.model.regime import Candle
from engine.model.snapshot import Connection
from engine.runtime.candle_feed import RETRY_SECONDS_MAX, CandleFeed, interval_text
from engine.runtime.executor import REQUEST_LIFE_SECONDS
from tests.runtime.candle_builders import (
    BTC,
    INFO,
    MINUTE_MS,
    WARNING,
    Scene,
    a_candle,
    minute_of,
    minutes,
    settled,
)

CONFIRMED = "kline subscription confirmed: BTC/USDT 1m, 5 candles loaded, first live candle 12:03"


class FeedScene(Scene):
    """One feed of one-minute candles with a history of five, and what it hands on."""

    def __init__(self, candles: Iterable[Candle] = (), *, interval_ms: int = MINUTE_MS, history: int = 5) -> None:
        super().__init__(candles)
        self.batches: list[list[int]] = []
        self.feed = CandleFeed(
            BTC,
            interval_ms,
            history=history,
            exchange=self.exchange.port,
            clock=self.clock,
            take=self._take,
            tell=self.tell,
        )

    def _take(self, candles: Sequence[Candle]) -> None:
        self.batches.append([minute_of(candle) for candle in candles])

    @property
    def taken(self) -> list[int]:
        """The minutes of all candles that were handed on."""
        return [minute for batch in self.batches for minute in batch]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[CandleFeed]:
        """The feed at work, with everything done that happens at once."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.feed.run)
            await settled()
            yield self.feed
            tasks.cancel_scope.cancel()

    def play(self, script: Callable[[CandleFeed], Awaitable[None]]) -> None:
        """Run the feed with ``script`` beside it."""

        async def life() -> None:
            async with self.running() as feed:
                await script(feed)

        self.run(life)

    def exchange_has(self, *candles: Candle) -> None:
        self.exchange.candles[BTC].extend(candles)


@pytest.mark.parametrize(
    "interval_ms, text",
    [(60_000, "1m"), (900_000, "15m"), (3_600_000, "1h"), (14_400_000, "4h"), (86_400_000, "1d"), (5_400_000, "90m")],
)
def test_an_interval_is_told_in_its_largest_whole_unit(interval_ms: int, text: str) -> None:
    assert interval_text(interval_ms) == text


def test_seed_002_5_a_subscription_is_confirmed_with_what_was_loaded_and_the_first_live_candle() -> None:
    scene = FeedScene(minutes(-97, 2), history=100)

    async def script(feed: CandleFeed) -> None:
        assert scene.told == []
        feed.on_forming(a_candle(3))
        feed.on_closed(a_candle(3))
        feed.on_forming(a_candle(4))

    scene.play(script)
    text = "kline subscription confirmed: BTC/USDT 1m, 100 candles loaded, first live candle 12:03"
    assert scene.told == [(text, INFO)]
    assert scene.exchange.watched == [(BTC, MINUTE_MS)]
    assert scene.exchange.asked == [(BTC, 100)]
    assert scene.taken == [*range(-97, 3), 3]


def test_seed_002_5_nothing_is_confirmed_before_a_candle_has_come_by_the_stream() -> None:
    scene = FeedScene(minutes(-2, 2))

    async def script(feed: CandleFeed) -> None:
        await anyio.sleep(86_400)

    scene.play(script)
    assert scene.told == []


def test_a_live_candle_that_comes_before_history_is_kept_and_handed_on_once() -> None:
    """Minute 3 closes while history is under way, and history has it too; minute 4 only the stream has."""
    scene = FeedScene(minutes(-2, 2))
    scene.exchange.latency_seconds = 32
    scene.exchange_has(a_candle(3))

    async def script(feed: CandleFeed) -> None:
        await scene.until(4)
        feed.on_closed(a_candle(3))
        feed.on_closed(a_candle(3))
        assert scene.batches == []
        await scene.until(5)
        feed.on_closed(a_candle(4))

    scene.play(script)
    assert scene.batches == [[-1, 0, 1, 2, 3], [4]]
    assert scene.told == [(CONFIRMED, INFO)]


def test_a_gap_between_history_and_the_first_live_candle_is_fetched_before_it_is_handed_on() -> None:
    """The exchange's history is a minute behind what it has told by the stream."""
    scene = FeedScene(minutes(-3, 2))
    scene.exchange.stale_answers = 1

    async def script(feed: CandleFeed) -> None:
        await scene.until(4)
        scene.exchange_has(a_candle(3))
        feed.on_closed(a_candle(3))
        await settled()
        assert scene.batches == [[-3, -2, -1, 0, 1], [2, 3]]

    scene.play(script)
    assert scene.texts == [CONFIRMED.replace("5", "6")]


def test_a_live_candle_that_does_not_follow_the_last_waits_for_what_is_missing() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange_has(*minutes(3, 5))

    async def script(feed: CandleFeed) -> None:
        feed.on_forming(a_candle(3))
        await scene.until(6)
        scene.exchange.latency_seconds = 10
        feed.on_closed(a_candle(5))
        await scene.until(6, 9_999)
        assert scene.taken == [-2, -1, 0, 1, 2]
        await scene.until(6, 10_000)
        assert scene.taken == [-2, -1, 0, 1, 2, 3, 4, 5]

    scene.play(script)
    assert scene.exchange.asked == [(BTC, 5), (BTC, 4)]
    assert scene.texts == [CONFIRMED, "kline stream of BTC/USDT 1m goes on, 2 candles fetched that were missed"]


def test_what_follows_is_handed_on_at_once_although_something_later_is_being_fetched() -> None:
    scene = FeedScene(minutes(-2, 2))

    async def script(feed: CandleFeed) -> None:
        await scene.until(5)
        scene.exchange.latency_seconds = 10
        feed.on_closed(a_candle(4))
        await settled()
        feed.on_closed(a_candle(3))
        assert scene.batches == [[-2, -1, 0, 1, 2], [3, 4]]
        await scene.until(6)

    scene.play(script)
    assert scene.taken == [-2, -1, 0, 1, 2, 3, 4]


def test_an_unfinished_candle_shows_that_the_one_before_it_closed_unheard() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange_has(a_candle(3))

    async def script(feed: CandleFeed) -> None:
        feed.on_forming(a_candle(3))
        await scene.until(4, 1_000)
        feed.on_forming(a_candle(4))
        await settled()

    scene.play(script)
    assert scene.taken == [-2, -1, 0, 1, 2, 3]
    assert scene.texts == [CONFIRMED, "kline stream of BTC/USDT 1m goes on, 1 candle fetched that was missed"]


def test_what_the_exchange_does_not_have_stays_missing_and_is_not_asked_for_for_ever() -> None:
    """Nobody traded in minute 3. The exchange's answer is up to date, so it is asked once and believed."""
    scene = FeedScene(minutes(-2, 2))
    scene.exchange_has(a_candle(4))

    async def script(feed: CandleFeed) -> None:
        await scene.until(5)
        feed.on_closed(a_candle(4))
        await settled()
        assert scene.taken == [-2, -1, 0, 1, 2, 4]
        for second in range(30):
            await scene.until(5, second * 1_000)
            feed.on_forming(a_candle(5))
        await scene.until(6)
        feed.on_closed(a_candle(5))

    scene.play(script)
    assert scene.taken == [-2, -1, 0, 1, 2, 4, 5]
    assert len(scene.exchange.asked) == 2


def test_an_unfinished_candle_after_one_that_nobody_has_is_asked_about_once() -> None:
    scene = FeedScene(minutes(-2, 2))

    async def script(feed: CandleFeed) -> None:
        for second in range(30):
            await scene.until(4, second * 1_000)
            feed.on_forming(a_candle(4))
        await scene.until(5)
        feed.on_closed(a_candle(4))
        await anyio.sleep(5)

    scene.play(script)
    assert scene.taken == [-2, -1, 0, 1, 2, 4]
    # History; minute 3, which was told of and is not there, four times; minute 3 again before minute 4, four times.
    assert len(scene.exchange.asked) == 1 + 4 + 4


def test_a_candle_that_closes_after_it_was_given_up_does_not_wait_for_the_next() -> None:
    """Minutes 3 and 4 were asked for in vain because minute 5 is forming; then the stream tells minute 4."""
    scene = FeedScene(minutes(-2, 2))

    async def script(feed: CandleFeed) -> None:
        await scene.until(5)
        feed.on_forming(a_candle(5))
        await anyio.sleep(5)
        feed.on_closed(a_candle(4))
        await anyio.sleep(5)
        assert scene.taken == [-2, -1, 0, 1, 2, 4]

    scene.play(script)


def test_a_stale_answer_is_asked_for_again() -> None:
    """Twice the exchange answers as of a minute ago; believed at once, minute 3 would be lost."""
    scene = FeedScene(minutes(-2, 2))
    scene.exchange_has(*minutes(3, 4))

    async def script(feed: CandleFeed) -> None:
        await scene.until(5)
        scene.exchange.stale_answers, scene.exchange.stale_ms = 2, 2 * MINUTE_MS
        feed.on_closed(a_candle(4))
        await scene.until(5, 1_999)
        assert scene.taken == [-2, -1, 0, 1, 2]
        await scene.until(5, 2_000)
        assert scene.taken == [-2, -1, 0, 1, 2, 3, 4]

    scene.play(script)


def test_an_exchange_whose_answers_stay_behind_is_believed_in_the_end() -> None:
    scene = FeedScene(minutes(-2, 2))

    async def script(feed: CandleFeed) -> None:
        await scene.until(5)
        feed.on_closed(a_candle(4))
        await scene.until(5, 3_000)
        assert scene.taken == [-2, -1, 0, 1, 2, 4]

    scene.play(script)
    assert len(scene.exchange.asked) == 1 + 4


def test_candles_that_are_old_or_told_again_change_nothing() -> None:
    scene = FeedScene(minutes(-2, 2))

    async def script(feed: CandleFeed) -> None:
        await scene.until(4)
        for minute in (2, 3, 3, 1, -50, 3):
            feed.on_closed(a_candle(minute, close=90))
        feed.on_forming(a_candle(3))
        assert feed.forming is None
        assert feed.last == a_candle(3, close=90)

    scene.play(script)
    assert scene.taken == [-2, -1, 0, 1, 2, 3]
    assert len(scene.exchange.asked) == 1


def test_the_unfinished_candle_is_the_newest_told_until_it_has_closed() -> None:
    scene = FeedScene(minutes(-2, 2))

    async def script(feed: CandleFeed) -> None:
        feed.on_forming(a_candle(3, close=100))
        feed.on_forming(a_candle(3, close=101))
        assert feed.forming == a_candle(3, close=101)
        await scene.until(4)
        feed.on_closed(a_candle(3, close=102))
        assert feed.forming is None

    scene.play(script)


def test_after_a_gap_of_the_streams_what_was_missed_is_fetched_and_the_subscription_told_to_go_on() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange_has(*minutes(3, 6))

    async def script(feed: CandleFeed) -> None:
        feed.on_connection(Connection.CONNECTED)
        feed.on_forming(a_candle(3))
        feed.on_connection(Connection.DISCONNECTED)
        await scene.until(6, 5_000)
        assert scene.taken == [-2, -1, 0, 1, 2]
        feed.on_connection(Connection.CONNECTED)
        await settled()
        assert scene.taken == [-2, -1, 0, 1, 2, 3, 4, 5]
        assert scene.texts == [CONFIRMED]
        feed.on_forming(a_candle(6))
        assert scene.exchange.asked == [(BTC, 5), (BTC, 4)]
        feed.on_connection(Connection.DISCONNECTED)
        feed.on_connection(Connection.CONNECTED)
        await settled()
        feed.on_forming(a_candle(6))

    scene.play(script)
    assert scene.texts == [
        CONFIRMED,
        "kline stream of BTC/USDT 1m goes on, 3 candles fetched that were missed",
        "kline stream of BTC/USDT 1m goes on, 0 candles fetched that were missed",
    ]
    assert scene.exchange.watched == [(BTC, MINUTE_MS)]


def test_a_gap_longer_than_history_is_bridged_by_the_newest_history() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange_has(*minutes(3, 100))

    async def script(feed: CandleFeed) -> None:
        feed.on_connection(Connection.DISCONNECTED)
        await scene.until(100)
        feed.on_connection(Connection.CONNECTED)
        await settled()

    scene.play(script)
    assert scene.exchange.asked == [(BTC, 5), (BTC, 5)]
    assert scene.taken == [-2, -1, 0, 1, 2, 95, 96, 97, 98, 99]


def test_streams_that_break_while_history_is_under_way_are_caught_up_with_as_well() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange_has(*minutes(3, 6))
    scene.exchange.latency_seconds = 20

    async def script(feed: CandleFeed) -> None:
        feed.on_connection(Connection.DISCONNECTED)
        await scene.until(3, 45_000)
        feed.on_connection(Connection.CONNECTED)
        await scene.until(4, 10_000)
        assert scene.batches == [[-2, -1, 0, 1, 2], [3]]
        feed.on_forming(a_candle(4))

    scene.play(script)
    assert scene.texts == [CONFIRMED.replace("5", "6").replace("12:03", "12:04")]


def test_l_02_requests_that_fail_are_asked_again_later_and_later_and_told_once() -> None:
    """Nothing is handed on meanwhile; then history and what the stream has told come as one."""
    scene = FeedScene(minutes(-2, 2))
    scene.exchange.errors = [
        Transient("busy", retry_after_seconds=5.0),
        OutcomeUnknown("lost"),
        Transient("busy"),
        ValueError("high must be at or above low, was 1 and 2"),
        Transient("\x1b[31mbusy", retry_after_seconds=1.0),
    ]

    async def script(feed: CandleFeed) -> None:
        await scene.until(4)
        feed.on_closed(a_candle(3))
        await scene.until(4, 4_999)
        assert scene.batches == []
        await scene.until(4, 5_000)

    scene.play(script)
    # 5, 2, 4, 8 and 16 seconds after 12:03:30.
    assert scene.batches == [[-2, -1, 0, 1, 2, 3]]
    assert scene.told == [
        ("candles of BTC/USDT 1m cannot be loaded yet: busy", WARNING),
        ("candles of BTC/USDT 1m cannot be read: high must be at or above low, was 1 and 2", WARNING),
        (CONFIRMED, INFO),
    ]


def test_trouble_that_comes_again_after_an_answer_is_told_again() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange.errors = [Transient("busy")]

    async def script(feed: CandleFeed) -> None:
        await feed.wait_loaded()
        scene.exchange.errors = [Transient("down"), Transient("down")]
        feed.on_connection(Connection.DISCONNECTED)
        feed.on_connection(Connection.CONNECTED)
        await anyio.sleep(10)

    scene.play(script)
    assert scene.texts == [f"candles of BTC/USDT 1m cannot be loaded yet: {why}" for why in ("busy", "down")]


def test_requests_that_keep_failing_are_a_minute_apart_at_most() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange.errors = [Transient("down") for _ in range(1_000)]

    async def script(feed: CandleFeed) -> None:
        await anyio.sleep(63)
        begun = len(scene.exchange.asked)
        await anyio.sleep(RETRY_SECONDS_MAX * 100)
        assert len(scene.exchange.asked) - begun == 100

    scene.play(script)
    assert scene.texts == ["candles of BTC/USDT 1m cannot be loaded yet: down"]


def test_l_02_a_request_that_is_never_answered_is_given_up_and_asked_again() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange.is_hanging = True

    async def script(feed: CandleFeed) -> None:
        await anyio.sleep(REQUEST_LIFE_SECONDS)
        scene.exchange.is_hanging = False
        await anyio.sleep(1)
        await settled()

    scene.play(script)
    assert scene.taken == [-2, -1, 0, 1, 2]
    assert scene.texts == ["candles of BTC/USDT 1m cannot be loaded yet: no answer in 35 seconds"]


def test_a_market_without_history_begins_with_the_first_live_candle() -> None:
    scene = FeedScene()

    async def script(feed: CandleFeed) -> None:
        await feed.wait_loaded()
        feed.on_forming(a_candle(3))
        await scene.until(4)
        feed.on_closed(a_candle(3))

    scene.play(script)
    assert scene.taken == [3]
    assert scene.texts == ["kline subscription confirmed: BTC/USDT 1m, 0 candles loaded, first live candle 12:03"]


def test_a_market_that_the_exchange_does_not_know_is_told_once_and_loaded_with_nothing() -> None:
    scene = FeedScene()
    scene.exchange.unknown = frozenset((BTC,))

    async def script(feed: CandleFeed) -> None:
        await feed.wait_loaded()
        for _ in range(3):
            feed.on_connection(Connection.DISCONNECTED)
            feed.on_connection(Connection.CONNECTED)
            await anyio.sleep(3_600)

    scene.play(script)
    assert scene.told == [("the exchange has no candles of BTC/USDT 1m: no market BTC/USDT", WARNING)]
    assert len(scene.exchange.asked) == 4


def test_a_stream_that_is_refused_is_told_and_is_not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = FeedScene(minutes(-2, 2))

    def refuse(symbol: str, interval_ms: int) -> None:
        raise Rejected(f"no interval of {interval_ms}")

    monkeypatch.setattr(scene.exchange, "watch_candles", refuse)

    async def script(feed: CandleFeed) -> None:
        await feed.wait_loaded()

    scene.play(script)
    assert scene.told == [("the exchange does not stream candles of BTC/USDT 1m: no interval of 60000", WARNING)]


@pytest.mark.parametrize(
    "candle, why",
    [
        (replace(a_candle(3), open_ms=a_candle(3).open_ms - 1), "one begins 59999 ms off the interval"),
        (a_candle(5_000_000), "one comes 299999820 seconds before its time"),
        (a_candle(4), "one comes 60 seconds before its time"),
    ],
)
def test_a_candle_that_cannot_be_is_left_out_and_told_once(candle: Candle, why: str) -> None:
    """One from far in the future would make every true one look old."""
    scene = FeedScene(minutes(-2, 2))

    async def script(feed: CandleFeed) -> None:
        await scene.until(4)
        feed.on_closed(candle)
        feed.on_closed(candle)
        feed.on_closed(a_candle(3))

    scene.play(script)
    assert scene.taken == [-2, -1, 0, 1, 2, 3]
    assert scene.told == [(f"candles of BTC/USDT 1m are left out: {why}", WARNING), (CONFIRMED, INFO)]


def test_a_history_with_candles_that_cannot_be_is_loaded_without_them() -> None:
    """It is unsorted, has one twice, one off the interval, and ends with the candle that has not closed."""
    scene = FeedScene(history=20)
    off = replace(a_candle(0), open_ms=a_candle(0).open_ms + 7)
    scene.exchange.is_careless = True
    scene.exchange_has(a_candle(2), a_candle(1), a_candle(1), off, a_candle(4), a_candle(0))

    async def script(feed: CandleFeed) -> None:
        feed.on_forming(a_candle(3))

    scene.play(script)
    assert scene.taken == [0, 1, 2]
    assert scene.texts == [
        "candles of BTC/USDT 1m are left out: one begins 7 ms off the interval",
        "candles of BTC/USDT 1m are left out: one comes 90 seconds before its time",
        "kline subscription confirmed: BTC/USDT 1m, 3 candles loaded, first live candle 12:03",
    ]


def test_of_more_history_than_was_asked_for_the_newest_is_taken() -> None:
    scene = FeedScene(minutes(-20, 2))
    scene.exchange.is_careless = True

    async def script(feed: CandleFeed) -> None:
        await feed.wait_loaded()

    scene.play(script)
    assert scene.taken == [-2, -1, 0, 1, 2]


def test_what_waits_for_history_is_bounded_and_what_had_no_room_is_fetched() -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange_has(*minutes(3, 40))
    scene.exchange.errors = [Transient("down", retry_after_seconds=1_800.0)]

    async def script(feed: CandleFeed) -> None:
        for minute in range(3, 33):
            await scene.until(minute + 1)
            feed.on_closed(a_candle(minute))
            assert len(feed._waiting) <= 5
        await scene.until(34)

    scene.play(script)
    assert scene.batches == [[28, 29, 30, 31, 32]]


@pytest.mark.parametrize("seconds", [0, 1, 2.5, 3, 30, 45, 61])
def test_a_feed_that_is_cancelled_at_any_wait_leaves_no_request_and_no_task(seconds: float) -> None:
    scene = FeedScene(minutes(-2, 2))
    scene.exchange.errors = [Transient("busy")]
    scene.exchange.latency_seconds = 2

    async def script() -> None:
        with anyio.move_on_after(seconds):
            await scene.feed.run()
        assert scene.exchange.under_way == 0
        asked, taken = list(scene.exchange.asked), list(scene.taken)
        await anyio.sleep(1_000)
        assert (scene.exchange.asked, scene.taken, scene.exchange.under_way) == (asked, taken, 0)
        assert len(asyncio.all_tasks()) == 1

    scene.run(script)
    assert scene.elapsed_ms == round((seconds + 1_000) * 1000)


@given(st.integers(0, 2**32))
def test_whatever_the_stream_drops_doubles_and_reorders_every_candle_is_handed_on_once_and_in_order(seed: int) -> None:
    dice = Random(seed)
    scene = FeedScene(minutes(-4, 30), history=10)
    scene.exchange.latency_seconds = dice.choice((0, 0.3, 20))
    scene.exchange.stale_answers = dice.randrange(3)

    async def script(feed: CandleFeed) -> None:
        for minute in range(3, 12):
            await scene.until(minute + 1)
            told = [minute, *dice.choices(range(-4, minute + 1), k=dice.randrange(3))]
            dice.shuffle(told)
            for each in told if dice.random() < 0.7 else told[1:]:
                feed.on_closed(a_candle(each))
                feed.on_forming(a_candle(each))
            if dice.random() < 0.1:
                scene.exchange.errors = [Transient("busy")] * dice.randrange(3)
                feed.on_connection(Connection.DISCONNECTED)
                feed.on_connection(Connection.CONNECTED)
        await scene.until(15)
        feed.on_closed(a_candle(14))
        await scene.until(19)

    scene.play(script)
    assert all(later - earlier == 1 for earlier, later in pairwise(scene.taken)), scene.taken
    assert scene.taken[-1] >= 14
