"""The risk gate: nothing opens that a limit forbids or that cannot be judged, and nothing keeps a grid from closing."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.risk import (
    APPROVED,
    Evidence,
    Refused,
    assess,
    assess_all,
    exposure_of,
    grid_problems,
    limit_views,
)
from engine.core.stops import Losses
from engine.model.actions import Action, CancelOrder, PlaceOrder, SetAside
from engine.model.money import ZERO
from engine.model.order import Leg, Side
from engine.model.risk import (
    Block,
    BreakerKind,
    LimitName,
    Limits,
)
from engine.model.risk_view import LimitView
from engine.model.slot import NO_LOT, Entering, Holding
from tests.builders import a_fill, a_lattice, a_lot, a_market, a_slot, an_order, some_slots

NO_LOSS = Losses(daily=ZERO, drawdown=ZERO, floating=ZERO)
A_BLOCK = Block(kind=BreakerKind.PANIC_KEY, reason="pressed", since_ms=0, until_ms=None, needs_person=True)
ALL_ON = Limits(
    exposure_quote_max=Decimal(1000),
    open_orders_max=10,
    order_notional_max=Decimal(200),
    price_band=Decimal("0.05"),
    orders_per_minute_max=60,
    daily_loss_max=Decimal(100),
    drawdown_max=Decimal(200),
    floating_loss_max=Decimal(300),
    price_stale_seconds=Decimal(10),
    reports_stale_seconds=Decimal(60),
    candles_stale_seconds=Decimal(120),
    journal_lag_seconds_max=Decimal("0.5"),
    liquidation_distance_min=Decimal("0.2"),
)


def some_evidence(**changes: Any) -> Evidence:
    """A grid at 155 that holds 1 BTC in slot 6, far from every limit."""
    evidence = Evidence(
        market=a_market(),
        slots=some_slots(a_slot(6, state=Holding(lot=a_lot(1, 160)))),
        mark=Decimal(155),
        inventory_cost=Decimal(160),
        resting_quote=Decimal(140),
        open_orders=2,
        orders_last_minute=3,
        losses=NO_LOSS,
        price_age_ms=100,
        reports_age_ms=100,
        candles_age_ms=100,
        journal_lag_ms=0,
        can_be_liquidated=True,
        liquidation_price=Decimal(60),
    )
    return replace(evidence, **changes)


def an_entry(price: str = "150", amount: str = "1", side: Side = Side.BUY) -> PlaceOrder:
    return _an_order(5, Leg.ENTRY, side, price, amount)


def an_exit(price: str = "170", amount: str = "1", leg: Leg = Leg.EXIT) -> PlaceOrder:
    return _an_order(6, leg, Side.SELL, price, amount)


def _an_order(slot: int, leg: Leg, side: Side, price: str, amount: str) -> PlaceOrder:
    return PlaceOrder(
        slot=slot, leg=leg, side=side, price=Decimal(price), amount=Decimal(amount), post_only=False, reason="a test"
    )


WORST: dict[str, Any] = {
    "mark": None,
    "inventory_cost": Decimal(10**9),
    "resting_quote": None,
    "open_orders": 10**6,
    "orders_last_minute": None,
    "losses": Losses(daily=Decimal(10**9), drawdown=Decimal(10**9), floating=Decimal(10**9)),
    "price_age_ms": None,
    "reports_age_ms": 10**12,
    "candles_age_ms": None,
    "journal_lag_ms": 10**12,
    "blocks": (A_BLOCK,),
    "liquidation_price": None,
}
"""Everything against an opening at once."""


def test_with_nothing_against_it_every_action_is_approved_under_all_limits() -> None:
    cancel = CancelOrder(slot=5, client_order_id="x", reason="a test")
    for action in (an_entry(), an_exit(), an_exit("154.5", leg=Leg.FLATTEN), cancel, SetAside(slot=6, reason="dust")):
        assert assess(action, ALL_ON, some_evidence()) == APPROVED


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"mark": None, "can_be_liquidated": False}, "no price is known"),
        ({"mark": Decimal(0), "can_be_liquidated": False}, "the price must be a number above 0, was 0"),
        ({"mark": Decimal("NaN"), "can_be_liquidated": False}, "the price must be a number above 0, was NaN"),
        ({"blocks": (A_BLOCK,)}, "panic key: pressed"),
        (
            {"inventory_cost": Decimal("710.01")},
            "with this order the exposure is 1000.01 USDT, the limit is 1000 USDT",
        ),
        (
            {"inventory_cost": Decimal("710.0123456789")},
            "with this order the exposure is 1000.0123 USDT, the limit is 1000 USDT",
        ),
        ({"inventory_cost": None}, "the exposure is not known, the limit is 1000 USDT"),
        ({"resting_quote": None}, "the exposure is not known, the limit is 1000 USDT"),
        ({"open_orders": 10}, "with this order the number of open orders is 11, the limit is 10"),
        ({"open_orders": None}, "the number of open orders is not known, the limit is 10"),
        ({"orders_last_minute": 60}, "with this order the number of orders in a minute is 61, the limit is 60"),
        ({"orders_last_minute": None}, "the number of orders in a minute is not known, the limit is 60"),
        (
            {"losses": replace(NO_LOSS, daily=Decimal(100))},
            "the loss since midnight UTC is 100 USDT, the limit is 100 USDT",
        ),
        (
            {"losses": replace(NO_LOSS, drawdown=Decimal("200.5"))},
            "the loss from the peak is 200.5 USDT, the limit is 200 USDT",
        ),
        (
            {"losses": replace(NO_LOSS, floating=Decimal(301))},
            "the loss of the inventory is 301 USDT, the limit is 300 USDT",
        ),
        (
            {"losses": None},
            (
                "the loss since midnight UTC is not known, the limit is 100 USDT; "
                "the loss from the peak is not known, the limit is 200 USDT; "
                "the loss of the inventory is not known, the limit is 300 USDT"
            ),
        ),
        ({"price_age_ms": 12_300}, "the age of the price is 12.3 s, the limit is 10 s"),
        ({"price_age_ms": -12_300}, "the age of the price is 12.3 s, the limit is 10 s"),
        ({"price_age_ms": None}, "the age of the price is not known, the limit is 10 s"),
        ({"reports_age_ms": 60_000}, "the silence of the order stream is 60 s, the limit is 60 s"),
        ({"reports_age_ms": None}, "the silence of the order stream is not known, the limit is 60 s"),
        ({"candles_age_ms": 121_000}, "the age of the candles is 121 s, the limit is 120 s"),
        ({"candles_age_ms": None}, "the age of the candles is not known, the limit is 120 s"),
        ({"journal_lag_ms": 700}, "the lag of the journal is 0.7 s, the limit is 0.5 s"),
        ({"journal_lag_ms": None}, "the lag of the journal is not known, the limit is 0.5 s"),
        (
            {"liquidation_price": Decimal(128)},
            "the distance to liquidation is 17.41 %, the least is 20 %",
        ),
        ({"liquidation_price": None}, "the distance to liquidation is not known, the least is 20 %"),
    ],
)
def test_an_entry_is_refused_for_each_limit_with_what_was_found(changes: dict[str, Any], reason: str) -> None:
    verdict = assess(an_entry(), ALL_ON, some_evidence(**changes))
    assert verdict == Refused(reason=reason)


@pytest.mark.parametrize(
    "action, reason",
    [
        (
            an_entry("199", "1.1"),
            (
                "the buy price of 199 USDT is more than 5 % above the market at 155 USDT; "
                "the order is worth 218.9 USDT, the limit is 200 USDT"
            ),
        ),
        (an_entry("162.76"), "the buy price of 162.76 USDT is more than 5 % above the market at 155 USDT"),
        (
            an_entry("147.24", side=Side.SELL),
            "the sell price of 147.24 USDT is more than 5 % below the market at 155 USDT",
        ),
        (an_entry("150.001"), "price must be a positive multiple of the tick 0.01, was 150.001"),
        (an_exit(amount="1.00001"), "the exit of 1.00001 BTC exceeds the 1 BTC that its slot holds"),
        (an_exit("147.24"), "the sell price of 147.24 USDT is more than 5 % below the market at 155 USDT"),
        (
            an_exit("1", leg=Leg.FLATTEN, amount="5"),
            (
                "the flatten of 5 BTC exceeds the 1 BTC that its slot holds; "
                "the sell price of 1 USDT is more than 5 % below the market at 155 USDT"
            ),
        ),
        (an_exit(amount="0"), "amount must be between 0.00001 and 9000, was 0"),
    ],
)
def test_an_order_that_is_wrong_in_itself_is_refused_whatever_its_leg(action: PlaceOrder, reason: str) -> None:
    assert assess(action, ALL_ON, some_evidence()) == Refused(reason=reason)


@pytest.mark.parametrize(
    "action",
    [an_entry("162.75"), an_entry("1", "6"), an_entry("147.25", side=Side.SELL), an_entry("180", "1", Side.SELL)],
    ids=["buy at the band", "buy far below", "sell at the band", "sell far above"],
)
def test_a_price_at_the_band_or_on_its_own_side_of_the_market_is_approved(action: PlaceOrder) -> None:
    assert assess(action, ALL_ON, some_evidence()) == APPROVED


def test_all_that_speaks_against_an_entry_is_named_at_once() -> None:
    verdict = assess(an_entry(), ALL_ON, some_evidence(open_orders=10, price_age_ms=None))
    assert verdict == Refused(
        reason="with this order the number of open orders is 11, the limit is 10; "
        "the age of the price is not known, the limit is 10 s"
    )


@pytest.mark.parametrize("leg", [Leg.EXIT, Leg.FLATTEN])
def test_an_exit_passes_with_everything_against_openings(leg: Leg) -> None:
    """Findings L-31 and L-35: filters held back the orders that would have taken the risk away."""
    evidence = some_evidence(**WORST)
    assert isinstance(assess(an_entry(), ALL_ON, evidence), Refused)
    assert assess(an_exit(leg=leg), ALL_ON, evidence) == APPROVED
    assert assess(CancelOrder(slot=5, client_order_id="x", reason="a test"), ALL_ON, evidence) == APPROVED


def test_an_exit_at_its_own_level_passes_however_far_the_market_has_gone_past_it() -> None:
    assert assess(an_exit("170"), ALL_ON, some_evidence(mark=Decimal(500))) == APPROVED
    assert isinstance(assess(an_exit("169.99"), ALL_ON, some_evidence(mark=Decimal(500))), Refused)


def test_a_lot_worth_more_than_the_largest_entry_can_still_be_sold() -> None:
    slots = some_slots(a_slot(6, state=Holding(lot=a_lot(5, 800))))
    assert assess(an_exit(amount="5"), ALL_ON, some_evidence(slots=slots)) == APPROVED


def test_an_exit_may_take_dust_along_beyond_its_lot() -> None:
    with_dust = replace(an_exit(amount="1.00002"), dust=a_lot("0.00002", "0.003"))
    assert assess(with_dust, ALL_ON, some_evidence()) == APPROVED


def test_flattening_may_use_its_slippage_under_a_narrower_band() -> None:
    narrow = replace(ALL_ON, price_band=Decimal("0.001"))
    assert assess(an_exit("154.22", leg=Leg.FLATTEN), narrow, some_evidence()) == APPROVED
    assert isinstance(assess(an_exit("154.21", leg=Leg.FLATTEN), narrow, some_evidence()), Refused)


def test_actions_of_one_decision_share_what_is_left() -> None:
    limits = Limits(exposure_quote_max=Decimal(600), open_orders_max=4)
    actions: list[Action] = [
        an_entry(),
        an_exit(),
        CancelOrder(slot=1, client_order_id="x", reason="far"),
        an_entry("140"),
        an_entry("1", "6"),
    ]
    verdicts = [verdict for _, verdict in assess_all(actions, limits, some_evidence())]
    assert verdicts == [
        APPROVED,
        APPROVED,
        APPROVED,
        Refused(reason="with this order the number of open orders is 5, the limit is 4"),
        Refused(reason="with this order the number of open orders is 5, the limit is 4"),
    ]


def test_exposure_counts_up_over_the_entries_of_one_decision_and_refused_ones_do_not_count() -> None:
    limits = Limits(exposure_quote_max=Decimal(500))
    verdicts = [verdict for _, verdict in assess_all([an_entry(), an_entry(), an_entry("50")], limits, some_evidence())]
    assert verdicts == [
        APPROVED,
        Refused(reason="with this order the exposure is 600 USDT, the limit is 500 USDT"),
        APPROVED,
    ]


def test_exposure_is_what_lots_and_dust_cost_and_what_entries_still_bind() -> None:
    entry = an_order(5, amount=Decimal(2), filled=Decimal("0.5"), fills=(a_fill(amount="0.5"),))
    slots = some_slots(
        a_slot(5, state=Entering(order=entry, lot=a_lot("0.5", 75))), a_slot(6, state=Holding(lot=a_lot(1, 160)))
    )
    assert exposure_of(slots, a_lot("0.001", "0.2")) == (Decimal("235.2"), Decimal(225))
    assert exposure_of(some_slots(), NO_LOT) == (ZERO, ZERO)


def test_a_bar_shows_what_is_used_of_its_limit() -> None:
    limits = Limits(exposure_quote_max=Decimal(1000), price_band=Decimal("0.05"), price_stale_seconds=Decimal(10))
    assert limit_views(limits, some_evidence(price_age_ms=None)) == (
        LimitView(
            name=LimitName.EXPOSURE,
            value=Decimal(300),
            limit=Decimal(1000),
            unit="USDT",
            used=Decimal("0.3"),
            is_blocking=False,
            reason="the exposure is 300 USDT, the limit is 1000 USDT",
        ),
        LimitView(
            name=LimitName.PRICE_BAND,
            value=None,
            limit=Decimal(5),
            unit="%",
            used=None,
            is_blocking=False,
            reason="an order may be priced at most 5 % beyond the market",
        ),
        LimitView(
            name=LimitName.PRICE_AGE,
            value=None,
            limit=Decimal(10),
            unit="s",
            used=None,
            is_blocking=True,
            reason="the age of the price is not known, the limit is 10 s",
        ),
    )


def test_every_limit_that_is_on_has_its_bar_and_those_that_are_off_have_none() -> None:
    assert [view.name for view in limit_views(ALL_ON, some_evidence())] == list(LimitName)
    assert limit_views(Limits(), some_evidence()) == ()
    for field in fields(Limits):
        only = Limits(**{field.name: getattr(ALL_ON, field.name)})
        assert len(limit_views(only, some_evidence())) == 1


def test_the_distance_to_liquidation_is_used_up_as_it_shrinks() -> None:
    limits = Limits(liquidation_distance_min=Decimal("0.2"))
    (far,) = limit_views(limits, some_evidence(mark=Decimal(100), liquidation_price=Decimal(60)))
    assert (far.value, far.used, far.is_blocking) == (Decimal(40), Decimal("0.5"), False)
    (here,) = limit_views(limits, some_evidence(mark=Decimal(100), liquidation_price=Decimal(100)))
    assert (here.value, here.used, here.is_blocking) == (ZERO, None, True)
    (spot,) = limit_views(limits, some_evidence(can_be_liquidated=False, liquidation_price=None))
    assert (spot.is_blocking, spot.reason) == (False, "nothing here can be liquidated")


def test_a_grid_that_its_limits_would_never_let_open_is_named() -> None:
    lattice, market = a_lattice(), a_market()
    limits = Limits(order_notional_max=Decimal(150), exposure_quote_max=Decimal(150))
    assert grid_problems(limits, market, lattice.levels, lattice.amounts) == [
        "the largest entry must be at most order_notional_max, was 190 USDT and 150 USDT"
    ]
    assert grid_problems(Limits(exposure_quote_max=Decimal(99)), market, lattice.levels, lattice.amounts) == [
        "the smallest entry must fit into exposure_quote_max, was 100 USDT and 99 USDT"
    ]
    assert grid_problems(ALL_ON, market, lattice.levels, lattice.amounts) == []


EVIDENCE_OF = {
    "exposure_quote_max": "inventory_cost",
    "open_orders_max": "open_orders",
    "price_band": "mark",
    "orders_per_minute_max": "orders_last_minute",
    "daily_loss_max": "losses",
    "drawdown_max": "losses",
    "floating_loss_max": "losses",
    "price_stale_seconds": "price_age_ms",
    "reports_stale_seconds": "reports_age_ms",
    "candles_stale_seconds": "candles_age_ms",
    "journal_lag_seconds_max": "journal_lag_ms",
    "liquidation_distance_min": "liquidation_price",
}


@pytest.mark.parametrize("limit, evidence", EVIDENCE_OF.items())
def test_a_limit_that_is_on_refuses_openings_while_its_evidence_is_missing(limit: str, evidence: str) -> None:
    only = Limits(**{limit: getattr(ALL_ON, limit)})
    assert assess(an_entry(), only, some_evidence()) == APPROVED
    assert isinstance(assess(an_entry(), only, some_evidence(**{evidence: None})), Refused)
    assert set(EVIDENCE_OF) | {"order_notional_max"} == {field.name for field in fields(Limits)}


AMOUNTS = st.none() | st.integers(0, 2_000).map(Decimal)
COUNTS = st.none() | st.integers(0, 200)
AGES = st.none() | st.integers(-200_000, 200_000)
ANY_EVIDENCE = st.builds(
    lambda **changes: some_evidence(**changes),
    mark=st.none() | st.integers(-1, 500).map(Decimal),
    inventory_cost=AMOUNTS,
    resting_quote=AMOUNTS,
    open_orders=COUNTS,
    orders_last_minute=COUNTS,
    losses=st.none()
    | st.builds(Losses, **dict.fromkeys(("daily", "drawdown", "floating"), st.integers(0, 400).map(Decimal))),
    price_age_ms=AGES,
    reports_age_ms=AGES,
    candles_age_ms=AGES,
    journal_lag_ms=AGES,
    blocks=st.sampled_from([(), (A_BLOCK,)]),
    can_be_liquidated=st.booleans(),
    liquidation_price=st.none() | st.integers(0, 500).map(Decimal),
)
ANY_LIMITS = st.sets(st.sampled_from(fields(Limits)), max_size=13).map(
    lambda chosen: Limits(**{field.name: getattr(ALL_ON, field.name) for field in chosen})
)


def is_beyond_a_limit(limits: Limits, evidence: Evidence, entry: PlaceOrder) -> bool:
    """The rules once more, written down one by one."""
    notional = entry.price * entry.amount

    def is_beyond(limit: Decimal | int | None, found: Decimal | int | None) -> bool:
        return limit is not None and (found is None or found > limit)

    def is_reached(limit: Decimal | None, found: Decimal | None) -> bool:
        return limit is not None and (found is None or found >= limit)

    def seconds(age_ms: int | None) -> Decimal | None:
        return None if age_ms is None else Decimal(abs(age_ms)) / 1000

    if evidence.mark is None or evidence.mark <= 0 or evidence.blocks:
        return True
    cost, resting = evidence.inventory_cost, evidence.resting_quote
    losses = evidence.losses
    near = evidence.liquidation_price
    distance = None if near is None else abs(evidence.mark - near) / evidence.mark
    least = limits.liquidation_distance_min
    return (
        is_beyond(limits.exposure_quote_max, None if cost is None or resting is None else cost + resting + notional)
        or is_beyond(limits.open_orders_max, None if evidence.open_orders is None else evidence.open_orders + 1)
        or is_beyond(
            limits.orders_per_minute_max,
            None if evidence.orders_last_minute is None else evidence.orders_last_minute + 1,
        )
        or is_beyond(limits.order_notional_max, notional)
        or (limits.price_band is not None and entry.price > evidence.mark * (1 + limits.price_band))
        or is_reached(limits.daily_loss_max, None if losses is None else losses.daily)
        or is_reached(limits.drawdown_max, None if losses is None else losses.drawdown)
        or is_reached(limits.floating_loss_max, None if losses is None else losses.floating)
        or is_reached(limits.price_stale_seconds, seconds(evidence.price_age_ms))
        or is_reached(limits.reports_stale_seconds, seconds(evidence.reports_age_ms))
        or is_reached(limits.candles_stale_seconds, seconds(evidence.candles_age_ms))
        or is_reached(limits.journal_lag_seconds_max, seconds(evidence.journal_lag_ms))
        or (least is not None and evidence.can_be_liquidated and (distance is None or distance < least))
    )


@given(ANY_LIMITS, ANY_EVIDENCE, st.sampled_from([an_entry(), an_entry("150", "2"), an_entry("160")]))
def test_an_entry_is_refused_exactly_where_a_limit_forbids_it(
    limits: Limits, evidence: Evidence, entry: PlaceOrder
) -> None:
    assert isinstance(assess(entry, limits, evidence), Refused) == is_beyond_a_limit(limits, evidence, entry)


@given(ANY_LIMITS, ANY_EVIDENCE)
def test_an_exit_at_its_level_is_approved_under_any_limits_and_any_evidence(limits: Limits, evidence: Evidence) -> None:
    assert assess(an_exit(), limits, evidence) == APPROVED
