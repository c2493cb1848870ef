"""How a stretch of the past is fetched: page after page, over every way in which exchanges answer, and never twice."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from engine.lab import download
from engine.lab.download import download_candles, download_trades
from engine.lab.history import gaps_of
from engine.lab.history_store import HistoryStore, history_file, open_store
from engine.lab.history_words import Gap, Progress, Span
from engine.lab.patience import GivenUp, Patience
from engine.model.errors import SettingsInvalid, Transient
from tests.lab.past_builders import DAY, HOUR, MINUTE, START, Past, Way, minutes, road, times_in, trade


@pytest.fixture
def candles(tmp_path: Path) -> Iterator[HistoryStore]:
    """Where candles are kept."""
    with open_store(history_file(tmp_path, "x", "BTC/USDT", "1m"), named={}, is_trades=False) as store:
        yield store


@pytest.fixture
def trades(tmp_path: Path) -> Iterator[HistoryStore]:
    """Where trades are kept."""
    with open_store(history_file(tmp_path, "x", "BTC/USDT", "trades"), named={}, is_trades=True) as store:
        yield store


def span(begin: int, end: int, unit: int = MINUTE) -> Span:
    """From and to so many units after the start."""
    return Span(from_ms=START + begin * unit, to_ms=START + end * unit)


def kept_minutes(store: HistoryStore) -> list[int]:
    """The minutes after the start that the file has."""
    whole = store.join()
    assert whole is not None
    return [(at_ms - START) // MINUTE for at_ms in times_in(whole.path)]


def kept_ms(store: HistoryStore) -> list[int]:
    """The milliseconds after the start of the trades that the file has."""
    whole = store.join()
    assert whole is not None
    return [at_ms - START for at_ms in times_in(whole.path)]


def holes_ms(store: HistoryStore) -> list[tuple[int, int]]:
    """Where trades may be missing, in milliseconds after the start."""
    return [(hole.from_ms - START, hole.to_ms - START) for piece in store.pieces for hole in piece.holes]


@pytest.mark.parametrize("way", [Way.NEXT, Way.WINDOW])
async def test_every_candle_of_the_stretch_comes_once_and_none_beyond_it(way: Way, candles: HistoryStore) -> None:
    """The end is not included."""
    past = Past(candle_rows=minutes(*range(100)), way=way)
    assert await download_candles(road(past, candles), span(5, 47), MINUTE) == 42
    assert kept_minutes(candles) == list(range(5, 47))
    assert past.asked == [START + minute * MINUTE for minute in (5, 15, 25, 35, 45)]


@pytest.mark.parametrize("way", [Way.NEXT, Way.WINDOW])
async def test_candles_after_a_hole_longer_than_a_page_are_found(way: Way, candles: HistoryStore) -> None:
    """Also where the exchange tells nothing beyond one page of time; each hole is told with what is missing."""
    past = Past(candle_rows=minutes(*range(3), *range(50, 53), 55), way=way)
    await download_candles(road(past, candles), span(0, 60), MINUTE)
    whole = candles.join()
    assert whole is not None
    assert kept_minutes(candles) == [0, 1, 2, 50, 51, 52, 55]
    assert gaps_of(whole, MINUTE) == (
        (_gap(3, 50), _gap(53, 55), _gap(56, 60)),
        3,
    )


def _gap(begin: int, end: int) -> Gap:
    return Gap(from_ms=START + begin * MINUTE, to_ms=START + end * MINUTE, candles=end - begin)


async def test_years_before_the_market_began_cost_a_few_requests(candles: HistoryStore) -> None:
    """Its days are looked at, not every minute."""
    past = Past(candle_rows=minutes(*range(600, 620)), way=Way.WINDOW, page=100)
    begin = Span(from_ms=START - 900 * DAY, to_ms=START + 620 * MINUTE)
    assert await download_candles(road(past, candles), begin, MINUTE) == 20
    assert len(past.asked) < 25
    assert candles.pieces[0].span == begin


async def test_an_exchange_that_tells_only_its_newest_candles_leaves_a_gap(candles: HistoryStore) -> None:
    """Which is told, and not taken for quiet."""
    past = Past(candle_rows=minutes(*range(100)), way=Way.NEWEST)
    await download_candles(road(past, candles), span(0, 100), MINUTE)
    whole = candles.join()
    assert whole is not None
    assert gaps_of(whole, MINUTE) == ((_gap(0, 90),), 1)


async def test_parts_are_kept_on_the_way(candles: HistoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens later; the next download asks for nothing of it."""
    monkeypatch.setattr(download, "ROWS_PER_PART", 20)
    past = Past(candle_rows=minutes(*range(100)))
    with anyio.CancelScope() as scope:
        await download_candles(_road_that_stops(past, candles, scope, at=45), span(0, 100), MINUTE)
    assert [piece.span for piece in candles.pieces] == [span(0, 20), span(20, 40), span(40, 50)]
    past.asked.clear()
    (rest,) = candles.missing(span(0, 100))
    await download_candles(road(past, candles), rest, MINUTE)
    assert past.asked[0] == START + 50 * MINUTE
    assert kept_minutes(candles) == list(range(100))


def _road_that_stops(past: Past, store: HistoryStore, scope: anyio.CancelScope, *, at: int) -> download.Road:
    plain = road(past, store)

    def tell(progress: Progress) -> None:
        if progress.rows >= at:
            scope.cancel()

    return download.Road(source=past, store=store, patience=plain.patience, symbol=plain.symbol, tell=tell)


async def test_trades_of_one_instant_over_two_pages_come_once_each(trades: HistoryStore) -> None:
    """Their times alone do not tell them apart."""
    rows = [trade(f"t{number}", 10 * (number // 4)) for number in range(32)]
    past = Past(trade_rows=rows, page=7)
    assert await download_trades(road(past, trades), span(0, 1)) == 32
    assert kept_ms(trades) == [row.at_ms - START for row in rows]
    assert holes_ms(trades) == []


async def test_quiet_hours_are_passed_over_without_a_hole(trades: HistoryStore) -> None:
    """An exchange that answers for an hour at a time has said that there was nothing."""
    rows = [trade("a", 5), trade("b", 5 * HOUR), trade("c", 5 * HOUR + 1), trade("d", 9 * HOUR)]
    past = Past(trade_rows=rows, way=Way.WINDOW)
    await download_trades(road(past, trades), span(0, 12, HOUR))
    assert kept_ms(trades) == [5, 5 * HOUR, 5 * HOUR + 1, 9 * HOUR]
    assert holes_ms(trades) == []


async def test_an_exchange_that_tells_only_its_newest_trades_leaves_a_hole(trades: HistoryStore) -> None:
    """Trades of years are had from few exchanges."""
    rows = [trade(f"t{number}", number * HOUR // 4) for number in range(100)]
    past = Past(trade_rows=rows, way=Way.NEWEST)
    await download_trades(road(past, trades), span(0, 30, HOUR))
    assert kept_ms(trades) == [number * HOUR // 4 for number in range(90, 100)]
    assert holes_ms(trades) == [(0, 90 * HOUR // 4)]


async def test_a_second_download_of_trades_follows_the_first_without_a_hole(trades: HistoryStore) -> None:
    """The last one that was kept is told again, so nothing lies between; none is kept twice."""
    rows = [trade(f"t{number}", number * 1000) for number in range(20)]
    past = Past(trade_rows=rows[:8], way=Way.NEWEST)
    await download_trades(road(past, trades), Span(from_ms=START, to_ms=START + 8000))
    past.trade_rows = rows[:16]
    await download_trades(road(past, trades), Span(from_ms=START + 8000, to_ms=START + 16000))
    assert kept_ms(trades) == [number * 1000 for number in range(16)]
    assert holes_ms(trades) == []


async def test_a_second_download_that_comes_too_late_tells_its_hole(trades: HistoryStore) -> None:
    """The exchange no longer tells what followed the last trade that was kept."""
    rows = [trade(f"t{number}", number * 1000) for number in range(40)]
    past = Past(trade_rows=rows[:8], way=Way.NEWEST)
    await download_trades(road(past, trades), Span(from_ms=START, to_ms=START + 8000))
    past.trade_rows = rows
    await download_trades(road(past, trades), Span(from_ms=START + 8000, to_ms=START + 40000))
    assert kept_ms(trades) == [number * 1000 for number in (*range(8), *range(30, 40))]
    assert holes_ms(trades) == [(8000, 30000)]


async def test_a_second_download_after_quiet_hours_asks_for_all_that_followed(trades: HistoryStore) -> None:
    """The last trade that was kept may be long before the end of what was asked for."""
    rows = [trade("a", 5), trade("b", 6 * HOUR + 5), trade("c", 11 * HOUR)]
    past = Past(trade_rows=rows[:1], way=Way.WINDOW)
    await download_trades(road(past, trades), span(0, 6, HOUR))
    past.trade_rows = rows
    await download_trades(road(past, trades), span(6, 12, HOUR))
    assert kept_ms(trades) == [5, 6 * HOUR + 5, 11 * HOUR]
    assert holes_ms(trades) == []


async def test_more_trades_in_one_instant_than_a_page_holds_are_a_hole(trades: HistoryStore) -> None:
    """There is no way to ask for the rest of them, and the download goes on."""
    rows = [*(trade(f"t{number}", 7) for number in range(15)), trade("last", 9)]
    past = Past(trade_rows=rows, page=10)
    await download_trades(road(past, trades), span(0, 1))
    assert kept_ms(trades) == [7] * 10 + [9]
    assert holes_ms(trades) == [(7, 8)]


async def test_a_question_without_an_answer_is_asked_again(candles: HistoryStore) -> None:
    """And nothing is missing afterwards."""
    past = Past(candle_rows=minutes(*range(20)), troubles=[Transient("lost", retry_after_seconds=0)] * 3)
    await download_candles(road(past, candles), span(0, 20), MINUTE)
    assert kept_minutes(candles) == list(range(20))


async def test_an_exchange_that_never_answers_is_given_up_with_what_was_kept(candles: HistoryStore) -> None:
    """After a few tries."""
    past = Past(candle_rows=minutes(*range(30)))
    first = span(0, 10)
    await download_candles(road(past, candles), first, MINUTE)
    past.troubles = [Transient("no answer", retry_after_seconds=0)] * 20
    with pytest.raises(GivenUp, match=r"no answer \(asked 8 times\)"):
        await download_candles(road(past, candles), span(10, 30), MINUTE)
    assert kept_minutes(candles) == list(range(10))


async def test_a_long_silence_is_not_waited_out_and_a_short_one_is_told() -> None:
    """A person would rather come back later."""
    told: list[str] = []
    patience = Patience(told.append, wait_seconds_max=900, back_off_seconds=0)

    async def banned() -> int:
        raise Transient("banned", retry_after_seconds=7200)

    with pytest.raises(GivenUp, match="banned; a silence of 120 minutes is not waited out"):
        await patience.ask(banned)
    assert told == []


async def test_what_cannot_be_had_is_not_asked_again(candles: HistoryStore) -> None:
    """It would be the same."""
    past = Past(troubles=[SettingsInvalid("no such candles")])
    with pytest.raises(SettingsInvalid, match="no such candles"):
        await download_candles(road(past, candles), span(0, 10), MINUTE)
    assert past.asked == [START]
