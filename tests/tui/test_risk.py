"""The lines of the risk: blocks that none can forget, limits as bars, stops with their prices, and the dialogs."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.grid import GridState
from engine.model.risk import (
    Block,
    BreakerKind,
    LimitName,
)
from engine.model.risk_view import NO_RISK, LimitView, RiskView
from engine.model.snapshot import BlockView
from tests import risk_scenes, scenes
from tests.risk_scenes import DRAWDOWN, FLOATING, LEADERS, PANIC_KEY
from tests.tui.test_pane_lines import texts, view_of
from tui.present.pieces import Line, line_text, line_width
from tui.present.risk import (
    BLOCK_WORDS,
    LIMIT_WORDS,
    block_lines,
    block_rows,
    block_summary,
    limit_lines,
    limits_line,
    refusal_lines,
    stop_lines,
)
from tui.present.status import block_lines as dashboard_block_lines
from tui.present.status import market_lines, tiny_line
from tui.view import View

ALL_BLOCKS = tuple(replace(PANIC_KEY, kind=kind, reason=f"because of {kind}") for kind in BreakerKind)


def view(risk: RiskView, **changes: object) -> View:
    return view_of(scenes.engine(risk_scenes.bounded(risk=risk, **changes)))


def blocked_by(*blocks: Block, **changes: object) -> View:
    return view(replace(risk_scenes.CALM, blocks=blocks), **changes)


BLOCKED = view(risk_scenes.BLOCKED)
CALM = view(risk_scenes.CALM)


# On the dashboard


def test_the_market_line_has_the_regime_at_the_left_and_the_fullest_limit_at_the_right() -> None:
    assert [line_text(line) for line in market_lines(CALM, 80)] == [
        " regime ↓ trending down  no new longs  efficiency 0.2113 ●       ▲ exposure 82% "
    ]
    assert [line_text(line) for line in market_lines(CALM, 84)] == [
        " regime ↓ trending down  no new longs  efficiency 0.2113 ●  ▲ exposure ━━━━━━╸─ 82% "
    ]
    assert texts(market_lines(CALM, 60)) == [
        " regime ↓ trending down  no new longs  efficiency 0.2113 ●",
        " ▲ exposure 82%",
    ]


def test_limits_that_block_are_named_and_get_a_line_of_their_own_where_one_is_not_enough() -> None:
    assert [line_text(line) for line in market_lines(BLOCKED, 100)] == [
        " regime ↓ trending down  no new longs  efficiency 0.2113 ●    ■ drawdown, order stream silent block "
    ]
    assert texts(market_lines(BLOCKED, 60)) == [
        " regime ↓ trending down  no new longs  efficiency 0.2113 ●",
        " ■ drawdown, order stream silent block",
    ]


def test_without_a_monitor_and_limits_the_dashboard_is_as_it_was() -> None:
    assert market_lines(view_of(scenes.running()), 80) == ()
    assert market_lines(View(), 80) == ()
    assert texts(market_lines(view(NO_RISK), 80)) == [
        " regime ↓ trending down  no new longs  efficiency 0.2113 ●  for 3d 04h"
    ]
    assert texts(market_lines(view(risk_scenes.CALM, regime=None), 30)) == ["               ▲ exposure 82%"]


def test_one_block_is_told_with_its_end_and_its_reason() -> None:
    assert texts(dashboard_block_lines(blocked_by(PANIC_KEY), 80, 2)) == [
        " ■ panic key  until lifted  the panic key was pressed by terminal"
    ]
    assert texts(dashboard_block_lines(blocked_by(FLOATING), 60, 2)) == [
        " ■ floating loss  until 08:27:07Z  the inventory is worth 3…"
    ]
    assert texts(dashboard_block_lines(blocked_by(LEADERS), 100, 2)) == [
        " ■ leaders unseen  while its cause is there  2 of 3 leaders are unseen: ETH/USDT late, SOL/USDT late"
    ]


def test_blocks_that_do_not_fit_are_still_all_named_with_their_ends() -> None:
    assert texts(dashboard_block_lines(BLOCKED, 80, 2)) == [
        " ■ 3 blocks: drawdown, panic key until lifted; floating loss until 08:27:07Z"
    ]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("limit", [2, 4])
def test_no_block_is_ever_left_out_however_many_there_are(width: int, limit: int) -> None:
    reasons = tuple(BlockView(what=f"slot {number}", reason=f"reason {number}") for number in range(9))
    lines = dashboard_block_lines(blocked_by(*ALL_BLOCKS, blocks=reasons), width, limit)
    said = " ".join(" ".join(texts(lines)).split())
    assert [kind for kind, words in BLOCK_WORDS.items() if words not in said] == []
    assert said.endswith("more reasons")
    assert max(line_width(line) for line in lines) <= width


def test_a_block_that_only_repeats_a_breaker_is_not_told_twice() -> None:
    again = BlockView(what="openings", reason=f"panic_key: {risk_scenes.PANIC_REASON}")
    other = BlockView(what="openings", reason="the price is 12 s old")
    assert texts(dashboard_block_lines(blocked_by(PANIC_KEY, blocks=(again, other)), 80, 2)) == [
        " ■ panic key  until lifted  the panic key was pressed by terminal",
        " ▲ openings  the price is 12 s old",
    ]


def test_blocks_of_other_grids_are_on_the_screen_too() -> None:
    shown = view_of(risk_scenes.several())
    assert texts(dashboard_block_lines(shown, 80, 2)) == [" ■ eth  drawdown, floating loss"]
    assert texts(block_summary(shown, 80)) == [" ■ 2 blocks: eth: drawdown, floating loss"]
    assert texts(block_lines(shown, None, 76, is_airy=False)) == [
        "No breaker has tripped.",
        "  ■ eth  drawdown, floating loss; < and > show it",
    ]


def test_a_terminal_too_small_for_anything_else_counts_the_blocks() -> None:
    assert line_text(tiny_line(BLOCKED, 50)).startswith(" SIMULATION   ● running  ■ 3 blocks")
    assert line_text(tiny_line(view_of(risk_scenes.several()), 50)).startswith(" SIMULATION   ● running  ■ 2 blocks")


# On the risk screen


def test_each_block_says_since_when_why_and_how_it_ends() -> None:
    assert texts(block_lines(BLOCKED, BreakerKind.PANIC_KEY, 90, is_airy=False)) == [
        "  ■ DRAWDOWN  for 2d 02h  since 2020-03-10 06:14:07Z",
        "    the total PnL is 402.13 USDT below its peak of 512.9 USDT, the limit is 400 USDT",
        "    only a person ends it: press L to lift it",
        "▸ ■ PANIC KEY  for 11m 00s  since 08:03:07Z",
        "    the panic key was pressed by terminal",
        "    only a person ends it: press L to lift it",
        "  ■ FLOATING LOSS  for 2m 00s  since 08:12:07Z",
        "    the inventory is worth 312.4 USDT less than it cost, the limit is 300 USDT",
        "    ends by itself at 08:27:07Z if the cause is gone; L lifts it now",
    ]


@pytest.mark.parametrize(
    "state, word, stays",
    [
        (GridState.STOPPED, "stopped", "stays so"),
        (GridState.HALTED, "halted", "stays so"),
        (GridState.STOPPING, "stopping", "then stays stopped"),
    ],
)
@pytest.mark.parametrize("block", [DRAWDOWN, FLOATING, LEADERS], ids=lambda block: block.kind)
def test_the_block_of_a_grid_that_stays_stopped_never_says_that_it_ends_by_itself(
    block: Block, state: GridState, word: str, stays: str
) -> None:
    shown = blocked_by(block, state=state, state_reason="a reason")
    lines = " ".join(texts(block_lines(shown, None, 200, is_airy=False)))
    way_on = f"btc is {word} and {stays}: lift the block with L, then resume with p on the dashboard"
    assert (way_on in lines, "by itself" in lines) == (True, False)
    row = texts(dashboard_block_lines(shown, 200, 2))[0]
    assert row.startswith(f" ■ {BLOCK_WORDS[block.kind]}  {word}: lift it (L), then resume (p)  ")
    summary = texts(block_summary(shown, 200))
    assert summary == [f" ■ 1 block: {BLOCK_WORDS[block.kind]} {word}: lift it (L), then resume (p)"]


def test_a_block_whose_time_is_over_waits_for_its_cause() -> None:
    assert texts(block_lines(blocked_by(LEADERS), None, 90, is_airy=False))[2] == (
        "    its time is over; it ends by itself as soon as the cause is gone; L lifts it now"
    )


def test_what_else_keeps_the_grid_from_acting_stands_below_the_blocks() -> None:
    shown = blocked_by(blocks=(BlockView(what="slot 18", reason="by hand: " + "waiting " * 12),))
    assert texts(block_lines(shown, None, 60, is_airy=True)) == [
        "No breaker has tripped.",
        "  ▲ slot 18  by hand: waiting waiting waiting waiting",
        "             waiting waiting waiting waiting waiting waiting",
        "             waiting waiting",
    ]


def test_limits_that_block_come_first_then_the_fuller_and_last_those_judged_by_order() -> None:
    assert texts(limit_lines(BLOCKED, 76)) == [
        "■ drawdown              ━━━━━━━━━━━━━   100%  402.13 of 400.00 USDT",
        "    blocks every opening: the drawdown is 402.13 USDT, the limit is 400 USDT",
        "■ order stream silent   not known",
        "    blocks every opening: the reports age is not known, the limit is 30 s",
        "▲ floating loss         ━━━━━━━━━━╸──    82%  247.90 of 300.00 USDT",
        "▲ exposure              ━━━━━━━━━━╸──    82%  3,280.00 of 4,000.00 USDT",
        "· to liquidation        ━━━━━────────    40%  12.30 %, at least 5.00 %",
        "· open orders           ━━━━━────────    40%  24 of 60",
        "· age of the candles    ━━━──────────    23%  212.0 of 900.0 s",
        "· orders a minute       ━━━──────────    23%  7 of 30",
        "· daily loss            ━╸───────────    12%  18.40 of 150.00 USDT",
        "· age of the price      ╸────────────     1%  0.1 of 10.0 s",
        "· lag of the journal    ╸────────────     0%  0.002 of 1.000 s",
        "· size of an order      an entry may be worth at most 500 USDT",
        "· price of an order     an order may be priced at most 5 % beyond the market",
    ]


@pytest.mark.parametrize(
    "changes, row",
    [
        ({"value": "-20"}, "· exposure              ────────     0%  −20.00 of 4,000.00 USDT"),
        ({"value": "0"}, "· exposure              ────────     0%  0.00 of 4,000.00 USDT"),
        ({"value": "3199"}, "· exposure              ━━━━━━──    79%  3,199.00 of 4,000.00 USDT"),
        ({"value": "3200"}, "▲ exposure              ━━━━━━──    80%  3,200.00 of 4,000.00 USDT"),
        ({"value": "4000"}, "■ exposure              ━━━━━━━━   100%  4,000.00 of 4,000.00 USDT"),
        ({"value": "40001"}, "■ exposure              ━━━━━━━━  >999%  40,001.00 of 4,000.00 USDT"),
    ],
)
def test_a_bar_is_never_longer_than_its_room(changes: dict[str, str], row: str) -> None:
    limit = risk_scenes.limit(LimitName.EXPOSURE, changes["value"], "4000", "USDT")
    assert texts(limit_lines(view(RiskView(limits=(limit,))), 69))[0] == row


def test_a_share_that_is_no_number_draws_an_empty_bar() -> None:
    limit: LimitView = replace(risk_scenes.CALM_LIMITS[0], used=Decimal("NaN"))
    assert texts(limit_lines(view(RiskView(limits=(limit,))), 69))[0] == (
        "· exposure              ────────      –  3,280.00 of 4,000.00 USDT"
    )
    assert line_text(limits_line(view(RiskView(limits=(limit,))), 60)) == "· exposure – "


def test_every_limit_and_every_block_has_words_of_its_own() -> None:
    assert len(set(LIMIT_WORDS.values())) == len(LimitName) == len(LIMIT_WORDS)
    assert len(set(BLOCK_WORDS.values())) == len(BreakerKind) == len(BLOCK_WORDS)


def test_the_nearest_stop_comes_first_with_its_price_and_its_distance() -> None:
    assert texts(stop_lines(CALM, 90)) == [
        "▼ stop loss                52,000.00   −13.92%  cancels orders, closes all",
        "    stop loss at a falling price of 52000 USDT",
        "▲ take profit              72,020.40   +19.21%  cancels orders, closes all",
        "    take profit at a total PnL of 400 USDT",
        "· trailing take profit  no price ends it now    cancels orders, keeps coins",
        "    trailing take profit from a total PnL of 200 USDT, back by 50 USDT",
    ]


def test_without_a_price_a_stop_has_no_distance() -> None:
    assert texts(stop_lines(view(risk_scenes.CALM, price=None), 90))[2] == (
        "· stop loss                52,000.00            cancels orders, closes all"
    )


def test_nothing_configured_is_said_in_one_line_each() -> None:
    nothing = view(NO_RISK)
    assert texts(block_lines(nothing, None, 76, is_airy=False)) == ["No breaker has tripped."]
    assert texts(limit_lines(nothing, 76)) == ["No limit is configured."]
    assert texts(stop_lines(nothing, 76)) == ["No stop loss and no take profit is configured."]
    assert texts(refusal_lines(nothing, 76)) == ["The newest decision had nothing refused."]


def test_refusals_are_wrapped_cleaned_and_counted_beyond_twenty() -> None:
    many = tuple(f"{'x' * number} \x1b too much" for number in range(1, 26))
    lines = texts(refusal_lines(view(RiskView(refusals=many)), 60))
    assert (len(lines), lines[0], lines[-1]) == (
        21,
        "× x <U+001B> too much",
        "  and 5 more refusals",
    )


def test_slots_that_are_refused_for_the_same_reason_are_one_line() -> None:
    same = "the exposure is 4100 USDT, the limit is 4000 USDT"
    refused = tuple(f"slot {slot}: {same}" for slot in (5, 6, 7, 8, 9, 10, 11, 19))
    other = ("slot 30: the exit of 1 BTC exceeds the 0.5 BTC that its slot holds", "something else")
    shown = view(RiskView(refusals=(*refused, *other)), slots=scenes.ladder(Decimal(60_412)))
    assert texts(refusal_lines(shown, 120)) == [
        f"× 8 entries (slots 5-11, 19): {same}",
        "× exit of slot 30: the exit of 1 BTC exceeds the 0.5 BTC that its slot holds",
        "× something else",
    ]


def test_figures_that_differ_from_order_to_order_are_still_one_reason() -> None:
    refused = tuple(f"slot {slot}: with this order the exposure is {4100 - slot}.5 USDT" for slot in (3, 2, 1))
    assert texts(refusal_lines(view(RiskView(refusals=refused)), 120)) == [
        "× 3 entries (slots 1-3): with this order the exposure is 4097.5 USDT (the first; the others alike)"
    ]


def test_blocks_draw_refused_and_frozen_slots_together_too() -> None:
    refused = tuple(f"slot {slot}: the price is 12 s old" for slot in (4, 5, 6))
    told = (
        *(BlockView(what="entries", reason=reason) for reason in refused),
        *(BlockView(what=f"slot {slot}", reason="frozen by wish") for slot in (7, 9)),
        BlockView(what="slot 8", reason="by hand"),
        BlockView(what="lattice", reason="frozen by wish"),
    )
    shown = view(RiskView(refusals=refused), blocks=told)
    assert texts(dashboard_block_lines(shown, 100, 5)) == [
        " ▲ 3 entries (slots 4-6)  the price is 12 s old",
        " ▲ 2 slots (7, 9)  frozen by wish",
        " ▲ slot 8  by hand",
        " ▲ lattice  frozen by wish",
    ]


@pytest.mark.parametrize("width", range(12, 140, 8))
def test_no_line_is_wider_than_its_room(width: int) -> None:
    makers: list[Callable[[View, int], tuple[Line, ...]]] = [
        limit_lines,
        stop_lines,
        refusal_lines,
        block_rows,
        market_lines,
    ]
    for make in makers:
        assert max((line_width(line) for line in make(BLOCKED, width)), default=0) <= width
    assert max(line_width(line) for line in block_lines(BLOCKED, None, width, is_airy=True)) <= width
