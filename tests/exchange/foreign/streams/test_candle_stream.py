"""Candles: each closed once and in order, over breaks, and where the exchange streams none."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.desks.market_desk import MarketDesk
from engine.exchange.foreign.streams.candle_stream import CandleStream
from engine.exchange.foreign.streams.stream_session import StreamSession
from engine.model.errors import SettingsInvalid, Transient
from engine.model.regime import Candle
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.foreign.stream_bench import PROTOCOLS, SYMBOL, Ear, client_of, opened, quick, streaming
from tests.loopback.server import loopback

D = Decimal
MINUTE_MS = 60_000
START_MS = 1_700_006_400_000


class _Session:
    def __init__(self) -> None:
        self.pumps: list[tuple[str, Any, Any]] = []

    def pump(self, name: str, watch: Any, took: Any) -> None:
        self.pumps.append((name, watch, took))


class Bench:
    """A candle stream that is driven by hand; ``take`` is one message, minutes count from the start."""

    def __init__(self, *, is_streamed: bool = True) -> None:
        self.client = SimpleNamespace(
            id="any",
            has={"watchOHLCV": is_streamed},
            timeframes={"1m": "1m", "1h": "1h"},
            ohlcvs={SYMBOL: {"1m": []}},
            milliseconds=lambda: START_MS + 10 * MINUTE_MS,
            watch_ohlcv=print,
        )
        self.answers: list[Any] = []
        self.asked = 0
        self.stream = CandleStream(cast("ForeignClient", self.client), cast("MarketDesk", self))
        self.stream.watch(SYMBOL, MINUTE_MS)
        self.ear = Ear()
        self.open()

    async def candles(self, symbol: str, interval_ms: int, limit: int) -> list[Candle]:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("list[Candle]", answer)

    def open(self) -> None:
        self.session = _Session()
        self.stream.open(cast("StreamSession", self.session), self.ear)

    def take(self, *rows: Any) -> list[tuple[int, float, bool]]:
        self.session.pumps[0][2](rows)
        return self.told()

    def told(self) -> list[tuple[int, float, bool]]:
        """Which minute, its close, and whether it is closed."""
        told = [((each.open_ms - START_MS) // MINUTE_MS, each.close, done) for _, _, each, done in self.ear.candles]
        self.ear.candles.clear()
        return told


def row(minute: int, close: Any = "100") -> list[Any]:
    return [START_MS + minute * MINUTE_MS, "100", "200", "50", close, "1.5"]


def test_a_candle_is_closed_once_when_the_next_begins_as_it_was_last_told() -> None:
    bench = Bench()
    assert bench.take(row(0, "100")) == [(0, 100.0, False)]
    assert bench.take(row(0, "101")) == [(0, 101.0, False)]
    assert bench.take(row(0, "102"), row(1, "103")) == [(0, 102.0, False), (0, 102.0, True), (1, 103.0, False)]
    assert bench.take(row(0, "99"), row(1, "104")) == [(1, 104.0, False)]


def test_what_the_library_writes_into_its_rows_later_does_not_change_what_was_told() -> None:
    bench, kept = Bench(), row(0, "100")
    bench.take(kept)
    kept[4] = "150"
    assert bench.take(row(1)) == [(0, 100.0, True), (1, 100.0, False)]


def test_rel_12_a_candle_that_was_forming_at_a_break_is_not_closed_as_it_was_before() -> None:
    bench = Bench()
    bench.take(row(0, "100"))
    bench.stream.close()
    assert bench.client.ohlcvs == {}
    bench.open()
    assert bench.take(row(1, "103")) == [(1, 103.0, False)]
    assert bench.take(row(2, "104")) == [(1, 103.0, True), (2, 104.0, False)]


def test_a_candle_that_still_forms_after_a_break_is_closed_as_usual() -> None:
    bench = Bench()
    bench.take(row(0, "100"))
    bench.stream.close()
    bench.open()
    assert bench.take(row(0, "105")) == [(0, 105.0, False)]
    assert bench.take(row(1, "103")) == [(0, 105.0, True), (1, 103.0, False)]


@pytest.mark.parametrize(
    "hostile",
    [None, "text", [], [1], row(500), row(-1)[:3], [START_MS + 7, "1", "2", "1", "1", "1"], row(0, "NaN"), {"open": 1}],
)
def test_what_is_no_candle_of_now_is_left_out_and_hides_no_other(hostile: Any) -> None:
    assert Bench().take(hostile, row(1)) == [(1, 100.0, False)]


def test_after_close_nothing_is_told() -> None:
    bench = Bench()
    bench.stream.close()
    assert bench.take(row(0)) == []


@pytest.mark.parametrize("interval_ms", [5 * MINUTE_MS, 90_000])
def test_an_interval_that_the_exchange_does_not_have_is_refused_before_it_can_break_the_streams(
    interval_ms: int,
) -> None:
    with pytest.raises(SettingsInvalid):
        Bench().stream.watch(SYMBOL, interval_ms)


def test_where_no_candles_are_streamed_they_are_asked_for_and_each_is_told_once() -> None:
    bench = Bench(is_streamed=False)
    candles = [Candle(open_ms=row(each)[0], open=1, high=1, low=1, close=1, volume=0) for each in range(3)]
    bench.answers = [candles[:2], Transient("no answer"), candles[:1], candles[1:]]
    _, watch, took = bench.session.pumps[0]

    async def poll() -> None:
        while bench.answers:
            took(await watch())

    run_on(VirtualClock(start_ms=START_MS), poll)
    assert bench.asked == 4
    assert bench.told() == [(0, 1.0, True), (1, 1.0, True), (2, 1.0, True)]


@pytest.mark.usefixtures(quick.__name__)
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_candles_are_watched_by_a_running_exchange_and_over_a_break(protocol: str) -> None:
    async with loopback(protocol) as server, opened(server) as exchange, streaming(exchange) as ear:
        exchange.watch_candles(SYMBOL, MINUTE_MS)
        for times, price in ((1, 61_000), (2, 62_000)):
            await ear.until_up(times)
            await server.until(lambda: any("kline" in each for sock in server.sockets.values() for each in sock.topics))
            server.venue.print_trade("BTCUSDT", D(price))
            await ear.until_price(price)
            await ear.until(lambda: ear.candles and ear.candles[-1][2].close == float(ear.prices[-1][1]))
            assert client_of(exchange).number is str
            server.cut()
