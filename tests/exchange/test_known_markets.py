"""Rules of simulated markets: known pairs, known swaps, and what is made up for others."""

from decimal import Decimal

import pytest

from engine.exchange.known_markets import known_tick, simulated_market
from engine.model.errors import SettingsInvalid
from engine.model.market import FeeCurrency, MarketKind, SwapRules

D = Decimal


@pytest.mark.parametrize(
    ("symbol", "data_tick", "tick", "lot"),
    [
        ("BTC/USDT", "0.5", "0.01", "0.00001"),
        ("XRP/USDT", None, "0.0001", "0.1"),
        ("NEW/USDT", "0.5", "0.5", "0.0001"),
        ("NEW/USDT", None, "0.01", "0.0001"),
        ("BTC/USDT:USDT", "0.5", "0.1", "0.001"),
        ("ETH/USDT:USDT", None, "0.01", "0.01"),
        ("NEW/USDT:USDT", "0.5", "0.5", "0.0001"),
    ],
)
def test_ticks_and_lots_are_those_of_known_markets_or_of_the_data(
    symbol: str, data_tick: str | None, tick: str, lot: str
) -> None:
    market = simulated_market(symbol, data_tick=D(data_tick) if data_tick else None)
    assert (market.symbol, market.tick_size, market.lot_size, market.amount_min) == (symbol, D(tick), D(lot), D(lot))


def test_a_pair_is_spot_and_its_fee_is_taken_in_what_is_received() -> None:
    market = simulated_market("BTC/USDT", data_tick=None)
    assert (market.kind, market.fee_currency, market.maker_fee_rate) == (
        MarketKind.SPOT,
        FeeCurrency.RECEIVED,
        D("0.001"),
    )


def test_a_swap_is_linear_with_fees_in_quote_and_contracts_of_one_lot() -> None:
    market = simulated_market("ETH/USDT:USDT", data_tick=None)
    assert (market.base, market.quote, market.kind) == ("ETH", "USDT", MarketKind.SWAP)
    assert (market.maker_fee_rate, market.taker_fee_rate, market.fee_currency) == (
        D("0.0002"),
        D("0.0005"),
        FeeCurrency.QUOTE,
    )
    assert market.swap == SwapRules(contract_size=D("0.01"), leverage_max=D(100), maintenance_rate=D("0.004"))


def test_the_tick_of_a_known_swap_is_known() -> None:
    assert [known_tick(symbol) for symbol in ("BTC/USDT:USDT", "BTC/USDT", "NEW/USDT:USDT")] == [
        D("0.1"),
        D("0.01"),
        None,
    ]


@pytest.mark.parametrize("symbol", ["BTC", "BTC/", "/USDT", "A/B/C", "BTC/USD:BTC", "BTC/USDT:", "BTC:USDT"])
def test_another_form_of_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"found '{symbol}'"):
        simulated_market(symbol, data_tick=None)
