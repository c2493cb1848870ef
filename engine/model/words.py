"""Words for people: names without underscores, a cause named once, amounts that can be read.

What scripts read keeps every digit and every name as it is.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum

from engine.model.grid import GridState
from engine.model.money import ZERO, text_from_decimal
from engine.model.risk import BreakerKind

_DIGITS_SHOWN = 8
_ROUND = Context(prec=100, rounding=ROUND_HALF_EVEN)
_PARTS = {
    "engine": "the engine",
    "exchange": "the exchange",
    "exit": "the end of the engine",
    "reconciler": "the comparison with the exchange",
    "risk": "the risk limits",
    "socket": "the command line",
    "terminal": "the terminal",
}
"""What parts of the program sign with, and what people call them."""


def words_of(name: StrEnum) -> str:
    """``panic key`` for ``panic_key``."""
    return name.value.replace("_", " ")


def cause_text(kind: BreakerKind, reason: str) -> str:
    """What blocks and why, ``floating loss: ...``; a reason that begins with the name of its kind has said it."""
    name = words_of(kind)
    return reason if reason.startswith(f"{name}: ") else f"{name}: {reason}"


def stays_words(state: GridState) -> str:
    """What a grid goes on being though nothing blocks it any more; empty where it opens again."""
    match state:
        case GridState.RUNNING | GridState.STARTING:
            return ""
        case GridState.STOPPING:
            return "goes on stopping"
        case GridState.PAUSED | GridState.EXITS_ONLY | GridState.STOPPED | GridState.HALTED:
            return f"stays {words_of(state)} until it is resumed"


def by_text(by: str) -> str:
    """Who did it, ``by the risk limits``; a person is called what they are called."""
    return f"by {_PARTS.get(by, by)}"


def shown_text(amount: Decimal) -> str:
    """An amount in at most eight significant digits, never fewer than it has before the point."""
    if amount == ZERO or not amount.is_finite():
        return text_from_decimal(amount) if amount.is_finite() else str(amount)
    decimals = max(0, _DIGITS_SHOWN - 1 - amount.adjusted())
    return text_from_decimal(_ROUND.quantize(amount, Decimal(1).scaleb(-decimals)))


def price_text(price: Decimal, tick_size: Decimal) -> str:
    """A price on the nearest tick of its market."""
    ticks = _ROUND.to_integral_value(_ROUND.divide(price, tick_size))
    return text_from_decimal(_ROUND.multiply(ticks, tick_size))
