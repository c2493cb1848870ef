"""Words for people: names, causes, who did it, and amounts that can be read."""

from decimal import Decimal

import pytest

from engine.model.grid import GridState
from engine.model.risk import BreakerKind
from engine.model.words import by_text, cause_text, price_text, shown_text, stays_words, words_of


def test_a_name_is_said_without_underscores() -> None:
    assert words_of(BreakerKind.TRAILING_TAKE_PROFIT) == "trailing take profit"


def test_a_cause_names_its_kind_once() -> None:
    assert cause_text(BreakerKind.STOP_LOSS, "stop loss: the price is 90") == "stop loss: the price is 90"
    assert cause_text(BreakerKind.FLOATING_LOSS, "worth 9 less") == "floating loss: worth 9 less"


def test_parts_of_the_engine_are_called_by_what_they_are_and_people_by_their_names() -> None:
    assert [by_text(who) for who in ("risk", "socket", "ann")] == [
        "by the risk limits",
        "by the command line",
        "by ann",
    ]


@pytest.mark.parametrize(
    "amount, shown",
    [
        ("62093.990460474618", "62093.99"),
        ("-0.000123456789", "-0.00012345679"),
        ("123456789.55", "123456790"),
        ("1000", "1000"),
        ("0E-8", "0"),
        ("99999999.9", "100000000"),
        ("Infinity", "Infinity"),
    ],
)
def test_an_amount_is_shown_in_eight_digits_or_in_all_before_the_point(amount: str, shown: str) -> None:
    assert shown_text(Decimal(amount)) == shown


def test_a_price_is_shown_on_the_nearest_tick_of_its_market() -> None:
    assert price_text(Decimal("62093.990460474618"), Decimal("0.1")) == "62094"
    assert price_text(Decimal("62093.960460474618"), Decimal("0.1")) == "62094"
    assert price_text(Decimal("0.0000123456"), Decimal("0.0000001")) == "0.0000123"


def test_only_a_grid_that_runs_or_is_about_to_opens_again_once_nothing_blocks_it() -> None:
    assert {state: stays_words(state) for state in GridState} == {
        GridState.STARTING: "",
        GridState.RUNNING: "",
        GridState.PAUSED: "stays paused until it is resumed",
        GridState.EXITS_ONLY: "stays exits only until it is resumed",
        GridState.STOPPING: "goes on stopping",
        GridState.STOPPED: "stays stopped until it is resumed",
        GridState.HALTED: "stays halted until it is resumed",
    }
