"""Candles of prints: minutes are kept, longer ones are added up, the newest is still forming."""

from decimal import Decimal

import pytest

from tests.loopback.venue_candles import MINUTE_MS, CandleBook, VenueCandle

D = Decimal

T0 = 1_700_000_040_000 - 1_700_000_040_000 % (5 * MINUTE_MS)


def make_book() -> CandleBook:
    """Seven minutes with two prints each, at 100, 101 and so on."""
    book = CandleBook()
    for minute in range(7):
        book.add(D(100 + minute), D(1), T0 + minute * MINUTE_MS)
        book.add(D(99 + minute), D(2), T0 + minute * MINUTE_MS + 59_999)
    return book


def test_a_minute_holds_the_prints_of_its_minute() -> None:
    assert make_book().candles(MINUTE_MS, limit=1) == [
        VenueCandle(
            opened_ms=T0 + 6 * MINUTE_MS,
            open=D(106),
            high=D(106),
            low=D(105),
            close=D(105),
            volume=D(3),
            turnover=D(316),
            count=2,
        )
    ]


def test_a_minute_is_one_candle_however_many_prints_it_has() -> None:
    book = CandleBook()
    for price in range(100, 110):
        book.add(D(price), D(1), T0)
    (candle,) = book.candles(MINUTE_MS, limit=1)
    assert (candle.open, candle.close, candle.count) == (D(100), D(109), 10)


def test_longer_candles_are_sums_of_minutes() -> None:
    first, second = make_book().candles(5 * MINUTE_MS)
    assert (first.opened_ms, first.open, first.high, first.low, first.close) == (T0, D(100), D(104), D(99), D(103))
    assert (second.opened_ms, second.open, second.close, second.volume) == (T0 + 5 * MINUTE_MS, D(105), D(105), D(6))


def test_a_time_asks_for_the_first_candles_and_none_for_the_newest() -> None:
    book = make_book()
    opened = [candle.opened_ms for candle in book.candles(MINUTE_MS, since_ms=T0 + MINUTE_MS, limit=2)]
    assert opened == [T0 + MINUTE_MS, T0 + 2 * MINUTE_MS]
    newest = [candle.opened_ms for candle in book.candles(MINUTE_MS, limit=2)]
    assert newest == [T0 + 5 * MINUTE_MS, T0 + 6 * MINUTE_MS]


def test_history_is_loaded_before_what_is_known_or_refused() -> None:
    book = make_book()
    past = book.candles(MINUTE_MS, limit=1)
    with pytest.raises(ValueError, match="rising order"):
        book.load(past)
