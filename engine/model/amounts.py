"""Prices, sizes and slot numbers as people type and read them on a command line or in a field."""

import re
from collections.abc import Sequence
from decimal import Decimal

from engine.model.ids import SLOTS_MAX
from engine.model.money import ZERO

_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
"""Bounded in its digits, so that reckoning with it is."""
_SPANS_MAX = 10


def amount_from_text(text: str) -> Decimal:
    """A price or a size.

    Raises:
        ValueError: ``text`` is no plain decimal number above 0.
    """
    value = Decimal(text) if _AMOUNT.fullmatch(text) else ZERO
    if value <= ZERO:
        raise ValueError(f"expected a decimal number above 0 such as 52000.5, found {text[:40]!r}")
    return value


def slots_from_text(text: str) -> int:
    """How many slots.

    Raises:
        ValueError: ``text`` is no whole number from 1 to as many as there can be.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= SLOTS_MAX):
        raise ValueError(f"expected a whole number from 1 to {SLOTS_MAX}, found {text[:40]!r}")
    return int(text)


def spans_text(numbers: Sequence[int]) -> str:
    """Rising numbers with their runs drawn together, ``0-3, 7``; of many runs only the first."""
    spans: list[list[int]] = []
    for one in numbers:
        if spans and one == spans[-1][-1] + 1:
            spans[-1][1:] = [one]
        else:
            spans.append([one])
    more = f" and {len(spans) - _SPANS_MAX} more runs" if len(spans) > _SPANS_MAX else ""
    return ", ".join("-".join(map(str, span)) for span in spans[:_SPANS_MAX]) + more
