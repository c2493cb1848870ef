"""Public data over REST: markets that are known or told why not, and candles that are closed."""

from typing import Any

import ccxt
import pytest

from engine.exchange.foreign.desks.market_desk import MARKETS_OLD_MS, MarketDesk
from engine.model.errors import SettingsInvalid, Transient
from tests.exchange.foreign.desk_bench import BTC, NOW_MS, D, Desks, RecordedClient
from tests.exchange.foreign.raw_builders import a_raw_market

MINUTE = 60_000
NOW = NOW_MS // MINUTE * MINUTE + 30_000


class Scene:
    """A desk on a client with the market of BTC."""

    def __init__(self, *, has_keys: bool = False, has: dict[str, Any] | None = None, **calls: Any) -> None:
        self.client = RecordedClient(has=has, load_markets={}, **calls)
        self.client.markets = {BTC: a_raw_market(), "BTC/EUR": a_raw_market(symbol="BTC/EUR", quote="EUR")}
        self.client.precisionMode = 4
        self.client.timeframes = {"1m": "1m", "1h": "1h"}
        self.now_ms = NOW
        desks = Desks(self.client)
        self.desk = MarketDesk(
            self.client,  # type: ignore[arg-type]
            desks.dialect,
            requester=desks.requester,
            has_keys=has_keys,
            now_ms=lambda: self.now_ms,
        )


async def test_rel_49_rules_that_are_an_hour_old_are_fetched_again() -> None:
    scene = Scene()
    await scene.desk.market(BTC)
    await scene.desk.market(BTC)
    assert scene.client.count("load_markets") == 1
    scene.now_ms += MARKETS_OLD_MS + 1
    scene.client.markets[BTC] = a_raw_market(precision={"price": 0.1, "amount": 1e-05})
    assert (await scene.desk.market(BTC)).tick_size == D("0.1")
    assert [parts for _, parts in scene.client.asked] == [(False,), (True,)]


async def test_an_unknown_market_is_told_with_those_that_may_have_been_meant() -> None:
    with pytest.raises(SettingsInvalid, match="no market BTC/USD; with BTC it has BTC/EUR, BTC/USDT"):
        await Scene().desk.market("BTC/USD")


async def test_rel_48_a_delisted_market_is_told_as_one() -> None:
    scene = Scene()
    scene.client.markets[BTC] = a_raw_market(active=False)
    with pytest.raises(SettingsInvalid, match="binance BTC/USDT"):
        await scene.desk.market(BTC)


async def test_the_account_s_own_fees_count_where_there_is_an_account_that_tells_them() -> None:
    has = {"fetchTradingFee": True}
    told = {"maker": "0.0002", "taker": "0.0004"}
    with_keys = await Scene(has_keys=True, has=has, fetch_trading_fee=told).desk.market(BTC)
    without = await Scene(has=has, fetch_trading_fee=told).desk.market(BTC)
    refused = await Scene(
        has_keys=True, has=has, fetch_trading_fee=ccxt.NotSupported("none in the sandbox")
    ).desk.market(BTC)
    assert [market.maker_fee_rate for market in (with_keys, without, refused)] == [D("0.0002"), D("0.001"), D("0.001")]


def rows_of(first_ms: int, count: int) -> list[list[float]]:
    return [[first_ms + n * MINUTE, 1.0, 2.0, 0.5, 1.5, 7.0] for n in range(count)]


@pytest.mark.parametrize("per_page", [7, 300])
async def test_candles_are_closed_in_order_and_at_most_as_many_as_asked_for(per_page: int) -> None:
    everything = rows_of(NOW - 30_000 - 500 * MINUTE, 501)

    def page(symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        return [row for row in everything if row[0] >= since][:per_page]

    candles = await Scene(fetch_ohlcv=page).desk.candles(BTC, MINUTE, 40)
    assert [candle.open_ms for candle in candles] == [int(row[0]) for row in everything[-41:-1]]


async def test_an_interval_that_the_exchange_has_not_is_told_with_those_it_has() -> None:
    with pytest.raises(SettingsInvalid, match="has candles of 1m, 1h, not of 5m"):
        await Scene().desk.candles(BTC, 300_000, 10)


@pytest.mark.parametrize("last", [None, 0, "nan", -1])
async def test_rel_46_a_price_of_nothing_is_no_price(last: object) -> None:
    with pytest.raises(Transient, match="tells no price"):
        await Scene(fetch_ticker={"last": last}).desk.last_price(BTC)


async def test_public_trades_are_read_on_and_told_once() -> None:
    everything: list[dict[str, Any]] = [
        {"id": str(n), "timestamp": NOW + n // 3, "price": 1 + n, "amount": 1} for n in range(40)
    ]

    def page(symbol: str, since: int, limit: int) -> list[dict[str, Any]]:
        return [raw for raw in everything if raw["timestamp"] >= since][:10]

    told = await Scene(fetch_trades=page).desk.public_trades(BTC, NOW)
    assert [price for _, price, _ in told] == [1 + n for n in range(40)]
