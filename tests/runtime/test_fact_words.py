"""Facts in words: who did it, what it cost in which currency, and no name with an underscore in it."""

from decimal import Decimal

import pytest

from engine.model.events import (
    BlocksChanged,
    Fact,
    FundingBooked,
    GridStateChanged,
    LateFillBooked,
    PositionLiquidated,
    RegimeChanged,
)
from engine.model.grid import GridState
from engine.model.order import Side
from engine.model.regime import EntryRule, RegimeName
from engine.model.snapshot import EventLevel
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.fact_words import RESUMED_AFTER, event_from_fact
from tests.builders import a_fill, an_id

D = Decimal
SWAP = "BTC/USDT:USDT"


def told(fact: Fact) -> tuple[EventLevel, str]:
    event = event_from_fact("main", fact, number=1, at_ms=0)
    return event.level, event.text


def a_change(state: GridState, reason: str, by: str) -> GridStateChanged:
    return GridStateChanged(state=state, disposal=None, reason=reason, by=by)


@pytest.mark.parametrize(
    "fact, level, text",
    [
        (
            a_change(GridState.EXITS_ONLY, "stop loss: the price is 9", "risk"),
            EventLevel.INFO,
            "exits only: stop loss: the price is 9 (by the risk limits)",
        ),
        (
            a_change(GridState.STOPPING, "stopping: cancel", "socket"),
            EventLevel.INFO,
            "stopping: cancel (by the command line)",
        ),
        (a_change(GridState.HALTED, "gone", "exchange"), EventLevel.ERROR, "halted: gone (by the exchange)"),
        (
            a_change(GridState.RUNNING, f"{RESUMED_AFTER}it was liquidated", "ann"),
            EventLevel.WARNING,
            "running: resumed though it was liquidated (by ann)",
        ),
        (
            BlocksChanged(blocks=(), reason="lifted: panic key", by="ann"),
            EventLevel.INFO,
            "lifted: panic key (by ann)",
        ),
        (
            RegimeChanged(
                name=RegimeName.TRENDING_UP,
                since_ms=0,
                reasons=("it rises",),
                long_entries=EntryRule.ALL,
                short_entries=EntryRule.NONE,
            ),
            EventLevel.INFO,
            "the market is trending up (long: every entry opens, short: nothing new opens on this side): it rises",
        ),
        (
            PositionLiquidated(
                liquidation=Liquidation(
                    symbol=SWAP, trade_id="1", amount=D("-0.5"), price=D("61234.5"), fee=D("1.23456789123"), at_ms=0
                )
            ),
            EventLevel.ERROR,
            "the exchange liquidated 0.5 BTC at 61234.5 USDT, fee 1.2345679 USDT",
        ),
        (
            FundingBooked(
                payment=FundingPayment(
                    symbol=SWAP,
                    funding_id="1",
                    amount=D("-3.061725"),
                    rate=D("0.0001"),
                    position=D("0.5"),
                    mark_price=D("61234.5"),
                    at_ms=0,
                )
            ),
            EventLevel.INFO,
            "funding paid: 3.061725 USDT, 0.0100 % on 0.5 BTC at 61234.5 USDT",
        ),
    ],
)
def test_a_fact_is_one_line_for_people(fact: Fact, level: EventLevel, text: str) -> None:
    assert told(fact) == (level, text)


def test_an_execution_that_is_told_late_is_a_warning_that_names_its_order_and_fee() -> None:
    fill = a_fill(price=150, amount="0.4", fee="0.0002", fee_currency="BNB")
    fact = LateFillBooked(slot=5, client_order_id=an_id(), side=Side.BUY, amount=Decimal(1), fills=(fill,))
    told = event_from_fact("main", fact, number=1, at_ms=1)
    assert (told.level, told.slot) == (EventLevel.WARNING, 5)
    assert told.text == f"told late: order {an_id()}, closed before, had bought 0.4 at 150, fee 0.0002 BNB"
