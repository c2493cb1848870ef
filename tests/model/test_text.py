"""Text from outside: nothing that a terminal obeys or hides comes through."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.text import clean_text


@pytest.mark.parametrize(
    "raw, clean",
    [
        ("BTC/USDT", "BTC/USDT"),
        ("", ""),
        ("\x1b[31mred", "<U+001B>[31mred"),
        ("\x9b2J", "<U+009B>2J"),
        ("a\nb\tc\x00", "a<U+000A>b<U+0009>c<U+0000>"),
        ("abc\u202edcba", "abc<U+202E>dcba"),
        ("zero\u200bwidth\ufeff", "zero<U+200B>width<U+FEFF>"),
        ("line\u2028end", "line<U+2028>end"),
        ("\ud800", "<U+D800>"),
        ("tag\U000e0041", "tag<U+E0041>"),
        ("blank\u3164\u2800", "blank<U+3164><U+2800>"),
        ("a\ufe0fb", "a<U+FE0F>b"),
        ("no\u00a0break\u3000", "no break "),
        ("e\u0301", "\u00e9"),
        ("币安人生", "币安人生"),
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_number(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


def test_a_long_text_is_cut_with_a_mark() -> None:
    assert clean_text("abcdef", 6) == "abcdef"
    assert clean_text("abcdefg", 6) == "abcde…"
    assert clean_text("\x1b\x1b", 6) == "<U+00…"
    assert clean_text("e\u0301" * 10, 5).endswith("…")


@given(st.text(st.characters(codec=None)), st.integers(1, 50))
def test_no_control_of_any_kind_ever_comes_through(text: str, limit: int) -> None:
    clean = clean_text(text, limit)
    assert len(clean) <= limit
    assert all(letter.isprintable() for letter in clean)
    assert {unicodedata.category(letter) for letter in clean}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert clean_text(clean, limit) == clean
