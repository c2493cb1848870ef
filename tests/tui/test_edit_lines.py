"""The live edit line by line: what the fields mean, what its preview says, and the question before it is done."""

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.model.commands import GridChange
from engine.model.grid import SizedBy
from tests import preflight_scenes, scenes
from tests.tui.test_edit import sized
from tui.present.edit import (
    Fields,
    change_from_fields,
    compared_lines,
    confirm_lines,
    effect_lines,
    fields_of,
    hint_lines,
    preview_lines,
    size_label,
    traded_text,
)
from tui.present.pieces import Line, Tone, line_text, line_width
from tui.present.preflight import places_for
from tui.present.words import Stage

PLACES = places_for(scenes.grid())
NOW = Fields(lower="52000", upper="68000", slots="40", size="100")
CHANGE = GridChange(lower=Decimal(53_600))


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line_text(line).rstrip() for line in lines]


def test_the_fields_begin_with_what_the_grid_is_now() -> None:
    assert fields_of(scenes.grid()) == Fields(lower="52000", upper="68000", slots="40", size="")
    assert fields_of(sized().grids[0]).size == "100.5"
    assert fields_of(scenes.grid(slots=())) == Fields()
    labels = [size_label(sized(sized_by).grids[0]) for sized_by in SizedBy]
    assert (size_label(scenes.grid()), labels) == ("size", ["quote per slot", "base per slot", "investment"])


@pytest.mark.parametrize(
    "typed, change",
    [
        (replace(NOW, lower="53600"), CHANGE),
        (replace(NOW, upper=" 72000.5 "), GridChange(upper=Decimal("72000.5"))),
        (replace(NOW, slots="46", size=""), GridChange(slots=46)),
        (replace(NOW, lower="52000.00", size="120"), GridChange(size=Decimal(120))),
        (Fields(slots="41"), GridChange(slots=41)),
        (
            Fields(lower="1", upper="2", slots="3", size="4"),
            GridChange(lower=Decimal(1), upper=Decimal(2), slots=3, size=Decimal(4)),
        ),
    ],
)
def test_only_what_differs_is_changed(typed: Fields, change: GridChange) -> None:
    assert (change_from_fields(NOW, typed).change, change_from_fields(NOW, typed).problems) == (change, ())


@pytest.mark.parametrize(
    "typed, problems",
    [
        (NOW, ["nothing is changed yet: type another lower or upper level, number of slots or size"]),
        (Fields(), ["nothing is changed yet: type another lower or upper level, number of slots or size"]),
        (replace(NOW, lower="68000"), ["lower must be below upper, was 68000 and 68000"]),
        (replace(NOW, upper="51000"), ["lower must be below upper, was 52000 and 51000"]),
        (replace(NOW, lower="70000", upper="69000"), ["lower must be below upper, was 70000 and 69000"]),
        (
            replace(NOW, lower="1..2", slots="0"),
            [
                "lower: expected a decimal number above 0 such as 52000.5, found '1..2'",
                "slots: expected a whole number from 1 to 46656, found '0'",
            ],
        ),
        (replace(NOW, size="0"), ["size: expected a decimal number above 0 such as 52000.5, found '0'"]),
    ],
)
def test_fields_that_make_no_change_say_what_is_wrong_with_each(typed: Fields, problems: list[str]) -> None:
    assert list(change_from_fields(NOW, typed).problems) == problems


def test_a_grid_whose_range_is_not_known_can_be_given_one() -> None:
    assert change_from_fields(Fields(), Fields(lower="5")).change == GridChange(lower=Decimal(5))


def test_the_preview_says_all_that_would_happen() -> None:
    assert texts(effect_lines(preflight_scenes.preview(), PLACES, 76)) == [
        "stay            36 slots: 53,600.00 – 68,000.00",
        "disappear       4 slots: 52,000.00 – 53,600.00",
        "appear          10 slots: 68,000.00 – 72,000.00",
        "lots move       2 lots, old to new slot: 39 to 41, 38 to 40",
        "cancelled       2 orders: g1btc0009n000007, g1btc0010n000007",
        "at once         buys 0.01660 BTC for about 1,002.85 USDT",
        "loss at bound   405.61 to 515.20 USDT, counting what is held now",
    ]
    quiet = preflight_scenes.preview(stays=(), gone=(), new=(), lots_moved=(), cancels=(), buys_base=Decimal(0))
    assert [line.split(None, 2)[-1] for line in texts(effect_lines(quiet, PLACES, 76))[:3]] == ["none"] * 3
    assert texts(effect_lines(quiet, PLACES, 76))[3:6] == [
        "lots move       none",
        "cancelled       none",
        "at once         nothing is bought or sold",
    ]
    selling = preflight_scenes.preview(buys_base=Decimal("-0.5"), buys_quote=Decimal(-30_000))
    assert traded_text(selling, PLACES) == "sells 0.50000 BTC for about 30,000.00 USDT"


def test_of_many_orders_and_lots_the_first_are_named() -> None:
    many = preflight_scenes.preview(
        cancels=tuple(f"g{number}\x1b" for number in range(1200)),
        lots_moved=tuple((slot, slot + 1) for slot in range(7)),
    )
    lines = texts(effect_lines(many, PLACES, 76))
    assert lines[3:7] == [
        "lots move       7 lots, old to new slot: 0 to 1, 1 to 2, 2 to 3, 3 to 4 and",
        "                3 more",
        "cancelled       1,200 orders: g0<U+001B>, g1<U+001B>, g2<U+001B>, g3<U+001B>",
        "                and 1,196 more",
    ]


def test_slots_are_told_by_their_prices_because_a_number_can_be_given_anew() -> None:
    reused = preflight_scenes.preview(gone=(0, 1, 2, 3), new=(0, 1, 2, 3, 40, 41, 42, 43, 44, 45))
    assert texts(effect_lines(reused, PLACES, 76))[1:3] == [
        "disappear       4 slots: 52,000.00 – 53,600.00",
        "appear          10 slots: 68,000.00 – 72,000.00",
    ]
    after = replace(reused.after, rows=tuple(row for row in reused.after.rows if row.slot % 8))
    scattered = replace(reused, after=after, new=(0, 1, 2, 3, 40, 41, 42, 43, 44), stays=tuple(range(4, 36)))
    assert texts(effect_lines(scattered, PLACES, 200))[0] == (
        "stay            32 slots: 53,600.00 – 55,200.00, 55,600.00 – 58,400.00, 58,800.00 – 61,600.00 and 2 more runs"
    )
    unclear = replace(reused, gone=(0, 1, 2))
    assert texts(effect_lines(unclear, PLACES, 76))[1] == "disappear       3 slots, numbered now 0-2"


def test_one_screen_has_one_pair_of_losses_at_the_bound() -> None:
    lines = texts(preview_lines(preflight_scenes.preview(), PLACES, 76))
    assert [line for line in lines if "loss at bound" in line] == [
        "loss at bound   405.61 to 515.20 USDT, counting what is held now"
    ]


def test_the_figures_stand_beside_each_other_and_those_that_change_are_marked() -> None:
    lines = compared_lines(preflight_scenes.preview(), PLACES, 76)
    told = texts(lines)
    assert told[:3] == [
        "if started now  before                     after",
        "highest level   68,000.00                → 72,000.00",
        "lowest level    52,000.00                → 53,600.00",
    ]
    assert "break-even step 0.200%                     0.200%" in told
    assert "loss at stop    538.41 USDT              → 760.02 USDT" in told
    assert [lines[1][-1].tone, lines[5][-1].tone] == [Tone.STRONG, Tone.DIM]
    without_stop = replace(preflight_scenes.preview().after, stop_price=None, loss_at_stop=None)
    gone = texts(compared_lines(preflight_scenes.preview(after=without_stop), PLACES, 76))
    assert "loss at stop    538.41 USDT              → –" in gone


@pytest.mark.parametrize("width", [30, 76, 149, 150, 196])
def test_no_line_of_a_preview_or_its_question_is_wider_than_its_place(width: int) -> None:
    preview = preflight_scenes.impossible()
    lines = (
        *preview_lines(preview, PLACES, width),
        *hint_lines(width),
        *effect_lines(preview, PLACES, width),
    )
    assert max(line_width(line) for line in lines) <= width


def test_problems_stand_on_top_of_the_preview() -> None:
    assert texts(preview_lines(preflight_scenes.impossible(), PLACES, 76))[:5] == [
        " ■ 2 problems: this cannot be done",
        "× slot 12 is frozen and would disappear; thaw it first",
        "× the account has 300 USDT free, [red]1002.85[/red] are needed",
        "! the highest level 72000 lies 19.2% above the price",
        "",
    ]


def test_the_question_names_the_mode_and_the_effects_and_fits_on_the_smallest_screen() -> None:
    lines = texts(confirm_lines(Stage.LIVE, scenes.grid(), preflight_scenes.preview(), PLACES, 70))
    assert lines[0] == "Edit btc BTC/USDT?   ▲ LIVE ▲"
    assert "at once         buys 0.01660 BTC for about 1,002.85 USDT" in lines
    assert lines[-1] == "y yes    n or esc no"
    spread = tuple(range(0, 40_000, 2))
    orders = tuple(f"g1btc{number:04}n000007" for number in range(900))
    moved = tuple((slot, slot + 1) for slot in spread)
    worst = preflight_scenes.preview(stays=spread, gone=spread, new=spread, cancels=orders, lots_moved=moved)
    assert len(confirm_lines(Stage.LIVE, scenes.grid(), worst, PLACES, 70)) <= 18
