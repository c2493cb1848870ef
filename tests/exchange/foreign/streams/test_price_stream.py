"""Prices: hostile, old, of the future, and a stream that is dead while its connection lives."""

from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.desks.market_desk import MarketDesk
from engine.exchange.foreign.streams.price_stream import PriceStream
from engine.exchange.foreign.streams.stream_session import StreamSession
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.foreign.stream_bench import (
    DOWN,
    MARKET,
    PROTOCOLS,
    SYMBOL,
    UP,
    Ear,
    opened,
    public_sockets,
    quick,
    streaming,
)
from tests.loopback.faults import Fault, RequestName
from tests.loopback.server import LoopbackServer, loopback

D = Decimal
NOW_MS = 1_700_000_000_000


class _Desk:
    async def newest_trade(self, symbol: str) -> tuple[Decimal, int]:
        return D(100), NOW_MS


class _Session:
    def pump(self, name: str, watch: object, took: object) -> None:
        """Nothing comes."""

    def start(self, work: object) -> None:
        """Nothing is done."""


class Bench:
    """A price stream at 100 on a clock that is set by hand; ``take`` is one message."""

    def __init__(self) -> None:
        self.clock = VirtualClock(start_ms=NOW_MS)
        self.late_ms = 0
        self.skew_ms = 0
        self.client = SimpleNamespace(id="any", has={"watchTrades": True, "watchTicker": True}, trades={})
        self.client.watch_trades = self.client.watch_ticker = print
        self.stream = PriceStream(
            cast("ForeignClient", self.client),
            cast("MarketDesk", _Desk()),
            [SYMBOL],
            now_ms=lambda: NOW_MS + self.late_ms,
            exchange_ms=lambda: NOW_MS + self.late_ms + self.skew_ms,
        )
        self.ear = Ear()
        run_on(self.clock, self.stream.open, cast("StreamSession", _Session()), self.ear)
        self.ear.prices.clear()

    def take(self, *raws: Any) -> list[str]:
        self.stream._take_trades(SYMBOL, raws)
        return self.told()

    def told(self) -> list[str]:
        told = [price for _, price in self.ear.prices]
        self.ear.prices.clear()
        return told


def times_asked(server: LoopbackServer) -> int:
    """How often everybody's trades were asked for."""
    return sum(line.name is RequestName.PUBLIC_TRADES for line in server.requests)


def a_trade(price: Any, at_ms: Any = NOW_MS + 1, **changes: object) -> dict[str, object]:
    return {"id": "1", "price": price, "amount": "1", "timestamp": at_ms, **changes}


@pytest.mark.parametrize("price", [0, "0", -1, "-5", None, "", "NaN", "Infinity", "1e999", "\x1b[31m", [], {}, True])
def test_rel_46_a_price_that_is_none_is_not_told(price: object) -> None:
    bench = Bench()
    assert bench.take(a_trade(price), a_trade("101")) == ["101"]
    bench.stream._take_ticker(SYMBOL, {"last": price, "timestamp": NOW_MS + 5})
    assert bench.told() == []


@pytest.mark.parametrize("raws", [[None], ["text"], [[]], [a_trade("101", None)], [a_trade("101", "soon")], []])
def test_what_is_no_trade_is_left_out(raws: Sequence[object]) -> None:
    assert Bench().take(*raws) == []


def test_an_answer_of_nothing_at_all_is_no_price() -> None:
    bench = Bench()
    bench.stream._take_trades(SYMBOL, None)
    bench.stream._take_ticker(SYMBOL, None)
    assert bench.told() == []


def test_rel_09_a_trade_that_is_older_than_what_was_told_is_left_out() -> None:
    assert Bench().take(a_trade("102", NOW_MS + 9), a_trade("101", NOW_MS + 8), a_trade("103", NOW_MS + 9)) == [
        "102",
        "103",
    ]


def test_rel_47_a_trade_of_the_far_future_does_not_silence_those_that_follow() -> None:
    bench = Bench()
    assert bench.take(a_trade("101", NOW_MS + 10_000_000_000)) == ["101"]
    assert bench.stream._newest[SYMBOL].at_ms == NOW_MS + 5_000
    bench.late_ms = 6_000
    assert bench.take(a_trade("102", NOW_MS + 6_000)) == ["102"]


def test_rel_30_a_clock_that_is_set_back_silences_the_prices_for_no_longer_than_five_seconds() -> None:
    bench = Bench()
    assert bench.take(a_trade("101", NOW_MS)) == ["101"]
    bench.late_ms = 4_999
    assert bench.take(a_trade("102", NOW_MS - 8_000)) == []
    bench.late_ms = 5_000
    assert bench.take(a_trade("103", NOW_MS - 3_000)) == ["103"]


def test_an_answer_that_lags_behind_the_stream_is_not_told_however_long_ago_that_was() -> None:
    bench = Bench()
    bench.take(a_trade("101", NOW_MS + 1))
    bench.late_ms = 60_000
    bench.stream._tell_asked(SYMBOL, D(100), NOW_MS)
    assert bench.told() == []


def test_rel_13_a_trade_that_nobody_was_handed_is_found_in_what_the_library_keeps_and_told_once() -> None:
    bench = Bench()
    bench.client.trades = {SYMBOL: [a_trade("101")], "XRP/USDT": [a_trade("1")]}
    bench.stream.look()
    bench.stream.look()
    assert bench.told() == ["101"]


def test_rel_30_a_price_is_told_with_the_time_that_our_own_clock_had() -> None:
    bench = Bench()
    bench.skew_ms = 4_000
    at: list[int] = []
    bench.ear.on_price = lambda symbol, price, at_ms: at.append(at_ms)  # type: ignore[method-assign]
    bench.take(a_trade(101, NOW_MS + 4_000))
    assert at == [NOW_MS]


def test_rel_47_the_price_of_a_quiet_market_is_confirmed_as_of_now() -> None:
    bench = Bench()
    bench.late_ms = 60_000
    at: list[tuple[Decimal, int]] = []
    bench.ear.on_price = lambda symbol, price, at_ms: at.append((price, at_ms))  # type: ignore[method-assign]
    run_on(bench.clock, bench.stream._check, SYMBOL)
    assert at[-1] == (D(100), NOW_MS + 60_000)


def test_after_close_nothing_is_told() -> None:
    bench = Bench()
    bench.stream.close()
    bench.take(a_trade("101"))
    bench.stream.tell_newest()
    assert bench.told() == []


@pytest.mark.usefixtures(quick.__name__)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("lacks", [{}, {"watchTrades": False}])
async def test_rel_11_a_stream_of_trades_that_is_dead_is_opened_again(protocol: str, lacks: dict[str, bool]) -> None:
    async with loopback(protocol) as server, opened(server, **lacks) as exchange, streaming(exchange) as ear:
        await server.until(lambda: any(socket.topics for socket in server.sockets.values()))
        for socket in server.sockets.values():
            socket.topics.clear()
        for price in (61_000, 62_000):
            assert DOWN not in ear.states
            server.venue.print_trade(MARKET, D(price))
            await ear.until_price(price)
        await ear.until(lambda: ear.states.count(UP) == 2)
        assert [text for text, _ in ear.notices if "brought nothing" in text] != []


@pytest.mark.usefixtures(quick.__name__)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("skew_ms", [-60_000, 60_000])
async def test_a_market_that_is_only_quiet_is_not_blamed_whatever_the_clocks_say(protocol: str, skew_ms: int) -> None:
    async with loopback(protocol) as server, opened(server) as exchange, streaming(exchange) as ear:
        await server.until(lambda: public_sockets(server) == 1)
        server.venue.print_trade(MARKET, D(61_000))
        await ear.until(lambda: D(ear.prices[-1][1]) == 61_000)
        server.faults.skew_ms = skew_ms
        asked = times_asked(server)
        await server.until(lambda: times_asked(server) >= asked + 4)
        assert DOWN not in ear.states


@pytest.mark.usefixtures(quick.__name__)
async def test_without_any_stream_of_prices_they_are_asked_for_and_one_lost_answer_is_no_break() -> None:
    async with (
        loopback("binance") as server,
        opened(server, watchTrades=False, watchTicker=False) as exchange,
        streaming(exchange) as ear,
    ):
        server.faults.script(RequestName.PUBLIC_TRADES, Fault.LOST_ANSWER)
        await server.until(lambda: server.faults.counts[Fault.LOST_ANSWER] == 1)
        server.venue.print_trade(MARKET, D(61_000))
        await ear.until(lambda: D(ear.prices[-1][1]) == 61_000)
        assert DOWN not in ear.states
