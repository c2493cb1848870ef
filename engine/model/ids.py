"""Client order ids: a pure function both ways, one format that fits every exchange.

Sixteen characters of ``a-z0-9``: ``g``, instance (3), grid (2), leg (1), slot (3),
generation (5), check (1). Numbers are base 36.
Source: limits of nine exchanges, OKX (alphanumeric only), Kraken (18 characters), Gate (no leading t).
"""

from dataclasses import dataclass

from engine.model.order import Leg

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_LETTER_OF_LEG = {Leg.ENTRY: "e", Leg.EXIT: "x", Leg.FLATTEN: "f"}
_LEG_OF_LETTER = {letter: leg for leg, letter in _LETTER_OF_LEG.items()}
INSTANCE_LENGTH = 3
GRIDS_MAX = 36**2
SLOTS_MAX = 36**3
GENERATIONS_MAX = 36**5


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderKey:
    """Whose order it is: engine instance, grid number, slot, leg and how many the slot had before."""

    instance: str
    grid: int
    slot: int
    leg: Leg
    generation: int


def client_order_id_from_key(key: OrderKey) -> str:
    """The client order id of a key.

    Raises:
        ValueError: a part does not fit its place.
    """
    if len(key.instance) != INSTANCE_LENGTH or any(letter not in _VALUES for letter in key.instance):
        raise ValueError(f"instance must be three characters of 0-9a-z, was {key.instance!r}")
    body = (
        f"g{key.instance}{_base36(key.grid, 2)}{_LETTER_OF_LEG[key.leg]}"
        f"{_base36(key.slot, 3)}{_base36(key.generation, 5)}"
    )
    return body + _check(body)


def key_from_client_order_id(text: str) -> OrderKey | None:
    """The key of one of our ids; None for any other text."""
    if len(text) != 16 or text[0] != "g" or any(letter not in _VALUES for letter in text):
        return None
    leg = _LEG_OF_LETTER.get(text[6])
    if leg is None or _check(text[:15]) != text[15]:
        return None
    return OrderKey(
        instance=text[1:4],
        grid=int(text[4:6], 36),
        slot=int(text[7:10], 36),
        leg=leg,
        generation=int(text[10:15], 36),
    )


def _base36(value: int, width: int) -> str:
    if not 0 <= value < 36**width:
        raise ValueError(f"expected a number below {36**width}, found {value}")
    letters = ""
    for _ in range(width):
        value, digit = divmod(value, 36)
        letters = _DIGITS[digit] + letters
    return letters


def _check(body: str) -> str:
    total = 0
    for letter in body:
        total = (total * 7 + _VALUES[letter]) % 36
    return _DIGITS[total]
