"""An impossible grid is refused with one line that says what was expected and what was found."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.core.lattice import make_lattice
from engine.model.errors import SettingsInvalid
from engine.model.grid import InitialPurchase, SizedBy, Spacing
from engine.model.market import FeeCurrency, Market
from tests.builders import a_market, a_spec

D = Decimal


def problem_with(spec_changes: dict[str, object], market: Market | None = None) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        make_lattice(a_spec(**spec_changes), market or a_market(), D(150))
    (problem,) = caught.value.problems
    return problem


def test_a_step_below_the_fees() -> None:
    """The narrowest step, the highest of an arithmetic grid, is named."""
    assert problem_with({"lower": D(100), "upper": D(110), "slots": 50}) == (
        "grid 'main': slots: expected steps wider than the fees of a cycle, found a step of 0.1821 % at "
        "level 49, which loses 0.0181 % a cycle"
    )


def test_a_step_that_only_just_pays_its_fees() -> None:
    """The fee in quote: break-even is 1.001/0.999, so a market with such levels earns exactly nothing."""
    market = a_market(fee_currency=FeeCurrency.QUOTE, tick_size=D("0.999"))
    wish = {"lower": D("499.5"), "upper": D("500.499"), "slots": 1}
    assert problem_with(wish, market) == (
        "grid 'main': slots: expected steps wider than the fees of a cycle, found a step of 0.2000 % at "
        "level 0, which loses 0.0002 % a cycle"
    )


@pytest.mark.parametrize("spacing", Spacing)
def test_more_slots_than_ticks(spacing: Spacing) -> None:
    wish = {"lower": D(100), "upper": D("100.05"), "slots": 6, "spacing": spacing}
    assert problem_with(wish) == (
        "grid 'main': slots: expected at most as many as ticks of 0.01 fit between lower and upper (5), found 6"
    )


def test_a_geometric_grid_whose_lowest_steps_are_below_a_tick() -> None:
    """There are more ticks than slots, but not where the levels are close together."""
    wish = {"lower": D("0.01"), "upper": D(10), "slots": 40, "spacing": Spacing.GEOMETRIC}
    assert problem_with(wish) == (
        "grid 'main': slots: expected steps of at least a tick of 0.01, found levels 0 and 1 both at 0.01"
    )


def test_a_lower_bound_below_the_first_tick() -> None:
    wish = {"lower": D("0.004"), "upper": D(1), "slots": 10}
    assert problem_with(wish) == "grid 'main': lower: expected at least a tick of 0.01, found 0.004"


@pytest.mark.parametrize(
    "sized_by, size, found, problem",
    [
        (SizedBy.BASE_PER_SLOT, "0.04", "0.04", "notional must be at least 5 USDT, was 4"),
        (SizedBy.QUOTE_PER_SLOT, "4.5", "0.045", "notional must be at least 5 USDT, was 4.5"),
        (SizedBy.INVESTMENT, "45", "0.045", "notional must be at least 5 USDT, was 4.5"),
        (SizedBy.BASE_PER_SLOT, "0.000001", "0", "amount must be between 0.00001 and 9000, was 0"),
        (SizedBy.BASE_PER_SLOT, "9001", "9001", "amount must be between 0.00001 and 9000, was 9001"),
    ],
)
def test_an_order_that_the_market_does_not_take(sized_by: SizedBy, size: str, found: str, problem: str) -> None:
    assert problem_with({"sized_by": sized_by, "size": D(size)}) == (
        f"grid 'main': {sized_by}: expected orders that BTC/USDT takes, found {found} BTC in slot 0: {problem}"
    )


def test_an_amount_below_the_least() -> None:
    assert problem_with({"size": D("0.09")}, a_market(amount_min=D("0.1"))) == (
        "grid 'main': base_per_slot: expected orders that BTC/USDT takes, found 0.09 BTC in slot 0: amount must "
        "be between 0.1 and 9000, was 0.09"
    )


def test_a_lot_that_can_be_bought_but_not_sold_after_the_fee() -> None:
    """0.1 is bought, 0.0999 is received, and whole lots of 0.1 are sold."""
    market = a_market(lot_size=D("0.1"), amount_min=D("0.1"))
    assert problem_with({"size": D("0.1")}, market) == (
        "grid 'main': base_per_slot: expected orders that BTC/USDT takes, found 0 BTC to sell in slot 0: amount "
        "must be between 0.1 and 9000, was 0"
    )


def test_a_fee_in_quote_takes_nothing_from_what_can_be_sold() -> None:
    market = a_market(lot_size=D("0.1"), amount_min=D("0.1"), fee_currency=FeeCurrency.QUOTE)
    assert make_lattice(a_spec(size=D("0.1")), market, D(150)).amounts == (D("0.1"),) * 10


def test_an_initial_purchase_below_the_least_order_at_a_start_price_under_the_range() -> None:
    """Each slot from 100 up is worth 5 at its own level, and 4.66 at 93.14."""
    spec = a_spec(size=D("0.05001"), initial_purchase=InitialPurchase.LIMIT)
    with pytest.raises(SettingsInvalid) as refused:
        make_lattice(spec, a_market(), D("93.14"))
    assert str(refused.value) == (
        "grid 'main': base_per_slot: expected an initial purchase that BTC/USDT takes, found 0.05001 BTC in slot 0 at "
        "the start price 93.14: notional must be at least 5 USDT, was 4.6579314"
    )
    assert make_lattice(replace(spec, initial_purchase=InitialPurchase.NONE), a_market(), D("93.14")).anchor == D(
        "93.14"
    )
