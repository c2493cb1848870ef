"""The position of a swap on the dashboard and in the profit pane: how near its end is, and that its total adds up."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.grid import MarginMode
from engine.model.snapshot import EngineSnapshot
from engine.model.swap import PositionView
from tests import scenes
from tests.tui.screens import running_app, screen_rows
from tests.tui.test_pane_lines import texts, view_of
from tests.tui.test_pictures import LARGE, MEDIUM, SMALL, Compare, matches
from tui.present.pieces import Tone, line_text, line_width
from tui.present.position import is_liquidation_near, position_line
from tui.present.profit import profit_lines
from tui.present.status import summary_line, tiny_line
from tui.view import View

POSITION = PositionView(
    amount=Decimal("0.03154"),
    leverage=Decimal(5),
    mode=MarginMode.ISOLATED,
    margin=Decimal("381.08"),
    liquidation_price=Decimal("51234.5"),
    funding=Decimal("-3.2"),
)
PROFIT = replace(scenes.PROFIT, funding=Decimal("-3.2"), total=Decimal("30.586"), fees_by_currency=())


def swap(**changes: object) -> EngineSnapshot:
    position = replace(POSITION, **changes)  # type: ignore[arg-type]
    return scenes.engine(scenes.grid(symbol="BTC/USDT:USDT", position=position, profit=PROFIT))


NEAR = swap(liquidation_price=Decimal(55000))


def test_the_liquidation_comes_first_and_the_rest_as_far_as_it_fits() -> None:
    assert line_text(position_line(view_of(swap()), 120)) == (
        " liquidation 51,234.50 −15.19%  position +0.03154 BTC  x5 isolated  margin 381.08  funding −3.20"
    )
    assert line_text(position_line(view_of(swap()), 80)) == (
        " liquidation 51,234.50 −15.19%  position +0.03154 BTC  x5 isolated"
    )
    assert all(line_width(position_line(view_of(NEAR), width)) <= width for width in range(10, 130))


@pytest.mark.parametrize(
    "amount, liquidation, is_near",
    [
        ("1", "54371.14", True),
        ("1", "54371.13", False),
        ("1", "54372", True),
        ("1", "60412.37", True),
        ("1", "61000", True),
        ("1", "90000", True),
        ("-1", "30000", True),
        ("-1", "66453", True),
        ("-1", "66454", False),
        ("-1", "60000", True),
        ("0", "60000", False),
    ],
)
def test_a_liquidation_nearer_than_a_tenth_of_the_price_or_passed_is_near(
    amount: str, liquidation: str, is_near: bool
) -> None:
    grid = swap(amount=Decimal(amount), liquidation_price=Decimal(liquidation)).grids[0]
    assert is_liquidation_near(grid) is is_near


def test_a_near_liquidation_is_an_alarm_with_a_word_and_a_mark_in_every_size() -> None:
    first = position_line(view_of(NEAR), 80)[0]
    assert first == (" ▲ LIQUIDATION 55,000.00 −8.96% ", Tone.ALARM)
    assert "▲ LIQUIDATION NEAR" in line_text(tiny_line(view_of(NEAR), 58))
    row = next(line for line in profit_lines(view_of(NEAR), 40) if line_text(line).startswith("liquidation"))
    assert [piece.text for piece in row if piece.tone is Tone.ALARM] == ["55,000.00", "−8.96% away"]


def test_a_liquidation_price_that_nobody_knows_is_said_and_not_near() -> None:
    unknown = view_of(swap(liquidation_price=None))
    assert line_text(position_line(unknown, 40)) == " no liquidation price known  x5 isolated"
    assert "liquidation            –  not known" in texts(profit_lines(unknown, 40))
    assert is_liquidation_near(swap(liquidation_price=None).grids[0]) is False


def test_without_a_position_there_is_no_line() -> None:
    assert position_line(view_of(scenes.running()), 80) == ()
    assert position_line(view_of(swap(amount=Decimal(0))), 80) == ()
    assert position_line(View(), 80) == ()
    assert "funding" not in "\n".join(texts(profit_lines(view_of(scenes.running()), 40)))


def test_total_is_grid_and_floating_and_funding_row_by_row() -> None:
    assert texts(profit_lines(view_of(swap()), 40)) == [
        "total             +30.59  +0.76% return",
        "grid profit       +46.17  81 cycles",
        "floating          −12.38  at the price",
        "funding            −3.20  paid",
        "fees                5.43  none paid",
        "residual               0  books balance",
        "liquidation    51,234.50  −15.19% away",
        "position        +0.03154  BTC ≈ 1,905.41",
        "margin            381.08  x5 isolated",
        "dust          0.00000482  BTC",
        "cash           −1,871.62  USDT paid out",
        "invested        4,000.00  USDT",
        "",
    ]
    assert "funding −3.20" in line_text(summary_line(view_of(swap()), 200))


async def test_the_distance_to_liquidation_is_on_the_smallest_dashboard() -> None:
    async with running_app(swap(), size=SMALL) as (app, _, _pilot):
        assert screen_rows(app)[2].startswith(" liquidation 51,234.50 −15.19%  position +0.03154 BTC")


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_swap_near_its_liquidation(snap_compare: Compare, size: tuple[int, int]) -> None:
    walk = [replace(NEAR, sequence=each.sequence) for each in scenes.walk()]
    assert matches(snap_compare, walk, size)
