"""What dialogs and the help screen say, and the table of keys."""

from dataclasses import replace
from decimal import Decimal

from engine.model.grid import Disposal, GridState
from engine.model.snapshot import Mode
from tests import risk_scenes, scenes
from tui.keys import TABLE, Scope, footer_keys
from tui.present.dialogs import (
    disposal_text,
    disposal_typed,
    farewell_text,
    leaving_lines,
    live_orders,
    needs_asking,
    resume_lines,
    stop_lines,
)
from tui.present.manual import footer_for, manual_lines
from tui.present.pieces import line_text, line_width
from tui.present.words import Stage


def test_stopping_says_what_happens_in_orders_coins_and_money() -> None:
    grid = scenes.running().grids[0]
    assert live_orders(grid) == 24
    assert [disposal_text(grid, disposal) for disposal in Disposal] == [
        "24 orders stay on the exchange and 0.03154 BTC stays held. Nothing is sent.",
        "24 orders cancelled. 0.03154 BTC stays held and unsold.",
        "24 orders cancelled. 0.03154 BTC sold at about 60,412.37 for about 1,905.41 USDT, slippage bounded.",
    ]


def test_nothing_held_is_nothing_sold_and_no_price_is_no_estimate() -> None:
    empty = scenes.grid(inventory=Decimal(0), slots=())
    assert disposal_text(empty, Disposal.FLATTEN) == "0 orders cancelled. Nothing is held, nothing is sold."
    unpriced = scenes.grid(None, slots=())
    assert disposal_text(unpriced, Disposal.FLATTEN) == (
        "0 orders cancelled. 0.03154 BTC sold at the market, slippage bounded."
    )


def test_only_a_whole_word_is_a_choice() -> None:
    assert [disposal_typed(text) for text in ("", "c", "cancel", " Flatten ", "leave it")] == [
        None,
        None,
        Disposal.CANCEL,
        Disposal.FLATTEN,
        None,
    ]


def test_the_word_being_typed_is_marked() -> None:
    texts = [line_text(line) for line in stop_lines(Stage.LIVE, scenes.grid(), "ca", 70)]
    assert texts[0] == "Stop btc BTC/USDT   ▲ LIVE ▲ "
    assert [text[:10].rstrip() for text in texts if text.strip()][1:5] == [
        "  leave",
        "",
        "▸ cancel",
        "  flatten",
    ]


def test_leaving_asks_only_while_a_grid_is_at_work() -> None:
    running = scenes.running()
    stopped = replace(running, grids=(replace(running.grids[0], state=GridState.STOPPED),))
    assert [needs_asking(None, None), needs_asking(running, None)] == [False, True]
    assert [needs_asking(running, "dead"), needs_asking(stopped, None)] == [False, False]


def test_leaving_says_what_on_exit_does_to_each_grid_at_work() -> None:
    lines = [line_text(line) for line in leaving_lines(scenes.running(), Disposal.CANCEL, 72)]
    assert lines[2] == "The engine closes with you, in order. On exit: cancel"
    assert lines[3] == "  btc: 24 orders cancelled. 0.03154 BTC stays held and unsold."


def test_leaving_an_engine_of_its_own_says_that_it_goes_on_and_how_it_is_ended() -> None:
    engine = replace(scenes.running(), mode=Mode.LIVE, exchange_id="binance")
    lines = [line_text(line) for line in leaving_lines(engine, None, 72)]
    assert lines[0] == "Leave Gridwright?   ▲ LIVE ▲ "
    assert lines[2:4] == ["The engine goes on without you.", "  btc: 24 orders at work, 0.03154 BTC held."]
    assert "gridwright quit ends it" in " ".join(lines)
    assert farewell_text(engine, "~/x") == (
        "the engine goes on (live binance, 24 orders at work): gridwright quit --state-dir ~/x ends it, "
        "the same command comes back to it"
    )
    assert farewell_text(None, "~/x").startswith("the engine goes on starting: gridwright quit")


def test_resuming_where_money_is_real_names_the_mode() -> None:
    lines = [line_text(line) for line in resume_lines(Stage.LIVE, scenes.grid(), 60)]
    assert lines[0] == "Resume btc?   ▲ LIVE ▲ "
    assert lines[2].startswith("btc places its entries on BTC/USDT again:")


def test_resuming_a_stopped_grid_says_why_it_stands_and_what_still_blocks_it() -> None:
    stopped = scenes.grid(
        state=GridState.STOPPED, state_reason="the stop loss", slots=tuple(scenes.slot(index) for index in range(40))
    )
    assert [line_text(line) for line in resume_lines(Stage.PAPER, stopped, 100)[2:-2]] == [
        "It is stopped: the stop loss.",
        "btc places its entries on BTC/USDT again: up to 12 entries within the window, as far as regime and",
        "limits let them.",
    ]
    blocked = replace(stopped, risk=risk_scenes.BLOCKED)
    assert [line_text(line) for line in resume_lines(Stage.PAPER, blocked, 100)[3:-2]] == [
        "btc goes on, but 3 blocks still stand: nothing opens until they end; l shows them, L lifts.",
    ]


def test_key_ids_and_keys_are_unique_within_a_scope() -> None:
    assert len({key.id for key in TABLE}) == len(TABLE)
    for scope in Scope:
        keys = [name for key in TABLE if key.scope in (scope, Scope.APP) for name in key.keys]
        assert len(set(keys)) == len(keys)


def test_the_help_screen_names_every_key_and_fits_every_width() -> None:
    for width in (56, 80, 120):
        lines = manual_lines(width)
        text = "\n".join(line_text(line) for line in lines)
        assert all(key.shown in text for key in TABLE)
        assert max(line_width(line) for line in lines) <= width


def test_the_footer_holds_whole_keys_and_only_those_that_do_something() -> None:
    footer = line_text(footer_for(80, has_many_grids=False, can_set_speed=True))
    assert footer == " ? help  p pause  space freeze  s stop  q quit  f follow  + faster  - slower"
    assert "faster" not in line_text(footer_for(120, has_many_grids=True, can_set_speed=False))
    assert "> next grid" in line_text(footer_for(120, has_many_grids=True, can_set_speed=False))
    assert [key.id for key in footer_keys()][:5] == ["help", "pause", "freeze", "stop", "quit"]
