"""What a hidden execution does: everything happens at once, and nobody is told of it before its time."""

from decimal import Decimal

import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.veils import Veils
from engine.model.order import OrderStatus, OwnFill, Side
from tests.builders import SYMBOL, a_fill, a_report, an_intent

D = Decimal
ENTRY = an_intent()
FIRST, LAST = a_fill("1", amount="0.4"), a_fill("2", amount="0.6")
WHOLE = a_report(ENTRY, OrderStatus.FILLED, FIRST, LAST)
PART = a_report(ENTRY, OrderStatus.CANCELED, FIRST)


def own(name: str, trade_id: str) -> OwnFill:
    return OwnFill(client_order_id=name, symbol=SYMBOL, side=Side.BUY, fill=a_fill(trade_id))


def test_an_order_is_shown_as_canceled_without_its_hidden_execution_until_that_comes_out() -> None:
    veils = Veils()
    veils.hide(ENTRY.client_order_id, "2", until_ms=1_000)
    assert veils.shown_order(WHOLE, 999) == PART
    assert veils.shown_order(WHOLE, 1_000) == WHOLE
    assert veils.shown_order(PART, 999) == PART


def test_the_executions_of_the_account_lack_the_hidden_one_and_no_other() -> None:
    veils = Veils()
    veils.hide(ENTRY.client_order_id, "2", until_ms=1_000)
    fills = (own(ENTRY.client_order_id, "1"), own(ENTRY.client_order_id, "2"), own("manual", "2"))
    assert veils.shown_fills(fills, 999) == (fills[0], fills[2])
    assert veils.shown_fills(fills, 1_000) == fills


def test_a_cancellation_meets_a_hidden_execution_as_often_as_its_chance_says_and_for_as_long_as_it_may() -> None:
    plan = FaultPlan(seed=3, hidden_fill_chance=D("0.25"), hidden_ms_max=50)
    hidden = [plan.hidden_ms_of("a", at_ms) for at_ms in range(2_000)]
    assert hidden == [plan.hidden_ms_of("a", at_ms) for at_ms in range(2_000)]
    assert abs(sum(map(bool, hidden)) - 500) < 60
    assert set(hidden) == set(range(51))
    assert {plan.hidden_lots_of(str(number), 3) for number in range(50)} == {1, 2, 3}


def test_an_execution_that_is_hidden_for_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden_ms_max must be at least 1, was 0"):
        FaultPlan(hidden_ms_max=0)
