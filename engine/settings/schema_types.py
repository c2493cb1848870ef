"""The kinds of value that ``config.toml`` is made of: amounts, prices, times, flags and choices.

The description of a field is what the user reads after "expected". A validator of ours
raises ``ValueError(expected, note)``: other words for the description, and a remark on
what was found; both may be left out.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from engine.model.ids import SLOTS_MAX
from engine.model.money import ZERO, text_from_decimal
from engine.settings.words import interval_from_text, ms_from_time, time_from_text

_NUMBER = re.compile(r"[+-]?[0-9][0-9_]*(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_DECIMALS_MAX = 18
_DIGITS_BEFORE_POINT_MAX = 15
_TOO_LONG = f"at most {_DIGITS_BEFORE_POINT_MAX} digits before the point, {_DECIMALS_MAX} after it"
_FLOAT_DIGITS_MAX = 15
"""So many digits come back from a float as they went in."""


class Section(BaseModel):
    """A table of the file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def number(value: object) -> Decimal:
    """An exact amount from a TOML number or its text.

    Raises:
        ValueError: it is none, or finer or larger than any amount can be.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return _plain(Decimal(value))
    if isinstance(value, int) and abs(value) >= 10**_DIGITS_BEFORE_POINT_MAX:
        raise ValueError(_TOO_LONG)
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and Decimal(value).is_finite():
        return _plain(Decimal(value))
    raise ValueError


def is_exact(amount: Decimal) -> bool:
    """Whether ``number`` reads this amount."""
    try:
        number(amount)
    except ValueError:
        return False
    return True


def _plain(amount: Decimal) -> Decimal:
    """The amount without a positive exponent and trailing zeros, refused where no amount can be that fine."""
    if amount == ZERO:
        return ZERO
    if not -_DECIMALS_MAX <= amount.adjusted() < _DIGITS_BEFORE_POINT_MAX:
        raise ValueError(_TOO_LONG)
    plain = Decimal(text_from_decimal(amount))
    _, digits, exponent = plain.as_tuple()
    if isinstance(exponent, str) or exponent < -_DECIMALS_MAX or len(digits) > 28:
        raise ValueError(f"at most 28 digits, {_DECIMALS_MAX} of them after the point")
    return plain


def one_of(words: type[StrEnum]) -> str:
    """The description of a choice between these words."""
    return "one of " + ", ".join(words)


def two_currencies(symbol: str) -> str:
    """A symbol of two currencies, on spot or, as ``BASE/QUOTE:QUOTE``, a linear swap.

    Raises:
        ValueError: it is none, or a swap that does not settle in its quote.
    """
    base, _, rest = symbol.partition("/")
    quote, colon, settle = rest.partition(":")
    if base == quote or not symbol.isprintable():
        raise ValueError
    if colon and settle != quote:
        raise ValueError(f"{base}/{quote}:{quote}: only perpetual swaps that settle in their quote can be traded")
    return symbol


def _interval(text: object) -> int:
    interval_ms = interval_from_text(text) if isinstance(text, str) else None
    if interval_ms is None:
        raise ValueError
    return interval_ms


def _time(value: object) -> int:
    moment = time_from_text(value) if isinstance(value, str) else value
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    at_ms = ms_from_time(moment) if isinstance(moment, datetime) else None
    if at_ms is None:
        raise ValueError
    return at_ms


def _milliseconds(value: object) -> int:
    milliseconds = number(value) * 1000
    if milliseconds <= 0 or milliseconds % 1 or milliseconds > 1000 * 86400:
        raise ValueError
    return int(milliseconds)


def _float(value: object) -> float:
    exact = number(value)
    if exact <= 0:
        raise ValueError
    if len(exact.as_tuple().digits) > _FLOAT_DIGITS_MAX:
        raise ValueError(f"at most {_FLOAT_DIGITS_MAX} digits")
    return float(exact)


def _path_text(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError
    return text


PathText = Annotated[str, AfterValidator(_path_text)]
Number = BeforeValidator(number)
Amount = Annotated[Decimal, Number, Field(description="an amount")]
Positive = Annotated[Amount, Field(gt=0, description="an amount above 0")]
NotNegative = Annotated[Amount, Field(ge=0, description="an amount of at least 0")]
Price = Annotated[Amount, Field(gt=0, description="a price above 0")]
Fee = Annotated[Amount, Field(ge=Decimal("-0.01"), lt=Decimal("0.1"), description="a fraction from -0.01 to 0.1")]
Flag = Annotated[bool, Field(strict=True, description="true or false")]
Count = Annotated[int, Field(strict=True, ge=1, le=SLOTS_MAX, description=f"a whole number from 1 to {SLOTS_MAX}")]
Interval = Annotated[int, BeforeValidator(_interval)]
Time = Annotated[int, BeforeValidator(_time)]
Milliseconds = Annotated[int, BeforeValidator(_milliseconds)]
Threshold = Annotated[float, BeforeValidator(_float), Field(description="a number above 0")]
Symbol = Annotated[
    str,
    Field(pattern=r"^[^\s/:]{1,20}/[^\s/:]{1,20}(:[^\s/:]{1,20})?$", description="BASE/QUOTE, such as BTC/USDT"),
    AfterValidator(two_currencies),
]
INTERVAL_WORDS = "the length of a candle, such as 1m, 15m, 4h or 1d, at most 7d"
TIME_WORDS = "a date or a time in UTC, such as 2020-03-12 or 2020-03-12T10:30:00Z"
SECONDS_WORDS = "seconds above 0, at most 86400, with at most 3 decimals"
