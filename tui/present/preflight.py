"""The pre-flight as it is shown: what forbids the start, the figures, and the ladder with what each cycle earns."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from rich.cells import cell_len

from engine.model.money import ZERO
from engine.model.order import Side
from engine.model.preflight import Preflight, PreflightRow
from engine.model.snapshot import BalanceView, GridSnapshot
from engine.model.text import clean_text
from tui.present.numbers import number, places_of, plural, quote_places, signed
from tui.present.pieces import BLANK, Line, Piece, Tone, cut_line, fit_left, fit_right, line_width, wrap_words
from tui.present.words import SIDE_TONES, result_tone

_LABEL = 16
_TWO_COLUMNS = 72
"""The width from which the figures stand in two columns."""
_TEXT_LIMIT = 800
_CURRENCY_LIMIT = 12
_PROFIT_PLACES_MORE = 2
"""A cycle earns little: its profit has more places than other money."""
_HUNDRED = Decimal(100)
_HEADS = ("#", "lower", "upper", "side", "amount", "profit", "rate", "now")
_OPENS_NOW = {Side.BUY: "buys now", Side.SELL: "sells now"}


class Places(NamedTuple):
    """Decimal places of prices, amounts of base and money."""

    price: int
    amount: int
    quote: int


class Figure(NamedTuple):
    """One figure of the summary; its text is as short as it can be said."""

    label: str
    text: str
    tone: Tone = Tone.TEXT


def places_for(grid: GridSnapshot) -> Places:
    """The places that the grid's market needs."""
    return Places(places_of(grid.tick_size), places_of(grid.lot_size), quote_places(grid.tick_size))


def figures(flight: Preflight, places: Places) -> tuple[Figure, ...]:
    """The summary; figures that a grid does not have are left out."""
    quote = clean_text(flight.quote, _CURRENCY_LIMIT)
    return (
        *_range_figures(flight, places),
        Figure("needs", f"{number(flight.needs_quote, places.quote)} {quote}", Tone.STRONG),
        *_base_needed(flight, places),
        Figure("least possible", f"{number(flight.least_investment, places.quote)} {quote}"),
        Figure("break-even step", rate_text(flight.break_even_step)),
        *_profit_figures(flight, places),
        *_traded_figures(flight, places),
        *_loss_figures(flight, places),
        Figure("orders live", _of(flight.orders_live, flight.orders_max)),
        Figure("start requests", _of(flight.requests_to_start, flight.requests_per_minute, " a minute")),
    )


def _range_figures(flight: Preflight, places: Places) -> tuple[Figure, ...]:
    rows = flight.rows
    if not rows:
        return (Figure("slots", "none", Tone.WARN),)
    return (
        Figure("highest level", number(rows[-1].upper, places.price)),
        Figure("lowest level", number(rows[0].lower, places.price)),
        Figure("slots", f"{len(rows):,}, {len(rows) + 1:,} levels"),
    )


def _base_needed(flight: Preflight, places: Places) -> tuple[Figure, ...]:
    if flight.needs_base == ZERO:
        return ()
    base = clean_text(flight.base, _CURRENCY_LIMIT)
    return (Figure("and needs", f"{number(flight.needs_base, places.amount)} {base}", Tone.STRONG),)


def _profit_figures(flight: Preflight, places: Places) -> tuple[Figure, ...]:
    if not flight.rows:
        return ()
    profits, rates = [row.profit for row in flight.rows], [row.rate for row in flight.rows]
    shown = places.quote + _PROFIT_PLACES_MORE
    tone = result_tone(min(profits))
    return (
        Figure("cycle earns", _span(signed(min(profits), shown), signed(max(profits), shown)), tone),
        Figure("that is", _span(rate_text(min(rates)), rate_text(max(rates))), tone),
    )


def _span(least: str, most: str) -> str:
    """Two ends that look alike are one figure."""
    return least if least == most else f"{least} to {most}"


def _traded_figures(flight: Preflight, places: Places) -> tuple[Figure, ...]:
    if flight.now_base == ZERO:
        return (Figure("traded at once", "nothing"),)
    base, quote = clean_text(flight.base, _CURRENCY_LIMIT), clean_text(flight.quote, _CURRENCY_LIMIT)
    is_bought = flight.now_base > ZERO
    return (
        Figure(
            "bought at once" if is_bought else "sold at once", f"{number(abs(flight.now_base), places.amount)} {base}"
        ),
        Figure(
            "paid for it" if is_bought else "taken for it", f"{number(abs(flight.now_quote), places.quote)} {quote}"
        ),
    )


def _loss_figures(flight: Preflight, places: Places) -> tuple[Figure, ...]:
    found: list[Figure] = []
    if flight.average_entry is not None:
        found.append(Figure("average entry", number(flight.average_entry, places.price)))
    found.append(_loss("loss at bound", flight.loss_at_bound, flight, places))
    if flight.stop_price is not None:
        found.append(Figure("the stop", number(flight.stop_price, places.price)))
    if flight.loss_at_stop is not None:
        found.append(_loss("loss at stop", flight.loss_at_stop, flight, places))
    if flight.liquidation_price is not None:
        found.append(Figure("liquidation", number(flight.liquidation_price, places.price), Tone.WARN))
    return tuple(found)


def _loss(label: str, loss: Decimal, flight: Preflight, places: Places) -> Figure:
    quote = clean_text(flight.quote, _CURRENCY_LIMIT)
    return Figure(label, f"{number(loss, places.quote)} {quote}", result_tone(-loss))


def _of(count: int, most: int | None, unit: str = "") -> str:
    return f"{count:,}" if most is None else f"{count:,} of {most:,}{unit}"


def rate_text(rate: Decimal) -> str:
    """A fraction in percent without a sign unless it is negative: ``0.200%``."""
    return f"{number(rate * _HUNDRED, 3)}%"


def account_figures(flight: Preflight, balances: Sequence[BalanceView], places: Places) -> tuple[Figure, ...]:
    """What the account has of the two currencies, marked where that is less than is needed.

    Of a currency that is not needed its absence is nothing: a swap has no base at all.
    """
    needs = ((flight.quote, flight.needs_quote, places.quote), (flight.base, flight.needs_base, places.amount))
    found: list[Figure] = []
    for currency, needed, shown in needs:
        balance = next((one for one in balances if one.currency == currency), None)
        name = clean_text(currency, _CURRENCY_LIMIT)
        if balance is not None:
            tone = Tone.WARN if balance.free < needed else Tone.TEXT
            found.append(Figure("account, free", f"{number(balance.free, shown)} {name}", tone))
        elif needed > ZERO:
            found.append(Figure("account has", f"no {name}", Tone.WARN))
    return tuple(found)


def bound_lines(flight: Preflight, balances: Sequence[BalanceView], places: Places, width: int) -> tuple[Line, ...]:
    """What the account has beside that, and what for; none where nothing is bound."""
    places_of_currency = {flight.quote: places.quote, flight.base: places.amount}
    bound = [
        f"{number(one.locked, places_of_currency[one.currency])} {clean_text(one.currency, _CURRENCY_LIMIT)}"
        for one in balances
        if one.currency in places_of_currency and one.locked > ZERO
    ]
    if not bound:
        return ()
    return (cut_line((Piece("bound by orders and positions  ", Tone.DIM), Piece(", ".join(bound), Tone.DIM)), width),)


def summary_lines(flight: Preflight, balances: Sequence[BalanceView], places: Places, width: int) -> tuple[Line, ...]:
    """What forbids and what warns, then the figures, in two columns where there is room."""
    shown = (*figures(flight, places), *account_figures(flight, balances, places))
    lines = list(trouble_lines(flight.problems, flight.warnings, width))
    if lines:
        lines.append(BLANK)
    bound = bound_lines(flight, balances, places, width)
    if width < _TWO_COLUMNS:
        return (*lines, *(cut_line(_figure_line(one), width) for one in shown), *bound)
    half = (len(shown) + 1) // 2
    return (
        *lines,
        *beside([_figure_line(one) for one in shown[:half]], [_figure_line(one) for one in shown[half:]], width),
        *bound,
    )


def _figure_line(figure: Figure) -> Line:
    return Piece(fit_left(figure.label, _LABEL), Tone.DIM), Piece(figure.text, figure.tone)


def beside(left: Sequence[Line], right: Sequence[Line], width: int) -> tuple[Line, ...]:
    """Two columns of lines, each in its half."""
    column = width // 2
    lines: list[Line] = []
    for at in range(max(len(left), len(right))):
        one = cut_line(left[at], column - 2) if at < len(left) else ()
        other = cut_line(right[at], width - column) if at < len(right) else ()
        lines.append((*one, Piece(" " * (column - line_width(one))), *other))
    return tuple(lines)


def trouble_lines(problems: Sequence[str], warnings: Sequence[str], width: int) -> tuple[Line, ...]:
    """Problems, which forbid, and warnings, which do not; empty when all is well."""
    lines: list[Line] = []
    if problems:
        head = Piece(f" ■ {plural(len(problems), 'problem')}: this cannot be done ", Tone.ALARM)
        lines.append(cut_line((head,), width))
    for text in problems:
        lines.extend(_marked("× ", text, Tone.LOSS, width))
    for text in warnings:
        lines.extend(_marked("! ", text, Tone.WARN, width))
    return tuple(lines)


def _marked(mark: str, text: str, tone: Tone, width: int) -> list[Line]:
    rows = wrap_words(clean_text(text, _TEXT_LIMIT), max(width - len(mark), 1))
    return [(Piece(mark if at == 0 else " " * len(mark), tone), Piece(row, tone)) for at, row in enumerate(rows)]


def title_text(grid: GridSnapshot, flight: Preflight) -> str:
    """Which grid, and the price that all is reckoned with."""
    price = number(flight.price, places_of(grid.tick_size))
    return f"Pre-flight {clean_text(grid.name, 32)} {clean_text(flight.symbol, 32)}, started at {price}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The ladder, highest slot first; a line is made when it is drawn, for there may be thousands."""

    rows: tuple[PreflightRow, ...]
    places: Places
    widths: tuple[int, ...]

    @property
    def height(self) -> int:
        """Lines, the heading among them."""
        return len(self.rows) + 1

    def line(self, at: int) -> Line:
        """The heading is line 0."""
        if at == 0:
            return (Piece(self._joined(_HEADS), Tone.HEAD),)
        row = self.rows[-at]
        cells = [fit_right(text, width) for text, width in zip(_cells(row, self.places), self.widths, strict=True)]
        tones = (Tone.DIM, Tone.TEXT, Tone.TEXT, SIDE_TONES[row.side], Tone.TEXT)
        earned = result_tone(row.profit)
        shown = zip(cells, (*tones, earned, earned, Tone.STRONG), strict=True)
        return tuple(Piece(cell + "  ", tone) for cell, tone in shown)

    def _joined(self, cells: Sequence[str]) -> str:
        return "".join(fit_right(cell, width) + "  " for cell, width in zip(cells, self.widths, strict=True))


def table_for(flight: Preflight, places: Places) -> Table:
    """The ladder of a pre-flight."""
    rows = flight.rows
    # The widest of a column is among the extremes: its texts have the same places.
    telling = {
        id(row): row
        for name in ("slot", "upper", "amount", "profit", "rate", "opens_now")
        for end in (min, max)
        for row in ((end(rows, key=lambda one: getattr(one, name)),) if rows else ())
    }
    cells = [_HEADS, *(_cells(row, places) for row in telling.values())]
    widths = tuple(max(cell_len(row[at]) for row in cells) for at in range(len(_HEADS)))
    return Table(rows=rows, places=places, widths=widths)


def _cells(row: PreflightRow, places: Places) -> tuple[str, ...]:
    return (
        f"{row.slot}",
        number(row.lower, places.price),
        number(row.upper, places.price),
        row.side.value,
        number(row.amount, places.amount),
        signed(row.profit, places.quote + _PROFIT_PLACES_MORE),
        rate_text(row.rate),
        _OPENS_NOW[row.side] if row.opens_now else "",
    )
