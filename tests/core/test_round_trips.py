"""Round trips: a grid on an ideal exchange, through every level, a thousand times over."""

from decimal import Decimal
from itertools import pairwise

import pytest

from engine.model.grid import GridState
from engine.model.market import FeeCurrency
from engine.model.money import ZERO
from engine.model.slot import EMPTY, Entering
from tests.builders import a_market, a_spec, a_state, an_opening
from tests.core.harness import GridRun

OSCILLATIONS = 1000
LEVELS = [Decimal(100 + 10 * index) for index in range(11)]
MARKS = (Decimal("0.01"), Decimal(150), Decimal("61250.37"))


def a_run(fee_currency: FeeCurrency, **changes: object) -> GridRun:
    """An 11-level grid whose lots leave dust when the fee is taken in base."""
    spec = a_spec(size=Decimal("0.12345"), **changes)
    return GridRun(an_opening(spec, a_market(fee_currency=fee_currency), anchor=200))


def oscillate(run: GridRun, times: int) -> None:
    """From the highest level down to the lowest and back up, level by level."""
    path = [*reversed(LEVELS[:-1]), *LEVELS[1:]]
    run.trade(LEVELS[-1])
    for _ in range(times):
        run.trade(*path)


def test_a_thousand_oscillations_with_fees_in_quote_earn_exactly_the_change_in_cash() -> None:
    run = a_run(FeeCurrency.QUOTE)
    oscillate(run, OSCILLATIONS)
    books, ledger = run.books, run.books.ledger
    assert [slot.cycles for slot in books.slots] == [OSCILLATIONS] * 10
    assert ledger.cycles == 10 * OSCILLATIONS
    assert ledger.base == ZERO
    assert ledger.dust.quantity == ZERO
    assert ledger.dust.cost_quote == ZERO
    assert ledger.realised == ledger.cash == run.exchange.cash
    per_oscillation = sum(Decimal("0.12345") * 10 - _fee(lower) - _fee(upper) for lower, upper in pairwise(LEVELS))
    assert ledger.cash == OSCILLATIONS * per_oscillation
    assert [books.profit(mark).residual for mark in MARKS] == [ZERO, ZERO, ZERO]
    assert run.cancels == 0
    assert all(isinstance(slot.state, Entering) for slot in books.slots)


def test_a_thousand_oscillations_with_fees_in_base_leave_exactly_the_dust() -> None:
    run = a_run(FeeCurrency.RECEIVED)
    oscillate(run, OSCILLATIONS)
    books, ledger = run.books, run.books.ledger
    assert [slot.cycles for slot in books.slots] == [OSCILLATIONS] * 10
    assert ledger.cycles == 10 * OSCILLATIONS
    assert ledger.base == ledger.dust.quantity == run.exchange.base
    assert ZERO < ledger.dust.quantity < 10 * books.market.lot_size
    assert ledger.cash == run.exchange.cash == ledger.realised - ledger.dust.cost_quote
    assert [books.profit(mark).residual for mark in MARKS] == [ZERO, ZERO, ZERO]
    assert run.cancels == 0


@pytest.mark.parametrize("window", [1, 2, 3, 4, 9])
def test_a_window_smaller_than_the_grid_loses_no_cycle(window: int) -> None:
    """The window follows the price; every level still trades on every way down and up."""
    run = a_run(FeeCurrency.QUOTE, window=window)
    oscillate(run, 20)
    assert [slot.cycles for slot in run.books.slots] == [20] * 10
    assert run.books.ledger.base == ZERO
    assert run.books.ledger.cash == run.books.ledger.realised == run.exchange.cash


@pytest.mark.parametrize("fee_currency", FeeCurrency)
def test_a_crash_through_all_levels_at_once_and_back_is_one_cycle_each(fee_currency: FeeCurrency) -> None:
    run = a_run(fee_currency)
    run.trade(200, 50, 500)
    assert [slot.cycles for slot in run.books.slots] == [1] * 10
    assert run.books.ledger.base == run.books.ledger.dust.quantity
    assert run.books.profit(Decimal(500)).residual == ZERO


def test_a_grid_that_stands_still_between_oscillations_holds_nothing() -> None:
    run = a_run(FeeCurrency.QUOTE)
    oscillate(run, 3)
    run.record(a_state(GridState.PAUSED))
    run.settle()
    assert [slot.state for slot in run.books.slots] == [EMPTY] * 10
    assert run.exchange.live == {}


def _fee(price: Decimal) -> Decimal:
    return (Decimal("0.12345") * price * Decimal("0.001")).quantize(Decimal("0.00000001"))
