"""Block drawings."""

from decimal import Decimal

from tui.present.chart import area, progress, resample


def decimals(*values: int) -> list[Decimal]:
    return [Decimal(value) for value in values]


def test_a_line_of_blocks_goes_from_the_lowest_to_the_highest_value() -> None:
    assert area(decimals(0, 1, 2, 3, 4, 5, 6, 7), 8, 1) == ("▁▂▃▄▅▆▇█",)


def test_two_lines_have_twice_the_steps() -> None:
    assert area(decimals(0, 15, 7), 3, 2) == (" █ ", "▁██")


def test_a_flat_line_is_seen_and_no_values_are_empty_lines() -> None:
    assert area(decimals(5, 5, 5), 3, 1) == ("▁▁▁",)
    assert area([], 3, 2) == ("", "")


def test_more_values_than_room_are_thinned_and_the_newest_stays() -> None:
    assert resample(decimals(*range(10)), 5) == decimals(1, 3, 5, 7, 9)
    assert resample(decimals(1, 2), 5) == decimals(1, 2)


def test_a_bar_shows_any_part_and_is_full_only_when_done() -> None:
    one = Decimal(1)
    assert progress(Decimal(0), one, 4) == ("", "────")
    assert progress(Decimal("0.001"), one, 4) == ("╸", "───")
    assert progress(Decimal("0.5"), one, 4) == ("━━", "──")
    assert progress(Decimal("0.999"), one, 4) == ("━━━╸", "")
    assert progress(one, one, 4) == ("━━━━", "")
    assert progress(one, Decimal(0), 4) == ("", "────")
