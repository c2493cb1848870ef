"""The lines that never leave the screen: status, summary, tabs, alerts and blocks."""

from engine.model.grid import GridState
from engine.model.money import ZERO
from engine.model.snapshot import BlockView, Connection, EngineSnapshot, EngineState, GridSnapshot, Mode
from engine.model.text import clean_text
from tui.present.chart import area
from tui.present.numbers import (
    clock,
    date_clock,
    exact,
    number,
    places_of,
    plural,
    quote_places,
    signed,
)
from tui.present.pieces import Line, Piece, Tone, cut_line, join, join_that_fit, line_width, spread
from tui.present.position import is_liquidation_near
from tui.present.refusals import grouped_blocks
from tui.present.regime import regime_line, regime_needs
from tui.present.risk import BLOCKED, block_rows, block_summary, limits_line, unsaid_blocks
from tui.present.words import (
    ARROWS,
    ASKED,
    CONNECTION_SIGNS,
    ENGINE_SIGNS,
    GRID_SIGNS,
    STAGE_BANNERS,
    Stage,
    result_tone,
    speed_word,
    stage_of,
)
from tui.view import View

_WIDTH_FOR_DATE = 110
_WIDTH_FOR_SPARK = 116
_WIDTH_FOR_FLOATING = 90
"""Below it there is room for one of the two, and always for the same one; floating is in the profit pane."""
_SPARK_WIDTH = 24
_EXPLAINED_STATES = frozenset(
    (GridState.PAUSED, GridState.EXITS_ONLY, GridState.STOPPING, GridState.STOPPED, GridState.STARTING)
)
_NAME_LIMIT = 24
_STARTING_LIMIT = 160


def labelled(label: str, value: Piece) -> Line:
    """A quiet label before its value."""
    return Piece(f"{label} ", Tone.DIM), value


def status_line(view: View, width: int) -> Line:
    """Mode, exchange, connection, engine, speed, lag; the market's clock at the right."""
    engine = view.engine
    if engine is None:
        return Piece(" GRIDWRIGHT ", Tone.HEAD), Piece("  "), *starting_line(view)
    stage = stage_of(engine)
    connection = CONNECTION_SIGNS[engine.connection]
    groups: list[Line] = [
        (STAGE_BANNERS[stage],),
        (Piece(clean_text(engine.exchange_id or engine.exchange, _NAME_LIMIT) + " "), connection.piece()),
        labelled("engine", ENGINE_SIGNS[_engine_state(view, engine)].piece()),
        (Piece(speed_word(engine.speed), Tone.STRONG),),
        labelled("lag", Piece(f"{engine.loop_lag_ms:.0f}ms")),
    ]
    text = date_clock(engine.at_ms) if width >= _WIDTH_FOR_DATE else clock(engine.at_ms) + "Z"
    right: Line = (Piece(text + " ", Tone.STRONG),)
    line = spread(join_that_fit(groups, width - line_width(right) - 1), right, width)
    return _loud(line, engine) if stage is Stage.LIVE else line


def _loud(line: Line, engine: EngineSnapshot) -> Line:
    """A whole line in the colour of real money, but for a connection or an engine that is not as it should be."""
    quiet = {CONNECTION_SIGNS[Connection.CONNECTED].piece(), ENGINE_SIGNS[EngineState.RUNNING].piece()}
    shown = {CONNECTION_SIGNS[engine.connection].piece(), *(sign.piece() for sign in ENGINE_SIGNS.values())}
    return tuple(piece if piece in shown - quiet else Piece(piece.text, Tone.LIVE) for piece in line)


def _engine_state(view: View, engine: EngineSnapshot) -> EngineState:
    """A snapshot that can no longer be renewed is that of a stopped engine."""
    return engine.state if view.ended is None else EngineState.STOPPED


def summary_line(view: View, width: int) -> Line:
    """The chosen grid in one line: name, state, price, total, and what it is made of."""
    grid = view.grid
    if grid is None:
        return starting_line(view) if view.engine is not None else ()
    places = quote_places(grid.tick_size)
    profit = grid.profit
    name = f" {clean_text(grid.name, _NAME_LIMIT)} {clean_text(grid.symbol, _NAME_LIMIT)} "
    parts = (
        labelled("floating", Piece(signed(profit.floating, places), result_tone(profit.floating))),
        labelled("residual", residual_piece(grid)),
    )
    groups: list[Line] = [
        (Piece(name, Tone.STRONG), GRID_SIGNS[grid.state].piece()),
        _price_group(view, grid),
        labelled("total", Piece(signed(profit.total, places), result_tone(profit.total))),
        labelled("grid", Piece(signed(profit.grid, places), result_tone(profit.grid))),
        *(reversed(parts) if width < _WIDTH_FOR_FLOATING else parts),
        *_funding_groups(grid),
        labelled("cycles", Piece(f"{grid.cycles:,}")),
    ]
    if width >= _WIDTH_FOR_SPARK and len(view.prices) > 1:
        groups.insert(2, (Piece(area(view.prices, _SPARK_WIDTH, 1)[0], Tone.HEAD),))
    return join_that_fit(groups, width)


def _funding_groups(grid: GridSnapshot) -> tuple[Line, ...]:
    if grid.position is None:
        return ()
    funding = grid.profit.funding
    return (labelled("funding", Piece(signed(funding, quote_places(grid.tick_size)), result_tone(funding))),)


def market_lines(view: View, width: int) -> tuple[Line, ...]:
    """The regime at the left and the limit that matters most at the right; none where neither is configured."""
    limits = limits_line(view, width)
    if not limits:
        regime = regime_line(view, width)
        return (regime,) if regime else ()
    needs = regime_needs(view)
    for shown in (limits, limits_line(view, width, has_bar=False)):
        room = width - line_width(shown) - 1
        if needs <= room:
            return (spread(regime_line(view, room), shown, width),)
    return regime_line(view, width), cut_line((Piece(" "), *limits), width)


def _price_group(view: View, grid: GridSnapshot) -> Line:
    if grid.price is None:
        return (Piece("no price yet", Tone.WARN),)
    tone = {-1: Tone.LOSS, 0: Tone.DIM, 1: Tone.GAIN}[view.move]
    return (
        Piece(number(grid.price, places_of(grid.tick_size)), Tone.PRICE),
        Piece(f" {ARROWS[view.move]}".rstrip(), tone),
    )


def residual_piece(grid: GridSnapshot) -> Piece:
    """The residual with every digit; anything but zero is an alarm."""
    if grid.profit.residual == ZERO:
        return Piece("0", Tone.GAIN)
    return Piece(f" {exact(grid.profit.residual)} ", Tone.ALARM)


def tabs_line(view: View, width: int) -> Line:
    """All grids by number; empty when there is only one."""
    if view.engine is None or len(view.engine.grids) < 2:
        return ()
    groups: list[Line] = [(Piece(" <", Tone.KEY), Piece(" grids ", Tone.DIM), Piece(">", Tone.KEY))]
    for position, grid in enumerate(view.engine.grids, 1):
        is_chosen = view.grid is not None and grid.name == view.grid.name
        mark, tone = ("▸", Tone.STRONG) if is_chosen else (" ", Tone.DIM)
        total = grid.profit.total
        groups.append(
            (
                Piece(f"{mark}{position} {clean_text(grid.name, _NAME_LIMIT)} ", tone),
                Piece(clean_text(grid.symbol, _NAME_LIMIT) + " ", Tone.DIM),
                Piece(GRID_SIGNS[grid.state].glyph + " ", GRID_SIGNS[grid.state].tone),
                Piece(signed(total, quote_places(grid.tick_size)), result_tone(total)),
            )
        )
    return cut_line(join(groups), width)


def starting_line(view: View) -> Line:
    """Which parts of the engine have not reported in yet; empty once all have."""
    if view.engine is None:
        what = clean_text(view.starting, _STARTING_LIMIT) or "waiting for the engine"
        return (Piece(f"starting: {what}", Tone.WARN),)
    missing = [
        clean_text(f"{part.name} ({part.detail})" if part.detail else part.name, 80)
        for part in view.engine.parts
        if not part.has_reported
    ]
    if not missing:
        return ()
    return (Piece(f" starting: waiting for {', '.join(missing)}", Tone.WARN),)


def alert_lines(view: View, width: int) -> tuple[Line, ...]:
    """What a person must know at once, one full-width line each; empty when all is well."""
    texts: list[str] = []
    if view.ended is not None:
        texts.append(f"ENGINE STOPPED: {view.ended}. The numbers are the last ones; q leaves.")
        if view.engine is not None and view.engine.mode is not Mode.SIMULATION:
            texts.append("Its orders may go on resting there; the same command starts it again.")
    elif view.engine is not None and view.engine.state is EngineState.HALTED:
        texts.append(f"HALTED: {view.engine.state_reason}")
    if view.grid is not None:
        grid = view.grid
        if grid.state is GridState.HALTED and (view.engine is None or view.engine.state is EngineState.RUNNING):
            texts.append(f"GRID {grid.name} HALTED: {grid.state_reason}")
        if grid.profit.residual != ZERO:
            amount = exact(grid.profit.residual)
            texts.append(f"RESIDUAL {amount} {grid.quote}: the books of {grid.name} do not explain this amount.")
    return tuple(_bar(" ■ " + clean_text(text), Tone.ALARM, width) for text in texts)


def _bar(text: str, tone: Tone, width: int) -> Line:
    line = cut_line((Piece(text, tone),), width)
    return *line, Piece(" " * (width - line_width(line)), tone)


def block_lines(view: View, width: int, limit: int) -> tuple[Line, ...]:
    """Everything that keeps the grid from acting, with its reason, in at most ``limit`` lines.

    Breakers come first, and where they do not fit all of them are still named, in as many lines as that takes.
    """
    grid = view.grid
    if grid is None:
        return ()
    reasons: list[tuple[str, str]] = []
    if view.engine is not None and view.engine.state is EngineState.STARTING:
        missing = starting_line(view)
        if missing:
            what, _, parts = missing[0].text.strip().partition(": ")
            reasons.append((what, parts))
    reasons.extend((block.what, block.reason) for block in unsaid_blocks(grid))
    reasons.extend(_unsaid_reasons(grid))
    lines = [_block_line(what, reason, width) for what, reason in reasons]
    tripped = block_rows(view, width)
    if len(tripped) > 1 and len(tripped) + len(lines) > limit:
        tripped = block_summary(view, width)
    return *tripped, *_that_fit(lines, max(limit - len(tripped), 1))


def _that_fit(lines: list[Line], limit: int) -> tuple[Line, ...]:
    if len(lines) <= limit:
        return tuple(lines)
    rest = len(lines) - limit + 1
    return (*lines[: limit - 1], (Piece(f" ▲ and {plural(rest, 'more reason')}", Tone.WARN),))


def _unsaid_reasons(grid: GridSnapshot) -> list[tuple[str, str]]:
    """The reasons of the grid's state and of frozen slots, unless a block gives them already."""
    said = {block.reason for block in grid.blocks} | {block.reason for block in grid.risk.blocks}
    reasons: list[tuple[str, str]] = []
    if grid.state in _EXPLAINED_STATES and grid.state_reason and grid.state_reason not in said:
        reasons.append((GRID_SIGNS[grid.state].word, grid.state_reason))
    reasons.extend(
        (f"{block.what} frozen", block.reason)
        for block in grouped_blocks(
            grid,
            (
                BlockView(what=f"slot {slot.index}", reason=slot.freeze_reason)
                for slot in grid.slots
                if slot.freeze_reason is not None and slot.freeze_reason not in said
            ),
        )
    )
    return reasons


def _block_line(what: str, reason: str, width: int) -> Line:
    return cut_line((Piece(f" ▲ {clean_text(what, 60)}", Tone.WARN), Piece(f"  {clean_text(reason)}")), width)


def tiny_line(view: View, width: int) -> Line:
    """All that fits when the terminal is too small for the dashboard."""
    if view.ended is not None:
        return cut_line((Piece("ENGINE STOPPED ", Tone.ALARM), Piece(clean_text(view.ended))), width)
    if view.engine is None or view.grid is None:
        return cut_line((Piece("starting", Tone.WARN), Piece("  60x16 needed", Tone.DIM)), width)
    total = view.grid.profit.total
    asked = sum(len(grid.questions) for grid in view.engine.grids)
    tripped = sum(len(grid.risk.blocks) for grid in view.engine.grids)
    groups: list[Line] = [
        (STAGE_BANNERS[stage_of(view.engine)],),
        (GRID_SIGNS[view.grid.state].piece(),),
        (Piece(f"{BLOCKED.glyph} {plural(tripped, 'block')}", BLOCKED.tone),) if tripped else (),
        (Piece("▲ LIQUIDATION NEAR", Tone.ALARM),) if is_liquidation_near(view.grid) else (),
        (Piece(f"{ASKED.glyph} {plural(asked, 'question')}", Tone.WARN),) if asked else (),
        labelled("total", Piece(signed(total, quote_places(view.grid.tick_size)), result_tone(total))),
        (Piece("60x16 needed", Tone.DIM),),
        (Piece("q", Tone.KEY), Piece(" quit")),
    ]
    return join_that_fit(groups, width)
