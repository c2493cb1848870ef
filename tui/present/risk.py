"""What bounds a grid: its blocks with their ends, its limits as bars, its stops with their prices.

Every block is named on the dashboard, whatever room there is: ``block_rows`` gives one line for each with
its reason, ``block_summary`` the names of all of them in as few lines as they take.
"""

from collections.abc import Iterator
from decimal import Decimal

from engine.model.grid import Disposal
from engine.model.money import ZERO
from engine.model.risk import (
    Block,
    BreakerKind,
    LimitName,
)
from engine.model.risk_view import NO_RISK, LimitView, StopView
from engine.model.snapshot import BlockView, GridSnapshot
from engine.model.text import clean_text
from tui.present.chart import progress
from tui.present.going_on import SHORT_WAY_ON, STANDING, way_on
from tui.present.numbers import (
    NOTHING,
    distance,
    duration,
    moment,
    number,
    percent,
    places_of,
    plural,
    quote_places,
    share,
)
from tui.present.pieces import BLANK, Line, Piece, Tone, cut_line, fit_left, fit_right, line_width, wrap_words
from tui.present.refusals import grouped_blocks, grouped_refusals
from tui.present.words import GRID_SIGNS, Sign
from tui.view import View

BLOCK_WORDS = {
    BreakerKind.PANIC_KEY: "panic key",
    BreakerKind.MARKET_PANIC: "market panic",
    BreakerKind.LEADERS_UNSEEN: "leaders unseen",
    BreakerKind.DAILY_LOSS: "daily loss",
    BreakerKind.DRAWDOWN: "drawdown",
    BreakerKind.FLOATING_LOSS: "floating loss",
    BreakerKind.STOP_LOSS: "stop loss",
    BreakerKind.TAKE_PROFIT: "take profit",
    BreakerKind.TRAILING_TAKE_PROFIT: "trailing take profit",
}
LIMIT_WORDS = {
    LimitName.EXPOSURE: "exposure",
    LimitName.OPEN_ORDERS: "open orders",
    LimitName.ORDER_NOTIONAL: "size of an order",
    LimitName.PRICE_BAND: "price of an order",
    LimitName.ORDER_RATE: "orders a minute",
    LimitName.DAILY_LOSS: "daily loss",
    LimitName.DRAWDOWN: "drawdown",
    LimitName.FLOATING_LOSS: "floating loss",
    LimitName.PRICE_AGE: "age of the price",
    LimitName.REPORTS_AGE: "order stream silent",
    LimitName.CANDLES_AGE: "age of the candles",
    LimitName.JOURNAL_LAG: "lag of the journal",
    LimitName.LIQUIDATION_DISTANCE: "to liquidation",
}
_DISPOSAL_WORDS = {
    Disposal.LEAVE: "leaves orders and coins",
    Disposal.CANCEL: "cancels orders, keeps coins",
    Disposal.FLATTEN: "cancels orders, closes all",
}
MARK = "▸ "
BLOCKED = Sign("■", "blocked", Tone.LOSS)
_NEAR = Decimal("0.8")
"""From this fraction on a limit is marked as near."""
_ONE = Decimal(1)
_NAME_WIDTH = 22
_SHARE_WIDTH = 7
_AMOUNTS_WIDTH = 30
_BAR_MIN, _BAR_MAX = 8, 40
_SMALL_BAR, _WIDTH_FOR_BAR = 8, 76
_REFUSALS_SHOWN = 20
_LONG_SECONDS = 10
_SHARE_MAX = Decimal(10)
"""From ten times the limit on the figure says no more than that."""


# On the dashboard


def limits_line(view: View, width: int, *, has_bar: bool = True) -> Line:
    """Every limit that blocks by its name, or else the one that is used most; empty without limits.

    ``width`` is that of the whole screen.
    """
    grid = view.grid
    if grid is None:
        return ()
    blocking = [LIMIT_WORDS[limit.name] for limit in grid.risk.limits if limit.is_blocking]
    if blocking:
        verb = "blocks" if len(blocking) == 1 else "block"
        return (Piece(f"■ {', '.join(blocking)} {verb} ", Tone.LOSS),)
    fullest = max((limit for limit in grid.risk.limits if limit.used is not None), key=_fullness, default=None)
    if fullest is None:
        return ()
    sign = _limit_sign(fullest)
    label = Piece(f"{sign.glyph} {LIMIT_WORDS[fullest.name]} ", Tone.DIM if sign is _WELL else sign.tone)
    bar = (*_bar(fullest, _SMALL_BAR), Piece(" ")) if has_bar and width >= _WIDTH_FOR_BAR else ()
    return label, *bar, Piece(f"{_used_text(fullest)} ", sign.tone)


def block_rows(view: View, width: int) -> tuple[Line, ...]:
    """One line for each block of the chosen grid with its end and its reason, and one for each other blocked grid."""
    grid = view.grid
    if grid is None:
        return ()
    now_ms = _now(view)
    rows: list[Line] = [
        (
            Piece(f" ■ {BLOCK_WORDS[block.kind]}", Tone.LOSS),
            Piece(f"  {_short_end(grid, block, now_ms)}", Tone.WARN),
            Piece(f"  {clean_text(block.reason)}"),
        )
        for block in grid.risk.blocks
    ]
    rows.extend(
        (Piece(f" ■ {clean_text(other.name, 24)}", Tone.LOSS), Piece(f"  {_names(other)}", Tone.WARN))
        for other in _other_blocked(view)
    )
    return tuple(cut_line(row, width) for row in rows)


def block_summary(view: View, width: int) -> tuple[Line, ...]:
    """The name and the end of every block, of every grid, in as many lines as they take."""
    grid = view.grid
    if grid is None:
        return ()
    now_ms = _now(view)
    by_end: dict[str, list[str]] = {}
    for block in grid.risk.blocks:
        by_end.setdefault(_short_end(grid, block, now_ms), []).append(BLOCK_WORDS[block.kind])
    texts = [f"{', '.join(kinds)} {end}" for end, kinds in by_end.items()]
    texts.extend(f"{clean_text(other.name, 24)}: {_names(other)}" for other in _other_blocked(view))
    if not texts:
        return ()
    count = len(grid.risk.blocks) + sum(len(other.risk.blocks) for other in _other_blocked(view))
    head = f" ■ {plural(count, 'block')}: "
    rows = wrap_words("; ".join(texts), max(width - len(head), 8))
    return tuple(
        cut_line((Piece(head if at == 0 else " " * len(head), Tone.LOSS), Piece(row, Tone.WARN)), width)
        for at, row in enumerate(rows)
    )


def unsaid_blocks(grid: GridSnapshot) -> tuple[BlockView, ...]:
    """What keeps the grid from acting beside its breakers; a block that only repeats one of them is left out.

    Slots that share a reason are one.
    """
    said = [block.reason for block in grid.risk.blocks]
    left = [block for block in grid.blocks if not any(reason and reason in block.reason for reason in said)]
    return grouped_blocks(grid, left)


def is_bounded(view: View) -> bool:
    """Whether anything bounds the chosen grid: a regime, a limit, a stop, a block."""
    return view.grid is not None and (view.grid.regime is not None or view.grid.risk != NO_RISK)


def _other_blocked(view: View) -> Iterator[GridSnapshot]:
    if view.engine is None or view.grid is None:
        return
    yield from (grid for grid in view.engine.grids if grid.name != view.grid.name and grid.risk.blocks)


def _names(grid: GridSnapshot) -> str:
    return ", ".join(BLOCK_WORDS[block.kind] for block in grid.risk.blocks)


def _short_end(grid: GridSnapshot, block: Block, now_ms: int) -> str:
    if grid.state in STANDING:
        return f"{GRID_SIGNS[grid.state].word}: {SHORT_WAY_ON}"
    if block.until_ms is None:
        return "until lifted"
    if block.until_ms <= now_ms:
        return "while its cause is there"
    return f"until {moment(block.until_ms, now_ms)}"


# On the risk screen


def block_lines(view: View, selected: BreakerKind | None, width: int, *, is_airy: bool) -> tuple[Line, ...]:
    """Each block with its reason, since when, and how it ends; then whatever else keeps the grid from acting."""
    grid = view.grid
    if grid is None:
        return ((Piece("blocks appear with the first snapshot", Tone.DIM),),)
    now_ms = _now(view)
    lines: list[Line] = []
    for block in grid.risk.blocks:
        if is_airy and lines:
            lines.append(BLANK)
        lines.extend(_block_entry(grid, block, now_ms, width, mark=MARK if block.kind is selected else "  "))
    if not lines:
        lines.append((Piece("No breaker has tripped.", Tone.DIM),))
    for other in unsaid_blocks(grid):
        head = Piece(f"  ▲ {clean_text(other.what, 60)}  ", Tone.WARN)
        lines.extend(_hanging(head, clean_text(other.reason), width))
    for blocked in _other_blocked(view):
        head = Piece(f"  ■ {clean_text(blocked.name, 24)}  ", Tone.LOSS)
        lines.extend(_hanging(head, f"{_names(blocked)}; < and > show it", width))
    return tuple(cut_line(line, width) for line in lines)


def end_text(grid: GridSnapshot, block: Block, now_ms: int) -> str:
    """How a block ends, in a sentence; of a grid that does not go on by itself, how that goes on."""
    if grid.state in STANDING:
        return way_on(grid)
    if block.until_ms is None:
        return "only a person ends it: press L to lift it"
    if block.until_ms <= now_ms:
        return "its time is over; it ends by itself as soon as the cause is gone; L lifts it now"
    return f"ends by itself at {moment(block.until_ms, now_ms)} if the cause is gone; L lifts it now"


def _block_entry(grid: GridSnapshot, block: Block, now_ms: int, width: int, *, mark: str) -> Iterator[Line]:
    yield (
        Piece(mark, Tone.KEY),
        Piece(f"■ {BLOCK_WORDS[block.kind].upper()}", Tone.LOSS),
        Piece(f"  for {duration(now_ms - block.since_ms)}", Tone.STRONG),
        Piece(f"  since {moment(block.since_ms, now_ms)}", Tone.DIM),
    )
    indent = Piece("    ")
    for text, tone in ((clean_text(block.reason), Tone.TEXT), (end_text(grid, block, now_ms), Tone.WARN)):
        yield from ((indent, Piece(row, tone)) for row in wrap_words(text, max(width - 4, 8)))


def _hanging(head: Piece, text: str, width: int) -> Iterator[Line]:
    """``text`` after its head, and under itself where it needs more lines."""
    indent = line_width((head,))
    for at, row in enumerate(wrap_words(text, max(width - indent, 8))):
        yield Piece(" " * indent) if at else head, Piece(row)


def limit_lines(view: View, width: int) -> tuple[Line, ...]:
    """Each limit as a bar, those that block first and the fuller before the emptier; then those judged by order."""
    grid = view.grid
    if grid is None:
        return ()
    if not grid.risk.limits:
        return ((Piece("No limit is configured.", Tone.DIM),),)
    lines: list[Line] = []
    for limit in sorted(grid.risk.limits, key=_urgency):
        lines.extend(_limit_entry(grid, limit, width))
    return tuple(cut_line(line, width) for line in lines)


def _urgency(limit: LimitView) -> tuple[bool, Decimal]:
    return not limit.is_blocking, -_fullness(limit)


def _fullness(limit: LimitView) -> Decimal:
    return limit.used if limit.used is not None and limit.used.is_finite() else -_ONE


def _limit_entry(grid: GridSnapshot, limit: LimitView, width: int) -> Iterator[Line]:
    sign = _limit_sign(limit)
    head = Piece(f"{sign.glyph} ", sign.tone), Piece(fit_left(LIMIT_WORDS[limit.name], _NAME_WIDTH))
    if limit.value is None or limit.used is None:
        text = "not known" if limit.is_blocking else clean_text(limit.reason)
        yield *head, Piece(text, sign.tone if limit.is_blocking else Tone.DIM)
    else:
        cells = min(max(width - 2 - _NAME_WIDTH - _SHARE_WIDTH - 2 - _AMOUNTS_WIDTH, _BAR_MIN), _BAR_MAX)
        used = Piece(fit_right(_used_text(limit), _SHARE_WIDTH), sign.tone)
        yield *head, *_bar(limit, cells), used, Piece(f"  {_amounts(grid, limit)}")
    if limit.is_blocking:
        rows = wrap_words(f"blocks every opening: {clean_text(limit.reason)}", max(width - 4, 8))
        yield from ((Piece("    "), Piece(row, Tone.WARN)) for row in rows)


_WELL = Sign("·", "well", Tone.GAIN)
_CLOSE = Sign("▲", "near", Tone.WARN)


def _limit_sign(limit: LimitView) -> Sign:
    if limit.is_blocking:
        return BLOCKED
    return _CLOSE if _fullness(limit) >= _NEAR else _WELL


def _bar(limit: LimitView, width: int) -> Line:
    done, left = progress(min(max(_fullness(limit), ZERO), _ONE), _ONE, width)
    return Piece(done, _limit_sign(limit).tone), Piece(left, Tone.FAINT)


def _used_text(limit: LimitView) -> str:
    used = limit.used
    if used is None or not used.is_finite():
        return NOTHING
    return ">999%" if used >= _SHARE_MAX else share(max(used, ZERO))


def _amounts(grid: GridSnapshot, limit: LimitView) -> str:
    """``3,280.00 of 4,000.00 USDT``; a distance has a least instead of a most."""
    places = _places(grid, limit)
    value = NOTHING if limit.value is None else number(limit.value, places)
    unit = clean_text(limit.unit, 10)
    bound = number(limit.limit, places)
    if limit.name is LimitName.LIQUIDATION_DISTANCE:
        return f"{value} {unit}, at least {bound} {unit}"
    return f"{value} of {bound} {unit}".rstrip()


def _places(grid: GridSnapshot, limit: LimitView) -> int:
    match limit.unit:
        case "":
            return 0
        case "s":
            return 1 if limit.limit >= _LONG_SECONDS else 3
        case "%":
            return max(places_of(limit.limit), 2)
        case _:
            return quote_places(grid.tick_size)


def stop_lines(view: View, width: int) -> tuple[Line, ...]:
    """Each stop with the price that would end the grid now and how far that is, the nearest first."""
    grid = view.grid
    if grid is None:
        return ()
    if not grid.risk.stops:
        return ((Piece("No stop loss and no take profit is configured.", Tone.DIM),),)
    lines: list[Line] = []
    for stop in sorted(grid.risk.stops, key=lambda stop: _farness(grid, stop)):
        lines.extend(_stop_entry(grid, stop, width))
    return tuple(cut_line(line, width) for line in lines)


def _farness(grid: GridSnapshot, stop: StopView) -> tuple[bool, Decimal]:
    away = _away(grid, stop)
    return (True, ZERO) if away is None else (False, abs(away))


def _away(grid: GridSnapshot, stop: StopView) -> Decimal | None:
    return None if stop.price is None or grid.price is None else distance(stop.price, grid.price)


def _stop_entry(grid: GridSnapshot, stop: StopView, width: int) -> Iterator[Line]:
    tone = Tone.LOSS if stop.kind is BreakerKind.STOP_LOSS else Tone.GAIN
    away = _away(grid, stop)
    glyph = "·" if away is None else "▼" if away < ZERO else "▲"
    name = Piece(f"{glyph} ", tone), Piece(fit_left(BLOCK_WORDS[stop.kind], _NAME_WIDTH))
    if stop.price is None:
        where: Line = (Piece(fit_left("no price ends it now", 22), Tone.DIM),)
    else:
        price = Piece(fit_right(number(stop.price, places_of(grid.tick_size)), 12), Tone.STRONG)
        where = price, Piece(fit_right("" if away is None else percent(away), 10), Tone.DIM)
    yield *name, *where, Piece(f"  {_DISPOSAL_WORDS[stop.disposal]}", Tone.DIM)
    words = wrap_words(clean_text(stop.words), max(width - 4, 8)) if stop.words else ()
    yield from ((Piece("    "), Piece(row, Tone.DIM)) for row in words)


def refusal_lines(view: View, width: int) -> tuple[Line, ...]:
    """What the risk gate refused at the newest decision, once for each reason."""
    grid = view.grid
    if grid is None:
        return ()
    refusals = grouped_refusals(grid)
    if not refusals:
        return ((Piece("The newest decision had nothing refused.", Tone.DIM),),)
    lines: list[Line] = []
    for refusal in refusals[:_REFUSALS_SHOWN]:
        text = f"{refusal.what}: {refusal.reason}" if refusal.what else refusal.reason
        lines.extend(_hanging(Piece("× ", Tone.WARN), clean_text(text), width))
    if len(refusals) > _REFUSALS_SHOWN:
        rest = plural(len(refusals) - _REFUSALS_SHOWN, "more refusal")
        lines.append((Piece(f"  and {rest}", Tone.WARN),))
    return tuple(lines)


def _now(view: View) -> int:
    return 0 if view.engine is None else view.engine.at_ms
