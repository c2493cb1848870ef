"""What a grid will do and cost: worked figures, a tick-by-tick walk, and what forbids a start or is warned of."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.lattice import make_lattice
from engine.core.preflight import preflight
from engine.core.worst_case import adversities, liquidation_price
from engine.model.grid import (
    Direction,
    Disposal,
    InitialPurchase,
    MarginMode,
    SlotSize,
    Spacing,
    Trailing,
)
from engine.model.market import FeeCurrency
from engine.model.order import Side
from engine.model.risk import Limits, StopBasis, StopLoss, TakeProfit
from tests.builders import Number, a_market, a_spec
from tests.core.shape_builders import a_preflight, a_swap, without_fees

D = Decimal
FALLS, RISES, TOTAL = StopBasis.PRICE_FALLS, StopBasis.PRICE_RISES, StopBasis.TOTAL
LONG, SHORT, NEUTRAL = Direction.LONG, Direction.SHORT, Direction.NEUTRAL
MARKET, LIMIT, NONE = InitialPurchase.MARKET, InitialPurchase.LIMIT, InitialPurchase.NONE


def a_stop(basis: StopBasis, at: Number) -> StopLoss:
    return StopLoss(basis=basis, at=D(at), disposal=Disposal.FLATTEN)


@pytest.mark.parametrize(
    "spacing, anchor, loss_percent",
    [
        (Spacing.ARITHMETIC, "110", "9.55"),
        (Spacing.ARITHMETIC, "100.3", "7.58"),
        (Spacing.GEOMETRIC, "100.3", "7.41"),
    ],
)
def test_twenty_slots_from_90_to_110_lose_what_the_reference_says_at_the_lower_bound(
    spacing: Spacing, anchor: str, loss_percent: str
) -> None:
    spec = a_spec(lower=D(90), upper=D(110), slots=20, spacing=spacing, initial_purchase=MARKET)
    plan = a_preflight(spec, without_fees(a_market(tick_size=D("0.000001"))), anchor)
    assert plan.average_entry is not None
    assert f"{plan.loss_at_bound / (plan.average_entry * 20) * 100:.2f}" == loss_percent


def test_the_whole_pre_flight_of_a_small_grid() -> None:
    """Slots 100-110, 110-120 and 120-130 of 1 from 115: slot 2 is bought at once, the fee is 0.1 % in quote."""
    spec = a_spec(upper=D(130), slots=3, initial_purchase=MARKET, window=2)
    market = a_market(fee_currency=FeeCurrency.QUOTE, taker_fee_rate=D("0.002"))
    plan = a_preflight(spec, market, 115, stops=(a_stop(FALLS, 95),), orders_max=200, requests_per_minute=60)
    assert [(row.slot, row.lower, row.upper, row.side, row.amount) for row in plan.rows] == [
        (place, D(100 + 10 * place), D(110 + 10 * place), Side.BUY, D(1)) for place in range(3)
    ]
    assert [row.profit.quantize(D("1E-9")) for row in plan.rows] == [D("9.79"), D("9.77"), D("9.75")]
    assert plan.rows[0].rate.quantize(D("1E-9")) == D("0.0979")
    assert [row.opens_now for row in plan.rows] == [False, False, True]
    assert (plan.now_base, plan.now_quote) == (D(1), D(115))
    assert plan.needs_quote == (100 + 110 + D("115.58")) * D("1.002")
    assert plan.needs_base == 0
    cost = 100 * D("1.001") + 110 * D("1.001") + 115 * D("1.002")
    assert plan.average_entry == cost / 3
    assert plan.loss_at_bound == cost - 300
    assert (plan.stop_price, plan.loss_at_stop) == (D(95), cost - 285)
    assert (plan.orders_live, plan.orders_max) == (3, 200)
    assert (plan.requests_to_start, plan.requests_per_minute) == (4, 60)
    assert (plan.price, plan.liquidation_price, plan.problems, plan.warnings) == (D(115), None, (), ())
    assert (plan.symbol, plan.base, plan.quote) == ("BTC/USDT", "BTC", "USDT")


@pytest.mark.parametrize(
    "direction, purchase, now_base, now_quote, opening",
    [
        (LONG, MARKET, "4", "600", [6, 7, 8, 9]),
        (LONG, LIMIT, "4", "600", [6, 7, 8, 9]),
        (LONG, NONE, "0", "0", []),
        (LONG, InitialPurchase.HOLDINGS, "0", "0", []),
        (SHORT, MARKET, "-4", "-600", [0, 1, 2, 3]),
        (NEUTRAL, MARKET, "0", "0", []),
    ],
)
def test_what_is_traded_at_the_start(
    direction: Direction, purchase: InitialPurchase, now_base: str, now_quote: str, opening: list[int]
) -> None:
    """A slot whose entry is at the start price itself waits there: 150 for the long, 140 to 150 for the short."""
    plan = a_preflight(a_spec(direction=direction, initial_purchase=purchase), a_market())
    assert (plan.now_base, plan.now_quote) == (D(now_base), D(now_quote))
    assert [row.slot for row in plan.rows if row.opens_now] == opening


def test_a_fee_taken_in_base_makes_what_is_left_dearer() -> None:
    plan = a_preflight(a_spec(upper=D(110), slots=1), a_market(), 110)
    assert plan.average_entry == 100 / D("0.999")
    assert plan.loss_at_bound == D("0.1")


def test_a_grid_that_holds_nothing_at_its_bound_has_no_average_and_no_loss() -> None:
    plan = a_preflight(a_spec(), a_market(), 90)
    assert plan.average_entry is None
    assert plan.loss_at_bound == 0
    assert plan.warnings == ("the price of 90 USDT is outside the range from 100 to 200 USDT",)


@given(
    st.sampled_from(Direction),
    st.sampled_from(InitialPurchase),
    st.integers(101, 199),
    st.integers(60, 240),
    st.sampled_from(FeeCurrency),
)
def test_the_loss_at_a_stop_is_that_of_a_walk_price_by_price(
    direction: Direction, purchase: InitialPurchase, anchor: int, at: int, fee_currency: FeeCurrency
) -> None:
    """Every whole price on the way is visited, and what rests there is filled once."""
    purchase = LIMIT if purchase is InitialPurchase.HOLDINGS else purchase
    falls = at < anchor
    against = {LONG: falls, SHORT: not falls, NEUTRAL: True}[direction]
    market = a_market(fee_currency=fee_currency, taker_fee_rate=D("0.003"))
    spec = a_spec(direction=direction, initial_purchase=purchase, sizes=(SlotSize(slot=3, size=D(5)),))
    plan = a_preflight(spec, market, anchor, stops=(a_stop(FALLS if falls else RISES, at),))
    if not against or at == anchor:
        assert plan.stop_price is None or at == anchor
        return
    cash, base, done = D(0), D(0), set()
    for price in range(anchor, at + (-1 if falls else 1), -1 if falls else 1):
        for row in plan.rows:
            level = row.lower if row.side is Side.BUY else row.upper
            if row.side is not (Side.BUY if falls else Side.SELL):
                continue  # what rests on the other side of a neutral grid is not against this move
            if row.slot in done or not (level == price or (row.opens_now and price == anchor)):
                continue
            done.add(row.slot)
            fee = market.taker_fee_rate if row.opens_now and purchase is MARKET else market.maker_fee_rate
            if row.side is Side.SELL:
                cash, base = cash + price * row.amount * (1 - fee), base - row.amount
            elif fee_currency is FeeCurrency.QUOTE:
                cash, base = cash - price * row.amount * (1 + fee), base + row.amount
            else:
                cash, base = cash - price * row.amount, base + row.amount * (1 - fee)
    assert plan.stop_price == at
    assert plan.loss_at_stop == max(D(0), -(cash + base * at))


@given(
    st.integers(1, 12),
    st.integers(101, 199),
    st.sampled_from([MARKET, NONE]),
    st.lists(st.integers(1, 9), min_size=12, max_size=12),
    st.integers(60, 99),
)
def test_a_long_grid_mirrored_is_a_short_one_on_a_swap_without_fees(
    slots: int, anchor: int, purchase: InitialPurchase, sizes: list[int], stop: int
) -> None:
    """At 300 less the price the same is gained and lost; margins are not mirrored, for prices are higher."""
    market = without_fees(a_swap(tick_size=D("0.0001")))
    own = tuple(SlotSize(slot=place, size=D(size)) for place, size in enumerate(sizes[:slots]))
    spec = a_spec(lower=D(100), upper=D(100 + 8 * slots), slots=slots, sizes=own, initial_purchase=purchase)
    mirrored = replace(
        spec,
        direction=SHORT,
        lower=300 - spec.upper,
        upper=300 - spec.lower,
        sizes=tuple(replace(size, slot=slots - 1 - size.slot) for size in own),
    )
    long = a_preflight(spec, market, anchor, stops=(a_stop(FALLS, stop), a_stop(TOTAL, -100)))
    short = a_preflight(mirrored, market, 300 - anchor, stops=(a_stop(RISES, 300 - stop), a_stop(TOTAL, -100)))
    assert long.loss_at_bound == short.loss_at_bound
    assert long.loss_at_stop is not None
    assert short.loss_at_stop is not None
    assert abs(long.loss_at_stop - short.loss_at_stop) < D("1E-9")
    assert long.stop_price is not None
    assert short.stop_price is not None
    assert abs(long.stop_price - (300 - short.stop_price)) < D("1E-11")
    assert (long.now_base, long.orders_live) == (-short.now_base, short.orders_live)
    assert long.requests_to_start == short.requests_to_start
    assert [row.profit.quantize(D("1E-9")) for row in long.rows] == [
        row.profit.quantize(D("1E-9")) for row in short.rows[::-1]
    ]
    if long.average_entry is not None:
        assert short.average_entry is not None
        assert abs(long.average_entry - (300 - short.average_entry)) < D("1E-20")


def test_a_stop_at_a_total_pnl_is_the_price_that_makes_it_so() -> None:
    """From 150 slots at 150, 140 and 130 are bought: at 126 they have lost 24 + 14 + 4."""
    plan = a_preflight(a_spec(), without_fees(a_market()), stops=(a_stop(TOTAL, -42),))
    assert (plan.stop_price, plan.loss_at_stop) == (D(126), D(42))


def test_the_nearest_of_several_stops_counts_and_one_on_the_other_side_does_not() -> None:
    stops = (a_stop(FALLS, 80), a_stop(RISES, 160), a_stop(TOTAL, -900))
    plan = a_preflight(a_spec(), without_fees(a_market()), stops=stops)
    assert (plan.stop_price, plan.loss_at_stop) == (D(80), D(750 - 480))
    plan = a_preflight(a_spec(direction=NEUTRAL), without_fees(a_market()), stops=stops)
    assert (plan.stop_price, plan.loss_at_stop) == (D(160), D(0))


def test_isolated_margin_is_liquidated_where_the_initial_margin_is_gone_but_for_maintenance() -> None:
    """All ten slots at 145 on average, half of it behind, end at 725 / 9.95; sold at 155, at 2325 / 10.05."""
    spec = a_spec(leverage=D(2), margin=MarginMode.ISOLATED, initial_purchase=MARKET)
    plan = a_preflight(spec, without_fees(a_swap()), 200)
    assert plan.liquidation_price == ((1450 - 725) / (10 * D("0.995"))).quantize(D("1E-12"), rounding="ROUND_FLOOR")
    assert plan.problems == ()
    short = a_preflight(replace(spec, direction=SHORT), without_fees(a_swap()), 100)
    assert short.liquidation_price == ((1550 + 775) / (10 * D("1.005"))).quantize(D("1E-12"), rounding="ROUND_FLOOR")


def test_a_position_may_be_liquidated_before_it_is_full() -> None:
    """At leverage 20 the slot at 190 alone ends at 181.4, before the next entry at 180."""
    spec = a_spec(leverage=D(20), margin=MarginMode.ISOLATED)
    market = without_fees(a_swap())
    (down,) = adversities(spec, market, make_lattice(spec, market, D(200)))
    found = liquidation_price(spec, market, down, D(0))
    assert found == (190 * D("0.95") / D("0.995")).quantize(D("1E-12"), rounding="ROUND_FLOOR")
    plan = a_preflight(spec, market, 200)
    assert plan.problems == ("the position is liquidated at 181.41 USDT, before the lower bound at 100 USDT",)


def test_cross_margin_has_all_the_funds_behind_it_and_a_grid_without_leverage_no_liquidation() -> None:
    """Margin 145 and fees of 3 are there, 1.45 are spent on entries: (1450 - 146.55) / (10 * 0.995)."""
    spec = a_spec(leverage=D(10))
    market = a_swap()
    (down,) = adversities(spec, market, make_lattice(spec, market, D(200)))
    full = down.stages[-1].held
    behind = D(148) - full.fees
    assert (full.notional, full.fees) == (D(1450), D("1.45"))
    assert behind == D("146.55")
    alone = replace(down, stages=(replace(down.stages[-1], start=D(200)),))
    assert liquidation_price(spec, market, alone, D(148)) == (
        (1450 - behind) / (10 * D("0.995"))
    ).quantize(D("1E-12"), rounding="ROUND_FLOOR")  # fmt: skip
    assert a_preflight(a_spec(), without_fees(a_swap()), 200).liquidation_price is None


def test_a_liquidation_before_the_stop_and_one_near_the_bound() -> None:
    market = without_fees(a_swap())
    spec = a_spec(lower=D(180), upper=D(200), slots=4, leverage=D(10), margin=MarginMode.ISOLATED)
    plan = a_preflight(spec, market, 200, stops=(a_stop(FALLS, 165),))
    at = plan.liquidation_price
    assert at == (750 * D("0.9") / (4 * D("0.995"))).quantize(D("1E-12"), rounding="ROUND_FLOOR")
    assert plan.problems == ("the position is liquidated at 169.6 USDT, before the stop at 165 USDT",)
    assert plan.warnings == ("liquidation at 169.6 USDT is 5.78 % beyond the lower bound at 180 USDT",)
    calm = a_preflight(replace(spec, leverage=D(3)), market, 200)
    assert (calm.problems, calm.warnings) == ((), ())
    limits = Limits(liquidation_distance_min=D("0.5"))
    assert len(a_preflight(replace(spec, leverage=D(3)), market, 200, limits=limits).warnings) == 1


def test_everything_that_forbids_a_start_is_named() -> None:
    plan = a_preflight(
        a_spec(direction=NEUTRAL, window=5),
        without_fees(a_market()),
        available_quote=D(700),
        available_base=D(3),
        limits=Limits(order_notional_max=D(190), exposure_quote_max=D(5000)),
        stops=(a_stop(FALLS, 150), TakeProfit(basis=RISES, at=D(140), disposal=Disposal.CANCEL)),
        orders_max=9,
    )
    assert plan.problems == (
        "the grid can need 750 USDT, available are 700 USDT",
        "the grid can need 4 BTC, available are 3 BTC",
        "the largest entry must be at most order_notional_max, was 200 USDT and 190 USDT",
        "the stop loss is met at the start: 150 USDT is at or below 150 USDT",
        "the take profit is met at the start: 150 USDT is at or above 140 USDT",
        "10 orders can rest at once, the exchange allows 9: narrow the window",
    )


def test_everything_that_is_warned_of_is_named() -> None:
    spec = a_spec(lower=D(100), upper=D(101), slots=2, window=2, trailing=Trailing(down_to=D(98)))
    lattice = make_lattice(spec, a_market(), D("100.7"))
    assert lattice.levels == (D(100), D("100.5"), D(101))
    plan = a_preflight(
        spec,
        a_market(),
        "100.7",
        stops=(a_stop(FALLS, "100.2"),),
        requests_per_minute=1,
        limits=Limits(open_orders_max=1, exposure_quote_max=D(150)),
    )
    assert plan.problems == ()
    assert plan.warnings == (
        "the stop loss at 100.2 USDT is inside the range from 100 to 101 USDT",
        (
            "a cycle of slot 1 earns 0.2981 USDT after 0.2019 USDT of fees, less than twice what it pays: "
            "wider steps keep more"
        ),
        "trailing down to 98 USDT can lose more than the loss at the bound of the range",
        "the start sends 2 requests at 1 a minute: it takes 2 minutes",
        "2 orders can rest at once, open_orders_max allows 1",
        "all slots together are worth 200.5 USDT, exposure_quote_max allows 150 USDT: some entries will be refused",
    )


def test_a_lattice_that_a_market_s_new_rules_forbid_is_a_problem_and_not_an_error() -> None:
    spec, lenient = a_spec(leverage=D(40)), without_fees(a_swap())
    strict = without_fees(a_swap(leverage_max=20))
    lattice = make_lattice(spec, lenient, D(150))
    plan = preflight(spec, strict, lattice, D(150), limits=Limits())
    assert plan.problems[0] == "leverage: expected at most 20 on BTC/USDT, found 40"


def test_fees_alone_may_reach_a_stop_at_a_total_pnl_at_the_entry_itself() -> None:
    """Slot 5 is bought at its level of 150 and costs 0.15 there at once."""
    market = a_market(fee_currency=FeeCurrency.QUOTE)
    plan = a_preflight(a_spec(), market, "155", stops=(a_stop(TOTAL, "-0.1"),))
    assert (plan.stop_price, plan.loss_at_stop) == (D(150), D("0.15"))


def test_a_neutral_grid_tells_of_the_bound_where_it_loses_more() -> None:
    """Down, 1 each at 100 to 150 lose 150; up, 1 each at 170 to 200 lose 60, and 10 at 170 instead of 1 lose 330."""
    plan = a_preflight(a_spec(direction=NEUTRAL), without_fees(a_market()))
    assert (plan.average_entry, plan.loss_at_bound) == (D(125), D(150))
    heavy = a_spec(direction=NEUTRAL, sizes=(SlotSize(slot=6, size=D(10)),))
    plan = a_preflight(heavy, without_fees(a_market()))
    assert (plan.average_entry, plan.loss_at_bound) == (D(2270) / 13, D(330))


def test_what_is_needed_for_levels_to_trail_to_is_told_apart() -> None:
    spec = a_spec(trailing=Trailing(down_to=D(80)))
    market = without_fees(a_market())
    plan = a_preflight(spec, market)
    here = a_preflight(replace(spec, trailing=Trailing()), market)
    assert (plan.trailing_quote, plan.trailing_base) == (D(170), D(0)), "slots at 90 and at 80"
    assert (here.trailing_quote, here.needs_quote) == (D(0), plan.needs_quote - 170)


@pytest.mark.parametrize("direction, anchor", [(LONG, 90), (SHORT, 210)])
def test_beyond_its_bound_a_grid_loses_its_fees_at_the_start_price(direction: Direction, anchor: int) -> None:
    """Ten lots are had at once at a price from which the bound is a gain."""
    market = a_market(fee_currency=FeeCurrency.QUOTE, taker_fee_rate=D("0.002"))
    plan = a_preflight(a_spec(direction=direction, initial_purchase=MARKET), market, anchor)
    assert plan.loss_at_bound == 10 * anchor * D("0.002")
