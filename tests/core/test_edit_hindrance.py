"""What stands in the way of an edit: the state of the grid, blocks and the kind of market."""

import pytest

from engine.core.edit_hindrance import why_not_edited, why_nothing_enters
from engine.model.events import BlocksChanged, RegimeChanged
from engine.model.grid import GridState
from engine.model.order import Side
from engine.model.regime import EntryRule, RegimeName
from engine.model.risk import Block, BreakerKind
from tests.builders import a_state, some_books

PANIC = Block(kind=BreakerKind.PANIC_KEY, reason="pressed by ann", since_ms=0, until_ms=None, needs_person=True)


@pytest.mark.parametrize(
    "state, said",
    [
        (GridState.RUNNING, ""),
        (GridState.PAUSED, ""),
        (GridState.EXITS_ONLY, ""),
        (GridState.STARTING, "the grid is starting (why): it can be edited once it runs"),
        (GridState.STOPPING, "the grid is stopping (why): resume it once it is stopped"),
        (GridState.STOPPED, "the grid is stopped (why): resume it first"),
        (GridState.HALTED, "the grid is halted (why): resume it first"),
    ],
)
def test_a_state_that_forbids_an_edit_says_what_to_do(state: GridState, said: str) -> None:
    assert why_not_edited(state, "why") == said


def test_what_nothing_keeps_from_opening_waits_for_nothing() -> None:
    books = some_books()
    books.apply(a_state(GridState.RUNNING), 0)
    assert why_nothing_enters(books) == {}


def test_a_block_and_a_pause_keep_both_sides_and_a_regime_its_own() -> None:
    books = some_books()
    books.apply(a_state(GridState.RUNNING), 0)
    regime = RegimeChanged(
        name=RegimeName.TRENDING_DOWN,
        since_ms=0,
        reasons=("falls",),
        long_entries=EntryRule.NONE,
        short_entries=EntryRule.ALTERNATE,
    )
    books.apply(regime, 0)
    assert why_nothing_enters(books) == {Side.BUY: "the market is trending down"}
    books.apply(BlocksChanged(blocks=(PANIC,), reason="pressed", by="ann"), 0)
    books.apply(a_state(GridState.PAUSED), 0)
    both = f"the grid is paused ({books.state_reason}); panic key: pressed by ann"
    assert why_nothing_enters(books) == {Side.BUY: f"{both}; the market is trending down", Side.SELL: both}
