"""Fitting, cutting, spreading and wrapping lines of toned text."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.present.pieces import (
    Piece,
    Tone,
    cut_line,
    cut_text,
    fit_left,
    fit_right,
    join_that_fit,
    line_text,
    line_width,
    spread,
    wrap_words,
)

ANY_TEXT = st.text(st.characters(blacklist_categories=("C", "M")), max_size=60)


def test_text_is_fitted_to_either_side_in_cells() -> None:
    assert fit_left("ab", 4) == "ab  "
    assert fit_right("ab", 4) == "  ab"
    assert fit_left("币安币安", 5) == "币安…"


def test_what_is_cut_off_leaves_an_ellipsis() -> None:
    assert cut_text("abcdef", 4) == "abc…"
    assert cut_text("abcdef", 0) == ""
    line = (Piece("abc", Tone.BUY), Piece("def", Tone.SELL))
    assert cut_line(line, 5) == (Piece("abc", Tone.BUY), Piece("d…", Tone.SELL))


def test_the_right_part_keeps_its_place_and_the_left_part_is_cut() -> None:
    assert line_text(spread((Piece("left side"),), (Piece("08:14"),), 12)) == "left … 08:14"
    assert line_text(spread((Piece("a"),), (Piece("b"),), 5)) == "a   b"


def test_a_group_that_does_not_fit_is_left_out_whole() -> None:
    groups = [(Piece("aaa"),), (Piece("bbbbbbbb"),), (Piece("cc"),)]
    assert line_text(join_that_fit(groups, 7)) == "aaa  cc"


def test_words_wrap_and_long_ones_break_inside() -> None:
    assert wrap_words("one two three", 7) == ("one two", "three")
    assert wrap_words("abcdefghij k", 4) == ("abcd", "efgh", "ij k")
    assert wrap_words("", 5) == ("",)


@given(ANY_TEXT, st.integers(1, 30))
def test_wrapped_lines_are_never_too_wide_and_lose_no_letter(text: str, width: int) -> None:
    lines = wrap_words(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cell_len(line) <= max(width, 2) for line in lines)


@given(ANY_TEXT, st.integers(0, 30))
def test_fitted_text_has_exactly_its_width(text: str, width: int) -> None:
    assert cell_len(fit_left(text, width)) == width
    assert line_width(cut_line((Piece(text),), width)) <= width
