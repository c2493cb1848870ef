"""The profit of a grid: what was earned, what it is made of, and the proof that nothing is missing."""

from decimal import Decimal

from engine.model.money import ZERO
from engine.model.snapshot import GridSnapshot
from engine.model.text import clean_text
from tui.present.chart import area
from tui.present.numbers import exact, number, percent, places_of, plural, quote_places, signed
from tui.present.pieces import BLANK, Line, Piece, Tone, cut_line, fit_left, fit_right, spread
from tui.present.position import amount_text, away_text, is_liquidation_near, liquidation_piece, mode_text
from tui.present.status import residual_piece
from tui.present.words import result_tone
from tui.view import View

_LABEL_WIDTH = 11
_VALUE_WIDTH = 13
_CHART_HEIGHT = 3
_CHART_HEIGHT_SWAP = 1
"""A position takes rows that a spot grid does not have, and the pane is as high for both."""
_CURRENCY_LIMIT = 10


def profit_lines(view: View, width: int) -> tuple[Line, ...]:
    """The whole pane for the chosen grid."""
    grid = view.grid
    if grid is None:
        return ((Piece("profit appears with the first snapshot", Tone.DIM),),)
    rows = (*_result_rows(grid), *_holding_rows(grid))
    return (*(cut_line(row, width) for row in rows), BLANK, *_chart_lines(view, width))


def _result_rows(grid: GridSnapshot) -> tuple[Line, ...]:
    profit = grid.profit
    places = quote_places(grid.tick_size)
    earned = f"{percent(profit.total / grid.invested)} return" if grid.invested > ZERO else ""
    is_explained = profit.residual == ZERO
    note = Piece("books balance", Tone.DIM) if is_explained else Piece("NOT EXPLAINED", Tone.ALARM)
    fees = [Piece(_fee(amount, currency, grid), Tone.DIM) for currency, amount in profit.fees_by_currency]
    return (
        _row("total", _result(profit.total, places), Piece(earned, result_tone(profit.total))),
        _row("grid profit", _result(profit.grid, places), _note(plural(grid.cycles, "cycle"))),
        _row("floating", _result(profit.floating, places), _note("at the price")),
        *_funding_rows(grid),
        _row("fees", Piece(number(profit.fees, places)), fees[0] if fees else _note("none paid")),
        *(_row("", Piece(""), fee) for fee in fees[1:]),
        _row("residual", residual_piece(grid), note),
    )


def _funding_rows(grid: GridSnapshot) -> tuple[Line, ...]:
    """What funding came to, so that the rows above it and its own make the total; none on a spot market."""
    funding = grid.profit.funding
    if grid.position is None and funding == ZERO:
        return ()
    note = "received" if funding > ZERO else "paid" if funding < ZERO else "none so far"
    return (_row("funding", _result(funding, quote_places(grid.tick_size)), _note(note)),)


def _holding_rows(grid: GridSnapshot) -> tuple[Line, ...]:
    places = quote_places(grid.tick_size)
    worth = "" if grid.price is None else f" ≈ {number(grid.inventory * grid.price, places)}"
    quote = clean_text(grid.quote, _CURRENCY_LIMIT)
    base = clean_text(grid.base, _CURRENCY_LIMIT)
    return (
        *_inventory_rows(grid, base + worth),
        _row("dust", Piece(exact(grid.dust)), _note(base)),
        _row("cash", Piece(signed(grid.cash, places)), _note(quote + _way_of(grid.cash))),
        _row("invested", Piece(number(grid.invested, places)), _note(quote)),
    )


def _inventory_rows(grid: GridSnapshot, worth: str) -> tuple[Line, ...]:
    """What is held; on a swap with what backs it and where it is liquidated."""
    position = grid.position
    if position is None:
        return (_row("inventory", Piece(number(grid.inventory, places_of(grid.lot_size))), _note(worth)),)
    away = away_text(grid, position)
    tone = Tone.ALARM if is_liquidation_near(grid) else Tone.STRONG
    where = Piece(f"{away} away", tone) if away else _note("not known")
    return (
        _row("liquidation", liquidation_piece(grid, position), where),
        _row("position", Piece(amount_text(grid, position)), _note(worth)),
        _row("margin", Piece(number(position.margin, quote_places(grid.tick_size))), _note(mode_text(position))),
    )


def _way_of(cash: Decimal) -> str:
    if cash == ZERO:
        return ""
    return " taken in" if cash > ZERO else " paid out"


def _row(label: str, value: Piece, note: Piece) -> Line:
    """Label, the value at the right of its column, and what there is to say about it."""
    pad = fit_right("", max(_VALUE_WIDTH - len(value.text), 0))
    return Piece(fit_left(label, _LABEL_WIDTH) + pad, Tone.DIM), value, Piece("  "), note


def _note(text: str) -> Piece:
    return Piece(text, Tone.DIM)


def _result(value: Decimal, places: int) -> Piece:
    return Piece(signed(value, places), result_tone(value))


def _amount(amount: Decimal, currency: str) -> str:
    return f"{exact(amount)} {clean_text(currency, _CURRENCY_LIMIT)}"


def _fee(amount: Decimal, currency: str, grid: GridSnapshot) -> str:
    """What was paid in one currency; quote as coarse as everything else that is quote."""
    if currency == grid.quote:
        return f"{number(amount, quote_places(grid.tick_size))} {clean_text(currency, _CURRENCY_LIMIT)}"
    return _amount(amount, currency)


def _chart_lines(view: View, width: int) -> tuple[Line, ...]:
    """The total over time, with its lowest and highest value."""
    if len(view.totals) < 2 or view.grid is None:
        return ()
    places = quote_places(view.grid.tick_size)
    low, high = signed(min(view.totals), places), signed(max(view.totals), places)
    tone = result_tone(view.totals[-1])
    scale = spread((Piece("total so far", Tone.DIM),), (Piece(f"{low} to {high}", Tone.DIM),), width)
    height = _CHART_HEIGHT if view.grid.position is None else _CHART_HEIGHT_SWAP
    return (scale, *((Piece(row, tone),) for row in area(view.totals, width, height)))
