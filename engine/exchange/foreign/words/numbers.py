"""Exact amounts and times from what a foreign client answers.

What comes in is untrusted: text, integers, floats or nothing. What goes out is a finite ``Decimal`` or a
plain ``int``, never a guess. A float is read by its shortest text, which is what the exchange once wrote.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from engine.model.text import clean_text

_TEXT_MAX = 64
"""Longer texts are no amounts: reckoning with them would take for ever."""
_EXPONENT_MAX = 40
_MILLIS_MAX = 253_402_300_800_000
"""The end of the year 9999."""
_SHOWN_MAX = 120


class Unreadable(ValueError):
    """An answer of the exchange that cannot be read; the message says what was expected and what was found."""

    def __init__(self, what: str, found: object) -> None:
        super().__init__(f"expected {what}, found {clean_text(_shown(found), _SHOWN_MAX)}")
        self.what = what


def decimal_from(value: object) -> Decimal | None:
    """The exact amount, or None where there is none: nothing, an empty text, not a finite number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, int) and abs(value) >= 10**_EXPONENT_MAX:
        return None
    text = repr(value) if isinstance(value, float) else str(value).strip()
    if not text or len(text) > _TEXT_MAX or not text.isascii() or "_" in text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if _is_sane(number) else None


def positive_decimal(raw: Mapping[str, object], key: str) -> Decimal | None:
    """The amount under ``key`` where it is above 0; exchanges write 0 for what does not apply."""
    number = decimal_from(raw.get(key))
    return number if number is not None and number > 0 else None


def millis_from(value: object) -> int | None:
    """A UTC time in milliseconds, or None where there is none."""
    number = decimal_from(value)
    if number is None or not 0 < number < _MILLIS_MAX:
        return None
    return int(number)


def text_from(value: object) -> str | None:
    """A text or a whole number as text; None for nothing, an empty text or anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def mapping_from(value: object) -> Mapping[str, object]:
    """The dictionary, or an empty one where there is none."""
    return value if isinstance(value, Mapping) else {}


def _is_sane(number: Decimal) -> bool:
    return number.is_finite() and (number == 0 or abs(number.adjusted()) < _EXPONENT_MAX)


def _shown(found: object) -> str:
    if found is None:
        return "nothing"
    return repr(found) if isinstance(found, str | int | float | Decimal) else f"a {type(found).__name__}"
