"""What is asked before a block is lifted or the panic key takes effect: exactly what would happen."""

from engine.model.grid import GridState
from engine.model.order import TERMINAL_STATUSES
from engine.model.risk import Block, BreakerKind
from engine.model.snapshot import EngineSnapshot, GridSnapshot, SlotView
from engine.model.text import clean_text
from tui.present.going_on import after_lifting
from tui.present.numbers import plural
from tui.present.pieces import BLANK, Line, Piece, Tone, wrap_words
from tui.present.risk import BLOCK_WORDS
from tui.present.words import STAGE_BANNERS, Stage, stage_of

_NAME_LIMIT = 24


def lift_lines(stage: Stage, grid: GridSnapshot, block: Block, width: int) -> tuple[Line, ...]:
    """The question before a person lifts a block."""
    name = clean_text(grid.name, _NAME_LIMIT)
    head = Piece(f"Lift the block of {name}: {BLOCK_WORDS[block.kind]}?  ", Tone.STRONG)
    others = [BLOCK_WORDS[other.kind] for other in grid.risk.blocks if other.kind is not block.kind]
    then = [f"Still blocked afterwards by: {', '.join(others)}."] if others else []
    if not others or grid.state is not GridState.RUNNING:
        then.append(after_lifting(grid))
    return (
        (head, STAGE_BANNERS[stage]),
        BLANK,
        *_rows(clean_text(block.reason), width, Tone.WARN),
        BLANK,
        *(row for text in then for row in _rows(text, width)),
        *_rows(_cause_text(block.kind), width),
        BLANK,
        _yes_or_no("lift it"),
    )


def _cause_text(kind: BreakerKind) -> str:
    """What lifting does to the cause of a block."""
    match kind:
        case BreakerKind.DAILY_LOSS:
            return "The loss so far is accepted: the day is counted anew from now."
        case BreakerKind.DRAWDOWN:
            return "The loss so far is accepted: the peak is counted anew from now."
        case BreakerKind.TRAILING_TAKE_PROFIT:
            return "What it has followed is forgotten: it begins to follow anew."
        case BreakerKind.PANIC_KEY:
            return "The panic key can be pressed again at any time."
        case BreakerKind.STOP_LOSS | BreakerKind.TAKE_PROFIT | BreakerKind.FLOATING_LOSS:
            return "If its cause is still there at the next price, the block is raised again."
        case BreakerKind.MARKET_PANIC | BreakerKind.LEADERS_UNSEEN:
            return "If its cause is still there at the next look at the leaders, the block is raised again."


def panic_lines(engine: EngineSnapshot, grid: GridSnapshot, width: int) -> tuple[Line, ...]:
    """The question after the panic key: which grids, and what becomes of their orders."""
    name = clean_text(grid.name, _NAME_LIMIT)
    head = Piece(f"PANIC  {name} {clean_text(grid.symbol, _NAME_LIMIT)}  ", Tone.STRONG)
    entries, exits = _orders(grid)
    go_on = "1 exit stays and goes on" if exits == 1 else f"{exits:,} exits stay and go on"
    texts = [
        f"Cancels {plural(entries, 'resting entry', 'resting entries')} of {name}. Nothing opens until you lift it.",
        f"{go_on}: what is held can still leave. Nothing is sold at the market.",
    ]
    lines = [row for text in texts for row in _rows(text, width)]
    if len(engine.grids) == 1:
        return (head, STAGE_BANNERS[stage_of(engine)]), BLANK, *lines, BLANK, _yes_or_no("block openings")
    count = len(engine.grids) - 1
    others = "The other grid goes on" if count == 1 else f"The {count} other grids go on"
    return (
        (head, STAGE_BANNERS[stage_of(engine)]),
        BLANK,
        *lines,
        *_rows(f"{others}, unless you answer with all.", width),
        BLANK,
        (Piece("a", Tone.KEY), Piece(f" block all {len(engine.grids)} grids    "), *_yes_or_no(f"only {name}")),
    )


def _orders(grid: GridSnapshot) -> tuple[int, int]:
    """How many entries and how many exits rest."""
    live = [slot for slot in grid.slots if slot.order is not None and slot.order.status not in TERMINAL_STATUSES]
    entries = sum(_is_entry(slot) for slot in live)
    return entries, len(live) - entries


def _is_entry(slot: SlotView) -> bool:
    return slot.order is not None and slot.order.side is slot.entry_side


def _rows(text: str, width: int, tone: Tone = Tone.TEXT) -> tuple[Line, ...]:
    return tuple((Piece(row, tone),) for row in wrap_words(text, width))


def _yes_or_no(yes: str) -> Line:
    return (
        Piece("y", Tone.KEY),
        Piece(f" yes, {yes}    "),
        Piece("n", Tone.KEY),
        Piece(" or ", Tone.DIM),
        Piece("esc", Tone.KEY),
        Piece(" no"),
    )
