"""The lines of the other panes: status, summary, alerts, blocks, profit, slot, events."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.snapshot import Connection, EngineSnapshot, EngineState, EventLevel, Mode
from tests import scenes
from tui.history import History
from tui.present.events import event_lines
from tui.present.pieces import Line, Tone, line_text, line_width
from tui.present.profit import profit_lines
from tui.present.slot import overview_lines, slot_lines
from tui.present.status import alert_lines, block_lines, status_line, summary_line, tabs_line, tiny_line
from tui.view import View


def view_of(engine: EngineSnapshot, ended: str | None = None) -> View:
    history = History()
    history.add(engine)
    return history.view(engine, 0, ended)


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line_text(line).rstrip() for line in lines]


def test_the_status_line_says_mode_exchange_connection_engine_speed_lag_and_clock() -> None:
    assert line_text(status_line(view_of(scenes.running()), 80)) == (
        " SIMULATION   simulated ● connected  engine ● running  x60  lag 2ms   08:14:07Z "
    )


@pytest.mark.parametrize(
    "mode, word, tone",
    [
        (Mode.SIMULATION, " SIMULATION ", Tone.SIMULATION),
        (Mode.PAPER, " ◇ PAPER ◇ ", Tone.PAPER),
        (Mode.LIVE, " ▲ LIVE ▲ ", Tone.LIVE),
    ],
)
def test_each_mode_has_its_own_word_and_style(mode: Mode, word: str, tone: Tone) -> None:
    line = status_line(view_of(scenes.engine(mode=mode, speed=None)), 100)
    assert line[0] == (word, tone)


def test_the_sandbox_is_neither_paper_nor_live() -> None:
    engine = scenes.engine(mode=Mode.LIVE, is_sandbox=True, exchange_id="binance", speed=None)
    line = status_line(view_of(engine), 100)
    assert line[0] == (" ◈ SANDBOX ◈ ", Tone.SANDBOX)
    assert {piece.tone for piece in line[1:]}.isdisjoint({Tone.LIVE, Tone.SANDBOX})


def test_the_whole_line_of_real_money_is_loud_and_names_exchange_and_connection() -> None:
    line = status_line(view_of(scenes.engine(mode=Mode.LIVE, exchange_id="binance", speed=None)), 100)
    assert line_text(line).startswith(" ▲ LIVE ▲   binance ● connected  engine ● running  real time")
    assert {piece.tone for piece in line} == {Tone.LIVE}


def test_on_a_loud_line_a_broken_connection_stands_out() -> None:
    engine = scenes.engine(mode=Mode.LIVE, exchange_id="binance", connection=Connection.DISCONNECTED, speed=None)
    line = status_line(view_of(engine), 100)
    assert [piece for piece in line if piece.tone is not Tone.LIVE] == [("○ disconnected", Tone.LOSS)]


def test_the_status_line_never_exceeds_its_width_and_keeps_the_clock() -> None:
    for width in range(30, 130):
        line = status_line(view_of(scenes.running()), width)
        assert line_width(line) == width
        assert line_text(line).endswith("08:14:07Z ")


def test_before_the_first_snapshot_the_screen_says_what_it_waits_for() -> None:
    assert line_text(status_line(View(), 80)).strip() == "GRIDWRIGHT   starting: waiting for the engine"
    assert summary_line(View(), 80) == ()


def test_the_summary_drops_what_does_not_fit_and_keeps_the_price() -> None:
    view = view_of(scenes.running())
    assert line_text(summary_line(view, 100)) == (
        " btc BTC/USDT ● running  60,412.37  total +33.79  grid +46.17  floating −12.38  residual 0"
    )
    assert line_text(summary_line(view, 40)) == " btc BTC/USDT ● running  60,412.37"
    starting = line_text(summary_line(view_of(scenes.starting()), 80))
    assert starting.startswith(" btc BTC/USDT ◌ starting  no price yet  total 0.00")


def test_tabs_appear_with_the_second_grid() -> None:
    assert tabs_line(view_of(scenes.running()), 80) == ()
    assert line_text(tabs_line(view_of(scenes.several_grids()), 100)) == (
        " < grids >  ▸1 btc BTC/USDT ● +33.79   2 eth ETH/USDT ‖ +33.79   3 sol SOL/USDT ● +33.79"
    )


def test_all_well_has_no_alert_and_no_block() -> None:
    view = view_of(scenes.running())
    assert (alert_lines(view, 80), block_lines(view, 80, 3)) == ((), ())


def test_a_halt_is_a_bar_with_its_reason() -> None:
    assert texts(alert_lines(view_of(scenes.halted()), 100)) == [
        " ■ HALTED: the journal cannot be written: no space left on the device; orders rest on the exchange …"
    ]


def test_an_ended_engine_is_an_alert_whatever_it_said_last() -> None:
    lines = alert_lines(view_of(scenes.running(), "the thread died"), 100)
    assert texts(lines) == [" ■ ENGINE STOPPED: the thread died. The numbers are the last ones; q leaves."]
    assert {piece.tone for piece in lines[0]} == {Tone.ALARM}
    assert "engine □ stopped" in line_text(status_line(view_of(scenes.running(), "the thread died"), 100))


def test_an_ended_engine_of_a_real_market_says_what_becomes_of_its_orders() -> None:
    real = replace(scenes.running(), mode=Mode.LIVE)
    assert texts(alert_lines(view_of(real, "the engine has ended"), 80))[1] == (
        " ■ Its orders may go on resting there; the same command starts it again."
    )


def test_a_residual_is_loud_in_every_digit() -> None:
    view = view_of(scenes.unexplained())
    assert texts(alert_lines(view, 100)) == [
        " ■ RESIDUAL −0.00000012 USDT: the books of btc do not explain this amount."
    ]
    residual = next(line for line in profit_lines(view, 42) if line_text(line).startswith("residual"))
    assert [piece.text for piece in residual if piece.tone is Tone.ALARM] == [
        " −0.00000012 ",
        "NOT EXPLAINED",
    ]


def test_every_block_has_its_reason_and_the_rest_is_counted() -> None:
    view = view_of(scenes.partial_and_frozen())
    assert texts(block_lines(view, 100, 3)) == [
        " ▲ openings  the price is 12 s old, at most 10 s are allowed",
        " ▲ slot 18  by hand: waiting for the exchange's answer about order g1btc0018x000007",
    ]
    assert texts(block_lines(view, 100, 1)) == [" ▲ and 2 more reasons"]


def test_a_frozen_slot_and_a_paused_grid_explain_themselves_without_a_block() -> None:
    engine = scenes.partial_and_frozen()
    bare = replace(engine, grids=(replace(engine.grids[0], blocks=()),))
    assert texts(block_lines(view_of(bare), 100, 3))[0].startswith(" ▲ slot 18 frozen  by hand")
    paused = replace(scenes.several_grids(), grids=scenes.several_grids().grids[1:])
    assert texts(block_lines(view_of(paused), 80, 3)) == [" ▲ paused  paused by terminal"]


def test_starting_names_the_parts_that_are_missing() -> None:
    assert texts(block_lines(view_of(scenes.starting()), 100, 3)) == [
        " ▲ starting  waiting for prices, grid btc (reconciling)",
        " ▲ starting  waiting for the first price",
    ]


def test_the_profit_pane_adds_up_and_names_every_part() -> None:
    assert texts(profit_lines(view_of(scenes.running()), 40)) == [
        "total             +33.79  +0.84% return",
        "grid profit       +46.17  81 cycles",
        "floating          −12.38  at the price",
        "fees                5.43  0.00004482 BTC",
        "                          2.72 USDT",
        "residual               0  books balance",
        "inventory        0.03154  BTC ≈ 1,905.41",
        "dust          0.00000482  BTC",
        "cash           −1,871.62  USDT paid out",
        "invested        4,000.00  USDT",
        "",
    ]


def test_the_total_is_drawn_over_time() -> None:
    history = History()
    for engine in scenes.walk():
        history.add(engine)
    lines = texts(profit_lines(history.view(scenes.running(), 0, None), 40))
    assert lines[11] == "total so far            +13.09 to +36.19"
    assert len(lines) == 15
    assert "█" in lines[-1]


def test_a_slot_is_shown_in_full_with_its_reason() -> None:
    grid = scenes.partial_and_frozen().grids[0]
    assert texts(slot_lines(grid, 18, 46)) == [
        "state      ○ entering  ‖ frozen",
        "levels     59,200.00 – 59,600.00  +0.68%",
        "lot        none",
        "frozen     by hand: waiting for the exchange's",
        "           answer about order g1btc0018x000007",
        "order      buy 59,200.00  −1.50% away",
        "filled     0 of 0.00166 ────── 0%",
        "status     open  g1btc0018n000007",
        "cycles     7  +0.57 each, net of fees",
        "profit     +3.99",
        "next cycle +0.42  net of fees",
        "",
        "· 9 empty  ○ 12 entering",
        "● 7 holding  ◆ 12 exiting  ‖ 1 frozen",
        "·········○○○○○○○○○‖○○◆◆◆◆◆◆◆◆◆◆◆◆●●●●●●●",
    ]


def test_a_partly_bought_slot_shows_lot_and_fill() -> None:
    lines = texts(slot_lines(scenes.partial_and_frozen().grids[0], 20, 46))
    assert lines[2] == "lot        0.0007 BTC"
    assert lines[4] == "filled     0.0007 of 0.00166 ━━╸─── 42%"
    assert lines[5] == "status     part filled  g1btc0020n000007"


def test_the_overview_thins_out_when_there_are_more_slots_than_room() -> None:
    grid = scenes.large(2000, Decimal(452_012)).grids[0]
    lines = texts(overview_lines(grid, 1000, 40))
    assert lines[2] == "every 17 slots"
    assert sum(len(line) for line in lines[3:]) == 118
    assert "▼" in lines[4]


def test_an_event_wraps_under_its_own_text() -> None:
    lines = texts(event_lines(scenes.EVENTS[8], 60))
    assert lines == [
        "08:13:43 ! btc      18 order answer is 5.2 s late: asked by",
        "                       client order id; nothing is sent",
        "                       again until it is known",
    ]


def test_event_text_is_data_and_never_moves_the_cursor() -> None:
    event = scenes.event(1, "[red]x[/red]\x1b[2J", level=EventLevel.ERROR, grid="")
    assert texts(event_lines(event, 80)) == ["08:13:11 × engine      [red]x[/red]<U+001B>[2J"]


def test_a_terminal_that_is_too_small_gets_one_line() -> None:
    text = line_text(tiny_line(view_of(scenes.running()), 58))
    assert text == " SIMULATION   ● running  total +33.79  60x16 needed"
    assert line_text(tiny_line(View(), 40)) == "starting  60x16 needed"


def test_lost_connections_and_ended_data_have_words() -> None:
    lost = view_of(scenes.engine(connection=Connection.DISCONNECTED, state=EngineState.RUNNING))
    ended = view_of(scenes.engine(connection=Connection.ENDED))
    assert "○ disconnected" in line_text(status_line(lost, 120))
    assert "■ data ended" in line_text(status_line(ended, 120))
