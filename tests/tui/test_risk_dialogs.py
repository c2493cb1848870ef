"""What is asked before a block is lifted or the panic key takes effect, line by line."""

from dataclasses import replace

import pytest

from engine.model.grid import GridState
from engine.model.order import OrderStatus, Side
from engine.model.risk import (
    BreakerKind,
)
from engine.model.snapshot import GridSnapshot, SlotStateName, SlotView
from tests import risk_scenes, scenes
from tests.risk_scenes import DRAWDOWN, FLOATING, PANIC_KEY
from tests.tui.test_pane_lines import texts
from tests.tui.test_risk import BLOCKED, blocked_by
from tui.present.going_on import entries_text
from tui.present.risk import (
    BLOCK_WORDS,
)
from tui.present.risk_dialogs import lift_lines, panic_lines
from tui.present.words import Stage
from tui.view import View


def grid_of(shown: View) -> GridSnapshot:
    assert shown.grid is not None
    return shown.grid


def test_lifting_says_which_block_what_then_opens_and_what_becomes_of_the_cause() -> None:
    assert texts(lift_lines(Stage.LIVE, grid_of(blocked_by(DRAWDOWN)), DRAWDOWN, 90)) == [
        "Lift the block of btc: drawdown?   ▲ LIVE ▲",
        "",
        "the total PnL is 402.13 USDT below its peak of 512.9 USDT, the limit is 400 USDT",
        "",
        "btc may open again at once: no slot within the window is empty, so nothing goes out now.",
        "The loss so far is accepted: the peak is counted anew from now.",
        "",
        "y yes, lift it    n or esc no",
    ]


def test_lifting_one_of_several_blocks_says_what_still_stands() -> None:
    lines = texts(lift_lines(Stage.PAPER, grid_of(BLOCKED), FLOATING, 90))
    assert lines[4:6] == [
        "Still blocked afterwards by: drawdown, panic key.",
        "If its cause is still there at the next price, the block is raised again.",
    ]


def test_lifting_one_of_several_blocks_of_a_stopped_grid_says_that_it_stays_stopped_too() -> None:
    stopped = replace(grid_of(BLOCKED), state=GridState.STOPPED)
    assert texts(lift_lines(Stage.PAPER, stopped, FLOATING, 90))[4:6] == [
        "Still blocked afterwards by: drawdown, panic key.",
        "btc stays stopped: nothing opens until you resume it with p.",
    ]


@pytest.mark.parametrize("kind", BreakerKind)
def test_each_kind_of_block_says_what_lifting_does_to_its_cause(kind: BreakerKind) -> None:
    block = replace(PANIC_KEY, kind=kind)
    lines = texts(lift_lines(Stage.PAPER, grid_of(blocked_by(block)), block, 90))
    assert lines[0].startswith(f"Lift the block of btc: {BLOCK_WORDS[kind]}?")
    assert lines[5].endswith(".")


@pytest.mark.parametrize(
    "state, then",
    [
        (GridState.RUNNING, "btc may open again at once: up to 12 entries within the window, as far as regime and"),
        (GridState.STOPPED, "btc stays stopped: nothing opens until you resume it with p."),
        (GridState.HALTED, "btc stays halted: nothing opens until you resume it with p."),
        (GridState.STOPPING, "btc goes on stopping and then stays stopped, until you resume it with p."),
        (GridState.PAUSED, "btc stays paused: nothing opens until you resume it with p."),
        (GridState.EXITS_ONLY, "btc still opens nothing, because it is in exits only: a reason."),
        (GridState.STARTING, "btc is still starting and opens nothing before it runs."),
    ],
)
def test_lifting_says_what_happens_afterwards(state: GridState, then: str) -> None:
    slots = tuple(scenes.slot(index) for index in range(40))
    shown = blocked_by(DRAWDOWN, state=state, state_reason="a reason", slots=slots)
    assert texts(lift_lines(Stage.LIVE, grid_of(shown), DRAWDOWN, 90))[4] == then


def test_the_entries_that_may_go_out_are_the_empty_slots_among_the_nearest_of_each_side() -> None:
    def text(slots: tuple[SlotView, ...], window: int = scenes.WINDOW) -> str:
        return entries_text(scenes.grid(slots=slots, window=window))

    empty = tuple(scenes.slot(index) for index in range(40))
    neutral = tuple(replace(slot, entry_side=Side.SELL) if slot.index > 21 else slot for slot in empty)
    lots = tuple(
        replace(slot, state=SlotStateName.HOLDING, quantity=scenes.LOT, freeze_reason=None)
        if slot.index == 20
        else slot
        for slot in empty
    )
    frozen = tuple(replace(slot, freeze_reason="by hand") if slot.index < 21 else slot for slot in empty)
    within = "within the window, as far as regime and limits let them"
    assert text(empty) == f"up to 12 entries {within}"
    assert text(neutral) == f"up to 24 entries {within}"
    assert text(lots) == f"up to 12 entries {within}"
    assert text(frozen) == f"up to 1 entry {within}"
    assert text(empty, window=3) == f"up to 3 entries {within}"
    assert entries_text(scenes.grid(None)) == "entries go out as soon as there is a price"


def test_one_exit_goes_on_in_the_singular() -> None:
    exits = [slot for slot in scenes.grid().slots if slot.state is SlotStateName.EXITING]
    engine = scenes.engine(risk_scenes.bounded(slots=tuple(exits[:1])))
    assert texts(panic_lines(engine, engine.grids[0], 90))[3] == (
        "1 exit stays and goes on: what is held can still leave. Nothing is sold at the market."
    )


def test_the_panic_key_says_what_is_cancelled_and_what_goes_on() -> None:
    engine = risk_scenes.watched()
    assert texts(panic_lines(engine, engine.grids[0], 90)) == [
        "PANIC  btc BTC/USDT   SIMULATION",
        "",
        "Cancels 12 resting entries of btc. Nothing opens until you lift it.",
        "12 exits stay and go on: what is held can still leave. Nothing is sold at the market.",
        "",
        "y yes, block openings    n or esc no",
    ]


def test_with_several_grids_the_panic_key_can_mean_one_or_all() -> None:
    engine = risk_scenes.several()
    assert texts(panic_lines(engine, engine.grids[0], 90))[4:] == [
        "The 2 other grids go on, unless you answer with all.",
        "",
        "a block all 3 grids    y yes, only btc    n or esc no",
    ]


def test_orders_that_are_done_are_not_counted_by_the_panic_key() -> None:
    slots = tuple(
        slot if slot.order is None else replace(slot, order=replace(slot.order, status=OrderStatus.CANCELED))
        for slot in scenes.grid().slots
    )
    engine = scenes.engine(risk_scenes.bounded(slots=slots))
    assert texts(panic_lines(engine, engine.grids[0], 90))[2] == (
        "Cancels 0 resting entries of btc. Nothing opens until you lift it."
    )
