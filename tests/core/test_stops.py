"""Stops and losses: each threshold is an exact price, and prices inside the band can be skipped unseen."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.ledger import Ledger
from engine.core.stops import (
    DAY_MS,
    Losses,
    Position,
    advance,
    first_state,
    losses_at,
    position_of,
    start_anew,
    trigger_band,
    trips_at,
)
from engine.model.actions import QuietBand
from engine.model.grid import Disposal
from engine.model.risk import (
    BreakerKind,
    BreakerRule,
    Limits,
    RiskSettings,
    RiskState,
    StopBasis,
    StopLoss,
    StopRule,
    TakeProfit,
    Trail,
    TrailingTakeProfit,
    Trip,
)
from tests.builders import a_lot

FALLS, RISES, TOTAL = StopBasis.PRICE_FALLS, StopBasis.PRICE_RISES, StopBasis.TOTAL
TICK = Decimal("0.01")
INFINITY = Decimal("Infinity")


def a_position(cash: str = "-150", base: str = "1", cost: str = "150") -> Position:
    """One BTC bought at 150: the total PnL is the price less 150."""
    return Position(cash=Decimal(cash), base=Decimal(base), cost=Decimal(cost), quote="USDT")


def with_limits(**limits: str) -> RiskSettings:
    return RiskSettings(limits=Limits(**{name: Decimal(limit) for name, limit in limits.items()}))  # type: ignore[arg-type]


def with_stops(*stops: StopRule) -> RiskSettings:
    return RiskSettings(stops=stops)


def a_loss(basis: StopBasis, at: str) -> StopLoss:
    return StopLoss(basis=basis, at=Decimal(at), disposal=Disposal.FLATTEN)


def a_take(basis: StopBasis, at: str) -> TakeProfit:
    return TakeProfit(basis=basis, at=Decimal(at), disposal=Disposal.CANCEL)


def a_trail(basis: StopBasis, at: str, trail: str) -> TrailingTakeProfit:
    return TrailingTakeProfit(basis=basis, at=Decimal(at), trail=Decimal(trail), disposal=Disposal.LEAVE)


DRAWDOWN_STATE = replace(first_state(0), peak_total=Decimal(20))
FOLLOWING_UP = replace(first_state(0), trails=(Trail(basis=RISES, best=Decimal(220)),))
FOLLOWING_DOWN = replace(first_state(0), trails=(Trail(basis=FALLS, best=Decimal(90)),))


@pytest.mark.parametrize(
    "settings, state, quiet, tripping, reason",
    [
        (
            with_limits(daily_loss_max="30"),
            replace(first_state(0), day_start_total=Decimal(10)),
            "130.01",
            "130",
            "the loss since midnight UTC is 30 USDT, the limit is 30 USDT",
        ),
        (
            with_limits(drawdown_max="50"),
            DRAWDOWN_STATE,
            "120.01",
            "119.5",
            "the total PnL is 50.5 USDT below its peak of 20 USDT, the limit is 50 USDT",
        ),
        (
            with_limits(floating_loss_max="25"),
            first_state(0),
            "125.01",
            "125",
            "the inventory is worth 25 USDT less than it cost, the limit is 25 USDT",
        ),
        (
            with_stops(a_loss(FALLS, "100")),
            first_state(0),
            "100.01",
            "99.5",
            "stop loss: the price is 99.5 USDT, at or below 100 USDT",
        ),
        (
            with_stops(a_loss(RISES, "200")),
            first_state(0),
            "199.99",
            "200",
            "stop loss: the price is 200 USDT, at or above 200 USDT",
        ),
        (
            with_stops(a_loss(TOTAL, "-40")),
            first_state(0),
            "110.01",
            "110",
            "stop loss: the total PnL is -40 USDT, at or below -40 USDT",
        ),
        (
            with_stops(a_take(RISES, "210")),
            first_state(0),
            "209.99",
            "210",
            "take profit: the price is 210 USDT, at or above 210 USDT",
        ),
        (
            with_stops(a_take(FALLS, "90")),
            first_state(0),
            "90.01",
            "90",
            "take profit: the price is 90 USDT, at or below 90 USDT",
        ),
        (
            with_stops(a_take(TOTAL, "40")),
            first_state(0),
            "189.99",
            "190",
            "take profit: the total PnL is 40 USDT, at or above 40 USDT",
        ),
        (
            with_stops(a_trail(RISES, "200", "8")),
            FOLLOWING_UP,
            "212.01",
            "212",
            "trailing take profit: the price is 212 USDT, back by at least 8 USDT from its best of 220 USDT",
        ),
        (
            with_stops(a_trail(FALLS, "100", "8")),
            FOLLOWING_DOWN,
            "97.99",
            "98",
            "trailing take profit: the price is 98 USDT, back by at least 8 USDT from its best of 90 USDT",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_each_threshold_trips_at_its_price_and_not_one_tick_before(
    settings: RiskSettings, state: RiskState, quiet: str, tripping: str, reason: str
) -> None:
    position = a_position()
    assert trips_at(settings, state, position, Decimal(quiet)) == ()
    assert [trip.reason for trip in trips_at(settings, state, position, Decimal(tripping))] == [reason]


def test_a_stop_brings_its_own_disposal_a_loss_that_of_its_breaker() -> None:
    settings = RiskSettings(
        limits=Limits(daily_loss_max=Decimal(10), floating_loss_max=Decimal(10), drawdown_max=Decimal(10)),
        stops=(a_loss(FALLS, "100"),),
        breakers=(BreakerRule(kind=BreakerKind.DRAWDOWN, disposal=Disposal.CANCEL),),
    )
    trips = trips_at(settings, first_state(0), a_position(), Decimal(99))
    assert [(trip.kind, trip.disposal) for trip in trips] == [
        (BreakerKind.STOP_LOSS, Disposal.FLATTEN),
        (BreakerKind.DRAWDOWN, Disposal.CANCEL),
        (BreakerKind.DAILY_LOSS, None),
        (BreakerKind.FLOATING_LOSS, None),
    ]


def test_a_grid_without_inventory_trips_by_what_it_has_lost_whatever_the_price() -> None:
    settings = with_limits(daily_loss_max="10")
    sold = a_position(cash="-11", base="0", cost="0")
    for price in ("1", "1000000"):
        assert [trip.kind for trip in trips_at(settings, first_state(0), sold, Decimal(price))] == ["daily_loss"]
        assert trigger_band(settings, first_state(0), sold, Decimal(price)) == QuietBand(Decimal(0), INFINITY)


def test_a_short_position_loses_where_the_price_rises() -> None:
    settings = with_limits(daily_loss_max="10", floating_loss_max="20")
    short = a_position(cash="150", base="-1", cost="-150")
    assert trigger_band(settings, first_state(0), short, Decimal(150)) == QuietBand(Decimal(0), Decimal(160))
    assert trips_at(settings, first_state(0), short, Decimal("159.99")) == ()
    assert [trip.kind for trip in trips_at(settings, first_state(0), short, Decimal(170))] == [
        "daily_loss",
        "floating_loss",
    ]


def test_the_band_lies_between_the_nearest_thresholds_and_nothing_is_quiet_at_one() -> None:
    settings = replace(
        with_limits(daily_loss_max="30", drawdown_max="50"), stops=(a_loss(FALLS, "110"), a_take(RISES, "200"))
    )
    state = first_state(0)
    assert trigger_band(settings, state, a_position(), Decimal(150)) == QuietBand(Decimal(120), Decimal(151))
    assert trigger_band(settings, state, a_position(), Decimal(115)) == QuietBand(Decimal(110), Decimal(120))
    assert trigger_band(settings, state, a_position(), Decimal(120)) == QuietBand(Decimal(120), Decimal(120))
    assert trigger_band(RiskSettings(), state, a_position(), Decimal(150)) == QuietBand(Decimal(0), INFINITY)


def test_an_edge_that_is_no_round_number_leaves_out_no_price_that_trips() -> None:
    settings = with_limits(floating_loss_max="10")
    thirds = a_position(cash="-100", base="3", cost="100")
    band = trigger_band(settings, first_state(0), thirds, Decimal(33))
    assert band == QuietBand(Decimal(30), INFINITY)
    uneven = a_position(cash="-100", base="7", cost="100")
    assert trigger_band(settings, first_state(0), uneven, Decimal(33)).low == Decimal("12.857142857142")


def test_the_peak_advances_in_steps_of_a_fiftieth_of_the_drawdown() -> None:
    settings, position = with_limits(drawdown_max="50"), a_position()
    state = first_state(0)
    assert advance(settings, state, position, Decimal("150.99"), 0) is state
    assert advance(settings, state, position, Decimal(151), 0).peak_total == 1
    assert advance(settings, state, position, Decimal("163.37"), 0).peak_total == Decimal("13.37")
    assert advance(settings, DRAWDOWN_STATE, position, Decimal("170.99"), 0) is DRAWDOWN_STATE


def test_without_a_limit_no_peak_is_followed_so_a_rally_costs_no_decision() -> None:
    assert advance(RiskSettings(), first_state(0), a_position(), Decimal(500), 0) == first_state(0)


def test_a_trailing_take_profit_starts_follows_the_best_and_trips_on_the_way_back() -> None:
    settings, position = with_stops(a_trail(RISES, "200", "10")), a_position()
    state, tripped = first_state(0), []
    for price in ("199.99", "195", "200", "200.19", "200.2", "230", "220.01", "220"):
        state = advance(settings, state, position, Decimal(price), 0)
        tripped.append(
            (price, [trail.best for trail in state.trails], len(trips_at(settings, state, position, Decimal(price))))
        )
    assert tripped == [
        ("199.99", [], 0),
        ("195", [], 0),
        ("200", [Decimal(200)], 0),
        ("200.19", [Decimal(200)], 0),
        ("200.2", [Decimal("200.2")], 0),
        ("230", [Decimal(230)], 0),
        ("220.01", [Decimal(230)], 0),
        ("220", [Decimal(230)], 1),
    ]


def test_a_trail_is_forgotten_with_its_rule_and_when_its_start_is_moved_beyond_it() -> None:
    position = a_position()
    assert advance(RiskSettings(), FOLLOWING_UP, position, Decimal(215), 0).trails == ()
    further = with_stops(a_trail(RISES, "250", "8"))
    assert trips_at(further, FOLLOWING_UP, position, Decimal(205)) == ()
    assert advance(further, FOLLOWING_UP, position, Decimal(205), 0).trails == ()


def test_the_day_begins_anew_at_midnight_utc_and_never_goes_back() -> None:
    settings, position = with_limits(daily_loss_max="30"), a_position()
    state = advance(settings, first_state(0), position, Decimal(110), DAY_MS - 1)
    assert (state.day, state.day_start_total) == (0, Decimal(0))
    assert len(trips_at(settings, state, position, Decimal(110))) == 1
    state = advance(settings, state, position, Decimal(110), DAY_MS)
    assert (state.day, state.day_start_total) == (1, Decimal(-40))
    assert trips_at(settings, state, position, Decimal(110)) == ()
    assert advance(settings, state, position, Decimal(90), DAY_MS - 5) is state


def test_losses_are_measured_from_their_own_beginnings_and_never_below_zero() -> None:
    state = replace(DRAWDOWN_STATE, day_start_total=Decimal(-30))
    assert losses_at(state, a_position(), Decimal(110)) == Losses(
        daily=Decimal(10), drawdown=Decimal(60), floating=Decimal(40)
    )
    assert losses_at(first_state(0), a_position(), Decimal(180)) == Losses(
        daily=Decimal(0), drawdown=Decimal(0), floating=Decimal(0)
    )


def test_a_loss_that_a_person_accepted_is_not_counted_again() -> None:
    settings, position = with_limits(daily_loss_max="30", drawdown_max="50"), a_position()
    price = Decimal(95)
    state = first_state(0)
    assert [trip.kind for trip in trips_at(settings, state, position, price)] == ["daily_loss", "drawdown"]
    state = start_anew(state, BreakerKind.DRAWDOWN, position, price)
    assert [trip.kind for trip in trips_at(settings, state, position, price)] == ["daily_loss"]
    state = start_anew(state, BreakerKind.DAILY_LOSS, position, price)
    assert trips_at(settings, state, position, price) == ()
    assert (state.day_start_total, state.peak_total) == (Decimal(-55), Decimal(-55))
    assert start_anew(FOLLOWING_UP, BreakerKind.TRAILING_TAKE_PROFIT, position, price).trails == ()
    assert start_anew(state, BreakerKind.STOP_LOSS, position, price) is state


def test_the_position_of_a_grid_is_its_cash_its_base_and_what_lots_and_dust_cost() -> None:
    ledger = Ledger(cash=Decimal(-310), base=Decimal(2), dust=a_lot("0.5", 60))
    assert position_of(ledger, [a_lot(1, 200), a_lot("0.5", 40)], "USDT") == a_position("-310", "2", "300")


@st.composite
def some_settings(draw: st.DrawFn) -> RiskSettings:
    """Any choice of limits and stops around 100, few or all at once."""

    def maybe(low: int, high: int) -> Decimal | None:
        number = draw(st.none() | st.integers(low, high))
        return None if number is None else Decimal(number) * TICK

    limits = Limits(daily_loss_max=maybe(50, 900), drawdown_max=maybe(50, 900), floating_loss_max=maybe(50, 900))
    low, high = Decimal(9000) * TICK, Decimal(11000) * TICK
    stops: list[StopRule] = draw(
        st.lists(
            st.sampled_from(
                [
                    StopLoss(basis=FALLS, at=low, disposal=Disposal.FLATTEN),
                    StopLoss(basis=RISES, at=high, disposal=Disposal.FLATTEN),
                    a_loss(TOTAL, "-7.5"),
                    a_take(TOTAL, "9"),
                    a_take(RISES, "110.5"),
                    a_trail(RISES, "101", "1.5"),
                    a_trail(FALLS, "99", "0.7"),
                    a_trail(TOTAL, "2", "1.9"),
                ]
            ),
            unique=True,
        )
    )
    return RiskSettings(limits=limits, stops=tuple(stops))


def a_walk(dice: Random, steps: int) -> list[Decimal]:
    """Prices around 100 in whole ticks, with a jump now and then."""
    ticks, prices = 10_000, []
    for _ in range(steps):
        ticks += dice.randint(-300, 300) if dice.random() < 0.02 else dice.randint(-15, 15)
        ticks = max(ticks, 5_000)
        prices.append(ticks * TICK)
    return prices


def some_fills(dice: Random, steps: int) -> dict[int, Position]:
    """Positions that fills leave, by the step at which they become known."""
    steps_of_fills = sorted({0, *(dice.randrange(steps) for _ in range(4))})
    return {step: _a_random_position(dice) for step in steps_of_fills}


def _a_random_position(dice: Random) -> Position:
    base = Decimal(dice.randint(-300, 300)) / 100
    cash = -base * 100 + Decimal(dice.randint(-400, 400)) / 100
    return Position(cash=cash, base=base, cost=base * 100, quote="USDT")


def run(
    settings: RiskSettings, prices: list[Decimal], fills: dict[int, Position], times: list[int], *, skips: bool
) -> tuple[list[tuple[int, tuple[Trip, ...]]], RiskState, int]:
    """What tripped at which step, the state in the end, and how many prices were looked at."""
    state, position, band = first_state(0), fills[0], QuietBand(Decimal(0), Decimal(0))
    changes: list[tuple[int, tuple[Trip, ...]]] = []
    looks = 0
    before: tuple[BreakerKind, ...] = ()
    for step, (price, at_ms) in enumerate(zip(prices, times, strict=True)):
        is_event = step in fills or at_ms // DAY_MS != state.day
        position = fills.get(step, position)
        if skips and not is_event and band.low < price < band.high:
            continue
        looks += 1
        state = advance(settings, state, position, price, at_ms)
        trips = trips_at(settings, state, position, price)
        kinds = tuple(trip.kind for trip in trips)
        if kinds != before:
            changes.append((step, trips))
            before = kinds
        band = trigger_band(settings, state, position, price)
    return changes, state, looks


@given(some_settings(), st.randoms(use_true_random=False))
def test_skipping_the_prices_inside_the_band_trips_at_the_very_same_prices(
    settings: RiskSettings, dice: Random
) -> None:
    steps = 70
    prices, fills = a_walk(dice, steps), some_fills(dice, steps)
    times = [step * DAY_MS // 60 for step in range(steps)]
    changes, state, looks = run(settings, prices, fills, times, skips=False)
    assert run(settings, prices, fills, times, skips=True)[:2] == (changes, state)
    assert looks == steps


def test_the_band_really_skips_nearly_all_of_a_calm_market() -> None:
    settings = replace(
        with_limits(daily_loss_max="5", drawdown_max="5", floating_loss_max="5"), stops=(a_trail(RISES, "101", "1.5"),)
    )
    dice = Random(7)
    prices = [(10_000 + dice.randint(-40, 40)) * TICK for _ in range(5_000)]
    position = Position(cash=Decimal(-100), base=Decimal(1), cost=Decimal(100), quote="USDT")
    assert run(settings, prices, {0: position}, [0] * len(prices), skips=True)[2] < 20


@given(some_settings(), st.randoms(use_true_random=False))
def test_no_price_inside_the_band_advances_the_state_or_trips_anything_else(
    settings: RiskSettings, dice: Random
) -> None:
    """Brute force: every tick of the band near the price, for a state that a walk has led to."""
    position = _a_random_position(dice)
    state = first_state(0)
    for price in a_walk(dice, 30):
        state = advance(settings, state, position, price, 0)
    band = trigger_band(settings, state, position, price)
    kinds = [trip.kind for trip in trips_at(settings, state, position, price)]
    for ticks in range(-80, 81):
        nearby = price + ticks * TICK
        if band.low < nearby < band.high:
            assert advance(settings, state, position, nearby, 0) is state
            assert [trip.kind for trip in trips_at(settings, state, position, nearby)] == kinds


@given(st.randoms(use_true_random=False))
def test_the_recorded_peak_is_at_most_one_step_behind_the_true_one(dice: Random) -> None:
    settings, position, state, true_peak = (
        with_limits(drawdown_max="5"),
        a_position("-100", "1", "100"),
        first_state(0),
        Decimal(0),
    )
    for price in a_walk(dice, 60):
        state = advance(settings, state, position, price, 0)
        true_peak = max(true_peak, price - 100)
        assert true_peak - Decimal("0.1") < state.peak_total <= true_peak


def kinds_by_hand(settings: RiskSettings, state: RiskState, position: Position, price: Decimal) -> set[BreakerKind]:
    """The rules once more, written down one by one."""
    total = position.cash + position.base * price
    floating = position.base * price - position.cost
    limits = settings.limits
    kinds = set()
    if limits.daily_loss_max is not None and state.day_start_total - total >= limits.daily_loss_max:
        kinds.add(BreakerKind.DAILY_LOSS)
    if limits.drawdown_max is not None and state.peak_total - total >= limits.drawdown_max:
        kinds.add(BreakerKind.DRAWDOWN)
    if limits.floating_loss_max is not None and -floating >= limits.floating_loss_max:
        kinds.add(BreakerKind.FLOATING_LOSS)
    bests = {trail.basis: trail.best for trail in state.trails}
    for rule in settings.stops:
        found = total if rule.basis is TOTAL else price
        if isinstance(rule, StopLoss) and (found >= rule.at if rule.basis is RISES else found <= rule.at):
            kinds.add(BreakerKind.STOP_LOSS)
        if isinstance(rule, TakeProfit) and (found <= rule.at if rule.basis is FALLS else found >= rule.at):
            kinds.add(BreakerKind.TAKE_PROFIT)
        if isinstance(rule, TrailingTakeProfit) and rule.basis in bests:
            back = found - bests[rule.basis] if rule.basis is FALLS else bests[rule.basis] - found
            if back >= rule.trail:
                kinds.add(BreakerKind.TRAILING_TAKE_PROFIT)
    return kinds


@given(some_settings(), st.randoms(use_true_random=False))
def test_trips_are_those_of_the_rules_at_every_price(settings: RiskSettings, dice: Random) -> None:
    position, state = _a_random_position(dice), replace(first_state(0), day_start_total=Decimal(dice.randint(-3, 3)))
    for price in a_walk(dice, 60):
        state = advance(settings, state, position, price, 0)
        found = {trip.kind for trip in trips_at(settings, state, position, price)}
        assert found == kinds_by_hand(settings, state, position, price)


def test_figures_are_told_in_eight_digits_and_judged_in_all() -> None:
    state = replace(first_state(0), peak_total=Decimal("20.123456789"), day_start_total=Decimal("0.00000001"))
    settings = with_limits(drawdown_max="50.123456789", daily_loss_max="30.00000001")
    (daily, drawdown) = trips_at(settings, state, a_position(), Decimal(120))
    assert daily.reason == "the loss since midnight UTC is 30 USDT, the limit is 30.00000001 USDT"
    assert (
        drawdown.reason
        == "the total PnL is 50.123457 USDT below its peak of 20.123457 USDT, the limit is 50.123456789 USDT"
    )
    total = with_stops(a_loss(TOTAL, "-20"))
    (stop,) = trips_at(total, first_state(0), a_position(cash="-150.123456789"), Decimal(120))
    assert stop.reason == "stop loss: the total PnL is -30.123457 USDT, at or below -20 USDT"
