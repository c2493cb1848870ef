"""What the story tells of reconciliation: level, slot and words of every fact of it."""

from decimal import Decimal

import pytest

from engine.model.events import (
    DecisionNarrowed,
    DiscrepancyFound,
    DiscrepancyResolved,
    Fact,
    HoldingNoted,
    LotCorrected,
    MarketAdopted,
    SlotThawed,
    WindowChanged,
)
from engine.model.reconcile import Choice, Discrepancy, DiscrepancyKind, Resolution
from engine.model.snapshot import EngineEvent, EventLevel
from engine.runtime.fact_words import event_from_fact
from engine.runtime.story import Story
from tests.builders import a_lot, a_market

FOUND = Discrepancy(
    kind=DiscrepancyKind.VANISHED_ORDER,
    slot=4,
    client_order_id="gabc04x000000001",
    detail="order gabc04x000000001 is not known any more",
    rows=(),
    choices=(
        Choice(resolution=Resolution.QUERY, effect="asks again", moves_money=False),
        Choice(resolution=Resolution.RELEASE, effect="takes it as closed", moves_money=True),
    ),
    proposed=Resolution.RELEASE,
    unanswered="the slot stays frozen",
)
INFO, WARNING = EventLevel.INFO, EventLevel.WARNING


def told(*facts: Fact) -> list[EngineEvent]:
    """The events of a story of these facts."""
    story = Story()
    for fact in facts:
        story.tell_fact("btc", fact, 1_000)
    return list(story.after(0, 100))


@pytest.mark.parametrize(
    "fact, level, slot, text",
    [
        (
            DiscrepancyFound(name="q3", discrepancy=FOUND, asks=True),
            WARNING,
            4,
            (
                "question q3: order gabc04x000000001 is not known any more; proposed: release (takes it as closed); "
                "until it is answered the slot stays frozen"
            ),
        ),
        (
            DiscrepancyFound(name="q3", discrepancy=FOUND, asks=False),
            INFO,
            4,
            "q3: order gabc04x000000001 is not known any more; dealt with as configured",
        ),
        (
            DiscrepancyResolved(name="q3", resolution=Resolution.RELEASE, outcome="slot 4 goes on", by="terminal"),
            INFO,
            None,
            "q3 resolved by terminal: release, slot 4 goes on",
        ),
        (
            DiscrepancyResolved(name="q3", resolution=Resolution.KEEP, outcome="", by="terminal"),
            INFO,
            None,
            "q3 resolved by terminal: keep",
        ),
        (
            LotCorrected(slot=4, lot=a_lot("0.50", 75), reason="missing on the account"),
            WARNING,
            4,
            "written off from the lot: 0.5 of cost 75: missing on the account",
        ),
        (
            LotCorrected(slot=None, lot=a_lot("0.1", 0), reason="missing on the account"),
            WARNING,
            None,
            "written off from the dust: 0.1 of cost 0: missing on the account",
        ),
        (
            HoldingNoted(beside=Decimal("1.50")),
            INFO,
            None,
            "1.5 on the account beside the lots: not ours, left alone",
        ),
        (
            MarketAdopted(market=a_market(tick_size=Decimal("0.1"))),
            INFO,
            None,
            "goes by the new rules of BTC/USDT: tick 0.1, lot 0.00001, smallest order 5 USDT",
        ),
        (WindowChanged(window=7), INFO, None, "window 7, as the configuration now says"),
    ],
)
def test_each_fact_of_reconciliation_is_told_with_its_level_slot_and_words(
    fact: Fact, level: EventLevel, slot: int | None, text: str
) -> None:
    assert told(fact) == [EngineEvent(number=1, at_ms=1_000, level=level, grid="btc", slot=slot, text=text)]


def test_what_a_decision_left_out_is_told_to_nobody_and_leaves_no_gap_in_the_numbers() -> None:
    narrowed = DecisionNarrowed(left_out=(3, 4), unsettled=(17,))
    events = told(SlotThawed(slot=1, by="x"), narrowed, SlotThawed(slot=2, by="x"))
    assert [(event.number, event.slot) for event in events] == [(1, 1), (2, 2)]


def test_a_reader_of_the_journal_gets_every_fact_in_words() -> None:
    narrowed = DecisionNarrowed(left_out=(3, 4), unsettled=(17,))
    event = event_from_fact("btc", narrowed, number=18, at_ms=5)
    assert (event.number, event.at_ms, event.grid, event.slot) == (18, 5, "btc", None)
    assert event.text == "decided without what was changing or refused (slots: 3, 4)"
