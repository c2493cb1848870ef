"""Exact decimal arithmetic: steps, quanta and their text.

Sums and products of amounts are exact in the default context (28 digits); the
only operations on money that round are the ones in this file, their names say how,
and they do it in contexts of their own: money works where ``Inexact`` is trapped.
"""

from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation

ZERO = Decimal(0)
ONE = Decimal(1)
MONEY_QUANTUM = Decimal("0.000000000001")
"""Finest amount of any currency that a division may leave behind."""
_FLOOR = Context(prec=100, rounding=ROUND_FLOOR)


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Largest multiple of ``step`` that is not above ``value``."""
    steps, rest = divmod(value, step)
    return (steps - 1 if rest < 0 else steps) * step


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Smallest multiple of ``step`` that is not below ``value``."""
    steps, rest = divmod(value, step)
    return (steps + 1 if rest > 0 else steps) * step


def nearest_step(value: Decimal, step: Decimal) -> Decimal:
    """Multiple of ``step`` nearest to ``value``; halves go up."""
    below = floor_to_step(value, step)
    return below + step if value - below >= below + step - value else below


def floor_quotient(value: Decimal, divisor: Decimal) -> Decimal:
    """``value / divisor`` floored to ``MONEY_QUANTUM``."""
    return _FLOOR.quantize(_FLOOR.divide(value, divisor), MONEY_QUANTUM)


def is_on_step(value: Decimal, step: Decimal) -> bool:
    """Whether ``value`` is a whole multiple of ``step``."""
    return value % step == 0


def share_of(total: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """``total * part / whole`` floored to ``MONEY_QUANTUM``; exactly ``total`` when part is the whole."""
    if part == whole:
        return total
    return floor_quotient(_FLOOR.multiply(total, part), whole)


def text_from_decimal(value: Decimal) -> str:
    """Plain decimal text without exponent and without trailing zeros: ``0.0012``, ``61250``."""
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal_from_text(text: str) -> Decimal:
    """Finite Decimal from its text.

    Raises:
        ValueError: ``text`` is not a finite decimal number.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"expected a decimal number, found {text!r}") from None
    if not value.is_finite():
        raise ValueError(f"expected a finite decimal number, found {text!r}")
    return value
