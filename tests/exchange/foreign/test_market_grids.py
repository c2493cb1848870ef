"""A grid on every recorded market of five exchanges, judged by what the exchange itself wrote of it."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.core.lattice import make_lattice
from engine.core.preflight import preflight
from engine.core.sizing import sellable, slots_of
from engine.exchange.foreign.words.markets import Untradable, market_from_foreign
from engine.model.errors import SettingsInvalid
from engine.model.grid import Direction, GridSpec, InitialPurchase, Lattice, SizedBy, Spacing
from engine.model.market import FeeCurrency, Market
from engine.model.money import ceil_to_step
from engine.model.risk import Limits
from tests.exchange.foreign.recorded_markets import EXCHANGES, Filters, RecordedMarket, needs_data, recorded_markets

pytestmark = needs_data
_TICKS = 20_000
"""Where a price is plausible: a tick is a twentieth of a thousandth of it."""


def a_market_of(recorded: RecordedMarket) -> Market:
    """The market in our words."""
    return market_from_foreign(recorded.raw, precision_mode=recorded.precision_mode, fee_currency=FeeCurrency.RECEIVED)


def a_price(filters: Filters, ticks: int = _TICKS) -> Decimal:
    """So many ticks, inside the prices that the exchange takes; of a narrow band its middle."""
    price = max(filters.tick * ticks, filters.price_min * 2)
    if filters.price_max is None or price * 2 <= filters.price_max:
        return price
    return ceil_to_step((filters.price_min + filters.price_max) / 2, filters.tick)


def a_grid(recorded: RecordedMarket, market: Market, price: Decimal, **changes: object) -> GridSpec:
    """Four slots a fifth around the price, each three times what the market takes at least."""
    filters = recorded.filters
    least = max(market.notional_min, market.amount_min * price, market.lot_size * price)
    highest = price * Decimal("1.2")
    told: dict[str, object] = {
        "lower": market.ceil_price(max(price * Decimal("0.8"), filters.price_min)),
        "upper": market.floor_price(highest if filters.price_max is None else min(highest, filters.price_max)),
        "slots": 4,
        "size": least * 3,
        "spacing": Spacing.GEOMETRIC,
        **changes,
    }
    return GridSpec(
        name="main",
        symbol=market.symbol,
        direction=Direction.LONG,
        sized_by=SizedBy.QUOTE_PER_SLOT,
        window=5,
        initial_purchase=InitialPurchase.NONE,
        **told,  # type: ignore[arg-type]
    )


def refused_orders(recorded: RecordedMarket, market: Market, lattice: Lattice) -> list[str]:
    """The orders of the grid that the exchange's own filters would refuse."""
    found = []
    for slot in slots_of(lattice):
        for price, amount in ((slot.entry_price, slot.amount), (slot.exit_price, sellable(market, slot))):
            problem = recorded.filters.problem_with(price, amount)
            if problem is not None:
                found.append(f"{market.symbol} {amount} at {price}: {problem}")
    return found


def judged(recorded: RecordedMarket) -> str:
    """``grid`` where a valid grid was built, else the kind of the reason why there can be none."""
    try:
        market = a_market_of(recorded)
    except Untradable as error:
        return _kind_of_reason(str(error), str(recorded.raw["symbol"]))
    price = a_price(recorded.filters)
    spec = a_grid(recorded, market, price)
    lattice = make_lattice(spec, market, market.floor_price(price))
    assert preflight(spec, market, lattice, price, limits=Limits()).problems == (), market.symbol
    assert refused_orders(recorded, market, lattice) == []
    return "grid"


def _kind_of_reason(reason: str, symbol: str) -> str:
    assert reason.startswith(f"{symbol} cannot be traded: ")
    assert "; choose " in reason
    return next(kind for kind in ("leveraged token", "closed", "spot accounts", "settled") if kind in reason)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        ("binance", {"grid": 1222, "closed": 433, "leveraged token": 40}),
        ("binance_2022", {"grid": 2068, "leveraged token": 60}),
        ("binance_in_decimal_places", {"grid": 3}),
        ("kraken", {"grid": 304}),
        ("coinbase", {"grid": 162}),
        ("okx", {"grid": 513}),
        ("bybit", {"grid": 9, "settled": 6}),
        ("okx_swaps", {"grid": 2, "settled": 1}),
        ("bybit_swaps", {"grid": 2}),
    ],
)
def test_every_recorded_market_has_a_valid_grid_or_a_reason(exchange: str, expected: dict[str, int]) -> None:
    """Not one of 4,820 markets is refused for a rule that was read wrongly."""
    assert Counter(judged(recorded) for recorded in recorded_markets(exchange)) == expected


@given(
    exchange=st.sampled_from(EXCHANGES),
    place=st.integers(min_value=0, max_value=10**6),
    ticks=st.integers(min_value=300, max_value=10**7),
    slots=st.integers(min_value=1, max_value=40),
    spacing=st.sampled_from(Spacing),
    times=st.decimals(min_value="1", max_value="1000", places=4),
)
def test_every_order_of_a_grid_passes_the_filters_that_the_exchange_wrote(
    exchange: str, place: int, ticks: int, slots: int, spacing: Spacing, times: Decimal
) -> None:
    """Tick, step, amounts and notional are taken from the exchange's own text, not from what we made of it."""
    markets = recorded_markets(exchange)
    recorded = markets[place % len(markets)]
    try:
        market = a_market_of(recorded)
    except Untradable:
        assume(False)
    price = a_price(recorded.filters, ticks)
    spec = a_grid(recorded, market, price, slots=slots, spacing=spacing)
    spec = replace(spec, size=spec.size * times / 3)
    try:
        lattice = make_lattice(spec, market, market.floor_price(price))
    except SettingsInvalid:
        assume(False)
    assert refused_orders(recorded, market, lattice) == []


@pytest.mark.parametrize("exchange", ["binance", "okx"])
def test_markets_read_from_floats_equal_those_read_from_text(exchange: str) -> None:
    """Finding 003: no digit is lost between the exchange's text, ccxt's float and our decimal."""
    for recorded in recorded_markets(exchange):
        try:
            market = a_market_of(recorded)
        except Untradable:
            continue
        told = recorded.filters
        most = market.amount_max if told.amount_max is None else told.amount_max
        assert (market.tick_size, market.lot_size, market.amount_max) == (told.tick, told.step, most), market.symbol
        assert market.amount_min == max(told.amount_min, told.step), market.symbol
        assert market.notional_min == told.notional_min, market.symbol
