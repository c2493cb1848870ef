"""The position of a swap: how far its liquidation is, how large it is, what backs it, and what funding came to.

How far the liquidation is comes first, for everything else of a grid ends there.
"""

from decimal import Decimal

from engine.model.money import ZERO
from engine.model.snapshot import GridSnapshot
from engine.model.swap import PositionView
from engine.model.text import clean_text
from tui.present.numbers import NOTHING, distance, exact, number, percent, places_of, quote_places, signed
from tui.present.pieces import Line, Piece, Tone, join_that_fit
from tui.present.words import result_tone
from tui.view import View

_NEAR = Decimal("0.1")
"""A liquidation price that is nearer than this fraction of the price is warned of."""
_CURRENCY_LIMIT = 10


def position_line(view: View, width: int) -> Line:
    """The position for the dashboard, as much of it as fits; empty without one."""
    grid = view.grid
    if grid is None or grid.position is None or grid.position.amount == ZERO:
        return ()
    position, places = grid.position, quote_places(grid.tick_size)
    amount = f"{amount_text(grid, position)} {clean_text(grid.base, _CURRENCY_LIMIT)}"
    groups: list[Line] = [
        _liquidation_group(grid, position),
        (Piece("position ", Tone.DIM), Piece(amount, Tone.HOLD)),
        (Piece(mode_text(position)),),
        (Piece("margin ", Tone.DIM), Piece(number(position.margin, places))),
        (Piece("funding ", Tone.DIM), Piece(signed(position.funding, places), result_tone(position.funding))),
    ]
    return join_that_fit(groups, width)


def _liquidation_group(grid: GridSnapshot, position: PositionView) -> Line:
    if position.liquidation_price is None:
        return (Piece(" no liquidation price known", Tone.DIM),)
    price = number(position.liquidation_price, places_of(grid.tick_size))
    if is_liquidation_near(grid):
        return (Piece(f" ▲ LIQUIDATION {price} {away_text(grid, position)} ", Tone.ALARM),)
    return Piece(" liquidation ", Tone.DIM), Piece(f"{price} {away_text(grid, position)}", Tone.STRONG)


def is_liquidation_near(grid: GridSnapshot) -> bool:
    """Whether the liquidation price of what is held is less than a tenth of the price away, or passed already."""
    position = grid.position
    if position is None or position.amount == ZERO or position.liquidation_price is None or grid.price is None:
        return False
    away = distance(position.liquidation_price, grid.price)
    return (-away if position.amount > ZERO else away) < _NEAR


def away_text(grid: GridSnapshot, position: PositionView) -> str:
    """How far the liquidation price is from the price; empty where that cannot be said."""
    if position.liquidation_price is None or grid.price is None:
        return ""
    return percent(distance(position.liquidation_price, grid.price))


def amount_text(grid: GridSnapshot, position: PositionView) -> str:
    """The position in base, with its sign."""
    return signed(position.amount, places_of(grid.lot_size))


def mode_text(position: PositionView) -> str:
    """Leverage and what backs the position: ``x5 isolated``."""
    return f"x{exact(position.leverage)} {position.mode.value}"


def liquidation_piece(grid: GridSnapshot, position: PositionView) -> Piece:
    """The liquidation price alone, an alarm where it is near."""
    if position.liquidation_price is None:
        return Piece(NOTHING, Tone.DIM)
    price = number(position.liquidation_price, places_of(grid.tick_size))
    return Piece(price, Tone.ALARM if is_liquidation_near(grid) else Tone.STRONG)
